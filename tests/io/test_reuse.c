/* SPDX-License-Identifier: MIT */
/*
 * A call that begins with a turn for others (its budget is spent) goes on with the stream that it was given, or with
 * -EBADF if that was closed meanwhile; never with another one that has come to lie in its place (S2 b, S3).
 */
#include "runtime/helpers.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum call { READ, TRY_READ, WRITE, WRITE_ALL, WRITEV, WAIT_READABLE, SELECT, ACCEPT, CALLS };

static struct {
    enum call call;
    edo_stream *stream, *other;      /* given to the call; in its place afterwards */
    edo_listener *listener, *second; /* the same */
    int peer;                        /* of `other` */
    bool begun;
    long rc;
} world;

static void make_stream(edo_stream **stream, int *peer)
{
    int ends[2];

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_RC(edo_stream_from_fd(stream, ends[0]), 0);
    *peer = ends[1];
}

static void connect_to(edo_listener *listener)
{
    edo_addr address;
    socklen_t size;
    const struct sockaddr *sockaddr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_RC(edo_listener_addr(&address, listener), 0);
    sockaddr = edo_addr_sockaddr(&address, &size);
    CHECK_RC(connect(fd, sockaddr, size), 0);
    world.peer = fd;
}

static int calls(void *argument)
{
    char byte = 'S';
    struct iovec piece = {&byte, 1};
    edo_stream *accepted = NULL;

    (void)argument;
    for (int i = 0; i < 128; i++) /* the next suspension point gives a turn */
        edo_checkpoint();
    world.begun = true;
    switch (world.call) {
    case READ:
        world.rc = edo_read(world.stream, &byte, 1);
        break;
    case TRY_READ:
        world.rc = edo_try_read(world.stream, &byte, 1);
        break;
    case WRITE:
        world.rc = edo_write(world.stream, &byte, 1);
        break;
    case WRITE_ALL:
        world.rc = edo_write_all(world.stream, &byte, 1);
        break;
    case WRITEV:
        world.rc = edo_writev(world.stream, &piece, 1);
        break;
    case WAIT_READABLE:
        world.rc = edo_wait_readable(world.stream, edo_now() + EDO_MS(5));
        break;
    case SELECT: {
        edo_arm arms[] = {EDO_CAN_READ(world.stream), EDO_AFTER(EDO_MS(5))};

        world.rc = edo_select(arms, 2) == 0 ? arms[0].rc : 1;
        break;
    }
    default:
        world.rc = edo_accept(&accepted, world.listener);
        edo_close(accepted);
        break;
    }
    return 0;
}

/* Closes what the call was given, and puts something in its place that is ready for the same. */
static int replaces(void *argument)
{
    (void)argument;
    CHECK(world.begun);
    CHECK_RC(world.rc, 99);
    if (world.call == ACCEPT) {
        edo_listener_close(world.listener);
        CHECK_RC(edo_tcp_listen(&world.second, "127.0.0.1:0", NULL), 0);
        connect_to(world.second);
    } else {
        edo_close(world.stream);
        make_stream(&world.other, &world.peer);
        CHECK_RC(write(world.peer, "X", 1), 1);
    }
    return 0;
}

static int reuse_root(void *argument)
{
    char bytes[2];
    int first = -1;
    int rc = 0;

    (void)argument;
    for (world.call = READ; world.call < CALLS; world.call++) {
        world.begun = false;
        world.rc = 99;
        if (world.call == ACCEPT)
            CHECK_RC(edo_tcp_listen(&world.listener, "127.0.0.1:0", NULL), 0);
        else
            make_stream(&world.stream, &first);
        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, calls, NULL), 0);
            CHECK_RC(edo_spawn(scope, replaces, NULL), 0);
        }
        CHECK_RC(world.rc, -EBADF);
        if (world.call == ACCEPT) {
            edo_listener_close(world.second);
        } else {
            CHECK_RC(edo_try_read(world.other, bytes, 2), 1); /* its byte is there */
            CHECK_RC(read(world.peer, bytes, 1), -1);         /* and nobody wrote to its peer */
            edo_close(world.other);
            close(first);
        }
        close(world.peer);
    }
    return rc;
}

static void test_s2_b_a_call_that_begins_with_a_turn_keeps_its_stream(void **state)
{
    (void)state;
    assert_int_equal(run_alone(reuse_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s2_b_a_call_that_begins_with_a_turn_keeps_its_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
