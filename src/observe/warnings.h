/* SPDX-License-Identifier: MIT */
/*
 * What a dump warns of. Each bit (enum edo_task_warning) is set from what is known at the dump's moment; see warnings.c
 * for how each is judged.
 */
#ifndef EDO_OBSERVE_WARNINGS_H
#define EDO_OBSERVE_WARNINGS_H

#include "observe/dump.h"

#include <edo/snapshot.h>

enum { EDO_WARNINGS = 3 }; /* how many bits enum edo_task_warning has */

/* Sets the warnings of the tasks of a dump whose waits were taken. */
void edo_dump_take_warnings(struct edo_dump *dump);

#endif
