/* SPDX-License-Identifier: MIT */
/*
 * Opening beneath a directory: see open_beneath.h. No data. These calls block, so they run where blocking is allowed.
 */
#include "http/open_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO without a writer is to be refused later, not waited for. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

static int open_at(int directory, const char *name, int flags)
{
    int fd;

    do
        fd = openat(directory, name, flags);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int edo_http_open_stepwise(int root, const char *name)
{
    char part[NAME_MAX + 1];
    int directory = root;
    int fd;

    for (;;) {
        const char *end = strchr(name, '/');
        size_t size = end ? (size_t)(end - name) : strlen(name);
        bool last = !end || end[1] == '\0';

        if (size > NAME_MAX)
            fd = -ENAMETOOLONG;
        else if (size == 0 || (size == 2 && memcmp(name, "..", 2) == 0))
            fd = -ENOENT;
        else {
            memcpy(part, name, size);
            part[size] = '\0';
            if (last)
                fd = open_at(directory, part, OPEN_FLAGS | O_NOFOLLOW | (end ? O_DIRECTORY : 0));
            else
                fd = open_at(directory, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (directory != root)
            close(directory);
        if (fd < 0 || last)
            return fd;
        directory = fd;
        name = end + 1;
    }
}

int edo_http_open_beneath(int root, const char *name)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

    for (int tries = 0; tries < 16; tries++) { /* EAGAIN: something was renamed meanwhile */
        long fd = syscall(SYS_openat2, root, name, &how, sizeof how);

        if (fd >= 0)
            return (int)fd;
        if (errno == ENOSYS || errno == EPERM) /* an old kernel, or a filter that does not know the call */
            return edo_http_open_stepwise(root, name);
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}
