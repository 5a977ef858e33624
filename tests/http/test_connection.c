/* SPDX-License-Identifier: MIT */
/*
 * How connections end: by a client that is slow, silent or gone, by the server's own end, by a handler that takes them.
 */
#include "http/server_fixture.h"

static struct client client;
static struct reply reply;

/* "/echo" reads its body and gives it back, anything else says hello without reading. */
static int answer(edo_http_exchange *x, void *context)
{
    char buffer[1000];
    ssize_t n = 0, size = 0;

    (void)context;
    if (!edo_http_match(x, "POST", "/echo"))
        return edo_http_respond(x, 200, "text/plain", "Hello, world!", 13);
    while (size < (ssize_t)sizeof buffer && (n = edo_http_read(x, buffer + size, sizeof buffer - (size_t)size)) > 0)
        size += n;
    return n < 0 ? (int)n : edo_http_respond(x, 200, NULL, buffer, (size_t)size);
}

static void get(void)
{
    client_send(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static bool is_closing(void)
{
    const char *connection = reply_header(&reply, "Connection");

    return connection && strcmp(connection, "close") == 0;
}

/* --- Slow clients ------------------------------------------------------------------------------------------------- */

static void test_a_slow_head_is_cut_at_the_header_timeout(void **state)
{
    struct server server = {.options = {.header_timeout = EDO_MS(300)}};
    int sent = 0;

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "GET / HTTP/1.1\r\nSlow: ");
    for (;;) { /* never silent for long */
        struct pollfd poller = {client.fd, POLLIN, 0};

        if (poll(&poller, 1, 20) > 0)
            break;
        client_send(&client, "x");
        if (++sent == 900)
            fail_msg("the server waited for 18 s");
    }
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 408);
    client_expect_end(&client);
    client_close(&client);
    server_stop(&server);
    assert_int_equal(server.handled, 0);
}

static void test_silent_connections_are_closed_without_a_word(void **state)
{
    struct server server = {.options = {.header_timeout = EDO_MS(50), .idle_timeout = EDO_MS(50)}};

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_expect_end(&client);
    client_close(&client);
    client_connect(&client, &server);
    get();
    client_reply(&reply, &client);
    client_expect_end(&client); /* idle */
    client_close(&client);
    server_stop(&server);
}

