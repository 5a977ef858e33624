/* SPDX-License-Identifier: MIT */
/*
 * Blocking work on a bounded pool of threads (rule C7).
 *
 * A job is queued, then running, then done; `state` says so. QUEUED -> RUNNING and QUEUED -> dropped happen under the
 * pool's lock, so a cancelled caller takes its job out of the queue or finds it running. RUNNING -> DONE is an exchange
 * by the thread, RUNNING -> ABANDONED one by the cancelled caller of an abandonable job: whoever comes second sees the
 * other. A job that is waited for lies on its caller's stack; an abandonable one on the heap, and the last to leave
 * frees it. After DONE the thread touches the job no more.
 *
 * Idle threads sleep each on its own word, the one that came last is used first, so that surplus ones expire. The pool
 * outlives its runtime while abandoned jobs run: it counts references, one for the runtime and one a thread.
 *
 * All threads but those are joined before the runtime ends, so that nothing of theirs (the platform's table,
 * thread-local destructors) outlives it: who ends joins the one that ended before, the runtime's end the last one. Who
 * comes back from an abandoned job after that (`closed`) has nobody to join it and detaches itself.
 *
 * A runtime that runs in a job (nested.c) lies in job->nesting, written by the job's thread under the pool's lock. The
 * job's caller, when cancelled, sets `cancelled` under that lock and cancels the runtime, before it may abandon the
 * job.
 */
#include "runtime/callbacks.h"
#include "runtime/hooks.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"
#include "runtime/options.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <edo/blocking.h>

#include <errno.h>

/* The job that the thread is at work on, with which no task is concerned: so a plain thread-local, of this file. */
static __thread struct edo_job *edo_job_here;

struct edo_idle_thread {
    struct edo_link link;
    uint32_t called; /* futex */
};

struct edo_blocking_pool {
    struct edo_lock lock;
    struct edo_link queue;
    struct edo_link idle; /* the last one first */
    int threads;          /* alive; under lock */
    int attached;         /* those that are not running an abandoned job; under lock */
    int most;
    int queued;
    int64_t linger;
    sigset_t signals; /* that its threads block: as the one that called edo_run did */
    bool closing;
    bool closed;    /* no thread is attached, or will be joined; under lock, as are the next two */
    bool any_ended; /* `last_ended` is to be joined */
    pthread_t last_ended;
    void (*on_thread_start)(void *);
    void (*on_thread_stop)(void *);
    void *on_argument;
    uint32_t drained; /* futex: raised whenever `attached` falls while closing */
    _Atomic int references;
};

int edo_blocking_pool_create(struct edo_blocking_pool **out, int threads, const edo_run_options *options)
{
    struct edo_blocking_pool *pool = (struct edo_blocking_pool *)edo_platform->allocate(sizeof *pool);

    if (!pool)
        return -ENOMEM;
    edo_lock_init(&pool->lock);
    edo_list_init(&pool->queue);
    edo_list_init(&pool->idle);
    pool->most = threads;
    pool->linger = options->blocking_linger;
    pthread_sigmask(SIG_SETMASK, NULL, &pool->signals);
    pool->on_thread_start = options->on_thread_start;
    pool->on_thread_stop = options->on_thread_stop;
    pool->on_argument = options->on_argument;
    atomic_init(&pool->references, 1);
    *out = pool;
    return 0;
}

static void edo_blocking_pool_release(struct edo_blocking_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) == 1)
        edo_platform->release(pool);
}

static void edo_idle_call(struct edo_idle_thread *idle)
{
    edo_list_remove(&idle->link);
    __atomic_store_n(&idle->called, 1, __ATOMIC_RELEASE);
    edo_platform->futex_wake(&idle->called, 1);
}

/* Under the lock: takes the thread that ended last, to be joined by the caller; false if there is none. */
static bool edo_blocking_take_ended(pthread_t *out, struct edo_blocking_pool *pool)
{
    bool any = pool->any_ended;

    *out = pool->last_ended;
    pool->any_ended = false;
    return any;
}

void edo_blocking_pool_destroy(struct edo_blocking_pool *pool)
{
    struct edo_link *link;
    pthread_t last;
    bool join;

    if (!pool)
        return;
    edo_lock_acquire(&pool->lock);
    pool->closing = true;
    while ((link = edo_list_first(&pool->idle)))
        edo_idle_call(EDO_CONTAINER_OF(link, struct edo_idle_thread, link));
    while (pool->attached > 0) {
        uint32_t seen = pool->drained;

        edo_lock_release(&pool->lock);
        edo_platform->futex_wait(&pool->drained, seen, EDO_FOREVER);
        edo_lock_acquire(&pool->lock);
    }
    pool->closed = true;
    join = edo_blocking_take_ended(&last, pool);
    edo_lock_release(&pool->lock);
    if (join)
        pthread_join(last, NULL);
    edo_blocking_pool_release(pool);
}

