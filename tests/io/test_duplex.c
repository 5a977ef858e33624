/* SPDX-License-Identifier: MIT */
/* Streams in memory: the same promises as over sockets (C2, C3, S2, F1), and no system call. */
#include "net.h"

#include <limits.h>

static void duplex(edo_stream *out[2], size_t capacity)
{
    CHECK_EQUAL(edo_duplex(&out[0], &out[1], capacity), 0);
}

/* --- What goes in comes out --------------------------------------------------------------------------------------- */

enum { MUCH = 1 << 18 };

static unsigned char much[2][MUCH]; /* what goes which way */

struct way {
    edo_stream *stream;
    int number;
    size_t amount;
};

static uint64_t seed_of(const struct way *way)
{
    return edo_test_seed() + (uint64_t)(uintptr_t)way->stream + (uint64_t)way->number;
}

/* Writes everything, by any of the calls, in pieces of any size, and says so. */
static int writes(void *argument)
{
    struct way *way = argument;
    edo_stream *out EDO_AUTO(edo_close_write) = way->stream;
    unsigned char *bytes = much[way->number];
    uint64_t random = seed_of(way);
    size_t done = 0;

    while (done < way->amount) {
        size_t size = 1 + edo_test_random(&random) % (edo_test_random(&random) % 2 ? 9000 : 20);
        struct iovec pieces[3];
        size_t written;
        ssize_t n = 0;

        if (size > way->amount - done)
            size = way->amount - done;
        pieces[0] = (struct iovec){bytes + done, size / 3};
        pieces[1] = (struct iovec){NULL, 0};
        pieces[2] = (struct iovec){bytes + done + size / 3, size - size / 3};
        switch (edo_test_random(&random) % 6) {
        case 0:
            n = edo_write(out, bytes + done, size);
            CHECK(n > 0);
            break;
        case 1:
            n = edo_write_all(out, bytes + done, size);
            CHECK_EQUAL(n, size);
            break;
        case 2:
            n = edo_write_all_part(&written, out, bytes + done, size);
            CHECK_EQUAL(written, size);
            break;
        case 3:
            n = edo_writev(out, pieces, 3);
            CHECK(n > 0);
            break;
        case 4:
            n = edo_writev_all(out, pieces, 3);
            CHECK_EQUAL(n, size);
            break;
        default:
            n = edo_test_random(&random) % 2 ? edo_try_write(out, bytes + done, size) : edo_try_writev(out, pieces, 3);
            if (n == -EAGAIN) {
                CHECK_EQUAL(edo_wait_writable(out, EDO_FOREVER), 0);
                n = 0;
            }
            CHECK(n >= 0);
            break;
        }
        done += (size_t)n;
    }
    return 0;
}

static int reads(void *argument)
{
    struct way *way = argument;
    edo_stream *in EDO_AUTO(edo_close_read) = way->stream;
    unsigned char bytes[9000];
    uint64_t random = ~seed_of(way);
    size_t got = 0;
    ssize_t n;

    for (;;) {
        size_t size = 1 + edo_test_random(&random) % (edo_test_random(&random) % 2 ? sizeof bytes : 20);

        if (edo_test_random(&random) % 3 == 0) {
            n = edo_try_read(in, bytes, size);
            if (n == -EAGAIN) {
                CHECK_EQUAL(edo_wait_readable(in, EDO_FOREVER), 0);
                continue;
            }
        } else {
            n = edo_read(in, bytes, size);
        }
        if (n <= 0)
            break;
        CHECK((size_t)n <= size);
        CHECK(memcmp(bytes, much[way->number] + got, (size_t)n) == 0);
        got += (size_t)n;
    }
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(got, way->amount);
    return 0;
}

static int both_ways(void *argument)
{
    static const size_t capacities[] = {1, 2, 7, 100, 4096, 0, 1000000};
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(capacities) && rc == 0; i++) {
        size_t amount = (size_t)(capacities[i] && capacities[i] < 10 ? MUCH / 64 : MUCH) / EDO_TEST_SCALE;

        duplex(pair, capacities[i]);
        EDO_SCOPE (scope, &rc) {
            for (int number = 0; number < 2; number++) {
                struct way out = {pair[number], number, amount};
                struct way in = {pair[!number], number, amount};

                CHECK_EQUAL(edo_spawn(scope, writes, &out, .copy = sizeof out), 0);
                CHECK_EQUAL(edo_spawn(scope, reads, &in, .copy = sizeof in), 0);
            }
        }
    }
    return rc;
}

