/* SPDX-License-Identifier: MIT */
/* The simulated network: hosts, latency, partitions, resets, short transfers. */
#include "testing/seeds.h"

#define NO_LATENCY EDO_OPTIONS(edo_test_options, .latency_max = -1)

/* --- What these tests are made of --------------------------------------------------------------------------------- */

static int connect_from(edo_stream **out, const char *from, const char *to)
{
    edo_addr local;

    CHECK_RC(edo_addr_parse(&local, from), 0);
    return edo_tcp_connect(out, to, EDO_OPTIONS(edo_connect_options, .bind = &local));
}

static void check_peer(edo_stream *stream, const char *address)
{
    char text[EDO_ADDR_TEXT_SIZE] = "";
    edo_addr peer;

    CHECK_RC(edo_stream_peer(&peer, stream), 0);
    edo_addr_print(text, sizeof text, &peer);
    if (!CHECK(strncmp(text, address, strlen(address)) == 0))
        fprintf(stderr, "it is %s, not %s\n", text, address);
}

struct ends {
    edo_listener *listener;
    edo_stream *client;
    edo_stream *server;
};

static int ends_open(struct ends *ends, const char *from, const char *to)
{
    int rc = edo_tcp_listen(&ends->listener, to, NULL);

    if (rc == 0)
        rc = connect_from(&ends->client, from, to);
    if (rc == 0)
        rc = edo_accept(&ends->server, ends->listener);
    CHECK_RC(rc, 0);
    return rc;
}

static void ends_close(struct ends *ends)
{
    edo_close(ends->client);
    edo_close(ends->server);
    edo_listener_close(ends->listener);
}

/* --- Hosts -------------------------------------------------------------------------------------------------------- */

static int hosts(void *argument)
{
    edo_listener *specific EDO_AUTO(edo_listener_close) = NULL;
    edo_listener *any EDO_AUTO(edo_listener_close) = NULL;
    edo_listener *both EDO_AUTO(edo_listener_close) = NULL;
    edo_listener *other EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client;
    edo_stream *server;

    (void)argument;
    CHECK_RC(edo_tcp_listen(&specific, "192.0.2.7:80", NULL), 0);
    CHECK_RC(edo_tcp_listen(&other, "192.0.2.7:80", NULL), -EADDRINUSE);
    CHECK_RC(edo_tcp_listen(&other, ":80", NULL), -EADDRINUSE);
    CHECK_RC(edo_tcp_listen(&other, "192.0.2.8:80", NULL), 0);
    CHECK_RC(edo_tcp_listen(&any, ":81", NULL), 0);
    CHECK_RC(edo_tcp_listen(&both, "[::]:82", NULL), 0);

    CHECK_RC(edo_tcp_connect(&client, "192.0.2.7:80", NULL), 0);
    CHECK_RC(edo_accept(&server, specific), 0);
    check_peer(client, "192.0.2.7:80");
    check_peer(server, "127.0.0.1:");
    edo_close(client);
    edo_close(server);

    CHECK_RC(connect_from(&client, "203.0.113.5:0", "198.51.100.9:81"), 0);
    CHECK_RC(edo_accept(&server, any), 0);
    check_peer(client, "198.51.100.9:81");
    check_peer(server, "203.0.113.5:");
    edo_close(client);
    edo_close(server);

    CHECK_RC(edo_tcp_connect(&client, "10.1.1.1:82", NULL), 0);
    CHECK_RC(edo_accept(&server, both), 0);
    check_peer(server, "[::ffff:127.0.0.1]:");
    edo_close(client);
    edo_close(server);
    CHECK_RC(edo_tcp_connect(&client, "[2001:db8::1]:82", NULL), 0);
    CHECK_RC(edo_accept(&server, both), 0);
    check_peer(server, "[::1]:");
    edo_close(client);
    edo_close(server);

    CHECK_RC(edo_tcp_connect(&client, "192.0.2.9:80", NULL), -ECONNREFUSED);
    CHECK_RC(edo_tcp_connect(&client, "[::1]:81", NULL), -ECONNREFUSED);
    return 0;
}

