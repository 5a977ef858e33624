/* SPDX-License-Identifier: MIT */
/* Seeded runs: the same seed gives the same run, another one another. */
#include "runtime/helpers.h"

#include <edo/testing.h>

struct order {
    int count;
    int who[64];
};

struct member {
    struct order *order;
    int number;
};

static int write_down(void *argument)
{
    struct member *member = argument;

    for (int i = 0; i < 4; i++) {
        member->order->who[member->order->count++] = member->number;
        edo_checkpoint();
    }
    return 0;
}

static int eight_tasks(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 8 && rc == 0; i++)
            rc = edo_spawn(scope, write_down, &((struct member){argument, i}), .copy = sizeof(struct member));
    return rc;
}

static struct order order_of(uint64_t seed, int schedule)
{
    struct order order = {0};

    assert_int_equal(
        edo_test_run(eight_tasks, &order, EDO_OPTIONS(edo_test_options, .seed = seed, .schedule = schedule)), 0);
    assert_int_equal(order.count, 32);
    return order;
}

static void test_t2_the_same_seed_gives_the_same_order(void **state)
{
    int different = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct order once = order_of(seed, EDO_SCHEDULE_RANDOM);
        struct order again = order_of(seed, EDO_SCHEDULE_RANDOM);
        struct order other = order_of(seed + 1, EDO_SCHEDULE_RANDOM);

        assert_memory_equal(&once, &again, sizeof once);
        different += memcmp(&once, &other, sizeof once) != 0;
    }
    assert_true(different >= 19);
}

static void test_fifo_changes_nothing_at_suspension_points(void **state)
{
    struct order order = order_of(1, EDO_SCHEDULE_FIFO);

    (void)state;
    for (int i = 0; i < 32; i++)
        assert_int_equal(order.who[i], i / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t2_the_same_seed_gives_the_same_order),
        cmocka_unit_test(test_fifo_changes_nothing_at_suspension_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
