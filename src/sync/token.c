/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens.
 *
 * A tree has one lock, in its root; it guards everything in the tree's tokens, and the list of scopes linked to each
 * (the scope's `bond`; whether it has one is claimed by a compare-and-swap, as several tasks might link one scope to
 * different trees). Two things are read without it: `reason_`, which leaves 0 once (release; `site_` is written
 * before), and `root_`, which never changes. The lock is taken INSIDE, or by foreign threads, and held while scopes are
 * cancelled and waiters woken: so a scope is not touched any more when it was unlinked, nor a token after
 * edo_token_finish. Under it are taken the locks of scopes (scope.h) and of buckets (parking.h).
 *
 * Cancelling walks the tree in a loop, since it may be deeper than a stack.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"

#include <edo/park.h>
#include <edo/token.h>

#include <errno.h>

static struct edo_lock *edo_token_lock(const edo_token *token)
{
    const edo_token *root = token->root_ ? token->root_ : token;

    return (struct edo_lock *)(uintptr_t)&root->lock_;
}

/* Enters the runtime, if this is a thread of one, and locks the tree. */
static struct edo_thread *edo_tree_begin(const edo_token *token)
{
    struct edo_thread *thread = edo_thread_self();

    if (thread)
        thread = edo_enter(thread);
    edo_lock_acquire(edo_token_lock(token));
    return thread;
}

static void edo_tree_end(const edo_token *token, struct edo_thread *thread)
{
    edo_lock_release(edo_token_lock(token));
    if (thread)
        edo_leave(thread);
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

int edo_token_reason(const edo_token *token)
{
    return (int)__atomic_load_n(&token->reason_, __ATOMIC_ACQUIRE);
}

bool edo_token_cancelled(const edo_token *token)
{
    return edo_token_reason(token) != EDO_REASON_NONE;
}

const edo_site *edo_token_site(const edo_token *token)
{
    return edo_token_cancelled(token) ? token->site_ : NULL;
}

int edo_token_wait_until(edo_token *token, int64_t deadline)
{
    int rc;

    do
        rc = edo_wait_word(&token->reason_, EDO_REASON_NONE, deadline);
    while (rc == 0 && !edo_token_cancelled(token));
    return rc == -EAGAIN ? 0 : rc;
}

int edo_token_wait(edo_token *token)
{
    return edo_token_wait_until(token, EDO_FOREVER);
}

/* --- The tree ----------------------------------------------------------------------------------------------------- */

void edo_token_init(edo_token *token, edo_token *parent)
{
    struct edo_thread *thread;

    *token = (edo_token)EDO_TOKEN_INIT;
    if (!parent)
        return;
    token->parent_ = parent;
    token->root_ = parent->root_ ? parent->root_ : parent;
    thread = edo_tree_begin(parent);
    token->site_ = parent->site_;
    token->reason_ = parent->reason_;
    token->next_ = parent->children_;
    if (token->next_)
        token->next_->previous_ = token;
    parent->children_ = token;
    edo_tree_end(parent, thread);
}

void edo_token_finish(edo_token *token)
{
    struct edo_thread *thread = edo_tree_begin(token);
    edo_token *parent = token->parent_;

    EDO_MISUSE_IF(token->children_, "a token was finished before its children");
    EDO_MISUSE_IF(token->scopes_, "a token was finished that is linked to a scope");
    if (token->next_)
        token->next_->previous_ = token->previous_;
    if (token->previous_)
        token->previous_->next_ = token->next_;
    else if (parent)
        parent->children_ = token->next_;
    edo_tree_end(token, thread);
    EDO_MISUSE_IF(edo_line_waited_for(&token->reason_), "a token was finished that is waited for");
}

/* --- Cancelling --------------------------------------------------------------------------------------------------- */

/* INSIDE, or on a foreign thread. */
static void edo_linked_cancel(struct edo_thread *thread, struct edo_scope_body *scope, int reason, const edo_site *site)
{
    edo_scope_cancel_inside(thread && thread->runtime == scope->runtime ? thread : NULL, scope, reason, site);
}

static void edo_token_mark(struct edo_thread *thread, edo_token *token, int reason, const edo_site *site)
{
    struct edo_line line;

    token->site_ = site;
    __atomic_store_n(&token->reason_, (uint32_t)reason, __ATOMIC_SEQ_CST);
    for (struct edo_scope_body *scope = token->scopes_; scope; scope = scope->bond.next)
        edo_linked_cancel(thread, scope, reason, site);
    edo_line_begin_inside(&line, thread, &token->reason_);
    while (line.first)
        edo_line_take(&line, line.first, 0);
    edo_line_end_inside(&line);
}

void edo_token_cancel_at(edo_token *token, int reason, const edo_site *site)
{
    struct edo_thread *thread = edo_tree_begin(token);
    edo_token *at = token;

    if (reason <= EDO_REASON_NONE || reason > EDO_REASON_CLOSING)
        reason = EDO_REASON_USER;
    for (;;) {
        bool fresh = at->reason_ == EDO_REASON_NONE; /* of one that is not, all below are cancelled, too */

        if (fresh)
            edo_token_mark(thread, at, reason, site);
        if (fresh && at->children_) {
            at = at->children_;
            continue;
        }
        while (at != token && !at->next_)
            at = at->parent_;
        if (at == token)
            break;
        at = at->next_;
    }
    edo_tree_end(token, thread);
}

/* --- Scopes ------------------------------------------------------------------------------------------------------- */

static void edo_linked_end(struct edo_scope_body *scope)
{
    edo_token *token = __atomic_load_n(&scope->bond.to, __ATOMIC_ACQUIRE);
    struct edo_thread *thread = edo_tree_begin(token);

    if (scope->bond.next)
        scope->bond.next->bond.previous = scope->bond.previous;
    if (scope->bond.previous)
        scope->bond.previous->bond.next = scope->bond.next;
    else
        token->scopes_ = scope->bond.next;
    __atomic_store_n(&scope->bond.to, NULL, __ATOMIC_RELEASE);
    edo_tree_end(token, thread);
}

int edo_token_link(edo_token *token, edo_scope *public)
{
    struct edo_scope_body *scope = edo_scope_of(public);
    struct edo_thread *thread;
    void *none = NULL;

    if (public == EDO_DETACHED)
        return -EINVAL;
    if (!__atomic_compare_exchange_n(&scope->bond.to, &none, token, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return -EBUSY;
    thread = edo_tree_begin(token);
    scope->bond.end = edo_linked_end;
    scope->bond.previous = NULL;
    scope->bond.next = token->scopes_;
    if (scope->bond.next)
        scope->bond.next->bond.previous = scope;
    token->scopes_ = scope;
    if (edo_token_cancelled(token))
        edo_linked_cancel(thread, scope, edo_token_reason(token), token->site_);
    edo_tree_end(token, thread);
    return 0;
}

void edo_token_unlink(edo_scope *public)
{
    struct edo_scope_body *scope = edo_scope_of(public);

    if (__atomic_load_n(&scope->bond.to, __ATOMIC_ACQUIRE))
        edo_linked_end(scope);
}
