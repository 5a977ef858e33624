/* SPDX-License-Identifier: MIT */
/*
 * Counters: each moves when its thing happens, and by that much; sums are those of the workers; who may ask, and how.
 * Times and text have test programs of their own.
 */
#include "runtime/helpers.h"
#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>

static edo_metrics read_metrics(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    CHECK_RC(edo_metrics_read(&metrics), 0);
    return metrics;
}

static edo_worker_metrics read_worker(int worker)
{
    edo_worker_metrics metrics = EDO_WORKER_METRICS_INIT;

    CHECK_RC(edo_metrics_worker(&metrics, worker), 0);
    return metrics;
}

/* --- Who may ask, and how ----------------------------------------------------------------------------------------- */

static void test_nobody_asks_outside_a_task(void **state)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_worker_metrics worker = EDO_WORKER_METRICS_INIT;
    edo_histogram histogram = {.size = sizeof histogram};

    (void)state;
    assert_int_equal(edo_metrics_read(&metrics), -EPERM);
    assert_int_equal(edo_metrics_worker(&worker, 0), -EPERM);
    assert_int_equal(edo_metrics_times(&histogram, EDO_TIMES_POLL, -1), -EPERM);
    assert_int_equal(edo_metrics_print(NULL, 0), -EPERM);
}

static int sizes_root(void *argument)
{
    struct {
        edo_metrics metrics;
        char after;
    } grown = {{0}, 7};
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_worker_metrics worker = EDO_WORKER_METRICS_INIT;
    edo_histogram histogram = {.size = sizeof histogram};

    (void)argument;
    metrics.size = 0;
    CHECK_RC(edo_metrics_read(&metrics), -E2BIG);
    metrics.size = sizeof metrics + 8;
    CHECK_RC(edo_metrics_read(&metrics), -E2BIG);
    CHECK(metrics.workers == 0);
    grown.metrics.size = offsetof(edo_metrics, tasks_spawned); /* of an older version */
    grown.metrics.tasks_spawned = 4711;
    CHECK_RC(edo_metrics_read(&grown.metrics), 0);
    CHECK(grown.metrics.tasks_alive == 1);
    CHECK(grown.metrics.tasks_spawned == 4711);
    CHECK(grown.metrics.size == offsetof(edo_metrics, tasks_spawned));

    worker.size = 1;
    CHECK_RC(edo_metrics_worker(&worker, 0), -E2BIG);
    worker.size = sizeof worker;
    CHECK_RC(edo_metrics_worker(&worker, -1), -EINVAL);
    CHECK_RC(edo_metrics_worker(&worker, 1), -EINVAL);
    CHECK_RC(edo_metrics_worker(&worker, 0), 0);

    histogram.size = sizeof histogram + 8;
    CHECK_RC(edo_metrics_times(&histogram, EDO_TIMES_POLL, -1), -E2BIG);
    histogram.size = sizeof histogram;
    CHECK_RC(edo_metrics_times(&histogram, 2, -1), -EINVAL);
    CHECK_RC(edo_metrics_times(&histogram, -1, -1), -EINVAL);
    CHECK_RC(edo_metrics_times(&histogram, EDO_TIMES_POLL, 1), -EINVAL);
    CHECK_RC(edo_metrics_times(&histogram, EDO_TIMES_POLL, -2), -EINVAL);
    CHECK_RC(edo_metrics_times(&histogram, EDO_TIMES_POLL, -1), -ENODATA);
    return 0;
}

static void test_sizes_and_numbers_are_checked(void **state)
{
    (void)state;
    assert_int_equal(run_alone(sizes_root, NULL), 0);
}

