/* SPDX-License-Identifier: MIT */
/*
 * An operation that waits for another party: a send, a receive, a select over several of them.
 *
 * The operation is a waiter; where it waits, it has a place: in a list of the object (a channel's senders, say), under
 * that object's lock. Both lie on the waiting call's frame. A select has one waiter and a place in each object.
 *
 * Who comes to an object and finds a place there takes it out of the list and claims its waiter: for a waiter with one
 * place taking it out is the claim; one with several is claimed by the compare-and-swap of `winner`, and a place whose
 * waiter was won elsewhere is just dropped. So of all arms of a select one happens (rule C6), and a cancellation, which
 * claims like any other party, has happened or not (rule C2).
 *
 * After the claim the claimer moves the value, still under the lock, lets the lock go, and then finishes the waiter
 * (edo_waiter_finish). From that moment on the waiter's frame, and the object, may be gone: the object is not touched
 * any more, and of the waiter only its task, whose block is type-stable. A claimed waiter waits for that moment,
 * whatever else happens. So an object may be destroyed as soon as the operations on it have returned, also by the one
 * that was woken.
 *
 * Locks of such objects are held OUTSIDE (thread.h), for as long as it takes to move a value; under them nothing enters
 * the runtime: a task that enters may be suspended there, with the lock.
 */
#ifndef EDO_SYNC_WAITER_H
#define EDO_SYNC_WAITER_H

#include "base/container.h"
#include "base/list.h"
#include "platform/lock.h"
#include "runtime/switch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_task;

enum { EDO_VALUE_MOST = 65536 }; /* bytes of a value that is handed on: it is copied under a lock */

#define EDO_WAITER_CANCELLED UINT32_MAX /* `winner` of one that gave up */

struct edo_waiter {
    struct edo_task *task;   /* NULL: a plain thread, which sleeps on `done` */
    bool select;             /* it has several places, and is claimed by `winner` */
    _Atomic uint32_t winner; /* 0: none yet; 1 + the number of the arm that happened */
    uint32_t done;           /* futex; enum edo_waiter_done */
};

/* FROM_AFAR: by a party that is no task of the same runtime, which is waited for until it has woken the task. */
enum edo_waiter_done { EDO_WAITER_WAITS = 0, EDO_WAITER_DONE, EDO_WAITER_DONE_FROM_AFAR };

struct edo_place {
    struct edo_link link;      /* in a list of the object; under its lock */
    struct edo_place *next;    /* of those that a party has claimed at once; the claimer's */
    struct edo_place *sibling; /* a ring: the same select's other places in the same object; NULL: there are none */
    struct edo_waiter *waiter;
    void *value; /* what is sent, or where to put what is received */
    uint32_t arm;
    bool listed; /* under the object's lock */
    bool send;   /* of a channel: among the senders */
    int rc;      /* how it went; written by the claimer, before it finishes the waiter */
};

/*
 * What places are enlisted in begins with this: a channel, a broadcast, a watch. A select locks several of them in the
 * order of their serial numbers, which is that in which they were made.
 */
struct edo_meeting {
    struct edo_lock lock;
    uint32_t kind; /* enum edo_meeting_kind */
    uint64_t serial;
    struct edo_link all; /* in a list of all there are: for reports */
};

enum edo_meeting_kind { EDO_MEETING_CHANNEL, EDO_MEETING_BROADCAST, EDO_MEETING_WATCH };

/* What it is part of is complete, and goes after finish. */
void edo_meeting_init(struct edo_meeting *meeting, enum edo_meeting_kind kind);
void edo_meeting_finish(struct edo_meeting *meeting);

/*
 * Calls look(context, meeting) for each there is, locked. look may do nothing that blocks, or take another lock. From
 * any thread, not INSIDE.
 */
void edo_meetings_each(void (*look)(void *context, struct edo_meeting *meeting), void *context);

/* For the claimer, which has taken the place out of its list, under the object's lock: whether the operation is its. */
static inline bool edo_place_claim(struct edo_place *place)
{
    struct edo_waiter *waiter = place->waiter;
    uint32_t none = 0;

    if (!waiter->select)
        return true;
    return atomic_compare_exchange_strong_explicit(&waiter->winner, &none, place->arm + 1, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* Into a list, and out of it. Under the object's lock. */
static inline void edo_place_enlist(struct edo_link *list, struct edo_place *place)
{
    edo_list_insert_tail(list, &place->link);
    place->listed = true;
}

static inline void edo_place_delist(struct edo_place *place)
{
    edo_list_remove(&place->link);
    place->listed = false;
}

/* Claims all of them, with the result `rc`, and adds them to *claimed (by `next`). Under the object's lock. */
void edo_places_claim_all(struct edo_place **claimed, struct edo_link *list, int rc);

/* The claimed operation has happened: wakes it. OUTSIDE, with no lock held. The second for what claim_all gave. */
void edo_waiter_finish(struct edo_waiter *waiter);
void edo_places_finish(struct edo_place *claimed);

/* The claimer is a task of another runtime, or a thread: until it is done with the waiter's task. */
void edo_waiter_wait_for_afar(struct edo_waiter *waiter);

static inline bool edo_waiter_done(struct edo_waiter *waiter)
{
    uint32_t done = __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);

    if (__builtin_expect(done == EDO_WAITER_DONE_FROM_AFAR, 0))
        edo_waiter_wait_for_afar(waiter);
    return done != EDO_WAITER_WAITS;
}

/*
 * Waits until the waiter is done: true. False: its task was cancelled (with `cancellable`), or the deadline passed on a
 * plain thread, and it is not done yet: the caller finds out, under the locks, whether it has been claimed. May return
 * false early. OUTSIDE.
 */
bool edo_waiter_wait(struct edo_waiter *waiter, bool cancellable);

/* The same inline, for channels: tasks that hand values to and fro go this way with each of them. */
EDO_ALWAYS_INLINE bool edo_waiter_wait_inline(struct edo_waiter *waiter, bool cancellable)
{
    if (__builtin_expect(!waiter->task, 0))
        return edo_waiter_wait(waiter, cancellable);
    while (!edo_waiter_done(waiter)) {
        if (cancellable && edo_task_cancelled(waiter->task))
            return false;
        edo_leave(edo_park_inline(edo_enter(edo_thread_self()), waiter->task));
    }
    return true;
}

#endif
