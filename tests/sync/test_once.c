/* SPDX-License-Identifier: MIT */
/*
 * Once: done once however many come, tried again when it has failed, and by the right one.
 */
#include "runtime/helpers.h"

#include <pthread.h>

static edo_once once;
static _Atomic int runs;
static int data;
static int order[16], count;
static edo_scope *victim;

static int reset(void **state)
{
    (void)state;
    once = (edo_once)EDO_ONCE_INIT;
    runs = count = data = 0;
    return 0;
}

static int reset_virtual(void **state)
{
    reset(state);
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

/* Takes its time; returns what the argument points to. */
static int initialises(void *argument)
{
    atomic_fetch_add(&runs, 1);
    edo_sleep(EDO_MS(1));
    data++;
    return *(int *)argument;
}

struct caller {
    int number, result, rc;
};

static int calls(void *argument)
{
    struct caller *caller = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        if (caller->number == 1)
            victim = scope;
        caller->rc = edo_once_call(&once, initialises, &caller->result);
        order[count++] = caller->number;
    }
    return 0;
}

static int many_root(void *argument)
{
    struct caller callers[5];
    int rc = 0;

    (void)argument;
    CHECK(!edo_once_done(&once));
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 5; i++) {
            callers[i] = (struct caller){.number = i, .result = 3};
            CHECK_RC(edo_spawn(scope, calls, &callers[i]), 0);
        }
    for (int i = 0; i < 5; i++)
        CHECK_RC(callers[i].rc, 0);
    CHECK_RC(runs, 1);
    CHECK(edo_once_done(&once));
    CHECK_RC(edo_once_call(&once, initialises, NULL), 0);
    CHECK_RC(runs, 1);
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_once_call(&once, initialises, NULL), 0);
    once = (edo_once)EDO_ONCE_INIT;
    CHECK_RC(edo_once_call(&once, initialises, NULL), -ECANCELED);
    return rc;
}

static void test_it_is_done_once_and_all_wait_for_that(void **state)
{
    (void)state;
    assert_int_equal(run_alone(many_root, NULL), 0);
}

/* The first two fail; the third succeeds; the last two find it done. */
static int failing_root(void *argument)
{
    struct caller callers[5];
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 5; i++) {
            callers[i] = (struct caller){.number = i, .result = i < 2 ? -EIO - i : 0};
            CHECK_RC(edo_spawn(scope, calls, &callers[i]), 0);
        }
    CHECK_RC(callers[0].rc, -EIO);
    CHECK_RC(callers[1].rc, -EIO - 1);
    for (int i = 2; i < 5; i++)
        CHECK_RC(callers[i].rc, 0);
    CHECK_RC(runs, 3);
    for (int i = 0; i < 3; i++)
        CHECK_RC(order[i], i);
    return rc;
}

static int failing_alone_root(void *argument)
{
    int bad = -EIO, good = 0;

    (void)argument;
    CHECK_RC(edo_once_call(&once, initialises, &bad), -EIO);
    CHECK(!edo_once_done(&once));
    CHECK_RC(edo_once_call(&once, initialises, &good), 0);
    CHECK(edo_once_done(&once));
    return 0;
}

static void test_a_failed_initialiser_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(run_alone(failing_root, NULL), 0);
    reset(NULL);
    assert_int_equal(run_alone(failing_alone_root, NULL), 0);
}

/* The second waits and is cancelled: it has not been called there; the third has its turn when the first has failed. */
static int cancelled_root(void *argument)
{
    struct caller callers[3] = {{.number = 0, .result = -EIO}, {.number = 1}, {.number = 2}};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, calls, &callers[i]), 0);
        edo_yield();
        edo_yield();
        edo_scope_cancel(victim);
    }
    CHECK_RC(callers[0].rc, -EIO);
    CHECK_RC(callers[1].rc, -ECANCELED);
    CHECK_RC(callers[2].rc, 0);
    CHECK_RC(runs, 2);
    return rc;
}

static void test_c2_who_gives_up_waiting_has_no_turn(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_root, NULL), 0);
}

/* --- Tasks and threads -------------------------------------------------------------------------------------------- */

static edo_once many[200];
static int values[200];
static _Atomic int tries[200];

static int sets(void *argument)
{
    int i = (int)(intptr_t)argument;

    if (edo_in_task())
        edo_yield();
    if (atomic_fetch_add(&tries[i], 1) < 2)
        return -EAGAIN;
    values[i]++;
    return 0;
}

static void call_all(void)
{
    for (intptr_t i = 0; i < (intptr_t)EDO_COUNT(many); i++) {
        while (edo_once_call(&many[i], sets, (void *)i) < 0)
            ;
        CHECK_RC(values[i], 1); /* and TSan sees that it was written before */
    }
}

static int calls_all(void *argument)
{
    (void)argument;
    call_all();
    return 0;
}

static void *thread_calls_all(void *argument)
{
    call_all();
    return argument;
}

static int crowd(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    memset(many, 0, sizeof many);
    memset(values, 0, sizeof values);
    memset(tries, 0, sizeof tries);
    CHECK_RC(pthread_create(&thread, NULL, thread_calls_all, NULL), 0);
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 5; i++)
            CHECK_RC(edo_spawn(scope, calls_all, NULL), 0);
    pthread_join(thread, NULL);
    return rc;
}

static void test_a_crowd_sees_what_was_initialised(void **state)
{
    (void)state;
    assert_int_equal(run_alone(crowd, NULL), 0);
    assert_int_equal(run(crowd, NULL), 0);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int calls_itself(void *argument)
{
    (void)argument;
    CHECK_RC(edo_once_call(&once, calls_itself, NULL), -EDEADLK);
    return 0;
}

static int recursion_root(void *argument)
{
    (void)argument;
    CHECK_RC(edo_once_call(&once, calls_itself, NULL), 0);
    return 0;
}

static int finishes(void *argument)
{
    edo_once_finish(&once);
    return argument != NULL;
}

static int finishing_root(void *argument)
{
    return edo_once_call(&once, finishes, argument);
}

static void test_f2_misuse_of_a_once_is_told(void **state)
{
    (void)state;
#ifdef EDO_DEBUG_CHECKS
    assert_misuse(recursion_root, NULL, "that it is called by");
    assert_misuse(finishing_root, NULL, "finished that runs");
#else
    (void)finishing_root;
    assert_int_equal(run_alone(recursion_root, NULL), 0);
#endif
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_it_is_done_once_and_all_wait_for_that),
        alone_test(test_a_failed_initialiser_is_tried_again),
        alone_test(test_c2_who_gives_up_waiting_has_no_turn),
        cmocka_unit_test_setup(test_a_crowd_sees_what_was_initialised, reset),
        cmocka_unit_test_setup(test_f2_misuse_of_a_once_is_told, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
