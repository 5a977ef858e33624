/* SPDX-License-Identifier: MIT */
/*
 * The way from one task to the next: whom to run, where that one is, and parking. Inline, since a server goes this way
 * with every request, and from two places: parking in general (schedule.c), and waiting for a descriptor (source.c).
 *
 * All of it is done INSIDE (thread.h). "Publish after the switch": what is to be done for the task that is left is
 * noted in the thread, and done by the next flow, when the task's registers are saved.
 */
#ifndef EDO_RUNTIME_SWITCH_H
#define EDO_RUNTIME_SWITCH_H

#include "runtime/runtime.h"
#include "runtime/usdt.h"

#define EDO_ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * Makes the compiler take a pointer for another one. What lives across a switch lives in memory, all the time: so
 * before it one goes by one copy, in a register, and behind it by another; and no address that was computed from it
 * lives on.
 */
#define EDO_ANEW(pointer) __asm__("" : "+r"(pointer))

/*
 * Has a variable lie in memory from here on, for what is behind a call or a switch: in a register that outlives calls
 * it would cost three instructions, two of them to save what somebody else had there.
 */
#define EDO_SET_DOWN(variable) __asm__("" : "+m"(variable))

/* `alone` is worker->alone; constant where it counts. */
EDO_ALWAYS_INLINE struct edo_task *edo_lifo_take(struct edo_worker *worker, bool alone)
{
    struct edo_task *task = atomic_load_explicit(&worker->lifo, memory_order_relaxed);

    if (!task)
        return NULL;
    if (!alone)
        return atomic_exchange_explicit(&worker->lifo, NULL, memory_order_acq_rel);
    atomic_store_explicit(&worker->lifo, NULL, memory_order_relaxed);
    return task;
}

EDO_ALWAYS_INLINE bool edo_pinned_waiting(struct edo_thread *thread)
{
    return edo_word_is(&thread->pinned_waiting);
}

/* What is left when LIFO slot and ring have nothing, or not yet. */
struct edo_task *edo_next_at_last(struct edo_thread *thread);

/*
 * The next task of the worker's own queues; NULL if there is none, or the thread's own flow is wanted. `worker` is the
 * thread's.
 */
EDO_ALWAYS_INLINE struct edo_task *edo_next(struct edo_thread *thread, struct edo_worker *worker, bool alone)
{
    struct edo_task *task;

    if (__builtin_expect(edo_turns_spend(worker), 0))
        return NULL;
    if (__builtin_expect(edo_pinned_waiting(thread), 0)) {
        task = edo_pinned_turn(thread);
        if (task)
            return task;
    }
    if (EDO_WORD_SET(&worker->lifo) && worker->lifo_streak < EDO_LIFO_STREAK) {
        task = edo_lifo_take(worker, alone);
        if (task) {
            worker->lifo_streak++;
            return task;
        }
    }
    worker->lifo_streak = 0;
    task = alone ? edo_fifo_pop(&worker->fifo) : edo_ring_pop(&worker->ring);
    return __builtin_expect(task != NULL, 1) ? task : edo_next_at_last(thread);
}

/* Where to go for `next`, which has a stack. */
EDO_ALWAYS_INLINE struct edo_context *edo_target_task(struct edo_thread *thread, struct edo_worker *worker,
                                                      struct edo_task *next)
{
    thread->current = next;
    next->budget = thread->budget;
    edo_worker_runs(worker, next->id);
    EDO_USDT3(task_run, next->id, next->name, next->site);
    return &next->context;
}

EDO_ALWAYS_INLINE struct edo_context *edo_target_native(struct edo_thread *thread)
{
    thread->current = NULL;
    return &thread->native;
}

/* The same for one that may lack a stack, or that there may not be: then that is the thread's own flow. */
EDO_ALWAYS_INLINE struct edo_context *edo_target(struct edo_thread *thread, struct edo_worker *worker,
                                                 struct edo_task *next)
{
    if (next && __builtin_expect(!next->stack, 0) && !edo_task_give_stack(thread, next)) {
        worker->held = next;
        next = NULL;
    }
    return __builtin_expect(!next, 0) ? edo_target_native(thread) : edo_target_task(thread, worker, next);
}

/* What the next flow does for a task that parks: from now on it may be woken. */
static inline void edo_after_park(struct edo_thread *thread, struct edo_task *task)
{
    if (!edo_park_word_park(&task->wake))
        edo_ready(thread, task);
}

/* The same as the next, for one that has no stack yet. */
struct edo_thread *edo_switch_to_first_run(struct edo_thread *thread, struct edo_task *task, struct edo_task *next);

/*
 * Switches from `task` to `next`, or the thread's own flow if that is NULL. Returns on the thread that resumes the
 * task.
 */
EDO_ALWAYS_INLINE struct edo_thread *edo_switch_to(struct edo_thread *thread, struct edo_worker *worker,
                                                   struct edo_task *task, struct edo_task *next)
{
    struct edo_context *target;

    if (__builtin_expect(!next, 0))
        target = edo_target_native(thread);
    else if (__builtin_expect(!next->stack, 0))
        return edo_switch_to_first_run(thread, task, next);
    else
        target = edo_target_task(thread, worker, next);
    thread = (struct edo_thread *)edo_context_switch(&task->context, target, thread);
    edo_after_switch(thread);
    return thread;
}

/* Leaves `after` to the next flow, to be done for `task`. */
EDO_ALWAYS_INLINE void edo_leave_behind(struct edo_thread *thread, struct edo_task *task, edo_after_fn after)
{
    thread->after = after;
    thread->after_task = task;
}

EDO_ALWAYS_INLINE struct edo_thread *edo_park_inline(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_worker *worker;

    if (__builtin_expect(!(task->flags & EDO_TASK_LISTED), 0)) {
        edo_scope_list(task);
        if (edo_task_cancelled(task)) /* perhaps by a canceller that did not find it in the list yet */
            return thread;
    }
    worker = thread->worker;
    EDO_USDT1(task_park, task->id);
    if (worker->alone) {
        /*
         * Published at once. That is early, its registers are not saved yet; but a runtime with one worker runs tasks
         * on the thread that is INSIDE it alone, which is this one until it has switched. Whoever wakes the task
         * meanwhile, on any thread, puts it into a queue of that worker's, or the global one, or this thread's own,
         * from which nobody else takes; and the worker changes threads only when its thread is OUTSIDE, or in its own
         * flow.
         */
        if (edo_park_word_park(&task->wake))
            thread = edo_switch_to(thread, worker, task, edo_next(thread, worker, true));
    } else if (!edo_park_word_notified(&task->wake)) {
        edo_leave_behind(thread, task, edo_after_park);
        thread = edo_switch_to(thread, worker, task, edo_next(thread, worker, false));
    }
    task = thread->current; /* it is the same; but so it need not be kept over the switch */
    edo_park_word_run(&task->wake);
    return thread;
}

#endif
