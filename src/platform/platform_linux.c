/* SPDX-License-Identifier: MIT */
/*
 * The system table on Linux: each entry is one call to the kernel or to libc, its answer turned into a result
 * or a negative errno value. What was interrupted is not retried here: -EINTR is the caller's business, but for
 * close, which has closed all the same, and for random numbers.
 *
 * errno is read in one place, which is never inlined: the compiler takes the address of errno for a constant
 * of the function, and a caller of these functions may go on another thread.
 *
 * Any thread may call anything here. The only data are two relaxed atomics: a flag that says that a syscall is
 * missing, and a count that makes random numbers differ where the kernel gives none.
 */
#include "platform/platform_linux.h"
#include "platform/masked.h"
#include "platform/process.h"
#include "platform/sanitizer.h"
#include "platform/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NS_PER_SECOND = 1000000000, NS_PER_MS = 1000000, ALIGNMENT = 16 };

__attribute__((noinline, cold)) static int failure(void)
{
    return -errno;
}

static inline int result(int rc)
{
    return rc >= 0 ? rc : failure();
}

static inline ssize_t count(ssize_t n)
{
    return n >= 0 ? n : failure();
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static void *system_allocate(size_t size)
{
    void *memory;

    if (_Alignof(max_align_t) >= ALIGNMENT)
        return calloc(1, size);
    if (posix_memalign(&memory, ALIGNMENT, size) != 0)
        return NULL;
    return memset(memory, 0, size);
}

static void system_release(void *memory)
{
    free(memory);
}

static int system_map(void **out, size_t size, int protection, int flags)
{
    void *address = mmap(NULL, size, protection, flags, -1, 0);

    if (address == MAP_FAILED)
        return failure();
    *out = address;
    return 0;
}

static int system_unmap(void *address, size_t size)
{
    return result(munmap(address, size));
}

static int system_protect(void *address, size_t size, int protection)
{
    return result(mprotect(address, size, protection));
}

static int system_advise(void *address, size_t size, int advice)
{
    return result(madvise(address, size, advice));
}

static int system_mincore(void *address, size_t size, unsigned char *pages)
{
    return result(mincore(address, size, pages));
}

/* --- Time and chance ---------------------------------------------------------------------------------------------- */

static int64_t clock_read(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static int64_t system_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

static int64_t system_wall(void)
{
    return clock_read(CLOCK_REALTIME);
}

/*
 * Good numbers wherever the kernel gives them. Where a filter forbids that, numbers that differ from call to
 * call and from process to process: enough for chance, not for secrets.
 */
static uint64_t system_random(void)
{
    static _Atomic uint64_t calls;
    uint64_t number;
    ssize_t n;

    do
        n = getrandom(&number, sizeof number, 0);
    while (n < 0 && failure() == -EINTR);
    if (n == (ssize_t)sizeof number)
        return number;

    number = (uint64_t)system_now() ^ (uint64_t)system_wall() << 20 ^ (uint64_t)getpid() << 40;
    number += (atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

/* At least what libc needs to start a thread, in whole pages. */
static size_t thread_stack_size(size_t wanted)
{
    long minimum = sysconf(_SC_THREAD_STACK_MIN);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (minimum < (long)PTHREAD_STACK_MIN)
        minimum = PTHREAD_STACK_MIN;
    if (wanted < (size_t)minimum)
        wanted = (size_t)minimum;
    if (wanted > SIZE_MAX / 2) /* more than there is; pthread_create shall say so */
        wanted = SIZE_MAX / 2;
    return (wanted + page - 1) / page * page;
}

static int system_thread_start(pthread_t *out, size_t stack_size, void *(*function)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int rc = pthread_attr_init(&attributes);

    if (rc != 0)
        return -rc;
    rc = pthread_attr_setstacksize(&attributes, thread_stack_size(stack_size));
    if (rc == 0)
        rc = pthread_create(&thread, &attributes, function, argument);
    pthread_attr_destroy(&attributes);
    if (rc == 0)
        *out = thread;
    return -rc;
}

static int64_t system_thread_cpu(pthread_t thread)
{
    clockid_t clock;
    int rc = pthread_getcpuclockid(thread, &clock);

    return rc != 0 ? -rc : clock_read(clock);
}

static int system_thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

static int system_thread_signal(int number, int signal, void *value)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = value;
    return result((int)syscall(SYS_rt_tgsigqueueinfo, getpid(), number, signal, &info));
}

/* Where libc's time is 64 bits wide and the oldest syscall's is not, there is a second syscall. */
#ifdef SYS_futex_time64
#define FUTEX_SYSCALL SYS_futex_time64
#else
#define FUTEX_SYSCALL SYS_futex
#endif

static struct __kernel_timespec kernel_time(int64_t ns)
{
    return (struct __kernel_timespec){.tv_sec = ns / NS_PER_SECOND, .tv_nsec = ns % NS_PER_SECOND};
}

/* Of all ways to wait on a futex, only the one with a bitset takes an absolute time, and that on CLOCK_MONOTONIC. */
static int futex_wait_until(uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct __kernel_timespec time = kernel_time(deadline > 0 ? deadline : 0);

    return result((int)syscall(FUTEX_SYSCALL, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                               deadline == INT64_MAX ? NULL : &time, NULL, FUTEX_BITSET_MATCH_ANY));
}

#if EDO_TSAN
/*
 * It keeps a signal back until the thread that got it calls something that it knows, as the clock; not this. So no
 * thread that waits gets any; those that poll do. Where nobody does they come with the next turn.
 */
static int system_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    sigset_t before;
    int64_t turn;
    int rc;

    edo_mask_signals(&before);
    turn = clock_read(CLOCK_MONOTONIC) + NS_PER_SECOND;
    rc = futex_wait_until(word, expected, deadline < turn ? deadline : turn);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == -ETIMEDOUT && deadline > turn ? -EINTR : rc;
}
#else
static int system_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    return futex_wait_until(word, expected, deadline);
}
#endif

static int system_futex_wake(uint32_t *word, int wanted)
{
    return result((int)syscall(FUTEX_SYSCALL, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, wanted, NULL, NULL, 0));
}

/* --- Descriptors -------------------------------------------------------------------------------------------------- */

/* On Linux the descriptor is gone even if close was interrupted; to close again would hit somebody else's. */
static int system_close(int fd)
{
    int rc = result(close(fd));

    return rc == -EINTR ? 0 : rc;
}

static ssize_t system_read(int fd, void *buffer, size_t size)
{
    return count(read(fd, buffer, size));
}

static ssize_t system_write(int fd, const void *buffer, size_t size)
{
    return count(write(fd, buffer, size));
}

static ssize_t system_readv(int fd, const struct iovec *pieces, int pieces_count)
{
    return count(readv(fd, pieces, pieces_count));
}

static ssize_t system_writev(int fd, const struct iovec *pieces, int pieces_count)
{
    return count(writev(fd, pieces, pieces_count));
}

static int system_open(const char *path, int flags, mode_t mode)
{
    return result(open(path, flags, mode));
}

static int system_fcntl(int fd, int command, long argument)
{
    return result(fcntl(fd, command, argument));
}

static int system_eventfd(unsigned initial, int flags)
{
    return result(eventfd(initial, flags));
}

static int system_pipe(int ends[2], int flags)
{
    return result(pipe2(ends, flags));
}

static int system_epoll_create(int flags)
{
    return result(epoll_create1(flags));
}

static int system_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return result(epoll_ctl(epoll, operation, fd, event));
}

