/* SPDX-License-Identifier: MIT */
/*
 * Reports of stalls (edo/stall.h). Each task that stalls does so until its report has come, and the program could not
 * end if none did.
 */
#include "observe/stalled.h"

#include "runtime/runtime.h"

#include <edo/stall.h>

#include <pthread.h>
#include <time.h>

/* --- One that computes -------------------------------------------------------------------------------------------- */

static volatile unsigned sink;

__attribute__((noinline)) static void computes_here(void)
{
    while (atomic_load_explicit(&world.begun, memory_order_relaxed) == 0)
        sink++;
    sink++;
}

static int computes(void *argument)
{
    (void)argument;
    computes_here();
    sink++;
    return edo_yield();
}

/* ThreadSanitizer keeps signals back until the thread calls something that it knows. */
#define SIGNALS_COME (!EDO_TSAN)

static void test_s6_a_task_that_computes_is_reported_with_its_function(void **state)
{
    const struct report *report = &world.reports[0];

    (void)state;
    table.thread_cpu = all_the_time;
    run_one(computes, NULL, &usual);
    assert_int_equal(report->stall.kind, EDO_STALL_COMPUTING);
    assert_string_equal(report->name, "hog");
    assert_non_null(report->stall.site);
    assert_string_equal(report->stall.site->function, "one_root");
    assert_string_equal(report->call, "");
    if (SIGNALS_COME) {
        assert_string_equal(report->why, "");
        assert_true(has_function(report, "computes_here"));
        assert_true(has_function(report, "computes"));
        assert_true(has_function(report, "edo_task_main"));
        assert_true(report->module[0] != '\0');
    }
}

static void test_a_task_that_gets_no_processor_is_reported_as_starved(void **state)
{
    char text[4096];

    (void)state;
    table.thread_cpu = no_time;
    run_one(computes, NULL, &usual);
    assert_int_equal(world.reports[0].stall.kind, EDO_STALL_STARVED);
    assert_int_equal(world.reports[1].stall.kind, EDO_STALL_STARVED);
    assert_true(world.reports[1].stall.ended);
    edo_stall_text(text, sizeof text, &(edo_stall){.size = sizeof(edo_stall), .kind = EDO_STALL_STARVED, .thread = 7});
    assert_non_null(strstr(text, " has hardly got a processor on thread 7 for "));
}

static void test_without_a_signal_a_task_that_computes_has_no_backtrace(void **state)
{
    edo_run_options options = usual;

    (void)state;
    options.stall_signal = -1;
    run_one(computes, NULL, &options);
    assert_int_equal(world.reports[0].stall.frame_count, 0);
    assert_non_null(strstr(world.reports[0].why, ".stall_signal"));
    assert_int_equal(atomic_load(&world.signals), 0);
}

static void test_a_signal_that_is_not_answered_costs_the_backtrace_alone(void **state)
{
    (void)state;
    table.thread_signal = lost_signal;
    run_one(computes, NULL, &usual);
    assert_int_equal(world.reports[0].stall.frame_count, 0);
    assert_non_null(strstr(world.reports[0].why, "did not answer"));
    assert_true(atomic_load(&world.signals) >= 1);
}

static int no_proc(const char *path, int flags, mode_t mode)
{
    return strncmp(path, "/proc/", 6) == 0 ? -ENOENT : edo_platform_system.open(path, flags, mode);
}

static void test_without_proc_nobody_is_signalled(void **state)
{
    (void)state;
    table.open = no_proc;
    run_one(computes, NULL, &usual);
    assert_int_equal(world.reports[0].stall.frame_count, 0);
    assert_non_null(strstr(world.reports[0].why, "/proc"));
    assert_int_equal(atomic_load(&world.signals), 0);
}

/* --- Those that block --------------------------------------------------------------------------------------------- */

static void check_blocked(const char *call, const char *function)
{
    const struct report *report = &world.reports[0];

    assert_int_equal(report->stall.kind, EDO_STALL_BLOCKED);
    assert_string_equal(report->call, call);
    assert_string_equal(report->why, "");
    assert_true(report->stall.frame_count >= 2);
    assert_int_equal(atomic_load(&world.signals), 0);
    if (!has_function(report, function))
        for (size_t i = 0; i < report->stall.frame_count; i++)
            fprintf(stderr, "# %s\n", report->functions[i]);
    assert_true(has_function(report, function));
}

static int ends[2];

__attribute__((noinline)) static ssize_t reads_here(void)
{
    char byte;
    ssize_t n = read(ends[0], &byte, 1);

    sink++;
    return n;
}

