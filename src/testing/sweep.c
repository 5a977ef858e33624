/* SPDX-License-Identifier: MIT */
/* What sweeps have in common. See sweep.h. */
#include "testing/sweep.h"
#include "runtime/options.h"

#include <edo/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The one at work: a run that hangs is noticed by what knows of no sweep. */
static struct edo_sweep *edo_sweep_at_work;

enum { EDO_SWEEP_MOST = 100000 };

static int edo_sweep_read(struct edo_sweep *sweep, const edo_test_sweep_options *given)
{
    edo_test_sweep_options *options = &sweep->options;
    int rc = EDO_READ_OPTIONS(options, given);

    if (rc == 0)
        rc = EDO_READ_OPTIONS(&sweep->run, options->run);
    if (rc < 0)
        return rc;
    if (options->cancels < EDO_CANCELS_ROOT || options->cancels > EDO_CANCELS_INNERMOST || options->patience < 0 ||
        (options->report && options->report->size != sizeof *options->report))
        return -EINVAL;
    sweep->run.size = sizeof sweep->run;
    sweep->run.quiet = true; /* most runs fail; that is what they are for */
    if (!options->run)
        sweep->run.schedule = EDO_SCHEDULE_FIFO;
    if (!sweep->run.seed && !getenv("EDO_SEED")) /* every run the same one */
        sweep->run.seed = 1;
    if (!options->most)
        options->most = EDO_SWEEP_MOST;
    if (!options->patience)
        options->patience = EDO_SEC(10);
    return 0;
}

/* --- A run -------------------------------------------------------------------------------------------------------- */

static int edo_sweep_main(void *argument)
{
    struct edo_sweep *sweep = (struct edo_sweep *)argument;

    sweep->started = true;
    return sweep->fn(sweep->argument);
}

void edo_sweep_run(struct edo_sweep *sweep, struct edo_test_watch *watch)
{
    sweep->point = 0;
    memset(&sweep->place, 0, sizeof sweep->place);
    sweep->started = false;
    if (sweep->options.reset)
        sweep->options.reset(sweep->argument);
    sweep->result = edo_test_run_watched(edo_sweep_main, sweep, &sweep->run, watch);
    edo_faults_stand_back();
}

bool edo_sweep_check(struct edo_sweep *sweep)
{
    int breach = atomic_load(&edo_faults.breach);
    int rc;

    if (breach >= 0) {
        snprintf(sweep->what, sizeof sweep->what, "a call that began cancelled has called %s", edo_fault_name(breach));
        return false;
    }
    if (sweep->result == -EDEADLK && !sweep->run.real_kernel) {
        snprintf(sweep->what, sizeof sweep->what,
                 "does not end: all tasks wait, and nothing is left that could wake one");
        return false;
    }
    if (!edo_left_settle(sweep->what, sizeof sweep->what, &edo_faults.left, &sweep->mark, sweep->options.patience / 10))
        return false;
    rc = sweep->options.check ? sweep->options.check(sweep->argument, sweep->point, sweep->result) : 0;
    if (rc != 0)
        snprintf(sweep->what, sizeof sweep->what, "the check does not hold (%d), the run returned %d (%s)", rc,
                 sweep->result, sweep->result < 0 ? edo_strerror(sweep->result) : "success");
    return rc == 0;
}

static const struct edo_platform *edo_sweep_wrap(struct edo_test_watch *watch, const struct edo_platform *base)
{
    (void)watch;
    return edo_faults_stand_before(base);
}

static void edo_sweep_stuck(void)
{
    edo_sweep_hangs("all tasks wait, and nothing comes of it");
}

/* --- Telling ------------------------------------------------------------------------------------------------------ */

