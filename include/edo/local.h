/* SPDX-License-Identifier: MIT */
/*
 * Task-locals: a value for each task under a key that the whole program knows. What thread_local is to a thread; a
 * thread_local itself is no use to a task, which may wake on another thread after every call that waits.
 *
 *     static const edo_local request_id = EDO_LOCAL_INIT(.destroy = free);
 *
 *     rc = edo_local_set(&request_id, strdup(id));     // deep inside: edo_local_get(&request_id)
 *
 * A key is a static object, told by its address; there is no limit to their number, and a task pays for those that it
 * has set: some 50 bytes of heap each, and some ns a look-up for each that was set later. A task that has none pays
 * nothing.
 *
 * Values are the task's from edo_local_set on. They stay over everything that waits, and over edo_continue. When the
 * task's function has returned for good they are destroyed, newest first, by the task itself, on its stack and in its
 * scope: before its handle says that it has ended, and before the scope it was spawned into may end. So `destroy` may
 * do what the task may, wait, too (its scope may be cancelled; EDO_SHIELD); it must not set a local again and again,
 * since it goes on until none is left. The task's result stands by then.
 *
 * A task begins without any, but for keys with .inherit. Threads that run no task have none: edo_blocking's and timers'
 * callbacks neither.
 */
#ifndef EDO_LOCAL_H
#define EDO_LOCAL_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A key. Its address is what counts: it must outlive every task that has it set. All zero is one, too. */
typedef struct edo_local {
    uintptr_t reserved_;
    void (*destroy)(void *value); /* called for each value that a task gives up; NULL: not needed. Never with NULL */
    /*
     * Gives a spawned task its own value, made from the spawner's, in *child (NULL there: none); NULL: it gets none.
     * Called by edo_spawn in the spawning task, which must not wait in it, nor set or bind task-locals. A negative
     * errno fails the spawn with it. The child's value is the child's, to be destroyed; see edo_local_share.
     */
    int (*inherit)(void **child, void *value);
} edo_local;

#define EDO_LOCAL_INIT(...)                                                                                            \
    {                                                                                                                  \
        .reserved_ = 0, __VA_ARGS__                                                                                    \
    }

/* For .inherit where children use their spawner's value itself, which must outlive them and needs no .destroy. */
static inline int edo_local_share(void **child, void *value)
{
    *child = value;
    return 0;
}

/*
 * The calling task's value; NULL if it has none, and on a thread that runs no task. Never waits; allowed in blocking
 * regions.
 */
EDO_API void *edo_local_get(const edo_local *key);

/*
 * Gives the calling task a value (NULL: none), which is the task's from now on. The one before it is destroyed, unless
 * it is the same. Does not wait itself, `destroy` may.
 *
 * 0; -ENOMEM (only where the task had none); -EBUSY: the key is bound by EDO_WITH_LOCAL around the call; -EPERM on a
 * thread that runs no task. After an error the value is still the caller's, and the one before it the task's.
 */
EDO_API int edo_local_set(const edo_local *key, void *value);

/* --- A value for a block ------------------------------------------------------------------------------------------ */

/* Lives in the block; all fields are the library's. */
typedef struct edo_local_binding {
    void *reserved_[4];
} edo_local_binding;

/*
 * EDO_WITH_LOCAL(&request_id, id) { ... }: within the block the calling task has this value, behind it what it had
 * before, on every way out: falling through, break, return, goto. Needs no memory and cannot fail. The value stays the
 * caller's: it is not destroyed. Tasks that are spawned inside inherit it by the key's .inherit. On a thread that runs
 * no task the block runs, and nothing is bound. A block that ends the task's function by edo_continue has been left by
 * then.
 */
#define EDO_WITH_LOCAL(key, value)                                                                                     \
    EDO_WITH_LOCAL_(key, value, EDO_UNIQUE(edo_local_binding_), EDO_UNIQUE(edo_local_once_))
#define EDO_WITH_LOCAL_(key, value, binding, once)                                                                     \
    for (edo_local_binding binding __attribute__((cleanup(edo_local_unbind))),                                         \
         *once = edo_local_bind(&binding, (key), (value));                                                             \
         once; once = NULL)

/* The functions beneath: unbind in the opposite order, by the task that has bound. bind returns `binding`. */
EDO_API edo_local_binding *edo_local_bind(edo_local_binding *binding, const edo_local *key, void *value);
EDO_API void edo_local_unbind(edo_local_binding *binding);

#ifdef __cplusplus
}
#endif

#endif
