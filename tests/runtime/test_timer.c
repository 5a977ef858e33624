/* SPDX-License-Identifier: MIT */
/*
 * edo_timer (S4): when callbacks run, what start and stop promise, also in callbacks, across workers, and when the
 * worker is taken from the thread that runs a callback (S6).
 */
#include "helpers.h"

#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <pthread.h>
#include <sched.h>

struct alarm_clock {
    edo_timer timer;
    int rings;
    int64_t rang_at;
    int64_t period;            /* starts itself again */
    int until;                 /* so many times */
    struct alarm_clock *other; /* stopped, or started, in the callback */
    int stopped;               /* what stop said there */
    struct gate gate;
};

static int rung[16], rung_count;

static void ring(void *argument)
{
    struct alarm_clock *clock = argument;

    CHECK(!edo_in_task());
    clock->rings++;
    clock->rang_at = edo_now();
    if (clock->period && clock->rings < clock->until)
        CHECK_RC(edo_timer_start(&clock->timer, edo_now() + clock->period), 0);
}

static void set(struct alarm_clock *clock, void (*callback)(void *))
{
    memset(clock, 0, sizeof *clock);
    edo_timer_init(&clock->timer, callback, clock);
}

/* --- Alone, in virtual time --------------------------------------------------------------------------------------- */

static int once_root(void *argument)
{
    struct alarm_clock clock;
    int64_t start = edo_now();

    (void)argument;
    set(&clock, ring);
    CHECK_RC(edo_timer_stop(&clock.timer), 0); /* never armed */
    CHECK_RC(edo_timer_start(&clock.timer, start + EDO_MS(5)), 0);
    edo_sleep_until(start + EDO_MS(5) - EDO_US(2));
    CHECK_RC(clock.rings, 0);
    edo_sleep_until(start + EDO_MS(6));
    CHECK_RC(clock.rings, 1);
    CHECK(clock.rang_at >= start + EDO_MS(5) && clock.rang_at < start + EDO_MS(5) + EDO_US(3));
    CHECK_RC(edo_timer_stop(&clock.timer), 0); /* has run */
    edo_sleep(EDO_SEC(10));
    CHECK_RC(clock.rings, 1);
    return 0;
}

static void test_s4_a_timer_fires_once_and_not_early(void **state)
{
    (void)state;
    assert_int_equal(run_alone(once_root, NULL), 0);
}

static int stop_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    struct alarm_clock clock;

    (void)argument;
    set(&clock, ring);
    CHECK_RC(edo_timer_start(&clock.timer, edo_now() + EDO_MS(5)), 0);
    CHECK_RC(edo_timer_stop(&clock.timer), 1);
    CHECK_RC(edo_timer_stop(&clock.timer), 0);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC((int)metrics.timers, 0);
    edo_sleep(EDO_MS(20));
    CHECK_RC(clock.rings, 0);
    CHECK_RC(edo_timer_start(&clock.timer, edo_now() + EDO_MS(5)), 0);
    edo_sleep(EDO_MS(20));
    CHECK_RC(clock.rings, 1);
    return 0;
}

static void test_s4_a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    assert_int_equal(run_alone(stop_root, NULL), 0);
}

static int move_root(void *argument)
{
    struct alarm_clock clock;
    int64_t start = edo_now();

    (void)argument;
    set(&clock, ring);
    CHECK_RC(edo_timer_start(&clock.timer, start + EDO_MS(5)), 0);
    CHECK_RC(edo_timer_start(&clock.timer, start + EDO_SEC(50)), 0); /* later */
    edo_sleep(EDO_SEC(1));
    CHECK_RC(clock.rings, 0);
    CHECK_RC(edo_timer_start(&clock.timer, start + EDO_SEC(2)), 0); /* earlier */
    edo_sleep_until(start + EDO_SEC(3));
    CHECK_RC(clock.rings, 1);
    CHECK_RC(edo_timer_start(&clock.timer, start), 0); /* past: at the next opportunity, not here */
    CHECK_RC(clock.rings, 1);
    edo_sleep(EDO_US(5));
    CHECK_RC(clock.rings, 2);
    edo_sleep(EDO_SEC(100));
    CHECK_RC(clock.rings, 2);
    return 0;
}

static void test_s4_start_moves_an_armed_timer(void **state)
{
    (void)state;
    assert_int_equal(run_alone(move_root, NULL), 0);
}

static void ring_in_order(void *argument)
{
    rung[rung_count++] = (int)(intptr_t)argument;
}