static int reads(void *argument)
{
    (void)argument;
    CHECK_RC(reads_here(), 1);
    return 0;
}

static void write_byte(const edo_stall *stall)
{
    (void)stall;
    CHECK_RC(write(ends[1], "x", 1), 1);
}

static void test_s6_a_task_that_reads_a_pipe_is_reported_with_its_call(void **state)
{
    (void)state;
    table.thread_cpu = no_time;
    assert_int_equal(pipe(ends), 0);
    world.release = write_byte;
    run_one(reads, NULL, &usual);
    check_blocked("read", "reads_here");
    close(ends[0]);
    close(ends[1]);
}

/* Sleeps for ever, until SIGUSR1 comes: which is sent, again and again, once the report has come. */
static _Atomic bool sleeping;
static _Atomic int interrupted_early;
static pthread_t sleeper;

static void no_handler(int signal)
{
    (void)signal;
}

__attribute__((noinline)) static void sleeps_here(void)
{
    struct timespec pause = {100000, 0};

    if (nanosleep(&pause, NULL) == 0 || atomic_load(&world.begun) == 0)
        atomic_fetch_add(&interrupted_early, 1);
    sink++;
}

static int sleeps(void *argument)
{
    (void)argument;
    sleeper = pthread_self();
    atomic_store(&sleeping, true);
    sleeps_here();
    atomic_store(&sleeping, false);
    return 0;
}

static int wakes(void *argument)
{
    (void)argument;
    while (atomic_load(&world.begun) == 0)
        edo_sleep(EDO_MS(1));
    while (atomic_load(&sleeping)) {
        pthread_kill(sleeper, SIGUSR1);
        edo_sleep(EDO_MS(1));
    }
    return 0;
}

static int sleeps_beside_waker(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, sleeps, NULL, .name = "hog"), 0);
        CHECK_RC(edo_spawn(scope, wakes, NULL), 0);
    }
    while (atomic_load(&world.ended) < 1)
        edo_sleep(EDO_MS(1));
    return rc;
}

static void test_s6_a_sleep_is_reported_and_not_cut_short(void **state)
{
    struct sigaction action = {.sa_handler = no_handler};

    (void)state;
    table.thread_cpu = no_time;
    interrupted_early = 0;
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(run_with(sleeps_beside_waker, NULL, &usual), 0);
    assert_int_equal(atomic_load(&interrupted_early), 0);
    check_blocked(strcmp(world.reports[0].call, "nanosleep") == 0 ? "nanosleep" : "clock_nanosleep", "sleeps_here");
}

/*
 * Where a thread stands is not told: by a kernel without that file, to a process that may not ask, at the opening or at
 * the reading. And the file about the wait channel is the test's own.
 */
static struct {
    int open; /* what is refused; 0: nothing */
    int read;
    int fd; /* of the file in question */
} syscall_file;

static int refusing_open(const char *path, int flags, mode_t mode)
{
    const char *file = strncmp(path, "/proc/self/task/", 16) == 0 ? strrchr(path, '/') : NULL;
    int channel[2];

    if (file && strcmp(file, "/syscall") == 0) {
        if (syscall_file.open)
            return syscall_file.open;
        return syscall_file.fd = edo_platform_system.open(path, flags, mode);
    }
    if (file && strcmp(file, "/wchan") == 0) {
        CHECK_RC(pipe(channel), 0);
        CHECK_RC(write(channel[1], "anon_pipe_read", 14), 14);
        close(channel[1]);
        return channel[0];
    }
    return edo_platform_system.open(path, flags, mode);
}

static ssize_t refusing_read(int fd, void *buffer, size_t size)
{
    if (syscall_file.read && fd == syscall_file.fd) {
        syscall_file.fd = -1;
        return syscall_file.read;
    }
    return edo_platform_system.read(fd, buffer, size);
}

static int waits_and_reads(void *argument)
{
    edo_yield();
    return reads(argument);
}

static void check_refused(int open, int read)
{
    const struct report *report = &world.reports[0];

    set_up(NULL);
    table.thread_cpu = no_time;
    table.open = refusing_open;
    table.read = refusing_read;
    syscall_file.open = open;
    syscall_file.read = read;
    syscall_file.fd = -1;
    world.release = write_byte;
    assert_int_equal(pipe(ends), 0); /* its own: the one before has a byte left if it was reported twice */
    run_one(waits_and_reads, NULL, &usual);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(report->stall.kind, EDO_STALL_BLOCKED);
    assert_int_equal(report->stall.frame_count, 0);
    assert_non_null(strstr(report->why, "/proc"));
    assert_string_equal(report->call, "");
    assert_string_equal(report->name, "hog");
    assert_string_equal(report->stall.site->function, "one_root");
    assert_string_equal(report->channel, "anon_pipe_read");
    assert_non_null(report->stall.waited);
    assert_true(report->stall.thread > 0);
    assert_int_equal(atomic_load(&world.signals), 0);
}

