/* SPDX-License-Identifier: MIT */
/* The system table's calls for io_uring(7), which libc has no wrappers of. No data; see platform_linux.c. */
#include "platform/platform_linux.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_io_uring_setup

int edo_system_uring_setup(unsigned entries, struct io_uring_params *params)
{
    return edo_system_result((int)syscall(SYS_io_uring_setup, entries, params));
}

int edo_system_uring_enter(int ring, unsigned submit, unsigned complete, unsigned flags)
{
    return edo_system_result((int)syscall(SYS_io_uring_enter, ring, submit, complete, flags, NULL, (size_t)0));
}

int edo_system_uring_register(int ring, unsigned what, void *argument, unsigned count)
{
    return edo_system_result((int)syscall(SYS_io_uring_register, ring, what, argument, count));
}

#else

int edo_system_uring_setup(unsigned entries, struct io_uring_params *params)
{
    (void)entries, (void)params;
    return -ENOSYS;
}

int edo_system_uring_enter(int ring, unsigned submit, unsigned complete, unsigned flags)
{
    (void)ring, (void)submit, (void)complete, (void)flags;
    return -ENOSYS;
}

int edo_system_uring_register(int ring, unsigned what, void *argument, unsigned count)
{
    (void)ring, (void)what, (void)argument, (void)count;
    return -ENOSYS;
}

#endif

int edo_system_map_shared(void **out, size_t size, int fd, off_t offset)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

    if (address == MAP_FAILED)
        return edo_system_failure();
    *out = address;
    return 0;
}
