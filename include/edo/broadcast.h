/* SPDX-License-Identifier: MIT */
/*
 * Values for everybody: broadcasts, of which each subscriber gets each value, and watches, of which everybody sees the
 * latest. A sender never waits for those who listen. Sizes are passed along as with channels (edo/channel.h), and the
 * same holds of closing, of destroying, of who may call and of cancellation: a call that returns -ECANCELED has taken
 * nothing.
 */
#ifndef EDO_BROADCAST_H
#define EDO_BROADCAST_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Broadcast ---------------------------------------------------------------------------------------------------- */

typedef struct edo_broadcast edo_broadcast;

/* Who listens: where in the broadcast. Lives anywhere, used by one party at a time; needs no finish. */
typedef struct edo_subscription {
    edo_broadcast *broadcast_;
    uint64_t next_;
    uint64_t reserved_[2];
} edo_subscription;

/*
 * Makes a broadcast of values of `size` bytes (up to 64 KiB) that remembers the last `capacity` of them, at least 1. 0;
 * -EINVAL; -ENOMEM. Destroy frees it; nobody may listen to it any more. Any thread.
 */
EDO_API int edo_broadcast_create(edo_broadcast **out, size_t size, size_t capacity);
EDO_API void edo_broadcast_destroy(edo_broadcast *broadcast);
EDO_AUTO_DEFINE(edo_broadcast *, edo_broadcast_destroy);

/* From the next value on. Any thread. */
EDO_API void edo_subscribe(edo_subscription *out, edo_broadcast *broadcast);

/*
 * edo_broadcast_send(broadcast, &value): every subscriber will get it, unless it lags behind by more than `capacity`.
 * 0; -EPIPE: closed; -EINVAL: another size. Never waits. Close says that nothing more will come: 0, -EALREADY. Any
 * thread.
 */
#define edo_broadcast_send(broadcast, value) edo_broadcast_send_sized((broadcast), (value), sizeof *(value))
EDO_API int edo_broadcast_send_sized(edo_broadcast *broadcast, const void *value, size_t size);
EDO_API int edo_broadcast_close(edo_broadcast *broadcast);

/*
 * edo_hear(&value, &subscription): waits for the subscription's next value. Returns how many values this subscriber has
 * missed before it, since it lagged: 0, as long as it keeps up; -EPIPE: the broadcast is closed and all is heard;
 * -ECANCELED; -EINVAL. The try form returns -EAGAIN instead of waiting.
 */
#define edo_hear(value, subscription)     edo_hear_sized((value), (subscription), sizeof *(value))
#define edo_try_hear(value, subscription) edo_try_hear_sized((value), (subscription), sizeof *(value))
EDO_API int64_t edo_hear_sized(void *value, edo_subscription *subscription, size_t size);
EDO_API int64_t edo_try_hear_sized(void *value, edo_subscription *subscription, size_t size);

/* --- Watch -------------------------------------------------------------------------------------------------------- */

typedef struct edo_watch edo_watch;

/* edo_watch_create(&watch, &initial). 0; -EINVAL; -ENOMEM. Any thread. */
#define edo_watch_create(out, initial) edo_watch_create_sized((out), (initial), sizeof *(initial))
EDO_API int edo_watch_create_sized(edo_watch **out, const void *initial, size_t size);
EDO_API void edo_watch_destroy(edo_watch *watch);
EDO_AUTO_DEFINE(edo_watch *, edo_watch_destroy);

/*
 * Puts a new value in the place of the old one, and wakes who waits for that. 0; -EPIPE, -EINVAL. Never waits. Any
 * thread.
 */
#define edo_watch_set(watch, value) edo_watch_set_sized((watch), (value), sizeof *(value))
EDO_API int edo_watch_set_sized(edo_watch *watch, const void *value, size_t size);
EDO_API int edo_watch_close(edo_watch *watch);

/*
 * edo_watch_get(&value, &version, watch) copies the value and, unless `version` is NULL, its version. Never waits. 0;
 * -EINVAL. edo_watch_changed(&value, &version, watch) waits until there is a later version than that (0: than none),
 * and gets it: changes in between are left out. 0; -EPIPE: it is closed, and the version is the last; -ECANCELED,
 * -EINVAL. Any thread.
 */
#define edo_watch_get(value, version, watch)     edo_watch_get_sized((value), (version), (watch), sizeof *(value))
#define edo_watch_changed(value, version, watch) edo_watch_changed_sized((value), (version), (watch), sizeof *(value))
EDO_API int edo_watch_get_sized(void *value, uint64_t *version, edo_watch *watch, size_t size);
EDO_API int edo_watch_changed_sized(void *value, uint64_t *version, edo_watch *watch, size_t size);

#ifdef __cplusplus
}
#endif

#endif
