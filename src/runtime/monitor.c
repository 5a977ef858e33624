/* SPDX-License-Identifier: MIT */
/*
 * The monitor: one bad task stalls only itself (promise 3; rules S2, S6, S7).
 *
 * One thread looks at all workers every 5 ms while any of them is busy. A worker whose counts of switches and turns
 * stand still, and whose thread is OUTSIDE, has a task that runs. When it has done so for longer than the threshold
 * (.stall_after, 10 ms) the worker is taken from that thread and given to a spare one (edo_worker_take), with its
 * queue, timers and poller; these two are served first, since its turns are over. The task goes on undisturbed, and
 * finds out when it next enters the runtime.
 *
 *   - After a hand-off the threshold is 1 ms until the worker's queue has been seen empty: where one task stalls the
 *     next may be of the same kind, and those behind it have waited already.
 *   - Inside a blocking region (region.c) a worker is taken when the same region is seen twice, or, after a hand-off,
 *     once.
 *   - A worker that switches, but has not polled since the last look, runs long tasks or one that never finds anybody
 *     to yield to: its turns are over, so that it looks at its poller and timers at the next turn.
 *   - A worker that stalls and can't be taken (a pinned runtime, no thread to be had) has its poller looked at from
 *     here: what is ready goes to the global queue, for its siblings.
 *
 * Nothing is asked of the workers but what they count anyway. What the monitor reads is old when it acts: it may take a
 * worker whose task has just changed, which costs a hand-off and harms nobody, since taking is settled by the guard.
 *
 * Sleeping. When all workers sleep and none has switched since the last look, the monitor does, until it is woken: it
 * makes SLEEPS known (seq_cst), then looks at all workers' `waiting` once more; a worker that wakes clears `waiting`
 * (seq_cst), then looks at the state. One of them sees the other. Workers that wake often thus find it awake.
 *
 * The spare threads come of reserve.c: a task may stall with the heap locked, so nothing here asks for memory.
 *
 * Clocks. Whether a stalled thread computes or is blocked is told by its CPU time: a blocked one uses next to none, a
 * computing one a tenth of the time at least, however many want the processor.
 */
#include "runtime/monitor.h"
#include "runtime/runtime.h"
#include "runtime/usdt.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>

enum {
    EDO_MONITOR_PERIOD = 5000000, /* ns between looks. Shorter ones cost percents of a core */
    EDO_MONITOR_EAGER = 1000000   /* threshold, and period, after a hand-off */
};

static int64_t edo_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- One worker --------------------------------------------------------------------------------------------------- */

/* Whether nothing waits for it, in its own queue or in the one of all. */
static bool edo_worker_drained(struct edo_worker *worker)
{
    return edo_worker_queued(worker) == 0 && !atomic_load_explicit(&worker->lifo, memory_order_relaxed) &&
           atomic_load_explicit(&worker->runtime->global_count, memory_order_relaxed) == 0;
}

/*
 * Whether it is blocked, by what its thread did since the view was taken; in a region it is, it said so. The time that
 * counts is from when the CPU time had been read to before it was read again (now): whatever held the monitor up
 * between a clock and the other, none of it makes one that computes look blocked.
 */
static bool edo_monitor_blocked(const struct edo_monitor_view *view, uint32_t region, int64_t cpu, int64_t now)
{
    return (region & 1) || (cpu >= 0 && view->cpu >= 0 && cpu - view->cpu < (now - view->cpu_read) / 10);
}

/* --- Reports ------------------------------------------------------------------------------------------------------ */

/*
 * Who runs on the worker's thread. As a remote, for a moment: so neither the thread's task nor what belongs to it
 * changes. False: nobody who has been there since the view was taken, with no region begun or ended.
 */
static bool edo_monitor_identify(struct edo_stall_seen *seen, struct edo_worker *worker,
                                 const struct edo_monitor_view *view)
{
    struct edo_thread *thread;
    struct edo_task *task;
    uint64_t region;
    bool same;

    if (!edo_remote_begin_try(worker))
        return false;
    thread = worker->thread;
    task = thread->current;
    region = atomic_load_explicit(&thread->region, memory_order_relaxed);
    same = worker->remote_found == EDO_GUARD_OUTSIDE && thread == view->on && (uint32_t)region == view->region &&
           atomic_load_explicit(&worker->counts.switches, memory_order_relaxed) == view->switches;
    *seen = (struct edo_stall_seen){.thread = thread,
                                    .worker = worker,
                                    .switches = view->switches,
                                    .losses = atomic_load_explicit(&thread->losses, memory_order_relaxed),
                                    .region = region,
                                    .number = thread->number,
                                    .since = view->since};
    if (task) {
        seen->task = task->id;
        seen->name = task->name ? task->name : task->site ? task->site->function : "task";
        seen->site = task->site;
        seen->stack_low = (uintptr_t)task->stack->low;
        seen->stack_high = (uintptr_t)task->stack->low + task->stack->size;
        seen->waited = (uintptr_t)edo_task_place(task);
        if (seen->waited - seen->stack_low < task->stack->size) /* it has not been resumed yet */
            seen->waited = 0;
    }
    edo_remote_end(worker);
    return same;
}

