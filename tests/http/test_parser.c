/* SPDX-License-Identifier: MIT */
/*
 * The parser of request heads against the files of cases (tests/http/cases/head-*.txt), each fed whole, byte by
 * byte and at random splits; and against alphabets written out by hand, byte for byte.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"
#include "http/parser.h"

#ifndef EDO_TEST_CASES
#error "EDO_TEST_CASES must name the directory of the cases"
#endif

#define SUMMARY_MAX  200000
#define RANDOM_FEEDS 60

struct reading {
    struct edo_http_field fields[EDO_HTTP_FIELDS_MAX];
    struct edo_http_head head;
    struct edo_http_parser parser;
};

static void reading_begin(struct reading *reading, const struct edo_http_limits *limits)
{
    memset(reading, 0xa5, sizeof *reading);
    edo_http_parser_init(&reading->parser, &reading->head, reading->fields, EDO_COUNT(reading->fields), limits);
}

/*
 * Feeds the first `size` bytes in a buffer that has no byte more and lies elsewhere each time. The head of a settled
 * reading points into `bytes`.
 */
static ssize_t feed(struct reading *reading, const uint8_t *bytes, size_t size)
{
    char *copy = malloc(size);
    ssize_t rc;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    rc = edo_http_parse_head(&reading->parser, copy, size);
    reading->head.bytes = (const char *)bytes;
    free(copy);
    return rc;
}

/* --- What was found, as text -------------------------------------------------------------------------------------- */

static void add_text(char *summary, size_t *at, const char *key, edo_str text)
{
    *at += (size_t)snprintf(summary + *at, SUMMARY_MAX - *at, "%s=%.*s\n", key, EDO_STR_ARG(text));
    assert_true(*at < SUMMARY_MAX);
}

static const char *flags_of(const struct edo_http_head *head)
{
    static char flags[64];

    snprintf(flags, sizeof flags, "%s%s%s%s", head->keep_alive ? " keep-alive" : " close",
             head->has_body ? " body" : "", head->chunked ? " chunked" : "", head->expect_continue ? " continue" : "");
    return flags + 1;
}

static const char *form_of(const struct edo_http_head *head)
{
    static const char *const forms[] = {
        [EDO_HTTP_ORIGIN] = "origin", [EDO_HTTP_ABSOLUTE] = "absolute", [EDO_HTTP_ASTERISK] = "asterisk"};

    return forms[head->form];
}

static void summarize(char *summary, const struct edo_http_head *head)
{
    size_t at = 0;

    add_text(summary, &at, "method", edo_http_text(head, head->name));
    add_text(summary, &at, "target", edo_http_text(head, head->target));
    add_text(summary, &at, "path", edo_http_text(head, head->path));
    add_text(summary, &at, "query", edo_http_text(head, head->query));
    add_text(summary, &at, "host", edo_http_text(head, head->host));
    for (uint32_t i = 0; i < head->field_count; i++) {
        add_text(summary, &at, "name", edo_http_text(head, head->fields[i].name));
        add_text(summary, &at, "value", edo_http_text(head, head->fields[i].value));
    }
    at += (size_t)snprintf(summary + at, SUMMARY_MAX - at, "%u %u %u %u %lld %s", head->method, head->form, head->seen,
                           head->version_minor, (long long)head->content_length, flags_of(head));
    assert_true(at < SUMMARY_MAX);
}

/* --- Files of cases ----------------------------------------------------------------------------------------------- */

static void assert_text(const char *key, const char *wanted, edo_str found)
{
    size_t size;
    uint8_t *bytes = cases_unescape(wanted, &size);

    if (size != found.size || memcmp(bytes, found.data, size) != 0)
        fail_msg("%s is \"%.*s\", not \"%s\"", key, EDO_STR_ARG(found), wanted);
    free(bytes);
}

