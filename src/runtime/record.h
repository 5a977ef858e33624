/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder: what each worker did last, noted always, so that it is there when something went wrong.
 * src/observe reads it.
 *
 * A run of a task is one word, the task's number, in a ring whose index is the count of switches that the worker keeps
 * anyway: three instructions a switch. It has no time. Times stand with the events, which are fewer: the looks at
 * poller and timers (every 61 turns), sleeps, steals, hand-offs. Each has the count of switches at its moment, which
 * tells between which runs it was; so a run's time lies between those of two events.
 *
 * A spawn is one word, too: the count of switches, in a ring whose index is the task's number, which each worker counts
 * up anyway. So it was in the turn before that count, of the task that is noted there. That is four instructions a
 * spawn. A spawn that was refused at last has its number, and is noted.
 *
 * Wakes are not noted: there is no count of them to be had for nothing, so it would be four instructions with every
 * event of a server, nearly as much as all the rest of a switch's; and a wake's effect, the run, is noted. A trace has
 * them (tracing.h).
 *
 * Writers. The one who is INSIDE the worker, or who has just taken it (handoff.c); of the monitor's own ring, the
 * monitor.
 *
 * Readers are anybody, at any time, a signal handler too; writers never wait for them. Each word is stored before the
 * count that covers it is raised, all of them by release stores. A reader loads the count (acquire), copies words
 * (relaxed), fences (acquire) and loads the count again. Whatever word it saw, it then sees the count that was there
 * before that word was stored: so of what it copied the entries are whole that are younger than that count less the
 * ring's size, and the others it drops (edo_record_first).
 */
#ifndef EDO_RUNTIME_RECORD_H
#define EDO_RUNTIME_RECORD_H

#include "platform/ticks.h"

#include <stdatomic.h>

enum { EDO_RUNS_KEPT = 1024, EDO_NOTES_KEPT = 256, EDO_SPAWNS_KEPT = 256 };

enum edo_note_kind {
    EDO_NOTE_LOOK = 1, /* at poller and timers, between tasks */
    EDO_NOTE_SLEEP,    /* begins; value: for how long at most, ns, -1 for ever */
    EDO_NOTE_WOKE,
    EDO_NOTE_STEAL, /* value: how many tasks, << 16, and of which worker */
    EDO_NOTE_TAKEN, /* from the thread whose number is the value: the task that ran there goes on without the worker */
    EDO_NOTE_GIVEN, /* to a thread that has pinned tasks; value: its number */
    EDO_NOTE_STALL  /* in the monitor's ring; value: the worker's index, and 1 << 16 for one that is blocked */
};

enum { EDO_NOTE_KIND_SHIFT = 56 };

struct edo_note {
    _Atomic uint64_t what; /* kind << 56 | the worker's count of switches */
    _Atomic uint64_t ticks;
    _Atomic uint64_t value;
};

struct edo_notes {
    _Atomic uint64_t count; /* so far */
    struct edo_note kept[EDO_NOTES_KEPT];
};

/* Returns the time it noted. Models in tests, to whom a clock is one state more each time, have none. */
static inline uint64_t edo_notes_add(struct edo_notes *notes, int kind, uint64_t switches, uint64_t value)
{
#ifdef EDO_NO_RECORD
    (void)notes, (void)kind, (void)switches, (void)value;
    return 0;
#else
    uint64_t count = atomic_load_explicit(&notes->count, memory_order_relaxed);
    struct edo_note *note = &notes->kept[count % EDO_NOTES_KEPT];
    uint64_t ticks = edo_ticks();

    atomic_store_explicit(&note->what, (uint64_t)kind << EDO_NOTE_KIND_SHIFT | switches, memory_order_release);
    atomic_store_explicit(&note->ticks, ticks, memory_order_release);
    atomic_store_explicit(&note->value, value, memory_order_release);
    atomic_store_explicit(&notes->count, count + 1, memory_order_release);
    return ticks;
#endif
}

/*
 * The first entry of a copy that is whole, where `count` was read behind it. The entry after the last counted one may
 * have been half written already, in the place of an old one.
 */
static inline uint64_t edo_record_first(uint64_t count, uint64_t kept)
{
    return count < kept ? 0 : count + 1 - kept;
}

#endif
