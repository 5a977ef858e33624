/* SPDX-License-Identifier: MIT */
/*
 * Streams in memory, halves, copies and sendfile under the sweeps (rules C2, C3, F1): what was put in has come out, or
 * is kept where the call says, whatever is cancelled or refused; and under many seeds.
 */
#include "testing/sweeps.h"
#include "testing/seeds.h"

#include "io/stream.h"

#include <edo/copy.h>

#include <sys/socket.h>

enum { PUT, GOT, MOVED, BACK, AHEAD };
enum { AMOUNT = 9000, PIECE = 1000, CAPACITY = 1500 };
enum {
    FROM,
    MIDDLE,
    REST,
    TO
}; /* objects: what is put into FROM comes out of MIDDLE, goes into REST and comes out of TO */

static unsigned char bytes[AMOUNT];
static char path[] = "/tmp/edo-test-sweep-streams-XXXXXX";

/* --- What goes in and comes out ----------------------------------------------------------------------------------- */

static edo_stream *stream_of(struct book *book, int which)
{
    return book->object[which];
}

static int open_duplex(struct book *book, int first)
{
    edo_stream *ends[2];
    int rc = edo_duplex(&ends[0], &ends[1], CAPACITY);

    if (rc == 0) {
        book->object[first] = ends[0];
        book->object[first + 1] = ends[1];
    }
    return rc;
}

static int open_sockets(struct book *book, int first)
{
    edo_stream *ends[2];
    int fds[2];
    int rc;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    rc = edo_stream_from_fd(&ends[0], fds[0]);
    if (rc < 0) {
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    rc = edo_stream_from_fd(&ends[1], fds[1]);
    if (rc < 0) {
        edo_close(ends[0]);
        close(fds[1]);
        return rc;
    }
    book->object[first] = ends[0];
    book->object[first + 1] = ends[1];
    return 0;
}

static void close_streams(struct book *book)
{
    for (int i = 0; i < 4; i++)
        edo_close(EDO_TAKE(*(edo_stream **)&book->object[i]));
}

/* Past the runtime, and past the table, which would take it for a call of a cancelled task. */
static ssize_t take(edo_stream *stream, void *buffer, size_t size)
{
    return stream->source.fd >= 0 ? recv(stream->source.fd, buffer, size, MSG_DONTWAIT)
                                  : edo_source_kind_of(&stream->source)->recv(&stream->source, buffer, size);
}

/* Nobody uses the stream any more: what can still be read from it, which must be the bytes that follow those before. */
static int64_t kept(edo_stream *stream, int64_t at)
{
    unsigned char buffer[PIECE];
    int64_t sum = 0;
    ssize_t n;

    while ((n = take(stream, buffer, sizeof buffer)) > 0) {
        CHECK(at + sum + n <= AMOUNT && memcmp(buffer, bytes + at + sum, (size_t)n) == 0);
        sum += n;
    }
    return sum;
}

static int puts_all(void *argument)
{
    struct book *book = argument;
    ssize_t n = 0;

    while (n >= 0 && book_get(book, PUT) < AMOUNT) {
        size_t written;

        n = edo_write_all_part(&written, stream_of(book, FROM), bytes + book_get(book, PUT), PIECE);
        book_add(book, PUT, (int64_t)written);
    }
    if (n >= 0)
        n = edo_shutdown(stream_of(book, FROM), EDO_HALF_WRITE);
    return (int)(n < 0 ? n : 0);
}

static int gets_all_from(struct book *book, int which)
{
    unsigned char buffer[700];
    ssize_t n;

    while ((n = edo_read(stream_of(book, which), buffer, sizeof buffer)) > 0) {
        CHECK(memcmp(buffer, bytes + book_get(book, GOT), (size_t)n) == 0);
        book_add(book, GOT, n);
    }
    return (int)n;
}

static int gets_all(void *argument)
{
    return gets_all_from(argument, TO);
}

/* --- In memory ---------------------------------------------------------------------------------------------------- */

static int row_duplex(void *argument)
{
    struct book *book = argument;
    int rc = open_duplex(book, FROM);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, puts_all, book);
        if (rc == 0)
            rc = gets_all_from(book, MIDDLE);
    }
    CHECK_RC(book_get(book, GOT) + kept(stream_of(book, MIDDLE), book_get(book, GOT)), book_get(book, PUT));
    CHECK(rc < 0 || book_get(book, GOT) == AMOUNT);
    close_streams(book);
    return rc;
}

