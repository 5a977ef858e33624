/* SPDX-License-Identifier: MIT */
/*
 * From a copied piece of a stack to a backtrace.
 *
 * By frame pointers, as far as there are some: each frame is two words, the caller's frame pointer and the return address; the walk goes
 * upwards within the piece and believes nothing else. It begins at the frame pointer of a thread that ran; of one that is blocked, the
 * kernel does not tell that register, and libc, where it blocks, keeps none. So the first frame is looked for: two words of which
 * one points to a further frame above, and the other behind a call. What lies below, and looks like the return address of a
 * call, is from frames without pointers, most likely, and among them is the function that called into libc: these are guessed.
 */
#ifndef EDO_OBSERVE_STALL_WALK_H
#define EDO_OBSERVE_STALL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edo_capture;

enum { EDO_WALK_MOST = 48, EDO_WALK_GUESSES = 6 };

struct edo_walk {
    uintptr_t address[EDO_WALK_MOST]; /* innermost first */
    bool guessed[EDO_WALK_MOST];
    size_t count;
};

/* Reads code, and asks the loader for what is mapped: not INSIDE, not in a signal handler. */
void edo_walk_capture(struct edo_walk *out, const struct edo_capture *capture);

#endif
