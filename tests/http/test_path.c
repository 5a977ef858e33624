/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request's path before it is put behind a directory's name.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/path.h"

/* In memory that has no byte more than is needed. */
static ssize_t decode(char *out, size_t capacity, const char *path, size_t size)
{
    char *tight_path = malloc(size + !size), *tight_out = malloc(capacity + !capacity);
    ssize_t rc;

    assert_true(tight_path && tight_out);
    memcpy(tight_path, path, size);
    rc = edo_http_path_decode(tight_out, capacity, (edo_str){tight_path, size});
    if (rc >= 0)
        memcpy(out, tight_out, (size_t)rc + 1);
    free(tight_path);
    free(tight_out);
    return rc;
}

static void assert_path(const char *path, const char *wanted)
{
    char out[200];
    size_t size = strlen(path);
    ssize_t rc = decode(out, size + 1, path, size);

    if (rc < 0 || strcmp(out, wanted) != 0 || (size_t)rc != strlen(wanted))
        fail_msg("%s became %s (%zd), not %s", path, rc < 0 ? "an error" : out, rc, wanted);
}

static void assert_refused(const char *path, size_t size)
{
    char out[200];
    ssize_t rc = decode(out, sizeof out, path, size);

    if (rc != -EINVAL)
        fail_msg("%s was not refused (%zd)", path, rc);
}

#define REFUSED(literal) assert_refused(literal, sizeof(literal) - 1)

static void test_ordinary_paths_stay(void **state)
{
    (void)state;
    assert_path("/", "/");
    assert_path("/index.html", "/index.html");
    assert_path("/a/b/c", "/a/b/c");
    assert_path("/a/b/", "/a/b/");
    assert_path("/.hidden/..more/...", "/.hidden/..more/...");
    assert_path("/a.", "/a.");
    assert_path("/a..", "/a..");
}

static void test_escapes_are_decoded_once(void **state)
{
    (void)state;
    assert_path("/a%20b", "/a b");
    assert_path("/caf%C3%a9", "/caf\xc3\xa9");
    assert_path("/%2525", "/%25");
    assert_path("/%252e%252e/%252f", "/%2e%2e/%2f");
    assert_path("/%41%5a%61%7A", "/AZaz");
    assert_path("/a+b", "/a+b");
    assert_path("/a?b#c", "/a?b#c");
    assert_path("/a\\..\\b", "/a\\..\\b");
    assert_path("/a%5c..%5Cb", "/a\\..\\b");
}

static void test_dots_are_resolved_also_when_escaped(void **state)
{
    (void)state;
    assert_path("/a/./b", "/a/b");
    assert_path("/a/../b", "/b");
    assert_path("/a/b/../../c", "/c");
    assert_path("/a/b/%2e%2E/c", "/a/c");
    assert_path("/a/b/.%2e/c", "/a/c");
    assert_path("/a/%2e/c", "/a/c");
    assert_path("/a/.", "/a/");
    assert_path("/a/..", "/");
    assert_path("/a/b/..", "/a/");
    assert_path("/a/b/../", "/a/");
    assert_path("/.", "/");
    assert_path("/./././", "/");
}

static void test_empty_segments_vanish(void **state)
{
    (void)state;
    assert_path("//", "/");
    assert_path("//a", "/a");
    assert_path("/a//b", "/a/b");
    assert_path("/a///", "/a/");
    assert_path("/a//../b", "/b");
    assert_path("//etc/passwd", "/etc/passwd");
}

static void test_nothing_leads_above_the_root(void **state)
{
    (void)state;
    REFUSED("/..");
    REFUSED("/../");
    REFUSED("/../etc/passwd");
    REFUSED("/a/../../b");
    REFUSED("/a/../../a/b");
    REFUSED("/%2e%2e");
    REFUSED("/.%2e/");
    REFUSED("/./..");
    REFUSED("//..");
    REFUSED("/a//../..");
}

