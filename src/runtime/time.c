/* SPDX-License-Identifier: MIT */
/* The clock, sleeping, and intervals. */
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "runtime/options.h"
#include "runtime/sleeper.h"
#include "platform/platform.h"

#include <edo/time.h>

#include <errno.h>

int64_t edo_now(void)
{
    return edo_platform->now();
}

int64_t edo_wall(void)
{
    return edo_platform->wall();
}

void edo_sleeper_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_sleeper *sleeper = EDO_CONTAINER_OF(alarm, struct edo_sleeper, alarm);
    struct edo_task *task = sleeper->task; /* once `fired` is seen, the frame may be gone */

    atomic_store_explicit(&sleeper->fired, true, memory_order_release);
    edo_unpark_last(thread, task);
}

void edo_sleeper_arm(struct edo_thread *thread, struct edo_sleeper *sleeper, int64_t deadline)
{
    sleeper->alarm.fire = edo_sleeper_fire;
    edo_alarm_arm(thread, &sleeper->alarm, deadline);
}

struct edo_thread *edo_sleeper_disarm(struct edo_thread *thread, struct edo_sleeper *sleeper)
{
    bool was_armed;

    if (!sleeper->alarm.worker || edo_sleeper_fired(sleeper))
        return thread;
    return edo_alarm_disarm_inside(&was_armed, thread, &sleeper->alarm);
}

static int edo_sleep_task(struct edo_task *task, int64_t deadline)
{
    struct edo_sleeper sleeper = {.task = task};
    struct edo_thread *thread = edo_enter(edo_thread_self());
    int rc;

    edo_sleeper_arm(thread, &sleeper, deadline);
    for (;;) {
        rc = edo_sleeper_fired(&sleeper) ? 0 : edo_task_cancelled(task) ? -ECANCELED : 1;
        if (rc <= 0)
            break;
        thread = edo_park_inside(thread, task);
    }
    thread = edo_sleeper_disarm(thread, &sleeper);
    edo_leave(thread);
    return rc;
}

int edo_sleep_until(int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    int rc;

    if (!task)
        return -EPERM;
    rc = edo_suspension_point(task);
    if (rc < 0 || deadline <= edo_platform->now())
        return rc;
    return edo_sleep_task(task, deadline);
}

int edo_sleep(int64_t duration)
{
    struct edo_task *task = edo_task_self();
    int rc;

    if (!task)
        return -EPERM;
    rc = edo_suspension_point(task);
    if (rc < 0 || duration <= 0)
        return rc;
    return edo_sleep_task(task, edo_deadline_after(edo_platform->now(), duration));
}

/* --- Intervals ---------------------------------------------------------------------------------------------------- */

int edo_interval_init(edo_interval *interval, int64_t period, int missed)
{
    if (period < 1000 || missed < EDO_MISSED_BURST || missed > EDO_MISSED_SKIP)
        return -EINVAL;
    interval->period_ = period;
    interval->missed_ = missed;
    interval->reserved_ = 0;
    interval->next_ = edo_deadline_after(edo_platform->now(), period);
    return 0;
}

int64_t edo_interval_tick(edo_interval *interval)
{
    int64_t left_out = 0;
    int64_t now;
    int rc = edo_sleep_until(interval->next_);

    if (rc < 0)
        return rc;
    now = edo_platform->now();
    if (interval->missed_ == EDO_MISSED_SKIP && now > interval->next_)
        left_out = (now - interval->next_) / interval->period_;
    if (interval->missed_ == EDO_MISSED_DELAY)
        interval->next_ = edo_deadline_after(now, interval->period_);
    else
        interval->next_ = edo_deadline_after(interval->next_ + left_out * interval->period_, interval->period_);
    return left_out;
}
