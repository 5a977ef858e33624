/* SPDX-License-Identifier: MIT */
/* Tasks that stall until others have run, for the tests of the monitor. */
#ifndef EDO_TESTS_RUNTIME_STALLING_H
#define EDO_TESTS_RUNTIME_STALLING_H

#include "helpers.h"

/* Spins, without a call of ours, until the number is reached. */
static inline void spin_until(_Atomic int *number, int reached)
{
    while (atomic_load_explicit(number, memory_order_relaxed) < reached)
        ;
}

/* Blocks in the kernel until the number is reached. */
static inline void block_until(_Atomic int *number, int reached)
{
    while (atomic_load(number) < reached)
        usleep(1000);
}

static struct {
    _Atomic int ran;
    _Atomic int stalled;
    int wanted; /* how often it has to be run before a stall ends */
    bool blocks;
    int ends[2];
    edo_stream *stream;
    edo_timer timer;
} world;

static inline int world_run(edo_task_fn fn, int workers, int wanted, bool blocks)
{
    memset(&world, 0, sizeof world);
    world.wanted = wanted;
    world.blocks = blocks;
    return run_with(fn, NULL, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE));
}

static inline int stalls(void *argument)
{
    (void)argument;
    atomic_fetch_add(&world.stalled, 1);
    if (world.blocks)
        block_until(&world.ran, world.wanted);
    else
        spin_until(&world.ran, world.wanted);
    return edo_yield();
}

static inline int runs(void *argument)
{
    (void)argument;
    atomic_fetch_add(&world.ran, 1);
    return 0;
}

/* Counts are raised after the hand-off that they are about. For ever, if there are not so many. */
static inline void until_counted(edo_metrics *metrics, uint64_t stalled, uint64_t handoffs)
{
    do
        CHECK_RC(edo_metrics_read(metrics), 0);
    while ((metrics->stalls_computing + metrics->stalls_blocked < stalled || metrics->handoffs < handoffs) &&
           edo_sleep(EDO_MS(1)) == 0);
}

#endif
