/* SPDX-License-Identifier: MIT */
/*
 * From one stream to another: reading into a buffer and writing all of it, by the public calls alone. The buffer says
 * at any moment what was read and not written; who owns it has those bytes when a call ends in between (C3).
 *
 * No splice(2): it saves a tenth to a half of the CPU in bulk, nothing for messages, and costs four descriptors a
 * connection; and what is in its pipe when a write fails can only be had by reading it out again.
 */
#include "platform/platform.h"
#include "runtime/task.h"

#include <edo/copy.h>
#include <edo/scope.h>
#include <edo/task.h>

#include <errno.h>

enum { EDO_COPY_SIZE = 64 * 1024 };

/* What is left of `count` after `done`, as far as it goes into `size`. */
static size_t edo_copy_limit(size_t size, uint64_t count, uint64_t done)
{
    return count - done < size ? (size_t)(count - done) : size;
}

int edo_copy_through(uint64_t *moved, edo_stream *to, edo_stream *from, uint64_t count, edo_copy_buffer *buffer)
{
    ssize_t n = edo_task_self() ? edo_checkpoint() : -EPERM;

    *moved = 0;
    if (n < 0)
        return (int)n;
    if (!buffer->memory || buffer->size == 0 || buffer->begin > buffer->end || buffer->end > buffer->size)
        return -EINVAL;
    while (*moved < count && n >= 0) {
        size_t written;

        if (buffer->begin == buffer->end) {
            buffer->begin = buffer->end = 0;
            n = edo_read(from, buffer->memory, edo_copy_limit(buffer->size, count, *moved));
            if (n <= 0)
                break;
            buffer->end = (size_t)n;
        }
        n = edo_write_all_part(&written, to, (const char *)buffer->memory + buffer->begin,
                               edo_copy_limit(buffer->end - buffer->begin, count, *moved));
        buffer->begin += written;
        *moved += written;
    }
    return n < 0 ? (int)n : 0;
}

int edo_copy_n(uint64_t *moved, edo_stream *to, edo_stream *from, uint64_t count)
{
    size_t size = edo_copy_limit(EDO_COPY_SIZE, count, 0);
    edo_copy_buffer buffer = {.size = size ? size : 1};
    int rc;

    *moved = 0;
    if (!edo_task_self())
        return -EPERM;
    buffer.memory = edo_platform->allocate(buffer.size);
    if (!buffer.memory)
        return -ENOMEM;
    rc = edo_copy_through(moved, to, from, count, &buffer);
    edo_platform->release(buffer.memory);
    return rc;
}

int edo_copy(uint64_t *moved, edo_stream *to, edo_stream *from)
{
    return edo_copy_n(moved, to, from, UINT64_MAX);
}

/* --- Both ways ---------------------------------------------------------------------------------------------------- */

struct edo_way {
    edo_stream *to;
    edo_stream *from;
    uint64_t moved;
    int rc;
};

static int edo_copy_way(void *argument)
{
    struct edo_way *way = (struct edo_way *)argument;

    way->rc = edo_copy(&way->moved, way->to, way->from);
    if (way->rc == 0)
        way->rc = edo_shutdown(way->to, EDO_HALF_WRITE);
    return way->rc;
}

int edo_copy_both(uint64_t *a_to_b, uint64_t *b_to_a, edo_stream *a, edo_stream *b)
{
    struct edo_way there = {b, a, 0, 0};
    struct edo_way back = {a, b, 0, 0};
    int rc = 0;

    *a_to_b = *b_to_a = 0;
    if (!edo_task_self())
        return -EPERM;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, edo_copy_way, &back, .name = "edo_copy_both");
        if (rc == 0)
            rc = edo_copy_way(&there);
    }
    *a_to_b = there.moved;
    *b_to_a = back.moved;
    return rc < 0 ? rc : back.rc; /* a scope does not count what it cut short itself, and this way was not to be */
}
