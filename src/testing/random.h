/* SPDX-License-Identifier: MIT */
/* Chance that a seed decides: plain arithmetic. */
#ifndef EDO_TESTING_RANDOM_H
#define EDO_TESTING_RANDOM_H

#include <stdint.h>

/* The bits of a number, well stirred (the end of splitmix64). */
static inline uint64_t edo_random_stir(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The next number (splitmix64). */
static inline uint64_t edo_random_next(uint64_t *state)
{
    return edo_random_stir(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* One of 0 to count - 1; count > 0. */
static inline uint64_t edo_random_below(uint64_t *state, uint64_t count)
{
    return edo_random_next(state) % count;
}

#endif
