/* SPDX-License-Identifier: MIT */
/*
 * Flows of control and the switch between them (rules K3, K4).
 *
 * Invariant: a context is either running, on one OS thread, or suspended, and then all that its flow needs lies on its
 * stack, below it nothing. Whoever may resume it owns it: hand it to another thread only by something that orders
 * memory (release and acquire), and only after it has been switched away from ("publish after the switch").
 *
 * After edo_context_switch returns, the flow may be on another OS thread. It learns where it is from the baton, never
 * from a thread-local. The switch keeps what the ABI calls callee-saved, FP control words (rounding, exception masks,
 * flush to zero) included, and nothing else: the signal mask belongs to the thread.
 *
 * While a flow runs that has been resumed, its context's sp is of no use, and free: there stands where it last waited,
 * for reports (task.h). On x86-64 the switch leaves there to where the function returns that had called it; on aarch64,
 * what stood there before. Of a flow that has never waited it points to its stack, or is NULL; with ucontext it does so
 * after each switch.
 *
 * struct edo_context is plain data: it may be moved by copying while its flow runs, not while it is suspended.
 *
 * The switch itself is edo_context_swap, in context_x86_64.S, context_aarch64.S or, anywhere else and when built with
 * -DEDO_CONTEXT_UCONTEXT, context_ucontext.c. Each file empties itself where another is used. (With ucontext a new flow
 * starts with the FP control words of whoever prepared it; with assembly, with those of a new program.)
 */
#ifndef EDO_RUNTIME_CONTEXT_H
#define EDO_RUNTIME_CONTEXT_H

#include <edo/base.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/sanitizer.h"

struct edo_context {
    /* where the registers of the suspended flow lie; first, the assembly relies on it. Of a running one see below */
    void *sp;
#if EDO_ASAN
    const void *low; /* the stack's bounds */
    size_t size;
#endif
#if EDO_TSAN
    void *fiber;
#endif
};

/* Turns the calling thread's own flow into a context that others can switch back to. */
void edo_context_adopt(struct edo_context *context);

/* The opposite of adopt, on the same thread. */
void edo_context_forget(struct edo_context *context);

/*
 * Makes `context` start in entry(baton) on the stack [low, low + size) without the `colour` bytes at its top (a
 * multiple of 16), when it is first switched to. entry never returns. Touches the stack's highest bytes only.
 */
void edo_context_prepare(struct edo_context *context, void *low, size_t size, size_t colour,
                         void (*entry)(void *baton));

/* Where such a flow begins. */
static inline void *edo_context_top(void *low, size_t size, size_t colour)
{
    return (void *)((((uintptr_t)low + size) & ~(uintptr_t)15) - colour);
}

/*
 * Frees what checkers keep of a context whose flow has ended, or will never run again. Not of the running one. The
 * stack may be reused before that.
 */
void edo_context_finish(struct edo_context *context);

/*
 * Sets the calling flow's FP control words to those of a new program: for a flow that begins another task's work
 * without a switch. Does nothing with ucontext.
 */
static inline void edo_context_reset_fp(void);

/*
 * The bare switch (called by edo_context_call_swap alone: how registers are divided between it and its caller is a
 * matter of the machine), and the picture of a suspended flow that starts in entry(baton), or, if `wrapper` is not
 * NULL, in wrapper(baton, entry). `top` is a multiple of 16. For the functions below and context.c.
 */
void *edo_context_swap(struct edo_context *from, struct edo_context *to, void *baton);
void *edo_context_image(void *low, void *top, void (*entry)(void *baton),
                        void (*wrapper)(void *baton, void (*entry)(void *baton)));

#if defined(__x86_64__) && !defined(__ILP32__) && !defined(EDO_CONTEXT_UCONTEXT)
#include "runtime/context_x86_64.h"
#else

enum { EDO_CONTEXT_NOTES = 0, EDO_CONTEXT_STARTS = 0 };

static inline __attribute__((always_inline)) void *edo_context_call_swap(struct edo_context *from,
                                                                         struct edo_context *to, void *baton)
{
    return edo_context_swap(from, to, baton);
}

static inline __attribute__((always_inline)) void edo_context_call_leave(struct edo_context *from,
                                                                         struct edo_context *to, void *baton)
{
    edo_context_swap(from, to, baton);
}

static inline void *edo_context_call_start(struct edo_context *from, void *top, void (*entry)(void *baton), void *baton)
{
    (void)from, (void)top, (void)entry; /* there is no such way here */
    return baton;
}

void edo_context_reset_fp_of_machine(void);

static inline void edo_context_reset_fp(void)
{
    edo_context_reset_fp_of_machine();
}

#endif

#if EDO_TSAN
/*
 * A signal that comes is kept back until the flow that got it calls something that the checker knows. If that flow was
 * left meanwhile, it would have the signal until it is resumed, or for good. So what has come is delivered before a
 * switch, and none comes during one: the thread blocks all, from departing to arriving.
 *
 * depart returns to->fiber, read unseen: whoever owns `to` next is not ordered after this read by anything the checker
 * knows of.
 */
void *edo_context_depart(const struct edo_context *to);
void edo_context_arrive(void);
#endif

/*
 * Saves the running flow in `from` and resumes `to`, handing it `baton`. Returns, on the resumption of `from`, the
 * baton which that switch handed over.
 *
 * Always inlined: ThreadSanitizer keeps a call stack per fiber, so between its switch and ours no instrumented function
 * may return or be entered. The switch orders (0): flows that follow each other on a thread hand on what it owns.
 */
static inline __attribute__((always_inline)) void *edo_context_switch(struct edo_context *from, struct edo_context *to,
                                                                      void *baton)
{
#if EDO_ASAN
    void *fake_stack;

    __sanitizer_start_switch_fiber(&fake_stack, to->low, to->size);
#endif
#if EDO_TSAN
    __tsan_switch_to_fiber(edo_context_depart(to), 0);
#endif
    baton = edo_context_call_swap(from, to, baton);
#if EDO_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
#if EDO_TSAN
    edo_context_arrive();
#endif
    return baton;
}

/*
 * Prepares `to`, as edo_context_prepare does, and switches to it. Where there is an assembly file that can, no picture
 * of a suspended flow is drawn for that.
 */
static inline __attribute__((always_inline)) void *edo_context_begin(struct edo_context *from, struct edo_context *to,
                                                                     void *low, size_t size, size_t colour,
                                                                     void (*entry)(void *baton), void *baton)
{
    if (EDO_CONTEXT_STARTS) {
        void *top = edo_context_top(low, size, colour);

        to->sp = (char *)top - 1; /* on its stack: it has not waited */
        return edo_context_call_start(from, top, entry, baton);
    }
    edo_context_prepare(to, low, size, colour, entry);
    return edo_context_switch(from, to, baton);
}

/* Leaves the running flow for good; its stack may be reused as soon as `to` runs. */
static inline __attribute__((always_inline)) EDO_NORETURN void edo_context_leave(struct edo_context *from,
                                                                                 struct edo_context *to, void *baton)
{
#if EDO_ASAN
    __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
#if EDO_TSAN
    __tsan_switch_to_fiber(edo_context_depart(to), 0);
#endif
    edo_context_call_leave(from, to, baton);
    __builtin_unreachable();
}

#endif
