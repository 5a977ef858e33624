/* SPDX-License-Identifier: MIT */
/*
 * Guard pages, and what this kernel can do for them: the ladder of rule K1.
 *
 *   1. MADV_GUARD_INSTALL (Linux 6.13): a mark in the page table, no mapping of its own.
 *   2. mprotect: splits the slab's mapping, two mappings a stack; within a budget for the whole process, as the kernel
 *      allows vm.max_map_count mappings and the rest of the program needs some too.
 *   3. None, where the pool's options allow it.
 *
 * What the kernel can do is found out once per process. All functions may be called from any thread.
 */
#ifndef EDO_RUNTIME_STACK_GUARD_H
#define EDO_RUNTIME_STACK_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum edo_stack_guard {
    EDO_STACK_GUARD_NONE = 0,  /* not yet */
    EDO_STACK_GUARD_MARKED,    /* rung 1 */
    EDO_STACK_GUARD_PROTECTED, /* rung 2 */
    EDO_STACK_GUARD_ABSENT     /* rung 3 */
};

/* Whether the kernel refuses to promise more memory than there is (vm.overcommit_memory = 2). */
bool edo_stack_commit_is_strict(void);

/* Reads that setting anew: after a mapping was refused. */
bool edo_stack_commit_is_strict_now(void);

/*
 * Finds out, if nobody has, whether rung 1 works, by marking `page`, which must be writable: the guard page, not yet
 * guarded, of a stack.
 */
bool edo_stack_guard_is_free(void *page);

/*
 * What a pool has out of the process's budget for rung 2. Where guards are not free, one is paid for each stack before
 * the stack is promised, and used when the stack is first handed out.
 */
struct edo_stack_guards {
    bool allow_absent;
    atomic_size_t prepaid; /* paid, not yet used */
    atomic_size_t used;
    atomic_size_t absent; /* stacks that go without */
};

/*
 * Pays for up to `count` guards, the next of them at `page`, which must be writable. Returns how many; all where they
 * are free, or where the budget is spent and stacks may go without; 0 where they may not.
 */
size_t edo_stack_guards_pay(struct edo_stack_guards *guards, void *page, size_t count);

/*
 * Installs the guard at `page`, and says of which kind it is. -ENOMEM: the kernel refused, and it must not be absent.
 */
int edo_stack_guards_install(enum edo_stack_guard *kind, struct edo_stack_guards *guards, void *page);

/* Gives back what was paid for `count` stacks that are no more, none of which was handed out. */
void edo_stack_guards_refund(struct edo_stack_guards *guards, size_t count);

/* Gives back all that was paid. */
void edo_stack_guards_finish(struct edo_stack_guards *guards);

/* The size of the process's budget in guards, and the setting it comes from. */
size_t edo_stack_guard_budget(size_t *max_map_count);

/* Forgets what was found out, for tests that change the platform table. No pool may be in use. */
void edo_stack_guard_forget(void);

#endif
