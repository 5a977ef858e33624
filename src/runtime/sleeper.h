/* SPDX-License-Identifier: MIT */
/*
 * A deadline for a task that is parked: lies on the waiting call's frame. `fired` is written by the worker in whose
 * wheel it is, and read by the task; the task's wake follows.
 */
#ifndef EDO_RUNTIME_SLEEPER_H
#define EDO_RUNTIME_SLEEPER_H

#include "runtime/alarm.h"

#include <stdatomic.h>

struct edo_task;

struct edo_sleeper {
    struct edo_task *task;
    struct edo_alarm alarm;
    _Atomic bool fired;
};

/* What its alarm does. For reports, which know a sleeper by it. */
void edo_sleeper_fire(struct edo_thread *thread, struct edo_alarm *alarm);

/* Arms it. INSIDE. `task` is set and the rest zero. */
void edo_sleeper_arm(struct edo_thread *thread, struct edo_sleeper *sleeper, int64_t deadline);

/* Afterwards its memory is free. INSIDE, before and after. Fine if it was never armed. */
struct edo_thread *edo_sleeper_disarm(struct edo_thread *thread, struct edo_sleeper *sleeper);

static inline bool edo_sleeper_fired(struct edo_sleeper *sleeper)
{
    return atomic_load_explicit(&sleeper->fired, memory_order_acquire);
}

#endif