static void test_a_slow_body_is_cut(void **state)
{
    struct server server = {.options = {.body_timeout = EDO_MS(300)}};
    int sent = 0;

    (void)state;
    server_start(&server, answer);
    client_connect(&client, &server);
    client_send(&client, "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 200);
    for (;;) {
        struct pollfd poller = {client.fd, POLLIN, 0};

        if (poll(&poller, 1, 20) > 0)
            break;
        if (send(client.fd, "x", 1, MSG_NOSIGNAL) < 0 || ++sent == 900)
            break;
    }
    assert_true(sent < 900);
    while (client_more(&client) > 0)
        ;
    client_close(&client);
    server_stop(&server);
}

static void test_a_slow_client_holds_up_nobody(void **state)
{
    enum { SLOW = 50 };
    static struct client slow[SLOW];
    struct server server = {0};

    (void)state;
    server_start(&server, answer);
    for (int i = 0; i < SLOW; i++) {
        client_connect(&slow[i], &server);
        client_send(&slow[i], i % 2 ? "GET / HT" : "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
    }
    client_connect(&client, &server);
    for (int i = 0; i < 100; i++) {
        get();
        client_reply(&reply, &client);
        assert_int_equal(reply.status, 200);
    }
    client_close(&client);
    for (int i = 0; i < SLOW; i++)
        client_close(&slow[i]);
    server_stop(&server);
}

/* --- Clients that vanish ------------------------------------------------------------------------------------------ */

static int pour(edo_http_exchange *x, void *context)
{
    static const char block[65536];
    int rc = edo_http_begin(x, 200, "application/octet-stream", EDO_HTTP_STREAM);

    while (rc >= 0)
        rc = (int)edo_http_write(x, block, sizeof block);
    *(_Atomic int *)((struct server *)context)->extra = rc;
    return rc;
}

static void wait_for(_Atomic int *value)
{
    for (int i = 0; i < 20000 && !atomic_load(value); i++)
        usleep(1000);
    assert_true(atomic_load(value) != 0);
}

static void test_a_client_that_vanishes_leaks_nothing(void **state)
{
    struct linger reset = {1, 0};
    _Atomic int result;
    struct server server = {.extra = &result};

    (void)state;
    server_start(&server, pour);
    for (int i = 0; i < 20; i++) {
        atomic_store(&result, 0);
        client_connect(&client, &server);
        get();
        client_head(&reply, &client);
        if (i % 2)
            setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_close(&client);
        wait_for(&result); /* while the server goes on */
        assert_true(result == -EPIPE || result == -ECONNRESET);
    }
    server_stop(&server);
}

static void test_a_client_that_takes_nothing_is_given_up(void **state)
{
    _Atomic int result = 0;
    struct server server = {.extra = &result, .options = {.write_timeout = EDO_MS(100)}};

    (void)state;
    server_start(&server, pour);
    client_connect(&client, &server);
    get();
    wait_for(&result);
    assert_int_equal(result, -ETIMEDOUT);
    client_close(&client);
    server_stop(&server);
}

/* --- Ending ------------------------------------------------------------------------------------------------------- */

struct gate {
    uint32_t inside;
    uint32_t open;
    int result;
};

static int wait_at_gate(edo_http_exchange *x, void *context)
{
    struct gate *gate = ((struct server *)context)->extra;

    __atomic_store_n(&gate->inside, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&gate->open, __ATOMIC_SEQ_CST)) {
        gate->result = edo_wait_word(&gate->open, 0, EDO_FOREVER);
        if (gate->result == -ECANCELED)
            return gate->result;
    }
    return edo_http_respond(x, 200, NULL, "done", 4);
}

static void wait_inside(struct gate *gate)
{
    while (!__atomic_load_n(&gate->inside, __ATOMIC_SEQ_CST))
        usleep(100);
}

static void test_an_end_completes_what_has_begun_and_closes_what_is_idle(void **state)
{
    static struct client idle, fresh, partial;
    struct gate gate = {0};
    struct server server = {.extra = &gate, .options = {.drain = EDO_SEC(60)}};

    (void)state;
    server_start(&server, wait_at_gate);
    __atomic_store_n(&gate.open, 1, __ATOMIC_SEQ_CST);
    client_connect(&idle, &server);
    client_send(&idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply(&reply, &idle);
    assert_false(is_closing());
    __atomic_store_n(&gate.open, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&gate.inside, 0, __ATOMIC_SEQ_CST);
    client_connect(&fresh, &server);
    client_connect(&partial, &server);
    client_send(&partial, "GET / HT");
    client_connect(&client, &server);
    get();
    wait_inside(&gate);
    server_cancel(&server);
    client_expect_end(&idle); /* while the request is still being answered */
    client_expect_end(&fresh);
    client_expect_end(&partial);
    assert_int_equal(gate.result, 0);
    __atomic_store_n(&gate.open, 1, __ATOMIC_SEQ_CST);
    edo_wake_word(&gate.open, 1);
    client_reply(&reply, &client);
    assert_string_equal(reply.body, "done");
    assert_true(is_closing());
    client_expect_end(&client);
    server_join(&server);
    client_close(&idle);
    client_close(&fresh);
    client_close(&partial);
    client_close(&client);
}

static void test_what_does_not_end_in_time_is_cancelled(void **state)
{
    static const int64_t drains[] = {EDO_MS(30), -1};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(drains); i++) {
        struct gate gate = {0};
        struct server server = {.extra = &gate, .options = {.drain = drains[i]}};

        server_start(&server, wait_at_gate);
        client_connect(&client, &server);
        get();
        wait_inside(&gate);
        server_stop(&server);
        assert_int_equal(gate.result, -ECANCELED);
        client_close(&client);
    }
}

static void test_no_more_connections_than_allowed_are_taken(void **state)
{
    static struct client second;
    struct server server = {.options = {.max_connections = 1}};
    struct pollfd poller;

    (void)state;
    server_start(&server, answer);
    for (int i = 0; i < 20; i++) {
        client_connect(&client, &server);
        get();
        client_reply(&reply, &client);
        client_connect(&second, &server); /* by the kernel */
        client_send(&second, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        poller = (struct pollfd){second.fd, POLLIN, 0};
        assert_int_equal(poll(&poller, 1, 5), 0);
        client_close(&client);
        client_reply(&reply, &second);
        assert_int_equal(reply.status, 200);
        client_close(&second);
    }
    server_stop(&server);
}

/* --- Beneath ------------------------------------------------------------------------------------------------------ */

static int take(edo_http_exchange *x, void *context)
{
    edo_stream *stream;
    edo_str received;
    edo_addr peer;
    char buffer[64];
    ssize_t n;
    int rc = edo_http_take_stream(&stream, &received, x);

    (void)context;
    assert_int_equal(edo_http_peer(&peer, x), 0);
    if (rc == 0)
        rc = (int)edo_write_all(stream, received.data, received.size);
    while (rc >= 0 && (n = edo_read(stream, buffer, sizeof buffer)) > 0)
        rc = (int)edo_write_all(stream, buffer, (size_t)n);
    return rc;
}

static void test_a_handler_can_take_the_stream(void **state)
{
    struct server server = {0};

    (void)state;
    server_start(&server, take);
    client_connect(&client, &server);
    client_send(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\nraw ");
    client_until(&client, "raw ");
    client_send(&client, "bytes");
    client_until(&client, "raw bytes");
    shutdown(client.fd, SHUT_WR);
    assert_int_equal(client_more(&client), 0);
    client_close(&client);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_head_is_cut_at_the_header_timeout),
        cmocka_unit_test(test_silent_connections_are_closed_without_a_word),
        cmocka_unit_test(test_a_slow_body_is_cut),
        cmocka_unit_test(test_a_slow_client_holds_up_nobody),
        cmocka_unit_test(test_a_client_that_vanishes_leaks_nothing),
        cmocka_unit_test(test_a_client_that_takes_nothing_is_given_up),
        cmocka_unit_test(test_an_end_completes_what_has_begun_and_closes_what_is_idle),
        cmocka_unit_test(test_what_does_not_end_in_time_is_cancelled),
        cmocka_unit_test(test_no_more_connections_than_allowed_are_taken),
        cmocka_unit_test(test_a_handler_can_take_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
