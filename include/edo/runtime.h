/* SPDX-License-Identifier: MIT */
/*
 * The runtime: workers, and the threads that carry them. What it counts: edo/metrics.h.
 */
#ifndef EDO_RUNTIME_H
#define EDO_RUNTIME_H

#include <edo/base.h>
#include <edo/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum edo_signals {
    EDO_SIGNALS_DEFAULT = 0, /* SIGINT and SIGTERM cancel the root scope; a second one ends the process */
    EDO_SIGNALS_IGNORE = 1   /* leave signals alone */
};

/* What .on_task_start and .on_task_stop are told. */
typedef struct edo_task_info {
    size_t size;
    uint64_t id;          /* edo_task_id() */
    const char *name;     /* edo_task_name() */
    const edo_site *site; /* of its spawn; NULL: the root task, or it was not said */
    int result;           /* what its function returned; 0 at its start */
} edo_task_info;

/* How calls on files (edo/file.h) wait for the disk. What they do and return is the same either way. */
enum edo_files {
    EDO_FILES_REGION = 1, /* in blocking regions, on the task's own thread */
    EDO_FILES_IO_URING =
        2 /* over a ring with the kernel, io_uring(7), one a worker: the thread serves other tasks meanwhile */
};

struct edo_stall;

typedef struct edo_run_options {
    size_t size;
    int workers; /* 0: $EDO_WORKERS, else the usable cores (sched_getaffinity); 1 to 256 */
    bool pinned; /* tasks stay on the worker where they first ran, workers on their thread */
    /* debugging: a task that waited wakes on another thread whenever there is one ($EDO_MIGRATE=1) */
    bool migrate_always;
    int signals;       /* enum edo_signals; only the outermost runtime of a process handles signals */
    size_t stack_size; /* of tasks that name none; 0: 256 KiB */
    /*
     * Allow stacks without a guard page where the kernel has none left. Before Linux 6.13 each takes a mapping: there
     * are some 14,000 by the usual vm.max_map_count, and spawns beyond fail with -ENOMEM. (A dormant task counts: its
     * wake must find a stack.)
     */
    bool unguarded_stacks;
    size_t resident_stacks;  /* free stacks kept resident for reuse; 0: 1,024 */
    bool stack_census;       /* measure stack use by spawn site, and print it at the end ($EDO_STACK_CENSUS=1); slow */
    int blocking_threads;    /* most threads for edo_blocking; 0: 512 */
    int64_t blocking_linger; /* how long an idle one stays; 0: 10 s */
    int resolving_threads;   /* most threads for host names that are being looked up (edo/dns.h); 0: 8 */
    int64_t stall_after;   /* a task that keeps its worker for longer loses it to those behind it; ns, at least 100 µs;
                                0: $EDO_STALL_US, else 10 ms; EDO_FOREVER: never, and there is no monitor */
    int threads;           /* most threads for workers; at least two more than workers, or 0: 512 and as many */
    int64_t thread_linger; /* how long one without a worker stays; 0: 10 s */
    uint64_t seed;         /* of random choices (which sibling to steal from); 0: $EDO_SEED, else random */
    void (*on_thread_start)(void *argument); /* these: see below; NULL: nothing, at no cost */
    void (*on_thread_stop)(void *argument);
    void (*on_task_start)(const edo_task_info *info, void *argument);
    void (*on_task_stop)(const edo_task_info *info, void *argument);
    void *on_argument; /* what these four get */
    /*
     * enum edo_files; 0: $EDO_FILES (region or io_uring), else EDO_FILES_REGION. Without io_uring in this build or from
     * this kernel, files go by regions, which one line on stderr says once; see also edo_metrics
     */
    int files;
    bool metrics;      /* measure how long tasks run and wait for their turn (edo/metrics.h); $EDO_METRICS=1 */
    bool print_stalls; /* reports of stalls go to stderr ($EDO_STALLS=1); see edo/stall.h */
    void (*on_stall)(const struct edo_stall *stall, void *argument); /* and here; NULL: nowhere, at no cost */
    void *stall_argument;                                            /* what that gets */
    int stall_signal;    /* asks a computing thread for its stack; 0: SIGURG; negative: none is sent */
    const char *console; /* where the console is served (edo/console.h): "127.0.0.1:6669", "[::1]:6669", "6669"; NULL:
                            $EDO_CONSOLE; "": nowhere */
    /*
     * for tools that look at the others: this runtime is in no dump but its own tasks', in no snapshot and no metrics
     * of all; it asks the environment for nothing, and starts no console
     */
    bool unobserved;
} edo_run_options;

