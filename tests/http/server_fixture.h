/* SPDX-License-Identifier: MIT */
/*
 * A server in a runtime of its own, on a thread of its own, and clients that are plain blocking sockets, so that what
 * the tests see is what a stranger would see.
 */
#ifndef EDO_TESTS_HTTP_SERVER_FIXTURE_H
#define EDO_TESTS_HTTP_SERVER_FIXTURE_H

#include <edo/edo.h>
#include <edo/http.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The server --------------------------------------------------------------------------------------------------- */

struct server {
    edo_http_handler handler;
    edo_http_server_options options;
    pthread_t thread;
    uint32_t port;    /* 0: not listening yet */
    uint32_t command; /* 1: cancel */
    int result;       /* what edo_http_serve returned */
    int run_result;
    uint64_t tasks_before, tasks_after, streams_before, streams_after;
    _Atomic int handled; /* how often the handler was called */
    void *extra;         /* the test's own */
};

static int server_handle(edo_http_exchange *x, void *context)
{
    struct server *server = context;

    atomic_fetch_add(&server->handled, 1);
    return server->handler(x, server);
}

struct serving {
    struct server *server;
    edo_listener *listener;
};

static int server_serve(void *argument)
{
    struct serving *serving = argument;

    return edo_http_serve(serving->listener, server_handle, serving->server, &serving->server->options);
}

static int server_main(void *argument)
{
    struct server *server = argument;
    struct serving serving = {server, NULL};
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_task *task;
    edo_addr address;
    int rc = edo_tcp_listen(&serving.listener, "127.0.0.1:0", NULL);

    if (rc < 0)
        return rc;
    edo_listener_addr(&address, serving.listener);
    edo_metrics_read(&metrics);
    server->tasks_before = metrics.tasks_alive;
    server->streams_before = metrics.streams;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(scope, server_serve, &serving, .handle = &task);
        if (rc < 0)
            break;
        __atomic_store_n(&server->port, (uint32_t)edo_addr_port(&address), __ATOMIC_SEQ_CST);
        edo_wake_word(&server->port, INT_MAX);
        while (!__atomic_load_n(&server->command, __ATOMIC_SEQ_CST))
            edo_wait_word(&server->command, 0, EDO_FOREVER);
        edo_scope_cancel(scope);
    }
    edo_join(&server->result, task);
    edo_metrics_read(&metrics);
    server->tasks_after = metrics.tasks_alive;
    server->streams_after = metrics.streams;
    edo_listener_close(serving.listener);
    return 0;
}

