/* SPDX-License-Identifier: MIT */
/* From a file to a stream: by sendfile(2) and without it, to the end, short, failing and cancelled (C1, C2, S7, F1). */
#include "kinds.h"

#include "files.h"

#include "runtime/runtime.h"

static edo_file *whole; /* kinds_bytes */

static int opens_whole(void)
{
    files_make(files_path("whole"), (const char *)kinds_bytes, KINDS_MUCH);
    return edo_file_open(&whole, files_path("whole"), O_RDWR, 0);
}

static void closes_whole(void)
{
    edo_file_close(whole);
    unlink(files_path("whole"));
}

/* --- The calls ---------------------------------------------------------------------------------------------------- */

static _Atomic int calls;
static size_t most;
static ssize_t (*instead)(int fd, int file, off_t offset, size_t size);

static ssize_t counted_sendfile(int fd, int file, off_t offset, size_t size)
{
    CHECK(edo_thread_in_region(edo_thread_self())); /* it may wait for the disk */
    atomic_fetch_add(&calls, 1);
    if (size > most)
        most = size;
    return instead ? instead(fd, file, offset, size) : edo_platform_system.sendfile(fd, file, offset, size);
}

static ssize_t is_refused(int fd, int file, off_t offset, size_t size)
{
    (void)fd, (void)file, (void)offset, (void)size;
    return -EINVAL;
}

static int begin(void **state)
{
    int rc = files_begin(state);

    atomic_store(&calls, 0);
    most = 0;
    instead = NULL;
    net_table.sendfile = counted_sendfile;
    return rc;
}

/* --- To the end --------------------------------------------------------------------------------------------------- */

static void sends(int kind, int64_t offset, uint64_t count, size_t expected)
{
    edo_stream *pair[2];
    struct kinds_flow drained;
    uint64_t sent = 7;
    int rc = 0;

    kinds[kind](pair);
    drained = (struct kinds_flow){pair[1], expected ? (size_t)offset : 0, expected};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, kinds_drain, &drained), 0);
        CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, offset, count), 0);
        CHECK_EQUAL(sent, expected);
        edo_close_write(pair[0]);
    }
    CHECK_EQUAL(rc, 0);
    kinds_close_rest(pair, kind);
}

static int to_each_kind(void *argument)
{
    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    for (int kind = 0; kind < KINDS; kind++) {
        sends(kind, 0, UINT64_MAX, KINDS_MUCH);
        sends(kind, 0, KINDS_MUCH, KINDS_MUCH);
        sends(kind, 1000, 100000, 100000);
        sends(kind, 3, 0, 0);
        sends(kind, KINDS_MUCH - 10, 11, 10); /* the file ends before the count does */
        sends(kind, KINDS_MUCH, 1, 0);
        sends(kind, KINDS_MUCH + 5, 1, 0);
        sends(kind, INT64_MAX, UINT64_MAX, 0);
    }
    closes_whole();
    return 0;
}

static void test_any_piece_of_a_file_goes_to_each_kind(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, to_each_kind, NULL), 0);
    assert_int_equal(net_run(2, to_each_kind, NULL), 0);
    assert_true(atomic_load(&calls) > 0);
    assert_true(most <= 1 << 20);
}

static void test_where_sendfile_is_refused_it_reads_and_writes(void **state)
{
    (void)state;
    instead = is_refused;
    assert_int_equal(net_run(1, to_each_kind, NULL), 0);
}

static ssize_t is_refused_later(int fd, int file, off_t offset, size_t size)
{
    return atomic_load(&calls) > 1 ? -EINVAL
                                   : edo_platform_system.sendfile(fd, file, offset, size < 1234 ? size : 1234);
}

static int goes_on(void *argument)
{
    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    sends(0, 77, 200000, 200000);
    closes_whole();
    return 0;
}

static void test_a_refusal_in_between_goes_on_where_it_was(void **state)
{
    (void)state;
    instead = is_refused_later;
    assert_int_equal(net_run(1, goes_on, NULL), 0);
    assert_int_equal(atomic_load(&calls), 2);
}

