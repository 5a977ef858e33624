/* SPDX-License-Identifier: MIT */
/*
 * What a request's line and fields say, once the grammar has let them through: version, target, host, and above all
 * how long the body is. parser.c calls these; nobody else.
 *
 * Invariant: a head that passes edo_http_understand_head() has exactly one reading of where its body ends.
 */
#ifndef EDO_HTTP_FACTS_H
#define EDO_HTTP_FACTS_H

#include "http/parser.h"

/* `value` or, where it is zero, `otherwise`; at most 1 GiB, so that sums of offsets stay within 32 bits. */
static inline uint32_t edo_http_limit(uint32_t value, uint32_t otherwise)
{
    const uint32_t most = 1U << 30;

    return value == 0 ? otherwise : value < most ? value : most;
}

/* The version, "HTTP/1.1", has the right shape. 0 or an error. */
int edo_http_understand_version(struct edo_http_head *head, const uint8_t *version);

/* edo_http_understand_target() for everything but an ordinary /path. */
int edo_http_understand_odd_target(struct edo_http_head *head, const uint8_t *bytes);

/* The request line is complete: method, target, query and path (up to the query) are set. 0 or an error. */
static inline int edo_http_understand_target(struct edo_http_head *head, const uint8_t *bytes)
{
    if (bytes[head->target.at] == '/' && head->method != EDO_HTTP_CONNECT)
        return 0;
    return edo_http_understand_odd_target(head, bytes);
}

/* edo_http_understand_field() for the names that begin with the right letter. */
int edo_http_understand_host(struct edo_http_head *head, const uint8_t *bytes, const struct edo_http_field *field);
int edo_http_understand_other(struct edo_http_head *head, const uint8_t *bytes, const struct edo_http_field *field);

/* A field is complete. 0 or an error. */
static inline int edo_http_understand_field(struct edo_http_head *head, const uint8_t *bytes,
                                            const struct edo_http_field *field)
{
    switch (bytes[field->name.at] | 0x20) {
    case 'h':
        return edo_http_understand_host(head, bytes, field);
    case 'c':
    case 'e':
    case 't':
        return edo_http_understand_other(head, bytes, field);
    }
    return 0;
}

/* edo_http_understand_head() for a head that says anything about its body or its connection. */
int edo_http_understand_framing(struct edo_http_head *head, int64_t body_max);

/* All fields are complete. `body_max`: 0 means the default. 0 or an error. */
static inline int edo_http_understand_head(struct edo_http_head *head, int64_t body_max)
{
    if (head->seen != EDO_HTTP_SEEN_HOST || head->version_minor == 0)
        return edo_http_understand_framing(head, body_max);
    head->keep_alive = true;
    return 0;
}

#endif
