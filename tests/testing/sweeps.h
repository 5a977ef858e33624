/* SPDX-License-Identifier: MIT */
/*
 * Public functions under the sweeps: a row a scenario, which says what functions it is about. Each goes through the
 * cancel sweep, for the root scope and for the innermost one, through the fault sweep, and through faulty weather.
 *
 * The list tests/testing/cases/waits names every public function, and the program that sweeps it if it may wait; `-`
 * stands for those that never wait, `unseeded` for those that seeded runs refuse. Each program checks that it has a row
 * for all that name it; test_sweep_runtime also that all that src/edo.map exports is in the list. So a new function
 * wants a line there, and one that waits a row.
 */
#ifndef EDO_TESTS_TESTING_SWEEPS_H
#define EDO_TESTS_TESTING_SWEEPS_H

#include "runtime/helpers.h"

#include <edo/testing.h>

struct row {
    const char *functions; /* what it sweeps */
    edo_task_fn fn;        /* gets the book; 0, or the error that was met */
    size_t least_points;   /* a sweep comes to so many at least */
    bool simulated;        /* on the simulated kernel, not the system's */
};

/* What a scenario wrote down in one run: all zero before it. */
struct book {
    _Atomic int64_t count[8];
    uint32_t word[2];
    void *object[4];
    int fds[4];
};

static inline void book_reset(void *argument)
{
    memset(argument, 0, sizeof(struct book));
    atomic_store(&test_failures, 0);
}

static inline void book_add(struct book *book, int which, int64_t n)
{
    atomic_fetch_add(&book->count[which], n);
}

static inline int64_t book_get(struct book *book, int which)
{
    return atomic_load(&book->count[which]);
}

/* What it checked in tasks held, and the result is what may be: success, or what was done to it. */
static inline int checked_cancelled(void *argument, size_t point, int rc)
{
    (void)argument;
    if (atomic_load(&test_failures) > 0)
        return -EPROTO;
    return rc == 0 || (rc == -ECANCELED && point > 0) ? 0 : -EBADE;
}

static inline int checked_failed(void *argument, size_t call, int rc)
{
    (void)argument;
    if (atomic_load(&test_failures) > 0)
        return -EPROTO;
    return rc == 0 || (rc < 0 && rc > -4096 && rc != -ECANCELED && call > 0) ? 0 : -EBADE;
}

static inline void sweep_row(const struct row *row)
{
    const edo_test_options *run =
        EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO, .real_kernel = !row->simulated);
    edo_test_report report = EDO_TEST_REPORT_INIT;
    struct book book;
    size_t points = 0;

    for (int cancels = EDO_CANCELS_ROOT; cancels <= EDO_CANCELS_INNERMOST; cancels++) {
        assert_int_equal(
            edo_test_cancel_sweep(row->fn, &book,
                                  EDO_OPTIONS(edo_test_sweep_options, .run = run, .reset = book_reset,
                                              .check = checked_cancelled, .cancels = cancels, .report = &report)),
            0);
        points += report.swept;
        if (report.swept < row->least_points)
            fail_msg("%s: %zu points", row->functions, report.swept);
    }
    assert_int_equal(edo_test_fault_sweep(row->fn, &book,
                                          EDO_OPTIONS(edo_test_sweep_options, .run = run, .reset = book_reset,
                                                      .check = checked_failed, .report = &report)),
                     0);
    print_message("# %zu points, %zu failures: %s\n", points, report.swept, row->functions);
}

static inline void weather_row(const struct row *row, int seeds)
{
    const int kinds[][4] = {{200, 0, 0, 0}, {0, 300, 0, 0}, {0, 0, 300, 0}, {0, 0, 0, 50}, {100, 100, 100, 20}};

    for (int seed = 1; seed <= seeds; seed++)
        for (size_t i = 0; i < EDO_COUNT(kinds); i++) {
            edo_test_faults faults = {.size = sizeof faults,
                                      .interrupts = kinds[i][0],
                                      .short_transfers = kinds[i][1],
                                      .again = kinds[i][2],
                                      .shortages = kinds[i][3]};
            struct book book;
            int rc;

            book_reset(&book);
            rc = edo_test_run_faulty(
                row->fn, &book,
                EDO_OPTIONS(edo_test_options, .seed = (uint64_t)seed, .real_kernel = !row->simulated, .quiet = true),
                &faults);
            if (atomic_load(&test_failures) > 0 || checked_failed(NULL, kinds[i][3] > 0, rc) != 0)
                fail_msg("%s: weather %zu, seed %d: %d", row->functions, i, seed, rc);
        }
}

/* --- The list of what waits --------------------------------------------------------------------------------------- */

static inline bool names(const char *words, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += size)
        if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

static inline void assert_rows_are_complete(const char *program, const struct row *rows, size_t count)
{
    FILE *list = fopen(EDO_TEST_CASES "/waits", "r");
    char name[128];
    char by[64];
    int missing = 0;

    assert_non_null(list);
    while (fscanf(list, "%127s %63s", name, by) == 2) {
        bool found = strcmp(by, program) != 0;

        for (size_t i = 0; i < count && !found; i++)
            found = names(rows[i].functions, name);
        if (!found)
            print_error("%s has no row in test_%s.c\n", name, program);
        missing += !found;
    }
    fclose(list);
    assert_int_equal(missing, 0);
}

#endif
