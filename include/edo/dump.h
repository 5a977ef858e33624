/* SPDX-License-Identifier: MIT */
/*
 * Task dumps: what every task of a program does at this moment, and what it waits for.
 *
 *     edo_dump(STDERR_FILENO, NULL);
 *     edo_dump_on_signal(SIGUSR1, STDERR_FILENO, EDO_OPTIONS(edo_dump_options, .backtraces = true));
 *
 * A dump is a tree: the root task, the scopes that it has opened, the tasks in those, their scopes. Each task has its
 * number, its name, the place where it was spawned, its state, what it waits for, until when, whether it is cancelled
 * and why, and its age. Of a mutex there is the task that holds it; tasks that wait for each other in a ring are told
 * as a deadlock. It warns of tasks that keep their thread, yield again and again, or wait with a lock that others want;
 * how that is judged is in docs/guide/dumps.md.
 *
 * Nobody is stopped for it, and tasks pay nothing for it while they run. So each task is seen as it was at some moment
 * of the dump, not all at the same one: a task may be missing that was spawned meanwhile, or be shown in a scope that
 * has just ended.
 */
#ifndef EDO_DUMP_H
#define EDO_DUMP_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum edo_dump_format {
    EDO_DUMP_TEXT = 0, /* for people: a line a task */
    EDO_DUMP_JSON      /* for programs: one object, whose form is in docs/guide/dumps.md */
};

typedef struct edo_dump_options {
    size_t size;
    int format;      /* enum edo_dump_format */
    bool backtraces; /* the functions in which each waiting task stands */
    /*
     * Gets the dump in pieces, in order, instead of the descriptor; a negative errno ends it. NULL: to the descriptor.
     */
    int (*write)(void *argument, const char *text, size_t size);
    void *argument;
} edo_dump_options;

/*
 * Writes a dump: from a task, of its runtime; from a thread that runs none, of all runtimes of the process. Options may
 * be NULL.
 *
 * It works on the calling thread, and writes there, as write(2) does: no suspension point, not refused by a
 * cancellation. 100,000 tasks take some tenths of a second; a worker that is kept for so long goes on elsewhere
 * (.stall_after). Allocates with mmap(2) alone, some 300 bytes a task, and gives it back: so it may be called while the
 * heap is locked, or broken.
 *
 * 0; -ENOMEM; -EINVAL for a format that is none; -E2BIG; what write(2) or .write failed with, in the middle of the
 * dump (-EAGAIN from a descriptor that does not block); -EPERM after fork(2). Not in signal handlers.
 */
EDO_API int edo_dump(int fd, const edo_dump_options *options);

/*
 * From now on a dump of all runtimes of the process is written whenever the signal comes. The handler only wakes a
 * thread, which this starts and which otherwise sleeps; that one writes it. So it works while tasks spin, and while
 * they all wait; and with the heap locked. Signals that come while a dump is written have one more written, together. A
 * handler that was there before is called, too. From then on that thread lives; it blocks all signals. Call it again to
 * change descriptor or options (of the latter a copy is kept); one signal at a time.
 *
 * 0; -EINVAL for a signal that cannot be caught, or one that Edo needs (SIGSEGV, SIGBUS, SIGINT, SIGTERM) or a format
 * that is none; -E2BIG; -EBUSY: another signal was given before; -EAGAIN: no thread is to be had; -EPERM after fork(2).
 * Any thread.
 */
EDO_API int edo_dump_on_signal(int signal, int fd, const edo_dump_options *options);

#ifdef __cplusplus
}
#endif

#endif
