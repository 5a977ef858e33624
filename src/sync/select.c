/* SPDX-License-Identifier: MIT */
/*
 * Select (rule C6). Three steps, of which most calls need the first alone:
 *
 *   1. Each arm is asked whether it can happen at once, beginning with another one each time; the first that can does.
 *      Nobody knows of this select, so that is an ordinary operation on one channel.
 *   2. All its channels (broadcasts, watches) are locked, in the order of their serial numbers, and asked again; if
 *      none can, the select enlists in all of them before any lock is let go. So there is no moment at which it waits
 *      in some and not in others, and of two selects that meet, one is there first and waits, the other comes and
 *      claims it.
 *   3. It waits. Parties that come to its channels claim it by the compare-and-swap of `winner` (waiter.h); what is no
 *      channel only wakes it, and then it claims itself; so does a cancellation. One claim succeeds.
 *
 * Whoever wins, the select leaves all lists, under the objects' locks, before it returns: arms are on its caller's
 * frame.
 */
#include "sync/select.h"
#include "sync/broadcast.h"
#include "sync/channel.h"
#include "runtime/poller.h"
#include "runtime/task.h"

#include <errno.h>
#include <limits.h>

struct edo_select {
    edo_arm *arms;
    int count;
    int start;    /* with which arm to begin */
    int fallback; /* the default's index; -1: there is none */
    int held;     /* arms that are checked and hold something; see edo_arm_check */
    struct edo_waiter waiter;
    int meetings;                     /* arms with channels and the like */
    uint8_t by_serial[EDO_ARMS_MOST]; /* those arms, in the order in which they are locked */
};

/* A place where other parties come to claim it: a channel, a broadcast, a watch. */
static bool edo_arm_is_meeting(const edo_arm *arm)
{
    return arm->what_ == EDO_ARM_RECV || arm->what_ == EDO_ARM_SEND || arm->what_ == EDO_ARM_HEAR;
}

/* Switched off, or the default. */
static bool edo_arm_is_idle(const edo_arm *arm)
{
    return arm->what_ == EDO_ARM_DEFAULT || arm->what_ == EDO_ARM_NONE;
}

static struct edo_channel *edo_arm_channel(const edo_arm *arm)
{
    return (struct edo_channel *)arm->object_;
}

static struct edo_broadcast *edo_arm_broadcast(const edo_arm *arm)
{
    return (struct edo_broadcast *)arm->object_;
}

/* All of them begin with it. */
static struct edo_meeting *edo_arm_meeting(const edo_arm *arm)
{
    return (struct edo_meeting *)arm->object_;
}

static size_t edo_arm_size(const edo_arm *arm)
{
    return arm->what_ == EDO_ARM_HEAR ? edo_arm_broadcast(arm)->size : edo_arm_channel(arm)->size;
}

/* The i-th arm, beginning with `start`. */
static int edo_select_index(const struct edo_select *select, int i)
{
    int index = select->start + i;

    return index >= select->count ? index - select->count : index;
}

/* --- 1: at once --------------------------------------------------------------------------------------------------- */

/* What that arm is checked for before anything else; notes in the select what it has found. */
static inline int edo_select_check_arm(struct edo_select *select, int index, struct edo_task *task)
{
    edo_arm *arm = &select->arms[index];
    int rc;

    if (edo_arm_is_meeting(arm))
        return arm->size_ == edo_arm_size(arm) ? 0 : -EINVAL;
    if (arm->what_ == EDO_ARM_DEFAULT)
        select->fallback = index;
    if (edo_arm_is_idle(arm))
        return 0;
    if (arm->what_ < EDO_ARM_NONE || arm->what_ > EDO_ARM_DEFAULT)
        return -EINVAL;
    rc = edo_arm_check(arm, task);
    if (rc == 0)
        select->held++;
    return rc;
}

/* Looks whether all can be arms of this task, and takes hold of their streams; *checked tells of how many. */
static int edo_select_check(int *checked, struct edo_select *select, struct edo_task *task)
{
    int rc = 0;
    int i;

    for (i = 0; i < select->count && rc == 0; i++)
        select->arms[i].rc = rc = edo_select_check_arm(select, i, task);
    *checked = rc < 0 ? i - 1 : i;
    return rc;
}

/* Hears the next value. Under the lock. */
static int edo_arm_hear(edo_arm *arm)
{
    int64_t missed = edo_broadcast_take(arm->value_, arm->next_, edo_arm_broadcast(arm));

    return missed > INT_MAX ? INT_MAX : (int)missed;
}

