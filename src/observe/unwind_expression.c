/* SPDX-License-Identifier: MIT */
/*
 * Expressions of DWARF: a machine with a stack of words. See unwind.h.
 *
 * All that can stand in an unwind table but what is of no use there: no locations in registers, no calls, no types.
 * Jumps may go backwards, so steps are counted.
 */
#include "observe/unwind.h"

enum { DEPTH = 32, STEPS = 512 };

struct expression {
    struct edo_cursor cursor;
    const struct edo_memory *stack;
    const struct edo_registers *registers;
    uintptr_t begin;
    uintptr_t words[DEPTH];
    size_t count;
    bool wrong;
};

static void push(struct expression *expression, uintptr_t word)
{
    if (expression->count == DEPTH)
        expression->wrong = true;
    else
        expression->words[expression->count++] = word;
}

static uintptr_t pop(struct expression *expression)
{
    if (expression->count == 0) {
        expression->wrong = true;
        return 0;
    }
    return expression->words[--expression->count];
}

/* The n-th from the top. */
static uintptr_t top(struct expression *expression, size_t n)
{
    if (n >= expression->count) {
        expression->wrong = true;
        return 0;
    }
    return expression->words[expression->count - 1 - n];
}

static void push_register(struct expression *expression, uint64_t number)
{
    int64_t offset = edo_cursor_signed(&expression->cursor);

    if (number >= EDO_REGISTERS || !edo_register_known(expression->registers, (unsigned)number))
        expression->wrong = true;
    else
        push(expression, expression->registers->value[number] + (uintptr_t)offset);
}

static void dereference(struct expression *expression, size_t size)
{
    uintptr_t at = pop(expression);
    uintptr_t word = 0;

    if (size == 0 || size > sizeof word || !expression->stack->read(expression->stack, &word, at, size))
        expression->wrong = true;
    push(expression, word);
}

static void jump(struct expression *expression, bool really)
{
    int16_t distance = (int16_t)edo_cursor_fixed(&expression->cursor, 2);
    uintptr_t to = expression->cursor.at + (uintptr_t)(intptr_t)distance;

    if (!really)
        return;
    if (to < expression->begin || to > expression->cursor.end)
        expression->wrong = true;
    else
        expression->cursor.at = to;
}

static void calculate(struct expression *expression, unsigned operation)
{
    uintptr_t b = pop(expression);
    uintptr_t a = pop(expression);
    intptr_t left = (intptr_t)a;
    intptr_t right = (intptr_t)b;
    uintptr_t result = 0;
    bool wide = b >= 8 * sizeof a; /* shifts */

    switch (operation) {
    case 0x1a:
        result = a & b;
        break;
    case 0x1b: /* div, signed */
        if (b == 0 || (right == -1 && left == INTPTR_MIN))
            expression->wrong = true;
        else
            result = (uintptr_t)(left / right);
        break;
    case 0x1c:
        result = a - b;
        break;
    case 0x1d: /* mod, unsigned */
        if (b == 0)
            expression->wrong = true;
        else
            result = a % b;
        break;
    case 0x1e:
        result = a * b;
        break;
    case 0x21:
        result = a | b;
        break;
    case 0x22:
        result = a + b;
        break;
    case 0x24:
        result = wide ? 0 : a << b;
        break;
    case 0x25:
        result = wide ? 0 : a >> b;
        break;
    case 0x26: /* shra */
        result = a >> (wide ? 8 * sizeof a - 1 : b);
        if (left < 0)
            result |= wide || b > 0 ? UINTPTR_MAX << (8 * sizeof a - 1 - (wide ? 8 * sizeof a - 1 : b)) : 0;
        break;
    case 0x27:
        result = a ^ b;
        break;
    case 0x29: /* eq, ge, gt, le, lt, ne: signed */
        result = left == right;
        break;
    case 0x2a:
        result = left >= right;
        break;
    case 0x2b:
        result = left > right;
        break;
    case 0x2c:
        result = left <= right;
        break;
    case 0x2d:
        result = left < right;
        break;
    case 0x2e:
        result = left != right;
        break;
    default:
        expression->wrong = true;
    }
    push(expression, result);
}

