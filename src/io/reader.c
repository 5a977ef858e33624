/* SPDX-License-Identifier: MIT */
/*
 * The buffered reader: peeking, exact reads, lines, over the public calls on streams.
 *
 * Invariant: bytes that the stream gave are in the buffer until a call takes them, which it does only when it has all
 * that it returns. So no error, and no cancellation, has anything to put back (rule C3). Only bytes that go past the
 * buffer, straight to the caller, are taken as they come; and the caller is told how many.
 *
 * How far a search has come is known to its call only: one that was cancelled searches again. The buffer grows by
 * doubling, as bytes come and not as a peer announces them, up to what the call allows.
 */
#include <edo/reader.h>

#include "io/buffer.h"
#include "runtime/misuse.h"

#include <edo/task.h>

#include <errno.h>
#include <limits.h>

void edo_reader_init(edo_reader *reader, edo_stream *stream, void *buffer, size_t size)
{
    reader->stream_ = stream;
    edo_buffer_init(&reader->buffer_, buffer, size);
}

void edo_reader_finish(edo_reader *reader)
{
    edo_buffer_finish(&reader->buffer_);
}

void edo_reader_trim(edo_reader *reader)
{
    edo_buffer_trim(&reader->buffer_);
}

edo_str edo_reader_buffered(const edo_reader *reader)
{
    const struct edo_buffer *buffer = &reader->buffer_;
    edo_str text = {buffer->data_ ? buffer->data_ + buffer->start_ : "", edo_buffer_used(buffer)};

    return text;
}

void edo_reader_consume(edo_reader *reader, size_t size)
{
    size_t used = edo_buffer_used(&reader->buffer_);

    EDO_MISUSE_IF(size > used, "more is consumed than is buffered");
    edo_buffer_take(&reader->buffer_, size < used ? size : used);
}

/* --- Filling ------------------------------------------------------------------------------------------------------ */

/*
 * Sees to it that something more fits, in a buffer of at most `most` bytes (or base_, or the one there is). 0;
 * -ENOBUFS; -ENOMEM.
 */
static int edo_reader_make_room(struct edo_buffer *buffer, size_t most)
{
    size_t used = edo_buffer_used(buffer);
    size_t larger;

    if (used == 0)
        edo_buffer_shrink(buffer);
    if (!buffer->data_)
        return edo_buffer_resize(buffer, buffer->base_);
    /* Moved when that is cheap beside what has been taken since, or when it is the only way. */
    if (buffer->start_ >= used || edo_buffer_room(buffer) == 0)
        edo_buffer_compact(buffer);
    if (edo_buffer_room(buffer) > 0)
        return 0;
    if (buffer->capacity_ < buffer->base_)
        return edo_buffer_resize(buffer, buffer->base_);
    if (most <= buffer->capacity_)
        return -ENOBUFS;
    larger = most - buffer->capacity_ > buffer->capacity_ ? buffer->capacity_ * 2 : most;
    return edo_buffer_resize(buffer, larger);
}

/* One read into the buffer. */
static ssize_t edo_reader_more(edo_reader *reader, size_t most)
{
    struct edo_buffer *buffer = &reader->buffer_;
    ssize_t n = edo_reader_make_room(buffer, most);

    if (n < 0)
        return n;
    n = edo_read(reader->stream_, buffer->data_ + buffer->end_, edo_buffer_room(buffer));
    if (n > 0)
        buffer->end_ += (size_t)n;
    return n;
}

/* Until `least` are there: 1; 0: the stream ends before. */
static ssize_t edo_reader_gather(edo_reader *reader, size_t least)
{
    ssize_t n = 1;

    while (n > 0 && edo_buffer_used(&reader->buffer_) < least)
        n = edo_reader_more(reader, least);
    return n < 0 ? n : n > 0;
}

ssize_t edo_reader_fill(edo_reader *reader)
{
    ssize_t n = edo_checkpoint();

    return n < 0 ? n : edo_reader_more(reader, 0);
}

ssize_t edo_reader_peek(edo_str *out, edo_reader *reader, size_t least)
{
    ssize_t n = edo_checkpoint();

    if (n == 0)
        n = edo_reader_gather(reader, least);
    if (n < 0)
        return n;
    *out = edo_reader_buffered(reader);
    return (ssize_t)out->size;
}

/* --- Bytes -------------------------------------------------------------------------------------------------------- */

/* Hands out what is buffered, at most `size`. */
static size_t edo_reader_give(edo_reader *reader, void *to, size_t size)
{
    edo_str text = edo_reader_buffered(reader);

    if (text.size > size)
        text.size = size;
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    edo_buffer_take(&reader->buffer_, text.size);
    return text.size;
}

/* edo_reader_read without its asking for cancellation: what waits asks. */
static ssize_t edo_reader_some(edo_reader *reader, void *buffer, size_t size)
{
    ssize_t n;

    if (edo_buffer_used(&reader->buffer_) == 0) {
        if (size >= reader->buffer_.base_) {
            edo_buffer_shrink(&reader->buffer_);
            return edo_read(reader->stream_, buffer, size);
        }
        n = edo_reader_more(reader, 0);
        if (n <= 0)
            return n;
    }
    return (ssize_t)edo_reader_give(reader, buffer, size);
}

