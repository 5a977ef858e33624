/* SPDX-License-Identifier: MIT */
/*
 * A hierarchical timing wheel: timers in O(1), whatever their number.
 *
 * Time is cut into ticks of 1,024 ns. A tick is a number of nine digits to the base 64; level L of the wheel
 * has one slot for each value of digit L, and together the levels span all of int64_t, so that no deadline is
 * too far.
 *
 * Invariant: a node's level is the highest digit in which its tick differs from `position`, its slot there
 * that digit of its tick; a deadline that has passed counts as tick `position`. It follows that every node of
 * a level comes before every node of the next, that no slot behind the position is in use, that equal ticks
 * share a slot, and that the slot of `position` on level 0 holds what is due. edo_wheel_expire alone moves
 * the position, and whenever it enters a slot of a level above 0, it spreads that slot over the levels
 * beneath, in order.
 *
 * Each slot remembers a lower bound of its deadlines, exact until a node is removed early, and exact again
 * after the slot has been spread or has fallen empty. So the next wake-up is known without a search, and a
 * long sleep is one sleep.
 *
 * A slot with a node has its bit in `in_use`; one that has fallen empty keeps it until expire or next come
 * across it, or a node is added again, so that adding and removing are a few stores. What they clear was set
 * by an add: O(1) for each of those.
 *
 * Beside the slots there is a ring of nodes that have expired and were given back (edo_wheel_hold), because who is to
 * see to them can't at once. They are linked like the others, so removing need not ask which they are.
 *
 * Single owner: no locks, no atomics; the caller sees to exclusion. Nodes belong to their users, who must not
 * move or free them while armed. The wheel points into itself and must not be moved.
 */
#ifndef EDO_RUNTIME_WHEEL_H
#define EDO_RUNTIME_WHEEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EDO_WHEEL_TICK_BITS = 10, /* a tick is 1 << 10 ns */
    EDO_WHEEL_DIGIT_BITS = 6,
    EDO_WHEEL_SLOTS = 1 << EDO_WHEEL_DIGIT_BITS,
    EDO_WHEEL_LEVELS = 9 /* 9 * 6 bits hold the 54 of the last tick, 2^53 */
};

/* A timer. All zero is a node that is not armed. */
struct edo_wheel_node {
    struct edo_wheel_node *next; /* NULL: not armed */
    struct edo_wheel_node *prev; /* meaningless unless armed */
    int64_t deadline;            /* ns, as given to edo_wheel_add; stays readable after expiry and removal */
};

struct edo_wheel {
    uint64_t position;                 /* the tick up to which time has been handled */
    size_t count;                      /* of armed nodes */
    uint32_t levels;                   /* bit L: in_use[L] is not 0 */
    uint64_t in_use[EDO_WHEEL_LEVELS]; /* bit S: slot S of this level has a node, or had one */
    /* Heads of rings. A head's `deadline` is a lower bound of its nodes' deadlines, if it has any. */
    struct edo_wheel_node slots[EDO_WHEEL_LEVELS][EDO_WHEEL_SLOTS];
    struct edo_wheel_node held; /* head of the ring of those that were given back: edo_wheel_hold */
};

/* Makes an empty wheel whose time is `now` (ns, on the clock of the deadlines; negative counts as 0). */
void edo_wheel_init(struct edo_wheel *wheel, int64_t now);

static inline bool edo_wheel_node_armed(const struct edo_wheel_node *node)
{
    return node->next != NULL;
}

static inline uint64_t edo_wheel_round_up(uint64_t time)
{
    return (time + (1 << EDO_WHEEL_TICK_BITS) - 1) >> EDO_WHEEL_TICK_BITS;
}

/* The first tick at or after a deadline. */
static inline uint64_t edo_wheel_tick_after(int64_t deadline)
{
    return deadline <= 0 ? 0 : edo_wheel_round_up((uint64_t)deadline);
}

/* The highest digit in which two ticks differ, 0 if they are equal. */
static inline unsigned edo_wheel_level(uint64_t tick, uint64_t position)
{
    uint64_t difference = (tick ^ position) | (EDO_WHEEL_SLOTS - 1);

    return (63 - (unsigned)__builtin_clzll(difference)) / EDO_WHEEL_DIGIT_BITS;
}

static inline unsigned edo_wheel_digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> level * EDO_WHEEL_DIGIT_BITS) & (EDO_WHEEL_SLOTS - 1);
}

