/* SPDX-License-Identifier: MIT */
/* The cancel sweep itself: it comes to every point, and finds what was planted there, with its place. */
#include "runtime/helpers.h"

#include <edo/testing.h>

#include <sys/socket.h>

#define REAL EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO, .real_kernel = true)

static edo_test_report report;

static int sweep_with(edo_task_fn fn, void *argument, edo_test_sweep_options options)
{
    report = (edo_test_report)EDO_TEST_REPORT_INIT;
    options.run = options.run ? options.run : REAL;
    options.report = &report;
    return edo_test_cancel_sweep(fn, argument, &options);
}

#define SWEEP(fn, ...)            SWEEP_((fn), __VA_ARGS__, .size = sizeof(edo_test_sweep_options))
#define SWEEP_(fn, argument, ...) sweep_with((fn), (argument), (edo_test_sweep_options){__VA_ARGS__})

/* Programs for another processor are read by another addr2line. */
#define PLACES_ARE_TOLD (!EDO_TEST_EMULATED)

static void assert_found(int line, const char *function, const char *how, const char *what)
{
    assert_true(report.point > 0);
    assert_string_equal(report.how, how);
    assert_non_null(strstr(report.what, what));
    if (!PLACES_ARE_TOLD)
        return;
    assert_string_equal(report.function, function);
    assert_non_null(strstr(report.file, "test_cancel_sweep.c"));
    assert_int_equal(report.line, line);
}

/* --- All is well -------------------------------------------------------------------------------------------------- */

struct steps {
    int refused_at[8]; /* how often the Nth step was the first to be refused */
    int done;
};

static int three_steps(void *argument)
{
    struct steps *steps = argument;

    for (int i = 0; i < 3; i++)
        if (edo_checkpoint() < 0) {
            steps->refused_at[i]++;
            return -ECANCELED;
        }
    steps->done++;
    return 0;
}

static void test_each_point_is_cancelled_on_entry(void **state)
{
    struct steps steps = {{0}, 0};

    (void)state;
    assert_int_equal(SWEEP(three_steps, &steps), 0);
    /* Three calls refused on entry. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(steps.refused_at[i], 1);
    assert_int_equal(report.point, 0);
    /* Before the first run, in those turns where it had ended already, and after the last point. */
    assert_true(steps.done >= 2);
    assert_int_equal(report.swept + 2, (size_t)steps.done + 3);
}

struct wait {
    uint32_t word;
    int canceled;
    int woken;
};

static void wait_reset(void *argument)
{
    ((struct wait *)argument)->word = 0;
}

static int wake_it(void *argument)
{
    struct wait *wait = argument;

    edo_yield();
    wait->word = 1;
    edo_wake_word(&wait->word, 1);
    return 0;
}

static int wait_for_it(void *argument)
{
    struct wait *wait = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, wake_it, wait);
        if (rc == 0)
            rc = edo_wait_word(&wait->word, 0, EDO_FOREVER);
        wait->canceled += rc == -ECANCELED;
        wait->woken += rc == 0;
    }
    return rc;
}

static void test_c2_a_wait_is_cancelled_on_entry_while_it_lasts_and_when_it_is_over(void **state)
{
    struct wait wait = {0};

    (void)state;
    assert_int_equal(SWEEP(wait_for_it, &wait, .reset = wait_reset), 0);
    /* On entry, while it lasts before the other task's first turn, and at that one's point. Then it is woken first. */
    assert_int_equal(wait.canceled, 3);
    assert_int_equal((size_t)wait.woken, report.swept + 2 - 3); /* at the others, and in the first and the last run */
}

static int go_on(void *argument)
{
    int *resumptions = argument;

    resumptions[edo_resumption() == 0]++;
    return edo_resumption();
}

static int dormant(void *argument)
{
    return edo_continue(EDO_WHEN_AT(edo_now() + 1000), go_on, argument);
}

static int start_dormant(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, dormant, argument);
    return rc;
}

