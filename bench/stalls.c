/* SPDX-License-Identifier: MIT */
/*
 * One run of a program whose tasks stall (stalls.h). The requests have a beat, one a millisecond, and a late answer
 * makes those behind it late too: that is what a user sees, and what a loop that only waits for answers would hide. One
 * request is outstanding at a time. One thread.
 */
#include "stalls.h"

#include "measure.h"
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 4, FRESH = 20, WARM_UP = 300, PATIENCE = 60 /* s */ };

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    address.sin_port = htons((unsigned short)port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int say(int fd, char what)
{
    char message[BENCH_STALLS_MESSAGE] = {what};

    return write(fd, message, sizeof message) == sizeof message ? 0 : -EPIPE;
}

static int echo(int fd)
{
    char answer[BENCH_STALLS_MESSAGE];
    int rc = say(fd, 'e');

    if (rc == 0 && recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer)
        rc = -EPIPE;
    return rc;
}

static int echo_afresh(int port)
{
    int fd = connect_to(port), rc = fd >= 0 ? echo(fd) : -ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* So many requests on their beat; notes how late each answer was. */
static int ask(int64_t *late, size_t count, const int *fds, int port)
{
    int64_t begin = bench_stalls_now();

    for (size_t i = 0; i < count; i++) {
        int64_t due = begin + (int64_t)i * BENCH_STALLS_TICK;
        struct timespec time = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
        int rc;

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
        rc = i % FRESH == FRESH - 1 ? echo_afresh(port) : echo(fds[i % CONNECTIONS]);
        if (rc < 0)
            return rc;
        late[i] = bench_stalls_now() - due;
    }
    return 0;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

/* In ms; sorts the values. */
static double p99(int64_t *values, size_t count)
{
    size_t rank = (count * 99 + 99) / 100 - 1;

    qsort(values, count, sizeof *values, compare);
    return count ? (double)values[rank] / 1e6 : NAN;
}

/* Until the other side closes; how many there are. */
static size_t receive_ticks(struct bench_ticks *ticks, int fd)
{
    size_t got = 0;
    ssize_t n;

    while (got < sizeof ticks->late && (n = read(fd, (char *)ticks->late + got, sizeof ticks->late - got)) > 0)
        got += (size_t)n;
    return ticks->count = got / sizeof ticks->late[0];
}

static int converse(struct bench_stalls_result *out, int port, const int *fds, int ticker, int hogs,
                    const struct bench_stalls *stalls, const char **trouble)
{
    static int64_t late[BENCH_STALLS_MOST_TICKS];
    static struct bench_ticks ticks;
    size_t beats = (size_t)(stalls->span / BENCH_STALLS_TICK);
    int rc = 0;

    *trouble = "an echo did not come back";
    for (int i = 0; i < CONNECTIONS && rc == 0; i++)
        rc = echo(fds[i]);
    if (rc < 0 || (rc = echo(ticker)) < 0 || (rc = echo(hogs)) < 0 || (rc = say(ticker, 't')) < 0 ||
        (rc = ask(late, WARM_UP, fds, port)) < 0 || (rc = say(hogs, 'h')) < 0 || (rc = ask(late, beats, fds, port)) < 0)
        return rc;
    *trouble = "the ticker has lost ticks";
    if (receive_ticks(&ticks, ticker) + 1 < beats)
        return -EPROTO;
    out->ticks = p99(ticks.late, ticks.count);
    out->echo = p99(late, beats);
    return 0;
}

static int connect_and_converse(struct bench_stalls_result *out, int port, const struct bench_stalls *stalls,
                                const char **trouble)
{
    int fds[CONNECTIONS + 2], count = 0, rc = 0;

    while (count < CONNECTIONS + 2 && rc == 0)
        if ((fds[count] = connect_to(port)) >= 0)
            count++;
        else
            rc = -ECONNREFUSED;
    *trouble = "it can't be connected to";
    if (rc == 0)
        rc = converse(out, port, fds, fds[CONNECTIONS], fds[CONNECTIONS + 1], stalls, trouble);
    while (count > 0)
        close(fds[--count]);
    return rc;
}

int bench_stalls_run(struct bench_stalls_result *out, const char *path, const struct bench_stalls *stalls,
                     const char **trouble)
{
    static struct bench_process process;
    char hogs[16], span[16], line[64];
    const char *words[] = {path, "--kind", stalls->spin ? "spin" : "block", "--hogs", hogs, "--span", span, NULL, NULL};
    int port, rc;

    snprintf(hogs, sizeof hogs, "%d", stalls->hogs);
    snprintf(span, sizeof span, "%d", (int)(stalls->span / 1000000));
    if (stalls->no_hand_off)
        words[7] = "--no-hand-off";
    *trouble = "it can't be started";
    if ((rc = bench_process_start(&process, words, NULL)) < 0)
        return rc;
    *trouble = "it did not say its port";
    if (bench_process_line(&process, line, sizeof line, 10) != 1 || sscanf(line, "port %d", &port) != 1)
        rc = -EPROTO;
    if (rc == 0)
        rc = connect_and_converse(out, port, stalls, trouble);
    bench_process_end(&process, 0); /* hogs may be left that have not even begun */
    return rc;
}
