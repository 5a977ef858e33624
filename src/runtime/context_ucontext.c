/* SPDX-License-Identifier: MIT */
/*
 * The switch for machines without an assembly file, by swapcontext: some 300 ns, as it saves the signal mask too. See
 * context.h.
 *
 * A suspended flow's record lies in the frame of its own edo_context_swap, or, before its first run, at the top of its
 * stack. context->sp points to it. The baton travels in the record of the flow that is resumed, since a thread-local
 * could be another thread's by then.
 */
#include "runtime/context.h"

#if defined(EDO_CONTEXT_UCONTEXT) || !((defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__))

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

struct suspended {
    ucontext_t registers;
    void *baton;
    void (*entry)(void *baton);
    void (*wrapper)(void *baton, void (*entry)(void *baton));
};

/*
 * A flow's first function, named as in the assembly files: a walk up a stack ends there (observe/walk.c). makecontext
 * passes ints only, so the pointer to the record comes in two halves.
 */
void edo_context_entry(unsigned high, unsigned low);

void edo_context_entry(unsigned high, unsigned low)
{
    struct suspended *self = (struct suspended *)(uintptr_t)((uint64_t)high << 32 | low);

    if (self->wrapper)
        self->wrapper(self->baton, self->entry);
    else
        self->entry(self->baton);
    abort(); /* entry never returns */
}

void *edo_context_swap(struct edo_context *from, struct edo_context *to, void *baton)
{
    struct suspended self;
    struct suspended *other = (struct suspended *)to->sp;

    from->sp = &self;
    other->baton = baton;
    swapcontext(&self.registers, &other->registers);
    return self.baton;
}

void edo_context_reset_fp_of_machine(void)
{
}

void *edo_context_image(void *low, void *top, void (*entry)(void *baton),
                        void (*wrapper)(void *baton, void (*entry)(void *baton)))
{
    uintptr_t place = ((uintptr_t)top - sizeof(struct suspended)) & ~(uintptr_t)63;
    struct suspended *self = (struct suspended *)place;

    getcontext(&self->registers);
    self->registers.uc_link = NULL;
    self->registers.uc_stack.ss_sp = low;
    self->registers.uc_stack.ss_size = place - (uintptr_t)low;
    self->entry = entry;
    self->wrapper = wrapper;
    makecontext(&self->registers, (void (*)(void))edo_context_entry, 2, (unsigned)((uint64_t)place >> 32),
                (unsigned)(place & UINT32_MAX));
    return self;
}

#endif