static void test_k5_going_dormant_is_a_point(void **state)
{
    int resumptions[2] = {0, 0};

    (void)state;
    assert_int_equal(SWEEP(start_dormant, resumptions), 0);
    assert_int_equal(resumptions[0] + resumptions[1], (int)report.swept + 2);
    assert_true(resumptions[0] >= 3); /* before it runs, on entry, and while it waits */
}

static void looks_at_the_clock(void *argument)
{
    *(int64_t *)argument = edo_now();
}

static int reads_the_clock(void *argument)
{
    return *(int64_t *)argument == edo_now() ? edo_checkpoint() : 0;
}

static void test_t1_between_simulated_runs_the_system_is_there(void **state)
{
    int64_t now = 0;

    (void)state;
    assert_int_equal(SWEEP(reads_the_clock, &now, .reset = looks_at_the_clock,
                           .run = EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO)),
                     0);
    assert_in_range(edo_now() - now, 0, EDO_SEC(100));
}

/* --- What is cancelled -------------------------------------------------------------------------------------------- */

static int child_steps(void *argument)
{
    int *children = argument;
    int rc = edo_yield();

    (*children) += rc == -ECANCELED;
    return 0;
}

static int innermost(void *argument)
{
    int *seen = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, child_steps, &seen[0]);
    seen[1] += edo_cancelled();
    return rc;
}

static void test_the_innermost_scope_alone_is_cancelled_where_that_is_asked_for(void **state)
{
    int seen[2] = {0, 0};

    (void)state;
    assert_int_equal(SWEEP(innermost, seen, .cancels = EDO_CANCELS_INNERMOST), 0);
    assert_true(seen[0] > 0);
    assert_int_equal(seen[1], 0);
    assert_int_equal(SWEEP(innermost, seen, .cancels = EDO_CANCELS_ROOT), 0);
    assert_true(seen[1] > 0);
}

/* --- What was planted --------------------------------------------------------------------------------------------- */

static int leak_line;
static void *leaked;

static int leaks_descriptor(void *argument)
{
    edo_listener *listener;
    int rc;

    (void)argument;
    if (edo_checkpoint() < 0 || edo_checkpoint() < 0)
        return -ECANCELED;
    rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL);
    if (rc < 0)
        return rc;
    leak_line = __LINE__ + 1;
    rc = edo_checkpoint();
    leaked = listener;
    if (rc == 0) /* and else? */
        edo_listener_close(listener);
    return rc;
}

static void close_from(int first)
{
    for (int fd = first; fd < 64; fd++)
        close(fd);
}

static void test_a_descriptor_that_is_left_open_is_reported_with_its_line(void **state)
{
    int first = dup(0);

    (void)state;
    close(first);
    assert_int_equal(SWEEP(leaks_descriptor, NULL), -ENOTRECOVERABLE);
    close_from(first);
    edo_release(leaked);
    assert_found(leak_line, "leaks_descriptor", "on entry", "1 descriptors left open (socket)");
    assert_true(report.point >= 3);
    assert_int_equal(report.swept, report.point);
}

static int leaks_foreign_descriptor(void *argument)
{
    int fd = dup(0);
    int rc;

    (void)argument;
    leak_line = __LINE__ + 1;
    rc = edo_sleep(EDO_US(1));
    if (rc == 0)
        close(fd);
    return rc;
}

static void test_a_descriptor_that_edo_knows_nothing_of_is_reported_too(void **state)
{
    int first = dup(0);

    (void)state;
    close(first);
    assert_int_equal(SWEEP(leaks_foreign_descriptor, NULL), -ENOTRECOVERABLE);
    close_from(first);
    assert_found(leak_line, "leaks_foreign_descriptor", "on entry", "left open");
}

static int leaks_memory(void *argument)
{
    void *memory = edo_allocate(64);
    int rc;

    (void)argument;
    leak_line = __LINE__ + 1;
    rc = edo_sleep(EDO_MS(1));
    if (rc == -ECANCELED && edo_now() > 0)
        leaked = memory;
    else
        edo_release(memory);
    return rc;
}

static void test_memory_that_is_not_given_back_is_reported(void **state)
{
    (void)state;
    assert_int_equal(SWEEP(leaks_memory, NULL), -ENOTRECOVERABLE);
    edo_release(leaked);
    assert_found(leak_line, "leaks_memory", "on entry", "1 blocks of memory left");
}