static int wakes(void *argument)
{
    struct book *book = argument;
    unsigned char buffer[700];
    ssize_t n = edo_resumption();

    if (n == 0)
        n = edo_read(stream_of(book, MIDDLE), buffer, sizeof buffer);
    if (n <= 0)
        return (int)n;
    book_add(book, GOT, n);
    return edo_continue(EDO_WHEN_READABLE(stream_of(book, MIDDLE), .deadline = edo_now() + EDO_SEC(1000)), wakes, book);
}

/* The same without a deadline. */
static int wakes_late(void *argument)
{
    struct book *book = argument;
    unsigned char buffer[700];
    ssize_t n = edo_read(stream_of(book, MIDDLE), buffer, sizeof buffer);

    CHECK(edo_resumption() == 0 || edo_resumption() == -ECANCELED);
    CHECK(edo_resumption() == 0 || n == -ECANCELED);
    if (n <= 0)
        return (int)n;
    book_add(book, GOT, n);
    return edo_continue_readable(stream_of(book, MIDDLE), wakes_late, book);
}

static int dormant_reads(struct book *book, edo_task_fn reader)
{
    int rc = open_duplex(book, FROM);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, reader, book, .when = EDO_WHEN_READABLE(stream_of(book, MIDDLE)));
        if (rc == 0)
            rc = puts_all(book);
    }
    CHECK_RC(book_get(book, GOT) + kept(stream_of(book, MIDDLE), book_get(book, GOT)), book_get(book, PUT));
    close_streams(book);
    return rc;
}

static int row_dormant(void *argument)
{
    return dormant_reads(argument, wakes);
}

static int row_continue_readable(void *argument)
{
    return dormant_reads(argument, wakes_late);
}

/* Nobody but the tasks closes: each its half, on whatever way out. */
static int owns_the_writing(void *argument)
{
    struct book *book = argument;
    edo_stream *out EDO_AUTO(edo_close_write) = stream_of(book, FROM);

    int rc = puts_all(book);

    (void)out;
    return rc == -EPIPE ? 0 : rc; /* its reader was cancelled, and has closed its half */
}

static int owns_the_reading(void *argument)
{
    struct book *book = argument;
    edo_stream *in EDO_AUTO(edo_close_read) = stream_of(book, MIDDLE);

    (void)in;
    return gets_all_from(book, MIDDLE);
}

static int halves(struct book *book, int rc)
{
    bool reading = false;

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, owns_the_writing, book);
        if (rc < 0) {
            edo_close_write(stream_of(book, FROM));
        } else {
            rc = edo_spawn(scope, owns_the_reading, book);
            reading = rc == 0;
        }
    }
    if (!reading)
        edo_close_read(stream_of(book, MIDDLE));
    edo_close_read(stream_of(book, FROM));
    edo_close_write(stream_of(book, MIDDLE));
    return rc;
}

static int row_halves(void *argument)
{
    return halves(argument, open_duplex(argument, FROM));
}

static int row_socket_halves(void *argument)
{
    return halves(argument, open_sockets(argument, FROM));
}

/* --- Copies ------------------------------------------------------------------------------------------------------- */

typedef int (*copy_fn)(struct book *book, edo_copy_buffer *buffer);

static int copies_through(struct book *book, edo_copy_buffer *buffer)
{
    uint64_t moved = 9;
    int rc = edo_copy_through(&moved, stream_of(book, REST), stream_of(book, MIDDLE), UINT64_MAX, buffer);

    book_add(book, MOVED, (int64_t)moved);
    return rc;
}

