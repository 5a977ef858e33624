/* SPDX-License-Identifier: MIT */
/*
 * A TCP proxy: what comes to one address goes to another, and back. `proxy 127.0.0.1:8081 127.0.0.1:8080`; Ctrl-C ends it.
 *
 * After Ctrl-C nobody is accepted any more, and connections have five seconds to end by themselves.
 */
#include <edo/edo.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct proxy {
    const char *listen;
    edo_addr target;
    edo_listener *listener;
    edo_scope *connections;
};

struct connection {
    edo_stream *client;
    const edo_addr *target;
};

static int relay(void *arg)
{
    struct connection *connection = arg;
    edo_stream *client EDO_AUTO(edo_close) = connection->client;
    edo_stream *server EDO_AUTO(edo_close) = NULL;
    uint64_t up = 0;
    uint64_t down = 0;
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(10), &rc) {
        rc = edo_connect(&server, connection->target, NULL);
    }
    if (rc == 0)
        rc = edo_copy_both(&up, &down, client, server);
    printf("%" PRIu64 " bytes there, %" PRIu64 " back: %s\n", up, down, rc < 0 ? edo_strerror(rc) : "ended");
    fflush(stdout);
    return 0; /* nobody else's business */
}

/* Accepts until it is cancelled. */
static int accept_all(void *arg)
{
    struct proxy *proxy = arg;
    struct connection connection = {.target = &proxy->target};
    int rc;

    while ((rc = edo_accept(&connection.client, proxy->listener)) == 0)
        if (edo_spawn(proxy->connections, relay, &connection, .copy = sizeof connection, .name = "relay") < 0)
            edo_close(connection.client); /* too little memory for one more: this one is not to be */
    return rc;
}

static void cancel(void *scope)
{
    edo_scope_cancel((edo_scope *)scope);
}

/* Ctrl-C cancels the acceptor, which is in front of the shield; connections are behind it. */
static int relay_all(struct proxy *proxy)
{
    edo_timer patience;
    int accepted = 0;
    int rc = 0;

    EDO_SCOPE (front, &rc, .policy = EDO_SUPERVISE) {
        EDO_SCOPE (connections, &rc, .policy = EDO_SUPERVISE, .shield = EDO_FOREVER) {
            edo_task *acceptor;

            proxy->connections = connections;
            rc = edo_spawn(front, accept_all, proxy, .handle = &acceptor, .name = "accept");
            if (rc == 0)
                rc = edo_join(&accepted, acceptor);
            edo_timer_init(&patience, cancel, connections);
            edo_timer_start(&patience, edo_now() + EDO_SEC(5));
            edo_scope_join(connections);
            edo_timer_stop(&patience);
        }
    }
    return rc < 0 ? rc : accepted;
}

static int serve(void *arg)
{
    struct proxy *proxy = arg;
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_addr address;
    char text[EDO_ADDR_TEXT_SIZE] = "";
    int rc = edo_tcp_listen(&listener, proxy->listen, NULL);

    if (rc < 0)
        return rc;
    if (edo_listener_addr(&address, listener) == 0)
        edo_addr_print(text, sizeof text, &address);
    printf("listening on %s\n", text);
    fflush(stdout);
    proxy->listener = listener;
    rc = relay_all(proxy);
    return rc == -ECANCELED ? 0 : rc;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.listen = argc > 1 ? argv[1] : NULL};
    int rc = argc == 3 ? edo_addr_parse(&proxy.target, argv[2]) : -EINVAL;

    if (rc == 0)
        rc = edo_run(serve, &proxy, NULL);
    if (rc < 0)
        fprintf(stderr, "proxy: %s\n", edo_strerror(rc));
    return rc < 0;
}
