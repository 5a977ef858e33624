/* SPDX-License-Identifier: MIT */
/*
 * HTTP: the same bytes as the floor's, but by a server that reads its requests.
 */
#include "servers/server.h"

#include <edo/http.h>

static int hello(edo_http_exchange *x, void *context)
{
    (void)context;
    return edo_http_respond(x, 200, "text/plain", "Hello, world!", 13);
}

static int serve(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = bench_server_listen(&listener, argument);

    return rc < 0 ? rc : edo_http_serve(listener, hello, NULL, NULL);
}

int main(int argc, char **argv)
{
    return bench_server_main(argc, argv, serve);
}
