/* SPDX-License-Identifier: MIT */
/*
 * What a dump knows, for the files that collect it, print it, and look for rings in it. Also for the report of a seeded
 * run that cannot go on (src/testing/deadlock.c).
 *
 * A dump is a picture that was taken without stopping anybody: records of tasks and scopes, and of what the tasks wait
 * for. Nothing in it points to what is still alive but what says so; pointers to blocks and scopes are names, to be
 * compared. Texts are looked at when they are printed, by edo_peek. All of it lies in memory that was mapped for it,
 * and belongs to whoever has called edo_dump_take; no locks.
 */
#ifndef EDO_OBSERVE_DUMP_H
#define EDO_OBSERVE_DUMP_H

#include "runtime/runtime.h"

#include <edo/dump.h>

#define EDO_NONE UINT32_MAX /* an index of nothing */

enum edo_dump_state {
    EDO_DUMP_GONE = 0, /* it has ended meanwhile: not to be shown */
    EDO_DUMP_RUNS,
    EDO_DUMP_REGION, /* runs in a blocking region */
    EDO_DUMP_READY,
    EDO_DUMP_NEW, /* ready, and has not run yet */
    EDO_DUMP_WAITS
};

enum edo_dump_what {
    EDO_WAIT_SOURCE = 1, /* readiness of a stream, a listener, datagrams, a descriptor */
    EDO_WAIT_JOIN,       /* the end of task `other` */
    EDO_WAIT_LINE,       /* in the line of `object`, of enum edo_parked_kind; `other` holds it, if that is known */
    EDO_WAIT_MEETING,    /* at `object`, of enum edo_meeting_kind */
    EDO_WAIT_TIME,       /* until `until` */
    EDO_WAIT_JOB,        /* the end of a blocking job, whose function is `object` */
    EDO_WAIT_SCOPE,      /* the tasks in the scope `other`, an index */
    EDO_WAIT_DESCRIPTOR, /* a free one, to accept with */
    EDO_WAIT_UNKNOWN     /* something that is written down nowhere; `object` is where it stands, a return address */
};

struct edo_dump_wait {
    uint32_t next; /* the same task's: of several the first to come */
    uint8_t what;  /* enum edo_dump_what */
    uint8_t kind;
    uint8_t direction; /* EDO_OUT: to write, to send */
    bool datagrams;
    bool queued; /* a job that has not begun */
    int fd;
    const void *object;
    uint64_t other; /* also the mark of a source (runtime/poller.h): which use of it it is */
    uint32_t local; /* texts of addresses, in dump->texts; 0: none */
    uint32_t remote;
    const char *beneath; /* what kind of stream, if it is no socket: static text of this library; NULL */
};

struct edo_dump_task {
    struct edo_task *block;
    uint64_t id;
    const struct edo_scope_body *home;
    const edo_site *site;
    const char *name;
    int64_t until;   /* of the wait; EDO_FOREVER */
    int64_t spawned; /* when; EDO_FOREVER: not known */
    uint64_t polls;  /* with .metrics: its turns, and the time in them, ns; estimates, 0 where nothing is known */
    int64_t busy;
    uint32_t scopes; /* that it has opened, from outside in: so many from here */
    uint32_t scope_count;
    uint32_t parent; /* the scope it is in; EDO_NONE: the root task, or one whose scope was not seen */
    uint32_t next;   /* in that scope */
    uint32_t wait;   /* the first of what it waits for */
    uint32_t frames; /* in dump->frames */
    uint8_t frame_count;
    bool frames_whole;
    bool printed;
    uint8_t flags;    /* enum edo_task_flags */
    uint8_t state;    /* enum edo_dump_state */
    uint8_t warnings; /* enum edo_warning */
    int16_t worker;   /* on which it runs; -1: on none */
    bool started;     /* it has a stack, or had one and is dormant */
};

struct edo_dump_scope {
    const struct edo_scope_body *body;
    const edo_site *site;
    const char *name;
    const edo_site *cancel_site;
    int64_t deadline;
    int64_t live;
    uint32_t flags; /* enum edo_scope_flags */
    uint32_t owner; /* index of a task */
    uint32_t first; /* tasks in it, by their numbers */
    uint32_t last;
};

struct edo_dump_array {
    void *items;
    size_t count;
    size_t capacity; /* items */
};

