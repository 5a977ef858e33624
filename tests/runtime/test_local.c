/* SPDX-License-Identifier: MIT */
/*
 * Task-locals: whose a value is, how long it stays, and who destroys it, when and where.
 */
#include "helpers.h"

#include "runtime/task.h"

#include <pthread.h>

/* --- A value that tells what becomes of it ------------------------------------------------------------------------ */

static _Atomic int destroyed;
static _Atomic uint64_t destroyed_by; /* the task that did it last */
static char order[16];                /* names of those that were destroyed, in order */

struct value {
    char name;
};

static void value_destroy(void *argument)
{
    struct value *value = argument;
    int place = atomic_fetch_add(&destroyed, 1);

    CHECK(value != NULL);
    if (place < (int)sizeof order - 1)
        order[place] = value->name;
    atomic_store(&destroyed_by, edo_task_id());
    free(value);
}

static struct value *value_new(char name)
{
    struct value *value = malloc(sizeof *value);

    value->name = name;
    return value;
}

static int begin(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    memset(order, 0, sizeof order);
    return 0;
}

static const edo_local first = EDO_LOCAL_INIT(.destroy = value_destroy);
static const edo_local second = EDO_LOCAL_INIT(.destroy = value_destroy);
static const edo_local third = EDO_LOCAL_INIT(.destroy = value_destroy);
static edo_local plain; /* all zero is a key */

/* --- Getting and setting ------------------------------------------------------------------------------------------ */

static int get_and_set(void *argument)
{
    struct value *one = value_new('a');
    int here;
    int there;

    (void)argument;
    CHECK(edo_local_get(&first) == NULL);
    CHECK(edo_local_get(NULL) == NULL);
    CHECK_RC(edo_local_set(NULL, &here), -EINVAL);
    CHECK_RC(edo_local_set(&first, NULL), 0);
    CHECK_RC(edo_local_set(&first, one), 0);
    CHECK_RC(edo_local_set(&plain, &here), 0);
    CHECK_RC(edo_local_set(&second, value_new('b')), 0);
    CHECK(edo_local_get(&first) == one);
    CHECK(edo_local_get(&plain) == &here);
    CHECK(edo_local_get(&third) == NULL);
    CHECK_RC(edo_local_set(&first, one), 0); /* the same one is not destroyed */
    CHECK_RC(atomic_load(&destroyed), 0);
    CHECK_RC(edo_local_set(&first, value_new('c')), 0);
    CHECK(strcmp(order, "a") == 0);
    CHECK_RC(edo_local_set(&second, NULL), 0);
    CHECK(strcmp(order, "ab") == 0);
    CHECK(edo_local_get(&second) == NULL);
    CHECK(((struct value *)edo_local_get(&first))->name == 'c');
    CHECK_RC(edo_local_set(&plain, &there), 0);
    CHECK(edo_local_get(&plain) == &there);
    return 0;
}

static void test_a_local_is_set_replaced_and_taken_back(void **state)
{
    (void)state;
    assert_int_equal(run_alone(get_and_set, NULL), 0);
    assert_string_equal(order, "abc");
}

static void *on_a_thread(void *argument)
{
    int value = 1;

    (void)argument;
    CHECK(edo_local_get(&plain) == NULL);
    CHECK_RC(edo_local_set(&plain, &value), -EPERM);
    EDO_WITH_LOCAL(&plain, &value)
    CHECK(edo_local_get(&plain) == NULL);
    return NULL;
}

static int job(void *argument)
{
    on_a_thread(argument);
    return 0;
}

static void callback(void *argument)
{
    on_a_thread(NULL);
    gate_open(argument);
}

static int others_have_none(void *argument)
{
    struct gate fired = {0};
    edo_timer timer;

    CHECK_RC(edo_local_set(&plain, argument), 0);
    CHECK_RC(edo_blocking(job, NULL), 0);
    edo_timer_init(&timer, callback, &fired);
    CHECK_RC(edo_timer_start(&timer, edo_now()), 0);
    CHECK_RC(gate_wait(&fired), 0);
    edo_timer_stop(&timer);
    CHECK(edo_local_get(&plain) == argument);
    return 0;
}

