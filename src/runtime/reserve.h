/* SPDX-License-Identifier: MIT */
/* The thread that makes threads, one a runtime with a monitor. See reserve.c. */
#ifndef EDO_RUNTIME_RESERVE_H
#define EDO_RUNTIME_RESERVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct edo_runtime;

enum edo_reserve_state { EDO_RESERVE_RESTS = 0, EDO_RESERVE_MAKES, EDO_RESERVE_STOPS };

struct edo_reserve {
    uint32_t state; /* futex; enum edo_reserve_state */
    bool started;
    pthread_t thread;
};

/* Starts it, unless workers are never taken; 0 or a negative errno. Stops it, and returns when it is gone. */
int edo_reserve_start(struct edo_runtime *runtime);
void edo_reserve_stop(struct edo_runtime *runtime);

/*
 * Sees to it that there is a spare thread, soon: returns when there is one, when there can be none, or after `patience`
 * ns. By the monitor.
 */
void edo_reserve_keep(struct edo_runtime *runtime, int64_t patience);

#endif
