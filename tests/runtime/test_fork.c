/* SPDX-License-Identifier: MIT */
/* After fork the child may only exec (F4): what it is answered, and that the parent does not notice. */
#include "helpers.h"

#include <edo/testing.h>

#include <pthread.h>
#include <sys/socket.h>

static struct {
    edo_stream *pair[2];
    edo_listener *listener;
    edo_scope *scope;
    edo_task *task;
    edo_channel *channel;
    edo_broadcast *broadcast;
    edo_subscription subscription;
    uint32_t word;
} world;

/* In the child, which says by its status how many of its checks failed. */
static int child_failed;

#define CHILD_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);                              \
            child_failed++;                                                                                            \
        }                                                                                                              \
    } while (0)

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* Forks, runs body in the child, and gives waitpid's status. */
static int forked(void (*body)(void))
{
    int status = -1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(50 * EDO_TEST_SCALE);
        child_failed = 0;
        body();
        _exit(child_failed);
    }
    CHECK(child > 0);
    CHECK_RC(waitpid(child, &status, 0), child);
    return status;
}

static edo_local local; /* the forking task has it bound */
static edo_local_binding bound;

static void child_calls(void)
{
    edo_scope scope;
    edo_stream *stream;
    edo_listener *listener;
    edo_file *file;
    edo_timer timer;
    char byte = 'x';
    edo_arm arm = EDO_RECV(world.channel, &byte);

    CHILD_CHECK(!edo_in_task());
    CHILD_CHECK(edo_run(nothing, NULL, NULL) == -EPERM);
    CHILD_CHECK(edo_test_run(nothing, NULL, NULL) == -EPERM);
    CHILD_CHECK(edo_spawn(EDO_DETACHED, nothing, NULL) == -EPERM);
    CHILD_CHECK(edo_join(NULL, world.task) == -EPERM);
    CHILD_CHECK(edo_local_get(&local) == NULL);
    CHILD_CHECK(edo_local_set(&local, &byte) == -EPERM);
    edo_local_unbind(&bound);
    CHILD_CHECK(edo_sleep(1) == -EPERM);
    CHILD_CHECK(edo_yield() == -EPERM);
    CHILD_CHECK(edo_checkpoint() == -EPERM);
    CHILD_CHECK(edo_wait_word(&world.word, 0, EDO_FOREVER) == -EPERM);
    CHILD_CHECK(edo_wake_word(&world.word, 1) == -EPERM);
    CHILD_CHECK(edo_recv(&byte, world.channel) == -EPERM);
    CHILD_CHECK(edo_try_send(world.channel, &byte) == -EPERM);
    CHILD_CHECK(edo_select(&arm, 1) == -EPERM);
    CHILD_CHECK(edo_channel_close(world.channel) == -EPERM);
    CHILD_CHECK(edo_hear(&byte, &world.subscription) == -EPERM);
    CHILD_CHECK(edo_broadcast_send(world.broadcast, &byte) == -EPERM);
    CHILD_CHECK(edo_broadcast_close(world.broadcast) == -EPERM);
    CHILD_CHECK(edo_blocking(nothing, NULL) == -EPERM);
    CHILD_CHECK(edo_blocking_begin() == -EPERM);
    CHILD_CHECK(edo_scope_begin(&scope, NULL, NULL) == -EPERM);
    CHILD_CHECK(edo_scope_end(world.scope, 0) == -EPERM);
    CHILD_CHECK(edo_scope_join(world.scope) == -EPERM);
    CHILD_CHECK(edo_read(world.pair[0], &byte, 1) == -EPERM);
    CHILD_CHECK(edo_write(world.pair[0], &byte, 1) == -EPERM);
    CHILD_CHECK(edo_shutdown(world.pair[0], EDO_HALF_BOTH) == -EPERM);
    CHILD_CHECK(edo_accept(&stream, world.listener) == -EPERM);
    CHILD_CHECK(edo_tcp_listen(&listener, "127.0.0.1:0", NULL) == -EPERM);
    CHILD_CHECK(edo_tcp_connect(&stream, "127.0.0.1:1", NULL) == -EPERM);
    CHILD_CHECK(edo_resolve(&(edo_addr){0}, 1, "localhost:1", NULL) == -EPERM);
    CHILD_CHECK(edo_wait_fd(0, EDO_READABLE, EDO_FOREVER) == -EPERM);
    CHILD_CHECK(edo_file_open(&file, "/dev/null", O_RDONLY, 0) == -EPERM);
    edo_timer_init(&timer, NULL, NULL);
    CHILD_CHECK(edo_timer_start(&timer, 0) == -EPERM);
    edo_scope_cancel(world.scope);
    edo_close(world.pair[0]);
    edo_listener_close(world.listener);
}

/* The parent goes on as if there had been no child: its stream is watched, its listener listens, its scope lives. */
static int goes_on(void)
{
    edo_stream *client;
    edo_stream *peer;
    char byte = 0;
    int rc;

    CHECK(!edo_cancelled());
    CHECK_RC(edo_wait_readable(world.pair[0], edo_now() + EDO_MS(1)), -ETIMEDOUT);
    CHECK_RC(edo_write(world.pair[1], "y", 1), 1);
    CHECK_RC(edo_read(world.pair[0], &byte, 1), 1);
    CHECK(byte == 'y');
    rc = edo_unix_connect(&client, "/tmp/edo-test-fork", NULL);
    CHECK_RC(rc, 0);
    if (rc == 0) {
        CHECK_RC(edo_accept(&peer, world.listener), 0);
        edo_close(peer);
        edo_close(client);
    }
    return 0;
}

