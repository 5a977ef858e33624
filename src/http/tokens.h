/* SPDX-License-Identifier: MIT */
/*
 * The alphabet of HTTP: which byte may stand where (RFC 9110 section 5.6, RFC 9112, RFC 3986), and the methods.
 *
 * Invariant: the table is computed by the compiler from predicates written like the RFC's grammar, so that nobody
 * has to trust 256 numbers. Constant data; any thread.
 */
#ifndef EDO_HTTP_TOKENS_H
#define EDO_HTTP_TOKENS_H

#include <edo/base.h>

enum edo_http_class {
    EDO_HTTP_TOKEN = 1 << 0,  /* tchar: methods, field names, list members */
    EDO_HTTP_TARGET = 1 << 1, /* request target: visible ASCII but '#' */
    EDO_HTTP_PATH = 1 << 2,   /* request target before its '?' */
    EDO_HTTP_VALUE = 1 << 3,  /* field value: HTAB, SP, visible ASCII, obs-text */
    EDO_HTTP_HOST = 1 << 4,   /* name or IPv4 address of a host: letters, digits, "-._" */
    EDO_HTTP_HEX = 1 << 5,    /* hexadecimal digit */
    EDO_HTTP_DIGIT = 1 << 6,  /* decimal digit */
    EDO_HTTP_QUOTED = 1 << 7, /* qdtext: inside a quoted string, unescaped */
};

extern const uint8_t edo_http_classes[256] __attribute__((visibility("hidden")));

/* Whether a byte belongs to any of the classes. */
static inline bool edo_http_is(uint8_t byte, unsigned classes)
{
    return (edo_http_classes[byte] & classes) != 0;
}

/* The first place at or after `at` whose byte is not of the class, or `stop`. Never looks at bytes[stop]. */
static inline size_t edo_http_skip(const uint8_t *bytes, size_t at, size_t stop, unsigned classes)
{
    for (; at + 4 <= stop; at += 4) {
        if (!edo_http_is(bytes[at], classes))
            return at;
        if (!edo_http_is(bytes[at + 1], classes))
            return at + 1;
        if (!edo_http_is(bytes[at + 2], classes))
            return at + 2;
        if (!edo_http_is(bytes[at + 3], classes))
            return at + 3;
    }
    while (at < stop && edo_http_is(bytes[at], classes))
        at++;
    return at;
}

/* SP or HTAB: what may stand around a field value (OWS). */
static inline bool edo_http_is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* The value of a hexadecimal digit; the byte must be one. */
static inline unsigned edo_http_hex(uint8_t digit)
{
    return (digit & 15U) + (digit >> 6) * 9U;
}

enum edo_http_method {
    EDO_HTTP_OTHER, /* a well-formed method that is none of these */
    EDO_HTTP_GET,
    EDO_HTTP_HEAD,
    EDO_HTTP_POST,
    EDO_HTTP_PUT,
    EDO_HTTP_DELETE,
    EDO_HTTP_CONNECT,
    EDO_HTTP_OPTIONS,
    EDO_HTTP_TRACE,
    EDO_HTTP_PATCH,
};

/* Methods are case-sensitive: "get" is EDO_HTTP_OTHER. */
enum edo_http_method edo_http_method_of(const uint8_t *text, size_t size);

/*
 * Whether a text is the word `lower`, in any case. The word has letters, digits and "-/:" and no capitals; the text
 * has no control characters but HTAB. Then setting the bit of the lower case makes no two different bytes equal
 * that matter.
 */
static inline bool edo_http_is_word(const uint8_t *text, size_t size, const char *lower, size_t lower_size)
{
    if (size != lower_size)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((text[i] | 0x20) != (uint8_t)lower[i])
            return false;
    return true;
}

#endif
