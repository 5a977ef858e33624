/* SPDX-License-Identifier: MIT */
/*
 * What a record says at an address: its instructions are run up to there. See unwind.h.
 *
 * They change a table of rules, one a register, and move a place of the code forward; the rules that hold when that
 * would pass the address are the answer. Each instruction takes a byte at least, and records have a bounded size: so it
 * ends.
 */
#include "observe/unwind.h"

enum { CFA = EDO_REGISTERS };

struct program {
    struct edo_unwind_scratch *scratch;
    const struct edo_unwind_record *record;
    struct edo_cursor cursor;
    uintptr_t at; /* of the code */
    uintptr_t pc;
    unsigned kept;
    bool wrong;
    bool arrived;
};

static void set(struct program *program, uint64_t number, enum edo_rule_how how, int64_t value)
{
    if (number < EDO_REGISTERS) /* others are of no use to us, as vector registers */
        program->scratch->now[number] = (struct edo_rule){(uint8_t)how, (uint8_t)number, 0, value};
}

static void set_cfa(struct program *program, uint64_t number, int64_t value)
{
    program->wrong |= number >= EDO_REGISTERS;
    program->scratch->now[CFA] = (struct edo_rule){EDO_RULE_OFFSET, (uint8_t)number, 0, value};
}

static void set_expression(struct program *program, uint64_t number, enum edo_rule_how how)
{
    uint64_t size = edo_cursor_unsigned(&program->cursor);
    uintptr_t at = program->cursor.at;

    edo_cursor_skip(&program->cursor, size);
    if (size > UINT16_MAX || program->cursor.failed)
        program->wrong = true;
    else if (number <= CFA)
        program->scratch->now[number] = (struct edo_rule){(uint8_t)how, (uint8_t)number, (uint16_t)size, (int64_t)at};
}

static void restore(struct program *program, uint64_t number)
{
    if (number < EDO_REGISTERS)
        program->scratch->now[number] = program->scratch->first[number];
}

static void advance(struct program *program, uint64_t delta)
{
    uint64_t distance;

    if (__builtin_mul_overflow(delta, program->record->code_factor, &distance) || distance > program->pc - program->at)
        program->arrived = true;
    else
        program->at += (uintptr_t)distance;
}

static int64_t factored(struct program *program, int64_t value)
{
    return (int64_t)((uint64_t)value * (uint64_t)program->record->data_factor);
}

static void keep(struct program *program)
{
    struct edo_unwind_scratch *scratch = program->scratch;

    if (program->kept == sizeof scratch->kept / sizeof *scratch->kept)
        program->wrong = true;
    else
        memcpy(scratch->kept[program->kept++], scratch->now, sizeof scratch->now);
}

static void take_back(struct program *program)
{
    struct edo_unwind_scratch *scratch = program->scratch;

    if (program->kept == 0)
        program->wrong = true;
    else
        memcpy(scratch->now, scratch->kept[--program->kept], sizeof scratch->now);
}

