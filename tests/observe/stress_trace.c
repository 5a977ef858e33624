/* SPDX-License-Identifier: MIT */
/*
 * Traces begin and end, and recorders are read, while everything changes: tasks are spawned, end, wait, are stolen,
 * lose their workers. Nothing may crash, hang or be torn: a recorded number is one that a task has, times rise.
 */
#include "observe/traced.h"
#include "observe/recorder.h"

#include <pthread.h>

struct storm {
    edo_channel *channel;
    _Atomic bool over;
    _Atomic uint64_t pieces;
    _Atomic int looks;
    struct edo_runtime *runtime;
};

static int once_more(void *argument)
{
    (void)argument;
    return edo_yield();
}

static int wake_each_other(void *argument)
{
    struct storm *storm = argument;
    int value = 0;

    switch (edo_task_id() % 5) {
    case 0:
        return edo_sleep(EDO_US(50));
    case 1:
        return edo_try_send(storm->channel, &value) == 0 ? 0 : edo_recv(&value, storm->channel);
    case 2:
        return edo_continue(EDO_WHEN_AT(edo_now() + EDO_US(20)), once_more, storm);
    case 3:
        for (int i = 0; i < 100; i++)
            edo_yield();
        return 0;
    default:
        return edo_yield();
    }
}

static int spawn_on(void *argument)
{
    struct storm *storm = argument;

    while (!atomic_load(&storm->over)) {
        int rc = 0;

        EDO_SCOPE (some, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 20; i++)
                edo_spawn(some, wake_each_other, storm, .name = "storm");
            edo_sleep(EDO_US(100));
            edo_scope_cancel(some);
        }
    }
    return 0;
}

/* Now and then a worker is lost. */
static int stall_on(void *argument)
{
    struct storm *storm = argument;

    while (!atomic_load(&storm->over)) {
        int64_t end = edo_now() + EDO_MS(2);

        while (edo_now() < end)
            ;
        edo_sleep(EDO_MS(3));
    }
    return 0;
}

static int count_pieces(void *argument, const char *text, size_t size)
{
    (void)text;
    atomic_fetch_add((_Atomic uint64_t *)argument, size);
    return 0;
}

static void *trace_on(void *argument)
{
    struct storm *storm = argument;

    while (!atomic_load(&storm->over)) {
        CHECK_RC(edo_trace_start(-1, EDO_OPTIONS(edo_trace_options, .memory = 65536, .write = count_pieces,
                                                 .argument = &storm->pieces)),
                 0);
        edo_platform_system.futex_wait(&(uint32_t){0}, 0, edo_platform_system.now() + EDO_MS(15));
        CHECK_RC(edo_trace_stop(), 0);
    }
    return NULL;
}

static void nothing(void *argument, const edo_recorded *recorded)
{
    (void)argument;
    CHECK(recorded->ago >= 0);
}

static int read_on(void *argument)
{
    static struct edo_record record;
    struct storm *storm = argument;
    struct edo_runtime *runtime = edo_task_self()->home->runtime;

    while (!atomic_load(&storm->over)) {
        for (int w = 0; w < runtime->worker_count; w++) {
            uint64_t ticks = 0;

            edo_record_read(&record, &runtime->workers[w]);
            for (uint64_t i = record.first_run; i < record.end_run; i++)
                CHECK(record.runs[i % EDO_RUNS_KEPT] != 0 &&
                      record.runs[i % EDO_RUNS_KEPT] >> 48 == runtime->id_base >> 48);
            for (uint64_t i = record.first_note; i < record.end_note; i++) {
                CHECK(edo_record_kind(&record, i) >= EDO_NOTE_LOOK && edo_record_kind(&record, i) < EDO_NOTE_STALL);
                CHECK((int64_t)(record.notes[i % EDO_NOTES_KEPT].ticks - ticks) >= 0);
                CHECK(i == record.first_note || edo_record_switches(&record, i) >= edo_record_switches(&record, i - 1));
                ticks = record.notes[i % EDO_NOTES_KEPT].ticks;
            }
        }
        CHECK_RC(
            edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = count_pieces, .argument = &storm->pieces)),
            0);
        CHECK(edo_recorder_task(edo_task_id(), nothing, NULL) >= 0); /* it may have lost its worker long ago */
        atomic_fetch_add(&storm->looks, 1);
        edo_yield();
    }
    return 0;
}

static void *read_from_afar(void *argument)
{
    struct storm *storm = argument;

    while (!atomic_load(&storm->over))
        CHECK_RC(
            edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = count_pieces, .argument = &storm->pieces)),
            0);
    return NULL;
}

static int storm_main(void *argument)
{
    struct storm *storm = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(all, spawn_on, storm), 0);
        CHECK_RC(edo_spawn(all, stall_on, storm), 0);
        CHECK_RC(edo_spawn(all, read_on, storm), 0);
        edo_sleep(edo_test_duration() / 2);
        atomic_store(&storm->over, true);
    }
    return rc;
}

static void storm_with(const edo_run_options *options)
{
    struct storm storm = {.channel = NULL};
    pthread_t threads[2];

    assert_int_equal(edo_channel_create(&storm.channel, sizeof(int), 4), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, trace_on, &storm), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, read_from_afar, &storm), 0);
    run_with(storm_main, &storm, options);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&test_failures), 0);
    assert_true(atomic_load(&storm.looks) > 0 && atomic_load(&storm.pieces) > 0);
    edo_channel_destroy(storm.channel);
}

static void test_traces_come_and_go_while_everything_changes(void **state)
{
    (void)state;
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1)));
}

static void test_traces_come_and_go_while_times_are_sampled_and_tasks_move(void **state)
{
    (void)state;
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 3, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1),
                           .metrics = true));
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 3, .signals = EDO_SIGNALS_IGNORE, .migrate_always = true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_come_and_go_while_everything_changes),
        cmocka_unit_test(test_traces_come_and_go_while_times_are_sampled_and_tasks_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
