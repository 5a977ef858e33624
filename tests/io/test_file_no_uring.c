/* SPDX-License-Identifier: MIT */
/*
 * Runtimes that were to have io_uring for files and get none, whatever the reason: files go by regions, and it is said
 * once (F1). And how the choice is made and checked.
 */
#include "files.h"

#include <string.h>
#include <sys/wait.h>

#if EDO_IO_URING
#include <linux/io_uring.h>
#else
struct io_uring_params {
    uint32_t features;
};
#endif

static const edo_run_options wants_rings = {
    .size = sizeof wants_rings, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .files = EDO_FILES_IO_URING};

static struct {
    int setup; /* what it returns; 0: the kernel's */
    int probe;
    int mappings; /* how many succeed */
    bool old;     /* a kernel without the features */
} refuses;

static int refusing_setup(unsigned entries, struct io_uring_params *params)
{
    int rc = refuses.setup ? refuses.setup : edo_platform_system.uring_setup(entries, params);

    if (refuses.old)
        params->features = 0;
    return rc;
}

static int refusing_register(int ring, unsigned what, void *argument, unsigned count)
{
    return refuses.probe ? refuses.probe : edo_platform_system.uring_register(ring, what, argument, count);
}

static int refusing_map(void **out, size_t size, int fd, off_t offset)
{
    return refuses.mappings-- > 0 ? edo_platform_system.map_shared(out, size, fd, offset) : -ENOMEM;
}

static int refusing_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    char name[64], target[64] = "";

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return readlink(name, target, sizeof target - 1) > 0 && strstr(target, "io_uring")
               ? -ENOSPC
               : edo_platform_system.epoll_ctl(epoll, operation, fd, event);
}

static int has_none(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_file *file;
    char buffer[16];

    (void)argument;
    CHECK_EQUAL(edo_metrics_read(&metrics), 0);
    CHECK_EQUAL(metrics.file_rings, 0);
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDWR, 0), 0);
    CHECK_EQUAL(edo_file_pread(file, buffer, sizeof buffer, 3), 4);
    CHECK(memcmp(buffer, "tent", 4) == 0);
    CHECK_EQUAL(edo_file_write(file, "x", 1), 1);
    CHECK_EQUAL(edo_file_read(file, buffer, sizeof buffer), 6);
    CHECK_EQUAL(edo_file_sync(file), 0);
    edo_file_close(file);
    CHECK_EQUAL(edo_path_unlink(files_path("a")), 0);
    return 0;
}

static void run_refused(int setup, int probe, int mappings, bool old)
{
    refuses.setup = setup;
    refuses.probe = probe;
    refuses.mappings = mappings;
    refuses.old = old;
    assert_int_equal(net_run_with(has_none, NULL, &wants_rings), 0);
}

static void test_f1_without_a_ring_files_go_by_regions(void **state)
{
    (void)state;
    net_table.uring_setup = refusing_setup;
    net_table.uring_register = refusing_register;
    net_table.map_shared = refusing_map;
    run_refused(-EPERM, 0, 99, false); /* the sysctl, and seccomp */
    run_refused(-ENOSYS, 0, 99, false);
    run_refused(-ENOMEM, 0, 99, false);
    run_refused(-EMFILE, 0, 99, false);
    run_refused(0, -EINVAL, 99, false);
    run_refused(0, 0, 99, true);
    run_refused(0, 0, 0, false);
    run_refused(0, 0, 1, false);
    net_table.epoll_ctl = refusing_ctl;
    run_refused(0, 0, 99, false);
}

/* In a process of its own, since it is said once in each: two runs, and what they print. */
static size_t what_is_said(char *text, size_t size)
{
    int ends[2], status = -1;
    ssize_t n;
    size_t total = 0;
    pid_t child;

    CHECK_EQUAL(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        refuses.setup = -EPERM;
        net_table.uring_setup = refusing_setup;
        for (int i = 0; i < 2; i++)
            if (edo_run(has_none, NULL, &wants_rings) != 0)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    while (total < size - 1 && (n = read(ends[0], text + total, size - 1 - total)) > 0)
        total += (size_t)n;
    text[total] = '\0';
    close(ends[0]);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
    return total;
}

static void test_a_refusal_is_said_once(void **state)
{
    char text[512];

    (void)state;
    what_is_said(text, sizeof text);
    assert_non_null(strstr(text, "edo: no io_uring for files, which go by blocking regions: "));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static int returns_seven(void *argument)
{
    (void)argument;
    return 7;
}

static void test_the_choice_is_checked(void **state)
{
    (void)state;
    assert_int_equal(edo_run(returns_seven, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .files = 3)), -EINVAL);
    assert_int_equal(edo_run(returns_seven, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .files = -1)), -EINVAL);
    setenv("EDO_FILES", "aio", 1);
    assert_int_equal(edo_run(returns_seven, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), -EINVAL);
    assert_int_equal(
        edo_run(returns_seven, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .files = EDO_FILES_REGION)), 7);
    setenv("EDO_FILES", "region", 1);
    assert_int_equal(edo_run(has_none, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
    unsetenv("EDO_FILES");
    assert_int_equal(edo_run(has_none, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_a_refusal_is_said_once), /* it forks: before there are threads */
        FILES_TEST(test_f1_without_a_ring_files_go_by_regions),
        FILES_TEST(test_the_choice_is_checked),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
