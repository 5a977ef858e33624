/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets: opening and closing, and one datagram at a time. Many: datagram_batch.c. Groups: multicast.c. A
 * socket is a source and nothing else, so it costs what a stream does; how its calls wait stands in message.h.
 */
#include "io/message.h"
#include "io/stale.h"
#include "runtime/fd_wait.h"
#include "runtime/fork.h"
#include "runtime/options.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static int edo_datagram_set(int fd, int level, int name, int value)
{
    return edo_platform->setsockopt(fd, level, name, &value, sizeof value);
}

static int edo_datagram_set_options(int fd, int family, const edo_datagram_options *options)
{
    const struct {
        int wanted; /* 0: leave it alone */
        int level;
        int name;
    } settings[] = {
        {options->reuse_address, SOL_SOCKET, SO_REUSEADDR},
        {options->reuse_port, SOL_SOCKET, SO_REUSEPORT},
        {options->broadcast, SOL_SOCKET, SO_BROADCAST},
        {family == AF_INET6 && options->ip6_only, IPPROTO_IPV6, IPV6_V6ONLY},
        {family == AF_INET6 ? options->ttl : 0, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
        {family == AF_INET ? options->ttl : 0, IPPROTO_IP, IP_TTL},
        {options->receive_buffer, SOL_SOCKET, SO_RCVBUF},
        {options->send_buffer, SOL_SOCKET, SO_SNDBUF},
    };
    int rc = 0;

    for (size_t i = 0; i < EDO_COUNT(settings) && rc == 0; i++)
        if (settings[i].wanted)
            rc = edo_datagram_set(fd, settings[i].level, settings[i].name, settings[i].wanted);
    return rc;
}

static int edo_datagram_bind_to(int fd, const edo_addr *address, const edo_datagram_options *options)
{
    socklen_t size;
    const struct sockaddr *sockaddr = edo_addr_sockaddr(address, &size);
    int rc = edo_platform->bind(fd, sockaddr, size);

    if (rc == -EADDRINUSE && options->unlink_stale && sockaddr->sa_family == AF_UNIX &&
        size > offsetof(struct sockaddr_un, sun_path) && address->at_.local.sun_path[0]) {
        edo_unlink_stale(address, address->at_.local.sun_path);
        rc = edo_platform->bind(fd, sockaddr, size);
    }
    return rc;
}

static int edo_datagram_connect_to(int fd, const struct sockaddr *peer, socklen_t size)
{
    int rc;

    do
        rc = edo_platform->connect(fd, peer, size);
    while (rc == -EINTR); /* nothing is under way: it is a setting */
    return rc;
}

static int edo_datagram_prepare(int fd, int family, const edo_addr *peer, const edo_datagram_options *options)
{
    int rc = edo_datagram_set_options(fd, family, options);

    if (rc == 0 && options->bind)
        rc = edo_datagram_bind_to(fd, options->bind, options);
    if (rc == 0 && peer) {
        socklen_t size;
        const struct sockaddr *sockaddr = edo_addr_sockaddr(peer, &size);

        rc = edo_datagram_connect_to(fd, sockaddr, size);
    }
    return rc;
}

static bool edo_datagram_look(struct edo_source *source)
{
    return edo_fd_look(source->fd, 1 << EDO_IN) != 0;
}

/*
 * A kind of its own, since a select that looks whether it is readable must not take its error. No stream call comes
 * here.
 */
static const struct edo_source_kind edo_datagram_kind = {.name = "a datagram socket", .look = edo_datagram_look};

static edo_datagram *edo_datagram_make(struct edo_source *source, int fd)
{
    static const struct edo_beneath beneath = {&edo_datagram_kind};

    edo_source_open(source, fd);
    edo_source_set_kind(source, &beneath);
    return (edo_datagram *)source;
}

static int edo_datagram_create(edo_datagram **out, int family, const edo_addr *peer,
                               const edo_datagram_options *options)
{
    struct edo_source *source;
    int fd;
    int rc;

    if (!edo_task_self())
        return -EPERM;
    if ((options->bind && !options->bind->size_) || options->ttl < 0 || options->ttl > 255 ||
        options->receive_buffer < 0 || options->send_buffer < 0)
        return -EINVAL;
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return -EAFNOSUPPORT;
    rc = edo_source_get(&source);
    if (rc < 0)
        return rc;
    fd = edo_platform->socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? fd : edo_datagram_prepare(fd, family, peer, options);
    if (rc < 0) {
        if (fd >= 0)
            edo_platform->close(fd);
        edo_source_put(source);
        return rc;
    }
    *out = edo_datagram_make(source, fd);
    return 0;
}

int edo_datagram_open(edo_datagram **out, int family, const edo_datagram_options *given)
{
    edo_datagram_options options;
    int rc = EDO_READ_OPTIONS(&options, given);

    return rc < 0 ? rc : edo_datagram_create(out, family, NULL, &options);
}

int edo_datagram_bind(edo_datagram **out, const edo_addr *address, const edo_datagram_options *given)
{
    edo_datagram_options options;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!address || !address->size_ || options.bind)
        return -EINVAL;
    options.bind = address;
    return edo_datagram_create(out, address->at_.any.sa_family, NULL, &options);
}

