/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a worker's thread, which enters, leaves and polls, with one that takes the worker, one that
 * works on its wheel from elsewhere, and the one that gets it (rule S6): never are two inside one worker's data, no
 * grant is lost, nobody waits for ever.
 *
 * The code is thread.h, schedule.c (edo_enter_slow), alarm.c, poller_epoll.c and handoff.c. The threads are own flows:
 * what happens to a task whose worker was taken is the matter of handoff.pml. A remote gives up spinning at once here
 * (EDO_REMOTE_SPINS).
 */
#define EDO_SELF_ALONE
#include "model_test.h"

#include <sched.h>

#define sched_yield() model_pause()

/* What the sources call and this model does not reach: a call would be a fault. Said before their uses, for clang. */
#pragma weak edo_dormant_arm
#pragma weak edo_dormant_check
#pragma weak edo_dormant_disarm
#pragma weak edo_dormant_enter
#pragma weak edo_dormant_enter_armed
#pragma weak edo_dormant_return
#pragma weak edo_dormant_set_deadline
#pragma weak edo_global_push
#pragma weak edo_global_push_chain
#pragma weak edo_hooks_insist
#pragma weak edo_overflow_thread_finish
#pragma weak edo_overflow_thread_init
#pragma weak edo_scope_list
#pragma weak edo_source_delist
#pragma weak edo_source_gone
#pragma weak edo_source_leave_closed
#pragma weak edo_source_refuse
#pragma weak edo_uring_reap
#pragma weak edo_stack_pool_put
#pragma weak edo_task_end
#pragma weak edo_thread_loop
#pragma weak edo_thread_set_self
#pragma weak edo_wake_worker

#include "../../src/runtime/alarm.c"
#include "../../src/runtime/handoff.c"
#include "../../src/runtime/poller_epoll.c"
#include "../../src/runtime/flow.c"
#include "../../src/runtime/schedule.c"

__thread struct edo_thread *edo_self_pointer;

static struct edo_worker worker;

static struct {
    struct edo_thread owner;
    struct edo_thread spare;
    uint8_t inside; /* somebody touches the worker's data */
    uint8_t rounds;
} world;

static struct edo_runtime runtime;

static int epoll_wait_nothing(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    (void)epoll;
    (void)events;
    (void)count;
    (void)timeout;
    model_step();
    return 0;
}

static const struct edo_platform table = {
    .futex_wait = model_futex_wait, .futex_wake = model_futex_wake, .epoll_wait = epoll_wait_nothing};
const struct edo_platform *edo_platform = &table;

void edo_lock_acquire_slow(struct edo_lock *lock)
{
    model_lock(&lock->word);
}

void edo_lock_release_slow(struct edo_lock *lock)
{
    (void)lock;
}

void edo_callback_task_start(struct edo_task *task)
{
    (void)task;
    model_assert(!"no task here is announced");
}

struct edo_task *edo_probe_send(struct edo_runtime *the_runtime, struct edo_worker *inside, struct edo_task *task)
{
    (void)the_runtime;
    (void)inside;
    return task; /* no task is timed */
}

void edo_monitor_stall_ended(struct edo_thread *thread) /* nobody reports stalls */
{
    (void)thread;
}

void edo_wake_one(struct edo_runtime *the_runtime)
{
    (void)the_runtime;
}

void edo_wake_all(struct edo_runtime *the_runtime)
{
    (void)the_runtime;
}

#ifdef EDO_DEBUG_CHECKS
void edo_misuse(const char *what, const char *file, int line)
{
    model_wrong(what, file, line);
    abort();
}
#endif

/* Whoever may, works on what the worker owns. */
static void touch(void)
{
    model_assert(!world.inside);
    world.inside = 1;
    model_step();
    world.inside = 0;
}

/* A thread's own flow, from INSIDE: works, runs user code, and looks whether it has the worker still. */
static void serve(struct edo_thread *thread, int rounds)
{
    while (thread->worker && rounds-- > 0) {
        touch();
        if (atomic_load_explicit(&worker.remote_wanted, memory_order_relaxed)) {
            edo_remote_let(thread);
            continue;
        }
        edo_leave(thread);
        model_step();
        edo_enter(thread);
    }
    if (thread->worker) {
        touch();
        edo_leave(thread); /* it ends as edo_thread_loop does */
    }
}

