/* SPDX-License-Identifier: MIT */
/*
 * Whole runtimes: nested ones and several at once (S8), the same order for the same seed (T2), and signals (F3), which
 * are sent in children of the process.
 */
#include "helpers.h"

#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>

static int give(void *argument)
{
    return *(int *)argument;
}

static int wait_for_cancellation(void *argument)
{
    if (argument)
        atomic_fetch_add((_Atomic int *)argument, 1);
    return edo_sleep(EDO_FOREVER);
}

/* --- Results ------------------------------------------------------------------------------------------------------ */

static int spawn_and_give(void *argument)
{
    static int bad = -EIO;

    CHECK_RC(edo_spawn(edo_scope_current(), give, &bad), 0);
    return give(argument);
}

static void test_s8_run_returns_what_the_root_returned(void **state)
{
    static const int values[] = {0, 5, -EIO, -ECANCELED, -4097};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(values); i++) {
        int value = values[i];

        assert_int_equal(run(give, &value), value);
    }
    assert_int_equal(edo_run(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(edo_run(give, NULL, EDO_OPTIONS(edo_run_options, .workers = -1)), -EINVAL);
    assert_int_equal(edo_run(give, NULL, EDO_OPTIONS(edo_run_options, .workers = 257)), -EINVAL);
    assert_int_equal(edo_run(give, NULL, EDO_OPTIONS(edo_run_options, .signals = 9)), -EINVAL);
}

static int tell_number(void *argument)
{
    *(uint64_t *)argument = edo_task_id();
    return 0;
}

/* A process may have more runtimes, one after the other, than there are numbers for. */
static int begin_the_numbers_again(void *argument)
{
    uint64_t own = edo_task_id() >> EDO_ID_RUNTIME_SHIFT;
    uint64_t id[4];

    (void)argument;
    atomic_store(&edo_runtimes_begun, EDO_RUNTIME_NUMBERS - 2);
    for (int i = 0; i < 4; i++) {
        if (i == 2) /* where the next would be this one's */
            atomic_store(&edo_runtimes_begun, EDO_RUNTIME_NUMBERS + (uint32_t)own);
        CHECK_RC(run(tell_number, &id[i]), 0);
        CHECK(id[i] >> 63 == 0); /* that would be a thread */
    }
    CHECK(id[0] >> EDO_ID_RUNTIME_SHIFT == EDO_RUNTIME_NUMBERS - 2);
    CHECK(id[1] >> EDO_ID_RUNTIME_SHIFT == EDO_RUNTIME_NUMBERS - 1);
    CHECK(id[2] >> EDO_ID_RUNTIME_SHIFT == own + 1);
    CHECK(id[3] >> EDO_ID_RUNTIME_SHIFT == own + 2);
    return 0;
}

static void test_numbers_of_tasks_are_those_of_no_other_that_lives(void **state)
{
    (void)state;
    assert_int_equal(run(begin_the_numbers_again, NULL), 0);
}

static void test_c9_run_returns_the_first_failure_of_a_root_child(void **state)
{
    int zero = 0;

    (void)state;
    assert_int_equal(run(spawn_and_give, &zero), -EIO);
}

/* --- Several ------------------------------------------------------------------------------------------------------ */

static int family(void *argument)
{
    int depth = *(int *)argument - 1;
    int rc = 0;

    if (depth >= 0)
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 3; i++)
                CHECK_RC(edo_spawn(scope, family, &depth), 0);
        }
    return rc;
}

static void test_s8_runtimes_one_after_another(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int depth = i % 5;

        assert_int_equal(run(family, &depth), 0);
    }
}

static void *runtime_thread(void *argument)
{
    for (int i = 0; i < 10; i++) {
        int depth = 4;

        CHECK_RC(edo_run(family, &depth, EDO_OPTIONS(edo_run_options, .workers = 1 + i % 3)), 0);
    }
    return argument;
}

static void test_s8_runtimes_at_once(void **state)
{
    pthread_t threads[4];

    (void)state;
    atomic_store(&test_failures, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, runtime_thread, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&test_failures), 0);
}

/* --- Nested ------------------------------------------------------------------------------------------------------- */

static int nest(void *argument)
{
    int depth = *(int *)argument - 1;
    edo_scope *root = edo_root_scope();
    uint64_t id = edo_task_id();
    int rc;

    if (depth < 0)
        return 77;
    rc = edo_run(nest, &depth, EDO_OPTIONS(edo_run_options, .workers = 1));
    CHECK(edo_root_scope() == root);
    CHECK(edo_task_id() == id);
    return rc;
}

static int nest_main(void *argument)
{
    int depth = 4;
    int value = -EPROTO;

    (void)argument;
    CHECK_RC(nest(&depth), 77);
    CHECK_RC(edo_run(give, &value, NULL), -EPROTO);
    return 0;
}

