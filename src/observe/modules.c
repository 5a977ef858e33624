/* SPDX-License-Identifier: MIT */
/* What is loaded. See modules.h. No data but the caller's. */
#include "observe/modules.h"
#include "observe/peek.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

enum { HEADERS_MOST = 64, DYNAMIC_MOST = 256, LISTED_MOST = 1024, LISTS_MOST = 16 };

struct search {
    bool (*visit)(void *context, const struct edo_module *module);
    void *context;
    uintptr_t vdso;
    uintptr_t debug; /* DT_DEBUG of the program; 0: it has no loader */
};

/* --- One ---------------------------------------------------------------------------------------------------------- */

static void note_segment(struct edo_module *module, const ElfW(Phdr) * segment)
{
    uintptr_t low = module->bias + segment->p_vaddr;
    uintptr_t high = low + segment->p_memsz;

    if (segment->p_type == PT_GNU_EH_FRAME) {
        module->index = low;
        module->index_size = segment->p_memsz;
    }
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || high <= low)
        return;
    if (module->high == 0 || low < module->low)
        module->low = low;
    if (high > module->high)
        module->high = high;
}

/* False: that was enough. */
static bool look_at_headers(struct search *search, struct edo_module *module, uintptr_t headers, size_t count)
{
    ElfW(Phdr) segment;

    for (size_t i = 0; i < count && i < HEADERS_MOST; i++)
        if (edo_peek(&segment, (const void *)(headers + i * sizeof segment), sizeof segment))
            note_segment(module, &segment);
    return module->high == 0 || search->visit(search->context, module);
}

/* One whose file's begin is mapped at `base`. */
static bool look_at_image(struct search *search, struct edo_module *module, uintptr_t base)
{
    ElfW(Ehdr) head;

    if (!edo_peek(&head, (const void *)base, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_phentsize != sizeof(ElfW(Phdr)))
        return true;
    module->bias = base;
    return look_at_headers(search, module, base + head.e_phoff, head.e_phnum);
}

/* --- The program -------------------------------------------------------------------------------------------------- */

static uintptr_t find_debug(uintptr_t dynamic)
{
    ElfW(Dyn) entry;

    for (size_t i = 0; i < DYNAMIC_MOST; i++) {
        if (!edo_peek(&entry, (const void *)(dynamic + i * sizeof entry), sizeof entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_DEBUG)
            return entry.d_un.d_ptr;
    }
    return 0;
}

static bool look_at_program(struct search *search)
{
    uintptr_t headers = (uintptr_t)getauxval(AT_PHDR);
    size_t count = (size_t)getauxval(AT_PHNUM);
    struct edo_module module = {.kind = EDO_MODULE_PROGRAM};
    uintptr_t dynamic = 0;
    ElfW(Phdr) segment;

    for (size_t i = 0; headers && i < count && i < HEADERS_MOST; i++) {
        if (!edo_peek(&segment, (const void *)(headers + i * sizeof segment), sizeof segment))
            return true;
        if (segment.p_type == PT_PHDR)
            module.bias = headers - segment.p_vaddr;
        if (segment.p_type == PT_DYNAMIC)
            dynamic = segment.p_vaddr;
    }
    if (dynamic)
        search->debug = find_debug(module.bias + dynamic);
    return headers == 0 || look_at_headers(search, &module, headers, count);
}

/* --- Libraries ---------------------------------------------------------------------------------------------------- */

/* The program itself is the first of the first list. */
static bool look_at_list(struct search *search, const struct link_map *at, bool first)
{
    struct link_map entry;

    for (size_t i = 0; at && i < LISTED_MOST; i++, at = entry.l_next) {
        struct edo_module module = {.kind = EDO_MODULE_LIBRARY};

        if (!edo_peek(&entry, at, sizeof entry))
            return true;
        module.path = entry.l_name;
        if (entry.l_addr && entry.l_addr != search->vdso && !(first && i == 0) &&
            !look_at_image(search, &module, entry.l_addr))
            return false;
    }
    return true;
}

/* What follows r_debug since its version 2: lists of further namespaces (dlmopen). */
struct debug_lists {
    struct r_debug first;
    uintptr_t next;
};

static bool look_at_lists(struct search *search)
{
    uintptr_t at = search->debug;
    struct debug_lists lists;

    for (size_t i = 0; at && i < LISTS_MOST; i++, at = lists.next) {
        lists.next = 0;
        if (!edo_peek(&lists.first, (const void *)at, sizeof lists.first) ||
            (lists.first.r_version >= 2 && !edo_peek(&lists, (const void *)at, sizeof lists)))
            return true;
        if (!look_at_list(search, lists.first.r_map, i == 0))
            return false;
    }
    return true;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

void edo_modules_each(bool (*visit)(void *context, const struct edo_module *module), void *context)
{
    struct search search = {.visit = visit, .context = context, .vdso = (uintptr_t)getauxval(AT_SYSINFO_EHDR)};
    struct edo_module vdso = {.kind = EDO_MODULE_VDSO, .image = search.vdso};

    if (look_at_program(&search) && (!search.vdso || look_at_image(&search, &vdso, search.vdso)))
        look_at_lists(&search);
}

static bool take_one(void *context, const struct edo_module *module)
{
    struct edo_modules *modules = (struct edo_modules *)context;
    size_t at = modules->count;

    while (at > 0 && modules->items[at - 1].low > module->low)
        at--;
    memmove(&modules->items[at + 1], &modules->items[at], (modules->count - at) * sizeof *module);
    modules->items[at] = *module;
    return ++modules->count < EDO_MODULES_MOST;
}

void edo_modules_take(struct edo_modules *modules)
{
    modules->count = 0;
    edo_modules_each(take_one, modules);
}

const struct edo_module *edo_modules_find(const struct edo_modules *modules, uintptr_t address)
{
    size_t low = 0;
    size_t high = modules->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (modules->items[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < modules->items[low - 1].high ? &modules->items[low - 1] : NULL;
}
