/* SPDX-License-Identifier: MIT */
/* x86-64 (System V ABI), for machine.h. */
#ifndef EDO_OBSERVE_MACHINE_X86_64_H
#define EDO_OBSERVE_MACHINE_X86_64_H

enum {
    EDO_REGISTER_FP = 6, /* rbp */
    EDO_REGISTER_SP = 7,
    EDO_REGISTER_PC = 16,
    EDO_REGISTERS = 17,
    EDO_FRAME_RECORD_ENDS =
        1, /* what a frame pointer points to is a frame's highest two words: behind them is the caller's sp */
    EDO_SIGRETURN_LOOKS = 0, /* libc's tables know where handlers return to */
    EDO_PICTURE_WORDS = 3    /* of a suspended flow, from its sp upwards */
};

/* rbx, rbp, rsp, r12 to r15, rip: what a function has to keep for its caller. */
#define EDO_REGISTERS_KEPT                                                                                             \
    (UINT64_C(1) << 3 | UINT64_C(1) << 6 | UINT64_C(1) << 7 | UINT64_C(0xf) << 12 | UINT64_C(1) << 16)

#if !defined(EDO_CONTEXT_UCONTEXT)
#define EDO_PICTURE_KNOWN 1

static inline void edo_machine_of_picture(uintptr_t *value, uint64_t *known, const uintptr_t *words, uintptr_t sp)
{
    value[EDO_REGISTER_FP] = words[1];
    value[EDO_REGISTER_PC] = words[2];
    value[EDO_REGISTER_SP] = sp + EDO_PICTURE_WORDS * sizeof *words;
    *known = UINT64_C(1) << EDO_REGISTER_FP | UINT64_C(1) << EDO_REGISTER_SP | UINT64_C(1) << EDO_REGISTER_PC;
}
#endif

static inline bool edo_machine_of_signal(uintptr_t *value, uint64_t *known, const ucontext_t *context)
{
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

    for (int i = 0; i < EDO_REGISTERS; i++)
        value[i] = (uintptr_t)context->uc_mcontext.gregs[order[i]];
    *known = (UINT64_C(1) << EDO_REGISTERS) - 1;
    return true;
}

/* A return address as a pointer. */
static inline uintptr_t edo_machine_code(uintptr_t address)
{
    return address;
}

/* Whether the bytes before an address may be a call; *target is where to, 0: it is not told. */
static inline bool edo_machine_is_call(uintptr_t *target, const unsigned char before[EDO_CODE_BEFORE],
                                       uintptr_t address)
{
    const unsigned char *at = before + EDO_CODE_BEFORE;
    int32_t distance;

    *target = 0;
    if (at[-5] == 0xe8) {
        memcpy(&distance, at - 4, sizeof distance);
        *target = address + (uintptr_t)(intptr_t)distance;
        return true;
    }
    for (int size = 2; size <= 7; size++) /* through a register or memory */
        if (size != 5 && at[-size] == 0xff && (at[-size + 1] & 0x38) == 0x10)
            return true;
    return false;
}

/* Whether the code at `address` begins with a jump to `to`, which may have a condition. */
static inline bool edo_machine_is_jump(const unsigned char code[8], uintptr_t address, uintptr_t to)
{
    size_t at = code[0] == 0x0f && (code[1] & 0xf0) == 0x80 ? 2 : code[0] == 0xe9 ? 1 : 0;
    int32_t distance;

    if (code[0] == 0xeb || (code[0] & 0xf0) == 0x70)
        return address + 2 + (uintptr_t)(intptr_t)(int8_t)code[1] == to;
    memcpy(&distance, code + at, sizeof distance);
    return at > 0 && address + at + sizeof distance + (uintptr_t)(intptr_t)distance == to;
}

/*
 * Where the stub of a function of another module looks its address up: `jmp *slot(%rip)`, behind landing pads; 0: it is
 * none.
 */
static inline uintptr_t edo_machine_stub_slot(const unsigned char code[16], uintptr_t address)
{
    static const unsigned char endbr[4] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t at = memcmp(code, endbr, sizeof endbr) == 0 ? sizeof endbr : 0;
    int32_t distance;

    at += code[at] == 0xf2;
    if (code[at] != 0xff || code[at + 1] != 0x25)
        return 0;
    memcpy(&distance, code + at + 2, sizeof distance);
    return address + at + 6 + (uintptr_t)(intptr_t)distance;
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
