/* SPDX-License-Identifier: MIT */
/*
 * The system table's calls on files and directories. No data; see platform_linux.c, also for why errno is read as it
 * is.
 */
#include "platform/platform_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline, cold)) int edo_system_failure(void)
{
    return -errno;
}

int edo_system_openat(int directory, const char *path, int flags, mode_t mode)
{
    return edo_system_result(openat(directory, path, flags, mode));
}

ssize_t edo_system_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return edo_system_count(pwrite(fd, buffer, size, offset));
}

ssize_t edo_system_pread_cached(int fd, void *buffer, size_t size, off_t offset)
{
    struct iovec piece = {buffer, size};

    return edo_system_count(preadv2(fd, &piece, 1, offset, RWF_NOWAIT));
}

off_t edo_system_lseek(int fd, off_t offset, int whence)
{
    return edo_system_count(lseek(fd, offset, whence));
}

int edo_system_fstat(int fd, struct stat *out)
{
    return edo_system_result(fstat(fd, out));
}

int edo_system_fstatat(int directory, const char *path, struct stat *out, int flags)
{
    return edo_system_result(fstatat(directory, path, out, flags));
}

int edo_system_fchmod(int fd, mode_t mode)
{
    return edo_system_result(fchmod(fd, mode));
}

int edo_system_ftruncate(int fd, off_t size)
{
    return edo_system_result(ftruncate(fd, size));
}

int edo_system_fsync(int fd)
{
    return edo_system_result(fsync(fd));
}

int edo_system_renameat(int directory, const char *from, int to_directory, const char *to)
{
    return edo_system_result(renameat(directory, from, to_directory, to));
}

int edo_system_unlinkat(int directory, const char *path, int flags)
{
    return edo_system_result(unlinkat(directory, path, flags));
}

int edo_system_mkdirat(int directory, const char *path, mode_t mode)
{
    return edo_system_result(mkdirat(directory, path, mode));
}

ssize_t edo_system_getdents(int fd, void *buffer, size_t size)
{
    return edo_system_count(syscall(SYS_getdents64, fd, buffer, size));
}
