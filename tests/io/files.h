/* SPDX-License-Identifier: MIT */
/*
 * What the tests of files and directories share: net.h's table and checks, and a directory of their own, which must be
 * empty again at the end.
 */
#ifndef EDO_TESTS_IO_FILES_H
#define EDO_TESTS_IO_FILES_H

#include "net.h"

#include <string.h>
#include <sys/stat.h>

static char files_directory[64];

/* A path in the directory; good until the fourth next call of its thread. */
static inline const char *files_path(const char *name)
{
    static _Thread_local char paths[4][512];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", files_directory, name);
    return path;
}

/*
 * net_begin and net_end for tests that leave threads behind which end by themselves: the blocking pool's, the reaper's.
 * They may be about to let go of a lock, by the table; nothing tells ThreadSanitizer that they have.
 */
static inline __attribute__((no_sanitize("thread"))) int files_table_begin(void **state)
{
    const void *const *from = (const void *const *)(const void *)&edo_platform_system;
    const void *volatile *to = (const void *volatile *)(void *)&net_table;

    (void)state;
    for (size_t i = 0; i < sizeof net_table / sizeof *to; i++)
        to[i] = from[i];
    net_table.close = net_close;
    for (int i = 0; i < NET_CALLS; i++)
        atomic_store(&net_calls[i], 0);
    edo_platform = &net_table;
    alarm(40 * EDO_TEST_SCALE);
    return 0;
}

static inline __attribute__((no_sanitize("thread"))) int files_table_end(void **state)
{
    (void)state;
    alarm(0);
    edo_platform = &edo_platform_system;
    return 0;
}

static inline int files_begin(void **state)
{
    files_table_begin(state);
    snprintf(files_directory, sizeof files_directory, "/tmp/edo-files-XXXXXX");
    return mkdtemp(files_directory) ? 0 : -1;
}

static inline int files_end(void **state)
{
    files_table_end(state);
    return rmdir(files_directory);
}

/* Without Edo: makes a file; whether one has exactly this content. */
static inline void files_make(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static inline bool files_has(const char *path, const void *data, size_t size)
{
    static char buffer[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    CHECK(size < sizeof buffer);
    if (fd < 0)
        return false;
    n = read(fd, buffer, sizeof buffer);
    close(fd);
    return n == (ssize_t)size && memcmp(buffer, data, size) == 0;
}

/* Whether the descriptor is a file's: fakes that fail must leave the runtime's own eventfds alone. */
static inline bool files_is_file(int fd)
{
    struct stat status;

    return edo_platform_system.fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* How many entries the directory has. */
static inline int files_count(void)
{
    DIR *directory = opendir(files_directory);
    int count = -2;

    CHECK(directory != NULL);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, files_begin, files_end)

#endif
