/* SPDX-License-Identifier: MIT */
/*
 * Blocking jobs and their classes (C7): queued ones are dropped, running ones waited for, abandonable ones left alone.
 */
#include "helpers.h"

#include <pthread.h>

/* Threads of a pool meet here, in real blocking waits. */
struct meeting {
    struct gate go;
    _Atomic int started;
    _Atomic int ended;
    _Atomic int dropped;
};

static int job_wait(void *argument)
{
    struct meeting *meeting = argument;

    CHECK(!edo_in_task());
    atomic_fetch_add(&meeting->started, 1);
    CHECK_RC(gate_wait(&meeting->go), 0); /* a thread that runs no task blocks */
    atomic_fetch_add(&meeting->ended, 1);
    return 17;
}

static void job_dropped(void *argument)
{
    atomic_fetch_add(&((struct meeting *)argument)->dropped, 1);
}

static int caller(void *argument)
{
    return edo_blocking(job_wait, argument);
}

static int ask_id(void *argument)
{
    *(pthread_t *)argument = pthread_self();
    return -EDOM;
}

static int basic_main(void *argument)
{
    pthread_t here = pthread_self();
    pthread_t there = here;

    (void)argument;
    CHECK_RC(edo_blocking(ask_id, &there), -EDOM);
    CHECK(!pthread_equal(here, there));
    return 0;
}

static void test_blocking_runs_on_another_thread_and_gives_its_result(void **state)
{
    pthread_t there;

    (void)state;
    assert_int_equal(run_alone(basic_main, NULL), 0);
    assert_int_equal(edo_blocking(ask_id, &there), -EDOM); /* outside a task: simply called */
    assert_true(pthread_equal(there, pthread_self()));
}

/* Others go on while a job blocks. */
static int others_main(void *argument)
{
    struct meeting meeting = {.started = 0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_task *task = NULL;
        int result = 0;

        CHECK_RC(edo_spawn(scope, caller, &meeting, .handle = &task), 0);
        until(&meeting.started, 1);
        CHECK_RC(atomic_load(&meeting.ended), 0);
        gate_open(&meeting.go);
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, 17);
    }
    return rc;
}

static void test_blocking_does_not_hold_up_others(void **state)
{
    (void)state;
    assert_int_equal(run_alone(others_main, NULL), 0);
}

/* --- C7 ----------------------------------------------------------------------------------------------------------- */

static int running_caller(void *argument)
{
    /* Running, and waited for: its result counts, whatever happened meanwhile. */
    CHECK_RC(edo_blocking(job_wait, argument, .drop = job_dropped), 17);
    CHECK_RC(edo_checkpoint(), -ECANCELED); /* the flag waited for the next call */
    return 0;
}

static int running_main(void *argument)
{
    struct meeting meeting = {.started = 0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, running_caller, &meeting), 0);
        until(&meeting.started, 1);
        edo_scope_cancel(scope);
        for (int i = 0; i < 200; i++)
            edo_yield();
        CHECK_RC(atomic_load(&meeting.ended), 0);
        gate_open(&meeting.go);
    }
    CHECK_RC(atomic_load(&meeting.ended), 1);
    CHECK_RC(atomic_load(&meeting.dropped), 0);
    return rc;
}

static void test_c7_running_job_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run_alone(running_main, NULL), 0);
}

struct queued {
    struct meeting *meeting;
    bool abandonable;
    _Atomic int called;
};

static int queued_job(void *argument)
{
    (void)argument;
    CHECK(!"a dropped job has run");
    return 0;
}

static int queued_caller(void *argument)
{
    struct queued *queued = argument;

    atomic_fetch_add(&queued->called, 1);
    CHECK_RC(edo_blocking(queued_job, queued->meeting, .abandonable = queued->abandonable, .drop = job_dropped),
             -ECANCELED);
    return 0;
}

