/* SPDX-License-Identifier: MIT */
/*
 * What is known of the collected tasks apart from their waits: when they were spawned, by the marks that their workers'
 * numbers have (runtime/ages.h), and what was sampled of them (runtime/task_stats.h). Tasks of one worker stand
 * together in the order of their numbers, so each worker's marks are copied once.
 */
#include "observe/dump.h"
#include "observe/metrics.h"

enum { EDO_MARKS_WORDS = EDO_AGE_MARKS * sizeof(struct edo_age_mark) / sizeof(uint32_t) };

void edo_dump_take_facts(struct edo_dump *dump)
{
    struct edo_age_mark *marks;
    uint32_t count = 0;
    int of = -1;

    if (edo_dump_reserve(dump, &dump->scratch, EDO_MARKS_WORDS, sizeof(uint32_t)) < 0)
        return;
    marks = (struct edo_age_mark *)dump->scratch.items;
    for (size_t i = 0; i < dump->order.count; i++) {
        struct edo_dump_task *task = edo_dump_nth(dump, i);
        int worker = edo_ages_worker(task->id);

        if (worker != of)
            count = edo_ages_copy(marks, &dump->runtime->workers[worker]);
        of = worker;
        task->spawned = edo_ages_find(marks, count, task->id, dump->now);
        edo_task_counted(&task->polls, &task->busy, dump->runtime, task->block, task->id);
    }
}

int64_t edo_dump_age(const struct edo_dump *dump, const struct edo_dump_task *task)
{
    return task->spawned == EDO_FOREVER ? -1 : dump->now - task->spawned;
}
