/* SPDX-License-Identifier: MIT */
/* What the files of this room share: how a call on a file blocks, and calls that are made again when interrupted. */
#ifndef EDO_IO_FILE_H
#define EDO_IO_FILE_H

#include <edo/base.h>
#include <edo/file.h>

#include <errno.h>

/*
 * Runs what waits for a disk on a thread where that is no matter (edo_blocking); in the task itself where the order of
 * everything is drawn from a seed. Its value, or why it was not run.
 */
int edo_file_on_disk(int (*fn)(void *), void *argument);

/* open(2) beneath a directory, close-on-exec. A descriptor or an error. Blocks. */
int edo_file_openat(int directory, const char *path, int flags, mode_t mode);

/* What one call of read(2) or write(2) moves at most. */
enum { EDO_FILE_MOST = 0x7ffff000 };

/* Writes all, to an offset or, if that is negative, to the position. What was written, or why nothing was. Blocks. */
ssize_t edo_file_put(int fd, const void *data, size_t size, int64_t offset);

/* fsync(2). Blocks. */
int edo_file_flush(int fd);

/* The file's descriptor, which stays what it is until it is let go. From anywhere. */
int edo_file_hold(edo_file *file);
void edo_file_let_go(edo_file *file);

/* Makes the call until it is not interrupted. */
#define EDO_UNINTERRUPTED(call)                                                                                        \
    (__extension__({                                                                                                   \
        __typeof__(call) edo_result_;                                                                                  \
        do                                                                                                             \
            edo_result_ = (call);                                                                                      \
        while (edo_result_ == -EINTR);                                                                                 \
        edo_result_;                                                                                                   \
    }))

#endif
