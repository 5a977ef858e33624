/* SPDX-License-Identifier: MIT */
/*
 * A task's control block, and parking.
 *
 * The block lives outside the stack, is type-stable (blocks.h), and exists from spawn to end; what remains for a joiner
 * afterwards is the handle. A task's fields belong to the task itself while it runs, and to whoever holds it in a queue
 * otherwise; exceptions are said beside the fields.
 *
 * Parking: the word `wake` settles it against waking; see park_word.h. (With one worker the task itself publishes that
 * it is parked, before it switches; see edo_park_inline.)
 */
#ifndef EDO_RUNTIME_TASK_H
#define EDO_RUNTIME_TASK_H

#include "base/list.h"
#include "platform/lock.h"
#include "runtime/alarm.h"
#include "runtime/context.h"
#include "runtime/park_word.h"
#include "runtime/scope.h"
#include "runtime/thread.h"

#include <edo/task.h>

#include <limits.h>
#include <stdatomic.h>

struct edo_owned;
struct edo_stack;
struct edo_source;

/* What edo_continue returns; no task's result. */
#define EDO_CONTINUED_ INT_MIN

enum { EDO_BUDGET = 128 };

enum edo_task_flags {
    EDO_TASK_PINNED = 1,    /* wakes on the thread in `home_thread` only, once that is set */
    EDO_TASK_LISTED = 2,    /* in its scope's list of children: cancellation finds it */
    EDO_TASK_MEASURED = 4,  /* the census of stacks looks at it: it does not run on a stack that another one has used */
    EDO_TASK_DORMANT = 8,   /* in a report's copy alone: edo_task_is_dormant */
    EDO_TASK_MIGRATES = 16, /* with migrate_always: `home_thread` is where it ran last, and where it shall not wake */
    EDO_TASK_CHOSEN = 32,   /* under hooks: it is ready in the global queue alone, where they choose */
    EDO_TASK_ANNOUNCED = 64, /* .on_task_start is to be called for it, at its first run; see callbacks.h */
    /* when it is ready the next time, how long it waits for its turn is measured (sample.h), or it is traced */
    EDO_TASK_TIMED = 128,
    EDO_TASK_ELSEWHERE = EDO_TASK_PINNED | EDO_TASK_MIGRATES | EDO_TASK_CHOSEN,
    EDO_TASK_WATCHED = EDO_TASK_ANNOUNCED | EDO_TASK_TIMED | EDO_TASK_MEASURED
};

/*
 * What a task waits for without a stack, or will when its function returns, since that has called edo_continue: as
 * edo_when has it (0: nothing of the kind); and what has been found out already.
 */
enum edo_when_found {
    EDO_WHEN_READABLE_BY = 16, /* EDO_WHEN_READABLE_, with a deadline: that one is without, whatever `wish` is */
    EDO_WHEN_WRONG = 0xff      /* it cannot wait, `resumption` says why */
};

/* Whether the alarm of a dormant task is in some wheel; see dormant.c. */
enum edo_alarm_owner { EDO_ALARM_IDLE = 0, EDO_ALARM_ARMED };

struct edo_task {
    struct edo_task *next; /* in a queue, or in the free list */
    _Atomic uint32_t wake;
    int16_t budget;
    uint8_t flags;
    uint8_t stack_class;
    struct edo_context context; /* where it is suspended, if it has a stack */
    struct edo_stack *stack;
    struct edo_scope_body *scope; /* innermost; written under chain_lock, read by the task itself */
    edo_task_fn fn;
    void *argument;
    uint64_t id; /* 0: the block is free, or being filled; atomic, since reports ask (edo_task_publish) */

    struct edo_scope_body *home; /* the scope it was spawned into */
    struct edo_link sibling;     /* in home's children; under home->lock */
    struct edo_lock chain_lock;  /* guards the chain of scopes between home and `scope` */
    int resumption;
    edo_site *site;
    const char *name;
    struct edo_handle *handle;
    struct edo_thread *home_thread; /* of a pinned task that has run; with migrate_always: where it ran last */
    struct edo_source *source;      /* what it waits for while dormant; NULL: a time, or nothing */

