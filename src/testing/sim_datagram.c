/* SPDX-License-Identifier: MIT */
/*
 * Simulated datagram sockets: UDP over IPv4 and IPv6, and Unix ones. See sim_socket.h for what they share with streams.
 *
 * What is sent is a packet, which belongs to the network until it arrives (sim_network.c), and then to the queue of the
 * socket that it came to. Over UDP it is asked on arrival who has the address: nobody, and a connected sender hears of
 * it; one, or in a group all members. Between Unix sockets it is there at once, or the sender must wait for room.
 *
 * Weather: of what goes over UDP some is lost, some comes twice, some overtakes what was sent before. By default none.
 */
#include "testing/random.h"
#include "testing/sim_socket.h"

#include <edo/base.h>

#include <netinet/in.h>
#include <string.h>

/*
 * A Unix queue holds one more than net.unix.max_dgram_qlen; a UDP one so many bytes, of which the kernel needs some
 * itself.
 */
enum { EDO_UNIX_QUEUE = 11, EDO_UDP_BUFFER = 212992, EDO_UDP_OVERHEAD = 576, EDO_UDP_MOST = 65507 };

/* A group that the socket is a member of. */
struct edo_sim_group {
    struct edo_link link;
    edo_addr address; /* port 0 */
    unsigned interface_index;
};

/* --- Names -------------------------------------------------------------------------------------------------------- */

static bool edo_is_group(const edo_addr *name)
{
    if (name->at_.any.sa_family == AF_INET)
        return IN_MULTICAST(ntohl(name->at_.ip4.sin_addr.s_addr));
    return name->at_.any.sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&name->at_.ip6.sin6_addr);
}

/* Everybody on the network, whom only a socket that said so may send to. */
static bool edo_is_forbidden(const struct edo_sim_socket *socket, const edo_addr *name)
{
    return name->at_.any.sa_family == AF_INET && name->at_.ip4.sin_addr.s_addr == htonl(INADDR_BROADCAST) &&
           !edo_sim_setting(socket, SOL_SOCKET, SO_BROADCAST);
}

/* An IPv4 address that was written as IPv6 has it becomes one. */
static void edo_addr_unmap(edo_addr *name)
{
    struct sockaddr_in ip4 = {.sin_family = AF_INET};

    if (name->at_.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&name->at_.ip6.sin6_addr))
        return;
    ip4.sin_port = name->at_.ip6.sin6_port;
    memcpy(&ip4.sin_addr, name->at_.ip6.sin6_addr.s6_addr + 12, sizeof ip4.sin_addr);
    edo_addr_from_sockaddr(name, (const struct sockaddr *)&ip4, sizeof ip4);
}

/* Where a packet that is sent to `to` comes from. */
static void edo_packet_source(edo_addr *out, const struct edo_sim_socket *socket, const edo_addr *to)
{
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    int port = edo_addr_port(&socket->local);

    *out = socket->local;
    if (socket->family == AF_INET6 && to->at_.any.sa_family == AF_INET) {
        edo_addr_unmap(out);
        if (out->at_.any.sa_family == AF_INET6) {
            edo_addr_from_sockaddr(out, (const struct sockaddr *)&ip4, sizeof ip4);
            edo_addr_set_port(out, port);
        }
    }
    edo_sim_addr_here(out);
}

/* --- Connecting --------------------------------------------------------------------------------------------------- */

static int edo_datagram_connect_unix(struct edo_sim_socket *socket, const edo_addr *name)
{
    struct edo_sim_socket *to;
    int rc = edo_sim_path_socket(&to, name, SOCK_DGRAM);

    if (rc < 0)
        return rc;
    if (to->to && to->to != socket)
        return -EPERM;
    socket->to = to;
    return 0;
}

