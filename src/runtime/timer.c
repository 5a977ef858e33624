/* SPDX-License-Identifier: MIT */
/*
 * Timers that call a function. See timer.h for who owns their fields.
 *
 * Callbacks are user code and run with the guard left, on a worker's own flow. A timer may be freed in its callback, so
 * after the call nothing of it is touched: that it runs stands in the thread (running_timer), where edo_timer_stop
 * looks. Written INSIDE, before the guard is left and after it is entered again, so it is also what a taker finds.
 *
 * A timer stays with its worker while its callback runs. So the callback runs on that worker's thread, or on one from
 * which the worker was taken meanwhile. Of these the worker has the number (`strays`): counted up by the taker, down by
 * the thread when its callback is over, which forgets the timer in the same section of thread_lock. Nearly always it is
 * 0, and for whoever is inside the worker that says: no callback of its timers runs on any thread but this one. That is
 * all a stop asks. If it is not 0, all threads are looked at.
 */
#include "runtime/timer.h"
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>

static struct edo_timer_body *edo_timer_of(edo_timer *timer)
{
    return (struct edo_timer_body *)(void *)timer;
}

/* NULL: it was never started. */
static struct edo_worker *edo_timer_worker(const struct edo_timer_body *timer)
{
    return timer->wheel ? EDO_CONTAINER_OF(timer->wheel, struct edo_worker, wheel) : NULL;
}

/*
 * Whether its callback runs, on another thread than `but`. The caller is inside `worker`, which is the timer's, so none
 * begins meanwhile. Acquires: what a callback that is over has done is seen.
 */
static bool edo_timer_runs(struct edo_worker *worker, struct edo_timer_body *timer, const struct edo_thread *but)
{
    struct edo_runtime *runtime = worker->runtime;
    struct edo_thread *thread = worker->thread;
    bool runs;

    if (thread != but && atomic_load_explicit(&thread->running_timer, memory_order_acquire) == timer)
        return true;
    if (atomic_load_explicit(&worker->strays, memory_order_acquire) == 0)
        return false;
    edo_lock_acquire(&runtime->threads_lock);
    for (thread = runtime->threads; thread; thread = thread->next)
        if (thread != but && atomic_load_explicit(&thread->running_timer, memory_order_acquire) == timer)
            break;
    runs = thread != NULL;
    edo_lock_release(&runtime->threads_lock);
    return runs;
}

/* A callback is over, and its thread, which had the worker, is INSIDE again, perhaps without it. */
static void edo_timer_ran(struct edo_thread *thread, struct edo_worker *worker)
{
    if (__builtin_expect(thread->worker != NULL, 1)) {
        atomic_store_explicit(&thread->running_timer, NULL, memory_order_release);
        return;
    }
    edo_lock_acquire(&worker->thread_lock);
    atomic_store_explicit(&thread->running_timer, NULL, memory_order_release);
    atomic_fetch_sub_explicit(&worker->strays, 1, memory_order_release);
    edo_lock_release(&worker->thread_lock);
}

void edo_timers_run(struct edo_thread *thread)
{
    enum { EDO_TIMER_PATIENCE = 50000 }; /* ns */

    struct edo_worker *worker;
    struct edo_wheel_node *node;

    while ((worker = thread->worker) && (node = edo_wheel_held(&worker->wheel))) {
        struct edo_timer_body *timer = EDO_CONTAINER_OF(node, struct edo_timer_body, node);
        void (*callback)(void *) = timer->callback;
        void *argument = timer->argument;

        edo_wheel_remove(&worker->wheel, node);
        if (edo_timer_runs(worker, timer, thread)) { /* restarted, and its last callback is not over: one at a time */
            edo_wheel_add(&worker->wheel, node, edo_platform->now() + EDO_TIMER_PATIENCE);
            continue;
        }
        atomic_store_explicit(&thread->running_timer, timer, memory_order_release);
        edo_leave(thread);
        callback(argument);
        edo_enter(thread);
        edo_timer_ran(thread, worker);
    }
}

void edo_timer_init(edo_timer *public, void (*callback)(void *argument), void *argument)
{
    struct edo_timer_body *timer = edo_timer_of(public);

    memset(public, 0, sizeof *public);
    timer->callback = callback;
    timer->argument = argument;
}

/*
 * Arms it on a worker that the caller is inside of. A stop may be reading where it is: that is written if it changes.
 */
static void edo_timer_arm(struct edo_worker *worker, struct edo_timer_body *timer, int64_t deadline)
{
    if (timer->wheel != &worker->wheel)
        timer->wheel = &worker->wheel;
    edo_wheel_add(&worker->wheel, &timer->node, deadline);
}

/*
 * Starts a timer that may belong to another worker than the one that `thread` is INSIDE of: takes it out of where it
 * is, and arms it here; but there, if its callback runs.
 */
