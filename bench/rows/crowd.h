/* SPDX-License-Identifier: MIT */
/*
 * Tasks that do nothing but let each other have their turn. All go round in step, so the time from the first one's
 * begin to the last one's end is that of all yields.
 */
#ifndef EDO_BENCH_ROWS_CROWD_H
#define EDO_BENCH_ROWS_CROWD_H

#include <stddef.h>

struct bench_crowd {
    size_t tasks, yields; /* of each */
    double begin, end;
};

/* Spawns them and waits for their end. A task's function; `argument` is the crowd. */
int bench_crowd_run(void *argument);

/* A yield, ns, when that has ended. */
double bench_crowd_yield(const struct bench_crowd *crowd);

#endif
