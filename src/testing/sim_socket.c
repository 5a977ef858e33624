/* SPDX-License-Identifier: MIT */
/*
 * Simulated sockets: names, listening, connecting, options, and their end. See sim_socket.h.
 *
 * Every IP address is there to be bound: the network has as many hosts as are spoken of. A socket that has not bound
 * one speaks from the loopback address.
 */
#include "testing/random.h"
#include "testing/sim_socket.h"

#include <edo/base.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

enum { EDO_PORT_FIRST = 32768, EDO_PORT_LAST = 60999, EDO_BACKLOG_MOST = 4096, EDO_ASKED_MOST = 6 };

/* --- Names of IP sockets ------------------------------------------------------------------------------------------ */

static bool edo_is_any(const edo_addr *name)
{
    if (name->at_.any.sa_family == AF_INET)
        return name->at_.ip4.sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&name->at_.ip6.sin6_addr);
}

/* An IPv4 address as sockets of IPv6 see it. */
void edo_sim_addr_map(edo_addr *out, const edo_addr *ip4)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = ip4->at_.ip4.sin_port};

    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    memcpy(mapped.sin6_addr.s6_addr + 12, &ip4->at_.ip4.sin_addr, 4);
    edo_addr_from_sockaddr(out, (const struct sockaddr *)&mapped, sizeof mapped);
}

/* The empty name of a family: what a socket has before it is bound. */
static void edo_addr_empty(edo_addr *out, int family)
{
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    socklen_t size = family == AF_INET    ? sizeof(struct sockaddr_in)
                     : family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : (socklen_t)sizeof(sa_family_t);

    edo_addr_from_sockaddr(out, (const struct sockaddr *)&storage, size);
}

/* The loopback address in the place of none. */
void edo_sim_addr_here(edo_addr *name)
{
    if (!edo_is_any(name))
        return;
    if (name->at_.any.sa_family == AF_INET)
        name->at_.ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        name->at_.ip6.sin6_addr = in6addr_loopback;
}

int edo_sim_setting(const struct edo_sim_socket *socket, int level, int name)
{
    for (int i = 0; i < socket->setting_count; i++)
        if (socket->settings[i].level == level && socket->settings[i].name == name)
            return socket->settings[i].value;
    return 0;
}

/* Whether a listener is spoken to by that name. */
bool edo_sim_answers(const struct edo_sim_socket *listener, const edo_addr *name)
{
    edo_addr mapped;

    if (edo_addr_port(&listener->local) != edo_addr_port(name))
        return false;
    if (listener->family == AF_INET6 && name->at_.any.sa_family == AF_INET) {
        if (edo_sim_setting(listener, IPPROTO_IPV6, IPV6_V6ONLY))
            return false;
        edo_sim_addr_map(&mapped, name);
        name = &mapped;
    }
    if (listener->family != (int)name->at_.any.sa_family)
        return false;
    return edo_is_any(&listener->local) || edo_addr_equal(&listener->local, name);
}

/* Whether it is at any IPv6 address, and with that, unless it said otherwise, at any of IPv4. */
static bool edo_is_any_of_both(const struct edo_sim_socket *socket)
{
    return socket->family == AF_INET6 && edo_is_any(&socket->local) &&
           !edo_sim_setting(socket, IPPROTO_IPV6, IPV6_V6ONLY);
}

/* Whether two may not both have their names. */
static bool edo_in_the_way(const struct edo_sim_socket *one, const struct edo_sim_socket *other)
{
    if ((one->family != other->family && !edo_is_any_of_both(one) && !edo_is_any_of_both(other)) ||
        one->type != other->type || edo_addr_port(&one->local) != edo_addr_port(&other->local) ||
        (edo_sim_setting(one, SOL_SOCKET, SO_REUSEPORT) && edo_sim_setting(other, SOL_SOCKET, SO_REUSEPORT)))
        return false;
    if (other->state != EDO_SIM_LISTENING && edo_sim_setting(one, SOL_SOCKET, SO_REUSEADDR) &&
        edo_sim_setting(other, SOL_SOCKET, SO_REUSEADDR))
        return false;
    return edo_is_any(&one->local) || edo_is_any(&other->local) || edo_addr_equal(&one->local, &other->local);
}

