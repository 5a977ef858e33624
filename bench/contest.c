/* SPDX-License-Identifier: MIT */
/*
 * What the servers cost, as seen from outside, one pair of server and load generator at a time.
 */
#include "contest.h"

#include "contender.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHORT_RUN = 2000, LONG_RUN = 12000 };

static const char *const speed_keys[] = {"cpu", "user", "system", "rate", "syscalls", "instructions"};

static void report(const struct bench_contest *contest, size_t number, const char *what, double value)
{
    char key[64];

    for (size_t i = 0; i < BENCH_MOST_FORMS && contest->forms[i].key; i++) {
        snprintf(key, sizeof key, "%s.%s", what, contest->forms[i].key);
        if (number == 0)
            bench_floor(key, value);
        else if (number == i + 1)
            bench_ours(key, value);
    }
}

/* Says why the form (all of them, for the floor) has no value. */
static void report_absent(const struct bench_contest *contest, size_t number, const char *what, const char *reason)
{
    char key[64];

    for (size_t i = 0; i < BENCH_MOST_FORMS && contest->forms[i].key; i++)
        if (number == 0 || number == i + 1) {
            snprintf(key, sizeof key, "%s.%s", what, contest->forms[i].key);
            bench_absent(key, "%s", reason[0] ? reason : "the server ended early");
        }
}

static size_t contenders_of(const struct bench_contest *contest)
{
    size_t count = 1;

    while (count <= BENCH_MOST_FORMS && contest->forms[count - 1].key)
        count++;
    return count;
}

/*
 * What a contender has used over all rounds, start-up (about a millisecond each) included: the kernel splits
 * CPU time into user and system by sampling, which is too coarse for one run.
 */
struct used {
    double user_ns, system_ns, requests;
};

typedef int measure_one(const struct bench_contest *contest, struct bench_contender *contender, size_t number);

static int time_one(const struct bench_contest *contest, struct bench_contender *contender, size_t number)
{
    double before, after, seconds, requests = (double)contest->requests;
    int rc;

    if ((rc = bench_contender_run(contender, contest->requests / 10, &seconds)) < 0 || /* warms up */
        (rc = bench_cpu_of(&before, contender->server.kill)) < 0 ||
        (rc = bench_contender_run(contender, contest->requests, &seconds)) < 0 ||
        (rc = bench_cpu_of(&after, contender->server.kill)) < 0)
        return rc;
    report(contest, number, "cpu", (after - before) / 1e3 / requests);
    report(contest, number, "rate", requests / seconds);
    return 0;
}

/* Syscalls at full speed, by the kernel's tracepoint. */
static int count_one(const struct bench_contest *contest, struct bench_contender *contender, size_t number)
{
    double before = bench_counter_read(contender->server.counter), seconds;
    int rc = bench_contender_run(contender, contest->requests, &seconds);

    if (rc == 0)
        report(contest, number, "syscalls",
               (bench_counter_read(contender->server.counter) - before) / (double)contest->requests);
    return rc;
}

/*
 * Lets the contenders take turns, each as a new process every time: where a process happens to lie in memory
 * makes a difference that stays with it. One that fails is out; `keys` are what is then reported absent.
 */
static void take_turns(const struct bench_contest *contest, bool counted, int rounds, measure_one *measure,
                       const char *const *keys, size_t key_count)
{
    static struct bench_contender contender;
    struct bench_counter counter = {.event = "raw_syscalls/sys_enter"}, *counting = counted ? &counter : NULL;
    struct used used[BENCH_MOST_FORMS + 1] = {0};
    bool out[BENCH_MOST_FORMS + 1] = {false};
    size_t count = contenders_of(contest);

    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            if (out[i])
                continue;
            out[i] = bench_contender_start(&contender, contest, i, NULL, counting) < 0 ||
                     measure(contest, &contender, i) < 0;
            out[i] |= bench_contender_stop(&contender) < 0;
            for (size_t k = 0; k < key_count && out[i]; k++)
                report_absent(contest, i, keys[k], contender.trouble);
            used[i].user_ns += contender.server.user_ns;
            used[i].system_ns += contender.server.system_ns;
            used[i].requests += (double)contender.requests;
        }
    for (size_t i = 0; i < count; i++)
        if (!out[i] && measure == time_one) {
            report(contest, i, "user", used[i].user_ns / 1e3 / used[i].requests);
            report(contest, i, "system", used[i].system_ns / 1e3 / used[i].requests);
        }
}

