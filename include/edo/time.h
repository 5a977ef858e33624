/* SPDX-License-Identifier: MIT */
/*
 * Time: the clock, waiting for a time, ticks, and timers that need no task.
 *
 * Times are ns on the monotonic clock. Timers are kept to 1.024 µs: they fire at their deadline or up to that much
 * later (plus what the kernel takes to wake a thread), never before it.
 */
#ifndef EDO_TIME_H
#define EDO_TIME_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The monotonic clock (clock_gettime(2), CLOCK_MONOTONIC). Any thread. */
EDO_API int64_t edo_now(void);

/* The wall clock: ns since 1970-01-01 UTC. For people and protocols, never for deadlines. Any thread. */
EDO_API int64_t edo_wall(void);

/*
 * Waits for a time to pass (to come). 0 when it has; -ECANCELED when the scope was cancelled before. A time that has
 * already passed returns at once, but is a suspension point all the same. -EPERM outside a task.
 */
EDO_API int edo_sleep(int64_t duration);
EDO_API int edo_sleep_until(int64_t deadline);

/* What an interval does about ticks that were missed because the task was busy for longer than a period. */
enum edo_missed {
    EDO_MISSED_BURST = 0, /* deliver them one after the other, at once, until caught up */
    EDO_MISSED_DELAY,     /* the next tick is one period after the late one was taken */
    EDO_MISSED_SKIP       /* leave them out; later ticks stay on the original beat */
};

/* A beat. Lives anywhere, owned by one task at a time; needs no finish. All fields are the library's. */
typedef struct edo_interval {
    int64_t next_;
    int64_t period_;
    int missed_;
    int reserved_;
} edo_interval;

/* The first tick is one period from now. 0; -EINVAL for a period below 1 µs or an unknown policy. */
EDO_API int edo_interval_init(edo_interval *interval, int64_t period, int missed);

/*
 * Waits for the next tick. Returns how many ticks were left out before it (only EDO_MISSED_SKIP leaves any out), else
 * -ECANCELED (the tick has not been taken: the next call waits for the same one); -EPERM outside a task.
 */
EDO_API int64_t edo_interval_tick(edo_interval *interval);

/*
 * A timer that calls a function. Lives anywhere, owned by the caller; belongs to the runtime where it was first started
 * (for another one, initialize it again). All fields are the library's.
 */
typedef struct edo_timer {
    uint64_t reserved_[6];
} edo_timer;

/*
 * Prepares a timer. `callback` runs on a worker of the runtime that started it, outside any task: it must be short and
 * must not wait. It may wake words, cancel scopes it knows to be alive, and start and stop timers, also this one.
 */
EDO_API void edo_timer_init(edo_timer *timer, void (*callback)(void *argument), void *argument);

/*
 * Arms the timer; one that is armed is moved. A deadline in the past fires at the next opportunity, not inside this
 * call. 0; -EPERM on a thread that is not of a runtime. From tasks and timer callbacks, one at a time for one timer.
 * Never allocates and never makes a syscall.
 */
EDO_API int edo_timer_start(edo_timer *timer, int64_t deadline);

/*
 * Disarms the timer. 1 if it was armed: the callback will not run; 0 if not: it has run, or was never armed. When stop
 * returns, the callback does not run any more (except the one that called stop), so the memory may be reused. -EPERM on
 * a thread that is not of a runtime.
 */
EDO_API int edo_timer_stop(edo_timer *timer);

#ifdef __cplusplus
}
#endif

#endif
