/* SPDX-License-Identifier: MIT */
/*
 * Rule F1 as a sweep: a program that listens, connects, echoes and closes is run again and again, and the first, the
 * second, ... the last call that can fail, does. Every time there is a result, and nothing is left behind.
 */
#include "net.h"

#include <sys/eventfd.h>

static atomic_long calls_left; /* until the one that fails */
static atomic_long allocations;
static atomic_long mapped;

static bool fails(void)
{
    return atomic_fetch_sub(&calls_left, 1) == 1;
}

static void *faulty_allocate(size_t size)
{
    void *memory = fails() ? NULL : edo_platform_system.allocate(size);

    if (memory)
        atomic_fetch_add(&allocations, 1);
    return memory;
}

static void counted_release(void *memory)
{
    if (memory)
        atomic_fetch_sub(&allocations, 1);
    edo_platform_system.release(memory);
}

static int faulty_map(void **out, size_t size, int protection, int flags)
{
    int rc = fails() ? -ENOMEM : edo_platform_system.map(out, size, protection, flags);

    if (rc == 0)
        atomic_fetch_add(&mapped, (long)size);
    return rc;
}

static int counted_unmap(void *address, size_t size)
{
    atomic_fetch_sub(&mapped, (long)size);
    return edo_platform_system.unmap(address, size);
}

static int faulty_protect(void *address, size_t size, int protection)
{
    return fails() ? -ENOMEM : edo_platform_system.protect(address, size, protection);
}

static int faulty_advise(void *address, size_t size, int advice)
{
    return fails() ? -ENOMEM : edo_platform_system.advise(address, size, advice);
}

static int faulty_thread_start(pthread_t *out, size_t stack_size, void *(*main_)(void *), void *argument)
{
    return fails() ? -EAGAIN : edo_platform_system.thread_start(out, stack_size, main_, argument);
}

static int faulty_fcntl(int fd, int command, long argument)
{
    return fails() ? -EPERM : edo_platform_system.fcntl(fd, command, argument);
}

static int faulty_eventfd(unsigned initial, int flags)
{
    return fails() ? -EMFILE : edo_platform_system.eventfd(initial, flags);
}

static int faulty_epoll_create(int flags)
{
    return fails() ? -EMFILE : edo_platform_system.epoll_create(flags);
}

static int faulty_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return operation != EPOLL_CTL_DEL && fails() ? -ENOSPC : edo_platform_system.epoll_ctl(epoll, operation, fd, event);
}

static int faulty_socket(int domain, int type, int protocol)
{
    return fails() ? -EMFILE : edo_platform_system.socket(domain, type, protocol);
}

static int faulty_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails() ? -EADDRINUSE : edo_platform_system.bind(fd, address, size);
}

static int faulty_listen(int fd, int backlog)
{
    return fails() ? -EADDRINUSE : edo_platform_system.listen(fd, backlog);
}

static int faulty_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return fails() ? -EMFILE : edo_platform_system.accept(fd, address, size, flags);
}

static int faulty_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails() ? -ENETUNREACH : edo_platform_system.connect(fd, address, size);
}

static ssize_t faulty_recv(int fd, void *buffer, size_t size, int flags)
{
    return fails() ? -ECONNRESET : edo_platform_system.recv(fd, buffer, size, flags);
}

static ssize_t faulty_send(int fd, const void *buffer, size_t size, int flags)
{
    return fails() ? -EPIPE : edo_platform_system.send(fd, buffer, size, flags);
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return fails() ? -EPIPE : edo_platform_system.sendmsg(fd, message, flags);
}

static int faulty_shutdown(int fd, int how)
{
    return fails() ? -ENOTCONN : edo_platform_system.shutdown(fd, how);
}

static int faulty_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return fails() ? -ENOBUFS : edo_platform_system.setsockopt(fd, level, name, value, size);
}

static int faulty_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    return fails() ? -ENOBUFS : edo_platform_system.getsockopt(fd, level, name, value, size);
}

static int faulty_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return fails() ? -ENOBUFS : edo_platform_system.getsockname(fd, address, size);
}

/* --- The program ------------------------------------------------------------------------------------------------------ */

static char directory[] = "/tmp/edo-test-faults-XXXXXX";
static char path[64];

static int echo_on(void *argument);

static int echo(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = (edo_stream *)argument;
    char buffer[64];
    ssize_t n = edo_resumption();

    if (n < 0)
        return (int)n;
    n = edo_read(peer, buffer, sizeof buffer);
    if (n <= 0)
        return (int)n;
    n = edo_write_all(peer, buffer, (size_t)n);
    if (n < 0)
        return (int)n;
    return edo_continue(EDO_WHEN_READABLE(peer, .deadline = edo_now() + EDO_SEC(60)), echo_on, EDO_TAKE(peer));
}

static int echo_on(void *argument)
{
    return echo(argument);
}

struct server {
    edo_listener *listener;
    edo_scope *scope;
};

