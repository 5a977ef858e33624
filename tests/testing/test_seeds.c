/* SPDX-License-Identifier: MIT */
/*
 * The runtime's protocols under many seeds: scope and join, cancellation against completion, park and unpark, dormant
 * tasks. Every choice of whom to run next, and whether to go on at a suspension point, is the seed's.
 *
 * EDO_TEST_SEEDS says how many (default 500; ./dev test-deep takes 10,000); they start at EDO_TEST_SEED. One that fails
 * is told, and EDO_SEED=<it> runs it alone.
 */
#include "runtime/helpers.h"

#include <edo/testing.h>

/* --- Seeds -------------------------------------------------------------------------------------------------------- */

/* One run of a scenario, and what all of them have come to: each outcome has to be met. */
struct play {
    uint64_t random;
    _Atomic int64_t count[8];
    uint32_t word[4];
    int queue[64];
    int queued;
};

enum { DONE, CANCELED, OUTCOMES };

static int64_t outcomes[OUTCOMES];
static char again[128];

static void tell_seed(int number)
{
    (void)!write(2, again, strlen(again));
    signal(number, SIG_DFL);
    raise(number);
}

static void seed_failed(void)
{
    (void)!write(2, again, strlen(again));
    fail();
}

static uint32_t pick(struct play *play, uint32_t count)
{
    return (uint32_t)(edo_test_random(&play->random) >> 33) % count;
}

static void add(struct play *play, int which, int64_t n)
{
    atomic_fetch_add(&play->count[which], n);
}

static int64_t get(struct play *play, int which)
{
    return atomic_load(&play->count[which]);
}

static int64_t outcome(int64_t rc)
{
    outcomes[rc == -ECANCELED ? CANCELED : DONE]++;
    return rc;
}

static void run_seed(uint64_t seed, edo_task_fn fn, int schedule)
{
    struct play play = {.random = seed};
    int rc;

    snprintf(again, sizeof again, "seed 0x%llx failed; it alone: EDO_SEED=0x%llx\n", (unsigned long long)seed,
             (unsigned long long)seed);
    atomic_store(&test_failures, 0);
    rc = edo_test_run(fn, &play, EDO_OPTIONS(edo_test_options, .seed = seed, .schedule = schedule));
    if (rc != 0 || atomic_load(&test_failures) > 0) {
        print_error("the run gave %d\n", rc);
        seed_failed();
    }
}

