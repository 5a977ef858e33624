/* SPDX-License-Identifier: MIT */
/*
 * The server, from outside: what is on the wire, what reaches a handler, and how connections end.
 */
#include "http/server_fixture.h"

/* --- A handler that does what its path says ----------------------------------------------------------------------- */

static int echo(edo_http_exchange *x)
{
    char buffer[1000];
    ssize_t n = edo_http_read(x, buffer, sizeof buffer);
    int rc;

    if (n < 0)
        return (int)n;
    rc = edo_http_begin(x, 200, "application/octet-stream", edo_http_body_size(x));
    while (rc >= 0 && n > 0) {
        rc = (int)edo_http_write(x, buffer, (size_t)n);
        n = edo_http_read(x, buffer, sizeof buffer);
        if (n < 0)
            rc = (int)n;
    }
    if (!edo_http_match(x, "POST", "/echo")) /* the head's texts stay good while the body is read */
        return -EIO;
    return rc;
}

static int answer(edo_http_exchange *x, void *context)
{
    edo_str path = edo_http_path(x);
    char text[64];
    int rc;

    (void)context;
    if (edo_http_match(x, "GET", "/"))
        return edo_http_respond(x, 200, "text/plain", "Hello, world!", 13);
    if (edo_http_match(x, NULL, "/echo"))
        return echo(x);
    if (edo_http_match(x, NULL, "/ignore")) /* the body stays unread */
        return edo_http_respond(x, 200, NULL, "ignored", 7);
    if (edo_http_match(x, NULL, "/forbid"))
        return edo_http_fail(x, 403, NULL);
    if (edo_http_match(x, NULL, "/204"))
        return edo_http_respond(x, 204, NULL, "none", 4);
    if (edo_http_match(x, NULL, "/299"))
        return edo_http_respond(x, 299, NULL, NULL, 0);
    if (edo_http_match(x, NULL, "/nothing"))
        return 0;
    if (edo_http_match(x, NULL, "/error"))
        return -EIO;
    if (edo_http_match(x, NULL, "/late-error")) {
        edo_http_begin(x, 200, "text/plain", EDO_HTTP_STREAM);
        edo_http_write(x, "begun", 5);
        return -EIO;
    }
    if (edo_http_match(x, NULL, "/short")) {
        edo_http_begin(x, 200, "text/plain", 10);
        edo_http_write(x, "12345", 5);
        return 0;
    }
    if (edo_http_match(x, NULL, "/long")) {
        edo_http_begin(x, 200, "text/plain", 5);
        rc = (int)edo_http_write(x, "123456", 6);
        edo_http_write(x, rc == -EINVAL ? "right" : "wrong", 5);
        return 0;
    }
    if (edo_http_match(x, "GET", "/stream")) {
        rc = edo_http_begin(x, 200, "text/plain", EDO_HTTP_STREAM);
        for (int i = 0; rc >= 0 && i < 3; i++) {
            snprintf(text, sizeof text, "piece %d\n", i);
            rc = (int)edo_http_write(x, text, strlen(text));
        }
        return rc < 0 ? rc : edo_http_end(x);
    }
    if (path.size > 6 && memcmp(path.data, "/path/", 6) == 0)
        return edo_http_respond(x, 200, NULL, path.data, path.size);
    return edo_http_fail(x, 404, NULL);
}

static struct client client;
static struct reply reply;

static void get(const char *target, const char *more)
{
    char text[4096];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, more);
    client_send(&client, text);
}

static bool is_closing(void)
{
    const char *connection = reply_header(&reply, "Connection");

    return connection && strcmp(connection, "close") == 0;
}

/* --- Ordinary requests -------------------------------------------------------------------------------------------- */

static void test_a_connection_is_kept_for_many_requests(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    for (int i = 0; i < 300; i++) { /* more than a task's budget */
        get("/", "");
        client_reply(&reply, &client);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "Hello, world!");
        assert_text(reply_header(&reply, "Content-Length"), "13");
        assert_text(reply_header(&reply, "Content-Type"), "text/plain");
        assert_null(reply_header(&reply, "Connection"));
    }
    client_close(&client);
    server_stop(&server);
    assert_int_equal(server.handled, 300);
}

