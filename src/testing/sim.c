/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel: its clock, its descriptors, and the table. See sim.h.
 *
 * The table is a copy of the system's in which some calls are others, so memory, locks and files stay the system's.
 * Calls that take a descriptor go by its number. What they answer goes into the trace, but for the clock's readings,
 * which follow from the rest.
 */
#include "testing/sim.h"
#include "testing/random.h"
#include "testing/sim_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct edo_sim *edo_sim;

/* --- Time, chance, memory ----------------------------------------------------------------------------------------- */

/* Any time will do that is not 0, and the same in each run: 2000-01-01, and a machine that has been up for an hour. */
#define EDO_SIM_UPTIME EDO_SEC(3600)
#define EDO_SIM_EPOCH  (EDO_SEC(946684800) - EDO_SIM_UPTIME)

int64_t edo_sim_time(void)
{
    if (edo_sim->options.impure)
        return EDO_SIM_UPTIME + edo_platform_system.now() - edo_sim->started;
    return edo_sim->time;
}

void edo_sim_pass(int64_t duration)
{
    edo_sim->time += duration;
}

static int64_t sim_now(void)
{
    edo_sim_pass(edo_sim->options.tick);
    return edo_sim_time();
}

static int64_t sim_wall(void)
{
    return EDO_SIM_EPOCH + sim_now();
}

static uint64_t sim_random(void)
{
    return edo_random_next(&edo_sim->random);
}

/* Plain threads sleep in real time; their deadlines are by the clock that they have read. */
static int sim_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    if (deadline != EDO_FOREVER)
        deadline += edo_platform_system.now() - edo_sim_time();
    return edo_platform_system.futex_wait(word, expected, deadline);
}

void *edo_sim_allocate(size_t size)
{
    void *memory = edo_platform_system.allocate(size);

    if (!memory) {
        fputs("edo: no memory for the simulated kernel\n", stderr);
        abort();
    }
    return memory;
}

void *edo_sim_grow(void *array, size_t *room, size_t count, size_t size)
{
    void *larger;

    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 16;
    larger = edo_sim_allocate(*room * size);
    if (array)
        memcpy(larger, array, count * size);
    edo_platform_system.release(array);
    return larger;
}

/* --- Descriptors -------------------------------------------------------------------------------------------------- */

struct edo_sim_file *edo_sim_file_of(int fd)
{
    return fd >= EDO_SIM_FIRST && (size_t)(fd - EDO_SIM_FIRST) < edo_sim->file_room ? edo_sim->files[fd - EDO_SIM_FIRST]
                                                                                    : NULL;
}

int edo_sim_file_open(struct edo_sim_file *file, const struct edo_sim_kind *kind, int flags)
{
    struct edo_sim *sim = edo_sim;
    size_t at = sim->file_lowest;

    while (at < sim->file_room && sim->files[at])
        at++;
    sim->files = edo_sim_grow(sim->files, &sim->file_room, at, sizeof(struct edo_sim_file *));
    sim->files[at] = file;
    sim->file_lowest = at + 1;
    file->kind = kind;
    file->fd = EDO_SIM_FIRST + (int)at;
    file->flags = flags;
    if (!file->watches.next)
        edo_list_init(&file->watches);
    return file->fd;
}

static int edo_sim_file_close(struct edo_sim_file *file)
{
    size_t at = (size_t)(file->fd - EDO_SIM_FIRST);

    edo_sim_unwatch(file);
    edo_sim->files[at] = NULL;
    if (at < edo_sim->file_lowest)
        edo_sim->file_lowest = at;
    file->fd = -1;
    file->kind->close(file);
    return 0;
}

/* What a call is answered about a number behind which nothing is simulated. 0: the system shall answer it. */
static int edo_sim_foreign(int fd)
{
    int rc;

    if (fd >= EDO_SIM_FIRST)
        return -EBADF;
    rc = edo_platform_system.fcntl(fd, F_GETFD, 0);
    return rc < 0 ? rc : edo_sim->options.impure ? 0 : -ENOTSUP;
}

static ssize_t traced(const char *what, int fd, ssize_t rc)
{
    edo_trace_add(what, (uint64_t)(fd >= EDO_SIM_FIRST ? fd - EDO_SIM_FIRST : -1),
                  rc >= EDO_SIM_FIRST ? rc - EDO_SIM_FIRST : rc);
    return rc;
}

