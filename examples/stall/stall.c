/* SPDX-License-Identifier: MIT */
/*
 * A web server that stalls when it is asked to, and tells of it on stderr.
 *
 *     GET /         at once, however the others do
 *     GET /compute  computes for 200 ms without a pause
 *     GET /block    sleeps for 200 ms as libraries do that know nothing of tasks: the thread, not the task
 *
 * The one argument says where it listens, 127.0.0.1:8080 if there is none. Ctrl-C ends it.
 */
#include <edo/edo.h>
#include <edo/http.h>
#include <edo/stall.h>

#include <stdio.h>
#include <time.h>

enum { STALL = 200 }; /* ms */

static unsigned compute(void)
{
    struct timespec now;
    int64_t end = edo_now() + EDO_MS(STALL);
    unsigned sum = 0;

    do {
        for (unsigned i = 0; i < 100000; i++)
            sum = sum * 31 + i;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec * EDO_SEC(1) + now.tv_nsec < end);
    return sum;
}

static unsigned block(void)
{
    struct timespec pause = {0, STALL * 1000000L};

    return (unsigned)nanosleep(&pause, NULL);
}

static int answer(edo_http_exchange *x, void *context)
{
    char text[64];
    unsigned result = 0;
    int size;

    (void)context;
    if (edo_http_match(x, "GET", "/compute"))
        result = compute();
    else if (edo_http_match(x, "GET", "/block"))
        result = block();
    else if (!edo_http_match(x, "GET", "/"))
        return edo_http_fail(x, 404, NULL);
    size = snprintf(text, sizeof text, "%u\n", result);
    return edo_http_respond(x, 200, "text/plain", text, (size_t)size);
}

/* Called on a thread that does nothing else: it may write, and take its time. */
static void tell(const edo_stall *stall, void *argument)
{
    char text[8192];

    (void)argument;
    edo_stall_text(text, sizeof text, stall);
    fputs(text, stderr);
}

static int serve(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    char text[EDO_ADDR_TEXT_SIZE];
    edo_addr address;
    int rc;

    if ((rc = edo_tcp_listen(&listener, argument, NULL)) < 0 || (rc = edo_listener_addr(&address, listener)) < 0 ||
        (rc = edo_addr_print(text, sizeof text, &address)) < 0)
        return rc;
    printf("http://%s/\n", text);
    fflush(stdout);
    return edo_http_serve(listener, answer, NULL, NULL);
}

int main(int argc, char **argv)
{
    static char usual[] = "127.0.0.1:8080";
    int rc = edo_run(serve, argc > 1 ? argv[1] : usual, EDO_OPTIONS(edo_run_options, .on_stall = tell));

    if (rc < 0)
        fprintf(stderr, "stall: %s\n", edo_strerror(rc));
    return rc < 0;
}
