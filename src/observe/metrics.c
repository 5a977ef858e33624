/* SPDX-License-Identifier: MIT */
/*
 * Reading what a runtime has counted. Each worker writes its own counters, with plain stores, and what is everybody's
 * is counted atomically; reading adds them up, relaxed, and stops nobody. So sums are of moments that lie apart, which
 * is made good where it would show as nonsense.
 */
#include "observe/metrics.h"
#include "platform/platform.h"
#include "runtime/sample.h"

#include <errno.h>

static uint64_t edo_counted(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Idle time that is going on is counted from its beginning; again, if it ends while this reads. */
static int64_t edo_busy(struct edo_worker *worker, int64_t now)
{
    struct edo_sampler *sampler = worker->sampler;
    int64_t busy, idle, since;

    if (!sampler)
        return 0;
    do {
        idle = atomic_load_explicit(&sampler->idle_time, memory_order_acquire);
        since = atomic_load_explicit(&sampler->idle_since, memory_order_acquire);
    } while (idle != atomic_load_explicit(&sampler->idle_time, memory_order_relaxed));
    busy = now - worker->runtime->started - idle - (since && since < now ? now - since : 0);
    return busy > 0 ? busy : 0;
}

static uint64_t edo_thread_number_of(struct edo_worker *worker)
{
    int number;

    edo_lock_acquire(&worker->thread_lock);
    number = __atomic_load_n(&worker->thread->number, __ATOMIC_RELAXED);
    edo_lock_release(&worker->thread_lock);
    return (uint64_t)number;
}

void edo_worker_counted(edo_worker_metrics *out, struct edo_worker *worker, int64_t now)
{
    struct edo_worker_counts *counts = &worker->counts;

    *out = (edo_worker_metrics){
        .size = sizeof *out,
        .tasks_ended = edo_counted(&counts->ended), /* first: a task that has ended was spawned before */
        .queued = edo_worker_queued(worker) + (atomic_load_explicit(&worker->lifo, memory_order_relaxed) != NULL),
        .lifo_schedules = edo_counted(&counts->lifo_schedules),
        .overflows = edo_counted(&counts->overflows),
        .forced_yields = edo_counted(&counts->forced_yields),
        .steals = edo_counted(&counts->steals),
        .steal_operations = edo_counted(&counts->steal_operations),
        .sleeps = edo_counted(&counts->sleeps),
        .idle_wakes = worker->sampler ? edo_counted(&worker->sampler->idle_wakes) : 0,
        .asleep = atomic_load_explicit(&worker->waiting, memory_order_relaxed),
        .busy = edo_busy(worker, now),
        .polls = edo_counted(&counts->polls),
        .events = edo_counted(&counts->events),
        .descriptors = atomic_load_explicit(&worker->poller.sources, memory_order_relaxed),
        .descriptors_registered = edo_counted(&worker->poller.registered),
        .timers = __atomic_load_n(&worker->wheel.count, __ATOMIC_RELAXED),
        .timers_fired = edo_counted(&counts->timers_fired),
        .thread = edo_thread_number_of(worker),
    };
    out->tasks_spawned = edo_counted(&counts->spawned);
    out->switches = edo_counted(&counts->switches);
}

static void edo_metrics_add(edo_metrics *sum, uint64_t *ended, const edo_worker_metrics *part)
{
    *ended += part->tasks_ended;
    sum->tasks_spawned += part->tasks_spawned;
    sum->switches += part->switches;
    sum->local_queued += part->queued;
    sum->lifo_schedules += part->lifo_schedules;
    sum->overflows += part->overflows;
    sum->forced_yields += part->forced_yields;
    sum->steals += part->steals;
    sum->steal_operations += part->steal_operations;
    sum->sleeps += part->sleeps;
    sum->idle_wakes += part->idle_wakes;
    sum->asleep += part->asleep;
    sum->busy += part->busy;
    sum->polls += part->polls;
    sum->events += part->events;
    sum->descriptors += part->descriptors;
    sum->descriptors_registered += part->descriptors_registered;
    sum->timers += part->timers;
    sum->timers_fired += part->timers_fired;
}

/* What is no worker's. */
static void edo_metrics_shared(edo_metrics *out, struct edo_runtime *runtime)
{
    struct edo_stack_stats stacks;

    out->global_queued = atomic_load_explicit(&runtime->global_count, memory_order_relaxed);
    out->remote_schedules = edo_counted(&runtime->remote_schedules);
    out->wakes = edo_counted(&runtime->wakes);
    out->handoffs = edo_counted(&runtime->handoffs);
    out->streams = edo_counted(&runtime->streams);
    out->stalls_computing = edo_counted(&runtime->monitor.computing);
    out->stalls_blocked = edo_counted(&runtime->monitor.blocked);
    out->stalls_kept = edo_counted(&runtime->monitor.refused);
    out->file_rings = (uint64_t)runtime->rings;
    edo_blocking_pool_counts(runtime->blocking, &out->blocking_threads, &out->blocking_idle, &out->blocking_queued);
    edo_blocking_pool_counts(runtime->resolving, &out->resolving_threads, &out->resolving_idle, &out->resolving_queued);
    edo_lock_acquire(&runtime->threads_lock);
    out->threads = runtime->thread_count + (int)(out->blocking_threads + out->resolving_threads);
    for (struct edo_thread *thread = runtime->threads; thread; thread = thread->next)
        out->regions += edo_thread_regions(thread);
    edo_lock_release(&runtime->threads_lock);
    edo_stack_pool_stats(&stacks, &runtime->stacks);
    out->stacks_in_use = stacks.in_use;
    out->stacks_resident = stacks.resident_cached;
    out->stacks_cold = stacks.cold_cached;
    out->stacks_mapped = stacks.mapped;
}

void edo_runtime_counted(edo_metrics *out, edo_worker_metrics *workers, struct edo_runtime *runtime, int64_t now)
{
    uint64_t ended = 0;
    uint64_t ready;

    *out = (edo_metrics){.size = sizeof *out, .workers = runtime->worker_count, .uptime = now - runtime->started};
    for (int i = 0; i < runtime->worker_count; i++) {
        edo_worker_metrics part;

        edo_worker_counted(&part, &runtime->workers[i], now);
        edo_metrics_add(out, &ended, &part);
        if (workers)
            workers[i] = part;
    }
    /* It may have been spawned on a worker that was read before, and have ended on one that was read behind. */
    out->tasks_alive = out->tasks_spawned > ended ? out->tasks_spawned - ended : 0;
    edo_metrics_shared(out, runtime);
    /* Who has been resumed or is still queued was made ready once, by one or the other. */
    ready = out->switches + out->local_queued + out->global_queued;
    out->local_schedules = ready > out->remote_schedules ? ready - out->remote_schedules : 0;
}

void edo_times_counted(edo_histogram *out, struct edo_runtime *runtime, int times, int worker)
{
    int first = worker < 0 ? 0 : worker;
    int last = worker < 0 ? runtime->worker_count - 1 : worker;

    *out = (edo_histogram){.size = sizeof *out};
    for (int i = first; i <= last; i++) {
        struct edo_times_kept *kept = &runtime->workers[i].sampler->times[times];

        out->sum += (int64_t)edo_counted(&kept->sum);
        for (int bucket = 0; bucket < EDO_HISTOGRAM_BUCKETS; bucket++)
            out->buckets[bucket] += edo_counted(&kept->buckets[bucket]);
    }
    for (int bucket = 0; bucket < EDO_HISTOGRAM_BUCKETS; bucket++)
        out->count += out->buckets[bucket];
}

/* --- For everybody ------------------------------------------------------------------------------------------------ */

/* The calling task's runtime, for a caller who knows `size` bytes of `known`. 0, -EPERM, -E2BIG. */
static int edo_metrics_begin(struct edo_runtime **runtime, size_t size, size_t known)
{
    struct edo_task *task = edo_task_self();

    if (!task)
        return -EPERM;
    if (size < sizeof(size_t) || size > known)
        return -E2BIG;
    *runtime = task->home->runtime;
    return 0;
}

int edo_metrics_read(edo_metrics *out)
{
    struct edo_runtime *runtime;
    size_t size = out->size;
    edo_metrics metrics;
    int rc = edo_metrics_begin(&runtime, size, sizeof metrics);

    if (rc < 0)
        return rc;
    edo_runtime_counted(&metrics, NULL, runtime, edo_platform->now());
    memcpy(out, &metrics, size);
    out->size = size;
    return 0;
}

int edo_metrics_worker(edo_worker_metrics *out, int worker)
{
    struct edo_runtime *runtime;
    size_t size = out->size;
    edo_worker_metrics metrics;
    int rc = edo_metrics_begin(&runtime, size, sizeof metrics);

    if (rc < 0)
        return rc;
    if (worker < 0 || worker >= runtime->worker_count)
        return -EINVAL;
    edo_worker_counted(&metrics, &runtime->workers[worker], edo_platform->now());
    memcpy(out, &metrics, size);
    out->size = size;
    return 0;
}

_Static_assert((int)EDO_KEPT_POLL == (int)EDO_TIMES_POLL && (int)EDO_KEPT_DELAY == (int)EDO_TIMES_DELAY &&
                   (int)EDO_KEPT_BUCKETS == (int)EDO_HISTOGRAM_BUCKETS,
               "as sample.h keeps them");

int edo_metrics_times(edo_histogram *out, int times, int worker)
{
    struct edo_runtime *runtime;
    size_t size = out->size;
    edo_histogram histogram;
    int rc = edo_metrics_begin(&runtime, size, sizeof histogram);

    if (rc < 0)
        return rc;
    if (times < 0 || times >= EDO_KEPT_TIMES || worker < -1 || worker >= runtime->worker_count)
        return -EINVAL;
    if (!runtime->options.metrics)
        return -ENODATA;
    edo_times_counted(&histogram, runtime, times, worker);
    memcpy(out, &histogram, size);
    out->size = size;
    return 0;
}

int64_t edo_histogram_limit(int bucket)
{
    return edo_times_limit(bucket);
}
