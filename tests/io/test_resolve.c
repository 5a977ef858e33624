/* SPDX-License-Identifier: MIT */
/*
 * Host names: what is asked, what is made of the answers, and the lane in which they are looked up. No name server is
 * asked: the table's resolve is this file's own, or names are simulated; only "localhost" is the system's.
 */
#include "runtime/helpers.h"

#include "platform/names.h"

#include <edo/testing.h>

#include <sched.h>

/* --- A resolver --------------------------------------------------------------------------------------------------- */

/*
 * "hangs..." does not answer before it is let go; "fails" is unknown; every other name has what `answer` says, a text
 * of addresses.
 */
static struct edo_platform table;
static const char *answer;
static _Atomic int asked;   /* lookups that were begun */
static _Atomic int inside;  /* and have not ended */
static _Atomic int most;    /* at the same time */
static _Atomic int blocks;  /* of memory, that were not given back */
static _Atomic int allowed; /* so many that hang may end */
static char last[EDO_HOST_SIZE];
static bool keeps_last; /* the last name that was asked for: only where one asks at a time */

static void answer_with(struct edo_lookup *lookup, const char *text)
{
    char copy[1024];
    char *rest;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char with_port[64];
        edo_addr address;
        socklen_t size;
        const struct sockaddr *sockaddr;

        snprintf(with_port, sizeof with_port, strchr(word, ':') ? "[%s]:0" : "%s:0", word);
        CHECK_RC(edo_addr_parse(&address, with_port), 0);
        sockaddr = edo_addr_sockaddr(&address, &size);
        memcpy(&lookup->found[lookup->count++].at, sockaddr, size);
    }
}

static int resolve(struct edo_lookup *lookup)
{
    int now = atomic_fetch_add(&inside, 1) + 1;
    int seen = atomic_load(&most);

    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    if (keeps_last)
        strcpy(last, lookup->host);
    atomic_fetch_add(&asked, 1);
    while (strncmp(lookup->host, "hangs", 5) == 0) {
        int left = atomic_load(&allowed);

        if (left > 0 && atomic_compare_exchange_strong(&allowed, &left, left - 1))
            break;
        sched_yield();
    }
    atomic_fetch_sub(&inside, 1);
    if (strcmp(lookup->host, "fails") == 0)
        return EDO_EDNS_UNKNOWN;
    answer_with(lookup, answer);
    return 0;
}

static void *counted_allocate(size_t size)
{
    void *memory = edo_platform_system.allocate(size);

    atomic_fetch_add(&blocks, memory != NULL);
    return memory;
}

static void counted_release(void *memory)
{
    edo_platform_system.release(memory);
    atomic_fetch_sub(&blocks, memory != NULL);
}

/*
 * Threads of the lane give back what is theirs at their end, which nobody waits for. What is never given back hangs
 * here.
 */
static void until_all_is_freed(void)
{
    while (atomic_load(&blocks) > 0)
        sched_yield();
}

static int begin(void **state)
{
    (void)state;
    table = edo_platform_system;
    table.resolve = resolve;
    table.allocate = counted_allocate;
    table.release = counted_release;
    answer = "10.0.0.1";
    last[0] = 0;
    keeps_last = false;
    atomic_store(&asked, 0);
    atomic_store(&inside, 0);
    atomic_store(&most, 0);
    atomic_store(&allowed, 0);
    atomic_store(&blocks, 0);
    edo_platform = &table;
    alarm(40 * EDO_TEST_SCALE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    until_all_is_freed(); /* and so nobody looks at the table any more */
    alarm(0);
    edo_platform = &edo_platform_system;
    return 0;
}

/* What the name has, as text; or the error's number. */
static const char *found(const char *text, const edo_resolve_options *options)
{
    static char out[2048];
    edo_addr addresses[8];
    int count = edo_resolve(addresses, 8, text, options);
    size_t used = 0;

    if (count < 0)
        snprintf(out, sizeof out, "%d", count);
    for (int i = 0; i < count; i++) {
        char one[EDO_ADDR_TEXT_SIZE];

        CHECK(edo_addr_print(one, sizeof one, &addresses[i]) > 0);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i > 0 ? " " : "", one);
    }
    return out;
}

#define CHECK_FOUND(text, want) CHECK(strcmp(found((text), NULL), (want)) == 0)
#define CHECK_FOUND_OF(family_, text, want)                                                                            \
    CHECK(strcmp(found((text), EDO_OPTIONS(edo_resolve_options, .family = (family_))), (want)) == 0)

