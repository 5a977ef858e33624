/* SPDX-License-Identifier: MIT */
/*
 * The way from one task to the next: whom to run, where that one is, and parking. Inline, since a server goes this way with
 * every request, and from two places: parking in general (schedule.c), and waiting for a descriptor (source.c).
 *
 * All of it is done INSIDE (thread.h). "Publish after the switch": what is to be done for the task that is left is noted in
 * the thread, and done by the next flow, when the task's registers are saved.
 */
#ifndef EDO_RUNTIME_SWITCH_H
#define EDO_RUNTIME_SWITCH_H

#include "runtime/runtime.h"

#define EDO_ALWAYS_INLINE static inline __attribute__((always_inline))

EDO_ALWAYS_INLINE struct edo_task *edo_lifo_take(struct edo_worker *worker)
{
    struct edo_task *task = atomic_load_explicit(&worker->lifo, memory_order_relaxed);

    if (!task)
        return NULL;
    if (!worker->alone)
        return atomic_exchange_explicit(&worker->lifo, NULL, memory_order_acq_rel);
    atomic_store_explicit(&worker->lifo, NULL, memory_order_relaxed);
    return task;
}

EDO_ALWAYS_INLINE bool edo_pinned_waiting(struct edo_thread *thread)
{
    return thread->pinned_first || atomic_load_explicit(&thread->pinned_mail, memory_order_relaxed);
}

/* The next task of the worker's own queues; NULL if there is none, or the thread's own flow is wanted. */
EDO_ALWAYS_INLINE struct edo_task *edo_next(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;
    struct edo_task *task;

    if (__builtin_expect(!worker || edo_tick_raise(worker) >= EDO_TICKS_BETWEEN_CHECKS, 0))
        return NULL;
    if (__builtin_expect(edo_pinned_waiting(thread), 0) &&
        (atomic_load_explicit(&worker->tick, memory_order_relaxed) & 1)) { /* every other turn */
        task = edo_pinned_next(thread);
        if (task)
            return task;
    }
    if (atomic_load_explicit(&worker->lifo, memory_order_relaxed) && worker->lifo_streak < EDO_LIFO_STREAK) {
        task = edo_lifo_take(worker);
        if (task) {
            worker->lifo_streak++;
            return task;
        }
    }
    worker->lifo_streak = 0;
    task = edo_ring_pop(&worker->ring, worker->alone);
    if (__builtin_expect(!task, 0)) {
        task = edo_lifo_take(worker);
        if (!task && edo_pinned_waiting(thread))
            task = edo_pinned_next(thread);
    }
    return task;
}

/* Where to go for `next`: its context, or the thread's own if there is none or it lacks a stack. */
EDO_ALWAYS_INLINE struct edo_context *edo_target(struct edo_thread *thread, struct edo_task *next)
{
    if (next && __builtin_expect(!next->stack, 0) && !edo_task_give_stack(thread, next)) {
        thread->worker->held = next;
        next = NULL;
    }
    thread->current = next;
    if (!next)
        return &thread->native;
    next->budget = thread->budget;
    edo_count(&thread->worker->counts.switches, 1);
    return &next->context;
}

/* What the next flow does for a task that parks: from now on it may be woken. */
static inline void edo_after_park(struct edo_thread *thread, struct edo_task *task)
{
    if (!edo_park_word_park(&task->wake))
        edo_ready(thread, task);
}

EDO_ALWAYS_INLINE struct edo_thread *edo_switch_away(struct edo_thread *thread, struct edo_task *task,
                                                     edo_after_fn after)
{
    struct edo_context *target = edo_target(thread, edo_next(thread));

    thread->after = after;
    thread->after_task = task;
    thread = (struct edo_thread *)edo_context_switch(&task->context, target, thread);
    edo_after_switch(thread);
    return thread;
}

EDO_ALWAYS_INLINE struct edo_thread *edo_park_inline(struct edo_thread *thread, struct edo_task *task)
{
    if (__builtin_expect(!(task->flags & EDO_TASK_LISTED), 0)) {
        edo_scope_list(task);
        if (edo_task_cancelled(task)) /* perhaps by a canceller that did not find it in the list yet */
            return thread;
    }
    if (!edo_park_word_notified(&task->wake))
        thread = edo_switch_away(thread, task, edo_after_park);
    edo_park_word_run(&task->wake);
    return thread;
}

#endif
