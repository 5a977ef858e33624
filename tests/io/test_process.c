/* SPDX-License-Identifier: MIT */
/* Processes: what they are started with, how they are waited for, and that none is left a zombie (C1 to C3, F1, F4). */
#include "files.h"

#include "io/reaper.h"

#include <edo/process.h>
#include <edo/testing.h>

#include <sys/wait.h>

/* Waits until nobody is left to be reaped, and checks that this process has no children. */
static void no_children(void)
{
    while (edo_reaper_count() > 0)
        usleep(1000);
    CHECK_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQUAL(errno, ECHILD);
}

static int run_process_test(int workers, int (*fn)(void *), void *argument)
{
    int before = net_descriptors(true);
    int rc = edo_run(fn, argument, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE));

    no_children();
    CHECK_EQUAL(net_descriptors(true), before);
    return rc;
}

/* A shell that runs the script. */
static int shell(edo_process **out, const char *script, const edo_process_options *options)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    return edo_process_spawn(out, argv, options);
}

static size_t read_all(edo_stream *stream, char *buffer, size_t size)
{
    size_t done = 0;
    ssize_t n;

    while ((n = edo_read(stream, buffer + done, size - done)) > 0)
        done += (size_t)n;
    CHECK_EQUAL(n, 0);
    edo_close(stream);
    return done;
}

/* What a script prints. */
static void check_prints(const char *script, const edo_process_options *options, const char *expected)
{
    edo_process *process;
    char buffer[4096];
    size_t size;
    int status = -1000;

    CHECK_EQUAL(shell(&process, script, options), 0);
    size = read_all(edo_process_take_stream(process, EDO_STDOUT), buffer, sizeof buffer - 1);
    buffer[size] = '\0';
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    edo_process_close(process);
    if (strcmp(buffer, expected) != 0)
        fprintf(stderr, "got \"%s\", expected \"%s\"\n", buffer, expected);
    CHECK(strcmp(buffer, expected) == 0);
    CHECK_EQUAL(status, 0);
}

/* --- Starting and ending ------------------------------------------------------------------------------------------ */

static int has_a_status(void *argument)
{
    edo_process *process;
    int status = 0;

    (void)argument;
    CHECK_EQUAL(shell(&process, "exit 7", NULL), 0);
    CHECK(edo_process_id(process) > 0);
    CHECK_EQUAL(fcntl(edo_process_fd(process), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(edo_process_wait(&status, process), 0);
        CHECK_EQUAL(status, 7);
    }
    CHECK_EQUAL(edo_process_wait(NULL, process), 0);
    CHECK_EQUAL(edo_process_kill(process, SIGTERM), -ESRCH);
    edo_process_close(process);
    CHECK_EQUAL(shell(&process, "kill -TERM $$", NULL), 0);
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    CHECK_EQUAL(status, -SIGTERM);
    edo_process_close(process);
    CHECK_EQUAL(shell(&process, "read nothing", EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE)), 0);
    CHECK_EQUAL(edo_process_kill(process, 12345), -EINVAL);
    CHECK_EQUAL(edo_process_kill(process, SIGKILL), 0);
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    CHECK_EQUAL(status, -SIGKILL);
    edo_process_close(process);
    edo_process_close(NULL);
    return 0;
}

static void test_a_process_is_started_and_its_end_is_told_as_often_as_asked(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, has_a_status, NULL), 0);
    assert_int_equal(run_process_test(2, has_a_status, NULL), 0);
}

static int has_env_and_cwd(void *argument)
{
    static const char *const env[] = {"COLOUR=green", "PATH=/nowhere", NULL};
    static const char *const argv[] = {"a", "b c", NULL};
    edo_process *process;
    char buffer[100];

    (void)argument;
    check_prints("echo $COLOUR; pwd; echo $0", /* the program is found by the caller's PATH */
                 EDO_OPTIONS(edo_process_options, .env = env, .cwd = "/", .out = EDO_STDIO_PIPE), "green\n/\nsh\n");
    setenv("COLOUR", "blue", 1);
    check_prints("echo $COLOUR", EDO_OPTIONS(edo_process_options, .out = EDO_STDIO_PIPE), "blue\n");
    unsetenv("COLOUR");
    CHECK_EQUAL(
        edo_process_spawn(&process, argv, EDO_OPTIONS(edo_process_options, .program = "echo", .out = EDO_STDIO_PIPE)),
        0);
    CHECK_EQUAL(read_all(edo_process_take_stream(process, EDO_STDOUT), buffer, sizeof buffer), 4);
    CHECK(memcmp(buffer, "b c\n", 4) == 0);
    edo_process_close(process);
    return 0;
}

