/* SPDX-License-Identifier: MIT */
/*
 * What is inside an edo_timer. The alarm belongs to the worker in `alarm.worker`: to whoever is inside it, or a remote
 * (alarm.h). It is armed from its start until its callback is called: one that is due is held by the wheel till then.
 *
 * 64 bytes, what start and stop look at first: of timers in great number, the memory is what costs.
 */
#ifndef EDO_RUNTIME_TIMER_H
#define EDO_RUNTIME_TIMER_H

#include "runtime/alarm.h"

#include <edo/time.h>

#include <stdatomic.h>

struct edo_timer_body {
    struct edo_alarm alarm;
    _Atomic(struct edo_thread *) runner; /* on which thread the callback was last called */
    void (*callback)(void *argument);
    void *argument;
} __attribute__((may_alias));

_Static_assert(sizeof(struct edo_timer_body) <= sizeof(edo_timer), "edo_timer must hold what is inside");

/* Calls the callbacks of the timers that are due, with the guard left. The thread may have lost its worker afterwards. */
void edo_timers_run(struct edo_thread *thread);

#endif
