/* SPDX-License-Identifier: MIT */
/*
 * Open files, and calls that take a path.
 *
 * Each call is one blocking region (runtime/region.c), whose beginning is its only suspension point: it refuses when
 * the scope is cancelled; then the system call is made and its result is the call's (rules C1, C2). So nothing here can
 * be half done but what the kernel does by halves, and nothing is remembered of a file but its descriptor.
 *
 * In a runtime with rings (.files = EDO_FILES_IO_URING) a call goes over one first (file_uring.h): that too begins with
 * the only suspension point, and waits for the result of what has begun. Only regular files, so that what is no file
 * behaves as it always does, and only those opened there (`over_ring`), so that others are not asked. A ring has no
 * part in the kernel's lock on a file's position, and does not always move it after a write that failed half way: so
 * over rings all goes to offsets, and reads and writes that move the position take turns by `position`, whoever makes
 * them. (Which offset a write with O_APPEND went to is not told: that stays in regions.) stat(2) stays in regions: the
 * kernel gives it to a thread of its own in any case, which takes several times as long as the call mostly does.
 *
 * `users` counts the handle itself, until it is closed, and the calls at work: the last one closes the descriptor, so
 * that its number is never reused under a call. (Relaxed to come, acquire and release to go: the memory follows the
 * count.)
 */
#include "io/file.h"
#include "io/file_uring.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/misuse.h"
#include "runtime/runtime.h"

#include <edo/blocking.h>
#include <edo/file.h>
#include <edo/sync.h>

#include <limits.h>

