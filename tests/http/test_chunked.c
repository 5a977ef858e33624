/* SPDX-License-Identifier: MIT */
/*
 * The decoder of chunked bodies against the files of cases (tests/http/cases/chunked-*.txt), each fed whole, byte
 * by byte and at random splits, in buffers that have no byte more; and what takes too many bytes for a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"
#include "http/chunked.h"

#ifndef EDO_TEST_CASES
#error "EDO_TEST_CASES must name the directory of the cases"
#endif

#define RANDOM_FEEDS 100

struct decoding {
    struct edo_http_chunked decoder;
    uint8_t *body;
    size_t size;
    size_t consumed;
};

static void decoding_begin(struct decoding *decoding, size_t capacity, const struct edo_http_limits *limits)
{
    memset(decoding, 0xa5, sizeof *decoding);
    edo_http_chunked_init(&decoding->decoder, limits);
    decoding->body = malloc(capacity + 1);
    decoding->size = 0;
    decoding->consumed = 0;
    assert_non_null(decoding->body);
}

/* The next `size` bytes: until they are used up or the decoder has ended. */
static int feed(struct decoding *decoding, const uint8_t *bytes, size_t size)
{
    char *copy = malloc(size + !size);
    size_t at = 0;
    int rc;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    do {
        size_t consumed = SIZE_MAX;
        edo_str piece;

        rc = edo_http_chunked_next(&decoding->decoder, copy + at, size - at, &consumed, &piece);
        assert_true(consumed <= size - at);
        if (rc == EDO_HTTP_CHUNK_PIECE) {
            assert_true(piece.size > 0 && piece.data >= copy + at && piece.data + piece.size == copy + at + consumed);
            memcpy(decoding->body + decoding->size, piece.data, piece.size);
            decoding->size += piece.size;
        } else
            assert_int_equal(piece.size, 0);
        at += consumed;
        assert_true(rc != EDO_HTTP_CHUNK_MORE || at == size);
    } while (rc == EDO_HTTP_CHUNK_PIECE);
    free(copy);
    decoding->consumed += at;
    return rc;
}

/* Feeds everything in pieces of at most `most` bytes; most = 0: whole. */
static int feed_split(struct decoding *decoding, const struct test_case *test, size_t most, bool random)
{
    int rc = EDO_HTTP_CHUNK_MORE;

    decoding_begin(decoding, test->size, &test->limits);
    for (size_t at = 0; at < test->size && rc == EDO_HTTP_CHUNK_MORE;) {
        size_t size = random ? chance(most) : most;

        if (size > test->size - at)
            size = test->size - at;
        rc = feed(decoding, test->bytes + at, size);
        at += size;
        if (rc != EDO_HTTP_CHUNK_MORE)
            assert_int_equal(feed(decoding, test->bytes, test->size), rc); /* the end stays */
    }
    return rc;
}

static void check_split(const struct test_case *test, size_t most, bool random, const struct decoding *whole,
                        int whole_rc)
{
    struct decoding decoding;
    int rc = feed_split(&decoding, test, most, random);

    assert_int_equal(rc, whole_rc);
    assert_int_equal(decoding.size, whole->size);
    assert_memory_equal(decoding.body, whole->body, whole->size);
    assert_int_equal(decoding.consumed, whole->consumed);
    free(decoding.body);
}

static void assert_bytes(const char *key, const char *wanted, const uint8_t *found, size_t found_size)
{
    size_t size;
    uint8_t *bytes = cases_unescape(wanted, &size);

    if (size != found_size || memcmp(bytes, found, size) != 0)
        fail_msg("%s is \"%.*s\", not \"%s\"", key, (int)found_size, (const char *)found, wanted);
    free(bytes);
}

static void check_lines(const struct test_case *test, const struct decoding *whole)
{
    for (size_t i = 0; i < test->line_count; i++) {
        const struct line *line = &test->lines[i];

        if (strcmp(line->key, "body") == 0)
            assert_bytes(line->key, line->value, whole->body, whole->size);
        else if (strcmp(line->key, "size") == 0)
            assert_int_equal(whole->size, strtoull(line->value, NULL, 10));
        else if (strcmp(line->key, "rest") == 0)
            assert_bytes(line->key, line->value, test->bytes + whole->consumed, test->size - whole->consumed);
        else if (strcmp(line->key, "name") != 0 && strcmp(line->key, "rule") != 0 && strcmp(line->key, "limits") != 0 &&
                 strcmp(line->key, "verdict") != 0)
            fail_msg("unknown key: %s", line->key);
    }
}

static void test_case_has_its_verdict_however_it_is_split(void **state)
{
    const struct test_case *test = *state;
    struct decoding whole;
    int rc = feed_split(&whole, test, test->size, false);

    assert_string_equal(verdict_of(rc), test->verdict);
    check_lines(test, &whole);
    check_split(test, 1, false, &whole, rc);
    for (int i = 0; i < RANDOM_FEEDS; i++)
        check_split(test, chance(test->size), true, &whole, rc);
    free(whole.body);
}

/* --- Without files ------------------------------------------------------------------------------------------------ */

static int decode_text(const char *text)
{
    struct decoding decoding;
    int rc;

    decoding_begin(&decoding, strlen(text), NULL);
    rc = feed(&decoding, (const uint8_t *)text, strlen(text));
    free(decoding.body);
    return rc;
}

static void test_every_byte_in_a_chunk_size(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char text[] = "0?\r\n";

        text[1] = (char)byte;
        if (strchr("0123456789abcdefABCDEF", byte))
            assert_int_equal(decode_text(text), EDO_HTTP_CHUNK_MORE);
        else
            assert_true(decode_text(text) < 0);
    }
}

