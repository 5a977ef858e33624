/* SPDX-License-Identifier: MIT */
/* Blocking regions (S7): what waits behind one goes on, and what the task finds when it has ended. */
#include "helpers.h"

#include "runtime/runtime.h"

static struct {
    _Atomic int ran;
} world;

static int runs(void *argument)
{
    (void)argument;
    atomic_fetch_add(&world.ran, 1);
    return 0;
}

static int blocks(void *argument)
{
    (void)argument;
    CHECK_RC(edo_blocking_begin(), 0);
    while (atomic_load(&world.ran) == 0)
        usleep(100);
    edo_blocking_end();
    CHECK(edo_in_task());
    CHECK(edo_thread_self()->worker != NULL); /* it has one again before it goes on */
    CHECK(atomic_load(&edo_thread_self()->guard) != EDO_GUARD_TAKEN);
    return 0;
}

static int behind_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, blocks, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

/* The threshold for stalls is an hour: only what is known to be a region is taken sooner. */
static void test_s7_a_region_that_stays_loses_its_worker_at_the_second_look(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        atomic_store(&world.ran, 0);
        assert_int_equal(run_with(behind_root, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                              .stall_after = EDO_SEC(3600))),
                         0);
    }
}

/*
 * One task in this worker's ring is no reason to wake a sibling; a region that begins before it is one. Nobody else
 * takes.
 */
static int sibling_root(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_sleep(EDO_MS(2)); /* the sibling sleeps by now, or will look once more */
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
        blocks(NULL);
    }
    return rc;
}

static void test_s7_a_region_that_begins_offers_what_waits_to_a_sibling(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        atomic_store(&world.ran, 0);
        assert_int_equal(run_with(sibling_root, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE,
                                              .stall_after = EDO_FOREVER)),
                         0);
    }
}

/* Nobody takes and nobody is woken: an empty region leaves everything as it was. */
static int short_root(void *argument)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    pid_t here = gettid();

    (void)argument;
    CHECK_RC(edo_metrics_read(&before), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_RC(edo_blocking_begin(), 0);
        edo_blocking_end();
    }
    CHECK_RC(edo_metrics_read(&after), 0);
    CHECK_RC(gettid(), here);
    CHECK_RC((int)(after.wakes - before.wakes), 0);
    CHECK_RC((int)(after.handoffs - before.handoffs), 0);
    return 0;
}

static void test_s7_short_regions_wake_nobody(void **state)
{
    (void)state;
    assert_int_equal(run_alone(short_root, NULL), 0);
}

static int cancelled_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        CHECK_RC(edo_blocking_begin(), -ECANCELED);
        CHECK(!edo_thread_in_region(edo_thread_self())); /* no region has begun: nothing to end */
        CHECK_RC(edo_sleep(1), -ECANCELED);
    }
    return 0;
}

static void test_c1_a_region_does_not_begin_in_a_cancelled_scope(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_root, NULL), 0);
}

static int cancels_inside_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, blocks, NULL), 0);
        edo_yield(); /* it is in its region, and comes back when it was taken from */
        edo_scope_cancel(scope);
        atomic_store(&world.ran, 1);
    }
    return rc;
}

static void test_c1_the_end_of_a_region_is_not_cancellable(void **state)
{
    (void)state;
    atomic_store(&world.ran, 0);
    assert_int_equal(
        run_with(cancels_inside_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

static int loops(void *argument)
{
    (void)argument;
    while (atomic_load(&world.ran) == 0) {
        CHECK_RC(edo_blocking_begin(), 0);
        edo_blocking_end();
    }
    return 0;
}

static int budget_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, loops, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

static void test_s3_a_loop_of_regions_yields(void **state)
{
    (void)state;
    atomic_store(&world.ran, 0);
    assert_int_equal(run_alone(budget_root, NULL), 0);
}

static void test_s7_on_a_plain_thread_a_region_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(edo_blocking_begin(), 0);
    edo_blocking_end();
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int sleeps_inside(void *argument)
{
    (void)argument;
    edo_blocking_begin();
    return edo_sleep(1);
}

static int wakes_inside(void *argument)
{
    static uint32_t word;

    (void)argument;
    edo_blocking_begin();
    edo_wake_word(&word, 1);
    return 0;
}

static int begins_twice(void *argument)
{
    (void)argument;
    edo_blocking_begin();
    return edo_blocking_begin();
}

static int returns_inside(void *argument)
{
    (void)argument;
    edo_blocking_begin();
    return 0;
}

static int ends_alone(void *argument)
{
    (void)argument;
    edo_blocking_end();
    return 0;
}

static void test_f2_calls_inside_a_region_abort(void **state)
{
    (void)state;
    assert_misuse(sleeps_inside, NULL, "inside a blocking region");
    assert_misuse(wakes_inside, NULL, "inside a blocking region");
    assert_misuse(begins_twice, NULL, "inside a blocking region");
}

static int spawns_child(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, (edo_task_fn)(uintptr_t)argument, NULL);
    return rc;
}

static void test_f2_a_region_left_by_return_aborts(void **state)
{
    (void)state;
    assert_misuse(spawns_child, (void *)(uintptr_t)returns_inside, "inside a blocking region");
}

static void test_f2_an_end_without_a_begin_aborts(void **state)
{
    (void)state;
    assert_misuse(ends_alone, NULL, "had not begun");
}

/* Without the checks a region left open is closed by the next one, and nothing is lost. */
static int left_open_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, returns_inside, NULL), 0);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(edo_spawn(scope, blocks, NULL), 0);
        CHECK_RC(edo_spawn(scope, runs, NULL), 0);
    }
    return rc;
}

static void test_f2_a_region_left_open_harms_nobody(void **state)
{
    (void)state;
#ifdef EDO_DEBUG_CHECKS
    (void)left_open_root;
    skip();
#else
    atomic_store(&world.ran, 0);
    assert_int_equal(run_with(left_open_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_SEC(3600))),
                     0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s7_a_region_that_stays_loses_its_worker_at_the_second_look),
        cmocka_unit_test(test_s7_a_region_that_begins_offers_what_waits_to_a_sibling),
        cmocka_unit_test(test_s7_short_regions_wake_nobody),
        cmocka_unit_test(test_c1_a_region_does_not_begin_in_a_cancelled_scope),
        cmocka_unit_test(test_c1_the_end_of_a_region_is_not_cancellable),
        cmocka_unit_test(test_s3_a_loop_of_regions_yields),
        cmocka_unit_test(test_s7_on_a_plain_thread_a_region_is_nothing),
        cmocka_unit_test(test_f2_calls_inside_a_region_abort),
        cmocka_unit_test(test_f2_a_region_left_by_return_aborts),
        cmocka_unit_test(test_f2_an_end_without_a_begin_aborts),
        cmocka_unit_test(test_f2_a_region_left_open_harms_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
