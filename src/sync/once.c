/* SPDX-License-Identifier: MIT */
/*
 * Doing something once. The state goes from NEW to RUNNING, and from there to DONE, for good, or back to NEW; all under
 * the bucket's lock. Only DONE is read without it (acquire).
 *
 * Whoever's initialiser has failed hands the turn to the first in line, so the state stays RUNNING; who is given the
 * turn has it, cancelled or not, and passes it on if its own initialiser fails.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"
#include "sync/owner.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_ONCE_NEW = 0, EDO_ONCE_RUNNING, EDO_ONCE_DONE };

void edo_once_init(edo_once *once)
{
    *once = (edo_once)EDO_ONCE_INIT;
}

void edo_once_finish(edo_once *once)
{
    EDO_MISUSE_IF(__atomic_load_n(&once->state_, __ATOMIC_RELAXED) == EDO_ONCE_RUNNING,
                  "a once was finished that runs");
    (void)once;
}

bool edo_once_done(const edo_once *once)
{
    return __atomic_load_n(&once->state_, __ATOMIC_ACQUIRE) == EDO_ONCE_DONE;
}

static void edo_once_set(edo_once *once, uint32_t state)
{
    __atomic_store_n(&once->state_, state, __ATOMIC_RELEASE);
}

/* The caller has the turn. */
static int edo_once_run(edo_once *once, int (*initialise)(void *), void *argument, uint64_t self)
{
    struct edo_line line;
    int rc;

    edo_owner_write(&once->owner_, self);
    rc = initialise(argument);
    edo_owner_write(&once->owner_, 0);
    edo_line_begin(&line, once);
    if (rc < 0 && line.first) {
        edo_line_take(&line, line.first, EDO_ONCE_RUNNING);
    } else {
        while (line.first)
            edo_line_take(&line, line.first, EDO_ONCE_DONE);
        edo_once_set(once, rc < 0 ? EDO_ONCE_NEW : EDO_ONCE_DONE); /* from here on it may be gone */
    }
    edo_line_end(&line);
    return rc < 0 ? rc : 0;
}

/* Waits for what the one that has the turn makes of it: 0: it is done; 1: the caller has the turn. */
static int edo_once_turn(edo_once *once, uint64_t self)
{
    struct edo_parked waiter;
    struct edo_line line;
    int rc;

    EDO_MISUSE_IF(edo_owner_read(&once->owner_) == self, "an initialiser calls the once that it is called by");
    if (edo_owner_read(&once->owner_) == self)
        return -EDEADLK;
    edo_line_begin(&line, once);
    if (once->state_ != EDO_ONCE_RUNNING) {
        rc = once->state_ == EDO_ONCE_DONE ? 0 : 1;
        if (rc == 1)
            edo_once_set(once, EDO_ONCE_RUNNING);
        edo_line_end(&line);
        return rc;
    }
    edo_parked_init(&waiter, EDO_PARKED_ONCE, 0);
    rc = edo_line_wait(&line, &waiter, EDO_FOREVER);
    if (rc < 0) {
        edo_line_end(&line);
        return rc;
    }
    return waiter.told == EDO_ONCE_DONE ? 0 : 1;
}

int edo_once_call(edo_once *once, int (*initialise)(void *), void *argument)
{
    struct edo_task *task = edo_task_self();
    uint64_t self;
    int rc;

    if (edo_once_done(once))
        return 0;
    rc = task ? edo_suspension_point(task) : 0;
    if (rc < 0)
        return rc;
    self = edo_owner_self(task);
    rc = edo_once_turn(once, self);
    return rc == 1 ? edo_once_run(once, initialise, argument, self) : rc;
}
