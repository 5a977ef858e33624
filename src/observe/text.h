/* SPDX-License-Identifier: MIT */
/* A text that is put together in somebody's buffer, and counted also where it does not fit, as snprintf does. */
#ifndef EDO_OBSERVE_TEXT_H
#define EDO_OBSERVE_TEXT_H

#include "base/quoted.h"

#include <edo/base.h>

#include <stdarg.h>
#include <stdio.h>

struct edo_text {
    char *out;
    size_t capacity;
    size_t size; /* of the whole text */
};

EDO_PRINTF(2, 3) static inline void edo_text_add(struct edo_text *text, const char *format, ...)
{
    size_t room = text->size < text->capacity ? text->capacity - text->size : 0;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(room ? text->out + text->size : NULL, room, format, arguments);
    va_end(arguments);
    text->size += size > 0 ? (size_t)size : 0;
}

/* Somebody's name, between quotes. */
static inline void edo_text_quote(struct edo_text *text, const char *name)
{
    char piece[EDO_QUOTED_MOST];
    size_t size;

    edo_text_add(text, "\"");
    while ((size = edo_quoted_next(piece, &name)) > 0)
        edo_text_add(text, "%.*s", (int)size, piece);
    edo_text_add(text, "\"");
}

#endif
