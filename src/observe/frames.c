/* SPDX-License-Identifier: MIT */
/*
 * Walking up a stack by frame pointers. See frames.h.
 *
 * A frame is two words, on x86-64 as on aarch64: the frame pointer of the caller, then the return address. The words are read
 * unseen by the checkers: others write them at the same time, and much of a stack is poisoned for ASan.
 */
#include "observe/frames.h"
#include "runtime/context.h"

#define EDO_UNSEEN __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

/* A word of the stack that the caller has found to be within its bounds. */
EDO_UNSEEN static uintptr_t edo_frame_word(uintptr_t address)
{
    return *(const volatile uintptr_t *)address;
}

EDO_UNSEEN static uintptr_t edo_frame_stack_pointer(const struct edo_context *context)
{
    return (uintptr_t) * (void *const volatile *)&context->sp;
}

/* Whether `count` words are there at an address. */
static bool edo_frame_within(uintptr_t address, size_t count, uintptr_t low, uintptr_t high)
{
    return address != 0 && address % sizeof(uintptr_t) == 0 && address >= low && address < high &&
           (high - address) / sizeof(uintptr_t) >= count;
}

void edo_frames_walk(struct edo_frames *out, uintptr_t pc, uintptr_t fp, uintptr_t low, uintptr_t high)
{
    out->count = 0;
    out->whole = false;
    while (pc && out->count < EDO_FRAMES_MOST) {
        uintptr_t outer;

        out->pc[out->count++] = pc;
        out->whole = fp == 0; /* so a flow begins (runtime/context.h) */
        if (!edo_frame_within(fp, 2, low, high))
            return;
        outer = edo_frame_word(fp);
        pc = edo_frame_word(fp + sizeof(uintptr_t));
        if (outer && outer <= fp)
            outer = 1; /* nowhere: what it returned to is still worth a line */
        fp = outer;
    }
}

void edo_frames_of_context(struct edo_frames *out, const struct edo_context *context, uintptr_t low, uintptr_t high)
{
    uintptr_t sp = edo_frame_stack_pointer(context);

    out->count = 0;
    out->whole = false;
#if defined(EDO_CONTEXT_UCONTEXT)
    (void)sp, (void)low, (void)high;
#elif defined(__x86_64__) &&                                                                                           \
    !defined(__ILP32__) /* the picture in context_x86_64.S: FP control words, rbp, return address */
    if (edo_frame_within(sp, 3, low, high))
        edo_frames_walk(out, edo_frame_word(sp + 16), edo_frame_word(sp + 8), low, high);
#elif defined(__aarch64__) && !defined(__ILP32__) /* that in context_aarch64.S begins with x29 and x30 */
    if (edo_frame_within(sp, 2, low, high))
        edo_frames_walk(out, edo_frame_word(sp + 8), edo_frame_word(sp), low, high);
#else
    (void)sp, (void)low, (void)high;
#endif
}
