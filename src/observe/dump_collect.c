/* SPDX-License-Identifier: MIT */
/*
 * Which tasks there are, and which scopes, without stopping them.
 *
 * Tasks are found in their blocks, which are type-stable (runtime/blocks.h): each is copied as it is, word by word. It
 * is one task, and not two halves, if its number was the same before and after (edo_task_publish). Scopes lie on tasks'
 * stacks, or wherever the program has put them, so they are looked at only while they cannot go: each is on the chain
 * of the task that opened it, and whoever takes it off holds that task's chain_lock (runtime/scope.h). So with each
 * task its chain is copied, under that lock alone, for as long as that takes; who is whose child comes from the tasks'
 * `home`. The lists of children, whose locks a walk would hold for long, are not needed.
 *
 * Tasks are ordered by their numbers, so that two dumps of the same tasks are the same.
 */
#include "observe/dump.h"
#include "observe/peek.h"
#include "observe/walk.h"
#include "observe/warnings.h"
#include "platform/platform.h"

#include <errno.h>
#include <sys/mman.h>

/* --- Memory ------------------------------------------------------------------------------------------------------- */

int edo_dump_reserve(struct edo_dump *dump, struct edo_dump_array *array, size_t count, size_t size)
{
    size_t capacity = array->capacity ? array->capacity : size < 65536 ? 65536 / size : 1;
    void *items;
    int rc;

    if (array->capacity - array->count >= count)
        return 0;
    while (capacity - array->count < count)
        capacity *= 2;
    rc = dump->platform->map(&items, capacity * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (rc < 0) {
        dump->rc = -ENOMEM;
        return -ENOMEM;
    }
    if (array->items) {
        memcpy(items, array->items, array->count * size);
        dump->platform->unmap(array->items, array->capacity * size);
    }
    array->items = items;
    array->capacity = capacity;
    return 0;
}

static void edo_dump_free(struct edo_dump *dump, struct edo_dump_array *array, size_t size)
{
    if (array->items)
        dump->platform->unmap(array->items, array->capacity * size);
    *array = (struct edo_dump_array){NULL, 0, 0};
}

void edo_dump_finish(struct edo_dump *dump)
{
    edo_dump_free(dump, &dump->tasks, sizeof(struct edo_dump_task));
    edo_dump_free(dump, &dump->scopes, sizeof(struct edo_dump_scope));
    edo_dump_free(dump, &dump->waits, sizeof(struct edo_dump_wait));
    edo_dump_free(dump, &dump->texts, 1);
    edo_dump_free(dump, &dump->frames, sizeof(uintptr_t));
    edo_dump_free(dump, &dump->order, sizeof(uint32_t));
    edo_dump_free(dump, &dump->places, sizeof(uint32_t));
    edo_dump_free(dump, &dump->scratch, sizeof(uint32_t));
    edo_dump_free(dump, &dump->walker, sizeof(struct edo_walker));
}

void edo_dump_reset(struct edo_dump *dump)
{
    struct edo_dump_array *const arrays[] = {&dump->tasks,  &dump->scopes, &dump->waits,  &dump->texts,
                                             &dump->frames, &dump->order,  &dump->places, &dump->scratch};

    for (size_t i = 0; i < EDO_COUNT(arrays); i++)
        arrays[i]->count = 0;
    dump->rc = 0;
}

/* --- Tasks and their scopes --------------------------------------------------------------------------------------- */

static void edo_dump_copy_scope(struct edo_dump_scope *out, struct edo_scope_body *scope, uint32_t owner)
{
    *out = (struct edo_dump_scope){
        .body = scope,
        .site = scope->site,
        .name = scope->name,
        .cancel_site = atomic_load_explicit(&scope->cancel_site, memory_order_acquire),
        .deadline = scope->deadline,
        .live = atomic_load_explicit(&scope->live, memory_order_relaxed) +
                (int64_t)edo_unseen_word((uintptr_t)&scope->spawned),
        .flags = atomic_load_explicit(&scope->flags, memory_order_seq_cst),
        .owner = owner,
        .first = EDO_NONE,
        .last = EDO_NONE,
    };
}

/*
 * Adds the task in the block, with its scopes. Returns how many scopes there must be room for, 0 if there was enough;
 * or if there is no task. With the chain_lock held a scope that was opened stays, and so does its owner.
 */
static size_t edo_dump_add(struct edo_dump *dump, struct edo_task *block)
{
    struct edo_dump_task *task = edo_dump_task(dump, (uint32_t)dump->tasks.count);
    uint64_t id;
    size_t count = 0;
    union {
        struct edo_task as;
        uintptr_t words[sizeof(struct edo_task) / sizeof(uintptr_t)];
    } copy;

    edo_lock_acquire(&block->chain_lock);
    id = __atomic_load_n(&block->id, __ATOMIC_ACQUIRE);
    edo_unseen_copy(copy.words, block, sizeof copy);
    atomic_thread_fence(memory_order_acquire);
    if (id != 0 && __atomic_load_n(&block->id, __ATOMIC_RELAXED) == id) {
        for (struct edo_scope_body *scope = copy.as.scope; scope != copy.as.home; scope = scope->outer)
            count++;
        if (dump->scopes.capacity - dump->scopes.count < count) {
            edo_lock_release(&block->chain_lock);
            return count;
        }
        *task = (struct edo_dump_task){
            .block = block,
            .id = id,
            .home = copy.as.home,
            .site = copy.as.site,
            .name = copy.as.name,
            .until = EDO_FOREVER,
            .spawned = EDO_FOREVER,
            .scopes = (uint32_t)dump->scopes.count,
            .scope_count = (uint32_t)count,
            .parent = EDO_NONE,
            .next = EDO_NONE,
            .wait = EDO_NONE,
            .flags = copy.as.flags,
            .worker = -1,
            .started = copy.as.stack || copy.as.when_what,
        };
        for (struct edo_scope_body *scope = copy.as.scope; scope != copy.as.home; scope = scope->outer)
            edo_dump_copy_scope(edo_dump_scope(dump, (uint32_t)(dump->scopes.count + --count)), scope,
                                (uint32_t)dump->tasks.count);
        dump->scopes.count += task->scope_count;
        dump->tasks.count++;
    }
    edo_lock_release(&block->chain_lock);
    return 0;
}

static void edo_dump_look_at_task(void *context, void *block)
{
    struct edo_dump *dump = (struct edo_dump *)context;
    size_t room = 16;

    if (__atomic_load_n(&((struct edo_task *)block)->id, __ATOMIC_RELAXED) == 0)
        return;
    while (room > 0 && dump->rc == 0) {
        if (edo_dump_reserve(dump, &dump->tasks, 1, sizeof(struct edo_dump_task)) == 0 &&
            edo_dump_reserve(dump, &dump->scopes, room, sizeof(struct edo_dump_scope)) == 0)
            room = edo_dump_add(dump, (struct edo_task *)block);
    }
}

/* --- Finding them again ------------------------------------------------------------------------------------------- */

static size_t edo_dump_hash(const struct edo_dump *dump, const void *pointer)
{
    uint64_t hash = (uint64_t)(uintptr_t)pointer * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(hash >> 20) & (dump->places.count - 1);
}

/* An open hash: in each place an index and 1, or 0. At least half of it is free. */
static void edo_dump_hash_tasks(struct edo_dump *dump)
{
    size_t size = 64;
    uint32_t *places;

    while (size < 2 * dump->tasks.count)
        size *= 2;
    if (edo_dump_reserve(dump, &dump->places, size, sizeof *places) < 0)
        return;
    dump->places.count = size;
    places = (uint32_t *)dump->places.items;
    memset(places, 0, size * sizeof *places);
    for (size_t i = 0; i < dump->tasks.count; i++) {
        size_t at = edo_dump_hash(dump, edo_dump_task(dump, (uint32_t)i)->block);

        while (places[at])
            at = (at + 1) & (size - 1);
        places[at] = (uint32_t)i + 1;
    }
}

uint32_t edo_dump_find_block(const struct edo_dump *dump, const struct edo_task *block)
{
    const uint32_t *places = (const uint32_t *)dump->places.items;

    for (size_t at = edo_dump_hash(dump, block); places[at]; at = (at + 1) & (dump->places.count - 1))
        if (edo_dump_task(dump, places[at] - 1)->block == block)
            return places[at] - 1;
    return EDO_NONE;
}

uint32_t edo_dump_find(const struct edo_dump *dump, uint64_t id)
{
    size_t low = 0;
    size_t high = dump->order.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (edo_dump_nth(dump, middle)->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < dump->order.count && edo_dump_nth(dump, low)->id == id ? ((uint32_t *)dump->order.items)[low]
                                                                        : EDO_NONE;
}

/* Merges runs of doubling length: without recursion, and without malloc, which qsort may call. */
static void edo_dump_sort(struct edo_dump *dump)
{
    size_t count = dump->tasks.count;
    uint32_t *from;
    uint32_t *to;

    if (edo_dump_reserve(dump, &dump->order, count, sizeof *from) < 0 ||
        edo_dump_reserve(dump, &dump->scratch, count, sizeof *from) < 0)
        return;
    dump->order.count = count;
    from = (uint32_t *)dump->order.items;
    to = (uint32_t *)dump->scratch.items;
    for (size_t i = 0; i < count; i++)
        from[i] = (uint32_t)i;
    for (size_t length = 1; length < count; length *= 2) {
        uint32_t *merged = to;

        for (size_t begin = 0; begin < count; begin += 2 * length) {
            size_t middle = begin + length < count ? begin + length : count;
            size_t end = middle + length < count ? middle + length : count;
            size_t a = begin;
            size_t b = middle;

            for (size_t i = begin; i < end; i++) {
                bool left =
                    b == end || (a < middle && edo_dump_task(dump, from[a])->id <= edo_dump_task(dump, from[b])->id);

                to[i] = left ? from[a++] : from[b++];
            }
        }
        to = from;
        from = merged;
    }
    if (from != dump->order.items)
        memcpy(dump->order.items, from, count * sizeof *from);
}

/* --- The tree ----------------------------------------------------------------------------------------------------- */

/* The same hash, for scopes, while the tree is built. */
static void edo_dump_hash_scopes(struct edo_dump *dump, uint32_t *places, size_t size)
{
    memset(places, 0, size * sizeof *places);
    for (size_t i = 0; i < dump->scopes.count; i++) {
        uint64_t hash = (uint64_t)(uintptr_t)edo_dump_scope(dump, (uint32_t)i)->body * UINT64_C(0x9e3779b97f4a7c15);
        size_t at = (size_t)(hash >> 20) & (size - 1);

        while (places[at])
            at = (at + 1) & (size - 1);
        places[at] = (uint32_t)i + 1;
    }
}

static uint32_t edo_dump_find_scope(const struct edo_dump *dump, const uint32_t *places, size_t size,
                                    const struct edo_scope_body *body)
{
    uint64_t hash = (uint64_t)(uintptr_t)body * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t at = (size_t)(hash >> 20) & (size - 1); places[at]; at = (at + 1) & (size - 1))
        if (edo_dump_scope(dump, places[at] - 1)->body == body)
            return places[at] - 1;
    return EDO_NONE;
}

/* Puts each task into its scope, by their numbers. */
static void edo_dump_build_tree(struct edo_dump *dump)
{
    size_t size = 64;
    uint32_t *places;

    while (size < 2 * dump->scopes.count)
        size *= 2;
    if (edo_dump_reserve(dump, &dump->scratch, size, sizeof *places) < 0)
        return;
    places = (uint32_t *)dump->scratch.items;
    edo_dump_hash_scopes(dump, places, size);
    for (size_t i = 0; i < dump->order.count; i++) {
        struct edo_dump_task *task = edo_dump_nth(dump, i);
        uint32_t index = ((uint32_t *)dump->order.items)[i];
        struct edo_dump_scope *scope;

        task->parent = edo_dump_find_scope(dump, places, size, task->home);
        if (task->parent == EDO_NONE)
            continue;
        scope = edo_dump_scope(dump, task->parent);
        if (scope->last == EDO_NONE)
            scope->first = index;
        else
            edo_dump_task(dump, scope->last)->next = index;
        scope->last = index;
    }
}

const struct edo_dump_scope *edo_dump_innermost(const struct edo_dump *dump, const struct edo_dump_task *task)
{
    if (task->scope_count > 0)
        return edo_dump_scope(dump, task->scopes + task->scope_count - 1);
    return task->parent == EDO_NONE ? NULL : edo_dump_scope(dump, task->parent);
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

int edo_dump_take(struct edo_dump *dump, struct edo_runtime *runtime)
{
    dump->platform = edo_dump_platform();
    dump->runtime = runtime;
    dump->number = runtime->id_base >> EDO_ID_RUNTIME_SHIFT;
    dump->workers = runtime->worker_count;
    dump->now = dump->platform->now();
    edo_blocks_each(&runtime->tasks, edo_dump_look_at_task, dump);
    if (dump->rc == 0)
        edo_dump_hash_tasks(dump);
    if (dump->rc == 0)
        edo_dump_sort(dump);
    if (dump->rc == 0)
        edo_dump_build_tree(dump);
    if (dump->rc == 0)
        edo_dump_take_waits(dump);
    if (dump->rc == 0)
        edo_dump_take_facts(dump);
    if (dump->rc == 0)
        edo_dump_take_warnings(dump);
    return dump->rc;
}
