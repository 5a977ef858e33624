/* SPDX-License-Identifier: MIT */
/*
 * Nobody is left a zombie: processes that were closed while they ran ("orphans") are waited for on a thread of their
 * own, the process's one, whatever runtimes come and go. It is started for the first orphan and ends with the last.
 *
 * All data lie in `reaper`, under its lock, which is held over system calls that do not wait. The thread sleeps in
 * epoll_wait on the orphans' pidfds, outside the lock; when it wakes it looks at all of them. Only it closes the epoll
 * instance.
 *
 * Where thread or epoll instance are refused, orphans stay in the list, unwatched, and are looked at whenever a process
 * is started or closed; until then one that ends is a zombie. Nothing can be done about that.
 */
#include "io/reaper.h"
#include "platform/lock.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

enum { EDO_REAPER_STACK = 64 * 1024 };

static struct {
    struct edo_lock lock;
    struct edo_orphan *orphans;
    const struct edo_platform *platform; /* the table in force when the thread was started */
    int epoll;                           /* while it runs */
    bool runs;
    bool unwatched; /* some are not in it */
} reaper;

static int edo_reap_by(const struct edo_platform *platform, siginfo_t *info, int pidfd)
{
    int rc;

    info->si_pid = 0;
    do
        rc = platform->waitid(P_PIDFD, (id_t)pidfd, info, WEXITED | WNOHANG);
    while (rc == -EINTR);
    return rc < 0 ? rc : info->si_pid != 0;
}

int edo_reap(siginfo_t *info, int pidfd)
{
    return edo_reap_by(edo_platform, info, pidfd);
}

/* Under the lock: forgets those who have ended. */
static void edo_reaper_sweep(const struct edo_platform *platform)
{
    struct edo_orphan **link = &reaper.orphans;
    siginfo_t info;

    while (*link) {
        struct edo_orphan *orphan = *link;

        if (edo_reap_by(platform, &info, orphan->pidfd) == 0) {
            link = &orphan->next;
            continue;
        }
        *link = orphan->next;
        platform->close(orphan->pidfd);
        platform->release(orphan);
    }
}

static void *edo_reaper_main(void *unused)
{
    const struct edo_platform *platform = reaper.platform;
    struct epoll_event event;

    for (;;) {
        edo_lock_acquire(&reaper.lock);
        edo_reaper_sweep(platform);
        if (!reaper.orphans)
            break;
        edo_lock_release(&reaper.lock);
        platform->epoll_wait(reaper.epoll, &event, 1, -1);
    }
    platform->close(reaper.epoll);
    reaper.runs = false;
    edo_lock_release(&reaper.lock);
    return unused;
}

/* Under the lock: sees to it that the thread runs. */
static int edo_reaper_start(void)
{
    pthread_t thread;
    int rc;

    if (reaper.runs)
        return 0;
    reaper.platform = edo_platform;
    rc = edo_platform->epoll_create(EPOLL_CLOEXEC);
    if (rc < 0)
        return rc;
    reaper.epoll = rc;
    rc = edo_masked_thread_start(edo_platform, &thread, EDO_REAPER_STACK, edo_reaper_main, NULL);
    if (rc < 0) {
        edo_platform->close(reaper.epoll);
        return rc;
    }
    pthread_detach(thread);
    reaper.runs = true;
    return 0;
}

/* Under the lock: watches those who are not watched. */
static void edo_reaper_watch(void)
{
    bool refused = edo_reaper_start() < 0;

    reaper.unwatched = false;
    for (struct edo_orphan *orphan = reaper.orphans; orphan; orphan = orphan->next) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};

        if (!orphan->watched && !refused)
            orphan->watched = edo_platform->epoll_ctl(reaper.epoll, EPOLL_CTL_ADD, orphan->pidfd, &event) == 0;
        reaper.unwatched |= !orphan->watched;
    }
}

void edo_reaper_adopt(struct edo_orphan *orphan)
{
    edo_lock_acquire(&reaper.lock);
    orphan->next = reaper.orphans;
    orphan->watched = false;
    reaper.orphans = orphan;
    edo_reaper_watch();
    edo_lock_release(&reaper.lock);
}

void edo_reaper_look(void)
{
    edo_lock_acquire(&reaper.lock);
    if (reaper.unwatched) {
        edo_reaper_sweep(edo_platform);
        if (reaper.orphans)
            edo_reaper_watch();
        else
            reaper.unwatched = false;
    }
    edo_lock_release(&reaper.lock);
}

int edo_reaper_count(void)
{
    int count = 0;

    edo_lock_acquire(&reaper.lock);
    for (struct edo_orphan *orphan = reaper.orphans; orphan; orphan = orphan->next)
        count++;
    count += reaper.runs;
    edo_lock_release(&reaper.lock);
    return count;
}
