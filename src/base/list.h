/* SPDX-License-Identifier: MIT */
/*
 * An intrusive doubly linked list: things carry their own links, so that joining and leaving a list allocates
 * nothing and costs O(1) from anywhere.
 *
 * The list is a ring; its head is a link that belongs to no thing. Invariant: link->next->prev == link and
 * link->prev->next == link for the head and for every member. A link of no list is all zero; remove leaves it
 * so. The head points into itself, so it must not be copied or moved. No locking: whoever owns the list
 * guards it.
 */
#ifndef EDO_BASE_LIST_H
#define EDO_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/container.h"

struct edo_link {
    struct edo_link *next;
    struct edo_link *prev;
};

static inline void edo_list_init(struct edo_link *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool edo_list_empty(const struct edo_link *list)
{
    return list->next == list;
}

/* Whether a member's link is in some list. Not for heads. */
static inline bool edo_list_linked(const struct edo_link *link)
{
    return link->next != NULL;
}

static inline void edo_list_insert_between_(struct edo_link *link, struct edo_link *prev, struct edo_link *next)
{
    link->next = next;
    link->prev = prev;
    prev->next = link;
    next->prev = link;
}

static inline void edo_list_insert_head(struct edo_link *list, struct edo_link *link)
{
    edo_list_insert_between_(link, list, list->next);
}

static inline void edo_list_insert_tail(struct edo_link *list, struct edo_link *link)
{
    edo_list_insert_between_(link, list->prev, list);
}

/* Takes a member out of the list it is in, whichever that is. */
static inline void edo_list_remove(struct edo_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

/* The first member, NULL if there is none. */
static inline struct edo_link *edo_list_first(const struct edo_link *list)
{
    return list->next == list ? NULL : list->next;
}

/* The last member, NULL if there is none. */
static inline struct edo_link *edo_list_last(const struct edo_link *list)
{
    return list->prev == list ? NULL : list->prev;
}

/* The member after this one, NULL after the last. To remove while walking, ask for the next one first. */
static inline struct edo_link *edo_list_next(const struct edo_link *list, const struct edo_link *link)
{
    return link->next == list ? NULL : link->next;
}

/* Takes the first member out and returns it, NULL if there is none. */
static inline struct edo_link *edo_list_take_first(struct edo_link *list)
{
    struct edo_link *link = edo_list_first(list);

    if (link)
        edo_list_remove(link);
    return link;
}

/* Moves all members of `from` to the end of `list`, in order; `from` is empty afterwards. */
static inline void edo_list_append(struct edo_link *list, struct edo_link *from)
{
    if (edo_list_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    edo_list_init(from);
}

#endif
