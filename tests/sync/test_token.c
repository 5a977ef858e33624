/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: trees, reasons and places, who waits, scopes that are linked, and what is left alone afterwards.
 */
#include "runtime/helpers.h"

#include <pthread.h>
#include <sched.h>

static int sleeps(void *argument)
{
    int rc = edo_sleep(EDO_SEC(3600));

    if (argument)
        *(int *)argument = rc;
    return rc;
}

/* --- Trees -------------------------------------------------------------------------------------------------------- */

static void test_a_token_cancels_what_is_below_it_alone(void **state)
{
    edo_token root = EDO_TOKEN_INIT;
    edo_token a, b, a1, a2, a11;
    const edo_site *site;

    (void)state;
    edo_token_init(&a, &root);
    edo_token_init(&b, &root);
    edo_token_init(&a1, &a);
    edo_token_init(&a2, &a);
    edo_token_init(&a11, &a1);
    assert_false(edo_token_cancelled(&a11));
    assert_int_equal(edo_token_reason(&a11), EDO_REASON_NONE);
    assert_null(edo_token_site(&a11));
    edo_token_cancel_at(&a1, EDO_REASON_SHUTDOWN, NULL);
    assert_true(edo_token_cancelled(&a1) && edo_token_cancelled(&a11));
    assert_false(edo_token_cancelled(&a) || edo_token_cancelled(&a2) || edo_token_cancelled(&b));
    site = EDO_HERE;
    edo_token_cancel_at(&a, 99, site);
    assert_int_equal(edo_token_reason(&a), EDO_REASON_USER);
    assert_ptr_equal(edo_token_site(&a2), site);
    assert_int_equal(edo_token_reason(&a11), EDO_REASON_SHUTDOWN); /* the first reason stays */
    assert_false(edo_token_cancelled(&root) || edo_token_cancelled(&b));
    edo_token_finish(&a11);
    edo_token_init(&a11, &a2); /* below one that is cancelled */
    assert_ptr_equal(edo_token_site(&a11), site);
    edo_token_finish(&a11);
    edo_token_finish(&a1); /* from the end and the front of its parent's children */
    edo_token_finish(&a2);
    edo_token_finish(&a);
    edo_token_cancel(&root);
    assert_true(edo_token_cancelled(&b));
    assert_non_null(strstr(edo_token_site(&b)->file, "test_token.c"));
    edo_token_finish(&b);
    edo_token_finish(&root);
}

/* Deeper than a stack would bear. */
static void test_trees_may_be_deep(void **state)
{
    enum { DEPTH = 200000 };
    edo_token *tokens = calloc(DEPTH, sizeof *tokens);

    (void)state;
    assert_non_null(tokens);
    for (int i = 1; i < DEPTH; i++)
        edo_token_init(&tokens[i], &tokens[i - 1]);
    edo_token_cancel(&tokens[0]);
    assert_true(edo_token_cancelled(&tokens[DEPTH - 1]));
    for (int i = DEPTH - 1; i > 0; i--)
        edo_token_finish(&tokens[i]);
    free(tokens);
}

