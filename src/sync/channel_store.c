/* SPDX-License-Identifier: MIT */
/*
 * A channel's values: a ring that is allocated with the channel, or a chain of blocks that grows and shrinks.
 *
 * A block holds 32 values, or as many as make 32 KiB. It is filled once, from its beginning to its end, and emptied in
 * the same order; then it is kept as the reserve if there is none, else freed. So after a burst two blocks remain.
 * Freeing under the channel's lock is in order: it is held OUTSIDE.
 */
#include "sync/channel_store.h"
#include "platform/platform.h"

#include <errno.h>

enum { EDO_BLOCK_VALUES = 32, EDO_BLOCK_BYTES = 32 * 1024 };

struct edo_channel_block {
    struct edo_channel_block *next;
    size_t begin; /* numbers of values: taken out, put in */
    size_t end;
    _Alignas(16) unsigned char values[];
};

static size_t edo_block_capacity(const struct edo_channel *channel)
{
    size_t fit = channel->size ? EDO_BLOCK_BYTES / channel->size : EDO_BLOCK_VALUES;

    return fit < 1 ? 1 : fit > EDO_BLOCK_VALUES ? EDO_BLOCK_VALUES : fit;
}

int edo_store_create(struct edo_channel *channel)
{
    if (channel->capacity == 0 || channel->capacity == EDO_UNBOUNDED || channel->size == 0)
        return 0;
    if (channel->capacity > PTRDIFF_MAX / channel->size)
        return -ENOMEM;
    channel->slots = (unsigned char *)edo_platform->allocate(channel->capacity * channel->size);
    return channel->slots ? 0 : -ENOMEM;
}

void edo_store_destroy(struct edo_channel *channel)
{
    while (channel->first) {
        struct edo_channel_block *block = channel->first;

        channel->first = block->next;
        edo_platform->release(block);
    }
    edo_platform->release(channel->reserve);
    edo_platform->release(channel->slots);
}

bool edo_store_wants_block(const struct edo_channel *channel)
{
    if (channel->capacity != EDO_UNBOUNDED || channel->reserve)
        return false;
    return !channel->last || channel->last->end == edo_block_capacity(channel);
}

struct edo_channel_block *edo_store_block_create(const struct edo_channel *channel)
{
    return (struct edo_channel_block *)edo_platform->allocate(sizeof(struct edo_channel_block) +
                                                              edo_block_capacity(channel) * channel->size);
}

void edo_store_add_block(struct edo_channel *channel, struct edo_channel_block *block)
{
    if (channel->reserve) {
        edo_platform->release(block);
        return;
    }
    block->next = NULL;
    block->begin = block->end = 0;
    channel->reserve = block;
}

void *edo_store_block_back(struct edo_channel *channel)
{
    if (!channel->last || channel->last->end == edo_block_capacity(channel)) {
        struct edo_channel_block *block = channel->reserve;

        channel->reserve = NULL;
        if (channel->last)
            channel->last->next = block;
        else
            channel->first = block;
        channel->last = block;
    }
    return channel->last->values + channel->last->end++ * channel->size;
}

void edo_store_block_pop(void *value, struct edo_channel *channel)
{
    struct edo_channel_block *block = channel->first;

    edo_value_copy(value, block->values + block->begin++ * channel->size, channel->size);
    if (block->begin < edo_block_capacity(channel))
        return;
    channel->first = block->next;
    if (!channel->first)
        channel->last = NULL;
    edo_store_add_block(channel, block);
}
