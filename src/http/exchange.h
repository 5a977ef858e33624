/* SPDX-License-Identifier: MIT */
/*
 * What is inside a server, a connection and an exchange.
 *
 * A server lives in the frame of edo_http_serve. A connection is what remains of a client while it is idle: a small
 * block, in its server's list. An exchange, with all buffers, lives on the stack of the connection's task, from the
 * first bytes of a request until nothing of the client's is left to be answered; it belongs to that task alone.
 *
 * Ending. The acceptor's end sets `stopping`, then shuts down the reading half of every connection that is not `busy`;
 * a connection writes `busy`, then reads `stopping` (all seq_cst): so an idle one is either seen by the one who stops
 * or sees it itself. The list, and the life of the streams in it, are under `lock`.
 */
#ifndef EDO_HTTP_EXCHANGE_H
#define EDO_HTTP_EXCHANGE_H

#include "base/list.h"
#include "http/chunked.h"
#include "http/date.h"
#include "http/parser.h"

#include <edo/edo.h>
#include <edo/http.h>

#include <pthread.h>
#include <stdatomic.h>

enum {
    EDO_HTTP_INPUT_SIZE = 16384,  /* of the buffer on the stack; larger heads get one from the heap */
    EDO_HTTP_OUTPUT_SIZE = 8192,  /* responses are collected in it */
    EDO_HTTP_HEADERS_SIZE = 4096, /* the handler's header fields */
    EDO_HTTP_TYPE_MAX = 256,      /* bytes of a Content-Type */
    EDO_HTTP_DISCARD_MAX = 65536, /* so much of an unread body is read to keep a connection */
    EDO_HTTP_LINGER_MAX = 262144, /* so much is thrown away, and for so long, before a connection with unread bytes */
    EDO_HTTP_LINGER_MS = 2000,    /* is closed: a reset would take the response back from the client */
    EDO_HTTP_EARNED_NS = 1000000  /* how much waiting time a byte that moved earns back */
};

struct edo_http_server {
    edo_http_handler handler;
    void *context;
    edo_listener *listener;
    struct edo_http_limits limits;
    int64_t header_timeout;
    int64_t body_timeout;
    int64_t write_timeout;
    int64_t idle_timeout;
    int64_t drain;
    uint32_t max_connections;
    uint32_t live; /* connections, for edo_wait_word; atomic */
    _Atomic bool stopping;
    struct edo_http_clock clock;
    edo_scope *scope; /* of the connections */
    pthread_mutex_t lock;
    struct edo_link connections;
};

struct edo_http_connection {
    struct edo_link link; /* in the server's list */
    struct edo_http_server *server;
    edo_stream *stream;
    _Atomic bool busy; /* a request is being answered */
};

/* Where the request's body is. */
enum edo_http_body {
    EDO_HTTP_BODY_END = 0, /* all has been read, or there is none */
    EDO_HTTP_BODY_SIZED,   /* body_left bytes are still to come */
    EDO_HTTP_BODY_CHUNKED,
    EDO_HTTP_BODY_FAILED /* body_error says why */
};

/* How far the response is. */
enum edo_http_stage {
    EDO_HTTP_STAGE_NONE = 0,
    EDO_HTTP_STAGE_BEGUN,
    EDO_HTTP_STAGE_ENDED,
    EDO_HTTP_STAGE_TAKEN /* the handler has the stream */
};

struct edo_http_exchange {
    struct edo_http_connection *connection;
    struct edo_http_server *server;
    edo_stream *stream;

    /* Input. The request's head begins at `start`; what has not been read yet is from `at` to `end`. */
    char *input;
    uint32_t capacity;
    uint32_t start;
    uint32_t at;
    uint32_t end;
    char *heap; /* the input, if it is not the one below; else NULL */

    struct edo_http_head head;
    struct edo_http_parser parser;
    struct edo_http_chunked decoder;
    int64_t body_left;
    int64_t read_allowance; /* how long may still be waited, see input.c and output.c */
    int64_t write_allowance;
    int body_error;
    uint8_t body; /* enum edo_http_body */
    bool expects; /* the client waits for "100 Continue" */
    bool close;   /* after this response */
    bool unread;  /* bytes of the client's are left that nobody will read */

    /* Response. */
    uint8_t stage; /* enum edo_http_stage */
    bool chunked;
    bool silent; /* the body is not sent: HEAD, 204, 304 */
    bool sized;  /* response_left counts */
    int broken;  /* why nothing more can be written; 0: it can */
    int64_t response_left;
    int64_t now; /* the clock when the last response began */
    uint32_t headers_size;
    uint32_t output_size;

    struct edo_http_field fields[EDO_HTTP_FIELDS_MAX];
    char output[EDO_HTTP_OUTPUT_SIZE];
    char headers[EDO_HTTP_HEADERS_SIZE];
    char own_input[EDO_HTTP_INPUT_SIZE];
};

/* now + duration, without overflow. */
static inline int64_t edo_http_after(int64_t now, int64_t duration)
{
    return duration > EDO_FOREVER - now ? EDO_FOREVER : now + duration;
}

/* --- input.c ------------------------------------------------------------------------------------------------------ */

/*
 * Reads into `to`, waiting until the deadline at most; whatever responses are collected leave before a wait. The count;
 * 0: the client has ended; -ETIMEDOUT; errors of the stream.
 */
ssize_t edo_http_fill(struct edo_http_exchange *x, char *to, size_t room, int64_t deadline);

/* Makes room at the input's end for the rest of the head, or of a chunk's line. 0 or -ENOMEM. */
int edo_http_make_room(struct edo_http_exchange *x);

/* The head has been read: what body is to be expected. */
void edo_http_body_begin(struct edo_http_exchange *x);

/* Reads the body's rest and throws it away, if it is not too much. Whether its end was reached. */
bool edo_http_body_discard(struct edo_http_exchange *x);

/* --- output.c ----------------------------------------------------------------------------------------------------- */

/* Sends what is collected. 0 or an error, which stays. */
int edo_http_output_flush(struct edo_http_exchange *x);

/* Sends what is collected, then the pieces, uncopied: at most 3. 0 or an error. */
int edo_http_output_send(struct edo_http_exchange *x, const struct iovec *pieces, int count);

/* --- response.c --------------------------------------------------------------------------------------------------- */

/* Makes ready for the response to the next request. */
void edo_http_response_reset(struct edo_http_exchange *x);

/* After the handler: completes the response, or gives one in its place. */
void edo_http_response_finish(struct edo_http_exchange *x, int rc);

/* Answers a request that was refused before it reached a handler; the connection is closed. */
void edo_http_refuse(struct edo_http_exchange *x, int status, const char *why);

/* --- connection.c ------------------------------------------------------------------------------------------------- */

/* The task of a connection (struct edo_http_connection *), when its stream is readable. */
int edo_http_connection_main(void *argument);

/* Closes and forgets a connection. Not a suspension point. */
void edo_http_connection_end(struct edo_http_connection *connection);

#endif
