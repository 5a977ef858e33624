/* SPDX-License-Identifier: MIT */
/*
 * Listeners: sockets that bring streams.
 *
 * accept takes what it needs for a stream before it takes the connection, so a connection that was taken is never lost.
 * When descriptors or memory have run out, connections stay in the kernel's queue and the task waits for a descriptor
 * of this runtime to be closed, or for a while: descriptors may be freed elsewhere, and nobody tells us.
 */
#include "io/stale.h"
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <edo/park.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* --- Listening ---------------------------------------------------------------------------------------------------- */

/* A copy of the path a Unix address names; NULL for any other address. */
static int edo_addr_path(char **out, const edo_addr *address)
{
    socklen_t size;
    const struct sockaddr *sockaddr = edo_addr_sockaddr(address, &size);
    const char *path = (const char *)sockaddr + offsetof(struct sockaddr, sa_data);
    size_t length;

    *out = NULL;
    if (sockaddr->sa_family != AF_UNIX || size <= offsetof(struct sockaddr, sa_data) || !path[0])
        return 0;
    length = strnlen(path, size - offsetof(struct sockaddr, sa_data));
    *out = (char *)edo_platform->allocate(length + 1);
    if (!*out)
        return -ENOMEM;
    memcpy(*out, path, length);
    return 0;
}

static int edo_listener_bind(int fd, const edo_addr *address, const char *path, const edo_listen_options *options)
{
    socklen_t size;
    const struct sockaddr *sockaddr = edo_addr_sockaddr(address, &size);
    int on = 1;
    int rc = 0;

    if (sockaddr->sa_family != AF_UNIX) {
        /* Accepted sockets inherit these from the listening one. */
        rc = edo_platform->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (rc == 0 && options->reuse_port)
            rc = edo_platform->setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (rc == 0 && !options->keep_delay)
            rc = edo_socket_set_nodelay(fd, true);
        if (rc == 0 && options->keepalive > 0)
            rc = edo_socket_set_keepalive(fd, options->keepalive);
        if (rc == 0 && options->send_buffer > 0)
            rc =
                edo_platform->setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->send_buffer, sizeof options->send_buffer);
    }
    if (rc == 0)
        rc = edo_platform->bind(fd, sockaddr, size);
    if (rc == -EADDRINUSE && path && options->unlink_stale) {
        edo_unlink_stale(address, path);
        rc = edo_platform->bind(fd, sockaddr, size);
    }
    if (rc < 0)
        return rc;
    rc = edo_platform->listen(fd, options->backlog ? options->backlog : 4096);
    if (rc < 0 && path)
        edo_platform->unlink(path);
    return rc;
}

int edo_listen(edo_listener **out, const edo_addr *address, const edo_listen_options *given)
{
    edo_listener *listener;
    edo_listen_options options;
    int fd = -1;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!edo_task_self())
        return -EPERM;
    if (options.backlog < 0 || options.send_buffer < 0 || !address || !address->size_)
        return -EINVAL;
    listener = (edo_listener *)edo_platform->allocate(sizeof *listener);
    if (!listener)
        return -ENOMEM;
    rc = edo_addr_path(&listener->path, address);
    if (rc == 0)
        rc = edo_source_get(&listener->source);
    if (rc == 0) {
        rc = fd = edo_socket_open(address);
        if (fd >= 0)
            rc = edo_listener_bind(fd, address, listener->path, &options);
        if (rc < 0)
            edo_source_put(listener->source);
    }
    if (rc < 0) {
        if (fd >= 0)
            edo_platform->close(fd);
        edo_platform->release(listener->path);
        edo_platform->release(listener);
        return rc;
    }
    edo_source_open(listener->source, fd);
    *out = listener;
    return 0;
}

int edo_tcp_listen(edo_listener **out, const char *text, const edo_listen_options *options)
{
    edo_addr address;
    int rc = edo_addr_parse(&address, text);

    return rc < 0 ? rc : edo_listen(out, &address, options);
}

int edo_unix_listen(edo_listener **out, const char *path, const edo_listen_options *options)
{
    edo_addr address;
    int rc = edo_unix_addr(&address, path);

    return rc < 0 ? rc : edo_listen(out, &address, options);
}

int edo_listener_addr(edo_addr *out, edo_listener *listener)
{
    return edo_socket_name(out, listener->source->fd, edo_platform->getsockname);
}

void edo_listener_close(edo_listener *listener)
{
    if (!listener || edo_in_forked_child())
        return; /* there the path is the parent's */
    if (listener->path) {
        edo_platform->unlink(listener->path);
        edo_platform->release(listener->path);
    }
    edo_source_close(listener->source);
    edo_platform->release(listener);
}

/* --- Accepting ---------------------------------------------------------------------------------------------------- */

static bool edo_is_shortage(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

/* What accept(2) reports of a connection that died in the queue, or of the network: the next one may be fine. */
static bool edo_is_passing(int rc)
{
    switch (-rc) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

static int edo_accept_once(struct edo_source *source)
{
    return edo_platform->accept(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Waits until a descriptor may be free; returns a connection if there is one after all, or an error. */
static int edo_accept_shortage(struct edo_source *source)
{
    struct edo_runtime *runtime = source->runtime;
    uint32_t seen;
    int rc;

    atomic_fetch_add_explicit(&runtime->fd_shortage, 1, memory_order_seq_cst);
    seen = __atomic_load_n(&runtime->fd_released, __ATOMIC_SEQ_CST);
    rc = edo_accept_once(source); /* one may have been closed before we were counted */
    if (edo_is_shortage(rc)) {
        rc = edo_wait_word(&runtime->fd_released, seen, edo_deadline_after(edo_platform->now(), EDO_MS(100)));
        if (rc != -ECANCELED)
            rc = edo_accept_once(source);
    }
    atomic_fetch_sub_explicit(&runtime->fd_shortage, 1, memory_order_seq_cst);
    return rc;
}

/* A connection's descriptor, or an error. The caller is a user of the source. */
static int edo_accept_fd(struct edo_source *source, struct edo_task *task)
{
    uint32_t seen;
    int rc;

    for (;;) {
        if (!edo_source_ready(source, EDO_IN, &seen)) {
            rc = edo_source_wait(source, EDO_IN, EDO_FOREVER);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = edo_accept_once(source);
        if (edo_is_shortage(rc))
            rc = edo_accept_shortage(source);
        if (edo_source_is_closed(source) && rc < 0)
            return -EBADF;
        if (rc == -EAGAIN)
            edo_source_drained(source, EDO_IN, seen);
        else if (!edo_is_passing(rc) && !edo_is_shortage(rc))
            return rc;
        else if ((rc = edo_suspension_point(task)) < 0) /* it may come again and again */
            return rc;
    }
}

int edo_accept(edo_stream **out, edo_listener *listener)
{
    struct edo_task *task = edo_task_self();
    struct edo_source *source = listener->source;
    struct edo_source *connection;
    struct edo_thread *thread;
    int rc;

    if (!task)
        return -EPERM;
    rc = edo_source_enter(source, &thread, task);
    if (rc < 0)
        return rc;
    rc = edo_source_get(&connection);
    if (rc == 0) {
        rc = edo_accept_fd(source, task);
        if (rc >= 0)
            edo_source_open(connection, rc);
        else
            edo_source_put(connection);
    }
    edo_source_end(source);
    if (rc < 0)
        return rc;
    *out = (edo_stream *)connection;
    return 0;
}
