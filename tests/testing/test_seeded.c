/* SPDX-License-Identifier: MIT */
/* Seeded runs: the same seed gives the same run, another one another; and how they are repeated. */
#include "testing/seeds.h"

/* --- Orders ------------------------------------------------------------------------------------------------------- */

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

static void same_seed_same_order(int schedule)
{
    int different = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct order once = order_of(seed, schedule);
        struct order again = order_of(seed, schedule);
        struct order other = order_of(seed + 1, schedule);

        assert_memory_equal(&once, &again, sizeof once);
        different += memcmp(&once, &other, sizeof once) != 0;
    }
    assert_true(different >= 19);
}

static void test_t2_the_same_seed_gives_the_same_order(void **state)
{
    (void)state;
    same_seed_same_order(EDO_SCHEDULE_RANDOM);
}

static void test_t2_the_same_seed_gives_the_same_priorities(void **state)
{
    (void)state;
    same_seed_same_order(EDO_SCHEDULE_PCT);
}

static void test_fifo_changes_nothing_at_suspension_points(void **state)
{
    struct order order = order_of(1, EDO_SCHEDULE_FIFO);

    (void)state;
    for (int i = 0; i < 32; i++)
        assert_int_equal(order.who[i], i / 4);
}

/* With priorities a task goes on until it waits, but at few points: so most runs change places seldom. */
static void test_priorities_change_at_few_points(void **state)
{
    int most = 0;
    int least = 32;

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct order order = order_of(seed, EDO_SCHEDULE_PCT);
        int changes = 0;

        for (int i = 1; i < 32; i++)
            changes += order.who[i] != order.who[i - 1];
        most = changes > most ? changes : most;
        least = changes < least ? changes : least;
    }
    assert_int_equal(least, 7); /* eight tasks, one after the other */
    assert_in_range(most, 8, 11);
}

/* --- A bug of depth 2: somebody else comes in between ------------------------------------------------------------- */

static int increment(void *argument)
{
    int *number = argument;
    int seen = *number;

    edo_checkpoint();
    *number = seen + 1;
    return 0;
}

static int lose_an_update(void *argument)
{
    int number = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, increment, &number);
    return rc < 0 ? rc : number == 2 ? 0 : -EIO;
}

static int lost_updates(int schedule)
{
    int count = 0;

    for (uint64_t seed = 1; seed <= 100; seed++)
        count += edo_test_run(lose_an_update, NULL,
                              EDO_OPTIONS(edo_test_options, .seed = seed, .schedule = schedule, .quiet = true,
                                          .steps = schedule == EDO_SCHEDULE_PCT ? 8 : 0)) == -EIO;
    return count;
}

static void test_races_between_suspension_points_are_found(void **state)
{
    (void)state;
    assert_int_equal(lost_updates(EDO_SCHEDULE_FIFO), 0);
    assert_in_range(lost_updates(EDO_SCHEDULE_RANDOM), 5, 95);
    assert_in_range(lost_updates(EDO_SCHEDULE_PCT), 5, 95);
}

/* A task with a high priority that only yields does not keep the others from running for ever. */
static int spin_for(void *argument)
{
    int *done = argument;

    while (!*done)
        edo_yield();
    return 0;
}

static int finish(void *argument)
{
    int *done = argument;

    edo_sleep(EDO_MS(1)); /* there must be no spinning by then, or time would never pass */
    *done = 1;
    return 0;
}

static int set_flag(void *argument)
{
    int *done = argument;

    edo_checkpoint();
    *done = 1;
    return 0;
}

static int spinning(void *argument)
{
    int done = 0;
    int slept = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, spin_for, &done);
        if (rc == 0)
            rc = edo_spawn(scope, set_flag, &done);
        if (rc == 0)
            rc = edo_spawn(scope, finish, &slept);
    }
    CHECK(slept == 1);
    return rc;
}

static void test_who_only_yields_does_not_starve_others(void **state)
{
    (void)state;
    many_seeds(spinning, NULL, 100, NULL);
}

/* --- Repeating ---------------------------------------------------------------------------------------------------- */

static int fail_sometimes(void *argument)
{
    struct order order = {0};
    int rc = eight_tasks(&order);

    *(int *)argument += 1;
    return rc < 0 ? rc : order.who[0] == 5 ? -EIO : 0;
}

static int fail_in_child(void *argument)
{
    (void)argument;
    return edo_test_run(fail_sometimes, &(int){0}, EDO_OPTIONS(edo_test_options, .seed = 0)) == -EIO;
}

