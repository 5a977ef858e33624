/* SPDX-License-Identifier: MIT */
/* Sources: creation, registration, waiting, closing. See poller.h for the protocol. */
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/poller.h"
#include "runtime/runtime.h"
#include "runtime/sleeper.h"
#include "runtime/source_wait.h"
#include "platform/platform.h"

#include <edo/park.h>

#include <errno.h>
#include <sched.h>

_Static_assert(sizeof(struct edo_source) <= 64, "an idle connection is a task and a source");

int edo_source_get(struct edo_source **out)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());
    struct edo_runtime *runtime = thread->runtime;

    while (!(*out = (struct edo_source *)edo_block_get(&thread->worker->sources))) {
        struct edo_block_cache fresh = {NULL, 0, NULL};
        int rc;

        edo_leave(thread);
        rc = edo_blocks_fill(&fresh, &runtime->sources);
        if (rc < 0)
            return rc;
        thread = edo_enter(edo_thread_self());
        edo_blocks_move(&thread->worker->sources, &runtime->sources, &fresh);
    }
    edo_leave(thread);
    (*out)->runtime = runtime;
    return 0;
}

void edo_source_open(struct edo_source *source, int fd)
{
    uint32_t was = atomic_load_explicit(&source->users, memory_order_relaxed) & (EDO_SOURCE_CLOSED | EDO_SOURCE_GONE);

    source->fd = fd;
    __atomic_store_n(&source->mark, (source->mark & ~(EDO_GENERATION - 1)) | (uintptr_t)source, __ATOMIC_RELAXED);
    atomic_store_explicit(&source->registered, NULL, memory_order_relaxed);
    atomic_store_explicit(&source->registering, 0, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&source->waiter[i], NULL, memory_order_relaxed);
    atomic_store_explicit(&source->readiness, EDO_READY_IN | EDO_READY_OUT | EDO_UNREGISTERED, memory_order_relaxed);
    source->beneath = NULL;
    atomic_store_explicit(&source->halves, 0, memory_order_relaxed);
    source->exposed = false;
    source->borrowed = false;
    atomic_fetch_add_explicit(&source->users, 1 - was, memory_order_release); /* the owner's, until it closes */
    atomic_fetch_add_explicit(&source->runtime->streams, 1, memory_order_relaxed);
}

void edo_source_put(struct edo_source *source)
{
    struct edo_runtime *runtime = source->runtime;
    struct edo_thread *thread = edo_thread_self();

    /* Events that are still on their way are told by the generation. */
    __atomic_fetch_add(&source->mark, EDO_GENERATION, __ATOMIC_RELAXED);
    if (thread && thread->runtime == runtime && thread->current) {
        thread = edo_enter(thread);
        edo_block_put(&thread->worker->sources, &runtime->sources, source);
        edo_leave(thread);
    } else {
        source->free_link = NULL;
        edo_blocks_give(&runtime->sources, (struct edo_block *)(void *)source, 1);
    }
}

static void edo_descriptor_gone(struct edo_source *source)
{
    struct edo_worker *worker = atomic_load_explicit(&source->registered, memory_order_acquire);

    if (worker) {
        /* A duplicate elsewhere would keep the registration alive behind a closed number. */
        if (source->exposed || source->borrowed)
            edo_poller_remove(&worker->poller, source);
        atomic_fetch_sub_explicit(&worker->poller.sources, 1, memory_order_relaxed);
    }
    if (!source->borrowed)
        edo_platform->close(source->fd);
}

