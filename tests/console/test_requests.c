/* SPDX-License-Identifier: MIT */
/* What the console answers: each address of it, and who is refused. */
#include "console/program.h"

#include <edo/dump.h>

static struct reply reply;

/* --- A program with something of everything ----------------------------------------------------------------------- */

static edo_mutex first, second;
static uint32_t never;

static int waits_for_word(void *argument)
{
    (void)argument;
    while (edo_wait_word(&never, 0, EDO_FOREVER) != -ECANCELED)
        ;
    return 0;
}

static int is_deaf(void *argument)
{
    EDO_SHIELD (EDO_FOREVER)
        program_waits(argument, 1);
    return 0;
}

static int sleeps(void *argument)
{
    (void)argument;
    edo_sleep(EDO_SEC(3600));
    return 0;
}

/* Each takes one, and then wants the other's. */
static int takes_both(void *argument)
{
    edo_mutex *own = argument;
    edo_mutex *other = own == &first ? &second : &first;
    int rc = edo_mutex_lock(own);

    if (rc < 0)
        return 0;
    for (int i = 0; i < 3; i++)
        edo_yield();
    rc = edo_mutex_lock(other);
    if (rc == 0)
        edo_mutex_unlock(other);
    edo_mutex_unlock(own);
    return 0;
}

