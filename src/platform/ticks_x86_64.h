/* SPDX-License-Identifier: MIT */
/* The time stamp counter: see ticks.h. */
static inline uint64_t edo_ticks(void)
{
    return __builtin_ia32_rdtsc();
}
