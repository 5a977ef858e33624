/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: what is in them, and that they are what dumps are. What tasks wait for is tested with dumps (test_dump.c):
 * it is the same.
 */
#include "observe/parked.h"

#include <edo/snapshot.h>

static edo_mutex mutex;
static uint32_t word;

static int waits_for_word(void *argument)
{
    (void)argument;
    while (edo_wait_word(&word, 0, EDO_FOREVER) != -ECANCELED)
        ;
    return 0;
}

static int wants_mutex(void *argument)
{
    (void)argument;
    if (edo_mutex_lock(&mutex) == 0)
        edo_mutex_unlock(&mutex);
    return 0;
}

static int sleeps(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(1000)) == -ECANCELED ? 0 : -EIO;
}

static ssize_t find_name(edo_snapshot *snapshot, edo_snapshot_task *task, const char *name)
{
    for (size_t i = 0; edo_snapshot_get_task(task, snapshot, 0, i) == 0; i++)
        if (strcmp(task->name, name) == 0)
            return (ssize_t)i;
    return -1;
}

static void look(void)
{
    edo_snapshot *snapshot EDO_AUTO(edo_snapshot_free) = NULL;
    edo_snapshot_task task = {.size = sizeof task};
    edo_snapshot_wait wait = {.size = sizeof wait};
    edo_snapshot_scope scope = {.size = sizeof scope};
    edo_snapshot_runtime runtime = {.size = sizeof runtime};
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_histogram times = {.size = sizeof times};
    edo_snapshot_worker worker = {.size = sizeof worker};
    edo_stall_frame frames[16];
    uint64_t last = 0;
    ssize_t at;

    for (int again = 0; again < 2; again++) { /* the second time in the first one's memory */
        CHECK_RC(edo_snapshot_take(&snapshot), 0);
        CHECK_RC(edo_snapshot_runtimes(snapshot), 1);
        CHECK_RC(edo_snapshot_get_runtime(&runtime, snapshot, 0), 0);
        CHECK_RC(edo_snapshot_get_runtime(&runtime, snapshot, 1), -EINVAL);
        CHECK_RC(runtime.tasks, 4);
        CHECK(!runtime.metrics);
        for (size_t i = 0; edo_snapshot_get_task(&task, snapshot, 0, i) == 0; i++) {
            CHECK(task.id > last);
            CHECK_RC(edo_snapshot_find(snapshot, 0, task.id), i);
            last = task.id;
        }
        CHECK_RC(edo_snapshot_find(snapshot, 0, last + 1), -1);
        last = 0;

        CHECK(find_name(snapshot, &task, "root") >= 0);
        CHECK_RC(task.state, EDO_TASK_RUNNING);
        CHECK_RC(task.worker, 0);
        CHECK(!task.site);
        CHECK_RC(edo_snapshot_get_worker(&worker, snapshot, 0, 0), 0);
        CHECK_RC(worker.task, task.id);
        CHECK_RC(worker.stalled, -1);

        at = find_name(snapshot, &task, "listener");
        CHECK(at >= 0);
        CHECK_RC(task.state, EDO_TASK_WAITING);
        CHECK(task.site && strstr(task.site->file, "test_snapshot.c") && strcmp(task.site->function, "root") == 0);
        CHECK_RC(edo_snapshot_get_wait(&wait, snapshot, 0, task.wait), 0);
        CHECK_RC(wait.what, EDO_FOR_WORD);
        CHECK_RC(wait.address, (uintptr_t)&word);
        CHECK_RC(wait.next, EDO_SNAPSHOT_NONE);
        CHECK_RC(edo_snapshot_get_scope(&scope, snapshot, 0, task.scope), 0);
        CHECK(scope.name && strcmp(scope.name, "hall") == 0);
        CHECK_RC(scope.live, 3);
        CHECK(task.deadline != EDO_FOREVER && task.deadline == scope.deadline);
        CHECK_RC(scope.owner, edo_task_id());
        CHECK_RC(scope.level, 2); /* in the runtime's two, which are the root task's as well */
        CHECK(scope.supervises && scope.cancelled == EDO_REASON_NONE);
        CHECK_RC(edo_snapshot_get_scope(&scope, snapshot, 0, scope.parent), 0);
        CHECK_RC(scope.level, 1);
        if (BACKTRACES) {
            ssize_t count = edo_snapshot_backtrace(frames, EDO_COUNT(frames), snapshot, 0, (size_t)at);
            bool found = false;

            for (ssize_t i = 0; i < count; i++)
                found |= frames[i].function && strcmp(frames[i].function, "waits_for_word") == 0;
            CHECK(found);
        }

        CHECK(find_name(snapshot, &task, "wants it") >= 0);
        CHECK_RC(edo_snapshot_get_wait(&wait, snapshot, 0, task.wait), 0);
        CHECK_RC(wait.what, EDO_FOR_MUTEX);
        CHECK_RC(wait.task, edo_task_id());

        CHECK(find_name(snapshot, &task, "sleeper") >= 0);
        CHECK_RC(edo_snapshot_get_wait(&wait, snapshot, 0, task.wait), 0);
        CHECK_RC(wait.what, EDO_FOR_TIME);
        CHECK(task.until > edo_now() + EDO_SEC(900) && task.until < edo_now() + EDO_SEC(1000));
        CHECK_RC(edo_snapshot_get_ends(&(edo_snapshot_ends){.size = sizeof(edo_snapshot_ends)}, snapshot, 0, task.wait),
                 -ENOENT);

        CHECK_RC(edo_snapshot_metrics(&metrics, snapshot, 0), 0);
        CHECK_RC(metrics.tasks_alive, 4);
        CHECK_RC(edo_snapshot_times(&times, snapshot, 0, EDO_TIMES_POLL), -ENODATA);
    }
    task.size = sizeof task + 8;
    CHECK_RC(edo_snapshot_get_task(&task, snapshot, 0, 0), -E2BIG);
    task.size = 16; /* an older program's: what it knows is filled in */
    task.id = 0;
    CHECK_RC(edo_snapshot_get_task(&task, snapshot, 0, 0), 0);
    CHECK(task.id != 0);
}

