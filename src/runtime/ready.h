/* SPDX-License-Identifier: MIT */
/*
 * Making a task ready behind those that are: what was spawned, what yields, what an event or a timer wakes. Inline,
 * since the poller does it with every event. The other way, into the LIFO slot, is edo_ready (task.h).
 */
#ifndef EDO_RUNTIME_READY_H
#define EDO_RUNTIME_READY_H

#include "runtime/task.h"
#include "runtime/usdt.h"
#include "runtime/worker.h"

/*
 * For what does not just go into this worker's ring: no worker, a pinned task, one that shall migrate or is timed, a
 * full ring.
 */
void edo_ready_elsewhere(struct edo_thread *thread, struct edo_task *task);

/* There is more in the ring than this worker will run next: a sibling may want it (S9). */
void edo_ready_offer(struct edo_thread *thread);

/* INSIDE `worker`, which is the thread's. `alone` is worker->alone; constant where it counts. */
static inline __attribute__((always_inline)) void edo_ready_last_in(struct edo_worker *worker, bool alone,
                                                                    struct edo_thread *thread, struct edo_task *task)
{
    if (__builtin_expect(task->flags & (EDO_TASK_ELSEWHERE | EDO_TASK_TIMED), 0)) {
        edo_ready_elsewhere(thread, task);
    } else if (alone) {
        edo_fifo_push(&worker->fifo, task);
    } else if (__builtin_expect(!edo_ring_push(&worker->ring, task), 0)) {
        edo_ready_elsewhere(thread, task);
    } else {
        edo_ready_offer(thread);
    }
}

/* INSIDE. */
static inline void edo_ready_last(struct edo_thread *thread, struct edo_task *task)
{
    struct edo_worker *worker = thread->worker;

    if (__builtin_expect(worker != NULL, 1))
        edo_ready_last_in(worker, worker->alone, thread, task);
    else
        edo_ready_elsewhere(thread, task);
}

/* INSIDE. */
static inline void edo_unpark_last(struct edo_thread *thread, struct edo_task *task)
{
    if (!edo_park_word_notify(&task->wake))
        return;
    EDO_USDT1(task_wake, task->id);
    edo_ready_last(thread, task);
}

#endif
