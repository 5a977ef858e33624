/* SPDX-License-Identifier: MIT */
/*
 * Scheduling by random priorities ("A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", Burckhardt
 * et al., ASPLOS 2010). Of the tasks that are ready the one with the highest priority runs. Priorities are drawn as
 * tasks come up; at d - 1 points of the run, drawn in advance, whoever runs falls below all others. A bug that needs d
 * events in a certain order is found by one of about n * k^(d-1) seeds, for n tasks and k suspension points.
 *
 * Where the paper's threads block, tasks may also spin and yield: one that was chosen again and again, while others
 * were ready, falls too.
 */
#ifndef EDO_TESTING_PCT_H
#define EDO_TESTING_PCT_H

#include <stdint.h>

struct edo_task;

enum { EDO_PCT_CHANGES_MOST = 16, EDO_PCT_FALLEN = 64 };

struct edo_pct {
    uint64_t seed;
    uint64_t points; /* suspension points so far */
    uint64_t change_at[EDO_PCT_CHANGES_MOST];
    int changes;
    uint64_t fallen[EDO_PCT_FALLEN]; /* tasks, the last ones to fall; by `falls`, which counts all */
    uint64_t falls;
    uint64_t last;   /* the task that was chosen last, */
    uint32_t streak; /* so often in a row */
};

/* `depth`: d; `steps`: k, 0 for one that is drawn too. */
void edo_pct_init(struct edo_pct *pct, uint64_t seed, int depth, uint64_t steps);

/* A suspension point of the running task. */
void edo_pct_point(struct edo_pct *pct, const struct edo_task *task);

/* Which of `count` tasks, linked from `first`, runs. */
uint32_t edo_pct_choose(struct edo_pct *pct, const struct edo_task *first, uint32_t count);

#endif
