/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses of code: function and offset, from the symbol tables of the program's own files.
 *
 * Files are read with open and pread alone, within bounds, so that one that is damaged, stripped, gone or cut short
 * while it is read costs a name and nothing else; nothing is allocated. Statics are found too, where the file has its
 * .symtab; else what it exports (.dynsym); else there is the module and the offset in it, for addr2line.
 *
 * No lock is taken, also none of the loader's (modules.h). Not for signal handlers: it reads whole tables.
 */
#ifndef EDO_OBSERVE_SYMBOLS_H
#define EDO_OBSERVE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

enum { EDO_SYMBOL_NAME_SIZE = 80, EDO_SYMBOL_MODULE_SIZE = 256 };

struct edo_symbol {
    char function[EDO_SYMBOL_NAME_SIZE]; /* empty: not known. Long ones are cut */
    uintptr_t offset;                    /* from the function's begin, or in the module */
    char module[EDO_SYMBOL_MODULE_SIZE]; /* path of the file; empty: the address is in none */
    uintptr_t module_offset;             /* as addr2line wants it */
};

/*
 * What is at `address`. `call`: it is a return address, so the call before it is looked up, which may be the last
 * instruction of its function. Opens and reads files: may take milliseconds. From anywhere but INSIDE and signal
 * handlers.
 */
void edo_symbol_find(struct edo_symbol *out, uintptr_t address, int call);

/* "function+0x12", "module+0x3456" without its directories, or "0x7f..."; returns `text`. */
const char *edo_symbol_text(char *text, size_t size, const struct edo_symbol *symbol);

/*
 * The module's path as people know it: the program's own file has the name under which it was started. NULL: it is in
 * none.
 */
const char *edo_symbol_module(const struct edo_symbol *symbol);

#endif
