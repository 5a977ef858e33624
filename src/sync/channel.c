/* SPDX-License-Identifier: MIT */
/*
 * Channels: sending and receiving. See channel.h for what the lock guards, waiter.h for how one party waits for the
 * other, channel_store.c for the values.
 *
 * An operation looks first, under the lock, whether it can be done at once: with a party that waits, whose operation it
 * completes too, or with the values in the channel. Otherwise it enlists in the same critical section, so no wake is
 * lost, and waits. So an operation takes the lock once, whether it waits or not.
 *
 * The way of a send and of a receive is inline from the call to the switch to the next task; what else comes by here
 * (selects, unbounded channels, cancellations) calls the same as functions.
 */
#include "sync/channel.h"
#include "sync/channel_store.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/task.h"

#include <errno.h>

int edo_channel_create(edo_channel **out, size_t size, size_t capacity)
{
    struct edo_channel *channel;
    int rc;

    if (size > EDO_VALUE_MOST)
        return -EINVAL;
    channel = (struct edo_channel *)edo_platform->allocate(sizeof *channel);
    if (!channel)
        return -ENOMEM;
    edo_list_init(&channel->senders);
    edo_list_init(&channel->receivers);
    channel->size = size;
    channel->capacity = capacity;
    rc = edo_store_create(channel);
    if (rc < 0) {
        edo_platform->release(channel);
        return rc;
    }
    edo_meeting_init(&channel->meeting, EDO_MEETING_CHANNEL);
    *out = channel;
    return 0;
}

void edo_channel_destroy(edo_channel *channel)
{
    if (!channel)
        return;
    EDO_MISUSE_IF(!edo_list_empty(&channel->senders) || !edo_list_empty(&channel->receivers),
                  "a channel was destroyed in which somebody waits");
    edo_meeting_finish(&channel->meeting);
    edo_store_destroy(channel);
    edo_platform->release(channel);
}

int edo_channel_close(edo_channel *channel)
{
    struct edo_place *claimed = NULL;
    int rc = 0;

    if (!channel)
        return 0;
    if (edo_in_forked_child())
        return -EPERM;
    edo_lock_acquire(&channel->meeting.lock);
    if (atomic_load_explicit(&channel->closed, memory_order_relaxed))
        rc = -EALREADY;
    atomic_store_explicit(&channel->closed, true, memory_order_relaxed);
    edo_places_claim_all(&claimed, &channel->senders, -EPIPE);
    edo_places_claim_all(&claimed, &channel->receivers, -EPIPE);
    atomic_store_explicit(&channel->senders_count, 0, memory_order_relaxed);
    atomic_store_explicit(&channel->receivers_count, 0, memory_order_relaxed);
    edo_lock_release(&channel->meeting.lock);
    edo_places_finish(claimed);
    return rc;
}

size_t edo_channel_count(edo_channel *channel)
{
    return edo_channel_count_inline(channel);
}

bool edo_channel_closed(edo_channel *channel)
{
    return edo_channel_closed_inline(channel);
}

/* --- Under the lock ----------------------------------------------------------------------------------------------- */

static inline void edo_channel_enlist_inline(struct edo_channel *channel, struct edo_place *place, bool send)
{
    _Atomic size_t *count = send ? &channel->senders_count : &channel->receivers_count;

    edo_place_enlist(send ? &channel->senders : &channel->receivers, place);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

static inline void edo_channel_delist_inline(struct edo_channel *channel, struct edo_place *place, bool send)
{
    _Atomic size_t *count = send ? &channel->senders_count : &channel->receivers_count;

    edo_place_delist(place);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) - 1, memory_order_relaxed);
}

/*
 * A select was claimed here that waits here with other arms too: they go now, since it won't come back to a channel
 * that it, or the claimer, may destroy.
 */
static inline void edo_channel_delist_siblings(struct edo_channel *channel, struct edo_place *place)
{
    if (place->sibling)
        for (struct edo_place *other = place->sibling; other != place; other = other->sibling)
            edo_channel_delist(channel, other);
}

