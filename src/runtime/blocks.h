/* SPDX-License-Identifier: MIT */
/*
 * Type-stable blocks of one size: tasks, handles, streams.
 *
 * A block, once carved, stays a block of its kind until the runtime ends: a waker that comes late finds a task, perhaps
 * another one, never something else (every park loops, so a needless wake is harmless). Blocks are zeroed when carved
 * and keep their content through the free list, except for their first word and 16 bytes at an offset that their kind
 * names: bytes that no late waker looks at.
 *
 * A pool has a lock; each worker has a cache for its own use (owner: whoever is inside the worker). Blocks move between
 * them in whole batches, which stay linked as they are, so that no list of cold blocks is ever walked. A cache has two
 * batches: the one in use, and a full one (or none) between it and the pool, so that a task that spawns and ends by
 * turns does not go to the pool every time. Only edo_blocks_fill allocates; it is called outside the guard (rule S10).
 */
#ifndef EDO_RUNTIME_BLOCKS_H
#define EDO_RUNTIME_BLOCKS_H

#include "platform/lock.h"

#include <stddef.h>

struct edo_block {
    struct edo_block *next;
};

/* In the first block of a batch that is in the pool. */
struct edo_batch_mark {
    struct edo_block *next_batch;
    size_t count;
};

struct edo_blocks {
    struct edo_lock lock;
    size_t block_size;
    size_t mark_offset;
    struct edo_block *batches; /* under lock */
    struct edo_chunk *chunks;
    size_t chunk_size; /* of the next one; grows */
};

struct edo_block_cache {
    struct edo_block *free;
    size_t count;
    struct edo_block *full; /* a batch of EDO_BLOCK_BATCH, or NULL */
};

enum { EDO_BLOCK_BATCH = 64 };

/* `mark_offset`: where a free block has 16 bytes, aligned to 8, for the pool's use. */
void edo_blocks_init(struct edo_blocks *pool, size_t block_size, size_t mark_offset);
void edo_blocks_finish(struct edo_blocks *pool);

/*
 * Moves a batch from the pool into the empty cache *batch, carving new blocks if need be. 0, or -ENOMEM. Outside the
 * guard.
 */
int edo_blocks_fill(struct edo_block_cache *batch, struct edo_blocks *pool);

/* Hands on a batch: to the cache if it is empty, to the pool otherwise. *batch is empty afterwards. */
void edo_blocks_move(struct edo_block_cache *cache, struct edo_blocks *pool, struct edo_block_cache *batch);

/* Gives a whole list of `count` blocks back to the pool. */
void edo_blocks_give(struct edo_blocks *pool, struct edo_block *first, size_t count);

/* The cache has no block in use; takes the full batch. */
static inline bool edo_block_cache_empty(struct edo_block_cache *cache)
{
    if (cache->free)
        return false;
    cache->free = cache->full;
    cache->count = cache->full ? EDO_BLOCK_BATCH : 0;
    cache->full = NULL;
    return !cache->free;
}

/*
 * Calls look(context, block) for each block that was one when this began, free or not; no lock is held then. For
 * reports: from anywhere, while the pool lives.
 */
void edo_blocks_each(struct edo_blocks *pool, void (*look)(void *context, void *block), void *context);

/* A block of a cache that has just been found not to be empty. */
static inline void *edo_block_take(struct edo_block_cache *cache)
{
    struct edo_block *block = cache->free;

    cache->free = block->next;
    cache->count--;
    __builtin_prefetch(cache->free, 1); /* for the next one: after a burst it is cold */
    return block;
}

/* A block, or NULL if the cache is empty. */
static inline void *edo_block_get(struct edo_block_cache *cache)
{
    return edo_block_cache_empty(cache) ? NULL : edo_block_take(cache);
}

static inline void edo_block_put(struct edo_block_cache *cache, struct edo_blocks *pool, void *memory)
{
    struct edo_block *block = (struct edo_block *)memory;

    if (__builtin_expect(cache->count == EDO_BLOCK_BATCH, 0)) {
        if (cache->full)
            edo_blocks_give(pool, cache->full, EDO_BLOCK_BATCH);
        cache->full = cache->free;
        cache->free = NULL;
        cache->count = 0;
    }
    block->next = cache->free;
    cache->free = block;
    cache->count++;
}

#endif
