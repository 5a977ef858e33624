/* SPDX-License-Identifier: MIT */
/*
 * The arms of a select that are no channels: timers, joins, streams, foreign descriptors. See select.h for what each
 * part does. All they have in common is that something unparks the task, which then looks by itself; so nothing happens
 * to an arm that loses, but that it is no longer waited for.
 */
#include "sync/select.h"
#include "platform/platform.h"
#include "runtime/fd_wait.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <sys/socket.h>

/* --- Timers ------------------------------------------------------------------------------------------------------- */

static int64_t edo_arm_deadline(const edo_arm *arm)
{
    if (arm->what_ == EDO_ARM_AT)
        return arm->time_;
    return arm->time_ > 0 ? edo_deadline_after(edo_platform->now(), arm->time_) : 0;
}

static bool edo_timer_arm_now(const edo_arm *arm)
{
    return arm->what_ == EDO_ARM_AFTER ? arm->time_ <= 0 : arm->time_ <= edo_platform->now();
}

static void edo_timer_arm_begin(edo_arm *arm, struct edo_task *task)
{
    struct edo_arm_state *state = edo_arm_state(arm);
    struct edo_thread *thread = edo_enter(edo_thread_self());

    state->at.sleeper = (struct edo_sleeper){.task = task};
    edo_sleeper_arm(thread, &state->at.sleeper, edo_arm_deadline(arm));
    edo_leave(thread);
}

static void edo_timer_arm_end(edo_arm *arm)
{
    edo_leave(edo_sleeper_disarm(edo_enter(edo_thread_self()), &edo_arm_state(arm)->at.sleeper));
}

/* --- Streams ------------------------------------------------------------------------------------------------------ */

static int edo_arm_direction(const edo_arm *arm)
{
    return arm->events_ == 1 << EDO_OUT ? EDO_OUT : EDO_IN;
}

static bool edo_stream_arm_closed(edo_arm *arm)
{
    struct edo_source *source = edo_arm_state(arm)->at.source;

    return !source || edo_source_is_closed(source) || edo_source_half_closed(source, edo_arm_direction(arm));
}

/*
 * What is remembered of readability may have been assumed, or used up meanwhile: the kernel is asked, by looking at the
 * first byte. Room to write is not used up by others, and if there is none after all, the write will wait.
 */
static bool edo_stream_arm_now(edo_arm *arm)
{
    struct edo_source *source = edo_arm_state(arm)->at.source;
    int direction = edo_arm_direction(arm);
    uint32_t seen;
    char byte;

    if (edo_stream_arm_closed(arm))
        return true;
    if (!edo_source_ready(source, direction, &seen))
        return false;
    if (direction == EDO_OUT)
        return true;
    if (source->beneath ? source->beneath->kind->look(source)
                        : edo_platform->recv(source->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL) != -EAGAIN)
        return true;
    edo_source_drained(source, direction, seen);
    return false;
}

static int edo_stream_arm_begin(edo_arm *arm, struct edo_task *task)
{
    struct edo_source *source = edo_arm_state(arm)->at.source;
    int direction = edo_arm_direction(arm);
    int rc;

    if (!source)
        return 0; /* closed: it is ready */
    rc = edo_source_register(source, direction, NULL);
    return rc < 0 ? rc : edo_source_enlist(source, direction, task);
}

