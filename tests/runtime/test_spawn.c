/* SPDX-License-Identifier: MIT */
/* Spawn, join, detach: rule C10, what a cancelled join keeps (C2, C3), and the budget (S3). */
#include "helpers.h"

#include <pthread.h>

static int give(void *argument)
{
    return *(int *)argument;
}

static int give_after_turns(void *argument)
{
    for (int i = 0; i < 50; i++)
        edo_yield();
    return *(int *)argument;
}

static int wait_for_gate(void *argument)
{
    while (gate_wait(argument) == -ECANCELED)
        edo_yield();
    return 42;
}

/* --- C10 ---------------------------------------------------------------------------------------------------------- */

static int c10_child(void *argument)
{
    CHECK_RC(edo_checkpoint(), -ECANCELED);
    atomic_fetch_add((_Atomic int *)argument, 1);
    return -ECANCELED;
}

static int c10_main(void *argument)
{
    _Atomic int ran = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 100; i++) /* before the scope is cancelled */
            CHECK_RC(edo_spawn(scope, c10_child, ARGUMENT(&ran), .pinned = i % 2 != 0), 0);
        CHECK_RC(atomic_load(&ran), 0);
        edo_scope_cancel(scope);
        for (int i = 0; i < 100; i++) /* and after */
            CHECK_RC(edo_spawn(scope, c10_child, ARGUMENT(&ran)), 0);
        CHECK_RC(edo_spawn(scope, c10_child, ARGUMENT(&ran), .when = EDO_WHEN_AT(EDO_FOREVER)), 0);
        CHECK_RC(edo_spawn(scope, c10_child, ARGUMENT(&ran), .when = EDO_WHEN_NOW), 0);
    }
    CHECK_RC(atomic_load(&ran), 202);
    return rc;
}

static void test_c10_spawned_task_runs_even_if_cancelled_before(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c10_main, NULL), 0);
}

struct big {
    int values[100];
};

static int c10_copied(void *argument)
{
    struct big *big = argument;

    for (int i = 0; i < 100; i++)
        CHECK_RC(big->values[i], i);
    memset(big, 0, sizeof *big); /* it is the task's own */
    return 0;
}

static int c10_copy_main(void *argument)
{
    struct big big;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 100; i++)
        big.values[i] = i;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 10; i++)
            CHECK_RC(edo_spawn(scope, c10_copied, &big, .copy = sizeof big), 0);
        memset(&big, 0xff, sizeof big);
    }
    return rc;
}

static void test_c10_copied_argument_is_the_tasks_own(void **state)
{
    (void)state;
    assert_int_equal(run(c10_copy_main, NULL), 0);
}

static int refused_main(void *argument)
{
    struct {
        edo_spawn_options known;
        uint64_t unknown;
    } newer = {.known = {.size = sizeof newer}, .unknown = 1};
    edo_spawn_options senseless = {.size = sizeof senseless, .when = {.what_ = 77}};
    edo_spawn_options no_stream = {.size = sizeof no_stream, .when = EDO_WHEN_READABLE(NULL)};
    static int value = 3; /* outlives this function: its tasks do */
    edo_task *handle = NULL;
    edo_scope *scope = edo_scope_current();
    edo_metrics metrics = EDO_METRICS_INIT;

    (void)argument;
    senseless.handle = no_stream.handle = &handle;
    CHECK_RC(edo_spawn_at(scope, NULL, &value, NULL, NULL), -EINVAL);
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, &newer.known), -E2BIG);
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, &senseless), -EINVAL);
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, &no_stream), -EINVAL);
    no_stream.copy = sizeof value;
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, &no_stream), -EINVAL);
    CHECK_RC(edo_spawn(scope, give, &value, .stack_size = (size_t)1 << 40, .handle = &handle), -EINVAL);
    CHECK(handle == NULL);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC(metrics.tasks_alive, 1);
    newer.unknown = 0;
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, &newer.known), 0);
    CHECK_RC(edo_spawn_at(scope, give, &value, NULL, NULL), 0);
    return edo_scope_join(scope);
}

static void test_c10_refused_spawn_spawns_nothing(void **state)
{
    int value = 3;

    (void)state;
    assert_int_equal(edo_spawn(EDO_DETACHED, give, &value), -EPERM);
    assert_int_equal(run_alone(refused_main, NULL), 0);
}

/* --- Join --------------------------------------------------------------------------------------------------------- */

