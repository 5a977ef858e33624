/* SPDX-License-Identifier: MIT */
/*
 * Connecting by name, on the simulated network and in virtual time: which addresses are tried when, who wins, and what
 * is left (rules C2, C3). Names and hosts:
 *
 *     10.0.0.n, 2001:db8::n    1 and 2 have a listener on port 80; 3 has none, and refuses; 8 and 9 do not answer
 */
#include "runtime/helpers.h"

#include "testing/sim.h"

#include <edo/testing.h>

/* --- What was tried ----------------------------------------------------------------------------------------------- */

struct attempt {
    char to[64];
    int64_t at; /* from `began`, µs */
};

static struct edo_platform kernel; /* the simulated one, as it was */
static struct attempt attempts[64];
static int attempt_count;
static int sockets; /* that are open */
static int64_t began;
static int refuse_socket;    /* the nth one that is asked for; 0: none */
static int64_t second_takes; /* time that passes in the second attempt's connect(2) */

static int counted_connect(int fd, const struct sockaddr *sockaddr, socklen_t size)
{
    int rc = kernel.connect(fd, sockaddr, size);

    if (rc == -EINPROGRESS) { /* the first time */
        struct attempt *attempt = &attempts[attempt_count++];
        char text[EDO_ADDR_TEXT_SIZE];
        edo_addr address;

        CHECK_RC(edo_addr_from_sockaddr(&address, sockaddr, size), 0);
        CHECK(edo_addr_print(text, sizeof text, &address) > 0);
        memcpy(attempt->to, text, sizeof attempt->to);
        attempt->at = (edo_sim_time() - began) / 1000;
        if (attempt_count == 2)
            edo_sim_pass(second_takes);
    }
    return rc;
}

static int counted_socket(int domain, int type, int protocol)
{
    if (refuse_socket > 0 && --refuse_socket == 0)
        return -EMFILE;
    sockets++;
    return kernel.socket(domain, type, protocol);
}

static int counted_close(int fd)
{
    sockets -= edo_sim_file_of(fd) && fd != -1;
    return kernel.close(fd);
}

/* From here on attempts are written down. */
static void watch(void)
{
    attempt_count = 0;
    began = edo_sim_time();
}

/* That these were the attempts: "2001:db8::8@0 10.0.0.1@250", in ms. */
static bool tried(const char *want)
{
    char got[1024] = "";
    size_t used = 0;

    for (int i = 0; i < attempt_count; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s@%lld", i > 0 ? " " : "", attempts[i].to,
                                 (long long)attempts[i].at / 1000);
    if (strcmp(got, want) == 0)
        return true;
    fprintf(stderr, "tried %s, not %s\n", got, want);
    return false;
}

/* What has been taken since, to 0.1 ms. */
static bool has_taken(int64_t duration)
{
    int64_t taken = edo_sim_time() - began;

    return taken >= duration && taken < duration + EDO_US(100);
}

/* --- The network -------------------------------------------------------------------------------------------------- */

static edo_listener *listeners[4];

static int world(edo_task_fn fn)
{
    const char *listening[] = {"10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80", "[2001:db8::2]:80"};
    const char *silent[] = {"10.0.0.8", "10.0.0.9", "2001:db8::8", "2001:db8::9"};
    int rc;

    kernel = edo_sim->table;
    edo_sim->table.connect = counted_connect;
    edo_sim->table.socket = counted_socket;
    edo_sim->table.close = counted_close;
    sockets = 0;
    refuse_socket = 0;
    second_takes = 0;
    for (int i = 0; i < 4; i++) {
        CHECK_RC(edo_tcp_listen(&listeners[i], listening[i], NULL), 0);
        CHECK_RC(edo_test_partition(NULL, silent[i]), 0);
    }
    sockets -= 4;
    watch();
    rc = fn(NULL);
    CHECK_RC(sockets, 0); /* whatever was tried is closed */
    for (int i = 0; i < 4; i++)
        edo_listener_close(listeners[i]);
    return rc;
}

static int world_main(void *argument)
{
    edo_task_fn *fn = argument;

    return world(*fn);
}

/* Without latencies, but those that the test sets: so all times are exact. */
static void in_world(edo_task_fn fn)
{
    atomic_store(&test_failures, 0);
    assert_int_equal(
        edo_test_run(world_main, &fn,
                     EDO_OPTIONS(edo_test_options, .seed = 1, .schedule = EDO_SCHEDULE_FIFO, .latency_max = -1)),
        0);
    assert_int_equal(atomic_load(&test_failures), 0);
}

