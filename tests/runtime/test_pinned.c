/* SPDX-License-Identifier: MIT */
/* Pinned tasks (S5): always on the thread where they first ran, whatever becomes of its worker; and pinned runtimes. */
#include "helpers.h"

#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <pthread.h>
#include <sched.h>

static struct {
    struct edo_runtime *runtime;
    _Atomic bool over;
    _Atomic int takes;
    uint32_t word;
} shared;

/* Takes workers at random, so that threads with pinned tasks lose theirs in the middle of everything. */
static void *take_at_random(void *argument)
{
    uint64_t random = edo_test_seed();

    (void)argument;
    while (!atomic_load(&shared.over)) {
        uint64_t which = edo_test_random(&random) % (uint64_t)shared.runtime->worker_count;
        struct timespec pause = {0, (long)(edo_test_random(&random) % 100000)};

        if (take_worker(&shared.runtime->workers[which]) == 0)
            atomic_fetch_add(&shared.takes, 1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Waits in every way there is. gettid, since pthread_self is const to compilers and would be asked once. */
static int stays(void *argument)
{
    uint64_t random = edo_test_seed() + (uintptr_t)argument;
    pid_t home = gettid();
    int rounds = edo_test_rounds(300);

    for (int i = 0; i < rounds; i++) {
        int64_t end;
        int rc = 0;

        switch (edo_test_random(&random) % 6) {
        case 0:
            edo_sleep((int64_t)(edo_test_random(&random) % 50000));
            break;
        case 1:
            edo_yield();
            break;
        case 2:
            edo_wait_word(&shared.word, 0, edo_now() + EDO_US(20));
            break;
        case 3:
            edo_wake_word(&shared.word, 1);
            break;
        case 4:
            EDO_TIMEOUT (EDO_US(10), &rc) {
                rc = edo_sleep(EDO_FOREVER);
            }
            CHECK_RC(rc, -ETIMEDOUT);
            break;
        default:
            end = edo_now() + EDO_US(30);
            while (edo_now() < end)
                edo_checkpoint();
        }
        CHECK_RC(gettid(), home);
    }
    return 0;
}

static int roams(void *argument)
{
    uint64_t random = edo_test_seed() + (uintptr_t)argument;

    while (!atomic_load(&shared.over)) {
        edo_wake_word(&shared.word, 2);
        edo_sleep((int64_t)(edo_test_random(&random) % 30000));
    }
    return 0;
}

static int stay_root(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    shared.runtime = edo_thread_self()->runtime;
    CHECK_RC(pthread_create(&thread, NULL, take_at_random, NULL), 0);
    EDO_SCOPE (roamers, &rc) {
        for (uintptr_t i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(roamers, roams, (void *)(i + 100)), 0);
        EDO_SCOPE (scope, &rc) {
            for (uintptr_t i = 0; i < 8; i++)
                CHECK_RC(edo_spawn(scope, stays, (void *)i, .pinned = true), 0);
        }
        while (atomic_load(&shared.takes) == 0) /* some worker is outside for long enough, some time */
            edo_yield();
        atomic_store(&shared.over, true);
    }
    pthread_join(thread, NULL);
    return rc;
}

static void test_s5_a_pinned_task_stays_when_its_worker_is_taken(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers *= 2)
        assert_int_equal(
            run_with(stay_root, NULL, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
            0);
}

/* --- Dormant and pinned ------------------------------------------------------------------------------------------- */

struct step {
    pid_t home;
    int steps;
    uint64_t random;
};

static int steps(void *argument)
{
    struct step *step = argument;

    if (step->home)
        CHECK_RC(gettid(), step->home);
    step->home = gettid();
    if (++step->steps >= edo_test_rounds(150))
        return 0;
    if (edo_test_random(&step->random) % 3 == 0)
        edo_sleep(EDO_US(5));
    CHECK_RC(gettid(), step->home);
    if (edo_test_random(&step->random) % 4 == 0)
        return edo_continue(EDO_WHEN_NOW, steps, step);
    return edo_continue(EDO_WHEN_AT(edo_now() + (int64_t)(edo_test_random(&step->random) % 30000)), steps, step);
}

static int step_root(void *argument)
{
    struct step step[12];
    pthread_t thread;
    int rc = 0;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    shared.runtime = edo_thread_self()->runtime;
    CHECK_RC(pthread_create(&thread, NULL, take_at_random, NULL), 0);
    EDO_SCOPE (roamers, &rc) {
        for (uintptr_t i = 0; i < 60; i++) /* their stacks fill the caches, which are then trimmed */
            CHECK_RC(edo_spawn(roamers, roams, (void *)(i + 100)), 0);
        EDO_SCOPE (scope, &rc) {
            for (uintptr_t i = 0; i < EDO_COUNT(step); i++) {
                step[i] = (struct step){0, 0, edo_test_seed() + i};
                CHECK_RC(edo_spawn(scope, steps, &step[i], .pinned = true, .stack_size = i % 2 ? 0 : 65536), 0);
            }
        }
        atomic_store(&shared.over, true);
    }
    pthread_join(thread, NULL);
    return rc;
}

static void test_s5_a_pinned_task_goes_on_where_it_was_after_a_dormant_wait(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers *= 2)
        assert_int_equal(
            run_with(step_root, NULL, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
            0);
}

/* Alone with its deadlines: nobody else keeps the worker awake, and its ticks run through all values. */
static int alone_root(void *argument)
{
    int rc = 0;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, stays, (void *)1, .pinned = true), 0);
    }
    return rc;
}

static void test_s5_a_pinned_sleeper_is_not_slept_over(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 2; workers++)
        for (int i = 0; i < 5; i++)
            assert_int_equal(run_with(alone_root, NULL,
                                      EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
                             0);
}

/* --- Pinned runtimes ---------------------------------------------------------------------------------------------- */

static int runtime_root(void *argument)
{
    int rc = 0;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t i = 0; i < 10; i++)
            CHECK_RC(edo_spawn(scope, stays, (void *)i), 0); /* the runtime is pinned, so they are */
        stays((void *)77);
    }
    return rc;
}

static void test_s5_in_a_pinned_runtime_nobody_moves(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers++)
        assert_int_equal(
            run_with(runtime_root, NULL,
                     EDO_OPTIONS(edo_run_options, .workers = workers, .pinned = true, .signals = EDO_SIGNALS_IGNORE)),
            0);
}

static void test_s5_pinned_tasks_stay_under_migrate_always(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(stay_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s5_a_pinned_task_stays_when_its_worker_is_taken),
        cmocka_unit_test(test_s5_a_pinned_task_goes_on_where_it_was_after_a_dormant_wait),
        cmocka_unit_test(test_s5_a_pinned_sleeper_is_not_slept_over),
        cmocka_unit_test(test_s5_in_a_pinned_runtime_nobody_moves),
        cmocka_unit_test(test_s5_pinned_tasks_stay_under_migrate_always),
    };

    edo_test_seed(); /* before there are threads to ask for it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
