/* SPDX-License-Identifier: MIT */
/*
 * The pool of threads on which edo_blocking runs (rule C7). See blocking.c.
 */
#ifndef EDO_RUNTIME_BLOCKING_H
#define EDO_RUNTIME_BLOCKING_H

#include <stddef.h>
#include <stdint.h>

struct edo_blocking_pool;

int edo_blocking_pool_create(struct edo_blocking_pool **out, int threads, int64_t linger);

/* Ends the idle threads and waits for those at work, except for abandoned jobs, which end by themselves. */
void edo_blocking_pool_destroy(struct edo_blocking_pool *pool);

void edo_blocking_pool_counts(struct edo_blocking_pool *pool, uint64_t *threads, uint64_t *queued);

#endif
