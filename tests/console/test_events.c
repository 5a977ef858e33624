/* SPDX-License-Identifier: MIT */
/* The event stream: what is told at once, what when it changes, and clients that do not listen. */
#include "console/program.h"

#include <time.h>

static struct client client, other;
static struct reply reply;
static struct program running; /* not in the tests' frames: the teardown ends it, too */

/* Opens a stream, and takes its head. */
static void follow(struct client *on, struct program *program, const char *query)
{
    char request[256];

    client_connect(on, &program->server);
    snprintf(request, sizeof request, "GET /api/events%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", query);
    client_send(on, request);
    client_head(&reply, on);
    assert_int_equal(reply.status, 200);
    assert_text(reply_header(&reply, "Content-Type"), "text/event-stream");
}

/* Takes the next event of a kind, its data into reply.body; those before it are thrown away. */
static void next_event(struct client *on, const char *kind)
{
    char line[64];
    const char *at, *end;

    snprintf(line, sizeof line, "event: %s\ndata: ", kind);
    for (;;) {
        client_until(on, line);
        at = memmem(on->data, on->size, line, strlen(line));
        client_drop(on, (size_t)(at - on->data));
        client_until(on, "\n\n");
        end = memmem(on->data, on->size, "\n\n", 2);
        assert_true((size_t)(end - on->data) < sizeof reply.body);
        snprintf(reply.body, sizeof reply.body, "%.*s", (int)(end - on->data - strlen(line)), on->data + strlen(line));
        client_drop(on, (size_t)(end - on->data));
        return;
    }
}