static void test_what_goes_in_comes_out_in_order(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, both_ways, NULL), 0);
    assert_int_equal(net_run(2, both_ways, NULL), 0);
    assert_int_equal(net_run(4, both_ways, NULL), 0);
    assert_int_equal(
        net_run_with(both_ways, NULL,
                     EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .migrate_always = true)),
        0);
}

/* Reads and writes by turns, of any sizes, so that the ring is begun, filled and left anywhere. */
static int by_turns(void *argument)
{
    uint64_t random = edo_test_seed();

    (void)argument;
    for (size_t capacity = 1; capacity < 40; capacity++) {
        edo_stream *pair[2];
        size_t put = 0;
        size_t got = 0;

        duplex(pair, capacity);
        for (int i = 0; i < 1000; i++) {
            unsigned char bytes[64];
            size_t size = 1 + edo_test_random(&random) % sizeof bytes;
            size_t room = capacity - (put - got);
            ssize_t n = edo_try_write(pair[0], much[0] + put, size);

            CHECK_EQUAL(n, room == 0 ? -EAGAIN : (ssize_t)(size < room ? size : room));
            put += n > 0 ? (size_t)n : 0;
            size = 1 + edo_test_random(&random) % sizeof bytes;
            n = edo_try_read(pair[1], bytes, size);
            CHECK_EQUAL(n, size < put - got ? size : put - got);
            CHECK(memcmp(bytes, much[0] + got, (size_t)n) == 0);
            got += (size_t)n;
        }
        net_close_pair(pair);
    }
    return 0;
}

static void test_the_ring_is_right_wherever_it_begins(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, by_turns, NULL), 0);
}

/* --- Without waiting; bounds -------------------------------------------------------------------------------------- */

static int tries(void *argument)
{
    edo_stream *pair[2];
    char bytes[200];

    (void)argument;
    duplex(pair, 100);
    CHECK_EQUAL(edo_try_read(pair[0], bytes, 1), -EAGAIN);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + 1), -ETIMEDOUT);
    CHECK_EQUAL(edo_wait_writable(pair[1], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_try_write(pair[1], bytes, 200), 100); /* the capacity, and no more */
    CHECK_EQUAL(edo_try_write(pair[1], bytes, 1), -EAGAIN);
    CHECK_EQUAL(edo_wait_writable(pair[1], edo_now() + 1), -ETIMEDOUT);
    CHECK_EQUAL(edo_try_write(pair[0], bytes, 200), 100); /* the other way has its own */
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_try_read(pair[0], bytes, 1), 1);
    CHECK_EQUAL(edo_wait_writable(pair[1], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_try_write(pair[1], bytes, 2), 1);
    CHECK_EQUAL(edo_read(pair[0], bytes, 200), 100);
    CHECK_EQUAL(edo_read(pair[0], bytes, 0), 0);
    CHECK_EQUAL(edo_write(pair[1], bytes, 0), 0);
    CHECK_EQUAL(edo_try_read(pair[0], bytes, 1), -EAGAIN);
    net_close_pair(pair);
    return 0;
}

static void test_capacity_bounds_each_way(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, tries, NULL), 0);
}

static int has_no_descriptor(void *argument)
{
    edo_stream *pair[2];
    edo_addr address;
    edo_credentials credentials;
    int calls = net_calls_made();
    int count = 1;
    int fd = 0;
    char byte;

    (void)argument;
    duplex(pair, 1);
    CHECK_EQUAL(edo_send_fds(pair[0], "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_EQUAL(edo_recv_fds(pair[0], &byte, 1, &fd, &count), -EOPNOTSUPP);
    CHECK_EQUAL(edo_stream_peer_credentials(&credentials, pair[0]), -EOPNOTSUPP);
    CHECK_EQUAL(edo_stream_fd(pair[0]), -ENOTSUP);
    CHECK_EQUAL(edo_stream_local(&address, pair[0]), -ENOTSOCK);
    CHECK_EQUAL(edo_stream_peer(&address, pair[0]), -ENOTSOCK);
    CHECK_EQUAL(edo_stream_set_nodelay(pair[0], true), -ENOTSOCK);
    CHECK_EQUAL(edo_stream_set_keepalive(pair[0], EDO_SEC(1)), -ENOTSOCK);
    CHECK_EQUAL(edo_write(pair[0], "x", 1), 1);
    CHECK_EQUAL(edo_read(pair[1], &byte, 1), 1);
    CHECK_EQUAL(edo_shutdown(pair[1], 3), -EINVAL);
    net_close_pair(pair);
    CHECK_EQUAL(net_calls_made(), calls);
    return 0;
}

static void test_no_descriptor_and_no_system_call(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, has_no_descriptor, NULL), 0);
}

