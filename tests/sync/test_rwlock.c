/* SPDX-License-Identifier: MIT */
/*
 * The lock of readers and writers: who is in at the same time, the order, and what those who give up leave to the
 * others.
 */
#include "runtime/helpers.h"

#include <pthread.h>

static edo_rwlock rwlock;
static char order[64];
static int count;
static struct gate leave;

static int reset(void **state)
{
    (void)state;
    rwlock = (edo_rwlock)EDO_RWLOCK_INIT;
    leave.open = 0;
    count = 0;
    memset(order, 0, sizeof order);
    return 0;
}

static int reset_virtual(void **state)
{
    reset(state);
    return virtual_begin(state);
}

#define alone_test(function) cmocka_unit_test_setup_teardown(function, reset_virtual, virtual_end)

/* Go in, say so, wait for the gate, and go out. The argument is the letter, or NULL for the usual one. */
static int reads(void *argument)
{
    CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
    order[count++] = argument ? *(char *)argument : 'r';
    gate_wait(&leave);
    edo_rwlock_read_unlock(&rwlock);
    return 0;
}

static int writes(void *argument)
{
    CHECK_RC(edo_rwlock_write_lock(&rwlock), 0);
    order[count++] = argument ? *(char *)argument : 'w';
    gate_wait(&leave);
    edo_rwlock_write_unlock(&rwlock);
    return 0;
}

static bool is_free(void)
{
    if (edo_rwlock_try_write_lock(&rwlock) < 0)
        return false;
    edo_rwlock_write_unlock(&rwlock);
    return true;
}

static void spawn_all(edo_scope *scope, const char *kinds)
{
    static char letters[16][2];

    for (int i = 0; kinds[i]; i++) {
        letters[i][0] = kinds[i];
        CHECK_RC(edo_spawn(scope, kinds[i] < 'a' ? writes : reads, letters[i]), 0);
        edo_yield();
    }
}

/* Capitals write, the others read. */
static int order_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
        spawn_all(scope, "abCdefGhi");
        CHECK(strcmp(order, "ab") == 0); /* those that came before the writer are in with us */
        CHECK_RC(edo_rwlock_try_read_lock(&rwlock), -EBUSY);
        CHECK_RC(edo_rwlock_try_write_lock(&rwlock), -EBUSY);
        edo_rwlock_read_unlock(&rwlock);
        gate_open(&leave);
    }
    CHECK(strncmp(order, "abC", 3) == 0);
    CHECK(order[6] == 'G'); /* the writers stand where they came; readers between them go in together */
    for (const char *letter = "def"; *letter; letter++)
        CHECK(memchr(order + 3, *letter, 3) != NULL);
    CHECK_RC(count, 9);
    CHECK(is_free());
    return rc;
}

static void test_they_are_let_in_in_the_order_of_arrival(void **state)
{
    (void)state;
    assert_int_equal(run_alone(order_root, NULL), 0);
}

static int together_root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_rwlock_write_lock(&rwlock), 0);
        spawn_all(scope, "abcD");
        CHECK_RC(count, 0);
        edo_rwlock_write_unlock(&rwlock);
        CHECK_RC(edo_rwlock_try_write_lock(&rwlock), -EBUSY);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 3);
        CHECK(!memchr(order, 'D', 4));
        gate_open(&leave);
    }
    CHECK(order[3] == 'D');
    CHECK(is_free());
    return rc;
}

static void test_readers_that_wait_go_in_together(void **state)
{
    (void)state;
    assert_int_equal(run_alone(together_root, NULL), 0);
}

/* Of readers that go on coming none keeps a writer out. */
static int starving_root(void *argument)
{
    int rc = 0;

    (void)argument;
    gate_open(&leave);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
        CHECK_RC(edo_spawn(scope, writes, NULL), 0);
        edo_yield();
        CHECK_RC(edo_spawn(scope, reads, NULL), 0);
        edo_yield();
        edo_rwlock_read_unlock(&rwlock);
        CHECK_RC(edo_rwlock_read_lock(&rwlock), 0); /* behind both */
        CHECK(order[0] == 'w');
        edo_rwlock_read_unlock(&rwlock);
    }
    return rc;
}

