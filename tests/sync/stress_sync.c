/* SPDX-License-Identifier: MIT */
/*
 * All of sync/ at once, from a seed: tasks lock, acquire, notify, meet at barriers and wait, in scopes that are
 * cancelled, by deadlines and by tokens, at any moment; plain threads take part; and a plain thread keeps taking
 * workers from the threads that carry them. What must hold is counted: no lock held twice, no permit made or lost, no
 * notification lost, no round of a barrier without exactly one leader, nothing initialised twice.
 *
 * A hang is a finding too; the timeout of the test tells.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <edo/edo.h>

#include "runtime/runtime.h"
#include "runtime/take_worker.h"
#include "stress.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { PEOPLE = 12, PERMITS = 7, SLOTS = 4 };

static struct town {
    struct edo_runtime *runtime;
    int64_t end;
    uint64_t seed;
    _Atomic bool over;

    edo_mutex mutex;
    uint64_t guarded; /* under the mutex alone */
    _Atomic uint64_t expected;
    _Atomic int holders;

    edo_rwlock rwlock;
    _Atomic int readers, writers;
    uint64_t pair[2]; /* equal whenever nobody writes */

    edo_semaphore semaphore;
    _Atomic int permits_out;

    edo_notify notify;
    _Atomic int64_t items, made, taken;

    edo_once onces[SLOTS];
    _Atomic int once_done[SLOTS], once_tries[SLOTS];

    edo_token root, branches[SLOTS];
    _Atomic int64_t cancelled, completed;
} town;

struct person {
    uint64_t random;
    bool task;
};

static uint32_t pick(struct person *person, uint32_t count)
{
    return (uint32_t)(edo_test_random(&person->random) >> 33) % count;
}

static int64_t some_deadline(struct person *person)
{
    return pick(person, 3) ? EDO_FOREVER : edo_now() + EDO_US(pick(person, 100)) - EDO_US(10);
}

/* What a wait may answer; true if it has happened. */
static bool happened(int rc)
{
    REQUIRE(rc >= 0 || rc == -ECANCELED || rc == -ETIMEDOUT);
    REQUIRE(rc != -ECANCELED || edo_cancelled());
    atomic_fetch_add(rc >= 0 ? &town.completed : &town.cancelled, 1);
    return rc >= 0;
}

static void dawdle(struct person *person)
{
    if (person->task && pick(person, 3) == 0)
        edo_yield();
    else if (person->task && pick(person, 20) == 0)
        edo_sleep(EDO_US(pick(person, 1500))); /* long enough for a hand-over now and then */
}

/* --- What people do ----------------------------------------------------------------------------------------------- */

static void do_mutex(struct person *person)
{
    for (uint32_t i = pick(person, 20); i > 0; i--) {
        if (!happened(edo_mutex_lock_until(&town.mutex, some_deadline(person))))
            return;
        REQUIRE(atomic_fetch_add(&town.holders, 1) == 0);
        town.guarded++;
        atomic_fetch_add(&town.expected, 1);
        dawdle(person);
        REQUIRE(atomic_fetch_sub(&town.holders, 1) == 1);
        edo_mutex_unlock(&town.mutex);
    }
}

static void do_read(struct person *person)
{
    if (!happened(edo_rwlock_read_lock_until(&town.rwlock, some_deadline(person))))
        return;
    atomic_fetch_add(&town.readers, 1);
    REQUIRE(atomic_load(&town.writers) == 0 && town.pair[0] == town.pair[1]);
    dawdle(person);
    REQUIRE(atomic_load(&town.writers) == 0 && town.pair[0] == town.pair[1]);
    atomic_fetch_sub(&town.readers, 1);
    edo_rwlock_read_unlock(&town.rwlock);
}

static void do_write(struct person *person)
{
    if (!happened(edo_rwlock_write_lock_until(&town.rwlock, some_deadline(person))))
        return;
    REQUIRE(atomic_fetch_add(&town.writers, 1) == 0 && atomic_load(&town.readers) == 0);
    town.pair[0]++;
    dawdle(person);
    town.pair[1]++;
    REQUIRE(atomic_load(&town.readers) == 0);
    atomic_fetch_sub(&town.writers, 1);
    edo_rwlock_write_unlock(&town.rwlock);
}

static void do_semaphore(struct person *person)
{
    int permits = 1 + (int)pick(person, PERMITS);

    if (pick(person, 8) == 0) {
        REQUIRE(edo_semaphore_adjust(&town.semaphore, -permits) == 0);
        REQUIRE(edo_semaphore_adjust(&town.semaphore, permits) == 0);
    }
    if (!happened(edo_semaphore_acquire_until(&town.semaphore, permits, some_deadline(person))))
        return;
    REQUIRE(atomic_fetch_add(&town.permits_out, permits) + permits <= PERMITS);
    dawdle(person);
    atomic_fetch_sub(&town.permits_out, permits);
    REQUIRE(edo_semaphore_release(&town.semaphore, permits) == 0);
}

