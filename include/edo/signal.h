/* SPDX-License-Identifier: MIT */
/*
 * Signals as something a task waits for.
 *
 *     static const int wanted[] = {SIGHUP, SIGUSR1};
 *
 *     rc = edo_signal_open(&signals, wanted, EDO_COUNT(wanted));
 *     while (rc == 0 && (rc = edo_signal_wait(&number, signals)) == 0)
 *         act(number);
 *
 * While a signal is open somewhere it does not have its default meaning (SIGHUP does not end the process); the handler
 * that the program had before is called too, and is there again when the last one is closed. That goes for the
 * runtime's own handler of SIGINT and SIGTERM (rule F3): who opens these learns of them, and they cancel the root scope
 * and end the process at the second time as always. A task that shall act on them waits behind a shield, as it is
 * cancelled itself otherwise; or the program takes them into its own hands by edo_run_options.signals =
 * EDO_SIGNALS_IGNORE.
 *
 * Signals of one number that come faster than they are waited for become one, as in the kernel; none is lost entirely:
 * after the last one has come, a wait returns. A signal sent to a thread counts as one sent to the process.
 *
 * These calls are for tasks (-EPERM elsewhere); -ENOTSUP in seeded runs.
 */
#ifndef EDO_SIGNAL_H
#define EDO_SIGNAL_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Somebody who wants to know of some signals. Each of several, opened with the same signals, learns of each of them. */
typedef struct edo_signal edo_signal;

/*
 * From now on signals of these numbers are noted. 0 and a handle that is the caller's; -EINVAL: none, or one that is
 * none or cannot be waited for (SIGKILL, SIGSTOP; SIGSEGV, SIGBUS, SIGFPE, SIGILL, which tell a thread of itself);
 * -EMFILE, -ENOMEM, -ENOTSUP. Never waits.
 */
EDO_API int edo_signal_open(edo_signal **out, const int *numbers, size_t count);

/*
 * Waits for one of the signals and puts its number into *number; of several that have come the lowest first. 0;
 * -ECANCELED: it took none; -EBADF: it was closed meanwhile; -EMFILE, -ENOMEM and others of epoll_ctl(2). Several tasks
 * may wait with one handle: each signal is then for one of them.
 */
EDO_API int edo_signal_wait(int *number, edo_signal *signals);

/* Closes; NULL is accepted. Never waits for long, not a suspension point. No call may begin after it. Any task. */
EDO_API void edo_signal_close(edo_signal *signals);
EDO_AUTO_DEFINE(edo_signal *, edo_signal_close);

#ifdef __cplusplus
}
#endif

#endif
