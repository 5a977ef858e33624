/* SPDX-License-Identifier: MIT */
/* Channels: order, capacity, rendezvous, closing, cancellation (C2, C3), plain threads, memory. */
#include "runtime/helpers.h"

#include "platform/sanitizer.h"

#include <edo/testing.h>

#include <pthread.h>

/* --- Without waiting ---------------------------------------------------------------------------------------------- */

struct pair {
    int a;
    char text[20];
};

static void test_values_come_out_in_the_order_in_which_they_went_in(void **state)
{
    size_t capacities[] = {1000, EDO_UNBOUNDED};

    (void)state;
    for (size_t c = 0; c < EDO_COUNT(capacities); c++) {
        edo_channel *channel;
        struct pair value = {0, "text"};

        assert_int_equal(edo_channel_create(&channel, sizeof value, capacities[c]), 0);
        for (int round = 0; round < 3; round++) {
            for (value.a = 0; value.a < 1000; value.a++)
                assert_int_equal(edo_send(channel, &value), 0);
            assert_int_equal(edo_channel_count(channel), 1000);
            for (int i = 0; i < 1000; i++) {
                assert_int_equal(edo_recv(&value, channel), 0);
                assert_int_equal(value.a, i);
                assert_string_equal(value.text, "text");
            }
        }
        assert_int_equal(edo_try_recv(&value, channel), -EAGAIN);
        edo_channel_destroy(channel);
    }
}

static void test_a_full_channel_takes_no_more_and_a_rendezvous_none(void **state)
{
    edo_channel *channel;
    int value = 1;

    (void)state;
    assert_int_equal(edo_channel_create(&channel, sizeof value, 2), 0);
    assert_int_equal(edo_try_send(channel, &value), 0);
    assert_int_equal(edo_try_send(channel, &value), 0);
    assert_int_equal(edo_try_send(channel, &value), -EAGAIN);
    assert_int_equal(edo_try_recv(&value, channel), 0);
    assert_int_equal(edo_try_send(channel, &value), 0);
    edo_channel_destroy(channel);
    assert_int_equal(edo_channel_create(&channel, sizeof value, 0), 0);
    assert_int_equal(edo_try_send(channel, &value), -EAGAIN);
    assert_int_equal(edo_try_recv(&value, channel), -EAGAIN);
    edo_channel_destroy(channel);
    edo_channel_destroy(NULL);
}

static void test_f1_sizes_and_capacities_that_cannot_be_are_refused(void **state)
{
    edo_channel *channel;
    char value = 0;
    long other = 0;

    (void)state;
    assert_int_equal(edo_channel_create(&channel, 65537, 1), -EINVAL);
    assert_int_equal(edo_channel_create(&channel, 65536, SIZE_MAX - 1), -ENOMEM);
    if (!EDO_TSAN) /* its allocator does not refuse such a size, it ends the process */
        assert_int_equal(edo_channel_create(&channel, 16, SIZE_MAX / 32), -ENOMEM);
    assert_int_equal(edo_channel_create(&channel, 1, EDO_UNBOUNDED), 0);
    assert_int_equal(edo_send(channel, &other), -EINVAL);
    assert_int_equal(edo_recv(&other, channel), -EINVAL);
    assert_int_equal(edo_try_send(channel, &other), -EINVAL);
    assert_int_equal(edo_send(channel, &value), 0);
    edo_channel_destroy(channel);
    assert_int_equal(edo_channel_create(&channel, 0, 3), 0); /* nothing but the fact */
    for (int i = 0; i < 3; i++)
        assert_int_equal(edo_channel_try_send(channel, NULL, 0), 0);
    assert_int_equal(edo_channel_try_send(channel, NULL, 0), -EAGAIN);
    assert_int_equal(edo_channel_try_recv(NULL, channel, 0), 0);
    assert_int_equal(edo_channel_count(channel), 2);
    edo_channel_destroy(channel);
}

