/* SPDX-License-Identifier: MIT */
/* What context_steps.py looks at in gdb: two flows that switch to and fro, each with values in registers to find again. */
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
uint64_t steps_outer_flow(uint64_t first, uint64_t second, uint64_t third);
uint64_t steps_inner_flow(uint64_t first, uint64_t second, uint64_t third);

/* A place to stop, with the inner flow suspended. */
__attribute__((noinline)) void steps_pause(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) uint64_t steps_inner_flow(uint64_t first, uint64_t second, uint64_t third)
{
    for (;;)
        edo_context_switch(&steps_inner, &steps_home, (void *)(uintptr_t)(first++ + second + third));
}

static void enter(void *baton)
{
    (void)baton;
    steps_began = 1;
    steps_inner_flow(101, 102, 103);
    __asm__ volatile("");
}

__attribute__((noinline)) uint64_t steps_outer_flow(uint64_t first, uint64_t second, uint64_t third)
{
    uint64_t sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        sum += (uintptr_t)edo_context_switch(&steps_home, &steps_inner, NULL);
        steps_pause();
        sum += first++ + second + third;
    }
    return sum;
}

int main(void)
{
    struct own_stack stack;
    uint64_t sum;

    own_stack_init(&stack);
    steps_low = stack.low;
    steps_high = stack.low + OWN_STACK_SIZE;
    edo_context_adopt(&steps_home);
    edo_context_prepare(&steps_inner, stack.low, OWN_STACK_SIZE, 64, enter);
    sum = steps_outer_flow(1, 2, 3);
    edo_context_finish(&steps_inner);
    edo_context_forget(&steps_home);
    own_stack_finish(&stack);
    printf("sum %d\n", (int)sum);
    return sum == (1 + 2 + 3) + (2 + 2 + 3) + (3 + 2 + 3) + 306 + 307 + 308 ? 0 : 1;
}
