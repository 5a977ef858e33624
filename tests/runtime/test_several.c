/* SPDX-License-Identifier: MIT */
/*
 * S8: several runtimes in a process: beside each other, with objects of sync/ between them; inside each other, in tasks
 * and in jobs of edo_blocking; how cancellation and signals come in, and that nothing is left running when edo_run is
 * back.
 */
#include "helpers.h"

#include <pthread.h>

/* --- Beside each other -------------------------------------------------------------------------------------------- */

enum { MESSAGES = 2000, HANDS = 3 };

/* Two runtimes on two threads, a plain thread, and what is between them. */
static struct common {
    edo_mutex mutex;
    edo_semaphore permits;
    edo_wait_group ready;
    edo_channel *there;
    edo_channel *back;
    edo_token token;
    long guarded;       /* by mutex */
    _Atomic int inside; /* of the semaphore */
} common;

static int answers(void *argument)
{
    int number;

    (void)argument;
    while (edo_recv(&number, common.there) == 0) {
        number = -number;
        if (edo_send(common.back, &number) < 0)
            break;
    }
    return 0;
}

static int takes_turns(void *argument)
{
    (void)argument;
    for (int i = 0; i < MESSAGES; i++) {
        int rc = 0;

        EDO_LOCKED (&common.mutex, &rc)
            common.guarded++;
        CHECK_RC(rc, 0);
        CHECK_RC(edo_semaphore_acquire(&common.permits, 1), 0);
        CHECK(atomic_fetch_add(&common.inside, 1) < 2);
        if (i % 64 == 0)
            edo_yield();
        atomic_fetch_sub(&common.inside, 1);
        edo_semaphore_release(&common.permits, 1);
    }
    return 0;
}

static int second_runtime(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < HANDS; i++) {
            CHECK_RC(edo_spawn(scope, answers, NULL), 0);
            CHECK_RC(edo_spawn(scope, takes_turns, NULL), 0);
        }
        edo_wait_group_done(&common.ready);
        CHECK_RC(edo_token_wait(&common.token), 0);
    }
    return rc;
}

static void *second_thread(void *argument)
{
    int workers = *(int *)argument;

    CHECK_RC(edo_run(second_runtime, NULL, EDO_OPTIONS(edo_run_options, .workers = workers)), 0);
    return NULL;
}

static void *plain_thread(void *argument)
{
    takes_turns(argument);
    return NULL;
}

static int asks(void *argument)
{
    int first = *(int *)argument;

    for (int i = 0; i < MESSAGES; i++) {
        int number = first + i;

        CHECK_RC(edo_send(common.there, &number), 0);
    }
    return 0;
}

static int first_runtime(void *argument)
{
    static int starts[HANDS] = {1, 1 + MESSAGES, 1 + 2 * MESSAGES};
    long sum = 0;
    int number;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_wait_group_wait(&common.ready), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < HANDS; i++) {
            CHECK_RC(edo_spawn(scope, asks, &starts[i]), 0);
            CHECK_RC(edo_spawn(scope, takes_turns, NULL), 0);
        }
        for (int i = 0; i < HANDS * MESSAGES; i++) {
            CHECK_RC(edo_recv(&number, common.back), 0);
            sum += number;
        }
    }
    CHECK_RC(sum, -(long)HANDS * MESSAGES * (HANDS * MESSAGES + 1) / 2);
    edo_channel_close(common.there);
    edo_token_cancel(&common.token);
    return rc;
}

static void two_beside(int one, int two, size_t capacity)
{
    pthread_t threads[2];

    edo_mutex_init(&common.mutex);
    edo_semaphore_init(&common.permits, 2);
    edo_wait_group_init(&common.ready);
    edo_wait_group_add(&common.ready, 1);
    edo_token_init(&common.token, NULL);
    common.guarded = 0;
    assert_int_equal(edo_channel_create(&common.there, sizeof(int), capacity), 0);
    assert_int_equal(edo_channel_create(&common.back, sizeof(int), capacity), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, second_thread, &two), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, plain_thread, NULL), 0);
    assert_int_equal(run_with(first_runtime, NULL, EDO_OPTIONS(edo_run_options, .workers = one)), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(atomic_load(&test_failures), 0);
    assert_int_equal(common.guarded, (2 * HANDS + 1) * MESSAGES);
    edo_channel_destroy(common.there);
    edo_channel_destroy(common.back);
    edo_token_finish(&common.token);
    edo_mutex_finish(&common.mutex);
    edo_semaphore_finish(&common.permits);
}