static void test_every_address_is_a_host(void **state)
{
    (void)state;
    many_seeds(hosts, NULL, 10, NULL);
}

static int share_port(void *argument)
{
    edo_listener *listeners[2];
    edo_stream *clients[40];
    edo_stream *server;
    int got[2] = {0, 0};

    (void)argument;
    for (int i = 0; i < 2; i++)
        CHECK_RC(edo_tcp_listen(&listeners[i], "127.0.0.1:99", EDO_OPTIONS(edo_listen_options, .reuse_port = true)), 0);
    for (int i = 0; i < 40; i++)
        CHECK_RC(edo_tcp_connect(&clients[i], "127.0.0.1:99", NULL), 0);
    edo_sleep(EDO_MS(1));
    for (int i = 0; i < 2; i++) {
        int rc = 0;

        EDO_TIMEOUT (EDO_MS(1), &rc) {
            while ((rc = edo_accept(&server, listeners[i])) == 0) {
                got[i]++;
                edo_close(server);
            }
        }
        CHECK_RC(rc, -ETIMEDOUT);
        edo_listener_close(listeners[i]);
    }
    for (int i = 0; i < 40; i++)
        edo_close(clients[i]);
    CHECK_RC(got[0] + got[1], 40);
    CHECK(got[0] > 0 && got[1] > 0);
    return 0;
}

static int specific_first(void *argument)
{
    const edo_listen_options share = {.size = sizeof share, .reuse_port = true};
    edo_listener *listeners[3];
    edo_stream *client;
    edo_stream *server;

    (void)argument;
    CHECK_RC(edo_tcp_listen(&listeners[0], ":99", &share), 0);
    CHECK_RC(edo_tcp_listen(&listeners[1], "10.0.0.1:99", &share), 0);
    CHECK_RC(edo_tcp_listen(&listeners[2], ":99", &share), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_RC(edo_tcp_connect(&client, "10.0.0.1:99", NULL), 0);
        CHECK_RC(edo_accept(&server, listeners[1]), 0);
        edo_close(client);
        edo_close(server);
    }
    for (int i = 0; i < 3; i++)
        edo_listener_close(listeners[i]);
    return 0;
}

static void test_a_listener_at_an_address_comes_before_those_at_any(void **state)
{
    (void)state;
    many_seeds(specific_first, NULL, 4, NULL);
}

static void test_listeners_share_a_port(void **state)
{
    (void)state;
    many_seeds(share_port, NULL, 4, NULL);
}

/* --- Latency ------------------------------------------------------------------------------------------------------ */

static bool is_about(int64_t duration, int64_t expected)
{
    return duration >= expected && duration <= expected + EDO_US(3);
}

static int latencies(void *argument)
{
    struct ends near = {NULL, NULL, NULL};
    struct ends far = {NULL, NULL, NULL};
    edo_stream *stream;
    int64_t start = edo_now();
    char byte = 'x';

    (void)argument;
    CHECK_RC(edo_test_latency("10.0.0.9", NULL, EDO_MS(50), EDO_MS(50)), 0);
    CHECK_RC(ends_open(&near, "10.0.0.1:0", "10.0.0.2:80"), 0);
    CHECK(is_about(edo_now() - start, EDO_MS(20))); /* there and back */
    start = edo_now();
    CHECK_RC(ends_open(&far, "10.0.0.9:0", "10.0.0.2:81"), 0);
    CHECK(is_about(edo_now() - start, EDO_MS(100)));
    start = edo_now();
    edo_write(near.client, &byte, 1);
    CHECK(edo_now() == start);
    CHECK_RC(edo_read(near.server, &byte, 1), 1);
    CHECK(is_about(edo_now() - start, EDO_MS(10)));
    start = edo_now();
    edo_write(far.server, &byte, 1);
    CHECK_RC(edo_read(far.client, &byte, 1), 1);
    CHECK(is_about(edo_now() - start, EDO_MS(50)));
    start = edo_now();
    CHECK_RC(edo_tcp_connect(&stream, "10.0.0.2:99", NULL), -ECONNREFUSED);
    CHECK(is_about(edo_now() - start, EDO_MS(20)));
    CHECK_RC(edo_test_latency("10.0.0.1.2", NULL, 0, 0), -EINVAL);
    CHECK_RC(edo_test_latency(NULL, NULL, 2, 1), -EINVAL);
    ends_close(&near);
    ends_close(&far);
    return 0;
}

