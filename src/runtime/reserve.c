/* SPDX-License-Identifier: MIT */
/*
 * One spare thread is kept in reserve, made before it is needed: a task may stall with a lock that making a thread
 * wants, the allocator's for instance. Then making the next one takes as long as that stall; so it is not the monitor
 * that makes it, which has to see to the other workers, but a thread of its own, which may hang.
 *
 * The word `state` goes from RESTS to MAKES by the monitor, and back by the thread itself, so that one is asked for at
 * a time; to STOPS for good by whoever ends the runtime. Both sides sleep on it. The monitor waits for a moment: as a
 * rule the thread is there by then, and the next hand-off need not be put off.
 */
#include "runtime/reserve.h"
#include "runtime/runtime.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>
#include <limits.h>

static bool edo_reserve_moves(struct edo_reserve *reserve, uint32_t from, uint32_t to)
{
    if (!__atomic_compare_exchange_n(&reserve->state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    edo_platform->futex_wake(&reserve->state, INT_MAX);
    return true;
}

static void *edo_reserve_main(void *argument)
{
    struct edo_runtime *runtime = (struct edo_runtime *)argument;
    struct edo_reserve *reserve = &runtime->reserve;
    uint32_t state;

    while ((state = __atomic_load_n(&reserve->state, __ATOMIC_ACQUIRE)) != EDO_RESERVE_STOPS) {
        if (state == EDO_RESERVE_RESTS) {
            edo_platform->futex_wait(&reserve->state, EDO_RESERVE_RESTS, EDO_FOREVER);
            continue;
        }
        edo_threads_reserve(runtime);
        edo_reserve_moves(reserve, EDO_RESERVE_MAKES, EDO_RESERVE_RESTS);
    }
    return NULL;
}

void edo_reserve_keep(struct edo_runtime *runtime, int64_t patience)
{
    struct edo_reserve *reserve = &runtime->reserve;
    int64_t end;

    if (!reserve->started || !edo_threads_want_reserve(runtime) ||
        !edo_reserve_moves(reserve, EDO_RESERVE_RESTS, EDO_RESERVE_MAKES))
        return;
    end = edo_platform->now() + patience;
    while (__atomic_load_n(&reserve->state, __ATOMIC_ACQUIRE) == EDO_RESERVE_MAKES &&
           edo_platform->futex_wait(&reserve->state, EDO_RESERVE_MAKES, end) != -ETIMEDOUT)
        ;
}

int edo_reserve_start(struct edo_runtime *runtime)
{
    enum { EDO_RESERVE_STACK = 64 * 1024 };
    struct edo_reserve *reserve = &runtime->reserve;
    int rc;

    if (runtime->options.pinned)
        return 0;
    rc = edo_masked_thread_start(edo_platform, &reserve->thread, EDO_RESERVE_STACK, edo_reserve_main, runtime);
    reserve->started = rc == 0;
    return rc;
}

void edo_reserve_stop(struct edo_runtime *runtime)
{
    struct edo_reserve *reserve = &runtime->reserve;

    if (!reserve->started)
        return;
    __atomic_store_n(&reserve->state, EDO_RESERVE_STOPS, __ATOMIC_SEQ_CST);
    edo_platform->futex_wake(&reserve->state, INT_MAX);
    pthread_join(reserve->thread, NULL);
    reserve->started = false;
}
