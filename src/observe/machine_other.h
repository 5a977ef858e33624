/* SPDX-License-Identifier: MIT */
/* A machine whose registers are not known, for machine.h. */
#ifndef EDO_OBSERVE_MACHINE_OTHER_H
#define EDO_OBSERVE_MACHINE_OTHER_H

enum {
    EDO_REGISTER_FP = 0,
    EDO_REGISTER_SP,
    EDO_REGISTER_PC,
    EDO_REGISTERS,
    EDO_FRAME_RECORD_ENDS = 0,
    EDO_SIGRETURN_LOOKS = 0
};

#define EDO_REGISTERS_KEPT UINT64_C(7)

static inline bool edo_machine_of_signal(uintptr_t *value, uint64_t *known, const ucontext_t *context)
{
    (void)value, (void)known, (void)context;
    return false;
}

static inline uintptr_t edo_machine_code(uintptr_t address)
{
    return address;
}

static inline bool edo_machine_is_call(uintptr_t *target, const unsigned char before[EDO_CODE_BEFORE],
                                       uintptr_t address)
{
    (void)before, (void)address;
    *target = 0;
    return false;
}

static inline bool edo_machine_is_jump(const unsigned char code[8], uintptr_t address, uintptr_t to)
{
    (void)code, (void)address, (void)to;
    return false;
}

static inline uintptr_t edo_machine_stub_slot(const unsigned char code[16], uintptr_t address)
{
    (void)code, (void)address;
    return 0;
}

static inline bool edo_machine_is_sigreturn(const unsigned char code[8])
{
    (void)code;
    return false;
}

static inline uintptr_t edo_machine_signal_frame(uintptr_t sp)
{
    return sp;
}

#endif