/* The party that has waited for longest and can be claimed, claimed and out of its list; NULL: there is none. */
EDO_ALWAYS_INLINE struct edo_place *edo_channel_claim(struct edo_channel *channel, bool send,
                                                      const struct edo_waiter *self)
{
    struct edo_link *list = send ? &channel->senders : &channel->receivers;
    struct edo_link *link = edo_list_first(list);

    while (link) {
        struct edo_place *place = EDO_CONTAINER_OF(link, struct edo_place, link);

        link = edo_list_next(list, link);
        if (place->waiter == self)
            continue;
        edo_channel_delist_inline(channel, place, send);
        if (!edo_place_claim(place))
            continue; /* won elsewhere: it is dropped */
        place->rc = 0;
        edo_channel_delist_siblings(channel, place);
        return place;
    }
    return NULL;
}

EDO_ALWAYS_INLINE int edo_channel_put_inline(struct edo_waiter **other, struct edo_channel *channel, const void *value,
                                             const struct edo_waiter *self)
{
    struct edo_place *receiver;

    *other = NULL;
    if (__builtin_expect(edo_channel_closed_inline(channel), 0))
        return -EPIPE;
    receiver = edo_channel_claim(channel, false, self);
    if (receiver) {
        edo_value_copy(receiver->value, value, channel->size);
        *other = receiver->waiter;
        return 0;
    }
    if (edo_channel_full(channel))
        return -EAGAIN;
    edo_store_push(channel, value);
    return 0;
}

EDO_ALWAYS_INLINE int edo_channel_take_inline(struct edo_waiter **other, struct edo_channel *channel, void *value,
                                              const struct edo_waiter *self)
{
    struct edo_place *sender;
    bool buffered = edo_channel_count_inline(channel) > 0;

    *other = NULL;
    if (buffered)
        edo_store_pop(value, channel);
    sender = edo_channel_claim(channel, true, self);
    if (sender) {
        *other = sender->waiter;
        if (buffered)
            edo_store_push(channel, sender->value);
        else
            edo_value_copy(value, sender->value, channel->size);
        return 0;
    }
    if (buffered)
        return 0;
    return edo_channel_closed_inline(channel) ? -EPIPE : -EAGAIN;
}

int edo_channel_put(struct edo_waiter **other, struct edo_channel *channel, const void *value,
                    const struct edo_waiter *self)
{
    return edo_channel_put_inline(other, channel, value, self);
}

int edo_channel_take(struct edo_waiter **other, struct edo_channel *channel, void *value, const struct edo_waiter *self)
{
    return edo_channel_take_inline(other, channel, value, self);
}

/* Of an unbounded channel. */
static __attribute__((noinline)) int edo_channel_lock_with_block(struct edo_channel *channel)
{
    struct edo_channel_block *block = NULL;

    edo_lock_acquire(&channel->meeting.lock);
    while (__builtin_expect(edo_store_wants_block(channel), 0)) {
        if (block) {
            edo_store_add_block(channel, block);
            return 0;
        }
        edo_lock_release(&channel->meeting.lock);
        block = edo_store_block_create(channel);
        if (!block)
            return -ENOMEM;
        edo_lock_acquire(&channel->meeting.lock);
    }
    if (block) /* somebody else was faster */
        edo_platform->release(block);
    return 0;
}

static inline int edo_channel_lock_to_send_inline(struct edo_channel *channel)
{
    if (__builtin_expect(channel->capacity == EDO_UNBOUNDED, 0))
        return edo_channel_lock_with_block(channel);
    edo_lock_acquire(&channel->meeting.lock);
    return 0;
}

int edo_channel_lock_to_send(struct edo_channel *channel)
{
    return edo_channel_lock_to_send_inline(channel);
}

void edo_channel_enlist(struct edo_channel *channel, struct edo_place *place)
{
    edo_channel_enlist_inline(channel, place, place->send);
}

void edo_channel_delist(struct edo_channel *channel, struct edo_place *place)
{
    if (place->listed)
        edo_channel_delist_inline(channel, place, place->send);
}

