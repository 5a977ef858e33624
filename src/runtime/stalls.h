/* SPDX-License-Identifier: MIT */
/*
 * How the monitor tells of stalls. The runtime says here what it wants of a reporter; src/observe has it, and the
 * runtime includes nothing of that.
 *
 * The monitor notes what it saw (edo_stall_seen), without waiting for anybody; the reporter's own thread goes and looks
 * at the stalled thread, which may have gone on meanwhile. Whether it has is told by edo_stall_lasts: a worker that was
 * taken leaves TAKEN in the guard until its thread enters again, which then raises `losses`; where it was not, its
 * counts of switches tell. A task that begins a blocking region stalls no longer, as far as reports go (S7).
 */
#ifndef EDO_RUNTIME_STALLS_H
#define EDO_RUNTIME_STALLS_H

#include <edo/runtime.h>
#include <edo/scope.h>

#include <stdbool.h>
#include <stdint.h>

struct edo_stalls;
struct edo_thread;
struct edo_worker;

/* Copied by value; the name is static text, as all tasks' names. */
struct edo_stall_seen {
    struct edo_thread *thread;
    struct edo_worker *worker;
    uint64_t switches; /* of the worker */
    uint32_t losses;   /* of the thread */
    uint64_t region;   /* of the thread: even, as it was outside of regions */
    bool over;         /* it has passed .stall_after; else it is one that was noticed in haste, and may yet */
    bool blocked;
    int number;      /* of its thread, to the kernel */
    int64_t since;   /* when it was first seen */
    int64_t noticed; /* when it was still there */
    uint64_t task;   /* 0: a timer's callback */
    const char *name;
    edo_site *site;
    uintptr_t
        waited; /* where it last waited, a return address (runtime/context.h); 0: it has not, or that is not known */
    uintptr_t stack_low; /* 0: it is on the thread's own stack */
    uintptr_t stack_high;
};

struct edo_stalls_of {
    /*
     * Whether the options (or the environment) want reports, and then a reporter: *out stays NULL without. 0 or a
     * negative errno.
     */
    int (*start)(struct edo_stalls **out, const edo_run_options *options);
    void (*stop)(struct edo_stalls *stalls);

    /* From the monitor: a stall. Its serial number; 0: it is one too many. */
    uint64_t (*began)(struct edo_stalls *stalls, const struct edo_stall_seen *seen);

    /* It has ended, at `now`. Any thread, INSIDE too: takes a lock for a moment and wakes the reporter. */
    void (*ended)(struct edo_stalls *stalls, uint64_t serial, int64_t now);
};

/* The one there is: src/observe/stall.c. */
extern const struct edo_stalls_of edo_stalls_of __attribute__((visibility("hidden")));

/* Whether the thread is still in the stall that was seen. From any thread while the runtime lives. */
bool edo_stall_lasts(const struct edo_stall_seen *seen);

#endif
