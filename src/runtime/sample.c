/* SPDX-License-Identifier: MIT */
/* Times of a sample of turns. See sample.h. */
#include "runtime/sample.h"
#include "runtime/runtime.h"
#include "runtime/task_stats.h"
#include "platform/platform.h"

#include <errno.h>

/* --- Histograms --------------------------------------------------------------------------------------------------- */

/*
 * By the time less one, so that limits belong to their buckets: four for each doubling from 2^SHORTEST ns, by the two
 * bits behind the highest one.
 */
enum { EDO_TIMES_SHORTEST = 6, EDO_TIMES_LONGEST = 36 };

_Static_assert(EDO_KEPT_BUCKETS == 2 + 4 * (EDO_TIMES_LONGEST - EDO_TIMES_SHORTEST), "and what is out of it");

int edo_times_bucket(int64_t time)
{
    uint64_t below = (uint64_t)time - 1;
    int exponent;

    if (time <= 1 << EDO_TIMES_SHORTEST)
        return 0;
    exponent = 63 - __builtin_clzll(below);
    if (exponent >= EDO_TIMES_LONGEST)
        return EDO_KEPT_BUCKETS - 1;
    return 1 + 4 * (exponent - EDO_TIMES_SHORTEST) + (int)(below >> (exponent - 2) & 3);
}

int64_t edo_times_limit(int bucket)
{
    int exponent = EDO_TIMES_SHORTEST + (bucket - 1) / 4;

    if (bucket >= EDO_KEPT_BUCKETS - 1)
        return EDO_FOREVER;
    if (bucket <= 0)
        return INT64_C(1) << EDO_TIMES_SHORTEST;
    return (INT64_C(1) << exponent) + ((INT64_C(1) << (exponent - 2)) * ((bucket - 1) % 4 + 1));
}

static void edo_times_add(struct edo_times_kept *times, int64_t time)
{
    if (time < 0)
        time = 0;
    atomic_fetch_add_explicit(&times->sum, (uint64_t)time, memory_order_relaxed);
    atomic_fetch_add_explicit(&times->buckets[edo_times_bucket(time)], 1, memory_order_relaxed);
}

/* --- Tasks -------------------------------------------------------------------------------------------------------- */

static void edo_task_forget(struct edo_task_stats *stats)
{
    if (atomic_load_explicit(&stats->counts[EDO_KEPT_POLL], memory_order_relaxed) == 0 &&
        atomic_load_explicit(&stats->counts[EDO_KEPT_DELAY], memory_order_relaxed) == 0)
        return;
    atomic_store_explicit(&stats->polls, 0, memory_order_relaxed);
    atomic_store_explicit(&stats->busy, 0, memory_order_relaxed);
    for (int times = 0; times < EDO_KEPT_TIMES; times++) {
        atomic_store_explicit(&stats->sums[times], 0, memory_order_relaxed);
        atomic_store_explicit(&stats->counts[times], 0, memory_order_relaxed);
        for (int i = 0; i < EDO_TASK_BUCKETS; i++)
            atomic_store_explicit(&stats->buckets[times][i], 0, memory_order_relaxed);
    }
}

