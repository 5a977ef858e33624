/* SPDX-License-Identifier: MIT */
/*
 * Listeners: which connections come, and that none is lost, whatever the kernel is short of and whoever cancels.
 */
#include "net.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* --- Listening ---------------------------------------------------------------------------------------------------- */

static atomic_int backlog_seen;

static int seen_listen(int fd, int backlog)
{
    atomic_store(&backlog_seen, backlog);
    return edo_platform_system.listen(fd, backlog);
}

static int listen_with_options(void *argument)
{
    edo_listener *listener = NULL;
    edo_listener *second = NULL;
    edo_stream *stream;
    edo_addr address;
    edo_addr none;

    (void)argument;
    memset(&none, 0, sizeof none);
    CHECK_EQUAL(edo_listen(&listener, &none, NULL), -EINVAL);
    CHECK_EQUAL(edo_connect(&stream, &none, NULL), -EINVAL);
    CHECK_EQUAL(edo_tcp_listen(&listener, "nonsense", NULL), -EINVAL);
    CHECK_EQUAL(edo_tcp_listen(&listener, "127.0.0.1:0", EDO_OPTIONS(edo_listen_options, .backlog = -1)), -EINVAL);
    CHECK(listener == NULL);
    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(atomic_load(&backlog_seen), 4096);
    CHECK(edo_addr_port(&address) > 0);
    CHECK_EQUAL(edo_listen(&second, &address, NULL), -EADDRINUSE);
    edo_listener_close(listener);
    CHECK_EQUAL(edo_listen(&listener, &address, EDO_OPTIONS(edo_listen_options, .reuse_port = true, .backlog = 7)), 0);
    CHECK_EQUAL(atomic_load(&backlog_seen), 7);
    CHECK_EQUAL(edo_listen(&second, &address, EDO_OPTIONS(edo_listen_options, .reuse_port = true)), 0);
    edo_listener_close(listener);
    edo_listener_close(second);
    return 0;
}

static void test_listen_options_and_refusals(void **state)
{
    (void)state;
    net_table.listen = seen_listen;
    assert_int_equal(net_run(1, listen_with_options, NULL), 0);
}

static int accept_one(void *argument)
{
    edo_stream *stream;
    int rc = edo_accept(&stream, (edo_listener *)argument);

    if (rc == 0)
        edo_close(stream);
    return rc;
}

static int listen_on_ip6(void *argument)
{
    edo_listener *listener;
    edo_stream *client;
    edo_stream *peer;
    edo_addr address;
    char byte;
    int rc = edo_tcp_listen(&listener, "[::1]:0", NULL);

    (void)argument;
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        return 1;
    CHECK_EQUAL(rc, 0);
    CHECK_EQUAL(edo_listener_addr(&address, listener), 0);
    CHECK_EQUAL(edo_connect(&client, &address, NULL), 0);
    CHECK_EQUAL(edo_accept(&peer, listener), 0);
    CHECK_EQUAL(edo_write(client, "6", 1), 1);
    CHECK_EQUAL(edo_read(peer, &byte, 1), 1);
    edo_close(client);
    edo_close(peer);
    edo_listener_close(listener);
    return 0;
}

static void test_ip6_where_the_host_has_it(void **state)
{
    (void)state;
    if (net_run(1, listen_on_ip6, NULL) == 1)
        skip();
}

static int second_acceptor(void *argument)
{
    edo_listener *listener;
    edo_stream *stream;
    edo_addr address;
    edo_task *task;
    int result;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, accept_one, listener, .handle = &task), 0);
        net_settle();
        CHECK_EQUAL(edo_accept(&stream, listener), -EBUSY);
        CHECK_EQUAL(edo_connect(&stream, &address, NULL), 0);
        CHECK_EQUAL(edo_join(&result, task), 0);
        edo_close(stream);
    }
    edo_listener_close(listener);
    return rc;
}

static void test_a_second_acceptor_is_busy(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, second_acceptor, NULL), 0);
}

enum { MANY = 50 };

/* One edge may stand for many connections. */
static int accept_many(void *argument)
{
    edo_listener *listener;
    edo_stream *clients[MANY];
    edo_addr address;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    EDO_TIMEOUT (EDO_MS(1), &rc) { /* registered */
        edo_stream *none;

        rc = edo_accept(&none, listener);
    }
    CHECK_EQUAL(rc, -ETIMEDOUT);
    for (int i = 0; i < MANY; i++)
        CHECK_EQUAL(edo_connect(&clients[i], &address, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        edo_stream *peer;

        CHECK_EQUAL(edo_accept(&peer, listener), 0);
        edo_close(peer);
        edo_close(clients[i]);
    }
    edo_listener_close(listener);
    return 0;
}

static void test_one_edge_may_stand_for_many_connections(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, accept_many, NULL), 0);
}

/* --- What accept(2) says of others -------------------------------------------------------------------------------- */

static struct {
    int error;
    atomic_int times; /* so often; -1: for ever */
} refusal;

static int refusing_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    int left = atomic_load(&refusal.times);

    if (left > 0)
        atomic_fetch_sub(&refusal.times, 1);
    if (left != 0) {
        net_count(NET_ACCEPT);
        return -refusal.error;
    }
    return net_accept(fd, address, size, flags);
}