static void test_a_process_gets_its_arguments_environment_and_directory(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, has_env_and_cwd, NULL), 0);
}

static int is_refused(void *argument)
{
    static const char *const none[] = {NULL};
    static const char *const nothing[] = {"edo-there-is-no-such-program", NULL};
    static const char *const directory[] = {"/", NULL};
    static const char *const shells[] = {"/bin/sh", NULL};
    edo_process *process = NULL;
    struct edo_process_options odd = {.size = 3};

    (void)argument;
    if (!EDO_TEST_EMULATED) { /* qemu makes of vfork(2) a fork, and the child's failure is not told */
        CHECK_EQUAL(edo_process_spawn(&process, nothing, NULL), -ENOENT);
        CHECK_EQUAL(edo_process_spawn(&process, nothing, EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE)),
                    -ENOENT);
        CHECK_EQUAL(edo_process_spawn(&process, directory, NULL), -EACCES);
        CHECK_EQUAL(edo_process_spawn(&process, shells, EDO_OPTIONS(edo_process_options, .cwd = "/nowhere")), -ENOENT);
    }
    CHECK_EQUAL(edo_process_spawn(&process, none, NULL), -EINVAL);
    CHECK_EQUAL(edo_process_spawn(&process, NULL, NULL), -EINVAL);
    CHECK_EQUAL(edo_process_spawn(&process, shells, &odd), -EINVAL);
    CHECK_EQUAL(edo_process_spawn(&process, shells, EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_STDOUT)), -EINVAL);
    CHECK_EQUAL(edo_process_spawn(&process, shells, EDO_OPTIONS(edo_process_options, .in = 5)), -EINVAL);
    CHECK_EQUAL(edo_process_spawn(&process, shells, EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_FD(999))), -EBADF);
    CHECK_EQUAL(edo_process_spawn(&process, shells, EDO_OPTIONS(edo_process_options, .kill_on_close = -1)), -EINVAL);
    CHECK(process == NULL);
    return 0;
}

static void test_what_cannot_be_started_is_told_and_leaves_nothing(void **state)
{
    edo_process *process;

    (void)state;
    assert_int_equal(run_process_test(1, is_refused, NULL), 0);
    assert_int_equal(shell(&process, "exit 0", NULL), -EPERM); /* no task */
}

static int is_seeded(void *argument)
{
    edo_process *process;

    (void)argument;
    CHECK_EQUAL(shell(&process, "exit 0", NULL), -ENOTSUP);
    return 0;
}

static void test_t2_in_a_seeded_run_there_are_no_processes(void **state)
{
    (void)state;
    assert_int_equal(edo_test_run(is_seeded, NULL, EDO_OPTIONS(edo_test_options, .seed = 1, .real_kernel = true)), 0);
}

/* --- Standard descriptors ----------------------------------------------------------------------------------------- */

enum { MUCH = 300000 };

static char much[MUCH];

static int feeds(void *argument)
{
    edo_stream *in = argument;

    CHECK_EQUAL(edo_write_all(in, much, MUCH), MUCH);
    edo_close(in);
    return 0;
}

static int talks_to_cat(void *argument)
{
    static const char *const cat[] = {"cat", NULL};
    static char got[MUCH + 1];
    edo_process *process;
    int inherited = net_descriptors(false);
    int status;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < MUCH; i++)
        much[i] = (char)(i * 13 >> 4);
    CHECK_EQUAL(
        edo_process_spawn(&process, cat, EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE, .out = EDO_STDIO_PIPE)),
        0);
    CHECK_EQUAL(net_descriptors(false), inherited); /* F4 */
    CHECK(edo_process_take_stream(process, EDO_STDERR) == NULL);
    CHECK(edo_process_take_stream(process, 3) == NULL);
    CHECK(edo_process_take_stream(process, -1) == NULL);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, feeds, edo_process_take_stream(process, EDO_STDIN)), 0);
        CHECK(edo_process_take_stream(process, EDO_STDIN) == NULL);
        CHECK_EQUAL(read_all(edo_process_take_stream(process, EDO_STDOUT), got, sizeof got), MUCH);
    }
    CHECK(memcmp(got, much, MUCH) == 0);
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    CHECK_EQUAL(status, 0);
    edo_process_close(process);
    return rc;
}

