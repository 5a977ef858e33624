/* SPDX-License-Identifier: MIT */
/*
 * Channels: sending and receiving. See channel.h for what the lock guards, waiter.h for how one party waits for the other,
 * channel_store.c for the values.
 *
 * An operation looks first, under the lock, whether it can be done at once: with a party that waits, whose operation it
 * completes too, or with the values in the channel. Otherwise it enlists in the same critical section, so no wake is lost,
 * and waits.
 */
#include "sync/channel.h"
#include "sync/channel_store.h"
#include "platform/platform.h"
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
    edo_meeting_init(&channel->meeting);
    edo_list_init(&channel->senders);
    edo_list_init(&channel->receivers);
    channel->size = size;
    channel->capacity = capacity;
    rc = edo_store_create(channel);
    if (rc < 0) {
        edo_platform->release(channel);
        return rc;
    }
    *out = channel;
    return 0;
}

void edo_channel_destroy(edo_channel *channel)
{
    if (!channel)
        return;
    EDO_MISUSE_IF(!edo_list_empty(&channel->senders) || !edo_list_empty(&channel->receivers),
                  "a channel was destroyed in which somebody waits");
    edo_store_destroy(channel);
    edo_platform->release(channel);
}

int edo_channel_close(edo_channel *channel)
{
    struct edo_place *claimed = NULL;
    int rc = 0;

    if (!channel)
        return 0;
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
    return atomic_load_explicit(&channel->count, memory_order_relaxed);
}

bool edo_channel_closed(edo_channel *channel)
{
    return atomic_load_explicit(&channel->closed, memory_order_relaxed);
}

/* --- Under the lock ------------------------------------------------------------------------------------------------------ */

static bool edo_channel_full(struct edo_channel *channel)
{
    return atomic_load_explicit(&channel->count, memory_order_relaxed) >= channel->capacity;
}

bool edo_channel_may_send(struct edo_channel *channel)
{
    return !edo_channel_full(channel) || atomic_load_explicit(&channel->receivers_count, memory_order_relaxed) > 0 ||
           edo_channel_closed(channel);
}

bool edo_channel_may_recv(struct edo_channel *channel)
{
    return edo_channel_count(channel) > 0 || atomic_load_explicit(&channel->senders_count, memory_order_relaxed) > 0 ||
           edo_channel_closed(channel);
}

/*
 * A select was claimed here that waits here with other arms too: they go now, since it won't come back to a channel that
 * it, or the claimer, may destroy.
 */
static void edo_channel_delist_siblings(struct edo_channel *channel, struct edo_place *place)
{
    if (place->sibling)
        for (struct edo_place *other = place->sibling; other != place; other = other->sibling)
            edo_channel_delist(channel, other);
}

/* The party that has waited for longest. */
static struct edo_place *edo_channel_claim(struct edo_channel *channel, bool send, const struct edo_waiter *self)
{
    struct edo_link *list = send ? &channel->senders : &channel->receivers;
    _Atomic size_t *count = send ? &channel->senders_count : &channel->receivers_count;
    struct edo_place *place;
    size_t dropped = 0;

    if (edo_list_empty(list))
        return NULL;
    place = edo_places_claim(&dropped, list, self);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) - dropped, memory_order_relaxed);
    if (place) {
        place->rc = 0;
        edo_channel_delist_siblings(channel, place);
    }
    return place;
}

int edo_channel_put(struct edo_waiter **other, struct edo_channel *channel, const void *value,
                    const struct edo_waiter *self)
{
    struct edo_place *receiver;

    *other = NULL;
    if (atomic_load_explicit(&channel->closed, memory_order_relaxed))
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

int edo_channel_take(struct edo_waiter **other, struct edo_channel *channel, void *value, const struct edo_waiter *self)
{
    struct edo_place *sender;
    bool buffered = edo_channel_count(channel) > 0;

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
    return atomic_load_explicit(&channel->closed, memory_order_relaxed) ? -EPIPE : -EAGAIN;
}

int edo_channel_lock_to_send(struct edo_channel *channel)
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

void edo_channel_enlist(struct edo_channel *channel, struct edo_place *place)
{
    _Atomic size_t *count = place->send ? &channel->senders_count : &channel->receivers_count;

    edo_place_enlist(place->send ? &channel->senders : &channel->receivers, place);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

void edo_channel_delist(struct edo_channel *channel, struct edo_place *place)
{
    _Atomic size_t *count = place->send ? &channel->senders_count : &channel->receivers_count;

    if (!place->listed)
        return;
    edo_place_delist(place);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) - 1, memory_order_relaxed);
}

/* --- Sending and receiving ------------------------------------------------------------------------------------------------ */

