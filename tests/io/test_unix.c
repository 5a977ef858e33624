/* SPDX-License-Identifier: MIT */
/* Unix sockets: paths that come and go with their listener, abstract names, full queues. */
#include "net.h"

#include <limits.h>
#include <sys/stat.h>

static char directory[] = "/tmp/edo-test-unix-XXXXXX";
static char path[64];

static bool exists(const char *name)
{
    struct stat status;

    return lstat(name, &status) == 0;
}

static void echo_once(edo_listener *listener, const char *name)
{
    edo_stream *client;
    edo_stream *peer;
    char byte;

    CHECK_EQUAL(edo_unix_connect(&client, name, NULL), 0);
    CHECK_EQUAL(edo_accept(&peer, listener), 0);
    CHECK_EQUAL(edo_write(client, "u", 1), 1);
    CHECK_EQUAL(edo_read(peer, &byte, 1), 1);
    CHECK_EQUAL(byte, 'u');
    edo_close(client);
    edo_close(peer);
}

static int listen_at_a_path(void *argument)
{
    edo_listener *listener;
    edo_listener *second;
    edo_stream *peer;
    edo_addr address;
    char text[EDO_ADDR_TEXT_SIZE];

    (void)argument;
    CHECK_EQUAL(edo_unix_listen(&listener, path, NULL), 0);
    CHECK(exists(path));
    CHECK_EQUAL(edo_listener_addr(&address, listener), 0);
    CHECK(edo_addr_print(text, sizeof text, &address) > 0);
    CHECK(strcmp(text + 5, path) == 0);
    echo_once(listener, path);
    CHECK_EQUAL(edo_unix_listen(&second, path, NULL), -EADDRINUSE);
    /* Somebody listens there: not stale. */
    CHECK_EQUAL(edo_unix_listen(&second, path, EDO_OPTIONS(edo_listen_options, .unlink_stale = true)), -EADDRINUSE);
    CHECK(exists(path));
    CHECK_EQUAL(edo_accept(&peer, listener), 0); /* the attempt that told: a stream at its end */
    CHECK_EQUAL(edo_read(peer, text, 1), 0);
    edo_close(peer);
    echo_once(listener, path);
    edo_listener_close(listener);
    CHECK(!exists(path));
    return 0;
}

/* What looks like another kind of address, or is relative, is a path all the same here. */
static int listen_at_a_literal_path(void *argument)
{
    static const char *const names[] = {"127.0.0.1:80", "socket:x", "a\\x20b"};
    char before[PATH_MAX];

    (void)argument;
    CHECK(getcwd(before, sizeof before) && chdir(directory) == 0);
    for (size_t i = 0; i < EDO_COUNT(names); i++) {
        edo_listener *listener;

        CHECK_EQUAL(edo_unix_listen(&listener, names[i], NULL), 0);
        CHECK(exists(names[i]));
        echo_once(listener, names[i]);
        edo_listener_close(listener);
        CHECK(!exists(names[i]));
    }
    CHECK(chdir(before) == 0);
    return 0;
}

static void test_a_path_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(edo_run(listen_at_a_literal_path, NULL, EDO_OPTIONS(edo_run_options, .workers = 1)), 0);
}

static void test_a_path_goes_with_its_listener(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, listen_at_a_path, NULL), 0);
}

static void leave_stale_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    CHECK_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQUAL(listen(fd, 1), 0);
    close(fd);
    CHECK(exists(path));
}

static int listen_at_a_stale_path(void *argument)
{
    edo_listener *listener;

    (void)argument;
    leave_stale_path();
    CHECK_EQUAL(edo_unix_listen(&listener, path, NULL), -EADDRINUSE);
    CHECK(exists(path));
    CHECK_EQUAL(edo_unix_listen(&listener, path, EDO_OPTIONS(edo_listen_options, .unlink_stale = true)), 0);
    echo_once(listener, path);
    edo_listener_close(listener);
    CHECK(!exists(path));
    return 0;
}

static void test_a_stale_path_is_removed_on_request(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, listen_at_a_stale_path, NULL), 0);
}

/* connect(2) refuses a file as it refuses a stale socket. */
static int listen_at_somebodys_file(void *argument)
{
    edo_listener *listener;
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    (void)argument;
    CHECK(fd >= 0);
    CHECK(write(fd, "dear", 4) == 4);
    close(fd);
    CHECK_EQUAL(edo_unix_listen(&listener, path, EDO_OPTIONS(edo_listen_options, .unlink_stale = true)), -EADDRINUSE);
    CHECK(exists(path));
    CHECK_EQUAL(unlink(path), 0);
    return 0;
}