static int has_all_kinds(void *argument)
{
    FILE *file = tmpfile();
    int out = dup(1);
    edo_process_options both = {.size = sizeof both, .out = EDO_STDIO_PIPE, .err = EDO_STDIO_STDOUT};
    edo_process *process;
    char buffer[100];

    (void)argument;
    check_prints("echo out; echo err >&2", &both, "out\nerr\n");
    check_prints("echo again > /dev/stderr", &both, "again\n"); /* which a socket would refuse */
    check_prints("cat; echo end", EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_NULL, .out = EDO_STDIO_PIPE),
                 "end\n");
    CHECK_EQUAL(shell(&process, "echo hidden; echo hidden >&2",
                      EDO_OPTIONS(edo_process_options, .out = EDO_STDIO_NULL, .err = EDO_STDIO_NULL)),
                0);
    edo_process_close(process);

    CHECK(file != NULL && out >= 0);
    CHECK_EQUAL(
        shell(&process, "echo into the file", EDO_OPTIONS(edo_process_options, .out = EDO_STDIO_FD(fileno(file)))), 0);
    CHECK_EQUAL(edo_process_wait(NULL, process), 0);
    edo_process_close(process);
    CHECK(pread(fileno(file), buffer, sizeof buffer, 0) == 14);
    CHECK(memcmp(buffer, "into the file\n", 14) == 0);

    /* Our own 1 as its 2, while its 1 is something else; ours is the file meanwhile. */
    CHECK_EQUAL(lseek(fileno(file), 0, SEEK_SET), 0);
    fflush(stdout);
    CHECK(dup2(fileno(file), 1) == 1);
    check_prints("echo one; echo two >&2",
                 EDO_OPTIONS(edo_process_options, .out = EDO_STDIO_PIPE, .err = EDO_STDIO_FD(1)), "one\n");
    CHECK(dup2(out, 1) == 1);
    CHECK(pread(fileno(file), buffer, 4, 0) == 4);
    CHECK(memcmp(buffer, "two\n", 4) == 0);
    close(out);
    fclose(file);
    return 0;
}

static void test_standard_descriptors_are_what_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, talks_to_cat, NULL), 0);
    assert_int_equal(run_process_test(2, talks_to_cat, NULL), 0);
    assert_int_equal(run_process_test(1, has_all_kinds, NULL), 0);
}

/* Leaves the low numbers to the pipes, as another thread that closes something at the wrong moment would. */
static int high_eventfd(unsigned initial, int flags)
{
    int fd = edo_platform_system.eventfd(initial, flags);
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 20);

    close(fd);
    return high;
}

/* Started by somebody who has no standard descriptors: pipes then get those numbers. */
static int has_none_itself(void *argument)
{
    edo_process_options all = {.size = sizeof all, .in = EDO_STDIO_PIPE, .out = EDO_STDIO_PIPE, .err = EDO_STDIO_PIPE};
    edo_process *process;
    edo_stream *in, *out, *err;
    char buffer[100];
    int status;

    (void)argument;
    close(0); /* only now: before, the runtime would have taken the numbers */
    close(1);
    close(2);
    CHECK_EQUAL(shell(&process, "read line; echo out $line; echo err $line >&2; exit 3", &all), 0);
    in = edo_process_take_stream(process, EDO_STDIN);
    out = edo_process_take_stream(process, EDO_STDOUT);
    err = edo_process_take_stream(process, EDO_STDERR);
    CHECK_EQUAL(edo_write(in, "x\n", 2), 2);
    edo_close(in);
    CHECK_EQUAL(read_all(out, buffer, sizeof buffer), 6);
    CHECK(memcmp(buffer, "out x\n", 6) == 0);
    CHECK_EQUAL(read_all(err, buffer, sizeof buffer), 6);
    CHECK(memcmp(buffer, "err x\n", 6) == 0);
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    edo_process_close(process);

    CHECK_EQUAL(shell(&process, "echo out; echo err >&2",
                      EDO_OPTIONS(edo_process_options, .out = EDO_STDIO_NULL, .err = EDO_STDIO_PIPE)),
                0);
    CHECK_EQUAL(read_all(edo_process_take_stream(process, EDO_STDERR), buffer, sizeof buffer), 4);
    edo_process_close(process);
    return status;
}

