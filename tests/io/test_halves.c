/* SPDX-License-Identifier: MIT */
/* Closing by halves: each half belongs to a task of its own, and the second one closes the stream (S2 a, F2). */
#include "net.h"

#include "io/stream.h"

#include <sys/wait.h>

/* --- Pairs of every kind ------------------------------------------------------------------------------------------ */

static void duplex_pair(edo_stream *out[2])
{
    CHECK_EQUAL(edo_duplex(&out[0], &out[1], 0), 0);
}

static void (*const pairs[])(edo_stream *out[2]) = {net_pair, net_tcp_pair, duplex_pair};

static uint64_t streams_open(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    edo_metrics_read(&metrics);
    return metrics.streams;
}

/* --- What is closed, and when ------------------------------------------------------------------------------------- */

static int by_halves(void *argument)
{
    edo_stream *pair[2];
    char byte;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(pairs); i++) {
        pairs[i](pair);
        CHECK_EQUAL(edo_write_all(pair[0], "a", 1), 1);
        edo_close_write(pair[0]);
        CHECK_EQUAL(streams_open(), 2);
        CHECK_EQUAL(edo_read(pair[1], &byte, 1), 1);
        CHECK_EQUAL(edo_read(pair[1], &byte, 1), 0); /* told at once, though the other half is open */
        CHECK_EQUAL(edo_write_all(pair[1], "b", 1), 1);
        CHECK_EQUAL(edo_read(pair[0], &byte, 1), 1);
        CHECK_EQUAL(byte, 'b');
        edo_close_read(pair[0]);
        CHECK_EQUAL(streams_open(), 1);
        edo_close_read(pair[1]);
        CHECK_EQUAL(streams_open(), 1);
        edo_close_write(pair[1]);
        CHECK_EQUAL(streams_open(), 0);

        pairs[i](pair);
        edo_close_read(pair[0]);
        CHECK_EQUAL(edo_write_all(pair[0], "c", 1), 1);
        CHECK_EQUAL(edo_read(pair[1], &byte, 1), 1);
        CHECK_EQUAL(byte, 'c');
        edo_close(pair[0]); /* what is left of it */
        CHECK_EQUAL(edo_read(pair[1], &byte, 1), 0);
        edo_close(pair[1]);
    }
    edo_close_read(NULL);
    edo_close_write(NULL);
    return 0;
}

static void test_the_second_half_closes_the_stream(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, by_halves, NULL), 0);
}

static int a_pipe(void *argument)
{
    edo_stream *ends[2];
    int fds[2];
    char byte;

    (void)argument;
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(pipe2(fds, O_CLOEXEC), 0);
        CHECK_EQUAL(edo_stream_from_fd(&ends[0], fds[0]), 0);
        CHECK_EQUAL(edo_stream_from_fd(&ends[1], fds[1]), 0);
        CHECK_EQUAL(edo_read(ends[1], &byte, 1), -EBADF);
        CHECK_EQUAL(edo_write(ends[0], "x", 1), -EBADF);
        if (i == 0) {
            edo_close_write(ends[1]);
            CHECK_EQUAL(streams_open(), 1);
            CHECK_EQUAL(edo_read(ends[0], &byte, 1), 0);
            edo_close_read(ends[0]);
        } else {
            edo_close_read(ends[0]);
            CHECK_EQUAL(edo_write(ends[1], "x", 1), -EPIPE);
            edo_close_write(ends[1]);
        }
        CHECK_EQUAL(streams_open(), 0);
    }
    return 0;
}

static void test_an_end_of_a_pipe_is_one_half(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, a_pipe, NULL), 0);
}

static int tells_the_peer(void *argument)
{
    edo_stream *pair[2];

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(pairs); i++) {
        if (pairs[i] == net_tcp_pair)
            continue;
        pairs[i](pair);
        edo_close_read(pair[0]);
        CHECK_EQUAL(edo_write(pair[1], "x", 1), -EPIPE);
        net_close_pair(pair);
    }
    return 0;
}

static void test_a_closed_read_half_is_told_where_it_can_be(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, tells_the_peer, NULL), 0);
}

/* --- Calls of a half that is closed ------------------------------------------------------------------------------- */

