/* SPDX-License-Identifier: MIT */
/* Who may touch the tasks of a runtime under test. See hooks.h. */
#include "runtime/hooks.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>

bool edo_hooks_refuse(const struct edo_runtime *runtime)
{
    struct edo_thread *thread;

    if (!runtime->hooks || !runtime->hooks->closed)
        return false;
    thread = edo_thread_self();
    return !thread || thread->runtime != runtime;
}

void edo_hooks_insist(const struct edo_runtime *runtime)
{
    if (!edo_hooks_refuse(runtime))
        return;
    fputs("edo: another thread wakes or cancels a task of a seeded run, which could not be repeated so: "
          "declare the run impure\n",
          stderr);
    abort();
}
