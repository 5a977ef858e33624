/* SPDX-License-Identifier: MIT */
/*
 * A worker: a scheduling slot with a run queue, a timing wheel and a poller. Its fields belong to the thread that is
 * INSIDE it (thread.h) unless said otherwise.
 */
#ifndef EDO_RUNTIME_WORKER_H
#define EDO_RUNTIME_WORKER_H

#include "platform/word.h"
#include "runtime/ages.h"
#include "runtime/blocks.h"
#include "runtime/fifo.h"
#include "runtime/poller.h"
#include "runtime/record.h"
#include "runtime/ring.h"
#include "runtime/stack.h"
#include "runtime/wheel.h"

enum {
    EDO_TURNS_BETWEEN_LOOKS = 61, /* tasks run between looks at the poller, the timers and the global queue */
    EDO_TURNS_ENDED = 1 << 20,    /* more than there ever are */
    EDO_LIFO_STREAK = 3,          /* tasks taken from the LIFO slot in a row before the ring has its turn */
    EDO_STACK_CACHE = 32,         /* stacks a worker keeps at most; refilled and emptied by halves */
    EDO_STACK_CREDIT = 32         /* reservations taken from the pool at once */
};

/* Counted by the owner with plain (relaxed) stores; read by anybody. */
struct edo_worker_counts {
    _Atomic uint64_t spawned;
    _Atomic uint64_t ended;
    _Atomic uint64_t switches;
    _Atomic uint64_t steals;
    _Atomic uint64_t sleeps;
    _Atomic uint64_t polls;
    _Atomic uint64_t events;
    _Atomic uint64_t steal_operations;
    _Atomic uint64_t overflows;
    _Atomic uint64_t forced_yields;
    _Atomic uint64_t timers_fired;
    _Atomic uint64_t lifo_schedules; /* tasks that were put into the LIFO slot and not displaced from it */
    _Atomic uint64_t looks;          /* of its own flow, at poller, timers and global queue */
};

struct edo_worker {
    /* tasks' numbers, by counts.switches; see record.h. First: no address to compute */
    _Atomic uint64_t runs[EDO_RUNS_KEPT];
    struct edo_ring ring;            /* its run queue */
    struct edo_fifo fifo;            /* in place of that: if it is alone */
    _Atomic(struct edo_task *) lifo; /* the task that was made ready last; taken by thieves only as a last resort */
    _Atomic int32_t turns; /* left until the next look at poller, timers and global queue; negative: now. The monitor
                              sets it to have one taken soon */
    /* it was taken: what waits in its own queue comes before the global one, where stalls come back to */
    bool own_first;
    uint32_t lifo_streak;
    bool alone; /* the runtime has one worker: nobody steals */
    struct edo_runtime *runtime;
    int index;
    uint32_t random;
    uint32_t patience; /* with migrate_always; see global.c */

    struct edo_block_cache tasks;
    struct edo_block_cache handles;
    struct edo_block_cache sources;
    struct edo_stack *stacks; /* of the runtime's default class, linked by next; reserved for, too */
    int stack_count;
    struct edo_stack *odd_stacks; /* of other classes, to be put back */
    struct edo_task *held;        /* ready, but there was no stack at hand: the thread's own flow gets one first */
    int stack_credit;      /* reserved in the pool, not used by a task: what the next spawns will need (rule K5) */
    uint64_t next_id;      /* the last task's number; atomic, since others ask */
    struct edo_ages *ages; /* when that was which; NULL: nobody notes it */
    bool notes_ages;       /* and it is the worker's own flow that does, not the monitor */

    struct edo_worker_counts counts;
    struct edo_notes notes;                   /* see record.h */
    _Atomic uint64_t spawns[EDO_SPAWNS_KEPT]; /* counts of switches, by next_id; the same */

