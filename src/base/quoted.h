/* SPDX-License-Identifier: MIT */
/*
 * Texts as people read them between quotes, in a terminal: names come from programs and may be anything, and what a
 * terminal would take for a command is shown by its number. Async-signal-safe.
 */
#ifndef EDO_BASE_QUOTED_H
#define EDO_BASE_QUOTED_H

#include "base/utf8.h"

#include <string.h>

enum { EDO_QUOTED_MOST = 4 };

/*
 * How many bytes at `text`, which is not at its end, are a character that has a shape; 0: a control (C0, DEL, C1), or
 * no UTF-8.
 */
static inline size_t edo_shown_size(const unsigned char *text)
{
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    return text[0] == 0xc2 && text[1] < 0xa0 ? 0 : edo_utf8_size(text);
}

/*
 * Writes the next character, or what stands for it, and goes on behind it; how many bytes that are. 0: the text's end.
 */
static inline size_t edo_quoted_next(char out[EDO_QUOTED_MOST], const char **text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)*text;
    size_t size = *at ? edo_shown_size(at) : 0;

    if (!*at)
        return 0;
    *text += size > 0 ? size : 1;
    if (*at == '"' || *at == '\\') {
        out[0] = '\\';
        out[1] = (char)*at;
        return 2;
    }
    if (size > 0) {
        memcpy(out, at, size);
        return size;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[*at >> 4];
    out[3] = digits[*at & 15];
    return EDO_QUOTED_MOST;
}

#endif
