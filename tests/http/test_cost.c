/* SPDX-License-Identifier: MIT */
/*
 * What a request and a connection cost, counted at the platform's table: calls and bytes, not times. And what happens
 * when there is no memory to be had.
 */
#include "http/server_fixture.h"

#include "http/exchange.h"
#include "platform/platform.h"
#include "runtime/poller.h"
#include "runtime/task.h"

#include <malloc.h>

static _Atomic int64_t receives, sends, allocations, bytes, epoll_changes;

static _Atomic bool refusing;

static void *count_allocate(size_t size)
{
    void *memory = atomic_load(&refusing) ? NULL : edo_platform_system.allocate(size);

    if (memory) {
        atomic_fetch_add(&allocations, 1);
        atomic_fetch_add(&bytes, (int64_t)malloc_usable_size(memory));
    }
    return memory;
}

static void count_release(void *memory)
{
    if (memory)
        atomic_fetch_sub(&bytes, (int64_t)malloc_usable_size(memory));
    edo_platform_system.release(memory);
}

static ssize_t count_recv(int fd, void *buffer, size_t size, int flags)
{
    atomic_fetch_add(&receives, 1);
    return edo_platform_system.recv(fd, buffer, size, flags);
}

static ssize_t count_send(int fd, const void *buffer, size_t size, int flags)
{
    atomic_fetch_add(&sends, 1);
    return edo_platform_system.send(fd, buffer, size, flags);
}

static ssize_t count_sendmsg(int fd, const struct msghdr *message, int flags)
{
    atomic_fetch_add(&sends, 1);
    return edo_platform_system.sendmsg(fd, message, flags);
}

static int count_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    atomic_fetch_add(&epoll_changes, 1);
    return edo_platform_system.epoll_ctl(epoll, operation, fd, event);
}

static struct edo_platform counting;

static int set_up(void **state)
{
    (void)state;
    counting = edo_platform_system;
    counting.allocate = count_allocate;
    counting.release = count_release;
    counting.recv = count_recv;
    counting.send = count_send;
    counting.sendmsg = count_sendmsg;
    counting.epoll_ctl = count_epoll_ctl;
    edo_platform = &counting;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    edo_platform = &edo_platform_system;
    return 0;
}

static int hello(edo_http_exchange *x, void *context)
{
    (void)context;
    return edo_http_respond(x, 200, "text/plain", "Hello, world!", 13);
}

static struct client client;
static struct reply reply;
static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

static void test_a_request_costs_one_receive_and_one_send(void **state)
{
    struct server server = {0};
    int64_t receives_before, sends_before, allocations_before, changes_before;

    (void)state;
    server_start(&server, hello);
    client_connect(&client, &server);
    client_send(&client, request);
    client_reply(&reply, &client);
    receives_before = receives;
    sends_before = sends;
    allocations_before = allocations;
    changes_before = epoll_changes;
    for (int i = 0; i < 1000; i++) {
        client_send(&client, request);
        client_reply(&reply, &client);
    }
    assert_int_equal(sends - sends_before, 1000);
    assert_true(receives - receives_before <= 1001);
    /* Some for a worker's first task, and for one that moves; none a request. */
    assert_true(allocations - allocations_before < 100);
    assert_true(epoll_changes - changes_before < 100);
    client_close(&client);
    server_stop(&server);
}

static void test_pipelined_requests_share_their_calls(void **state)
{
    enum { COUNT = 50 };
    char requests[COUNT * sizeof request];
    struct server server = {0};
    int64_t receives_before, sends_before;
    size_t size = 0;

    (void)state;
    server_start(&server, hello);
    client_connect(&client, &server);
    client_send(&client, request);
    client_reply(&reply, &client);
    receives_before = receives;
    sends_before = sends;
    for (int i = 0; i < COUNT; i++, size += sizeof request - 1)
        memcpy(requests + size, request, sizeof request - 1);
    client_send_bytes(&client, requests, size);
    for (int i = 0; i < COUNT; i++)
        client_reply(&reply, &client);
    assert_int_equal(sends - sends_before, 1);
    assert_int_equal(receives - receives_before, 1);
    client_close(&client);
    server_stop(&server);
}

static void test_an_idle_connection_costs_at_most_640_bytes(void **state)
{
    enum { FEW = 50, MANY = 450, SLABS = sizeof(struct edo_task) + sizeof(struct edo_source) };
    static int fds[MANY];
    int64_t heap;
    struct server server = {0};
    int64_t bytes_of_few = 0;

    (void)state;
    server_start(&server, hello);
    for (int i = 0; i < MANY; i++) {
        if (i == FEW)
            bytes_of_few = bytes;
        client_connect(&client, &server);
        client_send(&client, request);
        client_reply(&reply, &client);
        fds[i] = client.fd;
    }
    /* Blocks of tasks and sources come from slabs; the rest from the heap, which keeps 8 bytes beside each block. */
    heap = (bytes - bytes_of_few) / (MANY - FEW) + 8;
    print_message("# %d bytes of the heap, %d of slabs\n", (int)heap, SLABS);
    assert_true(heap + SLABS <= 640);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    server_stop(&server);
}

static void test_without_memory_a_client_is_turned_away_and_the_server_goes_on(void **state)
{
    static char text[20000];
    struct server server = {0};
    size_t size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nLong: ");

    (void)state;
    server_start(&server, hello);
    for (int i = 0; i < 3; i++) {
        client_connect(&client, &server);
        client_send(&client, request);
        client_reply(&reply, &client);
        client_close(&client);
        atomic_store(&refusing, true);
        client_connect(&client, &server);
        assert_true(client_more(&client) <= 0);
        client_close(&client);
        atomic_store(&refusing, false);
    }
    client_connect(&client, &server);
    client_send(&client, request);
    client_reply(&reply, &client);
    memset(text + size, 'x', 17000); /* a head for which a larger buffer is needed */
    strcpy(text + size + 17000, "\r\n\r\n");
    client_send(&client, text);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 200);
    atomic_store(&refusing, true);
    client_send(&client, text);
    client_reply(&reply, &client);
    assert_int_equal(reply.status, 503);
    client_expect_end(&client);
    atomic_store(&refusing, false);
    client_close(&client);
    server_stop(&server);
}

static void test_nothing_is_left_allocated(void **state)
{
    (void)state;
    assert_int_equal(bytes, 0);
}

/* The request, its task and its buffers: less than the usual stack has, with room for a handler. */
_Static_assert(sizeof(struct edo_http_exchange) < 48 * 1024, "the exchange lives on a task's stack");
_Static_assert(sizeof(struct edo_http_connection) <= 48, "what is left of an idle connection");

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_costs_one_receive_and_one_send),
        cmocka_unit_test(test_pipelined_requests_share_their_calls),
        cmocka_unit_test(test_an_idle_connection_costs_at_most_640_bytes),
        cmocka_unit_test(test_without_memory_a_client_is_turned_away_and_the_server_goes_on),
        cmocka_unit_test(test_nothing_is_left_allocated),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
