/* SPDX-License-Identifier: MIT */
/*
 * Select (C6): one arm happens, the others have not; each kind of arm; fairness; cancellation; two selects that meet.
 */
#include "runtime/helpers.h"

#include <edo/testing.h>

#include <fcntl.h>
#include <sys/socket.h>

/* --- At once ------------------------------------------------------------------------------------------------------ */

static int at_once_root(void *argument)
{
    edo_channel *a, *b;
    int in = 1, out = 2;
    edo_arm arms[3];

    (void)argument;
    CHECK_RC(edo_channel_create(&a, sizeof(int), 1), 0);
    CHECK_RC(edo_channel_create(&b, sizeof(int), 1), 0);
    for (int i = 0; i < 10; i++) { /* whichever arm it begins with */
        CHECK_RC(edo_send(b, &in), 0);
        arms[0] = EDO_RECV(a, &out);
        arms[1] = EDO_RECV(b, &out);
        arms[2] = EDO_AFTER(EDO_SEC(100));
        out = 0;
        CHECK_RC(edo_select(arms, 3), 1);
        CHECK_RC(arms[1].rc, 0);
        CHECK_RC(out, 1);
        CHECK_RC((int)edo_channel_count(b), 0);
    }
    CHECK_RC(edo_send(a, &in), 0); /* full: only b has room */
    arms[0] = EDO_SEND(a, &in);
    arms[1] = EDO_SEND(b, &in);
    CHECK_RC(edo_select(arms, 2), 1);
    CHECK_RC((int)edo_channel_count(a), 1);
    CHECK_RC((int)edo_channel_count(b), 1);
    edo_channel_destroy(a);
    edo_channel_destroy(b);
    return 0;
}

static void test_c6_the_arm_that_can_happens_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(run_alone(at_once_root, NULL), 0);
}

static int closed_root(void *argument)
{
    edo_channel *open, *closed;
    int value = 3;
    edo_arm arms[2];

    (void)argument;
    CHECK_RC(edo_channel_create(&open, sizeof(int), 0), 0);
    CHECK_RC(edo_channel_create(&closed, sizeof(int), 0), 0);
    edo_channel_close(closed);
    arms[0] = EDO_RECV(open, &value);
    arms[1] = EDO_RECV(closed, &value);
    CHECK_RC(edo_select(arms, 2), 1);
    CHECK_RC(arms[1].rc, -EPIPE);
    arms[1] = EDO_SEND(closed, &value);
    CHECK_RC(edo_select(arms, 2), 1);
    CHECK_RC(arms[1].rc, -EPIPE);
    CHECK_RC(value, 3);
    edo_channel_destroy(open);
    edo_channel_destroy(closed);
    return 0;
}

static void test_a_closed_channel_is_an_arm_that_happens(void **state)
{
    (void)state;
    assert_int_equal(run_alone(closed_root, NULL), 0);
}