/* --- What is asked ------------------------------------------------------------------------------------------------ */

static int numeric(void *argument)
{
    (void)argument;
    CHECK_FOUND("127.0.0.1:80", "127.0.0.1:80");
    CHECK_FOUND("[::1]:443", "[::1]:443");
    CHECK_FOUND(":7", "0.0.0.0:7");
    CHECK_FOUND_OF(AF_INET6, "[::1]:443", "[::1]:443");
    CHECK_RC(edo_resolve(&(edo_addr){0}, 1, "[::1]:1", EDO_OPTIONS(edo_resolve_options, .family = AF_INET)),
             EDO_EDNS_NODATA);
    CHECK_RC(edo_resolve(&(edo_addr){0}, 1, "[fe80::1%no-such-interface]:1", NULL), -ENODEV);
    CHECK_RC(atomic_load(&asked), 0);
    return 0;
}

static void test_addresses_ask_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(numeric, NULL), 0);
}

static int refused(void *argument)
{
    const char *wrong[] = {"",
                           "example.org",
                           ":",
                           "example.org:",
                           "example.org:80:80",
                           "example.org:080",
                           "example.org:65536",
                           "example.org:http",
                           "example.org:+1",
                           ".:80",
                           ".example.org:80",
                           "example..org:80",
                           "example.org..:80",
                           "exa mple.org:80",
                           " example.org:80",
                           "example.org :80",
                           "example.org\n:80",
                           "ex\xc3\xa4mple.org:80",
                           "example.org/:80",
                           "user@example.org:80",
                           "[example.org]:80",
                           "127.1:80",
                           "2130706433:80",
                           "0x7f000001:80",
                           "0x7f.1:80",
                           "1.2.3.4.:80",
                           "127.0.0.01:80",
                           "example.0x:80",
                           "::1:80",
                           "/run/app.sock",
                           "@app"};
    char text[300];
    edo_addr out;

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(wrong); i++)
        if (!CHECK_RC(edo_resolve(&out, 1, wrong[i], NULL), -EINVAL))
            fprintf(stderr, "%s\n", wrong[i]);
    memset(text, 'a', sizeof text);
    strcpy(text + 64, ".org:80");
    CHECK_RC(edo_resolve(&out, 1, text, NULL), -EINVAL); /* a label of 64 bytes */
    memset(text, 'a', sizeof text);
    for (int i = 63; i < 254; i += 64)
        text[i] = '.';
    strcpy(text + 254, ":80");
    CHECK_RC(edo_resolve(&out, 1, text, NULL), -EINVAL); /* 254 bytes */
    CHECK_RC(edo_resolve(&out, 0, "example.org:80", NULL), -EINVAL);
    CHECK_RC(edo_resolve(NULL, 1, "example.org:80", NULL), -EINVAL);
    CHECK_RC(edo_resolve(&out, 1, NULL, NULL), -EINVAL);
    CHECK_RC(edo_resolve(&out, 1, "example.org:80", EDO_OPTIONS(edo_resolve_options, .family = AF_UNIX)), -EINVAL);
    CHECK_RC(atomic_load(&asked), 0);
    return 0;
}

static void test_what_is_no_name_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(refused, NULL), 0);
}

static int accepted(void *argument)
{
    const char *right[] = {"localhost", "example.org", "example.org.", "a-b.x_y",
                           "3com",      "7f",          "unix",         "xn--bcher-kva.de"};
    char text[300];

    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(right); i++) {
        snprintf(text, sizeof text, "%s:80", right[i]);
        CHECK_FOUND(text, "10.0.0.1:80");
        CHECK(strcmp(last, right[i]) == 0);
    }
    memset(text, 'a', sizeof text);
    for (int i = 63; i < 253; i += 64)
        text[i] = '.';
    strcpy(text + 253, ".:80"); /* 253 bytes, and a final dot */
    CHECK_FOUND(text, "10.0.0.1:80");
    CHECK_RC(strlen(last), 254);
    CHECK_FOUND("fails:80", "-4101");
    return 0;
}

static void test_names_are_asked_for_as_they_are(void **state)
{
    (void)state;
    keeps_last = true;
    assert_int_equal(run(accepted, NULL), 0);
    until_all_is_freed();
}

/* --- What is found ------------------------------------------------------------------------------------------------ */

