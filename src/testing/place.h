/* SPDX-License-Identifier: MIT */
/*
 * Where in the program something happened: the calls that led there, and afterwards, told by addr2line(1) where that is
 * installed, the innermost of them that is not Edo's own.
 */
#ifndef EDO_TESTING_PLACE_H
#define EDO_TESTING_PLACE_H

#include <stddef.h>

enum { EDO_PLACE_FRAMES = 24 };

/* All zero: nowhere. */
struct edo_place {
    int count;
    void *frames[EDO_PLACE_FRAMES]; /* the innermost first */
};

struct edo_place_text {
    char function[128]; /* empty: not known */
    char file[256];
    int line;
};

/* To be called once before runs, on a plain thread: the first walk loads the unwinder. */
void edo_place_prepare(void);

/* The caller's; `fn`, if not NULL, counts as the outermost. In a task or outside; calls no table. */
void edo_place_take(struct edo_place *out, int (*fn)(void *));

/* Which line that is. On a plain thread, outside runs. */
void edo_place_tell(struct edo_place_text *out, const struct edo_place *place);

#endif
