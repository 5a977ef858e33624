/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: what edo_dump tells (edo/dump.h) as values instead of text, of all runtimes of the process; for programs
 * that show it in their own way, as the console does (edo/console.h).
 *
 *     edo_snapshot *snapshot EDO_AUTO(edo_snapshot_free) = NULL;
 *     edo_snapshot_task task = {.size = sizeof task};
 *
 *     edo_snapshot_take(&snapshot);
 *     for (size_t i = 0; edo_snapshot_get_task(&task, snapshot, 0, i) == 0; i++)
 *         printf("%" PRIu64 " %s\n", task.id, task.name);
 *
 * As for a dump, nobody is stopped, and each task is seen as it was at some moment while the snapshot was taken.
 * 100,000 tasks take some hundredths of a second of the calling thread's, and some 30 MB.
 *
 * Runtimes, and in each of them tasks, scopes and waits, are counted from 0. Structs that are filled in have their size
 * first, which the caller sets; a getter returns 0, -EINVAL for an index behind the last, -E2BIG for a size of no
 * version up to this one. Texts and sites belong to the snapshot: they are good until it is taken again, or freed. A
 * snapshot is for one thread at a time; all calls may be made from any thread, none waits for a task. What is not known
 * is negative where nothing else is said, texts are NULL.
 */
#ifndef EDO_SNAPSHOT_H
#define EDO_SNAPSHOT_H

#include <edo/base.h>
#include <edo/metrics.h>
#include <edo/scope.h>
#include <edo/stall.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_snapshot edo_snapshot;

/* An index of nothing. */
#define EDO_SNAPSHOT_NONE UINT32_MAX

/*
 * Takes one of all runtimes of the process, but for those with .unobserved (edo/runtime.h), in the order in which they
 * were started. *snapshot is NULL at first; one that was taken before is taken anew, and its memory used again. 0;
 * -ENOMEM: what could be seen is there, the rest is not; -EPERM after fork(2).
 */
EDO_API int edo_snapshot_take(edo_snapshot **snapshot);

/* Frees one; NULL is accepted. */
EDO_API void edo_snapshot_free(edo_snapshot *snapshot);
EDO_AUTO_DEFINE(edo_snapshot *, edo_snapshot_free);

/* --- Runtimes ----------------------------------------------------------------------------------------------------- */

typedef struct edo_snapshot_runtime {
    size_t size;
    uint64_t number; /* of the runtime in its process, from 0; stays the same */
    int workers;
    bool metrics;    /* it measures times (.metrics) */
    int64_t now;     /* when it was looked at, as edo_now() */
    int64_t started; /* when it was started, as edo_now() */
    size_t tasks;    /* how many there are */
    size_t scopes;
    int64_t stall_after; /* ns; EDO_FOREVER: nobody looks for stalls */
} edo_snapshot_runtime;

/* How many runtimes are in it. */
EDO_API size_t edo_snapshot_runtimes(const edo_snapshot *snapshot);
EDO_API int edo_snapshot_get_runtime(edo_snapshot_runtime *out, const edo_snapshot *snapshot, size_t runtime);

/* What it counts (out->size first: EDO_METRICS_INIT), and the times of all its workers (-ENODATA: it measures none). */
EDO_API int edo_snapshot_metrics(edo_metrics *out, const edo_snapshot *snapshot, size_t runtime);
EDO_API int edo_snapshot_times(edo_histogram *out, const edo_snapshot *snapshot, size_t runtime, int times);

typedef struct edo_snapshot_worker {
    size_t size;
    int thread;    /* the kernel's number of the thread that has it (gettid(2)); -1: none just now */
    uint64_t task; /* that runs on it, edo_task_id(); 0: none */
    /* ns, since when that task has kept it although others wait and it could not be handed on; -1: it is not so */
    int64_t stalled;
    edo_worker_metrics metrics;
} edo_snapshot_worker;

/* Worker 0 to .workers - 1. */
EDO_API int edo_snapshot_get_worker(edo_snapshot_worker *out, const edo_snapshot *snapshot, size_t runtime, int worker);

