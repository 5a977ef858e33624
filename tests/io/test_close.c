/* SPDX-License-Identifier: MIT */
/*
 * Closing, registration and readiness, rule S2 letter by letter: a close that races a syscall, stale events, edges that
 * come at the wrong moment, and how many syscalls an ordinary life costs.
 */
#include "net.h"

#include "io/stream.h"
#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <sched.h>
#include <sys/wait.h>

/* --- S2 a: the last user closes ----------------------------------------------------------------------------------- */

static struct {
    atomic_int fd;      /* the descriptor whose recv is held; 0: none */
    atomic_int holding; /* recv is in it */
    atomic_int closed;  /* edo_close has returned */
    atomic_int early;   /* its descriptor was closed meanwhile */
} race;

static ssize_t held_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t result;

    if (fd != atomic_load(&race.fd))
        return net_recv(fd, buffer, size, flags);
    atomic_store(&race.holding, 1);
    CHECK_EQUAL(take_worker(edo_thread_self()->worker), 0); /* this thread stays here: others go on */
    while (!atomic_load(&race.closed))
        sched_yield();
    result = net_recv(fd, buffer, size, flags); /* of this connection or of none */
    atomic_store(&race.holding, 0);
    return result;
}

static int watched_close(int fd)
{
    if (fd == atomic_load(&race.fd)) {
        if (atomic_load(&race.holding))
            atomic_store(&race.early, 1);
        atomic_store(&race.fd, 0);
    }
    return net_close(fd);
}

static int read_some(void *argument)
{
    char buffer[16];

    return (int)edo_read((edo_stream *)argument, buffer, sizeof buffer);
}

static int close_under_a_syscall(void *argument)
{
    edo_stream *pair[2];
    edo_stream *others[2];
    edo_task *reader;
    int result;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_write(pair[1], "old", 3), 3);
    atomic_store(&race.fd, edo_stream_fd(pair[0]));
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, read_some, pair[0], .handle = &reader), 0);
        while (!atomic_load(&race.holding))
            edo_yield();
        edo_close(pair[0]);
        CHECK(atomic_load(&race.fd) != 0);
        net_pair(others); /* would get the number, were it free */
        CHECK(edo_stream_fd(others[0]) != atomic_load(&race.fd));
        CHECK(edo_stream_fd(others[1]) != atomic_load(&race.fd));
        atomic_store(&race.closed, 1);
        CHECK_EQUAL(edo_join(&result, reader), 0);
        CHECK_EQUAL(result, 3); /* it was its own data */
    }
    CHECK_EQUAL(atomic_load(&race.fd), 0); /* the reader has closed it */
    edo_close(pair[1]);
    net_close_pair(others);
    return rc;
}

static void test_s2_a_a_close_that_races_a_syscall_leaves_close_to_the_last_user(void **state)
{
    (void)state;
    net_table.recv = held_recv;
    net_table.close = watched_close;
    for (int workers = 1; workers <= 2; workers++) {
        memset(&race, 0, sizeof race);
        assert_int_equal(net_run(workers, close_under_a_syscall, NULL), 0);
        assert_int_equal(atomic_load(&race.early), 0);
    }
}

/* --- Close wakes, and what is closed stays closed ----------------------------------------------------------------- */

static char fill[1 << 16];

static int write_for_ever(void *argument)
{
    ssize_t n;

    while ((n = edo_write((edo_stream *)argument, fill, sizeof fill)) > 0)
        ;
    return (int)n;
}

static int wait_for_input(void *argument)
{
    return edo_wait_readable((edo_stream *)argument, EDO_FOREVER);
}

static int wait_for_connection(void *argument)
{
    edo_stream *stream;

    return edo_accept(&stream, (edo_listener *)argument);
}

static int tell_resumption(void *argument)
{
    (void)argument;
    return edo_resumption();
}

static int go_dormant(void *argument)
{
    edo_stream *stream = (edo_stream *)argument;

    return edo_continue(EDO_WHEN_READABLE(stream), tell_resumption, NULL);
}

