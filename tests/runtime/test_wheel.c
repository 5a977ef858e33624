/* SPDX-License-Identifier: MIT */
/*
 * The timing wheel against a model that keeps its timers in a plain array and searches it. EDO_SEED=<number>
 * repeats a run.
 */
#include "runtime/wheel.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREVER INT64_MAX

enum { TICK = 1024, TIMERS = 400 };

static uint64_t seed, random_state;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t below(uint64_t limit)
{
    return random_number() % limit;
}

static int choose_seed(void **state)
{
    const char *given = getenv("EDO_SEED");

    (void)state;
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    random_state = seed | 1;
    print_message("             EDO_SEED=%" PRIu64 "\n", seed);
    return 0;
}

static int64_t round_up(int64_t deadline)
{
    if (deadline <= 0)
        return 0;
    return deadline > FOREVER - TICK ? deadline : (deadline + TICK - 1) / TICK * TICK;
}

/* --- The model
 * ---------------------------------------------------------------------------------------------------- */

struct timer {
    struct edo_wheel_node node;
    bool armed;
    int64_t due;    /* when it may come: its deadline, or the time reached when it was added if that was later */
    uint64_t order; /* in which it was added */
};

static struct timer timers[TIMERS];
static struct edo_wheel wheel;
static int64_t reached; /* up to where the model's time has been handled; a whole tick */
static uint64_t orders;
static size_t armed;

static void model_init(int64_t now)
{
    for (int i = 0; i < TIMERS; i++)
        timers[i] = (struct timer){0};
    reached = now <= 0 ? 0 : now / TICK * TICK;
    orders = 0;
    armed = 0;
    edo_wheel_init(&wheel, now);
}

static void model_add(struct timer *timer, int64_t deadline)
{
    timer->armed = true;
    timer->due = round_up(deadline) > reached ? round_up(deadline) : reached;
    timer->order = orders++;
    armed++;
    edo_wheel_add(&wheel, &timer->node, deadline);
    assert_true(edo_wheel_node_armed(&timer->node));
    assert_true(timer->node.deadline == deadline);
}

static void model_remove(struct timer *timer)
{
    assert_int_equal(edo_wheel_remove(&wheel, &timer->node), timer->armed);
    assert_false(edo_wheel_node_armed(&timer->node));
    armed -= timer->armed;
    timer->armed = false;
}

static struct timer *model_first(void)
{
    struct timer *first = NULL;

    for (int i = 0; i < TIMERS; i++)
        if (timers[i].armed &&
            (!first || timers[i].due < first->due || (timers[i].due == first->due && timers[i].order < first->order)))
            first = &timers[i];
    return first;
}

/* One expire, in the wheel and in the model. */
static struct timer *model_expire(int64_t now)
{
    struct edo_wheel_node *node = edo_wheel_expire(&wheel, now);
    struct timer *first = model_first();
    int64_t tick = now <= 0 ? 0 : now / TICK * TICK;

    if (!first || first->due > tick) {
        assert_null(node);
        if (reached < tick)
            reached = tick;
        return NULL;
    }
    assert_ptr_equal(node, &first->node);
    assert_false(edo_wheel_node_armed(node));
    assert_true(node->deadline <= now);
    reached = first->due;
    first->armed = false;
    armed--;
    return first;
}

static void check(bool exact)
{
    struct timer *first = model_first();
    int64_t next = edo_wheel_next(&wheel);

    edo_wheel_validate(&wheel);
    assert_int_equal(wheel.count, armed);
    if (!first) {
        assert_true(next == FOREVER);
        return;
    }
    /* Of what is due already, it is enough to be told that it is in the past. */
    if (next > first->due || (exact && next != first->due && next > reached))
        fail_msg("next is %" PRId64 ", first due %" PRId64 ", reached %" PRId64, next, first->due, reached);
}

