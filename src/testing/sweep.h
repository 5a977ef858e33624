/* SPDX-License-Identifier: MIT */
/*
 * What sweeps have in common: one run of the function, a look at what it has left behind, and the report.
 *
 * A sweep belongs to the thread that called it, and to that of its runs, which is the same. While one is at work the
 * faults' table (faults.h) is in force, also between runs: threads that end late are counted too.
 */
#ifndef EDO_TESTING_SWEEP_H
#define EDO_TESTING_SWEEP_H

#include "testing/faults.h"
#include "testing/seeded.h"

#include <signal.h>

struct edo_sweep {
    const char *name; /* "cancel sweep" */
    const char *unit; /* "point" */
    edo_task_fn fn;
    void *argument;
    edo_test_sweep_options options;
    edo_test_options run;
    struct edo_left_mark mark; /* what there was before the first run */
    bool started;              /* the last run's root task has run */
    int result;                /* of the last run */
    char what[256];            /* the breach */
    struct sigaction abort_before;

    /* What went wrong in the last run (0: nothing yet), and where: for the report, also when it hangs. */
    size_t point;
    char how[64];
    struct edo_place place;
    void (*note)(struct edo_sweep *sweep); /* brings these up to date, if they are not; NULL: they are */
};

/* Reads the options, puts the table in force, and runs the function as it is. 0, or what the sweep returns. */
int edo_sweep_begin(struct edo_sweep *sweep, edo_task_fn fn, void *argument, const edo_test_sweep_options *options,
                    struct edo_test_watch *watch);
void edo_sweep_end(struct edo_sweep *sweep);

/* One run; and whether all was well after it: else sweep->what tells. */
void edo_sweep_run(struct edo_sweep *sweep, struct edo_test_watch *watch);
bool edo_sweep_check(struct edo_sweep *sweep);

/* Tells of the breach, on stderr and in the report, if one is wanted. Returns -ENOTRECOVERABLE. */
int edo_sweep_breach(struct edo_sweep *sweep);

/* The run under way does not end: tells it, and aborts. */
void edo_sweep_hangs(const char *what);

/* All went well up to `swept`. Returns 0. */
int edo_sweep_done(struct edo_sweep *sweep, size_t swept);

#endif
