/* SPDX-License-Identifier: MIT */
/*
 * Calls on files over the rings of the task's runtime (runtime/uring.h). Each is true if it was made, with what it
 * returned (or -ECANCELED: its scope is cancelled); false: there is no ring, or it does not have that call, or no room:
 * make it in a region.
 */
#ifndef EDO_IO_FILE_URING_H
#define EDO_IO_FILE_URING_H

#include "runtime/uring.h"

#include <sys/stat.h>

#if EDO_IO_URING

bool edo_ring_open(int *result, const char *path, int flags, mode_t mode);
bool edo_ring_sync(int *result, int fd);
bool edo_ring_truncate(int *result, int fd, int64_t size);
bool edo_ring_rename(int *result, const char *from, const char *to);
bool edo_ring_remove(int *result, const char *path, int flags);
bool edo_ring_mkdir(int *result, const char *path, mode_t mode);

/*
 * Reads or writes a regular file at an offset: all, but for the end of the file or an error.
 */
bool edo_ring_read(ssize_t *result, int fd, void *buffer, size_t size, int64_t offset);
bool edo_ring_write(ssize_t *result, int fd, const void *data, size_t size, int64_t offset);

#else

static inline bool edo_ring_open(int *result, const char *path, int flags, mode_t mode)
{
    (void)result, (void)path, (void)flags, (void)mode;
    return false;
}

static inline bool edo_ring_sync(int *result, int fd)
{
    (void)result, (void)fd;
    return false;
}

static inline bool edo_ring_truncate(int *result, int fd, int64_t size)
{
    (void)result, (void)fd, (void)size;
    return false;
}

static inline bool edo_ring_rename(int *result, const char *from, const char *to)
{
    (void)result, (void)from, (void)to;
    return false;
}

static inline bool edo_ring_remove(int *result, const char *path, int flags)
{
    (void)result, (void)path, (void)flags;
    return false;
}

static inline bool edo_ring_mkdir(int *result, const char *path, mode_t mode)
{
    (void)result, (void)path, (void)mode;
    return false;
}

static inline bool edo_ring_read(ssize_t *result, int fd, void *buffer, size_t size, int64_t offset)
{
    (void)result, (void)fd, (void)buffer, (void)size, (void)offset;
    return false;
}

static inline bool edo_ring_write(ssize_t *result, int fd, const void *data, size_t size, int64_t offset)
{
    (void)result, (void)fd, (void)data, (void)size, (void)offset;
    return false;
}

#endif

#endif
