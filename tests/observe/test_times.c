/* SPDX-License-Identifier: MIT */
/*
 * Measured times, on a clock that stands still unless a task lets it pass: what lands in which bucket is known to the
 * nanosecond. And that tasks which are measured run as often as others do, wherever they are queued.
 */
#include "runtime/helpers.h"
#include "runtime/runtime.h"
#include "runtime/sample.h"

#include <edo/testing.h>

#include <sched.h>

static edo_histogram read_times(int times)
{
    edo_histogram histogram = {.size = sizeof histogram};

    CHECK_RC(edo_metrics_times(&histogram, times, -1), 0);
    return histogram;
}

static int run_measured(edo_task_fn fn, void *argument)
{
    return run_with(fn, argument,
                    EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .seed = 1,
                                .stall_after = EDO_FOREVER, .metrics = true));
}

/* --- Buckets ------------------------------------------------------------------------------------------------------ */

static void test_each_time_has_the_bucket_of_its_limits(void **state)
{
    uint64_t random = edo_test_seed();

    (void)state;
    assert_int_equal(edo_histogram_limit(-1), 64);
    assert_int_equal(edo_histogram_limit(0), 64);
    assert_int_equal(edo_histogram_limit(1), 80);
    assert_int_equal(edo_histogram_limit(4), 128);
    assert_int_equal(edo_histogram_limit(EDO_HISTOGRAM_BUCKETS - 2), INT64_C(1) << 36);
    assert_true(edo_histogram_limit(EDO_HISTOGRAM_BUCKETS - 1) == EDO_FOREVER);
    assert_true(edo_histogram_limit(EDO_HISTOGRAM_BUCKETS) == EDO_FOREVER);
    assert_int_equal(edo_times_bucket(0), 0);
    assert_int_equal(edo_times_bucket(EDO_FOREVER), EDO_HISTOGRAM_BUCKETS - 1);
    for (int i = 0; i < EDO_HISTOGRAM_BUCKETS - 1; i++) {
        assert_int_equal(edo_times_bucket(edo_histogram_limit(i)), i);
        assert_int_equal(edo_times_bucket(edo_histogram_limit(i) + 1), i + 1);
        assert_true(edo_histogram_limit(i) < edo_histogram_limit(i + 1));
    }
    for (int i = 0; i < 100000; i++) {
        int64_t time = (int64_t)(edo_test_random(&random) >> (1 + edo_test_random(&random) % 60));
        int bucket = edo_times_bucket(time);

        assert_true(time <= edo_histogram_limit(bucket));
        assert_true(bucket == 0 || time > edo_histogram_limit(bucket - 1));
    }
}

/* --- Poll times and delays ---------------------------------------------------------------------------------------- */

enum { CROWD = 4, TURNS = 4000 };

static int works(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        virtual_pass(*(int64_t *)argument);
        edo_yield();
    }
    return 0;
}

/* Each turn of each takes that long, and begins when all others have had theirs. */
static int crowd_root(void *argument)
{
    int64_t turn = *(int64_t *)argument;
    edo_histogram poll, delay;
    int at = edo_times_bucket(turn), behind = edo_times_bucket((CROWD - 1) * turn);
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < CROWD; i++)
            CHECK_RC(edo_spawn(scope, works, argument), 0);
    poll = read_times(EDO_TIMES_POLL);
    delay = read_times(EDO_TIMES_DELAY);
    CHECK(poll.count >= CROWD * TURNS / 800);
    CHECK(poll.count <= CROWD * TURNS / EDO_SAMPLE_GAP + 2);
    /* All but those of the root, the first turns and the last ones, in which nothing or less is waited for. */
    CHECK(poll.count - poll.buckets[at] <= 2);
    CHECK(poll.sum == (int64_t)poll.buckets[at] * turn);
    CHECK(delay.count >= poll.count / 2);
    CHECK(delay.count - delay.buckets[behind] <= 4);
    CHECK(delay.sum <= (int64_t)delay.count * (CROWD - 1) * turn);
    CHECK(delay.sum >= (int64_t)delay.buckets[behind] * (CROWD - 1) * turn);
    return rc;
}

