/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a direction of a source, inline: a server goes this way with every request, from inside of its read. See
 * poller.h for the protocol and switch.h for the way to the next task.
 */
#ifndef EDO_RUNTIME_SOURCE_WAIT_H
#define EDO_RUNTIME_SOURCE_WAIT_H

#include "runtime/poller.h"
#include "runtime/switch.h"

/*
 * Parks once, until the direction may be ready: 0, and *seen is its readiness then, which may be none, as the task may
 * have been woken for something else; -EBADF; -EBUSY; errors of epoll_ctl. *seen is what the caller saw last: that the
 * source is registered lasts. The caller is a user of the source, OUTSIDE on `thread`, and has asked whether `task` is
 * cancelled since that parked last: a cancellation after that is a notification, with which parking ends at once.
 * `*kept` is the source too, set down (EDO_SET_DOWN) for use behind the switch.
 */
EDO_ALWAYS_INLINE int edo_source_wait_once(uint32_t *seen, struct edo_source *source, struct edo_source *const *kept,
                                           int direction, struct edo_thread *thread, struct edo_task *task)
{
    int rc;

    if (__builtin_expect(*seen & EDO_UNREGISTERED, 0)) {
        rc = edo_source_register(source, direction, NULL);
        if (rc < 0)
            return rc;
        thread = edo_thread_self();
    }
    thread = edo_enter(thread);
    rc = edo_source_enlist(source, direction, task);
    if (__builtin_expect(rc == 0, 1)) {
        edo_source_ready(source, direction, seen);
        if (__builtin_expect(!(*seen & (edo_ready_bit(direction) | EDO_SHUT)), 1)) {
            if (!EDO_CONTEXT_NOTES)
                edo_task_note_place(task);
            thread = edo_park_inline(thread, task);
        } else if (*seen & EDO_SHUT) {
            rc = -EBADF;
        }
        if (__builtin_expect(edo_source_has_waiter(*kept, direction), 0))
            edo_source_delist(*kept, direction, thread->current);
        edo_source_ready(*kept, direction, seen);
    }
    edo_leave(thread);
    return rc;
}

#endif
