/* SPDX-License-Identifier: MIT */
/*
 * What happened when: a trace of every worker while one is on, and a flight recorder that always is.
 *
 *     edo_trace_start(fd, NULL);              // or EDO_TRACE_FILE=trace.json for the whole of a program
 *     ...
 *     edo_trace_stop();
 *
 *     edo_recorder_dump(STDERR_FILENO, NULL); // what each worker did last
 *     edo_recorder_on_crash(STDERR_FILENO);   // the same when the program dies; or EDO_CRASH_REPORT=1
 *
 * A trace is a file in Chrome's JSON format, for https://ui.perfetto.dev: a track for each worker, with the turns of
 * tasks, sleeps, steals, hand-offs and stalls, arrows from who wakes or spawns a task to its turn, and counters. It
 * costs nothing while none is on.
 *
 * The recorder keeps the last 1,024 turns of each worker, as tasks' numbers, its last 256 spawns, and its last 256
 * looks at poller and timers, sleeps, steals and hand-offs, with their times. It is always on and costs five
 * instructions a switch, four a spawn.
 *
 * The chapter docs/guide/traces.md has pictures, and the USDT probes.
 */
#ifndef EDO_TRACE_H
#define EDO_TRACE_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Traces ------------------------------------------------------------------------------------------------------- */

typedef struct edo_trace_options {
    size_t size;
    /*
     * Bytes for what is not written yet, of each worker; 0: 4 MiB, some 50,000 events. Up to 1 GiB. A runtime keeps
     * what its first trace gave it.
     */
    size_t memory;
    /*
     * Gets the trace in pieces, in order, instead of the descriptor; a negative errno ends it. On a thread of the
     * trace's own, but the last pieces on that which calls edo_trace_stop, or on which a runtime ends: so it must not
     * wait as a task does (edo_sleep), and calls neither edo_run nor what begins or ends a trace.
     */
    int (*write)(void *argument, const char *text, size_t size);
    void *argument;
} edo_trace_options;

/*
 * From now on a trace of all runtimes of the process is written, those included that begin later; not of seeded runs
 * (edo/testing.h). Options may be NULL. One at a time.
 *
 * Tasks pay for it: their turns all go through their thread's own flow, which reads the clock twice, some 100 ns a
 * turn. A thread of the trace's own writes; workers never wait for it: when it is too slow, events are dropped, and the
 * trace's last event says how many. It is handed on every 10 ms, in whole events. But a runtime that begins or ends
 * meanwhile (edo_run, in a task too) waits for what is just being written: so give a file, or a pipe that somebody
 * reads. What runs at the beginning is seen from its next turn on, or the one 61 turns later.
 *
 * 0; -EBUSY: one is on; -EINVAL; -E2BIG; -ENOMEM; -EAGAIN: no thread is to be had; -EPERM after fork(2). Any thread or
 * task but .write. Keeps its thread for some µs.
 */
EDO_API int edo_trace_start(int fd, const edo_trace_options *options);

/*
 * Ends it, and returns when all of it is written; the descriptor is not closed. 0; the first error of write(2) or
 * .write, which ended the trace; -EALREADY: none is on; -EPERM after fork(2). Any thread or task but .write; a plain
 * call that may block: a worker that is kept by it goes on elsewhere (.stall_after).
 */
EDO_API int edo_trace_stop(void);

/* --- The flight recorder ------------------------------------------------------------------------------------------ */

typedef struct edo_recorder_options {
    size_t size;
    int events; /* of each worker, the turns between them not counted; 0: all that are kept */
    /* As in edo_trace_options, but on the calling thread. */
    int (*write)(void *argument, const char *text, size_t size);
    void *argument;
} edo_recorder_options;

/*
 * Writes what each worker did last, as text, oldest first: from a task, of its runtime; from a thread that runs none,
 * of all runtimes of the process. Nobody is stopped for it, and nothing is taken from the heap. Turns have no times of
 * their own; they stand between events that do, at most 61 turns apart.
 *
 * 0; -EINVAL; -E2BIG; -ENOMEM; what write(2) or .write failed with; -EPERM after fork(2). Not in signal handlers.
 */
EDO_API int edo_recorder_dump(int fd, const edo_recorder_options *options);

enum edo_recorded_event {
    EDO_RECORDED_RUN = 1, /* its turn began; it has parked, yielded or ended since, if there is a later one */
    EDO_RECORDED_STALL,   /* it was seen to keep its worker */
    EDO_RECORDED_HANDOFF, /* and lost it */
    EDO_RECORDED_SPAWN    /* it was spawned; always the first one */
};

typedef struct edo_recorded {
    size_t size;
    int event;   /* enum edo_recorded_event */
    int worker;  /* on which */
    int64_t ago; /* ns; of a turn or a spawn: approximately, between the events around it */
    uint64_t by; /* of a spawn: the task that spawned it (edo_task_id); else 0 */
} edo_recorded;

/* "run", "stall", "hand-off", "spawn"; "" for what is none. */
EDO_API const char *edo_recorded_name(int event);

/*
 * Tells what the recorders have of a task (edo_task_id), which may have ended, oldest first. Any task or thread; of any
 * runtime of the process that has not ended. `tell` is called after all was looked at, and may do what the caller may.
 *
 * How many were told; -ENOMEM; -EPERM after fork(2).
 */
EDO_API int edo_recorder_task(uint64_t task, void (*tell)(void *argument, const edo_recorded *recorded),
                              void *argument);

/*
 * From now on, when the process is about to die of SIGSEGV, SIGBUS, SIGABRT, SIGILL or SIGFPE, what each worker did
 * last (32 events of each) is written to the descriptor first, with the signal and the task in which it came.
 * Async-signal-safe. Then the handler that was there before is called, or the process dies as it would have, with its
 * core. Once in a process: a program whose own handler of SIGSEGV goes on sees it at most once.
 *
 * $EDO_CRASH_REPORT=1 in the environment does the same at the first edo_run, to stderr; any other value but 0 is a
 * file, to be appended to. Call it again to change the descriptor. 0; what sigaction(2) failed with; -EPERM after
 * fork(2). Any thread.
 */
EDO_API int edo_recorder_on_crash(int fd);

#ifdef __cplusplus
}
#endif

#endif
