/* SPDX-License-Identifier: MIT */
/*
 * What a runtime counts: of itself, of each worker, and, where that is asked for, how long tasks run and wait for their
 * turn.
 *
 * Counters cost nothing that could be measured, and are always there. Each worker writes its own; reading sums them up
 * while everybody works on. So numbers that are read together are of slightly different moments, and nobody is stopped
 * or woken.
 *
 * Times are measured with .metrics = true in edo_run_options, or EDO_METRICS=1: of one turn in four hundred the clock
 * is read where it begins and ends, and where its task becomes ready the next time and runs. That costs a yield some
 * percent, and other things less. Not in seeded runs (edo/testing.h).
 *
 * "_total" in the text that edo_metrics_print writes is what only grows; all else is as it is now.
 */
#ifndef EDO_METRICS_H
#define EDO_METRICS_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- The runtime -------------------------------------------------------------------------------------------------- */

/* "Now" stands where a number goes up and down; everything else counts since the runtime has started. */
typedef struct edo_metrics {
    size_t size;
    int workers;
    int threads;    /* OS threads, now: workers', spare ones, those of edo_blocking and edo_resolve */
    int64_t uptime; /* ns */

    uint64_t tasks_alive; /* now */
    uint64_t tasks_spawned;
    uint64_t switches;      /* times a task was resumed */
    uint64_t local_queued;  /* ready tasks in the workers' own queues, now */
    uint64_t global_queued; /* in the queue that all share, now */
    uint64_t
        remote_schedules; /* tasks made ready by threads that had no worker: foreign ones, jobs, tasks behind a stall */
    uint64_t overflows;   /* times a worker's queue was full, and half went to the global one; never with one worker */
    uint64_t forced_yields; /* tasks that had to let others have a turn, since they never waited by themselves */

    uint64_t steals;           /* tasks taken from a sibling's queue */
    uint64_t steal_operations; /* in how many portions */
    uint64_t sleeps;           /* times a worker went to sleep */
    uint64_t wakes;            /* times a sleeping worker was woken by another thread */
    uint64_t idle_wakes;       /* times one woke and slept again without having run a task; with .metrics, else 0 */
    uint64_t asleep;           /* workers, now */
    /* ns, of all workers together: uptime without what they slept or searched for work; with .metrics, else 0 */
    int64_t busy;

    uint64_t polls;                  /* calls of epoll_wait */
    uint64_t events;                 /* what they brought */
    uint64_t descriptors;            /* registered with epoll, now */
    uint64_t descriptors_registered; /* ever */
    uint64_t streams;                /* open streams and listeners, now */
    uint64_t timers;                 /* armed, now: sleeps, deadlines, edo_timers */
    uint64_t timers_fired;           /* that were not disarmed before */

    uint64_t handoffs;         /* workers taken from a thread that kept them */
    uint64_t stalls_computing; /* times a task kept its worker for too long, and used the processor meanwhile */
    uint64_t stalls_blocked;   /* and did not: blocked in the kernel, or the processor was others' */
    uint64_t stalls_kept;      /* looks at a stall that could not be helped: no thread was left to hand the worker to */

    uint64_t regions; /* blocking regions that were begun (edo/blocking.h); files and callbacks use some, too */
    uint64_t blocking_threads;  /* of edo_blocking, now; also those whose caller has given up */
    uint64_t blocking_idle;     /* of them: without a job */
    uint64_t blocking_queued;   /* jobs without a thread, now */
    uint64_t resolving_threads; /* the same of edo_resolve's lane */
    uint64_t resolving_idle;
    uint64_t resolving_queued;

    uint64_t stacks_in_use;   /* now; those that workers keep for the next task included */
    uint64_t stacks_resident; /* free, kept with their memory, now */
    uint64_t stacks_cold;     /* free, their memory given back, now */
    uint64_t stacks_mapped;   /* bytes of address space, now */
    uint64_t file_rings;      /* workers that have an io_uring for files; 0: regions */

    uint64_t local_schedules; /* tasks made ready by workers; from the numbers above, so it may lag behind by some */
    uint64_t lifo_schedules;  /* of them: to run next on that worker, since one of its tasks had woken them */
} edo_metrics;

#define EDO_METRICS_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(edo_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                      \
    }

/*
 * Fills *out (set out->size first: EDO_METRICS_INIT) with what the calling task's runtime counts. 0; -EPERM outside a
 * task; -E2BIG: out->size is of no version up to this one. Never waits for a task; takes some locks for a moment.
 */
EDO_API int edo_metrics_read(edo_metrics *out);

/* --- Each worker -------------------------------------------------------------------------------------------------- */

