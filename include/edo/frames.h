/* SPDX-License-Identifier: MIT */
/*
 * Frames: messages that carry their length, over a reader (edo/reader.h) and a writer (edo/writer.h).
 *
 *     frame:  | offset bytes | length field | as many bytes as the field says, plus `adjust` |
 *              \------- head ------------/   \------------------ body -------------------/
 *
 *     static const edo_framing records = {.size = sizeof(edo_framing), .field = 2, .little_endian = true};
 *
 *     while ((n = edo_frame_read(&frame, &reader, &records)) > 0)
 *         ...
 *
 * Messages that end with a delimiter instead are read by edo_reader_read_line and edo_reader_read_until.
 */
#ifndef EDO_FRAMES_H
#define EDO_FRAMES_H

#include <edo/base.h>
#include <edo/reader.h>
#include <edo/writer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDO_FRAME_VARINT = -1, /* seven bits a byte, the lowest first, a set bit 7 in all but the last; up to 64 bits */
    EDO_FRAME_WHOLE = -1
};

/* How frames are built. NULL stands for all defaults: four bytes of length, big-endian, and the body behind them. */
typedef struct edo_framing {
    size_t size;
    int field;          /* how many bytes the length field has, 1 to 8, or EDO_FRAME_VARINT; 0: 4 */
    bool little_endian; /* how they are ordered; default: big-endian, as networks do */
    uint32_t offset;    /* bytes before the length field */
    int64_t adjust; /* what is to be added to the field's value to get the size of the body: negative where the field
                           counts itself, or the whole head, too */
    int skip;       /* so many bytes of a frame are not delivered; 0: its head; EDO_FRAME_WHOLE: none are left out */
    size_t limit;   /* of a body; 0: 8 MiB */
} edo_framing;

/*
 * Reads a frame. *out is what it holds, behind `skip`; it lies in the reader's buffer and is good until the next call
 * on the reader. Returns the whole frame's size, more than 0; 0: the stream has ended behind the frame before.
 * -ENODATA: it ends inside of a frame; -EMSGSIZE: the body is larger than the limit, which is known before it is read;
 * -EBADMSG: the length makes no sense (a body of less than 0 bytes, a frame shorter than `skip`, a varint of more than
 * 64 bits); -EINVAL, -E2BIG for `framing`; -ENOMEM, -ECANCELED, errors of edo_read.
 *
 * After an error nothing was taken: what has come of the frame is in the reader, and the same call goes on with it
 * (rule C3). The buffer grows as a frame comes, not as it is announced.
 */
EDO_API ssize_t edo_frame_read(edo_str *out, edo_reader *reader, const edo_framing *framing);

/*
 * Takes a frame into the writer, as edo_writer_writev does: whole or not at all, and, where it is larger than the
 * writer's buffer, with what is buffered before it by one writev as a rule. Where there is an `offset`, the first bytes
 * of `data` are those before the length field. Returns the whole frame's size; -EMSGSIZE: the body is larger than the
 * limit, or than the field can say; -EINVAL: it has less than `offset` bytes, or less in its body than `adjust`;
 * -EINVAL, -E2BIG for `framing`; errors of edo_writer_writev, -ECANCELED too.
 */
EDO_API ssize_t edo_frame_write(edo_writer *writer, const edo_framing *framing, const void *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
