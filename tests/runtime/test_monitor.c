/* SPDX-License-Identifier: MIT */
/*
 * The monitor (promise 3, S2, S6, S7): a task that blocks or spins stalls only itself. Each test is a program that
 * could not end if nobody took the worker away: a task holds its thread until another one has run.
 */
#include "stalling.h"

#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

/* --- Behind a stall: tasks, timers, sockets ----------------------------------------------------------------------- */

/*
 * All eight stall at once, and this task needs a worker, too. What they wait for comes when they all stall: else one
 * worker could have taken them all, and another done what they wait for before anything stalled for long.
 */
static int behind_root(void *argument)
{
    enum { STALLS = 8 };
    edo_metrics metrics = EDO_METRICS_INIT;
    uint64_t taken = (uint64_t)(STALLS + 1 - *(const int *)argument);
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < STALLS; i++)
            CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        while (atomic_load(&world.stalled) < STALLS && edo_sleep(EDO_MS(1)) == 0)
            ;
        for (int i = 0; i < world.wanted; i++)
            CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    until_counted(&metrics, taken, taken);
    return rc;
}

static void all_go_on(bool blocks)
{
    for (int workers = 1; workers <= 2; workers++) {
        memset(&world, 0, sizeof world);
        world.wanted = 50;
        world.blocks = blocks;
        assert_int_equal(run_with(behind_root, &workers,
                                  EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
                         0);
    }
}

static void test_s6_tasks_behind_eight_that_spin_go_on(void **state)
{
    (void)state;
    all_go_on(false);
}

static void test_s6_tasks_behind_eight_that_block_go_on(void **state)
{
    (void)state;
    all_go_on(true);
}

static void timer_runs(void *argument)
{
    runs(argument);
}

static int timers_root(void *argument)
{
    (void)argument;
    edo_timer_init(&world.timer, timer_runs, NULL);
    CHECK_RC(edo_timer_start(&world.timer, edo_now() + EDO_MS(1)), 0);
    spin_until(&world.ran, 1);
    return 0;
}

static void test_s6_timers_fire_behind_one_that_spins(void **state)
{
    (void)state;
    assert_int_equal(world_run(timers_root, 1, 1, false), 0);
}

static int answers(void *argument)
{
    char byte;

    (void)argument;
    while (edo_read(world.stream, &byte, 1) == 1)
        atomic_fetch_add(&world.ran, 1);
    return 0;
}

/* The stalled worker's poller holds the stream: nobody else would hear of it. */
static int sockets_root(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, world.ends), 0);
    CHECK_RC(edo_stream_from_fd(&world.stream, world.ends[0]), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, answers, NULL), 0);
        edo_yield(); /* now it waits, registered with this worker's poller */
        for (int i = 1; i <= 3; i++) {
            CHECK_RC(write(world.ends[1], "x", 1), 1);
            spin_until(&world.ran, i);
        }
        close(world.ends[1]);
    }
    edo_close(world.stream);
    return rc;
}

static void test_s2_sockets_are_served_behind_one_that_spins(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 2; workers++)
        assert_int_equal(world_run(sockets_root, workers, 3, false), 0);
}

/* A callback of a timer stalls: it, too, has a worker. */
static void timer_stalls(void *argument)
{
    (void)argument;
    spin_until(&world.ran, 1);
}

static int callback_root(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_timer_init(&world.timer, timer_stalls, NULL);
    CHECK_RC(edo_timer_start(&world.timer, 1), 0);
    EDO_SCOPE (scope, &rc) {
        edo_sleep(EDO_MS(1));
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    CHECK_RC(edo_timer_stop(&world.timer), 0);
    return rc;
}

static void test_s6_a_timer_callback_that_spins_stalls_only_itself(void **state)
{
    (void)state;
    assert_int_equal(world_run(callback_root, 1, 1, false), 0);
}

/* --- Long runs without a stall ------------------------------------------------------------------------------------ */

/* A budget is 128 checkpoints, and a worker looks at its timers every 61 turns: far too seldom for this one. */
static int polite_until_timer(void *argument)
{
    int checkpoints = 0;

    (void)argument;
    edo_timer_init(&world.timer, timer_runs, NULL);
    CHECK_RC(edo_timer_start(&world.timer, edo_now() + EDO_MS(1)), 0);
    for (; atomic_load(&world.ran) == 0; checkpoints++) {
        usleep(100);
        edo_checkpoint();
    }
    CHECK(checkpoints < EDO_BUDGET * EDO_TURNS_BETWEEN_LOOKS / 2);
    return 0;
}

static void test_s2_a_worker_that_hardly_looks_at_its_timers_is_made_to(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(run_with(polite_until_timer, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_SEC(3600))),
                     0);
}

