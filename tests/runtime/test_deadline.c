/* SPDX-License-Identifier: MIT */
/* Deadlines and shields (C5), in virtual time and on one worker: the order of events is fixed. */
#include "scope_child.h"

/* --- Deadlines ---------------------------------------------------------------------------------------------------- */

static int timeout_main(void *argument)
{
    struct child child = {.sleep = EDO_SEC(9)};
    int64_t start = edo_now();
    int inside = 0;
    int reason = 0;
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (EDO_MS(10), &rc) {
        rc = inside = edo_sleep(EDO_SEC(9));
        reason = edo_cancel_reason();
    }
    CHECK_RC(inside, -ECANCELED);
    CHECK_RC(reason, EDO_REASON_DEADLINE);
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK(edo_now() >= start + EDO_MS(10) && edo_now() < start + EDO_MS(20));
    CHECK(!edo_cancelled());

    /* The child was cut short, the body was not. */
    for (int policy = EDO_FAIL_FAST; policy <= EDO_SUPERVISE; policy++) {
        rc = 0;
        EDO_SCOPE (scope, &rc, .policy = policy, .deadline = edo_now() + EDO_MS(10)) {
            child_start(scope, &child);
        }
        CHECK_RC(child.waited, -ECANCELED);
        CHECK_RC(child.reason, EDO_REASON_DEADLINE);
        CHECK_RC(rc, -ETIMEDOUT);
    }

    /* The body had completed all the same. */
    EDO_TIMEOUT (EDO_MS(10), &rc) {
        CHECK_RC(edo_sleep(EDO_SEC(9)), -ECANCELED);
        rc = 17;
    }
    CHECK_RC(rc, 17);

    /* Its own error is not the deadline's. */
    EDO_TIMEOUT (EDO_MS(10), &rc) {
        CHECK_RC(edo_sleep(EDO_SEC(9)), -ECANCELED);
        rc = -EPROTO;
    }
    CHECK_RC(rc, -EPROTO);

    /* In time. */
    EDO_TIMEOUT (EDO_MS(10), &rc) {
        rc = edo_sleep(EDO_MS(5));
    }
    CHECK_RC(rc, 0);
    return 0;
}

static void test_c9_deadline_of_the_scope_is_etimedout(void **state)
{
    (void)state;
    assert_int_equal(run_alone(timeout_main, NULL), 0);
}

static int with_timeout_fn(void *argument)
{
    return edo_sleep(*(int64_t *)argument);
}

static int with_timeout_main(void *argument)
{
    int64_t duration = EDO_MS(5);

    (void)argument;
    CHECK_RC(edo_with_timeout(EDO_MS(10), with_timeout_fn, &duration), 0);
    duration = EDO_MS(50);
    CHECK_RC(edo_with_timeout(EDO_MS(10), with_timeout_fn, &duration), -ETIMEDOUT);
    CHECK_RC(edo_with_timeout(0, with_timeout_fn, &duration), -ETIMEDOUT);
    CHECK_RC(edo_with_timeout(EDO_FOREVER, with_timeout_fn, &duration), 0);
    return 0;
}

static void test_with_timeout_is_the_block_as_a_function(void **state)
{
    (void)state;
    assert_int_equal(edo_with_timeout(EDO_MS(10), with_timeout_fn, NULL), -EPERM);
    assert_int_equal(run_alone(with_timeout_main, NULL), 0);
}

/* A deadline that has passed cancels at once: no call inside happens. */
static int passed_main(void *argument)
{
    int rc = 0;
    int first = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .deadline = edo_now() - 1) {
        rc = first = edo_checkpoint();
        CHECK(scope == edo_scope_current());
    }
    CHECK_RC(first, -ECANCELED);
    CHECK_RC(rc, -ETIMEDOUT);
    rc = 0;
    EDO_SCOPE (scope, &rc, .timeout = -1) {
        rc = first = edo_checkpoint();
    }
    CHECK_RC(first, -ECANCELED);
    CHECK_RC(rc, -ETIMEDOUT);
    EDO_TIMEOUT (0, &rc) {
        rc = edo_checkpoint();
    }
    CHECK_RC(rc, -ETIMEDOUT);
    return 0;
}

