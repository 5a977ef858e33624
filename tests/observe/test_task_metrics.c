/* SPDX-License-Identifier: MIT */
/*
 * What is sampled of each task, on a clock that stands still unless a task lets it pass: so what an estimate should be
 * is known, and that it is wrong by no more than chance allows.
 */
#include "observe/dumped.h"
#include "runtime/runtime.h"

static edo_task_metrics metrics_of(uint64_t id)
{
    edo_task_metrics metrics = EDO_TASK_METRICS_INIT;

    CHECK_RC(edo_metrics_task(&metrics, id), 0);
    return metrics;
}

static int run_measured(edo_task_fn fn, void *argument)
{
    return run_with(fn, argument,
                    EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .seed = 1,
                                .stall_after = EDO_FOREVER, .metrics = true));
}

/* Within so many percent. */
static bool near(double got, double want, int percent)
{
    bool is = got >= want * (100 - percent) / 100 && got <= want * (100 + percent) / 100;

    if (!is)
        fprintf(stderr, "%.0f is not within %d %% of %.0f\n", got, percent, want);
    return is;
}

/* --- A crowd ------------------------------------------------------------------------------------------------------ */

enum { TURNS = 40000 };

struct worker_of_crowd {
    int64_t turn;
    edo_task_metrics metrics;
    edo_histogram poll;
    edo_histogram delay;
    int turns;
};

static int works(void *argument)
{
    struct worker_of_crowd *it = argument;

    for (int i = 0; i < it->turns; i++) {
        virtual_pass(it->turn);
        edo_yield();
    }
    it->metrics = metrics_of(0);
    it->poll.size = it->delay.size = sizeof it->poll;
    CHECK_RC(edo_metrics_task_times(&it->poll, EDO_TIMES_POLL, edo_task_id()), 0);
    CHECK_RC(edo_metrics_task_times(&it->delay, EDO_TIMES_DELAY, 0), 0);
    return 0;
}

static int crowd_root(void *argument)
{
    struct worker_of_crowd *crowd = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc)
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(all, works, &crowd[i]), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(near((double)crowd[i].metrics.polls, TURNS, 25));
        CHECK(near((double)crowd[i].metrics.busy, (double)(crowd[i].turn * TURNS), 25));
        CHECK(near((double)crowd[i].poll.count, TURNS / 400.0, 25));
        CHECK(crowd[i].poll.sum == (int64_t)crowd[i].poll.count * crowd[i].turn);
        CHECK(crowd[i].delay.count + 2 >= crowd[i].poll.count / 2);
    }
    /* 1 ms is above 2^19 ns, and below 2^20. */
    CHECK(crowd[1].poll.buckets[4 * 14] == crowd[1].poll.count);
    CHECK(edo_histogram_limit(4 * 14) == 1 << 20);
    CHECK(crowd[0].poll.buckets[0] == crowd[0].poll.count);
    return rc;
}

static void test_turns_and_time_are_credited_to_their_task(void **state)
{
    struct worker_of_crowd crowd[3] = {
        {.turn = 50, .turns = TURNS}, {.turn = EDO_MS(1), .turns = TURNS}, {.turn = EDO_MS(9), .turns = TURNS}};

    (void)state;
    assert_int_equal(run_measured(crowd_root, crowd), 0);
}

static int alone_root(void *argument)
{
    struct worker_of_crowd *it = argument;
    edo_metrics metrics = EDO_METRICS_INIT;

    works(argument);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK(near((double)it->metrics.polls, TURNS, 5));
    CHECK(near((double)it->metrics.busy, (double)metrics.busy, 5));
    CHECK(it->metrics.id == edo_task_id());
    return 0;
}

/* Who is alone gets no turn from anybody, and goes on. */
static void test_turns_of_one_that_is_alone_count_too(void **state)
{
    struct worker_of_crowd it = {.turn = EDO_US(20), .turns = TURNS};

    (void)state;
    assert_int_equal(run_measured(alone_root, &it), 0);
}

/* --- One after the other ------------------------------------------------------------------------------------------ */

struct chain {
    uint32_t word;
    edo_task_metrics first;
    edo_task_metrics second;
    uint64_t second_id;
    bool over;
};

static int follows(void *argument)
{
    struct chain *chain = argument;

    chain->second_id = edo_task_id();
    while (!chain->over) {
        uint32_t seen = __atomic_load_n(&chain->word, __ATOMIC_SEQ_CST);

        if (edo_wait_word(&chain->word, seen, EDO_FOREVER) == 0)
            virtual_pass(EDO_MS(2));
    }
    return 0;
}

static int chain_root(void *argument)
{
    struct chain *chain = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, follows, chain), 0);
        for (int i = 0; i < TURNS; i++) {
            CHECK_RC(edo_sleep(EDO_MS(10)), 0);
            __atomic_fetch_add(&chain->word, 1, __ATOMIC_SEQ_CST);
            edo_wake_word(&chain->word, 1); /* and sleeps: the other one runs behind it */
        }
        chain->first = metrics_of(0);
        chain->second = metrics_of(chain->second_id);
        chain->over = true;
        __atomic_fetch_add(&chain->word, 1, __ATOMIC_SEQ_CST);
        edo_wake_word(&chain->word, 1);
    }
    CHECK(near((double)chain->first.polls, TURNS, 20));
    CHECK(near((double)chain->second.polls, TURNS, 20));
    CHECK(near((double)chain->second.busy, TURNS * 2e6, 20));
    CHECK(chain->first.busy < EDO_MS(1));
    return rc;
}