/* --- Patience ----------------------------------------------------------------------------------------------------- */

static int blocks_in_region(void *argument)
{
    (void)argument;
    CHECK_RC(edo_blocking_begin(), 0);
    block_until(&world.ran, 1);
    edo_blocking_end();
    return 0;
}

static int impatient_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, blocks_in_region, NULL), 0);
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

/* By the threshold alone the second stall would last an hour. */
static void test_after_a_hand_off_there_is_little_patience_until_the_queue_is_empty(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.wanted = 1;
    assert_int_equal(run_with(impatient_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_SEC(3600))),
                     0);
}

static struct gate monitor_sleeps;

static void *opens_when_the_monitor_sleeps(void *argument)
{
    struct edo_runtime *runtime = argument;

    while (__atomic_load_n(&runtime->monitor.state, __ATOMIC_SEQ_CST) != EDO_MONITOR_SLEEPS)
        usleep(100);
    gate_open(&monitor_sleeps);
    return NULL;
}

static int wakes_monitor_root(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    CHECK_RC(pthread_create(&thread, NULL, opens_when_the_monitor_sleeps, edo_thread_self()->runtime), 0);
    CHECK_RC(gate_wait(&monitor_sleeps), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    pthread_join(thread, NULL);
    return rc;
}

static void test_s9_the_monitor_sleeps_when_all_sleep_and_wakes_with_them(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 2; workers++) {
        monitor_sleeps.open = 0;
        assert_int_equal(world_run(wakes_monitor_root, workers, 1, false), 0);
    }
}

/* --- Pinned ------------------------------------------------------------------------------------------------------- */

static int pinned_stalls(void *argument)
{
    pthread_t here = pthread_self();

    stalls(argument);
    CHECK(pthread_equal(pthread_self(), here));
    edo_yield();
    CHECK(pthread_equal(pthread_self(), here));
    return 0;
}

static int pinned_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, pinned_stalls, NULL, .pinned = true), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

static void test_s5_a_pinned_task_that_stalls_keeps_its_thread_and_loses_the_worker(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(world_run(pinned_root, 1, 1, i & 1), 0);
}

static int reported_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    (void)argument;
    do
        CHECK_RC(edo_metrics_read(&metrics), 0);
    while (metrics.stalls_computing + metrics.stalls_blocked == 0 && usleep(1000) == 0);
    CHECK_RC((int)metrics.handoffs, 0);
    CHECK_RC((int)metrics.stalls_kept, 0);
    return 0;
}

static void test_s5_in_a_pinned_runtime_a_stall_is_only_counted(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(reported_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .pinned = true)),
        0);
}

/* --- Bad days ----------------------------------------------------------------------------------------------------- */

static int crowded_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 6; i++)
            CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        do { /* three threads, and this task has one of them */
            CHECK_RC(edo_metrics_read(&metrics), 0);
            CHECK(metrics.threads <= 3);
        } while (metrics.stalls_kept == 0 && edo_sleep(EDO_MS(1)) == 0 && usleep(1000) == 0);
        atomic_store(&world.ran, 1);
    }
    CHECK_RC(atomic_load(&world.stalled), 6);
    return rc;
}

/* The root may be behind the stalls itself: somebody from outside ends them then. */
static void *ends_stalls(void *argument)
{
    (void)argument;
    while (atomic_load(&world.stalled) < 3)
        usleep(1000);
    usleep(50000);
    atomic_store(&world.ran, 1);
    return NULL;
}

static void test_f1_more_stalls_than_threads_wait_for_each_other(void **state)
{
    pthread_t thread;

    (void)state;
    memset(&world, 0, sizeof world);
    world.wanted = 1;
    assert_int_equal(pthread_create(&thread, NULL, ends_stalls, NULL), 0);
    assert_int_equal(run_with(crowded_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .threads = 3)),
                     0);
    pthread_join(thread, NULL);
}

