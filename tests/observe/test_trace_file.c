/* SPDX-License-Identifier: MIT */
/*
 * The file of EDO_TRACE_FILE on bad days: the program is killed, the disk is full. What is there is JSON to its end,
 * and a trace. The programs are this one with an argument.
 */
#include "observe/traced.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FULL = 100000 }; /* bytes that a file may have in the program that finds its disk full */

static struct dumped trace;
static char directory[] = "/tmp/edo-trace-XXXXXX";
static char name[64];
static const char *self;

/* --- The programs ------------------------------------------------------------------------------------------------- */

static int next(void *argument)
{
    (void)argument;
    return edo_yield();
}

static int spawns_on(void *argument)
{
    int rc = 0;

    for (int i = 0; (!argument || i < *(int *)argument) && rc == 0; i++)
        EDO_SCOPE (some, &rc) {
            edo_spawn(some, next, NULL, .name = "next");
        }
    return rc;
}

static int program(const char *what)
{
    int count = 5000;
    struct rlimit limit = {FULL, FULL};

    if (strcmp(what, "full") == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    return edo_run(spawns_on, strcmp(what, "for ever") == 0 ? NULL : &count,
                   EDO_OPTIONS(edo_run_options, .workers = 2)) != 0;
}

static pid_t start(const char *what, const char *file, int err)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("EDO_TRACE_FILE", file, 1);
        if (err >= 0)
            dup2(err, STDERR_FILENO);
        execl(self, self, what, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void read_on(int fd)
{
    char text[4096];
    ssize_t n;

    free(trace.text);
    trace = (struct dumped){NULL, 0, 0};
    while ((n = read(fd, text, sizeof text)) > 0)
        dumped_add(&trace, text, (size_t)n);
    close(fd);
}

static void is_a_trace(bool cut)
{
    struct events events = events_of(&trace);

    events.cut = cut;
    events_check(&events);
    assert_true(events_count(&events, 'X', "next") > 100);
    assert_true(events_count(&events, 's', "wake") > 100);
    free(events.all);
}

/* --- Tests -------------------------------------------------------------------------------------------------------- */

static void test_of_a_killed_program_there_is_all_but_the_last_moment(void **state)
{
    struct stat file = {0};
    pid_t pid = start("for ever", name, -1);
    int status;

    (void)state;
    while (stat(name, &file) < 0 || file.st_size < 1000000) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        usleep(1000);
    }
    /* Stopped first, as it may be killed in the middle of pwrite(2), which this waits for. */
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    read_on(open(name, O_RDONLY | O_CLOEXEC));
    assert_true(trace.size >= 1000000);
    is_a_trace(true);
}

static void test_on_a_full_disk_it_ends_with_what_had_room(void **state)
{
    char said[256] = "";
    int err[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(err), 0);
    pid = start("full", name, err[1]);
    close(err[1]);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0); /* the program has not noticed */
    assert_true(read(err[0], said, sizeof said - 1) > 0);
    close(err[0]);
    assert_non_null(strstr(said, "is not whole: file too large"));
    read_on(open(name, O_RDONLY | O_CLOEXEC));
    assert_true(trace.size > FULL / 2 && trace.size <= FULL);
    is_a_trace(true);
}

static void test_where_there_is_no_room_at_all_it_is_told_and_the_program_runs(void **state)
{
    char said[256] = "";
    int err[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(err), 0);
    pid = start("well", "/dev/full", err[1]);
    close(err[1]);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(read(err[0], said, sizeof said - 1) > 0);
    close(err[0]);
    assert_non_null(strstr(said, "is not whole: no space left"));
}

static void test_a_pipe_gets_it_too(void **state)
{
    char pipe_name[80];
    int status;
    pid_t pid;

    (void)state;
    snprintf(pipe_name, sizeof pipe_name, "%s.pipe", name);
    assert_int_equal(mkfifo(pipe_name, 0600), 0);
    pid = start("well", pipe_name, -1);
    read_on(open(pipe_name, O_RDONLY | O_CLOEXEC));
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    is_a_trace(false);
    unlink(pipe_name);
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(name, sizeof name, "%s/trace.json", directory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(trace.text);
    unlink(name);
    return rmdir(directory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_killed_program_there_is_all_but_the_last_moment),
        cmocka_unit_test(test_on_a_full_disk_it_ends_with_what_had_room),
        cmocka_unit_test(test_where_there_is_no_room_at_all_it_is_told_and_the_program_runs),
        cmocka_unit_test(test_a_pipe_gets_it_too),
    };

    self = argv[0];
    if (argc > 1)
        return program(argv[1]);
#if EDO_TEST_EMULATED
    return 0; /* such a program cannot be started by its name */
#endif
    return cmocka_run_group_tests(tests, begin, end);
}
