/* SPDX-License-Identifier: MIT */
/* Datagram sockets: whole messages in and out, addresses, readiness, errors that are told once, options. */
#include "datagrams.h"

#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/edo-test-datagram-XXXXXX";
static char path[64];

static bool supports_ip6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool works = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;

    if (fd >= 0)
        close(fd);
    return works;
}

/* --- Whole messages ----------------------------------------------------------------------------------------------- */

static void echo_at(const char *text)
{
    edo_datagram *server;
    edo_datagram *client;
    edo_addr address;
    edo_addr from;
    edo_addr here;
    char buffer[64];

    CHECK_EQUAL(edo_udp_bind(&server, text, NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, server), 0);
    CHECK_EQUAL(edo_datagram_open(&client, address.at_.any.sa_family, NULL), 0);
    CHECK_EQUAL(edo_datagram_send_to(client, "hello", 5, &address), 5);
    CHECK_EQUAL(edo_datagram_recv_from(server, buffer, sizeof buffer, &from), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    CHECK_EQUAL(edo_datagram_local(&here, client), 0);
    CHECK_EQUAL(edo_addr_port(&here), edo_addr_port(&from));
    CHECK_EQUAL(edo_datagram_set_peer(client, &address), 0);
    CHECK_EQUAL(edo_datagram_peer(&here, client), 0);
    CHECK(edo_addr_equal(&here, &address));
    CHECK_EQUAL(edo_datagram_send_to(server, "good", 4, &from), 4);
    CHECK_EQUAL(edo_datagram_recv(client, buffer, sizeof buffer), 4);
    CHECK_EQUAL(edo_datagram_send(client, "bye", 3), 3);
    CHECK_EQUAL(edo_datagram_recv(server, buffer, sizeof buffer), 3);
    CHECK_EQUAL(edo_datagram_set_peer(client, NULL), 0);
    CHECK_EQUAL(edo_datagram_peer(&here, client), -ENOTCONN);
    CHECK_EQUAL(edo_datagram_send(client, "x", 1), -EDESTADDRREQ);
    edo_datagram_close(client);
    edo_datagram_close(server);
}

static int echo(void *argument)
{
    (void)argument;
    echo_at("127.0.0.1:0");
    if (supports_ip6())
        echo_at("[::1]:0");
    return 0;
}

static void test_datagrams_go_to_addresses_and_peers(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, echo, NULL), 0);
}

static int echo_unix(void *argument)
{
    edo_datagram *server;
    edo_datagram *client;
    edo_datagram *nameless;
    edo_addr address;
    edo_addr from;
    char buffer[8];

    (void)argument;
    CHECK_EQUAL(edo_unix_datagram_bind(&server, path, NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, server), 0);
    CHECK_EQUAL(edo_unix_datagram_bind(&client, "@edo-test-datagram", NULL), 0);
    CHECK_EQUAL(edo_datagram_send_to(client, "one", 3, &address), 3);
    CHECK_EQUAL(edo_datagram_recv_from(server, buffer, sizeof buffer, &from), 3);
    CHECK_EQUAL(edo_datagram_send_to(server, "two", 3, &from), 3);
    CHECK_EQUAL(edo_datagram_recv(client, buffer, sizeof buffer), 3);
    CHECK_EQUAL(edo_unix_datagram_connect(&nameless, path, NULL), 0);
    CHECK_EQUAL(edo_datagram_send(nameless, "three", 5), 5);
    CHECK_EQUAL(edo_datagram_recv_from(server, buffer, sizeof buffer, &from), 5);
    CHECK_EQUAL(from.size_, 0); /* no address */
    CHECK_EQUAL(edo_datagram_send_to(server, "x", 1, &from), -EINVAL);
    edo_datagram_close(nameless);
    edo_datagram_close(client);
    edo_datagram_close(server);
    CHECK_EQUAL(edo_unix_datagram_bind(&server, path, NULL), -EADDRINUSE); /* the path stays */
    CHECK_EQUAL(edo_unix_datagram_bind(&server, path, EDO_OPTIONS(edo_datagram_options, .unlink_stale = true)), 0);
    /* Somebody has it: not stale. */
    CHECK_EQUAL(edo_unix_datagram_bind(&client, path, EDO_OPTIONS(edo_datagram_options, .unlink_stale = true)),
                -EADDRINUSE);
    edo_datagram_close(server);
    CHECK_EQUAL(edo_unix_datagram_connect(&client, path, NULL), -ECONNREFUSED);
    CHECK_EQUAL(unlink(path), 0);
    CHECK_EQUAL(edo_unix_datagram_connect(&client, path, NULL), -ENOENT);
    return 0;
}

