/* SPDX-License-Identifier: MIT */
/*
 * Many small programs under many seeds: what tasks, scopes and streams promise holds in whatever order things happen,
 * with cancellations, closes, resets and partitions in between.
 */
#include "testing/seeds.h"

#include <limits.h>

enum { SEEDS = 400 };

static uint64_t chance;

/* A number below `count`, decided by the seed: tests draw their own. */
static unsigned draw(unsigned count)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % count;
}

/* --- Exact bytes through cancelled writers and readers ------------------------------------------------------------ */

struct pipe {
    edo_stream *stream;
    size_t written;
    size_t got;
};

static int write_some(void *argument)
{
    struct pipe *pipe = argument;
    unsigned char bytes[5000];
    size_t part = 0;
    ssize_t n;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((pipe->written + i) * 7);
    n = edo_write_all_part(&part, pipe->stream, bytes, sizeof bytes);
    CHECK(n == -ECANCELED || n == (ssize_t)sizeof bytes);
    pipe->written += part;
    return 0;
}

static int read_some(void *argument)
{
    struct pipe *pipe = argument;
    unsigned char bytes[3000];
    ssize_t n = 1;

    while (n > 0) {
        n = edo_read(pipe->stream, bytes, 1 + draw(sizeof bytes));
        CHECK(n >= 0 || n == -ECANCELED);
        for (ssize_t i = 0; i < n; i++)
            CHECK_RC(bytes[i], (unsigned char)((pipe->got + (size_t)i) * 7));
        pipe->got += n > 0 ? (size_t)n : 0;
    }
    return n == 0 ? 1 : 0;
}

static int interrupted(struct pipe *pipe, edo_task_fn fn)
{
    int rc = 0;

    EDO_TIMEOUT (EDO_US(1 + draw(300)), &rc) {
        rc = fn(pipe);
    }
    return rc;
}

static int writer(void *argument)
{
    struct pipe *pipe = argument;

    for (int i = 0; i < 20; i++) {
        interrupted(pipe, write_some);
        if (draw(4) == 0)
            edo_sleep(EDO_US(draw(500)));
    }
    edo_shutdown(pipe->stream, EDO_HALF_WRITE);
    return 0;
}

static int exact_bytes(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client EDO_AUTO(edo_close) = NULL;
    edo_stream *server EDO_AUTO(edo_close) = NULL;
    struct pipe in = {NULL, 0, 0};
    struct pipe out = {NULL, 0, 0};
    int rc = 0;

    chance = (*(uint64_t *)argument)++;
    CHECK_RC(draw(2) ? edo_tcp_listen(&listener, "127.0.0.1:0", NULL) : edo_unix_listen(&listener, "@x", NULL), 0);
    EDO_SCOPE (scope, &rc) {
        edo_addr address;

        edo_listener_addr(&address, listener);
        CHECK_RC(edo_connect(&client, &address, NULL), 0);
        CHECK_RC(edo_accept(&server, listener), 0);
        out.stream = client;
        in.stream = server;
        rc = edo_spawn(scope, writer, &out);
        while (rc == 0 && interrupted(&in, read_some) != 1)
            if (draw(4) == 0)
                edo_sleep(EDO_US(draw(500)));
    }
    CHECK_RC(in.got, out.written);
    return rc;
}

/* --- Accepting with cancellations: no connection is lost ---------------------------------------------------------- */

struct door {
    edo_listener *listener;
    edo_addr address;
    int accepted;
    int connected;
};

static int knock(void *argument)
{
    struct door *door = argument;
    edo_stream *stream = NULL;
    int rc = 0;

    EDO_TIMEOUT (EDO_US(1 + draw(400)), &rc) {
        rc = edo_connect(&stream, &door->address, NULL);
    }
    if (stream) {
        char byte;

        door->connected++;
        CHECK_RC(edo_read(stream, &byte, 1), 1); /* whoever has connected is served */
        edo_close(stream);
    }
    return 0;
}

