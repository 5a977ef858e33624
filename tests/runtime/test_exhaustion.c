/* SPDX-License-Identifier: MIT */
/*
 * F1: whatever the system refuses, and whenever, is an error code; nothing is lost and nothing leaks.
 *
 * One program that spawns, joins, continues, blocks, nests and talks over sockets is run again and again, and each time
 * one more call that the system may refuse succeeds before one fails (or before all fail from there on), until none
 * does.
 */
#include "helpers.h"

#include "testing/faults.h"

#include <sys/socket.h>

/* --- A system that refuses ---------------------------------------------------------------------------------------- */

static int scarce_begin(void **state)
{
    (void)state;
    edo_faults_begin();
    edo_faults.calls = EDO_CALL_BIT(EDO_CALL_ALLOCATE) | EDO_CALL_BIT(EDO_CALL_MAP) |
                       EDO_CALL_BIT(EDO_CALL_THREAD_START) | EDO_CALL_BIT(EDO_CALL_EPOLL_CREATE) |
                       EDO_CALL_BIT(EDO_CALL_EVENTFD) | EDO_CALL_BIT(EDO_CALL_EPOLL_CTL);
    return 0;
}

static int scarce_end(void **state)
{
    (void)state;
    edo_faults_end();
    return 0;
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

/* --- The program -------------------------------------------------------------------------------------------------- */

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

static void assert_left(const struct edo_left_mark *mark, int64_t refused)
{
    char what[256];

    if (!edo_left_settle(what, sizeof what, &edo_faults.left, mark, EDO_SEC(5)))
        fail_msg("refused call %lld: %s", (long long)refused, what);
}

static void sweep(int workers, bool from_then_on)
{
    const edo_run_options *options =
        EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .seed = 1);
    struct edo_left_mark mark;
    int64_t nth;

    edo_left_look(&mark, &edo_faults.left);
    assert_int_equal(mark.blocks, 0);
    edo_faults_arm(0, 0); /* what is set up once in a process is set up now */
    assert_int_equal(run_with(program_main, NULL, options), 0);
    mark.bytes = atomic_load(&edo_faults.left.bytes);
    assert_left(&mark, 0);
    edo_faults.from_then_on = from_then_on;
    for (nth = 1;; nth++) {
        int rc;

        edo_faults_arm(nth, 0);
        rc = run_with(program_main, NULL, options);
        assert_left(&mark, nth);
        if (atomic_load(&edo_faults.failed) < 0) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc != 0 && !is_shortage(rc))
            fail_msg("refused call %lld: edo_run gave %d", (long long)nth, rc);
    }
    assert_true(nth > 21);
    print_message("# %lld calls refused in turn\n", (long long)nth - 1);
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
