/* SPDX-License-Identifier: MIT */
/* Traces: what is in them, that they keep their rules, how they begin and end. */
#include "observe/traced.h"

#include "runtime/runtime.h"

#include <fcntl.h>
#include <pthread.h>

static struct dumped trace;

static int start(size_t memory)
{
    free(trace.text);
    trace = (struct dumped){NULL, 0, 0};
    return edo_trace_start(-1,
                           EDO_OPTIONS(edo_trace_options, .memory = memory, .write = dumped_add, .argument = &trace));
}

/* --- What is in it ------------------------------------------------------------------------------------------------ */

static edo_channel *channel;
static uint64_t ponger;

static int pong(void *argument)
{
    int value;

    (void)argument;
    ponger = edo_task_id();
    while (edo_recv(&value, channel) == 0)
        ;
    return 0;
}

static int unnamed(void *argument)
{
    (void)argument;
    return edo_yield();
}

static int ping(void *argument)
{
    int rc = 0;

    CHECK_RC(start(0), 0);
    edo_sleep(EDO_US(100)); /* from now on it is traced from turn to turn */
    CHECK_RC(edo_channel_create(&channel, sizeof(int), 1), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, pong, NULL, .name = "the \"ponger\""), 0);
        CHECK_RC(edo_spawn(scope, unnamed, NULL), 0);
        for (int i = 0; i < 100; i++)
            CHECK_RC(edo_send(channel, &i), 0);
        CHECK_RC(edo_sleep(EDO_MS(1)), 0);
        edo_channel_close(channel);
    }
    edo_channel_destroy(channel);
    if (!argument)
        CHECK_RC(edo_trace_stop(), 0);
    return rc;
}

static void test_turns_wakes_spawns_and_sleeps_are_in_it(void **state)
{
    struct events events;
    size_t ponged = 0;
    size_t ended = 0;

    (void)state;
    assert_int_equal(run_alone(ping, NULL), 0);
    events = events_of(&trace);
    events_check(&events);
    for (size_t i = 0; i < events.count; i++) {
        ponged += events.all[i].phase == 'X' && events.all[i].task == ponger;
        ended += events.all[i].phase == 'X' && events.all[i].task == ponger && events.all[i].ended;
        if (events.all[i].phase == 'X' && events.all[i].task == ponger)
            assert_string_equal(events.all[i].name, "the \\"); /* escaped */
    }
    assert_true(ponged >= 20);
    assert_int_equal(ended, 1);
    assert_true(events_count(&events, 'X', "sleep") >= 1);
    assert_true(events_count(&events, 'X', "ping") >= 1); /* by the function that spawned it, having no name */
    assert_int_equal(events_count(&events, 'i', "spawn"), 2);
    assert_true(events_count(&events, 'i', "wake") >= 20);
    assert_true(events_count(&events, 's', "wake") >= 20);
    assert_true(events_count(&events, 'f', "wake") >= 20);
    assert_true(events_count(&events, 'C', "tasks") >= 1);
    assert_int_equal(events_count(&events, 'i', "dropped"), 0);
    free(events.all);
}

/* Who yields wakes nobody. */
static int yields(void *argument)
{
    (void)argument;
    CHECK_RC(start(0), 0);
    edo_sleep(EDO_US(100));
    for (int i = 0; i < 100; i++)
        edo_yield();
    CHECK_RC(edo_trace_stop(), 0);
    return 0;
}

static void test_a_yield_is_no_wake(void **state)
{
    struct events events;

    (void)state;
    assert_int_equal(run_alone(yields, NULL), 0);
    events = events_of(&trace);
    events_check(&events);
    assert_true(events_count(&events, 'X', "root") >= 100);
    assert_true(events_count(&events, 'i', "wake") <= 2); /* the sleep's */
    free(events.all);
}

/* Who waits without a stack has been spawned long ago when it is woken. */
static int is_woken(void *argument)
{
    return argument ? 0 : edo_continue(EDO_WHEN_AT(edo_now() + EDO_MS(1)), is_woken, ARGUMENT("again"));
}

static int goes_dormant(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(start(0), 0);
    edo_sleep(EDO_US(100));
    EDO_SCOPE (scope, &rc)
        CHECK_RC(edo_spawn(scope, is_woken, NULL, .name = "dormant"), 0);
    CHECK_RC(edo_trace_stop(), 0);
    return rc;
}

static void test_who_goes_on_from_a_dormant_wait_is_woken_not_spawned(void **state)
{
    struct events events;

    (void)state;
    assert_int_equal(run_alone(goes_dormant, NULL), 0);
    events = events_of(&trace);
    events_check(&events);
    assert_int_equal(events_count(&events, 'X', "dormant"), 2);
    assert_int_equal(events_count(&events, 'i', "spawn"), 1);
    free(events.all);
}