static int order_root(void *argument)
{
    static const int deadlines[] = {7, 3, 3, 9, 1, 3, 8};
    edo_timer timers[EDO_COUNT(deadlines)];
    static const int expected[] = {4, 1, 2, 5, 0, 6, 3};

    (void)argument;
    rung_count = 0;
    for (size_t i = 0; i < EDO_COUNT(deadlines); i++) {
        edo_timer_init(&timers[i], ring_in_order, (void *)(intptr_t)i);
        CHECK_RC(edo_timer_start(&timers[i], edo_now() + EDO_MS(deadlines[i])), 0);
    }
    edo_sleep(EDO_MS(10));
    CHECK_RC(rung_count, EDO_COUNT(deadlines));
    for (size_t i = 0; i < EDO_COUNT(deadlines); i++)
        CHECK_RC(rung[i], expected[i]);
    return 0;
}

static void test_s4_timers_fire_in_order(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_root, NULL), 0);
}

/* --- In callbacks ------------------------------------------------------------------------------------------------- */

static int periodic_root(void *argument)
{
    struct alarm_clock clock;

    (void)argument;
    set(&clock, ring);
    clock.period = EDO_MS(1);
    clock.until = 5;
    CHECK_RC(edo_timer_start(&clock.timer, edo_now() + EDO_MS(1)), 0);
    edo_sleep(EDO_MS(100));
    CHECK_RC(clock.rings, 5);
    clock.until = 1000000;
    CHECK_RC(edo_timer_start(&clock.timer, edo_now() + EDO_MS(1)), 0);
    edo_sleep(EDO_MS(10));
    CHECK_RC(edo_timer_stop(&clock.timer), 1);
    clock.stopped = clock.rings;
    edo_sleep(EDO_MS(10));
    CHECK_RC(clock.rings, clock.stopped);
    return 0;
}

static void test_s4_a_timer_starts_itself_again(void **state)
{
    (void)state;
    assert_int_equal(run_alone(periodic_root, NULL), 0);
}

static void ring_and_stop_self(void *argument)
{
    struct alarm_clock *clock = argument;

    clock->rings++;
    CHECK_RC(edo_timer_stop(&clock->timer), 0);
    CHECK_RC(edo_timer_start(&clock->timer, edo_now()), 0);
    CHECK_RC(edo_timer_stop(&clock->timer), 1);
}

static void ring_and_free(void *argument)
{
    struct alarm_clock *clock = argument;

    (*(int *)clock->other)++;
    memset(clock, 0xa5, sizeof *clock);
    free(clock);
}

static void ring_and_stop_other(void *argument)
{
    struct alarm_clock *clock = argument;

    clock->rings++;
    clock->stopped = edo_timer_stop(&clock->other->timer);
}

static void ring_and_start_other(void *argument)
{
    struct alarm_clock *clock = argument;

    clock->rings++;
    CHECK_RC(edo_timer_start(&clock->other->timer, edo_now()), 0);
}

static int callbacks_root(void *argument)
{
    struct alarm_clock first, second, *heap;
    int64_t at = edo_now() + EDO_MS(3);
    int freed = 0;

    (void)argument;
    set(&first, ring_and_stop_self);
    CHECK_RC(edo_timer_start(&first.timer, at), 0);
    for (int i = 0; i < 20; i++) {
        heap = malloc(sizeof *heap);
        set(heap, ring_and_free);
        heap->other = (struct alarm_clock *)&freed;
        CHECK_RC(edo_timer_start(&heap->timer, at), 0);
    }
    edo_sleep(EDO_MS(5));
    CHECK_RC(first.rings, 1);
    CHECK_RC(freed, 20);

    /* Each stops the other, both are due: one comes first. */
    set(&first, ring_and_stop_other);
    set(&second, ring_and_stop_other);
    first.other = &second;
    second.other = &first;
    at = edo_now() + EDO_MS(3);
    CHECK_RC(edo_timer_start(&first.timer, at), 0);
    CHECK_RC(edo_timer_start(&second.timer, at), 0);
    edo_sleep(EDO_MS(5));
    CHECK(first.rings == 1 && second.rings == 0 && first.stopped == 1);

    set(&first, ring_and_start_other);
    set(&second, ring);
    first.other = &second;
    CHECK_RC(edo_timer_start(&first.timer, edo_now()), 0);
    edo_sleep(EDO_MS(5));
    CHECK(first.rings == 1 && second.rings == 1);
    return 0;
}

static void test_s4_callbacks_stop_start_and_free(void **state)
{
    (void)state;
    assert_int_equal(run_alone(callbacks_root, NULL), 0);
}

