/* SPDX-License-Identifier: MIT */
/*
 * The explorer: runs a model's threads in every order that there is, and asks whether anything goes wrong in any.
 *
 * A model is a handful of threads, which are coroutines, over some memory, its world. They run the runtime's own code,
 * compiled unchanged from src/ with shim/stdatomic.h in front, so that each atomic operation is a step: the thread
 * stops before it, and the explorer decides who goes on. All states are visited, depth first, each once: a state is the
 * world, each thread's live stack, what it is about to do, and what its stores have in their buffer. So loops are no
 * trouble as long as the states are finite, and a state from which no end can be reached (a deadlock, a lost wake, a
 * livelock) is found by going back from the ends.
 *
 * The memory model is TSO, which is x86's: a store waits in its thread's buffer, in order, and becomes visible to
 * others at any later moment; loads of the same thread see it at once. What is locked or seq_cst (exchanges, additions,
 * compare and swap, seq_cst stores and fences, and system calls) waits until the buffer is empty. So a missing seq_cst
 * is found. Not covered: what weaker machines and compilers may reorder beyond that, namely missing acquire or release,
 * which is left to ThreadSanitizer and to tests on aarch64; a weak compare and swap that fails for no reason; a futex
 * that wakes for no reason. Plain memory is never buffered, and is read and written along with the atomic step before
 * it: right for data that a lock or a protocol guards. Where that very guard is in question the model says model_step()
 * in between.
 *
 * States are compared by 64-bit hashes: the chance that two of a million collide, and one is missed, is some 3 in 10^8.
 *
 * To see that a model can fail at all, each is also run with a mutant: the same code with one operation weakened.
 */
#ifndef EDO_MODELS_EXPLORE_H
#define EDO_MODELS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS = 5, MODEL_REGIONS = 16 };

enum model_how { MODEL_EXCHANGE, MODEL_ADD, MODEL_SUB, MODEL_OR, MODEL_AND };

enum model_weakening {
    MODEL_NO_FENCE, /* a fence does nothing */
    MODEL_BUFFERED, /* a seq_cst store waits in the buffer like others */
    MODEL_SPLIT,    /* a locked operation is a load, and then a store */
    MODEL_LATE      /* a store is overtaken by the next one of its thread */
};

/* The operations of that kind in the function `where` are weakened. */
struct model_mutant {
    const char *where;
    enum model_weakening how;
};

struct model {
    const char *name;
    void (*setup)(void);                  /* brings the world to its first state */
    void (*threads[MODEL_THREADS])(void); /* up to the first NULL */
    void (*check)(void);                  /* when all have ended; may be NULL */
    void **self;  /* a variable that each thread has its own of, as a thread-local; may be NULL */
    bool expires; /* a futex wait with a deadline may time out at any moment */
};

struct model_result {
    uint64_t states;
    uint64_t steps; /* from state to state */
    uint64_t ends;
    bool wrong;
    char what[256];
};

/* Before exploring: memory that belongs to the world. Atomics anywhere else but on the threads' stacks are an error. */
void model_region(const char *name, void *base, size_t size);

/* Part of a region that only one thread operates on: that is then no step. Checked. */
void model_private(void *base, size_t size);

/*
 * Memory that decides nothing, or that nobody changes: operations on it are no steps, and it is no part of the state.
 */
void model_statistics(void *base, size_t size);

/* Explores; `mutant` may be NULL. If anything is wrong and `told` is set, prints the way there. Forgets the regions. */
struct model_result model_explore(const struct model *model, const struct model_mutant *mutant, bool told);

/* For tests: explores and prints how much; false (and prints why) if anything is wrong. */
bool model_holds(const struct model *model);
/* The same with a mutant: true if something is wrong, as it should be. */
bool model_rejects(const struct model *model, const struct model_mutant *mutant);

/* --- In a model's threads ----------------------------------------------------------------------------------------- */

/* What must hold here. */
#define model_assert(condition) ((condition) ? (void)0 : model_wrong(#condition, __FILE__, __LINE__))
void model_wrong(const char *what, const char *file, int line);

/* Others may have their turn. */
void model_step(void);

/* Waits until others have changed some memory: for loops that spin, as sched_yield. */
void model_pause(void);

/* Waits until the byte is not 0, and makes it 0: for what blocks in the kernel, as epoll_wait. */
void model_take(volatile uint8_t *byte);
/* The other side: makes it 1. */
void model_give(volatile uint8_t *byte);

/* Waits until the word of four bytes is 0, and makes it 1, in one step: for a lock that is not in question itself. */
void model_lock(volatile void *word);

/* One of 0 ... n - 1: all are tried. */
unsigned model_choose(unsigned n);

/* For the platform's table. */
int model_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline);
int model_futex_wake(uint32_t *word, int count);

/* --- For the shim ------------------------------------------------------------------------------------------------- */

uint64_t model_load(const volatile void *p, size_t size, const char *file, int line, const char *function);
void model_store(volatile void *p, size_t size, uint64_t value, bool seq_cst, const char *file, int line,
                 const char *function);
uint64_t model_rmw(volatile void *p, size_t size, enum model_how how, uint64_t operand, const char *file, int line,
                   const char *function);
bool model_cas(volatile void *p, size_t size, void *expected, uint64_t value, const char *file, int line,
               const char *function);
void model_fence(bool seq_cst, const char *file, int line, const char *function);

#endif