/* Two stalls have taken the last threads: a third can't be handed on, but its sibling gets to serve its sockets. */
static int kept_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, world.ends), 0);
    CHECK_RC(edo_stream_from_fd(&world.stream, world.ends[0]), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        CHECK_RC(edo_spawn(scope, answers, NULL), 0);
        do {
            CHECK_RC(edo_metrics_read(&metrics), 0);
            CHECK_RC(edo_sleep(EDO_MS(1)), 0);
        } while (metrics.handoffs < 2);
        for (int i = 1; i <= 3; i++) {
            CHECK_RC(write(world.ends[1], "x", 1), 1);
            spin_until(&world.ran, i);
        }
        close(world.ends[1]);
    }
    edo_close(world.stream);
    return rc;
}

static void test_s2_the_sockets_of_a_stall_that_cannot_be_handed_on_are_polled(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        memset(&world, 0, sizeof world);
        world.wanted = 3;
        assert_int_equal(
            run_with(kept_root, NULL,
                     EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .threads = 4)),
            0);
    }
}

static int exits(void *argument)
{
    (void)argument;
    spin_until(&world.ran, 1);
    if (EDO_ASAN) /* which would call what a living runtime has its memory leaked */
        _exit(7);
    exit(7);
}

static int exits_root(void *argument)
{
    (void)argument;
    edo_spawn(EDO_DETACHED, exits, NULL);
    edo_yield();
    atomic_store(&world.ran, 1);
    return edo_sleep(EDO_SEC(30));
}

static int exits_body(void *argument)
{
    (void)argument;
    edo_run(exits_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 1));
    return 0;
}

static void test_f1_a_stalled_task_may_end_the_process(void **state)
{
    char text[4096];
    int status;

    (void)state;
    memset(&world, 0, sizeof world);
    status = in_child(exits_body, NULL, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static int forks(void *argument)
{
    pid_t child;
    int status = 0;

    (void)argument;
    spin_until(&world.ran, 1);
    child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK(child > 0);
    CHECK_RC(waitpid(child, &status, 0), child); /* and stalls in this, too */
    return status;
}

static int forks_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, forks, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

static void test_f1_a_stalled_task_may_fork(void **state)
{
    (void)state;
    assert_int_equal(world_run(forks_root, 1, 1, false), 0);
}

static struct gate gate;

/* What a task may call that has lost its worker, each as its first call after the loss. */
static int calls_after(void *argument)
{
    int which = (int)(intptr_t)argument;
    int rc = 0;
    edo_task *task;
    edo_addr address;

    switch (which) {
    case 0:
        spin_until(&world.ran, 1);
        gate_open(&gate); /* an unlock, as locks do it */
        break;
    case 1:
        EDO_SCOPE (scope, &rc) {
            spin_until(&world.ran, 1);
            CHECK_RC(edo_spawn(scope, runs, NULL, .handle = &task), 0);
            CHECK_RC(edo_join(NULL, task), 0);
        }
        gate_open(&gate);
        break;
    case 2:
        EDO_SCOPE (scope, &rc) {
            spin_until(&world.ran, 1);
            edo_scope_cancel(scope);
            CHECK_RC(edo_sleep(EDO_SEC(100)), -ECANCELED);
        }
        gate_open(&gate);
        break;
    default: {
        edo_listener *listener;
        edo_timer timer;

        edo_timer_init(&timer, timer_runs, NULL);
        spin_until(&world.ran, 1);
        CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_SEC(100)), 0);
        CHECK_RC(edo_timer_stop(&timer), 1);
        CHECK_RC(edo_tcp_listen(&listener, "127.0.0.1:0", NULL), 0);
        CHECK_RC(edo_listener_addr(&address, listener), 0);
        edo_listener_close(listener);
        gate_open(&gate);
        break;
    }
    }
    return 0;
}

static int calls_root(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, calls_after, argument), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
        CHECK_RC(gate_wait(&gate), 0);
    }
    return rc;
}

static void test_s10_any_call_may_be_the_first_after_a_loss(void **state)
{
    (void)state;
    for (intptr_t which = 0; which < 4; which++) {
        memset(&world, 0, sizeof world);
        gate.open = 0;
        assert_int_equal(run_with(calls_root, (void *)which,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE)),
                         0);
    }
}

static int is_cancelled_meanwhile(void *argument)
{
    (void)argument;
    atomic_fetch_add(&world.stalled, 1);
    spin_until(&world.ran, 1);
    return edo_sleep(EDO_SEC(100));
}

static int cancels_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, is_cancelled_meanwhile, NULL), 0);
        edo_yield();
        edo_scope_cancel(scope); /* its worker was taken, or this would not run */
        atomic_store(&world.ran, 1);
    }
    return rc;
}

