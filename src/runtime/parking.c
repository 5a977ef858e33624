/* SPDX-License-Identifier: MIT */
/*
 * The parking table (parking.h), and waiting on words (edo/park.h).
 *
 * 1,024 buckets, each with a lock and the lines of all addresses that hash there. The first waiter of a line stands for
 * it in the bucket's ring of lines, so finding a line passes over other lines, not over their waiters; all else is
 * O(1), but for a waiter that comes back to its old place, which passes over those that came back before it.
 *
 * `woken`, like the lists, changes under the bucket's lock. After it is set the waiter's memory may go; so the waker
 * reads what it needs before. A waker that is no task of the waiter's runtime may be slow to come back from waking:
 * then the waiter waits until it has let the bucket go, since its runtime might end.
 *
 * Bucket locks are taken INSIDE (or by foreign threads), and nothing that suspends is called under them.
 */
#include "runtime/parking.h"
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/runtime.h"
#include "runtime/sleeper.h"
#include "runtime/switch.h"
#include "platform/platform.h"

#include <edo/park.h>

#include <errno.h>

enum { EDO_BUCKET_BITS = 10 };

struct edo_bucket {
    struct edo_lock lock;
    struct edo_link *lines; /* a ring; NULL: nobody waits */
    uint64_t tickets;       /* given out so far */
} __attribute__((aligned(64)));

/*
 * By a task of the same runtime; or from elsewhere, where nobody waits for the waker before the runtime is taken apart.
 */
enum edo_woken { EDO_NOT_WOKEN = 0, EDO_WOKEN, EDO_WOKEN_FROM_AFAR };

static struct edo_bucket edo_buckets[1 << EDO_BUCKET_BITS];

static struct edo_bucket *edo_bucket_of(const void *address)
{
    uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);

    return &edo_buckets[hash >> (64 - EDO_BUCKET_BITS)];
}

/* --- Lines -------------------------------------------------------------------------------------------------------- */

static struct edo_parked *edo_parked_of(struct edo_link *link)
{
    return EDO_CONTAINER_OF(link, struct edo_parked, link);
}

static struct edo_parked *edo_bucket_find(struct edo_bucket *bucket, const void *address)
{
    struct edo_link *link = bucket->lines;

    while (link) {
        struct edo_parked *first = EDO_CONTAINER_OF(link, struct edo_parked, lines);

        if (first->address == address)
            return first;
        link = link->next == bucket->lines ? NULL : link->next;
    }
    return NULL;
}

/* A new line, which begins with this waiter. */
static void edo_bucket_add(struct edo_bucket *bucket, struct edo_parked *first)
{
    if (bucket->lines) {
        edo_list_insert_tail(bucket->lines, &first->lines);
    } else {
        edo_list_init(&first->lines);
        bucket->lines = &first->lines;
    }
}

static void edo_bucket_drop(struct edo_bucket *bucket, struct edo_parked *first)
{
    struct edo_link *next = first->lines.next;

    if (next == &first->lines) {
        bucket->lines = NULL;
        return;
    }
    if (bucket->lines == &first->lines)
        bucket->lines = next;
    edo_list_remove(&first->lines);
}

/* Enlists: at the end, or if it has been here before, behind the last of those that came before it. */
static void edo_line_add(struct edo_line *line, struct edo_parked *waiter)
{
    struct edo_parked *at = line->first;
    bool back = waiter->ticket;

    if (!back)
        waiter->ticket = ++line->bucket->tickets;
    if (!at) {
        edo_list_init(&waiter->link);
        edo_bucket_add(line->bucket, waiter);
        line->first = waiter;
        return;
    }
    if (back && waiter->ticket < at->ticket) {
        edo_bucket_drop(line->bucket, at);
        edo_bucket_add(line->bucket, waiter);
        line->first = waiter;
    } else if (back) {
        do
            at = edo_parked_of(at->link.next);
        while (at != line->first && at->ticket < waiter->ticket);
    }
    edo_list_insert_tail(&at->link, &waiter->link); /* before `at`; in a ring, before the first is at the end */
}

