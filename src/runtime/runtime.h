/* SPDX-License-Identifier: MIT */
/*
 * A runtime: its workers, its threads, and what they share.
 */
#ifndef EDO_RUNTIME_RUNTIME_H
#define EDO_RUNTIME_RUNTIME_H

#include "runtime/blocking.h"
#include "runtime/blocks.h"
#include "runtime/monitor.h"
#include "runtime/reserve.h"
#include "runtime/scope.h"
#include "runtime/stack.h"
#include "runtime/task.h"
#include "runtime/thread.h"
#include "runtime/tracing.h"
#include "runtime/worker.h"

#include <edo/runtime.h>

#include <signal.h>

enum { EDO_WORKERS_MOST = 256 };

/*
 * A task's serial number has that of its runtime above these bits; see edo_worker_init. The highest bit stands for
 * threads (sync/owner.h), and some numbers are for unobserved runtimes, so that this many are left.
 */
enum { EDO_ID_RUNTIME_SHIFT = 48, EDO_RUNTIME_NUMBERS = 0x7f00 };

/* How many have taken a number so far: tests go on from where they want. */
extern _Atomic uint32_t edo_runtimes_begun;

enum edo_root_state { EDO_ROOT_BEFORE = 0, EDO_ROOT_OPEN, EDO_ROOT_ENDED };

struct edo_runtime {
    edo_run_options options; /* with defaults filled in */
    int worker_count;
    struct edo_worker *workers;
    int stack_class;            /* default size class */
    uint64_t id_base;           /* of its tasks' serial numbers */
    _Atomic uint8_t task_flags; /* what every task gets, by the options; and a trace may come and go */
    bool ends_watched;          /* somebody wants to see each task's end: the census, or .on_task_stop */
    struct edo_hooks *hooks;    /* of a runtime under test; NULL in every other */
    _Atomic(const struct edo_tracing *) tracing; /* NULL: nobody traces; see tracing.h */
    struct edo_traced_runtime *traced;           /* what traces know of it; written before the first is on */
    struct edo_moment began;                     /* by both clocks; for records */

    int rings; /* how many workers have one (uring.h); not changed while it runs */

    struct edo_blocks tasks;
    struct edo_blocks handles;
    struct edo_blocks sources;
    struct edo_stack_pool stacks;

    /* The global queue: what foreign threads make ready, what overflows a ring, what comes back from a stall. */
    struct edo_lock global_lock;
    struct edo_task *global_first;
    struct edo_task *global_last;
    _Atomic uint32_t global_count;
    _Atomic uint64_t remote_schedules; /* what threads without a worker put there */

    /* Sleeping workers; see idle.c. */
    struct edo_lock idle_lock;
    struct edo_link idle;
    _Atomic uint32_t idle_count;
    _Atomic uint32_t searching;
    _Atomic uint64_t wakes;

    /* Threads; see handoff.c. */
    struct edo_lock threads_lock;
    struct edo_thread *threads; /* all that were ever started: their memory stays, others may look at it late */
    sigset_t signals;           /* that its threads block from their start: as the one that called edo_run did */
    int thread_count;           /* those that have not retired */
    struct edo_link spares;     /* sleeping, without worker */
    struct edo_link wanting;    /* of the spares: those with pinned tasks to run */
    _Atomic uint32_t wanting_count;
    _Atomic uint64_t handoffs;
    _Atomic bool stopping;

    struct edo_monitor monitor;
    struct edo_reserve reserve;
    struct edo_blocking_pool *blocking;
    struct edo_blocking_pool *resolving; /* a lane of its own for edo_resolve, so that neither can fill the other's */
    struct edo_scope_body base;          /* home of the root task; its owner is NULL */
    struct edo_scope_body detached;      /* owner of tasks that belong to no other scope; around the root scope */
    struct edo_scope_body root;
    struct edo_lock root_lock;   /* held over the end of `root`, and over its cancellation by a signal */
    _Atomic uint8_t root_state;  /* enum edo_root_state: whether `root` is there to be cancelled */
    struct edo_nesting *nesting; /* edo_run was called in a task; see nested.c */
    edo_task_fn main;
    void *main_argument;
    int result;
    int64_t started;
    _Atomic uint32_t next_poller; /* round robin for sockets that nobody has waited on yet */
    _Atomic uint64_t streams;
    _Atomic bool signalled;       /* SIGINT or SIGTERM came; see signal.c */
    _Atomic uint32_t fd_shortage; /* acceptors that wait for a descriptor */
    uint32_t fd_released;         /* the word they wait on */
    struct edo_link all;          /* of those that run in this process; see edo_runtimes_each */
};

