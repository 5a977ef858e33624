/* SPDX-License-Identifier: MIT */
/* Watches: the latest of a sequence of values. See broadcast.h. */
#include "sync/broadcast.h"
#include "platform/platform.h"

#include <errno.h>
#include <string.h>

int edo_watch_create_sized(edo_watch **out, const void *initial, size_t size)
{
    edo_watch *watch = (edo_watch *)edo_platform->allocate(sizeof *watch);
    int rc = watch ? edo_broadcast_init(&watch->values, size, 1, EDO_MEETING_WATCH) : -ENOMEM;

    if (rc < 0) {
        edo_platform->release(watch);
        return rc;
    }
    edo_broadcast_put(&watch->values, initial, size);
    *out = watch;
    return 0;
}

void edo_watch_destroy(edo_watch *watch)
{
    if (!watch)
        return;
    edo_broadcast_finish(&watch->values);
    edo_platform->release(watch);
}

int edo_watch_set_sized(edo_watch *watch, const void *value, size_t size)
{
    return edo_broadcast_put(&watch->values, value, size);
}

int edo_watch_close(edo_watch *watch)
{
    return watch ? edo_broadcast_end(&watch->values) : 0;
}

int edo_watch_get_sized(void *value, uint64_t *version, edo_watch *watch, size_t size)
{
    struct edo_broadcast *values = &watch->values;
    uint64_t next = 0; /* the oldest that is remembered, and so the latest */

    if (size != values->size)
        return -EINVAL;
    edo_lock_acquire(&values->meeting.lock);
    edo_broadcast_take(value, &next, values);
    edo_lock_release(&values->meeting.lock);
    if (version)
        *version = next;
    return 0;
}

/* A version is the number of the value behind it: so the next one has just that number. */
int edo_watch_changed_sized(void *value, uint64_t *version, edo_watch *watch, size_t size)
{
    int64_t missed = edo_broadcast_hear(value, version, &watch->values, size, true);

    return missed < 0 ? (int)missed : 0;
}
