/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 (RFC 3629), as far as writers of JSON need it, whose texts come from programs and may be anything.
 */
#ifndef EDO_BASE_UTF8_H
#define EDO_BASE_UTF8_H

#include <stddef.h>

/* How many bytes the character at `text` has, beyond ASCII, in a text with a zero at its end; 0: it is none. */
static inline size_t edo_utf8_size(const unsigned char *text)
{
    size_t size = text[0] >= 0xc2 && text[0] < 0xe0   ? 2
                  : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                  : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                      : 0;

    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

#endif
