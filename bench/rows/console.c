/* SPDX-License-Identifier: MIT */
/*
 * What the console costs: nothing while nobody looks; and while somebody does a part of a core, however much there is to look at, and
 * little of what the program does meanwhile. Instructions a request are counted of a server that measures, and has a console that waits:
 * a look is paid by the second, not by the request, and under Valgrind a second has few requests. It has a line of its own.
 */
#include "contest.h"
#include "process.h"
#include "rows/crowd.h"
#include "rows/inside.h"
#include "rows/rows.h"
#include "viewer.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

enum { CROWD = 100000 };

static int run_with_console(edo_task_fn fn, void *argument, int workers, bool metrics)
{
    return edo_run(fn, argument,
                   EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .console = "0",
                               .metrics = metrics));
}

/* --- Nobody looks ------------------------------------------------------------------------------------------------------ */

static int is_idle(void *none)
{
    (void)none;
    puts("idle");
    fflush(stdout);
    return edo_sleep(EDO_SEC(3600));
}

static int part(void)
{
    return run_with_console(is_idle, NULL, 2, false);
}

static void pause_for(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}

static int wakeups(const struct bench_row *row)
{
    static struct bench_process process;
    char path[4096], line[64];
    const char *words[] = {path, "--part", row->name, NULL};
    double before, after;
    int rc;

    bench_program(path, sizeof path, "edo-bench");
    rc = bench_process_start(&process, words, NULL);
    if (rc < 0)
        return rc;
    rc = bench_process_line(&process, line, sizeof line, 30) == 1 ? 0 : -1;
    pause_for(0.5);
    if (rc == 0)
        rc = bench_switches_of(&before, process.pid);
    pause_for(3);
    if (rc == 0)
        rc = bench_switches_of(&after, process.pid);
    if (rc == 0)
        bench_ours("wakeups", after - before);
    bench_process_end(&process, 0);
    return rc;
}

/* --- Somebody does, while tasks yield ----------------------------------------------------------------------------------- */

struct watched {
    struct bench_crowd crowd;
    bool looks;
};

static int yield_all(void *argument)
{
    struct watched *watched = argument;
    struct bench_viewer viewer = {.query = ""};
    int rc = watched->looks ? bench_viewer_start(&viewer) : 0;

    if (rc == 0)
        rc = bench_crowd_run(&watched->crowd);
    if (watched->looks)
        bench_viewer_stop(&viewer);
    return rc;
}

static int yields(double *out, size_t tasks, bool looks)
{
    struct watched watched = {.crowd = {.tasks = tasks, .yields = 4 * bench_amount(BENCH_SWITCHES) / tasks},
                              .looks = looks};
    int rc =
        looks ? run_with_console(yield_all, &watched, 1, true)
              : edo_run(yield_all, &watched, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));

    *out = bench_crowd_yield(&watched.crowd);
    return rc;
}

static int yield_sample(const char *key, size_t tasks)
{
    double off, on;
    int rc;

    if ((rc = yields(&off, tasks, false)) < 0 || (rc = yields(&on, tasks, true)) < 0)
        return rc;
    bench_floor(key, off);
    bench_ours(key, on);
    return 0;
}

/* --- Somebody does, with 100,000 tasks ------------------------------------------------------------------------------------ */

static _Atomic int asleep;

static int sleep_long(void *argument)
{
    (void)argument;
    atomic_fetch_add(&asleep, 1);
    return edo_sleep(EDO_SEC(3600));
}

/* What a look at a program like the echo server costs. */
static int look_at_few(void *argument)
{
    struct bench_viewer viewer = {.query = "?count=100"};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (crowd, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 64 && rc == 0; i++)
            rc = edo_spawn(crowd, sleep_long, NULL, .name = "sleeper");
        if (rc == 0)
            rc = bench_viewer_start(&viewer);
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(3 + bench_rounds(3)));
        bench_viewer_stop(&viewer);
        if (viewer.looks > 0)
            bench_ours("few", 1e6 * viewer.cpu / viewer.looks);
        edo_scope_cancel(crowd);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static int look_at_crowd(void *argument)
{
    struct bench_viewer plain = {.query = "?count=100"};
    struct bench_viewer sorted = {.query = "?sort=name&order=desc&filter=sleep&count=100"};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (crowd, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < CROWD && rc == 0; i++)
            rc = edo_spawn(crowd, sleep_long, NULL, .name = i % 2 ? "sleeper" : "another sleeper");
        while (rc == 0 && atomic_load(&asleep) < CROWD)
            rc = edo_yield();
        for (int i = 0; i < 2 && rc == 0; i++) {
            struct bench_viewer *viewer = i ? &sorted : &plain;

            rc = bench_viewer_start(viewer);
            if (rc == 0)
                rc = edo_sleep(EDO_SEC(8 + bench_rounds(12)));
            bench_viewer_stop(viewer);
            if (viewer->looks > 0)
                bench_ours(i ? "sorted" : "crowd", 100 * viewer->cpu / viewer->seconds);
        }
        edo_scope_cancel(crowd);
    }
    return rc == -ECANCELED ? 0 : rc;
}

/* --- All --------------------------------------------------------------------------------------------------------------------- */

static const struct bench_contest echo = {
    "echo", "edo-bench-echo-task", {{"edo-bench-echo-console", "echo"}}, 1, true, 64, 0, 1};

static int run(const struct bench_row *row)
{
    int rc = bench_contest_instructions(&echo);

    if (rc == 0)
        rc = wakeups(row);
    if (rc == 0)
        rc = run_with_console(look_at_few, NULL, 1, true);
    atomic_store(&asleep, 0);
    if (rc == 0)
        rc = run_with_console(look_at_crowd, NULL, 1, true);
    for (int round = 0; round < bench_rounds(7) && rc == 0; round++)
        if ((rc = yield_sample("two", 2)) == 0)
            rc = yield_sample("thousand", 1000);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"wakeups", "console, nobody looks: wake-ups in 3 s", NULL, BENCH_AT_MOST, 0},
    {"crowd", "looked at, 100,000 tasks: % of a core", NULL, BENCH_AT_MOST, 5},
    {"sorted", "the same sorted and filtered, %", NULL, BENCH_AT_MOST, 5},
    {"two", "measured and looked at: a yield of 2 tasks, ns", "neither", BENCH_RATIO, 1.25},
    {"thousand", "a yield of 1,000 tasks, ns", "neither", BENCH_RATIO, 1.25},
    {"few", "a look at 64 tasks, once a second, µs", NULL, BENCH_AT_MOST, 5000},
    {"instructions.echo", "measured, with a console: instructions a request", "neither", BENCH_ABOVE, 60},
    {0},
};
const struct bench_row bench_row_observe_console = {
    .name = "observe-console", .metrics = metrics, .run = run, .part = part, .seconds = 130};
