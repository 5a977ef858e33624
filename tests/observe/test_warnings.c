/* SPDX-License-Identifier: MIT */
/* What dumps warn of, and what they do not. */
#include "observe/parked.h"
#include "observe/warnings.h"
#include "runtime/offenders.h"

#include <pthread.h>
#include <sched.h>

#if EDO_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static bool warned(const char *name, int warning)
{
    struct dumped text;
    const char *line;
    const char *end;
    const char *at;

    dumped_begin(&text, EDO_DUMP_TEXT, false);
    line = strstr(text.text, name);
    end = line ? strchr(line, '\n') : NULL;
    at = line ? strstr(line, edo_warning_text(warning)) : NULL;
    dumped_end(&text);
    return at && at < end;
}

/* --- Stalls, whose beginnings and ends are noted ------------------------------------------------------------------ */

static struct edo_offender noted(struct edo_offenders *offenders, uint64_t id)
{
    struct edo_offender all[EDO_OFFENDERS];

    edo_offenders_copy(all, offenders);
    for (int i = 0; i < EDO_OFFENDERS; i++)
        if (all[i].id == id)
            return all[i];
    return (struct edo_offender){.id = 0};
}

static void test_stalls_that_were_long_enough_are_counted(void **state)
{
    struct edo_offenders offenders = {.of = {{.id = 0}}};

    (void)state;
    edo_offender_goes_on(&offenders, 7, 100, 10); /* nobody has seen it begin */
    assert_int_equal(noted(&offenders, 7).id, 0);
    for (int i = 1; i <= 4; i++) {
        edo_offender_stalls(&offenders, 7, 1000 * i, 1000 * i + 5);
        assert_int_equal(noted(&offenders, 7).since, 1000 * i);
        edo_offender_goes_on(&offenders, 7, 1000 * i + 10, 10);
        edo_offender_goes_on(&offenders, 7, 1000 * i + 20, 10);
        assert_int_equal(noted(&offenders, 7).since, 0);
        assert_int_equal(noted(&offenders, 7).ends[0], 1000 * i + 10);
        edo_offender_stalls(&offenders, 7, 1000 * i + 100, 1000 * i + 105);
        edo_offender_goes_on(&offenders, 7, 1000 * i + 109, 10);
    }
    assert_int_equal(noted(&offenders, 7).ends[1], 3010);
    assert_int_equal(noted(&offenders, 7).ends[2], 2010);
}

static void test_the_table_keeps_who_was_seen_last(void **state)
{
    struct edo_offenders offenders = {.of = {{.id = 0}}};

    (void)state;
    for (int i = 1; i <= EDO_OFFENDERS; i++)
        edo_offender_rounds(&offenders, (uint64_t)i, i);
    edo_offender_rounds(&offenders, 1, 100);
    edo_offender_stalls(&offenders, 1000, 200, 210);
    assert_int_equal(noted(&offenders, 1).rounds, 100);
    assert_int_equal(noted(&offenders, 2).id, 0);
    assert_int_equal(noted(&offenders, 3).rounds, 3);
    assert_int_equal(noted(&offenders, 1000).since, 200);
    assert_int_equal(noted(&offenders, 1000).rounds, 0);
}

/* --- Stalls in a runtime ------------------------------------------------------------------------------------------ */

struct stalling {
    _Atomic bool told;
    _Atomic bool runs;
    bool region;
    int times;
    _Atomic uint64_t id;
};

static int stalls_until_told(void *argument)
{
    struct stalling *it = argument;

    it->id = edo_task_id();
    if (it->region)
        edo_blocking_begin();
    atomic_store(&it->runs, true);
    while (!atomic_load(&it->told))
        ;
    if (it->region)
        edo_blocking_end();
    edo_sleep(EDO_SEC(1000));
    return 0;
}

/* From a thread of its own, since all workers may stall. */
static void *tells(void *argument)
{
    struct stalling *it = argument;

    while (!atomic_load(&it->runs))
        sched_yield();
    if (it->region) {
        int64_t end = edo_now() + EDO_MS(100) * EDO_TEST_SCALE;

        while (edo_now() < end)
            CHECK(!warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS));
    } else {
        while (!warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS))
            sched_yield();
    }
    atomic_store(&it->told, true);
    return NULL;
}

static int stall_root(void *argument)
{
    struct stalling *it = argument;
    pthread_t thread;
    int rc = 0;

    CHECK_RC(pthread_create(&thread, NULL, tells, it), 0);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, stalls_until_told, it, .name = "stalls"), 0);
        while (!atomic_load(&it->told))
            edo_sleep(EDO_MS(1));
        until_waits("\"stalls\"");
        CHECK(!warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS)); /* once is not often */
        while (noted(&edo_task_self()->home->runtime->monitor.offenders, it->id).since)
            edo_sleep(EDO_MS(1)); /* its end is noted */
        edo_scope_cancel(all);
    }
    pthread_join(thread, NULL);
    return 0;
}

