/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide/foreign-libraries.md, word for word (docs/check.sh compares): a library that has descriptors of its
 * own, c-ares, driven by a task. The main is its name server, too, on the loopback.
 */
#include <edo/edo.h>

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* What c-ares has found out. */
struct lookup {
    int status; /* of c-ares; -1: nothing yet */
    struct in_addr address;
};

/* c-ares calls this from inside its functions: it only notes what it is told, and waits for nothing. */
static void found(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *lookup = argument;

    (void)timeouts;
    lookup->status = status;
    if (status == ARES_SUCCESS && info->nodes)
        lookup->address = ((struct sockaddr_in *)(void *)info->nodes->ai_addr)->sin_addr;
    ares_freeaddrinfo(info);
}

/* Waits for what c-ares waits for: one of its descriptors, or its next timeout. 0, or a negative errno. */
static int wait_for_ares(ares_channel channel)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    edo_arm arms[ARES_GETSOCK_MAXNUM + 1];
    int wanted = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    struct timeval room;
    struct timeval *left = ares_timeout(channel, NULL, &room);
    size_t count = 0;
    int which;

    while (count < ARES_GETSOCK_MAXNUM) {
        int events = (ARES_GETSOCK_READABLE(wanted, count) ? EDO_READABLE : 0) |
                     (ARES_GETSOCK_WRITABLE(wanted, count) ? EDO_WRITABLE : 0);

        if (!events)
            break;
        arms[count] = EDO_FD(sockets[count], events);
        count++;
    }
    arms[count] = EDO_AFTER(left ? EDO_SEC(left->tv_sec) + EDO_US(left->tv_usec) : EDO_FOREVER);
    which = edo_select(arms, count + 1);
    if (which < 0 || arms[which].rc < 0)
        return which < 0 ? which : arms[which].rc;
    if ((size_t)which == count)
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* it looks at its timeouts */
    else
        ares_process_fd(channel, arms[which].rc & EDO_READABLE ? sockets[which] : ARES_SOCKET_BAD,
                        arms[which].rc & EDO_WRITABLE ? sockets[which] : ARES_SOCKET_BAD);
    return 0;
}

/* The address of a name. 0; -ENOENT: it has none; -EAGAIN: no server answers; -ECANCELED; -ENOMEM. */
static int look_up(struct in_addr *out, const char *name, const char *server)
{
    struct ares_options options = {.timeout = 300, .tries = 2, .lookups = (char[]){"b"}};
    struct ares_addrinfo_hints hints = {.ai_family = AF_INET};
    struct lookup lookup = {.status = -1};
    ares_channel channel;
    int rc = 0;

    if (ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS) != ARES_SUCCESS)
        return -ENOMEM;
    if (ares_set_servers_ports_csv(channel, server) != ARES_SUCCESS)
        rc = -EINVAL;
    if (rc == 0)
        ares_getaddrinfo(channel, name, NULL, &hints, found, &lookup);
    while (rc == 0 && lookup.status < 0)
        rc = wait_for_ares(channel);
    ares_destroy(channel); /* if we were cancelled: calls `found`, with ARES_EDESTRUCTION, and closes the descriptors */
    if (rc < 0)
        return rc;
    *out = lookup.address;
    switch (lookup.status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
        return -ENOENT;
    case ARES_ENOMEM:
        return -ENOMEM;
    default:
        return -EAGAIN;
    }
}

/* One descriptor by itself: a datagram, or a negative errno. */
static ssize_t receive(int fd, void *buffer, size_t size, struct sockaddr_in *from)
{
    for (;;) {
        socklen_t length = sizeof *from;
        ssize_t n = recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)(void *)from, &length);
        int rc;

        if (n >= 0)
            return n;
        rc = -errno; /* at once: behind a wait it is another thread's */
        if (rc == -EAGAIN)
            rc = edo_wait_fd(fd, EDO_READABLE, EDO_FOREVER);
        if (rc < 0 && rc != -EINTR)
            return rc;
    }
}

/* What has no descriptors, and blocks, belongs where that is allowed. */
struct question {
    const char *name;
    struct addrinfo *answer;
};

static int ask_libc(void *argument)
{
    struct question *question = argument;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_flags = AI_NUMERICHOST};

    return getaddrinfo(question->name, NULL, &hints, &question->answer) == 0 ? 0 : -ENOENT;
}

