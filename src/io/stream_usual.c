/* SPDX-License-Identifier: MIT */
/*
 * The usual ways of edo_read and edo_write_all, one wait at most and then a syscall that moves something, on a socket: a server
 * does little else. All others are left to stream.c. The order of a call is the one that stands there.
 *
 * What is unusual is not called in the middle but at the end, by functions that go on from there: so nothing has to be kept for
 * it, and registers are saved for the syscall alone. What they return to is so the program, which they note as the place of the
 * wait (task.h). No data.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/source_wait.h"

#include <sys/socket.h>

/* Whether a syscall is worth trying, and a short transfer will mean drained. */
static inline bool edo_stream_usual(uint32_t seen, uint32_t bit)
{
    return (seen & (bit | EDO_HUP)) == bit;
}

/* The beginning of a call when the task's budget is spent. */
static int edo_stream_begin_turn(edo_stream *stream, struct edo_task *task)
{
    int rc = edo_source_enter_turn(&stream->source, task);

    if (rc < 0)
        return rc;
    return edo_task_cancelled(task) ? -ECANCELED : edo_source_begin(&stream->source);
}

/* A first recv has moved nothing, when readiness was `seen`. */
static __attribute__((noinline, cold)) ssize_t edo_read_more(struct edo_source *source, void *buffer, size_t size,
                                                             ssize_t moved, uint32_t seen)
{
    edo_task_note_place(edo_task_self());
    if (edo_stream_settle(source, EDO_IN, seen, moved, size))
        moved = edo_source_told(source, EDO_IN, moved);
    else
        moved = edo_stream_receive(source, buffer, size, edo_task_self());
    return edo_source_leave(source, moved);
}

/* Reads what is there, as a user of the source, and stops being one. Registers are saved here, for the syscall, and not before. */
EDO_ALWAYS_INLINE ssize_t edo_read_now(struct edo_source *source, void *buffer, size_t size, uint32_t seen)
{
    struct edo_source *kept = source;
    void *into = buffer;
    size_t wanted = size;
    ssize_t moved;

    EDO_ANEW(kept);
    EDO_ANEW(into);
    EDO_ANEW(wanted);
    EDO_ANEW(seen);
    moved = edo_platform->recv(source->fd, buffer, size, 0);
    if (__builtin_expect(moved <= 0, 0))
        return edo_read_more(kept, into, wanted, moved, seen);
    if ((size_t)moved < wanted)
        edo_source_drained(kept, EDO_IN, seen);
    return edo_source_leave(kept, moved);
}

/* The same when there is nothing yet, or more to know. */
static __attribute__((noinline)) ssize_t edo_read_later(struct edo_source *source, void *buffer, size_t size,
                                                        struct edo_thread *thread, struct edo_task *task)
{
    struct edo_source *kept = source;
    ssize_t result = 0;
    uint32_t seen;

    if (__builtin_expect(size > 0, 1)) {
        if (!edo_source_ready(source, EDO_IN, &seen)) {
            EDO_ANEW(kept);
            result = edo_source_wait_once(&seen, source, &kept, EDO_IN, thread, task);
        }
        if (__builtin_expect(result == 0, 1)) {
            if (__builtin_expect(edo_stream_usual(seen, EDO_READY_IN), 1))
                return edo_read_now(kept, buffer, size, seen);
            edo_task_note_place(edo_task_self());
            result = edo_stream_receive(kept, buffer, size, edo_task_self());
        }
    }
    return edo_source_leave(kept, result);
}

static __attribute__((noinline, cold)) ssize_t edo_read_turn(edo_stream *stream, void *buffer, size_t size,
                                                             struct edo_task *task)
{
    int rc = edo_stream_begin_turn(stream, task);

    return rc < 0 ? rc : edo_read_later(&stream->source, buffer, size, edo_thread_self(), task);
}

