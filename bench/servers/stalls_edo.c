/* SPDX-License-Identifier: MIT */
/*
 * The program of the stalls rows (stalls.h): a task for each connection, on two workers.
 *
 * The first hog shall keep the worker whose poller has the listener and, but for a theft, the connections, and whose
 * wheel has the ticker's timer. So what 'h' asks for is done by the first task that is then woken on the thread of that
 * worker, of whichever connection (another task goes on with that one). It starts the ticker dormant, so that the timer
 * is in this worker's wheel already, and becomes a hog without a wait between.
 */
#include "stalls.h"

#include "servers/server.h"

#include <stdatomic.h>

static struct bench_stalls stalls;
static edo_stream *ticks_go_to;
static edo_scope *clients;
static pid_t home;              /* the thread that the listener was registered on */
static atomic_bool wanted;      /* 'h' has come, and nobody has done it */
static _Atomic uint32_t misses; /* tasks that were woken elsewhere meanwhile */

static int hog(void *none)
{
    (void)none;
    bench_stalls_keep(&stalls);
    return 0;
}

static int tick(void *none)
{
    static struct bench_ticks ticks;
    edo_stream *peer EDO_AUTO(edo_close) = ticks_go_to;
    int64_t due = stalls.go + BENCH_STALLS_TICK;

    (void)none;
    while (bench_stalls_tick(&ticks, &stalls, due)) {
        int rc = edo_sleep_until(due += BENCH_STALLS_TICK);

        if (rc < 0)
            return rc;
    }
    return (int)edo_write_all(peer, ticks.late, ticks.count * sizeof ticks.late[0]);
}

static int start(void)
{
    int rc;

    stalls.go = bench_stalls_now();
    rc = edo_spawn(EDO_DETACHED, tick, NULL, .when = EDO_WHEN_AT(stalls.go + BENCH_STALLS_TICK));
    for (int i = 1; i < stalls.hogs && rc == 0; i++)
        rc = edo_spawn(EDO_DETACHED, hog, NULL);
    return rc < 0 ? rc : hog(NULL);
}

/* In a noisy minute the worker may have gone to another thread: then anywhere. */
static bool starts_here(void)
{
    enum { ENOUGH = 100 };

    return wanted && (gettid() == home || atomic_fetch_add(&misses, 1) == ENOUGH) && atomic_exchange(&wanted, false);
}

static int serve_one(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = argument;
    char message[BENCH_STALLS_MESSAGE];
    ssize_t n;

    while ((n = edo_read(peer, message, sizeof message)) > 0) {
        if (message[0] == 't') {
            ticks_go_to = EDO_TAKE(peer);
            return 0;
        }
        if (message[0] == 'h')
            wanted = true;
        else if ((n = edo_write_all(peer, message, (size_t)n)) < 0)
            break;
        if (starts_here()) {
            int rc = edo_spawn(clients, serve_one, peer);

            if (rc < 0)
                return rc;
            (void)EDO_TAKE(peer);
            return start();
        }
    }
    return (int)n;
}

static int serve(void *none)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    int rc = bench_server_listen(&listener, &(struct bench_server_options){.port = 0});

    (void)none;
    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_stream *peer;

        clients = scope;
        home = gettid();
        while ((rc = edo_accept(&peer, listener)) == 0)
            if ((rc = edo_spawn(scope, serve_one, peer)) < 0) {
                edo_close(peer);
                break;
            }
    }
    return rc;
}

int main(int argc, char **argv)
{
    int rc;

    if (bench_stalls_parse(&stalls, argc, argv) < 0)
        return 2;
    rc = edo_run(serve, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 2, .stall_after = stalls.no_hand_off ? EDO_FOREVER : 0));
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", argv[0], edo_strerror(rc));
    return rc < 0;
}
