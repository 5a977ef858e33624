/* SPDX-License-Identifier: MIT */
/*
 * SIGINT and SIGTERM ask the outermost runtime to end; a second one ends the process (rule F3).
 *
 * The handler is a real one and does only what a handler may: it sets a flag and writes to the workers' eventfds. A
 * worker then cancels the root scope. If none ever does, because all are stuck, the second signal is given its default
 * meaning and raised again. Handlers that were there before are called too; signals that were ignored stay ignored. The
 * process has one such runtime at a time; edo_signal_runtime is that one.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

static const int edo_signals[] = {SIGINT, SIGTERM};
static struct sigaction edo_signals_before[EDO_COUNT(edo_signals)];
static _Atomic(struct edo_runtime *) edo_signal_runtime;
static _Atomic bool edo_signal_seen;
_Atomic int edo_signals_chaining;
static _Atomic int edo_signal_handlers; /* at work now: the runtime they look at must not go away */

/* Calls the handler that was there before; false if there was none. */
static bool edo_signal_chain(int number, siginfo_t *info, void *context)
{
    for (size_t i = 0; i < EDO_COUNT(edo_signals); i++) {
        struct sigaction *before = &edo_signals_before[i];

        if (edo_signals[i] != number)
            continue;
        if (before->sa_flags & SA_SIGINFO)
            before->sa_sigaction(number, info, context);
        else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
            before->sa_handler(number);
        else
            return false;
        return true;
    }
    return false;
}

static void edo_signal_handle(int number, siginfo_t *info, void *context)
{
    struct edo_runtime *runtime;
    int before = errno;
    bool first;

    atomic_fetch_add(&edo_signal_handlers, 1);
    runtime = atomic_load(&edo_signal_runtime);
    first = runtime && !atomic_exchange(&edo_signal_seen, true);
    if (first) {
        atomic_store(&runtime->signalled, true);
        for (int i = 0; i < runtime->worker_count; i++)
            edo_poller_wake(&runtime->workers[i].poller);
    }
    atomic_fetch_sub(&edo_signal_handlers, 1);
    atomic_fetch_add(&edo_signals_chaining, 1);
    /* Without a runtime: it has ended since this handler was chosen, so the signal is the earlier handler's alone. */
    if ((!first && runtime) || (!edo_signal_chain(number, info, context) && !first)) {
        signal(number, SIG_DFL);
        raise(number);
    }
    atomic_fetch_sub(&edo_signals_chaining, 1);
    errno = before;
}

bool edo_signals_begin(struct edo_runtime *runtime)
{
    struct edo_runtime *none = NULL;
    struct sigaction action = {.sa_sigaction = edo_signal_handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (runtime->options.signals != EDO_SIGNALS_DEFAULT)
        return false;
    if (!atomic_compare_exchange_strong(&edo_signal_runtime, &none, runtime))
        return false;
    atomic_store(&edo_signal_seen, false);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < EDO_COUNT(edo_signals); i++) {
        sigaction(edo_signals[i], NULL, &edo_signals_before[i]);
        if ((edo_signals_before[i].sa_flags & SA_SIGINFO) || edo_signals_before[i].sa_handler != SIG_IGN)
            sigaction(edo_signals[i], &action, NULL);
    }
    return true;
}

void edo_signals_forget(void)
{
    atomic_store(&edo_signal_runtime, NULL);
}

void edo_signals_end(struct edo_runtime *runtime)
{
    if (atomic_load(&edo_signal_runtime) != runtime)
        return;
    for (size_t i = 0; i < EDO_COUNT(edo_signals); i++)
        sigaction(edo_signals[i], &edo_signals_before[i], NULL);
    atomic_store(&edo_signal_runtime, NULL);
    while (atomic_load(&edo_signal_handlers) > 0) /* on another thread */
        sched_yield();
}
