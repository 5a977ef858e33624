/* SPDX-License-Identifier: MIT */
/*
 * Workers change threads (rules S5, S6): taken from a thread that keeps them, given to one that waits for pinned tasks.
 * And the threads themselves: started when one is needed, spare when they have no worker, retired when they stay spare
 * for long.
 *
 * worker->thread_lock is held over the change, and orders before runtime->threads_lock, which orders before
 * thread->lock. The new thread sleeps on its word `assigned`; its `worker` is written before that word is set, and read
 * after. A thread that lost its worker learns of it by finding TAKEN when it enters.
 *
 * Pinned tasks stay with their thread. Ready ones lie in its own list, or, pushed by others, in its inbox. A thread
 * without worker that has some enters the list `wanting`, and the next worker whose thread comes by is given to it.
 *
 * A spare thread retires when nobody has given it a worker for .thread_linger, unless it is the only spare, has pinned
 * tasks that live, or is the one that called edo_run. Retiring and obtaining both take it out of the list of spares
 * under threads_lock, so it is the one or the other. The struct of a retired thread stays, since late looks at it must
 * be harmless (timer.c, global.c), and serves the next thread, once the old one has been joined.
 */
#include "runtime/callbacks.h"
#include "runtime/runtime.h"
#include "runtime/usdt.h"
#include "runtime/options.h"
#include "runtime/overflow.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>

static bool edo_thread_has_pinned(struct edo_thread *thread)
{
    return thread->pinned_first || thread->pinned_inbox;
}

/* Under threads_lock and thread->lock: the thread is spare and has pinned tasks. */
static void edo_thread_want(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;

    thread->wanting = true;
    edo_list_insert_tail(&runtime->wanting, &thread->wanting_link);
    atomic_fetch_add_explicit(&runtime->wanting_count, 1, memory_order_seq_cst);
}

/* Under threads_lock: the thread is spare no longer. */
static void edo_thread_unspare(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;

    edo_list_remove(&thread->spare_link);
    edo_lock_acquire(&thread->lock);
    thread->spare = false;
    if (thread->wanting) {
        thread->wanting = false;
        edo_list_remove(&thread->wanting_link);
        atomic_fetch_sub_explicit(&runtime->wanting_count, 1, memory_order_seq_cst);
    }
    edo_lock_release(&thread->lock);
}

static void edo_thread_assign(struct edo_thread *thread, struct edo_worker *worker)
{
    thread->worker = worker;
    __atomic_store_n(&thread->assigned, 1, __ATOMIC_RELEASE);
    edo_platform->futex_wake(&thread->assigned, INT_MAX);
}

/* The thread has been spare for long: true if it retires. From now on it must not be found. */
static bool edo_thread_retire(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    bool retires;

    edo_lock_acquire(&runtime->threads_lock);
    /* Not spare: somebody has obtained it, and it will be assigned. */
    retires = thread->spare && thread->joinable && thread->pinned_count == 0 &&
              runtime->spares.next->next != &runtime->spares;
    if (retires) {
        edo_thread_unspare(thread);
        thread->retired = true;
        runtime->thread_count--;
    }
    edo_lock_release(&runtime->threads_lock);
    return retires;
}

/* Sleeps until assigned. False: it has retired. */
static bool edo_thread_sleep(struct edo_thread *thread)
{
    int64_t end = EDO_FOREVER;

    if (thread->runtime->options.thread_linger != EDO_FOREVER)
        end = edo_deadline_after(edo_platform->now(), thread->runtime->options.thread_linger);
    while (!__atomic_load_n(&thread->assigned, __ATOMIC_ACQUIRE)) {
        if (edo_platform->futex_wait(&thread->assigned, 0, end) != -ETIMEDOUT)
            continue;
        if (edo_thread_retire(thread))
            return false;
        end = EDO_FOREVER; /* it is wanted, or the last of the spares: it does not ask again */
    }
    return true;
}

bool edo_thread_wait_worker(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    bool wanting = false;

    edo_lock_acquire(&runtime->threads_lock);
    if (atomic_load_explicit(&runtime->stopping, memory_order_relaxed)) {
        edo_lock_release(&runtime->threads_lock);
        return false;
    }
    __atomic_store_n(&thread->assigned, 0, __ATOMIC_RELAXED);
    edo_list_insert_head(&runtime->spares, &thread->spare_link);
    edo_lock_acquire(&thread->lock);
    thread->spare = true;
    if (edo_thread_has_pinned(thread)) {
        edo_thread_want(thread);
        wanting = true;
    }
    edo_lock_release(&thread->lock);
    edo_lock_release(&runtime->threads_lock);
    if (wanting)
        edo_wake_one(runtime);
    if (!edo_thread_sleep(thread))
        return false;
    /* Without a worker: a taker had no use for it after all (then it waits on), or the runtime stops. */
    return thread->worker || !atomic_load_explicit(&runtime->stopping, memory_order_relaxed);
}

