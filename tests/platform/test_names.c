/* SPDX-License-Identifier: MIT */
/*
 * What the system table makes of getaddrinfo's answers. That one is this file's own, so that no name server is asked
 * and every answer can be had.
 */
#include "platform/names.h"
#include "platform/platform.h"

#include <edo/error.h>

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int answer;
static struct addrinfo *answer_list;
static struct addrinfo asked;
static char asked_host[256];
static int freed;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    assert_null(service);
    asked = *hints;
    strcpy(asked_host, host);
    if (answer == 0)
        *out = answer_list;
    else if (answer == EAI_SYSTEM)
        errno = EMFILE;
    return answer;
}

void freeaddrinfo(struct addrinfo *list)
{
    assert_ptr_equal(list, answer_list);
    freed++;
}

static void test_every_failure_has_its_code(void **state)
{
    const struct {
        int gai;
        int rc;
    } rows[] = {
        {EAI_NONAME, EDO_EDNS_UNKNOWN}, {EAI_NODATA, EDO_EDNS_NODATA}, {EAI_ADDRFAMILY, EDO_EDNS_NODATA},
        {EAI_AGAIN, EDO_EDNS_AGAIN},    {EAI_FAIL, EDO_EDNS_FAILED},   {EAI_MEMORY, -ENOMEM},
        {EAI_FAMILY, -EAFNOSUPPORT},    {EAI_SYSTEM, -EMFILE},         {EAI_BADFLAGS, EDO_EDNS_FAILED},
    };

    (void)state;
    freed = 0;
    for (size_t i = 0; i < EDO_COUNT(rows); i++) {
        struct edo_lookup lookup = {.host = "example.org"};

        answer = rows[i].gai;
        assert_int_equal(edo_platform_system.resolve(&lookup), rows[i].rc);
        assert_string_not_equal(edo_strerror(rows[i].rc), "unknown error");
    }
    assert_int_equal(freed, 0);
}

static struct sockaddr_in ip4 = {.sin_family = AF_INET};
static struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_scope_id = 3};
static struct sockaddr odd = {.sa_family = AF_UNIX};

static void test_addresses_come_in_the_order_of_the_list(void **state)
{
    struct addrinfo third = {.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&ip4, .ai_addrlen = sizeof ip4};
    struct addrinfo second = {.ai_family = AF_UNIX, .ai_addr = &odd, .ai_addrlen = sizeof odd, .ai_next = &third};
    struct addrinfo first = {
        .ai_family = AF_INET6, .ai_addr = (struct sockaddr *)&ip6, .ai_addrlen = sizeof ip6, .ai_next = &second};
    struct edo_lookup lookup = {.host = "example.org", .family = AF_INET6};

    (void)state;
    freed = 0;
    answer = 0;
    answer_list = &first;
    ip4.sin_addr.s_addr = htonl(0x0a000001);
    assert_int_equal(edo_platform_system.resolve(&lookup), 0);
    assert_string_equal(asked_host, "example.org");
    assert_int_equal(asked.ai_family, AF_INET6);
    assert_int_equal(asked.ai_socktype, SOCK_STREAM); /* each address once */
    assert_int_equal(lookup.count, 2);
    assert_int_equal(lookup.found[0].at.ip6.sin6_family, AF_INET6);
    assert_int_equal(lookup.found[0].at.ip6.sin6_scope_id, 3);
    assert_int_equal(lookup.found[1].at.ip4.sin_addr.s_addr, htonl(0x0a000001));
    assert_int_equal(freed, 1);
}

static void test_a_list_that_is_too_long_is_cut(void **state)
{
    static struct addrinfo many[EDO_LOOKUP_MOST + 3];
    struct edo_lookup lookup = {.host = "example.org"};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(many); i++)
        many[i] = (struct addrinfo){.ai_family = AF_INET,
                                    .ai_addr = (struct sockaddr *)&ip4,
                                    .ai_addrlen = sizeof ip4,
                                    .ai_next = i + 1 < EDO_COUNT(many) ? &many[i + 1] : NULL};
    answer = 0;
    answer_list = many;
    assert_int_equal(edo_platform_system.resolve(&lookup), 0);
    assert_int_equal(lookup.count, EDO_LOOKUP_MOST);
}

static void test_a_list_without_ip_addresses_is_no_data(void **state)
{
    struct addrinfo only = {.ai_family = AF_UNIX, .ai_addr = &odd, .ai_addrlen = sizeof odd};
    struct edo_lookup lookup = {.host = "example.org"};

    (void)state;
    answer = 0;
    answer_list = &only;
    assert_int_equal(edo_platform_system.resolve(&lookup), EDO_EDNS_NODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failure_has_its_code),
        cmocka_unit_test(test_addresses_come_in_the_order_of_the_list),
        cmocka_unit_test(test_a_list_that_is_too_long_is_cut),
        cmocka_unit_test(test_a_list_without_ip_addresses_is_no_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
