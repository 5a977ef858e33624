/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel does what the system does: each scenario is played on both tables, with everything that was
 * answered written down, and the two texts are the same.
 *
 * What the system does over its loopback may take it a moment, so a scenario waits where it expects something, and
 * looks once where it expects nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/un.h>

#include <edo/edo.h>

#include "testing/sim.h"

static const struct edo_platform *k; /* the one that is played on */
static char text[1 << 16];
static size_t used;
static int family;
static union {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
} address;
static socklen_t address_size;
static int epoll;

static void note(const char *what, long long value)
{
    used += (size_t)snprintf(text + used, sizeof text - used, "%s: %lld\n", what, value);
}

/* --- What scenarios are made of ----------------------------------------------------------------------------------- */

#define EVERYTHING ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET))

static void watch_for(int fd, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};

    note("epoll_ctl", k->epoll_ctl(epoll, operation, fd, &event));
}

static void watch(int fd)
{
    watch_for(fd, EPOLL_CTL_ADD, EVERYTHING);
}

/* Notes what is reported of that descriptor; `most` ms: 0 where nothing is expected. */
static void events(const char *who, int fd, int most)
{
    struct epoll_event found[16];
    uint32_t bits = 0;
    int count = k->epoll_wait(epoll, found, 16, EDO_MS(most));

    for (int i = 0; i < count; i++)
        if (found[i].data.fd == fd)
            bits |= found[i].events;
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "events of %s:%s%s%s%s%s\n", who, bits & EPOLLIN ? " in" : "",
                         bits & EPOLLOUT ? " out" : "", bits & EPOLLRDHUP ? " rdhup" : "",
                         bits & EPOLLHUP ? " hup" : "", bits & EPOLLERR ? " err" : "");
}

/* Until all that was sent has come: the system may need a moment. */
static void settle(void)
{
    if (k == &edo_platform_system)
        usleep(20000);
    else
        edo_sim_deliver();
}

static void receive(int fd, size_t size)
{
    char bytes[64];

    note("recv", k->recv(fd, bytes, size, 0));
}

static void transmit(int fd, const char *bytes)
{
    note("send", k->send(fd, bytes, strlen(bytes), MSG_NOSIGNAL));
    settle();
}

static int open_socket(void)
{
    return k->socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void any_address(void)
{
    memset(&address, 0, sizeof address);
    address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address.ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address_size = sizeof address.ip4;
    } else if (family == AF_INET6) {
        address.ip6.sin6_addr = in6addr_loopback;
        address_size = sizeof address.ip6;
    } else {
        snprintf(address.local.sun_path, sizeof address.local.sun_path, "/tmp/edo-sim-%d.sock", (int)getpid());
        address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.local.sun_path) + 1);
    }
}