/* Whether the listener has a connection, which is taken; its bytes come from `stream`, if that is not NULL. */
static bool was_reached(int which, edo_stream *stream)
{
    edo_stream *peer EDO_AUTO(edo_close) = NULL;
    char byte = 0;
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(1), &rc)
        rc = edo_accept(&peer, listeners[which]);
    if (rc < 0)
        return false;
    sockets++;
    if (stream) {
        CHECK_RC(edo_write_all(stream, "x", 1), 1);
        CHECK_RC(edo_read(peer, &byte, 1), 1);
    }
    return !stream || byte == 'x';
}

static bool is_connected_to(edo_stream *stream, const char *text)
{
    edo_addr want;
    edo_addr got;

    CHECK_RC(edo_addr_parse(&want, text), 0);
    return edo_stream_peer(&got, stream) == 0 && edo_addr_equal(&want, &got);
}

/* --- Who wins ----------------------------------------------------------------------------------------------------- */

static int one_address(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_host("one", "10.0.0.1", EDO_MS(30)), 0);
    CHECK_RC(edo_tcp_connect(&stream, "one:80", NULL), 0);
    CHECK(tried("10.0.0.1:80@30"));
    CHECK(is_connected_to(stream, "10.0.0.1:80"));
    CHECK(was_reached(0, stream));
    return 0;
}

static void test_a_name_with_one_address(void **state)
{
    (void)state;
    in_world(one_address);
}

static int first_answers(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_host("two", "2001:db8::1 10.0.0.1", 0), 0);
    CHECK_RC(edo_test_latency(NULL, "2001:db8::1", EDO_MS(100), EDO_MS(100)), 0);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", NULL), 0);
    CHECK(has_taken(EDO_MS(200)));
    CHECK(tried("[2001:db8::1]:80@0"));
    CHECK(was_reached(2, stream));
    CHECK(!was_reached(0, NULL));
    return 0;
}

static void test_the_second_address_is_not_tried_when_the_first_answers_in_time(void **state)
{
    (void)state;
    in_world(first_answers);
}

/* The first address does not answer; the second is tried after the delay, and the first one's socket is closed. */
static int black_hole(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_host("two", "2001:db8::8 10.0.0.1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", NULL), 0);
    CHECK(tried("[2001:db8::8]:80@0 10.0.0.1:80@250"));
    CHECK(has_taken(EDO_MS(250)));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(0, stream));
    return 0;
}

static void test_after_a_silence_of_250_ms_the_next_is_tried(void **state)
{
    (void)state;
    in_world(black_hole);
}

static int delays(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_host("many", "2001:db8::8 2001:db8::9 10.0.0.8 10.0.0.9 10.0.0.2", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "many:80", EDO_OPTIONS(edo_connect_options, .attempt_delay = EDO_MS(100))), 0);
    CHECK(tried("[2001:db8::8]:80@0 10.0.0.8:80@100 [2001:db8::9]:80@200 10.0.0.9:80@300 10.0.0.2:80@400"));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(1, stream));
    return 0;
}

static void test_attempts_begin_one_delay_apart(void **state)
{
    (void)state;
    in_world(delays);
}

/* A refusal begins the next attempt at once, and the delay anew. */
static int refusals(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_latency(NULL, "10.0.0.3", EDO_MS(20), EDO_MS(20)), 0);
    CHECK_RC(edo_test_host("many", "2001:db8::8 2001:db8::3 10.0.0.3 10.0.0.1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "many:80", NULL), 0);
    CHECK(tried("[2001:db8::8]:80@0 10.0.0.3:80@250 [2001:db8::3]:80@290 10.0.0.1:80@290"));
    CHECK(has_taken(EDO_MS(290)));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(0, stream));
    return 0;
}

static void test_after_a_failure_the_next_is_tried_at_once(void **state)
{
    (void)state;
    in_world(refusals);
}

/* The first one is only slow: it goes on, and still wins against one that never answers. */
static int slow_first(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    CHECK_RC(edo_test_latency(NULL, "2001:db8::1", EDO_MS(200), EDO_MS(200)), 0);
    CHECK_RC(edo_test_host("two", "2001:db8::1 10.0.0.8", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", NULL), 0);
    CHECK(tried("[2001:db8::1]:80@0 10.0.0.8:80@250"));
    CHECK(has_taken(EDO_MS(400)));
    CHECK(is_connected_to(stream, "[2001:db8::1]:80"));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(2, stream));
    return 0;
}

static void test_an_earlier_attempt_goes_on_while_later_ones_run(void **state)
{
    (void)state;
    in_world(slow_first);
}

/* Fast beats slow; what the slow one's listener may have seen is closed. */
static int fast_second(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    edo_stream *stray EDO_AUTO(edo_close) = NULL;
    char byte;
    int rc;

    (void)argument;
    CHECK_RC(edo_test_latency(NULL, "2001:db8::1", EDO_MS(150), EDO_MS(150)), 0);
    CHECK_RC(edo_test_host("two", "2001:db8::1 10.0.0.1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", NULL), 0);
    CHECK(has_taken(EDO_MS(250)));
    CHECK(is_connected_to(stream, "10.0.0.1:80"));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(0, stream));
    rc = edo_accept(&stray, listeners[2]);
    CHECK_RC(rc, 0);
    sockets++;
    CHECK(edo_read(stray, &byte, 1) <= 0);
    return 0;
}

