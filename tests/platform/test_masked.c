/* SPDX-License-Identifier: MIT */
/* Threads that begin with signals blocked: those that come to the process are for others. */
#include "platform/masked.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

/* libc does not fill all of a set. */
static void assert_same(const sigset_t *a, const sigset_t *b)
{
    for (int number = 1; number < NSIG; number++)
        assert_int_equal(sigismember(a, number), sigismember(b, number));
}

static void *tells_mask(void *argument)
{
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return NULL;
}

static void test_a_thread_of_the_library_leaves_signals_to_others_but_those_it_brings_upon_itself(void **state)
{
    static const int others[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGURG, SIGPROF, SIGPIPE};
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t seen, before, after;
    pthread_t thread;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(edo_masked_thread_start(&edo_platform_system, &thread, 65536, tells_mask, &seen), 0);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(sigismember(&seen, others[i]), 1);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_int_equal(sigismember(&seen, own[i]), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_same(&before, &after);
}

static int refuses(pthread_t *out, size_t stack_size, void *(*main)(void *), void *argument)
{
    (void)out, (void)stack_size, (void)main, (void)argument;
    return -EAGAIN;
}

static void test_f1_where_no_thread_is_to_be_had_the_caller_has_its_signals_back(void **state)
{
    struct edo_platform table = edo_platform_system;
    sigset_t seen, before, after;
    pthread_t thread;

    (void)state;
    table.thread_start = refuses;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(edo_masked_thread_start(&table, &thread, 65536, tells_mask, &seen), -EAGAIN);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_same(&before, &after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_of_the_library_leaves_signals_to_others_but_those_it_brings_upon_itself),
        cmocka_unit_test(test_f1_where_no_thread_is_to_be_had_the_caller_has_its_signals_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
