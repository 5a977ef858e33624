/* SPDX-License-Identifier: MIT */
/*
 * Signals that tasks wait for. A real handler notes a signal in each open handle that wants it, as a bit, and writes to
 * the handle's eventfd, on which its tasks wait; then it calls whom it found installed.
 *
 * The handler takes no lock. It walks the list of handles, counted in `at_work` while it does; a handle that is closed
 * leaves the list first (seq_cst), and its memory goes when nobody is at work any more. The handler's copy of the
 * earlier handler is made in that time too. Everything else lies under `lock`: who is in the list, and how many want
 * each signal.
 *
 * The eventfd is a semaphore. Whoever sets a bit adds one to it, afterwards; whoever looks for a bit takes one off
 * first, if there is one: so there are never fewer than bits, counting those that are about to be added, and nobody
 * sleeps while a bit is set. A close adds more than anybody will take off.
 *
 * Handlers are a stack of which we are one layer. When nobody wants a signal any more, what was there before is put
 * back, if we are still on top; else we stay below, and pass on what comes. The kernel's default for a signal that
 * nobody wants is ours to give only if it was the kernel that called us; whoever is above us has decided otherwise.
 */
#include "platform/lock.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"

#include <edo/signal.h>
#include <edo/stream.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>

enum { EDO_SIGNALS_MOST = 64 };

struct edo_signal {
    _Atomic(struct edo_signal *) next;
    uint64_t wanted; /* a bit for each number, from 1 */
    _Atomic uint64_t pending;
    _Atomic bool closed;
    _Atomic uint32_t users; /* the handle, until it is closed, and the calls at work */
    int event;
};

static struct {
    struct edo_lock lock;
    _Atomic(struct edo_signal *) first;
    _Atomic int at_work;
    struct {
        struct sigaction before;
        int wanted;     /* by how many handles */
        bool installed; /* our handler is somewhere in the stack, above `before` */
    } of[EDO_SIGNALS_MOST + 1];
} signals;

static uint64_t edo_signal_bit(int number)
{
    return UINT64_C(1) << (number - 1);
}

static void edo_signal_ring(struct edo_signal *signal, uint64_t times)
{
    edo_platform->write(signal->event, &times, sizeof times);
}

/* --- The handler -------------------------------------------------------------------------------------------------- */

static void edo_signal_arrive(int number, siginfo_t *info, void *context);

/* Whether ours is the handler that the kernel calls. */
static bool edo_signal_on_top(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == edo_signal_arrive;
}

static void edo_signal_arrive(int number, siginfo_t *info, void *context)
{
    struct sigaction before;
    bool wanted = false;
    int error = errno;

    atomic_fetch_add(&signals.at_work, 1);
    before = signals.of[number].before;
    /* In a child of fork the handles are the parent's, and so are the eventfds. */
    for (struct edo_signal *signal = edo_in_forked_child() ? NULL : atomic_load(&signals.first); signal;
         signal = atomic_load(&signal->next))
        if (signal->wanted & edo_signal_bit(number)) {
            if (!(atomic_fetch_or(&signal->pending, edo_signal_bit(number)) & edo_signal_bit(number)))
                edo_signal_ring(signal, 1);
            wanted = true;
        }
    atomic_fetch_sub(&signals.at_work, 1);
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler == SIG_DFL) {
        if (!wanted && edo_signal_on_top(number) && atomic_load(&edo_signals_chaining) == 0) {
            signal(number, SIG_DFL);
            raise(number);
        }
    } else if (before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    }
    errno = error;
}

/* --- Installing it, under the lock -------------------------------------------------------------------------------- */

