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
 * its return value, which it returns. The threads are bounded (edo_run_options.blocking_threads); jobs queue when all are
 * busy. fn must not call what waits in Edo, except edo_run and edo_wait_word.
 *
 * -ECANCELED: fn has not run and will not (rule C2); or it was declared abandonable and goes on by itself. Once it runs and
 * is not abandonable, the caller waits for its end, cancelled or not. An abandonable job must not touch the caller's
 * stack: .copy its argument, or hand over heap memory and free it in .drop.
 * -ENOMEM, -EAGAIN (no thread to be had), -E2BIG. On a thread that runs no task fn is simply called.
 */
#define edo_blocking(fn, ...)            EDO_BLOCKING_((fn), __VA_ARGS__, .size = sizeof(edo_blocking_options))
#define EDO_BLOCKING_(fn, argument, ...) edo_blocking_with((fn), (argument), &(edo_blocking_options){__VA_ARGS__})
EDO_API int edo_blocking_with(int (*fn)(void *), void *argument, const edo_blocking_options *options);

#ifdef __cplusplus
}
#endif

#endif
