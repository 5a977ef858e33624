/* SPDX-License-Identifier: MIT */
/*
 * A program for seeded runs that uses much of Edo: an echo server over TCP and one over a Unix socket, clients with
 * deadlines, dormant tasks, words, joins, timers. It checks what it does, and says nothing of the order.
 */
#ifndef EDO_TESTS_TESTING_PROGRAM_H
#define EDO_TESTS_TESTING_PROGRAM_H

#include "runtime/helpers.h"

enum { PROGRAM_CLIENTS = 4, PROGRAM_ROUNDS = 5, PROGRAM_BYTES = 3000 };

struct program {
    edo_listener *listener;
    edo_addr address;
    int clients_left;
    uint32_t done; /* a word */
};

static inline int program_echo(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = argument;
    char bytes[1000];
    ssize_t n;

    while ((n = edo_read(stream, bytes, sizeof bytes)) > 0)
        if ((n = edo_write_all(stream, bytes, (size_t)n)) < 0)
            break;
    return (int)n;
}

static inline int program_serve(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (connections, &rc, .policy = EDO_SUPERVISE) {
        edo_stream *stream;

        while ((rc = edo_accept(&stream, program->listener)) == 0) {
            /* A dormant task, until there is something to read. */
            rc = edo_spawn(connections, program_echo, stream, .when = EDO_WHEN_READABLE(stream));
            if (rc < 0) {
                edo_close(stream);
                break;
            }
        }
    }
    return rc;
}

static inline int program_read_back(void *argument)
{
    edo_stream *stream = argument;
    unsigned char bytes[777];
    size_t got = 0;
    ssize_t n;

    while (got < PROGRAM_ROUNDS * PROGRAM_BYTES && (n = edo_read(stream, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHECK_RC(bytes[i], (unsigned char)(got + (size_t)i));
        got += (size_t)n;
    }
    CHECK_RC(got, PROGRAM_ROUNDS * PROGRAM_BYTES);
    return 0;
}

static inline int program_client(void *argument)
{
    struct program *program = argument;
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    unsigned char bytes[PROGRAM_BYTES];
    int rc = edo_connect(&stream, &program->address, NULL);

    CHECK_RC(rc, 0);
    if (rc < 0)
        return rc;
    EDO_TIMEOUT (EDO_SEC(10), &rc) {
        EDO_SCOPE (scope, &rc) {
            rc = edo_spawn(scope, program_read_back, stream);
            for (size_t round = 0; round < PROGRAM_ROUNDS && rc == 0; round++) {
                for (size_t i = 0; i < sizeof bytes; i++)
                    bytes[i] = (unsigned char)(round * sizeof bytes + i);
                rc = edo_write_all(stream, bytes, sizeof bytes) < 0 ? -EIO : 0;
                if (round == 2)
                    edo_sleep(EDO_MS(3));
            }
        }
    }
    CHECK_RC(rc, 0);
    if (--program->clients_left == 0) {
        program->done = 1;
        edo_wake_word(&program->done, 1);
    }
    return rc;
}

static inline int program_listen(struct program *program, edo_listener *listener, int rc)
{
    CHECK_RC(rc, 0);
    if (rc < 0)
        return rc;
    program->listener = listener;
    program->clients_left = PROGRAM_CLIENTS;
    rc = edo_listener_addr(&program->address, listener);
    EDO_SCOPE (scope, &rc) {
        edo_scope server;
        edo_task *clients[PROGRAM_CLIENTS];

        edo_scope_begin(&server, NULL, NULL);
        rc = edo_spawn(&server, program_serve, program);
        for (int i = 0; i < PROGRAM_CLIENTS && rc == 0; i++)
            rc = edo_spawn(scope, program_client, program, .handle = &clients[i], .name = "client");
        while (rc == 0 && !program->done) {
            int waited = edo_wait_word(&program->done, 0, EDO_FOREVER);

            if (waited < 0 && waited != -EAGAIN)
                rc = waited;
        }
        for (int i = 0; i < PROGRAM_CLIENTS && rc == 0; i++) {
            int result;

            rc = edo_join(&result, clients[i]);
            CHECK_RC(result, 0);
        }
        edo_scope_cancel(&server);
        edo_scope_end(&server, 0);
    }
    CHECK_RC(program->clients_left, 0);
    return rc;
}

static inline int program_over_tcp(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    struct program program = {.done = 0};
    int rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);

    (void)argument;
    return program_listen(&program, listener, rc);
}

static inline int program_over_unix(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    struct program program = {.done = 0};
    int rc = edo_unix_listen(&listener, "@edo-test-program", NULL);

    (void)argument;
    return program_listen(&program, listener, rc);
}

static inline int program_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, program_over_tcp, NULL, .name = "tcp");
        if (rc == 0)
            rc = edo_spawn(scope, program_over_unix, NULL, .name = "unix");
    }
    return rc;
}

#endif
