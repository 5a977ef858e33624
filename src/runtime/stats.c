/* SPDX-License-Identifier: MIT */
/* What a runtime has counted. Sums of counters that each worker writes for itself; nobody is stopped. */
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <errno.h>

static uint64_t edo_read(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void edo_stats_add_worker(edo_stats *stats, struct edo_worker *worker, uint64_t *ended)
{
    stats->tasks_spawned += edo_read(&worker->counts.spawned);
    *ended += edo_read(&worker->counts.ended);
    stats->switches += edo_read(&worker->counts.switches);
    stats->steals += edo_read(&worker->counts.steals);
    stats->sleeps += edo_read(&worker->counts.sleeps);
    stats->polls += edo_read(&worker->counts.polls);
    stats->events += edo_read(&worker->counts.events);
    stats->timers += __atomic_load_n(&worker->wheel.count, __ATOMIC_RELAXED);
}

int edo_stats_read(edo_stats *out)
{
    struct edo_task *task = edo_task_self();
    struct edo_stack_stats stacks;
    struct edo_runtime *runtime;
    edo_stats stats = {.size = sizeof stats};
    uint64_t ended = 0;
    size_t size = out->size;

    if (!task)
        return -EPERM;
    if (size < sizeof(size_t) || size > sizeof stats)
        return -E2BIG;
    runtime = task->home->runtime;
    stats.workers = runtime->worker_count;
    stats.uptime = edo_platform->now() - runtime->started;
    for (int i = 0; i < runtime->worker_count; i++)
        edo_stats_add_worker(&stats, &runtime->workers[i], &ended);
    /* Read apart from each other, so a task may seem to have ended before it was spawned. */
    stats.tasks_alive = stats.tasks_spawned > ended ? stats.tasks_spawned - ended : 0;
    stats.wakes = edo_read(&runtime->wakes);
    stats.handoffs = edo_read(&runtime->handoffs);
    stats.streams = edo_read(&runtime->streams);
    stats.stalls_computing = edo_read(&runtime->monitor.computing);
    stats.stalls_blocked = edo_read(&runtime->monitor.blocked);
    stats.stalls_kept = edo_read(&runtime->monitor.refused);
    stats.file_rings = (uint64_t)runtime->rings;
    edo_blocking_pool_counts(runtime->blocking, &stats.blocking_threads, &stats.blocking_queued);
    edo_blocking_pool_counts(runtime->resolving, &stats.resolving_threads, &stats.resolving_queued);
    edo_lock_acquire(&runtime->threads_lock);
    stats.threads = runtime->thread_count + (int)(stats.blocking_threads + stats.resolving_threads);
    edo_lock_release(&runtime->threads_lock);
    edo_stack_pool_stats(&stacks, &runtime->stacks);
    stats.stacks_in_use = stacks.in_use;
    stats.stacks_resident = stacks.resident_cached;
    memcpy(out, &stats, size);
    out->size = size;
    return 0;
}
