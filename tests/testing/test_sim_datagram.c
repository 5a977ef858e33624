/* SPDX-License-Identifier: MIT */
/*
 * Datagrams on the simulated kernel: what is so on the system's is so there (the same program runs on both), nothing is
 * lost by default, and what weather does follows from the seed.
 */
#include "testing/seeds.h"

#include <edo/datagram.h>

/* --- On both kernels ---------------------------------------------------------------------------------------------- */

/* As long as a datagram is on its way. */
static void arrived(edo_datagram *datagram)
{
    CHECK_RC(edo_datagram_wait_readable(datagram, edo_now() + EDO_SEC(10)), 0);
}

static void udp_is_alike(const char *text, int family)
{
    edo_datagram *server = NULL;
    edo_datagram *client = NULL;
    edo_datagram *other = NULL;
    edo_addr address;
    edo_addr here;
    edo_addr from;
    char buffer[8];

    CHECK_RC(edo_udp_bind(&server, text, NULL), 0);
    CHECK_RC(edo_datagram_local(&address, server), 0);
    CHECK_RC(edo_datagram_bind(&other, &address, NULL), -EADDRINUSE);
    if (edo_addr_port(&address) > 0 && edo_addr_parse(&from, "127.0.0.1:0") == 0)
        edo_addr_set_port(&from, edo_addr_port(&address));
    CHECK_RC(edo_datagram_open(&client, family, NULL), 0);
    CHECK_RC(edo_datagram_send(client, "x", 1), -EDESTADDRREQ);
    CHECK_RC(edo_datagram_try_recv(client, buffer, 1), -EAGAIN);
    CHECK_RC(edo_datagram_send_to(client, "0123456789", 10, &from), 10);
    CHECK_RC(edo_datagram_send_to(client, NULL, 0, &from), 0);
    CHECK_RC(edo_datagram_set_peer(client, &from), 0);
    CHECK_RC(edo_datagram_peer(&here, client), 0);
    CHECK(edo_addr_equal(&here, &from));
    CHECK_RC(edo_datagram_recv_from(server, buffer, 4, &here), -EMSGSIZE);
    CHECK_RC(edo_datagram_recv_from(server, buffer, 4, &here), 0);
    CHECK_RC(edo_datagram_send_to(server, "back", 4, &here), 4);
    CHECK_RC(edo_datagram_recv(client, buffer, 4), 4);
    edo_datagram_close(EDO_TAKE(server));
    CHECK_RC(edo_datagram_send(client, "x", 1), 1);
    arrived(client); /* that nobody is there */
    CHECK_RC(edo_datagram_try_recv(client, buffer, 4), -ECONNREFUSED);
    CHECK_RC(edo_datagram_try_recv(client, buffer, 4), -EAGAIN);
    CHECK_RC(edo_datagram_set_peer(client, NULL), 0);
    CHECK_RC(edo_datagram_peer(&here, client), -ENOTCONN);
    edo_datagram_close(client);
}

static void unix_is_alike(void)
{
    edo_datagram *server = NULL;
    edo_datagram *client = NULL;
    edo_datagram *pair[2];
    edo_listener *listener = NULL;
    edo_addr address;
    edo_addr from;
    char buffer[8];
    ssize_t n;
    int count = 0;

    CHECK_RC(edo_unix_datagram_connect(&client, "@edo-sim-datagram", NULL), -ECONNREFUSED);
    CHECK_RC(edo_unix_datagram_connect(&client, "/nonexistent/path", NULL), -ENOENT);
    CHECK_RC(edo_unix_listen(&listener, "@edo-sim-datagram", NULL), 0);
    CHECK_RC(edo_unix_datagram_connect(&client, "@edo-sim-datagram", NULL), -ECONNREFUSED);
    edo_listener_close(listener);
    CHECK_RC(edo_unix_datagram_bind(&server, "@edo-sim-datagram", NULL), 0);
    CHECK_RC(edo_datagram_local(&address, server), 0);
    CHECK_RC(edo_unix_datagram_connect(&client, "@edo-sim-datagram", NULL), 0);
    while ((n = edo_datagram_try_send(client, "x", 1)) == 1)
        count++;
    CHECK_RC(n, -EAGAIN);
    CHECK(count > 0);
    CHECK_RC(edo_datagram_wait_writable(client, edo_now()), -ETIMEDOUT);
    while (count-- > 0)
        CHECK_RC(edo_datagram_recv_from(server, buffer, 1, &from), 1);
    CHECK_RC(from.size_, 0);
    CHECK_RC(edo_datagram_wait_writable(client, edo_now() + EDO_SEC(10)), 0);
    edo_datagram_close(server);
    CHECK_RC(edo_datagram_send(client, "x", 1), -ECONNREFUSED);
    CHECK_RC(edo_datagram_send(client, "x", 1), -ENOTCONN);
    edo_datagram_close(client);
    CHECK_RC(edo_datagram_pair(pair), 0);
    CHECK_RC(edo_datagram_send(pair[0], "one", 3), 3);
    CHECK_RC(edo_datagram_recv(pair[1], buffer, sizeof buffer), 3);
    edo_datagram_close(pair[0]);
    edo_datagram_close(pair[1]);
}

