/* SPDX-License-Identifier: MIT */
/* Addresses and their text form. EDO_SEED=<number> repeats the random part of a run. */
#include <edo/addr.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static uint64_t random_state;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t below(uint64_t limit)
{
    return random_number() % limit;
}

static int choose_seed(void **state)
{
    const char *given = getenv("EDO_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

    (void)state;
    random_state = seed | 1;
    print_message("             EDO_SEED=%" PRIu64 "\n", seed);
    return 0;
}

/* Prints an address and reads it back; returns its text. */
static const char *round_trip(const edo_addr *addr)
{
    static char text[EDO_ADDR_TEXT_SIZE];
    edo_addr again;
    int length = edo_addr_print(text, sizeof text, addr);

    assert_true(length > 0);
    assert_int_equal(length, strlen(text));
    if (edo_addr_parse(&again, text) != 0)
        fail_msg("printed but not parsed: %s", text);
    assert_true(edo_addr_equal(addr, &again));
    assert_memory_equal(addr, &again, sizeof again);
    return text;
}

static void test_addr_is_as_large_as_promised(void **state)
{
    (void)state;
    assert_in_range(sizeof(edo_addr), 112, 128);
}

static void test_addr_parses_every_form(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: the same */
        int family, port;
    } cases[] = {
        {"127.0.0.1:80", NULL, AF_INET, 80},
        {"0.0.0.0:0", NULL, AF_INET, 0},
        {"255.255.255.255:65535", NULL, AF_INET, 65535},
        {":80", "0.0.0.0:80", AF_INET, 80},
        {":0", "0.0.0.0:0", AF_INET, 0},
        {"[::1]:80", NULL, AF_INET6, 80},
        {"[::]:0", NULL, AF_INET6, 0},
        {"[0:0:0:0:0:0:0:1]:65535", "[::1]:65535", AF_INET6, 65535},
        {"[2001:DB8::A]:443", "[2001:db8::a]:443", AF_INET6, 443},
        {"[::ffff:1.2.3.4]:5", NULL, AF_INET6, 5},
        {"[1:22:333:4444:5555:666:77:8]:9", NULL, AF_INET6, 9},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", AF_INET6,
         1},
        {"[fe80::1%7]:80", NULL, AF_INET6, 80},
        {"[fe80::1%4294967295]:80", NULL, AF_INET6, 80},
        {"/run/app.sock", "unix:/run/app.sock", AF_UNIX, -EAFNOSUPPORT},
        {"/", "unix:/", AF_UNIX, -EAFNOSUPPORT},
        {"unix:/run/app.sock", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:relative", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:unix:x", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:1.2.3.4:5", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:/a b/\xc3\xa9", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:\\x40at", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"unix:/a@b", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"/a\\x0A\\x5c\\x41", "unix:/a\\x0a\\x5cA", AF_UNIX, -EAFNOSUPPORT},
        {"/\\x7f\\x1f\\x20\\xff", "unix:/\\x7f\\x1f \xff", AF_UNIX, -EAFNOSUPPORT},
        {"@app", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"@", NULL, -EINVAL, 0},
        {"@@", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"@/x:80", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"@a\\x00b", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"@\\x00", NULL, AF_UNIX, -EAFNOSUPPORT},
        {"/" HUNDRED "123456", "unix:/" HUNDRED "123456", AF_UNIX, -EAFNOSUPPORT},
        {"@" HUNDRED "1234567", NULL, AF_UNIX, -EAFNOSUPPORT},
    };

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(cases); i++) {
        edo_addr addr;
        socklen_t size;
        int rc = edo_addr_parse(&addr, cases[i].text);

        if (cases[i].family < 0) {
            assert_int_equal(rc, cases[i].family);
            continue;
        }
        if (rc != 0)
            fail_msg("%s: %d", cases[i].text, rc);
        assert_int_equal(edo_addr_sockaddr(&addr, &size)->sa_family, cases[i].family);
        assert_int_equal(edo_addr_port(&addr), cases[i].port);
        assert_string_equal(round_trip(&addr), cases[i].printed ? cases[i].printed : cases[i].text);
    }
}

