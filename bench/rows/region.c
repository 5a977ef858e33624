/* SPDX-License-Identifier: MIT */
/*
 * Blocking regions: empty ones, and around the read of a block that is in the page cache; beside it the same read as a
 * job for edo_blocking. One worker; blocks of calls take turns.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4096, EMPTY = 1000000, READS = 4000, JOBS = 100 };

static int file;
static char buffer[BLOCK];

static int read_block(void *none)
{
    (void)none;
    return pread(file, buffer, BLOCK, 0) == BLOCK ? 0 : -EIO;
}

static int read_in_region(void)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = read_block(NULL);
    edo_blocking_end();
    return rc;
}

/* CPU time, as only one thread has work. */
static int empty_regions(size_t count)
{
    double begin = bench_busy();
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        if ((rc = edo_blocking_begin()) == 0)
            edo_blocking_end();
    if (rc == 0)
        bench_ours("empty", (bench_busy() - begin) / (double)count);
    return rc;
}

static int reads(size_t count)
{
    double begin = bench_busy(), between;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_block(NULL);
    between = bench_busy();
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_in_region();
    if (rc == 0) {
        bench_floor("pread", (between - begin) / (double)count);
        bench_ours("pread", (bench_busy() - between) / (double)count);
    }
    return rc;
}

/* Wall clock: what costs here is the way to another thread. */
static int jobs(size_t count)
{
    double begin = bench_now(), between;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_block(NULL);
    between = bench_now();
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = edo_blocking(read_block, NULL);
    if (rc == 0) {
        bench_floor("job", (between - begin) / (double)count);
        bench_ours("job", (bench_now() - between) / (double)count);
    }
    return rc;
}

static int root(void *none)
{
    int rc = 0;

    (void)none;
    for (int round = 0; round < 61 && rc == 0; round++)
        rc = reads(bench_amount(READS));
    for (int round = 0; round < bench_rounds(15) && rc == 0; round++)
        if ((rc = empty_regions(bench_amount(EMPTY))) == 0)
            rc = jobs(JOBS);
    return rc;
}

static int run(const struct bench_row *row)
{
    char name[] = "/tmp/edo-bench-XXXXXX";
    int rc;

    (void)row;
    if ((file = mkstemp(name)) < 0)
        return -errno;
    unlink(name);
    rc = write(file, buffer, BLOCK) == BLOCK ? bench_inside(root, NULL, 1) : -EIO;
    close(file);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"empty", "region: begin and end, ns", NULL, BENCH_AT_MOST, 5},
    {"pread", "region: cached pread of 4 KiB, ns", "bare pread", BENCH_RATIO, 1.05},
    {"job", "edo_blocking: the same, wall ns", "bare pread", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_stalls_region = {
    .name = "stalls-region", .metrics = metrics, .run = run, .seconds = 5};
