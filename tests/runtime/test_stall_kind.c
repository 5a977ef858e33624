/* SPDX-License-Identifier: MIT */
/* What the monitor takes a stall for: one that computes, or one that blocks. */
#include "stalling.h"

#include "runtime/runtime.h"

/* It says how much processor time all threads use. */
static struct edo_platform clock_table;

static int kinds_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    until_counted(&metrics, 1, 0);
    CHECK_RC((int)(world.blocks ? metrics.stalls_computing : metrics.stalls_blocked), 0);
    CHECK((world.blocks ? metrics.stalls_blocked : metrics.stalls_computing) >= 1);
    return rc;
}

static void test_a_stall_is_told_by_the_processor_time_it_uses(void **state)
{
    (void)state;
    clock_table = edo_platform_system;
    edo_platform = &clock_table;
    clock_table.thread_cpu = all_the_time;
    assert_int_equal(world_run(kinds_root, 1, 1, false), 0);
    clock_table.thread_cpu = no_time;
    assert_int_equal(world_run(kinds_root, 1, 1, true), 0);
    edo_platform = &edo_platform_system;
}

static _Atomic bool held_up;

/* When it is first asked about the stall the answer takes a tenth of a second: the monitor is not on a processor. */
static int64_t all_the_time_at_length(pthread_t thread)
{
    if (atomic_load(&world.stalled) > 0 && !atomic_exchange(&held_up, true))
        usleep(100000);
    return all_the_time(thread);
}

static void test_a_stall_that_computes_is_not_called_blocked_because_the_monitor_was_held_up(void **state)
{
    (void)state;
    clock_table = edo_platform_system;
    edo_platform = &clock_table;
    clock_table.thread_cpu = all_the_time_at_length;
    for (int i = 0; i < 4; i++) {
        atomic_store(&held_up, false);
        assert_int_equal(world_run(kinds_root, 1, 1, false), 0);
    }
    edo_platform = &edo_platform_system;
}

/* The monitor sees it INSIDE first, and cannot tell then what its thread has used. */
static int stalls_after_inside(void *argument)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());

    usleep(30000); /* for some looks of the monitor */
    edo_leave(thread);
    return stalls(argument);
}

static int inside_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stalls_after_inside, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    until_counted(&metrics, 1, 0);
    CHECK_RC((int)metrics.stalls_computing, 0);
    return rc;
}

static void test_a_stall_that_blocks_is_called_so_if_it_was_in_the_runtime_when_first_seen(void **state)
{
    (void)state;
    clock_table = edo_platform_system;
    edo_platform = &clock_table;
    clock_table.thread_cpu = no_time;
    assert_int_equal(world_run(inside_root, 1, 1, true), 0);
    edo_platform = &edo_platform_system;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stall_is_told_by_the_processor_time_it_uses),
        cmocka_unit_test(test_a_stall_that_computes_is_not_called_blocked_because_the_monitor_was_held_up),
        cmocka_unit_test(test_a_stall_that_blocks_is_called_so_if_it_was_in_the_runtime_when_first_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
