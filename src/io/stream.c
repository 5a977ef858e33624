/* SPDX-License-Identifier: MIT */
/*
 * Streams: reading, writing, closing; the usual ways of edo_read and edo_write_all are in stream_usual.c. What is
 * beneath is a kind (runtime/poller.h): sockets (stream_socket.c), pipes (stream_pipe.c), memory (duplex.c).
 *
 * The order in every call: spend budget and ask for cancellation (rule C1), become a user of the source, try the
 * syscall if readiness says it is worth it, wait only when the kernel has said EAGAIN or delivered less than was asked
 * (S2). No syscall is made under the guard.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/source_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

__attribute__((cold)) int edo_source_enter_turn(struct edo_source *source, struct edo_task *task)
{
    int rc = edo_source_begin(source);

    edo_budget_spent(task);
    if (rc == 0) {
        if (edo_source_is_closed(source))
            rc = -EBADF;
        edo_source_end(source);
    }
    return rc < 0 && edo_task_cancelled(task) ? -ECANCELED : rc;
}

/* Begins a call: 0, and the caller is a user of the source; else what the call returns. */
EDO_ALWAYS_INLINE int edo_stream_begin(edo_stream *stream, struct edo_task *task)
{
    struct edo_thread *thread;

    EDO_MISUSE_IF(!stream, "a stream is NULL");
    return __builtin_expect(!task, 0) ? -EPERM : edo_source_enter(&stream->source, &thread, task);
}

/* What a call moves, in which way: a buffer, or pieces. */
struct edo_transfer {
    int direction;
    int count; /* of pieces; -1: `what` is a buffer */
    void *what;
    size_t size; /* in all */
};

static inline ssize_t edo_transfer_make(struct edo_source *source, const struct edo_transfer *transfer)
{
    const struct edo_source_kind *kind = edo_source_kind_of(source);

    if (transfer->direction == EDO_IN)
        return kind->recv(source, transfer->what, transfer->size);
    if (transfer->count < 0)
        return kind->send(source, transfer->what, transfer->size);
    return kind->sendv(source, (const struct iovec *)transfer->what, transfer->count);
}

/* Moves some, as a user of the source. With `task` NULL it does not wait: -EAGAIN. */
static __attribute__((noinline)) ssize_t edo_stream_move(struct edo_source *source, const struct edo_transfer *transfer,
                                                         struct edo_task *task)
{
    int direction = transfer->direction;
    uint32_t seen;

    for (;;) {
        if (__builtin_expect(edo_source_half_closed(source, direction), 0))
            return -EBADF;
        if (edo_source_ready(source, direction, &seen)) {
            ssize_t moved = edo_transfer_make(source, transfer);

            if (edo_stream_settle(source, direction, seen, moved, transfer->size))
                return edo_source_told(source, direction, moved);
        } else {
            int rc = task ? edo_source_wait_long(source, direction, task) : -EAGAIN;

            if (rc < 0)
                return rc;
        }
    }
}

ssize_t edo_stream_receive(struct edo_source *source, void *buffer, size_t size, struct edo_task *task)
{
    struct edo_transfer transfer = {EDO_IN, -1, buffer, size};

    return edo_stream_move(source, &transfer, task);
}

static ssize_t edo_stream_deliver(struct edo_source *source, const void *buffer, size_t size, struct edo_task *task)
{
    struct edo_transfer transfer = {EDO_OUT, -1, (void *)(uintptr_t)buffer, size};

    return edo_stream_move(source, &transfer, task);
}

/* The same with at most IOV_MAX pieces, of `size` bytes in all. */
static ssize_t edo_stream_deliver_pieces(struct edo_source *source, const struct iovec *pieces, int count, size_t size,
                                         struct edo_task *task)
{
    struct edo_transfer transfer = {EDO_OUT, count, (void *)(uintptr_t)pieces, size};

    return edo_stream_move(source, &transfer, task);
}

/* Nobody tells of edges before registration: what was drained then says nothing now. */
static void edo_stream_assume(struct edo_source *source, int direction)
{
    if (!atomic_load_explicit(&source->registered, memory_order_acquire))
        atomic_fetch_or_explicit(&source->readiness, edo_ready_bit(direction), memory_order_acq_rel);
}

ssize_t edo_try_read(edo_stream *stream, void *buffer, size_t size)
{
    ssize_t result = edo_stream_begin(stream, edo_task_self());

    if (result < 0)
        return result;
    edo_stream_assume(&stream->source, EDO_IN);
    if (size > 0)
        result = edo_stream_receive(&stream->source, buffer, size, NULL);
    edo_source_end(&stream->source);
    return result;
}

ssize_t edo_write(edo_stream *stream, const void *buffer, size_t size)
{
    struct edo_task *task = edo_task_self();
    ssize_t result = edo_stream_begin(stream, task);

    if (result < 0)
        return result;
    if (size > 0)
        result = edo_stream_deliver(&stream->source, buffer, size, task);
    edo_source_end(&stream->source);
    return result;
}

