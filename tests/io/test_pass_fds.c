/* SPDX-License-Identifier: MIT */
/* Descriptors that travel over Unix sockets: what arrives, and that nothing is left open whatever goes wrong. */
#include "net.h"

#include <edo/pass.h>

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A pipe's end to be passed, by what can be read from it. */
static int readable_with(char byte)
{
    int ends[2];

    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQUAL(write(ends[1], &byte, 1), 1);
    close(ends[1]);
    return ends[0];
}

/* What can be read from it, once; closes it. */
static char byte_of(int fd)
{
    char byte = 0;

    CHECK_EQUAL(read(fd, &byte, 1), 1);
    close(fd);
    return byte;
}

static ssize_t send_three(edo_stream *stream, const char *bytes, size_t size)
{
    int fds[3] = {readable_with('a'), readable_with('b'), readable_with('c')};
    ssize_t n = edo_send_fds(stream, bytes, size, fds, 3);

    for (int i = 0; i < 3; i++)
        close(fds[i]);
    return n;
}

static int pass_over_a_stream(void *argument)
{
    edo_stream *pair[2];
    char buffer[16];
    int fds[3];
    int count = 3;

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(send_three(pair[0], "first", 5), 5);
    CHECK_EQUAL(edo_send_fds(pair[0], "none", 4, NULL, 0), 4);
    CHECK_EQUAL(edo_recv_fds(pair[1], buffer, 2, fds, &count), 2);
    CHECK_EQUAL(count, 3);
    for (int i = 0; i < 3; i++) {
        CHECK(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        CHECK_EQUAL(byte_of(fds[i]), 'a' + i);
    }
    /* The rest comes without: in one piece or two. */
    for (size_t got = 0; got < 7;) {
        ssize_t n = edo_recv_fds(pair[1], buffer + got, sizeof buffer - got, fds, &count);

        CHECK(n > 0);
        CHECK_EQUAL(count, 0);
        got += (size_t)n;
    }
    CHECK(memcmp(buffer, "rstnone", 7) == 0);
    net_close_pair(pair);
    return 0;
}

static void test_descriptors_come_with_the_first_of_their_bytes(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, pass_over_a_stream, NULL), 0);
}

/* A read ends where descriptors came: less than was asked for, and yet there is more. */
static int pass_twice_at_one_edge(void *argument)
{
    edo_stream *pair[2];
    char buffer[16];
    int fds[3];
    int count = 3;

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[1], edo_now()), -ETIMEDOUT); /* registered, and nothing remembered */
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(send_three(pair[0], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        count = 3;
        CHECK_EQUAL(edo_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), 1);
        CHECK_EQUAL(count, 3);
        for (int k = 0; k < 3; k++)
            close(fds[k]);
    }
    edo_close(pair[0]);
    count = 3;
    CHECK_EQUAL(edo_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), 0); /* the end */
    CHECK_EQUAL(count, 0);
    edo_close(pair[1]);
    return 0;
}

static int write_much(void *argument)
{
    static char much[1000000];

    return edo_write_all(argument, much, sizeof much) == (ssize_t)sizeof much ? 0 : -EIO;
}

static int wait_and_send(void *argument)
{
    edo_stream **pair = argument;
    int fd = readable_with('e');

    net_settle(); /* the other one waits by then */
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, &fd, 1), 1);
    close(fd);
    return 0;
}

/* The stream's first wait is for descriptors; a later one is for room. */
static int write_after_descriptors(void *argument)
{
    edo_stream *pair[2];
    char buffer[4096];
    int fd;
    int count = 1;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    EDO_SCOPE (scope, &rc) {
        ssize_t n;

        CHECK_EQUAL(edo_spawn(scope, wait_and_send, pair), 0);
        CHECK_EQUAL(edo_recv_fds(pair[1], buffer, 1, &fd, &count), 1);
        close(fd);
        CHECK_EQUAL(edo_spawn(scope, write_much, pair[1]), 0);
        for (size_t got = 0; got < 1000000; got += (size_t)n)
            CHECK((n = edo_read(pair[0], buffer, sizeof buffer)) > 0);
    }
    net_close_pair(pair);
    return rc;
}

static void test_a_stream_that_waited_for_descriptors_hears_of_room(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_after_descriptors, NULL), 0);
}

static void test_s2_a_read_that_ends_at_descriptors_does_not_mean_drained(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, pass_twice_at_one_edge, NULL), 0);
}

static int pass_over_datagrams(void *argument)
{
    edo_datagram *pair[2];
    char buffer[4];
    int fd = readable_with('d');
    int fds[2];
    int count;

    (void)argument;
    CHECK_EQUAL(edo_datagram_pair(pair), 0);
    CHECK_EQUAL(edo_datagram_send_fds(pair[0], NULL, 0, &fd, 1), 0); /* without any bytes */
    CHECK_EQUAL(edo_datagram_send_fds(pair[0], "12345", 5, &fd, 1), 5);
    CHECK_EQUAL(edo_datagram_send_fds(pair[0], "1234", 4, &fd, 1), 4);
    close(fd);
    count = 2;
    CHECK_EQUAL(edo_datagram_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), 0);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(byte_of(fds[0]), 'd');
    count = 2;
    CHECK_EQUAL(edo_datagram_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), -EMSGSIZE); /* cut: it is closed */
    CHECK_EQUAL(count, 0);
    CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), 4); /* unseen: closed by the system */
    edo_datagram_close(pair[0]);
    edo_datagram_close(pair[1]);
    return 0;
}

