/* SPDX-License-Identifier: MIT */
/* Scopes: opening, children, waiting, and the result. See scope.h for the tree and its locks; cancel.c walks it. */
#include "runtime/fork.h"
#include "runtime/runtime.h"
#include "runtime/misuse.h"
#include "runtime/options.h"
#include "platform/platform.h"

#include <errno.h>

void edo_scope_init(struct edo_scope_body *scope, struct edo_runtime *runtime, struct edo_task *owner)
{
    memset(scope, 0, sizeof *scope);
    edo_lock_init(&scope->lock);
    scope->runtime = runtime;
    scope->owner = owner;
    scope->deadline = EDO_FOREVER;
    edo_list_init(&scope->children);
}

void edo_scope_list(struct edo_task *task)
{
    struct edo_scope_body *home = task->home;

    if (task->flags & EDO_TASK_LISTED)
        return;
    edo_lock_acquire(&home->lock);
    edo_list_insert_tail(&home->children, &task->sibling);
    edo_lock_release(&home->lock);
    task->flags |= EDO_TASK_LISTED;
}

/* The scope's own deadline has come: INSIDE the worker in whose wheel it was. */
static void edo_scope_deadline_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_scope_body *scope = EDO_CONTAINER_OF(alarm, struct edo_scope_body, alarm);

    edo_scope_cancel_inside(thread, scope, EDO_REASON_DEADLINE, scope->site);
}

/* A shield's bound has come: cancellations from outside get through from now on. */
static void edo_scope_shield_fire(struct edo_thread *thread, struct edo_alarm *alarm)
{
    edo_scope_unshield(thread, EDO_CONTAINER_OF(alarm, struct edo_scope_body, alarm));
}

int edo_scope_begin(edo_scope *public, const edo_site *site, const edo_scope_options *given)
{
    struct edo_scope_body *scope = edo_scope_of(public);
    struct edo_task *task = edo_task_self();
    struct edo_scope_body *outer;
    struct edo_thread *thread;
    edo_scope_options options;
    int64_t deadline = EDO_FOREVER;
    uint32_t flags = 0;
    bool passed = false;
    int rc = EDO_READ_OPTIONS(&options, given);

    public->rc_ = NULL;
    public->way_ = EDO_WAY_SKIPPED_;
    if (rc < 0)
        return rc;
    if (!task)
        return -EPERM;
    if (options.policy != EDO_FAIL_FAST && options.policy != EDO_SUPERVISE)
        return -EINVAL;
    if (options.shield && (options.timeout || options.deadline))
        return -EINVAL;
    outer = task->scope;
    edo_scope_init(scope, outer->runtime, task);
    scope->outer = outer;
    scope->depth = outer->depth + 1;
    scope->site = site;
    scope->name = options.name;
    if (options.policy == EDO_SUPERVISE)
        flags |= EDO_SCOPE_SUPERVISE;
    if (options.shield) {
        flags |= EDO_SCOPE_SHIELD;
        passed = options.shield < 0;
        if (!passed)
            deadline = edo_deadline_after(edo_platform->now(), options.shield);
    } else {
        if (options.deadline || options.timeout) {
            int64_t now = edo_platform->now();

            if (options.deadline)
                deadline = options.deadline;
            if (options.timeout && edo_deadline_after(now, options.timeout) < deadline)
                deadline = edo_deadline_after(now, options.timeout);
            passed = deadline <= now;
        }
        scope->deadline = deadline < outer->deadline ? deadline : outer->deadline;
    }
    thread = edo_enter(edo_thread_self());
    edo_scope_list(task);
    edo_lock_acquire(&task->chain_lock);
    /* Outer flags are read under the lock: a canceller sets them before it takes it. */
    if (!(flags & EDO_SCOPE_SHIELD) && edo_scope_is_cancelled(outer)) {
        flags |= atomic_load_explicit(&outer->flags, memory_order_relaxed) & (EDO_SCOPE_CANCELLED | 0xff);
        atomic_store_explicit(&scope->cancel_site, atomic_load_explicit(&outer->cancel_site, memory_order_relaxed),
                              memory_order_relaxed);
    }
    atomic_store_explicit(&scope->flags, flags, memory_order_seq_cst);
    task->scope = scope;
    edo_lock_release(&task->chain_lock);
    if (passed) {
        if (flags & EDO_SCOPE_SHIELD)
            edo_scope_unshield(thread, scope);
        else
            edo_scope_cancel_inside(thread, scope, EDO_REASON_DEADLINE, site);
    } else if (deadline != EDO_FOREVER) {
        scope->alarm.fire = flags & EDO_SCOPE_SHIELD ? edo_scope_shield_fire : edo_scope_deadline_fire;
        edo_alarm_arm(thread, &scope->alarm, deadline);
    }
    edo_leave(thread);
    return 0;
}

