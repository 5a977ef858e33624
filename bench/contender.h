/* SPDX-License-Identifier: MIT */
/*
 * A server and its load generator, as one pair. Owned by one thread.
 */
#ifndef EDO_BENCH_CONTENDER_H
#define EDO_BENCH_CONTENDER_H

#include "contest.h"

struct bench_contender {
    struct bench_process server, load;
    size_t connections, requests; /* so far; the first request of each connection included */
    bool traced;
    char trouble[160]; /* why the last call failed, for people */
};

/* A tool to run the server under, and the file its counts go to. */
struct bench_tooling {
    enum bench_tool tool;
    const char *file;
};

/*
 * Starts number 0, the floor, or a form, and connects to it. `tooling` and `counter` may be NULL. 0 or a
 * negative errno; bench_contender_stop is due in both cases.
 */
int bench_contender_start(struct bench_contender *contender, const struct bench_contest *contest, size_t number,
                          const struct bench_tooling *tooling, struct bench_counter *counter);

/* Has so many connections, each of which has had one answer. */
int bench_contender_open(struct bench_contender *contender, size_t connections);

/* So many requests, spread over all connections. */
int bench_contender_run(struct bench_contender *contender, size_t requests, double *seconds);

/*
 * Ends both, the server by SIGTERM. 0; -EPROTO if it ended in another way than by exit status 0 within some seconds.
 * Afterwards server.user_ns and .system_ns tell what it has used.
 */
int bench_contender_stop(struct bench_contender *contender);

#endif
