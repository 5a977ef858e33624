/* SPDX-License-Identifier: MIT */
/*
 * Lines of waiters: what edo_wait_word and all of sync/ wait in, tasks and plain threads alike.
 *
 * The parking table has a line for each address that anybody waits on. A line is not part of the object at that
 * address: it stands in a bucket of the table, under the bucket's lock. So whoever releases an object can decide under
 * that lock whom to wake and what the object's word is to be, store the word as the last thing it does with the object,
 * and only then wake: the object may be gone by then.
 *
 *     edo_line_begin(&line, object);                       the bucket is locked, the runtime entered
 *     ... look at the object's word and at the line, change both ...
 *
 *         edo_line_take(&line, waiter, told);              out of the line; woken by the end
 *         edo_line_end(&line);
 *     or
 *         rc = edo_line_wait(&line, &waiter, deadline);    0: taken by somebody; the line is ended, waiter.told says
 *         what for if (rc < 0) {                                    gave up, is out of the line, and the bucket is
 *             locked again: ... put the object's word right ...
 *             edo_line_end(&line);
 *         }
 *
 * A waiter is in line or it has been taken, never both: so a wake and a cancellation (or a deadline) are settled by who
 * gets the lock first, and one that was taken has what it waited for, whether it is cancelled by then or not (rule C2).
 *
 * Order is that of arrival. A waiter that was taken in vain and waits again keeps its place: it goes before all that
 * have come later. (So nothing depends on addresses but which bucket is locked.)
 *
 * Between begin and end nothing may be called that suspends, blocks or enters the runtime.
 */
#ifndef EDO_RUNTIME_PARKING_H
#define EDO_RUNTIME_PARKING_H

#include "base/container.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct edo_bucket;
struct edo_task;
struct edo_thread;

/*
 * What stands at the address: for reports (src/observe). Those with an owner begin with two words of 32 bits, then
 * that.
 */
enum edo_parked_kind {
    EDO_PARKED_WORD = 0,
    EDO_PARKED_MUTEX,
    EDO_PARKED_RWLOCK,
    EDO_PARKED_SEMAPHORE,
    EDO_PARKED_NOTIFY,
    EDO_PARKED_BARRIER,
    EDO_PARKED_ONCE,
    EDO_PARKED_WAIT_GROUP
};

/* Lies on the waiting call's frame; see edo_parked_init. After it was woken its memory may go at any moment. */
struct edo_parked {
    struct edo_link link;  /* in its line, a ring without a head */
    struct edo_link lines; /* of the first in line: in the bucket's ring of lines */
    const void *address;
    struct edo_task *task; /* NULL: a thread, which sleeps on `woken` */
    uint64_t ticket;       /* its place in line; 0: it has none yet */
    int64_t want;          /* the object's: what it waits for */
    uint32_t told;         /* what the taker said */
    uint32_t woken;        /* enum edo_woken */
    uint32_t kind;         /* enum edo_parked_kind */
};

struct edo_line {
    struct edo_thread *thread; /* that is INSIDE; NULL: a thread of no runtime */
    struct edo_bucket *bucket;
    const void *address;
    struct edo_parked *first; /* NULL: nobody waits */
    struct edo_parked *taken; /* linked by link.next; to be woken */
    struct edo_parked *taken_last;
};

/* Once, before it waits for the first time. */
static inline void edo_parked_init(struct edo_parked *waiter, enum edo_parked_kind kind, int64_t want)
{
    waiter->kind = kind;
    waiter->ticket = 0;
    waiter->want = want;
}

/* From anywhere but INSIDE. */
void edo_line_begin(struct edo_line *line, const void *address);
void edo_line_end(struct edo_line *line);

/* The same for who is INSIDE already, or (thread NULL) on a thread of no runtime, and stays there. */
void edo_line_begin_inside(struct edo_line *line, struct edo_thread *thread, const void *address);
void edo_line_end_inside(struct edo_line *line);

/* Takes a waiter out of the line. */
void edo_line_take(struct edo_line *line, struct edo_parked *waiter, uint32_t told);

/*
 * Goes to the end of the line (or to its old place) and waits. See above; -ECANCELED only for tasks, -ETIMEDOUT. It is
 * no suspension point of its own: the call it is part of begins with one.
 */
int edo_line_wait(struct edo_line *line, struct edo_parked *waiter, int64_t deadline);

/*
 * Calls look(context, waiter) for each waiter in each line, those of one line in their order, with that bucket locked:
 * the waiter and what stands at its address stay meanwhile. look may do nothing that blocks. For reports, from
 * anywhere.
 */
void edo_lines_each(void (*look)(void *context, const struct edo_parked *waiter), void *context);

/* Whether anybody waits on that address. For checks. From anywhere but INSIDE. */
bool edo_line_waited_for(const void *address);

#endif
