/* SPDX-License-Identifier: MIT */
/*
 * Yield: tasks on one worker that do nothing but let the others have their turn, against the bare switch
 * between two.
 */
#include "floor/switch.h"
#include "rows/crowd.h"
#include "rows/inside.h"
#include "rows/rows.h"

static int sample(const char *key, size_t tasks)
{
    struct bench_crowd crowd = {.tasks = tasks, .yields = bench_amount(BENCH_SWITCHES) / tasks};
    int rc;

    bench_floor(key, bench_switch_ring(2, bench_amount(BENCH_SWITCHES)));
    if ((rc = bench_inside(bench_crowd_run, &crowd, 1)) == 0)
        bench_ours(key, bench_crowd_yield(&crowd));
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
