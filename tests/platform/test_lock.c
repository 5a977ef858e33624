/* SPDX-License-Identifier: MIT */
/*
 * The four-byte lock. Exclusion is seen three times: by whoever finds somebody else inside, by a counter that is not
 * atomic, and by ThreadSanitizer, which reports that counter if the lock orders too little.
 */
#include "platform/lock.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "platform/platform.h"

enum { THREADS = 4, ROUNDS = 20000, STACK = 256 * 1024 };

static struct edo_platform table;
static _Atomic int waits, wakes;

static int counted_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    atomic_fetch_add(&waits, 1);
    return edo_platform_system.futex_wait(word, expected, deadline);
}

static int counted_wake(uint32_t *word, int count)
{
    atomic_fetch_add(&wakes, 1);
    return edo_platform_system.futex_wake(word, count);
}

/* Every way in which a wait may end for no reason. */
static int useless_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    static const int answers[] = {0, -EINTR, -EAGAIN, -ETIMEDOUT};

    (void)word, (void)expected, (void)deadline;
    sched_yield();
    return answers[(unsigned)atomic_fetch_add(&waits, 1) % 4];
}

static int unmapping_wake(uint32_t *word, int count)
{
    (void)count;
    atomic_fetch_add(&wakes, 1);
    return munmap(word, 4096);
}

static int reset(void **state)
{
    (void)state;
    table = edo_platform_system;
    table.futex_wait = counted_wait;
    table.futex_wake = counted_wake;
    edo_platform = &table;
    waits = 0;
    wakes = 0;
    return 0;
}

static struct edo_lock shared;
static long counter;
static _Atomic int inside, intrusions;

/* What the lock protects. Staying now and then lets others meet a held lock, on one core too. */
static void visit(bool stay)
{
    if (atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed) != 0)
        atomic_fetch_add_explicit(&intrusions, 1, memory_order_relaxed);
    counter++;
    if (stay)
        sched_yield();
    atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
}

static void *count_up(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        edo_lock_acquire(&shared);
        visit(i % 64 == 0);
        edo_lock_release(&shared);
    }
    return argument;
}

static void *count_up_by_trying(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        while (!edo_lock_try(&shared))
            sched_yield();
        visit(i % 64 == 0);
        edo_lock_release(&shared);
    }
    return argument;
}

static void *hold_once(void *argument)
{
    edo_lock_acquire(&shared);
    visit(true);
    edo_lock_release(&shared);
    return argument;
}

static void run(void *(*first)(void *), void *(*others)(void *))
{
    pthread_t threads[THREADS];

    edo_lock_init(&shared);
    counter = 0;
    intrusions = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(edo_platform->thread_start(&threads[i], STACK, i == 0 ? first : others, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(intrusions, 0);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(shared.word, 0);
}

static void test_lock_is_four_bytes_and_zero_is_free(void **state)
{
    struct edo_lock lock = {0};

    (void)state;
    assert_int_equal(sizeof lock, 4);
    assert_true(edo_lock_try(&lock));
    edo_lock_release(&lock);
}

static void test_lock_try_fails_while_held(void **state)
{
    struct edo_lock lock;

    (void)state;
    edo_lock_init(&lock);
    assert_true(edo_lock_try(&lock));
    assert_false(edo_lock_try(&lock));
    edo_lock_release(&lock);
    edo_lock_acquire(&lock);
    assert_false(edo_lock_try(&lock));
    edo_lock_release(&lock);
    assert_true(edo_lock_try(&lock));
}

static void test_lock_without_rivals_never_enters_the_kernel(void **state)
{
    struct edo_lock lock = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        edo_lock_acquire(&lock);
        edo_lock_release(&lock);
    }
    assert_int_equal(waits, 0);
    assert_int_equal(wakes, 0);
}

static void test_lock_excludes(void **state)
{
    (void)state;
    run(count_up, count_up);
}

static void test_lock_excludes_those_who_try(void **state)
{
    (void)state;
    run(count_up_by_trying, count_up);
}

static void test_lock_excludes_when_waits_end_for_no_reason(void **state)
{
    (void)state;
    table.futex_wait = useless_wait;
    run(count_up, count_up);
}

/* Sleepers, each woken by the one before: a lost wake would leave the test hanging. */
static void test_lock_release_wakes_the_sleeper(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    edo_lock_init(&shared);
    counter = 0;
    edo_lock_acquire(&shared);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(edo_platform->thread_start(&threads[i], STACK, hold_once, NULL), 0);
    while (atomic_load(&waits) < THREADS)
        sched_yield();
    assert_int_equal(shared.word, 2);
    assert_int_equal(counter, 0);
    edo_lock_release(&shared);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, THREADS);
    assert_true(wakes >= 1);
}

/* Whoever gets the lock next may free it, so release must not look at it after it has let go. */
static void test_lock_release_leaves_the_memory_alone_once_free(void **state)
{
    struct edo_lock *lock;
    void *page;

    (void)state;
    assert_int_equal(edo_platform->map(&page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), 0);
    lock = page;
    edo_lock_acquire(lock);
    atomic_store(&lock->word, 2);
    table.futex_wake = unmapping_wake;
    edo_lock_release(lock);
    assert_int_equal(wakes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lock_is_four_bytes_and_zero_is_free, reset),
        cmocka_unit_test_setup(test_lock_try_fails_while_held, reset),
        cmocka_unit_test_setup(test_lock_without_rivals_never_enters_the_kernel, reset),
        cmocka_unit_test_setup(test_lock_excludes, reset),
        cmocka_unit_test_setup(test_lock_excludes_those_who_try, reset),
        cmocka_unit_test_setup(test_lock_excludes_when_waits_end_for_no_reason, reset),
        cmocka_unit_test_setup(test_lock_release_wakes_the_sleeper, reset),
        cmocka_unit_test_setup(test_lock_release_leaves_the_memory_alone_once_free, reset),
    };

    return cmocka_run_group_tests_name("platform/lock", tests, NULL, NULL);
}