static int open_door(void *argument)
{
    struct door *door = argument;
    edo_stream *stream;
    int rc;

    while ((rc = edo_accept(&stream, door->listener)) == 0) {
        ssize_t n = edo_try_write(stream, "x", 1);

        CHECK(n == 1 || n == -ECONNRESET || n == -EPIPE || n == -ECANCELED);
        if (n == -ECANCELED) { /* accepted, so it is ours to serve, cancelled or not */
            EDO_SHIELD (EDO_SEC(1)) {
                edo_write(stream, "x", 1);
            }
        }
        door->accepted++;
        edo_close(stream);
    }
    CHECK(rc == -ECANCELED);
    return 0;
}

static int serve_door(void *argument)
{
    while (!edo_cancelled()) {
        int rc = 0;

        EDO_TIMEOUT (EDO_US(1 + draw(200)), &rc) {
            rc = open_door(argument);
        }
        edo_yield();
    }
    return 0;
}

static int no_connection_lost(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    struct door door = {.accepted = 0};
    int rc = 0;

    chance = (*(uint64_t *)argument)++;
    CHECK_RC(draw(2) ? edo_tcp_listen(&listener, "127.0.0.1:0", NULL) : edo_unix_listen(&listener, "@x", NULL), 0);
    door.listener = listener;
    edo_listener_addr(&door.address, listener);
    EDO_SCOPE (server, &rc) {
        rc = edo_spawn(server, serve_door, &door);
        EDO_SCOPE (clients, &rc)
            for (int i = 0; i < 10 && rc == 0; i++)
                rc = edo_spawn(clients, knock, &door);
        edo_scope_cancel(server);
    }
    CHECK(door.accepted >= door.connected);
    return 0;
}

/* --- Closing under readers ---------------------------------------------------------------------------------------- */

static int read_until_closed(void *argument)
{
    char byte;
    ssize_t n = edo_read(argument, &byte, 1);

    CHECK(n == -EBADF || n == -ECANCELED || n == -ECONNRESET || n == 0);
    return 0;
}

static int close_it(void *argument)
{
    edo_close(argument);
    return 0;
}

static int closing(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client;
    edo_stream *server;
    int rc = 0;

    chance = (*(uint64_t *)argument)++;
    CHECK_RC(edo_tcp_listen(&listener, "127.0.0.1:70", NULL), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_RC(edo_tcp_connect(&client, "127.0.0.1:70", NULL), 0);
        CHECK_RC(edo_accept(&server, listener), 0);
        EDO_SCOPE (scope, &rc) {
            rc = draw(2) ? edo_spawn(scope, read_until_closed, server)
                         : edo_spawn(scope, read_until_closed, server, .when = EDO_WHEN_READABLE(server));
            edo_sleep(EDO_US(draw(100))); /* it is at work by then: no call may begin after the close */
            edo_yield();
            edo_sleep(EDO_US(100));
            if (draw(3) == 0)
                edo_test_reset(client);
            if (draw(3) == 0)
                edo_scope_cancel(scope);
            edo_sleep(EDO_US(1 + draw(500)));
            rc = rc < 0 ? rc : edo_spawn(scope, close_it, client);
        }
        edo_close(server);
    }
    return rc;
}

/* --- Scopes: whoever is spawned has ended when they are left ------------------------------------------------------ */

static int alive;

static int grow(void *argument)
{
    unsigned depth = (unsigned)(uintptr_t)argument;
    int rc = 0;

    alive++;
    if (depth > 0) {
        EDO_SCOPE (scope, &rc, .policy = draw(2) ? EDO_SUPERVISE : EDO_FAIL_FAST,
                   .timeout = draw(3) ? 0 : EDO_US(1 + draw(50))) {
            int before = alive;

            for (unsigned i = draw(4); i > 0 && rc == 0; i--)
                rc = edo_spawn(scope, grow, (void *)(uintptr_t)(depth - 1));
            switch (draw(6)) {
            case 0:
                edo_scope_cancel(scope);
                break;
            case 1:
                edo_sleep(EDO_US(draw(80)));
                break;
            case 2:
                edo_scope_join(scope);
                (void)before;
                break;
            case 3:
                rc = -EIO;
                break;
            default:
                edo_yield();
            }
        }
    } else {
        edo_sleep(EDO_US(draw(60)));
    }
    alive--;
    return rc == -EIO && draw(2) ? rc : 0;
}

