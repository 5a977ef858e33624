/* SPDX-License-Identifier: MIT */
/* Waiting for processes whose handle was closed while they ran. */
#ifndef EDO_IO_REAPER_H
#define EDO_IO_REAPER_H

#include <signal.h>
#include <stdbool.h>

/* First in whatever memory (of edo_platform->allocate) goes with the process. */
struct edo_orphan {
    struct edo_orphan *next;
    int pidfd;
    bool watched; /* the reaper's */
};

/*
 * Takes a process over: when it has ended it is reaped, its pidfd closed and its memory released. Never fails or waits.
 */
void edo_reaper_adopt(struct edo_orphan *orphan);

/* Does for those who could not be watched what can be done now. */
void edo_reaper_look(void);

/* How many there are. For tests. */
int edo_reaper_count(void);

/*
 * waitid on a pidfd, without waiting: 1, it has ended as *info says; -ECHILD: it has ended and somebody took that; 0:
 * it runs.
 */
int edo_reap(siginfo_t *info, int pidfd);

#endif
