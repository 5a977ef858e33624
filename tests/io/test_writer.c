/* SPDX-License-Identifier: MIT */
/* The buffered writer: what is taken comes out once and in order, whatever is cancelled or refused (C1, C3, F1). */
#include "pieces.h"

static char much[400000];

static void fill_much(void)
{
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * 31 >> 3);
}

/* A pair with little room in between: [0] is written, [1] read. */
static void narrow_pair(edo_stream *pair[2])
{
    int small = 4096;

    net_pair(pair);
    CHECK_EQUAL(setsockopt(edo_stream_fd(pair[0]), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
}

/* --- What comes out ----------------------------------------------------------------------------------------------- */

/* Reads until the end: what there is must be the beginning of `much`. */
struct sink {
    edo_stream *stream;
    size_t size;
};

static int compares(void *argument)
{
    struct sink *sink = argument;
    char buffer[3000];
    ssize_t n;

    while ((n = edo_read(sink->stream, buffer, sizeof buffer)) > 0) {
        CHECK(sink->size + (size_t)n <= sizeof much);
        CHECK(memcmp(buffer, much + sink->size, (size_t)n) == 0);
        sink->size += (size_t)n;
    }
    return (int)n;
}

/* Hands the writer the next `size` bytes of `much`, in one of its ways. */
static void hand_over(edo_writer *writer, uint32_t *dice, const char *data, size_t size)
{
    struct iovec pieces[20];
    void *place;
    int count = 0;

    switch (pieces_random(dice) % 5) {
    case 0:
        CHECK_EQUAL(edo_writer_put(writer, (edo_str){data, size}), (ssize_t)size);
        break;
    case 1:
        CHECK_EQUAL(edo_writer_reserve(&place, writer, size), 0);
        memcpy(place, data, size);
        edo_writer_commit(writer, size);
        break;
    case 2:
        for (size_t left = size; count < 20; count++) { /* some of them empty */
            size_t part = count == 19 ? left : left > 0 ? pieces_random(dice) % left : 0;

            pieces[count] = (struct iovec){(char *)(uintptr_t)data + (size - left), part};
            left -= part;
        }
        CHECK_EQUAL(edo_writer_writev(writer, pieces, 20), (ssize_t)size);
        break;
    case 3:
        edo_writer_trim(writer);
        CHECK_EQUAL(edo_writer_write(writer, data, size), (ssize_t)size);
        break;
    default:
        CHECK_EQUAL(edo_writer_flush(writer), 0);
        CHECK_EQUAL(edo_writer_pending(writer), 0);
        CHECK_EQUAL(edo_writer_write(writer, data, size), (ssize_t)size);
    }
}

static int writes_at_random(void *argument)
{
    uint32_t dice = *(uint32_t *)argument;
    edo_stream *pair[2];
    edo_writer writer;
    struct sink sink;
    char given[300];
    size_t size = 0;
    int rc = 0;

    narrow_pair(pair);
    sink = (struct sink){pair[1], 0};
    if (dice % 2)
        edo_writer_init(&writer, pair[0], given, 1 + pieces_random(&dice) % sizeof given);
    else
        edo_writer_init(&writer, pair[0], NULL, dice % 4 ? 1000 : 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, compares, &sink), 0);
        for (int i = 0; i < 60; i++) {
            size_t next = pieces_random(&dice) % (pieces_random(&dice) % 8 == 0 ? 20000 : 200);

            hand_over(&writer, &dice, much + size, next);
            size += next;
        }
        CHECK_EQUAL(edo_writer_flush(&writer), 0);
        CHECK_EQUAL(edo_writer_finish(&writer), 0);
        edo_close(pair[0]);
    }
    CHECK_EQUAL(sink.size, size);
    edo_close(pair[1]);
    return rc;
}

static void test_all_that_is_taken_comes_out_in_order(void **state)
{
    (void)state;
    fill_much();
    for (uint32_t seed = 0; seed < (uint32_t)edo_test_rounds(200); seed++)
        assert_int_equal(net_run_alone(writes_at_random, &seed), 0);
    assert_int_equal(pieces_live, 0);
}

