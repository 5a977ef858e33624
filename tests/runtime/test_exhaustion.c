/* SPDX-License-Identifier: MIT */
/*
 * F1: whatever the system refuses, and whenever, is an error code; nothing is lost and nothing leaks.
 *
 * One program that spawns, joins, continues, blocks, nests and talks over sockets is run again and again, and each time
 * one more call that the system may refuse succeeds before one fails (or before all fail from there on), until none does.
 */
#include "helpers.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* --- A system that refuses ------------------------------------------------------------------------------------------------ */

static struct edo_platform scarce;
static _Atomic int calls_left;  /* until it refuses */
static _Atomic int refused;     /* so often */
static _Atomic bool persistent; /* it refuses from then on; else once */
static _Atomic int64_t held_blocks;
static _Atomic int64_t held_bytes;

static bool refuse(void)
{
    int left = atomic_fetch_sub(&calls_left, 1);

    if (left > 0 || (left < 0 && !atomic_load(&persistent)))
        return false;
    atomic_fetch_add(&refused, 1);
    return true;
}

static void *scarce_allocate(size_t size)
{
    void *memory = refuse() ? NULL : edo_platform_system.allocate(size);

    if (memory)
        atomic_fetch_add(&held_blocks, 1);
    return memory;
}

static void scarce_release(void *memory)
{
    if (memory)
        atomic_fetch_sub(&held_blocks, 1);
    edo_platform_system.release(memory);
}

static int scarce_map(void **out, size_t size, int protection, int flags)
{
    int rc = refuse() ? -ENOMEM : edo_platform_system.map(out, size, protection, flags);

    if (rc == 0)
        atomic_fetch_add(&held_bytes, (int64_t)size);
    return rc;
}

static int scarce_unmap(void *address, size_t size)
{
    int rc = edo_platform_system.unmap(address, size);

    if (rc == 0)
        atomic_fetch_sub(&held_bytes, (int64_t)size);
    return rc;
}

static int scarce_thread_start(pthread_t *out, size_t stack_size, void *(*fn)(void *), void *argument)
{
    return refuse() ? -EAGAIN : edo_platform_system.thread_start(out, stack_size, fn, argument);
}

static int scarce_epoll_create(int flags)
{
    return refuse() ? -EMFILE : edo_platform_system.epoll_create(flags);
}

static int scarce_eventfd(unsigned initial, int flags)
{
    return refuse() ? -EMFILE : edo_platform_system.eventfd(initial, flags);
}

static int scarce_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return operation == EPOLL_CTL_ADD && refuse() ? -ENOSPC
                                                  : edo_platform_system.epoll_ctl(epoll, operation, fd, event);
}

static int scarce_begin(void **state)
{
    (void)state;
    scarce = edo_platform_system;
    scarce.allocate = scarce_allocate;
    scarce.release = scarce_release;
    scarce.map = scarce_map;
    scarce.unmap = scarce_unmap;
    scarce.thread_start = scarce_thread_start;
    scarce.epoll_create = scarce_epoll_create;
    scarce.eventfd = scarce_eventfd;
    scarce.epoll_ctl = scarce_epoll_ctl;
    edo_platform = &scarce;
    return 0;
}

