/* SPDX-License-Identifier: MIT */
/*
 * What it costs that somebody watches for stalls, in instructions of the echo; and how soon after the threshold the
 * next task runs. (That nobody is woken while all wait: quiet.c.)
 */
#include "contest.h"
#include "measure.h"
#include "rows/inside.h"
#include "rows/rows.h"

#include <pthread.h>
#include <stdatomic.h>

/* --- Instructions a request, beside the same server without a monitor --- */

static const struct bench_contest echo = {
    "echo", "edo-bench-echo-unwatched", {{"edo-bench-echo-task", "task"}}, 1, true, 64, 0, 1};

static int run_cost(const struct bench_row *row)
{
    (void)row;
    return bench_contest_instructions(&echo);
}

/* --- From the threshold to the next task --- */

/*
 * A task readies another one on the only worker and computes until that one has run. The monitor looks every 5 ms, so
 * how long it takes depends on when it looked last. BUSY: the worker has work all the time, and the stall begins at a
 * moment that moves through the monitor's period. ASLEEP: everything slept before, the monitor too, and its first
 * look comes a whole period after the stall has begun: the worst case.
 *
 * The floors, under the same load: how long a thread takes to wake that waits for a condition; and three bare threads
 * that do the same, one that computes, one that looks every 5 ms, one that is woken.
 */
enum { TRIALS = 20 /* of a round */, PERIOD_US = 5000, THRESHOLD_MS = 10, GIVE_UP_MS = 200 };

struct trial {
    int64_t begin;
    _Atomic int64_t next; /* when the next task ran; 0: it has not */
    atomic_bool stalls;
};

static int next(void *argument)
{
    struct trial *trial = argument;

    while (!trial->stalls)
        edo_yield();
    trial->next = edo_now();
    return 0;
}

static int stall(double *ms, int64_t busy)
{
    struct trial trial = {0};
    int rc = edo_sleep(EDO_MS(30)); /* until all is quiet again */
    int64_t busy_until = edo_now() + busy;

    EDO_SCOPE (scope, &rc) {
        if (rc == 0)
            rc = edo_spawn(scope, next, &trial);
        while (rc == 0 && edo_now() < busy_until)
            rc = edo_yield();
        trial.stalls = true;
        trial.begin = edo_now();
        while (rc == 0 && trial.next == 0 && edo_now() < trial.begin + EDO_MS(GIVE_UP_MS))
            continue;
    }
    *ms = (double)(trial.next - trial.begin) / 1e6 - THRESHOLD_MS;
    return rc;
}

static int64_t moment(int trial)
{
    return EDO_MS(15) + EDO_US(PERIOD_US) * trial / TRIALS;
}

static int stall_often(void *none)
{
    int rc = 0;

    (void)none;
    for (int i = 0; i < TRIALS && rc == 0; i++) {
        double ms;

        if ((rc = stall(&ms, 0)) == 0)
            bench_ours("asleep", ms);
        if (rc == 0 && (rc = stall(&ms, moment(i))) == 0) {
            bench_ours("busy", ms);
            bench_ours("watched", ms);
        }
    }
    return rc;
}

struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    atomic_bool waits, ringing;
    _Atomic int64_t stalls_since; /* for the watcher; 0: not yet */
    _Atomic int64_t woken;
};

static void ring(struct bell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    bell->ringing = true;
    pthread_mutex_unlock(&bell->mutex);
    pthread_cond_signal(&bell->rung);
}

static void *await_bell(void *argument)
{
    struct bell *bell = argument;

    pthread_mutex_lock(&bell->mutex);
    bell->waits = true;
    while (!bell->ringing)
        pthread_cond_wait(&bell->rung, &bell->mutex);
    bell->woken = edo_now();
    pthread_mutex_unlock(&bell->mutex);
    return NULL;
}

static void rest(int64_t ns)
{
    struct timespec time = {.tv_nsec = (long)ns};

    nanosleep(&time, NULL);
}

static void *watch(void *argument)
{
    struct bell *bell = argument;

    while (bell->stalls_since == 0 || edo_now() < bell->stalls_since + EDO_MS(THRESHOLD_MS))
        rest(EDO_US(PERIOD_US));
    ring(bell);
    return NULL;
}

/* What bare threads take, ms: from the signal to the thread that waits for it; with a watcher, from the threshold. */
static int wake_thread(double *ms, bool watched, int64_t after)
{
    struct bell bell = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    pthread_t thread, watcher;
    int64_t begin;

    if (pthread_create(&thread, NULL, await_bell, &bell) != 0)
        return -1;
    if (watched && pthread_create(&watcher, NULL, watch, &bell) != 0)
        return -1;
    do
        rest(after);
    while (!bell.waits);
    begin = edo_now();
    if (watched)
        bell.stalls_since = begin;
    else
        ring(&bell);
    while (bell.woken == 0)
        continue;
    pthread_join(thread, NULL);
    if (watched)
        pthread_join(watcher, NULL);
    *ms = (double)(bell.woken - begin) / 1e6 - (watched ? THRESHOLD_MS : 0);
    return 0;
}

static int wake_often(void)
{
    int rc = 0;

    for (int i = 0; i < TRIALS && rc == 0; i++) {
        double ms;

        if ((rc = wake_thread(&ms, false, moment(i))) == 0) {
            bench_floor("busy", ms);
            bench_floor("asleep", ms);
        }
        if (rc == 0 && (rc = wake_thread(&ms, true, moment(i))) == 0)
            bench_floor("watched", ms);
    }
    return rc;
}

static int run_delay(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < (bench_options.quick ? 1 : 3) && rc == 0; round++) {
        rc = wake_often();
        /* Not on one core, as rows of one worker usually are: the next task runs beside the one that stalls. */
        if (rc == 0)
            rc = edo_run(stall_often, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));
    }
    return rc;
}

static const struct bench_metric cost[] = {
    {"instructions.task", "echo: user instructions a request", "without monitor", BENCH_ABOVE, 20},
    {0},
};
static const struct bench_metric delay[] = {
    {"busy", "threshold to next task, p50, ms", "bare condition's wake", BENCH_AT_MOST, 5.2},
    {"watched", "the same", "three bare threads", BENCH_INFORMATION, 0},
    {"asleep", "the same, of one just woken, ms", "bare condition's wake", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_stalls_cost = {.name = "stalls-cost", .metrics = cost, .run = run_cost, .seconds = 20};
const struct bench_row bench_row_stalls_delay = {
    .name = "stalls-delay", .metrics = delay, .run = run_delay, .seconds = 15};