static int fail_quietly(void *argument)
{
    return edo_test_run(fail_sometimes, &(int){0},
                        EDO_OPTIONS(edo_test_options, .seed = *(uint64_t *)argument, .quiet = true)) == -EIO;
}

static void test_a_failing_run_tells_its_seed_which_repeats_it(void **state)
{
    char text[1000];
    char line[200];
    int runs = 0;
    uint64_t seed = 1;

    (void)state;
    while (edo_test_run(fail_sometimes, &runs, EDO_OPTIONS(edo_test_options, .seed = seed, .quiet = true)) == 0)
        seed++;
    snprintf(line, sizeof line, "edo: seeded run failed (%d, input/output error): again with EDO_SEED=0x%llx\n", -EIO,
             (unsigned long long)seed);
    snprintf(text, sizeof text, "%#llx", (unsigned long long)seed);
    setenv("EDO_SEED", text, 1);
    assert_int_equal(WEXITSTATUS(in_child(fail_in_child, NULL, text, sizeof text)), 1);
    unsetenv("EDO_SEED");
    assert_string_equal(text, line);
    assert_int_equal(WEXITSTATUS(in_child(fail_quietly, &seed, text, sizeof text)), 1);
    assert_string_equal(text, "");
}

static int abort_in_task(void *argument)
{
    (void)argument;
    edo_checkpoint();
    abort();
}

static int abort_in_child(void *argument)
{
    (void)argument;
    edo_test_run(abort_in_task, NULL, EDO_OPTIONS(edo_test_options, .seed = 77));
    return 0;
}

static void test_an_abort_tells_the_seed(void **state)
{
    char text[1000];
    int status = in_child(abort_in_child, NULL, text, sizeof text);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "again with EDO_SEED=0x4d\n"));
}

static void test_seeds_are_tried_until_one_fails(void **state)
{
    int runs = 0;
    int seed;

    (void)state;
    assert_int_equal(edo_test_seeds(fail_sometimes, &runs, 10000, EDO_OPTIONS(edo_test_options, .quiet = true)), -EIO);
    seed = runs;
    assert_in_range(seed, 1, 200);
    /* The one that failed, and none beyond the count. */
    runs = 0;
    assert_int_equal(
        edo_test_seeds(fail_sometimes, &runs, 10, EDO_OPTIONS(edo_test_options, .seed = (uint64_t)seed, .quiet = true)),
        -EIO);
    assert_int_equal(runs, 1);
    runs = 0;
    assert_int_equal(edo_test_seeds(eight_tasks, &(struct order){0}, 1, NULL), 0);
    if (seed > 1) {
        assert_int_equal(edo_test_seeds(fail_sometimes, &runs, seed - 1, NULL), 0);
        assert_int_equal(runs, seed - 1);
    }
    /* With one in the environment, only that. */
    setenv("EDO_SEED", "12345", 1);
    runs = 0;
    edo_test_seeds(fail_sometimes, &runs, 50, EDO_OPTIONS(edo_test_options, .quiet = true));
    unsetenv("EDO_SEED");
    assert_int_equal(runs, 1);
}

static int nothing(void *argument)
{
    return argument ? edo_test_run(nothing, NULL, NULL) : 0;
}

static void test_f2_wrong_options_are_refused(void **state)
{
    (void)state;
    assert_int_equal(edo_test_run(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .schedule = 3)), -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .depth = 17)), -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .tick = -1)), -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .latency_min = 5)), -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .latency_min = 5, .latency_max = 4)),
                     -EINVAL);
    assert_int_equal(edo_test_run(nothing, NULL, EDO_OPTIONS(edo_test_options, .impure = true, .real_kernel = true)),
                     -EINVAL);
    assert_int_equal(edo_test_seeds(nothing, NULL, 0, NULL), -EINVAL);
    assert_int_equal(edo_test_run(nothing, &(int){1}, EDO_OPTIONS(edo_test_options, .seed = 1, .quiet = true)), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t2_the_same_seed_gives_the_same_order),
        cmocka_unit_test(test_t2_the_same_seed_gives_the_same_priorities),
        cmocka_unit_test(test_fifo_changes_nothing_at_suspension_points),
        cmocka_unit_test(test_priorities_change_at_few_points),
        cmocka_unit_test(test_races_between_suspension_points_are_found),
        cmocka_unit_test(test_who_only_yields_does_not_starve_others),
        cmocka_unit_test(test_a_failing_run_tells_its_seed_which_repeats_it),
        cmocka_unit_test(test_an_abort_tells_the_seed),
        cmocka_unit_test(test_seeds_are_tried_until_one_fails),
        cmocka_unit_test(test_f2_wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
