/* SPDX-License-Identifier: MIT */
/*
 * The crash report: what the flight recorder has, written by the handler of a signal that kills. See edo/trace.h.
 *
 * SIGSEGV and SIGBUS have the runtime's handler already (runtime/overflow.c), which calls edo_crash_report before it
 * passes them on; SIGABRT, SIGILL and SIGFPE get one here, which does the same. Nothing in it allocates, takes a lock
 * for good or formats by stdio. It is made once in a process, by the thread that comes first; others that crash
 * meanwhile do not wait for it.
 *
 * `fd` is the only thing that changes later; `earlier` is written before the handlers are there.
 */
#include "base/quoted.h"
#include "observe/recorder.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/overflow.h"

#include <edo/error.h>
#include <edo/trace.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDO_CRASH_EVENTS = 32 };

static const int edo_crash_signals[] = {SIGABRT, SIGILL, SIGFPE};

static struct {
    pthread_mutex_t lock; /* over the beginning */
    bool begun;
    bool environment; /* has been asked */
    _Atomic int fd;
    _Atomic bool reported;
    struct sigaction earlier[3];
    struct edo_teller teller; /* these two: the reporter's */
    struct edo_record record;
} edo_crash = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *edo_crash_signal_name(int number)
{
    return number == SIGSEGV   ? "SIGSEGV"
           : number == SIGBUS  ? "SIGBUS"
           : number == SIGABRT ? "SIGABRT"
           : number == SIGILL  ? "SIGILL"
                               : "SIGFPE";
}

static void edo_crash_look(void *context, struct edo_runtime *runtime)
{
    (void)context;
    edo_tell_record(&edo_crash.teller, &edo_crash.record, runtime, EDO_CRASH_EVENTS);
}

static void edo_crash_report(int number)
{
    struct edo_teller *teller = &edo_crash.teller;
    struct edo_task *task = edo_task_self();

    if (atomic_exchange(&edo_crash.reported, true))
        return;
    teller->put = edo_teller_put_raw;
    teller->fd = atomic_load(&edo_crash.fd);
    edo_tell(teller, "edo: ");
    edo_tell(teller, edo_crash_signal_name(number));
    edo_tell(teller, task ? " in task " : " in a thread that runs no task");
    if (task) {
        const char *name = task->name ? task->name : task->site ? task->site->function : NULL;

        edo_tell_number(teller, task->id);
        if (name) {
            char piece[EDO_QUOTED_MOST + 1];
            size_t size;

            edo_tell(teller, " \"");
            for (; (size = edo_quoted_next(piece, &name)) > 0; edo_tell(teller, piece))
                piece[size] = '\0';
            edo_tell(teller, "\"");
        }
        if (task->site) {
            edo_tell(teller, ", spawned at ");
            edo_tell(teller, task->site->file);
            edo_tell(teller, ":");
            edo_tell_number(teller, (uint64_t)task->site->line);
        }
    }
    edo_tell(teller, "\n");
    edo_tell_flush(teller); /* what is known already */
    edo_runtimes_each_at_crash(edo_crash_look, NULL);
}

static void edo_crash_handle(int number, siginfo_t *info, void *context)
{
    int which = number == SIGABRT ? 0 : number == SIGILL ? 1 : 2;
    int error = errno;

    edo_crash_report(number);
    edo_overflow_pass_on(&edo_crash.earlier[which], number, info, context);
    errno = error;
}

/* Under the lock. */
static int edo_crash_begin(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    int rc = edo_overflow_install();

    action.sa_sigaction = edo_crash_handle;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < 3 && rc == 0; i++)
        /* Read before it is replaced, as the handler may be called at once. */
        if (sigaction(edo_crash_signals[i], NULL, &edo_crash.earlier[i]) < 0 ||
            sigaction(edo_crash_signals[i], &action, NULL) < 0)
            rc = -errno;
    if (rc == 0)
        edo_overflow_set_report(edo_crash_report);
    return rc;
}

int edo_recorder_on_crash(int fd)
{
    int rc = 0;

    if (edo_in_forked_child())
        return -EPERM;
    pthread_mutex_lock(&edo_crash.lock);
    atomic_store(&edo_crash.fd, fd);
    if (!edo_crash.begun)
        rc = edo_crash_begin();
    edo_crash.begun = rc == 0;
    pthread_mutex_unlock(&edo_crash.lock);
    return rc;
}

void edo_crash_environment(void)
{
    const char *value = getenv("EDO_CRASH_REPORT");
    int fd = 2;
    bool asked;

    if (!value || !*value || strcmp(value, "0") == 0)
        return;
    pthread_mutex_lock(&edo_crash.lock);
    asked = edo_crash.environment;
    edo_crash.environment = true;
    pthread_mutex_unlock(&edo_crash.lock);
    if (asked)
        return;
    if (strcmp(value, "1") != 0)
        fd = edo_platform_system.open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0)
        fd = edo_recorder_on_crash(fd);
    if (fd < 0)
        fprintf(stderr, "edo: no crash report: EDO_CRASH_REPORT=%s: %s; the program runs on\n", value,
                edo_strerror(fd));
}