static void test_pipes_work_for_who_has_no_standard_descriptors(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        alarm(30 * EDO_TEST_SCALE);
        net_table.eventfd = high_eventfd;
        _exit(edo_run(has_none_itself, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)) + 40);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

struct waiter {
    edo_process *process;
    int want;
    int status;
};

static int waits(void *argument)
{
    struct waiter *waiter = argument;

    CHECK_EQUAL(edo_process_wait(&waiter->status, waiter->process), waiter->want);
    return 0;
}

static int waits_in_company(void *argument)
{
    struct waiter waiters[5];
    edo_process *process;
    edo_stream *in;
    int status = 5;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(shell(&process, "read line; exit 9", EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE)), 0);
    in = edo_process_take_stream(process, EDO_STDIN);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 5; i++) {
            waiters[i] = (struct waiter){process, -ECANCELED, 0};
            CHECK_EQUAL(edo_spawn(scope, waits, &waiters[i]), 0);
        }
        net_settle();
        edo_scope_cancel(scope);
        CHECK_EQUAL(edo_process_wait(&status, process), -ECANCELED);
        CHECK_EQUAL(status, 5);
    }
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 5; i++) {
            waiters[i] = (struct waiter){process, 0, 0};
            CHECK_EQUAL(edo_spawn(scope, waits, &waiters[i]), 0);
        }
        net_settle();
        edo_process_close(process); /* those at work go on, and the last one takes it along */
        CHECK_EQUAL(edo_write(in, "\n", 1), 1);
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(waiters[i].status, 9);
    edo_close(in);
    return rc;
}

static void test_c3_a_cancelled_wait_leaves_the_process_and_its_end_to_others(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, waits_in_company, NULL), 0);
    assert_int_equal(run_process_test(2, waits_in_company, NULL), 0);
}

static int starts_cancelled(void *argument)
{
    edo_process *process;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        CHECK_EQUAL(shell(&process, "exit 0", NULL), -ECANCELED);
    }
    return 0;
}

static atomic_int starts;

static int counted_start(pid_t *out, const struct edo_process_plan *plan)
{
    atomic_fetch_add(&starts, 1);
    return edo_platform_system.process_start(out, plan);
}

static void test_c1_a_cancelled_scope_starts_nothing(void **state)
{
    (void)state;
    net_table.process_start = counted_start;
    atomic_store(&starts, 0);
    assert_int_equal(run_process_test(1, starts_cancelled, NULL), 0);
    assert_int_equal(atomic_load(&starts), 0);
}

static int is_reaped_by_others(void *argument)
{
    edo_process *process;

    (void)argument;
    CHECK_EQUAL(shell(&process, "exit 1", NULL), 0);
    CHECK_EQUAL(waitpid(edo_process_id(process), NULL, 0), edo_process_id(process));
    CHECK_EQUAL(edo_process_wait(NULL, process), -ECHILD);
    CHECK_EQUAL(edo_process_wait(NULL, process), -ECHILD);
    CHECK_EQUAL(edo_process_kill(process, SIGTERM), -ESRCH);
    edo_process_close(process);
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 20; i++) {
        CHECK_EQUAL(shell(&process, "exit 1", NULL), 0);
        CHECK_EQUAL(edo_process_wait(NULL, process), -ECHILD);
        edo_process_close(process);
    }
    signal(SIGCHLD, SIG_DFL);
    return 0;
}

static void test_f1_a_status_that_somebody_else_took_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, is_reaped_by_others, NULL), 0);
}

/* --- Closing ------------------------------------------------------------------------------------------------------ */

