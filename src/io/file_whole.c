/* SPDX-License-Identifier: MIT */
/*
 * Whole files: read into memory, and replaced as one step.
 *
 * Reading goes by parts, each a blocking region of its own, so that a large file can be cancelled and others have a
 * turn.
 *
 * Replacing is one job where blocking is allowed, not cancellable once begun. Its steps, and what is undone when one
 * fails:
 *
 *    open the directory            --
 *    create ".edo-XXXX" in it      close
 *    mode, content, fsync, close   remove that file
 *    rename it                     remove that file
 *    fsync the directory           nothing: the new file is there, whether for good is not known
 *
 * All names are looked up beneath the directory's descriptor: renaming the directory meanwhile does no harm.
 */
#include "io/file.h"
#include "platform/platform.h"
#include "runtime/options.h"

#include <edo/blocking.h>
#include <edo/file.h>
#include <edo/memory.h>

#include <limits.h>
#include <stdio.h>

/* --- Reading ------------------------------------------------------------------------------------------------------ */

enum { EDO_PART = 1024 * 1024, EDO_ROOM_LEAST = 4096 };

struct edo_content {
    char *data;
    size_t size;
    size_t room; /* bytes at `data`, one of which stays zero */
};

static int edo_content_grow(struct edo_content *content, size_t room)
{
    char *data = (char *)edo_platform->allocate(room);

    if (!data)
        return -ENOMEM;
    if (content->size > 0)
        memcpy(data, content->data, content->size);
    edo_platform->release(content->data);
    content->data = data;
    content->room = room;
    return 0;
}

/* Makes room for a file that says to be so long, and for one byte more, which tells that it has ended. */
static int edo_content_begin(struct edo_content *content, edo_file *file, size_t limit)
{
    struct stat status;
    int rc = edo_file_stat(&status, file);

    if (rc < 0)
        return rc;
    if (S_ISREG(status.st_mode) && (uint64_t)status.st_size > limit)
        return -EFBIG;
    if (!S_ISREG(status.st_mode) || status.st_size < EDO_ROOM_LEAST)
        return edo_content_grow(content, EDO_ROOM_LEAST); /* files of /proc say 0 */
    return edo_content_grow(content, (size_t)status.st_size + 2);
}

static int edo_content_read(struct edo_content *content, edo_file *file, size_t limit)
{
    for (;;) {
        size_t left = content->room - 1 - content->size;
        ssize_t n;

        if (left == 0) {
            int rc = content->room > SIZE_MAX / 2 ? -EFBIG : edo_content_grow(content, content->room * 2);

            if (rc < 0)
                return rc;
            continue;
        }
        n = edo_file_read(file, content->data + content->size, left < EDO_PART ? left : EDO_PART);
        if (n <= 0)
            return (int)n;
        content->size += (size_t)n;
        if (content->size > limit)
            return -EFBIG;
    }
}

int edo_file_read_all(char **data, size_t *size, const char *path, size_t limit)
{
    struct edo_content content = {NULL, 0, 0};
    edo_file *file;
    int rc = edo_file_open(&file, path, O_RDONLY | O_NOCTTY, 0);

    if (rc < 0)
        return rc;
    if (limit > SSIZE_MAX)
        limit = SSIZE_MAX;
    rc = edo_content_begin(&content, file, limit);
    if (rc == 0)
        rc = edo_content_read(&content, file, limit);
    edo_file_close(file);
    if (rc < 0) {
        edo_platform->release(content.data);
        return rc;
    }
    *data = content.data;
    *size = content.size;
    return 0;
}

/* --- Replacing ---------------------------------------------------------------------------------------------------- */

struct edo_replace {
    const char *path;
    const void *data;
    size_t size;
    edo_file_write_options options;
};

/* Opens the directory of a path; *name is the last part of it. */
static int edo_replace_directory(const char **name, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    size_t length;

    *name = slash ? slash + 1 : path;
    if (!**name)
        return slash ? -EISDIR : -ENOENT;
    length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0; /* "/file" lies in "/" */
    if (length >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, path, length);
    directory[length] = '\0';
    return edo_file_openat(AT_FDCWD, length > 0 ? directory : ".", O_RDONLY | O_DIRECTORY, 0);
}

/* Creates a file that nobody else has a name for. */
static int edo_replace_create(char *name, size_t size, int directory)
{
    int fd;

    do {
        snprintf(name, size, ".edo-%016llx", (unsigned long long)edo_platform->random());
        fd = edo_file_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    } while (fd == -EEXIST);
    return fd;
}

/* The mode asked for, or that of the file that is replaced. */
static int edo_replace_mode(const struct edo_replace *replace, int fd, int directory, const char *name)
{
    struct stat before;
    int rc;

    if (replace->options.mode)
        return edo_platform->fchmod(fd, replace->options.mode);
    rc = EDO_UNINTERRUPTED(edo_platform->fstatat(directory, name, &before, AT_SYMLINK_NOFOLLOW));
    if (rc == 0 && S_ISREG(before.st_mode))
        return edo_platform->fchmod(fd, before.st_mode & 07777);
    return rc == -ENOENT ? 0 : rc;
}

static int edo_replace_fill(const struct edo_replace *replace, int fd)
{
    size_t done = 0;

    while (done < replace->size) {
        ssize_t n = edo_file_put(fd, (const char *)replace->data + done, replace->size - done, -1);

        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return replace->options.unsynced ? 0 : edo_file_flush(fd);
}

static int edo_replace_job(void *argument)
{
    struct edo_replace *replace = (struct edo_replace *)argument;
    const char *name;
    char other[32];
    int directory = edo_replace_directory(&name, replace->path);
    int fd;
    int rc;

    if (directory < 0)
        return directory;
    fd = edo_replace_create(other, sizeof other, directory);
    rc = fd;
    if (fd >= 0) {
        rc = edo_replace_mode(replace, fd, directory, name);
        if (rc == 0)
            rc = edo_replace_fill(replace, fd);
        if (rc == 0)
            rc = edo_platform->close(fd); /* where some file systems tell what became of the writes */
        else
            edo_platform->close(fd);
        if (rc == 0)
            rc = EDO_UNINTERRUPTED(edo_platform->renameat(directory, other, directory, name));
        if (rc < 0)
            edo_platform->unlinkat(directory, other, 0);
    }
    if (rc == 0 && !replace->options.unsynced)
        rc = edo_file_flush(directory);
    edo_platform->close(directory);
    return rc < 0 ? rc : 0;
}

int edo_file_write_all(const char *path, const void *data, size_t size, const edo_file_write_options *given)
{
    struct edo_replace replace = {.path = path, .data = data, .size = size};
    int rc = EDO_READ_OPTIONS(&replace.options, given);

    if (rc < 0)
        return rc;
    if (!path || size > SSIZE_MAX)
        return -EINVAL;
    return edo_file_on_disk(edo_replace_job, &replace);
}
