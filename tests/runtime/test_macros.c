/* SPDX-License-Identifier: MIT */
/* What is tied to a block: EDO_AUTO, EDO_TAKE, EDO_DEFER and the block macros, on every way out of it. */
#include "helpers.h"

/* What has been cleaned up, in order. */
static char trace[256];

static void note(const char *word)
{
    size_t used = strlen(trace);

    snprintf(trace + used, sizeof trace - used, "%s ", word);
}

typedef struct thing {
    const char *name;
} thing;

static void thing_destroy(thing *it)
{
    if (it)
        note(it->name);
}
EDO_AUTO_DEFINE(thing *, thing_destroy);

static void deferred(void *argument)
{
    note(argument);
}

enum way { THROUGH, RETURN, BREAK, CONTINUE, GOTO, WAYS };

/* --- EDO_AUTO and EDO_DEFER --------------------------------------------------------------------------------------- */

static int leave(enum way way)
{
    thing outer_thing = {"outer"};
    thing *outer EDO_AUTO(thing_destroy) = &outer_thing;

    for (int round = 0; round < 1; round++) {
        thing inner_thing = {"inner"};
        thing *inner EDO_AUTO(thing_destroy) = &inner_thing;

        switch (way) {
        case RETURN:
            return inner && outer ? 1 : 0;
        case BREAK:
            goto by_break;
        case CONTINUE:
            continue;
        case GOTO:
            goto out;
        default:
            break;
        }
        note("through");
        continue;
    by_break:
        break;
    }
    note("behind");
out:
    note("end");
    return 0;
}

static void test_auto_cleans_up_on_every_way_out(void **state)
{
    static const char *const expected[WAYS] = {"through inner behind end outer ", "inner outer ",
                                               "inner behind end outer ", "inner behind end outer ",
                                               "inner end outer "};

    (void)state;
    for (enum way way = THROUGH; way < WAYS; way++) {
        trace[0] = 0;
        assert_int_equal(leave(way), way == RETURN);
        assert_string_equal(trace, expected[way]);
    }
}

static void defer_some(bool early)
{
    static char first[] = "first", second[] = "second", third[] = "third";

    EDO_DEFER(deferred, first);
    EDO_DEFER(deferred, second);
    if (early)
        return;
    EDO_DEFER(deferred, third);
}

static void test_defer_runs_last_first_and_only_what_was_reached(void **state)
{
    (void)state;
    trace[0] = 0;
    defer_some(false);
    assert_string_equal(trace, "third second first ");
    trace[0] = 0;
    defer_some(true);
    assert_string_equal(trace, "second first ");
}

static thing *give_away(void)
{
    static thing kept_thing = {"kept"};
    thing *kept EDO_AUTO(thing_destroy) = &kept_thing;

    return EDO_TAKE(kept);
}

static void test_take_gives_up_ownership_once(void **state)
{
    thing a_thing = {"a"};
    thing *variable = &a_thing;

    (void)state;
    trace[0] = 0;
    assert_string_equal(give_away()->name, "kept");
    assert_string_equal(trace, "");
    assert_ptr_equal(EDO_TAKE(variable), &a_thing);
    assert_null(variable);
    assert_null(EDO_TAKE(variable));
}

static void test_auto_free_works_out_of_the_box(void **state)
{
    char *text EDO_AUTO(free) = malloc(10); /* leak checkers tell */
    void *nothing EDO_AUTO(free) = NULL;

    (void)state;
    assert_non_null(text);
    assert_null(nothing);
}

/* --- Block macros ------------------------------------------------------------------------------------------------- */

static int cleanup_child(void *argument)
{
    (void)argument;
    CHECK_RC(edo_sleep(EDO_SEC(1000)), -ECANCELED);
    note("child");
    return 0;
}

/* The cleanup of what was declared inside comes before the children's end, of what was declared outside after it. */
static int order(enum way way)
{
    thing outside_thing = {"outside"};
    thing *outside EDO_AUTO(thing_destroy) = &outside_thing;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        thing inside_thing = {"inside"};
        thing *inside EDO_AUTO(thing_destroy) = &inside_thing;

        CHECK_RC(edo_spawn(scope, cleanup_child, NULL), 0);
        edo_yield();
        if (way == RETURN)
            return inside && outside ? 1 : 0;
        if (way == GOTO)
            goto out;
        if (way == BREAK)
            break;
        edo_scope_cancel(scope);
        if (way == CONTINUE)
            continue;
    }
    note("behind");