/*
 * .on_thread_start is the first thing, .on_thread_stop the last, on each thread that runs tasks or jobs of
 * edo_blocking: the one that called edo_run, those that the runtime starts, whenever it does. (Not the monitor, which
 * runs nothing of yours, and gets no signals.) They begin with the signal mask of the one that called edo_run. For
 * foreign libraries that want to know their threads, for affinities and priorities. The thread runs no task then: what
 * plain threads may call is allowed, but the runtime waits. All stops have returned when edo_run does, but for threads
 * with an abandoned job of edo_blocking: theirs come when the job ends, so keep what on_argument points to.
 *
 * .on_task_start is called in each task, on its stack, before its function runs for the first time (of a task that was
 * spawned dormant: when it first has a stack); .on_task_stop when its function has returned for good, and not been
 * continued, before its task-locals are destroyed, its handle says that it has ended and its scope may end. The root
 * task is one of them. They run in a blocking region: may look at and set task-locals, ask edo_task_id, log; may not
 * wait, wake, spawn or call anything else of the runtime (builds with EDO_DEBUG_CHECKS abort). They are called on any
 * of the threads, several at once.
 *
 * A runtime inside another one has its own, or none.
 */

/*
 * Runs fn(argument) as the root task of a new runtime and returns when it, and everything it spawned, has ended.
 *
 * Returns what fn returned, or the first failure of a task that was spawned into the root scope; 0 if the root ended
 * with -ECANCELED because SIGINT or SIGTERM asked for it; -ENOMEM, -EAGAIN, -EMFILE, -EINVAL, -E2BIG if the runtime
 * could not start (fn was not run then).
 *
 * On a plain thread, that thread is one of the runtime's until edo_run returns. Inside a task (rule S8) the new runtime
 * has threads of its own, the calling task waits, and its cancellation cancels the inner root scope; in a job of
 * edo_blocking the job's thread is the runtime's, and the job's caller passes its cancellation on. Either way:
 * -ECANCELED, and fn was not run, if that is cancelled already. When edo_run returns no thread of its is left, but
 * those of abandoned jobs. Signals are handled by the outermost runtime only; earlier handlers are called too.
 *
 * After fork(2) in a process where a runtime lives, the child may only exec (rule F4): calls into the runtime, edo_run
 * too, return -EPERM there, and closing leaves alone what the parent shares.
 */
EDO_API int edo_run(edo_task_fn fn, void *argument, const edo_run_options *options);

/*
 * The scope of the root task of the calling task's runtime; NULL outside a task. For spawns that outlive their caller.
 * Detached tasks may outlive that scope itself: spawns into it then give -EINVAL.
 */
EDO_API edo_scope *edo_root_scope(void);

/* The most stack that tasks of one spawn site have used (measured with .stack_census only). */
typedef struct edo_census_entry {
    const edo_site *site;
    uint64_t tasks;      /* that ended */
    uint64_t high_water; /* bytes */
} edo_census_entry;

/* Copies at most `capacity` entries, largest use first; returns how many sites there are. Any thread. */
EDO_API size_t edo_census_read(edo_census_entry *out, size_t capacity);

/* --- A console ---------------------------------------------------------------------------------------------------- */

struct edo_stall;

/*
 * How the library edo-console makes itself known, which no program needs to do. start is called by the first outermost
 * edo_run whose options or environment ask for a console, before its runtime is there; stop by the last one, after it;
 * stall with each report of a stall (edo/stall.h), on the reporter's thread. Not at the same time. start says on stderr
 * what has become of it; without 0 the program goes on without.
 */
typedef struct edo_console_hooks {
    size_t size;
    int (*start)(void **console, const char *address);
    void (*stop)(void *console);
    void (*stall)(void *console, const struct edo_stall *stall);
} edo_console_hooks;

/* *hooks must live as long as the process. 0; -EBUSY: there are some; -E2BIG. Any thread. */
EDO_API int edo_console_register(const edo_console_hooks *hooks);

#ifdef __cplusplus
}
#endif

#endif