static void test_what_is_in_a_closed_channel_drains_and_then_it_ends(void **state)
{
    size_t capacities[] = {5, EDO_UNBOUNDED};

    (void)state;
    for (size_t c = 0; c < EDO_COUNT(capacities); c++) {
        edo_channel *channel;
        int value = 1;

        assert_int_equal(edo_channel_create(&channel, sizeof value, capacities[c]), 0);
        assert_int_equal(edo_send(channel, &value), 0);
        value = 2;
        assert_int_equal(edo_send(channel, &value), 0);
        assert_false(edo_channel_closed(channel));
        assert_int_equal(edo_channel_close(channel), 0);
        assert_int_equal(edo_channel_close(channel), -EALREADY);
        assert_true(edo_channel_closed(channel));
        assert_int_equal(edo_send(channel, &value), -EPIPE);
        assert_int_equal(edo_try_send(channel, &value), -EPIPE);
        for (int i = 1; i <= 2; i++) {
            assert_int_equal(edo_recv(&value, channel), 0);
            assert_int_equal(value, i);
        }
        assert_int_equal(edo_recv(&value, channel), -EPIPE);
        assert_int_equal(value, 2);
        edo_channel_destroy(channel);
    }
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static struct edo_platform counting_table;
static _Atomic int blocks_alive;
static _Atomic int refuse_after; /* so many allocations succeed from now on; < 0: all */

static void *counting_allocate(size_t size)
{
    void *memory;

    if (atomic_load(&refuse_after) == 0)
        return NULL;
    if (atomic_load(&refuse_after) > 0)
        atomic_fetch_sub(&refuse_after, 1);
    memory = edo_platform_system.allocate(size);
    atomic_fetch_add(&blocks_alive, memory != NULL);
    return memory;
}

static void counting_release(void *memory)
{
    atomic_fetch_sub(&blocks_alive, memory != NULL);
    edo_platform_system.release(memory);
}

static int counting_begin(void **state)
{
    (void)state;
    counting_table = edo_platform_system;
    counting_table.allocate = counting_allocate;
    counting_table.release = counting_release;
    atomic_store(&blocks_alive, 0);
    atomic_store(&refuse_after, -1);
    edo_platform = &counting_table;
    return 0;
}

static void test_memory_shrinks_again_after_a_burst(void **state)
{
    edo_channel *channel;
    int value = 0;

    (void)state;
    assert_int_equal(edo_channel_create(&channel, sizeof value, EDO_UNBOUNDED), 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(edo_send(channel, &value), 0);
    assert_true(atomic_load(&blocks_alive) > 1000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(edo_recv(&value, channel), 0);
    assert_true(atomic_load(&blocks_alive) <= 3);
    for (int i = 0; i < 10; i++) /* what is left is destroyed with it */
        assert_int_equal(edo_send(channel, &value), 0);
    edo_channel_destroy(channel);
    assert_int_equal(atomic_load(&blocks_alive), 0);
}

static void test_f1_without_memory_a_send_fails_and_loses_nothing(void **state)
{
    edo_channel *channel;
    int sent = 0;
    int value;

    (void)state;
    atomic_store(&refuse_after, 0);
    assert_int_equal(edo_channel_create(&channel, 4, 10), -ENOMEM);
    atomic_store(&refuse_after, 1);
    assert_int_equal(edo_channel_create(&channel, 4, 10), -ENOMEM);
    assert_int_equal(atomic_load(&blocks_alive), 0);
    atomic_store(&refuse_after, 3);
    assert_int_equal(edo_channel_create(&channel, 4, EDO_UNBOUNDED), 0);
    while (edo_send(channel, &sent) == 0)
        sent++;
    assert_int_equal(edo_send(channel, &sent), -ENOMEM);
    assert_true(sent > 32);
    for (int i = 0; i < sent; i++) {
        assert_int_equal(edo_recv(&value, channel), 0);
        assert_int_equal(value, i);
    }
    assert_int_equal(edo_try_recv(&value, channel), -EAGAIN);
    edo_channel_destroy(channel);
    assert_int_equal(atomic_load(&blocks_alive), 0);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

enum { MANY = 1000 };

static edo_channel *there, *back;

static int echoes(void *argument)
{
    int value;
    int rc;

    (void)argument;
    while ((rc = edo_recv(&value, there)) == 0)
        CHECK_RC(edo_send(back, &value), 0);
    CHECK_RC(rc, -EPIPE);
    return 0;
}

static int ping_root(void *argument)
{
    size_t capacity = (size_t)(uintptr_t)argument;
    int rc = 0;

    CHECK_RC(edo_channel_create(&there, sizeof(int), capacity), 0);
    CHECK_RC(edo_channel_create(&back, sizeof(int), capacity), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, echoes, NULL), 0);
        for (int i = 0; i < MANY; i++) {
            int value = -1;

            CHECK_RC(edo_send(there, &i), 0);
            CHECK_RC(edo_recv(&value, back), 0);
            CHECK_RC(value, i);
        }
        CHECK_RC(edo_channel_close(there), 0);
    }
    edo_channel_destroy(there);
    edo_channel_destroy(back);
    return rc;
}

static void test_two_tasks_hand_values_to_and_fro(void **state)
{
    (void)state;
    for (uintptr_t capacity = 0; capacity < 3; capacity++) {
        assert_int_equal(run(ping_root, (void *)capacity), 0);
        assert_int_equal(run_alone(ping_root, (void *)capacity), 0);
    }
    assert_int_equal(run(ping_root, (void *)SIZE_MAX), 0);
}

/* Many to many: each value comes once, and those of one sender in order. */
static _Atomic int received[4][MANY];
static edo_channel *crowd;

static int sends_many(void *argument)
{
    int who = (int)(intptr_t)argument;

    for (int i = 0; i < MANY; i++)
        CHECK_RC(edo_send(crowd, &((int){who * MANY + i})), 0);
    return 0;
}

static int receives_many(void *argument)
{
    int last[4] = {-1, -1, -1, -1};
    int value;

    (void)argument;
    while (edo_recv(&value, crowd) == 0) {
        CHECK(value % MANY > last[value / MANY]);
        last[value / MANY] = value % MANY;
        atomic_fetch_add(&received[value / MANY][value % MANY], 1);
    }
    return 0;
}

static int crowd_root(void *argument)
{
    int rc = 0;

    memset(received, 0, sizeof received);
    CHECK_RC(edo_channel_create(&crowd, sizeof(int), (size_t)(uintptr_t)argument), 0);
    EDO_SCOPE (receivers, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(receivers, receives_many, NULL), 0);
        EDO_SCOPE (senders, &rc)
            for (intptr_t i = 0; i < 4; i++)
                CHECK_RC(edo_spawn(senders, sends_many, (void *)i), 0);
        CHECK_RC(edo_channel_close(crowd), 0);
    }
    for (int i = 0; i < 4 * MANY; i++)
        CHECK_RC(atomic_load(&received[i / MANY][i % MANY]), 1);
    edo_channel_destroy(crowd);
    return rc;
}

static void test_many_senders_and_receivers_lose_nothing(void **state)
{
    (void)state;
    for (uintptr_t capacity = 0; capacity < 20; capacity += 5)
        assert_int_equal(run(crowd_root, (void *)capacity), 0);
    assert_int_equal(run(crowd_root, (void *)SIZE_MAX), 0);
}

static void test_t2_many_senders_and_receivers_under_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        atomic_store(&test_failures, 0);
        assert_int_equal(edo_test_run(crowd_root, (void *)(uintptr_t)(seed % 4),
                                      EDO_OPTIONS(edo_test_options, .seed = seed, .real_kernel = true)),
                         0);
        assert_int_equal(atomic_load(&test_failures), 0);
    }
}

