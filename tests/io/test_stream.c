/* SPDX-License-Identifier: MIT */
/*
 * Streams: what reads and writes deliver, whatever the kernel answers; ends, options, and descriptors made into
 * streams.
 */
#include "net.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

/* --- Reading and writing ------------------------------------------------------------------------------------------ */

static int read_what_there_is(void *argument)
{
    edo_stream *pair[2];
    char buffer[100];

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_write(pair[0], "hello", 5), 5);
    CHECK_EQUAL(edo_read(pair[1], buffer, 0), 0);
    CHECK_EQUAL(edo_read(pair[1], buffer, 3), 3);
    CHECK(memcmp(buffer, "hel", 3) == 0);
    CHECK_EQUAL(edo_read(pair[1], buffer, sizeof buffer), 2);
    CHECK(memcmp(buffer, "lo", 2) == 0);
    CHECK_EQUAL(edo_write(pair[0], "", 0), 0);
    CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_WRITE), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQUAL(edo_read(pair[1], buffer, sizeof buffer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_read_gives_what_there_is_and_zero_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, read_what_there_is, NULL), 0);
}

/* Echoes until the end, then ends its own half. */
static int echo_to_the_end(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = (edo_stream *)argument;
    char buffer[4096];
    ssize_t n;

    while ((n = edo_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = edo_write_all(peer, buffer, (size_t)n)) < 0)
            break;
    return (int)n;
}

struct transfer {
    edo_stream *stream;
    size_t size;
    uint8_t next;
};

static int send_and_half_close(void *argument)
{
    struct transfer *transfer = (struct transfer *)argument;
    uint8_t buffer[3000];
    size_t left = transfer->size;

    while (left > 0) {
        size_t size = left < sizeof buffer ? left : sizeof buffer;
        struct iovec pieces[3] = {{buffer, size / 3}, {buffer + size / 3, 0}, {buffer + size / 3, size - size / 3}};
        ssize_t sent;

        for (size_t i = 0; i < size; i++)
            buffer[i] = (uint8_t)(transfer->next + i);
        switch (left % 4) {
        case 0:
            sent = edo_write(transfer->stream, buffer, size);
            break;
        case 1:
            sent = edo_writev(transfer->stream, pieces, 3);
            break;
        case 2:
            sent = edo_writev_all(transfer->stream, pieces, 3);
            CHECK_EQUAL(sent, size);
            break;
        default:
            sent = edo_write_all(transfer->stream, buffer, size);
            CHECK_EQUAL(sent, size);
        }
        CHECK(sent > 0);
        transfer->next = (uint8_t)(transfer->next + sent);
        left -= (size_t)sent;
    }
    return edo_shutdown(transfer->stream, EDO_HALF_WRITE);
}

/* Reads to the end and checks that the bytes come in order. */
static size_t receive_to_the_end(edo_stream *stream)
{
    uint8_t buffer[1777];
    size_t received = 0;
    ssize_t n;

    while ((n = edo_read(stream, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQUAL(buffer[i], (uint8_t)(received + (size_t)i));
        received += (size_t)n;
    }
    CHECK_EQUAL(n, 0);
    return received;
}

/* Both ends of an echo, the client ending its half while the echo is still on its way. */
static int half_close_echo(void *argument)
{
    size_t size = *(size_t *)argument;
    int rc = 0;

    for (int kind = 0; kind < 2; kind++) {
        edo_stream *pair[2];
        struct transfer transfer = {.size = size};

        (kind ? net_pair : net_tcp_pair)(pair);
        transfer.stream = pair[0];
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, echo_to_the_end, pair[1]), 0);
            CHECK_EQUAL(edo_spawn(scope, send_and_half_close, &transfer), 0);
            CHECK_EQUAL(receive_to_the_end(pair[0]), size);
        }
        CHECK_EQUAL(rc, 0);
        edo_close(pair[0]);
    }
    return rc;
}

static void test_half_close_echo_returns_every_byte(void **state)
{
    size_t size = 1000003;

    (void)state;
    assert_int_equal(net_run(1, half_close_echo, &size), 0);
    assert_int_equal(net_run(2, half_close_echo, &size), 0);
}

/*
 * Refused transfers, as a kernel may refuse them: on a registered descriptor an EAGAIN is followed by an edge, which
 * EPOLL_CTL_MOD makes.
 */
static struct {
    int epoll;
    struct epoll_event event;
} registered[256];
static _Atomic uint64_t unkind_state; /* raised by whoever needs a number, on any worker */