static void run_seeds(edo_task_fn fn)
{
    const char *count = getenv("EDO_TEST_SEEDS");
    const char *only = getenv("EDO_SEED");
    int seeds = count ? atoi(count) : edo_test_rounds(500);
    uint64_t seed = edo_test_seed();

    memset(outcomes, 0, sizeof outcomes);
    signal(SIGABRT, tell_seed);
    signal(SIGALRM, tell_seed);
    for (int i = 0; i < seeds; i++, seed++) {
        alarm(20 * EDO_TEST_SCALE); /* a lost wake */
        if (only)
            seed = strtoull(only, NULL, 0);
        run_seed(seed + (seed == 0), fn, seed & 1 ? EDO_SCHEDULE_RANDOM : EDO_SCHEDULE_PCT);
        if (only)
            break;
    }
    alarm(0);
    signal(SIGABRT, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    print_message("# %d seeds: %lld calls done, %lld cancelled\n", seeds, (long long)outcomes[DONE],
                  (long long)outcomes[CANCELED]);
    if (only)
        return;
    assert_true(outcomes[DONE] > seeds / 10);
    assert_true(outcomes[CANCELED] > seeds / 10);
}

/* Cancels the scope it lives in after some turns, or never. */
struct end {
    edo_scope *scope;
    uint32_t turns;
};

static int ends(void *argument)
{
    struct end *end = argument;

    for (uint32_t i = 0; i < end->turns; i++)
        edo_yield();
    edo_scope_cancel(end->scope);
    return 0;
}

static void spawn_end(struct play *play, edo_scope *scope, uint32_t turns)
{
    struct end end = {scope, pick(play, turns)};

    if (pick(play, 6) > 0)
        CHECK_RC(edo_spawn(scope, ends, &end, .copy = sizeof end), 0);
}

/* --- Scope and join ----------------------------------------------------------------------------------------------- */

enum { SPAWNED, RAN };

/* A scope, and how many live in it: in the frame around it. */
struct house {
    edo_scope *scope;
    int alive;
};

struct node {
    struct play *play;
    struct house *house; /* where it lives */
    int depth;
    int result;
};

static int tree(void *argument);

static void spawn_node(struct play *play, struct house *house, int depth, int result, edo_task **handle)
{
    struct node node = {play, house, depth, result};

    house->alive++;
    add(play, SPAWNED, 1);
    CHECK_RC(edo_spawn(house->scope, tree, &node, .copy = sizeof node, .handle = handle), 0);
}

static int tree(void *argument)
{
    struct node node = *(struct node *)argument;
    struct play *play = node.play;
    int rc = (int)outcome(pick(play, 2) ? edo_yield() : 0);
    struct house house = {NULL, 0};

    if (node.depth < 3 && rc == 0) {
        int policy = pick(play, 2) ? EDO_SUPERVISE : EDO_FAIL_FAST;

        EDO_SCOPE (scope, &rc, .policy = policy) {
            house.scope = scope;
            for (uint32_t i = pick(play, 4); i > 0; i--) /* some are sisters rather than children */
                spawn_node(play, pick(play, 4) == 0 ? node.house : &house, node.depth + 1,
                           pick(play, 5) == 0 ? -EXDEV : (int)i, NULL);
            if (pick(play, 2)) {
                edo_task *task = NULL;
                int result = 99;

                spawn_node(play, &house, 3, 7, &task);
                rc = (int)outcome(edo_join(&result, task));
                CHECK(rc == 0 ? result == 7 || result == -ECANCELED : result == 99);
                if (rc < 0)
                    edo_detach(task);
            }
            if (pick(play, 3) == 0) {
                int first = edo_scope_join(scope);

                CHECK(first == 0 || ((first == -EXDEV || first == -ECANCELED) && policy == EDO_FAIL_FAST));
                CHECK_RC(house.alive, 0);
            }
            if (pick(play, 4) == 0)
                edo_scope_cancel(scope);
        }
        CHECK_RC(house.alive, 0);
        CHECK(rc == 0 || rc == -EXDEV || rc == -ECANCELED);
    }
    node.house->alive--;
    add(play, RAN, 1);
    return node.depth == 3 && rc == 0 ? node.result : rc < 0 ? rc : 0;
}

static int scope_and_join(void *argument)
{
    struct play *play = argument;
    struct house house = {NULL, 0};
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        house.scope = scope;
        spawn_end(play, scope, 12);
        spawn_node(play, &house, 0, 0, NULL);
    }
    CHECK_RC(house.alive, 0);
    CHECK_RC(get(play, RAN), get(play, SPAWNED)); /* C4, C10 */
    CHECK(rc == 0 || rc == -ECANCELED);
    return 0;
}

static void test_c4_c8_c9_c10_scope_and_join(void **state)
{
    (void)state;
    run_seeds(scope_and_join);
}

/* --- Cancellation against completion ------------------------------------------------------------------------------ */

enum { GIVEN, CONSUMED, HELD, TOKENS_OUT, ROUNDS };