static void test_a_writer_is_not_starved_by_readers(void **state)
{
    (void)state;
    assert_int_equal(run_alone(starving_root, NULL), 0);
}

/* --- Giving up ---------------------------------------------------------------------------------------------------- */

struct patience {
    bool writes;
    int64_t timeout, deadline;
    int rc;
};

static int waits_in_vain(void *argument)
{
    struct patience *patience = argument;
    int64_t deadline = patience->deadline ? patience->deadline : EDO_FOREVER;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .timeout = patience->timeout) {
        patience->rc = patience->writes ? edo_rwlock_write_lock_until(&rwlock, deadline)
                                        : edo_rwlock_read_lock_until(&rwlock, deadline);
        (void)scope;
    }
    return 0;
}

static int in_vain_root(void *argument)
{
    struct patience all[4] = {{.timeout = EDO_MS(1)}, {.writes = true, .timeout = EDO_MS(2)}, {0}, {.writes = true}};
    int rc = 0;

    (void)argument;
    all[2].deadline = edo_now() + EDO_MS(3);
    all[3].deadline = edo_now() + EDO_MS(4);
    CHECK_RC(edo_rwlock_write_lock(&rwlock), 0);
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(scope, waits_in_vain, &all[i]), 0);
    for (int i = 0; i < 4; i++)
        CHECK_RC(all[i].rc, i < 2 ? -ECANCELED : -ETIMEDOUT);
    CHECK_RC(edo_rwlock_try_read_lock(&rwlock), -EBUSY);
    edo_rwlock_write_unlock(&rwlock);
    CHECK(is_free());
    edo_scope_cancel(edo_scope_current());
    CHECK_RC(edo_rwlock_read_lock(&rwlock), -ECANCELED);
    CHECK_RC(edo_rwlock_write_lock(&rwlock), -ECANCELED);
    CHECK_RC(edo_rwlock_try_read_lock(&rwlock), 0);
    edo_rwlock_read_unlock(&rwlock);
    CHECK(is_free());
    return rc;
}

static void test_c3_a_cancelled_lock_is_not_held(void **state)
{
    (void)state;
    assert_int_equal(run_alone(in_vain_root, NULL), 0);
}

/* Readers wait behind a writer that waits for a reader; it gives up. */
static int leaving_root(void *argument)
{
    struct patience writer = {.writes = true, .timeout = EDO_MS(5)};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
        CHECK_RC(edo_spawn(scope, waits_in_vain, &writer), 0);
        edo_yield();
        spawn_all(scope, "abCd");
        CHECK_RC(count, 0);
        edo_sleep(EDO_MS(6));
        CHECK_RC(writer.rc, -ECANCELED);
        CHECK_RC(count, 2); /* a and b; C waits for them and for us, and d behind it */
        edo_rwlock_read_unlock(&rwlock);
        edo_sleep(EDO_MS(1));
        CHECK_RC(count, 2);
        gate_open(&leave);
    }
    CHECK(strcmp(order + 2, "Cd") == 0);
    CHECK(is_free());
    return rc;
}

static void test_c2_a_writer_that_gives_up_lets_the_readers_behind_it_in(void **state)
{
    (void)state;
    assert_int_equal(run_alone(leaving_root, NULL), 0);
}

/* The only one in line gives up; the lock is as free as before. */
static int alone_in_line_root(void *argument)
{
    struct patience writer = {.writes = true, .timeout = EDO_MS(1)};

    (void)argument;
    CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
    waits_in_vain(&writer);
    CHECK_RC(writer.rc, -ECANCELED);
    CHECK_RC(edo_rwlock_try_read_lock(&rwlock), 0);
    edo_rwlock_read_unlock(&rwlock);
    edo_rwlock_read_unlock(&rwlock);
    CHECK(is_free());
    return 0;
}

static void test_a_line_that_was_left_is_no_line(void **state)
{
    (void)state;
    assert_int_equal(run_alone(alone_in_line_root, NULL), 0);
}

/* --- A crowd ------------------------------------------------------------------------------------------------------ */

static _Atomic int readers, writers;
static uint64_t written;