/* --- Closing on those who wait ------------------------------------------------------------------------------------ */

static _Atomic int told;

static int waits_to_send(void *argument)
{
    int value = 77;

    CHECK_RC(edo_send((edo_channel *)argument, &value), -EPIPE);
    CHECK_RC(value, 77);
    atomic_fetch_add(&told, 1);
    return 0;
}

static int waits_to_receive(void *argument)
{
    int value = 77;

    CHECK_RC(edo_recv(&value, (edo_channel *)argument), -EPIPE);
    CHECK_RC(value, 77);
    atomic_fetch_add(&told, 1);
    return 0;
}

static int closing_root(void *argument)
{
    edo_channel *channel;
    int rc = 0;

    (void)argument;
    for (int send = 0; send < 2; send++) {
        atomic_store(&told, 0);
        CHECK_RC(edo_channel_create(&channel, sizeof(int), 0), 0);
        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < 5; i++)
                CHECK_RC(edo_spawn(scope, send ? waits_to_send : waits_to_receive, channel), 0);
            for (int i = 0; i < 10; i++)
                edo_yield();
            CHECK_RC(atomic_load(&told), 0);
            CHECK_RC(edo_channel_close(channel), 0);
        }
        CHECK_RC(atomic_load(&told), 5);
        edo_channel_destroy(channel);
    }
    return rc;
}

