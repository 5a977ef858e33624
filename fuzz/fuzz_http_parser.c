/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's way into the HTTP parser. The input's first byte chooses how the rest is divided, the second the
 * limits. The rest is read twice, in one buffer and in pieces, each piece in memory of exactly its size, and must
 * come to the same end. A head that is accepted is then read again by a naive reader that shares nothing with the
 * parser: whatever that one finds ambiguous must have been refused. A chunked body behind it goes through the
 * decoder and a naive reader as well, and the path through edo_http_path_decode().
 *
 *     clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc fuzz/fuzz_http_parser.c \
 *         src/http/{errors,tokens,facts,parser,chunked,path}.c -o fuzz_http_parser
 *     ./fuzz_http_parser -dict=fuzz/http_parser.dict fuzz/corpus/http_parser
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/chunked.h"
#include "http/parser.h"
#include "http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) must(!!(condition), #condition, __LINE__)

static void must(int holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "line %d: %s\n", line, what);
    abort();
}

static void *copy_of(const uint8_t *bytes, size_t size)
{
    void *copy = malloc(size + !size);

    MUST(copy);
    return memcpy(copy, bytes, size);
}

/* --- Dividing ----------------------------------------------------------------------------------------------------- */

static uint32_t dice;

/* 1 ... a few, more rarely many; always 1 if the input's first byte was 0 */
static size_t next_step(void)
{
    if (dice == 0)
        return 1;
    dice = dice * 1664525 + 1013904223;
    dice += dice == 0;
    return (dice >> 28) ? 1 + (dice >> 24 & 7) : 1 + (dice >> 20 & 127);
}

/* --- Heads -------------------------------------------------------------------------------------------------------- */

struct reading {
    struct edo_http_field fields[EDO_HTTP_FIELDS_MAX];
    struct edo_http_head head;
    struct edo_http_parser parser;
};

static ssize_t read_whole(struct reading *reading, const uint8_t *bytes, size_t size,
                          const struct edo_http_limits *limits)
{
    char *copy = copy_of(bytes, size);
    ssize_t rc;

    memset(reading, 0x11, sizeof *reading);
    edo_http_parser_init(&reading->parser, &reading->head, reading->fields, EDO_HTTP_FIELDS_MAX, limits);
    rc = edo_http_parse_head(&reading->parser, copy, size);
    reading->head.bytes = (const char *)bytes;
    free(copy);
    return rc;
}

static ssize_t read_split(struct reading *reading, const uint8_t *bytes, size_t size,
                          const struct edo_http_limits *limits)
{
    ssize_t rc = 0;
    size_t fed = 0;

    memset(reading, 0xee, sizeof *reading);
    edo_http_parser_init(&reading->parser, &reading->head, reading->fields, EDO_HTTP_FIELDS_MAX, limits);
    while (fed < size && rc == 0) {
        size_t step = next_step();
        char *copy;

        fed = step < size - fed ? fed + step : size;
        copy = copy_of(bytes, fed);
        rc = edo_http_parse_head(&reading->parser, copy, fed);
        free(copy);
    }
    reading->head.bytes = (const char *)bytes;
    return rc;
}

static void must_be_same_span(struct edo_http_span a, struct edo_http_span b, ssize_t size)
{
    MUST(a.at == b.at && a.size == b.size);
    MUST((ssize_t)a.at + (ssize_t)a.size <= size);
}

static void must_be_same(const struct edo_http_head *a, const struct edo_http_head *b, ssize_t size)
{
    MUST(a->field_count == b->field_count && a->seen == b->seen && a->method == b->method && a->form == b->form);
    MUST(a->content_length == b->content_length && a->version_minor == b->version_minor && a->chunked == b->chunked);
    MUST(a->has_body == b->has_body && a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue);
    must_be_same_span(a->name, b->name, size);
    must_be_same_span(a->target, b->target, size);
    must_be_same_span(a->path, b->path, size);
    must_be_same_span(a->query, b->query, size);
    must_be_same_span(a->host, b->host, size);
    for (uint32_t i = 0; i < a->field_count; i++) {
        must_be_same_span(a->fields[i].name, b->fields[i].name, size);
        must_be_same_span(a->fields[i].value, b->fields[i].value, size);
    }
}

/* --- The naive reader --------------------------------------------------------------------------------------------- */

struct naive {
    int hosts, lengths, codings, fields;
    char length[64], coding[64];
};

