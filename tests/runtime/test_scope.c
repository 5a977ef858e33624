/* SPDX-License-Identifier: MIT */
/*
 * Scopes: who waits for whom (C4), deadlines and shields (C5), policies (C8), and what the result is on every way out of
 * the block (C9). Where time matters it is virtual and the runtime has one worker, so the order of events is fixed.
 */
#include "helpers.h"

/* What a child reports. */
struct child {
    int result;    /* to return; 0: what its wait returned */
    int64_t sleep; /* it waits for so long; 0: not at all */
    int rounds;    /* it gives so many turns first, cancelled or not */
    bool refused;  /* it was cancelled when its turns were over */
    int waited;    /* what its wait returned */
    int reason;    /* why it was cancelled */
    bool ended;
    struct gate *after; /* it returns only when this is open, cancelled or not */
};

static int child_run(void *argument)
{
    struct child *child = argument;

    for (int i = 0; i < child->rounds; i++)
        edo_yield();
    child->refused = edo_cancelled();
    if (child->sleep)
        child->waited = edo_sleep(child->sleep);
    child->reason = edo_cancel_reason();
    while (child->after && !__atomic_load_n(&child->after->open, __ATOMIC_SEQ_CST))
        edo_yield();
    child->ended = true;
    return child->result ? child->result : child->waited;
}

static int child_start(edo_scope *scope, struct child *child)
{
    return CHECK_RC(edo_spawn(scope, child_run, child), 0) ? 0 : -ENOMEM;
}

/* --- C4 ----------------------------------------------------------------------------------------------------------------- */

enum { MANY = 100 };

static int c4_all_main(void *argument)
{
    struct child children[MANY];
    int rc = 0;

    (void)argument;
    for (int way = 0; way < 3; way++) {
        for (int i = 0; i < MANY; i++)
            children[i] = (struct child){.rounds = i};
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < MANY; i++)
                child_start(scope, &children[i]);
            if (way == 1)
                break;
            if (way == 2)
                rc = -EIO;
        }
        CHECK_RC(rc, way == 2 ? -EIO : 0);
        rc = 0;
        for (int i = 0; i < MANY; i++)
            CHECK(children[i].ended);
    }
    return rc;
}

static void test_c4_scope_ends_only_when_all_its_tasks_have_returned(void **state)
{
    (void)state;
    assert_int_equal(run(c4_all_main, NULL), 0);
    assert_int_equal(run_alone(c4_all_main, NULL), 0);
}

/* A task that takes no notice of its cancellation runs its course, and the scope waits for it. */
static int c4_stubborn_main(void *argument)
{
    struct child child = {.rounds = 1000, .result = 7};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &child);
        edo_yield();
        edo_scope_cancel(scope);
        CHECK(!child.ended);
    }
    CHECK(child.ended && child.refused);
    return rc;
}

static void test_c4_cancelled_task_is_not_killed(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c4_stubborn_main, NULL), 0);
}

struct family {
    int depth;
    _Atomic int *ended;
};

static int c4_family(void *argument)
{
    struct family *family = argument;
    struct family next = {family->depth - 1, family->ended};
    int before;
    int rc = 0;

    before = atomic_load(family->ended);
    (void)before;
    if (family->depth > 0)
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 3; i++)
                CHECK_RC(edo_spawn(scope, c4_family, &next), 0);
        }
    atomic_fetch_add(family->ended, 1);
    return rc;
}

static int c4_family_main(void *argument)
{
    _Atomic int ended = 0;
    struct family top = {6, &ended};
    int rc;

    (void)argument;
    rc = c4_family(&top);
    CHECK_RC(atomic_load(&ended), (2187 - 1) / 2);
    return rc;
}

static void test_c4_scopes_nest_in_tasks(void **state)
{
    (void)state;
    assert_int_equal(run(c4_family_main, NULL), 0);
}

/* --- Joining in between -------------------------------------------------------------------------------------------------- */

