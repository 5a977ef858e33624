/* SPDX-License-Identifier: MIT */
/*
 * The floor of scheduling: a bare context switch that keeps the callee-saved registers and the floating-point
 * control words and returns by `ret`; nothing else. A coroutine is its stack pointer.
 */
#ifndef EDO_BENCH_FLOOR_SWITCH_H
#define EDO_BENCH_FLOOR_SWITCH_H

#include <stddef.h>

/* Saves the running context's stack pointer in *from and goes on where `to` was saved. In switch_ARCH.S. */
void bench_switch(void **from, void *to);

/* A saved context at the top of a stack that will enter `entry`, which must not return. */
void *bench_switch_prepare(void *top, void (*entry)(void));

/* Nanoseconds of one switch when `count` coroutines hand over to one another in a ring, over at least
 * `switches`. */
double bench_switch_ring(size_t count, size_t switches);

#endif