struct ledger {
    int taken;
    int kept;
    uint32_t word;
};

static void ledger_reset(void *argument)
{
    memset(argument, 0, sizeof(struct ledger));
}

static int ledger_check(void *argument, size_t point, int rc)
{
    struct ledger *ledger = argument;

    (void)point;
    (void)rc;
    return ledger->taken - ledger->kept;
}

static int ledger_wake(void *argument)
{
    struct ledger *ledger = argument;

    edo_yield();
    ledger->word = 1;
    edo_wake_word(&ledger->word, 1);
    return 0;
}

/* It loses what it has taken, if it is cancelled in its wait, but not on entry. */
static int loses(void *argument)
{
    struct ledger *ledger = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, ledger_wake, ledger);
        if (edo_checkpoint() == 0) {
            ledger->taken = 1;
            leak_line = __LINE__ + 1;
            rc = edo_wait_word(&ledger->word, 0, EDO_MS(1) + edo_now());
            if (rc == 0 || ledger->word == 0)
                ledger->kept = 1;
            if (rc == -ECANCELED && !leaked)
                ledger->kept = 0;
            leaked = NULL;
        } else {
            rc = -ECANCELED;
        }
    }
    return rc;
}

static void test_the_callers_own_check_is_asked_after_each_run(void **state)
{
    struct ledger ledger = {0};

    (void)state;
    leaked = &ledger; /* on the first cancellation in the wait, on entry, all is well */
    assert_int_equal(SWEEP(loses, &ledger, .reset = ledger_reset, .check = ledger_check), -ENOTRECOVERABLE);
    assert_non_null(strstr(report.what, "the check does not hold (1)"));
    assert_non_null(strstr(report.what, edo_strerror(-ECANCELED)));
    if (PLACES_ARE_TOLD) {
        assert_string_equal(report.function, "loses");
        assert_int_equal(report.line, leak_line);
    }
}

static int always_wrong(void *argument, size_t point, int rc)
{
    (void)argument;
    return point == 0 && rc == 0 ? -EIO : 0;
}

static void test_the_run_in_which_nothing_goes_wrong_is_checked_as_point_0(void **state)
{
    struct steps steps = {{0}, 0};

    (void)state;
    assert_int_equal(SWEEP(three_steps, &steps, .check = always_wrong), -ENOTRECOVERABLE);
    assert_int_equal(report.point, 0);
    assert_non_null(strstr(report.what, "the check does not hold (-5)"));
}

static int reads_all_the_same(void *argument)
{
    int *fds = argument;
    char byte;

    edo_checkpoint();
    (void)!edo_platform->recv(fds[0], &byte, 1, MSG_DONTWAIT); /* as a call would that forgot to ask */
    return 0;
}

static void test_c1_a_call_that_begins_cancelled_and_reads_is_reported(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(SWEEP(reads_all_the_same, fds), -ENOTRECOVERABLE);
    assert_string_equal(report.what, "a call that began cancelled has called recv");
    close(fds[0]);
    close(fds[1]);
}

/* --- What does not end -------------------------------------------------------------------------------------------- */

static int deaf(void *argument)
{
    (void)argument;
    while (edo_yield() == 0 || edo_cancelled())
        if (!edo_cancelled())
            break;
    return 0;
}

static int stubborn(void *argument)
{
    uint32_t word = 0;
    int rc = 0;

    (void)argument;
    if (edo_checkpoint() < 0)
        EDO_SHIELD (EDO_SEC(1000))
            edo_wait_word(&word, 0, EDO_FOREVER);
    return rc;
}

static int minds(void *argument)
{
    (void)argument;
    if (edo_checkpoint() < 0)
        abort();
    return 0;
}

struct in_child {
    edo_task_fn fn;
    bool simulated;
};

static int sweep_in_child(void *argument)
{
    struct in_child *child = argument;

    return SWEEP(child->fn, NULL, .patience = EDO_MS(50),
                 .run = EDO_OPTIONS(edo_test_options, .schedule = EDO_SCHEDULE_FIFO, .real_kernel = !child->simulated));
}