static void test_closing_tells_all_that_wait(void **state)
{
    (void)state;
    assert_int_equal(run_alone(closing_root, NULL), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static int cancelled_send_root(void *argument)
{
    edo_channel *channel;
    int value = 1;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&channel, sizeof value, 1), 0);
    CHECK_RC(edo_send(channel, &value), 0);
    value = 2;
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = edo_send(channel, &value);
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(value, 2); /* it is still ours */
    CHECK_RC(edo_recv(&value, channel), 0);
    CHECK_RC(value, 1);
    CHECK_RC(edo_try_recv(&value, channel), -EAGAIN); /* and not in the channel */
    edo_channel_destroy(channel);
    return 0;
}

static void test_c3_send_cancelled_keeps_value(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_send_root, NULL), 0);
}

static int cancelled_recv_root(void *argument)
{
    edo_channel *channel;
    int value = 1;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&channel, sizeof value, 1), 0);
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = edo_recv(&value, channel);
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(value, 1);
    value = 2;
    CHECK_RC(edo_try_send(channel, &value), 0); /* nobody waits there any more who would take it */
    rc = 0;
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        value = 3;
        CHECK_RC(edo_recv(&value, channel), -ECANCELED); /* though there is one */
        CHECK_RC(edo_try_recv(&value, channel), -ECANCELED);
        CHECK_RC(edo_send(channel, &value), -ECANCELED);
        CHECK_RC(value, 3);
    }
    CHECK_RC(edo_recv(&value, channel), 0);
    CHECK_RC(value, 2);
    edo_channel_destroy(channel);
    return 0;
}

static void test_c3_recv_cancelled_leaves_the_value_in_the_channel(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_recv_root, NULL), 0);
}

/* A cancelled sender in the middle of the queue: those before and behind it are served in order. */
static int sends_number(void *argument)
{
    int value = (int)(intptr_t)argument;

    return edo_send(crowd, &value);
}

static int middle_root(void *argument)
{
    int value;
    int rc = 0;
    int cut = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&crowd, sizeof(int), 0), 0);
    EDO_SCOPE (outer, &rc) {
        CHECK_RC(edo_spawn(outer, sends_number, (void *)1), 0);
        edo_yield();
        EDO_SCOPE (inner, &cut) {
            CHECK_RC(edo_spawn(inner, sends_number, (void *)2), 0);
            edo_yield();
            CHECK_RC(edo_spawn(outer, sends_number, (void *)3), 0);
            edo_yield();
            edo_scope_cancel(inner);
        }
        CHECK_RC(edo_recv(&value, crowd), 0);
        CHECK_RC(value, 1);
        CHECK_RC(edo_recv(&value, crowd), 0);
        CHECK_RC(value, 3);
    }
    edo_channel_destroy(crowd);
    return rc;
}

static void test_c3_a_cancelled_sender_leaves_its_place_to_those_behind(void **state)
{
    (void)state;
    assert_int_equal(run_alone(middle_root, NULL), 0);
}

/* --- Plain threads ------------------------------------------------------------------------------------------------ */

static void *thread_sends(void *argument)
{
    (void)argument;
    for (int i = 0; i < MANY; i++)
        CHECK_RC(edo_send(there, &i), 0);
    CHECK_RC(edo_channel_close(there), 0);
    return NULL;
}