static int sim_close(int fd)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);

    if (file)
        return (int)traced("close", fd, edo_sim_file_close(file));
    return fd >= EDO_SIM_FIRST ? -EBADF : edo_platform_system.close(fd);
}

static int sim_fcntl(int fd, int command, long argument)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);

    if (!file)
        return fd >= EDO_SIM_FIRST ? -EBADF : edo_platform_system.fcntl(fd, command, argument);
    switch (command) {
    case F_GETFL:
        return file->flags & ~O_CLOEXEC;
    case F_SETFL:
        file->flags = (file->flags & ~O_NONBLOCK) | ((int)argument & O_NONBLOCK);
        return 0;
    case F_GETFD:
        return file->flags & O_CLOEXEC ? FD_CLOEXEC : 0;
    case F_SETFD:
        file->flags = (file->flags & ~O_CLOEXEC) | (argument & FD_CLOEXEC ? O_CLOEXEC : 0);
        return 0;
    default:
        return -EINVAL;
    }
}

static int sim_open(const char *path, int flags, mode_t mode)
{
    return edo_sim_path_find_text(path) ? -ENXIO : edo_platform_system.open(path, flags, mode);
}

static int sim_unlink(const char *path)
{
    struct edo_sim_path *found = edo_sim_path_find_text(path);

    if (!found)
        return edo_platform_system.unlink(path);
    edo_sim_path_remove(found);
    return 0;
}

static ssize_t sim_pread(int fd, void *buffer, size_t size, off_t offset)
{
    if (fd < EDO_SIM_FIRST)
        return edo_platform_system.pread(fd, buffer, size, offset);
    return edo_sim_file_of(fd) ? -ESPIPE : -EBADF;
}

/* --- Reading and writing ------------------------------------------------------------------------------------------ */

static ssize_t sim_read(int fd, void *buffer, size_t size)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);
    ssize_t rc = -EINVAL;

    if (!file)
        return fd >= EDO_SIM_FIRST ? -EBADF : edo_platform_system.read(fd, buffer, size);
    if (file->kind == &edo_sim_socket_kind)
        rc = edo_sim_recv(edo_sim_socket_from(file), buffer, size, 0);
    else if (file->kind == &edo_sim_eventfd_kind)
        rc = edo_sim_eventfd_read(file, buffer, size);
    return traced("read", fd, rc);
}

static ssize_t sim_write(int fd, const void *buffer, size_t size)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    ssize_t rc = -EINVAL;

    if (!file)
        return fd >= EDO_SIM_FIRST ? -EBADF : edo_platform_system.write(fd, buffer, size);
    if (file->kind == &edo_sim_socket_kind)
        rc = edo_sim_send(edo_sim_socket_from(file), &piece, 1);
    else if (file->kind == &edo_sim_eventfd_kind)
        rc = edo_sim_eventfd_write(file, buffer, size);
    return traced("write", fd, rc);
}

static ssize_t sim_readv(int fd, const struct iovec *pieces, int count)
{
    if (fd < EDO_SIM_FIRST)
        return edo_platform_system.readv(fd, pieces, count);
    /* As much as the first piece holds, which is allowed. */
    for (; count > 1 && pieces->iov_len == 0; count--)
        pieces++;
    return count > 0 ? sim_read(fd, pieces->iov_base, pieces->iov_len) : 0;
}

static ssize_t sim_writev(int fd, const struct iovec *pieces, int count)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);

    if (!file)
        return fd >= EDO_SIM_FIRST ? -EBADF : edo_platform_system.writev(fd, pieces, count);
    if (file->kind != &edo_sim_socket_kind || count < 0)
        return -EINVAL;
    return traced("write", fd, edo_sim_send(edo_sim_socket_from(file), pieces, (size_t)count));
}

/* --- Sockets ------------------------------------------------------------------------------------------------------ */

/* The simulated socket behind the number; NULL, with what to answer in *rc; that is 0 if the system shall answer. */
static struct edo_sim_socket *edo_sim_socket_of(int *rc, int fd)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);

    *rc = 0;
    if (!file)
        *rc = edo_sim_foreign(fd);
    else if (file->kind != &edo_sim_socket_kind)
        *rc = -ENOTSOCK;
    else
        return edo_sim_socket_from(file);
    return NULL;
}

static int sim_socket(int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

    if ((kind == SOCK_STREAM || kind == SOCK_DGRAM) && (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX))
        return (int)traced("socket", (int)domain, edo_sim_socket(domain, type));
    return edo_sim->options.impure ? edo_platform_system.socket(domain, type, protocol) : -ENOTSUP;
}