/* --- Tasks and turns ---------------------------------------------------------------------------------------------- */

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int tasks_root(void *argument)
{
    edo_metrics before, during = EDO_METRICS_INIT, after;
    int rc = 0;

    (void)argument;
    before = read_metrics();
    CHECK(before.tasks_alive == 1);
    CHECK(before.workers == 1);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 10; i++)
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        during = read_metrics();
        CHECK(during.tasks_spawned - before.tasks_spawned == 10);
        CHECK(during.tasks_alive == 11);
        CHECK(during.local_queued == 10);
        CHECK(during.switches == before.switches);
        CHECK(during.local_schedules - before.local_schedules == 10);
        CHECK(read_worker(0).queued == 10);
    }
    after = read_metrics();
    CHECK(after.tasks_alive == 1);
    CHECK(after.local_queued == 0);
    CHECK(after.switches - during.switches == 11); /* and the root again */
    CHECK(after.local_schedules - during.local_schedules == 1);
    CHECK(read_worker(0).thread == (uint64_t)edo_platform->thread_number());
    CHECK(read_worker(0).tasks_ended == 10);
    CHECK(after.overflows == 0 && after.global_queued == 0 && after.remote_schedules == 0);
    CHECK(after.forced_yields == 0 && after.steals == 0 && after.steal_operations == 0);
    return rc;
}

static void test_tasks_switches_and_queues(void **state)
{
    (void)state;
    assert_int_equal(run_alone(tasks_root, NULL), 0);
}

/* --- The LIFO slot ------------------------------------------------------------------------------------------------ */

static int waits_at(void *argument)
{
    return gate_wait(argument);
}

/*
 * Of two that are woken one displaces the other from the slot, into the ring; who is spawned or yields has never been
 * there.
 */
static int lifo_root(void *argument)
{
    struct gate gates[3] = {{0}, {0}, {0}};
    edo_metrics before = {0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, waits_at, &gates[i]), 0);
        before = read_metrics(); /* the root itself may have come that way */
        edo_yield();
        CHECK(read_metrics().lifo_schedules == before.lifo_schedules);
        gate_open(&gates[0]);
        CHECK(read_metrics().lifo_schedules == before.lifo_schedules + 1);
        gate_open(&gates[1]);
        CHECK(read_metrics().lifo_schedules == before.lifo_schedules + 1);
        edo_yield();
        gate_open(&gates[2]);
        CHECK(read_metrics().lifo_schedules == before.lifo_schedules + 2);
        CHECK(read_worker(0).lifo_schedules == before.lifo_schedules + 2);
    }
    CHECK(read_metrics().lifo_schedules == before.lifo_schedules + 3); /* the root, by the last of them */
    return rc;
}

static void test_s1_who_goes_on_by_the_lifo_slot_is_counted(void **state)
{
    (void)state;
    assert_int_equal(run_alone(lifo_root, NULL), 0);
}

/* --- Full queues -------------------------------------------------------------------------------------------------- */

static struct {
    _Atomic bool begun, over;
} hold;

/* Keeps the worker that runs it. */
static int holds(void *argument)
{
    (void)argument;
    atomic_store(&hold.begun, true);
    while (!atomic_load(&hold.over))
        ;
    return 0;
}

static int overflow_root(void *argument)
{
    edo_metrics metrics;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2; i++)
            CHECK_RC(edo_spawn(scope, holds, NULL), 0);
        while (!atomic_load(&hold.begun)) /* one of them: by the other worker, which takes half of what there is */
            ;
        for (int i = 1; i < 256; i++)
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        CHECK(read_metrics().overflows == 0);
        CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        metrics = read_metrics();
        CHECK(metrics.overflows == 1);
        CHECK(metrics.local_queued == 128);
        CHECK(metrics.global_queued == 129);
        CHECK(metrics.local_schedules == 1 + 2 + 256);
        atomic_store(&hold.over, true);
    }
    CHECK(read_metrics().remote_schedules == 0);
    return rc;
}

static void test_a_full_queue_overflows_into_the_global_one(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(overflow_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .stall_after = EDO_FOREVER, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

static int no_overflow_root(void *argument)
{
    edo_metrics metrics;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 1000; i++)
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        metrics = read_metrics();
        CHECK(metrics.overflows == 0);
        CHECK(metrics.local_queued == 1000);
        CHECK(metrics.global_queued == 0);
        CHECK(metrics.local_schedules == 1 + 1000);
    }
    CHECK(read_metrics().local_queued == 0);
    return rc;
}

static void test_the_queue_of_one_worker_is_never_full(void **state)
{
    (void)state;
    assert_int_equal(run_alone(no_overflow_root, NULL), 0);
}

