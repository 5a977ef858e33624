/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors of other code (S2 f): one shot, and nothing stays registered. */
#include "net.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

/* How many descriptors the epoll instances of this process watch. */
static int watched(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    CHECK(directory != NULL);
    while ((entry = readdir(directory))) {
        char name[300];
        char target[64] = {0};
        char row[200];
        FILE *info;

        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) < 0 ||
            strcmp(target, "anon_inode:[eventpoll]") != 0)
            continue;
        snprintf(name, sizeof name, "/proc/self/fdinfo/%s", entry->d_name);
        info = fopen(name, "re");
        CHECK(info != NULL);
        while (fgets(row, sizeof row, info))
            count += strncmp(row, "tfd:", 4) == 0;
        fclose(info);
    }
    closedir(directory);
    return count;
}

static int kinds_of_descriptors(void *argument)
{
    struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
    int base = watched();
    uint64_t one = 1;
    int event;
    int timer;
    int ends[2];
    int rc = 0;

    (void)argument;
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQUAL(edo_wait_fd(event, EDO_WRITABLE, EDO_FOREVER), EDO_WRITABLE);
    CHECK_EQUAL(edo_wait_fd(event, EDO_READABLE, edo_now() + EDO_MS(2)), -ETIMEDOUT);
    CHECK_EQUAL(edo_wait_fd(event, EDO_READABLE, edo_now() - 1), -ETIMEDOUT);
    CHECK_EQUAL(watched(), base);
    CHECK(write(event, &one, sizeof one) == sizeof one);
    CHECK_EQUAL(edo_wait_fd(event, EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    CHECK_EQUAL(edo_wait_fd(event, EDO_READABLE, EDO_FOREVER), EDO_READABLE); /* level, not edge */
    CHECK_EQUAL(edo_wait_fd(event, EDO_READABLE | EDO_WRITABLE, EDO_FOREVER), EDO_READABLE | EDO_WRITABLE);
    CHECK_EQUAL(timerfd_settime(timer, 0, &soon, NULL), 0);
    CHECK_EQUAL(edo_wait_fd(timer, EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    CHECK_EQUAL(edo_wait_fd(ends[1], EDO_WRITABLE, EDO_FOREVER), EDO_WRITABLE);
    EDO_TIMEOUT (EDO_MS(2), &rc) {
        rc = edo_wait_fd(ends[0], EDO_READABLE, EDO_FOREVER);
        CHECK_EQUAL(rc, -ECANCELED);
    }
    CHECK_EQUAL(rc, -ETIMEDOUT);
    CHECK_EQUAL(watched(), base);
    close(ends[0]); /* nobody reads: an error is both */
    CHECK_EQUAL(edo_wait_fd(ends[1], EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    CHECK_EQUAL(edo_wait_fd(ends[1], EDO_WRITABLE, EDO_FOREVER), EDO_WRITABLE);
    close(ends[1]);
    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]); /* a hang-up, too */
    CHECK_EQUAL(edo_wait_fd(ends[0], EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    close(ends[0]);
    close(timer);
    close(event);
    CHECK_EQUAL(watched(), base);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_MOD]), 0);
    return 0;
}

static void test_s2_f_nothing_stays_registered(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, kinds_of_descriptors, NULL), 0);
}

static int refused(void *argument)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int ends[2];

    (void)argument;
    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQUAL(edo_wait_fd(file, EDO_READABLE, EDO_FOREVER), -EPERM);
    CHECK_EQUAL(edo_wait_fd(ends[0], 0, EDO_FOREVER), -EINVAL);
    CHECK_EQUAL(edo_wait_fd(ends[0], 4, EDO_FOREVER), -EINVAL);
    CHECK_EQUAL(edo_wait_fd(ends[0], 5, EDO_FOREVER), -EINVAL);
    CHECK_EQUAL(edo_wait_fd(-1, EDO_READABLE, EDO_FOREVER), -EBADF);
    close(file);
    close(ends[0]);
    close(ends[1]);
    CHECK_EQUAL(edo_wait_fd(ends[0], EDO_READABLE, EDO_FOREVER), -EBADF);
    return 0;
}

static void test_what_cannot_be_waited_for(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, refused, NULL), 0);
    assert_int_equal(edo_wait_fd(0, EDO_READABLE, EDO_FOREVER), -EPERM);
}

struct wish {
    int fd;
    int events;
    int64_t deadline;
};

static int wait_as_wished(void *argument)
{
    struct wish *wish = (struct wish *)argument;

    return edo_wait_fd(wish->fd, wish->events, wish->deadline);
}

