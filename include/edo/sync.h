/* SPDX-License-Identifier: MIT */
/*
 * What tasks wait for each other with: mutex, rwlock, semaphore, notify, barrier, once, wait group.
 *
 * All are public structs without allocation: they live anywhere, start from a static initialiser or an init function,
 * and hold nothing that would have to be freed. All zero is a valid mutex, rwlock, notify, once and wait group. They do
 * not move while they are used. One may be destroyed as soon as the last call on it has returned, even if that call was
 * let in by another that has not returned yet: an unlock does not touch what it has unlocked. finish says that its
 * memory goes now; it does nothing but to abort, in builds with EDO_DEBUG_CHECKS, if the object is held or waited for.
 *
 * Tasks of any runtime and plain threads use them together: a task that waits gives up its worker, a thread that runs
 * no task blocks. (On a worker's thread outside a task, in the callback of a timer, nothing that waits may be called.)
 *
 * Calls that wait (lock, acquire, wait, ...) return 0 when it has happened. In a task each is a suspension point, which
 * spends budget and is refused with -ECANCELED when the scope is cancelled, even if it would not have to wait.
 * -ECANCELED, and -ETIMEDOUT of the forms with an absolute `deadline` (EDO_FOREVER: none), mean that it has not
 * happened: the lock is not held, no permit was taken, and a wake that came at the same moment has gone to the next
 * (rules C2, C3). Who waits keeps its place in line until then: waiting is the task's own, not that of an object that
 * might be polled or not.
 *
 * Calls that do not wait (unlock, release, notify, add, done, try) may be made from any task, thread and timer callback
 * and are never refused by a cancellation.
 */
#ifndef EDO_SYNC_H
#define EDO_SYNC_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Mutex -------------------------------------------------------------------------------------------------------- */

/*
 * Who comes while it is free gets it, also before those that wait (that is what makes it fast); but who has waited for
 * 1 ms has it handed over, in order of arrival. It is held by a task, not by a thread, and may be held across calls
 * that wait. Not recursive.
 */
typedef struct edo_mutex {
    uint32_t word_;
    uint32_t reserved_word_;
    uint64_t owner_;
    uint64_t reserved_[2];
} edo_mutex;

#define EDO_MUTEX_INIT                                                                                                 \
    {                                                                                                                  \
        0, 0, 0,                                                                                                       \
        {                                                                                                              \
            0, 0                                                                                                       \
        }                                                                                                              \
    }

/* As EDO_MUTEX_INIT does; the memory goes now. */
EDO_API void edo_mutex_init(edo_mutex *mutex);
EDO_API void edo_mutex_finish(edo_mutex *mutex);

/*
 * 0: the caller holds it; -ECANCELED, -ETIMEDOUT: it does not; -EDEADLK: it holds it already (an abort in builds with
 * EDO_DEBUG_CHECKS).
 */
EDO_API int edo_mutex_lock(edo_mutex *mutex);
EDO_API int edo_mutex_lock_until(edo_mutex *mutex, int64_t deadline);

/* 0, or -EBUSY: somebody holds it. */
EDO_API int edo_mutex_try_lock(edo_mutex *mutex);

/* By the task or thread that holds it. */
EDO_API void edo_mutex_unlock(edo_mutex *mutex);

/*
 * EDO_LOCKED (&mutex, &rc) { ... }: runs the block with the mutex held and unlocks it on every way out: falling
 * through, break, return, goto. If it could not be locked, rc is set to -ECANCELED and the block is skipped; else rc is
 * left alone.
 */
#define EDO_LOCKED(mutex, rc) EDO_LOCKED_(mutex, rc, EDO_UNIQUE(edo_held_))
#define EDO_LOCKED_(mutex, rc, held)                                                                                   \
    for (edo_mutex * held __attribute__((cleanup(edo_mutex_leave_))) = edo_mutex_enter_((mutex), (rc)); held;          \
         edo_mutex_leave_(&held))
static inline edo_mutex *edo_mutex_enter_(edo_mutex *mutex, int *rc)
{
    int locked = edo_mutex_lock(mutex);

    if (locked == 0)
        return mutex;
    *rc = locked;
    return NULL;
}
static inline void edo_mutex_leave_(edo_mutex **held)
{
    if (*held)
        edo_mutex_unlock(*held);
    *held = NULL;
}

/* --- Readers and writers ------------------------------------------------------------------------------------------ */

/*
 * Many readers or one writer, let in in order of arrival: once a writer waits, readers that come later wait behind it,
 * so neither starves. A task that holds it for reading must not lock it again: a writer may have come between.
 */
typedef struct edo_rwlock {
    uint32_t word_;
    uint32_t reserved_word_;
    uint64_t owner_; /* of the writer */
    uint64_t reserved_[2];
} edo_rwlock;