static int default_root(void *argument)
{
    edo_channel *channel;
    int value = 1;
    int pipes[2];
    edo_arm arms[4];

    (void)argument;
    CHECK_RC(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_RC(edo_channel_create(&channel, sizeof(int), 1), 0);
    arms[0] = EDO_DEFAULT;
    arms[1] = EDO_RECV(channel, &value);
    arms[2] = EDO_FD(pipes[0], EDO_READABLE);
    arms[3] = EDO_AFTER(EDO_SEC(100));
    for (int i = 0; i < 4; i++)
        CHECK_RC(edo_select(arms, 4), 0);
    CHECK_RC(write(pipes[1], "x", 1), 1);
    for (int i = 0; i < 4; i++) {
        CHECK_RC(edo_select(arms, 4), 2);
        CHECK_RC(arms[2].rc, EDO_READABLE);
    }
    CHECK_RC(edo_send(channel, &value), 0);
    arms[2] = EDO_AFTER(EDO_SEC(100));
    CHECK_RC(edo_select(arms, 4), 1);
    arms[3] = EDO_AFTER(0);
    CHECK_RC(edo_select(arms, 4), 3);
    edo_channel_destroy(channel);
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

static void test_a_default_happens_if_nothing_else_can(void **state)
{
    (void)state;
    assert_int_equal(run_alone(default_root, NULL), 0);
}

static int fair_root(void *argument)
{
    edo_channel *channels[3];
    int happened[3] = {0, 0, 0};
    int value = 0;
    edo_arm arms[3];

    (void)argument;
    for (int i = 0; i < 3; i++) {
        CHECK_RC(edo_channel_create(&channels[i], sizeof(int), EDO_UNBOUNDED), 0);
        for (int j = 0; j < 300; j++)
            CHECK_RC(edo_send(channels[i], &value), 0);
        arms[i] = EDO_RECV(channels[i], &value);
    }
    for (int i = 0; i < 300; i++)
        happened[edo_select(arms, 3)]++;
    for (int i = 0; i < 3; i++) {
        CHECK(happened[i] >= 50);
        edo_channel_destroy(channels[i]);
    }
    return 0;
}

static void test_arms_that_can_happen_have_their_turns(void **state)
{
    (void)state;
    assert_int_equal(run_alone(fair_root, NULL), 0);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static edo_channel *there, *elsewhere;

static int sends_one(void *argument)
{
    (void)argument;
    return edo_send(there, &((int){42}));
}

static int waits_root(void *argument)
{
    int value = 0;
    int other = 7;
    int rc = 0;

    (void)argument;
    for (size_t capacity = 0; capacity < 2; capacity++) {
        CHECK_RC(edo_channel_create(&there, sizeof(int), capacity), 0);
        CHECK_RC(edo_channel_create(&elsewhere, sizeof(int), 0), 0);
        EDO_SCOPE (scope, &rc) {
            edo_arm arms[] = {EDO_SEND(elsewhere, &other), EDO_RECV(there, &value), EDO_AFTER(EDO_SEC(1))};

            CHECK_RC(edo_spawn(scope, sends_one, NULL), 0);
            CHECK_RC(edo_select(arms, 3), 1);
            CHECK_RC(value, 42);
            CHECK_RC(edo_try_recv(&value, elsewhere), -EAGAIN); /* it does not wait there any more */
            CHECK_RC(edo_select(arms, 3), 2);                   /* one more time, with nobody left but the timer */
        }
        edo_channel_destroy(there);
        edo_channel_destroy(elsewhere);
    }
    return rc;
}

static void test_c6_a_select_that_waits_is_woken_by_one_and_leaves_the_others(void **state)
{
    (void)state;
    assert_int_equal(run_alone(waits_root, NULL), 0);
}

static int timers_root(void *argument)
{
    int64_t start = edo_now();
    edo_arm arms[] = {EDO_AFTER(EDO_MS(30)), EDO_AFTER(EDO_MS(10)), EDO_AT(start + EDO_MS(25))};

    (void)argument;
    for (int i = 1; i <= 3; i++) { /* "after" counts anew each time */
        CHECK_RC(edo_select(arms, 3), i == 3 ? 2 : 1);
        CHECK(edo_now() - start >= (i == 3 ? EDO_MS(25) : i * EDO_MS(10)));
    }
    return 0;
}

static void test_the_nearest_timer_happens(void **state)
{
    (void)state;
    assert_int_equal(run_alone(timers_root, NULL), 0);
}

static int ends_with_nine(void *argument)
{
    gate_wait((struct gate *)argument);
    return 9;
}

static int opens(void *argument)
{
    gate_open((struct gate *)argument);
    return 0;
}

static int joined_root(void *argument)
{
    struct gate gate = {0};
    edo_task *task;
    int result = 0;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        edo_arm arms[2];

        CHECK_RC(edo_spawn(scope, ends_with_nine, &gate, .handle = &task), 0);
        arms[0] = EDO_JOINED(&result, task);
        arms[1] = EDO_AFTER(EDO_MS(1));
        CHECK_RC(edo_select(arms, 2), 1); /* the handle is still good */
        CHECK(!edo_task_done(task));
        CHECK_RC(edo_spawn(scope, opens, &gate), 0);
        arms[1] = EDO_AFTER(EDO_SEC(100));
        CHECK_RC(edo_select(arms, 2), 0);
        CHECK_RC(result, 9);
        gate.open = 1;
        CHECK_RC(edo_spawn(scope, ends_with_nine, &gate, .handle = &task), 0);
        while (!edo_task_done(task))
            edo_yield();
        result = 0;
        arms[0] = EDO_JOINED(&result, task); /* it has ended before */
        CHECK_RC(edo_select(arms, 2), 0);
        CHECK_RC(result, 9);
    }
    return rc;
}

static void test_c6_a_join_that_loses_keeps_its_handle(void **state)
{
    (void)state;
    assert_int_equal(run_alone(joined_root, NULL), 0);
}

static int writes_byte(void *argument)
{
    CHECK_RC(write((int)(intptr_t)argument, "x", 1), 1);
    return 0;
}

static int streams_root(void *argument)
{
    edo_stream *stream;
    int ends[2];
    int pipes[2];
    char byte;
    int rc = 0;

    (void)argument;
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_RC(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_RC(edo_stream_from_fd(&stream, ends[0]), 0);
    EDO_SCOPE (scope, &rc) {
        edo_arm arms[] = {EDO_CAN_READ(stream), EDO_AFTER(EDO_MS(1)), EDO_FD(pipes[0], EDO_READABLE)};

        CHECK_RC(edo_select(arms, 3), 1); /* nothing to be read: what was assumed is no reason */
        CHECK_RC(edo_spawn(scope, writes_byte, (void *)(intptr_t)ends[1]), 0);
        arms[1] = EDO_AFTER(EDO_SEC(100));
        CHECK_RC(edo_select(arms, 3), 0);
        CHECK_RC(arms[0].rc, 0);
        CHECK_RC(edo_select(arms, 3), 0); /* nothing was consumed */
        CHECK_RC(edo_read(stream, &byte, 1), 1);
        CHECK_RC(edo_spawn(scope, writes_byte, (void *)(intptr_t)pipes[1]), 0);
        CHECK_RC(edo_select(arms, 3), 2);
        CHECK_RC(arms[2].rc, EDO_READABLE);
        CHECK_RC(read(pipes[0], &byte, 1), 1);
        arms[2] = EDO_CAN_WRITE(stream);
        CHECK_RC(edo_select(arms, 3), 2);
        close(ends[1]);
        arms[2] = EDO_RECV((edo_channel *)NULL, &byte);
        CHECK_RC(edo_select(arms, 3), 0); /* the end can be read */
    }
    edo_close(stream);
    close(pipes[0]);
    close(pipes[1]);
    return rc;
}

static void test_streams_and_descriptors_wake_a_select(void **state)
{
    (void)state;
    assert_int_equal(run_alone(streams_root, NULL), 0);
    assert_int_equal(run(streams_root, NULL), 0);
}

/* --- Cancellation and errors -------------------------------------------------------------------------------------- */

static int cancelled_root(void *argument)
{
    edo_channel *channel;
    int value = 1;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&channel, sizeof(int), 0), 0);
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        edo_arm arms[] = {EDO_RECV(channel, &value), EDO_AFTER(EDO_SEC(100)), EDO_RECV((edo_channel *)NULL, &value)};

        rc = edo_select(arms, 3);
        CHECK_RC(rc, -ECANCELED);
        CHECK_RC(edo_select(arms, 3), -ECANCELED);
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(edo_try_send(channel, &value), -EAGAIN); /* nobody receives */
    rc = 0;
    EDO_TIMEOUT (EDO_MS(1), &rc)
        rc = edo_select(NULL, 0); /* nothing can happen */
    CHECK_RC(rc, -ETIMEDOUT);
    edo_channel_destroy(channel);
    return 0;
}

static void test_c2_a_cancelled_select_has_done_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_root, NULL), 0);
}

