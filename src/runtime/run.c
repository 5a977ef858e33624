/* SPDX-License-Identifier: MIT */
/*
 * The life of a runtime: from edo_run to its return.
 *
 * The calling thread becomes the first worker's thread; the others are started. The root task opens two scopes, the
 * runtime's own (`detached`) and inside it the user's (`root`), runs the user's function, closes them, and ends. When
 * it has ended nothing is left to run: its end stops the threads, and the calling thread takes everything apart.
 */
#include "runtime/callbacks.h"
#include "runtime/census.h"
#include "runtime/hooks.h"
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/overflow.h"
#include "runtime/runtime.h"
#include "runtime/task_stats.h"
#include "runtime/uring.h"
#include "platform/platform.h"

#include <errno.h>
#include <sched.h>

static int edo_root_main(void *argument)
{
    struct edo_runtime *runtime = (struct edo_runtime *)argument;
    edo_scope_options supervise = {.size = sizeof supervise, .policy = EDO_SUPERVISE, .name = "detached"};
    edo_scope_options fail_fast = {.size = sizeof fail_fast, .name = "root"};
    uint32_t flags;
    int rc;

    edo_scope_begin(edo_scope_public(&runtime->detached), NULL, &supervise);
    edo_scope_begin(edo_scope_public(&runtime->root), NULL, &fail_fast);
    atomic_store(&runtime->root_state, EDO_ROOT_OPEN);
    edo_nesting_set_root(runtime->nesting, &runtime->root);
    rc = runtime->main(runtime->main_argument);
    EDO_MISUSE_IF(rc == EDO_CONTINUED_, "the root task's function cannot continue: spawn a task for that");
    rc = edo_scope_end_root(runtime, rc);
    flags = atomic_load(&runtime->root.flags);
    if (rc == -ECANCELED && (flags & EDO_SCOPE_OWN) && (flags & 0xff) == EDO_REASON_SHUTDOWN)
        rc = 0;
    edo_scope_cancel_at(edo_scope_public(&runtime->detached), EDO_REASON_CLOSING, NULL);
    edo_scope_end(edo_scope_public(&runtime->detached), 0);
    runtime->result = rc;
    return 0;
}

/* --- What the overflow report asks -------------------------------------------------------------------------------- */

static struct edo_stack *edo_overflow_running(void)
{
    struct edo_task *task = edo_task_self();

    return task ? task->stack : NULL;
}

static void edo_overflow_describe(struct edo_stack *stack, struct edo_overflow_text *text)
{
    struct edo_task *task = (struct edo_task *)stack->owner;

    if (!task)
        return;
    text->name = task->name ? task->name : task->site ? task->site->function : NULL;
    text->file = task->site ? task->site->file : NULL;
    text->line = task->site ? (unsigned)task->site->line : 0;
    text->id = task->id;
}

static const struct edo_overflow_hooks edo_overflow_hooks = {edo_overflow_running, edo_overflow_describe};

/* --- Numbers ------------------------------------------------------------------------------------------------------ */

/*
 * Which runtime of its process one is: tasks' serial numbers begin with it. After as many as there are they begin
 * again, past those of runtimes that still live. Unobserved ones have a range of their own; more of them than that at
 * once would share.
 */
enum { EDO_UNOBSERVED_NUMBERS = 0x100 };

_Atomic uint32_t edo_runtimes_begun;
static _Atomic uint32_t edo_unobserved_begun;
static _Atomic uint64_t edo_numbers_used[(EDO_RUNTIME_NUMBERS + EDO_UNOBSERVED_NUMBERS) / 64];

static bool edo_runtime_number_free(uint32_t number)
{
    uint64_t bit = UINT64_C(1) << number % 64;

    return !(atomic_fetch_or_explicit(&edo_numbers_used[number / 64], bit, memory_order_relaxed) & bit);
}

