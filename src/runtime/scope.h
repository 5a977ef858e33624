/* SPDX-License-Identifier: MIT */
/*
 * What is inside an edo_scope, and how cancellation finds everything in it.
 *
 * The tree. A scope has children (tasks spawned into it). A task has a chain of scopes that it opened itself: from its
 * `home` (where it was spawned) inwards to `task->scope`, linked by `outer`. Cancelling walks: the scope and those
 * further in on its owner's chain, their children, those children's chains, and so on; it sets the flag in every scope
 * it meets and unparks every task.
 *
 * To be cheap where nothing is cancelled, a child is in the list only from the moment it first parks or opens a scope.
 * One that has done neither has no scope of its own, so the flag of its home, which it reads itself, is all there is to
 * know; and it is listed under home->lock, where it sees the flag (edo_scope_list).
 *
 * Locks: `lock` guards the list of children; a task's chain_lock guards its chain and the flags of the scopes on it
 * against half-opened ones. Order: from outside in: chain_lock of the owner, then the scope's lock, then chain_locks of
 * its children. Whoever holds one is INSIDE or no thread of a runtime (never OUTSIDE: it could not be preempted by a
 * yield inside edo_enter), and calls nothing that suspends.
 *
 * Flags are set with seq_cst before a task is unparked; a task that parks makes itself wakeable with seq_cst before it
 * reads the flag: so either it sees the flag or the canceller wakes it.
 */
#ifndef EDO_RUNTIME_SCOPE_H
#define EDO_RUNTIME_SCOPE_H

#include "base/list.h"
#include "platform/lock.h"
#include "platform/word.h"
#include "runtime/alarm.h"

#include <edo/scope.h>

#include <errno.h>
#include <stdatomic.h>

struct edo_task;
struct edo_thread;
struct edo_runtime;
struct edo_scope_body;

enum edo_scope_flags {
    EDO_SCOPE_CANCELLED = 1 << 8, /* in force here; the low byte is the reason */
    EDO_SCOPE_OWN = 1 << 9,       /* it was this scope that was cancelled, not one around it */
    EDO_SCOPE_SHIELD = 1 << 10,   /* holds back cancellation from outside */
    EDO_SCOPE_SUPERVISE = 1 << 11,
    EDO_SCOPE_CUT = 1 << 12 /* a child came back with -ECANCELED */
};

/*
 * `live` below this: the scope takes no more children. Only a runtime's root scope, which others than its children
 * know.
 */
#define EDO_SCOPE_CLOSED (INT64_MIN / 2)

/* What cancels the scope from outside, while it is linked to it: a cancellation token (sync/token.c). */
struct edo_scope_bond {
    void *to; /* NULL: nothing */
    void (*end)(
        struct edo_scope_body *scope); /* takes the scope off it; called by the owner, OUTSIDE, when all has ended */
    struct edo_scope_body *next;       /* the next two are its, under its lock */
    struct edo_scope_body *previous;
};

struct edo_scope_body {
    int *rc; /* the public part: edo_scope */
    int way;
    struct edo_lock lock;

    _Atomic uint32_t flags;
    _Atomic int32_t error;        /* of the first child that failed */
    struct edo_scope_body *outer; /* NULL for a runtime's own */
    struct edo_task *owner;
    struct edo_runtime *runtime;
    struct edo_link children; /* listed ones; under lock */
    int64_t spawned;          /* children spawned by the owner since it last waited; the owner's alone */
    _Atomic int64_t live;     /* the others' spawns, and the owner's counted in, less those that ended */
    _Atomic(const edo_site *) cancel_site;
    const edo_site *site;
    const char *name;
    int64_t deadline;       /* the nearest, with the enclosing ones */
    struct edo_alarm alarm; /* for the own deadline, or the shield's bound */
    int depth;              /* of the chain; for F2's checks */
    struct edo_scope_bond bond;
} __attribute__((may_alias));

_Static_assert(sizeof(struct edo_scope_body) <= sizeof(edo_scope), "edo_scope must hold what is inside");

