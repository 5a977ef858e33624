/* SPDX-License-Identifier: MIT */
/*
 * Files and directories.
 *
 * A call here makes its system calls on the task's own thread, in a blocking region (edo/blocking.h): what the page
 * cache has costs a few ns more than the system call itself; what has to be fetched from a slow disk costs the thread
 * its worker after some ms, and nobody else waits. What always waits for the disk (edo_file_sync, edo_file_write_all)
 * runs by edo_blocking.
 *
 * With .files = EDO_FILES_IO_URING (edo/runtime.h) regular files that the runtime's tasks have opened, and paths, go
 * over io_uring(7) instead wherever the kernel would have to wait: then neither this thread nor another is held up.
 * What a call does, returns and reports is the same; so is cancellation.
 *
 * All of it may also be called on threads that run no task, inside edo_blocking too; it then simply blocks. No call may
 * be made inside a blocking region.
 *
 * Cancellation (rules C1, C2): a call asks whether its scope is cancelled before it does anything; then it returns
 * -ECANCELED and has done nothing. Once begun it goes to its end, and reports that. Interrupted system calls are made
 * again: -EINTR is never returned. Errors are those of the system call named, as negative errno values: -ENOENT,
 * -EACCES, -ENOSPC, -EIO, ...
 *
 * Paths are relative to the process's current directory, terminated, and any bytes. Descriptors are close-on-exec.
 */
#ifndef EDO_FILE_H
#define EDO_FILE_H

#include <edo/base.h>

#include <fcntl.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Open files --------------------------------------------------------------------------------------------------- */

/*
 * An open file. Several tasks may use one at a time; which of them moves the position first is then theirs to settle
 * (edo_file_pread and edo_file_pwrite have no position). Any of them may close it: calls that are at work go to their
 * end, and the descriptor goes with the last of them. No call may begin after the close.
 */
typedef struct edo_file edo_file;

/*
 * Opens a file, as open(2) does with these flags (O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, ...) and, for a file that is
 * created, this mode, less the umask. 0 and a handle that is the caller's; -ENOENT, -EACCES, -EISDIR, -EMFILE (no
 * descriptor left) and others of open(2); -ENOMEM; -ECANCELED.
 *
 * A FIFO is waited for as open(2) does, for as long as there is no other end, which no cancellation ends: O_NONBLOCK.
 * To read and write pipes and sockets there is edo_stream_from_fd.
 */
EDO_API int edo_file_open(edo_file **out, const char *path, int flags, mode_t mode);

/*
 * Closes; NULL is accepted. Always closes, cancelled or not. Not a suspension point. What was written is not made
 * durable.
 */
EDO_API void edo_file_close(edo_file *file);
EDO_AUTO_DEFINE(edo_file *, edo_file_close);

/*
 * Reads at most `size` bytes, from the file's position, which moves, or from an offset. The count, which is smaller
 * than `size` only at the end of the file (and where the file is none, but a device or a pipe); 0: the end; -EISDIR,
 * -EIO and others of read(2); -ECANCELED.
 */
EDO_API ssize_t edo_file_read(edo_file *file, void *buffer, size_t size);
EDO_API ssize_t edo_file_pread(edo_file *file, void *buffer, size_t size, int64_t offset);

/*
 * Writes `size` bytes, to the file's position, which moves (O_APPEND: to the end), or to an offset. Returns `size`; a
 * smaller count if only so much could be written: the next call tells why; -ENOSPC, -EDQUOT (the disk is full), -EFBIG,
 * -EIO and others of write(2) if nothing was written; -ECANCELED: nothing was. A write beyond RLIMIT_FSIZE also raises
 * SIGXFSZ, which ends the process unless it is ignored; over io_uring it does not always.
 */
EDO_API ssize_t edo_file_write(edo_file *file, const void *data, size_t size);
EDO_API ssize_t edo_file_pwrite(edo_file *file, const void *data, size_t size, int64_t offset);

/* What fstat(2) knows of it: status->st_size, st_mtim, st_mode, ... 0 or an error. */
EDO_API int edo_file_stat(struct stat *status, edo_file *file);

/*
 * Makes it so long: cut off, or filled up with zeros. 0; -EINVAL (it is not open for writing), -EFBIG, ... of
 * ftruncate(2).
 */
EDO_API int edo_file_truncate(edo_file *file, int64_t size);

/*
 * Waits until what was written is on the disk (fsync(2)). 0; -EIO, -ENOSPC, -EDQUOT: something written before, perhaps
 * long before, is lost, and a second call does not bring it back; -EINVAL: this is no file; -EAGAIN, -ENOMEM: no thread
 * to wait on; -ECANCELED: it was not begun. For the name of a file that was created or renamed to be durable,
 * edo_dir_sync its directory.
 */
