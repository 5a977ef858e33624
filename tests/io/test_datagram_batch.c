/* SPDX-License-Identifier: MIT */
/* Datagrams that wait for room, calls for them that are cancelled, and many of them in one call. */
#include "datagrams.h"

#include <string.h>

static atomic_int net_sendmmsgs;

/* --- Room --------------------------------------------------------------------------------------------------------- */

struct sender {
    edo_datagram *datagram;
    const edo_addr *to;
    int sent;
    int many;
};

static int send_numbers(void *argument)
{
    struct sender *sender = argument;

    for (; sender->sent < sender->many; sender->sent++) {
        int n = sender->sent;
        ssize_t rc = sender->to ? edo_datagram_send_to(sender->datagram, &n, sizeof n, sender->to)
                                : edo_datagram_send(sender->datagram, &n, sizeof n);

        if (rc < 0)
            return (int)rc;
        CHECK_EQUAL(rc, sizeof n);
    }
    return 0;
}

/* The queue of a Unix receiver, or of a sender, is full long before all were sent. */
static void fill(edo_datagram *from, edo_datagram *to, const edo_addr *address)
{
    struct sender sender = {.datagram = from, .to = address, .many = 1000};
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, send_numbers, &sender), 0);
        net_settle();
        CHECK(sender.sent > 0 && sender.sent < sender.many);
        atomic_store(&net_calls[NET_SENDMSG], 0);
        CHECK_EQUAL(edo_sleep(EDO_MS(5)), 0);
        CHECK(atomic_load(&net_calls[NET_SENDMSG]) < 100); /* it waits, and does not spin */
        CHECK_EQUAL(address ? edo_datagram_try_send_to(from, "x", 1, address) : edo_datagram_try_send(from, "x", 1),
                    -EAGAIN);
        for (int i = 0; i < sender.many; i++) {
            int n;

            CHECK_EQUAL(edo_datagram_recv(to, &n, sizeof n), sizeof n);
            CHECK_EQUAL(n, i);
        }
    }
    CHECK_EQUAL(rc, 0);
    CHECK_EQUAL(sender.sent, sender.many);
    CHECK_EQUAL(address ? edo_datagram_try_send_to(from, "x", 1, address) : edo_datagram_try_send(from, "x", 1), 1);
}

static int send_into_full_queues(void *argument)
{
    edo_datagram *pair[2];
    edo_addr address;

    (void)argument;
    CHECK_EQUAL(edo_datagram_pair(pair), 0);
    fill(pair[0], pair[1], NULL);
    close_pair(pair);

    CHECK_EQUAL(edo_unix_datagram_bind(&pair[1], "@edo-test-datagram-full", NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, pair[1]), 0);
    CHECK_EQUAL(edo_datagram_open(&pair[0], AF_UNIX, NULL), 0);
    fill(pair[0], pair[1], &address);
    close_pair(pair);

    CHECK_EQUAL(edo_unix_datagram_bind(&pair[1], "@edo-test-datagram-full", NULL), 0);
    CHECK_EQUAL(edo_unix_datagram_connect(&pair[0], "@edo-test-datagram-full", NULL), 0);
    fill(pair[0], pair[1], NULL);
    close_pair(pair);
    return 0;
}

static void test_a_sender_waits_for_room_at_the_receiver(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, send_into_full_queues, NULL), 0);
}

/* What fills the queue is not the sender's own, so nothing tells it that there is room again. */
static int send_into_a_queue_that_others_filled(void *argument)
{
    edo_datagram *full;
    edo_datagram *filler;
    edo_datagram *pair[2];
    struct sender sender;
    edo_addr address;
    int count = 0;
    int rc = 0;
    int n;

    (void)argument;
    CHECK_EQUAL(edo_unix_datagram_bind(&full, "@edo-test-datagram-others", NULL), 0);
    CHECK_EQUAL(edo_datagram_local(&address, full), 0);
    CHECK_EQUAL(edo_datagram_open(&filler, AF_UNIX, NULL), 0);
    while (edo_datagram_try_send_to(filler, "fill", 4, &address) == 4)
        count++;
    CHECK_EQUAL(edo_datagram_pair(pair), 0);
    CHECK_EQUAL(edo_datagram_wait_writable(pair[0], EDO_FOREVER), 0);
    CHECK_EQUAL(edo_datagram_try_send_to(pair[0], "x", 1, &address), -EAGAIN);
    CHECK_EQUAL(edo_datagram_try_send(pair[0], "x", 1), 1); /* to its peer, whose queue is another one */
    CHECK_EQUAL(edo_datagram_set_peer(pair[0], NULL), 0);
    sender = (struct sender){.datagram = pair[0], .to = &address, .many = 1};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, send_numbers, &sender), 0);
        atomic_store(&net_calls[NET_SENDMSG], 0);
        CHECK_EQUAL(edo_sleep(EDO_MS(5)), 0);
        CHECK_EQUAL(sender.sent, 0);
        CHECK(atomic_load(&net_calls[NET_SENDMSG]) < 100); /* and it does not spin */
        for (; count >= 0; count--)
            CHECK_EQUAL(edo_datagram_recv(full, &n, sizeof n), sizeof n);
        CHECK_EQUAL(n, 0); /* the sender's */
    }
    close_pair(pair);
    edo_datagram_close(filler);
    edo_datagram_close(full);
    return rc;
}

