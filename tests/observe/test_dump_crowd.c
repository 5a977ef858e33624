/* SPDX-License-Identifier: MIT */
/* A dump of 100,000 tasks: all are in it. How long it took is printed, and decides nothing. */
#include "observe/parked.h"

enum { CROWD = 100000 / EDO_TEST_SCALE };

static int sleep_long(void *argument)
{
    atomic_fetch_add((_Atomic int *)argument, 1);
    return edo_sleep(EDO_SEC(1000));
}

static int count_piece(void *argument, const char *text, size_t size)
{
    size_t *lines = argument;

    for (size_t i = 0; i < size; i++)
        *lines += text[i] == '\n';
    return 0;
}

static size_t timed_dump(const char *what, int format, bool backtraces)
{
    size_t lines = 0;
    int64_t begun = edo_now();

    CHECK_RC(edo_dump(-1, EDO_OPTIONS(edo_dump_options, .format = format, .backtraces = backtraces,
                                      .write = count_piece, .argument = &lines)),
             0);
    printf("%d tasks, %s: %zu lines, %.3f s\n", CROWD, what, lines, (double)(edo_now() - begun) / 1e9);
    return lines;
}

static int dump_crowd(void *argument)
{
    _Atomic int asleep = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (crowd, &rc, .name = "crowd", .policy = EDO_SUPERVISE) {
        for (int i = 0; i < CROWD && rc == 0; i++)
            rc = edo_spawn(crowd, sleep_long, ARGUMENT(&asleep), .stack_size = 16384);
        CHECK_RC(rc, 0);
        until(&asleep, CROWD);
        until_others_wait();
        /* The head, the root, three scopes, and a line a task. */
        CHECK_RC(timed_dump("text", EDO_DUMP_TEXT, false), CROWD + 5);
        timed_dump("json", EDO_DUMP_JSON, false);
        CHECK(timed_dump("text with backtraces", EDO_DUMP_TEXT, true) > 2 * CROWD || !BACKTRACES);
        edo_scope_cancel(crowd);
    }
    return 0;
}

static void test_each_of_many_tasks_has_its_line(void **state)
{
    (void)state;
    assert_int_equal(run_alone(dump_crowd, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_of_many_tasks_has_its_line)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
