/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a word of memory: what locks and channels are made of, like futex(2), for tasks and plain threads alike.
 *
 * There is one table of waiters in the process, keyed by the word's address. A task that waits gives up its worker; a
 * thread that runs no task blocks. Wakes are in the order of arrival. A waker need not touch the word: it may
 * be freed as soon as the last waiter has been woken.
 */
#ifndef EDO_PARK_H
#define EDO_PARK_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Waits until woken, if *word still has the value `expected` (compared and enqueued as one step, seen from
 * edo_wake_word). `deadline` is absolute, EDO_FOREVER for none.
 *
 * 0: woken by edo_wake_word; -EAGAIN: *word has another value; -ETIMEDOUT; -ECANCELED (tasks only). With the last two
 * no wake was consumed: one that came at the same moment goes to the next waiter.
 */
EDO_API int edo_wait_word(const uint32_t *word, uint32_t expected, int64_t deadline);

/*
 * Wakes the `count` longest waiters on that address (INT_MAX: all) and returns how many there were. Any thread; never
 * waits. -ENOTSUP: there are only tasks of a seeded run, and this is not its thread (edo/testing.h).
 */
EDO_API int edo_wake_word(const uint32_t *word, int count);

#ifdef __cplusplus
}
#endif

#endif
