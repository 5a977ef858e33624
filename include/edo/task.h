/* SPDX-License-Identifier: MIT */
/*
 * Tasks: functions that run with a stack of their own, many on few threads.
 *
 * A task is `int fn(void *)`; it returns 0 (or a count) or a negative errno value. It belongs to a scope, may wake on
 * any thread after any call that waits, and holds a stack only while it has frames: it gets one at its first run, and
 * gives it back when it ends or goes on later by edo_continue (rule K5).
 *
 * Because a task may wake on another thread, nothing thread-local survives a call that may wait: not errno, not the
 * address of a thread_local variable. Spawn with .pinned = true for code that can't live with that.
 */
#ifndef EDO_TASK_H
#define EDO_TASK_H

#include <edo/base.h>
#include <edo/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle to a task, from .handle to edo_join or edo_detach. */
typedef struct edo_handle edo_task;

/* What a task function looks like. */
typedef int (*edo_task_fn)(void *argument);

/* --- When a dormant task goes on ---------------------------------------------------------------------------------- */

/* A condition for .when and edo_continue, made by the macros below. A plain value. */
typedef struct edo_when {
    int what_;
    int events_;
    void *object_;
    int64_t deadline; /* absolute; 0: none. When it passes first, the task goes on and edo_resumption() is -ETIMEDOUT */
} edo_when;

enum { EDO_WHEN_NOW_ = 1, EDO_WHEN_AT_, EDO_WHEN_READABLE_, EDO_WHEN_WRITABLE_ };

/* As soon as others have had their turn. */
#define EDO_WHEN_NOW ((edo_when){.what_ = EDO_WHEN_NOW_})
/* At a time. edo_resumption() is then 0. */
#define EDO_WHEN_AT(time) ((edo_when){.what_ = EDO_WHEN_AT_, .deadline = (time)})
/* When a read (a write) on the stream would not wait, or would fail: EDO_WHEN_READABLE(stream, .deadline = limit) */
#define EDO_WHEN_READABLE(...)              EDO_WHEN_STREAM_(EDO_WHEN_READABLE_, __VA_ARGS__, .events_ = 0)
#define EDO_WHEN_WRITABLE(...)              EDO_WHEN_STREAM_(EDO_WHEN_WRITABLE_, __VA_ARGS__, .events_ = 0)
#define EDO_WHEN_STREAM_(what, stream, ...) ((edo_when){.what_ = (what), .object_ = (stream), __VA_ARGS__})

/* --- Spawn -------------------------------------------------------------------------------------------------------- */

typedef struct edo_spawn_options {
    size_t size;
    size_t copy; /* copy so many bytes from `argument`; the task gets the copy's address and it goes with the task */
    edo_task **handle; /* where to put a handle, to be joined or detached; NULL: the task frees itself when it ends */
    const char *name;  /* static text, for people; NULL: the spawn site's function */
    /* bytes of address space, rounded up to a power of two, 16 KiB to 8 MiB; 0: the runtime's default */
    size_t stack_size;
    bool pinned;   /* always on the thread where it first runs (for foreign code with thread-local state) */
    edo_when when; /* start only then (no stack until then); all zero: at once */
} edo_spawn_options;

/*
 * edo_spawn(scope, fn, argument, .name = "resize", .handle = &task) starts fn(argument) as a task in `scope`.
 *
 * `scope` is one that the caller runs in or owns; EDO_DETACHED is the runtime's own, which is cancelled and waited for
 * when the runtime ends. A task that was spawned always runs, even if its scope is cancelled by then (rule C10); under
 * EDO_FAIL_FAST a negative return value cancels the scope. Never waits.
 *
 * 0; -ENOMEM, -EINVAL, -E2BIG; -EPERM on a thread that runs no task; for .when also -EBUSY and -EBADF of its
 * stream, and -EMFILE and others of epoll_ctl(2). After an error nothing was spawned and the argument is still the
 * caller's.
 */