    struct edo_owned *owned; /* its argument's copy and its task-locals; see local.h */
    struct edo_alarm alarm;  /* of dormant waits; this and what follows: see dormant.c */
    int64_t wish;            /* the deadline asked for; 0: none; see EDO_WHEN_READABLE_BY */
    _Atomic int64_t when_deadline;
    _Atomic int64_t armed_at;
    _Atomic uint8_t alarm_owner; /* enum edo_alarm_owner */
    uint8_t when_what;           /* EDO_WHEN_NOW_ ..., enum edo_when_found */
    uint32_t wake_number;        /* in a trace: of the wake that it runs because of; 0: none. Whoever has it in hand */
};

/*
 * Reports find a task in its block (src/observe): it is there, with all that a spawn writes, from publish to retract,
 * and as the same one as long as its id is the same. Between the two only what this struct's comments say changes.
 */
static inline void edo_task_publish(struct edo_task *task, uint64_t id)
{
    __atomic_store_n(&task->id, id, __ATOMIC_RELEASE);
}

static inline void edo_task_retract(struct edo_task *task)
{
    __atomic_store_n(&task->id, 0, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_release); /* before what the next spawn writes */
}

/*
 * Whether it waits without a stack, or will be given one. `when_what` alone does not tell: who has called edo_continue
 * still runs on its stack, and may wait there for something else, until its function returns.
 */
static inline bool edo_task_is_dormant(const struct edo_task *task)
{
    return task->when_what && !task->stack;
}

/* What a joiner holds. 64 bytes at most: all that remains of a task that has ended. */
struct edo_handle {
    struct edo_block *free_link;
    _Atomic uintptr_t
        joiner; /* 0; a task; a thread's word + 1; EDO_HANDLE_DETACHED; with EDO_HANDLE_DONE once it has ended */
    int result;
    struct edo_runtime *runtime;
    struct edo_task *task; /* for -EDEADLK; only compared */
};

enum { EDO_HANDLE_DONE = 2, EDO_HANDLE_DETACHED = 4 };

/* The task that runs on this thread, NULL if none. */
static inline struct edo_task *edo_task_self(void)
{
#ifdef EDO_SELF_ALONE /* models in tests: they set that pointer themselves */
    struct edo_thread *thread = edo_thread_self();

    return thread ? thread->current : NULL;
#else
    return edo_thread_self_or_nobody()->current;
#endif
}

/* --- schedule.c: switching ---------------------------------------------------------------------------------------- */

/*
 * Switches away from `task`, which runs on `thread` (INSIDE), to the next ready one; `after` is done for it by the next
 * flow. Returns, INSIDE, on the thread that resumes the task.
 */
struct edo_thread *edo_suspend(struct edo_thread *thread, struct edo_task *task, edo_after_fn after);

/*
 * Parks until an edo_unpark that has come since the last return of park. INSIDE; returns INSIDE. Not cancellable
 * itself.
 */
struct edo_thread *edo_park_inside(struct edo_thread *thread, struct edo_task *task);

/* The same for a task that is OUTSIDE, and stays so. */
void edo_park(struct edo_task *task);

/* Wakes a task. INSIDE; the second from anywhere: OUTSIDE on a runtime's thread, or on any other thread. */
void edo_unpark_inside(struct edo_thread *thread, struct edo_task *task);
void edo_unpark(struct edo_task *task);

/* Puts a task that may run into a queue: of this worker, or the global one (thread NULL or without worker). */
void edo_ready(struct edo_thread *thread, struct edo_task *task);

/* The first frame of every stack. */
void edo_task_main(void *baton);

/* --- The two things every call that may wait begins with (rules S3, C1) ------------------------------------------- */

void edo_budget_spent(struct edo_task *task);

/* Lets others have a turn. OUTSIDE. */
void edo_turn(struct edo_task *task);

static inline bool edo_task_cancelled(const struct edo_task *task)
{
    return edo_scope_is_cancelled(task->scope);
}

/*
 * Where a task waits, as reports of stalls tell it: its context's sp has that while it runs (context.h). The switch
 * notes to where its caller returns. That is in the program where the switch is inlined into the public function, as
 * for edo_read; where it is not, the public function notes it itself before (in whose name this is inlined), and what
 * parks for it keeps that over the switch.
 */
