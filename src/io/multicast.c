/* SPDX-License-Identifier: MIT */
/*
 * Groups of hosts, by the socket options that are the same for IPv4 and IPv6 (RFC 3678) where there are such. No data.
 */
#include "io/message.h"
#include "runtime/fork.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* linux/in6.h, which does not go with netinet/in.h */
#endif

/* 0 for NULL; -ENODEV. */
static int edo_interface_index(unsigned *out, const char *name)
{
    *out = name ? if_nametoindex(name) : 0;
    return name && *out == 0 ? -ENODEV : 0;
}

static int edo_multicast_set(edo_datagram *datagram, int level, int option, const void *value, socklen_t size)
{
    int rc = edo_in_forked_child() ? -EPERM : edo_source_begin(&datagram->source);

    if (rc < 0)
        return rc;
    rc = edo_platform->setsockopt(datagram->source.fd, level, option, value, size);
    edo_source_end(&datagram->source);
    return rc;
}

static int edo_multicast_member(edo_datagram *datagram, const edo_addr *group, const char *interface_name, int option)
{
    struct group_req request;
    const struct sockaddr *sockaddr;
    unsigned index;
    socklen_t size;
    int rc = edo_interface_index(&index, interface_name);

    if (rc < 0)
        return rc;
    if (!group || !group->size_ || group->at_.any.sa_family == AF_UNIX)
        return -EINVAL;
    memset(&request, 0, sizeof request);
    request.gr_interface = index;
    sockaddr = edo_addr_sockaddr(group, &size);
    memcpy(&request.gr_group, sockaddr, size);
    return edo_multicast_set(datagram, sockaddr->sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, option, &request,
                             sizeof request);
}

/* Unless told not to, Linux brings a socket what comes for any group that any socket of the machine is in. */
static int edo_multicast_only_joined(edo_datagram *datagram, const edo_addr *group)
{
    bool six = group->at_.any.sa_family == AF_INET6;
    int all = 0;
    int rc = edo_multicast_set(datagram, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL,
                               &all, sizeof all);

    return rc == -ENOPROTOOPT ? 0 : rc; /* before Linux 4.20 it is so for IPv6, and nothing can be done */
}

int edo_datagram_join(edo_datagram *datagram, const edo_addr *group, const char *interface_name)
{
    int rc = edo_multicast_member(datagram, group, interface_name, MCAST_JOIN_GROUP);

    return rc < 0 ? rc : edo_multicast_only_joined(datagram, group);
}

int edo_datagram_leave(edo_datagram *datagram, const edo_addr *group, const char *interface_name)
{
    return edo_multicast_member(datagram, group, interface_name, MCAST_LEAVE_GROUP);
}

/* The socket's family, or an error. */
static int edo_datagram_family(edo_datagram *datagram)
{
    socklen_t size = sizeof(int);
    int family = 0;
    int rc = edo_in_forked_child() ? -EPERM : edo_source_begin(&datagram->source);

    if (rc < 0)
        return rc;
    rc = edo_platform->getsockopt(datagram->source.fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    edo_source_end(&datagram->source);
    return rc < 0 ? rc : family;
}

/* An option that has another name in each family. */
static int edo_multicast_set_number(edo_datagram *datagram, int ip4, int ip6, int value)
{
    int family = edo_datagram_family(datagram);

    if (family < 0)
        return family;
    if (family == AF_UNIX)
        return -EOPNOTSUPP;
    return edo_multicast_set(datagram, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, family == AF_INET6 ? ip6 : ip4,
                             &value, sizeof value);
}

int edo_datagram_set_multicast_interface(edo_datagram *datagram, const char *interface_name)
{
    struct ip_mreqn ip4 = {.imr_ifindex = 0};
    unsigned index;
    int rc = edo_interface_index(&index, interface_name);
    int family = rc < 0 ? rc : edo_datagram_family(datagram);

    if (family == AF_INET) {
        ip4.imr_ifindex = (int)index;
        return edo_multicast_set(datagram, IPPROTO_IP, IP_MULTICAST_IF, &ip4, sizeof ip4);
    }
    return family < 0 ? family : edo_multicast_set_number(datagram, 0, IPV6_MULTICAST_IF, (int)index);
}

int edo_datagram_set_multicast_loop(edo_datagram *datagram, bool on)
{
    return edo_multicast_set_number(datagram, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

int edo_datagram_set_multicast_ttl(edo_datagram *datagram, int hops)
{
    if (hops < 0 || hops > 255)
        return -EINVAL;
    return edo_multicast_set_number(datagram, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops);
}