static void test_the_first_connection_wins_and_the_others_are_closed(void **state)
{
    (void)state;
    in_world(fast_second);
}

/* Both answers are there when anybody looks again. */
static int both_answer(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    (void)argument;
    second_takes = EDO_MS(20);
    CHECK_RC(edo_test_latency(NULL, "2001:db8::1", EDO_MS(130), EDO_MS(130)), 0);
    CHECK_RC(edo_test_host("two", "2001:db8::1 10.0.0.1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", NULL), 0);
    CHECK(tried("[2001:db8::1]:80@0 10.0.0.1:80@250"));
    CHECK(has_taken(EDO_MS(270)));
    CHECK_RC(sockets, 1);
    CHECK(was_reached(is_connected_to(stream, "10.0.0.1:80") ? 0 : 2, stream));
    return 0;
}

static void test_of_two_connections_at_once_one_is_closed(void **state)
{
    (void)state;
    in_world(both_answer);
}

/* --- All fail ----------------------------------------------------------------------------------------------------- */

static int all_refuse(void *argument)
{
    edo_stream *stream = (edo_stream *)argument;

    CHECK_RC(edo_test_host("none", "2001:db8::3 10.0.0.3 10.0.0.4", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "none:80", NULL), -ECONNREFUSED);
    CHECK(tried("[2001:db8::3]:80@0 10.0.0.3:80@0 10.0.0.4:80@0"));
    CHECK(stream == argument); /* untouched */
    return 0;
}

static void test_when_all_fail_nobody_is_waited_for(void **state)
{
    (void)state;
    in_world(all_refuse);
}

static int unreachable_rc;

static int unreachable_connect(int fd, const struct sockaddr *sockaddr, socklen_t size)
{
    return sockaddr->sa_family == AF_INET6 ? unreachable_rc : counted_connect(fd, sockaddr, size);
}

