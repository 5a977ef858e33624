/* SPDX-License-Identifier: MIT */
/* Task dumps: tasks that wait for each other in a ring. */
#include "observe/parked.h"

static int wait_sleep(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(500));
}

struct ring {
    edo_mutex mutexes[3];
    int next;
    bool scope;
};

static int lock_two(void *argument)
{
    struct ring *ring = argument;
    int mine = ring->next++;
    int rc = edo_mutex_lock(&ring->mutexes[mine]);

    edo_yield();
    if (rc == 0) {
        if (edo_mutex_lock(&ring->mutexes[(mine + 1) % 3]) == 0) /* another one's cancellation came first */
            edo_mutex_unlock(&ring->mutexes[(mine + 1) % 3]);
        edo_mutex_unlock(&ring->mutexes[mine]);
    }
    return 0;
}

static int show_ring(void *argument)
{
    unsigned long long self = edo_task_id();
    struct ring ring = {.next = 0};
    struct dumped text;
    char rings[100];
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 3; i++)
        edo_mutex_init(&ring.mutexes[i]);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, lock_two, &ring, .name = "a"), 0);
        CHECK_RC(edo_spawn(all, lock_two, &ring, .name = "b"), 0);
        CHECK_RC(edo_spawn(all, lock_two, &ring, .name = "c"), 0);
        until_others_wait();
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "deadlock: 3 tasks", "wait for each other");
        CHECK_LINE(&text, " \"a\" waits for the mutex", " \"b\"");
        CHECK_LINE(&text, " \"c\" waits for the mutex", " \"a\"");
        dumped_end(&text);
        dumped_begin(&text, EDO_DUMP_JSON, false);
        snprintf(rings, sizeof rings, "\"deadlocks\":[\n[%llu,%llu,%llu]]", self + 1, self + 2, self + 3);
        CHECK(strstr(text.text, rings) != NULL);
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_tasks_that_wait_in_a_ring_are_a_deadlock(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_ring, NULL), 0);
}

static int wait_for_child(void *argument)
{
    struct ring *ring = argument;
    int rc = edo_mutex_lock(&ring->mutexes[0]);

    EDO_SCOPE (mine, &rc, .name = "mine", .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(mine, wait_sleep, NULL), 0);
        rc = edo_spawn(mine, lock_two, ring, .name = "child");
    }
    edo_mutex_unlock(&ring->mutexes[0]);
    return 0;
}

static int show_scope_ring(void *argument)
{
    struct ring ring = {.next = 2}; /* the child has 2, and wants 0 */
    struct dumped text;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 3; i++)
        edo_mutex_init(&ring.mutexes[i]);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, wait_for_child, &ring, .name = "parent"), 0);
        until_others_wait();
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "deadlock: 2 tasks", "wait for each other");
        CHECK_LINE(&text, " \"parent\" waits for the tasks of its scope mine, among them", " \"child\"");
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_a_scope_that_waits_for_a_task_that_waits_for_its_owner_is_one(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_scope_ring, NULL), 0);
}

static int lock_for_a_while(void *argument)
{
    struct ring *ring = argument;

    CHECK_RC(edo_mutex_lock(&ring->mutexes[0]), 0);
    edo_yield();
    if (edo_mutex_lock_until(&ring->mutexes[1], edo_now() + EDO_SEC(1000)) == 0)
        edo_mutex_unlock(&ring->mutexes[1]);
    edo_mutex_unlock(&ring->mutexes[0]);
    return 0;
}

static int lock_the_other_way(void *argument)
{
    struct ring *ring = argument;

    CHECK_RC(edo_mutex_lock(&ring->mutexes[1]), 0);
    edo_yield();
    if (edo_mutex_lock(&ring->mutexes[0]) == 0)
        edo_mutex_unlock(&ring->mutexes[0]);
    edo_mutex_unlock(&ring->mutexes[1]);
    return 0;
}

static int show_timed_ring(void *argument)
{
    struct ring ring = {.next = 0};
    struct dumped text;
    int rc = 0;

    (void)argument;
    edo_mutex_init(&ring.mutexes[0]);
    edo_mutex_init(&ring.mutexes[1]);
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, lock_for_a_while, &ring, .name = "for a while"), 0);
        CHECK_RC(edo_spawn(all, lock_the_other_way, &ring, .name = "the other way"), 0);
        until_others_wait();
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "\"for a while\"", " \"the other way\", until in 99");
        CHECK(!strstr(text.text, "deadlock"));
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_a_ring_that_ends_by_itself_is_none(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_timed_ring, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_that_wait_in_a_ring_are_a_deadlock),
        cmocka_unit_test(test_a_scope_that_waits_for_a_task_that_waits_for_its_owner_is_one),
        cmocka_unit_test(test_a_ring_that_ends_by_itself_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
