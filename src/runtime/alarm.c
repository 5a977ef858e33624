/* SPDX-License-Identifier: MIT */
/*
 * Arming and disarming across workers. See alarm.h.
 *
 * A remote holds the worker's thread_lock, so the worker stays with its thread, and moves that thread's guard from
 * OUTSIDE (or POLLING) to REMOTE. A thread that enters meanwhile finds REMOTE, has put INSIDE in its place, and waits.
 * At its end the remote either puts the old value back, or sees from INSIDE that the thread waits, and then, only then,
 * grants it the entry. One grant a collision: the next remote can't get past INSIDE.
 *
 * A thread may be INSIDE nearly all the time, and a remote, trying now and then, never meet it OUTSIDE: so a remote
 * that has tried for long says that it waits (remote_wanted), and the thread's own flow stays out until it has been
 * served.
 */
#include "runtime/runtime.h"

#include <sched.h>

void edo_alarm_arm(struct edo_thread *thread, struct edo_alarm *alarm, int64_t deadline)
{
    /* A timer that starts itself again does not move, and a stop may be reading. */
    if (alarm->worker != thread->worker)
        alarm->worker = thread->worker;
    edo_wheel_add(&thread->worker->wheel, &alarm->node, deadline);
}

static uint32_t edo_remote_try(struct edo_thread *thread)
{
    uint32_t guard = atomic_load_explicit(&thread->guard, memory_order_relaxed);

    if (guard != EDO_GUARD_OUTSIDE && guard != EDO_GUARD_POLLING)
        return EDO_GUARD_INSIDE;
    if (atomic_compare_exchange_strong_explicit(&thread->guard, &guard, EDO_GUARD_REMOTE, memory_order_acq_rel,
                                                memory_order_relaxed))
        return guard;
    return EDO_GUARD_INSIDE;
}

#ifndef EDO_REMOTE_SPINS /* models in tests make it smaller */
#define EDO_REMOTE_SPINS 100
#endif

void edo_remote_begin(struct edo_worker *worker)
{
    edo_lock_acquire(&worker->thread_lock);
    for (int spins = 0;; spins += spins <= EDO_REMOTE_SPINS) {
        uint32_t was = edo_remote_try(worker->thread);

        if (was != EDO_GUARD_INSIDE) {
            atomic_store_explicit(&worker->remote_wanted, false, memory_order_relaxed);
            worker->remote_found = was;
            return;
        }
        if (spins == EDO_REMOTE_SPINS)
            atomic_store_explicit(&worker->remote_wanted, true, memory_order_relaxed);
        if (spins > EDO_REMOTE_SPINS)
            sched_yield();
    }
}

bool edo_remote_begin_try(struct edo_worker *worker)
{
    if (!edo_lock_try(&worker->thread_lock))
        return false;
    worker->remote_found = edo_remote_try(worker->thread);
    if (worker->remote_found != EDO_GUARD_INSIDE)
        return true;
    edo_lock_release(&worker->thread_lock);
    return false;
}

void edo_remote_let(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;

    edo_leave(thread);
    while (atomic_load_explicit(&worker->remote_wanted, memory_order_relaxed))
        sched_yield();
    edo_enter(thread);
}

void edo_remote_end(struct edo_worker *worker)
{
    uint32_t expected = EDO_GUARD_REMOTE;

    if (!atomic_compare_exchange_strong_explicit(&worker->thread->guard, &expected, worker->remote_found,
                                                 memory_order_acq_rel, memory_order_relaxed))
        atomic_store_explicit(&worker->thread->granted, 1, memory_order_release);
    edo_lock_release(&worker->thread_lock);
}

void edo_remote_wait(struct edo_thread *thread)
{
    while (!atomic_load_explicit(&thread->granted, memory_order_acquire))
        sched_yield();
    atomic_store_explicit(&thread->granted, 0, memory_order_relaxed);
}

void edo_remote_cross(struct edo_thread *thread, struct edo_worker *worker)
{
    edo_leave(thread);
    edo_remote_begin(worker);
}

struct edo_thread *edo_remote_return(struct edo_worker *worker)
{
    edo_remote_end(worker);
    return edo_enter(edo_thread_self());
}

struct edo_thread *edo_alarm_disarm_inside(bool *was_armed, struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_worker *worker = alarm->worker;

    *was_armed = false;
    if (!worker)
        return thread;
    if (worker == thread->worker) {
        *was_armed = edo_wheel_remove(&worker->wheel, &alarm->node);
        return thread;
    }
    edo_remote_cross(thread, worker);
    *was_armed = edo_wheel_remove(&worker->wheel, &alarm->node);
    return edo_remote_return(worker);
}

bool edo_alarm_disarm(struct edo_alarm *alarm)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());
    bool was_armed;

    thread = edo_alarm_disarm_inside(&was_armed, thread, alarm);
    edo_leave(thread);
    return was_armed;
}