static inline struct edo_scope_body *edo_scope_of(edo_scope *scope)
{
    return (struct edo_scope_body *)(void *)scope;
}

static inline edo_scope *edo_scope_public(struct edo_scope_body *body)
{
    return (edo_scope *)(void *)body;
}

static inline bool edo_scope_is_cancelled(struct edo_scope_body *scope)
{
    return edo_word_has(&scope->flags, EDO_SCOPE_CANCELLED);
}

/*
 * Counting children. The owner counts its own spawns apart, without an atomic operation, and adds them to `live` when
 * it waits; so `live` may be negative until then. An ending child that brings it to 0 unparks the owner, perhaps
 * needlessly.
 *
 * `live` changes INSIDE only, always. So in a runtime with one worker (`alone`) nobody else changes it meanwhile, and
 * an ending child counts itself out without an atomic operation: the guard hands on what the last one wrote. A store
 * (release) is enough for the owner, who reads it from anywhere (acquire).
 */

/* False: the scope is closed, and nothing was counted. INSIDE. */
static inline bool edo_scope_child_spawned(struct edo_scope_body *scope, struct edo_task *spawner)
{
    if (scope->owner == spawner) {
        scope->spawned++;
        return true;
    }
    if (__builtin_expect(atomic_fetch_add_explicit(&scope->live, 1, memory_order_relaxed) > EDO_SCOPE_CLOSED, 1))
        return true;
    atomic_fetch_sub_explicit(&scope->live, 1, memory_order_relaxed);
    return false;
}

/* Counts the owner's spawns in. Owner only, INSIDE. */
static inline void edo_scope_count_in(struct edo_scope_body *scope)
{
    int64_t spawned = scope->spawned;

    scope->spawned = 0;
    atomic_fetch_add_explicit(&scope->live, spawned, memory_order_acq_rel);
}

/*
 * Counts a child out that has ended. True: it was the last, the owner may have to be woken (edo_scope_emptied). From
 * now on the owner may go on, and the scope be gone. INSIDE.
 */
static inline bool edo_scope_count_out(struct edo_scope_body *scope, bool alone)
{
    int64_t live;

    if (!alone)
        return atomic_fetch_sub_explicit(&scope->live, 1, memory_order_acq_rel) == 1;
    live = atomic_load_explicit(&scope->live, memory_order_relaxed) - 1;
    atomic_store_explicit(&scope->live, live, memory_order_release);
    return live == 0;
}

/* Whether children live. Owner only. */
static inline bool edo_scope_has_children(struct edo_scope_body *scope)
{
    return atomic_load_explicit(&scope->live, memory_order_acquire) + scope->spawned > 0;
}

/* Puts the running task into its home's list of children, if it is not there. INSIDE. */
void edo_scope_list(struct edo_task *task);

/* Opens a scope that belongs to no chain: a runtime's own. */
void edo_scope_init(struct edo_scope_body *scope, struct edo_runtime *runtime, struct edo_task *owner);

/* Ends the runtime's root scope, as edo_scope_end does. From when its last child has ended on nobody gets at it. */
int edo_scope_end_root(struct edo_runtime *runtime, int rc);

/* Cancels `scope` and all in it. INSIDE, or on a foreign thread (thread NULL). */
void edo_scope_cancel_inside(struct edo_thread *thread, struct edo_scope_body *scope, int reason, const edo_site *site);

/* Ends a shield, at its bound: what is cancelled around it is cancelled inside. INSIDE. */
void edo_scope_unshield(struct edo_thread *thread, struct edo_scope_body *shield);

/* A child has ended with `result`, failed perhaps, and is in its list perhaps: tells its scope. INSIDE. */
void edo_scope_child_leaves(struct edo_thread *thread, struct edo_task *task, int result);

/* After edo_scope_count_out: there are no children left. `owner` is the scope's; its block stays. INSIDE. */
void edo_scope_emptied(struct edo_thread *thread, struct edo_task *owner);

#endif
