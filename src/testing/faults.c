/* SPDX-License-Identifier: MIT */
/*
 * The table that refuses. See faults.h.
 *
 * Lies about readiness have to be put right: a runtime that was told EAGAIN, or was given less than there is, waits for
 * an edge that the kernel has no reason to send. So before it tells such a lie about a registered descriptor, the table
 * has the kernel report its state once more (EPOLL_CTL_MOD). An edge that comes before the liar's answer is read is
 * told from an older one by the sequence of readiness (rule S2 c).
 */
#include "testing/faults_table.h"
#include "testing/random.h"
#include "runtime/task.h"

#include <edo/error.h>

#include <errno.h>
#include <string.h>

struct edo_faults edo_faults;

/* --- What can go wrong -------------------------------------------------------------------------------------------- */

enum { EDO_FAULT_ERRORS = 6 };

static const struct {
    const char *name;
    int errors[EDO_FAULT_ERRORS]; /* up to the first 0 */
} edo_fault_kinds[EDO_FAULT_CALLS] = {
    [EDO_CALL_ALLOCATE] = {"allocate", {ENOMEM}},
    [EDO_CALL_MAP] = {"mmap", {ENOMEM}},
    [EDO_CALL_PROTECT] = {"mprotect", {ENOMEM}},
    [EDO_CALL_ADVISE] = {"madvise", {ENOMEM}},
    [EDO_CALL_THREAD_START] = {"pthread_create", {EAGAIN}},
    [EDO_CALL_READ] = {"read", {EIO, EINTR}},
    [EDO_CALL_WRITE] = {"write", {ENOSPC, EIO, EINTR}},
    [EDO_CALL_READV] = {"readv", {EIO, EINTR}},
    [EDO_CALL_WRITEV] = {"writev", {ENOSPC, EIO, EINTR}},
    [EDO_CALL_PREAD] = {"pread", {EIO, EINTR}},
    [EDO_CALL_OPEN] = {"open", {EMFILE, ENOMEM, EACCES, EINTR}},
    [EDO_CALL_FCNTL] = {"fcntl", {EPERM}},
    [EDO_CALL_EVENTFD] = {"eventfd", {EMFILE, ENOMEM}},
    [EDO_CALL_EPOLL_CREATE] = {"epoll_create", {EMFILE, ENOMEM}},
    [EDO_CALL_EPOLL_CTL] = {"epoll_ctl", {ENOSPC, ENOMEM}},
    [EDO_CALL_EPOLL_WAIT] = {"epoll_wait", {EINTR}},
    [EDO_CALL_SOCKET] = {"socket", {EMFILE, ENOBUFS}},
    [EDO_CALL_BIND] = {"bind", {EADDRINUSE, EACCES}},
    [EDO_CALL_LISTEN] = {"listen", {EADDRINUSE}},
    [EDO_CALL_ACCEPT] = {"accept", {EMFILE, ENOBUFS, ECONNABORTED, EINTR}},
    [EDO_CALL_CONNECT] = {"connect", {ENETUNREACH, ECONNREFUSED, ETIMEDOUT, EINTR}},
    [EDO_CALL_RECV] = {"recv", {ECONNRESET, ETIMEDOUT, EINTR}},
    [EDO_CALL_SEND] = {"send", {EPIPE, ECONNRESET, ENOBUFS, EINTR}},
    [EDO_CALL_SENDMSG] = {"sendmsg", {EPIPE, ECONNRESET, ENOBUFS, EINTR}},
    [EDO_CALL_SENDFILE] = {"sendfile", {EPIPE, EIO, EINVAL, EINTR}},
    [EDO_CALL_RECVMSG] = {"recvmsg", {ECONNREFUSED, ENOMEM, EINTR}},
    [EDO_CALL_RECVMMSG] = {"recvmmsg", {ECONNREFUSED, ENOMEM, EINTR}},
    [EDO_CALL_SENDMMSG] = {"sendmmsg", {ECONNREFUSED, ENOBUFS, EINTR}},
    [EDO_CALL_SOCKETPAIR] = {"socketpair", {EMFILE, ENFILE}},
    [EDO_CALL_SHUTDOWN] = {"shutdown", {ENOTCONN}},
    [EDO_CALL_SETSOCKOPT] = {"setsockopt", {ENOBUFS}},
    [EDO_CALL_GETSOCKOPT] = {"getsockopt", {ENOBUFS}},
    [EDO_CALL_GETSOCKNAME] = {"getsockname", {ENOBUFS}},
    [EDO_CALL_GETPEERNAME] = {"getpeername", {ENOTCONN}},
    [EDO_CALL_STAT] = {"stat", {ENOMEM}},
    [EDO_CALL_CHANGE] = {"a change of a file or directory", {ENOSPC, EACCES}},
    [EDO_CALL_SYNC] = {"fsync", {EIO, EINTR}},
    [EDO_CALL_PIPE] = {"pipe", {EMFILE}},
    [EDO_CALL_PROCESS_START] = {"process_start", {EAGAIN, ENOMEM}},
    [EDO_CALL_PIDFD_OPEN] = {"pidfd_open", {EMFILE}},
    [EDO_CALL_RESOLVE] = {"getaddrinfo", {-EDO_EDNS_AGAIN, -EDO_EDNS_FAILED, -EDO_EDNS_UNKNOWN, ENOMEM, EMFILE}},
};

