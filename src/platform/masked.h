/* SPDX-License-Identifier: MIT */
/*
 * Threads that begin with signals blocked, but those that a thread brings upon itself.
 *
 * What is sent to the process is for threads that run the program's code. Those of the library that run none of it stay
 * as they begin: a handler of the program's may need more than their small stacks, or take its time. The others take
 * the mask that they are to have when they have come as far as that: whoever started them may have had another one, and
 * ThreadSanitizer loses what comes to a thread that it does not know yet.
 */
#ifndef EDO_PLATFORM_MASKED_H
#define EDO_PLATFORM_MASKED_H

#include "platform/platform.h"

#include <signal.h>

/* Blocks them for the calling thread; *before is the mask that it had. */
static inline void edo_mask_signals(sigset_t *before)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t others;

    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, before);
}

/* As the table's thread_start. 0 or a negative errno. */
int edo_masked_thread_start(const struct edo_platform *platform, pthread_t *out, size_t stack_size,
                            void *(*main)(void *), void *argument);

#endif