static int write_then_dormant(void *argument)
{
    edo_stream *stream = (edo_stream *)argument;
    size_t written;
    int rc = 0;

    EDO_TIMEOUT (EDO_MS(1), &rc) {
        while ((rc = (int)edo_write_all_part(&written, stream, fill, sizeof fill)) > 0)
            ;
    }
    return edo_continue(EDO_WHEN_WRITABLE(stream), tell_resumption, NULL);
}

static int close_wakes(void *argument)
{
    static int (*const waits[])(void *) = {read_some, write_for_ever, wait_for_input, go_dormant, write_then_dormant};
    edo_listener *listener;
    edo_addr address;
    edo_task *task;
    int result;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (size_t i = 0; i < EDO_COUNT(waits); i++) {
            edo_stream *pair[2];

            net_pair(pair);
            CHECK_EQUAL(edo_spawn(scope, waits[i], pair[0], .handle = &task), 0);
            edo_sleep(EDO_MS(3));
            edo_close(pair[0]);
            CHECK_EQUAL(edo_join(&result, task), 0);
            CHECK_EQUAL(result, -EBADF);
            edo_close(pair[1]);
        }
        for (int direction = 0; direction < 2; direction++) { /* born dormant */
            edo_stream *pair[2];

            net_pair(pair);
            while (send(edo_stream_fd(pair[0]), fill, sizeof fill, MSG_DONTWAIT) > 0)
                ;
            CHECK_EQUAL(
                direction
                    ? edo_spawn(scope, tell_resumption, NULL, .handle = &task, .when = EDO_WHEN_WRITABLE(pair[0]))
                    : edo_spawn(scope, tell_resumption, NULL, .handle = &task, .when = EDO_WHEN_READABLE(pair[0])),
                0);
            edo_sleep(EDO_MS(3));
            CHECK(!edo_task_done(task));
            edo_close(pair[0]);
            CHECK_EQUAL(edo_join(&result, task), 0);
            CHECK_EQUAL(result, -EBADF);
            edo_close(pair[1]);
        }
        net_listen(&listener, &address, NULL);
        CHECK_EQUAL(edo_spawn(scope, wait_for_connection, listener, .handle = &task), 0);
        edo_sleep(EDO_MS(3));
        edo_listener_close(listener);
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, -EBADF);
    }
    edo_close(NULL);
    edo_listener_close(NULL);
    return rc;
}

static void test_close_wakes_whoever_waits(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, close_wakes, NULL), 0);
    assert_int_equal(net_run(2, close_wakes, NULL), 0);
}

static int use_after_close(void *argument)
{
    struct iovec piece = {fill, 1};
    edo_stream *pair[2];
    edo_addr address;
    size_t written;
    char buffer[4];
    int closes;

    (void)argument;
    net_pair(pair);
    edo_close(pair[0]);
    closes = atomic_load(&net_calls[NET_CLOSE]);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), -EBADF);
        CHECK_EQUAL(edo_write(pair[0], buffer, sizeof buffer), -EBADF);
        CHECK_EQUAL(edo_writev(pair[0], &piece, 1), -EBADF);
        CHECK_EQUAL(edo_write_all(pair[0], buffer, sizeof buffer), -EBADF);
        CHECK_EQUAL(edo_write_all_part(&written, pair[0], buffer, sizeof buffer), -EBADF);
        CHECK_EQUAL(written, 0);
        CHECK_EQUAL(edo_writev_all(pair[0], &piece, 1), -EBADF);
        CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), -EBADF);
        CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), -EBADF);
        CHECK_EQUAL(edo_shutdown(pair[0], EDO_HALF_BOTH), -EBADF);
        CHECK_EQUAL(edo_stream_local(&address, pair[0]), -EBADF);
        CHECK_EQUAL(edo_stream_peer(&address, pair[0]), -EBADF);
        CHECK_EQUAL(edo_stream_set_nodelay(pair[0], true), -EBADF);
        CHECK_EQUAL(edo_stream_set_keepalive(pair[0], 0), -EBADF);
    }
    CHECK_EQUAL(edo_read(pair[1], buffer, sizeof buffer), 0); /* nothing was sent by anybody */
    edo_close(pair[1]);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), closes + 1);
    return 0;
}

static void test_a_closed_stream_is_a_bad_descriptor_and_closed_once(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, use_after_close, NULL), 0);
}