/* Waits until no child lives. OUTSIDE; not cancellable. */
static void edo_scope_wait(struct edo_task *task, struct edo_scope_body *scope)
{
    struct edo_thread *thread;

    if (!scope->spawned && !edo_scope_has_children(scope))
        return;
    thread = edo_enter(edo_thread_self());
    edo_scope_count_in(scope);
    while (edo_scope_has_children(scope))
        thread = edo_park_inside(thread, task);
    edo_leave(thread);
}

/* Whether no child lives; then none is taken any more. For a runtime's root scope. OUTSIDE. */
static bool edo_scope_shut(struct edo_scope_body *scope)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());
    int64_t none = 0;
    bool shut = atomic_compare_exchange_strong_explicit(&scope->live, &none, INT64_MIN, memory_order_acq_rel,
                                                        memory_order_relaxed);

    edo_leave(thread);
    return shut;
}

/* Whether it was this scope's own deadline that cancelled it. */
static bool edo_scope_timed_out(struct edo_scope_body *scope)
{
    uint32_t flags = atomic_load_explicit(&scope->flags, memory_order_acquire);

    return (flags & EDO_SCOPE_OWN) && (flags & 0xff) == EDO_REASON_DEADLINE;
}

/* What the scope's result is, once all has ended: `rc` is the body's. */
static int edo_scope_result(struct edo_scope_body *scope, int rc)
{
    uint32_t flags = atomic_load_explicit(&scope->flags, memory_order_acquire);
    int error = atomic_load_explicit(&scope->error, memory_order_acquire);

    if (error < 0)
        return error;
    if (edo_scope_timed_out(scope) && (rc == -ECANCELED || (rc >= 0 && (flags & EDO_SCOPE_CUT))))
        return -ETIMEDOUT;
    return rc;
}

/* All has ended: nothing from outside may cancel it any more. */
static void edo_scope_unbind(struct edo_scope_body *scope)
{
    if (__builtin_expect(__atomic_load_n(&scope->bond.to, __ATOMIC_ACQUIRE) != NULL, 0))
        scope->bond.end(scope);
}

/* Takes the scope off its owner's chain; nobody can find it afterwards. */
static void edo_scope_unlink(struct edo_task *task, struct edo_scope_body *scope)
{
    struct edo_thread *thread = edo_enter(edo_thread_self());
    bool was_armed;

    thread = edo_alarm_disarm_inside(&was_armed, thread, &scope->alarm);
    edo_lock_acquire(&task->chain_lock);
    task->scope = scope->outer;
    edo_lock_release(&task->chain_lock);
    edo_leave(thread);
}

/* The body has ended with `rc`, or left its block `early` whatever rc says: waits for the children. */
static void edo_scope_settle(struct edo_task *task, struct edo_scope_body *scope, int rc, bool early)
{
    uint32_t flags = atomic_load_explicit(&scope->flags, memory_order_acquire);

    /* The first failure in time wins; an -ECANCELED that this scope itself caused is none. */
    if (rc < 0 && !(rc == -ECANCELED && (flags & EDO_SCOPE_OWN))) {
        int none = 0;

        atomic_compare_exchange_strong_explicit(&scope->error, &none, rc, memory_order_acq_rel, memory_order_relaxed);
    }
    if ((rc < 0 || early) && edo_scope_has_children(scope))
        edo_scope_cancel_at(edo_scope_public(scope), EDO_REASON_LEFT, scope->site);
    edo_scope_wait(task, scope);
}

static int edo_scope_close(struct edo_scope_body *scope, int rc, bool early)
{
    struct edo_task *task = edo_task_self();

    if (edo_in_forked_child())
        return -EPERM;
    EDO_MISUSE_IF(!task || scope->owner != task || task->scope != scope,
                  "a scope was ended that is not the calling task's innermost one");
    if (!task || scope->owner != task || task->scope != scope)
        return -EPERM;
    edo_scope_settle(task, scope, rc, early);
    edo_scope_unbind(scope);
    rc = edo_scope_result(scope, rc);
    edo_scope_unlink(task, scope);
    scope->way = EDO_WAY_SKIPPED_;
    return rc;
}

int edo_scope_end_root(struct edo_runtime *runtime, int rc)
{
    struct edo_scope_body *scope = &runtime->root;
    struct edo_task *task = scope->owner;

    edo_scope_settle(task, scope, rc, false);
    while (!edo_scope_shut(scope)) /* detached tasks may know it, and spawn into it until here */
        edo_scope_wait(task, scope);
    edo_nesting_set_root(runtime->nesting, NULL);
    edo_lock_acquire(&runtime->root_lock);
    atomic_store(&runtime->root_state, EDO_ROOT_ENDED);
    edo_lock_release(&runtime->root_lock);
    edo_scope_unbind(scope);
    rc = edo_scope_result(scope, rc);
    edo_scope_unlink(task, scope);
    return rc;
}

int edo_scope_end(edo_scope *public, int rc)
{
    return edo_scope_close(edo_scope_of(public), rc, false);
}