static int queued_main(void *argument)
{
    (void)argument;
    for (int abandonable = 0; abandonable < 2; abandonable++) {
        struct meeting meeting = {.started = 0};
        struct queued queued = {&meeting, abandonable, 0};
        edo_metrics metrics = EDO_METRICS_INIT;
        int rc = 0;

        EDO_SCOPE (outer, &rc) {
            CHECK_RC(edo_spawn(outer, caller, &meeting), 0); /* takes the only thread */
            until(&meeting.started, 1);
            EDO_SCOPE (inner, NULL) {
                for (int i = 0; i < 10; i++)
                    CHECK_RC(edo_spawn(inner, queued_caller, &queued), 0);
                until(&queued.called, 10);
                do {
                    edo_yield();
                    CHECK_RC(edo_metrics_read(&metrics), 0);
                } while (metrics.blocking_queued < 10);
                CHECK_RC(metrics.blocking_threads, 1);
                edo_scope_cancel(inner);
                CHECK_RC(edo_scope_join(inner), 0);
            }
            CHECK_RC(atomic_load(&meeting.dropped), 10);
            CHECK_RC(edo_metrics_read(&metrics), 0);
            CHECK_RC(metrics.blocking_queued, 0);
            gate_open(&meeting.go);
        }
        CHECK_RC(rc, 0);
        CHECK_RC(atomic_load(&meeting.ended), 1);
    }
    return 0;
}

static void test_c7_queued_job_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(run_with(queued_main, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .blocking_threads = 1)), 0);
    assert_int_equal(run_with(queued_main, NULL, EDO_OPTIONS(edo_run_options, .blocking_threads = 1)), 0);
}

/* An abandoned job goes on, even beyond its runtime, and its argument is dropped at its end. */
static struct meeting abandoned;

struct owned {
    struct meeting *meeting;
    char text[100];
};

static int abandoned_job(void *argument)
{
    struct owned *owned = argument;

    atomic_fetch_add(&owned->meeting->started, 1);
    gate_wait(&owned->meeting->go);
    owned->text[0] = 'y'; /* its own memory is still there */
    atomic_fetch_add(&owned->meeting->ended, 1);
    return 17;
}

static void abandoned_drop(void *argument)
{
    struct owned *owned = argument;

    CHECK(owned->text[0] == 'y' && owned->text[99] == 'z');
    atomic_fetch_add(&owned->meeting->dropped, 1);
}

static int abandoned_caller(void *argument)
{
    struct owned owned = {.meeting = argument};

    owned.text[99] = 'z';
    CHECK_RC(edo_blocking(abandoned_job, &owned, .abandonable = true, .copy = sizeof owned, .drop = abandoned_drop),
             -ECANCELED);
    memset(&owned, 0, sizeof owned);
    return 0;
}

static int abandoned_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, abandoned_caller, &abandoned), 0);
        until(&abandoned.started, 3);
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&abandoned.ended), 0);
    return rc;
}

static void test_c7_abandonable_job_goes_on_by_itself(void **state)
{
    (void)state;
    memset(&abandoned, 0, sizeof abandoned);
    assert_int_equal(run(abandoned_main, NULL), 0); /* returns while the jobs still wait */
    assert_int_equal(atomic_load(&abandoned.ended), 0);
    gate_open(&abandoned.go);
    while (atomic_load(&abandoned.dropped) < 3)
        sched_yield();
    assert_int_equal(atomic_load(&abandoned.ended), 3);
    assert_int_equal(atomic_load(&test_failures), 0);
}

static int abandonable_done_job(void *argument)
{
    return *(int *)argument;
}

static void abandonable_done_drop(void *argument)
{
    (void)argument;
    CHECK(!"dropped although it ran and was waited for");
}

static int abandonable_done_main(void *argument)
{
    int value = 5;

    (void)argument;
    for (int i = 0; i < 100; i++)
        CHECK_RC(edo_blocking(abandonable_done_job, &value, .abandonable = true, .copy = sizeof value,
                              .drop = abandonable_done_drop),
                 5);
    return 0;
}

static void test_c7_abandonable_job_that_ended_gives_its_result(void **state)
{
    (void)state;
    assert_int_equal(run(abandonable_done_main, NULL), 0);
}

/* --- Races -------------------------------------------------------------------------------------------------------- */

/* Every job either ran, and its result came, or was dropped; or, abandoned, both in the end. */
struct race {
    _Atomic int ran;
    _Atomic int dropped;
    _Atomic int results;
    _Atomic int refused;
};

static int race_job(void *argument)
{
    atomic_fetch_add(&((*(struct race **)argument)->ran), 1);
    return 1;
}

static void race_drop(void *argument)
{
    atomic_fetch_add(&((*(struct race **)argument)->dropped), 1);
}