/* Deadlines of all sizes, and those that sit on edges or on each other. */
static int64_t random_deadline(int64_t now)
{
    int64_t distance = (int64_t)(random_number() >> (1 + below(63)));

    switch (below(8)) {
    case 0:
        return timers[below(TIMERS)].node.deadline;
    case 1:
        return (int64_t)below((uint64_t)now + 1);
    case 2: {
        int64_t edge = (int64_t)1 << (10 + below(53));
        return now / edge < FOREVER / edge - 1 ? (now / edge + 1) * edge + (int64_t)below(3) - 1 : FOREVER - 1;
    }
    case 3:
        return now + (int64_t)below(64) * TICK;
    case 4:
        return (int64_t)-below(1000000);
    default:
        return now > FOREVER - distance ? FOREVER - (int64_t)below(2) : now + distance;
    }
}

static int64_t random_later(int64_t now)
{
    int64_t next = edo_wheel_next(&wheel);
    int64_t step = (int64_t)(random_number() >> (20 + below(44)));

    if (below(4) == 0 && next > now && next < FOREVER - (1 << 20))
        return next + (int64_t)below(3) - 1;
    return now > FOREVER - step ? FOREVER - 1 : now + step;
}

static void random_run(int64_t now, int rounds, bool removals)
{
    model_init(now);
    for (int round = 0; round < rounds; round++) {
        struct timer *timer = &timers[below(TIMERS)];

        switch (below(removals ? 8 : 4)) {
        case 0:
            now = random_later(now);
            /* Now and then stop in the middle of a round. */
            for (uint64_t most = below(4) == 0 ? below(4) : UINT64_MAX; most > 0; most--)
                if (!model_expire(now)) {
                    assert_true(edo_wheel_next(&wheel) > now || now > FOREVER - TICK);
                    break;
                }
            break;
        case 4:
        case 5:
        case 6:
            model_remove(timer);
            break;
        default:
            if (!timer->armed)
                model_add(timer, random_deadline(now));
        }
        if (round % 8 == 0)
            check(!removals);
    }
    while (model_expire(FOREVER)) {
    }
    check(false);
}

static void test_s4_random_operations_agree_with_the_model(void **state)
{
    (void)state;
    for (int run = 0; run < 40; run++)
        random_run(run % 4 == 0 ? 0 : (int64_t)(random_number() >> (1 + below(60))), 5000, true);
}

static void test_s4_next_is_exact_while_nothing_is_removed(void **state)
{
    (void)state;
    for (int run = 0; run < 40; run++)
        random_run(run % 4 == 0 ? 0 : (int64_t)(random_number() >> (1 + below(60))), 5000, false);
}

/* --- One thing at a time
 * ------------------------------------------------------------------------------------------ */

static void test_s4_a_new_wheel_is_empty(void **state)
{
    struct edo_wheel_node node = {0};

    (void)state;
    edo_wheel_init(&wheel, 12345678);
    edo_wheel_validate(&wheel);
    assert_true(edo_wheel_next(&wheel) == FOREVER);
    assert_null(edo_wheel_expire(&wheel, 12345678));
    assert_null(edo_wheel_expire(&wheel, FOREVER));
    assert_false(edo_wheel_node_armed(&node));
    assert_false(edo_wheel_remove(&wheel, &node));
    assert_int_equal(wheel.count, 0);
    assert_true(sizeof node <= 40);
}

/* Each deadline alone: not before it, at its tick at the latest, and next names that tick, whatever the
 * level. */
static void expect_alone(int64_t start, int64_t deadline)
{
    struct edo_wheel_node node = {0};
    int64_t tick = round_up(deadline);

    edo_wheel_init(&wheel, start);
    edo_wheel_add(&wheel, &node, deadline);
    edo_wheel_validate(&wheel);
    if (edo_wheel_next(&wheel) != tick)
        fail_msg("start %" PRId64 ", deadline %" PRId64 ": next is %" PRId64, start, deadline, edo_wheel_next(&wheel));
    if (tick > start)
        assert_null(edo_wheel_expire(&wheel, start));
    if (deadline > 0 && deadline - 1 >= start)
        assert_null(edo_wheel_expire(&wheel, deadline - 1));
    edo_wheel_validate(&wheel);
    assert_true(edo_wheel_next(&wheel) == tick);
    assert_ptr_equal(edo_wheel_expire(&wheel, tick > start ? tick : start), &node);
    assert_true(node.deadline == deadline);
    edo_wheel_validate(&wheel);
    assert_null(edo_wheel_expire(&wheel, tick > start ? tick : start));
    assert_true(edo_wheel_next(&wheel) == FOREVER);
}

