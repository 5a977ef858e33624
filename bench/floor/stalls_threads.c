/* SPDX-License-Identifier: MIT */
/*
 * The floor of the stalls rows (stalls.h): a thread for each hog, one for the ticker, and a bare epoll loop for the
 * rest. What they wait for is the kernel's scheduler alone.
 */
#include "stalls.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct bench_stalls stalls;
static int epoll;

static void *keep(void *none)
{
    (void)none;
    bench_stalls_keep(&stalls);
    return NULL;
}

static void *tick(void *own)
{
    static struct bench_ticks ticks;
    int fd = *(int *)own;
    int64_t due = bench_stalls_now();

    do {
        struct timespec time;

        due += BENCH_STALLS_TICK;
        time = (struct timespec){.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    } while (bench_stalls_tick(&ticks, &stalls, due));
    if (write(fd, ticks.late, ticks.count * sizeof ticks.late[0]) < 0)
        perror("ticks");
    close(fd);
    return NULL;
}

static void start(void *(*fn)(void *), void *own)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, own) != 0)
        exit(1);
    pthread_detach(thread);
}

static void serve(int fd)
{
    static int ticker;
    char message[BENCH_STALLS_MESSAGE];
    ssize_t size = read(fd, message, sizeof message);

    if (size > 0 && message[0] == 'e') {
        size = write(fd, message, (size_t)size);
    } else if (size > 0 && message[0] == 't') {
        ticker = fd;
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        start(tick, &ticker);
    } else if (size > 0) {
        stalls.go = bench_stalls_now();
        for (int i = 0; i < stalls.hogs; i++)
            start(keep, NULL);
    }
    if (size <= 0)
        close(fd);
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bench_stalls_parse(&stalls, argc, argv) < 0)
        return 2;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return 1;
    watch(listener);
    printf("port %d pid %d\n", ntohs(address.sin_port), (int)getpid());
    fflush(stdout);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                watch(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
            else
                serve(events[i].data.fd);
    }
}
