/* SPDX-License-Identifier: MIT */
/*
 * Scopes: who owns tasks, deadlines and cancellations.
 *
 * A scope is opened by a task, in a block of its own. Tasks are spawned into it; leaving it by any route waits until
 * all of them have returned (the one hidden wait in Edo). It may have a deadline, it can be cancelled, and it can
 * shield what is inside from a cancellation that comes from outside. Scopes nest; so do tasks inside them.
 *
 * Cancellation is level-triggered (rule C1): once a scope is cancelled, every call inside it that may wait returns
 * -ECANCELED, until the scope is left. It is asked for, never done to somebody: nothing is killed or unwound, and a
 * call that returns -ECANCELED has not happened (rule C2). Not cancellable are: leaving a scope, closing, unlocking.
 */
#ifndef EDO_SCOPE_H
#define EDO_SCOPE_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where in the program something was spawned, opened or cancelled. Captured by macros; static, never freed. */
typedef struct edo_site {
    const char *file;
    const char *function;
    int line;
    int state_;
    struct edo_site *next_;
    uint64_t reserved_[4];
} edo_site;

/* The place where it stands in the source, as an edo_site *. */
#define EDO_HERE                                                                                                       \
    (__extension__({                                                                                                   \
        static edo_site edo_here_ = {__FILE__, __func__, __LINE__, 0, NULL, {0}};                                      \
        &edo_here_;                                                                                                    \
    }))

/* What the first failing child means for the others (rule C8). */
enum edo_policy {
    EDO_FAIL_FAST = 0, /* it cancels its siblings and the scope's body; the scope returns its error */
    EDO_SUPERVISE = 1  /* siblings live; a child's error is its own (join it to see it) */
};

/* Why a scope was cancelled. */
enum edo_reason {
    EDO_REASON_NONE = 0,
    EDO_REASON_USER,     /* edo_scope_cancel */
    EDO_REASON_DEADLINE, /* its deadline, or an enclosing one's, has passed */
    EDO_REASON_SIBLING,  /* a task in a fail-fast scope has failed */
    EDO_REASON_LEFT,     /* the block was left early, or with an error */
    EDO_REASON_SHUTDOWN, /* SIGINT or SIGTERM */
    EDO_REASON_CLOSING   /* the runtime is ending */
};

/* A scope lives in the block that opens it. All fields are the library's. */
typedef struct edo_scope {
    int *rc_;
    int way_;
    int reserved_word_;
    uint64_t reserved_[26];
} edo_scope;

typedef struct edo_scope_options {
    size_t size;
    int policy;       /* enum edo_policy */
    int64_t timeout;  /* from now; 0: none; negative: has already passed */
    int64_t deadline; /* absolute; 0: none. The nearer of the two, and of all enclosing deadlines, wins (rule C5) */
    int64_t shield;   /* hold back cancellations from outside, for at most so long from now; 0: do not */
    const char *name; /* static text, for people; NULL: none */
} edo_scope_options;

/*
 * EDO_SCOPE(name, &rc, .policy = EDO_SUPERVISE) { ... } opens a scope, runs the block in it, and waits at its end.
 * `name` is an edo_scope * inside the block; `rc` an int that tells, when the block is left, how it went:
 *
 *   - falling out of the block (or `continue`) with rc >= 0 waits for the children; with rc < 0 cancels them first;
 *   - `break`, `return` and `goto` out of the block cancel the children under every policy, then wait (rule C9).
 *
 * Afterwards rc holds the scope's result: the first failure in time of body and children; -ETIMEDOUT where the scope's
 * own deadline cut the body or a child short; else what the body left there. A child's -ECANCELED that this scope
 * itself caused is no failure. A `return` out of the block is evaluated before the wait and so can't carry the scope's
 * result: leave by `break` or by falling through when it matters (builds with EDO_DEBUG_CHECKS abort when a scope that
 * failed or timed out is left by `return` or `goto`).
 *
 * What children borrow is declared before the scope; or edo_scope_join is called before it goes away. `&rc` may be
 * NULL. Opening cannot fail inside a task. On a thread that runs no task, rc becomes -EPERM and the block is skipped.
 */
#define EDO_SCOPE(name, ...)                                                                                           \
    EDO_SCOPE_(name, EDO_JOIN(name, _storage_), EDO_JOIN(name, _once_), __VA_ARGS__, .size = sizeof(edo_scope_options))