int edo_datagram_connect(edo_datagram **out, const edo_addr *address, const edo_datagram_options *given)
{
    edo_datagram_options options;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!address || !address->size_)
        return -EINVAL;
    return edo_datagram_create(out, address->at_.any.sa_family, address, &options);
}

/* UDP is over IP: a Unix address is for the other functions. */
static int edo_udp_parse(edo_addr *out, const char *text)
{
    int rc = edo_addr_parse(out, text);

    return rc == 0 && out->at_.any.sa_family == AF_UNIX ? -EINVAL : rc;
}

int edo_udp_bind(edo_datagram **out, const char *text, const edo_datagram_options *options)
{
    edo_addr address;
    int rc = edo_udp_parse(&address, text);

    return rc < 0 ? rc : edo_datagram_bind(out, &address, options);
}

int edo_udp_connect(edo_datagram **out, const char *text, const edo_datagram_options *options)
{
    edo_addr address;
    int rc = edo_udp_parse(&address, text);

    return rc < 0 ? rc : edo_datagram_connect(out, &address, options);
}

int edo_unix_datagram_bind(edo_datagram **out, const char *path, const edo_datagram_options *options)
{
    edo_addr address;
    int rc = edo_unix_addr(&address, path);

    return rc < 0 ? rc : edo_datagram_bind(out, &address, options);
}

int edo_unix_datagram_connect(edo_datagram **out, const char *path, const edo_datagram_options *options)
{
    edo_addr address;
    int rc = edo_unix_addr(&address, path);

    return rc < 0 ? rc : edo_datagram_connect(out, &address, options);
}

int edo_datagram_pair(edo_datagram *out[2])
{
    struct edo_source *sources[2];
    int fds[2];
    int rc;

    if (!edo_task_self())
        return -EPERM;
    rc = edo_source_get(&sources[0]);
    if (rc < 0)
        return rc;
    rc = edo_source_get(&sources[1]);
    if (rc == 0) {
        rc = edo_platform->socketpair(fds, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (rc < 0)
            edo_source_put(sources[1]);
    }
    if (rc < 0) {
        edo_source_put(sources[0]);
        return rc;
    }
    for (int i = 0; i < 2; i++)
        out[i] = edo_datagram_make(sources[i], fds[i]);
    return 0;
}

int edo_datagram_from_fd(edo_datagram **out, int fd)
{
    struct edo_source *source;
    socklen_t size = sizeof(int);
    int flags;
    int type;
    int rc;

    if (!edo_task_self())
        return -EPERM;
    flags = edo_platform->fcntl(fd, F_GETFL, 0);
    rc = flags < 0 ? flags : edo_platform->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (rc == 0 && type != SOCK_DGRAM)
        rc = -ESOCKTNOSUPPORT;
    if (rc == 0)
        rc = edo_source_get(&source);
    if (rc < 0)
        return rc;
    if (!(flags & O_NONBLOCK))
        rc = edo_platform->fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (rc == 0)
        rc = edo_platform->fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (rc < 0) {
        edo_source_put(source);
        return rc;
    }
    *out = edo_datagram_make(source, fd);
    source->exposed = true; /* others may hold duplicates */
    return 0;
}

void edo_datagram_close(edo_datagram *datagram)
{
    if (datagram)
        edo_source_close(&datagram->source);
}

int edo_datagram_set_peer(edo_datagram *datagram, const edo_addr *peer)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    const struct sockaddr *sockaddr = &none;
    socklen_t size = sizeof none;
    int rc;

    if (edo_in_forked_child())
        return -EPERM;
    if (peer && !peer->size_)
        return -EINVAL;
    if (peer)
        sockaddr = edo_addr_sockaddr(peer, &size);
    rc = edo_source_begin(&datagram->source);
    if (rc < 0)
        return rc;
    rc = edo_datagram_connect_to(datagram->source.fd, sockaddr, size);
    edo_source_end(&datagram->source);
    return rc;
}

/* --- One at a time ------------------------------------------------------------------------------------------------ */

void edo_datagram_came_from(edo_addr *address, socklen_t size)
{
    edo_addr none = {.size_ = 0};

    if (size == sizeof address->at_.ip4 && address->at_.any.sa_family == AF_INET) /* as an address has it, already */
        address->size_ = size;
    else if (size == 0 || edo_addr_from_sockaddr(address, &address->at_.any, size) < 0)
        *address = none;
}

