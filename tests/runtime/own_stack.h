/* SPDX-License-Identifier: MIT */
/* A stack for tests of contexts, without the pool. It has no guard page. One thread at a time. */
#ifndef EDO_TESTS_RUNTIME_OWN_STACK_H
#define EDO_TESTS_RUNTIME_OWN_STACK_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "platform/sanitizer.h"

enum { OWN_STACK_SIZE = 128 * 1024 };

struct own_stack {
    char *low;
    unsigned valgrind_id;
};

/* Filled with rubbish: what a flow left behind must not matter to the next. */
static inline void own_stack_init(struct own_stack *stack)
{
    stack->low = aligned_alloc(4096, OWN_STACK_SIZE);
    if (!stack->low)
        abort();
    memset(stack->low, 0xa5, OWN_STACK_SIZE);
#if EDO_VALGRIND
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, stack->low + OWN_STACK_SIZE);
#endif
}

static inline void own_stack_finish(struct own_stack *stack)
{
#if EDO_VALGRIND
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
    free(stack->low);
}

#endif