static int sim_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.bind(fd, address, size);
    return (int)traced("bind", fd, edo_sim_bind(socket, address, size));
}

static int sim_listen(int fd, int backlog)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.listen(fd, backlog);
    return (int)traced("listen", fd, edo_sim_listen(socket, backlog));
}

static int sim_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.accept(fd, address, size, flags);
    return (int)traced("accept", fd, edo_sim_accept(socket, address, size, flags));
}

static int sim_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.connect(fd, address, size);
    return (int)traced("connect", fd, edo_sim_connect(socket, address, size));
}

/* Datagrams are messages, whatever call brings them. */
static ssize_t edo_sim_recv_any(struct edo_sim_socket *socket, struct msghdr *message, int flags)
{
    struct iovec none = {NULL, 0};
    const struct iovec *piece = message->msg_iovlen > 0 ? message->msg_iov : &none;

    if (socket->type == SOCK_DGRAM)
        return edo_sim_datagram_recv(socket, message, flags);
    message->msg_controllen = 0;
    message->msg_namelen = 0;
    message->msg_flags = 0;
    return edo_sim_recv(socket, piece->iov_base, piece->iov_len, flags & ~MSG_CMSG_CLOEXEC);
}

static ssize_t edo_sim_send_any(struct edo_sim_socket *socket, const struct msghdr *message)
{
    return socket->type == SOCK_DGRAM ? edo_sim_datagram_send(socket, message)
                                      : edo_sim_send(socket, message->msg_iov, message->msg_iovlen);
}

static ssize_t sim_recv(int fd, void *buffer, size_t size, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);
    struct iovec piece = {buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.recv(fd, buffer, size, flags);
    return traced("recv", fd, edo_sim_recv_any(socket, &message, flags));
}

static ssize_t sim_send(int fd, const void *buffer, size_t size, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.send(fd, buffer, size, flags);
    return traced("send", fd, edo_sim_send_any(socket, &message));
}

/* From a file of the system's. What the socket does not take was not read: the offset is the caller's. */
static ssize_t sim_sendfile(int fd, int file, off_t offset, size_t size)
{
    unsigned char bytes[8192];
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);
    struct iovec piece = {bytes, 0};
    ssize_t n;

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.sendfile(fd, file, offset, size);
    n = sim_pread(file, bytes, size < sizeof bytes ? size : sizeof bytes, offset);
    if (n > 0) {
        piece.iov_len = (size_t)n;
        n = edo_sim_send(socket, &piece, 1);
    }
    return traced("sendfile", fd, n);
}

static ssize_t sim_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.sendmsg(fd, message, flags);
    if (message->msg_controllen > 0) /* descriptors that are passed on */
        return -ENOTSUP;
    return traced("sendmsg", fd, edo_sim_send_any(socket, message));
}

static ssize_t sim_recvmsg(int fd, struct msghdr *message, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.recvmsg(fd, message, flags);
    return traced("recvmsg", fd, edo_sim_recv_any(socket, message, flags));
}

/* The error that stopped it is told by the next call, but that there was no more. */
static int sim_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);
    unsigned done = 0;
    ssize_t received = 0;

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.recvmmsg(fd, messages, count, flags);
    for (; done < count; done++) {
        received = edo_sim_recv_any(socket, &messages[done].msg_hdr, flags);
        if (received < 0)
            break;
        messages[done].msg_len = (unsigned)received;
    }
    if (done > 0 && received < 0 && received != -EAGAIN)
        socket->error = (int)-received;
    return (int)traced("recvmmsg", fd, done > 0 ? (ssize_t)done : received);
}

static int sim_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);
    unsigned done = 0;
    ssize_t sent = 0;

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.sendmmsg(fd, messages, count, flags);
    for (; done < count; done++) {
        sent = edo_sim_send_any(socket, &messages[done].msg_hdr);
        if (sent < 0)
            break;
        messages[done].msg_len = (unsigned)sent;
    }
    return (int)traced("sendmmsg", fd, done > 0 ? (ssize_t)done : sent);
}

static int sim_socketpair(int ends[2], int domain, int type, int protocol)
{
    if (domain == AF_UNIX && (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM)
        return (int)traced("socketpair", domain, edo_sim_socketpair(ends, type));
    return edo_sim->options.impure ? edo_platform_system.socketpair(ends, domain, type, protocol) : -ENOTSUP;
}

static int sim_shutdown(int fd, int how)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.shutdown(fd, how);
    return (int)traced("shutdown", fd, edo_sim_shutdown(socket, how));
}

