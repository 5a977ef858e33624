/* SPDX-License-Identifier: MIT */
/*
 * Blocking regions: calls that may block, made on the task's own stack and thread (rule S7).
 *
 * User code is OUTSIDE (thread.h): whoever wants the worker of a task that blocks can take it at any moment, settled by
 * the compare-and-swap on the guard. So a region needs no state of its own to be safe; it only tells the monitor that
 * this is no computation, so that it takes the worker when it finds the same region at two looks. What tells is the
 * thread's word `region`: odd inside, raised by every begin and every end, written by its thread alone (release: for
 * the monitor).
 *
 *   begin   is a suspension point: it spends budget and may refuse. Then, if tasks wait in this worker's queue, a
 *           sibling is woken for them.
 *   end     comes back from being taken, if it was: the task goes through the global queue, and may then be on another
 *           thread. Not cancellable.
 *
 * Inside, nothing of the runtime may be called: debug builds abort where the guard is entered (thread.h) and at
 * suspension points (task.h), and when a task returns with a region open.
 */
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/runtime.h"
#include "runtime/usdt.h"

#include <edo/blocking.h>

#include <errno.h>

/* The worker may be another thread's by now; then this looks at a queue that is none of ours, which does no harm. */
static void edo_region_offer(struct edo_worker *worker)
{
    if (edo_worker_queued(worker) > 0 || atomic_load_explicit(&worker->lifo, memory_order_relaxed))
        edo_wake_one(worker->runtime);
}

int edo_blocking_begin(void)
{
    struct edo_task *task = edo_task_self();
    struct edo_thread *thread;
    int rc;

    if (!task)
        return edo_in_forked_child() ? -EPERM : 0;
    rc = edo_suspension_point(task);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    thread = edo_thread_self();
    if (thread->worker && !thread->worker->alone)
        edo_region_offer(thread->worker);
    edo_thread_set_region(thread, 1);
    EDO_USDT1(region_begin, task->id);
    return 0;
}

void edo_blocking_end(void)
{
    struct edo_thread *thread = edo_thread_self();

    if (!thread || !thread->current)
        return;
    EDO_MISUSE_IF(!edo_thread_in_region(thread), "a blocking region was ended that had not begun");
    edo_thread_set_region(thread, 0);
    EDO_USDT1(region_end, thread->current->id);
    if (__builtin_expect(atomic_load_explicit(&thread->guard, memory_order_relaxed) == EDO_GUARD_TAKEN, 0))
        edo_leave(edo_enter(thread));
}
