/* SPDX-License-Identifier: MIT */
/*
 * Dates of HTTP: written as everybody's are, read in three forms, never nonsense.
 */
#include "http/date.h"

#include <edo/edo.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void print(char *out, int64_t seconds)
{
    edo_http_date_print(out, seconds);
    out[EDO_HTTP_DATE_SIZE] = '\0';
}

static void test_dates_are_written_as_rfc_9110_has_them(void **state)
{
    char text[EDO_HTTP_DATE_SIZE + 1];

    (void)state;
    print(text, 784111777);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    print(text, 0);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    print(text, 951827696);
    assert_string_equal(text, "Tue, 29 Feb 2000 12:34:56 GMT");
    print(text, 253402300799);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void test_every_day_agrees_with_libc_and_reads_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 366 * 450; day++) { /* more than a whole cycle of the calendar */
        int64_t seconds = day * 86400 + day % 86400;
        char text[EDO_HTTP_DATE_SIZE + 1], wanted[64];
        time_t time = (time_t)seconds;
        struct tm tm;
        int64_t back;

        print(text, seconds);
        gmtime_r(&time, &tm);
        strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_string_equal(text, wanted);
        assert_int_equal(edo_http_date_parse(&back, edo_str_of(text)), 0);
        assert_int_equal(back, seconds);
    }
}

static void test_all_three_forms_are_read(void **state)
{
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(texts); i++) {
        assert_int_equal(edo_http_date_parse(&seconds, edo_str_of(texts[i])), 0);
        assert_int_equal(seconds, 784111777);
    }
    assert_int_equal(edo_http_date_parse(&seconds, EDO_STR("Wed Nov 16 08:49:37 1994")), 0);
    assert_int_equal(seconds, 784111777 + 10 * 86400);
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "Sun",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sunny, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 +994",
        "784111777",
    };
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(texts); i++)
        if (edo_http_date_parse(&seconds, edo_str_of(texts[i])) != -EINVAL)
            fail_msg("'%s' was read", texts[i]);
}

static void test_the_line_is_made_anew_each_second(void **state)
{
    struct edo_http_clock clock = {0};
    char first[EDO_HTTP_DATE_LINE_SIZE], second[EDO_HTTP_DATE_LINE_SIZE];
    int64_t now = edo_now(), seconds, wall = edo_wall() / EDO_SEC(1);

    (void)state;
    edo_http_date_line(first, &clock, now);
    assert_memory_equal(first, "Date: ", 6);
    assert_memory_equal(first + EDO_HTTP_DATE_LINE_SIZE - 2, "\r\n", 2);
    assert_int_equal(edo_http_date_parse(&seconds, (edo_str){first + 6, EDO_HTTP_DATE_SIZE}), 0);
    assert_true(seconds >= wall && seconds <= edo_wall() / EDO_SEC(1));
    atomic_store(&clock.words[2], 0x2a2a2a2a2a2a2a2a); /* seen as long as the line is good, not afterwards */
    edo_http_date_line(second, &clock, atomic_load(&clock.until) - 1);
    assert_memory_equal(second + 16, "********", 8);
    edo_http_date_line(second, &clock, atomic_load(&clock.until));
    assert_null(memchr(second, '*', sizeof second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_are_written_as_rfc_9110_has_them),
        cmocka_unit_test(test_every_day_agrees_with_libc_and_reads_back),
        cmocka_unit_test(test_all_three_forms_are_read),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_the_line_is_made_anew_each_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