static edo_task *joined_by_two;

static int joins(void *argument)
{
    (void)argument;
    return edo_join(NULL, joined_by_two);
}

static int wrong_root(void *argument)
{
    struct gate gate = {0};
    edo_channel *channel;
    long wrong = 0;
    int value = 0;
    edo_arm arms[65];
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&channel, sizeof(int), 1), 0);
    for (int i = 0; i < 65; i++)
        arms[i] = EDO_RECV(channel, &value);
    CHECK_RC(edo_select(arms, 65), -EINVAL);
    arms[1] = EDO_RECV(channel, &wrong);
    CHECK_RC(edo_select(arms, 2), -EINVAL);
    CHECK_RC(arms[1].rc, -EINVAL);
    arms[1] = EDO_FD(0, 0);
    CHECK_RC(edo_select(arms, 2), -EINVAL);
    memset(arms, 0x7f, sizeof arms[0]);
    CHECK_RC(edo_select(arms, 1), -EINVAL);
    arms[0] = EDO_FD(-1, EDO_READABLE);
    CHECK_RC(edo_select(arms, 1), 0);
    CHECK_RC(arms[0].rc, -EBADF);
    arms[1] = EDO_DEFAULT;
    CHECK_RC(edo_select(arms, 2), 0); /* the same, when it is only asked */
    CHECK_RC(arms[0].rc, -EBADF);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, ends_with_nine, &gate, .handle = &joined_by_two), 0);
        CHECK_RC(edo_spawn(scope, joins, NULL), 0);
        edo_yield();
        edo_yield();
        arms[0] = EDO_JOINED(&value, joined_by_two);
        arms[1] = EDO_RECV(channel, &value);
        CHECK_RC(edo_select(arms, 2), 0);
        CHECK_RC(arms[0].rc, -EBUSY);
        CHECK_RC(edo_join(&value, joined_by_two), -EBUSY);
        gate_open(&gate);
    }
    CHECK_RC(edo_send(channel, &value), 0); /* it left the channel */
    CHECK_RC((int)edo_channel_count(channel), 1);
    edo_channel_destroy(channel);
    return rc;
}

