/* SPDX-License-Identifier: MIT */
/*
 * Switching from task to task, parking and waking. What a task's own flow does is flow.c.
 *
 * A task that can't go on picks its successor itself and switches to it directly; the thread's own flow (worker.c) runs
 * only when there is no successor, when it is time to look at the poller and the timers, or when something must be done
 * outside the guard. Whoever is switched to first does what its predecessor left to be done (edo_after_switch): only
 * then are the predecessor's registers saved, so only then may it be seen by others.
 */
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "runtime/misuse.h"
#include "runtime/sample.h"
#include "runtime/switch.h"
#include "runtime/usdt.h"

#include <sched.h>

/* --- Queues ------------------------------------------------------------------------------------------------------- */

/* The ring is full: half of it and the task go to the global queue. */
static void edo_ring_overflow(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_task *half[EDO_RING_SIZE / 2];
    uint32_t count = edo_ring_steal(half, EDO_RING_SIZE / 2, &thread->worker->ring);

    edo_count(&thread->worker->counts.overflows, 1);
    for (uint32_t i = 0; i + 1 < count; i++)
        half[i]->next = half[i + 1];
    if (count == 0) {
        edo_global_push(thread->runtime, task);
        return;
    }
    half[count - 1]->next = task;
    edo_global_push_chain(thread->runtime, half[0], task, count + 1);
}

void edo_ready_elsewhere(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_runtime *runtime = task->home->runtime;
    struct edo_worker *worker = thread ? thread->worker : NULL;

    if (task->flags & EDO_TASK_TIMED) {
        task = edo_probe_send(runtime, worker, task);
        if (worker && !(task->flags & EDO_TASK_ELSEWHERE)) {
            edo_ready_last_in(worker, worker->alone, thread, task);
            return;
        }
    }
    if ((task->flags & EDO_TASK_PINNED) && task->home_thread) {
        edo_ready_pinned(thread, task);
        return;
    }
    if (__builtin_expect(runtime->hooks != NULL, 0))
        edo_hooks_insist(runtime);
    if (!worker)
        atomic_fetch_add_explicit(&runtime->remote_schedules, 1, memory_order_relaxed);
    if (worker && !(task->flags & EDO_TASK_ELSEWHERE))
        edo_ring_overflow(thread, task);
    else
        edo_global_push(runtime, task);
    edo_wake_one(runtime);
}

void edo_ready_offer(struct edo_thread *thread)
{
    if (edo_ring_count(&thread->worker->ring) > 1)
        edo_wake_one(thread->runtime);
}

/*
 * The LIFO slot is filled by its owner only, emptied by anybody: so when the owner sees it empty, a plain store is
 * enough. What it displaces goes to the ring, and is then more than one. Who goes on by way of the slot is counted as
 * it is filled, so that no take pays for it: yields, spawns and events come by the ring.
 */
void edo_ready(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_worker *worker = thread ? thread->worker : NULL;
    struct edo_task *displaced;

    if (__builtin_expect(!worker || (task->flags & (EDO_TASK_ELSEWHERE | EDO_TASK_TIMED)), 0)) {
        if (worker && (task->flags & EDO_TASK_TIMED))
            edo_ready(thread, edo_probe_send(thread->runtime, worker, task));
        else
            edo_ready_elsewhere(thread, task);
        return;
    }
    if (!atomic_load_explicit(&worker->lifo, memory_order_relaxed)) {
        edo_count(&worker->counts.lifo_schedules, 1);
        atomic_store_explicit(&worker->lifo, task, memory_order_release);
        return;
    }
    displaced = atomic_exchange_explicit(&worker->lifo, task, memory_order_acq_rel);
    if (!displaced) { /* a thief was faster */
        edo_count(&worker->counts.lifo_schedules, 1);
        return;
    }
    if (worker->alone) {
        edo_fifo_push(&worker->fifo, displaced);
        return;
    }
    if (!edo_ring_push(&worker->ring, displaced))
        edo_ring_overflow(thread, displaced);
    edo_wake_one(thread->runtime);
}

struct edo_task *edo_schedule_next(struct edo_thread *thread)
{
    return edo_next(thread, thread->worker, thread->worker->alone);
}

struct edo_task *edo_next_at_last(struct edo_thread *thread)
{
    struct edo_task *task = edo_lifo_take(thread->worker, thread->worker->alone);

    return !task && edo_pinned_waiting(thread) ? edo_pinned_next(thread) : task;
}