static int forced_root(void *argument)
{
    edo_metrics before = read_metrics();

    (void)argument;
    CHECK_RC(edo_yield(), 0); /* with a new budget */
    for (int i = 0; i < EDO_BUDGET; i++)
        CHECK_RC(edo_checkpoint(), 0);
    CHECK(read_metrics().forced_yields == before.forced_yields);
    CHECK_RC(edo_checkpoint(), 0);
    CHECK(read_metrics().forced_yields == before.forced_yields + 1);
    CHECK(read_worker(0).forced_yields == before.forced_yields + 1);
    return 0;
}

static void test_s3_a_spent_budget_is_a_forced_yield_and_a_yield_is_none(void **state)
{
    (void)state;
    assert_int_equal(run_alone(forced_root, NULL), 0);
}

static void *open_from_elsewhere(void *argument)
{
    gate_open(argument);
    return NULL;
}

static int waits_for_gate(void *argument)
{
    return gate_wait(argument);
}

static int remote_root(void *argument)
{
    struct gate here = {0}, elsewhere = {0};
    pthread_t thread;
    uint64_t local;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits_for_gate, &here), 0);
        edo_yield();
        gate_open(&here);
    }
    CHECK(read_metrics().remote_schedules == 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits_for_gate, &elsewhere), 0);
        edo_yield();
        local = read_metrics().local_schedules;
        CHECK_RC(pthread_create(&thread, NULL, open_from_elsewhere, &elsewhere), 0);
        pthread_join(thread, NULL);
        CHECK(read_metrics().remote_schedules == 1);
        CHECK(read_metrics().local_schedules == local);
        CHECK(read_metrics().global_queued == 1);
    }
    return rc;
}

static void test_what_other_threads_wake_is_scheduled_remotely(void **state)
{
    (void)state;
    assert_int_equal(run_alone(remote_root, NULL), 0);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static int timers_root(void *argument)
{
    edo_metrics before = read_metrics();
    edo_metrics after;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_sleep(EDO_MS(1)), 0);
    after = read_metrics();
    CHECK(after.timers_fired - before.timers_fired == 1);
    CHECK(after.sleeps - before.sleeps == 1);
    CHECK(after.polls > before.polls);
    CHECK(after.timers == before.timers);
    EDO_TIMEOUT (EDO_SEC(100), &rc) {
        CHECK(read_metrics().timers == after.timers + 1);
        edo_yield();
    }
    CHECK(read_metrics().timers_fired == after.timers_fired);
    CHECK(read_metrics().timers == after.timers);
    return rc;
}

static void test_a_timer_fires_or_is_disarmed(void **state)
{
    (void)state;
    assert_int_equal(run_alone(timers_root, NULL), 0);
}

static int reads_one(void *argument)
{
    char byte;

    return (int)edo_read(argument, &byte, 1) == 1 ? 0 : -EIO;
}

static int descriptors_root(void *argument)
{
    edo_metrics before = read_metrics(), during, after;
    edo_stream *reader, *writer;
    int ends[2];
    int rc = 0;

    (void)argument;
    CHECK_RC(pipe(ends), 0);
    CHECK_RC(edo_stream_from_fd(&reader, ends[0]), 0);
    CHECK_RC(edo_stream_from_fd(&writer, ends[1]), 0);
    during = read_metrics();
    CHECK(during.streams - before.streams == 2);
    CHECK(during.descriptors == before.descriptors);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, reads_one, reader), 0);
        edo_yield();
        during = read_metrics();
        CHECK(during.descriptors - before.descriptors == 1);
        CHECK(during.descriptors_registered - before.descriptors_registered == 1);
        CHECK_RC(edo_write_all(writer, "x", 1), 1);
    }
    CHECK(read_metrics().events > during.events);
    edo_close(reader);
    edo_close(writer);
    after = read_metrics();
    CHECK(after.streams == before.streams);
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.descriptors_registered - before.descriptors_registered == 1);
    return rc;
}

static void test_descriptors_are_registered_when_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run_alone(descriptors_root, NULL), 0);
}

