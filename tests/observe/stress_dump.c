/* SPDX-License-Identifier: MIT */
/*
 * Dumps while everything changes: tasks are spawned, end, wait in every way, are cancelled and move between workers;
 * tasks and a thread dump all the while, in both formats, with backtraces. Nothing may crash, hang, or be told that
 * cannot be.
 */
#include "observe/dumped.h"

#include <pthread.h>

struct storm {
    edo_mutex mutex;
    edo_channel *channel;
    uint32_t word;
    _Atomic bool over;
    _Atomic int dumps;
};

static int nothing(void *argument)
{
    (void)argument;
    return edo_yield();
}

static int stay_a_while(void *argument)
{
    struct storm *storm = argument;
    int value = 0;

    if (edo_task_id() % 199 == 0) { /* now and then one stalls */
        int64_t end = edo_now() + EDO_MS(3);

        while (edo_now() < end)
            ;
    }
    switch (edo_task_id() % 6) {
    case 0:
        return edo_sleep(EDO_US(50));
    case 1:
        return edo_wait_word(&storm->word, 0, edo_now() + EDO_US(100));
    case 2:
        if (edo_mutex_lock(&storm->mutex) == 0) {
            edo_yield();
            edo_mutex_unlock(&storm->mutex);
        }
        return 0;
    case 3:
        return edo_try_send(storm->channel, &value) == 0 ? 0 : edo_recv(&value, storm->channel);
    case 4:
        return edo_continue(EDO_WHEN_AT(edo_now() + EDO_US(20)), nothing, NULL);
    default:
        return edo_yield();
    }
}

/* Chains of channels come and go as well. */
static int make_channels(void *argument)
{
    edo_channel *channel;

    (void)argument;
    if (edo_channel_create(&channel, 4, 2) == 0)
        edo_channel_destroy(channel);
    return 0;
}

static int spawn_and_cancel(void *argument)
{
    struct storm *storm = argument;

    while (!atomic_load(&storm->over)) {
        int rc = 0;

        EDO_SCOPE (some, &rc, .name = "some", .policy = EDO_SUPERVISE) {
            edo_task *handle = NULL;

            for (int i = 0; i < 20; i++)
                edo_spawn(some, stay_a_while, storm, .name = "stays");
            edo_spawn(some, make_channels, storm);
            if (edo_spawn(some, stay_a_while, storm, .handle = &handle) == 0)
                edo_join(NULL, handle);
            edo_sleep(EDO_US(100));
            edo_scope_cancel(some);
        }
    }
    return 0;
}

/* Every bracket outside of texts is closed, none twice; and nobody is younger than nothing. */
static bool is_json(const char *text)
{
    int depth = 0;
    bool quoted = false;

    for (const char *at = text; *at && depth >= 0; at++) {
        if (quoted && *at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    }
    return depth == 0 && !quoted && strncmp(text, "{\"runtimes\":[", 13) == 0 && !strstr(text, "\"age_ns\":-");
}

/* There is a runtime with one root, or none; and no task without a number. */
static bool is_text(const char *text)
{
    const char *root = strstr(text, "\ntask ");

    if (strncmp(text, "edo: no runtime", 15) == 0)
        return true;
    if (!root) /* it has just ended */
        return strstr(text, " 0 tasks: ") != NULL;
    return strncmp(text, "edo: runtime ", 13) == 0 && !strstr(root + 1, "\ntask ") && !strstr(text, "task 0 ") &&
           strncmp(strchr(root + 6, '"'), "\"root\" ", 7) == 0;
}

static void dump_once(struct storm *storm, int which)
{
    bool json = which & 1;
    struct dumped dumped;

    dumped_begin(&dumped, json ? EDO_DUMP_JSON : EDO_DUMP_TEXT, which & 2);
    if (!CHECK(json ? is_json(dumped.text) : is_text(dumped.text)))
        fprintf(stderr, "%s\n", dumped.text);
    dumped_end(&dumped);
    atomic_fetch_add(&storm->dumps, 1);
}

static int dump_on(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; !atomic_load(&storm->over); i++) {
        edo_task_metrics metrics = EDO_TASK_METRICS_INIT;
        int rc = edo_metrics_task(&metrics, edo_task_id() + (uint64_t)i % 1000);

        CHECK(rc == 0 || rc == -ESRCH);
        dump_once(storm, i);
        edo_yield();
    }
    return 0;
}

static void *dump_from_afar(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; !atomic_load(&storm->over); i++)
        dump_once(storm, i);
    return NULL;
}

static int storm_main(void *argument)
{
    struct storm *storm = argument;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        for (int i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(all, spawn_and_cancel, storm), 0);
        CHECK_RC(edo_spawn(all, dump_on, storm), 0);
        edo_sleep(edo_test_duration() / 2);
        atomic_store(&storm->over, true);
    }
    return rc;
}

static void storm_with(const edo_run_options *options)
{
    struct storm storm = {.word = 0};
    pthread_t thread;

    edo_mutex_init(&storm.mutex);
    assert_int_equal(edo_channel_create(&storm.channel, sizeof(int), 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, dump_from_afar, &storm), 0);
    run_with(storm_main, &storm, options);
    atomic_store(&storm.over, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&test_failures), 0);
    assert_true(atomic_load(&storm.dumps) > 0);
    edo_channel_destroy(storm.channel);
}

static void test_dumps_while_everything_changes(void **state)
{
    (void)state;
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE));
}

static void test_dumps_while_tasks_move_at_every_wait(void **state)
{
    (void)state;
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 3, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE));
}

static void test_dumps_while_tasks_stall_and_are_measured(void **state)
{
    (void)state;
    storm_with(EDO_OPTIONS(edo_run_options, .workers = 3, .metrics = true, .stall_after = EDO_MS(1),
                           .signals = EDO_SIGNALS_IGNORE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dumps_while_everything_changes),
        cmocka_unit_test(test_dumps_while_tasks_move_at_every_wait),
        cmocka_unit_test(test_dumps_while_tasks_stall_and_are_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
