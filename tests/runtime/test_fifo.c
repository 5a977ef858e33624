/* SPDX-License-Identifier: MIT */
/*
 * The queue of a worker that is alone (rule S1), by itself: first in, first out, whatever was pushed, taken or turned
 * round before; and in a runtime, where turns go round.
 */
#include "helpers.h"

#include "runtime/fifo.h"

enum { TASKS = 12 };

static struct edo_task tasks[TASKS];

/* What ought to be in the queue. */
static struct {
    int numbers[TASKS];
    int count;
} model;

static int model_pop(void)
{
    int number = model.numbers[0];

    memmove(&model.numbers[0], &model.numbers[1], sizeof(int) * (size_t)--model.count);
    return number;
}

static void check(struct edo_fifo *fifo)
{
    const struct edo_task *task = fifo->first;

    assert_int_equal(edo_fifo_count(fifo), model.count);
    for (int i = 0; i < model.count; i++, task = task->next)
        assert_ptr_equal(task, &tasks[model.numbers[i]]);
    assert_null(task);
}

static int outside(const bool *inside, uint64_t *random)
{
    int number;

    do
        number = (int)(edo_test_random(random) % TASKS);
    while (inside[number]);
    return number;
}

static void test_s1_first_in_first_out_whatever_was_done_before(void **state)
{
    uint64_t random = edo_test_seed();
    bool inside[TASKS] = {false};
    struct edo_fifo fifo;

    (void)state;
    edo_fifo_init(&fifo);
    assert_null(edo_fifo_pop(&fifo));
    for (int i = 0; i < edo_test_rounds(100000); i++) {
        int what = (int)(edo_test_random(&random) % 4);
        int free = TASKS - model.count;

        if (what == 0 && free > 0) {
            int number = outside(inside, &random);

            edo_fifo_push(&fifo, &tasks[number]);
            inside[number] = true;
            model.numbers[model.count++] = number;
        } else if (what == 1 && free > 1) { /* a chain of two */
            int first = outside(inside, &random), last;

            inside[first] = true;
            last = outside(inside, &random);
            inside[last] = true;
            tasks[first].next = &tasks[last];
            edo_fifo_push_chain(&fifo, &tasks[first], &tasks[last], 2);
            model.numbers[model.count++] = first;
            model.numbers[model.count++] = last;
        } else if (what == 2 && model.count > 0 && free > 0) {
            int last = outside(inside, &random), first = model_pop();

            assert_ptr_equal(edo_fifo_rotate(&fifo, &tasks[last]), &tasks[first]);
            inside[first] = false;
            inside[last] = true;
            model.numbers[model.count++] = last;
        } else if (what == 3) {
            struct edo_task *task = edo_fifo_pop(&fifo);

            if (model.count == 0) {
                assert_null(task);
            } else {
                int first = model_pop();

                assert_ptr_equal(task, &tasks[first]);
                inside[first] = false;
            }
        }
        check(&fifo);
    }
}

enum { CROWD = 1000, ROUNDS = 50 };

static struct {
    int next; /* who has the next turn */
    bool wrong;
} circle;

static int goes_round(void *argument)
{
    int number = (int)(intptr_t)argument;

    for (int i = 0; i < ROUNDS; i++) {
        circle.wrong |= circle.next != number;
        circle.next = (number + 1) % CROWD;
        CHECK_RC(edo_yield(), 0);
    }
    return 0;
}

/*
 * Each of a thousand has its turn before any has its next, in the order in which they came; looks at poller and timers
 * lie between.
 */
static int circle_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < CROWD; i++)
            CHECK_RC(edo_spawn(scope, goes_round, (void *)(intptr_t)i), 0);
    }
    CHECK(!circle.wrong);
    CHECK(circle.next == 0);
    return rc;
}

static void test_s1_turns_go_round(void **state)
{
    (void)state;
    if (getenv("EDO_MIGRATE")) /* then all go by way of the global queue, from which the first comes first */
        return;
    assert_int_equal(run_alone(circle_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_first_in_first_out_whatever_was_done_before),
        cmocka_unit_test(test_s1_turns_go_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