static void owner(void)
{
    edo_self_pointer = &world.owner;
    serve(&world.owner, world.rounds);
}

static void polling_owner(void)
{
    edo_self_pointer = &world.owner;
    touch();
    edo_poller_poll(&world.owner, &worker.poller, -1);
    serve(&world.owner, world.rounds);
}

static void spare(void)
{
    edo_self_pointer = &world.spare;
    if (edo_thread_wait_worker(&world.spare))
        serve(&world.spare, 1);
}

static void remote(void)
{
    edo_self_pointer = NULL;
    edo_remote_begin(&worker);
    touch();
    edo_remote_end(&worker);
}

static void taker(void)
{
    edo_self_pointer = NULL;
    while (edo_list_empty(&runtime.spares))
        model_pause();
    edo_worker_take(&worker);
    edo_threads_stop(&runtime);
}

static void setup(void)
{
    memset(&world, 0, sizeof world);
    memset(&runtime, 0, sizeof runtime);
    runtime.options.thread_linger = EDO_FOREVER; /* retiring is the matter of handoff.pml */
    edo_list_init(&runtime.spares);
    edo_list_init(&runtime.wanting);
    edo_lock_init(&worker.thread_lock);
    edo_lock_init(&runtime.threads_lock);
    edo_thread_init(&world.owner, &runtime);
    edo_thread_init(&world.spare, &runtime);
    atomic_init(&worker.remote_wanted, false);
    worker.remote_found = 0;
    worker.runtime = &runtime;
    worker.thread = &world.owner;
    world.owner.worker = &worker;
    world.rounds = 2;
}

static struct model remotes = {"guard: owner, two remotes", setup, {owner, remote, remote}, NULL, NULL, false};
static struct model polls = {
    "guard: owner polls, two remotes", setup, {polling_owner, remote, remote}, NULL, NULL, false};
static struct model taken = {"guard: owner, taker, spare", setup, {owner, spare, taker}, NULL, NULL, false};
static struct model all = {
    "guard: owner, taker, spare, remote", setup, {polling_owner, spare, taker, remote}, NULL, NULL, false};

static const struct model *with_regions(struct model *model)
{
    model->self = (void **)(void *)&edo_self_pointer;
    model_region("world", &world, sizeof world);
    model_region("worker", &worker.thread_lock, sizeof worker - offsetof(struct edo_worker, thread_lock));
    model_statistics(&worker.counts, sizeof worker.counts);
    model_statistics(&worker.turns, sizeof worker.turns);
    model_statistics(&runtime.tracing, sizeof runtime.tracing); /* nobody traces */
    model_region("threads_lock", &runtime.threads_lock, sizeof runtime.threads_lock);
    model_region("threads", &runtime.spares,
                 offsetof(struct edo_runtime, monitor) - offsetof(struct edo_runtime, spares));
    return model;
}

static void test_s6_never_two_inside_one_worker(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&remotes)));
    assert_true(model_holds(with_regions(&polls)));
    assert_true(model_holds(with_regions(&taken)));
    assert_true(model_holds(with_regions(&all)));
}

static void test_s6_mutants_of_the_guard_are_rejected(void **state)
{
    static const struct model_mutant split_enter = {"edo_enter_found", MODEL_SPLIT};
    static const struct model_mutant split_try = {"edo_remote_try", MODEL_SPLIT};
    static const struct model_mutant split_end = {"edo_remote_end", MODEL_SPLIT};
    static const struct model_mutant split_take = {"edo_worker_take", MODEL_SPLIT};
    static const struct model_mutant split_poll = {"edo_poll", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&remotes), &split_enter));
    assert_true(model_rejects(with_regions(&remotes), &split_try));
    assert_true(model_rejects(with_regions(&remotes), &split_end));
    assert_true(model_rejects(with_regions(&taken), &split_enter));
    assert_true(model_rejects(with_regions(&taken), &split_take));
    assert_true(model_rejects(with_regions(&polls), &split_poll));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s6_never_two_inside_one_worker),
        cmocka_unit_test(test_s6_mutants_of_the_guard_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
