/* SPDX-License-Identifier: MIT */
/* Task dumps: what an earlier call has left of a blocking job on a task's stack is not taken for one. */
#include "observe/dumped.h"
#include "runtime/runtime.h"

static int wait_long(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000));
}

static int a_job(void *argument)
{
    (void)argument;
    return 0;
}

static _Atomic int waiting;

static const struct words {
    int (*fn)(void *);
    bool itself;
    enum edo_job_state state;
} nothing = {NULL, true, EDO_JOB_RUNNING}, elsewhere = {a_job, false, EDO_JOB_RUNNING},
  done = {a_job, true, EDO_JOB_DONE};

/* It waits for its scope, with that above the wait's frames. */
static int has_such_words(void *argument)
{
    const struct words *such = argument;
    struct edo_job words = {.fn = such->fn, .task = edo_task_self(), .pool = edo_thread_self()->runtime->blocking};
    int rc = 0;

    words.self = such->itself ? &words : NULL;
    atomic_init(&words.state, such->state);
    EDO_SCOPE (scope, &rc, .name = "its own") {
        CHECK_RC(edo_spawn(scope, wait_long, NULL), 0);
        __asm__ volatile("" : : "r"(&words) : "memory");
        atomic_store(&waiting, 1);
    }
    __asm__ volatile("" : : "r"(&words) : "memory");
    return rc;
}

static int show(void *such)
{
    struct dumped text;
    int rc = 0;

    atomic_store(&waiting, 0);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, has_such_words, such, .name = "has words"), 0);
        until(&waiting, 1);
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "\"has words\"", "waits for the tasks of its scope its own");
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_words_without_a_function_are_no_job(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show, (void *)(uintptr_t)&nothing), 0);
}

static void test_words_that_do_not_know_themselves_are_no_job(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show, (void *)(uintptr_t)&elsewhere), 0);
}

static void test_a_job_that_is_done_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show, (void *)(uintptr_t)&done), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_without_a_function_are_no_job),
        cmocka_unit_test(test_words_that_do_not_know_themselves_are_no_job),
        cmocka_unit_test(test_a_job_that_is_done_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