/* --- Switching ---------------------------------------------------------------------------------------------------- */

static void edo_task_set_stack(struct edo_task *task, struct edo_stack *stack)
{
    task->stack = stack;
    stack->owner = task;
    edo_context_prepare(&task->context, stack->low, stack->size, edo_stack_colour(stack), edo_task_main);
}

/* A stack that the worker has at hand, if the task takes such a one; or NULL. */
static inline struct edo_stack *edo_stack_at_hand(struct edo_thread *thread, const struct edo_task *task)
{
    struct edo_worker *worker = thread->worker;
    struct edo_stack *stack = worker->stacks;

    if (!stack || task->stack_class != thread->runtime->stack_class || thread->runtime->options.stack_census)
        return NULL;
    worker->stacks = stack->next;
    worker->stack_count--;
    return stack;
}

bool edo_task_give_stack(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_stack *stack = edo_stack_at_hand(thread, task);

    if (stack)
        edo_task_set_stack(task, stack);
    return stack != NULL;
}

bool edo_task_find_stack(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_stack *stacks[EDO_STACK_CACHE / 2];
    bool usual = task->stack_class == runtime->stack_class && !runtime->options.stack_census;
    int count;

    edo_leave(thread);
    count = edo_stack_pool_get(stacks, usual ? EDO_STACK_CACHE / 2 : 1, &runtime->stacks, task->stack_class);
    if (count > 0 && runtime->options.stack_census)
        edo_stack_scrub(stacks[0]);
    if (count < 0)
        sched_yield(); /* promised, but the kernel is short of page tables: others have to give something back */
    thread = edo_enter(thread);
    if (count > 0)
        edo_task_set_stack(task, stacks[0]);
    for (int i = 1; i < count; i++) {
        if (!thread->worker) { /* taken meanwhile */
            edo_stack_pool_put(&runtime->stacks, &stacks[i], 1);
            continue;
        }
        stacks[i]->next = thread->worker->stacks;
        thread->worker->stacks = stacks[i];
        thread->worker->stack_count++;
    }
    if (count > 0 && thread->worker)
        return true;
    edo_ready(NULL, task);
    return false;
}

struct edo_thread *edo_switch_to_first_run(struct edo_thread *thread, struct edo_task *task, struct edo_task *next)
{
    struct edo_worker *worker = thread->worker;
    struct edo_stack *stack = edo_stack_at_hand(thread, next);

    if (__builtin_expect(stack != NULL, 1)) {
        next->stack = stack;
        stack->owner = next;
        edo_target_task(thread, worker, next);
        thread = (struct edo_thread *)edo_context_begin(&task->context, &next->context, stack->low, stack->size,
                                                        edo_stack_colour(stack), edo_task_main, thread);
    } else {
        worker->held = next;
        thread = (struct edo_thread *)edo_context_switch(&task->context, edo_target_native(thread), thread);
    }
    edo_after_switch(thread);
    return thread;
}

struct edo_thread *edo_suspend(struct edo_thread *thread, struct edo_task *task, edo_after_fn after)
{
    struct edo_task *next = thread->worker ? edo_schedule_next(thread) : NULL;

    edo_leave_behind(thread, task, after);
    return edo_switch_to(thread, thread->worker, task, next);
}

void edo_resume(struct edo_thread *thread, struct edo_task *task)
{
    thread->current = task;
    task->budget = thread->budget;
    edo_worker_runs(thread->worker, task->id);
    EDO_USDT3(task_run, task->id, task->name, task->site);
    edo_context_switch(&thread->native, &task->context, thread);
    edo_after_switch(thread);
}

/* --- Parking ------------------------------------------------------------------------------------------------------ */

struct edo_thread *edo_park_inside(struct edo_thread *thread, struct edo_task *task)
{
    void *place = edo_task_place(task);

    thread = edo_park_inline(thread, task);
    edo_task_keep_place(thread->current, place);
    return thread;
}

void edo_park(struct edo_task *task)
{
    edo_leave(edo_park_inside(edo_enter(edo_thread_self()), task));
}

void edo_unpark_inside(struct edo_thread *thread, struct edo_task *task)
{
    if (!edo_park_word_notify(&task->wake))
        return;
    EDO_USDT1(task_wake, task->id);
    edo_ready(thread, task);
}