void edo_blocking_pool_counts(struct edo_blocking_pool *pool, uint64_t *threads, uint64_t *idle, uint64_t *queued)
{
    edo_lock_acquire(&pool->lock);
    *threads = (uint64_t)pool->threads;
    *queued = (uint64_t)pool->queued;
    *idle = 0;
    for (const struct edo_link *link = pool->idle.next; link != &pool->idle; link = link->next)
        ++*idle;
    edo_lock_release(&pool->lock);
}

/* --- A pool thread ------------------------------------------------------------------------------------------------ */

/* Under the lock: one thread fewer that the runtime's end has to wait for. */
static void edo_blocking_detach_thread(struct edo_blocking_pool *pool)
{
    pool->attached--;
    if (pool->closing) {
        __atomic_fetch_add(&pool->drained, 1, __ATOMIC_RELEASE);
        edo_platform->futex_wake(&pool->drained, 1);
    }
}

static void edo_job_free(struct edo_job *job)
{
    if (job->drop)
        job->drop(job->argument);
    edo_platform->release(job);
}

/* Returns false if the job was abandoned meanwhile, and its thread counted out. */
static bool edo_job_run(struct edo_job *job)
{
    struct edo_task *task = job->task;
    int result;

    edo_job_here = job;
    result = job->fn(job->argument);
    edo_job_here = NULL;
    job->result = result;
    if (atomic_exchange_explicit(&job->state, EDO_JOB_DONE, memory_order_acq_rel) == EDO_JOB_ABANDONED) {
        edo_job_free(job);
        return false;
    }
    edo_unpark(task);
    return true;
}

/* The next job, after sleeping if there is none; NULL when it is time to end. Under the lock before and after. */
static struct edo_job *edo_blocking_next(struct edo_blocking_pool *pool)
{
    for (;;) {
        struct edo_link *link = edo_list_take_first(&pool->queue);
        struct edo_idle_thread idle = {.called = 0};
        int64_t end;
        bool expired = false;

        if (link) {
            struct edo_job *job = EDO_CONTAINER_OF(link, struct edo_job, link);

            pool->queued--;
            atomic_store_explicit(&job->state, EDO_JOB_RUNNING, memory_order_relaxed);
            return job;
        }
        if (pool->closing)
            return NULL;
        edo_list_insert_head(&pool->idle, &idle.link);
        edo_lock_release(&pool->lock);
        end = edo_deadline_after(edo_platform->now(), pool->linger);
        while (!__atomic_load_n(&idle.called, __ATOMIC_ACQUIRE) && !expired)
            expired = edo_platform->futex_wait(&idle.called, 0, end) == -ETIMEDOUT;
        edo_lock_acquire(&pool->lock);
        if (!idle.called) {
            edo_list_remove(&idle.link);
            return NULL;
        }
    }
}

static void *edo_blocking_main(void *argument)
{
    struct edo_blocking_pool *pool = (struct edo_blocking_pool *)argument;
    struct edo_job *job;
    pthread_t before;
    bool join;

    pthread_sigmask(SIG_SETMASK, &pool->signals, NULL);
    edo_callback_thread(pool->on_thread_start, pool->on_argument);
    edo_lock_acquire(&pool->lock);
    while ((job = edo_blocking_next(pool))) {
        bool attached;

        edo_lock_release(&pool->lock);
        attached = edo_job_run(job);
        edo_lock_acquire(&pool->lock);
        if (!attached)
            pool->attached++;
    }
    pool->threads--; /* from now on a job that comes has another thread started for it */
    edo_lock_release(&pool->lock);
    edo_callback_thread(pool->on_thread_stop, pool->on_argument);
    edo_lock_acquire(&pool->lock);
    join = edo_blocking_take_ended(&before, pool);
    if (pool->closed) {
        pthread_detach(pthread_self());
    } else {
        pool->last_ended = pthread_self();
        pool->any_ended = true;
    }
    edo_blocking_detach_thread(pool);
    edo_lock_release(&pool->lock);
    if (join)
        pthread_join(before, NULL); /* it is on its way out */
    edo_blocking_pool_release(pool);
    return NULL;
}

/* --- The caller's side -------------------------------------------------------------------------------------------- */

/* Queues the job and sees to it that a thread will come. OUTSIDE. */
static int edo_job_submit(struct edo_blocking_pool *pool, struct edo_job *job)
{
    enum { EDO_BLOCKING_STACK = 1024 * 1024 };
    struct edo_link *link;
    pthread_t id;
    int rc = 0;

    edo_lock_acquire(&pool->lock);
    edo_list_insert_tail(&pool->queue, &job->link);
    pool->queued++;
    link = edo_list_first(&pool->idle);
    if (link) {
        edo_idle_call(EDO_CONTAINER_OF(link, struct edo_idle_thread, link));
    } else if (pool->threads < pool->most) {
        pool->threads++;
        pool->attached++;
        atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
        rc = edo_masked_thread_start(edo_platform, &id, EDO_BLOCKING_STACK, edo_blocking_main, pool);
        if (rc < 0) {
            pool->threads--;
            pool->attached--;
            atomic_fetch_sub_explicit(&pool->references, 1, memory_order_relaxed);
            if (pool->threads > 0) {
                rc = 0; /* one of those at work will take it */
            } else {
                edo_list_remove(&job->link);
                pool->queued--;
            }
        }
    }
    edo_lock_release(&pool->lock);
    return rc;
}

