/* SPDX-License-Identifier: MIT */
/*
 * Seeded runs: a runtime with one worker whose every choice is drawn from a seed (rule T2), on a simulated kernel
 * (sim.h).
 *
 * All state lies in one struct edo_seeded on the frame of the run, and belongs to its one thread; `edo_seeded_run`
 * points there meanwhile. The hooks are called by the runtime on that thread (runtime/hooks.h).
 *
 * A run that fails says how to repeat it, also if a check in it aborts: so SIGABRT is handled while it runs.
 */
#include "testing/seeded.h"
#include "base/container.h"
#include "runtime/hooks.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "testing/pct.h"
#include "testing/random.h"
#include "testing/sim.h"

#include <edo/error.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct edo_seeded {
    struct edo_hooks hooks;
    struct edo_test_watch *watch;
    edo_test_options options;
    uint64_t seed;
    uint64_t random;
    struct edo_pct pct;
    bool deadlocked;
    char again[64];
    struct sigaction abort_before;
};

static struct edo_seeded *edo_seeded_run;

/* --- Choices ------------------------------------------------------------------------------------------------------ */

static bool edo_seeded_point(struct edo_hooks *hooks, struct edo_task *task)
{
    struct edo_seeded *seeded = EDO_CONTAINER_OF(hooks, struct edo_seeded, hooks);
    bool turn = false;

    if (seeded->watch && seeded->watch->point)
        seeded->watch->point(seeded->watch, task);
    if (seeded->options.schedule == EDO_SCHEDULE_PCT) {
        edo_pct_point(&seeded->pct, task);
        turn = true; /* whoever has the highest priority by now runs on */
    } else if (seeded->options.schedule == EDO_SCHEDULE_RANDOM) {
        turn = edo_random_below(&seeded->random, 4) == 0;
    }
    edo_trace_add("point", edo_test_serial(task), turn);
    return turn;
}

static void edo_seeded_turn(struct edo_hooks *hooks, struct edo_thread *thread)
{
    struct edo_seeded *seeded = EDO_CONTAINER_OF(hooks, struct edo_seeded, hooks);

    if (seeded->watch && seeded->watch->turn)
        seeded->watch->turn(seeded->watch, thread);
}

static uint32_t edo_seeded_choose(struct edo_hooks *hooks, const struct edo_task *first, uint32_t count)
{
    struct edo_seeded *seeded = EDO_CONTAINER_OF(hooks, struct edo_seeded, hooks);
    uint32_t chosen = 0;

    if (seeded->options.schedule == EDO_SCHEDULE_PCT)
        chosen = edo_pct_choose(&seeded->pct, first, count);
    else if (seeded->options.schedule == EDO_SCHEDULE_RANDOM)
        chosen = (uint32_t)edo_random_below(&seeded->random, count);
    for (uint32_t i = 0; i < chosen; i++)
        first = first->next;
    edo_trace_add("run", edo_test_serial(first), count);
    return chosen;
}

/* --- Failures ----------------------------------------------------------------------------------------------------- */

static void edo_seeded_abort(int number)
{
    struct edo_seeded *seeded = edo_seeded_run;
    size_t size = strlen(seeded->again);

    while (size > 0 && write(STDERR_FILENO, seeded->again, size) < 0 && errno == EINTR)
        ;
    sigaction(SIGABRT, &seeded->abort_before, NULL);
    raise(number);
}

static void edo_seeded_fail(const struct edo_seeded *seeded, int rc)
{
    if (rc < 0 && rc != -ECANCELED && !seeded->options.quiet)
        fprintf(stderr, "edo: seeded run failed (%d, %s)%s", rc, edo_strerror(rc), seeded->again);
}

/*
 * All tasks wait and nothing will happen: the root scope is cancelled, so that the run ends. False if that was done
 * before.
 */
static bool edo_seeded_stuck(void)
{
    struct edo_seeded *seeded = edo_seeded_run;
    struct edo_thread *thread = edo_thread_self();
    struct edo_runtime *runtime = thread->runtime;

    if (!seeded->options.quiet || seeded->deadlocked)
        edo_deadlock_report(runtime);
    if (seeded->deadlocked || atomic_load(&runtime->root_state) != EDO_ROOT_OPEN)
        return false;
    seeded->deadlocked = true;
    edo_scope_cancel_inside(thread, &runtime->root, EDO_REASON_USER, NULL);
    return true;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

static int edo_seeded_read(struct edo_seeded *seeded, edo_run_options *run, const edo_test_options *given)
{
    edo_test_options *options = &seeded->options;
    int rc = EDO_READ_OPTIONS(options, given);

    if (rc < 0)
        return rc;
    if (options->schedule < EDO_SCHEDULE_RANDOM || options->schedule > EDO_SCHEDULE_FIFO || options->depth < 0 ||
        options->depth > EDO_PCT_CHANGES_MOST || options->tick < 0 || options->latency_min < 0 ||
        (options->latency_max > 0 && options->latency_max < options->latency_min) ||
        (options->latency_max <= 0 && options->latency_min > 0) || (options->real_kernel && options->impure))
        return -EINVAL;
    return edo_run_options_read(run, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                                 .seed = options->seed, .stack_size = options->stack_size));
}

