/* SPDX-License-Identifier: MIT */
/* Frames: what each framing puts on the wire, and that it is read back however it arrives (C3, F1). */
#include "pieces.h"

#include <limits.h>

/* --- Cases -------------------------------------------------------------------------------------------------------- */

#define BYTES(text) text, sizeof(text) - 1
#define FRAMING(...)                                                                                                   \
    {                                                                                                                  \
        .size = sizeof(edo_framing), __VA_ARGS__                                                                       \
    }

/* A frame that is written from `data`, stands on the wire as `wire`, and is read as `read`. */
struct frame_case {
    edo_framing framing;
    const char *data;
    size_t size;
    const char *wire;
    size_t wire_size;
    const char *read;
    size_t read_size;
};

static const struct frame_case cases[] = {
    {FRAMING(0), BYTES("hello"), BYTES("\0\0\0\5hello"), BYTES("hello")},
    {FRAMING(0), BYTES(""), BYTES("\0\0\0\0"), BYTES("")},
    {FRAMING(.field = 1), BYTES("hello"), BYTES("\5hello"), BYTES("hello")},
    {FRAMING(.field = 2), BYTES("hello"), BYTES("\0\5hello"), BYTES("hello")},
    {FRAMING(.field = 2, .little_endian = true), BYTES("hello"), BYTES("\5\0hello"), BYTES("hello")},
    {FRAMING(.field = 3, .little_endian = true), BYTES("hello"), BYTES("\5\0\0hello"), BYTES("hello")},
    {FRAMING(.field = 4, .little_endian = true), BYTES("hello"), BYTES("\5\0\0\0hello"), BYTES("hello")},
    {FRAMING(.field = 8), BYTES("hello"), BYTES("\0\0\0\0\0\0\0\5hello"), BYTES("hello")},
    {FRAMING(.field = 8, .little_endian = true), BYTES("hello"), BYTES("\5\0\0\0\0\0\0\0hello"), BYTES("hello")},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES("hello"), BYTES("\5hello"), BYTES("hello")},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES(""), BYTES("\0"), BYTES("")},
    /* The field counts itself. */
    {FRAMING(.field = 2, .adjust = -2), BYTES("hello"), BYTES("\0\7hello"), BYTES("hello")},
    /* The field does not count a type byte that follows. */
    {FRAMING(.field = 2, .adjust = 1), BYTES("Thello"), BYTES("\0\5Thello"), BYTES("Thello")},
    {FRAMING(.field = 2, .adjust = 1, .skip = 3), BYTES("Thello"), BYTES("\0\5Thello"), BYTES("hello")},
    /* A type byte before the field, which counts the whole head. */
    {FRAMING(.field = 2, .offset = 1, .adjust = -3), BYTES("Thello"), BYTES("T\0\10hello"), BYTES("hello")},
    {FRAMING(.field = 2, .offset = 1, .adjust = -3, .skip = EDO_FRAME_WHOLE), BYTES("Thello"), BYTES("T\0\10hello"),
     BYTES("T\0\10hello")},
    {FRAMING(.field = 2, .offset = 1, .skip = 1), BYTES("Thello"), BYTES("T\0\5hello"), BYTES("\0\5hello")},
    {FRAMING(.field = EDO_FRAME_VARINT, .offset = 2), BYTES("abhello"), BYTES("ab\5hello"), BYTES("hello")},
    {FRAMING(.limit = 5), BYTES("hello"), BYTES("\0\0\0\5hello"), BYTES("hello")},
};

/* --- Reading ------------------------------------------------------------------------------------------------------ */

struct expected {
    const edo_framing *framing;
    const struct frame_case *one;
    size_t buffer_size;
    int end; /* what comes behind the three frames */
};

enum { TIMES = 3 };

static int reads_frames(edo_stream *stream, void *argument)
{
    struct expected *expected = argument;
    edo_reader reader;
    edo_str frame;

    edo_reader_init(&reader, stream, NULL, expected->buffer_size);
    for (int i = 0; i < TIMES; i++) {
        CHECK_EQUAL(edo_frame_read(&frame, &reader, expected->framing), expected->one->wire_size);
        CHECK_EQUAL(frame.size, expected->one->read_size);
        CHECK(memcmp(frame.data, expected->one->read, frame.size) == 0);
    }
    CHECK_EQUAL(edo_frame_read(&frame, &reader, expected->framing), expected->end);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, expected->framing), expected->end);
    edo_reader_finish(&reader);
    return 0;
}

