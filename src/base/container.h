/* SPDX-License-Identifier: MIT */
/*
 * From a member back to the struct that holds it: what every intrusive container needs.
 */
#ifndef EDO_BASE_CONTAINER_H
#define EDO_BASE_CONTAINER_H

#include <stddef.h>

/*
 * The struct of `type` whose `member` the pointer points to. The pointer must not be NULL and must have the
 * member's type: the sizeof adds nothing and makes the compiler warn when it has not.
 */
#define EDO_CONTAINER_OF(pointer, type, member)                                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member) - 0 * sizeof((pointer) == &((type *)NULL)->member)))

#endif