static int join_main(void *argument)
{
    int values[] = {0, 7, -EIO, INT_MAX, -4096};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE)
        for (size_t i = 0; i < EDO_COUNT(values); i++) {
            edo_task *task = NULL;
            int result = 99;

            CHECK_RC(edo_spawn(scope, give_after_turns, &values[i], .handle = &task), 0);
            CHECK(!edo_task_done(task)); /* it gives 50 turns before it ends, and one worker has not run it yet */
            CHECK_RC(edo_join(&result, task), 0);
            CHECK_RC(result, values[i]);
            CHECK_RC(edo_spawn(scope, give, &values[i], .handle = &task), 0);
            while (!edo_task_done(task))
                edo_yield();
            CHECK_RC(edo_join(i % 2 ? &result : NULL, task), 0);
        }
    return rc;
}

static void test_join_gives_the_tasks_result(void **state)
{
    (void)state;
    assert_int_equal(run_alone(join_main, NULL), 0);
}

static int c3_main(void *argument)
{
    struct gate gate = {0};
    edo_task *task = NULL;
    int result = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (outer, &rc) {
        CHECK_RC(edo_spawn(outer, wait_for_gate, &gate, .handle = &task), 0);
        for (int i = 0; i < 3; i++) {
            int timeout_rc = 0;

            EDO_TIMEOUT (EDO_MS(1), &timeout_rc)
                timeout_rc = edo_join(&result, task);
            CHECK_RC(timeout_rc, -ETIMEDOUT);
            CHECK_RC(result, 0);
            CHECK(!edo_task_done(task));
        }
        gate_open(&gate);
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, 42);
        /* A task that has ended, joined in a cancelled scope: refused, and the handle is still good. */
        CHECK_RC(edo_spawn(outer, wait_for_gate, &gate, .handle = &task), 0);
        while (!edo_task_done(task))
            edo_yield();
        EDO_SCOPE (inner, NULL) {
            edo_scope_cancel(inner);
            CHECK_RC(edo_join(&result, task), -ECANCELED);
        }
        CHECK_RC(edo_join(&result, task), 0);
    }
    return rc;
}

static void test_c3_cancelled_join_keeps_the_handle(void **state)
{
    (void)state;
    assert_int_equal(run_alone(c3_main, NULL), 0);
    assert_int_equal(run(c3_main, NULL), 0);
}

/* The end of the task and the cancellation of its joiner, at the same moment: one or the other, never both or none. */
static int race_canceller(void *argument)
{
    edo_yield();
    edo_scope_cancel((edo_scope *)argument);
    return 0;
}

static int race_main(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    int value = 5;

    for (int i = 0; i < edo_test_rounds(2000); i++) {
        edo_task *task = NULL;
        int result = 0;
        int joined = 0;
        int rc = 0;

        EDO_SCOPE (outer, &rc) {
            CHECK_RC(edo_spawn(outer, edo_test_random(&random) % 2 ? give : give_after_turns, &value, .handle = &task),
                     0);
            EDO_SCOPE (inner, NULL) {
                CHECK_RC(edo_spawn(outer, race_canceller, inner), 0);
                joined = edo_join(&result, task);
                CHECK(joined == 0 ? result == 5 : joined == -ECANCELED && result == 0);
                CHECK_RC(edo_scope_join(inner), 0);
                while (!edo_cancelled()) /* the canceller knows this scope */
                    edo_yield();
            }
            if (joined < 0)
                CHECK_RC(edo_join(&result, task), 0);
            CHECK_RC(result, 5);
        }
        CHECK_RC(rc, 0);
    }
    return 0;
}

static void test_c2_join_races_with_cancellation(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(run(race_main, &seed), 0);
}

static int self_join(void *argument)
{
    edo_task **task = argument;

    CHECK_RC(edo_join(NULL, *task), -EDEADLK);
    return 0;
}

static int self_join_main(void *argument)
{
    edo_task *task = NULL;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, self_join, &task, .handle = &task), 0);
        CHECK_RC(edo_join(NULL, task), 0);
    }
    return rc;
}

static void test_f2_joining_oneself_is_edeadlk(void **state)
{
    (void)state;
    assert_int_equal(run(self_join_main, NULL), 0);
}

/* A thread that runs no task joins, too, and blocks. */
static void *thread_join(void *argument)
{
    int result = 0;

    CHECK_RC(edo_join(&result, argument), 0);
    CHECK_RC(result, 42);
    return NULL;
}

