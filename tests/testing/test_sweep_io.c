/* SPDX-License-Identifier: MIT */
/*
 * Streams, listeners and descriptors under the sweeps (rules C2, C3, F1): bytes in = bytes out + bytes kept,
 * connections made = taken + waiting, whatever is cancelled or refused; a call that returned -ECANCELED has done
 * nothing.
 */
#include "testing/sweeps.h"

#include "io/stream.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

enum { OUT, IN, CONNECTED, TRIED, TAKEN, RAN, SPAWNED };
enum { AMOUNT = 24000, PIECE = 3000 };

static char bytes[AMOUNT];

/* --- What flows --------------------------------------------------------------------------------------------------- */

/* A pair with little room in between: book->object[0] is written, [1] read. 0, or an error and nothing open. */
static int open_pair(struct book *book)
{
    int small = 2048;
    int fds[2];
    int rc;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    rc = edo_stream_from_fd((edo_stream **)&book->object[0], fds[0]);
    if (rc == 0) {
        rc = edo_stream_from_fd((edo_stream **)&book->object[1], fds[1]);
        if (rc < 0)
            edo_close(EDO_TAKE(book->object[0]));
    } else {
        close(fds[0]);
    }
    if (rc < 0)
        close(fds[1]);
    return rc;
}

/* Nobody uses the pair any more: what is still under way was kept, and is counted as such. */
static int close_pair(struct book *book, bool exact)
{
    char buffer[4096];
    int64_t kept = 0;
    ssize_t n;
    edo_stream *read_end = book->object[1];

    while ((n = recv(edo_stream_fd(read_end), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        kept += n;
    if (exact)
        CHECK_RC(book_get(book, IN) + kept, book_get(book, OUT));
    else
        CHECK(book_get(book, IN) + kept >= book_get(book, OUT) && book_get(book, IN) + kept <= AMOUNT);
    edo_close(EDO_TAKE(book->object[0]));
    edo_close(EDO_TAKE(book->object[1]));
    return 0;
}

typedef ssize_t (*move_fn)(struct book *book, edo_stream *stream);

struct flow {
    struct book *book;
    move_fn move;
};

/* Writes until it has written all, or failed; then says that it is done. */
static int writes(void *argument)
{
    struct flow *flow = argument;
    edo_stream *stream = flow->book->object[0];
    ssize_t n = 0;

    while (n >= 0 && book_get(flow->book, OUT) < AMOUNT)
        n = flow->move(flow->book, stream);
    if (n >= 0)
        n = edo_shutdown(stream, EDO_HALF_WRITE);
    return (int)(n < 0 ? n : 0);
}

static int flows(struct book *book, move_fn out, move_fn in, bool exact)
{
    struct flow flow = {book, out};
    int rc = open_pair(book);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        ssize_t n;

        rc = edo_spawn(scope, writes, &flow);
        for (n = rc < 0 ? 0 : 1; n > 0;)
            n = in(book, book->object[1]);
        if (rc == 0)
            rc = (int)n;
        if (rc == 0)
            CHECK(book_get(book, IN) == AMOUNT || edo_cancelled());
    }
    close_pair(book, exact);
    return rc;
}

static ssize_t count(struct book *book, int which, ssize_t n)
{
    CHECK(n != 0 || which == IN);
    if (n > 0)
        book_add(book, which, n);
    return n;
}

static ssize_t in_read(struct book *book, edo_stream *stream)
{
    char buffer[PIECE];

    return count(book, IN, edo_read(stream, buffer, sizeof buffer));
}

static ssize_t in_try_read(struct book *book, edo_stream *stream)
{
    char buffer[PIECE];
    ssize_t n = edo_try_read(stream, buffer, sizeof buffer);

    if (n == -EAGAIN) {
        n = edo_wait_readable(stream, edo_now() + EDO_SEC(1000));
        return n < 0 ? n : 1;
    }
    return count(book, IN, n);
}

static ssize_t out_write(struct book *book, edo_stream *stream)
{
    return count(book, OUT, edo_write(stream, bytes, (size_t)(AMOUNT - book_get(book, OUT))));
}

static ssize_t out_writev(struct book *book, edo_stream *stream)
{
    size_t left = (size_t)(AMOUNT - book_get(book, OUT));
    struct iovec pieces[2] = {{bytes, left / 2}, {bytes, left - left / 2}};

    return count(book, OUT, edo_writev(stream, pieces, 2));
}

static ssize_t out_write_all_part(struct book *book, edo_stream *stream)
{
    size_t written = 999999;
    ssize_t n = edo_write_all_part(&written, stream, bytes, AMOUNT / 2);

    CHECK(n < 0 ? written < AMOUNT / 2 : n == AMOUNT / 2 && written == AMOUNT / 2);
    book_add(book, OUT, (int64_t)written);
    return n;
}

/* These two don't tell how much: at least what they said they had done. */
static ssize_t out_write_all(struct book *book, edo_stream *stream)
{
    ssize_t n = edo_write_all(stream, bytes, AMOUNT / 2);

    CHECK(n < 0 || n == AMOUNT / 2);
    return count(book, OUT, n);
}

static ssize_t out_writev_all(struct book *book, edo_stream *stream)
{
    struct iovec pieces[3] = {{bytes, 1}, {bytes, AMOUNT / 4}, {bytes, AMOUNT / 4 - 1}};
    ssize_t n = edo_writev_all(stream, pieces, 3);

    CHECK(n < 0 || n == AMOUNT / 2);
    return count(book, OUT, n);
}

static ssize_t wait_for_room(edo_stream *stream, ssize_t n)
{
    if (n != -EAGAIN)
        return n;
    n = edo_wait_writable(stream, edo_now() + EDO_SEC(1000));
    return n < 0 ? n : -EAGAIN;
}

static ssize_t out_try_write(struct book *book, edo_stream *stream)
{
    ssize_t n = wait_for_room(stream, edo_try_write(stream, bytes, (size_t)(AMOUNT - book_get(book, OUT))));

    return n == -EAGAIN ? 0 : count(book, OUT, n);
}

static ssize_t out_try_writev(struct book *book, edo_stream *stream)
{
    struct iovec piece = {bytes, (size_t)(AMOUNT - book_get(book, OUT))};
    ssize_t n = wait_for_room(stream, edo_try_writev(stream, &piece, 1));

    return n == -EAGAIN ? 0 : count(book, OUT, n);
}

static int row_write(void *argument)
{
    return flows(argument, out_write, in_read, true);
}

static int row_writev(void *argument)
{
    return flows(argument, out_writev, in_read, true);
}

static int row_write_all_part(void *argument)
{
    return flows(argument, out_write_all_part, in_read, true);
}

static int row_write_all(void *argument)
{
    return flows(argument, out_write_all, in_read, false);
}

static int row_writev_all(void *argument)
{
    return flows(argument, out_writev_all, in_read, false);
}

static int row_try_write(void *argument)
{
    return flows(argument, out_try_write, in_try_read, true);
}

static int row_try_writev(void *argument)
{
    return flows(argument, out_try_writev, in_try_read, true);
}

/* --- Dormant on streams ------------------------------------------------------------------------------------------- */

static int reads_dormant(void *argument)
{
    struct book *book = argument;
    ssize_t n = edo_resumption();

    CHECK(n <= 0 && n != -ETIMEDOUT);
    if (n == 0)
        n = in_read(book, book->object[1]);
    if (n <= 0) {
        book_add(book, RAN, 1);
        return (int)n;
    }
    return edo_continue(EDO_WHEN_READABLE((edo_stream *)book->object[1], .deadline = edo_now() + EDO_SEC(1000)),
                        reads_dormant, book);
}

static int writes_dormant(void *argument)
{
    struct book *book = argument;
    ssize_t n = edo_resumption();

    if (n == 0)
        n = out_write(book, book->object[0]);
    if (n >= 0 && book_get(book, OUT) < AMOUNT)
        return edo_continue(EDO_WHEN_WRITABLE((edo_stream *)book->object[0]), writes_dormant, book);
    if (n >= 0)
        n = edo_shutdown(book->object[0], EDO_HALF_WRITE);
    book_add(book, RAN, 1);
    return (int)(n < 0 ? n : 0);
}

static int row_dormant(void *argument)
{
    struct book *book = argument;
    int rc = open_pair(book);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, reads_dormant, book, .when = EDO_WHEN_READABLE((edo_stream *)book->object[1]));
        book_add(book, SPAWNED, rc == 0);
        if (rc == 0) {
            rc = edo_spawn(scope, writes_dormant, book, .when = EDO_WHEN_WRITABLE((edo_stream *)book->object[0]));
            book_add(book, SPAWNED, rc == 0);
        }
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    close_pair(book, true);
    return rc;
}

/* --- Connections -------------------------------------------------------------------------------------------------- */

enum { CONNECTIONS = 3 };

static int connects(void *argument)
{
    struct book *book = argument;
    edo_addr address;
    int rc = edo_listener_addr(&address, book->object[0]);

    for (int i = 0; i < CONNECTIONS && rc == 0; i++) {
        edo_stream *stream = NULL;

        book_add(book, TRIED, 1);
        if (i == 0) {
            rc = edo_connect(&stream, &address, NULL);
        } else {
            char text[EDO_ADDR_TEXT_SIZE];
            const char *path;

            CHECK(edo_addr_print(text, sizeof text, &address) > 0);
            path = text[0] == '@' ? text : strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
            rc = path ? edo_unix_connect(&stream, path, NULL) : edo_tcp_connect(&stream, text, NULL);
        }
        CHECK((rc == 0) == (stream != NULL));
        book_add(book, CONNECTED, rc == 0);
        edo_close(stream);
    }
    return rc;
}

static int row_connections(struct book *book, int (*listens)(edo_listener **out))
{
    int rc = listens((edo_listener **)&book->object[0]);
    int64_t waiting = 0;
    edo_listener *listener = book->object[0];
    int fd;

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, connects, book);
        for (int i = 0; i < CONNECTIONS && rc == 0; i++) {
            edo_stream *stream = NULL;

            rc = edo_accept(&stream, listener);
            CHECK((rc == 0) == (stream != NULL));
            book_add(book, TAKEN, rc == 0);
            edo_close(stream);
        }
    }
    while ((fd = accept4(listener->source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        waiting++;
        close(fd);
    }
    CHECK(book_get(book, CONNECTED) <= book_get(book, TAKEN) + waiting);
    CHECK(book_get(book, TAKEN) + waiting <= book_get(book, TRIED));
    edo_listener_close(listener);
    return rc;
}

static int listen_tcp(edo_listener **out)
{
    return edo_tcp_listen(out, "127.0.0.1:0", NULL);
}

static int listen_unix(edo_listener **out)
{
    char name[64];

    snprintf(name, sizeof name, "@edo-test-sweep-%d", (int)getpid());
    return edo_unix_listen(out, name,
                           EDO_OPTIONS(edo_listen_options, .backlog = 1)); /* two at a time: one has to wait */
}

static int row_tcp(void *argument)
{
    return row_connections(argument, listen_tcp);
}

static int row_unix(void *argument)
{
    return row_connections(argument, listen_unix);
}

/* --- Foreign descriptors ------------------------------------------------------------------------------------------ */

static int waits_for_fd(void *argument)
{
    struct book *book = argument;
    int rc = edo_wait_fd(book->fds[0], EDO_READABLE, EDO_FOREVER);

    CHECK(rc == EDO_READABLE || rc < 0);
    book_add(book, RAN, 1);
    return rc < 0 ? rc : 0;
}

/* Two wait for the same one; then somebody for what does not come. */
static int row_wait_fd(void *argument)
{
    struct book *book = argument;
    uint64_t one = 1;
    int rc = 0;

    book->fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(book->fds[0] >= 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++) {
            rc = edo_spawn(scope, waits_for_fd, book);
            book_add(book, SPAWNED, rc == 0);
        }
        if (rc == 0)
            rc = edo_yield();
        CHECK_RC(write(book->fds[0], &one, sizeof one), sizeof one);
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    one = 0;
    CHECK_RC(read(book->fds[0], &one, sizeof one), sizeof one); /* it was looked at alone */
    CHECK_RC(one, 1);
    if (rc == 0) {
        rc = edo_wait_fd(book->fds[0], EDO_READABLE, edo_now() + EDO_US(50));
        CHECK(rc < 0);
    }
    close(book->fds[0]);
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* --- Closing ------------------------------------------------------------------------------------------------------ */

static int reads_until_closed(void *argument)
{
    struct book *book = argument;
    /* It may have been closed, or even cancelled, before its first turn. */
    ssize_t n = book->object[1] ? in_read(book, book->object[1]) : -EBADF;

    CHECK(n < 0 && n > -4096);
    book_add(book, RAN, 1);
    return 0;
}

static int row_close(void *argument)
{
    struct book *book = argument;
    int rc = open_pair(book);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, reads_until_closed, book);
        book_add(book, SPAWNED, rc == 0);
        if (rc == 0)
            rc = edo_yield();
        edo_close(EDO_TAKE(book->object[1]));
    }
    CHECK_RC(book_get(book, RAN), book_get(book, SPAWNED));
    edo_close(EDO_TAKE(book->object[0]));
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_read edo_write", row_write, 20, false},
    {"edo_writev", row_writev, 20, false},
    {"edo_write_all_part", row_write_all_part, 20, false},
    {"edo_write_all", row_write_all, 20, false},
    {"edo_writev_all", row_writev_all, 20, false},
    {"edo_try_read edo_try_write edo_wait_readable edo_wait_writable", row_try_write, 30, false},
    {"edo_try_writev", row_try_writev, 30, false},
    {"EDO_WHEN_READABLE EDO_WHEN_WRITABLE", row_dormant, 20, false},
    {"edo_accept edo_connect edo_tcp_connect", row_tcp, 12, false},
    {"edo_unix_connect", row_unix, 12, false},
    {"edo_wait_fd", row_wait_fd, 8, false},
    {"edo_close", row_close, 4, false},
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

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_io", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_every_call_bears_faulty_weather),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
