/* SPDX-License-Identifier: MIT */
/*
 * The timing wheel; wheel.h says what it holds and which invariant it keeps.
 *
 * A slot's head is a node itself, so a node's neighbours alone tell when a slot falls empty (both are the
 * head), and the head's address tells which slot that is: a node needs to remember neither its level nor its
 * slot.
 */
#include "runtime/wheel.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_NS = 1 << EDO_WHEEL_TICK_BITS, DIGIT_MASK = EDO_WHEEL_SLOTS - 1 };

/* The last tick is that of INT64_MAX; all digits of it must have a level. */
static_assert(EDO_WHEEL_LEVELS * EDO_WHEEL_DIGIT_BITS >= 64 - EDO_WHEEL_TICK_BITS, "the levels span int64_t");
static_assert(EDO_WHEEL_SLOTS == 64, "a level's slots are the bits of a word");
static_assert(sizeof(struct edo_wheel_node) <= 40, "a node is small enough to stand in every task");

/* The first tick at or after a deadline. */
static inline uint64_t tick_after(int64_t deadline)
{
    return deadline <= 0 ? 0 : ((uint64_t)deadline + TICK_NS - 1) >> EDO_WHEEL_TICK_BITS;
}

/* The last tick at or before a time. */
static inline uint64_t tick_before(int64_t time)
{
    return time <= 0 ? 0 : (uint64_t)time >> EDO_WHEEL_TICK_BITS;
}

/* The highest digit in which two ticks differ, 0 if they are equal. */
static inline unsigned level_of(uint64_t tick, uint64_t position)
{
    uint64_t difference = (tick ^ position) | DIGIT_MASK;

    return (63 - (unsigned)__builtin_clzll(difference)) / EDO_WHEEL_DIGIT_BITS;
}

static inline unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> level * EDO_WHEEL_DIGIT_BITS) & DIGIT_MASK;
}

/* The first tick of a slot that lies at or after the position. */
static inline uint64_t slot_start(const struct edo_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = level * EDO_WHEEL_DIGIT_BITS;
    uint64_t above = wheel->position >> shift >> EDO_WHEEL_DIGIT_BITS << EDO_WHEEL_DIGIT_BITS;

    return (above | slot) << shift;
}

static inline void slot_clear(struct edo_wheel *wheel, struct edo_wheel_node *head)
{
    size_t index = (size_t)(head - wheel->slots[0]);
    size_t level = index / EDO_WHEEL_SLOTS;

    head->deadline = INT64_MAX;
    wheel->in_use[level] &= ~(UINT64_C(1) << index % EDO_WHEEL_SLOTS);
    if (wheel->in_use[level] == 0)
        wheel->levels &= ~(UINT32_C(1) << level);
}

/* Puts a node where its deadline belongs, seen from the position. */
static inline void place(struct edo_wheel *wheel, struct edo_wheel_node *node)
{
    uint64_t tick = tick_after(node->deadline);
    unsigned level, slot;
    struct edo_wheel_node *head;

    if (tick < wheel->position)
        tick = wheel->position;
    level = level_of(tick, wheel->position);
    slot = digit_of(tick, level);
    head = &wheel->slots[level][slot];

    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
    if (node->deadline < head->deadline)
        head->deadline = node->deadline;
    wheel->in_use[level] |= UINT64_C(1) << slot;
    wheel->levels |= UINT32_C(1) << level;
}

/* Spreads a slot that the position has just entered over the levels beneath. These are empty, so order is
 * kept. */
static void spread(struct edo_wheel *wheel, struct edo_wheel_node *head)
{
    struct edo_wheel_node *node = head->next;

    head->next = head;
    head->prev = head;
    slot_clear(wheel, head);
    while (node != head) {
        struct edo_wheel_node *next = node->next;

        __builtin_prefetch(next->next);
        place(wheel, node);
        node = next;
    }
}

void edo_wheel_init(struct edo_wheel *wheel, int64_t now)
{
    *wheel = (struct edo_wheel){.position = tick_before(now)};
    for (size_t i = 0; i < EDO_WHEEL_LEVELS * EDO_WHEEL_SLOTS; i++) {
        struct edo_wheel_node *head = &wheel->slots[i / EDO_WHEEL_SLOTS][i % EDO_WHEEL_SLOTS];

        head->next = head;
        head->prev = head;
        head->deadline = INT64_MAX;
    }
}