static void test_addr_refuses_everything_else_and_writes_nothing(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {NULL, -EINVAL},
        {"", -EINVAL},
        {" ", -EINVAL},
        {":", -EINVAL},
        {"80", -EINVAL},
        {"localhost:80", -EINVAL},
        {"*:80", -EINVAL},
        {"127.0.0.1", -EINVAL},
        {"127.0.0.1:", -EINVAL},
        {"127.0.0.1:-1", -EINVAL},
        {"127.0.0.1:+1", -EINVAL},
        {"127.0.0.1:080", -EINVAL},
        {"127.0.0.1:00", -EINVAL},
        {"127.0.0.1:0x50", -EINVAL},
        {"127.0.0.1:http", -EINVAL},
        {"127.0.0.1:65536", -EINVAL},
        {"127.0.0.1:99999999999999999999999", -EINVAL},
        {"127.0.0.1:18446744073709551696", -EINVAL}, /* 80 modulo 2^64 */
        {"127.0.0.1:80 ", -EINVAL},
        {"127.0.0.1:80\n", -EINVAL},
        {" 127.0.0.1:80", -EINVAL},
        {"127.0.0.1 :80", -EINVAL},
        {"127.0.0.1: 80", -EINVAL},
        {"127.0. 0.1:80", -EINVAL},
        {"127.0.0.1:80:80", -EINVAL},
        {"127.0.0.01:80", -EINVAL},
        {"127.0.0.256:80", -EINVAL},
        {"127.0.0:80", -EINVAL},
        {"127.1:80", -EINVAL},
        {"0x7f.0.0.1:80", -EINVAL},
        {"2130706433:80", -EINVAL},
        {"127.0.0.1.:80", -EINVAL},
        {"127.0.0.1.1:80", -EINVAL},
        {"127.0.0.1%1:80", -EINVAL},
        {"::1:80", -EINVAL},
        {"::1", -EINVAL},
        {"[::1]", -EINVAL},
        {"[::1]:", -EINVAL},
        {"[::1]80", -EINVAL},
        {"[::1] :80", -EINVAL},
        {"[::1]:65536", -EINVAL},
        {"[::1]:080", -EINVAL},
        {"[]:80", -EINVAL},
        {"[::1:80", -EINVAL},
        {"[[::1]]:80", -EINVAL},
        {"[::1]]:80", -EINVAL},
        {"[127.0.0.1]:80", -EINVAL},
        {"[::1 ]:80", -EINVAL},
        {"[ ::1]:80", -EINVAL},
        {"[:::1]:80", -EINVAL},
        {"[1::2::3]:80", -EINVAL},
        {"[12345::]:80", -EINVAL},
        {"[1:2:3:4:5:6:7:8:9]:80", -EINVAL},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80", -EINVAL},
        {"[fe80::1%]:80", -EINVAL},
        {"[fe80::1%0]:80", -EINVAL},
        {"[fe80::1%01]:80", -EINVAL},
        {"[fe80::1%4294967296]:80", -EINVAL},
        {"[%1]:80", -EINVAL},
        {"[fe80::1%no-such-link]:80", -ENODEV},
        {"[fe80::1%no-such-link]:x", -EINVAL},
        {"[fe80::1%a-name-longer-than-any-interface-has]:80", -ENODEV},
        {"[fe80::1%%lo]:80", -ENODEV},
        {"unix", -EINVAL},
        {"unix:", -EINVAL},
        {"unix:@name", -EINVAL},
        {"UNIX:/x", -EINVAL},
        {"relative/path", -EINVAL},
        {"./path", -EINVAL},
        {"/a\tb", -EINVAL},
        {"/a\n", -EINVAL},
        {"/a\x7f", -EINVAL},
        {"/a\\", -EINVAL},
        {"/a\\x", -EINVAL},
        {"/a\\x4", -EINVAL},
        {"/a\\x4g", -EINVAL},
        {"/a\\n", -EINVAL},
        {"/a\\\\", -EINVAL},
        {"/a\\x00b", -EINVAL},
        {"@a\n", -EINVAL},
        {"/" HUNDRED "1234567", -ENAMETOOLONG},
        {"unix:/" HUNDRED "1234567", -ENAMETOOLONG},
        {"@" HUNDRED "12345678", -ENAMETOOLONG},
        {"/" HUNDRED HUNDRED HUNDRED, -ENAMETOOLONG},
        {"/" HUNDRED HUNDRED "\n", -EINVAL},
    };
    edo_addr addr, before;

    (void)state;
    memset(&addr, 0x5a, sizeof addr);
    before = addr;
    for (size_t i = 0; i < EDO_COUNT(cases); i++) {
        int rc = edo_addr_parse(&addr, cases[i].text);

        if (rc != cases[i].rc)
            fail_msg("\"%s\": %d instead of %d", cases[i].text, rc, cases[i].rc);
        assert_memory_equal(&addr, &before, sizeof addr);
    }
    assert_int_equal(edo_addr_parse(NULL, ":80"), -EINVAL);
}

