/* SPDX-License-Identifier: MIT */
/*
 * Takes a worker from its thread as the monitor does, which has spare threads made before. Returns what edo_worker_take
 * does.
 */
#ifndef EDO_TESTS_RUNTIME_TAKE_WORKER_H
#define EDO_TESTS_RUNTIME_TAKE_WORKER_H

#include "runtime/runtime.h"

#include <errno.h>

static inline int take_worker(struct edo_worker *worker)
{
    int rc = -EAGAIN;

    for (int i = 0; i < 100 && rc == -EAGAIN; i++) { /* the monitor may use up what was made for this */
        edo_threads_reserve(worker->runtime);
        rc = edo_worker_take(worker);
    }
    return rc;
}

#endif
