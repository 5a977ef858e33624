/* SPDX-License-Identifier: MIT */
/*
 * What must not happen: a wake-up while everything sleeps, and an eventfd write for a timer. Both are watched
 * from outside, in a process that does nothing else.
 */
#include "process.h"
#include "rows/inside.h"
#include "rows/rows.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPERS = 100000, TIMERS = 100000, SLEEPS = 2000 };

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

/* --- Wake-ups while 100,000 tasks sleep --- */

static uint32_t asleep;

static int sleeper(void *argument)
{
    const int64_t *start = argument;
    uint32_t number = __atomic_fetch_add(&asleep, 1, __ATOMIC_RELAXED);

    edo_sleep_until(bench_far_deadline(*start, number));
    return 0;
}

static int sleep_all(void *argument)
{
    int64_t start = edo_now();
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (size_t i = 0; i < SLEEPERS && rc == 0; i++)
            rc = edo_spawn(scope, sleeper, &start);
        while (rc == 0 && __atomic_load_n(&asleep, __ATOMIC_RELAXED) < SLEEPERS)
            rc = edo_sleep(EDO_MS(1));
        if (rc == 0)
            say("asleep");
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(3600));
    }
    return rc;
}

static int part_wakeups(void)
{
    return bench_inside(sleep_all, NULL, 2);
}

/* --- Wake-ups while tasks wait for all kinds of things, after one has stalled --- */

static uint32_t word;
static edo_listener *lonely;
static edo_stream *silent;

static int stalls_for_a_while(void *none)
{
    int64_t end = edo_now() + EDO_MS(50);

    (void)none;
    while (edo_now() < end)
        continue;
    return 0;
}

static int waits_for_word(void *none)
{
    (void)none;
    return edo_wait_word(&word, 0, EDO_FOREVER);
}

/* One comes, which stays silent; no second one does. */
static int waits_for_connection(void *none)
{
    edo_stream *first EDO_AUTO(edo_close) = NULL;
    edo_stream *second EDO_AUTO(edo_close) = NULL;
    int rc = edo_accept(&first, lonely);

    (void)none;
    return rc < 0 ? rc : edo_accept(&second, lonely);
}

static int waits_for_bytes(void *none)
{
    char byte;

    (void)none;
    return (int)edo_read(silent, &byte, 1);
}

static int sleeps(void *none)
{
    (void)none;
    return edo_sleep(EDO_SEC(3600));
}

static int wait_all(void *none)
{
    static edo_task_fn const all[] = {waits_for_word, waits_for_connection, waits_for_bytes, sleeps,
                                      stalls_for_a_while};
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    edo_addr address;
    int rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);

    (void)none;
    if (rc == 0 && (rc = edo_listener_addr(&address, listener)) == 0)
        rc = edo_connect(&stream, &address, NULL);
    lonely = listener;
    silent = stream;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (size_t i = 0; i < EDO_COUNT(all) && rc == 0; i++)
            rc = edo_spawn(scope, all[i], NULL);
        if (rc == 0)
            rc = edo_spawn(scope, sleeps, NULL, .when = EDO_WHEN_AT(edo_now() + EDO_SEC(3600)));
        if (rc == 0)
            rc = edo_sleep(EDO_MS(200));
        if (rc == 0)
            say("waiting");
    }
    return rc;
}

static int part_idle(void)
{
    return bench_inside(wait_all, NULL, 2);
}

static void pause_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}

static int start_part(struct bench_process *process, const struct bench_row *row, struct bench_counter *counter)
{
    char path[4096];
    const char *words[] = {path, "--part", row->name, NULL};

    bench_program(path, sizeof path, "edo-bench");
    return bench_process_start(process, words, counter);
}

struct unrest {
    double switches, cpu_ns, syscalls;
};

static int unrest_of(struct unrest *out, struct bench_process *process)
{
    int rc = bench_switches_of(&out->switches, process->pid);

    if (rc == 0)
        rc = bench_cpu_of(&out->cpu_ns, process->pid);
    if (rc < 0)
        return rc;
    out->syscalls = process->counter ? bench_counter_read(process->counter) : 0;
    return 0;
}

static int run_wakeups(const struct bench_row *row)
{
    static struct bench_process process;
    struct bench_counter counter = {.event = "raw_syscalls/sys_enter"};
    bool counts = bench_counter_works(counter.event);
    struct unrest before, after;
    char line[64];
    int rc = start_part(&process, row, counts ? &counter : NULL);

    if (rc < 0)
        return rc;
    rc = bench_process_line(&process, line, sizeof line, 30) == 1 ? 0 : -1;
    pause_for(0.5);
    if (rc == 0)
        rc = unrest_of(&before, &process);
    pause_for(2);
    if (rc == 0)
        rc = unrest_of(&after, &process);
    if (rc == 0) {
        bench_ours("wakeups", after.switches - before.switches);
        bench_ours("cpu", (after.cpu_ns - before.cpu_ns) / 1e3);
        if (counts)
            bench_ours("syscalls", after.syscalls - before.syscalls);
        else
            bench_absent("syscalls", "the kernel's tracepoints need privileges");
    }
    bench_process_end(&process, 0);
    return rc;
}

