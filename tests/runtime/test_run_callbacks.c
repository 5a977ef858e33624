/* SPDX-License-Identifier: MIT */
/*
 * The callbacks of edo_run_options: on which threads and in which tasks they are called, and when.
 */
#include "helpers.h"

#include <pthread.h>
#include <signal.h>

/* --- Threads ------------------------------------------------------------------------------------------------------ */

enum { SEEN_MOST = 64 };

static struct seen {
    pthread_mutex_t lock;
    pthread_t alive[SEEN_MOST];
    int count;
    int starts;
    int stops;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int seen_find(pthread_t thread)
{
    for (int i = 0; i < seen.count; i++)
        if (pthread_equal(seen.alive[i], thread))
            return i;
    return -1;
}

static void thread_starts(void *argument)
{
    CHECK(argument == &seen);
    CHECK(!edo_in_task());
    pthread_mutex_lock(&seen.lock);
    CHECK_RC(seen_find(pthread_self()), -1);
    if (CHECK(seen.count < SEEN_MOST))
        seen.alive[seen.count++] = pthread_self();
    seen.starts++;
    pthread_mutex_unlock(&seen.lock);
}

static void thread_stops(void *argument)
{
    int place;

    CHECK(argument == &seen);
    CHECK(!edo_in_task());
    pthread_mutex_lock(&seen.lock);
    place = seen_find(pthread_self());
    if (CHECK(place >= 0))
        seen.alive[place] = seen.alive[--seen.count];
    seen.stops++;
    pthread_mutex_unlock(&seen.lock);
}

static bool here_is_seen(void)
{
    bool found;

    pthread_mutex_lock(&seen.lock);
    found = seen_find(pthread_self()) >= 0;
    pthread_mutex_unlock(&seen.lock);
    return found;
}

static int looks(void *argument)
{
    (void)argument;
    CHECK(here_is_seen());
    return 0;
}

static int looks_and_waits(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        CHECK(here_is_seen());
        edo_yield();
    }
    return edo_blocking(looks, NULL);
}

static int many_look(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 20 && rc == 0; i++)
            rc = edo_spawn(scope, looks_and_waits, NULL);
    return rc;
}

static void test_each_thread_is_told_before_it_runs_anything_and_after(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 3; workers++) {
        seen.starts = seen.stops = 0;
        assert_int_equal(run_with(many_look, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = workers, .migrate_always = true,
                                              .blocking_threads = 4, .on_thread_start = thread_starts,
                                              .on_thread_stop = thread_stops, .on_argument = &seen)),
                         0);
        /* Those of edo_blocking, too, are gone when edo_run is back. */
        assert_int_equal(seen.count, 0);
        assert_int_equal(seen.starts, seen.stops);
        assert_true(seen.starts > workers);
    }
}

/* What threads block when they start, counted: SIGUSR2, as the caller of edo_run does, and SIGUSR1, as it does not. */
static _Atomic int starts_blocking[2];
static _Atomic int starts_in_all;

static void notes_mask(void *argument)
{
    sigset_t mask;

    (void)argument;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    atomic_fetch_add(&starts_blocking[0], sigismember(&mask, SIGUSR2));
    atomic_fetch_add(&starts_blocking[1], sigismember(&mask, SIGUSR1));
    atomic_fetch_add(&starts_in_all, 1);
}

static int looks_at_nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* Its worker goes to a spare thread, and another spare one is made, by a thread of the runtime's own. */
static int blocks_until_there_are_three(void *argument)
{
    (void)argument;
    CHECK_RC(edo_blocking_begin(), 0);
    while (atomic_load(&starts_in_all) < 3)
        usleep(1000);
    edo_blocking_end();
    CHECK_RC(edo_blocking(looks_at_nothing, NULL), 0);
    return edo_run(looks_at_nothing, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .on_thread_start = notes_mask));
}

static void test_threads_block_the_signals_that_the_caller_of_edo_run_does(void **state)
{
    sigset_t mask, before;

    (void)state;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    assert_int_equal(run_with(blocks_until_there_are_three, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .on_thread_start = notes_mask)),
                     0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_true(atomic_load(&starts_in_all) >= 6); /* one of edo_blocking, two of a runtime inside */
    assert_int_equal(atomic_load(&starts_blocking[0]), atomic_load(&starts_in_all));
    assert_int_equal(atomic_load(&starts_blocking[1]), 0);
}

/* An abandoned job's thread stops when the job does, after its runtime. */
static struct gate leave_job;