/* What stands here by the same names as above is that worker's part of it. */
typedef struct edo_worker_metrics {
    size_t size;
    uint64_t tasks_spawned; /* by its tasks */
    uint64_t tasks_ended;   /* on it */
    uint64_t switches;
    uint64_t queued; /* now */
    uint64_t overflows;
    uint64_t forced_yields;
    uint64_t steals; /* which it took from others */
    uint64_t steal_operations;
    uint64_t sleeps;
    uint64_t idle_wakes;
    uint64_t asleep; /* 1: now */
    int64_t busy;
    uint64_t polls;
    uint64_t events;
    uint64_t descriptors;
    uint64_t descriptors_registered;
    uint64_t timers;
    uint64_t timers_fired;
    uint64_t thread; /* the OS thread that has the worker, now: its number to the kernel, as in `top -H` */
    uint64_t lifo_schedules;
} edo_worker_metrics;

#define EDO_WORKER_METRICS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(edo_worker_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                         \
    }

/* The same for one worker, 0 to edo_metrics.workers - 1. Also -EINVAL: there is no such worker. */
EDO_API int edo_metrics_worker(edo_worker_metrics *out, int worker);

/* --- Times -------------------------------------------------------------------------------------------------------- */

enum edo_times {
    EDO_TIMES_POLL = 0, /* how long a task keeps its worker, from when it gets it until it waits, yields or ends */
    EDO_TIMES_DELAY = 1 /* how long a task that may run waits for its turn */
};

enum { EDO_HISTOGRAM_BUCKETS = 122 };

/*
 * Times of a sample of turns. buckets[i] counts those above edo_histogram_limit(i - 1) and up to
 * edo_histogram_limit(i): up to 64 ns, then four buckets for each doubling, up to 68.7 s; the last one counts what is
 * longer.
 */
typedef struct edo_histogram {
    size_t size;
    uint64_t count; /* of all buckets */
    int64_t sum;    /* ns */
    uint64_t buckets[EDO_HISTOGRAM_BUCKETS];
} edo_histogram;

/* The longest time that a bucket counts, ns; EDO_FOREVER for the last one, and beyond. Any thread. */
EDO_API int64_t edo_histogram_limit(int bucket);

/*
 * Fills *out (set out->size first) with times (enum edo_times) of one worker, or of all for -1. 0; -EPERM outside a
 * task; -E2BIG; -EINVAL: no such times, no such worker; -ENODATA: the runtime does not measure them.
 */
EDO_API int edo_metrics_times(edo_histogram *out, int times, int worker);

/* --- Each task ---------------------------------------------------------------------------------------------------- */

/*
 * What is known of one task. With .metrics each sampled turn is credited to its task, for all the turns of its worker
 * since the sample before. So polls and busy are estimates: right on the average, within some percent for a task that
 * had tens of thousands of turns; a task that had few may have none that was met, and 0 here.
 */
typedef struct edo_task_metrics {
    size_t size;
    uint64_t id;    /* edo_task_id */
    int64_t age;    /* ns since it was spawned, wrong by up to 1/64 of it, or some ms; -1: not known (in seeded runs) */
    uint64_t polls; /* turns it had, estimated; with .metrics, else 0 */
    int64_t busy;   /* ns in them, estimated; with .metrics, else 0 */
} edo_task_metrics;

#define EDO_TASK_METRICS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(edo_task_metrics), 0, 0, 0, 0                                                                           \
    }

/*
 * Fills *out (set out->size first: EDO_TASK_METRICS_INIT) for a task of the calling task's runtime, by its number
 * (edo_task_id); 0: the calling one. 0; -EPERM outside a task; -E2BIG; -ESRCH: there is no such task, or it has ended.
 * Looks through all tasks for it.
 */
EDO_API int edo_metrics_task(edo_task_metrics *out, uint64_t task);

/*
 * Times of its sampled turns (enum edo_times): as edo_metrics_times, but by doublings, since each task keeps its own:
 * every fourth bucket counts those of four. With .metrics a task needs some 300 bytes more for that. Also -EINVAL: no
 * such times; -ENODATA: the runtime does not measure them.
 */
EDO_API int edo_metrics_task_times(edo_histogram *out, int times, uint64_t task);

/* --- As text ------------------------------------------------------------------------------------------------------ */

/*
 * Writes all of this for Prometheus (text format 0.0.4; Content-Type: text/plain; version=0.0.4) into `out`,
 * terminated, at most `capacity` bytes of it. Returns how long the text is without its end, which may be more than has
 * found room: ask with capacity 0 first, and add some, since numbers grow. Times are in seconds, by powers of two.
 * -EPERM outside a task; -ENOMEM. All of it is of one reading: sums fit each other.
 */
EDO_API ssize_t edo_metrics_print(char *out, size_t capacity);

/*
 * The same of all runtimes of the process, but for those with .unobserved: each sample has the label runtime="N", its
 * number in the process, from 0. -EPERM after fork(2); -ENOMEM. Any thread.
 */
EDO_API ssize_t edo_metrics_print_all(char *out, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
