/* SPDX-License-Identifier: MIT */
/*
 * A flow: what runs on a stack. It calls the function of its task, sees to what that comes to (an end, a continuation,
 * a wait without a stack), and goes on with the next task.
 *
 * A task that ends (or goes dormant) and whose successor has no stack yet runs it on its own: no switch at all. So a
 * flow has many tasks, one after the other, and is over when somebody with a stack is next, or nobody.
 *
 * What a server does with each request has a loop of its own here, edo_task_serve; what is rare is out of line.
 */
#include "runtime/callbacks.h"
#include "runtime/dormant_wait.h"
#include "runtime/misuse.h"
#include "runtime/ready.h"
#include "runtime/runtime.h"
#include "runtime/switch.h"
#include "runtime/usdt.h"

/* --- What its function comes to ----------------------------------------------------------------------------------- */

static void edo_check_return(struct edo_task *task, bool continues)
{
    EDO_MISUSE_IF(edo_thread_in_region(edo_thread_self()),
                  "a task has returned (or continued) inside a blocking region");
    EDO_MISUSE_IF(task->scope != task->home, "a task has returned (or continued) with a scope still open");
    EDO_MISUSE_IF(continues != (task->when_what != 0),
                  "the value of edo_continue must be returned by the task function itself");
}

/* A task that continues, but not as usual: under hooks, or before anybody could find it to cancel it. OUTSIDE. */
static __attribute__((noinline, cold)) void edo_task_continues_first(struct edo_task *task)
{
    if (task->flags & EDO_TASK_CHOSEN)
        edo_budget_spent(task);             /* a suspension point, too */
    if (!(task->flags & EDO_TASK_LISTED)) { /* before arming asks whether it is cancelled */
        struct edo_thread *thread = edo_enter(edo_thread_self());

        edo_scope_list(task);
        edo_leave(thread);
    }
}

/* The task is dormant: from now on it may be woken, and is nobody's business here any more. INSIDE. */
EDO_ALWAYS_INLINE struct edo_thread *edo_task_sleeps(struct edo_thread *thread, struct edo_task *task)
{
    task->stack = NULL;
    EDO_USDT1(task_park, task->id);
    if (__builtin_expect(!edo_park_word_park(&task->wake), 0))
        edo_ready(thread, task);
    return thread;
}

EDO_ALWAYS_INLINE struct edo_thread *edo_task_ends(struct edo_task *task, int result)
{
    if (__builtin_expect(atomic_load(&task->alarm_owner) != EDO_ALARM_IDLE, 0))
        edo_dormant_disarm(task);
    return edo_task_end(edo_enter(edo_thread_self()), task, result);
}

/* Its function has returned `result`: it ends, or goes dormant, in any way. OUTSIDE. NULL: it is to run at once. */
static __attribute__((noinline)) struct edo_thread *edo_task_returned(struct edo_task *task, int result)
{
    uint8_t what = task->when_what;
    struct edo_thread *thread;

    edo_check_return(task, result == EDO_CONTINUED_);
    if (!what)
        return edo_task_ends(task, result);
    if (__builtin_expect((task->flags & (EDO_TASK_LISTED | EDO_TASK_CHOSEN)) != EDO_TASK_LISTED, 0))
        edo_task_continues_first(task);
    thread = edo_dormant_enter(task, what);
    if (!thread || what != EDO_WHEN_NOW_)
        return thread ? edo_task_sleeps(thread, task) : NULL;
    task->stack = NULL;
    EDO_USDT1(task_park, task->id);
    edo_ready_last(thread, task);
    return thread;
}

EDO_ALWAYS_INLINE int edo_task_call(struct edo_task *task)
{
    task->when_what = 0;
    return task->fn(task->argument);
}

/* It need not wait, as often as that comes. OUTSIDE. */
static __attribute__((noinline, cold)) struct edo_thread *edo_task_again(struct edo_task *task)
{
    struct edo_thread *thread;

    do {
        if (--task->budget < 0)
            edo_budget_spent(task);
        thread = edo_task_returned(task, edo_task_call(task));
    } while (!thread);
    return thread;
}

/*
 * Runs `task`, whose turn it is, until it ends or goes dormant. INSIDE on entry and on return; on return the task is
 * nobody's business here any more, and the flow stands on a stack that is free.
 */
EDO_ALWAYS_INLINE struct edo_thread *edo_task_run(struct edo_thread *thread, struct edo_task *task)
{
    uint8_t what = task->when_what;
    int result;

    edo_leave(thread);
    if (what) {
        edo_park_word_run(&task->wake);
        if (!edo_dormant_return(task))
            return edo_task_sleeps(edo_enter(edo_thread_self()), task);
    }
    result = edo_task_call(task);
    if (__builtin_expect(task->when_what == 0, 1)) {
        edo_check_return(task, result == EDO_CONTINUED_);
        return edo_task_ends(task, result);
    }
    thread = edo_task_returned(task, result);
    return thread ? thread : edo_task_again(task);
}

/*
 * The same for one that edo_task_is_served: what a server does with every request. That it is in its scope's list,
 * where a cancellation finds it, is settled since it waited; nor is it under hooks.
 */
EDO_ALWAYS_INLINE struct edo_thread *edo_task_serve(struct edo_thread *thread, struct edo_task *task)
{
    int result;

    edo_leave(thread);
    edo_park_word_run(&task->wake);
    if (__builtin_expect(!edo_dormant_return_readable(task, false), 0)) {
        EDO_ANEW(task); /* so that no address is kept for this; nor over the call */
        return edo_task_sleeps(edo_enter(edo_thread_self()), task);
    }
    result = edo_task_call(task);
    EDO_ANEW(task);
    if (__builtin_expect(task->when_what != EDO_WHEN_READABLE_, 0)) {
        thread = edo_task_returned(task, result);
    } else {
        edo_check_return(task, result == EDO_CONTINUED_);
        thread = edo_dormant_enter_readable(task, false);
        if (__builtin_expect(thread != NULL, 1))
            return edo_task_sleeps(thread, task);
    }
    return thread ? thread : edo_task_again(task);
}

