/* SPDX-License-Identifier: MIT */
/*
 * The semaphore: the order of big and small wishes, what those who give up leave to the others, adjusting, and bounds.
 */
#include "runtime/helpers.h"

#include <pthread.h>

static edo_semaphore semaphore;
static int order[64], count;

static int reset_virtual(void **state)
{
    edo_semaphore_init(&semaphore, 0);
    count = 0;
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

/* Acquires as many permits as the argument says, and keeps them. */
static int acquires(void *argument)
{
    int permits = (int)(intptr_t)argument;

    CHECK_RC(edo_semaphore_acquire(&semaphore, permits), 0);
    order[count++] = permits;
    return 0;
}

static void spawn_acquire(edo_scope *scope, int permits)
{
    CHECK_RC(edo_spawn(scope, acquires, (void *)(intptr_t)permits), 0);
    edo_yield();
}

static int order_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_acquire(scope, 5);
        spawn_acquire(scope, 1);
        spawn_acquire(scope, 2);
        spawn_acquire(scope, 3);
        CHECK_RC(edo_semaphore_release(&semaphore, 4), 0); /* not enough for the first, and none passes it */
        edo_yield();
        CHECK_RC(count, 0);
        CHECK_RC(edo_semaphore_try_acquire(&semaphore, 1), -EBUSY);
        CHECK_RC(edo_semaphore_available(&semaphore), 4);
        CHECK_RC(edo_semaphore_release(&semaphore, 4), 0); /* for 5, 1 and 2 */
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 3);
        CHECK_RC(edo_semaphore_available(&semaphore), 0);
        CHECK_RC(edo_semaphore_release(&semaphore, 4), 0);
    }
    CHECK_RC(order[0] + order[1] + order[2], 8);
    CHECK_RC(order[3], 3);
    CHECK_RC(edo_semaphore_available(&semaphore), 1);
    CHECK_RC(edo_semaphore_try_acquire(&semaphore, 1), 0);
    return rc;
}

static void test_a_big_wish_is_not_passed_by_small_ones(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_root, NULL), 0);
}

/* --- Giving up ---------------------------------------------------------------------------------------------------- */

struct patience {
    int permits;
    int64_t timeout, deadline;
    int rc;
};

static int waits_in_vain(void *argument)
{
    struct patience *patience = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .timeout = patience->timeout) {
        patience->rc = patience->deadline
                           ? edo_semaphore_acquire_until(&semaphore, patience->permits, patience->deadline)
                           : edo_semaphore_acquire(&semaphore, patience->permits);
        (void)scope;
    }
    return 0;
}

static int in_vain_root(void *argument)
{
    struct patience cancelled = {.permits = 10, .timeout = EDO_MS(2)};
    struct patience late = {.permits = 10, .deadline = edo_now() + EDO_MS(4)};
    int rc = 0;

    (void)argument;
    edo_semaphore_release(&semaphore, 2);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits_in_vain, &cancelled), 0);
        CHECK_RC(edo_spawn(scope, waits_in_vain, &late), 0);
        edo_yield();
        spawn_acquire(scope, 1);
        edo_sleep(EDO_MS(3));
        CHECK_RC(cancelled.rc, -ECANCELED);
        CHECK_RC(count, 0); /* the second still stands before it */
        edo_sleep(EDO_MS(2));
        CHECK_RC(late.rc, -ETIMEDOUT);
        CHECK_RC(count, 1); /* nobody brought a permit: those that gave up let it through */
    }
    CHECK_RC(edo_semaphore_available(&semaphore), 1);
    CHECK_RC(edo_semaphore_try_acquire(&semaphore, 1), 0); /* and there is no line any more */
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_semaphore_acquire(&semaphore, 0), -ECANCELED);
    CHECK_RC(edo_semaphore_release(&semaphore, 1), 0);
    CHECK_RC(edo_semaphore_acquire(&semaphore, 1), -ECANCELED);
    CHECK_RC(edo_semaphore_try_acquire(&semaphore, 1), 0);
    return rc;
}

static void test_c3_a_cancelled_acquire_has_taken_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_alone(in_vain_root, NULL), 0);
}

/* Permits were granted, then the cancellation came: the acquire has happened. */
static edo_scope *victim;

static int acquires_in_a_scope(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        victim = scope;
        *(int *)argument = edo_semaphore_acquire(&semaphore, 2);
    }
    return 0;
}

static int granted_root(void *argument)
{
    int result = 1;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, acquires_in_a_scope, &result), 0);
        edo_yield();
        edo_semaphore_release(&semaphore, 2);
        edo_scope_cancel(victim);
    }
    CHECK_RC(result, 0);
    CHECK_RC(edo_semaphore_available(&semaphore), 0);
    return rc;
}

static void test_c2_what_was_granted_is_taken_though_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_alone(granted_root, NULL), 0);
}

/* --- Adjusting, and bounds ---------------------------------------------------------------------------------------- */

