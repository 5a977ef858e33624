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
    struct edo_thread *thread = edo_thread_self();

    if (__builtin_expect(task && thread && thread->current && thread->runtime == task->home->runtime, 1)) {
        __atomic_store_n(&waiter->done, EDO_WAITER_DONE, __ATOMIC_RELEASE);
        if (!edo_park_word_notify(&task->wake))
            return;
        thread = edo_enter(thread);
        edo_ready(thread, task);
        edo_leave(thread);
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

void edo_waiter_wait_for_afar(struct edo_waiter *waiter)
{
    while (__atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE) != EDO_WAITER_DONE)
        sched_yield(); /* some instructions long, if it is not preempted */
}

bool edo_waiter_wait(struct edo_waiter *waiter, bool cancellable)
{
    if (waiter->task)
        return edo_waiter_wait_inline(waiter, cancellable);
    while (!edo_waiter_done(waiter))
        edo_platform->futex_wait(&waiter->done, EDO_WAITER_WAITS, EDO_FOREVER);
    return true;
}