static atomic_int allocations_left;

static void *allocate_some(size_t size)
{
    return atomic_fetch_sub(&allocations_left, 1) > 0 ? edo_platform_system.allocate(size) : NULL;
}

static int map_some(void **out, size_t size, int protection, int flags)
{
    return atomic_fetch_sub(&allocations_left, 1) > 0 ? edo_platform_system.map(out, size, protection, flags) : -ENOMEM;
}

static int no_memory(void *argument)
{
    edo_stream *pair[2];
    edo_metrics metrics = EDO_METRICS_INIT;
    int rc = -ENOMEM;

    (void)argument;
    for (int allowed = 0; rc < 0; allowed++) {
        CHECK(allowed < 100);
        CHECK_EQUAL(rc, -ENOMEM);
        atomic_store(&allocations_left, allowed);
        rc = edo_duplex(&pair[0], &pair[1], 0);
        atomic_store(&allocations_left, INT_MAX);
        edo_metrics_read(&metrics);
        CHECK_EQUAL(metrics.streams, rc < 0 ? 0 : 2);
    }
    net_close_pair(pair);
    CHECK_EQUAL(edo_duplex(&pair[0], &pair[1], SIZE_MAX), -ENOMEM);
    CHECK_EQUAL(edo_duplex(&pair[0], &pair[1], SIZE_MAX / 4), -ENOMEM);
    return 0;
}

static void test_f1_without_memory_there_is_none(void **state)
{
    edo_stream *pair[2];

    (void)state;
    atomic_store(&allocations_left, INT_MAX);
    net_table.allocate = allocate_some;
    net_table.map = map_some;
    assert_int_equal(net_run(1, no_memory, NULL), 0);
    assert_int_equal(edo_duplex(&pair[0], &pair[1], 0), -EPERM); /* in no task */
}

/* --- The ends of it ----------------------------------------------------------------------------------------------- */

struct expects {
    edo_stream *stream;
    ssize_t result;
};

static int reads_once(void *argument)
{
    struct expects *expects = argument;
    char byte;

    CHECK_EQUAL(edo_read(expects->stream, &byte, 1), expects->result);
    return 0;
}

static int writes_once(void *argument)
{
    struct expects *expects = argument;

    CHECK_EQUAL(edo_write(expects->stream, "x", 1), expects->result);
    return 0;
}

static int waits_once(void *argument)
{
    struct expects *expects = argument;

    CHECK_EQUAL(edo_wait_readable(expects->stream, EDO_FOREVER), expects->result);
    return 0;
}

/* Both directions of pair[0] wait, or its reader waits for readiness only; then one of the ends goes. */
static int close_while_waiting(void *argument)
{
    edo_stream *pair[2];
    int rc = 0;

    (void)argument;
    for (int which = 0; which < 2; which++)
        for (int only = 0; only < 2; only++) {
            struct expects reading = {NULL, which ? 0 : -EBADF};
            struct expects writing = {NULL, which ? -EPIPE : -EBADF};

            duplex(pair, 1);
            reading.stream = writing.stream = pair[0];
            CHECK_EQUAL(edo_write(pair[0], "a", 1), 1);
            EDO_SCOPE (scope, &rc) {
                CHECK_EQUAL(edo_spawn(scope, only ? waits_once : reads_once, &reading), 0);
                CHECK_EQUAL(edo_spawn(scope, writes_once, &writing), 0);
                net_settle();
                edo_close(pair[which]);
            }
            edo_close(pair[!which]);
        }
    return rc;
}

static void test_a_close_ends_the_waits_of_both_ends(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, close_while_waiting, NULL), 0);
}

static int close_after_writing(void *argument)
{
    edo_stream *pair[2];
    char bytes[8];

    (void)argument;
    duplex(pair, 0);
    CHECK_EQUAL(edo_write_all(pair[0], "abc", 3), 3);
    edo_close(pair[0]);
    CHECK_EQUAL(edo_write(pair[1], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_write_all(pair[1], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_read(pair[1], bytes, 2), 2);
    CHECK_EQUAL(edo_read(pair[1], bytes, 2), 1);
    CHECK_EQUAL(edo_read(pair[1], bytes, 2), 0);
    CHECK_EQUAL(edo_read(pair[1], bytes, 2), 0);
    edo_close(pair[1]);
    return 0;
}

static void test_what_was_written_before_a_close_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, close_after_writing, NULL), 0);
}

