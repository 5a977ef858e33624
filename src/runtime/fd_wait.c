/* SPDX-License-Identifier: MIT */
/*
 * Foreign descriptors: registered for one report, taken out again before the wait is over. See fd_wait.h.
 *
 * One epoll instance takes a descriptor once; when a second task waits for the same one, its wait gets an instance of
 * its own, which is what the worker's poller then watches.
 */
#include "runtime/fd_wait.h"
#include "platform/platform.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <sys/epoll.h>

static uint32_t edo_epoll_bits(int events)
{
    return (events & 1 << EDO_IN ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0) |
           (events & 1 << EDO_OUT ? (uint32_t)EPOLLOUT : 0);
}

/* In our words; errors and hang-ups count as all that was asked for. */
static int edo_events_of(uint32_t bits, int events)
{
    if (bits & (EPOLLERR | EPOLLHUP))
        return events;
    return ((bits & (EPOLLIN | EPOLLRDHUP) ? 1 << EDO_IN : 0) | (bits & EPOLLOUT ? 1 << EDO_OUT : 0)) & events;
}

/* An epoll instance that watches the descriptor, or a negative errno. */
static int edo_fd_nest(int fd, int events)
{
    struct epoll_event event = {.events = edo_epoll_bits(events), .data = {.fd = fd}};
    int nested = edo_platform->epoll_create(EPOLL_CLOEXEC);
    int rc;

    if (nested < 0)
        return nested;
    rc = edo_platform->epoll_ctl(nested, EPOLL_CTL_ADD, fd, &event);
    if (rc < 0) {
        edo_platform->close(nested);
        return nested == fd ? -EBADF : rc; /* the number was free, and is the instance's own now */
    }
    return nested;
}

/* What such an instance has to report; 0: nothing. */
static int edo_nest_look(int nested, int events)
{
    struct epoll_event event;
    int rc = edo_platform->epoll_wait(nested, &event, 1, 0);

    return rc > 0 ? edo_events_of(event.events, events) : 0;
}

int edo_fd_wait_begin(struct edo_source **out, int fd, int events, struct edo_task *task)
{
    struct edo_source *source;
    struct edo_thread *thread;
    struct edo_worker *worker;
    int rc = edo_source_get(&source);

    if (rc < 0)
        return rc;
    edo_source_open(source, fd);
    source->borrowed = true;
    atomic_store_explicit(&source->readiness, 0, memory_order_relaxed);
    edo_source_enlist(source, EDO_IN, task);
    edo_source_enlist(source, EDO_OUT, task);
    thread = edo_enter(edo_thread_self());
    worker = thread->worker;
    edo_leave(thread);
    rc = edo_poller_add(&worker->poller, source, edo_epoll_bits(events));
    if (rc == -EEXIST) {
        rc = edo_fd_nest(fd, events);
        if (rc >= 0) {
            source->fd = rc;
            source->borrowed = false;
            rc = edo_poller_add(&worker->poller, source, EPOLLIN);
        }
    }
    if (rc < 0) {
        edo_source_delist(source, EDO_IN, task);
        edo_source_delist(source, EDO_OUT, task);
        edo_source_close(source);
        return rc;
    }
    edo_source_set_registered(source, worker);
    *out = source;
    return 0;
}

static int edo_source_events(struct edo_source *source)
{
    uint32_t seen;

    return (edo_source_ready(source, EDO_IN, &seen) ? 1 << EDO_IN : 0) |
           (edo_source_ready(source, EDO_OUT, &seen) ? 1 << EDO_OUT : 0);
}

bool edo_fd_wait_ready(struct edo_source *source, struct edo_task *task)
{
    edo_source_enlist(source, EDO_IN, task);
    edo_source_enlist(source, EDO_OUT, task);
    return edo_source_events(source) != 0;
}

int edo_fd_wait_end(struct edo_source *source, int events, struct edo_task *task)
{
    int reported = edo_source_events(source);
    bool was_reported = reported != 0;

    edo_source_delist(source, EDO_IN, task);
    edo_source_delist(source, EDO_OUT, task);
    if (reported)
        reported = source->borrowed ? reported & events : edo_nest_look(source->fd, events);
    if (!reported && was_reported) /* it was gone when the kernel was asked which: worth a try all the same */
        reported = events;
    edo_source_close(source);
    return reported;
}

int edo_fd_look(int fd, int events)
{
    int nested = edo_fd_nest(fd, events);
    int found;

    if (nested < 0)
        return nested;
    found = edo_nest_look(nested, events);
    edo_platform->close(nested);
    return found;
}
