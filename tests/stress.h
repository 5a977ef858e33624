/* SPDX-License-Identifier: MIT */
/*
 * What every stress test has in common: how long it runs, the seed of its choices, and random numbers made of it.
 *
 * EDO_TEST_SECONDS says how long one test case runs (default 2), EDO_TEST_SEED repeats a run's choices. The seed is
 * printed when it is first asked for. The generator belongs to whoever holds it: one a thread or task.
 */
#ifndef EDO_TESTS_STRESS_H
#define EDO_TESTS_STRESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef EDO_TEST_SCALE
#define EDO_TEST_SCALE 1
#endif

/* How long a stress test case runs, in ns. */
static inline int64_t edo_test_duration(void)
{
    const char *seconds = getenv("EDO_TEST_SECONDS");

    return (int64_t)((seconds ? atof(seconds) : 2.0) * 1e9);
}

/* So many rounds as are reasonable under this build's sanitizer or emulator: `rounds` at full speed, at least 1. */
static inline int edo_test_rounds(int rounds)
{
    return rounds / EDO_TEST_SCALE > 0 ? rounds / EDO_TEST_SCALE : 1;
}

/* The seed of this process. */
static inline uint64_t edo_test_seed(void)
{
    static uint64_t seed;
    const char *given = getenv("EDO_TEST_SEED");
    struct timespec now;

    if (seed)
        return seed;
    if (given) {
        seed = strtoull(given, NULL, 0);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000007 ^ (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid();
    }
    seed += seed == 0;
    printf("# EDO_TEST_SEED=0x%llx\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* The next number of a generator (splitmix64); start it with edo_test_seed() + the number of the task or thread. */
static inline uint64_t edo_test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
