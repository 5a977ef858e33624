/* SPDX-License-Identifier: MIT */
/*
 * What is inside an arm of a select, and the arms that are no channels. Arms of channels are select.c's own business,
 * since there the other party acts; with all others the selecting task itself looks whether they can happen, and makes
 * them happen.
 */
#ifndef EDO_SYNC_SELECT_H
#define EDO_SYNC_SELECT_H

#include "runtime/sleeper.h"
#include "sync/waiter.h"

#include <edo/select.h>

struct edo_source;
struct edo_task;

enum edo_arm_what {
    EDO_ARM_NONE = 0,
    EDO_ARM_RECV,
    EDO_ARM_SEND,
    EDO_ARM_HEAR,
    EDO_ARM_AFTER,
    EDO_ARM_AT,
    EDO_ARM_JOINED,
    EDO_ARM_STREAM,
    EDO_ARM_FD,
    EDO_ARM_DEFAULT
};

/* What an arm reserves. Its own select writes it, others only `place` (waiter.h). */
struct edo_arm_state {
    union {
        struct edo_place place;     /* RECV, SEND, HEAR */
        struct edo_sleeper sleeper; /* AFTER, AT */
        struct edo_source *source;  /* STREAM: held, NULL if it was closed before; FD: while it waits there */
    } at;
    bool waits; /* begun, and not ended yet */
};

_Static_assert(sizeof(struct edo_arm_state) <= sizeof(((edo_arm *)0)->reserved_), "an arm must hold its state");

static inline struct edo_arm_state *edo_arm_state(edo_arm *arm)
{
    return (struct edo_arm_state *)(void *)arm->reserved_;
}

/*
 * For arms that are no channels, no broadcasts, no watches and no default.
 *
 * check:  0, or a negative errno for what can't be an arm of that task. Holds a stream's source until finish, so that
 *         it is the same stream all the while, closed perhaps, but not another one in its place.
 * now:    whether it can happen now, before anything was begun. `look`: also where that costs syscalls.
 * begin:  from now on the task is unparked when it may happen. 0; a negative errno, also in rc.
 * ready:  whether it can happen, while it is begun.
 * end:    no longer. Fine if it was not begun.
 * happen: makes it happen, after end; sets rc.
 * finish: lets go of what check has taken hold of.
 */
int edo_arm_check(edo_arm *arm, struct edo_task *task);
bool edo_arm_now(edo_arm *arm, bool look);
int edo_arm_begin(edo_arm *arm, struct edo_task *task);
bool edo_arm_ready(edo_arm *arm);
void edo_arm_end(edo_arm *arm, struct edo_task *task);
void edo_arm_happen(edo_arm *arm);
void edo_arm_finish(edo_arm *arm);

#endif