static void test_unix_datagrams_have_paths_and_abstract_names(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, echo_unix, NULL), 0);
}

static int nothing_is_something(void *argument)
{
    edo_datagram *pair[2];
    char buffer[8];

    (void)argument;
    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_send(pair[0], NULL, 0), 0);
    CHECK_EQUAL(edo_datagram_send(pair[0], "a", 1), 1);
    CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), 0);
    CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), 1);
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, sizeof buffer), -EAGAIN);
    CHECK_EQUAL(edo_datagram_send(pair[0], NULL, 0), 0);
    CHECK_EQUAL(edo_datagram_recv(pair[1], NULL, 0), 0);
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, sizeof buffer), -EAGAIN);
    close_pair(pair);
    return 0;
}

static void test_an_empty_datagram_is_not_an_end(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, nothing_is_something, NULL), 0);
}

static int too_large_for_the_buffer(void *argument)
{
    edo_datagram *pair[2];
    char buffer[8] = "";

    (void)argument;
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            udp_pair(pair);
        else
            CHECK_EQUAL(edo_datagram_pair(pair), 0);
        CHECK_EQUAL(edo_datagram_send(pair[0], "0123456789", 10), 10);
        CHECK_EQUAL(edo_datagram_send(pair[0], "01234567", 8), 8);
        CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
        CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, 4), -EMSGSIZE);
        CHECK(memcmp(buffer, "0123", 4) == 0);
        CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, 8), 8); /* it fits exactly */
        CHECK_EQUAL(edo_datagram_recv(pair[1], NULL, 0), -EMSGSIZE);
        CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, 4), -EAGAIN);
        close_pair(pair);
    }
    return 0;
}

static void test_no_datagram_is_cut_in_silence(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, too_large_for_the_buffer, NULL), 0);
}

static int too_large_to_send(void *argument)
{
    static char large[70000];
    const size_t sizes[] = {sizeof large, INT_MAX, (size_t)INT_MAX + 1, SSIZE_MAX, SIZE_MAX};
    edo_datagram *pair[2];
    char byte;

    (void)argument;
    udp_pair(pair);
    for (size_t i = 0; i < EDO_COUNT(sizes); i++) { /* whatever the kernel says of those that no memory can hold */
        edo_datagram_message messages[] = {{.buffer = (char[]){"a"}, .size = 1}, {.buffer = large, .size = sizes[i]}};

        CHECK_EQUAL(edo_datagram_send(pair[0], large, sizes[i]), -EMSGSIZE);
        CHECK_EQUAL(edo_datagram_send_many(pair[0], messages + 1, 1), -EMSGSIZE);
        CHECK_EQUAL(edo_datagram_send_many(pair[0], messages, 2), 1);
        CHECK_EQUAL(edo_datagram_recv(pair[1], &byte, 1), 1);
    }
    CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    CHECK_EQUAL(edo_datagram_recv(pair[1], &byte, 1), 1);
    CHECK_EQUAL(byte, 'x');
    close_pair(pair);
    return 0;
}

static void test_f1_a_datagram_that_is_too_large_is_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, too_large_to_send, NULL), 0);
}

/* --- Readiness ---------------------------------------------------------------------------------------------------- */

/* All of them come while it waits, with one edge, and each is far smaller than the buffer. */
static int many_at_one_edge(void *argument)
{
    edo_datagram *pair[2];
    struct receiver receiver = {.got = 0};
    int rc = 0;

    (void)argument;
    udp_pair(pair);
    receiver.datagram = pair[1];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, receive_until_x, &receiver), 0);
        net_settle();
        for (int i = 0; i < 5; i++)
            CHECK_EQUAL(edo_datagram_send(pair[0], i < 4 ? "a" : "x", 1), 1);
    }
    CHECK_EQUAL(receiver.result, 1);
    CHECK_EQUAL(receiver.got, 5);
    close_pair(pair);
    return rc;
}

static void test_s2_a_small_datagram_does_not_mean_drained(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, many_at_one_edge, NULL), 0);
}

static int echo_to_sender(void *argument)
{
    edo_datagram *datagram = argument;
    char buffer[16];
    edo_addr from;
    ssize_t n;

    for (int i = 0; i < 100; i++) {
        n = edo_datagram_recv_from(datagram, buffer, sizeof buffer, &from);
        CHECK_EQUAL(n, 4);
        CHECK_EQUAL(edo_datagram_send_to(datagram, buffer, (size_t)n, &from), 4);
    }
    return 0;
}

