/* SPDX-License-Identifier: MIT */
/* What the tests of seeded runs share: a run with each of many seeds, all of whose checks must hold. */
#ifndef EDO_TESTS_TESTING_SEEDS_H
#define EDO_TESTS_TESTING_SEEDS_H

#include "runtime/helpers.h"

#include <edo/testing.h>

/* One run with that seed: its checks must hold. Returns what it returned. */
static inline int one_seed(edo_task_fn fn, void *argument, uint64_t seed, const edo_test_options *options)
{
    edo_test_options given = options ? *options : (edo_test_options){.size = sizeof given};
    int rc;

    given.seed = seed;
    atomic_store(&test_failures, 0);
    rc = edo_test_run(fn, argument, &given);
    if (atomic_load(&test_failures) > 0)
        print_error("with seed %llu\n", (unsigned long long)seed);
    assert_int_equal(atomic_load(&test_failures), 0);
    return rc;
}

/* Runs with the seeds from 1 to `count`, which are to return 0: random schedules and priorities by turns. */
static inline void many_seeds(edo_task_fn fn, void *argument, int count, const edo_test_options *options)
{
    edo_test_options given = options ? *options : (edo_test_options){.size = sizeof given};

    for (int seed = 1; seed <= count; seed++) {
        given.schedule = seed % 2 ? EDO_SCHEDULE_RANDOM : EDO_SCHEDULE_PCT;
        assert_int_equal(one_seed(fn, argument, (uint64_t)seed, &given), 0);
    }
}

#endif