/* Names that others have, what has no name, and whom not everybody may speak to. */
static void refusals_are_alike(void)
{
    edo_datagram *pair[2];
    edo_datagram *udp = NULL;
    edo_datagram *six = NULL;
    edo_listener *listener = NULL;
    edo_listener *second = NULL;
    edo_addr address;
    edo_addr ip4;

    CHECK_RC(edo_datagram_pair(pair), 0);
    CHECK_RC(edo_datagram_local(&address, pair[0]), 0);
    CHECK_RC(edo_datagram_peer(&address, pair[0]), 0);
    edo_datagram_close(pair[0]);
    edo_datagram_close(pair[1]);
    CHECK_RC(edo_datagram_open(&udp, AF_INET, NULL), 0);
    CHECK_RC(edo_addr_parse(&address, "255.255.255.255:9"), 0);
    CHECK_RC(edo_datagram_send_to(udp, "x", 1, &address), -EACCES);
    CHECK_RC(edo_datagram_set_peer(udp, &address), -EACCES);
    edo_datagram_close(udp);
    CHECK_RC(edo_datagram_open(&udp, AF_INET, EDO_OPTIONS(edo_datagram_options, .broadcast = true)), 0);
    CHECK_RC(edo_datagram_set_peer(udp, &address), 0);
    edo_datagram_close(udp);
    CHECK_RC(edo_addr_parse(&ip4, "127.0.0.1:0"), 0);
    for (int only = 0; only < 2; only++) { /* "[::]" is any address of IPv4 too */
        CHECK_RC(edo_udp_bind(&six, "[::]:0", EDO_OPTIONS(edo_datagram_options, .ip6_only = only)), 0);
        CHECK_RC(edo_datagram_local(&address, six), 0);
        CHECK_RC(edo_addr_set_port(&ip4, edo_addr_port(&address)), 0);
        CHECK_RC(edo_datagram_bind(&udp, &ip4, NULL), only ? 0 : -EADDRINUSE);
        CHECK_RC(edo_datagram_send_to(six, "x", 1, &ip4), only ? -ENETUNREACH : 1);
        edo_datagram_close(six);
    }
    edo_datagram_close(udp);
    CHECK_RC(edo_tcp_listen(&listener, "[::]:0", NULL), 0);
    CHECK_RC(edo_listener_addr(&address, listener), 0);
    CHECK_RC(edo_addr_set_port(&ip4, edo_addr_port(&address)), 0);
    CHECK_RC(edo_listen(&second, &ip4, NULL), -EADDRINUSE);
    edo_listener_close(listener);
    CHECK_RC(edo_listen(&second, &ip4, NULL), 0);
    edo_listener_close(second);
}

static int alike(void *argument)
{
    (void)argument;
    udp_is_alike("127.0.0.1:0", AF_INET);
    udp_is_alike("0.0.0.0:0", AF_INET);
    unix_is_alike();
    refusals_are_alike();
    return 0;
}

static void test_t1_datagram_sockets_are_alike_on_both_kernels(void **state)
{
    (void)state;
    assert_int_equal(one_seed(alike, NULL, 1, EDO_OPTIONS(edo_test_options, .real_kernel = true)), 0);
    many_seeds(alike, NULL, 20, NULL);
}

/* --- On the simulated one ----------------------------------------------------------------------------------------- */

enum { MANY = 200 };

struct count {
    int sent;
    int came;
    int twice;
    int overtaken;
};

