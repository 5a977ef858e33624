/* SPDX-License-Identifier: MIT */
/*
 * From a file to a stream: sendfile(2) where both are of its kind, else reading and writing.
 *
 * Each sendfile(2) is made in a blocking region (runtime/region.c), since it may wait for the disk, as a user of the
 * stream's source and of the file. One call is bounded: a socket that drains as fast as it is filled would otherwise
 * keep it, and its task could not be cancelled. A short call says nothing (the page cache has its own pieces), so
 * only EAGAIN drains (S2 d).
 *
 * `sent` is at any moment what the stream has taken: reading by offset takes nothing out of the file, so nothing is
 * ever lost in between (C2, C3).
 */
#include "io/file.h"
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/task.h"

#include <edo/blocking.h>
#include <edo/copy.h>

enum { EDO_SENDFILE_MOST = 1 << 20, EDO_SENDFILE_BUFFER = 64 * 1024 };

static size_t edo_sendfile_limit(uint64_t left, size_t most)
{
    return left < most ? (size_t)left : most;
}

/* How much of `left` lies within what offsets can say. */
static uint64_t edo_sendfile_within(int64_t offset, uint64_t left)
{
    uint64_t most = (uint64_t)INT64_MAX - (uint64_t)offset;

    return left < most ? left : most;
}

/* Moves some; 0: the file ends there. The caller is a user of the source and of the file. */
static ssize_t edo_sendfile_some(struct edo_source *source, int file, int64_t offset, size_t size,
                                 struct edo_task *task)
{
    for (;;) {
        uint32_t seen;
        ssize_t n;
        int rc;

        if (edo_source_half_closed(source, EDO_OUT))
            return -EBADF;
        if (!edo_source_ready(source, EDO_OUT, &seen)) {
            rc = edo_source_wait_long(source, EDO_OUT, task);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = edo_blocking_begin();
        if (rc < 0)
            return rc;
        n = edo_platform->sendfile(source->fd, file, (off_t)offset, size);
        edo_blocking_end();
        if (n == -EAGAIN)
            edo_source_drained(source, EDO_OUT, seen);
        else if (n != -EINTR)
            return edo_source_told(source, EDO_OUT, n);
    }
}

/* All of it, while sendfile(2) does it; -EINVAL: it does not. What the stream stands on is known to its users alone. */
static int edo_sendfile_socket(uint64_t *sent, edo_stream *to, int file, int64_t offset, uint64_t count)
{
    struct edo_source *source = &to->source;
    struct edo_task *task = edo_task_self();
    struct edo_thread *thread = edo_thread_self();
    int rc = edo_source_enter(source, &thread, task);
    ssize_t n = 0;

    if (rc < 0)
        return rc;
    if (source->beneath)
        n = -EINVAL;
    while (n >= 0 && *sent < count) {
        n = edo_sendfile_some(source, file, offset + (int64_t)*sent,
                              edo_sendfile_limit(count - *sent, EDO_SENDFILE_MOST), task);
        if (n <= 0)
            break;
        *sent += (uint64_t)n;
    }
    edo_source_end(source);
    return n < 0 ? (int)n : 0;
}

static ssize_t edo_sendfile_read(int file, void *buffer, size_t size, int64_t offset)
{
    ssize_t n = edo_blocking_begin();

    if (n < 0)
        return n;
    n = EDO_UNINTERRUPTED(edo_platform->pread(file, buffer, size, (off_t)offset));
    edo_blocking_end();
    return n;
}

/* What is left, by reading and writing. */
static int edo_sendfile_copy(uint64_t *sent, edo_stream *to, int file, int64_t offset, uint64_t count)
{
    char *buffer = (char *)edo_platform->allocate(EDO_SENDFILE_BUFFER);
    ssize_t n = 0;

    if (!buffer)
        return -ENOMEM;
    while (*sent < count && n >= 0) {
        size_t written;

        n = edo_sendfile_read(file, buffer, edo_sendfile_limit(count - *sent, EDO_SENDFILE_BUFFER),
                              offset + (int64_t)*sent);
        if (n <= 0)
            break;
        n = edo_write_all_part(&written, to, buffer, (size_t)n);
        *sent += written;
    }
    edo_platform->release(buffer);
    return n < 0 ? (int)n : 0;
}

int edo_sendfile(uint64_t *sent, edo_stream *to, edo_file *file, int64_t offset, uint64_t count)
{
    int rc;
    int fd;

    *sent = 0;
    if (!edo_task_self())
        return -EPERM;
    if (offset < 0)
        return -EINVAL;
    count = edo_sendfile_within(offset, count);
    fd = edo_file_hold(file);
    rc = edo_sendfile_socket(sent, to, fd, offset, count);
    if (rc == -EINVAL || rc == -ENOSYS)
        rc = edo_sendfile_copy(sent, to, fd, offset, count);
    edo_file_let_go(file);
    return rc;
}
