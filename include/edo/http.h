/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 server: a handler is a function that reads a request and writes a response, in straight lines.
 *
 *     static int hello(edo_http_exchange *x, void *context)
 *     {
 *         if (!edo_http_match(x, "GET", "/"))
 *             return edo_http_fail(x, 404, NULL);
 *         return edo_http_respond(x, 200, "text/plain", "Hello, world!", 13);
 *     }
 *
 *     static int serve(void *argument)
 *     {
 *         edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
 *         int rc = edo_tcp_listen(&listener, "127.0.0.1:8080", NULL);
 *
 *         return rc < 0 ? rc : edo_http_serve(listener, hello, NULL, NULL);
 *     }
 *
 *     int main(void) { return edo_run(serve, NULL, NULL) < 0; }
 *
 * Each connection is a task, which is dormant between requests: idle, a connection has no stack and no buffer. Handlers
 * of different connections run at the same time, on several threads; those of one connection run one after the other. A
 * handler runs on the runtime's default stack, of which the server itself uses some 40 KiB.
 *
 * What reaches a handler is a well-formed request: anything else was answered with 400, 408, 413, 414, 417, 431, 501 or
 * 505, and the connection closed. The server sees to Date, Content-Length, Transfer-Encoding, Connection, HEAD, 100
 * Continue, keep-alive and pipelining by itself.
 *
 * Functions that take an exchange are for the task that runs the handler, while it runs.
 */
#ifndef EDO_HTTP_H
#define EDO_HTTP_H

#include <edo/addr.h>
#include <edo/base.h>
#include <edo/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A request, and the response to it. Exists while its handler runs. */
typedef struct edo_http_exchange edo_http_exchange;

/*
 * Answers a request. Returns 0 (or a count) when the response is complete, or a negative code:
 *
 *   - before a response began, the client gets the status that edo_http_status_of() has for it: 500 for most, 400, 408
 *     or 413 for what edo_http_read returned. Returning 0 without a response is 500 too.
 *   - after that the connection is cut, so that the client sees that the response is not whole.
 */
typedef int (*edo_http_handler)(edo_http_exchange *exchange, void *context);

/* --- Serving ------------------------------------------------------------------------------------------------------ */

typedef struct edo_http_server_options {
    size_t size;
    uint32_t max_connections; /* more wait in the kernel's queue; 0: no limit */
    uint32_t max_line;        /* bytes of a request line, more is 414; 0: 8 KiB */
    uint32_t max_head;        /* bytes of all header fields, more is 431; 0: 32 KiB */
    uint32_t max_fields;      /* header fields, more is 431; 0, or at most: 100 */
    int64_t max_body;         /* bytes of a request's body, more is 413; 0: 2 MiB; INT64_MAX: any */
    int64_t
        header_timeout;   /* from a request's first bytes (or the connection's start) to the end of its head; 0: 10 s */
    int64_t body_timeout; /* waiting for more of a body; every 1000 bytes that come earn a second back; 0: 30 s */
    int64_t write_timeout; /* waiting for a client that takes nothing; earned back in the same way; 0: 30 s */
    int64_t idle_timeout;  /* between requests; 0: 60 s */
    int64_t drain;         /* how long requests that are being answered may go on after the end was asked for; 0: 5 s;
                                 negative: not at all */
} edo_http_server_options;

/*
 * Accepts connections and answers their requests, until the calling task's scope is cancelled or the listener closed.
 * Several calls, with listeners of their own, may run side by side. The handler and its context must live until it
 * returns.
 *
 * When the end comes, nothing is accepted any more, idle connections close at once, and requests that are being
 * answered have `drain` to complete, behind a shield; what is left then sees -ECANCELED. Returns when all connections
 * are gone: -ECANCELED, -EBADF (the listener was closed), or another error of edo_accept; -EINVAL, -E2BIG for the
 * options; -EPERM outside a task.
 */
EDO_API int edo_http_serve(edo_listener *listener, edo_http_handler handler, void *context,
                           const edo_http_server_options *options);

/* --- The request -------------------------------------------------------------------------------------------------- */

/* The texts here live as long as the exchange. */

/* The method, "GET"; methods are case-sensitive. */
EDO_API edo_str edo_http_method(const edo_http_exchange *exchange);

/*
 * The target as it was sent; its path, not decoded, "/a%20b"; what stands behind the "?" (.data is NULL without one).
 */
EDO_API edo_str edo_http_target(const edo_http_exchange *exchange);
EDO_API edo_str edo_http_path(const edo_http_exchange *exchange);
EDO_API edo_str edo_http_query(const edo_http_exchange *exchange);

/* The host that was asked for, with its port if it was given; .data is NULL if there was none (HTTP/1.0). */
EDO_API edo_str edo_http_host(const edo_http_exchange *exchange);

/* 0 for HTTP/1.0, 1 for HTTP/1.1 (and what calls itself later). */
EDO_API int edo_http_minor(const edo_http_exchange *exchange);

/* Whether method and path are these. A method "GET" is right for HEAD too; NULL is right for any. */
EDO_API bool edo_http_match(const edo_http_exchange *exchange, const char *method, const char *path);

/* The value of the first header field with that name, in any case; .data is NULL if there is none. */
EDO_API edo_str edo_http_header(const edo_http_exchange *exchange, const char *name);