static void test_c1_deadline_in_the_past_cancels_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_alone(passed_main, NULL), 0);
}

static int forever_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (EDO_FOREVER, &rc) {
        rc = edo_sleep(EDO_MS(1));
    }
    CHECK_RC(rc, 0);
    EDO_SHIELD (EDO_FOREVER) {
        CHECK_RC(edo_sleep(EDO_MS(1)), 0);
    }
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_FOREVER) {
            edo_scope_cancel(scope);
            CHECK_RC(edo_sleep(EDO_SEC(1000)), 0);
        }
    }
    return 0;
}

static void test_durations_may_be_forever(void **state)
{
    (void)state;
    assert_int_equal(run_alone(forever_main, NULL), 0);
}

/* --- C5: nesting -------------------------------------------------------------------------------------------------- */

static int c5_nearest_main(void *argument)
{
    int64_t start = edo_now();
    int inner_rc = 0;
    int rc = 0;

    (void)argument;
    CHECK(edo_deadline() == EDO_FOREVER);
    EDO_SCOPE (outer, &rc, .deadline = start + EDO_MS(10)) {
        EDO_SCOPE (inner, &inner_rc, .deadline = start + EDO_MS(20)) {
            CHECK(edo_deadline() == start + EDO_MS(10));
            inner_rc = edo_sleep(EDO_SEC(1));
            CHECK_RC(edo_cancel_reason(), EDO_REASON_DEADLINE);
        }
        CHECK_RC(inner_rc, -ECANCELED); /* not its own deadline */
        rc = inner_rc;
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK(edo_now() < start + EDO_MS(20));

    start = edo_now();
    rc = inner_rc = 0;
    EDO_SCOPE (outer, &rc, .deadline = start + EDO_MS(20)) {
        EDO_SCOPE (inner, &inner_rc, .deadline = start + EDO_MS(30), .timeout = EDO_MS(10)) {
            CHECK(edo_deadline() == start + EDO_MS(10));
            inner_rc = edo_sleep(EDO_SEC(1));
        }
        CHECK_RC(inner_rc, -ETIMEDOUT);
        CHECK(edo_now() >= start + EDO_MS(10) && edo_now() < start + EDO_MS(20));
        CHECK(!edo_cancelled());
        CHECK(edo_deadline() == start + EDO_MS(20));
        rc = edo_sleep(EDO_MS(5));
    }
    CHECK_RC(rc, 0);
    return 0;
}

static void test_c5_nearest_deadline_wins(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_nearest_main, NULL), 0);
}

/* A child's deadline is the nearest of its own and its home's. */
static int c5_child_deadline(void *argument)
{
    int64_t *deadline = argument;
    int rc = 0;

    CHECK(edo_deadline() == *deadline);
    EDO_SCOPE (scope, &rc, .timeout = EDO_SEC(100)) {
        CHECK(edo_deadline() == *deadline);
        rc = edo_sleep(EDO_SEC(50));
    }
    CHECK_RC(rc, -ECANCELED);
    return rc;
}

static int c5_inherit_main(void *argument)
{
    int64_t deadline = edo_now() + EDO_MS(10);
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .deadline = deadline)
        CHECK_RC(edo_spawn(scope, c5_child_deadline, &deadline), 0);
    return rc;
}

static void test_c5_children_are_under_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_inherit_main, NULL), -ETIMEDOUT);
}

/* --- C5: shields -------------------------------------------------------------------------------------------------- */

