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

#include <errno.h>
#include <sched.h>

static struct edo_timer_body *edo_timer_of(edo_timer *timer)
{
    return (struct edo_timer_body *)(void *)timer;
}

static void edo_timer_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_timer_body *timer = EDO_CONTAINER_OF(alarm, struct edo_timer_body, alarm);
    struct edo_worker *worker = thread->worker;

    timer->state = EDO_TIMER_DUE;
    timer->next = NULL;
    if (worker->due)
        worker->due_last->next = timer;
    else
        worker->due = timer;
    worker->due_last = timer;
}

/* Whether its callback runs on another thread than this one. */
static bool edo_timer_runs_elsewhere(struct edo_thread *self, struct edo_timer_body *timer)
{
    struct edo_thread *runner = atomic_load_explicit(&timer->runner, memory_order_acquire);

    return runner && runner != self && atomic_load_explicit(&runner->running_timer, memory_order_acquire) == timer;
}

void edo_timers_run(struct edo_thread *thread)
{
    enum { EDO_TIMER_PATIENCE = 50000 }; /* ns */

    while (thread->worker && thread->worker->due) {
        struct edo_timer_body *timer = thread->worker->due;
        void (*callback)(void *) = timer->callback;
        void *argument = timer->argument;

        thread->worker->due = timer->next;
        if (edo_timer_runs_elsewhere(thread, timer)) { /* restarted, and its last callback is not over: one at a time */
            timer->state = EDO_TIMER_ARMED;
            edo_alarm_arm(thread, &timer->alarm, edo_platform->now() + EDO_TIMER_PATIENCE);
            continue;
        }
        timer->state = EDO_TIMER_IDLE;
        atomic_store_explicit(&timer->runner, thread, memory_order_relaxed);
        atomic_store_explicit(&thread->running_timer, timer, memory_order_release);
        edo_leave(thread);
        callback(argument);
        atomic_store_explicit(&thread->running_timer, NULL, memory_order_release);
        edo_enter(thread);
    }
}

/* Makes the timer IDLE, wherever it waits. Its worker's data are the caller's. True if it was not idle. */
static bool edo_timer_unset(struct edo_timer_body *timer)
{
    struct edo_worker *worker = timer->alarm.worker;
    uint32_t state = timer->state;

    timer->state = EDO_TIMER_IDLE;
    if (state == EDO_TIMER_ARMED) {
        edo_wheel_remove(&worker->wheel, &timer->alarm.node);
    } else if (state == EDO_TIMER_DUE) {
        struct edo_timer_body **link = &worker->due;
        struct edo_timer_body *previous = NULL;

        while (*link != timer) {
            previous = *link;
            link = &previous->next;
        }
        *link = timer->next;
        if (worker->due_last == timer)
            worker->due_last = previous;
    }
    return state != EDO_TIMER_IDLE;
}

/*
 * The same from INSIDE any worker. *running: the callback runs on another thread; if it does not, then, since only the
 * worker's own thread starts it, it will not either until the timer is started again.
 */
static struct edo_thread *edo_timer_unset_anywhere(bool *was_set, bool *running, struct edo_thread *thread,
                                                   struct edo_timer_body *timer)
{
    struct edo_worker *worker = timer->alarm.worker;

    if (worker == thread->worker) {
        *was_set = edo_timer_unset(timer);
        *running = edo_timer_runs_elsewhere(thread, timer);
        return thread;
    }
    edo_leave(thread);
    edo_remote_begin(worker);
    *was_set = edo_timer_unset(timer);
    *running = edo_timer_runs_elsewhere(thread, timer);
    edo_remote_end(worker);
    return edo_enter(edo_thread_self());
}

void edo_timer_init(edo_timer *public, void (*callback)(void *argument), void *argument)
{
    struct edo_timer_body *timer = edo_timer_of(public);

    memset(public, 0, sizeof *public);
    timer->alarm.fire = edo_timer_fire;
    timer->callback = callback;
    timer->argument = argument;
}

/* A callback's thread has lost its worker: the timer goes into another one's wheel. OUTSIDE. */
static void edo_timer_start_remote(struct edo_timer_body *timer, struct edo_worker *worker, int64_t deadline)
{
    edo_remote_begin(worker);
    if (timer->alarm.worker != worker)
        timer->alarm.worker = worker;
    timer->state = EDO_TIMER_ARMED;
    edo_wheel_add(&worker->wheel, &timer->alarm.node, deadline);
    edo_remote_end(worker);
    edo_wake_worker(worker); /* it may sleep for longer than this */
}

int edo_timer_start(edo_timer *public, int64_t deadline)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    bool was_set, running;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    thread = edo_enter(thread);
    if (timer->alarm.worker)
        thread = edo_timer_unset_anywhere(&was_set, &running, thread, timer);
    if (__builtin_expect(!thread->worker, 0)) {
        /* Where it was before, since a stop may be looking for it there. */
        struct edo_worker *worker = timer->alarm.worker ? timer->alarm.worker : &thread->runtime->workers[0];

        edo_leave(thread);
        edo_timer_start_remote(timer, worker, deadline);
        return 0;
    }
    timer->state = EDO_TIMER_ARMED;
    edo_alarm_arm(thread, &timer->alarm, deadline);
    edo_leave(thread);
    return 0;
}

int edo_timer_stop(edo_timer *public)
{
    struct edo_timer_body *timer = edo_timer_of(public);
    struct edo_thread *thread = edo_thread_self();
    bool was_set, running;
    int rc = 0;

    if (__builtin_expect(!thread, 0))
        return -EPERM;
    if (!timer->alarm.worker)
        return 0;
    for (;;) {
        struct edo_task *task = edo_task_self();

        thread = edo_enter(edo_thread_self());
        thread = edo_timer_unset_anywhere(&was_set, &running, thread, timer);
        edo_leave(thread);
        rc |= was_set;
        if (!running)
            return rc;
        if (task) /* the callback runs, and may start the timer again: come back when it is over */
            edo_turn(task);
        sched_yield();
    }
}
