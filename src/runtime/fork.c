/* SPDX-License-Identifier: MIT */
/*
 * What is done in a child of fork(2); see fork.h.
 *
 * The handler runs in the child, where no other thread is: it touches its own thread's pointer and atomics, nothing
 * that could have been locked. vfork(2), posix_spawn(3) and system(3) call no such handlers, and need none.
 */
#include "runtime/fork.h"
#include "runtime/runtime.h"

#include <stddef.h>

_Atomic bool edo_forked;
static _Atomic int edo_runtimes_alive;

static void edo_fork_child(void)
{
    if (atomic_load(&edo_runtimes_alive) == 0)
        return;
    atomic_store(&edo_forked, true);
    edo_thread_set_self(NULL);
    edo_signals_forget();
}

static void edo_fork_watch_once(void)
{
    pthread_atfork(NULL, NULL, edo_fork_child); /* -ENOMEM: a child that does not exec is on its own */
}

void edo_fork_watch_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, edo_fork_watch_once);
    atomic_fetch_add(&edo_runtimes_alive, 1);
}

void edo_fork_watch_end(void)
{
    atomic_fetch_sub(&edo_runtimes_alive, 1);
}