static void test_poll_times_and_delays_of_a_crowd(void **state)
{
    static const int64_t turns[] = {EDO_US(5), EDO_MS(1), EDO_SEC(3)};

    (void)state;
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++)
        assert_int_equal(run_measured(crowd_root, (void *)(uintptr_t)&turns[i]), 0);
}

static int takes_a_while(void *argument)
{
    (void)argument;
    virtual_pass(EDO_MS(2));
    return 0;
}

/* Tasks that never wait: their first and only turn is measured. */
static int short_lives_root(void *argument)
{
    edo_histogram delay;
    int rc = 0;

    (void)argument;
    for (int round = 0; round < 20 && rc == 0; round++)
        EDO_SCOPE (scope, &rc)
            for (int i = 0; i < 16; i++)
                CHECK_RC(edo_spawn(scope, takes_a_while, NULL), 0);
    delay = read_times(EDO_TIMES_DELAY);
    CHECK(delay.count >= 20);
    CHECK(delay.count <= 30);
    CHECK(delay.sum >= 0 && delay.sum <= (int64_t)delay.count * EDO_MS(2) * 16);
    return rc;
}

static void test_delays_of_short_lives(void **state)
{
    (void)state;
    assert_int_equal(run_measured(short_lives_root, NULL), 0);
}

static int busy_root(void *argument)
{
    edo_worker_metrics before = EDO_WORKER_METRICS_INIT, after = EDO_WORKER_METRICS_INIT;

    (void)argument;
    CHECK_RC(edo_metrics_worker(&before, 0), 0);
    for (int i = 0; i < 10; i++) {
        virtual_pass(EDO_MS(5));
        CHECK_RC(edo_sleep(EDO_MS(20)), 0);
    }
    CHECK_RC(edo_metrics_worker(&after, 0), 0);
    CHECK(after.busy - before.busy == EDO_MS(50));
    CHECK(after.idle_wakes == before.idle_wakes);
    return 0;
}

static void test_busy_is_what_is_not_slept(void **state)
{
    (void)state;
    assert_int_equal(run_measured(busy_root, NULL), 0);
}

static void *pokes(void *argument)
{
    struct edo_worker *worker = argument;

    for (int i = 0; i < 3; i++) {
        uint64_t polls = atomic_load(&worker->counts.polls);

        while (!atomic_load(&worker->waiting))
            sched_yield();
        edo_poller_wake(&worker->poller);
        while (atomic_load(&worker->counts.polls) == polls || !atomic_load(&worker->waiting))
            sched_yield();
    }
    return NULL;
}

static int idle_wakes_root(void *argument)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    struct gate gate = {0};
    pthread_t thread;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_metrics_read(&before), 0);
    CHECK_RC(pthread_create(&thread, NULL, pokes, edo_thread_self()->worker), 0);
    CHECK_RC(edo_wait_word(&gate.open, 0, edo_now() + EDO_MS(500) * EDO_TEST_SCALE), -ETIMEDOUT);
    pthread_join(thread, NULL);
    CHECK_RC(edo_metrics_read(&after), 0);
    CHECK(after.idle_wakes - before.idle_wakes == 3);
    return rc;
}

static void test_wakes_for_nothing_are_counted(void **state)
{
    (void)state;
    assert_int_equal(run_measured(idle_wakes_root, NULL), 0);
}

/* --- What measuring leaves alone ---------------------------------------------------------------------------------- */

struct mill {
    _Atomic int turns;
    _Atomic int pairs; /* of questions and answers */
};

static int mills(void *argument)
{
    struct mill *mill = argument;

    for (int i = 0; i < edo_test_rounds(400); i++) {
        atomic_fetch_add(&mill->turns, 1);
        edo_yield();
    }
    return 0;
}

