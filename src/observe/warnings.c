/* SPDX-License-Identifier: MIT */
/*
 * Warnings, and how they are judged. There must be few false ones, so each asks for more than a bad moment.
 *
 *   STALLS   The task runs, not in a blocking region, and has done so without a suspension point for .stall_after at
 *            least; or it has done so three times within the last minute. By the monitor (runtime/offenders.h), so not
 *            with .stall_after = EDO_FOREVER.
 *   ROUNDS   It yields again and again, in turns of less than 1 µs, while nothing else happens on its worker; for 100
 *            ms without a break, which were not over a second ago. By the monitor, too. Who computes between its yields
 *            is none, nor one of two that yield to each other.
 *   LOCK     It holds a mutex, or an rwlock to write, for which another task is in the line, and waits itself. That is
 *            so at the moment of the dump, and is perhaps over at once: of one dump it is a fact, of several in a row a
 *            fault. An edo_once is no lock: who initialises something may wait.
 */
#include "observe/warnings.h"
#include "runtime/offenders.h"
#include "runtime/parking.h"

enum { EDO_OFTEN_SECONDS = 60, EDO_ROUNDS_SECONDS = 1 };

static bool edo_stalls_now(const struct edo_dump *dump, const struct edo_dump_task *task,
                           const struct edo_offender *offender)
{
    return task->state == EDO_DUMP_RUNS && offender->since &&
           dump->now - offender->since >= dump->runtime->options.stall_after;
}

static bool edo_stalled_often(const struct edo_dump *dump, const struct edo_offender *offender)
{
    int64_t first = offender->ends[EDO_OFFENCES - 1];

    return first && dump->now - first < EDO_SEC(EDO_OFTEN_SECONDS);
}

static void edo_warn_of(struct edo_dump *dump, const struct edo_offender *offender)
{
    uint32_t index = offender->id ? edo_dump_find(dump, offender->id) : EDO_NONE;
    struct edo_dump_task *task;

    if (index == EDO_NONE)
        return;
    task = edo_dump_task(dump, index);
    if (edo_stalls_now(dump, task, offender) || edo_stalled_often(dump, offender))
        task->warnings |= EDO_WARNING_NEVER_YIELDS;
    if (offender->rounds && dump->now - offender->rounds < EDO_SEC(EDO_ROUNDS_SECONDS))
        task->warnings |= EDO_WARNING_WAKES_ITSELF;
}

static void edo_warn_of_holder(struct edo_dump *dump, const struct edo_dump_wait *wait)
{
    uint32_t holder;

    if (wait->what != EDO_WAIT_LINE || (wait->kind != EDO_PARKED_MUTEX && wait->kind != EDO_PARKED_RWLOCK) ||
        !wait->other)
        return;
    holder = edo_dump_find(dump, wait->other);
    if (holder != EDO_NONE && edo_dump_task(dump, holder)->state == EDO_DUMP_WAITS)
        edo_dump_task(dump, holder)->warnings |= EDO_WARNING_HOLDS_LOCK;
}

void edo_dump_take_warnings(struct edo_dump *dump)
{
    struct edo_offender offenders[EDO_OFFENDERS];

    edo_offenders_copy(offenders, &dump->runtime->monitor.offenders);
    for (int i = 0; i < EDO_OFFENDERS; i++)
        edo_warn_of(dump, &offenders[i]);
    for (size_t i = 0; i < dump->tasks.count; i++)
        for (uint32_t at = edo_dump_task(dump, (uint32_t)i)->wait; at != EDO_NONE; at = edo_dump_wait(dump, at)->next)
            edo_warn_of_holder(dump, edo_dump_wait(dump, at));
}

const char *edo_warning_text(int warning)
{
    switch (warning) {
    case EDO_WARNING_NEVER_YIELDS:
        return "keeps its thread, or often did, without a suspension point";
    case EDO_WARNING_WAKES_ITSELF:
        return "yields again and again, and waits for nothing";
    case EDO_WARNING_HOLDS_LOCK:
        return "holds a lock that others want, and waits";
    default:
        return "";
    }
}