static int ordered(void *argument)
{
    edo_addr two[3];

    (void)argument;
    answer = "10.0.0.1 10.0.0.2 10.0.0.3 ::1 ::2";
    CHECK_FOUND("a:1", "10.0.0.1:1 [::1]:1 10.0.0.2:1 [::2]:1 10.0.0.3:1");
    answer = "::1 ::2 ::3 10.0.0.1";
    CHECK_FOUND("a:1", "[::1]:1 10.0.0.1:1 [::2]:1 [::3]:1");
    answer = "::1";
    CHECK_FOUND("a:1", "[::1]:1");
    answer = "10.0.0.1 10.0.0.1 ::1 10.0.0.2 ::1 10.0.0.1 ::2";
    CHECK_FOUND("a:1", "10.0.0.1:1 [::1]:1 10.0.0.2:1 [::2]:1");
    /* What there is no room for is left out last, when both families have had their turn. */
    answer = "10.0.0.1 10.0.0.2 10.0.0.3 ::1";
    two[2] = (edo_addr){.size_ = 1};
    CHECK_RC(edo_resolve(two, 2, "a:1", NULL), 2);
    CHECK_RC(two[0].at_.any.sa_family, AF_INET);
    CHECK_RC(two[1].at_.any.sa_family, AF_INET6);
    CHECK_RC(two[2].size_, 1);
    return 0;
}

static void test_families_take_turns_and_each_address_comes_once(void **state)
{
    (void)state;
    assert_int_equal(run(ordered, NULL), 0);
}

static void test_a_plain_thread_may_ask_too(void **state)
{
    edo_addr address;

    (void)state;
    assert_int_equal(edo_resolve(&address, 1, "example.org:80", NULL), 1);
    assert_int_equal(edo_addr_port(&address), 80);
    assert_int_equal(edo_resolve(&address, 1, "fails:80", NULL), EDO_EDNS_UNKNOWN);
    until_all_is_freed();
}

static int localhost(void *argument)
{
    edo_addr addresses[8];
    int count = edo_resolve(addresses, 8, "localhost:80", NULL);

    (void)argument;
    CHECK(count >= 1);
    for (int i = 0; i < count; i++) {
        struct sockaddr_in6 *ip6 = &addresses[i].at_.ip6;

        CHECK_RC(edo_addr_port(&addresses[i]), 80);
        if (ip6->sin6_family == AF_INET6)
            CHECK(IN6_IS_ADDR_LOOPBACK(&ip6->sin6_addr));
        else
            CHECK_RC(ntohl(addresses[i].at_.ip4.sin_addr.s_addr) >> 24, 127);
    }
    return 0;
}

static void test_localhost_is_this_machine(void **state)
{
    (void)state;
    table.resolve = edo_platform_system.resolve;
    assert_int_equal(run(localhost, NULL), 0);
}

/* --- The lane ----------------------------------------------------------------------------------------------------- */

static void until_queued(uint64_t number)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    do {
        edo_yield();
        CHECK_RC(edo_metrics_read(&metrics), 0);
    } while (metrics.resolving_queued != number);
}

static int asks(void *argument)
{
    edo_addr address;
    int rc = edo_resolve(&address, 1, argument, NULL);

    return rc < 0 ? rc : 0;
}

static int nine(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_metrics metrics = EDO_METRICS_INIT;

        for (int i = 0; i < 9; i++)
            CHECK_RC(edo_spawn(scope, asks, ARGUMENT("hangs:1")), 0);
        until(&inside, 8);
        until_queued(1);
        CHECK_RC(edo_metrics_read(&metrics), 0);
        CHECK_RC(metrics.resolving_threads, 8);
        CHECK_RC(atomic_load(&asked), 8);
        atomic_store(&allowed, 1);
        until(&asked, 9);
        atomic_fetch_add(&allowed, 8);
    }
    CHECK_RC(atomic_load(&most), 8);
    return rc;
}

static void test_f5_the_ninth_lookup_waits(void **state)
{
    (void)state;
    assert_int_equal(run(nine, NULL), 0);
    until_all_is_freed();
}

static _Atomic int blocking;

static int waits_for_gate(void *argument)
{
    atomic_store(&blocking, 1);
    return gate_wait(argument);
}

static int blocks_until_gate(void *argument)
{
    return edo_blocking(waits_for_gate, argument);
}

