/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's way into unwind tables (src/observe/unwind.h). An input is a place of the code, counted from the index (4
 * bytes), how many bytes of a stack follow (2), these, and then the tables, index first, as they lie in a program. Both
 * are read where they seem to lie, and nowhere else; frames are walked until there is none, or there were enough.
 */
#include "observe/unwind.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 64, HEAD = 6 };

struct area {
    struct edo_memory memory;
    uintptr_t low;
    const uint8_t *bytes;
    size_t size;
};

static bool read_area(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    const struct area *area = (const struct area *)(const void *)memory;

    if (from < area->low || from - area->low > area->size || area->size - (from - area->low) < size)
        return false;
    memcpy(out, area->bytes + (from - area->low), size);
    return true;
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct edo_unwind_scratch scratch;
    struct area tables = {{read_area}, 0x40000000, NULL, 0};
    struct area stack = {{read_area}, 0x7fff0000, NULL, 0};
    struct edo_registers at = {.known = (UINT64_C(1) << EDO_REGISTERS) - 1};
    struct edo_unwind_record record;
    struct edo_row row;
    int32_t place;
    uint16_t count;
    uint8_t *copy;

    if (size < HEAD)
        return 0;
    memcpy(&place, data, sizeof place);
    memcpy(&count, data + 4, sizeof count);
    copy = malloc(size - HEAD + 1); /* exactly so much, for AddressSanitizer */
    must(copy != NULL, "memory");
    memcpy(copy, data + HEAD, size - HEAD);
    stack.bytes = copy;
    stack.size = count < size - HEAD ? count : size - HEAD;
    tables.bytes = copy + stack.size;
    tables.size = size - HEAD - stack.size;
    for (int i = 0; i < EDO_REGISTERS; i++)
        at.value[i] = stack.low + (uintptr_t)i * 8;
    at.value[EDO_REGISTER_SP] = stack.low;
    at.value[EDO_REGISTER_PC] = tables.low + (uintptr_t)(intptr_t)place;
    for (int i = 0; i < FRAMES; i++) {
        uintptr_t pc = at.value[EDO_REGISTER_PC] - (i > 0);

        memset(&row, 0, sizeof row);
        if (!edo_unwind_find(&record, &tables.memory, tables.low, tables.size, pc) ||
            !edo_unwind_row(&row, &scratch, &tables.memory, &record, pc))
            break;
        must(pc - record.begin < record.size, "the record is about the address");
        must(row.count <= EDO_REGISTERS && row.back < EDO_REGISTERS, "rules are of registers");
        if (edo_unwind_step(&at, &tables.memory, &stack.memory, &row) != EDO_STEP_DONE)
            break;
    }
    free(copy);
    return 0;
}
