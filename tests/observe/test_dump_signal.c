/* SPDX-License-Identifier: MIT */
/* Dumps at a signal, each in a child of the process: the thread that writes them stays. */
#include "observe/parked.h"
#include "observe/locked_heap.h"

#include <dlfcn.h>

static _Atomic int earlier_calls;

static void earlier(int number)
{
    (void)number;
    atomic_fetch_add(&earlier_calls, 1);
}

/* Reads from the pipe until `what` has come. */
static bool comes(int fd, const char *what)
{
    static char text[1 << 20];
    size_t used = 0;
    ssize_t n;

    while (used < sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)n;
        text[used] = 0;
        if (strstr(text, what))
            return true;
    }
    return false;
}

static int wait_on(void *argument)
{
    return edo_wait_word(argument, 0, EDO_FOREVER);
}

struct signalled {
    int ends[2];
    struct gate locked;
    uint32_t word;
};

static int ask_while_all_wait(void *argument)
{
    struct signalled *it = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, wait_on, &it->word, .name = "patient"), 0);
        until_others_wait();
        for (int i = 0; i < 2; i++) {
            raise(SIGUSR1);
            CHECK(comes(it->ends[0], "\"patient\""));
        }
        edo_scope_cancel(all);
    }
    return 0;
}

static int all_wait_in_child(void *argument)
{
    struct signalled it = {.word = 0};

    (void)argument;
    signal(SIGUSR1, earlier);
    return pipe(it.ends) != 0 || edo_dump_on_signal(SIGUSR1, it.ends[1], NULL) != 0 ||
           edo_dump_on_signal(SIGUSR2, it.ends[1], NULL) != -EBUSY ||
           edo_dump_on_signal(SIGUSR1, it.ends[1], EDO_OPTIONS(edo_dump_options, .backtraces = true)) != 0 ||
           edo_run(ask_while_all_wait, &it, EDO_OPTIONS(edo_run_options, .workers = 1)) != 0 ||
           atomic_load(&test_failures) != 0 || atomic_load(&earlier_calls) != 2;
}

static void test_each_signal_has_a_dump_and_earlier_handlers_are_called(void **state)
{
    char text[8000];
    int status = in_child(all_wait_in_child, NULL, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- The heap is locked ------------------------------------------------------------------------------------------- */

static int ask_with_the_heap(void *argument)
{
    struct signalled *it = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, wait_on, &it->word, .name = "patient"), 0);
        until_others_wait();
        heap_hold();
        raise(SIGUSR1); /* in the middle of malloc, so to say */
        CHECK(comes(it->ends[0], BACKTRACES ? "edo_wait_word+0x" : "on the word at"));
        heap_let();
        edo_scope_cancel(all);
    }
    return 0;
}

static int heap_in_child(void *argument)
{
    struct signalled it = {.word = 0};
    edo_dump_options options = {.size = sizeof options, .backtraces = true};

    (void)argument;
    return pipe(it.ends) != 0 || edo_dump_on_signal(SIGUSR1, it.ends[1], &options) != 0 ||
           edo_run(ask_with_the_heap, &it, EDO_OPTIONS(edo_run_options, .workers = 1, .stall_after = EDO_FOREVER)) !=
               0 ||
           atomic_load(&test_failures) != 0;
}

static void test_it_is_written_while_the_heap_is_locked(void **state)
{
    char text[8000];
    int status = in_child(heap_in_child, NULL, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_signals_that_mean_something_else_are_refused(void **state)
{
    static const int numbers[] = {0, -1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGINT, SIGTERM, 1000};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(numbers); i++)
        assert_int_equal(edo_dump_on_signal(numbers[i], 2, NULL), -EINVAL);
    assert_int_equal(edo_dump_on_signal(SIGUSR1, 2, EDO_OPTIONS(edo_dump_options, .format = -1)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_signal_has_a_dump_and_earlier_handlers_are_called),
        cmocka_unit_test(test_it_is_written_while_the_heap_is_locked),
        cmocka_unit_test(test_signals_that_mean_something_else_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
