/* SPDX-License-Identifier: MIT */
/*
 * Starting a program, by posix_spawn(3): the calling thread stands still until the program runs or cannot, no memory is
 * copied, and no handler of fork runs (rule F4); and the system table's other calls about processes. No data.
 */
#include "platform/platform_linux.h"
#include "platform/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

static int edo_process_actions(posix_spawn_file_actions_t *actions, const struct edo_process_plan *plan)
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        if (plan->stdio[i] >= 0)
            rc = posix_spawn_file_actions_adddup2(actions, plan->stdio[i], i);
        else if (plan->stdio[i] == EDO_PLAN_NULL)
            rc = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
        else if (plan->stdio[i] == EDO_PLAN_STDOUT)
            rc = posix_spawn_file_actions_adddup2(actions, 1, i);
    }
    if (rc == 0 && plan->cwd)
        rc = posix_spawn_file_actions_addchdir_np(actions, plan->cwd);
    return rc;
}

static int edo_process_attributes(posix_spawnattr_t *attributes, const struct edo_process_plan *plan)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t set;
    int rc;

    sigemptyset(&set);
    rc = posix_spawnattr_setsigmask(attributes, &set);
    sigaddset(&set, SIGPIPE);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &set);
    if (plan->group)
        flags |= POSIX_SPAWN_SETPGROUP; /* its own: 0, as initialized */
    return rc != 0 ? rc : posix_spawnattr_setflags(attributes, flags);
}

int edo_process_start(pid_t *out, const struct edo_process_plan *plan)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return -rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = edo_process_actions(&actions, plan);
        if (rc == 0)
            rc = edo_process_attributes(&attributes, plan);
        if (rc == 0)
            rc = posix_spawnp(out, plan->program, &actions, &attributes, (char *const *)(uintptr_t)plan->argv,
                              plan->env ? (char *const *)(uintptr_t)plan->env : environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

int edo_system_pidfd_open(pid_t process)
{
    return edo_system_result((int)syscall(SYS_pidfd_open, process, 0));
}

int edo_system_pidfd_send_signal(int pidfd, int signal)
{
    return edo_system_result((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int edo_system_kill(pid_t process, int signal)
{
    return edo_system_result(kill(process, signal));
}

int edo_system_waitid(idtype_t type, id_t id, siginfo_t *out, int options)
{
    return edo_system_result(waitid(type, id, out, options));
}
