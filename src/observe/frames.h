/* SPDX-License-Identifier: MIT */
/*
 * Walking up a stack by frame pointers.
 *
 * What lies on the stack is not believed: each word is read within the bounds that the caller knows, the walk goes upwards
 * only, and ends where that is not so. So it may go wrong, where code without frame pointers has used that register for
 * something else, or where the stack changes meanwhile, but it reads nothing outside of [low, high), which the caller has to
 * know as mapped. It allocates nothing, takes no lock and makes no call: a signal handler may use it.
 */
#ifndef EDO_OBSERVE_FRAMES_H
#define EDO_OBSERVE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edo_context;

enum { EDO_FRAMES_MOST = 64 };

struct edo_frames {
    uintptr_t pc[EDO_FRAMES_MOST]; /* innermost first; all but the first of a running flow are return addresses */
    size_t count;
    bool whole; /* the walk came to the stack's first frame; false: it was cut off, or lost its way */
};

/* From a frame whose code is at `pc` and whose frame pointer is `fp`. */
void edo_frames_walk(struct edo_frames *out, uintptr_t pc, uintptr_t fp, uintptr_t low, uintptr_t high);

/*
 * From where a suspended flow stands, on a stack of which it is in the middle: that of the call of the switch. None where
 * the machine's switch is not known (ucontext). `context` may be changing: whoever cares asks afterwards.
 */
void edo_frames_of_context(struct edo_frames *out, const struct edo_context *context, uintptr_t low, uintptr_t high);

#endif