static void test_who_stalls_is_warned_of_while_it_does(void **state)
{
    struct stalling it = {.region = false};

    (void)state;
    run_with(stall_root, &it, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
}

static struct edo_platform scarce;
static _Atomic bool no_threads;
static _Atomic(struct edo_runtime *) kept_in;

static int scarce_thread_start(pthread_t *out, size_t stack_size, void *(*main_)(void *), void *argument)
{
    return atomic_load(&no_threads) ? -EAGAIN : edo_platform_system.thread_start(out, stack_size, main_, argument);
}

/* As `tells`: the second, which could not be taken, is, once there are threads again, and stalls all the same. */
static void *tells_of_kept(void *argument)
{
    struct stalling *them = argument;
    struct edo_runtime *runtime = atomic_load(&kept_in);

    while (!warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS))
        sched_yield();
    atomic_store(&no_threads, false);
    while (atomic_load(&runtime->handoffs) < 2)
        sched_yield();
    for (int i = 0; i < 20; i++) { /* for some looks of the monitor */
        CHECK(warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS));
        usleep(1000);
    }
    atomic_store(&them[0].told, true);
    atomic_store(&them[1].told, true);
    return NULL;
}

/* The first that stalls gets the last thread. */
static int kept_root(void *argument)
{
    struct stalling *them = argument;
    struct edo_runtime *runtime = edo_task_self()->home->runtime;
    pthread_t thread;
    int rc = 0;

    while (edo_threads_want_reserve(runtime))
        edo_sleep(EDO_MS(1));
    atomic_store(&no_threads, true);
    atomic_store(&kept_in, runtime);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, stalls_until_told, &them[0], .name = "first"), 0);
        while (atomic_load(&runtime->handoffs) < 1)
            edo_sleep(EDO_MS(1));
        CHECK_RC(pthread_create(&thread, NULL, tells_of_kept, them), 0);
        CHECK_RC(edo_spawn(all, stalls_until_told, &them[1], .name = "stalls"), 0);
        while (!atomic_load(&them[1].told) || noted(&runtime->monitor.offenders, them[1].id).since)
            edo_sleep(EDO_MS(1)); /* its end is noted */
        edo_scope_cancel(all);
    }
    pthread_join(thread, NULL);
    return 0;
}

static void test_who_stalls_is_warned_of_until_it_goes_on_even_if_its_worker_is_taken_late(void **state)
{
    struct stalling them[2] = {{.region = false}, {.region = false}};

    (void)state;
    scarce = edo_platform_system;
    scarce.thread_start = scarce_thread_start;
    edo_platform = &scarce;
    run_with(kept_root, them, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
    edo_platform = &edo_platform_system;
}

/* No worker can be taken from its thread. */
static void test_who_stalls_in_a_pinned_runtime_is_too(void **state)
{
    struct stalling it = {.region = false};

    (void)state;
    run_with(stall_root, &it,
             EDO_OPTIONS(edo_run_options, .workers = 2, .pinned = true, .signals = EDO_SIGNALS_IGNORE));
}

static void test_who_is_in_a_region_is_not(void **state)
{
    struct stalling it = {.region = true};

    (void)state;
    run_with(stall_root, &it, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
}

static int stalls_often(void *argument)
{
    struct stalling *it = argument;

    for (int i = 0; i < it->times; i++) {
        struct edo_thread *thread = edo_thread_self();
        int64_t end = edo_now() + 3 * EDO_MS(10);

        if (it->region)
            edo_blocking_begin();
        while (edo_now() < end || atomic_load(&thread->guard) != EDO_GUARD_TAKEN)
            ;
        if (it->region)
            edo_blocking_end();
        edo_yield();
    }
    atomic_store(&it->told, true);
    return edo_sleep(EDO_SEC(1000));
}

static int often_root(void *argument)
{
    struct stalling *it = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, stalls_often, it, .name = "stalls"), 0);
        while (!atomic_load(&it->told))
            edo_sleep(EDO_MS(1));
        until_waits("\"stalls\"");
        CHECK(warned("\"stalls\"", EDO_WARNING_NEVER_YIELDS) == (it->times >= 3 && !it->region));
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_who_has_stalled_three_times_is_warned_of(void **state)
{
    (void)state;
    for (int times = 2; times <= 3; times++) {
        struct stalling it = {.times = times};

        run_with(often_root, &it, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));
    }
}

