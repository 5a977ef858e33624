/* SPDX-License-Identifier: MIT */
/*
 * The slow half of the four-byte lock: a short spin, then sleep in the kernel. After Drepper's "Futexes are
 * tricky", mutex2.
 *
 * Invariant: whoever is about to sleep has put 2 into the word, and whoever has slept takes the lock with 2,
 * since it cannot know whether it was the last sleeper. So a release that finds 1 has nobody to wake, and one
 * that finds 2 may wake once in vain.
 */
#include "platform/lock.h"

#include <assert.h>

#include "platform/platform.h"

/*
 * Critical sections last some tens of ns and a trip through the kernel some µs, so waiting a little usually
 * wins; but the holder may be preempted, on a small machine by us, so not for long.
 *
 * Between two looks the word is left alone. A look takes its cache line away from whoever works with the lock,
 * which costs both of them as much as several critical sections (some 200 ns there and as much back, on a virtual
 * machine): two that call in loops would spend nearly all of their time on that. Who stays away for about a
 * microsecond lets the other one get through several calls meanwhile, and then does several itself.
 */
enum { LOCK_LOOKS = 4, LOCK_PAUSES = 32 };

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* The kernel sees the atomic word as a plain one. */
static inline uint32_t *futex_word(struct edo_lock *lock)
{
    return (uint32_t *)(void *)lock;
}

static_assert(sizeof(struct edo_lock) == 4, "a futex is four bytes");

void edo_lock_acquire_slow(struct edo_lock *lock)
{
    for (int i = 0; i < LOCK_LOOKS; i++) {
        uint32_t state;

        for (int pause = 0; pause < LOCK_PAUSES; pause++)
            relax();
        state = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (state == 0 && edo_lock_try(lock))
            return;
        /* Others sleep already: spinning would only overtake them. */
        if (state == 2)
            break;
    }
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        edo_platform->futex_wait(futex_word(lock), 2, INT64_MAX);
}

void edo_lock_release_slow(struct edo_lock *lock)
{
    edo_platform->futex_wake(futex_word(lock), 1);
}
