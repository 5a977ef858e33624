/* SPDX-License-Identifier: MIT */
/*
 * Calls on streams that wait, or may not: who may call, what a cancellation leaves undone (C1 to C3), and waiting
 * without reading or writing.
 */
#include "net.h"

/* --- Who may call ------------------------------------------------------------------------------------------------- */

static int read_one(void *argument)
{
    char byte;

    return (int)edo_read((edo_stream *)argument, &byte, 1);
}

static char sent_to_fill[1 << 16];

static int write_for_ever(void *argument)
{
    ssize_t n;

    while ((n = edo_write((edo_stream *)argument, sent_to_fill, sizeof sent_to_fill)) > 0)
        ;
    return (int)n;
}

static int second_of_a_kind(void *argument)
{
    edo_stream *pair[2];
    edo_task *tasks[2];
    char byte;
    int result;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, read_one, pair[0], .handle = &tasks[0]), 0);
        CHECK_EQUAL(edo_spawn(scope, write_for_ever, pair[0], .handle = &tasks[1]), 0);
        net_settle();
        CHECK_EQUAL(edo_read(pair[0], &byte, 1), -EBUSY);
        CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), -EBUSY);
        CHECK_EQUAL(edo_write(pair[0], &byte, 1), -EBUSY);
        CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), -EBUSY);
        /* The first ones are still there. */
        CHECK_EQUAL(edo_write(pair[1], "x", 1), 1);
        CHECK_EQUAL(edo_join(&result, tasks[0]), 0);
        CHECK_EQUAL(result, 1);
        CHECK(!edo_task_done(tasks[1]));
        edo_close(pair[1]);
        CHECK_EQUAL(edo_join(&result, tasks[1]), 0);
        CHECK(result == -EPIPE || result == -ECONNRESET);
    }
    edo_close(pair[0]);
    return rc;
}

static void test_a_second_reader_or_writer_is_busy(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, second_of_a_kind, NULL), 0);
}

static atomic_int outside_done;
static edo_stream *outside_streams[2];
static edo_listener *outside_listener;

static void *call_from_outside(void *argument)
{
    struct iovec piece = {(char[]){"x"}, 1};
    edo_stream *stream;
    edo_listener *listener;
    edo_addr address;
    size_t written;
    char byte;

    (void)argument;
    CHECK_EQUAL(edo_read(outside_streams[0], &byte, 1), -EPERM);
    CHECK_EQUAL(edo_write(outside_streams[0], &byte, 1), -EPERM);
    CHECK_EQUAL(edo_writev(outside_streams[0], &piece, 1), -EPERM);
    CHECK_EQUAL(edo_write_all(outside_streams[0], &byte, 1), -EPERM);
    CHECK_EQUAL(edo_write_all_part(&written, outside_streams[0], &byte, 1), -EPERM);
    CHECK_EQUAL(edo_writev_all(outside_streams[0], &piece, 1), -EPERM);
    CHECK_EQUAL(edo_wait_readable(outside_streams[0], EDO_FOREVER), -EPERM);
    CHECK_EQUAL(edo_wait_writable(outside_streams[0], EDO_FOREVER), -EPERM);
    CHECK_EQUAL(edo_wait_fd(0, EDO_READABLE, EDO_FOREVER), -EPERM);
    CHECK_EQUAL(edo_accept(&stream, outside_listener), -EPERM);
    CHECK_EQUAL(edo_tcp_connect(&stream, "127.0.0.1:1", NULL), -EPERM);
    CHECK_EQUAL(edo_tcp_listen(&listener, "127.0.0.1:0", NULL), -EPERM);
    CHECK_EQUAL(edo_stream_from_fd(&stream, 0), -EPERM);
    /* These are for any thread. */
    CHECK_EQUAL(edo_listener_addr(&address, outside_listener), 0);
    CHECK_EQUAL(edo_stream_local(&address, outside_streams[0]), 0);
    CHECK_EQUAL(edo_stream_peer(&address, outside_streams[0]), 0);
    CHECK_EQUAL(edo_stream_set_keepalive(outside_streams[0], 0), 0);
    CHECK(edo_stream_fd(outside_streams[0]) >= 0);
    CHECK_EQUAL(edo_shutdown(outside_streams[0], EDO_HALF_WRITE), 0);
    atomic_store(&outside_done, 1);
    return NULL;
}

static int calls_outside_a_task(void *argument)
{
    edo_addr address;
    pthread_t thread;

    (void)argument;
    net_listen(&outside_listener, &address, NULL);
    net_pair(outside_streams);
    CHECK_EQUAL(pthread_create(&thread, NULL, call_from_outside, NULL), 0);
    pthread_join(thread, NULL);
    net_close_pair(outside_streams);
    edo_listener_close(outside_listener);
    return 0;
}

