/* SPDX-License-Identifier: MIT */
/* Ends the program with a message that says what was done wrong, and by which task. See misuse.h. */
#include "runtime/misuse.h"
#include "runtime/task.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef EDO_DEBUG_CHECKS
__attribute__((noreturn)) void edo_misuse(const char *what, const char *file, int line)
{
    struct edo_task *task = edo_task_self();
    const edo_site *site = task ? task->site : NULL;

    if (task)
        fprintf(stderr, "edo: misuse in task \"%s\" (spawned at %s:%d): %s [%s:%d]\n", edo_task_name(),
                site ? site->file : "?", site ? site->line : 0, what, file, line);
    else
        fprintf(stderr, "edo: misuse: %s [%s:%d]\n", what, file, line);
    abort();
}
#endif