static void test_every_response_has_a_date(void **state)
{
    static const char *const targets[] = {"/", "/none", "/204", "/stream", "/error"};
    struct server server = {0};
    const char *date;
    struct tm tm;

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    for (size_t i = 0; i < EDO_COUNT(targets); i++) {
        get(targets[i], "");
        client_reply(&reply, &client);
        date = reply_header(&reply, "Date");
        assert_non_null(date);
        assert_int_equal(strlen(date), 29);
        assert_non_null(strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm));
        assert_true(labs(timegm(&tm) - time(NULL)) <= 2);
    }
    client_close(&client);
    server_stop(&server);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    enum { COUNT = 500 };
    static char requests[COUNT * 64];
    struct server server = {0};
    size_t size = 0;
    char wanted[64];

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    for (int i = 0; i < COUNT; i++)
        size += (size_t)sprintf(requests + size, "GET /path/%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    client_send_bytes(&client, requests, size);
    for (int i = 0; i < COUNT; i++) {
        client_reply(&reply, &client);
        sprintf(wanted, "/path/%d", i);
        assert_string_equal(reply.body, wanted);
    }
    client_close(&client);
    server_stop(&server);
}

static void test_bodies_between_pipelined_requests_are_told_apart(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client,
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
                "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET /error HTTP/1.1\r\nHost: "
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nthi\r\n2\r\nrd\r\n0\r\n\r\n"
                "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nthi\r\n0\r\nT: x\r\n\r\n"
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "first");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "ignored");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "5\r\nthird\r\n0\r\n\r\n");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "ignored");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "Hello, world!");
    client_close(&client);
    server_stop(&server);
}

static void test_a_request_may_come_byte_by_byte(void **state)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    struct server server = {0};
    int on = 1;

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    setsockopt(client.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < sizeof request - 1; i++)
        client_send_bytes(&client, request + i, 1);
    client_reply(&reply, &client);
    assert_true(strstr(reply.body, "0\r\n\r\n") != NULL);
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "Hello, world!");
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

static void test_a_body_of_unknown_size_is_sent_in_chunks(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    get("/stream", "");
    client_reply(&reply, &client);
    assert_text(reply_header(&reply, "Transfer-Encoding"), "chunked");
    assert_null(reply_header(&reply, "Content-Length"));
    assert_string_equal(reply.body, "8\r\npiece 0\n\r\n8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n0\r\n\r\n");
    get("/", "");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 200);
    client_close(&client);
    server_stop(&server);
}

static void test_http_1_0_ends_bodies_and_connections(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_reply(&reply, &client);
    assert_text(reply_header(&reply, "Connection"), "keep-alive");
    client_send(&client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_head(&reply, &client);
    assert_null(reply_header(&reply, "Transfer-Encoding"));
    assert_null(reply_header(&reply, "Content-Length"));
    assert_true(is_closing());
    while (client_more(&client) > 0)
        ;
    assert_int_equal(client.size, 24);
    assert_memory_equal(client.data, "piece 0\npiece 1\npiece 2\n", 24);
    client_close(&client);
    client_connect(&client, &server);
    client_send(&client, "GET / HTTP/1.0\r\n\r\n");
    client_reply(&reply, &client);
    assert_true(is_closing());
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

static void test_connection_close_is_obeyed_and_said(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    get("/", "Connection: close\r\n");
    client_reply(&reply, &client);
    assert_true(is_closing());
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

static void test_head_gets_the_head_alone(void **state)
{
    static const char *const targets[] = {"/", "/stream", "/none", "/path/x"};
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    for (size_t i = 0; i < EDO_COUNT(targets); i++) {
        char text[128];

        snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        client_send(&client, text);
        client_head(&reply, &client);
        if (i == 0)
            assert_text(reply_header(&reply, "Content-Length"), "13");
        if (i == 1)
            assert_text(reply_header(&reply, "Transfer-Encoding"), "chunked");
    }
    get("/", "");
    client_reply(&reply, &client); /* no byte of a body stands before it */
    assert_string_equal(reply.body, "Hello, world!");
    client_close(&client);
    server_stop(&server);
}

static void test_204_has_no_body_and_no_length(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    get("/204", "");
    client_head(&reply, &client);
    assert_int_equal(reply.status, 204);
    assert_null(reply_header(&reply, "Content-Length"));
    assert_null(reply_header(&reply, "Transfer-Encoding"));
    get("/299", "");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 299);
    assert_text(reply_header(&reply, "Content-Length"), "0");
    client_close(&client);
    server_stop(&server);
}

static void test_large_bodies_pass_both_ways(void **state)
{
    enum { SIZE = 100000 };
    static char body[SIZE];
    struct server server = {0};

    (void)state;
    for (int i = 0; i < SIZE; i++)
        body[i] = (char)(i * 7 % 251);
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client_send_bytes(&client, body, SIZE);
    client_reply(&reply, &client);
    assert_int_equal(reply.size, SIZE);
    assert_memory_equal(reply.body, body, SIZE);
    client_close(&client);
    server_stop(&server);
}

/* --- Expect ------------------------------------------------------------------------------------------------------- */

static void test_100_is_sent_when_the_handler_reads(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_head(&reply, &client);
    assert_string_equal(reply.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(&client, "hello");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "hello");
    get("/", ""); /* and the connection lives on */
    client_reply(&reply, &client);
    client_close(&client);
    server_stop(&server);
}

static void test_100_is_not_sent_to_be_refused(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /forbid HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 403);
    assert_true(is_closing()); /* nobody knows whether the body will come */
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

static void test_100_is_not_sent_once_the_body_comes(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "hello");
    client_close(&client);
    server_stop(&server);
}

/* --- Requests that are refused ------------------------------------------------------------------------------------ */

static void test_malformed_requests_never_reach_a_handler(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: magic\r\n\r\nx", 417},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nBad\x01: x\r\n\r\n", 400},
        {"\x16\x03\x01\x02\r\n\r\n", 400},
    };
    struct server server = {0};
    int handled = 0;

    (void)state;
    server_start(&server, answer);
    for (size_t i = 0; i < EDO_COUNT(cases); i++) {
        client_connect(&client, &server);
        client_send(&client, cases[i].text);
        client_reply(&reply, &client);
        if (strstr(cases[i].text, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")) { /* the first of the two is all right */
            handled++;
            assert_int_equal(reply.status, 200);
            client_reply(&reply, &client);
        }
        if (reply.status != cases[i].status)
            fail_msg("%s: %d instead of %d", cases[i].text, reply.status, cases[i].status);
        assert_true(is_closing());
        client_expect_end(&client);
        client_close(&client);
        assert_int_equal(server.handled, handled);
    }
    server_stop(&server);
}