/* Whether the operation could be done, under its lock. */
static bool edo_arm_do_locked(struct edo_waiter **other, edo_arm *arm, const struct edo_waiter *self)
{
    if (arm->what_ == EDO_ARM_SEND)
        arm->rc = edo_channel_put(other, edo_arm_channel(arm), arm->value_, self);
    else if (arm->what_ == EDO_ARM_RECV)
        arm->rc = edo_channel_take(other, edo_arm_channel(arm), arm->value_, self);
    else
        arm->rc = edo_arm_hear(arm);
    return arm->rc != -EAGAIN;
}

/* Whether it is worth a try, by a look without the lock. */
static bool edo_arm_may(edo_arm *arm)
{
    if (arm->what_ == EDO_ARM_SEND)
        return edo_channel_may_send(edo_arm_channel(arm));
    if (arm->what_ == EDO_ARM_RECV)
        return edo_channel_may_recv(edo_arm_channel(arm));
    return edo_broadcast_may_hear(edo_arm_broadcast(arm), *arm->next_);
}

static bool edo_arm_meeting_now(edo_arm *arm)
{
    struct edo_waiter *other = NULL;
    bool happened;

    if (!edo_arm_may(arm))
        return false;
    if (arm->what_ == EDO_ARM_SEND) {
        arm->rc = edo_channel_lock_to_send(edo_arm_channel(arm));
        if (arm->rc < 0)
            return true;
    } else {
        edo_lock_acquire(&edo_arm_meeting(arm)->lock);
    }
    happened = edo_arm_do_locked(&other, arm, NULL);
    edo_lock_release(&edo_arm_meeting(arm)->lock);
    if (other)
        edo_waiter_finish(other);
    return happened;
}

/* The index of an arm that has happened, -EAGAIN if none could. */
static int edo_select_now(struct edo_select *select, bool look)
{
    for (int i = 0; i < select->count; i++) {
        int index = edo_select_index(select, i);
        edo_arm *arm = &select->arms[index];

        if (edo_arm_is_idle(arm))
            continue;
        if (edo_arm_is_meeting(arm)) {
            if (edo_arm_meeting_now(arm))
                return index;
        } else if (edo_arm_now(arm, look)) {
            edo_arm_happen(arm);
            return index;
        }
    }
    return -EAGAIN;
}

/* --- 2: in all meetings, or in none ------------------------------------------------------------------------------- */

/* Sorts the arms with meetings by their serial numbers. There are few: by insertion. */
static void edo_select_sort(struct edo_select *select)
{
    select->meetings = 0;
    for (int i = 0; i < select->count; i++) {
        int at = select->meetings;

        if (!edo_arm_is_meeting(&select->arms[i]))
            continue;
        while (at > 0 && edo_arm_meeting(&select->arms[select->by_serial[at - 1]])->serial >
                             edo_arm_meeting(&select->arms[i])->serial) {
            select->by_serial[at] = select->by_serial[at - 1];
            at--;
        }
        select->by_serial[at] = (uint8_t)i;
        select->meetings++;
    }
}

/* That of the i-th arm in that order, NULL if the one before has the same. */
static struct edo_meeting *edo_select_meeting(struct edo_select *select, int i)
{
    struct edo_meeting *meeting = edo_arm_meeting(&select->arms[select->by_serial[i]]);

    return i > 0 && edo_arm_meeting(&select->arms[select->by_serial[i - 1]]) == meeting ? NULL : meeting;
}

static void edo_select_lock(struct edo_select *select)
{
    for (int i = 0; i < select->meetings; i++) {
        struct edo_meeting *meeting = edo_select_meeting(select, i);

        if (meeting)
            edo_lock_acquire(&meeting->lock);
    }
}

static void edo_select_unlock(struct edo_select *select)
{
    for (int i = 0; i < select->meetings; i++) {
        struct edo_meeting *meeting = edo_select_meeting(select, i);

        if (meeting)
            edo_lock_release(&meeting->lock);
    }
}

/* Into the list where the other parties look, and out of it, if it is there. Under the lock. */
static void edo_arm_enlist(edo_arm *arm, struct edo_waiter *waiter, uint32_t number, edo_arm *before)
{
    struct edo_place *place = &edo_arm_state(arm)->at.place;
    struct edo_place *sibling = before ? &edo_arm_state(before)->at.place : NULL;

    *place =
        (struct edo_place){.waiter = waiter, .value = arm->value_, .arm = number, .send = arm->what_ == EDO_ARM_SEND};
    if (sibling) {
        place->sibling = sibling->sibling ? sibling->sibling : sibling;
        sibling->sibling = place;
    }
    if (arm->what_ == EDO_ARM_HEAR)
        edo_place_enlist(&edo_arm_broadcast(arm)->listeners, place);
    else
        edo_channel_enlist(edo_arm_channel(arm), place);
}

static void edo_arm_delist(edo_arm *arm)
{
    struct edo_place *place = &edo_arm_state(arm)->at.place;

    if (arm->what_ != EDO_ARM_HEAR)
        edo_channel_delist(edo_arm_channel(arm), place);
    else if (place->listed)
        edo_place_delist(place);
}