static int join_main(void *argument)
{
    struct child first = {.rounds = 20};
    struct child second = {.rounds = 20, .result = -EIO};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &first);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK(first.ended && !edo_cancelled());
        child_start(scope, &second);
        CHECK_RC(edo_scope_join(scope), -EIO);
        CHECK(second.ended && edo_cancelled());
    }
    CHECK_RC(rc, -EIO);
    rc = 0;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        second.ended = false;
        child_start(scope, &second);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK(second.ended && !edo_cancelled());
    }
    return rc;
}

static void test_scope_join_waits_and_leaves_the_scope_open(void **state)
{
    (void)state;
    assert_int_equal(run(join_main, NULL), 0);
}

/* --- C8 ----------------------------------------------------------------------------------------------------------------- */

static int c8_fail_fast_main(void *argument)
{
    struct child bad = {.rounds = 3, .result = -EIO};
    struct child good = {.sleep = EDO_SEC(1000)};
    int body = 0;
    int reason = 0;
    bool has_site = false;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &good);
        child_start(scope, &bad);
        body = edo_sleep(EDO_SEC(1000));
        reason = edo_cancel_reason();
        has_site = edo_cancel_site() && strstr(edo_cancel_site()->file, "test_scope.c");
    }
    CHECK_RC(body, -ECANCELED);
    CHECK_RC(reason, EDO_REASON_SIBLING);
    CHECK(has_site);
    CHECK_RC(good.waited, -ECANCELED);
    CHECK_RC(good.reason, EDO_REASON_SIBLING);
    return rc;
}

static void test_c8_first_failing_child_cancels_siblings_and_body(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c8_fail_fast_main, NULL), -EIO);
    assert_int_equal(run(c8_fail_fast_main, NULL), -EIO);
}

static int c8_supervise_main(void *argument)
{
    struct child bad = {.result = -EIO};
    struct child good = {.rounds = 50};
    edo_task *task = NULL;
    int result = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        child_start(scope, &good);
        CHECK_RC(edo_spawn(scope, child_run, &bad, .handle = &task), 0);
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, -EIO);
        CHECK(!edo_cancelled());
    }
    CHECK(good.ended && !good.refused);
    return rc;
}

static void test_c8_supervise_lets_siblings_live(void **state)
{
    (void)state;
    assert_int_equal(run(c8_supervise_main, NULL), 0);
}

static int c8_count_main(void *argument)
{
    struct child child = {.result = 41};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        child_start(scope, &child);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK(!edo_cancelled());
    }
    return rc;
}

static void test_c8_positive_result_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(run(c8_count_main, NULL), 0);
}

static struct child c8_detached;
static _Atomic int c8_detached_saw;

static int c8_detached_run(void *argument)
{
    atomic_store(&c8_detached_saw, edo_sleep(EDO_SEC(1000)) == -ECANCELED ? edo_cancel_reason() : -1);
    return child_run(argument);
}

static int c8_detached_main(void *argument)
{
    int rc = 0;

    (void)argument;
    c8_detached = (struct child){.rounds = 100, .result = -EIO};
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(EDO_DETACHED, c8_detached_run, &c8_detached), 0);
        edo_yield();
    }
    CHECK(!c8_detached.ended); /* this scope did not wait for it */
    return rc;
}

static void test_c8_detached_task_is_cancelled_and_waited_for_by_the_runtime(void **state)
{
    (void)state;
    assert_int_equal(run(c8_detached_main, NULL), 0); /* and its failure is its own */
    assert_true(c8_detached.ended);
    assert_int_equal(atomic_load(&c8_detached_saw), EDO_REASON_CLOSING);
}

/* A task that outlived the root task's function may still spawn into what edo_root_scope() gave it. */
static _Atomic int late_ran;

static int late_child(void *argument)
{
    (void)argument;
    for (int i = 0; i < 100; i++)
        edo_yield();
    CHECK(edo_cancelled());
    atomic_fetch_add(&late_ran, 1);
    return 0;
}

