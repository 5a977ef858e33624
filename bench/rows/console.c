/* SPDX-License-Identifier: MIT */
/*
 * What the console costs: nothing while nobody looks; and while somebody does a part of a core, however much there is
 * to look at, and little of what the program does meanwhile.
 *
 * Instructions a request are counted of a server that measures, and has a console that waits: a look is paid by the
 * second, not by the request, and under Valgrind a second has few requests. What looks add is put together from two
 * counts: the user instructions of a look at 64 tasks (a slope, between few looks and many), one look a second, over
 * the requests that the same server answers in a second of processor time with as many connections, natively. How fast
 * the machine is goes into it: on a slow one a look is shared by fewer requests.
 *
 * Yields are timed over a second from when the first look has been told: then there are as many looks in it as a viewer
 * has. (A viewer's coming costs some ms, once, which in a tenth of a second is some of all. What looks cost themselves
 * is not to be seen: with a snapshot taken every 10 ms by another core a yield takes as long as with none, so no line
 * that yields write is fought over.)
 */
#include "contender.h"
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

/* --- Nobody looks ------------------------------------------------------------------------------------------------- */

static int is_idle(void *none)
{
    (void)none;
    puts("idle");
    fflush(stdout);
    return edo_sleep(EDO_SEC(3600));
}

static int is_looked_at(void *none);

static int part(void)
{
    if (getenv("EDO_BENCH_LOOKED_AT"))
        return edo_run(is_looked_at, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "0", .metrics = true));
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

/* --- Somebody does, while tasks yield ----------------------------------------------------------------------------- */

struct watched {
    struct bench_crowd crowd;
    bool looks;
};

static int yield_all(void *argument)
{
    struct watched *watched = argument;
    struct bench_viewer viewer = {.query = ""};
    int rc = watched->looks ? bench_viewer_start(&viewer) : 0;

    while (rc == 0 && watched->looks && bench_viewer_looks(&viewer) < 0)
        rc = edo_sleep(EDO_MS(1));
    if (rc == 0)
        rc = bench_crowd_run(&watched->crowd);
    if (watched->looks)
        bench_viewer_stop(&viewer);
    return rc;
}

static int yields(double *out, size_t tasks, bool looks)
{
    struct watched watched = {.crowd = {.tasks = tasks, .yields = 30 * bench_amount(BENCH_SWITCHES) / tasks},
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

/* --- Somebody does, with 100,000 tasks ---------------------------------------------------------------------------- */

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

/* Tells where its console is, and has 64 tasks, until it is ended. */
static int is_looked_at(void *none)
{
    edo_addr address;
    int rc = edo_console_address(&address);

    (void)none;
    EDO_SCOPE (crowd, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 64 && rc == 0; i++)
            rc = edo_spawn(crowd, sleep_long, NULL, .name = "sleeper");
        printf("%d\n", edo_addr_port(&address));
        fflush(stdout);
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(3600));
        edo_scope_cancel(crowd);
    }
    return 0;
}

/* The user instructions of such a process from its start to its end, with so many looks. */
static int count_looks(double *out, int looks, const char *row)
{
    static struct bench_process process;
    struct bench_viewer viewer = {.query = "?count=100"};
    const char *words[16];
    char path[4096], file[64], line[64];
    edo_addr address;
    int count, rc;

    snprintf(file, sizeof file, "/tmp/edo-bench-%d.count", (int)getpid());
    if ((count = bench_tool_words(words, BENCH_CACHEGRIND, file, NULL)) < 0)
        return count;
    bench_program(path, sizeof path, "edo-bench");
    words[count++] = path;
    words[count++] = "--part";
    words[count++] = row;
    words[count] = NULL;
    setenv("EDO_BENCH_LOOKED_AT", "1", 1);
    rc = bench_process_start(&process, words, NULL);
    unsetenv("EDO_BENCH_LOOKED_AT");
    if (rc < 0)
        return rc;
    rc = bench_process_line(&process, line, sizeof line, 60) == 1 ? 0 : -EIO;
    if (rc == 0) {
        char text[80];

        snprintf(text, sizeof text, "127.0.0.1:%d", atoi(line));
        rc = edo_addr_parse(&address, text);
    }
    if (rc == 0 && (rc = bench_viewer_follow(&viewer, &address)) == 0) {
        while (bench_viewer_looks(&viewer) < looks)
            pause_for(0.01);
        bench_viewer_stop(&viewer);
    }
    bench_process_stop(&process, 30);
    if (rc == 0)
        rc = bench_tool_total(out, BENCH_CACHEGRIND, file);
    unlink(file);
    return rc;
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

/* --- All ---------------------------------------------------------------------------------------------------------- */

static const struct bench_contest echo = {
    "echo", "edo-bench-echo-task", {{"edo-bench-echo-console", "echo"}}, 1, true, 64, 0, 1};

/*
 * Requests a second of the server's processor time, natively: what it answers in a second that it has a core for
 * itself.
 */
static int rate(double *out)
{
    enum { REQUESTS = 50000 };
    static struct bench_contender contender;
    double before, after, seconds;
    int rc = bench_contender_start(&contender, &echo, 1, NULL, NULL);

    *out = 0;
    if (rc == 0 && (rc = bench_contender_run(&contender, REQUESTS / 10, &seconds)) == 0 &&
        (rc = bench_cpu_of(&before, contender.server.kill)) == 0 &&
        (rc = bench_contender_run(&contender, REQUESTS, &seconds)) == 0 &&
        (rc = bench_cpu_of(&after, contender.server.kill)) == 0)
        *out = REQUESTS / (after - before) * 1e9;
    bench_contender_stop(&contender);
    return rc;
}

static void requests(const struct bench_row *row)
{
    enum { FEW = 2, MANY = 8 };
    const char *trouble = "";
    double neither, waits, few, many, looks, each;

    if (bench_contest_count(&neither, &echo, 0, &trouble) < 0 || bench_contest_count(&waits, &echo, 1, &trouble) < 0) {
        bench_absent("instructions", "%s", trouble);
        bench_absent("looked", "%s", trouble);
        return;
    }
    bench_floor("instructions", neither);
    bench_ours("instructions", waits);
    if (count_looks(&few, FEW, row->name) < 0 || count_looks(&many, MANY, row->name) < 0 || rate(&each) < 0) {
        bench_absent("looked", "looks could not be counted");
        return;
    }
    looks = (many - few) / (MANY - FEW);
    bench_ours("look", looks);
    bench_ours("rate", each);
    bench_floor("looked", neither);
    bench_ours("looked", waits + looks / each);
}

static int run(const struct bench_row *row)
{
    int rc;

    requests(row);
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
    {"instructions", "measured, with a console: instructions a request", "neither", BENCH_ABOVE, 60},
    {"look", "looks at 64 tasks: instructions a second", NULL, BENCH_INFORMATION, 0},
    {"rate", "echo: requests a second of processor time", NULL, BENCH_INFORMATION, 0},
    {"looked", "measured and looked at: instructions a request", "neither", BENCH_ABOVE, 60},
    {0},
};
const struct bench_row bench_row_observe_console = {
    .name = "observe-console", .metrics = metrics, .run = run, .part = part, .seconds = 180};