static uint64_t edo_runtime_number_get(const edo_run_options *options)
{
    _Atomic uint32_t *begun = options->unobserved ? &edo_unobserved_begun : &edo_runtimes_begun;
    uint32_t first = options->unobserved ? EDO_RUNTIME_NUMBERS : 0;
    uint32_t count = options->unobserved ? EDO_UNOBSERVED_NUMBERS : EDO_RUNTIME_NUMBERS;
    uint32_t number = first;

    for (uint32_t i = 0; i < count; i++) {
        number = first + atomic_fetch_add_explicit(begun, 1, memory_order_relaxed) % count;
        if (edo_runtime_number_free(number))
            break;
    }
    return number;
}

static void edo_runtime_number_put(uint64_t number)
{
    atomic_fetch_and_explicit(&edo_numbers_used[number / 64], ~(UINT64_C(1) << number % 64), memory_order_relaxed);
}

/* --- All that run ------------------------------------------------------------------------------------------------- */

static struct edo_lock edo_running_lock;
static struct edo_link edo_running = {&edo_running, &edo_running};

static void edo_running_add(struct edo_runtime *runtime)
{
    edo_lock_acquire(&edo_running_lock);
    edo_list_insert_tail(&edo_running, &runtime->all);
    edo_lock_release(&edo_running_lock);
}

static void edo_running_remove(struct edo_runtime *runtime)
{
    edo_lock_acquire(&edo_running_lock);
    edo_list_remove(&runtime->all);
    edo_lock_release(&edo_running_lock);
}

void edo_runtimes_each(void (*look)(void *context, struct edo_runtime *runtime), void *context)
{
    edo_lock_acquire(&edo_running_lock);
    for (struct edo_link *link = edo_list_first(&edo_running); link; link = edo_list_next(&edo_running, link))
        if (!EDO_CONTAINER_OF(link, struct edo_runtime, all)->options.unobserved)
            look(context, EDO_CONTAINER_OF(link, struct edo_runtime, all));
    edo_lock_release(&edo_running_lock);
}

void edo_runtimes_each_at_crash(void (*look)(void *context, struct edo_runtime *runtime), void *context)
{
    enum { EDO_CRASH_PATIENCE = 1000 };
    bool locked = false;

    for (int i = 0; i < EDO_CRASH_PATIENCE && !(locked = edo_lock_try(&edo_running_lock)); i++)
        sched_yield();
    for (struct edo_link *link = edo_list_first(&edo_running); link; link = edo_list_next(&edo_running, link))
        look(context, EDO_CONTAINER_OF(link, struct edo_runtime, all));
    if (locked)
        edo_lock_release(&edo_running_lock);
}

/* --- Building and taking apart ------------------------------------------------------------------------------------ */

static int edo_worker_init(struct edo_worker *worker, struct edo_runtime *runtime, int index)
{
    int rc;

    worker->runtime = runtime;
    worker->index = index;
    worker->alone = runtime->options.workers == 1;
    edo_turns_begin(worker);
    worker->random = (uint32_t)(runtime->options.seed * 2654435761u + (uint64_t)index * 40503u) | 1;
    worker->next_id = runtime->id_base | (uint64_t)index << EDO_ID_WORKER_SHIFT;
    worker->notes_ages = runtime->options.stall_after == EDO_FOREVER && !runtime->hooks;
    edo_ring_init(&worker->ring);
    edo_fifo_init(&worker->fifo);
    edo_lock_init(&worker->thread_lock);
    edo_wheel_init(&worker->wheel, runtime->started);
    rc = edo_ages_create(worker);
    if (rc == 0 && runtime->options.metrics)
        rc = edo_sampler_create(worker);
    if (rc == 0)
        rc = edo_poller_init(&worker->poller);
    if (rc < 0) {
        edo_platform->release(worker->sampler);
        edo_platform->release(worker->ages);
    }
    return rc;
}

static void edo_stacks_put(struct edo_runtime *runtime, struct edo_stack *stacks)
{
    while (stacks) {
        struct edo_stack *stack = stacks;

        stacks = stack->next;
        edo_stack_pool_put(&runtime->stacks, &stack, 1);
    }
}

static void edo_worker_finish(struct edo_worker *worker)
{
    edo_stacks_put(worker->runtime, worker->stacks);
    edo_stacks_put(worker->runtime, worker->odd_stacks);
    edo_uring_end(&worker->poller);
    edo_poller_finish(&worker->poller);
    edo_platform->release(worker->sampler);
    edo_platform->release(worker->ages);
}

