/* SPDX-License-Identifier: MIT */
/*
 * What the tests of sockets and descriptors share: a copy of the platform table that counts calls and may be changed
 * before a runtime starts, a run of a task with a look at what is left afterwards, and pairs of connected streams.
 *
 * Checks inside tasks can't use cmocka's assertions, which leave by longjmp: CHECK prints and aborts. A test that hangs
 * is ended by an alarm; nothing here is decided by time.
 */
#ifndef EDO_TESTS_IO_NET_H
#define EDO_TESTS_IO_NET_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <edo/edo.h>

#include "platform/platform.h"
#include "stress.h"

/* --- Checks ------------------------------------------------------------------------------------------------------- */

static inline void net_failed(const char *what, long long left, long long right, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s (%lld, %lld)\n", file, line, what, left, right);
    abort();
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            net_failed(#condition, 0, 0, __FILE__, __LINE__);                                                          \
    } while (0)

#define CHECK_EQUAL(left, right)                                                                                       \
    do {                                                                                                               \
        long long check_left_ = (long long)(left);                                                                     \
        long long check_right_ = (long long)(right);                                                                   \
        if (check_left_ != check_right_)                                                                               \
            net_failed(#left " == " #right, check_left_, check_right_, __FILE__, __LINE__);                            \
    } while (0)

/* --- The table ---------------------------------------------------------------------------------------------------- */

enum net_call {
    NET_RECV,
    NET_SEND,
    NET_SENDMSG,
    NET_ACCEPT,
    NET_CONNECT,
    NET_SOCKET,
    NET_CLOSE,
    NET_SHUTDOWN,
    NET_CTL_ADD,
    NET_CTL_MOD,
    NET_CTL_DEL,
    NET_EPOLL_CREATE,
    NET_EPOLL_WAIT,
    NET_CALLS
};

static atomic_int net_calls[NET_CALLS];
static struct edo_platform net_table;

/* All calls that concern descriptors, but epoll_wait, which is the workers' own business. */
static inline int net_calls_made(void)
{
    int sum = 0;

    for (int i = 0; i < NET_EPOLL_WAIT; i++)
        sum += atomic_load(&net_calls[i]);
    return sum;
}

static inline void net_count(enum net_call call)
{
    atomic_fetch_add(&net_calls[call], 1);
}

static ssize_t net_recv(int fd, void *buffer, size_t size, int flags)
{
    net_count(NET_RECV);
    return edo_platform_system.recv(fd, buffer, size, flags);
}

static ssize_t net_send(int fd, const void *buffer, size_t size, int flags)
{
    net_count(NET_SEND);
    return edo_platform_system.send(fd, buffer, size, flags);
}

static ssize_t net_sendmsg(int fd, const struct msghdr *message, int flags)
{
    net_count(NET_SENDMSG);
    return edo_platform_system.sendmsg(fd, message, flags);
}

static int net_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    net_count(NET_ACCEPT);
    return edo_platform_system.accept(fd, address, size, flags);
}

static int net_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    net_count(NET_CONNECT);
    return edo_platform_system.connect(fd, address, size);
}

static int net_socket(int domain, int type, int protocol)
{
    net_count(NET_SOCKET);
    return edo_platform_system.socket(domain, type, protocol);
}

static int net_close(int fd)
{
    net_count(NET_CLOSE);
    return edo_platform_system.close(fd);
}

static int net_shutdown(int fd, int how)
{
    net_count(NET_SHUTDOWN);
    return edo_platform_system.shutdown(fd, how);
}

static int net_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    net_count(operation == EPOLL_CTL_ADD ? NET_CTL_ADD : operation == EPOLL_CTL_MOD ? NET_CTL_MOD : NET_CTL_DEL);
    return edo_platform_system.epoll_ctl(epoll, operation, fd, event);
}

static int net_epoll_create(int flags)
{
    net_count(NET_EPOLL_CREATE);
    return edo_platform_system.epoll_create(flags);
}

static int net_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    net_count(NET_EPOLL_WAIT);
    return edo_platform_system.epoll_wait(epoll, events, count, timeout);
}