static int prints(void *argument)
{
    char given[16];
    char text[200];
    edo_stream *pair[2];
    edo_writer writer;

    (void)argument;
    net_pair(pair);
    edo_writer_init(&writer, pair[0], given, sizeof given);
    CHECK_EQUAL(edo_writer_printf(&writer, "%s", ""), 0);
    CHECK_EQUAL(edo_writer_printf(&writer, "%d,%s;", 12, "ab"), 6);
    CHECK_EQUAL(edo_writer_printf(&writer, "%d,%s;", 345, "cdefghi"), 12); /* no more room */
    CHECK_EQUAL(edo_writer_printf(&writer, "%s", "0123456789abcdef"), 16); /* a byte less would fit */
    CHECK_EQUAL(edo_writer_printf(&writer, "%040d", 7), 40);
    CHECK_EQUAL(edo_writer_flush(&writer), 0);
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 74);
    CHECK(memcmp(text, "12,ab;345,cdefghi;0123456789abcdef0000000000000000000000000000000000000007", 74) == 0);
    CHECK_EQUAL(edo_writer_printf(&writer, "%s", "0123456789abcdef"), 16); /* all that there is room for */
    CHECK_EQUAL(edo_writer_flush(&writer), 0);
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 16);
    CHECK(memcmp(text, "0123456789abcdef", 16) == 0);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_printf_prints_what_fits_and_what_does_not(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(prints, NULL), 0);
}

/* --- Calls -------------------------------------------------------------------------------------------------------- */

static int counts_calls(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;
    char text[10000];
    int before;

    (void)argument;
    net_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 1000);
    before = net_calls_made();
    for (int i = 0; i < 100; i++)
        CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("0123456789")), 10);
    CHECK_EQUAL(net_calls_made(), before);
    CHECK_EQUAL(edo_writer_pending(&writer), 1000); /* full, and no more */
    CHECK_EQUAL(edo_writer_flush(&writer), 0);
    CHECK_EQUAL(edo_writer_flush(&writer), 0);
    CHECK_EQUAL(net_calls_made(), before + 1);
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 1000);

    before = net_calls_made();
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("head")), 4);
    CHECK_EQUAL(edo_writer_write(&writer, much, 5000), 5000);
    CHECK_EQUAL(net_calls_made(), before + 1); /* both of them */
    CHECK_EQUAL(edo_writer_pending(&writer), 0);
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 5004);

    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("lost")), 4);
    CHECK_EQUAL(edo_writer_finish(&writer), 4);
    CHECK_EQUAL(edo_try_read(pair[1], text, 10), -EAGAIN);
    net_close_pair(pair);
    return 0;
}

