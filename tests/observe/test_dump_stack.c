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

/* It waits for its scope, with that above the wait's frames. */
static int has_such_words(void *done)
{
    struct edo_job words = {.task = edo_task_self(), .pool = edo_thread_self()->runtime->blocking};
    int rc = 0;

    if (done)
        words.fn = a_job;
    atomic_init(&words.state, done ? EDO_JOB_DONE : EDO_JOB_RUNNING);
    EDO_SCOPE (scope, &rc, .name = "its own") {
        CHECK_RC(edo_spawn(scope, wait_long, NULL), 0);
        __asm__ volatile("" : : "r"(&words) : "memory");
        atomic_store(&waiting, 1);
    }
    __asm__ volatile("" : : "r"(&words) : "memory");
    return rc;
}

static int show(void *done)
{
    struct dumped text;
    int rc = 0;

    atomic_store(&waiting, 0);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, has_such_words, done, .name = "has words"), 0);
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
    assert_int_equal(run_alone(show, NULL), 0);
}

static void test_a_job_that_is_done_is_not_waited_for(void **state)
{
    bool done = true;

    (void)state;
    assert_int_equal(run_alone(show, &done), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_without_a_function_are_no_job),
        cmocka_unit_test(test_a_job_that_is_done_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