/* Random trees against a model. */
static void test_random_trees_agree_with_the_model(void **state)
{
    enum { TOKENS = 40 };
    uint64_t random = edo_test_seed();

    (void)state;
    for (int round = 0; round < 300; round++) {
        edo_token tokens[TOKENS];
        int parent[TOKENS];
        bool cancelled[TOKENS] = {false};

        for (int i = 0; i < TOKENS; i++) {
            parent[i] = i > 0 && edo_test_random(&random) % 6 ? (int)(edo_test_random(&random) % (unsigned)i) : -1;
            edo_token_init(&tokens[i], parent[i] < 0 ? NULL : &tokens[parent[i]]);
            cancelled[i] = parent[i] >= 0 && cancelled[parent[i]];
            if (edo_test_random(&random) % 4 == 0) {
                int victim = (int)(edo_test_random(&random) % (unsigned)(i + 1));

                edo_token_cancel(&tokens[victim]);
                cancelled[victim] = true;
                for (int k = victim + 1; k <= i; k++)
                    cancelled[k] |= parent[k] >= 0 && cancelled[parent[k]];
            }
            for (int k = 0; k <= i; k++)
                assert_int_equal(edo_token_cancelled(&tokens[k]), cancelled[k]);
        }
        for (int i = TOKENS - 1; i >= 0; i--)
            edo_token_finish(&tokens[i]);
    }
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static edo_token shared;
static _Atomic int told;

static int waits(void *argument)
{
    CHECK_RC(edo_token_wait(argument), 0);
    atomic_fetch_add(&told, 1);
    return 0;
}

static void *thread_waits(void *argument)
{
    waits(argument);
    return NULL;
}

static int waiting_root(void *argument)
{
    edo_token child;
    pthread_t thread;
    int rc = 0;

    (void)argument;
    shared = (edo_token)EDO_TOKEN_INIT;
    atomic_store(&told, 0);
    edo_token_init(&child, &shared);
    CHECK_RC(edo_token_wait_until(&child, edo_now() + EDO_MS(1)), -ETIMEDOUT);
    EDO_TIMEOUT (EDO_MS(1), &rc)
        CHECK_RC(rc = edo_token_wait(&child), -ECANCELED);
    rc = 0;
    CHECK_RC(pthread_create(&thread, NULL, thread_waits, &child), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits, &child), 0);
        CHECK_RC(edo_spawn(scope, waits, &shared), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(told, 0);
        edo_token_cancel(&shared);
    }
    pthread_join(thread, NULL);
    CHECK_RC(told, 3);
    CHECK_RC(edo_token_wait(&child), 0);
    edo_token_finish(&child);
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_token_wait(&shared), -ECANCELED);
    return rc;
}

static void test_who_waits_for_a_token_is_woken(void **state)
{
    (void)state;
    assert_int_equal(run_alone(waiting_root, NULL), 0);
    assert_int_equal(run(waiting_root, NULL), 0);
}

/* --- Scopes ------------------------------------------------------------------------------------------------------- */

static int linked_root(void *argument)
{
    edo_token token = EDO_TOKEN_INIT;
    edo_token other = EDO_TOKEN_INIT;
    int slept = 1;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (first, &rc) {
        CHECK_RC(edo_token_link(&token, first), 0);
        CHECK_RC(edo_token_link(&other, first), -EBUSY);
        CHECK_RC(edo_token_link(&token, EDO_DETACHED), -EINVAL);
        CHECK_RC(edo_spawn(first, sleeps, &slept), 0);
        edo_yield();
        edo_token_cancel_at(&token, EDO_REASON_SHUTDOWN, EDO_HERE);
        CHECK(edo_cancelled());
        CHECK_RC(edo_cancel_reason(), EDO_REASON_SHUTDOWN);
        CHECK(edo_cancel_site() == edo_token_site(&token));
    }
    CHECK_RC(rc, 0); /* the scope itself was cancelled: what that caused is no failure */
    CHECK_RC(slept, -ECANCELED);
    EDO_SCOPE (second, &rc) {
        CHECK_RC(edo_token_link(&token, second), 0); /* cancelled already */
        CHECK(edo_cancelled());
    }
    EDO_SCOPE (third, &rc) {
        CHECK_RC(edo_token_link(&other, third), 0);
        edo_token_unlink(third);
        edo_token_unlink(third);
        edo_token_cancel(&other);
        CHECK(!edo_cancelled());
        CHECK_RC(edo_token_link(&token, third), 0); /* there is room again */
        CHECK(edo_cancelled());
    }
    CHECK(!edo_cancelled());
    edo_token_finish(&token);
    return rc;
}

static void test_a_linked_scope_is_cancelled_with_its_token(void **state)
{
    (void)state;
    assert_int_equal(run_alone(linked_root, NULL), 0);
}

/* The body has ended, and the scope waits for its children: they are cancelled all the same. Then the link is gone. */
static void cancel_shared(void *argument)
{
    (void)argument;
    edo_token_cancel(&shared);
}

static int ending_root(void *argument)
{
    edo_timer timer;
    int slept = 1;
    int rc = 0;

    (void)argument;
    shared = (edo_token)EDO_TOKEN_INIT;
    edo_timer_init(&timer, cancel_shared, NULL);
    edo_timer_start(&timer, edo_now() + EDO_MS(1));
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_token_link(&shared, scope), 0);
        CHECK_RC(edo_spawn(scope, sleeps, &slept), 0);
    }
    CHECK_RC(rc, 0);
    CHECK_RC(slept, -ECANCELED);
    edo_token_finish(&shared);
    return rc;
}

static void test_a_link_lasts_until_the_scope_has_ended(void **state)
{
    (void)state;
    assert_int_equal(run_alone(ending_root, NULL), 0);
}