static int regions_root(void *argument)
{
    (void)argument;
    CHECK(read_metrics().regions == 0);
    for (uint64_t i = 1; i <= 5; i++) {
        CHECK_RC(edo_blocking_begin(), 0);
        CHECK(edo_thread_regions(edo_thread_self()) == i);
        edo_blocking_end();
        CHECK(read_metrics().regions == i);
    }
    return 0;
}

static void test_s7_regions_are_counted_by_their_number(void **state)
{
    (void)state;
    assert_int_equal(run_alone(regions_root, NULL), 0);
}

static int waits_on_thread(void *argument)
{
    struct gate *gate = argument;

    while (!__atomic_load_n(&gate->open, __ATOMIC_SEQ_CST))
        edo_wait_word(&gate->open, 0, EDO_FOREVER);
    return 0;
}

static int blocks(void *argument)
{
    int rc = edo_blocking(waits_on_thread, argument);

    return rc;
}

static int blocking_root(void *argument)
{
    struct gate gate = {0};
    edo_metrics metrics;
    int rc = 0;

    (void)argument;
    metrics = read_metrics();
    CHECK(metrics.blocking_threads == 0 && metrics.blocking_idle == 0 && metrics.blocking_queued == 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, blocks, &gate), 0);
        CHECK_RC(edo_spawn(scope, blocks, &gate), 0);
        do { /* the thread takes its job when it has started */
            edo_yield();
            metrics = read_metrics();
        } while (metrics.blocking_threads == 0 || metrics.blocking_queued != 1);
        CHECK(metrics.blocking_threads == 1);
        CHECK(metrics.threads == 2);
        gate_open(&gate);
    }
    while (read_metrics().blocking_idle != 1) /* the job's end is told before its thread looks for the next one */
        edo_yield();
    CHECK(read_metrics().blocking_queued == 0);
    return rc;
}

static void test_c7_threads_and_jobs_of_blocking_work(void **state)
{
    (void)state;
    assert_int_equal(run_with(blocking_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_FOREVER, .blocking_threads = 1)),
                     0);
}

/* --- Several workers ---------------------------------------------------------------------------------------------- */

static _Atomic int ran;

static int runs(void *argument)
{
    (void)argument;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static int steals_root(void *argument)
{
    struct edo_runtime *runtime = edo_thread_self()->runtime;
    edo_metrics before, after;
    int rc = 0;

    (void)argument;
    while (read_metrics().asleep != 1)
        sched_yield();
    before = read_metrics();
    CHECK(read_worker(0).asleep + read_worker(1).asleep == 1);
    EDO_SCOPE (scope, &rc) {
        atomic_fetch_add(&runtime->searching, 1); /* so the sibling is let sleep, until there are all */
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, runs, NULL), 0);
        atomic_fetch_sub(&runtime->searching, 1);
        edo_wake_all(runtime);
        while (atomic_load(&ran) < 20) /* this one keeps its worker, so the sibling has to */
            sched_yield();
        after = read_metrics();
        CHECK(after.steals - before.steals == 20);
        CHECK(after.steal_operations > before.steal_operations);
        CHECK(after.steal_operations - before.steal_operations < 20);
        CHECK(after.wakes - before.wakes >= 1);
    }
    return rc;
}

static void test_s1_what_a_sibling_steals(void **state)
{
    (void)state;
    atomic_store(&ran, 0);
    assert_int_equal(
        run_with(steals_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER)),
        0);
}

static int yields(void *argument)
{
    for (int i = 0; i < *(int *)argument; i++)
        edo_yield();
    return 0;
}