static void test_f2_wrong_arms_are_told(void **state)
{
    edo_arm arm = EDO_AFTER(1);

    (void)state;
    assert_int_equal(edo_select(&arm, 1), -EPERM);
    assert_int_equal(run_alone(wrong_root, NULL), 0);
}

static int alone_root(void *argument)
{
    int in = 1, out = 0;
    edo_arm arms[3];

    (void)argument;
    CHECK_RC(edo_channel_create(&there, sizeof(int), 0), 0);
    arms[0] = EDO_SEND(there, &in);
    arms[1] = EDO_RECV(there, &out);
    arms[2] = EDO_AFTER(EDO_MS(1));
    CHECK_RC(edo_select(arms, 3), 2); /* it is not its own other party */
    CHECK_RC(out, 0);
    edo_channel_destroy(there);
    return 0;
}

static void test_c6_a_select_does_not_meet_itself(void **state)
{
    (void)state;
    assert_int_equal(run_alone(alone_root, NULL), 0);
}

/* Whoever is told that its operation happened may destroy the channel: the select does not come back to it. */
static int sends_and_destroys(void *argument)
{
    int value = 4;
    int rc = edo_send(there, &value);

    (void)argument;
    edo_channel_destroy(there);
    return rc;
}

static int destroyed_root(void *argument)
{
    int in = 1, out = 0;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_channel_create(&elsewhere, sizeof(int), 0), 0);
    for (int i = 0; i < 6; i++) {
        CHECK_RC(edo_channel_create(&there, sizeof(int), 0), 0);
        EDO_SCOPE (scope, &rc) {
            edo_arm arms[] = {EDO_RECV(there, &out), EDO_RECV(elsewhere, &out), EDO_RECV(there, &out),
                              EDO_SEND(there, &in)};
            int arm;

            CHECK_RC(edo_spawn(scope, sends_and_destroys, NULL), 0);
            arm = edo_select(arms, 4);
            CHECK(arm == 0 || arm == 2);
            CHECK_RC(out, 4);
        }
    }
    edo_channel_destroy(elsewhere);
    return rc;
}

static void test_c6_a_channel_in_several_arms_may_be_destroyed_by_the_other_party(void **state)
{
    (void)state;
    assert_int_equal(run_alone(destroyed_root, NULL), 0);
}

/* --- Two that meet ------------------------------------------------------------------------------------------------ */

enum { PARTIES = 6, CHANNELS = 3, ROUNDS = 200 };

static edo_channel *hall[CHANNELS];
static _Atomic int64_t sum_sent, sum_received, sent, received, given_up;

