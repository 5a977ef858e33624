/* SPDX-License-Identifier: MIT */
/*
 * The word that settles parking against waking: RUNNING, PARKED or NOTIFIED.
 *
 *    RUNNING --park: the next flow, when the task's registers are saved--> PARKED
 *    any     --notify--> NOTIFIED; whoever finds PARKED puts the task into a queue, nobody else does
 *    NOTIFIED --run: the task, once it runs again--> RUNNING
 *
 * So a wake is never lost and never queues a task twice. It may be late (the task went on for another reason): every
 * park stands in a loop that asks for its condition again.
 *
 * Orders: all seq_cst. A waker sets a flag and then notifies; the task takes the notification and then reads the flag.
 * If its taking were a plain store, it could be overtaken by that read, and wipe out a notification whose flag it has
 * not seen. Publishing hands over the task's memory, taking it receives what the waker wrote. tests/models/test_park.c
 * goes through every order.
 */
#ifndef EDO_RUNTIME_PARK_WORD_H
#define EDO_RUNTIME_PARK_WORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum edo_wake { EDO_WAKE_RUNNING = 0, EDO_WAKE_NOTIFIED, EDO_WAKE_PARKED };

/* The task itself, before it is switched away from: whether it need not park at all. */
static inline bool edo_park_word_notified(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed) == EDO_WAKE_NOTIFIED;
}

/* The next flow: from now on the task may be woken. False: it has been notified, and is the caller's to queue. */
static inline bool edo_park_word_park(_Atomic uint32_t *word)
{
    uint32_t expected = EDO_WAKE_RUNNING;

    return atomic_compare_exchange_strong_explicit(word, &expected, EDO_WAKE_PARKED, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

/* A waker. True: it was parked, and is the caller's to queue. */
static inline bool edo_park_word_notify(_Atomic uint32_t *word)
{
    return atomic_exchange_explicit(word, EDO_WAKE_NOTIFIED, memory_order_seq_cst) == EDO_WAKE_PARKED;
}

/* The task, which runs again: takes the notification and, with it, what its sender wrote. */
static inline void edo_park_word_run(_Atomic uint32_t *word)
{
    atomic_exchange_explicit(word, EDO_WAKE_RUNNING, memory_order_seq_cst);
}

#endif