static int sums_root(void *argument)
{
    int turns = 100;
    int rc = 0;
    edo_metrics all;
    edo_metrics sum = EDO_METRICS_INIT;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 100; i++)
            CHECK_RC(edo_spawn(scope, yields, &turns), 0);
    while (read_metrics().asleep != 3)
        sched_yield();
    all = read_metrics();
    for (int i = 0; i < 4; i++) {
        edo_worker_metrics part = read_worker(i);

        sum.tasks_spawned += part.tasks_spawned;
        sum.tasks_alive += part.tasks_spawned - part.tasks_ended;
        sum.switches += part.switches;
        sum.steals += part.steals;
        sum.lifo_schedules += part.lifo_schedules;
        sum.polls += part.polls;
        sum.sleeps += part.sleeps;
        sum.asleep += part.asleep;
    }
    CHECK(all.tasks_spawned == sum.tasks_spawned && all.tasks_spawned == 101);
    CHECK(all.tasks_alive == sum.tasks_alive && all.tasks_alive == 1);
    CHECK(all.switches == sum.switches && all.switches > 100);
    CHECK(all.steals == sum.steals);
    CHECK(all.lifo_schedules == sum.lifo_schedules);
    CHECK(all.polls == sum.polls);
    CHECK(all.sleeps == sum.sleeps);
    CHECK(all.asleep == sum.asleep);
    return rc;
}

static void test_sums_are_those_of_the_workers(void **state)
{
    (void)state;
    assert_int_equal(run_with(sums_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_FOREVER, .metrics = true)),
                     0);
}

/* Reading stops nobody, and needs no more order than there is: for ThreadSanitizer above all. */
static int busy_reader_root(void *argument)
{
    uint64_t switches = 0, spawned = 0;
    int turns = edo_test_rounds(2000);
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 50; i++)
            CHECK_RC(edo_spawn(scope, yields, &turns), 0);
        for (int i = 0; i < edo_test_rounds(500); i++) {
            edo_metrics metrics = read_metrics();
            edo_histogram histogram = {.size = sizeof histogram};
            char text[256];

            CHECK(metrics.switches >= switches && metrics.tasks_spawned >= spawned);
            CHECK(metrics.tasks_alive <= 51);
            switches = metrics.switches;
            spawned = metrics.tasks_spawned;
            read_worker(i % 4);
            CHECK_RC(edo_metrics_times(&histogram, i % 2, i % 5 - 1), 0);
            CHECK(edo_metrics_print(text, sizeof text) > (ssize_t)sizeof text);
            edo_yield();
        }
    }
    return rc;
}

static void test_reading_while_workers_run(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(busy_reader_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE, .metrics = true)),
        0);
}

static int idle_root(void *argument)
{
    edo_metrics before, after;

    (void)argument;
    while (read_metrics().asleep != 1)
        sched_yield();
    before = read_metrics();
    CHECK_RC(edo_sleep(EDO_MS(30)), 0);
    after = read_metrics();
    CHECK(after.wakes == before.wakes);
    CHECK(after.sleeps - before.sleeps == 1); /* of this worker, for that long */
    CHECK(after.polls - before.polls <= 2);
    return 0;
}

static void test_s9_nothing_of_it_wakes_an_idle_runtime(void **state)
{
    (void)state;
    assert_int_equal(run_with(idle_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_FOREVER, .metrics = true)),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_asks_outside_a_task),
        cmocka_unit_test(test_sizes_and_numbers_are_checked),
        cmocka_unit_test(test_tasks_switches_and_queues),
        cmocka_unit_test(test_s1_who_goes_on_by_the_lifo_slot_is_counted),
        cmocka_unit_test(test_a_full_queue_overflows_into_the_global_one),
        cmocka_unit_test(test_the_queue_of_one_worker_is_never_full),
        cmocka_unit_test(test_s3_a_spent_budget_is_a_forced_yield_and_a_yield_is_none),
        cmocka_unit_test(test_what_other_threads_wake_is_scheduled_remotely),
        cmocka_unit_test(test_a_timer_fires_or_is_disarmed),
        cmocka_unit_test(test_descriptors_are_registered_when_waited_for),
        cmocka_unit_test(test_s7_regions_are_counted_by_their_number),
        cmocka_unit_test(test_c7_threads_and_jobs_of_blocking_work),
        cmocka_unit_test(test_s1_what_a_sibling_steals),
        cmocka_unit_test(test_sums_are_those_of_the_workers),
        cmocka_unit_test(test_reading_while_workers_run),
        cmocka_unit_test(test_s9_nothing_of_it_wakes_an_idle_runtime),
    };

    unsetenv("EDO_METRICS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