static void test_a_thread_that_runs_no_task_has_no_locals(void **state)
{
    pthread_t thread;
    int value;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, on_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(run_alone(others_have_none, &value), 0);
}

/* Every task its own, under the same key, whatever runs between, wherever it wakes. */
static int own_number(void *argument)
{
    for (int i = 0; i < 200; i++) {
        CHECK(edo_local_get(&plain) == (i > 0 ? argument : NULL));
        CHECK_RC(edo_local_set(&plain, argument), 0);
        edo_yield();
    }
    return 0;
}

static int many_tasks(void *argument)
{
    static char numbers[20];
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (size_t i = 0; i < sizeof numbers; i++)
            CHECK_RC(edo_spawn(scope, own_number, &numbers[i], .pinned = i % 5 == 0), 0);
    return rc;
}

static void test_s5_locals_go_with_their_task_to_whatever_thread_it_wakes_on(void **state)
{
    (void)state;
    assert_int_equal(run_with(many_tasks, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true)), 0);
    assert_int_equal(run(many_tasks, NULL), 0);
}

/* --- Over continuations ------------------------------------------------------------------------------------------- */

static int last_part(void *argument)
{
    CHECK(edo_local_get(&plain) == argument);
    CHECK(((struct value *)edo_local_get(&first))->name == 'x');
    CHECK_RC(atomic_load(&destroyed), 0);
    return 0;
}

static int first_part(void *argument)
{
    CHECK_RC(edo_local_set(&plain, argument), 0);
    CHECK_RC(edo_local_set(&first, value_new('x')), 0);
    EDO_WITH_LOCAL(&second, argument)
    return edo_continue(EDO_WHEN_AT(edo_now() + 1000), last_part, argument);
    return 1;
}

static int continues(void *argument)
{
    edo_task *task = NULL;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, first_part, argument, .handle = &task), 0);
        CHECK_RC(edo_join(NULL, task), 0);
        CHECK_RC(atomic_load(&destroyed), 1);
    }
    return rc;
}

static void test_k5_locals_stay_over_edo_continue_and_end_with_the_task(void **state)
{
    int value;

    (void)state;
    assert_int_equal(run_alone(continues, &value), 0);
    assert_string_equal(order, "x");
}

/* --- Inside a block ----------------------------------------------------------------------------------------------- */

static int left_by(int way)
{
    int outer;
    int inner;

    CHECK_RC(edo_local_set(&plain, &outer), 0);
    for (int i = 0; i < 2; i++) {
        EDO_WITH_LOCAL(&plain, &inner)
        {
            CHECK(edo_local_get(&plain) == &inner);
            CHECK_RC(edo_local_set(&plain, &outer), -EBUSY);
            CHECK(edo_local_get(&plain) == &inner);
            EDO_WITH_LOCAL(&plain, NULL)
            CHECK(edo_local_get(&plain) == NULL);
            CHECK(edo_local_get(&plain) == &inner);
            CHECK_RC(edo_local_set(&third, value_new('t')), 0); /* lies before the binding in the list */
            edo_yield();
            if (way == 0)
                break;
            if (way == 1)
                continue;
            if (way == 2)
                return 0;
            if (way == 3)
                goto out;
        }
        CHECK(edo_local_get(&plain) == &outer);
        CHECK(((struct value *)edo_local_get(&third))->name == 't');
        CHECK_RC(edo_local_set(&third, NULL), 0);
    }
out:
    return 0;
}

static int leaves_blocks(void *argument)
{
    (void)argument;
    for (int way = 0; way < 5; way++) {
        CHECK_RC(left_by(way), 0);
        CHECK(edo_local_get(&plain) != NULL); /* the outer one, of a frame that is gone by now */
        CHECK_RC(edo_local_set(&plain, NULL), 0);
        CHECK_RC(edo_local_set(&third, NULL), 0);
    }
    EDO_WITH_LOCAL(&first, argument) /* is not destroyed */
    CHECK(edo_local_get(&first) == argument);
    return 0;
}

static void test_a_bound_local_is_there_within_its_block_only(void **state)
{
    int value;

    (void)state;
    assert_int_equal(run_alone(leaves_blocks, &value), 0);
}