static void test_what_is_sent_takes_its_time(void **state)
{
    (void)state;
    many_seeds(latencies, NULL, 10,
               EDO_OPTIONS(edo_test_options, .latency_min = EDO_MS(10), .latency_max = EDO_MS(10)));
}

static int no_latency(void *argument)
{
    int64_t start = edo_now();
    struct ends ends = {NULL, NULL, NULL};

    (void)argument;
    ends_open(&ends, "10.0.0.1:0", "10.0.0.2:80");
    CHECK(edo_now() == start);
    ends_close(&ends);
    return 0;
}

static void test_without_latency_no_time_passes(void **state)
{
    (void)state;
    many_seeds(no_latency, NULL, 10, NO_LATENCY);
}

/* Whatever the latencies are, a stream keeps its order. */
static int keep_order(void *argument)
{
    struct ends ends = {NULL, NULL, NULL};
    unsigned char got = 0;
    int rc = ends_open(&ends, "10.0.0.1:0", "10.0.0.2:80");

    (void)argument;
    for (unsigned char i = 0; i < 100 && rc == 0; i++)
        rc = edo_write(ends.client, &i, 1) == 1 ? 0 : -EIO;
    edo_shutdown(ends.client, EDO_HALF_WRITE);
    for (int i = 0; i < 100; i++) {
        CHECK_RC(edo_read(ends.server, &got, 1), 1);
        CHECK_RC(got, i);
    }
    CHECK_RC(edo_read(ends.server, &got, 1), 0);
    ends_close(&ends);
    return rc;
}

static void test_streams_keep_their_order(void **state)
{
    (void)state;
    many_seeds(keep_order, NULL, 50, EDO_OPTIONS(edo_test_options, .latency_max = EDO_SEC(1)));
}

/* A listener whose queue is full is asked again, after 1 s, 3 s, 7 s, ... */
static int full_queue(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *streams[4];
    int64_t start = edo_now();
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_tcp_listen(&listener, "10.0.0.1:80", EDO_OPTIONS(edo_listen_options, .backlog = 1)), 0);
    for (int i = 0; i < 2; i++)
        CHECK_RC(edo_tcp_connect(&streams[i], "10.0.0.1:80", NULL), 0);
    CHECK(edo_now() == start);
    EDO_TIMEOUT (EDO_MS(3500), &rc) {
        rc = edo_tcp_connect(&streams[2], "10.0.0.1:80", NULL);
    }
    CHECK_RC(rc, -ETIMEDOUT);
    rc = edo_tcp_connect(&streams[2], "10.0.0.1:80", NULL);
    CHECK_RC(rc, -ETIMEDOUT); /* the network's own */
    CHECK_RC((edo_now() - start) / EDO_SEC(1), 3 + 63);
    for (int i = 0; i < 2; i++) {
        CHECK_RC(edo_accept(&streams[2 + i], listener), 0);
        edo_close(streams[i]);
        edo_close(streams[2 + i]);
    }
    CHECK_RC(edo_tcp_connect(&streams[0], "10.0.0.1:80", NULL), 0);
    edo_close(streams[0]);
    return 0;
}

static void test_a_full_queue_is_asked_again(void **state)
{
    (void)state;
    many_seeds(full_queue, NULL, 4, NO_LATENCY);
}

/* --- Partitions --------------------------------------------------------------------------------------------------- */

static int read_one(void *argument)
{
    char byte = 0;
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(60), &rc) {
        rc = (int)edo_read(argument, &byte, 1);
    }
    return rc < 0 ? rc : byte;
}

static int heal_later(void *argument)
{
    (void)argument;
    edo_sleep(EDO_SEC(100));
    return edo_test_heal("10.0.0.2", "10.0.0.1");
}

