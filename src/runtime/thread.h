/* SPDX-License-Identifier: MIT */
/*
 * Threads, and the guard that settles who may touch a worker (rules S6, S10).
 *
 * A worker is a scheduling slot; a thread is what runs it. They are separate: a thread that keeps its worker too long
 * loses it. The word `guard` of a thread says where it is:
 *
 *   OUTSIDE   its worker's task runs user code (or the library makes a syscall for it). The worker may be taken.
 *   INSIDE    it is in the runtime and owns its worker's data: ring, wheel, caches. Nobody else may touch them.
 *   TAKEN     its worker was taken while it was OUTSIDE; `worker` is NULL (or about to be).
 *   REMOTE    another thread works on the worker's wheel, while this one is OUTSIDE or POLLING; see alarm.c.
 *   POLLING   it waits in epoll_wait for its worker.
 *
 * Entering is one atomic exchange to INSIDE: what it finds tells whether the worker is still there. The takers compare
 * and swap from OUTSIDE (or POLLING), so one exchange decides between them. Leaving is a release store: only the thread
 * itself writes while it is INSIDE. The exchange (acquire) reads what the last leaver, taker or remote wrote (release),
 * so all that the worker owns is passed on with it.
 *
 * While INSIDE: no syscall that may block, no malloc, no user code.
 *
 * Because tasks move between threads, the thread pointer is never kept across a call that may suspend. It is read
 * afresh by edo_thread_self(), which compilers can't cache; functions that may suspend return it.
 */
#ifndef EDO_RUNTIME_THREAD_H
#define EDO_RUNTIME_THREAD_H

#include "base/list.h"
#include "platform/lock.h"
#include "runtime/context.h"
#include "runtime/misuse.h"
#include "runtime/self.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_task;
struct edo_worker;
struct edo_runtime;

enum edo_guard { EDO_GUARD_OUTSIDE = 0, EDO_GUARD_INSIDE, EDO_GUARD_TAKEN, EDO_GUARD_REMOTE, EDO_GUARD_POLLING };

/* What the next flow does for the one that has just been switched away from ("publish after the switch"). */
typedef void (*edo_after_fn)(struct edo_thread *thread, struct edo_task *task);

struct edo_thread {
    _Atomic uint32_t guard;
    _Atomic uint32_t granted;  /* set by a remote that found the thread back INSIDE at its end; see alarm.c */
    struct edo_worker *worker; /* read and written INSIDE, or by the taker once it has exchanged the guard */
    struct edo_task *current;  /* the task whose code runs here; NULL in the thread's own flow. Owner only */
    _Atomic uint64_t region;   /* odd while its task is in a blocking region; region.c. Written by the thread */
    uint32_t rotor;            /* with which arm the next select here begins; owner only */
    int16_t budget;            /* what a task gets when its turn comes: EDO_BUDGET, or 0 under hooks (hooks.h) */
    edo_after_fn after;        /* owner only, INSIDE */
    struct edo_task *after_task;
#if EDO_TSAN
    struct edo_context after_flow; /* a flow that ended */
#endif
    struct edo_runtime *runtime;
    struct edo_context native; /* the thread's own flow while a task runs */

    /* Tasks pinned to this thread. */
    uint32_t pinned_count;         /* that have run and not ended: while there are any it can't go. Owner only */
    struct edo_task *pinned_first; /* ready, owner only */
    struct edo_task *pinned_last;
    struct edo_lock lock;          /* guards the next three */
    struct edo_task *pinned_inbox; /* ready, pushed by others; newest first. Asked for NULL without the lock, too */
    bool spare;                    /* it has no worker and sleeps on `assigned` */
    bool wanting;                  /* it is in the runtime's list of threads that want a worker for pinned tasks */
    _Atomic bool pinned_waiting;   /* false: neither list has a task. Read without the lock */
    _Atomic(struct edo_worker *) sleeps_on; /* the worker with which it sleeps in epoll_wait */
    _Atomic(void *) running_timer;          /* whose callback runs on this thread; see timer.c. Written INSIDE */

    _Atomic uint32_t losses;    /* how often it has learned that its worker was taken; see stalls.h */
    _Atomic uint64_t stall;     /* the stall that ends when it next learns so; 0: none that was reported */
    uint32_t assigned;          /* futex: 1 when a worker was given, or the runtime stops */
    struct edo_link spare_link; /* under runtime->threads_lock */
    struct edo_link wanting_link;
    struct edo_thread *next; /* all threads of the runtime */
    pthread_t id;            /* written before it is listed as spare or given a worker for the first time */
    int number;              /* to the kernel; written by the thread itself before it first leaves the guard */
    bool joinable;           /* a thread that the runtime started: to be joined */
    bool retired;            /* it has ended, and its struct is used for the next one; under runtime->threads_lock */
    char name[16];
};

#define EDO_IN_REGION                                                                                                  \
    "a call into the runtime from inside a blocking region: end that first (a callback of edo_run_options is one, too)"

/* Whether its task is in a blocking region, where nothing of the runtime may be called but the region's end. */
static inline bool edo_thread_in_region(struct edo_thread *thread)
{
    return atomic_load_explicit(&thread->region, memory_order_relaxed) & 1;
}

/*
 * The next odd number, or the next even one, whatever it was: a task may have left its region open. By the thread
 * itself. A region takes it from one multiple of 4 to the next, so that regions need not be counted.
 */
static inline void edo_thread_set_region(struct edo_thread *thread, uint32_t inside)
{
    uint64_t region = atomic_load_explicit(&thread->region, memory_order_relaxed) | 1;

    atomic_store_explicit(&thread->region, region + 1 + inside, memory_order_release);
}

/* Not inlined paths of the two below. */
struct edo_thread *edo_enter_slow(struct edo_thread *thread, uint32_t found);

/*
 * The exchange alone, and what it found: OUTSIDE, and the thread is INSIDE with its worker; or edo_enter_slow has to
 * see to it first. For short functions that call nothing but in a tail.
 */
static inline uint32_t edo_enter_found(struct edo_thread *self)
{
    EDO_MISUSE_IF(edo_thread_in_region(self), EDO_IN_REGION);
    return atomic_exchange_explicit(&self->guard, EDO_GUARD_INSIDE, memory_order_acq_rel);
}

/*
 * From a task, OUTSIDE: enters the runtime and returns the thread it is on, which has a worker. If the worker was taken
 * meanwhile, the task first goes back to the global queue and comes out of here on another thread.
 *
 * From a thread's own flow (timer callbacks) the worker may be NULL afterwards.
 */
static inline struct edo_thread *edo_enter(struct edo_thread *self)
{
    uint32_t found = edo_enter_found(self);

    if (__builtin_expect(found != EDO_GUARD_OUTSIDE, 0))
        return edo_enter_slow(self, found);
    return self;
}

static inline void edo_leave(struct edo_thread *thread)
{
    atomic_store_explicit(&thread->guard, EDO_GUARD_OUTSIDE, memory_order_release);
}

/* How many regions it has begun. */
static inline uint64_t edo_thread_regions(struct edo_thread *thread)
{
    return (atomic_load_explicit(&thread->region, memory_order_relaxed) + 1) / 4;
}

/* Runs what the previous flow left to be done. First thing on every resumption, INSIDE. */
static inline void edo_after_switch(struct edo_thread *thread)
{
    edo_after_fn after = thread->after;

    if (after) {
        thread->after = NULL;
        after(thread, thread->after_task);
    }
}

/* The owner found REMOTE when it entered: waits until the remote is done. */
void edo_remote_wait(struct edo_thread *thread);

#endif
