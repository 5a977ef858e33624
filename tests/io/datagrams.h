/* SPDX-License-Identifier: MIT */
/* What the tests of datagram sockets share: pairs, and a task that receives. */
#ifndef EDO_TESTS_IO_DATAGRAMS_H
#define EDO_TESTS_IO_DATAGRAMS_H

#include "net.h"

#include <edo/datagram.h>

/* Two UDP sockets: [1] is bound, [0] connected to it. */
static inline void udp_pair(edo_datagram *out[2])
{
    edo_addr address;

    CHECK_EQUAL(edo_udp_bind(&out[1], "127.0.0.1:0", NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, out[1]), 0);
    CHECK_EQUAL(edo_datagram_connect(&out[0], &address, NULL), 0);
}

static inline void close_pair(edo_datagram *pair[2])
{
    edo_datagram_close(pair[0]);
    edo_datagram_close(pair[1]);
}

/* A task that receives until the first byte is an x, or a call fails. */
struct receiver {
    edo_datagram *datagram;
    int got;
    ssize_t result;
};

static inline int receive_until_x(void *argument)
{
    struct receiver *receiver = argument;
    char buffer[64];

    do {
        receiver->result = edo_datagram_recv(receiver->datagram, buffer, sizeof buffer);
        receiver->got++;
    } while (receiver->result >= 0 && buffer[0] != 'x');
    return 0;
}

#endif
