/* SPDX-License-Identifier: MIT */
/*
 * Select: waiting for one of several things.
 *
 *     enum { JOB, DONE, TICK };
 *     edo_arm arms[] = {
 *         [JOB] = EDO_RECV(jobs, &job),
 *         [DONE] = EDO_SEND(done, &result),
 *         [TICK] = EDO_AFTER(EDO_SEC(1)),
 *     };
 *     switch (edo_select(arms, EDO_COUNT(arms))) {
 *     case JOB: ...
 *
 * Exactly one arm happens, and its number is returned; the others have not happened (rule C6): no value was taken from
 * or put into their channels, no handle released. Among several that can happen at once each has its turn.
 */
#ifndef EDO_SELECT_H
#define EDO_SELECT_H

#include <edo/base.h>
#include <edo/broadcast.h>
#include <edo/channel.h>
#include <edo/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One arm. Filled in by the functions below; `rc` is for the caller to read, the rest is the library's. */
typedef struct edo_arm {
    int rc; /* of the arm that happened: 0, or what the operation alone would have returned (-EPIPE: channel closed) */
    int what_;
    void *object_;
    void *value_;
    size_t size_;
    int64_t time_;
    uint64_t *next_;
    int number_;
    int events_;
    uint64_t reserved_[13];
} edo_arm;

enum { EDO_ARMS_MOST = 64 };

struct edo_stream;

/*
 * Waits until one of the arms happens. Returns its index; -ECANCELED: none has happened, and the scope is cancelled;
 * -EINVAL: an arm is wrong (its rc is -EINVAL; values of another size, a handle of another runtime), or more than 64;
 * -EDEADLK: the handle is the caller's own; -EPERM outside a task.
 *
 * An arm that cannot be waited for happens too, with the error in its rc: -EBUSY, another task waits for the same
 * direction of the stream, or for the same handle; -EBADF, the stream is closed; for descriptors those of epoll_ctl(2)
 * (-EPERM: a regular file). An arm whose object is NULL never happens, so one can be switched off; with none left and
 * no default select waits until it is cancelled.
 *
 * The arms are read, and `rc` of the one that happened is written; the array may be used again as it is: EDO_AFTER
 * counts from each call anew. A channel may be destroyed by the party that made the arm happen there; the other arms'
 * channels when select has returned.
 */
EDO_API int edo_select(edo_arm *arms, size_t count);

/* Receives a value, as edo_recv does; sends one, as edo_send does. rc: 0, -EPIPE, -ENOMEM. */
#define EDO_RECV(channel, value) edo_arm_recv((channel), (value), sizeof *(value))
#define EDO_SEND(channel, value) edo_arm_send((channel), (value), sizeof *(value))
/*
 * Hears a broadcast's next value, as edo_hear does; a watch's next version, as edo_watch_changed does. rc: how many
 * were missed in between (at most INT_MAX), or -EPIPE.
 */
#define EDO_HEAR(value, subscription)      edo_arm_hear_sized((value), (subscription), sizeof *(value))
#define EDO_CHANGED(value, version, watch) edo_arm_changed_sized((value), (version), (watch), sizeof *(value))
/* After so long from the call on; at a time. */
#define EDO_AFTER(duration) edo_arm_after(duration)
#define EDO_AT(deadline)    edo_arm_at(deadline)
/* When the task has ended: takes its result and releases the handle, as edo_join does. */
#define EDO_JOINED(result, task) edo_arm_joined((result), (task))
/*
 * When a read (a write) on the stream would not wait, or would fail: consumes nothing. rc: 0, -EBADF. Room to write is
 * what is remembered of it, until a write has found none: who must not wait writes by edo_try_write.
 */
#define EDO_CAN_READ(stream)  edo_arm_readable(stream)
#define EDO_CAN_WRITE(stream) edo_arm_writable(stream)
/*
 * When a foreign descriptor is readable or writable, as edo_wait_fd waits. rc: which of the events came, or an error.
 */
#define EDO_FD(fd, events) edo_arm_fd((fd), (events))
/* At once, if no other arm can happen at once. */
#define EDO_DEFAULT edo_arm_default()

/* The functions beneath: each makes an arm, a plain value, and does nothing else. Any thread. */
EDO_API edo_arm edo_arm_recv(edo_channel *channel, void *value, size_t size);
EDO_API edo_arm edo_arm_send(edo_channel *channel, const void *value, size_t size);
EDO_API edo_arm edo_arm_hear_sized(void *value, edo_subscription *subscription, size_t size);
EDO_API edo_arm edo_arm_changed_sized(void *value, uint64_t *version, edo_watch *watch, size_t size);
EDO_API edo_arm edo_arm_after(int64_t duration);
EDO_API edo_arm edo_arm_at(int64_t deadline);
EDO_API edo_arm edo_arm_joined(int *result, edo_task *task);
EDO_API edo_arm edo_arm_readable(struct edo_stream *stream);
EDO_API edo_arm edo_arm_writable(struct edo_stream *stream);
EDO_API edo_arm edo_arm_fd(int fd, int events);
EDO_API edo_arm edo_arm_default(void);

#ifdef __cplusplus
}
#endif

#endif
