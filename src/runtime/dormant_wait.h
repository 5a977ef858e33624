/* SPDX-License-Identifier: MIT */
/*
 * The usual way into a dormant wait and out of it, inline: a server goes this way with every request. The wait is for a
 * source that is registered and has nothing, and ends when that is ready. Whatever else there is, dormant.c sees to,
 * from the beginning: what was done here is undone, but for being a user of the source, which lasts without a gap.
 *
 * Nothing is asked twice: whether the task is cancelled, only before it waits and when it was woken for something else
 * than its source, since a cancellation in between is a notification (park_word.h).
 */
#ifndef EDO_RUNTIME_DORMANT_WAIT_H
#define EDO_RUNTIME_DORMANT_WAIT_H

#include "runtime/poller.h"
#include "runtime/switch.h"

/*
 * For what is to be done by the deadline of a wait that begins. True: the alarm is armed for that, or earlier. By the
 * order in dormant.c the deadline is written first; then either it is seen by an alarm that fires, or that one is seen
 * as IDLE here.
 */
static inline bool edo_dormant_has_alarm(struct edo_task *task, int64_t deadline)
{
    atomic_store(&task->when_deadline, deadline);
    return atomic_load(&task->alarm_owner) == EDO_ALARM_ARMED && atomic_load(&task->armed_at) <= deadline;
}

/*
 * Makes known what the task waits for. OUTSIDE; returns the thread, INSIDE: the task is to be parked, and may have been
 * notified already; NULL: it is to run at once, OUTSIDE, task->resumption says why. `timed`: whether there is a
 * deadline.
 *
 * One look at the source's readiness, behind the enlisting, says that it is registered, not closed and has nothing: an
 * event, and a close, raise it first and take the waiter out then (poller.h).
 */
EDO_ALWAYS_INLINE struct edo_thread *edo_dormant_enter_readable(struct edo_task *task, bool timed)
{
    struct edo_source *source = task->source;
    struct edo_thread *thread;
    bool waits;

    if (__builtin_expect(edo_task_cancelled(task), 0))
        return edo_dormant_enter_armed(task);
    if (!edo_source_use(source)) {
        edo_source_refuse(source);
        return edo_dormant_enter_armed(task);
    }
    thread = edo_enter(edo_thread_self());
    if (__builtin_expect(edo_source_enlist(source, EDO_IN, task) == 0, 1)) {
        if (__builtin_expect(!edo_word_has(&source->readiness, EDO_READY_IN | EDO_SHUT | EDO_UNREGISTERED), 1)) {
            if (timed && __builtin_expect(!edo_dormant_has_alarm(task, task->wish), 0))
                thread = edo_dormant_set_deadline(thread, task, task->wish);
            if (!thread)
                __builtin_unreachable();
            return thread;
        }
        edo_source_delist(source, EDO_IN, task);
    }
    EDO_ANEW(source); /* so that no address is kept for this */
    edo_leave(thread);
    waits = edo_dormant_arm(task);
    edo_source_end(source); /* not before: a source that is closed in between would be another stream's */
    return waits ? edo_enter(edo_thread_self()) : NULL;
}

/*
 * When it runs again, OUTSIDE: true if its condition holds (task->resumption says which), false: armed again, park it.
 * That a deadline has passed as well does not count where the source is ready, so when_deadline is overwritten,
 * whatever it is.
 */
EDO_ALWAYS_INLINE bool edo_dormant_return_readable(struct edo_task *task, bool timed)
{
    struct edo_source *source = task->source;
    uint32_t seen;

    if (__builtin_expect(edo_source_has_waiter(source, EDO_IN), 0))
        return edo_dormant_check(task);
    edo_source_ready(source, EDO_IN, &seen);
    if (__builtin_expect((seen & (EDO_READY_IN | EDO_SHUT | EDO_HUP)) != EDO_READY_IN,
                         0)) /* HUP: half of it may be closed */
        return edo_dormant_check(task);
    if (timed)
        atomic_store_explicit(&task->when_deadline, 0, memory_order_release);
    task->resumption = 0;
    edo_source_leave(source, 0);
    return true;
}

#endif