static void edo_sweep_tell(struct edo_sweep *sweep)
{
    struct edo_place_text where;
    edo_test_report *report = sweep->options.report;

    edo_place_tell(&where, &sweep->place);
    if (sweep->point == 0)
        fprintf(stderr, "edo: %s: when nothing goes wrong: %s\n", sweep->name, sweep->what);
    else if (where.file[0])
        fprintf(stderr, "edo: %s: %s %zu (%s), %s:%d in %s(): %s\n", sweep->name, sweep->unit, sweep->point, sweep->how,
                where.file, where.line, where.function, sweep->what);
    else
        fprintf(stderr, "edo: %s: %s %zu (%s), at %p: %s\n", sweep->name, sweep->unit, sweep->point, sweep->how,
                sweep->place.count > 0 ? sweep->place.frames[sweep->place.count - 1] : NULL, sweep->what);
    if (!report)
        return;
    *report = (edo_test_report)EDO_TEST_REPORT_INIT;
    report->point = sweep->point;
    report->swept = sweep->point;
    report->line = where.line;
    memcpy(report->how, sweep->how, sizeof report->how);
    memcpy(report->function, where.function, sizeof report->function);
    memcpy(report->file, where.file, sizeof report->file);
    memcpy(report->what, sweep->what, sizeof report->what);
}

/* --- Begin and end ------------------------------------------------------------------------------------------------ */

/*
 * A run aborts: by misuse, or since it waits on after its cancellation. Nothing may be called here that takes memory,
 * so the place is not told.
 */
static void edo_sweep_aborts(int number)
{
    struct edo_sweep *sweep = edo_sweep_at_work;
    char text[256];
    int size;

    sigaction(number, &sweep->abort_before, NULL);
    if (sweep->note)
        sweep->note(sweep);
    size = sweep->point == 0 ? snprintf(text, sizeof text, "edo: %s: when nothing goes wrong: aborts\n", sweep->name)
                             : snprintf(text, sizeof text, "edo: %s: %s %zu (%s): aborts\n", sweep->name, sweep->unit,
                                        sweep->point, sweep->how);
    edo_platform_system.write(STDERR_FILENO, text, (size_t)size);
    raise(number);
}

int edo_sweep_begin(struct edo_sweep *sweep, edo_task_fn fn, void *argument, const edo_test_sweep_options *options,
                    struct edo_test_watch *watch)
{
    struct edo_left_mark before;
    int rc = edo_sweep_read(sweep, options);

    if (rc < 0)
        return rc;
    if (edo_in_task() || edo_sweep_at_work)
        return -EPERM;
    if (!fn)
        return -EINVAL;
    sweep->fn = fn;
    sweep->argument = argument;
    edo_sweep_at_work = sweep;
    sigaction(SIGABRT, &(struct sigaction){.sa_handler = edo_sweep_aborts}, &sweep->abort_before);
    edo_faults_begin();
    edo_faults.patience = sweep->options.patience;
    edo_faults.stuck = edo_sweep_stuck;
    watch->wrap = edo_sweep_wrap;
    /* What is set up once in a process is set up now. Most of what is left after that was only late. */
    edo_left_look(&before, &edo_faults.left);
    edo_sweep_run(sweep, watch);
    if (sweep->started) {
        edo_left_settle(sweep->what, sizeof sweep->what, &edo_faults.left, &before, EDO_MS(500));
        edo_left_look(&sweep->mark, &edo_faults.left);
        return 0;
    }
    rc = sweep->result;
    edo_sweep_end(sweep);
    return rc < 0 ? rc : -EINVAL;
}

void edo_sweep_end(struct edo_sweep *sweep)
{
    edo_faults_end();
    sigaction(SIGABRT, &sweep->abort_before, NULL);
    edo_sweep_at_work = NULL;
}

int edo_sweep_breach(struct edo_sweep *sweep)
{
    edo_sweep_tell(sweep);
    return -ENOTRECOVERABLE;
}

void edo_sweep_hangs(const char *what)
{
    struct edo_sweep *sweep = edo_sweep_at_work;

    if (sweep->note)
        sweep->note(sweep);
    snprintf(sweep->what, sizeof sweep->what, "does not end: %s", what);
    edo_sweep_tell(sweep);
    sigaction(SIGABRT, &sweep->abort_before, NULL); /* it has been told */
    abort();
}

int edo_sweep_done(struct edo_sweep *sweep, size_t swept)
{
    if (sweep->options.report) {
        *sweep->options.report = (edo_test_report)EDO_TEST_REPORT_INIT;
        sweep->options.report->swept = swept;
    }
    return 0;
}
