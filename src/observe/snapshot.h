/* SPDX-License-Identifier: MIT */
/*
 * What is inside an edo_snapshot: a dump (dump.h) of each runtime, with what it counted then; and names.
 *
 * Names are looked at when they are asked for, by edo_peek, since whoever gave them may be gone: each once, and kept in
 * pieces of memory which stay where they are until the snapshot is taken anew. Names of functions are kept longer: they
 * cost a look into files. Everything belongs to the one who uses the snapshot; no locks. Memory comes from the
 * platform, so a snapshot of 100,000 tasks with the same name has one name.
 */
#ifndef EDO_OBSERVE_SNAPSHOT_H
#define EDO_OBSERVE_SNAPSHOT_H

#include "observe/dump.h"

#include <edo/snapshot.h>

struct edo_kept {
    const void *from; /* NULL: a free place */
    uint8_t what;
    const void *kept;
};

struct edo_kept_piece {
    struct edo_kept_piece *next;
    size_t size;
    size_t used;
    /* and so many bytes */
};

/* An open hash, at most half full, and the memory of what is in it. */
struct edo_names {
    const struct edo_platform *platform;
    struct edo_kept *places;
    size_t size;
    size_t count;
    struct edo_kept_piece *pieces;
};

struct edo_snapshot_of {
    struct edo_dump dump;
    edo_snapshot_runtime about;
    edo_metrics metrics;
    edo_histogram times[2];
    struct edo_dump_array workers; /* of edo_snapshot_worker */
};

/* What runtimes are seen in is mapped, as it is looked for under the lock of their list. */
struct edo_snapshot {
    const struct edo_platform *platform;
    int rc;
    size_t count;
    struct edo_snapshot_of *
        *of; /* `capacity` places; those behind `count` keep their memory; NULL: none was there yet */
    size_t capacity;
    struct edo_names names;
    struct edo_names symbols;
};

/* NULL: `runtime` is none. */
static inline const struct edo_snapshot_of *edo_snapshot_of(const edo_snapshot *snapshot, size_t runtime)
{
    return runtime < snapshot->count ? snapshot->of[runtime] : NULL;
}

/* 0; -E2BIG: the caller knows more than this library, or nothing. Else copies what he knows. */
static inline int edo_snapshot_give(void *out, const void *from, size_t known)
{
    size_t size;

    memcpy(&size, out, sizeof size);
    if (size < sizeof size || size > known)
        return -E2BIG;
    memcpy(out, from, size);
    memcpy(out, &size, sizeof size);
    return 0;
}

/* --- snapshot_names.c --------------------------------------------------------------------------------------------- */

/* What stands at these, kept; NULL for NULL, for what cannot be read, and when there is no memory. */
const char *edo_names_text(struct edo_names *names, const char *from);
const edo_site *edo_names_site(struct edo_names *names, const edo_site *site);
const char *edo_names_symbol(struct edo_names *names, uintptr_t address, bool call);

/* A copy of a text that is nobody's name. */
const char *edo_names_copy(struct edo_names *names, const char *text);

/* Forgets all of them; most of the memory is kept for the next. */
void edo_names_reset(struct edo_names *names);
void edo_names_finish(struct edo_names *names);

#endif
