/* SPDX-License-Identifier: MIT */
/*
 * The files of the page (src/console/page), which the build puts into the library: cmake/EdoEmbed.cmake makes the
 * table.
 */
#ifndef EDO_CONSOLE_PAGES_H
#define EDO_CONSOLE_PAGES_H

#include <stddef.h>

struct edo_embedded {
    const char *path; /* NULL: the end of the table */
    const char *type;
    const char *data;
    const char *end;
};

extern const struct edo_embedded edo_embedded_files[] __attribute__((visibility("hidden")));

#endif
