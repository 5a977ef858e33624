/* SPDX-License-Identifier: MIT */
/*
 * Datagrams: messages that arrive whole or not at all, over UDP and Unix sockets. One at a time or many in one system
 * call; to one peer, or with an address each; to groups of hosts (multicast).
 *
 *     edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
 *     int rc = edo_udp_bind(&server, "127.0.0.1:7777", NULL);
 *
 *     while (rc >= 0) {
 *         char buffer[1500];
 *         edo_addr from;
 *         ssize_t n = edo_datagram_recv_from(server, buffer, sizeof buffer, &from);
 *
 *         rc = (int)(n < 0 ? n : edo_datagram_send_to(server, buffer, (size_t)n, &from));
 *     }
 *
 * One task receives from a socket and one sends at a time (they may be two); a second one that has to wait gets -EBUSY.
 * Any task may close it: calls that are at work on it then return -EBADF. No call may begin after the close: the memory
 * may be another socket's by then. All calls are for tasks (-EPERM elsewhere) unless they say otherwise.
 *
 * No datagram is cut in silence: one that is larger than the buffer is told by -EMSGSIZE, or in its
 * edo_datagram_message. A datagram of no bytes is one: receiving it returns 0, which is not an end, as there is none.
 *
 * Cancellation (rules C2, C3): a call that returns -ECANCELED has sent nothing, and what has arrived stays where it is.
 *
 * UDP promises nothing: what was sent may be lost, come twice, or in another order. That nobody listens there is told,
 * if at all, to the next call on a connected socket, as -ECONNREFUSED: once, and the socket is as good as before. Unix
 * datagrams come, in order; who sends waits while the receiver has too many (net.unix.max_dgram_qlen).
 */
#ifndef EDO_DATAGRAM_H
#define EDO_DATAGRAM_H

#include <edo/addr.h>
#include <edo/base.h>
#include <edo/select.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_datagram edo_datagram;

typedef struct edo_datagram_options {
    size_t size;
    const edo_addr *bind; /* where one that is opened or connected is bound; NULL: anywhere, when it first sends */
    bool reuse_address;   /* SO_REUSEADDR: several sockets have one address, for multicast */
    bool reuse_port;      /* SO_REUSEPORT: several sockets share what comes to one port */
    bool broadcast;       /* SO_BROADCAST: may send to broadcast addresses (-EACCES without) */
    bool ip6_only;        /* an IPv6 socket takes no IPv4 */
    bool unlink_stale;    /* a Unix path that no socket has any more is removed first */
    int ttl; /* hops that what is sent may take, 1 to 255; 0: the system's default. Not multicast: see below */
    /* bytes that wait to be received; 0: the system's default. It may give less (net.core.rmem_max) */
    int receive_buffer;
    int send_buffer;
} edo_datagram_options;

/* --- Opening and closing ------------------------------------------------------------------------------------------ */

/*
 * A socket that is bound, or connected: it sends to that peer, and receives from there only. edo_udp_* take the address
 * as text: "127.0.0.1:53", "[::1]:53", ":0" (edo_addr_parse); edo_unix_datagram_* a path as it is, or "@name" for an
 * abstract one. None waits, nor sends anything. A path stays when its socket is closed (edo_path_unlink,
 * .unlink_stale).
 *
 * 0; -EADDRINUSE, -EACCES and others of bind(2) and connect(2) (-ECONNREFUSED, -ENOENT for Unix); -EINVAL for an
 * address that can't be parsed, or a number out of range; -EAFNOSUPPORT; -EMFILE, -ENOBUFS, -ENOMEM, -E2BIG.
 */