static void check_line(const struct test_case *test, const struct line *line, const struct edo_http_head *head,
                       size_t head_size, uint32_t *field)
{
    if (strcmp(line->key, "method") == 0)
        assert_text(line->key, line->value, edo_http_text(head, head->name));
    else if (strcmp(line->key, "target") == 0)
        assert_text(line->key, line->value, edo_http_text(head, head->target));
    else if (strcmp(line->key, "path") == 0)
        assert_text(line->key, line->value, edo_http_text(head, head->path));
    else if (strcmp(line->key, "query") == 0)
        assert_text(line->key, line->value, edo_http_text(head, head->query));
    else if (strcmp(line->key, "host") == 0)
        assert_text(line->key, line->value, edo_http_text(head, head->host));
    else if (strcmp(line->key, "form") == 0)
        assert_string_equal(form_of(head), line->value);
    else if (strcmp(line->key, "minor") == 0)
        assert_int_equal(head->version_minor, atoi(line->value));
    else if (strcmp(line->key, "length") == 0)
        assert_int_equal(head->content_length, strtoll(line->value, NULL, 10));
    else if (strcmp(line->key, "fields") == 0)
        assert_int_equal(head->field_count, atoi(line->value));
    else if (strcmp(line->key, "field") == 0) {
        assert_true(*field < head->field_count);
        assert_text("field name", line->value, edo_http_text(head, head->fields[*field].name));
    } else if (strcmp(line->key, "value") == 0)
        assert_text("field value", line->value, edo_http_text(head, head->fields[(*field)++].value));
    else if (strcmp(line->key, "rest") == 0)
        assert_text(line->key, line->value, (edo_str){(const char *)test->bytes + head_size, test->size - head_size});
    else if (strcmp(line->key, "name") != 0 && strcmp(line->key, "rule") != 0 && strcmp(line->key, "limits") != 0 &&
             strcmp(line->key, "verdict") != 0 && strcmp(line->key, "flags") != 0)
        fail_msg("unknown key: %s", line->key);
}

static void check_head(const struct test_case *test, const struct edo_http_head *head, size_t head_size)
{
    const char *flags = case_value(test, "flags");
    uint32_t field = 0;

    for (size_t i = 0; i < test->line_count; i++)
        check_line(test, &test->lines[i], head, head_size, &field);
    assert_string_equal(flags_of(head), flags ? flags : "keep-alive");
}

/* Feeds what is given in pieces of at most `most` bytes; the results must be those of feeding it whole. */
static void check_split(const struct test_case *test, size_t most, bool random, ssize_t whole, const char *summary)
{
    static struct reading reading;
    static char other[SUMMARY_MAX];
    ssize_t rc = 0;

    reading_begin(&reading, &test->limits);
    for (size_t size = 0; size < test->size && rc == 0;) {
        size += random ? chance(most) : most;
        if (size > test->size)
            size = test->size;
        rc = feed(&reading, test->bytes, size);
        assert_int_equal(feed(&reading, test->bytes, size), rc); /* asking again changes nothing */
    }
    if (rc != whole)
        fail_msg("%zd when split, %zd (%s) when whole", rc, whole, verdict_of(whole));
    if (rc <= 0)
        return;
    summarize(other, &reading.head);
    assert_string_equal(other, summary);
}

/* After each byte the machine that came there byte by byte says what one says that sees the same bytes at once. */
static void check_prefixes(const struct test_case *test)
{
    static struct reading slow, quick;

    reading_begin(&slow, &test->limits);
    for (size_t size = 1; size <= test->size; size++) {
        ssize_t rc = feed(&slow, test->bytes, size);

        reading_begin(&quick, &test->limits);
        assert_int_equal(feed(&quick, test->bytes, size), rc);
        if (rc != 0)
            return;
    }
}

static void test_case_has_its_verdict_however_it_is_split(void **state)
{
    const struct test_case *test = *state;
    static struct reading reading;
    static char summary[SUMMARY_MAX];
    ssize_t rc;

    reading_begin(&reading, &test->limits);
    rc = feed(&reading, test->bytes, test->size);
    assert_string_equal(verdict_of(rc), test->verdict);
    if (rc > 0) {
        check_head(test, &reading.head, (size_t)rc);
        summarize(summary, &reading.head);
    }
    check_split(test, 1, false, rc, summary);
    for (int i = 0; i < RANDOM_FEEDS; i++)
        check_split(test, chance(test->size), true, rc, summary);
    if (test->size < 1000)
        check_prefixes(test);
}

/* --- Alphabets ---------------------------------------------------------------------------------------------------- */

