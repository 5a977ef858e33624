/* SPDX-License-Identifier: MIT */
/* Telling the user about tasks. See callbacks.h. */
#include "runtime/callbacks.h"
#include "runtime/runtime.h"

static void edo_callback_task(struct edo_task *task, int result, void (*tell)(const edo_task_info *, void *))
{
    edo_task_info info = {
        .size = sizeof info, .id = task->id, .name = edo_task_name(), .site = task->site, .result = result};

    edo_thread_set_region(edo_thread_self(), 1);
    tell(&info, task->home->runtime->options.on_argument);
    edo_thread_set_region(edo_thread_self(), 0);
}

void edo_callback_task_start(struct edo_task *task)
{
    edo_callback_task(task, 0, task->home->runtime->options.on_task_start);
}

void edo_callback_task_stop(struct edo_task *task, int result)
{
    edo_callback_task(task, result, task->home->runtime->options.on_task_stop);
}
