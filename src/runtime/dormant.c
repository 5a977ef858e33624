/* SPDX-License-Identifier: MIT */
/*
 * Dormant tasks: waiting without a stack (rule K5).
 *
 * A dormant task is parked like any other, but what stands in its block is the function to run, not a suspended flow.
 * Its wait is registered by edo_dormant_arm and undone by edo_dormant_check, both with the task in hand, on a stack
 * that is lent (waits for reading have a shorter way of both, in dormant_wait.h); in between, a waker only unparks.
 * While it waits it is a user of its source (poller.h), so a close is told to it and the source stays until it knows.
 *
 * Its deadline's alarm is lazy. A connection that is served a thousand times before it idles out would arm and disarm a
 * thousand times, often on another worker's wheel. Instead the alarm stays where it is when the wait ends, and when it
 * fires, early for the current wait, moves itself to the deadline in force:
 *
 *   when_deadline  0: no deadline waited for; -1: it has passed; else the deadline. Written by the task when it arms
 *                  and checks; the alarm exchanges a deadline that has come for -1.
 *   alarm_owner    ARMED: the alarm is in a wheel, or about to be put there by the task, or it fires.
 *   armed_at       for what time; a task that needs an earlier one moves it.
 *
 * The task writes when_deadline, then tries IDLE -> ARMED; the alarm that finds no deadline writes IDLE, then reads
 * when_deadline again (all seq_cst): the task sees IDLE, or is woken, for nothing, and sees it then. Only the task puts
 * an idle alarm into a wheel; one that has fired, ARMED still, goes back into the same worker's only: which that is is
 * certain while ARMED.
 */
#include "runtime/dormant_wait.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"

#include <errno.h>

enum { EDO_DEADLINE_PASSED = -1 };

/* --- The lazy alarm ----------------------------------------------------------------------------------------------- */

static bool edo_alarm_claim(struct edo_task *task)
{
    uint8_t idle = EDO_ALARM_IDLE;

    return atomic_compare_exchange_strong(&task->alarm_owner, &idle, EDO_ALARM_ARMED);
}

static void edo_dormant_put_alarm(struct edo_thread *thread, struct edo_task *task, int64_t deadline)
{
    atomic_store(&task->armed_at, deadline);
    edo_alarm_arm(thread, &task->alarm, deadline);
}

static void edo_dormant_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_task *task = EDO_CONTAINER_OF(alarm, struct edo_task, alarm);
    int64_t fired = alarm->node.deadline;
    bool wake = false;

    for (;;) {
        int64_t deadline = atomic_load(&task->when_deadline);

        if (deadline > fired) {
            bool was_armed;

            edo_dormant_put_alarm(thread, task, deadline);
            /* Has it become earlier meanwhile? Then the task, if it did not see armed_at, relies on this. */
            fired = atomic_load(&task->when_deadline);
            if (fired <= 0 || fired >= deadline)
                return;
            edo_alarm_disarm_inside(&was_armed, thread, alarm); /* it is in this worker's own wheel */
            fired = 0;
            continue;
        }
        if (deadline <= 0)
            break;
        wake = atomic_compare_exchange_strong(&task->when_deadline, &deadline, EDO_DEADLINE_PASSED);
        if (wake)
            break;
    }
    atomic_store(&task->alarm_owner, EDO_ALARM_IDLE);
    /*
     * From here on the alarm is the task's. Woken by something else it may wait again already, and have found it ARMED.
     */
    if (wake || atomic_load(&task->when_deadline) > 0)
        edo_unpark_last(thread, task);
}

struct edo_thread *edo_dormant_set_deadline(struct edo_thread *thread, struct edo_task *task, int64_t deadline)
{
    if (!task->alarm.fire) /* once and for all: it may be in another worker's wheel */
        task->alarm.fire = edo_dormant_fire;
    atomic_store(&task->when_deadline, deadline);
    for (;;) {
        bool was_armed;

        if (edo_alarm_claim(task)) {
            edo_dormant_put_alarm(thread, task, deadline);
            return thread;
        }
        if (atomic_load(&task->armed_at) <= deadline)
            return thread;
        thread = edo_alarm_disarm_inside(&was_armed, thread, &task->alarm);
        if (was_armed) {
            edo_dormant_put_alarm(thread, task, deadline);
            return thread;
        }
    }
}

