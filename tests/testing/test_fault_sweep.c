/* SPDX-License-Identifier: MIT */
/* The fault sweep and faulty runs themselves: every refusal comes, is told with its place, and storms lose no wake. */
#include "runtime/helpers.h"

#include <edo/testing.h>

#include <sys/socket.h>

#define REAL EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO, .real_kernel = true, .seed = 7)

static edo_test_report report;

/* Where: programs for another processor are read by another addr2line. */
static void assert_told(const char *function)
{
    if (!EDO_TEST_EMULATED)
        assert_string_equal(report.function, function);
}

static int sweep(edo_task_fn fn, void *argument, int (*check)(void *, size_t, int))
{
    report = (edo_test_report)EDO_TEST_REPORT_INIT;
    return edo_test_fault_sweep(fn, argument,
                                EDO_OPTIONS(edo_test_sweep_options, .run = REAL, .check = check, .report = &report));
}

/* --- Every refusal ------------------------------------------------------------------------------------------------ */

struct seen {
    int started;
    int by_error[200];
};

static int listens(void *argument)
{
    struct seen *seen = argument;
    edo_listener *listener;
    int rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);

    seen->started++;
    if (rc == 0)
        edo_listener_close(listener);
    else if (rc > -200)
        seen->by_error[-rc]++;
    return rc;
}

static int point_and_result_agree(void *argument, size_t point, int rc)
{
    (void)argument;
    return point == 0 && rc != 0;
}

static void test_f1_each_call_fails_with_each_of_its_errors(void **state)
{
    struct seen seen = {0};

    (void)state;
    assert_int_equal(sweep(listens, &seen, point_and_result_agree), 0);
    assert_int_equal(seen.by_error[EMFILE], 1);     /* socket */
    assert_true(seen.by_error[ENOBUFS] >= 3);       /* socket, setsockopt */
    assert_int_equal(seen.by_error[EADDRINUSE], 2); /* bind, listen */
    assert_int_equal(seen.by_error[EACCES], 1);     /* bind */
    assert_true(seen.by_error[ENOMEM] >= 2);        /* the listener, its source */
    /* Some calls failed before the function was run. */
    assert_true(report.swept > (size_t)seen.started);
    assert_true(seen.started > 8);
}

/* --- What was planted --------------------------------------------------------------------------------------------- */

static int leak_line;
static void *leaked;

static int forgets(void *argument)
{
    void *memory = edo_allocate(16);
    edo_listener *listener;
    int rc;

    (void)argument;
    if (!memory)
        return -ENOMEM;
    leak_line = __LINE__ + 1;
    rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);
    if (rc == -EACCES) {
        leaked = memory;
        return rc;
    }
    if (rc == 0)
        edo_listener_close(listener);
    edo_release(memory);
    return rc;
}

static void test_what_a_failure_leaves_behind_is_reported_with_the_call_and_its_line(void **state)
{
    (void)state;
    assert_int_equal(sweep(forgets, NULL, NULL), -ENOTRECOVERABLE);
    edo_release(leaked);
    assert_string_equal(report.how, "bind: permission denied");
    assert_string_equal(report.what, "1 blocks of memory left");
    assert_told("forgets");
    assert_true(EDO_TEST_EMULATED || report.line == leak_line);
    assert_true(report.point > 10);
}

static int swallows(void *argument)
{
    edo_listener *listener;

    if (edo_tcp_listen(&listener, "127.0.0.1:0", NULL) == 0) {
        *(int *)argument += 1;
        edo_listener_close(listener);
    }
    return 0;
}

static int listened_if_it_said_so(void *argument, size_t point, int rc)
{
    int listened = *(int *)argument;

    *(int *)argument = 0;
    return point > 0 && rc == 0 && listened == 0 ? -EPROTO : 0;
}

static void test_the_callers_check_is_asked_with_the_call_and_the_result(void **state)
{
    int listened = 0;

    (void)state;
    assert_int_equal(sweep(swallows, &listened, listened_if_it_said_so), -ENOTRECOVERABLE);
    assert_non_null(strstr(report.what, "the check does not hold (-71), the run returned 0"));
    assert_told("swallows");
}

static int waits_after_a_failure(void *argument)
{
    edo_listener *listener;
    uint32_t word = 0;
    int rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);

    (void)argument;
    if (rc == 0)
        edo_listener_close(listener);
    else
        edo_wait_word(&word, 0, EDO_FOREVER);
    return rc;
}

static int sweep_in_child(void *argument)
{
    (void)argument;
    return edo_test_fault_sweep(waits_after_a_failure, NULL,
                                EDO_OPTIONS(edo_test_sweep_options, .run = REAL, .patience = EDO_MS(50)));
}

