/* SPDX-License-Identifier: MIT */
/*
 * A bare epoll loop, edge-triggered; as few syscalls and instructions as one can do with: one read and one
 * write a request, and an epoll_wait for as many events as there are. Connections have no memory of their own
 * here. Each thread touches its own epoll; only the first accepts.
 */
#include "floor/server.h"

#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_WORKERS 64
#define EVENTS       256

char *bench_floor_answer;
size_t bench_floor_answer_size;

static bench_floor_handler *handle;
static int listener, workers = 1;
static int epolls[MOST_WORKERS];

static void accept_all(void)
{
    static int next;

    for (;;) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        event.data.fd = fd;
        epoll_ctl(epolls[next], EPOLL_CTL_ADD, fd, &event);
        next = (next + 1) % workers;
    }
}

/* A short read has taken everything there was, unless the other side has closed: then the end of file is
 * still to come. */
static void serve(int fd, char *buffer, unsigned events)
{
    for (;;) {
        ssize_t size = read(fd, buffer, BENCH_FLOOR_BUFFER);

        if (size > 0 && handle(fd, buffer, (size_t)size) == 0) {
            if (size < BENCH_FLOOR_BUFFER && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
                return;
        } else if (size < 0 && errno == EAGAIN) {
            return;
        } else {
            close(fd);
            return;
        }
    }
}

static void *loop(void *own)
{
    struct epoll_event events[EVENTS];
    char buffer[BENCH_FLOOR_BUFFER];
    int epoll = *(int *)own;

    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_all();
            else
                serve(events[i].data.fd, buffer, events[i].events);
    }
    return NULL;
}

static int read_answer(const char *path)
{
    FILE *file = fopen(path, "re");
    static char text[BENCH_FLOOR_BUFFER];

    if (!file)
        return -errno;
    bench_floor_answer_size = fread(text, 1, sizeof text, file);
    bench_floor_answer = text;
    fclose(file);
    return 0;
}

static int open_listener(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int yes = 1;

    address.sin_port = htons((unsigned short)port);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    return ntohs(address.sin_port);
}

static void end(int signal)
{
    (void)signal;
    _exit(0); /* async-signal-safe; and valgrind still reports */
}

int bench_floor_main(int argc, char **argv, bench_floor_handler *handler)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"workers", required_argument, NULL, 'w'},
        {"pin", required_argument, NULL, 'c'},
        {"answer", required_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    struct sigaction ending = {.sa_handler = end};
    struct epoll_event event = {.events = EPOLLIN};
    int option, port = 0, rc = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'w':
            workers = atoi(optarg);
            break;
        case 'c':
            rc = bench_pin(atoi(optarg));
            break;
        case 'a':
            rc = read_answer(optarg);
            break;
        default:
            return 2;
        }
    if (rc < 0 || workers < 1 || workers > MOST_WORKERS)
        return 2;
    handle = handler;
    bench_raise_descriptor_limit();
    sigaction(SIGTERM, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    if ((port = open_listener(port)) < 0) {
        fprintf(stderr, "%s: cannot listen: %s\n", argv[0], strerror(-port));
        return 1;
    }
    for (int i = 0; i < workers; i++)
        epolls[i] = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listener;
    epoll_ctl(epolls[0], EPOLL_CTL_ADD, listener, &event);
    for (int i = 1; i < workers; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, loop, &epolls[i]) != 0)
            return 1;
    }
    printf("port %d pid %d\n", port, (int)getpid());
    fflush(stdout);
    loop(&epolls[0]);
    return 0;
}
