/* SPDX-License-Identifier: MIT */
/*
 * The beginning and the end of tasks: spawn, end, join, detach.
 *
 * Spawn reserves all that the task will ever need to run (rule K5): its block, its handle, its copy, and the promise of
 * a stack; so no later step of its life can fail. What needs a syscall or malloc happens before the guard is entered,
 * and everything is given back if a later step fails; the argument is then still the caller's (rule C10).
 *
 * The handle's word `joiner` settles the end against a join: the end adds DONE to it and wakes the joiner it finds
 * there, if any; a joiner exchanges 0 for itself and parks until it sees DONE. After DONE the handle is that joiner's,
 * or if there is none, that of whoever comes first.
 */
#include "runtime/callbacks.h"
#include "runtime/fork.h"
#include "runtime/local.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "runtime/usdt.h"
#include "runtime/misuse.h"
#include "runtime/options.h"
#include "runtime/sample.h"
#include "runtime/census.h"
#include "platform/platform.h"

#include <edo/park.h>

#include <errno.h>

#if !EDO_ASAN && !EDO_TSAN
_Static_assert(sizeof(struct edo_handle) <= 64, "an ended task costs at most 64 bytes (K5)");
_Static_assert(sizeof(struct edo_task) + sizeof(struct edo_handle) <= 256, "K5: 256 bytes for a dormant task");
#endif

/* --- What a spawn takes ------------------------------------------------------------------------------------------- */

/*
 * Fills the worker's caches of task blocks, handle blocks and promised stacks, those that are empty. INSIDE before and
 * after, perhaps on another thread.
 */
static __attribute__((noinline)) int edo_spawn_refill(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_block_cache tasks = {NULL, 0, NULL};
    struct edo_block_cache handles = {NULL, 0, NULL};
    bool want_tasks = edo_block_cache_empty(&thread->worker->tasks);
    bool want_handles = edo_block_cache_empty(&thread->worker->handles);
    bool want_credit = thread->worker->stack_credit == 0;
    int credit = 0;
    int count = 0;

    edo_leave(thread);
    if (want_tasks)
        count = edo_blocks_fill(&tasks, &runtime->tasks);
    if (count >= 0 && want_handles)
        count = edo_blocks_fill(&handles, &runtime->handles);
    if (count >= 0 && want_credit) {
        credit = EDO_STACK_CREDIT;
        count = edo_stack_pool_reserve(&runtime->stacks, runtime->stack_class, (size_t)credit);
        if (count < 0) {
            credit = 1;
            count = edo_stack_pool_reserve(&runtime->stacks, runtime->stack_class, 1);
        }
        if (count < 0)
            credit = 0;
    }
    thread = edo_enter(edo_thread_self());
    edo_blocks_move(&thread->worker->tasks, &runtime->tasks, &tasks);
    edo_blocks_move(&thread->worker->handles, &runtime->handles, &handles);
    thread->worker->stack_credit += credit;
    return count < 0 ? count : 0;
}

/*
 * Makes sure that the worker has a task block, a handle block and a stack's promise at hand, as far as they are wanted:
 * 0, or a negative errno. INSIDE before and after; *thread is the one it is on then.
 */
