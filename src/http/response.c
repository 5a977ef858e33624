/* SPDX-License-Identifier: MIT */
/*
 * The response: its head, its body in pieces or chunks, and what is sent where a handler gave none.
 *
 * Invariant: the client is always told truly how long a body is, by Content-Length, by chunks, or by the connection's
 * end (`close` is then set); if a body turns out otherwise the connection is cut (`broken`), never padded or cut short.
 */
#include "http/exchange.h"
#include "http/status.h"

#include <stdio.h>

/* More than any head needs beside Content-Type and the handler's fields: status line, sizes, Date, Connection. */
enum { HEAD_OVERHEAD = 320 };

_Static_assert(HEAD_OVERHEAD + EDO_HTTP_TYPE_MAX + EDO_HTTP_HEADERS_SIZE <= EDO_HTTP_OUTPUT_SIZE,
               "a head always fits into the output's buffer");

void edo_http_response_reset(struct edo_http_exchange *x)
{
    x->stage = EDO_HTTP_STAGE_NONE;
    x->chunked = false;
    x->headers_size = 0;
}

/* --- Header fields ------------------------------------------------------------------------------------------------ */

static bool is_value(const char *text, size_t size)
{
    return edo_http_skip((const uint8_t *)text, 0, size, EDO_HTTP_VALUE) == size;
}

static bool same_name(const char *text, const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char a = (unsigned char)text[i], b = (unsigned char)name[i];

        if ((a >= 'A' && a <= 'Z' ? a | 0x20 : a) != (b >= 'A' && b <= 'Z' ? b | 0x20 : b))
            return false;
    }
    return true;
}

static bool is_reserved(const char *name, size_t size)
{
    static const char *const names[] = {"Connection", "Content-Length", "Date", "Transfer-Encoding"};

    for (size_t i = 0; i < EDO_COUNT(names); i++)
        if (size == strlen(names[i]) && same_name(names[i], name, size))
            return true;
    return false;
}

/* Takes out the fields with that name: lines "Name: value\r\n". */
static void remove_header(struct edo_http_exchange *x, const char *name, size_t size)
{
    uint32_t at = 0;

    while (at < x->headers_size) {
        const char *line = x->headers + at;
        const char *end = (const char *)memchr(line, '\n', x->headers_size - at) + 1;
        uint32_t line_size = (uint32_t)(end - line);

        if (line_size > size + 1 && line[size] == ':' && same_name(line, name, size)) {
            memmove(x->headers + at, end, x->headers_size - at - line_size);
            x->headers_size -= line_size;
        } else {
            at += line_size;
        }
    }
}

static int put_header(struct edo_http_exchange *x, const char *name, const char *value, bool replace)
{
    size_t name_size = name ? strlen(name) : 0;
    size_t value_size = value ? strlen(value) : 0;
    size_t size = name_size + value_size + 4;
    char *out;

    if (x->stage != EDO_HTTP_STAGE_NONE)
        return -EALREADY;
    if (name_size == 0 || edo_http_skip((const uint8_t *)name, 0, name_size, EDO_HTTP_TOKEN) != name_size ||
        !is_value(value, value_size) || is_reserved(name, name_size))
        return -EINVAL;
    if (replace)
        remove_header(x, name, name_size);
    if (size > sizeof x->headers - x->headers_size)
        return -ENOSPC;
    out = x->headers + x->headers_size;
    memcpy(out, name, name_size);
    memcpy(out + name_size, ": ", 2);
    if (value_size > 0) /* it may be NULL then */
        memcpy(out + name_size + 2, value, value_size);
    memcpy(out + size - 2, "\r\n", 2);
    x->headers_size += (uint32_t)size;
    return 0;
}

int edo_http_set_header(edo_http_exchange *x, const char *name, const char *value)
{
    return put_header(x, name, value, true);
}

int edo_http_add_header(edo_http_exchange *x, const char *name, const char *value)
{
    return put_header(x, name, value, false);
}

void edo_http_close_after(edo_http_exchange *x)
{
    x->close = true;
}

/* --- The head ----------------------------------------------------------------------------------------------------- */

