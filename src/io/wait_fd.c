/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a descriptor that is somebody else's (rule S2 f): registered for one report, taken out again before the
 * call returns.
 *
 * One epoll instance takes a descriptor once; when a second task waits for the same one, its wait gets an instance of its
 * own, which is what the worker's poller then watches.
 */
#include "platform/platform.h"
#include "runtime/runtime.h"
#include "runtime/sleeper.h"

#include <edo/stream.h>

#include <errno.h>
#include <sys/epoll.h>

static uint32_t edo_epoll_bits(int events)
{
    return (events & EDO_READABLE ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0) |
           (events & EDO_WRITABLE ? (uint32_t)EPOLLOUT : 0);
}

static int edo_events_ready(struct edo_source *source)
{
    uint32_t seen;

    return (edo_source_ready(source, EDO_IN, &seen) ? EDO_READABLE : 0) |
           (edo_source_ready(source, EDO_OUT, &seen) ? EDO_WRITABLE : 0);
}

/* Parks until something was reported. The task is the source's only user. INSIDE nothing. */
static int edo_wait_source(struct edo_source *source, struct edo_task *task, int64_t deadline)
{
    struct edo_sleeper sleeper = {.task = task};
    struct edo_thread *thread = edo_enter(edo_thread_self());
    int rc;

    if (deadline != EDO_FOREVER)
        edo_sleeper_arm(thread, &sleeper, deadline);
    for (;;) {
        edo_source_enlist(source, EDO_IN, task);
        edo_source_enlist(source, EDO_OUT, task);
        rc = edo_events_ready(source);
        if (rc == 0 && edo_task_cancelled(task))
            rc = -ECANCELED;
        if (rc == 0 && edo_sleeper_fired(&sleeper))
            rc = -ETIMEDOUT;
        if (rc != 0)
            break;
        thread = edo_park_inside(thread, task);
    }
    edo_source_delist(source, EDO_IN, task);
    edo_source_delist(source, EDO_OUT, task);
    thread = edo_sleeper_disarm(thread, &sleeper);
    edo_leave(thread);
    return rc;
}

/* Makes the source stand for an epoll instance of its own, which watches the descriptor. */
static int edo_wait_nested(struct edo_source *source, int fd, int events)
{
    struct epoll_event event = {.events = edo_epoll_bits(events), .data = {.fd = fd}};
    int nested = edo_platform->epoll_create(EPOLL_CLOEXEC);
    int rc;

    if (nested < 0)
        return nested;
    rc = edo_platform->epoll_ctl(nested, EPOLL_CTL_ADD, fd, &event);
    if (rc < 0) {
        edo_platform->close(nested);
        return rc;
    }
    source->fd = nested;
    source->borrowed = false;
    return 0;
}

/* What a nested instance has to report, in our words. */
static int edo_nested_events(int nested, int events)
{
    struct epoll_event event;
    int rc = edo_platform->epoll_wait(nested, &event, 1, 0);

    if (rc <= 0)
        return events;
    if (event.events & (EPOLLERR | EPOLLHUP))
        return events;
    return (event.events & (EPOLLIN | EPOLLRDHUP) ? EDO_READABLE : 0) | (event.events & EPOLLOUT ? EDO_WRITABLE : 0);
}

int edo_wait_fd(int fd, int events, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_source *source;
    struct edo_thread *thread;
    struct edo_worker *worker;
    int rc;

    if (!task)
        return -EPERM;
    if (!(events & (EDO_READABLE | EDO_WRITABLE)) || (events & ~(EDO_READABLE | EDO_WRITABLE)))
        return -EINVAL;
    rc = edo_suspension_point(task);
    if (rc == 0)
        rc = edo_source_get(&source);
    if (rc < 0)
        return rc;
    edo_source_open(source, fd);
    source->borrowed = true;
    atomic_store_explicit(&source->readiness, 0, memory_order_relaxed);
    thread = edo_enter(edo_thread_self());
    worker = thread->worker;
    edo_leave(thread);
    rc = edo_poller_add(&worker->poller, source, edo_epoll_bits(events));
    if (rc == -EEXIST) {
        rc = edo_wait_nested(source, fd, events);
        if (rc == 0)
            rc = edo_poller_add(&worker->poller, source, EPOLLIN);
    }
    if (rc == 0) {
        atomic_store_explicit(&source->registered, worker, memory_order_release);
        rc = edo_wait_source(source, task, deadline);
        if (rc > 0)
            rc = source->borrowed ? rc & events : edo_nested_events(source->fd, events);
    }
    edo_source_close(source);
    return rc;
}