static int refused(void *argument)
{
    edo_stream *pair[2];
    struct iovec piece = {(char[]){"x"}, 1};
    size_t written;
    char byte;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(pairs); i++) {
        pairs[i](pair);
        CHECK_EQUAL(edo_write_all(pair[1], "x", 1), 1);
        edo_close_read(pair[0]);
        CHECK_EQUAL(edo_read(pair[0], &byte, 1), -EBADF);
        CHECK_EQUAL(edo_try_read(pair[0], &byte, 1), -EBADF);
        CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), -EBADF);
        edo_close_write(pair[1]);
        CHECK_EQUAL(edo_write(pair[1], "x", 1), -EBADF);
        CHECK_EQUAL(edo_writev(pair[1], &piece, 1), -EBADF);
        CHECK_EQUAL(edo_write_all(pair[1], "x", 1), -EBADF);
        CHECK_EQUAL(edo_write_all_part(&written, pair[1], "x", 1), -EBADF);
        CHECK_EQUAL(edo_writev_all(pair[1], &piece, 1), -EBADF);
        CHECK_EQUAL(edo_try_write(pair[1], "x", 1), -EBADF);
        CHECK_EQUAL(edo_try_writev(pair[1], &piece, 1), -EBADF);
        CHECK_EQUAL(edo_wait_writable(pair[1], EDO_FOREVER), -EBADF);
        net_close_pair(pair);
    }
    return 0;
}

static void test_calls_of_a_closed_half_are_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, refused, NULL), 0);
}

static int reads(void *argument)
{
    char byte;

    CHECK_EQUAL(edo_read(argument, &byte, 1), -EBADF);
    return 0;
}

static int waits_to_read(void *argument)
{
    CHECK_EQUAL(edo_wait_readable(argument, EDO_FOREVER), -EBADF);
    return 0;
}

static int goes_on(void *argument)
{
    char byte;

    CHECK_EQUAL(edo_resumption(), -EBADF);
    CHECK_EQUAL(edo_read(argument, &byte, 1), -EBADF);
    return 0;
}

static int writes_much(void *argument)
{
    static char much[1 << 20];
    ssize_t n;

    while ((n = edo_write_all(argument, much, sizeof much)) > 0) /* until there is no room */
        ;
    CHECK_EQUAL(n, -EBADF);
    return 0;
}

static int waits(void *argument)
{
    int (*const readers[])(void *) = {reads, waits_to_read};
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(pairs); i++)
        for (size_t j = 0; j <= EDO_COUNT(readers); j++) {
            pairs[i](pair);
            EDO_SCOPE (scope, &rc) {
                if (j < EDO_COUNT(readers))
                    CHECK_EQUAL(edo_spawn(scope, readers[j], pair[0]), 0);
                else
                    CHECK_EQUAL(edo_spawn(scope, goes_on, pair[0], .when = EDO_WHEN_READABLE(pair[0])), 0);
                CHECK_EQUAL(edo_spawn(scope, writes_much, pair[0]), 0);
                net_settle();
                edo_close_read(pair[0]);
                net_settle();
                edo_close_write(pair[0]);
            }
            edo_close(pair[1]);
        }
    return rc;
}

static void test_calls_at_work_on_a_half_end_when_it_is_closed(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, waits, NULL), 0);
}

/* --- All that may wait for a half --------------------------------------------------------------------------------- */

static int selects_reading(void *argument)
{
    edo_arm arms[] = {EDO_CAN_READ((edo_stream *)argument)};

    CHECK_EQUAL(edo_select(arms, 1), 0);
    CHECK_EQUAL(arms[0].rc, -EBADF);
    return 0;
}

static int selects_writing(void *argument)
{
    edo_arm arms[] = {EDO_CAN_WRITE((edo_stream *)argument)};

    CHECK_EQUAL(edo_select(arms, 1), 0);
    CHECK_EQUAL(arms[0].rc, -EBADF);
    return 0;
}

static int is_resumed(void *argument)
{
    (void)argument;
    CHECK_EQUAL(edo_resumption(), -EBADF);
    return 0;
}

static int goes_dormant_reading(void *argument)
{
    return edo_continue(EDO_WHEN_READABLE(argument), is_resumed, argument);
}

static int goes_dormant_writing(void *argument)
{
    return edo_continue(EDO_WHEN_WRITABLE(argument), is_resumed, argument);
}

static int waits_to_write(void *argument)
{
    CHECK_EQUAL(edo_wait_writable(argument, edo_now() + EDO_SEC(3600)), -EBADF);
    return 0;
}

static int sends_a_file(void *argument)
{
    edo_file *file;
    uint64_t sent;

    CHECK_EQUAL(edo_file_open(&file, "/proc/self/exe", O_RDONLY, 0), 0);
    CHECK_EQUAL(edo_sendfile(&sent, argument, file, 0, UINT64_MAX), -EBADF);
    edo_file_close(file);
    return 0;
}

static int sends_descriptors(void *argument)
{
    int fd = 0;

    CHECK_EQUAL(edo_send_fds(argument, "x", 1, &fd, 1), -EBADF);
    return 0;
}

