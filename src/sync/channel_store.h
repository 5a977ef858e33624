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

/* Whether a push needs a block that is not there; gives it one, or takes the surplus one that is not needed any more. */
bool edo_store_wants_block(const struct edo_channel *channel);
struct edo_channel_block *edo_store_block_create(const struct edo_channel *channel);
void edo_store_add_block(struct edo_channel *channel, struct edo_channel_block *block);

/* Appends a value, for which there is room; removes the oldest, which there is. */
void edo_store_push(struct edo_channel *channel, const void *value);
void edo_store_pop(void *value, struct edo_channel *channel);

#endif
