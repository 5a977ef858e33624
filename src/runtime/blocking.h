/* SPDX-License-Identifier: MIT */
/*
 * The pool of threads on which edo_blocking runs (rule C7). See blocking.c.
 */
#ifndef EDO_RUNTIME_BLOCKING_H
#define EDO_RUNTIME_BLOCKING_H

#include <edo/runtime.h>

#include <stdbool.h>
#include <stdint.h>

struct edo_blocking_pool;
struct edo_nesting;

/* The options are complete. */
int edo_blocking_pool_create(struct edo_blocking_pool **out, const edo_run_options *options);

/*
 * Ends the idle threads, waits for those at work, and joins them all: nothing of theirs runs any more. Except for
 * abandoned jobs, which end by themselves.
 */
void edo_blocking_pool_destroy(struct edo_blocking_pool *pool);

void edo_blocking_pool_counts(struct edo_blocking_pool *pool, uint64_t *threads, uint64_t *queued);

/*
 * A runtime begins, or ends, on the calling thread, which runs no task: if that is at work on a job, cancelling the job's caller
 * cancels the runtime, by edo_nesting_cancel, from begin to end. begin: false if the thread has no job (then no end either);
 * *rc is -ECANCELED if the caller is cancelled by now. `outer` is for end.
 */
bool edo_job_nesting_begin(int *rc, struct edo_nesting **outer, struct edo_nesting *nesting);
void edo_job_nesting_end(struct edo_nesting *outer);

#endif
