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

enum { EDO_CHUNK_FIRST = 64 * 1024, EDO_CHUNK_LARGEST = 4 * 1024 * 1024 };

void edo_blocks_init(struct edo_blocks *pool, size_t block_size)
{
    edo_lock_init(&pool->lock);
    pool->block_size = (block_size + 7) & ~(size_t)7;
    pool->free = NULL;
    pool->free_count = 0;
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
    pool->free = NULL;
    pool->free_count = 0;
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
    chunk->fresh = (char *)memory + 64;
    chunk->end = (char *)memory + pool->chunk_size;
    pool->chunks = chunk;
    if (pool->chunk_size < EDO_CHUNK_LARGEST)
        pool->chunk_size *= 2;
    return 0;
}

int edo_blocks_fill(struct edo_block_cache *batch, struct edo_blocks *pool)
{
    int count = 0;

    edo_lock_acquire(&pool->lock);
    while (count < EDO_BLOCK_BATCH) {
        struct edo_block *block = pool->free;

        if (block) {
            pool->free = block->next;
            pool->free_count--;
        } else {
            struct edo_chunk *chunk = pool->chunks;

            if (!chunk || (size_t)(chunk->end - chunk->fresh) < pool->block_size) {
                int rc = count > 0 ? 1 : edo_blocks_grow(pool);

                if (rc < 0) {
                    edo_lock_release(&pool->lock);
                    return rc;
                }
                if (rc > 0)
                    break;
                chunk = pool->chunks;
            }
            block = (struct edo_block *)(void *)chunk->fresh;
            chunk->fresh += pool->block_size;
        }
        block->next = batch->free;
        batch->free = block;
        count++;
    }
    edo_lock_release(&pool->lock);
    batch->count += (size_t)count;
    return count;
}

void edo_blocks_drain(struct edo_block_cache *cache, struct edo_blocks *pool, size_t count)
{
    struct edo_block *first = cache->free;
    struct edo_block *last = first;

    if (count == 0 || !first)
        return;
    for (size_t i = 1; i < count && last->next; i++)
        last = last->next;
    cache->free = last->next;
    cache->count -= count;
    edo_lock_acquire(&pool->lock);
    last->next = pool->free;
    pool->free = first;
    pool->free_count += count;
    edo_lock_release(&pool->lock);
}
