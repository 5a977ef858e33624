/* SPDX-License-Identifier: MIT */
/*
 * Spawn and join: one at a time, and a million with kept handles. The million are done twice and more in one
 * runtime; the first time, which touches memory, does not count.
 */
#include "floor/switch.h"
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <stdlib.h>

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int one_at_a_time(void *argument)
{
    double *ns = argument;
    size_t count = bench_amount(1000000);
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        edo_task *task;
        double begin = bench_busy();

        for (size_t i = 0; i < count && rc == 0; i++)
            if ((rc = edo_spawn(scope, nothing, NULL, .handle = &task)) == 0)
                rc = edo_join(NULL, task);
        *ns = (bench_busy() - begin) / (double)count;
    }
    return rc;
}

static int run_single(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(11) && rc == 0; round++) {
        double ns;

        bench_floor("single", bench_switch_ring(2, bench_amount(BENCH_SWITCHES)));
        if ((rc = bench_inside(one_at_a_time, &ns, 1)) == 0)
            bench_ours("single", ns);
    }
    return rc;
}

struct kept {
    const char *key;
    double (*clock)(void);
    edo_task **handles;
    size_t count;
};

static int spawn_and_join(edo_scope *scope, struct kept *kept)
{
    int rc = 0;

    for (size_t i = 0; i < kept->count && rc == 0; i++)
        rc = edo_spawn(scope, nothing, NULL, .handle = &kept->handles[i]);
    for (size_t i = 0; i < kept->count && rc == 0; i++)
        rc = edo_join(NULL, kept->handles[i]);
    return rc;
}

static int keep_all(void *argument)
{
    struct kept *kept = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int round = 0; round <= bench_rounds(7) && rc == 0; round++) {
            double begin = kept->clock();

            rc = spawn_and_join(scope, kept);
            if (round > 0 && rc == 0)
                bench_ours(kept->key, (kept->clock() - begin) / (double)kept->count);
        }
    }
    return rc;
}

static int run_million(const struct bench_row *row, int workers)
{
    struct kept kept = {.key = row->metrics[0].key, .clock = workers == 1 ? bench_busy : bench_now, .count = 1000000};
    int rc;

    if (!(kept.handles = calloc(kept.count, sizeof *kept.handles)))
        return -ENOMEM;
    rc = bench_inside(keep_all, &kept, workers);
    free(kept.handles);
    return rc;
}

static int run_million_1(const struct bench_row *row)
{
    return run_million(row, 1);
}

static int run_million_2(const struct bench_row *row)
{
    return run_million(row, 2);
}

static const struct bench_metric single[] = {
    {"single", "one at a time, ns", "bare switch", BENCH_RATIO, 6.5},
    {0},
};
static const struct bench_metric million_1[] = {
    {"million", "1M kept handles, 1 worker, ns", NULL, BENCH_AT_MOST, 150},
    {0},
};
static const struct bench_metric million_2[] = {
    {"million", "1M kept handles, 2 workers, ns", NULL, BENCH_AT_MOST, 150},
    {0},
};
const struct bench_row bench_row_spawn = {.name = "spawn-join", .metrics = single, .run = run_single, .seconds = 5};
const struct bench_row bench_row_spawn_million_1 = {
    .name = "spawn-join-1m", .metrics = million_1, .run = run_million_1, .seconds = 5};
const struct bench_row bench_row_spawn_million_2 = {
    .name = "spawn-join-1m-2", .metrics = million_2, .run = run_million_2, .seconds = 5};
