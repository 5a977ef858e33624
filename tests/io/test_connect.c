/* SPDX-License-Identifier: MIT */
/* Connecting: at once, later, never, and given up. */
#include "net.h"

#include <netinet/in.h>

/* --- What the kernel says ----------------------------------------------------------------------------------------- */

/*
 * Answers to be given before the kernel's own; 0 ends them. A registered descriptor is told anew with each but EINTR.
 */
static struct {
    const int *answers;
    bool dial; /* the kernel connects all the same, at the first answer */
    bool fail_registration;
    int epoll;
    struct epoll_event event;
} line;

static int line_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && event->data.u64 != 0) {
        if (line.fail_registration)
            return -ENOSPC;
        line.epoll = epoll;
        line.event = *event;
    }
    return net_epoll_ctl(epoll, operation, fd, event);
}

static int line_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int answer = line.answers ? *line.answers : 0;

    if (answer == 0)
        return net_connect(fd, address, size);
    line.answers++;
    if (line.dial) {
        int rc = net_connect(fd, address, size);

        CHECK(rc == 0 || rc == -EINPROGRESS);
        line.dial = false;
    } else {
        net_count(NET_CONNECT);
    }
    if (line.epoll && answer != EINTR) /* a signal is no event */
        edo_platform_system.epoll_ctl(line.epoll, EPOLL_CTL_MOD, fd, &line.event);
    return -answer;
}

static void line_begin(const int *answers, bool dial)
{
    memset(&line, 0, sizeof line);
    line.answers = answers;
    line.dial = dial;
    net_table.connect = line_connect;
    net_table.epoll_ctl = line_ctl;
}

static int connect_and_talk(void *argument)
{
    edo_listener *listener;
    edo_stream *client = NULL;
    edo_stream *peer;
    edo_addr address;
    char byte;
    int rc;

    (void)argument;
    net_listen(&listener, &address, NULL);
    rc = edo_connect(&client, &address, NULL);
    if (rc < 0) {
        CHECK(client == NULL);
        edo_listener_close(listener);
        return rc;
    }
    CHECK_EQUAL(edo_accept(&peer, listener), 0);
    CHECK_EQUAL(edo_write(client, "c", 1), 1);
    CHECK_EQUAL(edo_read(peer, &byte, 1), 1);
    edo_close(client);
    edo_close(peer);
    edo_listener_close(listener);
    return 0;
}

static void test_connect_goes_on_until_the_connection_stands(void **state)
{
    static const int at_once[] = {0};
    static const int later[] = {EINPROGRESS, 0};
    static const int interrupted[] = {EINTR, 0};
    static const int interrupted_when_it_stands[] = {EINPROGRESS, EINTR, 0};
    static const int needless_wakes[] = {EINPROGRESS, EALREADY, EALREADY, EALREADY, 0};
    static const int standing[] = {EINPROGRESS, EISCONN, 0};
    static const int *const lines[] = {at_once,        later,   interrupted, interrupted_when_it_stands,
                                       needless_wakes, standing};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(lines); i++) {
        line_begin(lines[i], i > 0);
        assert_int_equal(net_run(1, connect_and_talk, NULL), 0);
    }
}

static void test_connect_tells_why_it_failed(void **state)
{
    static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EACCES, EAGAIN};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(errors); i++)
        for (int late = 0; late < 2; late++) {
            int answers[3] = {late ? EINPROGRESS : errors[i], late ? errors[i] : 0, 0};

            line_begin(answers, false);
            assert_int_equal(net_run(1, connect_and_talk, NULL), -errors[i]);
        }
}

static void test_f1_a_connection_that_cannot_be_registered_is_closed(void **state)
{
    static const int later[] = {EINPROGRESS, 0};

    (void)state;
    line_begin(later, true);
    line.fail_registration = true;
    assert_int_equal(net_run(1, connect_and_talk, NULL), -ENOSPC);
}

