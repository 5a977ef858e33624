/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events (text/event-stream of the HTML standard), taken out of the bytes as they come: an event's name and
 * its data. `id` and `retry` are passed over; lines end with LF or CRLF. An event has at most EDO_SSE_MOST bytes.
 *
 * Owned by the task that reads the stream.
 */
#ifndef EDO_CLI_SSE_H
#define EDO_CLI_SSE_H

#include <edo/base.h>

enum { EDO_SSE_MOST = 8 * 1024 * 1024 };

struct edo_sse_text {
    char *data;
    size_t size;
    size_t capacity;
};

struct edo_sse {
    struct edo_sse_text line; /* as far as it has come */
    struct edo_sse_text data;
    char name[32]; /* "" : "message" */
    bool done;     /* the event is over, and is to be forgotten */
};

/* Appends; the text stays terminated. 0; -EMSGSIZE, -ENOMEM. */
int edo_sse_append(struct edo_sse_text *text, const char *data, size_t size);
void edo_sse_text_finish(struct edo_sse_text *text);

void edo_sse_init(struct edo_sse *sse);
void edo_sse_finish(struct edo_sse *sse);

/*
 * Goes on with *bytes and takes from its front what it has used. 1: there is an event, sse->name and sse->data, until
 * the next call; 0: all was used; -EMSGSIZE: no event is that large; -ENOMEM.
 */
int edo_sse_next(struct edo_sse *sse, edo_str *bytes);

#endif
