/* SPDX-License-Identifier: MIT */
/*
 * What is loaded: the program, its libraries, the kernel's vDSO.
 *
 * The loader has a call for that (dl_iterate_phdr), but it takes the loader's lock, and the thread that is looked at
 * may hold it: in a dlopen, or in a callback of that same call. So we do as debuggers do: the loader keeps a list for
 * them, to which the program's own headers lead (DT_DEBUG), and the kernel has told where those are. All of it is read
 * by edo_peek, so that a list that changes meanwhile, or that a dlclose frees, costs modules and nothing else. No
 * locks, no allocation, no /proc.
 */
#ifndef EDO_OBSERVE_MODULES_H
#define EDO_OBSERVE_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EDO_MODULES_MOST = 256 };

enum edo_module_kind { EDO_MODULE_LIBRARY = 0, EDO_MODULE_PROGRAM, EDO_MODULE_VDSO };

struct edo_module {
    uintptr_t bias; /* an address less this is what its file calls it */
    uintptr_t low;  /* its code, from the first executable segment to the last */
    uintptr_t high;
    uintptr_t index; /* .eh_frame_hdr; 0: none */
    size_t index_size;
    uintptr_t image;  /* of the vDSO: the whole file lies there */
    const char *path; /* of a library: to be looked at by edo_peek_text */
    int kind;
};

/* Calls visit(context, module) for each, until that is false. */
void edo_modules_each(bool (*visit)(void *context, const struct edo_module *module), void *context);

struct edo_modules {
    size_t count;
    struct edo_module items[EDO_MODULES_MOST]; /* by their addresses; of more the first to be found */
};

void edo_modules_take(struct edo_modules *modules);

/* The one whose code has the address; NULL: none has. */
const struct edo_module *edo_modules_find(const struct edo_modules *modules, uintptr_t address);

#endif
