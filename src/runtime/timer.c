/* SPDX-License-Identifier: MIT */
/*
 * Timers that call a function. See timer.h for who owns their fields.
 *
 * Callbacks are user code and run with the guard left, on a worker's own flow. A timer may be freed in its callback, so
 * after the call nothing of it is touched: that it runs stands in the thread, where edo_timer_stop looks.
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

static void edo_timer_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    edo_wheel_hold(&thread->worker->wheel, &alarm->node);
}

/*
 * Whether its callback runs on another thread than this one. If it has run and is over, that is forgotten, so that the
 * next stop need not ask. The timer's worker is the caller's own, so no callback begins meanwhile.
 */
static bool edo_timer_runs_elsewhere(struct edo_thread *self, struct edo_timer_body *timer)
{
    struct edo_thread *runner = atomic_load_explicit(&timer->runner, memory_order_acquire);

    if (!runner)
        return false;
    if (atomic_load_explicit(&runner->running_timer, memory_order_acquire) == timer)
        return runner != self;
    atomic_store_explicit(&timer->runner, NULL, memory_order_relaxed);
    return false;
}

void edo_timers_run(struct edo_thread *thread)
{
    enum { EDO_TIMER_PATIENCE = 50000 }; /* ns */

    struct edo_wheel_node *node;

    while (thread->worker && (node = edo_wheel_held(&thread->worker->wheel))) {
        struct edo_timer_body *timer = EDO_CONTAINER_OF(node, struct edo_timer_body, alarm.node);
        void (*callback)(void *) = timer->callback;
        void *argument = timer->argument;

        edo_wheel_remove(&thread->worker->wheel, node);
        if (edo_timer_runs_elsewhere(thread, timer)) { /* restarted, and its last callback is not over: one at a time */
            edo_alarm_arm(thread, &timer->alarm, edo_platform->now() + EDO_TIMER_PATIENCE);
            continue;
        }
        atomic_store_explicit(&timer->runner, thread, memory_order_relaxed);
        atomic_store_explicit(&thread->running_timer, timer, memory_order_release);
        edo_leave(thread);
        callback(argument);
        atomic_store_explicit(&thread->running_timer, NULL, memory_order_release);
        edo_enter(thread);
    }
}

void edo_timer_init(edo_timer *public, void (*callback)(void *argument), void *argument)
{
    struct edo_timer_body *timer = edo_timer_of(public);

    memset(public, 0, sizeof *public);
    timer->alarm.fire = edo_timer_fire;
    timer->callback = callback;
    timer->argument = argument;
}

/*
 * Starts a timer that does not belong to the worker that `thread` is INSIDE of: takes it out of where it is, and arms it
 * here. A timer that starts itself again does not move, since a stop may be reading where it is.
 */
static __attribute__((noinline, cold)) void edo_timer_start_elsewhere(struct edo_thread *thread,
                                                                      struct edo_timer_body *timer, int64_t deadline)
{
    struct edo_worker *worker = timer->alarm.worker;

    if (worker && worker != thread->worker) {
        edo_remote_cross(thread, worker);
        edo_wheel_remove(&worker->wheel, &timer->alarm.node);
        thread = edo_remote_return(worker);
    }
    if (__builtin_expect(thread->worker != NULL, 1)) {
        if (timer->alarm.worker != thread->worker)
            timer->alarm.worker = thread->worker;
        edo_wheel_add(&thread->worker->wheel, &timer->alarm.node, deadline);
        edo_leave(thread);
        return;
    }
    /* A callback's thread has lost its worker. Where the timer was before, since a stop may be looking for it there. */
    if (!worker)
        worker = &thread->runtime->workers[0];
    assert(worker); /* a runtime has one */
    edo_leave(thread);
    edo_remote_begin(worker);
    if (timer->alarm.worker != worker)
        timer->alarm.worker = worker;
    edo_wheel_add(&worker->wheel, &timer->alarm.node, deadline);
    edo_remote_end(worker);
    edo_wake_worker(worker); /* it may sleep for longer than this */
}

int edo_timer_start(edo_timer *public, int64_t deadline)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    struct edo_worker *worker;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    __builtin_prefetch(timer, 1); /* on its way while the thread enters */
    thread = edo_enter(thread);
    worker = timer->alarm.worker;
    if (__builtin_expect(!worker || worker != thread->worker, 0)) {
        edo_timer_start_elsewhere(thread, timer, deadline);
        return 0;
    }
    if (__builtin_expect(edo_wheel_node_armed(&timer->alarm.node), 0))
        edo_wheel_remove(&worker->wheel, &timer->alarm.node);
    edo_wheel_add(&worker->wheel, &timer->alarm.node, deadline);
    edo_leave(thread);
    return 0;
}

/*
 * Stops a timer that belongs to another worker, or whose callback has run and perhaps still does. While it runs, on
 * another thread, it may start the timer again: come back when it is over. If it does not then, since only the worker's
 * own thread starts it, it will not either until the timer is started again. OUTSIDE.
 */
static __attribute__((noinline, cold)) int edo_timer_stop_elsewhere(struct edo_timer_body *timer)
{
    bool was_set = false;

    for (;;) {
        struct edo_task *task = edo_task_self();
        struct edo_thread *thread = edo_enter(edo_thread_self());
        struct edo_worker *worker = timer->alarm.worker;
        bool elsewhere = worker != thread->worker;
        bool running;

        if (elsewhere)
            edo_remote_cross(thread, worker);
        was_set |= edo_wheel_remove(&worker->wheel, &timer->alarm.node);
        running = edo_timer_runs_elsewhere(thread, timer);
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

int edo_timer_stop(edo_timer *public)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    struct edo_worker *worker;
    bool was_set;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    if (!timer->alarm.worker)
        return 0;
    thread = edo_enter(thread);
    worker = timer->alarm.worker;
    if (__builtin_expect(worker != thread->worker || atomic_load_explicit(&timer->runner, memory_order_relaxed) != NULL,
                         0)) {
        edo_leave(thread);
        return edo_timer_stop_elsewhere(timer);
    }
    was_set = edo_wheel_remove(&worker->wheel, &timer->alarm.node);
    edo_leave(thread);
    return was_set;
}
