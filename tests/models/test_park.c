/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a task that parks, two workers that may run it, and two that wake it: no wake is lost, the task
 * is never queued twice, never runs twice at a time, and is never seen by a worker before its registers are saved.
 *
 * The code is park_word.h, put together as switch.h and schedule.c do. Either two wakers have each something to tell,
 * or one wakes and one cancels (the flag first, then the wake), or a canceller must find a task that enters its scope's
 * list only when it first parks.
 */
#include "model_test.h"

#include "platform/lock.h"
#include "runtime/park_word.h"

static struct {
    _Atomic uint32_t wake;
    _Atomic uint32_t flags[2];
    _Atomic uint32_t queue; /* how often the task is in it */
    _Atomic uint32_t ended;
    struct edo_lock lock; /* of the scope's list */
    uint32_t listed;
    uint32_t running; /* somebody's registers are the task's */
    uint32_t home;    /* who begins with it */
} world;

static bool publishes_early; /* alterations of the protocol, which must be found */
static bool reads_early;
static bool needs_both; /* the task waits for both flags, else for one */

void edo_lock_acquire_slow(struct edo_lock *lock)
{
    model_lock(&lock->word);
}

void edo_lock_release_slow(struct edo_lock *lock)
{
    (void)lock;
}

static void ready(void)
{
    model_assert(atomic_exchange(&world.queue, 1) == 0);
}

static bool condition(void)
{
    bool first = atomic_load_explicit(&world.flags[0], memory_order_acquire);

    if (first != needs_both)
        return first;
    return atomic_load_explicit(&world.flags[1], memory_order_acquire);
}

/* The task is left, and what runs next publishes it. */
static void park(void)
{
    if (!publishes_early)
        world.running = 0;
    if (!edo_park_word_park(&world.wake)) {
        world.running = 0;
        ready();
    }
    if (publishes_early) {
        model_step();
        world.running = 0;
    }
}

/* The task's code, from where it goes on; true if it has ended. */
static bool run_task(void)
{
    while (!condition()) {
        if (!edo_park_word_notified(&world.wake)) {
            park();
            return false;
        }
        edo_park_word_run(&world.wake);
    }
    world.running = 0;
    atomic_store(&world.ended, 1);
    return true;
}

static bool take_task(void)
{
    while (!atomic_load(&world.queue) || !atomic_exchange(&world.queue, 0)) {
        if (atomic_load(&world.ended))
            return false;
        model_pause();
    }
    model_assert(!world.running);
    world.running = 1;
    edo_park_word_run(&world.wake); /* what follows a park */
    return true;
}

static void first_worker(void)
{
    if (run_task())
        return;
    while (take_task() && !run_task())
        ;
}

static void second_worker(void)
{
    while (take_task() && !run_task())
        ;
}

static void wake(int which)
{
    atomic_store_explicit(&world.flags[which], 1, memory_order_release);
    if (edo_park_word_notify(&world.wake))
        ready();
}

static void waker(void)
{
    wake(0);
}

static void other_waker(void)
{
    wake(1);
}

/* --- A task that enters its scope's list late --------------------------------------------------------------------- */

static void lazy_child(void)
{
    if (reads_early && condition())
        return;
    edo_lock_acquire(&world.lock);
    world.listed = 1;
    edo_lock_release(&world.lock);
    while (reads_early || !condition()) {
        reads_early = false;
        if (!edo_park_word_notified(&world.wake) && edo_park_word_park(&world.wake))
            while (!atomic_exchange(&world.queue, 0))
                model_pause();
        edo_park_word_run(&world.wake);
    }
}

static void canceller(void)
{
    atomic_store(&world.flags[0], 1);
    edo_lock_acquire(&world.lock);
    if (world.listed && edo_park_word_notify(&world.wake))
        ready();
    edo_lock_release(&world.lock);
}

/* --- The models --------------------------------------------------------------------------------------------------- */

static void setup(void)
{
    memset(&world, 0, sizeof world);
    world.running = 1;
}

/* A task's block begins with what a late waker of its predecessor has left there. */
static void setup_notified(void)
{
    setup();
    atomic_init(&world.wake, EDO_WAKE_NOTIFIED);
}

static void check(void)
{
    model_assert(world.queue == 0);
}

#define THREADS                                                                                                        \
    {                                                                                                                  \
        first_worker, second_worker, waker, other_waker                                                                \
    }

static const struct model two_wakers = {"park, two wakers", setup, THREADS, check, NULL, false};
static const struct model notified = {"park, notified before", setup_notified, THREADS, check, NULL, false};
static const struct model cancelled = {"park, waker and canceller", setup, THREADS, check, NULL, false};
static const struct model lazy = {"park, listed late", setup, {lazy_child, canceller}, NULL, NULL, false};

static void prepare(bool both)
{
    needs_both = both;
    model_region("world", &world, sizeof world);
    model_region("reads early", &reads_early, sizeof reads_early);
}

static void test_no_wake_is_lost_and_none_queues_twice(void **state)
{
    (void)state;
    prepare(true);
    assert_true(model_holds(&two_wakers));
    prepare(true);
    assert_true(model_holds(&notified));
}

static void test_c1_a_canceller_and_a_waker_meet(void **state)
{
    (void)state;
    prepare(false);
    assert_true(model_holds(&cancelled));
    prepare(false);
    assert_true(model_holds(&lazy));
}

static void test_mutants_of_the_park_word_are_rejected(void **state)
{
    static const struct model_mutant split_park = {"edo_park_word_park", MODEL_SPLIT};
    static const struct model_mutant split_notify = {"edo_park_word_notify", MODEL_SPLIT};
    static const struct model_mutant split_run = {"edo_park_word_run", MODEL_SPLIT};

    (void)state;
    prepare(true);
    assert_true(model_rejects(&two_wakers, &split_park));
    prepare(true);
    assert_true(model_rejects(&two_wakers, &split_notify));
    prepare(true);
    assert_true(model_rejects(&two_wakers, &split_run));
    publishes_early = true;
    prepare(true);
    assert_true(model_rejects(&two_wakers, NULL));
    publishes_early = false;
    reads_early = true;
    prepare(false);
    assert_true(model_rejects(&lazy, NULL));
    reads_early = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_wake_is_lost_and_none_queues_twice),
        cmocka_unit_test(test_c1_a_canceller_and_a_waker_meet),
        cmocka_unit_test(test_mutants_of_the_park_word_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
