/* SPDX-License-Identifier: MIT */
/*
 * The mutex: one compare-and-swap to lock and one to unlock while nobody waits; else its line in the parking table.
 *
 * The word is FREE, HELD, or HELD and WAITED_FOR. What must hold: if anybody is in line, then the mutex is WAITED_FOR,
 * or one who was woken to try is on its way, and either gets the mutex, WAITED_FOR if it was told that there are more,
 * or goes back into line and marks it. So unlocks are cheap again while somebody is on its way. WAITED_FOR may be there
 * with nobody in line (who waited gave up): the next unlock finds out.
 *
 * An unlock of a mutex that is WAITED_FOR looks how long the first in line has waited. Less than a millisecond: the
 * mutex is made free, and the waiter is woken to try; one who comes in between gets it first, and the waiter is first
 * in line again. More: the mutex stays HELD, now by the waiter.
 *
 * Cancellation is looked at in line only, under the bucket's lock: who was woken to try, and is cancelled, tries all
 * the same, and if it fails goes into line, which passes the duty on, and leaves it. So no wake is lost, and who was
 * handed the mutex holds it and is told so.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"
#include "sync/owner.h"
#include "platform/platform.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_MUTEX_FREE = 0, EDO_MUTEX_HELD = 1, EDO_MUTEX_WAITED_FOR = 3 };

/* What who is woken is told. */
enum { EDO_TRY = 1, EDO_TRY_FOR_MORE, EDO_HANDED_OVER };

/* From when on a waiter has the mutex handed over. */
#define EDO_PATIENCE EDO_MS(1)

void edo_mutex_init(edo_mutex *mutex)
{
    *mutex = (edo_mutex)EDO_MUTEX_INIT;
}

void edo_mutex_finish(edo_mutex *mutex)
{
    EDO_MISUSE_IF(edo_line_waited_for(mutex), "a mutex was finished that is waited for");
    EDO_MISUSE_IF(__atomic_load_n(&mutex->word_, __ATOMIC_RELAXED) != EDO_MUTEX_FREE,
                  "a mutex was finished that is held");
    (void)mutex;
}

static bool edo_mutex_take(edo_mutex *mutex, uint32_t held, uint64_t self)
{
    uint32_t expected = EDO_MUTEX_FREE;

    if (!__atomic_compare_exchange_n(&mutex->word_, &expected, held, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    edo_owner_write(&mutex->owner_, self);
    return true;
}

/* Under the bucket's lock: takes the mutex if it is free, else marks it as waited for. */
static bool edo_mutex_take_or_mark(edo_mutex *mutex, bool more, uint64_t self)
{
    for (;;) {
        uint32_t held = EDO_MUTEX_HELD;

        if (edo_mutex_take(mutex, more ? EDO_MUTEX_WAITED_FOR : EDO_MUTEX_HELD, self))
            return true;
        if (__atomic_compare_exchange_n(&mutex->word_, &held, EDO_MUTEX_WAITED_FOR, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) ||
            held == EDO_MUTEX_WAITED_FOR)
            return false;
    }
}

static int edo_mutex_wait(edo_mutex *mutex, uint64_t self, int64_t deadline)
{
    struct edo_parked waiter;

    edo_parked_init(&waiter, EDO_PARKED_MUTEX, edo_platform->now());
    for (;;) {
        struct edo_line line;
        int rc = 0;

        edo_line_begin(&line, mutex);
        if (edo_mutex_take_or_mark(mutex, line.first != NULL, self)) {
            edo_line_end(&line);
            return 0;
        }
        rc = edo_line_wait(&line, &waiter, deadline);
        if (rc < 0) {
            edo_line_end(&line);
            return rc;
        }
        if (waiter.told == EDO_HANDED_OVER) {
            edo_owner_write(&mutex->owner_, self);
            return 0;
        }
        if (edo_mutex_take(mutex, waiter.told == EDO_TRY ? EDO_MUTEX_HELD : EDO_MUTEX_WAITED_FOR, self))
            return 0;
    }
}

int edo_mutex_lock_until(edo_mutex *mutex, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    int rc = task ? edo_suspension_point(task) : 0;
    uint64_t self = edo_owner_self(task);

    if (__builtin_expect(rc < 0, 0))
        return rc;
    if (__builtin_expect(edo_mutex_take(mutex, EDO_MUTEX_HELD, self), 1))
        return 0;
    EDO_MISUSE_IF(edo_owner_read(&mutex->owner_) == self, "a mutex was locked again by the task that holds it");
    if (edo_owner_read(&mutex->owner_) == self)
        return -EDEADLK;
    return edo_mutex_wait(mutex, self, deadline);
}

int edo_mutex_lock(edo_mutex *mutex)
{
    return edo_mutex_lock_until(mutex, EDO_FOREVER);
}

int edo_mutex_try_lock(edo_mutex *mutex)
{
    return edo_mutex_take(mutex, EDO_MUTEX_HELD, edo_owner_self(edo_task_self())) ? 0 : -EBUSY;
}

/* Somebody is in line, or was. The caller still holds the mutex. */
static void edo_mutex_wake(edo_mutex *mutex)
{
    int64_t now = edo_platform->now();
    uint32_t word = EDO_MUTEX_FREE;
    struct edo_parked *first;
    struct edo_line line;

    edo_line_begin(&line, mutex);
    first = line.first;
    if (first && now - first->want >= EDO_PATIENCE) {
        edo_line_take(&line, first, EDO_HANDED_OVER);
        word = line.first ? EDO_MUTEX_WAITED_FOR : EDO_MUTEX_HELD;
    } else if (first) {
        edo_line_take(&line, first, EDO_TRY);
        if (line.first)
            first->told = EDO_TRY_FOR_MORE;
    }
    __atomic_store_n(&mutex->word_, word, __ATOMIC_RELEASE); /* from here on it may be gone */
    edo_line_end(&line);
}

void edo_mutex_unlock(edo_mutex *mutex)
{
    uint32_t held = EDO_MUTEX_HELD;

    EDO_MISUSE_IF(edo_owner_read(&mutex->owner_) != edo_owner_self(edo_task_self()),
                  "a mutex was unlocked by a task that does not hold it");
    edo_owner_write(&mutex->owner_, 0);
    if (__builtin_expect(__atomic_compare_exchange_n(&mutex->word_, &held, EDO_MUTEX_FREE, false, __ATOMIC_RELEASE,
                                                     __ATOMIC_RELAXED),
                         1))
        return;
    if (held == EDO_MUTEX_WAITED_FOR)
        edo_mutex_wake(mutex);
}