static void test_s4_edges_of_every_level_are_met_exactly(void **state)
{
    static const int offsets[] = {-TICK - 1, -TICK, -TICK + 1, -2, -1, 0, 1, 2, TICK - 1, TICK, TICK + 1};

    (void)state;
    for (int level = 0; level < EDO_WHEEL_LEVELS; level++) {
        int64_t width = (int64_t)TICK << (6 * level);
        int64_t most = level == EDO_WHEEL_LEVELS - 1 ? 31 : 63; /* int64_t ends in the middle of the last level */

        for (int64_t slot = 1; slot <= most; slot++)
            for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
                expect_alone(0, slot * width + offsets[i]);
                if (slot * width > 3 * TICK)
                    expect_alone(slot * width - 2 * TICK, slot * width + offsets[i]);
                if (slot < most)
                    expect_alone(slot * width + 1, (slot + 1) * width + offsets[i]);
            }
    }
    for (int run = 0; run < 20000; run++) {
        int64_t start = (int64_t)(random_number() >> (2 + below(61)));

        expect_alone(start, start + 1 + (int64_t)(random_number() >> (2 + below(61))));
    }
}

static void test_s4_a_deadline_at_the_end_of_time_is_kept(void **state)
{
    struct edo_wheel_node last = {0}, never = {0}, soon = {0};

    (void)state;
    edo_wheel_init(&wheel, 1000);
    edo_wheel_add(&wheel, &never, FOREVER);
    assert_true(edo_wheel_next(&wheel) == FOREVER);
    edo_wheel_add(&wheel, &last, FOREVER - 1);
    assert_true(edo_wheel_next(&wheel) == FOREVER - 1);
    edo_wheel_add(&wheel, &soon, 5000);
    assert_ptr_equal(edo_wheel_expire(&wheel, FOREVER - 2), &soon);
    assert_null(edo_wheel_expire(&wheel, FOREVER - 2));
    edo_wheel_validate(&wheel);
    assert_true(edo_wheel_node_armed(&never));
    assert_true(edo_wheel_remove(&wheel, &last));
    assert_true(edo_wheel_remove(&wheel, &never));
    assert_true(edo_wheel_next(&wheel) == FOREVER);
    edo_wheel_validate(&wheel);
}

static void test_s4_a_past_deadline_is_due_at_once_and_after_what_was_due(void **state)
{
    struct edo_wheel_node nodes[4] = {{0}};

    (void)state;
    edo_wheel_init(&wheel, EDO_WHEEL_SLOTS * TICK * 3);
    edo_wheel_add(&wheel, &nodes[0], 0);
    edo_wheel_add(&wheel, &nodes[1], -5);
    edo_wheel_add(&wheel, &nodes[2], INT64_MIN);
    edo_wheel_add(&wheel, &nodes[3], EDO_WHEEL_SLOTS * TICK * 3);
    edo_wheel_validate(&wheel);
    assert_true(edo_wheel_next(&wheel) <= EDO_WHEEL_SLOTS * TICK * 3);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(edo_wheel_expire(&wheel, EDO_WHEEL_SLOTS * TICK * 3), &nodes[i]);
    assert_null(edo_wheel_expire(&wheel, EDO_WHEEL_SLOTS * TICK * 3));
}

