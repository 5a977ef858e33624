/* SPDX-License-Identifier: MIT */
/*
 * The explorer itself, on programs whose outcomes are known: which orders TSO allows and which it forbids, that locked
 * operations are whole, and that what waits for ever is found.
 */
#include "model_test.h"

#include <stdatomic.h>

static struct {
    _Atomic uint32_t x, y;
    uint32_t word;
    uint32_t a, b;
    uint8_t byte;
} world;

static bool seen[4]; /* outcomes met: no part of the world */

static void setup(void)
{
    memset(&world, 0, sizeof world);
}

static void note_outcome(void)
{
    seen[world.a * 2 + world.b] = true;
}

static struct model_result explore(const struct model *model, const struct model_mutant *mutant)
{
    memset(seen, 0, sizeof seen);
    model_region("world", &world, sizeof world);
    return model_explore(model, mutant, false);
}

/* --- Store buffering ---------------------------------------------------------------------------------------------- */

static void store_x_load_y(void)
{
    atomic_store_explicit(&world.x, 1, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    world.a = atomic_load_explicit(&world.y, memory_order_acquire);
}

static void store_y_load_x(void)
{
    atomic_store(&world.y, 1);
    world.b = atomic_load(&world.x);
}

static void test_a_store_is_late_unless_fenced(void **state)
{
    static const struct model model = {"sb", setup, {store_x_load_y, store_y_load_x}, note_outcome, NULL, false};
    static const struct model_mutant no_fence = {"store_x_load_y", MODEL_NO_FENCE};
    static const struct model_mutant buffered = {"store_y_load_x", MODEL_BUFFERED};

    (void)state;
    assert_false(explore(&model, NULL).wrong);
    assert_true(!seen[0] && seen[1] && seen[2] && seen[3]);
    assert_false(explore(&model, &no_fence).wrong);
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    assert_false(explore(&model, &buffered).wrong);
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
}

/* --- Message passing ---------------------------------------------------------------------------------------------- */

static void send(void)
{
    atomic_store_explicit(&world.x, 1, memory_order_relaxed);
    atomic_store_explicit(&world.y, 1, memory_order_release);
}

static void receive(void)
{
    world.a = atomic_load_explicit(&world.y, memory_order_acquire);
    world.b = atomic_load_explicit(&world.x, memory_order_relaxed);
}

static void test_stores_become_visible_in_order(void **state)
{
    static const struct model model = {"mp", setup, {send, receive}, note_outcome, NULL, false};
    static const struct model_mutant late = {"send", MODEL_LATE};

    (void)state;
    assert_false(explore(&model, NULL).wrong);
    assert_true(seen[0] && seen[1] && !seen[2] && seen[3]);
    assert_false(explore(&model, &late).wrong);
    assert_true(seen[2]);
}

/* --- Locked operations -------------------------------------------------------------------------------------------- */

static void add(void)
{
    atomic_fetch_add(&world.x, 1);
}

static void cas(void)
{
    uint32_t old = atomic_load(&world.x);

    while (!atomic_compare_exchange_weak(&world.x, &old, old + 1))
        ;
}

static void check_sum(void)
{
    model_assert(atomic_load(&world.x) == 3);
}

static void test_locked_operations_are_whole(void **state)
{
    static const struct model model = {"sum", setup, {add, cas, add}, check_sum, NULL, false};
    static const struct model_mutant split_add = {"add", MODEL_SPLIT};
    static const struct model_mutant split_cas = {"cas", MODEL_SPLIT};

    (void)state;
    assert_false(explore(&model, NULL).wrong);
    assert_true(explore(&model, &split_add).wrong);
    assert_true(explore(&model, &split_cas).wrong);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static void wait_for_word(void)
{
    while (__atomic_load_n(&world.word, __ATOMIC_ACQUIRE) == 0)
        model_futex_wait(&world.word, 0, INT64_MAX);
}

static void set_word(void)
{
    __atomic_store_n(&world.word, 1, __ATOMIC_RELEASE);
    model_futex_wake(&world.word, 1);
}

static void set_word_silently(void)
{
    __atomic_store_n(&world.word, 1, __ATOMIC_RELEASE);
}

static void set_word_for_all(void)
{
    __atomic_store_n(&world.word, 1, __ATOMIC_RELEASE);
    model_futex_wake(&world.word, 2);
}

static void spin(void)
{
    while (atomic_load(&world.x) == 0)
        ;
}

static void spin_politely(void)
{
    while (atomic_load(&world.x) == 0)
        model_pause();
}

static void take_byte(void)
{
    model_take(&world.byte);
}

static void give_byte(void)
{
    model_give(&world.byte);
}

static void choose(void)
{
    world.a = model_choose(2);
    world.b = model_choose(2);
}

static void test_who_waits_for_ever_is_found(void **state)
{
    static const struct model good[] = {
        {"futex", setup, {wait_for_word, set_word}, NULL, NULL, false},
        {"two sleepers", setup, {wait_for_word, wait_for_word, set_word_for_all}, NULL, NULL, false},
        {"spin", setup, {spin, add}, NULL, NULL, false},
        {"spin politely", setup, {spin_politely, add}, NULL, NULL, false},
        {"byte", setup, {take_byte, give_byte}, NULL, NULL, false},
        {"choice", setup, {choose}, note_outcome, NULL, false},
    };
    static const struct model bad[] = {
        {"lost wake", setup, {wait_for_word, set_word_silently}, NULL, NULL, false},
        {"two sleepers, one wake", setup, {wait_for_word, wait_for_word, set_word}, NULL, NULL, false},
        {"spin for ever", setup, {spin, set_word}, NULL, NULL, false},
        {"pause for ever", setup, {spin_politely, set_word}, NULL, NULL, false},
        {"byte taken twice", setup, {take_byte, take_byte, give_byte}, NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_false(explore(&good[i], NULL).wrong);
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]); /* of the choice, the last */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(explore(&bad[i], NULL).wrong);
}

static void stray(void)
{
    static _Atomic uint32_t unnamed;

    atomic_store(&unnamed, 1);
}

static void test_memory_that_was_not_named_is_refused(void **state)
{
    static const struct model model = {"stray", setup, {stray}, NULL, NULL, false};

    (void)state;
    assert_true(explore(&model, NULL).wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_is_late_unless_fenced),
        cmocka_unit_test(test_stores_become_visible_in_order),
        cmocka_unit_test(test_locked_operations_are_whole),
        cmocka_unit_test(test_who_waits_for_ever_is_found),
        cmocka_unit_test(test_memory_that_was_not_named_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
