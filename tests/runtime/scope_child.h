/* SPDX-License-Identifier: MIT */
/*
 * A child task that does as it is told, and reports what it saw: for the tests of scopes. It belongs to whoever made
 * it.
 */
#ifndef EDO_TESTS_RUNTIME_SCOPE_CHILD_H
#define EDO_TESTS_RUNTIME_SCOPE_CHILD_H

#include "helpers.h"

/* What a child reports. */
struct child {
    int result;    /* to return; 0: what its wait returned */
    int64_t sleep; /* it waits for so long; 0: not at all */
    int rounds;    /* it gives so many turns first, cancelled or not */
    bool refused;  /* it was cancelled when its turns were over */
    int waited;    /* what its wait returned */
    int reason;    /* why it was cancelled */
    bool ended;
    struct gate *after; /* it returns only when this is open, cancelled or not */
};

static inline int child_run(void *argument)
{
    struct child *child = argument;

    for (int i = 0; i < child->rounds; i++)
        edo_yield();
    child->refused = edo_cancelled();
    if (child->sleep)
        child->waited = edo_sleep(child->sleep);
    child->reason = edo_cancel_reason();
    while (child->after && !__atomic_load_n(&child->after->open, __ATOMIC_SEQ_CST))
        edo_yield();
    child->ended = true;
    return child->result ? child->result : child->waited;
}

static inline int child_start(edo_scope *scope, struct child *child)
{
    return CHECK_RC(edo_spawn(scope, child_run, child), 0) ? 0 : -ENOMEM;
}

#endif