bool edo_stall_lasts(const struct edo_stall_seen *seen)
{
    uint32_t guard = atomic_load_explicit(&seen->thread->guard, memory_order_seq_cst);

    if (atomic_load_explicit(&seen->thread->losses, memory_order_seq_cst) != seen->losses ||
        atomic_load_explicit(&seen->thread->region, memory_order_relaxed) != seen->region)
        return false;
    return guard == EDO_GUARD_TAKEN ||
           (guard != EDO_GUARD_INSIDE &&
            atomic_load_explicit(&seen->worker->counts.switches, memory_order_relaxed) == seen->switches);
}

static void edo_monitor_tell_end(struct edo_stalls *stalls, uint64_t stall)
{
    if (stall)
        edo_stalls_of.ended(stalls, stall, edo_platform->now());
}

/*
 * Leaves it to the thread to tell the end of the stall. It may have gone on already: it raises `losses`, then takes
 * `stall`; here `stall` is written, then `losses` read (all seq_cst): one of the two sees the other.
 */
static void edo_monitor_leave_end(struct edo_monitor *monitor, const struct edo_stall_seen *seen, uint64_t stall)
{
    atomic_store_explicit(&seen->thread->stall, stall, memory_order_seq_cst);
    if (atomic_load_explicit(&seen->thread->losses, memory_order_seq_cst) != seen->losses)
        edo_monitor_tell_end(monitor->stalls, atomic_exchange_explicit(&seen->thread->stall, 0, memory_order_seq_cst));
}

/* The same for the notes of who stalls. */
static void edo_monitor_note_offender(struct edo_runtime *runtime, const struct edo_stall_seen *seen, bool taken)
{
    struct edo_offenders *offenders = &runtime->monitor.offenders;

    edo_offender_stalls(offenders, seen->task, seen->since, seen->noticed);
    if (taken && atomic_load_explicit(&seen->thread->losses, memory_order_seq_cst) != seen->losses)
        edo_offender_goes_on(offenders, seen->task, edo_platform->now(), runtime->options.stall_after);
}

void edo_monitor_stall_ended(struct edo_thread *thread)
{
    struct edo_runtime *runtime = thread->runtime;

    atomic_fetch_add_explicit(&thread->losses, 1, memory_order_seq_cst);
    if (thread->current)
        edo_offender_goes_on(&runtime->monitor.offenders, thread->current->id, edo_platform->now(),
                             runtime->options.stall_after);
    if (__builtin_expect(atomic_load_explicit(&thread->stall, memory_order_seq_cst) != 0, 0))
        edo_monitor_tell_end(thread->runtime->monitor.stalls,
                             atomic_exchange_explicit(&thread->stall, 0, memory_order_seq_cst));
}

static void edo_monitor_note(struct edo_monitor *monitor, struct edo_worker *worker,
                             const struct edo_monitor_view *view, bool blocked, int64_t now)
{
    const struct edo_tracing *tracing = atomic_load_explicit(&worker->runtime->tracing, memory_order_acquire);
    int64_t since = now - view->since;

    edo_notes_add(&monitor->notes, EDO_NOTE_STALL, view->switches, (uint64_t)worker->index | (uint64_t)blocked << 16);
    EDO_USDT3(worker_stall, worker->index, since, blocked);
    if (tracing)
        tracing->note(worker, false, EDO_TRACED_STALL, (uint64_t)since, blocked);
}

/* --- Taking ------------------------------------------------------------------------------------------------------- */

/* What could not be taken before goes on, as far as it was told of. */
static void edo_monitor_kept_ended(struct edo_runtime *runtime, struct edo_monitor_view *view, int64_t now)
{
    edo_monitor_tell_end(runtime->monitor.stalls, view->stall);
    if (view->offender)
        edo_offender_goes_on(&runtime->monitor.offenders, view->offender, now, runtime->options.stall_after);
    view->stall = 0;
    view->offender = 0;
}

