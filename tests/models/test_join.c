/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a task's end with a join, a cancellation of that join, and a detach: the joiner gets the result
 * or -ECANCELED, never neither and never both, and the handle is given back exactly once (rules C2, C3).
 *
 * The code is spawn.c, and parking.c for joiners from elsewhere, who wait on a word on their own stack.
 */
#include "stand_in.h"

#include "../../src/runtime/parking.c"
#include "../../src/runtime/spawn.c"

enum { RESULT = 42 };

static struct edo_worker workers[2];
static struct edo_runtime runtimes[2]; /* of the task that ends; of a joiner from elsewhere */

static struct {
    struct edo_handle handle;
    struct edo_scope_body scope; /* the joiner's */
    struct edo_thread threads[2];
    struct edo_task joiner;
    uint32_t given; /* handles that went back to the pool */
    int32_t joined;
} world;

static int futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    return model_futex_wait(word, expected, deadline);
}

static const struct edo_platform table = {.futex_wait = futex_wait, .futex_wake = model_futex_wake};
const struct edo_platform *edo_platform = &table;

void edo_blocks_give(struct edo_blocks *pool, struct edo_block *first, size_t count)
{
    (void)pool;
    (void)first;
    world.given += (uint32_t)count;
}

void edo_sleeper_arm(struct edo_thread *thread, struct edo_sleeper *sleeper, int64_t deadline)
{
    (void)thread;
    (void)sleeper;
    (void)deadline;
}

struct edo_thread *edo_sleeper_disarm(struct edo_thread *thread, struct edo_sleeper *sleeper)
{
    (void)sleeper;
    return thread;
}

static void ender(void)
{
    edo_self_pointer = &world.threads[0];
    edo_leave(edo_handle_done(edo_enter(edo_self_pointer), &world.handle, RESULT));
}

/* What a task does about a join: it insists, or gives the handle up when it was cancelled. */
static void join(void)
{
    int result = 0;

    world.joined = edo_join(&result, &world.handle);
    if (world.joined == 0) {
        model_assert(result == RESULT);
    } else {
        model_assert(world.joined == -ECANCELED);
        edo_detach(&world.handle);
    }
}

static void joiner(void)
{
    edo_self_pointer = &world.threads[1];
    join();
}

/* A thread that runs no tasks: nobody can cancel it. */
static void plain_joiner(void)
{
    edo_self_pointer = NULL;
    join();
    model_assert(world.joined == 0);
}

static void canceller(void)
{
    edo_self_pointer = NULL;
    stand_in_cancel(&world.scope, &world.joiner);
}

static void detacher(void)
{
    edo_self_pointer = &world.threads[1];
    edo_detach(&world.handle);
}

static void setup_with(struct edo_runtime *joiners)
{
    memset(&world, 0, sizeof world);
    memset(&stand_in, 0, sizeof stand_in);
    memset(edo_buckets, 0, sizeof edo_buckets);
    for (int i = 0; i < 2; i++) {
        memset(&workers[i].handles, 0, sizeof workers[i].handles);
        world.threads[i].runtime = i == 0 ? &runtimes[0] : joiners;
        world.threads[i].worker = &workers[i];
    }
    world.handle.runtime = &runtimes[0];
    world.scope.runtime = joiners;
    world.joiner.budget = EDO_BUDGET;
    world.joiner.flags = EDO_TASK_MIGRATES;
    world.joiner.home = world.joiner.scope = &world.scope;
    world.threads[1].current = &world.joiner;
}

static void setup(void)
{
    setup_with(&runtimes[0]);
}

static void setup_elsewhere(void)
{
    setup_with(&runtimes[1]);
}

static void check(void)
{
    model_assert(world.given + workers[0].handles.count + workers[1].handles.count == 1);
    model_assert(world.handle.result == RESULT);
}

static struct model near_join = {"join, end, cancel", setup, {ender, joiner, canceller}, check, NULL, false};
static struct model plain_join = {"join from a thread, end", setup, {ender, plain_joiner}, check, NULL, false};
static struct model far_join = {
    "join from afar, end, cancel", setup_elsewhere, {ender, joiner, canceller}, check, NULL, false};
static struct model detach = {"detach, end", setup, {ender, detacher}, check, NULL, false};

static const struct model *with_regions(struct model *model)
{
    model->self = (void **)(void *)&edo_self_pointer;
    model_region("world", &world, sizeof world);
    model_region("queued", &stand_in, sizeof stand_in);
    if (model == &plain_join || model == &far_join)
        model_region("buckets", edo_buckets, sizeof edo_buckets);
    for (int i = 0; i < 2; i++) {
        model_region("handles", &workers[i].handles, sizeof workers[i].handles);
        model_private(&world.threads[i].guard, sizeof world.threads[i].guard);
    }
    return model;
}

static void test_c2_a_join_has_one_outcome(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&near_join)));
    assert_true(model_holds(with_regions(&plain_join)));
    assert_true(model_holds(with_regions(&far_join)));
}

static void test_a_handle_is_given_back_once(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&detach)));
}

static void test_mutants_of_the_joiner_word_are_rejected(void **state)
{
    static const struct model_mutant split_end = {"edo_handle_done", MODEL_SPLIT};
    static const struct model_mutant split_join = {"edo_join", MODEL_SPLIT};
    static const struct model_mutant split_far_join = {"edo_join_from_elsewhere", MODEL_SPLIT};
    static const struct model_mutant split_detach = {"edo_detach", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&near_join), &split_end));
    assert_true(model_rejects(with_regions(&near_join), &split_join));
    assert_true(model_rejects(with_regions(&plain_join), &split_far_join));
    assert_true(model_rejects(with_regions(&far_join), &split_far_join));
    assert_true(model_rejects(with_regions(&detach), &split_detach));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_a_join_has_one_outcome),
        cmocka_unit_test(test_a_handle_is_given_back_once),
        cmocka_unit_test(test_mutants_of_the_joiner_word_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
