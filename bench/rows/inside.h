/* SPDX-License-Identifier: MIT */
/*
 * For rows that run Edo in their own process.
 */
#ifndef EDO_BENCH_ROWS_INSIDE_H
#define EDO_BENCH_ROWS_INSIDE_H

#include "measure.h"
#include "row.h"

#include <edo/edo.h>

#define BENCH_SWITCHES ((size_t)2000000) /* of one sample */

/* Runs fn as the root task on so many workers; a single one stays on one core. */
static inline int bench_inside(edo_task_fn fn, void *argument, int workers)
{
    int core = bench_core(0);

    if (workers == 1 && core >= 0)
        bench_pin(core);
    return edo_run(fn, argument, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE));
}

/* Deadlines that are all at least an hour away, and spread over another hour or so. */
static inline int64_t bench_far_deadline(int64_t now, size_t number)
{
    return now + EDO_SEC(3600) + (int64_t)((uint64_t)number * 0x9e3779b97f4a7c15u >> 22);
}

#endif
