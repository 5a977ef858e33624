/* SPDX-License-Identifier: MIT */
/*
 * Notifications, with a permit for one that comes late and an epoch for all.
 *
 * The word is NOTHING, PERMIT, or LINE if and only if somebody is in line. NOTHING and PERMIT are exchanged by
 * compare-and-swap; LINE begins and ends under the bucket's lock. A notification that finds a permit writes it again
 * (release): who takes it then sees what all those notifiers wrote.
 *
 * The epoch is raised, and compared with what a waiter has seen, under the bucket's lock; read anywhere.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_NOTHING = 0, EDO_PERMIT, EDO_LINE };

void edo_notify_init(edo_notify *notify)
{
    *notify = (edo_notify)EDO_NOTIFY_INIT;
}

void edo_notify_finish(edo_notify *notify)
{
    EDO_MISUSE_IF(edo_line_waited_for(notify), "a notify was finished that is waited for");
    (void)notify;
}

static bool edo_notify_change(edo_notify *notify, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&notify->word_, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* `since`: an epoch, or -1: the present one. */
static int edo_notify_wait_in_line(edo_notify *notify, int64_t since, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_parked waiter;
    struct edo_line line;
    int rc = task ? edo_suspension_point(task) : 0;

    if (rc < 0)
        return rc;
    if (since < 0 && edo_notify_change(notify, EDO_PERMIT, EDO_NOTHING))
        return 0;
    edo_line_begin(&line, notify);
    if (since >= 0 && edo_notify_epoch(notify) != (uint32_t)since) {
        edo_line_end(&line);
        return 0;
    }
    while (!line.first && !edo_notify_change(notify, EDO_NOTHING, EDO_LINE))
        if (edo_notify_change(notify, EDO_PERMIT, EDO_NOTHING)) {
            edo_line_end(&line);
            return 0;
        }
    edo_parked_init(&waiter, EDO_PARKED_NOTIFY, 0);
    rc = edo_line_wait(&line, &waiter, deadline);
    if (rc < 0) {
        if (!line.first)
            __atomic_store_n(&notify->word_, EDO_NOTHING, __ATOMIC_RELEASE);
        edo_line_end(&line);
    }
    return rc;
}

int edo_notify_wait_until(edo_notify *notify, int64_t deadline)
{
    return edo_notify_wait_in_line(notify, -1, deadline);
}

int edo_notify_wait(edo_notify *notify)
{
    return edo_notify_wait_in_line(notify, -1, EDO_FOREVER);
}

int edo_notify_wait_since(edo_notify *notify, uint32_t epoch, int64_t deadline)
{
    return edo_notify_wait_in_line(notify, epoch, deadline);
}

void edo_notify_one(edo_notify *notify)
{
    struct edo_line line;

    if (edo_notify_change(notify, EDO_NOTHING, EDO_PERMIT) || edo_notify_change(notify, EDO_PERMIT, EDO_PERMIT))
        return;
    edo_line_begin(&line, notify);
    if (line.first) {
        edo_line_take(&line, line.first, 0);
        if (!line.first)
            __atomic_store_n(&notify->word_, EDO_NOTHING, __ATOMIC_RELEASE); /* from here on it may be gone */
    } else { /* they have left; NOTHING or PERMIT, whatever it was */
        __atomic_exchange_n(&notify->word_, EDO_PERMIT, __ATOMIC_ACQ_REL);
    }
    edo_line_end(&line);
}

void edo_notify_all(edo_notify *notify)
{
    struct edo_line line;
    bool waited_for;

    edo_line_begin(&line, notify);
    __atomic_fetch_add(&notify->epoch_, 1, __ATOMIC_RELEASE);
    waited_for = line.first;
    while (line.first)
        edo_line_take(&line, line.first, 0);
    if (waited_for)
        __atomic_store_n(&notify->word_, EDO_NOTHING, __ATOMIC_RELEASE); /* from here on it may be gone */
    edo_line_end(&line);
}

uint32_t edo_notify_epoch(const edo_notify *notify)
{
    return __atomic_load_n(&notify->epoch_, __ATOMIC_ACQUIRE);
}
