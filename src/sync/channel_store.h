/* SPDX-License-Identifier: MIT */
/* Where a channel's values lie: see channel.h. All under the channel's lock, but create and destroy. */
#ifndef EDO_SYNC_CHANNEL_STORE_H
#define EDO_SYNC_CHANNEL_STORE_H

#include "sync/channel.h"

#include <string.h>

/* Copies a value. Most are a word or two. */
static inline void edo_value_copy(void *to, const void *from, size_t size)
{
    if (size == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t));
    else
        memcpy(to, from, size);
}

int edo_store_create(struct edo_channel *channel);
void edo_store_destroy(struct edo_channel *channel);

/*
 * Whether a push needs a block that is not there; gives it one, or takes the surplus one that is not needed any more.
 */
bool edo_store_wants_block(const struct edo_channel *channel);
struct edo_channel_block *edo_store_block_create(const struct edo_channel *channel);
void edo_store_add_block(struct edo_channel *channel, struct edo_channel_block *block);

/* Of unbounded channels: where the next value goes, for which there is a block; takes the oldest one out. */
void *edo_store_block_back(struct edo_channel *channel);
void edo_store_block_pop(void *value, struct edo_channel *channel);

/* Appends a value, for which there is room. */
static inline void edo_store_push(struct edo_channel *channel, const void *value)
{
    size_t count = atomic_load_explicit(&channel->count, memory_order_relaxed);

    if (channel->size && channel->capacity == EDO_UNBOUNDED) {
        edo_value_copy(edo_store_block_back(channel), value, channel->size);
    } else if (channel->size) {
        size_t at = channel->head + count;

        edo_value_copy(channel->slots + (at >= channel->capacity ? at - channel->capacity : at) * channel->size, value,
                       channel->size);
    }
    atomic_store_explicit(&channel->count, count + 1, memory_order_relaxed);
}

/* Removes the oldest value, which there is. */
static inline void edo_store_pop(void *value, struct edo_channel *channel)
{
    if (channel->size && channel->capacity == EDO_UNBOUNDED) {
        edo_store_block_pop(value, channel);
    } else if (channel->size) {
        edo_value_copy(value, channel->slots + channel->head * channel->size, channel->size);
        if (++channel->head == channel->capacity)
            channel->head = 0;
    }
    atomic_store_explicit(&channel->count, atomic_load_explicit(&channel->count, memory_order_relaxed) - 1,
                          memory_order_relaxed);
}

#endif
