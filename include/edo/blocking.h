/* SPDX-License-Identifier: MIT */
/*
 * Work that blocks its thread: calls into libraries and the kernel that know nothing of tasks.
 */
#ifndef EDO_BLOCKING_H
#define EDO_BLOCKING_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_blocking_options {
    size_t size;
    bool abandonable; /* the job owns all it touches: a cancelled caller does not wait for its end (rule C7) */
    size_t copy;      /* copy so many bytes from `argument`; the job gets the copy's address */
    void (*drop)(void *argument); /* called when the job will not run, or after it ran abandoned: free what it owns */
} edo_blocking_options;

/*
 * edo_blocking(fn, argument, .abandonable = true) runs fn(argument) on a thread where blocking is allowed and waits for
 * its return value, which it returns. The threads are bounded (edo_run_options.blocking_threads); jobs queue when all
 * are busy. fn runs in no task: it may call what plain threads may (edo_run, edo_wait_word, channels), and nothing
 * else.
 *
 * -ECANCELED: fn has not run and will not (rule C2); or it was declared abandonable and goes on by itself. Once it runs
 * and is not abandonable, the caller waits for its end, cancelled or not. An abandonable job must not touch the
 * caller's stack: .copy its argument, or hand over heap memory and free it in .drop. -ENOMEM, -EAGAIN (no thread to be
 * had), -E2BIG. On a thread that runs no task fn is simply called.
 */
#define edo_blocking(fn, ...)            EDO_BLOCKING_((fn), __VA_ARGS__, .size = sizeof(edo_blocking_options))
#define EDO_BLOCKING_(fn, argument, ...) edo_blocking_with((fn), (argument), &(edo_blocking_options){__VA_ARGS__})
EDO_API int edo_blocking_with(int (*fn)(void *), void *argument, const edo_blocking_options *options);

/*
 * A blocking region: between these two calls the task may block its thread, on its own stack, by calls that are usually
 * short: reading a file that is probably in memory, taking a foreign lock. Nearly free (some ns) when it is short.
 * Tasks that wait on this worker are offered to its siblings when a region begins; a region that stays, for 5 to 10 ms,
 * loses its worker to them, and the task goes on, perhaps on another thread, when it has ended.
 *
 *     rc = edo_blocking_begin();
 *     if (rc < 0)
 *         return rc;
 *     n = pread(fd, buffer, size, offset);
 *     rc = n < 0 ? -errno : 0;          // before the end, behind which errno may be another thread's
 *     edo_blocking_end();
 *
 * For what usually blocks for long (a password to be hashed, a foreign library that talks to a server), what needs much
 * stack, and what shall be dropped while queued or abandoned, there is edo_blocking, whose threads are bounded on their
 * own.
 *
 * Inside a region nothing of Edo may be called but its end, and the task must not return: builds with EDO_DEBUG_CHECKS
 * abort where they notice, which is in all that may wait, wake or spawn. Regions do not nest. Where nobody takes
 * workers (.stall_after = EDO_FOREVER, .pinned) a region keeps its worker until it ends. begin: 0; -ECANCELED: no
 * region has begun. The end is not cancellable. On a thread that runs no task both do nothing.
 */
EDO_API int edo_blocking_begin(void);
EDO_API void edo_blocking_end(void);

#ifdef __cplusplus
}
#endif

#endif
