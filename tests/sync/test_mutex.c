/* SPDX-License-Identifier: MIT */
/*
 * The mutex: who gets it and in which order, what a cancellation or a deadline leaves, and when its memory may go.
 */
#include "runtime/helpers.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

static edo_mutex mutex;
static int order[64], count;
static uint64_t guarded;
static int holders;

static int reset(void **state)
{
    (void)state;
    mutex = (edo_mutex)EDO_MUTEX_INIT;
    count = 0;
    return 0;
}

static int reset_virtual(void **state)
{
    reset(state);
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

/* Waits for the mutex, says so, and unlocks. */
static int locks(void *argument)
{
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    order[count++] = (int)(intptr_t)argument;
    edo_mutex_unlock(&mutex);
    return 0;
}

static bool is_free(void)
{
    if (edo_mutex_try_lock(&mutex) < 0)
        return false;
    edo_mutex_unlock(&mutex);
    return true;
}

/* --- One after the other ------------------------------------------------------------------------------------------ */

static void hammer(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        CHECK_RC(edo_mutex_lock(&mutex), 0);
        CHECK_RC(++holders, 1);
        guarded++;
        if (edo_in_task() && i % 16 == 0)
            edo_yield();
        holders--;
        edo_mutex_unlock(&mutex);
    }
}

static int hammers(void *argument)
{
    hammer((int)(intptr_t)argument);
    return 0;
}

static void *thread_hammers(void *argument)
{
    hammer((int)(intptr_t)argument);
    return NULL;
}

static int crowd(void *argument)
{
    pthread_t threads[2];
    intptr_t rounds = edo_test_rounds(20000);
    int rc = 0;

    (void)argument;
    guarded = 0;
    for (int i = 0; i < 2; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, thread_hammers, (void *)rounds), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 6; i++)
            CHECK_RC(edo_spawn(scope, hammers, (void *)rounds), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_RC((long long)guarded, 8 * rounds);
    CHECK(is_free());
    return rc;
}

static void test_one_holds_it_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(run_alone(crowd, NULL), 0);
    assert_int_equal(run(crowd, NULL), 0);
    assert_int_equal(run_with(crowd, NULL, EDO_OPTIONS(edo_run_options, .workers = 4, .migrate_always = true)), 0);
}

/* --- Barging, and what a millisecond changes ---------------------------------------------------------------------- */

static int barging_root(void *argument)
{
    int64_t waited = *(int64_t *)argument;
    int rc = 0;

    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc) {
        for (intptr_t i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, locks, (void *)i), 0);
        edo_yield();
        edo_yield();
        virtual_pass(waited);
        edo_mutex_unlock(&mutex);
        if (waited < EDO_MS(1)) {
            CHECK_RC(edo_mutex_try_lock(&mutex), 0); /* it was free for whoever comes */
            edo_yield(); /* the one that was woken tries in vain, and is first in line again */
            edo_yield();
            CHECK_RC(count, 0);
            edo_mutex_unlock(&mutex);
        } else {
            CHECK_RC(edo_mutex_try_lock(&mutex), -EBUSY); /* it is the first waiter's */
        }
    }
    for (int i = 0; i < 3; i++)
        CHECK_RC(order[i], i);
    CHECK_RC(count, 3);
    CHECK(is_free());
    return rc;
}

static void test_who_comes_while_it_is_free_gets_it(void **state)
{
    int64_t waited = EDO_US(999);

    (void)state;
    assert_int_equal(run_alone(barging_root, &waited), 0);
}

static void test_after_a_millisecond_it_is_handed_over_in_order(void **state)
{
    int64_t waited = EDO_MS(1);

    (void)state;
    assert_int_equal(run_alone(barging_root, &waited), 0);
}

/* Locks again at once, over and over: a waiter gets it all the same. */
static int greedy_root(void *argument)
{
    int rounds = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, locks, NULL), 0);
        for (; count == 0 && rounds < 100; rounds++) {
            edo_yield();
            virtual_pass(EDO_US(100));
            edo_mutex_unlock(&mutex);
            CHECK_RC(edo_mutex_lock(&mutex), 0);
        }
        edo_mutex_unlock(&mutex);
    }
    CHECK(rounds >= 9 && rounds <= 12);
    return rc;
}

static void test_who_locks_again_at_once_does_not_starve_others(void **state)
{
    (void)state;
    assert_int_equal(run_alone(greedy_root, NULL), 0);
}

/* --- Cancellation and deadlines ----------------------------------------------------------------------------------- */

static int refused_root(void *argument)
{
    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    edo_scope_cancel(edo_scope_current());
    edo_mutex_unlock(&mutex);
    CHECK_RC(edo_mutex_lock(&mutex), -ECANCELED);
    CHECK_RC(edo_mutex_lock_until(&mutex, 0), -ECANCELED);
    CHECK_RC(edo_mutex_try_lock(&mutex), 0);
    edo_mutex_unlock(&mutex);
    return 0;
}

