/* SPDX-License-Identifier: MIT */
/*
 * Where tables do not lead on by themselves. See walk.h. No data but the caller's.
 *
 * Searching for a frame. The function stands at sp, its CFA is counted from a register that nobody told, and lies above
 * sp. Each place is tried that the stack's alignment allows: there has to be a return address, and from there the
 * tables must lead to the begin of the stack. That alone may be true of what an earlier call has left in the function's
 * own variables, so it counts more if the call that is returned to calls just this function, or one that jumps to it:
 * compilers split functions, and jump where a call would be the last thing to do. A call through a pointer does not
 * tell; then the lowest place is taken. A call of any other function is a guess.
 *
 * Guessing. A word above sp that lies behind a call is tried in the same way. If none leads to the begin, it is done as
 * without tables: the first pair of words that can only be a frame pointer and a return address, and behind it as many
 * guesses as may be.
 */
#include "observe/peek.h"
#include "observe/walk.h"

enum { WORD = sizeof(uintptr_t), ALIGNMENT = 16, GUESS_BYTES = 4096 };

/* Code is looked through by pieces, with the rest of what begins at their ends; of a function so much. */
enum { JUMP_PIECE = 256, JUMP_REST = 8, JUMP_MOST = 65536 };

enum likelihood { NO = 0, ODD, LIKELY, CERTAIN };

static bool read_word(uintptr_t *out, const struct edo_stack_view *stack, uintptr_t at)
{
    return stack->memory.read(&stack->memory, out, at, sizeof *out);
}

/* Whether the tables lead from there to the stack's begin. */
static bool leads_out(struct edo_walker *walker, const struct edo_registers *from, const struct edo_stack_view *stack,
                      bool search)
{
    struct edo_registers at = *from;
    enum edo_step step = EDO_STEP_DONE;
    bool exact = false;
    bool guessed = false;

    for (int i = 0; i < EDO_WALK_MOST && step == EDO_STEP_DONE; i++) {
        step = edo_walk_by_tables(walker, &at, &exact, stack);
        if (step == EDO_STEP_NO_CFA && search) {
            search = false;
            step = edo_walk_search(walker, &at, &exact, &guessed, stack);
        }
    }
    return step == EDO_STEP_END && !guessed;
}

/* --- Frames without a frame pointer ------------------------------------------------------------------------------- */

/* Where a call goes that is of another module's function. */
static uintptr_t behind_stub(uintptr_t target)
{
    unsigned char bytes[16];
    uintptr_t slot;
    uintptr_t function = 0;

    if (!edo_peek(bytes, (const void *)target, sizeof bytes))
        return target;
    slot = edo_machine_stub_slot(bytes, target);
    return slot && edo_peek(&function, (const void *)slot, sizeof function) ? function : target;
}

/* Whether there is a jump to `to` in the function that begins at `function`. */
static bool jumps_there(struct edo_walker *walker, uintptr_t function, uintptr_t to)
{
    const struct edo_module *module = edo_modules_find(&walker->modules, function);
    struct edo_unwind_record record;
    unsigned char code[JUMP_PIECE + JUMP_REST];

    if (!module || !module->index ||
        !edo_unwind_find(&record, &edo_walk_code, module->index, module->index_size, function) ||
        record.begin != function)
        return false;
    for (uintptr_t piece = 0; piece < record.size && piece < JUMP_MOST && walker->work > 0; piece += JUMP_PIECE) {
        size_t size = record.size - piece < JUMP_PIECE ? record.size - piece : JUMP_PIECE;

        walker->work--;
        memset(code, 0, sizeof code);
        if (edo_peek_most(code, (const void *)(function + piece), size + JUMP_REST) < size)
            return false;
        for (size_t i = 0; i < size; i++)
            if (edo_machine_is_jump(code + i, function + piece + i, to))
                return true;
    }
    return false;
}

/* The caller's registers, if the frame ended at `cfa`. */
static enum likelihood try_cfa(struct edo_registers *at, struct edo_walker *walker, const struct edo_row *row,
                               uintptr_t cfa, const struct edo_stack_view *stack)
{
    uintptr_t target;

    edo_register_set(at, row->cfa.number, cfa - (uintptr_t)row->cfa.value);
    if (edo_unwind_step(at, &edo_walk_code, &stack->memory, row) != EDO_STEP_DONE ||
        !edo_walk_behind_call(walker, &target, at->value[EDO_REGISTER_PC]) || !leads_out(walker, at, stack, false))
        return NO;
    if (target == 0)
        return LIKELY;
    if (target != row->function)
        target = behind_stub(target);
    return target == row->function || jumps_there(walker, target, row->function) ? CERTAIN : ODD;
}

