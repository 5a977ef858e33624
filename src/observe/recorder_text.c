/* SPDX-License-Identifier: MIT */
/* The flight recorder as text. See recorder.h. */
#include "observe/recorder.h"
#include "platform/platform.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Pieces ------------------------------------------------------------------------------------------------------- */

int edo_teller_put_raw(struct edo_teller *teller, const char *text, size_t size)
{
    while (size > 0) {
        long n = syscall(SYS_write, teller->fd, text, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        text += n;
        size -= (size_t)n;
    }
    return 0;
}

void edo_tell_flush(struct edo_teller *teller)
{
    if (teller->rc == 0 && teller->used > 0) {
        int rc = teller->put(teller, teller->text, teller->used);

        teller->rc = rc < 0 ? rc : 0;
    }
    teller->used = 0;
}

void edo_tell(struct edo_teller *teller, const char *text)
{
    while (*text) {
        if (teller->used == sizeof teller->text)
            edo_tell_flush(teller);
        teller->text[teller->used++] = *text++;
    }
}

static void edo_tell_padded(struct edo_teller *teller, uint64_t number, int width, char pad)
{
    char digits[24];
    size_t at = sizeof digits - 1;

    digits[at] = 0;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (at > 0 && (int)(sizeof digits - 1 - at) < width)
        digits[--at] = pad;
    edo_tell(teller, digits + at);
}

void edo_tell_number(struct edo_teller *teller, uint64_t number)
{
    edo_tell_padded(teller, number, 0, ' ');
}

/* --- Records ------------------------------------------------------------------------------------------------------ */

enum { EDO_RUNS_A_LINE = 12 };

/*
 * What was spawned in that run: " (spawns 7)", " (spawns 7 to 9)". `at`: the first that was not in an earlier one,
 * moves on.
 */
static void edo_tell_spawns(struct edo_teller *teller, const struct edo_record *record, uint64_t run, uint64_t *at)
{
    uint64_t first;

    while (*at < record->end_spawn && edo_record_spawned_at(record, *at) <= run)
        ++*at;
    first = *at;
    while (*at < record->end_spawn && edo_record_spawned_at(record, *at) == run + 1)
        ++*at;
    if (*at == first)
        return;
    edo_tell(teller, " (spawns ");
    edo_tell_number(teller, record->number + first + 1);
    if (*at > first + 1) {
        edo_tell(teller, " to ");
        edo_tell_number(teller, record->number + *at);
    }
    edo_tell(teller, ")");
}

static void edo_tell_runs(struct edo_teller *teller, const struct edo_record *record, uint64_t from, uint64_t to,
                          uint64_t *spawn)
{
    if (from < record->first_run)
        from = record->first_run;
    for (uint64_t i = from; i < to; i++) {
        edo_tell(teller, (i - from) % EDO_RUNS_A_LINE == 0 ? "                    ran " : " ");
        edo_tell_number(teller, record->runs[i % EDO_RUNS_KEPT]);
        edo_tell_spawns(teller, record, i, spawn);
        if ((i - from) % EDO_RUNS_A_LINE == EDO_RUNS_A_LINE - 1 || i + 1 == to)
            edo_tell(teller, "\n");
    }
}

/* "   -1234.567 ms  sleep". */
static void edo_tell_note(struct edo_teller *teller, const struct edo_record *record, uint64_t at,
                          const struct edo_moment *began, const struct edo_moment *now)
{
    static const char *const names[] = {"?",
                                        "looks at poller and timers",
                                        "sleeps",
                                        "wakes",
                                        "steals ",
                                        "is taken from thread ",
                                        "is given to thread ",
                                        "stalls"};
    int kind = edo_record_kind(record, at);
    uint64_t value = record->notes[at % EDO_NOTES_KEPT].value;
    int64_t ago = now->time - edo_ticks_time(record->notes[at % EDO_NOTES_KEPT].ticks, began, now);

    if (ago < 0)
        ago = 0;
    edo_tell(teller, "  -");
    edo_tell_padded(teller, (uint64_t)ago / 1000000, 8, ' ');
    edo_tell(teller, ".");
    edo_tell_padded(teller, (uint64_t)ago / 1000 % 1000, 3, '0');
    edo_tell(teller, " ms  ");
    edo_tell(teller, names[kind >= EDO_NOTE_LOOK && kind <= EDO_NOTE_STALL ? kind : 0]);
    if (kind == EDO_NOTE_STEAL) {
        edo_tell_number(teller, value >> 16);
        edo_tell(teller, " from worker ");
        edo_tell_number(teller, value & 0xffff);
    } else if (kind == EDO_NOTE_TAKEN || kind == EDO_NOTE_GIVEN) {
        edo_tell_number(teller, value);
    } else if (kind == EDO_NOTE_SLEEP && value != UINT64_MAX) {
        edo_tell(teller, " for ");
        edo_tell_number(teller, value / 1000);
        edo_tell(teller, " us at most");
    } else if (kind == EDO_NOTE_STALL) {
        edo_tell(teller, value >> 16 ? ": blocked" : ": computing");
    }
    edo_tell(teller, "\n");
}

static uint64_t edo_record_from(const struct edo_record *record, int events)
{
    uint64_t count = record->end_note - record->first_note;

    return events > 0 && count > (uint64_t)events ? record->end_note - (uint64_t)events : record->first_note;
}

static void edo_tell_worker(struct edo_teller *teller, struct edo_record *record, struct edo_worker *worker, int events,
                            const struct edo_moment *began)
{
    struct edo_moment now;
    uint64_t from;
    uint64_t ran;
    uint64_t spawn;

    edo_record_read(record, worker);
    spawn = record->first_spawn;
    now = (struct edo_moment){edo_ticks(), edo_platform_system.now()};
    edo_tell(teller, "worker ");
    edo_tell_number(teller, (uint64_t)worker->index);
    edo_tell(teller, ": ");
    edo_tell_number(teller, record->end_run);
    edo_tell(teller, record->end_run == 1 ? " turn of a task so far" : " turns of tasks so far");
    edo_tell(teller, ", the last ones by these, newest last\n");
    from = edo_record_from(record, events);
    ran = from == record->first_note ? record->first_run : edo_record_switches(record, from);
    for (uint64_t i = from; i < record->end_note; i++) {
        uint64_t switches = edo_record_switches(record, i);

        if (switches > record->end_run)
            switches = record->end_run;
        edo_tell_runs(teller, record, ran, switches, &spawn);
        ran = ran > switches ? ran : switches;
        edo_tell_note(teller, record, i, began, &now);
    }
    edo_tell_runs(teller, record, ran, record->end_run, &spawn);
}

static void edo_tell_stalls(struct edo_teller *teller, struct edo_record *record, struct edo_runtime *runtime,
                            int events)
{
    struct edo_moment now;

    edo_record_read_notes(record, &runtime->monitor.notes);
    now = (struct edo_moment){edo_ticks(), edo_platform_system.now()};
    if (record->end_note == record->first_note)
        return;
    edo_tell(teller, "stalls\n");
    for (uint64_t i = edo_record_from(record, events); i < record->end_note; i++) {
        edo_tell(teller, "worker ");
        edo_tell_number(teller, record->notes[i % EDO_NOTES_KEPT].value & 0xffff);
        edo_tell_note(teller, record, i, &runtime->began, &now);
    }
}

void edo_tell_record(struct edo_teller *teller, struct edo_record *record, struct edo_runtime *runtime, int events)
{
    edo_tell(teller, "edo: runtime ");
    edo_tell_number(teller, runtime->id_base >> 48);
    edo_tell(teller, ", what its workers did last\n");
    for (int i = 0; i < runtime->worker_count; i++)
        edo_tell_worker(teller, record, &runtime->workers[i], events, &runtime->began);
    edo_tell_stalls(teller, record, runtime, events);
    edo_tell_flush(teller);
}
