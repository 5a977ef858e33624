/* SPDX-License-Identifier: MIT */
/* The monitor: one thread a runtime, which takes workers from tasks that keep them. See monitor.c. */
#ifndef EDO_RUNTIME_MONITOR_H
#define EDO_RUNTIME_MONITOR_H

#include "runtime/offenders.h"
#include "runtime/record.h"
#include "runtime/stalls.h"
#include "runtime/thread.h"

struct edo_runtime;

enum edo_monitor_state { EDO_MONITOR_WATCHES = 0, EDO_MONITOR_SLEEPS, EDO_MONITOR_STOPS };

/*
 * Whether a worker's task goes round (offenders.h): its counts when it was looked at last, who it was then, and how
 * often in a row.
 */
struct edo_monitor_rounds {
    struct edo_rounds counts;
    struct edo_thread *on;
    int64_t cpu; /* of that thread */
    uint64_t id;
    int seen;
};

/* What the monitor saw of a worker when it looked last. The monitor's alone. */
struct edo_monitor_view {
    uint64_t switches; /* the worker's counts */
    int32_t turns;
    uint64_t polls;
    int64_t since;         /* when these counts were first seen */
    int64_t cpu;           /* CPU time of the worker's thread then; -1: not known */
    int64_t cpu_read;      /* when that had been read: the monitor may have been held up meanwhile */
    struct edo_thread *on; /* the thread it was seen on */
    uint32_t region;       /* of that thread */
    bool eager;            /* it was taken, and its queue has not been seen empty since: little patience */
    uint64_t stall;        /* a reported stall of a worker that could not be taken; 0: none */
    bool counted;          /* a stall that nothing could be done about is counted once */
    uint64_t offender;     /* whose that stall is; 0: nobody's */
    struct edo_monitor_rounds rounds;
};

struct edo_monitor {
    uint32_t state; /* futex; enum edo_monitor_state. Watches and sleeps by compare-and-swap, stops for good */
    bool started;
    pthread_t thread;
    struct edo_monitor_view *views; /* one a worker */
    struct edo_thread self;         /* under this name it makes tasks ready: of the runtime, without a worker */
    struct edo_stalls *stalls;      /* where they are reported; NULL: nowhere */
    _Atomic uint64_t computing;     /* stalls so far, by what the thread did meanwhile */
    _Atomic uint64_t blocked;
    struct edo_offenders offenders;
    _Atomic uint64_t refused; /* hand-offs that failed: no thread to give the worker to */
    struct edo_notes notes;   /* stalls; see record.h */
};

/* Starts the monitor, unless options say never; 0 or a negative errno. Stops it, and returns when it is gone. */
int edo_monitor_start(struct edo_runtime *runtime);
void edo_monitor_stop(struct edo_runtime *runtime);

/*
 * The thread has found out that its worker was taken: if that was a stall that was reported, its end is. By the thread,
 * INSIDE.
 */
void edo_monitor_stall_ended(struct edo_thread *thread);

/* Some worker is busy: whether the monitor sleeps; ends that. Any thread. */
static inline bool edo_monitor_sleeps(struct edo_monitor *monitor)
{
    return __atomic_load_n(&monitor->state, __ATOMIC_SEQ_CST) == EDO_MONITOR_SLEEPS;
}
void edo_monitor_wake(struct edo_monitor *monitor);

#endif
