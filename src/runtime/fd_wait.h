/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a descriptor that is somebody else's (rule S2 f), in parts: for edo_wait_fd, and for selects. Events are
 * bits by direction: 1 << EDO_IN, 1 << EDO_OUT.
 */
#ifndef EDO_RUNTIME_FD_WAIT_H
#define EDO_RUNTIME_FD_WAIT_H

#include "runtime/poller.h"

/*
 * Registers `fd` for one report of `events` with the current worker's poller; from then on the task is unparked when it
 * comes. 0 and a source; -ENOMEM; others of epoll_ctl(2). OUTSIDE.
 */
int edo_fd_wait_begin(struct edo_source **out, int fd, int events, struct edo_task *task);

/* Whether something was reported. After each unpark; it enlists the task again, which a needless wake has taken out. */
bool edo_fd_wait_ready(struct edo_source *source, struct edo_task *task);

/* Takes the registration out: nothing stays. Returns which of `events` were reported, 0 for none. OUTSIDE. */
int edo_fd_wait_end(struct edo_source *source, int events, struct edo_task *task);

/* Which of `events` a descriptor has now, asked of the kernel; 0: none; a negative errno. Costs four syscalls. */
int edo_fd_look(int fd, int events);

#endif