void edo_unpark(struct edo_task *task)
{
    struct edo_thread *thread;

    if (!edo_park_word_notify(&task->wake))
        return;
    EDO_USDT1(task_wake, task->id);
    thread = edo_thread_self();
    if (!thread || thread->runtime != task->home->runtime) {
        edo_ready(NULL, task);
        return;
    }
    thread = edo_enter(thread);
    edo_ready(thread, task);
    edo_leave(thread);
}

/* --- Yielding ----------------------------------------------------------------------------------------------------- */

static void edo_after_yield(struct edo_thread *thread, struct edo_task *task)
{
    edo_ready_last(thread, task);
}

/* A turn for the others where anything is as it may be. INSIDE. */
static __attribute__((noinline)) struct edo_thread *edo_give_turn_inside(struct edo_thread *thread,
                                                                         struct edo_task *task)
{
    struct edo_worker *worker = thread->worker;
    struct edo_task *next = edo_next(thread, worker, worker->alone);

    task->budget = thread->budget;
    if (!next && edo_turns_left(worker) >= 0 && !thread->runtime->options.migrate_always && !thread->runtime->hooks)
        return thread; /* nobody else is here */
    edo_leave_behind(thread, task, edo_after_yield);
    return edo_switch_to(thread, thread->worker, task, next);
}

/*
 * Whether a turn is the usual one in a runtime with one worker: somebody waits for it, and nobody has precedence. (With
 * more workers nobody ever waits there.)
 */
EDO_ALWAYS_INLINE bool edo_turn_is_plain(struct edo_thread *thread, struct edo_worker *worker)
{
    const struct edo_task *next = worker->fifo.first;

    return next && next->stack && edo_turns_left(worker) > 0 && !edo_pinned_waiting(thread) &&
           !atomic_load_explicit(&worker->lifo, memory_order_relaxed);
}

/*
 * Gives others a turn. The task is on `thread`, OUTSIDE; returns INSIDE, on the thread where it goes on. In the usual
 * turn it is queued before its registers are saved; why that is not too early, see edo_park_inline.
 */
EDO_ALWAYS_INLINE struct edo_thread *edo_give_turn(struct edo_thread *thread, struct edo_task *task, bool forced)
{
    bool elsewhere = task->flags & (EDO_TASK_ELSEWHERE | EDO_TASK_TIMED);
    struct edo_worker *worker;

    thread = edo_enter(thread);
    worker = thread->worker;
    EDO_USDT1(task_yield, task->id);
    if (forced)
        edo_count(&worker->counts.forced_yields, 1);
    if (__builtin_expect(!elsewhere && edo_turn_is_plain(thread, worker), 1)) {
        struct edo_task *next = edo_fifo_rotate(&worker->fifo, task);

        edo_turns_spend(worker);
        worker->lifo_streak = 0;
        thread = (struct edo_thread *)edo_context_switch(&task->context, edo_target_task(thread, worker, next), thread);
        edo_after_switch(thread);
    } else {
        thread = edo_give_turn_inside(thread, task);
    }
    return thread;
}

void edo_turn(struct edo_task *task)
{
    edo_leave(edo_give_turn(edo_thread_self(), task, false));
}

void edo_budget_spent(struct edo_task *task)
{
    struct edo_hooks *hooks = task->home->runtime->hooks;

    task->budget = 0;
    if (!hooks || hooks->point(hooks, task))
        edo_leave(edo_give_turn(edo_thread_self(), task, true));
}

static __attribute__((noinline, cold)) int edo_yield_elsewhere(struct edo_task *task)
{
    struct edo_hooks *hooks = task->home->runtime->hooks;

    if (hooks)
        hooks->point(hooks, task);
    edo_turn(task);
    return edo_task_cancelled(task) ? -ECANCELED : 0;
}

int edo_yield(void)
{
    struct edo_thread *thread = edo_thread_self_or_nobody();
    struct edo_task *task = thread->current;

    if (!task)
        return edo_in_forked_child() ? -EPERM : 0;
    if (__builtin_expect(task->flags & (EDO_TASK_ELSEWHERE | EDO_TASK_TIMED), 0))
        return edo_yield_elsewhere(task);
    thread = edo_give_turn(thread, task, false);
    task = thread->current; /* it is the same; but so it need not be kept over the switch */
    edo_leave(thread);
    return edo_task_cancelled(task) ? -ECANCELED : 0;
}

int edo_checkpoint(void)
{
    struct edo_task *task = edo_task_self();

    return task ? edo_suspension_point(task) : edo_in_forked_child() ? -EPERM : 0;
}
