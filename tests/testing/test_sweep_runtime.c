/* SPDX-License-Identifier: MIT */
/*
 * Tasks, scopes, time, words and blocking work under the sweeps (rules C1 to C10, F1): whatever happens to each of
 * their calls, what was spawned has run, what was refused has not happened, and nothing is left behind.
 */
#include "testing/sweeps.h"

#include "runtime/scope.h"

/* --- Joining ------------------------------------------------------------------------------------------------------ */

enum { SPAWNED, RAN, REFUSED, DROPPED, GIVEN, CONSUMED };

static int two_turns(void *argument)
{
    int first = edo_yield();
    int second = edo_yield();

    book_add(argument, RAN, 1);
    return first < 0 || second < 0 ? -ECANCELED : 7;
}

static int row_join(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_task *task = NULL;
        int result = 99;

        rc = edo_spawn(scope, two_turns, book, .handle = &task);
        book_add(book, SPAWNED, rc == 0);
        if (rc == 0) {
            rc = edo_join(&result, task);
            CHECK(rc == 0 || rc == -ECANCELED);
            CHECK(rc == 0 ? (result == 7 || result == -ECANCELED) && edo_task_done(task) : result == 99);
            if (rc < 0)
                edo_detach(task); /* the handle is still good */
        }
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc;
}

static int row_scope_join(void *argument)
{
    struct book *book = argument;
    edo_scope scope;
    int rc = edo_scope_begin(&scope, EDO_HERE, EDO_OPTIONS(edo_scope_options, .policy = EDO_SUPERVISE));

    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = edo_spawn(&scope, two_turns, book);
        book_add(book, SPAWNED, rc == 0);
    }
    CHECK_RC(edo_scope_join(&scope), 0);
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    if (rc == 0) {
        rc = edo_spawn(&scope, two_turns, book);
        book_add(book, SPAWNED, rc == 0);
    }
    rc = edo_scope_end(&scope, rc);
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc;
}

/* A tree: scopes in scopes, the first failure cancels. */
static int branch(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++) {
            rc = edo_spawn(scope, two_turns, book);
            book_add(book, SPAWNED, rc == 0);
        }
        if (rc == 0)
            rc = edo_yield();
    }
    return rc < 0 ? rc : 0;
}

static int row_tree(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (outer, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(outer, branch, book);
        if (rc == 0)
            rc = branch(book);
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc;
}

static int fails_late(void *argument)
{
    (void)argument;
    return edo_yield() < 0 ? -ECANCELED : -EXDEV;
}

static int row_fail_fast(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, two_turns, book);
        book_add(book, SPAWNED, rc == 0);
        if (rc == 0)
            rc = edo_spawn(scope, fails_late, book);
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(1000));
        CHECK(rc < 0);
    }
    CHECK(rc < 0);
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc == -EXDEV ? 0 : rc;
}

static int row_detached(void *argument)
{
    struct book *book = argument;
    int rc = edo_spawn(EDO_DETACHED, two_turns, book);

    if (rc == 0)
        rc = edo_spawn(edo_root_scope(), branch, book);
    return rc < 0 ? rc : edo_yield();
}

/* --- Time --------------------------------------------------------------------------------------------------------- */

static int sleep_long(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000));
}