static int abandoned_job(void *argument)
{
    gate_open(argument);
    while (!__atomic_load_n(&leave_job.open, __ATOMIC_SEQ_CST))
        edo_wait_word(&leave_job.open, 0, EDO_FOREVER);
    return 0;
}

static int calls_abandoned(void *argument)
{
    CHECK_RC(edo_blocking(abandoned_job, argument, .abandonable = true), -ECANCELED);
    return 0;
}

static int abandons(void *argument)
{
    static struct gate at_work;
    int rc = 0;

    (void)argument;
    memset(&at_work, 0, sizeof at_work);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(scope, calls_abandoned, &at_work), 0);
        CHECK_RC(gate_wait(&at_work), 0);
        edo_scope_cancel(scope);
    }
    return 0;
}

static void test_c7_the_thread_of_an_abandoned_job_is_told_when_that_ends(void **state)
{
    bool stopped = false;

    (void)state;
    seen.starts = seen.stops = 0;
    memset(&leave_job, 0, sizeof leave_job);
    assert_int_equal(run_with(abandons, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .on_thread_start = thread_starts,
                                          .on_thread_stop = thread_stops, .on_argument = &seen)),
                     0);
    pthread_mutex_lock(&seen.lock);
    assert_int_equal(seen.count, 1);
    pthread_mutex_unlock(&seen.lock);
    gate_open(&leave_job);
    while (!stopped) {
        usleep(100);
        pthread_mutex_lock(&seen.lock);
        stopped = seen.count == 0;
        pthread_mutex_unlock(&seen.lock);
    }
}

/* A runtime that could not start has stopped what it started. */
static void test_f1_threads_of_a_runtime_that_cannot_start_are_told_too(void **state)
{
    struct rlimit before;
    struct rlimit none;
    int rc;

    (void)state;
    seen.starts = seen.stops = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rc = edo_run(many_look, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .on_thread_start = thread_starts,
                             .on_thread_stop = thread_stops, .on_argument = &seen));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, -EMFILE);
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.starts, seen.stops);
}

/* --- Tasks -------------------------------------------------------------------------------------------------------- */

static edo_local mark = EDO_LOCAL_INIT(.destroy = NULL);
static edo_local last = EDO_LOCAL_INIT(.destroy = NULL);
static _Atomic int started;
static _Atomic int stopped;
static _Atomic int destroyed;
static _Atomic int results;

static void mark_destroy(void *value)
{
    CHECK(value != NULL);
    atomic_fetch_add(&destroyed, 1);
}

static void task_starts(const edo_task_info *info, void *argument)
{
    CHECK_RC((long long)info->size, (long long)sizeof *info);
    CHECK_RC((long long)info->id, (long long)edo_task_id());
    CHECK(info->name == edo_task_name());
    CHECK_RC(info->result, 0);
    CHECK(edo_local_get(&mark) == NULL);
    CHECK_RC(edo_local_set(&mark, argument), 0);
    atomic_fetch_add(&started, 1);
}

static void task_stops(const edo_task_info *info, void *argument)
{
    CHECK_RC((long long)info->id, (long long)edo_task_id());
    CHECK(edo_local_get(&mark) == argument); /* they are there still */
    atomic_fetch_add(&results, info->result);
    atomic_fetch_add(&stopped, 1);
}

static int told(void *argument)
{
    CHECK(edo_local_get(&mark) == argument);
    CHECK(strcmp(edo_task_name(), "named") == 0);
    edo_yield();
    return 3;
}

static int continued(void *argument)
{
    CHECK(edo_local_get(&mark) == argument);
    return edo_continue(EDO_WHEN_NOW, told, argument);
}

static int tells(void *argument)
{
    edo_task *task = NULL;
    int rc = 0;

    CHECK_RC(atomic_load(&started), 1); /* this one */
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 10; i++) {
            CHECK_RC(edo_spawn(scope, i % 2 ? told : continued, argument, .name = "named", .pinned = i % 3 == 0,
                               .handle = &task),
                     0);
            CHECK_RC(edo_join(NULL, task), 0);
            CHECK_RC(atomic_load(&started), i + 2);
            CHECK_RC(atomic_load(&stopped), i + 1);
            CHECK_RC(atomic_load(&destroyed), i + 1);
        }
        CHECK_RC(edo_spawn(scope, told, argument, .name = "named", .when = EDO_WHEN_AT(edo_now() + EDO_MS(1))), 0);
        CHECK_RC(atomic_load(&started), 11); /* dormant: it has not begun */
    }
    CHECK_RC(atomic_load(&stopped), 11);
    return 100;
}