static void test_addr_finds_an_interface_by_its_name(void **state)
{
    char text[64 + IF_NAMESIZE], expected[64], name[IF_NAMESIZE];
    struct if_nameindex *interfaces = if_nameindex();
    edo_addr addr;

    (void)state;
    if (!interfaces || interfaces[0].if_index == 0)
        skip();
    snprintf(name, sizeof name, "%s", interfaces[0].if_name);
    snprintf(text, sizeof text, "[fe80::1%%%s]:80", name);
    snprintf(expected, sizeof expected, "[fe80::1%%%u]:80", interfaces[0].if_index);
    if_freenameindex(interfaces);
    assert_int_equal(edo_addr_parse(&addr, text), 0);
    assert_string_equal(round_trip(&addr), expected);
}

static void test_addr_gives_what_the_kernel_wants(void **state)
{
    const struct sockaddr *any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
    edo_addr addr;
    socklen_t size;

    (void)state;
    assert_int_equal(edo_addr_parse(&addr, "1.2.3.4:258"), 0);
    any = edo_addr_sockaddr(&addr, &size);
    assert_ptr_equal(any, &addr.at_);
    assert_int_equal(size, sizeof ip4);
    memcpy(&ip4, any, size);
    assert_int_equal(ip4.sin_family, AF_INET);
    assert_memory_equal(&ip4.sin_addr, "\1\2\3\4", 4);
    assert_memory_equal(&ip4.sin_port, "\1\2", 2);

    assert_int_equal(edo_addr_parse(&addr, "[102:304::f%9]:258"), 0);
    any = edo_addr_sockaddr(&addr, &size);
    assert_int_equal(size, sizeof ip6);
    memcpy(&ip6, any, size);
    assert_int_equal(ip6.sin6_family, AF_INET6);
    assert_memory_equal(&ip6.sin6_addr, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\17", 16);
    assert_memory_equal(&ip6.sin6_port, "\1\2", 2);
    assert_int_equal(ip6.sin6_scope_id, 9);
    assert_int_equal(ip6.sin6_flowinfo, 0);

    assert_int_equal(edo_addr_parse(&addr, "/ab"), 0);
    any = edo_addr_sockaddr(&addr, &size);
    assert_int_equal(size, offsetof(struct sockaddr_un, sun_path) + 4);
    memcpy(&local, any, size);
    assert_int_equal(local.sun_family, AF_UNIX);
    assert_string_equal(local.sun_path, "/ab");

    assert_int_equal(edo_addr_parse(&addr, "@ab"), 0);
    any = edo_addr_sockaddr(&addr, &size);
    assert_int_equal(size, offsetof(struct sockaddr_un, sun_path) + 3);
    memcpy(&local, any, size);
    assert_memory_equal(local.sun_path, "\0ab", 3);
}

/* The kernel itself is asked to bind, and to tell where. */
static void test_addr_survives_bind_and_getsockname(void **state)
{
    char name[64], path[64];
    const char *const texts[] = {"127.0.0.1:0", "[::1]:0", name, path};

    (void)state;
    snprintf(name, sizeof name, "@edo-test-addr-%d", (int)getpid());
    snprintf(path, sizeof path, "/tmp/edo-test-addr-%d", (int)getpid());
    for (size_t i = 0; i < EDO_COUNT(texts); i++) {
        struct sockaddr_storage storage;
        const struct sockaddr *wanted;
        edo_addr addr, bound;
        socklen_t size;
        int fd;

        assert_int_equal(edo_addr_parse(&addr, texts[i]), 0);
        wanted = edo_addr_sockaddr(&addr, &size);
        fd = socket(wanted->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (wanted->sa_family == AF_INET6 && (fd < 0 || bind(fd, wanted, size) != 0)) {
            print_message("             no IPv6 here\n");
            close(fd);
            continue;
        }
        assert_true(fd >= 0);
        if (wanted->sa_family != AF_INET6)
            assert_int_equal(bind(fd, wanted, size), 0);
        size = sizeof storage;
        assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &size), 0);
        assert_int_equal(edo_addr_from_sockaddr(&bound, (struct sockaddr *)&storage, size), 0);
        if (edo_addr_port(&addr) == 0) {
            assert_in_range(edo_addr_port(&bound), 1, 65535);
            assert_int_equal(edo_addr_set_port(&bound, 0), 0);
        }
        assert_true(edo_addr_equal(&addr, &bound));
        round_trip(&bound);
        close(fd);
    }
    unlink(path);
}

