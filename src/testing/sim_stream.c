/* SPDX-License-Identifier: MIT */
/*
 * What simulated sockets send: bytes, their end, resets. See sim_socket.h for the positions in a stream.
 *
 * Over TCP all of it is news that the network brings, in order. Between Unix sockets it is there at once, and a close
 * is seen by the peer as such, with an error if it left something unread.
 *
 * A short transfer is one that the kernel could have been making for a reason that has passed since (S2 d): so it is
 * followed by an event.
 */
#include "testing/random.h"
#include "testing/sim_socket.h"

#include <string.h>

/* --- What holds --------------------------------------------------------------------------------------------------- */

static bool edo_is_unix(const struct edo_sim_socket *socket)
{
    return socket->family == AF_UNIX;
}

/* Whether what is sent would find no reader any more, as far as is known here. */
static bool edo_send_refused(const struct edo_sim_socket *socket)
{
    if (socket->shut_write || socket->reset)
        return true;
    return edo_is_unix(socket) && (socket->peer->closed || socket->peer->shut_read);
}

static bool edo_receive_ended(const struct edo_sim_socket *socket)
{
    return socket->got_end || socket->shut_read || socket->reset;
}

static size_t edo_room(const struct edo_sim_socket *socket)
{
    return (size_t)(EDO_SIM_WINDOW - (socket->peer->sent - socket->peer->taken));
}

/* Room that is worth telling of: a third of the window. */
static bool edo_is_roomy(const struct edo_sim_socket *socket)
{
    return edo_room(socket) >= EDO_SIM_WINDOW / 3;
}

uint32_t edo_sim_stream_poll(struct edo_sim_socket *socket)
{
    uint32_t bits = socket->error ? EPOLLERR : 0;

    if (socket->state == EDO_SIM_CONNECTING)
        return bits;
    if (socket->state == EDO_SIM_FRESH)
        return bits | EPOLLOUT | EPOLLHUP;
    if (socket->state == EDO_SIM_FAILED)
        return bits | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
    if (socket->arrived > socket->taken)
        bits |= EPOLLIN;
    if (edo_receive_ended(socket))
        bits |= EPOLLIN | EPOLLRDHUP;
    if (edo_send_refused(socket) || edo_is_roomy(socket))
        bits |= EPOLLOUT;
    else
        socket->starved = true;
    if (edo_receive_ended(socket) && edo_send_refused(socket))
        bits |= EPOLLHUP;
    return bits;
}

/* --- Receiving ---------------------------------------------------------------------------------------------------- */

static bool edo_shorten(size_t *size)
{
    struct edo_sim *sim = edo_sim;

    if (!sim->options.short_transfers || *size < 2 || edo_random_below(&sim->random, 2) == 0)
        return false;
    *size = 1 + (size_t)edo_random_below(&sim->random, *size - 1);
    return true;
}

/* Copies `size` bytes from the front of what has arrived. */
static void edo_window_copy_out(const struct edo_sim_socket *socket, unsigned char *buffer, size_t size)
{
    size_t at = (size_t)(socket->taken % EDO_SIM_WINDOW);
    size_t first = size < EDO_SIM_WINDOW - at ? size : EDO_SIM_WINDOW - at;

    memcpy(buffer, socket->buffer + at, first);
    memcpy(buffer + first, socket->buffer, size - first);
}

static void edo_taken(struct edo_sim_socket *socket, size_t size)
{
    struct edo_sim_socket *peer = socket->peer;

    socket->taken += size;
    if (peer->starved && !peer->closed && edo_is_roomy(peer)) {
        peer->starved = false;
        edo_sim_notify(&peer->file, EPOLLOUT);
    }
}

ssize_t edo_sim_recv(struct edo_sim_socket *socket, void *buffer, size_t size, int flags)
{
    uint64_t there = socket->arrived - socket->taken;
    int error = socket->error;

    if (socket->state == EDO_SIM_FRESH || socket->state == EDO_SIM_LISTENING)
        return edo_is_unix(socket) ? -EINVAL : -ENOTCONN;
    if (flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL))
        return -EOPNOTSUPP;
    if (there > 0) {
        bool shortened;

        size = size < there ? size : (size_t)there;
        shortened = edo_shorten(&size);
        edo_window_copy_out(socket, (unsigned char *)buffer, size);
        if (!(flags & MSG_PEEK))
            edo_taken(socket, size);
        if (shortened)
            edo_sim_notify(&socket->file, EPOLLIN);
        return (ssize_t)size;
    }
    if (socket->got_end && !edo_is_unix(socket))
        return 0;
    socket->error = 0;
    if (error)
        return -error;
    return socket->state == EDO_SIM_FAILED || edo_receive_ended(socket) ? 0 : -EAGAIN;
}

