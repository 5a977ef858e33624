/* SPDX-License-Identifier: MIT */
/* Walking up a stack. See walk.h. No data but the caller's. */
#include "observe/walk.h"
#include "observe/peek.h"
#include "runtime/context.h"

enum { WORD = sizeof(uintptr_t) };

static bool peek_code(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    (void)memory;
    return edo_peek(out, (const void *)from, size);
}

const struct edo_memory edo_walk_code = {peek_code};

/* --- What is known of the code ------------------------------------------------------------------------------------ */

void edo_walker_begin(struct edo_walker *walker)
{
    edo_modules_take(&walker->modules);
    for (size_t i = 0; i < EDO_WALK_ROWS; i++)
        walker->rows[i].pc = 0;
}

const struct edo_row *edo_walk_row(struct edo_walker *walker, uintptr_t pc, bool exact)
{
    uintptr_t at = exact ? pc : pc - 1; /* a call may be the last instruction of its function */
    struct edo_row *row = &walker->rows[(uint64_t)at * UINT64_C(0x9e3779b97f4a7c15) >> 40 & (EDO_WALK_ROWS - 1)];
    const struct edo_module *module;
    struct edo_unwind_record record;
    unsigned char bytes[8];

    if (row->pc == at)
        return row;
    row->pc = at;
    row->found = row->kernels = false;
    if (EDO_SIGRETURN_LOOKS && edo_walk_code.read(&edo_walk_code, bytes, pc, sizeof bytes) &&
        edo_machine_is_sigreturn(bytes)) {
        row->kernels = true;
        return row;
    }
    module = edo_modules_find(&walker->modules, at);
    if (module && module->index && edo_unwind_find(&record, &edo_walk_code, module->index, module->index_size, at))
        edo_unwind_row(row, &walker->scratch, &edo_walk_code, &record, at);
    return row;
}

