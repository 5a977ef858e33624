/* SPDX-License-Identifier: MIT */
/* Reading option structs of any version (see EDO_OPTIONS), and arithmetic on deadlines. */
#ifndef EDO_RUNTIME_OPTIONS_H
#define EDO_RUNTIME_OPTIONS_H

#include <edo/base.h>

#include <errno.h>

/*
 * Copies what `given` has (NULL: nothing) into the zeroed struct at `out`, which knows `known` bytes. -E2BIG if the
 * caller knows more and uses it; -EINVAL for a size that no version had.
 */
static inline int edo_options_read(void *out, size_t known, const void *given)
{
    size_t size;

    memset(out, 0, known);
    if (!given)
        return 0;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return -EINVAL;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return -E2BIG;
    memcpy(out, given, size < known ? size : known);
    return 0;
}

#define EDO_READ_OPTIONS(out, given) edo_options_read((out), sizeof *(out), (given))

/* now + duration, without overflow. */
static inline int64_t edo_deadline_after(int64_t now, int64_t duration)
{
    return duration > EDO_FOREVER - now ? EDO_FOREVER : now + duration;
}

#endif
