/* SPDX-License-Identifier: MIT */
/*
 * The usual ways of edo_read and edo_write_all, one wait at most and then a syscall that moves something, on a socket:
 * a server does little else. All others are left to stream.c. The order of a call is the one that stands there.
 *
 * What is unusual is not called in the middle but at the end, by functions that go on from there: so nothing has to be
 * kept for it, and registers are saved for the syscall alone. What they return to is so the program, which they note as
 * the place of the wait (task.h). No data.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/source_wait.h"

#include <sys/socket.h>

/*
 * What is wanted behind a syscall: set down before it. `buffer` is data to be sent, or room. Behind it there are no
 * jumps any more, as the compiler has to expect that it is looked at: so the place is told along.
 */
struct edo_stream_call {
    struct edo_source *source;
    void *buffer;
    size_t size;
    uint32_t seen; /* the readiness that the syscall was made for */
};

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

/* A first recv has moved nothing. */
static __attribute__((noinline, cold)) ssize_t edo_read_more(const struct edo_stream_call *call, ssize_t moved,
                                                             void *place)
{
    edo_task_keep_place(edo_task_self(), place);
    if (edo_stream_settle(call->source, EDO_IN, call->seen, moved, call->size))
        moved = edo_source_told(call->source, EDO_IN, moved);
    else
        moved = edo_stream_receive(call->source, call->buffer, call->size, edo_task_self());
    return edo_source_leave(call->source, moved);
}

/* It has moved what there was, but an event has come meanwhile. */
static __attribute__((noinline, cold)) ssize_t edo_read_drained(const struct edo_stream_call *call, ssize_t moved)
{
    edo_source_drained(call->source, EDO_IN, call->seen);
    return edo_source_leave(call->source, moved);
}

/* Reads what is there, as a user of the source, and stops being one. The call is set down, these are its members. */
EDO_ALWAYS_INLINE ssize_t edo_read_now(const struct edo_stream_call *call, int fd, void *buffer, size_t size)
{
    ssize_t moved = edo_platform->recv(fd, buffer, size, 0);
    struct edo_source *source = call->source;

    if (__builtin_expect(moved <= 0, 0))
        return edo_read_more(call, moved, __builtin_return_address(0));
    if ((size_t)moved < call->size && __builtin_expect(!edo_source_drained_once(source, EDO_IN, call->seen), 0))
        return edo_read_drained(call, moved);
    return edo_source_leave(source, moved);
}

EDO_ALWAYS_INLINE ssize_t edo_read_at_once(struct edo_source *source, void *buffer, size_t size, uint32_t seen)
{
    struct edo_stream_call call = {source, buffer, size, seen};

    EDO_SET_DOWN(call);
    return edo_read_now(&call, source->fd, buffer, size);
}

/* The same when there is nothing yet, or more to know. */
static __attribute__((noinline)) ssize_t edo_read_later(struct edo_source *source, void *buffer, size_t size,
                                                        struct edo_thread *thread, struct edo_task *task)
{
    struct edo_stream_call call = {.source = source, .buffer = buffer, .size = size};
    ssize_t result = 0;
    uint32_t seen;

    EDO_SET_DOWN(call);
    if (__builtin_expect(size > 0, 1)) {
        if (!edo_source_ready(source, EDO_IN, &seen))
            result = edo_source_wait_once(&seen, source, &call.source, EDO_IN, thread, task);
        if (__builtin_expect(result == 0, 1)) {
            source = call.source;
            if (__builtin_expect(edo_stream_usual(seen, EDO_READY_IN), 1)) {
                call.seen = seen;
                EDO_SET_DOWN(call.seen);
                return edo_read_now(&call, source->fd, call.buffer, call.size);
            }
            edo_task_note_place(edo_task_self());
            result = edo_stream_receive(source, call.buffer, call.size, edo_task_self());
        }
    }
    return edo_source_leave(call.source, result);
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
    return edo_read_at_once(&stream->source, buffer, size, seen);
}

/* The same for callers who need not know how much it was. */
static __attribute__((noinline, cold)) ssize_t edo_write_later(edo_stream *stream, const void *buffer, size_t size)
{
    size_t written;

    edo_task_note_place(edo_task_self());
    return edo_stream_write_rest(&written, stream, buffer, size, 0);
}

/* A first send, made when readiness was `seen`, has moved less than all, or failed. */
static __attribute__((noinline, cold)) ssize_t edo_write_more(const struct edo_stream_call *call, ssize_t moved,
                                                              void *place)
{
    size_t written;

    edo_task_keep_place(edo_task_self(), place);
    edo_stream_settle(call->source, EDO_OUT, call->seen, moved, call->size);
    moved = edo_source_told(call->source, EDO_OUT, moved);
    if (moved > 0 || moved == -EAGAIN || moved == -EINTR)
        return edo_stream_write_rest(&written, (edo_stream *)call->source, call->buffer, call->size,
                                     moved > 0 ? (size_t)moved : 0);
    return edo_source_leave(call->source, moved);
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
    struct edo_stream_call call = {&stream->source, (void *)(uintptr_t)buffer, size, seen};
    ssize_t moved;

    EDO_SET_DOWN(call);
    moved = edo_platform->send(stream->source.fd, buffer, size, MSG_NOSIGNAL);
    if (__builtin_expect(moved != (ssize_t)call.size, 0))
        return edo_write_more(&call, moved, __builtin_return_address(0));
    return edo_source_leave(call.source, moved);
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