static void test_c1_a_lock_is_refused_on_entry_an_unlock_never(void **state)
{
    (void)state;
    assert_int_equal(run_alone(refused_root, NULL), 0);
}

/* Waits with a deadline of its scope, or of its own. */
struct patience {
    int64_t timeout, deadline;
    int rc;
};

static int waits_in_vain(void *argument)
{
    struct patience *patience = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .timeout = patience->timeout) {
        patience->rc = patience->deadline ? edo_mutex_lock_until(&mutex, patience->deadline) : edo_mutex_lock(&mutex);
        (void)scope;
    }
    return 0;
}

static int in_vain_root(void *argument)
{
    struct patience cancelled = {.timeout = EDO_MS(3)};
    struct patience late = {.timeout = EDO_SEC(1), .deadline = edo_now() + EDO_MS(5)};
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits_in_vain, &cancelled), 0);
        CHECK_RC(edo_spawn(scope, waits_in_vain, &late), 0);
    }
    CHECK_RC(cancelled.rc, -ECANCELED);
    CHECK_RC(late.rc, -ETIMEDOUT);
    CHECK(edo_now() >= late.deadline);
    CHECK_RC(edo_mutex_try_lock(&mutex), -EBUSY);
    edo_mutex_unlock(&mutex);
    CHECK(is_free());
    CHECK_RC(edo_mutex_lock_until(&mutex, 0), 0); /* a free one is had at any time */
    edo_mutex_unlock(&mutex);
    return rc;
}

static void test_c3_a_cancelled_lock_is_not_held(void **state)
{
    (void)state;
    assert_int_equal(run_alone(in_vain_root, NULL), 0);
}

static void *thread_waits(void *argument)
{
    struct patience *patience = argument;

    patience->rc = edo_mutex_lock_until(&mutex, patience->deadline);
    return NULL;
}

static void test_a_thread_waits_until_its_deadline(void **state)
{
    struct patience patience = {.deadline = edo_now() + EDO_MS(2)};
    pthread_t thread;

    (void)state;
    assert_int_equal(edo_mutex_lock(&mutex), 0);
    assert_int_equal(pthread_create(&thread, NULL, thread_waits, &patience), 0);
    pthread_join(thread, NULL);
    assert_int_equal(patience.rc, -ETIMEDOUT);
    assert_true(edo_now() >= patience.deadline);
    edo_mutex_unlock(&mutex);
    assert_true(is_free());
}

/*
 * One is woken to try; before it runs it is cancelled, and another takes the mutex. The next in line must get it from
 * that one.
 */
static edo_scope *victim;

static int locks_in_a_scope(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        victim = scope;
        rc = edo_mutex_lock(&mutex);
        if (rc == 0)
            edo_mutex_unlock(&mutex);
        *(int *)argument = rc;
    }
    return 0;
}

static int passing_root(void *argument)
{
    int result = 1;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, locks_in_a_scope, &result), 0);
        CHECK_RC(edo_spawn(scope, locks, (void *)5), 0);
        edo_yield();
        edo_mutex_unlock(&mutex); /* wakes the first */
        CHECK_RC(edo_mutex_try_lock(&mutex), 0);
        edo_scope_cancel(victim);
        edo_yield();
        edo_yield();
        CHECK_RC(result, -ECANCELED);
        CHECK_RC(count, 0);
        edo_mutex_unlock(&mutex);
    }
    CHECK_RC(order[0], 5);
    return rc;
}

static void test_c2_a_wake_of_one_that_is_cancelled_goes_to_the_next(void **state)
{
    (void)state;
    assert_int_equal(run_alone(passing_root, NULL), 0);
}

/* The mutex was handed over before the cancellation came: the lock has happened. */
static int handed_root(void *argument)
{
    int result = 1;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, locks_in_a_scope, &result), 0);
        edo_yield();
        virtual_pass(EDO_MS(2));
        edo_mutex_unlock(&mutex);
        edo_scope_cancel(victim);
    }
    CHECK_RC(result, 0);
    CHECK(is_free());
    return rc;
}

static void test_c2_what_was_handed_over_is_held_though_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_alone(handed_root, NULL), 0);
}

/* --- EDO_LOCKED --------------------------------------------------------------------------------------------------- */

static int leaves(int way)
{
    int rc = 0;

    for (int i = 0; i < 1; i++)
        EDO_LOCKED (&mutex, &rc) {
            CHECK_RC(edo_mutex_try_lock(&mutex), -EBUSY);
            rc = 7;
            if (way == 1)
                break;
            if (way == 2)
                continue;
            if (way == 3)
                return rc;
            if (way == 4)
                goto out;
        }
out:
    return rc;
}

static int locked_root(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int way = 0; way < 5; way++) {
        CHECK_RC(leaves(way), 7);
        CHECK(is_free());
    }
    edo_scope_cancel(edo_scope_current());
    EDO_LOCKED (&mutex, &rc)
        CHECK(false);
    CHECK_RC(rc, -ECANCELED);
    CHECK(is_free());
    return 0;
}