static int serve(void *argument)
{
    struct server *server = (struct server *)argument;

    for (int i = 0; i < 2; i++) {
        edo_stream *peer;
        int rc = edo_accept(&peer, server->listener);

        if (rc == 0) {
            rc = i == 0 ? edo_spawn(server->scope, echo, peer)
                        : edo_spawn(server->scope, echo, peer, .when = EDO_WHEN_READABLE(peer));
            if (rc < 0)
                edo_close(peer);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int talk(edo_stream *stream)
{
    struct iovec pieces[2] = {{(char[]){"ab"}, 2}, {(char[]){"cd"}, 2}};
    char buffer[64];
    ssize_t n = edo_writev_all(stream, pieces, 2);

    if (n >= 0)
        n = edo_read(stream, buffer, sizeof buffer);
    if (n >= 0)
        n = edo_write_all(stream, "efg", 3);
    if (n >= 0)
        n = edo_read(stream, buffer, sizeof buffer);
    if (n >= 0)
        n = edo_shutdown(stream, EDO_HALF_WRITE);
    while (n > 0)
        n = edo_read(stream, buffer, sizeof buffer);
    return (int)n;
}

static int all_of_it(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client EDO_AUTO(edo_close) = NULL;
    edo_addr address;
    bool local = *(int *)argument != 0;
    int rc = local ? edo_unix_listen(&listener, path, EDO_OPTIONS(edo_listen_options, .unlink_stale = true))
                   : edo_tcp_listen(&listener, "127.0.0.1:0",
                                    EDO_OPTIONS(edo_listen_options, .reuse_port = true, .keepalive = EDO_SEC(5)));

    if (rc < 0 || (rc = edo_listener_addr(&address, listener)) < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        struct server server = {listener, scope};

        rc = edo_spawn(scope, serve, &server, .copy = sizeof server);
        if (rc == 0)
            rc = edo_connect(&client, &address, NULL);
        if (rc == 0)
            rc = talk(client);
        if (rc == 0) {
            edo_close(EDO_TAKE(client));
            rc = edo_connect(&client, &address, EDO_OPTIONS(edo_connect_options, .keepalive = EDO_SEC(5)));
        }
        if (rc == 0)
            rc = talk(client);
    }
    if (rc == 0) {
        int event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

        CHECK(event >= 0);
        rc = edo_wait_fd(event, EDO_READABLE, EDO_FOREVER);
        close(event);
        rc = rc < 0 ? rc : 0;
    }
    if (rc == 0) {
        edo_stream *stream;
        int ends[2];

        CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        rc = edo_stream_from_fd(&stream, ends[0]);
        if (rc == 0)
            edo_close(stream);
        else
            close(ends[0]); /* it stayed the caller's */
        close(ends[1]);
    }
    return rc;
}

/* --- The sweep -------------------------------------------------------------------------------------------------------- */

static void fault_table(void)
{
    net_table = edo_platform_system;
    net_table.allocate = faulty_allocate;
    net_table.release = counted_release;
    net_table.map = faulty_map;
    net_table.unmap = counted_unmap;
    net_table.protect = faulty_protect;
    net_table.advise = faulty_advise;
    net_table.thread_start = faulty_thread_start;
    net_table.fcntl = faulty_fcntl;
    net_table.eventfd = faulty_eventfd;
    net_table.epoll_create = faulty_epoll_create;
    net_table.epoll_ctl = faulty_epoll_ctl;
    net_table.socket = faulty_socket;
    net_table.bind = faulty_bind;
    net_table.listen = faulty_listen;
    net_table.accept = faulty_accept;
    net_table.connect = faulty_connect;
    net_table.recv = faulty_recv;
    net_table.send = faulty_send;
    net_table.sendmsg = faulty_sendmsg;
    net_table.shutdown = faulty_shutdown;
    net_table.setsockopt = faulty_setsockopt;
    net_table.getsockopt = faulty_getsockopt;
    net_table.getsockname = faulty_getsockname;
}

static void sweep(int workers, int local)
{
    long failed = 0;
    long nth = 1;

    fault_table();
    for (;; nth++) {
        int rc;

        atomic_store(&allocations, 0);
        atomic_store(&mapped, 0);
        atomic_store(&calls_left, nth);
        rc = net_run(workers, all_of_it, &local);
        CHECK(rc <= 0 && rc > -4096 && rc != -ECANCELED);
        CHECK_EQUAL(atomic_load(&allocations), 0);
        CHECK_EQUAL(atomic_load(&mapped), 0);
        CHECK_EQUAL(access(path, F_OK), -1);
        if (atomic_load(&calls_left) > 0) { /* nothing failed */
            CHECK_EQUAL(rc, 0);
            break;
        }
        failed += rc < 0;
    }
    assert_true(nth > 40);
    assert_true(failed > nth / 3);
}

static void test_f1_every_call_fails_once_over_tcp(void **state)
{
    (void)state;
    sweep(1, 0);
}

static void test_f1_every_call_fails_once_over_unix(void **state)
{
    (void)state;
    sweep(1, 1);
}

static void test_f1_every_call_fails_once_with_two_workers(void **state)
{
    (void)state;
    sweep(2, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_f1_every_call_fails_once_over_tcp),
        TEST(test_f1_every_call_fails_once_over_unix),
        TEST(test_f1_every_call_fails_once_with_two_workers),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