static void test_f2_calls_outside_a_task_are_refused(void **state)
{
    (void)state;
    atomic_store(&outside_done, 0);
    assert_int_equal(net_run(1, calls_outside_a_task, NULL), 0);
    assert_int_equal(atomic_load(&outside_done), 1);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static int calls_in_a_cancelled_scope(void *argument)
{
    struct iovec piece = {(char[]){"x"}, 1};
    edo_listener *listener;
    edo_stream *stream = NULL;
    edo_stream *pair[2];
    edo_addr address;
    size_t written = 99;
    char buffer[4];
    int calls;
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    net_pair(pair);
    CHECK_EQUAL(edo_write(pair[1], "abcd", 4), 4);
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        calls = net_calls_made();
        for (int i = 0; i < 2; i++) { /* every time, until the scope is left */
            CHECK_EQUAL(edo_read(pair[0], buffer, 4), -ECANCELED);
            CHECK_EQUAL(edo_write(pair[0], "x", 1), -ECANCELED);
            CHECK_EQUAL(edo_writev(pair[0], &piece, 1), -ECANCELED);
            CHECK_EQUAL(edo_write_all(pair[0], "x", 1), -ECANCELED);
            CHECK_EQUAL(edo_write_all_part(&written, pair[0], "x", 1), -ECANCELED);
            CHECK_EQUAL(written, 0);
            CHECK_EQUAL(edo_writev_all(pair[0], &piece, 1), -ECANCELED);
            CHECK_EQUAL(piece.iov_len, 1);
            CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), -ECANCELED);
            CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), -ECANCELED);
            CHECK_EQUAL(edo_accept(&stream, listener), -ECANCELED);
            CHECK_EQUAL(edo_connect(&stream, &address, NULL), -ECANCELED);
            CHECK_EQUAL(edo_wait_fd(edo_stream_fd(pair[0]), EDO_WRITABLE, EDO_FOREVER), -ECANCELED);
        }
        CHECK_EQUAL(net_calls_made(), calls);
        CHECK(stream == NULL);
        edo_close(pair[1]); /* close always closes */
        CHECK(net_calls_made() > calls);
    }
    rc = 0;
    CHECK_EQUAL(edo_read(pair[0], buffer, 4), 4); /* nothing was taken */
    CHECK(memcmp(buffer, "abcd", 4) == 0);
    edo_close(pair[0]);
    edo_listener_close(listener);
    return rc;
}

static void test_c1_a_cancelled_scope_makes_no_syscall(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, calls_in_a_cancelled_scope, NULL), 0);
}

/* Refused calls spend budget too: a loop that ignores errors gives others their turn. */
static int count_a_turn(void *argument)
{
    ++*(int *)argument;
    return 0;
}

static int ignore_refusals(void *argument)
{
    edo_stream *pair[2];
    edo_scope *root = edo_scope_current();
    int turns = 0;
    char byte;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_spawn(root, count_a_turn, &turns), 0);
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        for (int i = 0; i < 100000 && turns == 0; i++)
            CHECK_EQUAL(edo_read(pair[0], &byte, 1), -ECANCELED);
        CHECK_EQUAL(turns, 1);
    }
    net_close_pair(pair);
    return 0;
}

static void test_c1_a_refused_call_spends_budget(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, ignore_refusals, NULL), 0);
}

static int write_part_cancelled(void *argument)
{
    static char many[1 << 22];
    edo_stream *pair[2];
    size_t received = 0;
    int rc;

    (void)argument;
    for (int kind = 0; kind < 2; kind++) {
        size_t written = 0;
        ssize_t n = 0;

        rc = 0;
        (kind ? net_pair : net_tcp_pair)(pair);
        EDO_TIMEOUT (EDO_MS(20), &rc) {
            n = edo_write_all_part(&written, pair[0], many, sizeof many);
            rc = (int)n;
        }
        CHECK_EQUAL(n, -ECANCELED);
        CHECK_EQUAL(rc, -ETIMEDOUT);
        CHECK(written > 0 && written < sizeof many);
        edo_close(pair[0]);
        received = 0;
        while ((n = edo_read(pair[1], sent_to_fill, sizeof sent_to_fill)) > 0)
            received += (size_t)n;
        CHECK_EQUAL(n, 0);
        CHECK_EQUAL(received, written);
        edo_close(pair[1]);
    }
    return 0;
}

static void test_c2_write_all_part_tells_exactly_what_was_written(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_part_cancelled, NULL), 0);
}