static int close_twice(void *argument)
{
    edo_stream *pair[2];
    edo_stream *others[2];
    int closes;

    (void)argument;
    net_pair(pair);
    edo_close(pair[0]);
    closes = atomic_load(&net_calls[NET_CLOSE]);
    edo_close(pair[0]);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), closes);
    net_pair(others);
    CHECK(others[0] != others[1]);
    CHECK_EQUAL(edo_write(others[0], "x", 1), 1);
    net_close_pair(others);
    edo_close(pair[1]);
    return 0;
}

static void test_f2_closing_twice_is_told_or_harmless(void **state)
{
    char text[512] = {0};
    size_t size = 0;
    int ends[2];
    ssize_t n;
    pid_t child;
    int status;

    (void)state;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        _exit(net_run(1, close_twice, NULL) == 0 ? 0 : 1);
    }
    close(ends[1]);
    while (size < sizeof text - 1 && (n = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
#ifdef EDO_DEBUG_CHECKS
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "closed twice"));
#else
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

/* --- S2 b: stale events ------------------------------------------------------------------------------------------- */

static struct {
    bool record;
    bool deliver;
    int delivered;
    struct epoll_event event;
} stale;

/* Keeps an event back, as if this thread were slow, and delivers it once more later. */
static int stale_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    int found = net_epoll_wait(epoll, events, count, stale.deliver ? 0 : timeout);

    for (int i = 0; stale.record && i < found; i++)
        if (events[i].events & EPOLLIN && events[i].data.u64 != 0)
            stale.event = events[i];
    if (stale.deliver && found >= 0 && found < count) {
        stale.deliver = false;
        stale.delivered++;
        events[found++] = stale.event;
    }
    return found;
}

static int survive_stale_events(void *argument)
{
    edo_stream *old[2];
    edo_stream *new[2];
    edo_task *task;
    char byte;
    int result;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        net_pair(old);
        stale.record = true;
        CHECK_EQUAL(edo_spawn(scope, wait_for_input, old[0], .handle = &task), 0);
        net_settle();
        CHECK_EQUAL(edo_write(old[1], "x", 1), 1);
        CHECK_EQUAL(edo_join(&result, task), 0);
        stale.record = false;
        CHECK(stale.event.events & EPOLLIN);
        net_close_pair(old);
        net_pair(new);
        if (new[0] != old[0]) { /* reuse is by the last in, first out */
            edo_stream *swap = new[0];

            new[0] = new[1];
            new[1] = swap;
        }
        CHECK(new[0] == old[0]);
        CHECK_EQUAL(edo_spawn(scope, tell_resumption, NULL, .handle = &task, .when = EDO_WHEN_READABLE(new[0])), 0);
        net_settle();
        stale.deliver = true;
        net_settle();
        CHECK_EQUAL(stale.delivered, 1);
        CHECK(!edo_task_done(task)); /* not its event */
        CHECK_EQUAL(edo_write(new[1], "y", 1), 1);
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, 0);
        CHECK_EQUAL(edo_read(new[0], &byte, 1), 1);
        CHECK_EQUAL(byte, 'y');
        net_close_pair(new);
    }
    return rc;
}

static void test_s2_b_a_stale_event_does_not_wake_the_next_stream(void **state)
{
    (void)state;
    memset(&stale, 0, sizeof stale);
    net_table.epoll_wait = stale_wait;
    assert_int_equal(net_run(1, survive_stale_events, NULL), 0);
}

/* --- S2 c: an EAGAIN cannot erase a newer edge -------------------------------------------------------------------- */

static struct {
    int fd; /* the reader's or writer's */
    int peer;
    int edges; /* how often an edge is made behind an EAGAIN */
} newer;

static void poll_now(void)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());

    edo_poller_poll(thread, &thread->worker->poller, 0);
    edo_leave(thread);
}

static ssize_t overtaken_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t result = net_recv(fd, buffer, size, flags);

    if (fd == newer.fd && newer.edges > 0 && (result == -EAGAIN || (result > 0 && (size_t)result < size))) {
        newer.edges--;
        CHECK(write(newer.peer, "n", 1) == 1);
        poll_now(); /* the edge has been told before the EAGAIN is acted upon */
    }
    return result;
}