/* From one host to another, with pauses; counts what comes until nothing has come for long. */
static int count_them(void *argument)
{
    struct count *count = argument;
    bool seen[MANY] = {false};
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *client EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr here;
    int last = -1;
    int which;

    *count = (struct count){.sent = 0};
    CHECK_RC(edo_udp_bind(&server, "10.0.0.1:9", NULL), 0);
    CHECK_RC(edo_addr_parse(&here, "10.0.0.2:0"), 0);
    CHECK_RC(edo_udp_connect(&client, "10.0.0.1:9", EDO_OPTIONS(edo_datagram_options, .bind = &here)), 0);
    for (int i = 0; i < MANY; i++) {
        CHECK_RC(edo_datagram_send(client, &i, sizeof i), sizeof i);
        count->sent++;
        edo_sleep(EDO_US(50));
    }
    while (edo_datagram_wait_readable(server, edo_now() + EDO_SEC(1)) == 0) {
        CHECK_RC(edo_datagram_try_recv(server, &which, sizeof which), sizeof which);
        count->came++;
        count->twice += seen[which];
        count->overtaken += which < last;
        seen[which] = true;
        last = which;
    }
    return 0;
}

static void test_t2_udp_is_exact_by_default(void **state)
{
    struct count count;

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        assert_int_equal(one_seed(count_them, &count, seed, NULL), 0);
        assert_int_equal(count.came, MANY);
        assert_int_equal(count.twice + count.overtaken, 0);
    }
}

static struct count in_weather(uint64_t seed, int losses, int duplicates, int reorderings)
{
    edo_test_faults faults = {
        .size = sizeof faults, .losses = losses, .duplicates = duplicates, .reorderings = reorderings};
    struct count count;

    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_run_faulty(count_them, &count, EDO_OPTIONS(edo_test_options, .seed = seed), &faults), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
    return count;
}

static void test_t2_weather_loses_doubles_and_swaps_by_the_seed(void **state)
{
    edo_test_faults wrong = {.size = sizeof wrong, .losses = 1000};
    struct count count;
    uint64_t trace;

    (void)state;
    count = in_weather(1, 300, 0, 0);
    assert_in_range(count.came, MANY / 2, MANY * 9 / 10);
    assert_int_equal(count.twice + count.overtaken, 0);
    count = in_weather(1, 0, 300, 0);
    assert_int_equal(count.came, MANY + count.twice);
    assert_in_range(count.twice, MANY / 10, MANY / 2);
    count = in_weather(1, 0, 0, 300);
    assert_int_equal(count.came, MANY);
    assert_int_equal(count.twice, 0);
    assert_true(count.overtaken > 0);
    count = in_weather(7, 100, 100, 100);
    trace = edo_test_trace();
    in_weather(8, 100, 100, 100);
    assert_true(edo_test_trace() != trace);
    in_weather(7, 100, 100, 100);
    assert_true(edo_test_trace() == trace);
    assert_int_equal(edo_test_run_faulty(count_them, &count, NULL, &wrong), -EINVAL);
}

static int cut_off(void *argument)
{
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *client EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr here;
    char byte = 0;

    (void)argument;
    CHECK_RC(edo_udp_bind(&server, "10.0.0.1:9", NULL), 0);
    CHECK_RC(edo_addr_parse(&here, "10.0.0.2:0"), 0);
    CHECK_RC(edo_udp_connect(&client, "10.0.0.1:9", EDO_OPTIONS(edo_datagram_options, .bind = &here)), 0);
    CHECK_RC(edo_test_partition("10.0.0.1", "10.0.0.2"), 0);
    CHECK_RC(edo_datagram_send(client, "a", 1), 1);
    CHECK_RC(edo_datagram_wait_readable(server, edo_now() + EDO_SEC(1)), -ETIMEDOUT);
    CHECK_RC(edo_test_heal(NULL, NULL), 0);
    CHECK_RC(edo_datagram_send(client, "b", 1), 1);
    CHECK_RC(edo_datagram_recv(server, &byte, 1), 1);
    CHECK_RC(byte, 'b');                            /* the other one was lost */
    CHECK_RC(edo_datagram_send(client, "c", 1), 1); /* still on its way at the end */
    return 0;
}

static void test_what_is_sent_between_hosts_that_are_cut_off_is_lost(void **state)
{
    (void)state;
    many_seeds(cut_off, NULL, 20, NULL);
}

