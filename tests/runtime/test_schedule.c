/* SPDX-License-Identifier: MIT */
/*
 * The scheduler as tasks see it: fairness between the LIFO slot, the ring and the global queue (S1), the budget (S3),
 * threads (S5, S8), and that nobody is woken for nothing (S9).
 */
#include "helpers.h"

#include "runtime/runtime.h"
#include "threads_status.h"

#include <pthread.h>
#include <sched.h>

/* --- S1 ----------------------------------------------------------------------------------------------------------- */

static struct {
    uint32_t turn;
    int rounds;
    _Atomic int started, turns;
    _Atomic bool over;
} duel;

static int duellist(void *argument)
{
    uint32_t me = (uint32_t)(uintptr_t)argument;

    for (int i = 0; i < duel.rounds; i++) {
        uint32_t turn;

        while ((turn = __atomic_load_n(&duel.turn, __ATOMIC_SEQ_CST)) != me)
            edo_wait_word(&duel.turn, turn, EDO_FOREVER);
        __atomic_store_n(&duel.turn, 1 - me, __ATOMIC_SEQ_CST);
        edo_wake_word(&duel.turn, INT_MAX);
    }
    atomic_store(&duel.over, true);
    return 0;
}

static int bystander(void *argument)
{
    (void)argument;
    while (!atomic_load(&duel.over)) {
        atomic_fetch_add(&duel.turns, 1);
        edo_yield();
    }
    return 0;
}

static int lifo_root(void *argument)
{
    int rc = 0;

    (void)argument;
    memset(&duel, 0, sizeof duel);
    duel.rounds = 1000;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, bystander, NULL), 0);
        CHECK_RC(edo_spawn(scope, duellist, (void *)0), 0);
        CHECK_RC(edo_spawn(scope, duellist, (void *)1), 0);
    }
    /* 2,000 wakes, of which the LIFO slot takes three in a row at most. */
    CHECK(atomic_load(&duel.turns) >= 2000 / 5);
    return rc;
}

static void test_s1_two_that_wake_each_other_do_not_starve_a_third(void **state)
{
    (void)state;
    assert_int_equal(run_alone(lifo_root, NULL), 0);
}

enum { CROWD = 5000 };

static _Atomic unsigned char seen[CROWD];

static int be_seen(void *argument)
{
    atomic_fetch_add(&seen[(uintptr_t)argument], 1);
    return 0;
}

static int crowd_root(void *argument)
{
    int rc = 0;

    (void)argument;
    memset(seen, 0, sizeof seen);
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t i = 0; i < CROWD; i++)
            CHECK_RC(edo_spawn(scope, be_seen, (void *)i), 0);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK_RC(seen[i], 1);
    return rc;
}

static void test_s1_what_overflows_the_ring_runs_once(void **state)
{
    (void)state;
    assert_int_equal(run_alone(crowd_root, NULL), 0);
    for (int i = 0; i < edo_test_rounds(20); i++)
        assert_int_equal(
            run_with(crowd_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE)), 0);
}

static struct {
    struct gate gate;
    _Atomic int turns;
    _Atomic int needed; /* turns of others until the woken one had its own; -1: not yet */
} fairness;

static int waits_for_gate(void *argument)
{
    (void)argument;
    gate_wait(&fairness.gate);
    atomic_store(&fairness.needed, atomic_load(&fairness.turns));
    return 0;
}

static int takes_turns(void *argument)
{
    (void)argument;
    while (atomic_load(&fairness.needed) < 0 && atomic_load(&fairness.turns) < 100000) {
        atomic_fetch_add(&fairness.turns, 1);
        edo_yield();
    }
    return 0;
}

static void *opens_gate(void *argument)
{
    (void)argument;
    gate_open(&fairness.gate);
    return NULL;
}