static int unkind_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && fd < 256) {
        registered[fd].event = *event;
        registered[fd].epoll = epoll;
    }
    return net_epoll_ctl(epoll, operation, fd, event);
}

static int unkind_close(int fd)
{
    if (fd < 256)
        registered[fd].epoll = 0;
    return net_close(fd);
}

static ssize_t unkind_refusal(int fd)
{
    uint64_t state = atomic_fetch_add(&unkind_state, UINT64_C(0x9e3779b97f4a7c15));
    uint64_t chance = edo_test_random(&state) % 8;

    if (chance < 2)
        return -EINTR;
    if (chance < 4) {
        if (registered[fd].epoll)
            edo_platform_system.epoll_ctl(registered[fd].epoll, EPOLL_CTL_MOD, fd, &registered[fd].event);
        return -EAGAIN;
    }
    return 0;
}

static ssize_t unkind_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t refusal = unkind_refusal(fd);

    return refusal ? refusal : net_recv(fd, buffer, size, flags);
}

static ssize_t unkind_send(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t refusal = unkind_refusal(fd);

    if (!refusal && registered[fd].epoll) /* one byte is sent, so the room there is, is told */
        edo_platform_system.epoll_ctl(registered[fd].epoll, EPOLL_CTL_MOD, fd, &registered[fd].event);
    return refusal ? refusal : net_send(fd, buffer, size < 7 ? size : 1, flags);
}

static ssize_t unkind_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr shorter = *message;
    ssize_t refusal = unkind_refusal(fd);

    if (refusal)
        return refusal;
    if (registered[fd].epoll)
        edo_platform_system.epoll_ctl(registered[fd].epoll, EPOLL_CTL_MOD, fd, &registered[fd].event);
    while (shorter.msg_iovlen > 1 && shorter.msg_iov->iov_len == 0) {
        shorter.msg_iov++;
        shorter.msg_iovlen--;
    }
    shorter.msg_iovlen = 1;
    return net_sendmsg(fd, &shorter, flags);
}

static void test_f1_short_transfers_eintr_and_eagain_lose_no_byte(void **state)
{
    size_t size = 60007;

    (void)state;
    unkind_state = edo_test_seed();
    memset(registered, 0, sizeof registered);
    net_table.recv = unkind_recv;
    net_table.send = unkind_send;
    net_table.sendmsg = unkind_sendmsg;
    net_table.epoll_ctl = unkind_ctl;
    net_table.close = unkind_close;
    assert_int_equal(net_run(1, half_close_echo, &size), 0);
}

static atomic_int interrupted_transfers;

static ssize_t interrupted_recv(int fd, void *buffer, size_t size, int flags)
{
    if (atomic_fetch_add(&interrupted_transfers, 1) < 20)
        return -EINTR;
    return net_recv(fd, buffer, size < 1 ? size : 1, flags);
}

/* A byte at a time: recv that says EINTR, then delivers single bytes, which look like all there is. */
static int read_single_bytes(void *argument)
{
    edo_stream *pair[2];
    char buffer[16];

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_write_all(pair[0], "abc", 3), 3);
    CHECK_EQUAL(edo_read(pair[1], buffer, 1), 1);
    CHECK_EQUAL(edo_read(pair[1], buffer + 1, 1), 1);
    CHECK_EQUAL(edo_read(pair[1], buffer + 2, 1), 1);
    CHECK(memcmp(buffer, "abc", 3) == 0);
    net_close_pair(pair);
    return 0;
}

static void test_f1_an_interrupted_read_is_tried_again(void **state)
{
    (void)state;
    atomic_store(&interrupted_transfers, 0);
    net_table.recv = interrupted_recv;
    assert_int_equal(net_run(1, read_single_bytes, NULL), 0);
    assert_int_equal(atomic_load(&interrupted_transfers), 23);
}

enum { MANY_PIECES = 3000 };

