/* SPDX-License-Identifier: MIT */
/* Broadcasts and watches: who hears what, who lags, closing, cancellation, selects. */
#include "runtime/helpers.h"

#include <edo/testing.h>

/* --- Broadcasts --------------------------------------------------------------------------------------------------- */

static void test_a_subscriber_hears_all_from_its_beginning_on(void **state)
{
    edo_broadcast *broadcast;
    edo_subscription early, late;
    int value = 0;

    (void)state;
    assert_int_equal(edo_broadcast_create(&broadcast, sizeof value, 4), 0);
    assert_int_equal(edo_broadcast_send(broadcast, &value), 0); /* to nobody */
    edo_subscribe(&early, broadcast);
    value = 1;
    assert_int_equal(edo_broadcast_send(broadcast, &value), 0);
    edo_subscribe(&late, broadcast);
    value = 2;
    assert_int_equal(edo_broadcast_send(broadcast, &value), 0);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(edo_hear(&value, &early), 0);
        assert_int_equal(value, i);
    }
    assert_int_equal(edo_try_hear(&value, &early), -EAGAIN);
    assert_int_equal(edo_hear(&value, &late), 0);
    assert_int_equal(value, 2);
    assert_int_equal(edo_broadcast_close(broadcast), 0);
    assert_int_equal(edo_broadcast_close(broadcast), -EALREADY);
    assert_int_equal(edo_broadcast_send(broadcast, &value), -EPIPE);
    assert_int_equal(edo_hear(&value, &late), -EPIPE);
    edo_broadcast_destroy(broadcast);
    edo_broadcast_destroy(NULL);
}

static void test_one_that_lags_is_told_how_many_it_missed(void **state)
{
    edo_broadcast *broadcast;
    edo_subscription subscription;
    int value;

    (void)state;
    assert_int_equal(edo_broadcast_create(&broadcast, sizeof value, 3), 0);
    edo_subscribe(&subscription, broadcast);
    for (value = 0; value < 10; value++)
        assert_int_equal(edo_broadcast_send(broadcast, &value), 0);
    edo_broadcast_close(broadcast);
    assert_int_equal(edo_hear(&value, &subscription), 7);
    assert_int_equal(value, 7);
    assert_int_equal(edo_hear(&value, &subscription), 0);
    assert_int_equal(value, 8);
    assert_int_equal(edo_hear(&value, &subscription), 0);
    assert_int_equal(edo_hear(&value, &subscription), -EPIPE);
    assert_int_equal(value, 9);
    edo_broadcast_destroy(broadcast);
}

static void test_f1_wrong_sizes_are_refused(void **state)
{
    edo_broadcast *broadcast;
    edo_subscription subscription;
    edo_watch *watch;
    uint64_t version;
    int value = 0;
    long wrong = 0;

    (void)state;
    assert_int_equal(edo_broadcast_create(&broadcast, 65537, 1), -EINVAL);
    assert_int_equal(edo_broadcast_create(&broadcast, 4, 0), -EINVAL);
    assert_int_equal(edo_broadcast_create(&broadcast, 4, SIZE_MAX), -ENOMEM);
    assert_int_equal(edo_broadcast_create(&broadcast, 4, 1), 0);
    edo_subscribe(&subscription, broadcast);
    assert_int_equal(edo_broadcast_send(broadcast, &wrong), -EINVAL);
    assert_int_equal(edo_hear(&wrong, &subscription), -EINVAL);
    edo_broadcast_destroy(broadcast);
    assert_int_equal(edo_watch_create(&watch, &value), 0);
    assert_int_equal(edo_watch_set(watch, &wrong), -EINVAL);
    assert_int_equal(edo_watch_get(&wrong, &version, watch), -EINVAL);
    edo_watch_destroy(watch);
    edo_watch_destroy(NULL);
}

enum { LISTENERS = 5, VALUES = 500 };

static edo_broadcast *hall;
static _Atomic int heard;