/* --- Destroyed by the task itself --------------------------------------------------------------------------------- */

static struct gate let_go;
static _Atomic int waiting;

static void destroy_waiting(void *argument)
{
    CHECK(edo_task_id() == *(uint64_t *)argument);
    atomic_fetch_add(&waiting, 1);
    CHECK_RC(gate_wait(&let_go), 0);
    CHECK_RC(edo_local_set(&third, value_new('l')), 0); /* a last one: destroyed, too */
    free(argument);
}

static const edo_local slow = EDO_LOCAL_INIT(.destroy = destroy_waiting);

static int ends_slowly(void *argument)
{
    uint64_t *id = malloc(sizeof *id);

    (void)argument;
    *id = edo_task_id();
    CHECK_RC(edo_local_set(&first, value_new('1')), 0);
    CHECK_RC(edo_local_set(&second, value_new('2')), 0);
    CHECK_RC(edo_local_set(&slow, id), 0);
    CHECK_RC(edo_local_set(&third, value_new('3')), 0);
    return 5;
}

static int joins_slowly(void *argument)
{
    edo_task *task = NULL;
    int result = 0;
    int rc = 0;

    (void)argument;
    memset(&let_go, 0, sizeof let_go);
    atomic_store(&waiting, 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, ends_slowly, NULL, .handle = &task), 0);
        until(&waiting, 1);
        CHECK(!edo_task_done(task));
        CHECK_RC(atomic_load(&destroyed), 1);
        gate_open(&let_go);
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, 5);
        CHECK_RC(atomic_load(&destroyed), 4);
    }
    return rc;
}

static void test_locals_are_destroyed_newest_first_by_a_task_that_has_not_ended_yet(void **state)
{
    (void)state;
    assert_int_equal(run_alone(joins_slowly, NULL), 0);
    assert_string_equal(order, "3l21");
    begin(state);
    assert_int_equal(run(joins_slowly, NULL), 0);
}

/* A scope waits for them, and its cancellation reaches them. */
static void destroy_cancelled(void *argument)
{
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    EDO_SHIELD (EDO_SEC(10))
        CHECK_RC(edo_yield(), 0);
    atomic_store((_Atomic int *)argument, 1);
}

static const edo_local unwilling = EDO_LOCAL_INIT(.destroy = destroy_cancelled);

static int sets_unwilling(void *argument)
{
    return edo_local_set(&unwilling, argument);
}

static int cancels_unwilling(void *argument)
{
    _Atomic int seen = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(scope, sets_unwilling, ARGUMENT(&seen)), 0);
        edo_yield();
        edo_yield();
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&seen), 1);
    return 0;
}

static void test_c4_a_scope_waits_for_destructors_and_cancels_their_waits(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancels_unwilling, NULL), 0);
    assert_int_equal(run(cancels_unwilling, NULL), 0);
}

/* What the destructor looks at through the argument's copy is still there. */
static void destroy_reading(void *argument)
{
    CHECK_RC(*(int *)argument, 77);
}

static const edo_local reading = EDO_LOCAL_INIT(.destroy = destroy_reading);

static int reads_its_copy(void *argument)
{
    CHECK_RC((intptr_t)argument % 16, 0);
    return edo_local_set(&reading, argument);
}

static int copies(void *argument)
{
    int number = 77;

    (void)argument;
    return edo_spawn(edo_scope_current(), reads_its_copy, &number, .copy = sizeof number);
}

static void test_the_copied_argument_outlives_the_locals(void **state)
{
    (void)state;
    assert_int_equal(run_alone(copies, NULL), 0);
}

/* --- Inheritance -------------------------------------------------------------------------------------------------- */

static int inherit_next(void **child, void *value)
{
    char name = ((struct value *)value)->name;

    if (name == 'z')
        return -EDOM;
    if (name != 'y') /* y has no children */
        *child = value_new((char)(name + 1));
    return 0;
}

static const edo_local handed = EDO_LOCAL_INIT(.destroy = value_destroy, .inherit = inherit_next);
static const edo_local shared = EDO_LOCAL_INIT(.inherit = edo_local_share);

struct heir {
    char wanted; /* 0: none */
    void *shared;
};

