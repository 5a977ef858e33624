/* SPDX-License-Identifier: MIT */
/*
 * A dump of 100,000 sleeping tasks, as text without backtraces, from one of them: by the clock, since a reader of it
 * waits for so long.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <edo/dump.h>

#include <errno.h>
#include <stdatomic.h>

enum { CROWD = 100000 };

static _Atomic int asleep;

static int sleep_long(void *argument)
{
    (void)argument;
    atomic_fetch_add(&asleep, 1);
    return edo_sleep(EDO_SEC(3600));
}

static int count_bytes(void *argument, const char *text, size_t size)
{
    (void)text;
    *(size_t *)argument += size;
    return 0;
}

static int dump(const char *key, bool backtraces)
{
    size_t bytes = 0;
    int64_t begin = edo_now();
    int rc =
        edo_dump(-1, EDO_OPTIONS(edo_dump_options, .backtraces = backtraces, .write = count_bytes, .argument = &bytes));

    if (rc == 0)
        bench_ours(key, (double)(edo_now() - begin) / 1e9);
    return rc;
}

static int root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (crowd, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < CROWD && rc == 0; i++)
            rc = edo_spawn(crowd, sleep_long, NULL);
        while (rc == 0 && atomic_load(&asleep) < CROWD)
            rc = edo_yield();
        for (int round = 0; round < bench_rounds(7) && rc == 0; round++)
            if ((rc = dump("plain", false)) == 0)
                rc = dump("backtraces", true);
        edo_scope_cancel(crowd);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static int run(const struct bench_row *row)
{
    (void)row;
    return bench_inside(root, NULL, 1);
}

static const struct bench_metric metrics[] = {
    {"plain", "100,000 tasks, s", NULL, BENCH_AT_MOST, 1},
    {"backtraces", "with backtraces, s", NULL, BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_observe_dump = {.name = "observe-dump", .metrics = metrics, .run = run, .seconds = 8};
