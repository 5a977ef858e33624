/* SPDX-License-Identifier: MIT */
/*
 * Hashes all files beneath a directory: `hasher DIRECTORY` prints a line for each, its FNV-1a hash and its path, in order.
 *
 * One task walks the tree; a few read and hash, 64 KiB at a time, with a checkpoint after each part, so that they neither hold
 * up each other nor the bar on standard error, which a task of its own draws. Ctrl-C ends it.
 */
#include <edo/edo.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HASHERS = 8, PART = 64 * 1024 };

struct found {
    char *path;
    uint64_t hash;
    int rc;
};

static struct found *files;
static size_t count, room;
static int64_t bytes;
static _Atomic size_t next_file;
static _Atomic int64_t bytes_done;

static int found(const char *path, int64_t size)
{
    if (count == room) {
        size_t more = room ? room * 2 : 64;
        struct found *grown = realloc(files, more * sizeof *files);

        if (!grown)
            return -ENOMEM;
        files = grown;
        room = more;
    }
    files[count] = (struct found){strdup(path), 0, 0};
    if (!files[count].path)
        return -ENOMEM;
    count++;
    bytes += size;
    return 0;
}

/* `path` has room for 4,096 bytes, and is as it was when this returns. */
static int walk(char *path)
{
    edo_dir *dir EDO_AUTO(edo_dir_close) = NULL;
    size_t length = strlen(path);
    edo_dir_entry entry;
    int rc = edo_dir_open(&dir, path);

    while (rc >= 0 && (rc = edo_dir_read(&entry, dir)) > 0) {
        struct stat status;

        if (length + 1 + strlen(entry.name) >= 4096) {
            rc = -ENAMETOOLONG;
            break;
        }
        path[length] = '/';
        memcpy(path + length + 1, entry.name, strlen(entry.name) + 1);
        rc = edo_path_lstat(&status, path);
        if (rc == 0 && S_ISDIR(status.st_mode))
            rc = walk(path);
        else if (rc == 0 && S_ISREG(status.st_mode))
            rc = found(path, status.st_size);
        else if (rc == -ENOENT) /* it has gone meanwhile */
            rc = 0;
        path[length] = '\0';
    }
    return rc;
}

static int hash(struct found *file, unsigned char *buffer)
{
    edo_file *open EDO_AUTO(edo_file_close) = NULL;
    ssize_t n;
    int rc = edo_file_open(&open, file->path, O_RDONLY, 0);

    if (rc < 0)
        return rc;
    file->hash = UINT64_C(0xcbf29ce484222325);
    while ((n = edo_file_read(open, buffer, PART)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            file->hash = (file->hash ^ buffer[i]) * UINT64_C(0x100000001b3);
        atomic_fetch_add(&bytes_done, n);
        rc = edo_checkpoint(); /* others may want a turn */
        if (rc < 0)
            return rc;
    }
    return (int)n;
}

static int hasher(void *argument)
{
    unsigned char *buffer = edo_allocate(PART);
    size_t i;

    (void)argument;
    if (!buffer)
        return -ENOMEM;
    while ((i = atomic_fetch_add(&next_file, 1)) < count)
        files[i].rc = hash(&files[i], buffer);
    edo_release(buffer);
    return edo_cancelled() ? -ECANCELED : 0;
}

static void draw_bar(void)
{
    int64_t done = atomic_load(&bytes_done);
    int filled = bytes > 0 ? (int)(done < bytes ? done * 40 / bytes : 40) : 40;

    fprintf(stderr, "\r[%.*s%*s] %lld of %lld bytes", filled, "########################################", 40 - filled,
            "", (long long)done, (long long)bytes);
}

static int bar(void *argument)
{
    edo_interval interval;
    int64_t rc = edo_interval_init(&interval, EDO_MS(100), EDO_MISSED_SKIP);

    (void)argument;
    while (rc >= 0 && (rc = edo_interval_tick(&interval)) >= 0)
        draw_bar();
    draw_bar();
    fputc('\n', stderr);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

static int report(void)
{
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        if (files[i].rc == 0) {
            printf("%016llx  %s\n", (unsigned long long)files[i].hash, files[i].path);
        } else {
            fprintf(stderr, "%s: %s\n", files[i].path, edo_strerror(files[i].rc));
            rc = files[i].rc;
        }
    return rc;
}

static int run(void *directory)
{
    char path[4096];
    int rc;

    snprintf(path, sizeof path, "%s", (const char *)directory);
    rc = walk(path);
    if (rc < 0)
        return rc;
    if (count > 0)
        qsort(files, count, sizeof *files, by_path);
    EDO_SCOPE (watched, &rc) {
        int ended = 0;

        if (isatty(2))
            rc = edo_spawn(watched, bar, NULL);
        EDO_SCOPE (hashers, &ended) {
            for (int i = 0; i < HASHERS && ended == 0; i++)
                ended = edo_spawn(hashers, hasher, NULL);
        }
        rc = ended < 0 ? ended : rc;
        edo_scope_cancel(watched); /* the bar's end */
    }
    return edo_cancelled() ? -ECANCELED : rc < 0 && rc != -ECANCELED ? rc : report();
}

int main(int argc, char **argv)
{
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: hasher DIRECTORY\n");
        return 2;
    }
    rc = edo_run(run, argv[1], NULL);
    if (rc < 0)
        fprintf(stderr, "hasher: %s\n", edo_strerror(rc));
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
    return rc < 0;
}