static ssize_t overtaken_send(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t result = net_send(fd, buffer, size, flags);

    if (fd == newer.fd && newer.edges > 0 && (result == -EAGAIN || (result > 0 && (size_t)result < size))) {
        newer.edges--;
        while (recv(newer.peer, fill, sizeof fill, MSG_DONTWAIT) > 0)
            ;
        poll_now();
    }
    return result;
}

static int read_overtaken(void *argument)
{
    edo_stream *pair[2];
    char buffer[8];

    (void)argument;
    net_tcp_pair(pair);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT); /* registered */
    newer.fd = edo_stream_fd(pair[0]);
    newer.peer = edo_stream_fd(pair[1]);
    newer.edges = 0;
    CHECK_EQUAL(edo_write(pair[1], "a", 1), 1);
    CHECK_EQUAL(edo_read(pair[0], buffer, 1), 1); /* not short: it will be tried once more */
    newer.edges = 1;
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 1); /* EAGAIN, and then the newer edge */
    CHECK_EQUAL(newer.edges, 0);
    newer.edges = 1;
    CHECK_EQUAL(edo_write(pair[1], "b", 1), 1);
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 1); /* short, and then the newer edge */
    CHECK_EQUAL(newer.edges, 0);
    CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 1);
    newer.fd = 0;
    net_close_pair(pair);
    return 0;
}

static int write_overtaken(void *argument)
{
    edo_stream *pair[2];

    (void)argument;
    net_pair(pair);
    CHECK_EQUAL(edo_wait_writable(pair[0], EDO_FOREVER), 0);
    newer.fd = edo_stream_fd(pair[0]);
    newer.peer = edo_stream_fd(pair[1]);
    newer.edges = 3;
    while (newer.edges > 0)
        CHECK(edo_write(pair[0], fill, sizeof fill) > 0);
    newer.fd = 0;
    net_close_pair(pair);
    return 0;
}

static void test_s2_c_an_eagain_cannot_erase_a_newer_edge(void **state)
{
    (void)state;
    memset(&newer, 0, sizeof newer);
    net_table.recv = overtaken_recv;
    net_table.send = overtaken_send;
    assert_int_equal(net_run(1, read_overtaken, NULL), 0);
    assert_int_equal(net_run(1, write_overtaken, NULL), 0);
}

/* --- S2 d: a short read behind which the end hides ---------------------------------------------------------------- */

static int short_read_before_the_end(void *argument)
{
    char buffer[64];
    int rc = 0;

    (void)argument;
    for (int kind = 0; kind < 4; kind++) {
        edo_stream *pair[2];
        edo_task *task;
        int result;

        (kind & 1 ? net_pair : net_tcp_pair)(pair);
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, wait_for_input, pair[0], .handle = &task), 0);
            net_settle();
            CHECK_EQUAL(edo_write(pair[1], "last", 4), 4);
            if (kind & 2)
                CHECK_EQUAL(edo_shutdown(pair[1], EDO_HALF_WRITE), 0);
            else
                edo_close(EDO_TAKE(pair[1]));
            CHECK_EQUAL(edo_join(&result, task), 0); /* one edge told all: data and end */
            CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 4);
            CHECK_EQUAL(edo_read(pair[0], buffer, sizeof buffer), 0);
        }
        net_close_pair(pair);
    }
    return rc;
}

static void test_s2_d_a_short_read_before_the_end_is_not_drained(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, short_read_before_the_end, NULL), 0);
}

/* --- S2 e: registered once ---------------------------------------------------------------------------------------- */

static int never_wait(void *argument)
{
    edo_stream *pair[2];
    char byte;
    int adds = atomic_load(&net_calls[NET_CTL_ADD]);

    (void)argument;
    net_pair(pair);
    for (int i = 0; i < 100; i++) {
        CHECK_EQUAL(edo_write(pair[0], "x", 1), 1);
        CHECK_EQUAL(edo_read(pair[1], &byte, 1), 1);
    }
    net_close_pair(pair);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_ADD]), adds);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_DEL]), 0);
    return 0;
}