static void hammer(uint64_t random, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        if (edo_test_random(&random) % 4) {
            CHECK_RC(edo_rwlock_read_lock(&rwlock), 0);
            atomic_fetch_add(&readers, 1);
            CHECK_RC(atomic_load(&writers), 0);
            if (edo_in_task() && i % 16 == 0)
                edo_yield();
            atomic_fetch_sub(&readers, 1);
            edo_rwlock_read_unlock(&rwlock);
        } else {
            CHECK_RC(edo_rwlock_write_lock(&rwlock), 0);
            CHECK_RC(atomic_fetch_add(&writers, 1), 0);
            CHECK_RC(atomic_load(&readers), 0);
            written++;
            if (edo_in_task() && i % 16 == 0)
                edo_yield();
            atomic_fetch_sub(&writers, 1);
            edo_rwlock_write_unlock(&rwlock);
        }
    }
}

static int hammers(void *argument)
{
    hammer((uintptr_t)argument, edo_test_rounds(10000));
    return 0;
}

static void *thread_hammers(void *argument)
{
    hammer((uintptr_t)argument, edo_test_rounds(10000));
    return NULL;
}

static int crowd(void *argument)
{
    pthread_t threads[2];
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 2; i++)
        CHECK_RC(pthread_create(&threads[i], NULL, thread_hammers, (void *)(uintptr_t)(i + 1)), 0);
    EDO_SCOPE (scope, &rc)
        for (uintptr_t i = 0; i < 6; i++)
            CHECK_RC(edo_spawn(scope, hammers, (void *)(i + 10)), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(is_free());
    return rc;
}

static void test_writers_are_alone(void **state)
{
    (void)state;
    assert_int_equal(run_alone(crowd, NULL), 0);
    assert_int_equal(run(crowd, NULL), 0);
}

/* --- Misuse ------------------------------------------------------------------------------------------------------- */

static int writes_twice(void *argument)
{
    (void)argument;
    CHECK_RC(edo_rwlock_write_lock(&rwlock), 0);
    CHECK_RC(edo_rwlock_read_lock(&rwlock), -EDEADLK);
    CHECK_RC(edo_rwlock_write_lock(&rwlock), -EDEADLK);
    edo_rwlock_write_unlock(&rwlock);
    return 0;
}

static int unlocks_nothing(void *argument)
{
    (void)argument;
    edo_rwlock_read_unlock(&rwlock);
    edo_rwlock_write_unlock(&rwlock);
    return 0;
}

static int unlocks_the_other_way(void *argument)
{
    (void)argument;
    edo_rwlock_read_lock(&rwlock);
    edo_rwlock_write_unlock(&rwlock);
    return 0;
}

static int finishes_held(void *argument)
{
    (void)argument;
    edo_rwlock_read_lock(&rwlock);
    edo_rwlock_finish(&rwlock);
    return 0;
}

static void test_f2_misuse_of_an_rwlock_is_told(void **state)
{
    (void)state;
#ifdef EDO_DEBUG_CHECKS
    assert_misuse(writes_twice, NULL, "locked again");
    assert_misuse(unlocks_nothing, NULL, "nobody holds for reading");
    assert_misuse(unlocks_the_other_way, NULL, "does not hold it for writing");
    assert_misuse(finishes_held, NULL, "finished that is held");
#else
    (void)unlocks_the_other_way;
    (void)finishes_held;
    assert_int_equal(run_alone(writes_twice, NULL), 0);
    assert_int_equal(run_alone(unlocks_nothing, NULL), 0);
    assert_true(is_free());
#endif
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        alone_test(test_they_are_let_in_in_the_order_of_arrival),
        alone_test(test_readers_that_wait_go_in_together),
        alone_test(test_a_writer_is_not_starved_by_readers),
        alone_test(test_c3_a_cancelled_lock_is_not_held),
        alone_test(test_c2_a_writer_that_gives_up_lets_the_readers_behind_it_in),
        alone_test(test_a_line_that_was_left_is_no_line),
        cmocka_unit_test_setup(test_writers_are_alone, reset),
        cmocka_unit_test_setup(test_f2_misuse_of_an_rwlock_is_told, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