/* After a sleep always the same one comes first: it is not met more often for that. */
static void test_who_runs_second_is_met_as_often(void **state)
{
    struct chain chain = {.word = 0};

    (void)state;
    assert_int_equal(run_measured(chain_root, &chain), 0);
}

/* --- Beginnings and ends ------------------------------------------------------------------------------------------ */

static int says_what_it_is(void *argument)
{
    edo_task_metrics metrics = metrics_of(0);

    CHECK(metrics.polls == 0);
    CHECK(metrics.busy == 0);
    CHECK(metrics.age <= EDO_MS(1));
    *(struct edo_task **)argument = edo_task_self();
    return 0;
}

static int reuse_root(void *argument)
{
    struct worker_of_crowd it = {.turn = EDO_US(20), .turns = 4000};
    edo_task_metrics metrics = EDO_TASK_METRICS_INIT;
    struct edo_task *block = NULL;
    edo_histogram times = {.size = sizeof times};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc)
        CHECK_RC(edo_spawn(all, works, &it), 0);
    CHECK(it.metrics.polls > 0);
    CHECK_RC(edo_metrics_task(&metrics, it.metrics.id), -ESRCH);
    CHECK_RC(edo_metrics_task_times(&times, EDO_TIMES_POLL, it.metrics.id), -ESRCH);
    EDO_SCOPE (all, &rc)
        CHECK_RC(edo_spawn(all, says_what_it_is, &block), 0);
    EDO_SCOPE (all, &rc)
        CHECK_RC(edo_spawn(all, works, &it), 0);
    return rc;
}

static void test_a_task_begins_with_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_measured(reuse_root, NULL), 0);
}

static int errors_root(void *argument)
{
    edo_task_metrics metrics = {.size = sizeof metrics + 1};
    edo_histogram times = {.size = 1};
    bool measured = argument != NULL;

    CHECK_RC(edo_metrics_task(&metrics, 0), -E2BIG);
    CHECK_RC(edo_metrics_task_times(&times, EDO_TIMES_POLL, 0), -E2BIG);
    metrics.size = offsetof(edo_task_metrics, age);
    metrics.age = 77;
    CHECK_RC(edo_metrics_task(&metrics, 0), 0);
    CHECK(metrics.id == edo_task_id() && metrics.age == 77 && metrics.size == offsetof(edo_task_metrics, age));
    metrics.size = sizeof metrics;
    CHECK_RC(edo_metrics_task(&metrics, edo_task_id() + 1), -ESRCH);
    CHECK_RC(edo_metrics_task(&metrics, 0), 0);
    CHECK(metrics.age >= 0 && metrics.age < EDO_SEC(100));
    CHECK(measured || (metrics.polls == 0 && metrics.busy == 0));
    times.size = sizeof times;
    CHECK_RC(edo_metrics_task_times(&times, 2, 0), -EINVAL);
    CHECK_RC(edo_metrics_task_times(&times, -1, 0), -EINVAL);
    CHECK_RC(edo_metrics_task_times(&times, EDO_TIMES_POLL, edo_task_id() + 1), measured ? -ESRCH : -ENODATA);
    CHECK_RC(edo_metrics_task_times(&times, EDO_TIMES_DELAY, 0), measured ? 0 : -ENODATA);
    return 0;
}

static void test_what_cannot_be_told_is_refused(void **state)
{
    edo_task_metrics metrics = EDO_TASK_METRICS_INIT;
    edo_histogram times = {.size = sizeof times};

    (void)state;
    assert_int_equal(edo_metrics_task(&metrics, 0), -EPERM);
    assert_int_equal(edo_metrics_task_times(&times, EDO_TIMES_POLL, 0), -EPERM);
    assert_int_equal(run_measured(errors_root, state), 0);
    assert_int_equal(run_alone(errors_root, NULL), 0);
}

/* --- In dumps ----------------------------------------------------------------------------------------------------- */

static int dumped_root(void *argument)
{
    struct dumped text;

    for (int i = 0; i < 1000; i++) {
        virtual_pass(EDO_MS(1));
        edo_yield();
    }
    dumped_begin(&text, EDO_DUMP_TEXT, false);
    CHECK(!!strstr(text.text, " turns\n") == (argument != NULL));
    CHECK(!argument || dumped_has(&text, "\"root\"", ", ran for "));
    dumped_end(&text);
    dumped_begin(&text, EDO_DUMP_JSON, false);
    CHECK(!!strstr(text.text, "\"polls\":") == (argument != NULL));
    CHECK(!argument || dumped_has(&text, "\"polls\":", "\"busy_ns\":"));
    dumped_end(&text);
    return 0;
}

static void test_dumps_tell_of_measured_tasks_alone(void **state)
{
    (void)state;
    assert_int_equal(run_measured(dumped_root, state), 0);
    assert_int_equal(run_alone(dumped_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        virtual_test(test_turns_and_time_are_credited_to_their_task),
        virtual_test(test_turns_of_one_that_is_alone_count_too),
        virtual_test(test_who_runs_second_is_met_as_often),
        virtual_test(test_a_task_begins_with_nothing),
        cmocka_unit_test(test_what_cannot_be_told_is_refused),
        virtual_test(test_dumps_tell_of_measured_tasks_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