static int c5_shield_main(void *argument)
{
    int64_t start;
    int rc = 0;

    (void)argument;
    /* Cancelled before: the shield holds it back, for its bound, and not longer. */
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        CHECK_RC(edo_checkpoint(), -ECANCELED);
        EDO_SHIELD (EDO_MS(10)) {
            start = edo_now();
            CHECK(!edo_cancelled());
            CHECK_RC(edo_sleep(EDO_MS(5)), 0);
            CHECK_RC(edo_sleep(EDO_SEC(5)), -ECANCELED);
            CHECK(edo_now() >= start + EDO_MS(10) && edo_now() < start + EDO_MS(20));
            CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
            CHECK(edo_cancel_site() != NULL);
            CHECK_RC(edo_checkpoint(), -ECANCELED);
        }
        CHECK_RC(edo_checkpoint(), -ECANCELED);
    }
    /* Cancelled meanwhile: not seen inside, seen behind. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(10)) {
            edo_scope_cancel(scope);
            CHECK(!edo_cancelled());
            CHECK_RC(edo_sleep(EDO_MS(5)), 0);
        }
        CHECK(edo_cancelled());
        CHECK_RC(edo_checkpoint(), -ECANCELED);
    }
    /* Cancelled afterwards. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(10))
            CHECK_RC(edo_sleep(EDO_MS(20)), 0); /* nothing to hold back: its bound means nothing */
        CHECK_RC(edo_checkpoint(), 0);
        edo_scope_cancel(scope);
        CHECK_RC(edo_checkpoint(), -ECANCELED);
    }
    /* Cancelled after its bound, while inside: it gets through at once. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(10)) {
            CHECK_RC(edo_sleep(EDO_MS(20)), 0);
            edo_scope_cancel(scope);
            CHECK_RC(edo_checkpoint(), -ECANCELED);
        }
    }
    /* A deadline around it is held back like any other cancellation. */
    EDO_TIMEOUT (EDO_MS(5), &rc) {
        EDO_SHIELD (EDO_MS(10))
            CHECK_RC(edo_sleep(EDO_MS(8)), 0);
        rc = edo_checkpoint();
    }
    CHECK_RC(rc, -ETIMEDOUT);
    return 0;
}

static void test_c5_shield_holds_back_for_its_bound(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_shield_main, NULL), 0);
}

static int c5_own_shield_main(void *argument)
{
    int rc = 0;

    (void)argument;
    /* A shield holds back what comes from outside, not what it is asked itself, nor what a scope inside is asked. */
    EDO_SCOPE (shield, &rc, .shield = EDO_MS(10)) {
        edo_scope_cancel(shield);
        rc = edo_checkpoint();
        CHECK_RC(rc, -ECANCELED);
    }
    CHECK_RC(rc, -ECANCELED);
    CHECK_RC(edo_checkpoint(), 0);
    rc = 0;
    EDO_SHIELD (EDO_MS(50)) {
        EDO_TIMEOUT (EDO_MS(5), &rc)
            rc = edo_sleep(EDO_MS(20));
        CHECK_RC(rc, -ETIMEDOUT);
        CHECK_RC(edo_checkpoint(), 0);
    }
    /* A child of a fail-fast shield that fails cancels it. */
    rc = 0;
    EDO_SCOPE (shield, &rc, .shield = EDO_MS(10)) {
        struct child *bad = &(struct child){.result = -EIO};

        child_start(shield, bad);
        CHECK_RC(edo_sleep(EDO_SEC(1)), -ECANCELED);
        CHECK_RC(edo_scope_join(shield), -EIO);
    }
    CHECK_RC(rc, -EIO);
    return 0;
}

static void test_c5_shield_can_be_cancelled_itself(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_own_shield_main, NULL), 0);
}

/* Who is behind a shield, and who is not. */
static int c5_behind_main(void *argument)
{
    struct child behind = {.sleep = EDO_MS(5)};
    struct child behind_inner = {.sleep = EDO_MS(5)};
    struct child outside = {.sleep = EDO_MS(5)};
    struct child early = {.sleep = EDO_MS(5)};
    struct child too_long = {.sleep = EDO_SEC(5)};
    int rc = 0;
    int inner_rc = 0;

    (void)argument;
    EDO_SCOPE (outer, &rc) {
        child_start(outer, &early);
        edo_yield();
        EDO_SCOPE (shield, NULL, .shield = EDO_MS(20)) {
            child_start(shield, &behind);
            child_start(outer, &outside);
            EDO_SCOPE (inner, &inner_rc) {
                child_start(inner, &behind_inner);
                edo_yield();
                edo_scope_cancel(outer);
                CHECK_RC(edo_sleep(EDO_MS(5)), 0);
            }
            CHECK_RC(inner_rc, 0);
            CHECK_RC(edo_scope_join(shield), 0);
            CHECK_RC(outside.waited, -ECANCELED);
            CHECK_RC(early.waited, -ECANCELED);
            CHECK_RC(behind.waited, 0);
            CHECK_RC(behind_inner.waited, 0);
            /* At its bound it gets through to all of them. */
            EDO_SCOPE (inner, &inner_rc) {
                child_start(inner, &too_long);
                inner_rc = edo_sleep(EDO_SEC(5));
            }
            CHECK_RC(inner_rc, -ECANCELED);
            CHECK_RC(too_long.waited, -ECANCELED);
        }
        CHECK(edo_cancelled());
    }
    return rc;
}

