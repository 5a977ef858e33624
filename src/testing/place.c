/* SPDX-License-Identifier: MIT */
/* Places. See place.h. */
#include "testing/place.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void edo_place_prepare(void)
{
    void *frames[2];

    backtrace(frames, 2);
}

void edo_place_take(struct edo_place *out, int (*fn)(void *))
{
    out->count = backtrace(out->frames, EDO_PLACE_FRAMES - 1);
    if (fn) /* found as return addresses are: one before */
        out->frames[out->count++] = (void *)((uintptr_t)fn + 1);
}

/* Where a code address lies: in which file, and where in that as the linker counts. */
static bool edo_place_module(char *path, size_t size, uintptr_t *offset, void *address)
{
    struct link_map *map = NULL;
    Dl_info info;
    char *real;
    bool fits;

    if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
        return false;
    *offset = (uintptr_t)address - map->l_addr;
    real = realpath(map->l_name[0] ? map->l_name : "/proc/self/exe", NULL);
    fits = real && !strchr(real, '\'') && (size_t)snprintf(path, size, "%s", real) < size;
    free(real);
    return fits;
}

static void edo_place_copy(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) { /* the end of a path says more than its beginning */
        text += length - (size - 1);
        length = size - 1;
    }
    memcpy(out, text, length + 1);
}

static void edo_place_chomp(char *line)
{
    line[strcspn(line, "\n")] = '\0';
}

/* Edo's own, or the implementation's: sanitizers stand in between, too. */
static bool edo_place_is_inside(const char *function)
{
    return strncmp(function, "edo_", 4) == 0 || strncmp(function, "__", 2) == 0;
}

/* Reads addr2line's pairs, a function and where it is, up to the first that is the program's. */
static bool edo_place_read(struct edo_place_text *out, FILE *from)
{
    char function[1024];
    char where[4096];

    while (fgets(function, sizeof function, from) && fgets(where, sizeof where, from)) {
        char *colon = strrchr(where, ':');

        edo_place_chomp(function);
        edo_place_chomp(where);
        if (!colon || where[0] == '?' || edo_place_is_inside(function))
            continue;
        *colon = '\0';
        edo_place_copy(out->function, sizeof out->function, function);
        edo_place_copy(out->file, sizeof out->file, where);
        out->line = atoi(colon + 1);
        return true;
    }
    return false;
}

void edo_place_tell(struct edo_place_text *out, const struct edo_place *place)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < place->count; i++) {
        uintptr_t offset;
        char path[160];
        char command[sizeof out->file];
        FILE *pipe;
        bool told;

        if (!edo_place_module(path, sizeof path, &offset, place->frames[i]))
            continue;
        snprintf(command, sizeof command, "addr2line -f -i -e '%s' %#lx", path, (unsigned long)offset - 1);
        pipe = popen(command, "r");
        if (!pipe)
            return;
        told = edo_place_read(out, pipe);
        pclose(pipe);
        if (told)
            return;
    }
}
