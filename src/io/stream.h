/* SPDX-License-Identifier: MIT */
/*
 * What is inside a stream and a listener: a source (runtime/poller.h), first, since the conditions of dormant tasks
 * name streams by it.
 */
#ifndef EDO_IO_STREAM_H
#define EDO_IO_STREAM_H

#include "runtime/misuse.h"
#include "runtime/poller.h"
#include "runtime/task.h"

#include <edo/stream.h>

struct edo_stream {
    struct edo_source source;
};

struct edo_listener {
    struct edo_source *source;
    char *path; /* of a Unix socket, to be removed; NULL: none */
};

/*
 * When the task's budget is spent: others have a turn, while the caller is a user of the source. -EBADF: it is closed.
 */
int edo_source_enter_turn(struct edo_source *source, struct edo_task *task);

/*
 * The beginning of every call on a stream or a listener, in a task: spends budget, asks for cancellation, and the
 * caller becomes a user of the source; 0, or what the call returns. If others have a turn here, it is a user before:
 * they may close the stream, and open another one that lies in its place. The task runs on *thread, which may be
 * another one afterwards. Notes the place (task.h).
 */
static inline __attribute__((always_inline)) int edo_source_enter(struct edo_source *source, struct edo_thread **thread,
                                                                  struct edo_task *task)
{
    EDO_MISUSE_IF(edo_thread_in_region(edo_thread_self()), EDO_IN_REGION);
    if (__builtin_expect(--task->budget < 0, 0)) {
        int rc = edo_source_enter_turn(source, task);

        *thread = edo_thread_self();
        if (rc < 0)
            return rc;
    }
    edo_task_note_place(task);
    return __builtin_expect(edo_task_cancelled(task), 0) ? -ECANCELED : edo_source_begin(source);
}

/* --- What streams stand on ---------------------------------------------------------------------------------------- */

extern const struct edo_source_kind edo_socket_kind; /* stream_socket.c */

static inline const struct edo_source_kind *edo_source_kind_of(const struct edo_source *source)
{
    return source->beneath ? source->beneath->kind : &edo_socket_kind;
}

/* What a call that has moved so much returns: an end, or a refusal, may come of the half's being closed meanwhile. */
static inline ssize_t edo_source_told(struct edo_source *source, int direction, ssize_t moved)
{
    bool refused = direction == EDO_IN ? moved == 0 : moved == -EPIPE;

    return __builtin_expect(refused, 0) && edo_source_half_closed(source, direction) ? -EBADF : moved;
}

/* --- stream.c ----------------------------------------------------------------------------------------------------- */

/*
 * After a syscall has transferred `moved` of `size` bytes, or failed. True: it is the call's result. A short transfer
 * says that the kernel has no more (no more room), unless a hang-up hides behind it (S2 d).
 */
static inline bool edo_stream_settle(struct edo_source *source, int direction, uint32_t seen, ssize_t moved,
                                     size_t size)
{
    if (__builtin_expect(moved > 0, 1)) {
        if ((size_t)moved < size && !(seen & EDO_HUP))
            edo_source_drained(source, direction, seen);
        return true;
    }
    if (moved == -EAGAIN)
        edo_source_drained(source, direction, seen);
    return moved != -EAGAIN && moved != -EINTR;
}

/* Reads some, as a user of the source. With `task` NULL it does not wait: -EAGAIN. */
ssize_t edo_stream_receive(struct edo_source *source, void *buffer, size_t size, struct edo_task *task);

/*
 * Writes what is left after `done` bytes of `size`, as a user of the source, and stops being one. *written: how much in
 * all.
 */
ssize_t edo_stream_write_rest(size_t *written, edo_stream *stream, const void *buffer, size_t size, size_t done);

/* --- stream_pipe.c ------------------------------------------------------------------------------------------------ */

/* Opens the source with a pipe's end; `flags` are those of open(2): which halves it has. */
void edo_pipe_open(struct edo_source *source, int fd, int flags);

/* For a descriptor that is no socket: 0 if it is a pipe's or a FIFO's end, else -ENOTSOCK. */
int edo_pipe_check(int fd);

/* --- socket.c ----------------------------------------------------------------------------------------------------- */

/* The address of a Unix socket's path, taken as it is; "@name" is an abstract name. -EINVAL, -ENAMETOOLONG. */
int edo_unix_addr(edo_addr *out, const char *path);

/*
 * A non-blocking, close-on-exec socket of the address's family, connected or listening later. A descriptor or an error.
 */
int edo_socket_open(const edo_addr *address);

/* TCP options; an address family without them is left alone. */
int edo_socket_set_nodelay(int fd, bool on);
int edo_socket_set_keepalive(int fd, int64_t after);

/* An end's address; `ask` is the platform's getsockname or getpeername. */
int edo_socket_name(edo_addr *out, int fd, int (*ask)(int fd, struct sockaddr *address, socklen_t *size));

#endif