/* One epoll instance takes a descriptor once; tasks may wait for the same one all the same. */
static int two_tasks(void *argument)
{
    int base = watched();
    int sockets[2];
    char byte;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
    for (int round = 0; round < 3; round++) {
        struct wish reading = {sockets[0], EDO_READABLE, EDO_FOREVER};
        struct wish both = {sockets[0], EDO_READABLE | EDO_WRITABLE, EDO_FOREVER};
        struct wish late = {sockets[0], EDO_READABLE, edo_now() + EDO_MS(3)};
        edo_task *tasks[4];
        int result;

        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            int ignored = 0;

            CHECK_EQUAL(edo_spawn(scope, wait_as_wished, &reading, .handle = &tasks[0]), 0);
            net_settle();
            CHECK_EQUAL(edo_spawn(scope, wait_as_wished, &both, .handle = &tasks[1]), 0);
            CHECK_EQUAL(edo_spawn(scope, wait_as_wished, &late, .handle = &tasks[2]), 0);
            CHECK_EQUAL(edo_spawn(scope, wait_as_wished, &reading, .handle = &tasks[3]), 0);
            CHECK_EQUAL(edo_join(&result, tasks[1]), 0);
            CHECK_EQUAL(result, EDO_WRITABLE);
            CHECK_EQUAL(edo_join(&result, tasks[2]), 0);
            CHECK_EQUAL(result, -ETIMEDOUT);
            EDO_SCOPE (inner, &ignored) {
                CHECK_EQUAL(edo_spawn(inner, wait_as_wished, &reading), 0);
                net_settle();
                edo_scope_cancel(inner);
            }
            CHECK(!edo_task_done(tasks[0]) && !edo_task_done(tasks[3]));
            CHECK(write(sockets[1], "x", 1) == 1);
            CHECK_EQUAL(edo_join(&result, tasks[0]), 0);
            CHECK_EQUAL(result, EDO_READABLE);
            CHECK_EQUAL(edo_join(&result, tasks[3]), 0);
            CHECK_EQUAL(result, EDO_READABLE);
            CHECK(read(sockets[0], &byte, 1) == 1);
        }
        CHECK_EQUAL(watched(), base);
    }
    close(sockets[0]);
    close(sockets[1]);
    return rc;
}

static void test_s2_f_two_tasks_wait_for_one_descriptor(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, two_tasks, NULL), 0);
    assert_int_equal(net_run(2, two_tasks, NULL), 0);
}

/* A stream's own descriptor is registered already. */
static int wait_for_a_streams(void *argument)
{
    edo_stream *pair[2];
    int base;

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    base = watched();
    CHECK_EQUAL(edo_wait_fd(edo_stream_fd(pair[0]), EDO_WRITABLE, EDO_FOREVER), EDO_WRITABLE);
    CHECK_EQUAL(edo_write(pair[1], "x", 1), 1);
    CHECK_EQUAL(edo_wait_fd(edo_stream_fd(pair[0]), EDO_READABLE, EDO_FOREVER), EDO_READABLE);
    CHECK_EQUAL(watched(), base);
    net_close_pair(pair);
    return 0;
}

static void test_s2_f_a_streams_descriptor_can_be_waited_for_too(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, wait_for_a_streams, NULL), 0);
}

/* Each call of epoll that can fail, does. */
static atomic_int failing_ctl;
static atomic_int failing_create;

static int unable_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && atomic_load(&failing_ctl) > 0 && atomic_fetch_sub(&failing_ctl, 1) == 1)
        return -ENOSPC;
    return net_epoll_ctl(epoll, operation, fd, event);
}

static int unable_create(int flags)
{
    return atomic_load(&failing_create) ? -EMFILE : net_epoll_create(flags);
}

static int wait_in_vain(void *argument)
{
    int base = watched();
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct wish wish = {event, EDO_READABLE, EDO_FOREVER};
    int rc = 0;

    (void)argument;
    atomic_store(&failing_ctl, 1);
    CHECK_EQUAL(edo_wait_fd(event, EDO_WRITABLE, EDO_FOREVER), -ENOSPC);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        int watching;

        CHECK_EQUAL(edo_spawn(scope, wait_as_wished, &wish), 0);
        net_settle();
        watching = watched();
        CHECK_EQUAL(watching, base + 1);
        for (int nth = 1; nth <= 3; nth++) { /* ours, the nested instance's, the nested instance itself */
            atomic_store(&failing_ctl, nth);
            CHECK_EQUAL(edo_wait_fd(event, EDO_WRITABLE, EDO_FOREVER), -ENOSPC);
            CHECK_EQUAL(watched(), watching);
        }
        atomic_store(&failing_create, 1);
        CHECK_EQUAL(edo_wait_fd(event, EDO_WRITABLE, EDO_FOREVER), -EMFILE);
        atomic_store(&failing_create, 0);
        CHECK_EQUAL(edo_wait_fd(event, EDO_WRITABLE, EDO_FOREVER), EDO_WRITABLE);
        CHECK_EQUAL(watched(), watching);
        edo_scope_cancel(scope);
    }
    CHECK_EQUAL(watched(), base);
    close(event);
    return 0;
}

static void test_f1_failures_of_epoll_are_told_and_leave_nothing(void **state)
{
    (void)state;
    net_table.epoll_ctl = unable_ctl;
    net_table.epoll_create = unable_create;
    assert_int_equal(net_run(1, wait_in_vain, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_s2_f_nothing_stays_registered),
        TEST(test_what_cannot_be_waited_for),
        TEST(test_s2_f_two_tasks_wait_for_one_descriptor),
        TEST(test_s2_f_a_streams_descriptor_can_be_waited_for_too),
        TEST(test_f1_failures_of_epoll_are_told_and_leave_nothing),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
