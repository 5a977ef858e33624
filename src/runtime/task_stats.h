/* SPDX-License-Identifier: MIT */
/*
 * What was sampled of one task (.metrics). It stands behind the task in its block, which is larger for that in a
 * runtime that measures (run.c); in others there is nothing, and nobody asks.
 *
 * Each sampled turn (sample.h) stands for all that its worker has made since the sample before: so polls and busy time
 * are estimates, which are right on the average, for a task and for all of its site; and a task that had few turns has
 * perhaps none that was met. Histograms are by powers of two, to be small.
 *
 * Written by threads' own flows, which may have lost the task meanwhile: it is credited if its number is still the
 * same. Between that look and the credit its block may become another task, whose sample it then is; and of two credits
 * at the same moment one may be lost. Both are as good as never so, and an estimate is none the worse for it.
 */
#ifndef EDO_RUNTIME_TASK_STATS_H
#define EDO_RUNTIME_TASK_STATS_H

#include "runtime/sample.h"

enum { EDO_TASK_BUCKETS = (EDO_KEPT_BUCKETS + 2) / 4 + 1 };

struct edo_task_stats {
    _Atomic uint64_t polls;                /* estimated */
    _Atomic uint64_t busy;                 /* ns, estimated */
    _Atomic uint64_t sums[EDO_KEPT_TIMES]; /* ns, of the samples */
    _Atomic uint32_t counts[EDO_KEPT_TIMES];
    _Atomic uint32_t buckets[EDO_KEPT_TIMES][EDO_TASK_BUCKETS];
    char room[64]; /* so that the same word of all tasks is not in the same few sets of the cache */
};

/* Of a task of a runtime that measures. */
static inline struct edo_task_stats *edo_task_stats(struct edo_task *task)
{
    return (struct edo_task_stats *)(void *)(task + 1);
}

/* Of edo_kept's buckets four are one, but for the first and the last; and back, to the last of the four. */
static inline int edo_task_bucket(int kept)
{
    return (kept + 3) / 4;
}

static inline int edo_task_bucket_kept(int bucket)
{
    return 4 * bucket < EDO_KEPT_BUCKETS ? 4 * bucket : EDO_KEPT_BUCKETS - 1;
}

#endif
