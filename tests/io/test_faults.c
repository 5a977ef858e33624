/* SPDX-License-Identifier: MIT */
/*
 * Rule F1 as a sweep, on ordinary runtimes too: a program that listens, connects, echoes and closes is run again and
 * again, and the first, the second, ... the last call that can fail, does, with each of its errors. Every time there is
 * a result, and nothing is left behind.
 */
#include "net.h"

#include "testing/faults.h"

#include <sys/eventfd.h>

/* --- The program -------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/edo-test-faults-XXXXXX";
static char path[64];

static int echo_on(void *argument);

static int echo(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = (edo_stream *)argument;
    char buffer[64];
    ssize_t n = edo_resumption();

    if (n < 0)
        return (int)n;
    n = edo_read(peer, buffer, sizeof buffer);
    if (n <= 0)
        return (int)n;
    n = edo_write_all(peer, buffer, (size_t)n);
    if (n < 0)
        return (int)n;
    return edo_continue(EDO_WHEN_READABLE(peer, .deadline = edo_now() + EDO_SEC(60)), echo_on, EDO_TAKE(peer));
}

static int echo_on(void *argument)
{
    return echo(argument);
}

struct server {
    edo_listener *listener;
    edo_scope *scope;
};

static int serve(void *argument)
{
    struct server *server = (struct server *)argument;

    for (int i = 0; i < 2; i++) {
        edo_stream *peer;
        int rc = edo_accept(&peer, server->listener);

        if (rc == 0) {
            rc = i == 0 ? edo_spawn(server->scope, echo, peer)
                        : edo_spawn(server->scope, echo, peer, .when = EDO_WHEN_READABLE(peer));
            if (rc < 0)
                edo_close(peer);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int talk(edo_stream *stream)
{
    struct iovec pieces[2] = {{(char[]){"ab"}, 2}, {(char[]){"cd"}, 2}};
    char buffer[64];
    ssize_t n = edo_writev_all(stream, pieces, 2);

    if (n >= 0)
        n = edo_read(stream, buffer, sizeof buffer);
    if (n >= 0)
        n = edo_write_all(stream, "efg", 3);
    if (n >= 0)
        n = edo_read(stream, buffer, sizeof buffer);
    if (n >= 0)
        n = edo_shutdown(stream, EDO_HALF_WRITE);
    while (n > 0)
        n = edo_read(stream, buffer, sizeof buffer);
    return (int)n;
}

static int all_of_it(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client EDO_AUTO(edo_close) = NULL;
    edo_addr address;
    bool local = *(int *)argument != 0;
    int rc = local ? edo_unix_listen(&listener, path, EDO_OPTIONS(edo_listen_options, .unlink_stale = true))
                   : edo_tcp_listen(&listener, "127.0.0.1:0",
                                    EDO_OPTIONS(edo_listen_options, .reuse_port = true, .keepalive = EDO_SEC(5)));

    if (rc < 0 || (rc = edo_listener_addr(&address, listener)) < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        struct server server = {listener, scope};

        rc = edo_spawn(scope, serve, &server, .copy = sizeof server);
        if (rc == 0)
            rc = edo_connect(&client, &address, NULL);
        if (rc == 0)
            rc = talk(client);
        if (rc == 0) {
            edo_close(EDO_TAKE(client));
            rc = edo_connect(&client, &address, EDO_OPTIONS(edo_connect_options, .keepalive = EDO_SEC(5)));
        }
        if (rc == 0)
            rc = talk(client);
    }
    if (rc == 0) {
        int event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

        CHECK(event >= 0);
        rc = edo_wait_fd(event, EDO_READABLE, EDO_FOREVER);
        close(event);
        rc = rc < 0 ? rc : 0;
    }
    if (rc == 0) {
        edo_stream *stream;
        int ends[2];

        CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        rc = edo_stream_from_fd(&stream, ends[0]);
        if (rc == 0)
            edo_close(stream);
        else
            close(ends[0]); /* it stayed the caller's */
        close(ends[1]);
    }
    return rc;
}

/* --- The sweep ---------------------------------------------------------------------------------------------------- */

static int faults_begin(void **state)
{
    net_begin(state);
    edo_faults_begin();
    return 0;
}

static int faults_end(void **state)
{
    edo_faults_end();
    return net_end(state);
}

/* A run whose Nth call fails. Which call that was, -1 if it did not come to it. */
static int run_refused(int64_t nth, int variant, int workers, int local, long *failed)
{
    struct edo_left_mark mark;
    char what[256];
    int call;
    int rc;

    edo_left_look(&mark, &edo_faults.left);
    edo_faults_arm(nth, variant);
    rc = net_run(workers, all_of_it, &local);
    call = atomic_load(&edo_faults.failed);
    CHECK(rc <= 0 && rc > -4096 && rc != -ECANCELED);
    if (!edo_left_settle(what, sizeof what, &edo_faults.left, &mark, EDO_SEC(5)))
        fail_msg("refused call %lld (%s): %s", (long long)nth, call < 0 ? "none" : edo_fault_name(call), what);
    CHECK_EQUAL(access(path, F_OK), -1);
    if (call < 0)
        CHECK_EQUAL(rc, 0);
    *failed += rc < 0;
    return call;
}

static void sweep(int workers, int local)
{
    long failed = 0;
    long errors = 0;
    int64_t nth = 1;
    int call;

    run_refused(0, 0, workers, local, &failed); /* what is set up once in a process is set up now */
    while ((call = run_refused(nth, 0, workers, local, &failed)) >= 0) {
        errors += edo_fault_variants(call);
        for (int variant = 1; variant < edo_fault_variants(call); variant++)
            run_refused(nth, variant, workers, local, &failed);
        nth++;
    }
    assert_true(nth > 40);
    assert_true(failed > errors / 3);
}

static void test_f1_every_call_fails_once_over_tcp(void **state)
{
    (void)state;
    sweep(1, 0);
}

static void test_f1_every_call_fails_once_over_unix(void **state)
{
    (void)state;
    sweep(1, 1);
}

static void test_f1_every_call_fails_once_with_two_workers(void **state)
{
    (void)state;
    sweep(2, 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faults_begin, faults_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_f1_every_call_fails_once_over_tcp),
        TEST(test_f1_every_call_fails_once_over_unix),
        TEST(test_f1_every_call_fails_once_with_two_workers),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
