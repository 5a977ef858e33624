/* SPDX-License-Identifier: MIT */
/*
 * Where another thread of this process stands, and a copy of a piece of its stack.
 *
 * The kernel is asked what the thread does (/proc/self/task/N/syscall). If it is blocked, that says program counter and
 * stack pointer, its stack is read by edo_peek, which fails softly, and the kernel is asked again: only if the answer
 * is the same is the copy one of a single moment. If it runs, it is sent a signal, and its handler copies
 * (capture_signal.c). If /proc does not say, nothing is done: a thread that may be blocked is not signalled.
 */
#ifndef EDO_OBSERVE_CAPTURE_H
#define EDO_OBSERVE_CAPTURE_H

#include "observe/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

struct edo_stall_seen;

enum { EDO_CAPTURE_STACK = 16 * 1024, EDO_CAPTURE_NO_CALL = -1, EDO_CAPTURE_UNKNOWN = -2 };

/* A piece of a stack: `size` bytes, a multiple of a word's, that lay at `base`. */
struct edo_stack_piece {
    uintptr_t base;
    size_t size;
    unsigned char bytes[EDO_CAPTURE_STACK] __attribute__((aligned(16)));
};

struct edo_capture {
    const char *failure; /* why there is nothing; NULL: there is */
    bool running;
    struct edo_registers registers; /* all, if it ran; else sp and pc */
    long call;                      /* number of the system call, or one of the above */
    char wait_channel[64];
    struct edo_stack_piece piece;
};

/* Not INSIDE, not in a signal handler; may take a while. `signal` as in edo_run_options. */
void edo_capture_thread(struct edo_capture *out, const struct edo_stall_seen *seen, int signal);

/* --- capture_signal.c --------------------------------------------------------------------------------------------- */

/* Installs the handler of a signal, once for the process; 0 or a negative errno. */
int edo_capture_install(int signal);

/*
 * Has a running thread copy its stack; bounds as in edo_stall_seen. 0; -ETIMEDOUT: it did not answer within `deadline`;
 * another negative errno: there is no such thread, or the machine's registers are not known.
 */
int edo_capture_ask(struct edo_capture *out, int number, uintptr_t low, uintptr_t high, int signal, int64_t deadline);

#endif
