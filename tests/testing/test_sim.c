/* SPDX-License-Identifier: MIT */
/* The kernel beneath a seeded run: its time, its trace, what runs inline, and what is refused. */
#include "testing/seeds.h"

#include "testing/program.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

/* --- Time --------------------------------------------------------------------------------------------------------- */

struct sleep {
    int64_t duration;
    int *woken;
    int *order;
};

static int sleep_long(void *argument)
{
    struct sleep *sleep = argument;
    int64_t start = edo_now();

    CHECK_RC(edo_sleep(sleep->duration), 0);
    CHECK(edo_now() - start >= sleep->duration);
    CHECK(edo_now() - start < sleep->duration + EDO_US(3));
    sleep->order[(*sleep->woken)++] = (int)(sleep->duration / EDO_SEC(1));
    return 0;
}

static int sleep_for_hours(void *argument)
{
    static const int hours[] = {3, 1, 2, 24 * 365, 5};
    int64_t wall = edo_wall();
    int order[EDO_COUNT(hours)];
    int woken = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_now(), EDO_SEC(3600));
    CHECK_RC(wall, EDO_SEC(946684800));
    EDO_SCOPE (scope, &rc)
        for (size_t i = 0; i < EDO_COUNT(hours) && rc == 0; i++)
            rc = edo_spawn(scope, sleep_long, &((struct sleep){EDO_SEC(3600) * hours[i], &woken, order}),
                           .copy = sizeof(struct sleep));
    CHECK_RC(woken, EDO_COUNT(hours));
    for (int i = 1; i < woken; i++)
        CHECK(order[i] > order[i - 1]);
    CHECK(edo_wall() - wall == edo_now() - EDO_SEC(3600));
    return rc;
}

static void test_time_jumps_when_all_wait(void **state)
{
    (void)state;
    many_seeds(sleep_for_hours, NULL, 20, NULL);
}

static int compute(void *argument)
{
    int64_t start = edo_now();
    int rc = 0;

    for (int i = 0; i < 100000; i++)
        edo_now();
    CHECK(edo_now() - start == (argument ? 100001 * *(int64_t *)argument : 0));
    EDO_TIMEOUT (EDO_SEC(1), &rc) {
        CHECK_RC(edo_test_advance(EDO_MS(999)), 0);
        CHECK_RC(edo_yield(), 0);
        CHECK_RC(edo_test_advance(EDO_MS(2)), 0);
        CHECK_RC(edo_yield(), 0); /* timers are looked at when nothing else is to be done, or from time to time */
        CHECK_RC(edo_sleep(EDO_MS(1)), -ECANCELED);
        rc = -ECANCELED;
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(edo_test_advance(-1), -EINVAL);
    return 0;
}

static void test_time_stands_still_while_a_task_runs(void **state)
{
    int64_t tick = 7;

    (void)state;
    many_seeds(compute, NULL, 10, NULL);
    many_seeds(compute, &tick, 10, EDO_OPTIONS(edo_test_options, .tick = tick));
}

static int wait_for_the_clock(void *argument)
{
    int64_t end = edo_now() + EDO_MS(1);

    (void)argument;
    while (edo_now() < end)
        edo_yield();
    return 0;
}

static void test_with_ticks_a_loop_that_asks_for_the_time_ends(void **state)
{
    (void)state;
    many_seeds(wait_for_the_clock, NULL, 10, EDO_OPTIONS(edo_test_options, .tick = EDO_US(1)));
}

/* --- The trace ---------------------------------------------------------------------------------------------------- */

static uint64_t trace_of(uint64_t seed, int schedule)
{
    assert_int_equal(
        edo_test_run(program_main, NULL,
                     EDO_OPTIONS(edo_test_options, .seed = seed, .schedule = schedule, .short_transfers = true)),
        0);
    return edo_test_trace();
}

static void test_t2_the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    for (int schedule = EDO_SCHEDULE_RANDOM; schedule <= EDO_SCHEDULE_FIFO; schedule++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            uint64_t once = trace_of(seed, schedule);

            assert_int_equal(trace_of(seed, schedule), once);
            assert_int_not_equal(trace_of(seed + 1000, schedule), once);
        }
    }
}

/* This program, started anew: elsewhere in memory, with everything it allocates. */
static uint64_t trace_of_process(uint64_t seed)
{
    char command[300];
    char line[100] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "/proc/%d/exe trace %llu", (int)getpid(), (unsigned long long)seed);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    return strtoull(line, NULL, 16);
}

