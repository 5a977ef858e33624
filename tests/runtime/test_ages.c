/* SPDX-License-Identifier: MIT */
/* When tasks were spawned, found by marks: how many there are, how wrong they are, who makes them. */
#include "runtime/helpers.h"
#include "runtime/runtime.h"

#include <edo/testing.h>

/* --- Marks, on a clock of the test's own -------------------------------------------------------------------------- */

enum { TOLD = 200000 };

struct history {
    struct edo_worker worker;
    struct edo_ages ages;
    uint64_t ids[TOLD]; /* some, and when they were spawned */
    int64_t times[TOLD];
    int count;
};

static struct history *history_begin(void)
{
    struct history *history = calloc(1, sizeof *history);

    assert_non_null(history);
    history->worker.ages = &history->ages;
    history->worker.next_id = UINT64_C(7) << 40;
    history->ages.marks[0] = (struct edo_age_mark){history->worker.next_id, 1000};
    history->ages.count = 1;
    return history;
}

static void spawn_some(struct history *history, int64_t now, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = edo_worker_next_id(&history->worker);

        if (history->count < TOLD) {
            history->ids[history->count] = id;
            history->times[history->count++] = now;
        }
    }
}

/* No age is wrong by more than a part of it, or 5 ms. */
static void history_check(struct history *history, int64_t now, int part)
{
    static struct edo_age_mark marks[EDO_AGE_MARKS];
    uint32_t count = edo_ages_copy(marks, &history->worker);

    assert_true(count >= 1 && count <= EDO_AGE_MARKS);
    for (int i = 0; i < history->count; i++) {
        int64_t found = edo_ages_find(marks, count, history->ids[i], now);
        int64_t age = now - history->times[i];
        int64_t most = age / part > EDO_MS(5) ? age / part + 1 : EDO_MS(5) + 1;

        if (llabs(found - history->times[i]) > most)
            print_error("task %d, %lld ns old, is told to be %lld ns old\n", i, (long long)age,
                        (long long)(now - found));
        assert_true(llabs(found - history->times[i]) <= most);
        assert_true(found <= now);
        assert_true(i == 0 || found >= edo_ages_find(marks, count, history->ids[i - 1], now));
    }
}

static void test_ages_are_right_to_a_64th(void **state)
{
    struct history *history = history_begin();
    uint64_t random = edo_test_seed();
    int64_t now = 1000;

    (void)state;
    for (int i = 0; i < 50000; i++) { /* some minutes, in which few are spawned, or many at once */
        spawn_some(history, now + (int64_t)(edo_test_random(&random) % EDO_MS(5)),
                   edo_test_random(&random) % 2 << edo_test_random(&random) % 8);
        now += EDO_MS(5);
        edo_ages_mark(&history->worker, now);
        if (i % 9973 == 0)
            history_check(history, now, 64);
    }
    history_check(history, now, 64);
    free(history);
}

static void test_marks_of_months_stay_as_good(void **state)
{
    struct history *history = history_begin();
    uint64_t random = edo_test_seed();
    int64_t now = 1000;

    (void)state;
    for (int i = 0; i < 100000; i++) { /* now and then something is spawned, and it sleeps for a minute; ten weeks */
        if (edo_test_random(&random) % 2)
            spawn_some(history, now, 1 + edo_test_random(&random) % 2);
        now += EDO_MS(5);
        edo_ages_mark(&history->worker, now);
        now += EDO_SEC(60);
        edo_ages_extend(&history->worker, now);
    }
    history_check(history, now, 64);
    free(history);
}

/* Of marks that lie so that none may go for a 32nd, there may be more than there is room for. */
static void test_there_are_never_too_many_marks(void **state)
{
    struct history *history = history_begin();
    int64_t now = 1000;

    (void)state;
    for (int64_t left = INT64_MAX / 2; left > EDO_SEC(1); left -= left / 31) {
        spawn_some(history, now, 1);
        now += EDO_MS(5);
        edo_ages_mark(&history->worker, now);
        now += left / 31;
        edo_ages_extend(&history->worker, now);
        assert_true(history->ages.count <= EDO_AGE_MARKS);
    }
    history_check(history, now, 8);
    free(history);
}

static void test_a_task_after_a_long_sleep_is_young(void **state)
{
    struct history *history = history_begin();
    int64_t hour = EDO_SEC(3600);
    int64_t now = 1000;

    (void)state;
    for (int i = 0; i < 5; i++) {
        spawn_some(history, now, 3);
        edo_ages_mark(&history->worker, now + EDO_MS(4)); /* before it sleeps */
        now += hour;
        edo_ages_extend(&history->worker, now);
        history_check(history, now, 64);
    }
    free(history);
}

