/* SPDX-License-Identifier: MIT */
/* Signals that tasks wait for: each is seen by all who want it, by nobody else, and handlers come back (C3, F3, F4). */
#include "files.h"

#include "platform/sanitizer.h"
#include "threads_status.h"

#include <edo/signal.h>
#include <edo/testing.h>

#include <pthread.h>
#include <sys/wait.h>

static edo_signal *opened(int first, int second)
{
    const int wanted[] = {first, second};
    edo_signal *signals = NULL;

    CHECK_EQUAL(edo_signal_open(&signals, wanted, second ? 2 : 1), 0);
    return signals;
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static int sees_signals(void *argument)
{
    edo_signal *one = opened(SIGUSR1, SIGHUP);
    edo_signal *other = opened(SIGUSR1, 0);
    int number = 0;

    (void)argument;
    raise(SIGHUP); /* which would end the process */
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQUAL(edo_signal_wait(&number, one), 0);
    CHECK_EQUAL(number, SIGHUP);
    CHECK_EQUAL(edo_signal_wait(&number, one), 0);
    CHECK_EQUAL(number, SIGUSR1);
    CHECK_EQUAL(edo_signal_wait(&number, other), 0); /* each handle learns of it */
    CHECK_EQUAL(number, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQUAL(edo_signal_wait(&number, other), 0); /* the two before have become one */
    CHECK_EQUAL(edo_signal_wait(&number, one), 0);
    number = 0;
    {
        int rc = 0;

        EDO_TIMEOUT (EDO_MS(1), &rc) {
            rc = edo_signal_wait(&number, one);
            CHECK_EQUAL(rc, -ECANCELED);
        }
        CHECK_EQUAL(number, 0);
        rc = 0;
        EDO_SCOPE (scope, &rc) {
            edo_scope_cancel(scope);
            raise(SIGUSR1);
            CHECK_EQUAL(edo_signal_wait(&number, one), -ECANCELED);
            CHECK_EQUAL(number, 0);
        }
    }
    CHECK_EQUAL(edo_signal_wait(&number, one), 0); /* C3: it was left for this one */
    CHECK_EQUAL(number, SIGUSR1);
    edo_signal_close(one);
    edo_signal_close(other);
    edo_signal_close(NULL);
    return 0;
}

static void test_c3_signals_are_seen_by_all_who_want_them_and_not_lost_to_a_cancelled_wait(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, sees_signals, NULL), 0);
    assert_int_equal(net_run(2, sees_signals, NULL), 0);
}

struct waiter {
    edo_signal *signals;
    int rc;
    int number;
};

static int waits(void *argument)
{
    struct waiter *waiter = argument;

    waiter->rc = edo_signal_wait(&waiter->number, waiter->signals);
    return 0;
}

/* Who comes first and takes one of two leaves the other to who waits already, but has not been told yet. */
static int takes_before_the_other(void *argument)
{
    edo_signal *signals = opened(SIGUSR1, SIGUSR2);
    struct waiter waiter = {signals, 1, 0};
    int number = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, waits, &waiter), 0);
        net_settle();
        raise(SIGUSR1);
        raise(SIGUSR2);
        CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
        CHECK_EQUAL(number, SIGUSR1);
    }
    CHECK_EQUAL(waiter.number, SIGUSR2);
    edo_signal_close(signals);
    return rc;
}

static int shares_a_handle(void *argument)
{
    struct waiter waiters[2];
    edo_signal *signals = opened(SIGUSR1, SIGUSR2);
    int rc = 0;

    (void)argument;
    for (int round = 0; round < 50; round++) {
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 2; i++) {
                waiters[i] = (struct waiter){signals, 1, 0};
                CHECK_EQUAL(edo_spawn(scope, waits, &waiters[i]), 0);
            }
            if (round & 1)
                net_settle();
            kill(getpid(), SIGUSR1);
            kill(getpid(), SIGUSR2);
        }
        CHECK_EQUAL(waiters[0].number + waiters[1].number, SIGUSR1 + SIGUSR2); /* one each */
    }
    edo_signal_close(signals);
    return rc;
}

/* On one worker: all of them wait when it is closed. */
static int is_closed_under_waiters(void *argument)
{
    struct waiter waiters[4];
    edo_signal *signals = opened(SIGUSR1, SIGUSR2);
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 4; i++) {
            waiters[i] = (struct waiter){signals, 1, 0};
            CHECK_EQUAL(edo_spawn(scope, waits, &waiters[i]), 0);
        }
        net_settle();
        edo_signal_close(signals);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQUAL(waiters[i].rc, -EBADF);
        CHECK_EQUAL(waiters[i].number, 0);
    }
    return rc;
}

