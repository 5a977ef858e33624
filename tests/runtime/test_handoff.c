/* SPDX-License-Identifier: MIT */
/*
 * Workers that are taken from their threads (S6, S10): what the taken thread's task, the others, the timers and the
 * caches make of it. The taker is a plain thread, as the monitor is; here it takes on request, so that nothing is left
 * to chance.
 */
#include "helpers.h"

#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <pthread.h>
#include <sched.h>

static struct {
    struct edo_runtime *runtime;
    pthread_t thread;
    _Atomic int wanted, taken; /* so many hand-offs */
    _Atomic int busy;          /* attempts in vain */
    _Atomic bool over;
} taker;

static void *take(void *argument)
{
    (void)argument;
    while (!atomic_load(&taker.over)) {
        for (int i = 0; i < taker.runtime->worker_count && atomic_load(&taker.taken) < atomic_load(&taker.wanted);
             i++) {
            int rc = take_worker(&taker.runtime->workers[i]);

            CHECK(rc == 0 || rc == -EBUSY);
            atomic_fetch_add(rc == 0 ? &taker.taken : &taker.busy, 1);
        }
        sched_yield();
    }
    return NULL;
}

static void taker_begin(void)
{
    memset(&taker, 0, sizeof taker);
    taker.runtime = edo_thread_self()->runtime;
    CHECK_RC(pthread_create(&taker.thread, NULL, take, NULL), 0);
}

static void taker_end(void)
{
    atomic_store(&taker.over, true);
    pthread_join(taker.thread, NULL);
}

/* Blocks, as a stalled task does, until some worker was taken: with one worker, this one's. */
static void lose_worker(void)
{
    int wanted;

    edo_yield(); /* has one for certain: not every call needs it */
    wanted = atomic_fetch_add(&taker.wanted, 1) + 1;
    while (atomic_load(&taker.taken) < wanted)
        sched_yield();
}

/* --- One worker --------------------------------------------------------------------------------------------------- */

static int lose_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    pid_t before;
    int moved = 0;

    (void)argument;
    taker_begin();
    for (int i = 0; i < 50; i++) {
        before = gettid();
        lose_worker();
        CHECK_RC(gettid(), before); /* it notices at its next call */
        CHECK_RC(edo_metrics_read(&metrics), 0);
        CHECK_RC(edo_yield(), 0);
        moved += gettid() != before;
        CHECK(edo_in_task());
    }
    CHECK_RC(moved, 50);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC((int)metrics.handoffs, 50);
    CHECK(metrics.threads <= 4); /* spare ones are used again */
    taker_end();
    return 7;
}

static void test_s6_a_task_goes_on_elsewhere_when_its_worker_was_taken(void **state)
{
    (void)state;
    assert_int_equal(run_alone(lose_root, NULL), 7);
}

static struct {
    _Atomic bool free;
    _Atomic int ran;
    _Atomic int64_t late;
} stall;

/* Stays on its thread for as long as nobody else has run, without a call. */
static int stalls(void *argument)
{
    (void)argument;
    atomic_fetch_add(&taker.wanted, 1);
    while (atomic_load(&stall.ran) < 30)
        sched_yield();
    return 0;
}

static int runs(void *argument)
{
    if (argument)
        edo_sleep(EDO_US(100));
    atomic_fetch_add(&stall.ran, 1);
    return 0;
}

static int stall_root(void *argument)
{
    int rc = 0;

    (void)argument;
    atomic_store(&stall.ran, 0);
    taker_begin();
    EDO_SCOPE (scope, &rc) {
        for (intptr_t i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, runs, (void *)(i % 2)), 0); /* half of them sleep when it stalls */
        edo_sleep(EDO_US(1));
        CHECK_RC(edo_spawn(scope, stalls, NULL), 0);
        for (intptr_t i = 0; i < 10; i++)
            CHECK_RC(edo_spawn(scope, runs, NULL), 0); /* and these stand behind it */
    }
    taker_end();
    return rc;
}