static int listens(void *argument)
{
    edo_subscription *subscription = argument;
    int last = -1;
    int value;
    int64_t missed;

    while ((missed = edo_hear(&value, subscription)) >= 0) {
        CHECK_RC(value, last + 1 + missed);
        last = value;
    }
    CHECK_RC(missed, -EPIPE);
    CHECK_RC(last, VALUES - 1); /* whoever lags hears the last ones all the same */
    atomic_fetch_add(&heard, 1);
    return 0;
}

static int hall_root(void *argument)
{
    int rc = 0;

    (void)argument;
    atomic_store(&heard, 0);
    CHECK_RC(edo_broadcast_create(&hall, sizeof(int), 8), 0);
    EDO_SCOPE (scope, &rc) {
        edo_subscription subscription;

        edo_subscribe(&subscription, hall);
        for (int i = 0; i < LISTENERS; i++)
            CHECK_RC(edo_spawn(scope, listens, &subscription, .copy = sizeof subscription), 0);
        for (int i = 0; i < VALUES; i++) {
            CHECK_RC(edo_broadcast_send(hall, &i), 0);
            if (i % 3 == 0)
                edo_yield();
        }
        edo_broadcast_close(hall);
    }
    CHECK_RC(atomic_load(&heard), LISTENERS);
    edo_broadcast_destroy(hall);
    return rc;
}

static void test_all_who_listen_are_woken(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(hall_root, NULL), 0);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        atomic_store(&test_failures, 0);
        assert_int_equal(
            edo_test_run(hall_root, NULL, EDO_OPTIONS(edo_test_options, .seed = seed, .real_kernel = true)), 0);
        assert_int_equal(atomic_load(&test_failures), 0);
    }
}

static int cancelled_root(void *argument)
{
    edo_broadcast *broadcast;
    edo_subscription subscription;
    edo_watch *watch;
    uint64_t version;
    int value = 5;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_broadcast_create(&broadcast, sizeof value, 1), 0);
    CHECK_RC(edo_watch_create(&watch, &value), 0);
    CHECK_RC(edo_watch_get(&value, &version, watch), 0);
    edo_subscribe(&subscription, broadcast);
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = (int)edo_hear(&value, &subscription);
    CHECK_RC(rc, -ETIMEDOUT);
    rc = 0;
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = edo_watch_changed(&value, &version, watch);
    CHECK_RC(rc, -ETIMEDOUT);
    rc = 0;
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        edo_arm arms[] = {EDO_HEAR(&value, &subscription), EDO_CHANGED(&value, &version, watch)};

        rc = edo_select(arms, 2);
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(value, 5);
    value = 6;
    CHECK_RC(edo_broadcast_send(broadcast, &value), 0);
    CHECK_RC((int)edo_hear(&value, &subscription), 0);
    edo_broadcast_destroy(broadcast);
    edo_watch_destroy(watch);
    return 0;
}

static void test_c3_a_cancelled_listener_has_heard_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_root, NULL), 0);
}

/* --- Watches ------------------------------------------------------------------------------------------------------ */

static void test_a_watch_shows_the_latest_value(void **state)
{
    edo_watch *watch;
    uint64_t version;
    int value = 1;

    (void)state;
    assert_int_equal(edo_watch_create(&watch, &value), 0);
    value = 0;
    assert_int_equal(edo_watch_get(&value, &version, watch), 0);
    assert_int_equal(value, 1);
    for (value = 2; value < 5; value++)
        assert_int_equal(edo_watch_set(watch, &value), 0);
    assert_int_equal(edo_watch_changed(&value, &version, watch), 0);
    assert_int_equal(value, 4);
    assert_int_equal(edo_watch_close(watch), 0);
    assert_int_equal(edo_watch_changed(&value, &version, watch), -EPIPE);
    assert_int_equal(edo_watch_get(&value, NULL, watch), 0); /* it still shows the last */
    assert_int_equal(value, 4);
    assert_int_equal(edo_watch_set(watch, &value), -EPIPE);
    edo_watch_destroy(watch);
}