/* One field line without its CRLF. */
static void naive_field(struct naive *naive, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    size_t name = colon ? (size_t)(colon - line) : 0;
    const char *value = colon + 1;
    size_t value_size = size - name - 1;

    MUST(colon && name > 0);
    for (size_t i = 0; i < name; i++)
        MUST(line[i] > 0x20 && line[i] < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", line[i]));
    for (; value_size > 0 && (*value == ' ' || *value == '\t'); value++)
        value_size--;
    while (value_size > 0 && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
        value_size--;
    for (size_t i = 0; i < value_size; i++)
        MUST(value[i] == '\t' || ((unsigned char)value[i] >= 0x20 && value[i] != 0x7f));
    naive->fields++;
    naive->hosts += name == 4 && strncasecmp(line, "host", 4) == 0;
    if (name == 14 && strncasecmp(line, "content-length", 14) == 0) {
        naive->lengths++;
        snprintf(naive->length, sizeof naive->length, "%.*s", (int)value_size, value);
        for (size_t i = 0; i < value_size; i++)
            MUST(isdigit((unsigned char)value[i]));
        MUST(value_size > 0);
    }
    if (name == 17 && strncasecmp(line, "transfer-encoding", 17) == 0) {
        naive->codings++;
        snprintf(naive->coding, sizeof naive->coding, "%.*s", (int)value_size, value);
        MUST(value_size == 7);
    }
}

/* Reads an accepted head line by line; what it finds must leave one reading only. */
static void must_be_unambiguous(const struct edo_http_head *head, const char *bytes, size_t size)
{
    struct naive naive = {0};
    const char *at = bytes, *end = bytes + size;

    MUST(size >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0);
    if (memcmp(at, "\r\n", 2) == 0)
        at += 2;
    MUST(memmem(at, (size_t)(end - at), "\r\n\r\n", 4) == end - 4);
    for (int line = 0; at < end - 2; line++) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

        MUST(!memchr(at, '\n', (size_t)(stop - at)) && !memchr(at, '\r', (size_t)(stop - at)));
        MUST(!memchr(at, '\0', (size_t)(stop - at)));
        if (line > 0)
            naive_field(&naive, at, (size_t)(stop - at));
        else
            MUST(stop - at >= 12 && memcmp(stop - 9, " HTTP/1.", 8) == 0 && isdigit((unsigned char)stop[-1]));
        at = stop + 2;
    }
    MUST(naive.fields == (int)head->field_count);
    MUST(naive.hosts <= 1 && (naive.hosts == 1 || head->version_minor == 0));
    MUST(naive.lengths <= 1 && naive.codings <= 1 && naive.lengths + naive.codings <= 1);
    MUST(head->chunked == (naive.codings == 1));
    MUST(!head->chunked || (head->version_minor == 1 && strcasecmp(naive.coding, "chunked") == 0));
    MUST(head->content_length == (head->chunked ? -1 : naive.lengths ? strtoll(naive.length, NULL, 10) : 0));
    MUST(head->has_body == (head->chunked || head->content_length > 0));
    MUST(!head->expect_continue || head->has_body);
}

static void must_be_a_safe_path(edo_str path)
{
    size_t capacity = path.size + 1;
    char *in = copy_of((const uint8_t *)path.data, path.size), *out = malloc(capacity);
    ssize_t rc;

    MUST(out);
    rc = edo_http_path_decode(out, capacity, (edo_str){in, path.size});
    if (rc >= 0) {
        MUST((size_t)rc < capacity && rc > 0 && out[0] == '/' && out[rc] == '\0' && strlen(out) == (size_t)rc);
        MUST(!strstr(out, "//") && !strstr(out, "/./") && !strstr(out, "/../"));
        MUST((rc < 2 || strcmp(out + rc - 2, "/.") != 0) && (rc < 3 || strcmp(out + rc - 3, "/..") != 0));
    }
    free(in);
    free(out);
}

/* --- Chunked bodies ----------------------------------------------------------------------------------------------- */

struct body {
    uint8_t *bytes;
    size_t size;
    size_t consumed;
    int rc;
};

/* `split`: in pieces, else at once. */
static struct body decode(const uint8_t *bytes, size_t size, const struct edo_http_limits *limits, bool split)
{
    struct body body = {.bytes = malloc(size + 1)};
    struct edo_http_chunked decoder;
    size_t fed = 0;

    MUST(body.bytes);
    edo_http_chunked_init(&decoder, limits);
    while (fed < size && body.rc == EDO_HTTP_CHUNK_MORE) {
        size_t step = split ? next_step() : size;
        size_t count = step < size - fed ? step : size - fed;
        char *copy = copy_of(bytes + fed, count);
        size_t at = 0;

        do {
            size_t consumed;
            edo_str piece;

            body.rc = edo_http_chunked_next(&decoder, copy + at, count - at, &consumed, &piece);
            MUST(consumed <= count - at);
            MUST((body.rc == EDO_HTTP_CHUNK_PIECE) == (piece.size > 0));
            if (piece.size > 0) {
                MUST(piece.data >= copy + at && piece.data + piece.size <= copy + count);
                memcpy(body.bytes + body.size, piece.data, piece.size);
                body.size += piece.size;
            }
            at += consumed;
        } while (body.rc == EDO_HTTP_CHUNK_PIECE);
        MUST(body.rc != EDO_HTTP_CHUNK_MORE || at == count);
        MUST((uint64_t)decoder.body >= body.size);
        body.consumed += at;
        fed += count;
        free(copy);
    }
    return body;
}

/* An accepted body again, by strtoull and memchr. */
static void must_be_these_chunks(const char *bytes, const struct body *body)
{
    const char *at = bytes, *end = bytes + body->consumed;
    size_t size = 0;

    for (;;) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        char digits[20] = "";
        unsigned long long chunk;
        size_t count = 0;

        MUST(stop && stop - at <= 254 && !memchr(at, '\n', (size_t)(stop - at)) &&
             !memchr(at, '\r', (size_t)(stop - at)));
        while (at + count < stop && isxdigit((unsigned char)at[count]) && count < 17)
            count++;
        MUST(count >= 1 && count <= 16);
        MUST(stop[-1] != ' ' && stop[-1] != '\t' && stop[-1] != ';' && stop[-1] != '=');
        memcpy(digits, at, count);
        chunk = strtoull(digits, NULL, 16);
        at = stop + 2;
        if (chunk == 0)
            break;
        MUST(chunk < (size_t)(end - at) && size + chunk <= body->size && memcmp(body->bytes + size, at, chunk) == 0);
        size += chunk;
        at += chunk;
        MUST(memcmp(at, "\r\n", 2) == 0);
        at += 2;
    }
    MUST(size == body->size && end - at >= 2 && memcmp(end - 2, "\r\n", 2) == 0);
    if (end - at > 2)
        MUST(memmem(at, (size_t)(end - at), "\r\n\r\n", 4) == end - 4);
}