static void test_s4_equal_deadlines_come_in_the_order_they_were_added(void **state)
{
    static struct edo_wheel_node nodes[300];
    int64_t deadline = (int64_t)TICK << 20, now = 0;

    (void)state;
    edo_wheel_init(&wheel, 0);
    /* Time advances between the additions, so that they start on different levels. */
    for (int i = 0; i < 300; i++) {
        nodes[i] = (struct edo_wheel_node){0};
        edo_wheel_add(&wheel, &nodes[i], deadline);
        now += (deadline - now) / 16;
        assert_null(edo_wheel_expire(&wheel, now));
    }
    edo_wheel_validate(&wheel);
    for (int i = 0; i < 300; i++)
        assert_ptr_equal(edo_wheel_expire(&wheel, deadline), &nodes[i]);
    assert_null(edo_wheel_expire(&wheel, deadline));
}

static void test_s4_removed_from_anywhere_never_comes(void **state)
{
    struct edo_wheel_node nodes[6] = {{0}};

    (void)state;
    edo_wheel_init(&wheel, 0);
    for (int i = 0; i < 6; i++)
        edo_wheel_add(&wheel, &nodes[i], i < 3 ? EDO_WHEEL_SLOTS * TICK * 70 : EDO_WHEEL_SLOTS * TICK * 9000);
    assert_true(edo_wheel_remove(&wheel, &nodes[1]));
    assert_false(edo_wheel_remove(&wheel, &nodes[1]));
    assert_true(edo_wheel_remove(&wheel, &nodes[0]));
    assert_true(edo_wheel_remove(&wheel, &nodes[5]));
    edo_wheel_validate(&wheel);
    assert_ptr_equal(edo_wheel_expire(&wheel, FOREVER - 1), &nodes[2]);
    assert_ptr_equal(edo_wheel_expire(&wheel, FOREVER - 1), &nodes[3]);
    assert_true(edo_wheel_remove(&wheel, &nodes[4])); /* due, but not yet handed out */
    assert_null(edo_wheel_expire(&wheel, FOREVER - 1));
    assert_false(edo_wheel_remove(&wheel, &nodes[3]));
}

static void test_s4_what_expired_is_held_until_it_is_removed(void **state)
{
    struct edo_wheel_node nodes[4] = {{0}};

    (void)state;
    edo_wheel_init(&wheel, 0);
    assert_null(edo_wheel_held(&wheel));
    for (int i = 0; i < 4; i++)
        edo_wheel_add(&wheel, &nodes[i], (i + 1) * TICK);
    for (int i = 0; i < 3; i++)
        edo_wheel_hold(&wheel, edo_wheel_expire(&wheel, 3 * TICK));
    assert_null(edo_wheel_expire(&wheel, 3 * TICK)); /* not twice */
    edo_wheel_validate(&wheel);
    assert_int_equal(wheel.count, 4);
    assert_true(edo_wheel_next(&wheel) == 4 * TICK);
    assert_true(edo_wheel_node_armed(&nodes[1]));
    assert_true(edo_wheel_remove(&wheel, &nodes[1])); /* from the middle */
    assert_false(edo_wheel_remove(&wheel, &nodes[1]));
    assert_ptr_equal(edo_wheel_held(&wheel), &nodes[0]); /* in order */
    assert_true(edo_wheel_remove(&wheel, &nodes[0]));
    assert_ptr_equal(edo_wheel_held(&wheel), &nodes[2]);
    edo_wheel_validate(&wheel);
    assert_true(edo_wheel_remove(&wheel, &nodes[2]));
    assert_null(edo_wheel_held(&wheel));
    assert_ptr_equal(edo_wheel_expire(&wheel, 4 * TICK), &nodes[3]);
    assert_int_equal(wheel.count, 0);
}

static void test_s4_a_jump_of_years_brings_everything_in_order(void **state)
{
    int64_t due = 0;
    int count = 0;

    (void)state;
    model_init(0);
    for (int i = 0; i < TIMERS; i++)
        model_add(&timers[i], (int64_t)(random_number() >> (2 + below(61))));
    for (struct timer *timer; (timer = model_expire(FOREVER)) != NULL; count++) {
        assert_true(timer->due >= due);
        due = timer->due;
    }
    assert_int_equal(count, TIMERS);
}