void edo_threads_stop(struct edo_runtime *runtime)
{
    struct edo_link *link;

    edo_lock_acquire(&runtime->threads_lock);
    atomic_store_explicit(&runtime->stopping, true, memory_order_seq_cst);
    while ((link = edo_list_first(&runtime->spares))) {
        struct edo_thread *thread = EDO_CONTAINER_OF(link, struct edo_thread, spare_link);

        edo_thread_unspare(thread);
        edo_thread_assign(thread, NULL);
    }
    edo_lock_release(&runtime->threads_lock);
    edo_wake_all(runtime);
}

void edo_threads_go(struct edo_runtime *runtime)
{
    for (int i = 1; i < runtime->worker_count; i++)
        if (runtime->workers[i].thread)
            edo_thread_assign(runtime->workers[i].thread, &runtime->workers[i]);
}

/*
 * A spare thread, out of the list; NULL: there is none. None is made here: that may take as long as the stall
 * (reserve.c).
 */
static struct edo_thread *edo_thread_obtain(struct edo_runtime *runtime)
{
    struct edo_thread *thread = NULL;
    struct edo_link *link;

    edo_lock_acquire(&runtime->threads_lock);
    link = edo_list_first(&runtime->spares);
    if (link) {
        thread = EDO_CONTAINER_OF(link, struct edo_thread, spare_link);
        edo_thread_unspare(thread);
    }
    edo_lock_release(&runtime->threads_lock);
    return thread;
}

/* Obtained, but not needed. */
static void edo_thread_put_back(struct edo_thread *thread)
{
    edo_thread_assign(thread, NULL);
}

int edo_worker_take(struct edo_worker *worker)
{
    struct edo_runtime *runtime = worker->runtime;
    uint32_t expected = EDO_GUARD_OUTSIDE;
    const struct edo_tracing *tracing;
    struct edo_thread *spare;
    int number;
    bool taken;

    if (runtime->options.pinned)
        return -EPERM;
    spare = edo_thread_obtain(runtime);
    if (!spare)
        return -EAGAIN;
    edo_lock_acquire(&worker->thread_lock);
    taken = atomic_compare_exchange_strong_explicit(&worker->thread->guard, &expected, EDO_GUARD_TAKEN,
                                                    memory_order_acq_rel, memory_order_relaxed);
    if (taken) {
        number = worker->thread->number;
        edo_worker_note(worker, EDO_NOTE_TAKEN, (uint64_t)number); /* nobody else is in it now */
        EDO_USDT2(worker_handoff, worker->index, number);
        tracing = atomic_load_explicit(&runtime->tracing, memory_order_acquire);
        if (__builtin_expect(tracing != NULL, 0))
            tracing->note(worker, true, EDO_TRACED_TAKEN, (uint64_t)number, 0);
        /* It stays what it is: a thread that finds itself TAKEN changes it under this lock. */
        if (atomic_load_explicit(&worker->thread->running_timer, memory_order_relaxed))
            atomic_fetch_add_explicit(&worker->strays, 1, memory_order_relaxed);
        worker->thread = spare;
        worker->own_first = true;
        edo_turns_end(worker); /* timers and poller have waited: they come first */
    }
    edo_lock_release(&worker->thread_lock);
    if (!taken) {
        edo_thread_put_back(spare);
        return -EBUSY;
    }
    atomic_fetch_add_explicit(&runtime->handoffs, 1, memory_order_relaxed);
    edo_thread_assign(spare, worker);
    return 0;
}

bool edo_thread_yield_worker(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_worker *worker = thread->worker;
    struct edo_thread *heir = NULL;
    struct edo_link *link;

    if (atomic_load_explicit(&runtime->wanting_count, memory_order_relaxed) == 0)
        return false;
    /* Only tried: a remote that holds it may be waiting for this thread to leave, which the caller sees to. */
    if (!edo_lock_try(&worker->thread_lock)) {
        edo_leave(thread);
        sched_yield();
        edo_enter(thread);
        return true;
    }
    edo_lock_acquire(&runtime->threads_lock);
    link = edo_list_first(&runtime->wanting);
    if (link) {
        heir = EDO_CONTAINER_OF(link, struct edo_thread, wanting_link);
        edo_thread_unspare(heir);
        edo_worker_note(worker, EDO_NOTE_GIVEN, (uint64_t)heir->number);
        worker->thread = heir;
        thread->worker = NULL;
    }
    edo_lock_release(&runtime->threads_lock);
    edo_lock_release(&worker->thread_lock);
    if (!heir)
        return false;
    edo_thread_assign(heir, worker);
    return true;
}

