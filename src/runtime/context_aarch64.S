/* SPDX-License-Identifier: MIT */
/*
 * The switch for aarch64 (AAPCS64). See context.h.
 *
 * A suspended flow looks like this, from sp upwards; edo_context_image draws the same picture for one that has not run:
 *
 *      0  x29, x30 (the return address)
 *     16  x19 ... x28
 *     96  d8 ... d15
 *    160  FPCR, what its context's sp was while it ran
 *
 * The last is put back when the flow is resumed: into the context's sp, which is free until the next switch. It tells
 * reports of stalls where a task has waited last (context.h).
 *
 * Both stacks have the same layout while they are swapped, so one set of unwind rules (CFI) is right on either side of
 * the load of sp: at every instruction an unwinder finds the callers of the flow that sp belongs to. It works on a
 * suspended context too: take pc = edo_context_suspended and sp = context->sp.
 *
 * Landing pads are hints, which older processors skip. The object is marked fit for BTI where the rest of the build is.
 * It is not marked for PAC, as the saved x30 is not signed, nor for GCS, as shadow stacks are not switched.
 */
#if defined(__aarch64__) && !defined(__ILP32__) && !defined(EDO_CONTEXT_UCONTEXT)

    .text

/* void *edo_context_swap(struct edo_context *from: x0, struct edo_context *to: x1, void *baton: x2) */
    .globl edo_context_swap
    .hidden edo_context_swap
    .globl edo_context_suspended
    .hidden edo_context_suspended
    .type edo_context_swap, %function
    .p2align 4
edo_context_swap:
    .cfi_startproc
    hint #34                        /* bti c */
    mrs x9, fpcr
    sub sp, sp, #176
    .cfi_def_cfa_offset 176
    stp x29, x30, [sp]
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, #16]
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    stp x21, x22, [sp, #32]
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    stp x23, x24, [sp, #48]
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    stp x25, x26, [sp, #64]
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    stp x27, x28, [sp, #80]
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    stp d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    ldr x11, [x0]
    stp x9, x11, [sp, #160]
    mov x10, sp
    str x10, [x0]
    ldr x10, [x1]
    mov x0, x2
    mov sp, x10
edo_context_suspended:
    ldp x9, x11, [sp, #160]
    msr fpcr, x9
    str x11, [x1]
    ldp d14, d15, [sp, #144]
    .cfi_same_value d14
    .cfi_same_value d15
    ldp d12, d13, [sp, #128]
    .cfi_same_value d12
    .cfi_same_value d13
    ldp d10, d11, [sp, #112]
    .cfi_same_value d10
    .cfi_same_value d11
    ldp d8, d9, [sp, #96]
    .cfi_same_value d8
    .cfi_same_value d9
    ldp x27, x28, [sp, #80]
    .cfi_same_value x27
    .cfi_same_value x28
    ldp x25, x26, [sp, #64]
    .cfi_same_value x25
    .cfi_same_value x26
    ldp x23, x24, [sp, #48]
    .cfi_same_value x23
    .cfi_same_value x24
    ldp x21, x22, [sp, #32]
    .cfi_same_value x21
    .cfi_same_value x22
    ldp x19, x20, [sp, #16]
    .cfi_same_value x19
    .cfi_same_value x20
    ldp x29, x30, [sp]
    .cfi_same_value x29
    .cfi_same_value x30
    add sp, sp, #176
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size edo_context_swap, . - edo_context_swap

/*
 * Where a new flow begins: x19 is the function, x20 its second argument, x29 is 0. The walk up the stack ends here, by
 * CFI (no return address) as by frame pointers (0). The return address of the picture points behind a nop: unwinders
 * look a return address up by the byte before it, which must lie in this function.
 */
    .globl edo_context_entry
    .hidden edo_context_entry
    .type edo_context_entry, %function
    .p2align 4
edo_context_entry:
    .cfi_startproc
    .cfi_undefined x30
    nop
.Lbegin:
    mov x1, x20
    blr x19
    brk #1
    .cfi_endproc
    .size edo_context_entry, . - edo_context_entry

/* void *edo_context_image(void *low: x0, void *top: x1, entry: x2, wrapper: x3). The highest 16 bytes are zero. */
    .globl edo_context_image
    .hidden edo_context_image
    .type edo_context_image, %function
    .p2align 4
edo_context_image:
    .cfi_startproc
    hint #34                        /* bti c */
    cmp x3, #0
    csel x3, x2, x3, eq
    adr x9, .Lbegin
    sub x0, x1, #192
    stp xzr, x9, [x0]
    stp x3, x2, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    stp xzr, xzr, [x0, #64]
    stp xzr, xzr, [x0, #80]
    stp xzr, xzr, [x0, #96]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #144]
    stp xzr, xzr, [x0, #160]
    stp xzr, xzr, [x0, #176]
    ret
    .cfi_endproc
    .size edo_context_image, . - edo_context_image

/* void edo_context_reset_fp_of_machine(void) */
    .globl edo_context_reset_fp_of_machine
    .hidden edo_context_reset_fp_of_machine
    .type edo_context_reset_fp_of_machine, %function
    .p2align 4
edo_context_reset_fp_of_machine:
    .cfi_startproc
    hint #34                        /* bti c */
    msr fpcr, xzr
    ret
    .cfi_endproc
    .size edo_context_reset_fp_of_machine, . - edo_context_reset_fp_of_machine

#if defined(__ARM_FEATURE_BTI_DEFAULT)
    .section .note.gnu.property, "a", %note
    .p2align 3
    .word 4, 16, 5          /* sizes of name and descriptor, NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .word 0xc0000000, 4, 1  /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI alone */
    .word 0
#endif

#endif

    .section .note.GNU-stack, "", %progbits
