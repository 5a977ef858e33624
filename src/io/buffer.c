/* SPDX-License-Identifier: MIT */
/* The memory of readers and writers: see buffer.h. No call here waits. */
#include "io/buffer.h"

#include <edo/memory.h>

#include <errno.h>

void edo_buffer_compact(struct edo_buffer *buffer)
{
    size_t used = edo_buffer_used(buffer);

    if (buffer->start_ == 0)
        return;
    memmove(buffer->data_, buffer->data_ + buffer->start_, used);
    buffer->start_ = 0;
    buffer->end_ = used;
}

/* Puts other memory in the place of what it has; the bytes are in it already. */
static void edo_buffer_replace(struct edo_buffer *buffer, char *data, size_t capacity)
{
    size_t used = edo_buffer_used(buffer);

    if (buffer->data_ != buffer->given_)
        edo_release(buffer->data_);
    buffer->data_ = data;
    buffer->capacity_ = capacity;
    buffer->start_ = 0;
    buffer->end_ = used;
}

int edo_buffer_resize(struct edo_buffer *buffer, size_t capacity)
{
    bool given = buffer->given_ && capacity <= buffer->base_;
    char *data = given ? buffer->given_ : (char *)edo_allocate(capacity);

    if (!data)
        return -ENOMEM;
    if (edo_buffer_used(buffer) > 0)
        memmove(data, buffer->data_ + buffer->start_, edo_buffer_used(buffer));
    edo_buffer_replace(buffer, data, given ? buffer->base_ : capacity);
    return 0;
}

void edo_buffer_shrink(struct edo_buffer *buffer)
{
    if (buffer->capacity_ != buffer->base_ && edo_buffer_used(buffer) == 0)
        edo_buffer_replace(buffer, NULL, 0);
}

void edo_buffer_trim(struct edo_buffer *buffer)
{
    size_t used = edo_buffer_used(buffer);

    if (used == 0)
        edo_buffer_replace(buffer, NULL, 0);
    else if (buffer->data_ != buffer->given_ && used < buffer->capacity_)
        edo_buffer_resize(buffer, used); /* if that can't be had, it stays as it is */
}

void edo_buffer_finish(struct edo_buffer *buffer)
{
    edo_buffer_replace(buffer, NULL, 0);
    buffer->start_ = buffer->end_ = 0;
}