static int fairness_root(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    memset(&fairness, 0, sizeof fairness);
    fairness.needed = -1;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits_for_gate, NULL), 0);
        edo_sleep(EDO_MS(1)); /* it waits by then, having been alone */
        CHECK_RC(pthread_create(&thread, NULL, opens_gate, NULL), 0);
        pthread_join(thread, NULL); /* in the global queue now, since no worker woke it */
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, takes_turns, NULL), 0);
    }
    CHECK(fairness.needed >= 0 && fairness.needed <= 4 * 61);
    return rc;
}

static void test_s1_busy_tasks_do_not_starve_the_global_queue(void **state)
{
    (void)state;
    assert_int_equal(run_alone(fairness_root, NULL), 0);
}

static struct {
    int count;
    _Atomic int arrived;
    _Atomic uint32_t most_searching;
    _Atomic bool over;
    struct edo_runtime *runtime;
} meeting;

/* Spins without ever giving its worker back: so all must run at the same time. */
static int meets(void *argument)
{
    (void)argument;
    atomic_fetch_add(&meeting.arrived, 1);
    while (atomic_load(&meeting.arrived) < meeting.count)
        sched_yield();
    return 0;
}

static int meeting_root(void *argument)
{
    int rounds = edo_test_rounds(100);

    meeting.count = (int)(intptr_t)argument;
    for (int i = 0; i < rounds; i++) {
        int rc = 0;

        atomic_store(&meeting.arrived, 0);
        EDO_SCOPE (scope, &rc) {
            for (int k = 0; k < meeting.count; k++)
                CHECK_RC(edo_spawn(scope, meets, NULL), 0);
        }
        if (i % 3 == 0)
            edo_sleep(EDO_US(300)); /* let them fall asleep */
    }
    return 0;
}

static void test_s1_every_worker_gets_work_while_there_is_some(void **state)
{
    (void)state;
    for (intptr_t workers = 2; workers <= 8; workers *= 2)
        assert_int_equal(run_with(meeting_root, (void *)workers,
                                  EDO_OPTIONS(edo_run_options, .workers = (int)workers, .signals = EDO_SIGNALS_IGNORE)),
                         0);
}

static int drowsy_root(void *argument)
{
    int rounds = edo_test_rounds(20000);
    uint64_t random = edo_test_seed();

    (void)argument;
    meeting.count = 2;
    for (int i = 0; i < rounds; i++) {
        int64_t start;
        int rc = 0;

        atomic_store(&meeting.arrived, 0);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, meets, NULL), 0);
            CHECK_RC(edo_spawn(scope, meets, NULL), 0);
        }
        start = edo_now();
        while (edo_now() - start < (int64_t)(edo_test_random(&random) % 8000))
            ;
    }
    return 0;
}

/* The sibling is on its way to sleep when there is work for it again: one of the two must see the other. */
static void test_s1_no_wake_is_lost_on_the_way_to_sleep(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(drowsy_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

static void *samples_searchers(void *argument)
{
    (void)argument;
    while (!atomic_load(&meeting.over)) {
        uint32_t searching = atomic_load(&meeting.runtime->searching);

        if (searching > atomic_load(&meeting.most_searching))
            atomic_store(&meeting.most_searching, searching);
    }
    return NULL;
}

static int searchers_root(void *argument)
{
    pthread_t thread;

    meeting.runtime = edo_thread_self()->runtime;
    meeting.over = false;
    meeting.most_searching = 0;
    CHECK_RC(pthread_create(&thread, NULL, samples_searchers, NULL), 0);
    meeting_root(argument);
    atomic_store(&meeting.over, true);
    pthread_join(thread, NULL);
    CHECK(meeting.most_searching > 0);
    CHECK(meeting.most_searching <= 8 / 2 + 1); /* half, and the one that a waker may add at the same moment */
    return 0;
}

static void test_s1_at_most_half_of_the_workers_search(void **state)
{
    (void)state;
    assert_int_equal(run_with(searchers_root, (void *)(intptr_t)6,
                              EDO_OPTIONS(edo_run_options, .workers = 8, .signals = EDO_SIGNALS_IGNORE)),
                     0);
}

static int stealable(void *argument)
{
    (void)argument;
    atomic_fetch_add(&meeting.arrived, 1);
    return 0;
}

/* As if one of two searched already: the other one, awake and idle, has to leave the ring alone. */
static int half_root(void *argument)
{
    struct edo_runtime *runtime = edo_thread_self()->runtime;
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    int64_t start;
    int rc = 0;

    (void)argument;
    edo_sleep(EDO_MS(1));
    atomic_store(&meeting.arrived, 0);
    EDO_SCOPE (scope, &rc) {
        atomic_fetch_add(&runtime->searching, 1);
        CHECK_RC(edo_metrics_read(&before), 0);
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, stealable, NULL), 0);
        edo_wake_all(runtime);
        start = edo_now();
        while (edo_now() - start < EDO_MS(20))
            sched_yield();
        CHECK_RC(atomic_load(&meeting.arrived), 0);
        CHECK_RC(edo_metrics_read(&after), 0);
        CHECK_RC((long long)(after.steals - before.steals), 0);
        atomic_fetch_sub(&runtime->searching, 1);
        edo_wake_all(runtime);
        while (atomic_load(&meeting.arrived) == 0) /* and now it takes its share */
            sched_yield();
    }
    return rc;
}