static void test_where_proc_does_not_tell_there_is_a_report_without_backtrace(void **state)
{
    (void)state;
    check_refused(-ENOENT, 0);
    check_refused(-EACCES, 0);
    check_refused(-EMFILE, 0);
    check_refused(0, -EACCES);
    check_refused(0, -EPERM);
}

static pthread_mutex_t foreign = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool held;

static void *holds(void *argument)
{
    pthread_mutex_lock(&foreign);
    atomic_store(&held, true);
    while (atomic_load(&world.begun) == 0)
        usleep(1000);
    pthread_mutex_unlock(&foreign);
    return argument;
}

__attribute__((noinline)) static void locks_here(void)
{
    pthread_mutex_lock(&foreign);
    sink++;
    pthread_mutex_unlock(&foreign);
}

static int locks(void *argument)
{
    (void)argument;
    locks_here();
    return 0;
}

static void test_s6_a_task_that_waits_for_a_foreign_mutex_is_reported(void **state)
{
    pthread_t thread;

    (void)state;
    table.thread_cpu = no_time;
    atomic_store(&held, false);
    assert_int_equal(pthread_create(&thread, NULL, holds, NULL), 0);
    while (!atomic_load(&held))
        usleep(1000);
    run_one(locks, NULL, &usual);
    pthread_join(thread, NULL);
    check_blocked("futex", "locks_here");
}

/* --- Other flows, other runtimes ---------------------------------------------------------------------------------- */

static void timer_computes(void *argument)
{
    (void)argument;
    computes_here();
}

static int timer_root(void *argument)
{
    edo_timer timer;

    (void)argument;
    edo_timer_init(&timer, timer_computes, NULL);
    CHECK_RC(edo_timer_start(&timer, 1), 0);
    while (atomic_load(&world.ended) == 0)
        edo_sleep(EDO_MS(1));
    edo_timer_stop(&timer);
    return 0;
}

static void test_s6_a_timer_callback_that_computes_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run_with(timer_root, NULL, &usual), 0);
    assert_int_equal(world.reports[0].stall.task, 0);
    assert_null(world.reports[0].stall.site);
    if (SIGNALS_COME)
        assert_true(has_function(&world.reports[0], "computes_here"));
}

static void test_a_stall_is_reported_where_workers_cannot_be_taken(void **state)
{
    edo_run_options options = usual;

    (void)state;
    options.pinned = true;
    run_one(computes, NULL, &options);
    if (SIGNALS_COME)
        assert_true(has_function(&world.reports[0], "computes_here"));
}

/* --- Regions ------------------------------------------------------------------------------------------------------ */

static struct {
    _Atomic bool others_ran;
    _Atomic bool outside; /* the task waits there for the monitor to look */
    _Atomic bool looked;  /* the monitor has, and pauses */
    _Atomic bool inside;
} region;

__attribute__((noinline)) static void waits_in_region(void)
{
    while (!atomic_load(&region.others_ran))
        usleep(1000);
    usleep(20000); /* much longer than a stall is */
    sink++;
}

static int in_region(void *argument)
{
    atomic_store(&region.outside, true);
    while (argument && !atomic_load(&region.looked))
        sink++;
    CHECK_RC(edo_blocking_begin(), 0);
    atomic_store(&region.inside, true);
    waits_in_region();
    edo_blocking_end();
    return 0;
}

static int other(void *argument)
{
    (void)argument;
    atomic_store(&region.others_ran, true);
    return 0;
}

static int region_root(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, in_region, argument, .name = "hog"), 0);
        CHECK_RC(edo_spawn(scope, other, NULL), 0);
    }
    return rc;
}

/* Of what else there is on a machine that has much to do, before the region or behind it, nothing is said. */
static void check_region_not_reported(void *argument)
{
    memset(&region, 0, sizeof region);
    assert_int_equal(run_with(region_root, argument, &usual), 0);
    for (int i = 0; i < world.count; i++) {
        assert_string_not_equal(world.reports[i].call, "clock_nanosleep");
        assert_false(has_function(&world.reports[i], "waits_in_region"));
    }
}

