/* SPDX-License-Identifier: MIT */
/*
 * Why a message was refused. Every way in which a peer can break the rules of RFC 9110 and 9112 has a code of its
 * own: a negative number of Edo's HTTP range (below -4095, so no errno), which knows the status to answer with and
 * a short text for the log. After any of them the message's end cannot be known, so the connection is to be closed.
 *
 * Invariant: the list below is the only place where code, status and text meet. The numbers are not stable between
 * versions. Constant data; any thread.
 */
#ifndef EDO_HTTP_ERRORS_H
#define EDO_HTTP_ERRORS_H

#include <edo/base.h>

#define EDO_HTTP_ERROR_BASE 5000

/* clang-format off */
#define EDO_HTTP_ERRORS(E)                                                                                             \
    /* request line: RFC 9112 section 3 */                                                                             \
    E(METHOD,             400, "method is not a token followed by one space")                                          \
    E(METHOD_LONG,        501, "method is too long to be one we know")                                                 \
    E(CONNECT,            501, "CONNECT: this is no proxy")                                                            \
    E(TARGET,             400, "invalid character in the request target")                                              \
    E(TARGET_EMPTY,       400, "request target is empty, or more than one space stands before it")                     \
    E(TARGET_FORM,        400, "request target has a form that its method does not allow")                             \
    E(TARGET_AUTHORITY,   400, "invalid host or port in the request target")                                           \
    E(VERSION,            400, "malformed HTTP version")                                                               \
    E(VERSION_OTHER,      505, "HTTP version is not 1.x")                                                              \
    E(LINE_LONG,          414, "request line is too long")                                                             \
    /* lines and fields: RFC 9112 sections 2.2 and 5 */                                                                \
    E(BARE_LF,            400, "LF without CR")                                                                        \
    E(BARE_CR,            400, "CR without LF")                                                                        \
    E(FOLDED,             400, "line begins with whitespace")                                                          \
    E(NAME,               400, "invalid character in a field name")                                                    \
    E(NAME_EMPTY,         400, "field name is empty")                                                                  \
    E(NAME_SPACE,         400, "whitespace between field name and colon")                                              \
    E(VALUE,              400, "control character in a field value")                                                   \
    E(FIELDS_LONG,        431, "fields have too many bytes")                                                           \
    E(FIELDS_MANY,        431, "too many fields")                                                                      \
    /* what the fields mean */                                                                                         \
    E(HOST_MISSING,       400, "HTTP/1.1 request without Host")                                                        \
    E(HOST_TWICE,         400, "more than one Host")                                                                   \
    E(HOST,               400, "invalid host or port in Host")                                                         \
    E(LENGTH,             400, "Content-Length is not one decimal number")                                             \
    E(LENGTH_TWICE,       400, "more than one Content-Length")                                                         \
    E(LENGTH_OVERFLOW,    400, "Content-Length is beyond any number we can count to")                                  \
    E(LENGTH_AND_CODING,  400, "Content-Length together with Transfer-Encoding")                                       \
    E(CODING,             400, "Transfer-Encoding is not a list of plain tokens")                                      \
    E(CODING_OLD,         400, "Transfer-Encoding in an HTTP/1.0 request")                                             \
    E(CODING_ORDER,       400, "chunked is not the last transfer coding, or stands there twice")                       \
    E(CODING_UNKNOWN,     501, "transfer coding other than chunked")                                                   \
    E(CONNECTION,         400, "Connection is not a list of tokens")                                                   \
    E(EXPECTATION,        417, "expectation other than 100-continue")                                                  \
    E(BODY_LONG,          413, "body is larger than allowed")                                                          \
    /* chunked bodies: RFC 9112 section 7.1 */                                                                         \
    E(CHUNK_SIZE,         400, "chunk size is not 1 to 16 hexadecimal digits")                                         \
    E(CHUNK_OVERFLOW,     400, "chunk size is beyond any number we can count to")                                      \
    E(CHUNK_EXTENSION,    400, "malformed chunk extension")                                                            \
    E(CHUNK_LINE_LONG,    400, "chunk line is too long")                                                               \
    E(CHUNK_OVERHEAD,     400, "chunk lines outweigh the body")                                                        \
    E(CHUNK_END,          400, "chunk data is not followed by CRLF")
/* clang-format on */

#define EDO_HTTP_ERROR_INDEX_(name, status, text) EDO_HTTP_INDEX_##name,
#define EDO_HTTP_ERROR_CODE_(name, status, text)  EDO_EHTTP_##name = -(EDO_HTTP_ERROR_BASE + EDO_HTTP_INDEX_##name),

enum edo_http_error_index { EDO_HTTP_ERRORS(EDO_HTTP_ERROR_INDEX_) EDO_HTTP_ERROR_COUNT };

enum edo_http_error { EDO_HTTP_ERRORS(EDO_HTTP_ERROR_CODE_) };

/* The status to answer with: 400, 413, ...; 0 if the code is not of this list. */
int edo_http_error_status(ssize_t code);

/* What was wrong, for a log; NULL if the code is not of this list. Never contains the peer's bytes. */
const char *edo_http_error_text(ssize_t code);

#endif