static void test_c5_scopes_inside_are_behind_the_shield_and_outer_spawns_are_not(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_behind_main, NULL), 0);
}

static int c5_nested_shields_main(void *argument)
{
    int rc = 0;

    (void)argument;
    /* The inner one ends first: the outer one still holds. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(20)) {
            EDO_SHIELD (EDO_MS(10)) {
                edo_scope_cancel(scope);
                CHECK_RC(edo_sleep(EDO_MS(15)), 0);
                CHECK_RC(edo_sleep(EDO_MS(15)), -ECANCELED);
            }
            CHECK_RC(edo_checkpoint(), -ECANCELED);
        }
    }
    /* The outer one ends first: the inner one still holds. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(10)) {
            EDO_SHIELD (EDO_MS(20)) {
                edo_scope_cancel(scope);
                CHECK_RC(edo_sleep(EDO_MS(15)), 0);
                CHECK_RC(edo_sleep(EDO_MS(15)), -ECANCELED);
            }
            CHECK_RC(edo_checkpoint(), -ECANCELED);
        }
    }
    /* A scope opened after the bound has passed is cancelled from its beginning. */
    EDO_SCOPE (scope, &rc) {
        EDO_SHIELD (EDO_MS(10)) {
            edo_scope_cancel(scope);
            CHECK_RC(edo_sleep(EDO_MS(15)), -ECANCELED);
            EDO_SCOPE (inner, NULL) {
                CHECK_RC(edo_checkpoint(), -ECANCELED);
                CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
            }
        }
    }
    /* No bound at all to speak of. */
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        EDO_SHIELD (0)
            CHECK_RC(edo_checkpoint(), -ECANCELED);
    }
    return 0;
}

static void test_c5_shields_nest(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_nested_shields_main, NULL), 0);
}

/* A child in a cancelled tree shields its own cleanup. */
static int c5_cleanup_child(void *argument)
{
    int *cleaned = argument;
    int rc = edo_sleep(EDO_SEC(1));

    EDO_SHIELD (EDO_MS(500))
        *cleaned = edo_sleep(EDO_MS(5)) == 0;
    CHECK_RC(edo_checkpoint(), -ECANCELED);
    return rc;
}

static int c5_cleanup_main(void *argument)
{
    int cleaned = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, c5_cleanup_child, &cleaned), 0);
        edo_yield();
        break;
    }
    CHECK(cleaned);
    return rc;
}

static void test_c5_cancelled_child_shields_its_cleanup(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c5_cleanup_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        virtual_test(test_c9_deadline_of_the_scope_is_etimedout),
        virtual_test(test_with_timeout_is_the_block_as_a_function),
        virtual_test(test_c1_deadline_in_the_past_cancels_at_once),
        virtual_test(test_durations_may_be_forever),
        virtual_test(test_c5_nearest_deadline_wins),
        virtual_test(test_c5_children_are_under_the_deadline),
        virtual_test(test_c5_shield_holds_back_for_its_bound),
        virtual_test(test_c5_shield_can_be_cancelled_itself),
        virtual_test(test_c5_scopes_inside_are_behind_the_shield_and_outer_spawns_are_not),
        virtual_test(test_c5_shields_nest),
        virtual_test(test_c5_cancelled_child_shields_its_cleanup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
