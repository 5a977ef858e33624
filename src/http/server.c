/* SPDX-License-Identifier: MIT */
/*
 * Serving: two tasks and their scopes.
 *
 *     the caller ── front ── acceptor                        cancelled with the caller
 *                     └───── connections (shielded) ── ...   live on for `drain`
 *
 * The acceptor spawns connections into a scope that is behind a shield, so a cancellation reaches it and not them. When
 * it has ended the caller, waiting for it, closes what is idle (exchange.h) and gives the rest its time, then cancels.
 */
#include "http/exchange.h"

/* --- Options ------------------------------------------------------------------------------------------------------ */

static int read_options(edo_http_server_options *out, const edo_http_server_options *given)
{
    memset(out, 0, sizeof *out);
    if (!given)
        return 0;
    if (given->size < sizeof given->size)
        return -EINVAL;
    for (size_t i = sizeof *out; i < given->size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return -E2BIG;
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return 0;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

static int use_options(struct edo_http_server *server, const edo_http_server_options *options)
{
    const uint32_t most = 1U << 24;

    if (options->max_fields > EDO_HTTP_FIELDS_MAX || options->max_line > most || options->max_head > most ||
        options->max_body < 0 || options->header_timeout < 0 || options->body_timeout < 0 ||
        options->write_timeout < 0 || options->idle_timeout < 0)
        return -EINVAL;
    server->limits.line = options->max_line ? options->max_line : EDO_HTTP_LINE_MAX;
    server->limits.bytes = options->max_head ? options->max_head : EDO_HTTP_BYTES_MAX;
    server->limits.fields = options->max_fields ? options->max_fields : EDO_HTTP_FIELDS_MAX;
    server->limits.body = options->max_body;
    server->max_connections = options->max_connections;
    server->header_timeout = or_default(options->header_timeout, EDO_SEC(10));
    server->body_timeout = or_default(options->body_timeout, EDO_SEC(30));
    server->write_timeout = or_default(options->write_timeout, EDO_SEC(30));
    server->idle_timeout = or_default(options->idle_timeout, EDO_SEC(60));
    server->drain = or_default(options->drain, EDO_SEC(5));
    return 0;
}

/* --- Accepting ---------------------------------------------------------------------------------------------------- */

/* Makes the stream a connection of its own, with a task. An error leaves the stream with the caller. */
static int connection_begin(struct edo_http_server *server, edo_stream *stream)
{
    struct edo_http_connection *connection = (struct edo_http_connection *)edo_allocate(sizeof *connection);
    int rc;

    if (!connection)
        return -ENOMEM;
    connection->server = server;
    connection->stream = stream;
    __atomic_fetch_add(&server->live, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&server->lock);
    edo_list_insert_tail(&server->connections, &connection->link);
    pthread_mutex_unlock(&server->lock);
    rc = edo_spawn(server->scope, edo_http_connection_main, connection, .name = "http connection",
                   .when = EDO_WHEN_READABLE(stream, .deadline = edo_http_after(edo_now(), server->header_timeout)));
    if (rc < 0) {
        pthread_mutex_lock(&server->lock);
        edo_list_remove(&connection->link);
        pthread_mutex_unlock(&server->lock);
        __atomic_fetch_sub(&server->live, 1, __ATOMIC_SEQ_CST);
        edo_release(connection);
    }
    return rc;
}

/* Waits until there may be one more connection. */
static int wait_for_room(struct edo_http_server *server)
{
    for (;;) {
        uint32_t live = __atomic_load_n(&server->live, __ATOMIC_SEQ_CST);
        int rc;

        if (server->max_connections == 0 || live < server->max_connections)
            return 0;
        rc = edo_wait_word(&server->live, live, EDO_FOREVER);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
}

static int accept_all(void *argument)
{
    struct edo_http_server *server = (struct edo_http_server *)argument;
    int rc;

    for (;;) {
        edo_stream *stream;

        rc = wait_for_room(server);
        if (rc == 0)
            rc = edo_accept(&stream, server->listener);
        if (rc < 0)
            return rc;
        rc = connection_begin(server, stream);
        if (rc < 0) { /* out of memory: this client is turned away, the others are not */
            edo_close(stream);
            rc = edo_sleep(EDO_MS(10));
            if (rc < 0)
                return rc;
        }
    }
}

/* --- Ending ------------------------------------------------------------------------------------------------------- */

static void close_idle(struct edo_http_server *server)
{
    atomic_store_explicit(&server->stopping, true, memory_order_seq_cst);
    pthread_mutex_lock(&server->lock);
    for (struct edo_link *link = edo_list_first(&server->connections); link;
         link = edo_list_next(&server->connections, link)) {
        struct edo_http_connection *connection = EDO_CONTAINER_OF(link, struct edo_http_connection, link);

        if (!atomic_load_explicit(&connection->busy, memory_order_seq_cst))
            edo_shutdown(connection->stream, EDO_HALF_READ);
    }
    pthread_mutex_unlock(&server->lock);
}

static void cancel_rest(void *argument)
{
    edo_scope_cancel_at((edo_scope *)argument, EDO_REASON_DEADLINE, EDO_HERE);
}

/* Gives the requests that are being answered their time, and waits until every connection is gone. */
static void drain(struct edo_http_server *server)
{
    edo_timer timer;

    close_idle(server);
    if (server->drain < 0) {
        cancel_rest(server->scope);
    } else {
        edo_timer_init(&timer, cancel_rest, server->scope);
        edo_timer_start(&timer, edo_http_after(edo_now(), server->drain));
    }
    edo_scope_join(server->scope);
    if (server->drain >= 0)
        edo_timer_stop(&timer);
}

/* --- Serving ------------------------------------------------------------------------------------------------------ */

/* Inside both scopes. */
static int serve(struct edo_http_server *server, edo_scope *front)
{
    edo_task *acceptor;
    int result;
    int rc = edo_spawn(front, accept_all, server, .handle = &acceptor, .name = "http accept");

    if (rc < 0)
        return rc;
    rc = edo_join(&result, acceptor); /* behind the shield: this cannot be cancelled */
    drain(server);
    return rc < 0 ? rc : result;
}

int edo_http_serve(edo_listener *listener, edo_http_handler handler, void *context,
                   const edo_http_server_options *given)
{
    struct edo_http_server server = {.handler = handler, .context = context, .listener = listener};
    edo_http_server_options options;
    edo_scope front, connections;
    int rc = read_options(&options, given);

    if (rc == 0)
        rc = listener && handler ? use_options(&server, &options) : -EINVAL;
    if (rc < 0)
        return rc;
    rc = edo_scope_begin(&front, EDO_HERE, EDO_OPTIONS(edo_scope_options, .policy = EDO_SUPERVISE, .name = "http"));
    if (rc < 0)
        return rc;
    edo_scope_begin(
        &connections, EDO_HERE,
        EDO_OPTIONS(edo_scope_options, .policy = EDO_SUPERVISE, .shield = EDO_FOREVER, .name = "http connections"));
    server.scope = &connections;
    edo_list_init(&server.connections);
    pthread_mutex_init(&server.lock, NULL);
    rc = serve(&server, &front);
    edo_scope_end(&connections, 0);
    edo_scope_end(&front, 0);
    pthread_mutex_destroy(&server.lock);
    return rc;
}