static int adjust_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_semaphore_release(&semaphore, 3);
        CHECK_RC(edo_semaphore_adjust(&semaphore, -5), 0);
        CHECK_RC(edo_semaphore_available(&semaphore), -2);
        CHECK_RC(edo_semaphore_try_acquire(&semaphore, 1), -EBUSY);
        spawn_acquire(scope, 1);
        CHECK_RC(edo_semaphore_adjust(&semaphore, -1), 0); /* with a line */
        CHECK_RC(edo_semaphore_available(&semaphore), -3);
        CHECK_RC(edo_semaphore_release(&semaphore, 3), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 0);
        CHECK_RC(edo_semaphore_adjust(&semaphore, 1), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 1);
    }
    CHECK_RC(edo_semaphore_available(&semaphore), 0);
    return rc;
}

static void test_adjusting_makes_fewer_or_more(void **state)
{
    (void)state;
    assert_int_equal(run_alone(adjust_root, NULL), 0);
}

static int line_bounds_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_acquire(scope, 1);
        CHECK_RC(edo_semaphore_release(&semaphore, EDO_SEMAPHORE_MOST + 1), -EOVERFLOW);
        CHECK_RC(edo_semaphore_release(&semaphore, 1), 0);
    }
    return rc;
}

static void test_f2_numbers_out_of_bounds_are_refused(void **state)
{
    (void)state;
    assert_int_equal(edo_semaphore_acquire(&semaphore, -1), -EINVAL);
    assert_int_equal(edo_semaphore_try_acquire(&semaphore, -1), -EINVAL);
    assert_int_equal(edo_semaphore_acquire(&semaphore, EDO_SEMAPHORE_MOST + 1), -EINVAL);
    assert_int_equal(edo_semaphore_release(&semaphore, -1), -EINVAL);
    assert_int_equal(edo_semaphore_acquire(&semaphore, 0), 0);
    assert_int_equal(edo_semaphore_try_acquire(&semaphore, 0), 0);
    assert_int_equal(edo_semaphore_release(&semaphore, EDO_SEMAPHORE_MOST), 0);
    assert_int_equal(edo_semaphore_release(&semaphore, 1), -EOVERFLOW);
    assert_int_equal(edo_semaphore_release(&semaphore, INT64_MAX), -EOVERFLOW);
    assert_int_equal(edo_semaphore_acquire(&semaphore, EDO_SEMAPHORE_MOST), 0);
    assert_int_equal(edo_semaphore_adjust(&semaphore, -EDO_SEMAPHORE_MOST), 0);
    assert_int_equal(edo_semaphore_adjust(&semaphore, -1), -EOVERFLOW);
    assert_int_equal(edo_semaphore_adjust(&semaphore, INT64_MIN), -EOVERFLOW);
    assert_int_equal(edo_semaphore_available(&semaphore), -EDO_SEMAPHORE_MOST);
    assert_int_equal(edo_semaphore_adjust(&semaphore, EDO_SEMAPHORE_MOST), 0);
    assert_int_equal(run_alone(line_bounds_root, NULL), 0);
}

/* --- A crowd ------------------------------------------------------------------------------------------------------ */

enum { PERMITS = 5 };
static _Atomic int out;

static void hammer(uint64_t random, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        int permits = 1 + (int)(edo_test_random(&random) % PERMITS);

        CHECK_RC(edo_semaphore_acquire(&semaphore, permits), 0);
        CHECK(atomic_fetch_add(&out, permits) + permits <= PERMITS);
        if (edo_in_task() && i % 16 == 0)
            edo_yield();
        atomic_fetch_sub(&out, permits);
        CHECK_RC(edo_semaphore_release(&semaphore, permits), 0);
    }
}

static int hammers(void *argument)
{
    hammer((uintptr_t)argument, edo_test_rounds(10000));
    return 0;
}

static void *thread_hammers(void *argument)
{
    hammer((uintptr_t)argument, edo_test_rounds(10000));
    return NULL;
}

static int crowd(void *argument)
{
    pthread_t threads[2];
    int rc = 0;

    (void)argument;
    edo_semaphore_init(&semaphore, PERMITS);
    for (int i = 0; i < 2; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, thread_hammers, (void *)(uintptr_t)(i + 1)), 0);
    EDO_SCOPE (scope, &rc)
        for (uintptr_t i = 0; i < 6; i++)
            CHECK_RC(edo_spawn(scope, hammers, (void *)(i + 10)), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_RC(edo_semaphore_available(&semaphore), PERMITS);
    return rc;
}

static void test_there_are_never_more_permits_out_than_there_are(void **state)
{
    (void)state;
    assert_int_equal(run_alone(crowd, NULL), 0);
    assert_int_equal(run(crowd, NULL), 0);
}

static int finishes_waited_for(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_acquire(scope, 1);
        edo_semaphore_finish(&semaphore);
    }
    return rc;
}

static void test_f2_finishing_a_semaphore_that_is_waited_for_is_told(void **state)
{
    (void)state;
    edo_semaphore_init(&semaphore, 0);
    assert_misuse(finishes_waited_for, NULL, "finished that is waited for");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_a_big_wish_is_not_passed_by_small_ones),
        alone_test(test_c3_a_cancelled_acquire_has_taken_nothing),
        alone_test(test_c2_what_was_granted_is_taken_though_cancelled),
        alone_test(test_adjusting_makes_fewer_or_more),
        alone_test(test_f2_numbers_out_of_bounds_are_refused),
        cmocka_unit_test(test_there_are_never_more_permits_out_than_there_are),
        cmocka_unit_test(test_f2_finishing_a_semaphore_that_is_waited_for_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
