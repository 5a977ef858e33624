/* SPDX-License-Identifier: MIT */
/*
 * What is inside a channel, for channel.c and select.c.
 *
 * `meeting.lock` guards all of it. `count`, `closed` and the numbers of who waits are written under the lock and read
 * without it, as hints. Invariants, under the lock:
 *
 *   - receivers wait only while the channel is empty and no sender waits; senders only while it is full (a rendezvous
 *     channel is empty and full), and unless their waiters were won elsewhere, not both at once;
 *   - once it is closed nobody waits.
 *
 * Values lie in a ring of `capacity` slots; in an unbounded channel in a chain of blocks, of which one empty one is
 * kept.
 */
#ifndef EDO_SYNC_CHANNEL_H
#define EDO_SYNC_CHANNEL_H

#include "platform/lock.h"
#include "sync/waiter.h"

#include <edo/channel.h>

struct edo_channel_block;

struct edo_channel {
    struct edo_meeting meeting; /* first: selects know it by this */
    _Atomic bool closed;
    size_t size;
    size_t capacity;
    _Atomic size_t count;
    struct edo_link senders;
    struct edo_link receivers;
    _Atomic size_t senders_count; /* listed */
    _Atomic size_t receivers_count;

    /* Bounded: a ring. */
    unsigned char *slots;
    size_t head; /* the oldest */

    /* Unbounded: blocks, from the oldest to the newest. */
    struct edo_channel_block *first;
    struct edo_channel_block *last;
    struct edo_channel_block *reserve; /* an empty one, kept */
};

static inline size_t edo_channel_count_inline(struct edo_channel *channel)
{
    return atomic_load_explicit(&channel->count, memory_order_relaxed);
}

static inline bool edo_channel_closed_inline(struct edo_channel *channel)
{
    return atomic_load_explicit(&channel->closed, memory_order_relaxed);
}

static inline bool edo_channel_full(struct edo_channel *channel)
{
    return edo_channel_count_inline(channel) >= channel->capacity;
}

/* Whether an operation would not wait, by a look without the lock. */
static inline bool edo_channel_may_send(struct edo_channel *channel)
{
    return !edo_channel_full(channel) || atomic_load_explicit(&channel->receivers_count, memory_order_relaxed) > 0 ||
           edo_channel_closed_inline(channel);
}

static inline bool edo_channel_may_recv(struct edo_channel *channel)
{
    return edo_channel_count_inline(channel) > 0 ||
           atomic_load_explicit(&channel->senders_count, memory_order_relaxed) > 0 ||
           edo_channel_closed_inline(channel);
}

/*
 * The operations, under the lock. 0 or -EPIPE: done; -EAGAIN: it would have to wait. *other: an operation that this one
 * has completed and claimed, to be finished once the lock is let go; else NULL. `self`: the caller's waiter, which is
 * passed over. For put the channel was locked by edo_channel_lock_to_send.
 */
int edo_channel_put(struct edo_waiter **other, struct edo_channel *channel, const void *value,
                    const struct edo_waiter *self);
int edo_channel_take(struct edo_waiter **other, struct edo_channel *channel, void *value,
                     const struct edo_waiter *self);

/*
 * Makes sure that an unbounded channel has room for one value more. Locked on return if it returns 0; -ENOMEM,
 * unlocked.
 */
int edo_channel_lock_to_send(struct edo_channel *channel);

/* Puts a place among the senders or the receivers, as `send` says; takes it out, if it is there. Under the lock. */
void edo_channel_enlist(struct edo_channel *channel, struct edo_place *place);
void edo_channel_delist(struct edo_channel *channel, struct edo_place *place);

#endif
