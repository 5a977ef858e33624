/* SPDX-License-Identifier: MIT */
/*
 * Datagrams of 64 bytes echoed, one at a time and in batches of 32: system calls and user instructions for each, beside
 * a bare loop. The servers end after as many as they were told, so both are slopes between two runs. This process is
 * the load, on the same core, so that a batch is there as a whole when the server looks.
 */
#include "process.h"
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, MOST = 32, FEW = 3200, MANY = 32000 };

static const char *const servers[] = {"edo-bench-floor-udp", "edo-bench-udp"};

/* Sends so many to the port, in batches, and waits for the answers to each. */
static int drive(int port, long count, unsigned batch)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {5, 0};
    static char buffer[SIZE];
    struct iovec piece = {buffer, SIZE};
    struct mmsghdr headers[MOST];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = 0;

    memset(headers, 0, sizeof headers);
    for (unsigned i = 0; i < batch; i++)
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        rc = -errno;
    for (; rc == 0 && count > 0; count -= batch) {
        if (sendmmsg(fd, headers, batch, 0) != (int)batch)
            rc = -EIO;
        for (unsigned i = 0; i < batch && rc == 0; i++)
            if (recv(fd, buffer, sizeof buffer, 0) != SIZE)
                rc = -ETIMEDOUT;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int total(double *out, const char *name, enum bench_tool tool, long count, unsigned batch)
{
    char file[] = "/tmp/edo-bench-XXXXXX";
    char path[4096], many[32], at_once[32], line[64];
    const char *words[20];
    struct bench_process server = {.pid = 0};
    int fd = mkstemp(file);
    int used = bench_tool_words(words, tool, file, NULL);
    int port = 0;
    int rc = fd < 0 ? -errno : used < 0 ? used : 0;

    snprintf(many, sizeof many, "%ld", count);
    snprintf(at_once, sizeof at_once, "%u", batch);
    if (rc == 0) {
        words[used] = bench_program(path, sizeof path, name);
        words[used + 1] = many;
        words[used + 2] = at_once;
        words[used + 3] = NULL;
        rc = bench_process_start(&server, words, NULL);
    }
    if (rc == 0)
        rc = bench_process_line(&server, line, sizeof line, 20) == 1 && sscanf(line, "port %d", &port) == 1 ? 0
                                                                                                            : -EPROTO;
    if (rc == 0)
        rc = drive(port, count, batch);
    if (server.pid && bench_process_end(&server, 10) != 0 && rc == 0)
        rc = -EPROTO;
    if (rc == 0)
        rc = bench_tool_total(out, tool, file);
    if (fd >= 0) {
        close(fd);
        unlink(file);
    }
    return rc;
}

static void measure(enum bench_tool tool, const char *key, unsigned batch)
{
    for (int i = 0; i < 2; i++) {
        const char *name = servers[bench_options.itself ? 0 : i];
        double few, many;
        int rc = total(&few, name, tool, FEW, batch);

        if (rc == 0)
            rc = total(&many, name, tool, MANY, batch);
        if (rc < 0)
            bench_absent(key, "%s: %s", name, strerror(-rc));
        else
            (i == 0 ? bench_floor : bench_ours)(key, (many - few) / (MANY - FEW));
    }
}

static int run(const struct bench_row *row)
{
    (void)row;
    bench_pin(bench_core(0));
    measure(BENCH_STRACE, "syscalls.one", 1);
    measure(BENCH_STRACE, "syscalls.many", MOST);
    measure(BENCH_CACHEGRIND, "instructions.one", 1);
    measure(BENCH_CACHEGRIND, "instructions.many", MOST);
    return 0;
}

static const struct bench_metric metrics[] = {
    {"syscalls.one", "one at a time: syscalls a datagram", "epoll loop", BENCH_INFORMATION, 0},
    {"syscalls.many", "batches of 32: syscalls a datagram", "epoll loop", BENCH_INFORMATION, 0},
    {"instructions.one", "one at a time: user instructions a datagram", "epoll loop", BENCH_INFORMATION, 0},
    {"instructions.many", "batches of 32: user instructions a datagram", "epoll loop", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_udp = {
    .name = "io-udp", .metrics = metrics, .run = run, .seconds = 15, .itself = true};