static void test_s8_runtimes_nest_and_pass_their_results(void **state)
{
    (void)state;
    assert_int_equal(run_alone(nest_main, NULL), 0);
    assert_int_equal(run(nest_main, NULL), 0);
}

static int blocking_runtime(void *argument)
{
    CHECK(!edo_in_task());
    return edo_run(family, argument, EDO_OPTIONS(edo_run_options, .workers = 2));
}

static int in_blocking_main(void *argument)
{
    int depth = 4;

    (void)argument;
    CHECK_RC(edo_blocking(blocking_runtime, &depth), 0);
    return 0;
}

static void test_s8_runtime_inside_a_blocking_job(void **state)
{
    (void)state;
    assert_int_equal(run(in_blocking_main, NULL), 0);
}

/* Others of the outer runtime go on while an inner one runs. */
static int beside(void *argument)
{
    gate_open(argument);
    return 0;
}

static int wait_gate(void *argument)
{
    return gate_wait(argument);
}

static int beside_main(void *argument)
{
    struct gate gate = {0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, beside, &gate), 0);
        rc = edo_run(wait_gate, &gate, EDO_OPTIONS(edo_run_options, .workers = 1));
    }
    return rc;
}

static void test_s8_calling_task_parks(void **state)
{
    (void)state;
    assert_int_equal(run_alone(beside_main, NULL), 0);
}

/* --- Cancelled from outside --------------------------------------------------------------------------------------- */

static _Atomic int nested_waits;

static int nested_runner(void *argument)
{
    edo_task_fn fn = *(edo_task_fn *)argument;

    return edo_run(fn, ARGUMENT(&nested_waits), EDO_OPTIONS(edo_run_options, .workers = 1));
}

static int cancel_nested(edo_task_fn fn)
{
    edo_task *task = NULL;
    int result = 99;
    int rc = 0;

    atomic_store(&nested_waits, 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(scope, nested_runner, &fn, .handle = &task), 0);
        until(&nested_waits, 1);
        edo_scope_cancel(scope);
        CHECK_RC(edo_scope_join(scope), 0);
    }
    CHECK_RC(edo_join(&result, task), 0);
    return result;
}

/* Its root waits in a child that is its own; the function itself has returned. */
static int leaves_a_child(void *argument)
{
    return edo_spawn(edo_root_scope(), wait_for_cancellation, argument);
}

static int ignores_once(void *argument)
{
    CHECK_RC(wait_for_cancellation(argument), -ECANCELED);
    CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
    return 6;
}

static int deeper(void *argument)
{
    return edo_run(ignores_once, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static int cancel_nested_main(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        CHECK_RC(cancel_nested(wait_for_cancellation), -ECANCELED);
        CHECK_RC(cancel_nested(ignores_once), 6);
        CHECK_RC(cancel_nested(leaves_a_child), 0);
        CHECK_RC(cancel_nested(deeper), 6);
    }
    return 0;
}

static void test_s8_cancellation_reaches_the_inner_root(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancel_nested_main, NULL), 0);
    assert_int_equal(run(cancel_nested_main, NULL), 0);
}

/* --- T2 ----------------------------------------------------------------------------------------------------------- */

/* The order in which things happened, as a number: each task mixes its steps in. */
static uint64_t order;
static int order_steps;
static uint64_t order_base; /* the root's number: task numbers are never used again */

static void order_note(uint64_t what)
{
    order = (order ^ what) * UINT64_C(0x100000001b3);
    order_steps++;
}

struct order_task {
    uint64_t seed;
    int depth;
};

static int order_run(void *argument)
{
    struct order_task task = *(struct order_task *)argument;
    uint64_t random = task.seed;
    uint32_t word = 0;
    int rc = 0;

    order_note(edo_task_id() - order_base);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE, .timeout = (int64_t)(edo_test_random(&random) % 5000000) + 1) {
        for (int i = 0; i < 4; i++) {
            struct order_task next = {edo_test_random(&random), task.depth - 1};

            switch (edo_test_random(&random) % 5) {
            case 0:
                edo_yield();
                break;
            case 1:
                order_note((uint64_t)-edo_sleep((int64_t)(edo_test_random(&random) % 1000000)));
                break;
            case 2:
                order_note((uint64_t)-edo_wait_word(&word, 0, edo_now() + EDO_US(10)));
                break;
            default:
                if (task.depth > 0)
                    edo_spawn(scope, order_run, &next, .copy = sizeof next,
                              .when = edo_test_random(&random) % 4 ? (edo_when){0} : EDO_WHEN_AT(edo_now() + 1000000));
            }
            order_note((edo_task_id() - order_base) ^ random);
        }
        rc = 0;
    }
    order_note((uint64_t)-rc ^ (edo_task_id() - order_base));
    return 0;
}