void edo_dormant_disarm(struct edo_task *task)
{
    if (atomic_load(&task->alarm_owner) == EDO_ALARM_IDLE)
        return;
    atomic_store(&task->when_deadline, 0);
    edo_alarm_disarm(&task->alarm);
    atomic_store(&task->alarm_owner, EDO_ALARM_IDLE);
}

/* --- The condition ------------------------------------------------------------------------------------------------ */

_Static_assert(EDO_WHEN_READABLE_ - EDO_IN == EDO_WHEN_WRITABLE_ - EDO_OUT, "a direction is a difference");

/* Which direction a wait for a source is about. */
static inline int edo_dormant_direction(const struct edo_task *task)
{
    return task->when_what == EDO_WHEN_WRITABLE_ ? EDO_OUT : EDO_IN;
}

/* By when it is to be over; 0: no deadline. */
static inline int64_t edo_dormant_deadline(const struct edo_task *task)
{
    return task->when_what == EDO_WHEN_READABLE_ ? 0 : task->wish;
}

/* The public struct names a stream; streams begin with their source (io/stream.h). 0, or what is wrong. */
static inline int edo_dormant_set(struct edo_task *task, const edo_when *when)
{
    /* A deadline in the past is one that has come: 1 ns after the clock's start. */
    task->wish = when->deadline < 0 ? 1 : when->deadline;
    task->source = NULL;
    task->when_what = (uint8_t)when->what_;
    switch (when->what_) {
    case EDO_WHEN_READABLE_:
    case EDO_WHEN_WRITABLE_:
        if (when->what_ == EDO_WHEN_READABLE_ && task->wish)
            task->when_what = EDO_WHEN_READABLE_BY;
        task->source = (struct edo_source *)when->object_;
        if (task->source)
            return 0;
        break;
    case EDO_WHEN_AT_:
        if (task->wish == 0)
            task->wish = 1;
        return 0;
    case EDO_WHEN_NOW_:
        return 0;
    }
    task->when_what = EDO_WHEN_WRONG;
    return task->resumption = -EINVAL;
}

/* Becomes the waiter of its source, which is registered if it was not, or asked again for its state. OUTSIDE. */
static inline int edo_dormant_publish(struct edo_task *task, struct edo_worker *worker)
{
    struct edo_source *source = task->source;
    int rc = edo_source_begin(source);

    if (rc < 0)
        return rc;
    rc = edo_source_ask(source, edo_dormant_direction(task), worker);
    if (rc == 0)
        rc = edo_source_enlist(source, edo_dormant_direction(task), task);
    if (rc < 0)
        edo_source_end(source);
    return rc;
}

static inline void edo_dormant_unpublish(struct edo_task *task)
{
    edo_source_delist(task->source, edo_dormant_direction(task), task);
    edo_source_end(task->source);
}

/* What holds now: 0, -EBADF, -ECANCELED, -ETIMEDOUT; 1: nothing, go on waiting. */
static inline int edo_dormant_state(struct edo_task *task, bool passed)
{
    struct edo_source *source = task->source;
    uint32_t seen;

    if (source) {
        if (edo_source_is_closed(source) || edo_source_half_closed(source, edo_dormant_direction(task)))
            return -EBADF;
        if (edo_source_ready(source, edo_dormant_direction(task), &seen))
            return 0;
    } else if (passed || task->when_what == EDO_WHEN_NOW_) {
        if (task->when_what == EDO_WHEN_AT_ || !edo_task_cancelled(task))
            return 0;
    }
    if (__builtin_expect(edo_task_cancelled(task), 0))
        return -ECANCELED;
    return passed ? -ETIMEDOUT : 1;
}