static void test_s1_who_may_not_search_does_not_steal(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(half_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER)),
        0);
}

/* --- S3 ----------------------------------------------------------------------------------------------------------- */

static _Atomic int polite_turns;

static int polite(void *argument)
{
    (void)argument;
    for (int i = 0; i < 100; i++) {
        atomic_fetch_add(&polite_turns, 1);
        edo_yield();
    }
    return 0;
}

static int computes(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20 * EDO_BUDGET; i++)
        CHECK_RC(edo_checkpoint(), 0);
    CHECK(atomic_load(&polite_turns) >= 15);
    return 0;
}

static int ignores_errors(void *argument)
{
    edo_scope_cancel(edo_scope_current());
    (void)argument;
    for (int i = 0; i < 20 * EDO_BUDGET; i++)
        CHECK_RC(edo_sleep(EDO_SEC(1)), -ECANCELED);
    CHECK(atomic_load(&polite_turns) >= 15);
    return 0;
}

static int budget_root(void *argument)
{
    int rc = 0;

    atomic_store(&polite_turns, 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(EDO_DETACHED, polite, NULL), 0);
        CHECK_RC(edo_spawn(scope, argument ? ignores_errors : computes, NULL), 0);
    }
    return 0;
}

static void test_s3_a_loop_that_computes_yields_by_its_checkpoints(void **state)
{
    (void)state;
    assert_int_equal(run_alone(budget_root, NULL), 0);
}

static void test_s3_a_loop_that_ignores_errors_yields(void **state)
{
    (void)state;
    assert_int_equal(run_alone(budget_root, (void *)1), 0);
}

/* --- S5, S8 ------------------------------------------------------------------------------------------------------- */

static struct {
    _Atomic int suspensions, moves;
} travel;

static int travels(void *argument)
{
    (void)argument;
    for (int i = 0; i < 200; i++) {
        pid_t before = gettid(); /* pthread_self is const to compilers: it would be asked once */

        if (i % 2)
            edo_yield();
        else
            edo_sleep(EDO_US(10));
        atomic_fetch_add(&travel.suspensions, 1);
        if (before != gettid())
            atomic_fetch_add(&travel.moves, 1);
        CHECK(edo_in_task());
    }
    return 0;
}

/*
 * Moves in the middle of calls, where the budget ends: what follows must not use what it knew of the old thread
 * (self.h).
 */
static int travels_inside_calls(void *argument)
{
    static const uint32_t word = 1;

    (void)argument;
    for (int i = 0; i < 100 * EDO_BUDGET; i++) {
        CHECK_RC(edo_wait_word(&word, 0, EDO_FOREVER), -EAGAIN);
        if (i % 3 == 0)
            CHECK_RC(edo_wait_word(&word, 1, edo_now()), -ETIMEDOUT);
        CHECK_RC(edo_sleep(0), 0);
    }
    return 0;
}