/* ThreadSanitizer learns from epoll_wait that one thread has seen what another did; it does not know epoll_pwait2. */
#if defined(SYS_epoll_pwait2) && !EDO_TSAN
/* Whether the kernel answered; if so, *rc has the answer. */
static bool epoll_wait_ns(int *rc, int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns)
{
    static _Atomic bool missing; /* before Linux 5.11, and under filters that refuse what they do not know */
    struct __kernel_timespec timeout = kernel_time(timeout_ns);

    if (atomic_load_explicit(&missing, memory_order_relaxed))
        return false;
    *rc = result((int)syscall(SYS_epoll_pwait2, epoll, events, capacity, &timeout, NULL, (size_t)0));
    if (*rc != -ENOSYS && *rc != -EPERM)
        return true;
    atomic_store_explicit(&missing, true, memory_order_relaxed);
    return false;
}
#else
static bool epoll_wait_ns(int *rc, int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns)
{
    (void)rc, (void)epoll, (void)events, (void)capacity, (void)timeout_ns;
    return false;
}
#endif

/* In ms, and without the points of cancellation that libc's has. */
static int epoll_wait_ms(int epoll, struct epoll_event *events, int capacity, int timeout)
{
#if EDO_SYSCALL_DIRECT && defined(SYS_epoll_wait)
    return (int)edo_syscall(SYS_epoll_wait, epoll, (long)events, capacity, timeout, 0, 0);
#elif EDO_SYSCALL_DIRECT
    return (int)edo_syscall(SYS_epoll_pwait, epoll, (long)events, capacity, timeout, 0, 0); /* no mask of signals */
#else
    return result(epoll_wait(epoll, events, capacity, timeout));
#endif
}

