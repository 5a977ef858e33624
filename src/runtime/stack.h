/* SPDX-License-Identifier: MIT */
/*
 * Stacks for tasks, and the pool they come from (rule K1).
 *
 * A stack is a slot of a slab: one mapping for many. Slots have a power of two of bytes, from 16 KiB to 8 MiB; the
 * lowest page of a slot is its guard, which the size class counts and `size` does not. All that is known about a stack
 * stands in its struct edo_stack, outside of its memory, so an idle stack costs the pages its flow has touched.
 *
 * A stack in the pool is fresh (never handed out: costs nothing), resident (keeps its pages, up to the pool's cap) or
 * cold (its pages were given back). The last one put is the first one got.
 *
 * Reserving. edo_stack_pool_reserve(n) promises that n stacks can be out of the pool at once: they are mapped, charged
 * where the kernel counts strictly, and their guards fit the budget. It does not say which. The promise stands through
 * any number of gets and puts. Whoever gets stacks only to keep them at hand (a worker's cache) reserves for them too,
 * else it takes what others were promised.
 *
 * Locks: `lock` guards the lists and counters and is held for a few instructions; `slow_lock` is held by whoever makes
 * the syscalls that enlarge the pool or give pages back, and is taken first. Functions that may make syscalls, i.e.
 * get, put and reserve, are not for callers who hold a worker's guard (rule S10).
 */
#ifndef EDO_RUNTIME_STACK_H
#define EDO_RUNTIME_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/lock.h"
#include "runtime/stack_guard.h"

enum {
    EDO_STACK_CLASSES = 10,
    EDO_STACK_SHIFT_LEAST = 14,  /* class 0: 16 KiB */
    EDO_STACK_CLASS_DEFAULT = 4, /* 256 KiB */
    EDO_STACK_COLOURS = 32,
    EDO_STACK_COLOUR_STEP = 64
};

struct edo_stack {
    void *low;   /* the lowest usable byte, above the guard page */
    size_t size; /* usable bytes from there */
    void *owner; /* for whoever got the stack; read by the overflow report. NULL when put back */
    struct edo_stack *next;
    struct edo_stack *previous;
    uint8_t size_class;
    uint8_t guard;        /* enum edo_stack_guard */
    uint32_t valgrind_id; /* where Valgrind is told of stacks */
};

struct edo_stack_slab;

struct edo_stack_list {
    struct edo_stack *first;
    struct edo_stack *last;
    size_t count;
};

struct edo_stack_options {
    bool allow_unguarded; /* when guard pages run out: go without rather than fail */
    size_t resident_cap;  /* bytes of cached stacks, counted whole, that keep their pages; 0: 256 MiB (1024 stacks) */
};

struct edo_stack_class {
    struct edo_stack_list resident; /* under lock */
    struct edo_stack_list cold;
    struct edo_stack_slab *slabs; /* newest first; under lock */
    struct edo_stack_slab *fresh; /* the slab to take fresh stacks from: those after it in `newer` follow; under lock */
    size_t in_use;                /* out of the pool; under lock */
    size_t next_count;            /* stacks of the next slab; under slow_lock */
    atomic_size_t ready;          /* stacks that can be handed out; changes under slow_lock */
    atomic_size_t reserved;       /* promised, never more than ready */
};

struct edo_stack_pool {
    struct edo_lock lock;
    struct edo_lock slow_lock;
    struct edo_stack_options options;
    struct edo_stack_class classes[EDO_STACK_CLASSES];
    size_t resident; /* bytes of all resident lists, stacks counted whole; under lock */
    struct edo_stack_guards guards;
    atomic_size_t given_back; /* times that a stack's pages were given back */
    char error[256];          /* particulars of the last failure; under lock */
};

struct edo_stack_stats {
    size_t mapped;          /* bytes of address space */
    size_t mappings;        /* kernel mappings that these take, at most */
    size_t stacks;          /* that can be handed out */
    size_t reserved;        /* promised */
    size_t in_use;          /* out of the pool */
    size_t resident_cached; /* in the pool, with pages */
    size_t cold_cached;     /* in the pool, without */
    size_t unguarded;
    size_t given_back;
};

/* NULL options are all defaults. Maps nothing yet. */
int edo_stack_pool_init(struct edo_stack_pool *pool, const struct edo_stack_options *options);

/* All stacks must be back, and no other thread in the pool. */
void edo_stack_pool_finish(struct edo_stack_pool *pool);

/* The class for a stack of `bytes`, guard page included; 0 asks for the default. -EINVAL: over the largest. */
int edo_stack_class_for(size_t bytes);

/* Bytes of the stacks of a class, guard page included. */
static inline size_t edo_stack_class_size(int size_class)
{
    return (size_t)1 << (EDO_STACK_SHIFT_LEAST + size_class);
}

/* Promises `count` stacks more, or -ENOMEM and no change. Without a syscall when enough are mapped. */
int edo_stack_pool_reserve(struct edo_stack_pool *pool, int size_class, size_t count);
void edo_stack_pool_unreserve(struct edo_stack_pool *pool, int size_class, size_t count);

/*
 * Gets up to `count` stacks; the pool is enlarged for the first one only. Returns how many, at least 1 if the caller
 * has reserved. -ENOMEM: nothing reserved and no more to be had; or the kernel refused a promised stack its guard page,
 * for which it has neither page tables nor mappings left: try again when stacks have been put back.
 */
int edo_stack_pool_get(struct edo_stack **out, int count, struct edo_stack_pool *pool, int size_class);

/* Puts stacks back, of any classes. What they hold beyond the cap is given back to the kernel. */
void edo_stack_pool_put(struct edo_stack_pool *pool, struct edo_stack **stacks, int count);

void edo_stack_pool_stats(struct edo_stack_stats *out, struct edo_stack_pool *pool);

/* Copies the particulars of the pool's last failure, terminated, and returns `buffer`. Empty: none yet. */
const char *edo_stack_error_text(char *buffer, size_t size, struct edo_stack_pool *pool);

/*
 * How far below the top of the stack its flow should begin, for edo_context_prepare. Neighbours differ, so that the hot
 * ends of many stacks do not fight for the same cache sets. Below 2 KiB, so that an idle flow needs one page all the
 * same.
 */
static inline size_t edo_stack_colour(const struct edo_stack *stack)
{
    uintptr_t slot = (uintptr_t)stack->low >> (EDO_STACK_SHIFT_LEAST + stack->size_class);

    return (slot % EDO_STACK_COLOURS) * EDO_STACK_COLOUR_STEP;
}

/*
 * The stack in whose slot the address lies, guard page included; NULL if none that was ever handed out. From any
 * thread, and from a signal handler.
 */
struct edo_stack *edo_stack_find(const void *address);

/* --- Census (K2) ------------------------------------------------------------------------------------------------- */

/* Gives back the pages of a stack on which no flow runs, so that what the next one uses can be measured. */
void edo_stack_scrub(struct edo_stack *stack);

/*
 * Bytes that were used, counted from the top, colour included, since the stack was fresh, scrubbed or cold: down to the
 * lowest byte that is not zero.
 */
size_t edo_stack_high_water(struct edo_stack *stack);

#endif
