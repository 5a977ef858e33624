/* SPDX-License-Identifier: MIT */
/*
 * Readers, writers and frames under the sweeps (rules C1, C3, F1): what the writer took = what came out of the reader +
 * what is still under way, byte by byte, whatever is cancelled or refused; and it is in order.
 */
#include "testing/sweeps.h"

#include <sys/socket.h>

enum { OUT, IN, RAN, SPAWNED };
enum { AMOUNT = 5000, LINE = 61 };

/* --- What flows --------------------------------------------------------------------------------------------------- */

/* The byte at each place: lines of 60 letters, which are also frames: the first byte of each is their length. */
static char byte_at(int64_t at)
{
    int64_t column = at % LINE;

    return column == 0 ? LINE - 1 : column == LINE - 1 ? '\n' : (char)('a' + (at / LINE + column) % 26);
}

static void check_bytes(const char *data, int64_t size, int64_t at)
{
    for (int64_t i = 0; i < size; i++)
        if (!CHECK(data[i] == byte_at(at + i)))
            return;
}

struct ends {
    struct book *book;
    edo_stream *streams[2];
    edo_writer writer;
    edo_reader reader;
    ssize_t (*out)(edo_writer *writer, const char *data, size_t size); /* takes some of them */
    ssize_t (*in)(edo_reader *reader, int64_t at);                     /* gives some, which it has looked at */
    bool simulated;
    int64_t skips; /* so many bytes less than this may `in` have taken when it fails, without saying so */
};

/* On the simulated network. */
static int ends_connect(struct ends *ends)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = edo_tcp_listen(&listener, "127.0.0.1:7", NULL);

    if (rc == 0)
        rc = edo_tcp_connect(&ends->streams[0], "127.0.0.1:7", NULL);
    if (rc == 0)
        rc = edo_accept(&ends->streams[1], listener);
    if (rc < 0)
        edo_close(EDO_TAKE(ends->streams[0]));
    return rc;
}

static int ends_open(struct ends *ends)
{
    int small = 2048;
    int fds[2];
    int rc;

    if (ends->simulated)
        return ends_connect(ends);
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    rc = edo_stream_from_fd(&ends->streams[0], fds[0]);
    if (rc == 0) {
        rc = edo_stream_from_fd(&ends->streams[1], fds[1]);
        if (rc < 0)
            edo_close(EDO_TAKE(ends->streams[0]));
    } else {
        close(fds[0]);
    }
    if (rc < 0)
        close(fds[1]);
    return rc;
}

static int writes(void *argument)
{
    struct ends *ends = argument;
    char data[AMOUNT];
    ssize_t n = 0;

    for (int64_t i = 0; i < AMOUNT; i++)
        data[i] = byte_at(i);
    while (n >= 0 && book_get(ends->book, OUT) < AMOUNT) {
        int64_t at = book_get(ends->book, OUT);

        n = ends->out(&ends->writer, data + at, (size_t)(AMOUNT - at));
        CHECK(n != 0);
        if (n > 0)
            book_add(ends->book, OUT, n);
    }
    if (n >= 0)
        n = edo_writer_flush(&ends->writer);
    if (n >= 0)
        n = edo_shutdown(ends->streams[0], EDO_HALF_WRITE);
    return (int)n;
}

/* Nobody is at work any more: what is under way is in the reader, the socket, the writer, in this order. */
static void ends_close(struct ends *ends)
{
    char left[AMOUNT + 1];
    edo_str text = edo_reader_buffered(&ends->reader);
    size_t size = text.size;
    bool broken = ends->writer.broken_ < 0;
    int64_t at = book_get(ends->book, IN);
    int64_t out = book_get(ends->book, OUT);
    ssize_t n;

    CHECK(ends->writer.broken_ != -ECANCELED);
    memcpy(left, text.data, size);
    while (!ends->simulated &&
           (n = recv(edo_stream_fd(ends->streams[1]), left + size, sizeof left - size, MSG_DONTWAIT)) > 0)
        size += (size_t)n;
    n = (ssize_t)edo_writer_pending(&ends->writer);
    CHECK(size + (size_t)n <= AMOUNT);
    if (n > 0)
        memcpy(left + size, ends->writer.buffer_.data_ + ends->writer.buffer_.start_, (size_t)n);
    size += (size_t)n;
    if (ends->skips > 0 && !broken) {
        CHECK(out - (int64_t)size >= at && out - (int64_t)size < at + ends->skips);
        at = out - (int64_t)size;
    }
    if (ends->simulated) /* what is on its way there can't be looked at */
        check_bytes(left, (int64_t)text.size, at);
    else if (ends->skips == 0 || !broken)
        check_bytes(left, (int64_t)size, at);
    if (ends->simulated)
        CHECK(at + (int64_t)size <= out || broken);
    else if (broken) /* a part of what was refused is out: the one case */
        CHECK(at + (int64_t)size >= out || ends->skips > 0);
    else
        CHECK_RC(at + (int64_t)size, out);
    edo_reader_finish(&ends->reader);
    CHECK_RC(edo_writer_finish(&ends->writer), n);
    edo_close(ends->streams[0]);
    edo_close(ends->streams[1]);
}

