/* SPDX-License-Identifier: MIT */
/* What workers do for a trace that is on. See runtime/tracing.h and tracer.h. */
#include "observe/tracer.h"

static void edo_trace_put(struct edo_trace_ring *ring, const struct edo_traced *event)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) >= ring->room) {
        edo_count(&ring->dropped, 1);
        return;
    }
    ring->kept[head & (ring->room - 1)] = *event;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* `inside`: as in edo_tracing; NULL: what is said goes into the ring of all. */
static void edo_trace_say(struct edo_runtime *runtime, const struct edo_worker *inside, struct edo_traced *event)
{
    struct edo_traced_runtime *traced = runtime->traced;

    event->worker = inside ? (uint16_t)inside->index : EDO_NO_WORKER;
    if (inside) {
        edo_trace_put(&traced->rings[inside->index], event);
        return;
    }
    edo_lock_acquire(&traced->lock);
    edo_trace_put(&traced->rings[traced->workers], event);
    edo_lock_release(&traced->lock);
}

/*
 * What edo_sample_resume does, for each turn. The task may lose the worker: then the rest of the turn is the thread's,
 * and is shown as such.
 */
static void edo_trace_resume(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_runtime *runtime = thread->runtime;
    struct edo_worker *worker = thread->worker;
    struct edo_trace_ring *ring = &runtime->traced->rings[worker->index];
    uint64_t ended = atomic_load_explicit(&worker->counts.ended, memory_order_relaxed);
    int32_t turns = edo_turns_left(worker);
    struct edo_traced run = {
        .kind = EDO_TRACED_RUN, .task = task->id, .name = task->name, .site = task->site, .number = task->wake_number};

    task->wake_number = 0;
    task->flags |= EDO_TASK_TIMED;
    if (turns > 0)
        edo_turns_set(worker, 0);
    ring->leaving = task;
    run.begin = edo_ticks();
    edo_resume(thread, task);
    run.end = edo_ticks();
    if (thread->worker != worker) {
        run.kept_by = thread->number;
        edo_trace_say(runtime, NULL, &run);
        return;
    }
    ring->leaving = NULL;
    if (turns > 0 && edo_turns_left(worker) == -1)
        edo_turns_set(worker, turns - 1);
    run.ended = atomic_load_explicit(&worker->counts.ended, memory_order_relaxed) != ended;
    edo_trace_say(runtime, worker, &run);
}

/* Who yields is made ready by the flow that follows, which is no task: that is no wake. */
static void edo_trace_ready(struct edo_worker *inside, struct edo_task *task)
{
    struct edo_runtime *runtime = task->home->runtime;
    struct edo_thread *self = edo_thread_self();
    struct edo_task *waker = self && self->runtime == runtime ? self->current : NULL;
    bool fresh = !task->stack && !edo_task_is_dormant(task);
    struct edo_traced event = {
        .kind = fresh ? EDO_TRACED_SPAWN : EDO_TRACED_WAKE, .task = task->id, .value = waker ? waker->id : 0};

    if (inside && !waker && runtime->traced->rings[inside->index].leaving == task)
        return;
    if (inside && waker)
        do
            event.number = 1 + atomic_fetch_add_explicit(&runtime->traced->wakes, 1, memory_order_relaxed);
        while (event.number == 0);
    task->wake_number = event.number;
    event.begin = edo_ticks();
    edo_trace_say(runtime, inside, &event);
}

static void edo_trace_note(struct edo_worker *worker, int inside, int kind, uint64_t value, uint64_t other)
{
    struct edo_traced event = {.kind = (uint8_t)kind, .value = value, .other = other};

    event.begin = event.end = edo_ticks();
    if (kind == EDO_TRACED_SLEEP)
        event.begin = value;
    if (kind == EDO_TRACED_TAKEN)
        worker->runtime->traced->rings[worker->index].leaving = NULL;
    if (kind == EDO_TRACED_STALL) /* said by the monitor, of the worker */
        event.task = (uint64_t)worker->index;
    edo_trace_say(worker->runtime, inside ? worker : NULL, &event);
}

const struct edo_tracing edo_tracing_on = {edo_trace_resume, edo_trace_ready, edo_trace_note};