struct batch_sender {
    edo_datagram *datagram;
    edo_datagram_message message;
    ssize_t result;
};

static int send_batch(void *argument)
{
    struct batch_sender *sender = argument;

    sender->result = edo_datagram_send_many(sender->datagram, &sender->message, 1);
    return 0;
}

/* The same with a batch; and a close ends the wait. */
static int send_batches_into_a_queue_that_others_filled(void *argument)
{
    edo_datagram *full;
    edo_datagram *filler;
    struct batch_sender sender;
    char byte = 'x';
    int count = 0;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 2; i++) {
        sender = (struct batch_sender){.message = {.buffer = &byte, .size = 1}};
        CHECK_EQUAL(edo_unix_datagram_bind(&full, "@edo-test-datagram-others", NULL), 0);
        CHECK_EQUAL(edo_datagram_local(&sender.message.address, full), 0);
        CHECK_EQUAL(edo_datagram_open(&filler, AF_UNIX, NULL), 0);
        CHECK_EQUAL(edo_datagram_open(&sender.datagram, AF_UNIX, NULL), 0);
        for (count = 0; edo_datagram_try_send_to(filler, "f", 1, &sender.message.address) == 1;)
            count++;
        atomic_store(&net_sendmmsgs, 0);
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, send_batch, &sender), 0);
            CHECK_EQUAL(edo_sleep(EDO_MS(5)), 0);
            CHECK(atomic_load(&net_sendmmsgs) < 100);
            for (; i == 0 && count >= 0; count--)
                CHECK_EQUAL(edo_datagram_recv(full, &byte, 1), 1);
            if (i == 1)
                edo_datagram_close(sender.datagram);
        }
        CHECK_EQUAL(sender.result, i == 0 ? 1 : -EBADF);
        if (i == 0)
            edo_datagram_close(sender.datagram);
        edo_datagram_close(filler);
        edo_datagram_close(full);
    }
    return rc;
}

static int counted_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    atomic_fetch_add(&net_sendmmsgs, 1);
    return edo_platform_system.sendmmsg(fd, messages, count, flags);
}

static void test_a_queue_that_others_filled_holds_up_nobody_for_ever(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, send_into_a_queue_that_others_filled, NULL), 0);
    net_table.sendmmsg = counted_sendmmsg;
    assert_int_equal(net_run(1, send_batches_into_a_queue_that_others_filled, NULL), 0);
}

/* What was sent is an event of room for who asked for such. Nobody did: one task waits to receive on that socket. */
static int send_beside_a_receiver(void *argument)
{
    edo_datagram *pair[2];
    struct receiver receiver;
    edo_metrics before = EDO_METRICS_INIT;
    edo_metrics after = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    udp_pair(pair);
    receiver = (struct receiver){.datagram = pair[0]};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, receive_until_x, &receiver), 0);
        CHECK_EQUAL(edo_sleep(EDO_MS(1)), 0);
        edo_metrics_read(&before);
        for (int i = 0; i < 20; i++) {
            CHECK_EQUAL(edo_datagram_send(pair[0], "a", 1), 1);
            CHECK_EQUAL(edo_sleep(EDO_US(10)), 0);
        }
        edo_metrics_read(&after);
        edo_datagram_close(EDO_TAKE(pair[0]));
    }
    CHECK_EQUAL(after.events - before.events, 0);
    CHECK_EQUAL(receiver.result, -EBADF);
    close_pair(pair);
    return rc;
}