static void test_tasks_that_share_a_handle_get_each_signal_once_and_all_see_the_close(void **state)
{
    edo_run_options one = {.size = sizeof one, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_FOREVER};

    (void)state;
    assert_int_equal(net_run_with(takes_before_the_other, NULL, &one), 0);
    assert_int_equal(net_run_with(is_closed_under_waiters, NULL, &one), 0);
    assert_int_equal(net_run(1, shares_a_handle, NULL), 0);
    assert_int_equal(net_run(2, shares_a_handle, NULL), 0);
}

static int is_refused(void *argument)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, 65, 32 /* libc's own */};
    edo_signal *signals = NULL;

    CHECK_EQUAL(edo_signal_open(&signals, NULL, 0), argument ? -ENOTSUP : -EINVAL);
    for (size_t i = 0; i < EDO_COUNT(never); i++) {
        const int wanted[] = {SIGUSR1, never[i]};

        CHECK_EQUAL(edo_signal_open(&signals, wanted, 2), argument ? -ENOTSUP : -EINVAL);
    }
    CHECK(signals == NULL);
    return 0;
}

static int no_eventfd(unsigned initial, int flags)
{
    (void)initial, (void)flags;
    return -EMFILE;
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static int is_short_of_things(void *argument)
{
    static const int wanted[] = {SIGUSR1};
    edo_signal *signals;

    (void)argument;
    net_table.eventfd = no_eventfd;
    CHECK_EQUAL(edo_signal_open(&signals, wanted, 1), -EMFILE);
    net_table.allocate = no_memory;
    CHECK_EQUAL(edo_signal_open(&signals, wanted, 1), -ENOMEM);
    net_table.allocate = edo_platform_system.allocate;
    net_table.eventfd = edo_platform_system.eventfd;
    return 0;
}

static void test_what_cannot_be_waited_for_is_told(void **state)
{
    static const int wanted[] = {SIGUSR1};
    edo_signal *signals;
    struct sigaction now;
    int number;

    (void)state;
    assert_int_equal(net_run(1, is_refused, NULL), 0);
    assert_int_equal(net_run_alone(is_short_of_things, NULL), 0);
    assert_int_equal(edo_test_run(is_refused, &number, EDO_OPTIONS(edo_test_options, .seed = 1, .real_kernel = true)),
                     0);
    assert_int_equal(edo_signal_open(&signals, wanted, 1), -EPERM);
    sigaction(SIGUSR1, NULL, &now);
    assert_true(now.sa_handler == SIG_DFL);
}

/* --- Whose thread a handler runs on ------------------------------------------------------------------------------- */

static uint64_t sigusr1_blocked_in(const char *line)
{
    unsigned long long mask;

    return sscanf(line, "SigBlk: %llx", &mask) == 1 ? mask >> (SIGUSR1 - 1) & 1 : 0;
}

/* The monitor; who makes spare threads. Others that begin block signals for a moment, and so do these, for good. */
static int waits_until_two_block(void *argument)
{
    while (threads_sum(sigusr1_blocked_in) != *(uint64_t *)argument + 2)
        usleep(100);
    return 0;
}

static void test_handlers_do_not_run_on_the_monitors_thread_and_the_like(void **state)
{
    uint64_t before = threads_sum(sigusr1_blocked_in);

    (void)state;
    if (EDO_TSAN) /* whoever waits for a word blocks them */
        skip();
    assert_int_equal(net_run(2, waits_until_two_block, &before), 0);
}

static atomic_int starts_unmasked;

static int masked_start(pthread_t *out, size_t stack_size, void *(*fn)(void *), void *argument)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    atomic_fetch_add(&starts_unmasked, !sigismember(&mask, SIGUSR1));
    return edo_platform_system.thread_start(out, stack_size, fn, argument);
}

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int starts_threads(void *argument)
{
    CHECK_EQUAL(edo_blocking(nothing, argument), 0);
    return edo_run(nothing, argument, EDO_OPTIONS(edo_run_options, .workers = 2));
}

static void test_handlers_do_not_run_on_a_thread_that_has_not_begun(void **state)
{
    (void)state;
    atomic_store(&starts_unmasked, 0);
    net_table.thread_start = masked_start;
    assert_int_equal(net_run(2, starts_threads, NULL), 0);
    assert_int_equal(atomic_load(&starts_unmasked), 0);
}

/* --- Handlers before and after ------------------------------------------------------------------------------------ */

static atomic_int earlier_calls;
static atomic_int later_calls;
static struct sigaction below_later;

static void earlier(int number)
{
    (void)number;
    atomic_fetch_add(&earlier_calls, 1);
}

static void earlier_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_signo == number)
        atomic_fetch_add(&earlier_calls, 1);
}

