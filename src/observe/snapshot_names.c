/* SPDX-License-Identifier: MIT */
/* The names in a snapshot. See snapshot.h. */
#include "observe/snapshot.h"
#include "observe/peek.h"
#include "observe/symbols.h"
#include "platform/platform.h"

enum { PIECE = 32 * 1024, TEXT_MOST = 256 };

enum what { TEXT = 1, SITE, SYMBOL, CALL };

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static void *room(struct edo_names *names, size_t size)
{
    struct edo_kept_piece *piece = names->pieces;
    void *out;

    size = (size + 7) & ~(size_t)7;
    if (!piece || piece->size - piece->used < size) {
        size_t least = size > PIECE ? size : PIECE;

        piece = (struct edo_kept_piece *)names->platform->allocate(sizeof *piece + least);
        if (!piece)
            return NULL;
        piece->size = least;
        piece->next = names->pieces;
        names->pieces = piece;
    }
    out = (char *)(piece + 1) + piece->used;
    piece->used += size;
    return out;
}

static size_t place_of(const struct edo_names *names, const void *from, int what)
{
    uint64_t hash = ((uint64_t)(uintptr_t)from + (uint64_t)what) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 20) & (names->size - 1);

    while (names->places[at].from && (names->places[at].from != from || names->places[at].what != what))
        at = (at + 1) & (names->size - 1);
    return at;
}

/* Room for one more; false: there is no memory. */
static bool grow(struct edo_names *names)
{
    struct edo_names old = *names;

    if (names->size > 2 * (names->count + 1))
        return true;
    names->size = old.size ? 2 * old.size : 256;
    names->places = (struct edo_kept *)names->platform->allocate(names->size * sizeof *names->places);
    if (!names->places) {
        *names = old;
        return false;
    }
    for (size_t i = 0; i < old.size; i++)
        if (old.places[i].from)
            names->places[place_of(names, old.places[i].from, old.places[i].what)] = old.places[i];
    names->platform->release(old.places);
    return true;
}

/* Where `from` is, or is to be put; NULL: there is no memory. */
static struct edo_kept *find(struct edo_names *names, const void *from, int what)
{
    return grow(names) ? &names->places[place_of(names, from, what)] : NULL;
}

static void put(struct edo_names *names, struct edo_kept *kept, const void *from, int what, const void *out)
{
    *kept = (struct edo_kept){from, (uint8_t)what, out};
    names->count++;
}

void edo_names_reset(struct edo_names *names)
{
    struct edo_kept_piece *piece = names->pieces;

    while (piece && piece->next) {
        struct edo_kept_piece *next = piece->next;

        names->platform->release(piece);
        piece = next;
    }
    names->pieces = piece;
    if (piece)
        piece->used = 0;
    if (names->count > 0)
        memset(names->places, 0, names->size * sizeof *names->places);
    names->count = 0;
}

void edo_names_finish(struct edo_names *names)
{
    edo_names_reset(names);
    if (names->pieces)
        names->platform->release(names->pieces);
    if (names->places)
        names->platform->release(names->places);
    *names = (struct edo_names){.platform = names->platform};
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

const char *edo_names_copy(struct edo_names *names, const char *text)
{
    size_t size = strlen(text) + 1;
    char *out = (char *)room(names, size);

    if (out)
        memcpy(out, text, size);
    return out;
}

const char *edo_names_text(struct edo_names *names, const char *from)
{
    struct edo_kept *kept = from ? find(names, from, TEXT) : NULL;
    char text[TEXT_MOST];
    const char *copy;

    if (!kept)
        return NULL;
    if (kept->from)
        return (const char *)kept->kept;
    edo_peek_text(text, sizeof text, from);
    copy = text[0] ? edo_names_copy(names, text) : NULL;
    put(names, kept, from, TEXT, copy);
    return copy;
}

const edo_site *edo_names_site(struct edo_names *names, const edo_site *site)
{
    struct edo_kept *kept = site ? find(names, site, SITE) : NULL;
    const char *file, *function;
    edo_site *copy, there;

    if (!kept)
        return NULL;
    if (kept->from)
        return (const edo_site *)kept->kept;
    if (!edo_peek(&there, site, sizeof there) || !there.file)
        return NULL;
    file = edo_names_text(names, there.file);
    function = edo_names_text(names, there.function);
    copy = file ? (edo_site *)room(names, sizeof *copy) : NULL;
    kept = copy ? find(names, site, SITE) : NULL; /* the texts may have moved it */
    if (!kept)
        return NULL;
    *copy = (edo_site){.file = file, .function = function ? function : "", .line = there.line};
    put(names, kept, site, SITE, copy);
    return copy;
}

const char *edo_names_symbol(struct edo_names *names, uintptr_t address, bool call)
{
    int what = call ? CALL : SYMBOL;
    struct edo_kept *kept = address ? find(names, (const void *)address, what) : NULL;
    char text[EDO_SYMBOL_NAME_SIZE + 24];
    struct edo_symbol symbol;
    const char *copy;

    if (!kept)
        return NULL;
    if (kept->from)
        return (const char *)kept->kept;
    edo_symbol_find(&symbol, address, call);
    copy = edo_names_copy(names, edo_symbol_text(text, sizeof text, &symbol));
    put(names, kept, (const void *)address, what, copy);
    return copy;
}
