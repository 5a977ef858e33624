/* SPDX-License-Identifier: MIT */
/*
 * An echo server: one task for each client. Try it with `nc 127.0.0.1 7777`; Ctrl-C ends it.
 */
#include <edo/edo.h>

#include <stdio.h>

static int echo(void *arg) /* a task: int (*)(void *), 0 or a negative errno */
{
    edo_stream *peer EDO_AUTO(edo_close) = arg; /* closed on every way out */
    char buffer[4096];
    ssize_t n;

    while ((n = edo_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = edo_write_all(peer, buffer, (size_t)n)) < 0)
            break;
    return (int)n;
}

static int serve(void *arg)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = edo_tcp_listen(&listener, arg, NULL);

    if (rc < 0)
        return rc;
    printf("listening on %s\n", (const char *)arg);
    fflush(stdout);
    EDO_SCOPE (clients, &rc, .policy = EDO_SUPERVISE) { /* one client's error is not its siblings' end */
        edo_stream *peer;

        while ((rc = edo_accept(&peer, listener)) == 0)
            if ((rc = edo_spawn(clients, echo, peer)) < 0) { /* a failed spawn leaves the argument with us */
                edo_close(peer);
                break;
            }
    } /* left with an error: clients are cancelled, then waited for */
    return rc;
}

int main(int argc, char **argv)
{
    static char address[] = "127.0.0.1:7777";
    int rc = edo_run(serve, argc > 1 ? argv[1] : address, NULL); /* SIGINT and SIGTERM cancel the root scope */

    if (rc < 0)
        fprintf(stderr, "echo: %s\n", edo_strerror(rc));
    return rc < 0;
}
