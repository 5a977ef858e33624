/* SPDX-License-Identifier: MIT */
/* The pool of stacks. What it promises and which lock guards what: see stack.h. */
#include "runtime/stack.h"

#include <assert.h>
#include <edo/base.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "platform/sanitizer.h"
#include "runtime/stack_guard.h"
#include "runtime/stack_slab.h"

enum {
    SLAB_COUNT_FIRST = 64,
    /* Strictly charged stacks are made accessible this many at once. */
    CHARGE_BATCH = 16,
    /* What is resident may pass the cap by one part in so many, so that pages are given back in batches. */
    CAP_SLACK = 32
};

#define SLAB_BYTES_MOST ((size_t)1 << 30)

/*
 * Slabs of stacks that cost something before they are used: descriptors under strict accounting; under mlockall, which
 * is one reason for guards by mprotect, all of it.
 */
#define SLAB_BYTES_MOST_COSTLY ((size_t)1 << 26)

#define RESIDENT_CAP_DEFAULT ((size_t)1024 << (EDO_STACK_SHIFT_LEAST + EDO_STACK_CLASS_DEFAULT))

static_assert(sizeof(struct edo_stack) <= 48, "a million of these are 48 MB");

/* --- Lists -------------------------------------------------------------------------------------------------------- */

static void list_push_first(struct edo_stack_list *list, struct edo_stack *stack)
{
    stack->previous = NULL;
    stack->next = list->first;
    if (list->first)
        list->first->previous = stack;
    else
        list->last = stack;
    list->first = stack;
    list->count++;
}

static void list_push_last(struct edo_stack_list *list, struct edo_stack *stack)
{
    stack->next = NULL;
    stack->previous = list->last;
    if (list->last)
        list->last->next = stack;
    else
        list->first = stack;
    list->last = stack;
    list->count++;
}

static void list_remove(struct edo_stack_list *list, struct edo_stack *stack)
{
    if (stack->previous)
        stack->previous->next = stack->next;
    else
        list->first = stack->next;
    if (stack->next)
        stack->next->previous = stack->previous;
    else
        list->last = stack->previous;
    list->count--;
}

/* --- Errors ------------------------------------------------------------------------------------------------------- */

static void set_error(struct edo_stack_pool *pool, const char *format, ...) EDO_PRINTF(2, 3);

static void set_error(struct edo_stack_pool *pool, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    edo_lock_acquire(&pool->lock);
    vsnprintf(pool->error, sizeof pool->error, format, arguments);
    edo_lock_release(&pool->lock);
    va_end(arguments);
}

static void set_map_error(struct edo_stack_pool *pool, int size_class)
{
    if (edo_stack_commit_is_strict())
        set_error(pool,
                  "no memory may be promised for another stack of %zu KiB: vm.overcommit_memory is 2 and CommitLimit "
                  "(/proc/meminfo) is reached; raise vm.overcommit_ratio or use smaller stacks",
                  edo_stack_class_size(size_class) / 1024);
    else
        set_error(pool,
                  "no address space for another stack of %zu KiB: see ulimit -v and ulimit -d, and vm.max_map_count",
                  edo_stack_class_size(size_class) / 1024);
}

static void set_guard_error(struct edo_stack_pool *pool)
{
    size_t max_map_count;
    size_t budget = edo_stack_guard_budget(&max_map_count);

    set_error(pool,
              "no guard page for another stack: without MADV_GUARD_INSTALL (Linux 6.13; not under mlockall) "
              "vm.max_map_count = %zu allows %zu of them; raise vm.max_map_count, use a newer kernel, or allow "
              "unguarded stacks",
              max_map_count, budget);
}

const char *edo_stack_error_text(char *buffer, size_t size, struct edo_stack_pool *pool)
{
    edo_lock_acquire(&pool->lock);
    snprintf(buffer, size, "%s", pool->error);
    edo_lock_release(&pool->lock);
    return buffer;
}

/* --- The pool ----------------------------------------------------------------------------------------------------- */