/* A process, and what it started, that end when their input does, or are killed: the read end of their output tells. */
static int closes_early(void *argument)
{
    int number = *(int *)argument;
    edo_process *process;
    edo_stream *in, *out;
    char buffer[10];

    CHECK_EQUAL(shell(&process, "cat & cat; wait",
                      EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE, .out = EDO_STDIO_PIPE,
                                  .kill_on_close = number, .group = true)),
                0);
    in = edo_process_take_stream(process, EDO_STDIN);
    out = edo_process_take_stream(process, EDO_STDOUT);
    CHECK_EQUAL(edo_write(in, "x\n", 2), 2);
    CHECK_EQUAL(edo_read(out, buffer, sizeof buffer), 2); /* they run */
    edo_process_close(process);
    if (number == 0) { /* goes on by itself */
        CHECK_EQUAL(edo_write(in, "y\n", 2), 2);
        CHECK_EQUAL(edo_read(out, buffer, sizeof buffer), 2);
        edo_close(in);
    }
    CHECK_EQUAL(read_all(out, buffer, sizeof buffer), 0); /* all of them are gone */
    if (number != 0)
        edo_close(in);
    return 0;
}

static void test_closing_kills_the_group_or_lets_it_go_on_and_leaves_no_zombie(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, closes_early, &(int){SIGKILL}), 0);
    assert_int_equal(run_process_test(1, closes_early, &(int){SIGTERM}), 0);
    assert_int_equal(run_process_test(1, closes_early, &(int){0}), 0);
}

static int leaves_many(void *argument)
{
    int *input = argument;

    for (int i = 0; i < 20; i++) {
        edo_process *process;

        CHECK_EQUAL(shell(&process, i & 1 ? "exit 0" : "read line",
                          EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_FD(*input))),
                    0);
        edo_process_close(process);
    }
    return 0;
}