static void test_addr_from_sockaddr_refuses_what_it_cannot_hold(void **state)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    struct sockaddr *any = (struct sockaddr *)&storage;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    edo_addr addr, before;

    (void)state;
    memset(&addr, 0x5a, sizeof addr);
    before = addr;
    assert_int_equal(edo_addr_from_sockaddr(&addr, NULL, 16), -EINVAL);
    assert_int_equal(edo_addr_from_sockaddr(NULL, any, 16), -EINVAL);
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, 0), -EINVAL);
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, 1), -EINVAL);
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, sizeof(struct sockaddr_in) - 1), -EINVAL);
    storage.ss_family = AF_INET6;
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, sizeof(struct sockaddr_in6) - 1), -EINVAL);
    storage.ss_family = AF_APPLETALK;
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, sizeof storage), -EAFNOSUPPORT);
    storage.ss_family = AF_UNSPEC;
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, sizeof storage), -EAFNOSUPPORT);
    storage.ss_family = AF_UNIX;
    assert_int_equal(edo_addr_from_sockaddr(&addr, any, sizeof local + 1), -ENAMETOOLONG);
    memset(local.sun_path, 'x', sizeof local.sun_path);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, sizeof local), -ENAMETOOLONG);
    assert_memory_equal(&addr, &before, sizeof addr);
}

/* However the system spells an address, equal ones have equal bytes. */
static void test_addr_from_sockaddr_brings_into_one_form(void **state)
{
    struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_flowinfo = 0x12345678};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    unsigned char shifted[1 + sizeof ip6];
    edo_addr addr, expected;

    (void)state;
    memset(ip4.sin_zero, 0xff, sizeof ip4.sin_zero);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&ip4, sizeof ip4), 0);
    assert_int_equal(edo_addr_parse(&expected, ":80"), 0);
    assert_memory_equal(&addr, &expected, sizeof addr);

    memcpy(shifted + 1, &ip6, sizeof ip6);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (void *)(shifted + 1), sizeof ip6), 0);
    assert_int_equal(edo_addr_parse(&expected, "[::]:80"), 0);
    assert_memory_equal(&addr, &expected, sizeof addr);

    memset(local.sun_path + 7, 'z', sizeof local.sun_path - 7);
    assert_int_equal(edo_addr_parse(&expected, "/run/x"), 0);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, sizeof local), 0);
    assert_memory_equal(&addr, &expected, sizeof addr);
    /* With the terminating zero, and without. */
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, 2 + 7), 0);
    assert_memory_equal(&addr, &expected, sizeof addr);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, 2 + 6), 0);
    assert_memory_equal(&addr, &expected, sizeof addr);
}

static void test_addr_without_a_name_is_printed_but_not_parsed(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    char text[EDO_ADDR_TEXT_SIZE];
    edo_addr unnamed, empty, parsed;

    (void)state;
    assert_int_equal(edo_addr_from_sockaddr(&unnamed, (struct sockaddr *)&local, sizeof(sa_family_t)), 0);
    assert_int_equal(edo_addr_print(text, sizeof text, &unnamed), 5);
    assert_string_equal(text, "unix:");
    assert_int_equal(edo_addr_parse(&parsed, text), -EINVAL);
    assert_int_equal(edo_addr_from_sockaddr(&empty, (struct sockaddr *)&local, sizeof(sa_family_t) + 1), 0);
    assert_int_equal(edo_addr_print(text, sizeof text, &empty), 1);
    assert_string_equal(text, "@");
    assert_int_equal(edo_addr_parse(&parsed, text), -EINVAL);
    assert_false(edo_addr_equal(&unnamed, &empty));
}

