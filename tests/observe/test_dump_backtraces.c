/* SPDX-License-Identifier: MIT */
/* Backtraces of waiting tasks in dumps. */
#include "observe/parked.h"

static int sleeps(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000));
}

__attribute__((noinline)) static int wait_deep_inside(uint32_t *word)
{
    int rc = edo_wait_word(word, 0, EDO_FOREVER);

    __asm__ volatile("");
    return rc;
}

__attribute__((noinline)) static int wait_in_between(uint32_t *word)
{
    int rc = wait_deep_inside(word);

    __asm__ volatile("");
    return rc;
}

static int wait_deep(void *argument)
{
    int rc = wait_in_between(argument);

    __asm__ volatile("");
    return rc;
}

static int show_backtraces(void *argument)
{
    uint32_t word = 0;
    struct dumped text;
    const char *at;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, wait_deep, &word), 0);
        CHECK_RC(edo_spawn(all, wait_deep, &word, .stack_size = 16384), 0);
        CHECK_RC(edo_spawn(all, sleeps, NULL, .when = EDO_WHEN_AT(EDO_FOREVER)), 0);
        until_others_wait();
        dumped_begin(&text, EDO_DUMP_TEXT, true);
        at = text.text;
        for (int i = 0; i < 2; i++) {
            at = at ? strstr(at, "edo_wait_word+0x") : NULL;
            at = at ? strstr(at, "wait_deep_inside+0x") : NULL;
            at = at ? strstr(at, "wait_in_between+0x") : NULL;
            at = at ? strstr(at, "wait_deep+0x") : NULL;
        }
        if (!CHECK(at != NULL))
            fprintf(stderr, "%s\n", text.text);
        CHECK(!strstr(text.text, "no further"));
        dumped_end(&text);
        dumped_begin(&text, EDO_DUMP_JSON, true);
        CHECK(strstr(text.text, "\"backtrace\":[\"") != NULL);
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_backtraces_go_from_the_wait_to_the_tasks_function(void **state)
{
    (void)state;
    if (BACKTRACES)
        assert_int_equal(run_alone(show_backtraces, NULL), 0);
}

static __attribute__((noinline)) int wait_far_down(int levels)
{
    int rc = levels > 0 ? wait_far_down(levels - 1) : sleeps(NULL);

    __asm__ volatile("" : "+r"(rc)); /* the call is no jump */
    return rc;
}

static int waits_far_down(void *argument)
{
    (void)argument;
    return wait_far_down(100);
}

static int show_the_begin_of_it(void *argument)
{
    struct dumped text;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, waits_far_down, NULL), 0);
        for (int i = 0; i < 10; i++)
            edo_yield();
        dumped_begin(&text, EDO_DUMP_TEXT, true);
        CHECK(strstr(text.text, "wait_far_down+0x") != NULL);
        CHECK(strstr(text.text, "... (and more)\n") != NULL);
        CHECK(strstr(text.text, "it is not known") == NULL);
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_a_backtrace_that_is_cut_says_that_there_is_more(void **state)
{
    (void)state;
    if (BACKTRACES)
        assert_int_equal(run_alone(show_the_begin_of_it, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backtraces_go_from_the_wait_to_the_tasks_function),
        cmocka_unit_test(test_a_backtrace_that_is_cut_says_that_there_is_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
