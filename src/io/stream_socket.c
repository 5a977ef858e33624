/* SPDX-License-Identifier: MIT */
/*
 * Streams over sockets, for all calls but the usual reads and writes, which stream.c has written out. No data.
 */
#include "io/stream.h"
#include "platform/platform.h"

#include <errno.h>
#include <sys/socket.h>

static ssize_t edo_stream_recv(struct edo_source *source, void *buffer, size_t size)
{
    return edo_platform->recv(source->fd, buffer, size, 0);
}

static ssize_t edo_stream_send(struct edo_source *source, const void *buffer, size_t size)
{
    return edo_platform->send(source->fd, buffer, size, MSG_NOSIGNAL);
}

static ssize_t edo_stream_sendv(struct edo_source *source, const struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = (size_t)count};

    return edo_platform->sendmsg(source->fd, &message, MSG_NOSIGNAL);
}

static int edo_stream_shut(struct edo_source *source, int half)
{
    static const int how[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};

    return edo_platform->shutdown(source->fd, how[half]);
}

static bool edo_stream_look(struct edo_source *source)
{
    char byte;

    return edo_platform->recv(source->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL) != -EAGAIN;
}

const struct edo_source_kind edo_socket_kind = {
    .name = "a socket",
    .recv = edo_stream_recv,
    .send = edo_stream_send,
    .sendv = edo_stream_sendv,
    .shutdown = edo_stream_shut,
    .look = edo_stream_look,
};