static bool edo_name_is_taken(const struct edo_sim_socket *socket)
{
    for (struct edo_link *link = edo_sim->bound.next; link != &edo_sim->bound; link = link->next) {
        struct edo_sim_socket *other = EDO_CONTAINER_OF(link, struct edo_sim_socket, bound_link);

        if (other != socket && edo_in_the_way(socket, other))
            return true;
    }
    return false;
}

static int edo_port_choose(struct edo_sim_socket *socket)
{
    struct edo_sim *sim = edo_sim;

    for (int i = EDO_PORT_FIRST; i <= EDO_PORT_LAST; i++) {
        sim->next_port =
            sim->next_port < EDO_PORT_FIRST || sim->next_port >= EDO_PORT_LAST ? EDO_PORT_FIRST : sim->next_port + 1;
        edo_addr_set_port(&socket->local, sim->next_port);
        if (!edo_name_is_taken(socket))
            return 0;
    }
    edo_addr_set_port(&socket->local, 0);
    return -EADDRINUSE;
}

int edo_sim_name_itself(struct edo_sim_socket *socket)
{
    int rc = socket->named ? 0 : edo_port_choose(socket);

    if (rc < 0 || socket->named)
        return rc;
    socket->named = true;
    edo_list_insert_tail(&edo_sim->bound, &socket->bound_link);
    return 0;
}

/* --- Names of Unix sockets ---------------------------------------------------------------------------------------- */

struct edo_sim_path *edo_sim_path_find(const edo_addr *name)
{
    for (struct edo_link *link = edo_sim->paths.next; link != &edo_sim->paths; link = link->next) {
        struct edo_sim_path *path = EDO_CONTAINER_OF(link, struct edo_sim_path, link);

        if (edo_addr_equal(&path->name, name))
            return path;
    }
    return NULL;
}

struct edo_sim_path *edo_sim_path_find_text(const char *text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(text);
    edo_addr name;

    if (edo_list_empty(&edo_sim->paths) || size == 0 || size >= sizeof address.sun_path)
        return NULL;
    memcpy(address.sun_path, text, size);
    if (edo_addr_from_sockaddr(&name, (struct sockaddr *)&address,
                               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1)) < 0)
        return NULL;
    return edo_sim_path_find(&name);
}

void edo_sim_path_remove(struct edo_sim_path *path)
{
    edo_list_remove(&path->link);
    edo_platform_system.release(path);
}

static bool edo_is_abstract(const edo_addr *name)
{
    return name->at_.local.sun_path[0] == '\0';
}

int edo_sim_path_socket(struct edo_sim_socket **out, const edo_addr *name, int type)
{
    struct edo_sim_path *path = edo_sim_path_find(name);

    if (!path && !edo_is_abstract(name))
        return -ENOENT;
    if (!path || !path->socket)
        return -ECONNREFUSED;
    if (path->socket->type != type) /* abstract names are other ones for each type */
        return edo_is_abstract(name) ? -ECONNREFUSED : -EPROTOTYPE;
    *out = path->socket;
    return 0;
}

static void edo_path_leave(struct edo_sim_socket *socket)
{
    struct edo_sim_path *path = socket->family == AF_UNIX && socket->named ? edo_sim_path_find(&socket->local) : NULL;

    if (!path || path->socket != socket)
        return;
    if (edo_is_abstract(&path->name))
        edo_sim_path_remove(path);
    else
        path->socket = NULL;
}

/* --- The calls ---------------------------------------------------------------------------------------------------- */

static struct edo_sim_socket *edo_socket_create(int family, int type)
{
    struct edo_sim_socket *socket = (struct edo_sim_socket *)edo_sim_allocate(sizeof *socket);

    socket->file.fd = -1;
    socket->family = family;
    socket->type = type;
    edo_addr_empty(&socket->local, family);
    edo_addr_empty(&socket->remote, family);
    edo_list_init(&socket->queue);
    edo_list_init(&socket->packets);
    edo_list_init(&socket->groups);
    edo_list_insert_tail(&edo_sim->sockets, &socket->link);
    return socket;
}

int edo_sim_socket(int domain, int type)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);

    return edo_sim_file_open(&edo_socket_create(domain, type & ~flags)->file, &edo_sim_socket_kind, O_RDWR | flags);
}