static void test_s2_e_a_stream_that_never_waits_is_not_registered(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, never_wait, NULL), 0);
}

enum { MESSAGES = 2000, MESSAGE = 64 };

static int echo(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = (edo_stream *)argument;
    char buffer[4096];
    ssize_t n;

    while ((n = edo_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = edo_write_all(peer, buffer, (size_t)n)) < 0)
            break;
    return (int)n;
}

static int ping_pong(void *argument)
{
    edo_listener *listener;
    edo_stream *client;
    edo_stream *peer;
    edo_addr address;
    int before[NET_CALLS];
    char buffer[4096] = {0};
    int rc = 0;

    (void)argument;
    net_listen(&listener, &address, NULL);
    CHECK_EQUAL(edo_connect(&client, &address, NULL), 0);
    CHECK_EQUAL(edo_accept(&peer, listener), 0);
    for (int i = 0; i < NET_CALLS; i++)
        before[i] = atomic_load(&net_calls[i]);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, echo, peer), 0);
        for (int i = 0; i < MESSAGES; i++) {
            CHECK_EQUAL(edo_write_all(client, buffer, MESSAGE), MESSAGE);
            CHECK_EQUAL(edo_read(client, buffer, sizeof buffer), MESSAGE);
        }
        edo_close(client);
    }
    /* One recv a message and end, and those few that came before the first edge. Never once more after a short read. */
    CHECK(atomic_load(&net_calls[NET_RECV]) - before[NET_RECV] <= 2 * MESSAGES + 6);
    CHECK_EQUAL(atomic_load(&net_calls[NET_SEND]) - before[NET_SEND], 2 * MESSAGES);
    CHECK(atomic_load(&net_calls[NET_EPOLL_WAIT]) - before[NET_EPOLL_WAIT] <= 2 * MESSAGES + MESSAGES / 10);
    CHECK(atomic_load(&net_calls[NET_CTL_ADD]) - before[NET_CTL_ADD] <= 2);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_MOD]) - before[NET_CTL_MOD], 0);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_DEL]) - before[NET_CTL_DEL], 0);
    edo_listener_close(listener);
    return rc;
}

static void test_s2_e_an_echo_costs_a_recv_and_a_send_and_registers_once(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, ping_pong, NULL), 0);
}

/* Both directions wait for the first time at once: still one registration. */
static int both_directions(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 200; i++) {
        edo_stream *pair[2];
        int adds = atomic_load(&net_calls[NET_CTL_ADD]);

        net_pair(pair);
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            CHECK_EQUAL(edo_spawn(scope, read_some, pair[0]), 0);
            CHECK_EQUAL(edo_spawn(scope, write_for_ever, pair[0]), 0);
            while (atomic_load(&net_calls[NET_CTL_ADD]) == adds)
                edo_yield();
            net_settle();
            CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_ADD]), adds + 1);
            edo_close(pair[0]);
        }
        edo_close(pair[1]);
    }
    return rc;
}

static void test_s2_e_two_directions_register_once(void **state)
{
    (void)state;
    assert_int_equal(net_run(2, both_directions, NULL), 0);
}

/*
 * A worker is taken from the thread whose task is about to register. The task of the other direction, which then runs,
 * must not wait for the first without giving up the worker.
 */
static atomic_int takes;

static ssize_t taken_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t result = net_recv(fd, buffer, size, flags);

    if (result == -EAGAIN && atomic_fetch_add(&takes, 1) == 0)
        CHECK_EQUAL(take_worker(edo_thread_self()->worker), 0);
    return result;
}

static int register_without_worker(void *argument)
{
    static int (*const calls[])(void *) = {read_some, write_for_ever};
    edo_stream *pair[2];
    edo_task *tasks[2];
    int adds = atomic_load(&net_calls[NET_CTL_ADD]);
    int rc = 0;

    (void)argument;
    net_pair(pair);
    while (send(edo_stream_fd(pair[0]), fill, sizeof fill, MSG_DONTWAIT) > 0)
        ;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 2; i++)
            CHECK_EQUAL(edo_spawn(scope, calls[i], pair[0], .handle = &tasks[i]), 0);
        edo_sleep(EDO_MS(5));
        CHECK(atomic_load(&takes) > 0);
        CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_ADD]), adds + 1); /* the second one has seen the first one's */
        edo_close(pair[0]);
        for (int i = 0; i < 2; i++) {
            int result;

            CHECK_EQUAL(edo_join(&result, tasks[i]), 0);
            CHECK_EQUAL(result, -EBADF);
        }
    }
    edo_close(pair[1]);
    return rc;
}