/* Without a route for one family the other one's answer is what counts, wherever it stands. */
static int telling(void *argument)
{
    const int little[] = {-ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL, -ETIMEDOUT};
    const int more[] = {-EMFILE, -ENOBUFS, -EACCES};
    edo_stream *stream;

    (void)argument;
    edo_sim->table.connect = unreachable_connect;
    for (int order = 0; order < 2; order++) {
        CHECK_RC(edo_test_host("none", order ? "10.0.0.3 2001:db8::3" : "2001:db8::3 10.0.0.3", 0), 0);
        for (size_t i = 0; i < EDO_COUNT(little); i++) {
            unreachable_rc = little[i];
            CHECK_RC(edo_tcp_connect(&stream, "none:80", NULL), -ECONNREFUSED);
        }
        for (size_t i = 0; i < EDO_COUNT(more); i++) {
            unreachable_rc = more[i];
            CHECK_RC(edo_tcp_connect(&stream, "none:80", NULL), more[i]);
        }
    }
    refuse_socket = 2;
    unreachable_rc = -ENETUNREACH;
    CHECK_RC(edo_tcp_connect(&stream, "none:80", NULL), -EMFILE);
    /* And one connection is success, whatever the others were. */
    CHECK_RC(edo_test_host("none", "2001:db8::3 10.0.0.1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "none:80", NULL), 0);
    edo_close(stream);
    return 0;
}

static void test_the_error_is_the_most_telling_one(void **state)
{
    (void)state;
    in_world(telling);
}

static int names_fail(void *argument)
{
    edo_stream *stream;
    edo_addr local;

    (void)argument;
    CHECK_RC(edo_test_host_fails("away", EDO_EDNS_AGAIN, EDO_SEC(1)), 0);
    CHECK_RC(edo_test_host("two", "2001:db8::8 10.0.0.1", 0), 0);
    CHECK_RC(edo_test_host("six", "2001:db8::1", 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "away:80", NULL), EDO_EDNS_AGAIN);
    CHECK_RC(edo_tcp_connect(&stream, "elsewhere:80", NULL), EDO_EDNS_UNKNOWN);
    CHECK_RC(edo_tcp_connect(&stream, "two", NULL), -EINVAL);
    CHECK_RC(edo_tcp_connect(&stream, "/run/socket", NULL), -EINVAL);
    CHECK_RC(edo_tcp_connect(&stream, NULL, NULL), -EINVAL);
    CHECK_RC(edo_tcp_connect(&stream, "two:80", EDO_OPTIONS(edo_connect_options, .attempt_delay = -1)), -EINVAL);
    CHECK(tried(""));
    /* A local address leaves the other family out. */
    CHECK_RC(edo_addr_parse(&local, "10.9.9.9:0"), 0);
    CHECK_RC(edo_tcp_connect(&stream, "six:80", EDO_OPTIONS(edo_connect_options, .bind = &local)), EDO_EDNS_NODATA);
    watch();
    CHECK_RC(edo_tcp_connect(&stream, "two:80", EDO_OPTIONS(edo_connect_options, .bind = &local)), 0);
    CHECK(tried("10.0.0.1:80@0"));
    edo_close(stream);
    return 0;
}

static void test_a_name_that_fails_is_not_connected_to(void **state)
{
    (void)state;
    in_world(names_fail);
}

static int too_many(void *argument)
{
    char text[1024] = "";
    size_t used = 0;
    edo_stream *stream;

    (void)argument;
    for (int i = 0; i < 20; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "10.1.0.%d ", i);
    CHECK_RC(edo_test_host("many", text, 0), 0);
    CHECK_RC(edo_tcp_connect(&stream, "many:80", NULL), -ECONNREFUSED);
    CHECK_RC(attempt_count, 16);
    return 0;
}

static void test_sixteen_addresses_are_enough(void **state)
{
    (void)state;
    in_world(too_many);
}

/* --- Deadlines and cancellation ----------------------------------------------------------------------------------- */

/* In each of the waits: for the name, for the first attempt, between attempts, for the last. */
static int deadlines(void *argument)
{
    const int64_t limits[] = {EDO_MS(10), EDO_MS(100), EDO_MS(300), EDO_MS(2000)};

    (void)argument;
    CHECK_RC(edo_test_host("two", "2001:db8::8 10.0.0.8", EDO_MS(50)), 0);
    for (size_t i = 0; i < EDO_COUNT(limits); i++) {
        edo_stream *stream = NULL;
        int rc = 0;

        watch();
        EDO_TIMEOUT (limits[i], &rc) {
            rc = edo_tcp_connect(&stream, "two:80", NULL);
            CHECK_RC(rc, -ECANCELED);
        }
        CHECK_RC(rc, -ETIMEDOUT);
        CHECK(has_taken(limits[i]));
        CHECK_RC(sockets, 0);
        CHECK(!stream);
    }
    return 0;
}

static void test_a_deadline_ends_it_wherever_it_is(void **state)
{
    (void)state;
    in_world(deadlines);
}

/* A refusal was met before the cancellation: it is the latter that is told. */
static int cancelled_after_refusal(void *argument)
{
    edo_stream *stream;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_test_host("two", "10.0.0.3 10.0.0.8", 0), 0);
    EDO_TIMEOUT (EDO_MS(100), &rc) {
        rc = edo_tcp_connect(&stream, "two:80", NULL);
        CHECK_RC(rc, -ECANCELED);
    }
    CHECK(tried("10.0.0.3:80@0 10.0.0.8:80@0"));
    return 0;
}

static void test_c1_cancelled_it_is_cancelled_whatever_had_failed(void **state)
{
    (void)state;
    in_world(cancelled_after_refusal);
}

/* --- By any schedule ---------------------------------------------------------------------------------------------- */

/* All of it at once, in any order, with latencies: one connection for each that succeeds, nothing left. */
static int crowd_one(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    int rc = 0;

    EDO_TIMEOUT (EDO_MS(260), &rc)
        rc = edo_tcp_connect(&stream, argument, NULL);
    CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -ECONNREFUSED);
    CHECK((rc == 0) == (stream != NULL));
    return 0;
}

static int crowd(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_test_host("a", "2001:db8::1 10.0.0.1 10.0.0.2", EDO_MS(1)), 0);
    CHECK_RC(edo_test_host("b", "2001:db8::8 10.0.0.3 10.0.0.1", EDO_MS(9)), 0);
    CHECK_RC(edo_test_host("c", "2001:db8::3 10.0.0.3", 0), 0);
    CHECK_RC(edo_test_latency(NULL, "2001:db8::1", EDO_MS(100), EDO_MS(150)), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 9; i++)
            CHECK_RC(edo_spawn(scope, crowd_one, ARGUMENT(i % 3 == 0 ? "a:80" : i % 3 == 1 ? "b:80" : "c:80")), 0);
    }
    return rc;
}

