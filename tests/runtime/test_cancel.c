/* SPDX-License-Identifier: MIT */
/*
 * Cancellation is level-triggered (C1): refused before any syscall, with budget spent, everywhere, until the scope is
 * left; and it reaches whatever waits, from wherever it is asked for.
 */
#include "helpers.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

/* --- Every call that may wait ------------------------------------------------------------------------------------- */

/* Syscalls made through the platform table by tasks. */
static struct edo_platform counting;
static _Atomic int syscalls;

#define COUNTED(name, type, declared, used)                                                                            \
    static type counted_##name declared                                                                                \
    {                                                                                                                  \
        atomic_fetch_add(&syscalls, 1);                                                                                \
        return edo_platform_system.name used;                                                                          \
    }
COUNTED(read, ssize_t, (int fd, void *buffer, size_t size), (fd, buffer, size))
COUNTED(write, ssize_t, (int fd, const void *buffer, size_t size), (fd, buffer, size))
COUNTED(readv, ssize_t, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))
COUNTED(writev, ssize_t, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))
COUNTED(recv, ssize_t, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
COUNTED(send, ssize_t, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags))
COUNTED(sendmsg, ssize_t, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
COUNTED(accept, int, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags))
COUNTED(connect, int, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
COUNTED(socket, int, (int domain, int type, int protocol), (domain, type, protocol))
COUNTED(close, int, (int fd), (fd))
COUNTED(fcntl, int, (int fd, int command, long argument), (fd, command, argument))
COUNTED(epoll_ctl, int, (int epoll, int operation, int fd, struct epoll_event *event), (epoll, operation, fd, event))
COUNTED(thread_start, int, (pthread_t * out, size_t size, void *(*fn)(void *), void *argument),
        (out, size, fn, argument))

static int counting_begin(void **state)
{
    (void)state;
    counting = edo_platform_system;
    counting.read = counted_read;
    counting.write = counted_write;
    counting.readv = counted_readv;
    counting.writev = counted_writev;
    counting.recv = counted_recv;
    counting.send = counted_send;
    counting.sendmsg = counted_sendmsg;
    counting.accept = counted_accept;
    counting.connect = counted_connect;
    counting.socket = counted_socket;
    counting.close = counted_close;
    counting.fcntl = counted_fcntl;
    counting.epoll_ctl = counted_epoll_ctl;
    counting.thread_start = counted_thread_start;
    edo_platform = &counting;
    return 0;
}

/* What the calls are made on. */
struct things {
    edo_stream *ends[2];
    edo_listener *listener;
    edo_addr address;
    edo_task *task; /* waits at the gate */
    struct gate gate;
    edo_interval interval;
    uint32_t word;
    int pipe[2];
};

static int never(void *argument)
{
    (void)argument;
    CHECK(!"a refused job has run");
    return 0;
}

static long long call_yield(struct things *things)
{
    (void)things;
    return edo_yield();
}

static long long call_checkpoint(struct things *things)
{
    (void)things;
    return edo_checkpoint();
}

static long long call_sleep(struct things *things)
{
    (void)things;
    return edo_sleep(EDO_SEC(1000));
}

static long long call_sleep_not(struct things *things)
{
    (void)things;
    return edo_sleep(0);
}

static long long call_sleep_until(struct things *things)
{
    (void)things;
    return edo_sleep_until(EDO_FOREVER);
}

static long long call_sleep_until_past(struct things *things)
{
    (void)things;
    return edo_sleep_until(1);
}

static long long call_tick(struct things *things)
{
    return edo_interval_tick(&things->interval);
}

static long long call_join(struct things *things)
{
    return edo_join(NULL, things->task);
}

static long long call_word(struct things *things)
{
    return edo_wait_word(&things->word, 0, EDO_FOREVER);
}

static long long call_word_changed(struct things *things)
{
    return edo_wait_word(&things->word, 1, EDO_FOREVER);
}

static long long call_word_late(struct things *things)
{
    return edo_wait_word(&things->word, 0, 1);
}

static long long call_blocking(struct things *things)
{
    (void)things;
    return edo_blocking(never, NULL);
}

static long long call_abandonable(struct things *things)
{
    (void)things;
    return edo_blocking(never, NULL, .abandonable = true);
}

static long long call_run(struct things *things)
{
    (void)things;
    return edo_run(never, NULL, NULL);
}

static long long call_accept(struct things *things)
{
    edo_stream *stream = NULL;

    return edo_accept(&stream, things->listener);
}

static long long call_connect(struct things *things)
{
    edo_stream *stream = NULL;

    return edo_connect(&stream, &things->address, NULL);
}

static long long call_read(struct things *things)
{
    char byte;

    return edo_read(things->ends[0], &byte, 1);
}

static long long call_write(struct things *things)
{
    return edo_write(things->ends[0], "x", 1);
}

static long long call_write_all(struct things *things)
{
    return edo_write_all(things->ends[0], "x", 1);
}

static long long call_write_all_part(struct things *things)
{
    size_t written = 1;
    long long rc = edo_write_all_part(&written, things->ends[0], "x", 1);

    CHECK(written == 0);
    return rc;
}

static long long call_writev(struct things *things)
{
    char byte = 'x';
    struct iovec piece = {&byte, 1};

    return edo_writev(things->ends[0], &piece, 1);
}

static long long call_writev_all(struct things *things)
{
    char byte = 'x';
    struct iovec piece = {&byte, 1};

    return edo_writev_all(things->ends[0], &piece, 1);
}

static long long call_readable(struct things *things)
{
    return edo_wait_readable(things->ends[0], EDO_FOREVER);
}

static long long call_writable(struct things *things)
{
    return edo_wait_writable(things->ends[0], EDO_FOREVER);
}

static long long call_wait_fd(struct things *things)
{
    return edo_wait_fd(things->pipe[0], EDO_READABLE, EDO_FOREVER);
}

static const struct call {
    const char *name;
    long long (*call)(struct things *things);
    bool waits;      /* when not cancelled, it waits for ever; the others would return at once */
    long long else_; /* what those return then */
} calls[] = {
    {"yield", call_yield, false, 0},
    {"checkpoint", call_checkpoint, false, 0},
    {"sleep", call_sleep, true, 0},
    {"sleep(0)", call_sleep_not, false, 0},
    {"sleep_until", call_sleep_until, true, 0},
    {"sleep_until(past)", call_sleep_until_past, false, 0},
    {"interval_tick", call_tick, true, 0},
    {"join", call_join, true, 0},
    {"wait_word", call_word, true, 0},
    {"wait_word(changed)", call_word_changed, false, -EAGAIN},
    {"wait_word(late)", call_word_late, false, -ETIMEDOUT},
    {"blocking", call_blocking, false, 1},
    {"blocking(abandonable)", call_abandonable, false, 1},
    {"run", call_run, false, 1},
    {"accept", call_accept, true, 0},
    {"connect", call_connect, false, 1},
    {"read", call_read, true, 0},
    {"write", call_write, false, 1},
    {"write_all", call_write_all, false, 1},
    {"write_all_part", call_write_all_part, false, 1},
    {"writev", call_writev, false, 1},
    {"writev_all", call_writev_all, false, 1},
    {"wait_readable", call_readable, true, 0},
    {"wait_writable", call_writable, false, 0},
    {"wait_fd", call_wait_fd, true, 0},
};

static int gate_keeper(void *argument)
{
    while (gate_wait(argument) == -ECANCELED)
        edo_yield();
    return 0;
}

static void things_open(struct things *things)
{
    int pair[2];

    memset(things, 0, sizeof *things);
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_RC(edo_stream_from_fd(&things->ends[0], pair[0]), 0);
    CHECK_RC(edo_stream_from_fd(&things->ends[1], pair[1]), 0);
    CHECK_RC(edo_tcp_listen(&things->listener, "127.0.0.1:0", NULL), 0);
    CHECK_RC(edo_listener_addr(&things->address, things->listener), 0);
    CHECK_RC(edo_interval_init(&things->interval, EDO_SEC(1000), EDO_MISSED_BURST), 0);
    CHECK_RC(pipe2(things->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_RC(edo_spawn(edo_root_scope(), gate_keeper, &things->gate, .handle = &things->task), 0);
}

static void things_close(struct things *things)
{
    gate_open(&things->gate);
    CHECK_RC(edo_join(NULL, things->task), 0); /* a cancelled join has kept the handle */
    edo_close(things->ends[0]);
    edo_close(things->ends[1]);
    edo_listener_close(things->listener);
    close(things->pipe[0]);
    close(things->pipe[1]);
}

static int refused_main(void *argument)
{
    struct things things;
    int rc = 0;

    (void)argument;
    things_open(&things);
    for (size_t i = 0; i < EDO_COUNT(calls); i++) {
        bool refused = true;
        int before = atomic_load(&syscalls);

        EDO_SCOPE (scope, &rc) {
            edo_scope_cancel(scope);
            for (int round = 0; round < 3; round++)
                refused = refused && calls[i].call(&things) == -ECANCELED;
            EDO_SCOPE (inner, NULL) /* inside it, too */
                refused = refused && calls[i].call(&things) == -ECANCELED;
        }
        if (!CHECK(refused) || !CHECK_RC(atomic_load(&syscalls) - before, 0))
            fprintf(stderr, "  that was %s\n", calls[i].name);
        if (!calls[i].waits && calls[i].else_ <= 0) /* and no longer, once the scope is left */
            CHECK_RC(calls[i].call(&things), calls[i].else_);
    }
    things_close(&things);
    return rc;
}

static void test_c1_every_call_that_may_wait_is_refused_before_any_syscall(void **state)
{
    (void)state;
    assert_int_equal(run_alone(refused_main, NULL), 0);
}

/* A refused call spends budget: a loop that ignores its errors lets others run. */
static int budget_other(void *argument)
{
    *(_Atomic bool *)argument = true;
    return 0;
}

static int budget_main(void *argument)
{
    struct things things;
    int rc = 0;

    (void)argument;
    things_open(&things);
    for (size_t i = 0; i < EDO_COUNT(calls); i++) {
        _Atomic bool ran = false;
        int rounds = 0;

        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(edo_root_scope(), budget_other, ARGUMENT(&ran)), 0);
            edo_scope_cancel(scope);
            while (!atomic_load(&ran) && rounds < 100000) {
                calls[i].call(&things);
                rounds++;
            }
        }
        if (!CHECK(rounds <= 129))
            fprintf(stderr, "  that was %s: %d\n", calls[i].name, rounds);
    }
    things_close(&things);
    return rc;
}

static void test_c1_refused_calls_spend_budget(void **state)
{
    (void)state;
    assert_int_equal(run_alone(budget_main, NULL), 0);
}

/* --- What waits is woken ------------------------------------------------------------------------------------------ */

struct waiter {
    struct things things;
    const struct call *call;
    _Atomic int waiting;
    long long rc;
    int reason;
};

static int waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    atomic_store(&waiter->waiting, 1);
    waiter->rc = waiter->call->call(&waiter->things);
    waiter->reason = edo_cancel_reason();
    CHECK_RC(edo_checkpoint(), -ECANCELED);
    return 0;
}