static void test_limits_are_kept(void **state)
{
    static char text[40000];
    struct server server = {.options = {.max_line = 100, .max_head = 20000, .max_fields = 10, .max_body = 50}};
    size_t size;

    (void)state;
    server_start(&server, answer);

    client_connect(&client, &server);
    size = (size_t)sprintf(text, "GET /path/");
    memset(text + size, 'x', 100);
    strcpy(text + size + 100, " HTTP/1.1\r\nHost: a\r\n\r\n");
    client_send(&client, text);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 414);
    client_expect_end(&client);
    client_close(&client);

    client_connect(&client, &server);
    size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 10; i++)
        size += (size_t)sprintf(text + size, "F%d: x\r\n", i);
    strcpy(text + size, "\r\n");
    client_send(&client, text);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 431);
    client_expect_end(&client);
    client_close(&client);

    client_connect(&client, &server);
    size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nLong: ");
    memset(text + size, 'x', 20000);
    strcpy(text + size + 20000, "\r\n\r\n");
    client_send(&client, text);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 431);
    client_expect_end(&client);
    client_close(&client);

    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n33\r\n");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 413);
    client_expect_end(&client);
    client_close(&client);
    assert_int_equal(server.handled, 1); /* the chunked one, of which only its handler could know */
    server_stop(&server);
}

static void test_a_head_larger_than_the_stack_buffer_is_read(void **state)
{
    static char text[40000];
    struct server server = {0};
    size_t size = (size_t)sprintf(text, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nLong: ");

    (void)state;
    server_start(&server, answer);
    /* Around the size of the buffer: the chunks have much, little or no room behind the head. */
    for (size_t length = 13000; length < 30000; length += length < 16000 || length > 17000 ? 1000 : 50) {
        client_connect(&client, &server);
        memset(text + size, 'x', length);
        strcpy(text + size + length, "\r\n\r\n");
        client_send(&client, text);
        client_send(&client, "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client_reply(&reply, &client);
        assert_int_equal(reply.status, 200);
        assert_true(strstr(reply.body, "0\r\n\r\n") != NULL);
        client_reply(&reply, &client);
        assert_string_equal(reply.body, "Hello, world!");
        client_close(&client);
    }
    server_stop(&server);
}

static void test_a_broken_body_is_answered_and_ends_the_connection(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 400);
    client_expect_end(&client);
    client_close(&client);
    client_connect(&client, &server);
    client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    shutdown(client.fd, SHUT_WR);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 400);
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

/* --- Handlers that go wrong --------------------------------------------------------------------------------------- */

static void test_an_error_before_the_response_is_500(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    get("/error", "");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 500);
    get("/nothing", "");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 500);
    client_close(&client);
    server_stop(&server);
}

