/* SPDX-License-Identifier: MIT */
/*
 * Dumps at a signal. The handler raises a word and wakes the thread that sleeps on it, by one futex(2) call, which is
 * async-signal-safe: nothing is taken, allocated or looked at in it. That thread writes the dump, and sleeps again; so
 * nobody is woken for it while no signal comes.
 *
 * `asked` is raised by the handler, and read by the thread before it writes; if it was raised meanwhile it writes
 * again. What is to be written, and where, is under `lock`.
 */
#include "observe/dump.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

static struct {
    struct edo_lock lock;
    int signal; /* 0: none yet; never another one */
    int fd;
    edo_dump_options options;
    struct sigaction before;
    uint32_t asked; /* futex */
} edo_dumper;

static void edo_dump_signal_handle(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = &edo_dumper.before;
    int error = errno;

    __atomic_fetch_add(&edo_dumper.asked, 1, __ATOMIC_RELEASE);
    edo_platform_system.futex_wake(&edo_dumper.asked, 1);
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(number, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(number);
    errno = error;
}

static void *edo_dump_signal_main(void *none)
{
    uint32_t written = 0;

    (void)none;
    for (;;) {
        uint32_t asked = __atomic_load_n(&edo_dumper.asked, __ATOMIC_ACQUIRE);
        edo_dump_options options;
        int fd;

        if (asked == written) {
            edo_platform_system.futex_wait(&edo_dumper.asked, asked, EDO_FOREVER);
            continue;
        }
        written = asked;
        edo_lock_acquire(&edo_dumper.lock);
        options = edo_dumper.options;
        fd = edo_dumper.fd;
        edo_lock_release(&edo_dumper.lock);
        edo_dump(fd, &options);
    }
    return NULL;
}

/* Under the lock: the thread, and the handler. */
static int edo_dump_signal_begin(int number)
{
    enum { EDO_DUMPER_STACK = 256 * 1024 };
    struct sigaction action = {.sa_sigaction = edo_dump_signal_handle,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    pthread_t thread;
    int rc;

    if (sigaction(number, NULL, &edo_dumper.before) < 0)
        return -errno;
    rc = edo_masked_thread_start(&edo_platform_system, &thread, EDO_DUMPER_STACK, edo_dump_signal_main, NULL);
    if (rc < 0)
        return rc;
    pthread_detach(thread);
    edo_dumper.signal = number;
    return sigaction(number, &action, NULL) < 0 ? -errno : 0;
}

int edo_dump_on_signal(int number, int fd, const edo_dump_options *given)
{
    edo_dump_options options;
    int rc = edo_dump_options_check(&options, given);

    if (rc < 0)
        return rc;
    if (number <= 0 || number >= NSIG || number == SIGKILL || number == SIGSTOP || number == SIGSEGV ||
        number == SIGBUS || number == SIGINT || number == SIGTERM)
        return -EINVAL;
    edo_lock_acquire(&edo_dumper.lock);
    if (edo_dumper.signal && edo_dumper.signal != number) {
        rc = -EBUSY;
    } else {
        options.size = sizeof options;
        edo_dumper.options = options;
        edo_dumper.fd = fd;
        if (!edo_dumper.signal)
            rc = edo_dump_signal_begin(number);
    }
    edo_lock_release(&edo_dumper.lock);
    return rc;
}