static void test_s8_two_runtimes_share_channels_locks_and_tokens(void **state)
{
    (void)state;
    two_beside(1, 1, 0);
    two_beside(1, 1, 4);
    two_beside(2, 2, 1);
    two_beside(1, 2, EDO_UNBOUNDED);
}

/* --- Inside jobs of edo_blocking ---------------------------------------------------------------------------------- */

static _Atomic int at_work;

static int until_cancelled(void *argument)
{
    atomic_fetch_add(&at_work, 1);
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
    if (argument)
        atomic_fetch_add((_Atomic int *)argument, 1);
    return 6;
}

static int job_runtime(void *argument)
{
    return edo_run(until_cancelled, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static int calls_job(void *argument)
{
    return edo_blocking(job_runtime, argument);
}

/* A task in a runtime in a job in a task in a runtime. */
static int job_in_runtime(void *argument)
{
    return edo_run(calls_job, argument, EDO_OPTIONS(edo_run_options, .workers = 2));
}

static int calls_deep_job(void *argument)
{
    return edo_blocking(job_in_runtime, argument);
}

static int calls_deeper(void *argument)
{
    return edo_run(calls_deep_job, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static int cancel_child(edo_task_fn fn, void *argument)
{
    edo_task *task = NULL;
    int result = 99;
    int rc = 0;

    atomic_store(&at_work, 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(scope, fn, argument, .handle = &task), 0);
        until(&at_work, 1);
        edo_scope_cancel(scope);
        CHECK_RC(edo_scope_join(scope), 0);
    }
    CHECK_RC(edo_join(&result, task), 0);
    return result;
}

static int cancels_jobs(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        CHECK_RC(cancel_child(calls_job, NULL), 6);
        CHECK_RC(cancel_child(calls_deep_job, NULL), 6);
        CHECK_RC(cancel_child(calls_deeper, NULL), 6);
    }
    return 0;
}

static void test_s8_cancellation_reaches_a_runtime_inside_a_job(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancels_jobs, NULL), 0);
    assert_int_equal(run(cancels_jobs, NULL), 0);
}

/* The caller is cancelled before the job calls edo_run, and between two calls of it: none begins. */
static struct gate cancelled;

static int job_runs_late(void *argument)
{
    (void)argument;
    atomic_fetch_add(&at_work, 1);
    while (!__atomic_load_n(&cancelled.open, __ATOMIC_SEQ_CST))
        edo_wait_word(&cancelled.open, 0, EDO_FOREVER);
    while (edo_run(until_cancelled, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)) == 6) /* until it is heard of */
        ;
    CHECK_RC(edo_run(until_cancelled, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), -ECANCELED);
    return 8;
}

static int calls_late(void *argument)
{
    return edo_blocking(job_runs_late, argument);
}

static int cancels_early(void *argument)
{
    edo_task *task = NULL;
    int result = 99;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 20; i++) {
        memset(&cancelled, 0, sizeof cancelled);
        atomic_store(&at_work, 0);
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            CHECK_RC(edo_spawn(scope, calls_late, NULL, .handle = &task), 0);
            until(&at_work, 1);
            edo_scope_cancel(scope);
            gate_open(&cancelled);
            CHECK_RC(edo_scope_join(scope), 0);
        }
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, 8);
    }
    return 0;
}

static void test_c1_a_runtime_in_a_job_of_a_cancelled_caller_does_not_begin(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancels_early, NULL), 0);
    assert_int_equal(run(cancels_early, NULL), 0);
}

/* Abandoned, the job's runtime is cancelled all the same, and ends by itself. */
static int calls_abandonable(void *argument)
{
    return edo_blocking(job_runtime, argument, .abandonable = true);
}

static int abandons(void *argument)
{
    int rc = cancel_child(calls_abandonable, argument);

    CHECK(rc == -ECANCELED || rc == 6); /* it may have ended before it was abandoned */
    return 0;
}

