/* SPDX-License-Identifier: MIT */
/*
 * After fork(2) in a process where a runtime lives, the child has one thread of many, copies of locks that nobody will
 * release, and the parent's epoll instances. It may only exec (rule F4); until then calls into the runtime answer
 * -EPERM, and closing closes nothing that the parent would notice.
 *
 * `edo_forked` is set in such a child before fork returns there, and never again. The child's thread is then no
 * runtime's (edo_thread_self() is NULL), so that calls for tasks need not ask; those that threads without tasks may
 * make do.
 */
#ifndef EDO_RUNTIME_FORK_H
#define EDO_RUNTIME_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic bool edo_forked;

static inline bool edo_in_forked_child(void)
{
    return __builtin_expect(atomic_load_explicit(&edo_forked, memory_order_relaxed), 0);
}

/* Around a runtime's life: a fork meanwhile is noticed. */
void edo_fork_watch_begin(void);
void edo_fork_watch_end(void);

#endif
