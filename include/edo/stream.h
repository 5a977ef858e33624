/* SPDX-License-Identifier: MIT */
/*
 * Streams: bytes in order, over TCP and Unix sockets, pipes and in memory; and listeners, which bring them.
 *
 * One task reads from a stream and one writes to it at a time (they may be two); a second reader or writer gets -EBUSY.
 * Any task may close it: calls that are at work on it then return -EBADF, and the descriptor goes when the last of them
 * has left. No call may begin after the close: the memory may be another stream's by then. All calls here are for tasks
 * (-EPERM elsewhere) unless they say otherwise. SIGPIPE is never raised.
 *
 * Cancellation (rules C2, C3): a call that returns -ECANCELED has moved no byte and lost no connection. edo_write_all
 * may have written a part; it tells how much.
 */
#ifndef EDO_STREAM_H
#define EDO_STREAM_H

#include <edo/addr.h>
#include <edo/base.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_stream edo_stream;
typedef struct edo_listener edo_listener;

typedef struct edo_listen_options {
    size_t size;
    int backlog;       /* 0: 4,096 (the kernel lowers it to net.core.somaxconn) */
    bool reuse_port;   /* SO_REUSEPORT: several listeners on one port share its connections */
    bool keep_delay;   /* leave Nagle's algorithm on for accepted TCP streams (default: TCP_NODELAY) */
    int64_t keepalive; /* TCP keep-alive probes after so long in silence; 0: none */
    bool unlink_stale; /* a Unix socket path that nobody listens on any more is removed first */
    /*
     * of accepted TCP streams: bytes that the kernel keeps of what the peer has not taken (SO_SNDBUF, which it
     * doubles); 0: as many as it sees fit, some MB
     */
    int send_buffer;
} edo_listen_options;

typedef struct edo_connect_options {
    size_t size;
    const edo_addr *bind; /* local address; NULL: any */
    bool keep_delay;
    int64_t keepalive;
    int64_t attempt_delay; /* of a name's addresses, the next is tried after so long without an answer; 0: 250 ms */
} edo_connect_options;

/* --- Listeners ---------------------------------------------------------------------------------------------------- */

/*
 * Listens on an address. edo_tcp_listen takes it as text: "127.0.0.1:8080", "[::1]:8080", ":0" (see edo_addr_parse).
 * edo_unix_listen takes a path as it is, or "@name" for an abstract one. SO_REUSEADDR is always set for TCP. 0;
 * -EADDRINUSE, -EACCES and others of bind(2) and listen(2); -EINVAL for an address that can't be parsed; -EMFILE,
 * -ENOMEM, -E2BIG.
 */
EDO_API int edo_listen(edo_listener **out, const edo_addr *address, const edo_listen_options *options);
EDO_API int edo_tcp_listen(edo_listener **out, const char *address, const edo_listen_options *options);
EDO_API int edo_unix_listen(edo_listener **out, const char *path, const edo_listen_options *options);

/*
 * Waits for a connection. 0 and a stream that is the caller's; -ECANCELED: no connection was taken; -EBADF: the
 * listener was closed meanwhile; -EBUSY: another task is accepting. Connections that died in the queue are passed over.
 * When the process is out of descriptors or memory, the call waits until some are free: the connections stay in the
 * kernel's queue.
 */
EDO_API int edo_accept(edo_stream **out, edo_listener *listener);

/* The address it listens on (with the port the kernel chose for ":0"). Any thread. */
EDO_API int edo_listener_addr(edo_addr *out, edo_listener *listener);

/* Closes; NULL is accepted. A Unix socket's path is removed. Not a suspension point. */
EDO_API void edo_listener_close(edo_listener *listener);
EDO_AUTO_DEFINE(edo_listener *, edo_listener_close);

/* --- Streams ------------------------------------------------------------------------------------------------------ */