#define edo_spawn(scope, fn, ...) EDO_SPAWN_((scope), (fn), __VA_ARGS__, .size = sizeof(edo_spawn_options))
#define EDO_SPAWN_(scope, fn, argument, ...)                                                                           \
    edo_spawn_at((scope), (fn), (argument), EDO_HERE, &(edo_spawn_options){__VA_ARGS__})
#define EDO_DETACHED ((edo_scope *)NULL)

/* The function beneath. `site` may be NULL; `options` may be NULL. No cancellation refuses it (rule C10). */
EDO_API int edo_spawn_at(edo_scope *scope, edo_task_fn fn, void *argument, edo_site *site,
                         const edo_spawn_options *options);

/*
 * Waits until the task has ended, puts its return value into *result (NULL: nowhere) and releases the handle.
 * 0; -ECANCELED: only this wait has ended, the handle is still good; -EDEADLK: the task is the caller itself.
 * From any task, and from threads that run none: those block, and must know that the task's runtime outlives the call.
 * -EBUSY: another task joins it already. One joiner a handle.
 */
EDO_API int edo_join(int *result, edo_task *task);

/* Whether the task has ended: edo_join would not wait. Any thread. */
EDO_API bool edo_task_done(const edo_task *task);

/*
 * Releases a handle without waiting; the task goes on in its scope, which still waits for it. NULL is accepted. Any
 * thread.
 */
EDO_API void edo_detach(edo_task *task);

/* --- Inside a task ------------------------------------------------------------------------------------------------ */

/*
 * `return edo_continue(EDO_WHEN_READABLE(peer, .deadline = limit), next, EDO_TAKE(peer));` ends this function and goes
 * on with next(argument) when the condition comes; until then the task has no stack. It keeps its identity, scope, name
 * and cancellation. Cannot fail: cancellation (rule C1), the deadline, and an error in waiting run `next` too, which
 * asks edo_resumption() why. The value must be returned by the task function itself, and all scopes the task opened
 * must be closed. The condition is evaluated before the argument, so EDO_TAKE of the stream waited for is in order.
 */
#define edo_continue(when, fn, argument)                                                                               \
    (__extension__({                                                                                                   \
        edo_when edo_when_ = (when);                                                                                   \
        edo_continue_(&edo_when_, (fn), (argument));                                                                   \
    }))
EDO_API int edo_continue_with(const edo_when *when, edo_task_fn fn, void *argument);

struct edo_stream;

/*
 * The same as edo_continue(EDO_WHEN_READABLE(stream), fn, argument), in cancellation as in all else; that comes down to
 * this where the compiler sees that there is no deadline.
 */
EDO_API int edo_continue_readable(struct edo_stream *stream, edo_task_fn fn, void *argument);

/* For edo_continue alone. */
static inline int edo_continue_(const edo_when *when, edo_task_fn fn, void *argument)
{
    if (__builtin_constant_p(when->what_ == EDO_WHEN_READABLE_ && when->deadline == 0) &&
        when->what_ == EDO_WHEN_READABLE_ && when->deadline == 0)
        return edo_continue_readable((struct edo_stream *)when->object_, fn, argument);
    return edo_continue_with(when, fn, argument);
}

/*
 * Why this function of the task was run: 0, its condition came (or it had none); -ETIMEDOUT, the condition's deadline
 * passed; -ECANCELED, its scope is cancelled; another negative errno: it could not wait. Who had no deadline and reads
 * (writes) at once need not ask: that says the same.
 */
EDO_API int edo_resumption(void);

/* Lets others have a turn. 0, or -ECANCELED (the turn was given all the same). 0 outside a task. */
EDO_API int edo_yield(void);

/* For loops that compute: costs a few ns, and yields once the task's budget of 128 is spent. 0 or -ECANCELED. */
EDO_API int edo_checkpoint(void);

/*
 * Whether the caller runs in a task; the task's name; its serial number (0 outside a task), which no other task has
 * while any of its runtime lives, nor in the next 32,000 runtimes of the process.
 */
EDO_API bool edo_in_task(void);
EDO_API const char *edo_task_name(void);
EDO_API uint64_t edo_task_id(void);

#ifdef __cplusplus
}
#endif

#endif