static int receives_descriptors(void *argument)
{
    int count = 1;
    char byte;
    int fd;

    CHECK_EQUAL(edo_recv_fds(argument, &byte, 1, &fd, &count), -EBADF); /* and not 0, the end */
    return 0;
}

static void fill_up(edo_stream *stream)
{
    static char much[1 << 16];

    while (edo_try_write(stream, much, sizeof much) > 0)
        ;
    while (edo_try_write(stream, much, 1) > 0)
        ;
}

static const struct {
    int (*waits)(void *);
    bool writes;
    bool descriptors; /* for Unix sockets */
} waiters[] = {
    {selects_reading, false, false},     {selects_writing, true, false},      {goes_dormant_reading, false, false},
    {goes_dormant_writing, true, false}, {waits_to_write, true, false},       {sends_a_file, true, false},
    {sends_descriptors, true, true},     {receives_descriptors, false, true},
};

static int everybody_waits(void *argument)
{
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(pairs); i++)
        for (size_t j = 0; j < EDO_COUNT(waiters); j++) {
            if (waiters[j].descriptors && pairs[i] != net_pair)
                continue;
            pairs[i](pair);
            fill_up(pair[0]);
            EDO_SCOPE (scope, &rc) {
                CHECK_EQUAL(edo_spawn(scope, waiters[j].waits, pair[0]), 0);
                net_settle();
                (waiters[j].writes ? edo_close_write : edo_close_read)(pair[0]);
            }
            net_close_pair(pair);
        }
    return rc;
}

static void test_s2_whoever_waits_for_a_half_is_told_that_it_was_closed(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, everybody_waits, NULL), 0);
}

/* A half is closed between a call's look at it and its system call, by another thread as it were. */
static edo_stream *to_be_closed;

static ssize_t closes_and_reads(int fd, void *buffer, size_t size, int flags)
{
    edo_close_read(EDO_TAKE(to_be_closed));
    return edo_platform_system.recv(fd, buffer, size, flags);
}

static ssize_t closes_and_receives(int fd, struct msghdr *message, int flags)
{
    edo_close_read(EDO_TAKE(to_be_closed));
    return edo_platform_system.recvmsg(fd, message, flags);
}

static ssize_t closes_and_writes(int fd, const void *buffer, size_t size, int flags)
{
    edo_close_write(EDO_TAKE(to_be_closed));
    return edo_platform_system.send(fd, buffer, size, flags);
}

static ssize_t closes_and_sends(int fd, const struct msghdr *message, int flags)
{
    edo_close_write(EDO_TAKE(to_be_closed));
    return edo_platform_system.sendmsg(fd, message, flags);
}

static int closed_on_the_way(void *argument)
{
    struct iovec piece = {(char[]){"x"}, 1};
    edo_stream *pair[2];
    char byte;

    (void)argument;
    net_table.recv = closes_and_reads;
    net_table.recvmsg = closes_and_receives;
    net_table.send = closes_and_writes;
    net_table.sendmsg = closes_and_sends;
    for (int i = 0; i < 7; i++) {
        net_pair(pair);
        to_be_closed = pair[0];
        switch (i) {
        case 0:
            CHECK_EQUAL(edo_read(pair[0], &byte, 1), -EBADF); /* 0 would be the peer's end */
            break;
        case 1:
            CHECK_EQUAL(edo_try_read(pair[0], &byte, 1), -EBADF);
            break;
        case 2:
            receives_descriptors(pair[0]);
            break;
        case 3:
            CHECK_EQUAL(edo_write(pair[0], "x", 1), -EBADF); /* -EPIPE would be the peer's doing */
            break;
        case 4:
            CHECK_EQUAL(edo_write_all(pair[0], "x", 1), -EBADF);
            break;
        case 5:
            CHECK_EQUAL(edo_writev(pair[0], &piece, 1), -EBADF);
            break;
        default:
            sends_descriptors(pair[0]);
        }
        CHECK(to_be_closed == NULL);
        net_close_pair(pair);
    }
    return 0;
}

static void test_s2_a_half_closed_during_a_call_is_no_end_of_the_stream(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, closed_on_the_way, NULL), 0);
}

/* The kernel has nothing to say of a full Unix socket, shut down or not: asking it anew must not forget the close. */
static int is_asked_anew(void *argument)
{
    edo_stream *pair[2];
    uint32_t seen;

    (void)argument;
    for (int registered = 0; registered < 2; registered++) {
        net_pair(pair);
        fill_up(pair[0]);
        if (registered)
            CHECK_EQUAL(edo_wait_writable(pair[0], edo_now()), -ETIMEDOUT);
        edo_close_write(pair[0]);
        CHECK(edo_source_ready(&pair[0]->source, EDO_OUT, &seen));
        CHECK_EQUAL(edo_source_ask(&pair[0]->source, EDO_OUT, NULL), 0);
        CHECK(edo_source_ready(&pair[0]->source, EDO_OUT, &seen));
        net_close_pair(pair);
    }
    return 0;
}

