/* SPDX-License-Identifier: MIT */
/*
 * Servers against each other under the same load: the floor first, then Edo's forms. All are programs of
 * their own with the same command line (`--port 0 --workers N [--pin CPU]`, answered by "port N pid N"), are
 * treated the same way, and take turns. Owned by one thread.
 */
#ifndef EDO_BENCH_CONTEST_H
#define EDO_BENCH_CONTEST_H

#include "process.h"
#include "row.h"

#define BENCH_MOST_FORMS 3

struct bench_contest {
    const char *protocol; /* "echo", "http" */
    const char *floor;    /* program names */
    struct bench_form {
        const char *program;
        const char *key; /* goes behind the dot in the metrics' keys: "cpu.task" */
    } forms[BENCH_MOST_FORMS];
    int workers;
    bool pinned; /* servers on one core, the load on another */
    size_t connections;
    size_t requests; /* of one timed run */
    int rounds;
};

/*
 * Reports, for every form and for the floor: cpu.F, user.F, system.F (µs a request), rate.F (requests a
 * second), syscalls.F, and with one worker instructions.F (a request).
 */
int bench_contest_speed(const struct bench_contest *contest);

/* Reports instructions.F alone: user instructions a request. */
int bench_contest_instructions(const struct bench_contest *contest);

/*
 * The same for the floor (0) or a form (1 and on) into *out, not reported; or why it cannot be had. 0 or a negative
 * errno.
 */
int bench_contest_count(double *out, const struct bench_contest *contest, size_t number, const char **trouble);

/* Reports bytes.F: private memory and page tables that one more connection costs once it has had an answer
 * and is idle. */
int bench_contest_idle(const struct bench_contest *contest);

#endif