int edo_fault_variants(int call)
{
    int count = 0;

    while (count < EDO_FAULT_ERRORS && edo_fault_kinds[call].errors[count])
        count++;
    return count;
}

const char *edo_fault_name(int call)
{
    return edo_fault_kinds[call].name;
}

int edo_fault_error(int call, int variant)
{
    return -edo_fault_kinds[call].errors[variant < edo_fault_variants(call) ? variant : 0];
}

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

/* splitmix64, for any thread */
static uint64_t edo_faults_random(void)
{
    return edo_random_stir(atomic_fetch_add(&edo_faults.random, UINT64_C(0x9e3779b97f4a7c15)) +
                           UINT64_C(0x9e3779b97f4a7c15));
}

static bool edo_faults_storm(int in_thousand)
{
    return in_thousand > 0 && atomic_load(&edo_faults.raging) && edo_faults_random() % 1000 < (uint64_t)in_thousand;
}

static const uint64_t edo_calls_short = EDO_CALL_BIT(EDO_CALL_ALLOCATE) | EDO_CALL_BIT(EDO_CALL_MAP) |
                                        EDO_CALL_BIT(EDO_CALL_THREAD_START) | EDO_CALL_BIT(EDO_CALL_OPEN) |
                                        EDO_CALL_BIT(EDO_CALL_EVENTFD) | EDO_CALL_BIT(EDO_CALL_EPOLL_CREATE) |
                                        EDO_CALL_BIT(EDO_CALL_EPOLL_CTL) | EDO_CALL_BIT(EDO_CALL_SOCKET) |
                                        EDO_CALL_BIT(EDO_CALL_ACCEPT) | EDO_CALL_BIT(EDO_CALL_SOCKETPAIR);

static const uint64_t edo_calls_interrupted =
    EDO_CALLS_OF_TRANSFER | EDO_CALL_BIT(EDO_CALL_CONNECT) | EDO_CALL_BIT(EDO_CALL_EPOLL_WAIT);

/* Whether this is the call to fail, and how: 0 if not. */
static int edo_faults_count(int call)
{
    int64_t made;

    if (edo_faults.nth == 0 || (edo_faults.calls && !(edo_faults.calls & EDO_CALL_BIT(call))))
        return 0;
    made = atomic_fetch_add(&edo_faults.made, 1) + 1;
    if (made == edo_faults.nth) {
        struct edo_task *task = edo_task_self();

        edo_place_take(&edo_faults.place, task ? task->fn : NULL);
        atomic_store(&edo_faults.failed, call);
        return edo_fault_error(call, edo_faults.variant);
    }
    if (made > edo_faults.nth && edo_faults.from_then_on)
        return edo_fault_error(call, 0);
    return 0;
}

int edo_faults_before(int call)
{
    uint64_t bit = EDO_CALL_BIT(call);
    int rc = edo_faults_count(call);

    if (rc < 0)
        return rc;
    if ((edo_calls_interrupted & bit) && edo_faults_storm(edo_faults.storm.interrupts))
        return -EINTR;
    if ((edo_calls_short & bit) && edo_faults_storm(edo_faults.storm.shortages))
        return edo_fault_error(call, 0);
    return 0;
}

int edo_faults_opened(int call, int fd)
{
    if (fd >= 0)
        edo_left_opened(&edo_faults.left, fd, edo_fault_name(call));
    return fd;
}

/* --- Memory and threads ------------------------------------------------------------------------------------------- */

static void *edo_faulty_allocate(size_t size)
{
    void *memory = edo_faults_before(EDO_CALL_ALLOCATE) < 0 ? NULL : edo_faults.base.allocate(size);

    if (memory)
        atomic_fetch_add(&edo_faults.left.blocks, 1);
    return memory;
}

static void edo_faulty_release(void *memory)
{
    edo_faults.base.release(memory);
    if (memory) /* last: who sees it may take the table away */
        atomic_fetch_sub(&edo_faults.left.blocks, 1);
}

