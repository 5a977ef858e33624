/* SPDX-License-Identifier: MIT */
/*
 * How a scope is left (C9): the ways out of the block, and whose error its result is. In virtual time, on one worker.
 */
#include "scope_child.h"

/* --- C9: the ways out --------------------------------------------------------------------------------------------- */

enum way { THROUGH, CONTINUE, THROUGH_ERROR, CONTINUE_ERROR, BREAK, RETURN, GOTO };

/* Leaves a scope, in which a child waits for a long time, in one way. */
static int c9_leave(struct child *child, enum way way, int policy, int *rc)
{
    EDO_SCOPE (scope, rc, .policy = policy) {
        child_start(scope, child);
        edo_yield();
        switch (way) {
        case THROUGH:
            break;
        case CONTINUE:
            continue;
        case THROUGH_ERROR:
            *rc = -EPROTO;
            break;
        case CONTINUE_ERROR:
            *rc = -EPROTO;
            continue;
        case BREAK:
            goto by_break;
        case RETURN:
            return 23;
        case GOTO:
            goto out;
        }
        continue;
    by_break:
        break;
    }
    CHECK(child->ended);
out:
    CHECK(child->ended);
    return 0;
}

static int c9_ways_main(void *argument)
{
    (void)argument;
    for (int policy = EDO_FAIL_FAST; policy <= EDO_SUPERVISE; policy++)
        for (enum way way = THROUGH; way <= GOTO; way++) {
            bool joins = way == THROUGH || way == CONTINUE;
            struct child child = {.sleep = EDO_MS(20)};
            int64_t start = edo_now();
            int rc = 0;
            int value = c9_leave(&child, way, policy, &rc);

            CHECK_RC(value, way == RETURN ? 23 : 0);
            CHECK(child.ended);
            CHECK_RC(child.waited, joins ? 0 : -ECANCELED);
            CHECK_RC(child.reason, joins ? EDO_REASON_NONE : EDO_REASON_LEFT);
            CHECK_RC(rc, way == THROUGH_ERROR || way == CONTINUE_ERROR ? -EPROTO : 0);
            CHECK(joins == (edo_now() >= start + EDO_MS(20)));
            CHECK(!edo_cancelled());
        }
    return 0;
}

static void test_c9_falling_out_joins_and_every_other_way_cancels(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_ways_main, NULL), 0);
}

static int c9_null_rc_main(void *argument)
{
    struct child child = {.sleep = EDO_SEC(5)};

    (void)argument;
    EDO_SCOPE (scope, NULL) {
        child_start(scope, &child);
        break;
    }
    CHECK_RC(child.waited, -ECANCELED);
    child = (struct child){.sleep = EDO_SEC(5)};
    EDO_SCOPE (scope, NULL) {
        child_start(scope, &child);
    }
    CHECK_RC(child.waited, 0);
    return 0;
}

static void test_c9_rc_may_be_null(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_null_rc_main, NULL), 0);
}

/* --- C9: whose error it is ---------------------------------------------------------------------------------------- */

static int c9_first_main(void *argument)
{
    struct gate gate = {0};
    struct child early = {.result = -EIO};
    struct child late = {.result = -EPIPE, .after = &gate};
    int rc = 0;

    (void)argument;
    /* The child before the body: the body's own error comes later. */
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &early);
        edo_yield();
        rc = -EPROTO;
    }
    CHECK_RC(rc, -EIO);
    /* The body before the child. */
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &early);
        rc = -EPROTO;
    }
    CHECK_RC(rc, -EPROTO);
    /* The body's error is that of being cancelled. */
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &early);
        rc = edo_sleep(EDO_SEC(1));
    }
    CHECK_RC(rc, -EIO);
    /* One child before the other. */
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &late);
        child_start(scope, &early);
        CHECK_RC(edo_sleep(EDO_SEC(1)), -ECANCELED);
        gate_open(&gate);
    }
    CHECK_RC(rc, -EIO);
    return 0;
}