int edo_stack_pool_init(struct edo_stack_pool *pool, const struct edo_stack_options *options)
{
    memset(pool, 0, sizeof *pool);
    if (options)
        pool->options = *options;
    if (pool->options.resident_cap == 0)
        pool->options.resident_cap = RESIDENT_CAP_DEFAULT;
    pool->guards.allow_absent = pool->options.allow_unguarded;
    edo_lock_init(&pool->lock);
    edo_lock_init(&pool->slow_lock);
    return 0;
}

static void forget_stacks(struct edo_stack_slab *slab)
{
#if EDO_VALGRIND
    struct edo_stack *stacks = atomic_load(&slab->stacks);

    for (uint32_t i = 0; i < atomic_load(&slab->used); i++)
        VALGRIND_STACK_DEREGISTER(stacks[i].valgrind_id);
#endif
#if EDO_ASAN
    __asan_unpoison_memory_region(edo_stack_slab_slot(slab, 0), slab->bytes);
#endif
    (void)slab;
}

void edo_stack_pool_finish(struct edo_stack_pool *pool)
{
    for (int i = 0; i < EDO_STACK_CLASSES; i++) {
        struct edo_stack_class *class = &pool->classes[i];

        assert(class->in_use == 0);
        /* Better to lose the memory than to pull it away beneath whoever is still on it. */
        if (class->in_use > 0)
            continue;
        while (class->slabs) {
            struct edo_stack_slab *slab = class->slabs;

            class->slabs = slab->older;
            forget_stacks(slab);
            edo_stack_slab_destroy(slab);
        }
    }
    edo_stack_guards_finish(&pool->guards);
}

int edo_stack_class_for(size_t bytes)
{
    int size_class = bytes == 0 ? EDO_STACK_CLASS_DEFAULT : 0;

    if (bytes > edo_stack_class_size(EDO_STACK_CLASSES - 1))
        return -EINVAL;
    while (edo_stack_class_size(size_class) < bytes || edo_stack_class_size(size_class) < 4 * edo_page_size())
        size_class++;
#if EDO_ASAN
    /* Frames have room between their variables then. */
    if (size_class < EDO_STACK_CLASSES - 1)
        size_class++;
#endif
    return size_class;
}

/* --- Enlarging, under slow_lock ----------------------------------------------------------------------------------- */

static int map_slab(struct edo_stack_pool *pool, int size_class)
{
    struct edo_stack_class *class = &pool->classes[size_class];
    bool strict = edo_stack_commit_is_strict();
    bool costly = strict || atomic_load(&pool->guards.prepaid) + atomic_load(&pool->guards.used) > 0;
    size_t most = costly ? SLAB_BYTES_MOST_COSTLY : SLAB_BYTES_MOST;
    size_t count = class->next_count ? class->next_count : SLAB_COUNT_FIRST;
    struct edo_stack_slab *slab;
    int rc;

    if (count > most >> (EDO_STACK_SHIFT_LEAST + size_class))
        count = most >> (EDO_STACK_SHIFT_LEAST + size_class);
    while ((rc = edo_stack_slab_create(&slab, size_class, (uint32_t)count, strict)) == -ENOMEM) {
        /* The setting may have changed since it was read. */
        if (!strict && edo_stack_commit_is_strict_now())
            strict = true;
        else if (count > 1)
            count /= 2;
        else
            break;
    }
    if (rc == -ENFILE)
        set_error(pool, "no room for another slab of stacks in this process");
    else if (rc < 0)
        set_map_error(pool, size_class);
    if (rc < 0)
        return -ENOMEM;
    class->next_count = count * 2;
    edo_lock_acquire(&pool->lock);
    slab->older = class->slabs;
    if (slab->older)
        slab->older->newer = slab;
    class->slabs = slab;
    if (!class->fresh)
        class->fresh = slab;
    edo_lock_release(&pool->lock);
    return 0;
}