static void test_who_was_in_regions_three_times_is_not(void **state)
{
    struct stalling it = {.times = 4, .region = true};

    (void)state;
    run_with(often_root, &it, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));
}

/* --- Rounds ------------------------------------------------------------------------------------------------------- */

static void test_who_goes_round_is_known_by_what_its_worker_counts(void **state)
{
    int64_t look = EDO_MS(5);
    struct edo_rounds lone = {.looks = 4000, .switches = 4000};
    struct edo_rounds measured = {.looks = 4000, .switches = 6500};
    struct edo_rounds pair = {.looks = 1000, .switches = 61000};
    struct edo_rounds computes = {.looks = 40, .switches = 40}; /* 2 µs a turn */
    struct edo_rounds checks = {.looks = 400, .switches = 400, .forced = 24400};
    struct edo_rounds serves = {.looks = 400, .switches = 400, .events = 1};
    struct edo_rounds sleeps = {.looks = 0, .switches = 10};

    (void)state;
    assert_true(edo_goes_round(&lone, look));
    assert_true(edo_goes_round(&measured, look));
    assert_false(edo_goes_round(&pair, look));
    assert_false(edo_goes_round(&computes, look));
    assert_false(edo_goes_round(&checks, look));
    assert_false(edo_goes_round(&serves, look));
    assert_false(edo_goes_round(&sleeps, 0));
}

struct rounds {
    _Atomic bool over;
    int64_t turn;
    int tasks;
};

static int goes_round(void *argument)
{
    struct rounds *rounds = argument;

    while (!atomic_load(&rounds->over)) {
        int64_t end = rounds->turn ? edo_now() + rounds->turn : 0;

        while (end && edo_now() < end)
            ;
        edo_yield();
    }
    return edo_sleep(EDO_SEC(1000));
}

static void *watches(void *argument)
{
    struct rounds *rounds = argument;
    /* Where everything is slow no turn need be that short. */
    bool slow = RUNNING_ON_VALGRIND || EDO_TEST_EMULATED || EDO_TEST_SCALE > 1;
    bool bad = rounds->tasks == 1 && !rounds->turn;
    int64_t end = edo_now() + (bad && !slow ? EDO_SEC(200) : EDO_MS(400)); /* long, where the machine has much to do */
    bool is = false;

    while (edo_now() < end && !is) {
        usleep(5000);
        is = warned("\"rounds\"", EDO_WARNING_WAKES_ITSELF);
    }
    CHECK(is == bad || (bad && slow));
    atomic_store(&rounds->over, true);
    return NULL;
}

static int rounds_root(void *argument)
{
    struct rounds *rounds = argument;
    pthread_t thread;
    int rc = 0;

    CHECK_RC(pthread_create(&thread, NULL, watches, rounds), 0);
    EDO_SCOPE (all, &rc) {
        for (int i = 0; i < rounds->tasks; i++)
            CHECK_RC(edo_spawn(all, goes_round, rounds, .name = "rounds"), 0);
        edo_sleep(EDO_MS(1));
        while (!atomic_load(&rounds->over))
            edo_sleep(EDO_MS(100) * EDO_TEST_SCALE); /* it has a break now and then */
        while (warned("\"rounds\"", EDO_WARNING_WAKES_ITSELF))
            edo_sleep(EDO_MS(50));
        edo_scope_cancel(all);
    }
    pthread_join(thread, NULL);
    return 0;
}

static void rounds_with(int tasks, int64_t turn, bool metrics)
{
    struct rounds rounds = {.tasks = tasks, .turn = turn};

    run_with(rounds_root, &rounds,
             EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .metrics = metrics));
}

static void test_who_goes_round_is_warned_of_until_it_waits(void **state)
{
    (void)state;
    rounds_with(1, 0, false);
    rounds_with(1, 0, true);
}

static void test_who_computes_between_its_yields_is_not(void **state)
{
    (void)state;
    rounds_with(1, EDO_US(20), false);
}

/* --- Locks -------------------------------------------------------------------------------------------------------- */

struct locks {
    edo_mutex mutex;
    edo_rwlock rwlock;
    edo_once once;
    edo_mutex lonely;
};

static int sleeps_with_mutex(void *argument)
{
    struct locks *locks = argument;
    int rc = edo_mutex_lock(&locks->mutex);

    edo_sleep(EDO_SEC(1000));
    edo_mutex_unlock(&locks->mutex);
    return rc;
}

static int wants_mutex(void *argument)
{
    struct locks *locks = argument;

    if (edo_mutex_lock(&locks->mutex) == 0)
        edo_mutex_unlock(&locks->mutex);
    return 0;
}

