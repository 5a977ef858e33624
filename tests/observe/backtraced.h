/* SPDX-License-Identifier: MIT */
/*
 * What the tests of backtraces share: the reports of tasks called "hog 0" and so on, their order of functions, and
 * running them.
 */
#ifndef EDO_TESTS_OBSERVE_BACKTRACED_H
#define EDO_TESTS_OBSERVE_BACKTRACED_H

#include "runtime/helpers.h"
#include "runtime/runtime.h"

#include <edo/stall.h>

#include <pthread.h>

enum { FRAMES = 64, HOGS = 3 };

/* --- What was reported -------------------------------------------------------------------------------------------- */

struct report {
    _Atomic bool there;
    char call[32];
    char text[8192];
    size_t count;
    size_t guesses;
    bool nameless; /* a frame in no module */
    char waited[64];
    char functions[FRAMES][64];
};

/* Those of tasks whose names are "hog 0", "hog 1" and so on. */
static struct report reports[HOGS];
static const char *const names[HOGS] = {"hog 0", "hog 1", "hog 2"};
static void (*release)(int hog);

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static void note(const edo_stall *stall, void *argument)
{
    struct report *report;
    int hog;

    (void)argument;
    if (stall->ended || !stall->name || strncmp(stall->name, "hog ", 4) != 0)
        return;
    hog = stall->name[4] - '0';
    report = &reports[hog];
    if (atomic_load(&report->there))
        return;
    edo_stall_text(report->text, sizeof report->text, stall);
    copy(report->call, sizeof report->call, stall->syscall);
    report->count = stall->frame_count;
    report->guesses = 0;
    report->nameless = false;
    copy(report->waited, sizeof report->waited, stall->waited ? stall->waited->function : NULL);
    for (size_t i = 0; i < stall->frame_count; i++) {
        copy(report->functions[i], sizeof report->functions[i], stall->frames[i].function);
        report->guesses += stall->frames[i].guessed;
        report->nameless |= stall->frames[i].module == NULL;
    }
    atomic_store(&report->there, true);
    if (release)
        release(hog);
}

static int index_of(const struct report *report, const char *function, size_t from)
{
    for (size_t i = from; i < report->count; i++)
        if (strcmp(report->functions[i], function) == 0)
            return (int)i;
    return -1;
}

/* That these are there in this order, and all down to the task's begin; `guesses`: some may be such. */
static void check_order(const struct report *report, bool guesses, const char *const *functions)
{
    int at = 0;

    if (!atomic_load(&report->there))
        fail_msg("no report");
    for (size_t i = 0; at >= 0; i++) {
        const char *function = functions[i] ? functions[i] : "edo_task_main";

        at = index_of(report, function, (size_t)at);
        if (at < 0)
            fail_msg("no %s in its place:\n%s", function, report->text);
        if (!functions[i])
            break;
    }
    if (!guesses && report->guesses > 0)
        fail_msg("a guess:\n%s", report->text);
    if ((size_t)at + 3 < report->count) /* the begin of a flow is no more than that */
        fail_msg("more than there is:\n%s", report->text);
}

#define CHECK_ORDER(report, guesses, ...) check_order(report, guesses, (const char *const[]){__VA_ARGS__, NULL})

/* --- Running them ------------------------------------------------------------------------------------------------- */

static struct edo_platform table;

static edo_task_fn hogs[HOGS];
static int hog_count;
static _Atomic unsigned sink;
static int ends[2];

static int root(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        /* Each at a site of its own, as those of one are not told without end. */
        CHECK_RC(edo_spawn(scope, hogs[0], argument, .name = names[0]), 0);
        if (hog_count > 1)
            CHECK_RC(edo_spawn(scope, hogs[1], argument, .name = names[1]), 0);
        if (hog_count > 2)
            CHECK_RC(edo_spawn(scope, hogs[2], argument, .name = names[2]), 0);
        while (!atomic_load(&reports[0].there))
            edo_sleep(EDO_MS(1)); /* somebody who waits, so that it is looked at */
    }
    return rc;
}

static void run_hogs(bool computing)
{
    static const edo_run_options options = {.size = sizeof(edo_run_options),
                                            .workers = 1,
                                            .signals = EDO_SIGNALS_IGNORE,
                                            .stall_after = EDO_MS(2),
                                            .on_stall = note};

    for (int i = 0; i < HOGS; i++)
        atomic_store(&reports[i].there, false);
    table = edo_platform_system;
    table.thread_cpu = computing ? all_the_time : no_time;
    edo_platform = &table;
    assert_int_equal(run_with(root, NULL, &options), 0);
    edo_platform = &edo_platform_system;
}

static void run_one(edo_task_fn fn, bool computing)
{
    hogs[0] = fn;
    hog_count = 1;
    run_hogs(computing);
}

static void write_byte(int hog)
{
    (void)hog;
    CHECK_RC(write(ends[1], "x", 1), 1);
}

static int set_up(void **state)
{
    (void)state;
    release = NULL;
    return pipe(ends);
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

#endif
