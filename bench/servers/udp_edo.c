/* SPDX-License-Identifier: MIT */
/* The same as floor/udp_epoll.c, as a task. */
#include <edo/edo.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 64, MOST = 32 };

struct work {
    long count;
    unsigned batch;
};

static ssize_t echo_one(edo_datagram *server)
{
    char buffer[SIZE];
    edo_addr from;
    ssize_t n = edo_datagram_recv_from(server, buffer, sizeof buffer, &from);

    if (n >= 0)
        n = edo_datagram_send_to(server, buffer, (size_t)n, &from);
    return n < 0 ? n : 1;
}

static ssize_t echo_many(edo_datagram *server, unsigned batch)
{
    static char buffers[MOST][SIZE];
    static edo_datagram_message messages[MOST];
    ssize_t n;

    for (unsigned i = 0; i < batch; i++) {
        messages[i].buffer = buffers[i];
        messages[i].size = SIZE;
    }
    n = edo_datagram_recv_many(server, messages, batch);
    return n < 0 ? n : edo_datagram_send_many(server, messages, (size_t)n);
}

static int serve(void *argument)
{
    struct work *work = argument;
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr address;
    int rc = edo_udp_bind(&server, "127.0.0.1:0", NULL);

    if (rc == 0)
        rc = edo_datagram_local(&address, server);
    if (rc == 0)
        printf("port %d\n", edo_addr_port(&address));
    fflush(stdout);
    while (rc >= 0 && work->count > 0) {
        ssize_t n = work->batch > 1 ? echo_many(server, work->batch) : echo_one(server);

        work->count -= n > 0 ? n : 0;
        rc = n < 0 ? (int)n : 0;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct work work = {argc == 3 ? atol(argv[1]) : 0, argc == 3 ? (unsigned)atoi(argv[2]) : 1};

    alarm(120); /* a load that has given up leaves nobody behind */
    return edo_run(serve, &work, EDO_OPTIONS(edo_run_options, .workers = 1)) == 0 ? 0 : 1;
}
