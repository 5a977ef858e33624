/* SPDX-License-Identifier: MIT */
/*
 * Notifications: one, all, the permit that is kept, the epoch, and that none goes to one who gave up.
 */
#include "runtime/helpers.h"

#include "runtime/parking.h"

#include <pthread.h>

static edo_notify notify;
static int order[64], count;
static edo_scope *victim;

static int reset_virtual(void **state)
{
    notify = (edo_notify)EDO_NOTIFY_INIT;
    count = 0;
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

static int waits(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        if (!argument)
            victim = scope;
        rc = edo_notify_wait(&notify);
    }
    if (rc == 0)
        order[count++] = (int)(intptr_t)argument;
    return 0;
}

static void spawn_waiters(edo_scope *scope, int many)
{
    for (intptr_t i = 0; i < many; i++)
        CHECK_RC(edo_spawn(scope, waits, (void *)i), 0);
    edo_sleep(EDO_MS(1));
}

static bool has_permit(void)
{
    return edo_notify_wait_until(&notify, edo_now() + EDO_US(1)) == 0;
}

static int one_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_waiters(scope, 3);
        for (int i = 0; i < 3; i++) {
            edo_notify_one(&notify);
            edo_sleep(EDO_MS(1));
            CHECK_RC(count, i + 1);
            CHECK_RC(order[i], i);
        }
        CHECK(!has_permit());
        edo_notify_one(&notify);
        edo_notify_one(&notify); /* one is kept, not two */
        CHECK_RC(edo_notify_wait(&notify), 0);
        CHECK(!has_permit());
    }
    return rc;
}

static void test_one_wakes_the_longest_waiter_or_leaves_one_permit(void **state)
{
    (void)state;
    assert_int_equal(run_alone(one_root, NULL), 0);
}

static int all_root(void *argument)
{
    uint32_t epoch = edo_notify_epoch(&notify);
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_waiters(scope, 5);
        edo_notify_all(&notify);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 5);
        CHECK(!has_permit());
        edo_notify_all(&notify);
        CHECK(!has_permit());
        edo_notify_one(&notify);
        edo_notify_all(&notify); /* a permit stays */
        CHECK_RC(edo_notify_epoch(&notify) - epoch, 3);
        CHECK_RC(edo_notify_wait_since(&notify, epoch, EDO_FOREVER), 0); /* at once, without the permit */
        epoch = edo_notify_epoch(&notify);
        CHECK_RC(edo_notify_wait_since(&notify, epoch, EDO_FOREVER), 0); /* with it */
        CHECK_RC(edo_notify_wait_since(&notify, epoch, edo_now() + EDO_MS(1)), -ETIMEDOUT);
    }
    return rc;
}

static void test_all_wakes_those_that_wait_and_leaves_an_epoch(void **state)
{
    (void)state;
    assert_int_equal(run_alone(all_root, NULL), 0);
}

/* The first gives up; who comes after it is woken, and if nobody does, the permit is kept. */
static int giving_up_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_waiters(scope, 2);
        edo_scope_cancel(victim); /* it has not run yet: it is in line, cancelled */
        edo_sleep(EDO_MS(1));
        edo_notify_one(&notify);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 1);
        CHECK_RC(order[0], 1);
        spawn_waiters(scope, 1);
        edo_scope_cancel(victim);
        edo_sleep(EDO_MS(1));
        edo_notify_one(&notify);
        CHECK(has_permit());
        CHECK_RC(edo_notify_wait_until(&notify, edo_now() + EDO_MS(1)), -ETIMEDOUT);
        edo_notify_one(&notify);
        CHECK(has_permit());
    }
    edo_notify_one(&notify);
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_notify_wait(&notify), -ECANCELED);
    CHECK_RC(edo_notify_wait_since(&notify, edo_notify_epoch(&notify) + 1, EDO_FOREVER), -ECANCELED);
    return rc;
}

static void test_c2_a_wait_that_was_given_up_consumed_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_alone(giving_up_root, NULL), 0);
}

static int both_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_waiters(scope, 1);
        edo_notify_one(&notify);
        edo_scope_cancel(victim); /* too late */
    }
    CHECK_RC(count, 1);
    return rc;
}

static void test_c2_who_was_notified_is_told_so_though_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_alone(both_root, NULL), 0);
}

/* --- Counting, from tasks and threads ----------------------------------------------------------------------------- */

/* Items are made and announced, one notification each; all are taken, though waits are given up at random. */
static _Atomic int items, taken;
static int wanted;

static int takes(void *argument)
{
    uint64_t random = (uintptr_t)argument;

    while (atomic_load(&taken) < wanted) {
        int left = atomic_load(&items);
        int rc = 0;

        while (left > 0 && !atomic_compare_exchange_weak(&items, &left, left - 1))
            ;
        if (left > 0) {
            atomic_fetch_add(&taken, 1);
            if (left > 1)
                edo_notify_one(&notify);
            continue;
        }
        EDO_TIMEOUT (EDO_US(1 + (int64_t)(edo_test_random(&random) % 100)), &rc)
            rc = edo_notify_wait(&notify);
    }
    edo_notify_one(&notify); /* it is over: the next may see it */
    return 0;
}

