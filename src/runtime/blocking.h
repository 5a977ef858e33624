/* SPDX-License-Identifier: MIT */
/*
 * Pools of threads on which blocking work runs (rule C7): that of edo_blocking, and the lane of edo_resolve. See
 * blocking.c.
 */
#ifndef EDO_RUNTIME_BLOCKING_H
#define EDO_RUNTIME_BLOCKING_H

#include "base/list.h"

#include <edo/blocking.h>
#include <edo/runtime.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_blocking_pool;
struct edo_nesting;
struct edo_task;

enum edo_job_state { EDO_JOB_QUEUED = 0, EDO_JOB_RUNNING, EDO_JOB_DONE, EDO_JOB_ABANDONED };

/* Of blocking.c, which says how it goes on; reports know one on a stack by `task` and `self`. */
struct edo_job {
    struct edo_link link; /* in the queue; under lock */
    int (*fn)(void *);
    void *argument;
    void (*drop)(void *);
    struct edo_task *task;
    struct edo_blocking_pool *pool;
    const struct edo_job *self;  /* its address, so that other words on the stack are not taken for one */
    struct edo_nesting *nesting; /* the runtime that runs in it; under lock, as is the next */
    bool cancelled;
    _Atomic uint32_t state;
    int result;
};

/* With at most so many threads; all else is as the options say, which are complete. */
int edo_blocking_pool_create(struct edo_blocking_pool **out, int threads, const edo_run_options *options);

/*
 * Ends the idle threads, waits for those at work, and joins them all: nothing of theirs runs any more. Except for
 * abandoned jobs, which end by themselves.
 */
void edo_blocking_pool_destroy(struct edo_blocking_pool *pool);

void edo_blocking_pool_counts(struct edo_blocking_pool *pool, uint64_t *threads, uint64_t *idle, uint64_t *queued);

/*
 * A runtime begins, or ends, on the calling thread, which runs no task: if that is at work on a job, cancelling the
 * job's caller cancels the runtime, by edo_nesting_cancel, from begin to end. begin: false if the thread has no job
 * (then no end either); *rc is -ECANCELED if the caller is cancelled by now. `outer` is for end.
 */
bool edo_job_nesting_begin(int *rc, struct edo_nesting **outer, struct edo_nesting *nesting);
void edo_job_nesting_end(struct edo_nesting *outer);

/* What edo_blocking_with does, in the calling task, on the given pool; `options` are of this version. */
int edo_blocking_on(struct edo_blocking_pool *pool, int (*fn)(void *), void *argument,
                    const edo_blocking_options *options);

#endif
