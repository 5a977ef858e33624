/* SPDX-License-Identifier: MIT */
/*
 * A file that is in the page cache: 64 KiB read in steps of 4 KiB by edo_file_pread in a task, and by plain pread(2) in
 * a thread.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <edo/file.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_SIZE = 64 * 1024, STEP = 4096 };

static int cached; /* the file's descriptor, for those who read it plainly */

static double plainly(char *buffer, size_t count)
{
    double begin = bench_busy();

    for (size_t i = 0; i < count; i++)
        for (off_t at = 0; at < FILE_SIZE; at += STEP)
            if (pread(cached, buffer, STEP, at) != STEP)
                abort();
    return (bench_busy() - begin) / (double)count;
}

static double in_a_task(edo_file *file, char *buffer, size_t count)
{
    double begin = bench_busy();

    for (size_t i = 0; i < count; i++)
        for (int64_t at = 0; at < FILE_SIZE; at += STEP)
            if (edo_file_pread(file, buffer, STEP, at) != STEP)
                abort();
    return (bench_busy() - begin) / (double)count;
}

static int root(void *path)
{
    static char buffer[STEP];
    size_t count = bench_amount(5000);
    edo_file *file EDO_AUTO(edo_file_close) = NULL;
    int rc = edo_file_open(&file, path, O_RDONLY, 0);

    if (rc < 0)
        return rc;
    for (int round = 0; round < bench_rounds(21); round++) {
        bench_floor("cached", plainly(buffer, count));
        bench_ours("cached", in_a_task(file, buffer, count));
    }
    return 0;
}

static int run(const struct bench_row *row)
{
    static char path[] = "/tmp/edo-bench-XXXXXX";
    static char content[FILE_SIZE];
    int rc;

    (void)row;
    cached = mkstemp(path);
    if (cached < 0)
        return -errno;
    rc = write(cached, content, sizeof content) == sizeof content ? bench_inside(root, path, 1) : -EIO;
    close(cached);
    unlink(path);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"cached", "64 KiB, cached, by 4 KiB, ns", "plain pread", BENCH_RATIO, 1.05},
    {0},
};
const struct bench_row bench_row_files = {.name = "io-files", .metrics = metrics, .run = run, .seconds = 5};
