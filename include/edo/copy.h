/* SPDX-License-Identifier: MIT */
/*
 * From one stream to another, from a file to a stream.
 *
 * All calls are for tasks, and suspension points. While one runs its task is the reader of `from` and the writer of
 * `to`; the other directions of both are free for others. Nothing here closes a stream.
 *
 * Cancellation (rules C2, C3): what has been moved is told in *moved, whatever the call returns. What was read and is
 * not written yet stays in an edo_copy_buffer, if the caller has one.
 */
#ifndef EDO_COPY_H
#define EDO_COPY_H

#include <edo/base.h>
#include <edo/file.h>
#include <edo/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Copies until `from` ends, or until `count` bytes were moved. 0, and *moved is how many `to` has taken: with a
 * count, fewer than that say that `from` has ended. Else an error of edo_read or edo_write, -ECANCELED, -ENOMEM (64
 * KiB are taken for as long as it runs), and *moved is how many `to` had taken by then.
 *
 * It never reads beyond the count. But when the writing fails, or is cancelled, bytes may have been read that were not
 * written, at most 64 KiB, and they go with the call. Who goes on with `from` after that uses edo_copy_through.
 */
EDO_API int edo_copy(uint64_t *moved, edo_stream *to, edo_stream *from);
EDO_API int edo_copy_n(uint64_t *moved, edo_stream *to, edo_stream *from, uint64_t count);

/*
 * The memory that a copy goes through, the caller's, of any size but 0: {.memory = bytes, .size = sizeof bytes}.
 * Between calls memory[begin] to memory[end - 1] are what was read from `from` and is still to be written.
 */
typedef struct edo_copy_buffer {
    void *memory;
    size_t size;
    size_t begin;
    size_t end;
} edo_copy_buffer;

/*
 * The same through that memory, so that no byte is lost: what is in it is written first, and counts; what could not
 * be written is in it afterwards. So a copy that failed or was cancelled is gone on with, by the same call with what
 * is left of the count, or by other means. -EINVAL for a buffer that makes no sense.
 */
EDO_API int edo_copy_through(uint64_t *moved, edo_stream *to, edo_stream *from, uint64_t count,
                             edo_copy_buffer *buffer);

/*
 * Copies both ways at once, until both have ended: what comes from `a` goes to `b`, and the other way round. Where
 * one has ended the other is told (edo_shutdown), and its answers still go through. 0, and how much went which way;
 * else the first error of either way, which ends both (-ENOTCONN: it was reset when it was to be told), or
 * -ECANCELED. One way is a child task. -ENOMEM.
 */
EDO_API int edo_copy_both(uint64_t *a_to_b, uint64_t *b_to_a, edo_stream *a, edo_stream *b);

/*
 * Sends bytes of a file, from an offset on, at most `count` of them (UINT64_MAX: to its end). 0, and *sent is how
 * many: fewer than `count` say that the file ends there, now: it may have become shorter meanwhile. Else an error of
 * edo_write, of reading the file, or -ECANCELED, and *sent is how many went before it; -EINVAL for a negative offset.
 * The file's position is not used.
 *
 * Over sockets it is sendfile(2), which copies nothing into the process, in blocking regions (edo/blocking.h) of at
 * most 1 MiB. Over other streams, and where the file is of a kind that sendfile(2) refuses, it reads and writes,
 * which takes 64 KiB (-ENOMEM).
 */
EDO_API int edo_sendfile(uint64_t *sent, edo_stream *to, edo_file *file, int64_t offset, uint64_t count);

#ifdef __cplusplus
}
#endif

#endif
