/* SPDX-License-Identifier: MIT */
/*
 * The reporter of stalls alone, which is told of them by the test: too many, too slow; and reports as text
 * (edo/stall.h).
 */
#include "runtime/helpers.h"

#include "observe/stall_limit.h"
#include "runtime/runtime.h"

#include <edo/stall.h>

#include <pthread.h>

/* The table in force. */
static struct edo_platform table;

static int set_up(void **state)
{
    (void)state;
    table = edo_platform_system;
    edo_platform = &table;
    return 0;
}

/* --- The reporter alone: too many, too slow ----------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed; /* callbacks wait until it is open */
    int calls;
    uint64_t suppressed[256];
    int ends; /* of the calls */
    char why[80];
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int64_t fake_time;

static int64_t fake_now(void)
{
    return __atomic_load_n(&fake_time, __ATOMIC_RELAXED);
}

static void slow(const edo_stall *stall, void *argument)
{
    (void)argument;
    pthread_mutex_lock(&gate.lock);
    gate.suppressed[gate.calls++] = stall->suppressed;
    gate.ends += stall->ended;
    snprintf(gate.why, sizeof gate.why, "%s", stall->no_frames ? stall->no_frames : "");
    pthread_cond_broadcast(&gate.changed);
    while (gate.closed)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void until_calls(int calls)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.calls < calls)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void set_gate(bool closed)
{
    pthread_mutex_lock(&gate.lock);
    gate.closed = closed;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* A thread that has lost its worker once more than when it was seen: it has gone on. */
static struct edo_thread gone = {.losses = 1};
static edo_site sites[32];

static struct edo_stall_seen seen_at(int site)
{
    return (struct edo_stall_seen){.thread = &gone, .over = true, .task = 1, .name = "hog", .site = &sites[site]};
}

static struct edo_stalls *reporter(void)
{
    struct edo_stalls *stalls = NULL;
    edo_run_options options = {.size = sizeof options, .on_stall = slow, .stall_signal = -1, .stall_after = 1};

    gate.calls = gate.ends = 0;
    __atomic_store_n(&fake_time, EDO_SEC(1000), __ATOMIC_RELAXED);
    table.now = fake_now;
    assert_int_equal(edo_stalls_of.start(&stalls, &options), 0);
    assert_non_null(stalls);
    return stalls;
}

static void test_of_one_site_three_a_minute_and_the_next_report_tells_how_many_more(void **state)
{
    struct edo_stalls *stalls = reporter();
    struct edo_stall_seen seen = seen_at(0);

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_true(edo_stalls_of.began(stalls, &seen) > 0);
    seen = seen_at(1);
    assert_true(edo_stalls_of.began(stalls, &seen) > 0);
    until_calls(4);
    assert_int_equal(gate.suppressed[2], 0);
    assert_int_equal(gate.suppressed[3], 5); /* the other site's, at once */
    seen = seen_at(0);
    __atomic_fetch_add(&fake_time, EDO_SEC(60), __ATOMIC_RELAXED);
    assert_true(edo_stalls_of.began(stalls, &seen) > 0);
    edo_stalls_of.stop(stalls);
    assert_int_equal(gate.calls, 5);
    assert_int_equal(gate.suppressed[4], 0);
    assert_non_null(strstr(gate.why, "gone on"));
}

static void test_a_stall_while_another_is_reported_waits_and_nobody_waits_for_the_callback(void **state)
{
    struct edo_stalls *stalls = reporter();
    struct edo_stall_seen seen = seen_at(0);
    int taken = 0;

    (void)state;
    set_gate(true);
    assert_true(edo_stalls_of.began(stalls, &seen) > 0);
    until_calls(1); /* the callback is at it */
    for (int i = 1; i <= 20; i++) {
        seen = seen_at(i % 10);
        taken += edo_stalls_of.began(stalls, &seen) > 0;
    }
    assert_int_equal(taken, 16);
    set_gate(false);
    edo_stalls_of.stop(stalls); /* after all that were taken */
    assert_int_equal(gate.calls, 17);
    assert_int_equal(gate.suppressed[1], 4);
}

static void test_an_end_is_told_of_each_that_was_reported_however_many_wait(void **state)
{
    struct edo_stalls *stalls = reporter();
    struct edo_stall_seen seen = seen_at(0);
    uint64_t reported;

    (void)state;
    set_gate(true);
    reported = edo_stalls_of.began(stalls, &seen);
    until_calls(1);
    for (int i = 1; i <= 16; i++) {
        seen = seen_at(1);
        assert_true(edo_stalls_of.began(stalls, &seen) > 0);
    }
    assert_int_equal(edo_stalls_of.began(stalls, &seen), 0); /* there is no room for more */
    edo_stalls_of.ended(stalls, reported, EDO_SEC(1001));
    set_gate(false);
    edo_stalls_of.stop(stalls);
    assert_int_equal(gate.ends, 1);
    assert_int_equal(gate.calls, 5);          /* and three of the other site, */
    assert_int_equal(gate.suppressed[4], 13); /* then the end tells how many more there were since */
}

static void test_an_end_is_told_of_each_of_many_that_go_on_at_once(void **state)
{
    enum { SITES = 16, EACH = 3 };
    struct edo_stalls *stalls = reporter();
    uint64_t serials[SITES * EACH];

    (void)state;
    for (int i = 0; i < SITES * EACH; i++) {
        struct edo_stall_seen seen = seen_at(i % SITES);

        serials[i] = edo_stalls_of.began(stalls, &seen);
        assert_true(serials[i] > 0);
        until_calls(i + 1);
    }
    assert_int_equal(gate.ends, 0);
    for (int i = 0; i < SITES * EACH; i++)
        edo_stalls_of.ended(stalls, serials[i], EDO_SEC(1001));
    edo_stalls_of.stop(stalls);
    assert_int_equal(gate.ends, SITES * EACH);
}

static void test_of_more_than_can_be_kept_the_oldest_ends_untold(void **state)
{
    enum { MANY = 100, KEPT = 64 };
    struct edo_stalls *stalls = reporter();
    uint64_t serials[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        struct edo_stall_seen seen = seen_at(i % 16);

        if (i == 48)
            __atomic_fetch_add(&fake_time, EDO_SEC(60), __ATOMIC_RELAXED);
        if (i == 96)
            __atomic_fetch_add(&fake_time, EDO_SEC(60), __ATOMIC_RELAXED);
        serials[i] = edo_stalls_of.began(stalls, &seen);
        assert_true(serials[i] > 0);
        until_calls(i + 1);
    }
    for (int i = 0; i < MANY; i++)
        edo_stalls_of.ended(stalls, serials[i], EDO_SEC(1001));
    edo_stalls_of.stop(stalls);
    assert_in_range(gate.ends, KEPT, KEPT + 17);
}

static void test_what_ended_in_haste_is_no_stall(void **state)
{
    struct edo_stalls *stalls = reporter();
    struct edo_stall_seen seen = seen_at(0);
    uint64_t serial;

    (void)state;
    seen.over = false;
    serial = edo_stalls_of.began(stalls, &seen);
    edo_stalls_of.ended(stalls, serial, EDO_SEC(2000)); /* of what was not reported: nothing */
    edo_stalls_of.stop(stalls);
    assert_int_equal(gate.calls, 0);
}

static void test_places_are_found_again_and_their_minute_passes(void **state)
{
    static struct edo_stall_limit limit;
    static char keys[EDO_STALL_PLACES + 1];

    (void)state;
    for (int round = 0; round < EDO_STALLS_A_MINUTE; round++)
        for (int i = 0; i < EDO_STALL_PLACES; i++)
            assert_true(edo_stall_limit_allow(&limit, &keys[i], 0));
    assert_false(edo_stall_limit_allow(&limit, &keys[3], EDO_SEC(59)));
    assert_false(edo_stall_limit_allow(&limit, &keys[EDO_STALL_PLACES], EDO_SEC(59)));
    assert_true(edo_stall_limit_allow(&limit, &keys[EDO_STALL_PLACES], EDO_SEC(60)));
    assert_true(edo_stall_limit_allow(&limit, &keys[3], EDO_SEC(60)));
}

/* --- As text ------------------------------------------------------------------------------------------------------ */

/* Whole, cut off, and only measured. */
static void check_text(const edo_stall *stall, const char *whole)
{
    char text[512];
    char small[10];

    assert_int_equal(edo_stall_text(text, sizeof text, stall), strlen(whole));
    assert_string_equal(text, whole);
    assert_int_equal(edo_stall_text(small, sizeof small, stall), strlen(whole));
    assert_string_equal(small, "edo: stal");
    assert_int_equal(edo_stall_text(NULL, 0, stall), strlen(whole));
}

static void test_a_report_is_text(void **state)
{
    const edo_stall_frame frames[] = {{0x1234, "nanosleep", 0x13, "/lib/libc.so.6", 0x99, false},
                                      {0x5678, NULL, 0, "/usr/bin/shop", 0x678, true}};
    edo_site site = {.file = "shop.c", .function = "serve", .line = 40};
    edo_stall stall = {.size = sizeof stall,
                       .serial = 3,
                       .kind = EDO_STALL_BLOCKED,
                       .task = 7,
                       .name = "resize",
                       .site = &site,
                       .thread = 4711,
                       .duration = EDO_US(12340),
                       .syscall = "clock_nanosleep",
                       .wait_channel = "hrtimer_nanosleep",
                       .frames = frames,
                       .frame_count = 2,
                       .suppressed = 5};
    const char *whole =
        "edo: stall 3: task \"resize\" (#7), spawned at shop.c:40, has blocked its thread 4711 for 12.3 ms, in "
        "clock_nanosleep (hrtimer_nanosleep)\n"
        "  #0  nanosleep+0x13  (libc.so.6+0x99)\n"
        "  ?1  0x5678  (shop+0x678)\n"
        "  5 more suppressed\n";

    (void)state;
    check_text(&stall, whole);
    check_text(&(edo_stall){.size = sizeof stall, .serial = 4, .ended = true, .duration = EDO_MS(1230)},
               "edo: stall 4: a timer's callback went on after 1.23 s\n");
}

/* Names may be users' own words, and the text goes to a terminal. */
static void test_a_name_in_a_report_is_no_command_for_a_terminal(void **state)
{
    edo_stall stall = {.size = sizeof stall,
                       .serial = 3,
                       .kind = EDO_STALL_COMPUTING,
                       .task = 7,
                       .name = "\x1b]0;mine\x07\"\n\xc2\x9b"
                               "2J\xff\xc3\xa9",
                       .ended = true};
    const char *whole =
        "edo: stall 3: task \"\\x1b]0;mine\\x07\\\"\\x0a\\xc2\\x9b2J\\xff\xc3\xa9\" (#7) went on after 0.0 ms\n";
    char small[24];

    (void)state;
    check_text(&stall, whole);
    assert_int_equal(edo_stall_text(small, sizeof small, &stall), strlen(whole)); /* cut within the name */
    assert_int_equal(strlen(small), sizeof small - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, restore_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_of_one_site_three_a_minute_and_the_next_report_tells_how_many_more),
        TEST(test_a_stall_while_another_is_reported_waits_and_nobody_waits_for_the_callback),
        TEST(test_an_end_is_told_of_each_that_was_reported_however_many_wait),
        TEST(test_an_end_is_told_of_each_of_many_that_go_on_at_once),
        TEST(test_of_more_than_can_be_kept_the_oldest_ends_untold),
        TEST(test_what_ended_in_haste_is_no_stall),
        TEST(test_places_are_found_again_and_their_minute_passes),
        TEST(test_a_report_is_text),
        TEST(test_a_name_in_a_report_is_no_command_for_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