static int woken_main(void *argument)
{
    struct waiter waiter = {.rc = 0};
    int rc = 0;

    (void)argument;
    things_open(&waiter.things);
    for (size_t i = 0; i < EDO_COUNT(calls); i++) {
        if (!calls[i].waits)
            continue;
        waiter.call = &calls[i];
        atomic_store(&waiter.waiting, 0);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, waiter_run, &waiter), 0);
            until(&waiter.waiting, 1);
            for (int round = 0; round < 10; round++) /* with one worker: it waits by now */
                edo_yield();
            edo_scope_cancel(scope);
        }
        if (!CHECK_RC(waiter.rc, -ECANCELED) || !CHECK_RC(waiter.reason, EDO_REASON_USER))
            fprintf(stderr, "  that was %s\n", calls[i].name);
    }
    things_close(&waiter.things);
    return rc;
}

static void test_c1_whatever_waits_is_woken(void **state)
{
    (void)state;
    assert_int_equal(run_alone(woken_main, NULL), 0);
    assert_int_equal(run(woken_main, NULL), 0);
}

/* --- Not cancellable ---------------------------------------------------------------------------------------------- */

static int end_child(void *argument)
{
    _Atomic int *count = argument;

    for (int i = 0; i < 200; i++)
        edo_yield();
    atomic_fetch_add(count, 1);
    return 0;
}

