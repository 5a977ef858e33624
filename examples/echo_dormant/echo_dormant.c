/* SPDX-License-Identifier: MIT */
/*
 * The echo server for very many clients: a client that says nothing costs no stack. Its task starts dormant, runs when
 * there is something to read, and goes on later by edo_continue, which gives its stack back.
 */
#include <edo/edo.h>

#include <stdio.h>

static int echo(void *arg)
{
    edo_stream *peer EDO_AUTO(edo_close) = arg;
    char buffer[4096]; /* exists only while there is something in it */
    ssize_t n = edo_resumption();

    if (n < 0) /* cancelled, or silent for too long: that, too, is what a dormant task wakes for */
        return (int)n;
    n = edo_read(peer, buffer, sizeof buffer);
    if (n > 0)
        n = edo_write_all(peer, buffer, (size_t)n);
    if (n <= 0)
        return (int)n;
    return edo_continue(EDO_WHEN_READABLE(peer, .deadline = edo_now() + EDO_SEC(300)), echo, EDO_TAKE(peer));
}

static int serve(void *arg)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = edo_tcp_listen(&listener, arg, NULL);

    if (rc < 0)
        return rc;
    printf("listening on %s\n", (const char *)arg);
    fflush(stdout);
    EDO_SCOPE (clients, &rc, .policy = EDO_SUPERVISE) {
        edo_stream *peer;

        while ((rc = edo_accept(&peer, listener)) == 0)
            if ((rc = edo_spawn(clients, echo, peer, .when = EDO_WHEN_READABLE(peer))) < 0) {
                edo_close(peer);
                break;
            }
    }
    return rc;
}

int main(int argc, char **argv)
{
    static char address[] = "127.0.0.1:7777";
    int rc = edo_run(serve, argc > 1 ? argv[1] : address, NULL);

    if (rc < 0)
        fprintf(stderr, "echo: %s\n", edo_strerror(rc));
    return rc < 0;
}