static int copies(struct book *book, edo_copy_buffer *buffer)
{
    uint64_t moved = 9;
    int rc = edo_copy(&moved, stream_of(book, REST), stream_of(book, MIDDLE));

    (void)buffer;
    book_add(book, MOVED, (int64_t)moved);
    return rc;
}

static int copies_n(struct book *book, edo_copy_buffer *buffer)
{
    uint64_t moved = 9;
    int rc = edo_copy_n(&moved, stream_of(book, REST), stream_of(book, MIDDLE), AMOUNT);

    (void)buffer;
    book_add(book, MOVED, (int64_t)moved);
    CHECK(rc < 0 || moved == AMOUNT);
    return rc;
}

static int flows(struct book *book, copy_fn copy, bool exact)
{
    unsigned char memory[400];
    edo_copy_buffer buffer = {.memory = memory, .size = sizeof memory};
    int64_t arrived;
    int rc = open_duplex(book, FROM);

    if (rc == 0)
        rc = open_duplex(book, REST);
    if (rc < 0) {
        close_streams(book);
        return rc;
    }
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, puts_all, book);
        if (rc == 0)
            rc = edo_spawn(scope, gets_all, book);
        if (rc == 0)
            rc = copy(book, &buffer);
        edo_shutdown(stream_of(book, REST), EDO_HALF_WRITE);
    }
    arrived = book_get(book, GOT) + kept(stream_of(book, TO), book_get(book, GOT));
    CHECK_RC(arrived, book_get(book, MOVED));
    if (exact) {
        CHECK(memcmp(memory + buffer.begin, bytes + arrived, buffer.end - buffer.begin) == 0);
        arrived += (int64_t)(buffer.end - buffer.begin);
        CHECK_RC(arrived + kept(stream_of(book, MIDDLE), arrived), book_get(book, PUT));
    }
    close_streams(book);
    return rc;
}

static int row_copy_through(void *argument)
{
    return flows(argument, copies_through, true);
}

static int row_copy(void *argument)
{
    return flows(argument, copies, false);
}

static int row_copy_n(void *argument)
{
    return flows(argument, copies_n, false);
}

/* What was put in comes back by the same way, once it has ended. */
static int answers(void *argument)
{
    struct book *book = argument;
    unsigned char buffer[500];
    ssize_t n;
    size_t written;

    while ((n = edo_read(stream_of(book, TO), buffer, sizeof buffer)) > 0)
        book_add(book, GOT, n);
    for (int i = 0; i < 3 && n >= 0; i++) {
        n = edo_write_all_part(&written, stream_of(book, TO), bytes + (size_t)i * PIECE, PIECE);
        book_add(book, AHEAD, (int64_t)written);
    }
    if (n >= 0)
        n = edo_shutdown(stream_of(book, TO), EDO_HALF_WRITE);
    return (int)(n < 0 ? n : 0);
}

static int asks(void *argument)
{
    struct book *book = argument;
    unsigned char buffer[500];
    ssize_t n = puts_all(book);

    while (n >= 0 && (n = edo_read(stream_of(book, FROM), buffer, sizeof buffer)) > 0)
        book_add(book, BACK, n);
    return (int)n;
}

static int row_copy_both(void *argument)
{
    struct book *book = argument;
    uint64_t there = 9;
    uint64_t back = 9;
    int rc = open_duplex(book, FROM);

    if (rc == 0)
        rc = open_sockets(book, REST);
    if (rc < 0) {
        close_streams(book);
        return rc;
    }
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, asks, book);
        if (rc == 0)
            rc = edo_spawn(scope, answers, book);
        if (rc == 0)
            rc = edo_copy_both(&there, &back, stream_of(book, MIDDLE), stream_of(book, REST));
        else
            there = back = 0;
    }
    CHECK_RC(book_get(book, GOT) + kept(stream_of(book, TO), book_get(book, GOT)), there);
    CHECK_RC(book_get(book, BACK) + kept(stream_of(book, FROM), book_get(book, BACK)), back);
    CHECK(rc < 0 || (there == AMOUNT && back == 3 * PIECE));
    close_streams(book);
    return rc;
}

