/* SPDX-License-Identifier: MIT */
/*
 * Type-stable blocks of one size: tasks, handles, streams.
 *
 * A block, once carved, stays a block of its kind until the runtime ends: a waker that comes late finds a task, perhaps
 * another one, never something else (every park loops, so a needless wake is harmless). Blocks are zeroed when carved and
 * keep their content through the free list, except for the link in their first word.
 *
 * A pool has a lock; each worker has a cache for its own use (owner: whoever is inside the worker), which exchanges
 * batches with the pool. Only edo_blocks_fill allocates; it is called outside the guard (rule S10).
 */
#ifndef EDO_RUNTIME_BLOCKS_H
#define EDO_RUNTIME_BLOCKS_H

#include "platform/lock.h"

#include <stddef.h>

struct edo_block {
    struct edo_block *next;
};

struct edo_blocks {
    struct edo_lock lock;
    size_t block_size;
    struct edo_block *free; /* under lock */
    size_t free_count;
    struct edo_chunk *chunks;
    size_t chunk_size; /* of the next one; grows */
};

struct edo_block_cache {
    struct edo_block *free;
    size_t count;
};

enum { EDO_BLOCK_BATCH = 64, EDO_BLOCK_CACHE_LIMIT = 256 };

void edo_blocks_init(struct edo_blocks *pool, size_t block_size);
void edo_blocks_finish(struct edo_blocks *pool);

/* Moves a batch from the pool into *batch, carving new ones if need be. Returns how many, or -ENOMEM. Outside the guard. */
int edo_blocks_fill(struct edo_block_cache *batch, struct edo_blocks *pool);

/* Gives `count` blocks of the cache back to the pool. */
void edo_blocks_drain(struct edo_block_cache *cache, struct edo_blocks *pool, size_t count);

static inline void *edo_block_get(struct edo_block_cache *cache)
{
    struct edo_block *block = cache->free;

    if (block) {
        cache->free = block->next;
        cache->count--;
    }
    return block;
}

static inline void edo_block_put(struct edo_block_cache *cache, struct edo_blocks *pool, void *memory)
{
    struct edo_block *block = (struct edo_block *)memory;

    block->next = cache->free;
    cache->free = block;
    if (++cache->count > EDO_BLOCK_CACHE_LIMIT)
        edo_blocks_drain(cache, pool, EDO_BLOCK_CACHE_LIMIT / 2);
}

#endif
