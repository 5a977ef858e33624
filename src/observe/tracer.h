/* SPDX-License-Identifier: MIT */
/*
 * A trace that is on: what workers say goes into a ring of each, and a thread of its own writes it down. See
 * runtime/tracing.h for how they come to say it, trace.c for how a trace begins and ends, trace_json.c for what is
 * written.
 *
 * A ring has one writer, who is INSIDE the worker, or has just taken it, and one reader, who holds edo_tracer.lock:
 * head and tail are released by the one and acquired by the other. When it is full what comes is dropped, and counted:
 * nobody waits for the disk. What no worker says goes into one more ring, whose writers take its lock. Rings stay with
 * their runtime when a trace ends, for those who still write then; what is older than the trace is not written.
 */
#ifndef EDO_OBSERVE_TRACER_H
#define EDO_OBSERVE_TRACER_H

#include "observe/dump_out.h"
#include "runtime/runtime.h"

#include <edo/trace.h>

struct edo_traced {
    uint64_t begin; /* by edo_ticks */
    uint64_t end;   /* of what lasts */
    uint64_t task;
    uint64_t value; /* as in enum edo_traced_kind; of wakes and spawns: the task that did it, 0: none */
    uint64_t other;
    const char *name;
    const edo_site *site;
    uint32_t number; /* of a wake, or of the one that a run is due to; 0: none */
    uint8_t kind;    /* enum edo_traced_kind */
    bool ended;      /* a run: the task has ended with it */
    uint16_t worker; /* its track; what is said by no worker has EDO_NO_WORKER */
    int kept_by;     /* a run: the worker was taken from this thread meanwhile; else 0 */
};

enum { EDO_NO_WORKER = UINT16_MAX };

struct edo_trace_ring {
    _Atomic uint64_t head; /* written so far */
    _Atomic uint64_t dropped;
    struct edo_task *leaving;                           /* who runs, or has just let go: for the writer */
    _Atomic uint64_t tail __attribute__((aligned(64))); /* read so far */
    uint64_t counted;                                   /* of the dropped ones. The reader's */
    uint64_t room;                                      /* a power of two */
    struct edo_traced *kept;
};

/* What a trace knows of a runtime; from the first trace that meets it to its end. */
struct edo_traced_runtime {
    struct edo_traced_runtime *next;
    struct edo_runtime *runtime;
    size_t size;            /* of the mapping that it lies in, with its rings */
    bool named;             /* in the trace that is on */
    _Atomic uint32_t wakes; /* numbered so far */
    uint32_t first_wake;    /* up to here they belong to an earlier trace */
    struct edo_lock lock;   /* for the writers of the last ring */
    int workers;
    struct edo_trace_ring rings[]; /* one a worker, and one */
};

/* --- trace_json.c ------------------------------------------------------------------------------------------------- */

struct edo_trace_clock {
    struct edo_moment begin;
    struct edo_moment later; /* when the rate was measured */
};

/* What ends the array of events. */
#define EDO_TRACE_JSON_END "\n]\n"

void edo_trace_json_begin(struct edo_out *out);

/* The names of a runtime's tracks; what its rings have; its counters at this moment. */
void edo_trace_json_names(struct edo_out *out, const struct edo_traced_runtime *traced);
void edo_trace_json_event(struct edo_out *out, const struct edo_traced_runtime *traced, const struct edo_traced *event,
                          const struct edo_trace_clock *clock);
void edo_trace_json_counters(struct edo_out *out, const struct edo_traced_runtime *traced, uint64_t ticks,
                             const struct edo_trace_clock *clock);

/* The last event, if some had no room. */
void edo_trace_json_dropped(struct edo_out *out, uint64_t dropped, uint64_t ticks, const struct edo_trace_clock *clock);

/* --- trace_file.c ------------------------------------------------------------------------------------------------- */

/* $EDO_TRACE_FILE, begun for the `number`th time: 0; why it cannot be written is said on stderr, and returned. */
int edo_trace_file_open(const char *name, int number);

/* As in edo_trace_options: what lies on the disk is whole JSON each time. */
int edo_trace_file_write(void *none, const char *text, size_t size);

/* `rc`: what edo_trace_file_write has failed with, if it has, which is said on stderr. */
void edo_trace_file_close(int rc);

/* --- trace_note.c ------------------------------------------------------------------------------------------------- */

extern const struct edo_tracing edo_tracing_on __attribute__((visibility("hidden")));

#endif
