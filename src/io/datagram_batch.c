/* SPDX-License-Identifier: MIT */
/*
 * Many datagrams in one system call: recvmmsg and sendmmsg. Their headers lie on the task's stack, EDO_DATAGRAM_BATCH
 * of them, so a call needs no memory; addresses are filled into the caller's messages. What has stopped a batch behind
 * its first message is the kernel's to tell again: it keeps a receiving error in the socket, and of a message that was
 * not sent it says the same the next time.
 */
#include "io/message.h"

#include <errno.h>

/* Some 5 KiB of a stack. */
struct edo_batch {
    struct mmsghdr headers[EDO_DATAGRAM_BATCH];
    struct iovec pieces[EDO_DATAGRAM_BATCH];
};

static void edo_batch_put(struct edo_batch *batch, unsigned at, void *buffer, size_t size)
{
    batch->pieces[at] = (struct iovec){buffer, size};
    batch->headers[at].msg_len = 0;
    batch->headers[at].msg_hdr = (struct msghdr){.msg_iov = &batch->pieces[at], .msg_iovlen = 1};
}

static unsigned edo_batch_count(size_t count)
{
    return count < EDO_DATAGRAM_BATCH ? (unsigned)count : EDO_DATAGRAM_BATCH;
}

static ssize_t edo_batch_receive(edo_datagram *datagram, edo_datagram_message *messages, size_t count, bool wait)
{
    struct edo_batch batch;
    struct edo_message_move move = {.move = edo_message_recv_many,
                                    .what = batch.headers,
                                    .count = edo_batch_count(count),
                                    .direction = EDO_IN,
                                    .flags = MSG_TRUNC};
    ssize_t received;

    if (count == 0)
        return 0;
    for (unsigned i = 0; i < move.count; i++) {
        struct msghdr *header = &batch.headers[i].msg_hdr;

        edo_batch_put(&batch, i, messages[i].buffer, messages[i].size);
        header->msg_name = &messages[i].address.at_;
        header->msg_namelen = sizeof messages[i].address.at_;
    }
    received = edo_message_call(&datagram->source, &move, wait);
    for (ssize_t i = 0; i < received; i++) {
        edo_datagram_message *message = &messages[i];

        message->full = batch.headers[i].msg_len;
        message->received = message->full < message->size ? message->full : message->size;
        edo_datagram_came_from(&message->address, batch.headers[i].msg_hdr.msg_namelen);
    }
    return received;
}

static ssize_t edo_batch_deliver(edo_datagram *datagram, const edo_datagram_message *messages, size_t count, bool wait)
{
    struct edo_batch batch;
    struct edo_message_move move = {
        .move = edo_message_send_many, .what = batch.headers, .count = edo_batch_count(count), .direction = EDO_OUT};

    if (count == 0)
        return 0;
    for (unsigned i = 0; i < move.count; i++) {
        const edo_datagram_message *message = &messages[i];
        struct msghdr *header = &batch.headers[i].msg_hdr;

        if (message->size > EDO_MESSAGE_MOST) {
            if (i == 0)
                return -EMSGSIZE;
            move.count = i;
            break;
        }
        edo_batch_put(&batch, i, message->buffer, message->size);
        header->msg_name = (void *)(uintptr_t)edo_addr_sockaddr(&message->address, &header->msg_namelen);
        move.deaf |= header->msg_name && message->address.at_.any.sa_family == AF_UNIX;
    }
    return edo_message_call(&datagram->source, &move, wait);
}

ssize_t edo_datagram_recv_many(edo_datagram *datagram, edo_datagram_message *messages, size_t count)
{
    return edo_batch_receive(datagram, messages, count, true);
}

ssize_t edo_datagram_try_recv_many(edo_datagram *datagram, edo_datagram_message *messages, size_t count)
{
    return edo_batch_receive(datagram, messages, count, false);
}

ssize_t edo_datagram_send_many(edo_datagram *datagram, const edo_datagram_message *messages, size_t count)
{
    return edo_batch_deliver(datagram, messages, count, true);
}

ssize_t edo_datagram_try_send_many(edo_datagram *datagram, const edo_datagram_message *messages, size_t count)
{
    return edo_batch_deliver(datagram, messages, count, false);
}