/* Makes some of the next `needed` stacks of a slab ready, perhaps more: all that costs nothing. Returns how many. */
static int make_ready(struct edo_stack_pool *pool, struct edo_stack_slab *slab, int size_class, uint32_t needed)
{
    uint32_t rest = slab->count - slab->ready;
    uint32_t wanted = rest;
    void *page;
    size_t paid;

    if (needed > rest)
        needed = rest;
    if (slab->strict) {
        wanted = needed < CHARGE_BATCH ? CHARGE_BATCH : needed;
        if (wanted > rest)
            wanted = rest;
        if (edo_stack_slab_charge(slab, wanted) < 0) {
            wanted = needed;
            if (edo_stack_slab_charge(slab, wanted) < 0) {
                set_map_error(pool, size_class);
                return -ENOMEM;
            }
        }
    }
    page = edo_stack_slab_slot(slab, slab->ready);
    if (!edo_stack_guard_is_free(page))
        wanted = needed;
    paid = edo_stack_guards_pay(&pool->guards, page, wanted);
    if (paid == 0) {
        set_guard_error(pool);
        return -ENOMEM;
    }
    return (int)paid;
}

/* Makes `needed` stacks more ready; if it can't, some of them may be. */
static int enlarge(struct edo_stack_pool *pool, int size_class, size_t needed)
{
    struct edo_stack_class *class = &pool->classes[size_class];

    while (needed > 0) {
        struct edo_stack_slab *slab = class->slabs;
        int made;

        if (!slab || slab->ready == slab->count) {
            int rc = map_slab(pool, size_class);

            if (rc < 0)
                return rc;
            slab = class->slabs;
        }
        made = make_ready(pool, slab, size_class, needed > UINT32_MAX ? UINT32_MAX : (uint32_t)needed);
        if (made < 0)
            return made;
        edo_lock_acquire(&pool->lock);
        slab->ready += (uint32_t)made;
        edo_lock_release(&pool->lock);
        atomic_fetch_add(&class->ready, (size_t)made);
        needed -= (size_t)made < needed ? (size_t)made : needed;
    }
    return 0;
}

/* --- Reserving ---------------------------------------------------------------------------------------------------- */

/*
 * Promises what is ready; if not all of it is, returns false and how many are missing.
 *
 * Without a lock, so `ready` may shrink between its load and the promise: it is loaded again afterwards, and whoever
 * shrinks it looks at `reserved` afterwards, both sequentially consistent. One of the two, or both, take back.
 */
static bool reserve_ready(size_t *missing, struct edo_stack_class *class, size_t count)
{
    size_t reserved = atomic_load(&class->reserved);
    size_t ready;

    do {
        ready = atomic_load(&class->ready);
        if (reserved > ready || count > ready - reserved) {
            *missing = reserved + count - ready;
            return false;
        }
    } while (!atomic_compare_exchange_weak(&class->reserved, &reserved, reserved + count));
    if (atomic_load(&class->ready) >= reserved + count)
        return true;
    atomic_fetch_sub(&class->reserved, count);
    *missing = count;
    return false;
}

/* Takes the newest slab out if nothing of it was handed out and what is promised is ready without it; else NULL. */
static struct edo_stack_slab *take_unused_slab(struct edo_stack_pool *pool, struct edo_stack_class *class)
{
    struct edo_stack_slab *slab;

    edo_lock_acquire(&pool->lock);
    slab = class->slabs;
    if (slab && atomic_load_explicit(&slab->used, memory_order_relaxed) > 0)
        slab = NULL;
    if (slab && atomic_fetch_sub(&class->ready, slab->ready) - slab->ready < atomic_load(&class->reserved)) {
        atomic_fetch_add(&class->ready, slab->ready);
        slab = NULL;
    }
    if (slab) {
        class->slabs = slab->older;
        if (slab->older)
            slab->older->newer = NULL;
        if (class->fresh == slab)
            class->fresh = NULL;
        class->next_count = slab->count;
    }
    edo_lock_release(&pool->lock);
    return slab;
}

/*
 * Under slow_lock, after a reservation that failed halfway: what it has got by then, others may need, of memory that
 * may be promised above all.
 */
static void shrink(struct edo_stack_pool *pool, struct edo_stack_class *class)
{
    struct edo_stack_slab *slab;

    while ((slab = take_unused_slab(pool, class))) {
        edo_stack_guards_refund(&pool->guards, slab->ready);
        edo_stack_slab_destroy(slab);
    }
}

