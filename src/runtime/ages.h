/* SPDX-License-Identifier: MIT */
/*
 * When each task was spawned, without a clock where tasks are spawned, and without a word in the task.
 *
 * A worker's tasks have rising numbers. So somebody who reads the clock in any case notes now and then which number was
 * the last one: a mark. A task was spawned between the last mark before its number and the first one from its number
 * on. Marks rise in both, number and time; one number has two of them, if no task was spawned for a while: when that
 * was first seen, and last.
 *
 *   - The monitor makes them, whenever it looks (every 5 ms while anybody works). While it sleeps everybody does: so
 *     before it sleeps it marks what there is, and when it wakes, that until now there was no more.
 *   - In a runtime without one (.stall_after = EDO_FOREVER) workers do it, where their own flow comes by in any case:
 *     every 61 turns, and before and after a sleep.
 *   - In seeded runs nobody does: there is no clock there that a seed would repeat.
 *
 * There is room for EDO_AGE_MARKS. When that is used up, those go whose going leaves no gap that is longer than 10 ms
 * or than 1/32 of its age; so an age, taken from the middle of a gap, is wrong by 1/64 of itself at most, or by 5 ms,
 * or by what the monitor was late. That is room for years; should it not be, then by twice as much.
 *
 * One writer at a time: the monitor, or whoever is INSIDE the worker. Readers copy the marks under the lock.
 */
#ifndef EDO_RUNTIME_AGES_H
#define EDO_RUNTIME_AGES_H

#include "platform/lock.h"

#include <stdint.h>

struct edo_runtime;
struct edo_worker;

enum { EDO_AGE_MARKS = 1024 };

struct edo_age_mark {
    uint64_t id; /* tasks up to this one had been spawned */
    int64_t time;
};

struct edo_ages {
    struct edo_lock lock;
    uint32_t count; /* at least one */
    struct edo_age_mark marks[EDO_AGE_MARKS];
};

/* Gives the worker its marks, to be released with it, if anybody will make some. 0, -ENOMEM. */
int edo_ages_create(struct edo_worker *worker);

/* The worker's last task until now. Nothing where there are no marks. */
void edo_ages_mark(struct edo_worker *worker, int64_t now);

/* No task was spawned since the last mark. */
void edo_ages_extend(struct edo_worker *worker, int64_t now);

/* Copies a worker's marks, EDO_AGE_MARKS at most; how many. Any thread. */
uint32_t edo_ages_copy(struct edo_age_mark *out, struct edo_worker *worker);

/*
 * When the task was spawned, by the marks of its worker (edo_ages_worker); at `now` at the latest. EDO_FOREVER: not
 * known.
 */
int64_t edo_ages_find(const struct edo_age_mark *marks, uint32_t count, uint64_t id, int64_t now);

/* The same, of one task. */
int64_t edo_ages_of(struct edo_worker *worker, uint64_t id, int64_t now);

/* A task's number has in these bits as which one of its worker's it was spawned, from 1; above them the worker. */
enum { EDO_ID_WORKER_SHIFT = 40 };

/* On which worker the task was spawned, by its number. */
static inline int edo_ages_worker(uint64_t id)
{
    return (int)(id >> EDO_ID_WORKER_SHIFT & 0xff);
}

#endif