static void test_c9_first_failure_in_time_wins(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_first_main, NULL), 0);
}

static int c9_own_main(void *argument)
{
    struct child child = {.sleep = EDO_SEC(1)};
    int rc = 0;

    (void)argument;
    for (int policy = EDO_FAIL_FAST; policy <= EDO_SUPERVISE; policy++) {
        EDO_SCOPE (scope, &rc, .policy = policy) {
            child = (struct child){.sleep = EDO_SEC(1)};
            child_start(scope, &child);
            edo_yield();
            edo_scope_cancel(scope);
            CHECK_RC(edo_scope_join(scope), 0);
        }
        CHECK_RC(child.waited, -ECANCELED);
        CHECK_RC(rc, 0);
        rc = 3;
        EDO_SCOPE (scope, &rc, .policy = policy) {
            child = (struct child){.sleep = EDO_SEC(1)};
            child_start(scope, &child);
            edo_yield();
            break;
        }
        CHECK_RC(child.waited, -ECANCELED);
        CHECK_RC(rc, 3);
        rc = 0;
    }
    /* The body's own -ECANCELED is what the body left there, not a failure to win over a later one. */
    EDO_SCOPE (scope, &rc) {
        struct child failing = {.result = -EIO, .rounds = 3};

        CHECK(failing.result == -EIO);
        edo_scope_cancel(scope);
        rc = edo_sleep(1);
    }
    CHECK_RC(rc, -ECANCELED);
    return 0;
}

static void test_c9_cancellation_the_scope_caused_never_counts(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_own_main, NULL), 0);
}

static int c9_own_then_failure_main(void *argument)
{
    struct child failing = {.result = -EIO, .rounds = 5};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &failing);
        edo_scope_cancel(scope);
        rc = edo_sleep(1); /* -ECANCELED, first in time; the child's -EIO is the first that counts */
    }
    return rc;
}

static void test_c9_failure_after_own_cancellation_counts(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_own_then_failure_main, NULL), -EIO);
}

static int c9_from_outside_main(void *argument)
{
    struct child child = {.sleep = EDO_SEC(1)};
    int inner_rc = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (outer, &rc) {
        EDO_SCOPE (inner, &inner_rc) {
            child_start(inner, &child);
            edo_yield();
            edo_scope_cancel(outer);
            CHECK(edo_cancelled());
        }
        CHECK_RC(inner_rc, -ECANCELED); /* it was not this scope that asked: whoever is around wants to know */
    }
    CHECK_RC(child.waited, -ECANCELED);
    CHECK_RC(child.reason, EDO_REASON_USER);
    return rc;
}

static void test_c9_cancellation_from_outside_is_an_error_of_the_inner_scope(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c9_from_outside_main, NULL), 0);
}

/* --- Debug aborts ------------------------------------------------------------------------------------------------- */

static int death_failed_return(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &(struct child){.result = -EIO});
        edo_yield();
        return rc;
    }
    return rc;
}

static int death_failed_goto(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &(struct child){.result = -EIO});
        edo_yield();
        goto out;
    }
out:
    return rc;
}

static int death_timeout_return(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        return edo_sleep(EDO_SEC(100));
    }
    return rc;
}

static int death_timeout_return_rc(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        rc = edo_sleep(EDO_SEC(100));
        return rc;
    }
    return rc;
}

static int death_wrong_end(void *argument)
{
    edo_scope outer;
    edo_scope inner;

    (void)argument;
    edo_scope_begin(&outer, NULL, NULL);
    edo_scope_begin(&inner, NULL, NULL);
    edo_scope_end(&outer, 0);
    return 0;
}

static int death_double_end(void *argument)
{
    edo_scope scope;

    (void)argument;
    edo_scope_begin(&scope, NULL, NULL);
    edo_scope_end(&scope, 0);
    edo_scope_end(&scope, 0);
    return 0;
}

