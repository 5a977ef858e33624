/* SPDX-License-Identifier: MIT */
/* The system table: what the kernel answers, as results and negative errno values. */
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREVER INT64_MAX
#define MS      INT64_C(1000000)

static const struct edo_platform *const os = &edo_platform_system;

/* Sanitizers shall answer a request for too much memory as libc does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Stands before libc's close, to show an interruption that no file system at hand produces. */
static bool interrupt_close;

int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd);

    if (rc == 0 && interrupt_close) {
        errno = EINTR;
        return -1;
    }
    return rc;
}

static void pipe_open(int *ends)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static void pipe_close(int *ends)
{
    assert_int_equal(os->close(ends[0]), 0);
    assert_int_equal(os->close(ends[1]), 0);
}

/* --- The table
 * ---------------------------------------------------------------------------------------------------- */

static int64_t fixed_now(void)
{
    return 42;
}

static void test_t1_the_table_is_complete(void **state)
{
    const void *entries[sizeof *os / sizeof(void *)];

    (void)state;
    memcpy(entries, os, sizeof *os);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        assert_non_null(entries[i]);
}

static void test_t1_the_table_in_force_can_be_replaced(void **state)
{
    struct edo_platform other = edo_platform_system;

    (void)state;
    assert_ptr_equal(edo_platform, &edo_platform_system);
    other.now = fixed_now;
    edo_platform = &other;
    assert_int_equal(edo_platform->now(), 42);
    edo_platform = &edo_platform_system;
    assert_int_not_equal(edo_platform->now(), 42);
}

/* --- Memory
 * ------------------------------------------------------------------------------------------------------- */

static void test_t1_allocated_memory_is_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t size = 0; size < 3000; size += 37) {
        unsigned char *memory = os->allocate(size);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size); /* for whoever gets it next */
        os->release(memory);
    }
    os->release(NULL);
}

static void test_f1_too_much_memory_is_null(void **state)
{
    (void)state;
    assert_null(os->allocate(PTRDIFF_MAX));
    assert_null(os->allocate((size_t)1 << 46));
}

static void test_t1_mappings_are_made_changed_and_unmade(void **state)
{
    const size_t size = 1 << 16;
    unsigned char resident[16];
    void *memory = NULL, *kept = &kept;
    int rc;

    (void)state;
    assert_int_equal(os->map(&memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), 0);
    memset(memory, 1, size);
    assert_int_equal(os->advise(memory, size, MADV_DONTNEED), 0);
    assert_int_equal(*(char *)memory, 0);
    assert_int_equal(os->protect(memory, size, PROT_NONE), 0);
    if (!EDO_TEST_EMULATED) /* an emulator answers for memory of its own, too */
        assert_int_equal(mincore(memory, size, resident), 0);
    assert_int_equal(os->unmap(memory, size), 0);
    if (!EDO_TEST_EMULATED)
        assert_int_equal(mincore(memory, size, resident), -1);

    assert_int_equal(os->map(&kept, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS), -EINVAL);
    rc = os->map(&kept, SIZE_MAX / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
    assert_true(rc == -ENOMEM || rc == -EINVAL); /* -EINVAL under Valgrind */
    assert_ptr_equal(kept, &kept);
    assert_int_equal(os->unmap((void *)1, 4096), -EINVAL);
    assert_int_equal(os->protect((void *)1, 4096, PROT_READ), -EINVAL);
    assert_int_equal(os->advise((void *)1, 4096, MADV_DONTNEED), -EINVAL);
}

/* --- Time and chance
 * ---------------------------------------------------------------------------------------------- */

static int64_t read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static void test_t1_clocks_are_the_systems_in_nanoseconds(void **state)
{
    int64_t before = read_clock(CLOCK_MONOTONIC), now = os->now(), after = read_clock(CLOCK_MONOTONIC);

    (void)state;
    assert_true(before <= now && now <= after);
    /* The wall clock may be set at any time, but hardly by an hour just now. */
    assert_true(llabs(os->wall() - read_clock(CLOCK_REALTIME)) < 3600 * 1000 * MS);
}

static void test_t1_random_numbers_differ_in_every_bit(void **state)
{
    uint64_t ever_set = 0, ever_clear = 0, last = os->random();

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint64_t number = os->random();

        assert_true(number != last);
        ever_set |= number;
        ever_clear |= ~number;
        last = number;
    }
    assert_true(ever_set == UINT64_MAX);
    assert_true(ever_clear == UINT64_MAX);
}

