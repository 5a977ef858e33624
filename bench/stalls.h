/* SPDX-License-Identifier: MIT */
/*
 * Tasks that stall, beside an echo service and a ticker: what the programs of the stalls rows share, and how they are
 * measured.
 *
 * Each is a program of its own with the command line
 *
 *     --kind spin|block --hogs N --span MS [--no-hand-off]
 *
 * that prints "port N pid N" and then serves messages of 64 bytes. The first byte says what becomes of the connection:
 *
 *     'e'   echo: the message goes back
 *     't'   the ticks go there: a ticker ticks every millisecond, at the latest from 'h' on. When the span that begins
 *           with 'h' is over, it sends how late each tick was that was due in it (int64_t, ns), and closes
 *     'h'   N hogs begin: each keeps its thread for the span, by computing or by sleeping in the kernel. Where tasks
 *           serve the connections, one of these becomes the first hog, so that it keeps a worker that has something to
 *           lose
 */
#ifndef EDO_BENCH_STALLS_H
#define EDO_BENCH_STALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_STALLS_MESSAGE    64
#define BENCH_STALLS_TICK       ((int64_t)1000000) /* ns */
#define BENCH_STALLS_MOST_TICKS 10001

/* What a program was asked for. Read by all its threads, written before there are any. */
struct bench_stalls {
    bool spin;          /* else they block */
    int hogs;           /* N */
    int64_t span;       /* ns, at most 10 s */
    bool no_hand_off;   /* Edo only */
    _Atomic int64_t go; /* when the hogs began; 0: not yet */
};

/* How late the ticks of the span were. Owned by the ticker. */
struct bench_ticks {
    size_t count;
    int64_t late[BENCH_STALLS_MOST_TICKS];
};

/* --- For the programs --------------------------------------------------------------------------------------------- */

static inline int64_t bench_stalls_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 0, or -1 for another command line. */
static inline int bench_stalls_parse(struct bench_stalls *out, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--no-hand-off") == 0)
            out->no_hand_off = true;
        else if (i + 1 == argc)
            return -1;
        else if (strcmp(argv[i], "--kind") == 0)
            out->spin = strcmp(argv[++i], "spin") == 0;
        else if (strcmp(argv[i], "--hogs") == 0)
            out->hogs = atoi(argv[++i]);
        else if (strcmp(argv[i], "--span") == 0)
            out->span = atoi(argv[++i]) * (int64_t)1000000;
        else
            return -1;
    return out->hogs > 0 && out->span > 0 && out->span <= 10 * (int64_t)1000000000 ? 0 : -1;
}

/* Keeps the calling thread for the span. */
static inline void bench_stalls_keep(const struct bench_stalls *stalls)
{
    struct timespec span = {.tv_sec = stalls->span / 1000000000, .tv_nsec = stalls->span % 1000000000};
    int64_t end = bench_stalls_now() + stalls->span;

    if (stalls->spin)
        while (bench_stalls_now() < end)
            continue;
    else
        nanosleep(&span, NULL);
}

/* The tick that was due then has come. False: the span is over, and it belonged to it no more. */
static inline bool bench_stalls_tick(struct bench_ticks *ticks, const struct bench_stalls *stalls, int64_t due)
{
    int64_t go = stalls->go;

    if (go == 0 || due < go)
        return true;
    if (due >= go + stalls->span || ticks->count == BENCH_STALLS_MOST_TICKS)
        return false;
    ticks->late[ticks->count++] = bench_stalls_now() - due;
    return true;
}

/* --- For the row -------------------------------------------------------------------------------------------------- */

/* What one run of a program showed: 99 of 100 were at most so late, in ms. */
struct bench_stalls_result {
    double ticks;
    double echo; /* answers, from when they were to be asked for; one of 20 on a connection of its own */
};

/*
 * Runs the program at `path` once. 0 or a negative errno, and why in *trouble. Alone on its thread.
 */
int bench_stalls_run(struct bench_stalls_result *out, const char *path, const struct bench_stalls *stalls,
                     const char **trouble);

#endif