static int system_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns)
{
    int64_t ms = timeout_ns <= 0 ? timeout_ns : timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    int rc;

    if (timeout_ns > 0 && epoll_wait_ns(&rc, epoll, events, capacity, timeout_ns))
        return rc;
    /* Rounded up, so that nobody wakes before the time and then spins until it. */
    return epoll_wait_ms(epoll, events, capacity, ms < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms);
}

static int system_unlink(const char *path)
{
    return result(unlink(path));
}

/* --- Sockets ------------------------------------------------------------------------------------------------------ */

static int system_socket(int domain, int type, int protocol)
{
    return result(socket(domain, type, protocol));
}

static int system_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return result(bind(fd, address, size));
}

static int system_listen(int fd, int backlog)
{
    return result(listen(fd, backlog));
}

static int system_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return result(accept4(fd, address, size, flags));
}

static int system_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return result(connect(fd, address, size));
}

#if EDO_SYSCALL_DIRECT

static ssize_t system_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return edo_syscall(SYS_pread64, fd, (long)buffer, (long)size, offset, 0, 0);
}

static ssize_t system_recv(int fd, void *buffer, size_t size, int flags)
{
    return edo_syscall(SYS_recvfrom, fd, (long)buffer, (long)size, flags, 0, 0);
}

static ssize_t system_send(int fd, const void *buffer, size_t size, int flags)
{
    return edo_syscall(SYS_sendto, fd, (long)buffer, (long)size, flags, 0, 0);
}

static ssize_t system_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return edo_syscall(SYS_sendmsg, fd, (long)message, flags, 0, 0, 0);
}

static ssize_t system_recvmsg(int fd, struct msghdr *message, int flags)
{
    return edo_syscall(SYS_recvmsg, fd, (long)message, flags, 0, 0, 0);
}

static int system_recvmmsg(int fd, struct mmsghdr *messages, unsigned messages_count, int flags)
{
    return (int)edo_syscall(SYS_recvmmsg, fd, (long)messages, messages_count, flags, 0, 0);
}

static int system_sendmmsg(int fd, struct mmsghdr *messages, unsigned messages_count, int flags)
{
    return (int)edo_syscall(SYS_sendmmsg, fd, (long)messages, messages_count, flags, 0, 0);
}

#else

static ssize_t system_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return count(pread(fd, buffer, size, offset));
}

static ssize_t system_recv(int fd, void *buffer, size_t size, int flags)
{
    return count(recv(fd, buffer, size, flags));
}

static ssize_t system_send(int fd, const void *buffer, size_t size, int flags)
{
    return count(send(fd, buffer, size, flags));
}

