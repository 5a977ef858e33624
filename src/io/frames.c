/* SPDX-License-Identifier: MIT */
/*
 * Frames with a length field, over reader and writer. No data of its own: how far a frame has come is what the reader
 * has buffered of it, so that a call which fails leaves everything, and one that goes on finds it.
 */
#include <edo/frames.h>

#include "runtime/options.h"

#include <edo/task.h>

#include <errno.h>
#include <limits.h>

enum { EDO_VARINT_MAX = 10 };

/* What `given` says, the defaults filled in. 0; -EINVAL; -E2BIG. */
static int edo_framing_read(struct edo_framing *out, const edo_framing *given)
{
    struct edo_framing framing = {0};
    int rc = EDO_READ_OPTIONS(&framing, given);

    if (rc < 0)
        return rc;
    if (framing.field == 0)
        framing.field = 4;
    if (framing.limit == 0)
        framing.limit = (size_t)8 << 20;
    if (framing.field < EDO_FRAME_VARINT || framing.field > 8 || framing.skip < EDO_FRAME_WHOLE)
        return -EINVAL;
    *out = framing;
    return 0;
}

/* --- The length field --------------------------------------------------------------------------------------------- */

static uint64_t edo_frame_number(const unsigned char *bytes, int count, bool little_endian)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++)
        value = value << 8 | bytes[little_endian ? count - 1 - i : i];
    return value;
}

static void edo_frame_put_number(unsigned char *bytes, int count, bool little_endian, uint64_t value)
{
    for (int i = count - 1; i >= 0; i--, value >>= 8)
        bytes[little_endian ? count - 1 - i : i] = (unsigned char)value;
}

/* How many bytes the number at the beginning of `size` takes; 0: it does not end in them; -EBADMSG. */
static int edo_frame_varint(uint64_t *out, const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;

    for (int i = 0; (size_t)i < size; i++) {
        if (i == EDO_VARINT_MAX - 1 && bytes[i] > 1)
            return -EBADMSG;
        value |= (uint64_t)(bytes[i] & 0x7f) << 7 * i;
        if (!(bytes[i] & 0x80)) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

static int edo_frame_put_varint(unsigned char *bytes, uint64_t value)
{
    int count = 0;

    for (; value > 0x7f; value >>= 7)
        bytes[count++] = (unsigned char)(value | 0x80);
    bytes[count++] = (unsigned char)value;
    return count;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/*
 * Sees to it that *text, which is what is buffered, has `least` bytes: 1; 0: the stream has ended before the first;
 * -ENODATA.
 */
static ssize_t edo_frame_await(edo_str *text, edo_reader *reader, size_t least)
{
    ssize_t n;

    if (text->size >= least)
        return 1;
    n = edo_reader_peek(text, reader, least);
    if (n < 0 || text->size >= least)
        return n < 0 ? n : 1;
    return text->size > 0 ? -ENODATA : 0;
}

/* Reads as far as the length field goes: 1, its value, and how many bytes the head has. */
static ssize_t edo_frame_head(uint64_t *value, size_t *head, edo_str *text, edo_reader *reader,
                              const struct edo_framing *framing)
{
    size_t offset = framing->offset;
    int size = framing->field;
    ssize_t n = edo_frame_await(text, reader, offset + (size_t)(size > 0 ? size : 1));

    if (n > 0 && size > 0)
        *value = edo_frame_number((const unsigned char *)text->data + offset, size, framing->little_endian);
    while (n > 0 && size <= 0) {
        size = edo_frame_varint(value, (const unsigned char *)text->data + offset, text->size - offset);
        if (size < 0)
            return size;
        if (size == 0)
            n = edo_frame_await(text, reader, text->size + 1);
    }
    *head = offset + (size_t)size;
    return n;
}

/* The size of the body that a length field announces; -EBADMSG, -EMSGSIZE. */
static ssize_t edo_frame_body(uint64_t value, const struct edo_framing *framing)
{
    int64_t body;

    if (value > (uint64_t)INT64_MAX || __builtin_add_overflow((int64_t)value, framing->adjust, &body))
        return -EMSGSIZE;
    if (body < 0)
        return -EBADMSG;
    return (uint64_t)body <= framing->limit && body < SSIZE_MAX / 2 ? (ssize_t)body : -EMSGSIZE;
}

ssize_t edo_frame_read(edo_str *out, edo_reader *reader, const edo_framing *given)
{
    struct edo_framing framing;
    edo_str text = edo_reader_buffered(reader);
    uint64_t value = 0;
    size_t head = 0;
    size_t skip;
    size_t size;
    ssize_t n = edo_checkpoint();

    if (n == 0)
        n = edo_framing_read(&framing, given);
    if (n == 0)
        n = edo_frame_head(&value, &head, &text, reader, &framing);
    if (n <= 0)
        return n;
    n = edo_frame_body(value, &framing);
    if (n < 0)
        return n;
    size = head + (size_t)n;
    skip = framing.skip == 0 ? head : framing.skip > 0 ? (size_t)framing.skip : 0;
    if (skip > size)
        return -EBADMSG;
    n = edo_frame_await(&text, reader, size);
    if (n < 0)
        return n;
    out->data = text.data + skip;
    out->size = size - skip;
    edo_reader_consume(reader, size);
    return (ssize_t)size;
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

ssize_t edo_frame_write(edo_writer *writer, const edo_framing *given, const void *data, size_t size)
{
    unsigned char field[EDO_VARINT_MAX];
    struct edo_framing framing;
    struct iovec pieces[3];
    size_t body;
    int64_t value;
    int rc = edo_framing_read(&framing, given);

    if (rc < 0)
        return rc;
    if (size < framing.offset)
        return -EINVAL;
    body = size - framing.offset;
    if (body > framing.limit || body > (size_t)SSIZE_MAX / 2 ||
        __builtin_sub_overflow((int64_t)body, framing.adjust, &value))
        return -EMSGSIZE;
    if (value < 0)
        return -EINVAL;
    if (framing.field == EDO_FRAME_VARINT) {
        framing.field = edo_frame_put_varint(field, (uint64_t)value);
    } else {
        if (framing.field < 8 && (uint64_t)value >> 8 * framing.field != 0)
            return -EMSGSIZE;
        edo_frame_put_number(field, framing.field, framing.little_endian, (uint64_t)value);
    }
    pieces[0] = (struct iovec){(void *)(uintptr_t)data, framing.offset};
    pieces[1] = (struct iovec){field, (size_t)framing.field};
    pieces[2] = (struct iovec){body > 0 ? (char *)(uintptr_t)data + framing.offset : NULL, body};
    return edo_writer_writev(writer, pieces, 3);
}