static int refused(void *argument)
{
    edo_listener *listener;
    edo_stream *stream = NULL;
    edo_addr address;

    (void)argument;
    net_listen(&listener, &address, NULL);
    edo_listener_close(listener);
    CHECK_EQUAL(edo_connect(&stream, &address, NULL), -ECONNREFUSED);
    CHECK_EQUAL(edo_tcp_connect(&stream, "127.0.0.1", NULL), -EINVAL);
    CHECK_EQUAL(edo_connect(&stream, NULL, NULL), -EINVAL);
    CHECK(stream == NULL);
    return 0;
}

static void test_nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, refused, NULL), 0);
}

/* --- Giving up ---------------------------------------------------------------------------------------------------- */

static int connect_one(void *argument)
{
    edo_stream *stream;
    int rc = edo_connect(&stream, (const edo_addr *)argument, NULL);

    if (rc == 0)
        edo_close(stream);
    return rc;
}

static int give_up(void *argument)
{
    edo_addr address;
    edo_task *task;
    int result;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_addr_parse(&address, "127.0.0.1:9"), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, connect_one, &address, .handle = &task), 0);
        net_settle();
        CHECK(!edo_task_done(task));
        edo_scope_cancel(scope);
    }
    CHECK_EQUAL(edo_join(&result, task), 0);
    CHECK_EQUAL(result, -ECANCELED);
    rc = 0;
    EDO_TIMEOUT (EDO_MS(3), &rc) {
        rc = connect_one(&address);
    }
    CHECK_EQUAL(rc, -ETIMEDOUT);
    return 0;
}

static int never_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    static int calls;

    (void)fd, (void)address, (void)size;
    net_count(NET_CONNECT);
    return calls++ == 0 ? -EINPROGRESS : -EALREADY;
}

static void test_c2_a_connect_that_is_given_up_closes_its_socket(void **state)
{
    (void)state;
    net_table.connect = never_connect;
    assert_int_equal(net_run(1, give_up, NULL), 0); /* which counts descriptors and streams */
    assert_int_equal(atomic_load(&net_calls[NET_SOCKET]), 2);
    assert_true(atomic_load(&net_calls[NET_CONNECT]) < 20);
}

/* --- The local end ------------------------------------------------------------------------------------------------ */

static int connect_from(void *argument)
{
    edo_listener *listener;
    edo_stream *client;
    edo_stream *peer;
    edo_addr address;
    edo_addr local;
    edo_addr found;
    edo_addr none;

    (void)argument;
    memset(&none, 0, sizeof none);
    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(edo_addr_parse(&local, "127.0.0.2:0"), 0);
    CHECK_EQUAL(edo_connect(&client, &address, EDO_OPTIONS(edo_connect_options, .bind = &local)), 0);
    CHECK_EQUAL(edo_accept(&peer, listener), 0);
    CHECK_EQUAL(edo_stream_peer(&found, peer), 0);
    CHECK_EQUAL(edo_addr_set_port(&local, edo_addr_port(&found)), 0);
    CHECK(edo_addr_equal(&found, &local));
    CHECK_EQUAL(edo_stream_local(&found, client), 0);
    CHECK(edo_addr_equal(&found, &local));
    edo_close(client);
    edo_close(peer);
    CHECK_EQUAL(edo_addr_parse(&local, "192.0.2.1:0"), 0); /* not of this host: RFC 5737 */
    CHECK_EQUAL(edo_connect(&client, &address, EDO_OPTIONS(edo_connect_options, .bind = &local)), -EADDRNOTAVAIL);
    CHECK_EQUAL(edo_connect(&client, &address, EDO_OPTIONS(edo_connect_options, .bind = &none)), -EINVAL);
    edo_listener_close(listener);
    return 0;
}

static void test_connect_from_a_local_address(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, connect_from, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connect_goes_on_until_the_connection_stands),         TEST(test_connect_tells_why_it_failed),
        TEST(test_f1_a_connection_that_cannot_be_registered_is_closed), TEST(test_nobody_listens),
        TEST(test_c2_a_connect_that_is_given_up_closes_its_socket),     TEST(test_connect_from_a_local_address),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