static ssize_t system_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return count(sendmsg(fd, message, flags));
}

static ssize_t system_recvmsg(int fd, struct msghdr *message, int flags)
{
    return count(recvmsg(fd, message, flags));
}

static int system_recvmmsg(int fd, struct mmsghdr *messages, unsigned messages_count, int flags)
{
    return result(recvmmsg(fd, messages, messages_count, flags, NULL));
}

static int system_sendmmsg(int fd, struct mmsghdr *messages, unsigned messages_count, int flags)
{
    return result(sendmmsg(fd, messages, messages_count, flags));
}

#endif

static int system_socketpair(int ends[2], int domain, int type, int protocol)
{
    return result(socketpair(domain, type, protocol, ends));
}

static int system_shutdown(int fd, int how)
{
    return result(shutdown(fd, how));
}

static int system_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return result(setsockopt(fd, level, name, value, size));
}

static int system_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    return result(getsockopt(fd, level, name, value, size));
}

static int system_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return result(getsockname(fd, address, size));
}

static int system_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    return result(getpeername(fd, address, size));
}

/* --- The table ---------------------------------------------------------------------------------------------------- */

const struct edo_platform edo_platform_system = {
    .allocate = system_allocate,
    .release = system_release,
    .map = system_map,
    .unmap = system_unmap,
    .protect = system_protect,
    .advise = system_advise,
    .mincore = system_mincore,
    .now = system_now,
    .wall = system_wall,
    .random = system_random,
    .thread_start = system_thread_start,
    .thread_cpu = system_thread_cpu,
    .thread_number = system_thread_number,
    .thread_signal = system_thread_signal,
    .futex_wait = system_futex_wait,
    .futex_wake = system_futex_wake,
    .close = system_close,
    .read = system_read,
    .write = system_write,
    .readv = system_readv,
    .writev = system_writev,
    .pread = system_pread,
    .open = system_open,
    .fcntl = system_fcntl,
    .eventfd = system_eventfd,
    .pipe = system_pipe,
    .pipe_writev = edo_system_pipe_writev,
    .openat = edo_system_openat,
    .pwrite = edo_system_pwrite,
    .pread_cached = edo_system_pread_cached,
    .lseek = edo_system_lseek,
    .fstat = edo_system_fstat,
    .fstatat = edo_system_fstatat,
    .fchmod = edo_system_fchmod,
    .ftruncate = edo_system_ftruncate,
    .fsync = edo_system_fsync,
    .renameat = edo_system_renameat,
    .unlinkat = edo_system_unlinkat,
    .mkdirat = edo_system_mkdirat,
    .getdents = edo_system_getdents,
    .epoll_create = system_epoll_create,
    .epoll_ctl = system_epoll_ctl,
    .epoll_wait = system_epoll_wait,
    .uring_setup = edo_system_uring_setup,
    .uring_enter = edo_system_uring_enter,
    .uring_register = edo_system_uring_register,
    .map_shared = edo_system_map_shared,
    .process_start = edo_process_start,
    .pidfd_open = edo_system_pidfd_open,
    .pidfd_send_signal = edo_system_pidfd_send_signal,
    .kill = edo_system_kill,
    .waitid = edo_system_waitid,
    .socket = system_socket,
    .bind = system_bind,
    .listen = system_listen,
    .accept = system_accept,
    .connect = system_connect,
    .recv = system_recv,
    .send = system_send,
    .sendmsg = system_sendmsg,
    .sendfile = edo_system_sendfile,
    .recvmsg = system_recvmsg,
    .recvmmsg = system_recvmmsg,
    .sendmmsg = system_sendmmsg,
    .socketpair = system_socketpair,
    .shutdown = system_shutdown,
    .setsockopt = system_setsockopt,
    .getsockopt = system_getsockopt,
    .getsockname = system_getsockname,
    .getpeername = system_getpeername,
    .unlink = system_unlink,
    .resolve = edo_system_resolve,
};

const struct edo_platform *edo_platform = &edo_platform_system;