/* --- Threads
 * ------------------------------------------------------------------------------------------------------ */

struct thread_report {
    size_t stack_size;
    sigset_t mask;
};

static void *report_thread(void *argument)
{
    struct thread_report *report = argument;
    pthread_attr_t attributes;

    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &report->stack_size);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_BLOCK, NULL, &report->mask);
    return report;
}

static void test_t1_threads_get_their_stack_and_their_argument(void **state)
{
    static const size_t sizes[] = {0, 1, 100000, 1 << 20, (1 << 20) + 1};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct thread_report report = {0};
        pthread_t thread;
        void *result;

        assert_int_equal(os->thread_start(&thread, sizes[i], report_thread, &report), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &report);
        assert_true(report.stack_size >= sizes[i]);
        assert_int_equal(sigismember(&report.mask, SIGUSR1), 0);
    }
}

static void test_f1_a_thread_that_cannot_be_had_is_an_error(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 4};
    pthread_t thread, before;

    (void)state;
    memset(&thread, 0x5a, sizeof thread);
    before = thread;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int rc = os->thread_start(&thread, sizes[i], report_thread, NULL);

        assert_true(rc == -EAGAIN || rc == -EINVAL); /* -EINVAL under Valgrind */
    }
    assert_memory_equal(&thread, &before, sizeof thread);
}

static uint32_t word;
static _Atomic int woken;

static void *wait_for_word(void *argument)
{
    (void)argument;
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
        int rc = os->futex_wait(&word, 0, FOREVER);

        if (rc != 0 && rc != -EAGAIN && rc != -EINTR)
            return (void *)(intptr_t)rc;
    }
    atomic_fetch_add(&woken, 1);
    return NULL;
}

static void test_t1_futex_answers(void **state)
{
    uint32_t local = 7;
    int64_t deadline;

    (void)state;
    assert_int_equal(os->futex_wait(&local, 8, FOREVER), -EAGAIN);
    assert_int_equal(os->futex_wait(&local, 7, 0), -ETIMEDOUT);
    assert_int_equal(os->futex_wait(&local, 7, 1), -ETIMEDOUT);
    assert_int_equal(os->futex_wait(&local, 7, -1), -ETIMEDOUT);
    assert_int_equal(os->futex_wait(&local, 7, INT64_MIN), -ETIMEDOUT);
    deadline = os->now() + 3 * MS + 1;
    assert_int_equal(os->futex_wait(&local, 7, deadline), -ETIMEDOUT);
    assert_true(os->now() >= deadline);
    assert_int_equal(os->futex_wake(&local, INT_MAX), 0);
}