static void edo_line_remove(struct edo_line *line, struct edo_parked *waiter)
{
    struct edo_link *next = waiter->link.next;

    if (waiter == line->first) {
        edo_bucket_drop(line->bucket, waiter);
        line->first = next == &waiter->link ? NULL : edo_parked_of(next);
        if (!line->first)
            return;
        edo_bucket_add(line->bucket, line->first);
    }
    edo_list_remove(&waiter->link);
}

/* --- Taking ------------------------------------------------------------------------------------------------------- */

EDO_ALWAYS_INLINE void edo_line_begin_inline(struct edo_line *line, struct edo_thread *thread, const void *address)
{
    line->thread = thread;
    line->bucket = edo_bucket_of(address);
    line->address = address;
    line->taken = NULL;
    edo_lock_acquire(&line->bucket->lock);
    line->first = edo_bucket_find(line->bucket, address);
}

EDO_ALWAYS_INLINE void edo_line_take_inline(struct edo_line *line, struct edo_parked *waiter, uint32_t told)
{
    edo_line_remove(line, waiter);
    waiter->told = told;
    waiter->link.next = NULL;
    if (line->taken)
        line->taken_last->link.next = &waiter->link;
    else
        line->taken = waiter;
    line->taken_last = waiter;
}

static void edo_parked_wake(struct edo_thread *thread, struct edo_parked *waiter)
{
    struct edo_task *task = waiter->task;
    struct edo_thread *near = task && thread && thread->runtime == task->home->runtime ? thread : NULL;

    __atomic_store_n(&waiter->woken, task && !near ? EDO_WOKEN_FROM_AFAR : EDO_WOKEN, __ATOMIC_RELEASE);
    if (task)
        edo_unpark_inside(near, task);
    else
        edo_platform->futex_wake(&waiter->woken, 1);
}

EDO_ALWAYS_INLINE void edo_line_end_inline(struct edo_line *line)
{
    struct edo_parked *waiter = line->taken;

    while (waiter) {
        struct edo_link *next = waiter->link.next;

        edo_parked_wake(line->thread, waiter);
        waiter = next ? edo_parked_of(next) : NULL;
    }
    edo_lock_release(&line->bucket->lock);
}

static struct edo_thread *edo_enter_if_any(void)
{
    struct edo_thread *thread = edo_thread_self();

    return thread ? edo_enter(thread) : NULL;
}

void edo_line_begin_inside(struct edo_line *line, struct edo_thread *thread, const void *address)
{
    edo_line_begin_inline(line, thread, address);
}

void edo_line_begin(struct edo_line *line, const void *address)
{
    edo_line_begin_inline(line, edo_enter_if_any(), address);
}

void edo_line_take(struct edo_line *line, struct edo_parked *waiter, uint32_t told)
{
    edo_line_take_inline(line, waiter, told);
}

void edo_line_end_inside(struct edo_line *line)
{
    edo_line_end_inline(line);
}

void edo_line_end(struct edo_line *line)
{
    edo_line_end_inline(line);
    if (line->thread)
        edo_leave(line->thread);
}

bool edo_line_waited_for(const void *address)
{
    struct edo_line line;
    bool waited_for;

    edo_line_begin(&line, address);
    waited_for = line.first;
    edo_line_end(&line);
    return waited_for;
}

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

/* Gives up waiting: `rc`, with the bucket locked and the waiter out of the line; or 0 if it was taken before. */
static int edo_line_leave(struct edo_line *line, struct edo_parked *waiter, int rc)
{
    edo_lock_acquire(&line->bucket->lock);
    if (waiter->woken) {
        edo_lock_release(&line->bucket->lock);
        return 0;
    }
    line->first = edo_bucket_find(line->bucket, line->address);
    edo_line_remove(line, waiter);
    return rc;
}

static int edo_line_wait_thread(struct edo_line *line, struct edo_parked *waiter, int64_t deadline)
{
    while (!__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE))
        if (edo_platform->futex_wait(&waiter->woken, EDO_NOT_WOKEN, deadline) == -ETIMEDOUT)
            return edo_line_leave(line, waiter, -ETIMEDOUT);
    return 0;
}