static int scarce_end(void **state)
{
    (void)state;
    edo_platform = &edo_platform_system;
    return 0;
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static bool is_shortage(int rc)
{
    return rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE || rc == -ENOSPC;
}

/* An error that such a shortage may have; it is kept in *first. */
static bool failed(int rc, int *first)
{
    if (rc >= 0)
        return false;
    CHECK(is_shortage(rc));
    if (*first == 0)
        *first = rc;
    return true;
}

/* --- The program ------------------------------------------------------------------------------------------------------------ */

struct work {
    int spawned; /* spawns that said they succeeded */
    _Atomic int ran;
    _Atomic int dropped;
};

static int work_run(void *argument)
{
    edo_yield();
    atomic_fetch_add(&((struct work *)argument)->ran, 1);
    return 0;
}

static int work_copied(void *argument)
{
    return work_run(*(struct work **)argument);
}

static int work_continue(void *argument)
{
    return edo_continue(EDO_WHEN_AT(edo_now() + 1000), work_run, argument);
}

static int work_when_stream(void *argument)
{
    CHECK(edo_resumption() == 0 || is_shortage(edo_resumption()));
    return work_run(argument);
}

static int work_job(void *argument)
{
    (void)argument;
    return 8;
}

static void work_drop(void *argument)
{
    atomic_fetch_add(&(*(struct work **)argument)->dropped, 1);
}

/* Every kind of spawn. What fails leaves its argument here, which is tried: `work` is whole. */
static void spawn_all(edo_scope *scope, struct work *work, edo_stream *readable, int *first)
{
    edo_task *task = NULL;
    int result = 99;

    /* First of all, while nothing is at hand. */
    work->spawned += !failed(edo_spawn(scope, work_copied, &work, .copy = sizeof work, .handle = &task), first);
    edo_detach(EDO_TAKE(task));
    work->spawned += !failed(
        edo_spawn(scope, work_copied, &work, .copy = sizeof work, .stack_size = 1048576, .handle = &task), first);
    edo_detach(EDO_TAKE(task));
    for (int i = 0; i < 70; i++) /* more than a worker keeps at hand */
        work->spawned += !failed(edo_spawn(scope, work_run, work), first);
    work->spawned += !failed(edo_spawn(scope, work_copied, &work, .copy = sizeof work), first);
    work->spawned += !failed(edo_spawn(scope, work_continue, work), first);
    work->spawned += !failed(edo_spawn(scope, work_run, work, .stack_size = 65536), first);
    work->spawned += !failed(edo_spawn(scope, work_run, work, .pinned = true), first);
    work->spawned += !failed(edo_spawn(scope, work_run, work, .when = EDO_WHEN_AT(edo_now() + 1000)), first);
    if (readable)
        work->spawned +=
            !failed(edo_spawn(scope, work_when_stream, work, .copy = 0, .when = EDO_WHEN_READABLE(readable)), first);
    if (!failed(edo_spawn(scope, work_run, work, .handle = &task), first)) {
        work->spawned++;
        CHECK_RC(edo_join(&result, task), 0);
        CHECK_RC(result, 0);
    } else {
        CHECK(task == NULL);
    }
}

static int program_inner(void *argument)
{
    struct work *work = argument;
    int first = 0;

    spawn_all(edo_root_scope(), work, NULL, &first);
    return first;
}

static int program_main(void *argument)
{
    struct work work = {0};
    struct work inner = {0};
    struct work *copied = &work;
    edo_stream *ends[2] = {NULL, NULL};
    int pair[2];
    int first = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .timeout = EDO_SEC(1000)) {
        CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        for (int i = 0; i < 2; i++)
            if (failed(edo_stream_from_fd(&ends[i], pair[i]), &first)) {
                CHECK(ends[i] == NULL);
                close(pair[i]); /* still ours */
            }
        if (ends[0] && ends[1])
            CHECK_RC(edo_write_all(ends[1], "x", 1), 1);
        spawn_all(scope, &work, ends[0] && ends[1] ? ends[0] : NULL, &first);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(atomic_load(&work.ran), work.spawned); /* each one that was spawned, and no other */

        rc = edo_blocking(work_job, NULL);
        if (!failed(rc, &first))
            CHECK_RC(rc, 8);
        rc = edo_blocking(work_job, &copied, .copy = sizeof copied, .abandonable = true, .drop = work_drop);
        if (!failed(rc, &first))
            CHECK_RC(rc, 8);
        CHECK_RC(atomic_load(&work.dropped), rc < 0);

        rc = edo_run(program_inner, &inner, EDO_OPTIONS(edo_run_options, .workers = 1));
        failed(rc, &first);
        CHECK_RC(atomic_load(&inner.ran), inner.spawned);
        rc = 0;
    }
    edo_close(EDO_TAKE(ends[0]));
    edo_close(EDO_TAKE(ends[1]));
    return first;
}

static void settle(int64_t blocks, int64_t bytes)
{
    /* Threads of edo_blocking let go of their pool at their very end. */
    for (int i = 0; i < 5000 && (atomic_load(&held_blocks) != blocks || atomic_load(&held_bytes) != bytes); i++) {
        struct timespec pause = {0, 1000000};

        nanosleep(&pause, NULL);
    }
    assert_int_equal(atomic_load(&held_blocks), blocks);
    assert_int_equal(atomic_load(&held_bytes), bytes);
}

static void sweep(int workers, bool from_then_on)
{
    const edo_run_options *options =
        EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .seed = 1);
    int64_t blocks;
    int64_t bytes;
    int descriptors;
    int first;

    atomic_store(&calls_left, INT_MAX); /* what is set up once in a process is set up now */
    assert_int_equal(run_with(program_main, NULL, options), 0);
    settle(0, atomic_load(&held_bytes));
    blocks = atomic_load(&held_blocks);
    bytes = atomic_load(&held_bytes);
    descriptors = open_descriptors();
    for (first = 0;; first++) {
        int rc;

        atomic_store(&refused, 0);
        atomic_store(&persistent, from_then_on);
        atomic_store(&calls_left, first);
        rc = run_with(program_main, NULL, options);
        settle(blocks, bytes);
        assert_int_equal(open_descriptors(), descriptors);
        if (atomic_load(&refused) == 0) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc != 0 && !is_shortage(rc))
            fail_msg("refused call %d: edo_run gave %d", first, rc);
    }
    assert_true(first > 20);
    print_message("# %d calls refused in turn\n", first);
}

static void test_f1_each_refusal_alone_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    sweep(1, false);
}

static void test_f1_refusals_from_any_call_on_are_errors_and_leak_nothing(void **state)
{
    (void)state;
    sweep(1, true);
}

static void test_f1_refusals_with_several_workers(void **state)
{
    (void)state;
    sweep(3, false);
    sweep(3, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_f1_each_refusal_alone_is_an_error_and_leaks_nothing, scarce_begin,
                                        scarce_end),
        cmocka_unit_test_setup_teardown(test_f1_refusals_from_any_call_on_are_errors_and_leak_nothing, scarce_begin,
                                        scarce_end),
        cmocka_unit_test_setup_teardown(test_f1_refusals_with_several_workers, scarce_begin, scarce_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