/* --- Tasks, by their numbers -------------------------------------------------------------------------------------- */

enum edo_task_state {
    EDO_TASK_RUNNING = 1,
    EDO_TASK_REGION, /* runs, in a blocking region */
    EDO_TASK_READY,
    EDO_TASK_NEW, /* ready, and has not run yet */
    EDO_TASK_WAITING
};

enum edo_task_warning {
    EDO_WARNING_NEVER_YIELDS = 1, /* it keeps its thread now for longer than .stall_after, or often did of late */
    EDO_WARNING_WAKES_ITSELF = 2, /* it yields again and again, and waits for nothing */
    EDO_WARNING_HOLDS_LOCK = 4    /* it holds a mutex, or an rwlock to write, that others want, and waits itself */
};

/*
 * "keeps its thread ...", of one of them; docs/guide/dumps.md says how each is judged. Static text; "" for none of
 * them.
 */
EDO_API const char *edo_warning_text(int warning);

typedef struct edo_snapshot_task {
    size_t size;
    uint64_t id;          /* edo_task_id() */
    const char *name;     /* as it was given; else the function that spawned it; else "task" */
    const edo_site *site; /* of its spawn: file, function, line; NULL: the root task, or it was not said */
    int state;            /* enum edo_task_state */
    int worker;           /* on which it runs; -1: on none */
    bool dormant;         /* it has no stack */
    bool pinned;
    uint32_t scope;  /* index of the scope it was spawned into; EDO_SNAPSHOT_NONE: it was not seen */
    uint32_t scopes; /* those that it has opened, from outside in: so many from this index */
    uint32_t scope_count;
    uint32_t wait;    /* the first of what it waits for; EDO_SNAPSHOT_NONE: nothing */
    int64_t until;    /* when it stops waiting, as edo_now(); EDO_FOREVER */
    int64_t deadline; /* of the innermost scope it is in; EDO_FOREVER */
    int cancelled;    /* enum edo_reason */
    const edo_site *cancelled_at;
    int64_t spawned;   /* when, as edo_now(); -1: not known */
    int64_t polls;     /* turns that it had; -1: not known */
    int64_t busy;      /* ns, that it ran; -1: not known */
    uint32_t warnings; /* enum edo_task_warning, or-ed */
} edo_snapshot_task;

/* Task 0 to .tasks - 1. */
EDO_API int edo_snapshot_get_task(edo_snapshot_task *out, edo_snapshot *snapshot, size_t runtime, size_t task);

/*
 * Times of its sampled turns until now (enum edo_times), as edo_metrics_task_times. Also -ENODATA: its runtime measures
 * none; -ESRCH: it has ended.
 */
EDO_API int edo_snapshot_task_times(edo_histogram *out, const edo_snapshot *snapshot, size_t runtime, size_t task,
                                    int times);

/* The index of the task with that number; -1: there is none. */
EDO_API ssize_t edo_snapshot_find(const edo_snapshot *snapshot, size_t runtime, uint64_t id);

/* --- What they wait for ------------------------------------------------------------------------------------------- */

/* Of tasks that wait for the first of several things each has an entry. */
enum edo_wait_for {
    EDO_FOR_READ = 1, /* readiness of a stream, datagrams or a descriptor; a connection, where it is a listener's */
    EDO_FOR_WRITE,
    EDO_FOR_JOIN,  /* the end of task `task` */
    EDO_FOR_WORD,  /* a word (edo_wait_word), */
    EDO_FOR_MUTEX, /* a lock and its kin, */
    EDO_FOR_RWLOCK,
    EDO_FOR_SEMAPHORE,
    EDO_FOR_NOTIFY,
    EDO_FOR_BARRIER,
    EDO_FOR_ONCE,
    EDO_FOR_WAIT_GROUP,
    EDO_FOR_SEND, /* or a channel and its kin, at `address` */
    EDO_FOR_RECEIVE,
    EDO_FOR_BROADCAST,
    EDO_FOR_WATCH,
    EDO_FOR_TIME,       /* `until` */
    EDO_FOR_JOB,        /* the end of a job of edo_blocking, whose function is `address` */
    EDO_FOR_SCOPE,      /* the end of the tasks in the scope with index `scope` */
    EDO_FOR_DESCRIPTOR, /* a free one, to accept with */
    EDO_FOR_WAKE        /* nothing that is written down; it stands at `address`, 0: not known */
};

