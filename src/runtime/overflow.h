/* SPDX-License-Identifier: MIT */
/*
 * The report of a stack overflow (rule K2): a task that runs into its guard page dies by SIGSEGV, as it would without
 * us, but one line on standard error says which task it was, where it was spawned and how large its stack is.
 *
 * The handler is installed once for the process, in front of what was there. A fault that is no overflow goes to that
 * earlier handler unchanged; after an overflow's report the earlier disposition is put back and the fault happens
 * again.
 */
#ifndef EDO_RUNTIME_OVERFLOW_H
#define EDO_RUNTIME_OVERFLOW_H

#include <signal.h>
#include <stdint.h>

struct edo_stack;

/* What the report says of a task. The strings stay the task's; NULL or 0: not known. */
struct edo_overflow_text {
    const char *name;
    const char *file; /* where it was spawned */
    unsigned line;
    uint64_t id;
};

/* What the scheduler knows. Called in a signal handler, on the thread that faulted: only look, take no lock. */
struct edo_overflow_hooks {
    /* The stack on which the calling thread runs; NULL: none, or not known. */
    struct edo_stack *(*running)(void);
    /* Fills in what is known of the task on `stack`, whose owner it may take from stack->owner. */
    void (*describe)(struct edo_stack *stack, struct edo_overflow_text *text);
};

/* `hooks` must live for ever; either function may be NULL. */
void edo_overflow_set_hooks(const struct edo_overflow_hooks *hooks);

/*
 * Called in the handler before anything that is about to kill, or to be passed on: what else is to be told. NULL:
 * nothing.
 */
void edo_overflow_set_report(void (*report)(int signal_number));

/*
 * In a handler: does for a signal what would have been done without it, by the action that was there: calls that, or
 * has the default happen once the handler has returned.
 */
void edo_overflow_pass_on(struct sigaction *earlier, int signal_number, siginfo_t *info, void *context);

/* Installs the handler of SIGSEGV and SIGBUS; a second call does nothing. Any thread. */
int edo_overflow_install(void);

/*
 * Gives the calling thread an alternate signal stack, without which the handler could not run on a full stack. A thread
 * that has one keeps it. -ENOMEM. finish takes away what init gave, on the same thread.
 */
int edo_overflow_thread_init(void);
void edo_overflow_thread_finish(void);

#endif
