/* SPDX-License-Identifier: MIT */
/*
 * Streams over pipes and FIFOs: the same sources, waits and rules as over sockets, but other system calls. A write to a pipe
 * that nobody reads must not raise SIGPIPE, which write(2) has no flag for (platform.h, pipe_writev). No data.
 */
#include "io/stream.h"
#include "platform/platform.h"

#include <errno.h>

ssize_t edo_pipe_recv(int fd, void *buffer, size_t size)
{
    return edo_platform->read(fd, buffer, size);
}

ssize_t edo_pipe_send(int fd, const void *buffer, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)buffer, size};

    return edo_platform->pipe_writev(fd, &piece, 1);
}

ssize_t edo_pipe_sendv(int fd, const struct iovec *pieces, int count)
{
    return edo_platform->pipe_writev(fd, pieces, count);
}

int edo_pipe_check(int fd)
{
    struct stat status;
    int rc = edo_platform->fstat(fd, &status);

    return rc < 0 ? rc : S_ISFIFO(status.st_mode) ? 0 : -ENOTSOCK;
}
