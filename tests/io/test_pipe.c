/* SPDX-License-Identifier: MIT */
/* Streams over pipes: the same promises as over sockets, by other system calls (C3, S2, F1). */
#include "net.h"

#include <edo/file.h>

#include <sys/eventfd.h>

static void pipe_streams(edo_stream *out[2])
{
    int ends[2];

    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[0], ends[0]), 0);
    CHECK_EQUAL(edo_stream_from_fd(&out[1], ends[1]), 0);
}

/* --- Moving bytes ------------------------------------------------------------------------------------------------- */

enum { MUCH = 1 << 20 };

static char much[MUCH];

static int writes_much(void *argument)
{
    edo_stream *stream = argument;
    struct iovec pieces[3] = {{much, 100000}, {much + 100000, 0}, {much + 100000, 400000}};

    CHECK_EQUAL(edo_writev_all(stream, pieces, 3), 500000);
    CHECK_EQUAL(edo_write_all(stream, much + 500000, MUCH - 500000), MUCH - 500000);
    edo_close(stream);
    return 0;
}

static int moves_much(void *argument)
{
    static char got[MUCH];
    edo_stream *pair[2];
    size_t size = 0;
    ssize_t n;
    int rc = 0;

    (void)argument;
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (char)(i * 7 >> 5);
    pipe_streams(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, writes_much, pair[1]), 0);
        while ((n = edo_read(pair[0], got + size, MUCH - size < 5000 ? MUCH - size : 5000)) > 0)
            size += (size_t)n;
        CHECK_EQUAL(n, 0);
    }
    CHECK_EQUAL(edo_read(pair[0], got, 1), 0); /* the end, again */
    CHECK_EQUAL(size, MUCH);
    CHECK(memcmp(got, much, MUCH) == 0);
    edo_close(pair[0]);
    return rc;
}

static void test_much_goes_through_a_pipe_and_ends(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, moves_much, NULL), 0);
    assert_int_equal(net_run(2, moves_much, NULL), 0);
}

/* --- Without waiting, waiting only, and what a pipe cannot -------------------------------------------------------- */

static int tries(void *argument)
{
    edo_stream *pair[2];
    char byte = 'x';
    ssize_t n;

    (void)argument;
    pipe_streams(pair);
    CHECK_EQUAL(edo_try_read(pair[0], &byte, 1), -EAGAIN);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + 1), -ETIMEDOUT);
    while ((n = edo_try_write(pair[1], much, 5000)) > 0)
        ;
    CHECK_EQUAL(n, -EAGAIN);
    CHECK_EQUAL(edo_wait_writable(pair[1], edo_now() + 1), -ETIMEDOUT);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_read(pair[1], &byte, 1), -EBADF);
    CHECK_EQUAL(edo_write(pair[0], &byte, 1), -EBADF);
    CHECK_EQUAL(edo_shutdown(pair[1], EDO_HALF_WRITE), -ENOTSOCK);
    net_close_pair(pair);
    return 0;
}

static int is_no_stream(void *argument)
{
    edo_stream *stream;
    int event = eventfd(0, EFD_CLOEXEC);
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)argument;
    CHECK_EQUAL(edo_stream_from_fd(&stream, event), -ENOTSOCK);
    CHECK_EQUAL(edo_stream_from_fd(&stream, file), -ENOTSOCK);
    CHECK_EQUAL(fcntl(file, F_GETFL) & O_NONBLOCK, 0); /* it is the caller's, as it was */
    close(event);
    close(file);
    return 0;
}

static void test_pipes_can_be_tried_and_waited_for(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, tries, NULL), 0);
    assert_int_equal(net_run(1, is_no_stream, NULL), 0);
}

/* --- The other end is gone ---------------------------------------------------------------------------------------- */

static int writes_in_vain(void *argument)
{
    edo_stream *stream = argument;

    CHECK_EQUAL(edo_write_all(stream, much, MUCH), -EPIPE); /* it waits for room when the reader goes */
    return 0;
}

static int has_no_reader(void *argument)
{
    struct iovec piece = {much, 1};
    edo_stream *pair[2];
    sigset_t sigpipe;
    int rc = 0;

    (void)argument;
    pipe_streams(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, writes_in_vain, pair[1]), 0);
        net_settle();
        edo_close(pair[0]);
    }
    CHECK_EQUAL(edo_write(pair[1], much, 1), -EPIPE);
    CHECK_EQUAL(edo_writev(pair[1], &piece, 1), -EPIPE);
    CHECK_EQUAL(edo_try_write(pair[1], much, 1), -EPIPE);
    CHECK_EQUAL(sigpending(&sigpipe), 0);
    CHECK(!sigismember(&sigpipe, SIGPIPE));

    /* Who blocks the signal keeps it, as with write(2). */
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
    CHECK_EQUAL(edo_write(pair[1], much, 1), -EPIPE);
    CHECK_EQUAL(sigpending(&sigpipe), 0);
    CHECK(sigismember(&sigpipe, SIGPIPE));
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    CHECK_EQUAL(sigtimedwait(&sigpipe, NULL, &(struct timespec){0, 0}), SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL);
    edo_close(pair[1]);
    return rc;
}

static void test_f1_a_pipe_without_reader_is_epipe_and_no_signal(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(net_run_with(has_no_reader, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                              .stall_after = EDO_FOREVER)),
                     0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static int reads_one(void *argument)
{
    char byte;

    return (int)edo_read(argument, &byte, 1);
}

static int is_cancelled(void *argument)
{
    edo_stream *pair[2];
    edo_task *reader;
    char byte;
    int result;
    int rc = 0;

    (void)argument;
    pipe_streams(pair);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, reads_one, pair[0], .handle = &reader), 0);
        net_settle();
        edo_scope_cancel(scope);
        CHECK_EQUAL(edo_write(pair[1], "x", 1), -ECANCELED);
        EDO_SHIELD (EDO_SEC(30)) {
            CHECK_EQUAL(edo_join(&result, reader), 0);
        }
        CHECK_EQUAL(result, -ECANCELED);
    }
    CHECK_EQUAL(edo_write(pair[1], "y", 1), 1);
    CHECK_EQUAL(edo_read(pair[0], &byte, 1), 1);
    CHECK_EQUAL(byte, 'y');
    rc = 0;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, reads_one, pair[0], .handle = &reader), 0);
        net_settle();
        edo_close(pair[0]);
        CHECK_EQUAL(edo_join(&result, reader), 0);
        CHECK_EQUAL(result, -EBADF);
    }
    edo_close(pair[1]);
    return rc;
}

static void test_c3_a_cancelled_read_of_a_pipe_loses_no_byte(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cancelled, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_much_goes_through_a_pipe_and_ends),
        TEST(test_pipes_can_be_tried_and_waited_for),
        TEST(test_f1_a_pipe_without_reader_is_epipe_and_no_signal),
        TEST(test_c3_a_cancelled_read_of_a_pipe_loses_no_byte),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
