/* SPDX-License-Identifier: MIT */
/*
 * What the reading of metrics (metrics.c) and their text (metrics_text.c) share: sums of a runtime's counters, of now.
 */
#ifndef EDO_OBSERVE_METRICS_H
#define EDO_OBSERVE_METRICS_H

#include "runtime/runtime.h"

#include <edo/metrics.h>

void edo_worker_counted(edo_worker_metrics *out, struct edo_worker *worker, int64_t now);

/* `workers`: where each of its workers' part of that is written, too; NULL: nowhere. */
void edo_runtime_counted(edo_metrics *out, edo_worker_metrics *workers, struct edo_runtime *runtime, int64_t now);

/* worker -1: all. The runtime measures times. */
void edo_times_counted(edo_histogram *out, struct edo_runtime *runtime, int times, int worker);

/*
 * What was sampled of the task (0 where nothing is); false: it has ended. From where its runtime cannot end meanwhile.
 */
bool edo_task_counted(uint64_t *polls, int64_t *busy, struct edo_runtime *runtime, struct edo_task *block, uint64_t id);

/* The same for its times. The runtime measures times. */
bool edo_task_times_counted(edo_histogram *out, struct edo_task *block, uint64_t id, int times);

#endif