/* Latencies that are not given are drawn: none, or up to some number of µs. */
static int64_t edo_seeded_latency(struct edo_seeded *seeded)
{
    int64_t drawn = (int64_t)edo_random_below(&seeded->random, 4) * (int64_t)edo_random_below(&seeded->random, 100000);

    return seeded->options.latency_max > 0 ? seeded->options.latency_max : seeded->options.latency_max < 0 ? 0 : drawn;
}

static void edo_seeded_init(struct edo_seeded *seeded, uint64_t seed)
{
    const edo_test_options *options = &seeded->options;

    seeded->seed = seed;
    seeded->random = seed;
    seeded->hooks.simulated = !options->real_kernel;
    seeded->hooks.closed = !options->real_kernel && !options->impure;
    edo_pct_init(&seeded->pct, edo_random_next(&seeded->random), options->depth ? options->depth : 3, options->steps);
    snprintf(seeded->again, sizeof seeded->again, ": again with EDO_SEED=0x%" PRIx64 "\n", seed);
    edo_trace_begin();
}

static int edo_seeded_start(struct edo_seeded *seeded)
{
    struct edo_sim_options sim = {.seed = edo_random_next(&seeded->random),
                                  .impure = seeded->options.impure,
                                  .shuffle = seeded->options.schedule != EDO_SCHEDULE_FIFO,
                                  .short_transfers = seeded->options.short_transfers,
                                  .tick = seeded->options.tick,
                                  .latency_min = seeded->options.latency_min,
                                  .latency_max = edo_seeded_latency(seeded),
                                  .stuck = edo_seeded_stuck};
    int rc = seeded->options.real_kernel ? 0 : edo_sim_begin(&sim);

    if (rc == 0 && !seeded->options.real_kernel)
        edo_platform = &edo_sim->table;
    return rc;
}

/* Not written if it is the same: threads that end late may read it still. */
static void edo_seeded_replace(const struct edo_platform *table)
{
    if (edo_platform != table)
        edo_platform = table;
}

int edo_test_run_watched(edo_task_fn fn, void *argument, const edo_test_options *given, struct edo_test_watch *watch)
{
    struct edo_seeded seeded = {
        .hooks = {.point = edo_seeded_point, .turn = edo_seeded_turn, .choose = edo_seeded_choose}, .watch = watch};
    const struct edo_platform *before = edo_platform;
    struct sigaction action = {.sa_handler = edo_seeded_abort};
    edo_run_options options;
    int rc = edo_seeded_read(&seeded, &options, given);

    if (rc < 0)
        return rc;
    if (edo_in_task() || edo_seeded_run)
        return -EPERM;
    if (!fn)
        return -EINVAL;
    edo_seeded_init(&seeded, options.seed);
    rc = edo_seeded_start(&seeded);
    if (rc < 0)
        return rc;
    edo_seeded_replace(watch && watch->wrap ? watch->wrap(watch, edo_platform) : edo_platform);
    edo_seeded_run = &seeded;
    sigaction(SIGABRT, &action, &seeded.abort_before);
    rc = edo_run_here(fn, argument, &options, NULL, &seeded.hooks);
    sigaction(SIGABRT, &seeded.abort_before, NULL);
    edo_seeded_run = NULL;
    edo_seeded_replace(before);
    if (edo_sim)
        edo_sim_end();
    if (seeded.deadlocked)
        rc = -EDEADLK;
    edo_seeded_fail(&seeded, rc);
    return rc;
}

int edo_test_run(edo_task_fn fn, void *argument, const edo_test_options *options)
{
    return edo_test_run_watched(fn, argument, options, NULL);
}

int edo_test_seeds(edo_task_fn fn, void *argument, int count, const edo_test_options *given)
{
    const char *only = getenv("EDO_SEED");
    edo_test_options options;
    int rc = EDO_READ_OPTIONS(&options, given);
    uint64_t first;

    if (rc < 0)
        return rc;
    if (count < 1)
        return -EINVAL;
    options.size = sizeof options;
    first = options.seed ? options.seed : 1;
    if (only && *only) {
        options.seed = 0;
        return edo_test_run(fn, argument, &options);
    }
    for (int i = 0; i < count && (rc >= 0 || rc == -ECANCELED); i++) {
        options.seed = first + (uint64_t)i;
        if (options.seed)
            rc = edo_test_run(fn, argument, &options);
    }
    return rc;
}
