/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of blocking jobs with their cancellation, the expiry of the pool's thread, and the pool's end: a
 * job runs, or is dropped, or goes on abandoned, one of the three (rules C2, C7); nothing touches a job whose caller
 * has returned; what was allocated is freed, once. A runtime that runs in a job hears of its caller's cancellation, and
 * is not touched when it has ended (rule S8).
 *
 * The code is blocking.c. The pool has one thread, which is started with the first job and may time out whenever it
 * waits.
 */
#include "stand_in.h"

#include <pthread.h>

#define pthread_detach(id)        ((void)(id))
#define pthread_join(id, nowhere) ((void)(id))

#include "../../src/runtime/blocking.c"

enum { BLOCKS = 3, RESULT = 42 };

static struct edo_runtime runtime;

static struct {
    struct edo_scope_body scopes[2];
    struct edo_thread threads[2]; /* the callers' */
    struct edo_task tasks[2];
    struct {
        uint8_t bytes[320];
        uint64_t used;
    } heap[BLOCKS];
    uint8_t started;
    uint8_t threads_started;
    uint8_t callers_left;
    uint8_t ran[2];
    uint8_t dropped[2];
    uint8_t returned[2];
    int32_t rc[2];
    uint8_t nested; /* a runtime runs in the job */
    uint8_t held;   /* by who is about to cancel it */
    uint8_t told;   /* that has been done */
    struct edo_blocking_pool *pool;
} world __attribute__((aligned(16)));

static bool abandonable;
static bool until_cancelled; /* the job's runtime ends only then */

/* --- The platform ------------------------------------------------------------------------------------------------- */

static void *allocate(size_t size)
{
    model_assert(size <= sizeof world.heap[0].bytes);
    for (int i = 0; i < BLOCKS; i++)
        if (!world.heap[i].used) {
            world.heap[i].used = 1;
            memset(world.heap[i].bytes, 0, sizeof world.heap[i].bytes);
            return world.heap[i].bytes;
        }
    model_assert(!"enough memory");
    return NULL;
}

static void release(void *memory)
{
    for (int i = 0; i < BLOCKS; i++)
        if (memory == world.heap[i].bytes) {
            model_assert(world.heap[i].used);
            world.heap[i].used = 0;
            memset(world.heap[i].bytes, 0xdd, sizeof world.heap[i].bytes);
            return;
        }
    model_assert(!memory);
}

static int64_t now(void)
{
    return 0;
}

/* A thread that has expired makes room for another: the same coroutine again. */
static int thread_start(pthread_t *out, size_t stack_size, void *(*entry)(void *), void *argument)
{
    (void)out;
    (void)stack_size;
    (void)entry;
    (void)argument;
    world.threads_started++;
    model_give(&world.started);
    return 0;
}

int edo_masked_thread_start(const struct edo_platform *platform, pthread_t *out, size_t stack_size,
                            void *(*entry)(void *), void *argument)
{
    return platform->thread_start(out, stack_size, entry, argument);
}

static const struct edo_platform table = {.allocate = allocate,
                                          .release = release,
                                          .now = now,
                                          .thread_start = thread_start,
                                          .futex_wait = model_futex_wait,
                                          .futex_wake = model_futex_wake};
const struct edo_platform *edo_platform = &table;

/* --- The threads -------------------------------------------------------------------------------------------------- */

void edo_nesting_hold(struct edo_nesting *nesting)
{
    (void)nesting;
    model_step();
    model_assert(world.nested && !world.held);
    world.held = 1;
}

void edo_nesting_cancel_held(struct edo_nesting *nesting)
{
    (void)nesting;
    model_step();
    model_assert(world.nested);
    model_give(&world.told);
}

static int job(void *argument)
{
    unsigned which = *(uint8_t *)argument;
    struct edo_nesting *outer = NULL;
    int rc;

    world.nested = 1;
    model_assert(edo_job_nesting_begin(&rc, &outer, (struct edo_nesting *)(void *)&world.nested) && !outer);
    model_step();
    if (until_cancelled && rc == 0) {
        model_take(&world.told);
        world.held = 0;
    }
    edo_job_nesting_end(NULL);
    if (world.held)
        model_take(&world.told);
    world.held = world.nested = 0;
    model_assert(which < 2 && !world.ran[which]);
    model_assert(abandonable || !world.returned[which]);
    world.ran[which] = 1;
    return RESULT;
}

