/* SPDX-License-Identifier: MIT */
/*
 * The ring alone (rule S1): order, bounds, the wrap of its 32-bit indices, and, with real threads, that nothing is lost
 * and nothing comes twice. Tasks are numbers here; the ring does not look at them.
 */
#include "helpers.h"

#include "runtime/ring.h"

#include <pthread.h>
#include <sched.h>

static struct edo_task *number(uintptr_t n)
{
    return (struct edo_task *)n;
}

static void start_at(struct edo_ring *ring, uint32_t index)
{
    edo_ring_init(ring);
    atomic_store(&ring->head, index);
    atomic_store(&ring->tail, index);
}

static void fill_and_empty(uint32_t index)
{
    struct edo_ring ring;

    start_at(&ring, index);
    for (int round = 0; round < 3; round++) {
        for (uintptr_t i = 1; i <= EDO_RING_SIZE; i++)
            assert_true(edo_ring_push(&ring, number(i)));
        assert_int_equal(edo_ring_count(&ring), EDO_RING_SIZE);
        assert_false(edo_ring_push(&ring, number(999)));
        for (uintptr_t i = 1; i <= EDO_RING_SIZE; i++)
            assert_ptr_equal(edo_ring_pop(&ring), number(i));
        assert_null(edo_ring_pop(&ring));
        assert_int_equal(edo_ring_count(&ring), 0);
    }
}

static void test_s1_ring_is_first_in_first_out_and_bounded(void **state)
{
    (void)state;
    fill_and_empty(0);
}

static void test_s1_ring_indices_wrap(void **state)
{
    (void)state;
    for (uint32_t before = 0; before <= EDO_RING_SIZE + 1; before++)
        fill_and_empty(UINT32_MAX - before);
}

static void test_s1_steal_takes_half_oldest_first(void **state)
{
    static const uint32_t starts[] = {0, UINT32_MAX - 3, UINT32_MAX};
    struct edo_task *out[EDO_RING_SIZE];
    struct edo_ring ring;

    (void)state;
    for (size_t s = 0; s < EDO_COUNT(starts); s++)
        for (uint32_t held = 0; held <= EDO_RING_SIZE; held++) {
            uint32_t count;

            start_at(&ring, starts[s]);
            for (uintptr_t i = 1; i <= held; i++)
                assert_true(edo_ring_push(&ring, number(i)));
            count = edo_ring_steal(out, EDO_RING_SIZE / 2, &ring);
            assert_int_equal(count, (held + 1) / 2);
            for (uint32_t i = 0; i < count; i++)
                assert_ptr_equal(out[i], number(i + 1));
            for (uintptr_t i = count + 1; i <= held; i++)
                assert_ptr_equal(edo_ring_pop(&ring), number(i));
            assert_null(edo_ring_pop(&ring));
        }
}

static void test_s1_steal_takes_no_more_than_there_is_room_for(void **state)
{
    struct edo_task *out[3];
    struct edo_ring ring;

    (void)state;
    start_at(&ring, 0);
    for (uintptr_t i = 1; i <= 100; i++)
        edo_ring_push(&ring, number(i));
    assert_int_equal(edo_ring_steal(out, 3, &ring), 3);
    assert_ptr_equal(out[2], number(3));
    assert_int_equal(edo_ring_count(&ring), 97);
}

/* --- With threads ------------------------------------------------------------------------------------------------- */

enum { THIEVES = 3, TASKS = 400000 };

static struct {
    struct edo_ring ring;
    _Atomic bool over;
    unsigned char taken[TASKS + 1]; /* each by whoever took it: twice would be seen in the sum */
    _Atomic uint64_t count, sum, order_broken;
} heist;

static void take(struct edo_task *task)
{
    uintptr_t n = (uintptr_t)task;

    __atomic_fetch_add(&heist.taken[n], 1, __ATOMIC_RELAXED);
    atomic_fetch_add(&heist.count, 1);
    atomic_fetch_add(&heist.sum, n);
}

static void *thief(void *argument)
{
    struct edo_task *out[EDO_RING_SIZE / 2];
    uint32_t capacity = (uint32_t)(uintptr_t)argument;
    uintptr_t last = 0;
    uint32_t idle = 0;

    while (!atomic_load(&heist.over)) {
        uint32_t count = edo_ring_steal(out, capacity, &heist.ring);

        for (uint32_t i = 0; i < count; i++) {
            if ((uintptr_t)out[i] <= last) /* what one thief sees grows */
                atomic_fetch_add(&heist.order_broken, 1);
            last = (uintptr_t)out[i];
            take(out[i]);
        }
        if (count == 0 && ++idle % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static void steal_from_each_other(void)
{
    static const uint32_t capacities[THIEVES] = {1, 7, EDO_RING_SIZE / 2};
    uint64_t random = edo_test_seed();
    uintptr_t total = (uintptr_t)edo_test_rounds(TASKS);
    pthread_t threads[THIEVES];

    memset(&heist, 0, sizeof heist);
    start_at(&heist.ring, UINT32_MAX - (uint32_t)total / 2); /* wraps on the way */
    for (int i = 0; i < THIEVES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thief, (void *)(uintptr_t)capacities[i]), 0);
    for (uintptr_t next = 1; next <= total;) {
        uint32_t most =
            next / 1000 % 2 ? 300 : 4; /* full and empty by turns; at the edge of empty everybody collides */
        uint32_t burst = (uint32_t)edo_test_random(&random) % most;

        while (burst-- > 0 && next <= total && edo_ring_push(&heist.ring, number(next)))
            next++;
        burst = (uint32_t)edo_test_random(&random) % most;
        while (burst-- > 0) {
            struct edo_task *task = edo_ring_pop(&heist.ring);

            if (!task)
                break;
            take(task);
        }
    }
    while (atomic_load(&heist.count) < total) {
        struct edo_task *task = edo_ring_pop(&heist.ring);

        if (task)
            take(task);
        else if (edo_ring_count(&heist.ring) == 0)
            sched_yield();
    }
    atomic_store(&heist.over, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(heist.count, total);
    assert_int_equal(heist.sum, (uint64_t)total * (total + 1) / 2);
    assert_int_equal(heist.order_broken, 0);
    for (uintptr_t i = 1; i <= total; i++)
        assert_int_equal(heist.taken[i], 1);
}

static void test_s1_nothing_is_lost_and_nothing_comes_twice(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        steal_from_each_other();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_ring_is_first_in_first_out_and_bounded),
        cmocka_unit_test(test_s1_ring_indices_wrap),
        cmocka_unit_test(test_s1_steal_takes_half_oldest_first),
        cmocka_unit_test(test_s1_steal_takes_no_more_than_there_is_room_for),
        cmocka_unit_test(test_s1_nothing_is_lost_and_nothing_comes_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
