/* SPDX-License-Identifier: MIT */
/*
 * The fault sweep: a run for each call that the system may refuse, and each of its errors (rule F1); and single runs in
 * which some calls fail.
 */
#include "testing/sweep.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "testing/sim.h"

#include <edo/error.h>

#include <stdio.h>

struct edo_fault_sweep {
    struct edo_test_watch watch;
    struct edo_sweep sweep;
};

/* The Nth call may have been refused: takes down where and how. */
static void edo_fault_sweep_note(struct edo_sweep *sweep)
{
    int call = atomic_load(&edo_faults.failed);

    if (call < 0)
        return;
    sweep->point = (size_t)edo_faults.nth;
    sweep->place = edo_faults.place;
    snprintf(sweep->how, sizeof sweep->how, "%s: %s", edo_fault_name(call),
             edo_strerror(edo_fault_error(call, edo_faults.variant)));
}

/* A run whose Nth call fails. True: all was well. */
static bool edo_fault_sweep_run(struct edo_fault_sweep *run, size_t nth, int variant)
{
    edo_faults_arm((int64_t)nth, variant);
    edo_sweep_run(&run->sweep, &run->watch);
    edo_fault_sweep_note(&run->sweep);
    return edo_sweep_check(&run->sweep);
}

int edo_test_fault_sweep(edo_task_fn fn, void *argument, const edo_test_sweep_options *options)
{
    struct edo_fault_sweep run = {.sweep = {.name = "fault sweep", .unit = "call", .note = edo_fault_sweep_note}};
    int rc = edo_sweep_begin(&run.sweep, fn, argument, options, &run.watch);
    size_t nth = 1;
    size_t swept = 0;
    int variant = 0;

    if (rc < 0)
        return rc;
    while (rc == 0) {
        int call;

        if (nth > run.sweep.options.most) {
            rc = -EOVERFLOW;
            break;
        }
        if (!edo_fault_sweep_run(&run, nth, variant)) {
            rc = edo_sweep_breach(&run.sweep);
            break;
        }
        call = atomic_load(&edo_faults.failed);
        if (call < 0 && variant == 0) {
            rc = edo_sweep_done(&run.sweep, swept);
            break;
        }
        swept += call >= 0;
        if (call >= 0 && variant + 1 < edo_fault_variants(call)) {
            variant++;
        } else {
            variant = 0;
            nth++;
        }
    }
    edo_sweep_end(&run.sweep);
    return rc;
}

/* --- Weather ------------------------------------------------------------------------------------------------------ */

struct edo_faulty_run {
    struct edo_test_watch watch;
    edo_task_fn fn;
    void *argument;
};

static int edo_faulty_main(void *argument)
{
    struct edo_faulty_run *run = (struct edo_faulty_run *)argument;

    atomic_store(&edo_faults.raging, true);
    if (edo_sim) {
        edo_sim->weather.losses = edo_faults.storm.losses;
        edo_sim->weather.duplicates = edo_faults.storm.duplicates;
        edo_sim->weather.reorderings = edo_faults.storm.reorderings;
    }
    return run->fn(run->argument);
}

static const struct edo_platform *edo_faulty_wrap(struct edo_test_watch *watch, const struct edo_platform *base)
{
    (void)watch;
    return edo_faults_stand_before(base);
}

static bool edo_faults_wrong(const edo_test_faults *faults)
{
    const int numbers[] = {faults->interrupts, faults->short_transfers, faults->again,      faults->shortages,
                           faults->losses,     faults->duplicates,      faults->reorderings};

    for (size_t i = 0; i < EDO_COUNT(numbers); i++)
        if (numbers[i] < 0 || numbers[i] > 999)
            return true;
    return false;
}

int edo_test_run_faulty(edo_task_fn fn, void *argument, const edo_test_options *options, const edo_test_faults *faults)
{
    struct edo_faulty_run run = {.watch = {.wrap = edo_faulty_wrap}, .fn = fn, .argument = argument};
    edo_run_options drawn;
    edo_test_options read;
    edo_test_faults storm;
    int rc = EDO_READ_OPTIONS(&storm, faults);

    if (rc == 0)
        rc = EDO_READ_OPTIONS(&read, options);
    if (rc < 0)
        return rc;
    if (edo_in_task())
        return -EPERM;
    if (!fn || edo_faults_wrong(&storm))
        return -EINVAL;
    rc = edo_run_options_read(&drawn, EDO_OPTIONS(edo_run_options, .workers = 1, .seed = read.seed));
    if (rc < 0)
        return rc;
    read.size = sizeof read;
    read.seed = drawn.seed;
    edo_faults_begin();
    edo_faults.storm = storm;
    atomic_store(&edo_faults.random, drawn.seed);
    rc = edo_test_run_watched(edo_faulty_main, &run, &read, &run.watch);
    edo_faults_end();
    return rc;
}
