/* SPDX-License-Identifier: MIT */
/* Moving messages over a source. See message.h. No data. */
#include "io/message.h"
#include "runtime/source_wait.h"

#include <edo/time.h>

#include <errno.h>

ssize_t edo_message_send(int fd, const struct edo_message_move *move)
{
    return edo_platform->sendmsg(fd, (const struct msghdr *)move->what, move->flags | MSG_NOSIGNAL);
}

ssize_t edo_message_recv(int fd, const struct edo_message_move *move)
{
    return edo_platform->recvmsg(fd, (struct msghdr *)move->what, move->flags);
}

ssize_t edo_message_send_many(int fd, const struct edo_message_move *move)
{
    return edo_platform->sendmmsg(fd, (struct mmsghdr *)move->what, move->count, move->flags | MSG_NOSIGNAL);
}

ssize_t edo_message_recv_many(int fd, const struct edo_message_move *move)
{
    return edo_platform->recvmmsg(fd, (struct mmsghdr *)move->what, move->count, move->flags);
}

/*
 * An unconnected Unix socket is not told when the receiver has room again, and is told of room of its own with each
 * attempt that failed: so it waits for neither, but tries again from time to time. 0: it is to be tried.
 */
static int edo_message_pause(struct edo_source *source, int64_t *pause)
{
    int rc = edo_sleep(*pause);

    if (*pause < EDO_MS(20))
        *pause *= 2;
    return edo_source_is_closed(source) ? -EBADF : rc;
}

/*
 * Waits until it is worth trying again. Datagrams that are sent say again and again that there is room, which wakes a
 * worker for nothing: so sources are registered for EDO_IN alone, until there was no room. Then, each time, the kernel
 * is asked.
 */
static int edo_message_wait(struct edo_source *source, const struct edo_message_move *move, struct edo_task *task)
{
    int rc = 0;

    if (move->direction == EDO_OUT)
        rc = edo_source_ask(source, EDO_OUT, NULL);
    else if (!move->stream)
        rc = edo_source_register_in(source);
    return rc < 0 ? rc : edo_source_wait_long(source, move->direction, task);
}

/*
 * As a user of the source. With `task` NULL it does not wait: -EAGAIN. What is remembered of EDO_OUT is cleared by
 * edo_source_ask alone, since nobody might say that it has changed.
 */
static ssize_t edo_message_move(struct edo_source *source, const struct edo_message_move *move, struct edo_task *task)
{
    int direction = move->direction;
    int64_t pause = EDO_US(100);
    uint32_t seen;
    int rc;

    for (;;) {
        if (edo_source_half_closed(source, direction))
            return -EBADF;
        if (edo_source_ready(source, direction, &seen) || direction == EDO_OUT) {
            ssize_t moved = move->move(source->fd, move);

            if (moved != -EAGAIN && moved != -EINTR)
                return edo_source_told(source, direction, moved);
            if (moved == -EINTR)
                continue;
            if (direction == EDO_IN)
                edo_source_drained(source, EDO_IN, seen);
        }
        if (!task)
            return -EAGAIN;
        rc = move->deaf ? edo_message_pause(source, &pause) : edo_message_wait(source, move, task);
        if (rc < 0)
            return rc;
    }
}

ssize_t edo_message_call(struct edo_source *source, const struct edo_message_move *move, bool wait)
{
    struct edo_task *task = edo_task_self();
    struct edo_thread *thread;
    ssize_t result = task ? edo_source_enter(source, &thread, task) : -EPERM;

    if (result < 0)
        return result;
    if (source->fd < 0) { /* a stream in memory */
        edo_source_end(source);
        return -EOPNOTSUPP;
    }
    /* Nobody tells of edges before registration: what was drained then says nothing now. */
    if (!wait && !atomic_load_explicit(&source->registered, memory_order_acquire))
        atomic_fetch_or_explicit(&source->readiness, edo_ready_bit(move->direction), memory_order_acq_rel);
    result = edo_message_move(source, move, wait ? task : NULL);
    if (result == -ENOTSOCK)
        result = -EOPNOTSUPP; /* a pipe */
    edo_source_end(source);
    return result;
}
