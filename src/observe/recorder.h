/* SPDX-License-Identifier: MIT */
/*
 * Reading the flight recorder (runtime/record.h), and telling it as text. All of it works in a signal handler, but for
 * the names of tasks that the caller may look up: it takes no lock, allocates nothing, formats by itself.
 */
#ifndef EDO_OBSERVE_RECORDER_H
#define EDO_OBSERVE_RECORDER_H

#include "runtime/runtime.h"

/* A copy of what a worker did last: entries first to end, each in its place by the ring's size. */
struct edo_record {
    uint64_t first_run;
    uint64_t end_run;
    uint64_t first_note;
    uint64_t end_note;
    uint64_t first_spawn; /* of those that the worker has made; that one's task has the number above it */
    uint64_t end_spawn;
    uint64_t number; /* of its task 0, which there is not */
    uint64_t runs[EDO_RUNS_KEPT];
    struct {
        uint64_t what;
        uint64_t ticks;
        uint64_t value;
    } notes[EDO_NOTES_KEPT];
    uint64_t spawns[EDO_SPAWNS_KEPT];
};

/* Everything whole that is there; of notes alone. */
void edo_record_read(struct edo_record *out, struct edo_worker *worker);
void edo_record_read_notes(struct edo_record *out, struct edo_notes *notes);

static inline int edo_record_kind(const struct edo_record *record, uint64_t note)
{
    return (int)(record->notes[note % EDO_NOTES_KEPT].what >> EDO_NOTE_KIND_SHIFT);
}

/* The count of switches at that moment: runs before that number had begun by then. */
static inline uint64_t edo_record_switches(const struct edo_record *record, uint64_t note)
{
    return record->notes[note % EDO_NOTES_KEPT].what & ((UINT64_C(1) << EDO_NOTE_KIND_SHIFT) - 1);
}

/* The count of switches at that spawn: it was in the run before that number. */
static inline uint64_t edo_record_spawned_at(const struct edo_record *record, uint64_t spawn)
{
    return record->spawns[spawn % EDO_SPAWNS_KEPT];
}

/*
 * Text, gathered by the line. Full lines, and what is left at the end, go to `put`; what it fails with first is kept.
 */
struct edo_teller {
    int (*put)(struct edo_teller *teller, const char *text, size_t size);
    int fd; /* for edo_teller_put_raw */
    int rc;
    size_t used;
    char text[1024];
};

void edo_tell(struct edo_teller *teller, const char *text);
void edo_tell_number(struct edo_teller *teller, uint64_t number);
void edo_tell_flush(struct edo_teller *teller);

/* Writes to teller->fd, past the platform's table. */
int edo_teller_put_raw(struct edo_teller *teller, const char *text, size_t size);

/* What the runtime's workers did last: so many events of each. `record` is for its use. */
void edo_tell_record(struct edo_teller *teller, struct edo_record *record, struct edo_runtime *runtime, int events);

/* $EDO_CRASH_REPORT; see crash.c. At each edo_run. */
void edo_crash_environment(void);

#endif
