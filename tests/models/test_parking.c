/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of the parking table's waits with wakes, a cancellation and a deadline: a waiter is woken or gives
 * up, one of the two; whoever was counted as woken returns 0; what was woken from afar is let go only when its waker is
 * done with its task (rule C2).
 *
 * The code is parking.c. A task waits, and a plain thread with a deadline that may pass at any moment; somebody sets
 * the word and wakes both, one at a time.
 */
#include "stand_in.h"

#include "../../src/runtime/parking.c"

static struct edo_runtime runtimes[2];
static bool from_afar;      /* the waker is of no runtime */
static bool takes_for_near; /* an alteration: a foreign waker that passes for one of the task's runtime */

static struct {
    uint32_t word;
    struct edo_scope_body scope;
    struct edo_thread threads[2]; /* the task's, the waker's */
    struct edo_task task;
    uint8_t gone; /* the task has returned, and its runtime may be too */
    int32_t woken;
    int32_t returned;
} world;

static int futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    return model_futex_wait(word, expected, deadline);
}

static const struct edo_platform table = {.futex_wait = futex_wait, .futex_wake = model_futex_wake};
const struct edo_platform *edo_platform = &table;

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

static void task_waits(void)
{
    int rc;

    edo_self_pointer = &world.threads[0];
    rc = edo_wait_word(&world.word, 0, EDO_FOREVER);
    model_assert(rc == 0 || rc == -ECANCELED || rc == -EAGAIN);
    model_assert(rc != -ECANCELED || atomic_load(&world.scope.flags));
    world.returned += rc == 0;
    world.gone = from_afar;
}

static void thread_waits(void)
{
    int rc;

    edo_self_pointer = NULL;
    rc = edo_wait_word(&world.word, 0, 1);
    model_assert(rc == 0 || rc == -ETIMEDOUT || rc == -EAGAIN);
    world.returned += rc == 0;
}

/* What a waker from afar does last to the task, and to its runtime. */
static void ready_of_task(void)
{
    model_assert(!world.gone);
}

static void waker(void)
{
    edo_self_pointer = from_afar && !takes_for_near ? NULL : &world.threads[1];
    __atomic_store_n(&world.word, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        world.woken += edo_wake_word(&world.word, 1);
}

static void canceller(void)
{
    edo_self_pointer = NULL;
    stand_in_cancel(&world.scope, &world.task);
}

static void setup(void)
{
    memset(&world, 0, sizeof world);
    memset(&stand_in, 0, sizeof stand_in);
    memset(edo_bucket_of(&world.word), 0, sizeof(struct edo_bucket));
    world.threads[0].runtime = &runtimes[0];
    world.threads[1].runtime = &runtimes[0];
    world.threads[0].current = &world.task;
    world.scope.runtime = &runtimes[0];
    world.task.budget = EDO_BUDGET;
    world.task.flags = EDO_TASK_MIGRATES;
    world.task.home = world.task.scope = &world.scope;
}

static void check(void)
{
    model_assert(world.woken == world.returned);
    model_assert(!edo_bucket_of(&world.word)->lines);
}

static struct model near = {
    "park table: task, thread, waker, cancel", setup, {task_waits, thread_waits, waker, canceller}, check, NULL, true};
static struct model afar = {"park table: task, waker from afar, cancel", setup, {task_waits, waker}, check, NULL, true};

static const struct model *with_regions(struct model *model)
{
    model->self = (void **)(void *)&edo_self_pointer;
    from_afar = model == &afar;
    stand_in_ready = from_afar ? ready_of_task : NULL;
    model_region("world", &world, sizeof world);
    model_region("queued", &stand_in, sizeof stand_in);
    model_region("bucket", edo_bucket_of(&world.word), sizeof(struct edo_bucket));
    for (int i = 0; i < 2; i++)
        model_private(&world.threads[i].guard, sizeof world.threads[i].guard);
    return model;
}

static void test_c2_a_wait_is_woken_or_gives_up(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&near)));
    assert_true(model_holds(with_regions(&afar)));
}

static void test_mutants_of_the_parking_table_are_rejected(void **state)
{
    static const struct model_mutant split_lock = {"edo_lock_try", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&near), &split_lock));
    takes_for_near = true;
    assert_true(model_rejects(with_regions(&afar), NULL));
    takes_for_near = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_a_wait_is_woken_or_gives_up),
        cmocka_unit_test(test_mutants_of_the_parking_table_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
