/* SPDX-License-Identifier: MIT */
/*
 * Processes: started in a blocking region, waited for by their pidfd, reaped by whoever sees their end first.
 *
 * `ended`, `status` and the right to reap lie under the process's lock, which is held over waitid(WNOHANG) and over the
 * sending of a signal: while it is held and `ended` is false, pid and process group are this process's and nobody
 * else's. `streams` belong to the handle's owner.
 *
 * `users` counts the handle and the calls at work. The last one closes the pidfd; or, if the process runs, leaves it
 * and the memory to the reaper (reaper.c).
 *
 * Starting takes everything it needs before the program runs, so that nothing but pidfd_open can fail afterwards; its
 * descriptor is kept free by another one until that moment.
 */
#include "io/reaper.h"
#include "io/stream.h"
#include "platform/lock.h"
#include "platform/platform.h"
#include "platform/process.h"
#include "runtime/fork.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <edo/blocking.h>
#include <edo/process.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

struct edo_process {
    struct edo_orphan orphan; /* has the pidfd; -1: it had ended before there could be one */
    struct edo_lock lock;
    _Atomic uint32_t users;
    pid_t id;
    bool ended;
    bool unknown; /* somebody else took its status */
    bool group;
    int status;
    int kill_on_close;
    edo_stream *streams[3];
};

/* --- Its end ------------------------------------------------------------------------------------------------------ */

/* Whether it has ended. */
static bool edo_process_look(edo_process *process)
{
    siginfo_t info;
    bool ended;

    edo_lock_acquire(&process->lock);
    if (!process->ended) {
        int rc = edo_reap(&info, process->orphan.pidfd);

        process->ended = rc != 0;
        process->unknown = rc < 0;
        if (rc > 0)
            process->status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    }
    ended = process->ended;
    edo_lock_release(&process->lock);
    return ended;
}

static void edo_process_leave(edo_process *process)
{
    if (atomic_fetch_sub_explicit(&process->users, 1, memory_order_acq_rel) != 1)
        return;
    if (!edo_process_look(process)) {
        edo_reaper_adopt(&process->orphan);
        return;
    }
    if (process->orphan.pidfd >= 0)
        edo_platform->close(process->orphan.pidfd);
    edo_platform->release(process);
}

int edo_process_wait(int *status, edo_process *process)
{
    struct edo_task *task = edo_task_self();
    int rc;

    if (!task)
        return -EPERM;
    atomic_fetch_add_explicit(&process->users, 1, memory_order_relaxed);
    rc = edo_suspension_point(task);
    while (rc >= 0 && !edo_process_look(process))
        rc = edo_wait_fd(process->orphan.pidfd, EDO_READABLE, EDO_FOREVER);
    if (rc >= 0) {
        rc = process->unknown ? -ECHILD : 0;
        if (rc == 0 && status)
            *status = process->status;
    }
    edo_process_leave(process);
    return rc;
}

int edo_process_kill(edo_process *process, int number)
{
    int rc = -ESRCH;

    if (edo_in_forked_child())
        return -EPERM;
    edo_lock_acquire(&process->lock);
    if (!process->ended)
        rc = process->group ? edo_platform->kill(-process->id, number)
                            : edo_platform->pidfd_send_signal(process->orphan.pidfd, number);
    edo_lock_release(&process->lock);
    return rc;
}

/* --- Its streams -------------------------------------------------------------------------------------------------- */

edo_stream *edo_process_take_stream(edo_process *process, int which)
{
    edo_stream *stream;

    if (which < EDO_STDIN || which > EDO_STDERR)
        return NULL;
    stream = process->streams[which];
    process->streams[which] = NULL;
    return stream;
}

void edo_process_close(edo_process *process)
{
    if (!process || edo_in_forked_child())
        return;
    for (int i = 0; i < 3; i++)
        edo_close(process->streams[i]);
    if (process->kill_on_close)
        edo_process_kill(process, process->kill_on_close);
    edo_reaper_look();
    edo_process_leave(process);
}

pid_t edo_process_id(const edo_process *process)
{
    return process->id;
}

int edo_process_fd(const edo_process *process)
{
    return process->orphan.pidfd;
}

/* --- Starting ----------------------------------------------------------------------------------------------------- */

struct edo_start {
    struct edo_process_plan plan;
    int opened[3]; /* descriptors for the new process, to be closed here; -1: none */
    int ours[3];   /* our ends of pipes; -1: none */
    struct edo_source *sources[3];
};

/* From a task: takes what the streams will need. What is taken when it fails is given back by edo_start_close. */
static int edo_start_sources(struct edo_start *start, const int *stdio)
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        if (stdio[i] == EDO_STDIO_PIPE)
            rc = edo_source_get(&start->sources[i]);
    return rc;
}

