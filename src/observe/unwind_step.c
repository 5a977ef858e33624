/* SPDX-License-Identifier: MIT */
/* A row applied to the registers of a frame. See unwind.h. */
#include "observe/unwind.h"

static bool find_cfa(uintptr_t *out, const struct edo_registers *registers, const struct edo_memory *memory,
                     const struct edo_memory *stack, const struct edo_rule *rule)
{
    if (rule->how == EDO_RULE_EXPRESSION)
        return edo_unwind_evaluate(out, memory, stack, (uintptr_t)rule->value, rule->size, registers, NULL);
    if (!edo_register_known(registers, rule->number))
        return false;
    *out = registers->value[rule->number] + (uintptr_t)rule->value;
    return true;
}

/* False: it is not known. */
static bool find_value(uintptr_t *out, const struct edo_registers *registers, const struct edo_memory *memory,
                       const struct edo_memory *stack, const struct edo_rule *rule, uintptr_t cfa)
{
    uintptr_t at;

    switch (rule->how) {
    case EDO_RULE_OFFSET:
        return stack->read(stack, out, cfa + (uintptr_t)rule->value, sizeof *out);
    case EDO_RULE_VALUE_OFFSET:
        *out = cfa + (uintptr_t)rule->value;
        return true;
    case EDO_RULE_REGISTER:
        if (rule->value < 0 || rule->value >= EDO_REGISTERS || !edo_register_known(registers, (unsigned)rule->value))
            return false;
        *out = registers->value[rule->value];
        return true;
    case EDO_RULE_EXPRESSION:
        return edo_unwind_evaluate(&at, memory, stack, (uintptr_t)rule->value, rule->size, registers, &cfa) &&
               stack->read(stack, out, at, sizeof *out);
    case EDO_RULE_VALUE_EXPRESSION:
        return edo_unwind_evaluate(out, memory, stack, (uintptr_t)rule->value, rule->size, registers, &cfa);
    default:
        return false;
    }
}

enum edo_step edo_unwind_step(struct edo_registers *registers, const struct edo_memory *memory,
                              const struct edo_memory *stack, const struct edo_row *row)
{
    struct edo_registers caller = *registers;
    uintptr_t cfa;
    uintptr_t value;

    if (!row->found)
        return EDO_STEP_LOST;
    for (size_t i = 0; i < row->count; i++)
        if (row->rules[i].number == row->back && row->rules[i].how == EDO_RULE_UNDEFINED)
            return EDO_STEP_END;
    if (!find_cfa(&cfa, registers, memory, stack, &row->cfa))
        return row->cfa.how == EDO_RULE_OFFSET ? EDO_STEP_NO_CFA : EDO_STEP_LOST;
    caller.known &= EDO_REGISTERS_KEPT;
    edo_register_set(&caller, EDO_REGISTER_SP, cfa);
    for (size_t i = 0; i < row->count; i++) {
        const struct edo_rule *rule = &row->rules[i];

        if (find_value(&value, registers, memory, stack, rule, cfa))
            edo_register_set(&caller, rule->number, value);
        else
            caller.known &= ~(UINT64_C(1) << rule->number);
    }
    if (!edo_register_known(&caller, row->back))
        return EDO_STEP_LOST;
    edo_register_set(&caller, EDO_REGISTER_PC, edo_machine_code(caller.value[row->back]));
    if (caller.value[EDO_REGISTER_PC] == 0)
        return EDO_STEP_END;
    *registers = caller;
    return EDO_STEP_DONE;
}
