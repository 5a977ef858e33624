/* SPDX-License-Identifier: MIT */
/*
 * A lock of four bytes for the short critical sections of the runtime itself; tasks wait for each other on an
 * edo_mutex instead.
 *
 * Invariant of the word: 0 free, 1 held, 2 held and somebody may sleep in the kernel for it. Only 2 costs the
 * holder a wake. Acquire and release order everything written under the lock. All zero is a free lock. It is
 * neither fair nor recursive, and its holder must not suspend, block or call back.
 *
 * The word may be gone once release has stored 0: the wake that follows uses its address alone, and a wake
 * that finds someone else's word, or nothing there, does no harm, as every futex wait is in a loop.
 */
#ifndef EDO_PLATFORM_LOCK_H
#define EDO_PLATFORM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_lock {
    _Atomic uint32_t word;
};

/* The parts that sleep and wake; use the functions below. */
void edo_lock_acquire_slow(struct edo_lock *lock);
void edo_lock_release_slow(struct edo_lock *lock);

static inline void edo_lock_init(struct edo_lock *lock)
{
    atomic_init(&lock->word, 0);
}

/* Takes the lock if it is free; never waits. */
static inline bool edo_lock_try(struct edo_lock *lock)
{
    uint32_t expected = 0;

    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void edo_lock_acquire(struct edo_lock *lock)
{
    if (__builtin_expect(!edo_lock_try(lock), 0))
        edo_lock_acquire_slow(lock);
}

static inline void edo_lock_release(struct edo_lock *lock)
{
    if (__builtin_expect(atomic_exchange_explicit(&lock->word, 0, memory_order_release) != 1, 0))
        edo_lock_release_slow(lock);
}

#endif
