/* SPDX-License-Identifier: MIT */
/* Task-locals. See local.h for whose they are. */
#include "runtime/local.h"
#include "runtime/misuse.h"
#include "runtime/task.h"
#include "platform/platform.h"

#include <errno.h>
#include <string.h>

struct edo_local_value {
    struct edo_owned owned;
    void *value;
    bool bound; /* lies in a block, where EDO_WITH_LOCAL has bound it; its value is the block's */
};

_Static_assert(sizeof(struct edo_owned) == 16, "a copied argument is aligned for everything");
_Static_assert(sizeof(struct edo_local_value) <= sizeof(edo_local_binding), "edo_local_binding holds it");

static struct edo_local_value *edo_local_find(struct edo_owned *list, const edo_local *key)
{
    while (list && list->key != key)
        list = list->next;
    return (struct edo_local_value *)list;
}

static void edo_owned_push(struct edo_owned **list, struct edo_owned *node, const edo_local *key)
{
    node->key = key;
    node->next = *list;
    *list = node;
}

static void edo_owned_unlink(struct edo_owned **list, const struct edo_owned *node)
{
    while (*list && *list != node)
        list = &(*list)->next;
    EDO_MISUSE_IF(!*list, "a task-local is unbound by a task that has not bound it");
    if (*list)
        *list = node->next;
}

static int edo_local_add(struct edo_owned **list, const edo_local *key, void *value)
{
    struct edo_local_value *node = (struct edo_local_value *)edo_platform->allocate(sizeof *node);

    if (!node)
        return -ENOMEM;
    node->value = value;
    node->bound = false;
    edo_owned_push(list, &node->owned, key);
    return 0;
}

/* --- For spawn.c -------------------------------------------------------------------------------------------------- */

int edo_owned_copy(struct edo_owned **list, void **argument, size_t size)
{
    struct edo_owned *node =
        size <= SIZE_MAX - sizeof *node ? (struct edo_owned *)edo_platform->allocate(sizeof *node + size) : NULL;

    if (!node)
        return -ENOMEM;
    edo_owned_push(list, node, NULL);
    *argument = memcpy(node + 1, *argument, size);
    return 0;
}

int edo_owned_inherit(struct edo_owned **list, const struct edo_task *parent)
{
    for (struct edo_owned *node = parent->owned; node; node = node->next) {
        const edo_local *key = node->key;
        struct edo_local_value *first;
        void *value = NULL;
        int rc;

        if (!key || !key->inherit || (first = edo_local_find(parent->owned, key)) != (void *)node || !first->value)
            continue;
        rc = key->inherit(&value, first->value);
        if (rc >= 0 && value) {
            rc = edo_local_add(list, key, value);
            if (rc < 0 && key->destroy)
                key->destroy(value);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

void edo_owned_drop(struct edo_owned **list)
{
    struct edo_owned *node;

    while ((node = *list)) {
        const edo_local *key = node->key;
        struct edo_local_value *local = (struct edo_local_value *)node;
        void *value = key ? local->value : NULL;

        *list = node->next; /* before the user's code, which may look at the list and add to it */
        EDO_MISUSE_IF(key && local->bound, "a task has returned with a task-local still bound");
        if (key && local->bound)
            continue;
        edo_platform->release(node);
        if (key && key->destroy)
            key->destroy(value);
    }
}

/* --- Public ------------------------------------------------------------------------------------------------------- */

void *edo_local_get(const edo_local *key)
{
    struct edo_task *task = edo_task_self();
    struct edo_local_value *found = task && key ? edo_local_find(task->owned, key) : NULL;

    return found ? found->value : NULL;
}

int edo_local_set(const edo_local *key, void *value)
{
    struct edo_task *task = edo_task_self();
    struct edo_local_value *found;
    void *before;

    if (!task)
        return -EPERM;
    if (!key)
        return -EINVAL;
    found = edo_local_find(task->owned, key);
    if (!found)
        return value ? edo_local_add(&task->owned, key, value) : 0;
    if (found->bound)
        return -EBUSY;
    before = found->value;
    if (before == value)
        return 0;
    if (value) {
        found->value = value;
    } else {
        edo_owned_unlink(&task->owned, &found->owned);
        edo_platform->release(found);
    }
    if (key->destroy)
        key->destroy(before);
    return 0;
}

edo_local_binding *edo_local_bind(edo_local_binding *binding, const edo_local *key, void *value)
{
    struct edo_task *task = edo_task_self();
    struct edo_local_value *node = (struct edo_local_value *)(void *)binding;

    node->bound = task && key;
    if (node->bound) {
        node->value = value;
        edo_owned_push(&task->owned, &node->owned, key);
    }
    return binding;
}

void edo_local_unbind(edo_local_binding *binding)
{
    struct edo_local_value *node = (struct edo_local_value *)(void *)binding;
    struct edo_task *task = edo_task_self();

    if (node->bound && task) /* not in a child of fork, which got the block from its parent */
        edo_owned_unlink(&task->owned, &node->owned);
}
