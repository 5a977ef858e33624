/* SPDX-License-Identifier: MIT */
/* Scopes: who waits for whom (C4), policies (C8), opening, closing and misuse. What the result is: test_leave.c. */
#include "scope_child.h"

/* --- C4 ----------------------------------------------------------------------------------------------------------- */

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
    int rc = 0;

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

/* --- Joining in between ------------------------------------------------------------------------------------------- */

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

/* --- C8 ----------------------------------------------------------------------------------------------------------- */

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
        has_site = edo_cancel_site() && strstr(edo_cancel_site()->file, "scope_child.h");
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

/* --- Opening and closing ------------------------------------------------------------------------------------------ */

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
        cmocka_unit_test(test_scope_begin_checks_its_options),
        cmocka_unit_test(test_f2_scope_outside_a_task_is_skipped),
        cmocka_unit_test(test_f2_ending_the_wrong_scope_is_refused),
        cmocka_unit_test(test_reasons_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