static inline __attribute__((always_inline)) void *edo_task_place(struct edo_task *task)
{
#ifdef EDO_NO_RECORD
    (void)task;
    return NULL;
#else
    return __atomic_load_n(&task->context.sp, __ATOMIC_RELAXED);
#endif
}

static inline __attribute__((always_inline)) void edo_task_keep_place(struct edo_task *task, void *place)
{
#ifdef EDO_NO_RECORD /* models: each store would be a step to be tried in every order */
    (void)task;
    (void)place;
#else
    __atomic_store_n(&task->context.sp, place, __ATOMIC_RELAXED);
#endif
}

static inline __attribute__((always_inline)) void edo_task_note_place(struct edo_task *task)
{
    edo_task_keep_place(task, __builtin_return_address(0));
}

/*
 * Spends budget (also when refused, so that a loop that ignores errors yields), and asks whether the scope is
 * cancelled.
 */
static inline __attribute__((always_inline)) int edo_suspension_point(struct edo_task *task)
{
    EDO_MISUSE_IF(edo_thread_in_region(edo_thread_self()), EDO_IN_REGION);
    if (__builtin_expect(--task->budget < 0, 0))
        edo_budget_spent(task);
    edo_task_note_place(task);
    return __builtin_expect(edo_task_cancelled(task), 0) ? -ECANCELED : 0;
}

/* --- spawn.c ------------------------------------------------------------------------------------------------------ */

/* The task's function has returned for good. INSIDE. The block is free afterwards. */
struct edo_thread *edo_task_end(struct edo_thread *thread, struct edo_task *task, int result);

/*
 * A join in parts, for selects; the handle is of the task's own runtime. free_to_take: it has ended, and nobody joins
 * it. await: the task is unparked when the handle's task ends (0; -EBUSY: another one joins it). forgo: no longer.
 * take: it has ended and nobody waits; its result (NULL: nowhere), and the handle is released. OUTSIDE.
 */
static inline bool edo_handle_free_to_take(struct edo_handle *handle)
{
    return atomic_load_explicit(&handle->joiner, memory_order_acquire) == EDO_HANDLE_DONE;
}
int edo_handle_await(struct edo_handle *handle, struct edo_task *task);
void edo_handle_forgo(struct edo_handle *handle, struct edo_task *task);
void edo_handle_take(int *result, struct edo_handle *handle);

/* --- dormant.c ---------------------------------------------------------------------------------------------------- */

/*
 * For a task that is about to be spawned: sets its condition and registers the descriptor. 0, or a negative errno and
 * nothing done. OUTSIDE. Then edo_dormant_start, INSIDE, makes it wait.
 */
int edo_dormant_prepare(struct edo_task *task, const edo_when *when);
void edo_dormant_start(struct edo_thread *thread, struct edo_task *task);

/* Undoes edo_dormant_prepare, if that was called. OUTSIDE. */
void edo_dormant_unprepare(struct edo_task *task);

/*
 * Before a task that ended its function with a continuation is parked: makes known what it waits for. OUTSIDE. True:
 * park it (it may have been notified already); false: run it at once, task->resumption says why.
 */
bool edo_dormant_arm(struct edo_task *task);

/* Into any dormant wait and out of it, as the usual one goes in dormant_wait.h; enter_armed: by edo_dormant_arm. */
struct edo_thread *edo_dormant_enter(struct edo_task *task, uint8_t what);
bool edo_dormant_return(struct edo_task *task);
struct edo_thread *edo_dormant_enter_armed(struct edo_task *task);

/*
 * When it runs again, OUTSIDE: true if its condition holds (task->resumption says which), false: armed again, park it.
 */
bool edo_dormant_check(struct edo_task *task);

/*
 * Makes sure that the alarm fires at the deadline or before. INSIDE, before and after; if the alarm lies elsewhere, the
 * worker is left meanwhile.
 */
struct edo_thread *edo_dormant_set_deadline(struct edo_thread *thread, struct edo_task *task, int64_t deadline);

/* Takes its alarm out of whatever wheel it is in. OUTSIDE, before the task ends. */
void edo_dormant_disarm(struct edo_task *task);

#endif
