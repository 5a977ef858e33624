/* SPDX-License-Identifier: MIT */
/* Deadlocks: who waits for ever, and for what. */
#include "testing/seeds.h"

/* --- One of each wait --------------------------------------------------------------------------------------------- */

struct waits {
    edo_listener *listener;
    edo_stream *stream;
    edo_task *task;
    uint32_t word;
    int cancelled;
};

static int count_cancelled(struct waits *waits, int rc)
{
    waits->cancelled += rc == -ECANCELED;
    return 0;
}

static int wait_for_word(void *argument)
{
    struct waits *waits = argument;

    return count_cancelled(waits, edo_wait_word(&waits->word, 0, EDO_FOREVER));
}

static int wait_for_bytes(void *argument)
{
    struct waits *waits = argument;
    char byte;

    return count_cancelled(waits, (int)edo_read(waits->stream, &byte, 1));
}

static int wait_for_connection(void *argument)
{
    struct waits *waits = argument;
    edo_stream *stream;

    return count_cancelled(waits, edo_accept(&stream, waits->listener));
}

static int wait_for_task(void *argument)
{
    struct waits *waits = argument;
    int result;
    int rc = edo_join(&result, waits->task);

    CHECK(rc == 0 || rc == -ECANCELED); /* the other one is cancelled too, and may have ended by now */
    return rc;
}

static int wait_dormant(void *argument)
{
    return count_cancelled(argument, edo_resumption());
}

static int wait_in_scope(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc, .name = "inner")
        rc = edo_spawn(scope, wait_for_word, argument, .name = "in the inner scope");
    return rc;
}

static int all_wait(void *argument)
{
    struct waits *waits = argument;
    edo_stream *client EDO_AUTO(edo_close) = NULL;
    edo_addr local;
    int rc = edo_tcp_listen(&waits->listener, "10.0.0.1:80", NULL);

    edo_addr_parse(&local, "10.0.0.2:5555");
    if (rc == 0)
        rc = edo_tcp_connect(&client, "10.0.0.1:80", EDO_OPTIONS(edo_connect_options, .bind = &local));
    if (rc == 0)
        rc = edo_accept(&waits->stream, waits->listener);
    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc, .name = "all") {
        rc = edo_spawn(scope, wait_for_word, waits, .handle = &waits->task, .name = "word");
        rc = rc < 0 ? rc : edo_spawn(scope, wait_for_bytes, waits, .name = "bytes");
        rc = rc < 0 ? rc : edo_spawn(scope, wait_for_connection, waits, .name = "connection");
        rc = rc < 0 ? rc : edo_spawn(scope, wait_for_task, waits);
        rc = rc < 0 ? rc : edo_spawn(scope, wait_dormant, waits, .when = EDO_WHEN_READABLE(client), .name = "dormant");
        rc = rc < 0 ? rc : edo_spawn(scope, wait_in_scope, waits);
    }
    CHECK_RC(waits->cancelled, 5);
    edo_close(waits->stream);
    edo_listener_close(waits->listener);
    return 0;
}

static int all_wait_in_child(void *argument)
{
    struct waits waits = {.word = 0};

    (void)argument;
    return edo_test_run(all_wait, &waits, EDO_OPTIONS(edo_test_options, .seed = 9)) == -EDEADLK &&
           atomic_load(&test_failures) == 0;
}

static void assert_line(const char *text, const char *task, const char *what)
{
    const char *line = strstr(text, task);

    if (!line || !strstr(line, what) || strstr(line, what) > strchr(line, '\n')) {
        print_error("no line with \"%s\" and \"%s\" in\n%s\n", task, what, text);
        fail();
    }
}

static void test_each_task_is_reported_with_its_site_and_its_wait(void **state)
{
    char text[8000];
    int status = in_child(all_wait_in_child, NULL, text, sizeof text);

    (void)state;
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_line(text, "edo: deadlock:", "8 tasks wait for ever\n");
    assert_line(text, "edo:   task 1 \"root\"", "waits for the tasks of its scope all\n");
    assert_line(text, "edo:   task 2 \"word\" (spawned at ", "test_deadlock.c:");
    assert_line(text, "edo:   task 2 \"word\"", "waits on the word at 0x");
    assert_line(text, "\"bytes\"", "waits to read between 10.0.0.1:80 and 10.0.0.2:5555\n");
    assert_line(text, "\"connection\"", "waits for a connection at 10.0.0.1:80\n");
    assert_line(text, "\"all_wait\"", "waits for the end of task 2 \"word\"\n");
    assert_line(text, "\"dormant\"", "dormant, waits to read between 10.0.0.2:5555 and 10.0.0.1:80\n");
    assert_line(text, "edo:   task 7 \"all_wait\"", "waits for the tasks of its scope inner\n");
    assert_line(text, "\"in the inner scope\"", "waits on the word at 0x");
    assert_non_null(strstr(text, "edo: seeded run failed (-35, would deadlock): again with EDO_SEED=0x9\n"));
}