int edo_sim_bind(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    edo_addr name;
    int rc = edo_addr_from_sockaddr(&name, address, size);

    if (rc < 0)
        return rc;
    if (socket->named || socket->state != EDO_SIM_FRESH)
        return -EINVAL;
    if ((int)name.at_.any.sa_family != socket->family)
        return socket->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (socket->family == AF_UNIX) {
        struct edo_sim_path *path;

        if (edo_sim_path_find(&name))
            return -EADDRINUSE;
        path = (struct edo_sim_path *)edo_sim_allocate(sizeof *path);
        path->name = name;
        path->socket = socket;
        edo_list_insert_tail(&edo_sim->paths, &path->link);
        socket->local = name;
    } else {
        socket->local = name;
        rc = edo_addr_port(&name) == 0 ? edo_port_choose(socket) : edo_name_is_taken(socket) ? -EADDRINUSE : 0;
        if (rc < 0) {
            edo_addr_empty(&socket->local, socket->family);
            return rc;
        }
        edo_list_insert_tail(&edo_sim->bound, &socket->bound_link);
    }
    socket->named = true;
    return 0;
}

int edo_sim_listen(struct edo_sim_socket *socket, int backlog)
{
    if (socket->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (socket->state != EDO_SIM_FRESH && socket->state != EDO_SIM_LISTENING)
        return -EINVAL;
    if (socket->family == AF_UNIX) {
        if (!socket->named)
            return -EINVAL;
    } else if (!socket->named) {
        int rc = edo_sim_name_itself(socket);

        if (rc < 0)
            return rc;
    } else if (edo_name_is_taken(socket)) {
        return -EADDRINUSE;
    }
    socket->state = EDO_SIM_LISTENING;
    socket->backlog = backlog < 0 || backlog > EDO_BACKLOG_MOST ? EDO_BACKLOG_MOST : backlog;
    return 0;
}

int edo_sim_accept(struct edo_sim_socket *listener, struct sockaddr *address, socklen_t *size, int flags)
{
    struct edo_link *link;
    struct edo_sim_socket *socket;
    int rc;

    if (listener->state != EDO_SIM_LISTENING)
        return -EINVAL;
    link = edo_list_take_first(&listener->queue);
    if (!link)
        return -EAGAIN;
    listener->queued--;
    socket = EDO_CONTAINER_OF(link, struct edo_sim_socket, queue_link);
    rc = edo_sim_file_open(&socket->file, &edo_sim_socket_kind, O_RDWR | (flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)));
    if (address)
        edo_sim_name(&socket->remote, address, size);
    return rc;
}

/*
 * The listener that is spoken to: one by that very name rather than by any; of several, which share it, one or another.
 */
static struct edo_sim_socket *edo_listener_find(const edo_addr *name)
{
    struct edo_sim_socket *found = NULL;
    uint64_t count = 0;

    for (struct edo_link *link = edo_sim->bound.next; link != &edo_sim->bound; link = link->next) {
        struct edo_sim_socket *socket = EDO_CONTAINER_OF(link, struct edo_sim_socket, bound_link);

        if (socket->state != EDO_SIM_LISTENING || !edo_sim_answers(socket, name))
            continue;
        if (found && edo_is_any(&socket->local) != edo_is_any(&found->local)) {
            if (!edo_is_any(&found->local))
                continue;
            count = 0;
        }
        count++;
        if (count == 1 || edo_random_below(&edo_sim->random, count) == 0)
            found = socket;
    }
    return found;
}

/* Puts the other end of a connection into the listener's queue. */
static void edo_connection_create(struct edo_sim_socket *listener, struct edo_sim_socket *client)
{
    struct edo_sim_socket *server = edo_socket_create(listener->family, SOCK_STREAM);

    if (server->family == AF_INET6 && client->family == AF_INET) {
        edo_sim_addr_map(&server->local, &client->remote);
        edo_sim_addr_map(&server->remote, &client->local);
    } else {
        server->local = client->remote;
        server->remote = client->local;
    }
    memcpy(server->settings, listener->settings, sizeof server->settings);
    server->setting_count = listener->setting_count;
    server->state = EDO_SIM_CONNECTED;
    server->told = true;
    server->peer = client;
    client->peer = server;
    edo_list_insert_tail(&listener->queue, &server->queue_link);
    listener->queued++;
    edo_sim_notify(&listener->file, EPOLLIN);
}

