/* SPDX-License-Identifier: MIT */
/*
 * Small programs with every object of sync/, each under many seeds, in which any task may be switched away from at any
 * suspension point and any ready one may be next; and the same seed gives the same run. A failing seed is printed.
 */
#include "runtime/helpers.h"

#include <edo/testing.h>

enum { SEEDS = 300, TASKS = 5, LOG = 256 };

/* What a run did, in order: who passed which point. */
static int record[LOG], recorded;

static void note(int what)
{
    if (recorded < LOG)
        record[recorded++] = what;
}

/* Priorities are for programs that end whoever is preferred: one that tries again and again would starve the others. */
static int schedule_of(int seed, bool priorities)
{
    return priorities ? seed % 3 : seed % 2 ? EDO_SCHEDULE_RANDOM : EDO_SCHEDULE_FIFO;
}

static void under_seeds_by(edo_task_fn fn, bool priorities)
{
    int rounds = edo_test_rounds(SEEDS);

    for (int seed = 1; seed <= rounds; seed++) {
        int once[LOG];
        int rc;

        edo_test_options options = {
            .size = sizeof options, .seed = (uint64_t)seed, .schedule = schedule_of(seed, priorities)};

        atomic_store(&test_failures, 0);
        recorded = 0;
        rc = edo_test_run(fn, NULL, &options);
        memcpy(once, record, sizeof once);
        if (rc < 0 || atomic_load(&test_failures))
            fail_msg("seed %d: %d, %d checks failed", seed, rc, atomic_load(&test_failures));
        if (seed % 16)
            continue;
        recorded = 0;
        assert_int_equal(edo_test_run(fn, NULL, &options), 0);
        assert_memory_equal(once, record, sizeof once);
    }
}

static void under_seeds(edo_task_fn fn)
{
    under_seeds_by(fn, true);
}

static int spawn_all(edo_task_fn fn)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (intptr_t i = 0; i < TASKS && rc == 0; i++)
            rc = edo_spawn(scope, fn, (void *)i);
    return rc;
}

/* Runs fn in a scope that a sibling cancels at some moment of the schedule's choice. */
struct doomed {
    int (*fn)(void *);
    void *argument;
    int rc;
};

static int cancels(void *scope)
{
    edo_yield();
    edo_scope_cancel(scope);
    return 0;
}

static int doomed_call(struct doomed *doomed)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(scope, cancels, scope);
        if (rc == 0)
            doomed->rc = doomed->fn(doomed->argument);
    }
    return rc;
}

/* --- Mutex, rwlock, semaphore: what is given up is not held ------------------------------------------------------- */

static edo_mutex mutex;
static edo_rwlock rwlock;
static edo_semaphore semaphore;
static int inside, readers, permits;

static int lock_mutex(void *argument)
{
    (void)argument;
    return edo_mutex_lock(&mutex);
}

static int uses_mutex(void *argument)
{
    struct doomed doomed = {.fn = lock_mutex};

    for (int i = 0; i < 3; i++) {
        CHECK_RC(doomed_call(&doomed), 0);
        CHECK(doomed.rc == 0 || doomed.rc == -ECANCELED);
        note((int)(intptr_t)argument * 2 + (doomed.rc == 0));
        if (doomed.rc < 0)
            continue;
        CHECK_RC(++inside, 1);
        edo_checkpoint();
        inside--;
        edo_mutex_unlock(&mutex);
    }
    return 0;
}

static int mutex_root(void *argument)
{
    int rc;

    (void)argument;
    edo_mutex_init(&mutex);
    rc = spawn_all(uses_mutex);
    CHECK_RC(edo_mutex_try_lock(&mutex), 0);
    edo_mutex_unlock(&mutex);
    edo_mutex_finish(&mutex);
    return rc;
}

static void test_c3_mutex_under_seeds(void **state)
{
    (void)state;
    under_seeds(mutex_root);
}

static int lock_rwlock(void *argument)
{
    return argument ? edo_rwlock_write_lock(&rwlock) : edo_rwlock_read_lock(&rwlock);
}

static int uses_rwlock(void *argument)
{
    bool writes = (intptr_t)argument % 2;
    struct doomed doomed = {.fn = lock_rwlock, .argument = writes ? argument : NULL};

    for (int i = 0; i < 3; i++) {
        CHECK_RC(doomed_call(&doomed), 0);
        note((int)(intptr_t)argument * 2 + (doomed.rc == 0));
        if (doomed.rc < 0)
            continue;
        CHECK_RC(inside, 0);
        *(writes ? &inside : &readers) += 1;
        CHECK(!writes || readers == 0);
        edo_checkpoint();
        *(writes ? &inside : &readers) -= 1;
        if (writes)
            edo_rwlock_write_unlock(&rwlock);
        else
            edo_rwlock_read_unlock(&rwlock);
    }
    return 0;
}

static int rwlock_root(void *argument)
{
    int rc;

    (void)argument;
    edo_rwlock_init(&rwlock);
    rc = spawn_all(uses_rwlock);
    edo_rwlock_finish(&rwlock);
    return rc;
}

static void test_c3_rwlock_under_seeds(void **state)
{
    (void)state;
    under_seeds(rwlock_root);
}

static int acquire(void *argument)
{
    return edo_semaphore_acquire(&semaphore, (intptr_t)argument);
}

