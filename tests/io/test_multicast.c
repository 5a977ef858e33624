/* SPDX-License-Identifier: MIT */
/*
 * Groups, on the loopback interface: who has joined gets what is sent there, who has left does not. Where that has no
 * route for IPv6 groups, as usual, the test says so, and membership alone is tested.
 */
#include "net.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

struct family {
    const char *group; /* whatever port */
    const char *other;
    const char *any;
};

static const struct family ip4 = {"239.255.77.7:0", "239.255.77.8:0", "0.0.0.0:0"};
static const struct family ip6 = {"[ff15::77:7]:0", "[ff15::77:8]:0", "[::]:0"};

static void send_to_group(edo_datagram *from, const edo_addr *group, int port, const char *text)
{
    edo_addr to = *group;

    CHECK_EQUAL(edo_addr_set_port(&to, port), 0);
    CHECK_EQUAL(edo_datagram_send_to(from, text, strlen(text), &to), strlen(text));
}

static void expect(edo_datagram *member, const char *text)
{
    char buffer[16];

    CHECK_EQUAL(edo_datagram_recv(member, buffer, sizeof buffer), strlen(text));
    CHECK(memcmp(buffer, text, strlen(text)) == 0);
}

static int members(void *argument)
{
    const struct family *family = argument;
    const edo_datagram_options *shared = EDO_OPTIONS(edo_datagram_options, .reuse_address = true);
    edo_datagram *one;
    edo_datagram *two;
    edo_datagram *sender;
    edo_addr address;
    edo_addr group;
    edo_addr other;
    char byte;
    int port;

    CHECK_EQUAL(edo_addr_parse(&group, family->group), 0);
    CHECK_EQUAL(edo_addr_parse(&other, family->other), 0);
    CHECK_EQUAL(edo_udp_bind(&one, family->any, shared), 0);
    CHECK_EQUAL(edo_datagram_local(&address, one), 0);
    CHECK_EQUAL(edo_datagram_bind(&two, &address, shared), 0);
    port = edo_addr_port(&address);
    CHECK_EQUAL(edo_datagram_join(one, &group, "lo"), 0);
    CHECK_EQUAL(edo_datagram_join(one, &group, "lo"), -EADDRINUSE);
    CHECK_EQUAL(edo_datagram_join(two, &group, "lo"), 0);
    CHECK_EQUAL(edo_datagram_open(&sender, address.at_.any.sa_family, NULL), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_interface(sender, "lo"), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(sender, 0), 0);

    send_to_group(sender, &group, port, "both");
    expect(one, "both");
    expect(two, "both");
    CHECK_EQUAL(edo_datagram_leave(two, &group, "lo"), 0);
    CHECK_EQUAL(edo_datagram_leave(two, &group, "lo"), -EADDRNOTAVAIL);
    CHECK_EQUAL(edo_datagram_join(two, &other, "lo"), 0);
    send_to_group(sender, &group, port, "one");
    send_to_group(sender, &other, port, "other");
    expect(two, "other"); /* and not what was for the group that it has left, though the other is still in it */
    expect(one, "one");
    CHECK_EQUAL(edo_datagram_try_recv(one, &byte, 1), -EAGAIN);
    CHECK_EQUAL(edo_datagram_try_recv(two, &byte, 1), -EAGAIN);
    edo_datagram_close(sender);
    edo_datagram_close(two);
    edo_datagram_close(one);
    return 0;
}

/* Whether the loopback interface takes multicast of that family, found out with plain calls. */
static bool loopback_takes(const struct family *family)
{
    edo_addr any;
    edo_addr group;
    const struct sockaddr *sockaddr;
    struct group_req request = {.gr_interface = if_nametoindex("lo")};
    socklen_t size;
    struct timeval patience = {1, 0};
    int lo = (int)request.gr_interface;
    struct ip_mreqn by = {.imr_ifindex = lo};
    bool six = family == &ip6;
    int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage here;
    socklen_t here_size = sizeof here;
    bool works = false;
    char byte;

    if (fd < 0)
        return false;
    edo_addr_parse(&any, family->any);
    edo_addr_parse(&group, family->group);
    sockaddr = edo_addr_sockaddr(&any, &size);
    if (bind(fd, sockaddr, size) == 0 && getsockname(fd, (struct sockaddr *)&here, &here_size) == 0) {
        edo_addr_from_sockaddr(&any, (struct sockaddr *)&here, here_size);
        edo_addr_set_port(&group, edo_addr_port(&any));
        sockaddr = edo_addr_sockaddr(&group, &size);
        memcpy(&request.gr_group, sockaddr, size);
        works = setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request) == 0 &&
                (six ? setsockopt(fd, level, IPV6_MULTICAST_IF, &lo, sizeof lo)
                     : setsockopt(fd, level, IP_MULTICAST_IF, &by, sizeof by)) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                sendto(fd, "x", 1, 0, sockaddr, size) == 1 && recv(fd, &byte, 1, 0) == 1;
    }
    close(fd);
    return works;
}

