/* SPDX-License-Identifier: MIT */
/* The virtual counter: see ticks.h. */
static inline uint64_t edo_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
