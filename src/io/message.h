/* SPDX-License-Identifier: MIT */
/*
 * Messages over a source: sendmsg, recvmsg and their batches, waited for as streams wait (poller.h), but that only
 * EAGAIN says drained: a datagram that is shorter than the buffer says nothing of those behind it, nor do bytes that
 * end where descriptors came with them.
 */
#ifndef EDO_IO_MESSAGE_H
#define EDO_IO_MESSAGE_H

#include "io/stream.h"
#include "platform/platform.h"

#include <edo/datagram.h>

#include <limits.h>

struct edo_datagram {
    struct edo_source source; /* first: the conditions of dormant tasks name sockets by it */
};

/* The kernel has other errors than EMSGSIZE for what is larger than this, and far too large. */
enum { EDO_MESSAGE_MOST = INT_MAX };

/* What a call moves, in which way. */
struct edo_message_move {
    ssize_t (*move)(int fd, const struct edo_message_move *move);
    void *what; /* a struct msghdr, or `count` of struct mmsghdr */
    unsigned count;
    int direction;
    int flags;
    bool stream; /* its other calls want to hear of both directions, however it waits here */
    bool deaf;   /* the kernel does not tell when there is room: see edo_message_pause */
};

/* The ways: of one, and of many. */
ssize_t edo_message_send(int fd, const struct edo_message_move *move);
ssize_t edo_message_recv(int fd, const struct edo_message_move *move);
ssize_t edo_message_send_many(int fd, const struct edo_message_move *move);
ssize_t edo_message_recv_many(int fd, const struct edo_message_move *move);

/*
 * A whole call: spends budget, asks for cancellation, is a user of the source, moves. Without `wait`: -EAGAIN instead.
 */
ssize_t edo_message_call(struct edo_source *source, const struct edo_message_move *move, bool wait);

/* Where a message came from: the kernel has filled so many bytes into the address itself; no address if it was none. */
void edo_datagram_came_from(edo_addr *address, socklen_t size);

#endif
