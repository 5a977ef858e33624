/* SPDX-License-Identifier: MIT */
/* The examples of docs/guide/datagrams.md, word for word, and checks of what they say there. */
#include <edo/edo.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int echo(void *argument)
{
    edo_datagram *server = argument;
    char buffer[1500];
    edo_addr from;
    ssize_t n;

    do {
        n = edo_datagram_recv_from(server, buffer, sizeof buffer, &from);
        if (n == -EMSGSIZE)
            continue; /* larger than anything that we answer */
        if (n >= 0)
            n = edo_datagram_send_to(server, buffer, (size_t)n, &from);
    } while (n >= 0 || n == -EMSGSIZE);
    return (int)n;
}

/* Asks until there is an answer: either datagram may be lost. The number of its bytes, or why there was none. */
static ssize_t ask(edo_datagram *client, const char *question, void *answer, size_t size)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        ssize_t n = edo_datagram_send(client, question, strlen(question));
        int rc = n < 0 ? (int)n : 0;

        if (n >= 0)
            EDO_TIMEOUT (EDO_MS(200), &rc) {
                n = edo_datagram_recv(client, answer, size);
                rc = n < 0 ? (int)n : 0;
            }
        if (rc == 0)
            return n;
        if (rc != -ETIMEDOUT && rc != -ECONNREFUSED) /* nobody listens there: perhaps later */
            return rc;
    }
    return -ETIMEDOUT;
}

/* Echoes what is there at once, in one system call each way. */
static int echo_many(void *argument)
{
    edo_datagram *server = argument;
    char bytes[32][1500];
    edo_datagram_message messages[32];
    ssize_t n;

    memset(messages, 0, sizeof messages);
    for (;;) {
        for (int i = 0; i < 32; i++) {
            messages[i].buffer = bytes[i];
            messages[i].size = sizeof bytes[i];
        }
        n = edo_datagram_recv_many(server, messages, 32);
        if (n < 0)
            return (int)n;
        for (ssize_t i = 0; i < n; i++)
            messages[i].size = messages[i].received; /* they go back to where they came from: .address */
        for (ssize_t sent = 0, more; sent < n; sent += more)
            if ((more = edo_datagram_send_many(server, messages + sent, (size_t)(n - sent))) < 0)
                return (int)more;
    }
}

/* A member of a group, as all programs on this machine may be that know the port. */
static int join(edo_datagram **out, const char *group_text)
{
    edo_datagram *member EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr group;
    int rc = edo_addr_parse(&group, group_text);

    if (rc == 0) /* bound to the group's address: nothing else comes */
        rc = edo_datagram_bind(&member, &group, EDO_OPTIONS(edo_datagram_options, .reuse_address = true));
    if (rc == 0)
        rc = edo_datagram_join(member, &group, "lo");
    if (rc == 0)
        *out = EDO_TAKE(member);
    return rc;
}

/* Hands a file to another process that is at the other end of a Unix stream, if that is one of the same user. */
static int hand_over(edo_stream *stream, const char *path)
{
    edo_credentials peer;
    int file;
    ssize_t n;
    int rc = edo_stream_peer_credentials(&peer, stream);

    if (rc < 0)
        return rc;
    if (peer.user != getuid())
        return -EPERM;
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    n = edo_send_fds(stream, "f", 1, &file, 1);
    close(file); /* what was sent is on its way */
    return n < 0 ? (int)n : 0;
}

/* The other side: a descriptor, or an error. */
static int take_over(edo_stream *stream)
{
    char byte;
    int file;
    int count = 1;
    ssize_t n = edo_recv_fds(stream, &byte, 1, &file, &count);

    if (n < 0)
        return (int)n;
    return count == 1 ? file : -EPROTO;
}

/* --- What they say holds ------------------------------------------------------------------------------------------ */

static int with(edo_task_fn service)
{
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *client EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr address;
    char answer[16];
    int rc = edo_udp_bind(&server, "127.0.0.1:0", NULL);

    if (rc == 0)
        rc = edo_datagram_local(&address, server);
    if (rc == 0)
        rc = edo_datagram_connect(&client, &address, NULL);
    if (rc == 0) {
        edo_scope scope;

        edo_scope_begin(&scope, NULL, NULL);
        rc = edo_spawn(&scope, service, server);
        if (rc == 0)
            rc = ask(client, "hello", answer, sizeof answer) == 5 && memcmp(answer, "hello", 5) == 0 ? 0 : -EPROTO;
        edo_scope_cancel(&scope);
        rc = edo_scope_end(&scope, rc);
    }
    return rc;
}

static int group(void)
{
    edo_datagram *member EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *sender EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr to;
    char byte;
    int rc = join(&member, "239.255.77.9:47123");

    if (rc == 0)
        rc = edo_datagram_local(&to, member);
    if (rc == 0)
        rc = edo_datagram_open(&sender, AF_INET, NULL);
    if (rc == 0)
        rc = edo_datagram_set_multicast_interface(sender, "lo");
    if (rc == 0)
        rc = (int)edo_datagram_send_to(sender, "x", 1, &to);
    if (rc == -ENETUNREACH || rc == -ENODEV)
        return 0; /* a machine whose loopback takes none */
    if (rc == 1)
        rc = (int)edo_datagram_recv(member, &byte, 1);
    return rc == 1 ? 0 : rc;
}

static int pass(void)
{
    edo_stream *ends[2] = {NULL, NULL};
    char text[4] = "";
    int fds[2];
    int file;
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);

    for (int i = 0; i < 2 && rc == 0; i++)
        rc = edo_stream_from_fd(&ends[i], fds[i]);
    if (rc == 0)
        rc = hand_over(ends[0], "/proc/self/comm");
    file = rc == 0 ? take_over(ends[1]) : rc;
    if (file >= 0) {
        rc = read(file, text, 3) == 3 && strcmp(text, "edo") == 0 ? 0 : -EPROTO;
        close(file);
    }
    edo_close(ends[0]);
    edo_close(ends[1]);
    return file < 0 ? file : rc;
}

static int all(void *none)
{
    int rc = with(echo);

    (void)none;
    if (rc == 0)
        rc = with(echo_many);
    if (rc == 0)
        rc = group();
    if (rc == 0)
        rc = pass();
    return rc;
}

int main(void)
{
    int rc = edo_run(all, NULL, NULL);

    if (rc < 0)
        fprintf(stderr, "%s\n", edo_strerror(rc));
    return rc == 0 ? 0 : 1;
}