/* --- Files -------------------------------------------------------------------------------------------------------- */

static int sends_file(struct book *book, edo_stream *to)
{
    edo_file *file EDO_AUTO(edo_file_close) = NULL;
    uint64_t sent = 9;
    int rc = edo_file_open(&file, path, O_RDONLY, 0);

    if (rc == 0)
        rc = edo_sendfile(&sent, to, file, 0, UINT64_MAX);
    else
        sent = 0;
    book_add(book, MOVED, (int64_t)sent);
    if (rc == 0)
        rc = edo_shutdown(to, EDO_HALF_WRITE);
    return rc;
}

static int gets_file(void *argument)
{
    return gets_all_from(argument, MIDDLE);
}

static int sendfile_over(struct book *book, int rc)
{
    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, gets_file, book);
        if (rc == 0)
            rc = sends_file(book, stream_of(book, FROM));
    }
    CHECK_RC(book_get(book, GOT) + kept(stream_of(book, MIDDLE), book_get(book, GOT)), book_get(book, MOVED));
    CHECK(rc < 0 || book_get(book, MOVED) == AMOUNT);
    close_streams(book);
    return rc;
}

static int row_sendfile(void *argument)
{
    return sendfile_over(argument, open_sockets(argument, FROM));
}

static int row_sendfile_duplex(void *argument)
{
    return sendfile_over(argument, open_duplex(argument, FROM));
}

static int row_sendfile_simulated(void *argument)
{
    struct book *book = argument;
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *connected;
    edo_stream *accepted;
    edo_addr address;
    int rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);

    if (rc == 0)
        rc = edo_listener_addr(&address, listener);
    if (rc == 0)
        rc = edo_connect(&connected, &address, NULL);
    if (rc < 0)
        return rc;
    rc = edo_accept(&accepted, listener);
    if (rc < 0) {
        edo_close(connected);
        return rc;
    }
    book->object[FROM] = connected;
    book->object[MIDDLE] = accepted;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, gets_file, book);
        if (rc == 0)
            rc = sends_file(book, connected);
    }
    CHECK(book_get(book, GOT) <= book_get(book, MOVED)); /* the rest may be on its way */
    CHECK(rc < 0 || book_get(book, MOVED) == AMOUNT);
    close_streams(book);
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_duplex", row_duplex, 20, false},
    {"edo_duplex, dormant", row_dormant, 10, false},
    {"edo_continue_readable", row_continue_readable, 10, false},
    {"edo_close_read edo_close_write", row_halves, 20, false},
    {"edo_close_read edo_close_write, sockets", row_socket_halves, 10, false},
    {"edo_copy_through", row_copy_through, 40, false},
    {"edo_copy", row_copy, 40, false},
    {"edo_copy_n", row_copy_n, 40, false},
    {"edo_copy_both", row_copy_both, 40, false},
    {"edo_sendfile", row_sendfile, 8, false},
    {"edo_sendfile, in memory", row_sendfile_duplex, 8, false},
    {"edo_sendfile, simulated", row_sendfile_simulated, 8, true},
};

static void test_c2_c3_f1_every_call_bears_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_every_call_bears_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], edo_test_rounds(20));
}

static int one_run(void *argument)
{
    struct book book;
    int rc;

    book_reset(&book);
    rc = ((const struct row *)argument)->fn(&book);
    return rc;
}

static void test_t2_every_call_under_many_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        many_seeds(one_run, (void *)(uintptr_t)&rows[i], edo_test_rounds(200),
                   EDO_OPTIONS(edo_test_options, .real_kernel = !rows[i].simulated));
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_streams", rows, EDO_COUNT(rows));
}

static int begin(void **state)
{
    int fd = mkstemp(path);
    ssize_t n;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    n = write(fd, bytes, sizeof bytes);
    close(fd);
    return n == (ssize_t)sizeof bytes ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_every_call_bears_faulty_weather),
        cmocka_unit_test(test_t2_every_call_under_many_seeds),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, begin, end);
}