static int send_hundred(void *argument)
{
    edo_datagram *datagram = argument;

    for (int i = 0; i < 100; i++) {
        CHECK_EQUAL(edo_datagram_send(datagram, &i, sizeof i), 4);
        edo_yield();
    }
    return 0;
}

static int both_directions(void *argument)
{
    edo_datagram *pair[2];
    int rc = 0;

    (void)argument;
    udp_pair(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, echo_to_sender, pair[1]), 0);
        CHECK_EQUAL(edo_spawn(scope, send_hundred, pair[0]), 0);
        for (int i = 0; i < 100; i++) {
            int number;

            CHECK_EQUAL(edo_datagram_recv(pair[0], &number, sizeof number), 4);
            CHECK_EQUAL(number, i);
        }
    }
    close_pair(pair);
    return rc;
}

static void test_one_task_sends_while_another_receives(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, both_directions, NULL), 0);
    assert_int_equal(net_run(2, both_directions, NULL), 0);
}

static int two_receivers(void *argument)
{
    edo_datagram *pair[2];
    struct receiver receiver = {.got = 0};
    char buffer[4];
    int rc = 0;

    (void)argument;
    udp_pair(pair);
    receiver.datagram = pair[1];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, receive_until_x, &receiver), 0);
        net_settle();
        CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, 4), -EBUSY);
        CHECK_EQUAL(edo_datagram_wait_readable(pair[1], EDO_FOREVER), -EBUSY);
        edo_datagram_close(EDO_TAKE(pair[1]));
    }
    CHECK_EQUAL(receiver.result, -EBADF);
    close_pair(pair);
    return rc;
}

static void test_a_second_receiver_is_refused_and_a_close_ends_the_wait(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, two_receivers, NULL), 0);
    assert_int_equal(net_run(2, two_receivers, NULL), 0);
}

static int wait_with_deadlines(void *argument)
{
    edo_datagram *pair[2];
    char byte;

    (void)argument;
    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_wait_readable(pair[1], edo_now()), -ETIMEDOUT);
    CHECK_EQUAL(edo_datagram_wait_writable(pair[1], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    CHECK_EQUAL(edo_datagram_wait_readable(pair[1], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_datagram_wait_readable(pair[1], EDO_FOREVER), 0); /* nothing was taken */
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], &byte, 1), 1);
    CHECK_EQUAL(edo_datagram_wait_readable(pair[1], edo_now()), -ETIMEDOUT);
    close_pair(pair);
    return 0;
}

static void test_readiness_is_waited_for_with_a_deadline(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, wait_with_deadlines, NULL), 0);
}

static int answers_dormant(void *argument)
{
    edo_datagram *datagram = argument;
    char byte;

    CHECK_EQUAL(edo_resumption(), 0);
    CHECK_EQUAL(edo_datagram_try_recv(datagram, &byte, 1), 1);
    return 0;
}

static int others_wait(void *argument)
{
    enum { READABLE, LATE };
    edo_datagram *pair[2];
    char byte;
    int rc = 0;

    (void)argument;
    udp_pair(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, answers_dormant, pair[1], .when = EDO_WHEN_READABLE(pair[1])), 0);
        net_settle();
        CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    }
    for (int i = 0; i < 2; i++) {
        edo_arm arms[] = {[READABLE] = EDO_CAN_RECEIVE(pair[1]), [LATE] = EDO_AFTER(i == 0 ? 0 : EDO_SEC(3600))};

        CHECK_EQUAL(edo_select(arms, EDO_COUNT(arms)), i == 0 ? LATE : READABLE);
        if (i == 0)
            CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    }
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], &byte, 1), 1);
    close_pair(pair);
    return rc;
}

static void test_dormant_tasks_and_selects_wait_for_datagrams(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, others_wait, NULL), 0);
}

/* --- Errors ------------------------------------------------------------------------------------------------------- */

/* A socket connected to a port where nobody is any more: *address. */
static edo_datagram *connected_to_nobody(edo_addr *address)
{
    edo_datagram *pair[2];

    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_local(address, pair[1]), 0);
    edo_datagram_close(pair[1]);
    return pair[0];
}