static int trees(void *argument)
{
    int rc = 0;

    chance = (*(uint64_t *)argument)++;
    alive = 0;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE)
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(scope, grow, (void *)(uintptr_t)4);
    CHECK_RC(alive, 0);
    return rc;
}

/* --- Words: a wake is not lost, and not given to two -------------------------------------------------------------- */

struct semaphore {
    uint32_t permits;
    int inside;
    int waiting;
};

static int use_permit(void *argument)
{
    struct semaphore *semaphore = argument;
    int rc = 0;

    EDO_TIMEOUT (EDO_US(1 + draw(200)), &rc) {
        while (semaphore->permits == 0) {
            rc = edo_wait_word(&semaphore->permits, 0, draw(2) ? EDO_FOREVER : edo_now() + EDO_US(draw(100)));
            if (rc == -ECANCELED)
                break;
        }
        if (rc != -ECANCELED) {
            rc = 0;
            semaphore->permits--;
            CHECK(++semaphore->inside <= 2);
            edo_sleep(EDO_US(draw(30)));
            semaphore->inside--;
            semaphore->permits++;
            edo_wake_word(&semaphore->permits, 1);
        }
    }
    return 0;
}

static int permits(void *argument)
{
    struct semaphore semaphore = {.permits = 2};
    int rc = 0;

    chance = (*(uint64_t *)argument)++;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 12 && rc == 0; i++)
            rc = edo_spawn(scope, use_permit, &semaphore);
    CHECK_RC(semaphore.permits, 2);
    return rc;
}

/* --- Timers ------------------------------------------------------------------------------------------------------- */

static int fired;

static void fire(void *argument)
{
    edo_timer *timer = argument;

    fired++;
    if (draw(3) == 0)
        edo_timer_start(timer, edo_now() + EDO_US(draw(50)));
}

static int timers(void *argument)
{
    edo_timer set[6];

    chance = (*(uint64_t *)argument)++;
    for (int i = 0; i < 6; i++)
        edo_timer_init(&set[i], fire, &set[i]);
    for (int i = 0; i < 60; i++) {
        edo_timer *timer = &set[draw(6)];

        if (draw(3))
            edo_timer_start(timer, edo_now() + EDO_US(draw(100)));
        else
            edo_timer_stop(timer);
        if (draw(3) == 0)
            edo_sleep(EDO_US(draw(60)));
    }
    for (int i = 0; i < 6; i++)
        edo_timer_stop(&set[i]);
    fired = 0;
    edo_sleep(EDO_SEC(1));
    CHECK_RC(fired, 0);
    return 0;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static void hunt(edo_task_fn fn, const edo_test_options *options)
{
    uint64_t number = 1;
    int seeds = getenv("EDO_HUNT") ? atoi(getenv("EDO_HUNT")) : SEEDS;

    many_seeds(fn, &number, seeds / EDO_TEST_SCALE + 1, options);
}

#define HUNT(name)                                                                                                     \
    static void test_##name##_under_any_seed(void **state)                                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        hunt(name, NULL);                                                                                              \
        hunt(name, EDO_OPTIONS(edo_test_options, .short_transfers = true, .tick = 100));                               \
    }

HUNT(exact_bytes)
HUNT(no_connection_lost)
HUNT(closing)
HUNT(trees)
HUNT(permits)
HUNT(timers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_bytes_under_any_seed), cmocka_unit_test(test_no_connection_lost_under_any_seed),
        cmocka_unit_test(test_closing_under_any_seed),     cmocka_unit_test(test_trees_under_any_seed),
        cmocka_unit_test(test_permits_under_any_seed),     cmocka_unit_test(test_timers_under_any_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
