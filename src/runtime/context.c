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
#if EDO_TSAN
#include "platform/masked.h"
#include <sys/epoll.h>
#include <sys/time.h>
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
#endif

#if EDO_TSAN
static _Thread_local sigset_t signals_before; /* of the thread that is at a switch */

/* Those that the running flow has got. The checker knows this call "merely to process pending signals" (its source). */
static void deliver_signals(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
}

/*
 * At its first call that may block the checker makes room for a flow's signals, and one that came meanwhile would be
 * lost. So this is the first, made while the thread blocks them.
 */
static void make_room_for_signals(void)
{
    struct epoll_event event;

    epoll_wait(-1, &event, 1, 0);
}

/* While the checker makes a fiber and unmakes one it takes that for the running one: a signal would be that one's. */
static void *make_fiber(void)
{
    sigset_t before;
    void *fiber;

    edo_mask_signals(&before);
    fiber = __tsan_create_fiber(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return fiber;
}

static void unmake_fiber(void *fiber)
{
    sigset_t before;

    edo_mask_signals(&before);
    __tsan_destroy_fiber(fiber);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((no_sanitize_thread, noinline)) void *edo_context_depart(const struct edo_context *to)
{
    edo_mask_signals(&signals_before);
    deliver_signals();
    return to->fiber;
}

__attribute__((no_sanitize_thread, noinline)) void edo_context_arrive(void)
{
    pthread_sigmask(SIG_SETMASK, &signals_before, NULL);
}
#endif

#if EDO_ASAN || EDO_TSAN
/* The first code on a new stack: the switch that led here is not over for the checkers before they are told. */
static void arrive(void *baton, void (*entry)(void *baton))
{
#if EDO_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
#if EDO_TSAN
    make_room_for_signals();
    edo_context_arrive();
#endif
    entry(baton);
    __builtin_unreachable();
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
    make_room_for_signals();
#endif
}

void edo_context_forget(struct edo_context *context)
{
    *context = (struct edo_context){.sp = NULL};
}

void edo_context_prepare(struct edo_context *context, void *low, size_t size, size_t colour, void (*entry)(void *baton))
{
    void (*wrapper)(void *, void (*)(void *)) = NULL;

    assert(colour % 16 == 0 && colour < size);
#if EDO_ASAN
    /* Frames that a flow left behind when it ended are still poisoned. */
    __asan_unpoison_memory_region(low, size);
    context->low = low;
    context->size = size;
#endif
#if EDO_ASAN || EDO_TSAN
    wrapper = arrive;
#endif
#if EDO_TSAN
    /*
     * One per flow, not per stack: a flow that ends does so below some frames, which the fiber's own call stack keeps,
     * so a fiber used again would grow until it overflows.
     */
    context->fiber = make_fiber();
#endif
    context->sp = edo_context_image(low, edo_context_top(low, size, colour), entry, wrapper);
}

void edo_context_finish(struct edo_context *context)
{
#if EDO_TSAN
    if (context->fiber)
        unmake_fiber(context->fiber);
#endif
    *context = (struct edo_context){.sp = NULL};
}