static int flows(struct ends *ends, struct book *book, size_t out_buffer, size_t in_buffer)
{
    int rc;

    ends->book = book;
    rc = ends_open(ends);
    if (rc < 0)
        return rc;
    edo_writer_init(&ends->writer, ends->streams[0], NULL, out_buffer);
    edo_reader_init(&ends->reader, ends->streams[1], NULL, in_buffer);
    EDO_SCOPE (scope, &rc) {
        ssize_t n;

        rc = edo_spawn(scope, writes, ends);
        for (n = rc < 0 ? 0 : 1; n > 0;) {
            n = ends->in(&ends->reader, book_get(book, IN));
            if (n > 0)
                book_add(book, IN, n);
        }
        if (rc == 0)
            rc = (int)n;
        if (rc == 0)
            CHECK(book_get(book, IN) == AMOUNT || edo_cancelled());
    }
    ends_close(ends);
    return rc;
}

/* --- Into the writer ---------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static ssize_t out_write(edo_writer *writer, const char *data, size_t size)
{
    return edo_writer_write(writer, data, least(size, 333));
}

static ssize_t out_large(edo_writer *writer, const char *data, size_t size)
{
    return edo_writer_write(writer, data, least(size, 4900));
}

static ssize_t out_writev(edo_writer *writer, const char *data, size_t size)
{
    size_t half = least(size, 2500) / 2;
    struct iovec pieces[3] = {{(char *)(uintptr_t)data, half}, {NULL, 0}, {(char *)(uintptr_t)data + half, half}};

    return half == 0 ? edo_writer_write(writer, data, 1) : edo_writer_writev(writer, pieces, 3);
}

static ssize_t out_printf(edo_writer *writer, const char *data, size_t size)
{
    int n = (int)least(size, size % 10 == 0 ? 1200 : 90);

    return edo_writer_printf(writer, "%.*s", n, data);
}

static ssize_t call_vprintf(edo_writer *writer, const char *format, ...)
{
    va_list arguments;
    ssize_t n;

    va_start(arguments, format);
    n = edo_writer_vprintf(writer, format, arguments);
    va_end(arguments);
    return n;
}

static ssize_t out_vprintf(edo_writer *writer, const char *data, size_t size)
{
    return call_vprintf(writer, "%.*s", (int)least(size, 400), data);
}

static ssize_t out_reserve(edo_writer *writer, const char *data, size_t size)
{
    void *place;
    size_t n = least(size, size % 7 == 0 ? 1500 : 100);
    int rc = edo_writer_reserve(&place, writer, n);

    if (rc < 0)
        return rc;
    memcpy(place, data, n);
    edo_writer_commit(writer, n);
    return (ssize_t)n;
}

static const edo_framing framing = {.size = sizeof(edo_framing), .field = 1};

/* A line is a frame. Two thirds fit the buffer. */
static ssize_t out_frame(edo_writer *writer, const char *data, size_t size)
{
    return size < LINE ? edo_writer_write(writer, data, size) : edo_frame_write(writer, &framing, data + 1, LINE - 1);
}

/* --- Out of the reader -------------------------------------------------------------------------------------------- */

static ssize_t in_read(edo_reader *reader, int64_t at)
{
    char data[700];
    ssize_t n = edo_reader_read(reader, data, at % 2 ? 100 : sizeof data);

    check_bytes(data, n, at);
    return n;
}

static ssize_t in_fill(edo_reader *reader, int64_t at)
{
    ssize_t n = edo_reader_fill(reader);
    edo_str text = edo_reader_buffered(reader);

    if (n < 0)
        return n;
    check_bytes(text.data, (int64_t)text.size, at);
    edo_reader_consume(reader, text.size);
    return (ssize_t)text.size;
}

static ssize_t in_peek(edo_reader *reader, int64_t at)
{
    edo_str text;
    ssize_t n = edo_reader_peek(&text, reader, 1000);

    if (n <= 0)
        return n;
    check_bytes(text.data, n, at);
    n = n > 500 ? 500 : n;
    edo_reader_consume(reader, (size_t)n);
    return n;
}

static ssize_t in_exact(edo_reader *reader, int64_t at)
{
    char data[1100];
    size_t size = least(AMOUNT - (size_t)at, sizeof data);
    ssize_t n = edo_reader_read_exact(reader, data, size);

    CHECK(n <= 0 || (size_t)n == size);
    check_bytes(data, n, at);
    return n;
}

/* What was taken before an error is in `data`, and counted here: `at` is behind it the next time. */
static struct book *part_book;

static ssize_t in_exact_part(edo_reader *reader, int64_t at)
{
    char data[1100];
    size_t size = least(AMOUNT - (size_t)at, sizeof data);
    size_t done = 0;
    ssize_t n = edo_reader_read_exact_part(&done, reader, data, size);

    check_bytes(data, (int64_t)done, at);
    if (n < 0)
        book_add(part_book, IN, (int64_t)done);
    return n;
}

