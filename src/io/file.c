/* SPDX-License-Identifier: MIT */
/*
 * Open files, and calls that take a path.
 *
 * Each call is one blocking region (runtime/region.c), whose beginning is its only suspension point: it refuses when the scope
 * is cancelled; then the system call is made and its result is the call's (rules C1, C2). So nothing here can be half done
 * but what the kernel does by halves, and nothing is remembered of a file but its descriptor.
 *
 * `users` counts the handle itself, until it is closed, and the calls at work: the last one closes the descriptor, so that its
 * number is never reused under a call. (Relaxed to come, acquire and release to go: the memory follows the count.)
 */
#include "io/file.h"
#include "platform/platform.h"
#include "runtime/misuse.h"
#include "runtime/runtime.h"

#include <edo/blocking.h>
#include <edo/file.h>

#include <limits.h>

struct edo_file {
    int fd;
    _Atomic uint32_t users;
};

static void edo_file_leave(edo_file *file)
{
    if (__builtin_expect(atomic_fetch_sub_explicit(&file->users, 1, memory_order_acq_rel) == 1, 0)) {
        edo_platform->close(file->fd);
        edo_platform->release(file);
    }
}

/* Begins a call: 0, the caller is a user of the file and in a region; else what the call returns. */
static int edo_file_begin(edo_file *file)
{
    int rc;

    EDO_MISUSE_IF(!file, "a file is NULL");
    atomic_fetch_add_explicit(&file->users, 1, memory_order_relaxed);
    rc = edo_blocking_begin(); /* others have a turn here, and may close the file */
    if (__builtin_expect(rc < 0, 0))
        edo_file_leave(file);
    return rc;
}

static void edo_file_end(edo_file *file)
{
    edo_file_leave(file);
    edo_blocking_end();
}

int edo_file_hold(edo_file *file)
{
    EDO_MISUSE_IF(!file, "a file is NULL");
    atomic_fetch_add_explicit(&file->users, 1, memory_order_relaxed);
    return file->fd;
}

void edo_file_let_go(edo_file *file)
{
    edo_file_leave(file);
}

/* --- What blocks ------------------------------------------------------------------------------------------------------ */

int edo_file_openat(int directory, const char *path, int flags, mode_t mode)
{
    return EDO_UNINTERRUPTED(edo_platform->openat(directory, path, flags | O_CLOEXEC, mode));
}

ssize_t edo_file_put(int fd, const void *data, size_t size, int64_t offset)
{
    size_t done = 0;
    ssize_t n;

    do {
        const char *rest = (const char *)data + done;

        n = offset < 0
                ? EDO_UNINTERRUPTED(edo_platform->write(fd, rest, size - done))
                : EDO_UNINTERRUPTED(edo_platform->pwrite(fd, rest, size - done, (off_t)(offset + (int64_t)done)));
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < size);
    return done > 0 ? (ssize_t)done : n;
}

int edo_file_flush(int fd)
{
    return EDO_UNINTERRUPTED(edo_platform->fsync(fd));
}

int edo_file_on_disk(int (*fn)(void *), void *argument)
{
    struct edo_task *task = edo_task_self();
    int rc;

    if (!task || !task->home->runtime->hooks)
        return edo_blocking(fn, argument);
    rc = edo_blocking_begin();
    if (rc == 0) {
        rc = fn(argument);
        edo_blocking_end();
    }
    return rc;
}

/* --- Open files ------------------------------------------------------------------------------------------------------- */

int edo_file_open(edo_file **out, const char *path, int flags, mode_t mode)
{
    edo_file *file;
    int rc;

    if (!path)
        return -EINVAL;
    rc = edo_blocking_begin();
    if (rc < 0)
        return rc;
    file = (edo_file *)edo_platform->allocate(sizeof *file); /* before the file is created */
    rc = file ? edo_file_openat(AT_FDCWD, path, flags, mode) : -ENOMEM;
    edo_blocking_end();
    if (rc < 0) {
        edo_platform->release(file);
        return rc;
    }
    file->fd = rc;
    atomic_init(&file->users, 1);
    *out = file;
    return 0;
}