static void test_bad_escapes_are_refused(void **state)
{
    (void)state;
    REFUSED("/%");
    REFUSED("/%4");
    REFUSED("/%4/");
    REFUSED("/%4g");
    REFUSED("/%g4");
    REFUSED("/%%41");
    REFUSED("/%u0041");
    REFUSED("/% 1");
    REFUSED("/%+1");
    REFUSED("/%-1");
    REFUSED("/%0x");
}

static void test_nul_and_escaped_slash_are_refused(void **state)
{
    (void)state;
    REFUSED("/a%00");
    REFUSED("/a%00.html");
    REFUSED("/a\0b");
    REFUSED("/a%2fb");
    REFUSED("/..%2F..%2fetc");
    REFUSED("/%2f");
}

static void test_what_is_no_path_is_refused(void **state)
{
    (void)state;
    REFUSED("");
    REFUSED("a");
    REFUSED("*");
    REFUSED("%2fa");
    REFUSED("../a");
}

static void test_too_little_room_is_told(void **state)
{
    char out[10];

    (void)state;
    for (size_t capacity = 0; capacity < 4; capacity++)
        assert_int_equal(decode(out, capacity, "/a/b", 4), -ENAMETOOLONG);
    assert_int_equal(decode(out, 4, "/a/b", 4), -ENAMETOOLONG);
    assert_int_equal(decode(out, 5, "/a/b", 4), 4);
    assert_int_equal(decode(out, 1, "/", 1), -ENAMETOOLONG);
    assert_int_equal(decode(out, 2, "/", 1), 1);
    assert_int_equal(decode(out, 3, "/a/", 3), -ENAMETOOLONG);
    assert_int_equal(decode(out, 4, "/a/", 3), 3);
}

/*
 * All paths of up to seven of the pieces that matter: what comes out is safe, and decoding it again changes
 * nothing.
 */
static void test_every_path_of_dots_and_slashes_is_safe(void **state)
{
    static const char *const pieces[] = {"/", ".", "%2e", "a", "%2f", "%00"};
    enum { PIECES = EDO_COUNT(pieces), LENGTH = 7 };
    unsigned long count = 1;

    (void)state;
    for (int i = 0; i < LENGTH; i++)
        count *= PIECES;
    for (unsigned long number = 0; number < count; number++) {
        char path[64] = "/", out[64], again[64];
        ssize_t rc;

        for (unsigned long rest = number; rest > 0; rest /= PIECES)
            strcat(path, pieces[rest % PIECES]);
        rc = edo_http_path_decode(out, strlen(path) + 1, edo_str_of(path));
        if (strstr(path, "%2f") || strstr(path, "%00"))
            assert_int_equal(rc, -EINVAL);
        if (rc < 0) {
            assert_int_equal(rc, -EINVAL);
            continue;
        }
        assert_int_equal(rc, strlen(out));
        assert_int_equal(out[0], '/');
        if (strstr(out, "//") || strstr(out, "/./") || strstr(out, "/../") || strcmp(out + rc - 1, "/.") == 0)
            fail_msg("%s became %s", path, out);
        if (rc >= 2)
            assert_string_not_equal(out + rc - 2, "/.");
        if (rc >= 3)
            assert_string_not_equal(out + rc - 3, "/..");
        assert_int_equal(edo_http_path_decode(again, sizeof again, edo_str_of(out)), rc);
        assert_string_equal(again, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_paths_stay),
        cmocka_unit_test(test_escapes_are_decoded_once),
        cmocka_unit_test(test_dots_are_resolved_also_when_escaped),
        cmocka_unit_test(test_empty_segments_vanish),
        cmocka_unit_test(test_nothing_leads_above_the_root),
        cmocka_unit_test(test_bad_escapes_are_refused),
        cmocka_unit_test(test_nul_and_escaped_slash_are_refused),
        cmocka_unit_test(test_what_is_no_path_is_refused),
        cmocka_unit_test(test_too_little_room_is_told),
        cmocka_unit_test(test_every_path_of_dots_and_slashes_is_safe),
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