static int partitions(void *argument)
{
    struct ends cut = {NULL, NULL, NULL};
    struct ends whole = {NULL, NULL, NULL};
    edo_stream *late = NULL;
    int64_t start;
    int rc = 0;

    (void)argument;
    ends_open(&cut, "10.0.0.1:0", "10.0.0.2:80");
    ends_open(&whole, "10.0.0.3:0", "10.0.0.2:81");
    CHECK_RC(edo_write(cut.client, "a", 1), 1); /* on its way already */
    CHECK_RC(edo_test_partition("10.0.0.1", "10.0.0.2"), 0);
    CHECK_RC(edo_write(cut.client, "b", 1), 1);
    CHECK_RC(edo_write(cut.server, "c", 1), 1);
    CHECK_RC(edo_write(whole.client, "d", 1), 1);
    CHECK_RC(read_one(whole.server), 'd');
    CHECK_RC(read_one(cut.server), -ETIMEDOUT);
    CHECK_RC(read_one(cut.client), -ETIMEDOUT);
    start = edo_now();
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, heal_later, NULL);
        CHECK_RC(connect_from(&late, "10.0.0.1:0", "10.0.0.2:80"), 0);
    }
    CHECK((edo_now() - start) / EDO_SEC(1) == 100);
    CHECK_RC(read_one(cut.server), 'a');
    CHECK_RC(read_one(cut.server), 'b');
    CHECK_RC(read_one(cut.client), 'c');
    /* From everybody, and back. */
    CHECK_RC(edo_test_partition("10.0.0.2", NULL), 0);
    CHECK_RC(edo_write(whole.server, "e", 1), 1);
    CHECK_RC(read_one(whole.client), -ETIMEDOUT);
    CHECK_RC(edo_test_heal("10.0.0.1", "10.0.0.2"), 0); /* that was not it */
    CHECK_RC(read_one(whole.client), -ETIMEDOUT);
    edo_close(whole.server);
    CHECK_RC(edo_test_heal(NULL, NULL), 0);
    CHECK_RC(read_one(whole.client), 'e');
    CHECK_RC(read_one(whole.client), 0);
    whole.server = NULL;
    edo_close(late);
    ends_close(&cut);
    ends_close(&whole);
    return rc;
}

static void test_partitions_hold_back_and_lose_nothing(void **state)
{
    (void)state;
    many_seeds(partitions, NULL, 50, EDO_OPTIONS(edo_test_options, .latency_min = EDO_MS(1), .latency_max = EDO_MS(9)));
    many_seeds(
        partitions, NULL, 50,
        EDO_OPTIONS(edo_test_options, .latency_min = EDO_MS(1), .latency_max = EDO_MS(9), .short_transfers = true));
}

