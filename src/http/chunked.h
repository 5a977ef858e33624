/* SPDX-License-Identifier: MIT */
/*
 * A chunked body (RFC 9112 section 7.1), taken out of its chunks as it arrives. Nothing is copied or kept: each piece
 * points into the bytes that were handed in, and these are needed no longer than the piece is.
 *
 *     edo_http_chunked_init(&decoder, limits);
 *     do {
 *         rc = edo_http_chunked_next(&decoder, data, size, &consumed, &piece);
 *         data += consumed, size -= consumed;
 *         EDO_HTTP_CHUNK_MORE: read on, then again.   EDO_HTTP_CHUNK_PIECE: piece is of the body, then again.
 *         EDO_HTTP_CHUNK_END: the body has ended; what is left is the next request.
 *         negative: answer edo_http_error_status(rc) and close.
 *     } while (...);
 *
 * Strict like the head's parser, and like it independent of where the calls divide the bytes. A size is 1 to 16
 * hexadecimal digits and no more than INT64_MAX. Extensions are ignored if they are well formed; "bad whitespace"
 * is let through only where the RFC's grammar has it, never before the line's end. A chunk line is at most 256
 * bytes long with its CRLF. Lines together may outweigh 16 bytes a chunk and twice the body by no more than 16 KiB,
 * so that nobody makes us read long lines for bodies that never grow. Trailer fields obey the same rules and limits
 * as header fields; they are dropped, whatever their names: none can change how the message was read.
 */
#ifndef EDO_HTTP_CHUNKED_H
#define EDO_HTTP_CHUNKED_H

#include <edo/base.h>

#include "http/parser.h"

#define EDO_HTTP_CHUNK_LINE_MAX     256
#define EDO_HTTP_CHUNK_OVERHEAD_MAX 16384

enum edo_http_chunk {
    EDO_HTTP_CHUNK_MORE = 0,  /* everything was consumed, and nothing of the body is left over */
    EDO_HTTP_CHUNK_PIECE = 1, /* piece: at least one byte of the body */
    EDO_HTTP_CHUNK_END = 2,   /* the empty line behind the last chunk was consumed */
};

/* The state between calls; belongs to whoever reads the connection. */
struct edo_http_chunked {
    const struct edo_http_limits *limits;
    int64_t body;    /* so far: bytes of the body, those of the chunk being read included. For everyone to read */
    uint64_t chunk;  /* while its line is read: the chunk's size; then: how much of it is still to come */
    uint64_t weight; /* by how much chunk lines outweigh the body so far */
    uint32_t line;   /* bytes of the chunk line so far, or of all trailer fields */
    uint32_t fields; /* trailer fields so far */
    int32_t result;  /* once it is settled: EDO_HTTP_CHUNK_END or the error */
    uint8_t digits;  /* of the chunk's size */
    uint8_t state;
};

/* Makes ready for one body. `limits` lives as long as the decoder; NULL means all defaults. */
void edo_http_chunked_init(struct edo_http_chunked *decoder, const struct edo_http_limits *limits);

/*
 * Goes on with the next bytes: those that came after what earlier calls consumed. `consumed` tells how many were
 * used up, also on an error. An enum edo_http_chunk, or an EDO_EHTTP_ code; the end and errors stay.
 */
int edo_http_chunked_next(struct edo_http_chunked *decoder, const char *data, size_t size, size_t *consumed,
                          edo_str *piece);

#endif