static int edo_line_wait_task(struct edo_line *line, struct edo_parked *waiter, struct edo_thread *thread,
                              int64_t deadline)
{
    struct edo_task *task = thread->current;
    bool timed = deadline != EDO_FOREVER;
    struct edo_sleeper sleeper;
    int rc = 0;

    if (timed) {
        sleeper = (struct edo_sleeper){.task = task};
        edo_sleeper_arm(thread, &sleeper, deadline);
    }
    while (!__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE)) {
        if (edo_task_cancelled(task) || (timed && edo_sleeper_fired(&sleeper))) {
            rc = edo_task_cancelled(task) ? -ECANCELED : -ETIMEDOUT;
            break;
        }
        thread = edo_park_inline(thread, task);
    }
    if (timed) /* before the lock: it may leave the runtime for a moment */
        thread = edo_sleeper_disarm(thread, &sleeper);
    line->thread = thread;
    if (rc < 0)
        rc = edo_line_leave(line, waiter, rc);
    if (rc < 0)
        return rc;
    if (__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE) == EDO_WOKEN_FROM_AFAR) {
        edo_lock_acquire(&line->bucket->lock); /* until the waker is done with the task and its runtime */
        edo_lock_release(&line->bucket->lock);
    }
    edo_leave(thread);
    return 0;
}

EDO_ALWAYS_INLINE int edo_line_wait_inline(struct edo_line *line, struct edo_parked *waiter, int64_t deadline)
{
    struct edo_thread *thread = line->thread;
    bool task = thread && thread->current;

    waiter->task = task ? thread->current : NULL;
    waiter->address = line->address;
    waiter->woken = EDO_NOT_WOKEN;
    edo_line_add(line, waiter);
    edo_lock_release(&line->bucket->lock);
    if (task)
        return edo_line_wait_task(line, waiter, thread, deadline);
    EDO_MISUSE_IF(thread, "the callback of a timer waits");
    if (thread) /* its worker waits with it */
        edo_leave(thread);
    line->thread = NULL;
    return edo_line_wait_thread(line, waiter, deadline);
}

int edo_line_wait(struct edo_line *line, struct edo_parked *waiter, int64_t deadline)
{
    return edo_line_wait_inline(line, waiter, deadline);
}

/* --- Words -------------------------------------------------------------------------------------------------------- */

int edo_wait_word(const uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_parked waiter;
    struct edo_line line;
    int rc = task ? edo_suspension_point(task) : edo_in_forked_child() ? -EPERM : 0;

    if (rc < 0)
        return rc;
    edo_parked_init(&waiter, EDO_PARKED_WORD, 0);
    edo_line_begin_inline(&line, edo_enter_if_any(), word);
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected)
        rc = edo_line_wait_inline(&line, &waiter, deadline);
    else
        rc = -EAGAIN;
    if (rc < 0)
        edo_line_end(&line);
    return rc;
}

int edo_wake_word(const uint32_t *word, int count)
{
    struct edo_line line;
    bool refused = false;
    int woken = 0;

    if (edo_in_forked_child())
        return -EPERM;
    edo_line_begin_inline(&line, edo_enter_if_any(), word);
    for (; line.first && woken < count; woken++) {
        refused = line.first->task && edo_hooks_refuse(line.first->task->home->runtime);
        if (refused)
            break;
        edo_line_take_inline(&line, line.first, 0);
    }
    edo_line_end_inline(&line);
    if (line.thread)
        edo_leave(line.thread);
    return refused && woken == 0 ? -ENOTSUP : woken;
}

void edo_lines_each(void (*look)(void *context, const struct edo_parked *waiter), void *context)
{
    for (int i = 0; i < 1 << EDO_BUCKET_BITS; i++) {
        struct edo_bucket *bucket = &edo_buckets[i];
        struct edo_link *link;

        edo_lock_acquire(&bucket->lock);
        link = bucket->lines;
        while (link) {
            struct edo_parked *first = EDO_CONTAINER_OF(link, struct edo_parked, lines);
            struct edo_parked *at = first;

            do {
                look(context, at);
                at = edo_parked_of(at->link.next);
            } while (at != first);
            link = link->next == bucket->lines ? NULL : link->next;
        }
        edo_lock_release(&bucket->lock);
    }
}