/* The index of an arm that has happened; -EAGAIN: it waits in all meetings. */
static int edo_select_enlist(struct edo_select *select)
{
    struct edo_waiter *other = NULL;
    int happened = -EAGAIN;

    edo_select_sort(select);
    edo_select_lock(select);
    for (int i = 0; i < select->count && happened < 0; i++) {
        int index = edo_select_index(select, i);

        if (edo_arm_is_meeting(&select->arms[index]) &&
            edo_arm_do_locked(&other, &select->arms[index], &select->waiter))
            happened = index;
    }
    for (int i = 0; i < select->meetings && happened < 0; i++) {
        edo_arm *before = edo_select_meeting(select, i) ? NULL : &select->arms[select->by_serial[i - 1]];

        edo_arm_enlist(&select->arms[select->by_serial[i]], &select->waiter, select->by_serial[i], before);
    }
    edo_select_unlock(select);
    if (other)
        edo_waiter_finish(other);
    return happened;
}

/*
 * Who claimed it has taken it out of that channel altogether, and may have let it be destroyed by now; the others are
 * there, and so are their locks.
 */
static void edo_select_delist(struct edo_select *select)
{
    uint32_t winner = atomic_load_explicit(&select->waiter.winner, memory_order_acquire);
    const struct edo_meeting *claimed = NULL;

    if (winner > 0 && winner <= (uint32_t)select->count && edo_arm_is_meeting(&select->arms[winner - 1]))
        claimed = edo_arm_meeting(&select->arms[winner - 1]);
    for (int i = 0; i < select->count; i++) {
        edo_arm *arm = &select->arms[i];

        if (!edo_arm_is_meeting(arm) || edo_arm_meeting(arm) == claimed)
            continue;
        edo_lock_acquire(&edo_arm_meeting(arm)->lock);
        edo_arm_delist(arm);
        edo_lock_release(&edo_arm_meeting(arm)->lock);
    }
}

/* --- 3: waiting --------------------------------------------------------------------------------------------------- */