static __attribute__((noinline, cold)) int edo_timer_start_elsewhere(struct edo_thread *thread,
                                                                     struct edo_timer_body *timer, int64_t deadline)
{
    struct edo_worker *worker = edo_timer_worker(timer);
    bool runs;

    if (worker && worker == thread->worker) {
        edo_wheel_remove(&worker->wheel, &timer->node);
    } else if (worker) {
        edo_remote_cross(thread, worker);
        edo_wheel_remove(&worker->wheel, &timer->node);
        runs = edo_timer_runs(worker, timer, NULL);
        if (runs)
            edo_wheel_add(&worker->wheel, &timer->node, deadline);
        thread = edo_remote_return(worker);
        if (runs) {
            edo_leave(thread);
            edo_wake_worker(worker); /* it may sleep for longer than this */
            return 0;
        }
    }
    if (__builtin_expect(thread->worker != NULL, 1)) {
        edo_timer_arm(thread->worker, timer, deadline);
        edo_leave(thread);
        return 0;
    }
    /* The thread of another timer's callback, which has lost its worker. */
    if (!worker)
        worker = &thread->runtime->workers[0];
    assert(worker); /* a runtime has one */
    edo_leave(thread);
    edo_remote_begin(worker);
    edo_timer_arm(worker, timer, deadline);
    edo_remote_end(worker);
    edo_wake_worker(worker);
    return 0;
}

/* The same for who did not find the guard OUTSIDE, whoever's the timer is. */
static __attribute__((noinline, cold)) int edo_timer_start_slow(struct edo_thread *thread, uint32_t found,
                                                                struct edo_timer_body *timer, int64_t deadline)
{
    return edo_timer_start_elsewhere(edo_enter_slow(thread, found), timer, deadline);
}

int edo_timer_start(edo_timer *public, int64_t deadline)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    struct edo_worker *worker;
    uint32_t found;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    __builtin_prefetch(timer, 1); /* on its way while the thread enters */
    found = edo_enter_found(thread);
    if (__builtin_expect(found != EDO_GUARD_OUTSIDE, 0))
        return edo_timer_start_slow(thread, found, timer, deadline);
    worker = thread->worker;
    if (__builtin_expect(!worker || timer->wheel != &worker->wheel, 0))
        return edo_timer_start_elsewhere(thread, timer, deadline);
    if (__builtin_expect(edo_wheel_node_armed(&timer->node), 0))
        edo_wheel_remove(&worker->wheel, &timer->node);
    edo_wheel_add(&worker->wheel, &timer->node, deadline);
    edo_leave(thread);
    return 0;
}

/*
 * Stops a timer that belongs to another worker, or whose callback may run on another thread. While it does, it may
 * start the timer again: come back when it is over. OUTSIDE.
 */
static __attribute__((noinline, cold)) int edo_timer_stop_elsewhere(struct edo_timer_body *timer)
{
    bool was_set = false;

    for (;;) {
        struct edo_task *task = edo_task_self();
        struct edo_thread *thread = edo_enter(edo_thread_self());
        struct edo_worker *worker = edo_timer_worker(timer);
        bool elsewhere = worker != thread->worker;
        bool running;

        if (elsewhere)
            edo_remote_cross(thread, worker);
        was_set |= edo_wheel_remove(&worker->wheel, &timer->node);
        running = edo_timer_runs(worker, timer, thread);
        if (elsewhere)
            thread = edo_remote_return(worker);
        edo_leave(thread);
        if (!running)
            return was_set;
        if (task)
            edo_turn(task);
        sched_yield();
    }
}

static __attribute__((noinline, cold)) int edo_timer_stop_slow(struct edo_thread *thread, uint32_t found,
                                                               struct edo_timer_body *timer)
{
    edo_leave(edo_enter_slow(thread, found));
    return edo_timer_stop_elsewhere(timer);
}

int edo_timer_stop(edo_timer *public)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    struct edo_wheel *wheel;
    struct edo_worker *worker;
    uint32_t found;
    bool was_set;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    wheel = timer->wheel; /* only a start that finds it not running changes that */
    if (!wheel)
        return 0;
    found = edo_enter_found(thread);
    if (__builtin_expect(found != EDO_GUARD_OUTSIDE, 0))
        return edo_timer_stop_slow(thread, found, timer);
    worker = thread->worker;
    if (__builtin_expect(!worker || wheel != &worker->wheel ||
                             atomic_load_explicit(&worker->strays, memory_order_acquire) != 0,
                         0)) {
        edo_leave(thread);
        return edo_timer_stop_elsewhere(timer);
    }
    was_set = edo_wheel_remove(&worker->wheel, &timer->node);
    edo_leave(thread);
    return was_set;
}
