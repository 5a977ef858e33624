/* SPDX-License-Identifier: MIT */
/*
 * Mutex, rwlock, semaphore, notify, barrier, once, wait group and token under the sweeps (rules C2, C3, F1): what a
 * cancelled call has not got is not held, and who comes after gets it.
 */
#include "testing/sweeps.h"

#include <edo/sync.h>
#include <edo/token.h>

enum { HELD, DONE, TAKEN, GIVEN, COUNT };

static struct {
    edo_mutex mutex;
    edo_rwlock rwlock;
    edo_semaphore semaphore;
    edo_notify notify;
    edo_barrier barrier;
    edo_once once;
    edo_wait_group group;
    edo_token token;
} shared;

/* Three tasks that do the same, in a scope of their own. */
static int three_of(struct book *book, edo_task_fn fn)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(scope, fn, book);
    }
    return rc;
}

static int64_t soon(void)
{
    return edo_now() + EDO_MS(50);
}

/* --- Mutex and rwlock --------------------------------------------------------------------------------------------- */

static int locks(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = i == 1 ? edo_mutex_lock_until(&shared.mutex, soon()) : edo_mutex_lock(&shared.mutex);
        if (rc == 0) {
            CHECK_RC(atomic_fetch_add(&book->count[HELD], 1), 0);
            rc = edo_yield();
            atomic_fetch_sub(&book->count[HELD], 1);
            edo_mutex_unlock(&shared.mutex);
        }
    }
    return rc;
}

static int row_mutex(void *argument)
{
    int rc;

    edo_mutex_init(&shared.mutex);
    rc = three_of(argument, locks);
    CHECK_RC(edo_mutex_try_lock(&shared.mutex), 0); /* nobody has kept it */
    edo_mutex_unlock(&shared.mutex);
    edo_mutex_finish(&shared.mutex);
    return rc;
}

static int reads_and_writes(void *argument)
{
    struct book *book = argument;
    int rc = edo_rwlock_read_lock(&shared.rwlock);

    if (rc == 0) {
        CHECK_RC(book_get(book, HELD), 0);
        rc = edo_yield();
        CHECK_RC(book_get(book, HELD), 0);
        edo_rwlock_read_unlock(&shared.rwlock);
    }
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = i ? edo_rwlock_write_lock_until(&shared.rwlock, soon()) : edo_rwlock_write_lock(&shared.rwlock);
        if (rc == 0) {
            CHECK_RC(atomic_fetch_add(&book->count[HELD], 1), 0);
            rc = edo_yield();
            atomic_fetch_sub(&book->count[HELD], 1);
            edo_rwlock_write_unlock(&shared.rwlock);
        }
    }
    if (rc == 0)
        rc = edo_rwlock_read_lock_until(&shared.rwlock, soon());
    if (rc == 0)
        edo_rwlock_read_unlock(&shared.rwlock);
    return rc;
}

static int row_rwlock(void *argument)
{
    int rc;

    edo_rwlock_init(&shared.rwlock);
    rc = three_of(argument, reads_and_writes);
    CHECK_RC(edo_rwlock_try_write_lock(&shared.rwlock), 0);
    edo_rwlock_write_unlock(&shared.rwlock);
    edo_rwlock_finish(&shared.rwlock);
    return rc;
}

/* --- Semaphore, barrier, wait group ------------------------------------------------------------------------------- */

static int acquires(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        rc =
            i ? edo_semaphore_acquire_until(&shared.semaphore, 2, soon()) : edo_semaphore_acquire(&shared.semaphore, 2);
        if (rc == 0) {
            CHECK(atomic_fetch_add(&book->count[HELD], 2) <= 1);
            rc = edo_yield();
            atomic_fetch_sub(&book->count[HELD], 2);
            edo_semaphore_release(&shared.semaphore, 2);
        }
    }
    return rc;
}

static int row_semaphore(void *argument)
{
    int rc;

    edo_semaphore_init(&shared.semaphore, 3);
    rc = three_of(argument, acquires);
    CHECK_RC(edo_semaphore_available(&shared.semaphore), 3);
    edo_semaphore_finish(&shared.semaphore);
    return rc;
}

static int meets(void *argument)
{
    int rc = edo_barrier_wait(&shared.barrier);

    book_add(argument, COUNT, rc >= 0);
    if (rc >= 0)
        rc = edo_barrier_wait_until(&shared.barrier, soon());
    return rc < 0 ? rc : 0;
}