static int everything(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE, .name = "hall", .deadline = edo_now() + EDO_SEC(7200)) {
        edo_spawn(scope, takes_both, &first, .name = "left");
        edo_spawn(scope, takes_both, &second, .name = "right");
        for (int i = 0; i < 5; i++)
            edo_spawn(scope, waits_for_word, NULL, .name = "listener");
        edo_spawn(scope, sleeps, NULL, .name = "sleeper");
        for (int i = 0; i < 20; i++)
            edo_yield();
        program_says(program, 1);
        program_waits(program, 1);
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static void begin(struct program *program)
{
    *program = (struct program){.options = {.workers = 1, .metrics = true}};
    program_start(program, everything);
    assert_int_not_equal(program->server.port, 0);
    do /* the last of them is about to */
        asked(&reply, program, "/api/now");
    while (!strstr(reply.body, "\"waiting\":9}"));
}

static int64_t id_of(struct program *program, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/api/tasks?filter=%s", name);
    asked(&reply, program, path);
    assert_int_equal(number_of(reply.body, "matching"), 1);
    return number_of(reply.body, "id");
}

/* --- Each address ------------------------------------------------------------------------------------------------- */

static void test_the_page_is_served_with_headers_that_keep_others_out(void **state)
{
    static const char *const paths[][2] = {{"/", "text/html; charset=utf-8"},
                                           {"/index.html", "text/html; charset=utf-8"},
                                           {"/console.js", "text/javascript; charset=utf-8"},
                                           {"/console.css", "text/css; charset=utf-8"}};
    struct program program;

    (void)state;
    begin(&program);
    for (size_t i = 0; i < EDO_COUNT(paths); i++) {
        asked(&reply, &program, paths[i][0]);
        assert_int_equal(reply.status, 200);
        assert_true(reply.size > 0);
        assert_text(reply_header(&reply, "Content-Type"), paths[i][1]);
        assert_text(reply_header(&reply, "Cache-Control"), "no-store");
        assert_text(reply_header(&reply, "X-Content-Type-Options"), "nosniff");
        assert_text(reply_header(&reply, "Content-Security-Policy"),
                    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
        assert_text(reply_header(&reply, "Referrer-Policy"), "no-referrer");
        assert_text(reply_header(&reply, "Cross-Origin-Resource-Policy"), "same-origin");
    }
    program_end(&program);
}

static void test_the_program_and_what_is_now(void **state)
{
    struct program program;
    char text[64];

    (void)state;
    begin(&program);
    asked(&reply, &program, "/api/program");
    assert_int_equal(reply.status, 200);
    assert_has(&reply, "\"program\":\"test_");
    snprintf(text, sizeof text, "\"pid\":%d", (int)getpid());
    assert_has(&reply, text);
    assert_has(&reply, "\"version\":\"0.1.0\"");
    assert_has(&reply, "\"workers\":1,\"metrics\":true}]");
    asked(&reply, &program, "/api/now");
    assert_int_equal(reply.status, 200);
    assert_int_equal(number_of(reply.body, "tasks"), 9);
    assert_has(&reply, "\"states\":{\"running\":0,\"region\":0,\"ready\":0,\"new\":0,\"waiting\":9}");
    assert_int_equal(number_of(reply.body, "spawned"), 9);
    assert_int_equal(number_of(reply.body, "warned"), 2); /* they hold what the other wants */
    assert_has(&reply, "\"workers\":[{\"index\":0,\"thread\":");
    assert_has(&reply, ",\"lifo_schedules\":");
    assert_has(&reply, "\"poll\":{\"count\":");
    assert_int_equal(number_of(reply.body, "interval_ms"), 1000);
    program_end(&program);
}

static void test_tasks_are_sorted_filtered_and_cut_to_a_window(void **state)
{
    struct program program;
    const char *at;

    (void)state;
    begin(&program);
    asked(&reply, &program, "/api/tasks");
    assert_int_equal(number_of(reply.body, "total"), 9);
    assert_int_equal(number_of(reply.body, "matching"), 9);
    assert_has(&reply, "\"name\":\"listener\",\"site\":\"test_requests.c:");
    assert_has(&reply, "\"function\":\"everything\",\"state\":\"waiting\",\"wait\":\"word 0x");
    assert_has(&reply, "\"deadline_ms\":7");
    asked(&reply, &program, "/api/tasks?sort=name&order=desc&from=1&count=2");
    assert_int_equal(number_of(reply.body, "from"), 1);
    at = strstr(reply.body, "\"name\":\"root\"");
    assert_non_null(at);
    assert_non_null(strstr(at, "\"name\":\"right\""));
    assert_has_not(&reply, "sleeper");
    assert_has_not(&reply, "listener");
    asked(&reply, &program, "/api/tasks?filter=LISTEN");
    assert_int_equal(number_of(reply.body, "matching"), 5);
    asked(&reply, &program, "/api/tasks?filter=mutex%200x"); /* in what they wait for */
    assert_int_equal(number_of(reply.body, "matching"), 2);
    asked(&reply, &program, "/api/tasks?state=warned");
    assert_int_equal(number_of(reply.body, "matching"), 2);
    assert_has(&reply, "\"warnings\":[\"holds a lock that others want, and waits\"]");
    asked(&reply, &program, "/api/tasks?state=running");
    assert_int_equal(number_of(reply.body, "matching"), 0);
    asked(&reply, &program, "/api/tasks?from=100");
    assert_has(&reply, "\"tasks\":[]");
    asked(&reply, &program, "/api/tasks?filter=sleeper");
    assert_has(&reply, "\"wait\":\"time\"");
    assert_has(&reply, "\"until_ms\":3");
    program_end(&program);
}

static void test_every_sort_is_an_order_of_all(void **state)
{
    static const char *const sorts[] = {"id", "name", "site", "state", "wait", "age", "polls", "busy", "worker"};
    struct program program;
    char path[128];

    (void)state;
    begin(&program);
    for (size_t i = 0; i < 2 * EDO_COUNT(sorts); i++) {
        size_t rows = 0;

        snprintf(path, sizeof path, "/api/tasks?sort=%s&order=%s", sorts[i / 2], i % 2 ? "desc" : "asc");
        asked(&reply, &program, path);
        for (const char *at = reply.body; (at = strstr(at, "{\"id\":")); at++)
            rows++;
        assert_int_equal(rows, 9);
    }
    program_end(&program);
}

static void test_a_task_with_all_that_is_known_of_it(void **state)
{
    struct program program;
    char path[64];

    (void)state;
    begin(&program);
    snprintf(path, sizeof path, "/api/task?id=%lld", (long long)id_of(&program, "left"));
    asked(&reply, &program, path);
    assert_int_equal(reply.status, 200);
    assert_has(&reply, "\"name\":\"left\"");
    assert_has(&reply, "test_requests.c\",\"site_line\":");
    assert_has(&reply, "\"waits\":[{\"for\":\"mutex\",\"holder\":\"");
    assert_has(&reply, "\"name\":\"hall\"");
    assert_has(&reply, "\"name\":\"root\"");
    if (strstr(reply.body, "\"frames\"")) /* not with ucontext */
        assert_has(&reply, "\"function\":\"takes_both\"");
    asked(&reply, &program, "/api/task?id=123456789");
    assert_int_equal(reply.status, 404);
    assert_text(reply.body, "{\"error\":\"task 123456789 has ended\"}");
    asked(&reply, &program, "/api/task");
    assert_int_equal(reply.status, 400);
    asked(&reply, &program, "/api/task?id=left");
    assert_int_equal(reply.status, 400);
    program_end(&program);
}

static int turns(void *argument)
{
    (void)argument;
    while (edo_yield() == 0)
        ;
    return 0;
}

static int is_busy(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_spawn(scope, turns, NULL, .name = "turner");
        program_says(program, 1);
        program_waits(program, 1);
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

/* Turns are sampled: so it is asked until some were. */
static void test_a_measured_task_has_an_age_turns_and_times(void **state)
{
    struct program program = {.options = {.workers = 1, .metrics = true}};
    char path[64];
    long long id, age;

    (void)state;
    program_start(&program, is_busy);
    id = id_of(&program, "turner");
    age = number_of(reply.body, "age_ms");
    assert_true(age >= 0);
    snprintf(path, sizeof path, "/api/task?id=%lld", id);
    do {
        asked(&reply, &program, path);
        assert_int_equal(reply.status, 200);
    } while (!strstr(reply.body, "\"poll\":{\"count\":") || !strstr(reply.body, "\"delay\":{\"count\":") ||
             number_of(reply.body, "age_ms") <= age);
    assert_true(number_of(reply.body, "polls") > 0);
    assert_true(number_of(reply.body, "busy_us") > 0);
    assert_has(&reply, "\"buckets\":[{\"to_ns\":");
    program_end(&program);
}

static void test_sites_scopes_resources_and_deadlocks(void **state)
{
    struct program program;
    long long left, right;
    char text[128];

    (void)state;
    begin(&program);
    left = (long long)id_of(&program, "left");
    right = (long long)id_of(&program, "right");
    asked(&reply, &program, "/api/sites");
    assert_int_equal(number_of(reply.body, "count"), 5); /* the most first */
    assert_has(
        &reply,
        "\"function\":\"everything\",\"count\":5,\"running\":0,\"region\":0,\"ready\":0,\"new\":0,\"waiting\":5");
    asked(&reply, &program, "/api/scopes");
    assert_has(&reply, "\"name\":\"hall\"");
    assert_has(&reply, "\"live\":8");
    asked(&reply, &program, "/api/resources");
    assert_int_equal(number_of(reply.body, "count"), 5);
    assert_has(&reply, "{\"kind\":\"word\",\"address\":\"0x");
    snprintf(text, sizeof text, "\"holder\":\"%lld\",\"count\":1,\"waiters\":[\"%lld\"]", left, right);
    assert_has(&reply, text);
    snprintf(text, sizeof text, "\"deadlocks\":[[\"%lld\",\"%lld\"]]", left, right);
    if (!strstr(reply.body, text)) {
        snprintf(text, sizeof text, "\"deadlocks\":[[\"%lld\",\"%lld\"]]", right, left);
        assert_has(&reply, text);
    }
    asked(&reply, &program, "/api/stalls");
    assert_text(reply.body, "{\"stalls\":[]}");
    program_end(&program);
}

/* --- The tree ----------------------------------------------------------------------------------------------------- */

/*
 * root: hall { listener x 7, keeper: attic (cancelled) { den (its owner waits for a child that does not hear of it) },
 * nest: outer { inner { 1 } } }
 */
static int keeps(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (attic, &rc, .name = "attic") {
        EDO_SCOPE (den, &rc, .name = "den") {
            edo_spawn(den, is_deaf, program, .name = "deaf");
            edo_scope_cancel(attic);
        }
    }
    return 0;
}

static int nests(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (outer, &rc, .name = "outer")
        EDO_SCOPE (inner, &rc, .name = "inner") {
            edo_spawn(inner, sleeps, NULL, .name = "egg");
        }
    return 0;
}

static int grows(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (hall, &rc, .policy = EDO_SUPERVISE, .name = "hall", .deadline = edo_now() + EDO_SEC(7200)) {
        for (int i = 0; i < 7; i++)
            edo_spawn(hall, waits_for_word, NULL, .name = "listener");
        edo_spawn(hall, keeps, program, .name = "keeper");
        edo_spawn(hall, nests, NULL, .name = "nest");
        for (int i = 0; i < 20; i++)
            edo_yield();
        program_says(program, 1);
        program_waits(program, 1);
        edo_scope_cancel(hall);
    }
    return rc == -ECANCELED ? 0 : rc;
}

/* Its rows, as "depth kind name-or-number|": "0 task root|0 scope detached|...". */
static void rows_of(char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (const char *at = reply.body; (at = strstr(at, "{\"row\":\"")) != NULL; at++) {
        const char *end = strstr(at + 1, "{\"row\":\"");
        const char *name = strstr(at, "\"name\":\"");
        int kind = (int)strcspn(at + 8, "\"");

        end = end ? end : strstr(at, "],\"ending\"");
        used += (size_t)snprintf(out + used, size - used, "%lld %.*s ", number_of(at, "depth"), kind, at + 8);
        if (name && name < end)
            used += (size_t)snprintf(out + used, size - used, "%.*s|", (int)strcspn(name + 8, "\""), name + 8);
        else
            used += (size_t)snprintf(out + used, size - used, "+%lld+%lld|", number_of(at, "scopes"),
                                     number_of(at, "tasks"));
    }
}

static void assert_rows(struct program *program, const char *expected, const char *query, ...) EDO_PRINTF(3, 4);
static void assert_rows(struct program *program, const char *expected, const char *query, ...)
{
    char path[512] = "/api/tree", rows[4096];
    va_list arguments;

    va_start(arguments, query);
    vsnprintf(path + 9, sizeof path - 9, query, arguments);
    va_end(arguments);
    asked(&reply, program, path);
    assert_int_equal(reply.status, 200);
    rows_of(rows, sizeof rows);
    assert_text(rows, expected);
}

/* What stands before a scope's name. */
static void key_of(char out[64], struct program *program, const char *name)
{
    char text[64];
    const char *at;

    asked(&reply, program, "/api/tree?count=20");
    snprintf(text, sizeof text, "\"name\":\"%s\",\"", name);
    for (at = strstr(reply.body, "\"row\":\"scope\""); strncmp(at, text, strlen(text)) != 0; at++)
        if (strncmp(at, "\"key\":\"", 7) == 0)
            snprintf(out, 64, "%.*s", (int)strcspn(at + 7, "\""), at + 7);
}

static long long of_all(const char *key)
{
    return number_of(strstr(reply.body, "],\"ending\":["), key);
}

#define ROOTS   "0 task root|0 scope detached|1 scope root|2 scope hall|"
#define BENEATH "3 scope attic|4 scope den|5 scope +0+0|5 task deaf|3 scope outer|4 scope inner|5 task egg|"
#define FIVE    "3 task listener|3 task listener|3 task listener|3 task listener|3 task listener|"

static void test_the_tree_has_scopes_and_of_their_tasks_a_few(void **state)
{
    struct program program = {.options = {.workers = 1}};
    char hall[64], root[64], inner[64];
    const char *at;

    (void)state;
    program_start(&program, grows);
    key_of(hall, &program, "hall");
    key_of(root, &program, "root");
    key_of(inner, &program, "inner");
    assert_rows(&program, ROOTS BENEATH FIVE "3 more +0+4|", "%s", "");
    assert_int_equal(number_of(reply.body, "scopes"), 8);
    assert_int_equal(of_all("total"), 17);
    at = strstr(reply.body, "\"name\":\"hall\"");
    assert_int_equal(number_of(at, "tasks"), 9);
    assert_int_equal(number_of(at, "inside"), 11);
    assert_int_equal(number_of(at, "deadline_ms") / 100000, 71);
    at = strstr(reply.body, "\"name\":\"den\"");
    assert_non_null(strstr(at, "\"cancelled\":\"cancelled by the program\",\"cancelled_at\":\"test_requests.c:"));
    assert_non_null(strstr(at, "\"owner_name\":\"keeper\""));
    assert_int_equal(number_of(at, "waiting"), 1);
    assert_non_null(strstr(at, "\"waited\":true"));
    assert_true(strstr(at, "\"waited\":true") < strstr(at, "\"row\":"));
    at = strstr(reply.body, "\"ending\":[{\"number\":");
    assert_non_null(at);
    assert_non_null(strstr(at, "\"name\":\"den\""));
    assert_int_equal(number_of(at, "tasks"), 1);
    assert_null(strstr(at, "},{"));

    assert_rows(&program, ROOTS BENEATH FIVE "3 task listener|3 task listener|3 task keeper|3 task nest|", "?open=%s",
                hall);
    assert_rows(&program, ROOTS, "?shut=%s", hall);
    assert_rows(&program, "0 task root|0 scope detached|1 scope root|", "?shut=%s,%s&open=%s", root, hall, hall);
    assert_rows(&program, "2 scope hall|3 scope attic|4 scope den|5 scope +0+0|", "?from=3&count=4");
    assert_rows(&program, "3 task listener|3 task listener|3 more +0+4|", "?from=14&count=9");
    assert_int_equal(number_of(reply.body, "around"), 3);
    assert_int_equal(number_of(strstr(reply.body, "\"row\":\"more\""), "around"), 3);
    assert_rows(&program, "", "?from=99");
    assert_rows(&program, ROOTS, "?shut=123456.0,1.999,%s", hall); /* the first two have ended */

    /* What is asked for is seen, whatever was shut around it. */
    assert_rows(&program, ROOTS BENEATH FIVE "3 more +0+4|", "?at=%s&shut=%s,%s", inner, root, hall);
    assert_int_equal(of_all("at"), 9);
    assert_rows(&program, "0 task root|", "?at=123456.0&count=1");
    assert_has_not(&reply, "\"at\":");
    program_end(&program);
}

/* 130 scopes in one: a hundred are shown, or all; and one that is asked for, with those before it. */
static int opens(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (cell, &rc, .name = "cell")
        edo_sleep(EDO_SEC(3600));
    return 0;
}

static int swarms(void *argument)
{
    struct program *program = argument;
    int rc = 0;

    EDO_SCOPE (hive, &rc, .policy = EDO_SUPERVISE, .name = "hive") {
        for (int i = 0; i < 130; i++)
            edo_spawn(hive, opens, NULL, .name = "bee");
        for (int i = 0; i < 20; i++)
            edo_yield();
        program_says(program, 1);
        program_waits(program, 1);
        edo_scope_cancel(hive);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static void test_of_many_scopes_the_tree_has_a_hundred_and_those_that_are_asked_for(void **state)
{
    struct program program = {.options = {.workers = 1}};
    char hive[64];

    (void)state;
    program_start(&program, swarms);
    key_of(hive, &program, "hive");
    assert_rows(&program, "3 more +30+125|", "?from=109");
    assert_int_equal(of_all("total"), 110);
    assert_rows(&program, "", "?open=%s&count=0", hive);
    assert_int_equal(of_all("total"), 4 + 2 * 130);
    asked(&reply, &program, "/api/tasks?sort=id&order=desc&count=1");
    assert_rows(&program, "3 scope cell|", "?at=%lld.0&from=133&count=1", number_of(reply.body, "id"));
    assert_int_equal(of_all("at"), 133);
    program_end(&program);
}

static int add(void *argument, const char *text, size_t size)
{
    char *out = argument;

    strncat(out, text, size);
    return 0;
}

static void test_the_console_is_in_nothing_that_it_shows(void **state)
{
    static char dump[65536];
    struct program program;

    (void)state;
    begin(&program);
    asked(&reply, &program, "/metrics");
    assert_int_equal(reply.status, 200);
    assert_text(reply_header(&reply, "Content-Type"), "text/plain; version=0.0.4");
    assert_has(&reply, "edo_tasks_alive{runtime=\"");
    assert_has(&reply, "\"} 9\n");
    assert_has_not(&reply, "runtime=\"32");
    asked(&reply, &program, "/api/tasks?filter=console");
    assert_int_equal(number_of(reply.body, "total"), 9);
    dump[0] = '\0';
    assert_int_equal(edo_dump(-1, EDO_OPTIONS(edo_dump_options, .write = add, .argument = dump)), 0);
    assert_non_null(strstr(dump, "sleeper"));
    assert_null(strstr(dump, "http"));
    program_end(&program);
}

/* --- Who is refused ----------------------------------------------------------------------------------------------- */

static int status_of(struct program *program, const char *request)
{
    static struct client client;

    client_connect(&client, &program->server);
    client_send(&client, request);
    client_reply(&reply, &client);
    client_close(&client);
    return reply.status;
}

static void test_other_hosts_origins_and_methods_are_refused(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /api/now HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: evil.example:6669\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: 2130706433\r\n\r\n", 403},
        {"GET / HTTP/1.0\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: LocalHost:6669\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: [::1]:6669\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n", 200},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://evil.example\r\n\r\n", 403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: null\r\n\r\n", 403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://127.0.0.1:2\r\n\r\n", 403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://127.0.0.1:1\r\nOrigin: http://evil.example\r\n\r\n",
         403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://127.0.0.1:1\r\n\r\n", 200},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-site\r\n\r\n", 403},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n\r\n", 200},
        {"GET /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: none\r\n\r\n", 200},
        {"POST /api/now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405},
        {"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405},
        {"DELETE /api/task?id=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405},
        {"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
        {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
        {"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
        {"GET /api/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
    };
    struct program program;

    (void)state;
    begin(&program);
    for (size_t i = 0; i < EDO_COUNT(cases); i++)
        if (status_of(&program, cases[i].request) != cases[i].status)
            fail_msg("%d instead of %d for %s", reply.status, cases[i].status, cases[i].request);
    program_end(&program);
}

static void test_bad_parameters_say_what_to_do(void **state)
{
    static const char *const queries[] = {
        "/api/tasks?sort=colour",   "/api/tasks?order=up",   "/api/tasks?state=fine",
        "/api/tasks?from=-1",       "/api/tasks?from=1e9",   "/api/tasks?count=1001",
        "/api/tasks?count=",        "/api/tasks?filter=%zz", "/api/tasks?filter=a%00b",
        "/api/tasks?runtime=first", "/api/events?count=x",   "/api/tasks?from=99999999999999999999",
        "/api/resources?runtime=x", "/api/tree?open=1",      "/api/tree?open=1.",
        "/api/tree?shut=1.2x",      "/api/tree?open=.2",     "/api/tree?at=1.2,1.3",
        "/api/tree?open=-1.2",      "/api/tree?at=x",        "/api/tree?shut=99999999999999999999.1",
        "/api/tree?from=x",
    };
    static char longest[600];
    struct program program;

    (void)state;
    begin(&program);
    for (size_t i = 0; i < EDO_COUNT(queries); i++) {
        asked(&reply, &program, queries[i]);
        if (reply.status != 400)
            fail_msg("%d for %s", reply.status, queries[i]);
        assert_has(&reply, "{\"error\":\"");
    }
    snprintf(longest, sizeof longest, "/api/tasks?filter=%0500d", 1);
    asked(&reply, &program, longest);
    assert_int_equal(reply.status, 400);
    asked(&reply, &program, "/api/tasks?runtime=9999");
    assert_int_equal(reply.status, 404);
    asked(&reply, &program, "/api/now?runtime=9999");
    assert_int_equal(reply.status, 404);
    program_end(&program);
}

static void test_giant_heads_are_cut_off_and_half_a_request_holds_nobody_up(void **state)
{
    static char request[70000];
    static struct client slow;
    struct program program;
    int size;

    (void)state;
    begin(&program);
    client_connect(&slow, &program.server);
    client_send(&slow, "GET /api/now HTT");
    size = snprintf(request, sizeof request, "GET /%04000d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 1);
    assert_true(size > 4000);
    assert_int_equal(status_of(&program, request), 414);
    size = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
    memset(request + size, 'x', 40000);
    memcpy(request + size + 40000, "\r\n\r\n", 5);
    assert_int_equal(status_of(&program, request), 431);
    client_send(&slow, "P/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    client_reply(&reply, &slow);
    assert_int_equal(reply.status, 200);
    client_close(&slow);
    program_end(&program);
}

static void test_a_head_request_gets_the_head_alone(void **state)
{
    static struct client client;
    struct program program;

    (void)state;
    begin(&program);
    client_connect(&client, &program.server);
    client_send(&client, "HEAD /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                         "HEAD /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    client_head(&reply, &client);
    assert_int_equal(reply.status, 200);
    assert_text(reply_header(&reply, "Content-Type"), "application/json");
    client_head(&reply, &client);
    assert_int_equal(reply.status, 200);
    assert_text(reply_header(&reply, "Content-Type"), "text/event-stream");
    client_close(&client);
    program_end(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page_is_served_with_headers_that_keep_others_out),
        cmocka_unit_test(test_the_program_and_what_is_now),
        cmocka_unit_test(test_tasks_are_sorted_filtered_and_cut_to_a_window),
        cmocka_unit_test(test_every_sort_is_an_order_of_all),
        cmocka_unit_test(test_a_task_with_all_that_is_known_of_it),
        cmocka_unit_test(test_a_measured_task_has_an_age_turns_and_times),
        cmocka_unit_test(test_sites_scopes_resources_and_deadlocks),
        cmocka_unit_test(test_the_tree_has_scopes_and_of_their_tasks_a_few),
        cmocka_unit_test(test_of_many_scopes_the_tree_has_a_hundred_and_those_that_are_asked_for),
        cmocka_unit_test(test_the_console_is_in_nothing_that_it_shows),
        cmocka_unit_test(test_other_hosts_origins_and_methods_are_refused),
        cmocka_unit_test(test_bad_parameters_say_what_to_do),
        cmocka_unit_test(test_giant_heads_are_cut_off_and_half_a_request_holds_nobody_up),
        cmocka_unit_test(test_a_head_request_gets_the_head_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
