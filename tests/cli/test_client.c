/* SPDX-License-Identifier: MIT */
/*
 * The client's end of HTTP, and server-sent events, against a server that sends what the case says: at once, and byte
 * by byte. What is not HTTP, or has no end, is an error and not a guess.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/client.h"
#include "cli/sse.h"

#include <edo/edo.h>

#include <stdio.h>
#include <stdlib.h>

/* --- A server that says one thing --------------------------------------------------------------------------------- */

struct saying {
    edo_listener *listener;
    edo_str answer;
    bool slowly;
    char request[2048];
};

static int say(void *argument)
{
    struct saying *saying = (struct saying *)argument;
    edo_stream *peer EDO_AUTO(edo_close) = NULL;
    size_t got = 0;
    ssize_t n = edo_accept(&peer, saying->listener);

    while (n >= 0 && !strstr(saying->request, "\r\n\r\n")) {
        n = edo_read(peer, saying->request + got, sizeof saying->request - 1 - got);
        if (n <= 0)
            return (int)n;
        got += (size_t)n;
    }
    if (n >= 0 && !saying->slowly)
        n = edo_write_all(peer, saying->answer.data, saying->answer.size);
    for (size_t i = 0; n >= 0 && saying->slowly && i < saying->answer.size; i++) {
        n = edo_write_all(peer, saying->answer.data + i, 1);
        edo_yield();
    }
    return 0; /* who has heard enough may have gone */
}

/* --- What the client makes of it ---------------------------------------------------------------------------------- */

struct heard {
    struct saying saying;
    int rc; /* of the head, then of the body's end */
    int status;
    char type[40];
    char body[4096];
    size_t size;
};

static int hear(struct heard *heard, const char *address)
{
    struct edo_client client;
    edo_str piece;
    ssize_t n;
    int rc = edo_client_open(&client, address, "/path?query=1");

    heard->status = client.status;
    memcpy(heard->type, client.type, sizeof heard->type);
    while (rc == 0 && (n = edo_client_body(&piece, &client)) != 0) {
        if (n == -EAGAIN) {
            rc = edo_client_more(&client);
        } else if (n < 0) {
            rc = (int)n;
        } else {
            assert_true(heard->size + piece.size < sizeof heard->body);
            memcpy(heard->body + heard->size, piece.data, piece.size);
            heard->size += piece.size;
        }
    }
    edo_client_close(&client);
    return rc;
}

static int meet(void *argument)
{
    struct heard *heard = (struct heard *)argument;
    char text[EDO_ADDR_TEXT_SIZE];
    edo_addr address;
    int rc = edo_tcp_listen(&heard->saying.listener, "127.0.0.1:0", NULL);

    assert_int_equal(rc, 0);
    assert_int_equal(edo_listener_addr(&address, heard->saying.listener), 0);
    assert_true(edo_addr_print(text, sizeof text, &address) >= 0);
    EDO_SCOPE (both, &rc, .policy = EDO_SUPERVISE) {
        edo_spawn(both, say, &heard->saying);
        heard->rc = hear(heard, text);
    }
    edo_listener_close(heard->saying.listener);
    return rc;
}

static struct heard heard;