ssize_t edo_try_write(edo_stream *stream, const void *buffer, size_t size)
{
    ssize_t result = edo_stream_begin(stream, edo_task_self());

    if (result < 0)
        return result;
    edo_stream_assume(&stream->source, EDO_OUT);
    if (size > 0)
        result = edo_stream_deliver(&stream->source, buffer, size, NULL);
    edo_source_end(&stream->source);
    return result;
}

ssize_t edo_stream_write_rest(size_t *written, edo_stream *stream, const void *buffer, size_t size, size_t done)
{
    struct edo_task *task = edo_task_self();
    ssize_t result = 0;

    while (done < size) {
        result = edo_stream_deliver(&stream->source, (const char *)buffer + done, size - done, task);
        if (result < 0)
            break;
        done += (size_t)result;
    }
    edo_source_end(&stream->source);
    *written = done;
    return result < 0 ? result : (ssize_t)size;
}

ssize_t edo_write_all_part(size_t *written, edo_stream *stream, const void *buffer, size_t size)
{
    ssize_t result = edo_stream_begin(stream, edo_task_self());

    *written = 0;
    return result < 0 ? result : edo_stream_write_rest(written, stream, buffer, size, 0);
}

/* The sum of the pieces' sizes; -EINVAL if there are too many, or it does not fit. */
static ssize_t edo_pieces_sum(const struct iovec *pieces, int count)
{
    size_t sum = 0;

    if (count < 0)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > (size_t)SSIZE_MAX - sum)
            return -EINVAL;
        sum += pieces[i].iov_len;
    }
    return (ssize_t)sum;
}

static ssize_t edo_stream_writev(edo_stream *stream, const struct iovec *pieces, int count, bool wait)
{
    struct edo_task *task = edo_task_self();
    ssize_t sum;
    ssize_t result;
    int at_once;

    for (; count > 0 && pieces->iov_len == 0; count--)
        pieces++; /* so many may be empty that nothing would be written */
    at_once = count < IOV_MAX ? count : IOV_MAX;
    sum = edo_pieces_sum(pieces, at_once);
    result = sum < 0 ? sum : edo_stream_begin(stream, task);

    if (result < 0)
        return result;
    if (!wait)
        edo_stream_assume(&stream->source, EDO_OUT);
    if (sum > 0)
        result = edo_stream_deliver_pieces(&stream->source, pieces, at_once, (size_t)sum, wait ? task : NULL);
    edo_source_end(&stream->source);
    return result;
}

ssize_t edo_writev(edo_stream *stream, const struct iovec *pieces, int count)
{
    return edo_stream_writev(stream, pieces, count, true);
}

ssize_t edo_try_writev(edo_stream *stream, const struct iovec *pieces, int count)
{
    return edo_stream_writev(stream, pieces, count, false);
}

/* Takes what was written off the front of the pieces. */
static void edo_pieces_advance(struct iovec **pieces, int *count, size_t written)
{
    while (*count > 0 && written >= (*pieces)->iov_len) {
        written -= (*pieces)->iov_len;
        (*pieces)++;
        (*count)--;
    }
    if (*count > 0) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + written;
        (*pieces)->iov_len -= written;
    }
}

ssize_t edo_writev_all(edo_stream *stream, struct iovec *pieces, int count)
{
    struct edo_task *task = edo_task_self();
    ssize_t sum = edo_pieces_sum(pieces, count);
    ssize_t result = sum < 0 ? sum : edo_stream_begin(stream, task);
    ssize_t left = sum;

    if (result < 0)
        return result;
    while (left > 0) {
        int at_once = count < IOV_MAX ? count : IOV_MAX;
        /* What is offered in one call, not what is left: less than that is what a full socket buffer is known by. */
        ssize_t offered = at_once == count ? left : edo_pieces_sum(pieces, at_once);

        result = edo_stream_deliver_pieces(&stream->source, pieces, at_once, (size_t)offered, task);
        if (result < 0)
            break;
        left -= result;
        edo_pieces_advance(&pieces, &count, (size_t)result);
    }
    edo_source_end(&stream->source);
    return result < 0 ? result : sum;
}

/* --- Waiting only ------------------------------------------------------------------------------------------------- */

static int edo_stream_wait(edo_stream *stream, int direction, int64_t deadline)
{
    int rc = edo_stream_begin(stream, edo_task_self());

    if (rc < 0)
        return rc;
    if (!edo_source_half_closed(&stream->source, direction))
        rc = edo_source_ask(&stream->source, direction, NULL);
    if (rc == 0)
        rc = edo_source_wait(&stream->source, direction, deadline);
    if (rc == 0 && edo_source_half_closed(&stream->source, direction))
        rc = -EBADF;
    edo_source_end(&stream->source);
    return rc;
}

int edo_wait_readable(edo_stream *stream, int64_t deadline)
{
    return edo_stream_wait(stream, EDO_IN, deadline);
}

int edo_wait_writable(edo_stream *stream, int64_t deadline)
{
    return edo_stream_wait(stream, EDO_OUT, deadline);
}

/* --- Opening and closing ------------------------------------------------------------------------------------------ */

