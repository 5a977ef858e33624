/* SPDX-License-Identifier: MIT */
/*
 * epoll instances and eventfds of the simulated kernel.
 *
 * A watch stands between an instance and a file, in a list of each. What happens to a file puts its watches into their
 * instances' arrays of ready ones, and that is all: whether there is something to report is asked when somebody waits.
 * So a watch is reported as Linux does it: edge-triggered ones once for each time that something has happened, and with
 * all that holds then.
 *
 * What an instance of an impure run watches for real is watched by a real instance beside it.
 */
#include "testing/random.h"
#include "testing/sim.h"

#include <edo/base.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct edo_sim_watch {
    struct edo_link file_link;
    struct edo_link epoll_link;
    bool ready; /* in the instance's array */
    struct edo_sim_epoll *epoll;
    struct edo_sim_file *file;
    struct epoll_event event;
};

struct edo_sim_epoll {
    struct edo_sim_file file; /* first */
    struct edo_link watches;
    struct edo_sim_watch **ready; /* in the order in which they became so */
    size_t ready_count;
    size_t ready_room;
    int real; /* -1: none */
};

struct edo_sim_eventfd {
    struct edo_sim_file file; /* first */
    uint64_t count;
};

enum { EDO_EPOLL_PRIVATE = (int)(EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE) };

/* --- Watching ----------------------------------------------------------------------------------------------------- */

static uint32_t edo_sim_watch_state(struct edo_sim_watch *watch)
{
    uint32_t wanted = watch->event.events;
    uint32_t state = watch->file->kind->poll(watch->file);

    /* Without any bit it was reported once, and not armed again. */
    return wanted & ~(uint32_t)EDO_EPOLL_PRIVATE ? state & (wanted | EPOLLERR | EPOLLHUP) : 0;
}

static void edo_sim_put_ready(struct edo_sim_watch *watch)
{
    struct edo_sim_epoll *epoll = watch->epoll;

    epoll->ready = (struct edo_sim_watch **)edo_sim_grow(epoll->ready, &epoll->ready_room, epoll->ready_count,
                                                         sizeof(struct edo_sim_watch *));
    epoll->ready[epoll->ready_count++] = watch;
    watch->ready = true;
}

static struct edo_sim_watch *edo_sim_take_ready(struct edo_sim_epoll *epoll, size_t at)
{
    struct edo_sim_watch *watch = epoll->ready[at];

    epoll->ready_count--;
    memmove(epoll->ready + at, epoll->ready + at + 1, (epoll->ready_count - at) * sizeof(struct edo_sim_watch *));
    watch->ready = false;
    return watch;
}

static void edo_sim_watch_ready(struct edo_sim_watch *watch)
{
    if (watch->ready)
        return;
    edo_sim_put_ready(watch);
    edo_sim_notify(&watch->epoll->file, EPOLLIN);
}

void edo_sim_notify(struct edo_sim_file *file, uint32_t about)
{
    if (!file->watches.next) /* it has no number yet */
        return;
    for (struct edo_link *link = file->watches.next; link != &file->watches; link = link->next) {
        struct edo_sim_watch *watch = EDO_CONTAINER_OF(link, struct edo_sim_watch, file_link);

        if (about && !(about & (watch->event.events | EPOLLERR | EPOLLHUP)))
            continue;
        if (watch->event.events & ~(uint32_t)EDO_EPOLL_PRIVATE)
            edo_sim_watch_ready(watch);
    }
}

static void edo_sim_watch_free(struct edo_sim_watch *watch)
{
    edo_list_remove(&watch->file_link);
    edo_list_remove(&watch->epoll_link);
    for (size_t i = 0; watch->ready; i++)
        if (watch->epoll->ready[i] == watch)
            edo_sim_take_ready(watch->epoll, i);
    edo_platform_system.release(watch);
}

void edo_sim_unwatch(struct edo_sim_file *file)
{
    struct edo_link *link;

    while ((link = edo_list_first(&file->watches)))
        edo_sim_watch_free(EDO_CONTAINER_OF(link, struct edo_sim_watch, file_link));
}

static struct edo_sim_epoll *edo_sim_epoll_of(int fd)
{
    struct edo_sim_file *file = edo_sim_file_of(fd);

    return file && file->kind == &edo_sim_epoll_kind ? EDO_CONTAINER_OF(file, struct edo_sim_epoll, file) : NULL;
}

