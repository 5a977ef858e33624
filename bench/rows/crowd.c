/* SPDX-License-Identifier: MIT */
/* Tasks that yield to each other; see crowd.h. */
#include "rows/crowd.h"
#include "rows/inside.h"

static int yielder(void *argument)
{
    struct bench_crowd *crowd = argument;

    for (int i = 0; i < 16; i++)
        edo_yield();
    if (crowd->begin == 0)
        crowd->begin = bench_busy();
    for (size_t i = 0; i < crowd->yields; i++)
        edo_yield();
    crowd->end = bench_busy();
    return 0;
}

int bench_crowd_run(void *argument)
{
    struct bench_crowd *crowd = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (size_t i = 0; i < crowd->tasks && rc == 0; i++)
            rc = edo_spawn(scope, yielder, crowd);
    }
    return rc;
}

double bench_crowd_yield(const struct bench_crowd *crowd)
{
    return (crowd->end - crowd->begin) / (double)(crowd->tasks * crowd->yields);
}
