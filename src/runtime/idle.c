/* SPDX-License-Identifier: MIT */
/*
 * Going to sleep, and being woken (rules S1, S9).
 *
 * A worker without work first searches its siblings' queues; at most half of the workers search at a time. Then it
 * sleeps in epoll_wait on its own poller, until an event, its next timer, or a sibling's wake.
 *
 * No wake is lost: a worker enters the idle list (idle_lock), then, after a seq_cst fence, looks at everything that
 * could be work once more. Whoever makes work visible looks, after a seq_cst fence, at the idle count. One of the two
 * sees the other. While somebody searches nobody is woken, since the searcher finds the work or, leaving, looks again;
 * so the last searcher to stop hands its role on if there is more.
 */
#include "runtime/runtime.h"
#include "runtime/usdt.h"
#include "platform/platform.h"

static void edo_idle_remove(struct edo_runtime *runtime, struct edo_worker *worker)
{
    edo_list_remove(&worker->idle_link);
    worker->idle = false;
    atomic_fetch_sub_explicit(&runtime->idle_count, 1, memory_order_relaxed);
}

void edo_wake_one(struct edo_runtime *runtime)
{
    struct edo_link *link;
    struct edo_worker *worker = NULL;

    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&runtime->idle_count, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&runtime->searching, memory_order_relaxed) > 0)
        return;
    edo_lock_acquire(&runtime->idle_lock);
    link = edo_list_first(&runtime->idle);
    if (link && atomic_load_explicit(&runtime->searching, memory_order_relaxed) == 0) {
        worker = EDO_CONTAINER_OF(link, struct edo_worker, idle_link);
        edo_idle_remove(runtime, worker);
        worker->searching = true;
        atomic_fetch_add_explicit(&runtime->searching, 1, memory_order_seq_cst);
    }
    edo_lock_release(&runtime->idle_lock);
    if (worker) {
        atomic_fetch_add_explicit(&runtime->wakes, 1, memory_order_relaxed);
        edo_poller_wake(&worker->poller);
    }
}

void edo_wake_worker(struct edo_worker *worker)
{
    struct edo_runtime *runtime = worker->runtime;
    bool was_idle;

    edo_lock_acquire(&runtime->idle_lock);
    was_idle = worker->idle;
    if (was_idle)
        edo_idle_remove(runtime, worker);
    edo_lock_release(&runtime->idle_lock);
    if (was_idle) {
        atomic_fetch_add_explicit(&runtime->wakes, 1, memory_order_relaxed);
        edo_poller_wake(&worker->poller);
    }
}

void edo_wake_all(struct edo_runtime *runtime)
{
    for (int i = 0; i < runtime->worker_count; i++)
        edo_wake_worker(&runtime->workers[i]);
}

/* Whether there is something that a sleeping worker should be awake for. */
static bool edo_work_visible(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;

    if (atomic_load_explicit(&runtime->global_count, memory_order_seq_cst) ||
        atomic_load_explicit(&runtime->wanting_count, memory_order_seq_cst) ||
        atomic_load_explicit(&runtime->stopping, memory_order_seq_cst) ||
        atomic_load_explicit(&runtime->signalled, memory_order_seq_cst) ||
        atomic_load_explicit(&thread->pinned_waiting, memory_order_seq_cst))
        return true;
    for (int i = 0; i < runtime->worker_count; i++)
        if (edo_worker_queued(&runtime->workers[i]) > 0)
            return true;
    return false;
}

void edo_searched(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;

    if (!worker->searching)
        return;
    worker->searching = false;
    if (atomic_fetch_sub_explicit(&thread->runtime->searching, 1, memory_order_seq_cst) == 1) {
        atomic_thread_fence(memory_order_seq_cst); /* whoever saw it searching has made its work visible before */
        if (edo_work_visible(thread))
            edo_wake_one(thread->runtime);
    }
}

static struct edo_task *edo_steal_from(struct edo_worker *worker, struct edo_worker *victim, bool desperate)
{
    const struct edo_tracing *tracing;
    struct edo_task *tasks[EDO_RING_SIZE / 2];
    uint32_t count = edo_ring_steal(tasks, EDO_RING_SIZE / 2, &victim->ring);

    if (count == 0 && desperate && atomic_load_explicit(&victim->lifo, memory_order_relaxed)) {
        tasks[0] = atomic_exchange_explicit(&victim->lifo, NULL, memory_order_acq_rel);
        count = tasks[0] != NULL;
    }
    if (count == 0)
        return NULL;
    edo_count(&worker->counts.steals, count);
    edo_count(&worker->counts.steal_operations, 1);
    edo_worker_note(worker, EDO_NOTE_STEAL, (uint64_t)count << 16 | (uint64_t)victim->index);
    EDO_USDT3(worker_steal, worker->index, victim->index, count);
    tracing = atomic_load_explicit(&worker->runtime->tracing, memory_order_acquire);
    if (__builtin_expect(tracing != NULL, 0))
        tracing->note(worker, true, EDO_TRACED_STEAL, count, (uint64_t)victim->index);
    for (uint32_t i = 1; i < count; i++) /* the own ring is empty: there is room */
        edo_ring_push(&worker->ring, tasks[i]);
    return tasks[0];
}