out:
    return rc;
}

static int order_main(void *argument)
{
    (void)argument;
    for (enum way way = THROUGH; way < WAYS; way++) {
        bool behind = way != RETURN && way != GOTO;

        trace[0] = 0;
        CHECK_RC(order(way), way == RETURN);
        if (!CHECK(strcmp(trace, behind ? "inside child behind outside " : "inside child outside ") == 0))
            fprintf(stderr, "  way %d: %s\n", (int)way, trace);
        CHECK(edo_scope_current() == edo_root_scope());
    }
    return 0;
}

static void test_c9_scope_block_cleans_up_in_order_on_every_way_out(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_main, NULL), 0);
}

/* Inside a loop, break and continue are the block's, not the loop's. */
static int loops_main(void *argument)
{
    int after = 0;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 10; i++) {
        EDO_SCOPE (scope, &rc) {
            CHECK(scope == edo_scope_current());
            if (i % 2)
                break;
            continue;
        }
        EDO_TIMEOUT (EDO_SEC(100), &rc) {
            if (i % 2)
                break;
            continue;
        }
        EDO_SHIELD (EDO_SEC(100)) {
            if (i % 2)
                break;
            continue;
        }
        after++;
    }
    CHECK_RC(after, 10);
    CHECK(edo_scope_current() == edo_root_scope());
    return rc;
}

static void test_break_and_continue_belong_to_the_block(void **state)
{
    (void)state;
    assert_int_equal(run_alone(loops_main, NULL), 0);
}

static int deep_return(int *rc)
{
    EDO_SCOPE (first, rc)
        EDO_TIMEOUT (EDO_SEC(100), rc)
            EDO_SHIELD (EDO_SEC(100))
                EDO_SCOPE (last, NULL) {
                    CHECK(first != last);
                    return 9;
                }
    return 0;
}

static int count_up(int *count)
{
    return ++*count;
}

static int nest_main(void *argument)
{
    int evaluated = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(deep_return(&rc), 9);
    CHECK(edo_scope_current() == edo_root_scope());
    if (rc == 0) /* a block is one statement */
        EDO_SCOPE (scope, &rc)
            rc = scope == edo_scope_current();
    else
        rc = 99;
    CHECK_RC(rc, 1);
    EDO_TIMEOUT (EDO_SEC(count_up(&evaluated)), &rc)
        rc = 0;
    CHECK_RC(evaluated, 1);
    return rc;
}

static void test_blocks_nest_and_are_statements(void **state)
{
    (void)state;
    assert_int_equal(run_alone(nest_main, NULL), 0);
}

static int taken_fn(void *argument)
{
    note(((thing *)argument)->name);
    return 0;
}

/* The idiom: the condition is evaluated before the argument is taken. */
static int take_main(void *argument)
{
    static thing passed_thing = {"passed"};
    thing *passed EDO_AUTO(thing_destroy) = &passed_thing;

    (void)argument;
    return edo_continue(EDO_WHEN_AT(passed ? 1 : 0), taken_fn, EDO_TAKE(passed));
}

static int take_root(void *argument)
{
    (void)argument;
    return edo_spawn(edo_scope_current(), take_main, NULL);
}

static void test_take_hands_over_in_a_continuation(void **state)
{
    (void)state;
    trace[0] = 0;
    assert_int_equal(run_alone(take_root, NULL), 0);
    assert_string_equal(trace, "passed ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_cleans_up_on_every_way_out),
        cmocka_unit_test(test_defer_runs_last_first_and_only_what_was_reached),
        cmocka_unit_test(test_take_gives_up_ownership_once),
        cmocka_unit_test(test_auto_free_works_out_of_the_box),
        cmocka_unit_test(test_c9_scope_block_cleans_up_in_order_on_every_way_out),
        cmocka_unit_test(test_break_and_continue_belong_to_the_block),
        cmocka_unit_test(test_blocks_nest_and_are_statements),
        cmocka_unit_test(test_take_hands_over_in_a_continuation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