void edo_wheel_add(struct edo_wheel *wheel, struct edo_wheel_node *node, int64_t deadline)
{
    assert(!edo_wheel_node_armed(node));
    node->deadline = deadline;
    place(wheel, node);
    __atomic_store_n(&wheel->count, wheel->count + 1, __ATOMIC_RELAXED); /* edo_stats_read looks at it */
}

bool edo_wheel_remove(struct edo_wheel *wheel, struct edo_wheel_node *node)
{
    struct edo_wheel_node *next = node->next, *prev = node->prev;

    if (!next)
        return false;
    prev->next = next;
    next->prev = prev;
    node->next = NULL;
    __atomic_store_n(&wheel->count, wheel->count - 1, __ATOMIC_RELAXED);
    if (next == prev)
        slot_clear(wheel, next);
    return true;
}

struct edo_wheel_node *edo_wheel_expire(struct edo_wheel *wheel, int64_t now)
{
    uint64_t until = tick_before(now);

    while (wheel->levels) {
        unsigned level = (unsigned)__builtin_ctz(wheel->levels);
        unsigned slot = (unsigned)__builtin_ctzll(wheel->in_use[level]);
        struct edo_wheel_node *head = &wheel->slots[level][slot];
        uint64_t tick = slot_start(wheel, level, slot);
        uint64_t earliest;

        if (tick > until)
            break;
        if (level == 0) {
            struct edo_wheel_node *node = head->next;

            wheel->position = tick;
            edo_wheel_remove(wheel, node);
            return node;
        }
        /* Nothing is in the levels beneath: straight on to the slot's first deadline, past all that is empty. */
        earliest = tick_after(head->deadline);
        wheel->position = earliest < until ? earliest : until;
        spread(wheel, head);
    }
    /* Short of the first slot in use no node changes its place. */
    if (wheel->position < until)
        wheel->position = until;
    return NULL;
}

int64_t edo_wheel_next(const struct edo_wheel *wheel)
{
    unsigned level, slot;
    int64_t deadline;
    uint64_t tick;

    if (!wheel->levels)
        return INT64_MAX;
    level = (unsigned)__builtin_ctz(wheel->levels);
    slot = (unsigned)__builtin_ctzll(wheel->in_use[level]);
    deadline = wheel->slots[level][slot].deadline;
    tick = tick_after(deadline);
    /* The last tick lies past the end of the clock. */
    return tick > INT64_MAX >> EDO_WHEEL_TICK_BITS ? deadline : (int64_t)(tick << EDO_WHEEL_TICK_BITS);
}

/* --- Checking
 * ----------------------------------------------------------------------------------------------------- */

static void require(bool holds, const char *rule, unsigned level, unsigned slot)
{
    if (holds)
        return;
    fprintf(stderr, "edo: timing wheel, level %u, slot %u: broken: %s\n", level, slot, rule);
    abort();
}

static size_t slot_validate(const struct edo_wheel *wheel, unsigned level, unsigned slot)
{
    const struct edo_wheel_node *head = &wheel->slots[level][slot], *node = head;
    size_t count = 0;

    for (;;) {
        uint64_t tick;

        require(node->next && node->next->prev == node, "neighbours know each other", level, slot);
        node = node->next;
        if (node == head)
            break;
        count++;
        require(count <= wheel->count, "no more nodes than counted", level, slot);
        require(head->deadline <= node->deadline, "a slot's bound is below its deadlines", level, slot);
        tick = tick_after(node->deadline);
        if (tick < wheel->position)
            tick = wheel->position;
        require(level_of(tick, wheel->position) == level && digit_of(tick, level) == slot, "a node is in its place",
                level, slot);
    }
    if (count == 0)
        require(head->deadline == INT64_MAX && head->prev == head, "an empty slot is as new", level, slot);
    require((wheel->in_use[level] >> slot & 1) == (count > 0), "the bit tells whether the slot is in use", level, slot);
    return count;
}

void edo_wheel_validate(const struct edo_wheel *wheel)
{
    size_t count = 0;

    for (unsigned level = 0; level < EDO_WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < EDO_WHEEL_SLOTS; slot++)
            count += slot_validate(wheel, level, slot);
        require((wheel->levels >> level & 1) == (wheel->in_use[level] != 0),
                "the bit tells whether the level is in use", level, 0);
    }
    require(count == wheel->count, "as many nodes as counted", 0, 0);
}
