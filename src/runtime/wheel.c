/* SPDX-License-Identifier: MIT */
/*
 * The timing wheel; wheel.h says what it holds and which invariant it keeps.
 *
 * A slot's head is a node itself, and a slot that falls empty keeps its bit for a while: so a node that is
 * removed needs to know neither its level nor its slot.
 */
#include "runtime/wheel.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The last tick is that of INT64_MAX; all digits of it must have a level. */
static_assert(EDO_WHEEL_LEVELS * EDO_WHEEL_DIGIT_BITS >= 64 - EDO_WHEEL_TICK_BITS, "the levels span int64_t");
static_assert(EDO_WHEEL_SLOTS == 64, "a level's slots are the bits of a word");
static_assert(sizeof(struct edo_wheel_node) <= 40, "a node is small enough to stand in every task");

/* The last tick at or before a time. */
static inline uint64_t tick_before(int64_t time)
{
    return time <= 0 ? 0 : (uint64_t)time >> EDO_WHEEL_TICK_BITS;
}

/* The first tick of a slot that lies at or after the position. */
static inline uint64_t slot_start(const struct edo_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = level * EDO_WHEEL_DIGIT_BITS;
    uint64_t above = wheel->position >> shift >> EDO_WHEEL_DIGIT_BITS << EDO_WHEEL_DIGIT_BITS;

    return (above | slot) << shift;
}

static inline void slot_clear(struct edo_wheel *wheel, unsigned level, unsigned slot)
{
    wheel->in_use[level] &= ~(UINT64_C(1) << slot);
    if (wheel->in_use[level] == 0)
        wheel->levels &= ~(UINT32_C(1) << level);
}

/*
 * The first slot with a node: the earliest nodes of all. Clears the bits of empty ones before it. False: there is none.
 */
static inline bool first_slot(unsigned *level, unsigned *slot, struct edo_wheel *wheel)
{
    while (wheel->levels) {
        const struct edo_wheel_node *head;

        *level = (unsigned)__builtin_ctz(wheel->levels);
        *slot = (unsigned)__builtin_ctzll(wheel->in_use[*level]);
        head = &wheel->slots[*level][*slot];
        if (head->next != head)
            return true;
        slot_clear(wheel, *level, *slot);
    }
    return false;
}

/* Spreads a slot that the position has just entered over the levels beneath. These are empty, so order is
 * kept. */
static void spread(struct edo_wheel *wheel, unsigned level, unsigned slot)
{
    struct edo_wheel_node *head = &wheel->slots[level][slot];
    struct edo_wheel_node *node = head->next;

    head->next = head;
    head->prev = head;
    slot_clear(wheel, level, slot);
    while (node != head) {
        struct edo_wheel_node *next = node->next;

        __builtin_prefetch(next->next);
        edo_wheel_place(wheel, node, node->deadline);
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
    }
    wheel->held.next = wheel->held.prev = &wheel->held;
}

struct edo_wheel_node *edo_wheel_expire(struct edo_wheel *wheel, int64_t now)
{
    uint64_t until = tick_before(now);
    unsigned level, slot;

    while (first_slot(&level, &slot, wheel)) {
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
        earliest = edo_wheel_tick_after(head->deadline);
        wheel->position = earliest < until ? earliest : until;
        spread(wheel, level, slot);
    }
    /* Short of the first slot in use no node changes its place. */
    if (wheel->position < until)
        wheel->position = until;
    return NULL;
}

int64_t edo_wheel_next(struct edo_wheel *wheel)
{
    unsigned level, slot;
    int64_t deadline;
    uint64_t tick;

    if (!first_slot(&level, &slot, wheel))
        return INT64_MAX;
    deadline = wheel->slots[level][slot].deadline;
    tick = edo_wheel_tick_after(deadline);
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
        tick = edo_wheel_tick_after(node->deadline);
        if (tick < wheel->position)
            tick = wheel->position;
        require(edo_wheel_level(tick, wheel->position) == level && edo_wheel_digit(tick, level) == slot,
                "a node is in its place", level, slot);
    }
    require((wheel->in_use[level] >> slot & 1) || count == 0, "a slot with a node has its bit", level, slot);
    return count;
}

static size_t held_validate(const struct edo_wheel *wheel)
{
    const struct edo_wheel_node *node = &wheel->held;
    size_t count = 0;

    for (;;) {
        require(node->next && node->next->prev == node, "neighbours that are held know each other", 0, 0);
        node = node->next;
        if (node == &wheel->held)
            return count;
        count++;
        require(count <= wheel->count, "no more nodes held than counted", 0, 0);
    }
}

void edo_wheel_validate(const struct edo_wheel *wheel)
{
    size_t count = held_validate(wheel);

    for (unsigned level = 0; level < EDO_WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < EDO_WHEEL_SLOTS; slot++)
            count += slot_validate(wheel, level, slot);
        require((wheel->levels >> level & 1) == (wheel->in_use[level] != 0),
                "the bit tells whether the level has slots in use", level, 0);
    }
    require(count == wheel->count, "as many nodes as counted", 0, 0);
}