static int group(void *argument)
{
    edo_datagram *members[2];
    edo_datagram *sender EDO_AUTO(edo_datagram_close) = NULL;
    const edo_datagram_options *shared = EDO_OPTIONS(edo_datagram_options, .reuse_address = true);
    edo_addr address;
    char byte;

    (void)argument;
    CHECK_RC(edo_addr_parse(&address, "239.1.2.3:77"), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_RC(edo_udp_bind(&members[i], ":77", shared), 0);
        CHECK_RC(edo_datagram_join(members[i], &address, NULL), 0);
        CHECK_RC(edo_datagram_join(members[i], &address, NULL), -EADDRINUSE);
    }
    CHECK_RC(edo_datagram_open(&sender, AF_INET, NULL), 0);
    CHECK_RC(edo_datagram_set_multicast_ttl(sender, 2), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_RC(edo_datagram_send_to(sender, "x", 1, &address), 1);
        CHECK_RC(edo_datagram_recv(members[0], &byte, 1), 1);
        if (i == 0)
            CHECK_RC(edo_datagram_recv(members[1], &byte, 1), 1);
        else
            CHECK_RC(edo_datagram_try_recv(members[1], &byte, 1), -EAGAIN);
        CHECK_RC(edo_datagram_leave(members[1], &address, NULL), i == 0 ? 0 : -EADDRNOTAVAIL);
    }
    edo_datagram_close(members[0]);
    edo_datagram_close(members[1]);
    return 0;
}

/* Membership alone brings nothing: what is bound elsewhere, or connected, does not hear the group, as in the kernel. */
static int deaf_members(void *argument)
{
    static const char *const bound[] = {"239.1.2.3:77", "0.0.0.0:77", "10.0.0.5:77", "239.1.2.4:77"};
    const edo_datagram_options *shared = EDO_OPTIONS(edo_datagram_options, .reuse_address = true);
    edo_datagram *sender EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *members[EDO_COUNT(bound)];
    edo_addr address;
    edo_addr peer;
    char byte;

    (void)argument;
    CHECK_RC(edo_addr_parse(&address, "239.1.2.3:77"), 0);
    CHECK_RC(edo_addr_parse(&peer, "10.0.0.9:9"), 0);
    CHECK_RC(edo_datagram_open(&sender, AF_INET, NULL), 0);
    for (size_t i = 0; i < EDO_COUNT(bound); i++) {
        CHECK_RC(edo_udp_bind(&members[i], bound[i], shared), 0);
        CHECK_RC(edo_datagram_join(members[i], &address, NULL), 0);
    }
    for (size_t round = 0; round < 2; round++) {
        CHECK_RC(edo_datagram_send_to(sender, "x", 1, &address), 1);
        CHECK_RC(edo_datagram_recv(members[0], &byte, 1), 1);
        CHECK_RC(edo_datagram_try_recv(members[1], &byte, 1), round == 0 ? 1 : -EAGAIN);
        CHECK_RC(edo_datagram_try_recv(members[2], &byte, 1), -EAGAIN);
        CHECK_RC(edo_datagram_try_recv(members[3], &byte, 1), -EAGAIN);
        CHECK_RC(edo_datagram_set_peer(members[1], &peer), 0); /* hears that one alone */
    }
    for (size_t i = 0; i < EDO_COUNT(bound); i++)
        edo_datagram_close(members[i]);
    return 0;
}

static void test_groups_are_simulated(void **state)
{
    (void)state;
    many_seeds(group, NULL, 20, NULL);
    many_seeds(deaf_members, NULL, 5, NULL);
}

/* An IPv6 socket takes IPv4 too, and answers it. */
static int dual(void *argument)
{
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *client EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr from;
    char text[EDO_ADDR_TEXT_SIZE];
    char byte;

    (void)argument;
    CHECK_RC(edo_udp_bind(&server, "[::]:40007", NULL), 0);
    CHECK_RC(edo_udp_connect(&client, "127.0.0.1:40007", NULL), 0);
    CHECK_RC(edo_datagram_send(client, "x", 1), 1);
    CHECK_RC(edo_datagram_recv_from(server, &byte, 1, &from), 1);
    CHECK(edo_addr_print(text, sizeof text, &from) > 0 && strncmp(text, "[::ffff:127.0.0.1]", 18) == 0);
    CHECK_RC(edo_datagram_send_to(server, "y", 1, &from), 1);
    CHECK_RC(edo_datagram_recv(client, &byte, 1), 1);
    CHECK_RC(byte, 'y');
    return 0;
}

static void test_ip6_sockets_speak_with_ip4_ones(void **state)
{
    (void)state;
    assert_int_equal(one_seed(dual, NULL, 1, EDO_OPTIONS(edo_test_options, .real_kernel = true)), 0);
    many_seeds(dual, NULL, 5, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t1_datagram_sockets_are_alike_on_both_kernels),
        cmocka_unit_test(test_t2_udp_is_exact_by_default),
        cmocka_unit_test(test_t2_weather_loses_doubles_and_swaps_by_the_seed),
        cmocka_unit_test(test_what_is_sent_between_hosts_that_are_cut_off_is_lost),
        cmocka_unit_test(test_groups_are_simulated),
        cmocka_unit_test(test_ip6_sockets_speak_with_ip4_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
