/* SPDX-License-Identifier: MIT */
/*
 * The syscall instruction of x86-64: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11 are lost. The
 * first is a descriptor: of an int the kernel takes the lower half.
 */
#ifndef EDO_PLATFORM_SYSCALL_X86_64_H
#define EDO_PLATFORM_SYSCALL_X86_64_H

static inline long edo_syscall(long number, int a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