static void run_told(const edo_run_options *given)
{
    edo_run_options options = *given;

    options.on_task_start = task_starts;
    options.on_task_stop = task_stops;
    options.on_argument = &seen;
    mark.destroy = mark_destroy;
    started = stopped = destroyed = results = 0;
    assert_int_equal(run_with(tells, &seen, &options), 100);
    assert_int_equal(started, 12);
    assert_int_equal(stopped, 12);
    assert_int_equal(destroyed, 12);
    assert_int_equal(results, 11 * 3); /* the root task's own is 0 */
}

static void test_each_task_is_told_of_once_before_its_function_and_after(void **state)
{
    (void)state;
    run_told(EDO_OPTIONS(edo_run_options, .workers = 1, .stall_after = EDO_FOREVER));
    run_told(EDO_OPTIONS(edo_run_options, .workers = 3));
    run_told(EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true));
    run_told(EDO_OPTIONS(edo_run_options, .workers = 2, .pinned = true));
    run_told(EDO_OPTIONS(edo_run_options, .workers = 2, .stack_census = true));
}

/* Only one of the two is asked for. */
static int ends(void *argument)
{
    return edo_local_set(&last, argument);
}

static void test_either_callback_alone_is_enough(void **state)
{
    (void)state;
    started = stopped = 0;
    assert_int_equal(
        run_with(ends, &seen, EDO_OPTIONS(edo_run_options, .on_task_start = task_starts, .on_argument = &seen)), 0);
    assert_int_equal(started, 1);
    mark.destroy = NULL;
    assert_int_equal(run_with(ends, &seen, EDO_OPTIONS(edo_run_options, .on_task_stop = task_stops)), 0);
    assert_int_equal(stopped, 1);
}

/* A callback that blocks is a task that does: its worker goes to others. */
static struct gate others_ran;

static void blocks(const edo_task_info *info, void *argument)
{
    (void)argument;
    if (strcmp(info->name, "blocks") == 0)
        while (!__atomic_load_n(&others_ran.open, __ATOMIC_SEQ_CST))
            usleep(100);
}

static int opens(void *argument)
{
    (void)argument;
    gate_open(&others_ran);
    return 0;
}

static int blocks_in_callbacks(void *argument)
{
    int rc = 0;

    memset(&others_ran, 0, sizeof others_ran);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, ends, argument, .name = "blocks"), 0);
        CHECK_RC(edo_spawn(scope, opens, NULL), 0);
    }
    return rc;
}

static void test_s10_a_callback_that_blocks_holds_up_nobody_else(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(blocks_in_callbacks, &seen, EDO_OPTIONS(edo_run_options, .workers = 1, .on_task_start = blocks)), 0);
    assert_int_equal(
        run_with(blocks_in_callbacks, &seen, EDO_OPTIONS(edo_run_options, .workers = 1, .on_task_stop = blocks)), 0);
}

/* --- F2 ----------------------------------------------------------------------------------------------------------- */

static void yields(const edo_task_info *info, void *argument)
{
    (void)info;
    (void)argument;
    edo_checkpoint();
}

static int yielding_start(void *argument)
{
    edo_run(ends, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .on_task_start = yields));
    return 0;
}

static int yielding_stop(void *argument)
{
    edo_run(ends, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .on_task_stop = yields));
    return 0;
}

static void test_f2_debug_abort_when_a_callback_waits(void **state)
{
    (void)state;
    assert_misuse(yielding_start, &seen, "a callback of edo_run_options is one, too");
    assert_misuse(yielding_stop, &seen, "a callback of edo_run_options is one, too");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f2_debug_abort_when_a_callback_waits),
        cmocka_unit_test(test_each_thread_is_told_before_it_runs_anything_and_after),
        cmocka_unit_test(test_threads_block_the_signals_that_the_caller_of_edo_run_does),
        cmocka_unit_test(test_c7_the_thread_of_an_abandoned_job_is_told_when_that_ends),
        cmocka_unit_test(test_f1_threads_of_a_runtime_that_cannot_start_are_told_too),
        cmocka_unit_test(test_each_task_is_told_of_once_before_its_function_and_after),
        cmocka_unit_test(test_either_callback_alone_is_enough),
        cmocka_unit_test(test_s10_a_callback_that_blocks_holds_up_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