static int race_caller(void *argument)
{
    struct race *race = argument;
    int rc =
        edo_blocking(race_job, &race, .drop = race_drop, .copy = sizeof race, .abandonable = edo_task_id() % 2 == 0);

    if (rc == 1)
        atomic_fetch_add(&race->results, 1);
    else if (CHECK_RC(rc, -ECANCELED))
        atomic_fetch_add(&race->refused, 1);
    return 0;
}

static int race_main(void *argument)
{
    static struct race race; /* abandoned jobs may come back to it */
    uint64_t random = *(uint64_t *)argument;
    int rounds = edo_test_rounds(100);

    memset(&race, 0, sizeof race);
    for (int round = 0; round < rounds; round++) {
        int rc = 0;

        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 20; i++)
                CHECK_RC(edo_spawn(scope, race_caller, &race), 0);
            for (uint64_t i = edo_test_random(&random) % 40; i > 0; i--)
                edo_yield();
            edo_scope_cancel(scope);
        }
        CHECK_RC(rc, 0);
    }
    CHECK_RC(atomic_load(&race.results) + atomic_load(&race.refused), 20 * rounds);
    while (atomic_load(&race.dropped) < atomic_load(&race.refused))
        edo_yield();
    CHECK_RC(atomic_load(&race.dropped), atomic_load(&race.refused));
    CHECK(atomic_load(&race.ran) >= atomic_load(&race.results));
    return 0;
}

static void test_c7_jobs_race_with_cancellation(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(run_with(race_main, &seed, EDO_OPTIONS(edo_run_options, .blocking_threads = 4)), 0);
}

static int many_main(void *argument)
{
    int value = 3;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 500; i++)
        CHECK_RC(edo_blocking(abandonable_done_job, &value), 3);
    return rc;
}

static int many_callers(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, many_main, NULL), 0);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK(metrics.blocking_threads <= 3);
    return rc;
}

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int keeps_awake(void *argument)
{
    while (!atomic_load((_Atomic bool *)argument))
        edo_yield();
    return 0;
}

/* Its thread does not sleep meanwhile: nothing but the end of the pool orders the waker before the runtime's end. */
static int blocks_once(void *argument)
{
    _Atomic bool done = false;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, keeps_awake, &done), 0);
        edo_yield(); /* it has run, and is pinned */
        CHECK_RC(edo_blocking(nothing, NULL), 0);
        atomic_store(&done, true);
    }
    return rc;
}

/* What the pool's thread still touches when the task runs again, and the runtime ends: TSan and ASan tell. */
static void test_c7_runtime_outlives_who_wakes_its_last_task(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(edo_run(blocks_once, NULL, EDO_OPTIONS(edo_run_options, .workers = 1 + i % 2, .pinned = true)),
                         0);
}

static void test_blocking_threads_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(run_with(many_callers, NULL, EDO_OPTIONS(edo_run_options, .blocking_threads = 3)), 0);
    /* Threads that linger for no time at all come and go. */
    assert_int_equal(
        run_with(many_callers, NULL, EDO_OPTIONS(edo_run_options, .blocking_threads = 3, .blocking_linger = 1)), 0);
}

static int newer_main(void *argument)
{
    struct {
        edo_blocking_options known;
        uint64_t unknown;
    } newer = {.known = {.size = sizeof newer}, .unknown = 1};

    (void)argument;
    CHECK_RC(edo_blocking_with(queued_job, NULL, &newer.known), -E2BIG);
    return 0;
}

static void test_blocking_checks_its_options(void **state)
{
    (void)state;
    assert_int_equal(run_alone(newer_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocking_runs_on_another_thread_and_gives_its_result),
        cmocka_unit_test(test_blocking_does_not_hold_up_others),
        cmocka_unit_test(test_c7_running_job_is_waited_for),
        cmocka_unit_test(test_c7_queued_job_is_dropped),
        cmocka_unit_test(test_c7_abandonable_job_goes_on_by_itself),
        cmocka_unit_test(test_c7_abandonable_job_that_ended_gives_its_result),
        cmocka_unit_test(test_c7_jobs_race_with_cancellation),
        cmocka_unit_test(test_c7_runtime_outlives_who_wakes_its_last_task),
        cmocka_unit_test(test_blocking_threads_are_bounded),
        cmocka_unit_test(test_blocking_checks_its_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
