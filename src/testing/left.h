/* SPDX-License-Identifier: MIT */
/*
 * What runs leave behind: memory, mappings and descriptors that were taken through the platform table and not given
 * back, and descriptors of the process that came from elsewhere.
 *
 * The table of faults.h counts here, on whatever thread it is called. Counters are atomic; the list of descriptors is
 * guarded by a lock, under which nothing is called but the system's own table.
 */
#ifndef EDO_TESTING_LEFT_H
#define EDO_TESTING_LEFT_H

#include "platform/lock.h"
#include "platform/platform.h"

#include <stdbool.h>

enum { EDO_LEFT_TELLS = 1024 }; /* descriptors of the process below this number are looked at */

/* A descriptor that was opened through the table, and where it is registered. */
struct edo_left_fd {
    int fd;
    const char *kind; /* the call that opened it; NULL: it came from elsewhere, and is registered only */
    int epoll;        /* -1: nowhere */
    struct epoll_event event;
};

struct edo_left {
    _Atomic int64_t blocks;
    _Atomic int64_t bytes; /* mapped */
    struct edo_lock lock;
    struct edo_left_fd *fds;
    size_t count;
    size_t room;
};

/* What there was at some moment. */
struct edo_left_mark {
    int64_t blocks;
    int64_t bytes;
    size_t opened;
    unsigned char process[EDO_LEFT_TELLS / 8];
};

void edo_left_init(struct edo_left *left);
void edo_left_finish(struct edo_left *left);

void edo_left_opened(struct edo_left *left, int fd, const char *kind);
void edo_left_closed(struct edo_left *left, int fd);

/* How the table was told to watch it (epoll_ctl(2)'s ADD or MOD), or no longer (epoll -1); and what was told. */
void edo_left_watched(struct edo_left *left, int fd, int epoll, const struct epoll_event *event);
bool edo_left_watch(struct edo_left_fd *out, struct edo_left *left, int fd);

/* Which call opened it, NULL if none did that went through the table. */
const char *edo_left_kind(struct edo_left *left, int fd);

void edo_left_look(struct edo_left_mark *out, struct edo_left *left);

/*
 * Waits until all is as it was at the mark, for at most `patience` ns: threads with abandoned jobs of edo_blocking
 * end late. True if it came to that; else `what` tells the difference.
 */
bool edo_left_settle(char *what, size_t size, struct edo_left *left, const struct edo_left_mark *mark,
                     int64_t patience);

#endif
