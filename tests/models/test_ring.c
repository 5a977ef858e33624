/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a ring's owner with thieves (rule S1), on a ring of four slots: nothing is lost, nothing comes
 * twice, each taker gets what it takes oldest first. The owner overflows, as schedule.c does: half of the ring goes
 * elsewhere. Indices begin just before they wrap.
 *
 * The code is ring.h. Compiled with EDO_RING_SIZE=4.
 */
#include "model_test.h"

#include "runtime/ring.h"

enum { TASKS = 5 };

static struct {
    struct edo_ring ring;
    uint8_t taken[TASKS + 1];
    uint8_t left;
} world;

static struct edo_task *task(uintptr_t number)
{
    return (struct edo_task *)number;
}

static void take(struct edo_task *got, uintptr_t *last)
{
    uintptr_t number = (uintptr_t)got;

    model_assert(number >= 1 && number <= TASKS);
    model_assert(!world.taken[number]);
    model_assert(number > *last); /* oldest first */
    world.taken[number] = 1;
    world.left--;
    *last = number;
}

static void push(uintptr_t number)
{
    struct edo_task *half[EDO_RING_SIZE / 2];
    uintptr_t last = 0;
    uint32_t count;

    if (edo_ring_push(&world.ring, task(number)))
        return;
    count = edo_ring_steal(half, EDO_RING_SIZE / 2, &world.ring);
    for (uint32_t i = 0; i < count; i++)
        take(half[i], &last);
    take(task(number), &last);
}

/* Pushes and pops in turn. */
static void owner_in_turn(void)
{
    struct edo_task *got;
    uintptr_t last = 0;

    for (uintptr_t i = 1; i <= 4; i++) {
        push(i);
        if (i >= 2 && (got = edo_ring_pop(&world.ring)))
            take(got, &last);
    }
    while ((got = edo_ring_pop(&world.ring)))
        take(got, &last);
}

/* Fills the ring and one more, then empties it. */
static void owner_overflows(void)
{
    struct edo_task *got;
    uintptr_t last = 0;

    for (uintptr_t i = 1; i <= TASKS; i++)
        push(i);
    while ((got = edo_ring_pop(&world.ring)))
        take(got, &last);
}

static void thief(void)
{
    struct edo_task *out[EDO_RING_SIZE / 2];
    uintptr_t last = 0;
    uint32_t count = edo_ring_steal(out, EDO_RING_SIZE / 2, &world.ring);

    for (uint32_t i = 0; i < count; i++)
        take(out[i], &last);
}

static void greedy_thief(void)
{
    thief();
    thief();
}

static void setup_for(int tasks)
{
    memset(&world, 0, sizeof world);
    edo_ring_init(&world.ring);
    atomic_init(&world.ring.head, UINT32_MAX - 1);
    atomic_init(&world.ring.tail, UINT32_MAX - 1);
    world.left = (uint8_t)tasks;
}

static void setup_four(void)
{
    setup_for(4);
}

static void setup_all(void)
{
    setup_for(TASKS);
}

static void check(void)
{
    model_assert(world.left == 0);
    model_assert(edo_ring_count(&world.ring) == 0);
}

static const struct model one_thief = {
    "ring, one thief", setup_four, {owner_in_turn, greedy_thief}, check, NULL, false};
static const struct model two_thieves = {
    "ring, two thieves", setup_four, {owner_in_turn, greedy_thief, thief}, check, NULL, false};
static const struct model overflow = {
    "ring, overflow, two thieves", setup_all, {owner_overflows, thief, thief}, check, NULL, false};

static void name_regions(void)
{
    model_region("ring", &world, sizeof world);
}

static void test_s1_nothing_is_lost_and_nothing_comes_twice_in_any_order(void **state)
{
    (void)state;
    name_regions();
    assert_true(model_holds(&one_thief));
    name_regions();
    assert_true(model_holds(&two_thieves));
    name_regions();
    assert_true(model_holds(&overflow));
}

static void test_s1_mutants_of_the_ring_are_rejected(void **state)
{
    static const struct model_mutant split_pop = {"edo_ring_pop", MODEL_SPLIT};
    static const struct model_mutant split_steal = {"edo_ring_steal", MODEL_SPLIT};
    static const struct model_mutant late_slot = {"edo_ring_push", MODEL_LATE};

    (void)state;
    name_regions();
    assert_true(model_rejects(&one_thief, &split_pop));
    name_regions();
    assert_true(model_rejects(&one_thief, &split_steal));
    name_regions();
    assert_true(model_rejects(&one_thief, &late_slot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_nothing_is_lost_and_nothing_comes_twice_in_any_order),
        cmocka_unit_test(test_s1_mutants_of_the_ring_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