/* --- Many workers ------------------------------------------------------------------------------------------------- */

static int busy(void *argument)
{
    _Atomic int *gone_on = argument;

    for (int i = 0; i < 200; i++) {
        edo_yield();
        if (i == 100)
            edo_sleep(EDO_US(200));
    }
    atomic_fetch_add(gone_on, 1);
    return 0;
}

/* Keeps its thread until it has lost its worker, and that has been noted. */
static int stalls(void *argument)
{
    struct edo_monitor *monitor = &edo_task_self()->home->runtime->monitor;

    (void)argument;
    while (atomic_load_explicit(&edo_thread_self()->guard, memory_order_seq_cst) != EDO_GUARD_TAKEN ||
           atomic_load(&monitor->computing) + atomic_load(&monitor->blocked) == 0)
        ;
    return 0;
}

static int crowd(void *argument)
{
    _Atomic int done = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(start(0), 0);
    edo_sleep(EDO_US(100));
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 50; i++)
            CHECK_RC(edo_spawn(scope, busy, ARGUMENT(&done)), 0);
        CHECK_RC(edo_spawn(scope, stalls, NULL, .name = "stalls"), 0);
    }
    CHECK(atomic_load(&done) == 50);
    CHECK_RC(edo_trace_stop(), 0);
    return rc;
}

static void check_crowd(const edo_run_options *options, bool taken)
{
    struct events events;
    int tracks = 0;

    assert_int_equal(run_with(crowd, NULL, options), 0);
    events = events_of(&trace);
    events_check(&events);
    if (taken) {
        assert_true(events_count(&events, 'i', "hand-off") >= 1);
        assert_true(events_count(&events, 'i', "stall") >= 1);
        for (size_t i = 0; i < events.count; i++)
            tracks +=
                events.all[i].phase == 'X' && events.all[i].tid > 10000000 && strcmp(events.all[i].name, "stalls") == 0;
        assert_int_equal(tracks, 1); /* the rest of its turn is its thread's */
    }
    free(events.all);
}

static void test_slices_never_overlap(void **state)
{
    (void)state;
    check_crowd(EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1)),
                true);
    check_crowd(EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1)),
                true);
    check_crowd(EDO_OPTIONS(edo_run_options, .workers = 3, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1),
                            .migrate_always = true, .metrics = true),
                true);
}

/* --- Beginning and ending ----------------------------------------------------------------------------------------- */

static int write_fails(void *argument, const char *text, size_t size)
{
    (void)text, (void)size;
    return *(int *)argument;
}

static int misuses(void *argument)
{
    int error = -ENOSPC;

    (void)argument;
    CHECK_RC(edo_trace_stop(), -EALREADY);
    CHECK_RC(edo_trace_start(-1, EDO_OPTIONS(edo_trace_options, .memory = (size_t)2 << 30)), -EINVAL);
    CHECK_RC(start(0), 0);
    CHECK_RC(start(0), -EBUSY);
    edo_sleep(EDO_US(100));
    CHECK_RC(edo_trace_stop(), 0);
    CHECK_RC(edo_trace_stop(), -EALREADY);
    CHECK_RC(edo_trace_start(-1, EDO_OPTIONS(edo_trace_options, .write = write_fails, .argument = &error)), 0);
    CHECK_RC(edo_trace_stop(), -ENOSPC);
    CHECK_RC(edo_trace_start(-1, NULL), 0);
    CHECK_RC(edo_trace_stop(), -EBADF);
    return 0;
}

static void test_errors_are_told_and_end_it(void **state)
{
    (void)state;
    assert_int_equal(run_alone(misuses, NULL), 0);
}

static int after_a_trace(void *argument)
{
    struct edo_task *task = edo_task_self();
    struct edo_runtime *runtime = task->home->runtime;

    (void)argument;
    CHECK_RC(start(0), 0);
    CHECK(atomic_load(&runtime->tracing) != NULL);
    CHECK(atomic_load(&runtime->task_flags) & EDO_TASK_TIMED);
    for (int i = 0; i < 100; i++)
        edo_yield();
    CHECK_RC(edo_trace_stop(), 0);
    CHECK(atomic_load(&runtime->tracing) == NULL);
    CHECK(!(atomic_load(&runtime->task_flags) & EDO_TASK_TIMED));
    for (int i = 0; i < 100; i++)
        edo_yield();
    CHECK(!(task->flags & EDO_TASK_TIMED));
    return 0;
}

