/* SPDX-License-Identifier: MIT */
/* What error codes mean, and the functions behind <edo/base.h>. */
#include <edo/error.h>

#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_strerror_success_for_zero_and_counts(void **state)
{
    (void)state;
    assert_string_equal(edo_strerror(0), "success");
    assert_string_equal(edo_strerror(1), "success");
    assert_string_equal(edo_strerror(EINVAL), "success");
    assert_string_equal(edo_strerror(INT_MAX), "success");
}

static void test_strerror_says_what_was_meant(void **state)
{
    (void)state;
    assert_string_equal(edo_strerror(-EPERM), "operation not permitted");
    assert_string_equal(edo_strerror(-ECANCELED), "operation canceled");
    assert_string_equal(edo_strerror(-ETIMEDOUT), "timed out");
    assert_string_equal(edo_strerror(-EPIPE), "broken pipe");
    assert_string_equal(edo_strerror(-EAGAIN), edo_strerror(-EWOULDBLOCK));
    assert_string_equal(edo_strerror(-ENOTSUP), edo_strerror(-EOPNOTSUPP));
    assert_string_equal(edo_strerror(-ENOMEM), "out of memory");
    assert_string_equal(edo_strerror(-EHWPOISON), "memory page has a hardware error");
}

static void test_strerror_knows_the_codes_of_host_names(void **state)
{
    (void)state;
    assert_string_equal(edo_strerror(EDO_EDNS_UNKNOWN), "host name is unknown");
    assert_string_equal(edo_strerror(EDO_EDNS_NODATA), "host name has no such address");
    assert_string_equal(edo_strerror(EDO_EDNS_AGAIN), "host name cannot be resolved for now");
    assert_string_equal(edo_strerror(EDO_EDNS_FAILED), "host name cannot be resolved");
    assert_string_equal(edo_strerror(EDO_EDNS_UNKNOWN + 1), "unknown error");
    assert_string_equal(edo_strerror(EDO_EDNS_FAILED - 1), "unknown error");
}

/* Libc's own list decides which numbers are errors. */
static void test_strerror_knows_what_libc_knows_and_no_more(void **state)
{
    (void)state;
    for (int number = 1; number <= -EDO_ERRNO_LAST; number++) {
        bool known = strncmp(strerror(number), "Unknown error", 13) != 0;

        if (known != (strcmp(edo_strerror(-number), "unknown error") != 0))
            fail_msg("error %d, %s: %s", number, strerror(number), edo_strerror(-number));
    }
}

static void test_strerror_texts_stand_within_a_sentence_and_differ(void **state)
{
    (void)state;
    for (int number = 1; number < 200; number++) {
        const char *text = edo_strerror(-number);
        size_t length = strlen(text);

        assert_true(length > 0);
        assert_true(!isupper((unsigned char)text[0]) || isupper((unsigned char)text[1]));
        assert_true(isalnum((unsigned char)text[length - 1]));
        for (int other = 1; other < number; other++)
            if (strcmp(text, "unknown error") != 0)
                assert_string_not_equal(text, edo_strerror(-other));
    }
}

static void test_strerror_outside_of_every_range_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(edo_strerror(EDO_ERRNO_LAST), "unknown error");
    assert_string_equal(edo_strerror(EDO_ERRNO_LAST - 1), "unknown error");
    assert_string_equal(edo_strerror(-100000), "unknown error");
    assert_string_equal(edo_strerror(INT_MIN + 1), "unknown error");
    assert_string_equal(edo_strerror(INT_MIN), "unknown error");
}

static void test_version_is_that_of_the_headers(void **state)
{
    (void)state;
    assert_int_equal(edo_version(), EDO_VERSION_NUMBER);
}

/* A leak or a double free shows under the address sanitizer. */
static void test_auto_free_frees_what_the_variable_holds(void **state)
{
    (void)state;
    {
        char *bytes EDO_AUTO(free) = malloc(16);
        struct lldiv *other EDO_AUTO(free) = NULL;

        assert_non_null(bytes);
        bytes[0] = 'x';
        assert_null(other);
    }
    {
        char *bytes EDO_AUTO(free) = malloc(16);
        char *kept = EDO_TAKE(bytes);

        assert_null(bytes);
        free(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strerror_success_for_zero_and_counts),
        cmocka_unit_test(test_strerror_says_what_was_meant),
        cmocka_unit_test(test_strerror_knows_the_codes_of_host_names),
        cmocka_unit_test(test_strerror_knows_what_libc_knows_and_no_more),
        cmocka_unit_test(test_strerror_texts_stand_within_a_sentence_and_differ),
        cmocka_unit_test(test_strerror_outside_of_every_range_is_unknown),
        cmocka_unit_test(test_version_is_that_of_the_headers),
        cmocka_unit_test(test_auto_free_frees_what_the_variable_holds),
    };

    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