static void *thread_receives(void *argument)
{
    int value;

    (void)argument;
    for (int i = 0; i < MANY; i++) {
        CHECK_RC(edo_recv(&value, back), 0);
        CHECK_RC(value, i);
    }
    CHECK_RC(edo_recv(&value, back), -EPIPE);
    return NULL;
}

static int between_root(void *argument)
{
    int value;

    (void)argument;
    while (edo_recv(&value, there) == 0)
        CHECK_RC(edo_send(back, &value), 0);
    CHECK_RC(edo_channel_close(back), 0);
    return 0;
}

static void test_plain_threads_send_and_receive(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < 3; capacity++) {
        pthread_t sender, receiver;

        assert_int_equal(edo_channel_create(&there, sizeof(int), capacity), 0);
        assert_int_equal(edo_channel_create(&back, sizeof(int), capacity), 0);
        assert_int_equal(pthread_create(&sender, NULL, thread_sends, NULL), 0);
        assert_int_equal(pthread_create(&receiver, NULL, thread_receives, NULL), 0);
        assert_int_equal(run(between_root, NULL), 0);
        pthread_join(sender, NULL);
        pthread_join(receiver, NULL);
        edo_channel_destroy(there);
        edo_channel_destroy(back);
    }
}

/* --- Destroyed by the one that was told --------------------------------------------------------------------------- */

static int replies(void *argument)
{
    int value = 5;

    return edo_send((edo_channel *)argument, &value); /* the channel may be gone when this returns */
}

static int reply_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2000 && rc == 0; i++) {
            edo_channel *channel;
            int value = 0;

            CHECK_RC(edo_channel_create(&channel, sizeof value, (size_t)(i & 1)), 0);
            CHECK_RC(edo_spawn(scope, replies, channel), 0);
            CHECK_RC(edo_recv(&value, channel), 0);
            CHECK_RC(value, 5);
            edo_channel_destroy(channel);
        }
    }
    return rc;
}

static void test_a_reply_channel_is_destroyed_by_its_receiver(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(reply_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

static int destroys_waited(void *argument)
{
    edo_channel *channel;
    int rc = 0;

    (void)argument;
    edo_channel_create(&channel, sizeof(int), 0);
    EDO_SCOPE (scope, &rc) {
        edo_spawn(scope, waits_to_receive, channel);
        edo_yield();
        edo_channel_destroy(channel);
    }
    return rc;
}

static void test_f2_destroying_a_channel_in_which_somebody_waits_aborts(void **state)
{
    (void)state;
    assert_misuse(destroys_waited, NULL, "in which somebody waits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_out_in_the_order_in_which_they_went_in),
        cmocka_unit_test(test_a_full_channel_takes_no_more_and_a_rendezvous_none),
        cmocka_unit_test(test_f1_sizes_and_capacities_that_cannot_be_are_refused),
        cmocka_unit_test(test_what_is_in_a_closed_channel_drains_and_then_it_ends),
        cmocka_unit_test_setup_teardown(test_memory_shrinks_again_after_a_burst, counting_begin, restore_table),
        cmocka_unit_test_setup_teardown(test_f1_without_memory_a_send_fails_and_loses_nothing, counting_begin,
                                        restore_table),
        cmocka_unit_test(test_two_tasks_hand_values_to_and_fro),
        cmocka_unit_test(test_many_senders_and_receivers_lose_nothing),
        cmocka_unit_test(test_t2_many_senders_and_receivers_under_seeds),
        cmocka_unit_test(test_closing_tells_all_that_wait),
        cmocka_unit_test(test_c3_send_cancelled_keeps_value),
        cmocka_unit_test(test_c3_recv_cancelled_leaves_the_value_in_the_channel),
        cmocka_unit_test(test_c3_a_cancelled_sender_leaves_its_place_to_those_behind),
        cmocka_unit_test(test_plain_threads_send_and_receive),
        cmocka_unit_test(test_a_reply_channel_is_destroyed_by_its_receiver),
        cmocka_unit_test(test_f2_destroying_a_channel_in_which_somebody_waits_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
