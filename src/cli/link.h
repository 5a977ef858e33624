/* SPDX-License-Identifier: MIT */
/*
 * The way to the program's console: two tasks that speak to it, and the channel by which what it says comes to the one
 * that draws.
 *
 * edo_link_run holds the stream of events. When the wish changes (other columns, another piece of the table) it opens
 * another stream in its place; when the connection is lost it says so and tries again each second, for ever. A console
 * from which nothing comes for three seconds and five of its intervals counts as lost: a machine that has gone says no
 * goodbye.
 *
 * edo_link_ask answers one question at a time: what the stream does not tell (one task, spawn sites, resources,
 * scopes).
 *
 * Both own nothing that is drawn: they parse, and hand on.
 */
#ifndef EDO_CLI_LINK_H
#define EDO_CLI_LINK_H

#include <edo/base.h>
#include <edo/broadcast.h>
#include <edo/channel.h>

#include <jansson.h>

enum { EDO_LINK_PATH = 2048, EDO_LINK_TEXT = 200 };

enum edo_said {
    EDO_SAID_LOST,
    EDO_SAID_LINKED,
    EDO_SAID_PROGRAM,
    EDO_SAID_NOW,
    EDO_SAID_TASKS,
    EDO_SAID_STALL,
    EDO_SAID_STALLS,
    EDO_SAID_ANSWER
};

/* What comes over the channel. The receiver owns .value. */
struct edo_said_value {
    int what;                 /* enum edo_said */
    uint64_t serial;          /* ANSWER: of the question. TASKS: of the wish */
    int status;               /* ANSWER: HTTP's; negative: an errno value */
    json_t *value;            /* NULL: none */
    char text[EDO_LINK_TEXT]; /* LOST, ANSWER with an error: why */
};

struct edo_wish {
    uint64_t serial;
    char path[EDO_LINK_PATH];
};

struct edo_link {
    const char *address;
    edo_watch *wish;    /* struct edo_wish */
    edo_channel *asked; /* struct edo_wish */
    edo_channel *said;  /* struct edo_said_value */
};

/* Tasks; the argument is the link, which outlives them. They end when they are cancelled. */
int edo_link_run(void *link);
int edo_link_ask(void *link);

/* One question and its answer, for at most five seconds. Always fills *said: .status, and .value or .text. */
void edo_link_get(struct edo_said_value *said, const char *address, const char *path);

#endif