static void test_afterwards_nothing_is_left_of_it(void **state)
{
    (void)state;
    assert_int_equal(run_alone(after_a_trace, NULL), 0);
}

/* The second of two traces has nothing of the first, not even arrows of wakes. */
static int two_traces(void *argument)
{
    CHECK_RC(ping(argument), 0);
    CHECK_RC(ping(argument), 0);
    return 0;
}

static void test_a_second_trace_stands_alone(void **state)
{
    struct events events;

    (void)state;
    assert_int_equal(run_alone(two_traces, NULL), 0);
    events = events_of(&trace);
    events_check(&events);
    assert_int_equal(events_count(&events, 'i', "spawn"), 2);
    free(events.all);
}

static int too_fast(void *argument)
{
    (void)argument;
    CHECK_RC(start(1), 0); /* room for 64 events: the writer comes every 10 ms */
    edo_sleep(EDO_US(100));
    for (int i = 0; i < 100000; i++)
        edo_yield();
    CHECK_RC(edo_trace_stop(), 0);
    return 0;
}

static void test_what_has_no_room_is_dropped_and_counted(void **state)
{
    struct events events;

    (void)state;
    assert_int_equal(run_alone(too_fast, NULL), 0);
    events = events_of(&trace);
    events_check(&events);
    assert_int_equal(events_count(&events, 'i', "dropped"), 1);
    assert_true(events.count < 100000);
    free(events.all);
}

/* --- From outside ------------------------------------------------------------------------------------------------- */

/* A runtime that begins while a trace is on is in it, and one that ends is. */
static void test_runtimes_come_and_go_in_a_trace(void **state)
{
    struct events events;
    int pids[2] = {-1, -1};

    (void)state;
    assert_int_equal(start(0), 0);
    assert_int_equal(run_alone(unnamed, NULL), 0);
    assert_int_equal(run_alone(unnamed, NULL), 0);
    assert_int_equal(edo_trace_stop(), 0);
    events = events_of(&trace);
    events_check(&events);
    for (size_t i = 0; i < events.count; i++)
        if (events.all[i].phase == 'X' && strcmp(events.all[i].name, "root") == 0) {
            if (pids[0] == -1)
                pids[0] = events.all[i].pid;
            pids[1] = events.all[i].pid;
        }
    assert_true(pids[0] >= 1 && pids[1] == pids[0] + 1);
    free(events.all);
}

static void read_trace(const char *name)
{
    char text[4096];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        fail_msg("there is no %s", name);
    free(trace.text);
    trace = (struct dumped){NULL, 0, 0};
    while ((n = read(fd, text, sizeof text)) > 0)
        dumped_add(&trace, text, (size_t)n);
    close(fd);
    unlink(name);
}

static void test_the_environment_asks_for_one(void **state)
{
    char directory[] = "/tmp/edo-trace-XXXXXX";
    char name[64];
    char second[80];
    char nowhere[80];
    struct events events;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/trace.json", directory);
    snprintf(second, sizeof second, "%s.2", name);
    setenv("EDO_TRACE_FILE", name, 1);
    assert_int_equal(run_alone(unnamed, NULL), 0);
    assert_int_equal(run_alone(unnamed, NULL), 0);
    snprintf(nowhere, sizeof nowhere, "%s/none/trace.json", directory);
    setenv("EDO_TRACE_FILE", nowhere, 1); /* cannot be written: the program runs on */
    assert_int_equal(run_alone(unnamed, NULL), 0);
    unsetenv("EDO_TRACE_FILE");
    assert_int_equal(edo_trace_stop(), -EALREADY);
    read_trace(name);
    events = events_of(&trace);
    events_check(&events);
    assert_true(events_count(&events, 'X', "root") >= 1);
    free(events.all);
    read_trace(second);
    events = events_of(&trace);
    assert_true(events_count(&events, 'X', "root") >= 1);
    free(events.all);
    assert_int_equal(rmdir(directory), 0);
}

static int forget(void **state)
{
    (void)state;
    free(trace.text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns_wakes_spawns_and_sleeps_are_in_it),
        cmocka_unit_test(test_a_yield_is_no_wake),
        cmocka_unit_test(test_who_goes_on_from_a_dormant_wait_is_woken_not_spawned),
        cmocka_unit_test(test_slices_never_overlap),
        cmocka_unit_test(test_errors_are_told_and_end_it),
        cmocka_unit_test(test_afterwards_nothing_is_left_of_it),
        cmocka_unit_test(test_a_second_trace_stands_alone),
        cmocka_unit_test(test_what_has_no_room_is_dropped_and_counted),
        cmocka_unit_test(test_runtimes_come_and_go_in_a_trace),
        cmocka_unit_test(test_the_environment_asks_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