/* It may have been woken for nothing, and its place in the source be empty: it enlists again. */
static bool edo_stream_arm_ready(edo_arm *arm)
{
    struct edo_source *source = edo_arm_state(arm)->at.source;
    int direction = edo_arm_direction(arm);
    struct edo_task *task = edo_task_self();
    uint32_t seen;

    if (!source)
        return true;
    if (atomic_load_explicit(&source->waiter[direction], memory_order_relaxed) != task &&
        edo_source_enlist(source, direction, task) < 0)
        return true; /* another task waits there by now, and would hear of it instead */
    return edo_source_ready(source, direction, &seen) || edo_stream_arm_closed(arm);
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

int edo_arm_check(edo_arm *arm, struct edo_task *task)
{
    struct edo_source *source;
    edo_task *handle;

    edo_arm_state(arm)->waits = false;
    switch (arm->what_) {
    case EDO_ARM_JOINED:
        handle = (edo_task *)arm->object_;
        if (handle == task->handle)
            return -EDEADLK;
        return handle->runtime == task->home->runtime ? 0 : -EINVAL;
    case EDO_ARM_STREAM:
        source = (struct edo_source *)arm->object_; /* a stream begins with its source; io/stream.h */
        edo_arm_state(arm)->at.source = edo_source_begin(source) == 0 ? source : NULL;
        return 0;
    case EDO_ARM_FD:
        edo_arm_state(arm)->at.source = NULL;
        return arm->events_ != 0 && !(arm->events_ & ~(1 << EDO_IN | 1 << EDO_OUT)) ? 0 : -EINVAL;
    default:
        return 0;
    }
}

bool edo_arm_now(edo_arm *arm, bool look)
{
    switch (arm->what_) {
    case EDO_ARM_JOINED:
        return edo_handle_free_to_take((edo_task *)arm->object_);
    case EDO_ARM_STREAM:
        return edo_stream_arm_now(arm);
    case EDO_ARM_FD:
        arm->rc = look ? edo_fd_look(arm->number_, arm->events_) : 0;
        return arm->rc != 0;
    default:
        return edo_timer_arm_now(arm);
    }
}

int edo_arm_begin(edo_arm *arm, struct edo_task *task)
{
    struct edo_arm_state *state = edo_arm_state(arm);
    int rc = 0;

    switch (arm->what_) {
    case EDO_ARM_JOINED:
        rc = edo_handle_await((edo_task *)arm->object_, task);
        break;
    case EDO_ARM_STREAM:
        rc = edo_stream_arm_begin(arm, task);
        break;
    case EDO_ARM_FD:
        rc = edo_fd_wait_begin(&state->at.source, arm->number_, arm->events_, task);
        break;
    default:
        edo_timer_arm_begin(arm, task);
        break;
    }
    state->waits = rc == 0;
    if (rc < 0)
        arm->rc = rc;
    return rc;
}

bool edo_arm_ready(edo_arm *arm)
{
    struct edo_arm_state *state = edo_arm_state(arm);

    switch (arm->what_) {
    case EDO_ARM_JOINED:
        return edo_task_done((edo_task *)arm->object_);
    case EDO_ARM_STREAM:
        return edo_stream_arm_ready(arm);
    case EDO_ARM_FD:
        return edo_fd_wait_ready(state->at.source, edo_task_self());
    default:
        return edo_sleeper_fired(&state->at.sleeper);
    }
}

void edo_arm_end(edo_arm *arm, struct edo_task *task)
{
    struct edo_arm_state *state = edo_arm_state(arm);

    if (!state->waits)
        return;
    state->waits = false;
    switch (arm->what_) {
    case EDO_ARM_JOINED:
        edo_handle_forgo((edo_task *)arm->object_, task);
        break;
    case EDO_ARM_STREAM:
        if (state->at.source)
            edo_source_delist(state->at.source, edo_arm_direction(arm), task);
        break;
    case EDO_ARM_FD:
        arm->rc = edo_fd_wait_end(state->at.source, arm->events_, task);
        break;
    default:
        edo_timer_arm_end(arm);
        break;
    }
}

void edo_arm_happen(edo_arm *arm)
{
    switch (arm->what_) {
    case EDO_ARM_JOINED:
        edo_handle_take((int *)arm->value_, (edo_task *)arm->object_);
        arm->rc = 0;
        break;
    case EDO_ARM_STREAM:
        arm->rc = edo_stream_arm_closed(arm) ? -EBADF : 0;
        break;
    case EDO_ARM_FD:
        break; /* rc has the events */
    default:
        arm->rc = 0;
        break;
    }
}

void edo_arm_finish(edo_arm *arm)
{
    struct edo_arm_state *state = edo_arm_state(arm);

    if (arm->what_ == EDO_ARM_STREAM && state->at.source) {
        edo_source_end(state->at.source);
        state->at.source = NULL;
    }
}
