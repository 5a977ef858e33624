/* SPDX-License-Identifier: MIT */
/* Names of system calls, see system_calls.h. The table is read-only; what an architecture lacks it does not have. */
#include "observe/system_calls.h"

#include <stddef.h>
#include <sys/syscall.h>

#define NAME(call)                                                                                                     \
    {                                                                                                                  \
        SYS_##call, #call                                                                                              \
    }

static const struct {
    long number;
    const char *name;
} names[] = {
#ifdef SYS_open
    NAME(open),
    NAME(stat),
    NAME(lstat),
    NAME(rename),
    NAME(unlink),
    NAME(mkdir),
    NAME(rmdir),
    NAME(getdents),
#endif
#ifdef SYS_poll
    NAME(poll),
    NAME(select),
    NAME(pause),
    NAME(epoll_wait),
    NAME(fork),
    NAME(vfork),
#endif
    NAME(read),
    NAME(write),
    NAME(readv),
    NAME(writev),
    NAME(pread64),
    NAME(pwrite64),
    NAME(preadv),
    NAME(pwritev),
    NAME(preadv2),
    NAME(pwritev2),
    NAME(sendfile),
    NAME(splice),
    NAME(copy_file_range),
    NAME(openat),
    NAME(close),
    NAME(fsync),
    NAME(fdatasync),
    NAME(sync),
    NAME(syncfs),
    NAME(sync_file_range),
    NAME(fallocate),
    NAME(ftruncate),
    NAME(truncate),
    NAME(newfstatat),
    NAME(fstat),
    NAME(statx),
    NAME(getdents64),
    NAME(renameat2),
    NAME(unlinkat),
    NAME(mkdirat),
    NAME(flock),
    NAME(fcntl),
    NAME(ioctl),
    NAME(ppoll),
    NAME(pselect6),
    NAME(epoll_pwait),
    NAME(futex),
    NAME(nanosleep),
    NAME(clock_nanosleep),
    NAME(sched_yield),
    NAME(rt_sigsuspend),
    NAME(rt_sigtimedwait),
    NAME(connect),
    NAME(accept),
    NAME(accept4),
    NAME(sendto),
    NAME(recvfrom),
    NAME(sendmsg),
    NAME(recvmsg),
    NAME(sendmmsg),
    NAME(recvmmsg),
    NAME(mmap),
    NAME(munmap),
    NAME(mprotect),
    NAME(madvise),
    NAME(brk),
    NAME(msync),
    NAME(mlock),
    NAME(wait4),
    NAME(waitid),
    NAME(clone),
    NAME(execve),
    NAME(semop),
    NAME(semtimedop),
    NAME(msgrcv),
    NAME(msgsnd),
    NAME(mq_timedreceive),
    NAME(mq_timedsend),
    NAME(io_getevents),
#ifdef SYS_io_uring_enter
    NAME(io_uring_enter),
#endif
#ifdef SYS_epoll_pwait2
    NAME(epoll_pwait2),
#endif
#ifdef SYS_clone3
    NAME(clone3),
#endif
    NAME(getrandom),
    NAME(ptrace),
    NAME(mount),
    NAME(umount2),
};

const char *edo_system_call_name(long number)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}