static void later(int number, siginfo_t *info, void *context)
{
    atomic_fetch_add(&later_calls, 1);
    below_later.sa_sigaction(number, info, context);
}

static int chains(void *argument)
{
    struct sigaction now, action = {.sa_handler = earlier};
    edo_signal *signals, *second;
    int number;

    (void)argument;
    atomic_store(&earlier_calls, 0);
    atomic_store(&later_calls, 0);
    sigaction(SIGUSR1, &action, NULL);
    signals = opened(SIGUSR1, 0);
    second = opened(SIGUSR1, 0);
    raise(SIGUSR1);
    CHECK_EQUAL(atomic_load(&earlier_calls), 1);
    CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    edo_signal_close(signals);
    CHECK_EQUAL(edo_signal_wait(&number, second), 0);
    raise(SIGUSR1);
    CHECK_EQUAL(atomic_load(&earlier_calls), 2);
    edo_signal_close(second);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == earlier);

    /* Somebody comes above us, and stays there. */
    action.sa_sigaction = earlier_info;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, NULL);
    signals = opened(SIGUSR1, 0);
    action.sa_sigaction = later;
    sigaction(SIGUSR1, &action, &below_later);
    raise(SIGUSR1);
    CHECK_EQUAL(atomic_load(&later_calls), 1);
    CHECK_EQUAL(atomic_load(&earlier_calls), 3);
    CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    edo_signal_close(signals);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_sigaction == later);
    raise(SIGUSR1); /* passed on by us, whom nobody wants any more */
    CHECK_EQUAL(atomic_load(&later_calls), 2);
    CHECK_EQUAL(atomic_load(&earlier_calls), 4);
    signals = opened(SIGUSR1, 0);
    raise(SIGUSR1);
    CHECK_EQUAL(atomic_load(&later_calls), 3);
    CHECK_EQUAL(atomic_load(&earlier_calls), 5); /* once: we are in the stack once */
    CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    sigaction(SIGUSR1, &below_later, NULL);
    edo_signal_close(signals);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_sigaction == earlier_info);

    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, NULL);
    signals = opened(SIGUSR1, 0);
    raise(SIGUSR1);
    CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    edo_signal_close(signals);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

static void test_earlier_handlers_are_called_and_come_back(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, chains, NULL), 0);
}

/* --- With the runtime's own handler, and after fork --------------------------------------------------------------- */

static int sees_its_own_end(void *argument)
{
    edo_signal *signals = opened(SIGTERM, 0);
    int number = 0;
    int rc = 0;

    (void)argument;
    kill(getpid(), SIGTERM);
    EDO_SHIELD (EDO_SEC(30)) {
        CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    }
    CHECK_EQUAL(number, SIGTERM);
    rc = edo_sleep(EDO_SEC(30));
    CHECK_EQUAL(rc, -ECANCELED);
    CHECK_EQUAL(edo_cancel_reason(), EDO_REASON_SHUTDOWN);
    edo_signal_close(signals);
    return rc;
}

static void test_f3_sigterm_is_seen_and_cancels_the_root_too(void **state)
{
    (void)state;
    assert_int_equal(net_run_with(sees_its_own_end, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
    assert_int_equal(net_run_with(sees_its_own_end, NULL, EDO_OPTIONS(edo_run_options, .workers = 2)), 0);
}

static int ignores_its_end(void *argument)
{
    opened(SIGTERM, 0);
    (void)argument;
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGTERM);
    for (;;)
        usleep(1000);
    return 0;
}

/* In a child: the status it ends with. */
static int status_of(edo_task_fn fn, int signals)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        alarm(30 * EDO_TEST_SCALE);
        signal(SIGTERM, SIG_DFL);
        _exit(edo_run(fn, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .signals = signals)));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int takes_it_into_its_hands(void *argument)
{
    edo_signal *signals = opened(SIGTERM, SIGINT);
    int number = 0;

    (void)argument;
    for (int i = 0; i < 3; i++) {
        kill(getpid(), SIGTERM);
        CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
        CHECK_EQUAL(number, SIGTERM);
    }
    edo_signal_close(signals);
    return 7;
}