static void edo_runtime_finish(struct edo_runtime *runtime)
{
    for (struct edo_thread *thread = runtime->threads; thread; thread = thread->next)
        if (thread->joinable)
            pthread_join(thread->id, NULL);
    edo_traces_of.end(runtime);
    edo_stalls_of.stop(runtime->monitor.stalls); /* it looks at threads, and they tell it of the end of a stall */
    /*
     * Before any memory goes: whoever wakes a task at the end of its job still looks at that task's thread and worker.
     */
    edo_blocking_pool_destroy(runtime->blocking);
    edo_blocking_pool_destroy(runtime->resolving);
    while (runtime->threads) {
        struct edo_thread *thread = runtime->threads;

        runtime->threads = thread->next;
        edo_platform->release(thread);
    }
    for (int i = 0; i < runtime->worker_count; i++)
        edo_worker_finish(&runtime->workers[i]);
    edo_stack_pool_finish(&runtime->stacks);
    edo_blocks_finish(&runtime->tasks);
    edo_blocks_finish(&runtime->handles);
    edo_blocks_finish(&runtime->sources);
    edo_platform->release(runtime->workers);
    edo_runtime_number_put(runtime->id_base >> EDO_ID_RUNTIME_SHIFT);
    edo_platform->release(runtime);
}

static int edo_runtime_build(struct edo_runtime *runtime)
{
    const edo_run_options *options = &runtime->options;
    struct edo_stack_options stacks = {.allow_unguarded = options->unguarded_stacks};
    int rc;

    runtime->stack_class = edo_stack_class_for(options->stack_size);
    stacks.resident_cap = options->resident_stacks * edo_stack_class_size(runtime->stack_class);
    edo_blocks_init(&runtime->tasks, sizeof(struct edo_task) + (options->metrics ? sizeof(struct edo_task_stats) : 0),
                    offsetof(struct edo_task, fn));
    edo_blocks_init(&runtime->handles, sizeof(struct edo_handle), offsetof(struct edo_handle, runtime));
    edo_blocks_init(&runtime->sources, sizeof(struct edo_source), offsetof(struct edo_source, runtime));
    edo_lock_init(&runtime->root_lock);
    edo_lock_init(&runtime->global_lock);
    edo_lock_init(&runtime->idle_lock);
    edo_lock_init(&runtime->threads_lock);
    edo_list_init(&runtime->idle);
    edo_list_init(&runtime->spares);
    edo_list_init(&runtime->wanting);
    runtime->started = edo_platform->now();
    runtime->began = (struct edo_moment){edo_ticks(), edo_platform_system.now()};
    rc = edo_stack_pool_init(&runtime->stacks, &stacks);
    if (rc == 0)
        rc = edo_blocking_pool_create(&runtime->blocking, options->blocking_threads, options);
    if (rc == 0)
        rc = edo_blocking_pool_create(&runtime->resolving, options->resolving_threads, options);
    if (rc == 0) {
        runtime->workers =
            (struct edo_worker *)edo_platform->allocate((size_t)options->workers * sizeof *runtime->workers);
        rc = runtime->workers ? 0 : -ENOMEM;
    }
    for (int i = 0; rc == 0 && i < options->workers; i++) {
        rc = edo_worker_init(&runtime->workers[i], runtime, i);
        if (rc == 0) {
            runtime->worker_count = i + 1;
            if (options->files == EDO_FILES_IO_URING && !runtime->hooks)
                runtime->rings += edo_uring_begin(&runtime->workers[i].poller);
            /* What the worker's cache may hold is promised apart from what tasks were promised. */
            rc = edo_stack_pool_reserve(&runtime->stacks, runtime->stack_class, EDO_STACK_CACHE + 1);
        }
    }
    return rc;
}

/* Starts the threads of all workers but the first. They sleep until edo_threads_go. */
static int edo_threads_start(struct edo_runtime *runtime)
{
    for (int i = 1; i < runtime->worker_count; i++) {
        struct edo_thread *thread;
        int rc = edo_thread_create(&thread, runtime);

        if (rc < 0)
            return rc;
        runtime->workers[i].thread = thread;
    }
    return 0;
}