static void do_make(struct person *person)
{
    for (uint32_t i = pick(person, 8); i > 0; i--) {
        atomic_fetch_add(&town.made, 1);
        atomic_fetch_add(&town.items, 1);
        edo_notify_one(&town.notify);
    }
}

static bool take_item(void)
{
    int64_t left = atomic_load(&town.items);

    while (left > 0 && !atomic_compare_exchange_weak(&town.items, &left, left - 1))
        ;
    if (left > 0)
        atomic_fetch_add(&town.taken, 1);
    return left > 0;
}

/* Takes an item, or waits for one for a while: there may be nobody left who makes any. */
static void do_take(struct person *person)
{
    if (take_item())
        return;
    if (happened(edo_notify_wait_until(&town.notify, edo_now() + EDO_US(pick(person, 500)))))
        take_item();
}

/* Takes all that there are, and never gives up: what notifications say is never missed. */
static int collector(void *argument)
{
    (void)argument;
    while (!atomic_load(&town.over) || atomic_load(&town.items) > 0)
        if (!take_item())
            REQUIRE(edo_notify_wait(&town.notify) == 0);
    return 0;
}

static int initialise(void *argument)
{
    int i = (int)(intptr_t)argument;
    int rc = edo_in_task() ? edo_yield() : 0;

    if (rc < 0)
        return rc;
    if (atomic_fetch_add(&town.once_tries[i], 1) < 3)
        return -EAGAIN;
    REQUIRE(atomic_fetch_add(&town.once_done[i], 1) == 0);
    return 0;
}

static void do_once(struct person *person)
{
    intptr_t i = pick(person, SLOTS);
    int rc = edo_once_call(&town.onces[i], initialise, (void *)i);

    REQUIRE(rc == 0 || rc == -EAGAIN || rc == -ECANCELED);
    if (rc == 0)
        REQUIRE(atomic_load(&town.once_done[i]) == 1);
}

/* --- Things of one moment: a barrier, a wait group, a token, which go as soon as the last has left them ----------- */

struct party {
    edo_barrier barrier;
    edo_wait_group group;
    edo_mutex mutex;
    _Atomic int leaders;
    uint64_t random;
    uint32_t guests;
};

static int guest(void *argument)
{
    struct party *party = argument;
    int rc = edo_barrier_wait(&party->barrier);

    REQUIRE(rc == 0 || rc == 1 || rc == -ECANCELED);
    if (rc > 0)
        atomic_fetch_add(&party->leaders, 1);
    if (edo_mutex_lock(&party->mutex) == 0)
        edo_mutex_unlock(&party->mutex);
    edo_wait_group_done(&party->group);
    return 0;
}

static void do_party(struct person *person)
{
    struct party party = {.guests = 1 + pick(person, 4), .random = person->random};
    bool stopped = false;
    int rc = 0;

    edo_barrier_init(&party.barrier, party.guests);
    edo_wait_group_add(&party.group, party.guests);
    EDO_SCOPE (scope, &rc) {
        for (uint32_t i = 0; i < party.guests; i++)
            REQUIRE(edo_spawn(scope, guest, &party) == 0);
        if (pick(person, 3) == 0)
            edo_scope_cancel(scope);
        if (happened(edo_wait_group_wait(&party.group)))
            edo_wait_group_finish(&party.group);
        stopped = edo_cancelled();
    }
    REQUIRE(atomic_load(&party.leaders) == 1 || (stopped && atomic_load(&party.leaders) == 0));
    edo_barrier_finish(&party.barrier);
    edo_mutex_finish(&party.mutex);
}

static int waits_for_token(void *argument)
{
    int rc = edo_token_wait(argument);

    REQUIRE(rc == 0 || rc == -ECANCELED);
    return 0;
}

static void do_token(struct person *person)
{
    edo_token leaf;
    int rc = 0;

    edo_token_init(&leaf, &town.branches[pick(person, SLOTS)]);
    EDO_SCOPE (scope, &rc) {
        REQUIRE(edo_spawn(scope, waits_for_token, &leaf) == 0);
        if (pick(person, 2))
            REQUIRE(edo_token_link(&leaf, scope) == 0);
        dawdle(person);
        edo_token_cancel(&leaf);
    }
    edo_token_finish(&leaf);
}

/* --- People ------------------------------------------------------------------------------------------------------- */