static void test_every_byte_in_an_extension(void **state)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char name[] = "5;a?b=c\r\n", value[] = "5;a=b?c\r\n", quoted[] = "5;a=\"b?c\"\r\n",
             escaped[] = "5;a=\"\\?\"\r\n";
        bool is_token = strchr(token, byte) != NULL;
        bool is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);

        name[3] = value[5] = quoted[6] = escaped[6] = (char)byte;
        assert_int_equal(decode_text(name) == EDO_HTTP_CHUNK_MORE, is_token || byte == ';'); /* a=b=c is none */
        assert_int_equal(decode_text(value) == EDO_HTTP_CHUNK_MORE, is_token || byte == ';');
        assert_int_equal(decode_text(quoted) == EDO_HTTP_CHUNK_MORE, is_text && byte != '"'); /* \c is c */
        assert_int_equal(decode_text(escaped) == EDO_HTTP_CHUNK_MORE, is_text);
    }
    assert_true(decode_text("5;a=\"b\\\"\r\n") < 0);
}

static void test_bodies_beyond_32_bits_are_counted(void **state)
{
    static char zeros[1 << 20];
    const struct edo_http_limits limits = {.body = 0x140000000};
    struct edo_http_chunked decoder;
    size_t consumed;
    edo_str piece;
    int rc;

    (void)state;
    edo_http_chunked_init(&decoder, &limits);
    assert_int_equal(edo_http_chunked_next(&decoder, "140000000\r\n", 11, &consumed, &piece), EDO_HTTP_CHUNK_MORE);
    for (int i = 0; i < 0x1400; i++) {
        assert_int_equal(edo_http_chunked_next(&decoder, zeros, sizeof zeros, &consumed, &piece), EDO_HTTP_CHUNK_PIECE);
        assert_int_equal(consumed, sizeof zeros);
    }
    rc = edo_http_chunked_next(&decoder, "\r\n0\r\n\r\n", 7, &consumed, &piece);
    assert_int_equal(rc, EDO_HTTP_CHUNK_END);
    assert_int_equal(decoder.body, limits.body);

    edo_http_chunked_init(&decoder, &limits);
    rc = edo_http_chunked_next(&decoder, "140000001\r\n", 11, &consumed, &piece);
    assert_int_equal(rc, EDO_EHTTP_BODY_LONG);
}

/* One byte of the body for a line of 250: after some 70 of them the lines are too much. */
static void test_extensions_that_outweigh_the_body_are_refused(void **state)
{
    char chunk[300] = "1;", plain[] = "1\r\na\r\n";
    struct edo_http_chunked decoder;
    edo_str piece;
    int rc = 0, chunks = 0;

    (void)state;
    memset(chunk + 2, 'x', 246);
    strcpy(chunk + 248, "\r\na\r\n");
    edo_http_chunked_init(&decoder, NULL);
    for (; rc >= 0 && chunks < 1000; chunks++) {
        size_t at = 0, consumed;

        do {
            rc = edo_http_chunked_next(&decoder, chunk + at, strlen(chunk) - at, &consumed, &piece);
            at += consumed;
        } while (rc == EDO_HTTP_CHUNK_PIECE);
    }
    assert_int_equal(rc, EDO_EHTTP_CHUNK_OVERHEAD);
    assert_true(chunks > 60 && chunks < 90);

    edo_http_chunked_init(&decoder, NULL); /* small chunks alone are no offence */
    for (chunks = 0; chunks < 100000; chunks++) {
        size_t at = 0, consumed;

        do {
            rc = edo_http_chunked_next(&decoder, plain + at, strlen(plain) - at, &consumed, &piece);
            at += consumed;
        } while (rc == EDO_HTTP_CHUNK_PIECE);
        assert_int_equal(rc, EDO_HTTP_CHUNK_MORE);
    }
}

static void test_nothing_in_nothing_out(void **state)
{
    struct edo_http_chunked decoder;
    size_t consumed = 7;
    edo_str piece;

    (void)state;
    edo_http_chunked_init(&decoder, NULL);
    assert_int_equal(edo_http_chunked_next(&decoder, NULL, 0, &consumed, &piece), EDO_HTTP_CHUNK_MORE);
    assert_int_equal(consumed, 0);
    assert_int_equal(edo_http_chunked_next(&decoder, "5\r\n", 3, &consumed, &piece), EDO_HTTP_CHUNK_MORE);
    assert_int_equal(consumed, 3);
    assert_int_equal(edo_http_chunked_next(&decoder, "", 0, &consumed, &piece), EDO_HTTP_CHUNK_MORE);
    assert_int_equal(consumed, 0);
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_byte_in_a_chunk_size),
        cmocka_unit_test(test_every_byte_in_an_extension),
        cmocka_unit_test(test_bodies_beyond_32_bits_are_counted),
        cmocka_unit_test(test_extensions_that_outweigh_the_body_are_refused),
        cmocka_unit_test(test_nothing_in_nothing_out),
    };
    int failed;

    chance_begin();
    cases_read(EDO_TEST_CASES "/chunked-*.txt");
    for (size_t i = 0; i < case_count; i++)
        tests[i] =
            (struct CMUnitTest){cases[i].title, test_case_has_its_verdict_however_it_is_split, NULL, NULL, &cases[i]};
    failed = _cmocka_run_group_tests("chunked cases", tests, case_count, NULL, NULL);
    cases_forget();
    return failed + cmocka_run_group_tests_name("chunked", others, NULL, NULL);
}