/* Before every test: the system's table, counted, and an alarm. */
static inline int net_begin(void **state)
{
    (void)state;
    net_table = edo_platform_system;
    net_table.recv = net_recv;
    net_table.send = net_send;
    net_table.sendmsg = net_sendmsg;
    net_table.accept = net_accept;
    net_table.connect = net_connect;
    net_table.socket = net_socket;
    net_table.close = net_close;
    net_table.shutdown = net_shutdown;
    net_table.epoll_ctl = net_epoll_ctl;
    net_table.epoll_create = net_epoll_create;
    net_table.epoll_wait = net_epoll_wait;
    for (int i = 0; i < NET_CALLS; i++)
        atomic_store(&net_calls[i], 0);
    edo_platform = &net_table;
    alarm(40 * EDO_TEST_SCALE);
    return 0;
}

static inline int net_end(void **state)
{
    (void)state;
    alarm(0);
    edo_platform = &edo_platform_system;
    return 0;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

/* How many descriptors the process has; `all` of them, or those that an exec would keep. */
static inline int net_descriptors(bool all)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    CHECK(directory != NULL);
    while ((entry = readdir(directory))) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] != '.' && fd != dirfd(directory) && (all || !(fcntl(fd, F_GETFD) & FD_CLOEXEC)))
            count++;
    }
    closedir(directory);
    return count;
}

struct net_main {
    int (*fn)(void *);
    void *argument;
};

static int net_main(void *argument)
{
    struct net_main *main = (struct net_main *)argument;
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = main->fn(main->argument);

    edo_metrics_read(&metrics);
    CHECK_EQUAL(metrics.streams, 0);
    return rc;
}

/* Whether the table has calls on files that are not the system's: rings would go past them. */
static inline bool net_files_are_fakes(void)
{
    const struct edo_platform *system = &edo_platform_system;

    return net_table.openat != system->openat || net_table.read != system->read || net_table.pread != system->pread ||
           net_table.write != system->write || net_table.pwrite != system->pwrite || net_table.fsync != system->fsync ||
           net_table.renameat != system->renameat || net_table.unlinkat != system->unlinkat;
}

/*
 * Runs fn as the root task; it must close what it opens, and end what it starts. Programs that ctest runs with
 * EDO_FILES=io_uring too have files go over rings then, but for those that put calls of their own in the table.
 */
static inline int net_run_with(int (*fn)(void *), void *argument, const edo_run_options *options)
{
    struct net_main main = {fn, argument};
    edo_run_options mine = *options;
    int before = net_descriptors(true);
    int rc;

    if (!mine.files && net_files_are_fakes())
        mine.files = EDO_FILES_REGION;
    rc = edo_run(net_main, &main, &mine);
    CHECK_EQUAL(net_descriptors(true), before);
    return rc;
}

static inline int net_run(int workers, int (*fn)(void *), void *argument)
{
    return net_run_with(fn, argument, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE));
}

/*
 * One worker and no monitor, so that no thread but this one asks for memory: for tests that count what is asked for, or
 * change the table meanwhile.
 */
static inline int net_run_alone(int (*fn)(void *), void *argument)
{
    return net_run_with(
        fn, argument,
        EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER));
}

/* Lets everything that is ready have its turn, several times: for tests on one worker. */
static inline void net_settle(void)
{
    for (int i = 0; i < 200; i++)
        edo_yield();
}

/* --- Streams ------------------------------------------------------------------------------------------------------ */

/* Two ends of a Unix socket pair. */
static inline void net_pair(edo_stream *out[2])
{
    int fds[2];

    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[0], fds[0]), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[1], fds[1]), 0);
}

static inline void net_listen(edo_listener **out, edo_addr *address, const edo_listen_options *options)
{
    CHECK_EQUAL(edo_tcp_listen(out, "127.0.0.1:0", options), 0);
    CHECK_EQUAL(edo_listener_addr(address, *out), 0);
}

/* Two ends of a TCP connection: out[0] connected, out[1] accepted. */
static inline void net_tcp_pair(edo_stream *out[2])
{
    edo_listener *listener;
    edo_addr address;

    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(edo_connect(&out[0], &address, NULL), 0);
    CHECK_EQUAL(edo_accept(&out[1], listener), 0);
    edo_listener_close(listener);
}

static inline void net_close_pair(edo_stream *streams[2])
{
    edo_close(streams[0]);
    edo_close(streams[1]);
}

#endif