static void test_s2_sending_wakes_nobody_who_does_not_wait_for_room(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, send_beside_a_receiver, NULL), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static int cancelled_receivers(void *argument)
{
    edo_datagram *pair[2];
    struct receiver receiver;
    char buffer[8];
    edo_scope scope;

    (void)argument;
    udp_pair(pair);
    /* While it waits, and, in the second round, when a datagram has come as well. */
    for (int i = 0; i < 2; i++) {
        receiver = (struct receiver){.datagram = pair[1]};
        edo_scope_begin(&scope, NULL, NULL);
        CHECK_EQUAL(edo_spawn(&scope, receive_until_x, &receiver), 0);
        net_settle();
        if (i == 1)
            CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
        edo_scope_cancel(&scope);
        edo_scope_end(&scope, 0);
        CHECK(receiver.result == -ECANCELED || (i == 1 && receiver.result == 1));
        if (i == 0)
            CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
        if (receiver.result < 0)
            CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), 1);
        CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, sizeof buffer), -EAGAIN);
    }
    /* Before it began. */
    CHECK_EQUAL(edo_datagram_send(pair[0], "x", 1), 1);
    edo_scope_begin(&scope, NULL, NULL);
    edo_scope_cancel(&scope);
    CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), -ECANCELED);
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, sizeof buffer), -ECANCELED);
    CHECK_EQUAL(edo_datagram_send(pair[0], "y", 1), -ECANCELED);
    edo_scope_end(&scope, 0);
    CHECK_EQUAL(edo_datagram_recv(pair[1], buffer, sizeof buffer), 1);
    CHECK_EQUAL(buffer[0], 'x');
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], buffer, sizeof buffer), -EAGAIN);
    close_pair(pair);
    return 0;
}

static void test_c3_a_cancelled_receive_leaves_the_datagram(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, cancelled_receivers, NULL), 0);
}

static int cancelled_senders(void *argument)
{
    edo_datagram *pair[2];
    struct sender sender;
    edo_addr address;
    int n;

    (void)argument;
    for (int i = 0; i < 2; i++) {
        edo_scope scope;

        if (i == 0) {
            CHECK_EQUAL(edo_datagram_pair(pair), 0);
        } else {
            CHECK_EQUAL(edo_unix_datagram_bind(&pair[1], "@edo-test-datagram-cancelled", NULL), 0);
            CHECK_EQUAL(edo_datagram_local(&address, pair[1]), 0);
            CHECK_EQUAL(edo_datagram_open(&pair[0], AF_UNIX, NULL), 0);
        }
        sender = (struct sender){.datagram = pair[0], .to = i == 0 ? NULL : &address, .many = 1000};
        edo_scope_begin(&scope, NULL, NULL);
        CHECK_EQUAL(edo_spawn(&scope, send_numbers, &sender), 0);
        net_settle();
        edo_scope_cancel(&scope);
        edo_scope_end(&scope, 0);
        for (int k = 0; k < sender.sent; k++)
            CHECK_EQUAL(edo_datagram_try_recv(pair[1], &n, sizeof n), sizeof n);
        CHECK_EQUAL(edo_datagram_try_recv(pair[1], &n, sizeof n), -EAGAIN); /* no more than it said */
        close_pair(pair);
    }
    return 0;
}

static void test_c2_a_cancelled_send_has_sent_nothing(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, cancelled_senders, NULL), 0);
}

/* --- Batches ------------------------------------------------------------------------------------------------------ */

static int in_batches(void *argument)
{
    edo_datagram *pair[2];
    edo_datagram_message in[100] = {{.buffer = NULL}};
    edo_datagram_message out[100] = {{.buffer = NULL}};
    char bytes[100][8];
    edo_addr from;

    (void)argument;
    udp_pair(pair);
    for (int i = 0; i < 100; i++) {
        snprintf(bytes[i], sizeof bytes[i], "%d", i);
        out[i] = (edo_datagram_message){.buffer = bytes[i], .size = strlen(bytes[i])};
        in[i] = (edo_datagram_message){.buffer = malloc(2), .size = 2};
    }
    CHECK_EQUAL(edo_datagram_try_recv_many(pair[1], in, 100), -EAGAIN);
    CHECK_EQUAL(edo_datagram_send_many(pair[0], out, 0), 0);
    CHECK_EQUAL(edo_datagram_recv_many(pair[1], in, 0), 0);
    CHECK_EQUAL(edo_datagram_send_many(pair[0], out, 100), EDO_DATAGRAM_BATCH);
    CHECK_EQUAL(edo_datagram_try_send_many(pair[0], out + EDO_DATAGRAM_BATCH, 36), 36);
    CHECK_EQUAL(edo_datagram_send(pair[0], "long", 4), 4);
    CHECK_EQUAL(edo_datagram_local(&from, pair[0]), 0);
    CHECK_EQUAL(edo_datagram_recv_many(pair[1], in, 3), 3); /* and no more are taken */
    CHECK_EQUAL(edo_datagram_recv_many(pair[1], in + 3, 97), EDO_DATAGRAM_BATCH);
    CHECK_EQUAL(edo_datagram_try_recv_many(pair[1], in + 3 + EDO_DATAGRAM_BATCH, 33), 33);
    for (int i = 0; i < 100; i++) {
        CHECK_EQUAL(in[i].full, strlen(bytes[i]));
        CHECK_EQUAL(in[i].received, in[i].full);
        CHECK(memcmp(in[i].buffer, bytes[i], in[i].received) == 0);
        CHECK(edo_addr_equal(&in[i].address, &from));
    }
    CHECK_EQUAL(edo_datagram_recv_many(pair[1], in, 100), 1); /* what did not fit is told */
    CHECK_EQUAL(in[0].received, 2);
    CHECK_EQUAL(in[0].full, 4);
    /* They go back by the addresses that they came from. */
    CHECK_EQUAL(edo_datagram_send_to(pair[1], "r", 1, &from), 1);
    in[1].size = 1;
    CHECK_EQUAL(edo_datagram_send_many(pair[1], in + 1, 2), 2);
    CHECK_EQUAL(edo_datagram_recv_many(pair[0], in, 100), 3);
    for (int i = 0; i < 100; i++)
        free(in[i].buffer);
    close_pair(pair);
    return 0;
}

