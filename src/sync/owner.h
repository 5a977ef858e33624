/* SPDX-License-Identifier: MIT */
/*
 * Who holds a lock: a task by its number, which no other has while it lives, or a thread that runs no task. Locks keep
 * it in `owner_`, which is written by who holds the lock, and 0 while nobody does; so reading one's own number there is
 * certain, whatever others write at the moment.
 */
#ifndef EDO_SYNC_OWNER_H
#define EDO_SYNC_OWNER_H

#include "runtime/task.h"

#include <pthread.h>

static inline uint64_t edo_owner_self(const struct edo_task *task)
{
    return task ? task->id : (uint64_t)(uintptr_t)pthread_self() | UINT64_C(1) << 63;
}

static inline uint64_t edo_owner_read(const uint64_t *owner)
{
    return __atomic_load_n(owner, __ATOMIC_RELAXED);
}

static inline void edo_owner_write(uint64_t *owner, uint64_t value)
{
    __atomic_store_n(owner, value, __ATOMIC_RELAXED);
}

#endif