/* --- Sending and receiving ---------------------------------------------------------------------------------------- */

/* Checks what both begin with. */
static inline int edo_channel_begin(struct edo_channel *channel, size_t size, struct edo_task *task)
{
    int rc = task ? edo_suspension_point(task) : edo_in_forked_child() ? -EPERM : 0;

    return __builtin_expect(size != channel->size, 0) ? -EINVAL : rc;
}

/* Cancelled, while the place was enlisted: whether it has been given up, or has happened after all. */
static bool edo_channel_give_up(struct edo_channel *channel, struct edo_place *place)
{
    bool given_up;

    edo_lock_acquire(&channel->meeting.lock);
    given_up = place->listed;
    edo_channel_delist(channel, place);
    edo_lock_release(&channel->meeting.lock);
    if (!given_up)
        edo_waiter_wait(place->waiter, false); /* or will happen any moment */
    return given_up;
}

/*
 * The operation has to wait, and the channel is locked: enlists, lets the lock go, and waits until the operation has
 * happened, or has been given up.
 */
EDO_ALWAYS_INLINE int edo_channel_wait(struct edo_channel *channel, void *value, struct edo_task *task, bool send)
{
    struct edo_waiter waiter = {.task = task};
    struct edo_place place = {.waiter = &waiter, .value = value, .send = send};

    edo_channel_enlist_inline(channel, &place, send);
    edo_lock_release(&channel->meeting.lock);
    if (!edo_waiter_wait_inline(&waiter, true) && edo_channel_give_up(channel, &place))
        return -ECANCELED;
    return place.rc;
}

static __attribute__((noinline)) int edo_channel_wait_to_send(struct edo_channel *channel, const void *value,
                                                              struct edo_task *task)
{
    return edo_channel_wait(channel, (void *)(uintptr_t)value, task, true);
}

static __attribute__((noinline)) int edo_channel_wait_to_recv(struct edo_channel *channel, void *value,
                                                              struct edo_task *task)
{
    return edo_channel_wait(channel, value, task, false);
}

EDO_ALWAYS_INLINE int edo_channel_send_inline(struct edo_channel *channel, const void *value, size_t size, bool wait)
{
    struct edo_task *task = edo_task_self();
    int rc = edo_channel_begin(channel, size, task);
    struct edo_waiter *receiver;

    if (__builtin_expect(rc < 0, 0))
        return rc;
    rc = edo_channel_lock_to_send_inline(channel);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    rc = edo_channel_put_inline(&receiver, channel, value, NULL);
    if (wait && rc == -EAGAIN)
        return edo_channel_wait_to_send(channel, value, task);
    edo_lock_release(&channel->meeting.lock);
    if (receiver)
        edo_waiter_finish(receiver);
    return rc;
}

EDO_ALWAYS_INLINE int edo_channel_recv_inline(void *value, struct edo_channel *channel, size_t size, bool wait)
{
    struct edo_task *task = edo_task_self();
    int rc = edo_channel_begin(channel, size, task);
    struct edo_waiter *sender;

    if (__builtin_expect(rc < 0, 0))
        return rc;
    edo_lock_acquire(&channel->meeting.lock);
    rc = edo_channel_take_inline(&sender, channel, value, NULL);
    if (wait && rc == -EAGAIN)
        return edo_channel_wait_to_recv(channel, value, task);
    edo_lock_release(&channel->meeting.lock);
    if (sender)
        edo_waiter_finish(sender);
    return rc;
}

int edo_channel_send(edo_channel *channel, const void *value, size_t size)
{
    return edo_channel_send_inline(channel, value, size, true);
}

int edo_channel_recv(void *value, edo_channel *channel, size_t size)
{
    return edo_channel_recv_inline(value, channel, size, true);
}

int edo_channel_try_send(edo_channel *channel, const void *value, size_t size)
{
    return edo_channel_send_inline(channel, value, size, false);
}

int edo_channel_try_recv(void *value, edo_channel *channel, size_t size)
{
    return edo_channel_recv_inline(value, channel, size, false);
}
