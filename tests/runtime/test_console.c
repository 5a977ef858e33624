/* SPDX-License-Identifier: MIT */
/* The console's place in a program, where nothing is linked that serves one; and then where a test does. */
#include "runtime/helpers.h"

#include <edo/stall.h>

static char said[4096];

/* What a run says on stderr. */
static int run_and_hear(edo_task_fn fn, void *argument, const edo_run_options *options)
{
    char path[] = "/tmp/edo-said-XXXXXX";
    int file = mkstemp(path);
    int before = dup(STDERR_FILENO);
    ssize_t size;
    int rc;

    fflush(stderr);
    dup2(file, STDERR_FILENO);
    rc = edo_run(fn, argument, options);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    size = pread(file, said, sizeof said - 1, 0);
    said[size > 0 ? size : 0] = '\0';
    unlink(path);
    close(file);
    close(before);
    return rc;
}

static int ends(void *argument)
{
    *(int *)argument += 1;
    return 0;
}

static void test_asked_for_and_not_linked_is_said_in_one_line(void **state)
{
    int ran = 0;

    (void)state;
    assert_int_equal(run_and_hear(ends, &ran, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "6669")), 0);
    assert_int_equal(ran, 1);
    assert_non_null(strstr(said, "edo: no console: the program is not linked with edo-console"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    assert_int_equal(run_and_hear(ends, &ran, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "")), 0);
    assert_string_equal(said, "");
}

/* --- One that a test serves --------------------------------------------------------------------------------------- */

static int starts, stops, refusal;
static _Atomic int reports;
static char address[32];

static int start(void **console, const char *at)
{
    starts++;
    snprintf(address, sizeof address, "%s", at);
    *console = &starts;
    return refusal;
}

static void stop(void *console)
{
    assert_ptr_equal(console, &starts);
    stops++;
}

static void stall(void *console, const edo_stall *report)
{
    (void)console;
    (void)report;
    atomic_fetch_add(&reports, 1);
}

static int blocks(void *argument)
{
    (void)argument;
    while (atomic_load(&reports) == 0) /* the program's only worker is kept until it was told of */
        usleep(1000);
    return 0;
}

static int job(void *argument)
{
    return edo_run(ends, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "inner"));
}

static int nests(void *argument)
{
    int rc = edo_run(ends, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "inner"));

    return rc < 0 ? rc : edo_blocking(job, argument);
}

static void test_the_outermost_runtime_starts_it_and_stops_it(void **state)
{
    static const edo_console_hooks hooks = {sizeof hooks, start, stop, stall};
    static const edo_console_hooks none = {sizeof none, NULL, stop, stall};
    int ran = 0;

    (void)state;
    assert_int_equal(edo_console_register(&none), -EINVAL);
    assert_int_equal(edo_console_register(&hooks), 0);
    assert_int_equal(edo_console_register(&hooks), -EBUSY);
    assert_int_equal(edo_run(nests, &ran, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "outer")), 0);
    assert_int_equal(ran, 2);
    assert_int_equal(starts, 1);
    assert_int_equal(stops, 1);
    assert_string_equal(address, "outer");
    assert_int_equal(
        edo_run(ends, &ran, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "outer", .unobserved = true)), 0);
    assert_int_equal(starts, 1);
    refusal = -EADDRINUSE;
    assert_int_equal(edo_run(ends, &ran, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "outer")), 0);
    assert_int_equal(starts, 2);
    assert_int_equal(stops, 1);
    refusal = 0;
}

static void test_it_is_told_of_stalls(void **state)
{
    (void)state;
    assert_int_equal(
        edo_run(blocks, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "x", .stall_after = EDO_MS(1))), 0);
    assert_true(atomic_load(&reports) > 0);
}

static void test_an_unobserved_runtime_asks_the_environment_for_nothing(void **state)
{
    int ran = 0;

    (void)state;
    setenv("EDO_WORKERS", "none", 1);
    setenv("EDO_SEED", "none", 1);
    setenv("EDO_FILES", "none", 1);
    setenv("EDO_STALL_US", "none", 1);
    assert_int_equal(run_and_hear(ends, &ran, EDO_OPTIONS(edo_run_options, .workers = 1)), -EINVAL);
    assert_int_equal(run_and_hear(ends, &ran, EDO_OPTIONS(edo_run_options, .unobserved = true)), 0);
    assert_string_equal(said, "");
    assert_int_equal(ran, 1);
    unsetenv("EDO_WORKERS");
    unsetenv("EDO_SEED");
    unsetenv("EDO_FILES");
    unsetenv("EDO_STALL_US");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_for_and_not_linked_is_said_in_one_line),
        cmocka_unit_test(test_the_outermost_runtime_starts_it_and_stops_it),
        cmocka_unit_test(test_it_is_told_of_stalls),
        cmocka_unit_test(test_an_unobserved_runtime_asks_the_environment_for_nothing),
    };

    alarm(60 * EDO_TEST_SCALE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
