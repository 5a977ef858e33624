/* SPDX-License-Identifier: MIT */
/* Broadcasts: a ring of the last values, overwritten by whoever sends. See broadcast.h. */
#include "sync/broadcast.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/task.h"

#include <errno.h>
#include <string.h>

int edo_broadcast_init(struct edo_broadcast *broadcast, size_t size, size_t capacity, enum edo_meeting_kind kind)
{
    edo_list_init(&broadcast->listeners);
    broadcast->size = size;
    broadcast->capacity = capacity;
    if (size > EDO_VALUE_MOST || capacity == 0)
        return -EINVAL;
    if (size > 0 && capacity > PTRDIFF_MAX / size)
        return -ENOMEM;
    broadcast->slots = (unsigned char *)edo_platform->allocate(size > 0 ? capacity * size : 1);
    if (!broadcast->slots)
        return -ENOMEM;
    edo_meeting_init(&broadcast->meeting, kind);
    return 0;
}

void edo_broadcast_finish(struct edo_broadcast *broadcast)
{
    EDO_MISUSE_IF(!edo_list_empty(&broadcast->listeners),
                  "a broadcast or a watch was destroyed in which somebody waits");
    edo_meeting_finish(&broadcast->meeting);
    edo_platform->release(broadcast->slots);
}

static unsigned char *edo_broadcast_slot(struct edo_broadcast *broadcast, uint64_t number)
{
    return broadcast->slots + number % broadcast->capacity * broadcast->size;
}

static bool edo_broadcast_closed(struct edo_broadcast *broadcast)
{
    return atomic_load_explicit(&broadcast->closed, memory_order_relaxed);
}

static uint64_t edo_broadcast_sent(struct edo_broadcast *broadcast)
{
    return atomic_load_explicit(&broadcast->sent, memory_order_relaxed);
}

int edo_broadcast_put(struct edo_broadcast *broadcast, const void *value, size_t size)
{
    struct edo_place *claimed = NULL;
    int rc = 0;

    if (size != broadcast->size)
        return -EINVAL;
    if (edo_in_forked_child())
        return -EPERM;
    edo_lock_acquire(&broadcast->meeting.lock);
    if (edo_broadcast_closed(broadcast)) {
        rc = -EPIPE;
    } else {
        uint64_t sent = edo_broadcast_sent(broadcast);

        memcpy(edo_broadcast_slot(broadcast, sent), value, size);
        atomic_store_explicit(&broadcast->sent, sent + 1, memory_order_relaxed);
        edo_places_claim_all(&claimed, &broadcast->listeners, 0);
    }
    edo_lock_release(&broadcast->meeting.lock);
    edo_places_finish(claimed);
    return rc;
}

int edo_broadcast_end(struct edo_broadcast *broadcast)
{
    struct edo_place *claimed = NULL;
    int rc;

    if (edo_in_forked_child())
        return -EPERM;
    edo_lock_acquire(&broadcast->meeting.lock);
    rc = edo_broadcast_closed(broadcast) ? -EALREADY : 0;
    atomic_store_explicit(&broadcast->closed, true, memory_order_relaxed);
    edo_places_claim_all(&claimed, &broadcast->listeners, 0);
    edo_lock_release(&broadcast->meeting.lock);
    edo_places_finish(claimed);
    return rc;
}

bool edo_broadcast_may_hear(struct edo_broadcast *broadcast, uint64_t next)
{
    return edo_broadcast_sent(broadcast) > next || edo_broadcast_closed(broadcast);
}

int64_t edo_broadcast_take(void *value, uint64_t *next, struct edo_broadcast *broadcast)
{
    uint64_t sent = edo_broadcast_sent(broadcast);
    uint64_t oldest = sent > broadcast->capacity ? sent - broadcast->capacity : 0;
    uint64_t missed = *next < oldest ? oldest - *next : 0;

    if (*next >= sent)
        return edo_broadcast_closed(broadcast) ? -EPIPE : -EAGAIN;
    memcpy(value, edo_broadcast_slot(broadcast, *next + missed), broadcast->size);
    *next += missed + 1;
    return (int64_t)missed;
}

/* The place is enlisted: waits until there is something. 0; -ECANCELED. */
static int edo_broadcast_wait(struct edo_broadcast *broadcast, struct edo_place *place)
{
    bool given_up;

    if (edo_waiter_wait(place->waiter, true))
        return 0;
    edo_lock_acquire(&broadcast->meeting.lock);
    given_up = place->listed;
    if (given_up)
        edo_place_delist(place);
    edo_lock_release(&broadcast->meeting.lock);
    if (!given_up)
        edo_waiter_wait(place->waiter, false);
    return given_up ? -ECANCELED : 0;
}

int64_t edo_broadcast_hear(void *value, uint64_t *next, struct edo_broadcast *broadcast, size_t size, bool wait)
{
    struct edo_task *task = edo_task_self();
    int64_t rc = task ? edo_suspension_point(task) : edo_in_forked_child() ? -EPERM : 0;

    if (size != broadcast->size)
        return -EINVAL;
    while (rc == 0) {
        struct edo_waiter waiter = {.task = task};
        struct edo_place place = {.waiter = &waiter};
        int64_t taken;

        edo_lock_acquire(&broadcast->meeting.lock);
        taken = edo_broadcast_take(value, next, broadcast);
        if (taken == -EAGAIN && wait)
            edo_place_enlist(&broadcast->listeners, &place);
        edo_lock_release(&broadcast->meeting.lock);
        if (taken != -EAGAIN || !wait)
            return taken;
        rc = edo_broadcast_wait(broadcast, &place);
    }
    return rc;
}

/* --- Public ------------------------------------------------------------------------------------------------------- */

int edo_broadcast_create(edo_broadcast **out, size_t size, size_t capacity)
{
    edo_broadcast *broadcast = (edo_broadcast *)edo_platform->allocate(sizeof *broadcast);
    int rc = broadcast ? edo_broadcast_init(broadcast, size, capacity, EDO_MEETING_BROADCAST) : -ENOMEM;

    if (rc < 0) {
        edo_platform->release(broadcast);
        return rc;
    }
    *out = broadcast;
    return 0;
}

void edo_broadcast_destroy(edo_broadcast *broadcast)
{
    if (!broadcast)
        return;
    edo_broadcast_finish(broadcast);
    edo_platform->release(broadcast);
}

void edo_subscribe(edo_subscription *out, edo_broadcast *broadcast)
{
    edo_lock_acquire(&broadcast->meeting.lock);
    *out = (edo_subscription){.broadcast_ = broadcast, .next_ = edo_broadcast_sent(broadcast)};
    edo_lock_release(&broadcast->meeting.lock);
}

int edo_broadcast_send_sized(edo_broadcast *broadcast, const void *value, size_t size)
{
    return edo_broadcast_put(broadcast, value, size);
}

int edo_broadcast_close(edo_broadcast *broadcast)
{
    return broadcast ? edo_broadcast_end(broadcast) : 0;
}

int64_t edo_hear_sized(void *value, edo_subscription *subscription, size_t size)
{
    return edo_broadcast_hear(value, &subscription->next_, subscription->broadcast_, size, true);
}

int64_t edo_try_hear_sized(void *value, edo_subscription *subscription, size_t size)
{
    return edo_broadcast_hear(value, &subscription->next_, subscription->broadcast_, size, false);
}