struct edo_dump {
    struct edo_runtime *runtime;         /* alive while the dump is taken, and no longer */
    const struct edo_platform *platform; /* the one in force, or the system's, where that is another thread's */
    uint64_t number;                     /* of the runtime in its process */
    int workers;
    int64_t now;
    uint64_t id_mask; /* which part of the tasks' numbers is shown */
    bool backtraces;
    bool addresses; /* descriptors may be asked for them */
    int rc;         /* 0, -ENOMEM */
    struct edo_dump_array tasks;
    struct edo_dump_array scopes;
    struct edo_dump_array waits;
    struct edo_dump_array texts;
    struct edo_dump_array frames;
    struct edo_dump_array order;  /* indices of tasks, by their numbers */
    struct edo_dump_array places; /* a hash: indices of tasks by their blocks */
    struct edo_dump_array scratch;
    struct edo_dump_array walker; /* one, with backtraces */
};

static inline struct edo_dump_task *edo_dump_task(const struct edo_dump *dump, uint32_t index)
{
    return &((struct edo_dump_task *)dump->tasks.items)[index];
}

static inline struct edo_dump_scope *edo_dump_scope(const struct edo_dump *dump, uint32_t index)
{
    return &((struct edo_dump_scope *)dump->scopes.items)[index];
}

static inline struct edo_dump_wait *edo_dump_wait(const struct edo_dump *dump, uint32_t index)
{
    return &((struct edo_dump_wait *)dump->waits.items)[index];
}

/* The i-th by number. */
static inline struct edo_dump_task *edo_dump_nth(const struct edo_dump *dump, size_t i)
{
    return edo_dump_task(dump, ((uint32_t *)dump->order.items)[i]);
}

static inline const char *edo_dump_text_at(const struct edo_dump *dump, uint32_t at)
{
    return at ? (const char *)dump->texts.items + at : NULL;
}

/* The scope whose cancellation and deadline are the task's: NULL if it was not seen. */
const struct edo_dump_scope *edo_dump_innermost(const struct edo_dump *dump, const struct edo_dump_task *task);

/* --- dump.c ------------------------------------------------------------------------------------------------------- */

/*
 * The table that the calling thread may use: the system's where it runs none of a runtime's tasks, as a test's may be
 * that of one thread alone.
 */
const struct edo_platform *edo_dump_platform(void);

/* Reads and checks what edo_dump was given: 0, or its error. */
int edo_dump_options_check(edo_dump_options *options, const edo_dump_options *given);

/* --- dump_collect.c ----------------------------------------------------------------------------------------------- */

/*
 * Fills in a dump that is zero but for backtraces, addresses and id_mask. From a task of the runtime, or from where the
 * runtime cannot end meanwhile; INSIDE only when nothing else runs. 0, -ENOMEM. Then edo_dump_finish, in any case.
 */
int edo_dump_take(struct edo_dump *dump, struct edo_runtime *runtime);
void edo_dump_finish(struct edo_dump *dump);

/* Empties one, which is then filled in anew, in the same memory. */
void edo_dump_reset(struct edo_dump *dump);

/* Room for `count` more items: 0, -ENOMEM (also in dump->rc). */
int edo_dump_reserve(struct edo_dump *dump, struct edo_dump_array *array, size_t count, size_t size);

/* The index of the task with that block, or that number; EDO_NONE. */
uint32_t edo_dump_find_block(const struct edo_dump *dump, const struct edo_task *block);
uint32_t edo_dump_find(const struct edo_dump *dump, uint64_t id);

/* --- dump_waits.c ------------------------------------------------------------------------------------------------- */

/* What the collected tasks wait for, and in what state they are. */
void edo_dump_take_waits(struct edo_dump *dump);

/* --- dump_facts.c ------------------------------------------------------------------------------------------------- */

/* When they were spawned, and what was sampled of them. */
void edo_dump_take_facts(struct edo_dump *dump);

/* How old the task is, ns, as far as that is known; -1: it is not. */
int64_t edo_dump_age(const struct edo_dump *dump, const struct edo_dump_task *task);

/* --- dump_cycles.c ------------------------------------------------------------------------------------------------ */

/*
 * Calls found(context, tasks, count) for each ring of tasks in which each waits for the next, and the last for the
 * first, with nothing that would end that wait by itself. No task is in two of those that are told.
 */
int edo_dump_cycles(struct edo_dump *dump, void (*found)(void *context, const uint32_t *tasks, size_t count),
                    void *context);

#endif
