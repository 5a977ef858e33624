/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1 request (request line and fields), read strictly by RFC 9112 from a buffer that its caller
 * fills.
 *
 * Nothing is copied and nothing allocated: what was found is kept as offsets, so between calls the buffer may grow
 * and move. No byte is read twice on its way through the grammar, and the verdict depends on the bytes alone, never
 * on where the calls divided them. The parser and the head belong to the one who reads the connection; there is no
 * shared state.
 *
 *     struct edo_http_field fields[EDO_HTTP_FIELDS_MAX];
 *     struct edo_http_head head;
 *     struct edo_http_parser parser;
 *
 *     edo_http_parser_init(&parser, &head, fields, EDO_COUNT(fields), NULL);
 *     while ((rc = edo_http_parse_head(&parser, buffer, size)) == 0)
 *         ... append to the buffer; it must still begin with the same bytes ...
 *     rc > 0: the head is complete and has rc bytes; the body begins at buffer + rc
 *     rc < 0: answer edo_http_error_status(rc), log edo_http_error_text(rc), close
 *
 * Where the RFC leaves a choice, or where we are stricter:
 *  - one empty line before the request line is skipped, a second one is an error;
 *  - a method of more than 32 characters is answered 501; any shorter token is passed on;
 *  - CONNECT is answered 501, whatever its target;
 *  - a target may have any visible ASCII character but '#', for browsers send more of them than RFC 3986 allows;
 *  - absolute-form must begin with http:// or https://, has no user name, and its host counts instead of Host's;
 *  - a host is letters, digits and "-._", or an IPv6 address in brackets; then perhaps a port up to 65535. Host may be
 *    empty, but not twice, and not missing in HTTP/1.1;
 *  - Content-Length is one number in one field, even where a list of equal numbers would do no harm;
 *  - Transfer-Encoding may list other codings only to be refused: 501 if chunked comes last, 400 if it does not
 *    (section 6.3: then nobody knows where the body ends), as for parameters, empty members and quoted strings;
 *  - a major version of 0 is 400: HTTP/0.9 had no version in its request. HTTP/1.2 and above counts as 1.1;
 *  - 100-continue in HTTP/1.0 is ignored; any other expectation is 417.
 */
#ifndef EDO_HTTP_PARSER_H
#define EDO_HTTP_PARSER_H

#include <edo/base.h>

#include "http/errors.h"
#include "http/tokens.h"

#define EDO_HTTP_LINE_MAX   8192
#define EDO_HTTP_BYTES_MAX  32768
#define EDO_HTTP_FIELDS_MAX 100
#define EDO_HTTP_BODY_MAX   (2 * 1024 * 1024)
#define EDO_HTTP_METHOD_MAX 32

/*
 * How much of a request is put up with. Zero means the default; numbers beyond 1 GiB count as 1 GiB, but for the
 * body.
 */
struct edo_http_limits {
    uint32_t line;   /* bytes of the request line with its CRLF; more: 414. EDO_HTTP_LINE_MAX */
    uint32_t bytes;  /* bytes of all fields with their CRLFs and the empty line; more: 431. EDO_HTTP_BYTES_MAX */
    uint32_t fields; /* number of fields; more: 431. EDO_HTTP_FIELDS_MAX */
    int64_t body;    /* bytes of the body; more: 413. EDO_HTTP_BODY_MAX; INT64_MAX: any */
};

/* A piece of the head: where it begins, counted from the buffer's first byte, and how long it is. */
struct edo_http_span {
    uint32_t at;
    uint32_t size;
};

struct edo_http_field {
    struct edo_http_span name;
    struct edo_http_span value; /* without the whitespace around it; may be empty */
};

enum edo_http_form {
    EDO_HTTP_ORIGIN,   /* /path?query */
    EDO_HTTP_ABSOLUTE, /* http://host/path?query */
    EDO_HTTP_ASTERISK, /* "*": OPTIONS for the server as a whole; the path is "*" */
};