static inline __attribute__((always_inline)) int edo_spawn_provide(struct edo_thread **thread, bool handle, bool usual)
{
    struct edo_worker *worker = (*thread)->worker;

    while (__builtin_expect(edo_block_cache_empty(&worker->tasks) ||
                                (handle && edo_block_cache_empty(&worker->handles)) ||
                                (usual && worker->stack_credit == 0),
                            0)) {
        int rc = edo_spawn_refill(*thread);

        *thread = edo_thread_self();
        worker = (*thread)->worker;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What has been provided; the handle apart. */
static inline struct edo_task *edo_spawn_take(struct edo_worker *worker, bool usual)
{
    if (usual)
        worker->stack_credit--;
    return (struct edo_task *)edo_block_take(&worker->tasks);
}

static inline void edo_task_put_reservation(struct edo_thread *thread, int stack_class)
{
    struct edo_runtime *runtime = thread->runtime;

    if (__builtin_expect(stack_class != runtime->stack_class, 0)) {
        edo_stack_pool_unreserve(&runtime->stacks, stack_class, 1);
    } else if (__builtin_expect(++thread->worker->stack_credit > 4 * EDO_STACK_CREDIT, 0)) {
        thread->worker->stack_credit -= 2 * EDO_STACK_CREDIT;
        edo_stack_pool_unreserve(&runtime->stacks, stack_class, 2 * EDO_STACK_CREDIT);
    }
}

/* --- Spawn -------------------------------------------------------------------------------------------------------- */

static void edo_task_fill(struct edo_task *task, struct edo_scope_body *home, edo_task_fn fn, void *argument,
                          edo_site *site)
{
    /* `wake` is left as it is, RUNNING or NOTIFIED: a late waker may be at it. */
    task->budget = EDO_BUDGET;
    task->flags = 0;
    task->stack = NULL;
    task->scope = home;
    task->fn = fn;
    task->argument = argument;
    task->handle = NULL;
    task->home = home;
    task->resumption = 0;
    task->site = site;
    task->home_thread = NULL;
    task->owned = NULL;
    task->when_what = 0;
    task->wake_number = 0;
}

static int edo_spawn_check(const edo_spawn_options *options, struct edo_runtime *runtime)
{
    int stack_class = runtime->stack_class;

    if (options->when.what_ < 0 || options->when.what_ > EDO_WHEN_WRITABLE_)
        return -EINVAL;
    if (options->stack_size)
        stack_class = edo_stack_class_for(options->stack_size);
    return stack_class;
}

/* What is not to be done INSIDE: what the task will own, and the promise of a stack of another class. Or nothing. */
static int edo_spawn_gather(struct edo_owned **owned, void **argument, const edo_spawn_options *options,
                            struct edo_runtime *runtime, int stack_class)
{
    struct edo_task *spawner = edo_task_self();
    int rc = 0;

    if (options->copy)
        rc = edo_owned_copy(owned, argument, options->copy);
    if (rc == 0 && spawner->owned)
        rc = edo_owned_inherit(owned, spawner);
    if (rc == 0 && stack_class != runtime->stack_class)
        rc = edo_stack_pool_reserve(&runtime->stacks, stack_class, 1);
    if (rc < 0)
        edo_owned_drop(owned);
    return rc;
}

/* The flags of a task that is pinned, or of a runtime that watches tasks or has hooks. INSIDE. */
static __attribute__((noinline, cold)) void edo_spawn_set_flags(struct edo_thread *thread, struct edo_task *task,
                                                                bool pinned, uint8_t flags)
{
    /* Under hooks there is one thread: all its tasks are pinned. */
    task->flags = pinned && !thread->runtime->hooks ? EDO_TASK_PINNED | (flags & EDO_TASK_WATCHED) : flags;
    if ((task->flags & EDO_TASK_TIMED) && !edo_sample_spawn(thread->worker, task))
        task->flags &= (uint8_t)~EDO_TASK_TIMED;
}

/* Gives back all that a task took that is not spawned after all. INSIDE; OUTSIDE afterwards. */
static __attribute__((noinline, cold)) void edo_spawn_undo(struct edo_thread *thread, struct edo_task *task,
                                                           struct edo_handle *handle)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_owned *owned = task->owned;

    edo_task_put_reservation(thread, task->stack_class);
    edo_task_retract(task);
    edo_block_put(&thread->worker->tasks, &runtime->tasks, task);
    if (handle)
        edo_block_put(&thread->worker->handles, &runtime->handles, handle);
    edo_leave(thread);
    edo_owned_drop(&owned);
}

/*
 * Whether nothing is asked for but a name and a handle, and there is nothing to be inherited. `options` are of this
 * version's size.
 */
static inline bool edo_spawn_is_plain(const edo_spawn_options *options, const struct edo_task *spawner)
{
    return !((uintptr_t)options->copy | options->stack_size | (uintptr_t)options->pinned |
             (uintptr_t)options->when.what_ | (uintptr_t)spawner->owned);
}

/* Spawns, from a task that runs on `thread`. `plain` is constant: what others need then falls away. OUTSIDE. */
static inline __attribute__((always_inline)) int edo_spawn_as(bool plain, struct edo_thread *thread, edo_scope *scope,
                                                              edo_task_fn fn, void *argument, edo_site *site,
                                                              const edo_spawn_options *options)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_scope_body *home = scope ? edo_scope_of(scope) : &runtime->detached;
    int stack_class = runtime->stack_class;
    struct edo_handle *handle = NULL;
    struct edo_owned *owned = NULL; /* what the task will own */
    struct edo_task *task;
    bool usual = true; /* its stack is of the default size */
    uint8_t flags;
    int rc = 0;

    EDO_MISUSE_IF(home->runtime != runtime, "spawned into a scope of another runtime, or one that is closed");
    if (!fn || home->runtime != runtime)
        return -EINVAL;
    if (!plain) {
        stack_class = edo_spawn_check(options, runtime);
        if (stack_class < 0)
            return stack_class;
        usual = stack_class == runtime->stack_class;
        rc = edo_spawn_gather(&owned, &argument, options, runtime, stack_class);
        if (rc < 0)
            return rc;
        thread = edo_thread_self(); /* after the user's code */
    }
    thread = edo_enter(thread);
    rc = edo_spawn_provide(&thread, options->handle != NULL, usual);
    if (__builtin_expect(rc < 0, 0)) {
        edo_leave(thread);
        if (!usual)
            edo_stack_pool_unreserve(&runtime->stacks, stack_class, 1);
        edo_owned_drop(&owned);
        return rc;
    }
    task = edo_spawn_take(thread->worker, usual);
    edo_task_fill(task, home, fn, argument, site);
    task->owned = owned;
    task->name = options->name;
    task->stack_class = (uint8_t)stack_class;
    flags = atomic_load_explicit(&runtime->task_flags, memory_order_relaxed);
    if (__builtin_expect((!plain && options->pinned) || flags, 0))
        edo_spawn_set_flags(thread, task, options->pinned, flags);
    edo_task_publish(task, edo_worker_next_id(thread->worker));
    if (options->handle) {
        handle = (struct edo_handle *)edo_block_take(&thread->worker->handles);
        atomic_store_explicit(&handle->joiner, 0, memory_order_relaxed);
        handle->task = task;
        handle->runtime = runtime;
        task->handle = handle;
    }
    if (!plain && options->when.what_ != EDO_WHEN_NOW_ && options->when.what_ != 0) {
        edo_leave(thread);
        rc = edo_dormant_prepare(task, &options->when);
        thread = edo_enter(edo_thread_self());
    }
    if (__builtin_expect(rc == 0 && !edo_scope_child_spawned(home, thread->current), 0)) {
        rc = -EINVAL;
        edo_leave(thread);
        edo_dormant_unprepare(task);
        thread = edo_enter(edo_thread_self());
    }
    if (__builtin_expect(rc < 0, 0)) {
        edo_spawn_undo(thread, task, handle);
        return rc;
    }
    edo_count(&thread->worker->counts.spawned, 1);
    EDO_USDT4(task_spawn, task->id, task->name, site, thread->current->id);
    if (handle)
        *options->handle = handle;
    if (!plain && task->when_what)
        edo_dormant_start(thread, task);
    else
        edo_ready_last(thread, task);
    edo_leave(thread);
    return 0;
}