void edo_file_close(edo_file *file)
{
    if (file)
        edo_file_leave(file);
}

ssize_t edo_file_read(edo_file *file, void *buffer, size_t size)
{
    ssize_t result = edo_file_begin(file);

    if (result < 0)
        return result;
    result = EDO_UNINTERRUPTED(edo_platform->read(file->fd, buffer, size));
    edo_file_end(file);
    return result;
}

ssize_t edo_file_pread(edo_file *file, void *buffer, size_t size, int64_t offset)
{
    ssize_t result = edo_file_begin(file);

    if (__builtin_expect(result < 0, 0))
        return result;
    result = EDO_UNINTERRUPTED(edo_platform->pread(file->fd, buffer, size, (off_t)offset));
    edo_file_end(file);
    return result;
}

/* With a negative offset at the position. */
static ssize_t edo_file_write_at(edo_file *file, const void *data, size_t size, int64_t offset)
{
    ssize_t result = size > SSIZE_MAX ? -EINVAL : edo_file_begin(file);

    if (result < 0)
        return result;
    result = edo_file_put(file->fd, data, size, offset);
    edo_file_end(file);
    return result;
}

ssize_t edo_file_write(edo_file *file, const void *data, size_t size)
{
    return edo_file_write_at(file, data, size, -1);
}

ssize_t edo_file_pwrite(edo_file *file, const void *data, size_t size, int64_t offset)
{
    return offset < 0 ? -EINVAL : edo_file_write_at(file, data, size, offset);
}

int edo_file_stat(struct stat *status, edo_file *file)
{
    int rc = edo_file_begin(file);

    if (rc < 0)
        return rc;
    rc = edo_platform->fstat(file->fd, status);
    edo_file_end(file);
    return rc;
}

int edo_file_truncate(edo_file *file, int64_t size)
{
    int rc = edo_file_begin(file);

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->ftruncate(file->fd, (off_t)size));
    edo_file_end(file);
    return rc;
}

static int edo_file_flush_job(void *file)
{
    return edo_file_flush(((edo_file *)file)->fd);
}

int edo_file_sync(edo_file *file)
{
    int rc;

    EDO_MISUSE_IF(!file, "a file is NULL");
    atomic_fetch_add_explicit(&file->users, 1, memory_order_relaxed);
    rc = edo_file_on_disk(edo_file_flush_job, file);
    edo_file_leave(file);
    return rc;
}

int edo_file_fd(edo_file *file)
{
    return file->fd;
}

/* --- Paths ------------------------------------------------------------------------------------------------------------ */

static int edo_path_status(struct stat *status, const char *path, int flags)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->fstatat(AT_FDCWD, path, status, flags));
    edo_blocking_end();
    return rc;
}

int edo_path_stat(struct stat *status, const char *path)
{
    return edo_path_status(status, path, 0);
}

int edo_path_lstat(struct stat *status, const char *path)
{
    return edo_path_status(status, path, AT_SYMLINK_NOFOLLOW);
}

int edo_path_rename(const char *from, const char *to)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->renameat(AT_FDCWD, from, AT_FDCWD, to));
    edo_blocking_end();
    return rc;
}

static int edo_path_remove(const char *path, int flags)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->unlinkat(AT_FDCWD, path, flags));
    edo_blocking_end();
    return rc;
}

int edo_path_unlink(const char *path)
{
    return edo_path_remove(path, 0);
}

int edo_path_rmdir(const char *path)
{
    return edo_path_remove(path, AT_REMOVEDIR);
}

int edo_path_mkdir(const char *path, mode_t mode)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->mkdirat(AT_FDCWD, path, mode));
    edo_blocking_end();
    return rc;
}