static ssize_t in_until(edo_reader *reader, int64_t at)
{
    edo_str text;
    ssize_t n = edo_reader_read_until(&text, reader, '\n', LINE - 1);

    if (n > 0)
        check_bytes(text.data, (int64_t)text.size, at);
    return n;
}

static ssize_t in_line(edo_reader *reader, int64_t at)
{
    edo_str text;
    ssize_t n = edo_reader_read_line(&text, reader, 1000);

    if (n > 0)
        check_bytes(text.data, (int64_t)text.size, at);
    return n;
}

static ssize_t in_skip(edo_reader *reader, int64_t at)
{
    int rc = edo_reader_skip_until(reader, '\n');

    return rc == 1 ? LINE : rc == 0 ? AMOUNT - at : rc;
}

static ssize_t in_frame(edo_reader *reader, int64_t at)
{
    edo_str frame;
    ssize_t n;

    if (AMOUNT - at < LINE)
        return in_read(reader, at);
    n = edo_frame_read(&frame, reader, &framing);
    if (n > 0)
        check_bytes(frame.data, (int64_t)frame.size, at + 1);
    return n;
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

static int row_write(void *book)
{
    return flows(&(struct ends){.out = out_write, .in = in_read}, book, 1000, 500);
}

static int row_large(void *book)
{
    return flows(&(struct ends){.out = out_large, .in = in_fill}, book, 300, 4000);
}

static int row_writev(void *book)
{
    return flows(&(struct ends){.out = out_writev, .in = in_peek}, book, 1000, 700);
}

static int row_printf(void *book)
{
    return flows(&(struct ends){.out = out_printf, .in = in_exact}, book, 1000, 500);
}

static int row_vprintf(void *book)
{
    part_book = book;
    return flows(&(struct ends){.out = out_vprintf, .in = in_exact_part}, book, 1000, 500);
}

static int row_reserve(void *book)
{
    return flows(&(struct ends){.out = out_reserve, .in = in_until}, book, 1000, 50);
}

static int row_line(void *book)
{
    return flows(&(struct ends){.out = out_large, .in = in_line}, book, 100, 0);
}

static int row_skip(void *book)
{
    return flows(&(struct ends){.out = out_write, .in = in_skip, .skips = LINE}, book, 0, 100);
}

static int row_frame(void *book)
{
    return flows(&(struct ends){.out = out_frame, .in = in_frame}, book, 150, 40);
}

static int row_frame_direct(void *book)
{
    return flows(&(struct ends){.out = out_frame, .in = in_frame}, book, 30, 0);
}

static const struct row rows[] = {
    {"edo_writer_write edo_writer_flush edo_reader_read", row_write, 25, false},
    {"edo_writer_write edo_reader_fill", row_large, 8, false},
    {"edo_writer_writev edo_reader_peek", row_writev, 10, false},
    {"edo_writer_printf edo_reader_read_exact", row_printf, 25, false},
    {"edo_writer_vprintf edo_reader_read_exact_part", row_vprintf, 25, false},
    {"edo_writer_reserve edo_reader_read_until", row_reserve, 100, false},
    {"edo_reader_read_line", row_line, 60, false},
    {"edo_reader_skip_until", row_skip, 80, false},
    {"edo_frame_write edo_frame_read", row_frame, 100, false},
    {"edo_frame_write", row_frame_direct, 100, false},
};

static void test_c3_f1_no_byte_is_lost_to_cancellation_or_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_no_byte_is_lost_to_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], edo_test_rounds(8));
}

/* --- The simulated network ---------------------------------------------------------------------------------------- */

static int row_simulated(void *book)
{
    static ssize_t (*const out[])(edo_writer *, const char *, size_t) = {out_write,  out_large,   out_writev,
                                                                         out_printf, out_reserve, out_frame};
    static ssize_t (*const in[])(edo_reader *, int64_t) = {in_read, in_fill, in_peek, in_exact, in_line, in_until};
    int rc = 0;

    for (size_t i = 0; i < 6 && rc == 0; i++) {
        book_reset(book);
        rc = flows(&(struct ends){.out = out[i], .in = in[i], .simulated = true}, book, 300, 200);
    }
    if (rc == 0)
        book_reset(book);
    return rc == 0 ? flows(&(struct ends){.out = out_frame, .in = in_frame, .simulated = true}, book, 0, 0) : rc;
}

static void test_every_seed_of_a_network_brings_all_bytes_in_order(void **state)
{
    const struct row row = {"all", row_simulated, 0, true};
    struct book book;

    (void)state;
    for (int seed = 1; seed <= edo_test_rounds(40); seed++) {
        book_reset(&book);
        assert_int_equal(edo_test_run(row_simulated, &book,
                                      EDO_OPTIONS(edo_test_options, .seed = (uint64_t)seed, .short_transfers = true)),
                         0);
        assert_int_equal(atomic_load(&test_failures), 0);
    }
    weather_row(&row, edo_test_rounds(10));
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_buffered", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c3_f1_no_byte_is_lost_to_cancellation_or_failure),
        cmocka_unit_test(test_f1_no_byte_is_lost_to_faulty_weather),
        cmocka_unit_test(test_every_seed_of_a_network_brings_all_bytes_in_order),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