static int makes_no_sense(void *argument)
{
    edo_stream *pair[2];
    uint64_t sent = 7;

    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    net_pair(pair);
    CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, -1, 1), -EINVAL);
    CHECK_EQUAL(sent, 0);
    edo_close_write(pair[0]);
    CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, 0, 1), -EBADF);
    net_close_pair(pair);
    closes_whole();
    return 0;
}

static void test_f2_what_makes_no_sense_is_refused(void **state)
{
    uint64_t sent = 7;

    (void)state;
    assert_int_equal(net_run(1, makes_no_sense, NULL), 0);
    assert_int_equal(edo_sendfile(&sent, NULL, NULL, 0, 1), -EPERM);
    assert_int_equal(sent, 0);
}

/* --- The file becomes shorter ------------------------------------------------------------------------------------- */

/* By the second call it is that short. */
static ssize_t is_truncated(int fd, int file, off_t offset, size_t size)
{
    if (atomic_load(&calls) == 2)
        CHECK_EQUAL(ftruncate(file, 50000), 0);
    return edo_platform_system.sendfile(fd, file, offset, size < 40000 ? size : 40000);
}

static int shrinks(void *argument)
{
    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    sends(1, 0, KINDS_MUCH, 50000);
    closes_whole();
    return 0;
}

static void test_a_file_that_is_truncated_ends_there(void **state)
{
    (void)state;
    instead = is_truncated;
    assert_int_equal(net_run(1, shrinks, NULL), 0);
}

/* --- Failing ------------------------------------------------------------------------------------------------------ */

static ssize_t fails_at_the_disk(int fd, int file, off_t offset, size_t size)
{
    return atomic_load(&calls) > 1 ? -EIO : edo_platform_system.sendfile(fd, file, offset, size < 1000 ? size : 1000);
}

static int breaks(void *argument)
{
    edo_stream *pair[2];
    uint64_t sent = 7;

    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    for (int kind = 0; kind < KINDS; kind++) {
        sigset_t pending;

        kinds[kind](pair);
        edo_close(pair[1]);
        if (kinds[kind] == net_tcp_pair)
            while (edo_write(pair[0], "x", 1) > 0) /* until the reset has come */
                edo_yield();
        CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, 0, 100), -EPIPE);
        CHECK_EQUAL(sent, 0);
        CHECK_EQUAL(sigpending(&pending), 0);
        CHECK(!sigismember(&pending, SIGPIPE));
        edo_close(pair[0]);
    }
    net_pair(pair);
    instead = fails_at_the_disk;
    atomic_store(&calls, 0);
    CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, 0, 5000), -EIO);
    CHECK_EQUAL(sent, 1000);
    net_close_pair(pair);
    closes_whole();
    return 0;
}

static void test_f1_failures_tell_how_much_was_sent_and_no_signal_comes(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(net_run(1, breaks, NULL), 0);
}

/*
 * The half is closed while the kernel is between two pieces of the file: it sends the signal, but tells what it has
 * moved.
 */
static int sends_until_closed(void *argument)
{
    uint64_t sent;
    int rc;

    do
        rc = edo_sendfile(&sent, argument, whole, 0, KINDS_MUCH);
    while (rc == 0);
    CHECK_EQUAL(rc, -EBADF);
    return 0;
}

static int reads_all(void *argument)
{
    static char bytes[1 << 16];

    while (edo_read(argument, bytes, sizeof bytes) > 0)
        ;
    return 0;
}

static int is_closed_midway(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    for (int round = 0; round < edo_test_rounds(400); round++) {
        edo_stream *pair[2];

        net_pair(pair);
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, sends_until_closed, pair[0]), 0);
            CHECK_EQUAL(edo_spawn(scope, reads_all, pair[1]), 0);
            for (int i = 0; i < round % 30; i++)
                edo_yield();
            edo_close_write(pair[0]);
        }
        net_close_pair(pair);
    }
    closes_whole();
    return rc;
}

static atomic_int signals;

