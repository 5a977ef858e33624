/* SPDX-License-Identifier: MIT */
/*
 * A worker's run queue where the runtime has one worker: a list of tasks, linked by next (rule S1). Nobody steals
 * there, so all of it but the count belongs to the thread that is INSIDE the worker; the count is read by anybody, as a
 * hint. It has no end, so nothing overflows, and a queue of any length is walked once, by those who run.
 *
 * In a long line tasks and stacks are cold. When one is taken, those behind it are fetched: of the next one the stack,
 * whose address its block tells, which was fetched when the one before was taken; of the one behind it the block.
 */
#ifndef EDO_RUNTIME_FIFO_H
#define EDO_RUNTIME_FIFO_H

#include "runtime/task.h"

struct edo_fifo {
    struct edo_task *first;
    _Atomic uint32_t count;
    struct edo_task **end; /* the last one's next, or `first` */
};

static inline void edo_fifo_init(struct edo_fifo *fifo)
{
    fifo->first = NULL;
    fifo->end = &fifo->first;
    atomic_init(&fifo->count, 0);
}

/* Any thread. */
static inline uint32_t edo_fifo_count(struct edo_fifo *fifo)
{
    return atomic_load_explicit(&fifo->count, memory_order_relaxed);
}

static inline void edo_fifo_add(struct edo_fifo *fifo, uint32_t more)
{
    atomic_store_explicit(&fifo->count, atomic_load_explicit(&fifo->count, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* So many, linked by next. */
static inline void edo_fifo_push_chain(struct edo_fifo *fifo, struct edo_task *first, struct edo_task *last,
                                       uint32_t count)
{
    last->next = NULL;
    *fifo->end = first;
    fifo->end = &last->next;
    edo_fifo_add(fifo, count);
}

static inline void edo_fifo_push(struct edo_fifo *fifo, struct edo_task *task)
{
    edo_fifo_push_chain(fifo, task, task, 1);
}

/*
 * What a switch to the task reads first. Of one that has no stack yet sp says nothing, not even whether it is a pointer
 * (so it is counted with as a number): then this is for nothing.
 */
static inline void edo_fifo_fetch_stack(const struct edo_task *task)
{
    uintptr_t sp = (uintptr_t)task->context.sp;

    __builtin_prefetch((const void *)(sp - 8), 1);
    __builtin_prefetch((const void *)(sp + 56), 1);
}

static inline void edo_fifo_fetch(const struct edo_task *task)
{
    __builtin_prefetch(task, 1);
    __builtin_prefetch(&task->id, 1); /* it may begin anywhere in a line of memory */
}

/* NULL: none. */
static inline struct edo_task *edo_fifo_pop(struct edo_fifo *fifo)
{
    struct edo_task *task = fifo->first;
    struct edo_task *next;

    if (!task)
        return NULL;
    next = task->next;
    fifo->first = next;
    edo_fifo_add(fifo, (uint32_t)-1);
    if (next) {
        edo_fifo_fetch_stack(next);
        if (next->next)
            edo_fifo_fetch(next->next);
    } else {
        fifo->end = &fifo->first;
    }
    return task;
}

/* Pop, where there is one, and push `last`. */
static inline struct edo_task *edo_fifo_rotate(struct edo_fifo *fifo, struct edo_task *last)
{
    struct edo_task *task = fifo->first;
    struct edo_task *next;

    last->next = NULL;
    *fifo->end = last;
    fifo->end = &last->next;
    next = task->next;
    fifo->first = next;
    edo_fifo_fetch_stack(next);
    if (next->next)
        edo_fifo_fetch(next->next);
    return task;
}

#endif