/*
 * Connects. 0 and a stream that is the caller's; -ECONNREFUSED and others of connect(2); -ECANCELED: the attempt was
 * given up and its socket closed.
 *
 * edo_tcp_connect takes "host:port", a host name or an IP address, as edo_resolve does, whose errors it returns too
 * (edo/dns.h). Of a name with several addresses (with .bind, those of its family) they are tried in turn, at most 16,
 * the next one when one has failed, or has not answered within .attempt_delay, while the earlier ones go on ("happy
 * eyeballs", RFC 8305). The first connection is taken, all other attempts are given up and their sockets closed before
 * the call returns. When all have failed the error is the one that tells most: a refusal rather than a silence, a
 * silence rather than a missing route.
 */
EDO_API int edo_connect(edo_stream **out, const edo_addr *address, const edo_connect_options *options);
EDO_API int edo_tcp_connect(edo_stream **out, const char *address, const edo_connect_options *options);
EDO_API int edo_unix_connect(edo_stream **out, const char *path, const edo_connect_options *options);

/*
 * Makes a stream of a connected stream socket's descriptor (socketpair(2), socket activation), or of an end of a pipe
 * or a FIFO, which becomes the stream's. A pipe's end is read or written, the other call gives -EBADF, and there is
 * nothing to edo_shutdown (-ENOTSOCK): close it. 0; -ENOTSOCK for what is neither; -ESOCKTNOSUPPORT for datagrams and
 * the like; -EBADF, -ENOMEM. After an error it is still the caller's.
 */
EDO_API int edo_stream_from_fd(edo_stream **out, int fd);

/*
 * A stream in memory: two connected ends in one process. What is written to one is read from the other; `capacity`
 * bytes each way (0: 65,536) are taken before a writer waits for its reader. Everything in this header works on them
 * but what needs a descriptor: addresses, socket options (-ENOTSOCK) and edo_stream_fd (-ENOTSUP). The ends may be used
 * by tasks on any worker of the runtime, and belong to whoever has them: each is closed for itself. After one is closed
 * the other reads what was written before, then the end, and its writes give -EPIPE. 0; -ENOMEM: all memory is taken
 * here, none later.
 */
EDO_API int edo_duplex(edo_stream **a, edo_stream **b, size_t capacity);

/*
 * Reads what there is, at most `size` bytes: waits only while there is nothing. Returns the count, 0 at the end of the
 * stream (or for size 0), else -ECONNRESET and others of recv(2).
 */
EDO_API ssize_t edo_read(edo_stream *stream, void *buffer, size_t size);

/* Writes at least one byte, at most `size`; waits only while there is no room. Returns the count, else -EPIPE, ... */
EDO_API ssize_t edo_write(edo_stream *stream, const void *buffer, size_t size);
EDO_API ssize_t edo_writev(edo_stream *stream, const struct iovec *pieces, int count);

/*
 * Writes all of it. Returns `size`, or an error; edo_write_all_part also tells how much was written before it, in
 * *written (never NULL), which on success is `size`.
 */
EDO_API ssize_t edo_write_all(edo_stream *stream, const void *buffer, size_t size);
EDO_API ssize_t edo_write_all_part(size_t *written, edo_stream *stream, const void *buffer, size_t size);

/* Writes all pieces. `pieces` is used up as it goes. Returns the sum, or an error. */
EDO_API ssize_t edo_writev_all(edo_stream *stream, struct iovec *pieces, int count);

/*
 * The same without waiting: -EAGAIN where edo_read, edo_write and edo_writev would wait (then edo_wait_readable and
 * edo_wait_writable, which take a deadline). Readiness is a hint: after such a wait there may be nothing all the same.
 */
EDO_API ssize_t edo_try_read(edo_stream *stream, void *buffer, size_t size);
EDO_API ssize_t edo_try_write(edo_stream *stream, const void *buffer, size_t size);
EDO_API ssize_t edo_try_writev(edo_stream *stream, const struct iovec *pieces, int count);

