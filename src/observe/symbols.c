/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses of code. See symbols.h.
 *
 * The files are the system's, whatever table the program runs with: they are those it was started from.
 *
 * No state: a lookup goes through what is loaded (modules.h) and reads the symbol table of the one with the address
 * from begin to end, in pieces. Who looks many up keeps what was found (dump_text.c does).
 */
#include "observe/symbols.h"
#include "observe/modules.h"
#include "observe/peek.h"
#include "platform/platform.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

enum { EDO_SECTIONS_MOST = 4096, EDO_SYMBOLS_AT_ONCE = 256 };

/* --- The module --------------------------------------------------------------------------------------------------- */

/* A file: open, or, of the vDSO, in memory. */
struct edo_elf {
    int fd; /* -1: none */
    uintptr_t image;
};

struct edo_symbol_search {
    struct edo_symbol *out;
    uintptr_t address;
    uintptr_t image;
    bool found;
};

static bool edo_symbol_look_at_module(void *context, const struct edo_module *module)
{
    struct edo_symbol_search *search = (struct edo_symbol_search *)context;
    char *path = search->out->module;

    if (search->address < module->low || search->address >= module->high)
        return true;
    search->found = true;
    search->image = module->image;
    search->out->module_offset = search->address - module->bias;
    if (module->kind == EDO_MODULE_LIBRARY)
        edo_peek_text(path, sizeof search->out->module, module->path);
    else
        snprintf(path, sizeof search->out->module, "%s", module->kind == EDO_MODULE_VDSO ? "[vdso]" : "/proc/self/exe");
    return false;
}

/* --- Its symbols -------------------------------------------------------------------------------------------------- */

static bool edo_elf_read(const struct edo_elf *elf, void *out, size_t size, uint64_t offset)
{
    if (offset > INT64_MAX - size)
        return false;
    if (elf->image)
        return edo_peek(out, (const void *)(elf->image + (uintptr_t)offset), size);
    return edo_platform_system.pread(elf->fd, out, size, (off_t)offset) == (ssize_t)size;
}

/* The table of symbols to look in, and that of their names: .symtab if there is one, else .dynsym. */
static bool edo_elf_find_tables(ElfW(Shdr) * symbols, ElfW(Shdr) * names, const struct edo_elf *elf)
{
    ElfW(Ehdr) head;
    ElfW(Shdr) section;
    bool found = false;

    if (!edo_elf_read(elf, &head, sizeof head, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) || head.e_shentsize != sizeof section)
        return false;
    for (int i = 0; i < head.e_shnum && i < EDO_SECTIONS_MOST; i++) {
        if (!edo_elf_read(elf, &section, sizeof section, head.e_shoff + (uint64_t)i * sizeof section))
            return false;
        if (section.sh_type != SHT_SYMTAB && (found || section.sh_type != SHT_DYNSYM))
            continue;
        *symbols = section;
        found = true;
        if (section.sh_type == SHT_SYMTAB)
            break;
    }
    return found && symbols->sh_entsize == sizeof(ElfW(Sym)) && symbols->sh_link < head.e_shnum &&
           edo_elf_read(elf, names, sizeof *names, head.e_shoff + (uint64_t)symbols->sh_link * sizeof *names);
}

/* The function at `offset`, or the nearest before it of those that do not tell their size. */
static bool edo_elf_find_symbol(ElfW(Sym) * best, const struct edo_elf *elf, const ElfW(Shdr) * table, uintptr_t offset)
{
    uint64_t count = table->sh_size / sizeof(ElfW(Sym));
    ElfW(Sym) symbols[EDO_SYMBOLS_AT_ONCE];
    bool found = false;

    for (uint64_t at = 0; at < count; at += EDO_SYMBOLS_AT_ONCE) {
        size_t here = count - at < EDO_SYMBOLS_AT_ONCE ? (size_t)(count - at) : EDO_SYMBOLS_AT_ONCE;

        if (!edo_elf_read(elf, symbols, here * sizeof *symbols, table->sh_offset + at * sizeof *symbols))
            return found;
        for (size_t i = 0; i < here; i++) {
            unsigned type = symbols[i].st_info & 0xf; /* the same in both classes */

            if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbols[i].st_shndx == SHN_UNDEF ||
                symbols[i].st_value > offset ||
                (symbols[i].st_size && offset - symbols[i].st_value >= symbols[i].st_size))
                continue;
            if (symbols[i].st_size) {
                *best = symbols[i];
                return true;
            }
            if (!found || symbols[i].st_value > best->st_value)
                *best = symbols[i];
            found = true;
        }
    }
    return found;
}

static void edo_symbol_read(struct edo_symbol *out, const struct edo_elf *elf)
{
    ElfW(Shdr) symbols;
    ElfW(Shdr) names;
    ElfW(Sym) symbol;
    size_t size = sizeof out->function - 1;

    if (!edo_elf_find_tables(&symbols, &names, elf) ||
        !edo_elf_find_symbol(&symbol, elf, &symbols, out->module_offset) || symbol.st_name >= names.sh_size)
        return;
    if (names.sh_size - symbol.st_name < size)
        size = (size_t)(names.sh_size - symbol.st_name);
    if (!edo_elf_read(elf, out->function, size, names.sh_offset + symbol.st_name))
        out->function[0] = '\0';
    out->function[size] = '\0';
    if (out->function[0])
        out->offset = out->module_offset - symbol.st_value;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

void edo_symbol_find(struct edo_symbol *out, uintptr_t address, int call)
{
    struct edo_symbol_search search = {.out = out, .address = address - (call ? 1 : 0)};
    struct edo_elf elf = {.fd = -1};

    memset(out, 0, sizeof *out);
    out->offset = search.address;
    edo_modules_each(edo_symbol_look_at_module, &search);
    if (!search.found) {
        out->offset = address;
        return;
    }
    out->offset = out->module_offset;
    elf.image = search.image;
    if (!elf.image)
        elf.fd = edo_platform_system.open(out->module, O_RDONLY | O_CLOEXEC, 0);
    if (elf.image || elf.fd >= 0)
        edo_symbol_read(out, &elf);
    if (elf.fd >= 0)
        edo_platform_system.close(elf.fd);
    if (call) { /* as it is printed everywhere: where it returns to */
        out->offset++;
        out->module_offset++;
    }
}

const char *edo_symbol_text(char *text, size_t size, const struct edo_symbol *symbol)
{
    const char *slash = strrchr(symbol->module, '/');

    if (symbol->function[0])
        snprintf(text, size, "%s+0x%lx", symbol->function, (unsigned long)symbol->offset);
    else if (symbol->module[0])
        snprintf(text, size, "%s+0x%lx", slash ? slash + 1 : symbol->module, (unsigned long)symbol->module_offset);
    else
        snprintf(text, size, "0x%lx", (unsigned long)symbol->offset);
    return text;
}

const char *edo_symbol_module(const struct edo_symbol *symbol)
{
    const char *started = (const char *)getauxval(AT_EXECFN);

    if (symbol->module[0] == '\0')
        return NULL;
    return started && strcmp(symbol->module, "/proc/self/exe") == 0 ? started : symbol->module;
}
