/* SPDX-License-Identifier: MIT */
/*
 * The trace of a seeded run: all that was chosen in it, and all that its kernel answered, as a hash (rule T2). With
 * EDO_TRACE=1 in the environment it is also written to stderr, a line each: so two runs that should be one are
 * compared.
 *
 * Nothing that is an address goes into it. It belongs to the thread of the run.
 */
#ifndef EDO_TESTING_TRACE_H
#define EDO_TESTING_TRACE_H

#include <stdint.h>

/* An empty one. */
void edo_trace_begin(void);

/* Something has happened: `what`, a word; to whom, a number; and how it came out. */
void edo_trace_add(const char *what, uint64_t who, int64_t value);

#endif