static int uses_semaphore(void *argument)
{
    int wish = 1 + (int)(intptr_t)argument % 3;
    struct doomed doomed = {.fn = acquire, .argument = (void *)(intptr_t)wish};

    for (int i = 0; i < 3; i++) {
        CHECK_RC(doomed_call(&doomed), 0);
        note((int)(intptr_t)argument * 2 + (doomed.rc == 0));
        if (doomed.rc < 0)
            continue;
        permits += wish;
        CHECK(permits <= 3);
        edo_checkpoint();
        permits -= wish;
        CHECK_RC(edo_semaphore_release(&semaphore, wish), 0);
    }
    return 0;
}

static int semaphore_root(void *argument)
{
    int rc;

    (void)argument;
    edo_semaphore_init(&semaphore, 3);
    rc = spawn_all(uses_semaphore);
    CHECK_RC(edo_semaphore_available(&semaphore), 3);
    edo_semaphore_finish(&semaphore);
    return rc;
}

static void test_c3_semaphore_under_seeds(void **state)
{
    (void)state;
    under_seeds(semaphore_root);
}

/* --- Notify: as many items are taken as were made ----------------------------------------------------------------- */

static edo_notify notify;
static int items, taken;

static int wait_notify(void *argument)
{
    return edo_notify_wait(argument);
}

/* Takes all it can; when its wait is cancelled it waits again. */
static int takes(void *argument)
{
    struct doomed doomed = {.fn = wait_notify, .argument = &notify};

    while (taken < TASKS * 2) {
        if (items > 0) {
            items--;
            taken++;
            note((int)(intptr_t)argument);
            continue;
        }
        CHECK_RC(doomed_call(&doomed), 0);
    }
    edo_notify_one(&notify);
    return 0;
}

static int makes(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2; i++) {
        edo_checkpoint();
        items++;
        edo_notify_one(&notify);
    }
    return 0;
}

static int takes_for_good(void *argument)
{
    while (taken < TASKS * 2) {
        if (items > 0) {
            items--;
            taken++;
            note((int)(intptr_t)argument);
        } else {
            CHECK_RC(edo_notify_wait(&notify), 0);
        }
    }
    edo_notify_one(&notify);
    return 0;
}

static int notify_root(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_notify_init(&notify);
    items = taken = 0;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, takes_for_good, (void *)100), 0);
        CHECK_RC(edo_spawn(scope, takes, (void *)101), 0);
        CHECK_RC(edo_spawn(scope, takes, (void *)102), 0);
        rc = spawn_all(makes);
    }
    CHECK_RC(taken, TASKS * 2);
    return rc;
}

static void test_c2_notify_under_seeds(void **state)
{
    (void)state;
    under_seeds_by(notify_root, false);
}

/* --- Barrier, once, wait group, token ----------------------------------------------------------------------------- */

static edo_barrier barrier;
static edo_once once;
static edo_wait_group group;
static edo_token token;
static int leaders, done, tries, branded;

static int wait_barrier(void *argument)
{
    return edo_barrier_wait(argument);
}

static int initialise(void *argument)
{
    int rc = edo_yield();

    (void)argument;
    if (rc < 0)
        return rc;
    if (tries++ < 2)
        return -EAGAIN;
    done++;
    return 0;
}

static int call_once(void *argument)
{
    return edo_once_call(argument, initialise, NULL);
}

/* Who gave up comes again, twice; then it stays, since under some schedules all would give up for ever. */
static void comes_in_the_end(struct doomed *doomed)
{
    for (int i = 0; i < 3 && (i == 0 || doomed->rc < 0); i++)
        CHECK_RC(doomed_call(doomed), 0);
    while (doomed->rc < 0)
        doomed->rc = doomed->fn(doomed->argument);
}

static int does_it_all(void *argument)
{
    struct doomed at_barrier = {.fn = wait_barrier, .argument = &barrier};
    struct doomed at_once = {.fn = call_once, .argument = &once};
    int rc = 0;

    comes_in_the_end(&at_barrier);
    leaders += at_barrier.rc;
    note((int)(intptr_t)argument);
    comes_in_the_end(&at_once);
    CHECK_RC(done, 1);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_token_link(&token, scope), 0);
        edo_wait_group_done(&group);
        CHECK_RC(edo_sleep(EDO_SEC(3600)), -ECANCELED);
        branded += edo_cancel_reason() == EDO_REASON_SHUTDOWN;
    }
    return rc;
}

static int all_root(void *argument)
{
    int rc = 0;

    (void)argument;
    edo_barrier_init(&barrier, TASKS);
    edo_once_init(&once);
    edo_wait_group_init(&group);
    edo_token_init(&token, NULL);
    leaders = done = tries = branded = 0;
    edo_wait_group_add(&group, TASKS);
    EDO_SCOPE (scope, &rc) {
        for (intptr_t i = 0; i < TASKS && rc == 0; i++)
            rc = edo_spawn(scope, does_it_all, (void *)i);
        CHECK_RC(edo_wait_group_wait(&group), 0);
        edo_token_cancel_at(&token, EDO_REASON_SHUTDOWN, NULL);
    }
    CHECK_RC(leaders, 1);
    CHECK_RC(tries, 3);
    CHECK_RC(branded, TASKS);
    edo_token_finish(&token);
    edo_wait_group_finish(&group);
    edo_barrier_finish(&barrier);
    return rc;
}

static void test_c2_barrier_once_wait_group_and_token_under_seeds(void **state)
{
    (void)state;
    under_seeds(all_root);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        virtual_test(test_c3_mutex_under_seeds),
        virtual_test(test_c3_rwlock_under_seeds),
        virtual_test(test_c3_semaphore_under_seeds),
        virtual_test(test_c2_notify_under_seeds),
        virtual_test(test_c2_barrier_once_wait_group_and_token_under_seeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
