/* SPDX-License-Identifier: MIT */
/*
 * What stands in for schedule.c where a model is about something that parks tasks: the task's own thread waits until
 * the task is in a queue, instead of running others. The park word is the real one; what it does with switches and with
 * several workers is the matter of test_park.c.
 *
 * Also the platform's table, with the explorer's futex, and plain waiting for edo_lock (its slow half is the matter of
 * test_lock.c).
 *
 * A task's id is its index in stand_in.queued; it has EDO_TASK_MIGRATES, so that what is made ready comes here.
 */
#ifndef EDO_TESTS_MODELS_STAND_IN_H
#define EDO_TESTS_MODELS_STAND_IN_H

#include "model_test.h"

/* Instead of switch.h, which switches to the next task: edo_park_inline below. */
#define EDO_RUNTIME_SWITCH_H
#define EDO_ALWAYS_INLINE static inline
#define EDO_SELF_ALONE

#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/runtime.h"

__thread struct edo_thread *edo_self_pointer;

/* Nobody forks here. */
#define edo_in_forked_child() false

static struct {
    _Atomic uint32_t queued[2];
} stand_in;

/* Called before and after a task is made ready; may be NULL. */
static void (*stand_in_ready)(void);

void edo_lock_acquire_slow(struct edo_lock *lock);
void edo_lock_release_slow(struct edo_lock *lock);
void edo_ready_elsewhere(struct edo_thread *thread, struct edo_task *task);
void edo_ready_offer(struct edo_thread *thread);

void edo_lock_acquire_slow(struct edo_lock *lock)
{
    model_lock(&lock->word);
}

void edo_lock_release_slow(struct edo_lock *lock)
{
    (void)lock;
}

void edo_ready_elsewhere(struct edo_thread *thread, struct edo_task *task)
{
    (void)thread;
    if (stand_in_ready)
        stand_in_ready();
    model_assert(atomic_exchange(&stand_in.queued[task->id], 1) == 0);
    if (stand_in_ready) {
        model_step();
        stand_in_ready();
    }
}

void edo_ready(struct edo_thread *thread, struct edo_task *task)
{
    edo_ready_elsewhere(thread, task);
}

void edo_ready_offer(struct edo_thread *thread)
{
    (void)thread;
}

struct edo_thread *edo_park_inside(struct edo_thread *thread, struct edo_task *task)
{
    if (!edo_park_word_notified(&task->wake) && edo_park_word_park(&task->wake))
        while (!atomic_exchange(&stand_in.queued[task->id], 0))
            model_pause();
    edo_park_word_run(&task->wake);
    return thread;
}

static inline struct edo_thread *edo_park_inline(struct edo_thread *thread, struct edo_task *task)
{
    return edo_park_inside(thread, task);
}

void edo_park(struct edo_task *task)
{
    edo_park_inside(NULL, task);
}

void edo_unpark_inside(struct edo_thread *thread, struct edo_task *task)
{
    if (edo_park_word_notify(&task->wake))
        edo_ready_elsewhere(thread, task);
}

void edo_unpark(struct edo_task *task)
{
    edo_unpark_inside(NULL, task);
}

struct edo_thread *edo_enter_slow(struct edo_thread *thread, uint32_t found)
{
    (void)found;
    model_assert(!"no worker is taken here");
    return thread;
}

void edo_turn(struct edo_task *task)
{
    task->budget = EDO_BUDGET;
}

#ifdef EDO_DEBUG_CHECKS
void edo_misuse(const char *what, const char *file, int line)
{
    model_wrong(what, file, line);
    abort();
}
#endif

/* No runtime here is under test: nobody has to leave its tasks alone. */
bool edo_hooks_refuse(const struct edo_runtime *runtime)
{
    (void)runtime;
    return false;
}

void edo_budget_spent(struct edo_task *task)
{
    task->budget = EDO_BUDGET;
}

/* Cancels a scope with one task in it, as cancel.c does: first the flag, then the wake. */
static inline void stand_in_cancel(struct edo_scope_body *scope, struct edo_task *task)
{
    atomic_fetch_or(&scope->flags, EDO_SCOPE_CANCELLED);
    edo_unpark_inside(NULL, task);
}

#endif
