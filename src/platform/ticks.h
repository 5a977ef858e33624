/* SPDX-License-Identifier: MIT */
/*
 * The processor's own clock, for what is noted too often to ask the kernel's: one instruction, which counts at some
 * constant rate that nobody says. Two moments at which both clocks were read tell it (edo_ticks_time). Not in the
 * platform's table: what it tells is shown to people, and nothing is decided by it.
 */
#ifndef EDO_PLATFORM_TICKS_H
#define EDO_PLATFORM_TICKS_H

#include <stdint.h>

#if defined(__x86_64__)
#include "platform/ticks_x86_64.h"
#elif defined(__aarch64__)
#include "platform/ticks_aarch64.h"
#else
#include "platform/platform.h"

static inline uint64_t edo_ticks(void)
{
    return (uint64_t)edo_platform_system.now();
}
#endif

/* One moment by both clocks. */
struct edo_moment {
    uint64_t ticks;
    int64_t time; /* ns, of the system's clock */
};

/* When it was `ticks`, by two moments that are apart; beyond them, too. */
static inline int64_t edo_ticks_time(uint64_t ticks, const struct edo_moment *from, const struct edo_moment *to)
{
    int64_t between = (int64_t)(to->ticks - from->ticks);

    if (between <= 0)
        return to->time;
    return to->time -
           (int64_t)((double)(int64_t)(to->ticks - ticks) * ((double)(to->time - from->time) / (double)between));
}

#endif
