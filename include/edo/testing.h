/* SPDX-License-Identifier: MIT */
/*
 * Testing programs that are written with Edo: runs that can be repeated, and sweeps that prove that a function bears
 * cancellation and failure at every point.
 *
 * Called on a plain thread, outside any task, one at a time in a process: while one runs, the platform table that all of
 * Edo goes through is replaced.
 */
#ifndef EDO_TESTING_H
#define EDO_TESTING_H

#include <edo/base.h>
#include <edo/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Seeded runs ---------------------------------------------------------------------------------------------------- */

/* How the next task is chosen among those that are ready. */
enum edo_test_schedule {
    EDO_SCHEDULE_RANDOM = 0, /* any of them, and a change at any suspension point, by the seed */
    EDO_SCHEDULE_PCT,        /* by random priorities, with few changes ("A Randomized Scheduler with Probabilistic
                                Guarantees of Finding Bugs", Burckhardt et al., ASPLOS 2010) */
    EDO_SCHEDULE_FIFO        /* the one that has been ready for longest; no changes at suspension points */
};

typedef struct edo_test_options {
    size_t size;
    uint64_t seed;    /* of all choices; 0: $EDO_SEED, else a random one */
    int schedule;     /* enum edo_test_schedule */
    bool real_kernel; /* the clock, descriptors and sockets of the system instead of simulated ones */
} edo_test_options;

/*
 * Runs fn(argument) as edo_run does, on a runtime with one worker, on the calling thread, whose choices are drawn from a
 * seed: the same seed and the same binary give the same run.
 *
 * Returns what edo_run would; -EPERM inside a task; -EINVAL, -E2BIG for wrong options.
 */
EDO_API int edo_test_run(edo_task_fn fn, void *argument, const edo_test_options *options);

#ifdef __cplusplus
}
#endif

#endif
