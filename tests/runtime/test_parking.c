/* SPDX-License-Identifier: MIT */
/*
 * Lines of waiters as sync/ uses them: the place of one that comes back, what a taker tells, giving up, and many lines
 * in one bucket. What edo_wait_word promises is tested in test_park.c.
 */
#include "helpers.h"

#include "runtime/parking.h"

enum { PLACES = 6 };

static char object;
static int order[64], count;

/* Waits until it is told 7; told anything else, it comes back. */
static int waits_for_seven(void *argument)
{
    struct edo_parked waiter;
    int rc;

    edo_parked_init(&waiter, EDO_PARKED_WORD, (int64_t)(intptr_t)argument);
    do {
        struct edo_line line;

        edo_line_begin(&line, &object);
        rc = edo_line_wait(&line, &waiter, EDO_FOREVER);
        if (rc < 0)
            edo_line_end(&line);
    } while (rc == 0 && waiter.told != 7);
    CHECK_RC(rc, 0);
    order[count++] = (int)waiter.want;
    return 0;
}

/* Takes `number` of them from the front and tells them something. */
static void take(int number, uint32_t told)
{
    struct edo_line line;

    edo_line_begin(&line, &object);
    for (int i = 0; i < number && CHECK(line.first != NULL); i++)
        edo_line_take(&line, line.first, told);
    edo_line_end(&line);
    edo_sleep(EDO_MS(1));
}

static int places_root(void *argument)
{
    int rc = 0;

    (void)argument;
    count = 0;
    EDO_SCOPE (scope, &rc) {
        for (intptr_t i = 0; i < PLACES; i++)
            CHECK_RC(edo_spawn(scope, waits_for_seven, (void *)i), 0);
        edo_sleep(EDO_MS(1));
        take(1, 1);          /* the first, which comes back to the front */
        take(PLACES - 1, 2); /* all but the last, which now come back in any order, before it */
        take(PLACES, 3);     /* and all, into an empty line */
        for (int i = 0; i < PLACES; i++) {
            take(1, 7);
            CHECK_RC(count, i + 1);
            CHECK_RC(order[i], i);
        }
        CHECK(!edo_line_waited_for(&object));
    }
    return rc;
}

static void test_who_comes_back_keeps_its_place(void **state)
{
    (void)state;
    assert_int_equal(run_alone(places_root, NULL), 0);
}

static int gives_up(void *argument)
{
    struct edo_parked waiter;
    struct edo_line line;
    int rc;

    (void)argument;
    edo_parked_init(&waiter, EDO_PARKED_WORD, 0);
    edo_line_begin(&line, &object);
    rc = edo_line_wait(&line, &waiter, edo_now() + EDO_MS(10));
    CHECK_RC(rc, -ETIMEDOUT);
    if (rc < 0) {
        struct edo_parked *first = line.first;

        edo_line_end(&line);
        edo_line_begin(&line, &object); /* nobody else has had a turn */
        CHECK(line.first == first);
        edo_line_end(&line);
    }
    count++;
    return 0;
}

/*
 * From the front, from the middle and from the end they leave; those that stay are in order, and who is first is known.
 */
static int leaving_root(void *argument)
{
    int rc = 0;

    (void)argument;
    count = 0;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, gives_up, NULL), 0);
        edo_sleep(EDO_US(10));
        for (intptr_t i = 0; i < PLACES; i++) {
            CHECK_RC(edo_spawn(scope, waits_for_seven, (void *)i), 0);
            edo_sleep(EDO_US(10));
            if (i % 2)
                CHECK_RC(edo_spawn(scope, gives_up, NULL), 0);
            edo_sleep(EDO_US(10));
        }
        edo_sleep(EDO_MS(20));
        CHECK_RC(count, 1 + PLACES / 2);
        count = 0;
        for (int i = 0; i < PLACES; i++) {
            take(1, 7);
            CHECK_RC(order[i], i);
        }
        CHECK(!edo_line_waited_for(&object));
    }
    return rc;
}

static void test_those_that_give_up_leave_the_order_to_the_others(void **state)
{
    (void)state;
    assert_int_equal(run_alone(leaving_root, NULL), 0);
}

/*
 * More lines than there are buckets, each of two, which go away from the front, the middle and the end of their
 * buckets.
 */
static char objects[5000];
static int left;

static int waits_at(void *argument)
{
    struct edo_parked waiter;
    struct edo_line line;

    edo_parked_init(&waiter, EDO_PARKED_WORD, 0);
    edo_line_begin(&line, argument);
    CHECK_RC(edo_line_wait(&line, &waiter, EDO_FOREVER), 0);
    CHECK(waiter.told == (uint32_t)((char *)argument - objects));
    left--;
    return 0;
}

static int lines_root(void *argument)
{
    int rc = 0;

    (void)argument;
    left = 2 * (int)EDO_COUNT(objects);
    EDO_SCOPE (scope, &rc) {
        for (size_t i = 0; i < 2 * EDO_COUNT(objects) && rc == 0; i++)
            rc = edo_spawn(scope, waits_at, &objects[i % EDO_COUNT(objects)], .stack_size = 16384);
        CHECK_RC(rc, 0);
        edo_sleep(EDO_MS(1));
        for (size_t i = 0; i < EDO_COUNT(objects); i++) {
            size_t at = i * 1237 % EDO_COUNT(objects);
            struct edo_line line;

            edo_line_begin(&line, &objects[at]);
            while (line.first)
                edo_line_take(&line, line.first, (uint32_t)at);
            edo_line_end(&line);
            CHECK(!edo_line_waited_for(&objects[at]));
        }
    }
    CHECK_RC(left, 0);
    return rc;
}

static void test_many_lines_share_a_bucket(void **state)
{
    (void)state;
    assert_int_equal(run_alone(lines_root, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        virtual_test(test_who_comes_back_keeps_its_place),
        virtual_test(test_those_that_give_up_leave_the_order_to_the_others),
        virtual_test(test_many_lines_share_a_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