static void test_f3_a_second_sigterm_ends_the_process_unless_the_program_took_it(void **state)
{
    int status = status_of(ignores_its_end, EDO_SIGNALS_DEFAULT);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    status = status_of(takes_it_into_its_hands, EDO_SIGNALS_IGNORE);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

/* A runtime's handler above ours, which has ours as the earlier one: its first signal cancels, and does no more. */
static atomic_int stage;

static int waits_for_the_end(void *argument)
{
    (void)argument;
    atomic_store(&stage, 1);
    while (atomic_load(&stage) < 2)
        usleep(100);
    kill(getpid(), SIGTERM);
    return edo_sleep(EDO_SEC(30));
}

static void *runs_beside(void *argument)
{
    *(int *)argument = edo_run(waits_for_the_end, NULL, EDO_OPTIONS(edo_run_options, .workers = 1));
    return NULL;
}

static int is_below(void *argument)
{
    pthread_t thread;
    int number;
    int result = -1;

    for (int round = 0; round < 30;
         round++) { /* who is restored while the first one's handler still runs is left to chance */
        edo_signal *signals = opened(SIGTERM, 0);
        bool closed = round & 1;

        atomic_store(&stage, 0);
        CHECK_EQUAL(pthread_create(&thread, NULL, runs_beside, &result), 0);
        while (atomic_load(&stage) < 1)
            usleep(100);
        if (closed)
            edo_signal_close(signals);
        atomic_store(&stage, 2);
        if (!closed)
            CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
        pthread_join(thread, NULL);
        CHECK_EQUAL(result, 0);
        if (!closed)
            edo_signal_close(signals);
    }
    (void)argument;
    return 0;
}

static void test_f3_a_runtime_above_us_gets_its_signal_whether_we_are_wanted_or_not(void **state)
{
    (void)state;
    assert_int_equal(status_of(is_below, EDO_SIGNALS_IGNORE), 0);
}

static int forks(void *argument)
{
    edo_signal *signals = opened(SIGUSR1, 0);
    int number;
    int status;
    int rc = 0;
    pid_t child = fork();

    (void)argument;
    if (child == 0) {
        if (edo_signal_wait(&number, signals) != -EPERM)
            _exit(1);
        edo_signal_close(signals);
        if (EDO_TSAN) /* it delivers no signals in a child of fork that had threads */
            _exit(2);
        raise(SIGUSR1);
        for (;;)
            usleep(1000);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    if (EDO_TSAN)
        CHECK_EQUAL(WEXITSTATUS(status), 2);
    else
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        CHECK_EQUAL(edo_signal_wait(&number, signals), -ECANCELED); /* it was the child's alone */
    }
    raise(SIGUSR1);
    CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
    edo_signal_close(signals);
    return 0;
}

static void test_f4_in_a_forked_child_signals_mean_what_they_did(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, forks, NULL), 0);
}

/* --- All at once -------------------------------------------------------------------------------------------------- */

static atomic_bool enough;

static void *sends(void *unused)
{
    while (!atomic_load(&enough)) {
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGUSR2);
    }
    return unused;
}

static int opens_and_closes(void *argument)
{
    (void)argument;
    for (int i = 0; i < 200; i++) {
        edo_signal *signals = opened(SIGUSR1, i & 1 ? SIGUSR2 : 0);
        int number = 0;

        if (i % 3) {
            CHECK_EQUAL(edo_signal_wait(&number, signals), 0);
            CHECK(number == SIGUSR1 || number == SIGUSR2);
        }
        edo_signal_close(signals);
    }
    return 0;
}

static int all_at_once(void *argument)
{
    edo_signal *always = opened(SIGUSR1, SIGUSR2); /* else the first one to come at a bad time would end the process */
    pthread_t sender;
    int rc = 0;

    (void)argument;
    atomic_store(&enough, false);
    CHECK_EQUAL(pthread_create(&sender, NULL, sends, NULL), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 4; i++)
            CHECK_EQUAL(edo_spawn(scope, opens_and_closes, NULL), 0);
    }
    atomic_store(&enough, true);
    pthread_join(sender, NULL);
    edo_signal_close(always);
    return rc;
}

static void test_handles_come_and_go_while_signals_come(void **state)
{
    (void)state;
    signal(SIGUSR1, earlier);
    signal(SIGUSR2, earlier);
    assert_int_equal(net_run(2, all_at_once, NULL), 0);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_table_begin, files_table_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_c3_signals_are_seen_by_all_who_want_them_and_not_lost_to_a_cancelled_wait),
        TEST(test_tasks_that_share_a_handle_get_each_signal_once_and_all_see_the_close),
        TEST(test_what_cannot_be_waited_for_is_told),
        TEST(test_handlers_do_not_run_on_the_monitors_thread_and_the_like),
        TEST(test_handlers_do_not_run_on_a_thread_that_has_not_begun),
        TEST(test_earlier_handlers_are_called_and_come_back),
        TEST(test_f3_sigterm_is_seen_and_cancels_the_root_too),
        TEST(test_f3_a_second_sigterm_ends_the_process_unless_the_program_took_it),
        TEST(test_f3_a_runtime_above_us_gets_its_signal_whether_we_are_wanted_or_not),
        TEST(test_f4_in_a_forked_child_signals_mean_what_they_did),
        TEST(test_handles_come_and_go_while_signals_come),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
