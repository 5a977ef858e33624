/* SPDX-License-Identifier: MIT */
/*
 * The global queue: a locked list, taken from in shares, or by a worker that is alone as a whole (rule S1). `count` is
 * written under the lock and read without it, as a hint; whoever goes to sleep reads it after it has made itself
 * wakeable (idle.c).
 */
#include "runtime/hooks.h"
#include "runtime/runtime.h"

#include <sched.h>

void edo_global_push_chain(struct edo_runtime *runtime, struct edo_task *first, struct edo_task *last, uint32_t count)
{
    last->next = NULL;
    edo_lock_acquire(&runtime->global_lock);
    if (runtime->global_last)
        runtime->global_last->next = first;
    else
        runtime->global_first = first;
    runtime->global_last = last;
    atomic_store_explicit(&runtime->global_count,
                          atomic_load_explicit(&runtime->global_count, memory_order_relaxed) + count,
                          memory_order_seq_cst);
    edo_lock_release(&runtime->global_lock);
}

void edo_global_push(struct edo_runtime *runtime, struct edo_task *task)
{
    edo_global_push_chain(runtime, task, task, 1);
}

/* Under the lock; the queue is not empty. */
static struct edo_task *edo_global_pop(struct edo_runtime *runtime)
{
    struct edo_task *task = runtime->global_first;

    runtime->global_first = task->next;
    if (!runtime->global_first)
        runtime->global_last = NULL;
    atomic_store_explicit(&runtime->global_count,
                          atomic_load_explicit(&runtime->global_count, memory_order_relaxed) - 1, memory_order_seq_cst);
    return task;
}

/* Under the lock. */
static void edo_global_append(struct edo_runtime *runtime, struct edo_task *task)
{
    task->next = NULL;
    if (runtime->global_last)
        runtime->global_last->next = task;
    else
        runtime->global_first = task;
    runtime->global_last = task;
    atomic_store_explicit(&runtime->global_count,
                          atomic_load_explicit(&runtime->global_count, memory_order_relaxed) + 1, memory_order_seq_cst);
}

/*
 * With migrate_always: the first task that did not run on this thread last. Its own it leaves to a sibling, which it
 * wakes, for as long as it has patience: siblings may all be stuck.
 */
static struct edo_task *edo_global_take_foreign(struct edo_thread *thread)
{
    enum { EDO_PATIENCE = 100 }; /* turns of some µs at most: longer than a sibling takes to wake */
    struct edo_runtime *runtime = thread->runtime;
    struct edo_task *task = NULL;

    edo_lock_acquire(&runtime->global_lock);
    for (uint32_t i = atomic_load_explicit(&runtime->global_count, memory_order_relaxed); i > 0; i--) {
        task = edo_global_pop(runtime);
        if (task->home_thread != thread || thread->worker->patience >= EDO_PATIENCE) {
            thread->worker->patience = 0;
            if (!(task->flags & EDO_TASK_PINNED))
                task->home_thread = thread;
            break;
        }
        edo_global_append(runtime, task);
        task = NULL;
    }
    edo_lock_release(&runtime->global_lock);
    if (!task) {
        thread->worker->patience++;
        edo_wake_one(runtime);
        sched_yield();
    }
    return task;
}

/* The task that the hooks choose. */
static struct edo_task *edo_global_take_chosen(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_hooks *hooks = runtime->hooks;
    struct edo_task *task = NULL;
    uint32_t count;

    hooks->turn(hooks, thread);
    edo_lock_acquire(&runtime->global_lock);
    count = atomic_load_explicit(&runtime->global_count, memory_order_relaxed);
    if (count > 0) {
        for (uint32_t passed = hooks->choose(hooks, runtime->global_first, count); passed > 0; passed--) {
            task = edo_global_pop(runtime);
            edo_global_append(runtime, task);
        }
        task = edo_global_pop(runtime);
    }
    edo_lock_release(&runtime->global_lock);
    return task;
}

/* A worker that is alone: the whole queue, as it is. */
static struct edo_task *edo_global_take_all(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_task *first, *last;
    uint32_t count;

    edo_lock_acquire(&runtime->global_lock);
    first = runtime->global_first;
    last = runtime->global_last;
    count = atomic_load_explicit(&runtime->global_count, memory_order_relaxed);
    runtime->global_first = NULL;
    runtime->global_last = NULL;
    atomic_store_explicit(&runtime->global_count, 0, memory_order_seq_cst);
    edo_lock_release(&runtime->global_lock);
    if (count > 1)
        edo_fifo_push_chain(&thread->worker->fifo, first->next, last, count - 1);
    return first;
}

struct edo_task *edo_global_take(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_ring *ring = &thread->worker->ring;
    struct edo_task *first = NULL;
    bool more = false;
    uint32_t share;

    if (__builtin_expect(runtime->hooks != NULL, 0))
        return edo_global_take_chosen(thread);
    if (atomic_load_explicit(&runtime->global_count, memory_order_relaxed) == 0)
        return NULL;
    if (runtime->options.migrate_always && runtime->worker_count > 1)
        return edo_global_take_foreign(thread);
    if (thread->worker->alone)
        return edo_global_take_all(thread);
    edo_lock_acquire(&runtime->global_lock);
    share = atomic_load_explicit(&runtime->global_count, memory_order_relaxed) / (uint32_t)runtime->worker_count + 1;
    if (share > EDO_RING_SIZE / 2)
        share = EDO_RING_SIZE / 2;
    if (share > EDO_RING_SIZE - edo_ring_count(ring))
        share = EDO_RING_SIZE - edo_ring_count(ring);
    if (runtime->global_first)
        first = edo_global_pop(runtime);
    for (; runtime->global_first && share > 1; share--)
        more = edo_ring_push(ring, edo_global_pop(runtime));
    edo_lock_release(&runtime->global_lock);
    /* On the way from queue to ring they were seen by nobody: a sibling may have fallen asleep meanwhile. */
    if (more)
        edo_wake_one(runtime);
    return first;
}