/*
 * The worker stalls: takes it; or does for its sockets what can be done from here. A stall is reported if the task was
 * outside of regions at this look and at the last: it may have begun one before a look that came late.
 *
 * Of one that was told of and could not be taken then, the end is told by its thread once it can: so it is taken only
 * where it is known to be the same one.
 */
static void edo_monitor_take(struct edo_runtime *runtime, struct edo_worker *worker, struct edo_monitor_view *view,
                             uint32_t region, int64_t cpu, int64_t now)
{
    struct edo_monitor *monitor = &runtime->monitor;
    struct edo_stall_seen seen = {.thread = NULL};
    bool outside = !(region & 1) && region == view->region;
    bool known = outside && edo_monitor_identify(&seen, worker, view);
    int rc;

    if (!outside)
        edo_monitor_kept_ended(runtime, view, now);
    else if (!known && (view->stall || view->offender))
        return;
    rc = edo_worker_take(worker);
    if (rc == -EBUSY) /* it moves again */
        return;
    if (!view->counted) {
        seen.blocked = edo_monitor_blocked(view, region, cpu, now);
        edo_monitor_note(monitor, worker, view, seen.blocked, now);
        /* Who sees it counted finds it noted. */
        atomic_fetch_add_explicit(seen.blocked ? &monitor->blocked : &monitor->computing, 1, memory_order_release);
        seen.noticed = now;
        seen.over = now - view->since >= runtime->options.stall_after;
        view->stall = known && monitor->stalls ? edo_stalls_of.began(monitor->stalls, &seen) : 0;
        if (known && seen.task)
            edo_monitor_note_offender(runtime, &seen, rc == 0);
        view->offender = known && rc != 0 ? seen.task : 0;
    }
    view->counted = true;
    if (rc == 0) {
        view->eager = true;
        if (view->stall)
            edo_monitor_leave_end(monitor, &seen, view->stall);
        view->stall = 0;
        view->offender = 0;
        return;
    }
    if (rc != -EPERM)
        atomic_fetch_add_explicit(&monitor->refused, 1, memory_order_relaxed);
    if (atomic_load_explicit(&worker->poller.sources, memory_order_relaxed) > 0)
        edo_poller_look(&monitor->self, &worker->poller);
}

/*
 * Whether the worker's task goes round, and who it is. Counts are compared with those of the last time that it was
 * asked for.
 */
static void edo_monitor_see_rounds(struct edo_runtime *runtime, struct edo_worker *worker,
                                   struct edo_monitor_rounds *rounds, bool waiting, int64_t now)
{
    struct edo_worker_counts *counts = &worker->counts;
    struct edo_monitor_rounds last = *rounds;
    struct edo_rounds now_at = {.looks = atomic_load_explicit(&counts->looks, memory_order_relaxed),
                                .switches = atomic_load_explicit(&counts->switches, memory_order_relaxed),
                                .forced = atomic_load_explicit(&counts->forced_yields, memory_order_relaxed),
                                .events = atomic_load_explicit(&counts->events, memory_order_relaxed)};
    struct edo_rounds made = {.looks = now_at.looks - last.counts.looks,
                              .switches = now_at.switches - last.counts.switches,
                              .forced = now_at.forced - last.counts.forced,
                              .events = now_at.events - last.counts.events};

    if (waiting || !edo_goes_round(&made, 0)) {
        *rounds = (struct edo_monitor_rounds){.counts = now_at};
        return;
    }
    if (!edo_remote_begin_try(worker)) /* it is at it */
        return;
    *rounds = (struct edo_monitor_rounds){
        .counts = now_at, .on = worker->thread, .cpu = edo_platform->thread_cpu(worker->thread->id)};
    if (worker->remote_found == EDO_GUARD_OUTSIDE && worker->thread->current)
        rounds->id = worker->thread->current->id;
    edo_remote_end(worker);
    if (rounds->id && rounds->id == last.id && rounds->on == last.on && rounds->cpu >= 0 &&
        edo_goes_round(&made, rounds->cpu - last.cpu))
        rounds->seen = last.seen + 1;
    if (rounds->seen >= EDO_ROUNDS_SEEN)
        edo_offender_rounds(&runtime->monitor.offenders, rounds->id, now);
}