static int root(void *argument)
{
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_mutex_lock(&mutex), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE, .name = "hall", .deadline = edo_now() + EDO_SEC(5000)) {
        edo_spawn(scope, waits_for_word, NULL, .name = "listener");
        edo_spawn(scope, wants_mutex, NULL, .name = "wants it");
        edo_spawn(scope, sleeps, NULL, .name = "sleeper");
        until_others_wait();
        look();
        edo_mutex_unlock(&mutex);
        edo_scope_cancel(scope);
    }
    return 0;
}

static void test_a_snapshot_has_tasks_waits_scopes_and_workers(void **state)
{
    (void)state;
    assert_int_equal(run_alone(root, NULL), 0);
}

static void all_wait_for_the_word(edo_snapshot *snapshot, size_t count)
{
    edo_snapshot_task task = {.size = sizeof task};
    edo_snapshot_wait wait = {.size = sizeof wait};
    size_t found = 0;

    for (size_t i = 0; edo_snapshot_get_task(&task, snapshot, 0, i) == 0; i++)
        if (strcmp(task.name, "listener") == 0) {
            found++;
            CHECK_RC(edo_snapshot_get_wait(&wait, snapshot, 0, task.wait), 0);
            CHECK_RC(wait.what, EDO_FOR_WORD);
        }
    CHECK_RC(found, count);
}

/* Of two crowds, in turn one of each, the first goes between two snapshots. */
static int changes(void *argument)
{
    edo_snapshot *snapshot EDO_AUTO(edo_snapshot_free) = NULL;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (stays, &rc, .policy = EDO_SUPERVISE) {
        EDO_SCOPE (goes, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 40; i++)
                edo_spawn(i % 2 ? stays : goes, waits_for_word, NULL, .name = "listener");
            until_others_wait();
            CHECK_RC(edo_snapshot_take(&snapshot), 0);
            all_wait_for_the_word(snapshot, 40);
            edo_scope_cancel(goes);
        }
        CHECK_RC(edo_snapshot_take(&snapshot), 0);
        all_wait_for_the_word(snapshot, 20);
        edo_scope_cancel(stays);
    }
    return 0;
}

static void test_memory_that_is_used_again_keeps_nothing_of_before(void **state)
{
    (void)state;
    assert_int_equal(run_alone(changes, NULL), 0);
}

static int goes_on(void *argument)
{
    (void)argument;
    return edo_resumption() == -ECANCELED ? 0 : -EIO;
}

/* Has said how it goes on, and first waits for the gate on its stack. */
static int continues(void *argument)
{
    int rc = edo_continue(EDO_WHEN_AT(edo_now() + EDO_SEC(1000)), goes_on, NULL);

    gate_wait(argument);
    return rc;
}

static void look_at_continued(bool dormant, int what)
{
    edo_snapshot *snapshot EDO_AUTO(edo_snapshot_free) = NULL;
    edo_snapshot_task task = {.size = sizeof task};
    edo_snapshot_wait wait = {.size = sizeof wait};

    CHECK_RC(edo_snapshot_take(&snapshot), 0);
    CHECK(find_name(snapshot, &task, "continues") >= 0);
    CHECK_RC(task.state, EDO_TASK_WAITING);
    CHECK_RC(task.dormant, dormant);
    CHECK_RC(edo_snapshot_get_wait(&wait, snapshot, 0, task.wait), 0);
    CHECK_RC(wait.what, what);
    CHECK((task.until == EDO_FOREVER) == !dormant);
}