int edo_stack_pool_reserve(struct edo_stack_pool *pool, int size_class, size_t count)
{
    struct edo_stack_class *class;
    size_t missing;
    int rc = 0;

    if (size_class < 0 || size_class >= EDO_STACK_CLASSES)
        return -EINVAL;
    class = &pool->classes[size_class];
    if (reserve_ready(&missing, class, count))
        return 0;
    edo_lock_acquire(&pool->slow_lock);
    while (rc == 0 && !reserve_ready(&missing, class, count))
        rc = enlarge(pool, size_class, missing);
    if (rc < 0)
        shrink(pool, class);
    edo_lock_release(&pool->slow_lock);
    return rc;
}

void edo_stack_pool_unreserve(struct edo_stack_pool *pool, int size_class, size_t count)
{
    size_t reserved = atomic_fetch_sub_explicit(&pool->classes[size_class].reserved, count, memory_order_relaxed);

    assert(reserved >= count);
    (void)reserved;
}

/* --- Getting ------------------------------------------------------------------------------------------------------ */

/* Under lock. A stack that has never been handed out and is ready, or NULL. */
static struct edo_stack *take_fresh(struct edo_stack_class *class)
{
    while (class->fresh) {
        struct edo_stack_slab *slab = class->fresh;
        uint32_t used = atomic_load_explicit(&slab->used, memory_order_relaxed);

        if (used < slab->ready)
            return edo_stack_slab_next(slab);
        if (used < slab->count)
            return NULL;
        class->fresh = slab->newer;
    }
    return NULL;
}

/* Takes what is there: with pages first, then without, then fresh. */
static int take(struct edo_stack **out, int count, struct edo_stack_pool *pool, int size_class)
{
    struct edo_stack_class *class = &pool->classes[size_class];
    int taken = 0;

    edo_lock_acquire(&pool->lock);
    while (taken < count) {
        struct edo_stack *stack = class->resident.first;

        if (stack) {
            list_remove(&class->resident, stack);
            pool->resident -= edo_stack_class_size(size_class);
        } else if ((stack = class->cold.first)) {
            list_remove(&class->cold, stack);
        } else if (!(stack = take_fresh(class))) {
            break;
        }
        out[taken++] = stack;
    }
    class->in_use += (size_t)taken;
    edo_lock_release(&pool->lock);
    return taken;
}

/* What is done once for each stack, before it is first handed out. */
static int prepare_stack(struct edo_stack_pool *pool, struct edo_stack *stack)
{
    enum edo_stack_guard kind;
    int rc = edo_stack_guards_install(&kind, &pool->guards, (char *)stack->low - edo_page_size());

    if (rc < 0) {
        set_guard_error(pool);
        return rc;
    }
    stack->guard = (uint8_t)kind;
#if EDO_VALGRIND
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, (char *)stack->low + stack->size);
#endif
    return 0;
}

/* Drops the stacks that cannot be prepared out of those taken. They go to the cold list's end, to be tried again. */
static int prepare_taken(struct edo_stack **stacks, int count, struct edo_stack_pool *pool)
{
    int kept = 0;
    int rc = 0;

    for (int i = 0; i < count; i++) {
        struct edo_stack *stack = stacks[i];
        struct edo_stack_class *class = &pool->classes[stack->size_class];

        if (stack->guard == EDO_STACK_GUARD_NONE && (rc = prepare_stack(pool, stack)) < 0) {
            edo_lock_acquire(&pool->lock);
            list_push_last(&class->cold, stack);
            class->in_use--;
            edo_lock_release(&pool->lock);
        } else {
            stacks[kept++] = stack;
        }
    }
    return kept > 0 ? kept : rc;
}

int edo_stack_pool_get(struct edo_stack **out, int count, struct edo_stack_pool *pool, int size_class)
{
    int taken;
    int rc = 0;

    if (size_class < 0 || size_class >= EDO_STACK_CLASSES || count < 1)
        return -EINVAL;
    taken = take(out, count, pool, size_class);
    if (taken == 0) {
        /* Stacks that are having their pages given back are in no list, but they are back once this lock is had. */
        edo_lock_acquire(&pool->slow_lock);
        while (rc == 0 && (taken = take(out, count, pool, size_class)) == 0)
            rc = enlarge(pool, size_class, 1);
        edo_lock_release(&pool->slow_lock);
        if (rc < 0)
            return rc;
    }
    return prepare_taken(out, taken, pool);
}