/* The same for options that may be of another version, or ask for more. */
static __attribute__((noinline)) int edo_spawn_any(struct edo_thread *thread, edo_scope *scope, edo_task_fn fn,
                                                   void *argument, edo_site *site, const edo_spawn_options *given)
{
    const edo_spawn_options *options = given;
    edo_spawn_options read;

    if (!given || given->size != sizeof *given) {
        int rc = EDO_READ_OPTIONS(&read, given);

        if (rc < 0)
            return rc;
        options = &read;
    }
    if (!thread || !thread->current)
        return -EPERM;
    return edo_spawn_as(false, thread, scope, fn, argument, site, options);
}

int edo_spawn_at(edo_scope *scope, edo_task_fn fn, void *argument, edo_site *site, const edo_spawn_options *given)
{
    struct edo_thread *thread = edo_thread_self();

    if (__builtin_expect(given && given->size == sizeof *given && thread && thread->current, 1) &&
        edo_spawn_is_plain(given, thread->current))
        return edo_spawn_as(true, thread, scope, fn, argument, site, given);
    return edo_spawn_any(thread, scope, fn, argument, site, given);
}

int edo_root_spawn(struct edo_thread *thread, edo_task_fn fn)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_task *task;
    int rc = edo_spawn_provide(&thread, false, true);

    if (rc < 0)
        return rc;
    task = edo_spawn_take(thread->worker, true);
    edo_task_fill(task, &runtime->base, fn, runtime, NULL);
    task->name = "root";
    task->stack_class = (uint8_t)runtime->stack_class;
    task->flags = atomic_load_explicit(&runtime->task_flags, memory_order_relaxed);
    edo_task_publish(task, edo_worker_next_id(thread->worker));
    edo_count(&thread->worker->counts.spawned, 1);
    atomic_store_explicit(&runtime->base.live, 1, memory_order_relaxed);
    edo_ready(thread, task);
    return 0;
}