static void test_c1_a_stalled_task_is_cancelled_and_hears_of_it(void **state)
{
    (void)state;
    assert_int_equal(world_run(cancels_root, 1, 1, false), 0);
}

/* An allocator with one lock, held by a task that stalls in it. */
static struct edo_platform locked_table;
static pthread_mutex_t allocator = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool allocator_stalls;

static void *locked_allocate(size_t size)
{
    void *memory;

    pthread_mutex_lock(&allocator);
    if (atomic_exchange(&allocator_stalls, false))
        block_until(&world.ran, 1);
    memory = edo_platform_system.allocate(size);
    pthread_mutex_unlock(&allocator);
    return memory;
}

static int allocates(void *argument)
{
    (void)argument;
    atomic_store(&allocator_stalls, true);
    edo_release(edo_allocate(100));
    return 0;
}

static int allocator_root(void *argument)
{
    int rc = 0;

    (void)argument;
    while (edo_threads_want_reserve(edo_thread_self()->runtime)) /* until there is a thread in reserve */
        edo_sleep(EDO_MS(1));
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, allocates, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

static void test_f1_a_stall_inside_the_allocator(void **state)
{
    (void)state;
    locked_table = edo_platform_system;
    locked_table.allocate = locked_allocate;
    edo_platform = &locked_table;
    assert_int_equal(world_run(allocator_root, 1, 1, false), 0);
    edo_platform = &edo_platform_system;
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

static int retire_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    for (int round = 1; round <= 3; round++) {
        atomic_store(&world.ran, 0);
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 5; i++)
                CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
            CHECK_RC(edo_spawn(scope, runs, NULL), 0);
        }
        do /* the one of edo_run, perhaps without worker; the worker's; one in reserve */
            CHECK_RC(edo_metrics_read(&metrics), 0);
        while (metrics.threads > 3 && edo_sleep(EDO_MS(1)) == 0);
    }
    return rc;
}

static void test_spare_threads_retire_and_are_made_anew(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.wanted = 1;
    assert_int_equal(
        run_with(retire_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .thread_linger = EDO_MS(2))),
        0);
}

static void test_f2_wrong_limits_are_refused(void **state)
{
    (void)state;
    assert_int_equal(edo_run(runs, NULL, EDO_OPTIONS(edo_run_options, .stall_after = 1000)), -EINVAL);
    assert_int_equal(edo_run(runs, NULL, EDO_OPTIONS(edo_run_options, .stall_after = -1)), -EINVAL);
    assert_int_equal(edo_run(runs, NULL, EDO_OPTIONS(edo_run_options, .workers = 4, .threads = 5)), -EINVAL);
    assert_int_equal(edo_run(runs, NULL, EDO_OPTIONS(edo_run_options, .thread_linger = -1)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s6_tasks_behind_eight_that_spin_go_on),
        cmocka_unit_test(test_s6_tasks_behind_eight_that_block_go_on),
        cmocka_unit_test(test_s6_timers_fire_behind_one_that_spins),
        cmocka_unit_test(test_s2_sockets_are_served_behind_one_that_spins),
        cmocka_unit_test(test_s6_a_timer_callback_that_spins_stalls_only_itself),
        cmocka_unit_test(test_s2_a_worker_that_hardly_looks_at_its_timers_is_made_to),
        cmocka_unit_test(test_after_a_hand_off_there_is_little_patience_until_the_queue_is_empty),
        cmocka_unit_test(test_s9_the_monitor_sleeps_when_all_sleep_and_wakes_with_them),
        cmocka_unit_test(test_s5_a_pinned_task_that_stalls_keeps_its_thread_and_loses_the_worker),
        cmocka_unit_test(test_s5_in_a_pinned_runtime_a_stall_is_only_counted),
        cmocka_unit_test(test_f1_more_stalls_than_threads_wait_for_each_other),
        cmocka_unit_test(test_s2_the_sockets_of_a_stall_that_cannot_be_handed_on_are_polled),
        cmocka_unit_test(test_f1_a_stalled_task_may_end_the_process),
        cmocka_unit_test(test_f1_a_stalled_task_may_fork),
        cmocka_unit_test(test_s10_any_call_may_be_the_first_after_a_loss),
        cmocka_unit_test(test_c1_a_stalled_task_is_cancelled_and_hears_of_it),
        cmocka_unit_test(test_f1_a_stall_inside_the_allocator),
        cmocka_unit_test(test_spare_threads_retire_and_are_made_anew),
        cmocka_unit_test(test_f2_wrong_limits_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