/* --- Putting ------------------------------------------------------------------------------------------------------ */

/* Under both locks: moves the longest unused stacks over the cap, the largest first, to `surplus`. */
static void take_surplus(struct edo_stack_list *surplus, struct edo_stack_pool *pool)
{
    for (int i = EDO_STACK_CLASSES - 1; i >= 0; i--) {
        struct edo_stack_list *resident = &pool->classes[i].resident;

        while (resident->last && pool->resident > pool->options.resident_cap) {
            struct edo_stack *stack = resident->last;

            list_remove(resident, stack);
            pool->resident -= edo_stack_class_size(i);
            list_push_last(surplus, stack);
        }
    }
}

/*
 * Gives the pages of all stacks of a list back, neighbours in one call: the guard pages between them stay guarded. If
 * the kernel refuses (locked memory), they keep their pages, and nobody is worse off.
 */
static void give_back(struct edo_stack_pool *pool, const struct edo_stack_list *surplus)
{
    struct edo_stack *stack = surplus->first;

    while (stack) {
        char *low = stack->low;
        char *high = low + stack->size;

        atomic_fetch_add_explicit(&pool->given_back, 1, memory_order_relaxed);
        for (stack = stack->next; stack; stack = stack->next) {
            char *slot = (char *)stack->low - edo_page_size();
            char *end = (char *)stack->low + stack->size;

            if (slot == high)
                high = end;
            else if (end == low - edo_page_size())
                low = stack->low;
            else
                break;
            atomic_fetch_add_explicit(&pool->given_back, 1, memory_order_relaxed);
        }
        edo_platform->advise(low, (size_t)(high - low), MADV_DONTNEED);
    }
}

static void trim(struct edo_stack_pool *pool)
{
    struct edo_stack_list surplus = {NULL, NULL, 0};

    edo_lock_acquire(&pool->slow_lock);
    edo_lock_acquire(&pool->lock);
    take_surplus(&surplus, pool);
    edo_lock_release(&pool->lock);
    give_back(pool, &surplus);
    edo_lock_acquire(&pool->lock);
    while (surplus.first) {
        struct edo_stack *stack = surplus.first;

        list_remove(&surplus, stack);
        list_push_first(&pool->classes[stack->size_class].cold, stack);
    }
    edo_lock_release(&pool->lock);
    edo_lock_release(&pool->slow_lock);
}

void edo_stack_pool_put(struct edo_stack_pool *pool, struct edo_stack **stacks, int count)
{
    size_t cap = pool->options.resident_cap;
    bool over;

    edo_lock_acquire(&pool->lock);
    for (int i = 0; i < count; i++) {
        struct edo_stack_class *class = &pool->classes[stacks[i]->size_class];

        stacks[i]->owner = NULL;
        list_push_first(&class->resident, stacks[i]);
        pool->resident += edo_stack_class_size(stacks[i]->size_class);
        class->in_use--;
    }
    over = pool->resident > cap && pool->resident - cap > cap / CAP_SLACK;
    edo_lock_release(&pool->lock);
    if (over)
        trim(pool);
}

/* --- Counting ----------------------------------------------------------------------------------------------------- */

void edo_stack_pool_stats(struct edo_stack_stats *out, struct edo_stack_pool *pool)
{
    *out = (struct edo_stack_stats){0};
    edo_lock_acquire(&pool->lock);
    for (int i = 0; i < EDO_STACK_CLASSES; i++) {
        const struct edo_stack_class *class = &pool->classes[i];

        for (const struct edo_stack_slab *slab = class->slabs; slab; slab = slab->older) {
            out->mapped += slab->bytes;
            out->mappings += slab->strict ? 3 : 1;
        }
        out->stacks += atomic_load(&class->ready);
        out->reserved += atomic_load(&class->reserved);
        out->in_use += class->in_use;
        out->resident_cached += class->resident.count;
        out->cold_cached += class->cold.count;
    }
    out->mappings += 2 * atomic_load(&pool->guards.used);
    out->unguarded = atomic_load(&pool->guards.absent);
    out->given_back = atomic_load(&pool->given_back);
    edo_lock_release(&pool->lock);
}
