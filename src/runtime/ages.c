/* SPDX-License-Identifier: MIT */
/* When each task was spawned. See ages.h. */
#include "runtime/ages.h"
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <errno.h>
#include <string.h>

enum { EDO_AGE_GAP = 10000000, EDO_AGE_SHIFT = 5 };

int edo_ages_create(struct edo_worker *worker)
{
    struct edo_ages *ages;

    if (worker->runtime->hooks)
        return 0;
    ages = (struct edo_ages *)edo_platform->allocate(sizeof *ages);
    if (!ages)
        return -ENOMEM;
    ages->marks[0] = (struct edo_age_mark){worker->next_id, worker->runtime->started};
    ages->count = 1;
    worker->ages = ages;
    return 0;
}

/* --- Marks -------------------------------------------------------------------------------------------------------- */

/* Drops the marks between gaps that may be one: by 1/2^shift of their age. Under the lock. */
static void edo_ages_thin(struct edo_ages *ages, int shift, int64_t now)
{
    struct edo_age_mark *marks = ages->marks;
    uint32_t kept = 1;

    for (uint32_t i = 1; i + 1 < ages->count; i++) {
        int64_t most = (now - marks[i + 1].time) >> shift;

        if (most < EDO_AGE_GAP)
            most = EDO_AGE_GAP;
        if (marks[i + 1].time - marks[kept - 1].time > most)
            marks[kept++] = marks[i];
    }
    marks[kept++] = marks[ages->count - 1];
    ages->count = kept;
}

static void edo_ages_add(struct edo_ages *ages, uint64_t id, int64_t now)
{
    struct edo_age_mark *last = &ages->marks[ages->count - 1];

    if (ages->count > 1 && last->id == id && last[-1].id == id) {
        last->time = now;
        return;
    }
    if (ages->count == EDO_AGE_MARKS)
        for (int shift = EDO_AGE_SHIFT; shift >= 0 && ages->count > EDO_AGE_MARKS * 3 / 4; shift--)
            edo_ages_thin(ages, shift, now);
    ages->marks[ages->count++] = (struct edo_age_mark){id, now};
}

void edo_ages_mark(struct edo_worker *worker, int64_t now)
{
    if (!worker->ages)
        return;
    edo_lock_acquire(&worker->ages->lock);
    edo_ages_add(worker->ages, __atomic_load_n(&worker->next_id, __ATOMIC_RELAXED), now);
    edo_lock_release(&worker->ages->lock);
}

void edo_ages_extend(struct edo_worker *worker, int64_t now)
{
    struct edo_ages *ages = worker->ages;

    if (!ages)
        return;
    edo_lock_acquire(&ages->lock);
    edo_ages_add(ages, ages->marks[ages->count - 1].id, now);
    edo_lock_release(&ages->lock);
}

/* --- Finding ------------------------------------------------------------------------------------------------------ */

uint32_t edo_ages_copy(struct edo_age_mark *out, struct edo_worker *worker)
{
    uint32_t count;

    if (!worker->ages)
        return 0;
    edo_lock_acquire(&worker->ages->lock);
    count = worker->ages->count;
    memcpy(out, worker->ages->marks, count * sizeof *out);
    edo_lock_release(&worker->ages->lock);
    return count;
}

int64_t edo_ages_find(const struct edo_age_mark *marks, uint32_t count, uint64_t id, int64_t now)
{
    uint32_t low = 0;
    uint32_t high = count;
    int64_t from;
    int64_t to;

    while (low < high) { /* to the first mark that has it */
        uint32_t middle = low + (high - low) / 2;

        if (marks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return EDO_FOREVER;
    from = marks[low - 1].time;
    to = low < count && marks[low].time < now ? marks[low].time : now;
    return from < to ? from + (to - from) / 2 : to;
}

int64_t edo_ages_of(struct edo_worker *worker, uint64_t id, int64_t now)
{
    int64_t time;

    if (!worker->ages)
        return EDO_FOREVER;
    edo_lock_acquire(&worker->ages->lock);
    time = edo_ages_find(worker->ages->marks, worker->ages->count, id, now);
    edo_lock_release(&worker->ages->lock);
    return time;
}