int edo_stream_from_fd(edo_stream **out, int fd)
{
    struct edo_source *source;
    socklen_t size = sizeof(int);
    bool pipe;
    int type;
    int flags;
    int rc;

    if (!edo_task_self())
        return -EPERM;
    flags = edo_platform->fcntl(fd, F_GETFL, 0);
    if (flags < 0)
        return flags;
    rc = edo_platform->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    pipe = rc == -ENOTSOCK;
    if (pipe)
        rc = edo_pipe_check(fd);
    else if (rc == 0 && type != SOCK_STREAM)
        rc = -ESOCKTNOSUPPORT; /* a short read would not mean drained */
    if (rc == 0)
        rc = edo_source_get(&source);
    if (rc < 0)
        return rc;
    if (!(flags & O_NONBLOCK))
        rc = edo_platform->fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (rc == 0)
        rc = edo_platform->fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (rc < 0) {
        edo_source_put(source);
        return rc;
    }
    if (pipe)
        edo_pipe_open(source, fd, flags);
    else
        edo_source_open(source, fd);
    source->exposed = true; /* others may hold duplicates */
    *out = (edo_stream *)source;
    return 0;
}

void edo_close(edo_stream *stream)
{
    if (stream)
        edo_source_close(&stream->source);
}

/*
 * `halves` settles who closes the stream: whoever adds the second bit. Calls of that half that are at work find the
 * bit: a writer when the kernel refuses it, a reader because EDO_HUP keeps it from the way that does not look.
 */
static void edo_stream_close_half(edo_stream *stream, int direction)
{
    struct edo_source *source = &stream->source;
    uint8_t bit = (uint8_t)(1 << direction);
    uint8_t was;
    int rc;

    if (edo_in_forked_child())
        return;
    rc = edo_source_begin(source);
    EDO_MISUSE_IF(rc < 0, "a half was closed of a stream that is closed");
    if (rc < 0)
        return;
    was = atomic_fetch_or_explicit(&source->halves, bit, memory_order_seq_cst);
    EDO_MISUSE_IF(was & bit, "a half of a stream was closed twice");
    if (was == 0) {
        struct edo_task *woken[2];

        edo_source_kind_of(source)->shutdown(source, direction == EDO_IN ? EDO_HALF_READ : EDO_HALF_WRITE);
        edo_source_raise(woken, source, direction == EDO_IN ? EDO_READY_IN | EDO_HUP : EDO_READY_OUT);
        edo_source_wake(woken);
    } else if (!(was & bit)) {
        edo_source_close(source);
    }
    edo_source_end(source);
}

void edo_close_read(edo_stream *stream)
{
    if (stream)
        edo_stream_close_half(stream, EDO_IN);
}

void edo_close_write(edo_stream *stream)
{
    if (stream)
        edo_stream_close_half(stream, EDO_OUT);
}

int edo_shutdown(edo_stream *stream, int half)
{
    int rc;

    if (edo_in_forked_child())
        return -EPERM;
    if (half < EDO_HALF_READ || half > EDO_HALF_BOTH)
        return -EINVAL;
    rc = edo_source_begin(&stream->source);
    if (rc < 0)
        return rc;
    rc = edo_source_kind_of(&stream->source)->shutdown(&stream->source, half);
    edo_source_end(&stream->source);
    return rc;
}

/* --- About a stream ----------------------------------------------------------------------------------------------- */

/* Becomes a user of a stream that has a socket: 0, -ENOTSOCK, -EBADF. */
static int edo_stream_begin_socket(edo_stream *stream)
{
    int rc = edo_source_begin(&stream->source);

    if (rc == 0 && stream->source.fd < 0) {
        edo_source_end(&stream->source);
        rc = -ENOTSOCK;
    }
    return rc;
}

static int edo_stream_name(edo_addr *out, edo_stream *stream,
                           int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    int rc = edo_stream_begin_socket(stream);

    if (rc < 0)
        return rc;
    rc = edo_socket_name(out, stream->source.fd, ask);
    edo_source_end(&stream->source);
    return rc;
}

int edo_stream_local(edo_addr *out, edo_stream *stream)
{
    return edo_stream_name(out, stream, edo_platform->getsockname);
}

int edo_stream_peer(edo_addr *out, edo_stream *stream)
{
    return edo_stream_name(out, stream, edo_platform->getpeername);
}

int edo_stream_set_nodelay(edo_stream *stream, bool on)
{
    int rc = edo_stream_begin_socket(stream);

    if (rc < 0)
        return rc;
    rc = edo_socket_set_nodelay(stream->source.fd, on);
    edo_source_end(&stream->source);
    return rc;
}

int edo_stream_set_keepalive(edo_stream *stream, int64_t after)
{
    int rc = edo_stream_begin_socket(stream);

    if (rc < 0)
        return rc;
    rc = edo_socket_set_keepalive(stream->source.fd, after);
    edo_source_end(&stream->source);
    return rc;
}

int edo_stream_fd(edo_stream *stream)
{
    if (stream->source.fd < 0)
        return -ENOTSUP;
    stream->source.exposed = true;
    return stream->source.fd;
}
