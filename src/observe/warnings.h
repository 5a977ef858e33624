/* SPDX-License-Identifier: MIT */
/*
 * What a dump warns of. Each bit is set from what is known at the dump's moment; see warnings.c for how each is judged.
 */
#ifndef EDO_OBSERVE_WARNINGS_H
#define EDO_OBSERVE_WARNINGS_H

#include "observe/dump.h"

enum edo_warning {
    EDO_WARN_STALLS = 1, /* it stalls, or often did */
    EDO_WARN_ROUNDS = 2, /* it goes round without waiting for anything */
    EDO_WARN_LOCK = 4,   /* it holds a lock that another task wants, and waits */
    EDO_WARNINGS = 3     /* how many bits there are */
};

/* Sets the warnings of the tasks of a dump whose waits were taken. */
void edo_dump_take_warnings(struct edo_dump *dump);

/* "keeps its thread ..."; of one bit. */
const char *edo_warning_text(int warning);

#endif