static int edo_signal_want(int number)
{
    struct sigaction action = {.sa_sigaction = edo_signal_arrive, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (!signals.of[number].installed) {
        if (sigaction(number, NULL, &signals.of[number].before) < 0)
            return -EINVAL;
        sigemptyset(&action.sa_mask);
        if (sigaction(number, &action, NULL) < 0)
            return -EINVAL;
        signals.of[number].installed = true;
    }
    signals.of[number].wanted++;
    return 0;
}

static void edo_signal_unwant(int number)
{
    if (--signals.of[number].wanted > 0 || !edo_signal_on_top(number))
        return; /* who is above us calls us */
    sigaction(number, &signals.of[number].before, NULL);
    signals.of[number].installed = false;
}

/* Installs handlers for the set; those that it has installed when one is refused go again. */
static int edo_signal_want_all(uint64_t set)
{
    for (int number = 1; number <= EDO_SIGNALS_MOST; number++) {
        int rc = set & edo_signal_bit(number) ? edo_signal_want(number) : 0;

        if (rc < 0) {
            while (--number > 0)
                if (set & edo_signal_bit(number))
                    edo_signal_unwant(number);
            return rc;
        }
    }
    return 0;
}

/* --- Opening, waiting, closing ------------------------------------------------------------------------------------ */

/* 0: these cannot be waited for. */
static uint64_t edo_signal_set(const int *numbers, size_t count)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    uint64_t bits = 0;

    for (size_t i = 0; i < count; i++) {
        if (numbers[i] < 1 || numbers[i] > EDO_SIGNALS_MOST)
            return 0;
        bits |= edo_signal_bit(numbers[i]);
    }
    for (size_t i = 0; i < EDO_COUNT(never); i++)
        if (bits & edo_signal_bit(never[i]))
            return 0;
    return bits;
}

int edo_signal_open(edo_signal **out, const int *numbers, size_t count)
{
    struct edo_task *task = edo_task_self();
    edo_signal *signal;
    uint64_t wanted;
    int rc;

    if (!task)
        return -EPERM;
    if (task->home->runtime->hooks)
        return -ENOTSUP;
    wanted = edo_signal_set(numbers, count);
    if (!wanted)
        return -EINVAL;
    signal = (edo_signal *)edo_platform->allocate(sizeof *signal);
    if (!signal)
        return -ENOMEM;
    rc = edo_platform->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    if (rc < 0) {
        edo_platform->release(signal);
        return rc;
    }
    signal->event = rc;
    signal->wanted = wanted;
    atomic_init(&signal->users, 1);
    edo_lock_acquire(&signals.lock);
    rc = edo_signal_want_all(wanted);
    if (rc == 0) {
        atomic_init(&signal->next, atomic_load(&signals.first));
        atomic_store(&signals.first, signal);
    }
    edo_lock_release(&signals.lock);
    if (rc < 0) {
        edo_platform->close(signal->event);
        edo_platform->release(signal);
        return rc;
    }
    *out = signal;
    return 0;
}

static void edo_signal_leave(edo_signal *signal)
{
    if (atomic_fetch_sub_explicit(&signal->users, 1, memory_order_acq_rel) != 1)
        return;
    edo_platform->close(signal->event);
    edo_platform->release(signal);
}

/* Takes one that has come; 0: there is none. */
static int edo_signal_take(edo_signal *signal)
{
    uint64_t pending = atomic_load(&signal->pending);

    while (pending)
        if (atomic_compare_exchange_weak(&signal->pending, &pending, pending & (pending - 1)))
            return __builtin_ctzll(pending) + 1;
    return 0;
}

int edo_signal_wait(int *number, edo_signal *signal)
{
    struct edo_task *task = edo_task_self();
    int taken = 0;
    int rc;

    if (!task)
        return -EPERM;
    atomic_fetch_add_explicit(&signal->users, 1, memory_order_relaxed);
    rc = edo_suspension_point(task);
    while (rc >= 0) {
        uint64_t count;

        edo_platform->read(signal->event, &count, sizeof count);
        if (atomic_load(&signal->closed)) {
            rc = -EBADF;
            break;
        }
        taken = edo_signal_take(signal);
        if (taken)
            break;
        rc = edo_wait_fd(signal->event, EDO_READABLE, EDO_FOREVER);
    }
    if (taken)
        *number = taken;
    edo_signal_leave(signal);
    return taken ? 0 : rc;
}

void edo_signal_close(edo_signal *signal)
{
    _Atomic(struct edo_signal *) *link = &signals.first;

    if (!signal || edo_in_forked_child())
        return;
    edo_lock_acquire(&signals.lock);
    while (atomic_load(link) != signal)
        link = &atomic_load(link)->next;
    atomic_store(link, atomic_load(&signal->next));
    for (int number = 1; number <= EDO_SIGNALS_MOST; number++)
        if (signal->wanted & edo_signal_bit(number))
            edo_signal_unwant(number);
    while (atomic_load(&signals.at_work) > 0) /* on another thread */
        sched_yield();
    edo_lock_release(&signals.lock);
    atomic_store(&signal->closed, true);
    edo_signal_ring(signal, UINT64_C(1) << 62);
    edo_signal_leave(signal);
}