static void test_c2_under_many_schedules_no_connection_is_left(void **state)
{
    edo_task_fn fn = crowd;

    (void)state;
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_seeds(world_main, &fn, 200, EDO_OPTIONS(edo_test_options, .seed = 1)), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
}

static int both; /* how often a connection and a cancellation came at once */

static int cancels_when_connected(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;

    CHECK_RC(edo_tcp_connect(&stream, "10.0.0.2:80", NULL), 0);
    edo_scope_cancel(argument);
    return 0;
}

static int connected_when_cancelled(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_test_host("two", "10.0.0.1 10.0.0.8", 0), 0);
    EDO_SCOPE (outer, &rc) {
        edo_scope cancelled;
        edo_stream *stream = NULL;

        CHECK_RC(edo_scope_begin(&cancelled, NULL, NULL), 0);
        CHECK_RC(edo_spawn(outer, cancels_when_connected, &cancelled), 0);
        rc = edo_tcp_connect(&stream, "two:80", NULL);
        CHECK(rc == 0 || (rc == -ECANCELED && edo_cancelled()));
        CHECK((rc == 0) == (stream != NULL));
        both += rc == 0 && edo_cancelled();
        edo_close(stream);
        CHECK_RC(edo_scope_join(outer), 0);
        edo_scope_end(&cancelled, 0);
        rc = 0;
    }
    return rc;
}

static void test_c2_a_connection_that_came_with_the_cancellation_is_success(void **state)
{
    edo_task_fn fn = connected_when_cancelled;

    (void)state;
    both = 0;
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_seeds(world_main, &fn, 300, EDO_OPTIONS(edo_test_options, .seed = 1, .latency_max = -1)),
                     0);
    assert_int_equal(atomic_load(&test_failures), 0);
    if (!getenv("EDO_SEED"))
        assert_true(both > 0);
}

/* --- The system's network ----------------------------------------------------------------------------------------- */

static int really(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    edo_stream *peer EDO_AUTO(edo_close) = NULL;
    edo_addr address;
    char text[64];

    (void)argument;
    CHECK_RC(edo_tcp_listen(&listener, "127.0.0.1:0", NULL), 0);
    CHECK_RC(edo_listener_addr(&address, listener), 0);
    snprintf(text, sizeof text, "localhost:%d", edo_addr_port(&address));
    CHECK_RC(edo_tcp_connect(&stream, text, NULL), 0); /* ::1, if it has that, refuses */
    CHECK_RC(edo_accept(&peer, listener), 0);
    return 0;
}

static void test_localhost_can_be_connected_to(void **state)
{
    (void)state;
    assert_int_equal(run(really, NULL), 0);
}

static void test_a_plain_thread_is_refused(void **state)
{
    edo_stream *stream;

    (void)state;
    assert_int_equal(edo_tcp_connect(&stream, "localhost:1", NULL), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_with_one_address),
        cmocka_unit_test(test_the_second_address_is_not_tried_when_the_first_answers_in_time),
        cmocka_unit_test(test_after_a_silence_of_250_ms_the_next_is_tried),
        cmocka_unit_test(test_attempts_begin_one_delay_apart),
        cmocka_unit_test(test_after_a_failure_the_next_is_tried_at_once),
        cmocka_unit_test(test_an_earlier_attempt_goes_on_while_later_ones_run),
        cmocka_unit_test(test_the_first_connection_wins_and_the_others_are_closed),
        cmocka_unit_test(test_of_two_connections_at_once_one_is_closed),
        cmocka_unit_test(test_when_all_fail_nobody_is_waited_for),
        cmocka_unit_test(test_the_error_is_the_most_telling_one),
        cmocka_unit_test(test_a_name_that_fails_is_not_connected_to),
        cmocka_unit_test(test_sixteen_addresses_are_enough),
        cmocka_unit_test(test_a_deadline_ends_it_wherever_it_is),
        cmocka_unit_test(test_c1_cancelled_it_is_cancelled_whatever_had_failed),
        cmocka_unit_test(test_c2_under_many_schedules_no_connection_is_left),
        cmocka_unit_test(test_c2_a_connection_that_came_with_the_cancellation_is_success),
        cmocka_unit_test(test_localhost_can_be_connected_to),
        cmocka_unit_test(test_a_plain_thread_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
