/* SPDX-License-Identifier: MIT */
/*
 * The floor of rows/udp.c: a bare epoll loop that echoes datagrams, one at a time by recvfrom and sendto, or many by
 * recvmmsg and sendmmsg. `COUNT BATCH`: it ends after so many.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, MOST = 32 };

static void must(int true_or_not)
{
    if (!true_or_not)
        abort();
}

static long echo_one(int fd)
{
    char buffer[SIZE];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, MSG_TRUNC, (struct sockaddr *)&from, &size);

    must(n == SIZE);
    must(sendto(fd, buffer, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&from, size) == n);
    return 1;
}

static long echo_many(int fd, unsigned batch)
{
    static char buffers[MOST][SIZE];
    struct sockaddr_in from[MOST];
    struct iovec pieces[MOST];
    struct mmsghdr headers[MOST];
    int n;

    for (unsigned i = 0; i < batch; i++) {
        pieces[i] = (struct iovec){buffers[i], SIZE};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    n = recvmmsg(fd, headers, batch, MSG_TRUNC, NULL);
    must(n > 0);
    for (int i = 0; i < n; i++) {
        must(headers[i].msg_len == SIZE);
        pieces[i].iov_len = headers[i].msg_len;
    }
    must(sendmmsg(fd, headers, (unsigned)n, MSG_NOSIGNAL) == n);
    return n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    long count = argc == 3 ? atol(argv[1]) : 0;
    unsigned batch = argc == 3 ? (unsigned)atoi(argv[2]) : 1;

    alarm(120); /* a load that has given up leaves nobody behind */
    must(bind(fd, (struct sockaddr *)&address, size) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (count > 0) {
        must(epoll_wait(epoll, &event, 1, -1) == 1);
        count -= batch > 1 ? echo_many(fd, batch) : echo_one(fd);
    }
    return 0;
}
