/* SPDX-License-Identifier: MIT */
/*
 * Files over io_uring, beside the same by regions: a cached file in steps of 4 KiB on one worker, as in the row before;
 * and blocks at random out of a file that is not in memory, by 32 tasks on two workers, with the threads that it took.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <edo/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHED_SIZE = 64 * 1024, STEP = 4096, COLD_SIZE = 64 * 1024 * 1024, READERS = 32, READS = 64 };

static int plain; /* the file's descriptor, for those who read it plainly */
static char path[] = "/tmp/edo-bench-XXXXXX";
static int64_t threads, rings;

static double plainly(char *buffer, size_t count)
{
    double begin = bench_busy();

    for (size_t i = 0; i < count; i++)
        for (off_t at = 0; at < CACHED_SIZE; at += STEP)
            if (pread(plain, buffer, STEP, at) != STEP)
                abort();
    return (bench_busy() - begin) / (double)count;
}

static int cached(void *none)
{
    static char buffer[STEP];
    size_t count = bench_amount(2000);
    edo_file *file EDO_AUTO(edo_file_close) = NULL;
    int rc = edo_file_open(&file, path, O_RDONLY, 0);

    (void)none;
    for (int round = 0; rc == 0 && round < bench_rounds(11); round++) {
        double begin;

        bench_floor("cached", plainly(buffer, count));
        begin = bench_busy();
        for (size_t i = 0; i < count; i++)
            for (int64_t at = 0; at < CACHED_SIZE; at += STEP)
                if (edo_file_pread(file, buffer, STEP, at) != STEP)
                    abort();
        bench_ours("cached", (bench_busy() - begin) / (double)count);
    }
    return rc;
}

struct reader {
    edo_file *file;
    uint64_t random;
};

static int reads(void *argument)
{
    struct reader *reader = (struct reader *)argument;

    for (int i = 0; i < READS; i++) {
        char buffer[STEP];

        reader->random = reader->random * 6364136223846793005u + 1442695040888963407u;
        if (edo_file_pread(reader->file, buffer, STEP, (int64_t)((reader->random >> 33) % (COLD_SIZE / STEP)) * STEP) !=
            STEP)
            abort();
    }
    return 0;
}

/* us each, in *out. */
static int cold(void *out)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_file *file EDO_AUTO(edo_file_close) = NULL;
    int rc = edo_file_open(&file, path, O_RDONLY, 0);
    double begin;

    if (rc < 0)
        return rc;
    posix_fadvise(edo_file_fd(file), 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(edo_file_fd(file), 0, 0, POSIX_FADV_RANDOM);
    begin = bench_now();
    EDO_SCOPE (scope, &rc)
        for (uint64_t i = 0; i < READERS && rc == 0; i++) {
            struct reader reader = {file, i};

            rc = edo_spawn(scope, reads, &reader, .copy = sizeof reader);
        }
    *(double *)out = (bench_now() - begin) / 1000 / (READERS * READS);
    edo_metrics_read(&metrics);
    threads = metrics.threads;
    rings = (int64_t)metrics.file_rings;
    return rc;
}

static int run_by(int files, edo_task_fn fn, void *argument, int workers)
{
    return edo_run(fn, argument,
                   EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .files = files));
}

static int measure(void)
{
    int core = bench_core(0);
    double each;
    int rc = 0;

    for (int round = 0; rc == 0 && round < bench_rounds(5); round++) {
        rc = run_by(EDO_FILES_REGION, cold, &each, 2);
        if (rc < 0)
            return rc;
        bench_floor("cold", each);
        bench_floor("threads", (double)threads);
        rc = run_by(EDO_FILES_IO_URING, cold, &each, 2);
        if (rc == 0 && rings == 0) {
            bench_absent("cold", "the kernel has no io_uring for us");
            bench_absent("threads", "the kernel has no io_uring for us");
            bench_absent("cached", "the kernel has no io_uring for us");
            return 0;
        }
        bench_ours("cold", each);
        bench_ours("threads", (double)threads);
    }
    if (core >= 0)
        bench_pin(core);
    return rc < 0 ? rc : run_by(EDO_FILES_IO_URING, cached, NULL, 1);
}

static int run(const struct bench_row *row)
{
    static char content[1024 * 1024];
    int rc = 0;

    (void)row;
    memset(content, 'x', sizeof content);
    plain = mkstemp(path);
    if (plain < 0)
        return -errno;
    for (int i = 0; rc == 0 && i < COLD_SIZE / (int)sizeof content; i++)
        rc = write(plain, content, sizeof content) == sizeof content ? 0 : -EIO;
    if (rc == 0 && fsync(plain) != 0) /* what is dirty can't be dropped */
        rc = -errno;
    if (rc == 0)
        rc = measure();
    close(plain);
    unlink(path);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"cached", "64 KiB, cached, over io_uring, ns", "plain pread", BENCH_INFORMATION, 0},
    {"cold", "4 KiB, uncached, by 32 tasks, µs", "regions", BENCH_INFORMATION, 0},
    {"threads", "threads for it", "regions", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_files_uring = {
    .name = "io-files-io_uring", .metrics = metrics, .run = run, .seconds = 6};