static int writes_and_reads(const struct frame_case *one, const edo_framing *framing)
{
    static const size_t buffer_sizes[] = {0, 1, 3, 10};
    char wire[200];
    edo_stream *pair[2];
    edo_writer writer;
    size_t size = TIMES * one->wire_size;

    for (size_t b = 0; b < EDO_COUNT(buffer_sizes); b++) {
        net_pair(pair);
        edo_writer_init(&writer, pair[0], NULL, buffer_sizes[b]);
        for (int i = 0; i < TIMES; i++)
            CHECK_EQUAL(edo_frame_write(&writer, framing, one->data, one->size), one->wire_size);
        CHECK_EQUAL(edo_writer_flush(&writer), 0);
        CHECK_EQUAL(edo_writer_finish(&writer), 0);
        CHECK_EQUAL(edo_read(pair[1], wire, sizeof wire), size);
        for (size_t i = 0; i < TIMES; i++)
            CHECK(memcmp(wire + i * one->wire_size, one->wire, one->wire_size) == 0);
        net_close_pair(pair);
        for (uint32_t way = 0; way < 8; way++) {
            struct expected expected = {framing, one, buffer_sizes[b], 0};

            CHECK_EQUAL(pieces_read(reads_frames, &expected, wire, size, way), 0);
            expected.end = -ENODATA;
            wire[size] = one->wire[0]; /* one byte of a fourth */
            if (one->wire_size > 1)
                CHECK_EQUAL(pieces_read(reads_frames, &expected, wire, size + 1, way), 0);
        }
    }
    return 0;
}

static int all_cases(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(cases); i++)
        writes_and_reads(&cases[i], &cases[i].framing);
    return writes_and_reads(&cases[0], NULL);
}

static void test_frames_are_read_as_they_were_written_however_they_arrive(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(all_cases, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* Sizes around those at which a length field grows, or ends. */
static int sizes_come_back(void *argument)
{
    static const size_t sizes[] = {0,   1,    126,   127,   128,   129,   255,   256,
                                   257, 8192, 16383, 16384, 16385, 65535, 65536, 100000};
    static const int fields[] = {1, 2, 3, EDO_FRAME_VARINT};
    char *data = calloc(1, 100000);

    (void)argument;
    for (size_t f = 0; f < EDO_COUNT(fields); f++)
        for (size_t s = 0; s < EDO_COUNT(sizes); s++) {
            edo_framing framing = FRAMING(.field = fields[f]);
            uint64_t most = fields[f] > 0 ? ((uint64_t)1 << 8 * fields[f]) - 1 : UINT64_MAX;
            edo_stream *pair[2];
            edo_writer writer;
            edo_reader reader;
            edo_str frame;
            ssize_t n;

            net_pair(pair);
            edo_writer_init(&writer, pair[0], NULL, 0);
            edo_reader_init(&reader, pair[1], NULL, 0);
            n = edo_frame_write(&writer, &framing, data, sizes[s]);
            if (sizes[s] > most) {
                CHECK_EQUAL(n, -EMSGSIZE);
                CHECK_EQUAL(edo_writer_pending(&writer), 0);
            } else {
                CHECK(n > (ssize_t)sizes[s]);
                CHECK_EQUAL(edo_writer_flush(&writer), 0);
                CHECK_EQUAL(edo_frame_read(&frame, &reader, &framing), n);
                CHECK_EQUAL(frame.size, sizes[s]);
            }
            edo_reader_finish(&reader);
            CHECK_EQUAL(edo_writer_finish(&writer), 0);
            net_close_pair(pair);
        }
    free(data);
    return 0;
}

static void test_all_sizes_that_a_field_can_say_come_back(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(sizes_come_back, NULL), 0);
}

/* --- What is refused ---------------------------------------------------------------------------------------------- */

struct refused {
    edo_framing framing;
    const char *wire;
    size_t size;
    int error;
};

static const struct refused refused[] = {
    {FRAMING(0), BYTES("\0\0"), -ENODATA},
    {FRAMING(0), BYTES("\0\0\0\5hell"), -ENODATA},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES("\x80"), -ENODATA},
    {FRAMING(.field = EDO_FRAME_VARINT, .offset = 2), BYTES("ab"), -ENODATA},
    {FRAMING(.limit = 4), BYTES("\0\0\0\5"), -EMSGSIZE}, /* known from the head alone */
    {FRAMING(.limit = 4, .adjust = -1), BYTES("\0\0\0\6"), -EMSGSIZE},
    {FRAMING(0), BYTES("\0\x80\0\1"), -EMSGSIZE}, /* a byte more than 8 MiB */
    {FRAMING(0), BYTES("GET / HTTP/1.1\r\n"), -EMSGSIZE},
    {FRAMING(.field = 8), BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), -EMSGSIZE},
    {FRAMING(.field = 8, .adjust = 10, .limit = SIZE_MAX), BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"), -EMSGSIZE},
    {FRAMING(.field = 8, .limit = SIZE_MAX), BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"), -EMSGSIZE},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), -EMSGSIZE},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), -EBADMSG},
    {FRAMING(.field = EDO_FRAME_VARINT), BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), -EBADMSG},
    {FRAMING(.field = 2, .adjust = -2), BYTES("\0\1"), -EBADMSG},
    {FRAMING(.field = 2, .skip = 5), BYTES("\0\2ab"), -EBADMSG},
    {FRAMING(.field = 9), BYTES("\0"), -EINVAL},
    {FRAMING(.field = -2), BYTES("\0"), -EINVAL},
    {FRAMING(.skip = -2), BYTES("\0"), -EINVAL},
};