static void test_datagrams_bring_descriptors_too(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, pass_over_datagrams, NULL), 0);
}

/* Room for one is rounded up to two by the kernel's alignment. */
static int too_many(void *argument)
{
    edo_stream *pair[2];
    char buffer[16];
    int fds[3] = {-1, -1, -1};
    int count = 0;

    (void)argument;
    net_pair(pair);
    for (int room = 0; room < 3; room++) {
        int before = net_descriptors(true);

        CHECK_EQUAL(send_three(pair[0], "x", 1), 1);
        count = room;
        CHECK_EQUAL(edo_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), -EMSGSIZE);
        CHECK_EQUAL(count, 0);
        CHECK_EQUAL(net_descriptors(true), before);
    }
    CHECK_EQUAL(send_three(pair[0], "x", 1), 1);
    CHECK_EQUAL(edo_read(pair[1], buffer, sizeof buffer), 1); /* one who does not want them leaks none */
    net_close_pair(pair);
    return 0;
}

static void test_f1_a_surplus_is_closed_and_told(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, too_many, NULL), 0);
}

/* The process may have one more descriptor; three come. */
static int no_room_in_the_process(void *argument)
{
    edo_stream *pair[2];
    struct rlimit before;
    struct rlimit few;
    char buffer[16];
    int fds[3];
    int count = 3;
    int lowest;
    int open_then = net_descriptors(true);

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(send_three(pair[0], "x", 1), 1);
    lowest = dup(0);
    close(lowest);
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){(rlim_t)lowest + 1, before.rlim_max};
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK_EQUAL(edo_recv_fds(pair[1], buffer, sizeof buffer, fds, &count), -EMFILE);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_EQUAL(count, 0);
    net_close_pair(pair);
    CHECK_EQUAL(net_descriptors(true), open_then);
    return 0;
}

static void test_f1_without_descriptors_to_take_them_none_is_left(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, no_room_in_the_process, NULL), 0);
}

static int wrong(void *argument)
{
    edo_stream *pair[2];
    edo_stream *tcp[2];
    char buffer[4];
    int fds[EDO_PASS_MOST + 1];
    int count = -1;
    int gone = dup(0);

    (void)argument;
    net_pair(pair);
    net_tcp_pair(tcp);
    for (int i = 0; i <= EDO_PASS_MOST; i++)
        fds[i] = 0;
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, fds, EDO_PASS_MOST + 1), -EINVAL);
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, fds, -1), -EINVAL);
    CHECK_EQUAL(edo_send_fds(pair[0], "", 0, fds, 1), -EINVAL);
    CHECK_EQUAL(edo_recv_fds(pair[0], buffer, 1, fds, &count), -EINVAL);
    count = 1;
    CHECK_EQUAL(edo_recv_fds(pair[0], buffer, 0, fds, &count), -EINVAL);
    close(gone);
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, &gone, 1), -EBADF);
    CHECK_EQUAL(edo_try_read(pair[1], buffer, 1), -EAGAIN);            /* nothing was sent */
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, fds, EDO_PASS_MOST), 1); /* so many can */
    count = EDO_PASS_MOST;
    CHECK_EQUAL(edo_recv_fds(pair[1], buffer, 1, fds, &count), 1);
    CHECK_EQUAL(count, EDO_PASS_MOST);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    edo_close(pair[1]);
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, NULL, 0), -EPIPE); /* and no signal */
    edo_close(pair[0]);
    net_close_pair(tcp);
    return 0;
}

