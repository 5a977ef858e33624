/* SPDX-License-Identifier: MIT */
/*
 * Simulated sockets: TCP and UDP over IPv4 and IPv6, and Unix ones. sim_socket.c has their names and connections,
 * sim_stream.c what streams send, sim_datagram.c what datagram sockets do.
 *
 * Each stream socket has a buffer for what comes to it, EDO_SIM_WINDOW bytes in a ring, and three positions in the
 * stream: `sent` by its peer, of which `arrived` here, of which `taken` by readers. The peer may send until `sent` is a
 * window before `taken`.
 *
 * A socket outlives its descriptor while the peer has one, or news are on their way to either. Of a connection both are
 * freed at once, since each may be looked at by the other until then.
 */
#ifndef EDO_TESTING_SIM_SOCKET_H
#define EDO_TESTING_SIM_SOCKET_H

#include "testing/sim.h"

#include "base/container.h"

#include <errno.h>
#include <netinet/in.h>

enum edo_sim_state {
    EDO_SIM_FRESH = 0,
    EDO_SIM_LISTENING,
    EDO_SIM_CONNECTING,
    EDO_SIM_CONNECTED,
    EDO_SIM_FAILED /* to connect, or reset */
};

/* A socket option that was set, to be told again. */
struct edo_sim_setting {
    int level;
    int name;
    int value;
};

struct edo_sim_socket {
    struct edo_sim_file file; /* first */
    struct edo_link link;     /* in sim->sockets */
    int family;
    int type;
    uint8_t state; /* enum edo_sim_state */
    bool closed;   /* it has no descriptor any more (one that waits to be accepted has none yet) */
    bool told;     /* connect(2) has reported success */
    int error;     /* for the next call that asks */
    edo_addr local;
    edo_addr remote;
    bool named; /* `local` was asked for, or chosen */
    struct edo_link bound_link;
    struct edo_sim_setting settings[16];
    int setting_count;

    /* A listener. */
    struct edo_link queue; /* connections to be accepted, by queue_link */
    struct edo_link queue_link;
    int queued;
    int backlog;

    /* A connection. */
    struct edo_sim_socket *peer;
    unsigned char *buffer; /* what comes in; allocated with the first byte */
    uint64_t sent;
    uint64_t arrived;
    uint64_t taken;
    bool got_end;   /* the peer sends no more, and all has come */
    bool shut_read; /* shutdown(2) */
    bool shut_write;
    bool reset;
    bool starved; /* a call found no room at the peer: writability is news */

    /* A datagram socket. */
    struct edo_link packets; /* to be received, by link */
    size_t packet_count;
    size_t packet_bytes;
    struct edo_link groups;    /* struct edo_sim_group */
    struct edo_sim_socket *to; /* a Unix one's peer */

    /* News on their way here; packets on their way from here. */
    int64_t last; /* nothing that is sent later arrives before */
    int pending;
};

/* A datagram that was sent. */
struct edo_sim_packet {
    struct edo_link link;
    edo_addr from;
    edo_addr to;
    size_t size;
    unsigned char bytes[];
};

static inline struct edo_sim_socket *edo_sim_socket_from(struct edo_sim_file *file)
{
    return EDO_CONTAINER_OF(file, struct edo_sim_socket, file);
}

extern const struct edo_sim_kind edo_sim_socket_kind;

/* --- sim_socket.c ------------------------------------------------------------------------------------------------- */

struct edo_sim_path {
    struct edo_link link;
    edo_addr name;
    struct edo_sim_socket *socket; /* NULL: a stale path */
};

/* The answers are those of the calls of these names. */
int edo_sim_socket(int domain, int type);
int edo_sim_bind(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size);
int edo_sim_listen(struct edo_sim_socket *socket, int backlog);
int edo_sim_accept(struct edo_sim_socket *listener, struct sockaddr *address, socklen_t *size, int flags);
int edo_sim_connect(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size);
int edo_sim_name(const edo_addr *name, struct sockaddr *address, socklen_t *size);
int edo_sim_setsockopt(struct edo_sim_socket *socket, int level, int name, const void *value, socklen_t size);
int edo_sim_getsockopt(struct edo_sim_socket *socket, int level, int name, void *value, socklen_t *size);

/* The socket's name of a Unix socket, which exists as long as it is not unlinked; NULL if there is none. */
struct edo_sim_path *edo_sim_path_find(const edo_addr *name);
struct edo_sim_path *edo_sim_path_find_text(const char *path);
void edo_sim_path_remove(struct edo_sim_path *path);

/* Which socket of that type has a Unix name: 0; -ENOENT, -ECONNREFUSED, -EPROTOTYPE. */
int edo_sim_path_socket(struct edo_sim_socket **out, const edo_addr *name, int type);

/*
 * Names of IP sockets: the loopback address in the place of none; an IPv4 address as sockets of IPv6 see it; whether a
 * socket is spoken to by that name; a name for one that has none.
 */
void edo_sim_addr_here(edo_addr *name);
void edo_sim_addr_map(edo_addr *out, const edo_addr *ip4);
bool edo_sim_answers(const struct edo_sim_socket *socket, const edo_addr *name);
int edo_sim_name_itself(struct edo_sim_socket *socket);

/* What an option was set to, 0 if it was not. */
int edo_sim_setting(const struct edo_sim_socket *socket, int level, int name);

/* News have arrived. */
void edo_sim_arrive(struct edo_sim_socket *to, int what, uint64_t upto);

/* Frees the socket, and its peer, if nobody will look at them again. */
void edo_sim_settle(struct edo_sim_socket *socket);

void edo_sim_sockets_finish(struct edo_sim *sim);

/* --- sim_stream.c ------------------------------------------------------------------------------------------------- */

uint32_t edo_sim_stream_poll(struct edo_sim_socket *socket);
ssize_t edo_sim_recv(struct edo_sim_socket *socket, void *buffer, size_t size, int flags);
ssize_t edo_sim_send(struct edo_sim_socket *socket, const struct iovec *pieces, size_t count);
int edo_sim_shutdown(struct edo_sim_socket *socket, int how);

/* What a close, or a reset by whoever stands between, does to a connection. */
void edo_sim_stream_close(struct edo_sim_socket *socket);
void edo_sim_stream_reset(struct edo_sim_socket *socket);

/* Bytes, the end or a reset have arrived. */
void edo_sim_stream_arrive(struct edo_sim_socket *to, int what, uint64_t upto);

/* --- sim_datagram.c ----------------------------------------------------------------------------------------------- */

uint32_t edo_sim_datagram_poll(struct edo_sim_socket *socket);
int edo_sim_datagram_connect(struct edo_sim_socket *socket, const struct sockaddr *address, socklen_t size);
int edo_sim_socketpair(int ends[2], int type);
ssize_t edo_sim_datagram_recv(struct edo_sim_socket *socket, struct msghdr *message, int flags);
ssize_t edo_sim_datagram_send(struct edo_sim_socket *socket, const struct msghdr *message);
int edo_sim_datagram_group(struct edo_sim_socket *socket, bool join, const struct group_req *request);
void edo_sim_datagram_close(struct edo_sim_socket *socket);

/* A packet has come to where it was sent, which frees it; the answer that nobody is there has come back. */
void edo_sim_datagram_arrive(struct edo_sim_socket *from, struct edo_sim_packet *packet);
void edo_sim_datagram_refused(struct edo_sim_socket *socket);

#endif