/* --- End ---------------------------------------------------------------------------------------------------------- */

static struct edo_thread *edo_handle_done(struct edo_thread *thread, struct edo_handle *handle, int result)
{
    uintptr_t joiner;

    handle->result = result;
    /* Added, as it is not there yet: or-ing it would be a loop on x86-64, where the old value is wanted. */
    joiner = atomic_fetch_add_explicit(&handle->joiner, EDO_HANDLE_DONE, memory_order_acq_rel);
    if (joiner == 0)
        return thread;
    if (joiner == EDO_HANDLE_DETACHED) {
        edo_block_put(&thread->worker->handles, &thread->runtime->handles, handle);
    } else if (joiner & 1) { /* the word of a joiner from elsewhere, who waits for nothing else once it is found here */
        uint32_t *word = (uint32_t *)(joiner - 1);

        edo_leave(thread);
        __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
        edo_wake_word(word, 1);
        thread = edo_enter(edo_thread_self());
    } else {
        /* Not next but after what is ready already: who joins many has more of them ended by its turn. */
        edo_unpark_last(thread, (struct edo_task *)joiner);
    }
    return thread;
}

/* What the task still does itself, its function having returned, on its stack. OUTSIDE; the user's code may wait. */
static void edo_task_last_steps(struct edo_task *task, int result)
{
    struct edo_runtime *runtime = task->home->runtime;

    if (runtime->options.on_task_stop)
        edo_callback_task_stop(task, result);
    edo_owned_drop(&task->owned);
    EDO_MISUSE_IF(edo_thread_in_region(edo_thread_self()) || task->scope != task->home || task->when_what,
                  "a task-local's destructor has returned with a region or a scope open, or called edo_continue");
    if (runtime->options.stack_census)
        edo_census_add(task->site, edo_stack_high_water(task->stack));
}

struct edo_thread *edo_task_end(struct edo_thread *thread, struct edo_task *task, int result)
{
    struct edo_scope_body *home = task->home;
    struct edo_task *owner = home->owner;
    struct edo_handle *handle = task->handle;

    if (__builtin_expect(task->owned || thread->runtime->ends_watched, 0)) {
        edo_leave(thread);
        edo_task_last_steps(task, result);
        thread = edo_enter(edo_thread_self());
    }
    edo_count(&thread->worker->counts.ended, 1);
    if (__builtin_expect(task->flags & EDO_TASK_PINNED, 0))
        thread->pinned_count--;
    edo_task_put_reservation(thread, task->stack_class);
    if (handle)
        thread = edo_handle_done(thread, handle, result);
    EDO_USDT2(task_end, task->id, result);
    edo_task_retract(task); /* while its home is there */
    if (result < 0 || (task->flags & EDO_TASK_LISTED))
        edo_scope_child_leaves(thread, task, result);
    if (edo_scope_count_out(home, thread->worker->alone))
        edo_scope_emptied(thread, owner);
    edo_block_put(&thread->worker->tasks, &thread->runtime->tasks, task);
    return thread;
}

/* --- Join and detach ---------------------------------------------------------------------------------------------- */

static void edo_handle_free(struct edo_handle *handle)
{
    struct edo_thread *thread = edo_thread_self();

    if (thread && thread->runtime == handle->runtime && thread->current) {
        thread = edo_enter(thread);
        edo_block_put(&thread->worker->handles, &thread->runtime->handles, handle);
        edo_leave(thread);
    } else {
        handle->free_link = NULL;
        edo_blocks_give(&handle->runtime->handles, (struct edo_block *)(void *)handle, 1);
    }
}