static char *put(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define PUT(out, literal) put((out), literal, sizeof(literal) - 1)

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return put(out, digits + at, sizeof digits - at);
}

static char *put_status(char *out, int status)
{
    edo_str line = edo_http_status_line(status);

    if (line.data)
        return put(out, line.data, line.size);
    out = PUT(out, "HTTP/1.1 ");
    out = put_number(out, (uint64_t)status);
    return PUT(out, " \r\n");
}

static char *put_connection(char *out, const struct edo_http_exchange *x)
{
    if (x->close)
        return PUT(out, "Connection: close\r\n");
    return x->head.version_minor == 0 ? PUT(out, "Connection: keep-alive\r\n") : out;
}

/* Whether the connection ends with this response, as far as one can know now. */
static bool must_close(const struct edo_http_exchange *x)
{
    return !x->head.keep_alive || x->expects || x->body == EDO_HTTP_BODY_FAILED ||
           (x->body == EDO_HTTP_BODY_SIZED && x->body_left - (x->end - x->at) > EDO_HTTP_DISCARD_MAX) ||
           atomic_load_explicit(&x->server->stopping, memory_order_relaxed);
}

int edo_http_begin(edo_http_exchange *x, int status, const char *type, int64_t size)
{
    size_t type_size = type ? strlen(type) : 0;
    char *out;

    if (x->stage != EDO_HTTP_STAGE_NONE)
        return -EALREADY;
    if (status < 200 || status > 599 || size < EDO_HTTP_STREAM || type_size > EDO_HTTP_TYPE_MAX ||
        !is_value(type, type_size))
        return -EINVAL;
    if (HEAD_OVERHEAD + type_size + x->headers_size > sizeof x->output - x->output_size) {
        int rc = edo_http_output_flush(x);

        if (rc < 0)
            return rc;
    }
    x->now = edo_now();
    x->silent = x->head.method == EDO_HTTP_HEAD || status == 204 || status == 304;
    x->chunked = size < 0 && x->head.version_minor > 0;
    x->sized = size >= 0;
    x->response_left = size;
    if (must_close(x) || (size < 0 && !x->chunked))
        x->close = true;

    out = put_status(x->output + x->output_size, status);
    if (type) {
        out = PUT(out, "Content-Type: ");
        out = put(out, type, type_size);
        out = PUT(out, "\r\n");
    }
    if (status == 204 || status == 304) {
        x->chunked = false;
        x->sized = false;
    } else if (size >= 0) {
        out = PUT(out, "Content-Length: ");
        out = put_number(out, (uint64_t)size);
        out = PUT(out, "\r\n");
    } else if (x->chunked) {
        out = PUT(out, "Transfer-Encoding: chunked\r\n");
    }
    edo_http_date_line(out, &x->server->clock, x->now);
    out = put_connection(out + EDO_HTTP_DATE_LINE_SIZE, x);
    if (x->headers_size > 0)
        out = put(out, x->headers, x->headers_size);
    out = PUT(out, "\r\n");
    x->output_size = (uint32_t)(out - x->output);
    x->stage = EDO_HTTP_STAGE_BEGUN;
    return 0;
}

/* --- The body ----------------------------------------------------------------------------------------------------- */

/* A chunk's line: its size in hexadecimal digits. */
static size_t chunk_line(char *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 1;

    while (count < 16 && size >> (4 * count) > 0)
        count++;
    for (size_t i = 0; i < count; i++)
        out[i] = digits[size >> (4 * (count - 1 - i)) & 15];
    memcpy(out + count, "\r\n", 2);
    return count + 2;
}

static int write_plain(struct edo_http_exchange *x, const void *data, size_t size)
{
    const struct iovec piece = {(void *)(uintptr_t)data, size};

    if (size > sizeof x->output - x->output_size)
        return edo_http_output_send(x, &piece, 1);
    memcpy(x->output + x->output_size, data, size);
    x->output_size += (uint32_t)size;
    return 0;
}