static int travel_inside_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(scope, travels_inside_calls, NULL), 0);
    }
    return rc;
}

static void test_s5_calls_that_move_look_for_their_thread_again(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(travel_inside_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE)),
        0);
}

static int travel_root(void *argument)
{
    int rc = 0;

    (void)argument;
    atomic_store(&travel.suspensions, 0);
    atomic_store(&travel.moves, 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(scope, travels, NULL), 0);
    }
    return rc;
}

static void test_s5_migrate_always_moves_at_every_suspension(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(travel_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE)),
        0);
    assert_int_equal(travel.suspensions, 800);
    assert_in_range(travel.moves, 100, 800); /* a sibling that is slow is not waited for without end */
}

static void test_s8_one_worker_is_the_callers_thread(void **state)
{
    (void)state;
    assert_int_equal(run_alone(travel_root, NULL), 0);
    assert_int_equal(travel.moves, 0);
}

static int same_thread(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    CHECK_RC(*(pid_t *)argument, gettid());
    edo_sleep(EDO_US(10));
    CHECK_RC(*(pid_t *)argument, gettid());
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK_RC(metrics.threads, 1);
    CHECK_RC(metrics.workers, 1);
    return 5;
}

static void test_s8_edo_run_returns_on_its_callers_thread(void **state)
{
    pid_t me = gettid();

    (void)state;
    assert_int_equal(run_alone(same_thread, &me), 5);
    assert_int_equal(me, gettid());
    assert_false(edo_in_task());
}

/* --- S9 ----------------------------------------------------------------------------------------------------------- */

static struct edo_platform counting;
static _Atomic int writes, event_fds;
static int event_fd_of[64];

static int counted_eventfd(unsigned initial, int flags)
{
    int fd = edo_platform_system.eventfd(initial, flags);

    event_fd_of[atomic_fetch_add(&event_fds, 1) % 64] = fd;
    return fd;
}

static ssize_t counted_write(int fd, const void *buffer, size_t size)
{
    for (int i = 0; i < atomic_load(&event_fds) && i < 64; i++)
        if (event_fd_of[i] == fd)
            atomic_fetch_add(&writes, 1);
    return edo_platform_system.write(fd, buffer, size);
}

static int counting_begin(void **state)
{
    (void)state;
    counting = edo_platform_system;
    counting.write = counted_write;
    counting.eventfd = counted_eventfd;
    event_fds = 0;
    edo_platform = &counting;
    return 0;
}

static int naps(void *argument)
{
    for (int i = 0; i < 50; i++)
        edo_sleep(EDO_US(20 * (int)(intptr_t)argument));
    return 0;
}

static void rings(void *argument)
{
    gate_open(argument);
}

/* Sleeps, timers, wakes, spawns and joins, all on one worker. */
static int quiet_root(void *argument)
{
    int rc = 0;

    (void)argument;
    atomic_store(&writes, 0);
    lifo_root(NULL);
    EDO_SCOPE (scope, &rc) {
        for (intptr_t i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, naps, (void *)i), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct gate gate = {0};
        edo_timer timer;

        edo_timer_init(&timer, rings, &gate);
        CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_US(50)), 0);
        CHECK_RC(gate_wait(&gate), 0);
        CHECK_RC(edo_timer_stop(&timer), 0);
    }
    CHECK_RC(atomic_load(&writes), 0);
    return rc;
}

static void test_s9_one_worker_never_writes_to_its_eventfd(void **state)
{
    (void)state;
    assert_int_equal(run_alone(quiet_root, NULL), 0);
}

