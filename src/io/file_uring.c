/* SPDX-License-Identifier: MIT */
/*
 * Calls on files as entries of a ring; see file_uring.h. No data. Each begins with its only suspension point (rules C1,
 * C2).
 *
 * A read first takes what is in memory (RWF_NOWAIT), which costs half of what a ring does; what it does not find there
 * goes over the ring. The kernel may answer with less than it could have done, and takes 32 bits of size: so a read
 * goes on until it is told that there is no more. When a ring does not take the rest of what has begun, which is rare,
 * a plain system call does, in place; the monitor sees to it if that takes long.
 */
#include "io/file_uring.h"

#if EDO_IO_URING

#include "io/file.h"
#include "platform/platform.h"
#include "runtime/task.h"

#include <fcntl.h>
#include <linux/io_uring.h>

enum { EDO_RING_FTRUNCATE = 55 }; /* Linux 6.9; the headers may be older */

/* 0: go on; 1: there is no ring; -ECANCELED. */
static int edo_ring_begin(void)
{
    return edo_uring_on() ? edo_suspension_point(edo_task_self()) : 1;
}

static bool edo_ring_int(int *result, struct io_uring_sqe *entry)
{
    ssize_t value = edo_ring_begin();
    bool made = value < 0 || (value == 0 && edo_uring_call(&value, entry));

    if (made)
        *result = (int)value;
    return made;
}

bool edo_ring_open(int *result, const char *path, int flags, mode_t mode)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)path, .len = mode};

    entry.open_flags = (uint32_t)flags | O_CLOEXEC;
    return edo_ring_int(result, &entry);
}

bool edo_ring_sync(int *result, int fd)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_FSYNC, .fd = fd};

    return edo_ring_int(result, &entry);
}

bool edo_ring_truncate(int *result, int fd, int64_t size)
{
    struct io_uring_sqe entry = {.opcode = EDO_RING_FTRUNCATE, .fd = fd, .off = (uint64_t)size};

    return edo_ring_int(result, &entry);
}

bool edo_ring_rename(int *result, const char *from, const char *to)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_RENAMEAT,
                                 .fd = AT_FDCWD,
                                 .addr = (uintptr_t)from,
                                 .addr2 = (uintptr_t)to,
                                 .len = (uint32_t)AT_FDCWD};

    return edo_ring_int(result, &entry);
}

bool edo_ring_remove(int *result, const char *path, int flags)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};

    entry.unlink_flags = (uint32_t)flags;
    return edo_ring_int(result, &entry);
}

bool edo_ring_mkdir(int *result, const char *path, mode_t mode)
{
    struct io_uring_sqe entry = {.opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = (uintptr_t)path, .len = mode};

    return edo_ring_int(result, &entry);
}

static bool edo_ring_transfer(ssize_t *result, uint8_t opcode, int fd, const void *memory, size_t size, int64_t offset)
{
    struct io_uring_sqe entry = {.opcode = opcode,
                                 .fd = fd,
                                 .addr = (uintptr_t)memory,
                                 .len = size < EDO_FILE_MOST ? (uint32_t)size : EDO_FILE_MOST,
                                 .off = (uint64_t)offset};

    return edo_uring_call(result, &entry);
}

static bool edo_not_in_memory(ssize_t n)
{
    return n == -EAGAIN || n == -EOPNOTSUPP || n == -EINTR || n == -ENOSYS;
}

bool edo_ring_read(ssize_t *result, int fd, void *buffer, size_t size, int64_t offset)
{
    ssize_t n = edo_ring_begin();
    size_t done = 0;

    *result = n;
    if (n != 0)
        return n < 0;
    do {
        char *rest = (char *)buffer + done;
        size_t left = size - done;
        int64_t at = offset + (int64_t)done;

        n = edo_platform->pread_cached(fd, rest, left, (off_t)at);
        if (edo_not_in_memory(n) && !edo_ring_transfer(&n, IORING_OP_READ, fd, rest, left, at)) {
            if (done == 0)
                return false;
            n = EDO_UNINTERRUPTED(edo_platform->pread(fd, rest, left, (off_t)at));
        }
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < size);
    *result = done > 0 ? (ssize_t)done : n;
    return true;
}

bool edo_ring_write(ssize_t *result, int fd, const void *data, size_t size, int64_t offset)
{
    ssize_t n = edo_ring_begin();

    *result = n;
    if (n != 0)
        return n < 0;
    if (!edo_ring_transfer(result, IORING_OP_WRITE, fd, data, size, offset))
        return false;
    if (*result > 0 && (size_t)*result < size) {
        n = edo_file_put(fd, (const char *)data + *result, size - (size_t)*result, offset + *result);
        *result += n > 0 ? n : 0;
    }
    return true;
}

#endif