static int look_up_in_libc(const char *name)
{
    struct question question = {.name = name};
    int rc = edo_blocking(ask_libc, &question); /* while it runs, this frame stays: the job is waited for */

    if (rc == 0)
        freeaddrinfo(question.answer);
    return rc;
}

/* --- The name server ------------------------------------------------------------------------------------------------------ */

enum { HEADER = 12, TYPE_A = 1, NO_SUCH_NAME = 3 };

/* edo.test is 192.0.2.7; quiet.test is not answered; all other names do not exist. The size of the answer, 0: none. */
static size_t answer_to(unsigned char *message, size_t size, size_t capacity)
{
    static const unsigned char known[] = "\3edo\4test";
    static const unsigned char quiet[] = "\5quiet\4test";
    static const unsigned char address[] = {0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    size_t end = HEADER;

    while (end < size && message[end])
        end += message[end] + 1u;
    end += 5; /* the empty label, type and class */
    if (end > size || end + sizeof address > capacity)
        return 0;
    if (memcmp(message + HEADER, quiet, sizeof quiet) == 0)
        return 0;
    message[2] = 0x85; /* a response, with authority */
    message[3] = 0;
    memset(message + 6, 0, 6); /* no records; those that asked for more get none */
    if (memcmp(message + HEADER, known, sizeof known) != 0) {
        message[3] = NO_SUCH_NAME;
    } else if (message[end - 3] == TYPE_A) {
        message[7] = 1;
        memcpy(message + end, address, sizeof address);
        end += sizeof address;
    }
    return end;
}

static int serve(void *argument)
{
    int fd = *(int *)argument;
    unsigned char message[512];
    struct sockaddr_in from;
    ssize_t n;

    while ((n = receive(fd, message, sizeof message, &from)) >= 0) {
        size_t size = answer_to(message, (size_t)n, sizeof message);

        if (size > 0)
            sendto(fd, message, size, MSG_DONTWAIT, (struct sockaddr *)(void *)&from, sizeof from);
    }
    return (int)n;
}

/* --- A main that runs them ------------------------------------------------------------------------------------------------ */

static int check(const char *name, int rc, int wanted, struct in_addr address)
{
    char text[INET_ADDRSTRLEN] = "";

    inet_ntop(AF_INET, &address, text, sizeof text);
    printf("%s: %s\n", name, rc == 0 ? text : edo_strerror(rc));
    return rc == wanted ? 0 : -EPROTO;
}

static int asks_often(void *argument)
{
    struct in_addr address = {0};
    int rc = 0;

    for (int i = 0; i < 20 && rc == 0; i++)
        rc = look_up(&address, "edo.test", argument);
    return rc == 0 && address.s_addr != htonl(0xc0000207) ? -EPROTO : rc;
}

static int root(void *argument)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    struct in_addr address = {0};
    char server[32];
    int rc = 0;

    (void)argument;
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)&here, sizeof here) < 0 ||
        getsockname(fd, (struct sockaddr *)(void *)&here, &length) < 0)
        return -errno;
    snprintf(server, sizeof server, "127.0.0.1:%u", ntohs(here.sin_port));
    EDO_SCOPE (serving, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(serving, serve, &fd);
        if (rc == 0)
            rc = check("edo.test", look_up(&address, "edo.test", server), 0, address);
        if (rc == 0)
            rc = check("nothing.test", look_up(&address, "nothing.test", server), -ENOENT, address);
        if (rc == 0)
            EDO_SCOPE (many, &rc)
                for (int i = 0; i < 20 && rc == 0; i++)
                    rc = edo_spawn(many, asks_often, server);
        if (rc == 0) {
            int late = 0;

            EDO_TIMEOUT (EDO_MS(100), &late)
                late = look_up(&address, "quiet.test", server);
            rc = check("quiet.test", late, -ETIMEDOUT, address);
        }
        if (rc == 0)
            rc = look_up_in_libc("127.0.0.1");
        edo_scope_cancel(serving);
    }
    close(fd);
    return rc;
}

int main(void)
{
    int rc = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? edo_run(root, NULL, NULL) : -ENOMEM;

    if (rc < 0)
        fprintf(stderr, "foreign: %s\n", edo_strerror(rc));
    ares_library_cleanup();
    return rc < 0;
}