/* The header fields, in order: name and value of number `index`, from 0; false behind the last. */
EDO_API bool edo_http_header_at(edo_str *name, edo_str *value, const edo_http_exchange *exchange, uint32_t index);

/* How long the body is: its size, 0 if there is none, -1 if only its end will tell. */
EDO_API int64_t edo_http_body_size(const edo_http_exchange *exchange);

/*
 * Reads on in the body: what there is, at most `size` bytes; waits only while there is nothing. A client that asked to
 * be told (Expect: 100-continue) is told at the first call, unless a response has begun. Returns the count; 0 at the
 * body's end; an error, which stays: -ECONNRESET, the client ended within the body; -ETIMEDOUT (body_timeout); a code
 * below -4095, the chunks are malformed or the body larger than max_body; -ECANCELED. What is left unread when the
 * handler returns is thrown away if it is little, else the connection is closed.
 */
EDO_API ssize_t edo_http_read(edo_http_exchange *exchange, void *buffer, size_t size);

/* --- The response ------------------------------------------------------------------------------------------------- */

/*
 * Responds as a whole: status, Content-Type (NULL: none) and body. HEAD gets the head alone, with the size that GET
 * would; 204 and 304 have no body. 0, or an error: -EALREADY, a response has begun; -EINVAL for a status that is not
 * 200 to 599, or a type with control characters or more than 256 bytes; others of edo_http_write.
 */
EDO_API int edo_http_respond(edo_http_exchange *exchange, int status, const char *type, const void *body, size_t size);

/*
 * Responds with a status and a line of text that says what it means and, if `why` is not NULL, why.
 * `return edo_http_fail(x, 404, NULL);`
 */
EDO_API int edo_http_fail(edo_http_exchange *exchange, int status, const char *why);

/*
 * A header field for the response, before it begins. `set` takes the place of earlier ones with that name, `add` stands
 * beside them (Set-Cookie). 0; -EINVAL: the name is no token, the value has control characters (CR, LF and NUL above
 * all), or the field is one that the server writes itself: Connection, Content-Length, Date, Transfer-Encoding;
 * -ENOSPC: all fields together have more than 4 KiB; -EALREADY: too late.
 */
EDO_API int edo_http_set_header(edo_http_exchange *exchange, const char *name, const char *value);
EDO_API int edo_http_add_header(edo_http_exchange *exchange, const char *name, const char *value);

/*
 * Responds in pieces: begin, writes, end. `size` is the whole body's, or EDO_HTTP_STREAM if it is not known: then it is
 * sent in chunks, to HTTP/1.0 clients until the connection's end. Errors are those of edo_http_respond.
 *
 * Small writes are collected. They leave when some KiB are together, when the handler waits for more of the request's
 * body, by edo_http_flush, and at the end. Large ones leave at once, uncopied. (Responses to pipelined requests leave
 * together.)
 *
 * edo_http_write returns `size`, or -EPIPE, -ECONNRESET: the client is gone; -ETIMEDOUT: it takes nothing; -ECANCELED;
 * -EINVAL: more than was announced, or not begun, or ended. end returns 0; -EINVAL if less was written than announced
 * (the connection is then cut). A handler that returns 0 need not call it.
 */
#define EDO_HTTP_STREAM (-1)
EDO_API int edo_http_begin(edo_http_exchange *exchange, int status, const char *type, int64_t size);
EDO_API ssize_t edo_http_write(edo_http_exchange *exchange, const void *data, size_t size);
EDO_API int edo_http_flush(edo_http_exchange *exchange);
EDO_API int edo_http_end(edo_http_exchange *exchange);

/* The connection is to be closed after this response. */
EDO_API void edo_http_close_after(edo_http_exchange *exchange);

/*
 * Responds with a file of the directory `root` (a path): that which `path` names, which begins with a slash and may
 * have percent escapes, such as a request's or the end of one. Nothing outside the directory can be reached, whatever
 * the path and the symbolic links say; names that begin with a dot do not exist (but .well-known). A directory stands
 * for its index.html; there are no listings. GET and HEAD only. Answers If-None-Match and If-Modified-Since.
 *
 * 0 when a response was sent, also when that says 400, 404 or 405; else an error, as of edo_http_respond; or of opening
 * `root`.
 */
EDO_API int edo_http_send_file(edo_http_exchange *exchange, const char *root, edo_str path);

/* --- Beneath ------------------------------------------------------------------------------------------------------ */

/* The client's address. 0, or an error of edo_stream_peer. */
EDO_API int edo_http_peer(edo_addr *out, edo_http_exchange *exchange);

/*
 * The connection itself, for what follows an Upgrade, or for a protocol of one's own. What was written so far is
 * flushed; *received is what the client has sent beyond the head already. From then on the conversation is the
 * handler's: the server reads and writes nothing more, and closes the stream when the handler returns. 0, or an error
 * of flushing.
 */
EDO_API int edo_http_take_stream(edo_stream **out, edo_str *received, edo_http_exchange *exchange);

/* The status to answer with where a function returned `rc`; 500 for errors that are not the client's. Any thread. */
EDO_API int edo_http_status_of(ssize_t rc);

/* What is wrong with the request, for codes below -4095; else edo_strerror(rc). Static text. Any thread. */
EDO_API const char *edo_http_strerror(ssize_t rc);

/* "Not Found" for 404; an empty text for numbers nobody knows. Static. Any thread. */
EDO_API const char *edo_http_reason(int status);

#ifdef __cplusplus
}
#endif

#endif