/* Which fields and list members were there (edo_http_head.seen). */
enum edo_http_seen {
    EDO_HTTP_SEEN_HOST = 1 << 0,
    EDO_HTTP_SEEN_LENGTH = 1 << 1,
    EDO_HTTP_SEEN_CODING = 1 << 2,       /* Transfer-Encoding */
    EDO_HTTP_SEEN_CHUNKED = 1 << 3,      /* ... with "chunked" */
    EDO_HTTP_SEEN_OTHER_CODING = 1 << 4, /* ... with something else before it */
    EDO_HTTP_SEEN_CLOSE = 1 << 5,        /* Connection: close */
    EDO_HTTP_SEEN_KEEP_ALIVE = 1 << 6,   /* Connection: keep-alive */
    EDO_HTTP_SEEN_UPGRADE = 1 << 7,      /* Connection: upgrade */
    EDO_HTTP_SEEN_EXPECT = 1 << 8,       /* Expect: 100-continue */
};

/* A request's head. Valid once edo_http_parse_head() returned its size; the spans are read by edo_http_text(). */
struct edo_http_head {
    const char *bytes; /* the buffer of the call that completed the head; set it anew when the buffer has moved */
    struct edo_http_field *fields;
    uint32_t field_count;
    uint16_t seen;          /* enum edo_http_seen */
    uint8_t method;         /* enum edo_http_method */
    uint8_t form;           /* enum edo_http_form */
    int64_t content_length; /* bytes of the body; 0 if there is none, -1 if only its last chunk will tell */
    uint8_t version_minor;  /* 0 or 1 */
    bool chunked;
    bool has_body;             /* more than nothing follows the head: chunks, or content_length > 0 */
    bool keep_alive;           /* the peer lets the connection live on after this request */
    bool expect_continue;      /* the peer waits for 100 before it sends the body (never without a body) */
    struct edo_http_span name; /* of the method: "GET" */
    struct edo_http_span target;
    struct edo_http_span path;  /* undecoded; "/" where an absolute target has none */
    struct edo_http_span query; /* undecoded, without the '?'; .at is 0 if there was no '?' */
    struct edo_http_span host;  /* with its port; from the target if that has one; .at is 0 if there was none at all */
};

/* The state between calls. No member is for others to touch. */
struct edo_http_parser {
    struct edo_http_head *head;
    const struct edo_http_limits *limits;
    uint32_t position;   /* bytes accepted so far */
    uint32_t bound;      /* where the section being read must have ended */
    uint32_t mark;       /* where the token being read began */
    uint32_t fields_max; /* the smaller of the limit and the array's capacity */
    int32_t result;      /* once it is settled: the head's size or the error */
    uint8_t state;
};

/*
 * Makes ready for one request. `fields` has room for `capacity` fields and lives as long as the head; so do the
 * limits, of which NULL means all defaults.
 */
void edo_http_parser_init(struct edo_http_parser *parser, struct edo_http_head *head, struct edo_http_field *fields,
                          uint32_t capacity, const struct edo_http_limits *limits);

/*
 * Reads on. `buffer` holds all bytes of the request that have arrived, from its first one on; also those that
 * earlier calls have seen. 0: the head is not complete yet. Positive: the head's size in bytes; what follows is the
 * body or the next request. Negative: an EDO_EHTTP_ code. Once settled, the result stays.
 */
ssize_t edo_http_parse_head(struct edo_http_parser *parser, const char *buffer, size_t size);

/* The text of a span of a complete head. */
static inline edo_str edo_http_text(const struct edo_http_head *head, struct edo_http_span span)
{
    return (edo_str){head->bytes + span.at, span.size};
}

/* The value of the first field with that name (in any case); .data is NULL if there is none. */
edo_str edo_http_head_header(const struct edo_http_head *head, const char *name);

/*
 * The values of all fields with that name, one a call: false when there are no more. The cursor begins at 0 and
 * counts fields.
 */
bool edo_http_head_header_next(edo_str *value, const struct edo_http_head *head, const char *name, uint32_t *cursor);

#endif
