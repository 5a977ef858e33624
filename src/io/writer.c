/* SPDX-License-Identifier: MIT */
/*
 * The buffered writer, over the public calls on streams.
 *
 * Invariant: what the stream has got and then the buffer's bytes are all that was taken, in order. Bytes leave the
 * buffer when the stream has taken them, and payload enters it, or goes past it, behind what it holds. A call that
 * gives up midway through a payload moves the rest into the buffer and has thereby taken it; if that can't be, or the
 * stream is dead, the invariant is lost, and `broken_` says so to all later calls.
 */
#include <edo/writer.h>

#include "io/buffer.h"
#include "runtime/misuse.h"

#include <edo/task.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

void edo_writer_init(edo_writer *writer, edo_stream *stream, void *buffer, size_t size)
{
    edo_writer fresh = {.stream_ = stream};

    *writer = fresh;
    edo_buffer_init(&writer->buffer_, buffer, size);
}

size_t edo_writer_finish(edo_writer *writer)
{
    size_t lost = edo_buffer_used(&writer->buffer_);

    edo_buffer_finish(&writer->buffer_);
    return lost;
}

void edo_writer_trim(edo_writer *writer)
{
    edo_buffer_trim(&writer->buffer_);
}

size_t edo_writer_pending(const edo_writer *writer)
{
    return edo_buffer_used(&writer->buffer_);
}

/* Every call that may wait begins with it. */
static int edo_writer_begin(edo_writer *writer)
{
    int rc = edo_checkpoint();

    return rc < 0 ? rc : writer->broken_;
}

/* --- Flushing ----------------------------------------------------------------------------------------------------- */

/* Writes some of what is buffered, which is more than nothing. */
static int edo_writer_drain(edo_writer *writer)
{
    struct edo_buffer *buffer = &writer->buffer_;
    ssize_t n = edo_write(writer->stream_, buffer->data_ + buffer->start_, edo_buffer_used(buffer));

    if (n < 0)
        return (int)n;
    edo_buffer_take(buffer, (size_t)n);
    edo_buffer_shrink(buffer);
    return 0;
}

int edo_writer_flush(edo_writer *writer)
{
    int rc = edo_writer_begin(writer);

    while (rc == 0 && edo_buffer_used(&writer->buffer_) > 0)
        rc = edo_writer_drain(writer);
    return rc;
}

/* --- Payloads ----------------------------------------------------------------------------------------------------- */

/* Pieces of a payload, of which `offset` bytes of the first one, and `left` bytes in all, are still to be taken. */
struct edo_payload {
    const struct iovec *pieces;
    int count;
    size_t offset;
    size_t left;
};

static void edo_payload_advance(struct edo_payload *payload, size_t size)
{
    payload->left -= size;
    while (payload->count > 0 && size >= payload->pieces->iov_len - payload->offset) {
        size -= payload->pieces->iov_len - payload->offset;
        payload->offset = 0;
        payload->pieces++;
        payload->count--;
    }
    payload->offset += size;
}

/* Copies all that is left behind what is buffered; there is room for it. */
static void edo_writer_keep(struct edo_buffer *buffer, const struct edo_payload *payload)
{
    size_t offset = payload->offset;

    for (int i = 0; i < payload->count; i++, offset = 0) {
        size_t size = payload->pieces[i].iov_len - offset;

        if (size > 0)
            memcpy(buffer->data_ + buffer->end_, (const char *)payload->pieces[i].iov_base + offset, size);
        buffer->end_ += size;
    }
}

/* One writev of what is buffered and as many pieces as go with it. */
static int edo_writer_send(edo_writer *writer, struct edo_payload *payload)
{
    struct edo_buffer *buffer = &writer->buffer_;
    size_t used = edo_buffer_used(buffer);
    size_t offset = payload->offset;
    struct iovec pieces[8];
    int count = 0;
    ssize_t n;

    if (used > 0)
        pieces[count++] = (struct iovec){buffer->data_ + buffer->start_, used};
    for (int i = 0; i < payload->count && count < (int)EDO_COUNT(pieces); i++, offset = 0)
        if (payload->pieces[i].iov_len > offset)
            pieces[count++] =
                (struct iovec){(char *)payload->pieces[i].iov_base + offset, payload->pieces[i].iov_len - offset};
    n = edo_writev(writer->stream_, pieces, count);
    if (n < 0)
        return (int)n;
    if ((size_t)n > used)
        edo_payload_advance(payload, (size_t)n - used);
    edo_buffer_take(buffer, (size_t)n < used ? (size_t)n : used);
    edo_buffer_shrink(buffer);
    return 0;
}

/*
 * Whether so many bytes fit behind what is buffered: then there is the room. Memory is gotten if there is none, or too
 * little.
 */