static void open_a_gate(void *argument)
{
    gate_open(argument);
}

static void cancel_a_scope(void *argument)
{
    edo_scope_cancel(argument);
}

/* Whatever the scheduler's ticks are at: a wake in a callback must not be overlooked. */
static int wakes_root(void *argument)
{
    (void)argument;
    for (int i = 0; i < 300; i++) {
        struct gate gate = {0};
        edo_timer timer;
        int rc = 0;

        edo_timer_init(&timer, open_a_gate, &gate);
        CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_US(i % 7)), 0);
        CHECK_RC(gate_wait(&gate), 0);
        EDO_SCOPE (scope, &rc) {
            edo_timer_init(&timer, cancel_a_scope, scope);
            CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_US(i % 5)), 0);
            CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
            CHECK_RC(edo_timer_stop(&timer), 0);
        }
    }
    return 0;
}

static void test_s4_a_callback_wakes_and_cancels(void **state)
{
    (void)state;
    assert_int_equal(run_alone(wakes_root, NULL), 0);
}

static void test_f2_plain_threads_have_no_timers(void **state)
{
    edo_timer timer;

    (void)state;
    edo_timer_init(&timer, ring, NULL);
    assert_int_equal(edo_timer_start(&timer, 0), -EPERM);
    assert_int_equal(edo_timer_stop(&timer), -EPERM);
}

/* --- Across workers ----------------------------------------------------------------------------------------------- */

struct raced {
    uint32_t alive;
    _Atomic int rings;
    bool again;
    int rounds;
    uint64_t random;
    edo_timer timer;
};

static void ring_raced(void *argument)
{
    struct raced *raced = argument;

    CHECK_RC(raced->alive, 0x5afe);
    atomic_fetch_add(&raced->rings, 1);
    if (raced->again)
        CHECK_RC(edo_timer_start(&raced->timer, edo_now()), 0);
    CHECK_RC(raced->alive, 0x5afe);
}

static int races(void *argument)
{
    struct raced *raced = argument;

    for (int i = 0; i < raced->rounds; i++) {
        int rings, stopped;

        memset(&raced->timer, 0, sizeof raced->timer);
        raced->alive = 0x5afe;
        raced->again = i % 3 == 0;
        atomic_store(&raced->rings, 0);
        edo_timer_init(&raced->timer, ring_raced, raced);
        CHECK_RC(edo_timer_start(&raced->timer, edo_now() + (int64_t)(edo_test_random(&raced->random) % 20000)), 0);
        for (uint64_t k = edo_test_random(&raced->random) % 6; k > 0; k--)
            if (edo_test_random(&raced->random) % 4)
                edo_yield();
            else
                edo_sleep((int64_t)(edo_test_random(&raced->random) % 15000));
        stopped = edo_timer_stop(&raced->timer);
        rings = atomic_load(&raced->rings);
        CHECK_RC(edo_timer_stop(&raced->timer), 0); /* a callback did not start it again behind our back */
        raced->alive = 0xdead;
        if (!raced->again)
            CHECK_RC(rings + stopped, 1); /* it fired, or it was stopped */
        edo_yield();
        CHECK_RC(atomic_load(&raced->rings), rings);
    }
    return 0;
}

static int races_root(void *argument)
{
    struct raced raced[6];
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 6; i++) {
            raced[i].rounds = edo_test_rounds((int)(intptr_t)argument);
            raced[i].random = edo_test_seed() + (uint64_t)i;
            CHECK_RC(edo_spawn(scope, races, &raced[i]), 0);
        }
    }
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC((int)metrics.timers, 0);
    return rc;
}

static void test_s4_after_stop_the_callback_does_not_run(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 4; workers *= 2)
        assert_int_equal(run_with(races_root, (void *)400,
                                  EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)),
                         0);
}