static int refused(void *argument)
{
    edo_addr address;
    edo_datagram *client = connected_to_nobody(&address);
    edo_datagram *server;
    struct receiver receiver = {.datagram = client};
    edo_addr from;
    char buffer[8];
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_datagram_send(client, "x", 1), 1);
    CHECK_EQUAL(edo_datagram_send(client, "x", 1), -ECONNREFUSED); /* told once, and nothing was sent */
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, receive_until_x, &receiver), 0);
        net_settle();
        CHECK_EQUAL(edo_datagram_send(client, "x", 1), 1); /* the answer wakes who waits */
    }
    CHECK_EQUAL(receiver.result, -ECONNREFUSED);

    CHECK_EQUAL(edo_datagram_bind(&server, &address, NULL), 0); /* and the socket is as good as before */
    CHECK_EQUAL(edo_datagram_send(client, "abc", 3), 3);
    CHECK_EQUAL(edo_datagram_recv_from(server, buffer, sizeof buffer, &from), 3);
    CHECK_EQUAL(edo_datagram_send_to(server, "de", 2, &from), 2);
    CHECK_EQUAL(edo_datagram_recv(client, buffer, sizeof buffer), 2);
    edo_datagram_close(server);
    edo_datagram_close(client);
    return rc;
}

static void test_a_refused_datagram_is_told_once_and_survived(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, refused, NULL), 0);
}

static int select_and_refused(void *argument)
{
    edo_addr address;
    edo_datagram *client = connected_to_nobody(&address);
    edo_arm arms[] = {EDO_CAN_RECEIVE(client)};
    char byte;

    (void)argument;
    CHECK_EQUAL(edo_datagram_send(client, "x", 1), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQUAL(edo_select(arms, 1), 0);
    CHECK_EQUAL(edo_datagram_wait_readable(client, EDO_FOREVER), 0);
    CHECK_EQUAL(edo_datagram_try_recv(client, &byte, 1), -ECONNREFUSED);
    CHECK_EQUAL(edo_datagram_try_recv(client, &byte, 1), -EAGAIN);
    edo_datagram_close(client);
    return 0;
}

static void test_c6_looking_for_datagrams_takes_no_error(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, select_and_refused, NULL), 0);
}

static ssize_t no_room_sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)fd, (void)message, (void)flags;
    return -ENOBUFS;
}

static int send_into_a_full_card(void *argument)
{
    edo_datagram *pair[2];

    (void)argument;
    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), -ENOBUFS);
    close_pair(pair);
    return 0;
}

static int no_socket(int domain, int type, int protocol)
{
    (void)domain, (void)type, (void)protocol;
    return -EMFILE;
}

static int no_socketpair(int ends[2], int domain, int type, int protocol)
{
    (void)ends, (void)domain, (void)type, (void)protocol;
    return -ENFILE;
}

static int open_without_descriptors(void *argument)
{
    edo_datagram *pair[2];
    edo_datagram *datagram;

    (void)argument;
    CHECK_EQUAL(edo_udp_bind(&datagram, "127.0.0.1:0", NULL), -EMFILE);
    CHECK_EQUAL(edo_udp_connect(&datagram, "127.0.0.1:1", NULL), -EMFILE);
    CHECK_EQUAL(edo_datagram_pair(pair), -ENFILE);
    return 0;
}

static void test_f1_shortages_are_reported(void **state)
{
    (void)state;
    net_table.sendmsg = no_room_sendmsg;
    assert_int_equal(net_run(1, send_into_a_full_card, NULL), 0);
    net_table.socket = no_socket;
    net_table.socketpair = no_socketpair;
    assert_int_equal(net_run(1, open_without_descriptors, NULL), 0);
}

static int open_wrongly(void *argument)
{
    edo_datagram *datagram;
    edo_datagram *pair[2];
    edo_addr none = {.size_ = 0};
    edo_addr broadcast;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)argument;
    CHECK_EQUAL(edo_udp_bind(&datagram, "localhost:1", NULL), -EINVAL);
    CHECK_EQUAL(edo_udp_bind(&datagram, "/tmp/path", NULL), -EINVAL);
    CHECK_EQUAL(edo_datagram_bind(&datagram, &none, NULL), -EINVAL);
    CHECK_EQUAL(edo_datagram_bind(&datagram, NULL, NULL), -EINVAL);
    CHECK_EQUAL(edo_datagram_open(&datagram, AF_NETLINK, NULL), -EAFNOSUPPORT);
    CHECK_EQUAL(edo_udp_bind(&datagram, ":0", EDO_OPTIONS(edo_datagram_options, .ttl = 256)), -EINVAL);
    CHECK_EQUAL(edo_udp_bind(&datagram, ":0", EDO_OPTIONS(edo_datagram_options, .send_buffer = -1)), -EINVAL);
    CHECK_EQUAL(edo_udp_bind(&datagram, ":0", EDO_OPTIONS(edo_datagram_options, .bind = &none)), -EINVAL);
    CHECK_EQUAL(edo_datagram_from_fd(&datagram, fd), -ESOCKTNOSUPPORT);
    CHECK_EQUAL(edo_datagram_from_fd(&datagram, -1), -EBADF);
    close(fd);
    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_send_to(pair[0], "x", 1, NULL), -EINVAL);
    CHECK_EQUAL(edo_addr_parse(&broadcast, "255.255.255.255:9"), 0);
    CHECK_EQUAL(edo_datagram_send_to(pair[1], "x", 1, &broadcast), -EACCES);
    close_pair(pair);
    return 0;
}