static void test_s6_tasks_and_timers_go_on_behind_a_stalled_one(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_alone(stall_root, NULL), 0);
}

/* Every call looks its worker up afresh: each of them is the first after a hand-off. */
static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int many_root(void *argument)
{
    struct gate gate = {1};
    edo_timer timer;
    edo_task *handle;
    uint32_t word = 0;
    int value = 0;

    taker_begin();
    edo_timer_init(&timer, (void (*)(void *))gate_open, &gate);
    for (int i = 0; i < 10; i++) {
        int rc = 0;

        lose_worker();
        CHECK_RC(edo_spawn(EDO_DETACHED, nothing, NULL), 0);
        lose_worker();
        CHECK_RC(edo_spawn(EDO_DETACHED, nothing, &value, .copy = sizeof value, .handle = &handle), 0);
        lose_worker();
        CHECK_RC(edo_join(&value, handle), 0);
        lose_worker();
        CHECK_RC(edo_wake_word(&word, 1), 0);
        lose_worker();
        CHECK_RC(edo_wait_word(&word, 1, EDO_FOREVER), -EAGAIN);
        lose_worker();
        CHECK_RC(edo_wait_word(&word, 0, edo_now()), -ETIMEDOUT);
        lose_worker();
        CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_SEC(1)), 0);
        lose_worker();
        CHECK_RC(edo_timer_stop(&timer), 1);
        lose_worker();
        EDO_SCOPE (scope, &rc, .timeout = EDO_SEC(100)) {
            lose_worker();
            CHECK_RC(edo_spawn(scope, nothing, NULL, .when = EDO_WHEN_AT(edo_now() + EDO_US(10))), 0);
            lose_worker();
            CHECK_RC(edo_scope_join(scope), 0);
            lose_worker();
            edo_scope_cancel(scope);
            lose_worker();
        }
        lose_worker();
        CHECK_RC(edo_sleep(EDO_US(1)), 0);
        lose_worker();
        CHECK_RC(edo_checkpoint(), 0);
        lose_worker();
    }
    taker_end();
    (void)argument;
    return 0;
}

static void test_s10_every_entry_looks_its_worker_up_afresh(void **state)
{
    (void)state;
    assert_int_equal(run_alone(many_root, NULL), 0);
    /* Without a monitor, which would take the worker on a slow machine, and leave nothing to take. */
    assert_int_equal(
        run_with(many_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER)),
        0);
}

/* --- What a taker may not ----------------------------------------------------------------------------------------- */

static int refused_root(void *argument)
{
    struct edo_runtime *runtime = edo_thread_self()->runtime;

    (void)argument;
    CHECK_RC(take_worker(&runtime->workers[0]), -EPERM);
    return 0;
}

static void test_s5_a_pinned_runtime_is_never_taken_from(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(refused_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .pinned = true, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

/* More attempts in vain than there may be threads: the ones that were not needed must stay to be used. */
static void *take_in_vain(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2000; i++) {
        int rc = take_worker(&taker.runtime->workers[1]); /* it sleeps */

        CHECK(rc == -EBUSY || rc == 0);
    }
    atomic_store(&taker.over, true);
    return NULL;
}

static int in_vain_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    (void)argument;
    memset(&taker, 0, sizeof taker);
    taker.runtime = edo_thread_self()->runtime;
    CHECK_RC(pthread_create(&taker.thread, NULL, take_in_vain, NULL), 0);
    while (!atomic_load(&taker.over))
        edo_sleep(EDO_US(100));
    pthread_join(taker.thread, NULL);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK(metrics.threads < 256);
    return 0;
}