static void test_f1_a_file_in_the_way_is_not_a_stale_socket(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, listen_at_somebodys_file, NULL), 0);
}

static int no_listen(int fd, int backlog)
{
    (void)fd, (void)backlog;
    return -ENOBUFS;
}

static int listen_in_vain(void *argument)
{
    edo_listener *listener;

    (void)argument;
    CHECK_EQUAL(edo_unix_listen(&listener, path, NULL), -ENOBUFS);
    CHECK(!exists(path));
    return 0;
}

static void test_f1_a_listen_that_fails_leaves_no_path(void **state)
{
    (void)state;
    net_table.listen = no_listen;
    assert_int_equal(net_run(1, listen_in_vain, NULL), 0);
}

static int listen_at_a_name(void *argument)
{
    edo_listener *listener;
    edo_listener *second;
    char name[40];

    (void)argument;
    snprintf(name, sizeof name, "@edo-test-unix-%d", (int)getpid());
    CHECK_EQUAL(edo_unix_listen(&listener, name, EDO_OPTIONS(edo_listen_options, .unlink_stale = true)), 0);
    echo_once(listener, name);
    CHECK_EQUAL(edo_unix_listen(&second, name, EDO_OPTIONS(edo_listen_options, .unlink_stale = true)), -EADDRINUSE);
    edo_listener_close(listener);
    CHECK_EQUAL(edo_unix_listen(&listener, name, NULL), 0); /* nothing is left of it */
    edo_listener_close(listener);
    return 0;
}

static void test_abstract_names(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, listen_at_a_name, NULL), 0);
}

static int connect_to_nothing(void *argument)
{
    char longest[200] = "/";
    edo_stream *stream;

    (void)argument;
    CHECK_EQUAL(edo_unix_connect(&stream, path, NULL), -ENOENT);
    leave_stale_path();
    CHECK_EQUAL(edo_unix_connect(&stream, path, NULL), -ECONNREFUSED);
    CHECK_EQUAL(unlink(path), 0);
    memset(longest + 1, 'x', 150);
    CHECK_EQUAL(edo_unix_connect(&stream, longest, NULL), -ENAMETOOLONG);
    return 0;
}

static void test_refusals_of_unix_connect(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, connect_to_nothing, NULL), 0);
}

static int connect_one(void *argument)
{
    edo_stream *stream;
    int rc = edo_unix_connect(&stream, (const char *)argument, NULL);

    if (rc == 0)
        edo_close(stream);
    return rc;
}

/* epoll does not tell when a Unix listener's queue has room again: connect waits all the same, and can be cancelled. */
static int connect_to_a_full_queue(void *argument)
{
    edo_listener *listener;
    edo_stream *waiting[2];
    edo_stream *peer;
    edo_task *task;
    int result;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_unix_listen(&listener, path, EDO_OPTIONS(edo_listen_options, .backlog = 1)), 0);
    for (int i = 0; i < 2; i++) /* one more than the backlog fits */
        CHECK_EQUAL(edo_unix_connect(&waiting[i], path, NULL), 0);
    EDO_TIMEOUT (EDO_MS(10), &rc) {
        edo_stream *stream;

        rc = edo_unix_connect(&stream, path, NULL);
        CHECK_EQUAL(rc, -ECANCELED);
    }
    CHECK_EQUAL(rc, -ETIMEDOUT);
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, connect_one, path, .handle = &task), 0);
        net_settle();
        CHECK(!edo_task_done(task));
        for (int i = 0; i < 3; i++) {
            CHECK_EQUAL(edo_accept(&peer, listener), 0);
            edo_close(peer);
        }
        CHECK_EQUAL(edo_join(&result, task), 0);
        CHECK_EQUAL(result, 0);
    }
    edo_close(waiting[0]);
    edo_close(waiting[1]);
    edo_listener_close(listener);
    return rc;
}

static void test_a_full_queue_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, connect_to_a_full_queue, NULL), 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_path_is_taken_as_it_is),
        TEST(test_a_path_goes_with_its_listener),
        TEST(test_a_stale_path_is_removed_on_request),
        TEST(test_f1_a_file_in_the_way_is_not_a_stale_socket),
        TEST(test_f1_a_listen_that_fails_leaves_no_path),
        TEST(test_abstract_names),
        TEST(test_refusals_of_unix_connect),
        TEST(test_a_full_queue_is_waited_for),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