/* All of a lane hangs: who sleeps, and who blocks elsewhere, does not notice. */
static int hanging(void *argument)
{
    static struct gate gate;
    edo_addr address;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2; i++)
            CHECK_RC(edo_spawn(scope, asks, ARGUMENT("hangs:1")), 0);
        until(&inside, 2);
        CHECK_RC(edo_sleep(EDO_MS(1)), 0);
        gate.open = 1;
        CHECK_RC(edo_blocking(waits_for_gate, &gate), 0);
        atomic_store(&allowed, 2);
    }
    CHECK_RC(rc, 0);
    /* And the other way round. */
    gate.open = 0;
    atomic_store(&blocking, 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, blocks_until_gate, &gate), 0);
        until(&blocking, 1);
        CHECK_RC(edo_resolve(&address, 1, "example.org:80", NULL), 1);
        gate_open(&gate);
    }
    return rc;
}

static void test_f5_slow_names_and_blocking_work_do_not_hold_each_other_up(void **state)
{
    (void)state;
    assert_int_equal(run_with(hanging, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .blocking_threads = 1, .resolving_threads = 2,
                                          .signals = EDO_SIGNALS_IGNORE)),
                     0);
}

static int cancels_queued(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_scope queued;
        edo_task *task;
        int result;

        CHECK_RC(edo_spawn(scope, asks, ARGUMENT("hangs:1")), 0);
        until(&inside, 1);
        CHECK_RC(edo_scope_begin(&queued, NULL, NULL), 0);
        CHECK_RC(edo_spawn(&queued, asks, ARGUMENT("example.org:1"), .handle = &task), 0);
        until_queued(1);
        edo_scope_cancel(&queued);
        edo_scope_end(&queued, 0);
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, -ECANCELED);
        until_queued(0);
        atomic_store(&allowed, 1);
    }
    CHECK_RC(atomic_load(&asked), 1);
    return rc;
}

static void test_c7_a_queued_lookup_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(run_with(cancels_queued, NULL,
                              EDO_OPTIONS(edo_run_options, .resolving_threads = 1, .signals = EDO_SIGNALS_IGNORE)),
                     0);
    until_all_is_freed();
}

static int is_cancelled_running(void *argument)
{
    edo_addr address = {.size_ = 7};

    CHECK_RC(edo_resolve(&address, 1, argument, NULL), -ECANCELED);
    CHECK_RC(address.size_, 7);
    return 0;
}

static int cancels_running(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, is_cancelled_running, ARGUMENT("hangs:1")), 0);
        until(&asked, 1);
        edo_scope_cancel(scope);
    }
    return rc;
}

/* Its thread hangs on after edo_run's end, and then frees what is its own. */
static void test_c7_a_lookup_that_hangs_is_left_alone_and_edo_run_returns(void **state)
{
    (void)state;
    assert_int_equal(run(cancels_running, NULL), 0);
    assert_int_equal(atomic_load(&inside), 1);
    assert_true(atomic_load(&blocks) > 0);
    atomic_store(&allowed, 1);
    until_all_is_freed();
}

static int cancelled_before(void *argument)
{
    edo_addr address;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        CHECK_RC(edo_resolve(&address, 1, "example.org:1", NULL), -ECANCELED);
        CHECK_RC(edo_resolve(&address, 1, "127.0.0.1:1", NULL), -ECANCELED);
        CHECK_RC(edo_resolve(&address, 1, "", NULL), -EINVAL);
    }
    CHECK_RC(atomic_load(&asked), 0);
    return 0;
}

static void test_c1_a_cancelled_caller_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(cancelled_before, NULL), 0);
    until_all_is_freed();
}

/* Lookups and their callers' cancellations race; whatever comes first, all is freed. */
static int race(void *argument)
{
    (void)argument;
    for (int i = 0; i < 300; i++) {
        int rc = 0;

        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int j = 0; j < 4; j++)
                CHECK_RC(edo_spawn(scope, asks, ARGUMENT(j < 2 ? "example.org:1" : "fails:1")), 0);
            for (int j = 0; j < i % 7; j++)
                edo_yield();
            edo_scope_cancel(scope);
        }
    }
    return 0;
}

