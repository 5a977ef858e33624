/* SPDX-License-Identifier: MIT */
/*
 * A worker's run queue: a ring of 256 tasks that its owner fills and empties, and that siblings steal from (rule S1).
 *
 * Only the owner (the thread inside the worker, see guard.h) pushes, and so only it writes `tail`. Everybody pops at
 * `head`, by compare-and-swap: a slot's content counts only if the exchange of `head` succeeds, and the owner writes a
 * slot only when head has passed it; so a thief that read a slot which was overwritten meanwhile fails its exchange and
 * drops what it read. head and tail run freely over 32 bits; a thief would have to sleep through exactly 2^32 pops to
 * be deceived.
 *
 * Orders: the owner's release store of tail publishes the slot and the task's memory; the acquire load of tail by a
 * thief receives it. The exchange of head is acq_rel: it hands the slot back to the owner.
 */
#ifndef EDO_RUNTIME_RING_H
#define EDO_RUNTIME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_task;

#ifndef EDO_RING_SIZE /* models in tests make it smaller */
enum { EDO_RING_SIZE = 256 };
#endif

struct edo_ring {
    _Atomic(struct edo_task *) slots[EDO_RING_SIZE];
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
};

static inline void edo_ring_init(struct edo_ring *ring)
{
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    for (int i = 0; i < EDO_RING_SIZE; i++)
        atomic_init(&ring->slots[i], NULL);
}

/* How many tasks it holds; exact for the owner as far as nobody steals, else a hint. */
static inline uint32_t edo_ring_count(struct edo_ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    int32_t count = (int32_t)(tail - head);

    return count > 0 ? (uint32_t)count : 0;
}

/* Owner only. False if it is full. */
static inline bool edo_ring_push(struct edo_ring *ring, struct edo_task *task)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    if (__builtin_expect(tail - head >= EDO_RING_SIZE, 0))
        return false;
    atomic_store_explicit(&ring->slots[tail % EDO_RING_SIZE], task, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

/* Owner only: the oldest task, or NULL. */
static inline struct edo_task *edo_ring_pop(struct edo_ring *ring)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    while (head != tail) {
        struct edo_task *task = atomic_load_explicit(&ring->slots[head % EDO_RING_SIZE], memory_order_relaxed);

        if (!task)
            __builtin_unreachable();
        /* The one after the next: in a long queue it is cold, and its turn comes soon. A hint, perhaps stale. */
        __builtin_prefetch(atomic_load_explicit(&ring->slots[(head + 2) % EDO_RING_SIZE], memory_order_relaxed), 1);
        if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return task;
    }
    return NULL;
}

/*
 * Takes up to half of what `victim` holds, at most `capacity`, oldest first, into out. Any thread. Returns how many.
 */
static inline uint32_t edo_ring_steal(struct edo_task **out, uint32_t capacity, struct edo_ring *victim)
{
    uint32_t head = atomic_load_explicit(&victim->head, memory_order_acquire);

    for (;;) {
        uint32_t tail = atomic_load_explicit(&victim->tail, memory_order_acquire);
        uint32_t count = tail - head;

        count -= count / 2;
        if ((int32_t)(tail - head) <= 0)
            return 0;
        if (count > EDO_RING_SIZE / 2) { /* head and tail were read apart: read them again */
            head = atomic_load_explicit(&victim->head, memory_order_acquire);
            continue;
        }
        if (count > capacity)
            count = capacity;
        for (uint32_t i = 0; i < count; i++)
            out[i] = atomic_load_explicit(&victim->slots[(head + i) % EDO_RING_SIZE], memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&victim->head, &head, head + count, memory_order_acq_rel,
                                                    memory_order_acquire))
            return count;
    }
}

#endif