static void test_s7_what_blocks_in_a_region_is_not_reported(void **state)
{
    (void)state;
    check_region_not_reported(NULL);
}

static _Thread_local bool monitor_saw_it;

static int64_t cpu_seen(pthread_t thread)
{
    monitor_saw_it = atomic_load(&region.outside);
    return edo_platform_system.thread_cpu(thread);
}

/* The monitor's pause that follows: when it looks again, the task is in a region, and has been for long. */
static int late_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    if (monitor_saw_it && !atomic_load(&region.inside)) {
        atomic_store(&region.looked, true);
        while (!atomic_load(&region.inside))
            usleep(1000);
        usleep(5000);
    }
    return edo_platform_system.futex_wait(word, expected, deadline);
}

static void test_s7_what_has_begun_a_region_before_the_monitor_came_again_is_not_reported(void **state)
{
    (void)state;
    table.thread_cpu = cpu_seen;
    table.futex_wait = late_wait;
    check_region_not_reported(&region);
}

static int blocks_and_computes(void *argument)
{
    struct edo_monitor *monitor = &edo_task_self()->home->runtime->monitor;

    (void)argument;
    CHECK_RC(edo_blocking_begin(), 0);
    while (atomic_load(&monitor->blocked) == 0)
        usleep(1000);
    edo_blocking_end();
    return computes(NULL);
}

static void test_a_stall_behind_a_region_is_reported_where_workers_cannot_be_taken(void **state)
{
    edo_run_options options = usual;

    (void)state;
    options.pinned = true;
    run_one(blocks_and_computes, NULL, &options);
    if (SIGNALS_COME)
        assert_true(has_function(&world.reports[0], "computes_here"));
}

/* --- The signal is everybody's ------------------------------------------------------------------------------------ */

static _Atomic int urgent;

static void on_urgent(int signal)
{
    (void)signal;
    atomic_fetch_add(&urgent, 1);
}

static int urgent_root(void *argument)
{
    (void)argument;
    raise(SIGWINCH);
    CHECK(atomic_load(&urgent) == 1);
    stalling = computes;
    return one_root(NULL);
}

static void test_an_earlier_handler_gets_what_is_not_ours(void **state)
{
    struct sigaction action = {.sa_handler = on_urgent};
    edo_run_options options = usual;

    (void)state;
    atomic_store(&urgent, 0);
    sigaction(SIGWINCH, &action, NULL);
    options.stall_signal = SIGWINCH;
    assert_int_equal(run_with(urgent_root, NULL, &options), 0);
    assert_int_equal(atomic_load(&urgent), 1); /* not ours */
    if (SIGNALS_COME)
        assert_true(has_function(&world.reports[0], "computes_here"));
}

static void test_options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(edo_run(beside, NULL, EDO_OPTIONS(edo_run_options, .stall_signal = SIGKILL)), -EINVAL);
    assert_int_equal(edo_run(beside, NULL, EDO_OPTIONS(edo_run_options, .stall_signal = 1000)), -EINVAL);
    assert_int_equal(setenv("EDO_STALLS", "perhaps", 1), 0);
    assert_int_equal(edo_run(beside, NULL, NULL), -EINVAL);
    assert_int_equal(unsetenv("EDO_STALLS"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, restore_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_s6_a_task_that_computes_is_reported_with_its_function),
        TEST(test_a_task_that_gets_no_processor_is_reported_as_starved),
        TEST(test_without_a_signal_a_task_that_computes_has_no_backtrace),
        TEST(test_a_signal_that_is_not_answered_costs_the_backtrace_alone),
        TEST(test_without_proc_nobody_is_signalled),
        TEST(test_s6_a_task_that_reads_a_pipe_is_reported_with_its_call),
        TEST(test_s6_a_sleep_is_reported_and_not_cut_short),
        TEST(test_where_proc_does_not_tell_there_is_a_report_without_backtrace),
        TEST(test_s6_a_task_that_waits_for_a_foreign_mutex_is_reported),
        TEST(test_s6_a_timer_callback_that_computes_is_reported),
        TEST(test_a_stall_is_reported_where_workers_cannot_be_taken),
        TEST(test_s7_what_blocks_in_a_region_is_not_reported),
        TEST(test_s7_what_has_begun_a_region_before_the_monitor_came_again_is_not_reported),
        TEST(test_a_stall_behind_a_region_is_reported_where_workers_cannot_be_taken),
        TEST(test_an_earlier_handler_gets_what_is_not_ours),
        TEST(test_options_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