static int lock_take(struct play *play, uint32_t *word)
{
    uint32_t none = 0;

    if (__atomic_compare_exchange_n(word, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
        int rc = (int)outcome(edo_wait_word(word, 2, EDO_FOREVER));

        add(play, CONSUMED, rc == 0);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return 0;
}

static void lock_put(struct play *play, uint32_t *word)
{
    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        add(play, GIVEN, edo_wake_word(word, 1));
}

/*
 * The lock of the guide, whose waiters may be cancelled. One that was woken and cancelled at the same moment was woken:
 * it takes the lock, and gives it on.
 */
static int locks(void *argument)
{
    struct play *play = argument;

    for (int i = 0; i < 3; i++) {
        int rc = lock_take(play, &play->word[0]);

        if (rc < 0)
            return rc;
        CHECK_RC(atomic_fetch_add(&play->count[HELD], 1), 0);
        edo_yield(); /* cancelled or not, it is held */
        atomic_fetch_sub(&play->count[HELD], 1);
        lock_put(play, &play->word[0]);
        add(play, ROUNDS, 1);
    }
    return 0;
}

static int sleeps(void *argument)
{
    struct play *play = argument;
    int64_t until = edo_now() + (int64_t)pick(play, 30) * 1000;
    int rc = (int)outcome(edo_sleep_until(until));

    CHECK(rc == 0 ? edo_now() >= until : rc == -ECANCELED && edo_cancelled());
    return rc;
}

static int waits(void *argument)
{
    struct play *play = argument;
    int rc = (int)outcome(edo_wait_word(&play->word[1], 0, EDO_FOREVER));

    CHECK(rc == 0 || rc == -EAGAIN || rc == -ECANCELED);
    add(play, CONSUMED, rc == 0);
    return rc == -EAGAIN ? 0 : rc;
}

static int wakes(void *argument)
{
    struct play *play = argument;

    for (int i = 0; i < 3; i++) {
        edo_yield();
        add(play, GIVEN, edo_wake_word(&play->word[1], 1));
    }
    play->word[1] = 1;
    add(play, GIVEN, edo_wake_word(&play->word[1], INT_MAX));
    return 0;
}

static int cancel_and_complete(void *argument)
{
    struct play *play = argument;
    int rc = 0;

    EDO_SCOPE (outer, NULL, .policy = EDO_SUPERVISE) {
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 3; i++) {
                CHECK_RC(edo_spawn(scope, locks, play), 0);
                CHECK_RC(edo_spawn(scope, waits, play), 0);
            }
            CHECK_RC(edo_spawn(scope, sleeps, play), 0);
            CHECK_RC(edo_spawn(outer, wakes, play), 0);
            spawn_end(play, scope, 12);
        }
    }
    CHECK_RC(get(play, CONSUMED), get(play, GIVEN)); /* C2: no wake was lost, none came twice */
    CHECK_RC(get(play, HELD), 0);
    CHECK(play->word[0] != 1); /* 2 may stay behind one that gave up; who comes next finds it free */
    return 0;
}

static void test_c2_c3_cancellation_against_completion(void **state)
{
    (void)state;
    run_seeds(cancel_and_complete);
}

/* --- Park and unpark ---------------------------------------------------------------------------------------------- */

enum { PUT = 0, TAKEN, LOST };

/* A bounded queue on two words, each raised with every change: whoever misses a wake hangs. */
static int puts_in(void *argument)
{
    struct play *play = argument;

    for (int i = 0; i < 8; i++) {
        while (play->queued == 2) {
            uint32_t seen = play->word[0];
            int rc = (int)outcome(edo_wait_word(&play->word[0], seen, EDO_FOREVER));

            if (rc == -ECANCELED)
                return rc;
        }
        play->queue[play->queued++] = i;
        add(play, PUT, 1);
        play->word[1]++;
        edo_wake_word(&play->word[1], 1);
        if (pick(play, 3) == 0)
            edo_yield();
    }
    return 0;
}

static int takes_out(void *argument)
{
    struct play *play = argument;

    for (int i = 0; i < 8; i++) {
        while (play->queued == 0) {
            uint32_t seen = play->word[1];
            int rc = (int)outcome(edo_wait_word(&play->word[1], seen, EDO_FOREVER));

            if (rc == -ECANCELED)
                return rc;
        }
        play->queued--;
        add(play, TAKEN, 1);
        play->word[0]++;
        edo_wake_word(&play->word[0], 1);
        if (pick(play, 3) == 0)
            edo_yield();
    }
    return 0;
}

