/* SPDX-License-Identifier: MIT */
/* One way from a writer to a reader, over a stream of each kind; and tasks that write and read what they expect. */
#ifndef EDO_TESTS_IO_KINDS_H
#define EDO_TESTS_IO_KINDS_H

#include "net.h"

/* out[0] is written, out[1] read. */
static inline void kinds_pipe(edo_stream *out[2])
{
    int ends[2];

    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[1], ends[0]), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[0], ends[1]), 0);
}

static inline void kinds_duplex(edo_stream *out[2])
{
    CHECK_EQUAL(edo_duplex(&out[0], &out[1], 5000), 0);
}

static void (*const kinds[])(edo_stream *out[2]) = {net_pair, net_tcp_pair, kinds_duplex, kinds_pipe};

enum { KINDS = 4, KINDS_MUCH = 1 << 20 };

static unsigned char kinds_bytes[KINDS_MUCH];

static inline void kinds_fill(void)
{
    uint64_t random = 17;

    for (size_t i = 0; i < sizeof kinds_bytes; i++)
        kinds_bytes[i] = (unsigned char)edo_test_random(&random);
}

struct kinds_flow {
    edo_stream *stream;
    size_t from; /* the first of kinds_bytes */
    size_t size;
};

/* Writes its bytes, and closes that half. */
static inline int kinds_feed(void *argument)
{
    struct kinds_flow *flow = (struct kinds_flow *)argument;

    CHECK_EQUAL(edo_write_all(flow->stream, kinds_bytes + flow->from, flow->size), flow->size);
    edo_close_write(flow->stream);
    return 0;
}

/* Reads to the end, which must be its bytes, and closes that half. */
static inline int kinds_drain(void *argument)
{
    struct kinds_flow *flow = (struct kinds_flow *)argument;
    unsigned char bytes[7000];
    size_t got = 0;
    ssize_t n;

    while ((n = edo_read(flow->stream, bytes, sizeof bytes)) > 0) {
        CHECK(got + (size_t)n <= flow->size);
        CHECK(memcmp(bytes, kinds_bytes + flow->from + got, (size_t)n) == 0);
        got += (size_t)n;
    }
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(got, flow->size);
    edo_close_read(flow->stream);
    return 0;
}

/* For a pair of any kind, when the halves that flows use are closed. */
static inline void kinds_close_rest(edo_stream *pair[2], int kind)
{
    if (kinds[kind] == kinds_pipe)
        return;
    edo_close_read(pair[0]);
    edo_close_write(pair[1]);
}

#endif
