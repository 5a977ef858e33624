/* SPDX-License-Identifier: MIT */
/*
 * Words that threads share, and what a machine does with them in one instruction. Compilers do not: they never make one
 * of an atomic load, or store, and what stands beside it. On the ways that a server goes with every request that is one
 * instruction in ten.
 *
 * Counting: one thread counts, any thread reads. With one writer there is nothing to lock: a relaxed load and a relaxed
 * store do. Where another thread stores at the same moment one of the two stores is lost, which whoever counts so
 * bears.
 *
 * Asking: a sequentially consistent load whose value is not kept.
 */
#ifndef EDO_PLATFORM_WORD_H
#define EDO_PLATFORM_WORD_H

#include "platform/syscall.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !EDO_SYSCALL_CHECKED && !defined(EDO_NO_RECORD) /* sanitizers and models want to see it */
#include "platform/word_x86_64.h"
#else

static inline void edo_word_add(_Atomic uint64_t *word, uint64_t n)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Adds 1, behind all that was stored before, for those who read the word with acquire. */
static inline void edo_word_count(_Atomic uint64_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_release);
}

/* One less; whether it is below 0 now. */
static inline bool edo_word_spend(_Atomic int32_t *word)
{
    int32_t now = atomic_load_explicit(word, memory_order_relaxed) - 1;

    atomic_store_explicit(word, now, memory_order_relaxed);
    return now < 0;
}

/* Whether it has any of the bits. */
static inline bool edo_word_has(_Atomic uint32_t *word, uint32_t bits)
{
    return (atomic_load_explicit(word, memory_order_seq_cst) & bits) != 0;
}

static inline bool edo_word_equals(const uint64_t *word, uint64_t value)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) == value;
}

static inline bool edo_word_is(_Atomic bool *word)
{
    return atomic_load_explicit(word, memory_order_seq_cst);
}

/* Whether a pointer is not NULL. */
#define EDO_WORD_SET(pointer) (atomic_load_explicit((pointer), memory_order_seq_cst) != NULL)

#endif
#endif