/* It stays refused, and all its bytes are there still. */
static int is_refused(edo_stream *stream, void *argument)
{
    const struct refused *one = argument;
    edo_reader reader;
    edo_str frame = {NULL, 77};

    edo_reader_init(&reader, stream, NULL, 3);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, &one->framing), one->error);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, &one->framing), one->error);
    CHECK_EQUAL(frame.size, 77);
    CHECK_EQUAL(edo_reader_peek(&frame, &reader, one->size), one->size);
    CHECK(memcmp(frame.data, one->wire, one->size) == 0);
    edo_reader_finish(&reader);
    return 0;
}

static int all_refused(void *argument)
{
    edo_stream *pair[2];
    edo_writer writer;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(refused); i++)
        for (uint32_t way = 0; way < 4; way++)
            CHECK_EQUAL(pieces_read(is_refused, (void *)(uintptr_t)&refused[i], refused[i].wire, refused[i].size, way),
                        0);

    net_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 0);
    CHECK_EQUAL(edo_frame_write(&writer, &(edo_framing)FRAMING(.limit = 4), "hello", 5), -EMSGSIZE);
    CHECK_EQUAL(edo_frame_write(&writer, &(edo_framing)FRAMING(.offset = 6), "hello", 5), -EINVAL);
    CHECK_EQUAL(edo_frame_write(&writer, &(edo_framing)FRAMING(.adjust = 6), "hello", 5), -EINVAL);
    CHECK_EQUAL(edo_frame_write(&writer, &(edo_framing)FRAMING(.adjust = INT64_MIN), "hello", 5), -EMSGSIZE);
    CHECK_EQUAL(edo_frame_write(&writer, &(edo_framing)FRAMING(.field = 9), "hello", 5), -EINVAL);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    net_close_pair(pair);
    return 0;
}

static void test_frames_that_cannot_be_are_refused_and_stay(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(all_refused, NULL), 0);
}

/* --- Memory, calls, cancellation ---------------------------------------------------------------------------------- */

static size_t largest; /* allocation */

static void *notes_largest(size_t size)
{
    largest = size > largest ? size : largest;
    return pieces_allocate(size);
}

