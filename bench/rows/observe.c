/* SPDX-License-Identifier: MIT */
/*
 * What measuring costs: the same work with .metrics and without. Echo in user instructions a request, which do not
 * wobble; yields, where there is nothing else to pay, in time.
 */
#include "contest.h"
#include "rows/crowd.h"
#include "rows/inside.h"
#include "rows/rows.h"

static const struct bench_contest echo = {
    "echo", "edo-bench-echo-task", {{"edo-bench-echo-metrics", "echo"}}, 1, true, 64, 0, 1};

static int yields(double *out, size_t tasks, bool metrics)
{
    struct bench_crowd crowd = {.tasks = tasks, .yields = bench_amount(BENCH_SWITCHES) / tasks};
    int core = bench_core(0);
    int rc;

    if (core >= 0)
        bench_pin(core);
    rc = edo_run(bench_crowd_run, &crowd,
                 EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .metrics = metrics));
    *out = bench_crowd_yield(&crowd);
    return rc;
}

static int sample(const char *key, size_t tasks)
{
    double off, on;
    int rc;

    if ((rc = yields(&off, tasks, false)) < 0 || (rc = yields(&on, tasks, true)) < 0)
        return rc;
    bench_floor(key, off);
    bench_ours(key, on);
    return 0;
}

static int run(const struct bench_row *row)
{
    int rc = bench_contest_instructions(&echo); /* first: what follows stays on one core, and this needs two */

    (void)row;
    for (int round = 0; round < bench_rounds(15) && rc == 0; round++)
        if ((rc = sample("two", 2)) == 0)
            rc = sample("thousand", 1000);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"two", "measured: a yield of 2 tasks, ns", "not measured", BENCH_RATIO, 1.25},
    {"thousand", "measured: a yield of 1,000 tasks, ns", "not measured", BENCH_RATIO, 1.25},
    {"instructions.echo", "measured: user instructions a request", "not measured", BENCH_ABOVE, 60},
    {0},
};
const struct bench_row bench_row_observe = {.name = "observe", .metrics = metrics, .run = run, .seconds = 25};