ssize_t edo_read(edo_stream *stream, void *buffer, size_t size)
{
    struct edo_thread *thread = edo_thread_self_or_nobody();
    struct edo_task *task = thread->current;
    uint32_t seen;

    EDO_MISUSE_IF(!stream, "a stream is NULL");
    if (__builtin_expect(!task, 0))
        return -EPERM;
    EDO_MISUSE_IF(edo_thread_in_region(thread), EDO_IN_REGION);
    if (__builtin_expect(--task->budget < 0, 0))
        return edo_read_turn(stream, buffer, size, task);
    if (__builtin_expect(edo_task_cancelled(task), 0))
        return -ECANCELED;
    if (!edo_source_use(&stream->source))
        return edo_source_refuse(&stream->source);
    edo_source_ready(&stream->source, EDO_IN, &seen);
    if (!edo_stream_usual(seen, EDO_READY_IN) || __builtin_expect(size == 0, 0))
        return edo_read_later(&stream->source, buffer, size, thread, task);
    return edo_read_now(&stream->source, buffer, size, seen);
}

/* The same for callers who need not know how much it was. */
static __attribute__((noinline, cold)) ssize_t edo_write_later(edo_stream *stream, const void *buffer, size_t size)
{
    size_t written;

    edo_task_note_place(edo_task_self());
    return edo_stream_write_rest(&written, stream, buffer, size, 0);
}

/* A first send, made when readiness was `seen`, has moved less than all, or failed. */
static __attribute__((noinline, cold)) ssize_t edo_write_more(edo_stream *stream, const void *buffer, size_t size,
                                                              ssize_t moved, uint32_t seen)
{
    size_t written;

    edo_task_note_place(edo_task_self());
    edo_stream_settle(&stream->source, EDO_OUT, seen, moved, size);
    moved = edo_source_told(&stream->source, EDO_OUT, moved);
    if (moved > 0 || moved == -EAGAIN || moved == -EINTR)
        return edo_stream_write_rest(&written, stream, buffer, size, moved > 0 ? (size_t)moved : 0);
    return edo_source_leave(&stream->source, moved);
}

static __attribute__((noinline, cold)) ssize_t edo_write_turn(edo_stream *stream, const void *buffer, size_t size,
                                                              struct edo_task *task)
{
    int rc = edo_stream_begin_turn(stream, task);

    return rc < 0 ? rc : edo_write_later(stream, buffer, size);
}

/* Writes all there is, as a user of the source, and stops being one. The socket takes it at once, as a rule. */
EDO_ALWAYS_INLINE ssize_t edo_write_now(edo_stream *stream, const void *buffer, size_t size, uint32_t seen)
{
    edo_stream *kept = stream;
    const void *from = buffer;
    size_t wanted = size;
    ssize_t moved;

    EDO_ANEW(kept);
    EDO_ANEW(from);
    EDO_ANEW(wanted);
    EDO_ANEW(seen);
    moved = edo_platform->send(stream->source.fd, buffer, size, MSG_NOSIGNAL);
    if (__builtin_expect(moved != (ssize_t)wanted, 0))
        return edo_write_more(kept, from, wanted, moved, seen);
    return edo_source_leave(&kept->source, moved);
}

ssize_t edo_write_all(edo_stream *stream, const void *buffer, size_t size)
{
    struct edo_task *task = edo_task_self();
    uint32_t seen;

    EDO_MISUSE_IF(!stream, "a stream is NULL");
    if (__builtin_expect(!task, 0))
        return -EPERM;
    EDO_MISUSE_IF(edo_thread_in_region(edo_thread_self()), EDO_IN_REGION);
    if (__builtin_expect(--task->budget < 0, 0))
        return edo_write_turn(stream, buffer, size, task);
    if (__builtin_expect(edo_task_cancelled(task), 0))
        return -ECANCELED;
    if (!edo_source_use(&stream->source))
        return edo_source_refuse(&stream->source);
    edo_source_ready(&stream->source, EDO_OUT, &seen);
    if (__builtin_expect(!edo_stream_usual(seen, EDO_READY_OUT) || size == 0, 0))
        return edo_write_later(stream, buffer, size);
    return edo_write_now(stream, buffer, size, seen);
}