static void test_s4_timers_of_tasks_that_migrate(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(races_root, (void *)40,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

static struct {
    edo_timer timer;
    _Atomic bool running, stopping, over;
} slow;

static void ring_slowly(void *argument)
{
    (void)argument;
    atomic_store(&slow.running, true);
    while (!atomic_load(&slow.stopping))
        sched_yield();
    for (int i = 0; i < 100; i++) /* each takes ms where the machine has much to do */
        sched_yield();
    atomic_store(&slow.over, true);
}

/* Waits if stop did not, so that what is wrong does not spoil the next round. */
static void check_over(void)
{
    CHECK(atomic_load(&slow.over));
    while (!atomic_load(&slow.over))
        sched_yield();
}

static int stops_slow(void *argument)
{
    (void)argument;
    while (!atomic_load(&slow.running))
        edo_yield();
    atomic_store(&slow.stopping, true);
    CHECK_RC(edo_timer_stop(&slow.timer), 0);
    check_over();
    return 0;
}

/* Its callback runs while `fn` is at the timer, in a task, and with `twice` in another one as well. */
static void slow_rounds(edo_task_fn fn, bool twice)
{
    for (int i = 0; i < 20; i++) {
        int rc = 0;

        atomic_store(&slow.running, false);
        atomic_store(&slow.stopping, false);
        atomic_store(&slow.over, false);
        edo_timer_init(&slow.timer, ring_slowly, NULL);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, fn, NULL), 0);
            if (twice)
                CHECK_RC(edo_spawn(scope, fn, NULL, .when = EDO_WHEN_AT(edo_now())), 0);
            CHECK_RC(edo_timer_start(&slow.timer, edo_now()), 0);
        }
    }
}

static int slow_root(void *argument)
{
    (void)argument;
    slow_rounds(stops_slow, true);
    return 0;
}

static void test_s4_stop_waits_for_a_callback_that_runs(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(slow_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 3, .signals = EDO_SIGNALS_IGNORE)), 0);
}

/*
 * Armed again while the callback runs: it does not go to the worker of who starts it, where nobody would know of the
 * callback.
 */
static int restarts_slow(void *argument)
{
    (void)argument;
    while (!atomic_load(&slow.running))
        edo_yield();
    CHECK_RC(edo_timer_start(&slow.timer, edo_now() + EDO_SEC(1000)), 0);
    atomic_store(&slow.stopping, true);
    CHECK_RC(edo_timer_stop(&slow.timer), 1);
    check_over();
    return 0;
}

static int restarted_root(void *argument)
{
    (void)argument;
    slow_rounds(restarts_slow, false);
    return 0;
}

static void test_s4_stop_waits_for_a_callback_whose_timer_was_started_again_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(restarted_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

/* --- With the worker taken in the callback ------------------------------------------------------------------------ */

static struct {
    struct edo_runtime *runtime;
    edo_timer timers[3];
    _Atomic int rings[3];
    _Atomic int running, most_running;
    _Atomic int takes_wanted, takes;
    _Atomic bool over;
} taken;

/* A plain thread takes the only worker as often as it is asked to. */
static void *takes_worker(void *argument)
{
    (void)argument;
    while (!atomic_load(&taken.over)) {
        if (atomic_load(&taken.takes) < atomic_load(&taken.takes_wanted) &&
            take_worker(&taken.runtime->workers[0]) == 0)
            atomic_fetch_add(&taken.takes, 1);
        sched_yield();
    }
    return NULL;
}

static void lose_worker(void)
{
    int wanted = atomic_fetch_add(&taken.takes_wanted, 1) + 1;

    while (atomic_load(&taken.takes) < wanted)
        sched_yield();
}

static void ring_without_worker(void *argument)
{
    int which = (int)(intptr_t)argument;
    int running = atomic_fetch_add(&taken.running, 1) + 1;

    if (running > atomic_load(&taken.most_running))
        atomic_store(&taken.most_running, running);
    if (atomic_fetch_add(&taken.rings[which], 1) == 0 && which == 0)
        lose_worker();
    else if (which == 1 && atomic_load(&taken.rings[1]) <= 5) {
        lose_worker();
        CHECK_RC(edo_timer_start(&taken.timers[1], edo_now()), 0);
        for (int i = 0; i < 10; i++) /* the worker's new thread may run the callback again by now: it must not */
            sched_yield();
    }
    atomic_fetch_sub(&taken.running, 1);
}

static void taken_begin(pthread_t *thread)
{
    memset(&taken, 0, sizeof taken);
    taken.runtime = edo_thread_self()->runtime;
    CHECK_RC(pthread_create(thread, NULL, takes_worker, NULL), 0);
    for (intptr_t i = 0; i < 3; i++)
        edo_timer_init(&taken.timers[i], ring_without_worker, (void *)i);
}

static void taken_end(pthread_t thread)
{
    atomic_store(&taken.over, true);
    pthread_join(thread, NULL);
}

static int due_root(void *argument)
{
    int64_t at = edo_now() + EDO_US(100);
    pthread_t thread;

    (void)argument;
    taken_begin(&thread);
    CHECK_RC(edo_timer_start(&taken.timers[0], at), 0);
    CHECK_RC(edo_timer_start(&taken.timers[2], at), 0); /* due with the first, whose callback loses the worker */
    while (edo_now() < at + EDO_US(50))
        ;
    while (atomic_load(&taken.rings[0]) == 0 || atomic_load(&taken.rings[2]) == 0)
        edo_yield();
    taken_end(thread);
    return 0;
}

static void test_s6_timers_that_are_due_go_with_the_worker(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_alone(due_root, NULL), 0);
}