static void test_what_is_wrong_is_refused(void **state)
{
    edo_datagram *datagram;

    (void)state;
    assert_int_equal(net_run(1, open_wrongly, NULL), 0);
    assert_int_equal(edo_udp_bind(&datagram, ":0", NULL), -EPERM); /* no task */
}

static int option_of(edo_datagram *datagram, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    CHECK_EQUAL(getsockopt(edo_datagram_fd(datagram), level, name, &value, &size), 0);
    return value;
}

static int set_options(void *argument)
{
    edo_datagram *one;
    edo_datagram *two;
    edo_addr address;
    edo_addr here;
    const edo_datagram_options *options =
        EDO_OPTIONS(edo_datagram_options, .reuse_port = true, .reuse_address = true, .broadcast = true, .ttl = 7,
                    .receive_buffer = 20000, .send_buffer = 30000);

    (void)argument;
    CHECK_EQUAL(edo_udp_bind(&one, "127.0.0.1:0", options), 0);
    CHECK_EQUAL(edo_datagram_local(&address, one), 0);
    CHECK_EQUAL(edo_datagram_bind(&two, &address, options), 0);
    CHECK_EQUAL(option_of(one, SOL_SOCKET, SO_BROADCAST), 1);
    CHECK_EQUAL(option_of(one, SOL_SOCKET, SO_REUSEADDR), 1);
    CHECK_EQUAL(option_of(one, SOL_SOCKET, SO_RCVBUF), 40000); /* the kernel counts what it needs itself */
    CHECK_EQUAL(option_of(one, SOL_SOCKET, SO_SNDBUF), 60000);
    CHECK_EQUAL(option_of(one, IPPROTO_IP, IP_TTL), 7);
    CHECK(fcntl(edo_datagram_fd(one), F_GETFD) & FD_CLOEXEC);
    edo_datagram_close(two);
    CHECK_EQUAL(edo_addr_parse(&here, "127.0.0.1:0"), 0);
    CHECK_EQUAL(edo_datagram_connect(&two, &address, EDO_OPTIONS(edo_datagram_options, .bind = &here)), 0);
    CHECK_EQUAL(edo_datagram_local(&here, two), 0);
    CHECK(edo_addr_port(&here) > 0);
    edo_datagram_close(two);
    edo_datagram_close(one);
    if (supports_ip6()) {
        CHECK_EQUAL(edo_udp_bind(&one, "[::]:0", EDO_OPTIONS(edo_datagram_options, .ip6_only = true, .ttl = 9)), 0);
        CHECK_EQUAL(option_of(one, IPPROTO_IPV6, IPV6_V6ONLY), 1);
        CHECK_EQUAL(option_of(one, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 9);
        edo_datagram_close(one);
    }
    return 0;
}

static void test_options_are_set(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, set_options, NULL), 0);
}

/* --- Descriptors of others ---------------------------------------------------------------------------------------- */

static int adopt(void *argument)
{
    edo_datagram *pair[2];
    int fds[2];
    char byte;

    (void)argument;
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(edo_datagram_from_fd(&pair[i], fds[i]), 0);
        CHECK(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
    }
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], &byte, 1), -EAGAIN);
    CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    CHECK_EQUAL(edo_datagram_recv(pair[1], &byte, 1), 1);
    close_pair(pair);
    return 0;
}

static void test_sockets_of_others_are_taken(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, adopt, NULL), 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_datagrams_go_to_addresses_and_peers, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_unix_datagrams_have_paths_and_abstract_names, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_an_empty_datagram_is_not_an_end, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_no_datagram_is_cut_in_silence, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_a_datagram_that_is_too_large_is_refused, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_s2_a_small_datagram_does_not_mean_drained, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_one_task_sends_while_another_receives, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_a_second_receiver_is_refused_and_a_close_ends_the_wait, net_begin,
                                        net_end),
        cmocka_unit_test_setup_teardown(test_readiness_is_waited_for_with_a_deadline, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_dormant_tasks_and_selects_wait_for_datagrams, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_a_refused_datagram_is_told_once_and_survived, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c6_looking_for_datagrams_takes_no_error, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_shortages_are_reported, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_is_refused, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_options_are_set, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_sockets_of_others_are_taken, net_begin, net_end),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