static int write_many_pieces(void *argument)
{
    static struct iovec pieces[MANY_PIECES];
    static char bytes[MANY_PIECES];
    edo_stream *pair[2];
    size_t received = 0;
    ssize_t n;

    (void)argument;
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), 0); /* registered: no edge will come but from the peer */
    net_settle();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY_PIECES; i++)
            pieces[i] = (struct iovec){bytes + i, 1};
        CHECK_EQUAL(edo_writev_all(pair[0], pieces, MANY_PIECES), MANY_PIECES);
    }
    for (int i = 0; i < MANY_PIECES; i++)
        pieces[i] = (struct iovec){bytes + i, 1};
    CHECK_EQUAL(edo_writev(pair[0], pieces, MANY_PIECES), IOV_MAX);
    CHECK_EQUAL(edo_write(pair[0], "x", 1), 1);
    for (int i = 0; i < MANY_PIECES - 1; i++) /* empty pieces are no reason to write nothing */
        pieces[i].iov_len = 0;
    pieces[MANY_PIECES - 1] = (struct iovec){bytes, 1};
    CHECK_EQUAL(edo_writev(pair[0], pieces, MANY_PIECES), 1);
    CHECK_EQUAL(edo_writev_all(pair[0], pieces, MANY_PIECES), 1);
    edo_close(pair[0]);
    while ((n = edo_read(pair[1], bytes, sizeof bytes)) > 0)
        received += (size_t)n;
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(received, 2 * MANY_PIECES + IOV_MAX + 3);
    edo_close(pair[1]);
    return 0;
}

static void test_s2_more_pieces_than_a_call_takes_do_not_look_like_a_full_socket(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_many_pieces, NULL), 0);
}

static int write_wrong_pieces(void *argument)
{
    struct iovec pieces[2] = {{NULL, SSIZE_MAX}, {NULL, 1}};
    edo_stream *pair[2];

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_writev(pair[0], pieces, -1), -EINVAL);
    CHECK_EQUAL(edo_writev_all(pair[0], pieces, -1), -EINVAL);
    CHECK_EQUAL(edo_writev(pair[0], pieces, 2), -EINVAL);
    CHECK_EQUAL(edo_writev_all(pair[0], pieces, 2), -EINVAL);
    CHECK_EQUAL(edo_writev(pair[0], NULL, 0), 0);
    CHECK_EQUAL(edo_writev_all(pair[0], NULL, 0), 0);
    CHECK_EQUAL(edo_shutdown(pair[0], 3), -EINVAL);
    CHECK_EQUAL(edo_shutdown(pair[0], -1), -EINVAL);
    net_close_pair(pair);
    return 0;
}

static void test_f2_pieces_without_a_sum_are_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_wrong_pieces, NULL), 0);
}

/* --- Ends --------------------------------------------------------------------------------------------------------- */

static int write_to_nobody(void *argument)
{
    struct iovec piece = {(char[]){"x"}, 1};
    char buffer[8];
    edo_stream *pair[2];

    (void)argument;
    signal(SIGPIPE, SIG_DFL);
    net_pair(pair);
    edo_close(pair[1]);
    CHECK_EQUAL(edo_write(pair[0], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_writev(pair[0], &piece, 1), -EPIPE);
    CHECK_EQUAL(edo_write_all(pair[0], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_writev_all(pair[0], &piece, 1), -EPIPE);
    edo_close(pair[0]);

    net_tcp_pair(pair);
    CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_WRITE), 0);
    CHECK_EQUAL(edo_write(pair[0], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_write(pair[1], "still", 5), 5); /* the other way stays open */
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 5);
    CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_READ), 0);
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 0);
    CHECK_EQUAL(edo_shutdown(pair[1], EDO_HALF_BOTH), 0);
    CHECK_EQUAL(edo_read(pair[1], buffer, sizeof buffer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_epipe_comes_without_sigpipe(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_to_nobody, NULL), 0);
}

static int read_one(void *argument)
{
    char byte;

    return (int)edo_read((edo_stream *)argument, &byte, 1);
}

static int reset_by_peer(void *argument)
{
    struct linger now = {.l_onoff = 1};
    edo_stream *pair[2];
    edo_task *reader;
    int result;
    int rc = 0;

    (void)argument;
    net_tcp_pair(pair);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, read_one, pair[0], .handle = &reader), 0);
        net_settle();
        CHECK_EQUAL(setsockopt(edo_stream_fd(pair[1]), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        edo_close(pair[1]);
        CHECK_EQUAL(edo_join(&result, reader), 0);
        CHECK_EQUAL(result, -ECONNRESET);
    }
    edo_close(pair[0]);
    return rc;
}

static void test_a_reset_connection_is_told(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, reset_by_peer, NULL), 0);
}

static int shutdown_wakes_reader(void *argument)
{
    edo_stream *pair[2];
    edo_task *reader;
    int result = 1;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, read_one, pair[0], .handle = &reader), 0);
        net_settle();
        CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_READ), 0);
        CHECK_EQUAL(edo_join(&result, reader), 0);
        CHECK_EQUAL(result, 0);
    }
    net_close_pair(pair);
    return rc;
}