static int death_foreign_join_child(void *argument)
{
    edo_scope_join(argument);
    return 0;
}

static int death_foreign_join(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        edo_spawn(scope, death_foreign_join_child, scope);
    return rc;
}

static int death_open_scope_child(void *argument)
{
    edo_scope_begin(argument, NULL, NULL);
    return 0;
}

static int death_open_scope(void *argument)
{
    static edo_scope scope;

    (void)argument;
    edo_spawn(edo_scope_current(), death_open_scope_child, &scope);
    return 0;
}

/* Allowed: the scope did not fail, or the error that is returned is the one the scope has. */
static int no_death_success(void)
{
    struct child child = {.rounds = 1};
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        child_start(scope, &child);
        return 5;
    }
    return rc;
}

static int no_death_same(void)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = -EPROTO;
        return rc;
    }
    return rc;
}

/* The deadline is that of a scope around it. */
static int no_death_other_timeout(void)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_cancel_reason(), EDO_REASON_DEADLINE);
        return edo_checkpoint();
    }
    return rc;
}

static int no_death_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (0, &rc)
        rc = no_death_other_timeout();
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(no_death_success(), 5);
    CHECK_RC(no_death_same(), -EPROTO);
    return 0;
}

static void test_c9_debug_abort_when_a_failed_scope_is_left_by_return(void **state)
{
    (void)state;
    assert_misuse(death_failed_return, NULL, "left by return or goto");
}

static void test_c9_debug_abort_when_a_failed_scope_is_left_by_goto(void **state)
{
    (void)state;
    assert_misuse(death_failed_goto, NULL, "left by return or goto");
}

static void test_c9_debug_abort_when_a_fired_timeout_is_left_by_return(void **state)
{
    (void)state;
    assert_misuse(death_timeout_return_rc, NULL, "left by return or goto");
    assert_misuse(death_timeout_return, NULL, "left by return or goto");
}

static void test_c9_return_from_a_scope_that_did_not_fail_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(run_alone(no_death_main, NULL), 0);
}

static void test_f2_debug_abort_when_the_wrong_scope_is_ended(void **state)
{
    (void)state;
    assert_misuse(death_wrong_end, NULL, "not the calling task's innermost");
    assert_misuse(death_double_end, NULL, "not the calling task's innermost");
}

static void test_f2_debug_abort_when_another_task_joins_a_scope(void **state)
{
    (void)state;
    assert_misuse(death_foreign_join, NULL, "only the task that opened a scope");
}

static void test_f2_debug_abort_when_a_task_returns_with_an_open_scope(void **state)
{
    (void)state;
    assert_misuse(death_open_scope, NULL, "with a scope still open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        virtual_test(test_c9_falling_out_joins_and_every_other_way_cancels),
        virtual_test(test_c9_rc_may_be_null),
        virtual_test(test_c9_first_failure_in_time_wins),
        virtual_test(test_c9_cancellation_the_scope_caused_never_counts),
        virtual_test(test_c9_failure_after_own_cancellation_counts),
        virtual_test(test_c9_cancellation_from_outside_is_an_error_of_the_inner_scope),
        cmocka_unit_test(test_c9_debug_abort_when_a_failed_scope_is_left_by_return),
        cmocka_unit_test(test_c9_debug_abort_when_a_failed_scope_is_left_by_goto),
        cmocka_unit_test(test_c9_debug_abort_when_a_fired_timeout_is_left_by_return),
        cmocka_unit_test(test_c9_return_from_a_scope_that_did_not_fail_is_allowed),
        cmocka_unit_test(test_f2_debug_abort_when_the_wrong_scope_is_ended),
        cmocka_unit_test(test_f2_debug_abort_when_another_task_joins_a_scope),
        cmocka_unit_test(test_f2_debug_abort_when_a_task_returns_with_an_open_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