static int listener(int backlog)
{
    int fd = open_socket();
    int on = 1;
    socklen_t size = sizeof address;

    any_address();
    if (family != AF_UNIX)
        note("setsockopt", k->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    note("bind", k->bind(fd, &address.any, address_size));
    note("listen", k->listen(fd, backlog));
    note("getsockname", k->getsockname(fd, &address.any, &size));
    note("its size", size);
    address_size = size;
    return fd;
}

static void unlisten(int fd)
{
    k->close(fd);
    if (family == AF_UNIX)
        note("unlink", k->unlink(address.local.sun_path));
}

static int connecting(void)
{
    int fd = open_socket();

    note("connect", k->connect(fd, &address.any, address_size));
    settle();
    return fd;
}

static void pair(int *client, int *server)
{
    int fd = listener(10);

    *client = connecting();
    *server = k->accept(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    note("accepted", *server >= 0);
    note("connect again", k->connect(*client, &address.any, address_size));
    unlisten(fd);
}

/* --- Scenarios ---------------------------------------------------------------------------------------------------- */

static void connections(void)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    int fd = open_socket();
    int client;
    int server;
    int other;
    int type;

    watch(fd);
    events("a fresh socket", fd, 0);
    receive(fd, 1);
    note("accept", k->accept(fd, NULL, NULL, 0));
    note("shutdown", k->shutdown(fd, SHUT_WR));
    note("getpeername", k->getpeername(fd, (struct sockaddr *)&name, &size));
    k->close(fd);

    fd = listener(10);
    watch(fd);
    events("a listener", fd, 0);
    note("accept", k->accept(fd, NULL, NULL, 0));
    client = open_socket();
    watch(client);
    events("a fresh socket", client, 0);
    note("connect", k->connect(client, &address.any, address_size));
    settle();
    events("a listener", fd, 100);
    note("connect again", k->connect(client, &address.any, address_size));
    note("and again", k->connect(client, &address.any, address_size));
    size = sizeof name;
    server = k->accept(fd, (struct sockaddr *)&name, &size, SOCK_NONBLOCK);
    note("accepted", server >= 0);
    note("from family", name.ss_family);
    note("with size", size);
    note("accept", k->accept(fd, NULL, NULL, 0));
    size = sizeof name;
    note("getpeername", k->getpeername(client, (struct sockaddr *)&name, &size));
    note("is the listener's", size == address_size && memcmp(&name, &address, size) == 0);
    size = sizeof type;
    note("getsockopt", k->getsockopt(client, SOL_SOCKET, SO_TYPE, &type, &size));
    note("type", type);
    note("bind", k->bind(client, &address.any, address_size) < 0);
    other = open_socket();
    note("bind a second", k->bind(other, &address.any, address_size));
    k->close(other);
    unlisten(fd);
    other = connecting();
    watch(other);
    events("one that is refused", other, 0);
    note("connect again", k->connect(other, &address.any, address_size));
    k->close(client);
    k->close(server);
    k->close(other);
}

static void edges(void)
{
    int client;
    int server;

    pair(&client, &server);
    watch(client);
    watch_for(client, EPOLL_CTL_ADD, EVERYTHING);
    events("client", client, 100);
    events("client", client, 0);
    transmit(server, "abc");
    events("client", client, 100);
    events("client", client, 0);
    transmit(server, "def");
    events("client", client, 100);
    receive(client, 4);
    events("client", client, 0);
    watch_for(client, EPOLL_CTL_MOD, EVERYTHING);
    events("client", client, 100);
    receive(client, 4);
    receive(client, 4);
    watch_for(client, EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
    events("client", client, 0);
    transmit(server, "ghi");
    events("client", client, 100);
    transmit(server, "jkl");
    events("client", client, 0);
    watch_for(client, EPOLL_CTL_MOD, EPOLLIN);
    events("client", client, 100);
    events("client", client, 100);
    watch_for(client, EPOLL_CTL_DEL, 0);
    watch_for(client, EPOLL_CTL_DEL, 0);
    events("client", client, 0);
    k->close(client);
    k->close(server);
}

static void ends(void)
{
    char bytes[64];
    int client;
    int server;

    pair(&client, &server);
    watch(client);
    watch(server);
    events("client", client, 100);
    transmit(client, "last");
    note("shutdown", k->shutdown(client, SHUT_WR));
    settle();
    events("server", server, 100);
    receive(server, 10);
    receive(server, 10);
    receive(server, 10);
    transmit(server, "answer");
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    events("client", client, 100);
    note("peek", k->recv(client, bytes, 3, MSG_PEEK));
    receive(client, 10);
    k->close(server);
    settle();
    events("client", client, 100);
    receive(client, 10);
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    note("shutdown", k->shutdown(client, SHUT_RDWR) == -EPERM);
    k->close(client);

    pair(&client, &server);
    watch(client);
    events("client", client, 100);
    note("shutdown of reading", k->shutdown(client, SHUT_RD));
    events("client", client, 100);
    receive(client, 1);
    k->close(client);
    k->close(server);
}

static void resets(void)
{
    int client;
    int server;

    pair(&client, &server);
    watch(client);
    events("client", client, 100);
    transmit(client, "never read");
    transmit(server, "read later");
    k->close(server);
    settle();
    events("client", client, 100);
    receive(client, 4);
    receive(client, 20);
    receive(client, 20);
    receive(client, 20);
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    k->close(client);

    pair(&client, &server);
    watch(client);
    events("client", client, 100);
    k->close(server);
    settle();
    events("client", client, 100);
    transmit(client, "to nobody");
    events("client", client, family == AF_UNIX ? 0 : 100);
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    note("send", k->send(client, "x", 1, MSG_NOSIGNAL));
    receive(client, 1);
    k->close(client);

    /* Closed before it was accepted. */
    server = listener(10);
    client = connecting();
    watch(client);
    events("client", client, 100);
    transmit(client, "never accepted");
    unlisten(server);
    settle();
    events("client", client, 100);
    receive(client, 1);
    receive(client, 1);
    k->close(client);
}

static void windows(void)
{
    static char bytes[1 << 16];
    size_t sent = 0;
    size_t taken = 0;
    int client;
    int server;
    ssize_t n;

    pair(&client, &server);
    watch(client);
    events("client", client, 100);
    do {
        while ((n = k->send(client, bytes, sizeof bytes, MSG_NOSIGNAL)) > 0)
            sent += (size_t)n;
        settle();
    } while (k->send(client, bytes, 1, MSG_NOSIGNAL) == 1 && ++sent);
    note("send", n);
    note("some were sent", sent > 0);
    events("client", client, 0);
    while (taken < sent) {
        n = k->recv(server, bytes, sizeof bytes, 0);
        if (n > 0)
            taken += (size_t)n;
        else
            settle();
    }
    receive(server, 1);
    settle();
    events("client", client, 100);
    events("client", client, 0);
    note("send", k->send(client, bytes, 1, MSG_NOSIGNAL));
    k->close(client);
    k->close(server);
}

static void backlogs(void)
{
    int clients[3];
    int fd = listener(1);

    if (family != AF_UNIX) { /* what TCP does then takes seconds */
        unlisten(fd);
        return;
    }
    for (int i = 0; i < 3; i++)
        clients[i] = connecting();
    k->close(k->accept(fd, NULL, NULL, 0));
    note("connect once more", k->connect(clients[2], &address.any, address_size));
    for (int i = 0; i < 3; i++)
        k->close(clients[i]);
    k->close(fd);
    clients[0] = connecting(); /* there is a path, and nobody listens */
    k->close(clients[0]);
    fd = open_socket();
    note("bind", k->bind(fd, &address.any, address_size));
    note("open", k->open(address.local.sun_path, O_RDONLY | O_NONBLOCK, 0));
    note("unlink", k->unlink(address.local.sun_path));
    note("unlink", k->unlink(address.local.sun_path));
    note("connect", k->connect(fd, &address.any, address_size));
    k->close(fd);
}

static void play_all(void)
{
    epoll = k->epoll_create(EPOLL_CLOEXEC);
    connections();
    edges();
    ends();
    resets();
    windows();
    backlogs();
    k->close(epoll);
}

/* --- What has no family ------------------------------------------------------------------------------------------- */

static void eventfds(void)
{
    uint64_t number = 3;
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 5}};
    int fd = k->eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int inner = k->epoll_create(EPOLL_CLOEXEC);

    epoll = k->epoll_create(EPOLL_CLOEXEC);
    watch_for(fd, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);
    note("an instance in itself", k->epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event));
    events("eventfd", fd, 0);
    note("read", k->read(fd, &number, sizeof number));
    note("write", k->write(fd, &number, sizeof number));
    events("eventfd", fd, 100);
    events("eventfd", fd, 0);
    note("write", k->write(fd, &number, sizeof number));
    events("eventfd", fd, 100);
    note("read", k->read(fd, &number, sizeof number));
    note("number", (long long)number);
    note("write", k->write(fd, &number, 4));
    watch_for(fd, EPOLL_CTL_DEL, 0);
    /* One instance within another. */
    note("inner", k->epoll_ctl(inner, EPOLL_CTL_ADD, fd, &event));
    watch_for(inner, EPOLL_CTL_ADD, EPOLLIN);
    events("inner", inner, 0);
    note("write", k->write(fd, &number, sizeof number));
    events("inner", inner, 100);
    note("epoll_wait", k->epoll_wait(inner, &event, 1, 0));
    note("data", (long long)event.data.u64);
    note("read", k->read(fd, &number, sizeof number));
    events("inner", inner, 0);
    note("flags", k->fcntl(fd, F_GETFL, 0) & O_NONBLOCK);
    note("close-on-exec", k->fcntl(fd, F_GETFD, 0));
    note("recv", k->recv(fd, &number, 1, 0));
    k->close(fd);
    note("close", k->close(fd));
    note("read", k->read(fd, &number, sizeof number));
    k->close(inner);
    k->close(epoll);
}

