/* SPDX-License-Identifier: MIT */
/* What a process is to be started as; the platform table's process_start takes it. */
#ifndef EDO_PLATFORM_PROCESS_H
#define EDO_PLATFORM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { EDO_PLAN_INHERIT = -1, EDO_PLAN_NULL = -2, EDO_PLAN_STDOUT = -3 };

struct edo_process_plan {
    const char *program; /* looked for in $PATH if it has no slash */
    const char *const *argv;
    const char *const *env; /* NULL: as here */
    const char *cwd;        /* NULL: as here */
    int stdio[3];           /* a descriptor from 3 up, or one of the above */
    bool group;
};

/* The system's way. 0 or a negative errno. Blocks until the program runs. */
int edo_process_start(pid_t *out, const struct edo_process_plan *plan);

#endif