static void test_addr_print_needs_room_for_text_and_zero(void **state)
{
    static const char *const texts[] = {"127.0.0.1:80", "[fe80::1%12]:80", "unix:/a\\x0ab", "@name"};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(texts); i++) {
        size_t length = strlen(texts[i]);
        char text[32];
        edo_addr addr;

        assert_int_equal(edo_addr_parse(&addr, texts[i]), 0);
        assert_int_equal(edo_addr_print(NULL, 0, &addr), -ENOSPC);
        for (size_t capacity = 1; capacity <= length; capacity++) {
            memset(text, '#', sizeof text);
            assert_int_equal(edo_addr_print(text, capacity, &addr), -ENOSPC);
            assert_int_equal(text[0], '#');
        }
        assert_int_equal(edo_addr_print(text, length + 1, &addr), length);
        assert_string_equal(text, texts[i]);
        assert_int_equal(text[length + 1], '#');
    }
}

static void test_addr_text_size_is_enough_for_the_longest(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    edo_addr addr;

    (void)state;
    memset(local.sun_path, '\n', sizeof local.sun_path - 1);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(strlen(round_trip(&addr)), 5 + 4 * 107);
    memset(local.sun_path, '\0', sizeof local.sun_path);
    assert_int_equal(edo_addr_from_sockaddr(&addr, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(strlen(round_trip(&addr)), 1 + 4 * 107);
    assert_int_equal(edo_addr_parse(&addr, "[1111:1111:1111:1111:1111:1111:1111:1111%4294967295]:65535"), 0);
    round_trip(&addr);
}

static void test_addr_port_can_be_changed(void **state)
{
    edo_addr addr, before;

    (void)state;
    assert_int_equal(edo_addr_parse(&addr, "1.2.3.4:5"), 0);
    assert_int_equal(edo_addr_set_port(&addr, 65535), 0);
    assert_string_equal(round_trip(&addr), "1.2.3.4:65535");
    assert_int_equal(edo_addr_set_port(&addr, 65536), -EINVAL);
    assert_int_equal(edo_addr_set_port(&addr, -1), -EINVAL);
    assert_string_equal(round_trip(&addr), "1.2.3.4:65535");
    assert_int_equal(edo_addr_parse(&addr, "[::1]:5"), 0);
    assert_int_equal(edo_addr_set_port(&addr, 0), 0);
    assert_int_equal(edo_addr_port(&addr), 0);
    assert_int_equal(edo_addr_parse(&addr, "/x"), 0);
    before = addr;
    assert_int_equal(edo_addr_set_port(&addr, 1), -EAFNOSUPPORT);
    assert_memory_equal(&addr, &before, sizeof addr);
}

static void test_addr_differs_in_every_part(void **state)
{
    static const char *const texts[] = {
        "1.2.3.4:5",          "1.2.3.4:6", "1.2.3.5:5", "[::1]:5", "[::1]:6", "[::2]:5", "[::1%1]:5", "[::1%2]:5",
        "[::ffff:1.2.3.4]:5", "/a",        "/b",        "/ab",     "unix:a",  "@a",      "@/a",       "@a\\x00",
    };

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(texts); i++)
        for (size_t k = 0; k < EDO_COUNT(texts); k++) {
            edo_addr a, b, none = {0};

            memset(&a, 0x55, sizeof a);
            memset(&b, 0xaa, sizeof b);
            assert_int_equal(edo_addr_parse(&a, texts[i]), 0);
            assert_int_equal(edo_addr_parse(&b, texts[k]), 0);
            assert_int_equal(edo_addr_equal(&a, &b), i == k);
            assert_false(edo_addr_equal(&a, &none));
        }
}

static void test_addr_zero_is_no_address(void **state)
{
    edo_addr none, other;
    char text[EDO_ADDR_TEXT_SIZE];
    socklen_t size = 1;

    (void)state;
    memset(&none, 0, sizeof none);
    memset(&other, 0, sizeof other);
    assert_true(edo_addr_equal(&none, &other));
    assert_null(edo_addr_sockaddr(&none, &size));
    assert_int_equal(size, 0);
    assert_int_equal(edo_addr_print(text, sizeof text, &none), -EINVAL);
    assert_int_equal(edo_addr_port(&none), -EINVAL);
    assert_int_equal(edo_addr_set_port(&none, 1), -EINVAL);
    assert_int_equal(edo_addr_print(text, sizeof text, NULL), -EINVAL);
    assert_int_equal(edo_addr_port(NULL), -EINVAL);
    assert_int_equal(edo_addr_set_port(NULL, 1), -EINVAL);
}

/* Any address that the kernel could fill in comes back from its text. */
static void test_addr_random_addresses_survive_their_text(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in ip4;
            struct sockaddr_in6 ip6;
            struct sockaddr_un local;
            unsigned char bytes[sizeof(struct sockaddr_un)];
        } from;
        static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNIX};
        bool sparse = below(2);
        socklen_t size = sizeof from.bytes;
        edo_addr addr;

        for (size_t k = 0; k < sizeof from.bytes; k++)
            from.bytes[k] = sparse && below(4) ? 0 : (unsigned char)random_number();
        from.any.sa_family = families[below(3)];
        if (from.any.sa_family == AF_UNIX) {
            size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 2 + below(sizeof from.local.sun_path - 2));
            if (below(2))
                from.local.sun_path[0] = '\0';
        }
        assert_int_equal(edo_addr_from_sockaddr(&addr, &from.any, size), 0);
        round_trip(&addr);
    }
}