bool edo_walk_behind_call(struct edo_walker *walker, uintptr_t *target, uintptr_t address)
{
    unsigned char before[EDO_CODE_BEFORE];
    const struct edo_row *row;

    *target = 0;
    if (walker->work <= 0 || !edo_modules_find(&walker->modules, address - 1))
        return false;
    walker->work--;
    if (!edo_walk_code.read(&edo_walk_code, before, address - sizeof before, sizeof before))
        return false;
    if (edo_machine_is_call(target, before, address))
        return true;
    row = edo_walk_row(walker, address, false);
    for (size_t i = 0; row->found && i < row->count; i++)
        if (row->rules[i].number == row->back && row->rules[i].how == EDO_RULE_UNDEFINED)
            return true;
    return false;
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

void edo_walk_add(struct edo_walk *out, uintptr_t address, bool exact, bool guessed)
{
    if (out->count == EDO_WALK_MOST)
        return;
    out->exact[out->count] = exact;
    out->guessed[out->count] = guessed;
    out->address[out->count++] = address;
}

/* Out of the kernel's frame below a signal's handler. */
static enum edo_step out_of_handler(struct edo_registers *at, const struct edo_memory *stack)
{
    struct edo_registers caller = *at;

    if (!edo_register_known(at, EDO_REGISTER_SP) ||
        !stack->read(stack, caller.value, edo_machine_signal_frame(at->value[EDO_REGISTER_SP]), sizeof caller.value))
        return EDO_STEP_LOST;
    caller.known = (UINT64_C(1) << EDO_REGISTERS) - 1;
    *at = caller;
    return EDO_STEP_DONE;
}

#if !EDO_PICTURE_KNOWN
void edo_context_entry(unsigned high, unsigned low); /* context_ucontext.c */
#endif

/* Above a flow's first function libc's ucontext has one whose rows do not say that a stack ends there. */
static bool is_begin(const struct edo_row *row)
{
#if EDO_PICTURE_KNOWN
    (void)row; /* edo_context_entry's own rows say it */
    return false;
#else
    return row->found && row->function == (uintptr_t)edo_context_entry;
#endif
}

enum edo_step edo_walk_by_tables(struct edo_walker *walker, struct edo_registers *at, bool *exact,
                                 const struct edo_stack_view *stack)
{
    struct edo_registers caller = *at;
    const struct edo_row *row = edo_walk_row(walker, at->value[EDO_REGISTER_PC], *exact);
    bool from_handler = row->found ? row->signal : row->kernels;
    uintptr_t sp = at->value[EDO_REGISTER_SP];
    enum edo_step step;

    if (walker->work-- <= 0)
        return EDO_STEP_LOST;
    if (is_begin(row))
        return EDO_STEP_END;
    step = row->kernels ? out_of_handler(&caller, &stack->memory)
                        : edo_unwind_step(&caller, &edo_walk_code, &stack->memory, row);
    if (step != EDO_STEP_DONE)
        return step;
    /* Upwards only; but a handler may have had a stack of its own, and a function may have nothing on it yet. */
    if (!from_handler && edo_register_known(at, EDO_REGISTER_SP) && caller.value[EDO_REGISTER_SP] < sp + !*exact)
        return EDO_STEP_LOST;
    *exact = from_handler;
    *at = caller;
    return EDO_STEP_DONE;
}

static enum edo_step by_frame_pointer(struct edo_walker *walker, struct edo_registers *at, bool *exact,
                                      const struct edo_stack_view *stack)
{
    struct edo_registers caller = {.known = 0};
    uintptr_t fp = at->value[EDO_REGISTER_FP];
    unsigned char before[EDO_CODE_BEFORE];
    uintptr_t words[2]; /* the caller's frame pointer, the return address */
    uintptr_t address;
    uintptr_t target;

    if (!edo_register_known(at, EDO_REGISTER_FP))
        return EDO_STEP_LOST;
    if (fp == 0) /* so a flow begins (runtime/context.h) */
        return EDO_STEP_END;
    if (fp % WORD != 0 || fp < stack->low || fp >= stack->high ||
        (edo_register_known(at, EDO_REGISTER_SP) && fp < at->value[EDO_REGISTER_SP]) ||
        !stack->memory.read(&stack->memory, words, fp, sizeof words))
        return EDO_STEP_LOST;
    address = edo_machine_code(words[1]);
    if (!edo_walk_behind_call(walker, &target, address) && /* it may be in code that was made at run time */
        (edo_modules_find(&walker->modules, address) ||
         !edo_walk_code.read(&edo_walk_code, before, address - sizeof before, sizeof before) ||
         !edo_machine_is_call(&target, before, address)))
        return EDO_STEP_LOST;
    edo_register_set(&caller, EDO_REGISTER_PC, address);
    if (EDO_FRAME_RECORD_ENDS)
        edo_register_set(&caller, EDO_REGISTER_SP, fp + sizeof words);
    if (words[0] == 0 || words[0] > fp)
        edo_register_set(&caller, EDO_REGISTER_FP, words[0]);
    *exact = false;
    *at = caller;
    return EDO_STEP_DONE;
}

/* --- The walk ----------------------------------------------------------------------------------------------------- */

static void walk(struct edo_walk *out, struct edo_walker *walker, const struct edo_registers *from, bool exact,
                 const struct edo_stack_view *stack, bool guesses)
{
    struct edo_registers at = *from;

    out->count = 0;
    out->whole = false;
    walker->work = EDO_WALK_WORK;
    edo_walk_add(out, at.value[EDO_REGISTER_PC], exact, false);
    while (out->count < EDO_WALK_MOST) {
        bool guessed = false;
        enum edo_step step = edo_walk_by_tables(walker, &at, &exact, stack);

        if (step == EDO_STEP_NO_CFA)
            step = edo_walk_search(walker, &at, &exact, &guessed, stack);
        if (step > EDO_STEP_END)
            step = by_frame_pointer(walker, &at, &exact, stack);
        if (step > EDO_STEP_END && guesses) {
            step = edo_walk_guess(out, walker, &at, stack);
            guessed = true;
            exact = false;
        }
        out->whole = step == EDO_STEP_END;
        if (step != EDO_STEP_DONE)
            return;
        edo_walk_add(out, at.value[EDO_REGISTER_PC], exact, guessed);
    }
}

void edo_walk_stack(struct edo_walk *out, struct edo_walker *walker, const struct edo_registers *from,
                    const struct edo_stack_view *stack, bool guesses)
{
    walk(out, walker, from, true, stack, guesses);
}

/* --- Parked tasks ------------------------------------------------------------------------------------------------- */

static bool read_own(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    const struct edo_stack_view *stack = (const struct edo_stack_view *)(const void *)memory;

    if (from % WORD != 0 || size % WORD != 0 || from < stack->low || from >= stack->high || stack->high - from < size)
        return false;
    for (size_t i = 0; i < size / WORD; i++) {
        uintptr_t word = edo_unseen_word(from + i * WORD);

        memcpy((unsigned char *)out + i * WORD, &word, WORD);
    }
    return true;
}

static bool of_context(struct edo_registers *out, const struct edo_context *context, const struct edo_stack_view *stack)
{
#if EDO_PICTURE_KNOWN
    uintptr_t sp = edo_unseen_word((uintptr_t)&context->sp);
    uintptr_t words[EDO_PICTURE_WORDS];

    if (!read_own(&stack->memory, words, sp, sizeof words))
        return false;
    edo_machine_of_picture(out->value, &out->known, words, sp);
    return true;
#else
    (void)context, (void)stack;
    *out = (struct edo_registers){0};
    return false;
#endif
}

void edo_walk_parked(struct edo_walk *out, struct edo_walker *walker, const struct edo_context *context, uintptr_t low,
                     uintptr_t high)
{
    struct edo_stack_view stack = {{read_own}, low, high};
    struct edo_registers from;

    out->count = 0;
    out->whole = false;
    if (of_context(&from, context, &stack))
        walk(out, walker, &from, false, &stack, false);
}

uintptr_t edo_walk_parked_at(const struct edo_context *context, uintptr_t low, uintptr_t high)
{
    struct edo_stack_view stack = {{read_own}, low, high};
    struct edo_registers from;

    return of_context(&from, context, &stack) ? from.value[EDO_REGISTER_PC] : 0;
}