/* Checks what both begin with. */
static inline int edo_channel_begin(struct edo_channel *channel, size_t size, struct edo_task *task)
{
    int rc = task ? edo_suspension_point(task) : 0;

    return __builtin_expect(size != channel->size, 0) ? -EINVAL : rc;
}

/* The place is enlisted: waits until the operation has happened, or has been given up. */
static int edo_channel_wait(struct edo_channel *channel, struct edo_place *place)
{
    if (!edo_waiter_wait(place->waiter, true)) {
        bool given_up;

        edo_lock_acquire(&channel->meeting.lock);
        given_up = place->listed;
        edo_channel_delist(channel, place);
        edo_lock_release(&channel->meeting.lock);
        if (given_up)
            return -ECANCELED;
        edo_waiter_wait(place->waiter, false); /* it has happened, or will any moment */
    }
    return place->rc;
}

static __attribute__((noinline)) int edo_channel_send_slowly(struct edo_channel *channel, const void *value,
                                                             struct edo_task *task)
{
    struct edo_waiter waiter = {.task = task};
    struct edo_place place = {.waiter = &waiter, .value = (void *)(uintptr_t)value, .send = true};
    struct edo_waiter *receiver;
    int rc = edo_channel_lock_to_send(channel);

    if (rc < 0)
        return rc;
    rc = edo_channel_put(&receiver, channel, value, NULL);
    if (rc == -EAGAIN)
        edo_channel_enlist(channel, &place);
    edo_lock_release(&channel->meeting.lock);
    if (receiver)
        edo_waiter_finish(receiver);
    return rc == -EAGAIN ? edo_channel_wait(channel, &place) : rc;
}

static __attribute__((noinline)) int edo_channel_recv_slowly(void *value, struct edo_channel *channel,
                                                             struct edo_task *task)
{
    struct edo_waiter waiter = {.task = task};
    struct edo_place place = {.waiter = &waiter, .value = value};
    struct edo_waiter *sender;
    int rc;

    edo_lock_acquire(&channel->meeting.lock);
    rc = edo_channel_take(&sender, channel, value, NULL);
    if (rc == -EAGAIN)
        edo_channel_enlist(channel, &place);
    edo_lock_release(&channel->meeting.lock);
    if (sender)
        edo_waiter_finish(sender);
    return rc == -EAGAIN ? edo_channel_wait(channel, &place) : rc;
}

/* Without waiting. */
static inline int edo_channel_send_now(struct edo_channel *channel, const void *value)
{
    struct edo_waiter *receiver;
    int rc = edo_channel_lock_to_send(channel);

    if (__builtin_expect(rc < 0, 0))
        return rc;
    rc = edo_channel_put(&receiver, channel, value, NULL);
    edo_lock_release(&channel->meeting.lock);
    if (receiver)
        edo_waiter_finish(receiver);
    return rc;
}

static inline int edo_channel_recv_now(void *value, struct edo_channel *channel)
{
    struct edo_waiter *sender;
    int rc;

    edo_lock_acquire(&channel->meeting.lock);
    rc = edo_channel_take(&sender, channel, value, NULL);
    edo_lock_release(&channel->meeting.lock);
    if (sender)
        edo_waiter_finish(sender);
    return rc;
}

int edo_channel_send(edo_channel *channel, const void *value, size_t size)
{
    struct edo_task *task = edo_task_self();
    int rc = edo_channel_begin(channel, size, task);

    if (__builtin_expect(rc < 0, 0))
        return rc;
    if (!edo_channel_may_send(channel))
        return edo_channel_send_slowly(channel, value, task);
    rc = edo_channel_send_now(channel, value);
    return rc == -EAGAIN ? edo_channel_send_slowly(channel, value, task) : rc;
}

int edo_channel_recv(void *value, edo_channel *channel, size_t size)
{
    struct edo_task *task = edo_task_self();
    int rc = edo_channel_begin(channel, size, task);

    if (__builtin_expect(rc < 0, 0))
        return rc;
    if (!edo_channel_may_recv(channel))
        return edo_channel_recv_slowly(value, channel, task);
    rc = edo_channel_recv_now(value, channel);
    return rc == -EAGAIN ? edo_channel_recv_slowly(value, channel, task) : rc;
}

int edo_channel_try_send(edo_channel *channel, const void *value, size_t size)
{
    int rc = edo_channel_begin(channel, size, edo_task_self());

    return rc < 0 ? rc : edo_channel_send_now(channel, value);
}

int edo_channel_try_recv(void *value, edo_channel *channel, size_t size)
{
    int rc = edo_channel_begin(channel, size, edo_task_self());

    return rc < 0 ? rc : edo_channel_recv_now(value, channel);
}