static void test_what_is_small_goes_together_and_what_is_large_with_it(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(counts_calls, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* A writer that was trimmed while it held something collects as before. */
static int is_trimmed(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;
    char text[100];

    (void)argument;
    net_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 50);
    for (int flushed = 0; flushed < 2; flushed++) {
        CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("a")), 1);
        edo_writer_trim(&writer); /* to a single byte */
        if (flushed)
            CHECK_EQUAL(edo_writer_flush(&writer), 0);
        CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("0123456789")), 10);
        CHECK_EQUAL(edo_writer_printf(&writer, "%d", 12345), 5);
        CHECK_EQUAL(edo_writer_pending(&writer), 16 - flushed);
        CHECK_EQUAL(edo_writer_flush(&writer), 0);
        CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 16);
        CHECK(memcmp(text, "a012345678912345", 16) == 0);
    }
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_a_trimmed_writer_gets_its_buffer_back(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(is_trimmed, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

/* When nothing moves any more on one worker: everybody waits, or spins here. */
static int cancels_later(void *argument)
{
    net_settle();
    edo_scope_cancel(argument);
    return 0;
}

/* What was taken before the flush, or the payload, was cancelled comes out whole in the end. */
static int is_cancelled(void *argument)
{
    size_t payload = *(size_t *)argument; /* 0: a flush */
    edo_stream *pair[2];
    edo_writer writer;
    struct sink sink;
    void *place;
    size_t taken = 0;
    int rc = 0;

    narrow_pair(pair);
    sink = (struct sink){pair[1], 0};
    edo_writer_init(&writer, pair[0], NULL, payload ? 500 : 100000);
    if (payload == 0) {
        CHECK_EQUAL(edo_writer_write(&writer, much, 100000), 100000);
        taken = 100000;
    } else {
        CHECK_EQUAL(edo_writer_write(&writer, much, 77), 77);
        taken = 77;
    }
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, cancels_later, scope), 0);
        if (payload == 0) {
            CHECK_EQUAL(edo_writer_flush(&writer), -ECANCELED);
            CHECK(edo_writer_pending(&writer) > 0 && edo_writer_pending(&writer) < taken);
        } else {
            CHECK_EQUAL(edo_writer_write(&writer, much + taken, payload),
                        (ssize_t)payload); /* begun, so it has happened */
            taken += payload;
            CHECK(edo_writer_pending(&writer) > 500);
        }
        CHECK_EQUAL(edo_writer_flush(&writer), -ECANCELED);
        CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("x")), -ECANCELED);
        CHECK_EQUAL(edo_writer_printf(&writer, "x"), -ECANCELED);
        CHECK_EQUAL(edo_writer_reserve(&place, &writer, 1), -ECANCELED);
        CHECK_EQUAL(edo_writer_writev(&writer, NULL, 0), -ECANCELED);
    }
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, compares, &sink), 0);
        CHECK_EQUAL(edo_writer_write(&writer, much + taken, 10), 10);
        CHECK_EQUAL(edo_writer_flush(&writer), 0);
        edo_close(pair[0]);
    }
    CHECK_EQUAL(sink.size, taken + 10);
    edo_close(pair[1]);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    return rc;
}

static void test_c3_what_is_cancelled_midway_is_written_later(void **state)
{
    (void)state;
    fill_much();
    assert_int_equal(net_run_alone(is_cancelled, &(size_t){0}), 0);
    assert_int_equal(net_run_alone(is_cancelled, &(size_t){300000}), 0);
    assert_int_equal(pieces_live, 0);
}

/* Where nothing of it has gone out, a cancelled write has not happened, whatever its size. */
static int is_cancelled_before(void *argument)
{
    size_t size = *(size_t *)argument;
    edo_stream *pair[2];
    edo_writer writer;
    struct sink sink;
    size_t sent = 0;
    size_t pending;
    ssize_t n;
    int rc = 0;

    narrow_pair(pair);
    sink = (struct sink){pair[1], 0};
    edo_writer_init(&writer, pair[0], NULL, 500);
    while ((n = edo_try_write(pair[0], much + sent, 1000)) > 0)
        sent += (size_t)n;
    CHECK_EQUAL(edo_writer_write(&writer, much + sent, 400), 400);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, cancels_later, scope), 0);
        CHECK_EQUAL(edo_writer_write(&writer, much, size), -ECANCELED);
    }
    pending = edo_writer_pending(&writer);
    CHECK_EQUAL(pending, 400);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, compares, &sink), 0);
        CHECK_EQUAL(edo_writer_flush(&writer), 0);
        edo_close(pair[0]);
    }
    CHECK_EQUAL(sink.size, sent + 400);
    edo_close(pair[1]);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    return rc;
}

static void test_c2_a_write_that_is_cancelled_has_taken_nothing(void **state)
{
    (void)state;
    fill_much();
    assert_int_equal(net_run_alone(is_cancelled_before, &(size_t){300}), 0);
    assert_int_equal(net_run_alone(is_cancelled_before, &(size_t){3000}), 0);
    assert_int_equal(pieces_live, 0);
}

/* --- Failure ------------------------------------------------------------------------------------------------------ */

static int hangs_up(void *argument)
{
    net_settle();
    edo_close(argument);
    return 0;
}

