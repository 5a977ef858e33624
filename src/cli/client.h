/* SPDX-License-Identifier: MIT */
/*
 * The client's end of HTTP/1.1, as much of it as `edo top` needs: one GET a connection, the head of the answer, and its
 * body as it comes. The other end may be anything that listens on that port, so each part has its limit: 16 KiB of
 * head, lines of 256 bytes between chunks.
 *
 *     rc = edo_client_open(&client, "127.0.0.1:6669", "/api/now");
 *     while ((rc = edo_client_body(&piece, &client)) > 0 || rc == -EAGAIN)
 *         if (rc > 0) use(piece);
 *         else if ((rc = edo_client_more(&client)) < 0) break;
 *     edo_client_close(&client);
 *
 * A body ends where its Content-Length, its last chunk or, with neither, the connection does.
 */
#ifndef EDO_CLI_CLIENT_H
#define EDO_CLI_CLIENT_H

#include <edo/base.h>
#include <edo/reader.h>
#include <edo/stream.h>

struct edo_client {
    edo_stream *stream;
    edo_reader reader;
    int status;    /* of the answer */
    char type[40]; /* its Content-Type, in lower case, without parameters */
    bool chunked;
    bool until_close;
    int state;     /* of the body */
    uint64_t left; /* bytes of the body, or of its chunk, that are still to come */
    size_t taken;  /* bytes at the reader's front that were given as a piece */
};

/*
 * Connects, sends the request and reads the head of the answer. `path` is what stands in the request's line, encoded.
 * 0; -EPROTO: the answer is not HTTP; errors of edo_tcp_connect, edo_write_all, edo_read; -ECANCELED. To be closed
 * after errors too.
 */
int edo_client_open(struct edo_client *client, const char *address, const char *path);
void edo_client_close(struct edo_client *client);

/*
 * The next piece of the body among what has come, good until the next call. Its size; 0: the body has ended; -EAGAIN:
 * more has to come; -EPROTO. Never waits.
 */
ssize_t edo_client_body(edo_str *piece, struct edo_client *client);

/* Waits for more to come. 0; -ECONNRESET: the connection ended before the body; -ECANCELED, errors of edo_read. */
int edo_client_more(struct edo_client *client);

#endif