static void test_t2_two_processes_have_the_same_trace(void **state)
{
    (void)state;
    if (EDO_TEST_EMULATED)
        skip(); /* /proc/self/exe is the emulator */
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t here = trace_of(seed, EDO_SCHEDULE_RANDOM);

        assert_int_equal(trace_of_process(seed), here);
        assert_int_equal(trace_of_process(seed), here);
    }
}

static int print_trace(const char *seed)
{
    edo_test_run(program_main, NULL,
                 EDO_OPTIONS(edo_test_options, .seed = strtoull(seed, NULL, 0), .short_transfers = true));
    printf("%llx\n", (unsigned long long)edo_test_trace());
    return 0;
}

static void test_what_tasks_do_is_right_under_any_seed(void **state)
{
    (void)state;
    many_seeds(program_main, NULL, 300, NULL);
    many_seeds(program_main, NULL, 300, EDO_OPTIONS(edo_test_options, .short_transfers = true));
    many_seeds(program_main, NULL, 50, EDO_OPTIONS(edo_test_options, .tick = EDO_NS(100)));
}

/* --- What runs inline --------------------------------------------------------------------------------------------- */

static int drops;

struct job {
    int number;
    pthread_t thread;
};

static int job(void *argument)
{
    struct job *job = argument;

    CHECK(pthread_equal(pthread_self(), job->thread));
    return job->number++;
}

static void drop_job(void *argument)
{
    (void)argument;
    drops++;
}

static int blocking(void *argument)
{
    struct job of = {5, pthread_self()};
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_blocking(job, &of), 5);
    CHECK_RC(edo_blocking(job, &of, .copy = sizeof of), 6);
    CHECK_RC(edo_blocking(job, &of, .abandonable = true, .drop = drop_job), 6);
    CHECK_RC(of.number, 7);
    CHECK_RC(drops, 0);
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        CHECK_RC(edo_blocking(job, &of, .drop = drop_job), -ECANCELED);
    }
    CHECK_RC(of.number, 7);
    CHECK_RC(drops, 1);
    drops = 0;
    return 0;
}

static void test_c7_blocking_work_runs_inline(void **state)
{
    (void)state;
    many_seeds(blocking, NULL, 10, NULL);
}

/* --- What is refused ---------------------------------------------------------------------------------------------- */

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int impurities(void *argument)
{
    edo_stream *stream;
    int ends[2];

    (void)argument;
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_RC(edo_wait_fd(ends[0], EDO_WRITABLE, EDO_FOREVER), -ENOTSUP);
    CHECK_RC(edo_wait_fd(-1, EDO_WRITABLE, EDO_FOREVER), -EBADF);
    CHECK_RC(edo_stream_from_fd(&stream, ends[0]), -ENOTSUP);
    CHECK_RC(edo_run(nothing, NULL, NULL), -ENOTSUP);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void test_what_cannot_be_repeated_is_refused(void **state)
{
    (void)state;
    many_seeds(impurities, NULL, 4, NULL);
}

struct foreign {
    uint32_t word;
    edo_scope *scope;
    int ends[2];
    _Atomic bool has_read;
    int rc;
};

static void *wake_from_elsewhere(void *argument)
{
    struct foreign *foreign = argument;

    foreign->rc = edo_wake_word(&foreign->word, 1);
    return NULL;
}

static int wait_for_a_thread(void *argument)
{
    struct foreign *foreign = argument;

    return edo_wait_word(&foreign->word, 0, edo_now() + EDO_SEC(1));
}

static int woken_by_thread(void *argument)
{
    struct foreign foreign = {.rc = 0};
    int result = 0;
    edo_task *task;
    pthread_t thread;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(scope, wait_for_a_thread, &foreign, .handle = &task);
        edo_sleep(EDO_MS(1)); /* it waits by now */
        pthread_create(&thread, NULL, wake_from_elsewhere, &foreign);
        pthread_join(thread, NULL);
        CHECK_RC(foreign.rc, -ENOTSUP);
        edo_join(&result, task);
    }
    CHECK_RC(result, -ETIMEDOUT);
    return rc;
}

static void test_a_wake_from_another_thread_is_refused(void **state)
{
    (void)state;
    many_seeds(woken_by_thread, NULL, 4, NULL);
}

static void *cancel_from_elsewhere(void *argument)
{
    edo_scope_cancel((edo_scope *)argument);
    return NULL;
}

static int cancelled_by_thread(void *argument)
{
    pthread_t thread;

    (void)argument;
    pthread_create(&thread, NULL, cancel_from_elsewhere, edo_scope_current());
    pthread_join(thread, NULL);
    return 0;
}

static int cancelled_in_child(void *argument)
{
    (void)argument;
    return edo_test_run(cancelled_by_thread, NULL, EDO_OPTIONS(edo_test_options, .seed = 1));
}

