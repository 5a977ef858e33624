/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that travel: over Unix streams and Unix datagrams, beside bytes, from one process to another (or to the
 * same). What arrives is a duplicate: the sender keeps his, and may close it as soon as it was sent.
 *
 * Calls are for tasks, and share their socket's reader and writer with the other calls on it: -EBUSY, -EBADF,
 * -ECANCELED as those return them; -EOPNOTSUPP for streams that are pipes or in memory. What was cancelled has sent or
 * taken nothing.
 */
#ifndef EDO_PASS_H
#define EDO_PASS_H

#include <edo/datagram.h>
#include <edo/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* So many at most in one call. */
#define EDO_PASS_MOST 253

/*
 * Sends bytes, at least one and at most `size`, and with the first of them `count` descriptors, 0 to EDO_PASS_MOST.
 * Waits only while there is no room. Returns how many bytes were sent: with them all descriptors were; the rest is for
 * edo_write_all. -EINVAL: a wrong count, or no bytes (a stream has no place for descriptors alone); -EOPNOTSUPP:
 * descriptors over what is no Unix socket; -EBADF also for a descriptor that is none; -ETOOMANYREFS: too many are under
 * way; -EPIPE and others of sendmsg(2). After an error nothing was sent.
 */
EDO_API ssize_t edo_send_fds(edo_stream *stream, const void *buffer, size_t size, const int *fds, int count);

/*
 * Reads as edo_read does, and takes the descriptors that come with what it reads: *count says how many `fds` has room
 * for, and then how many there are now, which may be 0. They are the caller's, and close-on-exec. Bytes behind those
 * that brought descriptors are left for the next call. 0: the stream's end; -EINVAL: no room for a byte, or *count
 * below 0.
 *
 * After one of these errors the bytes read are gone as well, and no descriptor is left open:
 *   -EMSGSIZE   more came than there was room for
 *   -EMFILE     the process could not take all of them (-EMFILE stands for whatever the system's reason was)
 * An edo_read closes, unseen, what comes with its bytes, and may leave what is behind them until more has come: who
 * expects descriptors reads by this call alone.
 */
EDO_API ssize_t edo_recv_fds(edo_stream *stream, void *buffer, size_t size, int *fds, int *count);

/*
 * The same with a datagram to the connected peer, which may have no bytes; and from anybody. -EMSGSIZE also for bytes
 * that were cut.
 */
EDO_API ssize_t edo_datagram_send_fds(edo_datagram *datagram, const void *buffer, size_t size, const int *fds,
                                      int count);
EDO_API ssize_t edo_datagram_recv_fds(edo_datagram *datagram, void *buffer, size_t size, int *fds, int *count);

/* Who is at the other end of a Unix stream: the process that connected, listened or made the pair, as it was then. */
typedef struct edo_credentials {
    pid_t process; /* 0: of another PID namespace */
    uid_t user;
    gid_t group;
} edo_credentials;

/* 0; -EOPNOTSUPP: not a Unix stream; -EBADF. Any thread. */
EDO_API int edo_stream_peer_credentials(edo_credentials *out, edo_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