/* Whatever is typed, parse answers, writes nothing when it refuses, and takes nothing that would not come
 * back. */
static void test_addr_random_text_is_harmless(void **state)
{
    static const char *const starts[] = {"127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80",      ":80",    "unix:/a",
                                         "/run/x",       "@name",    "[1:2:3:4:5:6:7:8]:9", "/\\x41", "@\\x00\\xff"};
    static const char alphabet[] = "0123456789abcdefx:.[]%@/\\ \nunix-";
    int taken = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t length = below(24);
        char *text;
        edo_addr addr, before;
        int rc;

        /* Exactly as much memory as the text has, so that a sanitizer sees every byte too far. */
        if (below(2)) {
            const char *start = starts[below(EDO_COUNT(starts))];

            length = strlen(start);
            text = malloc(length + 1);
            memcpy(text, start, length);
            for (uint64_t changes = below(4); changes > 0; changes--)
                text[below(length)] = alphabet[below(sizeof alphabet - 1)];
            length -= below(4) == 0 ? below(length) : 0;
            text = realloc(text, length + 1);
        } else {
            text = malloc(length + 1);
            for (size_t k = 0; k < length; k++)
                text[k] = below(8) ? alphabet[below(sizeof alphabet - 1)] : (char)random_number();
        }
        text[length] = '\0';
        memset(&addr, (int)random_number(), sizeof addr);
        before = addr;
        rc = edo_addr_parse(&addr, text);
        if (rc == 0) {
            round_trip(&addr);
            taken++;
        } else {
            assert_true(rc == -EINVAL || rc == -ENODEV || rc == -ENAMETOOLONG);
            assert_memory_equal(&addr, &before, sizeof addr);
        }
        free(text);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_is_as_large_as_promised),
        cmocka_unit_test(test_addr_parses_every_form),
        cmocka_unit_test(test_addr_refuses_everything_else_and_writes_nothing),
        cmocka_unit_test(test_addr_finds_an_interface_by_its_name),
        cmocka_unit_test(test_addr_gives_what_the_kernel_wants),
        cmocka_unit_test(test_addr_survives_bind_and_getsockname),
        cmocka_unit_test(test_addr_from_sockaddr_refuses_what_it_cannot_hold),
        cmocka_unit_test(test_addr_from_sockaddr_brings_into_one_form),
        cmocka_unit_test(test_addr_without_a_name_is_printed_but_not_parsed),
        cmocka_unit_test(test_addr_print_needs_room_for_text_and_zero),
        cmocka_unit_test(test_addr_text_size_is_enough_for_the_longest),
        cmocka_unit_test(test_addr_port_can_be_changed),
        cmocka_unit_test(test_addr_differs_in_every_part),
        cmocka_unit_test(test_addr_zero_is_no_address),
        cmocka_unit_test(test_addr_random_addresses_survive_their_text),
        cmocka_unit_test(test_addr_random_text_is_harmless),
    };

    return cmocka_run_group_tests_name("io/addr", tests, choose_seed, NULL);
}