/* Sends and receives on all channels at once, and writes down what happened. */
static int party(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    int rc = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int in = (int)(edo_test_random(&random) % 1000000);
        int out = -1;
        edo_arm arms[2 * CHANNELS];
        int index = -EPROTO;

        for (int i = 0; i < CHANNELS; i++) {
            int at = (i + round) % CHANNELS;

            arms[2 * i] = EDO_SEND(hall[at], &in);
            arms[2 * i + 1] = EDO_RECV(hall[at], &out);
        }
        EDO_SCOPE (scope, &rc) {
            if (edo_test_random(&random) % 8 == 0)
                edo_scope_cancel(scope); /* some give up at once ... */
            index = edo_select(arms, 2 * CHANNELS);
        }
        if (index == -ECANCELED) {
            atomic_fetch_add(&given_up, 1);
            CHECK_RC(out, -1);
            if (edo_cancelled())
                break;
            continue;
        }
        CHECK(index >= 0);
        if (index % 2 == 0) {
            atomic_fetch_add(&sent, 1);
            atomic_fetch_add(&sum_sent, in);
            CHECK_RC(out, -1);
        } else {
            atomic_fetch_add(&received, 1);
            atomic_fetch_add(&sum_received, out);
        }
    }
    return 0;
}

static int hall_root(void *argument)
{
    uint64_t seed = *(uint64_t *)argument;
    size_t capacity = (size_t)(seed % 3);
    int64_t left = 0;
    int64_t left_sum = 0;
    int rc = 0;

    sum_sent = sum_received = sent = received = given_up = 0;
    for (int i = 0; i < CHANNELS; i++)
        CHECK_RC(edo_channel_create(&hall[i], sizeof(int), capacity), 0);
    /* The last may find nobody: it is cut short by the timeout, and has lost nothing then. */
    EDO_TIMEOUT (EDO_MS(60), &rc) {
        EDO_SCOPE (scope, &rc)
            for (int i = 0; i < PARTIES; i++)
                CHECK_RC(edo_spawn(scope, party, (void *)(uintptr_t)edo_test_random(&seed)), 0);
    }
    for (int i = 0; i < CHANNELS; i++) {
        int value;

        while (edo_try_recv(&value, hall[i]) == 0) {
            left++;
            left_sum += value;
        }
        edo_channel_destroy(hall[i]);
    }
    CHECK_RC(sent, received + left);
    CHECK_RC(sum_sent, sum_received + left_sum);
    CHECK(received > 0);
    return 0;
}

static void test_c6_selects_that_meet_lose_and_double_nothing(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    for (int i = 0; i < 6; i++, seed++)
        assert_int_equal(run_with(hall_root, &seed,
                                  EDO_OPTIONS(edo_run_options, .workers = i % 2 + 1, .signals = EDO_SIGNALS_IGNORE)),
                         0);
}

static void test_t2_selects_that_meet_under_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        atomic_store(&test_failures, 0);
        assert_int_equal(edo_test_run(hall_root, &((uint64_t){seed}),
                                      EDO_OPTIONS(edo_test_options, .seed = seed, .real_kernel = true)),
                         0);
        assert_int_equal(atomic_load(&test_failures), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        virtual_test(test_c6_the_arm_that_can_happens_and_no_other),
        virtual_test(test_a_closed_channel_is_an_arm_that_happens),
        virtual_test(test_a_default_happens_if_nothing_else_can),
        virtual_test(test_arms_that_can_happen_have_their_turns),
        virtual_test(test_c6_a_select_that_waits_is_woken_by_one_and_leaves_the_others),
        virtual_test(test_the_nearest_timer_happens),
        virtual_test(test_c6_a_join_that_loses_keeps_its_handle),
        cmocka_unit_test(test_streams_and_descriptors_wake_a_select),
        virtual_test(test_c2_a_cancelled_select_has_done_nothing),
        virtual_test(test_f2_wrong_arms_are_told),
        virtual_test(test_c6_a_select_does_not_meet_itself),
        cmocka_unit_test(test_c6_a_channel_in_several_arms_may_be_destroyed_by_the_other_party),
        cmocka_unit_test(test_c6_selects_that_meet_lose_and_double_nothing),
        cmocka_unit_test(test_t2_selects_that_meet_under_seeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
