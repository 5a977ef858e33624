/* SPDX-License-Identifier: MIT */
/*
 * What the tests of readers, writers and frames share: bytes that arrive in given pieces, each in a read of its own,
 * and a count of memory that may be refused.
 */
#ifndef EDO_TESTS_IO_PIECES_H
#define EDO_TESTS_IO_PIECES_H

#include "net.h"

#include <sys/ioctl.h>

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static _Atomic long pieces_live;     /* allocations not given back; threads allocate too */
static _Atomic long pieces_refusing; /* > 0: after so many more, one is refused; < 0: all are */

static void *pieces_allocate(size_t size)
{
    void *memory;

    if (pieces_refusing < 0 || (pieces_refusing > 0 && --pieces_refusing == 0))
        return NULL;
    memory = edo_platform_system.allocate(size);
    pieces_live += memory != NULL;
    return memory;
}

static void pieces_release(void *memory)
{
    pieces_live -= memory != NULL;
    edo_platform_system.release(memory);
}

static inline int pieces_begin(void **state)
{
    int rc = net_begin(state);

    pieces_live = pieces_refusing = 0;
    net_table.allocate = pieces_allocate;
    net_table.release = pieces_release;
    return rc;
}

#define pieces_test(function) cmocka_unit_test_setup_teardown(function, pieces_begin, net_end)

/* --- Pieces ------------------------------------------------------------------------------------------------------- */

enum { PIECES_WHOLE = 0, PIECES_BYTES = 1 }; /* other ways of dividing: random ones, drawn from the number */

struct pieces {
    edo_stream *stream; /* written, then closed */
    int other;          /* the descriptor on which they are read */
    const char *data;
    size_t size;
    uint32_t way;
};

static inline uint32_t pieces_random(uint32_t *dice)
{
    *dice = *dice * 1664525 + 1013904223;
    return *dice >> 16;
}

static inline size_t pieces_next(uint32_t way, uint32_t *dice, size_t left)
{
    size_t size = way == PIECES_WHOLE ? left : way == PIECES_BYTES ? 1 : 1 + pieces_random(dice) % 9;

    return size < left ? size : left;
}

/* A task: writes each piece when the one before it has been read. Ends without error if it is cancelled. */
static inline int pieces_write(void *argument)
{
    struct pieces *pieces = argument;
    uint32_t dice = pieces->way;

    for (size_t at = 0; at < pieces->size;) {
        size_t size = pieces_next(pieces->way, &dice, pieces->size - at);
        int waiting = 1;

        if (edo_write_all(pieces->stream, pieces->data + at, size) < 0)
            break;
        at += size;
        while (waiting > 0 && edo_yield() == 0)
            CHECK_EQUAL(ioctl(pieces->other, FIONREAD, &waiting), 0);
    }
    edo_close(EDO_TAKE(pieces->stream));
    return 0;
}

/* A task: cancels the scope when what has arrived has been read. For one worker. */
struct pieces_cancel {
    edo_scope *scope;
    int fd;
};

static inline int pieces_cancel(void *argument)
{
    struct pieces_cancel *cancel = argument;
    int waiting;

    do {
        CHECK_EQUAL(edo_yield(), 0);
        CHECK_EQUAL(ioctl(cancel->fd, FIONREAD, &waiting), 0);
    } while (waiting > 0);
    edo_scope_cancel(cancel->scope);
    return 0;
}

/* Runs fn(stream, argument) while the data arrive in pieces; then closes. For one worker. */
static inline int pieces_read(int (*fn)(edo_stream *, void *), void *argument, const char *data, size_t size,
                              uint32_t way)
{
    struct pieces pieces = {.data = data, .size = size, .way = way};
    edo_stream *pair[2];
    int rc = 0;

    net_pair(pair);
    pieces.stream = pair[1];
    pieces.other = edo_stream_fd(pair[0]);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, pieces_write, &pieces), 0);
        rc = fn(pair[0], argument);
        edo_scope_cancel(scope);
    }
    edo_close(pair[0]);
    return rc;
}

#endif
