/* SPDX-License-Identifier: MIT */
/*
 * What is inside an edo_timer. It belongs to the worker in whose wheel it was last put: to whoever is inside it, or a
 * remote (alarm.h). It is armed from its start until its callback is called: one that is due is held by the wheel till
 * then.
 *
 * 48 bytes: of timers in great number, the memory is what costs. So a timer has no function beside its callback that
 * tells the wheel's owner what it is, as alarms have: where an alarm has its worker, a timer has the wheel.
 */
#ifndef EDO_RUNTIME_TIMER_H
#define EDO_RUNTIME_TIMER_H

#include "runtime/alarm.h"

#include <edo/time.h>

#include <stddef.h>

struct edo_timer_body {
    struct edo_wheel_node node;
    struct edo_wheel *wheel; /* where it was last put, the worker's; NULL: it was never started */
    void (*callback)(void *argument);
    void *argument;
} __attribute__((may_alias));

_Static_assert(sizeof(struct edo_timer_body) <= sizeof(edo_timer), "edo_timer must hold what is inside");
_Static_assert(offsetof(struct edo_timer_body, node) == offsetof(struct edo_alarm, node) &&
                   offsetof(struct edo_timer_body, wheel) == offsetof(struct edo_alarm, worker),
               "a node's owner is told by one word");

/* Whether what was in this wheel is a timer; otherwise it is an alarm. */
static inline bool edo_timer_is(const struct edo_wheel_node *node, const struct edo_wheel *wheel)
{
    return ((const struct edo_timer_body *)(const void *)node)->wheel == wheel;
}

/*
 * Calls the callbacks of the timers that are due, with the guard left. The thread may have lost its worker afterwards.
 */
void edo_timers_run(struct edo_thread *thread);

#endif
