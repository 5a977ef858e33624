/* SPDX-License-Identifier: MIT */
/* Seeded runs, for the rest of the testing room: what watches one, and the run itself. */
#ifndef EDO_TESTING_SEEDED_H
#define EDO_TESTING_SEEDED_H

#include <edo/testing.h>

#include "platform/platform.h"
#include "runtime/task.h"

/* Watches a run from inside: see struct edo_hooks (runtime/hooks.h) for when these are called. Any may be NULL. */
struct edo_test_watch {
    void (*point)(struct edo_test_watch *watch, struct edo_task *task);
    void (*turn)(struct edo_test_watch *watch, struct edo_thread *thread);

    /* The table to be in force instead of `base`, which it may call through to. Before the run starts. */
    const struct edo_platform *(*wrap)(struct edo_test_watch *watch, const struct edo_platform *base);
};

/* edo_test_run with something that watches; `watch` may be NULL. */
int edo_test_run_watched(edo_task_fn fn, void *argument, const edo_test_options *options, struct edo_test_watch *watch);

/* A task's number in its run: that of one run is that of the next. */
static inline uint64_t edo_test_serial(const struct edo_task *task)
{
    return task->id & ((UINT64_C(1) << 48) - 1);
}

/* --- deadlock.c --------------------------------------------------------------------------------------------------- */

/* Writes to stderr which tasks of the runtime wait, and for what. On the runtime's thread, when nothing runs. */
void edo_deadlock_report(struct edo_runtime *runtime);

#endif