#define EDO_RWLOCK_INIT                                                                                                \
    {                                                                                                                  \
        0, 0, 0,                                                                                                       \
        {                                                                                                              \
            0, 0                                                                                                       \
        }                                                                                                              \
    }

/* As EDO_RWLOCK_INIT does; the memory goes now. */
EDO_API void edo_rwlock_init(edo_rwlock *rwlock);
EDO_API void edo_rwlock_finish(edo_rwlock *rwlock);

/* 0: held; -ECANCELED, -ETIMEDOUT: not held; -EDEADLK: the caller holds it for writing. */
EDO_API int edo_rwlock_read_lock(edo_rwlock *rwlock);
EDO_API int edo_rwlock_read_lock_until(edo_rwlock *rwlock, int64_t deadline);
EDO_API int edo_rwlock_write_lock(edo_rwlock *rwlock);
EDO_API int edo_rwlock_write_lock_until(edo_rwlock *rwlock, int64_t deadline);

/* 0, or -EBUSY: it would have to wait. */
EDO_API int edo_rwlock_try_read_lock(edo_rwlock *rwlock);
EDO_API int edo_rwlock_try_write_lock(edo_rwlock *rwlock);

/* By a task or thread that holds it in that way. */
EDO_API void edo_rwlock_read_unlock(edo_rwlock *rwlock);
EDO_API void edo_rwlock_write_unlock(edo_rwlock *rwlock);

/* --- Semaphore ---------------------------------------------------------------------------------------------------- */

/*
 * A number of permits. Whoever acquires takes some, and waits until there are so many; in order of arrival, so that one
 * who wants many is not starved by those who want few. Permits belong to nobody: any task may release them.
 */
typedef struct edo_semaphore {
    int64_t word_;
    uint64_t reserved_[3];
} edo_semaphore;

