/* SPDX-License-Identifier: MIT */
/* The poller on epoll(7): edge-triggered, both directions at once. See poller.h. */
#include "runtime/poller.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "runtime/switch.h"
#include "runtime/uring.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

int edo_poller_init(struct edo_poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = (uintptr_t)&poller->nobody}};
    int rc;

    poller->wake = -1;
    atomic_init(&poller->sources, 0);
    poller->epoll = rc = edo_platform->epoll_create(EPOLL_CLOEXEC);
    if (rc < 0)
        return rc;
    poller->wake = rc = edo_platform->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rc >= 0)
        rc = edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->wake, &event);
    if (rc < 0)
        edo_poller_finish(poller);
    return rc < 0 ? rc : 0;
}

void edo_poller_finish(struct edo_poller *poller)
{
    if (poller->wake >= 0)
        edo_platform->close(poller->wake);
    if (poller->epoll >= 0)
        edo_platform->close(poller->epoll);
    poller->wake = poller->epoll = -1;
}

void edo_poller_wake(struct edo_poller *poller)
{
    uint64_t one = 1;

    /* Edge-triggered: every write is an event, so nobody has to read the counter. */
    edo_platform->write(poller->wake, &one, sizeof one);
}

#define EDO_EPOLL_ALWAYS ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET))

static int edo_poller_watch(struct edo_poller *poller, struct edo_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.u64 = source->mark}};
    int rc = edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_ADD, source->fd, &event);

    if (rc < 0)
        return rc;
    atomic_fetch_add_explicit(&poller->sources, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&poller->registered, 1, memory_order_relaxed);
    return rc;
}

int edo_poller_add(struct edo_poller *poller, struct edo_source *source, uint32_t once)
{
    return edo_poller_watch(poller, source, once ? once | EPOLLONESHOT : EDO_EPOLL_ALWAYS);
}

int edo_poller_add_in(struct edo_poller *poller, struct edo_source *source)
{
    return edo_poller_watch(poller, source, EDO_EPOLL_ALWAYS & ~(uint32_t)EPOLLOUT);
}

int edo_poller_ask(struct edo_poller *poller, struct edo_source *source)
{
    struct epoll_event event = {.events = EDO_EPOLL_ALWAYS, .data = {.u64 = source->mark}};

    return edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void edo_poller_remove(struct edo_poller *poller, struct edo_source *source)
{
    struct epoll_event none = {.events = 0, .data = {.u64 = 0}};

    edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_DEL, source->fd, &none);
}

int edo_poller_add_ring(struct edo_poller *poller, struct edo_uring *ring, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                .data = {.u64 = (uintptr_t)&poller->nobody | EDO_RING_MARK}};
    int rc = edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event);

    if (rc < 0)
        return rc;
    atomic_fetch_add_explicit(&poller->sources, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&poller->registered, 1, memory_order_relaxed);
    poller->ring = ring;
    return 0;
}

/*
 * Almost always a waiter is there, who is parked. `worker` is the thread's; the monitor has none; `alone`: it is alone
 * in its runtime.
 */
EDO_ALWAYS_INLINE void edo_source_notify(struct edo_thread *thread, struct edo_worker *worker, bool alone,
                                         struct edo_source *source, int direction)
{
    struct edo_task *task;

    task = atomic_exchange_explicit(&source->waiter[direction], NULL, memory_order_seq_cst);
    if (__builtin_expect(!task || !edo_park_word_notify(&task->wake), 0))
        return;
    EDO_USDT1(task_wake, task->id);
    if (worker)
        edo_ready_last_in(worker, alone, thread, task);
    else
        edo_ready_elsewhere(thread, task);
}

_Static_assert((int)EPOLLIN == (int)EDO_READY_IN && (int)EPOLLOUT == (int)EDO_READY_OUT,
               "an event's bits are those of readiness");