/* --- A thread that has lost its worker enters --------------------------------------------------------------------- */

static void edo_after_lost_worker(struct edo_thread *thread, struct edo_task *task)
{
    (void)thread;
    edo_ready(NULL, task);
}

struct edo_thread *edo_enter_slow(struct edo_thread *thread, uint32_t found)
{
    if (found == EDO_GUARD_REMOTE) {
        edo_remote_wait(thread);
        return thread;
    }
    EDO_MISUSE_IF(found == EDO_GUARD_INSIDE, "the runtime was entered twice");
    /* TAKEN: the worker belongs to another thread by now. */
    thread->worker = NULL;
    edo_monitor_stall_ended(thread);
    if (!thread->current)
        return thread;
    return edo_suspend(thread, thread->current, edo_after_lost_worker);
}

/* --- Pinned tasks ------------------------------------------------------------------------------------------------- */

void edo_ready_pinned(struct edo_thread *self, struct edo_task *task)
{
    struct edo_thread *home = task->home_thread;
    struct edo_runtime *runtime = home->runtime;
    struct edo_worker *asleep;
    bool spare;

    if (self == home) {
        task->next = NULL;
        if (home->pinned_first)
            home->pinned_last->next = task;
        else
            home->pinned_first = task;
        home->pinned_last = task;
        atomic_store_explicit(&home->pinned_waiting, true, memory_order_relaxed);
        return;
    }
    edo_lock_acquire(&home->lock);
    task->next = home->pinned_inbox;
    __atomic_store_n(&home->pinned_inbox, task, __ATOMIC_RELAXED);
    atomic_store_explicit(&home->pinned_waiting, true, memory_order_seq_cst);
    spare = home->spare;
    edo_lock_release(&home->lock);
    if (spare) {
        edo_lock_acquire(&runtime->threads_lock);
        edo_lock_acquire(&home->lock);
        if (home->spare && !home->wanting)
            edo_thread_want(home);
        edo_lock_release(&home->lock);
        edo_lock_release(&runtime->threads_lock);
        edo_wake_one(runtime);
        return;
    }
    /* seq_cst on both sides: either it sees the mail before it sleeps, or it is seen here. */
    asleep = atomic_load_explicit(&home->sleeps_on, memory_order_seq_cst);
    if (asleep)
        edo_wake_worker(asleep);
}