static int heir(void *argument)
{
    struct heir *will = argument;
    struct value *got = edo_local_get(&handed);

    CHECK((got ? got->name : 0) == will->wanted);
    CHECK(edo_local_get(&shared) == will->shared);
    CHECK(edo_local_get(&first) == NULL);
    CHECK(edo_local_get(&plain) == NULL);
    return 0;
}

static void expect_heir(char wanted, void *the_shared)
{
    struct heir will = {wanted, the_shared};
    edo_task *task = NULL;

    CHECK_RC(edo_spawn(edo_scope_current(), heir, &will, .copy = sizeof will, .handle = &task), 0);
    CHECK_RC(edo_join(NULL, task), 0);
    CHECK_RC(edo_spawn(edo_scope_current(), heir, &will, .handle = &task, .when = EDO_WHEN_AT(edo_now() + 1000)), 0);
    CHECK_RC(edo_join(NULL, task), 0);
}

static int bequeath(void *argument)
{
    struct value bound = {'q'};

    CHECK_RC(edo_local_set(&first, value_new('f')), 0); /* is not handed down */
    CHECK_RC(edo_local_set(&plain, argument), 0);
    expect_heir(0, NULL);
    CHECK_RC(edo_local_set(&handed, value_new('a')), 0);
    CHECK_RC(edo_local_set(&shared, argument), 0);
    expect_heir('b', argument);
    EDO_WITH_LOCAL(&handed, &bound)
    expect_heir('r', argument);
    EDO_WITH_LOCAL(&handed, NULL)
    expect_heir(0, argument);
    CHECK(((struct value *)edo_local_get(&handed))->name == 'a');
    CHECK_RC(edo_local_set(&handed, value_new('y')), 0);
    expect_heir(0, argument);
    CHECK_RC(edo_local_set(&handed, value_new('z')), 0);
    CHECK_RC(edo_spawn(edo_scope_current(), heir, NULL), -EDOM);
    CHECK_RC(edo_spawn(edo_scope_current(), heir, argument, .copy = 1), -EDOM);
    return 0;
}

static void test_c10_children_get_a_value_of_their_own_or_are_not_spawned(void **state)
{
    int value;

    (void)state;
    assert_int_equal(run_alone(bequeath, &value), 0);
    assert_string_equal(order, "bbrrayzf");
}

/* --- F2 ----------------------------------------------------------------------------------------------------------- */

static void destroy_with_region(void *argument)
{
    (void)argument;
    edo_blocking_begin();
}

static int ends_in_region(void *argument)
{
    static const edo_local careless = EDO_LOCAL_INIT(.destroy = destroy_with_region);

    return edo_local_set(&careless, argument);
}

static int stays_bound(void *argument)
{
    static edo_local_binding binding;

    edo_local_bind(&binding, &plain, argument);
    return 0;
}

static void test_f2_debug_abort_when_destructors_or_bindings_leave_something_open(void **state)
{
    int value;

    (void)state;
    assert_misuse(ends_in_region, &value, "destructor has returned with a region");
    assert_misuse(stays_bound, &value, "has returned with a task-local still bound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_f2_debug_abort_when_destructors_or_bindings_leave_something_open, begin),
        cmocka_unit_test_setup(test_a_local_is_set_replaced_and_taken_back, begin),
        cmocka_unit_test_setup(test_a_thread_that_runs_no_task_has_no_locals, begin),
        cmocka_unit_test_setup(test_s5_locals_go_with_their_task_to_whatever_thread_it_wakes_on, begin),
        cmocka_unit_test_setup(test_k5_locals_stay_over_edo_continue_and_end_with_the_task, begin),
        cmocka_unit_test_setup(test_a_bound_local_is_there_within_its_block_only, begin),
        cmocka_unit_test_setup(test_locals_are_destroyed_newest_first_by_a_task_that_has_not_ended_yet, begin),
        cmocka_unit_test_setup(test_c4_a_scope_waits_for_destructors_and_cancels_their_waits, begin),
        cmocka_unit_test_setup(test_the_copied_argument_outlives_the_locals, begin),
        cmocka_unit_test_setup(test_c10_children_get_a_value_of_their_own_or_are_not_spawned, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
