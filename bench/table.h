/* SPDX-License-Identifier: MIT */
/*
 * Collects a row's samples, and prints them as lines of the one table with medians, ratio, bar and verdict.
 * Used by the driver alone.
 */
#ifndef EDO_BENCH_TABLE_H
#define EDO_BENCH_TABLE_H

#include "row.h"

#define BENCH_MOST_SAMPLES 64

struct bench_samples {
    double floor[BENCH_MOST_SAMPLES], ours[BENCH_MOST_SAMPLES];
    size_t floors, ourses;
    char absent[200];
};

struct bench_verdicts {
    int passed, missed, absent;
};

void bench_table_head(void);

/* Takes a line that a row printed. */
void bench_table_take(struct bench_samples *samples, const struct bench_row *row, const char *line);

/* Prints the row's lines. `broken` says why it ended early, if it did. */
void bench_table_row(struct bench_verdicts *verdicts, struct bench_samples *samples, const struct bench_row *row,
                     const char *broken);

#endif
