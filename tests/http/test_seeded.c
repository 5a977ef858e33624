/* SPDX-License-Identifier: MIT */
/* The server under seeds, on the simulated network: whatever the order, each request is answered, once and whole. */
#include "testing/seeds.h"

#include <edo/http.h>

enum { CLIENTS = 3, REQUESTS = 4 };

static int handle(edo_http_exchange *x, void *context)
{
    char body[2000];
    edo_str path = edo_http_path(x);

    (void)context;
    if (edo_http_match(x, "POST", NULL)) {
        ssize_t size = 0;
        ssize_t n;

        while ((n = edo_http_read(x, body + size, sizeof body - (size_t)size)) > 0)
            size += n;
        return n < 0 ? (int)n : edo_http_respond(x, 200, "text/plain", body, (size_t)size);
    }
    edo_sleep(EDO_MS(5));
    if (path.size == 2) /* in chunks */
        return edo_http_begin(x, 200, "text/plain", EDO_HTTP_STREAM) < 0 ||
                       edo_http_write(x, path.data, path.size) < 0 || edo_http_write(x, "!", 1) < 0
                   ? -EIO
                   : edo_http_end(x);
    return edo_http_respond(x, 200, "text/plain", path.data, path.size);
}

static void say(edo_stream *stream, const char *text)
{
    CHECK_RC(edo_write_all(stream, text, strlen(text)), strlen(text));
}

/* Reads up to the end of `tail`, which must come before the stream's. */
static bool read_until(edo_stream *stream, char *text, size_t capacity, const char *tail)
{
    size_t size = 0;

    text[0] = '\0';
    while (!strstr(text, tail)) {
        ssize_t n = edo_read(stream, text + size, capacity - 1 - size);

        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
    }
    return true;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;

    while ((text = strstr(text, what)) != NULL) {
        count++;
        text += strlen(what);
    }
    return count;
}

static int client(void *argument)
{
    int *answered = argument;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    char text[4000];
    int rc = edo_tcp_connect(&stream, "10.0.0.1:80", NULL);

    CHECK_RC(rc, 0);
    if (rc < 0)
        return rc;
    for (int i = 0; i < REQUESTS; i++) {
        say(stream, "GET /abc HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(read_until(stream, text, sizeof text, "\r\n\r\n/abc"));
        CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0);
        CHECK(strstr(text, "Date: Sat, 01 Jan 2000 00:") != NULL);
        if (i % 2)
            edo_sleep(EDO_SEC(10));
    }
    /* Three at once; the body comes late. */
    say(stream, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
                "POST /y HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbo");
    edo_sleep(EDO_SEC(2));
    say(stream, "dy!GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(read_until(stream, text, sizeof text, "\r\n\r\n/last"));
    CHECK_RC(count_of(text, "HTTP/1.1 200 OK\r\n"), 3);
    CHECK(strstr(text, "2\r\n/x\r\n1\r\n!\r\n0\r\n\r\n") || strstr(text, "3\r\n/x!\r\n0\r\n\r\n"));
    CHECK(strstr(text, "\r\n\r\nbody!HTTP") != NULL);
    CHECK_RC(edo_read(stream, text, sizeof text), 0);
    ++*answered;
    return 0;
}

/* Says nothing, and is closed when its time is over. */
static int idler(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    int64_t start = edo_now();
    char text[1000];

    (void)argument;
    CHECK_RC(edo_tcp_connect(&stream, "10.0.0.1:80", NULL), 0);
    CHECK_RC(edo_read(stream, text, sizeof text), 0);
    CHECK_RC((edo_now() - start) / EDO_SEC(1), 20);
    return 0;
}

static int serve(void *argument)
{
    return edo_http_serve(argument, handle, NULL, EDO_OPTIONS(edo_http_server_options, .header_timeout = EDO_SEC(20)));
}

static int everything(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int answered = 0;
    int result;
    int rc = edo_tcp_listen(&listener, "10.0.0.1:80", NULL);

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_scope clients;
        edo_task *server;

        rc = edo_spawn(scope, serve, listener, .handle = &server);
        edo_scope_begin(&clients, NULL, NULL);
        for (int i = 0; i < CLIENTS && rc == 0; i++)
            rc = edo_spawn(&clients, client, &answered);
        if (rc == 0)
            rc = edo_spawn(&clients, idler, NULL);
        rc = edo_scope_end(&clients, rc);
        edo_scope_cancel(scope);
        CHECK_RC(edo_join(&result, server), -ECANCELED);
    }
    CHECK_RC(answered, CLIENTS);
    return rc;
}

static void test_requests_are_answered_under_any_seed(void **state)
{
    (void)state;
    many_seeds(everything, NULL, 200, NULL);
}

static void test_requests_are_answered_with_short_transfers(void **state)
{
    (void)state;
    many_seeds(everything, NULL, 200, EDO_OPTIONS(edo_test_options, .short_transfers = true));
}

static void test_requests_are_answered_over_a_slow_network(void **state)
{
    (void)state;
    many_seeds(
        everything, NULL, 100,
        EDO_OPTIONS(edo_test_options, .short_transfers = true, .latency_min = EDO_MS(1), .latency_max = EDO_MS(400)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_under_any_seed),
        cmocka_unit_test(test_requests_are_answered_with_short_transfers),
        cmocka_unit_test(test_requests_are_answered_over_a_slow_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
