/* SPDX-License-Identifier: MIT */
/*
 * The console's life: when it is there, what is said where it is not, and that it costs nothing that is not asked for.
 */
#include "console/program.h"

#include "platform/platform.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct reply reply;
static struct client client;
static struct said said;

static int stays(void *argument)
{
    struct program *program = argument;

    program_says(program, 1);
    program_waits(program, 1);
    return 0;
}

static unsigned threads_now(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");

    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void *nothing(void *argument)
{
    return argument;
}

/* ThreadSanitizer begins a thread of its own with the first one of ours. */
static void begin_foreign_threads(void)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
    pthread_join(thread, NULL);
}

static int descriptors_now(void)
{
    int lowest = dup(0);

    close(lowest);
    return lowest;
}

/* --- When it is there --------------------------------------------------------------------------------------------- */

static void test_it_says_where_it_is_and_leaves_nothing_behind(void **state)
{
    struct program program = {.options = {.workers = 1}};
    int descriptors = descriptors_now();
    unsigned threads;
    char line[64];
    edo_addr address;

    (void)state;
    begin_foreign_threads();
    threads = threads_now();
    said_begin(&said);
    program_start(&program, stays);
    client_connect(&client, &program.server);
    client_send(&client, "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    client_until(&client, "event: tasks");
    program_end(&program);
    said_end(&said);
    snprintf(line, sizeof line, "edo: console at http://127.0.0.1:%u/\n", program.server.port);
    assert_string_equal(said.text, line);
    client_close(&client);
    assert_int_equal(edo_console_address(&address), -ENOENT);
    while (threads_now() > threads) /* who was joined may be seen for a moment longer */
        sched_yield();
    assert_int_equal(descriptors_now(), descriptors);
}

static void test_the_environment_asks_and_an_empty_option_refuses(void **state)
{
    struct program program = {.options = {.workers = 1, .console = ""}};

    (void)state;
    setenv("EDO_CONSOLE", "localhost:0", 1);
    said_begin(&said);
    program_start(&program, stays);
    assert_int_equal(program.server.port, 0);
    program_end(&program);
    said_end(&said);
    assert_string_equal(said.text, "");
    said_begin(&said);
    program.options.console = NULL;
    program.step = program.wanted = 0;
    assert_int_equal(pthread_create(&program.thread, NULL, program_main, &program), 0);
    program.runs = true;
    program_reaches(&program, 1);
    program_end(&program);
    said_end(&said);
    unsetenv("EDO_CONSOLE");
    assert_int_equal(strncmp(said.text, "edo: console at http://127.0.0.1:", 33), 0);
}

static void test_a_used_port_or_no_address_is_said_and_the_program_runs_on(void **state)
{
    static const char *const bad[] = {"garbage",        "127.0.0.1",   "1.2.3.4.5:80", "127.0.0.1:65536",
                                      "/tmp/no.socket", "host.name:1", "99999",        ":::"};
    struct program first = {.options = {.workers = 1}};
    struct program program = {.options = {.workers = 1}};
    char text[64], line[128];
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    (void)state;
    (void)first;
    assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(taken, 1), 0);
    getsockname(taken, (struct sockaddr *)&address, &size);
    snprintf(text, sizeof text, "%d", ntohs(address.sin_port));
    program.options.console = text;
    said_begin(&said);
    program_start(&program, stays);
    program_end(&program);
    said_end(&said);
    snprintf(line, sizeof line, "edo: no console: 127.0.0.1:%s is in use; the program runs on\n", text);
    assert_string_equal(said.text, line);
    close(taken);
    for (size_t i = 0; i < EDO_COUNT(bad); i++) {
        program.options.console = bad[i];
        said_begin(&said);
        program_start(&program, stays);
        program_end(&program);
        said_end(&said);
        snprintf(line, sizeof line, "edo: no console: \"%s\" is no address; give one like ", bad[i]);
        if (strncmp(said.text, line, strlen(line)) != 0)
            fail_msg("%s: %s", bad[i], said.text);
    }
}