EDO_API int edo_udp_bind(edo_datagram **out, const char *address, const edo_datagram_options *options);
EDO_API int edo_udp_connect(edo_datagram **out, const char *address, const edo_datagram_options *options);
EDO_API int edo_unix_datagram_bind(edo_datagram **out, const char *path, const edo_datagram_options *options);
EDO_API int edo_unix_datagram_connect(edo_datagram **out, const char *path, const edo_datagram_options *options);
EDO_API int edo_datagram_bind(edo_datagram **out, const edo_addr *address, const edo_datagram_options *options);
EDO_API int edo_datagram_connect(edo_datagram **out, const edo_addr *address, const edo_datagram_options *options);

/* One of AF_INET, AF_INET6, AF_UNIX that is neither (.bind may bind it). -EAFNOSUPPORT for another family. */
EDO_API int edo_datagram_open(edo_datagram **out, int family, const edo_datagram_options *options);

/* Two Unix sockets, connected to each other. */
EDO_API int edo_datagram_pair(edo_datagram *out[2]);

/*
 * Takes a datagram socket that somebody else made: sets it non-blocking and close-on-exec. 0; -ESOCKTNOSUPPORT for
 * streams and the like; -ENOTSOCK, -EBADF, -ENOMEM. After an error it is still the caller's.
 */
EDO_API int edo_datagram_from_fd(edo_datagram **out, int fd);

/*
 * Connects to another peer; with NULL to none, any may send again. 0, or an error of connect(2). Never waits. Any task.
 */
EDO_API int edo_datagram_set_peer(edo_datagram *datagram, const edo_addr *peer);

/* Closes; NULL is accepted. Always closes, cancelled or not; never waits. Any thread of the runtime. */
EDO_API void edo_datagram_close(edo_datagram *datagram);
EDO_AUTO_DEFINE(edo_datagram *, edo_datagram_close);

/* --- One at a time ------------------------------------------------------------------------------------------------ */

/*
 * Waits for a datagram. Returns its size, which may be 0, and in *from where it came from (NULL: not wanted; all zero,
 * no address: a Unix socket that has none). -EMSGSIZE: it was larger than `size`, and what did not fit is gone; the
 * buffer has its beginning. -ECONNREFUSED and others of recv(2) are told once.
 */
EDO_API ssize_t edo_datagram_recv(edo_datagram *datagram, void *buffer, size_t size);
EDO_API ssize_t edo_datagram_recv_from(edo_datagram *datagram, void *buffer, size_t size, edo_addr *from);

/*
 * Sends a datagram, to the connected peer or to an address; waits only while there is no room. Returns `size`;
 * -EMSGSIZE: larger than such datagrams can be; -EDESTADDRREQ, -ENOTCONN: without peer and address; -ENOBUFS: the
 * network card's queue is full; -ECONNREFUSED, -ENETUNREACH and others of send(2). After an error nothing was sent.
 */
EDO_API ssize_t edo_datagram_send(edo_datagram *datagram, const void *buffer, size_t size);
EDO_API ssize_t edo_datagram_send_to(edo_datagram *datagram, const void *buffer, size_t size, const edo_addr *to);

/* The same without waiting: -EAGAIN where those would wait. */
EDO_API ssize_t edo_datagram_try_recv(edo_datagram *datagram, void *buffer, size_t size);
EDO_API ssize_t edo_datagram_try_recv_from(edo_datagram *datagram, void *buffer, size_t size, edo_addr *from);
EDO_API ssize_t edo_datagram_try_send(edo_datagram *datagram, const void *buffer, size_t size);
EDO_API ssize_t edo_datagram_try_send_to(edo_datagram *datagram, const void *buffer, size_t size, const edo_addr *to);

/*
 * Waits until there is a datagram or an error to receive (room to send), consuming nothing. 0; -ETIMEDOUT; -ECANCELED;
 * -EBADF; -EBUSY. Readiness is a hint: a datagram whose checksum is wrong is dropped when it is received.
 */
EDO_API int edo_datagram_wait_readable(edo_datagram *datagram, int64_t deadline);
EDO_API int edo_datagram_wait_writable(edo_datagram *datagram, int64_t deadline);

