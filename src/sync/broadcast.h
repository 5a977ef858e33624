/* SPDX-License-Identifier: MIT */
/*
 * Broadcasts and watches, for broadcast.c, watch.c and select.c.
 *
 * A watch is a broadcast that remembers one value and whose listeners don't mind what they miss; so there is one
 * struct, and one way to wait. `meeting.lock` guards it; `sent` and `closed` are read without it, as hints.
 *
 * Listeners' places lie in `listeners`. A sender claims all of them. That says only that there is something new for
 * them: they take it themselves, afterwards, which cannot fail, since what they have not heard does not become less.
 */
#ifndef EDO_SYNC_BROADCAST_H
#define EDO_SYNC_BROADCAST_H

#include "sync/waiter.h"

#include <edo/broadcast.h>

struct edo_broadcast {
    struct edo_meeting meeting; /* first: selects know it by this */
    _Atomic bool closed;
    size_t size;
    size_t capacity;
    _Atomic uint64_t sent; /* values so far; the last `capacity` of them are in the slots */
    struct edo_link listeners;
    unsigned char *slots;
};

/* A watch's first value is version 1. */
struct edo_watch {
    struct edo_broadcast values;
};

int edo_broadcast_init(struct edo_broadcast *broadcast, size_t size, size_t capacity, enum edo_meeting_kind kind);
void edo_broadcast_finish(struct edo_broadcast *broadcast);
int edo_broadcast_put(struct edo_broadcast *broadcast, const void *value, size_t size);
int edo_broadcast_end(struct edo_broadcast *broadcast);

/* Whether there may be something for a listener who wants the value number `next`, by a look without the lock. */
bool edo_broadcast_may_hear(struct edo_broadcast *broadcast, uint64_t next);

/*
 * The value number *next, or the oldest that is remembered. Under the lock. Returns how many it leaves out and sets
 * *next to the one behind it; -EPIPE, -EAGAIN.
 */
int64_t edo_broadcast_take(void *value, uint64_t *next, struct edo_broadcast *broadcast);

/* The same with the lock taken, and waiting for it with `wait`. A suspension point in a task. */
int64_t edo_broadcast_hear(void *value, uint64_t *next, struct edo_broadcast *broadcast, size_t size, bool wait);

#endif