static ssize_t edo_datagram_receive(edo_datagram *datagram, void *buffer, size_t size, edo_addr *from, bool wait)
{
    struct iovec piece = {buffer, size};
    struct msghdr message = {.msg_name = from ? &from->at_ : NULL,
                             .msg_namelen = from ? sizeof from->at_ : 0,
                             .msg_iov = &piece,
                             .msg_iovlen = 1};
    struct edo_message_move move = {
        .move = edo_message_recv, .what = &message, .direction = EDO_IN, .flags = MSG_TRUNC};
    ssize_t full = edo_message_call(&datagram->source, &move, wait);

    if (full < 0)
        return full;
    if (from)
        edo_datagram_came_from(from, message.msg_namelen);
    return (size_t)full > size ? -EMSGSIZE : full;
}

static ssize_t edo_datagram_deliver(edo_datagram *datagram, const void *buffer, size_t size, const edo_addr *to,
                                    bool wait)
{
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    struct edo_message_move move = {.move = edo_message_send, .what = &message, .direction = EDO_OUT};

    if (size > EDO_MESSAGE_MOST)
        return -EMSGSIZE;
    if (to) {
        message.msg_name = (void *)(uintptr_t)edo_addr_sockaddr(to, &message.msg_namelen);
        if (!message.msg_name)
            return -EINVAL;
        move.deaf = to->at_.any.sa_family == AF_UNIX;
    }
    return edo_message_call(&datagram->source, &move, wait);
}

ssize_t edo_datagram_recv(edo_datagram *datagram, void *buffer, size_t size)
{
    return edo_datagram_receive(datagram, buffer, size, NULL, true);
}

ssize_t edo_datagram_recv_from(edo_datagram *datagram, void *buffer, size_t size, edo_addr *from)
{
    return edo_datagram_receive(datagram, buffer, size, from, true);
}

ssize_t edo_datagram_try_recv(edo_datagram *datagram, void *buffer, size_t size)
{
    return edo_datagram_receive(datagram, buffer, size, NULL, false);
}

ssize_t edo_datagram_try_recv_from(edo_datagram *datagram, void *buffer, size_t size, edo_addr *from)
{
    return edo_datagram_receive(datagram, buffer, size, from, false);
}

ssize_t edo_datagram_send(edo_datagram *datagram, const void *buffer, size_t size)
{
    return edo_datagram_deliver(datagram, buffer, size, NULL, true);
}

ssize_t edo_datagram_send_to(edo_datagram *datagram, const void *buffer, size_t size, const edo_addr *to)
{
    return to ? edo_datagram_deliver(datagram, buffer, size, to, true) : -EINVAL;
}

ssize_t edo_datagram_try_send(edo_datagram *datagram, const void *buffer, size_t size)
{
    return edo_datagram_deliver(datagram, buffer, size, NULL, false);
}

ssize_t edo_datagram_try_send_to(edo_datagram *datagram, const void *buffer, size_t size, const edo_addr *to)
{
    return to ? edo_datagram_deliver(datagram, buffer, size, to, false) : -EINVAL;
}

/* --- Waiting only ------------------------------------------------------------------------------------------------- */

static int edo_datagram_wait(edo_datagram *datagram, int direction, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_thread *thread;
    int rc = task ? edo_source_enter(&datagram->source, &thread, task) : -EPERM;

    if (rc < 0)
        return rc;
    rc = edo_source_ask(&datagram->source, direction, NULL);
    if (rc == 0)
        rc = edo_source_wait(&datagram->source, direction, deadline);
    edo_source_end(&datagram->source);
    return rc;
}

int edo_datagram_wait_readable(edo_datagram *datagram, int64_t deadline)
{
    return edo_datagram_wait(datagram, EDO_IN, deadline);
}

int edo_datagram_wait_writable(edo_datagram *datagram, int64_t deadline)
{
    return edo_datagram_wait(datagram, EDO_OUT, deadline);
}

/* An arm looks at nothing but the source, which is first in a stream too. */
edo_arm edo_arm_datagram_readable(edo_datagram *datagram)
{
    return edo_arm_readable((edo_stream *)datagram);
}

/* --- About a socket ----------------------------------------------------------------------------------------------- */

static int edo_datagram_name(edo_addr *out, edo_datagram *datagram,
                             int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    int rc = edo_source_begin(&datagram->source);

    if (rc < 0)
        return rc;
    rc = edo_socket_name(out, datagram->source.fd, ask);
    edo_source_end(&datagram->source);
    return rc;
}

int edo_datagram_local(edo_addr *out, edo_datagram *datagram)
{
    return edo_datagram_name(out, datagram, edo_platform->getsockname);
}

int edo_datagram_peer(edo_addr *out, edo_datagram *datagram)
{
    return edo_datagram_name(out, datagram, edo_platform->getpeername);
}

int edo_datagram_fd(edo_datagram *datagram)
{
    datagram->source.exposed = true;
    return datagram->source.fd;
}
