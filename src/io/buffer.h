/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a reader or a writer: those from start_ to end_, in memory that is the caller's, or the buffer's own.
 *
 * Invariants: start_ <= end_ <= capacity_; an empty buffer begins at 0, so that its room is all of it. Memory other
 * than `given_` is the buffer's own. A larger one than base_ is kept only until it is empty, a
 * smaller one, which trimming leaves, until more is to go in. One task at a time; no lock.
 */
#ifndef EDO_IO_BUFFER_H
#define EDO_IO_BUFFER_H

#include <edo/buffer.h>

enum { EDO_BUFFER_SIZE = 8192 };

static inline void edo_buffer_init(struct edo_buffer *buffer, void *given, size_t size)
{
    struct edo_buffer fresh = {NULL, size > 0 ? (char *)given : NULL, size > 0 ? size : EDO_BUFFER_SIZE, 0, 0, 0};

    *buffer = fresh;
}

static inline size_t edo_buffer_used(const struct edo_buffer *buffer)
{
    return buffer->end_ - buffer->start_;
}

static inline size_t edo_buffer_room(const struct edo_buffer *buffer)
{
    return buffer->capacity_ - buffer->end_;
}

/* Takes so many, which are there, off the front. The memory stays. */
static inline void edo_buffer_take(struct edo_buffer *buffer, size_t size)
{
    buffer->start_ += size;
    if (buffer->start_ == buffer->end_)
        buffer->start_ = buffer->end_ = 0;
}

/* Moves the bytes to the beginning. */
void edo_buffer_compact(struct edo_buffer *buffer);

/*
 * Moves the bytes into memory of `capacity` bytes, which is enough for them; `given_` or none at all where that will
 * do. 0, -ENOMEM.
 */
int edo_buffer_resize(struct edo_buffer *buffer, size_t capacity);

/* A buffer that is empty gives back what is larger than base_, or smaller. */
void edo_buffer_shrink(struct edo_buffer *buffer);

/* Gives back what is not in use, when it is empty all of it. */
void edo_buffer_trim(struct edo_buffer *buffer);

/* Gives everything back. */
void edo_buffer_finish(struct edo_buffer *buffer);

#endif
