/* SPDX-License-Identifier: MIT */
/*
 * Channels and selects under a storm of cancellations and hand-offs (C2, C3, C6), on two workers: what was sent is what
 * was received and what is left, whoever gave up whenever. Some parties are plain threads.
 */
#include "runtime/helpers.h"

#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <pthread.h>
#include <sched.h>

enum { CHANNELS = 4, PARTIES = 12, THREADS = 2 };

static edo_channel *channels[CHANNELS];
static _Atomic int64_t sent, received, sum_sent, sum_received, cancelled, rounds;
static _Atomic bool over;
static _Atomic(struct edo_runtime *) taken_from;

static void count_sent(int64_t value)
{
    atomic_fetch_add(&sent, 1);
    atomic_fetch_add(&sum_sent, value);
}

static void count_received(int64_t value)
{
    atomic_fetch_add(&received, 1);
    atomic_fetch_add(&sum_received, value);
}

/* One operation, of a random kind. Whatever it says has happened is counted, nothing else. */
static int one_operation(uint64_t *random)
{
    uint64_t choice = edo_test_random(random);
    int64_t in = (int64_t)(edo_test_random(random) % 1000000);
    int64_t out = -1;
    edo_channel *a = channels[choice % CHANNELS];
    edo_channel *b = channels[choice / 16 % CHANNELS];
    edo_arm arms[4];
    int rc;

    switch (choice / 256 % 4) {
    case 0:
        rc = edo_send(a, &in);
        if (rc == 0)
            count_sent(in);
        return rc;
    case 1:
        rc = edo_recv(&out, a);
        if (rc == 0)
            count_received(out);
        else
            CHECK_RC(out, -1);
        return rc;
    default:
        arms[0] = EDO_SEND(a, &in);
        arms[1] = EDO_RECV(b, &out);
        arms[2] = EDO_SEND(b, &in);
        arms[3] = EDO_AFTER(EDO_US(choice / 1024 % 300));
        rc = edo_select(arms, choice / 256 % 4 == 2 ? 3 : 4);
        if (rc == 0 || rc == 2)
            count_sent(in);
        if (rc == 1)
            count_received(out);
        else
            CHECK_RC(out, -1);
        return rc;
    }
}

/* Operations, each cut short after a random time that is about as long as they take. */
static int party(void *argument)
{
    uint64_t random = edo_test_seed() + (uint64_t)(uintptr_t)argument;

    while (!atomic_load(&over)) {
        int64_t limit = (int64_t)(edo_test_random(&random) % 40) * 1000;
        int rc = 0;

        EDO_TIMEOUT (limit, &rc) {
            rc = one_operation(&random);
            if (rc > 0)
                rc = 0;
        }
        atomic_fetch_add(&cancelled, rc == -ETIMEDOUT);
        atomic_fetch_add(&rounds, 1);
    }
    return 0;
}

static int cancels_group(void *argument)
{
    uint64_t random = edo_test_seed() + 1000 + (uint64_t)(uintptr_t)argument;

    while (!atomic_load(&over)) {
        int rc = 0;

        EDO_SCOPE (scope, &rc) {
            for (uintptr_t i = 0; i < 3 && rc == 0; i++)
                rc = edo_spawn(scope, party, (void *)(i + edo_test_random(&random) % 100000));
            edo_sleep((int64_t)(edo_test_random(&random) % 300) * 1000);
            edo_scope_cancel(scope); /* those inside come back with -ECANCELED, wherever they are */
            atomic_fetch_add(&cancelled, 3);
            rc = -ECANCELED;
        }
        CHECK_RC(rc, -ECANCELED);
    }
    return 0;
}

/* A plain thread, which can't be cancelled: it never waits for long. */
static void *thread_party(void *argument)
{
    uint64_t random = edo_test_seed() + 2000 + (uint64_t)(uintptr_t)argument;

    while (!atomic_load(&over)) {
        int64_t value = (int64_t)(edo_test_random(&random) % 1000000);
        edo_channel *channel = channels[edo_test_random(&random) % CHANNELS];

        if (edo_test_random(&random) % 2 == 0) {
            if (edo_try_send(channel, &value) == 0)
                count_sent(value);
        } else if (edo_try_recv(&value, channel) == 0) {
            count_received(value);
        }
    }
    return NULL;
}

/* Takes workers from wherever they are, all the time. */
static void *takes(void *argument)
{
    struct edo_runtime *runtime;

    (void)argument;
    while (!(runtime = atomic_load(&taken_from)))
        usleep(100);
    for (int i = 0; !atomic_load(&over); i++) {
        int rc = take_worker(&runtime->workers[i % runtime->worker_count]);

        CHECK(rc == 0 || rc == -EBUSY || rc == -EAGAIN);
        usleep(200);
    }
    return NULL;
}

static int party_until_cancelled(void *argument)
{
    uint64_t random = edo_test_seed() + (uint64_t)(uintptr_t)argument;

    while (!edo_cancelled())
        one_operation(&random);
    return -ECANCELED;
}

