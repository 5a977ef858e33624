/* SPDX-License-Identifier: MIT */
/*
 * Calls on files as entries of a ring; see file_uring.h. No data.
 *
 * The kernel may answer a read or a write with less than it could have done, and takes 32 bits of size. What is left is asked
 * for by plain system calls, in place, since what has begun is not cancelled: at the end of a file that is one that finds
 * nothing, elsewhere it is rare.
 */
#include "io/file_uring.h"

#if EDO_IO_URING

#include "io/file.h"
#include "platform/platform.h"

#include <fcntl.h>
#include <linux/io_uring.h>

enum { EDO_RING_FTRUNCATE = 55 }; /* Linux 6.9; the headers may be older */

static bool edo_ring_int(int *result, struct io_uring_sqe *entry)
{
    ssize_t value;
    bool made = edo_uring_call(&value, entry);

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
    enum { EDO_RING_MOST = 0x7ffff000 }; /* what read(2) and write(2) transfer at most */
    struct io_uring_sqe entry = {.opcode = opcode,
                                 .fd = fd,
                                 .addr = (uintptr_t)memory,
                                 .len = size < EDO_RING_MOST ? (uint32_t)size : EDO_RING_MOST,
                                 .off = (uint64_t)offset};

    return edo_uring_call(result, &entry);
}

bool edo_ring_read(ssize_t *result, int fd, void *buffer, size_t size, int64_t offset)
{
    ssize_t n;

    if (!edo_ring_transfer(result, IORING_OP_READ, fd, buffer, size, offset))
        return false;
    while (*result > 0 && (size_t)*result < size) {
        char *rest = (char *)buffer + *result;
        size_t left = size - (size_t)*result;

        n = EDO_UNINTERRUPTED(edo_platform->pread(fd, rest, left, (off_t)(offset + *result)));
        if (n <= 0)
            break;
        *result += n;
    }
    return true;
}

bool edo_ring_write(ssize_t *result, int fd, const void *data, size_t size, int64_t offset)
{
    if (!edo_ring_transfer(result, IORING_OP_WRITE, fd, data, size, offset))
        return false;
    if (*result > 0 && (size_t)*result < size) {
        ssize_t n = edo_file_put(fd, (const char *)data + *result, size - (size_t)*result, offset + *result);

        *result += n > 0 ? n : 0;
    }
    return true;
}

#endif