/* For threads that run no task, and for tasks of other runtimes: they wait on a word. */
static int edo_join_from_elsewhere(int *result, struct edo_handle *handle)
{
    uint32_t word = 0;
    uintptr_t joiner = 0;

    if (edo_in_forked_child())
        return -EPERM;
    if (atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, (uintptr_t)&word + 1, memory_order_acq_rel,
                                                memory_order_acquire)) {
        while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST)) {
            joiner = (uintptr_t)&word + 1;
            if (edo_wait_word(&word, 0, EDO_FOREVER) == -ECANCELED &&
                atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, 0, memory_order_acq_rel,
                                                        memory_order_acquire))
                return -ECANCELED;
        }
    } else if (joiner != EDO_HANDLE_DONE) {
        return -EBUSY;
    }
    if (result)
        *result = handle->result;
    edo_handle_free(handle);
    return 0;
}

int edo_join(int *result, edo_task *handle)
{
    struct edo_task *task = edo_task_self();
    uintptr_t joiner = 0;
    struct edo_thread *thread;
    int rc;

    if (!task || task->home->runtime != handle->runtime)
        return edo_join_from_elsewhere(result, handle);
    if (task->handle == handle)
        return -EDEADLK;
    rc = edo_suspension_point(task);
    if (rc < 0)
        return rc;
    thread = edo_enter(edo_thread_self());
    if (atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, (uintptr_t)task, memory_order_acq_rel,
                                                memory_order_acquire)) {
        while (!edo_task_done(handle)) {
            if (edo_task_cancelled(task)) {
                joiner = (uintptr_t)task;
                if (atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, 0, memory_order_acq_rel,
                                                            memory_order_acquire)) {
                    edo_leave(thread);
                    return -ECANCELED;
                }
                break; /* it ended at the same moment */
            }
            thread = edo_park_inside(thread, task);
        }
    } else if (__builtin_expect(joiner != EDO_HANDLE_DONE, 0)) {
        edo_leave(thread);
        return -EBUSY;
    }
    rc = handle->result;
    edo_block_put(&thread->worker->handles, &thread->runtime->handles, handle);
    edo_leave(thread);
    if (result)
        *result = rc;
    return 0;
}

int edo_handle_await(struct edo_handle *handle, struct edo_task *task)
{
    uintptr_t joiner = 0;

    if (atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, (uintptr_t)task, memory_order_acq_rel,
                                                memory_order_acquire) ||
        joiner == EDO_HANDLE_DONE)
        return 0;
    return -EBUSY;
}

void edo_handle_forgo(struct edo_handle *handle, struct edo_task *task)
{
    uintptr_t joiner = (uintptr_t)task;

    /* If that fails it has ended: the handle is anybody's to join from now on. */
    if (!atomic_compare_exchange_strong_explicit(&handle->joiner, &joiner, 0, memory_order_acq_rel,
                                                 memory_order_acquire) &&
        joiner == ((uintptr_t)task | EDO_HANDLE_DONE))
        atomic_store_explicit(&handle->joiner, EDO_HANDLE_DONE, memory_order_release);
}

void edo_handle_take(int *result, struct edo_handle *handle)
{
    if (result)
        *result = handle->result;
    edo_handle_free(handle);
}

bool edo_task_done(const edo_task *handle)
{
    return atomic_load_explicit(&((edo_task *)(uintptr_t)handle)->joiner, memory_order_acquire) & EDO_HANDLE_DONE;
}

void edo_detach(edo_task *handle)
{
    uintptr_t none = 0;

    if (!handle)
        return;
    if (!atomic_compare_exchange_strong_explicit(&handle->joiner, &none, EDO_HANDLE_DETACHED, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        EDO_MISUSE_IF(none != EDO_HANDLE_DONE, "a handle was detached that another task joins");
        if (none == EDO_HANDLE_DONE)
            edo_handle_free(handle);
    }
}

/* --- Who am I ----------------------------------------------------------------------------------------------------- */

bool edo_in_task(void)
{
    return edo_task_self() != NULL;
}

const char *edo_task_name(void)
{
    struct edo_task *task = edo_task_self();

    if (!task)
        return "";
    if (task->name)
        return task->name;
    return task->site ? task->site->function : "task";
}

uint64_t edo_task_id(void)
{
    struct edo_task *task = edo_task_self();

    return task ? task->id : 0;
}

edo_scope *edo_root_scope(void)
{
    struct edo_task *task = edo_task_self();

    return task ? edo_scope_public(&task->home->runtime->root) : NULL;
}
