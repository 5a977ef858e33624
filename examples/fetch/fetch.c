/* SPDX-License-Identifier: MIT */
/*
 * Fetches URLs in parallel: `fetch [-n AT_ONCE] [-t SECONDS] http://HOST[:PORT][/PATH]...` prints a line for each as it comes, and
 * a summary. No more than AT_ONCE (8) at the same time; what has not come after SECONDS (10) altogether is given up.
 *
 * A task for each URL waits for its turn by a semaphore, looks the host up, connects and reads, all in straight lines. The deadline is
 * that of the scope around them all: it reaches whoever waits, wherever that is. Ctrl-C does the same.
 */
#include <edo/edo.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct url {
    const char *text;
    char address[280]; /* host and port, for edo_tcp_connect and the Host field */
    const char *path;
};

struct answer {
    int status;
    int64_t bytes; /* of the body */
};

struct fetching {
    char **urls;
    int count;
    edo_semaphore turn;
    int64_t limit;
};

static struct fetching fetching = {.limit = EDO_SEC(10)};
static _Atomic int fetched;

/* --- A URL -------------------------------------------------------------------------------------------------------------- */

/* Takes it apart. Of http://HOST[:PORT][/PATH][?QUERY], no user, no fragment; whether HOST is one, edo_tcp_connect will tell. */
static int url_parse(struct url *url, const char *text)
{
    const char scheme[] = "http://";
    const char *host = text + sizeof scheme - 1;
    size_t size;
    const char *colon;

    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return -EINVAL;
    size = strcspn(host, "/?#@");
    url->path = host + size;
    if (size == 0 || size > sizeof url->address - 4 || *url->path == '@')
        return -EINVAL;
    for (const char *at = url->path; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '#') /* nothing that would end the request's line */
            return -EINVAL;
    memcpy(url->address, host, size);
    url->address[size] = 0;
    colon = strrchr(url->address, ':');
    if (!colon || strchr(colon, ']'))
        memcpy(url->address + size, ":80", 4);
    url->text = text;
    return 0;
}

/* --- One fetch ---------------------------------------------------------------------------------------------------------- */

/* Reads until the peer closes. The head ends with an empty line, which may come in pieces. */
static int read_answer(struct answer *answer, edo_stream *stream)
{
    const char end[] = "\r\n\r\n";
    char head[16] = "";
    size_t got = 0;
    int matched = 0;
    char buffer[16 * 1024];
    ssize_t n;

    while ((n = edo_read(stream, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (matched == 4) {
                answer->bytes += n - i;
                break;
            }
            if (got < sizeof head - 1)
                head[got++] = buffer[i];
            matched = buffer[i] == end[matched] ? matched + 1 : buffer[i] == '\r';
        }
    }
    if (n < 0)
        return (int)n;
    if (matched < 4 || sscanf(head, "HTTP/1.%*1[01] %3d", &answer->status) != 1)
        return -EPROTO;
    return 0;
}

static int get(struct answer *answer, const struct url *url)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    char request[4096];
    int size = snprintf(request, sizeof request, "GET %s%s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n",
                        *url->path == '/' ? "" : "/", url->path, url->address);
    ssize_t rc;

    if (size < 0 || (size_t)size >= sizeof request)
        return -ENAMETOOLONG;
    rc = edo_tcp_connect(&stream, url->address, NULL);
    if (rc == 0)
        rc = edo_write_all(stream, request, (size_t)size);
    return rc < 0 ? (int)rc : read_answer(answer, stream);
}

static const char *why(int rc)
{
    switch (rc) {
    case -EINVAL:
        return "not a URL of the form http://HOST[:PORT][/PATH]";
    case -EPROTO:
        return "the answer is not HTTP";
    case -ECANCELED:
        return edo_cancel_reason() == EDO_REASON_DEADLINE ? "timed out" : "given up";
    default:
        return edo_strerror(rc);
    }
}

static int fetch(void *argument)
{
    const char *text = (const char *)argument;
    struct answer answer = {0, 0};
    struct url url;
    int64_t start = edo_now();
    int rc = url_parse(&url, text);

    if (rc == 0)
        rc = edo_semaphore_acquire(&fetching.turn, 1);
    if (rc == 0) {
        start = edo_now();
        rc = get(&answer, &url);
        edo_semaphore_release(&fetching.turn, 1);
    }
    if (rc < 0) {
        printf("---  %s: %s\n", text, why(rc));
        return rc;
    }
    printf("%3d  %s: %lld bytes, %lld ms\n", answer.status, text, (long long)answer.bytes,
           (long long)((edo_now() - start) / EDO_MS(1)));
    atomic_fetch_add(&fetched, 1);
    return 0;
}

/* --- All of them --------------------------------------------------------------------------------------------------------- */

static int fetch_all(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc, .policy = EDO_SUPERVISE, .timeout = fetching.limit)
        for (int i = 0; i < fetching.count && rc == 0; i++)
            rc = edo_spawn(all, fetch, fetching.urls[i]);
    return rc == -ETIMEDOUT ? 0 : rc; /* each has said so for itself */
}

int main(int argc, char **argv)
{
    int at_once = 8;
    int64_t start = edo_now();
    int option;
    int rc;

    while ((option = getopt(argc, argv, "n:t:")) != -1) {
        if (option == 'n')
            at_once = atoi(optarg);
        else if (option == 't')
            fetching.limit = (int64_t)(atof(optarg) * 1e9);
        else
            at_once = 0;
    }
    if (optind == argc || at_once < 1 || fetching.limit < 1) {
        fprintf(stderr, "usage: fetch [-n AT_ONCE] [-t SECONDS] http://HOST[:PORT][/PATH]...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* also into a pipe: a line as it comes */
    fetching.urls = argv + optind;
    fetching.count = argc - optind;
    edo_semaphore_init(&fetching.turn, at_once);
    rc = edo_run(fetch_all, NULL, NULL);
    if (rc < 0)
        fprintf(stderr, "fetch: %s\n", edo_strerror(rc));
    printf("%d of %d fetched, %lld ms\n", fetched, fetching.count, (long long)((edo_now() - start) / EDO_MS(1)));
    return fetched < fetching.count;
}