static void assert_aborts(edo_task_fn fn, bool simulated, const char *where, const char *what)
{
    struct in_child child = {fn, simulated};
    char text[4096];
    int status = in_child(sweep_in_child, &child, text, sizeof text);

    if (!strstr(text, what) || !strstr(text, where))
        print_error("it said: %s\n", text);
    assert_true(!PLACES_ARE_TOLD || strstr(text, where));
    assert_non_null(strstr(text, what));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_c1_a_run_that_goes_on_after_its_cancellation_is_told_and_aborts(void **state)
{
    (void)state;
    assert_aborts(deaf, false, "in deaf(): does not end", "does not end: it has come to 1,000,000 suspension points");
}

static void test_a_run_that_waits_for_nothing_is_told_and_aborts(void **state)
{
    (void)state;
    assert_aborts(stubborn, false, "in stubborn(): does not end", "does not end: all tasks wait");
}

static void test_a_run_that_aborts_is_told(void **state)
{
    (void)state;
    assert_aborts(minds, false, "", "edo: cancel sweep: point 1 (on entry): aborts");
    assert_aborts(minds, true, "", "edo: cancel sweep: point 1 (on entry): aborts");
}

/* --- Options ------------------------------------------------------------------------------------------------------ */

static int sweep_in_task(void *argument)
{
    (void)argument;
    CHECK_RC(edo_test_cancel_sweep(three_steps, NULL, NULL), -EPERM);
    CHECK_RC(edo_test_fault_sweep(three_steps, NULL, NULL), -EPERM);
    CHECK_RC(edo_test_run_faulty(three_steps, NULL, NULL, NULL), -EPERM);
    return 0;
}

static void test_f2_options_are_checked(void **state)
{
    struct steps steps = {{0}, 0};
    struct {
        edo_test_sweep_options options;
        int more;
    } newer = {.options = {.size = sizeof newer}, .more = 1};

    (void)state;
    assert_int_equal(edo_test_cancel_sweep(NULL, NULL, NULL), -EINVAL);
    assert_int_equal(SWEEP(three_steps, &steps, .cancels = 2), -EINVAL);
    assert_int_equal(SWEEP(three_steps, &steps, .patience = -1), -EINVAL);
    assert_int_equal(SWEEP(three_steps, &steps, .run = EDO_OPTIONS(edo_test_options, .schedule = 9)), -EINVAL);
    assert_int_equal(edo_test_cancel_sweep(three_steps, &steps, &newer.options), -E2BIG);
    assert_int_equal(steps.done, 0);
    assert_int_equal(SWEEP(three_steps, &steps, .most = 2), -EOVERFLOW);
    assert_int_equal(run(sweep_in_task, NULL), 0);
    assert_ptr_equal(edo_platform, &edo_platform_system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_point_is_cancelled_on_entry),
        cmocka_unit_test(test_c2_a_wait_is_cancelled_on_entry_while_it_lasts_and_when_it_is_over),
        cmocka_unit_test(test_k5_going_dormant_is_a_point),
        cmocka_unit_test(test_t1_between_simulated_runs_the_system_is_there),
        cmocka_unit_test(test_the_innermost_scope_alone_is_cancelled_where_that_is_asked_for),
        cmocka_unit_test(test_a_descriptor_that_is_left_open_is_reported_with_its_line),
        cmocka_unit_test(test_a_descriptor_that_edo_knows_nothing_of_is_reported_too),
        cmocka_unit_test(test_memory_that_is_not_given_back_is_reported),
        cmocka_unit_test(test_the_callers_own_check_is_asked_after_each_run),
        cmocka_unit_test(test_the_run_in_which_nothing_goes_wrong_is_checked_as_point_0),
        cmocka_unit_test(test_c1_a_call_that_begins_cancelled_and_reads_is_reported),
        cmocka_unit_test(test_c1_a_run_that_goes_on_after_its_cancellation_is_told_and_aborts),
        cmocka_unit_test(test_a_run_that_waits_for_nothing_is_told_and_aborts),
        cmocka_unit_test(test_a_run_that_aborts_is_told),
        cmocka_unit_test(test_f2_options_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
