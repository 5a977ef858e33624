/* SPDX-License-Identifier: MIT */
/*
 * A thread's own flow: what it does between tasks, and when there are none.
 *
 * It runs on the thread's own stack, INSIDE. This is where epoll is waited on, where timers fire, and where whatever a
 * task could not do under the guard is done with the guard left: getting and giving back stacks, timer callbacks.
 */
#include "runtime/runtime.h"
#include "runtime/sample.h"
#include "runtime/switch.h"
#include "runtime/timer.h"
#include "platform/platform.h"

void edo_worker_fire(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;
    struct edo_wheel_node *node;
    uint64_t fired = 0;
    int64_t now;

    if (worker->wheel.count > 0) {
        now = edo_platform->now();
        while ((node = edo_wheel_expire(&worker->wheel, now))) {
            struct edo_alarm *alarm = EDO_CONTAINER_OF(node, struct edo_alarm, node);

            if (edo_timer_is(node, &worker->wheel))
                edo_wheel_hold(&worker->wheel, node);
            else
                alarm->fire(thread, alarm);
            fired++;
        }
        edo_count(&worker->counts.timers_fired, fired);
    }
    if (edo_wheel_held(&worker->wheel)) { /* some may be left from a thread that lost the worker in a callback */
        edo_searched(thread); /* callbacks take their time; whoever searches keeps others from being woken */
        edo_timers_run(thread);
    }
}

/*
 * SIGINT or SIGTERM has come: cancels the root scope. Until that is open the signal waits; after its end there is
 * nothing left to ask.
 */
static void edo_root_shut_down(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;

    if (atomic_load(&runtime->root_state) == EDO_ROOT_BEFORE || !atomic_exchange(&runtime->signalled, false))
        return;
    edo_lock_acquire(&runtime->root_lock);
    if (atomic_load(&runtime->root_state) == EDO_ROOT_OPEN)
        edo_scope_cancel_inside(thread, &runtime->root, EDO_REASON_SHUTDOWN, NULL);
    edo_lock_release(&runtime->root_lock);
}

void edo_worker_check(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_worker *worker = thread->worker;

    edo_turns_begin(worker);
    edo_count(&worker->counts.looks, 1);
    if (__builtin_expect(worker->notes_ages, 0))
        edo_ages_mark(worker, edo_platform->now());
    edo_worker_note(worker, EDO_NOTE_LOOK, 0);
    if (atomic_load_explicit(&worker->poller.sources, memory_order_relaxed) > 0)
        edo_poller_poll(thread, &worker->poller, 0);
    if (atomic_load_explicit(&runtime->signalled, memory_order_relaxed))
        edo_root_shut_down(thread);
    edo_worker_fire(thread);
}

/* Whether stacks are to be given back to the pool: the cache is over its limit, or there are some of other classes. */
static bool edo_stacks_surplus(const struct edo_worker *worker)
{
    return worker->odd_stacks || worker->stack_count > EDO_STACK_CACHE;
}

static void edo_stacks_trim(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;
    struct edo_stack *stacks[EDO_STACK_CACHE];
    int count = 0;

    while (count < EDO_STACK_CACHE && worker->odd_stacks) {
        stacks[count++] = worker->odd_stacks;
        worker->odd_stacks = worker->odd_stacks->next;
    }
    while (count < EDO_STACK_CACHE && worker->stack_count > EDO_STACK_CACHE / 2) {
        stacks[count++] = worker->stacks;
        worker->stacks = worker->stacks->next;
        worker->stack_count--;
    }
    edo_leave(thread);
    edo_stack_pool_put(&thread->runtime->stacks, stacks, count);
    edo_enter(thread);
}

/* Sleeps; no task is spawned meanwhile. */
EDO_ALWAYS_INLINE struct edo_task *edo_thread_idle(struct edo_thread *thread, bool measured)
{
    struct edo_worker *worker = thread->worker;
    struct edo_task *task;

    if (__builtin_expect(worker->notes_ages, 0))
        edo_ages_mark(worker, edo_platform->now());
    task = measured ? edo_sample_idle(thread) : edo_worker_idle(thread);
    if (__builtin_expect(worker->notes_ages, 0) && thread->worker == worker)
        edo_ages_mark(worker, edo_platform->now());
    return task;
}

/*
 * What to run next, with everything a thread's own flow can do to find it. NULL: look again. `measured`: the runtime's
 * times are taken (sample.h); constant, so that those who don't want that pay nothing for it.
 */
EDO_ALWAYS_INLINE struct edo_task *edo_thread_next(struct edo_thread *thread, bool measured)
{
    struct edo_worker *worker = thread->worker;
    struct edo_task *task = worker->held;

    if (task) {
        worker->held = NULL;
        return task;
    }
    if (edo_turns_left(worker) < 0) {
        edo_worker_check(thread);
        if (!thread->worker || edo_thread_yield_worker(thread))
            return NULL;
        task = worker->own_first ? NULL : edo_global_take(thread);
        worker->own_first = false;
        if (task)
            return task;
    }
    task = edo_schedule_next(thread);
    if (!task && edo_turns_left(worker) < 0)
        return NULL; /* it has not looked */
    if (!task)
        task = edo_global_take(thread);
    if (task)
        return task;
    if (edo_thread_yield_worker(thread))
        return NULL;
    if (atomic_load_explicit(&thread->runtime->signalled, memory_order_relaxed)) {
        edo_worker_check(thread);
        return NULL;
    }
    return edo_thread_idle(thread, measured);
}

EDO_ALWAYS_INLINE void edo_thread_serve(struct edo_thread *thread, bool measured)
{
    for (;;) {
        struct edo_worker *worker = thread->worker;
        const struct edo_tracing *tracing;
        struct edo_task *task;

        if (!worker) {
            if (!edo_thread_wait_worker(thread))
                return;
            continue;
        }
        if (atomic_load_explicit(&thread->runtime->stopping, memory_order_acquire)) { /* with the result */
            edo_leave(thread); /* a timer callback on another thread may still have business with the wheel */
            return;
        }
        if (__builtin_expect(atomic_load_explicit(&worker->remote_wanted, memory_order_relaxed), 0) && !worker->held) {
            edo_remote_let(thread);
            continue;
        }
        /* Not with a task in hand: the worker may be taken meanwhile, and a pinned task must not go with it. */
        if (edo_stacks_surplus(worker) && !worker->held) {
            edo_stacks_trim(thread);
            continue;
        }
        task = edo_thread_next(thread, measured);
        if (!task)
            continue;
        if (measured && edo_probe_is(task))
            task = edo_probe_receive(thread->worker, task);
        if (thread->worker->searching) /* woken to search, but there was something nearer */
            edo_searched(thread);
        if (!task->stack && !edo_task_give_stack(thread, task) && !edo_task_find_stack(thread, task))
            continue;
        tracing = atomic_load_explicit(&thread->runtime->tracing, memory_order_acquire);
        if (__builtin_expect(tracing != NULL, 0))
            tracing->resume(thread, task);
        else if (measured)
            edo_sample_resume(thread, task);
        else
            edo_resume(thread, task);
    }
}

void edo_thread_loop(struct edo_thread *thread)
{
    if (thread->runtime->options.metrics)
        edo_thread_serve(thread, true);
    else
        edo_thread_serve(thread, false);
}