static void test_a_cancellation_from_another_thread_aborts(void **state)
{
    char text[1000];
    int status = in_child(cancelled_in_child, NULL, text, sizeof text);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "another thread wakes or cancels a task of a seeded run"));
}

/* --- What an impure run allows ------------------------------------------------------------------------------------ */

static void *use_from_elsewhere(void *argument)
{
    struct foreign *foreign = argument;

    while (edo_wake_word(&foreign->word, 1) == 0)
        usleep(100);
    if (write(foreign->ends[1], "x", 1) != 1)
        return NULL;
    while (!atomic_load(&foreign->has_read))
        usleep(100);
    edo_scope_cancel(foreign->scope);
    return NULL;
}

static int impure(void *argument)
{
    struct foreign foreign = {.scope = edo_scope_current()};
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    pthread_t thread;
    char byte;

    (void)argument;
    CHECK_RC(program_main(NULL), 0);
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, foreign.ends), 0);
    pthread_create(&thread, NULL, use_from_elsewhere, &foreign);
    CHECK_RC(edo_wait_word(&foreign.word, 0, EDO_FOREVER), 0);
    CHECK_RC(edo_wait_fd(foreign.ends[0], EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    CHECK_RC(edo_stream_from_fd(&stream, foreign.ends[0]), 0);
    CHECK_RC(edo_read(stream, &byte, 1), 1);
    atomic_store(&foreign.has_read, true);
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    CHECK_RC(edo_run(nothing, NULL, NULL), -ENOTSUP);
    pthread_join(thread, NULL);
    close(foreign.ends[1]);
    return 0;
}

static void test_an_impure_run_allows_threads_and_descriptors(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        assert_int_equal(one_seed(impure, NULL, seed, EDO_OPTIONS(edo_test_options, .impure = true)), 0);
}

/* Two wait for one real descriptor: the second one's wait has an instance of its own. */
static int wait_readable(void *argument)
{
    return edo_wait_fd(*(int *)argument, EDO_READABLE, EDO_FOREVER);
}

static int two_wait(void *argument)
{
    int ends[2];
    int rc = 0;

    (void)argument;
    CHECK_RC(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, wait_readable, ends);
        if (rc == 0)
            rc = edo_spawn(scope, wait_readable, ends);
        edo_sleep(EDO_MS(2));
        CHECK_RC(write(ends[1], "x", 1), 1);
    }
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static void test_two_wait_for_one_foreign_descriptor(void **state)
{
    (void)state;
    assert_int_equal(one_seed(two_wait, NULL, 1, EDO_OPTIONS(edo_test_options, .impure = true)), 0);
}

static void test_with_the_real_kernel_only_the_schedule_is_drawn(void **state)
{
    (void)state;
    assert_int_equal(one_seed(program_main, NULL, 1, EDO_OPTIONS(edo_test_options, .real_kernel = true)), 0);
}

/* --- Outside ------------------------------------------------------------------------------------------------------ */

static void test_f2_outside_a_run_there_is_nothing_to_control(void **state)
{
    (void)state;
    assert_int_equal(edo_test_advance(1), -EPERM);
    assert_int_equal(edo_test_latency(NULL, NULL, 0, 0), -EPERM);
    assert_int_equal(edo_test_partition(NULL, NULL), -EPERM);
    assert_int_equal(edo_test_heal(NULL, NULL), -EPERM);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_jumps_when_all_wait),
        cmocka_unit_test(test_time_stands_still_while_a_task_runs),
        cmocka_unit_test(test_with_ticks_a_loop_that_asks_for_the_time_ends),
        cmocka_unit_test(test_t2_the_same_seed_gives_the_same_trace),
        cmocka_unit_test(test_t2_two_processes_have_the_same_trace),
        cmocka_unit_test(test_what_tasks_do_is_right_under_any_seed),
        cmocka_unit_test(test_c7_blocking_work_runs_inline),
        cmocka_unit_test(test_what_cannot_be_repeated_is_refused),
        cmocka_unit_test(test_a_wake_from_another_thread_is_refused),
        cmocka_unit_test(test_a_cancellation_from_another_thread_aborts),
        cmocka_unit_test(test_an_impure_run_allows_threads_and_descriptors),
        cmocka_unit_test(test_two_wait_for_one_foreign_descriptor),
        cmocka_unit_test(test_with_the_real_kernel_only_the_schedule_is_drawn),
        cmocka_unit_test(test_f2_outside_a_run_there_is_nothing_to_control),
    };

    if (count == 3 && strcmp(arguments[1], "trace") == 0)
        return print_trace(arguments[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
