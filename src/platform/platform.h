/* SPDX-License-Identifier: MIT */
/*
 * The one table through which every syscall, allocation, clock reading and random number goes (rule T1).
 *
 * Calls answer as the kernel does, not as libc does: a result, or a negative errno value. errno is not touched by what
 * callers see, so that nothing depends on a thread-local across a suspension.
 *
 * `edo_platform` points to the table in force. It is set before a runtime starts and not changed while one runs; tests
 * put another table there (fault injection, virtual time). The table itself is read-only.
 */
#ifndef EDO_PLATFORM_PLATFORM_H
#define EDO_PLATFORM_PLATFORM_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

struct edo_lookup;
struct edo_process_plan;
struct io_uring_params;
struct mmsghdr; /* sys/socket.h has it for _GNU_SOURCE */

struct edo_platform {
    /* Memory. allocate gives memory that is aligned to 16; zeroed. */
    void *(*allocate)(size_t size);
    void (*release)(void *memory);
    int (*map)(void **out, size_t size, int protection, int flags);
    int (*unmap)(void *address, size_t size);
    int (*protect)(void *address, size_t size, int protection);
    int (*advise)(void *address, size_t size, int advice);
    int (*mincore)(void *address, size_t size, unsigned char *pages); /* one byte a page; bit 0: in memory */

    /* Time and chance. now: CLOCK_MONOTONIC; wall: CLOCK_REALTIME; both ns. */
    int64_t (*now)(void);
    int64_t (*wall)(void);
    uint64_t (*random)(void);

    /* Threads: start on default attributes with a stack of `stack_size` bytes; wait and wake on a word. */
    int (*thread_start)(pthread_t *out, size_t stack_size, void *(*main)(void *), void *argument);
    int64_t (*thread_cpu)(pthread_t thread); /* CPU time that a living thread has used, ns; or a negative errno */
    int (*thread_number)(void);              /* of the calling thread, to the kernel */
    int (*thread_signal)(int number, int signal,
                         void *value); /* to one thread of this process, as sigqueue(3) sends it */
    int (*futex_wait)(uint32_t *word, uint32_t expected, int64_t deadline); /* 0, -EAGAIN, -EINTR, -ETIMEDOUT */
    int (*futex_wake)(uint32_t *word, int count);

    /* Descriptors. */
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *buffer, size_t size);
    ssize_t (*write)(int fd, const void *buffer, size_t size);
    ssize_t (*readv)(int fd, const struct iovec *pieces, int count);
    ssize_t (*writev)(int fd, const struct iovec *pieces, int count);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    int (*open)(const char *path, int flags, mode_t mode);
    int (*fcntl)(int fd, int command, long argument);
    int (*eventfd)(unsigned initial, int flags);
    int (*pipe)(int ends[2], int flags);
    ssize_t (*pipe_writev)(int fd, const struct iovec *pieces, int count); /* writev that raises no SIGPIPE */

    /* Files and directories. Paths are relative to a directory's descriptor, or AT_FDCWD. */
    int (*openat)(int directory, const char *path, int flags, mode_t mode);
    ssize_t (*pwrite)(int fd, const void *buffer, size_t size, off_t offset);
    ssize_t (*pread_cached)(int fd, void *buffer, size_t size, off_t offset); /* -EAGAIN, -EOPNOTSUPP: it would wait */
    off_t (*lseek)(int fd, off_t offset, int whence);
    int (*fstat)(int fd, struct stat *out);
    int (*fstatat)(int directory, const char *path, struct stat *out, int flags);
    int (*fchmod)(int fd, mode_t mode);
    int (*ftruncate)(int fd, off_t size);
    int (*fsync)(int fd);
    int (*renameat)(int directory, const char *from, int to_directory, const char *to);
    int (*unlinkat)(int directory, const char *path, int flags);
    int (*mkdirat)(int directory, const char *path, mode_t mode);
    ssize_t (*getdents)(int fd, void *buffer, size_t size); /* struct linux_dirent64 after another */

    int (*epoll_create)(int flags);
    int (*epoll_ctl)(int epoll, int operation, int fd, struct epoll_event *event);
    int (*epoll_wait)(int epoll, struct epoll_event *events, int count, int64_t timeout_ns); /* < 0: for ever */

    /* io_uring(7), as the kernel has it; map_shared: the memory of a ring that its descriptor stands for. */
    int (*uring_setup)(unsigned entries, struct io_uring_params *params);
    int (*uring_enter)(int ring, unsigned submit, unsigned complete, unsigned flags);
    int (*uring_register)(int ring, unsigned what, void *argument, unsigned count);
    int (*map_shared)(void **out, size_t size, int fd, off_t offset);

    /* Processes and pidfds. start: see process.h. */
    int (*process_start)(pid_t *out, const struct edo_process_plan *plan);
    int (*pidfd_open)(pid_t process);
    int (*pidfd_send_signal)(int pidfd, int signal);
    int (*kill)(pid_t process, int signal); /* negative: a process group */
    int (*waitid)(idtype_t type, id_t id, siginfo_t *out, int options);

    /* Sockets. */
    int (*socket)(int domain, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(int fd, int backlog);
    int (*accept)(int fd, struct sockaddr *address, socklen_t *size, int flags);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
    ssize_t (*recv)(int fd, void *buffer, size_t size, int flags);
    ssize_t (*send)(int fd, const void *buffer, size_t size, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    ssize_t (*sendfile)(int fd, int file, off_t offset, size_t size); /* to a socket; raises no SIGPIPE */
    ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
    int (*recvmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags); /* how many */
    int (*sendmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags);
    int (*socketpair)(int ends[2], int domain, int type, int protocol);
    int (*shutdown)(int fd, int how);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *size);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *size);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *size);
    int (*unlink)(const char *path);

    /* Host names: see names.h. May block for many seconds. 0, a negative errno or an enum edo_dns_error. */
    int (*resolve)(struct edo_lookup *lookup);
};

/* The table in force, and the one that means the operating system. */
extern const struct edo_platform *edo_platform __attribute__((visibility("hidden")));
extern const struct edo_platform edo_platform_system;

#endif