#define ALPHA     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGIT     "0123456789"
#define TCHAR     "!#$%&'*+-.^_`|~" DIGIT ALPHA
#define DELIMITER "\"(),/:;<=>?@[\\]{}"

static bool is_in(const char *alphabet, int byte)
{
    return byte != 0 && strchr(alphabet, byte) != NULL;
}

/* Whether the head is accepted that has this byte between the two texts. */
static bool accepts(const char *before, int byte, const char *after)
{
    static struct reading reading;
    uint8_t bytes[200];
    size_t first = strlen(before), second = strlen(after);

    memcpy(bytes, before, first);
    bytes[first] = (uint8_t)byte;
    memcpy(bytes + first + 1, after, second);
    reading_begin(&reading, NULL);
    return feed(&reading, bytes, first + 1 + second) == (ssize_t)(first + 1 + second);
}

static void test_every_byte_in_a_method(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(accepts("G", byte, "T / HTTP/1.1\r\nHost: a\r\n\r\n"), is_in(TCHAR, byte));
}

static void test_every_byte_in_a_target(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool visible = is_in(TCHAR DELIMITER, byte) && byte != '#';

        assert_int_equal(accepts("GET /a", byte, "b HTTP/1.1\r\nHost: a\r\n\r\n"), visible);
        assert_int_equal(accepts("GET /a?b", byte, "c HTTP/1.1\r\nHost: a\r\n\r\n"), visible);
    }
}

static void test_every_byte_in_a_field_name(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        assert_int_equal(accepts("GET / HTTP/1.1\r\nHost: a\r\nX", byte, "y: z\r\n\r\n"),
                         is_in(TCHAR, byte) || byte == ':');
        assert_int_equal(accepts("GET / HTTP/1.1\r\nHost: a\r\n", byte, "y: z\r\n\r\n"), is_in(TCHAR, byte));
    }
}

/* At every offset of the words that are looked at eight bytes at a time. */
static void test_every_byte_in_a_field_value(void **state)
{
    char before[64] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";

    (void)state;
    for (int place = 0; place < 18; place++) {
        for (int byte = 0; byte < 256; byte++) {
            bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);

            assert_int_equal(accepts(before, byte, "\r\n\r\n"), allowed);
            assert_int_equal(accepts(before, byte, "\xff\x7e~\x80 and something behind\r\n\r\n"), allowed);
        }
        strcat(before, place % 3 ? "\xff" : "~");
    }
}

static void test_every_byte_in_a_host(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool name = is_in(ALPHA DIGIT "-._", byte);

        assert_int_equal(accepts("GET / HTTP/1.1\r\nHost: a", byte, "b\r\n\r\n"), name);
        assert_int_equal(accepts("GET http://a", byte, "b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
                         name || byte == '/' || byte == '?');
        assert_int_equal(accepts("GET / HTTP/1.1\r\nHost: a:", byte, "1\r\n\r\n"), is_in(DIGIT, byte));
    }
}

static void test_every_byte_in_a_content_length(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(accepts("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1", byte, "1\r\n\r\n"),
                         is_in(DIGIT, byte));
}

/* --- Looking up --------------------------------------------------------------------------------------------------- */

static void test_fields_are_found_in_any_case_and_in_order(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nCookie: one\r\nX@: \r\n";
    static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\ncOOKIE: one\r\nX-Empty:\r\nCookie: two\r\nX_Y: 1\r\n\r\n";
    static struct reading reading;
    uint32_t cursor = 0;
    edo_str value;

    (void)state;
    reading_begin(&reading, NULL);
    assert_int_equal(edo_http_parse_head(&reading.parser, good, sizeof good - 1), sizeof good - 1);
    assert_true(edo_str_equal(edo_http_head_header(&reading.head, "COOKIE"), EDO_STR("one")));
    assert_true(edo_str_equal(edo_http_head_header(&reading.head, "host"), EDO_STR("a")));
    assert_non_null(edo_http_head_header(&reading.head, "x-empty").data);
    assert_int_equal(edo_http_head_header(&reading.head, "x-empty").size, 0);
    assert_true(edo_str_equal(edo_http_head_header(&reading.head, "x_y"), EDO_STR("1")));
    assert_null(edo_http_head_header(&reading.head, "Cooki").data);
    assert_null(edo_http_head_header(&reading.head, "Cookies").data);
    assert_null(edo_http_head_header(&reading.head, "X\x7fY").data);   /* '_' with the bit of the lower case */
    assert_null(edo_http_head_header(&reading.head, "X\rEmpty").data); /* '-' without it */
    assert_true(edo_http_head_header_next(&value, &reading.head, "cookie", &cursor));
    assert_true(edo_str_equal(value, EDO_STR("one")));
    assert_true(edo_http_head_header_next(&value, &reading.head, "cookie", &cursor));
    assert_true(edo_str_equal(value, EDO_STR("two")));
    assert_false(edo_http_head_header_next(&value, &reading.head, "cookie", &cursor));

    reading_begin(&reading, NULL);
    assert_int_equal(edo_http_parse_head(&reading.parser, text, sizeof text - 1), EDO_EHTTP_NAME);
}

