/* SPDX-License-Identifier: MIT */
/*
 * Times of a sample of turns: how long tasks run, and how long they wait for their turn (.metrics in edo_run_options).
 *
 * Nothing of it stands on the ways that are hot: a runtime that does not measure has not one instruction more, and one
 * that does has them where it samples. Both measurements make the thread's own flow meet the task, where there is time
 * to read the clock.
 *
 *   Poll time. The own flow (worker.c, which has a form of its own for this) is where a task's turn begins in any case
 *   every 61 turns, and after each sleep. Which turn is sampled is settled before, by its number: those that just come
 *   by here, as the first after a sleep do, are not of all kinds. If it is near, the task that runs now gets only so
 *   many turns as lie before it: then the own flow has its turn again. The sampled one gets none: so whatever it does
 *   to let go, its successor is the own flow, which reads the clock again. Then the turns that were left are given
 *   back. (Had the monitor taken them away meanwhile, that comes again.) Each sample stands for the turns since the one
 *   before; so much is credited to its task, too (task_stats.h).
 *
 *   Delay. The task of a poll sample, and one in some spawned tasks, gets the flag EDO_TASK_TIMED. Who makes it ready
 *   the next time goes the way for special tasks because of it, and there a probe is put into the queue in its place: a
 *   task block of a stack class that does not exist. Probes are queued, stolen and passed on like others, but whoever
 *   would switch to one has no stack for it and leaves it to its own flow. That one takes the time, and runs the real
 *   task.
 *
 * A sampler belongs to a worker. What is not atomic is for the thread that is INSIDE it; times and probes are for
 * anybody (a task's turn may end on a thread that has lost its worker, and probes end where they are found). A probe
 * has one holder at a time, like a task: whoever has set `out`, then the queue, then the own flow that found it, which
 * clears it (release; the next one acquires). Without a free one there is no sample.
 *
 * A trace (tracing.h) wants the same detour, for every task: while there is one, it has EDO_TASK_TIMED to itself.
 */
#ifndef EDO_RUNTIME_SAMPLE_H
#define EDO_RUNTIME_SAMPLE_H

#include "runtime/task.h"

struct edo_worker;

enum {
    EDO_PROBES = 16,        /* of a worker */
    EDO_PROBE_CLASS = 255,  /* their stack class */
    EDO_SAMPLE_GAP = 320,   /* turns between samples at least, and half of that again at random */
    EDO_SAMPLE_SPAWNS = 16, /* one in so many spawned tasks is timed */
    EDO_KEPT_BUCKETS = 122
};

enum edo_kept_times { EDO_KEPT_POLL = 0, EDO_KEPT_DELAY, EDO_KEPT_TIMES };

struct edo_times_kept {
    _Atomic uint64_t sum;
    _Atomic uint64_t buckets[EDO_KEPT_BUCKETS];
};

struct edo_probe {
    struct edo_task stand_in; /* what is queued; first */
    struct edo_task *task;    /* in whose place */
    int64_t since;
    _Atomic bool out;
};

struct edo_sampler {
    uint64_t turn;    /* how many turns there were; also those that a task gave itself, being alone */
    uint64_t next;    /* how many there are before the next one that is sampled */
    uint64_t sampled; /* how many there were with the last one */
    uint32_t random;
    uint32_t spawns; /* left until the next one is timed */
    bool slept;      /* in an idle time, and has counted so many switches before it */
    uint64_t switches;
    _Atomic uint64_t idle_wakes;
    _Atomic int64_t idle_time;  /* ns, in searches and sleeps that have ended */
    _Atomic int64_t idle_since; /* 0: it is not idle */
    _Atomic uint32_t probe;     /* which one is tried next */
    struct edo_times_kept times[EDO_KEPT_TIMES];
    struct edo_probe probes[EDO_PROBES];
};

/* Gives the worker a sampler, to be released with it. 0, -ENOMEM. */
int edo_sampler_create(struct edo_worker *worker);

/* Which bucket counts a time; its longest one. See edo_histogram in edo/metrics.h. */
int edo_times_bucket(int64_t time);
int64_t edo_times_limit(int bucket);

/* The task is being spawned: nothing is known of it. Whether it is to be timed, or traced. INSIDE. */
bool edo_sample_spawn(struct edo_worker *worker, struct edo_task *task);

/* edo_resume and edo_worker_idle, measured. */
void edo_sample_resume(struct edo_thread *thread, struct edo_task *task);
struct edo_task *edo_sample_idle(struct edo_thread *thread);

/*
 * A timed task is made ready: it is timed no longer; what is to be queued in its place, or itself. `worker`: NULL, or
 * whose inside this is. Whoever finds a probe has its task run (receive; INSIDE).
 */
struct edo_task *edo_probe_send(struct edo_runtime *runtime, struct edo_worker *worker, struct edo_task *task);
struct edo_task *edo_probe_receive(struct edo_worker *worker, struct edo_task *stand_in);

static inline bool edo_probe_is(const struct edo_task *task)
{
    return task->stack_class == EDO_PROBE_CLASS;
}

#endif