struct storm {
    edo_stream *pair[2];
    size_t least;              /* bytes to send; more if nothing has been cancelled by then */
    _Atomic size_t size;       /* that were sent */
    edo_scope *_Atomic target; /* the reader's scope, while it may be cancelled */
    atomic_bool over;
    _Atomic long cancelled;
};

/* What the target is while the canceller is at it, and afterwards. */
static edo_scope storm_marks[2];
static edo_scope *const storm_busy = &storm_marks[0];
static edo_scope *const storm_done = &storm_marks[1];

static int storm_write(void *argument)
{
    struct storm *storm = (struct storm *)argument;
    uint64_t state = edo_test_seed();
    uint8_t buffer[64];
    size_t sent = 0;

    while (sent < storm->least || atomic_load(&storm->cancelled) == 0) {
        size_t size = 1 + edo_test_random(&state) % sizeof buffer;

        for (size_t i = 0; i < size; i++)
            buffer[i] = (uint8_t)(sent + i);
        CHECK_EQUAL(edo_write_all(storm->pair[0], buffer, size), size);
        sent += size;
        if (edo_test_random(&state) % 2)
            edo_yield();
    }
    atomic_store(&storm->size, sent);
    return edo_shutdown(storm->pair[0], EDO_HALF_WRITE);
}

static int storm_cancel(void *argument)
{
    struct storm *storm = (struct storm *)argument;

    while (!atomic_load(&storm->over)) {
        edo_scope *scope = atomic_load(&storm->target);

        if (scope && scope != storm_busy && scope != storm_done &&
            atomic_compare_exchange_strong(&storm->target, &scope, storm_busy)) {
            edo_scope_cancel(scope);
            atomic_store(&storm->target, storm_done);
        }
        edo_yield();
    }
    return 0;
}

/* Every read in a scope of its own, which somebody cancels or not. */
static int storm_read(struct storm *storm)
{
    uint8_t buffer[48];
    size_t received = 0;
    ssize_t n = 1;

    while (n != 0) {
        edo_scope *mine;
        int rc = 0;

        EDO_SCOPE (scope, &rc) {
            atomic_store(&storm->target, scope);
            n = edo_read(storm->pair[1], buffer, sizeof buffer);
            mine = scope;
            /* Not left before the canceller is done with it. */
            if (!atomic_compare_exchange_strong(&storm->target, &mine, NULL))
                while (atomic_load(&storm->target) != storm_done)
                    edo_yield();
        }
        if (n == -ECANCELED) {
            atomic_fetch_add(&storm->cancelled, 1);
            continue;
        }
        CHECK(n >= 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQUAL(buffer[i], (uint8_t)(received + (size_t)i));
        received += (size_t)n;
    }
    CHECK_EQUAL(received, atomic_load(&storm->size));
    return 0;
}

static int read_storm(void *argument)
{
    struct storm storm = {.least = (size_t)edo_test_rounds(300000)};
    int rc = 0;

    (void)argument;
    net_tcp_pair(storm.pair);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, storm_write, &storm), 0);
        CHECK_EQUAL(edo_spawn(scope, storm_cancel, &storm), 0);
        storm_read(&storm);
        atomic_store(&storm.over, true);
    }
    net_close_pair(storm.pair);
    return rc;
}

static void test_c3_a_cancelled_read_loses_no_byte(void **state)
{
    (void)state;
    assert_int_equal(net_run(2, read_storm, NULL), 0);
    assert_int_equal(net_run(1, read_storm, NULL), 0);
}

/* --- Waiting only ------------------------------------------------------------------------------------------------- */

static int wait_only(void *argument)
{
    edo_stream *pair[2];
    char buffer[8];
    int rc = 0;

    (void)argument;
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(5)), -ETIMEDOUT);
    CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), 0);
    EDO_TIMEOUT (EDO_MS(5), &rc) {
        rc = edo_wait_readable(pair[0], EDO_FOREVER);
        CHECK_EQUAL(rc, -ECANCELED);
    }
    CHECK_EQUAL(rc, -ETIMEDOUT);
    CHECK_EQUAL(edo_write(pair[1], "abcd", 4), 4);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0); /* consumes nothing */
    CHECK_EQUAL(edo_read(pair[0], buffer, 4), 4);            /* all there was, but not short */
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(5)), -ETIMEDOUT);
    /* Registered by a writer: what is assumed of the other direction says nothing. */
    CHECK_EQUAL(edo_wait_writable(pair[1], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_wait_readable(pair[1], edo_now() + EDO_MS(5)), -ETIMEDOUT);
    edo_close(pair[0]);
    CHECK_EQUAL(edo_wait_readable(pair[1], EDO_FOREVER), 0); /* the end is to be read */
    CHECK_EQUAL(edo_read(pair[1], buffer, 4), 0);
    CHECK_EQUAL(edo_wait_readable(pair[1], EDO_FOREVER), 0);
    edo_close(pair[1]);
    return 0;
}

