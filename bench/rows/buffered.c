/* SPDX-License-Identifier: MIT */
/*
 * Lines and frames of 64 bytes out of a socket: by a reader in a task, and by recv(2) and a loop over the same 8 KiB in
 * a thread. Both make one recv for each 8 KiB, which is in the figures.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ITEM = 64, ITEMS = 1024, BUFFER = 8192 };

static char lines[ITEMS * ITEM];
static char frames[ITEMS * ITEM];
static const edo_framing framing = {.size = sizeof(edo_framing), .field = 2};

struct plain {
    int fd;
    char buffer[BUFFER];
    size_t size;
};

/* Reads the items, one after the other; returns the sum of their sizes. */
typedef size_t (*read_fn)(void *from, size_t items);

static void more(struct plain *plain, size_t taken)
{
    ssize_t n;

    plain->size -= taken;
    memmove(plain->buffer, plain->buffer + taken, plain->size);
    n = recv(plain->fd, plain->buffer + plain->size, BUFFER - plain->size, 0);
    if (n <= 0)
        abort();
    plain->size += (size_t)n;
}

static size_t plain_lines(void *from, size_t items)
{
    struct plain *plain = from;
    size_t sum = 0;
    size_t at = 0;

    while (items > 0) {
        const char *end = memchr(plain->buffer + at, '\n', plain->size - at);

        if (end) {
            size_t size = (size_t)(end - plain->buffer) - at;

            sum += size - (size > 0 && end[-1] == '\r');
            at += size + 1;
            items--;
        } else {
            more(plain, at);
            at = 0;
        }
    }
    plain->size = 0;
    return sum;
}

static size_t plain_frames(void *from, size_t items)
{
    struct plain *plain = from;
    size_t sum = 0;
    size_t at = 0;

    while (items > 0) {
        const unsigned char *head = (const unsigned char *)plain->buffer + at;
        size_t size = plain->size - at >= 2 ? (size_t)(head[0] << 8 | head[1]) : BUFFER;

        if (plain->size - at >= 2 + size) {
            sum += size;
            at += 2 + size;
            items--;
        } else {
            more(plain, at);
            at = 0;
        }
    }
    plain->size = 0;
    return sum;
}

static size_t read_lines(void *from, size_t items)
{
    size_t sum = 0;
    edo_str line;

    for (; items > 0; items--) {
        if (edo_reader_read_line(&line, from, 1000) <= 0)
            abort();
        sum += line.size;
    }
    return sum;
}

static size_t read_frames(void *from, size_t items)
{
    size_t sum = 0;
    edo_str frame;

    for (; items > 0; items--) {
        if (edo_frame_read(&frame, from, &framing) <= 0)
            abort();
        sum += frame.size;
    }
    return sum;
}

/* ns for each item; what is read is written before, which does not count. */
static double timed(edo_stream *to, const char *data, read_fn read, void *from, size_t wanted)
{
    size_t times = bench_amount(200);
    double busy = 0;

    for (size_t i = 0; i < times; i++) {
        double begin;

        if (edo_write_all(to, data, (size_t)ITEMS * ITEM) != (ssize_t)ITEMS * ITEM)
            abort();
        begin = bench_busy();
        if (read(from, ITEMS) != wanted * ITEMS)
            abort();
        busy += bench_busy() - begin;
    }
    return busy / (double)(times * ITEMS);
}

static int root(void *argument)
{
    static struct plain plain;
    edo_stream *ends[2];
    edo_reader reader;
    int fds[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;

    (void)argument;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = edo_stream_from_fd(&ends[i], fds[i]);
    if (rc < 0)
        return rc;
    plain.fd = edo_stream_fd(ends[1]);
    edo_reader_init(&reader, ends[1], NULL, BUFFER);
    for (int i = 0; i < ITEMS * ITEM; i++) {
        lines[i] = i % ITEM == ITEM - 1 ? '\n' : 'x';
        frames[i] = i % ITEM == 1 ? ITEM - 2 : 0;
    }
    for (int round = 0; round < bench_rounds(21); round++) {
        bench_floor("line", timed(ends[0], lines, plain_lines, &plain, ITEM - 1));
        bench_ours("line", timed(ends[0], lines, read_lines, &reader, ITEM - 1));
        bench_floor("frame", timed(ends[0], frames, plain_frames, &plain, ITEM - 2));
        bench_ours("frame", timed(ends[0], frames, read_frames, &reader, ITEM - 2));
    }
    edo_reader_finish(&reader);
    edo_close(ends[0]);
    edo_close(ends[1]);
    return 0;
}

static int run(const struct bench_row *row)
{
    (void)row;
    return bench_inside(root, NULL, 1);
}

static const struct bench_metric metrics[] = {
    {"line", "a line of 64 bytes, ns", "recv, memchr", BENCH_ABOVE, 20},
    {"frame", "a frame of 64 bytes, ns", "recv, a loop", BENCH_ABOVE, 25},
    {0},
};
const struct bench_row bench_row_buffered = {.name = "io-buffered", .metrics = metrics, .run = run, .seconds = 5};