static int sleeps(void *argument)
{
    (void)argument;
    edo_sleep(EDO_SEC(3600));
    return 0;
}

/* Waits in a channel, where a child must not find it. */
static int receives(void *argument)
{
    char byte = 0;

    (void)argument;
    CHECK_RC(edo_recv(&byte, world.channel), 0);
    CHECK(byte == 'z');
    return 0;
}

static int forks(void *argument)
{
    int fds[2];
    int rc = 0;

    (void)argument;
    unlink("/tmp/edo-test-fork");
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_RC(edo_stream_from_fd(&world.pair[0], fds[0]), 0);
    CHECK_RC(edo_stream_from_fd(&world.pair[1], fds[1]), 0);
    CHECK_RC(edo_unix_listen(&world.listener, "/tmp/edo-test-fork", NULL), 0);
    CHECK_RC(edo_wait_readable(world.pair[0], edo_now() + 1), -ETIMEDOUT); /* it is registered */
    CHECK_RC(edo_channel_create(&world.channel, sizeof(char), 0), 0);
    CHECK_RC(edo_broadcast_create(&world.broadcast, sizeof(char), 1), 0);
    edo_subscribe(&world.subscription, world.broadcast);
    EDO_SCOPE (scope, &rc) {
        world.scope = scope;
        CHECK_RC(edo_spawn(scope, receives, NULL), 0);
        CHECK_RC(edo_spawn(scope, sleeps, NULL, .handle = &world.task), 0);
        edo_local_bind(&bound, &local, fds);
        CHECK_RC(forked(child_calls), 0);
        CHECK(edo_local_get(&local) == fds);
        edo_local_unbind(&bound);
        goes_on();
        CHECK_RC(edo_channel_send(world.channel, "z", 1), 0);
        edo_scope_cancel(scope);
        EDO_SHIELD (EDO_SEC(30)) {
            CHECK_RC(edo_join(NULL, world.task), 0);
        }
    }
    edo_close(world.pair[0]);
    edo_close(world.pair[1]);
    edo_listener_close(world.listener);
    edo_channel_destroy(world.channel);
    edo_broadcast_destroy(world.broadcast);
    return 0;
}

static void test_f4_after_fork_every_call_is_refused_and_the_parent_goes_on(void **state)
{
    (void)state;
    assert_int_equal(run_alone(forks, NULL), 0);
    assert_int_equal(run(forks, NULL), 0);
}

/* --- From another thread, and when no runtime lives --------------------------------------------------------------- */

static void child_runs_nothing(void)
{
    CHILD_CHECK(edo_run(nothing, NULL, NULL) == -EPERM);
}

static void child_runs(void)
{
    CHILD_CHECK(edo_run(nothing, NULL, NULL) == 0);
}

static void *forks_on_a_thread(void *argument)
{
    (void)argument;
    CHECK_RC(forked(child_runs_nothing), 0);
    return NULL;
}

static int has_another_thread(void *argument)
{
    pthread_t thread;

    (void)argument;
    CHECK_RC(pthread_create(&thread, NULL, forks_on_a_thread, NULL), 0);
    return pthread_join(thread, NULL);
}

static void test_f4_a_fork_elsewhere_in_the_process_counts_too(void **state)
{
    (void)state;
    assert_int_equal(run_alone(has_another_thread, NULL), 0);
}

static void test_f4_without_a_runtime_fork_is_free(void **state)
{
    (void)state;
    atomic_store(&test_failures, 0);
    assert_int_equal(run_alone(nothing, NULL), 0);
    assert_int_equal(forked(child_runs), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
}

/* --- Signals and exec --------------------------------------------------------------------------------------------- */

/* ThreadSanitizer delivers no signals in a child of fork that had threads. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_SIGNALS_AFTER_FORK 1
#endif
#endif
#ifndef NO_SIGNALS_AFTER_FORK
#define NO_SIGNALS_AFTER_FORK 0
#endif

static void child_raises(void)
{
    raise(SIGTERM);
    for (;;)
        pause();
}

static void child_execs(void)
{
    execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
}

static int forks_for_signals(void *argument)
{
    int status = NO_SIGNALS_AFTER_FORK ? SIGTERM : forked(child_raises);

    (void)argument;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK_RC(edo_sleep(1), 0); /* it was the child's alone */
    CHECK_RC(WEXITSTATUS(forked(child_execs)), 7);
    return 0;
}

static void test_f4_a_child_dies_of_sigterm_and_may_exec(void **state)
{
    (void)state;
    assert_int_equal(run_with(forks_for_signals, NULL, EDO_OPTIONS(edo_run_options, .workers = 2)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f4_without_a_runtime_fork_is_free),
        cmocka_unit_test(test_f4_after_fork_every_call_is_refused_and_the_parent_goes_on),
        cmocka_unit_test(test_f4_a_fork_elsewhere_in_the_process_counts_too),
        cmocka_unit_test(test_f4_a_child_dies_of_sigterm_and_may_exec),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