static size_t count_of(const char *text)
{
    size_t count = 0;

    for (const char *at = reply.body; (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* --- Changes ------------------------------------------------------------------------------------------------------ */

static uint32_t never;

static int listens(void *argument)
{
    (void)argument;
    while (edo_wait_word(&never, 0, EDO_FOREVER) != -ECANCELED)
        ;
    return 0;
}

/* Waits no longer than something that changes all the time, and differs at any two looks. */
static int fidgets(void *argument)
{
    (void)argument;
    while (edo_wait_word(&never, 0, edo_now() + EDO_MS(100)) != -ECANCELED)
        ;
    return 0;
}

/* Their times run: all have an age and a deadline. */
static int grows(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE, .deadline = edo_now() + EDO_SEC(3600)) {
        for (int i = 0; i < 3; i++)
            edo_spawn(scope, listens, NULL, .name = "old");
        edo_spawn(scope, fidgets, NULL, .name = "fidget");
        edo_yield();
        program_says(program, 1);
        program_waits(program, 1);
        edo_spawn(scope, listens, NULL, .name = "young");
        program_says(program, 2);
        program_waits(program, 2);
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static void test_a_stream_begins_with_all_and_goes_on_with_what_has_changed(void **state)
{
    long long snapshot, uptime;

    (void)state;
    running = (struct program){.options = {.workers = 1}};
    program_start(&running, grows);
    follow(&client, &running, "?filter=old");
    follow(&other, &running, "?sort=name");
    next_event(&client, "now");
    assert_int_equal(number_of(reply.body, "tasks"), 5);
    snapshot = number_of(reply.body, "snapshot");
    next_event(&client, "tasks");
    assert_int_equal(number_of(reply.body, "snapshot"), snapshot);
    assert_int_equal(number_of(reply.body, "matching"), 3);
    assert_int_equal(count_of("\"name\":\"old\""), 3);
    assert_int_equal(count_of("\"age_ms\":"), 3);
    assert_int_equal(count_of("\"deadline_ms\":"), 3);
    uptime = number_of(reply.body, "uptime_ms");
    assert_true(uptime >= 0);
    next_event(&other, "tasks");
    assert_int_equal(number_of(reply.body, "snapshot"), snapshot); /* one for both */
    assert_int_equal(number_of(reply.body, "uptime_ms"), uptime);
    assert_int_equal(count_of("\"name\":"), 5);
    program_lets(&running, 1);
    program_reaches(&running, 2);
    next_event(&other, "now");
    while (number_of(reply.body, "tasks") < 6)
        next_event(&other, "now");
    do
        next_event(&other, "tasks");
    while (!strstr(reply.body, "young"));
    assert_int_equal(count_of("\"name\":\"young\""), 1);
    assert_int_equal(count_of("\"name\":\"old\""), 0);    /* their rows are as they were: that time passes is no news */
    assert_int_equal(count_of("\"name\":\"fidget\""), 1); /* it waits for another moment now */
    assert_true(number_of(reply.body, "uptime_ms") > uptime);
    assert_int_equal(number_of(reply.body, "matching"), 6);
    next_event(&client, "tasks");
    assert_int_equal(number_of(reply.body, "matching"), 3);
    client_close(&client);
    client_close(&other);
    program_end(&running);
}

/* --- Stalls ------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static bool shut; /* the gate, by the test */

static void shut_gate(void)
{
    pthread_mutex_lock(&gate);
    shut = true;
}

static void open_gate(void)
{
    if (shut)
        pthread_mutex_unlock(&gate);
    shut = false;
}

static int is_stuck(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return 0;
}

enum { STUCK = 4 };

static int stalls(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    program_says(program, 1);
    program_waits(program, 1);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < STUCK; i++)
            edo_spawn(scope, is_stuck, NULL, .name = "stuck");
    }
    program_says(program, 2);
    program_waits(program, 2); /* its console ends with it */
    return rc;
}

static void test_stalls_are_told_while_all_workers_are_kept(void **state)
{
    long long serial;

    (void)state;
    shut_gate();
    running = (struct program){.options = {.workers = 2, .threads = 4, .stall_after = EDO_MS(1)}};
    program_start(&running, stalls);
    follow(&client, &running, "");
    next_event(&client, "tasks");
    program_lets(&running, 1);
    next_event(&client, "stall");
    serial = number_of(reply.body, "serial");
    assert_non_null(strstr(reply.body, "\"ended\":false,\"kind\":\"blocked\",\"task\":\""));
    assert_non_null(strstr(reply.body, "\"name\":\"stuck\",\"site\":\"test_events.c:"));
    assert_non_null(strstr(reply.body, "\"at_ms\":"));
    do { /* with all threads stuck, too; the snapshot may be a second old */
        asked(&reply, &running, "/api/tasks?filter=stuck");
        assert_int_equal(reply.status, 200);
    } while (number_of(reply.body, "matching") < STUCK);
    asked(&reply, &running, "/api/stalls");
    assert_has(&reply, "\"name\":\"stuck\"");
    open_gate();
    do
        next_event(&client, "stall");
    while (number_of(reply.body, "serial") != serial || !strstr(reply.body, "\"ended\":true"));
    asked(&reply, &running, "/api/stalls");
    assert_has(&reply, "\"ended\":true");
    client_close(&client);
    program_end(&running);
}

/* --- Clients that do not listen ----------------------------------------------------------------------------------- */

static int crowd(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 1000; i++)
            edo_spawn(scope, fidgets, NULL, .name = "one of a crowd, whose name is long so that there is much to tell");
        for (int i = 0; i < 3; i++)
            edo_yield();
        program_says(program, 1);
        program_waits(program, 1);
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

/* Its rows change every second: soon there is no room in the kernel's buffers. */
static void test_a_client_that_does_not_read_holds_up_neither_others_nor_the_end(void **state)
{
    (void)state;
    running = (struct program){.options = {.workers = 1}};
    program_start(&running, crowd);
    follow(&client, &running, "?count=1000");
    follow(&other, &running, "?count=1");
    for (int i = 0; i < 5; i++)
        next_event(&other, "now");
    assert_true(number_of(reply.body, "snapshot") >= 5);
    client_close(&other);
    program_end(&running); /* with the first one attached, and its event half written */
    client_close(&client);
}

static void test_no_more_than_32_are_served_at_a_time_and_the_next_when_one_goes(void **state)
{
    static struct client many[32];
    struct pollfd poller = {.events = POLLIN};

    (void)state;
    running = (struct program){.options = {.workers = 1}};
    program_start(&running, crowd);
    for (size_t i = 0; i < EDO_COUNT(many); i++) {
        follow(&many[i], &running, "?count=1");
        next_event(&many[i], "tasks");
    }
    client_connect(&other, &running.server);
    client_send(&other, "GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    next_event(&many[0], "tasks"); /* a whole second later */
    poller.fd = other.fd;
    assert_int_equal(poll(&poller, 1, 0), 0);
    client_close(&many[7]);
    client_reply(&reply, &other);
    assert_int_equal(reply.status, 200);
    client_close(&other);
    for (size_t i = 0; i < EDO_COUNT(many); i++)
        if (i != 7)
            client_close(&many[i]);
    program_end(&running);
}

/* They could be written to as before, and get nothing: only who looks whether they have ended notices it. */
static void test_clients_that_have_ended_count_no_more_without_being_written_to(void **state)
{
    static struct client many[32];

    (void)state;
    running = (struct program){.options = {.workers = 1}};
    program_start(&running, crowd);
    for (size_t i = 0; i < EDO_COUNT(many); i++) {
        follow(&many[i], &running, "?count=1");
        next_event(&many[i], "tasks");
    }
    client_connect(&other, &running.server);
    client_send(&other, "GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    for (size_t i = 0; i < EDO_COUNT(many); i++)
        shutdown(many[i].fd, SHUT_WR);
    client_reply(&reply, &other);
    assert_int_equal(reply.status, 200);
    client_close(&other);
    for (size_t i = 0; i < EDO_COUNT(many); i++) {
        while (client_more(&many[i]) > 0)
            client_drop(&many[i], many[i].size);
        client_close(&many[i]);
    }
    program_end(&running);
}

static void test_what_a_client_says_is_thrown_away_and_too_much_of_it_ends_the_stream(void **state)
{
    static char much[96 * 1024];

    (void)state;
    running = (struct program){.options = {.workers = 1}};
    program_start(&running, crowd);
    follow(&client, &running, "?count=1");
    next_event(&client, "tasks");
    client_send(&client, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    for (int i = 0; i < 2; i++)
        next_event(&client, "tasks");
    memset(much, 'x', sizeof much);
    client_send_bytes(&client, much, sizeof much);
    while (client_more(&client) > 0)
        client_drop(&client, client.size);
    client_close(&client);
    program_end(&running);
}

/* What a test that has failed in the middle has left. */
static int end(void **state)
{
    (void)state;
    open_gate();
    program_stop(&running);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_stream_begins_with_all_and_goes_on_with_what_has_changed, end),
        cmocka_unit_test_teardown(test_stalls_are_told_while_all_workers_are_kept, end),
        cmocka_unit_test_teardown(test_a_client_that_does_not_read_holds_up_neither_others_nor_the_end, end),
        cmocka_unit_test_teardown(test_no_more_than_32_are_served_at_a_time_and_the_next_when_one_goes, end),
        cmocka_unit_test_teardown(test_clients_that_have_ended_count_no_more_without_being_written_to, end),
        cmocka_unit_test_teardown(test_what_a_client_says_is_thrown_away_and_too_much_of_it_ends_the_stream, end),
    };

    alarm(50 * EDO_TEST_SCALE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