static int thread_join_main(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 50; i++)
        EDO_SCOPE (scope, &rc) {
            struct gate gate = {0};
            edo_task *task = NULL;
            pthread_t thread;

            CHECK_RC(edo_spawn(scope, wait_for_gate, &gate, .handle = &task), 0);
            CHECK_RC(pthread_create(&thread, NULL, thread_join, task), 0);
            for (int turn = 0; turn < i; turn++)
                edo_yield();
            gate_open(&gate);
            CHECK_RC(edo_scope_join(scope), 0);
            pthread_join(thread, NULL);
        }
    return rc;
}

static void test_join_from_a_plain_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_join_main, NULL), 0);
    assert_int_equal(run_alone(thread_join_main, NULL), 0);
}

/* A task of a nested runtime joins one of the outer runtime, which is there for the whole time. */
struct foreign {
    struct gate gate;
    edo_task *task;
    edo_scope *scope; /* the inner root's own, to be cancelled while it joins; NULL: no */
};

/* With one worker it runs when the root waits, not before. */
static int foreign_opener(void *argument)
{
    struct foreign *foreign = argument;

    if (foreign->scope)
        edo_scope_cancel(foreign->scope);
    else
        gate_open(&foreign->gate);
    return 0;
}

static int foreign_join(void *argument)
{
    struct foreign *foreign = argument;
    int result = 0;

    EDO_SCOPE (scope, NULL) {
        foreign->scope = scope;
        CHECK_RC(edo_spawn(edo_root_scope(), foreign_opener, foreign), 0);
        CHECK_RC(edo_join(&result, foreign->task), -ECANCELED);
        CHECK(!edo_task_done(foreign->task));
    }
    foreign->scope = NULL;
    CHECK_RC(edo_spawn(edo_root_scope(), foreign_opener, foreign), 0);
    CHECK_RC(edo_join(&result, foreign->task), 0);
    CHECK_RC(result, 42);
    CHECK_RC(edo_yield(), 0);
    return 0;
}

static int foreign_main(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 20; i++)
        EDO_SCOPE (scope, &rc) {
            struct foreign foreign = {.scope = NULL};

            CHECK_RC(edo_spawn(scope, wait_for_gate, &foreign.gate, .handle = &foreign.task), 0);
            CHECK_RC(edo_run(foreign_join, &foreign, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
            CHECK_RC(edo_scope_join(scope), 0);
        }
    return rc;
}

static void test_s8_task_of_a_nested_runtime_joins_one_of_the_outer(void **state)
{
    (void)state;
    assert_int_equal(run(foreign_main, NULL), 0);
}

/* --- Detach ------------------------------------------------------------------------------------------------------- */

static int detach_main(void *argument)
{
    int value = 1;
    int rc = 0;

    (void)argument;
    edo_detach(NULL);
    for (int round = 0; round < 100; round++)
        EDO_SCOPE (scope, &rc)
            for (int i = 0; i < 100; i++) {
                edo_task *task = NULL;

                CHECK_RC(edo_spawn(scope, give, &value, .handle = &task), 0);
                if (i % 3 == 0)
                    edo_yield(); /* it may have ended, or not */
                edo_detach(task);
            }
    return rc;
}

static void test_detach_before_and_after_the_end(void **state)
{
    (void)state;
    assert_int_equal(run(detach_main, NULL), 0);
}

/* --- S3 ----------------------------------------------------------------------------------------------------------- */

static int s3_flag(void *argument)
{
    atomic_store((_Atomic int *)argument, 1);
    return 0;
}

static int s3_main(void *argument)
{
    _Atomic int ran = 0;
    uint32_t word = 0;
    int rounds = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, s3_flag, ARGUMENT(&ran)), 0);
        while (!atomic_load(&ran) && rounds < 100000) {
            CHECK_RC(edo_wait_word(&word, 1, EDO_FOREVER), -EAGAIN); /* never has to wait */
            rounds++;
        }
        CHECK(rounds <= 129);
        CHECK(rounds > 100); /* and not at every call */
        atomic_store(&ran, 0);
        rounds = 0;
        CHECK_RC(edo_spawn(scope, s3_flag, ARGUMENT(&ran)), 0);
        while (!atomic_load(&ran) && rounds < 100000) {
            CHECK_RC(edo_checkpoint(), 0);
            rounds++;
        }
        CHECK(rounds <= 129);
        /* Two that never wait, one after the other, for as long as they like. */
        atomic_store(&ran, 0);
        CHECK_RC(edo_spawn(scope, s3_flag, ARGUMENT(&ran)), 0);
        CHECK_RC(edo_yield(), 0);
        CHECK_RC(atomic_load(&ran), 1);
    }
    return rc;
}