static void test_the_head_can_be_moved_when_complete(void **state)
{
    static const char text[] = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    static struct reading reading;
    char elsewhere[sizeof text];

    (void)state;
    reading_begin(&reading, NULL);
    assert_int_equal(edo_http_parse_head(&reading.parser, text, sizeof text - 1), sizeof text - 1);
    assert_ptr_equal(edo_http_text(&reading.head, reading.head.path).data, text + 4);
    memcpy(elsewhere, text, sizeof text);
    reading.head.bytes = elsewhere;
    assert_ptr_equal(edo_http_text(&reading.head, reading.head.path).data, elsewhere + 4);
}

static void test_the_array_bounds_the_number_of_fields(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    struct edo_http_field fields[2];
    struct edo_http_parser parser;
    struct edo_http_head head;

    (void)state;
    edo_http_parser_init(&parser, &head, fields, 1, NULL);
    assert_int_equal(edo_http_parse_head(&parser, text, sizeof text - 1), EDO_EHTTP_FIELDS_MANY);
    edo_http_parser_init(&parser, &head, fields, 2, NULL);
    assert_int_equal(edo_http_parse_head(&parser, text, sizeof text - 1), sizeof text - 1);
}

static void test_errors_have_status_and_text(void **state)
{
    (void)state;
    for (int i = 0; i < EDO_HTTP_ERROR_COUNT; i++) {
        ssize_t code = -(EDO_HTTP_ERROR_BASE + i);

        assert_true(code < -4095);
        assert_true(edo_http_error_status(code) >= 400 && edo_http_error_status(code) <= 505);
        assert_non_null(edo_http_error_text(code));
    }
    assert_int_equal(edo_http_error_status(-EDO_HTTP_ERROR_BASE - EDO_HTTP_ERROR_COUNT), 0);
    assert_int_equal(edo_http_error_status(-EDO_HTTP_ERROR_BASE + 1), 0);
    assert_int_equal(edo_http_error_status(0), 0);
    assert_null(edo_http_error_text(-ENOENT));
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_byte_in_a_method),
        cmocka_unit_test(test_every_byte_in_a_target),
        cmocka_unit_test(test_every_byte_in_a_field_name),
        cmocka_unit_test(test_every_byte_in_a_field_value),
        cmocka_unit_test(test_every_byte_in_a_host),
        cmocka_unit_test(test_every_byte_in_a_content_length),
        cmocka_unit_test(test_fields_are_found_in_any_case_and_in_order),
        cmocka_unit_test(test_the_head_can_be_moved_when_complete),
        cmocka_unit_test(test_the_array_bounds_the_number_of_fields),
        cmocka_unit_test(test_errors_have_status_and_text),
    };
    int failed;

    chance_begin();
    cases_read(EDO_TEST_CASES "/head-*.txt");
    for (size_t i = 0; i < case_count; i++)
        tests[i] =
            (struct CMUnitTest){cases[i].title, test_case_has_its_verdict_however_it_is_split, NULL, NULL, &cases[i]};
    failed = _cmocka_run_group_tests("parser cases", tests, case_count, NULL, NULL);
    cases_forget();
    return failed + cmocka_run_group_tests_name("parser", others, NULL, NULL);
}
