/* SPDX-License-Identifier: MIT */
/*
 * What a runtime under test asks, where every other one decides for itself (rules T1, T2; src/testing).
 *
 * Such a runtime has one worker, on its caller's thread. All its tasks are EDO_TASK_CHOSEN, so what is ready lies in
 * the global queue, in the order in which it became so; ring and LIFO slot stay empty, and every turn goes through the
 * thread's own flow. Its tasks get a budget of 0: each suspension point takes the slow way, to `point`. So hooks cost
 * the others nothing but a field read where a constant was.
 *
 * They are called on the runtime's one thread, and belong to whoever started the runtime; they outlive it.
 */
#ifndef EDO_RUNTIME_HOOKS_H
#define EDO_RUNTIME_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

struct edo_task;
struct edo_thread;

struct edo_hooks {
    /*
     * At each suspension point of each task, in that task, OUTSIDE, before it asks whether it is cancelled. True:
     * others have a turn before it goes on (edo_yield gives it in any case).
     */
    bool (*point)(struct edo_hooks *hooks, struct edo_task *task);

    /* Before each choice, also when nothing is ready: nobody runs, and tasks that wait are parked. INSIDE. */
    void (*turn)(struct edo_hooks *hooks, struct edo_thread *thread);

    /*
     * Which of `count` > 0 ready tasks, linked by `next` from `first`, runs next: 0 to count - 1. INSIDE, and locked:
     * it only looks.
     */
    uint32_t (*choose)(struct edo_hooks *hooks, const struct edo_task *first, uint32_t count);

    bool simulated; /* its kernel is not the system's: blocking work runs inline, and runtimes in tasks are refused */
    bool closed;    /* nothing comes from other threads: what wakes or cancels its tasks from there is refused */
};

struct edo_runtime;

/* Whether the calling thread must leave the runtime's tasks alone. */
bool edo_hooks_refuse(const struct edo_runtime *runtime);

/* Ends the program if so: where no error can be returned. */
void edo_hooks_insist(const struct edo_runtime *runtime);

#endif