/* All that the window takes may be on its way; then a writer waits. */
static int fill_partition(void *argument)
{
    static char bytes[300000];
    struct ends ends = {NULL, NULL, NULL};
    size_t written = 0;
    size_t got = 0;
    ssize_t n;
    int rc = 0;

    (void)argument;
    ends_open(&ends, "10.0.0.1:0", "10.0.0.2:80");
    CHECK_RC(edo_test_partition(NULL, NULL), 0);
    EDO_TIMEOUT (EDO_SEC(1), &rc) {
        n = edo_write_all_part(&written, ends.client, bytes, sizeof bytes);
        rc = n < 0 ? (int)n : 0;
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK(written > 0 && written < sizeof bytes);
    CHECK_RC(edo_test_heal(NULL, NULL), 0);
    edo_shutdown(ends.client, EDO_HALF_WRITE);
    while ((n = edo_read(ends.server, bytes, sizeof bytes)) > 0)
        got += (size_t)n;
    CHECK_RC(n, 0);
    CHECK_RC(got, written);
    ends_close(&ends);
    return 0;
}

static void test_writers_wait_when_nothing_comes_through(void **state)
{
    (void)state;
    many_seeds(fill_partition, NULL, 20, NULL);
}

/* --- Resets ------------------------------------------------------------------------------------------------------- */

static int resets(void *argument)
{
    struct ends ends = {NULL, NULL, NULL};
    edo_listener *local EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    int64_t start;
    char byte;

    (void)argument;
    ends_open(&ends, "10.0.0.1:0", "10.0.0.2:80");
    CHECK_RC(edo_write(ends.client, "a", 1), 1);
    CHECK_RC(read_one(ends.server), 'a');
    start = edo_now();
    CHECK_RC(edo_test_reset(ends.client), 0);
    CHECK_RC(edo_read(ends.client, &byte, 1), -ECONNRESET);
    CHECK_RC(edo_write(ends.client, "b", 1), -EPIPE);
    CHECK_RC(edo_read(ends.server, &byte, 1), -ECONNRESET);
    CHECK(edo_now() > start);
    CHECK_RC(edo_read(ends.server, &byte, 1), 0);
    CHECK_RC(edo_write(ends.server, "c", 1), -EPIPE);
    ends_close(&ends);
    CHECK_RC(edo_unix_listen(&local, "@resets", NULL), 0);
    CHECK_RC(edo_unix_connect(&stream, "@resets", NULL), 0);
    CHECK_RC(edo_test_reset(stream), -ENOTCONN);
    return 0;
}

static void test_a_reset_is_seen_by_both_ends(void **state)
{
    (void)state;
    many_seeds(resets, NULL, 20, EDO_OPTIONS(edo_test_options, .latency_min = EDO_MS(1), .latency_max = EDO_MS(2)));
}

/* --- Short transfers ---------------------------------------------------------------------------------------------- */

static int short_transfers(void *argument)
{
    static char bytes[20000];
    struct ends ends = {NULL, NULL, NULL};
    int *shorter = argument;
    size_t got = 0;

    ends_open(&ends, "10.0.0.1:0", "10.0.0.2:80");
    CHECK_RC(edo_write_all(ends.client, bytes, sizeof bytes), sizeof bytes);
    edo_sleep(EDO_SEC(1));
    while (got < sizeof bytes) {
        ssize_t n = edo_read(ends.server, bytes, sizeof bytes);

        if (!CHECK(n > 0))
            break;
        *shorter += (size_t)n < sizeof bytes;
        got += (size_t)n;
    }
    CHECK_RC(got, sizeof bytes);
    ends_close(&ends);
    return 0;
}

static void test_short_transfers_move_all_in_the_end(void **state)
{
    int shorter = 0;

    (void)state;
    many_seeds(short_transfers, &shorter, 20, NULL);
    assert_int_equal(shorter, 0);
    many_seeds(short_transfers, &shorter, 20, EDO_OPTIONS(edo_test_options, .short_transfers = true));
    assert_true(shorter > 20);
}

/* --- Paths -------------------------------------------------------------------------------------------------------- */

static int paths(void *argument)
{
    edo_listener *listener;
    edo_stream *stream;

    (void)argument;
    CHECK_RC(edo_unix_connect(&stream, "/nowhere/at/all.sock", NULL), -ENOENT);
    CHECK_RC(edo_unix_listen(&listener, "/nowhere/at/all.sock", NULL), 0);
    CHECK_RC(access("/nowhere/at/all.sock", F_OK), -1);
    CHECK_RC(edo_unix_connect(&stream, "/nowhere/at/all.sock", NULL), 0);
    edo_close(stream);
    edo_listener_close(listener);
    CHECK_RC(edo_unix_connect(&stream, "/nowhere/at/all.sock", NULL), -ENOENT);
    return 0;
}

static void test_paths_of_unix_sockets_are_no_files(void **state)
{
    (void)state;
    many_seeds(paths, NULL, 4, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_address_is_a_host),
        cmocka_unit_test(test_listeners_share_a_port),
        cmocka_unit_test(test_a_listener_at_an_address_comes_before_those_at_any),
        cmocka_unit_test(test_what_is_sent_takes_its_time),
        cmocka_unit_test(test_without_latency_no_time_passes),
        cmocka_unit_test(test_streams_keep_their_order),
        cmocka_unit_test(test_a_full_queue_is_asked_again),
        cmocka_unit_test(test_partitions_hold_back_and_lose_nothing),
        cmocka_unit_test(test_writers_wait_when_nothing_comes_through),
        cmocka_unit_test(test_a_reset_is_seen_by_both_ends),
        cmocka_unit_test(test_short_transfers_move_all_in_the_end),
        cmocka_unit_test(test_paths_of_unix_sockets_are_no_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