int edo_sim_epoll_create(int flags)
{
    struct edo_sim_epoll *epoll = (struct edo_sim_epoll *)edo_sim_allocate(sizeof *epoll);

    epoll->real = -1;
    if (edo_sim->options.impure) {
        int rc = epoll->real = edo_platform_system.epoll_create(EPOLL_CLOEXEC);

        if (rc < 0) {
            edo_platform_system.release(epoll);
            return rc;
        }
    }
    edo_list_init(&epoll->watches);
    return edo_sim_file_open(&epoll->file, &edo_sim_epoll_kind, flags & EPOLL_CLOEXEC ? O_CLOEXEC : 0);
}

static struct edo_sim_watch *edo_sim_watch_find(struct edo_sim_epoll *epoll, struct edo_sim_file *file)
{
    for (struct edo_link *link = file->watches.next; link != &file->watches; link = link->next) {
        struct edo_sim_watch *watch = EDO_CONTAINER_OF(link, struct edo_sim_watch, file_link);

        if (watch->epoll == epoll)
            return watch;
    }
    return NULL;
}

int edo_sim_epoll_ctl(int fd, int operation, int target, struct epoll_event *event)
{
    struct edo_sim_epoll *epoll = edo_sim_epoll_of(fd);
    struct edo_sim_file *file = edo_sim_file_of(target);
    struct edo_sim_epoll *inner = edo_sim_epoll_of(target);
    struct edo_sim_watch *watch;

    if (!epoll || epoll == inner)
        return edo_sim_file_of(fd) ? -EINVAL : -EBADF;
    if (!file)
        return edo_platform_system.epoll_ctl(epoll->real, operation, target, event);
    watch = edo_sim_watch_find(epoll, file);
    if (operation == EPOLL_CTL_ADD ? watch != NULL : watch == NULL)
        return operation == EPOLL_CTL_ADD ? -EEXIST : -ENOENT;
    if (inner && inner->real >= 0) {
        int rc = edo_platform_system.epoll_ctl(epoll->real, operation, inner->real, event);

        if (rc < 0)
            return rc;
    }
    if (operation == EPOLL_CTL_DEL) {
        edo_sim_watch_free(watch);
        return 0;
    }
    if (!watch) {
        watch = (struct edo_sim_watch *)edo_sim_allocate(sizeof *watch);
        watch->epoll = epoll;
        watch->file = file;
        edo_list_insert_tail(&file->watches, &watch->file_link);
        edo_list_insert_tail(&epoll->watches, &watch->epoll_link);
    }
    watch->event = *event;
    if (edo_sim_watch_state(watch))
        edo_sim_watch_ready(watch);
    return 0;
}

static uint32_t edo_sim_epoll_poll(struct edo_sim_file *file)
{
    struct edo_sim_epoll *epoll = EDO_CONTAINER_OF(file, struct edo_sim_epoll, file);

    for (size_t i = 0; i < epoll->ready_count; i++)
        if (edo_sim_watch_state(epoll->ready[i]))
            return EPOLLIN;
    return 0;
}

static void edo_sim_epoll_close(struct edo_sim_file *file)
{
    struct edo_sim_epoll *epoll = EDO_CONTAINER_OF(file, struct edo_sim_epoll, file);
    struct edo_link *link;

    while ((link = edo_list_first(&epoll->watches)))
        edo_sim_watch_free(EDO_CONTAINER_OF(link, struct edo_sim_watch, epoll_link));
    if (epoll->real >= 0)
        edo_platform_system.close(epoll->real);
    edo_platform_system.release(epoll->ready);
    edo_platform_system.release(epoll);
}

const struct edo_sim_kind edo_sim_epoll_kind = {edo_sim_epoll_poll, edo_sim_epoll_close};

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

/* Reports what was ready; false if there was nothing to report after all. */
static bool edo_sim_report(struct epoll_event *out, struct edo_sim_watch *watch)
{
    uint32_t state = edo_sim_watch_state(watch);

    if (!state)
        return false;
    *out = (struct epoll_event){.events = state, .data = watch->event.data};
    if (watch->event.events & EPOLLONESHOT)
        watch->event.events &= (uint32_t)EDO_EPOLL_PRIVATE;
    return true;
}

/* Reports at most `most`: in the order in which they became ready, or any other one, and then some of them later. */
static int edo_sim_collect(struct edo_sim_epoll *epoll, struct epoll_event *events, int most)
{
    struct edo_sim *sim = edo_sim;
    size_t waiting = epoll->ready_count;
    int count = 0;

    for (; waiting > 0 && count < most; waiting--) {
        bool shuffle = sim->options.shuffle && waiting > 1;
        struct edo_sim_watch *watch;

        if (shuffle && count > 0 && edo_random_below(&sim->random, 8) == 0)
            break;
        watch = edo_sim_take_ready(epoll, shuffle ? (size_t)edo_random_below(&sim->random, waiting) : 0);
        if (!edo_sim_report(&events[count], watch))
            continue;
        count++;
        if (!(watch->event.events & (EPOLLET | EPOLLONESHOT)))
            edo_sim_put_ready(watch); /* by level: ready again, behind those that were waiting */
    }
    return count;
}