static void test_a_response_that_is_not_whole_is_cut(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    get("/late-error", "");
    client_head(&reply, &client);
    while (client_more(&client) > 0)
        ;
    assert_null(memmem(client.data, client.size, "0\r\n\r\n", 5));
    client_close(&client);
    client_connect(&client, &server);
    get("/short", "");
    client_head(&reply, &client);
    assert_text(reply_header(&reply, "Content-Length"), "10");
    while (client_more(&client) > 0)
        ;
    assert_int_equal(client.size, 5);
    client_close(&client);
    client_connect(&client, &server);
    get("/long", "");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "right");
    client_close(&client);
    server_stop(&server);
}

static int try_headers(edo_http_exchange *x, void *context)
{
    char large[5000];

    (void)context;
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_int_equal(edo_http_set_header(x, "X-A", "1\r\nX-Evil: 1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "X-A", "1\nX-Evil: 1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "X-A\r\nX-Evil", "1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "X A", "1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "", "1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "content-length", "1"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "Transfer-Encoding", "chunked"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "Connection", "close"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "Date", "now"), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "X-Large", large), -ENOSPC);
    assert_int_equal(edo_http_respond(x, 200, "text/plain\r\nX-Evil: 1", "", 0), -EINVAL);
    assert_int_equal(edo_http_respond(x, 99, NULL, "", 0), -EINVAL);
    assert_int_equal(edo_http_respond(x, 100, NULL, "", 0), -EINVAL);
    assert_int_equal(edo_http_write(x, "x", 1), -EINVAL);
    assert_int_equal(edo_http_set_header(x, "X-A", "1"), 0);
    assert_int_equal(edo_http_set_header(x, "X-B", "1"), 0);
    assert_int_equal(edo_http_set_header(x, "x-a", "2"), 0);
    assert_int_equal(edo_http_add_header(x, "Set-Cookie", "a"), 0);
    assert_int_equal(edo_http_add_header(x, "Set-Cookie", "b"), 0);
    assert_int_equal(edo_http_respond(x, 200, NULL, "ok", 2), 0);
    assert_int_equal(edo_http_respond(x, 200, NULL, "ok", 2), -EALREADY);
    assert_int_equal(edo_http_set_header(x, "X-A", "3"), -EALREADY);
    return 0;
}

static void test_header_fields_cannot_be_forged(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, try_headers);
    client_connect(&client, &server);
    get("/", "");
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "ok");
    assert_null(strstr(reply.head, "Evil"));
    assert_non_null(strstr(reply.head, "\r\nX-B: 1\r\nx-a: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"));
    get("/", ""); /* nothing of it stays for the next */
    client_reply(&reply, &client);
    assert_null(strstr(strstr(reply.head, "Set-Cookie: b") + 1, "Set-Cookie"));
    assert_non_null(strstr(reply.head, "\r\nX-B: 1\r\nx-a: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"));
    client_close(&client);
    server_stop(&server);
}

static void test_a_large_body_left_unread_ends_the_connection_after_the_response(void **state)
{
    static char body[300000];
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    client_send_bytes(&client, body, 200000);
    client_reply(&reply, &client); /* which no reset has taken away */
    assert_string_equal(reply.body, "ignored");
    assert_true(is_closing());
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_is_kept_for_many_requests),
        cmocka_unit_test(test_every_response_has_a_date),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_bodies_between_pipelined_requests_are_told_apart),
        cmocka_unit_test(test_a_request_may_come_byte_by_byte),
        cmocka_unit_test(test_a_body_of_unknown_size_is_sent_in_chunks),
        cmocka_unit_test(test_http_1_0_ends_bodies_and_connections),
        cmocka_unit_test(test_connection_close_is_obeyed_and_said),
        cmocka_unit_test(test_head_gets_the_head_alone),
        cmocka_unit_test(test_204_has_no_body_and_no_length),
        cmocka_unit_test(test_large_bodies_pass_both_ways),
        cmocka_unit_test(test_100_is_sent_when_the_handler_reads),
        cmocka_unit_test(test_100_is_not_sent_to_be_refused),
        cmocka_unit_test(test_100_is_not_sent_once_the_body_comes),
        cmocka_unit_test(test_malformed_requests_never_reach_a_handler),
        cmocka_unit_test(test_limits_are_kept),
        cmocka_unit_test(test_a_head_larger_than_the_stack_buffer_is_read),
        cmocka_unit_test(test_a_broken_body_is_answered_and_ends_the_connection),
        cmocka_unit_test(test_an_error_before_the_response_is_500),
        cmocka_unit_test(test_a_response_that_is_not_whole_is_cut),
        cmocka_unit_test(test_header_fields_cannot_be_forged),
        cmocka_unit_test(test_a_large_body_left_unread_ends_the_connection_after_the_response),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
