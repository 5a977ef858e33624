/* SPDX-License-Identifier: MIT */
/*
 * A buffered writer: small pieces are collected and go to the stream together.
 *
 *     edo_writer writer;
 *
 *     edo_writer_init(&writer, stream, NULL, 0);
 *     edo_writer_printf(&writer, "HELLO %s\r\n", name);
 *     edo_writer_put(&writer, EDO_STR("\r\n"));
 *     rc = edo_writer_flush(&writer);
 *     edo_writer_finish(&writer);
 *
 * Nothing reaches the stream by itself but what no longer fits: who waits for an answer flushes first.
 * edo_writer_finish does not flush, it tells how many bytes it throws away.
 *
 * What a call is given is taken whole, or, if it returns an error, not at all: then it may be made again, and nothing
 * has to be put together from parts. Taken is not written: of all that was taken, the stream has got the first part,
 * and the rest is in the buffer, exactly, after errors and cancelled flushes too. Where a payload is larger than the
 * buffer it goes straight from the caller's memory, together with what is buffered before it, by one writev as a rule.
 *
 * Cancellation (rules C1 to C3): each call that may wait asks whether its scope is cancelled, also when it would not
 * have to wait; -ECANCELED means that nothing of what it was given was taken. When a payload that goes straight is
 * cancelled midway, its rest is moved into the buffer, which grows, and the call has succeeded.
 *
 * Errors are told by the call that meets them; those behind it try again, and the stream has its say. Except where a
 * payload went out in part and its rest cannot follow: what the stream has got then is no whole, and from there on
 * every call that takes or writes returns that error. -ECANCELED does so only where there is no memory for the rest
 * (the error then is -ENOMEM).
 *
 * A writer is used by one task at a time, which is then the one that writes to the stream.
 */
#ifndef EDO_WRITER_H
#define EDO_WRITER_H

#include <edo/base.h>
#include <edo/buffer.h>
#include <edo/stream.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_writer {
    edo_stream *stream_;
    edo_buffer buffer_;
    int broken_;
    int reserved_;
} edo_writer;

/*
 * Writes to `stream`, which stays the caller's, through `buffer`, `size` bytes that are the caller's too until
 * edo_writer_finish; or, if `buffer` is NULL, through one of `size` bytes (0: 8,192) of its own. Allocates nothing yet.
 */
EDO_API void edo_writer_init(edo_writer *writer, edo_stream *stream, void *buffer, size_t size);

/*
 * Gives its memory back, and throws away what was not flushed: returns how many bytes that is. The stream is not
 * closed. Any thread; not a suspension point.
 */
EDO_API size_t edo_writer_finish(edo_writer *writer);

/* Gives back the memory that is not in use: all of it after a flush. Any thread; not a suspension point. */
EDO_API void edo_writer_trim(edo_writer *writer);

/* How many bytes wait for a flush. Never waits, is never refused. */
EDO_API size_t edo_writer_pending(const edo_writer *writer);

/*
 * Takes `size` bytes, or all pieces. Waits only when they don't fit the buffer; if there is no memory for one, they are
 * written at once. Returns their number; -EINVAL (more than SSIZE_MAX); -ECANCELED; errors of edo_writev.
 */
EDO_API ssize_t edo_writer_write(edo_writer *writer, const void *data, size_t size);
EDO_API ssize_t edo_writer_writev(edo_writer *writer, const struct iovec *pieces, int count);

/* The same for text. */
static inline ssize_t edo_writer_put(edo_writer *writer, edo_str text)
{
    return edo_writer_write(writer, text.data, text.size);
}

/* The same for what printf would print, which is made in the buffer: -ENOMEM; -EINVAL if it can't be printed. */
EDO_API ssize_t edo_writer_printf(edo_writer *writer, const char *format, ...) EDO_PRINTF(2, 3);
EDO_API ssize_t edo_writer_vprintf(edo_writer *writer, const char *format, va_list arguments) EDO_PRINTF(2, 0);

/*
 * Makes room for `size` bytes in a row, and gives the place, which is good until the next call on the writer. What is
 * buffered is flushed as far as it must be; the buffer grows if it is smaller. 0; -ENOMEM; -ECANCELED; errors of
 * edo_write.
 */
EDO_API int edo_writer_reserve(void **place, edo_writer *writer, size_t size);

/* Takes the first `size` bytes of the place reserved by the call before. Never waits, is never refused. */
EDO_API void edo_writer_commit(edo_writer *writer, size_t size);

/* Writes all that is buffered. 0; -ECANCELED or an error of edo_write: what was not written is in the buffer still. */
EDO_API int edo_writer_flush(edo_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
