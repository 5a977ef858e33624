/* SPDX-License-Identifier: MIT */
/*
 * The parking table: order, answers, and that no wake goes to somebody who gave up; for tasks and plain threads on one
 * word, and for words that are gone once the last waiter is woken.
 */
#include "helpers.h"

#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

static uint32_t word;
static _Atomic int counter;
static int arrived[64], arrivals;

/* --- Order and answers, alone in virtual time --------------------------------------------------------------------- */

static int waits_in_line(void *argument)
{
    CHECK_RC(edo_wait_word(&word, 0, EDO_FOREVER), 0);
    arrived[arrivals++] = (int)(intptr_t)argument;
    return 0;
}

static int order_root(void *argument)
{
    int rc = 0;

    (void)argument;
    word = 0;
    arrivals = 0;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_wake_word(&word, 1), 0);
        for (intptr_t i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, waits_in_line, (void *)i), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(edo_wake_word(&word, 0), 0);
        CHECK_RC(edo_wake_word(&word, -5), 0);
        for (int i = 0; i < 5; i++) {
            CHECK_RC(edo_wake_word(&word, 1), 1);
            edo_sleep(EDO_MS(1));
            CHECK_RC(arrivals, i + 1);
        }
        CHECK_RC(edo_wake_word(&word, 7), 7);
        edo_sleep(EDO_MS(1));
        CHECK_RC(arrivals, 12);
        CHECK_RC(edo_wake_word(&word, INT_MAX), 8);
        CHECK_RC(edo_wake_word(&word, INT_MAX), 0);
    }
    /* One by one in the order of arrival; a batch is woken in that order, though the last may run first (LIFO). */
    for (int i = 0; i < 5; i++)
        CHECK_RC(arrived[i], i);
    for (int i = 5; i < 12; i++)
        CHECK(arrived[i] >= 5 && arrived[i] < 12);
    CHECK_RC(arrivals, 20);
    return rc;
}

static void test_waiters_are_woken_in_the_order_of_arrival(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_root, NULL), 0);
}

static int answers_root(void *argument)
{
    int64_t start = edo_now();
    int rc = 0;

    (void)argument;
    word = 5;
    CHECK_RC(edo_wait_word(&word, 0, EDO_FOREVER), -EAGAIN);
    CHECK_RC(edo_wait_word(&word, 5, start + EDO_MS(3)), -ETIMEDOUT);
    CHECK(edo_now() >= start + EDO_MS(3));
    CHECK_RC(edo_wait_word(&word, 5, start), -ETIMEDOUT); /* past */
    CHECK_RC(edo_wait_word(&word, 5, 0), -ETIMEDOUT);
    EDO_TIMEOUT (EDO_MS(1), &rc) {
        CHECK_RC(rc = edo_wait_word(&word, 5, EDO_FOREVER), -ECANCELED);
    }
    CHECK_RC(rc, -ETIMEDOUT);
    CHECK_RC(edo_wake_word(&word, INT_MAX), 0); /* nobody was left behind */
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_wait_word(&word, 5, start), -ECANCELED);
    CHECK_RC(edo_wait_word(&word, 0, EDO_FOREVER), -ECANCELED);
    return 0;
}

static void test_c1_what_a_wait_answers(void **state)
{
    (void)state;
    assert_int_equal(run_alone(answers_root, NULL), 0);
    word = 5;
    assert_int_equal(edo_wait_word(&word, 0, EDO_FOREVER), -EAGAIN);
    assert_int_equal(edo_wait_word(&word, 5, edo_now() + EDO_MS(1)), -ETIMEDOUT);
    assert_int_equal(edo_wait_word(&word, 5, 0), -ETIMEDOUT);
    assert_int_equal(edo_wake_word(&word, 1), 0);
}

/* Of 300 words, more than there are buckets: a wake is for its own word alone. */
static uint32_t words[300];

static int waits_for_its_own(void *argument)
{
    uintptr_t i = (uintptr_t)argument;

    CHECK_RC(edo_wait_word(&words[i], 0, EDO_FOREVER), 0);
    CHECK_RC(words[i], 1);
    atomic_fetch_add(&counter, 1);
    return 0;
}