/* What a tool counts in one run of so many requests, from start-up to end. */
static int total_under(double *out, const struct bench_contest *contest, size_t number, enum bench_tool tool,
                       size_t requests, const char **trouble)
{
    static struct bench_contender contender;
    char file[64];
    double seconds;
    int rc;

    snprintf(file, sizeof file, "/tmp/edo-bench-%d.count", (int)getpid());
    rc = bench_contender_start(&contender, contest, number, &(struct bench_tooling){tool, file}, NULL);
    if (rc == 0)
        rc = bench_contender_run(&contender, requests, &seconds);
    *trouble = contender.trouble;
    bench_contender_stop(&contender);
    if (rc == 0 && (rc = bench_tool_total(out, tool, file)) < 0)
        *trouble = "the tool left no count";
    unlink(file);
    return rc;
}

/* A slope: two runs that differ only in the number of requests, so that start-up, connecting and ending
 * cancel out. */
static int slope_under(double *out, const struct bench_contest *contest, size_t number, enum bench_tool tool,
                       const char **trouble)
{
    double few, many;
    int rc;

    if ((rc = total_under(&few, contest, number, tool, SHORT_RUN, trouble)) < 0 ||
        (rc = total_under(&many, contest, number, tool, LONG_RUN, trouble)) < 0)
        return rc;
    *out = (many - few) / (LONG_RUN - SHORT_RUN);
    return 0;
}

static void count_under(const struct bench_contest *contest, enum bench_tool tool, const char *key)
{
    for (size_t i = 0; i < contenders_of(contest); i++) {
        double each;
        const char *trouble;

        if (slope_under(&each, contest, i, tool, &trouble) < 0)
            report_absent(contest, i, key, trouble);
        else
            report(contest, i, key, each);
    }
}

int bench_contest_count(double *out, const struct bench_contest *contest, size_t number, const char **trouble)
{
    return slope_under(out, contest, number, BENCH_CACHEGRIND, trouble);
}

int bench_contest_speed(const struct bench_contest *contest)
{
    static const char *const syscalls = "syscalls";

    take_turns(contest, false, bench_rounds(contest->rounds), time_one, speed_keys, 4);
    if (bench_counter_works("raw_syscalls/sys_enter"))
        take_turns(contest, true, bench_rounds(7), count_one, &syscalls, 1);
    else
        count_under(contest, BENCH_STRACE, "syscalls");
    if (contest->workers == 1) /* valgrind runs one thread at a time, so what idle workers do then means nothing */
        count_under(contest, BENCH_CACHEGRIND, "instructions");
    return 0;
}

int bench_contest_instructions(const struct bench_contest *contest)
{
    count_under(contest, BENCH_CACHEGRIND, "instructions");
    return 0;
}

static int settled_memory(double *out, struct bench_contender *contender, size_t connections)
{
    struct timespec pause = {.tv_nsec = 300000000}; /* for what a server gives back once it is idle */
    struct bench_memory memory;
    int rc = bench_contender_open(contender, connections);

    if (rc < 0)
        return rc;
    nanosleep(&pause, NULL);
    rc = bench_memory_of(&memory, contender->server.kill);
    *out = memory.anonymous + memory.page_tables;
    return rc;
}

/* The slope between a tenth of the connections and all of them. */
static int weigh_one(const struct bench_contest *contest, struct bench_contender *contender, size_t number)
{
    size_t few = contest->connections, many = few * 10;
    double before, after;
    int rc;

    if ((rc = settled_memory(&before, contender, few)) < 0 || (rc = settled_memory(&after, contender, many)) < 0)
        return rc;
    report(contest, number, "bytes", (after - before) / (double)(many - few));
    return 0;
}

int bench_contest_idle(const struct bench_contest *contest)
{
    struct bench_contest scaled = *contest;
    size_t limit = (size_t)bench_raise_descriptor_limit();
    static const char *const bytes = "bytes";

    if (scaled.connections * 10 + 100 > limit)
        scaled.connections = (limit - 100) / 10;
    bench_small_pages();
    take_turns(&scaled, false, 1, weigh_one, &bytes, 1);
    return 0;
}