#define EDO_SEMAPHORE_MOST (INT64_MAX / 4)
#define EDO_SEMAPHORE_INIT(permits)                                                                                    \
    {                                                                                                                  \
        2 * (int64_t)(permits),                                                                                        \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

/* With 0 to EDO_SEMAPHORE_MOST permits; the memory goes now. */
EDO_API void edo_semaphore_init(edo_semaphore *semaphore, int64_t permits);
EDO_API void edo_semaphore_finish(edo_semaphore *semaphore);

/*
 * Takes `permits` (0 or more) at once. 0; -ECANCELED, -ETIMEDOUT: none were taken; -EINVAL: a number below 0 or above
 * EDO_SEMAPHORE_MOST. More than there will ever be are waited for until the deadline or a cancellation.
 */
EDO_API int edo_semaphore_acquire(edo_semaphore *semaphore, int64_t permits);
EDO_API int edo_semaphore_acquire_until(edo_semaphore *semaphore, int64_t permits, int64_t deadline);

/* 0; -EBUSY: it would have to wait; -EINVAL. */
EDO_API int edo_semaphore_try_acquire(edo_semaphore *semaphore, int64_t permits);

/* Gives `permits` back. 0; -EINVAL: a negative number; -EOVERFLOW: there would be more than EDO_SEMAPHORE_MOST. */
EDO_API int edo_semaphore_release(edo_semaphore *semaphore, int64_t permits);

/*
 * Makes there be `difference` permits more, or fewer if it is negative, without waiting: there are then fewer than none
 * until enough have come back. 0; -EOVERFLOW: out of bounds either way, and nothing was changed.
 */
EDO_API int edo_semaphore_adjust(edo_semaphore *semaphore, int64_t difference);

/* How many there were just now; negative after an adjustment. */
EDO_API int64_t edo_semaphore_available(const edo_semaphore *semaphore);

/* --- Notify ------------------------------------------------------------------------------------------------------- */

/*
 * "Look again." It carries no value: what is to be looked at is elsewhere, under its own lock or in atomics. One who
 * changes it calls edo_notify_one; one who waits does so in a loop that looks first. If nobody waits, one permit is
 * kept, and the next wait returns at once, so that no notification is lost between the look and the wait. What was
 * written before a notification is seen by who was woken by it.
 */
typedef struct edo_notify {
    uint32_t word_;
    uint32_t epoch_;
    uint64_t reserved_[3];
} edo_notify;

#define EDO_NOTIFY_INIT                                                                                                \
    {                                                                                                                  \
        0, 0,                                                                                                          \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

/* As EDO_NOTIFY_INIT does; the memory goes now. */
EDO_API void edo_notify_init(edo_notify *notify);
EDO_API void edo_notify_finish(edo_notify *notify);

/* 0: notified, or there was a permit, which is gone now; -ECANCELED, -ETIMEDOUT: neither was consumed. */
EDO_API int edo_notify_wait(edo_notify *notify);
EDO_API int edo_notify_wait_until(edo_notify *notify, int64_t deadline);

/* Wakes the one that has waited for longest; if there is none, leaves a permit (one at most). */
EDO_API void edo_notify_one(edo_notify *notify);

/*
 * Wakes all that wait now and leaves no permit. So one who waits by edo_notify_wait may miss it between the look and
 * the wait; for several waiters ask for the epoch before the look, and wait with that:
 *
 *     for (;;) {
 *         uint32_t epoch = edo_notify_epoch(&changed);
 *
 *         if (there_is_work() || (rc = edo_notify_wait_since(&changed, epoch, EDO_FOREVER)) < 0)
 *             break;
 *     }
 */
EDO_API void edo_notify_all(edo_notify *notify);

/* How often edo_notify_all has been called, modulo 2^32. */
EDO_API uint32_t edo_notify_epoch(const edo_notify *notify);

/*
 * As edo_notify_wait_until, but returns 0 at once if edo_notify_all was called since then; no permit is consumed in
 * that case.
 */
EDO_API int edo_notify_wait_since(edo_notify *notify, uint32_t epoch, int64_t deadline);

/* --- Barrier ------------------------------------------------------------------------------------------------------ */

/* Where `count` tasks or threads wait until all of them have come. It may be used again at once. */
typedef struct edo_barrier {
    uint32_t count_;
    uint32_t arrived_;
    uint64_t reserved_[3];
} edo_barrier;

#define EDO_BARRIER_INIT(count)                                                                                        \
    {                                                                                                                  \
        (count), 0,                                                                                                    \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

/* A count of 0 is taken as 1; the memory goes now. */
EDO_API void edo_barrier_init(edo_barrier *barrier, uint32_t count);
EDO_API void edo_barrier_finish(edo_barrier *barrier);

/*
 * 0: all have come; 1: the same, and the caller was the last of them; -ECANCELED, -ETIMEDOUT: the caller has not come,
 * and does not count any more.
 */
EDO_API int edo_barrier_wait(edo_barrier *barrier);
EDO_API int edo_barrier_wait_until(edo_barrier *barrier, int64_t deadline);

/* --- Once --------------------------------------------------------------------------------------------------------- */

/* Something that is to be done once, by whoever comes first. */
typedef struct edo_once {
    uint32_t state_;
    uint32_t reserved_word_;
    uint64_t owner_;
    uint64_t reserved_[2];
} edo_once;

#define EDO_ONCE_INIT                                                                                                  \
    {                                                                                                                  \
        0, 0, 0,                                                                                                       \
        {                                                                                                              \
            0, 0                                                                                                       \
        }                                                                                                              \
    }

/* As EDO_ONCE_INIT does; the memory goes now. */
EDO_API void edo_once_init(edo_once *once);
EDO_API void edo_once_finish(edo_once *once);

/*
 * Sees to it that initialise(argument) has succeeded once: calls it, or waits for another that does. If it fails
 * (returns a negative number) its caller gets that, and it is tried again: by the one that has waited for longest, with
 * what that one passed, or by the next that comes. It may wait; calling edo_once_call on the same object is -EDEADLK
 * (an abort in builds with EDO_DEBUG_CHECKS).
 *
 * 0: it has been done, and all it wrote is seen; also in a cancelled scope if it had been done before. Otherwise what
 * `initialise` returned here, or -ECANCELED before it was called here.
 */
EDO_API int edo_once_call(edo_once *once, int (*initialise)(void *argument), void *argument);

/* Whether it has been done. */
EDO_API bool edo_once_done(const edo_once *once);

/* --- Wait group --------------------------------------------------------------------------------------------------- */

/*
 * A count of things to be waited for. (Tasks are waited for by their scope: EDO_SCOPE. This is for what is no task, and
 * for tasks whose scope goes on.) It may be used again when it has come down to 0.
 */
typedef struct edo_wait_group {
    int64_t word_;
    uint64_t reserved_[3];
} edo_wait_group;

#define EDO_WAIT_GROUP_INIT                                                                                            \
    {                                                                                                                  \
        0,                                                                                                             \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

/* As EDO_WAIT_GROUP_INIT does; the memory goes now. */
EDO_API void edo_wait_group_init(edo_wait_group *group);
EDO_API void edo_wait_group_finish(edo_wait_group *group);

/* There are `count` more, before they begin; one of them is done. Done more often than added is misuse, and ignored. */
EDO_API void edo_wait_group_add(edo_wait_group *group, uint32_t count);
EDO_API void edo_wait_group_done(edo_wait_group *group);

/* Waits until the count is 0. 0: it was, and what was written before each done is seen; -ECANCELED, -ETIMEDOUT. */
EDO_API int edo_wait_group_wait(edo_wait_group *group);
EDO_API int edo_wait_group_wait_until(edo_wait_group *group, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
