/* SPDX-License-Identifier: MIT */
/*
 * The table. Columns are padded by characters, not by bytes, as units hold letters like µ.
 */
#include "table.h"

#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int widths[] = {20, 36, 22, 10, 10, 7, 18};

enum { LEFT, RIGHT };

static void cell(int column, int side, const char *text)
{
    int padding = widths[column];

    for (const char *c = text; *c; c++)
        padding -= ((unsigned char)*c & 0xc0) != 0x80;
    if (padding < 0)
        padding = 0;
    printf("%*s%s%*s", side == RIGHT ? padding : 0, "", text, side == LEFT ? padding : 0, "");
    fputs("  ", stdout);
}

static void number(char *text, size_t size, double value)
{
    double magnitude = fabs(value);

    if (isnan(value))
        snprintf(text, size, "–");
    else if (magnitude >= 1000)
        snprintf(text, size, "%.0f", value);
    else if (magnitude >= 100)
        snprintf(text, size, "%.1f", value);
    else if (magnitude >= 10)
        snprintf(text, size, "%.2f", value);
    else
        snprintf(text, size, "%.3f", value);
}

void bench_table_head(void)
{
    cell(0, LEFT, "row");
    cell(1, LEFT, "what");
    cell(2, LEFT, "compared with");
    cell(3, RIGHT, "floor");
    cell(4, RIGHT, "Edo");
    cell(5, RIGHT, "ratio");
    cell(6, LEFT, "bar");
    puts("verdict");
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        for (int j = 0; j < widths[i]; j++)
            putchar('-');
        fputs("  ", stdout);
    }
    puts("-------");
}

void bench_table_take(struct bench_samples *samples, const struct bench_row *row, const char *line)
{
    char kind[8], key[32];
    int at = 0;

    if (sscanf(line, "%7s %31s %n", kind, key, &at) < 2 || at == 0)
        return;
    for (size_t i = 0; row->metrics[i].key; i++) {
        struct bench_samples *of = &samples[i];

        if (strcmp(row->metrics[i].key, key) != 0)
            continue;
        if (strcmp(kind, "floor") == 0 && of->floors < BENCH_MOST_SAMPLES)
            of->floor[of->floors++] = strtod(line + at, NULL);
        else if (strcmp(kind, "ours") == 0 && of->ourses < BENCH_MOST_SAMPLES)
            of->ours[of->ourses++] = strtod(line + at, NULL);
        else if (strcmp(kind, "absent") == 0)
            snprintf(of->absent, sizeof of->absent, "%s", line + at);
    }
}

static bool within(const struct bench_metric *metric, double floor, double ours)
{
    switch (metric->bar) {
    case BENCH_AT_MOST:
        return ours <= metric->limit;
    case BENCH_RATIO:
        return ours <= metric->limit * floor;
    case BENCH_ABOVE:
        return ours <= metric->limit + floor;
    default:
        return true;
    }
}

static void bar_of(char *text, size_t size, const struct bench_metric *metric)
{
    static const char *const formats[] = {
        [BENCH_AT_MOST] = "at most %g", [BENCH_RATIO] = "at most %g ×", [BENCH_ABOVE] = "at most floor + %g"};

    text[0] = '\0';
    if (metric->bar != BENCH_INFORMATION)
        snprintf(text, size, formats[metric->bar], metric->limit);
}

static void line_of(struct bench_verdicts *verdicts, struct bench_samples *samples, const struct bench_row *row,
                    const struct bench_metric *metric, const char *broken)
{
    double floor = bench_median(samples->floor, samples->floors), ours = bench_median(samples->ours, samples->ourses);
    bool barred = metric->bar != BENCH_INFORMATION, lacks_floor = metric->floor && isnan(floor);
    char text[64];

    cell(0, LEFT, row->name);
    cell(1, LEFT, metric->what);
    cell(2, LEFT, metric->floor ? metric->floor : "");
    number(text, sizeof text, floor);
    cell(3, RIGHT, metric->floor ? text : "");
    number(text, sizeof text, ours);
    cell(4, RIGHT, text);
    if (!metric->floor || isnan(ours) || isnan(floor) || floor <= 0)
        snprintf(text, sizeof text, "%s", metric->floor ? "–" : "");
    else
        snprintf(text, sizeof text, "%.2f", ours / floor);
    cell(5, RIGHT, text);
    bar_of(text, sizeof text, metric);
    cell(6, LEFT, text);
    if (samples->absent[0]) {
        printf("absent: %s", samples->absent);
        verdicts->absent++;
    } else if (isnan(ours) || lacks_floor) {
        printf("MISS: %s", broken ? broken : lacks_floor ? "no floor to compare with" : "no result");
        verdicts->missed++;
    } else if (broken && barred) {
        printf("MISS: %s", broken);
        verdicts->missed++;
    } else if (barred && within(metric, floor, ours)) {
        fputs("pass", stdout);
        verdicts->passed++;
    } else if (barred) {
        fputs("MISS", stdout);
        verdicts->missed++;
    }
    putchar('\n');
    fflush(stdout);
}

void bench_table_row(struct bench_verdicts *verdicts, struct bench_samples *samples, const struct bench_row *row,
                     const char *broken)
{
    for (size_t i = 0; row->metrics[i].key; i++)
        line_of(verdicts, &samples[i], row, &row->metrics[i], broken);
}
