/* SPDX-License-Identifier: MIT */
/*
 * What the tests of tasks and scopes share.
 *
 * cmocka's assertions jump, and nothing may jump out of a task. So code that runs in tasks says CHECK(...), which
 * prints and counts what failed, and the test itself calls run(...), which fails if anything was counted.
 *
 * Virtual time: between virtual_begin and virtual_end the platform table has a clock that stands still while anything
 * runs, and moves to the next deadline when a worker would sleep for it. With one worker nothing is left to chance.
 *
 * Death tests fork before any runtime exists, and start it in the child.
 */
#ifndef EDO_TESTS_RUNTIME_HELPERS_H
#define EDO_TESTS_RUNTIME_HELPERS_H

#include <edo/edo.h>

#include "platform/platform.h"
#include "stress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- A table of a test's own -------------------------------------------------------------------------------------- */

/* A teardown: the system's table is in force again. */
static inline int restore_table(void **state)
{
    (void)state;
    edo_platform = &edo_platform_system;
    return 0;
}

/* What the clock of a thread says: that it computes all the time, or not at all. */
static inline int64_t all_the_time(pthread_t thread)
{
    (void)thread;
    return edo_platform_system.now();
}

static inline int64_t no_time(pthread_t thread)
{
    (void)thread;
    return 1;
}

/* --- Checks in tasks ---------------------------------------------------------------------------------------------- */

static _Atomic int test_failures;

static inline bool test_check(bool holds, const char *what, long long value, const char *file, int line)
{
    if (!holds && atomic_fetch_add(&test_failures, 1) < 20)
        fprintf(stderr, "%s:%d: does not hold: %s (%lld)\n", file, line, what, value);
    return holds;
}

#define CHECK(condition)     test_check((condition), #condition, 0, __FILE__, __LINE__)
#define CHECK_RC(call, want) test_check_rc((call), (want), #call " == " #want, __FILE__, __LINE__)

static inline bool test_check_rc(long long got, long long want, const char *what, const char *file, int line)
{
    return test_check(got == want, what, got, file, line);
}

/* Runs fn(argument) in a runtime of its own; all that it checked must have held. Returns what edo_run did. */
static inline int run_with(edo_task_fn fn, void *argument, const edo_run_options *options)
{
    int rc;

    atomic_store(&test_failures, 0);
    rc = edo_run(fn, argument, options);
    assert_int_equal(atomic_load(&test_failures), 0);
    return rc;
}

/* With as many workers as EDO_WORKERS says; with one, which nobody takes, so that nothing is left to chance. */
static inline int run(edo_task_fn fn, void *argument)
{
    return run_with(fn, argument, EDO_OPTIONS(edo_run_options, .signals = EDO_SIGNALS_IGNORE));
}

static inline int run_alone(edo_task_fn fn, void *argument)
{
    return run_with(fn, argument,
                    EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .seed = 1,
                                .stall_after = EDO_FOREVER));
}

/* An atomic's address as a task's argument. */
#define ARGUMENT(address) ((void *)(uintptr_t)(address))

/* --- A gate: tasks and threads wait until it is opened ------------------------------------------------------------ */

struct gate {
    uint32_t open;
};

static inline void gate_open(struct gate *gate)
{
    __atomic_store_n(&gate->open, 1, __ATOMIC_SEQ_CST);
    edo_wake_word(&gate->open, INT_MAX);
}

/* 0, or -ECANCELED. */
static inline int gate_wait(struct gate *gate)
{
    while (!__atomic_load_n(&gate->open, __ATOMIC_SEQ_CST)) {
        int rc = edo_wait_word(&gate->open, 0, EDO_FOREVER);

        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return 0;
}

/* Gives others their turn until the number is reached, cancelled or not. */
static inline void until(_Atomic int *number, int reached)
{
    while (atomic_load(number) < reached)
        edo_yield();
}

/* --- Virtual time ------------------------------------------------------------------------------------------------- */

static struct edo_platform virtual_table;
static _Atomic int64_t virtual_clock;

static inline int64_t virtual_now(void)
{
    return atomic_load(&virtual_clock);
}

static inline int virtual_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    int got;

    if (timeout < 0)
        return edo_platform_system.epoll_wait(epoll, events, count, timeout);
    got = edo_platform_system.epoll_wait(epoll, events, count, 0);
    if (got == 0 && timeout > 0)
        atomic_fetch_add(&virtual_clock, timeout);
    return got;
}

/* The clock starts at the real one's time, so that what waits in the kernel for a deadline waits for no long. */
static inline int virtual_begin(void **state)
{
    (void)state;
    atomic_store(&virtual_clock, edo_platform_system.now());
    virtual_table = edo_platform_system;
    virtual_table.now = virtual_now;
    virtual_table.epoll_wait = virtual_epoll_wait;
    edo_platform = &virtual_table;
    return 0;
}

static inline int virtual_end(void **state)
{
    (void)state;
    edo_platform = &edo_platform_system;
    return 0;
}

/* Time passes while the task computes. */
static inline void virtual_pass(int64_t duration)
{
    atomic_fetch_add(&virtual_clock, duration);
}

/* A test in virtual time, for a group's list. */
#define virtual_test(function) cmocka_unit_test_setup_teardown(function, virtual_begin, virtual_end)

/* --- Children of the process -------------------------------------------------------------------------------------- */

/*
 * Forks, runs body(argument) in the child, whose exit status is its return value, and gives waitpid's status and
 * stderr.
 */
static inline int in_child(int (*body)(void *), void *argument, char *text, size_t size)
{
    int ends[2];
    int status;
    size_t used = 0;
    ssize_t count;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGINT, SIG_DFL); /* whoever started the tests may ignore them */
        signal(SIGTERM, SIG_DFL);
        alarm(50 * EDO_TEST_SCALE); /* a child that hangs dies */
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        _exit(body(argument));
    }
    close(ends[1]);
    while ((count = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)count;
    text[used] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

struct death {
    edo_task_fn fn;
    void *argument;
};

static inline int death_body(void *argument)
{
    struct death *death = argument;

    edo_run(death->fn, death->argument,
            EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .seed = 1));
    return 0;
}

/*
 * In builds with EDO_DEBUG_CHECKS: a runtime that runs fn aborts and says `what`. In others there is nothing to test.
 */
static inline void assert_misuse(edo_task_fn fn, void *argument, const char *what)
{
#ifdef EDO_DEBUG_CHECKS
    struct death death = {fn, argument};
    char text[4096];
    int status = in_child(death_body, &death, text, sizeof text);

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, what))
        print_error("status %#x, said: %s\n", (unsigned)status, text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, what));
#else
    (void)fn;
    (void)argument;
    (void)what;
    skip();
#endif
}

#endif