static void test_s6_a_worker_taken_before_registration_holds_nobody_up(void **state)
{
    (void)state;
    atomic_store(&takes, 0);
    net_table.recv = taken_recv;
    assert_int_equal(net_run(1, register_without_worker, NULL), 0);
}

/*
 * An idle worker that looks at a busy sibling's poller may find that sibling's wake there. It passes it on, and must
 * not take it for work of its own: it would find it again, and again.
 */
static atomic_int sleeper_epoll;
static atomic_int sleeps;

static int slept_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    if (timeout != 0 && epoll == atomic_load(&sleeper_epoll))
        atomic_fetch_add(&sleeps, 1);
    return net_epoll_wait(epoll, events, count, timeout);
}

static int keep_a_wake_waiting(void *argument)
{
    struct edo_worker *worker;
    struct edo_worker *other;
    edo_stream *pair[2];

    (void)argument;
    net_pair(pair);
    worker = edo_thread_self()->worker;
    other = &worker->runtime->workers[1 - worker->index];
    CHECK_EQUAL(edo_source_register(&pair[0]->source, EDO_IN, worker), 0); /* something to look for */
    atomic_store(&sleeper_epoll, other->poller.epoll);
    edo_poller_wake(&worker->poller);
    for (int i = 0; i < 3; i++) {
        int before = atomic_load(&sleeps);

        edo_poller_wake(&other->poller);
        while (atomic_load(&sleeps) == before)
            sched_yield();
    }
    atomic_store(&sleeper_epoll, -1);
    net_close_pair(pair);
    return 0;
}

static void test_s9_a_siblings_wake_does_not_keep_an_idle_worker_awake(void **state)
{
    (void)state;
    atomic_store(&sleeps, 0);
    net_table.epoll_wait = slept_wait;
    assert_int_equal(net_run(2, keep_a_wake_waiting, NULL), 0);
}

/* --- Duplicates --------------------------------------------------------------------------------------------------- */

/* A duplicate keeps the registration alive behind a closed number, so a close takes it out first. */
static int close_with_a_duplicate(void *argument)
{
    edo_stream *pair[2];
    int duplicate;

    (void)argument;
    net_pair(pair);
    duplicate = fcntl(edo_stream_fd(pair[0]), F_DUPFD_CLOEXEC, 0);
    CHECK_EQUAL(edo_wait_readable(pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    edo_close(pair[0]);
    CHECK_EQUAL(atomic_load(&net_calls[NET_CTL_DEL]), 1);
    edo_close(pair[1]);
    close(duplicate);
    return 0;
}

static void test_s2_b_a_duplicate_does_not_keep_the_registration(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, close_with_a_duplicate, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_s2_a_a_close_that_races_a_syscall_leaves_close_to_the_last_user),
        TEST(test_close_wakes_whoever_waits),
        TEST(test_a_closed_stream_is_a_bad_descriptor_and_closed_once),
        TEST(test_f2_closing_twice_is_told_or_harmless),
        TEST(test_s2_b_a_stale_event_does_not_wake_the_next_stream),
        TEST(test_s2_c_an_eagain_cannot_erase_a_newer_edge),
        TEST(test_s2_d_a_short_read_before_the_end_is_not_drained),
        TEST(test_s2_e_a_stream_that_never_waits_is_not_registered),
        TEST(test_s2_e_an_echo_costs_a_recv_and_a_send_and_registers_once),
        TEST(test_s2_e_two_directions_register_once),
        TEST(test_s6_a_worker_taken_before_registration_holds_nobody_up),
        TEST(test_s9_a_siblings_wake_does_not_keep_an_idle_worker_awake),
        TEST(test_s2_b_a_duplicate_does_not_keep_the_registration),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