static int storm_root(void *argument)
{
    static const size_t capacities[CHANNELS] = {0, 1, 8, EDO_UNBOUNDED};
    pthread_t threads[THREADS + 1];
    int64_t left = 0, left_sum = 0, value;
    int rc = 0;

    (void)argument;
    sent = received = sum_sent = sum_received = cancelled = rounds = 0;
    atomic_store(&over, false);
    for (int i = 0; i < CHANNELS; i++)
        CHECK_RC(edo_channel_create(&channels[i], sizeof(int64_t), capacities[i]), 0);
    atomic_store(&taken_from, edo_thread_self()->runtime);
    CHECK_RC(pthread_create(&threads[0], NULL, takes, NULL), 0);
    for (uintptr_t i = 1; i <= THREADS; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, thread_party, (void *)i), 0);
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t i = 0; i < PARTIES; i++)
            CHECK_RC(edo_spawn(scope,
                               i < 3   ? cancels_group
                               : i < 6 ? party_until_cancelled
                                       : party,
                               (void *)(i * 7919)),
                     0);
        edo_sleep(edo_test_duration());
        atomic_store(&over, true);
        edo_scope_cancel(scope);
        rc = -ECANCELED;
    }
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&taken_from, NULL);
    for (int i = 0; i < CHANNELS; i++) {
        while (edo_try_recv(&value, channels[i]) == 0) {
            left++;
            left_sum += value;
        }
        CHECK_RC(edo_try_send(channels[i], &value), capacities[i] ? 0 : -EAGAIN); /* nobody is left waiting in it */
        edo_channel_destroy(channels[i]);
    }
    CHECK_RC(sent - received, left);
    CHECK_RC(sum_sent - sum_received, left_sum);
    CHECK(atomic_load(&cancelled) > 10);
    printf("# %lld sent, %lld received, %lld left, %lld cut short\n", (long long)sent, (long long)received,
           (long long)left, (long long)cancelled);
    return 0;
}

static void test_c3_what_is_sent_is_received_or_left_under_a_storm(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(storm_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

/* --- One that is completed at the moment at which it gives up ----------------------------------------------------- */

static struct {
    edo_channel *channel;
    edo_channel *never;
    _Atomic int round;    /* the sender may begin */
    _Atomic int answered; /* it has tried */
    int sent;             /* what it got */
    int both;             /* rounds in which both happened, neither */
    int neither;
} duel;

static int receives_or_gives_up(void *argument)
{
    int round = (int)(intptr_t)argument;
    int64_t value = -1;
    int rc;

    if (round % 2) {
        edo_arm arms[] = {EDO_RECV(duel.channel, &value), EDO_RECV(duel.never, &value)};

        rc = edo_select(arms, 2);
    } else {
        rc = edo_recv(&value, duel.channel);
    }
    CHECK_RC(rc == 0 ? value : -1, value); /* the value has come, or nothing has */
    if (rc == 0)
        CHECK_RC(value, round);
    return rc;
}

/* A thread of its own, so that it is always ready: it sends when told to, after a random moment. */
static void *sends_into_the_moment(void *argument)
{
    uint64_t random = edo_test_seed();
    unsigned spins = 0;

    (void)argument;
    for (int round = 1;; round++) {
        int64_t value = round;
        int64_t until_then;

        while (atomic_load(&duel.round) < round)
            if (atomic_load(&over) || (++spins % 4096 == 0 && sched_yield() < 0))
                return NULL;
        until_then = edo_now() + (int64_t)(edo_test_random(&random) % 1500);
        while (edo_now() < until_then)
            ;
        duel.sent = edo_try_send(duel.channel, &value);
        atomic_store(&duel.answered, round);
    }
}

static int duel_root(void *argument)
{
    pthread_t thread;
    int64_t end = edo_now() + edo_test_duration();
    uint64_t random = edo_test_seed() + 1;
    int64_t moment;
    int rc = 0;

    (void)argument;
    memset(&duel, 0, sizeof duel);
    atomic_store(&over, false);
    CHECK_RC(edo_channel_create(&duel.channel, sizeof(int64_t), 0), 0);
    CHECK_RC(edo_channel_create(&duel.never, sizeof(int64_t), 0), 0);
    CHECK_RC(pthread_create(&thread, NULL, sends_into_the_moment, NULL), 0);
    for (intptr_t round = 1; edo_now() < end; round++) {
        int result = 1;
        edo_task *task;

        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, receives_or_gives_up, (void *)round, .handle = &task), 0);
            edo_yield(); /* it waits */
            atomic_store(&duel.round, (int)round);
            moment = edo_now() + (int64_t)(edo_test_random(&random) % 3000);
            while (edo_now() < moment)
                ;
            edo_scope_cancel(scope);
            rc = -ECANCELED;
        }
        CHECK_RC(edo_join(&result, task), 0);
        while (atomic_load(&duel.answered) < round)
            sched_yield();
        CHECK(result == 0 || result == -ECANCELED);
        CHECK((result == 0) == (duel.sent == 0)); /* both parties say the same */
        duel.both += result == 0;
        duel.neither += result != 0;
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    edo_channel_destroy(duel.channel);
    edo_channel_destroy(duel.never);
    printf("# %d happened, %d were given up\n", duel.both, duel.neither);
    return 0;
}

static void test_c2_an_operation_completed_while_it_gives_up_has_happened(void **state)
{
    (void)state;
    assert_int_equal(run_alone(duel_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c3_what_is_sent_is_received_or_left_under_a_storm),
        cmocka_unit_test(test_c2_an_operation_completed_while_it_gives_up_has_happened),
    };

    edo_test_seed(); /* before there are threads */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