/* Hears it, twice, and the second time slowly: it has to come to the same. */
static void ask(const char *answer, size_t size)
{
    struct heard before;

    for (int slowly = 0; slowly < 2; slowly++) {
        before = heard;
        memset(&heard, 0, sizeof heard);
        heard.saying.answer = (edo_str){answer, size};
        heard.saying.slowly = slowly;
        assert_int_equal(edo_run(meet, &heard, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
    }
    assert_int_equal(heard.rc, before.rc);
    assert_string_equal(heard.body, before.body);
}

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void test_what_is_said_and_what_is_heard(void **state)
{
    static const struct {
        const char *answer;
        const char *body;
        int rc;
        int status; /* 0: none */
    } cases[] = {
        /* Bodies, with their ends */
        {OK "Content-Length: 5\r\nContent-Type: Text/Plain; charset=utf-8\r\n\r\nhello, and more", "hello", 0, 200},
        {CHUNKED "5\r\nhello\r\nA;x=y\r\n, dear all\r\n0\r\nTrailer: x\r\n\r\n", "hello, dear all", 0, 200},
        {"HTTP/1.0 404 Not Found\n\nhello", "hello", 0, 404},
        /* and without */
        {OK "Content-Length: 50\r\n\r\nhello", "hello", -ECONNRESET, 200},
        {CHUNKED "5\r\nhel", "hel", -ECONNRESET, 200},
        {CHUNKED "5\r\nhello\r\n", "hello", -ECONNRESET, 200},
        /* What is no HTTP */
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "", -EPROTO, 0},
        {"HTTP/1.1 2x0 OK\r\n\r\n", "", -EPROTO, 0},
        {OK "no field\r\n\r\n", "", -EPROTO, 200},
        {OK "Content-Length: -1\r\n\r\n", "", -EPROTO, 200},
        {OK "Content-Length: 99999999999999999999\r\n\r\n", "", -EPROTO, 200},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "", -EPROTO, 200},
        {"", "", -EPROTO, 0},
        /* Chunks that are none */
        {CHUNKED "zz\r\n", "", -EPROTO, 200},
        {CHUNKED "\r\n", "", -EPROTO, 200},
        {CHUNKED "-1\r\n", "", -EPROTO, 200},
        {CHUNKED "5x\r\nhello\r\n", "", -EPROTO, 200},
        {CHUNKED "5\r\nhelloX\r\n", "hello", -EPROTO, 200},
        {CHUNKED "1000000000000000\r\n", "", -EPROTO, 200},
    };

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(cases); i++) {
        ask(cases[i].answer, strlen(cases[i].answer));
        if (heard.rc != cases[i].rc || (heard.status != cases[i].status && cases[i].status) ||
            strcmp(heard.body, cases[i].body) != 0)
            fail_msg("%d, status %d, '%s' of: %s", heard.rc, heard.status, heard.body, cases[i].answer);
        if (i == 0) {
            assert_string_equal(heard.type, "text/plain");
            assert_non_null(strstr(heard.saying.request, "GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
        }
    }
}

static void test_a_head_that_is_too_long_is_an_error(void **state)
{
    static char head[40000];
    size_t used = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n");

    (void)state;
    while (used < sizeof head - 20)
        used += (size_t)snprintf(head + used, sizeof head - used, "Field: value\r\n");
    memcpy(head + used, "\r\nbody", 6);
    ask(head, used + 6);
    assert_int_equal(heard.rc, -EPROTO);
    memset(head + 24, 'x', used - 26); /* one field */
    ask(head, used + 6);
    assert_int_equal(heard.rc, -EPROTO);
    used = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    while (used < sizeof head - 20)
        used += (size_t)snprintf(head + used, sizeof head - used, "Field: value\r\n");
    memcpy(head + used, "\r\n", 2);
    ask(head, used + 2);
    assert_int_equal(heard.rc, -EPROTO);
}

/* --- Events ------------------------------------------------------------------------------------------------------- */

/* All events of a text, fed in pieces of that size: "name=data|name=data|". */
static void events(char *out, size_t room, const char *text, size_t step)
{
    struct edo_sse sse;
    size_t size = strlen(text);
    size_t used = 0;

    out[0] = 0;
    edo_sse_init(&sse);
    for (size_t at = 0; at < size; at += step) {
        edo_str piece = {text + at, size - at < step ? size - at : step};

        while (edo_sse_next(&sse, &piece) == 1)
            used += (size_t)snprintf(out + used, room - used, "%s=%.*s|", sse.name, (int)sse.data.size, sse.data.data);
        assert_int_equal(piece.size, 0);
    }
    edo_sse_finish(&sse);
}

static void test_events_however_they_are_divided(void **state)
{
    static const char text[] =
        ": a comment\n\nevent: now\ndata: {1}\n\nid: 7\nevent:tasks\r\ndata:{2\r\ndata: }\r\n\r\n"
        "event: empty\n\ndata: no name\n\nevent: later\ndata: cut off";
    char out[200];

    (void)state;
    for (size_t step = 1; step <= sizeof text; step++) {
        events(out, sizeof out, text, step);
        assert_string_equal(out, "now={1}|tasks={2\n}|=no name|");
    }
}

static void test_an_event_without_an_end_is_an_error(void **state)
{
    static char piece[1 << 16];
    struct edo_sse sse;
    size_t total = 0;
    int rc = 0;

    (void)state;
    memset(piece, 'x', sizeof piece);
    edo_sse_init(&sse);
    while (rc == 0 && total < 4 * (size_t)EDO_SSE_MOST) {
        edo_str bytes = {piece, sizeof piece};

        rc = edo_sse_next(&sse, &bytes);
        total += sizeof piece;
    }
    assert_int_equal(rc, -EMSGSIZE);
    edo_sse_finish(&sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_and_what_is_heard),
        cmocka_unit_test(test_a_head_that_is_too_long_is_an_error),
        cmocka_unit_test(test_events_however_they_are_divided),
        cmocka_unit_test(test_an_event_without_an_end_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
