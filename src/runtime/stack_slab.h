/* SPDX-License-Identifier: MIT */
/*
 * Slabs: one mapping each, for many stacks of one size, and the register of all slabs of the process.
 *
 *      [stack 0 | stack 1 | ... | stack n-1 | their struct edo_stack ...]
 *
 * The descriptors lie above, since whatever leaves a stack, leaves it downwards. They are written when a stack is first
 * handed out, so stacks that were never used cost no memory.
 *
 * The register is an array that is never freed, so that a signal handler may search it. A record belongs to a pool from
 * create to destroy: `used` and the links are guarded by the pool's lock, `ready` by its slow_lock. `first`, `shift`,
 * `used` and `stacks` are atomic for the searcher, who trusts them if `sequence` was even and has not changed
 * meanwhile.
 */
#ifndef EDO_RUNTIME_STACK_SLAB_H
#define EDO_RUNTIME_STACK_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/stack.h"

struct edo_stack_slab {
    atomic_uint sequence;   /* odd while the record is being changed */
    atomic_uintptr_t first; /* lowest byte of stack 0; 0: the record is free */
    atomic_uint shift;      /* log2 of the size of a stack */
    _Atomic uint32_t used;  /* stacks that have been handed out at least once; their descriptors are valid */
    _Atomic(struct edo_stack *) stacks;
    uint32_t count;
    uint32_t ready; /* stacks that may be handed out: used <= ready <= count */
    bool strict;    /* stacks beyond `ready` are not accessible yet */
    size_t bytes;   /* of the whole mapping */
    struct edo_stack_slab *older;
    struct edo_stack_slab *newer;
};

size_t edo_page_size(void);

/*
 * Maps a slab of `count` stacks. If `strict`, its stacks are inaccessible, and so not charged. -ENOMEM; -ENFILE when
 * the register is full.
 */
int edo_stack_slab_create(struct edo_stack_slab **out, int size_class, uint32_t count, bool strict);
void edo_stack_slab_destroy(struct edo_stack_slab *slab);

/* Makes the next `count` stacks of a strict slab accessible, which charges them. -ENOMEM. */
int edo_stack_slab_charge(struct edo_stack_slab *slab, uint32_t count);

/* The slot of a stack: where its guard page is. */
void *edo_stack_slab_slot(const struct edo_stack_slab *slab, uint32_t index);

/* Hands out the next fresh stack, of which there must be one. Under the pool's lock. */
struct edo_stack *edo_stack_slab_next(struct edo_stack_slab *slab);

#endif