/*
 * Says that nothing more will be written (read, both): shutdown(2). 0; -EINVAL; -ENOTCONN, -ENOTSOCK, -EBADF. Any
 * thread.
 */
enum edo_half { EDO_HALF_READ = 0, EDO_HALF_WRITE = 1, EDO_HALF_BOTH = 2 };
EDO_API int edo_shutdown(edo_stream *stream, int half);

/* Closes; NULL is accepted. Always closes, cancelled or not; never waits. Any thread of the runtime. */
EDO_API void edo_close(edo_stream *stream);
EDO_AUTO_DEFINE(edo_stream *, edo_close);

/*
 * Closing by halves: a stream whose reader and writer are different tasks is handed to both, and each closes its own
 * half. The second of the two closes the stream, so nobody has to know which comes last. NULL is accepted; like
 * edo_close these always close, never wait, and may be called from any thread of the runtime, and by EDO_AUTO.
 *
 *     rc = edo_spawn(scope, reader, stream);     // edo_stream *in EDO_AUTO(edo_close_read) = argument;
 *     if (rc < 0)
 *         edo_close_read(stream);                // a failed spawn leaves that half here; the writer's is not touched
 *
 * edo_close_write says at once that nothing more will be written: the other end reads what was written, then the end.
 * edo_close_read says, where that can be said (Unix sockets, streams in memory), that nothing more will be read: the
 * other end's writes give -EPIPE. Calls of that half that are at work return -EBADF; none may begin after it. The other
 * half is as it was. An end of a pipe has one half, and closing it closes the stream. Closing a half twice is misuse,
 * which builds with EDO_DEBUG_CHECKS abort on.
 *
 * edo_close closes both halves, or the one that is left.
 */
EDO_API void edo_close_read(edo_stream *stream);
EDO_API void edo_close_write(edo_stream *stream);
EDO_AUTO_DEFINE(edo_stream *, edo_close_read);
EDO_AUTO_DEFINE(edo_stream *, edo_close_write);

/* Waits until a read (a write) would not wait, consuming nothing. 0; -ETIMEDOUT; -ECANCELED; -EBADF; -EBUSY. */
EDO_API int edo_wait_readable(edo_stream *stream, int64_t deadline);
EDO_API int edo_wait_writable(edo_stream *stream, int64_t deadline);

/* The two ends' addresses. 0; -ENOTSOCK for what is no socket; -ENOTCONN and others of getsockname(2). Any thread. */
EDO_API int edo_stream_local(edo_addr *out, edo_stream *stream);
EDO_API int edo_stream_peer(edo_addr *out, edo_stream *stream);

/*
 * TCP_NODELAY; keep-alive probes after so long in silence (0: none). 0; -ENOTSOCK; or an error of setsockopt(2). Any
 * thread.
 */
EDO_API int edo_stream_set_nodelay(edo_stream *stream, bool on);
EDO_API int edo_stream_set_keepalive(edo_stream *stream, int64_t after);

/*
 * The descriptor itself: the exit to everything this header does not have. It stays the stream's, and non-blocking.
 * -ENOTSUP: the stream has none (edo_duplex). Any thread.
 */
EDO_API int edo_stream_fd(edo_stream *stream);

/* --- Foreign descriptors ------------------------------------------------------------------------------------------ */

enum edo_events { EDO_READABLE = 1, EDO_WRITABLE = 2 };

/*
 * Waits until a descriptor that belongs to other code (libpq, c-ares, an inotify fd) is readable or writable. One shot;
 * nothing stays registered (rule S2 f). Returns which of `events` came, errors and hang-ups counting as both;
 * -ETIMEDOUT; -ECANCELED; -EPERM for a descriptor that can't be waited for (a regular file) or outside a task; -EBADF;
 * -EINVAL. Don't close the descriptor while a task waits for it.
 */
EDO_API int edo_wait_fd(int fd, int events, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