static void test_orphans_are_reaped_when_their_runtime_is_long_gone(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(
        edo_run(leaves_many, &ends[0], EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
    assert_true(edo_reaper_count() >= 10);
    close(ends[0]);
    close(ends[1]);
    no_children();
}

static atomic_bool no_threads;
static atomic_bool no_epoll;

static int scarce_thread_start(pthread_t *out, size_t stack_size, void *(*main_)(void *), void *argument)
{
    return atomic_load(&no_threads) ? -EAGAIN : edo_platform_system.thread_start(out, stack_size, main_, argument);
}

static int scarce_epoll_create(int flags)
{
    return atomic_load(&no_epoll) ? -EMFILE : edo_platform_system.epoll_create(flags);
}

static int closes_without_reaper(void *argument)
{
    edo_process *process;

    (void)argument;
    for (int i = 0; i < 2; i++) {
        atomic_store(i == 0 ? &no_threads : &no_epoll, true);
        CHECK_EQUAL(shell(&process, "exit 0", EDO_OPTIONS(edo_process_options, .kill_on_close = SIGKILL)), 0);
        edo_process_close(process);
        atomic_store(&no_threads, false);
        atomic_store(&no_epoll, false);
    }
    CHECK_EQUAL(shell(&process, "exit 0", NULL), 0); /* looks after those who were left */
    CHECK_EQUAL(edo_process_wait(NULL, process), 0);
    edo_process_close(process);
    return 0;
}

static void test_f1_an_orphan_that_cannot_be_watched_is_looked_after_later(void **state)
{
    (void)state;
    net_table.thread_start = scarce_thread_start;
    net_table.epoll_create = scarce_epoll_create;
    assert_int_equal(run_process_test(1, closes_without_reaper, NULL), 0);
}

/* --- Whatever fails ----------------------------------------------------------------------------------------------- */

static atomic_int calls_left;

static bool fails(void)
{
    return atomic_fetch_sub(&calls_left, 1) == 1;
}

static void *failing_allocate(size_t size)
{
    return fails() ? NULL : edo_platform_system.allocate(size);
}

static int failing_pipe(int ends[2], int flags)
{
    return fails() ? -EMFILE : edo_platform_system.pipe(ends, flags);
}

static int failing_fcntl(int fd, int command, long value)
{
    return fails() ? -EMFILE : edo_platform_system.fcntl(fd, command, value);
}

static int failing_eventfd(unsigned initial, int flags)
{
    return fails() ? -EMFILE : edo_platform_system.eventfd(initial, flags);
}

static int failing_start(pid_t *out, const struct edo_process_plan *plan)
{
    return fails() ? -EAGAIN : edo_platform_system.process_start(out, plan);
}

static int failing_pidfd_open(pid_t process)
{
    return fails() ? -EMFILE : edo_platform_system.pidfd_open(process);
}

static int starts_in_vain(void *argument)
{
    int failed = 0;

    (void)argument;
    for (int nth = 1;; nth++) {
        edo_process_options all = {.size = sizeof all,
                                   .in = EDO_STDIO_PIPE,
                                   .out = EDO_STDIO_FD(1),
                                   .err = EDO_STDIO_PIPE,
                                   .kill_on_close = SIGKILL};
        int before = net_descriptors(true);
        edo_process *process = NULL;
        int rc;

        atomic_store(&calls_left, nth);
        rc = shell(&process, "exit 0", &all);
        if (atomic_load(&calls_left) > 0) {
            atomic_store(&calls_left, 0);
            CHECK_EQUAL(rc, 0);
            CHECK_EQUAL(edo_process_wait(NULL, process), 0);
            edo_process_close(process);
            break;
        }
        failed++;
        CHECK(rc < 0);
        CHECK_EQUAL(net_descriptors(true), before);
        CHECK_EQUAL(waitpid(-1, NULL, WNOHANG), -1); /* killed, and reaped */
    }
    CHECK_EQUAL(failed, 9); /* allocate, eventfd, pipe and fcntl twice, fcntl for 1, start, pidfd_open */
    return 0;
}

static void test_f1_whatever_fails_nothing_runs_and_nothing_is_left(void **state)
{
    (void)state;
    net_table.allocate = failing_allocate;
    net_table.pipe = failing_pipe;
    net_table.fcntl = failing_fcntl;
    net_table.eventfd = failing_eventfd;
    net_table.process_start = failing_start;
    net_table.pidfd_open = failing_pidfd_open;
    atomic_store(&calls_left, 0);
    /* No monitor, which would make calls, too, for a spare thread. */
    assert_int_equal(
        edo_run(starts_in_vain, NULL,
                EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER)),
        0);
}

static int forks(void *argument)
{
    edo_process *process;
    pid_t child;
    int status;

    (void)argument;
    CHECK_EQUAL(
        shell(&process, "read line", EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE, .kill_on_close = SIGKILL)),
        0);
    child = fork();
    if (child == 0) {
        edo_process *other;
        bool refused = edo_process_wait(NULL, process) == -EPERM && edo_process_kill(process, SIGKILL) == -EPERM &&
                       shell(&other, "exit 0", NULL) == -EPERM;

        edo_process_close(process);
        _exit(refused ? 0 : 1);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(edo_process_kill(process, 0), 0);
    edo_close(edo_process_take_stream(process, EDO_STDIN)); /* it is the end of its input: still there until now */
    CHECK_EQUAL(edo_process_wait(&status, process), 0);
    CHECK_EQUAL(status, 1);
    edo_process_close(process);
    return 0;
}

static void test_f4_a_forked_child_has_no_processes(void **state)
{
    (void)state;
    assert_int_equal(run_process_test(1, forks, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_table_begin, files_table_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_process_is_started_and_its_end_is_told_as_often_as_asked),
        TEST(test_a_process_gets_its_arguments_environment_and_directory),
        TEST(test_what_cannot_be_started_is_told_and_leaves_nothing),
        TEST(test_t2_in_a_seeded_run_there_are_no_processes),
        TEST(test_standard_descriptors_are_what_was_asked_for),
        TEST(test_pipes_work_for_who_has_no_standard_descriptors),
        TEST(test_c3_a_cancelled_wait_leaves_the_process_and_its_end_to_others),
        TEST(test_c1_a_cancelled_scope_starts_nothing),
        TEST(test_f1_a_status_that_somebody_else_took_is_told),
        TEST(test_closing_kills_the_group_or_lets_it_go_on_and_leaves_no_zombie),
        TEST(test_orphans_are_reaped_when_their_runtime_is_long_gone),
        TEST(test_f1_an_orphan_that_cannot_be_watched_is_looked_after_later),
        TEST(test_f1_whatever_fails_nothing_runs_and_nothing_is_left),
        TEST(test_f4_a_forked_child_has_no_processes),
    };

    int pidfd = edo_platform_system.pidfd_open(getpid());

    if (pidfd == -ENOSYS) { /* Valgrind, older emulators */
        print_message("no pidfds here: no processes\n");
        return 0;
    }
    close(pidfd);
    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