static int row_barrier(void *argument)
{
    int rc;

    edo_barrier_init(&shared.barrier, 3);
    rc = three_of(argument, meets);
    CHECK(book_get(argument, COUNT) == 0 || book_get(argument, COUNT) == 3);
    CHECK_RC(shared.barrier.arrived_, 0); /* who gave up does not count */
    edo_barrier_finish(&shared.barrier);
    return rc;
}

static int finishes_one(void *argument)
{
    int rc = edo_yield();

    book_add(argument, DONE, 1);
    edo_wait_group_done(&shared.group);
    return rc;
}

static int row_wait_group(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    edo_wait_group_init(&shared.group);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++) {
            rc = edo_spawn(scope, finishes_one, book);
            if (rc == 0)
                edo_wait_group_add(&shared.group, 1);
        }
        if (rc == 0) {
            rc = edo_wait_group_wait(&shared.group);
            CHECK(rc == 0 ? book_get(book, DONE) == 2 : rc == -ECANCELED);
        }
        if (rc == 0)
            rc = edo_wait_group_wait_until(&shared.group, soon());
    }
    edo_wait_group_finish(&shared.group);
    return rc;
}

/* --- Notify, once, token ------------------------------------------------------------------------------------------ */

static int is_notified(void *argument)
{
    int rc = edo_notify_wait(&shared.notify);

    book_add(argument, TAKEN, rc == 0);
    if (rc == 0) {
        rc = edo_notify_wait_until(&shared.notify, soon());
        book_add(argument, TAKEN, rc == 0);
    }
    book_add(argument, COUNT, 1);
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* A permit or a notification goes to one that waits, or stays; it never goes with one that was cancelled. */
static int row_notify(void *argument)
{
    struct book *book = argument;
    uint32_t epoch;
    int rc = 0;

    edo_notify_init(&shared.notify);
    epoch = edo_notify_epoch(&shared.notify);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, is_notified, book);
        while (rc == 0 && book_get(book, COUNT) < 2) {
            edo_notify_one(&shared.notify);
            book_add(book, GIVEN, 1);
            rc = edo_yield();
        }
    }
    CHECK(book_get(book, TAKEN) <= book_get(book, GIVEN)); /* permits do not add up */
    CHECK(rc < 0 || book_get(book, TAKEN) >= 2);
    edo_notify_all(&shared.notify);
    if (rc == 0)
        rc = edo_notify_wait_since(&shared.notify, epoch, EDO_FOREVER); /* it has been */
    edo_notify_finish(&shared.notify);
    return rc;
}

static int initialises(void *argument)
{
    int rc = edo_yield();

    book_add(argument, DONE, rc == 0);
    return rc;
}

static int calls_once(void *argument)
{
    int rc = edo_once_call(&shared.once, initialises, argument);

    CHECK(rc == 0 ? book_get(argument, DONE) == 1 && edo_once_done(&shared.once) : rc == -ECANCELED);
    return rc;
}

static int row_once(void *argument)
{
    int rc;

    edo_once_init(&shared.once);
    rc = three_of(argument, calls_once);
    CHECK(book_get(argument, DONE) == edo_once_done(&shared.once));
    edo_once_finish(&shared.once);
    return rc;
}

static int waits_for_token(void *argument)
{
    int rc = edo_token_wait(&shared.token);

    CHECK(rc == 0 ? edo_token_cancelled(&shared.token) : rc == -ECANCELED);
    book_add(argument, TAKEN, rc == 0);
    return rc < 0 ? rc : edo_token_wait_until(&shared.token, soon());
}

static int row_token(void *argument)
{
    struct book *book = argument;
    int rc = 0;

    edo_token_init(&shared.token, NULL);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, waits_for_token, book);
        if (rc == 0)
            rc = edo_yield();
        edo_token_cancel(&shared.token);
    }
    edo_token_finish(&shared.token);
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_mutex_lock edo_mutex_lock_until", row_mutex, 20, true},
    {"edo_rwlock_read_lock edo_rwlock_read_lock_until edo_rwlock_write_lock edo_rwlock_write_lock_until", row_rwlock,
     20, true},
    {"edo_semaphore_acquire edo_semaphore_acquire_until", row_semaphore, 16, true},
    {"edo_barrier_wait edo_barrier_wait_until", row_barrier, 8, true},
    {"edo_wait_group_wait edo_wait_group_wait_until", row_wait_group, 6, true},
    {"edo_notify_wait edo_notify_wait_until edo_notify_wait_since", row_notify, 10, true},
    {"edo_once_call", row_once, 6, true},
    {"edo_token_wait edo_token_wait_until", row_token, 6, true},
};

static void test_c2_c3_f1_every_call_bears_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_every_call_bears_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], edo_test_rounds(20));
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_locks", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_every_call_bears_faulty_weather),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
