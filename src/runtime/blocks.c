/* SPDX-License-Identifier: MIT */
/* Type-stable blocks: the pool behind the caches. See blocks.h. */
#include "runtime/blocks.h"
#include "platform/platform.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

struct edo_chunk {
    struct edo_chunk *next;
    size_t size;
    char *fresh; /* carved up to here */
    char *end;
};

enum { EDO_CHUNK_HEAD = 64, EDO_CHUNK_FIRST = 64 * 1024, EDO_CHUNK_LARGEST = 4 * 1024 * 1024 };

void edo_blocks_init(struct edo_blocks *pool, size_t block_size, size_t mark_offset)
{
    edo_lock_init(&pool->lock);
    pool->block_size = (block_size + 7) & ~(size_t)7;
    pool->mark_offset = mark_offset;
    pool->batches = NULL;
    pool->chunks = NULL;
    pool->chunk_size = EDO_CHUNK_FIRST;
}

void edo_blocks_finish(struct edo_blocks *pool)
{
    while (pool->chunks) {
        struct edo_chunk *chunk = pool->chunks;

        pool->chunks = chunk->next;
        edo_platform->unmap(chunk, chunk->size);
    }
    pool->batches = NULL;
}

/* Under the lock. Anonymous memory is mapped directly: zeroed, and touched only as blocks are carved. */
static int edo_blocks_grow(struct edo_blocks *pool)
{
    void *memory;
    struct edo_chunk *chunk;
    int rc = edo_platform->map(&memory, pool->chunk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);

    if (rc < 0)
        return rc;
    chunk = (struct edo_chunk *)memory;
    chunk->next = pool->chunks;
    chunk->size = pool->chunk_size;
    chunk->fresh = (char *)memory + EDO_CHUNK_HEAD;
    chunk->end = (char *)memory + pool->chunk_size;
    pool->chunks = chunk;
    if (pool->chunk_size < EDO_CHUNK_LARGEST)
        pool->chunk_size *= 2;
    return 0;
}

/* Under the lock: a batch of blocks that never were, in ascending order. */
static int edo_blocks_carve(struct edo_block_cache *batch, struct edo_blocks *pool)
{
    struct edo_chunk *chunk = pool->chunks;
    struct edo_block **link = &batch->free;

    if (!chunk || (size_t)(chunk->end - chunk->fresh) < pool->block_size) {
        int rc = edo_blocks_grow(pool);

        if (rc < 0)
            return rc;
        chunk = pool->chunks;
    }
    while (batch->count < EDO_BLOCK_BATCH && (size_t)(chunk->end - chunk->fresh) >= pool->block_size) {
        struct edo_block *block = (struct edo_block *)(void *)chunk->fresh;

        chunk->fresh += pool->block_size;
        *link = block;
        link = &block->next;
        batch->count++;
    }
    *link = NULL;
    return 0;
}

static struct edo_batch_mark *edo_batch_mark(const struct edo_blocks *pool, struct edo_block *first)
{
    return (struct edo_batch_mark *)(void *)((char *)first + pool->mark_offset);
}

int edo_blocks_fill(struct edo_block_cache *batch, struct edo_blocks *pool)
{
    int rc = 0;

    edo_lock_acquire(&pool->lock);
    if (pool->batches) {
        batch->free = pool->batches;
        batch->count = edo_batch_mark(pool, batch->free)->count;
        pool->batches = edo_batch_mark(pool, batch->free)->next_batch;
    } else {
        rc = edo_blocks_carve(batch, pool);
    }
    edo_lock_release(&pool->lock);
    return rc;
}

void edo_blocks_move(struct edo_block_cache *cache, struct edo_blocks *pool, struct edo_block_cache *batch)
{
    if (!batch->free)
        return;
    if (!cache->free) {
        cache->free = batch->free;
        cache->count = batch->count;
    } else {
        edo_blocks_give(pool, batch->free, batch->count);
    }
    batch->free = NULL;
    batch->count = 0;
}

void edo_blocks_give(struct edo_blocks *pool, struct edo_block *first, size_t count)
{
    edo_batch_mark(pool, first)->count = count;
    edo_lock_acquire(&pool->lock);
    edo_batch_mark(pool, first)->next_batch = pool->batches;
    pool->batches = first;
    edo_lock_release(&pool->lock);
}

void edo_blocks_each(struct edo_blocks *pool, void (*look)(void *context, void *block), void *context)
{
    struct edo_chunk *chunk;
    char *end = NULL;

    edo_lock_acquire(&pool->lock);
    chunk = pool->chunks;
    if (chunk)
        end = chunk->fresh;
    edo_lock_release(&pool->lock);
    while (chunk) { /* chunks stay, and none but the first is carved any more */
        for (char *block = (char *)chunk + EDO_CHUNK_HEAD; block < end; block += pool->block_size)
            look(context, block);
        chunk = chunk->next;
        if (chunk)
            end = chunk->fresh;
    }
}