/* --- From one task to the next ------------------------------------------------------------------------------------ */

/* The task begins to run, for the first time or anew, on this thread. */
static __attribute__((noinline, cold)) struct edo_thread *edo_task_come_home(struct edo_thread *thread,
                                                                             struct edo_task *task)
{
    if ((task->flags & EDO_TASK_PINNED) && !task->home_thread)
        thread->pinned_count++;
    if (task->flags & EDO_TASK_ELSEWHERE)
        task->home_thread = thread;
    if (task->flags & EDO_TASK_ANNOUNCED) {
        task->flags &= (uint8_t)~EDO_TASK_ANNOUNCED;
        edo_leave(thread);
        edo_callback_task_start(task);
        thread = edo_enter(edo_thread_self());
    }
    return thread;
}

enum { EDO_TASK_UNUSUAL = EDO_TASK_ELSEWHERE | EDO_TASK_ANNOUNCED | EDO_TASK_MEASURED };

/* A flow of edo_task_main, and its stack. */
struct edo_flow {
    struct edo_context context;
    struct edo_stack *stack;
    uint8_t stack_class;
};

/*
 * Whether a task that is ready, and has no stack of its own, has waited for reading and nothing else, and may have the
 * flow's. (One that has a stack may say so too: it has called edo_continue and waits for something on its way out of
 * its function.)
 */
EDO_ALWAYS_INLINE bool edo_task_is_served(const struct edo_task *task, const struct edo_flow *flow)
{
    return task->when_what == EDO_WHEN_READABLE_ && task->stack_class == flow->stack_class &&
           !(task->flags & EDO_TASK_UNUSUAL);
}

/* `task` goes on, or begins, on the stack of a flow that has nothing else to do. */
EDO_ALWAYS_INLINE void edo_task_take_over(struct edo_thread *thread, struct edo_task *task, const struct edo_flow *flow,
                                          struct edo_worker *worker, int16_t budget)
{
    task->context = flow->context;
    task->stack = flow->stack;
    flow->stack->owner = task;
    thread->current = task;
    task->budget = budget;
    edo_context_reset_fp();
    edo_worker_runs(worker, task->id);
    EDO_USDT3(task_run, task->id, task->name, task->site);
}

EDO_ALWAYS_INLINE struct edo_task *edo_flow_next(struct edo_thread *thread, struct edo_worker *worker)
{
    return worker->alone ? edo_next(thread, worker, true) : edo_next(thread, worker, false);
}

/*
 * A flow ends: its stack is put away while it still stands on it. Nobody takes it before the flow has left, which is
 * the next that is done: the worker's lists are for who is INSIDE it, which is this thread until then.
 */
static void edo_stack_put_away(struct edo_thread *thread, struct edo_stack *stack)
{
    struct edo_worker *worker = thread->worker;

    stack->owner = NULL;
    if (__builtin_expect(stack->size_class == thread->runtime->stack_class && !thread->runtime->options.stack_census,
                         1)) {
        stack->next = worker->stacks;
        worker->stacks = stack;
        if (__builtin_expect(++worker->stack_count <= EDO_STACK_CACHE, 1))
            return; /* else the thread's own flow gives some back */
    } else {
        stack->next = worker->odd_stacks; /* putting makes syscalls: left to the thread's own flow */
        worker->odd_stacks = stack;
    }
    edo_turns_end(worker);
}

#if EDO_TSAN
static void edo_after_end(struct edo_thread *thread, struct edo_task *task)
{
    (void)task;
    edo_context_finish(&thread->after_flow);
}
#endif

void edo_task_main(void *baton)
{
    struct edo_thread *thread = (struct edo_thread *)baton;
    struct edo_task *task = thread->current;
    struct edo_flow flow = {task->context, task->stack, task->stack->size_class};
    struct edo_worker *worker;
    struct edo_context *target;
    struct edo_task *next;

    edo_after_switch(thread);
    if (__builtin_expect(task->flags & EDO_TASK_UNUSUAL, 0))
        thread = edo_task_come_home(thread, task);
    for (;;) {
        if (__builtin_expect(edo_task_is_served(task, &flow), 1)) {
            for (;;) {
                thread = edo_task_serve(thread, task);
                worker = thread->worker;
                next = edo_flow_next(thread, worker);
                if (!next || __builtin_expect(next->stack || !edo_task_is_served(next, &flow), 0))
                    break;
                task = next;
                edo_task_take_over(thread, task, &flow, worker, EDO_BUDGET);
            }
        } else {
            thread = edo_task_run(thread, task);
            worker = thread->worker;
            next = edo_flow_next(thread, worker);
        }
        if (!next || next->stack || next->stack_class != flow.stack_class || (next->flags & EDO_TASK_MEASURED))
            break;
        task = next;
        edo_task_take_over(thread, task, &flow, worker, thread->budget);
        if (__builtin_expect(task->flags & EDO_TASK_UNUSUAL, 0))
            thread = edo_task_come_home(thread, task);
    }
    target = edo_target(thread, worker, next); /* first: it may take a stack */
    edo_stack_put_away(thread, flow.stack);
#if EDO_TSAN
    thread->after = edo_after_end;
    thread->after_flow = flow.context;
#endif
    edo_context_leave(&flow.context, target, thread);
}
