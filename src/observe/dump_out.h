/* SPDX-License-Identifier: MIT */
/*
 * Where a dump is written to: pieces of text are gathered, and handed on when there is no more room, or at the end. And
 * the names in it: texts and places that are looked at by edo_peek, and functions, each found once and kept, since
 * tasks have few different ones.
 *
 * The first error is kept, and nothing is written after it. Belongs to one call of edo_dump; lies in memory mapped for
 * it.
 */
#ifndef EDO_OBSERVE_DUMP_OUT_H
#define EDO_OBSERVE_DUMP_OUT_H

#include "observe/dump.h"
#include "observe/symbols.h"

struct edo_out_site {
    const edo_site *site;
    char function[64];
    char file[128];
    int line;
};

struct edo_out_text {
    const char *from;
    char text[80];
};

struct edo_out_symbol {
    uintptr_t address;
    char text[EDO_SYMBOL_NAME_SIZE + 24];
};

enum { EDO_OUT_KEPT = 256 };

struct edo_out {
    const struct edo_platform *platform;
    int fd;
    int (*write)(void *argument, const char *text, size_t size); /* NULL: to the descriptor */
    void *argument;
    int rc;
    bool json; /* texts are escaped for it; else for a line of a terminal */
    size_t used;
    char text[16384];
    struct edo_out_site sites[EDO_OUT_KEPT]; /* by their pointers' hash */
    struct edo_out_text texts[EDO_OUT_KEPT];
    struct edo_out_symbol symbols[EDO_OUT_KEPT];
};

/* *out is mapped: 0, -ENOMEM. end hands on what is left, and returns the first error. */
int edo_out_begin(struct edo_out **out, int fd, const edo_dump_options *options);
int edo_out_end(struct edo_out *out);

void edo_out_put(struct edo_out *out, const char *text);
void edo_out_printf(struct edo_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is put next, up to so many bytes, is handed on in one piece. Hand on now what is there. */
void edo_out_reserve(struct edo_out *out, size_t size);
void edo_out_flush(struct edo_out *out);

/*
 * Between quotes, with what would break a line, or JSON, or say something to a terminal, escaped; of text alone without
 * the quotes.
 */
void edo_out_quote(struct edo_out *out, const char *text);
void edo_out_bare(struct edo_out *out, const char *text);

/* What stands at these; NULL where there is none. Good until the next of them. */
const char *edo_out_text(struct edo_out *out, const char *from);
const struct edo_out_site *edo_out_site(struct edo_out *out, const edo_site *site);

/* "function+0x12"; `call`: the address is a return address. */
const char *edo_out_symbol(struct edo_out *out, uintptr_t address, int call);

/* The name of a task: its own, or its spawn site's function. */
const char *edo_out_name(struct edo_out *out, const struct edo_dump_task *task);

/* --- dump_text.c and dump_json.c ---------------------------------------------------------------------------------- */

void edo_out_dump_text(struct edo_out *out, struct edo_dump *dump);

/* What one task waits for, "to read between ...", "for the end of ...": all of it, in text. */
void edo_out_waits(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task);

/* Tells the rings; `prefix` begins each line. */
void edo_out_cycles(struct edo_out *out, struct edo_dump *dump, const char *prefix);

void edo_out_dump_json(struct edo_out *out, struct edo_dump *dump);

#endif
