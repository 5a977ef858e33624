/* SPDX-License-Identifier: MIT */
/* Sleeping and intervals (S4): never early, in order, cancellable, and what an interval does about missed ticks. */
#include "helpers.h"

static int never_early(void *argument)
{
    uint64_t random = edo_test_seed() + (uint64_t)(uintptr_t)argument;

    for (int i = 0; i < 200; i++) {
        int64_t duration = (int64_t)(edo_test_random(&random) % 200000);
        int64_t before = edo_now();

        if (i % 2)
            CHECK_RC(edo_sleep(duration), 0);
        else
            CHECK_RC(edo_sleep_until(before + duration), 0);
        CHECK(edo_now() - before >= duration);
    }
    return 0;
}

static int many_never_early(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, never_early, (void *)i), 0);
    }
    return rc;
}

static void test_s4_sleep_is_never_early(void **state)
{
    (void)state;
    assert_int_equal(run_alone(many_never_early, NULL), 0);
    assert_int_equal(run(many_never_early, NULL), 0);
}

static struct {
    int64_t deadlines[200];
    int64_t woken[200];
    int count;
} order;

static int sleeps(void *argument)
{
    int64_t deadline = *(int64_t *)argument;

    CHECK_RC(edo_sleep_until(deadline), 0);
    order.woken[order.count++] = deadline;
    CHECK(edo_now() >= deadline && edo_now() < deadline + EDO_US(3)); /* virtual: late by a tick of the wheel */
    return 0;
}

static int order_root(void *argument)
{
    uint64_t random = edo_test_seed();
    int64_t start = edo_now();
    int rc = 0;

    (void)argument;
    order.count = 0;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 200; i++) {
            /* From µs to days, each in a tick of its own. */
            order.deadlines[i] = start + EDO_US(10 + 5 * i) + (int64_t)(edo_test_random(&random) % 12) * EDO_SEC(40000);
            CHECK_RC(edo_spawn(scope, sleeps, &order.deadlines[i]), 0);
        }
    }
    CHECK_RC(order.count, 200);
    for (int i = 1; i < 200; i++)
        CHECK(order.woken[i - 1] < order.woken[i]);
    return rc;
}

static void test_s4_sleepers_wake_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_root, NULL), 0);
}

static int past_root(void *argument)
{
    int64_t before = edo_now();

    (void)argument;
    CHECK_RC(edo_sleep(0), 0);
    CHECK_RC(edo_sleep(-EDO_SEC(5)), 0);
    CHECK_RC(edo_sleep(INT64_MIN), 0);
    CHECK_RC(edo_sleep_until(0), 0);
    CHECK_RC(edo_sleep_until(before - 1), 0);
    CHECK_RC(edo_now() - before, 0);
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_sleep(0), -ECANCELED);
    CHECK_RC(edo_sleep_until(0), -ECANCELED);
    CHECK_RC(edo_sleep(EDO_SEC(1)), -ECANCELED);
    return 0;
}

static void test_c1_a_time_that_has_passed_is_a_suspension_point(void **state)
{
    (void)state;
    assert_int_equal(run_alone(past_root, NULL), 0);
}

static int for_ever(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_FOREVER) == -ECANCELED && edo_sleep_until(EDO_FOREVER) == -ECANCELED ? 0 : -EINVAL;
}

static int for_ever_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, for_ever, NULL), 0);
        edo_sleep(EDO_SEC(86400));
        edo_scope_cancel(scope);
    }
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC((int)metrics.timers, 0);
    return rc;
}

static void test_s4_a_sleep_without_end_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_alone(for_ever_root, NULL), 0);
}

/* --- Intervals ---------------------------------------------------------------------------------------------------- */

enum { PERIOD = 1 << 20 }; /* a whole number of the wheel's ticks */

static int burst_root(void *argument)
{
    edo_interval beat;
    int64_t start;

    (void)argument;
    edo_sleep_until((edo_now() | 1023) + 1); /* on a tick */
    start = edo_now();
    CHECK_RC(edo_interval_init(&beat, PERIOD, EDO_MISSED_BURST), 0);
    CHECK_RC(edo_interval_tick(&beat), 0);
    CHECK_RC(edo_now() - start, PERIOD);
    virtual_pass(PERIOD * 7 / 2);
    for (int i = 0; i < 3; i++) { /* at once */
        CHECK_RC(edo_interval_tick(&beat), 0);
        CHECK_RC(edo_now() - start, PERIOD * 9 / 2);
    }
    CHECK_RC(edo_interval_tick(&beat), 0); /* and on the beat again */
    CHECK_RC(edo_now() - start, PERIOD * 5);
    return 0;
}

static void test_s4_missed_ticks_come_in_a_burst(void **state)
{
    (void)state;
    assert_int_equal(run_alone(burst_root, NULL), 0);
}

