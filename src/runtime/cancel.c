/* SPDX-License-Identifier: MIT */
/*
 * Cancelling: the walk through everything inside a scope. See scope.h for the tree and its locks.
 *
 * The walk is a loop, not a recursion, since trees of tasks may be deeper than a stack: the locks of the path from the
 * top to the current task are held, and the way back up is read from the tree itself (task->home, scope->owner).
 */
#include "runtime/hooks.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"

/* Sets the flag with its reason; false if the scope was cancelled already. */
static bool edo_scope_mark(struct edo_scope_body *scope, uint32_t bits, const edo_site *site)
{
    uint32_t flags = atomic_load_explicit(&scope->flags, memory_order_seq_cst);

    if (flags & EDO_SCOPE_CANCELLED)
        return false;
    if (site)
        atomic_store_explicit(&scope->cancel_site, site, memory_order_release);
    while (!atomic_compare_exchange_weak_explicit(&scope->flags, &flags, flags | EDO_SCOPE_CANCELLED | bits,
                                                  memory_order_seq_cst, memory_order_seq_cst))
        if (flags & EDO_SCOPE_CANCELLED)
            return false;
    return true;
}

/*
 * Where marking starts on a task's chain: its innermost scope, unless shields are between that and `stop`; then the
 * scope around the outermost of them. Under chain_lock.
 */
static struct edo_scope_body *edo_chain_start(struct edo_task *task, struct edo_scope_body *stop)
{
    struct edo_scope_body *start = task->scope;

    for (struct edo_scope_body *scope = task->scope; scope != stop; scope = scope->outer)
        if (atomic_load_explicit(&scope->flags, memory_order_relaxed) & EDO_SCOPE_SHIELD)
            start = scope->outer;
    return start;
}

/*
 * Marks everything inside `top`, which is marked already: the scopes further in on its owner's chain, its children, and
 * theirs. The owner's chain_lock is held by the caller.
 */
static void edo_cancel_inside(struct edo_thread *thread, struct edo_scope_body *top, uint32_t reason,
                              const edo_site *site)
{
    struct edo_task *task = top->owner;
    struct edo_scope_body *stop = top;
    struct edo_scope_body *scope = edo_chain_start(task, top);
    bool children = false; /* those of `top` have had their turn */

    for (;;) {
        struct edo_link *link;

        if (scope != stop) {
            if (!edo_scope_mark(scope, reason, site)) { /* whoever marked it sees to its children */
                scope = scope->outer;
                continue;
            }
            edo_lock_acquire(&scope->lock);
            link = edo_list_first(&scope->children);
        } else if (task != top->owner) { /* done with this task's chain: on to its next sibling */
            scope = task->home;
            link = edo_list_next(&scope->children, &task->sibling);
            edo_unpark_inside(thread, task); /* only now: all the flags that it may look at are set */
            edo_lock_release(&task->chain_lock);
        } else if (!children) {
            children = true;
            edo_lock_acquire(&top->lock);
            link = edo_list_first(&top->children);
        } else {
            return;
        }
        if (link) {
            task = EDO_CONTAINER_OF(link, struct edo_task, sibling);
            edo_lock_acquire(&task->chain_lock);
            stop = task->home;
            scope = edo_chain_start(task, stop);
        } else { /* this scope's children are done: further out on its owner's chain */
            edo_lock_release(&scope->lock);
            task = scope->owner;
            stop = task == top->owner ? top : task->home;
            scope = scope == top ? top : scope->outer;
        }
    }
}

void edo_scope_cancel_inside(struct edo_thread *thread, struct edo_scope_body *scope, int reason, const edo_site *site)
{
    struct edo_task *owner = scope->owner;

    edo_lock_acquire(&owner->chain_lock);
    if (edo_scope_mark(scope, EDO_SCOPE_OWN | (uint32_t)reason, site)) {
        edo_cancel_inside(thread, scope, (uint32_t)reason, site);
        edo_unpark_inside(thread, owner);
    }
    edo_lock_release(&owner->chain_lock);
}

void edo_scope_unshield(struct edo_thread *thread, struct edo_scope_body *shield)
{
    struct edo_task *owner = shield->owner;

    edo_lock_acquire(&owner->chain_lock);
    /* The flags around are read under the lock: a canceller sets them before it takes it. */
    atomic_fetch_and_explicit(&shield->flags, ~(uint32_t)EDO_SCOPE_SHIELD, memory_order_seq_cst);
    if (edo_scope_is_cancelled(shield->outer)) {
        uint32_t reason = atomic_load_explicit(&shield->outer->flags, memory_order_relaxed) & 0xff;
        const edo_site *site = atomic_load_explicit(&shield->outer->cancel_site, memory_order_acquire);

        if (edo_scope_mark(shield, reason, site)) {
            edo_cancel_inside(thread, shield, reason, site);
            edo_unpark_inside(thread, owner);
        }
    }
    edo_lock_release(&owner->chain_lock);
}

void edo_scope_cancel_at(edo_scope *scope, int reason, const edo_site *site)
{
    struct edo_scope_body *body = edo_scope_of(scope);
    struct edo_thread *thread = edo_thread_self();

    if (edo_in_forked_child())
        return;
    if (reason <= EDO_REASON_NONE || reason > EDO_REASON_CLOSING)
        reason = EDO_REASON_USER;
    if (thread && thread->runtime == body->runtime) {
        thread = edo_enter(thread);
        edo_scope_cancel_inside(thread, body, reason, site);
        edo_leave(thread);
    } else {
        edo_hooks_insist(body->runtime);
        edo_scope_cancel_inside(NULL, body, reason, site);
    }
}
