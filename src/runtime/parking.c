/* SPDX-License-Identifier: MIT */
/*
 * The parking table: waiting on words, for tasks and plain threads (edo/park.h).
 *
 * 256 buckets, each with a lock and the waiters of all addresses that hash there, in order of arrival. A waiter lies on
 * the waiting call's frame. It is in its bucket's list, or `woken` is set, never both: both change under the bucket's lock,
 * so a wake and a cancellation (or a deadline) are settled by who gets the lock first. After `woken` is set its memory may
 * go at any moment; so the waker reads what it needs before.
 *
 * Bucket locks are taken INSIDE (or by foreign threads), and nothing that suspends is called under them.
 */
#include "runtime/hooks.h"
#include "runtime/runtime.h"
#include "runtime/sleeper.h"
#include "platform/platform.h"

#include <edo/park.h>

#include <errno.h>

enum { EDO_BUCKETS = 256 };

struct edo_bucket {
    struct edo_lock lock;
    struct edo_link *first; /* a ring of waiters; NULL: none */
} __attribute__((aligned(64)));

struct edo_word_waiter {
    struct edo_link link;
    const uint32_t *address;
    struct edo_task *task; /* NULL: a thread, which sleeps on `woken` */
    uint32_t woken;        /* enum edo_woken */
};

/* By a task of the same runtime; or from elsewhere, where nobody waits for the waker before the runtime is taken apart. */
enum edo_woken { EDO_NOT_WOKEN = 0, EDO_WOKEN, EDO_WOKEN_FROM_AFAR };

static struct edo_bucket edo_buckets[EDO_BUCKETS];

static struct edo_bucket *edo_bucket_of(const uint32_t *address)
{
    uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);

    return &edo_buckets[hash >> 56];
}

static void edo_bucket_append(struct edo_bucket *bucket, struct edo_link *link)
{
    if (!bucket->first) {
        edo_list_init(link);
        bucket->first = link;
    } else {
        edo_list_insert_tail(bucket->first, link);
    }
}

static void edo_bucket_remove(struct edo_bucket *bucket, struct edo_link *link)
{
    if (link->next == link) {
        bucket->first = NULL;
    } else {
        if (bucket->first == link)
            bucket->first = link->next;
        edo_list_remove(link);
    }
}

/* Enlists the waiter if the word has the expected value. */
static int edo_word_enlist(struct edo_bucket *bucket, struct edo_word_waiter *waiter, uint32_t expected)
{
    int rc = 0;

    edo_lock_acquire(&bucket->lock);
    if (__atomic_load_n(waiter->address, __ATOMIC_SEQ_CST) == expected)
        edo_bucket_append(bucket, &waiter->link);
    else
        rc = -EAGAIN;
    edo_lock_release(&bucket->lock);
    return rc;
}

/* Gives up waiting: `rc`, or 0 if the waiter was woken before. */
static int edo_word_delist(struct edo_bucket *bucket, struct edo_word_waiter *waiter, int rc)
{
    edo_lock_acquire(&bucket->lock);
    if (waiter->woken)
        rc = 0;
    else
        edo_bucket_remove(bucket, &waiter->link);
    edo_lock_release(&bucket->lock);
    return rc;
}

static int edo_word_wait_thread(const uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct edo_word_waiter waiter = {.address = word};
    struct edo_bucket *bucket = edo_bucket_of(word);
    int rc = edo_word_enlist(bucket, &waiter, expected);

    if (rc < 0)
        return rc;
    while (!__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE))
        if (edo_platform->futex_wait(&waiter.woken, 0, deadline) == -ETIMEDOUT)
            return edo_word_delist(bucket, &waiter, -ETIMEDOUT);
    return 0;
}

int edo_wait_word(const uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_word_waiter waiter = {.address = word, .task = task};
    struct edo_sleeper sleeper = {.task = task};
    struct edo_bucket *bucket = edo_bucket_of(word);
    struct edo_thread *thread;
    int rc;

    if (!task)
        return edo_word_wait_thread(word, expected, deadline);
    rc = edo_suspension_point(task);
    if (rc < 0)
        return rc;
    thread = edo_enter(edo_thread_self());
    rc = edo_word_enlist(bucket, &waiter, expected);
    if (rc == 0) {
        if (deadline != EDO_FOREVER)
            edo_sleeper_arm(thread, &sleeper, deadline);
        while (!__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE)) {
            if (edo_task_cancelled(task) || edo_sleeper_fired(&sleeper)) {
                rc = edo_word_delist(bucket, &waiter, edo_task_cancelled(task) ? -ECANCELED : -ETIMEDOUT);
                break;
            }
            thread = edo_park_inside(thread, task);
        }
        if (__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE) == EDO_WOKEN_FROM_AFAR) {
            edo_lock_acquire(&bucket->lock); /* until the waker is done with the task and its runtime */
            edo_lock_release(&bucket->lock);
        }
        thread = edo_sleeper_disarm(thread, &sleeper);
    }
    edo_leave(thread);
    return rc;
}

/* Under the bucket's lock; the waiter is out of the list. */
static void edo_word_waiter_wake(struct edo_thread *thread, struct edo_word_waiter *waiter)
{
    struct edo_task *task = waiter->task;
    struct edo_thread *near = task && thread && thread->runtime == task->home->runtime ? thread : NULL;

    __atomic_store_n(&waiter->woken, task && !near ? EDO_WOKEN_FROM_AFAR : EDO_WOKEN, __ATOMIC_RELEASE);
    if (task)
        edo_unpark_inside(near, task);
    else
        edo_platform->futex_wake(&waiter->woken, 1);
}

int edo_wake_word(const uint32_t *word, int count)
{
    struct edo_bucket *bucket = edo_bucket_of(word);
    struct edo_thread *thread = edo_thread_self();
    struct edo_link *link;
    bool refused = false;
    int woken = 0;

    if (thread)
        thread = edo_enter(thread);
    edo_lock_acquire(&bucket->lock);
    link = bucket->first;
    while (link && woken < count) {
        struct edo_word_waiter *waiter = EDO_CONTAINER_OF(link, struct edo_word_waiter, link);
        struct edo_link *next = link->next == bucket->first ? NULL : link->next;

        if (waiter->address == word && waiter->task && edo_hooks_refuse(waiter->task->home->runtime)) {
            refused = true;
        } else if (waiter->address == word) {
            bool was_first = bucket->first == link;

            edo_bucket_remove(bucket, link);
            edo_word_waiter_wake(thread, waiter);
            woken++;
            if (was_first && !bucket->first)
                next = NULL;
        }
        link = next;
    }
    edo_lock_release(&bucket->lock);
    if (thread)
        edo_leave(thread);
    return refused && woken == 0 ? -ENOTSUP : woken;
}

const uint32_t *edo_word_of(const struct edo_task *task)
{
    const uint32_t *word = NULL;

    for (int i = 0; i < EDO_BUCKETS && !word; i++) {
        struct edo_link *link;

        edo_lock_acquire(&edo_buckets[i].lock);
        link = edo_buckets[i].first;
        while (link && !word) {
            struct edo_word_waiter *waiter = EDO_CONTAINER_OF(link, struct edo_word_waiter, link);

            if (waiter->task == task)
                word = waiter->address;
            link = link->next == edo_buckets[i].first ? NULL : link->next;
        }
        edo_lock_release(&edo_buckets[i].lock);
    }
    return word;
}