static void test_t1_futex_wakes_whoever_waits(void **state)
{
    pthread_t threads[3];

    (void)state;
    word = 0;
    woken = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(os->thread_start(&threads[i], 1 << 18, wait_for_word, NULL), 0);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    assert_true(os->futex_wake(&word, INT_MAX) >= 0);
    for (int i = 0; i < 3; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(woken, 3);
}

/* --- Descriptors
 * -------------------------------------------------------------------------------------------------- */

static void test_t1_a_bad_descriptor_is_ebadf_everywhere(void **state)
{
    struct epoll_event event = {0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr *any = (struct sockaddr *)&address;
    struct iovec piece = {&event, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    struct mmsghdr batch = {.msg_hdr = message};
    int ends[2];
    socklen_t size = sizeof address;
    struct stat status;
    char byte = 0;

    (void)state;
    assert_int_equal(os->close(-1), -EBADF);
    assert_int_equal(os->read(-1, &byte, 1), -EBADF);
    assert_int_equal(os->write(-1, &byte, 1), -EBADF);
    assert_int_equal(os->readv(-1, &piece, 1), -EBADF);
    assert_int_equal(os->writev(-1, &piece, 1), -EBADF);
    assert_int_equal(os->pread(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->pwrite(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->pipe_writev(-1, &piece, 1), -EBADF);
    assert_int_equal(os->openat(-1, "name", O_RDONLY, 0), -EBADF);
    assert_int_equal(os->fstat(-1, &status), -EBADF);
    assert_int_equal(os->fstatat(-1, "name", &status, 0), -EBADF);
    assert_int_equal(os->fchmod(-1, 0), -EBADF);
    assert_int_equal(os->fsync(-1), -EBADF);
    assert_int_equal(os->renameat(-1, "name", -1, "other"), -EBADF);
    assert_int_equal(os->unlinkat(-1, "name", 0), -EBADF);
    assert_int_equal(os->mkdirat(-1, "name", 0), -EBADF);
    assert_int_equal(os->getdents(-1, &event, sizeof event), -EBADF);
    assert_int_equal(os->pidfd_send_signal(-1, 0), -EBADF);
    assert_int_equal(os->fcntl(-1, F_GETFD, 0), -EBADF);
    assert_int_equal(os->epoll_ctl(-1, EPOLL_CTL_ADD, 0, &event), -EBADF);
    assert_int_equal(os->epoll_wait(-1, &event, 1, 0), -EBADF);
    assert_int_equal(os->epoll_wait(-1, &event, 1, 1), -EBADF);
    assert_int_equal(os->epoll_wait(-1, &event, 1, -1), -EBADF);
    assert_int_equal(os->bind(-1, any, size), -EBADF);
    assert_int_equal(os->listen(-1, 1), -EBADF);
    assert_int_equal(os->accept(-1, NULL, NULL, 0), -EBADF);
    assert_int_equal(os->connect(-1, any, size), -EBADF);
    assert_int_equal(os->recv(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->send(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(os->sendmsg(-1, &message, 0), -EBADF);
    assert_int_equal(os->recvmsg(-1, &message, 0), -EBADF);
    assert_int_equal(os->recvmmsg(-1, &batch, 1, 0), -EBADF);
    assert_int_equal(os->sendmmsg(-1, &batch, 1, 0), -EBADF);
    assert_int_equal(os->socketpair(ends, AF_INET, SOCK_DGRAM, 0), -EOPNOTSUPP);
    assert_int_equal(os->shutdown(-1, SHUT_WR), -EBADF);
    assert_int_equal(os->setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &size, sizeof size), -EBADF);
    assert_int_equal(os->getsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &size, &size), -EBADF);
    assert_int_equal(os->getsockname(-1, any, &size), -EBADF);
    assert_int_equal(os->getpeername(-1, any, &size), -EBADF);
}

static void test_t1_other_errors_come_through(void **state)
{
    (void)state;
    assert_int_equal(os->open("/nonexistent/file", O_RDONLY | O_CLOEXEC, 0), -ENOENT);
    assert_int_equal(os->unlink("/nonexistent/file"), -ENOENT);
    assert_int_equal(os->epoll_create(-1), -EINVAL);
    assert_int_equal(os->eventfd(0, -1), -EINVAL);
    assert_int_equal(os->socket(-1, SOCK_STREAM, 0), -EAFNOSUPPORT);
}

static void test_t1_files_are_opened_read_written_and_unlinked(void **state)
{
    char path[] = "/tmp/edo-test-platform-XXXXXX", bytes[8] = "";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(os->close(fd), 0);
    fd = os->open(path, O_RDWR | O_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(os->fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(os->write(fd, "abcdef", 6), 6);
    assert_int_equal(os->pread(fd, bytes, 3, 2), 3);
    assert_memory_equal(bytes, "cde", 3);
    assert_int_equal(os->pread(fd, bytes, 3, 6), 0);
    assert_int_equal(os->close(fd), 0);
    assert_int_equal(os->unlink(path), 0);
    assert_int_equal(os->open(path, O_RDONLY | O_CLOEXEC, 0), -ENOENT);
    fd = os->open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(os->close(fd), 0);
    assert_int_equal(os->unlink(path), 0);
}

static void test_t1_pipes_pass_bytes_in_pieces(void **state)
{
    char first[3] = "", second[5] = "";
    struct iovec out[2] = {{(void *)(uintptr_t) "abc", 3}, {(void *)(uintptr_t) "defg", 4}};
    struct iovec in[2] = {{first, 2}, {second, 5}};
    int ends[2];

    (void)state;
    pipe_open(ends);
    assert_int_equal(os->fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(os->read(ends[0], first, 1), -EAGAIN);
    assert_int_equal(os->writev(ends[1], out, 2), 7);
    assert_int_equal(os->readv(ends[0], in, 2), 7);
    assert_memory_equal(first, "ab", 2);
    assert_memory_equal(second, "cdefg", 5);
    pipe_close(ends);
}

static void test_f2_a_descriptor_closed_twice_is_an_error(void **state)
{
    int fd = os->eventfd(0, EFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(os->close(fd), 0);
    assert_int_equal(os->close(fd), -EBADF);
}

static void test_c3_an_interrupted_close_has_closed(void **state)
{
    int fd = os->eventfd(0, EFD_CLOEXEC);

    (void)state;
    interrupt_close = true;
    assert_int_equal(os->close(fd), 0);
    interrupt_close = false;
    assert_int_equal(os->fcntl(fd, F_GETFD, 0), -EBADF);
}

static void ignore_signal(int number)
{
    (void)number;
}

/* Signals keep coming, so whichever call waits is interrupted sooner or later, and nothing depends on when. */
static void test_t1_interruptions_are_reported_not_retried(void **state)
{
    struct sigaction action = {.sa_handler = ignore_signal}, before;
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct epoll_event event;
    uint32_t local = 0;
    int ends[2], epoll = os->epoll_create(EPOLL_CLOEXEC);
    char byte;

    (void)state;
    pipe_open(ends);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    assert_int_equal(os->read(ends[0], &byte, 1), -EINTR);
    assert_int_equal(os->futex_wait(&local, 0, FOREVER), -EINTR);
    assert_int_equal(os->epoll_wait(epoll, &event, 1, -1), -EINTR);
    assert_int_equal(os->epoll_wait(epoll, &event, 1, 3600 * 1000 * MS), -EINTR);
    /* More milliseconds than an int has, and a multiple that would look like none. */
    assert_int_equal(os->epoll_wait(epoll, &event, 1, (INT64_C(1) << 32) * MS), -EINTR);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    pipe_close(ends);
    assert_int_equal(os->close(epoll), 0);
}

/* --- epoll
 * -------------------------------------------------------------------------------------------------------- */

static void expect_epoll_waits(void)
{
    static const int64_t timeouts[] = {1, 999, 123456, MS - 1, MS, MS + 1, 3 * MS + 7};
    int epoll = os->epoll_create(EPOLL_CLOEXEC), fd = os->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
    uint64_t one = 1;

    assert_true(epoll >= 0 && fd >= 0);
    assert_int_equal(os->epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal(os->epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), -EEXIST);
    assert_int_equal(os->epoll_wait(epoll, &event, 1, 0), 0);
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        int64_t before = os->now();

        assert_int_equal(os->epoll_wait(epoll, &event, 1, timeouts[i]), 0);
        assert_true(os->now() - before >= timeouts[i]);
    }
    assert_int_equal(os->write(fd, &one, sizeof one), sizeof one);
    for (int64_t timeout = -1; timeout <= 1; timeout++) {
        memset(&event, 0, sizeof event);
        assert_int_equal(os->epoll_wait(epoll, &event, 1, timeout), 1);
        assert_true(event.data.u64 == 0x123456789abcdef0);
        assert_int_equal(event.events, EPOLLIN);
    }
    /* So long that milliseconds no longer fit into an int. */
    assert_int_equal(os->epoll_wait(epoll, &event, 1, FOREVER), 1);
    assert_int_equal(os->epoll_wait(epoll, &event, 1, INT64_MIN), 1);
    assert_int_equal(os->epoll_wait(epoll, &event, 0, 1), -EINVAL);
    assert_int_equal(os->close(fd), 0);
    assert_int_equal(os->close(epoll), 0);
}

static void test_s4_epoll_waits_in_nanoseconds_and_never_returns_early(void **state)
{
    (void)state;
    expect_epoll_waits();
}

/* Makes the kernel answer some syscalls of this process with an error. */
static bool refuse(int syscall_number, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)syscall_number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Runs checks in a process where a syscall is refused; a failed one ends that process with another status
 * than 0. */
static void expect_under_refusal(int syscall_number, int error, void (*checks)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (!refuse(syscall_number, error))
            _exit(77);
        checks();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* cmocka's own assertions would unwind into the parent's copy of the test, so these end the process. */
#define CHILD_REQUIRE(condition)                                                                                       \
    do                                                                                                                 \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    while (0)

static void epoll_waits_without_nanoseconds(void)
{
    int epoll = os->epoll_create(EPOLL_CLOEXEC);
    struct sigaction action = {.sa_handler = ignore_signal};
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct epoll_event event;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    CHILD_REQUIRE(os->epoll_wait(epoll, &event, 1, (INT64_C(1) << 32) * MS) == -EINTR);
    setitimer(ITIMER_REAL, &never, NULL);
    for (int round = 0; round < 3; round++) {
        int64_t before = os->now();

        CHILD_REQUIRE(os->epoll_wait(epoll, &event, 1, 1 + 700 * 1000 * round) == 0);
        CHILD_REQUIRE(os->now() - before >= 1 + 700 * 1000 * round);
    }
    CHILD_REQUIRE(os->epoll_wait(epoll, &event, 1, 0) == 0);
    CHILD_REQUIRE(os->epoll_wait(-1, &event, 1, 1) == -EBADF);
}

static void random_without_getrandom(void)
{
    uint64_t numbers[100], ever_set = 0, ever_clear = 0;

    for (int i = 0; i < 100; i++) {
        numbers[i] = os->random();
        ever_set |= numbers[i];
        ever_clear |= ~numbers[i];
        for (int k = 0; k < i; k++)
            CHILD_REQUIRE(numbers[k] != numbers[i]);
    }
    CHILD_REQUIRE(ever_set == UINT64_MAX && ever_clear == UINT64_MAX);
}

static void test_s4_epoll_waits_in_milliseconds_where_the_kernel_is_old(void **state)
{
    (void)state;
    expect_under_refusal(SYS_epoll_pwait2, ENOSYS, epoll_waits_without_nanoseconds);
    expect_under_refusal(SYS_epoll_pwait2, EPERM, epoll_waits_without_nanoseconds);
}

static void test_t1_random_numbers_differ_where_the_kernel_gives_none(void **state)
{
    (void)state;
    expect_under_refusal(SYS_getrandom, ENOSYS, random_without_getrandom);
    expect_under_refusal(SYS_getrandom, EPERM, random_without_getrandom);
}

/* --- Sockets
 * ------------------------------------------------------------------------------------------------------ */

static void test_t1_a_connection_from_listen_to_reset(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, seen = {0};
    struct sockaddr *any = (struct sockaddr *)&address, *any_seen = (struct sockaddr *)&seen;
    socklen_t size = sizeof address;
    int listener = os->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = os->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int server, on = 1, value = 0;
    char bytes[16];
    struct iovec pieces[2] = {{bytes, 2}, {bytes + 2, 3}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};

    (void)state;
    assert_true(listener >= 0 && client >= 0);
    assert_int_equal(os->setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    size = sizeof value;
    assert_int_equal(os->getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &value, &size), 0);
    assert_int_equal(value, 1);
    assert_int_equal(os->bind(listener, any, sizeof address), 0);
    size = sizeof address;
    assert_int_equal(os->getsockname(listener, any, &size), 0);
    assert_int_not_equal(address.sin_port, 0);
    assert_int_equal(os->connect(client, any, size), -ECONNREFUSED);
    assert_int_equal(os->listen(listener, 1), 0);
    assert_int_equal(os->connect(client, any, size), 0);
    size = sizeof seen;
    server = os->accept(listener, any_seen, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(server >= 0);
    assert_int_equal(os->fcntl(server, F_GETFD, 0), FD_CLOEXEC);
    size = sizeof address;
    assert_int_equal(os->getsockname(client, any, &size), 0);
    assert_int_equal(seen.sin_port, address.sin_port);
    assert_int_equal(os->getpeername(server, any, &size), 0);
    assert_int_equal(seen.sin_port, address.sin_port);

    assert_int_equal(os->recv(server, bytes, sizeof bytes, 0), -EAGAIN);
    memcpy(bytes, "hello", 5);
    assert_int_equal(os->sendmsg(client, &message, MSG_NOSIGNAL), 5);
    assert_int_equal(os->send(client, "!", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(os->shutdown(client, SHUT_WR), 0);
    assert_int_equal(os->fcntl(server, F_SETFL, 0), 0);
    assert_int_equal(os->recv(server, bytes, 6, MSG_WAITALL), 6);
    assert_memory_equal(bytes, "hello!", 6);
    assert_int_equal(os->recv(server, bytes, 1, 0), 0);
    assert_int_equal(os->send(client, "x", 1, MSG_NOSIGNAL), -EPIPE);
    assert_int_equal(os->close(server), 0);
    assert_int_equal(os->close(client), 0);
    assert_int_equal(os->close(listener), 0);
}

static void test_t1_messages_go_over_a_pair_one_by_one_and_many_at_once(void **state)
{
    char bytes[3][4] = {"a", "bc", "def"};
    char got[2][4];
    struct iovec pieces[3] = {{bytes[0], 1}, {bytes[1], 2}, {bytes[2], 3}};
    struct iovec places[2] = {{got[0], 4}, {got[1], 2}};
    struct mmsghdr out[3] = {{.msg_len = 0}};
    struct mmsghdr in[2] = {{.msg_len = 0}};
    struct msghdr one = {.msg_iov = places, .msg_iovlen = 1};
    int ends[2];

    (void)state;
    assert_int_equal(os->socketpair(ends, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0);
    assert_int_equal(os->recvmmsg(ends[1], in, 2, 0), -EAGAIN);
    for (int i = 0; i < 3; i++)
        out[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    for (int i = 0; i < 2; i++)
        in[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1};
    assert_int_equal(os->sendmmsg(ends[0], out, 3, MSG_NOSIGNAL), 3);
    assert_int_equal(os->recvmsg(ends[1], &one, 0), 1);
    assert_int_equal(os->recvmmsg(ends[1], in, 2, MSG_TRUNC), 2);
    assert_memory_equal(got[0], "bc", 2);
    assert_int_equal(in[1].msg_len, 3); /* and two of them are there */
    assert_memory_equal(got[1], "de", 2);
    assert_true(in[1].msg_hdr.msg_flags & MSG_TRUNC);
    assert_int_equal(os->close(ends[0]), 0);
    assert_int_equal(os->close(ends[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t1_the_table_is_complete),
        cmocka_unit_test(test_t1_the_table_in_force_can_be_replaced),
        cmocka_unit_test(test_t1_allocated_memory_is_aligned_and_zero),
        cmocka_unit_test(test_f1_too_much_memory_is_null),
        cmocka_unit_test(test_t1_mappings_are_made_changed_and_unmade),
        cmocka_unit_test(test_t1_clocks_are_the_systems_in_nanoseconds),
        cmocka_unit_test(test_t1_random_numbers_differ_in_every_bit),
        cmocka_unit_test(test_t1_threads_get_their_stack_and_their_argument),
        cmocka_unit_test(test_f1_a_thread_that_cannot_be_had_is_an_error),
        cmocka_unit_test(test_t1_futex_answers),
        cmocka_unit_test(test_t1_futex_wakes_whoever_waits),
        cmocka_unit_test(test_t1_a_bad_descriptor_is_ebadf_everywhere),
        cmocka_unit_test(test_t1_other_errors_come_through),
        cmocka_unit_test(test_t1_files_are_opened_read_written_and_unlinked),
        cmocka_unit_test(test_t1_pipes_pass_bytes_in_pieces),
        cmocka_unit_test(test_f2_a_descriptor_closed_twice_is_an_error),
        cmocka_unit_test(test_c3_an_interrupted_close_has_closed),
        cmocka_unit_test(test_t1_interruptions_are_reported_not_retried),
        cmocka_unit_test(test_s4_epoll_waits_in_nanoseconds_and_never_returns_early),
        cmocka_unit_test(test_s4_epoll_waits_in_milliseconds_where_the_kernel_is_old),
        cmocka_unit_test(test_t1_random_numbers_differ_where_the_kernel_gives_none),
        cmocka_unit_test(test_t1_a_connection_from_listen_to_reset),
        cmocka_unit_test(test_t1_messages_go_over_a_pair_one_by_one_and_many_at_once),
    };

    return cmocka_run_group_tests_name("platform/platform", tests, NULL, NULL);
}
