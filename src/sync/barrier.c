/* SPDX-License-Identifier: MIT */
/*
 * The barrier. `arrived_` is how many are in line, and changes under the bucket's lock alone: the last to come takes
 * all out of the line and begins the next round with 0; one who gives up counts itself out.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"

#include <edo/sync.h>

#include <errno.h>

void edo_barrier_init(edo_barrier *barrier, uint32_t count)
{
    *barrier = (edo_barrier)EDO_BARRIER_INIT(count);
}

void edo_barrier_finish(edo_barrier *barrier)
{
    EDO_MISUSE_IF(edo_line_waited_for(barrier), "a barrier was finished that is waited at");
    (void)barrier;
}

int edo_barrier_wait_until(edo_barrier *barrier, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_parked waiter;
    struct edo_line line;
    int rc = task ? edo_suspension_point(task) : 0;

    if (rc < 0)
        return rc;
    edo_line_begin(&line, barrier);
    if (++barrier->arrived_ >= barrier->count_) {
        barrier->arrived_ = 0;
        while (line.first)
            edo_line_take(&line, line.first, 0);
        edo_line_end(&line);
        return 1;
    }
    edo_parked_init(&waiter, EDO_PARKED_BARRIER, 0);
    rc = edo_line_wait(&line, &waiter, deadline);
    if (rc < 0) {
        barrier->arrived_--;
        edo_line_end(&line);
    }
    return rc;
}

int edo_barrier_wait(edo_barrier *barrier)
{
    return edo_barrier_wait_until(barrier, EDO_FOREVER);
}