/* Puts a node where its deadline belongs, seen from the position. */
static inline void edo_wheel_place(struct edo_wheel *wheel, struct edo_wheel_node *node, int64_t deadline)
{
    uint64_t position = wheel->position, tick = position;
    struct edo_wheel_node *head, *last;
    unsigned level, slot;

    if (__builtin_expect(deadline > (int64_t)(position << EDO_WHEEL_TICK_BITS), 1))
        tick = edo_wheel_round_up((uint64_t)deadline);
    level = edo_wheel_level(tick, position);
    slot = edo_wheel_digit(tick, level);
    head = &wheel->slots[level][slot];
    __asm__("" : "+r"(head)); /* computed once: compilers would for each use anew */
    last = head->prev;
    node->deadline = deadline;
    node->next = head;
    head->prev = node; /* between the two, or compilers make one wide store of them by a detour */
    node->prev = last;
    last->next = node;
    if (__builtin_expect(last == head, 0)) {
        head->deadline = deadline;
        wheel->in_use[level] |= UINT64_C(1) << slot;
        wheel->levels |= UINT32_C(1) << level;
    } else if (deadline < head->deadline) {
        head->deadline = deadline;
    }
}

/*
 * Arms a node, which must not be armed. Any deadline will do: one in the past is due at the next expire,
 * after what became due before it was added; EDO_FOREVER is never due.
 */
static inline void edo_wheel_add(struct edo_wheel *wheel, struct edo_wheel_node *node, int64_t deadline)
{
    assert(!edo_wheel_node_armed(node));
    edo_wheel_place(wheel, node, deadline);
    __atomic_store_n(&wheel->count, wheel->count + 1, __ATOMIC_RELAXED); /* edo_metrics_read looks at it */
}

/* Disarms a node of this wheel. Answers whether it was armed: false means that it has expired, or never was. */
static inline bool edo_wheel_remove(struct edo_wheel *wheel, struct edo_wheel_node *node)
{
    struct edo_wheel_node *next = node->next, *prev = node->prev;

    if (!next)
        return false;
    /*
     * Where many are removed in the order they were added, that one's turn as a neighbour comes soon, and it is cold.
     */
    __builtin_prefetch(next->next, 1);
    prev->next = next;
    next->prev = prev;
    node->next = NULL;
    __atomic_store_n(&wheel->count, wheel->count - 1, __ATOMIC_RELAXED);
    return true;
}

/*
 * Disarms one node that is due and returns it; NULL when none is due. Call it until NULL. Never early, at
 * most one tick late; ticks come in order, nodes of one tick in the order they were added. `now` does not go
 * back; if it does, nothing is due until it has caught up. Nodes may be added and removed between calls: what
 * is added with a deadline at or before `now` comes in this same round, so a timer that always rearms itself
 * in the past never lets the round end.
 */
struct edo_wheel_node *edo_wheel_expire(struct edo_wheel *wheel, int64_t now);

/*
 * Gives back a node that has expired, for who can't see to it at once: it counts as armed, and edo_wheel_remove takes
 * it out, but it does not expire again. edo_wheel_held: the one that was given back first, NULL if there is none.
 */
static inline void edo_wheel_hold(struct edo_wheel *wheel, struct edo_wheel_node *node)
{
    struct edo_wheel_node *head = &wheel->held, *last = head->prev;

    assert(!edo_wheel_node_armed(node));
    node->next = head;
    node->prev = last;
    head->prev = node;
    last->next = node;
    __atomic_store_n(&wheel->count, wheel->count + 1, __ATOMIC_RELAXED);
}

static inline struct edo_wheel_node *edo_wheel_held(const struct edo_wheel *wheel)
{
    return wheel->held.next != &wheel->held ? wheel->held.next : NULL;
}

/*
 * The time to wake at: the earliest deadline, rounded up to its tick; EDO_FOREVER when no node is armed, but held ones.
 * It may be earlier than that if the node that was earliest of its slot was removed, and is never later. After
 * edo_wheel_expire has returned NULL, it lies after that call's `now`.
 */
int64_t edo_wheel_next(struct edo_wheel *wheel);

/* For tests and debugging: checks every invariant of the wheel in O(count), and aborts with a message. */
void edo_wheel_validate(const struct edo_wheel *wheel);

#endif
