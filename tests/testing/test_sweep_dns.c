/* SPDX-License-Identifier: MIT */
/*
 * Host names and connecting by them under the sweeps (rules C2, F1): whatever is cancelled or refused, no task,
 * descriptor or memory is left. Names are simulated, or the table's own resolver answers them; no name server is asked.
 */
#include "testing/sweeps.h"

#include "platform/names.h"

enum { FOUND, CONNECTED, TAKEN };

/* The sweeps know errno's range only. */
static int plain(int rc)
{
    return rc < EDO_ERRNO_LAST ? -EHOSTUNREACH : rc;
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

static int looks_up(void *argument)
{
    struct book *book = argument;
    edo_addr addresses[4];
    int rc = edo_resolve(addresses, 4, "two.example:80", NULL);

    if (rc < 0)
        return plain(rc);
    CHECK_RC(rc, 2);
    book_add(book, FOUND, 1);
    return 0;
}

static int looks_up_several(struct book *book)
{
    edo_addr address;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(scope, looks_up, book);
        if (rc == 0)
            rc = edo_resolve(&address, 1, "127.0.0.1:80", NULL);
        if (rc > 0)
            rc = edo_scope_join(scope);
        if (rc == 0)
            CHECK(book_get(book, FOUND) == 3 || edo_cancelled());
    }
    return rc;
}

/* In the lane's threads. */
static int row_lane(void *argument)
{
    return looks_up_several(argument);
}

static int row_simulated(void *argument)
{
    CHECK_RC(edo_test_host("two.example", "2001:db8::1 10.0.0.1", EDO_MS(20)), 0);
    return looks_up_several(argument);
}

/* --- Connecting by name ------------------------------------------------------------------------------------------- */

/* Takes what comes, until it is cancelled: each is one that a client has had, or given up. */
static int takes(void *argument)
{
    struct book *book = argument;
    int rc;

    for (;;) {
        edo_stream *stream;

        rc = edo_accept(&stream, book->object[0]);
        if (rc < 0)
            return rc == -ECANCELED ? 0 : rc;
        edo_close(stream);
        book_add(book, TAKEN, 1);
    }
}

static int connects(struct book *book, const char *text)
{
    edo_stream *stream = NULL;
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(60), &rc) { /* without memory for the next attempt those that hear nothing are left */
        rc = edo_tcp_connect(&stream, text, EDO_OPTIONS(edo_connect_options, .attempt_delay = EDO_MS(100)));
        CHECK((rc == 0) == (stream != NULL));
    }
    if (rc == 0)
        book_add(book, CONNECTED, 1);
    edo_close(stream);
    return plain(rc);
}

static int row_race(void *argument)
{
    struct book *book = argument;
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = edo_tcp_listen(&listener, "10.0.0.1:80", NULL);

    if (rc < 0)
        return rc;
    book->object[0] = listener;
    CHECK_RC(edo_test_host("late.example", "2001:db8::8 10.0.0.8 2001:db8::3 10.0.0.1", EDO_MS(20)), 0);
    CHECK_RC(edo_test_partition(NULL, "2001:db8::8"), 0);
    CHECK_RC(edo_test_partition(NULL, "10.0.0.8"), 0);
    EDO_SCOPE (scope, &rc) {
        edo_scope server;

        edo_scope_begin(&server, NULL, NULL);
        rc = edo_spawn(&server, takes, book);
        if (rc == 0)
            rc = connects(book, "late.example:80");
        if (rc == 0)
            rc = connects(book, "10.0.0.1:80");
        edo_scope_cancel(&server);
        rc = edo_scope_end(&server, rc);
    }
    if (rc == 0)
        CHECK_RC(book_get(book, CONNECTED), 2);
    return rc;
}

static const struct row rows[] = {
    {"edo_resolve", row_lane, 6, false},
    {"edo_resolve edo_sleep", row_simulated, 10, true},
    {"edo_tcp_connect edo_resolve", row_race, 12, true},
};

static struct edo_platform table;

static int answers(struct edo_lookup *lookup)
{
    lookup->count = 2;
    lookup->found[0].at.ip4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    lookup->found[1].at.ip6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return 0;
}

static int begin(void **state)
{
    (void)state;
    table = edo_platform_system;
    table.resolve = answers;
    edo_platform = &table;
    return 0;
}

static void test_c2_f1_names_bear_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_names_bear_the_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], 6);
}

static void test_every_function_about_names_that_waits_is_swept(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_dns", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c2_f1_names_bear_everything, begin, restore_table),
        cmocka_unit_test_setup_teardown(test_f1_names_bear_the_weather, begin, restore_table),
        cmocka_unit_test(test_every_function_about_names_that_waits_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