static int sleeps_with_rwlock(void *argument)
{
    struct locks *locks = argument;
    int rc = edo_rwlock_write_lock(&locks->rwlock);

    edo_sleep(EDO_SEC(1000));
    edo_rwlock_write_unlock(&locks->rwlock);
    return rc;
}

static int wants_rwlock(void *argument)
{
    struct locks *locks = argument;

    if (edo_rwlock_read_lock(&locks->rwlock) == 0)
        edo_rwlock_read_unlock(&locks->rwlock);
    return 0;
}

static int waits(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000));
}

static int initialises(void *argument)
{
    struct locks *locks = argument;

    edo_once_call(&locks->once, waits, NULL);
    return 0;
}

static int sleeps_with_lonely(void *argument)
{
    struct locks *locks = argument;
    int rc = edo_mutex_lock(&locks->lonely);

    edo_sleep(EDO_SEC(1000));
    edo_mutex_unlock(&locks->lonely);
    return rc;
}

static int locks_root(void *argument)
{
    struct locks *locks = argument;
    struct dumped json;
    int rc = 0;

    edo_mutex_init(&locks->mutex);
    edo_mutex_init(&locks->lonely);
    edo_rwlock_init(&locks->rwlock);
    edo_once_init(&locks->once);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_mutex_lock(&locks->mutex), 0);
        CHECK_RC(edo_spawn(all, wants_mutex, locks, .name = "first"), 0);
        CHECK_RC(edo_spawn(all, sleeps_with_rwlock, locks, .name = "writer"), 0);
        CHECK_RC(edo_spawn(all, initialises, locks, .name = "initialiser"), 0);
        CHECK_RC(edo_spawn(all, sleeps_with_lonely, locks, .name = "lonely"), 0);
        edo_sleep(EDO_MS(1));
        CHECK(!warned("\"root\"", EDO_WARNING_HOLDS_LOCK));   /* it runs */
        CHECK(!warned("\"writer\"", EDO_WARNING_HOLDS_LOCK)); /* nobody wants it yet */
        edo_mutex_unlock(&locks->mutex);
        CHECK_RC(edo_spawn(all, sleeps_with_mutex, locks, .name = "holder"), 0);
        CHECK_RC(edo_spawn(all, wants_mutex, locks, .name = "second"), 0);
        CHECK_RC(edo_spawn(all, wants_rwlock, locks, .name = "reader"), 0);
        CHECK_RC(edo_spawn(all, initialises, locks, .name = "other"), 0);
        edo_sleep(EDO_MS(1));
        CHECK(warned("\"holder\"", EDO_WARNING_HOLDS_LOCK));
        CHECK(warned("\"writer\"", EDO_WARNING_HOLDS_LOCK));
        CHECK(!warned("\"second\"", EDO_WARNING_HOLDS_LOCK));
        CHECK(!warned("\"reader\"", EDO_WARNING_HOLDS_LOCK));
        CHECK(!warned("\"initialiser\"", EDO_WARNING_HOLDS_LOCK));
        CHECK(!warned("\"lonely\"", EDO_WARNING_HOLDS_LOCK));
        dumped_begin(&json, EDO_DUMP_JSON, false);
        CHECK_LINE(&json, "\"name\":\"holder\"", ",\"warnings\":[\"holds a lock that others want, and waits\"]");
        dumped_end(&json);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_who_waits_with_a_lock_that_others_want_is_warned_of(void **state)
{
    struct locks locks;

    (void)state;
    assert_int_equal(run_alone(locks_root, &locks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stalls_that_were_long_enough_are_counted),
        cmocka_unit_test(test_the_table_keeps_who_was_seen_last),
        cmocka_unit_test(test_who_stalls_is_warned_of_while_it_does),
        cmocka_unit_test(test_who_stalls_is_warned_of_until_it_goes_on_even_if_its_worker_is_taken_late),
        cmocka_unit_test(test_who_stalls_in_a_pinned_runtime_is_too),
        cmocka_unit_test(test_who_is_in_a_region_is_not),
        cmocka_unit_test(test_who_has_stalled_three_times_is_warned_of),
        cmocka_unit_test(test_who_was_in_regions_three_times_is_not),
        cmocka_unit_test(test_who_goes_round_is_known_by_what_its_worker_counts),
        cmocka_unit_test(test_who_goes_round_is_warned_of_until_it_waits),
        cmocka_unit_test(test_who_computes_between_its_yields_is_not),
        cmocka_unit_test(test_who_waits_with_a_lock_that_others_want_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