/* --- Comparing ---------------------------------------------------------------------------------------------------- */

static void compare(void (*play)(void))
{
    static char system_text[sizeof text];
    struct edo_sim_options options = {.seed = 1, .latency_max = 0};

    if (EDO_TEST_EMULATED)
        skip();
    k = &edo_platform_system;
    used = 0;
    play();
    memcpy(system_text, text, used + 1);
    assert_int_equal(edo_sim_begin(&options), 0);
    k = &edo_sim->table;
    used = 0;
    play();
    edo_sim_end();
    if (strcmp(system_text, text) != 0) {
        const char *a = system_text;
        const char *b = text;
        int line = 1;

        for (; *a && *a == *b; a++, b++)
            line += *a == '\n';
        while (a > system_text && a[-1] != '\n')
            a--, b--;
        print_error("line %d: the system says \"%.*s\", the simulation \"%.*s\"; before that:\n%.*s", line,
                    (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b, (int)(a - system_text), system_text);
    }
    assert_string_equal(text, system_text);
}

static void test_tcp_over_ipv4(void **state)
{
    (void)state;
    family = AF_INET;
    compare(play_all);
}

static void test_tcp_over_ipv6(void **state)
{
    int fd;

    (void)state;
    family = AF_INET6;
    k = &edo_platform_system;
    any_address();
    fd = open_socket();
    if (fd < 0 || k->bind(fd, &address.any, address_size) < 0)
        skip(); /* a machine without IPv6 */
    k->close(fd);
    compare(play_all);
}

static void test_unix_sockets(void **state)
{
    (void)state;
    family = AF_UNIX;
    compare(play_all);
}

static void test_eventfds_and_nested_instances(void **state)
{
    (void)state;
    compare(eventfds);
}

/* --- What the system does not promise ----------------------------------------------------------------------------- */

/* Eight eventfds are written to, in order; which of them is reported first, and how many at once? */
static int first_of_eight(uint64_t seed, bool shuffle, int *count)
{
    struct edo_sim_options options = {.seed = seed, .shuffle = shuffle};
    struct epoll_event found[8];
    uint64_t one = 1;
    int seen = 0;
    int first = -1;
    int n;

    assert_int_equal(edo_sim_begin(&options), 0);
    k = &edo_sim->table;
    epoll = k->epoll_create(0);
    for (int i = 0; i < 8; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = i}};
        int fd = k->eventfd(0, 0);

        k->epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        k->write(fd, &one, sizeof one);
    }
    *count = k->epoll_wait(epoll, found, 8, 0);
    first = found[0].data.fd;
    for (n = *count; n > 0; n = k->epoll_wait(epoll, found, 8, 0)) /* each is reported once, if not at once */
        for (int i = 0; i < n; i++)
            seen |= 1 << found[i].data.fd;
    assert_int_equal(seen, 0xff);
    edo_sim_end();
    return first;
}

static void test_events_come_in_any_order_and_some_later(void **state)
{
    int firsts = 0;
    int fewer = 0;
    int count;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        firsts |= 1 << first_of_eight(seed, true, &count);
        fewer += count < 8;
    }
    assert_int_equal(firsts, 0xff);
    assert_in_range(fewer, 10, 90);
    assert_int_equal(first_of_eight(1, false, &count), 0);
    assert_int_equal(count, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_over_ipv4),
        cmocka_unit_test(test_tcp_over_ipv6),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_eventfds_and_nested_instances),
        cmocka_unit_test(test_events_come_in_any_order_and_some_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