static void try_chunks(const uint8_t *bytes, size_t size, const struct edo_http_limits *limits)
{
    struct body whole = decode(bytes, size, limits, false);
    struct body split = decode(bytes, size, limits, true);

    MUST(whole.rc == split.rc && whole.size == split.size && whole.consumed == split.consumed);
    MUST(memcmp(whole.bytes, split.bytes, whole.size) == 0);
    MUST(whole.rc >= 0 || edo_http_error_text(whole.rc));
    if (whole.rc == EDO_HTTP_CHUNK_END)
        must_be_these_chunks((const char *)bytes, &whole);
    free(whole.bytes);
    free(split.bytes);
}

/* --- The way in --------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct edo_http_limits tight = {.line = 40, .bytes = 120, .fields = 4, .body = 64};
    static const struct edo_http_limits loose = {.body = INT64_MAX};
    static struct reading whole, split;
    const struct edo_http_limits *limits;
    ssize_t rc;

    if (size < 2)
        return 0;
    dice = data[0];
    limits = data[1] % 4 == 1 ? &tight : data[1] % 4 == 2 ? &loose : NULL;
    if (data[1] % 4 == 3) { /* a body without a head */
        try_chunks(data + 2, size - 2, data[1] & 4 ? &tight : NULL);
        return 0;
    }
    data += 2;
    size -= 2;
    rc = read_whole(&whole, data, size, limits);
    MUST(rc == read_split(&split, data, size, limits));
    MUST(rc <= (ssize_t)size && (rc >= 0 || edo_http_error_text(rc)));
    if (rc <= 0)
        return 0;
    must_be_same(&whole.head, &split.head, rc);
    must_be_unambiguous(&whole.head, (const char *)data, (size_t)rc);
    must_be_a_safe_path(edo_http_text(&whole.head, whole.head.path));
    if (whole.head.chunked)
        try_chunks(data + rc, size - (size_t)rc, limits);
    return 0;
}