/* Takes a job that has not started out of the queue. */
static bool edo_job_unqueue(struct edo_blocking_pool *pool, struct edo_job *job)
{
    bool queued;

    edo_lock_acquire(&pool->lock);
    queued = atomic_load_explicit(&job->state, memory_order_relaxed) == EDO_JOB_QUEUED;
    if (queued) {
        edo_list_remove(&job->link);
        pool->queued--;
    }
    edo_lock_release(&pool->lock);
    return queued;
}

/* Passes the caller's cancellation on to the runtime that runs in the job, or will. */
static void edo_job_cancel_nested(struct edo_blocking_pool *pool, struct edo_job *job)
{
    struct edo_nesting *nesting;

    edo_lock_acquire(&pool->lock);
    job->cancelled = true;
    nesting = job->nesting;
    if (nesting)
        edo_nesting_hold(nesting); /* so that it stays when the pool's lock is released */
    edo_lock_release(&pool->lock);
    if (nesting)
        edo_nesting_cancel_held(nesting);
}

bool edo_job_nesting_begin(int *rc, struct edo_nesting **outer, struct edo_nesting *nesting)
{
    struct edo_job *job = edo_job_here;

    if (!job)
        return false;
    edo_lock_acquire(&job->pool->lock);
    *outer = job->nesting;
    *rc = job->cancelled ? -ECANCELED : 0;
    job->nesting = nesting;
    edo_lock_release(&job->pool->lock);
    return true;
}

void edo_job_nesting_end(struct edo_nesting *outer)
{
    struct edo_job *job = edo_job_here;

    edo_lock_acquire(&job->pool->lock);
    job->nesting = outer;
    edo_lock_release(&job->pool->lock);
}

/* Leaves a running job to itself; false if it is done. */
static bool edo_job_abandon(struct edo_blocking_pool *pool, struct edo_job *job)
{
    uint32_t running = EDO_JOB_RUNNING;
    bool abandoned;

    edo_lock_acquire(&pool->lock);
    abandoned = atomic_compare_exchange_strong_explicit(&job->state, &running, EDO_JOB_ABANDONED, memory_order_acq_rel,
                                                        memory_order_acquire);
    if (abandoned)
        edo_blocking_detach_thread(pool);
    edo_lock_release(&pool->lock);
    return abandoned;
}

/* 0: it has run. -ECANCELED: it will not, or is on its own now (*abandoned). */
static int edo_job_wait(bool *abandoned, struct edo_blocking_pool *pool, struct edo_job *job, bool abandonable)
{
    bool tried = false;

    *abandoned = false;
    while (atomic_load_explicit(&job->state, memory_order_acquire) != EDO_JOB_DONE) {
        if (edo_task_cancelled(job->task) && !tried) {
            if (edo_job_unqueue(pool, job))
                return -ECANCELED;
            edo_job_cancel_nested(pool, job);
            if (abandonable && edo_job_abandon(pool, job)) {
                *abandoned = true;
                return -ECANCELED;
            }
            tried = true;
            continue;
        }
        edo_park(job->task);
    }
    return 0;
}

int edo_blocking_on(struct edo_blocking_pool *pool, int (*fn)(void *), void *argument,
                    const edo_blocking_options *options)
{
    struct edo_task *task = edo_task_self();
    struct edo_job local = {.fn = fn};
    struct edo_job *job = &local;
    bool abandoned = false;
    int rc = edo_suspension_point(task);

    if (rc == 0 && (options->abandonable || options->copy)) {
        job = (struct edo_job *)edo_platform->allocate(sizeof *job + options->copy);
        if (!job)
            rc = -ENOMEM;
    }
    if (rc == 0 && options->copy)
        argument = memcpy(job + 1, argument, options->copy);
    if (rc == 0 && task->home->runtime->hooks && task->home->runtime->hooks->simulated) {
        job->result = fn(argument); /* a run that can be repeated has no other threads (hooks.h) */
    } else if (rc == 0) {
        job->fn = fn;
        job->argument = argument;
        job->drop = options->drop;
        job->task = task;
        job->pool = pool;
        job->self = job;
        rc = edo_job_submit(pool, job);
        if (rc == 0)
            rc = edo_job_wait(&abandoned, pool, job, options->abandonable);
    }
    if (rc == 0)
        rc = job->result;
    else if (!abandoned && options->drop)
        options->drop(argument);
    if (job && job != &local && !abandoned)
        edo_platform->release(job);
    return rc;
}

int edo_blocking_with(int (*fn)(void *), void *argument, const edo_blocking_options *given)
{
    struct edo_task *task = edo_task_self();
    edo_blocking_options options;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc == 0 && edo_in_forked_child())
        rc = -EPERM;
    if (rc < 0 || !task)
        return rc < 0 ? rc : fn(argument);
    return edo_blocking_on(task->home->runtime->blocking, fn, argument, &options);
}
