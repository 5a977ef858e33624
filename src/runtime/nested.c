/* SPDX-License-Identifier: MIT */
/*
 * A runtime inside a task of another one (rule S8): it runs on a thread of its own, and threads that that one starts,
 * while the calling task is parked. The task's cancellation is passed on to the inner root scope. Inside a job of
 * edo_blocking it runs on the job's thread, and hears the cancellation of the job's caller (blocking.c).
 *
 * `lock` guards `root` and `cancel`: the inner root task publishes its scope and takes it back under it, so a canceller
 * that holds the lock knows the scope to be alive.
 */
#include "runtime/runtime.h"
#include "platform/masked.h"
#include "platform/platform.h"

#include <errno.h>

struct edo_nesting {
    struct edo_lock lock;
    struct edo_scope_body *root;
    bool cancel;
    edo_task_fn fn;
    void *argument;
    edo_run_options options;
    struct edo_task *outer;
    int result;
    _Atomic bool done;
};

void edo_nesting_set_root(struct edo_nesting *nesting, struct edo_scope_body *root)
{
    bool cancel;

    if (!nesting)
        return;
    edo_lock_acquire(&nesting->lock);
    nesting->root = root;
    cancel = nesting->cancel;
    edo_lock_release(&nesting->lock);
    if (cancel && root)
        edo_scope_cancel_at(edo_scope_public(root), EDO_REASON_USER, NULL);
}

static void *edo_nested_main(void *argument)
{
    struct edo_nesting *nesting = (struct edo_nesting *)argument;
    struct edo_task *outer = nesting->outer; /* once `done` is seen, the nesting is gone */

    pthread_sigmask(SIG_SETMASK, &outer->home->runtime->signals, NULL);
    nesting->result = edo_run_here(nesting->fn, nesting->argument, &nesting->options, nesting, NULL);
    atomic_store_explicit(&nesting->done, true, memory_order_release);
    edo_unpark(outer);
    return NULL;
}

void edo_nesting_hold(struct edo_nesting *nesting)
{
    edo_lock_acquire(&nesting->lock);
}

void edo_nesting_cancel_held(struct edo_nesting *nesting)
{
    nesting->cancel = true;
    if (nesting->root)
        edo_scope_cancel_at(edo_scope_public(nesting->root), EDO_REASON_USER, NULL);
    edo_lock_release(&nesting->lock);
}

int edo_run_nested(struct edo_task *task, edo_task_fn fn, void *argument, const edo_run_options *options)
{
    enum { EDO_NESTED_STACK = 1024 * 1024 };
    struct edo_nesting nesting = {.fn = fn, .argument = argument, .options = *options, .outer = task};
    bool told = false;
    pthread_t id;
    int rc = edo_suspension_point(task);

    nesting.options.signals = EDO_SIGNALS_IGNORE; /* only the outermost handles them */
    if (!nesting.options.console)                 /* there it is; and here are stalls to tell it of */
        nesting.options.console = task->home->runtime->options.console;
    if (rc == 0)
        rc = edo_masked_thread_start(edo_platform, &id, EDO_NESTED_STACK, edo_nested_main, &nesting);
    if (rc < 0)
        return rc;
    while (!atomic_load_explicit(&nesting.done, memory_order_acquire)) {
        if (!told && edo_task_cancelled(task)) {
            told = true;
            edo_nesting_hold(&nesting);
            edo_nesting_cancel_held(&nesting);
            continue;
        }
        edo_park(task);
    }
    pthread_join(id, NULL); /* it has said that it is done: no wait worth the name */
    return nesting.result;
}

int edo_run_on_thread(edo_task_fn fn, void *argument, const edo_run_options *options)
{
    struct edo_nesting nesting = {.options = *options};
    struct edo_nesting *outer;
    int rc;

    if (!edo_job_nesting_begin(&rc, &outer, &nesting)) {
        bool console = edo_console_begin(options);

        rc = edo_run_here(fn, argument, options, NULL, NULL);
        if (console)
            edo_console_end();
        return rc;
    }
    nesting.options.signals = EDO_SIGNALS_IGNORE;
    if (rc == 0)
        rc = edo_run_here(fn, argument, &nesting.options, &nesting, NULL);
    edo_job_nesting_end(outer);
    edo_nesting_hold(&nesting); /* who has found it there has done with it */
    edo_lock_release(&nesting.lock);
    return rc;
}