/* What the thread of a worker does, as far as it can be told from here. False: nothing can, look again next time. */
static bool edo_monitor_see(struct edo_thread **on, uint32_t *guard, uint32_t *region, int64_t *cpu,
                            struct edo_worker *worker)
{
    if (!edo_lock_try(&worker->thread_lock)) /* it is being taken, or a remote is at its wheel */
        return false;
    *on = worker->thread;
    *guard = atomic_load_explicit(&(*on)->guard, memory_order_relaxed);
    *region = (uint32_t)atomic_load_explicit(&(*on)->region, memory_order_relaxed);
    *cpu = *guard == EDO_GUARD_OUTSIDE ? edo_platform->thread_cpu((*on)->id) : -1;
    edo_lock_release(&worker->thread_lock);
    return true;
}

/*
 * Looks at a worker. Returns how long the monitor may wait until it looks again; EDO_FOREVER: this worker sleeps, and
 * did so since the last look.
 */
static int64_t edo_monitor_look_at(struct edo_runtime *runtime, struct edo_worker *worker,
                                   struct edo_monitor_view *view, int64_t now)
{
    uint64_t switches = atomic_load_explicit(&worker->counts.switches, memory_order_relaxed);
    uint64_t polls = atomic_load_explicit(&worker->counts.polls, memory_order_relaxed);
    bool waiting = atomic_load_explicit(&worker->waiting, memory_order_relaxed);
    int32_t turns = edo_turns_left(worker);
    bool moved = switches != view->switches || turns != view->turns;
    bool left;  /* a region that was counted, of a worker that could not be taken: what comes now is something else */
    bool began; /* it was INSIDE at the last look, whose view does not say what its thread did since */
    struct edo_thread *on = NULL;
    uint32_t guard = EDO_GUARD_INSIDE;
    uint32_t region = 0;
    int64_t cpu = -1;
    int64_t patience;

    if (waiting || edo_worker_drained(worker))
        view->eager = false;
    edo_monitor_see_rounds(runtime, worker, &view->rounds, waiting, now);
    if (!waiting && !edo_monitor_see(&on, &guard, &region, &cpu, worker))
        return EDO_MONITOR_PERIOD;
    left = view->counted && (view->region & 1) && region != view->region;
    began = cpu >= 0 && view->cpu < 0;
    if (waiting || guard != EDO_GUARD_OUTSIDE || moved || left || began || on != view->on) {
        if (moved && !waiting && polls == view->polls) {
            edo_turns_end(worker);
            turns = edo_turns_left(worker); /* else it would seem to have moved next time */
        }
        edo_monitor_kept_ended(runtime, view, now);
        *view = (struct edo_monitor_view){.switches = switches,
                                          .turns = turns,
                                          .polls = polls,
                                          .since = now,
                                          .cpu = cpu,
                                          .cpu_read = cpu >= 0 ? edo_platform->now() : now,
                                          .on = on,
                                          .region = region,
                                          .eager = view->eager,
                                          .rounds = view->rounds};
        if (waiting)
            return moved ? EDO_MONITOR_PERIOD : EDO_FOREVER;
        if (view->eager && (region & 1) && guard == EDO_GUARD_OUTSIDE) /* in haste a region is taken where it is seen */
            edo_monitor_take(runtime, worker, view, region, cpu, now);
        return view->eager ? EDO_MONITOR_EAGER : EDO_MONITOR_PERIOD;
    }
    patience = edo_least(runtime->options.stall_after, view->eager ? EDO_MONITOR_EAGER : EDO_FOREVER);
    if (now - view->since >= patience || ((region & 1) && (region == view->region || view->eager)))
        edo_monitor_take(runtime, worker, view, region, cpu, now);
    view->region = region;
    if (view->eager)
        return EDO_MONITOR_EAGER;
    patience -= now - view->since;
    return patience > 0 ? edo_least(patience, EDO_MONITOR_PERIOD) : EDO_MONITOR_PERIOD;
}

/* --- The thread --------------------------------------------------------------------------------------------------- */

static int64_t edo_monitor_look(struct edo_runtime *runtime)
{
    int64_t now = edo_platform->now();
    int64_t pause = EDO_FOREVER;

    for (int i = 0; i < runtime->worker_count; i++) {
        edo_ages_mark(&runtime->workers[i], now);
        pause = edo_least(pause, edo_monitor_look_at(runtime, &runtime->workers[i], &runtime->monitor.views[i], now));
    }
    /* A short threshold wants a short period: half of it. */
    if (pause != EDO_FOREVER)
        pause = edo_least(pause, runtime->options.stall_after / 2);
    return pause;
}

static bool edo_all_workers_wait(struct edo_runtime *runtime)
{
    for (int i = 0; i < runtime->worker_count; i++)
        if (!atomic_load_explicit(&runtime->workers[i].waiting, memory_order_seq_cst))
            return false;
    return true;
}

