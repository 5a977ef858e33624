/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark asks of a runtime that hands workers over: the threshold (BENCH_STALL_AFTER, for edo_run_options),
 * and blocking regions. Where they are not there yet, rows that need them say so and do not pass.
 */
#ifndef EDO_BENCH_HAND_OFF_H
#define EDO_BENCH_HAND_OFF_H

#include <edo/edo.h>

#define BENCH_HAND_OFF 0 /* 1 where edo_run_options has .stall_after and <edo/blocking.h> has regions */

#if BENCH_HAND_OFF
#define BENCH_STALL_AFTER(time) .stall_after = (time)
#else
#define BENCH_STALL_AFTER(time) .seed = 0 /* the default, as if it had not been said */
static inline int edo_blocking_begin(void)
{
    return 0;
}
static inline void edo_blocking_end(void)
{
}
#endif

#define BENCH_NO_HAND_OFF "this runtime hands no worker over yet"

#endif
