/* SPDX-License-Identifier: MIT */
/* Waiting for a descriptor that is somebody else's, with a deadline (rule S2 f). The parts are in runtime/fd_wait.c. */
#include "runtime/fd_wait.h"
#include "runtime/runtime.h"
#include "runtime/sleeper.h"

#include <edo/stream.h>

#include <errno.h>

_Static_assert(EDO_READABLE == 1 << EDO_IN && EDO_WRITABLE == 1 << EDO_OUT, "events are bits by direction");

/* Parks until something was reported: 0; -ETIMEDOUT, -ECANCELED. */
static int edo_wait_report(struct edo_source *source, struct edo_task *task, int64_t deadline)
{
    struct edo_sleeper sleeper = {.task = task};
    struct edo_thread *thread = edo_enter(edo_thread_self());
    int rc = 0;

    if (deadline != EDO_FOREVER)
        edo_sleeper_arm(thread, &sleeper, deadline);
    while (!edo_fd_wait_ready(source, task)) {
        if (edo_task_cancelled(task))
            rc = -ECANCELED;
        else if (edo_sleeper_fired(&sleeper))
            rc = -ETIMEDOUT;
        if (rc < 0)
            break;
        thread = edo_park_inside(thread, task);
    }
    thread = edo_sleeper_disarm(thread, &sleeper);
    edo_leave(thread);
    return rc;
}

int edo_wait_fd(int fd, int events, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_source *source;
    int reported;
    int rc;

    if (!task)
        return -EPERM;
    if (!(events & (EDO_READABLE | EDO_WRITABLE)) || (events & ~(EDO_READABLE | EDO_WRITABLE)))
        return -EINVAL;
    rc = edo_suspension_point(task);
    if (rc == 0)
        rc = edo_fd_wait_begin(&source, fd, events, task);
    if (rc < 0)
        return rc;
    rc = edo_wait_report(source, task, deadline);
    reported = edo_fd_wait_end(source, events, task);
    if (rc < 0)
        return rc;
    return reported;
}
