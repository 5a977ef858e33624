/* SPDX-License-Identifier: MIT */
/*
 * The semaphore: strictly in order of arrival, whatever who is first in line wants.
 *
 * The word is twice the number of permits, plus one if and only if somebody is in line. While nobody is, anybody
 * changes it, by compare-and-swap; while somebody is, nobody but who holds the bucket's lock. The line begins under
 * that lock, too.
 *
 * Who brings permits while there is a line, and who leaves it without having got any (a big wish may have stood before
 * small ones), grants: those at the front whose wishes can be met have their permits from then on, and the word is
 * stored before they are woken.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_LINE = 1 };

void edo_semaphore_init(edo_semaphore *semaphore, int64_t permits)
{
    *semaphore = (edo_semaphore)EDO_SEMAPHORE_INIT(permits);
}

void edo_semaphore_finish(edo_semaphore *semaphore)
{
    EDO_MISUSE_IF(edo_line_waited_for(semaphore), "a semaphore was finished that is waited for");
    (void)semaphore;
}

/* How many permits there are: rounds down. */
static inline int64_t edo_permits_of(int64_t word)
{
    return (word - (word & EDO_LINE)) / 2;
}

static bool edo_semaphore_take(int64_t *seen, edo_semaphore *semaphore, int64_t permits)
{
    int64_t word = __atomic_load_n(&semaphore->word_, __ATOMIC_RELAXED);

    while (!(word & EDO_LINE) && edo_permits_of(word) >= permits)
        if (__atomic_compare_exchange_n(&semaphore->word_, &word, word - 2 * permits, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    *seen = word;
    return false;
}

/* Under the bucket's lock, with a line that was: there are so many permits now. */
static void edo_semaphore_grant(struct edo_line *line, edo_semaphore *semaphore, int64_t permits)
{
    struct edo_parked *first;

    while ((first = line->first) && first->want <= permits) {
        permits -= first->want;
        edo_line_take(line, first, 0);
    }
    __atomic_store_n(&semaphore->word_, 2 * permits + (first ? EDO_LINE : 0), __ATOMIC_RELEASE); /* it may be gone */
}

static int edo_semaphore_wait(edo_semaphore *semaphore, int64_t permits, int64_t deadline)
{
    struct edo_parked waiter;
    struct edo_line line;
    int64_t word;
    int rc;

    edo_line_begin(&line, semaphore);
    do {
        if (edo_semaphore_take(&word, semaphore, permits)) {
            edo_line_end(&line);
            return 0;
        }
    } while (!(word & EDO_LINE) && !__atomic_compare_exchange_n(&semaphore->word_, &word, word | EDO_LINE, false,
                                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    edo_parked_init(&waiter, EDO_PARKED_SEMAPHORE, permits);
    rc = edo_line_wait(&line, &waiter, deadline);
    if (rc < 0) {
        word = __atomic_load_n(&semaphore->word_, __ATOMIC_ACQUIRE);
        edo_semaphore_grant(&line, semaphore, edo_permits_of(word));
        edo_line_end(&line);
    }
    return rc;
}

int edo_semaphore_acquire_until(edo_semaphore *semaphore, int64_t permits, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    int64_t word;
    int rc = task ? edo_suspension_point(task) : 0;

    if (rc < 0)
        return rc;
    if (permits < 0 || permits > EDO_SEMAPHORE_MOST)
        return -EINVAL;
    if (permits == 0 || edo_semaphore_take(&word, semaphore, permits))
        return 0;
    return edo_semaphore_wait(semaphore, permits, deadline);
}

int edo_semaphore_acquire(edo_semaphore *semaphore, int64_t permits)
{
    return edo_semaphore_acquire_until(semaphore, permits, EDO_FOREVER);
}

int edo_semaphore_try_acquire(edo_semaphore *semaphore, int64_t permits)
{
    int64_t word;

    if (permits < 0 || permits > EDO_SEMAPHORE_MOST)
        return -EINVAL;
    return permits == 0 || edo_semaphore_take(&word, semaphore, permits) ? 0 : -EBUSY;
}

/* Whether the sum is one of the numbers of permits that there may be. */
static bool edo_permits_fit(int64_t permits, int64_t difference)
{
    return difference <= EDO_SEMAPHORE_MOST && difference >= -EDO_SEMAPHORE_MOST &&
           permits + difference <= EDO_SEMAPHORE_MOST && permits + difference >= -EDO_SEMAPHORE_MOST;
}

int edo_semaphore_adjust(edo_semaphore *semaphore, int64_t difference)
{
    int64_t word = __atomic_load_n(&semaphore->word_, __ATOMIC_RELAXED);
    struct edo_line line;
    bool fits;

    while (!(word & EDO_LINE)) {
        if (!edo_permits_fit(edo_permits_of(word), difference))
            return -EOVERFLOW;
        if (__atomic_compare_exchange_n(&semaphore->word_, &word, word + 2 * difference, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return 0;
    }
    edo_line_begin(&line, semaphore);
    word = __atomic_load_n(&semaphore->word_, __ATOMIC_ACQUIRE);
    do {
        fits = edo_permits_fit(edo_permits_of(word), difference);
        if (fits && (word & EDO_LINE)) {
            edo_semaphore_grant(&line, semaphore, edo_permits_of(word) + difference);
            break;
        }
        /* Else the last in line has left it; nobody comes while the bucket is locked, but others take and bring. */
    } while (fits && !__atomic_compare_exchange_n(&semaphore->word_, &word, word + 2 * difference, true,
                                                  __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    edo_line_end(&line);
    return fits ? 0 : -EOVERFLOW;
}

int edo_semaphore_release(edo_semaphore *semaphore, int64_t permits)
{
    return permits < 0 ? -EINVAL : edo_semaphore_adjust(semaphore, permits);
}

int64_t edo_semaphore_available(const edo_semaphore *semaphore)
{
    return edo_permits_of(__atomic_load_n(&semaphore->word_, __ATOMIC_RELAXED));
}
