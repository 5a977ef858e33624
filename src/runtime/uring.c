/* SPDX-License-Identifier: MIT */
/* Calls over a ring: submitting, waiting, and taking completions out. See uring.h. */
#include "runtime/uring.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <errno.h>

#if EDO_IO_URING

#include <linux/io_uring.h>

struct edo_uring_call {
    struct edo_task *task;
    int32_t result;
    _Atomic bool done;
};

enum { EDO_URING_BATCH = 32 };

/* Takes out at most EDO_URING_BATCH completions: how many; whose they are. */
static uint32_t edo_uring_take(struct edo_task *tasks[EDO_URING_BATCH], struct edo_uring *ring)
{
    uint32_t count = 0;
    uint32_t head;

    edo_lock_acquire(&ring->reap);
    head = atomic_load_explicit(ring->completions_head, memory_order_relaxed);
    while (count < EDO_URING_BATCH && head != atomic_load_explicit(ring->completions_tail, memory_order_acquire)) {
        const struct io_uring_cqe *completion = &ring->completions[head++ & ring->completions_mask];
        struct edo_uring_call *call = (struct edo_uring_call *)(uintptr_t)completion->user_data;

        tasks[count++] = call->task;
        call->result = completion->res;
        atomic_store_explicit(&call->done, true, memory_order_release);
    }
    if (count > 0) {
        atomic_store_explicit(ring->completions_head, head, memory_order_release);
        atomic_fetch_sub_explicit(&ring->flying, count, memory_order_release); /* after the room is there */
    }
    edo_lock_release(&ring->reap);
    return count;
}

void edo_uring_reap(struct edo_thread *thread, struct edo_uring *ring)
{
    struct edo_task *tasks[EDO_URING_BATCH];
    uint32_t count;

    do {
        count = edo_uring_take(tasks, ring);
        for (uint32_t i = 0; i < count; i++)
            edo_unpark_last(thread, tasks[i]);
    } while (count == EDO_URING_BATCH);
}

/* The same in a task, OUTSIDE, which itself need not be woken. */
static void edo_uring_reap_here(struct edo_uring *ring, struct edo_task *self)
{
    struct edo_task *tasks[EDO_URING_BATCH];
    uint32_t count;

    if (atomic_load_explicit(ring->completions_head, memory_order_relaxed) ==
        atomic_load_explicit(ring->completions_tail, memory_order_acquire))
        return;
    do {
        count = edo_uring_take(tasks, ring);
        for (uint32_t i = 0; i < count; i++)
            if (tasks[i] != self)
                edo_unpark(tasks[i]);
    } while (count == EDO_URING_BATCH);
}

/* True: the kernel has it. */
static bool edo_uring_submit(struct edo_uring *ring, const struct io_uring_sqe *entry)
{
    uint32_t tail;
    int rc = -EBUSY;

    if (!edo_lock_try(&ring->submit))
        return false;
    if (atomic_load_explicit(&ring->flying, memory_order_acquire) < ring->most) {
        tail = atomic_load_explicit(ring->entries_tail, memory_order_relaxed);
        ring->entries[tail & ring->entries_mask] = *entry;
        atomic_fetch_add_explicit(&ring->flying, 1, memory_order_relaxed);
        atomic_store_explicit(ring->entries_tail, tail + 1, memory_order_release);
        do
            rc = edo_platform->uring_enter(ring->fd, 1, 0, 0);
        while (rc == -EINTR);
        if (rc != 1) { /* the kernel looks at entries only in there: this one can be taken back */
            atomic_store_explicit(ring->entries_tail, tail, memory_order_release);
            atomic_fetch_sub_explicit(&ring->flying, 1, memory_order_relaxed);
        }
    }
    edo_lock_release(&ring->submit);
    return rc == 1;
}

bool edo_uring_on(void)
{
    struct edo_task *task = edo_task_self();

    return task && task->home->runtime->rings > 0;
}

bool edo_uring_call(ssize_t *result, struct io_uring_sqe *entry)
{
    struct edo_uring_call call = {.task = edo_task_self()};
    struct edo_worker *worker;
    struct edo_uring *ring;

    worker = edo_thread_self()->worker; /* it may be taken from this thread at any time: its ring stays */
    ring = worker ? worker->poller.ring : NULL;
    if (!ring || !(ring->known >> entry->opcode & 1))
        return false;
    entry->user_data = (uintptr_t)&call;
    if (!edo_uring_submit(ring, entry))
        return false;
    edo_uring_reap_here(ring, call.task);
    while (!atomic_load_explicit(&call.done, memory_order_acquire))
        edo_park(call.task);
    if (call.result == -ECANCELED || call.result == -EINTR || call.result == -EAGAIN)
        return false; /* not done: its thread has ended, or it would have had to wait */
    *result = call.result;
    return true;
}

#endif
