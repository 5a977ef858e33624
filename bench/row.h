/* SPDX-License-Identifier: MIT */
/*
 * A row of the benchmark: what it measures, and the bars. Every row runs in a process of its own (`edo-bench
 * --row NAME`), so that memory, threads and allocator state of one do not touch another, and prints samples
 * for the driver to take the medians of:
 *
 *     floor KEY VALUE        what it is compared with
 *     ours KEY VALUE
 *     absent KEY REASON      this cannot be measured here; the row does not pass
 *
 * A row alternates floor, ours, floor, ours, so that a slow minute of the machine meets both.
 */
#ifndef EDO_BENCH_ROW_H
#define EDO_BENCH_ROW_H

#include <stdbool.h>
#include <stddef.h>

enum bench_bar {
    BENCH_INFORMATION, /* printed; no bar */
    BENCH_AT_MOST,     /* ours is at most the limit */
    BENCH_RATIO,       /* ours is at most the limit times the floor */
    BENCH_ABOVE,       /* ours is at most the floor plus the limit */
};

struct bench_metric {
    const char *key;   /* in the samples */
    const char *what;  /* for people, with the unit */
    const char *floor; /* what it is compared with; NULL: the bar alone */
    enum bench_bar bar;
    double limit;
};

struct bench_row {
    const char *name;
    const struct bench_metric *metrics; /* the last one has no key */
    int (*run)(const struct bench_row *row);
    int (*part)(void); /* a program of its own that the row watches from outside: `edo-bench --part NAME` */
    double seconds;    /* about how long it takes; a row that takes 10 times as long is broken */
    bool itself;       /* can put the floor in Edo's place */
    bool slow;         /* left out by --quick */
};

/* All rows, in the order of the table; the last one has no name. */
extern const struct bench_row *const bench_rows[];

/* Options of the command line, as the row's process has them. */
struct bench_options {
    bool quick;  /* fewer repetitions */
    bool itself; /* floor programs in Edo's place: shows how far the machine wobbles */
};
extern struct bench_options bench_options;

/* For rows. */
void bench_floor(const char *key, double value);
void bench_ours(const char *key, double value);
void bench_absent(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How many alternating rounds, and how much work of the usual amount, this run is to do. */
int bench_rounds(int usual);
size_t bench_amount(size_t usual);

#endif
