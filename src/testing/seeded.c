/* SPDX-License-Identifier: MIT */
/*
 * Seeded runs: a runtime with one worker whose every choice is drawn from a seed (rule T2).
 *
 * All state lies in one struct edo_seeded on the frame of the run, and belongs to its one thread. The hooks are called by
 * the runtime on that thread (runtime/hooks.h).
 */
#include "testing/seeded.h"
#include "base/container.h"
#include "runtime/hooks.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <errno.h>

struct edo_seeded {
    struct edo_hooks hooks;
    struct edo_test_watch *watch;
    edo_test_options options;
    uint64_t random;
};

/* splitmix64 */
static uint64_t edo_seeded_random(struct edo_seeded *seeded)
{
    uint64_t z = (seeded->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool edo_seeded_point(struct edo_hooks *hooks, struct edo_task *task)
{
    struct edo_seeded *seeded = EDO_CONTAINER_OF(hooks, struct edo_seeded, hooks);

    if (seeded->watch && seeded->watch->point)
        seeded->watch->point(seeded->watch, task);
    return seeded->options.schedule == EDO_SCHEDULE_RANDOM && edo_seeded_random(seeded) % 4 == 0;
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

    (void)first;
    return seeded->options.schedule == EDO_SCHEDULE_FIFO ? 0 : (uint32_t)(edo_seeded_random(seeded) % count);
}

int edo_test_run_watched(edo_task_fn fn, void *argument, const edo_test_options *given, struct edo_test_watch *watch)
{
    struct edo_seeded seeded = {.hooks = {edo_seeded_point, edo_seeded_turn, edo_seeded_choose}, .watch = watch};
    const struct edo_platform *before = edo_platform;
    edo_run_options options;
    int rc = EDO_READ_OPTIONS(&seeded.options, given);

    if (rc < 0)
        return rc;
    if (edo_in_task())
        return -EPERM;
    if (!fn || seeded.options.schedule < EDO_SCHEDULE_RANDOM || seeded.options.schedule > EDO_SCHEDULE_FIFO)
        return -EINVAL;
    rc = edo_run_options_read(&options, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                                    .seed = seeded.options.seed));
    if (rc < 0)
        return rc;
    seeded.random = options.seed;
    if (watch && watch->wrap)
        edo_platform = watch->wrap(watch, before);
    rc = edo_run_here(fn, argument, &options, NULL, &seeded.hooks);
    edo_platform = before;
    return rc;
}

int edo_test_run(edo_task_fn fn, void *argument, const edo_test_options *options)
{
    return edo_test_run_watched(fn, argument, options, NULL);
}