bool edo_dormant_arm(struct edo_task *task)
{
    int64_t deadline = edo_dormant_deadline(task);

    if (__builtin_expect(edo_task_cancelled(task) || task->when_what == EDO_WHEN_WRONG, 0)) {
        if (task->when_what != EDO_WHEN_WRONG)
            task->resumption = -ECANCELED;
        return false;
    }
    if (task->source) {
        int state = edo_dormant_publish(task, NULL);

        if (state == 0) {
            state = edo_dormant_state(task, false);
            if (state <= 0)
                edo_dormant_unpublish(task);
        }
        if (state <= 0) {
            task->resumption = state;
            return false;
        }
    } else if (task->when_what == EDO_WHEN_NOW_) {
        return true;
    }
    if (deadline)
        edo_leave(edo_dormant_set_deadline(edo_enter(edo_thread_self()), task, deadline));
    return true;
}

bool edo_dormant_check(struct edo_task *task)
{
    bool passed = edo_dormant_deadline(task) && atomic_exchange(&task->when_deadline, 0) == EDO_DEADLINE_PASSED;
    int state = edo_dormant_state(task, passed);
    struct edo_source *source = task->source;

    if (source)
        edo_source_delist(source, edo_dormant_direction(task), task);
    if (state > 0)
        state = edo_dormant_arm(task) ? 1 : task->resumption;
    if (source)
        edo_source_end(source); /* after arming, which is a user again: a source that is closed meanwhile stays */
    task->resumption = state;
    return state <= 0;
}

struct edo_thread *edo_dormant_enter_armed(struct edo_task *task)
{
    return edo_dormant_arm(task) ? edo_enter(edo_thread_self()) : NULL;
}

struct edo_thread *edo_dormant_enter(struct edo_task *task, uint8_t what)
{
    return what == EDO_WHEN_READABLE_BY ? edo_dormant_enter_readable(task, true) : edo_dormant_enter_armed(task);
}

bool edo_dormant_return(struct edo_task *task)
{
    return task->when_what == EDO_WHEN_READABLE_BY ? edo_dormant_return_readable(task, true) : edo_dormant_check(task);
}

int edo_dormant_prepare(struct edo_task *task, const edo_when *when)
{
    int rc = edo_dormant_set(task, when);
    struct edo_runtime *runtime = task->home->runtime;

    if (rc < 0)
        return rc;
    if (!task->source)
        return 0;
    /* Nobody has waited there yet: spread such sockets over the workers' pollers. */
    return edo_dormant_publish(
        task, &runtime->workers[atomic_fetch_add_explicit(&runtime->next_poller, 1, memory_order_relaxed) %
                                (uint32_t)runtime->worker_count]);
}

void edo_dormant_unprepare(struct edo_task *task)
{
    if (task->when_what && task->source)
        edo_dormant_unpublish(task);
}

void edo_dormant_start(struct edo_thread *thread, struct edo_task *task)
{
    int64_t deadline = edo_dormant_deadline(task);

    edo_scope_list(task);
    if (deadline) /* the alarm is idle, so the guard is not left */
        edo_dormant_set_deadline(thread, task, deadline);
    if (edo_dormant_state(task, false) > 0 && edo_park_word_park(&task->wake))
        return;
    edo_ready_last(thread, task);
}

/* --- Public ------------------------------------------------------------------------------------------------------- */

int edo_continue_with(const edo_when *when, edo_task_fn fn, void *argument)
{
    struct edo_task *task = edo_task_self();

    if (!task || !fn)
        return -EPERM;
    task->fn = fn;
    task->argument = argument;
    edo_dormant_set(task, when);
    return EDO_CONTINUED_;
}

int edo_continue_readable(struct edo_stream *stream, edo_task_fn fn, void *argument)
{
    struct edo_task *task = edo_task_self();

    if (__builtin_expect(!task, 0) || __builtin_expect(!fn, 0))
        return -EPERM;
    task->fn = fn;
    task->argument = argument;
    if (__builtin_expect(!stream, 0)) {
        edo_dormant_set(task, &EDO_WHEN_READABLE(NULL));
        return EDO_CONTINUED_;
    }
    task->source = (struct edo_source *)stream;
    task->when_what = EDO_WHEN_READABLE_;
    return EDO_CONTINUED_;
}

int edo_resumption(void)
{
    struct edo_task *task = edo_task_self();

    return task ? task->resumption : 0;
}
