/* SPDX-License-Identifier: MIT */
/* Slabs and their register. See stack_slab.h; the writers of the register take `register_lock`. */
#include "runtime/stack_slab.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/platform.h"

/*
 * 8 TiB of stacks in slabs of 1 GiB: no memory until used. A search looks at the records up to the highest in use, some
 * 260 for a million stacks of 256 KiB.
 */
enum { EDO_STACK_SLABS = 8192 };

static struct edo_stack_slab slabs[EDO_STACK_SLABS];
static atomic_size_t slabs_end; /* no record from here on has ever been used */
static struct edo_lock register_lock;

size_t edo_page_size(void)
{
    static atomic_size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);

    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + edo_page_size() - 1) & ~(edo_page_size() - 1);
}

/* A record for the register, or NULL. Its `first` stays 0, so only the lock's holder may claim it: under the lock. */
static struct edo_stack_slab *find_record(void)
{
    size_t end = atomic_load_explicit(&slabs_end, memory_order_relaxed);

    for (size_t i = 0; i < end; i++)
        if (atomic_load_explicit(&slabs[i].first, memory_order_relaxed) == 0)
            return &slabs[i];
    if (end == EDO_STACK_SLABS)
        return NULL;
    atomic_store_explicit(&slabs_end, end + 1, memory_order_release);
    return &slabs[end];
}

/*
 * Changes what searchers read, all at once for them: who sees any of the new values sees the odd sequence, or the one
 * after it, too. Under the lock.
 */
static void publish(struct edo_stack_slab *slab, uintptr_t first, unsigned shift, struct edo_stack *stacks)
{
    unsigned sequence = atomic_load_explicit(&slab->sequence, memory_order_relaxed);

    atomic_store_explicit(&slab->sequence, sequence + 1, memory_order_relaxed);
    atomic_store_explicit(&slab->first, first, memory_order_release);
    atomic_store_explicit(&slab->shift, shift, memory_order_release);
    atomic_store_explicit(&slab->used, 0, memory_order_release);
    atomic_store_explicit(&slab->stacks, stacks, memory_order_release);
    atomic_store_explicit(&slab->sequence, sequence + 2, memory_order_release);
}

/* One mapping: the stacks, inaccessible at first if `strict`, and above them the descriptors. */
static int map_slab(void **out, size_t stacks_bytes, size_t bytes, bool strict)
{
    int rc = edo_platform->map(out, bytes, strict ? PROT_NONE : PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);

    if (rc < 0)
        return -ENOMEM;
    if (strict) {
        rc = edo_platform->protect((char *)*out + stacks_bytes, bytes - stacks_bytes, PROT_READ | PROT_WRITE);
        if (rc < 0) {
            edo_platform->unmap(*out, bytes);
            return -ENOMEM;
        }
    }
    /* A huge page would make 2 MiB resident for the first byte. Refused where there are none: all the better. */
    edo_platform->advise(*out, bytes, MADV_NOHUGEPAGE);
    return 0;
}

int edo_stack_slab_create(struct edo_stack_slab **out, int size_class, uint32_t count, bool strict)
{
    size_t stacks_bytes = count * edo_stack_class_size(size_class);
    size_t bytes = stacks_bytes + whole_pages(count * sizeof(struct edo_stack));
    struct edo_stack_slab *slab;
    void *memory;
    int rc = map_slab(&memory, stacks_bytes, bytes, strict);

    if (rc < 0)
        return rc;
    edo_lock_acquire(&register_lock);
    slab = find_record();
    if (slab) {
        slab->count = count;
        slab->ready = 0;
        slab->strict = strict;
        slab->bytes = bytes;
        slab->older = NULL;
        slab->newer = NULL;
        publish(slab, (uintptr_t)memory, (unsigned)(EDO_STACK_SHIFT_LEAST + size_class),
                (struct edo_stack *)(void *)((char *)memory + stacks_bytes));
    }
    edo_lock_release(&register_lock);
    if (!slab) {
        edo_platform->unmap(memory, bytes);
        return -ENFILE;
    }
    *out = slab;
    return 0;
}

void edo_stack_slab_destroy(struct edo_stack_slab *slab)
{
    void *memory = edo_stack_slab_slot(slab, 0);
    size_t bytes = slab->bytes;

    edo_lock_acquire(&register_lock);
    publish(slab, 0, 0, NULL);
    edo_lock_release(&register_lock);
    edo_platform->unmap(memory, bytes);
}

int edo_stack_slab_charge(struct edo_stack_slab *slab, uint32_t count)
{
    size_t size = (size_t)1 << atomic_load_explicit(&slab->shift, memory_order_relaxed);
    int rc = edo_platform->protect(edo_stack_slab_slot(slab, slab->ready), count * size, PROT_READ | PROT_WRITE);

    return rc < 0 ? -ENOMEM : 0;
}

void *edo_stack_slab_slot(const struct edo_stack_slab *slab, uint32_t index)
{
    unsigned shift = atomic_load_explicit(&slab->shift, memory_order_relaxed);

    return (void *)(atomic_load_explicit(&slab->first, memory_order_relaxed) + ((uintptr_t)index << shift));
}

struct edo_stack *edo_stack_slab_next(struct edo_stack_slab *slab)
{
    uint32_t index = atomic_load_explicit(&slab->used, memory_order_relaxed);
    unsigned shift = atomic_load_explicit(&slab->shift, memory_order_relaxed);
    struct edo_stack *stack = &atomic_load_explicit(&slab->stacks, memory_order_relaxed)[index];

    stack->low = (char *)edo_stack_slab_slot(slab, index) + edo_page_size();
    stack->size = ((size_t)1 << shift) - edo_page_size();
    stack->size_class = (uint8_t)(shift - EDO_STACK_SHIFT_LEAST);
    atomic_store_explicit(&slab->used, index + 1, memory_order_release);
    return stack;
}

/* The stack in one slab; NULL if not there, or if the record was changed meanwhile, and so was about another slab. */
static struct edo_stack *find_in(struct edo_stack_slab *slab, uintptr_t address)
{
    unsigned sequence = atomic_load_explicit(&slab->sequence, memory_order_acquire);
    uintptr_t first = atomic_load_explicit(&slab->first, memory_order_acquire);
    unsigned shift = atomic_load_explicit(&slab->shift, memory_order_acquire);
    uint32_t used = atomic_load_explicit(&slab->used, memory_order_acquire);
    struct edo_stack *stacks = atomic_load_explicit(&slab->stacks, memory_order_acquire);

    if (sequence % 2 != 0 || atomic_load_explicit(&slab->sequence, memory_order_relaxed) != sequence)
        return NULL;
    if (first == 0 || address < first || (address - first) >> shift >= used)
        return NULL;
    return &stacks[(address - first) >> shift];
}

struct edo_stack *edo_stack_find(const void *address)
{
    size_t end = atomic_load_explicit(&slabs_end, memory_order_acquire);

    for (size_t i = 0; i < end; i++) {
        struct edo_stack *stack = find_in(&slabs[i], (uintptr_t)address);

        if (stack)
            return stack;
    }
    return NULL;
}
