/* SPDX-License-Identifier: MIT */
/*
 * Channels, broadcasts, watches and select under the sweeps (rules C2, C3, C6, F1): values sent are values received and
 * values kept, whoever is cancelled; an arm that has not happened has had no effect.
 */
#include "testing/sweeps.h"

enum { SENT, RECEIVED, SPAWNED, RAN, HEARD };
enum { VALUES = 4 };

/* --- Channels ----------------------------------------------------------------------------------------------------- */

static int sends(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    for (int i = 0; i < VALUES && rc == 0; i++) {
        int value = 1000 + i;

        rc = i % 2 ? edo_try_send(book->object[0], &value) : -EAGAIN;
        if (rc == -EAGAIN)
            rc = edo_send((edo_channel *)book->object[0], &value);
        CHECK(value == 1000 + i);
        book_add(book, SENT, rc == 0);
    }
    return rc;
}

static int receives(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    for (int i = 0; i < VALUES && rc == 0; i++) {
        int value = -1;

        rc = i % 2 ? edo_try_recv(&value, book->object[0]) : -EAGAIN;
        if (rc == -EAGAIN)
            rc = edo_recv(&value, (edo_channel *)book->object[0]);
        CHECK(rc == 0 ? value >= 1000 : value == -1);
        book_add(book, RECEIVED, rc == 0);
    }
    return rc;
}

/* Nobody uses it any more: what was sent and not received is in it. */
static void count_and_destroy(struct book *book)
{
    edo_channel *channel = EDO_TAKE(book->object[0]);

    CHECK_RC(book_get(book, RECEIVED) + (int64_t)edo_channel_count(channel), book_get(book, SENT));
    edo_channel_destroy(channel);
}

static int channel_of(struct book *book, size_t capacity)
{
    int rc = edo_channel_create((edo_channel **)&book->object[0], sizeof(int), capacity);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++) {
            rc = edo_spawn(scope, sends, book);
            if (rc == 0)
                rc = edo_spawn(scope, receives, book);
        }
    }
    count_and_destroy(book);
    return rc;
}

static int row_channel(void *argument)
{
    return channel_of(argument, 1);
}

static int row_rendezvous(void *argument)
{
    return channel_of(argument, 0);
}

static int row_unbounded(void *argument)
{
    return channel_of(argument, EDO_UNBOUNDED);
}

/* --- Select ------------------------------------------------------------------------------------------------------- */

static int three(void *argument)
{
    book_add(argument, RAN, 1);
    return edo_yield() < 0 ? -ECANCELED : 3;
}

/* Sends to itself or to another, receives, joins, until all has been done; or is cancelled. */
static int selects(void *argument)
{
    enum { GET, PUT, TASK, TIME };
    struct book *book = argument;
    edo_task *task = NULL;
    int got = -1;
    int put = 1;
    int result = 99;
    int rc = edo_spawn(edo_scope_current(), three, book, .handle = &task);

    book_add(book, SPAWNED, rc == 0);
    for (int i = 0; i < 6 && rc >= 0; i++) {
        edo_arm arms[] = {
            [GET] = EDO_RECV((edo_channel *)book->object[0], &got),
            [PUT] = EDO_SEND((edo_channel *)book->object[0], &put),
            [TASK] = EDO_JOINED(&result, task),
            [TIME] = EDO_AFTER(EDO_US(50)),
        };

        rc = edo_select(arms, EDO_COUNT(arms));
        CHECK(rc == -ECANCELED || (rc >= 0 && rc <= TIME));
        CHECK((got == 1) == (rc == GET && arms[GET].rc == 0));
        CHECK((result == 99) == (task == NULL ? result == 99 : rc != TASK));
        if (rc == GET)
            book_add(book, RECEIVED, arms[GET].rc == 0);
        if (rc == PUT)
            book_add(book, SENT, arms[PUT].rc == 0);
        if (rc == TASK) {
            CHECK(result == 3 || result == -ECANCELED);
            task = NULL;
            result = 99;
        }
        got = -1;
    }
    edo_detach(task); /* still good */
    return rc < 0 ? rc : 0;
}

static int row_select(void *argument)
{
    struct book *book = argument;
    int rc = edo_channel_create((edo_channel **)&book->object[0], sizeof(int), 1);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, selects, book);
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    count_and_destroy(book);
    return rc;
}

/* --- Broadcasts and watches --------------------------------------------------------------------------------------- */

static int hears(void *argument)
{
    struct book *book = argument;
    edo_subscription subscription;
    int64_t rc = 0;

    edo_subscribe(&subscription, book->object[1]);
    book_add(book, SPAWNED, 1);
    for (int last = -1; rc >= 0;) {
        int value = -1;

        rc = edo_hear(&value, &subscription);
        CHECK(rc >= 0 ? value > last : value == -1);
        last = value;
        book_add(book, HEARD, rc >= 0);
    }
    return rc == -EPIPE ? 0 : (int)rc;
}

static int row_broadcast(void *argument)
{
    struct book *book = argument;
    int rc = edo_broadcast_create((edo_broadcast **)&book->object[1], sizeof(int), 2);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, hears, book);
        for (int i = 0; i < 4 && rc == 0; i++) {
            rc = edo_yield();
            if (rc == 0)
                rc = edo_broadcast_send((edo_broadcast *)book->object[1], &i);
            rc = rc < 0 ? rc : 0;
        }
        edo_broadcast_close(book->object[1]);
    }
    edo_broadcast_destroy(book->object[1]);
    return rc;
}

static int watches(void *argument)
{
    struct book *book = argument;
    uint64_t version = 0;
    int last = -1;
    int rc = 0;

    while (rc >= 0 && last < 3) {
        int value = -1;
        uint64_t before = version;

        rc = edo_watch_changed(&value, &version, (edo_watch *)book->object[2]);
        CHECK(rc >= 0 ? value > last && version != before : value == -1 && version == before);
        last = value;
    }
    return rc == -EPIPE || rc >= 0 ? 0 : rc;
}

static int row_watch(void *argument)
{
    struct book *book = argument;
    int first = 0;
    int rc = edo_watch_create((edo_watch **)&book->object[2], &first);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, watches, book);
        for (int i = 1; i < 4 && rc == 0; i++) {
            rc = edo_yield();
            edo_watch_set((edo_watch *)book->object[2], &i);
        }
        edo_watch_close(book->object[2]);
    }
    edo_watch_destroy(book->object[2]);
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_channel_send edo_channel_recv edo_channel_try_send edo_channel_try_recv", row_channel, 20, true},
    {"edo_channel_send edo_channel_recv rendezvous", row_rendezvous, 20, true},
    {"edo_channel_send edo_channel_recv unbounded", row_unbounded, 20, true},
    {"edo_select", row_select, 16, true},
    {"edo_hear_sized", row_broadcast, 12, true},
    {"edo_watch_changed_sized", row_watch, 10, true},
};

static void test_c2_c3_c6_f1_every_call_bears_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
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
    assert_rows_are_complete("sweep_sync", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_c6_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_every_call_bears_faulty_weather),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