    /* threads that lost it in a timer callback which is not over; timer.c. Under thread_lock, read by who is inside */
    _Atomic uint32_t strays;
    struct edo_wheel wheel; /* also by remotes: edo_remote_begin. Holds the edo_timers whose callback is to be called */
    struct edo_poller poller;

    struct edo_lock thread_lock; /* guards `thread` (which thread has this worker) and the next */
    _Atomic bool remote_wanted;  /* a remote has waited for long */
    uint32_t remote_found;       /* what a remote found in the thread's guard */
    struct edo_thread *thread;

    struct edo_link idle_link; /* under runtime->idle_lock */
    bool idle;
    _Atomic bool waiting; /* its thread is in epoll_wait: it will see its own events */
    bool searching;       /* counted in runtime->searching */

    struct edo_sampler *sampler; /* NULL: no times are measured; see sample.h */
};

/* `turns`, as its owner writes it: what the monitor stores at the same moment may be lost, and comes again. */
static inline bool edo_turns_spend(struct edo_worker *worker)
{
    return edo_word_spend(&worker->turns);
}

static inline int32_t edo_turns_left(struct edo_worker *worker)
{
    return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

/* The worker has looked at everything; it is to look as soon as its task gives it a turn. */
static inline void edo_turns_begin(struct edo_worker *worker)
{
    atomic_store_explicit(&worker->turns, EDO_TURNS_BETWEEN_LOOKS - 1, memory_order_relaxed);
}

static inline void edo_turns_set(struct edo_worker *worker, int32_t turns)
{
    atomic_store_explicit(&worker->turns, turns, memory_order_relaxed);
}

/* So that it can be told from turns that were used up, and how many had been by then; see sample.c. */
static inline void edo_turns_end(struct edo_worker *worker)
{
    int32_t turns = edo_turns_left(worker);

    if (turns >= 0)
        edo_turns_set(worker, turns - EDO_TURNS_ENDED);
}

/* What waits in its run queue. From anybody, as a hint. */
static inline uint32_t edo_worker_queued(struct edo_worker *worker)
{
    return worker->alone ? edo_fifo_count(&worker->fifo) : edo_ring_count(&worker->ring);
}

static inline void edo_count(_Atomic uint64_t *counter, uint64_t n)
{
    edo_word_add(counter, n);
}

/* The number of its next task, whose spawn it notes. INSIDE. */
static inline uint64_t edo_worker_next_id(struct edo_worker *worker)
{
    uint64_t last = __atomic_load_n(&worker->next_id, __ATOMIC_RELAXED);
    uint64_t switches = atomic_load_explicit(&worker->counts.switches, memory_order_relaxed);

    atomic_store_explicit(&worker->spawns[last % EDO_SPAWNS_KEPT], switches, memory_order_release);
    __atomic_store_n(&worker->next_id, last + 1, __ATOMIC_RELEASE);
    return last + 1;
}

/* A task is switched to: counts and notes it. */
static inline void edo_worker_runs(struct edo_worker *worker, uint64_t task)
{
    uint64_t switches = atomic_load_explicit(&worker->counts.switches, memory_order_relaxed);

    atomic_store_explicit(&worker->runs[switches % EDO_RUNS_KEPT], task, memory_order_release);
    edo_word_count(&worker->counts.switches);
}

/* Notes something else; returns when, by edo_ticks. */
static inline uint64_t edo_worker_note(struct edo_worker *worker, int kind, uint64_t value)
{
    return edo_notes_add(&worker->notes, kind, atomic_load_explicit(&worker->counts.switches, memory_order_relaxed),
                         value);
}

/* xorshift: for choosing victims. Seeded by the runtime's seed and the worker's index. */
static inline uint32_t edo_worker_random(struct edo_worker *worker)
{
    uint32_t x = worker->random;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return worker->random = x;
}

/* --- worker.c: the loop of a thread ------------------------------------------------------------------------------- */

/* Runs tasks on the thread's own flow until the runtime stops. INSIDE. */
void edo_thread_loop(struct edo_thread *thread);

/* The next task of this worker's own queues, NULL if there is none or the thread's own flow is wanted. INSIDE. */
struct edo_task *edo_schedule_next(struct edo_thread *thread);

/*
 * Lets a task run on the thread's own flow's place until something switches back. INSIDE; the task needs a stack by
 * then.
 */
void edo_resume(struct edo_thread *thread, struct edo_task *task);

/* Gives a task a stack out of the worker's cache; false if that is empty. INSIDE. */
bool edo_task_give_stack(struct edo_thread *thread, struct edo_task *task);

/*
 * When that cache has none: asks the pool, for which the thread's own flow leaves the guard. False if it could not
 * (task in the global queue).
 */
bool edo_task_find_stack(struct edo_thread *thread, struct edo_task *task);

/* --- idle.c: sleeping and waking ---------------------------------------------------------------------------------- */

/* Wakes one sleeping worker if none is searching already. Any thread; call after the work was made visible. */
void edo_wake_one(struct edo_runtime *runtime);

/* Wakes that worker if it sleeps. */
void edo_wake_worker(struct edo_worker *worker);

/* Wakes all. */
void edo_wake_all(struct edo_runtime *runtime);

/* Nothing to do: searches, polls, sleeps. INSIDE. Returns a task to run, or NULL to look again. */
struct edo_task *edo_worker_idle(struct edo_thread *thread);

/*
 * The worker has found work: it searches no longer, and if it was the last to search and there is more, wakes another.
 */
void edo_searched(struct edo_thread *thread);

/* Fires what is due; polls without waiting. INSIDE. */
void edo_worker_check(struct edo_thread *thread);
void edo_worker_fire(struct edo_thread *thread);

/* --- handoff.c: workers change threads ---------------------------------------------------------------------------- */

/*
 * Takes a worker from a thread that is OUTSIDE and gives it to a spare one. 0; -EBUSY: the thread is inside, asleep or
 * has lost it already; -EAGAIN: no thread to give it to; -EPERM: the runtime is pinned. From any thread that is not
 * INSIDE.
 */
int edo_worker_take(struct edo_worker *worker);

/* The thread has no worker: sleeps until it gets one. False when the runtime stops. */
bool edo_thread_wait_worker(struct edo_thread *thread);

/*
 * Gives this thread's worker to a thread that wants one for its pinned tasks, if there is any. True: the worker may be
 * gone, look again. INSIDE, on the thread's own flow.
 */
bool edo_thread_yield_worker(struct edo_thread *thread);

/* Makes a pinned task ready on its thread. `self` may be NULL. */
void edo_ready_pinned(struct edo_thread *self, struct edo_task *task);

/* The same every other turn: the pinned must not keep all others waiting. */
struct edo_task *edo_pinned_turn(struct edo_thread *thread);

/* Next ready task that is pinned to this thread, NULL if none. INSIDE. */
struct edo_task *edo_pinned_next(struct edo_thread *thread);

/* Hands the workers to the threads that were created for them. */
void edo_threads_go(struct edo_runtime *runtime);

/* Ends all threads: those asleep wake, those at work see it when they next look. */
void edo_threads_stop(struct edo_runtime *runtime);

/* Fills in a thread, zeroed or retired: INSIDE and without worker. */
void edo_thread_init(struct edo_thread *thread, struct edo_runtime *runtime);

/*
 * Puts a thread that is ready to take a worker into the world. 0; -EAGAIN: there are as many as there may be, or the
 * system has no more; -ENOMEM. From any thread that is not INSIDE.
 */
int edo_thread_create(struct edo_thread **out, struct edo_runtime *runtime);

/* Whether there is no spare thread, and one could be had. */
bool edo_threads_want_reserve(struct edo_runtime *runtime);

/* Sees to it that there is a spare thread, if one can be had. As edo_thread_create. */
void edo_threads_reserve(struct edo_runtime *runtime);

#endif
