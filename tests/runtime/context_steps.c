/* SPDX-License-Identifier: MIT */
/*
 * What context_steps.py looks at in gdb: two flows that switch to and fro, each with values in registers to find again.
 */
#include <stdint.h>
#include <stdio.h>

#include "own_stack.h"
#include "runtime/context.h"

enum { ROUNDS = 3 };

struct edo_context steps_home;
struct edo_context steps_inner;
char *steps_low; /* of the inner flow's stack */
char *steps_high;
int steps_began;

void steps_pause(void);
uint64_t steps_outer_flow(const volatile uint64_t *values);
void steps_inner_flow(const volatile uint64_t *values);

/*
 * More values than there are registers that a call preserves, so that all of those are used. They must stay apart: the
 * compiler does not see what KEEP does with them.
 */
#define LOAD(values)                                                                                                   \
    uint64_t v0 = (values)[0], v1 = (values)[1], v2 = (values)[2], v3 = (values)[3], v4 = (values)[4],                 \
             v5 = (values)[5], v6 = (values)[6], v7 = (values)[7], v8 = (values)[8], v9 = (values)[9]
#define KEEP                                                                                                           \
    __asm__ volatile("" : "+r"(v0), "+r"(v1), "+r"(v2), "+r"(v3), "+r"(v4));                                           \
    __asm__ volatile("" : "+r"(v5), "+r"(v6), "+r"(v7), "+r"(v8), "+r"(v9))
#define SUM (v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7 + v8 + v9)

/* A place to stop, with the inner flow suspended. */
__attribute__((noinline)) void steps_pause(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void steps_inner_flow(const volatile uint64_t *values)
{
    LOAD(values);

    for (;;) {
        KEEP;
        edo_context_switch(&steps_inner, &steps_home, (void *)(uintptr_t)SUM);
        KEEP;
        v0++;
    }
}

static void enter(void *baton)
{
    static const volatile uint64_t values[] = {2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009};

    (void)baton;
    steps_began = 1;
    steps_inner_flow(values);
    __asm__ volatile("");
}

__attribute__((noinline)) uint64_t steps_outer_flow(const volatile uint64_t *values)
{
    uint64_t sum = 0;
    LOAD(values);

    for (int i = 0; i < ROUNDS; i++) {
        KEEP;
        sum += (uintptr_t)edo_context_switch(&steps_home, &steps_inner, NULL);
        KEEP;
        steps_pause();
        sum += SUM;
        v0++;
    }
    return sum;
}

int main(void)
{
    static const volatile uint64_t values[] = {1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009};
    struct own_stack stack;
    uint64_t sum;

    own_stack_init(&stack);
    steps_low = stack.low;
    steps_high = stack.low + OWN_STACK_SIZE;
    edo_context_adopt(&steps_home);
    edo_context_prepare(&steps_inner, stack.low, OWN_STACK_SIZE, 64, enter);
    sum = steps_outer_flow(values);
    edo_context_finish(&steps_inner);
    edo_context_forget(&steps_home);
    own_stack_finish(&stack);
    printf("sum %d\n", (int)sum);
    return sum == ROUNDS * (10045 + 20045) + 2 * (1 + 2) ? 0 : 1;
}
