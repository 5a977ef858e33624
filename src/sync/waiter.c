/* SPDX-License-Identifier: MIT */
/* Waking and waiting of operations that wait for another party. See waiter.h. */
#include "sync/waiter.h"
#include "platform/platform.h"
#include "runtime/runtime.h"

#include <sched.h>

void edo_meeting_init(struct edo_meeting *meeting)
{
    static _Atomic uint64_t serial;

    edo_lock_init(&meeting->lock);
    meeting->serial = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
}

struct edo_place *edo_places_claim(size_t *out_of_list, struct edo_link *list, const struct edo_waiter *self)
{
    struct edo_link *link = edo_list_first(list);

    while (link) {
        struct edo_place *place = EDO_CONTAINER_OF(link, struct edo_place, link);

        link = edo_list_next(list, link);
        if (place->waiter == self)
            continue;
        edo_place_delist(place);
        ++*out_of_list;
        if (edo_place_claim(place))
            return place;
    }
    return NULL;
}

void edo_places_claim_all(struct edo_place **claimed, struct edo_link *list, int rc)
{
    struct edo_link *link = edo_list_first(list);

    while (*claimed) /* to the end: who has waited for longest is woken first */
        claimed = &(*claimed)->next;
    while (link) {
        struct edo_place *place = EDO_CONTAINER_OF(link, struct edo_place, link);

        link = edo_list_next(list, link);
        edo_place_delist(place);
        if (!edo_place_claim(place))
            continue;
        place->rc = rc;
        place->next = NULL;
        *claimed = place;
        claimed = &place->next;
    }
}

void edo_waiter_finish(struct edo_waiter *waiter)
{
    struct edo_task *task = waiter->task;
    struct edo_task *self = edo_task_self();

    if (__builtin_expect(task && self && self->home->runtime == task->home->runtime, 1)) {
        __atomic_store_n(&waiter->done, EDO_WAITER_DONE, __ATOMIC_RELEASE);
        edo_unpark(task);
    } else if (task) { /* its runtime may go as soon as it has seen DONE */
        __atomic_store_n(&waiter->done, EDO_WAITER_DONE_FROM_AFAR, __ATOMIC_RELEASE);
        edo_unpark(task);
        __atomic_store_n(&waiter->done, EDO_WAITER_DONE, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n(&waiter->done, EDO_WAITER_DONE, __ATOMIC_RELEASE);
        edo_platform->futex_wake(&waiter->done, 1); /* the address alone: its frame may be gone */
    }
}

void edo_places_finish(struct edo_place *claimed)
{
    while (claimed) {
        struct edo_place *place = claimed;

        claimed = place->next; /* once it is finished its frame may be gone */
        edo_waiter_finish(place->waiter);
    }
}

static bool edo_waiter_done(struct edo_waiter *waiter)
{
    uint32_t done = __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);

    while (
        __builtin_expect(done == EDO_WAITER_DONE_FROM_AFAR, 0)) { /* some instructions long, if it is not preempted */
        sched_yield();
        done = __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);
    }
    return done == EDO_WAITER_DONE;
}

bool edo_waiter_wait(struct edo_waiter *waiter, bool cancellable)
{
    if (!waiter->task) {
        while (!edo_waiter_done(waiter))
            edo_platform->futex_wait(&waiter->done, EDO_WAITER_WAITS, EDO_FOREVER);
        return true;
    }
    while (!edo_waiter_done(waiter)) {
        if (cancellable && edo_task_cancelled(waiter->task))
            return false;
        edo_park(waiter->task);
    }
    return true;
}