static void test_f4_after_fork_nobody_serves_the_child(void **state)
{
    struct program program = {.options = {.workers = 1}};
    edo_addr address;
    pid_t child;
    int status;

    (void)state;
    said_begin(&said);
    program_start(&program, stays);
    assert_int_equal(edo_console_address(&address), 0);
    child = fork();
    if (child == 0)
        _exit(edo_console_address(&address) == -ENOENT ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    program_end(&program);
    said_end(&said);
}

static void test_an_address_that_others_reach_is_warned_of(void **state)
{
    struct program program = {.options = {.workers = 1, .console = "0.0.0.0:0"}};

    (void)state;
    said_begin(&said);
    program_start(&program, stays);
    program_end(&program);
    said_end(&said);
    assert_non_null(strstr(said.text, "edo: the console's address is no loopback"));
}

static void test_two_runtimes_share_one_and_the_last_one_ends_it(void **state)
{
    static struct program first, second;
    char path[64];
    long long number;

    (void)state;
    first = second = (struct program){.options = {.workers = 1}};
    program_start(&first, stays);
    program_start(&second, stays);
    assert_int_equal(first.server.port, second.server.port);
    asked(&reply, &first, "/api/program");
    number = number_of(reply.body, "number");
    assert_non_null(strstr(strstr(reply.body, "\"number\"") + 1, "\"number\""));
    asked(&reply, &first, "/api/now");
    assert_int_equal(number_of(reply.body, "tasks"), 1);
    program_end(&first);
    for (snprintf(path, sizeof path, "/api/now?runtime=%lld", number); reply.status != 404;)
        asked(&reply, &second, path);
    assert_has(&reply, "that runtime has ended");
    snprintf(path, sizeof path, "/api/now?runtime=%lld", number + 1);
    asked(&reply, &second, path);
    assert_int_equal(number_of(reply.body, "tasks"), 1);
    program_end(&second);
}

static int inner(void *argument)
{
    (void)argument;
    return 0;
}

static int nests(void *argument)
{
    struct program *program = argument;
    int rc = edo_run(inner, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "garbage"));

    return rc < 0 ? rc : stays(program);
}

static void test_a_runtime_inside_another_starts_none(void **state)
{
    struct program program = {.options = {.workers = 1}};

    (void)state;
    said_begin(&said);
    program_start(&program, nests);
    program_end(&program);
    said_end(&said);
    assert_null(strstr(said.text, "garbage"));
}

static void test_it_starts_and_ends_again_and_again_with_clients_attached(void **state)
{
    (void)state;
    said_begin(&said);
    for (int i = 0; i < 20; i++) {
        struct program program = {.options = {.workers = 1}};

        program_start(&program, stays);
        client_connect(&client, &program.server);
        client_send(&client, i % 2 ? "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" : "GET /api/ta");
        if (i % 4 == 1)
            client_until(&client, "event: tasks");
        program_end(&program);
        client_close(&client);
    }
    said_end(&said);
}

/* --- What it costs ------------------------------------------------------------------------------------------------ */

static struct edo_platform table;
static _Atomic long waits;   /* calls of epoll_wait on threads that the test does not know */
static _Atomic long refuse;  /* the allocation that fails: 1 is the next; on the console's thread */
static _Atomic int known[2]; /* threads that are not the console's */

static bool on_console(void)
{
    int self = (int)syscall(SYS_gettid);

    return self != atomic_load(&known[0]) && self != atomic_load(&known[1]);
}

static int counted_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    if (timeout != 0 && on_console())
        atomic_fetch_add(&waits, 1);
    return edo_platform_system.epoll_wait(epoll, events, count, timeout);
}

static bool refused(void)
{
    return on_console() && atomic_load(&refuse) > 0 && atomic_fetch_sub(&refuse, 1) == 1;
}

static void *refusing_allocate(size_t size)
{
    return refused() ? NULL : edo_platform_system.allocate(size);
}

static int refusing_map(void **out, size_t size, int protection, int flags)
{
    return refused() ? -ENOMEM : edo_platform_system.map(out, size, protection, flags);
}

static int tells_thread(void *argument)
{
    atomic_store(&known[1], (int)syscall(SYS_gettid));
    return stays(argument);
}

static void begin_table(void)
{
    table = edo_platform_system;
    table.epoll_wait = counted_wait;
    table.allocate = refusing_allocate;
    table.map = refusing_map;
    atomic_store(&known[0], (int)syscall(SYS_gettid));
    atomic_store(&known[1], 0);
    atomic_store(&refuse, 0);
    atomic_store(&waits, 0);
    edo_platform = &table;
}

