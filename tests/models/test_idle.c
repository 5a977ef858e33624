/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of two workers that go to sleep with work that appears: in the global queue from a foreign thread,
 * or in the ring of one worker, which then is busy for as long as the other has not come for it (rules S1, S9). No wake
 * is lost: all that was made ready runs, and the end of the runtime wakes everybody.
 *
 * The code is idle.c, global.c and ring.h; the poller is a byte that sleeping waits for.
 */
#include "model_test.h"

#include <sched.h>

#define sched_yield() model_pause()

#include "../../src/runtime/global.c"
#include "../../src/runtime/idle.c"
#include "runtime/ready.h"

enum { WORKERS = 2, TASKS = 2 };

static struct edo_worker workers[WORKERS];
static struct edo_runtime runtime;

static struct edo_thread threads[WORKERS];
static struct edo_task tasks[TASKS];

static struct {
    uint8_t events[WORKERS]; /* the eventfd of each worker's poller */
    uint8_t ran[TASKS];
    _Atomic uint8_t left;
    _Atomic uint8_t running;
} world;

static bool together; /* each task computes until the other runs too */

static int64_t now(void)
{
    return 0;
}

static const struct edo_platform table = {.now = now};
const struct edo_platform *edo_platform = &table;

void edo_lock_acquire_slow(struct edo_lock *lock)
{
    model_lock(&lock->word);
}

void edo_lock_release_slow(struct edo_lock *lock)
{
    (void)lock;
}

int edo_poller_poll(struct edo_thread *thread, struct edo_poller *poller, int64_t timeout)
{
    (void)poller;
    model_assert(timeout == -1);
    model_take(&world.events[thread->worker->index]);
    return 0;
}

void edo_poller_wake(struct edo_poller *poller)
{
    model_give(&world.events[EDO_CONTAINER_OF(poller, struct edo_worker, poller)->index]);
}

int64_t edo_wheel_next(struct edo_wheel *wheel)
{
    (void)wheel;
    return EDO_FOREVER;
}

void edo_monitor_wake(struct edo_monitor *monitor) /* that one sleeps and wakes by a word of its own */
{
    (void)monitor;
}

void edo_worker_fire(struct edo_thread *thread)
{
    (void)thread;
}

void edo_ready_elsewhere(struct edo_thread *thread, struct edo_task *task)
{
    (void)thread;
    (void)task;
    model_assert(!"everything goes into the ring");
}

void edo_ready_offer(struct edo_thread *thread) /* as in schedule.c */
{
    if (edo_ring_count(&thread->worker->ring) > 1)
        edo_wake_one(thread->runtime);
}

static void run(struct edo_task *task)
{
    size_t which = (size_t)(task - tasks);

    model_assert(which < TASKS && !world.ran[which]);
    world.ran[which] = 1;
    if (together) {
        atomic_fetch_add(&world.running, 1);
        while (atomic_load(&world.running) < TASKS)
            model_pause();
    }
    if (atomic_fetch_sub(&world.left, 1) == 1) { /* the last: as edo_threads_stop */
        atomic_store_explicit(&runtime.stopping, true, memory_order_seq_cst);
        edo_wake_all(&runtime);
    }
}

/* As edo_thread_loop, of what matters here. */
static void loop(struct edo_thread *thread)
{
    while (!atomic_load_explicit(&runtime.stopping, memory_order_acquire)) {
        struct edo_task *task = edo_ring_pop(&thread->worker->ring);

        if (!task)
            task = edo_global_take(thread);
        if (!task)
            task = edo_worker_idle(thread);
        if (!task)
            continue;
        if (thread->worker->searching)
            edo_searched(thread);
        run(task);
    }
}

static void first_worker(void)
{
    loop(&threads[0]);
}

static void second_worker(void)
{
    loop(&threads[1]);
}

/* Its task makes two others ready, and computes until one of them has run. */
static void busy_worker(void)
{
    edo_ready_last(&threads[0], &tasks[0]);
    edo_ready_last(&threads[0], &tasks[1]);
    while (atomic_load(&world.left) == TASKS)
        model_pause();
    loop(&threads[0]);
}

static void foreign_thread(void)
{
    edo_global_push(&runtime, &tasks[1]);
    edo_wake_one(&runtime);
}

