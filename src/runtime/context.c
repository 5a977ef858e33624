/* SPDX-License-Identifier: MIT */
/*
 * The part of contexts that is the same on every machine: the life of a context, and what the checkers are told of it.
 * Data belongs to whoever owns the context; nothing here is shared.
 */
#include "runtime/context.h"

#include <assert.h>
#include <stdint.h>
#if EDO_ASAN
#include <pthread.h>
#endif

#if EDO_ASAN
static void find_thread_bounds(struct edo_context *context)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &low, &size);
        pthread_attr_destroy(&attributes);
    }
    context->low = low;
    context->size = size;
}

/* The first code on a new stack: the switch that led here is not over for ASan before it is told. */
static void arrive(void *baton, void (*entry)(void *baton))
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    entry(baton);
    __builtin_unreachable();
}
#endif

#if EDO_TSAN
__attribute__((no_sanitize_thread, noinline)) void *edo_context_fiber(const struct edo_context *to)
{
    return to->fiber;
}
#endif

void edo_context_adopt(struct edo_context *context)
{
    context->sp = NULL;
#if EDO_ASAN
    find_thread_bounds(context);
#endif
#if EDO_TSAN
    context->fiber = __tsan_get_current_fiber();
#endif
}

void edo_context_forget(struct edo_context *context)
{
    *context = (struct edo_context){.sp = NULL};
}

void edo_context_prepare(struct edo_context *context, void *low, size_t size, size_t colour, void (*entry)(void *baton))
{
    void (*wrapper)(void *, void (*)(void *)) = NULL;
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;

    assert(colour % 16 == 0 && colour < size);
#if EDO_ASAN
    /* Frames that a flow left behind when it ended are still poisoned. */
    __asan_unpoison_memory_region(low, size);
    context->low = low;
    context->size = size;
    wrapper = arrive;
#endif
#if EDO_TSAN
    /*
     * One per flow, not per stack: a flow that ends does so below some frames, which the fiber's own call stack keeps,
     * so a fiber used again would grow until it overflows.
     */
    context->fiber = __tsan_create_fiber(0);
#endif
    context->sp = edo_context_image(low, (void *)(top - colour), entry, wrapper);
}

void edo_context_finish(struct edo_context *context)
{
#if EDO_TSAN
    if (context->fiber)
        __tsan_destroy_fiber(context->fiber);
#endif
    *context = (struct edo_context){.sp = NULL};
}