static int end_main(void *argument)
{
    _Atomic int ended = 0;
    int pair[2];
    edo_stream *stream = NULL;
    int rc = 0;

    (void)argument;
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    EDO_SCOPE (outer, &rc) {
        edo_scope_cancel(outer);
        EDO_SCOPE (inner, NULL) { /* spawning is not refused either */
            for (int i = 0; i < 10; i++)
                CHECK_RC(edo_spawn(inner, end_child, ARGUMENT(&ended)), 0);
            CHECK_RC(edo_scope_join(inner), 0);
            CHECK_RC(atomic_load(&ended), 10);
            for (int i = 0; i < 10; i++)
                CHECK_RC(edo_spawn(inner, end_child, ARGUMENT(&ended)), 0);
        }
        CHECK_RC(atomic_load(&ended), 20);
        CHECK_RC(edo_stream_from_fd(&stream, pair[0]), 0);
        edo_close(stream);
        CHECK_RC(fcntl(pair[0], F_GETFD), -1);
    }
    close(pair[1]);
    return rc;
}

static void test_c1_scope_end_spawn_and_close_are_not_cancellable(void **state)
{
    (void)state;
    assert_int_equal(run(end_main, NULL), 0);
}

/* --- Reason and place --------------------------------------------------------------------------------------------- */

