/* SPDX-License-Identifier: MIT */
/*
 * A million tasks that wait for a time: with a stack each, and dormant. Bytes are private memory and page
 * tables.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <unistd.h>

static size_t asleep;
static int64_t start;

static int sleeper(void *argument)
{
    (void)argument;
    edo_sleep_until(bench_far_deadline(start, asleep++));
    return 0;
}

static int woken(void *argument)
{
    (void)argument;
    return 0;
}

static int spawn_sleepers(edo_scope *scope, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = edo_spawn(scope, sleeper, NULL);
    while (rc == 0 && asleep < count)
        rc = edo_yield();
    return rc;
}

static int spawn_dormant(edo_scope *scope, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = edo_spawn(scope, woken, NULL, .when = EDO_WHEN_AT(bench_far_deadline(start, i)));
    return rc;
}

static int weigh(int (*spawn)(edo_scope *scope, size_t count))
{
    size_t count = bench_amount(1000000);
    int rc = 0;

    start = edo_now();
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        struct bench_memory before, after;
        double begin, end;

        rc = bench_memory_of(&before, getpid());
        begin = bench_busy();
        if (rc == 0)
            rc = spawn(scope, count);
        end = bench_busy();
        if (rc == 0)
            rc = bench_memory_of(&after, getpid());
        if (rc == 0) {
            bench_ours("bytes",
                       (after.anonymous + after.page_tables - before.anonymous - before.page_tables) / (double)count);
            bench_ours("mappings", after.mappings);
            bench_ours("create", (end - begin) / (double)count);
        }
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static int root_sleepers(void *argument)
{
    (void)argument;
    return weigh(spawn_sleepers);
}

static int root_dormant(void *argument)
{
    (void)argument;
    return weigh(spawn_dormant);
}

static int run_sleepers(const struct bench_row *row)
{
    (void)row;
    bench_small_pages();
    return bench_inside(root_sleepers, NULL, 1);
}

static int run_dormant(const struct bench_row *row)
{
    (void)row;
    bench_small_pages();
    return bench_inside(root_dormant, NULL, 1);
}

static const struct bench_metric sleepers[] = {
    {"bytes", "bytes each", NULL, BENCH_AT_MOST, 4.8 * 1024},
    {"mappings", "mappings of the process", NULL, BENCH_AT_MOST, 400},
    {"create", "time to create, ns each", NULL, BENCH_INFORMATION, 0},
    {0},
};
static const struct bench_metric dormant[] = {
    {"bytes", "bytes each", NULL, BENCH_AT_MOST, 256},
    {"mappings", "mappings of the process", NULL, BENCH_AT_MOST, 400},
    {"create", "time to create, ns each", NULL, BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_sleepers = {
    .name = "sleepers-1m", .metrics = sleepers, .run = run_sleepers, .seconds = 12};
const struct bench_row bench_row_dormant = {.name = "dormant-1m", .metrics = dormant, .run = run_dormant, .seconds = 4};
