/* SPDX-License-Identifier: MIT */
/*
 * Tasks that keep others waiting, as the monitor has seen it: those that stall, and those that go round without
 * waiting. For dumps, which warn of them (src/observe/warnings.c). A table of so many; a new one takes the place of
 * whoever was seen least lately.
 *
 * Stalls. The monitor notes when one begins; its end is noted by the task's thread, when it learns that its worker was
 * taken, or by the monitor, where it was not. Only the end tells whether it was longer than .stall_after, as after a
 * hand-off workers are taken sooner.
 *
 * Going round (edo_goes_round). A task that is alone on its worker and calls edo_yield in a loop is given its turn
 * back, and every 61 turns its thread's own flow looks at everything, and resumes it. So for as many looks as switches,
 * with no events, and in turns of less than 1 µs of the processor each, it must be one that does that; turns that are
 * forced do not count, since whoever spends its budget calls something. Two that wait for each other switch with every
 * turn, and who computes has longer turns. The monitor asks who it is, and if it is the same for 20 looks, 100 ms, that
 * is noted.
 *
 * All under the lock, for moments; INSIDE too.
 */
#ifndef EDO_RUNTIME_OFFENDERS_H
#define EDO_RUNTIME_OFFENDERS_H

#include "platform/lock.h"

#include <stdbool.h>
#include <stdint.h>

enum { EDO_OFFENDERS = 32, EDO_OFFENCES = 3, EDO_ROUNDS_SEEN = 20, EDO_ROUND_LONGEST = 1000 /* ns */ };

struct edo_offender {
    uint64_t id;                /* of the task; 0: nobody */
    int64_t seen;               /* when something of it was noted */
    int64_t since;              /* it stalls since then; 0: it does not */
    int64_t ends[EDO_OFFENCES]; /* of its last stalls, the last one first; 0: there were less */
    int64_t rounds;             /* when it was last seen to go round; 0: never */
};

struct edo_offenders {
    struct edo_lock lock;
    struct edo_offender of[EDO_OFFENDERS];
};

/* A stall begins; it ends (nothing, if none was noted), and counts if it was at least so long; the task goes round. */
void edo_offender_stalls(struct edo_offenders *offenders, uint64_t id, int64_t since, int64_t now);
void edo_offender_goes_on(struct edo_offenders *offenders, uint64_t id, int64_t now, int64_t least);
void edo_offender_rounds(struct edo_offenders *offenders, uint64_t id, int64_t now);

/* Copies EDO_OFFENDERS of them. Any thread. */
void edo_offenders_copy(struct edo_offender *out, struct edo_offenders *offenders);

/* What a worker has counted between two looks of the monitor. */
struct edo_rounds {
    uint64_t looks;
    uint64_t switches;
    uint64_t forced; /* yields */
    uint64_t events;
};

/* Whether a task that goes round has made these, in so many ns of the processor. */
bool edo_goes_round(const struct edo_rounds *rounds, int64_t time);

#endif
