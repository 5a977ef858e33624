/* SPDX-License-Identifier: MIT */
/*
 * One bad task stalls only itself: tasks that compute, or block their thread, for 2 s each on two workers, beside an
 * echo service and a ticker (stalls.h), against bare threads. Beside it, as information, the same with hand-off
 * switched off, and Tokio, which has none.
 */
#include "stalls.h"

#include "peer.h"
#include "process.h"
#include "rows/rows.h"

static int run(const struct bench_row *row);

static const struct bench_metric metrics[] = {
    {"ticks", "ticks late, p99, ms", "bare threads", BENCH_ABOVE, 25},
    {"echo", "echo, p99, ms", "bare threads", BENCH_ABOVE, 25},
    {"ticks.off", "no hand-off: ticks late, p99, ms", "bare threads", BENCH_INFORMATION, 0},
    {"echo.off", "no hand-off: echo, p99, ms", "bare threads", BENCH_INFORMATION, 0},
    {"ticks.tokio", "Tokio: ticks late, p99, ms", "bare threads", BENCH_INFORMATION, 0},
    {"echo.tokio", "Tokio: echo, p99, ms", "bare threads", BENCH_INFORMATION, 0},
    {0},
};
#define ROW(kind, count, left_out)                                                                                     \
    {                                                                                                                  \
        .name = "stalls-" kind "-" #count, .metrics = metrics, .run = run, .seconds = 40, .slow = (left_out)           \
    }
const struct bench_row bench_row_stalls_spin_1 = ROW("spin", 1, false);
const struct bench_row bench_row_stalls_spin_2 = ROW("spin", 2, true);
const struct bench_row bench_row_stalls_spin_4 = ROW("spin", 4, true);
const struct bench_row bench_row_stalls_spin_8 = ROW("spin", 8, false);
const struct bench_row bench_row_stalls_block_1 = ROW("block", 1, false);
const struct bench_row bench_row_stalls_block_2 = ROW("block", 2, true);
const struct bench_row bench_row_stalls_block_4 = ROW("block", 4, true);
const struct bench_row bench_row_stalls_block_8 = ROW("block", 8, false);

/* Runs it once and reports under both keys; or says why not. */
static void one(const char *suffix, const char *path, const struct bench_stalls *stalls)
{
    struct bench_stalls_result result;
    const char *trouble, *name = strrchr(path, '/');
    char ticks[32], echo[32];

    snprintf(ticks, sizeof ticks, "ticks%s", suffix);
    snprintf(echo, sizeof echo, "echo%s", suffix);
    if (bench_stalls_run(&result, path, stalls, &trouble) < 0) {
        bench_absent(ticks, "%s: %s", name ? name + 1 : path, trouble);
        bench_absent(echo, "%s: %s", name ? name + 1 : path, trouble);
    } else {
        bench_ours(ticks, result.ticks);
        bench_ours(echo, result.echo);
    }
}

static void bare_threads(const struct bench_stalls *stalls)
{
    static const char *const suffixes[] = {"", ".off", ".tokio"};
    struct bench_stalls_result result;
    char path[4096], key[32];
    const char *trouble;

    bench_program(path, sizeof path, "edo-bench-floor-stalls");
    if (bench_stalls_run(&result, path, stalls, &trouble) < 0)
        return;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(key, sizeof key, "ticks%s", suffixes[i]);
        bench_floor(key, result.ticks);
        snprintf(key, sizeof key, "echo%s", suffixes[i]);
        bench_floor(key, result.echo);
    }
}

static void with_hand_off(const struct bench_stalls *stalls)
{
    char path[4096];

    one("", bench_program(path, sizeof path, "edo-bench-stalls"), stalls);
}

static void without_hand_off(struct bench_stalls stalls)
{
    char path[4096];

    stalls.no_hand_off = true;
    one(".off", bench_program(path, sizeof path, "edo-bench-stalls"), &stalls);
}

static void tokio(const struct bench_stalls *stalls)
{
    char path[4096], reason[256];

    if (bench_peer_cargo(path, sizeof path, "tokio-stalls", reason, sizeof reason) == 0) {
        one(".tokio", path, stalls);
    } else {
        bench_absent("ticks.tokio", "%s", reason);
        bench_absent("echo.tokio", "%s", reason);
    }
}

static int run(const struct bench_row *row)
{
    struct bench_stalls stalls = {
        .spin = strstr(row->name, "spin") != NULL,
        .hogs = atoi(strrchr(row->name, '-') + 1),
        .span = (int64_t)(bench_options.quick ? 1 : 2) * 1000000000,
    };

    for (int round = 0; round < (bench_options.quick ? 2 : 3); round++) {
        bare_threads(&stalls);
        with_hand_off(&stalls);
    }
    without_hand_off(stalls);
    tokio(&stalls);
    return 0;
}
