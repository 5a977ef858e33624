/* SPDX-License-Identifier: MIT */
/*
 * Host names and connecting by them under the sweeps (rules C2, F1): whatever is cancelled or refused, no task, descriptor or
 * memory is left. Names are simulated, or the table's own resolver answers them; no
 * name server is asked.
 */
#include "testing/sweeps.h"

#include "platform/names.h"

enum { FOUND };

/* The sweeps know errno's range only. */
static int plain(int rc)
{
    return rc < EDO_ERRNO_LAST ? -EHOSTUNREACH : rc;
}

/* --- Names ------------------------------------------------------------------------------------------------------------ */

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

static const struct row rows[] = {
    {"edo_resolve", row_lane, 6, false},
    {"edo_resolve edo_sleep", row_simulated, 10, true},
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

static int end(void **state)
{
    (void)state;
    edo_platform = &edo_platform_system;
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
        cmocka_unit_test_setup_teardown(test_c2_f1_names_bear_everything, begin, end),
        cmocka_unit_test_setup_teardown(test_f1_names_bear_the_weather, begin, end),
        cmocka_unit_test(test_every_function_about_names_that_waits_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
