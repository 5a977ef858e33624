/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a send with a receive, and with a cancellation of both or a close: the value changes hands once
 * or not at all, both sides say the same, and what was given up is where it was (rules C2, C3); what was completed from
 * afar is let go only when the other party is done with its task.
 *
 * The code is channel.c and waiter.c. A channel that holds nothing, or one value; two tasks of one runtime, or a
 * receiver and a thread of none.
 */
#include "stand_in.h"

#include <sched.h>
#define sched_yield() model_pause()

#include "../../src/sync/channel.c"
#include "../../src/sync/channel_store.c"
#include "../../src/sync/waiter.c"

enum { RECEIVER, SENDER, CLOSER, TASKS };
enum { VALUE = 7, NOTHING = 1 };

static struct edo_runtime runtime;
static size_t capacity;
static bool from_afar;      /* the sender is of no runtime */
static bool takes_for_near; /* an alteration: a foreign sender that passes for one of the receiver's runtime */

static struct {
    struct edo_channel channel;
    unsigned char slot[sizeof(int)];
    struct edo_scope_body scope; /* of all tasks */
    struct edo_thread threads[TASKS];
    struct edo_task tasks[TASKS];
    int sent;
    int received;
    int value;
    uint8_t gone; /* the receiver has returned, and its runtime may be too */
} world;

static int futex_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    return model_futex_wait(word, expected, deadline);
}

static const struct edo_platform table = {.futex_wait = futex_wait, .futex_wake = model_futex_wake};
const struct edo_platform *edo_platform = &table;

static void receiver(void)
{
    int value = NOTHING;

    edo_self_pointer = &world.threads[RECEIVER];
    world.received = edo_channel_recv(&value, &world.channel, sizeof value);
    world.value = value;
    world.gone = from_afar;
}

static void sender(void)
{
    static const int value = VALUE;

    edo_self_pointer = from_afar && !takes_for_near ? NULL : &world.threads[SENDER];
    world.sent = edo_channel_send(&world.channel, &value, sizeof value);
}

static void canceller(void)
{
    edo_self_pointer = NULL;
    stand_in_cancel(&world.scope, &world.tasks[RECEIVER]);
    edo_unpark_inside(NULL, &world.tasks[SENDER]);
}

static void closer(void)
{
    edo_self_pointer = &world.threads[CLOSER];
    edo_channel_close(&world.channel);
}

/* What a sender from afar does last to the task, and to its runtime. */
static void ready_of_task(void)
{
    model_assert(!world.gone);
}

static void setup(void)
{
    memset(&world, 0, sizeof world);
    memset(&stand_in, 0, sizeof stand_in);
    world.scope.runtime = &runtime;
    edo_list_init(&world.channel.senders);
    edo_list_init(&world.channel.receivers);
    world.channel.size = sizeof(int);
    world.channel.capacity = capacity;
    world.channel.slots = world.slot;
    for (int i = 0; i < TASKS; i++) {
        world.threads[i].runtime = &runtime;
        world.threads[i].current = &world.tasks[i];
        world.tasks[i].id = (uint64_t)i;
        world.tasks[i].budget = EDO_BUDGET;
        world.tasks[i].flags = EDO_TASK_MIGRATES;
        world.tasks[i].home = world.tasks[i].scope = &world.scope;
    }
}

static void check(void)
{
    size_t left = edo_channel_count(&world.channel);

    model_assert(world.received == 0 || world.received == -ECANCELED || world.received == -EPIPE);
    model_assert(world.sent == 0 || world.sent == -ECANCELED || world.sent == -EPIPE);
    model_assert((world.sent == 0) == ((world.received == 0) + left == 1));
    model_assert(world.value == (world.received == 0 ? VALUE : NOTHING));
    model_assert(edo_list_empty(&world.channel.senders) && edo_list_empty(&world.channel.receivers));
    model_assert(world.channel.senders_count == 0 && world.channel.receivers_count == 0);
}

static struct model cancelled = {
    "channel: receive, send, cancel", setup, {receiver, sender, canceller}, check, NULL, false};
static struct model closed = {"channel: receive, send, close", setup, {receiver, sender, closer}, check, NULL, false};
static struct model afar = {"channel: receive, send from afar", setup, {receiver, sender}, check, NULL, false};

static const struct model *with_regions(struct model *model, size_t holds)
{
    model->self = (void **)(void *)&edo_self_pointer;
    capacity = holds;
    from_afar = model == &afar;
    stand_in_ready = from_afar ? ready_of_task : NULL;
    model_region("world", &world, sizeof world);
    model_region("queued", &stand_in, sizeof stand_in);
    for (int i = 0; i < TASKS; i++)
        model_private(&world.threads[i].guard, sizeof world.threads[i].guard);
    return model;
}

static void test_c3_a_value_changes_hands_or_stays(void **state)
{
    (void)state;
    for (size_t holds = 0; holds < 2; holds++) {
        assert_true(model_holds(with_regions(&cancelled, holds)));
        assert_true(model_holds(with_regions(&closed, holds)));
        assert_true(model_holds(with_regions(&afar, holds)));
    }
}

static void test_mutants_of_channels_are_rejected(void **state)
{
    static const struct model_mutant split_lock = {"edo_lock_try", MODEL_SPLIT};
    static const struct model_mutant split_notify = {"edo_park_word_notify", MODEL_SPLIT};

    (void)state;
    assert_true(model_rejects(with_regions(&cancelled, 0), &split_lock));
    assert_true(model_rejects(with_regions(&cancelled, 0), &split_notify));
    takes_for_near = true;
    assert_true(model_rejects(with_regions(&afar, 0), NULL));
    takes_for_near = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c3_a_value_changes_hands_or_stays),
        cmocka_unit_test(test_mutants_of_channels_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