static void test_what_is_not_known_is_said_so(void **state)
{
    struct edo_age_mark marks[] = {{10, 100}, {20, 200}, {20, 300}, {22, 400}};

    (void)state;
    assert_true(edo_ages_find(marks, 0, 11, 500) == EDO_FOREVER);
    assert_true(edo_ages_find(marks, 4, 10, 500) == EDO_FOREVER); /* not from this worker */
    assert_int_equal(edo_ages_find(marks, 4, 11, 500), 150);
    assert_int_equal(edo_ages_find(marks, 4, 20, 500), 150);
    assert_int_equal(edo_ages_find(marks, 4, 21, 500), 350);
    assert_int_equal(edo_ages_find(marks, 4, 22, 500), 350);
    assert_int_equal(edo_ages_find(marks, 4, 23, 500), 450);
    assert_int_equal(edo_ages_find(marks, 4, 22, 360), 330); /* a mark that was made meanwhile */
    assert_int_equal(edo_ages_find(marks, 4, 23, 390), 390); /* never in the future */
}

/* --- In runtimes -------------------------------------------------------------------------------------------------- */

/* A monitor, or a worker, that did not get the processor in time is not wrong, but late: so there are some attempts. */
enum { ATTEMPTS = 30 };

struct lives {
    int64_t spawned[3];
    uint64_t ids[3];
    int64_t pause;
    bool right;
};

static int lives_on(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000));
}

static int64_t found(uint64_t id)
{
    static struct edo_age_mark marks[EDO_AGE_MARKS];
    struct edo_runtime *runtime = edo_task_self()->home->runtime;
    uint32_t count = edo_ages_copy(marks, &runtime->workers[edo_ages_worker(id)]);

    return edo_ages_find(marks, count, id, edo_now());
}

static int notes_itself(void *argument)
{
    struct lives *lives = argument;

    for (int i = 0; i < 3; i++)
        if (!lives->ids[i]) {
            lives->ids[i] = edo_task_id();
            break;
        }
    return lives_on(argument);
}

/* Tasks that are spawned after sleeps have the ages that a clock says. */
static int lives_root(void *argument)
{
    struct lives *lives = argument;
    int64_t before[3];
    int rc = 0;

    lives->right = true;
    EDO_SCOPE (all, &rc) {
        for (int i = 0; i < 3; i++) {
            before[i] = edo_now();
            CHECK_RC(edo_spawn(all, notes_itself, lives), 0);
            while (!lives->ids[i])
                edo_yield();
            lives->spawned[i] = edo_now();
            CHECK_RC(edo_sleep(lives->pause), 0);
        }
        for (int i = 0; i < 3; i++) {
            int64_t time = found(lives->ids[i]);

            /* A quarter is far from what a sleep makes it wrong by. */
            lives->right &= time >= before[i] - lives->pause / 4 && time <= lives->spawned[i] + lives->pause / 4;
        }
        edo_scope_cancel(all);
    }
    return 0;
}

static void lives_with(const edo_run_options *options)
{
    struct lives lives;
    int left = ATTEMPTS;

    do {
        lives = (struct lives){.pause = EDO_MS(400)};
        run_with(lives_root, &lives, options);
    } while (!lives.right && --left > 0);
    assert_true(lives.right);
}

static void test_the_monitor_makes_marks(void **state)
{
    (void)state;
    lives_with(EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
}

static void test_without_a_monitor_workers_do(void **state)
{
    (void)state;
    lives_with(EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER));
}

static int busy_root(void *argument)
{
    int64_t pause = EDO_MS(200);
    struct lives lives = {.pause = pause};
    int64_t time;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        int64_t end = edo_now() + pause;
        int64_t before;

        while (edo_now() < end) /* it looks every 61 turns, and never sleeps */
            edo_yield();
        before = edo_now();
        CHECK_RC(edo_spawn(all, notes_itself, &lives), 0);
        end = edo_now() + 3 * pause;
        while (edo_now() < end)
            edo_yield();
        time = found(lives.ids[0]);
        *(bool *)argument = time >= before - pause / 4 && time <= before + pause / 4;
        edo_scope_cancel(all);
    }
    return 0;
}

static void busy_with(const edo_run_options *options)
{
    bool right = false;

    for (int left = ATTEMPTS; left > 0 && !right; left--)
        run_with(busy_root, &right, options);
    assert_true(right);
}

static void test_marks_are_made_while_nobody_sleeps(void **state)
{
    (void)state;
    busy_with(EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));
    busy_with(EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER));
}

static int unknown_root(void *argument)
{
    (void)argument;
    CHECK(found(edo_task_id()) == EDO_FOREVER);
    CHECK(!edo_task_self()->home->runtime->workers[0].ages);
    return 0;
}

static void test_t2_seeded_runs_have_no_ages(void **state)
{
    (void)state;
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_run(unknown_root, NULL, NULL), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages_are_right_to_a_64th),
        cmocka_unit_test(test_marks_of_months_stay_as_good),
        cmocka_unit_test(test_there_are_never_too_many_marks),
        cmocka_unit_test(test_a_task_after_a_long_sleep_is_young),
        cmocka_unit_test(test_what_is_not_known_is_said_so),
        cmocka_unit_test(test_the_monitor_makes_marks),
        cmocka_unit_test(test_without_a_monitor_workers_do),
        cmocka_unit_test(test_marks_are_made_while_nobody_sleeps),
        cmocka_unit_test(test_t2_seeded_runs_have_no_ages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