static void test_a_run_that_waits_for_nothing_after_a_failure_is_told_and_aborts(void **state)
{
    char text[4096];
    int status = in_child(sweep_in_child, NULL, text, sizeof text);

    (void)state;
    assert_non_null(strstr(text, EDO_TEST_EMULATED ? "does not end: all tasks wait"
                                                   : "in waits_after_a_failure(): does not end: all tasks wait"));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_a_deadlock_on_the_simulated_kernel_is_a_breach(void **state)
{
    (void)state;
    report = (edo_test_report)EDO_TEST_REPORT_INIT;
    assert_int_equal(
        edo_test_fault_sweep(waits_after_a_failure, NULL, EDO_OPTIONS(edo_test_sweep_options, .report = &report)),
        -ENOTRECOVERABLE);
    assert_told("waits_after_a_failure");
    assert_non_null(strstr(report.what, "does not end"));
}

/* --- Weather ------------------------------------------------------------------------------------------------------ */

struct weather {
    int interrupted;
    int lied;
    int shortened;
    int refused;
};

static int feel(void *argument)
{
    struct weather *weather = argument;
    char buffer[64] = {0};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 1000; i++) {
        void *memory = edo_allocate(16);
        ssize_t rc = edo_platform->send(fds[1], buffer, sizeof buffer, MSG_DONTWAIT);

        weather->refused += !memory;
        edo_release(memory);
        weather->interrupted += rc == -EINTR;
        weather->lied += rc == -EAGAIN;
        weather->shortened += rc > 0 && rc < (ssize_t)sizeof buffer;
        while (recv(fds[0], buffer, sizeof buffer, MSG_DONTWAIT) > 0)
            ;
    }
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static struct weather weather_of(uint64_t seed, edo_test_faults faults)
{
    struct weather weather = {0};

    faults.size = sizeof faults;
    assert_int_equal(
        edo_test_run_faulty(feel, &weather, EDO_OPTIONS(edo_test_options, .seed = seed, .real_kernel = true), &faults),
        0);
    return weather;
}

static void test_weather_comes_as_often_as_was_said_and_by_the_seed(void **state)
{
    const edo_test_faults all = {.interrupts = 100, .short_transfers = 200, .again = 300, .shortages = 400};
    struct weather once = weather_of(5, all);
    struct weather again = weather_of(5, all);
    struct weather other = weather_of(6, all);
    struct weather calm = weather_of(5, (edo_test_faults){0});
    struct weather none = {0};

    (void)state;
    assert_memory_equal(&once, &again, sizeof once);
    assert_memory_not_equal(&once, &other, sizeof once);
    assert_memory_equal(&calm, &none, sizeof calm);
    assert_in_range(once.interrupted, 60, 140);
    assert_in_range(once.lied, 200, 340);     /* of 900 */
    assert_in_range(once.shortened, 80, 180); /* of 630 */
    assert_in_range(once.refused, 340, 460);
}

/* --- Lies about readiness lose no wake ---------------------------------------------------------------------------- */

enum { AMOUNT = 20000 };

struct flow {
    edo_stream *ends[2];
    int64_t in;
};

static int pour(void *argument)
{
    struct flow *flow = argument;
    static char buffer[AMOUNT];
    ssize_t rc = edo_write_all(flow->ends[0], buffer, sizeof buffer);
    struct iovec pieces[2] = {{buffer, AMOUNT / 2}, {buffer, AMOUNT / 2}};

    if (rc >= 0)
        rc = edo_writev_all(flow->ends[0], pieces, 2);
    if (rc >= 0)
        rc = edo_shutdown(flow->ends[0], EDO_HALF_WRITE);
    return (int)(rc < 0 ? rc : 0);
}

static int flows(void *argument)
{
    struct flow *flow = argument;
    char buffer[1000];
    int small = 2048;
    int fds[2];
    int rc = 0;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (int i = 0; i < 2; i++)
        CHECK_RC(edo_stream_from_fd(&flow->ends[i], fds[i]), 0);
    EDO_SCOPE (scope, &rc) {
        ssize_t n = edo_spawn(scope, pour, flow);

        while (n >= 0 && (n = edo_read(flow->ends[1], buffer, sizeof buffer)) > 0)
            flow->in += n;
        rc = (int)n;
    }
    for (int i = 0; i < 2; i++)
        edo_close(flow->ends[i]);
    return rc;
}

static void test_s2_lies_about_readiness_lose_neither_bytes_nor_wakes(void **state)
{
    (void)state;
    alarm(50 * EDO_TEST_SCALE);
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (int i = 0; i < 4; i++) {
            edo_test_faults faults = {.size = sizeof faults,
                                      .interrupts = i == 0 || i == 3 ? 300 : 0,
                                      .short_transfers = i == 1 || i == 3 ? 300 : 0,
                                      .again = i == 2 || i == 3 ? 300 : 0};
            struct flow flow = {.in = 0};

            assert_int_equal(edo_test_run_faulty(flows, &flow,
                                                 EDO_OPTIONS(edo_test_options, .seed = seed, .real_kernel = true),
                                                 &faults),
                             0);
            assert_int_equal(flow.in, 2 * AMOUNT);
        }
    alarm(0);
}

static void test_f2_weather_is_checked(void **state)
{
    struct weather weather = {0};

    (void)state;
    assert_int_equal(edo_test_run_faulty(feel, &weather, REAL, EDO_OPTIONS(edo_test_faults, .again = 1000)), -EINVAL);
    assert_int_equal(edo_test_run_faulty(feel, &weather, REAL, EDO_OPTIONS(edo_test_faults, .shortages = -1)), -EINVAL);
    assert_int_equal(edo_test_run_faulty(NULL, NULL, REAL, NULL), -EINVAL);
    assert_int_equal(edo_test_run_faulty(feel, &weather, REAL, NULL), 0);
    assert_ptr_equal(edo_platform, &edo_platform_system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f1_each_call_fails_with_each_of_its_errors),
        cmocka_unit_test(test_what_a_failure_leaves_behind_is_reported_with_the_call_and_its_line),
        cmocka_unit_test(test_the_callers_check_is_asked_with_the_call_and_the_result),
        cmocka_unit_test(test_a_run_that_waits_for_nothing_after_a_failure_is_told_and_aborts),
        cmocka_unit_test(test_a_deadlock_on_the_simulated_kernel_is_a_breach),
        cmocka_unit_test(test_weather_comes_as_often_as_was_said_and_by_the_seed),
        cmocka_unit_test(test_s2_lies_about_readiness_lose_neither_bytes_nor_wakes),
        cmocka_unit_test(test_f2_weather_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