static void edo_monitor_mark(struct edo_runtime *runtime, void (*mark)(struct edo_worker *worker, int64_t now))
{
    int64_t now = edo_platform->now();

    for (int i = 0; i < runtime->worker_count; i++)
        mark(&runtime->workers[i], now);
}

static void edo_monitor_sleep(struct edo_runtime *runtime)
{
    struct edo_monitor *monitor = &runtime->monitor;
    uint32_t watches = EDO_MONITOR_WATCHES;
    uint32_t sleeps = EDO_MONITOR_SLEEPS;

    if (!__atomic_compare_exchange_n(&monitor->state, &watches, EDO_MONITOR_SLEEPS, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return;
    if (!edo_all_workers_wait(runtime)) {
        __atomic_compare_exchange_n(&monitor->state, &sleeps, EDO_MONITOR_WATCHES, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        return;
    }
    edo_monitor_mark(runtime, edo_ages_mark);
    while (__atomic_load_n(&monitor->state, __ATOMIC_ACQUIRE) == EDO_MONITOR_SLEEPS)
        edo_platform->futex_wait(&monitor->state, EDO_MONITOR_SLEEPS, EDO_FOREVER);
    edo_monitor_mark(runtime, edo_ages_extend); /* all slept, but for a moment */
}

/* Waits so long, or until it is to stop. */
static void edo_monitor_pause(struct edo_monitor *monitor, int64_t pause)
{
    int64_t end = edo_platform->now() + pause;

    while (__atomic_load_n(&monitor->state, __ATOMIC_ACQUIRE) == EDO_MONITOR_WATCHES &&
           edo_platform->futex_wait(&monitor->state, EDO_MONITOR_WATCHES, end) != -ETIMEDOUT)
        ;
}

static void *edo_monitor_main(void *argument)
{
    struct edo_runtime *runtime = (struct edo_runtime *)argument;
    struct edo_monitor *monitor = &runtime->monitor;

    while (__atomic_load_n(&monitor->state, __ATOMIC_ACQUIRE) != EDO_MONITOR_STOPS) {
        int64_t pause = edo_monitor_look(runtime);

        if (pause == EDO_FOREVER) {
            edo_monitor_sleep(runtime);
            /*
             * What woke it may be the beginning of a stall: it looks at once, and then not before a period has passed.
             */
            edo_monitor_look(runtime);
            pause = edo_least(EDO_MONITOR_PERIOD, runtime->options.stall_after / 2);
        }
        edo_monitor_pause(monitor, pause);
        edo_reserve_keep(runtime, EDO_MONITOR_PERIOD);
    }
    return NULL;
}

int edo_monitor_start(struct edo_runtime *runtime)
{
    enum { EDO_MONITOR_STACK = 64 * 1024 };
    struct edo_monitor *monitor = &runtime->monitor;
    int rc;

    if (runtime->options.stall_after == EDO_FOREVER || runtime->hooks)
        return 0;
    monitor->views =
        (struct edo_monitor_view *)edo_platform->allocate((size_t)runtime->worker_count * sizeof *monitor->views);
    if (!monitor->views)
        return -ENOMEM;
    rc = edo_stalls_of.start(&monitor->stalls, &runtime->options);
    if (rc < 0) {
        edo_platform->release(monitor->views);
        monitor->views = NULL;
        return rc;
    }
    edo_thread_init(&monitor->self, runtime);
    rc = edo_reserve_start(runtime);
    if (rc == 0)
        rc = edo_masked_thread_start(edo_platform, &monitor->thread, EDO_MONITOR_STACK, edo_monitor_main, runtime);
    monitor->started = rc == 0;
    if (rc < 0) {
        edo_reserve_stop(runtime);
        edo_platform->release(monitor->views);
        monitor->views = NULL;
    }
    return rc;
}

void edo_monitor_stop(struct edo_runtime *runtime)
{
    struct edo_monitor *monitor = &runtime->monitor;

    if (!monitor->started)
        return;
    __atomic_store_n(&monitor->state, EDO_MONITOR_STOPS, __ATOMIC_SEQ_CST);
    edo_platform->futex_wake(&monitor->state, 1);
    pthread_join(monitor->thread, NULL);
    edo_reserve_stop(runtime);
    edo_platform->release(monitor->views);
    monitor->started = false;
}

void edo_monitor_wake(struct edo_monitor *monitor)
{
    uint32_t sleeps = EDO_MONITOR_SLEEPS;

    if (__atomic_compare_exchange_n(&monitor->state, &sleeps, EDO_MONITOR_WATCHES, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        edo_platform->futex_wake(&monitor->state, 1);
}
