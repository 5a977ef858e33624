/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: a request to stop that is not tied to the tree of scopes. Who holds the token asks; whoever it
 * concerns looks, waits for it, or links a scope of its own to it, which is then cancelled with the token.
 *
 *     EDO_SCOPE (work, &rc) {
 *         edo_token_link(token, work);          // until the scope has ended
 *         ...
 *     }
 *
 * Tokens form trees: cancelling one cancels those below it, never the one above. Most programs need none: cancelling a
 * scope does the same for the tasks in it.
 *
 * A token lives anywhere and does not move. A static one needs neither init nor finish. One with a parent, and one
 * whose memory goes while others may still be cancelling it, is finished first; its children are finished before it.
 *
 * All calls but edo_token_wait never wait, are not cancellable, and may be made from any task, thread and timer
 * callback.
 */
#ifndef EDO_TOKEN_H
#define EDO_TOKEN_H

#include <edo/base.h>
#include <edo/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All fields are the library's. All zero is a token without parent that is not cancelled. */
typedef struct edo_token {
    uint32_t reason_;
    uint32_t lock_;
    struct edo_token *parent_;
    struct edo_token *root_; /* whose lock guards the tree; NULL: this one */
    struct edo_token *children_;
    struct edo_token *next_; /* its parent's other children */
    struct edo_token *previous_;
    void *scopes_; /* linked to it */
    const edo_site *site_;
    uint64_t reserved_[4];
} edo_token;

#define EDO_TOKEN_INIT                                                                                                 \
    {                                                                                                                  \
        0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,                                                                \
        {                                                                                                              \
            0, 0, 0, 0                                                                                                 \
        }                                                                                                              \
    }

/*
 * A token that is cancelled when `parent` is (at once, if that has been), or by itself. `parent` may be NULL, and must
 * be finished later than this one.
 */
EDO_API void edo_token_init(edo_token *token, edo_token *parent);

/*
 * Takes the token out of its tree; then nobody touches it any more. It must have no children, no scopes and nobody who
 * waits for it (an abort in builds with EDO_DEBUG_CHECKS).
 */
EDO_API void edo_token_finish(edo_token *token);

/*
 * Cancels the token, those below it, and the scopes linked to them. Idempotent: the first reason and place stay.
 * `reason` is one of enum edo_reason; another one counts as EDO_REASON_USER; `site` may be NULL.
 */
#define edo_token_cancel(token) edo_token_cancel_at((token), EDO_REASON_USER, EDO_HERE)
EDO_API void edo_token_cancel_at(edo_token *token, int reason, const edo_site *site);

/* Whether it is cancelled; why (EDO_REASON_NONE: it is not); from where (NULL: unknown). */
EDO_API bool edo_token_cancelled(const edo_token *token);
EDO_API int edo_token_reason(const edo_token *token);
EDO_API const edo_site *edo_token_site(const edo_token *token);

/*
 * Waits until the token is cancelled. 0: it is; -ECANCELED: the caller's scope is; -ETIMEDOUT. Tasks and plain threads.
 */
EDO_API int edo_token_wait(edo_token *token);
EDO_API int edo_token_wait_until(edo_token *token, int64_t deadline);

/*
 * From now on cancelling the token cancels the scope, for the token's reason; at once, if it has been cancelled. Until
 * edo_token_unlink, or until the scope has ended and with it all that is inside. The caller runs inside the scope, or
 * owns it; the token must not be finished before. 0; -EBUSY: the scope is linked already, to this token or another one;
 * -EINVAL: EDO_DETACHED.
 */
EDO_API int edo_token_link(edo_token *token, edo_scope *scope);

/* When it returns, the token does not touch the scope any more. By who has linked it; nothing if it is not linked. */
EDO_API void edo_token_unlink(edo_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