static int reads_one(void *argument)
{
    char byte;

    return (int)edo_read(argument, &byte, 1) == 1 ? 0 : -EIO;
}

/*
 * A sampled turn ends before its time, which must not have all others end so: looks at the poller come as often as
 * ever.
 */
static int looks_root(void *argument)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    uint64_t polls, turns;
    struct mill mill = {0};
    edo_stream *reader, *writer;
    int ends[2];
    int rc = 0;

    (void)argument;
    CHECK_RC(pipe(ends), 0);
    CHECK_RC(edo_stream_from_fd(&reader, ends[0]), 0);
    CHECK_RC(edo_stream_from_fd(&writer, ends[1]), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, reads_one, reader), 0);
        edo_yield();
        CHECK_RC(edo_metrics_read(&before), 0);
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, mills, &mill), 0);
        while (atomic_load(&mill.turns) < 20 * edo_test_rounds(400))
            edo_yield();
        CHECK_RC(edo_metrics_read(&after), 0);
        turns = after.switches - before.switches;
        polls = after.polls - before.polls;
        CHECK(turns >= (uint64_t)(20 * edo_test_rounds(400)));
        CHECK(polls + 1 >= turns / 61);
        CHECK(polls <= turns / 61 + turns / 1000 + 1);
        CHECK_RC(edo_write_all(writer, "x", 1), 1);
    }
    edo_close(reader);
    edo_close(writer);
    return rc;
}

static void test_s1_looks_come_as_often_as_ever(void **state)
{
    (void)state;
    assert_int_equal(run_measured(looks_root, NULL), 0);
}

static int probe_root(void *argument)
{
    struct edo_thread *thread = edo_thread_self();
    struct edo_task *task = thread->current, *stand_in;
    uint8_t flags = task->flags;

    (void)argument;
    task->flags = EDO_TASK_TIMED | EDO_TASK_PINNED;
    task->home_thread = thread;
    stand_in = edo_probe_send(thread->runtime, thread->worker, task);
    CHECK(stand_in != task && edo_probe_is(stand_in) && !stand_in->stack);
    CHECK(stand_in->flags == EDO_TASK_PINNED && stand_in->home_thread == thread);
    CHECK(task->flags == EDO_TASK_PINNED);
    CHECK(edo_probe_receive(thread->worker, stand_in) == task);

    task->flags = EDO_TASK_TIMED | EDO_TASK_MIGRATES; /* who looks for it in the global queue wants to know it */
    CHECK(edo_probe_send(thread->runtime, thread->worker, task) == task);
    CHECK(task->flags == EDO_TASK_MIGRATES);
    task->flags = flags;
    task->home_thread = NULL;
    return 0;
}

static void test_a_probe_waits_where_its_task_would(void **state)
{
    (void)state;
    assert_int_equal(run_measured(probe_root, NULL), 0);
}

/* --- When it is measured ------------------------------------------------------------------------------------------ */

static int asks(void *argument)
{
    edo_histogram histogram = {.size = sizeof histogram};

    CHECK_RC(edo_metrics_times(&histogram, EDO_TIMES_POLL, -1), *(int *)argument);
    return 0;
}

static void test_the_environment_may_ask_for_it(void **state)
{
    int yes = 0, no = -ENODATA;

    (void)state;
    assert_int_equal(run_alone(asks, &no), 0);
    setenv("EDO_METRICS", "1", 1);
    assert_int_equal(run_alone(asks, &yes), 0);
    setenv("EDO_METRICS", "0", 1);
    assert_int_equal(run_alone(asks, &no), 0);
    setenv("EDO_METRICS", "2", 1);
    assert_int_equal(edo_run(asks, &no, NULL), -EINVAL);
    unsetenv("EDO_METRICS");
}

static void test_t1_seeded_runs_are_not_measured(void **state)
{
    int no = -ENODATA;

    (void)state;
    setenv("EDO_METRICS", "1", 1);
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_run(asks, &no, EDO_OPTIONS(edo_test_options, .seed = 1)), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
    unsetenv("EDO_METRICS");
}

