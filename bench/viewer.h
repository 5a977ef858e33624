/* SPDX-License-Identifier: MIT */
/*
 * Somebody who looks at the console of this process, or of another one: a thread that follows its event stream, and
 * throws away what it reads, but for what the console says of itself. Plain sockets. Ends with the stream.
 */
#ifndef EDO_BENCH_VIEWER_H
#define EDO_BENCH_VIEWER_H

#include <edo/console.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct bench_viewer {
    const char *query; /* of /api/events */
    pthread_t thread;
    int fd;
    double seconds; /* between the first `now` and the last */
    double cpu;     /* s that the console has used between them */
    int looks;      /* how many there were after the first; -1: none yet. Others ask by bench_viewer_looks */
};

static inline double bench_viewer_number(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtod(at + strlen(key), NULL) : 0;
}

static inline void bench_viewer_note(struct bench_viewer *viewer, const char *line)
{
    static double first_time, first_cpu;
    double time = bench_viewer_number(line, "\"time_ms\":") / 1e3;
    double cpu = bench_viewer_number(line, "\"console_cpu_us\":") / 1e6;

    if (viewer->looks < 0) {
        first_time = time;
        first_cpu = cpu;
    }
    viewer->seconds = time - first_time;
    viewer->cpu = cpu - first_cpu;
    __atomic_store_n(&viewer->looks, viewer->looks + 1, __ATOMIC_RELEASE);
}

static inline int bench_viewer_looks(const struct bench_viewer *viewer)
{
    return __atomic_load_n(&viewer->looks, __ATOMIC_ACQUIRE);
}

static inline void *bench_viewer_main(void *argument)
{
    struct bench_viewer *viewer = (struct bench_viewer *)argument;
    FILE *in = fdopen(viewer->fd, "r");
    static char line[1 << 20];

    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, "data: {\"time_ms\":", 17) == 0)
            bench_viewer_note(viewer, line);
    if (in)
        fclose(in);
    return NULL;
}

/* 0, or -1: there is no console. */
static inline int bench_viewer_follow(struct bench_viewer *viewer, const edo_addr *address)
{
    char request[256];
    socklen_t size;
    const struct sockaddr *at = edo_addr_sockaddr(address, &size);
    int length;

    viewer->looks = -1;
    viewer->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    length = snprintf(request, sizeof request, "GET /api/events%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", viewer->query);
    if (viewer->fd < 0 || connect(viewer->fd, at, size) < 0 || write(viewer->fd, request, (size_t)length) != length)
        return -1;
    return pthread_create(&viewer->thread, NULL, bench_viewer_main, viewer) == 0 ? 0 : -1;
}

static inline int bench_viewer_start(struct bench_viewer *viewer)
{
    edo_addr address;

    return edo_console_address(&address) < 0 ? -1 : bench_viewer_follow(viewer, &address);
}

/* It looks no more. */
static inline void bench_viewer_stop(struct bench_viewer *viewer)
{
    shutdown(viewer->fd, SHUT_RDWR);
    pthread_join(viewer->thread, NULL);
}

#endif