static int edo_sim_collect_real(struct edo_sim_epoll *epoll, struct epoll_event *events, int most, int64_t timeout)
{
    int count = epoll->real < 0 || most == 0 ? 0 : edo_platform_system.epoll_wait(epoll->real, events, most, timeout);

    return count < 0 ? 0 : count;
}

int edo_sim_epoll_wait(int fd, struct epoll_event *events, int most, int64_t timeout)
{
    struct edo_sim_epoll *epoll = edo_sim_epoll_of(fd);
    int64_t start = edo_sim_time();
    int64_t end = timeout < 0 || timeout > EDO_FOREVER - start ? EDO_FOREVER : start + timeout;

    if (!epoll)
        return edo_sim_file_of(fd) ? -EINVAL : -EBADF;
    for (;;) {
        int64_t next;
        int count;

        edo_sim_deliver();
        count = edo_sim_collect(epoll, events, most);
        count += edo_sim_collect_real(epoll, events + count, most - count, 0);
        if (count > 0 || edo_sim_time() >= end)
            return count;
        next = edo_sim_next_delivery();
        if (next > end)
            next = end;
        if (edo_sim->options.impure) {
            int64_t left = next - edo_sim_time(); /* which real time may have taken from us meanwhile */

            count = edo_sim_collect_real(epoll, events, most, next == EDO_FOREVER ? -1 : left < 0 ? 0 : left);
            if (count > 0)
                return count;
        } else if (next != EDO_FOREVER) {
            edo_sim_pass(next - edo_sim_time());
        } else if (!edo_sim->options.stuck || !edo_sim->options.stuck()) {
            fputs("edo: nothing will ever happen: the program ends\n", stderr);
            abort();
        }
    }
}

/* --- eventfds ----------------------------------------------------------------------------------------------------- */

int edo_sim_eventfd(unsigned initial, int flags)
{
    struct edo_sim_eventfd *eventfd = (struct edo_sim_eventfd *)edo_sim_allocate(sizeof *eventfd);

    eventfd->count = initial;
    return edo_sim_file_open(&eventfd->file, &edo_sim_eventfd_kind, O_RDWR | flags);
}

ssize_t edo_sim_eventfd_read(struct edo_sim_file *file, void *buffer, size_t size)
{
    struct edo_sim_eventfd *eventfd = EDO_CONTAINER_OF(file, struct edo_sim_eventfd, file);

    if (size < sizeof eventfd->count)
        return -EINVAL;
    if (eventfd->count == 0)
        return -EAGAIN;
    memcpy(buffer, &eventfd->count, sizeof eventfd->count);
    eventfd->count = 0;
    edo_sim_notify(file, EPOLLOUT);
    return (ssize_t)sizeof eventfd->count;
}

ssize_t edo_sim_eventfd_write(struct edo_sim_file *file, const void *buffer, size_t size)
{
    struct edo_sim_eventfd *eventfd = EDO_CONTAINER_OF(file, struct edo_sim_eventfd, file);
    uint64_t more;

    if (size < sizeof more)
        return -EINVAL;
    memcpy(&more, buffer, sizeof more);
    if (more > UINT64_MAX - 1 - eventfd->count)
        return -EAGAIN;
    eventfd->count += more;
    edo_sim_notify(file, EPOLLIN);
    return (ssize_t)sizeof more;
}

static uint32_t edo_sim_eventfd_poll(struct edo_sim_file *file)
{
    struct edo_sim_eventfd *eventfd = EDO_CONTAINER_OF(file, struct edo_sim_eventfd, file);

    return (eventfd->count > 0 ? (uint32_t)EPOLLIN : 0) | (eventfd->count < UINT64_MAX - 1 ? (uint32_t)EPOLLOUT : 0);
}

static void edo_sim_eventfd_close(struct edo_sim_file *file)
{
    edo_platform_system.release(EDO_CONTAINER_OF(file, struct edo_sim_eventfd, file));
}

const struct edo_sim_kind edo_sim_eventfd_kind = {edo_sim_eventfd_poll, edo_sim_eventfd_close};
