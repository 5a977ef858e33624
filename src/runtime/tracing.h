/* SPDX-License-Identifier: MIT */
/*
 * What the runtime says to a trace (edo/trace.h), and how a trace gets to know of everything without a question on the
 * hot ways. The runtime includes nothing of src/observe, which has the one there is.
 *
 * Runs. While a runtime is traced its own flows (worker.c) resume each task by `resume`, which lets it run with no
 * turns left: so whatever it does to let go, its successor is the own flow again, where the clock is read. Own flows
 * ask whether there is a trace each time round, which is once in 61 turns, or in a look at the poller.
 *
 * Wakes and spawns. Each task that is resumed gets EDO_TASK_TIMED, and so does each new one: who makes it ready the
 * next time goes the way for special tasks because of it (sample.h), and comes by `ready`. While a trace is on, it has
 * that flag to itself: delays are not sampled.
 *
 * All else is rare, and asks where it happens. A trace begins and ends while workers run: whoever loaded the pointer
 * just before the end may still call, so what it leads to stays there as long as the runtime.
 */
#ifndef EDO_RUNTIME_TRACING_H
#define EDO_RUNTIME_TRACING_H

#include <stdatomic.h>
#include <stdint.h>

struct edo_runtime;
struct edo_task;
struct edo_thread;
struct edo_worker;

enum edo_traced_kind {
    EDO_TRACED_RUN = 1,
    EDO_TRACED_SPAWN,
    EDO_TRACED_WAKE,
    EDO_TRACED_SLEEP, /* value: since when, by edo_ticks */
    EDO_TRACED_STEAL, /* value: how many tasks; other: of which worker */
    EDO_TRACED_TAKEN, /* value: the thread that keeps the task; other: 0 */
    EDO_TRACED_STALL  /* value: for how long, ns; other: it is blocked */
};

struct edo_tracing {
    /* edo_resume, on the thread's own flow. INSIDE. */
    void (*resume)(struct edo_thread *thread, struct edo_task *task);

    /*
     * The task, which the caller has in hand, is made ready. `inside`: the worker that the caller is INSIDE of; NULL:
     * none.
     */
    void (*ready)(struct edo_worker *inside, struct edo_task *task);

    /* Something about the worker. `inside`: the caller is INSIDE of it, or has just taken it. */
    void (*note)(struct edo_worker *worker, int inside, int kind, uint64_t value, uint64_t other);
};

struct edo_traces_of {
    /*
     * A runtime is in the list of all, and has not begun: the trace that is on takes it up, or $EDO_TRACE_FILE begins
     * one; $EDO_CRASH_REPORT is asked for, too.
     */
    void (*begin)(struct edo_runtime *runtime);
    /*
     * It has left the list, and no thread of its is left: what it has said is written, and what it was given is
     * released.
     */
    void (*end)(struct edo_runtime *runtime);
};

/* The one there is: src/observe/trace.c. */
extern const struct edo_traces_of edo_traces_of __attribute__((visibility("hidden")));

#endif