static int park_and_unpark(void *argument)
{
    struct play *play = argument;
    int rc = 0;

    EDO_SCOPE (outer, NULL, .policy = EDO_SUPERVISE) {
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 2; i++) {
                CHECK_RC(edo_spawn(scope, puts_in, play), 0);
                CHECK_RC(edo_spawn(scope, takes_out, play), 0);
            }
            if (pick(play, 2))
                spawn_end(play, scope, 30);
        }
    }
    CHECK_RC(get(play, PUT), get(play, TAKEN) + play->queued);
    return 0;
}

static void test_s6_park_and_unpark(void **state)
{
    (void)state;
    run_seeds(park_and_unpark);
}

/* A wake goes to one that waits: whoever gives up takes none along. Half of them are never cancelled, and end so. */
struct waiter {
    struct play *play;
    int number;
};

static int waits_for_its_wake(void *argument)
{
    struct waiter waiter = *(struct waiter *)argument;
    struct play *play = waiter.play;
    int rc = (int)outcome(edo_wait_word(&play->word[2], 0, EDO_FOREVER));

    CHECK(rc == 0 || rc == -ECANCELED);
    if (rc == 0)
        add(play, 3 + waiter.number % 2, 1);
    return rc;
}

static int one_by_one(void *argument)
{
    struct play *play = argument;
    int64_t given = 0;
    int rc = 0;

    EDO_SCOPE (odd, &rc, .policy = EDO_SUPERVISE) {
        int inner = 0;

        EDO_SCOPE (even, &inner, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 6; i++) {
                struct waiter waiter = {play, i};

                CHECK_RC(edo_spawn(i % 2 ? odd : even, waits_for_its_wake, &waiter, .copy = sizeof waiter), 0);
            }
            spawn_end(play, even, 10);
            for (int i = 0; i < 4; i++) {
                edo_yield();
                given += edo_wake_word(&play->word[2], 1);
            }
            edo_scope_cancel(even);
        }
        while (get(play, 4) < 3) { /* the odd ones are not cancelled: each is woken in the end */
            edo_yield();
            given += edo_wake_word(&play->word[2], 1);
        }
    }
    CHECK_RC(get(play, 3) + get(play, 4), given);
    CHECK_RC(get(play, 4), 3);
    return 0;
}

static void test_c3_a_wake_goes_to_one_that_waits(void **state)
{
    (void)state;
    run_seeds(one_by_one);
}

/* --- Dormant tasks ------------------------------------------------------------------------------------------------ */

enum { DORMANT, RESUMED };

static int resumed(void *argument)
{
    struct play *play = argument;
    int why = (int)outcome(edo_resumption());

    CHECK(why == 0 || (why == -ECANCELED && edo_cancelled()));
    if (why == 0 && pick(play, 3) > 0)
        return edo_continue(pick(play, 2) ? EDO_WHEN_NOW : EDO_WHEN_AT(edo_now() + (int64_t)pick(play, 20) * 1000),
                            resumed, play);
    add(play, RESUMED, 1);
    return why;
}

static int dormant(void *argument)
{
    struct play *play = argument;
    int rc = 0;

    EDO_SCOPE (outer, NULL, .policy = EDO_SUPERVISE) {
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (int i = 0; i < 4; i++) {
                CHECK_RC(
                    edo_spawn(scope, resumed, play,
                              .when = i % 2 ? EDO_WHEN_NOW : EDO_WHEN_AT(edo_now() + (int64_t)pick(play, 20) * 1000)),
                    0);
                add(play, DORMANT, 1);
            }
            spawn_end(play, scope, 10);
        }
    }
    CHECK_RC(get(play, RESUMED), get(play, DORMANT));
    return 0;
}

static void test_k5_dormant_tasks_go_on_once(void **state)
{
    (void)state;
    run_seeds(dormant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c4_c8_c9_c10_scope_and_join),
        cmocka_unit_test(test_c2_c3_cancellation_against_completion),
        cmocka_unit_test(test_s6_park_and_unpark),
        cmocka_unit_test(test_c3_a_wake_goes_to_one_that_waits),
        cmocka_unit_test(test_k5_dormant_tasks_go_on_once),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