static void edo_count_small(_Atomic uint32_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* A sample of the task's, if it is still there; for a turn: which stands for so many. */
static void edo_task_credit(struct edo_task *task, uint64_t id, enum edo_kept_times times, int64_t time, uint64_t turns)
{
    struct edo_task_stats *stats = edo_task_stats(task);

    if (time < 0)
        time = 0;
    if (__atomic_load_n(&task->id, __ATOMIC_RELAXED) != id)
        return;
    edo_count(&stats->sums[times], (uint64_t)time);
    edo_count_small(&stats->counts[times]);
    edo_count_small(&stats->buckets[times][edo_task_bucket(edo_times_bucket(time))]);
    if (turns > 0) {
        edo_count(&stats->polls, turns);
        edo_count(&stats->busy, (uint64_t)time * turns);
    }
}

/* --- The sampler -------------------------------------------------------------------------------------------------- */

int edo_sampler_create(struct edo_worker *worker)
{
    struct edo_sampler *sampler = (struct edo_sampler *)edo_platform->allocate(sizeof *sampler);

    if (!sampler)
        return -ENOMEM;
    sampler->random = (uint32_t)worker->index * 2654435761u + 1;
    for (int i = 0; i < EDO_PROBES; i++) {
        sampler->probes[i].stand_in.stack_class = EDO_PROBE_CLASS;
        sampler->probes[i].stand_in.home = &worker->runtime->base; /* whose runtime is asked for */
    }
    worker->sampler = sampler;
    return 0;
}

bool edo_sample_spawn(struct edo_worker *worker, struct edo_task *task)
{
    struct edo_sampler *sampler = worker->sampler;

    if (sampler)
        edo_task_forget(edo_task_stats(task));
    if (atomic_load_explicit(&worker->runtime->tracing, memory_order_relaxed) || !sampler)
        return true; /* `ready` is asked for it, not the clock */
    if (sampler->spawns > 0) {
        sampler->spawns--;
        return false;
    }
    sampler->spawns = EDO_SAMPLE_SPAWNS - 1;
    return true;
}

/* At random, so that programs which do the same again and again are not always met at the same place. */
static uint64_t edo_sample_gap(struct edo_sampler *sampler)
{
    sampler->random = sampler->random * 1664525 + 1013904223;
    return EDO_SAMPLE_GAP + (sampler->random >> 16) % (EDO_SAMPLE_GAP / 2);
}

/*
 * Runs the task with turns for it and so many more, of those that are left; counts them, and gives back what was not
 * used.
 */
static void edo_sample_turns(struct edo_thread *thread, struct edo_task *task, int32_t more)
{
    struct edo_worker *worker = thread->worker;
    int32_t had = edo_turns_left(worker);
    int32_t begin = had > more ? more : had;
    int32_t end;
    bool ended;

    if (begin != had)
        edo_turns_set(worker, begin);
    edo_resume(thread, task);
    if (thread->worker != worker)
        return;
    end = edo_turns_left(worker);
    ended = end < -EDO_TURNS_BETWEEN_LOOKS;
    if (ended)
        end += EDO_TURNS_ENDED;
    if (end >= begin) /* they have begun anew meanwhile, on another thread */
        return;
    worker->sampler->turn += (uint64_t)(begin - end);
    if (!ended && begin != had)
        edo_turns_set(worker, end + had - begin);
}

/* The task may take the worker with it, or lose it; the sampler stays. */
void edo_sample_resume(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_sampler *sampler = thread->worker->sampler;
    uint64_t stands_for = sampler->turn + 1 - sampler->sampled;
    uint64_t id = task->id;
    int64_t time;

    if (sampler->turn < sampler->next) { /* it comes by here again when it is that one's turn */
        uint64_t before = sampler->next - sampler->turn;

        edo_sample_turns(thread, task,
                         before < EDO_TURNS_BETWEEN_LOOKS ? (int32_t)before - 1 : EDO_TURNS_BETWEEN_LOOKS);
        return;
    }
    sampler->sampled = sampler->turn + 1;
    sampler->next = sampler->turn + edo_sample_gap(sampler);
    task->flags |= EDO_TASK_TIMED;
    time = edo_platform->now();
    edo_sample_turns(thread, task, 0);
    time = edo_platform->now() - time;
    edo_times_add(&sampler->times[EDO_KEPT_POLL], time);
    edo_task_credit(task, id, EDO_KEPT_POLL, time, stands_for);
}

/* --- Idle times --------------------------------------------------------------------------------------------------- */

struct edo_task *edo_sample_idle(struct edo_thread *thread)
{
    struct edo_worker *worker = thread->worker;
    struct edo_sampler *sampler = worker->sampler;
    uint64_t switches = atomic_load_explicit(&worker->counts.switches, memory_order_relaxed);
    uint64_t sleeps = atomic_load_explicit(&worker->counts.sleeps, memory_order_relaxed);
    int64_t begin = edo_platform->now();
    int64_t since = begin;
    struct edo_task *task;

    atomic_store_explicit(&sampler->idle_since, begin, memory_order_relaxed);
    task = edo_worker_idle(thread);
    /* Another thread may be in the worker, and idle, if a timer's callback took its time. */
    atomic_fetch_add_explicit(&sampler->idle_time, edo_platform->now() - begin, memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&sampler->idle_since, &since, 0, memory_order_relaxed,
                                                 memory_order_relaxed) ||
        thread->worker != worker)
        return task;
    if (atomic_load_explicit(&worker->counts.sleeps, memory_order_relaxed) != sleeps) { /* so it woke */
        if (sampler->slept && sampler->switches == switches)
            edo_count(&sampler->idle_wakes, 1);
        sampler->slept = true;
        sampler->switches = switches;
    }
    return task;
}

/* --- Probes ------------------------------------------------------------------------------------------------------- */

struct edo_task *edo_probe_send(struct edo_runtime *runtime, struct edo_worker *worker, struct edo_task *task)
{
    const struct edo_tracing *tracing = atomic_load_explicit(&runtime->tracing, memory_order_acquire);
    struct edo_sampler *sampler = (worker ? worker : &runtime->workers[0])->sampler;
    struct edo_probe *probe;

    task->flags &= (uint8_t)~EDO_TASK_TIMED;
    if (tracing)
        tracing->ready(worker, task);
    if (tracing || !sampler) /* without: it was given the flag by a trace that is over */
        return task;
    probe = &sampler->probes[atomic_fetch_add_explicit(&sampler->probe, 1, memory_order_relaxed) % EDO_PROBES];
    if ((task->flags & (EDO_TASK_MIGRATES | EDO_TASK_CHOSEN)) ||
        atomic_exchange_explicit(&probe->out, true, memory_order_acquire))
        return task;
    probe->stand_in.flags = task->flags & EDO_TASK_PINNED;
    probe->stand_in.home_thread = task->home_thread;
    probe->task = task;
    probe->since = edo_platform->now();
    return &probe->stand_in;
}

struct edo_task *edo_probe_receive(struct edo_worker *worker, struct edo_task *stand_in)
{
    struct edo_probe *probe = EDO_CONTAINER_OF(stand_in, struct edo_probe, stand_in);
    struct edo_task *task = probe->task;
    int64_t time = edo_platform->now() - probe->since;

    edo_times_add(&worker->sampler->times[EDO_KEPT_DELAY], time);
    edo_task_credit(task, task->id, EDO_KEPT_DELAY, time, 0);
    atomic_store_explicit(&probe->out, false, memory_order_release);
    return task;
}