int edo_run_here(edo_task_fn fn, void *argument, const edo_run_options *options, struct edo_nesting *nesting,
                 struct edo_hooks *hooks)
{
    struct edo_runtime *runtime;
    struct edo_thread *thread;
    int rc;

    if (edo_in_forked_child())
        return -EPERM;
    runtime = (struct edo_runtime *)edo_platform->allocate(sizeof *runtime);
    thread = (struct edo_thread *)edo_platform->allocate(sizeof *thread);
    if (!runtime || !thread) {
        edo_platform->release(runtime);
        edo_platform->release(thread);
        return -ENOMEM;
    }
    runtime->options = *options;
    runtime->id_base = edo_runtime_number_get(options) << EDO_ID_RUNTIME_SHIFT;
    runtime->main = fn;
    runtime->main_argument = argument;
    runtime->nesting = nesting;
    runtime->hooks = hooks;
    runtime->options.metrics &=
        !hooks; /* there is no clock that a seed would repeat, and nobody waits for another one's turn */
    atomic_init(&runtime->task_flags, (uint8_t)((hooks                     ? EDO_TASK_CHOSEN
                                                 : options->pinned         ? EDO_TASK_PINNED
                                                 : options->migrate_always ? EDO_TASK_MIGRATES
                                                                           : 0) |
                                                (options->on_task_start ? EDO_TASK_ANNOUNCED : 0) |
                                                (options->stack_census ? EDO_TASK_MEASURED : 0) |
                                                (runtime->options.metrics ? EDO_TASK_TIMED : 0)));
    runtime->ends_watched = options->stack_census || options->on_task_stop;
    edo_thread_init(thread, runtime);
    pthread_sigmask(SIG_SETMASK, NULL, &runtime->signals);
    thread->id = pthread_self();
    thread->number = edo_platform->thread_number();
    runtime->threads = thread;
    runtime->thread_count = 1;
    edo_scope_init(&runtime->base, runtime, NULL);
    edo_overflow_set_hooks(&edo_overflow_hooks);
    edo_fork_watch_begin();
    edo_callback_thread(options->on_thread_start, options->on_argument);
    rc = edo_runtime_build(runtime);
    if (rc == 0)
        rc = edo_overflow_install();
    if (rc == 0)
        rc = edo_overflow_thread_init();
    if (rc == 0) {
        edo_thread_set_self(thread);
        edo_context_adopt(&thread->native);
        thread->worker = &runtime->workers[0];
        runtime->workers[0].thread = thread;
        rc = edo_threads_start(runtime);
        if (rc == 0)
            rc = edo_root_spawn(thread, edo_root_main);
        if (rc == 0)
            rc = edo_monitor_start(runtime);
        if (rc == 0) {
            edo_signals_begin(runtime);
            edo_running_add(runtime);
            edo_traces_of.begin(runtime);
            edo_threads_go(runtime);
            edo_thread_loop(thread);
            edo_running_remove(runtime);
            edo_signals_end(runtime);
            edo_monitor_stop(runtime);
            rc = runtime->result;
        } else {
            edo_threads_stop(runtime);
            edo_threads_go(runtime);
        }
        edo_context_forget(&thread->native);
        edo_thread_set_self(NULL);
        edo_overflow_thread_finish();
    }
    edo_runtime_finish(runtime);
    edo_callback_thread(options->on_thread_stop, options->on_argument);
    edo_fork_watch_end();
    if (options->stack_census && !nesting)
        edo_census_print();
    return rc;
}

int edo_run(edo_task_fn fn, void *argument, const edo_run_options *given)
{
    struct edo_task *task = edo_task_self();
    edo_run_options options;
    int rc = edo_run_options_read(&options, given);

    if (rc < 0)
        return rc;
    if (!fn)
        return -EINVAL;
    if (task && task->home->runtime->hooks && task->home->runtime->hooks->simulated)
        return -ENOTSUP; /* its threads would choose for themselves */
    if (task)
        return edo_run_nested(task, fn, argument, &options);
    return edo_run_on_thread(fn, argument, &options);
}
