/* SPDX-License-Identifier: MIT */
/*
 * What a trace costs while it is on, and how long it takes to tell what the flight recorder has, which is always on.
 * What that costs is in all the other rows.
 */
#include "rows/crowd.h"
#include "rows/inside.h"
#include "rows/rows.h"

#include <edo/trace.h>

static int swallow(void *argument, const char *text, size_t size)
{
    (void)text;
    *(size_t *)argument += size;
    return 0;
}

/* CPU time: that of the trace's own thread, which writes meanwhile, is in it. */
static int yields(double *out, bool traced)
{
    struct bench_crowd crowd = {.tasks = 2, .yields = 20000};
    size_t size = 0;
    int rc = 0;

    if (traced)
        rc = edo_trace_start(-1,
                             EDO_OPTIONS(edo_trace_options, .memory = 16 << 20, .write = swallow, .argument = &size));
    if (rc == 0)
        rc = bench_inside(bench_crowd_run, &crowd, 1);
    if (traced)
        edo_trace_stop();
    *out = bench_crowd_yield(&crowd);
    return rc;
}

static int dump(void *argument)
{
    double *took = argument;
    struct bench_crowd crowd = {.tasks = 2, .yields = 5000};
    size_t size = 0;
    double begin;
    int rc;

    rc = bench_crowd_run(&crowd);
    if (rc < 0)
        return rc;
    begin = bench_busy();
    rc = edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = swallow, .argument = &size));
    *took = (bench_busy() - begin) / 1000;
    return rc;
}

static int run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(7) && rc == 0; round++) {
        double off = 0;
        double on = 0;
        double took = 0;

        if ((rc = yields(&off, false)) == 0 && (rc = yields(&on, true)) == 0 &&
            (rc = bench_inside(dump, &took, 1)) == 0) {
            bench_floor("traced", off);
            bench_ours("traced", on);
            bench_ours("dump", took);
        }
    }
    return rc;
}

static const struct bench_metric metrics[] = {
    {"traced", "traced: a yield of 2 tasks, ns", "not traced", BENCH_INFORMATION, 0},
    {"dump", "flight recorder: a dump, us", NULL, BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_observe_trace = {
    .name = "observe-trace", .metrics = metrics, .run = run, .seconds = 3};