int edo_sim_datagram_connect(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    edo_addr name;
    int rc;

    if (size >= sizeof address->sa_family && address->sa_family == AF_UNSPEC) {
        socket->state = EDO_SIM_FRESH;
        socket->to = NULL;
        return 0;
    }
    rc = edo_addr_from_sockaddr(&name, address, size);
    if (rc < 0)
        return rc;
    if ((int)name.at_.any.sa_family != socket->family)
        return socket->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (socket->family == AF_UNIX) {
        rc = edo_datagram_connect_unix(socket, &name);
    } else if (edo_is_forbidden(socket, &name)) {
        rc = -EACCES;
    } else {
        edo_sim_addr_here(&name);
        edo_sim_addr_here(&socket->local);
        rc = edo_sim_name_itself(socket);
    }
    if (rc < 0)
        return rc;
    socket->remote = name;
    socket->state = EDO_SIM_CONNECTED;
    socket->told = true;
    edo_sim_notify(&socket->file, 0);
    return 0;
}

int edo_sim_socketpair(int ends[2], int type)
{
    struct edo_sim_socket *pair[2];

    for (int i = 0; i < 2; i++) {
        ends[i] = edo_sim_socket(AF_UNIX, type);
        pair[i] = edo_sim_socket_from(edo_sim_file_of(ends[i]));
        pair[i]->state = EDO_SIM_CONNECTED;
    }
    pair[0]->to = pair[1];
    pair[1]->to = pair[0];
    return 0;
}

/* --- What holds --------------------------------------------------------------------------------------------------- */

static bool edo_unix_is_full(const struct edo_sim_socket *to)
{
    return to->packet_count >= EDO_UNIX_QUEUE;
}

uint32_t edo_sim_datagram_poll(struct edo_sim_socket *socket)
{
    uint32_t bits = socket->error ? EPOLLERR | EPOLLIN : 0;

    if (socket->packet_count > 0)
        bits |= EPOLLIN;
    if (!socket->to || !edo_unix_is_full(socket->to))
        bits |= EPOLLOUT;
    else
        socket->starved = true;
    return bits;
}

/* --- Receiving ---------------------------------------------------------------------------------------------------- */

/* Those that send here wait for room. */
static void edo_unix_taken(struct edo_sim_socket *socket)
{
    for (struct edo_link *link = edo_sim->sockets.next; link != &edo_sim->sockets; link = link->next) {
        struct edo_sim_socket *other = EDO_CONTAINER_OF(link, struct edo_sim_socket, link);

        if (other->to == socket && other->starved) {
            other->starved = false;
            edo_sim_notify(&other->file, EPOLLOUT);
        }
    }
}

/* Copies as much as there is room for: how much. */
static size_t edo_packet_copy(const struct msghdr *message, const struct edo_sim_packet *packet)
{
    size_t copied = 0;

    for (size_t i = 0; i < message->msg_iovlen && copied < packet->size; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        size_t part = piece->iov_len < packet->size - copied ? piece->iov_len : packet->size - copied;

        memcpy(piece->iov_base, packet->bytes + copied, part);
        copied += part;
    }
    return copied;
}

static void edo_packet_remove(struct edo_sim_socket *socket, struct edo_sim_packet *packet)
{
    edo_list_remove(&packet->link);
    socket->packet_count--;
    socket->packet_bytes -= packet->size + EDO_UDP_OVERHEAD;
    edo_platform_system.release(packet);
}

ssize_t edo_sim_datagram_recv(struct edo_sim_socket *socket, struct msghdr *message, int flags)
{
    struct edo_link *first = edo_list_first(&socket->packets);
    struct edo_sim_packet *packet = first ? EDO_CONTAINER_OF(first, struct edo_sim_packet, link) : NULL;
    int error = socket->error;
    size_t copied;
    size_t full;

    if (flags & ~(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC))
        return -EOPNOTSUPP;
    socket->error = 0;
    if (error)
        return -error;
    if (!packet)
        return -EAGAIN;
    copied = edo_packet_copy(message, packet);
    full = packet->size;
    message->msg_flags = copied < full ? MSG_TRUNC : 0;
    message->msg_controllen = 0;
    if (message->msg_name)
        edo_sim_name(&packet->from, (struct sockaddr *)message->msg_name, &message->msg_namelen);
    if (!(flags & MSG_PEEK)) {
        edo_packet_remove(socket, packet);
        if (socket->family == AF_UNIX)
            edo_unix_taken(socket);
    }
    return (ssize_t)(flags & MSG_TRUNC ? full : copied);
}