/* Of two workers one is enough for a task that sleeps, and for two that take turns. */
static int lone_root(void *argument)
{
    (void)argument;
    edo_sleep(EDO_MS(5)); /* the other one has gone to sleep, or will without help */
    atomic_store(&writes, 0);
    for (int i = 0; i < 50; i++)
        edo_sleep(EDO_US(50));
    CHECK_RC(atomic_load(&writes), 0);
    return 0;
}

static void test_s9_no_eventfd_write_for_a_timer_of_the_own_worker(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(lone_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

static uint64_t voluntary_switches_in(const char *line)
{
    unsigned long long count;

    return sscanf(line, "voluntary_ctxt_switches: %llu", &count) == 1 ? count : 0;
}

static int sleeps_long(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(3600)) == -ECANCELED ? 0 : -EINVAL;
}

static int does_nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* Whether nobody woke for 300 ms but the caller, once, and a few that were on their way. */
static bool is_quiet(void)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    uint64_t switches;

    CHECK_RC(edo_metrics_read(&before), 0);
    switches = threads_sum(voluntary_switches_in);
    edo_sleep(EDO_MS(300));
    CHECK_RC(edo_metrics_read(&after), 0);
    return after.polls - before.polls <= 6 && after.sleeps - before.sleeps <= 4 && after.wakes - before.wakes <= 1 &&
           threads_sum(voluntary_switches_in) - switches <= 20;
}

static int dormitory_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    int stackless = edo_test_rounds(100000);
    bool quiet = false;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < stackless; i++)
            CHECK_RC(edo_spawn(scope, does_nothing, NULL, .when = EDO_WHEN_AT(edo_now() + EDO_SEC(3600 + i % 1000))),
                     0);
        for (int i = 0; i < edo_test_rounds(2000); i++)
            CHECK_RC(edo_spawn(scope, sleeps_long, NULL), 0);
        edo_sleep(EDO_MS(50));
        CHECK_RC(edo_metrics_read(&metrics), 0);
        CHECK(metrics.timers >= (uint64_t)stackless);
        for (int i = 0; i < 20 && !quiet; i++) /* they are long on their way to sleep where the machine is busy */
            quiet = is_quiet();
        CHECK(quiet);
        edo_scope_cancel(scope);
    }
    return rc;
}

static void test_s9_nobody_wakes_while_a_hundred_thousand_sleep(void **state)
{
    (void)state;
    /* Before Linux 6.13 there are not as many guard pages as tasks here. */
    assert_int_equal(
        run_with(dormitory_root, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .unguarded_stacks = true)),
        0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_two_that_wake_each_other_do_not_starve_a_third),
        cmocka_unit_test(test_s1_what_overflows_the_ring_runs_once),
        cmocka_unit_test(test_s1_busy_tasks_do_not_starve_the_global_queue),
        cmocka_unit_test(test_s1_every_worker_gets_work_while_there_is_some),
        cmocka_unit_test(test_s1_no_wake_is_lost_on_the_way_to_sleep),
        cmocka_unit_test(test_s1_at_most_half_of_the_workers_search),
        cmocka_unit_test(test_s1_who_may_not_search_does_not_steal),
        cmocka_unit_test(test_s3_a_loop_that_computes_yields_by_its_checkpoints),
        cmocka_unit_test(test_s3_a_loop_that_ignores_errors_yields),
        cmocka_unit_test(test_s5_migrate_always_moves_at_every_suspension),
        cmocka_unit_test(test_s5_calls_that_move_look_for_their_thread_again),
        cmocka_unit_test(test_s8_one_worker_is_the_callers_thread),
        cmocka_unit_test(test_s8_edo_run_returns_on_its_callers_thread),
        cmocka_unit_test_setup_teardown(test_s9_one_worker_never_writes_to_its_eventfd, counting_begin, restore_table),
        cmocka_unit_test_setup_teardown(test_s9_no_eventfd_write_for_a_timer_of_the_own_worker, counting_begin,
                                        restore_table),
        cmocka_unit_test(test_s9_nobody_wakes_while_a_hundred_thousand_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
