/* SPDX-License-Identifier: MIT */
/* What the tests of stall reports share: what was reported, of tasks called "hog", and running one that stalls. */
#ifndef EDO_TESTS_OBSERVE_STALLED_H
#define EDO_TESTS_OBSERVE_STALLED_H

#include "runtime/helpers.h"
#include "runtime/runtime.h"

#include <edo/stall.h>

#include <pthread.h>

/* --- What was reported -------------------------------------------------------------------------------------------- */

enum { REPORTS = 64, FRAMES = 48 };

struct report {
    edo_stall stall;
    char name[32];
    char call[32];
    char channel[64];
    char why[80];
    char functions[FRAMES][64];
    char module[256]; /* of the innermost frame */
};

static struct {
    pthread_mutex_t lock;
    struct report reports[REPORTS];
    int count;
    _Atomic int begun; /* of tasks called "hog", or of callbacks */
    _Atomic int ended;
    _Atomic int signals; /* sent by the library */
    void (*release)(const edo_stall *stall);
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static bool wanted(const edo_stall *stall)
{
    return !stall->task || (stall->name && strcmp(stall->name, "hog") == 0);
}

/* Others may be reported too, where the machine has much to do: a task that got no processor. */
static void note(const edo_stall *stall, void *argument)
{
    CHECK(argument == &world);
    CHECK(stall->size == sizeof *stall);
    if (!wanted(stall))
        return;
    pthread_mutex_lock(&world.lock);
    if (world.count < REPORTS) {
        struct report *report = &world.reports[world.count++];

        report->stall = *stall;
        copy(report->name, sizeof report->name, stall->name);
        copy(report->call, sizeof report->call, stall->syscall);
        copy(report->channel, sizeof report->channel, stall->wait_channel);
        copy(report->why, sizeof report->why, stall->no_frames);
        copy(report->module, sizeof report->module, stall->frame_count ? stall->frames[0].module : NULL);
        for (size_t i = 0; i < stall->frame_count && i < FRAMES; i++)
            copy(report->functions[i], sizeof report->functions[i], stall->frames[i].function);
    }
    pthread_mutex_unlock(&world.lock);
    atomic_fetch_add(stall->ended ? &world.ended : &world.begun, 1);
    if (world.release && !stall->ended)
        world.release(stall);
}

static bool has_function(const struct report *report, const char *function)
{
    for (size_t i = 0; i < report->stall.frame_count && i < FRAMES; i++)
        if (strcmp(report->functions[i], function) == 0)
            return true;
    return false;
}

/* The table in force: it counts signals, and says how much processor time all threads use. */
static struct edo_platform table;

static int counted_signal(int number, int signal, void *value)
{
    atomic_fetch_add(&world.signals, 1);
    return edo_platform_system.thread_signal(number, signal, value);
}

static int lost_signal(int number, int signal, void *value)
{
    (void)number, (void)signal, (void)value;
    atomic_fetch_add(&world.signals, 1);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    world.count = 0;
    world.begun = world.ended = world.signals = 0;
    world.release = NULL;
    table = edo_platform_system;
    table.thread_signal = counted_signal;
    edo_platform = &table;
    return 0;
}

static const edo_run_options usual = {.size = sizeof(edo_run_options),
                                      .workers = 1,
                                      .signals = EDO_SIGNALS_IGNORE,
                                      .stall_after = EDO_MS(2),
                                      .on_stall = note,
                                      .stall_argument = &world};

/* Runs one task that stalls, beside one that must not be kept waiting for long. */
static edo_task_fn stalling;

static int beside(void *argument)
{
    (void)argument;
    return 0;
}

static int one_root(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stalling, argument, .name = "hog"), 0);
        CHECK_RC(edo_spawn(scope, beside, NULL), 0);
    }
    while (atomic_load(&world.ended) < atomic_load(&world.begun))
        edo_sleep(EDO_MS(1));
    return rc;
}

/*
 * The first report is the one that is about; on a machine that has much to do the task may stall again, for want of a
 * processor.
 */
static void run_one(edo_task_fn fn, void *argument, const edo_run_options *options)
{
    const struct report *first = &world.reports[0];
    const struct report *second = NULL;

    stalling = fn;
    assert_int_equal(run_with(one_root, argument, options), 0);
    assert_true(world.count >= 2);
    for (int i = 1; i < world.count && !second; i++)
        if (world.reports[i].stall.serial == first->stall.serial)
            second = &world.reports[i];
    assert_non_null(second);
    assert_false(first->stall.ended);
    assert_true(second->stall.ended);
    assert_int_equal(second->stall.frame_count, 0);
    assert_int_equal(first->stall.task, second->stall.task);
    assert_true(first->stall.duration >= options->stall_after);
    assert_true(second->stall.duration >= first->stall.duration);
}

#endif