/* Two at once, and one wake: whoever comes for them has to wake the other worker. */
static void foreign_chain(void)
{
    tasks[0].next = &tasks[1];
    edo_global_push_chain(&runtime, &tasks[0], &tasks[1], 2);
    edo_wake_one(&runtime);
}

static void setup(void)
{
    memset(&world, 0, sizeof world);
    memset(threads, 0, sizeof threads);
    memset(tasks, 0, sizeof tasks);
    memset(workers, 0, sizeof workers);
    memset(&runtime, 0, sizeof runtime);
    runtime.worker_count = WORKERS;
    runtime.workers = workers;
    edo_list_init(&runtime.idle);
    for (int i = 0; i < WORKERS; i++) {
        edo_ring_init(&workers[i].ring);
        workers[i].runtime = &runtime;
        workers[i].index = i;
        workers[i].thread = &threads[i];
        threads[i].runtime = &runtime;
        threads[i].worker = &workers[i];
    }
    atomic_init(&world.left, TASKS);
}

/* The first task is there from the beginning. */
static void setup_with_task(void)
{
    setup();
    edo_ring_push(&workers[0].ring, &tasks[0]);
}

static void check(void)
{
    for (int i = 0; i < TASKS; i++)
        model_assert(world.ran[i]);
    model_assert(runtime.idle_count == 0);
}

static struct model from_outside = {"idle: two workers, work from outside",
                                    setup_with_task,
                                    {first_worker, second_worker, foreign_thread},
                                    check,
                                    NULL,
                                    false};
static struct model from_sibling = {
    "idle: a busy worker's work", setup, {busy_worker, second_worker}, check, NULL, false};

static struct model chain = {
    "idle: two workers, two tasks at once", setup, {first_worker, second_worker, foreign_chain}, check, NULL, false};

static const struct model *with_regions(struct model *model)
{
    together = model != &from_sibling;
    model_region("world", &world, sizeof world);
    model_region("queue", &runtime.global_lock,
                 offsetof(struct edo_runtime, blocking) - offsetof(struct edo_runtime, global_lock));
    model_region("signalled", &runtime.signalled, sizeof runtime.signalled);
    model_statistics(&runtime.wakes, sizeof runtime.wakes);
    model_statistics(&runtime.tracing, sizeof runtime.tracing);     /* nobody traces */
    model_statistics(&runtime.signalled, sizeof runtime.signalled); /* nobody changes it, nor the next */
    model_statistics(&runtime.wanting_count, sizeof runtime.wanting_count);
    for (int i = 0; i < TASKS; i++)
        model_region("next", &tasks[i].next, sizeof tasks[i].next);
    for (int i = 0; i < WORKERS; i++) {
        model_region("worker", &workers[i].ring,
                     offsetof(struct edo_worker, counts) - offsetof(struct edo_worker, ring));
        model_region("worker's rest", &workers[i].poller, sizeof workers[i] - offsetof(struct edo_worker, poller));
        model_statistics(&workers[i].counts, sizeof workers[i].counts);
        model_statistics(&workers[i].lifo, sizeof workers[i].lifo);                     /* empty */
        model_statistics(&workers[i].poller.sources, sizeof workers[i].poller.sources); /* none */
        model_statistics(&workers[i].waiting, sizeof workers[i].waiting); /* asked where there are sources */
        model_statistics(&threads[i], sizeof threads[i]);                 /* no mail; nobody asks what it sleeps on */
    }
    return model;
}

static void test_s9_no_wake_is_lost_between_sleeping_and_work(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&from_sibling)));
    assert_true(model_holds(with_regions(&from_outside)));
    assert_true(model_holds(with_regions(&chain)));
}

static void test_s9_mutants_of_sleeping_are_rejected(void **state)
{
    static const struct model_mutant no_fence = {"edo_wake_one", MODEL_NO_FENCE};
    static const struct model_mutant split_searched = {"edo_searched", MODEL_SPLIT};
    static const struct model_mutant split_lock = {"edo_lock_try", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&from_sibling), &no_fence));
    assert_true(model_rejects(with_regions(&chain), &split_searched));
    assert_true(model_rejects(with_regions(&from_outside), &split_lock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s9_no_wake_is_lost_between_sleeping_and_work),
        cmocka_unit_test(test_s9_mutants_of_sleeping_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
