/* SPDX-License-Identifier: MIT */
/*
 * A buffered reader: bytes of a stream, looked at before they are taken, and lines.
 *
 *     edo_reader reader;
 *     edo_str line;
 *     ssize_t n;
 *
 *     edo_reader_init(&reader, stream, NULL, 0);
 *     while ((n = edo_reader_read_line(&line, &reader, 1000)) > 0)
 *         printf("%.*s\n", EDO_STR_ARG(line));
 *     edo_reader_finish(&reader);
 *
 * Text that a call gives (edo_str) lies in the reader's buffer, uncopied, and is good until the next call on that
 * reader.
 *
 * The buffer is the caller's, or the reader's own, gotten when it is first needed. What does not fit is read into a
 * larger one, which grows as the bytes come, up to what the call allows, and goes when it has been emptied.
 * edo_reader_trim gives back all that is not in use: an idle reader then is its struct alone.
 *
 * Cancellation (rules C1 to C3): each call that may wait asks whether its scope is cancelled, also when it would not
 * have to wait. -ECANCELED, and every other error, means that nothing was taken: what had come already stays in the
 * reader, and the same call again goes on where this one stopped. So a read may be put under EDO_TIMEOUT without fear.
 * (edo_reader_skip_until has skipped what it has skipped.)
 *
 * A reader is used by one task at a time, which is then the one that reads the stream. What is buffered makes no stream
 * readable: who waits for that, with edo_wait_readable or as a dormant task, looks at edo_reader_buffered first.
 */
#ifndef EDO_READER_H
#define EDO_READER_H

#include <edo/base.h>
#include <edo/buffer.h>
#include <edo/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_reader {
    edo_stream *stream_;
    edo_buffer buffer_;
} edo_reader;

/*
 * Reads from `stream`, which stays the caller's, through `buffer`, `size` bytes that are the caller's too until
 * edo_reader_finish; or, if `buffer` is NULL, through one of `size` bytes (0: 8,192) of its own. Allocates nothing yet.
 */
EDO_API void edo_reader_init(edo_reader *reader, edo_stream *stream, void *buffer, size_t size);

/*
 * Gives its memory back. Bytes that were not taken are lost; the stream is not closed. Any thread; not a suspension
 * point.
 */
EDO_API void edo_reader_finish(edo_reader *reader);

/* Gives back the memory that is not in use: all of it when nothing is buffered. Any thread; not a suspension point. */
EDO_API void edo_reader_trim(edo_reader *reader);

/* What is buffered, and nothing else: never waits, is never refused. */
EDO_API edo_str edo_reader_buffered(const edo_reader *reader);

/*
 * Waits until `least` bytes are buffered, growing the buffer to that size if need be, and gives all that are, without
 * taking any. Returns how many; less than `least`, or 0, only where the stream ends before that. -ENOMEM; -ECANCELED;
 * errors of edo_read.
 */
EDO_API ssize_t edo_reader_peek(edo_str *out, edo_reader *reader, size_t least);

/* Takes the first `size` of the buffered bytes, at most all. Never waits, is never refused. */
EDO_API void edo_reader_consume(edo_reader *reader, size_t size);

/*
 * Reads once from the stream into what is free of the buffer, waiting only while there is nothing. How many bytes came,
 * 0 at the end; -ENOBUFS: it is full; -ENOMEM; -ECANCELED; errors of edo_read.
 */
EDO_API ssize_t edo_reader_fill(edo_reader *reader);

/*
 * As edo_read: what is buffered, at most `size` bytes; else what comes from the stream, past the buffer if as much was
 * asked for as that holds. Returns the count, 0 at the end (or for size 0); -ENOMEM; -ECANCELED; errors of edo_read.
 */
EDO_API ssize_t edo_reader_read(edo_reader *reader, void *buffer, size_t size);

/*
 * Reads exactly `size` bytes. Returns `size`; 0: the stream has ended (or size is 0); -ENODATA: it ends in the midst;
 * -ECANCELED, -ENOMEM, errors of edo_read.
 *
 * After an error, -ENODATA too, all bytes that have come are in the reader still, whatever `size` was, and `buffer` is
 * untouched: what does not fit the buffer makes it grow. edo_reader_read_exact_part needs no memory for what is large:
 * it reads straight into `buffer`, going on at *done, and leaves in *done how many bytes stand there, after errors too.
 * They are taken: *done is to be 0 at first, and the same again to go on. -EINVAL: *done is more than `size`,
 * or that more than SSIZE_MAX.
 */
EDO_API ssize_t edo_reader_read_exact(edo_reader *reader, void *buffer, size_t size);
EDO_API ssize_t edo_reader_read_exact_part(size_t *done, edo_reader *reader, void *buffer, size_t size);

/*
 * Takes what stands before the next `delimiter`, at most `limit` bytes, and the delimiter. *out is that text without
 * the delimiter. Returns how many bytes were taken: out->size + 1; or out->size, more than 0, for the last piece, if
 * the stream ends without a delimiter; 0: the stream has ended. -EMSGSIZE: the limit is passed and no delimiter has
 * come: nothing was taken, the bytes can be taken otherwise, or left out by edo_reader_skip_until. -ENOMEM, -ECANCELED,
 * errors of edo_read.
 */
EDO_API ssize_t edo_reader_read_until(edo_str *out, edo_reader *reader, char delimiter, size_t limit);

/*
 * The same for lines: they end with LF or CRLF, which is in neither *out nor `limit`. A CR elsewhere, at the very end
 * of the stream too, is text. A line is empty if more is returned than 0 and out->size is 0. The last line has no end
 * if out->size is returned.
 */
EDO_API ssize_t edo_reader_read_line(edo_str *out, edo_reader *reader, size_t limit);

/*
 * Leaves out everything up to the next `delimiter`, and that ('\n': the rest of a line that was too long). 1; 0: the
 * stream ended before one came. After an error, -ECANCELED too, what it has left out is gone, and the same call again
 * goes on.
 */
EDO_API int edo_reader_skip_until(edo_reader *reader, char delimiter);

#ifdef __cplusplus
}
#endif

#endif