static int row_timeout(void *argument)
{
    int rc = 0;

    EDO_TIMEOUT (EDO_US(50), &rc)
        rc = sleep_long(argument);
    CHECK(rc == -ETIMEDOUT || rc == -ECANCELED);
    if (rc == -ETIMEDOUT)
        rc = edo_with_timeout(EDO_US(50), sleep_long, argument);
    CHECK(rc == -ETIMEDOUT || rc == -ECANCELED);
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* EDO_CANCELS_INNERMOST cancels the shield's own scope. */
static bool cancelled_itself(edo_scope *scope)
{
    return atomic_load(&edo_scope_of(scope)->flags) & EDO_SCOPE_OWN;
}

static int row_shield(void *argument)
{
    struct book *book = argument;
    int rc = edo_sleep(EDO_US(20));

    if (rc == 0) {
        EDO_SHIELD (EDO_SEC(1000)) {
            rc = edo_sleep(EDO_US(20));
            CHECK(rc == 0 || (rc == -ECANCELED && cancelled_itself(edo_scope_current())));
            rc = edo_spawn(edo_scope_current(), two_turns, book);
            book_add(book, SPAWNED, rc == 0);
        }
        CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    }
    if (rc == 0)
        rc = edo_checkpoint();
    return rc;
}

static int row_time(void *argument)
{
    edo_interval interval;
    int64_t rc = edo_interval_init(&interval, EDO_US(20), EDO_MISSED_DELAY);

    (void)argument;
    CHECK_RC(rc, 0);
    for (int i = 0; i < 2 && rc >= 0; i++) {
        int64_t next = interval.next_;

        rc = edo_interval_tick(&interval);
        CHECK(rc >= 0 ? interval.next_ > next : rc == -ECANCELED && interval.next_ == next);
    }
    if (rc >= 0)
        rc = edo_sleep(EDO_US(20));
    if (rc >= 0)
        rc = edo_sleep_until(edo_now() + EDO_US(20));
    if (rc >= 0)
        rc = edo_sleep(0);
    if (rc >= 0)
        rc = edo_yield();
    if (rc >= 0)
        rc = edo_checkpoint();
    return rc < 0 ? (int)rc : 0;
}

/* --- Blocking work ------------------------------------------------------------------------------------------------ */

static int job(void *argument)
{
    book_add(argument, RAN, 1);
    return 8;
}

static void drop(void *argument)
{
    book_add(argument, DROPPED, 1);
}

static int job_of_copy(void *argument)
{
    return job(*(struct book **)argument);
}

static void drop_of_copy(void *argument)
{
    drop(*(struct book **)argument);
}

/* Run or dropped, exactly once: an abandonable job may be both, run first. */
static int row_blocking(void *argument)
{
    struct book *book = argument;
    int rc = edo_blocking(job, book, .drop = drop);

    CHECK(rc == 8 || rc < 0);
    CHECK_RC(book_get(book, RAN), rc == 8);
    CHECK_RC(book_get(book, DROPPED), rc < 0);
    if (rc < 0)
        return rc;
    rc = edo_blocking(job_of_copy, &book, .copy = sizeof book, .drop = drop_of_copy);
    CHECK(rc == 8 || rc < 0);
    CHECK_RC(book_get(book, RAN), rc == 8 ? 2 : 1);
    CHECK_RC(book_get(book, DROPPED), rc < 0);
    return rc < 0 ? rc : 0;
}

static int job_on_its_own(void *argument)
{
    (void)argument;
    return 8;
}

static void drop_nothing(void *argument)
{
    edo_release(*(void **)argument);
}

/* What is abandoned may run on after the book is closed: it owns what it touches. */
static int row_abandonable(void *argument)
{
    void *owned = edo_allocate(16);
    int rc;

    (void)argument;
    if (!owned)
        return -ENOMEM;
    rc = edo_blocking(job_on_its_own, &owned, .copy = sizeof owned, .abandonable = true, .drop = drop_nothing);
    if (rc >= 0)
        edo_release(owned);
    CHECK(rc == 8 || rc < 0);
    return rc < 0 ? rc : 0;
}

/* A region is begun or refused; within it nothing is cancelled. */
static int row_region(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = edo_blocking_begin();
        CHECK(rc == 0 || rc == -ECANCELED);
        if (rc == 0) {
            book_add(book, RAN, 1);
            edo_blocking_end();
            CHECK(!edo_cancelled()); /* then it would not have begun */
        }
        if (rc == 0)
            rc = edo_yield();
    }
    CHECK(rc == -ECANCELED || book_get(book, RAN) == 2);
    return rc;
}

static int inner_root(void *argument)
{
    int rc = edo_yield();

    if (rc == 0)
        rc = branch(argument);
    return rc < 0 ? rc : 5;
}

static int row_nested(void *argument)
{
    struct book *book = argument;
    int rc = edo_run(inner_root, book, EDO_OPTIONS(edo_run_options, .workers = 1));

    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    CHECK(rc == 5 || rc < 0);
    return rc < 0 ? rc : 0;
}

/* --- Words -------------------------------------------------------------------------------------------------------- */

static int waiter(void *argument)
{
    struct book *book = argument;
    int rc = edo_wait_word(&book->word[0], 0, EDO_FOREVER);

    CHECK(rc == 0 || rc == -EAGAIN || rc == -ECANCELED);
    book_add(book, CONSUMED, rc == 0);
    return rc == -ECANCELED ? rc : 0;
}