static void test_s3_task_that_never_waits_yields_when_its_budget_is_spent(void **state)
{
    (void)state;
    assert_int_equal(run_alone(s3_main, NULL), 0);
    assert_int_equal(edo_yield(), 0); /* outside a task: nothing to give */
    assert_int_equal(edo_checkpoint(), 0);
}

/* --- Who am I ----------------------------------------------------------------------------------------------------- */

static int named(void *argument)
{
    CHECK(edo_in_task());
    CHECK(strcmp(edo_task_name(), argument) == 0);
    CHECK(edo_task_id() != 0);
    return 0;
}

static int name_main(void *argument)
{
    static char given[] = "resize";
    static char function[] = "name_main";
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, named, given, .name = "resize"), 0);
        CHECK_RC(edo_spawn(scope, named, function), 0);
    }
    return rc;
}

static void test_tasks_have_names_and_numbers(void **state)
{
    (void)state;
    assert_false(edo_in_task());
    assert_int_equal(edo_task_id(), 0);
    assert_string_equal(edo_task_name(), "");
    assert_int_equal(run(name_main, NULL), 0);
}

struct ids {
    _Atomic uint64_t *slots;
    int index;
};

static int take_id(void *argument)
{
    struct ids *ids = argument;

    atomic_store(&ids->slots[ids->index], edo_task_id());
    return 0;
}

enum { IDS = 2000 };
static _Atomic uint64_t id_slots[IDS];

static int ids_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < IDS; i++) {
            struct ids ids = {id_slots, i};

            CHECK_RC(edo_spawn(scope, take_id, &ids, .copy = sizeof ids), 0);
        }
    for (int i = 0; i < IDS; i++)
        for (int j = 0; j < i; j++)
            if (atomic_load(&id_slots[i]) == atomic_load(&id_slots[j]))
                return -EEXIST;
    return rc;
}

static void test_task_numbers_are_not_used_twice(void **state)
{
    (void)state;
    assert_int_equal(run(ids_main, NULL), 0);
}

/* Tasks of all stack sizes, and pinned ones, by the thousand. */
static int mixed_main(void *argument)
{
    int value = 1;
    int rc = 0;

    (void)argument;
    for (int round = 0; round < 5; round++)
        EDO_SCOPE (scope, &rc)
            for (int i = 0; i < 500; i++)
                CHECK_RC(edo_spawn(scope, i % 2 ? give : give_after_turns, &value, .stack_size = (size_t)8192 << i % 7,
                                   .pinned = i % 5 == 0),
                         0);
    return rc;
}

static void test_stack_sizes_and_pinning_mix(void **state)
{
    (void)state;
    assert_int_equal(run(mixed_main, NULL), 0);
    assert_int_equal(
        run_with(mixed_main, NULL, EDO_OPTIONS(edo_run_options, .workers = 3, .pinned = true, .stack_size = 32768)), 0);
    assert_int_equal(run_with(mixed_main, NULL, EDO_OPTIONS(edo_run_options, .workers = 3, .migrate_always = true)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c10_spawned_task_runs_even_if_cancelled_before),
        cmocka_unit_test(test_c10_copied_argument_is_the_tasks_own),
        cmocka_unit_test(test_c10_refused_spawn_spawns_nothing),
        cmocka_unit_test(test_join_gives_the_tasks_result),
        cmocka_unit_test(test_c3_cancelled_join_keeps_the_handle),
        cmocka_unit_test(test_c2_join_races_with_cancellation),
        cmocka_unit_test(test_f2_joining_oneself_is_edeadlk),
        cmocka_unit_test(test_join_from_a_plain_thread),
        cmocka_unit_test(test_s8_task_of_a_nested_runtime_joins_one_of_the_outer),
        cmocka_unit_test(test_detach_before_and_after_the_end),
        cmocka_unit_test(test_s3_task_that_never_waits_yields_when_its_budget_is_spent),
        cmocka_unit_test(test_tasks_have_names_and_numbers),
        cmocka_unit_test(test_task_numbers_are_not_used_twice),
        cmocka_unit_test(test_stack_sizes_and_pinning_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
