/* SPDX-License-Identifier: MIT */
/* Waking and waiting of operations that wait for another party. See waiter.h. */
#include "sync/waiter.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"
#include "runtime/usdt.h"

#include <sched.h>

/* --- All meetings ------------------------------------------------------------------------------------------------- */

/* Lists of all there are, so many that who makes and destroys them does not meet. Locked before a meeting is. */
static struct {
    struct edo_lock lock;
    struct edo_link list; /* all zero: none yet */
} __attribute__((aligned(64))) edo_meetings[16];

void edo_meeting_init(struct edo_meeting *meeting, enum edo_meeting_kind kind)
{
    static _Atomic uint64_t serial;
    size_t shard;

    edo_lock_init(&meeting->lock);
    meeting->kind = kind;
    meeting->serial = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    shard = meeting->serial % EDO_COUNT(edo_meetings);
    edo_lock_acquire(&edo_meetings[shard].lock);
    if (!edo_meetings[shard].list.next)
        edo_list_init(&edo_meetings[shard].list);
    edo_list_insert_tail(&edo_meetings[shard].list, &meeting->all);
    edo_lock_release(&edo_meetings[shard].lock);
}

void edo_meeting_finish(struct edo_meeting *meeting)
{
    size_t shard = meeting->serial % EDO_COUNT(edo_meetings);

    if (edo_in_forked_child()) /* the lock may have been held when it was forked */
        return;
    edo_lock_acquire(&edo_meetings[shard].lock);
    edo_list_remove(&meeting->all);
    edo_lock_release(&edo_meetings[shard].lock);
}

void edo_meetings_each(void (*look)(void *context, struct edo_meeting *meeting), void *context)
{
    for (size_t i = 0; i < EDO_COUNT(edo_meetings); i++) {
        struct edo_link *list = &edo_meetings[i].list;

        edo_lock_acquire(&edo_meetings[i].lock);
        for (struct edo_link *link = list->next; link && link != list; link = link->next) {
            struct edo_meeting *meeting = EDO_CONTAINER_OF(link, struct edo_meeting, all);

            edo_lock_acquire(&meeting->lock);
            look(context, meeting);
            edo_lock_release(&meeting->lock);
        }
        edo_lock_release(&edo_meetings[i].lock);
    }
}

/* --- Waiters ------------------------------------------------------------------------------------------------------ */

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
        EDO_USDT1(task_wake, task->id);
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
