/* SPDX-License-Identifier: MIT */
/*
 * The load: one thread, one epoll, one request outstanding on each connection, and every answer checked. It
 * is driven by lines on its standard input and answers each with one line:
 *
 *     open N    have N connections, each of which has had one answer     ok N
 *     run N     N requests, spread over all connections                  ok SECONDS
 *     show      the bytes of the last answer, in hexadecimal             ok HEX
 *
 * or "error ..." after which it ends. Usage: edo-bench-load echo|http PORT [CPU]
 */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE     64
#define MOST_ANSWER 4096
#define AT_ONCE     64 /* connections that are opened, and asked for the first time, together */
#define EVENTS      256

struct connection {
    int fd;
    unsigned number; /* of the message that is outstanding */
    size_t got;
};

static const char get[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

static bool http;
static int port, epoll;
static struct connection *connections;
static size_t count, room;
static size_t to_send, to_receive;
static char answer[MOST_ANSWER]; /* the last one */
static size_t answer_size;       /* of every HTTP answer; learned from the first */

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("error ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
    exit(1);
}

static void message_of(char *message, const struct connection *connection)
{
    memset(message, (int)('a' + connection->number % 26), MESSAGE);
    memcpy(message, &connection->number, sizeof connection->number);
    memcpy(message + MESSAGE - sizeof connection->fd, &connection->fd, sizeof connection->fd);
}

static void ask(struct connection *connection)
{
    char message[MESSAGE];
    const char *bytes = http ? get : message;
    size_t size = http ? sizeof get - 1 : sizeof message;

    connection->number++;
    connection->got = 0;
    if (!http)
        message_of(message, connection);
    if (write(connection->fd, bytes, size) != (ssize_t)size)
        fail("cannot send a request: %s", strerror(errno));
    to_send--;
}

/* How long the HTTP answer that begins in `answer` is as a whole; 0 if its head is not complete yet. */
static size_t learn_size(size_t got)
{
    char *end = memmem(answer, got, "\r\n\r\n", 4);
    size_t body = 0;

    if (!end)
        return 0;
    for (char *line = answer; line < end; line = (char *)memmem(line, (size_t)(end + 2 - line), "\r\n", 2) + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
    return (size_t)(end + 4 - answer) + body;
}

/* Reads what has come; true if the answer is complete. */
static bool receive(struct connection *connection)
{
    size_t expected = http ? answer_size : MESSAGE;
    size_t space = expected ? expected + 1 : MOST_ANSWER; /* one more, to see what should not be there */
    ssize_t size = read(connection->fd, answer + connection->got, space - connection->got);

    if (size < 0 && errno == EAGAIN)
        return false;
    if (size <= 0)
        fail("connection closed by the server: %s", size < 0 ? strerror(errno) : "end of file");
    connection->got += (size_t)size;
    if (!expected && (expected = answer_size = learn_size(connection->got)) == 0)
        return false;
    if (expected >= MOST_ANSWER || connection->got > expected)
        fail("an answer of more than %zu bytes", expected);
    return connection->got == expected;
}

static void check(const struct connection *connection)
{
    char message[MESSAGE];

    if (http) {
        if (memcmp(answer, "HTTP/1.1 200 ", 13) != 0)
            fail("not a 200: %.40s", answer);
        return;
    }
    message_of(message, connection);
    if (memcmp(answer, message, MESSAGE) != 0)
        fail("an echo of something else");
}

/* Until every request that was to be sent has had its answer. Connections share the answer's buffer, as
 * answers that come in pieces are rare: the pieces of one are awaited before another connection is looked at.
 */
static void pump(void)
{
    struct epoll_event events[EVENTS];

    while (to_receive > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, 10000);

        if (ready == 0)
            fail("no answer within 10 seconds, %zu outstanding", to_receive);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = &connections[events[i].data.u32];
            double begin = 0;

            while (!receive(connection)) {
                if (connection->got == 0)
                    break;
                if (begin == 0)
                    begin = bench_now();
                else if (bench_now() - begin > 10e9)
                    fail("half an answer within 10 seconds");
            }
            if (connection->got == 0)
                continue;
            check(connection);
            to_receive--;
            if (to_send > 0)
                ask(connection);
        }
    }
}

static void connect_one(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)count};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    address.sin_port = htons((unsigned short)port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (count == room) {
        room = room ? room * 2 : 1024;
        connections = realloc(connections, room * sizeof *connections);
        if (!connections)
            fail("out of memory");
    }
    connections[count] = (struct connection){.fd = fd};
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("cannot watch a connection: %s", strerror(errno));
    count++;
}

static void open_up_to(size_t wanted)
{
    while (count < wanted) {
        size_t first = count;

        while (count < wanted && count < first + AT_ONCE)
            connect_one();
        to_send = to_receive = count - first;
        for (size_t i = first; i < count; i++)
            ask(&connections[i]);
        pump();
    }
    printf("ok %zu\n", count);
}

static void run(size_t requests)
{
    double begin = bench_now();

    to_send = to_receive = requests;
    for (size_t i = 0; i < count && to_send > 0; i++)
        ask(&connections[i]);
    pump();
    printf("ok %.9f\n", (bench_now() - begin) / 1e9);
}

int main(int argc, char **argv)
{
    char line[64];

    if (argc < 3)
        return 2;
    http = strcmp(argv[1], "http") == 0;
    port = atoi(argv[2]);
    if (argc > 3 && bench_pin(atoi(argv[3])) < 0)
        return 2;
    bench_raise_descriptor_limit();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "open ", 5) == 0) {
            open_up_to(strtoul(line + 5, NULL, 10));
        } else if (strncmp(line, "run ", 4) == 0) {
            run(strtoul(line + 4, NULL, 10));
        } else {
            fputs("ok ", stdout);
            for (size_t i = 0; i < answer_size; i++)
                printf("%02x", (unsigned char)answer[i]);
            putchar('\n');
        }
        fflush(stdout);
    }
    return 0;
}
