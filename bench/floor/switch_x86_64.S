/* SPDX-License-Identifier: MIT */
/*
 * The bare switch on x86-64, System V: six registers, mxcsr and the x87 control word, `ret`.
 */
    .text

/* void bench_switch(void **from rdi, void *to rsi) */
    .globl  bench_switch
    .type   bench_switch, @function
    .p2align 4
bench_switch:
    pushq   %rbp
    pushq   %rbx
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    subq    $8, %rsp
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw   4(%rsp)
    addq    $8, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    ret
    .size   bench_switch, . - bench_switch

/* void *bench_switch_prepare(void *top rdi, void (*entry)(void) rsi): the stack is aligned as after a call. */
    .globl  bench_switch_prepare
    .type   bench_switch_prepare, @function
bench_switch_prepare:
    andq    $-16, %rdi
    leaq    -72(%rdi), %rax
    movq    %rsi, 56(%rax)
    movq    $0, 64(%rax)
    stmxcsr (%rax)
    fnstcw  4(%rax)
    ret
    .size   bench_switch_prepare, . - bench_switch_prepare

    .section .note.GNU-stack, "", @progbits
