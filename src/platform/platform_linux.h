/* SPDX-License-Identifier: MIT */
/* The parts of the system table that stand in files of their own, beside platform_linux.c, and what those share. */
#ifndef EDO_PLATFORM_PLATFORM_LINUX_H
#define EDO_PLATFORM_PLATFORM_LINUX_H

#include "platform/platform.h"

/* The negative errno value of the call that has just failed. */
int edo_system_failure(void);

static inline int edo_system_result(int rc)
{
    return rc >= 0 ? rc : edo_system_failure();
}

static inline ssize_t edo_system_count(ssize_t n)
{
    return n >= 0 ? n : edo_system_failure();
}

/* --- files_linux.c, names_linux.c, process_linux.c, sigpipe_linux.c and uring_linux.c ----------------------------- */

int edo_system_openat(int directory, const char *path, int flags, mode_t mode);
ssize_t edo_system_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t edo_system_pread_cached(int fd, void *buffer, size_t size, off_t offset);
off_t edo_system_lseek(int fd, off_t offset, int whence);
int edo_system_fstat(int fd, struct stat *out);
int edo_system_fstatat(int directory, const char *path, struct stat *out, int flags);
int edo_system_fchmod(int fd, mode_t mode);
int edo_system_ftruncate(int fd, off_t size);
int edo_system_fsync(int fd);
int edo_system_renameat(int directory, const char *from, int to_directory, const char *to);
int edo_system_unlinkat(int directory, const char *path, int flags);
int edo_system_mkdirat(int directory, const char *path, mode_t mode);
ssize_t edo_system_getdents(int fd, void *buffer, size_t size);
int edo_system_uring_setup(unsigned entries, struct io_uring_params *params);
int edo_system_uring_enter(int ring, unsigned submit, unsigned complete, unsigned flags);
int edo_system_uring_register(int ring, unsigned what, void *argument, unsigned count);
int edo_system_map_shared(void **out, size_t size, int fd, off_t offset);
ssize_t edo_system_pipe_writev(int fd, const struct iovec *pieces, int pieces_count);
ssize_t edo_system_sendfile(int fd, int file, off_t offset, size_t size);
int edo_system_pidfd_open(pid_t process);
int edo_system_pidfd_send_signal(int pidfd, int signal);
int edo_system_kill(pid_t process, int signal);
int edo_system_resolve(struct edo_lookup *lookup);
int edo_system_waitid(idtype_t type, id_t id, siginfo_t *out, int options);

#endif