struct edo_file {
    int fd;
    _Atomic uint32_t users;
    bool over_ring; /* not changed once it is open, nor is the next; the rest is used only then */
    bool appends;
    edo_mutex position; /* held by who moves the position */
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

/* The same without a region, for calls that do not block here. Never fails. */
static void edo_file_enter(edo_file *file)
{
    atomic_fetch_add_explicit(&file->users, 1, memory_order_relaxed);
}

int edo_file_hold(edo_file *file)
{
    EDO_MISUSE_IF(!file, "a file is NULL");
    edo_file_enter(file);
    return file->fd;
}

void edo_file_let_go(edo_file *file)
{
    edo_file_leave(file);
}

/* --- What blocks -------------------------------------------------------------------------------------------------- */

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

/* Reads as one call does, but for how much that can be; from an offset or, if that is negative, from the position. */
static ssize_t edo_file_get(int fd, void *buffer, size_t size, int64_t offset)
{
    size_t done = 0;
    ssize_t n;

    do {
        char *rest = (char *)buffer + done;

        n = offset < 0 ? EDO_UNINTERRUPTED(edo_platform->read(fd, rest, size - done))
                       : EDO_UNINTERRUPTED(edo_platform->pread(fd, rest, size - done, (off_t)(offset + (int64_t)done)));
        done += n > 0 ? (size_t)n : 0;
    } while (__builtin_expect(n == EDO_FILE_MOST, 0) && done < size);
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

/* --- Open files --------------------------------------------------------------------------------------------------- */

/* The allocated file becomes the open one, or is given back. */
static int edo_file_take(edo_file **out, edo_file *file, int fd, int flags, bool rings)
{
    struct stat status;

    if (!file || fd < 0) {
        edo_platform->release(file);
        return fd;
    }
    file->fd = fd;
    atomic_init(&file->users, 1);
    file->appends = (flags & O_APPEND) != 0;
    file->over_ring = rings && edo_platform->fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    *out = file;
    return 0;
}

int edo_file_open(edo_file **out, const char *path, int flags, mode_t mode)
{
    bool rings = edo_uring_on();
    edo_file *file = NULL; /* allocated before the file is created */
    int rc;

    if (!path)
        return -EINVAL;
    if (rings) {
        file = (edo_file *)edo_platform->allocate(sizeof *file);
        if (!file)
            return -ENOMEM;
        if (edo_ring_open(&rc, path, flags, mode))
            return edo_file_take(out, file, rc, flags, true);
    }
    rc = edo_blocking_begin();
    if (rc == 0) {
        if (!file)
            file = (edo_file *)edo_platform->allocate(sizeof *file);
        rc = file ? edo_file_openat(AT_FDCWD, path, flags, mode) : -ENOMEM;
        edo_blocking_end();
    }
    return edo_file_take(out, file, rc, flags, rings);
}

void edo_file_close(edo_file *file)
{
    if (file)
        edo_file_leave(file);
}

static ssize_t edo_file_read_blocking(edo_file *file, void *buffer, size_t size)
{
    ssize_t result = edo_file_begin(file);

    if (result < 0)
        return result;
    result = edo_file_get(file->fd, buffer, size, -1);
    edo_file_end(file);
    return result;
}

/* At the position, of a file that goes over rings. */
static ssize_t edo_file_read_in_turn(edo_file *file, void *buffer, size_t size)
{
    ssize_t result;

    edo_file_enter(file);
    result = edo_in_forked_child() ? -EPERM : edo_mutex_lock(&file->position);
    if (result == 0) {
        int64_t at = edo_platform->lseek(file->fd, 0, SEEK_CUR);

        if (at < 0 || !edo_ring_read(&result, file->fd, buffer, size, at))
            result = edo_file_read_blocking(file, buffer, size);
        else if (result > 0)
            edo_platform->lseek(file->fd, at + result, SEEK_SET);
        edo_mutex_unlock(&file->position);
    }
    edo_file_leave(file);
    return result;
}

ssize_t edo_file_read(edo_file *file, void *buffer, size_t size)
{
    EDO_MISUSE_IF(!file, "a file is NULL");
    return file->over_ring ? edo_file_read_in_turn(file, buffer, size) : edo_file_read_blocking(file, buffer, size);
}

static bool edo_file_pread_by_ring(ssize_t *result, edo_file *file, void *buffer, size_t size, int64_t offset)
{
    bool made;

    edo_file_enter(file);
    made = edo_ring_read(result, file->fd, buffer, size, offset);
    edo_file_leave(file);
    return made;
}

ssize_t edo_file_pread(edo_file *file, void *buffer, size_t size, int64_t offset)
{
    ssize_t result;

    EDO_MISUSE_IF(!file, "a file is NULL");
    if (__builtin_expect(offset < 0, 0))
        return -EINVAL;
    if (__builtin_expect(file->over_ring, 0) && edo_file_pread_by_ring(&result, file, buffer, size, offset))
        return result;
    result = edo_file_begin(file);
    if (__builtin_expect(result < 0, 0))
        return result;
    result = edo_file_get(file->fd, buffer, size, offset);
    edo_file_end(file);
    return result;
}

static ssize_t edo_file_write_blocking(edo_file *file, const void *data, size_t size, int64_t offset)
{
    ssize_t result = edo_file_begin(file);

    if (result < 0)
        return result;
    result = edo_file_put(file->fd, data, size, offset);
    edo_file_end(file);
    return result;
}

/* At the position, of a file that goes over rings. */
static ssize_t edo_file_write_in_turn(edo_file *file, const void *data, size_t size)
{
    ssize_t result;

    edo_file_enter(file);
    result = edo_in_forked_child() ? -EPERM : edo_mutex_lock(&file->position);
    if (result == 0) {
        int64_t at = file->appends ? -1 : edo_platform->lseek(file->fd, 0, SEEK_CUR);

        if (at < 0 || !edo_ring_write(&result, file->fd, data, size, at))
            result = edo_file_write_blocking(file, data, size, -1);
        else if (result > 0)
            edo_platform->lseek(file->fd, at + result, SEEK_SET);
        edo_mutex_unlock(&file->position);
    }
    edo_file_leave(file);
    return result;
}

static ssize_t edo_file_pwrite_by_ring(edo_file *file, const void *data, size_t size, int64_t offset)
{
    ssize_t result;

    edo_file_enter(file);
    if (!edo_ring_write(&result, file->fd, data, size, offset))
        result = edo_file_write_blocking(file, data, size, offset);
    edo_file_leave(file);
    return result;
}

/* With a negative offset at the position. */
static ssize_t edo_file_write_at(edo_file *file, const void *data, size_t size, int64_t offset)
{
    EDO_MISUSE_IF(!file, "a file is NULL");
    if (size > SSIZE_MAX)
        return -EINVAL;
    if (!file->over_ring)
        return edo_file_write_blocking(file, data, size, offset);
    return offset < 0 ? edo_file_write_in_turn(file, data, size) : edo_file_pwrite_by_ring(file, data, size, offset);
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

static int edo_file_truncate_blocking(edo_file *file, int64_t size)
{
    int rc = edo_file_begin(file);

    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->ftruncate(file->fd, (off_t)size));
    edo_file_end(file);
    return rc;
}

int edo_file_truncate(edo_file *file, int64_t size)
{
    int rc;

    EDO_MISUSE_IF(!file, "a file is NULL");
    edo_file_enter(file);
    if (!file->over_ring || !edo_ring_truncate(&rc, file->fd, size))
        rc = edo_file_truncate_blocking(file, size);
    edo_file_leave(file);
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
    edo_file_enter(file);
    if (!file->over_ring || !edo_ring_sync(&rc, file->fd))
        rc = edo_file_on_disk(edo_file_flush_job, file);
    edo_file_leave(file);
    return rc;
}

int edo_file_fd(edo_file *file)
{
    return file->fd;
}

/* --- Paths -------------------------------------------------------------------------------------------------------- */

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
    int rc;

    if (edo_ring_rename(&rc, from, to))
        return rc;
    rc = edo_blocking_begin();
    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->renameat(AT_FDCWD, from, AT_FDCWD, to));
    edo_blocking_end();
    return rc;
}

static int edo_path_remove(const char *path, int flags)
{
    int rc;

    if (edo_ring_remove(&rc, path, flags))
        return rc;
    rc = edo_blocking_begin();
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
    int rc;

    if (edo_ring_mkdir(&rc, path, mode))
        return rc;
    rc = edo_blocking_begin();
    if (rc < 0)
        return rc;
    rc = EDO_UNINTERRUPTED(edo_platform->mkdirat(AT_FDCWD, path, mode));
    edo_blocking_end();
    return rc;
}