static void test_s6_a_spare_thread_that_was_not_needed_stays(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(in_vain_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

/* --- Cancelling what is elsewhere --------------------------------------------------------------------------------- */

/*
 * Deep chains of scopes under a cancellation from a plain thread: a task that is woken finds its innermost scope
 * cancelled, whatever it does at that moment.
 */
struct chain {
    uint64_t random;
    int depth;
};

static int chain_in(struct chain *chain, int depth)
{
    int rc = 0;

    if (depth > 0) {
        EDO_SCOPE (inner, &rc, .policy = EDO_SUPERVISE) {
            rc = chain_in(chain, depth - 1);
        }
        return rc;
    }
    if (edo_test_random(&chain->random) % 2)
        return edo_sleep(EDO_FOREVER);
    while ((rc = edo_sleep(1000)) == 0)
        ;
    return rc;
}

static int chained(void *argument)
{
    struct chain *chain = argument;

    CHECK_RC(chain_in(chain, chain->depth), -ECANCELED);
    return 0;
}

static struct {
    pthread_mutex_t lock;
    edo_scope *scope;
    _Atomic bool over;
} victim = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *cancels(void *argument)
{
    (void)argument;
    while (!atomic_load(&victim.over)) {
        pthread_mutex_lock(&victim.lock);
        if (victim.scope)
            edo_scope_cancel(victim.scope);
        victim.scope = NULL;
        pthread_mutex_unlock(&victim.lock);
        sched_yield();
    }
    return NULL;
}

static int cancel_root(void *argument)
{
    int rounds = edo_test_rounds(3000);
    uint64_t random = edo_test_seed();
    pthread_t thread;

    (void)argument;
    atomic_store(&victim.over, false);
    CHECK_RC(pthread_create(&thread, NULL, cancels, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        struct chain chains[3];
        int rc = 0;

        EDO_SCOPE (scope, &rc) {
            for (int k = 0; k < 3; k++) {
                chains[k] = (struct chain){edo_test_random(&random), 1 + (int)(edo_test_random(&random) % 12)};
                CHECK_RC(edo_spawn(scope, chained, &chains[k]), 0);
            }
            if (i % 2)
                edo_yield();
            pthread_mutex_lock(&victim.lock);
            victim.scope = scope;
            pthread_mutex_unlock(&victim.lock);
            CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
            pthread_mutex_lock(&victim.lock); /* until the canceller is done with the scope */
            pthread_mutex_unlock(&victim.lock);
        }
    }
    atomic_store(&victim.over, true);
    pthread_join(thread, NULL);
    return 0;
}

static void test_c1_a_cancelled_task_finds_all_its_scopes_cancelled(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers *= 2)
        assert_int_equal(run_with(cancel_root, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
                         0);
}

/* --- Children that end elsewhere ---------------------------------------------------------------------------------- */

enum { CHILDREN = 200 };

static _Atomic int children_ended;

static int child_ends(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&children_ended, 1, memory_order_relaxed);
    return 0;
}

/* The owner leaves the scope while its children end, one after the other, on the thread that has its worker now. */
static int counts_root(void *argument)
{
    int rc = 0;

    (void)argument;
    taker_begin();
    for (int round = 0; round < 300; round++) {
        atomic_store(&children_ended, 0);
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < CHILDREN; i++)
                CHECK_RC(edo_spawn(scope, child_ends, NULL), 0);
            atomic_fetch_add(&taker.wanted, 1);
            while (atomic_load_explicit(&children_ended, memory_order_relaxed) <= round % CHILDREN)
                ;
        }
        CHECK_RC(atomic_load(&children_ended), CHILDREN);
    }
    taker_end();
    return rc;
}

static void test_c4_children_are_counted_that_end_while_their_owner_has_lost_its_worker(void **state)
{
    (void)state;
    assert_int_equal(run_alone(counts_root, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s6_a_task_goes_on_elsewhere_when_its_worker_was_taken),
        cmocka_unit_test(test_s6_tasks_and_timers_go_on_behind_a_stalled_one),
        cmocka_unit_test(test_s10_every_entry_looks_its_worker_up_afresh),
        cmocka_unit_test(test_s5_a_pinned_runtime_is_never_taken_from),
        cmocka_unit_test(test_s6_a_spare_thread_that_was_not_needed_stays),
        cmocka_unit_test(test_c1_a_cancelled_task_finds_all_its_scopes_cancelled),
        cmocka_unit_test(test_c4_children_are_counted_that_end_while_their_owner_has_lost_its_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