static void *server_thread(void *argument)
{
    struct server *server = argument;

    server->run_result =
        edo_run(server_main, server, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
    return NULL;
}

/* Starts a server; options are zero for defaults. */
static inline void server_start(struct server *server, edo_http_handler handler)
{
    server->handler = handler;
    server->options.size = sizeof server->options;
    server->port = server->command = 0;
    atomic_store(&server->handled, 0);
    assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
    while (!__atomic_load_n(&server->port, __ATOMIC_SEQ_CST))
        edo_wait_word(&server->port, 0, EDO_FOREVER);
}

/* Asks the server to end. */
static inline void server_cancel(struct server *server)
{
    __atomic_store_n(&server->command, 1, __ATOMIC_SEQ_CST);
    edo_wake_word(&server->command, 1);
}

/* Waits for its end, after which everything must be as before. */
static inline void server_join(struct server *server)
{
    pthread_join(server->thread, NULL);
    assert_int_equal(server->run_result, 0);
    assert_int_equal(server->result, -ECANCELED);
    assert_int_equal(server->tasks_after, server->tasks_before);
    assert_int_equal(server->streams_after, server->streams_before);
}

static inline void server_stop(struct server *server)
{
    server_cancel(server);
    server_join(server);
}

/* --- Clients ------------------------------------------------------------------------------------------------------ */

struct client {
    int fd;
    size_t size;
    char data[1 << 17]; /* received, and not taken yet */
};

struct reply {
    int status;
    char head[8192];
    char body[1 << 17]; /* as it came: chunks are not taken apart */
    size_t size;
};

static inline void client_connect(struct client *client, const struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
    struct timeval patience = {20, 0};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->size = 0;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client->fd >= 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static inline void client_close(struct client *client)
{
    close(client->fd);
}

static inline void client_send_bytes(struct client *client, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(client->fd, data, size, MSG_NOSIGNAL);

        assert_true(n > 0);
        data += n;
        size -= (size_t)n;
    }
}

static inline void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

/* Receives something more: its size, 0 at the end, negative for a reset. A server that hangs fails the test. */
static inline ssize_t client_more(struct client *client)
{
    ssize_t n;

    assert_true(client->size < sizeof client->data);
    n = recv(client->fd, client->data + client->size, sizeof client->data - client->size, 0);
    if (n < 0 && errno != ECONNRESET)
        fail_msg("the server did not answer within 20 s (%s)", strerror(errno));
    if (n > 0)
        client->size += (size_t)n;
    return n;
}

static inline void client_drop(struct client *client, size_t size)
{
    memmove(client->data, client->data + size, client->size - size);
    client->size -= size;
}

/* Whether the connection has been closed by the server, properly, and nothing more was sent. */
static inline void client_expect_end(struct client *client)
{
    ssize_t n = client->size > 0 ? 1 : client_more(client);

    if (n != 0)
        fail_msg("expected the connection's end, got %zd: %.*s", n, (int)client->size, client->data);
}

/* Receives until it ends with `text`, or contains it. */
static inline void client_until(struct client *client, const char *text)
{
    while (!memmem(client->data, client->size, text, strlen(text)))
        if (client_more(client) <= 0)
            fail_msg("the connection ended before '%s': %.*s", text, (int)client->size, client->data);
}

/* Takes the head of a reply. */
static inline void client_head(struct reply *reply, struct client *client)
{
    char *end;

    client_until(client, "\r\n\r\n");
    end = (char *)memmem(client->data, client->size, "\r\n\r\n", 4) + 4;
    reply->size = 0;
    assert_true((size_t)(end - client->data) < sizeof reply->head);
    memcpy(reply->head, client->data, (size_t)(end - client->data));
    reply->head[end - client->data] = '\0';
    assert_int_equal(sscanf(reply->head, "HTTP/1.1 %d ", &reply->status), 1);
    client_drop(client, (size_t)(end - client->data));
}

/* The value of a header field, or NULL; good until the next call. */
static inline const char *reply_header(const struct reply *reply, const char *name)
{
    static _Thread_local char value[4096];
    const char *line = strstr(reply->head, "\r\n") + 2;
    size_t size = strlen(name);

    for (; *line != '\r'; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + size + 2, "\r"), line + size + 2);
            return value;
        }
    return NULL;
}

/* Takes a reply with its body: that of Content-Length, or up to the last chunk. */
static inline void client_reply(struct reply *reply, struct client *client)
{
    const char *length;

    client_head(reply, client);
    length = reply_header(reply, "Content-Length");
    if (length) {
        reply->size = strtoul(length, NULL, 10);
        while (client->size < reply->size)
            if (client_more(client) <= 0)
                fail_msg("the connection ended within a body");
    } else if (reply_header(reply, "Transfer-Encoding")) {
        client_until(client, "0\r\n\r\n");
        reply->size = (size_t)((char *)memmem(client->data, client->size, "0\r\n\r\n", 5) - client->data) + 5;
    }
    memcpy(reply->body, client->data, reply->size);
    client_drop(client, reply->size);
    reply->body[reply->size] = '\0';
}

static inline void assert_text(const char *text, const char *wanted)
{
    assert_non_null(text);
    assert_string_equal(text, wanted);
}

#endif
