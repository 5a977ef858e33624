/* SPDX-License-Identifier: MIT */
/*
 * Reading a directory: the kernel's entries are fetched by the buffer, in one blocking region, and handed out one by
 * one.
 *
 * A directory is used by one task at a time. `at` and `end` say what of the buffer has not been handed out; an entry is
 * passed over only when the call that gives it can no longer fail (rule C3).
 */
#include "io/file.h"
#include "platform/platform.h"
#include "runtime/misuse.h"

#include <edo/blocking.h>
#include <edo/file.h>
#include <edo/task.h>

#include <dirent.h>
#include <string.h>

enum { EDO_DIR_BUFFER = 32 * 1024 };

/* What getdents64(2) writes. */
struct edo_dirent {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

struct edo_dir {
    int fd;
    size_t at;
    size_t end;
    _Alignas(8) char buffer[EDO_DIR_BUFFER];
};

int edo_dir_open(edo_dir **out, const char *path)
{
    edo_dir *dir;
    int rc;

    if (!path)
        return -EINVAL;
    rc = edo_blocking_begin();
    if (rc < 0)
        return rc;
    dir = (edo_dir *)edo_platform->allocate(sizeof *dir);
    rc = dir ? edo_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0) : -ENOMEM;
    edo_blocking_end();
    if (rc < 0) {
        edo_platform->release(dir);
        return rc;
    }
    dir->fd = rc;
    *out = dir;
    return 0;
}

static int edo_dir_type(uint8_t type)
{
    switch (type) {
    case DT_REG:
        return EDO_ENTRY_FILE;
    case DT_DIR:
        return EDO_ENTRY_DIRECTORY;
    case DT_LNK:
        return EDO_ENTRY_LINK;
    case DT_UNKNOWN:
        return EDO_ENTRY_UNKNOWN;
    default:
        return EDO_ENTRY_OTHER;
    }
}

static bool edo_dir_is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Fetches the next ones. Their bytes; 0: there are none. */
static int edo_dir_fetch(edo_dir *dir)
{
    ssize_t n = edo_blocking_begin();

    if (n < 0)
        return (int)n;
    n = EDO_UNINTERRUPTED(edo_platform->getdents(dir->fd, dir->buffer, sizeof dir->buffer));
    edo_blocking_end();
    dir->at = 0;
    dir->end = n > 0 ? (size_t)n : 0;
    return (int)n;
}

int edo_dir_read(edo_dir_entry *entry, edo_dir *dir)
{
    int rc;

    EDO_MISUSE_IF(!dir, "a directory is NULL");
    rc = edo_checkpoint();
    if (rc < 0)
        return rc;
    for (;;) {
        const struct edo_dirent *found;

        if (dir->at >= dir->end) {
            rc = edo_dir_fetch(dir);
            if (rc <= 0)
                return rc;
        }
        found = (const struct edo_dirent *)(const void *)(dir->buffer + dir->at);
        dir->at += found->size;
        if (edo_dir_is_dots(found->name))
            continue;
        entry->name = found->name;
        entry->inode = found->inode;
        entry->type = edo_dir_type(found->type);
        return 1;
    }
}

void edo_dir_close(edo_dir *dir)
{
    if (!dir)
        return;
    edo_platform->close(dir->fd);
    edo_platform->release(dir);
}

static int edo_dir_sync_job(void *path)
{
    int fd = edo_file_openat(AT_FDCWD, (const char *)path, O_RDONLY | O_DIRECTORY, 0);
    int rc;

    if (fd < 0)
        return fd;
    rc = edo_file_flush(fd);
    edo_platform->close(fd);
    return rc;
}

int edo_dir_sync(const char *path)
{
    return path ? edo_file_on_disk(edo_dir_sync_job, (void *)(uintptr_t)path) : -EINVAL;
}