static bool edo_select_claim(struct edo_select *select, uint32_t winner)
{
    uint32_t none = 0;

    return atomic_compare_exchange_strong_explicit(&select->waiter.winner, &none, winner, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/*
 * Begins with what is no channel. -EAGAIN; or the index of an arm that cannot be waited for: it happens, with that
 * error.
 */
static int edo_select_begin_others(struct edo_select *select)
{
    for (int i = 0; i < select->count; i++) {
        edo_arm *arm = &select->arms[i];

        if (!edo_arm_is_meeting(arm) && !edo_arm_is_idle(arm) && edo_arm_begin(arm, select->waiter.task) < 0)
            return i;
    }
    return -EAGAIN;
}

static int edo_select_ready_other(struct edo_select *select)
{
    for (int i = 0; i < select->count; i++) {
        int index = edo_select_index(select, i);
        edo_arm *arm = &select->arms[index];

        if (!edo_arm_is_meeting(arm) && !edo_arm_is_idle(arm) && edo_arm_ready(arm))
            return index;
    }
    return -EAGAIN;
}

/* Another party has made it happen; of a broadcast, has told that there is something to hear. */
static void edo_arm_claimed(edo_arm *arm)
{
    if (arm->what_ != EDO_ARM_HEAR) {
        arm->rc = edo_arm_state(arm)->at.place.rc;
        return;
    }
    edo_lock_acquire(&edo_arm_meeting(arm)->lock);
    arm->rc = edo_arm_hear(arm);
    edo_lock_release(&edo_arm_meeting(arm)->lock);
}

/* Waits, in all lists. The index of the arm that happened, or is to happen now; -ECANCELED. */
static int edo_select_wait(struct edo_select *select, int wrong)
{
    for (;;) {
        uint32_t winner = atomic_load_explicit(&select->waiter.winner, memory_order_acquire);
        int other = wrong;

        if (winner) { /* by a party that came to a channel: until it has moved the value */
            edo_waiter_wait(&select->waiter, false);
            edo_arm_claimed(&select->arms[winner - 1]);
            return (int)winner - 1;
        }
        if (other == -EAGAIN)
            other = edo_select_ready_other(select);
        if (other == -EAGAIN && edo_task_cancelled(select->waiter.task))
            other = -ECANCELED;
        if (other == -EAGAIN)
            edo_park(select->waiter.task);
        else if (edo_select_claim(select, other < 0 ? EDO_WAITER_CANCELLED : (uint32_t)other + 1))
            return other;
    }
}

static int edo_select_slowly(struct edo_select *select, struct edo_task *task)
{
    int index;
    int wrong;

    select->waiter = (struct edo_waiter){.task = task, .select = true};
    index = edo_select_enlist(select);
    if (index >= 0)
        return index;
    wrong = edo_select_begin_others(select);
    index = edo_select_wait(select, wrong);
    edo_select_delist(select);
    for (int i = 0; i < select->count; i++)
        if (!edo_arm_is_meeting(&select->arms[i]) && !edo_arm_is_idle(&select->arms[i]))
            edo_arm_end(&select->arms[i], task);
    if (index >= 0 && index != wrong && !edo_arm_is_meeting(&select->arms[index]))
        edo_arm_happen(&select->arms[index]);
    return index;
}

/* Lets go of what edo_select_check has taken hold of in the first `count` arms. */
static void edo_select_finish(struct edo_select *select, int count)
{
    if (__builtin_expect(select->held == 0, 1))
        return;
    for (int i = 0; i < count; i++)
        if (!edo_arm_is_meeting(&select->arms[i]) && !edo_arm_is_idle(&select->arms[i]))
            edo_arm_finish(&select->arms[i]);
}

/* All arms are checked and held. */
static int edo_select_checked(struct edo_select *select)
{
    struct edo_task *task = edo_task_self();
    int index = edo_suspension_point(task); /* only now: others have a turn here, and may close what is selected on */

    if (index < 0)
        return index;
    select->start = select->count ? (int)(edo_thread_self()->rotor++ % (uint32_t)select->count) : 0;
    index = edo_select_now(select, select->fallback >= 0);
    if (index >= 0)
        return index;
    if (select->fallback >= 0)
        return select->fallback; /* its rc is 0 */
    return edo_select_slowly(select, task);
}

int edo_select(edo_arm *arms, size_t count)
{
    struct edo_task *task = edo_task_self();
    struct edo_select select; /* what waiting needs is filled in by edo_select_slowly */
    int checked;
    int rc;

    if (!task)
        return -EPERM;
    if (count > EDO_ARMS_MOST)
        return -EINVAL;
    select.arms = arms;
    select.count = (int)count;
    select.fallback = -1;
    select.held = 0;
    rc = edo_select_check(&checked, &select, task);
    if (rc == 0)
        rc = edo_select_checked(&select);
    edo_select_finish(&select, checked);
    return rc;
}

/* --- Making arms -------------------------------------------------------------------------------------------------- */

edo_arm edo_arm_recv(edo_channel *channel, void *value, size_t size)
{
    edo_arm arm = {.what_ = channel ? EDO_ARM_RECV : EDO_ARM_NONE, .object_ = channel, .value_ = value, .size_ = size};

    return arm;
}

edo_arm edo_arm_send(edo_channel *channel, const void *value, size_t size)
{
    edo_arm arm = edo_arm_recv(channel, (void *)(uintptr_t)value, size);

    if (channel)
        arm.what_ = EDO_ARM_SEND;
    return arm;
}

edo_arm edo_arm_hear_sized(void *value, edo_subscription *subscription, size_t size)
{
    return (edo_arm){.what_ = subscription ? EDO_ARM_HEAR : EDO_ARM_NONE,
                     .object_ = subscription ? subscription->broadcast_ : NULL,
                     .value_ = value,
                     .size_ = size,
                     .next_ = subscription ? &subscription->next_ : NULL};
}

edo_arm edo_arm_changed_sized(void *value, uint64_t *version, edo_watch *watch, size_t size)
{
    return (edo_arm){.what_ = watch ? EDO_ARM_HEAR : EDO_ARM_NONE,
                     .object_ = watch,
                     .value_ = value,
                     .size_ = size,
                     .next_ = version};
}

edo_arm edo_arm_after(int64_t duration)
{
    return (edo_arm){.what_ = EDO_ARM_AFTER, .time_ = duration};
}

edo_arm edo_arm_at(int64_t deadline)
{
    return (edo_arm){.what_ = EDO_ARM_AT, .time_ = deadline};
}

edo_arm edo_arm_joined(int *result, edo_task *task)
{
    return (edo_arm){.what_ = task ? EDO_ARM_JOINED : EDO_ARM_NONE, .object_ = task, .value_ = result};
}

edo_arm edo_arm_readable(struct edo_stream *stream)
{
    return (edo_arm){.what_ = stream ? EDO_ARM_STREAM : EDO_ARM_NONE, .object_ = stream, .events_ = 1 << EDO_IN};
}

edo_arm edo_arm_writable(struct edo_stream *stream)
{
    return (edo_arm){.what_ = stream ? EDO_ARM_STREAM : EDO_ARM_NONE, .object_ = stream, .events_ = 1 << EDO_OUT};
}

edo_arm edo_arm_fd(int fd, int events)
{
    return (edo_arm){.what_ = EDO_ARM_FD, .number_ = fd, .events_ = events};
}

edo_arm edo_arm_default(void)
{
    return (edo_arm){.what_ = EDO_ARM_DEFAULT};
}