/* The same as an arm of edo_select. Conditions of dormant tasks take a datagram socket as they take a stream:
 * EDO_WHEN_READABLE(datagram). */
#define EDO_CAN_RECEIVE(datagram) edo_arm_datagram_readable(datagram)
EDO_API edo_arm edo_arm_datagram_readable(edo_datagram *datagram);

/* --- Many at a time ----------------------------------------------------------------------------------------------- */

/* So many at most in one call, which is one system call. */
#define EDO_DATAGRAM_BATCH 64

typedef struct edo_datagram_message {
    void *buffer;
    size_t size;      /* of the buffer, or of what is sent */
    edo_addr address; /* where it came from; where to send it, all zero: to the connected peer */
    size_t received;  /* bytes in the buffer */
    size_t full;      /* bytes that the datagram had; more than `received`: the rest is gone */
} edo_datagram_message;

/*
 * Receives those that are there, at most `count`, in order; waits only while there is none. Returns how many, 1 at
 * least (0 for count 0): so many messages are filled in, and no more datagrams were taken. An error is returned if it
 * came before the first, else by the next call.
 */
EDO_API ssize_t edo_datagram_recv_many(edo_datagram *datagram, edo_datagram_message *messages, size_t count);

/*
 * Sends the first of `count`, in order, as many as there is room for; waits only while there is none. Returns how many
 * were sent, 1 at least (0 for count 0), others were not. An error is that of the first one; whoever sends those that
 * are left meets the error of the one that stopped it.
 */
EDO_API ssize_t edo_datagram_send_many(edo_datagram *datagram, const edo_datagram_message *messages, size_t count);

/* The same without waiting: -EAGAIN. */
EDO_API ssize_t edo_datagram_try_recv_many(edo_datagram *datagram, edo_datagram_message *messages, size_t count);
EDO_API ssize_t edo_datagram_try_send_many(edo_datagram *datagram, const edo_datagram_message *messages, size_t count);

/* --- Multicast ---------------------------------------------------------------------------------------------------- */

/*
 * Joins and leaves a group, an IPv4 or IPv6 multicast address whose port does not matter, on an interface by name
 * (NULL: the system chooses). Its datagrams come if the socket is bound to their port, at any address ("0.0.0.0",
 * "[::]") or at the group's own; those of groups that only others have joined do not. 0; -EADDRINUSE: a member already;
 * -EADDRNOTAVAIL: not a member; -EINVAL: no such group; -ENODEV: no such interface, or no descriptor left to ask for it
 * by; -ENOBUFS: in too many groups. Any thread.
 */
EDO_API int edo_datagram_join(edo_datagram *datagram, const edo_addr *group, const char *interface_name);
EDO_API int edo_datagram_leave(edo_datagram *datagram, const edo_addr *group, const char *interface_name);

/*
 * For what is sent to groups: the interface that it leaves by (NULL: the system chooses); whether members on this
 * machine get it too (they do unless told not to); hops that it may take, 0 (stays on this machine) to 255 (at first
 * 1). 0, -ENODEV, -EINVAL and others of setsockopt(2). Any thread.
 */
EDO_API int edo_datagram_set_multicast_interface(edo_datagram *datagram, const char *interface_name);
EDO_API int edo_datagram_set_multicast_loop(edo_datagram *datagram, bool on);
EDO_API int edo_datagram_set_multicast_ttl(edo_datagram *datagram, int hops);

/* --- About a socket ----------------------------------------------------------------------------------------------- */

/* Its address, and its peer's. 0; -ENOTCONN and others of getsockname(2). Any thread. */
EDO_API int edo_datagram_local(edo_addr *out, edo_datagram *datagram);
EDO_API int edo_datagram_peer(edo_addr *out, edo_datagram *datagram);

/* The descriptor itself: the exit to everything this header does not have. It stays the socket's, and non-blocking. */
EDO_API int edo_datagram_fd(edo_datagram *datagram);

#ifdef __cplusplus
}
#endif

#endif
