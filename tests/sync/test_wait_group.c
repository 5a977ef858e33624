/* SPDX-License-Identifier: MIT */
/*
 * The wait group: waiting for all, again and again, giving up, and memory that goes at zero.
 */
#include "runtime/helpers.h"

#include <pthread.h>
#include <sys/mman.h>

static edo_wait_group group;
static _Atomic int passed;

static int reset_virtual(void **state)
{
    group = (edo_wait_group)EDO_WAIT_GROUP_INIT;
    passed = 0;
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

static int waits(void *argument)
{
    (void)argument;
    CHECK_RC(edo_wait_group_wait(&group), 0);
    atomic_fetch_add(&passed, 1);
    return 0;
}

static int all_root(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_wait_group_wait(&group), 0);
    EDO_SCOPE (scope, &rc)
        for (int round = 1; round <= 3; round++) {
            edo_wait_group_add(&group, 2);
            edo_wait_group_add(&group, 1);
            for (int i = 0; i < 4; i++)
                CHECK_RC(edo_spawn(scope, waits, NULL), 0);
            for (int i = 0; i < 3; i++) {
                edo_sleep(EDO_MS(1));
                CHECK_RC(passed, 4 * (round - 1));
                edo_wait_group_done(&group);
            }
            edo_sleep(EDO_MS(1));
            CHECK_RC(passed, 4 * round);
            CHECK_RC(edo_wait_group_wait(&group), 0);
        }
    return rc;
}

static void test_all_that_wait_go_on_at_zero(void **state)
{
    (void)state;
    assert_int_equal(run_alone(all_root, NULL), 0);
}

static int gives_up(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_wait_group_wait_until(&group, edo_now() + EDO_MS(1)), -ETIMEDOUT);
    EDO_TIMEOUT (EDO_MS(1), &rc)
        CHECK_RC(rc = edo_wait_group_wait(&group), -ECANCELED);
    return 0;
}

static int giving_up_root(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_wait_group_add(&group, 2);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, gives_up, NULL), 0);
        edo_sleep(EDO_MS(4)); /* nobody is in line any more */
        edo_wait_group_done(&group);
        CHECK_RC(edo_spawn(scope, gives_up, NULL), 0);
        CHECK_RC(edo_spawn(scope, waits, NULL), 0);
        edo_sleep(EDO_MS(4)); /* one is */
        edo_wait_group_done(&group);
    }
    CHECK_RC(passed, 1);
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_wait_group_wait(&group), -ECANCELED);
    edo_wait_group_finish(&group);
    return rc;
}

static void test_c2_who_gives_up_leaves_the_others_waiting(void **state)
{
    (void)state;
    assert_int_equal(run_alone(giving_up_root, NULL), 0);
}

/* --- Threads, and memory ------------------------------------------------------------------------------------------ */

struct brief {
    edo_wait_group group;
    int written[4];
    _Atomic int users;
};

static void leave_brief(struct brief *brief)
{
    if (atomic_fetch_sub(&brief->users, 1) == 1)
        munmap(brief, 4096);
}

static int does(void *argument)
{
    struct brief *brief = *(struct brief **)argument;
    int i = *(int *)((char *)argument + sizeof brief);

    brief->written[i] = 1;
    edo_wait_group_done(&brief->group); /* after the last of these it is the waiters' */
    return 0;
}

static int waits_and_leaves(void *argument)
{
    struct brief *brief = argument;

    CHECK_RC(edo_wait_group_wait(&brief->group), 0);
    for (int i = 0; i < 4; i++)
        CHECK_RC(brief->written[i], 1);
    leave_brief(brief);
    return 0;
}

static void *thread_waits_and_leaves(void *argument)
{
    waits_and_leaves(argument);
    return NULL;
}

static int brief_root(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int round = edo_test_rounds(1500); round > 0; round--) {
        struct {
            struct brief *brief;
            int i;
        } share = {mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0};
        struct brief *brief = share.brief;
        bool plain = round % 8 == 0;
        pthread_t thread;

        brief->users = 2 + plain;
        edo_wait_group_add(&brief->group, 4);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, waits_and_leaves, brief), 0);
            if (plain)
                CHECK_RC(pthread_create(&thread, NULL, thread_waits_and_leaves, brief), 0);
            CHECK_RC(edo_spawn(scope, waits_and_leaves, brief), 0);
            for (; share.i < 4; share.i++)
                CHECK_RC(edo_spawn(scope, does, &share, .copy = sizeof share), 0);
        }
        if (plain)
            pthread_join(thread, NULL);
    }
    return rc;
}

static void test_it_may_go_when_who_waited_for_it_has_returned(void **state)
{
    (void)state;
    assert_int_equal(run_alone(brief_root, NULL), 0);
    assert_int_equal(run(brief_root, NULL), 0);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int does_too_much(void *argument)
{
    (void)argument;
    edo_wait_group_add(&group, 1);
    edo_wait_group_done(&group);
    edo_wait_group_done(&group);
    CHECK_RC(edo_wait_group_wait(&group), 0);
    return 0;
}

static int finishes_waited_for(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_wait_group_add(&group, 1);
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, waits, NULL);
        edo_yield();
        edo_wait_group_finish(&group);
    }
    return rc;
}

static void test_f2_misuse_of_a_wait_group_is_told(void **state)
{
    (void)state;
    group = (edo_wait_group)EDO_WAIT_GROUP_INIT;
#ifdef EDO_DEBUG_CHECKS
    assert_misuse(does_too_much, NULL, "more done than added");
    assert_misuse(finishes_waited_for, NULL, "finished that is waited for");
#else
    (void)finishes_waited_for;
    assert_int_equal(run_alone(does_too_much, NULL), 0);
#endif
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_all_that_wait_go_on_at_zero),
        alone_test(test_c2_who_gives_up_leaves_the_others_waiting),
        cmocka_unit_test(test_it_may_go_when_who_waited_for_it_has_returned),
        cmocka_unit_test(test_f2_misuse_of_a_wait_group_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
