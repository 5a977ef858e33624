/* SPDX-License-Identifier: MIT */
/*
 * What Edo's servers in the benchmark share: the command line that the floors have too, and the line that
 * tells the port.
 */
#ifndef EDO_BENCH_SERVER_H
#define EDO_BENCH_SERVER_H

#include "measure.h"

#include <edo/edo.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef BENCH_SERVER_STALL_AFTER
#define BENCH_SERVER_STALL_AFTER 0 /* the default; a server that is not to be watched is compiled with EDO_FOREVER */
#endif

#ifndef BENCH_SERVER_METRICS
#define BENCH_SERVER_METRICS false /* likewise */
#endif

#ifndef BENCH_SERVER_CONSOLE
#define BENCH_SERVER_CONSOLE "" /* none; likewise */
#endif

struct bench_server_options {
    int port, workers;
};

/* `--port N --workers N [--pin CPU]`. 0, or -1 for another command line. */
static inline int bench_server_parse(struct bench_server_options *out, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"workers", required_argument, NULL, 'w'},
        {"pin", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p':
            out->port = atoi(optarg);
            break;
        case 'w':
            out->workers = atoi(optarg);
            break;
        case 'c':
            if (bench_pin(atoi(optarg)) < 0)
                return -1;
            break;
        default:
            return -1;
        }
    bench_raise_descriptor_limit();
    return 0;
}

/* Listens on loopback and says where. */
static inline int bench_server_listen(edo_listener **out, const struct bench_server_options *options)
{
    char text[32];
    edo_addr address;
    int rc;

    snprintf(text, sizeof text, "127.0.0.1:%d", options->port);
    if ((rc = edo_tcp_listen(out, text, NULL)) < 0 || (rc = edo_listener_addr(&address, *out)) < 0)
        return rc;
    printf("port %d pid %d\n", edo_addr_port(&address), (int)getpid());
    fflush(stdout);
    return 0;
}

/* Serves until SIGTERM. The exit status. */
static inline int bench_server_main(int argc, char **argv, edo_task_fn serve)
{
    struct bench_server_options options = {.workers = 1};
    int rc;

    if (bench_server_parse(&options, argc, argv) < 0)
        return 2;
    rc = edo_run(serve, &options,
                 EDO_OPTIONS(edo_run_options, .workers = options.workers, .stall_after = BENCH_SERVER_STALL_AFTER,
                             .metrics = BENCH_SERVER_METRICS, .console = BENCH_SERVER_CONSOLE));
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", argv[0], edo_strerror(rc));
    return rc < 0;
}

#endif