static void shuffle(struct expression *expression, unsigned operation)
{
    uintptr_t a = top(expression, 0);

    if (operation == 0x12) { /* dup */
        push(expression, a);
    } else if (operation == 0x13) { /* drop */
        pop(expression);
    } else if (operation == 0x14) { /* over */
        push(expression, top(expression, 1));
    } else if (operation == 0x15) { /* pick */
        push(expression, top(expression, (size_t)edo_cursor_fixed(&expression->cursor, 1)));
    } else {
        size_t depth = operation == 0x16 ? 1 : 2; /* swap, rot */

        top(expression, depth);
        if (expression->wrong)
            return;
        memmove(&expression->words[expression->count - depth], &expression->words[expression->count - 1 - depth],
                depth * sizeof a);
        expression->words[expression->count - 1 - depth] = a;
    }
}

static void run_one(struct expression *expression, unsigned operation)
{
    struct edo_cursor *cursor = &expression->cursor;

    if (operation >= 0x30 && operation <= 0x4f) { /* lit0 ... */
        push(expression, operation - 0x30);
    } else if (operation >= 0x70 && operation <= 0x8f) { /* breg0 ... */
        push_register(expression, operation - 0x70);
    } else if (operation >= 0x12 && operation <= 0x17) {
        shuffle(expression, operation);
    } else {
        switch (operation) {
        case 0x03: /* addr */
        case 0x0e: /* const8u, const8s */
        case 0x0f:
            push(expression, (uintptr_t)edo_cursor_fixed(cursor, 8));
            break;
        case 0x06:
            dereference(expression, sizeof(uintptr_t));
            break;
        case 0x08: /* const1u, and so on */
            push(expression, (uintptr_t)edo_cursor_fixed(cursor, 1));
            break;
        case 0x09:
            push(expression, (uintptr_t)(intptr_t)(int8_t)edo_cursor_fixed(cursor, 1));
            break;
        case 0x0a:
            push(expression, (uintptr_t)edo_cursor_fixed(cursor, 2));
            break;
        case 0x0b:
            push(expression, (uintptr_t)(intptr_t)(int16_t)edo_cursor_fixed(cursor, 2));
            break;
        case 0x0c:
            push(expression, (uintptr_t)edo_cursor_fixed(cursor, 4));
            break;
        case 0x0d:
            push(expression, (uintptr_t)(intptr_t)(int32_t)edo_cursor_fixed(cursor, 4));
            break;
        case 0x10:
            push(expression, (uintptr_t)edo_cursor_unsigned(cursor));
            break;
        case 0x11:
            push(expression, (uintptr_t)edo_cursor_signed(cursor));
            break;
        case 0x19: /* abs, neg, not */
            if ((intptr_t)top(expression, 0) < 0)
                push(expression, 0 - pop(expression));
            break;
        case 0x1f:
            push(expression, 0 - pop(expression));
            break;
        case 0x20:
            push(expression, ~pop(expression));
            break;
        case 0x23: /* plus_uconst */
            push(expression, pop(expression) + (uintptr_t)edo_cursor_unsigned(cursor));
            break;
        case 0x28: /* bra, skip */
            jump(expression, pop(expression) != 0);
            break;
        case 0x2f:
            jump(expression, true);
            break;
        case 0x92: /* bregx */
            push_register(expression, edo_cursor_unsigned(cursor));
            break;
        case 0x94:
            dereference(expression, (size_t)edo_cursor_fixed(cursor, 1));
            break;
        case 0x96: /* nop */
            break;
        default:
            calculate(expression, operation);
        }
    }
}

bool edo_unwind_evaluate(uintptr_t *out, const struct edo_memory *memory, const struct edo_memory *stack, uintptr_t at,
                         size_t size, const struct edo_registers *registers, const uintptr_t *cfa)
{
    struct expression expression = {.stack = stack, .registers = registers, .begin = at};
    struct edo_cursor *cursor = &expression.cursor;

    if (size > UINTPTR_MAX - at)
        return false;
    edo_cursor_init(cursor, memory, at, at + size);
    if (cfa)
        push(&expression, *cfa);
    for (int steps = 0; cursor->at < cursor->end; steps++) {
        run_one(&expression, (unsigned)edo_cursor_fixed(cursor, 1));
        if (expression.wrong || cursor->failed || steps == STEPS)
            return false;
    }
    *out = pop(&expression);
    return !expression.wrong;
}