#define EDO_SCOPE_(name, storage, once, rc, ...)                                                                       \
    for (edo_scope storage __attribute__((cleanup(edo_scope_block_end_))),                                             \
         *name = edo_scope_block_begin_(&storage, rc, EDO_HERE, &(edo_scope_options){__VA_ARGS__});                    \
         name->way_ == EDO_WAY_INSIDE_; name->way_ = name->way_ == EDO_WAY_INSIDE_ ? EDO_WAY_BROKE_ : name->way_)      \
        for (bool once = true; once; once = false, name->way_ = EDO_WAY_THROUGH_)

/*
 * EDO_TIMEOUT(EDO_SEC(2), &rc) { rc = fetch(...); }: a scope with a deadline. Calls inside return -ECANCELED once it
 * has passed; rc is then -ETIMEDOUT behind the block, unless the body had completed all the same (rc >= 0).
 */
#define EDO_TIMEOUT(duration, rc) EDO_SCOPE (EDO_UNIQUE(edo_timeout_scope_), rc, .timeout = edo_duration_(duration))

/*
 * EDO_SHIELD(EDO_MS(500)) { ... }: cleanup that must wait. A cancellation from outside is held back for at most that
 * long, counted from the entry; then it gets through. Scopes opened inside are behind the shield, tasks spawned into an
 * outer scope are not (rule C5).
 */
#define EDO_SHIELD(duration) EDO_SCOPE (EDO_UNIQUE(edo_shield_scope_), NULL, .shield = edo_duration_(duration))

/* --- The functions beneath ---------------------------------------------------------------------------------------- */

/*
 * Opens `scope` in memory of the caller's (its stack, usually), as the innermost one of the calling task. `site` may be
 * NULL. Every begin needs its end, by the same task, innermost first. Never waits.
 * 0; -EPERM outside a task; -EINVAL for contradictory options; -E2BIG (see EDO_OPTIONS).
 */
EDO_API int edo_scope_begin(edo_scope *scope, const edo_site *site, const edo_scope_options *options);

/*
 * Closes the innermost scope: cancels its children if `rc` is negative, waits until all have returned, and gives the
 * scope's result as EDO_SCOPE describes. Not cancellable. -EPERM if it is not the calling task's innermost scope.
 */
EDO_API int edo_scope_end(edo_scope *scope, int rc);

/*
 * Waits until all tasks spawned into the scope so far have returned. Only the task that opened it. Not cancellable in
 * itself: a cancelled scope's children are cancelled with it. Returns 0, or the error of the first child that failed.
 */
EDO_API int edo_scope_join(edo_scope *scope);

/*
 * Asks everything inside the scope to end (rule C4: asks). Idempotent: the first reason stays. From any task or thread
 * that knows the scope to be alive: one that runs inside it, or owns it. Never waits. `site` may be NULL.
 */
#define edo_scope_cancel(scope) edo_scope_cancel_at((scope), EDO_REASON_USER, EDO_HERE)
EDO_API void edo_scope_cancel_at(edo_scope *scope, int reason, const edo_site *site);

/* The calling task's innermost scope; NULL outside a task. */
EDO_API edo_scope *edo_scope_current(void);

/* Whether the calling task's innermost scope is cancelled: the next call that may wait would return -ECANCELED. */
EDO_API bool edo_cancelled(void);

/* Why (enum edo_reason; EDO_REASON_NONE if it is not), and where in the program it was asked for (NULL if unknown). */
EDO_API int edo_cancel_reason(void);
EDO_API const edo_site *edo_cancel_site(void);

/* A reason in a word or two, static. */
EDO_API const char *edo_reason_text(int reason);

/* The nearest deadline of the scopes that the calling task is in; EDO_FOREVER if there is none. */
EDO_API int64_t edo_deadline(void);

/* EDO_TIMEOUT as a function: runs fn(argument) in a scope with that deadline and gives what rc would be. */
EDO_API int edo_with_timeout(int64_t duration, int (*fn)(void *), void *argument);

/* What the macros above expand to. */
enum { EDO_WAY_SKIPPED_ = 0, EDO_WAY_INSIDE_, EDO_WAY_BROKE_, EDO_WAY_THROUGH_ };
EDO_API edo_scope *edo_scope_block_begin_(edo_scope *scope, int *rc, const edo_site *site,
                                          const edo_scope_options *options);
EDO_API void edo_scope_block_end_(edo_scope *scope);
static inline int64_t edo_duration_(int64_t duration)
{
    return duration > 0 ? duration : -1;
}

#ifdef __cplusplus
}
#endif

#endif