static int late_detached(void *argument)
{
    edo_scope *root = edo_root_scope();
    int rc;

    (void)argument;
    CHECK_RC(edo_sleep(EDO_SEC(1000)), -ECANCELED);
    for (int i = 0; i < 10; i++) /* the root scope has ended by now */
        edo_yield();
    rc = edo_spawn(root, late_child, NULL);
    if (rc < 0) { /* refused is as good, as long as it says so */
        CHECK_RC(rc, -EINVAL);
        atomic_fetch_add(&late_ran, 1);
    }
    return 0;
}

static int late_main(void *argument)
{
    (void)argument;
    CHECK_RC(edo_spawn(EDO_DETACHED, late_detached, NULL), 0);
    edo_yield();
    return 0;
}

static void test_c10_spawn_into_the_ended_root_scope_is_refused_or_runs(void **state)
{
    (void)state;
    atomic_store(&late_ran, 0);
    assert_int_equal(run_alone(late_main, NULL), 0);
    assert_int_equal(atomic_load(&late_ran), 1);
    assert_int_equal(run(late_main, NULL), 0);
    assert_int_equal(atomic_load(&late_ran), 2);
}

/* --- C9: the ways out ---------------------------------------------------------------------------------------------------- */

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

/* --- C9: whose error it is ------------------------------------------------------------------------------------------------ */

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

/* --- Deadlines ------------------------------------------------------------------------------------------------------------ */

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

/* --- C5: nesting ------------------------------------------------------------------------------------------------------------ */

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

/* --- C5: shields ------------------------------------------------------------------------------------------------------------ */

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

/* --- Opening and closing --------------------------------------------------------------------------------------------------- */

static int begin_main(void *argument)
{
    struct {
        edo_scope_options known;
        uint64_t unknown;
    } newer = {.known = {.size = sizeof newer}};
    edo_scope_options older = {.size = offsetof(edo_scope_options, deadline), .policy = EDO_SUPERVISE, .shield = 1};
    edo_scope scope;
    edo_scope *before = edo_scope_current();

    (void)argument;
    CHECK_RC(edo_scope_begin(&scope, NULL, EDO_OPTIONS(edo_scope_options, .policy = 2)), -EINVAL);
    CHECK_RC(edo_scope_begin(&scope, NULL, EDO_OPTIONS(edo_scope_options, .shield = 1, .timeout = 1)), -EINVAL);
    CHECK_RC(edo_scope_begin(&scope, NULL, EDO_OPTIONS(edo_scope_options, .shield = 1, .deadline = 1)), -EINVAL);
    newer.unknown = 1;
    CHECK_RC(edo_scope_begin(&scope, NULL, &newer.known), -E2BIG);
    CHECK(edo_scope_current() == before);
    newer.unknown = 0;
    CHECK_RC(edo_scope_begin(&scope, NULL, &newer.known), 0);
    CHECK(edo_scope_current() == &scope);
    CHECK_RC(edo_scope_end(&scope, 5), 5);
    CHECK(edo_scope_current() == before);
    older.deadline = -1; /* beyond what it says it has */
    CHECK_RC(edo_scope_begin(&scope, EDO_HERE, &older), 0);
    CHECK_RC(edo_checkpoint(), 0);
    CHECK_RC(edo_scope_end(&scope, -EIO), -EIO);
    CHECK_RC(edo_scope_begin(&scope, NULL, NULL), 0);
    CHECK_RC(edo_scope_end(&scope, 0), 0);
    return 0;
}

static void test_scope_begin_checks_its_options(void **state)
{
    (void)state;
    assert_int_equal(run_alone(begin_main, NULL), 0);
}

