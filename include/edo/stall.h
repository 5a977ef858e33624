/* SPDX-License-Identifier: MIT */
/*
 * Stall reports: a task that keeps its thread for longer than .stall_after (edo/runtime.h) is told of, with the place
 * where it does. Nobody waits for it meanwhile, its worker has been handed to another thread; but somebody waits for
 * what it does.
 *
 * Reports go to .on_stall of edo_run_options; where EDO_STALLS is 1 in the environment, to stderr as text; and to the
 * console (edo/console.h), where there is one. With none of these there are none, and they cost nothing. Stalls inside
 * blocking regions are announced ones, and not reported.
 *
 * Two reports a stall: one as soon as it is noticed, with a backtrace, so that a program that is stuck tells where; and
 * one when it has ended, with the whole duration (.ended), for each stall whose first report was given (of more than 64
 * that go on at once, the last 64).
 *
 * At most three stalls a minute are reported of one spawn site, and of at most 16 sites; the next report says how many
 * were left out (.suppressed). edo_metrics counts them all.
 *
 * The backtrace. A blocked thread is left alone: where it stands is asked of the kernel (/proc/self/task), and its
 * stack is read from outside, so its call does not return early. A thread that computes is sent a signal
 * (.stall_signal, SIGURG), whose handler copies its registers and up to 16 KiB of its stack, the rest is read from
 * outside; that signal's earlier handler is called for what is not ours. (It may begin a call that blocks between the
 * look and the signal. The handler is installed with SA_RESTART, so that few calls notice.) Frames are found by the
 * unwind tables (.eh_frame) that compilers write for all code, with frame pointers or without; in code that has none,
 * as what a JIT makes, by frame pointers; and where that fails a return address is looked for on the stack (.guessed).
 * No lock is taken for it: the thread may have the heap's, or the loader's.
 */
#ifndef EDO_STALL_H
#define EDO_STALL_H

#include <edo/base.h>
#include <edo/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

enum edo_stall_kind {
    EDO_STALL_COMPUTING = 1, /* it uses the processor */
    EDO_STALL_BLOCKED = 2,   /* it does not: it is blocked in the kernel */
    /* it would, and hardly gets it: others have the processor. Nothing is wrong with the task */
    EDO_STALL_STARVED = 3
};

typedef struct edo_stall_frame {
    uintptr_t address;       /* where it is, or, of a frame further out, where its call returns to */
    const char *function;    /* NULL: not known */
    uintptr_t offset;        /* in that function */
    const char *module;      /* path of the program or library; NULL: the address is in none */
    uintptr_t module_offset; /* in its file, as addr2line wants it */
    bool guessed;            /* found on the stack, and nothing leads to it: may be left over from an earlier call */
} edo_stall_frame;

typedef struct edo_stall {
    size_t size;
    uint64_t serial;               /* of the stall: both its reports have the same; rising in a runtime */
    bool ended;                    /* the second report: no frames, and .duration is the whole of it */
    int kind;                      /* enum edo_stall_kind */
    uint64_t task;                 /* edo_task_id(); 0: a callback of an edo_timer */
    const char *name;              /* edo_task_name(); NULL: as before */
    const edo_site *site;          /* of the spawn; NULL: the root task, a callback, or it was not said */
    int thread;                    /* the kernel's number of its thread (gettid(2)) */
    int64_t duration;              /* ns, until it was noticed; of .ended, the whole */
    const char *syscall;           /* the system call it is in, or its number as text; NULL: in none, or not known */
    const char *wait_channel;      /* where in the kernel it waits, as /proc has it; NULL: not known */
    const edo_stall_frame *frames; /* innermost first */
    size_t frame_count;            /* 0: see .no_frames */
    const char *no_frames;         /* why there are none; NULL: there are */
    uint64_t suppressed;           /* stalls since the report before that were not reported */
    /*
     * Where it last called what may wait, or, of edo_read and edo_write_all, where it last did wait: what it did since
     * then is the stall. It is to where that call returns, as of .frames but the first. NULL: it has not.
     */
    const edo_stall_frame *waited;
} edo_stall;

/*
 * .on_stall is called on a thread of the runtime's own that does nothing else, one report at a time, so it may take its
 * time: stalls meanwhile wait, up to 16, then they are counted as suppressed. It may do what a plain thread may;
 * edo_run does not return before it has. *stall and all that it points to are valid until it returns, but .site, which
 * is for ever.
 */

/*
 * Writes a report as people read it, several lines with an end of line each, and terminates it; cuts what does not fit.
 * What a terminal would take for a command in a task's name is shown by its number, as \x1b. Returns how long the whole
 * text is. Any thread.
 */
EDO_API size_t edo_stall_text(char *buffer, size_t size, const edo_stall *stall);

#ifdef __cplusplus
}
#endif

#endif