int edo_scope_join(edo_scope *public)
{
    struct edo_scope_body *scope = edo_scope_of(public);
    struct edo_task *task = edo_task_self();

    if (edo_in_forked_child())
        return -EPERM;
    EDO_MISUSE_IF(!task || scope->owner != task, "only the task that opened a scope joins it");
    if (!task || scope->owner != task)
        return -EPERM;
    edo_scope_wait(task, scope);
    return atomic_load_explicit(&scope->error, memory_order_acquire);
}

void edo_scope_child_leaves(struct edo_thread *thread, struct edo_task *task, int result)
{
    struct edo_scope_body *home = task->home;

    if (result < 0) {
        uint32_t flags = atomic_load_explicit(&home->flags, memory_order_acquire);
        int none = 0;

        if (result == -ECANCELED && (flags & EDO_SCOPE_OWN)) {
            atomic_fetch_or_explicit(&home->flags, EDO_SCOPE_CUT, memory_order_acq_rel);
        } else if (!(flags & EDO_SCOPE_SUPERVISE)) {
            if (atomic_compare_exchange_strong_explicit(&home->error, &none, result, memory_order_acq_rel,
                                                        memory_order_relaxed))
                edo_scope_cancel_inside(thread, home, EDO_REASON_SIBLING, task->site);
        }
    }
    if (task->flags & EDO_TASK_LISTED) {
        edo_lock_acquire(&home->lock);
        edo_list_remove(&task->sibling);
        edo_lock_release(&home->lock);
    }
}

void edo_scope_emptied(struct edo_thread *thread, struct edo_task *owner)
{
    if (owner)
        edo_unpark_inside(thread, owner);
    else /* the root task */
        edo_threads_stop(thread->runtime);
}

/* --- The block macros --------------------------------------------------------------------------------------------- */

edo_scope *edo_scope_block_begin_(edo_scope *scope, int *rc, const edo_site *site, const edo_scope_options *options)
{
    int begun = edo_scope_begin(scope, site, options);

    if (begun < 0) {
        if (rc)
            *rc = begun;
        return scope;
    }
    scope->rc_ = rc;
    scope->way_ = EDO_WAY_INSIDE_;
    return scope;
}

void edo_scope_block_end_(edo_scope *scope)
{
    int way = scope->way_;
    int *rc = scope->rc_;
    bool timed_out;
    int result;

    if (way == EDO_WAY_SKIPPED_)
        return;
    result = rc ? *rc : 0;
    timed_out = edo_scope_timed_out(edo_scope_of(scope));
    /* By break, or (still INSIDE) by return or goto: early. */
    result = edo_scope_close(edo_scope_of(scope), result, way != EDO_WAY_THROUGH_);
    EDO_MISUSE_IF(way == EDO_WAY_INSIDE_ && rc && ((result < 0 && *rc != result) || timed_out),
                  "a scope that failed or timed out was left by return or goto, which lose its error: use break");
    (void)timed_out; /* for the check alone */
    if (rc)
        *rc = result;
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

edo_scope *edo_scope_current(void)
{
    struct edo_task *task = edo_task_self();

    return task ? edo_scope_public(task->scope) : NULL;
}

bool edo_cancelled(void)
{
    struct edo_task *task = edo_task_self();

    return task && edo_task_cancelled(task);
}

int edo_cancel_reason(void)
{
    struct edo_task *task = edo_task_self();

    return task && edo_task_cancelled(task)
               ? (int)(atomic_load_explicit(&task->scope->flags, memory_order_acquire) & 0xff)
               : EDO_REASON_NONE;
}

const edo_site *edo_cancel_site(void)
{
    struct edo_task *task = edo_task_self();

    return task && edo_task_cancelled(task) ? atomic_load_explicit(&task->scope->cancel_site, memory_order_acquire)
                                            : NULL;
}

const char *edo_reason_text(int reason)
{
    static const char *const texts[] = {
        [EDO_REASON_NONE] = "not cancelled",     [EDO_REASON_USER] = "cancelled by the program",
        [EDO_REASON_DEADLINE] = "deadline",      [EDO_REASON_SIBLING] = "a sibling failed",
        [EDO_REASON_LEFT] = "scope left early",  [EDO_REASON_SHUTDOWN] = "shutdown",
        [EDO_REASON_CLOSING] = "runtime closing"};

    return reason >= 0 && reason < (int)EDO_COUNT(texts) ? texts[reason] : "unknown reason";
}

int64_t edo_deadline(void)
{
    struct edo_task *task = edo_task_self();

    return task ? task->scope->deadline : EDO_FOREVER;
}

int edo_with_timeout(int64_t duration, int (*fn)(void *), void *argument)
{
    edo_scope scope;
    edo_scope_options options = {.size = sizeof options, .timeout = edo_duration_(duration)};
    int rc = edo_scope_begin(&scope, NULL, &options);

    if (rc < 0)
        return rc;
    return edo_scope_end(&scope, fn(argument));
}
