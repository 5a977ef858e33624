/* SPDX-License-Identifier: MIT */
/*
 * A small web server that shows itself: a page with live counters of its runtime, an echo, and a directory of files.
 *
 *     GET  /           the page
 *     GET  /stats      what the runtime has counted, as JSON, for the page
 *     GET  /metrics    the same and more, for Prometheus
 *     POST /echo       the request's body, streamed back
 *     GET  /files/...  the files of a directory
 *
 * HOST and PORT say where it listens (127.0.0.1, 8080), FILES which directory it shows. Ctrl-C ends it: idle connections
 * close at once, requests that are being answered are completed.
 */
#include <edo/edo.h>
#include <edo/http.h>

#include "page.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct site {
    const char *host;
    const char *port;
    const char *files;
    _Atomic uint64_t requests;
    bool listens; /* it came so far */
};

/* --- What it answers ----------------------------------------------------------------------------------------------------- */

static int counters(edo_http_exchange *x, struct site *site)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    char json[1024];
    int rc = edo_metrics_read(&metrics);
    int size;

    if (rc < 0)
        return rc;
    size = snprintf(json, sizeof json,
                    "{\"uptime\":%.1f,\"requests\":%llu,\"workers\":%d,\"threads\":%d,\"tasks\":%llu,\"spawned\":%llu,"
                    "\"streams\":%llu,\"switches\":%llu,\"steals\":%llu,\"polls\":%llu,\"events\":%llu,\"sleeps\":%llu,"
                    "\"timers\":%llu}\n",
                    (double)metrics.uptime / 1e9, (unsigned long long)atomic_load(&site->requests), metrics.workers,
                    metrics.threads, (unsigned long long)metrics.tasks_alive, (unsigned long long)metrics.tasks_spawned,
                    (unsigned long long)metrics.streams, (unsigned long long)metrics.switches,
                    (unsigned long long)metrics.steals, (unsigned long long)metrics.polls,
                    (unsigned long long)metrics.events, (unsigned long long)metrics.sleeps,
                    (unsigned long long)metrics.timers);
    edo_http_set_header(x, "Cache-Control", "no-store");
    return edo_http_respond(x, 200, "application/json", json, (size_t)size);
}

/* For Prometheus. Asks how much room it takes, and takes some more, as numbers grow. */
static int metrics(edo_http_exchange *x)
{
    ssize_t capacity = edo_metrics_print(NULL, 0) + 1024;
    char *text EDO_AUTO(free) = malloc((size_t)capacity);
    ssize_t size = text ? edo_metrics_print(text, (size_t)capacity) : -ENOMEM;

    if (size < 0)
        return (int)size;
    edo_http_set_header(x, "Cache-Control", "no-store");
    return edo_http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", text,
                            (size_t)(size < capacity ? size : capacity - 1));
}

/* Straight lines: read some, write some, until there is no more. Bodies of any size pass through one buffer. */
static int echo(edo_http_exchange *x)
{
    char buffer[16384];
    ssize_t n = edo_http_read(x, buffer, sizeof buffer);
    int rc;

    if (n < 0)
        return (int)n;
    rc = edo_http_begin(x, 200, "application/octet-stream", edo_http_body_size(x));
    if (rc < 0)
        return rc;
    while (n > 0) {
        n = edo_http_write(x, buffer, (size_t)n);
        if (n >= 0)
            n = edo_http_read(x, buffer, sizeof buffer);
    }
    return (int)n;
}

static int page(edo_http_exchange *x)
{
    edo_http_set_header(
        x, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:");
    return edo_http_respond(x, 200, "text/html; charset=utf-8", site_page, site_page_size);
}

static int answer(edo_http_exchange *x, void *context)
{
    struct site *site = context;
    edo_str path = edo_http_path(x);

    atomic_fetch_add_explicit(&site->requests, 1, memory_order_relaxed);
    if (edo_http_match(x, "GET", "/"))
        return page(x);
    if (edo_http_match(x, "GET", "/stats"))
        return counters(x, site);
    if (edo_http_match(x, "GET", "/metrics"))
        return metrics(x);
    if (edo_http_match(x, "POST", "/echo"))
        return echo(x);
    if (path.size >= 7 && memcmp(path.data, "/files/", 7) == 0)
        return edo_http_send_file(x, site->files, (edo_str){path.data + 6, path.size - 6});
    if (edo_http_match(x, NULL, "/") || edo_http_match(x, NULL, "/stats") || edo_http_match(x, NULL, "/metrics") ||
        edo_http_match(x, NULL, "/echo")) {
        edo_http_set_header(x, "Allow", edo_http_match(x, NULL, "/echo") ? "POST" : "GET, HEAD");
        return edo_http_fail(x, 405, NULL);
    }
    return edo_http_fail(x, 404, NULL);
}

/* --- Running it ----------------------------------------------------------------------------------------------------------- */

static int serve(void *arg)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    struct site *site = arg;
    char text[EDO_ADDR_TEXT_SIZE];
    edo_addr address;
    int rc;

    snprintf(text, sizeof text, strchr(site->host, ':') ? "[%s]:%s" : "%s:%s", site->host, site->port);
    if ((rc = edo_tcp_listen(&listener, text, NULL)) < 0 || (rc = edo_listener_addr(&address, listener)) < 0 ||
        (rc = edo_addr_print(text, sizeof text, &address)) < 0)
        return rc;
    site->listens = true;
    printf("http://%s/\n", text);
    fflush(stdout);
    return edo_http_serve(listener, answer, site, EDO_OPTIONS(edo_http_server_options, .max_body = INT64_MAX));
}

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

int main(void)
{
    struct site site = {.host = from_environment("HOST", "127.0.0.1"),
                        .port = from_environment("PORT", "8080"),
                        .files = from_environment("FILES", SITE_FILES)};
    int rc;

    if (strcmp(site.host, "localhost") == 0)
        site.host = "127.0.0.1";
    rc = edo_run(serve, &site, EDO_OPTIONS(edo_run_options, .metrics = true));
    if (rc < 0 && !site.listens)
        fprintf(stderr, "cannot listen on %s port %s: %s\n", site.host, site.port, edo_strerror(rc));
    else if (rc < 0)
        fprintf(stderr, "ended by an error: %s\n", edo_strerror(rc));
    return rc < 0;
}