/* A dead stream is told each time; a payload that it has got in part is never followed by anything else. */
static int loses_its_peer(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;
    int rc = 0;

    (void)argument;
    narrow_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 100);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, hangs_up, pair[1]), 0);
        CHECK_EQUAL(edo_writer_write(&writer, much, 300000), -EPIPE);
    }
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("x")), -EPIPE);
    CHECK_EQUAL(edo_writer_flush(&writer), -EPIPE);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    edo_writer_init(&writer, pair[0], NULL, 100);
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("x")), 1);
    CHECK_EQUAL(edo_writer_flush(&writer), -EPIPE);
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("y")), 1);
    CHECK_EQUAL(edo_writer_write(&writer, much, 300), -EPIPE);
    CHECK_EQUAL(edo_writer_finish(&writer), 2);
    edo_close(pair[0]);
    return rc;
}

static void test_f1_a_payload_that_cannot_be_ended_breaks_the_writer(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(loses_its_peer, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

static int lacks_memory(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;
    char text[100];
    void *place;

    (void)argument;
    narrow_pair(pair);
    CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), 0);
    edo_writer_init(&writer, pair[0], NULL, 100);
    pieces_refusing = -1;
    CHECK_EQUAL(edo_writer_reserve(&place, &writer, 1), -ENOMEM);
    CHECK_EQUAL(edo_writer_printf(&writer, "%d", 12), -ENOMEM);
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("abc")), 3);
    CHECK_EQUAL(edo_writer_pending(&writer), 0);
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 3); /* without a buffer it goes at once */
    pieces_refusing = 0;
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("abc")), 3);
    pieces_refusing = -1;
    CHECK_EQUAL(edo_writer_reserve(&place, &writer, 101), -ENOMEM); /* it has been flushed for that */
    CHECK_EQUAL(edo_read(pair[1], text, sizeof text), 3);
    pieces_refusing = 0;
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static int cancels_without_memory(void *argument)
{
    net_settle();
    pieces_refusing = -1;
    edo_scope_cancel(argument);
    return 0;
}

static int lacks_memory_midway(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;
    int rc = 0;

    (void)argument;
    narrow_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 100);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, cancels_without_memory, scope), 0);
        CHECK_EQUAL(edo_writer_write(&writer, much, 300000), -ENOMEM);
    }
    pieces_refusing = 0;
    CHECK_EQUAL(edo_writer_put(&writer, EDO_STR("x")), -ENOMEM);
    CHECK_EQUAL(edo_writer_flush(&writer), -ENOMEM);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_f1_without_memory_writes_go_out_or_are_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(lacks_memory, NULL), 0);
    assert_int_equal(net_run_alone(lacks_memory_midway, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

static int misuses(void *argument)
{
    struct iovec pieces[2] = {{much, SIZE_MAX / 2}, {much, SIZE_MAX / 2}};
    edo_stream *pair[2];
    edo_writer writer;

    (void)argument;
    net_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 0);
    CHECK_EQUAL(edo_writer_write(&writer, much, SIZE_MAX), -EINVAL);
    CHECK_EQUAL(edo_writer_writev(&writer, pieces, 2), -EINVAL);
    CHECK_EQUAL(edo_writer_writev(&writer, pieces, -1), -EINVAL);
    CHECK_EQUAL(edo_writer_write(&writer, NULL, 0), 0);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_f2_sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(misuses, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pieces_test(test_all_that_is_taken_comes_out_in_order),
        pieces_test(test_printf_prints_what_fits_and_what_does_not),
        pieces_test(test_what_is_small_goes_together_and_what_is_large_with_it),
        pieces_test(test_a_trimmed_writer_gets_its_buffer_back),
        pieces_test(test_c3_what_is_cancelled_midway_is_written_later),
        pieces_test(test_c2_a_write_that_is_cancelled_has_taken_nothing),
        pieces_test(test_f1_a_payload_that_cannot_be_ended_breaks_the_writer),
        pieces_test(test_f1_without_memory_writes_go_out_or_are_refused),
        pieces_test(test_f2_sizes_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