/* The kernel would send the bytes alone, over TCP and UDP, and say nothing. */
static int elsewhere(void *argument)
{
    edo_stream *tcp[2];
    edo_stream *memory[2];
    edo_datagram *udp EDO_AUTO(edo_datagram_close) = NULL;
    edo_credentials peer;
    edo_addr address;
    char byte;
    int fd = 0;

    (void)argument;
    net_tcp_pair(tcp);
    CHECK_EQUAL(edo_duplex(&memory[0], &memory[1], 0), 0);
    CHECK_EQUAL(edo_udp_bind(&udp, "127.0.0.1:0", NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, udp), 0);
    CHECK_EQUAL(edo_datagram_set_peer(udp, &address), 0);
    CHECK_EQUAL(edo_send_fds(tcp[0], "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_EQUAL(edo_try_read(tcp[1], &byte, 1), -EAGAIN);
    CHECK_EQUAL(edo_send_fds(tcp[0], "x", 1, NULL, 0), 1); /* none is none */
    CHECK_EQUAL(edo_datagram_send_fds(udp, "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_EQUAL(edo_datagram_try_recv(udp, &byte, 1), -EAGAIN);
    CHECK_EQUAL(edo_send_fds(memory[0], "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_EQUAL(edo_stream_peer_credentials(&peer, memory[0]), -EOPNOTSUPP);
    net_close_pair(tcp);
    net_close_pair(memory);
    return 0;
}

static void test_f1_descriptors_are_not_lost_where_none_can_go(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, elsewhere, NULL), 0);
}

static void test_f1_what_cannot_be_passed_is_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, wrong, NULL), 0);
}

/* --- Waiting and cancellation ------------------------------------------------------------------------------------- */

struct taker {
    edo_stream *stream;
    ssize_t result;
    int count;
    int fd;
};

static int take_one(void *argument)
{
    struct taker *taker = argument;
    char byte;

    taker->count = 1;
    taker->result = edo_recv_fds(taker->stream, &byte, 1, &taker->fd, &taker->count);
    return 0;
}

static int cancelled(void *argument)
{
    edo_stream *pair[2];
    struct taker taker;
    int fd = readable_with('z');

    (void)argument;
    net_pair(pair);
    /* While it waits; when something has come as well; not at all. */
    for (int i = 0; i < 3; i++) {
        edo_scope scope;

        taker = (struct taker){.stream = pair[1], .fd = -1};
        edo_scope_begin(&scope, NULL, NULL);
        CHECK_EQUAL(edo_spawn(&scope, take_one, &taker), 0);
        net_settle();
        if (i > 0)
            CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, &fd, 1), 1);
        if (i < 2)
            edo_scope_cancel(&scope);
        edo_scope_end(&scope, 0);
        if (i == 0)
            CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, &fd, 1), 1);
        if (taker.result < 0) {
            CHECK(i < 2);
            CHECK_EQUAL(taker.result, -ECANCELED);
            CHECK_EQUAL(taker.count, 0);
            take_one(&taker); /* it is still there */
        }
        CHECK_EQUAL(taker.result, 1);
        CHECK_EQUAL(taker.count, 1);
        close(taker.fd);
    }
    close(fd);
    net_close_pair(pair);
    return 0;
}

static void test_c3_a_cancelled_receive_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, cancelled, NULL), 0);
}

static int closed(void *argument)
{
    edo_stream *pair[2];
    struct taker taker;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    taker = (struct taker){.stream = pair[1]};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, take_one, &taker), 0);
        net_settle();
        edo_close(pair[1]);
    }
    CHECK_EQUAL(taker.result, -EBADF);
    edo_close(pair[0]);
    return rc;
}

static void test_a_close_ends_the_wait_for_descriptors(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, closed, NULL), 0);
}

/* --- Who is there ------------------------------------------------------------------------------------------------- */

static int peer_of_streams(void *argument)
{
    edo_stream *pair[2];
    edo_credentials peer = {0, 0, 0};

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_stream_peer_credentials(&peer, pair[0]), 0);
    CHECK_EQUAL(peer.process, getpid());
    CHECK_EQUAL(peer.user, getuid());
    CHECK_EQUAL(peer.group, getgid());
    net_close_pair(pair);
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_stream_peer_credentials(&peer, pair[0]), -EOPNOTSUPP);
    net_close_pair(pair);
    return 0;
}

/* Another process connects. */
static int peer_of_another_process(void *argument)
{
    edo_listener *listener;
    edo_stream *stream;
    edo_credentials peer;
    pid_t child;
    char byte;

    (void)argument;
    CHECK_EQUAL(edo_unix_listen(&listener, "@edo-test-pass-fds", NULL), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        memcpy(address.sun_path, "\0edo-test-pass-fds", 18);
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 18)) < 0)
            _exit(1);
        _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    }
    CHECK_EQUAL(edo_accept(&stream, listener), 0);
    CHECK_EQUAL(edo_stream_peer_credentials(&peer, stream), 0);
    CHECK_EQUAL(peer.process, child);
    CHECK_EQUAL(edo_read(stream, &byte, 1), 1);
    CHECK_EQUAL(waitpid(child, NULL, 0), child);
    edo_close(stream);
    edo_listener_close(listener);
    return 0;
}

static void test_the_peer_of_a_unix_stream_is_known(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, peer_of_streams, NULL), 0);
    assert_int_equal(net_run(1, peer_of_another_process, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_descriptors_come_with_the_first_of_their_bytes, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_s2_a_read_that_ends_at_descriptors_does_not_mean_drained, net_begin,
                                        net_end),
        cmocka_unit_test_setup_teardown(test_a_stream_that_waited_for_descriptors_hears_of_room, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_datagrams_bring_descriptors_too, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_a_surplus_is_closed_and_told, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_without_descriptors_to_take_them_none_is_left, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_what_cannot_be_passed_is_refused, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_f1_descriptors_are_not_lost_where_none_can_go, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c3_a_cancelled_receive_takes_nothing, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_a_close_ends_the_wait_for_descriptors, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_the_peer_of_a_unix_stream_is_known, net_begin, net_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