static int sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.setsockopt(fd, level, name, value, size);
    return edo_sim_setsockopt(socket, level, name, value, size);
}

static int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.getsockopt(fd, level, name, value, size);
    return edo_sim_getsockopt(socket, level, name, value, size);
}

static int sim_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.getsockname(fd, address, size);
    return edo_sim_name(&socket->local, address, size);
}

static int sim_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    int rc;
    struct edo_sim_socket *socket = edo_sim_socket_of(&rc, fd);

    if (!socket)
        return rc < 0 ? rc : edo_platform_system.getpeername(fd, address, size);
    return socket->state == EDO_SIM_CONNECTED ? edo_sim_name(&socket->remote, address, size) : -ENOTCONN;
}

/* --- Events ------------------------------------------------------------------------------------------------------- */

static int sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int rc = edo_sim_file_of(fd) ? 0 : edo_sim_foreign(fd);

    return rc < 0 ? rc : (int)traced("epoll_ctl", fd, edo_sim_epoll_ctl(epoll, operation, fd, event));
}

static int sim_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    int rc = edo_sim_epoll_wait(epoll, events, count, timeout);

    edo_trace_add("epoll_wait", (uint64_t)edo_sim_time(), rc);
    return rc;
}

/* Written to by other threads, so with those allowed it is a real one. */
static int sim_eventfd(unsigned initial, int flags)
{
    return edo_sim->options.impure ? edo_platform_system.eventfd(initial, flags) : edo_sim_eventfd(initial, flags);
}

/* --- The kernel --------------------------------------------------------------------------------------------------- */

static void edo_sim_table(struct edo_platform *table)
{
    *table = edo_platform_system;
    table->now = sim_now;
    table->wall = sim_wall;
    table->random = sim_random;
    table->futex_wait = sim_futex_wait;
    table->close = sim_close;
    table->read = sim_read;
    table->write = sim_write;
    table->readv = sim_readv;
    table->writev = sim_writev;
    table->pread = sim_pread;
    table->open = sim_open;
    table->fcntl = sim_fcntl;
    table->eventfd = sim_eventfd;
    table->epoll_create = edo_sim_epoll_create;
    table->epoll_ctl = sim_epoll_ctl;
    table->epoll_wait = sim_epoll_wait;
    table->socket = sim_socket;
    table->bind = sim_bind;
    table->listen = sim_listen;
    table->accept = sim_accept;
    table->connect = sim_connect;
    table->recv = sim_recv;
    table->send = sim_send;
    table->sendmsg = sim_sendmsg;
    table->sendfile = sim_sendfile;
    table->recvmsg = sim_recvmsg;
    table->recvmmsg = sim_recvmmsg;
    table->sendmmsg = sim_sendmmsg;
    table->socketpair = sim_socketpair;
    table->shutdown = sim_shutdown;
    table->setsockopt = sim_setsockopt;
    table->getsockopt = sim_getsockopt;
    table->getsockname = sim_getsockname;
    table->getpeername = sim_getpeername;
    table->unlink = sim_unlink;
    table->resolve = edo_sim_resolve;
}

int edo_sim_begin(const struct edo_sim_options *options)
{
    struct edo_sim *sim = (struct edo_sim *)edo_platform_system.allocate(sizeof *sim);

    if (!sim)
        return -ENOMEM;
    sim->options = *options;
    if (options->impure)
        sim->options.tick = 0; /* the system's clock moves by itself, and others may read it at the same time */
    sim->random = edo_random_stir(options->seed ^ UINT64_C(0x5bd1e995));
    sim->time = EDO_SIM_UPTIME;
    sim->started = edo_platform_system.now();
    edo_sim_table(&sim->table);
    edo_list_init(&sim->links);
    edo_list_init(&sim->sockets);
    edo_list_init(&sim->bound);
    edo_list_init(&sim->paths);
    edo_list_init(&sim->names);
    edo_sim = sim;
    return 0;
}

void edo_sim_end(void)
{
    struct edo_sim *sim = edo_sim;

    for (size_t i = 0; i < sim->file_room; i++)
        if (sim->files[i])
            edo_sim_file_close(sim->files[i]);
    edo_sim_sockets_finish(sim);
    edo_sim_network_finish(sim);
    edo_sim_names_finish(sim);
    edo_platform_system.release(sim->files);
    edo_sim = NULL;
    edo_platform_system.release(sim);
}
