/* SPDX-License-Identifier: MIT */
/*
 * Writes without SIGPIPE where no flag prevents it: what send has MSG_NOSIGNAL for. A thread that blocks the signal
 * already keeps the one that it may get, as with any write; from the others it is taken away before they could see it.
 * No data.
 */
#include "platform/platform_linux.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void sigpipe_hold(sigset_t *before)
{
    sigset_t sigpipe;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, before);
}

/* `n`: what the call answered; `refused`: the signal may have come. */
static ssize_t sigpipe_release(const sigset_t *before, ssize_t n, bool refused)
{
    const struct timespec at_once = {0, 0};
    sigset_t sigpipe;

    if (refused && !sigismember(before, SIGPIPE)) {
        sigemptyset(&sigpipe);
        sigaddset(&sigpipe, SIGPIPE);
        while (sigtimedwait(&sigpipe, NULL, &at_once) < 0 && edo_system_failure() == -EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, before, NULL);
    return n;
}

ssize_t edo_system_pipe_writev(int fd, const struct iovec *pieces, int pieces_count)
{
    sigset_t before;
    ssize_t n;

    sigpipe_hold(&before);
    n = edo_system_count(writev(fd, pieces, pieces_count));
    return sigpipe_release(&before, n, n == -EPIPE);
}

ssize_t edo_system_sendfile(int fd, int file, off_t offset, size_t size)
{
    sigset_t before;
    ssize_t n;

    sigpipe_hold(&before);
    n = edo_system_count(sendfile(fd, file, &offset, size));
    /* It sends pieces: one that was refused, with the signal, behind others that went, makes a short count. */
    return sigpipe_release(&before, n, n == -EPIPE || (n > 0 && (size_t)n < size));
}