EDO_ALWAYS_INLINE void edo_event_handle(struct edo_thread *thread, struct edo_worker *worker, bool alone,
                                        struct edo_source *source, uint32_t events)
{
    uint32_t bits = events; /* no others are asked for than these two, and those below */
    uint32_t seen;

    /* A read stops at urgent data, and may leave something behind, as it does before the end. */
    if (__builtin_expect(events & ~(uint32_t)(EPOLLIN | EPOLLOUT), 0))
        bits = (events & (EPOLLIN | EPOLLOUT)) |
               (events & (EPOLLHUP | EPOLLERR) ? EDO_READY_IN | EDO_READY_OUT | EDO_HUP : EDO_READY_IN | EDO_HUP);
    seen = atomic_load_explicit(&source->readiness, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&source->readiness, &seen, (seen + EDO_READINESS_STEP) | bits,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    EDO_ANEW(source); /* so that addresses are computed where they are used */
    if (edo_source_has_waiter(source, EDO_IN) && (bits & EDO_READY_IN))
        edo_source_notify(thread, worker, alone, source, EDO_IN);
    if (__builtin_expect(edo_source_has_waiter(source, EDO_OUT), 0) && (bits & EDO_READY_OUT))
        edo_source_notify(thread, worker, alone, source, EDO_OUT);
}

enum { EDO_EVENTS = 128 };

/* How many of the events were none of a wake. `worker` and `alone` are constant where that counts. */
EDO_ALWAYS_INLINE int edo_events_handle(struct edo_thread *thread, struct edo_worker *worker, bool alone,
                                        struct edo_poller *poller, const struct epoll_event *events, int count)
{
    int handled = count;

    for (int i = 0; i < count; i++) {
        uint64_t mark = events[i].data.u64;
        struct edo_source *source = (struct edo_source *)(uintptr_t)(mark & (EDO_GENERATION - 1));

        if (__builtin_expect(edo_word_equals(&source->mark, mark), 1)) {
            edo_event_handle(thread, worker, alone, source, events[i].events);
        } else if (source == &poller->nobody && (mark & EDO_RING_MARK)) {
            edo_uring_reap(thread, poller->ring);
        } else if (source == &poller->nobody) {
            /* A wake. Meant for somebody else, who may be about to sleep through it: edges are reported once. */
            if (!worker || poller != &worker->poller)
                edo_poller_wake(poller);
            handled--;
        } /* else: of an earlier use of the source */
    }
    return handled;
}

/* `worker` is the thread's; a constant NULL for the monitor, so that the others are not asked. */
EDO_ALWAYS_INLINE int edo_poll(struct edo_thread *thread, struct edo_worker *worker, struct edo_poller *poller,
                               int64_t timeout)
{
    struct epoll_event events[EDO_EVENTS];
    int count;

    if (timeout != 0)
        atomic_store_explicit(&thread->guard, EDO_GUARD_POLLING, memory_order_release);
    count = edo_platform->epoll_wait(poller->epoll, events, EDO_EVENTS, timeout);
    if (timeout != 0 &&
        atomic_exchange_explicit(&thread->guard, EDO_GUARD_INSIDE, memory_order_acq_rel) == EDO_GUARD_REMOTE)
        edo_remote_wait(thread);
    if (worker)
        edo_count(&worker->counts.polls, 1);
    if (count <= 0)
        return 0;
    if (worker)
        edo_count(&worker->counts.events, (uint64_t)count);
    if (worker && worker->alone)
        return edo_events_handle(thread, worker, true, poller, events, count);
    return edo_events_handle(thread, worker, false, poller, events, count);
}

int edo_poller_poll(struct edo_thread *thread, struct edo_poller *poller, int64_t timeout)
{
    struct edo_worker *worker = thread->worker;

    if (!worker)
        __builtin_unreachable();
    return edo_poll(thread, worker, poller, timeout);
}

int edo_poller_look(struct edo_thread *monitor, struct edo_poller *poller)
{
    return edo_poll(monitor, NULL, poller, 0);
}