static void test_shutdown_ends_a_read_that_waits(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, shutdown_wakes_reader, NULL), 0);
}

/* --- Options and addresses ---------------------------------------------------------------------------------------- */

static int option_of(edo_stream *stream, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    CHECK_EQUAL(getsockopt(edo_stream_fd(stream), level, name, &value, &size), 0);
    return value;
}

static int options_of_streams(void *argument)
{
    static const edo_listen_options listening[] = {
        {.size = sizeof(edo_listen_options)},
        {.size = sizeof(edo_listen_options), .keep_delay = true, .keepalive = EDO_SEC(70)},
    };
    static const edo_connect_options connecting[] = {
        {.size = sizeof(edo_connect_options)},
        {.size = sizeof(edo_connect_options), .keep_delay = true, .keepalive = EDO_MS(1500)},
    };

    (void)argument;
    for (int i = 0; i < 2; i++) {
        edo_listener *listener;
        edo_stream *client;
        edo_stream *peer;
        edo_addr address;

        net_listen(&listener, &address, &listening[i]);
        CHECK_EQUAL(edo_connect(&client, &address, &connecting[i]), 0);
        CHECK_EQUAL(edo_accept(&peer, listener), 0);
        CHECK_EQUAL(option_of(client, IPPROTO_TCP, TCP_NODELAY) != 0, i == 0);
        CHECK_EQUAL(option_of(peer, IPPROTO_TCP, TCP_NODELAY) != 0, i == 0);
        CHECK_EQUAL(option_of(client, SOL_SOCKET, SO_KEEPALIVE) != 0, i == 1);
        CHECK_EQUAL(option_of(peer, SOL_SOCKET, SO_KEEPALIVE) != 0, i == 1);
        if (i == 1) {
            CHECK_EQUAL(option_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 2); /* up to whole seconds */
            CHECK_EQUAL(option_of(peer, IPPROTO_TCP, TCP_KEEPIDLE), 70);
        }
        CHECK_EQUAL(edo_stream_set_nodelay(client, i == 1), 0);
        CHECK_EQUAL(option_of(client, IPPROTO_TCP, TCP_NODELAY) != 0, i == 1);
        CHECK_EQUAL(edo_stream_set_keepalive(client, EDO_SEC(9)), 0);
        CHECK_EQUAL(option_of(client, SOL_SOCKET, SO_KEEPALIVE) != 0, 1);
        CHECK_EQUAL(option_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 9);
        CHECK_EQUAL(edo_stream_set_keepalive(client, EDO_FOREVER), 0);
        CHECK_EQUAL(option_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 32767);
        CHECK_EQUAL(edo_stream_set_keepalive(client, 0), 0);
        CHECK_EQUAL(option_of(client, SOL_SOCKET, SO_KEEPALIVE), 0);
        edo_close(client);
        edo_close(peer);
        edo_listener_close(listener);
    }
    return 0;
}

static void test_options_reach_both_ends(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, options_of_streams, NULL), 0);
}

static int addresses_of_streams(void *argument)
{
    edo_addr ends[4];
    edo_stream *pair[2];

    (void)argument;
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_stream_local(&ends[0], pair[0]), 0);
    CHECK_EQUAL(edo_stream_peer(&ends[1], pair[0]), 0);
    CHECK_EQUAL(edo_stream_local(&ends[2], pair[1]), 0);
    CHECK_EQUAL(edo_stream_peer(&ends[3], pair[1]), 0);
    CHECK(edo_addr_equal(&ends[0], &ends[3]));
    CHECK(edo_addr_equal(&ends[1], &ends[2]));
    CHECK(!edo_addr_equal(&ends[0], &ends[1]));
    net_close_pair(pair);
    return 0;
}

static void test_both_ends_have_their_addresses(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, addresses_of_streams, NULL), 0);
}

/* --- Streams made of descriptors ---------------------------------------------------------------------------------- */

static int from_descriptors(void *argument)
{
    edo_stream *stream = NULL;
    char buffer[4];
    int fds[2];

    (void)argument;
    CHECK_EQUAL(edo_stream_from_fd(&stream, -1), -EBADF);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQUAL(edo_stream_from_fd(&stream, fds[0]), 0);
    CHECK_EQUAL(edo_stream_fd(stream), fds[0]);
    CHECK(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    CHECK(write(fds[1], "abcd", 4) == 4);
    CHECK_EQUAL(edo_read(stream, buffer, 4), 4);
    edo_close(stream);
    CHECK_EQUAL(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
    return 0;
}

static void test_a_descriptor_becomes_the_streams(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, from_descriptors, NULL), 0);
}

