/* SPDX-License-Identifier: MIT */
/*
 * The bare switch on aarch64, AAPCS64: x19 to x30, d8 to d15 and the floating-point control register, `ret`.
 */
    .text

/* void bench_switch(void **from x0, void *to x1) */
    .globl  bench_switch
    .type   bench_switch, %function
    .p2align 4
bench_switch:
    sub     sp, sp, #176
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    ldr     x9, [sp, #160]
    msr     fpcr, x9
    add     sp, sp, #176
    ret
    .size   bench_switch, . - bench_switch

/* void *bench_switch_prepare(void *top x0, void (*entry)(void) x1) */
    .globl  bench_switch_prepare
    .type   bench_switch_prepare, %function
bench_switch_prepare:
    and     x0, x0, #-16
    sub     x0, x0, #176
    stp     xzr, x1, [x0, #80]
    mrs     x9, fpcr
    str     x9, [x0, #160]
    ret
    .size   bench_switch_prepare, . - bench_switch_prepare

    .section .note.GNU-stack, "", %progbits