static int reason_main(void *argument)
{
    const edo_site *first;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_cancel_reason(), EDO_REASON_NONE);
    CHECK(edo_cancel_site() == NULL);
    EDO_SCOPE (scope, &rc) {
        int line = __LINE__ + 1;
        edo_scope_cancel(scope);
        first = edo_cancel_site();
        CHECK(first && first->line == line && strstr(first->file, "test_cancel.c"));
        CHECK(first && strcmp(first->function, "reason_main") == 0);
        CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
        edo_scope_cancel_at(scope, EDO_REASON_SHUTDOWN, EDO_HERE); /* the first reason stays */
        CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
        CHECK(edo_cancel_site() == first);
        EDO_SCOPE (inner, NULL) {
            CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
            CHECK(edo_cancel_site() == first);
        }
    }
    CHECK_RC(edo_cancel_reason(), EDO_REASON_NONE);
    for (int reason = EDO_REASON_USER; reason <= EDO_REASON_CLOSING; reason++)
        EDO_SCOPE (scope, &rc) {
            edo_scope_cancel_at(scope, reason, NULL);
            CHECK_RC(edo_cancel_reason(), reason);
            CHECK(edo_cancel_site() == NULL);
        }
    /* What is no reason does not become a flag of the scope's. */
    for (int bit = 8; bit < 31; bit++)
        EDO_SCOPE (scope, &rc) {
            edo_scope_cancel_at(scope, 1 << bit, NULL);
            CHECK(edo_cancelled() && edo_cancel_reason() != EDO_REASON_NONE);
        }
    return rc;
}

static void test_c1_first_reason_and_place_stay(void **state)
{
    (void)state;
    assert_int_equal(run_alone(reason_main, NULL), 0);
}

/* --- From elsewhere ----------------------------------------------------------------------------------------------- */

static void *cancel_thread(void *argument)
{
    edo_scope_cancel((edo_scope *)argument);
    return NULL;
}

static int thread_main(void *argument)
{
    pthread_t thread;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 20; i++)
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(pthread_create(&thread, NULL, cancel_thread, scope), 0);
            CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
            CHECK_RC(edo_cancel_reason(), EDO_REASON_USER);
            pthread_join(thread, NULL);
        }
    return rc;
}

static void test_c1_cancelled_from_a_plain_thread(void **state)
{
    (void)state;
    assert_int_equal(run_alone(thread_main, NULL), 0);
    assert_int_equal(run(thread_main, NULL), 0);
}

static void cancel_callback(void *argument)
{
    edo_scope_cancel((edo_scope *)argument);
}

static int timer_main(void *argument)
{
    edo_timer timer;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 20; i++)
        EDO_SCOPE (scope, &rc) {
            edo_timer_init(&timer, cancel_callback, scope);
            CHECK_RC(edo_timer_start(&timer, edo_now() + EDO_US(50)), 0);
            CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
            CHECK_RC(edo_timer_stop(&timer), 0);
        }
    return rc;
}

static void test_c1_cancelled_from_a_timer(void **state)
{
    (void)state;
    assert_int_equal(run(timer_main, NULL), 0);
}

static int inner_cancel(void *argument)
{
    edo_scope_cancel((edo_scope *)argument);
    return 0;
}

static int sleeper(void *argument)
{
    (void)argument;
    CHECK_RC(edo_sleep(EDO_FOREVER), -ECANCELED);
    return 0;
}

static int other_runtime_main(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 10; i++)
            CHECK_RC(edo_spawn(scope, sleeper, NULL), 0);
        /* The calling task is cancelled while it waits for the inner runtime, which ends all the same. */
        CHECK_RC(edo_run(inner_cancel, scope, EDO_OPTIONS(edo_run_options, .workers = 2)), 0);
        CHECK_RC(edo_checkpoint(), -ECANCELED);
    }
    return rc;
}

static void test_c1_cancelled_from_another_runtime(void **state)
{
    (void)state;
    assert_int_equal(run(other_runtime_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c1_every_call_that_may_wait_is_refused_before_any_syscall, counting_begin,
                                        restore_table),
        cmocka_unit_test(test_c1_refused_calls_spend_budget),
        cmocka_unit_test(test_c1_whatever_waits_is_woken),
        cmocka_unit_test(test_c1_scope_end_spawn_and_close_are_not_cancellable),
        cmocka_unit_test(test_c1_first_reason_and_place_stay),
        cmocka_unit_test(test_c1_cancelled_from_a_plain_thread),
        cmocka_unit_test(test_c1_cancelled_from_a_timer),
        cmocka_unit_test(test_c1_cancelled_from_another_runtime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