ssize_t edo_reader_read(edo_reader *reader, void *buffer, size_t size)
{
    ssize_t n = edo_checkpoint();

    return n < 0 || size == 0 ? n : edo_reader_some(reader, buffer, size);
}

ssize_t edo_reader_read_exact(edo_reader *reader, void *buffer, size_t size)
{
    ssize_t n = edo_checkpoint();

    if (n < 0 || size == 0)
        return n;
    if (size > (size_t)SSIZE_MAX)
        return -EINVAL;
    n = edo_reader_gather(reader, size);
    if (n > 0)
        return (ssize_t)edo_reader_give(reader, buffer, size);
    return n == 0 && edo_buffer_used(&reader->buffer_) > 0 ? -ENODATA : n;
}

ssize_t edo_reader_read_exact_part(size_t *done, edo_reader *reader, void *buffer, size_t size)
{
    ssize_t n = edo_checkpoint();

    if (n < 0)
        return n;
    if (size > (size_t)SSIZE_MAX || *done > size)
        return -EINVAL;
    while (*done < size) {
        n = edo_reader_some(reader, (char *)buffer + *done, size - *done);
        if (n <= 0)
            return n == 0 && *done > 0 ? -ENODATA : n;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

/* --- Lines -------------------------------------------------------------------------------------------------------- */

/*
 * Looks for the delimiter among the first `most` bytes: 1, and *at is how many stand before it; 0: the stream ends
 * before that; -EMSGSIZE: it is not among them.
 */
static ssize_t edo_reader_find(size_t *at, edo_reader *reader, char delimiter, size_t most)
{
    size_t searched = 0;

    for (;;) {
        edo_str text = edo_reader_buffered(reader);
        size_t size = text.size < most ? text.size : most;
        const char *found =
            size > searched ? (const char *)memchr(text.data + searched, delimiter, size - searched) : NULL;
        ssize_t n;

        if (found) {
            *at = (size_t)(found - text.data);
            return 1;
        }
        if (size == most)
            return -EMSGSIZE;
        searched = size;
        n = edo_reader_more(reader, most);
        if (n <= 0)
            return n;
    }
}

/* Takes `size` bytes, of which *out are the first, less `ending`. */
static ssize_t edo_reader_take(edo_str *out, edo_reader *reader, size_t size, size_t ending)
{
    *out = edo_reader_buffered(reader);
    out->size = size - ending;
    edo_buffer_take(&reader->buffer_, size);
    return (ssize_t)size;
}

ssize_t edo_reader_read_until(edo_str *out, edo_reader *reader, char delimiter, size_t limit)
{
    size_t most = limit < (size_t)SSIZE_MAX ? limit + 1 : limit;
    size_t at;
    ssize_t n = edo_checkpoint();

    if (n == 0)
        n = edo_reader_find(&at, reader, delimiter, most);
    if (n < 0)
        return n;
    return n > 0 ? edo_reader_take(out, reader, at + 1, 1)
                 : edo_reader_take(out, reader, edo_buffer_used(&reader->buffer_), 0);
}

/*
 * Up to limit + 2 bytes belong to a line; but limit + 1 without a CR at their end, and without LF, are too many
 * already.
 */
ssize_t edo_reader_read_line(edo_str *out, edo_reader *reader, size_t limit)
{
    size_t most = limit < (size_t)SSIZE_MAX - 1 ? limit + 1 : limit;
    size_t at;
    ssize_t n = edo_checkpoint();

    if (n == 0)
        n = edo_reader_find(&at, reader, '\n', most);
    if (n == -EMSGSIZE && edo_reader_buffered(reader).data[most - 1] == '\r')
        n = edo_reader_find(&at, reader, '\n', most + 1);
    if (n < 0)
        return n;
    if (n > 0) {
        size_t ending = at > 0 && edo_reader_buffered(reader).data[at - 1] == '\r' ? 2 : 1;

        return edo_reader_take(out, reader, at + 1, ending);
    }
    if (edo_buffer_used(&reader->buffer_) > limit)
        return -EMSGSIZE; /* with a CR behind it, which is text */
    return edo_reader_take(out, reader, edo_buffer_used(&reader->buffer_), 0);
}

int edo_reader_skip_until(edo_reader *reader, char delimiter)
{
    ssize_t n = edo_checkpoint();

    while (n >= 0) {
        edo_str text = edo_reader_buffered(reader);
        const char *found = (const char *)memchr(text.data, delimiter, text.size);

        edo_buffer_take(&reader->buffer_, found ? (size_t)(found - text.data) + 1 : text.size);
        if (found)
            return 1;
        n = edo_reader_more(reader, 0);
        if (n == 0)
            break;
    }
    return (int)n;
}