/* A peer that announces 8 MiB and sends nothing gets no 8 MiB. */
static int announces(edo_stream *stream, void *argument)
{
    edo_reader reader;
    edo_str frame;

    (void)argument;
    edo_reader_init(&reader, stream, NULL, 0);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, NULL), -ENODATA);
    edo_reader_finish(&reader);
    return 0;
}

static int announces_much(void *argument)
{
    static char wire[20000] = "\0\x80\0";

    (void)argument;
    largest = 0;
    net_table.allocate = notes_largest;
    CHECK_EQUAL(pieces_read(announces, NULL, wire, 7, PIECES_WHOLE), 0);
    CHECK_EQUAL(largest, 8192);
    CHECK_EQUAL(pieces_read(announces, NULL, wire, sizeof wire, PIECES_WHOLE), 0);
    CHECK_EQUAL(largest, 32768);
    return 0;
}

static void test_memory_comes_with_the_bytes_and_not_with_their_announcement(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(announces_much, NULL), 0);
}

static int counts_calls(void *argument)
{
    static char data[20000];
    edo_stream *pair[2];
    edo_writer writer;
    edo_reader reader;
    edo_str frame;
    int before;

    (void)argument;
    net_pair(pair);
    edo_writer_init(&writer, pair[0], NULL, 0);
    edo_reader_init(&reader, pair[1], NULL, 0);
    before = net_calls_made();
    CHECK_EQUAL(edo_frame_write(&writer, NULL, data, 100), 104);
    CHECK_EQUAL(net_calls_made(), before);
    CHECK_EQUAL(edo_frame_write(&writer, NULL, data, sizeof data), sizeof data + 4);
    CHECK_EQUAL(net_calls_made(), before + 1);
    CHECK_EQUAL(atomic_load(&net_calls[NET_SENDMSG]), 1);
    CHECK_EQUAL(edo_writer_pending(&writer), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQUAL(edo_frame_write(&writer, NULL, data, 100), 104);
    CHECK_EQUAL(edo_writer_flush(&writer), 0);
    CHECK_EQUAL(net_calls_made(), before + 2);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, NULL), 104);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, NULL), sizeof data + 4);
    before = net_calls_made();
    for (int i = 0; i < 50; i++)
        CHECK_EQUAL(edo_frame_read(&frame, &reader, NULL), 104);
    CHECK(net_calls_made() <= before + 1);
    CHECK_EQUAL(edo_writer_finish(&writer), 0);
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_small_frames_go_together_and_large_ones_in_one_call(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(counts_calls, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* After each byte the read is cancelled. */
static int is_cancelled(void *argument)
{
    static const char wire[] = "T\0\10hello";
    edo_framing framing = FRAMING(.field = 2, .offset = 1, .adjust = -3);
    edo_stream *pair[2];
    edo_reader reader;
    edo_str frame;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 2);
    for (size_t i = 0; i < 7; i++) {
        CHECK_EQUAL(edo_write_all(pair[1], wire + i, 1), 1);
        EDO_SCOPE (scope, &rc) {
            struct pieces_cancel cancel = {scope, edo_stream_fd(pair[0])};

            CHECK_EQUAL(edo_spawn(scope, pieces_cancel, &cancel, .copy = sizeof cancel), 0);
            CHECK_EQUAL(edo_frame_read(&frame, &reader, &framing), -ECANCELED);
        }
    }
    CHECK_EQUAL(edo_write_all(pair[1], wire + 7, 1), 1);
    CHECK_EQUAL(edo_frame_read(&frame, &reader, &framing), 8);
    CHECK(edo_str_equal(frame, EDO_STR("hello")));
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_c3_a_cancelled_frame_read_goes_on_with_the_same_frame(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(is_cancelled, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pieces_test(test_frames_are_read_as_they_were_written_however_they_arrive),
        pieces_test(test_all_sizes_that_a_field_can_say_come_back),
        pieces_test(test_frames_that_cannot_be_are_refused_and_stay),
        pieces_test(test_memory_comes_with_the_bytes_and_not_with_their_announcement),
        pieces_test(test_small_frames_go_together_and_large_ones_in_one_call),
        pieces_test(test_c3_a_cancelled_frame_read_goes_on_with_the_same_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
