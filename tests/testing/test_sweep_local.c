/* SPDX-License-Identifier: MIT */
/*
 * Task-locals under the sweeps (rules C4, F1): whatever fails and whenever the task is cancelled, each value that a
 * task had is destroyed once, before its scope ends, and a value that was refused is still the caller's.
 */
#include "testing/sweeps.h"

enum { MADE, DESTROYED, SPAWNED, RAN };

struct value {
    struct book *book;
};

static struct value *value_new(struct book *book)
{
    struct value *value = edo_allocate(sizeof *value);

    if (value)
        value->book = book;
    book_add(book, MADE, value != NULL);
    return value;
}

static void value_destroy(void *argument)
{
    struct value *value = argument;

    edo_yield(); /* it may wait; refused or not, it goes on */
    book_add(value->book, DESTROYED, 1);
    edo_release(value);
}

/* A spawner's value must not be waited for, so this one yields nothing. */
static void value_destroy_at_once(void *argument)
{
    book_add(((struct value *)argument)->book, DESTROYED, 1);
    edo_release(argument);
}

static int value_inherit(void **child, void *argument)
{
    *child = value_new(((struct value *)argument)->book);
    return *child ? 0 : -ENOMEM;
}

static const edo_local own = EDO_LOCAL_INIT(.destroy = value_destroy);
static const edo_local handed = EDO_LOCAL_INIT(.destroy = value_destroy_at_once, .inherit = value_inherit);

static int set(const edo_local *key, struct book *book)
{
    struct value *value = value_new(book);
    int rc = value ? edo_local_set(key, value) : -ENOMEM;

    if (rc < 0 && value)
        value_destroy_at_once(value);
    return rc;
}

static int child(void *argument)
{
    struct book *book = *(struct book **)argument;
    int rc = set(&own, book);

    book_add(book, RAN, 1);
    CHECK(edo_local_get(&handed) != NULL);
    if (rc == 0)
        rc = edo_yield();
    if (rc == 0)
        rc = set(&own, book); /* the one before is destroyed */
    return rc;
}

static int parent(void *argument)
{
    struct book *book = argument;
    struct value bound = {book};
    int rc = set(&handed, book);

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 2 && rc == 0; i++) {
            rc = edo_spawn(scope, child, &book, .copy = sizeof book, .when = i ? EDO_WHEN_NOW : (edo_when){0});
            book_add(book, SPAWNED, rc == 0);
            if (rc == 0)
                EDO_WITH_LOCAL(&handed, &bound)
                {
                    rc = edo_spawn(scope, child, &book, .copy = sizeof book);
                    book_add(book, SPAWNED, rc == 0);
                }
        }
    return rc;
}

static int row_locals(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, parent, book);
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    CHECK_RC(book_get(book, DESTROYED), book_get(book, MADE));
    return rc;
}

static const struct row rows[] = {
    {"edo_local_set", row_locals, 8, false},
};

static void test_c4_f1_locals_bear_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_locals_bear_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], edo_test_rounds(20));
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_local", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c4_f1_locals_bear_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_locals_bear_faulty_weather),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