static void test_f2_scope_outside_a_task_is_skipped(void **state)
{
    edo_scope scope;
    int rc = 0;
    bool entered = false;

    (void)state;
    EDO_SCOPE (none, &rc)
        entered = true;
    assert_false(entered);
    assert_int_equal(rc, -EPERM);
    EDO_TIMEOUT (EDO_SEC(1), NULL)
        entered = true;
    EDO_SHIELD (EDO_SEC(1))
        entered = true;
    assert_false(entered);
    assert_int_equal(edo_scope_begin(&scope, NULL, NULL), -EPERM);
    assert_null(edo_scope_current());
    assert_null(edo_root_scope());
    assert_false(edo_cancelled());
    assert_int_equal(edo_cancel_reason(), EDO_REASON_NONE);
    assert_null(edo_cancel_site());
    assert_true(edo_deadline() == EDO_FOREVER);
}

#ifndef EDO_DEBUG_CHECKS
static int f2_join_child(void *argument)
{
    CHECK_RC(edo_scope_join(argument), -EPERM);
    CHECK_RC(edo_scope_end(argument, 0), -EPERM);
    return 0;
}

static int f2_misuse_main(void *argument)
{
    edo_scope outer;
    edo_scope inner;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_scope_begin(&outer, NULL, NULL), 0);
    CHECK_RC(edo_scope_begin(&inner, NULL, NULL), 0);
    CHECK_RC(edo_scope_end(&outer, 0), -EPERM); /* not the innermost */
    CHECK_RC(edo_scope_end(&inner, 0), 0);
    CHECK_RC(edo_scope_end(&inner, 0), -EPERM); /* twice */
    CHECK_RC(edo_scope_end(&outer, 0), 0);
    EDO_SCOPE (scope, &rc)
        CHECK_RC(edo_spawn(scope, f2_join_child, scope), 0);
    return rc;
}
#endif

static void test_f2_ending_the_wrong_scope_is_refused(void **state)
{
    (void)state;
#ifdef EDO_DEBUG_CHECKS
    skip();
#else
    assert_int_equal(run_alone(f2_misuse_main, NULL), 0);
#endif
}

static void test_reasons_have_words(void **state)
{
    (void)state;
    for (int reason = EDO_REASON_NONE; reason <= EDO_REASON_CLOSING; reason++)
        for (int other = EDO_REASON_NONE; other < reason; other++)
            assert_string_not_equal(edo_reason_text(reason), edo_reason_text(other));
    assert_non_null(edo_reason_text(-1));
    assert_non_null(edo_reason_text(1000));
}

/* --- Debug aborts ----------------------------------------------------------------------------------------------------------- */

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
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        child_start(scope, &(struct child){.rounds = 1});
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

static int no_death_main(void *argument)
{
    (void)argument;
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
        cmocka_unit_test(test_c4_scope_ends_only_when_all_its_tasks_have_returned),
        cmocka_unit_test(test_c4_cancelled_task_is_not_killed),
        cmocka_unit_test(test_c4_scopes_nest_in_tasks),
        cmocka_unit_test(test_scope_join_waits_and_leaves_the_scope_open),
        cmocka_unit_test(test_c8_first_failing_child_cancels_siblings_and_body),
        cmocka_unit_test(test_c8_supervise_lets_siblings_live),
        cmocka_unit_test(test_c8_positive_result_is_no_failure),
        cmocka_unit_test(test_c8_detached_task_is_cancelled_and_waited_for_by_the_runtime),
        cmocka_unit_test(test_c10_spawn_into_the_ended_root_scope_is_refused_or_runs),
        virtual_test(test_c9_falling_out_joins_and_every_other_way_cancels),
        virtual_test(test_c9_rc_may_be_null),
        virtual_test(test_c9_first_failure_in_time_wins),
        virtual_test(test_c9_cancellation_the_scope_caused_never_counts),
        virtual_test(test_c9_failure_after_own_cancellation_counts),
        virtual_test(test_c9_cancellation_from_outside_is_an_error_of_the_inner_scope),
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
        cmocka_unit_test(test_scope_begin_checks_its_options),
        cmocka_unit_test(test_f2_scope_outside_a_task_is_skipped),
        cmocka_unit_test(test_f2_ending_the_wrong_scope_is_refused),
        cmocka_unit_test(test_reasons_have_words),
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
