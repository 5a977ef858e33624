/* SPDX-License-Identifier: MIT */
/* Where a dump is written to, and its names. See dump_out.h. */
#include "observe/dump_out.h"
#include "base/quoted.h"
#include "observe/peek.h"
#include "platform/platform.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

/* --- Pieces ------------------------------------------------------------------------------------------------------- */

int edo_out_begin(struct edo_out **out, int fd, const edo_dump_options *options)
{
    void *memory;
    const struct edo_platform *platform = edo_dump_platform();
    int rc = platform->map(&memory, sizeof **out, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);

    if (rc < 0)
        return -ENOMEM;
    *out = (struct edo_out *)memory;
    (*out)->platform = platform;
    (*out)->fd = fd;
    (*out)->write = options->write;
    (*out)->argument = options->argument;
    (*out)->json = options->format == EDO_DUMP_JSON;
    return 0;
}

void edo_out_flush(struct edo_out *out)
{
    size_t done = 0;

    if (out->write && out->used > 0 && out->rc == 0) {
        out->rc = out->write(out->argument, out->text, out->used);
        if (out->rc > 0)
            out->rc = 0;
    }
    while (!out->write && out->rc == 0 && done < out->used) {
        ssize_t n = out->platform->write(out->fd, out->text + done, out->used - done);

        if (n > 0)
            done += (size_t)n;
        else if (n != -EINTR)
            out->rc = n < 0 ? (int)n : -EIO;
    }
    out->used = 0;
}

void edo_out_reserve(struct edo_out *out, size_t size)
{
    if (size > sizeof out->text - out->used)
        edo_out_flush(out);
}

int edo_out_end(struct edo_out *out)
{
    int rc;

    edo_out_flush(out);
    rc = out->rc;
    out->platform->unmap(out, sizeof *out);
    return rc;
}

static void edo_out_add(struct edo_out *out, const char *text, size_t size)
{
    if (size > sizeof out->text - out->used)
        edo_out_flush(out);
    if (size > sizeof out->text)
        size = sizeof out->text;
    memcpy(out->text + out->used, text, size);
    out->used += size;
}

void edo_out_put(struct edo_out *out, const char *text)
{
    edo_out_add(out, text, strlen(text));
}

void edo_out_printf(struct edo_out *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0)
        edo_out_add(out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void edo_out_quote_json(struct edo_out *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    edo_out_put(out, "\"");
    while (*at) {
        size_t size = *at < 0x80 ? 1 : edo_utf8_size(at);

        if (*at == '"' || *at == '\\')
            edo_out_printf(out, "\\%c", *at);
        else if (size == 0 || *at < 0x20 || *at == 0x7f)
            edo_out_printf(out, "\\u%04x", *at);
        else
            edo_out_add(out, (const char *)at, size);
        at += size > 0 ? size : 1;
    }
    edo_out_put(out, "\"");
}

void edo_out_bare(struct edo_out *out, const char *text)
{
    char piece[EDO_QUOTED_MOST];
    size_t size;

    while ((size = edo_quoted_next(piece, &text)) > 0)
        edo_out_add(out, piece, size);
}

void edo_out_quote(struct edo_out *out, const char *text)
{
    if (out->json) {
        edo_out_quote_json(out, text);
        return;
    }
    edo_out_put(out, "\"");
    edo_out_bare(out, text);
    edo_out_put(out, "\"");
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

static size_t edo_out_place(uintptr_t address)
{
    return (size_t)((uint64_t)address * UINT64_C(0x9e3779b97f4a7c15) >> 40) % EDO_OUT_KEPT;
}

const char *edo_out_text(struct edo_out *out, const char *from)
{
    struct edo_out_text *kept = &out->texts[edo_out_place((uintptr_t)from)];

    if (!from)
        return NULL;
    if (kept->from != from) {
        kept->from = from;
        edo_peek_text(kept->text, sizeof kept->text, from);
    }
    return kept->text;
}

const struct edo_out_site *edo_out_site(struct edo_out *out, const edo_site *site)
{
    struct edo_out_site *kept = &out->sites[edo_out_place((uintptr_t)site)];
    edo_site copy;

    if (!site)
        return NULL;
    if (kept->site != site) {
        memset(kept, 0, sizeof *kept);
        kept->site = site;
        if (edo_peek(&copy, site, sizeof copy)) {
            edo_peek_text(kept->function, sizeof kept->function, copy.function);
            edo_peek_text(kept->file, sizeof kept->file, copy.file);
            kept->line = copy.line;
        }
    }
    return kept;
}

const char *edo_out_symbol(struct edo_out *out, uintptr_t address, int call)
{
    struct edo_out_symbol *kept = &out->symbols[edo_out_place(address)];

    if (kept->address != address || !kept->text[0]) {
        struct edo_symbol symbol;

        kept->address = address;
        edo_symbol_find(&symbol, address, call);
        edo_symbol_text(kept->text, sizeof kept->text, &symbol);
    }
    return kept->text;
}

const char *edo_out_name(struct edo_out *out, const struct edo_dump_task *task)
{
    const char *name = edo_out_text(out, task->name);
    const struct edo_out_site *site = name ? NULL : edo_out_site(out, task->site);

    return name ? name : site && site->function[0] ? site->function : "task";
}