void edo_source_gone(struct edo_source *source)
{
    struct edo_runtime *runtime = source->runtime;
    uint32_t closed = EDO_SOURCE_CLOSED;

    /* Another call may have seen the same count. From here on, and not before, this one has the source to itself. */
    if (!atomic_compare_exchange_strong_explicit(&source->users, &closed, EDO_SOURCE_CLOSED | EDO_SOURCE_GONE,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return;
    if (source->beneath && source->beneath->kind->close)
        source->beneath->kind->close(source);
    else
        edo_descriptor_gone(source);
    atomic_fetch_sub_explicit(&runtime->streams, 1, memory_order_relaxed);
    edo_source_put(source);
    if (atomic_load_explicit(&runtime->fd_shortage, memory_order_relaxed) > 0) {
        __atomic_fetch_add(&runtime->fd_released, 1, __ATOMIC_SEQ_CST);
        edo_wake_word(&runtime->fd_released, 1);
    }
}

__attribute__((cold)) ssize_t edo_source_leave_closed(struct edo_source *source, ssize_t result)
{
    if (atomic_load_explicit(&source->users, memory_order_acquire) == EDO_SOURCE_CLOSED)
        edo_source_gone(source);
    return result;
}

__attribute__((cold)) ssize_t edo_source_refuse(struct edo_source *source)
{
    edo_source_end(source);
    return -EBADF;
}

void edo_source_raise(struct edo_task *woken[2], struct edo_source *source, uint32_t bits)
{
    uint32_t seen = atomic_load_explicit(&source->readiness, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&source->readiness, &seen, (seen + EDO_READINESS_STEP) | bits,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    for (int i = 0; i < 2; i++)
        woken[i] =
            bits & edo_ready_bit(i) ? atomic_exchange_explicit(&source->waiter[i], NULL, memory_order_seq_cst) : NULL;
}

void edo_source_wake(struct edo_task *const woken[2])
{
    for (int i = 0; i < 2; i++)
        if (woken[i])
            edo_unpark(woken[i]);
}

void edo_source_close(struct edo_source *source)
{
    uint32_t users;

    if (edo_in_forked_child())
        return; /* epoll and connection are the parent's too; exec closes the descriptor */
    users = atomic_fetch_or_explicit(&source->users, EDO_SOURCE_CLOSED, memory_order_seq_cst);
    EDO_MISUSE_IF(users & EDO_SOURCE_CLOSED, "a stream or a listener was closed twice");
    if (users & EDO_SOURCE_CLOSED)
        return;
    atomic_fetch_or_explicit(&source->readiness, EDO_SHUT, memory_order_seq_cst); /* then takes the waiters out */
    for (int i = 0; i < 2; i++) {
        struct edo_task *task = atomic_exchange_explicit(&source->waiter[i], NULL, memory_order_seq_cst);

        if (task)
            edo_unpark(task);
    }
    edo_source_end(source);
}

/*
 * What is remembered of a direction was cleared, to be reported anew. That its half is closed is nothing a kernel would
 * report (a Unix socket without room is not writable for that): such a direction is ready for good.
 */
static bool edo_source_keep_half(struct edo_source *source, int direction)
{
    if (!edo_source_half_closed(source, direction))
        return false;
    atomic_fetch_or_explicit(&source->readiness, edo_ready_bit(direction), memory_order_seq_cst);
    return true;
}

static int edo_source_register_with(struct edo_source *source, int direction, struct edo_worker *worker, bool in_alone)
{
    uint8_t idle = 0;
    int rc;

    if (atomic_load_explicit(&source->registered, memory_order_acquire))
        return 0;
    if (!worker) {
        /* Before the other direction's task may be made to wait: entering may suspend this one. */
        struct edo_thread *thread = edo_enter(edo_thread_self());

        worker = thread->worker;
        edo_leave(thread);
    }
    while (!atomic_compare_exchange_strong_explicit(&source->registering, &idle, 1, memory_order_acquire,
                                                    memory_order_relaxed)) {
        idle = 0; /* the other direction's task is at it: one syscall long */
        sched_yield();
        if (atomic_load_explicit(&source->registered, memory_order_acquire))
            return 0;
    }
    if (atomic_load_explicit(&source->registered, memory_order_acquire)) {
        atomic_store_explicit(&source->registering, 0, memory_order_release);
        return 0;
    }
    /* Registering reports the state of the moment, so what was assumed before can go. */
    atomic_fetch_and_explicit(&source->readiness, ~edo_ready_bit(direction), memory_order_acq_rel);
    edo_source_keep_half(source, direction);
    rc = in_alone ? edo_poller_add_in(&worker->poller, source) : edo_poller_add(&worker->poller, source, 0);
    if (rc == 0)
        edo_source_set_registered(source, worker);
    else
        atomic_fetch_or_explicit(&source->readiness, edo_ready_bit(direction), memory_order_acq_rel);
    atomic_store_explicit(&source->registering, 0, memory_order_release);
    return rc;
}

int edo_source_register(struct edo_source *source, int direction, struct edo_worker *worker)
{
    return edo_source_register_with(source, direction, worker, false);
}

int edo_source_register_in(struct edo_source *source)
{
    return edo_source_register_with(source, EDO_IN, NULL, true);
}

int edo_source_ask(struct edo_source *source, int direction, struct edo_worker *worker)
{
    uint32_t seen;

    if (!atomic_load_explicit(&source->registered, memory_order_acquire))
        return edo_source_register(source, direction, worker);
    if (!edo_source_ready(source, direction, &seen))
        return 0;
    edo_source_drained(source, direction, seen);
    if (edo_source_keep_half(source, direction))
        return 0;
    if (source->beneath && source->beneath->kind->ask) {
        source->beneath->kind->ask(source);
        return 0;
    }
    worker = atomic_load_explicit(&source->registered, memory_order_acquire);
    return edo_poller_ask(&worker->poller, source);
}

void edo_source_delist(struct edo_source *source, int direction, struct edo_task *task)
{
    atomic_compare_exchange_strong_explicit(&source->waiter[direction], &task, NULL, memory_order_seq_cst,
                                            memory_order_relaxed);
}

/* What ends a wait besides readiness: 0 if nothing does. */
static inline int edo_source_wait_state(struct edo_source *source, struct edo_task *task)
{
    if (edo_source_is_closed(source))
        return -EBADF;
    return edo_task_cancelled(task) ? -ECANCELED : 0;
}

int edo_source_wait_long(struct edo_source *source, int direction, struct edo_task *task)
{
    struct edo_source *kept = source;
    void *place = edo_task_place(task);
    uint32_t seen;
    int rc;

    EDO_SET_DOWN(kept);
    edo_source_ready(source, direction, &seen);
    do {
        if (edo_task_cancelled(task))
            return -ECANCELED;
        rc = edo_source_wait_once(&seen, source, &kept, direction, edo_thread_self(), task);
        edo_task_keep_place(task, place);
    } while (rc == 0 && !(seen & edo_ready_bit(direction)));
    return rc;
}

int edo_source_wait(struct edo_source *source, int direction, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_sleeper sleeper = {.task = task};
    struct edo_thread *thread;
    uint32_t seen;
    int rc;

    if (deadline == EDO_FOREVER)
        return edo_source_wait_long(source, direction, task);
    rc = edo_source_register(source, direction, NULL);
    if (rc < 0)
        return rc;
    if (edo_source_ready(source, direction, &seen))
        return 0;
    thread = edo_enter(edo_thread_self());
    edo_sleeper_arm(thread, &sleeper, deadline);
    do {
        rc = edo_source_enlist(source, direction, task);
        if (rc < 0)
            break;
        rc = edo_source_wait_state(source, task);
        if (edo_source_ready(source, direction, &seen) && rc != -EBADF)
            rc = 0;
        else if (rc == 0 && edo_sleeper_fired(&sleeper))
            rc = -ETIMEDOUT;
        else if (rc == 0)
            thread = edo_park_inside(thread, task);
        edo_source_delist(source, direction, task);
    } while (rc == 0 && !edo_source_ready(source, direction, &seen));
    thread = edo_sleeper_disarm(thread, &sleeper);
    edo_leave(thread);
    return rc;
}
