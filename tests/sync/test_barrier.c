/* SPDX-License-Identifier: MIT */
/*
 * The barrier: one leader a round, rounds that follow at once, and who gives up has not come.
 */
#include "runtime/helpers.h"

#include <pthread.h>
#include <sys/mman.h>

static edo_barrier barrier;
static _Atomic int leaders, passed;

static int reset_virtual(void **state)
{
    edo_barrier_init(&barrier, 3);
    leaders = passed = 0;
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

static int comes(void *argument)
{
    int rc = edo_barrier_wait(&barrier);

    (void)argument;
    CHECK(rc == 0 || rc == 1);
    atomic_fetch_add(&leaders, rc);
    atomic_fetch_add(&passed, 1);
    return 0;
}

static int gives_up(void *argument)
{
    (void)argument;
    CHECK_RC(edo_barrier_wait_until(&barrier, edo_now() + EDO_MS(1)), -ETIMEDOUT);
    return 0;
}

static int cancelled(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = edo_barrier_wait(&barrier);
    CHECK_RC(rc, -ETIMEDOUT);
    return 0;
}

static int giving_up_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, gives_up, NULL), 0);
        CHECK_RC(edo_spawn(scope, cancelled, NULL), 0);
        edo_sleep(EDO_MS(2));
        CHECK_RC(edo_spawn(scope, comes, NULL), 0); /* alone: those two have not come */
        edo_sleep(EDO_MS(1));
        CHECK_RC(passed, 0);
        CHECK_RC(edo_spawn(scope, comes, NULL), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(passed, 0);
        CHECK_RC(edo_barrier_wait(&barrier), 1); /* the last is the leader, and does not wait */
    }
    CHECK_RC(leaders, 0);
    CHECK_RC(passed, 2);
    edo_scope_cancel(edo_scope_current());
    edo_barrier_init(&barrier, 1);
    CHECK_RC(edo_barrier_wait(&barrier), -ECANCELED);
    return rc;
}

static void test_c2_who_gives_up_has_not_come(void **state)
{
    (void)state;
    assert_int_equal(run_alone(giving_up_root, NULL), 0);
}

static void test_a_barrier_of_one_or_none_holds_nobody(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        edo_barrier_init(&barrier, i);
        assert_int_equal(edo_barrier_wait(&barrier), 1);
        assert_int_equal(edo_barrier_wait(&barrier), 1);
        edo_barrier_finish(&barrier);
    }
}

/* --- Rounds, of tasks and threads --------------------------------------------------------------------------------- */

enum { PARTIES = 5 };
static int rounds;
static _Atomic int came[PARTIES];

static void go_round(int self)
{
    for (int round = 1; round <= rounds; round++) {
        int rc;

        atomic_store(&came[self], round);
        rc = edo_barrier_wait(&barrier);
        CHECK(rc == 0 || rc == 1);
        atomic_fetch_add(&leaders, rc);
        for (int i = 0; i < PARTIES; i++)
            CHECK(atomic_load(&came[i]) >= round && atomic_load(&came[i]) <= round + 1);
    }
}

static int goes_round(void *argument)
{
    go_round((int)(intptr_t)argument);
    return 0;
}

static void *thread_goes_round(void *argument)
{
    go_round((int)(intptr_t)argument);
    return NULL;
}

static int rounds_root(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    edo_barrier_init(&barrier, PARTIES);
    rounds = edo_test_rounds(2000);
    memset(came, 0, sizeof came);
    atomic_store(&leaders, 0);
    CHECK_RC(pthread_create(&thread, NULL, thread_goes_round, (void *)0), 0);
    EDO_SCOPE (scope, &rc)
        for (intptr_t i = 1; i < PARTIES; i++)
            CHECK_RC(edo_spawn(scope, goes_round, (void *)i), 0);
    pthread_join(thread, NULL);
    CHECK_RC(atomic_load(&leaders), rounds);
    return rc;
}

static void test_rounds_follow_each_other_with_one_leader_each(void **state)
{
    (void)state;
    assert_int_equal(run_alone(rounds_root, NULL), 0);
    assert_int_equal(run(rounds_root, NULL), 0);
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

struct brief {
    edo_barrier barrier;
    _Atomic int users;
};

static int uses_brief(void *argument)
{
    struct brief *brief = argument;
    int rc = edo_barrier_wait(&brief->barrier);

    CHECK(rc >= 0);
    if (atomic_fetch_sub(&brief->users, 1) == 1)
        munmap(brief, 4096);
    return 0;
}

static int brief_root(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int i = edo_test_rounds(1000); i > 0; i--) {
        struct brief *brief = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        brief->users = 3;
        edo_barrier_init(&brief->barrier, 3);
        EDO_SCOPE (scope, &rc)
            for (int k = 0; k < 3; k++)
                CHECK_RC(edo_spawn(scope, uses_brief, brief), 0);
    }
    return rc;
}

static void test_it_may_go_when_all_have_left(void **state)
{
    (void)state;
    assert_int_equal(run(brief_root, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_c2_who_gives_up_has_not_come),
        cmocka_unit_test(test_a_barrier_of_one_or_none_holds_nobody),
        cmocka_unit_test(test_rounds_follow_each_other_with_one_leader_each),
        cmocka_unit_test(test_it_may_go_when_all_have_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
