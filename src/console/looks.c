/* SPDX-License-Identifier: MIT */
/*
 * The snapshot that all share. See console.h.
 *
 * The interval is a second, or 25 times the processor time that the console's thread has used since it began to take the last one: for
 * taking it, and for all that was made of it. So it uses at most 4 % of a processor, whatever is asked and by how many.
 */
#include "console/console.h"

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
    int64_t cost = EDO_SHARE * (edo_console_cpu() - looks->cpu);

    return cost > EDO_SEC(1) ? cost : EDO_SEC(1);
}

int64_t edo_console_due(const struct edo_console_looks *looks)
{
    return looks->number == 0 ? 0 : looks->taken + edo_console_interval(looks);
}

int edo_console_look(struct edo_console_looks *looks)
{
    int64_t now = clock_of(CLOCK_MONOTONIC);

    if (looks->snapshot && looks->rc == 0 && now < edo_console_due(looks))
        return 0;
    looks->taken = now;
    looks->wall = clock_of(CLOCK_REALTIME) / EDO_MS(1);
    looks->cpu = edo_console_cpu();
    looks->number++;
    looks->rc = edo_snapshot_take(&looks->snapshot);
    return looks->rc;
}

void edo_console_looks_finish(struct edo_console_looks *looks)
{
    edo_snapshot_free(looks->snapshot);
    looks->snapshot = NULL;
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