static int shut_down(void *argument)
{
    edo_stream *pair[2];
    struct expects reading;
    struct expects writing;
    char bytes[8];
    int rc = 0;

    (void)argument;
    duplex(pair, 1);
    reading = (struct expects){pair[1], 0};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, reads_once, &reading), 0);
        net_settle();
        CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_WRITE), 0);
    }
    CHECK_EQUAL(edo_write(pair[0], "x", 1), -EPIPE);
    CHECK_EQUAL(edo_write(pair[1], "y", 1), 1); /* that way goes on */
    CHECK_EQUAL(edo_read(pair[0], bytes, 8), 1);
    CHECK_EQUAL(edo_write(pair[1], "y", 1), 1);
    writing = (struct expects){pair[1], -EPIPE};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, writes_once, &writing), 0);
        net_settle();
        CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_READ), 0);
    }
    CHECK_EQUAL(edo_read(pair[0], bytes, 8), 1); /* it was here already */
    CHECK_EQUAL(edo_read(pair[0], bytes, 8), 0);
    net_close_pair(pair);

    duplex(pair, 1);
    CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_BOTH), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(edo_read(pair[i], bytes, 8), 0);
        CHECK_EQUAL(edo_write(pair[i], "x", 1), -EPIPE);
    }
    net_close_pair(pair);
    return rc;
}

static void test_shutdown_is_told_to_both_ends(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, shut_down, NULL), 0);
}

/* --- Waiting in other ways ---------------------------------------------------------------------------------------- */

static int selects(void *argument)
{
    edo_stream **pair = argument;
    edo_arm arms[] = {EDO_CAN_READ(pair[0]), EDO_CAN_WRITE(pair[0])};
    char byte;

    CHECK_EQUAL(edo_select(arms, 2), 0);
    CHECK_EQUAL(arms[0].rc, 0);
    CHECK_EQUAL(edo_read(pair[0], &byte, 1), 1);
    CHECK_EQUAL(edo_select(arms, 2), 1);
    CHECK_EQUAL(arms[1].rc, 0);
    CHECK_EQUAL(edo_write(pair[0], "w", 1), 1);
    return 0;
}

static int is_selected(void *argument)
{
    edo_stream *pair[2];
    char bytes[2];
    int rc = 0;

    (void)argument;
    duplex(pair, 1);
    CHECK_EQUAL(edo_write(pair[0], "f", 1), 1);
    CHECK_EQUAL(edo_try_write(pair[0], "f", 1), -EAGAIN); /* room is a hint until a write has found none */
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, selects, pair), 0);
        net_settle();
        CHECK_EQUAL(edo_write(pair[1], "r", 1), 1);
        net_settle();
        CHECK_EQUAL(edo_read(pair[1], bytes, 1), 1);
        CHECK_EQUAL(edo_read(pair[1], bytes, 1), 1);
        CHECK_EQUAL(bytes[0], 'w');
    }
    net_close_pair(pair);
    return rc;
}

static void test_select_waits_for_it(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_selected, NULL), 0);
}

struct sleeper {
    edo_stream *stream;
    int turns;
};

static int wakes(void *argument)
{
    struct sleeper *sleeper = argument;
    char byte;
    ssize_t n;

    CHECK_EQUAL(edo_resumption(), 0);
    sleeper->turns++;
    n = edo_read(sleeper->stream, &byte, 1);
    if (n == 1)
        return edo_continue(EDO_WHEN_READABLE(sleeper->stream), wakes, sleeper);
    CHECK_EQUAL(n, 0);
    return 0;
}

static int fills(void *argument)
{
    struct sleeper *sleeper = argument;

    CHECK_EQUAL(edo_resumption(), 0);
    if (sleeper->turns++ < 3) {
        CHECK_EQUAL(edo_write(sleeper->stream, "x", 1), 1);
        return edo_continue(EDO_WHEN_WRITABLE(sleeper->stream), fills, sleeper);
    }
    return 0;
}

