/* SPDX-License-Identifier: MIT */
/*
 * The switch for x86-64 (System V ABI). See context.h.
 *
 * A suspended flow looks like this, from sp upwards; edo_context_image draws the same picture for one that has not run:
 *
 *     -8  mxcsr (4 bytes), x87 control word (2): below sp, where signals do not write either (the ABI's red zone)
 *      0  where the function that has called the switch returns to
 *      8  rbp
 *     16  return address
 *     24  of one that has not run: the function to call, its second argument, 16 bytes of zero
 *
 * The other registers that the ABI calls callee-saved are the caller's business (context_x86_64.h): it knows which of
 * them it uses, and has mostly saved those already.
 *
 * The second is handed on when the flow is resumed: into the context's sp, which is free until the next switch. It
 * tells reports of stalls where a task has waited last (observe/stall.c), and costs nothing: a push and a pop in place
 * of what moved rsp.
 *
 * Both stacks have the same layout while they are swapped, so one set of unwind rules (CFI) is right on either side of
 * the load of rsp: at every instruction an unwinder finds the callers of the flow that rsp belongs to. It works on a
 * suspended context too: take rip = edo_context_suspended and rsp = context->sp.
 *
 * Returns by `ret`, so that the processor's stack of return addresses is right for the callers further out. A flow that
 * is begun by edo_context_start and ends by edo_context_leave without having been switched away from leaves that stack
 * as it found it: it is entered, and left, by jumps.
 *
 * Shadow stacks are not switched, so the object does not carry the SHSTK mark, and the loader turns them off. There is
 * no indirect jump without a landing pad; the IBT mark is carried where the rest of the build does.
 */
#if defined(__x86_64__) && !defined(__ILP32__) && !defined(EDO_CONTEXT_UCONTEXT)

/* To an unwinder the caller's registers are nowhere: their values are of another flow behind the load of rsp. */
    .macro NOT_KEPT
    .cfi_undefined %rax
    .cfi_undefined %rbx
    .cfi_undefined %rcx
    .cfi_undefined %rdx
    .cfi_undefined %rsi
    .cfi_undefined %rdi
    .cfi_undefined %r8
    .cfi_undefined %r9
    .cfi_undefined %r10
    .cfi_undefined %r11
    .cfi_undefined %r12
    .cfi_undefined %r13
    .cfi_undefined %r14
    .cfi_undefined %r15
    .endm

    .text

/*
 * void *edo_context_start(struct edo_context *from: rdi, void *top: rsi, entry: rcx, void *baton: rax)
 *
 * The new stack gets what edo_context_entry leaves on it: 16 bytes of zero, and where entry's caller seems to be.
 */
    .globl edo_context_start
    .hidden edo_context_start
    .type edo_context_start, @function
    .p2align 4
edo_context_start:
    .cfi_startproc
    NOT_KEPT
    leaq .Lreturned(%rip), %rdx
    movq %rdx, -24(%rsi)
    movq $0, -16(%rsi)
    movq $0, -8(%rsi)
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq 8(%rbp)
    .cfi_adjust_cfa_offset 8
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)
    movq %rsp, (%rdi)
    leaq -24(%rsi), %rsp
    .cfi_adjust_cfa_offset -16
    .cfi_same_value %rbp
    ldmxcsr .Lmxcsr(%rip)
    fldcw .Lcontrol(%rip)
    xorl %ebp, %ebp
    movq %rax, %rdi
    jmp *%rcx
    .cfi_endproc
    .size edo_context_start, . - edo_context_start

    .section .rodata
    .p2align 2
.Lmxcsr:
    .long 0x1f80
.Lcontrol:
    .long 0x037f
    .text

/* void *edo_context_swap(struct edo_context *from: rdi, struct edo_context *to: rsi, void *baton: rax) */
    .globl edo_context_swap
    .hidden edo_context_swap
    .globl edo_context_suspended
    .hidden edo_context_suspended
    .type edo_context_swap, @function
    .p2align 4
edo_context_swap:
    .cfi_startproc
    NOT_KEPT
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq 8(%rbp)
    .cfi_adjust_cfa_offset 8
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
edo_context_suspended:
    ldmxcsr -8(%rsp)
    fldcw -4(%rsp)
    popq (%rsi)
    .cfi_adjust_cfa_offset -8
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_same_value %rbp
    ret
    .cfi_endproc
    .size edo_context_swap, . - edo_context_swap

/*
 * Where a flow begins that was suspended before it has run: rax is the baton, rbp is 0. The walk up the stack ends
 * here, by CFI (no return address) as by frame pointers (0). Unwinders look a return address up by the byte before it,
 * which must lie in this function: that of the picture points behind an instruction that nobody executes, that of the
 * function called to one.
 */
    .globl edo_context_entry
    .hidden edo_context_entry
    .type edo_context_entry, @function
    .p2align 4
edo_context_entry:
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_def_cfa %rsp, 0
    ud2
.Lbegin:
    movq %rax, %rdi
    popq %rcx
    popq %rsi
    leaq .Lreturned(%rip), %rdx
    pushq %rdx
    jmp *%rcx
.Lreturned:
    ud2
    .cfi_endproc
    .size edo_context_entry, . - edo_context_entry

/* void *edo_context_image(void *low: rdi, void *top: rsi, entry: rdx, wrapper: rcx). The highest 16 bytes are zero. */
    .globl edo_context_image
    .hidden edo_context_image
    .type edo_context_image, @function
    .p2align 4
edo_context_image:
    .cfi_startproc
    endbr64
    testq %rcx, %rcx
    cmovzq %rdx, %rcx
    leaq .Lbegin(%rip), %r8
    leaq -56(%rsi), %rax
    xorl %edi, %edi
    movl $0x1f80, -8(%rax)
    movl $0x037f, -4(%rax)
    movq %rdi, (%rax)
    movq %rdi, 8(%rax)
    movq %r8, 16(%rax)
    movq %rcx, 24(%rax)
    movq %rdx, 32(%rax)
    movq %rdi, 40(%rax)
    movq %rdi, 48(%rax)
    ret
    .cfi_endproc
    .size edo_context_image, . - edo_context_image

#if defined(__CET__) && (__CET__ & 1)
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4, 16, 5          /* sizes of name and descriptor, NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000002, 4, 1  /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT alone */
    .long 0
#endif

#endif

    .section .note.GNU-stack, "", @progbits
