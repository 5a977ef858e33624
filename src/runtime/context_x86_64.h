/* SPDX-License-Identifier: MIT */
/*
 * How C goes to the switch for x86-64. The switch saves rbp and the FP control words, nothing else: the compiler is
 * told that all other registers are lost, and saves those that it uses and its own caller wants back. In a function
 * that has saved them anyway, as one that waits mostly has, they are so saved once and not twice.
 *
 * The call stands in an asm statement, where compilers do not see it: a function without other calls might keep values
 * below its stack pointer. So everything that includes this is built with -mno-red-zone (cmake/compile.cmake), and with
 * frame pointers, since the switch takes down to where its caller returns.
 */
#ifndef EDO_RUNTIME_CONTEXT_X86_64_H
#define EDO_RUNTIME_CONTEXT_X86_64_H

#include <stdint.h>

enum {
    EDO_CONTEXT_NOTES = 1,                      /* the switch itself notes where its caller returns to */
    EDO_CONTEXT_STARTS = !EDO_ASAN && !EDO_TSAN /* there is edo_context_call_start */
};

#if defined(__AVX512F__)
#define EDO_CONTEXT_LOST_512                                                                                           \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",      \
        "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define EDO_CONTEXT_LOST_512
#endif
/* rdi, rsi and rax are operands, and in a start rcx is, too. */
#define EDO_CONTEXT_LOST "rcx", EDO_CONTEXT_LOST_START
#define EDO_CONTEXT_LOST_START                                                                                         \
    "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",        \
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)",   \
        "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc", "memory" EDO_CONTEXT_LOST_512

static inline __attribute__((always_inline)) void *edo_context_call_swap(struct edo_context *from,
                                                                         struct edo_context *to, void *baton)
{
    __asm__ volatile("call edo_context_swap" : "+D"(from), "+S"(to), "+a"(baton) : : EDO_CONTEXT_LOST);
    return baton;
}

/* Saves the running flow, and calls entry(baton) on the stack below `top`: not where checkers have to be told. */
static inline __attribute__((always_inline)) void *edo_context_call_start(struct edo_context *from, void *top,
                                                                          void (*entry)(void *baton), void *baton)
{
    __asm__ volatile("call edo_context_start"
                     : "+D"(from), "+S"(top), "+c"(entry), "+a"(baton)
                     :
                     : EDO_CONTEXT_LOST_START);
    return baton;
}

/* What a new flow begins with, in context_x86_64.S too. */
static inline void edo_context_reset_fp(void)
{
    static const uint32_t mxcsr = 0x1f80;
    static const uint16_t control = 0x037f;

    __asm__ volatile("ldmxcsr %0\n\t"
                     "fldcw %1"
                     :
                     : "m"(mxcsr), "m"(control));
}

/*
 * Between the two instructions an unwinder still goes by rbp: up the flow that ends, whose stack nobody has reused yet.
 */
static inline __attribute__((always_inline)) void edo_context_call_leave(struct edo_context *from,
                                                                         struct edo_context *to, void *baton)
{
    (void)from;
    __asm__ volatile("movq (%0), %%rsp\n\t"
                     "jmp edo_context_suspended"
                     :
                     : "S"(to), "a"(baton)
                     : "memory");
}

#endif
