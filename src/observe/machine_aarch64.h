/* SPDX-License-Identifier: MIT */
/* aarch64 (AAPCS64), for machine.h. */
#ifndef EDO_OBSERVE_MACHINE_AARCH64_H
#define EDO_OBSERVE_MACHINE_AARCH64_H

enum {
    EDO_REGISTER_FP = 29,
    EDO_REGISTER_SP = 31,
    EDO_REGISTER_PC = 32,
    EDO_REGISTERS = 33,
    EDO_FRAME_RECORD_ENDS = 0, /* what a frame pointer points to may lie anywhere in a frame */
    EDO_SIGRETURN_LOOKS = 1,   /* where handlers return to is known by what stands there */
    EDO_PICTURE_WORDS = 22     /* of a suspended flow, from its sp upwards */
};

/* x19 to x30, sp, pc: what a function has to keep for its caller, and where it came from. */
#define EDO_REGISTERS_KEPT (UINT64_C(0x3fff) << 19)

/* A return address as a pointer: without a signature (PAC) or a tag. */
static inline uintptr_t edo_machine_code(uintptr_t address)
{
    return address & ((UINT64_C(1) << 48) - 1);
}

#if !defined(EDO_CONTEXT_UCONTEXT)
#define EDO_PICTURE_KNOWN 1

static inline void edo_machine_of_picture(uintptr_t *value, uint64_t *known, const uintptr_t *words, uintptr_t sp)
{
    memcpy(&value[29], &words[0], 2 * sizeof *words);
    memcpy(&value[19], &words[2], 10 * sizeof *words);
    value[EDO_REGISTER_PC] = edo_machine_code(words[1]);
    value[EDO_REGISTER_SP] = sp + EDO_PICTURE_WORDS * sizeof *words;
    *known = EDO_REGISTERS_KEPT;
}
#endif

static inline bool edo_machine_of_signal(uintptr_t *value, uint64_t *known, const ucontext_t *context)
{
    for (int i = 0; i < 31; i++)
        value[i] = (uintptr_t)context->uc_mcontext.regs[i];
    value[EDO_REGISTER_SP] = (uintptr_t)context->uc_mcontext.sp;
    value[EDO_REGISTER_PC] = (uintptr_t)context->uc_mcontext.pc;
    *known = (UINT64_C(1) << EDO_REGISTERS) - 1;
    return true;
}

static inline uint32_t edo_machine_instruction(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Whether the bytes before an address may be a call; *target is where to, 0: it is not told. */
static inline bool edo_machine_is_call(uintptr_t *target, const unsigned char before[EDO_CODE_BEFORE],
                                       uintptr_t address)
{
    uint32_t instruction = edo_machine_instruction(before + EDO_CODE_BEFORE - 4);
    uint32_t distance = (instruction & 0x03ffffff) << 2;

    *target = 0;
    if (address % 4 != 0)
        return false;
    if ((instruction & 0xfc000000) == 0x94000000)
        *target = address - 4 + (distance & 0x08000000 ? (uintptr_t)distance - 0x10000000 : distance);
    return *target || (instruction & 0xfffffc1f) == 0xd63f0000;
}

/* Whether the code at `address` begins with a jump to `to`, which may have a condition (b, b.cond, cbz, cbnz). */
static inline bool edo_machine_is_jump(const unsigned char code[8], uintptr_t address, uintptr_t to)
{
    uint32_t instruction = edo_machine_instruction(code);
    int64_t distance;

    if ((instruction & 0xfc000000) == 0x14000000)
        distance = (int32_t)(instruction << 6) >> 4;
    else if ((instruction & 0xff000010) == 0x54000000 || (instruction & 0x7e000000) == 0x34000000)
        distance = (int32_t)(instruction << 8 & 0xffffe000) >> 11;
    else
        return false;
    return address % 4 == 0 && address + (uintptr_t)distance == to;
}

/* Stubs are not looked through. */
static inline uintptr_t edo_machine_stub_slot(const unsigned char code[16], uintptr_t address)
{
    (void)code, (void)address;
    return 0;
}

/* "mov x8, #139; svc #0", to which a signal's handler returns: the kernel's tables do not say that it is that. */
static inline bool edo_machine_is_sigreturn(const unsigned char code[8])
{
    return edo_machine_instruction(code) == 0xd2801168 && edo_machine_instruction(code + 4) == 0xd4000001;
}

/* x0 to x30, sp, pc lie one after the other there. */
static inline uintptr_t edo_machine_signal_frame(uintptr_t sp)
{
    return sp + 128 /* siginfo_t */ + offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, regs);
}

#endif