static int root_scope_root(void *argument)
{
    (void)argument;
    shared = (edo_token)EDO_TOKEN_INIT;
    CHECK_RC(edo_token_link(&shared, edo_root_scope()), 0);
    return 0;
}

static void test_a_root_scope_is_unlinked_at_its_end(void **state)
{
    (void)state;
    assert_int_equal(run_alone(root_scope_root, NULL), 0);
    edo_token_cancel(&shared);
    edo_token_finish(&shared);
}

/* Scopes come and go, in two runtimes' tasks, while a plain thread cancels. Linked ones are alive, or ASan says so. */
static struct {
    edo_token token;
    edo_token branches[4];
    _Atomic bool over;
} storm;

static int links(void *argument)
{
    uint64_t random = (uintptr_t)argument;

    for (int i = edo_test_rounds(3000); i > 0; i--) {
        edo_token *token = &storm.branches[edo_test_random(&random) % 4];
        int rc = 0;

        EDO_SCOPE (scope, &rc) {
            edo_token leaf;

            if (edo_test_random(&random) % 2) {
                CHECK_RC(edo_token_link(token, scope), 0);
                edo_yield();
            } else {
                edo_token_init(&leaf, token);
                CHECK_RC(edo_token_link(&leaf, scope), 0);
                CHECK_RC(edo_spawn(scope, sleeps, NULL), 0);
                if (edo_test_random(&random) % 2)
                    edo_yield();
                edo_token_cancel(&leaf);
                edo_token_unlink(scope);
                edo_token_finish(&leaf);
            }
        }
        CHECK_RC(rc, 0);
    }
    return 0;
}

/* Each has its turn: the one cancelled is replaced by a fresh token once nothing is linked to it, so it isn't here. */
static void *thread_cancels(void *argument)
{
    int i = 0;

    while (!atomic_load(&storm.over)) {
        for (int k = 0; k < 100 && !atomic_load(&storm.over); k++)
            sched_yield();
        if (i < 4)
            edo_token_cancel(&storm.branches[i++]);
        else
            edo_token_cancel(&storm.token);
    }
    return argument;
}

static int storm_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (uintptr_t i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(scope, links, (void *)(edo_test_seed() + i)), 0);
    return rc;
}

static void test_a_scope_that_has_ended_is_not_touched(void **state)
{
    pthread_t thread;

    (void)state;
    memset(&storm, 0, sizeof storm);
    for (int i = 0; i < 4; i++)
        edo_token_init(&storm.branches[i], &storm.token);
    assert_int_equal(pthread_create(&thread, NULL, thread_cancels, NULL), 0);
    assert_int_equal(run(storm_root, NULL), 0);
    assert_int_equal(run_alone(storm_root, NULL), 0);
    atomic_store(&storm.over, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < 4; i++)
        edo_token_finish(&storm.branches[i]);
    edo_token_finish(&storm.token);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int finishes_parent(void *argument)
{
    static edo_token parent, child;

    (void)argument;
    edo_token_init(&child, &parent);
    edo_token_finish(&parent);
    return 0;
}

static int finishes_linked(void *argument)
{
    static edo_token token;

    (void)argument;
    edo_token_link(&token, edo_scope_current());
    edo_token_finish(&token);
    return 0;
}

static int finishes_waited_for(void *argument)
{
    static edo_token token;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, waits, &token);
        edo_yield();
        edo_token_finish(&token);
    }
    return rc;
}

static void test_f2_misuse_of_a_token_is_told(void **state)
{
    (void)state;
    assert_misuse(finishes_parent, NULL, "before its children");
    assert_misuse(finishes_linked, NULL, "linked to a scope");
    assert_misuse(finishes_waited_for, NULL, "waited for");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_cancels_what_is_below_it_alone),
        cmocka_unit_test(test_trees_may_be_deep),
        cmocka_unit_test(test_random_trees_agree_with_the_model),
        cmocka_unit_test(test_who_waits_for_a_token_is_woken),
        cmocka_unit_test(test_a_linked_scope_is_cancelled_with_its_token),
        virtual_test(test_a_link_lasts_until_the_scope_has_ended),
        cmocka_unit_test(test_a_root_scope_is_unlinked_at_its_end),
        cmocka_unit_test(test_a_scope_that_has_ended_is_not_touched),
        cmocka_unit_test(test_f2_misuse_of_a_token_is_told),
    };

    edo_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