static void drop(void *argument)
{
    unsigned which = *(uint8_t *)argument;

    model_assert(which < 2 && !world.dropped[which]);
    world.dropped[which] = 1;
}

static void call(uint8_t which)
{
    edo_blocking_options options = {
        .size = sizeof options, .abandonable = abandonable, .copy = abandonable, .drop = abandonable ? drop : NULL};

    edo_self_pointer = &world.threads[which];
    world.rc[which] = edo_blocking_with(job, &which, &options);
    world.returned[which] = 1;
    if (world.rc[which] == RESULT)
        model_assert(world.ran[which]);
    else
        model_assert(world.rc[which] == -ECANCELED && (abandonable || !world.ran[which]));
    if (--world.callers_left == 0) { /* the runtime's end */
        edo_blocking_pool_destroy(world.pool);
        model_give(&world.started);
    }
}

static void caller(void)
{
    call(0);
}

static void other_caller(void)
{
    call(1);
}

static void pool_thread(void)
{
    edo_self_pointer = NULL;
    for (;;) {
        model_take(&world.started);
        if (!world.threads_started)
            return;
        world.threads_started--;
        edo_blocking_main(world.pool);
    }
}

static void canceller(void)
{
    edo_self_pointer = NULL;
    stand_in_cancel(&world.scopes[0], &world.tasks[0]);
}

static void setup_for(int callers)
{
    memset(&world, 0, sizeof world);
    memset(&stand_in, 0, sizeof stand_in);
    edo_blocking_pool_create(&world.pool, 1, &(edo_run_options){.blocking_linger = 1});
    runtime.blocking = world.pool;
    world.callers_left = (uint8_t)callers;
    for (int i = 0; i < 2; i++) {
        world.tasks[i].id = (uint64_t)i;
        world.tasks[i].budget = EDO_BUDGET;
        world.tasks[i].flags = EDO_TASK_MIGRATES;
        world.tasks[i].home = world.tasks[i].scope = &world.scopes[i];
        world.scopes[i].runtime = &runtime;
        world.threads[i].runtime = &runtime;
        world.threads[i].current = &world.tasks[i];
    }
}

static void setup(void)
{
    setup_for(1);
}

static void setup_two(void)
{
    setup_for(2);
}

static void check(void)
{
    for (int i = 0; i < BLOCKS; i++)
        model_assert(!world.heap[i].used);
    for (int i = 0; i < 2; i++)
        if (abandonable && world.returned[i])
            model_assert(world.dropped[i] == (world.rc[i] != RESULT));
}

static struct model one = {"blocking, one caller", setup, {caller, pool_thread, canceller}, check, NULL, true};
static struct model two = {
    "blocking, two callers", setup_two, {caller, other_caller, pool_thread, canceller}, check, NULL, false};

static const struct model *with_regions(struct model *model, bool may_abandon)
{
    abandonable = may_abandon;
    model->self = (void **)(void *)&edo_self_pointer;
    model_region("world", &world, sizeof world);
    model_region("queued", &stand_in, sizeof stand_in);
    model_region("job", &edo_job_here, sizeof edo_job_here);
    return model;
}

static void test_c7_a_job_runs_is_dropped_or_goes_on_alone(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&one, false)));
    assert_true(model_holds(with_regions(&one, true)));
    assert_true(model_holds(with_regions(&two, false)));
    assert_true(model_holds(with_regions(&two, true)));
}

static void test_s8_a_runtime_in_a_job_hears_the_cancellation_of_its_caller(void **state)
{
    (void)state;
    until_cancelled = true;
    assert_true(model_holds(with_regions(&one, false)));
    assert_true(model_holds(with_regions(&one, true)));
    until_cancelled = false;
}

static void test_mutants_of_jobs_are_rejected(void **state)
{
    static const struct model_mutant split_done = {"edo_job_run", MODEL_SPLIT};
    static const struct model_mutant split_abandon = {"edo_job_abandon", MODEL_SPLIT};
    static const struct model_mutant split_lock = {"edo_lock_try", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&one, true), &split_done));
    assert_true(model_rejects(with_regions(&one, true), &split_abandon));
    assert_true(model_rejects(with_regions(&one, false), &split_lock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c7_a_job_runs_is_dropped_or_goes_on_alone),
        cmocka_unit_test(test_s8_a_runtime_in_a_job_hears_the_cancellation_of_its_caller),
        cmocka_unit_test(test_mutants_of_jobs_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
