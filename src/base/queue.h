/* SPDX-License-Identifier: MIT */
/*
 * An intrusive first-in-first-out queue with one pointer a member: for things that enter at the end and leave
 * at the front, and never from the middle.
 *
 * Invariant: `first` is NULL exactly when the queue is empty; `last` is then meaningless; the last member's
 * link is NULL. All zero is an empty queue. Unlike a list's head, a queue may be copied, if the original is
 * then forgotten. No locking: whoever owns the queue guards it.
 */
#ifndef EDO_BASE_QUEUE_H
#define EDO_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/container.h"

struct edo_queue_link {
    struct edo_queue_link *next;
};

struct edo_queue {
    struct edo_queue_link *first;
    struct edo_queue_link *last;
};

static inline void edo_queue_init(struct edo_queue *queue)
{
    queue->first = NULL;
    queue->last = NULL;
}

static inline bool edo_queue_empty(const struct edo_queue *queue)
{
    return queue->first == NULL;
}

/* The member that pop would give, NULL if there is none. */
static inline struct edo_queue_link *edo_queue_first(const struct edo_queue *queue)
{
    return queue->first;
}

static inline void edo_queue_push(struct edo_queue *queue, struct edo_queue_link *link)
{
    link->next = NULL;
    if (queue->first)
        queue->last->next = link;
    else
        queue->first = link;
    queue->last = link;
}

/* For what must come before everything else. */
static inline void edo_queue_push_front(struct edo_queue *queue, struct edo_queue_link *link)
{
    link->next = queue->first;
    if (!queue->first)
        queue->last = link;
    queue->first = link;
}

/* Takes the first member out and returns it, NULL if there is none. */
static inline struct edo_queue_link *edo_queue_pop(struct edo_queue *queue)
{
    struct edo_queue_link *link = queue->first;

    if (link) {
        queue->first = link->next;
        link->next = NULL;
    }
    return link;
}

/* Moves all members of `from` to the end of `queue`, in order and in O(1); `from` is empty afterwards. */
static inline void edo_queue_append(struct edo_queue *queue, struct edo_queue *from)
{
    if (!from->first)
        return;
    if (queue->first)
        queue->last->next = from->first;
    else
        queue->first = from->first;
    queue->last = from->last;
    edo_queue_init(from);
}

#endif