static int delay_root(void *argument)
{
    edo_interval beat;
    int64_t start;

    (void)argument;
    edo_sleep_until((edo_now() | 1023) + 1);
    start = edo_now();
    CHECK_RC(edo_interval_init(&beat, PERIOD, EDO_MISSED_DELAY), 0);
    virtual_pass(PERIOD * 7 / 2);
    CHECK_RC(edo_interval_tick(&beat), 0);
    CHECK_RC(edo_now() - start, PERIOD * 7 / 2);
    CHECK_RC(edo_interval_tick(&beat), 0);
    CHECK_RC(edo_now() - start, PERIOD * 9 / 2);
    return 0;
}

static void test_s4_a_late_tick_delays_the_next(void **state)
{
    (void)state;
    assert_int_equal(run_alone(delay_root, NULL), 0);
}

static int skip_root(void *argument)
{
    edo_interval beat;
    int64_t start;

    (void)argument;
    edo_sleep_until((edo_now() | 1023) + 1);
    start = edo_now();
    CHECK_RC(edo_interval_init(&beat, PERIOD, EDO_MISSED_SKIP), 0);
    CHECK_RC(edo_interval_tick(&beat), 0);
    virtual_pass(PERIOD * 7 / 2);          /* 4.5 */
    CHECK_RC(edo_interval_tick(&beat), 2); /* that of 2 comes late; 3 and 4 are left out */
    CHECK_RC(edo_now() - start, PERIOD * 9 / 2);
    CHECK_RC(edo_interval_tick(&beat), 0);
    CHECK_RC(edo_now() - start, PERIOD * 5);
    virtual_pass(PERIOD * 2); /* exactly on a beat: that of 6 comes, that of 7 is due now and counts as missed */
    CHECK_RC(edo_interval_tick(&beat), 1);
    CHECK_RC(edo_interval_tick(&beat), 0);
    CHECK_RC(edo_now() - start, PERIOD * 8);
    return 0;
}

static void test_s4_missed_ticks_are_skipped(void **state)
{
    (void)state;
    assert_int_equal(run_alone(skip_root, NULL), 0);
}

static int untaken_root(void *argument)
{
    int policy = (int)(intptr_t)argument;
    edo_interval beat;
    int64_t start;
    int rc = 0;

    edo_sleep_until((edo_now() | 1023) + 1);
    start = edo_now();
    CHECK_RC(edo_interval_init(&beat, PERIOD, policy), 0);
    EDO_TIMEOUT (PERIOD / 2, &rc) {
        CHECK_RC(edo_interval_tick(&beat), -ECANCELED);
    }
    CHECK_RC(edo_interval_tick(&beat), 0); /* the same one */
    CHECK_RC(edo_now() - start, PERIOD);
    return 0;
}

static void test_c2_a_cancelled_tick_is_not_taken(void **state)
{
    (void)state;
    for (intptr_t policy = EDO_MISSED_BURST; policy <= EDO_MISSED_SKIP; policy++)
        assert_int_equal(run_alone(untaken_root, (void *)policy), 0);
}

static void test_f2_what_is_refused(void **state)
{
    edo_interval beat;

    (void)state;
    assert_int_equal(edo_sleep(1), -EPERM);
    assert_int_equal(edo_sleep_until(1), -EPERM);
    assert_int_equal(edo_interval_init(&beat, 999, EDO_MISSED_BURST), -EINVAL);
    assert_int_equal(edo_interval_init(&beat, -1, EDO_MISSED_BURST), -EINVAL);
    assert_int_equal(edo_interval_init(&beat, EDO_SEC(1), 3), -EINVAL);
    assert_int_equal(edo_interval_init(&beat, EDO_SEC(1), -1), -EINVAL);
    assert_int_equal(edo_interval_init(&beat, EDO_SEC(1), EDO_MISSED_SKIP), 0);
    assert_int_equal(edo_interval_tick(&beat), -EPERM);
}

static int long_period(void *argument)
{
    edo_interval beat;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_interval_init(&beat, INT64_MAX, EDO_MISSED_SKIP), 0);
    EDO_TIMEOUT (EDO_SEC(1000000), &rc) {
        rc = (int)edo_interval_tick(&beat);
    }
    CHECK_RC(rc, -ETIMEDOUT);
    return 0;
}

static void test_s4_a_period_beyond_the_clock_never_ticks(void **state)
{
    (void)state;
    assert_int_equal(run_alone(long_period, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s4_sleep_is_never_early),
        virtual_test(test_s4_sleepers_wake_in_the_order_of_their_deadlines),
        virtual_test(test_c1_a_time_that_has_passed_is_a_suspension_point),
        virtual_test(test_s4_a_sleep_without_end_is_cancelled),
        virtual_test(test_s4_missed_ticks_come_in_a_burst),
        virtual_test(test_s4_a_late_tick_delays_the_next),
        virtual_test(test_s4_missed_ticks_are_skipped),
        virtual_test(test_c2_a_cancelled_tick_is_not_taken),
        cmocka_unit_test(test_f2_what_is_refused),
        virtual_test(test_s4_a_period_beyond_the_clock_never_ticks),
    };

    edo_test_seed(); /* before there are threads to ask for it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