static int idle_due_root(void *argument)
{
    edo_timer last;
    struct gate gate = {0};
    int64_t at = edo_now() + EDO_MS(1);
    pthread_t thread;

    (void)argument;
    taken_begin(&thread);
    edo_timer_init(&last, open_a_gate, &gate);
    CHECK_RC(edo_timer_start(&taken.timers[0], at), 0);
    CHECK_RC(edo_timer_start(&last, at), 0); /* nothing else is in the wheel, and nobody is awake */
    CHECK_RC(gate_wait(&gate), 0);
    CHECK_RC(edo_timer_stop(&taken.timers[0]), 0);
    taken_end(thread);
    return 0;
}

static void test_s6_a_due_timer_is_not_slept_over(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_alone(idle_due_root, NULL), 0);
}

static int again_root(void *argument)
{
    pthread_t thread;

    (void)argument;
    taken_begin(&thread);
    CHECK_RC(edo_timer_start(&taken.timers[1], edo_now()), 0);
    while (atomic_load(&taken.rings[1]) < 6)
        edo_yield();
    edo_timer_stop(&taken.timers[1]);
    CHECK_RC(atomic_load(&taken.running), 0);
    CHECK_RC(atomic_load(&taken.most_running), 1);
    taken_end(thread);
    return 0;
}

static void test_s6_a_callback_without_worker_starts_its_timer_and_is_not_run_twice_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_alone(again_root, NULL), 0);
}

static void ring_astray(void *argument)
{
    lose_worker();
    ring_slowly(argument);
}

/*
 * The worker's next thread stops a timer whose callback still runs on the one before, and which is not armed, or is
 * again.
 */
static int astray_root(void *argument)
{
    bool armed = argument != NULL;
    pthread_t thread;

    taken_begin(&thread);
    for (int i = 0; i < 20; i++) {
        atomic_store(&slow.running, false);
        atomic_store(&slow.stopping, false);
        atomic_store(&slow.over, false);
        edo_timer_init(&slow.timer, ring_astray, NULL);
        CHECK_RC(edo_timer_start(&slow.timer, edo_now()), 0);
        while (!atomic_load(&slow.running))
            edo_yield();
        if (armed)
            CHECK_RC(edo_timer_start(&slow.timer, edo_now() + EDO_SEC(1000)), 0);
        atomic_store(&slow.stopping, true);
        CHECK_RC(edo_timer_stop(&slow.timer), armed);
        check_over();
        while (atomic_load(&taken.runtime->workers[0].strays) != 0)
            edo_yield();
    }
    taken_end(thread);
    return 0;
}

static void test_s6_stop_waits_for_a_callback_that_lost_the_worker(void **state)
{
    (void)state;
    assert_int_equal(run_alone(astray_root, NULL), 0);
    assert_int_equal(run_alone(astray_root, &slow), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        virtual_test(test_s4_a_timer_fires_once_and_not_early),
        virtual_test(test_s4_a_stopped_timer_does_not_fire),
        virtual_test(test_s4_start_moves_an_armed_timer),
        virtual_test(test_s4_timers_fire_in_order),
        virtual_test(test_s4_a_timer_starts_itself_again),
        virtual_test(test_s4_callbacks_stop_start_and_free),
        virtual_test(test_s4_a_callback_wakes_and_cancels),
        cmocka_unit_test(test_f2_plain_threads_have_no_timers),
        cmocka_unit_test(test_s4_after_stop_the_callback_does_not_run),
        cmocka_unit_test(test_s4_timers_of_tasks_that_migrate),
        cmocka_unit_test(test_s4_stop_waits_for_a_callback_that_runs),
        cmocka_unit_test(test_s4_stop_waits_for_a_callback_whose_timer_was_started_again_elsewhere),
        cmocka_unit_test(test_s6_stop_waits_for_a_callback_that_lost_the_worker),
        cmocka_unit_test(test_s6_timers_that_are_due_go_with_the_worker),
        cmocka_unit_test(test_s6_a_due_timer_is_not_slept_over),
        cmocka_unit_test(test_s6_a_callback_without_worker_starts_its_timer_and_is_not_run_twice_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
