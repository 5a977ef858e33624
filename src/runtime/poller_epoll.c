/* SPDX-License-Identifier: MIT */
/* The poller on epoll(7): edge-triggered, both directions at once. See poller.h. */
#include "runtime/poller.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

/* What an event carries: where the source is and which generation of it was registered. User addresses have 48 bits. */
static uint64_t edo_event_mark(struct edo_source *source)
{
    return (uint64_t)(uintptr_t)source | (uint64_t)source->generation << 48;
}

int edo_poller_init(struct edo_poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = 0}};
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

int edo_poller_add(struct edo_poller *poller, struct edo_source *source, uint32_t once)
{
    struct epoll_event event = {.events = once ? once | EPOLLONESHOT : EDO_EPOLL_ALWAYS,
                                .data = {.u64 = edo_event_mark(source)}};
    int rc = edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_ADD, source->fd, &event);

    if (rc == 0)
        atomic_fetch_add_explicit(&poller->sources, 1, memory_order_relaxed);
    return rc;
}

int edo_poller_ask(struct edo_poller *poller, struct edo_source *source)
{
    struct epoll_event event = {.events = EDO_EPOLL_ALWAYS, .data = {.u64 = edo_event_mark(source)}};

    return edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void edo_poller_remove(struct edo_poller *poller, struct edo_source *source)
{
    struct epoll_event none = {.events = 0, .data = {.u64 = 0}};

    edo_platform->epoll_ctl(poller->epoll, EPOLL_CTL_DEL, source->fd, &none);
}

static inline void edo_source_notify(struct edo_thread *thread, struct edo_source *source, int direction)
{
    struct edo_task *task;

    if (!atomic_load_explicit(&source->waiter[direction], memory_order_seq_cst))
        return;
    task = atomic_exchange_explicit(&source->waiter[direction], NULL, memory_order_seq_cst);
    if (task)
        edo_unpark_last(thread, task);
}

static inline void edo_event_handle(struct edo_thread *thread, const struct epoll_event *event)
{
    struct edo_source *source = (struct edo_source *)(uintptr_t)(event->data.u64 & (((uint64_t)1 << 48) - 1));
    uint32_t events = event->events;
    uint32_t bits = 0;
    uint32_t seen;

    if (!source || __atomic_load_n(&source->generation, __ATOMIC_RELAXED) != (uint16_t)(event->data.u64 >> 48))
        return;
    if (events & EPOLLIN)
        bits |= EDO_READY_IN;
    if (events & EPOLLOUT)
        bits |= EDO_READY_OUT;
    /* A read stops at urgent data, and may leave something behind, as it does before the end. */
    if (__builtin_expect(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI), 0))
        bits |= events & (EPOLLHUP | EPOLLERR) ? EDO_READY_IN | EDO_READY_OUT | EDO_HUP : EDO_READY_IN | EDO_HUP;
    seen = atomic_load_explicit(&source->readiness, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&source->readiness, &seen, (seen + EDO_READINESS_STEP) | bits,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    if (bits & EDO_READY_IN)
        edo_source_notify(thread, source, EDO_IN);
    if (bits & EDO_READY_OUT)
        edo_source_notify(thread, source, EDO_OUT);
}

int edo_poller_poll(struct edo_thread *thread, struct edo_poller *poller, int64_t timeout)
{
    enum { EDO_EVENTS = 128 };
    struct epoll_event events[EDO_EVENTS];
    int handled = 0;
    int count;

    if (timeout != 0)
        atomic_store_explicit(&thread->guard, EDO_GUARD_POLLING, memory_order_release);
    count = edo_platform->epoll_wait(poller->epoll, events, EDO_EVENTS, timeout);
    if (timeout != 0 &&
        atomic_exchange_explicit(&thread->guard, EDO_GUARD_INSIDE, memory_order_acq_rel) == EDO_GUARD_REMOTE)
        edo_remote_wait(thread);
    if (thread->worker)
        edo_count(&thread->worker->counts.polls, 1);
    if (count <= 0)
        return 0;
    if (thread->worker)
        edo_count(&thread->worker->counts.events, (uint64_t)count);
    for (int i = 0; i < count; i++) {
        if (__builtin_expect(events[i].data.u64 == 0, 0)) {
            /* A wake. Meant for somebody else, who may be about to sleep through it: edges are reported once. */
            if (!thread->worker || poller != &thread->worker->poller)
                edo_poller_wake(poller);
            continue;
        }
        edo_event_handle(thread, &events[i]);
        handled++;
    }
    return handled;
}
