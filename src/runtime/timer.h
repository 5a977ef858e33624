/* SPDX-License-Identifier: MIT */
/*
 * What is inside an edo_timer. `state`, `next` and the alarm belong to the worker in `alarm.worker`: to whoever is inside
 * it, or a remote (alarm.h).
 */
#ifndef EDO_RUNTIME_TIMER_H
#define EDO_RUNTIME_TIMER_H

#include "runtime/alarm.h"

#include <edo/time.h>

#include <stdatomic.h>

enum edo_timer_state { EDO_TIMER_IDLE = 0, EDO_TIMER_ARMED, EDO_TIMER_DUE };

struct edo_timer_body {
    struct edo_alarm alarm;
    void (*callback)(void *argument);
    void *argument;
    struct edo_timer_body *next;         /* in worker->due */
    _Atomic(struct edo_thread *) runner; /* on which thread the callback was last called */
    uint32_t state;
} __attribute__((may_alias));

_Static_assert(sizeof(struct edo_timer_body) <= sizeof(edo_timer), "edo_timer must hold what is inside");

/* Calls the callbacks of the timers that are due, with the guard left. The thread may have lost its worker afterwards. */
void edo_timers_run(struct edo_thread *thread);

#endif
