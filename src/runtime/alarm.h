/* SPDX-License-Identifier: MIT */
/*
 * Alarms: what lies in a worker's timing wheel (beside the user's timers, timer.h), and how it is taken out from
 * elsewhere.
 *
 * A wheel belongs to its worker: whoever is inside the worker (guard.h) may touch it, no lock. An alarm is armed by the
 * task's current worker and remembers it. Disarming on the same worker is direct; from another worker, or by a thread
 * without one, it goes through edo_remote_begin/end, which shuts the owner out for the moment. So when
 * edo_alarm_disarm returns, `fire` has either run to its end or will never run.
 *
 * `fire` runs inside the worker (guard held): it makes tasks ready and calls no user code.
 */
#ifndef EDO_RUNTIME_ALARM_H
#define EDO_RUNTIME_ALARM_H

#include "runtime/wheel.h"

struct edo_thread;
struct edo_worker;

struct edo_alarm {
    struct edo_wheel_node node;
    struct edo_worker *worker; /* in whose wheel it was last put; NULL: never */
    void (*fire)(struct edo_thread *thread, struct edo_alarm *alarm);
};

/* Arms on the worker that `thread` is inside of. The alarm must not be armed. */
void edo_alarm_arm(struct edo_thread *thread, struct edo_alarm *alarm, int64_t deadline);

/*
 * Disarms, on whichever worker it is; *was_armed tells whether it still was. The caller is INSIDE, of its own worker:
 * if the alarm lies elsewhere it is left meanwhile, and entered again.
 */
struct edo_thread *edo_alarm_disarm_inside(bool *was_armed, struct edo_thread *thread, struct edo_alarm *alarm);

/* The same from OUTSIDE. True if it was armed. */
bool edo_alarm_disarm(struct edo_alarm *alarm);

/* Shuts the owner of `worker` out, to work on its wheel. The caller is not INSIDE anything. Short. */
void edo_remote_begin(struct edo_worker *worker);
void edo_remote_end(struct edo_worker *worker);

/* The same for who is INSIDE another worker: leaves that one; and comes back, perhaps on another thread. */
void edo_remote_cross(struct edo_thread *thread, struct edo_worker *worker);
struct edo_thread *edo_remote_return(struct edo_worker *worker);

/* Begins if that takes no waiting; false: nothing was begun. */
bool edo_remote_begin_try(struct edo_worker *worker);

/*
 * For the owner's own flow, INSIDE: leaves until a remote that waits has been served. It may have lost its worker then.
 */
void edo_remote_let(struct edo_thread *thread);

#endif