static void members_of(const struct family *family, const char *name)
{
    if (!loopback_takes(family)) {
        print_message("# the loopback interface takes no %s multicast here\n", name);
        skip();
    }
    assert_int_equal(net_run(1, members, (void *)(uintptr_t)family), 0);
}

static void test_members_get_what_is_sent_to_their_group_ip4(void **state)
{
    (void)state;
    members_of(&ip4, "IPv4");
}

static void test_members_get_what_is_sent_to_their_group_ip6(void **state)
{
    (void)state;
    members_of(&ip6, "IPv6");
}

static int option_of(edo_datagram *datagram, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    CHECK_EQUAL(getsockopt(edo_datagram_fd(datagram), level, name, &value, &size), 0);
    return size == 1 ? *(unsigned char *)&value : value;
}

static int options_and_errors(void *argument)
{
    edo_datagram *udp;
    edo_datagram *pair[2];
    edo_addr group;
    edo_addr local;
    edo_addr no_group;

    (void)argument;
    CHECK_EQUAL(edo_addr_parse(&group, "239.255.77.7:0"), 0);
    CHECK_EQUAL(edo_addr_parse(&no_group, "127.0.0.1:0"), 0);
    CHECK_EQUAL(edo_addr_parse(&local, "/a/path"), 0);
    CHECK_EQUAL(edo_udp_bind(&udp, "127.0.0.1:0", NULL), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(udp, 3), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IP, IP_MULTICAST_TTL), 3);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(udp, 0), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IP, IP_MULTICAST_TTL), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(udp, 256), -EINVAL);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(udp, -1), -EINVAL);
    CHECK_EQUAL(option_of(udp, IPPROTO_IP, IP_MULTICAST_LOOP), 1);
    CHECK_EQUAL(edo_datagram_set_multicast_loop(udp, false), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_interface(udp, NULL), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_interface(udp, "no-such-one"), -ENODEV);
    CHECK_EQUAL(edo_datagram_join(udp, &group, "no-such-one"), -ENODEV);
    CHECK_EQUAL(edo_datagram_join(udp, &no_group, "lo"), -EINVAL);
    CHECK_EQUAL(edo_datagram_join(udp, &local, "lo"), -EINVAL);
    CHECK_EQUAL(edo_datagram_join(udp, NULL, "lo"), -EINVAL);
    edo_datagram_close(udp);
    CHECK_EQUAL(edo_datagram_pair(pair), 0);
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(pair[0], 1), -EOPNOTSUPP);
    edo_datagram_close(pair[0]);
    edo_datagram_close(pair[1]);
    return 0;
}

static void test_multicast_options_are_set_and_checked(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, options_and_errors, NULL), 0);
}

/* Joining is another matter than sending: it needs no route. */
static int join_and_leave(void *argument)
{
    edo_datagram *udp;
    edo_addr group;
    int rc = edo_udp_bind(&udp, ip6.any, NULL);

    (void)argument;
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        return rc;
    CHECK_EQUAL(rc, 0);
    CHECK_EQUAL(edo_addr_parse(&group, ip6.group), 0);
    CHECK_EQUAL(edo_datagram_leave(udp, &group, "lo"), -EADDRNOTAVAIL);
    CHECK_EQUAL(edo_datagram_join(udp, &group, "lo"), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IPV6, IPV6_MULTICAST_ALL), 0);
    CHECK_EQUAL(edo_datagram_join(udp, &group, "lo"), -EADDRINUSE);
    CHECK_EQUAL(edo_datagram_leave(udp, &group, "lo"), 0);
    CHECK_EQUAL(edo_datagram_leave(udp, &group, "lo"), -EADDRNOTAVAIL);
    CHECK_EQUAL(edo_datagram_set_multicast_interface(udp, "lo"), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IPV6, IPV6_MULTICAST_IF), if_nametoindex("lo"));
    CHECK_EQUAL(edo_datagram_set_multicast_ttl(udp, 5), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 5);
    CHECK_EQUAL(edo_datagram_set_multicast_loop(udp, false), 0);
    CHECK_EQUAL(option_of(udp, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 0);
    edo_datagram_close(udp);
    return 0;
}

static void test_ip6_sockets_join_and_leave(void **state)
{
    int rc = net_run(1, join_and_leave, NULL);

    (void)state;
    if (rc < 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_members_get_what_is_sent_to_their_group_ip4, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_members_get_what_is_sent_to_their_group_ip6, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_ip6_sockets_join_and_leave, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_multicast_options_are_set_and_checked, net_begin, net_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