static void (*const things[])(struct person *) = {do_mutex, do_read, do_semaphore, do_write, do_make, do_take,
                                                  do_once,  do_read, do_mutex,     do_party, do_token};
enum { FOR_THREADS = 7 };

static int lives(void *argument)
{
    struct person person = {.random = (uintptr_t)argument, .task = true};

    while (edo_now() < town.end) {
        int rc = 0;

        EDO_SCOPE (day, &rc, .timeout = pick(&person, 3) ? 0 : EDO_US(1 + pick(&person, 500))) {
            if (pick(&person, 4) == 0)
                REQUIRE(edo_token_link(&town.branches[pick(&person, SLOTS)], day) == 0);
            for (uint32_t i = pick(&person, 12); i > 0; i--)
                things[pick(&person, EDO_COUNT(things))](&person);
        }
        REQUIRE(rc == 0 || rc == -ETIMEDOUT);
    }
    return 0;
}

static void *thread_lives(void *argument)
{
    struct person person = {.random = (uintptr_t)argument};

    while (edo_now() < town.end)
        things[pick(&person, FOR_THREADS)](&person);
    return NULL;
}

/* What a monitor does, far more often; and branches are cancelled, each for good, over the whole time. */
static void *thread_disturbs(void *argument)
{
    struct person person = {.random = (uintptr_t)argument};
    int64_t begin = edo_now();
    int branch = 0;

    while (!atomic_load(&town.over)) {
        struct timespec time = {0, EDO_US(pick(&person, 300))};

        for (uint32_t i = pick(&person, 20); i > 0; i--)
            take_worker(&town.runtime->workers[pick(&person, (uint32_t)town.runtime->worker_count)]);
        if (branch < SLOTS - 1 && edo_now() > begin + (town.end - begin) * (branch + 1) / SLOTS)
            edo_token_cancel(&town.branches[branch++]);
        nanosleep(&time, NULL);
    }
    return NULL;
}

static int live(void *argument)
{
    pthread_t threads[3];
    int rc = 0;

    (void)argument;
    town.runtime = edo_thread_self()->runtime;
    for (uintptr_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, thread_lives, (void *)(town.seed + i)) == 0);
    REQUIRE(pthread_create(&threads[2], NULL, thread_disturbs, (void *)(town.seed + 2)) == 0);
    EDO_SCOPE (all, &rc) {
        REQUIRE(edo_spawn(all, collector, NULL) == 0);
        EDO_SCOPE (people, &rc)
            for (uintptr_t i = 0; i < PEOPLE; i++)
                REQUIRE(edo_spawn(people, lives, (void *)(town.seed + 3 + i)) == 0);
        REQUIRE(rc == 0);
        for (int i = 0; i < 3; i++) {
            if (i == 2) /* nobody makes items any more, also no thread */
                atomic_store(&town.over, true);
            edo_blocking_begin();
            pthread_join(threads[i], NULL);
            edo_blocking_end();
        }
        edo_notify_one(&town.notify);
    }
    return rc;
}

static void run_town(int workers)
{
    memset(&town, 0, sizeof town);
    town.seed = edo_test_seed();
    town.end = edo_now() + edo_test_duration();
    edo_semaphore_init(&town.semaphore, PERMITS);
    for (int i = 0; i < SLOTS; i++)
        edo_token_init(&town.branches[i], &town.root);
    assert_int_equal(
        edo_run(live, NULL, EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE)), 0);
    assert_int_equal(town.guarded, town.expected);
    assert_int_equal(town.pair[0], town.pair[1]);
    assert_int_equal(edo_semaphore_available(&town.semaphore), PERMITS);
    assert_int_equal(edo_semaphore_try_acquire(&town.semaphore, PERMITS), 0);
    assert_int_equal(edo_mutex_try_lock(&town.mutex), 0);
    assert_int_equal(edo_rwlock_try_write_lock(&town.rwlock), 0);
    assert_int_equal(town.items, 0);
    assert_int_equal(town.made, town.taken);
    for (int i = 0; i < SLOTS; i++)
        edo_token_finish(&town.branches[i]);
    printf("# %d workers: %lld waits completed, %lld given up, %lld items\n", workers, (long long)town.completed,
           (long long)town.cancelled, (long long)town.taken);
}

static void test_c3_counts_hold_on_1_worker(void **state)
{
    (void)state;
    run_town(1);
}

static void test_c3_counts_hold_on_2_workers(void **state)
{
    (void)state;
    run_town(2);
}

static void test_c3_counts_hold_on_4_workers(void **state)
{
    (void)state;
    run_town(4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c3_counts_hold_on_1_worker),
        cmocka_unit_test(test_c3_counts_hold_on_2_workers),
        cmocka_unit_test(test_c3_counts_hold_on_4_workers),
    };

    edo_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