/* --- Sending ------------------------------------------------------------------------------------------------------ */

static void edo_window_copy_in(struct edo_sim_socket *to, const unsigned char *bytes, size_t size)
{
    size_t at = (size_t)(to->sent % EDO_SIM_WINDOW);
    size_t first = size < EDO_SIM_WINDOW - at ? size : EDO_SIM_WINDOW - at;

    if (!to->buffer)
        to->buffer = (unsigned char *)edo_sim_allocate(EDO_SIM_WINDOW);
    memcpy(to->buffer + at, bytes, first);
    memcpy(to->buffer, bytes + first, size - first);
    to->sent += size;
}

static size_t edo_pieces_size(const struct iovec *pieces, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

ssize_t edo_sim_send(struct edo_sim_socket *socket, const struct iovec *pieces, size_t count)
{
    struct edo_sim_socket *peer = socket->peer;
    size_t size = edo_pieces_size(pieces, count);
    size_t asked = size;
    int error = socket->error;
    size_t left;

    if (socket->state == EDO_SIM_CONNECTING)
        return -EAGAIN;
    if (error && !edo_is_unix(socket)) {
        socket->error = 0;
        return -error;
    }
    if (socket->state != EDO_SIM_CONNECTED)
        return edo_is_unix(socket) ? -ENOTCONN : -EPIPE;
    if (edo_send_refused(socket))
        return -EPIPE;
    if (size > edo_room(socket))
        size = edo_room(socket);
    if (size < asked)
        socket->starved = true;
    if (size == 0)
        return asked == 0 ? 0 : -EAGAIN;
    if (edo_shorten(&size))
        edo_sim_notify(&socket->file, EPOLLOUT);
    left = size;
    for (size_t i = 0; left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;

        edo_window_copy_in(peer, (const unsigned char *)pieces[i].iov_base, part);
        left -= part;
    }
    edo_sim_post(peer, EDO_SIM_BYTES, peer->sent, 0);
    return (ssize_t)size;
}

/* --- Ends --------------------------------------------------------------------------------------------------------- */

int edo_sim_shutdown(struct edo_sim_socket *socket, int how)
{
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    if (socket->state != EDO_SIM_CONNECTED || socket->reset)
        return edo_is_unix(socket) ? 0 : -ENOTCONN;
    if (how != SHUT_WR) {
        socket->shut_read = true;
        if (edo_is_unix(socket) && !socket->peer->closed)
            edo_sim_notify(&socket->peer->file, 0);
    }
    if (how != SHUT_RD && !socket->shut_write) {
        socket->shut_write = true;
        edo_sim_post(socket->peer, EDO_SIM_ENDED, 0, 0);
    }
    edo_sim_notify(&socket->file, 0);
    return 0;
}

/* This end is gone, or as good as. */
static void edo_reset_here(struct edo_sim_socket *socket, int error)
{
    if (socket->reset)
        return;
    socket->reset = true;
    socket->error = error;
    edo_sim_notify(&socket->file, 0);
}

void edo_sim_stream_reset(struct edo_sim_socket *socket)
{
    if (!socket->peer || socket->reset)
        return;
    edo_reset_here(socket, ECONNRESET);
    edo_sim_post(socket->peer, EDO_SIM_RESET, 0, 0);
}

void edo_sim_stream_close(struct edo_sim_socket *socket)
{
    struct edo_sim_socket *peer = socket->peer;
    bool unread = socket->arrived > socket->taken;

    if (!peer)
        return;
    if (edo_is_unix(socket)) {
        peer->got_end = true;
        if (unread)
            peer->error = ECONNRESET;
        edo_sim_notify(&peer->file, 0);
    } else if (!socket->reset && unread) {
        edo_sim_post(peer, EDO_SIM_RESET, 0, 0);
    } else if (!socket->reset && !socket->shut_write) {
        edo_sim_post(peer, EDO_SIM_ENDED, 0, 0);
    }
    socket->shut_write = true;
}

void edo_sim_stream_arrive(struct edo_sim_socket *to, int what, uint64_t upto)
{
    if (to->reset)
        return;
    if (to->closed) { /* nobody takes it: what comes for a connection that is gone is answered with a reset */
        if (what == EDO_SIM_BYTES || what == EDO_SIM_ESTABLISHED) {
            to->reset = true;
            edo_sim_post(to->peer, EDO_SIM_RESET, 0, 0);
        }
    } else if (what == EDO_SIM_BYTES) {
        to->arrived = upto;
        edo_sim_notify(&to->file, EPOLLIN);
    } else if (what == EDO_SIM_ENDED) {
        to->got_end = true;
        edo_sim_notify(&to->file, 0);
    } else if (what == EDO_SIM_RESET) {
        edo_reset_here(to, to->got_end ? EPIPE : ECONNRESET);
    }
}