/* Where the new process's descriptors are put, 0 to 2, none of those may be that they are put there from. */
static int edo_start_lift(int fd)
{
    return edo_platform->fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int edo_start_pipe(struct edo_start *start, int which)
{
    int mine = which == EDO_STDIN ? 1 : 0;
    int ends[2];
    int rc = edo_platform->pipe(ends, O_CLOEXEC);

    if (rc < 0)
        return rc;
    start->ours[which] = ends[mine];
    start->opened[which] = ends[!mine];
    if (ends[!mine] < 3) {
        rc = edo_start_lift(ends[!mine]);
        if (rc < 0)
            return rc;
        edo_platform->close(ends[!mine]);
        start->opened[which] = rc;
    }
    start->plan.stdio[which] = start->opened[which];
    return edo_platform->fcntl(ends[mine], F_SETFL, O_NONBLOCK);
}

static int edo_start_stdio(struct edo_start *start, int which, int what)
{
    int fd = what - EDO_STDIO_FD_;

    switch (what) {
    case EDO_STDIO_INHERIT:
        start->plan.stdio[which] = EDO_PLAN_INHERIT;
        return 0;
    case EDO_STDIO_NULL:
        start->plan.stdio[which] = EDO_PLAN_NULL;
        return 0;
    case EDO_STDIO_PIPE:
        return edo_start_pipe(start, which);
    case EDO_STDIO_STDOUT:
        start->plan.stdio[which] = EDO_PLAN_STDOUT;
        return which == EDO_STDERR ? 0 : -EINVAL;
    default:
        break;
    }
    if (fd < 0)
        return -EINVAL;
    start->plan.stdio[which] = fd;
    if (fd >= 3)
        return edo_platform->fcntl(fd, F_GETFD, 0) < 0 ? -EBADF : 0;
    start->opened[which] = edo_start_lift(fd);
    start->plan.stdio[which] = start->opened[which];
    return start->opened[which] < 0 ? start->opened[which] : 0;
}

/* The program runs and cannot be watched: it must not go on. */
static int edo_start_undo(pid_t id, int rc)
{
    siginfo_t info;

    edo_platform->kill(id, SIGKILL);
    while (edo_platform->waitid(P_PID, (id_t)id, &info, WEXITED) == -EINTR)
        ;
    return rc;
}

/* Blocks. */
static int edo_start_run(struct edo_process *process, struct edo_start *start, const int *stdio)
{
    int keeper = edo_platform->eventfd(0, EFD_CLOEXEC);
    int rc = keeper < 0 ? keeper : 0;

    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = edo_start_stdio(start, i, stdio[i]);
    if (rc >= 0)
        rc = edo_platform->process_start(&process->id, &start->plan);
    if (keeper >= 0)
        edo_platform->close(keeper);
    if (rc < 0)
        return rc;
    rc = edo_platform->pidfd_open(process->id);
    if (rc == -ESRCH) { /* the kernel reaps for who ignores SIGCHLD, and has done so */
        process->ended = process->unknown = true;
        rc = -1;
    } else if (rc < 0) {
        return edo_start_undo(process->id, rc);
    }
    process->orphan.pidfd = rc;
    return 0;
}

/* Our copies of the new process's descriptors; and our own ones, if it was not to be. From a task. */
static void edo_start_close(struct edo_start *start, bool failed)
{
    for (int i = 0; i < 3; i++) {
        if (start->opened[i] >= 0)
            edo_platform->close(start->opened[i]);
        if (!failed)
            continue;
        if (start->ours[i] >= 0)
            edo_platform->close(start->ours[i]);
        if (start->sources[i])
            edo_source_put(start->sources[i]);
    }
}

static int edo_start(edo_process *process, struct edo_start *start, const int *stdio)
{
    int rc = edo_start_sources(start, stdio);

    if (rc == 0)
        rc = edo_blocking_begin();
    if (rc == 0) {
        rc = edo_start_run(process, start, stdio);
        edo_blocking_end();
    }
    edo_start_close(start, rc < 0);
    for (int i = 0; i < 3 && rc == 0; i++)
        if (start->sources[i]) {
            edo_pipe_open(start->sources[i], start->ours[i], i == EDO_STDIN ? O_WRONLY : O_RDONLY);
            process->streams[i] = (edo_stream *)start->sources[i];
        }
    return rc;
}

int edo_process_spawn(edo_process **out, const char *const *argv, const edo_process_options *given)
{
    struct edo_task *task = edo_task_self();
    struct edo_start start = {.opened = {-1, -1, -1}, .ours = {-1, -1, -1}};
    edo_process_options options;
    edo_process *process;
    int stdio[3];
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!task)
        return -EPERM;
    if (!argv || !argv[0] || options.kill_on_close < 0 || options.kill_on_close >= NSIG)
        return -EINVAL;
    if (task->home->runtime->hooks)
        return -ENOTSUP;
    rc = edo_suspension_point(task);
    if (rc < 0)
        return rc;
    edo_reaper_look();
    process = (edo_process *)edo_platform->allocate(sizeof *process);
    if (!process)
        return -ENOMEM;
    start.plan.program = options.program ? options.program : argv[0];
    start.plan.argv = argv;
    start.plan.env = options.env;
    start.plan.cwd = options.cwd;
    start.plan.group = options.group;
    stdio[EDO_STDIN] = options.in;
    stdio[EDO_STDOUT] = options.out;
    stdio[EDO_STDERR] = options.err;
    rc = edo_start(process, &start, stdio);
    if (rc < 0) {
        edo_platform->release(process);
        return rc;
    }
    edo_lock_init(&process->lock);
    atomic_init(&process->users, 1);
    process->group = options.group;
    process->kill_on_close = options.kill_on_close;
    *out = process;
    return 0;
}