static edo_watch *clock_face;

static int follows(void *argument)
{
    uint64_t version;
    int value;
    int last;
    int rc;

    (void)argument;
    CHECK_RC(edo_watch_get(&value, &version, clock_face), 0);
    do {
        last = value;
        rc = edo_watch_changed(&value, &version, clock_face);
        CHECK(rc < 0 || value > last);
    } while (rc == 0);
    CHECK_RC(rc, -EPIPE);
    CHECK_RC(value, VALUES);
    return 0;
}

static int clock_root(void *argument)
{
    int value = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_watch_create(&clock_face, &value), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < LISTENERS; i++)
            CHECK_RC(edo_spawn(scope, follows, NULL), 0);
        for (value = 1; value <= VALUES; value++) {
            CHECK_RC(edo_watch_set(clock_face, &value), 0);
            if (value % 7 == 0)
                edo_yield();
        }
        CHECK_RC(edo_watch_close(clock_face), 0);
    }
    edo_watch_destroy(clock_face);
    return rc;
}

static void test_who_follows_a_watch_sees_the_last_value(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(clock_root, NULL), 0);
}

/* --- In a select -------------------------------------------------------------------------------------------------- */

static edo_channel *quiet;

static int announces(void *argument)
{
    int value = 8;

    (void)argument;
    CHECK_RC(edo_broadcast_send(hall, &value), 0);
    edo_sleep(EDO_MS(1));
    CHECK_RC(edo_watch_set(clock_face, &value), 0);
    edo_sleep(EDO_MS(1));
    CHECK_RC(edo_broadcast_close(hall), 0);
    return 0;
}

static int select_root(void *argument)
{
    edo_subscription subscription;
    uint64_t version;
    int value = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_broadcast_create(&hall, sizeof value, 2), 0);
    CHECK_RC(edo_watch_create(&clock_face, &value), 0);
    CHECK_RC(edo_channel_create(&quiet, sizeof value, 0), 0);
    CHECK_RC(edo_watch_get(&value, &version, clock_face), 0);
    edo_subscribe(&subscription, hall);
    EDO_SCOPE (scope, &rc) {
        edo_arm arms[] = {EDO_HEAR(&value, &subscription), EDO_CHANGED(&value, &version, clock_face),
                          EDO_RECV(quiet, &value)};

        CHECK_RC(edo_spawn(scope, announces, NULL), 0);
        CHECK_RC(edo_select(arms, 3), 0);
        CHECK_RC(arms[0].rc, 0);
        CHECK_RC(value, 8);
        value = 0;
        CHECK_RC(edo_select(arms, 3), 1);
        CHECK_RC(value, 8);
        CHECK_RC(edo_select(arms, 3), 0);
        CHECK_RC(arms[0].rc, -EPIPE);
        arms[0] = EDO_CHANGED(&value, &version, clock_face);
        CHECK_RC(edo_watch_set(clock_face, &value), 0);
        CHECK(edo_select(arms, 2) >= 0); /* at once */
    }
    edo_broadcast_destroy(hall);
    edo_watch_destroy(clock_face);
    edo_channel_destroy(quiet);
    return rc;
}

static void test_c6_broadcasts_and_watches_are_arms(void **state)
{
    (void)state;
    assert_int_equal(run_alone(select_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subscriber_hears_all_from_its_beginning_on),
        cmocka_unit_test(test_one_that_lags_is_told_how_many_it_missed),
        cmocka_unit_test(test_f1_wrong_sizes_are_refused),
        cmocka_unit_test(test_all_who_listen_are_woken),
        cmocka_unit_test(test_c3_a_cancelled_listener_has_heard_nothing),
        cmocka_unit_test(test_a_watch_shows_the_latest_value),
        cmocka_unit_test(test_who_follows_a_watch_sees_the_last_value),
        virtual_test(test_c6_broadcasts_and_watches_are_arms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
