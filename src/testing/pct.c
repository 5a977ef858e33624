/* SPDX-License-Identifier: MIT */
/*
 * Scheduling by random priorities. See pct.h.
 *
 * A priority is a hash of the seed and the task's serial number, so nothing is kept for a task, but for the few that
 * have fallen: those are below all others, the last to fall the lowest. When there are too many of them the first is
 * forgotten.
 */
#include "testing/pct.h"
#include "runtime/task.h"
#include "testing/random.h"
#include "testing/seeded.h"

enum { EDO_PCT_STREAK = 200, EDO_PCT_STEPS_LEAST = 32, EDO_PCT_STEPS_DOUBLINGS = 10 };

void edo_pct_init(struct edo_pct *pct, uint64_t seed, int depth, uint64_t steps)
{
    uint64_t random = seed;

    *pct = (struct edo_pct){.seed = seed};
    /* Of runs of all lengths some seed knows how long they are. */
    if (!steps)
        steps = (uint64_t)EDO_PCT_STEPS_LEAST << edo_random_below(&random, EDO_PCT_STEPS_DOUBLINGS);
    pct->changes = depth - 1;
    for (int i = 0; i < pct->changes; i++)
        pct->change_at[i] = 1 + edo_random_below(&random, steps);
}

static void edo_pct_fall(struct edo_pct *pct, uint64_t task)
{
    pct->fallen[pct->falls++ % EDO_PCT_FALLEN] = task;
}

static uint64_t edo_pct_priority(const struct edo_pct *pct, uint64_t task)
{
    for (uint64_t i = pct->falls; i > 0 && pct->falls - i < EDO_PCT_FALLEN; i--)
        if (pct->fallen[(i - 1) % EDO_PCT_FALLEN] == task)
            return UINT64_MAX / 2 - i;
    return edo_random_stir(pct->seed ^ task * UINT64_C(0x9e3779b97f4a7c15)) | UINT64_C(1) << 63;
}

void edo_pct_point(struct edo_pct *pct, const struct edo_task *task)
{
    pct->points++;
    for (int i = 0; i < pct->changes; i++)
        if (pct->change_at[i] == pct->points)
            edo_pct_fall(pct, edo_test_serial(task));
}

uint32_t edo_pct_choose(struct edo_pct *pct, const struct edo_task *first, uint32_t count)
{
    uint64_t highest = 0;
    uint64_t chosen = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < count; i++, first = first->next) {
        uint64_t task = edo_test_serial(first);
        uint64_t priority = edo_pct_priority(pct, task);

        if (priority > highest) {
            highest = priority;
            chosen = task;
            at = i;
        }
    }
    pct->streak = chosen == pct->last && count > 1 ? pct->streak + 1 : 0;
    pct->last = chosen;
    if (pct->streak >= EDO_PCT_STREAK) {
        pct->streak = 0;
        edo_pct_fall(pct, chosen);
    }
    return at;
}