static void test_a_deadlock_cancels_the_root_and_is_the_result(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct waits waits = {.word = 0};

        assert_int_equal(one_seed(all_wait, &waits, seed, EDO_OPTIONS(edo_test_options, .quiet = true)), -EDEADLK);
    }
}

static int wait_for_datagram(void *none)
{
    edo_datagram *datagram EDO_AUTO(edo_datagram_close) = NULL;
    char byte;
    int rc = edo_udp_bind(&datagram, "10.0.0.1:53", NULL);

    (void)none;
    return rc < 0 ? rc : (int)edo_datagram_recv(datagram, &byte, 1);
}

static int datagram_in_child(void *argument)
{
    (void)argument;
    return edo_test_run(wait_for_datagram, NULL, EDO_OPTIONS(edo_test_options, .seed = 9)) == -EDEADLK;
}

static void test_who_waits_for_datagrams_is_reported_as_such(void **state)
{
    char text[4000];
    int status = in_child(datagram_in_child, NULL, text, sizeof text);

    (void)state;
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_line(text, "edo:   task 1 \"root\"", "waits to receive datagrams at 10.0.0.1:53\n");
}

/* --- What nothing can end ----------------------------------------------------------------------------------------- */

static int wait_behind_a_shield(void *argument)
{
    EDO_SHIELD (EDO_FOREVER) {
        edo_wait_word(argument, 0, EDO_FOREVER);
    }
    return 0;
}

static int for_ever_in_child(void *argument)
{
    uint32_t word = 0;

    (void)argument;
    edo_test_run(wait_behind_a_shield, &word, EDO_OPTIONS(edo_test_options, .seed = 3, .quiet = true));
    return 0;
}

static void test_what_still_waits_when_cancelled_aborts(void **state)
{
    char text[4000];
    int status = in_child(for_ever_in_child, NULL, text, sizeof text);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_line(text, "edo: deadlock:", "1 task waits for ever\n");
    assert_line(text, "edo:   task 1 \"root\"", "waits on the word at");
    assert_non_null(strstr(text, "again with EDO_SEED=0x3\n"));
}

/* --- What is none ------------------------------------------------------------------------------------------------- */

static int wake_later(void *argument)
{
    edo_sleep(EDO_SEC(100));
    *(uint32_t *)argument = 1;
    edo_wake_word(argument, 1);
    return 0;
}

static int no_deadlock(void *argument)
{
    uint32_t word = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, wake_later, &word);
        while (rc == 0 && !word)
            if ((rc = edo_wait_word(&word, 0, EDO_FOREVER)) == -EAGAIN)
                rc = 0;
    }
    return rc;
}

static void test_whoever_waits_for_time_is_no_deadlock(void **state)
{
    (void)state;
    many_seeds(no_deadlock, NULL, 50, NULL);
}

/* Two locks, taken in two orders: some seeds deadlock, others do not. */
struct locks {
    uint32_t first;
    uint32_t second;
};

static int lock(uint32_t *word)
{
    while (*word) {
        int rc = edo_wait_word(word, 1, EDO_FOREVER);

        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    *word = 1;
    return 0;
}

static void unlock(uint32_t *word)
{
    *word = 0;
    edo_wake_word(word, 1);
}

static int take_both(uint32_t *one, uint32_t *other)
{
    int rc = lock(one);

    if (rc < 0)
        return rc;
    edo_checkpoint();
    rc = lock(other);
    if (rc == 0)
        unlock(other);
    unlock(one);
    return rc;
}

static int in_order(void *argument)
{
    struct locks *locks = argument;

    return take_both(&locks->first, &locks->second);
}

static int against_it(void *argument)
{
    struct locks *locks = argument;

    return take_both(&locks->second, &locks->first);
}

static int two_locks(void *argument)
{
    struct locks locks = {0, 0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, in_order, &locks);
        if (rc == 0)
            rc = edo_spawn(scope, against_it, &locks);
    }
    return rc;
}

static void test_locks_in_two_orders_deadlock_under_some_seeds(void **state)
{
    (void)state;
    for (int schedule = EDO_SCHEDULE_RANDOM; schedule <= EDO_SCHEDULE_PCT; schedule++) {
        int deadlocks = 0;

        for (uint64_t seed = 1; seed <= 100; seed++) {
            int rc = one_seed(two_locks, NULL, seed,
                              EDO_OPTIONS(edo_test_options, .schedule = schedule, .quiet = true, .steps = 8));

            assert_true(rc == 0 || rc == -EDEADLK);
            deadlocks += rc == -EDEADLK;
        }
        assert_in_range(deadlocks, 1, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_task_is_reported_with_its_site_and_its_wait),
        cmocka_unit_test(test_who_waits_for_datagrams_is_reported_as_such),
        cmocka_unit_test(test_a_deadlock_cancels_the_root_and_is_the_result),
        cmocka_unit_test(test_what_still_waits_when_cancelled_aborts),
        cmocka_unit_test(test_whoever_waits_for_time_is_no_deadlock),
        cmocka_unit_test(test_locks_in_two_orders_deadlock_under_some_seeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