static int connect_and_accept(void *argument)
{
    edo_listener *listener;
    edo_stream *client;
    edo_stream *peer;
    edo_addr address;
    int rc;

    (void)argument;
    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(edo_connect(&client, &address, NULL), 0);
    rc = edo_accept(&peer, listener);
    if (rc == 0)
        edo_close(peer);
    edo_close(client);
    edo_listener_close(listener);
    return rc;
}

static void test_connections_that_died_in_the_queue_are_passed_over(void **state)
{
    static const int passing[] = {EINTR,     ECONNABORTED, EPROTO, ENETDOWN,     ENOPROTOOPT,
                                  EHOSTDOWN, ENONET,       EPERM,  EHOSTUNREACH, ENETUNREACH};

    (void)state;
    net_table.accept = refusing_accept;
    for (size_t i = 0; i < EDO_COUNT(passing); i++) {
        refusal.error = passing[i];
        atomic_store(&refusal.times, 200);
        assert_int_equal(net_run(1, connect_and_accept, NULL), 0);
        assert_int_equal(atomic_load(&refusal.times), 0);
    }
    refusal.error = EINVAL; /* not passing: the caller's */
    atomic_store(&refusal.times, 1);
    assert_int_equal(net_run(1, connect_and_accept, NULL), -EINVAL);
}

/* An error that does not pass, though such errors usually do, must not hold the worker, nor outlive a cancellation. */
static int cancel_a_refused_accept(void *argument)
{
    edo_listener *listener;
    edo_addr address;
    edo_task *task;
    int result = 0;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    EDO_SCOPE (outer, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(outer, accept_one, listener, .handle = &task), 0);
        net_settle();
        edo_scope_cancel(outer);
    }
    CHECK_EQUAL(edo_join(&result, task), 0);
    CHECK_EQUAL(result, -ECANCELED);
    edo_listener_close(listener);
    return 0;
}

static void test_c1_an_accept_that_is_refused_for_ever_yields_and_is_cancelled(void **state)
{
    static const int errors[] = {EPERM, EMFILE, ENOMEM};

    (void)state;
    net_table.accept = refusing_accept;
    for (size_t i = 0; i < EDO_COUNT(errors); i++) {
        refusal.error = errors[i];
        atomic_store(&refusal.times, -1);
        assert_int_equal(net_run(1, cancel_a_refused_accept, NULL), 0);
    }
}

/* --- Shortages ---------------------------------------------------------------------------------------------------- */

/* Lasts until the pretended shortage ends, which it does when somebody looks for the twentieth time. */
static void test_f1_accept_waits_out_a_shortage_and_loses_nothing(void **state)
{
    static const int shortages[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

    (void)state;
    net_table.accept = refusing_accept;
    for (size_t i = 0; i < EDO_COUNT(shortages); i++) {
        refusal.error = shortages[i];
        atomic_store(&refusal.times, 4);
        assert_int_equal(net_run(1, connect_and_accept, NULL), 0);
        assert_int_equal(atomic_load(&refusal.times), 0);
    }
}

static int wait_a_while(void *argument)
{
    edo_listener *listener;
    edo_stream *client;
    edo_addr address;
    int before;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(edo_connect(&client, &address, NULL), 0);
    before = atomic_load(&net_calls[NET_ACCEPT]);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, accept_one, listener), 0);
        edo_sleep(EDO_MS(350));
        edo_scope_cancel(scope);
    }
    /* Woken every 100 ms at most, and then two or three looks. */
    CHECK(atomic_load(&net_calls[NET_ACCEPT]) - before <= 20);
    edo_close(client);
    edo_listener_close(listener);
    return 0;
}

static void test_f1_accept_does_not_spin_in_a_shortage(void **state)
{
    (void)state;
    net_table.accept = refusing_accept;
    refusal.error = EMFILE;
    atomic_store(&refusal.times, -1);
    assert_int_equal(net_run(1, wait_a_while, NULL), 0);
}

struct real_shortage {
    edo_addr address;
    edo_listener *listener;
    int accepted;
    edo_stream *held[MANY];
};

static int accept_all(void *argument)
{
    struct real_shortage *shortage = (struct real_shortage *)argument;

    while (shortage->accepted < MANY) {
        int rc = edo_accept(&shortage->held[shortage->accepted], shortage->listener);

        if (rc < 0)
            return rc;
        shortage->accepted++;
    }
    return 0;
}

