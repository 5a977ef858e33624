/* SPDX-License-Identifier: MIT */
/*
 * Walking up a stack: the one walker there is, for stalled threads (copies of registers and stack) and for parked
 * tasks.
 *
 * Each step goes by the best that there is:
 *
 *   1. the unwind tables of the code (unwind.h), which compilers write for code without frame pointers, too;
 *   2. where those count from a frame pointer that nobody told (the kernel tells pc and sp of a blocked thread, no
 *      more): the frames that the stack could hold there are tried, and the one is taken from which the tables lead to
 *      the stack's begin, and that lies behind a call of just this function (walk_search.c);
 *   3. the frame pointer, for code without tables, as a JIT's;
 *   4. a guess: a word that looks like the return address of a call. It is marked.
 *
 * Words of the stack are read by the caller's edo_memory, within the bounds that it knows; code and tables by edo_peek.
 * Nothing that lies there is believed, the walk goes upwards only (but out of a signal's handler), and what it may try
 * is counted: so a stack that changes meanwhile costs frames, and nothing else. No locks, no allocation; not for signal
 * handlers, since it reads by system calls.
 */
#ifndef EDO_OBSERVE_WALK_H
#define EDO_OBSERVE_WALK_H

#include "observe/modules.h"
#include "observe/unwind.h"

struct edo_context;

enum { EDO_WALK_MOST = 64, EDO_WALK_GUESSES = 6, EDO_WALK_ROWS = 128, EDO_WALK_WORK = 20000 };

struct edo_walk {
    uintptr_t address[EDO_WALK_MOST]; /* innermost first */
    bool guessed[EDO_WALK_MOST];
    bool exact[EDO_WALK_MOST]; /* it stands there; else a call returns to there */
    size_t count;
    bool whole; /* it came to the stack's first frame */
};

/* Where a stack is read, and between which addresses frames may be looked for. */
struct edo_stack_view {
    struct edo_memory memory;
    uintptr_t low;
    uintptr_t high;
};

/*
 * What is known of the code: some 80 KiB. Any number of walks by one thread; libraries that come or go meanwhile are
 * not seen.
 */
struct edo_walker {
    struct edo_modules modules;
    struct edo_unwind_scratch scratch;
    struct edo_row rows[EDO_WALK_ROWS]; /* by the hash of their pc */
    int work;                           /* that may still be done for this walk */
};

/* Before the first walk, and when libraries may have come or gone. */
void edo_walker_begin(struct edo_walker *walker);

/* From registers, of which pc has to be known; `guesses`: where nothing else leads on. */
void edo_walk_stack(struct edo_walk *out, struct edo_walker *walker, const struct edo_registers *from,
                    const struct edo_stack_view *stack, bool guesses);

/*
 * From where a suspended flow stands, on a stack [low, high) of which it is in the middle, which is there, and is read
 * unseen by the checkers. None where the machine's switch is not known (ucontext). `context` may be changing: whoever
 * cares asks afterwards.
 */
void edo_walk_parked(struct edo_walk *out, struct edo_walker *walker, const struct edo_context *context, uintptr_t low,
                     uintptr_t high);

/* The first frame alone; 0: none. */
uintptr_t edo_walk_parked_at(const struct edo_context *context, uintptr_t low, uintptr_t high);

/* --- Between walk.c and walk_search.c ----------------------------------------------------------------------------- */

/* Code and tables, by edo_peek. */
extern const struct edo_memory edo_walk_code;

/* The row of a frame; lives until the next. */
const struct edo_row *edo_walk_row(struct edo_walker *walker, uintptr_t pc, bool exact);

/* By the tables. */
enum edo_step edo_walk_by_tables(struct edo_walker *walker, struct edo_registers *at, bool *exact,
                                 const struct edo_stack_view *stack);

/* Whether the address lies behind a call, or is where flows begin. *target: what is called; 0: not known. */
bool edo_walk_behind_call(struct edo_walker *walker, uintptr_t *target, uintptr_t address);

/*
 * The same for a frame whose CFA is counted from a register that is not known. *guessed: it is likely, and not certain.
 */
enum edo_step edo_walk_search(struct edo_walker *walker, struct edo_registers *at, bool *exact, bool *guessed,
                              const struct edo_stack_view *stack);

/* A return address above sp, to go on from; what may lie below it is added to *out. */
enum edo_step edo_walk_guess(struct edo_walk *out, struct edo_walker *walker, struct edo_registers *at,
                             const struct edo_stack_view *stack);

void edo_walk_add(struct edo_walk *out, uintptr_t address, bool exact, bool guessed);

#endif
