/* SPDX-License-Identifier: MIT */
/*
 * Descriptors beside bytes: SCM_RIGHTS (unix(7)).
 *
 * What the kernel has put into the control buffer is ours from then on, so the buffer has room for all that it may ever
 * bring: a smaller one may be given one more than it was sized for, where its size was rounded up. What is not handed
 * on is closed here. MSG_CTRUNC then means that the kernel itself could not take all of them.
 */
#include "io/message.h"

#include <edo/pass.h>

#include <errno.h>
#include <string.h>

/* Where descriptors lie in a message, and who sent it, which sockets tell that were asked to. */
union edo_pass_control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * EDO_PASS_MOST) + CMSG_SPACE(sizeof(struct ucred))];
};

/* 0: a Unix socket; -EOPNOTSUPP: another one, a pipe, a stream in memory. */
static int edo_pass_over(struct edo_source *source)
{
    socklen_t size = sizeof(int);
    int family = AF_UNSPEC;
    int rc = edo_source_begin(source);

    if (rc < 0)
        return rc;
    if (source->fd >= 0)
        rc = edo_platform->getsockopt(source->fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    edo_source_end(source);
    if (rc == -ENOTSOCK || (rc == 0 && family != AF_UNIX))
        rc = -EOPNOTSUPP;
    return rc;
}

static ssize_t edo_pass_send(struct edo_source *source, bool stream, const void *buffer, size_t size, const int *fds,
                             int count)
{
    union edo_pass_control control;
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    struct edo_message_move move = {.move = edo_message_send, .what = &message, .direction = EDO_OUT, .stream = stream};
    size_t bytes = sizeof(int) * (size_t)(count > 0 ? count : 0);

    if (count < 0 || count > EDO_PASS_MOST)
        return -EINVAL;
    if (count > 0) {
        int rc = edo_pass_over(source); /* over TCP and UDP the bytes would go alone, and nobody told */

        if (rc < 0)
            return rc;
        memset(&control, 0, CMSG_SPACE(bytes));
        control.header =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), fds, bytes);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(bytes);
    }
    return edo_message_call(source, &move, true);
}

ssize_t edo_send_fds(edo_stream *stream, const void *buffer, size_t size, const int *fds, int count)
{
    return size == 0 ? -EINVAL : edo_pass_send(&stream->source, true, buffer, size, fds, count);
}

ssize_t edo_datagram_send_fds(edo_datagram *datagram, const void *buffer, size_t size, const int *fds, int count)
{
    return edo_pass_send(&datagram->source, false, buffer, size, fds, count);
}

/* Hands what has come to the caller if there is room for all of it, else closes it: how many came. */
static int edo_pass_take(int *fds, int room, struct msghdr *message, bool keep)
{
    int came = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (keep && came < room)
                fds[came] = fd;
            else
                edo_platform->close(fd);
            came++;
        }
    }
    if (keep && came > room) /* those that did fit go as well */
        for (int i = 0; i < room; i++)
            edo_platform->close(fds[i]);
    return came;
}

static ssize_t edo_pass_receive(struct edo_source *source, bool stream, void *buffer, size_t size, int *fds, int *count)
{
    union edo_pass_control control;
    struct iovec piece = {buffer, size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct edo_message_move move = {.move = edo_message_recv,
                                    .what = &message,
                                    .direction = EDO_IN,
                                    .flags = MSG_CMSG_CLOEXEC | (stream ? 0 : MSG_TRUNC),
                                    .stream = stream};
    int room = *count;
    ssize_t received;
    bool whole;

    if (room < 0)
        return -EINVAL;
    *count = 0;
    received = edo_message_call(source, &move, true);
    if (received < 0)
        return received;
    whole = !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC));
    *count = edo_pass_take(fds, room, &message, whole);
    if (whole && *count <= room)
        return received;
    *count = 0;
    return message.msg_flags & MSG_CTRUNC ? -EMFILE : -EMSGSIZE;
}

ssize_t edo_recv_fds(edo_stream *stream, void *buffer, size_t size, int *fds, int *count)
{
    return size == 0 ? -EINVAL : edo_pass_receive(&stream->source, true, buffer, size, fds, count);
}

ssize_t edo_datagram_recv_fds(edo_datagram *datagram, void *buffer, size_t size, int *fds, int *count)
{
    return edo_pass_receive(&datagram->source, false, buffer, size, fds, count);
}

int edo_stream_peer_credentials(edo_credentials *out, edo_stream *stream)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    int rc = edo_pass_over(&stream->source);

    if (rc == 0)
        rc = edo_source_begin(&stream->source);
    if (rc < 0)
        return rc;
    rc = edo_platform->getsockopt(stream->source.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    edo_source_end(&stream->source);
    if (rc == 0)
        *out = (edo_credentials){peer.pid, peer.uid, peer.gid};
    return rc;
}