typedef struct edo_snapshot_wait {
    size_t size;
    int what;          /* enum edo_wait_for */
    uint32_t next;     /* the same task's next one; EDO_SNAPSHOT_NONE */
    uintptr_t address; /* see above; 0 */
    uint64_t
        task; /* that is joined; that holds the mutex, writes under the rwlock, runs the once; 0: none, or not known */
    bool held_outside; /* a thread that runs no task holds it */
    uint32_t scope;
    bool queued;      /* a job that has not begun */
    int descriptor;   /* -1: none */
    const char *kind; /* what the stream is, where it is no socket: "pipe" */
} edo_snapshot_wait;

/* An entry: .wait of a task, and from there .next. */
EDO_API int edo_snapshot_get_wait(edo_snapshot_wait *out, const edo_snapshot *snapshot, size_t runtime, uint32_t wait);

/* "read", "mutex", ..., as dumps in JSON have it. Static text. */
EDO_API const char *edo_wait_for_text(int what);

/* The two ends of what a task reads or writes; asked of the kernel when this is called. */
typedef struct edo_snapshot_ends {
    size_t size;
    bool listens; /* for connections, at `local` */
    bool datagrams;
    const char *local;
    const char *remote;
} edo_snapshot_ends;

/*
 * Also -ENOENT: it is no wait for a socket, or the socket is closed, or is one of a runtime under test (edo/testing.h).
 */
EDO_API int edo_snapshot_get_ends(edo_snapshot_ends *out, edo_snapshot *snapshot, size_t runtime, uint32_t wait);

/* --- Scopes ------------------------------------------------------------------------------------------------------- */

typedef struct edo_snapshot_scope {
    size_t size;
    const char *name;
    const edo_site *site;
    uint64_t owner;   /* the task that has opened it, edo_task_id(); 0: it has ended meanwhile, and the scope too */
    uint32_t parent;  /* the scope around it; EDO_SNAPSHOT_NONE */
    int64_t live;     /* tasks in it */
    int64_t deadline; /* the nearest, with those around it; EDO_FOREVER */
    int cancelled;    /* enum edo_reason */
    const edo_site *cancelled_at;
    bool shield;
    bool supervises;
    uint32_t level; /* of its owner's scopes around it: with .owner this names it in other snapshots, too */
} edo_snapshot_scope;

/* Scope 0 to .scopes - 1. Their indices are of this snapshot only. */
EDO_API int edo_snapshot_get_scope(edo_snapshot_scope *out, edo_snapshot *snapshot, size_t runtime, size_t scope);

/* --- More --------------------------------------------------------------------------------------------------------- */

/*
 * Calls found(context, tasks, count) for each deadlock: a ring of tasks, by their numbers, in which each waits for the
 * next, and the last for the first. No task is in two that are told. 0, -ENOMEM, -EINVAL.
 */
EDO_API int edo_snapshot_deadlocks(edo_snapshot *snapshot, size_t runtime,
                                   void (*found)(void *context, const uint64_t *tasks, size_t count), void *context);

/*
 * The functions in which a waiting task stands now, innermost first, at most `capacity`: how many. 0: it does not wait
 * any more, or has no stack. -EINVAL, -ENOMEM. Names are looked for in files: milliseconds, the first time.
 */
EDO_API ssize_t edo_snapshot_backtrace(edo_stall_frame *out, size_t capacity, edo_snapshot *snapshot, size_t runtime,
                                       size_t task);

/* "function+0x12" for an address of code, as dumps have it. `call`: it is one that a call returns to. */
EDO_API const char *edo_snapshot_symbol(edo_snapshot *snapshot, uintptr_t address, bool call);

#ifdef __cplusplus
}
#endif

#endif