static int edo_faulty_map(void **out, size_t size, int protection, int flags)
{
    int rc = edo_faults_before(EDO_CALL_MAP);

    if (rc == 0)
        rc = edo_faults.base.map(out, size, protection, flags);
    if (rc == 0)
        atomic_fetch_add(&edo_faults.left.bytes, (int64_t)size);
    return rc;
}

static int edo_faulty_unmap(void *address, size_t size)
{
    int rc = edo_faults.base.unmap(address, size);

    if (rc == 0)
        atomic_fetch_sub(&edo_faults.left.bytes, (int64_t)size);
    return rc;
}

static int edo_faulty_protect(void *address, size_t size, int protection)
{
    int rc = edo_faults_before(EDO_CALL_PROTECT);

    return rc < 0 ? rc : edo_faults.base.protect(address, size, protection);
}

static int edo_faulty_advise(void *address, size_t size, int advice)
{
    int rc = edo_faults_before(EDO_CALL_ADVISE);

    return rc < 0 ? rc : edo_faults.base.advise(address, size, advice);
}

static int edo_faulty_thread_start(pthread_t *out, size_t stack_size, void *(*fn)(void *), void *argument)
{
    int rc = edo_faults_before(EDO_CALL_THREAD_START);

    return rc < 0 ? rc : edo_faults.base.thread_start(out, stack_size, fn, argument);
}

/* --- Sockets ------------------------------------------------------------------------------------------------------ */

/* Has the state of a registered descriptor reported once more. */
static void edo_faults_report_again(int fd)
{
    struct edo_left_fd known;

    if (edo_left_watch(&known, &edo_faults.left, fd))
        edo_faults.base.epoll_ctl(known.epoll, EPOLL_CTL_MOD, fd, &known.event);
}

int edo_faults_before_transfer(int call, int fd, size_t *size)
{
    struct edo_task *task = edo_task_self();
    int rc = edo_faults_before(call);

    if (task && edo_faults.refused[task->id % EDO_COUNT(edo_faults.refused)] == task->id && edo_task_cancelled(task))
        atomic_store(&edo_faults.breach, call);
    if (rc < 0)
        return rc;
    if (edo_faults_storm(edo_faults.storm.again)) {
        edo_faults_report_again(fd);
        return -EAGAIN;
    }
    if (size && *size > 1 && edo_faults_storm(edo_faults.storm.short_transfers)) {
        *size = 1 + (size_t)(edo_faults_random() % (*size - 1));
        edo_faults_report_again(fd);
    }
    return 0;
}

static int edo_faulty_socket(int domain, int type, int protocol)
{
    int rc = edo_faults_before(EDO_CALL_SOCKET);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_SOCKET, edo_faults.base.socket(domain, type, protocol));
}

static int edo_faulty_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = edo_faults_before(EDO_CALL_BIND);

    return rc < 0 ? rc : edo_faults.base.bind(fd, address, size);
}

static int edo_faulty_listen(int fd, int backlog)
{
    int rc = edo_faults_before(EDO_CALL_LISTEN);

    return rc < 0 ? rc : edo_faults.base.listen(fd, backlog);
}

static int edo_faulty_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    int rc = edo_faults_before_transfer(EDO_CALL_ACCEPT, fd, NULL);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_ACCEPT, edo_faults.base.accept(fd, address, size, flags));
}

static int edo_faulty_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = edo_faults_before(EDO_CALL_CONNECT);

    return rc < 0 ? rc : edo_faults.base.connect(fd, address, size);
}

static ssize_t edo_faulty_recv(int fd, void *buffer, size_t size, int flags)
{
    int rc = edo_faults_before_transfer(EDO_CALL_RECV, fd, &size);

    return rc < 0 ? rc : edo_faults.base.recv(fd, buffer, size, flags);
}

static ssize_t edo_faulty_send(int fd, const void *buffer, size_t size, int flags)
{
    int rc = edo_faults_before_transfer(EDO_CALL_SEND, fd, &size);

    return rc < 0 ? rc : edo_faults.base.send(fd, buffer, size, flags);
}

static ssize_t edo_faulty_sendfile(int fd, int file, off_t offset, size_t size)
{
    int rc = edo_faults_before_transfer(EDO_CALL_SENDFILE, fd, &size);

    return rc < 0 ? rc : edo_faults.base.sendfile(fd, file, offset, size);
}

static int edo_faulty_shutdown(int fd, int how)
{
    int rc = edo_faults_before(EDO_CALL_SHUTDOWN);

    return rc < 0 ? rc : edo_faults.base.shutdown(fd, how);
}

