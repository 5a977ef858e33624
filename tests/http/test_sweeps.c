/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server under the sweeps (rules C1, C2, F1): requests of every kind, cancelled at each of server's and
 * client's points, refused each call. What a client gets is the beginning of a response, and all of it where nothing
 * went wrong.
 */
#include "testing/sweeps.h"

#include <edo/http.h>

enum { WHOLE, BEGUN };

static const char *const requests[] = {
    "GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789",
    ("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
     "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"),
    "GET /taken HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n",
    "GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
};

static int pieces(edo_http_exchange *x)
{
    int rc = edo_http_begin(x, 200, "text/plain", EDO_HTTP_STREAM);

    for (int i = 0; i < 3 && rc == 0; i++) {
        ssize_t n = edo_http_write(x, "piece", 5);

        rc = n < 0 ? (int)n : edo_http_flush(x);
        CHECK(n == 5 || n < 0);
    }
    return rc < 0 ? rc : edo_http_end(x);
}

static int echo(edo_http_exchange *x)
{
    char body[64];
    size_t size = 0;
    ssize_t n;

    while ((n = edo_http_read(x, body + size, sizeof body - size)) > 0)
        size += (size_t)n;
    return n < 0 ? (int)n : edo_http_respond(x, 200, "text/plain", body, size);
}

static int take(edo_http_exchange *x)
{
    edo_stream *stream;
    edo_str received;
    int rc = edo_http_take_stream(&stream, &received, x);
    ssize_t n = rc < 0 ? rc : edo_write_all(stream, "HTTP/1.1 101 taken", 18);

    return n < 0 ? (int)n : 0;
}

static int answer(edo_http_exchange *x, void *context)
{
    (void)context;
    if (edo_http_match(x, "GET", "/whole"))
        return edo_http_respond(x, 200, "text/plain", "whole", 5);
    if (edo_http_match(x, "GET", "/pieces"))
        return pieces(x);
    if (edo_http_match(x, "POST", "/echo"))
        return echo(x);
    if (edo_http_match(x, "GET", "/taken"))
        return take(x);
    return edo_http_send_file(x, EDO_TEST_CASES, edo_http_path(x));
}

/* Asks, and reads to the end. 1 for the beginning of a response, 0 for none. */
static int ask(const edo_addr *address, const char *request)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    char text[1024] = "";
    size_t size = 0;
    ssize_t n = edo_connect(&stream, address, NULL);

    if (n == 0)
        n = edo_write_all(stream, request, strlen(request));
    while (n > 0 && (n = edo_read(stream, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    CHECK(strncmp(text, "HTTP/1.1 ", size < 9 ? size : 9) == 0);
    return n < 0 ? (int)n : size > 12;
}

static int serves(void *argument)
{
    struct book *book = argument;

    return edo_http_serve(book->object[0], answer, NULL, EDO_OPTIONS(edo_http_server_options, .drain = EDO_MS(20)));
}

static int serve_and_ask(void *argument)
{
    struct book *book = argument;
    edo_addr address;
    int rc = edo_tcp_listen((edo_listener **)&book->object[0], "127.0.0.1:0", NULL);

    if (rc < 0)
        return rc;
    rc = edo_listener_addr(&address, book->object[0]);
    EDO_SCOPE (scope, &rc) {
        if (rc == 0)
            rc = edo_spawn(scope, serves, book);
        for (size_t i = 0; i < EDO_COUNT(requests) && rc >= 0; i++) {
            rc = ask(&address, requests[i]);
            book_add(book, WHOLE, rc == 1);
        }
        if (rc >= 0)
            rc = 0;
        edo_scope_cancel(scope);
    }
    edo_listener_close(book->object[0]);
    return rc;
}

static int all_answered(void *argument, size_t point, int rc)
{
    if (point == 0 && book_get(argument, WHOLE) != EDO_COUNT(requests))
        return -ENOMSG;
    /* Where a connection alone is cancelled, the client sees an end of it, or a reset. */
    return checked_cancelled(argument, point, point > 0 && (rc == -ECONNRESET || rc == -EPIPE) ? 0 : rc);
}

static void test_c1_f1_the_server_bears_cancellation_and_failure_everywhere(void **state)
{
    const edo_test_options *run = EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO);
    edo_test_report report = EDO_TEST_REPORT_INIT;
    struct book book;

    (void)state;
    for (int cancels = EDO_CANCELS_ROOT; cancels <= EDO_CANCELS_INNERMOST; cancels++) {
        assert_int_equal(
            edo_test_cancel_sweep(serve_and_ask, &book,
                                  EDO_OPTIONS(edo_test_sweep_options, .run = run, .reset = book_reset,
                                              .check = all_answered, .cancels = cancels, .report = &report)),
            0);
        assert_true(report.swept > 40);
        print_message("# %zu points\n", report.swept);
    }
    assert_int_equal(edo_test_fault_sweep(serve_and_ask, &book,
                                          EDO_OPTIONS(edo_test_sweep_options, .run = run, .reset = book_reset,
                                                      .check = checked_failed, .report = &report)),
                     0);
    print_message("# %zu failures\n", report.swept);
}

static void test_f1_the_server_bears_faulty_weather(void **state)
{
    const struct row row = {"edo_http_serve", serve_and_ask, 0, true};

    (void)state;
    weather_row(&row, edo_test_rounds(10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_f1_the_server_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_the_server_bears_faulty_weather),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