static void test_batches_keep_order_sizes_and_addresses(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, in_batches, NULL), 0);
}

static int partly(void *argument)
{
    static char large[70000];
    edo_datagram *pair[2];
    char abc[] = "abc";
    edo_datagram_message out[4] = {{.buffer = abc, .size = 1},
                                   {.buffer = abc + 1, .size = 1},
                                   {.buffer = large, .size = sizeof large},
                                   {.buffer = abc + 2, .size = 1}};
    char byte;

    (void)argument;
    udp_pair(pair);
    CHECK_EQUAL(edo_datagram_send_many(pair[0], out, 4), 2);
    CHECK_EQUAL(edo_datagram_send_many(pair[0], out + 2, 2), -EMSGSIZE);
    CHECK_EQUAL(edo_datagram_send_many(pair[0], out + 3, 1), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(edo_datagram_recv(pair[1], &byte, 1), 1);
        CHECK_EQUAL(byte, abc[i]);
    }
    CHECK_EQUAL(edo_datagram_try_recv(pair[1], &byte, 1), -EAGAIN);
    close_pair(pair);
    return 0;
}

static void test_c2_a_batch_tells_how_many_were_sent(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, partly, NULL), 0);
}

static int receive_many_waits(void *argument)
{
    struct receiver *receiver = argument;
    char bytes[2][4];
    edo_datagram_message in[2] = {{.buffer = bytes[0], .size = 4}, {.buffer = bytes[1], .size = 4}};

    receiver->result = edo_datagram_recv_many(receiver->datagram, in, 2);
    return 0;
}

/* A Unix queue holds few: at some time the next batch would wait. */
static int batches_wait(void *argument)
{
    edo_datagram *pair[2];
    edo_datagram_message out[64] = {{.buffer = NULL}};
    struct receiver receiver;
    ssize_t sent = 0;
    ssize_t got = 0;
    edo_scope scope;
    char byte = 'x';

    (void)argument;
    for (int i = 0; i < 64; i++)
        out[i] = (edo_datagram_message){.buffer = &byte, .size = 1};
    CHECK_EQUAL(edo_datagram_pair(pair), 0);
    for (int i = 0; i < 2; i++) {
        receiver = (struct receiver){.datagram = pair[1]};
        edo_scope_begin(&scope, NULL, NULL);
        CHECK_EQUAL(edo_spawn(&scope, receive_many_waits, &receiver), 0);
        net_settle();
        if (i == 0)
            edo_scope_cancel(&scope);
        else
            CHECK_EQUAL(edo_datagram_send_many(pair[0], out, 1), 1);
        edo_scope_end(&scope, 0);
        CHECK_EQUAL(receiver.result, i == 0 ? -ECANCELED : 1);
    }
    while ((sent = edo_datagram_try_send_many(pair[0], out, 64)) >= 0) {
        CHECK(sent > 0 && sent <= 64);
        got += sent;
    }
    CHECK_EQUAL(sent, -EAGAIN);
    while (edo_datagram_try_recv(pair[1], &byte, 1) == 1)
        got--;
    CHECK_EQUAL(got, 0);
    close_pair(pair);
    return 0;
}

static void test_c3_batches_wait_and_are_cancelled_as_single_ones(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, batches_wait, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_sender_waits_for_room_at_the_receiver, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_a_queue_that_others_filled_holds_up_nobody_for_ever, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_s2_sending_wakes_nobody_who_does_not_wait_for_room, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c3_a_cancelled_receive_leaves_the_datagram, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c2_a_cancelled_send_has_sent_nothing, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_batches_keep_order_sizes_and_addresses, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c2_a_batch_tells_how_many_were_sent, net_begin, net_end),
        cmocka_unit_test_setup_teardown(test_c3_batches_wait_and_are_cancelled_as_single_ones, net_begin, net_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