static void end_table(void)
{
    edo_platform = &edo_platform_system;
}

static int counts_waits(void *argument)
{
    struct program *program = argument;

    atomic_store(&known[1], (int)syscall(SYS_gettid));
    program_says(program, 1);
    edo_sleep(EDO_MS(1500)); /* more than an interval */
    program_says(program, 2);
    program_waits(program, 1);
    return 0;
}

static void test_s9_it_does_not_wake_while_nobody_is_connected(void **state)
{
    struct program program = {.options = {.workers = 1, .stall_after = EDO_FOREVER}};
    long before;

    (void)state;
    begin_table();
    program_start(&program, counts_waits);
    before = atomic_load(&waits);
    program_reaches(&program, 2);
    assert_in_range(atomic_load(&waits) - before, 0, 1); /* it may just have begun */
    program_end(&program);
    end_table();
}

/* One request of each kind, on a console that is refused its nth allocation; whatever it answers, it goes on. */
static void test_f1_each_refused_allocation_costs_an_answer_and_no_more(void **state)
{
    static const char *const paths[] = {"/api/tasks?sort=name", "/api/sites", "/api/resources", "/api/scopes",
                                        "/api/task?id=1",       "/metrics",   "/api/now"};
    struct program program = {.options = {.workers = 1, .stall_after = EDO_FOREVER}};

    (void)state;
    begin_table();
    program_start(&program, tells_thread);
    for (size_t i = 0; i < EDO_COUNT(paths); i++)
        for (long n = 1; n < 40; n++) {
            char request[256];
            bool all;

            atomic_store(&refuse, n);
            client_connect(&client, &program.server);
            snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
                     paths[i]);
            client_send(&client, request);
            while (client_more(&client) > 0)
                ;
            client_close(&client);
            all = atomic_load(&refuse) > 0;
            atomic_store(&refuse, 0);
            asked(&reply, &program, "/api/program");
            assert_int_equal(reply.status, 200);
            if (all)
                break;
        }
    program_end(&program);
    end_table();
}

static void test_f1_without_memory_there_is_no_console_and_the_program_runs_on(void **state)
{
    (void)state;
    said_begin(&said);
    begin_table();
    for (long n = 1; n < 100; n++) {
        struct program program = {.options = {.workers = 1, .stall_after = EDO_FOREVER}};
        bool all;

        atomic_store(&known[1], 0);
        program.body = tells_thread;
        program.options.size = sizeof program.options;
        program.options.console = "0";
        program.options.signals = EDO_SIGNALS_IGNORE;
        /* The program's own thread is not known yet: the first allocations are start's, then come the console's. */
        atomic_store(&refuse, n);
        assert_int_equal(pthread_create(&program.thread, NULL, program_main, &program), 0);
        program_lets(&program, 1);
        pthread_join(program.thread, NULL);
        all = atomic_load(&refuse) > 0;
        if (program.result != 0 && program.result != -ENOMEM) /* the latter: it was the program's own */
            fail_msg("%d at %ld", program.result, n);
        if (all)
            break;
    }
    atomic_store(&refuse, 0);
    end_table();
    said_end(&said);
    assert_non_null(strstr(said.text, "edo: no console"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_where_it_is_and_leaves_nothing_behind),
        cmocka_unit_test(test_the_environment_asks_and_an_empty_option_refuses),
        cmocka_unit_test(test_a_used_port_or_no_address_is_said_and_the_program_runs_on),
        cmocka_unit_test(test_f4_after_fork_nobody_serves_the_child),
        cmocka_unit_test(test_an_address_that_others_reach_is_warned_of),
        cmocka_unit_test(test_two_runtimes_share_one_and_the_last_one_ends_it),
        cmocka_unit_test(test_a_runtime_inside_another_starts_none),
        cmocka_unit_test(test_it_starts_and_ends_again_and_again_with_clients_attached),
        cmocka_unit_test(test_s9_it_does_not_wake_while_nobody_is_connected),
        cmocka_unit_test(test_f1_each_refused_allocation_costs_an_answer_and_no_more),
        cmocka_unit_test(test_f1_without_memory_there_is_no_console_and_the_program_runs_on),
    };

    alarm(50 * EDO_TEST_SCALE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
