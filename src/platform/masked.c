/* SPDX-License-Identifier: MIT */
/* A new thread inherits the mask of who starts it, which blocks for so long what the new one is to block for ever. */
#include "platform/masked.h"

int edo_masked_thread_start(const struct edo_platform *platform, pthread_t *out, size_t stack_size,
                            void *(*main)(void *), void *argument)
{
    sigset_t before;
    int rc;

    edo_mask_signals(&before);
    rc = platform->thread_start(out, stack_size, main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