/* --- Writes while timers are started and stopped, and while a task sleeps --- */

static void never(void *argument)
{
    (void)argument;
}

/* Each timer is earlier than all before it, so each is a reason to wake earlier: the worst case. */
static int start_timers(void *argument)
{
    static edo_timer timers[TIMERS];
    int64_t now = edo_now();
    int rc = 0;

    (void)argument;
    for (size_t i = 0; i < TIMERS; i++) {
        edo_timer_init(&timers[i], never, NULL);
        edo_timer_start(&timers[i], now + EDO_SEC(3600) - EDO_US(10) * (int64_t)i);
    }
    for (size_t i = 0; i < TIMERS; i++)
        edo_timer_stop(&timers[i]);
    say("timers");
    for (int i = 0; i < SLEEPS && rc == 0; i++)
        rc = edo_sleep(EDO_US(100));
    say("sleeps");
    return rc;
}

static int part_writes(void)
{
    return bench_inside(start_timers, NULL, 2);
}

/* One write a line is the part's own. */
static int count_by_tracepoint(const struct bench_row *row, struct bench_counter *counter)
{
    static struct bench_process process;
    double count[2] = {0};
    char line[64];
    int rc = start_part(&process, row, counter);

    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = bench_process_line(&process, line, sizeof line, 60) == 1 ? 0 : -1;
        count[i] = bench_counter_read(counter);
    }
    if (rc == 0) {
        bench_ours("timer", (count[0] - 1) / TIMERS);
        bench_ours("sleep", (count[1] - count[0] - 1) / SLEEPS);
    }
    bench_process_end(&process, 10);
    return rc;
}

/* Without privileges: all writes of the process's life, which is an upper bound. */
static int count_by_strace(const struct bench_row *row)
{
    static struct bench_process process;
    char path[4096], file[64], line[64];
    const char *words[32];
    double total;
    int count, rc;

    snprintf(file, sizeof file, "/tmp/edo-bench-%d.count", (int)getpid());
    if ((count = bench_tool_words(words, BENCH_STRACE, file, "write")) < 0) {
        bench_absent("timer", "needs strace, or privileges for the kernel's tracepoints");
        bench_absent("sleep", "the same");
        return 0;
    }
    words[count++] = bench_program(path, sizeof path, "edo-bench");
    words[count++] = "--part";
    words[count++] = row->name;
    words[count] = NULL;
    if ((rc = bench_process_start(&process, words, NULL)) < 0)
        return rc;
    while (bench_process_line(&process, line, sizeof line, 60) == 1)
        continue;
    bench_process_end(&process, 10);
    if ((rc = bench_tool_total(&total, BENCH_STRACE, file)) == 0) {
        bench_ours("timer", (total - 2) / TIMERS);
        bench_ours("sleep", (total - 2) / SLEEPS);
    }
    unlink(file);
    return rc;
}

static int run_writes(const struct bench_row *row)
{
    struct bench_counter counter = {.event = "syscalls/sys_enter_write"};

    return bench_counter_works(counter.event) ? count_by_tracepoint(row, &counter) : count_by_strace(row);
}

static const struct bench_metric wakeups[] = {
    {"wakeups", "wake-ups in 2 s, 100,000 asleep", NULL, BENCH_AT_MOST, 0},
    {"cpu", "CPU used meanwhile, µs", NULL, BENCH_AT_MOST, 0},
    {"syscalls", "syscalls meanwhile", NULL, BENCH_AT_MOST, 0},
    {0},
};
static const struct bench_metric idle[] = {
    {"wakeups", "wake-ups in 2 s, all tasks wait", NULL, BENCH_AT_MOST, 0},
    {"cpu", "CPU used meanwhile, µs", NULL, BENCH_AT_MOST, 0},
    {"syscalls", "syscalls meanwhile", NULL, BENCH_AT_MOST, 0},
    {0},
};
static const struct bench_metric writes[] = {
    {"timer", "eventfd writes a timer", NULL, BENCH_AT_MOST, 0.001},
    {"sleep", "eventfd writes a sleep", NULL, BENCH_AT_MOST, 0.01},
    {0},
};
const struct bench_row bench_row_wakeups = {
    .name = "wakeups", .metrics = wakeups, .run = run_wakeups, .part = part_wakeups, .seconds = 5};
const struct bench_row bench_row_stalls_idle = {
    .name = "stalls-idle", .metrics = idle, .run = run_wakeups, .part = part_idle, .seconds = 5};
const struct bench_row bench_row_writes = {
    .name = "timer-writes", .metrics = writes, .run = run_writes, .part = part_writes, .seconds = 5};