static void test_s4_a_clock_that_went_back_brings_nothing_early(void **state)
{
    struct edo_wheel_node near = {0}, far = {0};

    (void)state;
    edo_wheel_init(&wheel, 0);
    assert_null(edo_wheel_expire(&wheel, 100 * TICK));
    edo_wheel_add(&wheel, &far, 200 * TICK);
    edo_wheel_add(&wheel, &near, 120 * TICK);
    assert_null(edo_wheel_expire(&wheel, 50 * TICK));
    edo_wheel_validate(&wheel);
    assert_null(edo_wheel_expire(&wheel, 119 * TICK));
    assert_ptr_equal(edo_wheel_expire(&wheel, 120 * TICK), &near);
    assert_null(edo_wheel_expire(&wheel, 0));
    assert_null(edo_wheel_expire(&wheel, 199 * TICK));
    assert_ptr_equal(edo_wheel_expire(&wheel, 200 * TICK), &far);
}

/* A timer may rearm itself from within a round. */
static void test_s4_rearming_within_a_round_is_safe(void **state)
{
    struct edo_wheel_node node = {0};
    int64_t now = 0;

    (void)state;
    edo_wheel_init(&wheel, 0);
    edo_wheel_add(&wheel, &node, 1000000);
    for (int i = 0; i < 1000; i++) {
        now = edo_wheel_next(&wheel);
        assert_ptr_equal(edo_wheel_expire(&wheel, now), &node);
        edo_wheel_add(&wheel, &node, node.deadline + 1000000);
        assert_null(edo_wheel_expire(&wheel, now));
    }
    assert_true(now == round_up(1000 * 1000000));
}

/* --- Wake-ups
 * ----------------------------------------------------------------------------------------------------- */

static void test_s4_one_wakeup_for_each_tick_that_is_due(void **state)
{
    (void)state;
    model_init((int64_t)(random_number() >> 30));
    for (int i = 0; i < TIMERS; i++)
        model_add(&timers[i], reached + 1 + (int64_t)(random_number() >> (10 + below(50))));
    while (armed) {
        int64_t now = edo_wheel_next(&wheel);

        assert_non_null(model_expire(now));
        while (model_expire(now)) {
        }
        check(true);
    }
}

/* A removal may leave one wake-up that finds nothing, and that only once. */
static void test_s4_wakeups_in_vain_are_fewer_than_removals(void **state)
{
    int removed = 0, in_vain = 0;

    (void)state;
    model_init((int64_t)(random_number() >> 30));
    for (int i = 0; i < TIMERS; i++)
        model_add(&timers[i], reached + 1 + (int64_t)(random_number() >> (10 + below(50))));
    for (int i = 0; i < TIMERS; i += 2, removed++)
        model_remove(&timers[i]);
    while (armed) {
        int64_t now = edo_wheel_next(&wheel);

        in_vain += !model_expire(now);
        while (model_expire(now)) {
        }
        check(false);
    }
    assert_true(in_vain <= removed);
}

static void test_s4_next_is_exact_again_when_the_earliest_left_an_empty_slot(void **state)
{
    struct edo_wheel_node early = {0}, late = {0};

    (void)state;
    edo_wheel_init(&wheel, 0);
    edo_wheel_add(&wheel, &late, 5000 * (int64_t)TICK);
    edo_wheel_add(&wheel, &early, 100 * (int64_t)TICK);
    assert_true(edo_wheel_next(&wheel) == 100 * (int64_t)TICK);
    edo_wheel_remove(&wheel, &early);
    assert_true(edo_wheel_next(&wheel) == 5000 * (int64_t)TICK);
    edo_wheel_add(&wheel, &early, 200 * (int64_t)TICK);
    assert_true(edo_wheel_next(&wheel) == 200 * (int64_t)TICK);
}

