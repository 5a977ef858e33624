/* SPDX-License-Identifier: MIT */
/*
 * Echo whose tasks are dormant between messages: a connection that is idle has no stack. There is no deadline, so what
 * edo_resumption would tell the read tells, too.
 */
#include "servers/server.h"

static int echo(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = argument;
    char buffer[4096];
    ssize_t n = edo_read(peer, buffer, sizeof buffer);

    if (n > 0)
        n = edo_write_all(peer, buffer, (size_t)n);
    if (n <= 0)
        return (int)n;
    return edo_continue(EDO_WHEN_READABLE(peer), echo, EDO_TAKE(peer));
}

static int serve(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = bench_server_listen(&listener, argument);

    if (rc < 0)
        return rc;
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
    return bench_server_main(argc, argv, serve);
}