static int is_dormant(void *argument)
{
    edo_stream *pair[2];
    struct sleeper reader = {NULL, 0};
    struct sleeper writer = {NULL, 0};
    char byte;
    int rc = 0;

    (void)argument;
    duplex(pair, 1);
    reader.stream = writer.stream = pair[0];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, wakes, &reader, .when = EDO_WHEN_READABLE(pair[0])), 0);
        CHECK_EQUAL(edo_spawn(scope, fills, &writer, .when = EDO_WHEN_WRITABLE(pair[0])), 0);
        for (int i = 0; i < 3; i++) {
            net_settle();
            CHECK_EQUAL(reader.turns, i);
            CHECK_EQUAL(writer.turns, i + 1);
            CHECK_EQUAL(edo_write(pair[1], "x", 1), 1);
            CHECK_EQUAL(edo_read(pair[1], &byte, 1), 1);
        }
        net_settle();
        CHECK_EQUAL(writer.turns, 4);
        edo_close(pair[1]);
    }
    CHECK_EQUAL(reader.turns, 4);
    edo_close(pair[0]);
    return rc;
}

static void test_k5_dormant_tasks_wait_for_it(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_dormant, NULL), 0);
}

static int is_busy(void *argument)
{
    edo_stream *pair[2];
    struct expects reading = {NULL, 1};
    char byte;
    int rc = 0;

    (void)argument;
    duplex(pair, 1);
    reading.stream = pair[0];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, reads_once, &reading), 0);
        net_settle();
        CHECK_EQUAL(edo_read(pair[0], &byte, 1), -EBUSY);
        CHECK_EQUAL(edo_write(pair[1], "x", 1), 1);
    }
    net_close_pair(pair);
    return rc;
}

static void test_a_second_reader_is_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_busy, NULL), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static int is_cancelled(void *argument)
{
    edo_stream *pair[2];
    struct expects reading = {NULL, -ECANCELED};
    struct expects writing = {NULL, -ECANCELED};
    char bytes[8];
    int rc = 0;

    (void)argument;
    duplex(pair, 1);
    reading.stream = writing.stream = pair[0];
    CHECK_EQUAL(edo_write(pair[0], "a", 1), 1);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, reads_once, &reading), 0);
        CHECK_EQUAL(edo_spawn(scope, writes_once, &writing), 0);
        net_settle();
        edo_scope_cancel(scope);
        CHECK_EQUAL(edo_write(pair[1], "x", 1), -ECANCELED);
        CHECK_EQUAL(edo_try_read(pair[1], bytes, 8), -ECANCELED);
    }
    CHECK_EQUAL(edo_read(pair[1], bytes, 8), 1);
    CHECK_EQUAL(edo_try_read(pair[1], bytes, 8), -EAGAIN); /* what was cancelled wrote nothing */
    CHECK_EQUAL(edo_write(pair[1], "y", 1), 1);
    CHECK_EQUAL(edo_read(pair[0], bytes, 8), 1);
    CHECK_EQUAL(bytes[0], 'y');
    net_close_pair(pair);
    return 0;
}

static void test_c3_a_cancelled_call_has_moved_nothing(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cancelled, NULL), 0);
}

static size_t wrote;

static int writes_part(void *argument)
{
    CHECK_EQUAL(edo_write_all_part(&wrote, argument, much, 1000), -ECANCELED);
    return 0;
}

static int is_cut_short(void *argument)
{
    edo_stream *pair[2];
    char bytes[200];
    int rc = 0;

    (void)argument;
    duplex(pair, 100);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, writes_part, pair[0]), 0);
        net_settle();
        CHECK_EQUAL(edo_read(pair[1], bytes, 30), 30);
        net_settle();
        edo_scope_cancel(scope);
    }
    CHECK_EQUAL(wrote, 130);
    CHECK_EQUAL(edo_read(pair[1], bytes, 200), 100);
    net_close_pair(pair);
    return 0;
}

static void test_c2_write_all_part_tells_exactly_what_was_written(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cut_short, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    uint64_t random = edo_test_seed();
    const struct CMUnitTest tests[] = {
        TEST(test_what_goes_in_comes_out_in_order),
        TEST(test_the_ring_is_right_wherever_it_begins),
        TEST(test_capacity_bounds_each_way),
        TEST(test_no_descriptor_and_no_system_call),
        TEST(test_f1_without_memory_there_is_none),
        TEST(test_a_close_ends_the_waits_of_both_ends),
        TEST(test_what_was_written_before_a_close_can_be_read),
        TEST(test_shutdown_is_told_to_both_ends),
        TEST(test_select_waits_for_it),
        TEST(test_k5_dormant_tasks_wait_for_it),
        TEST(test_a_second_reader_is_refused),
        TEST(test_c3_a_cancelled_call_has_moved_nothing),
        TEST(test_c2_write_all_part_tells_exactly_what_was_written),
    };

    for (size_t i = 0; i < MUCH; i++)
        for (int way = 0; way < 2; way++)
            much[way][i] = (unsigned char)edo_test_random(&random);
    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