static int order_main(void *argument)
{
    struct order_task top = {*(uint64_t *)argument, 6};

    order_base = edo_task_id();
    return order_run(&top);
}

static void test_t2_same_seed_same_order(void **state)
{
    uint64_t seed = edo_test_seed();
    int64_t start = edo_platform_system.now();

    (void)state;
    for (int i = 0; i < 20; i++) {
        uint64_t first = 0;
        int first_steps = 0;

        seed++;
        for (int again = 0; again < 3; again++) {
            atomic_store(&virtual_clock, start);
            order = order_steps = 0;
            assert_int_equal(run_alone(order_main, &seed), 0);
            assert_true(order_steps > 5);
            if (again == 0) {
                first = order;
                first_steps = order_steps;
            }
            assert_int_equal(order_steps, first_steps);
            assert_true(order == first);
        }
    }
}

/* --- F3 ----------------------------------------------------------------------------------------------------------- */

static _Atomic int signal_chained;

static void signal_earlier(int number)
{
    atomic_fetch_add(&signal_chained, number);
}

static void signal_earlier_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    atomic_fetch_add(&signal_chained, info && info->si_signo == number ? 1000 : 1);
}

static int signal_child(void *argument)
{
    (void)argument;
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    CHECK_RC(edo_cancel_reason(), EDO_REASON_SHUTDOWN);
    return -ECANCELED;
}

static int signal_root(void *argument)
{
    int rc = 0;

    CHECK_RC(edo_spawn(edo_root_scope(), signal_child, NULL), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, signal_child, NULL), 0);
        kill(getpid(), *(int *)argument);
        rc = edo_sleep(EDO_FOREVER);
    }
    CHECK_RC(edo_cancel_reason(), EDO_REASON_SHUTDOWN);
    return rc;
}

static int status_of(int rc)
{
    return atomic_load(&test_failures) ? 100 : rc == 0 ? 0 : 1;
}

static int body_graceful(void *argument)
{
    struct sigaction before;
    struct sigaction after;
    int number = *(int *)argument;
    int rc;

    sigaction(number, NULL, &before);
    rc = edo_run(signal_root, argument, NULL);
    sigaction(number, NULL, &after);
    CHECK(before.sa_handler == after.sa_handler);
    return status_of(rc);
}

static int assert_child(int (*body)(void *), void *argument)
{
    char text[4096];
    int status = in_child(body, argument, text, sizeof text);

    if (text[0])
        print_error("%s\n", text);
    return status;
}

static void test_f3_signal_cancels_the_root_and_run_returns_zero(void **state)
{
    static int numbers[] = {SIGINT, SIGTERM};

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(assert_child(body_graceful, &numbers[i]), 0);
}

static int body_two_runs(void *argument)
{
    int rc = body_graceful(argument);

    return rc ? rc : body_graceful(argument);
}

static void test_f3_each_run_has_its_first_signal(void **state)
{
    static int number = SIGINT;

    (void)state;
    assert_int_equal(assert_child(body_two_runs, &number), 0);
}

static int body_chained(void *argument)
{
    struct sigaction action = {.sa_handler = signal_earlier};
    int rc;

    sigaction(SIGINT, &action, NULL);
    rc = body_graceful(argument);
    if (rc || atomic_load(&signal_chained) != SIGINT)
        return rc ? rc : 101;
    action.sa_sigaction = signal_earlier_info;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGINT, &action, NULL);
    rc = body_graceful(argument);
    return rc ? rc : atomic_load(&signal_chained) == SIGINT + 1000 ? 0 : 102;
}

static void test_f3_earlier_handlers_are_called_too(void **state)
{
    static int number = SIGINT;

    (void)state;
    assert_int_equal(assert_child(body_chained, &number), 0);
}

/* A second one ends the process, although every worker is stuck. */
static int stuck_root(void *argument)
{
    kill(getpid(), *(int *)argument);
    kill(getpid(), *(int *)argument);
    for (;;) /* a task that spins and asks nobody */
        *(volatile int *)argument;
    return 0;
}

static int body_stuck(void *argument)
{
    return edo_run(stuck_root, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static void test_f3_second_signal_ends_the_process(void **state)
{
    static int numbers[] = {SIGINT, SIGTERM};

    (void)state;
    for (int i = 0; i < 2; i++) {
        int status = assert_child(body_stuck, &numbers[i]);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), numbers[i]);
    }
}

static int survive_root(void *argument)
{
    kill(getpid(), *(int *)argument);
    for (int i = 0; i < 1000; i++)
        CHECK_RC(edo_yield(), 0);
    return 0;
}

