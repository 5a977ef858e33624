/* SPDX-License-Identifier: MIT */
/*
 * Clock, median, pinning, and reading /proc. No state; any thread.
 */
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_busy(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int bench_pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : -errno;
}

int bench_core(int index)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &set) && index-- == 0)
            return cpu;
    return -1;
}

long bench_raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}

void bench_small_pages(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/* Adds up what stands behind `name` in a file of `name: number ...` lines. */
static int sum_of(double *out, const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[256];
    size_t size = strlen(name);
    int found = 0;

    *out = 0;
    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, size) == 0 && line[size] == ':') {
            *out += strtod(line + size + 1, NULL);
            found = 1;
        }
    fclose(file);
    return found ? 0 : -ENODATA;
}

int bench_memory_of(struct bench_memory *out, pid_t pid)
{
    char path[64];
    FILE *maps;
    int c, rc;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if ((rc = sum_of(&out->anonymous, path, "Anonymous")) < 0)
        return rc;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if ((rc = sum_of(&out->page_tables, path, "VmPTE")) < 0)
        return rc;
    out->anonymous *= 1024;
    out->page_tables *= 1024;
    out->mappings = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    if (!(maps = fopen(path, "re")))
        return -errno;
    while ((c = getc(maps)) != EOF)
        out->mappings += c == '\n';
    fclose(maps);
    return 0;
}

int bench_cpu_of(double *out, pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return -ESRCH;
    *out = (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
    return 0;
}

int bench_switches_of(double *out, pid_t pid)
{
    char path[320];
    struct dirent *entry;
    DIR *threads;

    *out = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    if (!(threads = opendir(path)))
        return -errno;
    while ((entry = readdir(threads)) != NULL) {
        double voluntary, forced;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, entry->d_name);
        if (sum_of(&voluntary, path, "voluntary_ctxt_switches") == 0 &&
            sum_of(&forced, path, "nonvoluntary_ctxt_switches") == 0)
            *out += voluntary + forced;
    }
    closedir(threads);
    return 0;
}