static int words_root(void *argument)
{
    int rc = 0;

    (void)argument;
    memset(words, 0, sizeof words);
    atomic_store(&counter, 0);
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t k = 0; k < 2; k++)
            for (uintptr_t i = 0; i < EDO_COUNT(words); i++)
                CHECK_RC(edo_spawn(scope, waits_for_its_own, (void *)i), 0);
        edo_sleep(EDO_MS(1));
        for (size_t i = 0; i < EDO_COUNT(words); i++) {
            words[i] = 1;
            CHECK_RC(edo_wake_word(&words[i], INT_MAX), 2);
            edo_sleep(EDO_US(10));
            CHECK_RC(atomic_load(&counter), 2 * (int)(i + 1));
        }
    }
    return rc;
}

static void test_a_wake_is_for_its_own_word(void **state)
{
    (void)state;
    assert_int_equal(run_alone(words_root, NULL), 0);
}

/* --- Wakes against cancellations ---------------------------------------------------------------------------------- */

enum { WAITERS = 6 };

static struct {
    _Atomic int64_t woken, wakes;
    _Atomic bool over;
    uint64_t seed;
} race;

/* Waits, and gives up, at random. What edo_wake_word counted must be what came back with 0. */
static int waits_at_random(void *argument)
{
    uint64_t random = race.seed + (uintptr_t)argument;

    while (!atomic_load(&race.over)) {
        int64_t deadline =
            edo_test_random(&random) % 2 ? EDO_FOREVER : edo_now() + (int64_t)(edo_test_random(&random) % 3000);
        int rc = 0;

        EDO_TIMEOUT (1 + (int64_t)(edo_test_random(&random) % 6000), &rc) {
            rc = edo_wait_word(&word, 0, deadline);
        }
        if (rc == 0)
            atomic_fetch_add(&race.woken, 1);
        else
            CHECK(rc == -ETIMEDOUT);
    }
    return 0;
}

static void *thread_waits_at_random(void *argument)
{
    uint64_t random = race.seed + (uintptr_t)argument;

    while (!atomic_load(&race.over)) {
        int rc = edo_wait_word(&word, 0, edo_now() + (int64_t)(edo_test_random(&random) % 100000));

        if (rc == 0)
            atomic_fetch_add(&race.woken, 1);
        else
            CHECK_RC(rc, -ETIMEDOUT);
    }
    return NULL;
}

static void *thread_wakes(void *argument)
{
    uint64_t random = race.seed + (uintptr_t)argument;

    while (!atomic_load(&race.over)) {
        atomic_fetch_add(&race.wakes, edo_wake_word(&word, 1 + (int)(edo_test_random(&random) % 3)));
        sched_yield();
    }
    return NULL;
}

static int race_root(void *argument)
{
    pthread_t threads[2];
    int rounds = edo_test_rounds(20000);
    int rc = 0;

    (void)argument;
    memset(&race, 0, sizeof race);
    race.seed = edo_test_seed();
    word = 0;
    CHECK_RC(pthread_create(&threads[0], NULL, thread_waits_at_random, (void *)100), 0);
    CHECK_RC(pthread_create(&threads[1], NULL, thread_wakes, (void *)101), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (uintptr_t i = 0; i < WAITERS; i++)
            CHECK_RC(edo_spawn(scope, waits_at_random, (void *)i), 0);
        for (int i = 0; i < rounds; i++) {
            atomic_fetch_add(&race.wakes, edo_wake_word(&word, 1 + i % 2));
            edo_yield();
        }
        atomic_store(&race.over, true);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&race.wakes) > 0);
    CHECK_RC(atomic_load(&race.woken), atomic_load(&race.wakes));
    return rc;
}

static void test_c2_no_wake_is_lost_to_one_that_gave_up(void **state)
{
    (void)state;
    assert_int_equal(run_alone(race_root, NULL), 0);
    assert_int_equal(run(race_root, NULL), 0);
    assert_int_equal(
        run_with(race_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE)), 0);
}

/* The wake comes between the end of a wait and its waiter's leaving the line: it was for this one. */
static int late_wait(uint32_t *address, uint32_t expected, int64_t deadline)
{
    (void)address, (void)expected, (void)deadline;
    atomic_store(&counter, edo_wake_word(&word, 1));
    return -ETIMEDOUT;
}