EDO_API int edo_file_sync(edo_file *file);

/* The descriptor itself: the exit to everything this header does not have. It stays the file's. */
EDO_API int edo_file_fd(edo_file *file);

/* --- Whole files -------------------------------------------------------------------------------------------------- */

/*
 * Reads a whole file. *data gets its bytes, with a zero byte behind them that does not count, and is to be given back
 * by edo_release; *size how many they are. More than `limit` bytes: -EFBIG, nothing is kept. 0; -ENOMEM; errors of
 * open(2) and read(2); -ECANCELED, also between parts of 1 MiB of a large file.
 */
EDO_API int edo_file_read_all(char **data, size_t *size, const char *path, size_t limit);

typedef struct edo_file_write_options {
    size_t size;
    mode_t mode;   /* of the file; 0: as the one it takes the place of has, else 0666 less the umask */
    bool unsynced; /* do not wait for the disk: still all or nothing for who reads it, but not across a loss of power */
} edo_file_write_options;

/*
 * Makes a file with this content, or puts it in the place of the one that is there, as one step: whoever reads the path
 * finds the old content or the new one, whole, at any time; after a crash too. Written beside it under a name of its
 * own (".edo-" and 16 hexadecimal digits), made durable, renamed, and its directory made durable. `options` may be
 * NULL.
 *
 * 0: it is done and on the disk. -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EACCES, -EROFS, -ENOENT (no such directory), -EISDIR
 * and others: the old file is as it was and nothing is left behind; except that an error of the very last step, by
 * which the directory is made durable, comes after the new file has taken its place. Only a crash in the midst of it
 * leaves the other name. -ECANCELED: nothing was begun. -EAGAIN, -ENOMEM: no thread to wait on. -E2BIG.
 *
 * A symbolic link at that path is replaced, not followed; so are other hard links left with the old content.
 */
EDO_API int edo_file_write_all(const char *path, const void *data, size_t size, const edo_file_write_options *options);

/* --- Paths -------------------------------------------------------------------------------------------------------- */

/* What stat(2) knows of the file at a path; edo_path_lstat of a symbolic link itself. 0; -ENOENT, ... */
EDO_API int edo_path_stat(struct stat *status, const char *path);
EDO_API int edo_path_lstat(struct stat *status, const char *path);

/*
 * Gives it another name, in the place of what has that name, in one step. 0; -EXDEV (another file system), ... of
 * rename(2).
 */
EDO_API int edo_path_rename(const char *from, const char *to);

/* Removes a name of a file. 0; -ENOENT, -EISDIR, ... of unlink(2). */
EDO_API int edo_path_unlink(const char *path);

/*
 * Makes a directory, with this mode less the umask; removes an empty one. 0; -EEXIST; -ENOTEMPTY; ... of mkdir(2),
 * rmdir(2).
 */
EDO_API int edo_path_mkdir(const char *path, mode_t mode);
EDO_API int edo_path_rmdir(const char *path);

/* --- Directories -------------------------------------------------------------------------------------------------- */

/* A directory that is being read; used by one task at a time. */
typedef struct edo_dir edo_dir;

enum edo_entry_type {
    EDO_ENTRY_UNKNOWN = 0, /* this file system does not tell here: edo_path_lstat does */
    EDO_ENTRY_FILE,
    EDO_ENTRY_DIRECTORY,
    EDO_ENTRY_LINK, /* symbolic */
    EDO_ENTRY_OTHER /* socket, FIFO, device */
};

typedef struct edo_dir_entry {
    const char *name; /* terminated, without the directory's path; until the next call on this directory */
    uint64_t inode;
    int type; /* enum edo_entry_type */
} edo_dir_entry;

/*
 * Opens a directory to be read. 0 and a handle; -ENOENT, -ENOTDIR, -EACCES, -EMFILE, ... of open(2); -ENOMEM;
 * -ECANCELED.
 */
EDO_API int edo_dir_open(edo_dir **out, const char *path);

/*
 * The next entry, in no order, without "." and "..". 1: *entry is one; 0: there are no more; -ENOENT: the directory
 * itself was removed meanwhile; -EIO and others of getdents(2); -ECANCELED: nothing was passed over, the next call
 * gives that entry. What is created and removed meanwhile may appear or not. Some hundred entries are fetched at once.
 */
EDO_API int edo_dir_read(edo_dir_entry *entry, edo_dir *dir);

/* Closes; NULL is accepted. Not a suspension point. */
EDO_API void edo_dir_close(edo_dir *dir);
EDO_AUTO_DEFINE(edo_dir *, edo_dir_close);

/* Waits until the names in a directory are on the disk. Errors as edo_file_sync and edo_dir_open. */
EDO_API int edo_dir_sync(const char *path);

#ifdef __cplusplus
}
#endif

#endif