/* Takes what others have pushed, and puts it behind what is there, oldest first. */
static void edo_pinned_collect(struct edo_thread *thread)
{
    struct edo_task *newest;
    struct edo_task *oldest = NULL;
    struct edo_task *last;

    edo_lock_acquire(&thread->lock);
    last = newest = thread->pinned_inbox;
    __atomic_store_n(&thread->pinned_inbox, NULL, __ATOMIC_RELAXED);
    edo_lock_release(&thread->lock);
    while (newest) {
        struct edo_task *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    if (!oldest)
        return;
    if (thread->pinned_first)
        thread->pinned_last->next = oldest;
    else
        thread->pinned_first = oldest;
    thread->pinned_last = last;
}

/*
 * The flag is cleared before the inbox is looked at (seq_cst), and set after something was put there: so it is never
 * false while something is there for good.
 */
struct edo_task *edo_pinned_next(struct edo_thread *thread)
{
    struct edo_task *task;

    if (__atomic_load_n(&thread->pinned_inbox, __ATOMIC_RELAXED))
        edo_pinned_collect(thread);
    task = thread->pinned_first;
    if (task)
        thread->pinned_first = task->next;
    if (!thread->pinned_first) {
        atomic_exchange_explicit(&thread->pinned_waiting, false, memory_order_seq_cst);
        if (__atomic_load_n(&thread->pinned_inbox, __ATOMIC_SEQ_CST))
            atomic_store_explicit(&thread->pinned_waiting, true, memory_order_relaxed);
    }
    return task;
}

struct edo_task *edo_pinned_turn(struct edo_thread *thread)
{
    return edo_turns_left(thread->worker) & 1 ? edo_pinned_next(thread) : NULL;
}

/* --- New threads -------------------------------------------------------------------------------------------------- */

/* The life of a thread that the runtime started: it waits for a worker, and serves. */
static void *edo_thread_main(void *argument)
{
    struct edo_thread *thread = (struct edo_thread *)argument;
    const edo_run_options *options = &thread->runtime->options;

    edo_context_adopt(&thread->native);
    pthread_sigmask(SIG_SETMASK, &thread->runtime->signals, NULL);
    __atomic_store_n(&thread->number, edo_platform->thread_number(), __ATOMIC_RELAXED);
    edo_callback_thread(options->on_thread_start, options->on_argument);
    edo_thread_set_self(thread);
    edo_overflow_thread_init();
    /* Whoever created it has obtained it, or lists it as spare. */
    if (edo_thread_sleep(thread))
        edo_thread_loop(thread);
    edo_context_forget(&thread->native);
    edo_overflow_thread_finish();
    edo_thread_set_self(NULL);
    edo_callback_thread(options->on_thread_stop, options->on_argument);
    return NULL;
}

void edo_thread_init(struct edo_thread *thread, struct edo_runtime *runtime)
{
    atomic_store_explicit(&thread->guard, EDO_GUARD_INSIDE, memory_order_relaxed);
    edo_lock_init(&thread->lock);
    thread->runtime = runtime;
    thread->worker = NULL;
    thread->assigned = 0;
    thread->budget = runtime->hooks ? 0 : EDO_BUDGET;
}

/* A struct for one thread more: a retired one's, or a new one, in the list of all. */
static int edo_thread_get(struct edo_thread **out, struct edo_runtime *runtime)
{
    struct edo_thread *thread;

    edo_lock_acquire(&runtime->threads_lock);
    if (runtime->thread_count >= runtime->options.threads) {
        edo_lock_release(&runtime->threads_lock);
        return -EAGAIN;
    }
    runtime->thread_count++;
    for (thread = runtime->threads; thread && !thread->retired; thread = thread->next)
        ;
    if (thread)
        thread->retired = false;
    edo_lock_release(&runtime->threads_lock);
    if (thread) {
        if (thread->joinable)
            pthread_join(thread->id, NULL); /* it is on its way out */
        thread->joinable = false;
    } else {
        thread = (struct edo_thread *)edo_platform->allocate(sizeof *thread);
        edo_lock_acquire(&runtime->threads_lock);
        if (thread) {
            thread->next = runtime->threads;
            runtime->threads = thread;
        } else {
            runtime->thread_count--;
        }
        edo_lock_release(&runtime->threads_lock);
        if (!thread)
            return -ENOMEM;
    }
    edo_thread_init(thread, runtime);
    *out = thread;
    return 0;
}

int edo_thread_create(struct edo_thread **out, struct edo_runtime *runtime)
{
    enum { EDO_THREAD_STACK = 256 * 1024 };
    struct edo_thread *thread;
    int rc = edo_thread_get(&thread, runtime);

    if (rc < 0)
        return rc;
    rc = edo_masked_thread_start(edo_platform, &thread->id, EDO_THREAD_STACK, edo_thread_main, thread);
    edo_lock_acquire(&runtime->threads_lock);
    thread->joinable = rc == 0;
    if (rc < 0) {
        thread->retired = true;
        runtime->thread_count--;
    }
    edo_lock_release(&runtime->threads_lock);
    *out = thread;
    return rc;
}

bool edo_threads_want_reserve(struct edo_runtime *runtime)
{
    bool wanted;

    edo_lock_acquire(&runtime->threads_lock);
    wanted = edo_list_empty(&runtime->spares) && runtime->thread_count < runtime->options.threads &&
             !atomic_load_explicit(&runtime->stopping, memory_order_relaxed);
    edo_lock_release(&runtime->threads_lock);
    return wanted;
}

void edo_threads_reserve(struct edo_runtime *runtime)
{
    struct edo_thread *thread;

    if (!edo_threads_want_reserve(runtime) || edo_thread_create(&thread, runtime) < 0)
        return;
    edo_lock_acquire(&runtime->threads_lock);
    if (atomic_load_explicit(&runtime->stopping, memory_order_relaxed)) {
        edo_thread_assign(thread, NULL); /* it sees that, and ends */
    } else {
        edo_list_insert_tail(&runtime->spares, &thread->spare_link);
        thread->spare = true; /* nothing is pinned to it: thread->lock has nothing to guard yet */
    }
    edo_lock_release(&runtime->threads_lock);
}