static int edo_connect_unix(struct edo_sim_socket *socket, const edo_addr *name)
{
    struct edo_sim_socket *listener;
    int rc = edo_sim_path_socket(&listener, name, SOCK_STREAM);

    if (rc < 0)
        return rc;
    if (listener->state != EDO_SIM_LISTENING)
        return -ECONNREFUSED;
    if (listener->queued > listener->backlog)
        return -EAGAIN;
    socket->remote = *name;
    socket->state = EDO_SIM_CONNECTED;
    socket->told = true;
    edo_connection_create(listener, socket);
    edo_sim_notify(&socket->file, 0);
    return 0;
}

/* What an earlier attempt has come to. */
static int edo_connect_again(struct edo_sim_socket *socket)
{
    int error = socket->error;

    if (socket->state == EDO_SIM_CONNECTING)
        return -EALREADY;
    if (socket->state == EDO_SIM_CONNECTED) {
        int rc = socket->told ? -EISCONN : 0;

        socket->told = true;
        return rc;
    }
    socket->error = 0;
    socket->state = EDO_SIM_FRESH; /* it may try again */
    return error ? -error : -ECONNABORTED;
}

int edo_sim_connect(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    edo_addr name;
    int rc;

    if (socket->type == SOCK_DGRAM)
        return edo_sim_datagram_connect(socket, address, size);
    rc = edo_addr_from_sockaddr(&name, address, size);
    if (rc < 0)
        return rc;
    if (socket->state == EDO_SIM_LISTENING)
        return socket->family == AF_UNIX ? -EINVAL : -EISCONN;
    if (socket->state != EDO_SIM_FRESH)
        return edo_connect_again(socket);
    if ((int)name.at_.any.sa_family != socket->family)
        return socket->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (socket->family == AF_UNIX)
        return edo_connect_unix(socket, &name);
    edo_sim_addr_here(&name);
    edo_sim_addr_here(&socket->local);
    if (edo_addr_port(&socket->local) == 0 && (rc = edo_port_choose(socket)) < 0)
        return rc;
    socket->remote = name;
    socket->state = EDO_SIM_CONNECTING;
    edo_sim_post(socket, EDO_SIM_ASKED, 0, 0);
    return -EINPROGRESS;
}

/* --- What comes of it --------------------------------------------------------------------------------------------- */

/* The attempt has failed: whoever asks next is told why. */
static void edo_connect_fail(struct edo_sim_socket *socket, int error)
{
    socket->state = EDO_SIM_FAILED;
    socket->error = error;
    edo_sim_notify(&socket->file, 0);
}

/* At the other host. A listener whose queue is full says nothing, so it is asked again, after 1 s, 2 s, ... */
static void edo_connect_asked(struct edo_sim_socket *client, uint64_t before)
{
    struct edo_sim_socket *listener = edo_listener_find(&client->remote);

    if (client->closed)
        return;
    if (!listener) {
        edo_sim_post(client, EDO_SIM_REFUSED, 0, 0);
    } else if (listener->queued <= listener->backlog) {
        edo_connection_create(listener, client);
        edo_sim_post(client, EDO_SIM_ESTABLISHED, 0, 0);
    } else if (before < EDO_ASKED_MOST) {
        edo_sim_post(client, EDO_SIM_ASKED, before + 1, EDO_SEC(1) << before);
    } else {
        edo_connect_fail(client, ETIMEDOUT);
    }
}

void edo_sim_arrive(struct edo_sim_socket *to, int what, uint64_t upto)
{
    edo_trace_add("arrive", (uint64_t)(to->file.fd < 0 ? -1 : to->file.fd - EDO_SIM_FIRST), what);
    if (what == EDO_SIM_PACKET) {
        edo_sim_datagram_arrive(to, (struct edo_sim_packet *)(uintptr_t)upto);
    } else if (what == EDO_SIM_ASKED) {
        edo_connect_asked(to, upto);
    } else if (what == EDO_SIM_REFUSED) {
        if (to->type == SOCK_DGRAM)
            edo_sim_datagram_refused(to);
        else if (!to->closed)
            edo_connect_fail(to, ECONNREFUSED);
    } else if (what == EDO_SIM_ESTABLISHED && !to->closed) {
        to->state = EDO_SIM_CONNECTED;
        edo_sim_notify(&to->file, 0);
    } else {
        edo_sim_stream_arrive(to, what, upto);
    }
}

