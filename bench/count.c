/* SPDX-License-Identifier: MIT */
/*
 * Tracepoint counters, and the command lines and reports of strace and cachegrind. No state.
 */
#include "count.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long tracepoint(const char *event)
{
    static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    long id = -1;

    for (size_t i = 0; i < 2 && id < 0; i++) {
        char path[128];
        FILE *file;

        snprintf(path, sizeof path, "%s/events/%s/id", roots[i], event);
        if (!(file = fopen(path, "re")))
            continue;
        if (fscanf(file, "%ld", &id) != 1)
            id = -1;
        fclose(file);
    }
    return id;
}

int bench_counter_open(struct bench_counter *counter, pid_t pid)
{
    struct perf_event_attr what = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof what, .inherit = 1};
    long id = tracepoint(counter->event);

    if (id < 0)
        return -ENOENT;
    what.config = (unsigned long)id;
    counter->fd = (int)syscall(SYS_perf_event_open, &what, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return counter->fd >= 0 ? 0 : -errno;
}

double bench_counter_read(struct bench_counter *counter)
{
    unsigned long long count = 0;

    return read(counter->fd, &count, sizeof count) == sizeof count ? (double)count : 0;
}

void bench_counter_close(struct bench_counter *counter)
{
    close(counter->fd);
    counter->fd = -1;
}

bool bench_counter_works(const char *event)
{
    struct bench_counter counter = {.event = event};
    int rc = bench_counter_open(&counter, getpid());

    if (rc == 0)
        bench_counter_close(&counter);
    return rc == 0;
}

int bench_tool_words(const char **words, enum bench_tool tool, const char *file, const char *strace_of)
{
    static char option[2][192];
    const char *program = tool == BENCH_STRACE ? "/usr/bin/strace" : "/usr/bin/valgrind";
    int count = 0;

    if (access(program, X_OK) != 0)
        return -ENOENT;
    words[count++] = program;
    if (tool == BENCH_CACHEGRIND) {
        snprintf(option[0], sizeof option[0], "--log-file=%s", file);
        words[count++] = "--tool=cachegrind";
        words[count++] = "--cache-sim=no";
        words[count++] = "--cachegrind-out-file=/dev/null";
        words[count++] = option[0];
    } else {
        words[count++] = "-f";
        words[count++] = "-c";
        words[count++] = "-U";
        words[count++] = "calls,name";
        words[count++] = "-o";
        words[count++] = file;
        if (strace_of) {
            snprintf(option[1], sizeof option[1], "-etrace=%s", strace_of);
            words[count++] = option[1];
        }
    }
    return count;
}

/* A number whose digits are grouped by commas. */
static double grouped(const char *text)
{
    double value = 0;

    for (; *text == ' ' || *text == ',' || (*text >= '0' && *text <= '9'); text++)
        if (*text >= '0')
            value = value * 10 + (*text - '0');
    return value;
}

/* cachegrind: "==7== I   refs:      1,234". strace: one "calls name" line each, then the same sum as "total". */
int bench_tool_total(double *out, enum bench_tool tool, const char *file)
{
    FILE *report = fopen(file, "re");
    char line[512];
    int rc = -ENODATA;

    if (!report)
        return -errno;
    while (fgets(line, sizeof line, report)) {
        const char *references = strstr(line, "refs:");
        char name[64];
        double calls;

        if (tool == BENCH_CACHEGRIND && references && strstr(line, "== I ")) {
            *out = grouped(references + strlen("refs:"));
            rc = 0;
        } else if (tool == BENCH_STRACE && sscanf(line, "%lf %63s", &calls, name) == 2 && !strcmp(name, "total")) {
            *out = calls;
            rc = 0;
        }
    }
    fclose(report);
    return rc;
}