static void test_c7_a_runtime_in_an_abandoned_job_is_cancelled_too(void **state)
{
    static _Atomic int ended;

    (void)state;
    atomic_store(&ended, 0);
    assert_int_equal(run_alone(abandons, ARGUMENT(&ended)), 0);
    while (atomic_load(&ended) < 1)
        usleep(100);
}

/* --- Signals ------------------------------------------------------------------------------------------------------ */

/* With runtimes inside in both ways, a signal cancels the outermost root, and the others by it. */
static int signals_inside(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, calls_deeper, NULL), 0);
        CHECK_RC(edo_spawn(scope, calls_deep_job, NULL), 0);
        until(&at_work, 2);
        raise(SIGTERM);
        CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
        CHECK_RC(edo_cancel_reason(), EDO_REASON_SHUTDOWN);
        rc = -ECANCELED;
    }
    return rc;
}

static int signalled(void *argument)
{
    atomic_store(&at_work, 0);
    CHECK_RC(edo_run(signals_inside, argument, EDO_OPTIONS(edo_run_options, .workers = 2)), 0);
    return atomic_load(&test_failures) != 0;
}

static void test_f3_only_the_outermost_runtime_hears_signals(void **state)
{
    char text[4096];
    int status;

    (void)state;
    status = in_child(signalled, NULL, text, sizeof text);
    if (status != 0)
        print_error("%s", text);
    assert_int_equal(status, 0);
}

/* Where the outermost leaves signals alone, those inside do, too, whatever their options say. */
static int signals_as_they_were(void *argument)
{
    struct sigaction now;

    (void)argument;
    CHECK_RC(sigaction(SIGTERM, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    return 0;
}

static int runs_with_signals(void *argument)
{
    return edo_run(signals_as_they_were, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static int runs_inside(void *argument)
{
    CHECK_RC(runs_with_signals(argument), 0);
    CHECK_RC(edo_blocking(runs_with_signals, argument), 0);
    return 0;
}

static void test_f3_runtimes_inside_leave_signals_alone(void **state)
{
    (void)state;
    assert_int_equal(run_alone(runs_inside, NULL), 0);
}

/* --- The end ------------------------------------------------------------------------------------------------------ */

/* When edo_run is back, its threads are gone to the last step, which is the destructors of their thread-locals. */
static pthread_key_t leaving;
static _Atomic int came;
static _Atomic int left;

static void leave_slowly(void *argument)
{
    if ((intptr_t)argument % 2)
        usleep(10000);
    atomic_fetch_add(&left, 1);
}

static int comes(void *argument)
{
    (void)argument;
    if (!pthread_getspecific(leaving))
        CHECK_RC(pthread_setspecific(leaving, (void *)(intptr_t)(atomic_fetch_add(&came, 1) + 1)), 0);
    usleep(1000);
    return 0;
}

static int calls_comes(void *argument)
{
    return edo_blocking(comes, argument);
}

static int calls_many(void *argument)
{
    int64_t pause = *(int64_t *)argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 8; i++)
            CHECK_RC(edo_spawn(scope, calls_comes, NULL), 0);
    return pause ? edo_sleep(pause) : rc;
}

static void test_s8_no_thread_goes_on_when_edo_run_is_back(void **state)
{
    (void)state;
    assert_int_equal(pthread_key_create(&leaving, leave_slowly), 0);
    for (int i = 0; i < 20; i++) {
        /* By turns: all end when the runtime does, or some before. */
        int64_t pause = i % 2 ? EDO_US(500) : 0;

        came = left = 0;
        assert_int_equal(run_with(calls_many, &pause,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                              .blocking_linger = i % 2 ? EDO_US(20) : 0)),
                         0);
        assert_true(came > 0);
        assert_int_equal(left, came);
    }
    pthread_key_delete(leaving);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f3_only_the_outermost_runtime_hears_signals),
        cmocka_unit_test(test_f3_runtimes_inside_leave_signals_alone),
        cmocka_unit_test(test_s8_two_runtimes_share_channels_locks_and_tokens),
        cmocka_unit_test(test_s8_cancellation_reaches_a_runtime_inside_a_job),
        cmocka_unit_test(test_c1_a_runtime_in_a_job_of_a_cancelled_caller_does_not_begin),
        cmocka_unit_test(test_c7_a_runtime_in_an_abandoned_job_is_cancelled_too),
        cmocka_unit_test(test_s8_no_thread_goes_on_when_edo_run_is_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