/* --- Sending ------------------------------------------------------------------------------------------------------ */

static void edo_packet_queue(struct edo_sim_socket *to, struct edo_sim_packet *packet)
{
    edo_list_insert_tail(&to->packets, &packet->link);
    to->packet_count++;
    to->packet_bytes += packet->size + EDO_UDP_OVERHEAD;
    edo_sim_notify(&to->file, EPOLLIN);
}

static struct edo_sim_packet *edo_packet_create(const edo_addr *from, const edo_addr *to, const void *bytes,
                                                size_t size)
{
    struct edo_sim_packet *packet = (struct edo_sim_packet *)edo_sim_allocate(sizeof *packet + size);

    packet->from = *from;
    packet->to = *to;
    packet->size = size;
    if (bytes)
        memcpy(packet->bytes, bytes, size);
    return packet;
}

static size_t edo_message_size(const struct msghdr *message)
{
    size_t size = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    return size;
}

static struct edo_sim_packet *edo_packet_of(const struct msghdr *message, const edo_addr *from, const edo_addr *to,
                                            size_t size)
{
    struct edo_sim_packet *packet = edo_packet_create(from, to, NULL, size);
    size_t at = 0;

    for (size_t i = 0; i < message->msg_iovlen; at += message->msg_iov[i].iov_len, i++)
        if (message->msg_iov[i].iov_len > 0)
            memcpy(packet->bytes + at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    return packet;
}

static ssize_t edo_datagram_send_unix(struct edo_sim_socket *socket, const struct msghdr *message, size_t size)
{
    struct edo_sim_socket *to = socket->to;
    edo_addr name;
    int rc = 0;

    if (message->msg_name) {
        rc = edo_addr_from_sockaddr(&name, (const struct sockaddr *)message->msg_name, message->msg_namelen);
        if (rc == 0)
            rc = edo_sim_path_socket(&to, &name, SOCK_DGRAM);
        if (rc < 0)
            return rc;
    } else if (socket->error) { /* its peer has gone */
        socket->error = 0;
        return -ECONNREFUSED;
    }
    if (!to)
        return -ENOTCONN;
    if (to->to && to->to != socket)
        return -EPERM;
    if (size > EDO_UDP_BUFFER - 32)
        return -EMSGSIZE;
    if (edo_unix_is_full(to)) {
        socket->starved = true;
        return -EAGAIN;
    }
    if (!socket->named)
        memset(&name, 0, sizeof name); /* it came from no address */
    else
        name = socket->local;
    edo_packet_queue(to, edo_packet_of(message, &name, &to->local, size));
    return (ssize_t)size;
}

static bool edo_weather(int in_thousand)
{
    return in_thousand > 0 && edo_random_below(&edo_sim->random, 1000) < (uint64_t)in_thousand;
}

static ssize_t edo_datagram_send_udp(struct edo_sim_socket *socket, const struct msghdr *message, size_t size)
{
    struct edo_sim *sim = edo_sim;
    struct edo_sim_packet *packet;
    edo_addr from;
    edo_addr to = socket->remote;
    int error = socket->error;
    int rc;

    if (message->msg_name) {
        rc = edo_addr_from_sockaddr(&to, (const struct sockaddr *)message->msg_name, message->msg_namelen);
        if (rc < 0)
            return rc;
        if ((int)to.at_.any.sa_family != socket->family && socket->family == AF_INET)
            return -EAFNOSUPPORT;
        if (edo_addr_port(&to) <= 0)
            return -EINVAL;
        if (edo_is_forbidden(socket, &to))
            return -EACCES;
    } else if (socket->state != EDO_SIM_CONNECTED) {
        return -EDESTADDRREQ;
    }
    socket->error = 0;
    if (error)
        return -error;
    if (size > EDO_UDP_MOST)
        return -EMSGSIZE;
    rc = edo_sim_name_itself(socket);
    if (rc < 0)
        return rc;
    edo_addr_unmap(&to);
    if (to.at_.any.sa_family == AF_INET && edo_sim_setting(socket, IPPROTO_IPV6, IPV6_V6ONLY))
        return -ENETUNREACH;
    edo_sim_addr_here(&to);
    edo_packet_source(&from, socket, &to);
    packet = edo_packet_of(message, &from, &to, size);
    if (edo_weather(sim->weather.losses)) {
        edo_platform_system.release(packet);
        return (ssize_t)size;
    }
    if (edo_weather(sim->weather.duplicates))
        edo_sim_post_packet(socket, edo_packet_create(&from, &to, packet->bytes, size),
                            edo_weather(sim->weather.reorderings));
    edo_sim_post_packet(socket, packet, edo_weather(sim->weather.reorderings));
    return (ssize_t)size;
}

ssize_t edo_sim_datagram_send(struct edo_sim_socket *socket, const struct msghdr *message)
{
    size_t size = edo_message_size(message);

    if (message->msg_controllen > 0) /* descriptors that are passed on */
        return -ENOTSUP;
    return socket->family == AF_UNIX ? edo_datagram_send_unix(socket, message, size)
                                     : edo_datagram_send_udp(socket, message, size);
}

/* --- Arriving ----------------------------------------------------------------------------------------------------- */

static bool edo_addr_same_host(const edo_addr *a, const edo_addr *b)
{
    edo_addr one = *a;

    edo_addr_set_port(&one, edo_addr_port(b));
    return edo_addr_equal(&one, b);
}

/* How well the socket fits what has come from there to there; 0: not at all. A connected one hears its peer alone. */
static int edo_datagram_fits(const struct edo_sim_socket *socket, const struct edo_sim_packet *packet)
{
    edo_addr remote = socket->remote;

    if (socket->type != SOCK_DGRAM || !edo_sim_answers(socket, &packet->to))
        return 0;
    if (socket->state != EDO_SIM_CONNECTED)
        return 1;
    edo_addr_unmap(&remote);
    return edo_addr_equal(&remote, &packet->from) ? 2 : 0;
}

static bool edo_datagram_is_member(const struct edo_sim_socket *socket, const edo_addr *group)
{
    for (struct edo_link *link = socket->groups.next; link != &socket->groups; link = link->next)
        if (edo_addr_same_host(&EDO_CONTAINER_OF(link, struct edo_sim_group, link)->address, group))
            return true;
    return false;
}

/* A member gets what is sent to the group where it would get what is sent to itself: at any address, or the group's. */
static bool edo_datagram_in_group(const struct edo_sim_socket *socket, const struct edo_sim_packet *packet)
{
    return edo_datagram_fits(socket, packet) > 0 && edo_datagram_is_member(socket, &packet->to);
}

/* What there is no room for is dropped, as it would be. */
static void edo_datagram_take(struct edo_sim_socket *socket, const struct edo_sim_packet *packet)
{
    int asked = edo_sim_setting(socket, SOL_SOCKET, SO_RCVBUF);
    size_t most = asked > 0 ? 2 * (size_t)asked : EDO_UDP_BUFFER;
    struct edo_sim_packet *copy;

    if (socket->packet_bytes + packet->size + EDO_UDP_OVERHEAD > most)
        return;
    copy = edo_packet_create(&packet->from, &packet->to, packet->bytes, packet->size);
    if (socket->family == AF_INET6 && copy->from.at_.any.sa_family == AF_INET)
        edo_sim_addr_map(&copy->from, &packet->from);
    edo_packet_queue(socket, copy);
}

static void edo_datagram_refuse(struct edo_sim_socket *from, const struct edo_sim_packet *packet)
{
    edo_addr remote = from->remote;

    edo_addr_unmap(&remote);
    if (!from->closed && from->state == EDO_SIM_CONNECTED && edo_addr_equal(&remote, &packet->to))
        edo_sim_post(from, EDO_SIM_REFUSED, 0, 0);
}

void edo_sim_datagram_arrive(struct edo_sim_socket *from, struct edo_sim_packet *packet)
{
    bool group = edo_is_group(&packet->to);
    struct edo_sim_socket *found = NULL;
    uint64_t count = 0;
    int best = 1;

    for (struct edo_link *link = edo_sim->bound.next; link != &edo_sim->bound; link = link->next) {
        struct edo_sim_socket *socket = EDO_CONTAINER_OF(link, struct edo_sim_socket, bound_link);
        int fit = group ? 0 : edo_datagram_fits(socket, packet);

        if (group && edo_datagram_in_group(socket, packet))
            edo_datagram_take(socket, packet);
        if (fit < best)
            continue;
        count = fit > best ? 1 : count + 1;
        best = fit;
        if (count == 1 || edo_random_below(&edo_sim->random, count) == 0)
            found = socket;
    }
    if (found)
        edo_datagram_take(found, packet);
    else if (!group)
        edo_datagram_refuse(from, packet);
    edo_platform_system.release(packet);
}

void edo_sim_datagram_refused(struct edo_sim_socket *socket)
{
    socket->error = ECONNREFUSED;
    edo_sim_notify(&socket->file, 0);
}

/* --- Groups, and the end ------------------------------------------------------------------------------------------ */

int edo_sim_datagram_group(struct edo_sim_socket *socket, bool join, const struct group_req *request)
{
    struct edo_sim_group *group;
    edo_addr address;
    int rc = edo_addr_from_sockaddr(&address, (const struct sockaddr *)&request->gr_group, sizeof request->gr_group);

    if (rc < 0 || !edo_is_group(&address))
        return -EINVAL;
    edo_addr_set_port(&address, 0);
    for (struct edo_link *link = socket->groups.next; link != &socket->groups; link = link->next) {
        group = EDO_CONTAINER_OF(link, struct edo_sim_group, link);
        if (!edo_addr_equal(&group->address, &address) || group->interface_index != request->gr_interface)
            continue;
        if (join)
            return -EADDRINUSE;
        edo_list_remove(link);
        edo_platform_system.release(group);
        return 0;
    }
    if (!join)
        return -EADDRNOTAVAIL;
    group = (struct edo_sim_group *)edo_sim_allocate(sizeof *group);
    group->address = address;
    group->interface_index = request->gr_interface;
    edo_list_insert_tail(&socket->groups, &group->link);
    return 0;
}

void edo_sim_datagram_close(struct edo_sim_socket *socket)
{
    struct edo_link *link;

    while ((link = edo_list_first(&socket->packets)))
        edo_packet_remove(socket, EDO_CONTAINER_OF(link, struct edo_sim_packet, link));
    while ((link = edo_list_take_first(&socket->groups)))
        edo_platform_system.release(EDO_CONTAINER_OF(link, struct edo_sim_group, link));
    if (socket->type != SOCK_DGRAM || socket->family != AF_UNIX)
        return;
    for (link = edo_sim->sockets.next; link != &edo_sim->sockets; link = link->next) {
        struct edo_sim_socket *other = EDO_CONTAINER_OF(link, struct edo_sim_socket, link);

        if (other->to != socket)
            continue;
        other->to = NULL;
        other->error = ECONNREFUSED;
        edo_sim_notify(&other->file, 0);
    }
}