static bool edo_writer_fits(struct edo_buffer *buffer, size_t size)
{
    if (buffer->capacity_ < buffer->base_ && size <= buffer->base_ - edo_buffer_used(buffer))
        edo_buffer_resize(buffer, buffer->base_);
    if (buffer->capacity_ - edo_buffer_used(buffer) < size)
        return false;
    if (edo_buffer_room(buffer) < size)
        edo_buffer_compact(buffer);
    return true;
}

/* The payload has gone out in part when this error came. A cancelled one's rest is kept for a later flush: 0. */
static int edo_writer_give_up(edo_writer *writer, struct edo_payload *payload, int error)
{
    struct edo_buffer *buffer = &writer->buffer_; /* it is empty: the payload comes behind it */

    if (error == -ECANCELED)
        error = edo_buffer_resize(buffer, payload->left);
    if (error == 0)
        edo_writer_keep(buffer, payload);
    writer->broken_ = error;
    return error;
}

/* Takes `size` bytes. If there is no memory for a buffer they go out without one. */
static ssize_t edo_writer_pieces(edo_writer *writer, const struct iovec *pieces, int count, size_t size)
{
    struct edo_payload payload = {pieces, count, 0, size};
    int rc = edo_writer_begin(writer);

    while (rc == 0 && payload.left > 0) {
        if (edo_writer_fits(&writer->buffer_, payload.left)) {
            edo_writer_keep(&writer->buffer_, &payload);
            break;
        }
        rc = edo_writer_send(writer, &payload);
        if (rc < 0 && payload.left < size) {
            rc = edo_writer_give_up(writer, &payload, rc);
            break;
        }
    }
    return rc < 0 ? rc : (ssize_t)size;
}

ssize_t edo_writer_write(edo_writer *writer, const void *data, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)data, size};

    return size > (size_t)SSIZE_MAX ? -EINVAL : edo_writer_pieces(writer, &piece, 1, size);
}

ssize_t edo_writer_writev(edo_writer *writer, const struct iovec *pieces, int count)
{
    size_t sum = 0;

    if (count < 0)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > (size_t)SSIZE_MAX - sum)
            return -EINVAL;
        sum += pieces[i].iov_len;
    }
    return edo_writer_pieces(writer, pieces, count, sum);
}

/* --- In place ----------------------------------------------------------------------------------------------------- */

/* Makes the room for edo_writer_reserve, which is more than none. */
static int edo_writer_make_room(edo_writer *writer, size_t size)
{
    struct edo_buffer *buffer = &writer->buffer_;
    int rc = 0;

    while (rc == 0 && !edo_writer_fits(buffer, size))
        rc = edo_buffer_used(buffer) > 0 ? edo_writer_drain(writer)
                                         : edo_buffer_resize(buffer, size > buffer->base_ ? size : buffer->base_);
    return rc;
}

int edo_writer_reserve(void **place, edo_writer *writer, size_t size)
{
    int rc = edo_writer_begin(writer);

    if (rc == 0)
        rc = edo_writer_make_room(writer, size + !size);
    if (rc == 0)
        *place = writer->buffer_.data_ + writer->buffer_.end_;
    return rc;
}

void edo_writer_commit(edo_writer *writer, size_t size)
{
    size_t room = edo_buffer_room(&writer->buffer_);

    EDO_MISUSE_IF(size > room, "more is committed than was reserved");
    writer->buffer_.end_ += size < room ? size : room;
}

/* Tried where there is room already; done again where that was not enough. */
ssize_t edo_writer_vprintf(edo_writer *writer, const char *format, va_list arguments)
{
    struct edo_buffer *buffer = &writer->buffer_;
    ssize_t rc = edo_writer_begin(writer);
    size_t room = edo_buffer_room(buffer);
    va_list again;
    int size;

    if (rc < 0)
        return rc;
    va_copy(again, arguments);
    size = vsnprintf(room > 0 ? buffer->data_ + buffer->end_ : NULL, room, format, arguments);
    rc = size < 0 ? -EINVAL : 0;
    if (size > 0 && (size_t)size >= room) {
        rc = edo_writer_make_room(writer, (size_t)size + 1);
        if (rc == 0)
            vsnprintf(buffer->data_ + buffer->end_, (size_t)size + 1, format, again);
    }
    va_end(again);
    if (rc < 0)
        return rc;
    buffer->end_ += (size_t)size;
    return size;
}

ssize_t edo_writer_printf(edo_writer *writer, const char *format, ...)
{
    va_list arguments;
    ssize_t n;

    va_start(arguments, format);
    n = edo_writer_vprintf(writer, format, arguments);
    va_end(arguments);
    return n;
}
