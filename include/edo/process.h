/* SPDX-License-Identifier: MIT */
/*
 * Processes: starting programs, talking to them, waiting for their end.
 *
 *     const char *argv[] = {"sort", "-n", NULL};
 *     edo_process *sort EDO_AUTO(edo_process_close) = NULL;
 *     int rc = edo_process_spawn(&sort, argv,
 *                                EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_PIPE, .kill_on_close = SIGKILL));
 *     edo_stream *in = edo_process_take_stream(sort, EDO_STDIN);
 *     ...
 *     rc = edo_process_wait(&status, sort);
 *
 * No process becomes a zombie: whoever waits takes its end from the kernel; and one that is closed while it runs is
 * waited for in the background, on a thread that is there only as long as such processes are. The program need not
 * touch SIGCHLD, and must not take our children's ends by waiting for any child (waitpid(-1)) or by ignoring SIGCHLD:
 * their status is then lost.
 *
 * Needs pidfds (Linux 5.4). These calls are for tasks (-EPERM elsewhere) unless they say otherwise; -ENOTSUP in seeded
 * runs.
 */
#ifndef EDO_PROCESS_H
#define EDO_PROCESS_H

#include <edo/base.h>
#include <edo/stream.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A process that was started here. Any number of tasks may wait for it, and any may close it: calls at work go on, and
 * it is gone with the last of them. No call may begin after the close.
 */
typedef struct edo_process edo_process;

/* What one of the three standard descriptors is in the new process. */
enum edo_stdio {
    EDO_STDIO_INHERIT = 0, /* what it is here */
    EDO_STDIO_NULL,        /* /dev/null */
    EDO_STDIO_PIPE,        /* a pipe whose other end is a stream here: edo_process_take_stream */
    EDO_STDIO_STDOUT,      /* for .err: the same as .out */
    EDO_STDIO_FD_ = 16
};

/* A given descriptor, which stays the caller's. */
#define EDO_STDIO_FD(fd) (EDO_STDIO_FD_ + (fd))

typedef struct edo_process_options {
    size_t size;
    const char *program; /* which program to run; NULL: argv[0]. Without a slash it is looked for in $PATH, as here */
    const char *const *env; /* "NAME=value", ..., NULL; NULL: as here */
    const char *cwd;        /* where it begins; a relative program is looked for there; NULL: as here */
    int in;                 /* enum edo_stdio, or EDO_STDIO_FD(fd) */
    int out;
    int err;
    /* which signal edo_process_close sends while it runs: SIGTERM, SIGKILL; 0: none, it goes on by itself */
    int kill_on_close;
    bool group; /* it begins a process group; signals then go to the whole group */
} edo_process_options;

/*
 * Starts a program. argv ends with NULL; `options` may be NULL. Its signals are unblocked, SIGPIPE has its default
 * meaning, and of descriptors it gets but the three and what is not close-on-exec.
 *
 * 0 and a handle that is the caller's. -ENOENT: no such program (or directory); -EACCES: not executable; -ENOEXEC;
 * -E2BIG: arguments too long, or options too new; -EMFILE, -ENOMEM, -EAGAIN: out of descriptors, memory, processes;
 * -EINVAL; -ENOTSUP; -ENOSYS: no pidfds here; -ECANCELED. After an error nothing runs and nothing is left. (If
 * descriptors run out in the very moment, it may have run for an instant and was killed.)
 */
EDO_API int edo_process_spawn(edo_process **out, const char *const *argv, const edo_process_options *options);

enum { EDO_STDIN = 0, EDO_STDOUT = 1, EDO_STDERR = 2 };

/*
 * Hands over this end of a pipe to one of the process's standard descriptors: from then on it is the caller's, to be
 * closed (which is how the process reads the end of its input). NULL if there is none, or it was taken. Never waits.
 * Streams that nobody took are closed with the process.
 */
EDO_API edo_stream *edo_process_take_stream(edo_process *process, int which);

/*
 * Waits until the process has ended. *status (may be NULL) is what it exited with, 0 to 255, or the number of the
 * signal that ended it, negative. 0, also again and again; -ECHILD: it has ended, but somebody else took its status;
 * -ECANCELED: only this wait has ended, the process goes on and so does the handle; -EMFILE, -ENOMEM and others of
 * epoll_ctl(2): likewise.
 */
EDO_API int edo_process_wait(int *status, edo_process *process);

/*
 * Sends it a signal; with .group to its group. 0, also if it has ended and nobody has waited for it; -ESRCH: its end
 * was seen; -EINVAL; -EPERM: it runs as somebody else. Never waits. Any thread.
 */
EDO_API int edo_process_kill(edo_process *process, int signal);

/*
 * Closes; NULL is accepted. Sends .kill_on_close if it has not ended. Always closes, cancelled or not; never waits: a
 * process that goes on, or takes its time to die, is waited for in the background. Any task.
 */
EDO_API void edo_process_close(edo_process *process);
EDO_AUTO_DEFINE(edo_process *, edo_process_close);

/* Its number; its pidfd, which stays the process's: the exit to everything this header does not have. Any thread. */
EDO_API pid_t edo_process_id(const edo_process *process);
EDO_API int edo_process_fd(const edo_process *process);

#ifdef __cplusplus
}
#endif

#endif