/* --- Probes go where tasks go ------------------------------------------------------------------------------------- */

static int pinned_mills(void *argument)
{
    pthread_t home = pthread_self();
    struct mill *mill = argument;

    for (int i = 0; i < edo_test_rounds(400); i++) {
        atomic_fetch_add(&mill->turns, 1);
        edo_yield();
        CHECK(pthread_equal(pthread_self(), home));
    }
    return 0;
}

struct pair {
    struct mill *mill;
    edo_channel *there, *back;
};

static int answers(void *argument)
{
    struct pair *pair = argument;
    int number;

    while (edo_channel_recv(&number, pair->there, sizeof number) == 0)
        if (edo_channel_send(pair->back, &number, sizeof number) < 0)
            break;
    return 0;
}

static int questions(void *argument)
{
    struct pair *pair = argument;

    for (int i = 0; i < edo_test_rounds(400); i++) {
        int number = i, answer = -1;

        CHECK_RC(edo_channel_send(pair->there, &number, sizeof number), 0);
        CHECK_RC(edo_channel_recv(&answer, pair->back, sizeof answer), 0);
        CHECK(answer == number);
        atomic_fetch_add(&pair->mill->pairs, 1);
    }
    edo_channel_close(pair->there);
    return 0;
}

static int places_root(void *argument)
{
    enum { MILLS = 400, PAIRS = 8 };
    struct mill mill = {0};
    struct pair pairs[PAIRS];
    edo_histogram delay;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < PAIRS; i++) {
            pairs[i].mill = &mill;
            CHECK_RC(edo_channel_create(&pairs[i].there, sizeof(int), 0), 0);
            CHECK_RC(edo_channel_create(&pairs[i].back, sizeof(int), 0), 0);
            CHECK_RC(edo_spawn(scope, answers, &pairs[i], .pinned = i % 2), 0);
            CHECK_RC(edo_spawn(scope, questions, &pairs[i]), 0);
        }
        for (int i = 0; i < MILLS; i++) /* more than a ring holds, some that stay, some on larger stacks */
            CHECK_RC(edo_spawn(scope, i % 5 ? mills : pinned_mills, &mill, .pinned = i % 5 == 0,
                               .stack_size = i % 7 ? 0 : 512 * 1024),
                     0);
    }
    CHECK(atomic_load(&mill.turns) == MILLS * edo_test_rounds(400));
    CHECK(atomic_load(&mill.pairs) == PAIRS * edo_test_rounds(400));
    delay = read_times(EDO_TIMES_DELAY);
    CHECK(delay.count > 0);
    for (int i = 0; i < PAIRS; i++) {
        edo_channel_destroy(pairs[i].there);
        edo_channel_destroy(pairs[i].back);
    }
    return rc;
}

static void test_no_task_is_lost_behind_a_probe(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 3; workers++) {
        assert_int_equal(
            run_with(places_root, NULL,
                     EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .metrics = true)),
            0);
        assert_int_equal(run_with(places_root, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE,
                                              .metrics = true, .pinned = true)),
                         0);
    }
    assert_int_equal(run_with(places_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .metrics = true,
                                          .stall_after = EDO_US(100))),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_time_has_the_bucket_of_its_limits),
        virtual_test(test_poll_times_and_delays_of_a_crowd),
        virtual_test(test_delays_of_short_lives),
        virtual_test(test_busy_is_what_is_not_slept),
        cmocka_unit_test(test_wakes_for_nothing_are_counted),
        cmocka_unit_test(test_s1_looks_come_as_often_as_ever),
        cmocka_unit_test(test_a_probe_waits_where_its_task_would),
        cmocka_unit_test(test_the_environment_may_ask_for_it),
        cmocka_unit_test(test_t1_seeded_runs_are_not_measured),
        cmocka_unit_test(test_no_task_is_lost_behind_a_probe),
    };

    unsetenv("EDO_METRICS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