/* Those that have no operand in their first byte. */
static void run_long(struct program *program, unsigned operation)
{
    struct edo_cursor *cursor = &program->cursor;
    struct edo_rule *cfa = &program->scratch->now[CFA];
    uint64_t number;

    switch (operation) {
    case 0x00: /* nop */
    case 0x2d: /* window_save; aarch64: negate_ra_state, the return address is signed, and we always take that off */
        break;
    case 0x01: { /* set_loc: no linker that we know of leaves one */
        program->wrong = true;
        break;
    }
    case 0x02: /* advance_loc1, 2, 4 */
        advance(program, edo_cursor_fixed(cursor, 1));
        break;
    case 0x03:
        advance(program, edo_cursor_fixed(cursor, 2));
        break;
    case 0x04:
        advance(program, edo_cursor_fixed(cursor, 4));
        break;
    case 0x05: /* offset_extended */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_OFFSET, factored(program, (int64_t)edo_cursor_unsigned(cursor)));
        break;
    case 0x06: /* restore_extended */
        restore(program, edo_cursor_unsigned(cursor));
        break;
    case 0x07: /* undefined */
        set(program, edo_cursor_unsigned(cursor), EDO_RULE_UNDEFINED, 0);
        break;
    case 0x08: /* same_value */
        set(program, edo_cursor_unsigned(cursor), EDO_RULE_SAME, 0);
        break;
    case 0x09: /* register */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_REGISTER, (int64_t)edo_cursor_unsigned(cursor));
        break;
    case 0x0a: /* remember_state */
        keep(program);
        break;
    case 0x0b: /* restore_state */
        take_back(program);
        break;
    case 0x0c: /* def_cfa */
        number = edo_cursor_unsigned(cursor);
        set_cfa(program, number, (int64_t)edo_cursor_unsigned(cursor));
        break;
    case 0x0d: /* def_cfa_register */
        program->wrong |= cfa->how != EDO_RULE_OFFSET;
        set_cfa(program, edo_cursor_unsigned(cursor), cfa->value);
        break;
    case 0x0e: /* def_cfa_offset */
        program->wrong |= cfa->how != EDO_RULE_OFFSET;
        set_cfa(program, cfa->number, (int64_t)edo_cursor_unsigned(cursor));
        break;
    case 0x0f: /* def_cfa_expression */
        set_expression(program, CFA, EDO_RULE_EXPRESSION);
        break;
    case 0x10: /* expression */
        set_expression(program, edo_cursor_unsigned(cursor), EDO_RULE_EXPRESSION);
        break;
    case 0x11: /* offset_extended_sf */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_OFFSET, factored(program, edo_cursor_signed(cursor)));
        break;
    case 0x12: /* def_cfa_sf */
        number = edo_cursor_unsigned(cursor);
        set_cfa(program, number, factored(program, edo_cursor_signed(cursor)));
        break;
    case 0x13: /* def_cfa_offset_sf */
        program->wrong |= cfa->how != EDO_RULE_OFFSET;
        set_cfa(program, cfa->number, factored(program, edo_cursor_signed(cursor)));
        break;
    case 0x14: /* val_offset */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_VALUE_OFFSET, factored(program, (int64_t)edo_cursor_unsigned(cursor)));
        break;
    case 0x15: /* val_offset_sf */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_VALUE_OFFSET, factored(program, edo_cursor_signed(cursor)));
        break;
    case 0x16: /* val_expression */
        set_expression(program, edo_cursor_unsigned(cursor), EDO_RULE_VALUE_EXPRESSION);
        break;
    case 0x2e: /* GNU_args_size: only for who throws through it */
        edo_cursor_unsigned(cursor);
        break;
    case 0x2f: /* GNU_negative_offset_extended */
        number = edo_cursor_unsigned(cursor);
        set(program, number, EDO_RULE_OFFSET,
            (int64_t)(0 - (uint64_t)factored(program, (int64_t)edo_cursor_unsigned(cursor))));
        break;
    default:
        program->wrong = true;
    }
}

static bool run(struct program *program, const struct edo_memory *memory, uintptr_t at, uintptr_t end)
{
    struct edo_cursor *cursor = &program->cursor;

    edo_cursor_init(cursor, memory, at, end);
    while (cursor->at < cursor->end && !program->arrived) {
        unsigned byte = (unsigned)edo_cursor_fixed(cursor, 1);

        switch (byte & 0xc0) {
        case 0x40: /* advance_loc */
            advance(program, byte & 0x3f);
            break;
        case 0x80: /* offset */
            set(program, byte & 0x3f, EDO_RULE_OFFSET, factored(program, (int64_t)edo_cursor_unsigned(cursor)));
            break;
        case 0xc0: /* restore */
            restore(program, byte & 0x3f);
            break;
        default:
            run_long(program, byte);
        }
        if (program->wrong || cursor->failed)
            return false;
    }
    return true;
}

bool edo_unwind_row(struct edo_row *out, struct edo_unwind_scratch *scratch, const struct edo_memory *memory,
                    const struct edo_unwind_record *record, uintptr_t pc)
{
    struct program program = {.scratch = scratch, .record = record, .at = record->begin, .pc = pc};

    for (unsigned i = 0; i <= CFA; i++)
        scratch->now[i] = (struct edo_rule){EDO_RULE_SAME, (uint8_t)i, 0, 0};
    memcpy(scratch->first, scratch->now, sizeof scratch->now);
    if (!run(&program, memory, record->common, record->common_end))
        return false;
    memcpy(scratch->first, scratch->now, sizeof scratch->now);
    if (!program.arrived && !run(&program, memory, record->program, record->program_end))
        return false;
    out->cfa = scratch->now[CFA];
    if (out->cfa.how != EDO_RULE_OFFSET && out->cfa.how != EDO_RULE_EXPRESSION)
        return false;
    out->count = 0;
    for (unsigned i = 0; i < EDO_REGISTERS; i++)
        if (scratch->now[i].how != EDO_RULE_SAME)
            out->rules[out->count++] = scratch->now[i];
    out->back = record->back;
    out->signal = record->signal;
    out->function = record->begin;
    out->found = true;
    return true;
}
