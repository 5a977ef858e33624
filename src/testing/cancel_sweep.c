/* SPDX-License-Identifier: MIT */
/*
 * The cancel sweep: a run for each point at which it can be cancelled (rules C1 to C5).
 *
 * Points are counted over all tasks, in the order of the run: a suspension point, before the call has asked whether it
 * is cancelled; and a turn, before the next task is chosen, when whoever waits is parked and whoever was woken has not
 * run yet. So each wait is cancelled while it lasts, and again between its end and the task's turn, where completion
 * and cancellation meet.
 *
 * Where the run was is asked for at no more than two points of it, as walking a stack is slow: at the point where it is
 * cancelled, and at the last suspension point before, which one run's sweep of turns learns from the run before it.
 */
#include "testing/sweep.h"
#include "runtime/runtime.h"

#include <stdio.h>

struct edo_cancel_sweep {
    struct edo_test_watch watch;
    struct edo_sweep sweep;
    size_t at;      /* the point at which to cancel; 0: none */
    size_t passed;  /* points so far */
    size_t last;    /* the last of them that was a suspension point */
    size_t look;    /* where to note the place: what `last` was at the end of the run before */
    size_t after;   /* suspension points since it was cancelled */
    bool cancelled; /* it was */
    struct edo_task *task;
    uint64_t task_id; /* of the task at the last suspension point */
};

enum { EDO_CANCEL_SWEEP_AFTER_MOST = 1000000 };

static edo_site edo_cancel_sweep_site = {__FILE__, "edo_test_cancel_sweep", 0, 0, NULL, {0}};

static bool edo_root_is_open(struct edo_runtime *runtime)
{
    return atomic_load(&runtime->root_state) == EDO_ROOT_OPEN;
}

static void edo_cancel_sweep_reached(struct edo_cancel_sweep *run, const char *how)
{
    run->cancelled = true;
    run->sweep.point = run->at;
    snprintf(run->sweep.how, sizeof run->sweep.how, "%s", how);
}

static void edo_cancel_sweep_point(struct edo_test_watch *watch, struct edo_task *task)
{
    struct edo_cancel_sweep *run = EDO_CONTAINER_OF(watch, struct edo_cancel_sweep, watch);
    struct edo_runtime *runtime = task->home->runtime;
    struct edo_scope_body *scope = &runtime->root;

    if (!run->cancelled && edo_root_is_open(runtime)) {
        run->last = ++run->passed;
        run->task = task;
        run->task_id = task->id;
        if (run->at && (run->passed == run->look || run->passed == run->at))
            edo_place_take(&run->sweep.place, task->fn);
        if (run->passed == run->at) {
            edo_cancel_sweep_reached(run, "on entry");
            if (run->sweep.options.cancels == EDO_CANCELS_INNERMOST)
                scope = task->scope;
            edo_scope_cancel_at(edo_scope_public(scope), EDO_REASON_USER, &edo_cancel_sweep_site);
        }
    }
    if (run->cancelled && ++run->after == EDO_CANCEL_SWEEP_AFTER_MOST)
        edo_sweep_hangs("it has come to 1,000,000 suspension points since it was cancelled");
    if (edo_task_cancelled(task))
        edo_faults_refuse(task);
}

static void edo_cancel_sweep_turn(struct edo_test_watch *watch, struct edo_thread *thread)
{
    struct edo_cancel_sweep *run = EDO_CONTAINER_OF(watch, struct edo_cancel_sweep, watch);
    struct edo_scope_body *scope = &thread->runtime->root;

    if (run->cancelled || !edo_root_is_open(thread->runtime) || ++run->passed != run->at)
        return;
    edo_cancel_sweep_reached(run, "while waiting");
    if (run->sweep.options.cancels == EDO_CANCELS_INNERMOST) {
        /* A task that has ended is not parked, and a block that was used again has another number. */
        if (!run->task || run->task->id != run->task_id || atomic_load(&run->task->wake) != EDO_WAKE_PARKED)
            return;
        scope = run->task->scope;
    }
    edo_scope_cancel_inside(thread, scope, EDO_REASON_USER, &edo_cancel_sweep_site);
}

/* A run that is cancelled at the point. True: all was well. */
static bool edo_cancel_sweep_run(struct edo_cancel_sweep *run, size_t at)
{
    run->at = at;
    run->look = run->last;
    run->passed = run->last = run->after = 0;
    run->cancelled = false;
    run->task = NULL;
    edo_faults_arm(0, 0);
    edo_sweep_run(&run->sweep, &run->watch);
    return edo_sweep_check(&run->sweep);
}

int edo_test_cancel_sweep(edo_task_fn fn, void *argument, const edo_test_sweep_options *options)
{
    struct edo_cancel_sweep run = {.watch = {.point = edo_cancel_sweep_point, .turn = edo_cancel_sweep_turn},
                                   .sweep = {.name = "cancel sweep", .unit = "point"}};
    int rc = edo_sweep_begin(&run.sweep, fn, argument, options, &run.watch);
    size_t at;

    if (rc < 0)
        return rc;
    run.last = 0;
    for (at = 1; rc == 0; at++) {
        if (at > run.sweep.options.most) {
            rc = -EOVERFLOW;
            break;
        }
        if (!edo_cancel_sweep_run(&run, at)) {
            rc = edo_sweep_breach(&run.sweep);
        } else if (!run.cancelled) {
            rc = edo_sweep_done(&run.sweep, at - 1);
            break;
        }
    }
    edo_sweep_end(&run.sweep);
    return rc;
}