static int edo_faulty_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int rc = edo_faults_before(EDO_CALL_SETSOCKOPT);

    return rc < 0 ? rc : edo_faults.base.setsockopt(fd, level, name, value, size);
}

static int edo_faulty_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int rc = edo_faults_before(EDO_CALL_GETSOCKOPT);

    return rc < 0 ? rc : edo_faults.base.getsockopt(fd, level, name, value, size);
}

static int edo_faulty_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    int rc = edo_faults_before(EDO_CALL_GETSOCKNAME);

    return rc < 0 ? rc : edo_faults.base.getsockname(fd, address, size);
}

static int edo_faulty_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    int rc = edo_faults_before(EDO_CALL_GETPEERNAME);

    return rc < 0 ? rc : edo_faults.base.getpeername(fd, address, size);
}

static int edo_faulty_resolve(struct edo_lookup *lookup)
{
    int rc = edo_faults_before(EDO_CALL_RESOLVE);

    return rc < 0 ? rc : edo_faults.base.resolve(lookup);
}

/* --- In force ----------------------------------------------------------------------------------------------------- */

static const struct edo_platform *edo_faults_before_begin;

const struct edo_platform *edo_faults_stand_before(const struct edo_platform *base)
{
    struct edo_platform *table = &edo_faults.table;

    if (base == table)
        return table;
    edo_faults.base = *base;
    *table = *base;
    table->allocate = edo_faulty_allocate;
    table->release = edo_faulty_release;
    table->map = edo_faulty_map;
    table->unmap = edo_faulty_unmap;
    table->protect = edo_faulty_protect;
    table->advise = edo_faulty_advise;
    table->thread_start = edo_faulty_thread_start;
    edo_faults_fill_descriptors(table);
    table->socket = edo_faulty_socket;
    table->bind = edo_faulty_bind;
    table->listen = edo_faulty_listen;
    table->accept = edo_faulty_accept;
    table->connect = edo_faulty_connect;
    table->recv = edo_faulty_recv;
    table->send = edo_faulty_send;
    table->sendfile = edo_faulty_sendfile;
    edo_faults_fill_messages(table);
    table->shutdown = edo_faulty_shutdown;
    table->setsockopt = edo_faulty_setsockopt;
    table->getsockopt = edo_faulty_getsockopt;
    table->getsockname = edo_faulty_getsockname;
    table->getpeername = edo_faulty_getpeername;
    table->resolve = edo_faulty_resolve;
    return table;
}

void edo_faults_stand_back(void)
{
    if (memcmp(&edo_faults.base, edo_faults_before_begin, sizeof edo_faults.base) != 0)
        edo_faults_stand_before(edo_faults_before_begin);
}

/* A thread that ended late may still be in a function of the table: what those call is replaced, never missing. */
void edo_faults_begin(void)
{
    edo_faults_before_begin = edo_platform;
    edo_left_init(&edo_faults.left);
    edo_faults_arm(0, 0);
    edo_faults.from_then_on = false;
    edo_faults.calls = 0;
    memset(&edo_faults.storm, 0, sizeof edo_faults.storm);
    atomic_store(&edo_faults.raging, false);
    edo_faults.patience = 0;
    edo_faults.stuck = NULL;
    edo_place_prepare();
    edo_platform = edo_faults_stand_before(edo_platform);
}

/* Threads with abandoned jobs end when those do, and go through the table for it. */
static void edo_faults_await_late_threads(void)
{
    int64_t end = edo_platform_system.now() + EDO_MS(100); /* or somebody has kept a block */
    int64_t now;

    while (atomic_load(&edo_faults.left.blocks) > 0 && (now = edo_platform_system.now()) < end) {
        uint32_t word = 0;

        edo_platform_system.futex_wait(&word, 0, now + EDO_US(100));
    }
}

void edo_faults_end(void)
{
    edo_faults_await_late_threads();
    edo_platform = edo_faults_before_begin;
    edo_left_finish(&edo_faults.left);
}

void edo_faults_arm(int64_t nth, int variant)
{
    edo_faults.nth = nth;
    edo_faults.variant = variant;
    atomic_store(&edo_faults.made, 0);
    atomic_store(&edo_faults.failed, -1);
    atomic_store(&edo_faults.breach, -1);
    memset(&edo_faults.place, 0, sizeof edo_faults.place);
    memset(edo_faults.refused, 0, sizeof edo_faults.refused);
}

void edo_faults_refuse(struct edo_task *task)
{
    edo_faults.refused[task->id % EDO_COUNT(edo_faults.refused)] = task->id;
}
