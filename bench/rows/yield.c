/* SPDX-License-Identifier: MIT */
/*
 * Yield: tasks on one worker that do nothing but let the others have their turn, against the bare switch
 * between two.
 */
#include "floor/switch.h"
#include "rows/inside.h"
#include "rows/rows.h"

struct crowd {
    size_t tasks, yields; /* of each */
    double begin, end;
};

/* All go round in step, so the time from the first one's begin to the last one's end is that of all yields.
 */
static int yielder(void *argument)
{
    struct crowd *crowd = argument;

    for (int i = 0; i < 16; i++)
        edo_yield();
    if (crowd->begin == 0)
        crowd->begin = bench_busy();
    for (size_t i = 0; i < crowd->yields; i++)
        edo_yield();
    crowd->end = bench_busy();
    return 0;
}

static int root(void *argument)
{
    struct crowd *crowd = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (size_t i = 0; i < crowd->tasks && rc == 0; i++)
            rc = edo_spawn(scope, yielder, crowd);
    }
    return rc;
}

static int sample(const char *key, size_t tasks)
{
    struct crowd crowd = {.tasks = tasks, .yields = bench_amount(BENCH_SWITCHES) / tasks};
    int rc;

    bench_floor(key, bench_switch_ring(2, bench_amount(BENCH_SWITCHES)));
    if ((rc = bench_inside(root, &crowd, 1)) == 0)
        bench_ours(key, (crowd.end - crowd.begin) / (double)(crowd.tasks * crowd.yields));
    return rc;
}

static int run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(15) && rc == 0; round++)
        if ((rc = sample("two", 2)) == 0)
            rc = sample("thousand", 1000);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"two", "2 tasks, ns", "bare switch", BENCH_RATIO, 1.5},
    {"thousand", "1,000 tasks, ns", "bare switch", BENCH_RATIO, 3},
    {0},
};
const struct bench_row bench_row_yield = {.name = "yield", .metrics = metrics, .run = run, .seconds = 5};
