/* SPDX-License-Identifier: MIT */
/*
 * The callbacks of edo_run_options: what a runtime tells its user about its threads and tasks. (hooks.h is something
 * else: what a runtime under test is told by its tester.)
 *
 * Where nobody asked, they cost nothing: the start of a task is told by a flag in the block, which is tested together
 * with those that are tested anyway, its end by `ends_watched` in the runtime, which stands where the stack census
 * stood.
 *
 * User code, so never under the guard (S10). Those of tasks run in a blocking region, in which debug builds abort on
 * any call into the runtime, and in which the monitor takes the worker of one that blocks. Those of threads run before
 * the thread knows that it is one of a runtime, and when it has forgotten.
 */
#ifndef EDO_RUNTIME_CALLBACKS_H
#define EDO_RUNTIME_CALLBACKS_H

#include <edo/runtime.h>

struct edo_task;

/* On a thread that is not, or no longer, a runtime's: .on_thread_start or .on_thread_stop. */
static inline void edo_callback_thread(void (*tell)(void *), void *argument)
{
    if (tell)
        tell(argument);
}

/* In the task, OUTSIDE, where the option is set. */
void edo_callback_task_start(struct edo_task *task);
void edo_callback_task_stop(struct edo_task *task, int result);

#endif