static void test_c2_a_wake_beats_a_deadline_at_the_same_moment(void **state)
{
    static struct edo_platform table;
    int rc;

    (void)state;
    table = edo_platform_system;
    table.futex_wait = late_wait;
    word = 0;
    edo_platform = &table;
    rc = edo_wait_word(&word, 0, edo_now() + EDO_SEC(1));
    edo_platform = &edo_platform_system;
    assert_int_equal(counter, 1);
    assert_int_equal(rc, 0);
    assert_int_equal(edo_wake_word(&word, 1), 0);
}

/* --- A mutex made of a word --------------------------------------------------------------------------------------- */

static uint32_t mutex; /* 0 free, 1 held, 2 held and perhaps waited for */
static uint64_t guarded;
static int holders;

static int mutex_lock(void)
{
    uint32_t free = 0;

    if (__atomic_compare_exchange_n(&mutex, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    while (__atomic_exchange_n(&mutex, 2, __ATOMIC_ACQUIRE) != 0) {
        int rc = edo_wait_word(&mutex, 2, EDO_FOREVER);

        if (rc == -ECANCELED)
            return rc;
    }
    return 0;
}

static void mutex_unlock(void)
{
    if (__atomic_exchange_n(&mutex, 0, __ATOMIC_RELEASE) == 2)
        edo_wake_word(&mutex, 1);
}

static void hammer(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        CHECK_RC(mutex_lock(), 0);
        CHECK_RC(++holders, 1);
        guarded++;
        if (edo_in_task() && i % 16 == 0)
            edo_yield();
        holders--;
        mutex_unlock();
    }
}

static int hammers(void *argument)
{
    hammer((int)(intptr_t)argument);
    return 0;
}

static void *thread_hammers(void *argument)
{
    hammer((int)(intptr_t)argument);
    return NULL;
}

static int mutex_root(void *argument)
{
    pthread_t threads[2];
    intptr_t rounds = edo_test_rounds(20000);
    int rc = 0;

    (void)argument;
    guarded = 0;
    for (int i = 0; i < 2; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, thread_hammers, (void *)rounds), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 6; i++)
            CHECK_RC(edo_spawn(scope, hammers, (void *)rounds), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_RC((long long)guarded, 8 * rounds);
    return rc;
}

static void test_a_mutex_of_tasks_and_threads(void **state)
{
    (void)state;
    assert_int_equal(run_alone(mutex_root, NULL), 0);
    assert_int_equal(run(mutex_root, NULL), 0);
}

/* --- Words that go away ------------------------------------------------------------------------------------------- */

struct brief {
    uint32_t word;
    struct gate *ready;
};

/* The word lies on a page that is unmapped as soon as its waiter was woken. */
static int waits_and_unmaps(void *argument)
{
    struct brief *brief = argument;

    while (__atomic_load_n(&brief->word, __ATOMIC_ACQUIRE) == 0)
        edo_wait_word(&brief->word, 0, EDO_FOREVER);
    munmap(brief, 4096);
    return 0;
}

static void *wakes_brief(void *argument)
{
    struct brief *brief = argument;

    __atomic_store_n(&brief->word, 1, __ATOMIC_RELEASE);
    edo_wake_word(&brief->word, 1);
    return NULL;
}

static int wakes_brief_task(void *argument)
{
    wakes_brief(argument);
    return 0;
}

static int brief_root(void *argument)
{
    int rounds = edo_test_rounds(300);
    int rc = 0;

    (void)argument;
    for (int i = 0; i < rounds; i++) {
        struct brief *brief = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_t thread;
        bool plain = i % 2;

        EDO_SCOPE (scope, &rc) {
            CHECK_RC(edo_spawn(scope, waits_and_unmaps, brief), 0);
            if (i % 4 > 1)
                edo_sleep(EDO_US(30));
            if (plain)
                CHECK_RC(pthread_create(&thread, NULL, wakes_brief, brief), 0);
            else
                CHECK_RC(edo_spawn(scope, wakes_brief_task, brief), 0);
        }
        if (plain)
            pthread_join(thread, NULL);
    }
    return rc;
}

static void test_a_word_may_go_once_its_waiter_is_woken(void **state)
{
    (void)state;
    assert_int_equal(run_alone(brief_root, NULL), 0);
    assert_int_equal(run(brief_root, NULL), 0);
}

/*
 * A plain thread wakes the root task of a runtime, which ends at once: not before the waker is done with it. Here it is
 * slow to come back from the write that wakes the worker.
 */
static struct {
    uint32_t word;
    _Atomic bool waits, away, back;
} last;

static ssize_t slow_write(int fd, const void *buffer, size_t size)
{
    struct timespec pause = {0, 5000000};
    ssize_t n;

    if (!atomic_load(&last.waits) || edo_in_task())
        return edo_platform_system.write(fd, buffer, size);
    atomic_store(&last.away, true);
    n = edo_platform_system.write(fd, buffer, size);
    nanosleep(&pause, NULL);
    atomic_store(&last.back, true);
    return n;
}

static int waits_last(void *argument)
{
    (void)argument;
    atomic_store(&last.waits, true);
    while (__atomic_load_n(&last.word, __ATOMIC_ACQUIRE) == 0)
        edo_wait_word(&last.word, 0, EDO_FOREVER);
    return 0;
}

static void *wakes_last(void *argument)
{
    struct timespec pause = {0, 2000000};

    (void)argument;
    while (!atomic_load(&last.waits))
        sched_yield();
    nanosleep(&pause, NULL); /* the worker has gone to sleep, most likely; otherwise this round shows nothing */
    __atomic_store_n(&last.word, 1, __ATOMIC_RELEASE);
    edo_wake_word(&last.word, INT_MAX);
    return NULL;
}

static void test_a_waker_from_afar_is_done_before_the_runtime_ends(void **state)
{
    static struct edo_platform table;

    (void)state;
    table = edo_platform_system;
    table.write = slow_write;
    edo_platform = &table;
    for (int i = 0; i < 5; i++) {
        pthread_t thread;

        memset(&last, 0, sizeof last);
        assert_int_equal(pthread_create(&thread, NULL, wakes_last, NULL), 0);
        assert_int_equal(run_alone(waits_last, NULL), 0);
        assert_true(!atomic_load(&last.away) || atomic_load(&last.back));
        pthread_join(thread, NULL);
    }
    edo_platform = &edo_platform_system;
}

/*
 * One wake a round, by a thread that is about as fast as the waiter: it comes before the look, or after the enlisting.
 */
static struct {
    uint32_t word;
    _Atomic uint32_t asked;
    uint32_t rounds;
} duel;

static void *wakes_each_round(void *argument)
{
    uint64_t random = edo_test_seed();

    (void)argument;
    for (uint32_t round = 1; round <= duel.rounds; round++) {
        for (int spins = 0; atomic_load(&duel.asked) < round; spins++)
            if (spins > 10000)
                sched_yield();
        for (volatile uint64_t i = edo_test_random(&random) % 100; i > 0; i--)
            ;
        __atomic_store_n(&duel.word, round, __ATOMIC_SEQ_CST);
        edo_wake_word(&duel.word, 1);
    }
    return NULL;
}

static int waits_each_round(void *argument)
{
    pthread_t thread;

    (void)argument;
    memset(&duel, 0, sizeof duel);
    duel.rounds = (uint32_t)edo_test_rounds(60000);
    CHECK_RC(pthread_create(&thread, NULL, wakes_each_round, NULL), 0);
    for (uint32_t round = 1; round <= duel.rounds; round++) {
        atomic_store(&duel.asked, round);
        while (__atomic_load_n(&duel.word, __ATOMIC_SEQ_CST) != round)
            edo_wait_word(&duel.word, round - 1, EDO_FOREVER);
    }
    pthread_join(thread, NULL);
    return 0;
}

static void test_no_wake_comes_between_the_look_and_the_wait(void **state)
{
    (void)state;
    assert_int_equal(run_alone(waits_each_round, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        virtual_test(test_waiters_are_woken_in_the_order_of_arrival),
        virtual_test(test_a_wake_is_for_its_own_word),
        cmocka_unit_test(test_c1_what_a_wait_answers),
        cmocka_unit_test(test_c2_no_wake_is_lost_to_one_that_gave_up),
        cmocka_unit_test(test_c2_a_wake_beats_a_deadline_at_the_same_moment),
        cmocka_unit_test(test_no_wake_comes_between_the_look_and_the_wait),
        cmocka_unit_test(test_a_mutex_of_tasks_and_threads),
        cmocka_unit_test(test_a_word_may_go_once_its_waiter_is_woken),
        cmocka_unit_test(test_a_waker_from_afar_is_done_before_the_runtime_ends),
    };

    edo_test_seed(); /* before there are threads to ask for it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