static void test_a_locked_block_unlocks_on_every_way_out(void **state)
{
    (void)state;
    assert_int_equal(run_alone(locked_root, NULL), 0);
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

struct brief {
    edo_mutex mutex;
    _Atomic int users;
};

/* The last of two to have it unmaps it, while the other may not have returned from its unlock yet. */
static void use_brief(struct brief *brief)
{
    bool last;

    CHECK_RC(edo_mutex_lock(&brief->mutex), 0);
    last = atomic_fetch_sub(&brief->users, 1) == 1;
    edo_mutex_unlock(&brief->mutex);
    if (last)
        munmap(brief, 4096);
}

static int uses_brief(void *argument)
{
    use_brief(argument);
    return 0;
}

static void *thread_uses_brief(void *argument)
{
    use_brief(argument);
    return NULL;
}

static int brief_root(void *argument)
{
    int rounds = edo_test_rounds(2000);
    int rc = 0;

    (void)argument;
    for (int i = 0; i < rounds; i++) {
        struct brief *brief = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        bool plain = i % 8 == 0;
        pthread_t thread;

        brief->users = 3 + plain;
        if (plain)
            CHECK_RC(pthread_create(&thread, NULL, thread_uses_brief, brief), 0);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_mutex_lock(&brief->mutex), 0);
            CHECK_RC(edo_spawn(scope, uses_brief, brief), 0);
            CHECK_RC(edo_spawn(scope, uses_brief, brief), 0);
            edo_yield();
            atomic_fetch_sub(&brief->users, 1);
            edo_mutex_unlock(&brief->mutex);
        }
        if (plain)
            pthread_join(thread, NULL);
    }
    return rc;
}

static void test_it_may_go_when_its_last_user_has_unlocked(void **state)
{
    (void)state;
    assert_int_equal(run_alone(brief_root, NULL), 0);
    assert_int_equal(run(brief_root, NULL), 0);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int unlocks(void *argument)
{
    edo_mutex_unlock(argument);
    return 0;
}

static int unlocks_anothers(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_mutex_lock(&mutex);
    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, unlocks, &mutex);
    return rc;
}

static int locks_twice(void *argument)
{
    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    CHECK_RC(edo_mutex_lock(&mutex), -EDEADLK);
    edo_mutex_unlock(&mutex);
    return 0;
}

static int finishes_held(void *argument)
{
    (void)argument;
    edo_mutex_lock(&mutex);
    edo_mutex_finish(&mutex);
    return 0;
}

static int finishes_waited_for(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_mutex_lock(&mutex);
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, locks, NULL);
        edo_yield();
        edo_mutex_finish(&mutex);
    }
    return rc;
}

static void lock_in_callback(void *argument)
{
    edo_mutex_lock(argument);
}

static int waits_in_a_callback(void *argument)
{
    edo_timer timer;

    (void)argument;
    edo_mutex_lock(&mutex);
    edo_timer_init(&timer, lock_in_callback, &mutex);
    edo_timer_start(&timer, 0);
    return edo_sleep(EDO_MS(1));
}

static void test_f2_misuse_of_a_mutex_is_told(void **state)
{
    (void)state;
    assert_misuse(unlocks, &mutex, "does not hold it");
    assert_misuse(unlocks_anothers, NULL, "does not hold it");
    assert_misuse(locks_twice, NULL, "locked again");
    assert_misuse(finishes_held, NULL, "finished that is held");
    assert_misuse(finishes_waited_for, NULL, "finished that is waited for");
    assert_misuse(waits_in_a_callback, NULL, "callback of a timer waits");
}

static void test_f2_locking_twice_is_an_error(void **state)
{
    (void)state;
#ifdef EDO_DEBUG_CHECKS
    skip();
#else
    assert_int_equal(run_alone(locks_twice, NULL), 0);
    edo_mutex_unlock(&mutex); /* of a free one: nothing */
    assert_true(is_free());
#endif
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_who_comes_while_it_is_free_gets_it),
        alone_test(test_after_a_millisecond_it_is_handed_over_in_order),
        alone_test(test_who_locks_again_at_once_does_not_starve_others),
        alone_test(test_c1_a_lock_is_refused_on_entry_an_unlock_never),
        alone_test(test_c3_a_cancelled_lock_is_not_held),
        alone_test(test_c2_a_wake_of_one_that_is_cancelled_goes_to_the_next),
        alone_test(test_c2_what_was_handed_over_is_held_though_cancelled),
        alone_test(test_a_locked_block_unlocks_on_every_way_out),
        cmocka_unit_test_setup(test_one_holds_it_at_a_time, reset),
        cmocka_unit_test_setup(test_a_thread_waits_until_its_deadline, reset),
        cmocka_unit_test_setup(test_it_may_go_when_its_last_user_has_unlocked, reset),
        cmocka_unit_test_setup(test_f2_misuse_of_a_mutex_is_told, reset),
        cmocka_unit_test_setup(test_f2_locking_twice_is_an_error, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