static int becomes_dormant(void *argument)
{
    struct gate gate = {0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_spawn(scope, continues, &gate, .name = "continues");
        until_others_wait();
        look_at_continued(false, EDO_FOR_WORD);
        gate_open(&gate);
        until_others_wait();
        look_at_continued(true, EDO_FOR_TIME);
        edo_scope_cancel(scope);
    }
    return 0;
}

static void test_who_will_continue_is_dormant_only_once_it_has_no_stack(void **state)
{
    (void)state;
    assert_int_equal(run_alone(becomes_dormant, NULL), 0);
}

static void *look_outside(void *argument)
{
    edo_snapshot *snapshot = NULL;

    CHECK_RC(edo_snapshot_take(&snapshot), 0);
    CHECK_RC(edo_snapshot_runtimes(snapshot), 1);
    edo_snapshot_free(snapshot);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    edo_wake_word(&word, 1);
    return argument;
}

static int unobserved(void *argument)
{
    (void)argument;
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
        edo_wait_word(&word, 0, EDO_FOREVER);
    return 0;
}

static int observed(void *argument)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, look_outside, argument);

    CHECK_RC(rc, 0);
    rc = edo_run(unobserved, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .unobserved = true));
    pthread_join(thread, NULL);
    return rc;
}

static void test_unobserved_runtimes_are_left_out(void **state)
{
    (void)state;
    word = 0;
    assert_int_equal(run_alone(observed, NULL), 0);
    word = 0;
}

enum { MANY = 40 };
static int deeper;

/* Once with all, and again with less. */
static void look_at_many(void)
{
    edo_snapshot *snapshot = NULL;
    edo_snapshot_runtime about = {.size = sizeof about};
    edo_snapshot_task task = {.size = sizeof task};
    edo_metrics metrics = EDO_METRICS_INIT;

    for (int i = 0; i < 2; i++) {
        CHECK_RC(edo_snapshot_take(&snapshot), 0);
        CHECK_RC(edo_snapshot_runtimes(snapshot), MANY);
        for (size_t at = 0; at < MANY; at++) {
            uint64_t before = about.number;

            CHECK_RC(edo_snapshot_get_runtime(&about, snapshot, at), 0);
            CHECK(at == 0 || about.number == before + 1);
            CHECK_RC(edo_snapshot_get_task(&task, snapshot, at, 0), 0);
            CHECK_RC(edo_snapshot_metrics(&metrics, snapshot, at), 0);
        }
        CHECK_RC(edo_snapshot_get_runtime(&about, snapshot, MANY), -EINVAL);
    }
    edo_snapshot_free(snapshot);
}

static int nests(void *argument)
{
    if (deeper-- > 0)
        return edo_run(nests, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
    look_at_many();
    return 0;
}

static void test_of_many_runtimes_none_is_left_out(void **state)
{
    (void)state;
    deeper = MANY - 1;
    assert_int_equal(run_alone(nests, NULL), 0);
}

/* --- Without memory ----------------------------------------------------------------------------------------------- */

static struct edo_platform table;
static int countdown;

static void *refusing_allocate(size_t size)
{
    return countdown > 0 && --countdown == 0 ? NULL : edo_platform_system.allocate(size);
}

static int refusing_map(void **out, size_t size, int protection, int flags)
{
    return countdown > 0 && --countdown == 0 ? -ENOMEM : edo_platform_system.map(out, size, protection, flags);
}

static int refused(void *argument)
{
    (void)argument;
    for (int n = 1; n < 100; n++) {
        edo_snapshot *snapshot = NULL;
        edo_snapshot_task task = {.size = sizeof task};
        int rc;

        countdown = n;
        rc = edo_snapshot_take(&snapshot);
        CHECK(rc == 0 || rc == -ENOMEM);
        for (size_t i = 0; snapshot && edo_snapshot_get_task(&task, snapshot, 0, i) == 0; i++)
            CHECK(task.name != NULL);
        if (snapshot)
            edo_snapshot_symbol(snapshot, (uintptr_t)refused, false);
        edo_snapshot_free(snapshot);
        if (countdown > 0) {
            countdown = 0;
            CHECK(n > 8);
            return 0;
        }
    }
    return -EIO;
}

static void test_f1_each_refusal_alone_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    table = edo_platform_system;
    table.allocate = refusing_allocate;
    table.map = refusing_map;
    edo_platform = &table;
    assert_int_equal(run_alone(refused, NULL), 0);
    edo_platform = &edo_platform_system;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_has_tasks_waits_scopes_and_workers),
        cmocka_unit_test(test_memory_that_is_used_again_keeps_nothing_of_before),
        cmocka_unit_test(test_who_will_continue_is_dormant_only_once_it_has_no_stack),
        cmocka_unit_test(test_unobserved_runtimes_are_left_out),
        cmocka_unit_test(test_of_many_runtimes_none_is_left_out),
        cmocka_unit_test(test_f1_each_refusal_alone_is_an_error_and_leaks_nothing),
    };

    alarm(60 * EDO_TEST_SCALE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