/* Its bit may still be set, its old bound may not count. */
static void test_s4_a_slot_that_was_empty_knows_nothing_of_earlier_deadlines(void **state)
{
    struct edo_wheel_node node = {0};

    (void)state;
    edo_wheel_init(&wheel, 0);
    edo_wheel_add(&wheel, &node, 100 * (int64_t)TICK);
    edo_wheel_remove(&wheel, &node);
    edo_wheel_validate(&wheel);
    edo_wheel_add(&wheel, &node, 120 * (int64_t)TICK); /* the same slot of level 1 */
    assert_true(edo_wheel_next(&wheel) == 120 * (int64_t)TICK);
    edo_wheel_remove(&wheel, &node);
    assert_true(edo_wheel_next(&wheel) == INT64_MAX);
    assert_null(edo_wheel_expire(&wheel, 1000 * (int64_t)TICK));
    edo_wheel_validate(&wheel);
}

/* --- The checker itself
 * ------------------------------------------------------------------------------------------- */

static struct edo_wheel_node victim, neighbour;

static void break_count(void)
{
    wheel.count++;
}

static void break_bit(void)
{
    wheel.in_use[0] ^= 1;
}

static void break_level(void)
{
    wheel.levels ^= 1u << 8;
}

static void break_link(void)
{
    neighbour.prev = &neighbour;
}

static void break_held(void)
{
    edo_wheel_remove(&wheel, &neighbour);
    edo_wheel_hold(&wheel, &neighbour);
    neighbour.prev = &neighbour;
}

static void break_place(void)
{
    victim.deadline += EDO_WHEEL_SLOTS * TICK;
}

static void break_bound(void)
{
    victim.prev->deadline = victim.deadline + 1;
}

static void test_s4_validate_finds_what_is_broken(void **state)
{
    void (*const damage[])(void) = {break_count, break_bit,   break_level, break_link,
                                    break_held,  break_place, break_bound};

    (void)state;
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            fclose(stderr);
            victim = neighbour = (struct edo_wheel_node){0};
            edo_wheel_init(&wheel, 0);
            edo_wheel_add(&wheel, &victim, 100 * TICK);
            edo_wheel_add(&wheel, &neighbour, 100 * TICK);
            edo_wheel_validate(&wheel);
            damage[i]();
            edo_wheel_validate(&wheel);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("damage %zu was not found", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s4_a_new_wheel_is_empty),
        cmocka_unit_test(test_s4_edges_of_every_level_are_met_exactly),
        cmocka_unit_test(test_s4_a_deadline_at_the_end_of_time_is_kept),
        cmocka_unit_test(test_s4_a_past_deadline_is_due_at_once_and_after_what_was_due),
        cmocka_unit_test(test_s4_equal_deadlines_come_in_the_order_they_were_added),
        cmocka_unit_test(test_s4_removed_from_anywhere_never_comes),
        cmocka_unit_test(test_s4_what_expired_is_held_until_it_is_removed),
        cmocka_unit_test(test_s4_a_jump_of_years_brings_everything_in_order),
        cmocka_unit_test(test_s4_a_clock_that_went_back_brings_nothing_early),
        cmocka_unit_test(test_s4_rearming_within_a_round_is_safe),
        cmocka_unit_test(test_s4_one_wakeup_for_each_tick_that_is_due),
        cmocka_unit_test(test_s4_wakeups_in_vain_are_fewer_than_removals),
        cmocka_unit_test(test_s4_next_is_exact_again_when_the_earliest_left_an_empty_slot),
        cmocka_unit_test(test_s4_a_slot_that_was_empty_knows_nothing_of_earlier_deadlines),
        cmocka_unit_test(test_s4_random_operations_agree_with_the_model),
        cmocka_unit_test(test_s4_next_is_exact_while_nothing_is_removed),
        cmocka_unit_test(test_s4_validate_finds_what_is_broken),
    };

    return cmocka_run_group_tests_name("runtime/wheel", tests, choose_seed, NULL);
}