enum edo_step edo_walk_search(struct edo_walker *walker, struct edo_registers *at, bool *exact, bool *guessed,
                              const struct edo_stack_view *stack)
{
    struct edo_row row = *edo_walk_row(walker, at->value[EDO_REGISTER_PC], *exact);
    uintptr_t sp = at->value[EDO_REGISTER_SP];
    enum likelihood best = NO;
    struct edo_registers found;

    if (!row.found || row.cfa.how != EDO_RULE_OFFSET || !edo_register_known(at, EDO_REGISTER_SP) || sp < stack->low)
        return EDO_STEP_LOST;
    for (uintptr_t cfa = (sp + WORD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
         cfa <= stack->high && walker->work > 0 && best < CERTAIN; cfa += ALIGNMENT) {
        struct edo_registers trial = *at;
        enum likelihood likelihood;

        walker->work--;
        likelihood = try_cfa(&trial, walker, &row, cfa, stack);
        if (likelihood <= best)
            continue;
        best = likelihood;
        found = trial;
    }
    if (best == NO)
        return EDO_STEP_NO_CFA;
    *guessed = best == ODD;
    *exact = false;
    *at = found;
    return EDO_STEP_DONE;
}

/* --- Guesses ------------------------------------------------------------------------------------------------------ */

/* A frame pointer and a return address, whose frame has another one above it. */
static bool is_pair(struct edo_walker *walker, const struct edo_stack_view *stack, const uintptr_t pair[2],
                    uintptr_t at)
{
    uintptr_t outer;
    uintptr_t target;

    return pair[0] > at && pair[0] % WORD == 0 && pair[0] < stack->high &&
           edo_walk_behind_call(walker, &target, edo_machine_code(pair[1])) &&
           read_word(&outer, stack, pair[0] + WORD) && edo_walk_behind_call(walker, &target, edo_machine_code(outer));
}

enum edo_step edo_walk_guess(struct edo_walk *out, struct edo_walker *walker, struct edo_registers *at,
                             const struct edo_stack_view *stack)
{
    uintptr_t begin = edo_register_known(at, EDO_REGISTER_SP) ? at->value[EDO_REGISTER_SP] : stack->high;
    uintptr_t end = stack->high - begin < GUESS_BYTES ? stack->high : begin + GUESS_BYTES;
    uintptr_t guesses[EDO_WALK_GUESSES];
    size_t count = 0;
    uintptr_t target;
    uintptr_t pair[2];

    if (begin < stack->low || begin > stack->high)
        return EDO_STEP_LOST;
    for (uintptr_t place = begin; place < end && read_word(&pair[0], stack, place); place += WORD) {
        struct edo_registers trial = {.known = 0};

        if (!EDO_FRAME_RECORD_ENDS || !edo_walk_behind_call(walker, &target, pair[0]))
            continue;
        edo_register_set(&trial, EDO_REGISTER_PC, pair[0]);
        edo_register_set(&trial, EDO_REGISTER_SP, place + WORD);
        if (!leads_out(walker, &trial, stack, true))
            continue;
        *at = trial;
        return EDO_STEP_DONE;
    }
    walker->work += EDO_WALK_WORK / 4;
    for (uintptr_t place = begin; place < end && read_word(&pair[0], stack, place); place += WORD) {
        if (read_word(&pair[1], stack, place + WORD) && is_pair(walker, stack, pair, place)) {
            for (size_t i = 0; i < count; i++)
                edo_walk_add(out, guesses[i], false, true);
            at->known = 0;
            edo_register_set(at, EDO_REGISTER_PC, edo_machine_code(pair[1]));
            edo_register_set(at, EDO_REGISTER_FP, pair[0]);
            if (EDO_FRAME_RECORD_ENDS)
                edo_register_set(at, EDO_REGISTER_SP, place + 2 * WORD);
            return EDO_STEP_DONE;
        }
        if (edo_walk_behind_call(walker, &target, edo_machine_code(pair[0])) && count < EDO_WALK_GUESSES)
            guesses[count++] = edo_machine_code(pair[0]);
    }
    for (size_t i = 0; i < count; i++)
        edo_walk_add(out, guesses[i], false, true);
    return EDO_STEP_LOST;
}