static void test_wait_readable_means_that_a_read_would_not_wait(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, wait_only, NULL), 0);
}

/* The exit to other syscalls: they use up readiness, and nobody told the stream. */
static int wait_after_foreign_calls(void *argument)
{
    edo_stream *pair[2];
    int fd;

    (void)argument;
    net_pair(pair);
    fd = edo_stream_fd(pair[0]);
    CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), 0);
    while (send(fd, sent_to_fill, sizeof sent_to_fill, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    CHECK_EQUAL(edo_wait_writable(pair[0], edo_now() + EDO_MS(5)), -ETIMEDOUT);
    CHECK(edo_read(pair[1], sent_to_fill, sizeof sent_to_fill) > 0);
    CHECK(write(edo_stream_fd(pair[1]), "x", 1) == 1);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    CHECK(read(fd, sent_to_fill, sizeof sent_to_fill) == 1);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(5)), -ETIMEDOUT);
    net_close_pair(pair);
    return 0;
}

static void test_wait_writable_knows_what_other_syscalls_have_used_up(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, wait_after_foreign_calls, NULL), 0);
}

/* Without waiting: what was not there at first is seen later, though nothing was registered that would tell. */
static int try_without_waiting(void *argument)
{
    edo_stream *pair[2];
    char buffer[8];

    (void)argument;
    net_pair(pair);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(edo_try_read(pair[0], buffer, sizeof buffer), -EAGAIN);
        CHECK_EQUAL(edo_try_write(pair[1], "abc", 3), 3);
        CHECK_EQUAL(edo_try_read(pair[0], buffer, sizeof buffer), 3);
    }
    while (edo_try_write(pair[0], sent_to_fill, sizeof sent_to_fill) > 0)
        ;
    CHECK_EQUAL(edo_try_write(pair[0], "x", 1), -EAGAIN);
    while (edo_try_read(pair[1], sent_to_fill, sizeof sent_to_fill) > 0)
        ;
    CHECK_EQUAL(edo_try_writev(pair[0], &(struct iovec){(char[]){"x"}, 1}, 1), 1);
    CHECK_EQUAL(edo_try_read(pair[1], buffer, sizeof buffer), 1);
    /* Registered: the poller tells. */
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    CHECK_EQUAL(edo_try_read(pair[0], buffer, sizeof buffer), -EAGAIN);
    CHECK_EQUAL(edo_write(pair[1], "d", 1), 1);
    net_settle();
    CHECK_EQUAL(edo_try_read(pair[0], buffer, sizeof buffer), 1);
    net_close_pair(pair);
    return 0;
}

static void test_try_sees_what_comes_later(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, try_without_waiting, NULL), 0);
}

static int say_why(void *argument)
{
    (void)argument;
    return edo_resumption();
}

/* A read that took all there was, without being short, leaves no readiness for a dormant task to go on with. */
static int dormant_until_readable(void *argument)
{
    edo_stream *pair[2];
    edo_task *task;
    char buffer[4];
    int result;
    int rc = 0;

    (void)argument;
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    CHECK_EQUAL(edo_write(pair[1], "abcd", 4), 4);
    CHECK_EQUAL(edo_read(pair[0], buffer, 4), 4);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, say_why, NULL, .handle = &task,
                              .when = EDO_WHEN_READABLE(pair[0], .deadline = edo_now() + EDO_MS(5))),
                    0);
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, -ETIMEDOUT);
        CHECK_EQUAL(edo_write(pair[1], "e", 1), 1);
        CHECK_EQUAL(edo_spawn(scope, say_why, NULL, .handle = &task, .when = EDO_WHEN_READABLE(pair[0])), 0);
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, 0);
    }
    net_close_pair(pair);
    return rc;
}

static void test_k5_a_dormant_task_waits_until_there_is_something_to_read(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, dormant_until_readable, NULL), 0);
    assert_int_equal(net_run(2, dormant_until_readable, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_second_reader_or_writer_is_busy),
        TEST(test_f2_calls_outside_a_task_are_refused),
        TEST(test_c1_a_cancelled_scope_makes_no_syscall),
        TEST(test_c1_a_refused_call_spends_budget),
        TEST(test_c2_write_all_part_tells_exactly_what_was_written),
        TEST(test_c3_a_cancelled_read_loses_no_byte),
        TEST(test_wait_readable_means_that_a_read_would_not_wait),
        TEST(test_wait_writable_knows_what_other_syscalls_have_used_up),
        TEST(test_try_sees_what_comes_later),
        TEST(test_k5_a_dormant_task_waits_until_there_is_something_to_read),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
