/* SPDX-License-Identifier: MIT */
/*
 * Streams over pipes and FIFOs: the same sources, waits and rules as over sockets, but other system calls. A write to a
 * pipe that nobody reads must not raise SIGPIPE, which write(2) has no flag for (platform.h, pipe_writev). An end has
 * one half of a stream. No data.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/fd_wait.h"

#include <errno.h>
#include <fcntl.h>

static ssize_t edo_pipe_recv(struct edo_source *source, void *buffer, size_t size)
{
    return edo_platform->read(source->fd, buffer, size);
}

static ssize_t edo_pipe_sendv(struct edo_source *source, const struct iovec *pieces, int count)
{
    return edo_platform->pipe_writev(source->fd, pieces, count);
}

static ssize_t edo_pipe_send(struct edo_source *source, const void *buffer, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)buffer, size};

    return edo_pipe_sendv(source, &piece, 1);
}

static int edo_pipe_shutdown(struct edo_source *source, int half)
{
    (void)source;
    (void)half;
    return -ENOTSOCK;
}

static bool edo_pipe_look(struct edo_source *source)
{
    return edo_fd_look(source->fd, 1 << EDO_IN) != 0;
}

static const struct edo_source_kind edo_pipe_kind = {
    .name = "a pipe",
    .recv = edo_pipe_recv,
    .send = edo_pipe_send,
    .sendv = edo_pipe_sendv,
    .shutdown = edo_pipe_shutdown,
    .look = edo_pipe_look,
};

void edo_pipe_open(struct edo_source *source, int fd, int flags)
{
    static const struct edo_beneath beneath = {&edo_pipe_kind};
    int mode = flags & O_ACCMODE;

    edo_source_open(source, fd);
    edo_source_set_kind(source, &beneath);
    /* What it has not got is closed already: the half that it has is all of it. */
    atomic_store_explicit(&source->halves,
                          mode == O_RDONLY   ? 1 << EDO_OUT
                          : mode == O_WRONLY ? 1 << EDO_IN
                                             : 0,
                          memory_order_relaxed);
}

int edo_pipe_check(int fd)
{
    struct stat status;
    int rc = edo_platform->fstat(fd, &status);

    return rc < 0 ? rc : S_ISFIFO(status.st_mode) ? 0 : -ENOTSOCK;
}