/* --- run.c and nested.c ------------------------------------------------------------------------------------------- */

/*
 * Runs a runtime on the calling thread, which has none. `options` are complete. `nesting`: it is inside a task of
 * another one; `hooks`: it is under test. Both may be NULL.
 */
int edo_run_here(edo_task_fn fn, void *argument, const edo_run_options *options, struct edo_nesting *nesting,
                 struct edo_hooks *hooks);

/* Runs one on threads of its own while the calling task waits. */
int edo_run_nested(struct edo_task *task, edo_task_fn fn, void *argument, const edo_run_options *options);

/* Runs one on the calling thread, which has none, and is perhaps at work on a job of edo_blocking. */
int edo_run_on_thread(edo_task_fn fn, void *argument, const edo_run_options *options);

/*
 * Cancels the inner root, now or when it comes; in two steps: after the first the nesting stays until the second has
 * returned.
 */
void edo_nesting_hold(struct edo_nesting *nesting);
void edo_nesting_cancel_held(struct edo_nesting *nesting);

/* The inner root task tells when its scope may be cancelled from outside (NULL: no longer). */
void edo_nesting_set_root(struct edo_nesting *nesting, struct edo_scope_body *root);

/*
 * Calls look(context, runtime) for each runtime of the process but the unobserved, whole while it is looked at: it
 * cannot end before. For reports; from any thread, OUTSIDE. look may not run one.
 */
void edo_runtimes_each(void (*look)(void *context, struct edo_runtime *runtime), void *context);

/* The same in a signal handler of a process that dies, where that lock may never be free: then without it. */
void edo_runtimes_each_at_crash(void (*look)(void *context, struct edo_runtime *runtime), void *context);

/* Reads and checks what edo_run was given, with the environment's and the built-in defaults. */
int edo_run_options_read(edo_run_options *out, const edo_run_options *given);

/* Makes the root task ready on the thread, which is INSIDE the first worker. */
int edo_root_spawn(struct edo_thread *thread, edo_task_fn fn);

/* --- console.c ---------------------------------------------------------------------------------------------------- */

/*
 * An outermost runtime asks for a console, if its options do: true if there is one now; then end, when the runtime is
 * no more. On a plain thread.
 */
bool edo_console_begin(const edo_run_options *options);
void edo_console_end(void);

/* To the console, if there is one. From the reporter of stalls. */
void edo_console_tell_stall(const struct edo_stall *stall);

/* --- global.c ----------------------------------------------------------------------------------------------------- */

void edo_global_push(struct edo_runtime *runtime, struct edo_task *task);
/* Pushes a chain of tasks, linked by next. */
void edo_global_push_chain(struct edo_runtime *runtime, struct edo_task *first, struct edo_task *last, uint32_t count);
/* Takes a share of the queue: the first is returned, the rest goes into the worker's ring. INSIDE. */
struct edo_task *edo_global_take(struct edo_thread *thread);

/* --- signal.c ----------------------------------------------------------------------------------------------------- */

/* SIGINT and SIGTERM are for this runtime from now on; false if another one has them. */
bool edo_signals_begin(struct edo_runtime *runtime);
void edo_signals_end(struct edo_runtime *runtime);

/* How many handlers are at work that may call an earlier one: that one was then perhaps not called by the kernel. */
extern _Atomic int edo_signals_chaining;

/* In a child of fork(2): signals mean what they meant before. Async-signal-safe. */
void edo_signals_forget(void);

#endif