/* Every wake that was given is consumed by one waiter, whoever is cancelled at the same moment. */
static int row_words(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(scope, waiter, book);
        for (int i = 0; i < 4; i++) {
            edo_yield();
            book_add(book, GIVEN, edo_wake_word(&book->word[0], 1));
        }
        book->word[0] = 1;
        book_add(book, GIVEN, edo_wake_word(&book->word[0], INT_MAX));
    }
    CHECK_RC(book_get(book, CONSUMED), book_get(book, GIVEN));
    if (rc == 0) {
        rc = edo_wait_word(&book->word[1], 0, edo_now() + EDO_US(20));
        CHECK(rc == -ETIMEDOUT || rc == -ECANCELED);
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* --- Dormant tasks ------------------------------------------------------------------------------------------------ */

static int resumed(void *argument)
{
    int why = edo_resumption();

    CHECK(why == 0 || why == -ECANCELED);
    CHECK(why == 0 || edo_cancelled());
    book_add(argument, RAN, 1);
    return why;
}

static int twice(void *argument)
{
    int why = edo_resumption();

    CHECK(why == 0 || why == -ECANCELED);
    return edo_continue(EDO_WHEN_AT(edo_now() + EDO_US(20)), resumed, argument);
}

static int goes_on_now(void *argument)
{
    return edo_continue(EDO_WHEN_NOW, twice, argument);
}

static int row_continue(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, goes_on_now, book);
        book_add(book, SPAWNED, rc == 0);
        if (rc == 0) {
            rc = edo_spawn(scope, twice, book, .when = EDO_WHEN_AT(edo_now() + EDO_US(20)));
            book_add(book, SPAWNED, rc == 0);
        }
        if (rc == 0) {
            rc = edo_spawn(scope, resumed, book, .when = EDO_WHEN_NOW, .stack_size = 65536);
            book_add(book, SPAWNED, rc == 0);
        }
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc;
}

static int copied(void *argument)
{
    return two_turns(*(struct book **)argument);
}

static int row_spawns(void *argument)
{
    struct book *book = argument;
    edo_task *task = NULL;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 40 && rc == 0; i++) { /* more than a worker has at hand */
            rc = edo_spawn(scope, copied, &book, .copy = sizeof book);
            book_add(book, SPAWNED, rc == 0);
        }
        if (rc == 0) {
            rc = edo_spawn(scope, two_turns, book, .pinned = true, .handle = &task, .stack_size = 1 << 20);
            book_add(book, SPAWNED, rc == 0);
        }
        edo_detach(task);
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_join", row_join, 5, false},
    {"edo_scope_begin edo_scope_end edo_scope_join", row_scope_join, 8, false},
    {"edo_scope_block_begin_ edo_scope_block_end_", row_tree, 16, false},
    {"edo_scope_cancel_at", row_fail_fast, 4, false},
    {"EDO_DETACHED", row_detached, 4, false},
    {"EDO_TIMEOUT edo_with_timeout", row_timeout, 4, false},
    {"EDO_SHIELD", row_shield, 4, false},
    {"edo_sleep edo_sleep_until edo_interval_tick edo_yield edo_checkpoint", row_time, 10, false},
    {"edo_blocking_with", row_blocking, 3, false},
    {"edo_blocking_with abandonable", row_abandonable, 1, false}, /* it may be done before it is waited for */
    {"edo_blocking_begin edo_blocking_end", row_region, 4, false},
    {"edo_run", row_nested, 1, false}, /* likewise */
    {"edo_wait_word", row_words, 10, false},
    {"edo_continue_with", row_continue, 8, false},
    {"edo_spawn_at", row_spawns, 80, false},
};

static void test_c1_c10_f1_every_call_bears_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++) {
        struct row simulated = rows[i];

        sweep_row(&rows[i]);
        simulated.simulated = true;
        simulated.least_points = 1; /* blocking work is done at once */
        if (rows[i].fn != row_nested)
            sweep_row(&simulated);
    }
}

static void test_f1_every_call_bears_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], edo_test_rounds(20));
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_runtime", rows, EDO_COUNT(rows));
}

static void test_every_public_function_is_in_the_list(void **state)
{
    FILE *map = fopen(EDO_MAP, "r");
    char line[256];
    int missing = 0;

    (void)state;
    assert_non_null(map);
    while (fgets(line, sizeof line, map)) {
        FILE *list = fopen(EDO_TEST_CASES "/waits", "r");
        char exported[128];
        char name[128];
        char by[64];
        bool found = sscanf(line, " edo_%120[a-z0-9_]", exported) != 1;

        assert_non_null(list);
        while (!found && fscanf(list, "%127s %63s", name, by) == 2)
            found = strcmp(name + strlen("edo_"), exported) == 0;
        fclose(list);
        if (!found)
            print_error("edo_%s is not in tests/testing/cases/waits\n", exported);
        missing += !found;
    }
    fclose(map);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_c10_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_every_call_bears_faulty_weather),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
        cmocka_unit_test(test_every_public_function_is_in_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
