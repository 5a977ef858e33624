/* SPDX-License-Identifier: MIT */
/*
 * Rings of tasks that wait for each other: deadlocks.
 *
 * From a task there is a step to whoever must do something before its wait can end: who holds the mutex (writes under
 * the rwlock, runs the once), the task it joins, each of the tasks in the scope whose end it waits for. Not from one
 * that waits with a deadline, or for the first of several things. A walk in depth that meets a task of its own path has
 * found a ring. Each task is walked from once: O(tasks). The path lies in memory of the dump, not on the stack.
 */
#include "observe/dump.h"

#include <errno.h>

enum { EDO_MARK_NEW = 0, EDO_MARK_ON_PATH, EDO_MARK_DONE };

struct edo_dump_path {
    uint32_t *tasks;
    uint32_t *steps; /* where to go on from the last of a scope's tasks */
    uint8_t *marks;
    size_t count;
};

/* The task after `before` to which there is a step, EDO_NONE: that was the last; with `before` EDO_NONE the first. */
static uint32_t edo_dump_step(const struct edo_dump *dump, uint32_t index, uint32_t before)
{
    const struct edo_dump_task *task = edo_dump_task(dump, index);
    const struct edo_dump_wait *wait = task->wait == EDO_NONE ? NULL : edo_dump_wait(dump, task->wait);

    if (task->state != EDO_DUMP_WAITS || !wait || wait->next != EDO_NONE || task->until != EDO_FOREVER)
        return EDO_NONE;
    if (wait->what == EDO_WAIT_SCOPE)
        return before == EDO_NONE ? edo_dump_scope(dump, (uint32_t)wait->other)->first
                                  : edo_dump_task(dump, before)->next;
    if (before != EDO_NONE || !wait->other || (wait->what != EDO_WAIT_LINE && wait->what != EDO_WAIT_JOIN))
        return EDO_NONE;
    return edo_dump_find(dump, wait->other);
}

static void edo_dump_walk_from(struct edo_dump *dump, struct edo_dump_path *path, uint32_t index,
                               void (*found)(void *context, const uint32_t *tasks, size_t count), void *context)
{
    path->count = 0;
    path->tasks[path->count] = index;
    path->steps[path->count++] = EDO_NONE;
    path->marks[index] = EDO_MARK_ON_PATH;
    while (path->count > 0) {
        uint32_t at = path->tasks[path->count - 1];
        uint32_t next = path->steps[path->count - 1] = edo_dump_step(dump, at, path->steps[path->count - 1]);

        if (next == EDO_NONE) {
            path->marks[at] = EDO_MARK_DONE;
            path->count--;
        } else if (path->marks[next] == EDO_MARK_NEW) {
            path->tasks[path->count] = next;
            path->steps[path->count++] = EDO_NONE;
            path->marks[next] = EDO_MARK_ON_PATH;
        } else if (path->marks[next] == EDO_MARK_ON_PATH) {
            size_t begin = path->count;

            while (path->tasks[--begin] != next)
                ;
            found(context, &path->tasks[begin], path->count - begin);
            while (path->count > begin) /* told once: what else leads into it would tell it again */
                path->marks[path->tasks[--path->count]] = EDO_MARK_DONE;
        }
    }
}

int edo_dump_cycles(struct edo_dump *dump, void (*found)(void *context, const uint32_t *tasks, size_t count),
                    void *context)
{
    size_t count = dump->tasks.count;
    struct edo_dump_path path = {.count = 0};

    if (edo_dump_reserve(dump, &dump->scratch, 3 * count, sizeof(uint32_t)) < 0)
        return -ENOMEM;
    path.tasks = (uint32_t *)dump->scratch.items;
    path.steps = path.tasks + count;
    path.marks = (uint8_t *)(path.steps + count);
    memset(path.marks, EDO_MARK_NEW, count);
    for (size_t i = 0; i < dump->order.count; i++) {
        uint32_t index = ((uint32_t *)dump->order.items)[i];

        if (path.marks[index] == EDO_MARK_NEW)
            edo_dump_walk_from(dump, &path, index, found, context);
    }
    return 0;
}