static int write_chunk(struct edo_http_exchange *x, const void *data, size_t size)
{
    char line[20];
    size_t line_size = chunk_line(line, size);
    char *out = x->output + x->output_size;

    if (line_size + size + 2 > sizeof x->output - x->output_size) {
        const struct iovec pieces[] = {
            {line, line_size}, {(void *)(uintptr_t)data, size}, {(void *)(uintptr_t) "\r\n", 2}};

        return edo_http_output_send(x, pieces, 3);
    }
    out = put(out, line, line_size);
    out = put(out, (const char *)data, size);
    out = PUT(out, "\r\n");
    x->output_size = (uint32_t)(out - x->output);
    return 0;
}

ssize_t edo_http_write(edo_http_exchange *x, const void *data, size_t size)
{
    int rc = x->broken;

    if (x->stage != EDO_HTTP_STAGE_BEGUN || (x->sized && (uint64_t)x->response_left < size))
        return -EINVAL;
    if (rc < 0)
        return rc;
    if (x->sized)
        x->response_left -= (int64_t)size;
    if (x->silent || size == 0)
        return (ssize_t)size;
    rc = x->chunked ? write_chunk(x, data, size) : write_plain(x, data, size);
    return rc < 0 ? rc : (ssize_t)size;
}

int edo_http_flush(edo_http_exchange *x)
{
    return edo_http_output_flush(x);
}

int edo_http_end(edo_http_exchange *x)
{
    if (x->stage != EDO_HTTP_STAGE_BEGUN)
        return -EINVAL;
    x->stage = EDO_HTTP_STAGE_ENDED;
    if (x->broken)
        return x->broken;
    if (x->sized && x->response_left > 0 && !x->silent) {
        edo_http_output_flush(x);
        x->close = true;
        x->broken = -EINVAL;
        return -EINVAL;
    }
    return x->chunked && !x->silent ? write_plain(x, "0\r\n\r\n", 5) : 0;
}

int edo_http_respond(edo_http_exchange *x, int status, const char *type, const void *body, size_t size)
{
    ssize_t rc = edo_http_begin(x, status, type, (int64_t)size);

    if (rc < 0)
        return (int)rc;
    if (x->sized)
        rc = edo_http_write(x, body, size);
    x->response_left = 0;
    return rc < 0 ? (int)rc : edo_http_end(x);
}

int edo_http_fail(edo_http_exchange *x, int status, const char *why)
{
    char text[256];
    int size =
        snprintf(text, sizeof text, "%d %s%s%s\n", status, edo_http_reason(status), why ? ": " : "", why ? why : "");

    if (size >= (int)sizeof text)
        size = (int)sizeof text - 1;
    return edo_http_respond(x, status, "text/plain; charset=utf-8", text, (size_t)size);
}

/* --- What the server says itself ---------------------------------------------------------------------------------- */

void edo_http_refuse(struct edo_http_exchange *x, int status, const char *why)
{
    x->close = true;
    x->unread = true;
    edo_http_response_reset(x);
    edo_http_fail(x, status, why);
}

/* A body that could not be read is the client's fault, and its rest is not to be found. */
static void refuse_body(struct edo_http_exchange *x, int rc)
{
    int status = rc == -ECONNRESET ? 400 : rc == -ETIMEDOUT ? 408 : edo_http_status_of(rc);

    edo_http_refuse(x, status, rc == -ECONNRESET ? "the body is incomplete" : edo_http_strerror(rc));
}

void edo_http_response_finish(struct edo_http_exchange *x, int rc)
{
    if (x->stage == EDO_HTTP_STAGE_NONE) {
        if (rc < 0 && x->body == EDO_HTTP_BODY_FAILED && rc == x->body_error) {
            refuse_body(x, rc);
        } else {
            x->headers_size = 0;
            edo_http_fail(x, rc < 0 ? edo_http_status_of(rc) : 500, NULL);
        }
    } else if (x->stage == EDO_HTTP_STAGE_BEGUN) {
        if (rc >= 0) {
            edo_http_end(x);
        } else { /* cut, so that it can be seen that something is missing */
            edo_http_output_flush(x);
            x->broken = rc;
        }
    }
    if (x->broken)
        x->close = true;
}