/* --- Options and names -------------------------------------------------------------------------------------------- */

int edo_sim_setsockopt(struct edo_sim_socket *socket, int level, int name, const void *value, socklen_t size)
{
    int at = 0;

    if (size < sizeof(int))
        return -EINVAL;
    if (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP)
        return size < sizeof(struct group_req)
                   ? -EINVAL
                   : edo_sim_datagram_group(socket, name == MCAST_JOIN_GROUP, (const struct group_req *)value);
    while (at < socket->setting_count && (socket->settings[at].level != level || socket->settings[at].name != name))
        at++;
    if (at == (int)EDO_COUNT(socket->settings))
        return -ENOBUFS;
    if (at == socket->setting_count)
        socket->setting_count++;
    socket->settings[at] = (struct edo_sim_setting){.level = level, .name = name};
    memcpy(&socket->settings[at].value, value, sizeof(int));
    return 0;
}

int edo_sim_getsockopt(struct edo_sim_socket *socket, int level, int name, void *value, socklen_t *size)
{
    int found = edo_sim_setting(socket, level, name);

    if (*size < sizeof found)
        return -EINVAL;
    if (level == SOL_SOCKET && name == SO_TYPE)
        found = socket->type;
    if (level == SOL_SOCKET && name == SO_DOMAIN)
        found = socket->family;
    if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
        found = socket->state == EDO_SIM_LISTENING;
    if (level == SOL_SOCKET && name == SO_ERROR) {
        found = socket->error;
        socket->error = 0;
    }
    memcpy(value, &found, sizeof found);
    *size = sizeof found;
    return 0;
}

int edo_sim_name(const edo_addr *name, struct sockaddr *address, socklen_t *size)
{
    socklen_t full;
    const struct sockaddr *from = edo_addr_sockaddr(name, &full);

    if (full > 0) /* else it has none */
        memcpy(address, from, full < *size ? full : *size);
    *size = full;
    return 0;
}

/* --- The end ------------------------------------------------------------------------------------------------------ */

static void edo_socket_free(struct edo_sim_socket *socket)
{
    edo_list_remove(&socket->link);
    edo_sim_datagram_close(socket);
    edo_platform_system.release(socket->buffer);
    edo_platform_system.release(socket);
}

void edo_sim_settle(struct edo_sim_socket *socket)
{
    struct edo_sim_socket *peer = socket->peer;

    if (!socket->closed || socket->pending > 0 || (peer && (!peer->closed || peer->pending > 0)))
        return;
    if (peer)
        edo_socket_free(peer);
    edo_socket_free(socket);
}

static uint32_t edo_socket_poll(struct edo_sim_file *file)
{
    struct edo_sim_socket *socket = edo_sim_socket_from(file);

    if (socket->type == SOCK_DGRAM)
        return edo_sim_datagram_poll(socket);
    if (socket->state == EDO_SIM_LISTENING)
        return socket->queued > 0 ? EPOLLIN : 0;
    return edo_sim_stream_poll(socket);
}

static void edo_socket_close(struct edo_sim_file *file)
{
    struct edo_sim_socket *socket = edo_sim_socket_from(file);
    struct edo_link *link;

    socket->closed = true;
    edo_path_leave(socket);
    if (edo_list_linked(&socket->bound_link))
        edo_list_remove(&socket->bound_link);
    while ((link = edo_list_take_first(&socket->queue))) { /* those that wait to be accepted */
        struct edo_sim_socket *waiting = EDO_CONTAINER_OF(link, struct edo_sim_socket, queue_link);

        waiting->closed = true;
        edo_sim_stream_reset(waiting);
        edo_sim_settle(waiting);
    }
    edo_sim_datagram_close(socket);
    edo_sim_stream_close(socket);
    edo_sim_settle(socket);
}

const struct edo_sim_kind edo_sim_socket_kind = {edo_socket_poll, edo_socket_close};

void edo_sim_sockets_finish(struct edo_sim *sim)
{
    struct edo_link *link;

    while ((link = edo_list_first(&sim->sockets)))
        edo_socket_free(EDO_CONTAINER_OF(link, struct edo_sim_socket, link));
    while ((link = edo_list_first(&sim->paths)))
        edo_sim_path_remove(EDO_CONTAINER_OF(link, struct edo_sim_path, link));
}