static void test_s2_c_asking_the_kernel_anew_keeps_the_close_of_a_half(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_asked_anew, NULL), 0);
}

/* --- Tasks that own a half ---------------------------------------------------------------------------------------- */

enum { AMOUNT = 300000 };

static int sends(void *argument)
{
    edo_stream *out EDO_AUTO(edo_close_write) = argument;
    static char bytes[AMOUNT];

    return edo_write_all(out, bytes, sizeof bytes) == AMOUNT ? 0 : -EIO;
}

static int receives(void *argument)
{
    edo_stream *in EDO_AUTO(edo_close_read) = argument;
    char bytes[4096];
    size_t got = 0;
    ssize_t n;

    while ((n = edo_read(in, bytes, sizeof bytes)) > 0)
        got += (size_t)n;
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(got, AMOUNT);
    return 0;
}

/* All four halves end in any order, on any worker. */
static int four_tasks(void *argument)
{
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (int round = 0; round < edo_test_rounds(40); round++) {
        pairs[(size_t)round % EDO_COUNT(pairs)](pair);
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 2; i++) {
                CHECK_EQUAL(edo_spawn(scope, sends, pair[i]), 0);
                CHECK_EQUAL(edo_spawn(scope, receives, pair[i]), 0);
            }
        }
        CHECK_EQUAL(streams_open(), 0);
    }
    return rc;
}

static void test_halves_are_handed_to_tasks_and_close_by_themselves(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, four_tasks, NULL), 0);
    assert_int_equal(net_run(3, four_tasks, NULL), 0);
}

static int closes_reading(void *argument)
{
    edo_close_read(argument);
    return 0;
}

static int closes_writing(void *argument)
{
    edo_close_write(argument);
    return 0;
}

static int both_at_once(void *argument)
{
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (int round = 0; round < edo_test_rounds(3000); round++) {
        bool socket = round % 2;
        int closes;

        (socket ? net_pair : duplex_pair)(pair);
        closes = atomic_load(&net_calls[NET_CLOSE]);
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, closes_reading, pair[0]), 0);
            CHECK_EQUAL(edo_spawn(scope, closes_writing, pair[0]), 0);
            edo_close_read(pair[1]);
            edo_close_write(pair[1]);
        }
        CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), closes + 2 * socket);
        CHECK_EQUAL(streams_open(), 0);
    }
    return rc;
}

static void test_s2_a_two_halves_closed_at_once_close_once(void **state)
{
    (void)state;
    assert_int_equal(net_run(2, both_at_once, NULL), 0);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int closes_a_half_twice(void *argument)
{
    edo_stream *pair[2];

    (void)argument;
    net_pair(pair);
    edo_close_read(pair[0]);
    edo_close_read(pair[0]);
    CHECK_EQUAL(streams_open(), 2); /* the writer's half is untouched */
    CHECK_EQUAL(edo_write_all(pair[0], "x", 1), 1);
    net_close_pair(pair);
    return 0;
}

static void test_f2_closing_a_half_twice_is_told_or_harmless(void **state)
{
    int status;
    pid_t child;

    (void)state;
#ifndef EDO_DEBUG_CHECKS
    assert_int_equal(net_run(1, closes_a_half_twice, NULL), 0);
#endif
    fflush(NULL);
    child = fork();
    if (child == 0) {
        fclose(stderr);
        net_run(1, closes_a_half_twice, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
#ifdef EDO_DEBUG_CHECKS
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_second_half_closes_the_stream),
        TEST(test_an_end_of_a_pipe_is_one_half),
        TEST(test_a_closed_read_half_is_told_where_it_can_be),
        TEST(test_calls_of_a_closed_half_are_refused),
        TEST(test_calls_at_work_on_a_half_end_when_it_is_closed),
        TEST(test_s2_whoever_waits_for_a_half_is_told_that_it_was_closed),
        TEST(test_s2_a_half_closed_during_a_call_is_no_end_of_the_stream),
        TEST(test_s2_c_asking_the_kernel_anew_keeps_the_close_of_a_half),
        TEST(test_halves_are_handed_to_tasks_and_close_by_themselves),
        TEST(test_s2_a_two_halves_closed_at_once_close_once),
        TEST(test_f2_closing_a_half_twice_is_told_or_harmless),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
