/* SPDX-License-Identifier: MIT */
/*
 * What a task owns beside its stack: the copy of its argument and its task-locals, in one list that hangs on the
 * block's one pointer `owned`, newest first. A task that has neither pays that pointer.
 *
 * The list belongs to the task, which alone reads and changes it, while it runs OUTSIDE or INSIDE; before the task is
 * published it belongs to the spawner. No lock. Nodes are on the heap, but those of EDO_WITH_LOCAL, which lie in the
 * block that binds. Under a key the first node counts.
 */
#ifndef EDO_RUNTIME_LOCAL_H
#define EDO_RUNTIME_LOCAL_H

#include <edo/local.h>

#include <stddef.h>

struct edo_task;

/* 16 bytes, so that the copy behind it is aligned for everything. */
struct edo_owned {
    struct edo_owned *next;
    const edo_local *key; /* NULL: the copy of an argument */
};

/*
 * Puts a copy of `size` bytes in front of the list, and *argument at it. 0, or -ENOMEM with nothing changed. OUTSIDE.
 */
int edo_owned_copy(struct edo_owned **list, void **argument, size_t size);

/*
 * Puts what the calling task, `parent`, hands down in front of a list for its child. 0, or a negative errno: the list
 * is to be dropped. OUTSIDE; calls the user's code.
 */
int edo_owned_inherit(struct edo_owned **list, const struct edo_task *parent);

/* Destroys all of it, newest first, also what is added meanwhile. OUTSIDE; calls the user's code, which may wait. */
void edo_owned_drop(struct edo_owned **list);

#endif
