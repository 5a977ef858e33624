/* SPDX-License-Identifier: MIT */
/* The trace of a seeded run. See trace.h. */
#include "testing/trace.h"
#include "testing/random.h"

#include <edo/testing.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t edo_trace;
static bool edo_trace_printed;

static void edo_hash_add(uint64_t *hash, uint64_t value)
{
    *hash = edo_random_stir(*hash * UINT64_C(0x9e3779b97f4a7c15) + value + 1);
}

void edo_trace_begin(void)
{
    const char *print = getenv("EDO_TRACE");

    edo_trace = 0;
    edo_trace_printed = print && *print && *print != '0';
}

void edo_trace_add(const char *what, uint64_t who, int64_t value)
{
    uint64_t word = 0;

    for (const char *c = what; *c; c++)
        word = word * 31 + (unsigned char)*c;
    edo_hash_add(&edo_trace, word);
    edo_hash_add(&edo_trace, who);
    edo_hash_add(&edo_trace, (uint64_t)value);
    if (edo_trace_printed)
        fprintf(stderr, "edo: trace: %s %" PRIu64 " %" PRId64 "\n", what, who, value);
}

uint64_t edo_test_trace(void)
{
    return edo_trace;
}