static int takes_patiently(void *argument)
{
    (void)argument;
    while (atomic_load(&taken) < wanted) {
        int left = atomic_load(&items);

        while (left > 0 && !atomic_compare_exchange_weak(&items, &left, left - 1))
            ;
        if (left > 0)
            atomic_fetch_add(&taken, 1);
        else
            CHECK_RC(edo_notify_wait(&notify), 0);
    }
    edo_notify_one(&notify);
    return 0;
}

static void *thread_makes(void *argument)
{
    for (int i = 0; i < wanted / 2; i++) {
        atomic_fetch_add(&items, 1);
        edo_notify_one(&notify);
    }
    return argument;
}

static int counting_root(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    notify = (edo_notify)EDO_NOTIFY_INIT;
    wanted = edo_test_rounds(20000) & ~1;
    atomic_store(&items, 0);
    atomic_store(&taken, 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, takes_patiently, NULL), 0);
        for (uintptr_t i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, takes, (void *)(edo_test_seed() + i)), 0);
        CHECK_RC(pthread_create(&thread, NULL, thread_makes, NULL), 0);
        for (int i = 0; i < wanted / 2; i++) {
            atomic_fetch_add(&items, 1);
            edo_notify_one(&notify);
            if (i % 8 == 0)
                edo_yield();
        }
        pthread_join(thread, NULL);
    }
    CHECK_RC(atomic_load(&taken), wanted);
    return rc;
}

static void test_no_notification_is_lost(void **state)
{
    (void)state;
    assert_int_equal(run_alone(counting_root, NULL), 0);
    assert_int_equal(run(counting_root, NULL), 0);
}

/*
 * A notifier has seen that somebody waits, and stands before the line; meanwhile the waiter leaves it. The notification
 * is kept as a permit.
 */
static __thread bool is_notifier;
static _Atomic bool notifier_waits;

static int told_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    if (is_notifier)
        atomic_store(&notifier_waits, true);
    return edo_platform_system.futex_wait(word, expected, deadline);
}

static void *thread_waits(void *argument)
{
    edo_notify_wait(&notify);
    return argument;
}

static void *thread_notifies(void *argument)
{
    is_notifier = true;
    edo_notify_one(&notify);
    return argument;
}

static void test_c2_a_notification_that_finds_the_line_left_is_kept(void **state)
{
    static struct edo_platform table;
    pthread_t waiter, notifier;
    struct edo_line line;

    (void)state;
    table = edo_platform_system;
    table.futex_wait = told_wait;
    edo_platform = &table;
    notify = (edo_notify)EDO_NOTIFY_INIT;
    assert_int_equal(pthread_create(&waiter, NULL, thread_waits, NULL), 0);
    while (!edo_line_waited_for(&notify))
        ;
    edo_line_begin(&line, &notify);
    assert_int_equal(pthread_create(&notifier, NULL, thread_notifies, NULL), 0);
    while (!atomic_load(&notifier_waits))
        ;
    edo_line_take(&line, line.first, 0); /* as if it gave up */
    __atomic_store_n(&notify.word_, 0, __ATOMIC_RELEASE);
    edo_line_end(&line);
    pthread_join(waiter, NULL);
    pthread_join(notifier, NULL);
    edo_platform = &edo_platform_system;
    assert_int_equal(edo_notify_wait_until(&notify, 0), 0);
}

/*
 * What was written before a notification is seen by who takes the permit, also if the permit was there already. TSan
 * looks.
 */
static int told;
static _Atomic bool has_told;

static void *thread_tells(void *argument)
{
    told = 1;
    edo_notify_one(&notify);
    atomic_store_explicit(&has_told, true, memory_order_relaxed);
    return argument;
}

static void test_what_was_written_before_is_seen(void **state)
{
    pthread_t thread;

    (void)state;
    notify = (edo_notify)EDO_NOTIFY_INIT;
    edo_notify_one(&notify);
    assert_int_equal(pthread_create(&thread, NULL, thread_tells, NULL), 0);
    while (!atomic_load_explicit(&has_told, memory_order_relaxed))
        ;
    assert_int_equal(edo_notify_wait(&notify), 0);
    assert_int_equal(told, 1);
    pthread_join(thread, NULL);
}

static int finishes_waited_for(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        spawn_waiters(scope, 1);
        edo_notify_finish(&notify);
    }
    return rc;
}

static void test_f2_finishing_a_notify_that_is_waited_for_is_told(void **state)
{
    (void)state;
    assert_misuse(finishes_waited_for, NULL, "finished that is waited for");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_one_wakes_the_longest_waiter_or_leaves_one_permit),
        alone_test(test_all_wakes_those_that_wait_and_leaves_an_epoch),
        alone_test(test_c2_a_wait_that_was_given_up_consumed_nothing),
        alone_test(test_c2_who_was_notified_is_told_so_though_cancelled),
        cmocka_unit_test(test_no_notification_is_lost),
        cmocka_unit_test(test_c2_a_notification_that_finds_the_line_left_is_kept),
        cmocka_unit_test(test_what_was_written_before_is_seen),
        cmocka_unit_test(test_f2_finishing_a_notify_that_is_waited_for_is_told),
    };

    edo_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