static void counts_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

static void test_f1_no_signal_comes_with_a_short_count_either(void **state)
{
    (void)state;
    signal(SIGPIPE, counts_signal);
    assert_int_equal(net_run(3, is_closed_midway, NULL), 0);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(atomic_load(&signals), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

struct sending {
    edo_stream *to;
    uint64_t sent;
    int rc;
};

static int sends_all(void *argument)
{
    struct sending *sending = argument;

    sending->rc = edo_sendfile(&sending->sent, sending->to, whole, 0, KINDS_MUCH);
    return 0;
}

static int is_cancelled(void *argument)
{
    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    for (int kind = 0; kind < 3; kind++) {
        edo_stream *pair[2];
        struct sending sending = {NULL, 7, 0};
        struct kinds_flow drained;
        int rc = 0;

        kinds[kind](pair);
        if (kinds[kind] != kinds_duplex) {
            int small = 4096;

            CHECK_EQUAL(setsockopt(edo_stream_fd(pair[0]), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
            CHECK_EQUAL(setsockopt(edo_stream_fd(pair[1]), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
        }
        sending.to = pair[0];
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            uint64_t none = 7;
            int before = atomic_load(&calls);

            CHECK_EQUAL(edo_spawn(scope, sends_all, &sending), 0);
            net_settle();
            CHECK(atomic_load(&calls) - before <= 4); /* it waits for room, and does not try again and again */
            edo_scope_cancel(scope);
            before = atomic_load(&calls);
            CHECK_EQUAL(edo_sendfile(&none, pair[0], whole, 0, 10), -ECANCELED);
            CHECK_EQUAL(none, 0);
            CHECK_EQUAL(atomic_load(&calls), before);
        }
        CHECK_EQUAL(sending.rc, -ECANCELED);
        CHECK(sending.sent > 0 && sending.sent < KINDS_MUCH);
        edo_close_write(pair[0]);
        drained = (struct kinds_flow){pair[1], 0, (size_t)sending.sent};
        kinds_drain(&drained);
        kinds_close_rest(pair, kind);
    }
    closes_whole();
    return 0;
}

static void test_c2_a_cancelled_sendfile_tells_exactly_what_was_sent(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cancelled, NULL), 0);
}

/* --- Waiting for the disk ----------------------------------------------------------------------------------------- */

static _Atomic bool others_ran;

static ssize_t waits_for_the_disk(int fd, int file, off_t offset, size_t size)
{
    while (!atomic_load(&others_ran))
        usleep(100);
    return edo_platform_system.sendfile(fd, file, offset, size);
}

static int runs_meanwhile(void *argument)
{
    (void)argument;
    atomic_store(&others_ran, true);
    return 0;
}

static int is_slow(void *argument)
{
    edo_stream *pair[2];
    uint64_t sent;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(opens_whole(), 0);
    net_pair(pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, runs_meanwhile, NULL), 0);
        CHECK_EQUAL(edo_sendfile(&sent, pair[0], whole, 0, 10), 0);
        CHECK_EQUAL(sent, 10);
    }
    net_close_pair(pair);
    closes_whole();
    return rc;
}

static void test_s7_a_slow_disk_holds_nobody_up(void **state)
{
    (void)state;
    instead = waits_for_the_disk;
    assert_int_equal(net_run(1, is_slow, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, files_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_any_piece_of_a_file_goes_to_each_kind),
        TEST(test_where_sendfile_is_refused_it_reads_and_writes),
        TEST(test_a_refusal_in_between_goes_on_where_it_was),
        TEST(test_f2_what_makes_no_sense_is_refused),
        TEST(test_a_file_that_is_truncated_ends_there),
        TEST(test_f1_failures_tell_how_much_was_sent_and_no_signal_comes),
        TEST(test_f1_no_signal_comes_with_a_short_count_either),
        TEST(test_c2_a_cancelled_sendfile_tells_exactly_what_was_sent),
        TEST(test_s7_a_slow_disk_holds_nobody_up),
    };

    kinds_fill();
    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
