/* SPDX-License-Identifier: MIT */
/* Backtraces of copied stacks. See stall_walk.h. No data but the caller's. */
#include "observe/stall_walk.h"
#include "observe/capture.h"

#include <link.h>
#include <string.h>

enum { WORD = sizeof(uintptr_t), RANGES = 128 };

/* --- What is code --------------------------------------------------------------------------------------------------- */

struct range {
    uintptr_t low;
    uintptr_t high;
    size_t module;
};

/* The executable segments of all modules; what is beyond RANGES is not known for code. */
struct code {
    struct range ranges[RANGES];
    size_t count;
    size_t modules;
};

static int add_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct code *code = (struct code *)argument;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum && code->count < RANGES; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && (segment->p_flags & (PF_X | PF_R)) == (PF_X | PF_R))
            code->ranges[code->count++] =
                (struct range){info->dlpi_addr + segment->p_vaddr,
                               info->dlpi_addr + segment->p_vaddr + segment->p_memsz, code->modules};
    }
    code->modules++;
    return 0;
}

static const struct range *range_of(const struct code *code, uintptr_t address)
{
    for (size_t i = 0; i < code->count; i++)
        if (address >= code->ranges[i].low && address < code->ranges[i].high)
            return &code->ranges[i];
    return NULL;
}

/* Whether the instruction before the address may be a call. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static bool behind_call(const struct code *code,
                                                                                       uintptr_t address)
{
    const struct range *range = range_of(code, address);
    const volatile unsigned char *at = (const volatile unsigned char *)address;

    if (!range || address - range->low < 8)
        return false;
#if defined(__x86_64__)
    if (at[-5] == 0xe8)
        return true;
    for (int size = 2; size <= 7; size++) /* call through a register or memory */
        if (size != 5 && at[-size] == 0xff && (at[-size + 1] & 0x38) == 0x10)
            return true;
    return false;
#elif defined(__aarch64__)
    {
        uint32_t instruction = at[-4] | (uint32_t)at[-3] << 8 | (uint32_t)at[-2] << 16 | (uint32_t)at[-1] << 24;

        return address % 4 == 0 &&
               ((instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000);
    }
#else
    (void)at;
    return false;
#endif
}

/* --- The walk --------------------------------------------------------------------------------------------------------- */

static bool holds(const struct edo_stack_piece *piece, uintptr_t address, size_t words)
{
    return address % WORD == 0 && address >= piece->base && address - piece->base <= piece->size &&
           piece->size - (address - piece->base) >= words * WORD;
}

static uintptr_t word_at(const struct edo_stack_piece *piece, uintptr_t address)
{
    uintptr_t word;

    memcpy(&word, piece->bytes + (address - piece->base), sizeof word);
    return word;
}

static void add(struct edo_walk *out, uintptr_t address, bool guessed)
{
    if (out->count == EDO_WALK_MOST)
        return;
    out->guessed[out->count] = guessed;
    out->address[out->count++] = address;
}

static void walk_frames(struct edo_walk *out, const struct edo_stack_piece *piece, const struct code *code,
                        uintptr_t fp)
{
    while (holds(piece, fp, 2) && out->count < EDO_WALK_MOST) {
        uintptr_t outer = word_at(piece, fp);
        uintptr_t address = word_at(piece, fp + WORD);

        if (!range_of(code, address))
            return;
        add(out, address, false);
        if (outer <= fp)
            return;
        fp = outer;
    }
}

/* The first pair of words that can only be a frame; 0: there is none. */
static uintptr_t find_frame(const struct edo_stack_piece *piece, const struct code *code)
{
    for (uintptr_t at = piece->base; holds(piece, at, 2); at += WORD) {
        uintptr_t outer = word_at(piece, at);

        if (outer > at && holds(piece, outer, 2) && behind_call(code, word_at(piece, at + WORD)) &&
            range_of(code, word_at(piece, outer + WORD)))
            return at;
    }
    return 0;
}

/* What may be return addresses below `end`; the last ones, which are the outermost. */
static void guess(struct edo_walk *out, const struct edo_stack_piece *piece, const struct code *code, uintptr_t end)
{
    uintptr_t found[EDO_WALK_GUESSES];
    size_t count = 0;

    for (uintptr_t at = end; at > piece->base && count < EDO_WALK_GUESSES;) {
        at -= WORD;
        if (behind_call(code, word_at(piece, at)))
            found[count++] = word_at(piece, at);
    }
    while (count > 0)
        add(out, found[--count], true);
}

/*
 * A function that calls no other may have no frame, and one that has just been entered has none yet: then the return address is
 * the first word of the stack, or, on x86-64, the second, behind the frame pointer that was pushed.
 */
static void guess_leaf(struct edo_walk *out, const struct edo_stack_piece *piece, const struct code *code, uintptr_t fp)
{
    uintptr_t at = piece->base;

    if (holds(piece, at, 2) && word_at(piece, at) == fp)
        at += WORD;
    if (at < fp && holds(piece, at, 1) && behind_call(code, word_at(piece, at)))
        add(out, word_at(piece, at), true);
}

void edo_walk_capture(struct edo_walk *out, const struct edo_capture *capture)
{
    const struct edo_stack_piece *piece = &capture->piece;
    const struct range *inner;
    const struct range *outer;
    struct code code;
    uintptr_t fp = capture->fp;

    out->count = 0;
    if (capture->failure || capture->pc == 0)
        return;
    code.count = code.modules = 0;
    dl_iterate_phdr(add_module, &code);
    add(out, capture->pc, false);
    if (!capture->running || !holds(piece, fp, 2))
        fp = find_frame(piece, &code);
    /* In a library that was called by a function whose frame this is, most likely: that function's place lies below. */
    inner = range_of(&code, capture->pc);
    outer = fp ? range_of(&code, word_at(piece, fp + WORD)) : NULL;
    if (!capture->running || !inner || !outer || inner->module != outer->module)
        guess(out, piece, &code, fp ? fp : piece->base + (piece->size < 2048 ? piece->size : 2048));
    else
        guess_leaf(out, piece, &code, fp);
    walk_frames(out, piece, &code, fp);
}