/* Clients are plain sockets of another process; the limit leaves the server 10 connections at a time. */
static int survive_emfile(void *argument)
{
    struct real_shortage shortage = {0};
    struct rlimit limit;
    int ready[2];
    pid_t child;
    int accepts;
    int closed = 0;
    int next;
    int status;
    int rc = 0;

    (void)argument;
    net_listen(&shortage.listener, &shortage.address, NULL);
    CHECK_EQUAL(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        socklen_t size;
        const struct sockaddr *address = edo_addr_sockaddr(&shortage.address, &size);
        char byte;

        close(ready[1]);
        for (int i = 0; i < MANY; i++)
            if (connect(socket(AF_INET, SOCK_STREAM, 0), address, size) < 0)
                _exit(1);
        _exit(read(ready[0], &byte, 1) == 0 ? 0 : 2); /* until the other has seen them all */
    }
    close(ready[0]);
    next = dup(0);
    close(next);
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next + 10;
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    accepts = atomic_load(&net_calls[NET_ACCEPT]);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, accept_all, &shortage), 0);
        while (closed < MANY) {
            edo_sleep(EDO_MS(2));
            CHECK(shortage.accepted - closed <= 10);
            if (closed < shortage.accepted)
                edo_close(shortage.held[closed++]);
        }
    }
    CHECK_EQUAL(shortage.accepted, MANY);
    CHECK(atomic_load(&net_calls[NET_ACCEPT]) - accepts <= 6 * MANY);
    close(ready[1]);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    edo_listener_close(shortage.listener);
    return rc;
}

static void test_f1_accept_survives_emfile_without_losing_the_backlog(void **state)
{
    pid_t child;
    int status;

    (void)state;
    fflush(NULL);
    child = fork();
    if (child == 0)
        _exit(net_run(1, survive_emfile, NULL) == 0 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int close_in_a_shortage(void *argument)
{
    edo_listener *listener;
    edo_addr address;
    edo_task *task;
    int result;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, accept_one, listener, .handle = &task), 0);
        net_settle();
        edo_listener_close(listener);
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, -EBADF);
    }
    return rc;
}

static void test_f1_a_listener_can_be_closed_in_a_shortage(void **state)
{
    (void)state;
    net_table.accept = refusing_accept;
    refusal.error = ENFILE;
    atomic_store(&refusal.times, -1);
    assert_int_equal(net_run(1, close_in_a_shortage, NULL), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

enum { CONNECTS = 600 };

struct storm {
    edo_addr address;
    edo_listener *listener;
    int wanted;
    atomic_int accepted;
    atomic_int connected;
};

static int storm_connect(void *argument)
{
    struct storm *storm = (struct storm *)argument;

    for (int i = 0; i < storm->wanted; i++) {
        edo_stream *client;
        char byte;
        int rc = edo_connect(&client, &storm->address, NULL);

        CHECK_EQUAL(rc, 0);
        atomic_fetch_add(&storm->connected, 1);
        if (i % 3 == 0)
            edo_yield();
        CHECK_EQUAL(edo_read(client, &byte, 1), 1); /* whoever took it has not lost it */
        edo_close(client);
    }
    return 0;
}

static int storm_accept(void *argument)
{
    struct storm *storm = (struct storm *)argument;
    edo_stream *peer;
    int rc = edo_accept(&peer, storm->listener);

    if (rc == 0) {
        atomic_fetch_add(&storm->accepted, 1);
        CHECK_EQUAL(send(edo_stream_fd(peer), "x", 1, MSG_NOSIGNAL), 1);
        edo_close(peer);
    } else {
        CHECK_EQUAL(rc, -ECANCELED);
    }
    return 0;
}

/* Acceptors that are cancelled at any moment, again and again. */
static int accept_storm(void *argument)
{
    struct storm storm = {.wanted = edo_test_rounds(CONNECTS)};
    uint64_t state = edo_test_seed();
    int rc = 0;

    (void)argument;
    net_listen(&storm.listener, &storm.address, NULL);
    EDO_SCOPE (all, &rc) {
        CHECK_EQUAL(edo_spawn(all, storm_connect, &storm), 0);
        CHECK_EQUAL(edo_spawn(all, storm_connect, &storm), 0);
        while (atomic_load(&storm.accepted) < 2 * storm.wanted) {
            int ignored = 0;

            EDO_SCOPE (one, &ignored) {
                CHECK_EQUAL(edo_spawn(one, storm_accept, &storm), 0);
                for (uint64_t i = edo_test_random(&state) % 4; i > 0; i--)
                    edo_yield();
                edo_scope_cancel(one);
            }
        }
    }
    CHECK_EQUAL(atomic_load(&storm.accepted), atomic_load(&storm.connected));
    edo_listener_close(storm.listener);
    return rc;
}

static void test_c3_a_cancelled_accept_loses_no_connection(void **state)
{
    (void)state;
    assert_int_equal(net_run(2, accept_storm, NULL), 0);
    assert_int_equal(net_run(1, accept_storm, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listen_options_and_refusals),
        TEST(test_ip6_where_the_host_has_it),
        TEST(test_a_second_acceptor_is_busy),
        TEST(test_one_edge_may_stand_for_many_connections),
        TEST(test_connections_that_died_in_the_queue_are_passed_over),
        TEST(test_c1_an_accept_that_is_refused_for_ever_yields_and_is_cancelled),
        TEST(test_f1_accept_waits_out_a_shortage_and_loses_nothing),
        TEST(test_f1_accept_does_not_spin_in_a_shortage),
        TEST(test_f1_accept_survives_emfile_without_losing_the_backlog),
        TEST(test_f1_a_listener_can_be_closed_in_a_shortage),
        TEST(test_c3_a_cancelled_accept_loses_no_connection),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
