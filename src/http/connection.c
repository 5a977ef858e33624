/* SPDX-License-Identifier: MIT */
/*
 * The life of a connection: dormant, then requests as long as there are some, then dormant again.
 *
 * Invariant: a connection that is dormant has no bytes of a request in any buffer and nothing to send. (Of the block
 * that remains see exchange.h.) Each return of edo_http_connection_main but by edo_continue has ended the connection.
 */
#include "http/exchange.h"

_Static_assert(sizeof(struct edo_http_connection) <= 48, "an idle connection is a task, a source and this");

/* --- Ending ------------------------------------------------------------------------------------------------------- */

void edo_http_connection_end(struct edo_http_connection *connection)
{
    struct edo_http_server *server = connection->server;
    uint32_t live;

    pthread_mutex_lock(&server->lock);
    edo_list_remove(&connection->link);
    pthread_mutex_unlock(&server->lock);
    edo_close(connection->stream);
    edo_release(connection);
    live = __atomic_fetch_sub(&server->live, 1, __ATOMIC_SEQ_CST);
    if (live == server->max_connections)
        edo_wake_word(&server->live, 1);
}

/*
 * A close with bytes unread makes the kernel send a reset, which may take the response away from the client before it
 * was read. So say that nothing more will come, and let the client go first, for a while.
 */
static void linger(struct edo_http_exchange *x)
{
    int64_t deadline = edo_http_after(edo_now(), EDO_MS(EDO_HTTP_LINGER_MS));
    size_t thrown = 0;
    ssize_t n;

    if (edo_shutdown(x->stream, EDO_HALF_WRITE) < 0)
        return;
    while (thrown < EDO_HTTP_LINGER_MAX) {
        n = edo_http_fill(x, x->own_input, sizeof x->own_input, deadline);
        if (n <= 0 || edo_now() >= deadline)
            return;
        thrown += (size_t)n;
    }
}

/* --- One request -------------------------------------------------------------------------------------------------- */

/* What the client sent could not be understood, or did not come. */
static void refuse_head(struct edo_http_exchange *x, ssize_t rc)
{
    x->body = EDO_HTTP_BODY_END;
    if (rc == -ETIMEDOUT)
        edo_http_refuse(x, 408, "the request's head took too long");
    else
        edo_http_refuse(x, edo_http_status_of(rc), rc == -ENOMEM ? NULL : edo_http_strerror(rc));
}

/* Reads on until the head is complete, whose first bytes are there. Whether there is a request to be handled. */
static bool read_head(struct edo_http_exchange *x)
{
    int64_t deadline = 0;

    x->head.method = EDO_HTTP_OTHER;
    edo_http_parser_init(&x->parser, &x->head, x->fields, x->server->limits.fields, &x->server->limits);
    for (;;) {
        ssize_t rc = edo_http_parse_head(&x->parser, x->input + x->start, x->end - x->start);

        if (rc > 0) {
            x->at = x->start + (uint32_t)rc;
            return true;
        }
        if (rc == 0)
            rc = edo_http_make_room(x);
        if (rc == 0) {
            if (deadline == 0)
                deadline = edo_http_after(edo_now(), x->server->header_timeout);
            rc = edo_http_fill(x, x->input + x->end, x->capacity - x->end, deadline);
        }
        if (rc > 0) {
            x->end += (uint32_t)rc;
            continue;
        }
        x->close = true;
        x->head.version_minor = 1;
        if (rc < EDO_ERRNO_LAST || rc == -ETIMEDOUT || rc == -ENOMEM)
            refuse_head(x, rc);
        return false;
    }
}

/* Answers the request whose first bytes are in the buffer. */
static void exchange(struct edo_http_exchange *x)
{
    struct edo_http_server *server = x->server;
    int rc;

    edo_http_response_reset(x);
    if (!read_head(x))
        return;
    if (!atomic_load_explicit(&x->connection->busy, memory_order_relaxed))
        atomic_store_explicit(&x->connection->busy, true, memory_order_seq_cst);
    edo_http_body_begin(x);
    rc = server->handler(x, server->context);
    if (x->stage == EDO_HTTP_STAGE_TAKEN)
        return;
    edo_http_response_finish(x, rc);
    if (x->body != EDO_HTTP_BODY_END && (x->close || !edo_http_body_discard(x)))
        x->close = x->unread = true;
    x->start = x->at;
}

/* --- The task ----------------------------------------------------------------------------------------------------- */

static void exchange_init(struct edo_http_exchange *x, struct edo_http_connection *connection)
{
    x->connection = connection;
    x->server = connection->server;
    x->stream = connection->stream;
    x->input = x->own_input;
    x->capacity = sizeof x->own_input;
    x->start = x->at = x->end = 0;
    x->heap = NULL;
    x->write_allowance = x->server->write_timeout;
    x->close = false;
    x->unread = false;
    x->broken = 0;
    x->output_size = 0;
    x->expects = false;
    x->body = EDO_HTTP_BODY_END;
    x->now = 0;
}

/*
 * Answers all requests that have come. Returns until when the connection may be dormant now; 0: it is to be closed.
 * What is on this frame is gone before a task goes dormant, so that a stack is never kept for it.
 */
static __attribute__((noinline)) int64_t serve_burst(struct edo_http_connection *connection)
{
    struct edo_http_exchange x;
    ssize_t n;

    exchange_init(&x, connection);
    n = edo_try_read(x.stream, x.input, x.capacity);
    if (n == -EAGAIN) /* an edge that came late, for bytes that were read before */
        return edo_http_after(edo_now(), x.server->idle_timeout);
    if (n <= 0)
        return 0;
    x.end = (uint32_t)n;
    do
        exchange(&x);
    while (!x.close && x.start < x.end);
    if (x.stage != EDO_HTTP_STAGE_TAKEN && edo_http_output_flush(&x) == 0 && x.close && (x.unread || x.start < x.end))
        linger(&x);
    edo_release(x.heap);
    return x.close ? 0 : edo_http_after(x.now, x.server->idle_timeout);
}

int edo_http_connection_main(void *argument)
{
    struct edo_http_connection *connection = (struct edo_http_connection *)argument;
    int64_t deadline = edo_resumption() < 0 ? 0 : serve_burst(connection);

    if (deadline > 0) {
        atomic_store_explicit(&connection->busy, false, memory_order_seq_cst);
        if (!atomic_load_explicit(&connection->server->stopping, memory_order_seq_cst))
            return edo_continue(EDO_WHEN_READABLE(connection->stream, .deadline = deadline), edo_http_connection_main,
                                connection);
    }
    edo_http_connection_end(connection);
    return 0;
}
