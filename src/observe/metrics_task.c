/* SPDX-License-Identifier: MIT */
/*
 * What is known of one task. It is found in its block, which is type-stable: what was read there is of that task if its
 * number is the same behind it.
 */
#include "observe/metrics.h"
#include "platform/platform.h"
#include "runtime/task_stats.h"

#include <errno.h>

static bool edo_task_is(struct edo_task *block, uint64_t id)
{
    atomic_thread_fence(memory_order_acquire);
    return __atomic_load_n(&block->id, __ATOMIC_RELAXED) == id;
}

bool edo_task_counted(uint64_t *polls, int64_t *busy, struct edo_runtime *runtime, struct edo_task *block, uint64_t id)
{
    struct edo_task_stats *stats = edo_task_stats(block);

    *polls = 0;
    *busy = 0;
    if (runtime->options.metrics) {
        *polls = atomic_load_explicit(&stats->polls, memory_order_relaxed);
        *busy = (int64_t)atomic_load_explicit(&stats->busy, memory_order_relaxed);
    }
    if (edo_task_is(block, id))
        return true;
    *polls = 0;
    *busy = 0;
    return false;
}

bool edo_task_times_counted(edo_histogram *out, struct edo_task *block, uint64_t id, int times)
{
    struct edo_task_stats *stats = edo_task_stats(block);

    *out = (edo_histogram){.size = sizeof *out};
    for (int i = 0; i < EDO_TASK_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&stats->buckets[times][i], memory_order_relaxed);

        out->buckets[edo_task_bucket_kept(i)] = count;
        out->count += count;
    }
    out->sum = (int64_t)atomic_load_explicit(&stats->sums[times], memory_order_relaxed);
    return edo_task_is(block, id);
}

/* --- For everybody ------------------------------------------------------------------------------------------------ */

struct edo_task_search {
    uint64_t id;
    struct edo_task *found;
};

static void edo_task_look(void *context, void *block)
{
    struct edo_task_search *search = (struct edo_task_search *)context;

    if (__atomic_load_n(&((struct edo_task *)block)->id, __ATOMIC_ACQUIRE) == search->id)
        search->found = (struct edo_task *)block;
}

/* The task with that number, 0 for the calling one, of the calling task's runtime. 0, -EPERM, -ESRCH. */
static int edo_task_find(struct edo_task **out, uint64_t *id)
{
    struct edo_task *self = edo_task_self();
    struct edo_task_search search = {.id = *id};

    if (!self)
        return -EPERM;
    if (*id == 0 || *id == self->id) {
        *id = self->id;
        *out = self;
        return 0;
    }
    edo_blocks_each(&self->home->runtime->tasks, edo_task_look, &search);
    *out = search.found;
    return search.found ? 0 : -ESRCH;
}

int edo_metrics_task(edo_task_metrics *out, uint64_t id)
{
    size_t size = out->size;
    struct edo_runtime *runtime;
    struct edo_task *block;
    edo_task_metrics metrics;
    int64_t now = edo_platform->now();
    int64_t spawned;
    int rc = edo_task_find(&block, &id);

    if (rc == -EPERM)
        return rc;
    if (size < sizeof(size_t) || size > sizeof metrics)
        return -E2BIG;
    if (rc < 0)
        return rc;
    runtime = edo_task_self()->home->runtime;
    metrics = (edo_task_metrics){.size = size, .id = id};
    spawned = edo_ages_of(&runtime->workers[edo_ages_worker(id)], id, now);
    metrics.age = spawned == EDO_FOREVER ? -1 : now - spawned;
    if (!edo_task_counted(&metrics.polls, &metrics.busy, runtime, block, id))
        return -ESRCH;
    memcpy(out, &metrics, size);
    return 0;
}

int edo_metrics_task_times(edo_histogram *out, int times, uint64_t id)
{
    size_t size = out->size;
    struct edo_task *block;
    edo_histogram histogram;
    int rc = edo_task_find(&block, &id);

    if (rc == -EPERM)
        return rc;
    if (size < sizeof(size_t) || size > sizeof histogram)
        return -E2BIG;
    if (times < 0 || times >= EDO_KEPT_TIMES)
        return -EINVAL;
    if (!edo_task_self()->home->runtime->options.metrics)
        return -ENODATA;
    if (rc < 0)
        return rc;
    if (!edo_task_times_counted(&histogram, block, id, times))
        return -ESRCH;
    memcpy(out, &histogram, size);
    out->size = size;
    return 0;
}
