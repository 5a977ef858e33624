/* SPDX-License-Identifier: MIT */
/*
 * Cancellation walks through trees of tasks and scopes (C1): deep ones, wide ones, and random ones at random moments.
 */
#include "helpers.h"

/* --- Deep and wide ------------------------------------------------------------------------------------------------ */

enum { DEEP = 10000, WIDE = 100000 };

struct deep {
    int left;
    _Atomic int *arrived;
    _Atomic int *refused;
    edo_scope *before; /* to be cancelled, somewhere in the middle */
};

static int deep_run(void *argument)
{
    struct deep *deep = argument;
    struct deep next = *deep;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        atomic_fetch_add(deep->arrived, 1);
        next.left--;
        if (next.left > 0)
            CHECK_RC(edo_spawn(scope, deep_run, &next, .stack_size = 16384), 0);
        if (edo_sleep(EDO_FOREVER) == -ECANCELED)
            atomic_fetch_add(deep->refused, 1);
        CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
    }
    CHECK_RC(rc, 0);
    return 0;
}

static int deep_main(void *argument)
{
    _Atomic int arrived = 0;
    _Atomic int refused = 0;
    int depth = DEEP / EDO_TEST_SCALE;
    struct deep top = {depth, &arrived, &refused, NULL};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, deep_run, &top, .stack_size = 16384), 0);
        until(&arrived, depth);
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&refused), depth);
    return rc;
}

static void test_c1_ten_thousand_levels_are_cancelled_from_the_top(void **state)
{
    (void)state;
    assert_int_equal(run(deep_main, NULL), 0);
}

static int wide_run(void *argument)
{
    _Atomic int *numbers = argument;
    uint32_t word = 0;

    atomic_fetch_add(&numbers[0], 1);
    if (edo_wait_word(&word, 0, EDO_FOREVER) == -ECANCELED)
        atomic_fetch_add(&numbers[1], 1);
    return 0;
}

static int wide_dormant(void *argument)
{
    _Atomic int *numbers = argument;

    if (edo_resumption() == -ECANCELED)
        atomic_fetch_add(&numbers[1], 1);
    return 0;
}

static int wide_main(void *argument)
{
    _Atomic int numbers[2] = {0, 0};
    int children = WIDE / EDO_TEST_SCALE;
    int stackful = children / 10;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < stackful; i++)
            if (!CHECK_RC(edo_spawn(scope, wide_run, ARGUMENT(numbers), .stack_size = 16384), 0))
                return -ENOMEM;
        for (int i = stackful; i < children; i++)
            if (!CHECK_RC(edo_spawn(scope, wide_dormant, ARGUMENT(numbers), .when = EDO_WHEN_AT(EDO_FOREVER)), 0))
                return -ENOMEM;
        until(&numbers[0], stackful);
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&numbers[1]), children);
    return rc;
}

static void test_c1_a_hundred_thousand_children_are_cancelled(void **state)
{
    (void)state;
    /* Before Linux 6.13 there are not as many guard pages as tasks here. */
    assert_int_equal(run_with(wide_main, NULL,
                              EDO_OPTIONS(edo_run_options, .signals = EDO_SIGNALS_IGNORE, .unguarded_stacks = true)),
                     0);
}

/* --- Random trees, cancelled at random places --------------------------------------------------------------------- */

/*
 * Tasks spawn, open scopes and shields, wait, give turns and cancel what they are inside of, at random; in the end the
 * top is cancelled. Whoever has once been refused in a scope must be refused for as long as it stays in it.
 */
struct tree {
    uint64_t seed;
    int depth;
    _Atomic int *living;
};

static void tree_wait(uint64_t *random)
{
    uint32_t word = 0;

    switch (edo_test_random(random) % 6) {
    case 0:
        edo_yield();
        break;
    case 1:
        edo_sleep((int64_t)(edo_test_random(random) % 50000));
        break;
    case 2:
        edo_wait_word(&word, 0, edo_now() + (int64_t)(edo_test_random(random) % 50000));
        break;
    default:
        edo_checkpoint();
    }
}

static int tree_run(void *argument);

static void tree_body(edo_scope *scope, const struct tree *tree, uint64_t *random)
{
    struct tree next = {0, tree->depth - 1, tree->living};
    int children = (int)(edo_test_random(random) % 4);
    bool refused = false;

    for (int i = 0; i < children && next.depth > 0; i++) {
        next.seed = edo_test_random(random);
        edo_spawn(scope, tree_run, &next, .copy = sizeof next);
    }
    for (int i = 0; i < 5; i++) {
        if (refused)
            CHECK_RC(edo_checkpoint(), -ECANCELED);
        tree_wait(random);
        refused = refused || edo_cancelled();
        if (edo_test_random(random) % 16 == 0)
            edo_scope_cancel(scope);
    }
}

static int tree_run(void *argument)
{
    struct tree tree = *(struct tree *)argument;
    uint64_t random = tree.seed;
    int rc = 0;

    atomic_fetch_add(tree.living, 1);
    for (int i = 0; i < 2; i++) {
        int64_t time = (int64_t)(edo_test_random(&random) % 100000) + 1;

        switch (edo_test_random(&random) % 4) {
        case 0:
            EDO_SCOPE (scope, &rc, .timeout = time)
                tree_body(scope, &tree, &random);
            break;
        case 1:
            EDO_SCOPE (scope, &rc, .shield = time) {
                tree_body(scope, &tree, &random);
                break;
            }
            break;
        case 2:
            EDO_SCOPE (outer, NULL)
                EDO_SCOPE (inner, NULL, .policy = EDO_SUPERVISE)
                    tree_body(edo_test_random(&random) % 2 ? outer : inner, &tree, &random);
            break;
        default:
            EDO_SCOPE (scope, &rc)
                tree_body(scope, &tree, &random);
        }
        rc = 0;
    }
    atomic_fetch_sub(tree.living, 1);
    return edo_test_random(&random) % 8 == 0 ? -EIO : 0;
}

static int tree_main(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    _Atomic int living = 0;

    for (int round = 0; round < edo_test_rounds(100); round++) {
        struct tree tree = {edo_test_random(&random), 5, &living};
        int rc = 0;

        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 4; i++) {
                tree.seed = edo_test_random(&random);
                CHECK_RC(edo_spawn(scope, tree_run, &tree, .copy = sizeof tree), 0);
            }
            for (uint64_t i = edo_test_random(&random) % 20; i > 0; i--)
                edo_yield();
            edo_scope_cancel(scope);
        }
        CHECK_RC(atomic_load(&living), 0);
    }
    return 0;
}

static void test_c1_random_trees_are_cancelled_anywhere(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(run(tree_main, &seed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_ten_thousand_levels_are_cancelled_from_the_top),
        cmocka_unit_test(test_c1_a_hundred_thousand_children_are_cancelled),
        cmocka_unit_test(test_c1_random_trees_are_cancelled_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