#ifndef EDO_SEARCH_ROUNDS /* models in tests make it smaller */
#define EDO_SEARCH_ROUNDS 4
#endif

static struct edo_task *edo_search(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_worker *worker = thread->worker;
    uint32_t count = (uint32_t)runtime->worker_count;
    struct edo_task *task;

    if (!worker->searching) {
        if (2 * atomic_load_explicit(&runtime->searching, memory_order_relaxed) >= count)
            return NULL;
        worker->searching = true;
        atomic_fetch_add_explicit(&runtime->searching, 1, memory_order_seq_cst);
    }
    for (int round = 0; round < EDO_SEARCH_ROUNDS; round++) {
        uint32_t start = edo_worker_random(worker);

        for (uint32_t i = 0; i < count; i++) {
            struct edo_worker *victim = &runtime->workers[(start + i) % count];

            if (victim == worker)
                continue;
            task = edo_steal_from(worker, victim, round == EDO_SEARCH_ROUNDS - 1);
            if (task) {
                edo_searched(thread);
                return task;
            }
        }
        task = edo_global_take(thread);
        if (task) {
            edo_searched(thread);
            return task;
        }
    }
    return NULL;
}

/* Looks at the pollers of siblings that are busy with something else. True if that brought anything. */
static bool edo_poll_siblings(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    int events = 0;

    for (int i = 0; i < runtime->worker_count; i++) {
        struct edo_worker *sibling = &runtime->workers[i];

        if (sibling == thread->worker || atomic_load_explicit(&sibling->waiting, memory_order_relaxed) ||
            atomic_load_explicit(&sibling->poller.sources, memory_order_relaxed) == 0)
            continue;
        events += edo_poller_poll(thread, &sibling->poller, 0);
    }
    return events > 0;
}

static void edo_sleep_end(struct edo_runtime *runtime, struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;

    edo_lock_acquire(&runtime->idle_lock);
    if (worker->idle)
        edo_idle_remove(runtime, worker);
    edo_lock_release(&runtime->idle_lock);
    atomic_store_explicit(&thread->sleeps_on, NULL, memory_order_relaxed);
}

struct edo_task *edo_worker_idle(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_worker *worker = thread->worker;
    const struct edo_tracing *tracing;
    uint64_t since;
    int64_t next;
    int64_t timeout = -1;

    if (runtime->worker_count > 1) {
        struct edo_task *task = edo_search(thread);

        if (task)
            return task;
    }
    atomic_store_explicit(&thread->sleeps_on, worker, memory_order_seq_cst);
    edo_lock_acquire(&runtime->idle_lock);
    edo_list_insert_head(&runtime->idle, &worker->idle_link);
    worker->idle = true;
    atomic_fetch_add_explicit(&runtime->idle_count, 1, memory_order_relaxed);
    if (worker->searching) {
        worker->searching = false;
        atomic_fetch_sub_explicit(&runtime->searching, 1, memory_order_seq_cst);
    }
    edo_lock_release(&runtime->idle_lock);
    atomic_thread_fence(memory_order_seq_cst);
    if (edo_work_visible(thread) || (runtime->worker_count > 1 && edo_poll_siblings(thread))) {
        edo_sleep_end(runtime, thread);
        return NULL;
    }
    next = edo_wheel_held(&worker->wheel) ? 0 : edo_wheel_next(&worker->wheel);
    if (next != EDO_FOREVER) {
        timeout = next - edo_platform->now();
        if (timeout < 0)
            timeout = 0;
    }
    if (timeout != 0)
        edo_count(&worker->counts.sleeps, 1);
    since = edo_worker_note(worker, EDO_NOTE_SLEEP, (uint64_t)timeout);
    EDO_USDT2(worker_sleep, worker->index, timeout);
    atomic_store_explicit(&worker->waiting, true, memory_order_relaxed);
    edo_poller_poll(thread, &worker->poller, timeout);
    atomic_store_explicit(&worker->waiting, false, memory_order_seq_cst); /* then looks at the monitor's state */
    if (__builtin_expect(edo_monitor_sleeps(&runtime->monitor), 0))
        edo_monitor_wake(&runtime->monitor);
    edo_worker_note(worker, EDO_NOTE_WOKE, 0);
    EDO_USDT1(worker_wake, worker->index);
    tracing = atomic_load_explicit(&runtime->tracing, memory_order_acquire);
    if (__builtin_expect(tracing != NULL, 0))
        tracing->note(worker, true, EDO_TRACED_SLEEP, since, 0);
    edo_turns_begin(worker); /* it has just looked at all that the next look is for */
    edo_sleep_end(runtime, thread);
    edo_worker_fire(thread);
    return NULL;
}