static int body_ignored(void *argument)
{
    signal(*(int *)argument, SIG_IGN);
    return status_of(edo_run(survive_root, argument, NULL));
}

static int body_left_alone(void *argument)
{
    signal(*(int *)argument, signal_earlier);
    return status_of(edo_run(survive_root, argument, EDO_OPTIONS(edo_run_options, .signals = EDO_SIGNALS_IGNORE)));
}

static void test_f3_ignored_signals_stay_ignored(void **state)
{
    static int number = SIGINT;

    (void)state;
    assert_int_equal(assert_child(body_ignored, &number), 0);
    assert_int_equal(assert_child(body_left_alone, &number), 0);
}

/* A signal while the root scope is closed already, and detached tasks are still at it. */
static int late_detached(void *argument)
{
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    CHECK_RC(edo_cancel_reason(), EDO_REASON_CLOSING);
    kill(getpid(), *(int *)argument);
    for (int i = 0; i < 1000; i++)
        edo_yield();
    return 0;
}

static int late_root(void *argument)
{
    CHECK_RC(edo_spawn(EDO_DETACHED, late_detached, argument), 0);
    edo_yield();
    return 0;
}

static int body_late(void *argument)
{
    return status_of(edo_run(late_root, argument, EDO_OPTIONS(edo_run_options, .workers = 1)));
}

static void test_f3_signal_after_the_root_scope_has_ended(void **state)
{
    static int number = SIGINT;

    (void)state;
    assert_int_equal(assert_child(body_late, &number), 0);
}

/* Signals at any moment of a runtime's life, from another thread: it ends, one way or the other. */
static _Atomic bool storm_over;

static void *storm(void *argument)
{
    uint64_t random = *(uint64_t *)argument;

    while (!atomic_load(&storm_over)) {
        struct timespec pause = {0, (long)(edo_test_random(&random) % 500000)};

        kill(getpid(), SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* One SIGINT a run, at whatever moment it hits. */
static _Atomic bool storm_sent;
static _Atomic int storm_sending;

static void storm_handler(int number)
{
    (void)number;
    atomic_fetch_add(&storm_sending, 1);
    if (!atomic_exchange(&storm_sent, true))
        raise(SIGINT);
    atomic_fetch_sub(&storm_sending, 1);
}

static int storm_root(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    int depth = (int)(edo_test_random(&random) % 4);

    CHECK_RC(edo_spawn(EDO_DETACHED, family, &depth, .copy = sizeof depth), 0);
    family(&depth);
    return edo_test_random(&random) % 2 ? edo_sleep((int64_t)(edo_test_random(&random) % 1000000)) : 0;
}

static int body_storm(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    uint64_t thread_random = random + 1;
    pthread_t thread;

    signal(SIGINT, signal_earlier); /* takes those that miss */
    signal(SIGUSR1, storm_handler);
    pthread_create(&thread, NULL, storm, &thread_random);
    for (int i = 0; i < edo_test_rounds(300); i++) {
        uint64_t seed = edo_test_random(&random);

        while (atomic_load(&storm_sending))
            sched_yield();
        atomic_store(&storm_sent, false);
        if (edo_run(storm_root, &seed, EDO_OPTIONS(edo_run_options, .workers = 2)) != 0)
            return 103;
    }
    atomic_store(&storm_over, true);
    pthread_join(thread, NULL);
    return status_of(0);
}

static void test_f3_signals_at_any_moment(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(assert_child(body_storm, &seed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s8_run_returns_what_the_root_returned),
        cmocka_unit_test(test_numbers_of_tasks_are_those_of_no_other_that_lives),
        cmocka_unit_test(test_c9_run_returns_the_first_failure_of_a_root_child),
        cmocka_unit_test(test_s8_runtimes_one_after_another),
        cmocka_unit_test(test_s8_runtimes_at_once),
        cmocka_unit_test(test_s8_runtimes_nest_and_pass_their_results),
        cmocka_unit_test(test_s8_runtime_inside_a_blocking_job),
        cmocka_unit_test(test_s8_calling_task_parks),
        cmocka_unit_test(test_s8_cancellation_reaches_the_inner_root),
        virtual_test(test_t2_same_seed_same_order),
        cmocka_unit_test(test_f3_signal_cancels_the_root_and_run_returns_zero),
        cmocka_unit_test(test_f3_each_run_has_its_first_signal),
        cmocka_unit_test(test_f3_earlier_handlers_are_called_too),
        cmocka_unit_test(test_f3_second_signal_ends_the_process),
        cmocka_unit_test(test_f3_ignored_signals_stay_ignored),
        cmocka_unit_test(test_f3_signal_after_the_root_scope_has_ended),
        cmocka_unit_test(test_f3_signals_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
