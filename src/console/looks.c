/* SPDX-License-Identifier: MIT */
/*
 * The snapshot that all share. See console.h.
 *
 * The interval is a second, or 25 times the processor time that the last one has cost: to take it, and to tell the
 * streams of it. So that uses at most 4 % of a processor. (What single requests cost is not counted: who asks without
 * end would make the streams stand still.)
 *
 * While a stream is open the snapshot's memory is used again and again. With none it is given back by a timer once it
 * is too old to be of use, so that a program has its memory, and nothing wakes, when nobody looks.
 */
#include "console/console.h"

#include <edo/memory.h>

#include <time.h>

enum { EDO_SHARE = 25 };

static int64_t clock_of(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return EDO_SEC(1) * time.tv_sec + time.tv_nsec;
}

int64_t edo_console_cpu(void)
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

int64_t edo_console_interval(const struct edo_console_looks *looks)
{
    int64_t cost = EDO_SHARE * looks->cost;

    return cost > EDO_SEC(1) ? cost : EDO_SEC(1);
}

int64_t edo_console_due(const struct edo_console_looks *looks)
{
    return looks->number == 0 ? 0 : looks->taken + edo_console_interval(looks);
}

/* Without memory what is told is of the time since the start. */
static void keep_busy(struct edo_console_looks *looks)
{
    edo_snapshot_runtime runtime = {.size = sizeof runtime};
    edo_snapshot_worker worker = {.size = sizeof worker};
    size_t count = 0;

    edo_release(looks->before);
    looks->before = NULL;
    looks->before_count = 0;
    for (size_t i = 0; looks->snapshot && edo_snapshot_get_runtime(&runtime, looks->snapshot, i) == 0; i++)
        count += (size_t)runtime.workers;
    if (count > 0)
        looks->before = (struct edo_console_busy *)edo_allocate(count * sizeof *looks->before);
    for (size_t i = 0; looks->before && edo_snapshot_get_runtime(&runtime, looks->snapshot, i) == 0; i++)
        for (int j = 0; edo_snapshot_get_worker(&worker, looks->snapshot, i, j) == 0; j++)
            looks->before[looks->before_count++] =
                (struct edo_console_busy){runtime.number, j, worker.metrics.busy, runtime.now};
}

const struct edo_console_busy *edo_console_before(const struct edo_console_looks *looks, uint64_t runtime, int worker)
{
    for (size_t i = 0; i < looks->before_count; i++)
        if (looks->before[i].runtime == runtime && looks->before[i].worker == worker)
            return &looks->before[i];
    return NULL;
}

int edo_console_look(struct edo_console_looks *looks)
{
    int64_t now = clock_of(CLOCK_MONOTONIC);

    if (looks->snapshot && looks->rc == 0 && now < edo_console_due(looks))
        return 0;
    keep_busy(looks);
    looks->taken = now;
    looks->wall = clock_of(CLOCK_REALTIME) / EDO_MS(1);
    looks->number++;
    looks->cost = -edo_console_cpu();
    looks->rc = edo_snapshot_take(&looks->snapshot);
    looks->cost += edo_console_cpu();
    return looks->rc;
}

static void give_back(void *argument)
{
    struct edo_console_looks *looks = (struct edo_console_looks *)argument;

    if (looks->streams > 0)
        return;
    edo_snapshot_free(looks->snapshot);
    edo_release(looks->before);
    looks->snapshot = NULL;
    looks->before = NULL;
    looks->before_count = 0;
}

void edo_console_looks_init(struct edo_console_looks *looks)
{
    edo_timer_init(&looks->rest, give_back, looks);
}

void edo_console_looks_finish(struct edo_console_looks *looks)
{
    edo_timer_stop(&looks->rest);
    give_back(looks);
}

void edo_console_looks_rest(struct edo_console_looks *looks)
{
    if (looks->streams == 0 && looks->snapshot)
        edo_timer_start(&looks->rest, edo_console_due(looks));
}

void edo_console_count(struct edo_console_counts *out, edo_snapshot *snapshot, size_t runtime)
{
    edo_snapshot_task task = {.size = sizeof task};

    *out = (struct edo_console_counts){.dormant = 0};
    for (size_t i = 0; edo_snapshot_get_task(&task, snapshot, runtime, i) == 0; i++) {
        out->states[task.state]++;
        out->dormant += task.dormant;
        out->cancelled += task.cancelled != EDO_REASON_NONE;
        out->warned += task.warnings != 0;
    }
}
