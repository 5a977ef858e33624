/* SPDX-License-Identifier: MIT */
/* Accounts of what runs leave behind. See left.h. */
#include "testing/left.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void edo_left_init(struct edo_left *left)
{
    memset(left, 0, sizeof *left);
    edo_lock_init(&left->lock);
}

void edo_left_finish(struct edo_left *left)
{
    edo_platform_system.release(left->fds);
    left->fds = NULL;
    left->count = left->room = 0;
}

/* --- Descriptors -------------------------------------------------------------------------------------------------- */

/* Under the lock. The one opened last is asked for most. */
static struct edo_left_fd *edo_left_find(struct edo_left *left, int fd)
{
    for (size_t i = left->count; i > 0; i--)
        if (left->fds[i - 1].fd == fd)
            return &left->fds[i - 1];
    return NULL;
}

/* Under the lock. NULL if there is no memory: then it goes uncounted. */
static struct edo_left_fd *edo_left_add(struct edo_left *left, int fd)
{
    struct edo_left_fd *known = edo_left_find(left, fd);

    if (known)
        return known;
    if (left->count == left->room) {
        size_t room = left->room ? 2 * left->room : 64;
        struct edo_left_fd *fds = (struct edo_left_fd *)edo_platform_system.allocate(room * sizeof *fds);

        if (!fds)
            return NULL;
        if (left->count > 0)
            memcpy(fds, left->fds, left->count * sizeof *fds);
        edo_platform_system.release(left->fds);
        left->fds = fds;
        left->room = room;
    }
    known = &left->fds[left->count++];
    *known = (struct edo_left_fd){.fd = fd, .epoll = -1};
    return known;
}

void edo_left_opened(struct edo_left *left, int fd, const char *kind)
{
    struct edo_left_fd *known;

    edo_lock_acquire(&left->lock);
    known = edo_left_add(left, fd);
    if (known)
        *known = (struct edo_left_fd){.fd = fd, .kind = kind, .epoll = -1};
    edo_lock_release(&left->lock);
}

void edo_left_closed(struct edo_left *left, int fd)
{
    struct edo_left_fd *known;

    edo_lock_acquire(&left->lock);
    known = edo_left_find(left, fd);
    if (known)
        *known = left->fds[--left->count];
    edo_lock_release(&left->lock);
}

void edo_left_watched(struct edo_left *left, int fd, int epoll, const struct epoll_event *event)
{
    struct edo_left_fd *known;

    edo_lock_acquire(&left->lock);
    known = epoll >= 0 ? edo_left_add(left, fd) : edo_left_find(left, fd);
    if (known && epoll >= 0) {
        known->epoll = epoll;
        known->event = *event;
    } else if (known) {
        known->epoll = -1;
    }
    edo_lock_release(&left->lock);
}

bool edo_left_watch(struct edo_left_fd *out, struct edo_left *left, int fd)
{
    struct edo_left_fd *known;

    edo_lock_acquire(&left->lock);
    known = edo_left_find(left, fd);
    if (known)
        *out = *known;
    edo_lock_release(&left->lock);
    return known && out->epoll >= 0;
}

const char *edo_left_kind(struct edo_left *left, int fd)
{
    struct edo_left_fd *known;
    const char *kind;

    edo_lock_acquire(&left->lock);
    known = edo_left_find(left, fd);
    kind = known ? known->kind : NULL;
    edo_lock_release(&left->lock);
    return kind;
}

/* --- Looking ------------------------------------------------------------------------------------------------------ */

/* How many are open that the table opened; *last is one of them. */
static size_t edo_left_open(struct edo_left_fd *last, struct edo_left *left)
{
    size_t opened = 0;

    edo_lock_acquire(&left->lock);
    for (size_t i = 0; i < left->count; i++)
        if (left->fds[i].kind) {
            *last = left->fds[i];
            opened++;
        }
    edo_lock_release(&left->lock);
    return opened;
}

static void edo_left_process(unsigned char *out)
{
    memset(out, 0, EDO_LEFT_TELLS / 8);
    for (int fd = 0; fd < EDO_LEFT_TELLS; fd++)
        if (edo_platform_system.fcntl(fd, F_GETFD, 0) >= 0)
            out[fd / 8] |= (unsigned char)(1 << fd % 8);
}

void edo_left_look(struct edo_left_mark *out, struct edo_left *left)
{
    struct edo_left_fd last;

    out->blocks = atomic_load(&left->blocks);
    out->bytes = atomic_load(&left->bytes);
    out->opened = edo_left_open(&last, left);
    edo_left_process(out->process);
}

/* Whether there is a difference, and which. */
static bool edo_left_differs(char *what, size_t size, struct edo_left *left, const struct edo_left_mark *mark)
{
    struct edo_left_fd last = {.fd = -1};
    struct edo_left_mark now;

    edo_left_look(&now, left);
    if (edo_left_open(&last, left) != mark->opened) {
        snprintf(what, size, "%lld descriptors left open (%s)", (long long)now.opened - (long long)mark->opened,
                 last.kind ? last.kind : "closed twice");
        return true;
    }
    for (int fd = 0; fd < EDO_LEFT_TELLS; fd++)
        if ((now.process[fd / 8] ^ mark->process[fd / 8]) >> fd % 8 & 1) {
            snprintf(what, size, "descriptor %d %s", fd,
                     now.process[fd / 8] >> fd % 8 & 1 ? "left open" : "closed, which was open before");
            return true;
        }
    if (now.blocks != mark->blocks) {
        snprintf(what, size, "%lld blocks of memory left", (long long)(now.blocks - mark->blocks));
        return true;
    }
    if (now.bytes != mark->bytes) {
        snprintf(what, size, "%lld bytes left mapped", (long long)(now.bytes - mark->bytes));
        return true;
    }
    return false;
}

bool edo_left_settle(char *what, size_t size, struct edo_left *left, const struct edo_left_mark *mark, int64_t patience)
{
    int64_t end = edo_platform_system.now() + patience;

    while (edo_left_differs(what, size, left, mark)) {
        int64_t now = edo_platform_system.now();
        uint32_t word = 0;

        if (now >= end)
            return false;
        edo_platform_system.futex_wait(&word, 0, now + 1000000);
    }
    return true;
}
