/* SPDX-License-Identifier: MIT */
/*
 * Streams over pipes and FIFOs: the same sources, waits and rules as over sockets, but other system calls. A write to a pipe
 * that nobody reads must not raise SIGPIPE, which write(2) has no flag for (platform.h, pipe_writev). No data.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/fd_wait.h"

#include <errno.h>

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

const struct edo_beneath edo_pipe_beneath = {&edo_pipe_kind};

int edo_pipe_check(int fd)
{
    struct stat status;
    int rc = edo_platform->fstat(fd, &status);

    return rc < 0 ? rc : S_ISFIFO(status.st_mode) ? 0 : -ENOTSOCK;
}