/* S2 d: a short read means drained only on a stream socket, so others are no streams. */
static int from_wrong_descriptors(void *argument)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    edo_stream *stream = NULL;
    int fds[2];

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(types); i++) {
        CHECK_EQUAL(socketpair(AF_UNIX, types[i], 0, fds), 0);
        CHECK_EQUAL(edo_stream_from_fd(&stream, fds[0]), -ESOCKTNOSUPPORT);
        CHECK(!(fcntl(fds[0], F_GETFL) & O_NONBLOCK)); /* nothing was done to it */
        close(fds[0]);
        close(fds[1]);
    }
    fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC); /* pipes are streams, see test_pipe.c */
    CHECK_EQUAL(edo_stream_from_fd(&stream, fds[0]), -ENOTSOCK);
    close(fds[0]);
    CHECK(stream == NULL);
    return 0;
}

static void test_s2_d_what_is_no_stream_socket_is_no_stream(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, from_wrong_descriptors, NULL), 0);
}

/* S2 d: a read stops at urgent data, and what is behind them is no edge. */
static int read_past_urgent_data(void *argument)
{
    edo_stream *pair[2];
    char buffer[16];
    int waiting = 0;
    int fd;

    (void)argument;
    net_tcp_pair(pair);
    fd = edo_stream_fd(pair[1]);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    CHECK(send(fd, "abc", 3, MSG_NOSIGNAL) == 3);
    CHECK(send(fd, "!", 1, MSG_NOSIGNAL | MSG_OOB) == 1);
    CHECK(send(fd, "def", 3, MSG_NOSIGNAL) == 3);
    while (waiting < 6)
        CHECK_EQUAL(ioctl(edo_stream_fd(pair[0]), FIONREAD, &waiting) < 0 || waiting == 3 ? (waiting = 6) : waiting,
                    waiting);
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 3);
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 3);
    CHECK(memcmp(buffer, "def", 3) == 0);
    net_close_pair(pair);
    return 0;
}

static void test_s2_d_a_read_that_stops_at_urgent_data_is_not_drained(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, read_past_urgent_data, NULL), 0);
}

static int all_kinds_of_descriptors(void *argument)
{
    int kept = *(int *)argument;
    edo_listener *listener;
    edo_stream *pair[2];
    edo_stream *tcp[2];
    edo_addr address;
    int fds[2];

    net_listen(&listener, &address, NULL);
    net_tcp_pair(tcp);
    net_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    CHECK_EQUAL(net_descriptors(false), kept);
    net_close_pair(pair);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQUAL(edo_stream_from_fd(&pair[0], fds[0]), 0);
    CHECK_EQUAL(edo_stream_from_fd(&pair[1], fds[1]), 0);
    CHECK_EQUAL(net_descriptors(false), kept);
    net_close_pair(pair);
    net_close_pair(tcp);
    edo_listener_close(listener);
    return 0;
}

static void test_f4_every_descriptor_is_close_on_exec(void **state)
{
    int kept = net_descriptors(false);

    (void)state;
    assert_int_equal(net_run(2, all_kinds_of_descriptors, &kept), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_gives_what_there_is_and_zero_at_the_end),
        TEST(test_half_close_echo_returns_every_byte),
        TEST(test_f1_short_transfers_eintr_and_eagain_lose_no_byte),
        TEST(test_f1_an_interrupted_read_is_tried_again),
        TEST(test_s2_more_pieces_than_a_call_takes_do_not_look_like_a_full_socket),
        TEST(test_f2_pieces_without_a_sum_are_refused),
        TEST(test_epipe_comes_without_sigpipe),
        TEST(test_a_reset_connection_is_told),
        TEST(test_shutdown_ends_a_read_that_waits),
        TEST(test_options_reach_both_ends),
        TEST(test_both_ends_have_their_addresses),
        TEST(test_a_descriptor_becomes_the_streams),
        TEST(test_s2_d_what_is_no_stream_socket_is_no_stream),
        TEST(test_s2_d_a_read_that_stops_at_urgent_data_is_not_drained),
        TEST(test_f4_every_descriptor_is_close_on_exec),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