static void test_c7_lookups_race_with_cancellation(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(race, NULL, EDO_OPTIONS(edo_run_options, .resolving_threads = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
    until_all_is_freed();
}

/* --- Simulated names ---------------------------------------------------------------------------------------------- */

/* Timers are kept to 1.024 µs. */
static bool has_taken(int64_t start, int64_t duration)
{
    int64_t taken = edo_now() - start;

    return taken >= duration && taken <= duration + 1024;
}

static int simulated(void *argument)
{
    int64_t start = edo_now();
    edo_addr address;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_test_host("example.org", "10.0.0.1 2001:db8::1", EDO_MS(20)), 0);
    CHECK_RC(edo_test_host_fails("away", EDO_EDNS_AGAIN, EDO_SEC(5)), 0);
    CHECK_RC(edo_test_host("silent", "10.0.0.3", EDO_FOREVER), 0);
    CHECK_FOUND("example.org:80", "10.0.0.1:80 [2001:db8::1]:80");
    CHECK(has_taken(start, EDO_MS(20)));
    CHECK_FOUND("EXAMPLE.org.:80", "10.0.0.1:80 [2001:db8::1]:80");
    CHECK_FOUND_OF(AF_INET6, "example.org:80", "[2001:db8::1]:80");
    CHECK_FOUND("localhost:80", "[::1]:80 127.0.0.1:80");
    CHECK_RC(edo_resolve(&address, 1, "elsewhere:80", NULL), EDO_EDNS_UNKNOWN);
    CHECK_RC(edo_test_host("example.org", "10.0.0.2", 0), 0);
    CHECK_FOUND("example.org:80", "10.0.0.2:80");
    CHECK_RC(edo_resolve(&address, 1, "example.org:80", EDO_OPTIONS(edo_resolve_options, .family = AF_INET6)),
             EDO_EDNS_NODATA);
    start = edo_now();
    CHECK_RC(edo_resolve(&address, 1, "away:80", NULL), EDO_EDNS_AGAIN);
    CHECK(has_taken(start, EDO_SEC(5)));
    start = edo_now();
    EDO_TIMEOUT (EDO_SEC(1), &rc)
        rc = edo_resolve(&address, 1, "silent:80", NULL);
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK(has_taken(start, EDO_SEC(1)));
    CHECK_RC(edo_test_host("a", "10.0.0", 0), -EINVAL);
    CHECK_RC(edo_test_host("a", " ", 0), -EINVAL);
    CHECK_RC(edo_test_host("a", NULL, 0), -EINVAL);
    CHECK_RC(edo_test_host("", "10.0.0.1", 0), -EINVAL);
    CHECK_RC(edo_test_host("a b", "10.0.0.1", 0), -EINVAL); /* what could never be looked up */
    CHECK_RC(edo_test_host("a:80", "10.0.0.1", 0), -EINVAL);
    CHECK_RC(edo_test_host("10.0.0.1", "10.0.0.1", 0), -EINVAL);
    CHECK_RC(edo_test_host_fails("a..b", EDO_EDNS_AGAIN, 0), -EINVAL);
    CHECK_RC(edo_test_host("a", "10.0.0.1", -1), -EINVAL);
    CHECK_RC(edo_test_host_fails("a", 0, 0), -EINVAL);
    CHECK_RC(edo_resolve(&address, 1, "a:80", NULL), EDO_EDNS_UNKNOWN);
    return 0;
}

static void test_t1_names_of_seeded_runs_are_simulated(void **state)
{
    (void)state;
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_host("a", "10.0.0.1", 0), -EPERM);
    assert_int_equal(
        edo_test_run(simulated, NULL, EDO_OPTIONS(edo_test_options, .seed = 1, .schedule = EDO_SCHEDULE_FIFO)), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
    assert_int_equal(atomic_load(&asked), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses_ask_nobody, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_no_name_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_names_are_asked_for_as_they_are, begin, end),
        cmocka_unit_test_setup_teardown(test_families_take_turns_and_each_address_comes_once, begin, end),
        cmocka_unit_test_setup_teardown(test_a_plain_thread_may_ask_too, begin, end),
        cmocka_unit_test_setup_teardown(test_localhost_is_this_machine, begin, end),
        cmocka_unit_test_setup_teardown(test_f5_the_ninth_lookup_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_f5_slow_names_and_blocking_work_do_not_hold_each_other_up, begin, end),
        cmocka_unit_test_setup_teardown(test_c7_a_queued_lookup_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_c7_a_lookup_that_hangs_is_left_alone_and_edo_run_returns, begin, end),
        cmocka_unit_test_setup_teardown(test_c1_a_cancelled_caller_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_c7_lookups_race_with_cancellation, begin, end),
        cmocka_unit_test_setup_teardown(test_t1_names_of_seeded_runs_are_simulated, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
