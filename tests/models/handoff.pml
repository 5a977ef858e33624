/* SPDX-License-Identifier: MIT */
/*
 * Hand-off (src/runtime/handoff.c, rules S5, S6): workers are taken from threads that stay OUTSIDE, and given to spare
 * threads or new ones; threads with pinned tasks and no worker want one; spare threads expire; the last task to end stops
 * the runtime. All orders of:
 *
 *   THREADS threads that may exist, the first of which has the worker; one worker; a task that is free to move, and one
 *   that is pinned to the thread on which it runs first, each with several runs; a monitor that takes the worker TAKES
 *   times, from a thread of its own; somebody who wakes the pinned task whenever it has parked.
 *
 * No task is lost or runs twice at a time, a pinned one runs on its thread only, whoever works on a worker's data is the
 * worker's thread; all processes come to their end (no deadlock, no thread asleep for ever); and, if no process is kept
 * from running for ever, all tasks end (the claim `all_end`).
 *
 * What idle.c promises is taken for granted here: a thread with a worker and without work wakes when there is some.
 * Critical sections under threads_lock and thread->lock are one step each; worker->thread_lock is a lock, since it is held
 * over the exchange of a guard, and tried. Spin's steps are sequentially consistent; tests/models/test_guard.c has the code itself, with buffered stores.
 *
 * Mutants, each must be found: -DRASH_EXPIRY a spare thread that timed out goes without asking whether it was given a
 * worker; -DSPLIT_ENTER entering is a load and a store; -DNO_WANT a thread without worker does not ask for one for its
 * pinned tasks; -DLOST_TASK a task whose worker was taken is not put into the global queue.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef TAKES
#define TAKES 2
#endif
#define NONE 9

mtype = { OUTSIDE, INSIDE, TAKEN, HELD, GLOBAL, PINNED_READY, PARKED, DONE }

#define FREE   0 /* the task that may run anywhere */
#define PINNED 1 /* the one that may not, once it has run */
#define TASKS  2

mtype guard[THREADS]
byte worker[THREADS] = NONE  /* 0, the only one, or NONE */
bool spare[THREADS]          /* in the list of spares */
bool wanting[THREADS]
bool assigned[THREADS]
bool alive[THREADS]
byte thread_of_worker
bool worker_lock             /* worker->thread_lock */
byte wanting_count
bool stopping

mtype place[TASKS] = GLOBAL
byte runs[TASKS] = 2
byte home = NONE             /* of the pinned task */
byte ended

/* Under threads_lock. */
inline unspare(t)
{
    spare[t] = false
    if
    :: wanting[t] -> wanting[t] = false; wanting_count--
    :: else
    fi
}

inline assign(t, w)
{
    worker[t] = w
    assigned[t] = true
}

inline enter(t)
{
#ifdef SPLIT_ENTER
    found = guard[t]
    guard[t] = INSIDE
#else
    d_step { found = guard[t]; guard[t] = INSIDE }
#endif
}

/* edo_ready_pinned, from elsewhere. `was_spare` is the caller's. */
inline ready_pinned()
{
    d_step { place[PINNED] = PINNED_READY; was_spare = spare[home] }
    if
    :: was_spare ->
        d_step {
            was_spare = false
            if
            :: spare[home] && !wanting[home] -> wanting[home] = true; wanting_count++
            :: else
            fi
        }
    :: else
    fi
}

inline stop_all(t)
{
    d_step {
        stopping = true
        other = 0
        do
        :: other < THREADS ->
            if
            :: spare[other] -> unspare(other); assign(other, NONE)
            :: else
            fi
            other++
        :: else -> break
        od
        other = 0
    }
}

#define HAS_PINNED(t) (place[PINNED] == PINNED_READY && home == t)

proctype thread(byte t)
{
    mtype found
    byte other, task
    bool was_spare

    assigned[t] -> skip /* whoever created it has obtained it */
loop:
    atomic { found = 0; task = 0 }
    if
    :: worker[t] == NONE -> goto without
    :: else
    fi
    assert(thread_of_worker == t)
    if
    :: stopping -> guard[t] = OUTSIDE; goto out
    :: else
    fi
    if
    :: wanting_count > 0 -> goto yield_worker
    :: else
    fi
    /* the next task, or sleep until there is something */
    if
    :: HAS_PINNED(t) -> atomic { assert(place[PINNED] == PINNED_READY); place[PINNED] = HELD; task = PINNED }
    :: atomic { place[FREE] == GLOBAL -> place[FREE] = HELD; task = FREE }
    :: atomic { place[PINNED] == GLOBAL -> place[PINNED] = HELD; task = PINNED; assert(home == NONE); home = t }
    :: wanting_count > 0 || stopping -> goto loop
    fi
    assert(task == FREE || home == t)
    assert(thread_of_worker == t)
    guard[t] = OUTSIDE
    /* the task's own code, for as long as it likes */
    enter(t)
    if
    :: found == TAKEN ->
        worker[t] = NONE
        if
        :: task == PINNED -> ready_pinned() /* its home is this thread, which is not spare yet */
#ifdef LOST_TASK
        :: else
#else
        :: else -> place[task] = GLOBAL
#endif
        fi
        goto loop
    :: else
    fi
    assert(found == OUTSIDE)
    assert(thread_of_worker == t)
    runs[task]--
    if
    :: runs[task] > 0 && task == PINNED -> place[task] = PARKED
    :: runs[task] > 0 && task == FREE -> place[task] = GLOBAL
    :: else ->
        place[task] = DONE
        ended++
        if
        :: ended == TASKS -> stop_all(t)
        :: else
        fi
    fi
    goto loop

yield_worker: /* edo_thread_yield_worker */
    if
    :: atomic { !worker_lock -> worker_lock = true }
    :: else ->
        guard[t] = OUTSIDE
        enter(t)
        if
        :: found == TAKEN -> worker[t] = NONE
        :: else
        fi
        goto loop
    fi
    d_step {
        other = 0
        do
        :: other < THREADS && !wanting[other] -> other++
        :: else -> break
        od
        if
        :: other < THREADS -> unspare(other); thread_of_worker = other; worker[t] = NONE
        :: else
        fi
    }
    worker_lock = false
    if
    :: other < THREADS -> assign(other, 0)
    :: else
    fi
    other = 0
    goto loop

without: /* edo_thread_wait_worker */
    if
    :: atomic { stopping -> goto out }
    :: d_step {
        !stopping -> assigned[t] = false
        spare[t] = true
#ifndef NO_WANT
        if
        :: HAS_PINNED(t) -> wanting[t] = true; wanting_count++
        :: else
        fi
#endif
    }
    fi
    if
    :: assigned[t]
    :: !assigned[t] && !(home == t && place[PINNED] != DONE) -> /* it has slept for long, and nothing is pinned to it */
        if
#ifdef RASH_EXPIRY
        :: d_step { true -> spare[t] = false }; goto out
#else
        :: d_step { spare[t] -> spare[t] = false }; goto out
        :: !spare[t] -> assigned[t] -> skip /* it is being given a worker */
#endif
        fi
    fi
    if
    :: worker[t] == NONE && stopping -> goto out
    :: else -> goto loop
    fi
out:
    alive[t] = false
}

proctype monitor()
{
    byte takes = TAKES
    byte heir
    bool taken

    do
    :: takes > 0 ->
        takes--
        d_step {
            heir = 0
            do
            :: heir < THREADS && !spare[heir] -> heir++
            :: else -> break
            od
            if
            :: heir < THREADS -> unspare(heir)
            :: else
            fi
        }
        if
        :: heir < THREADS
        :: else ->
            /* a new thread, if there may be one more */
            atomic {
                heir = 0
                do
                :: heir < THREADS && alive[heir] -> heir++
                :: else -> break
                od
                if
                :: heir < THREADS ->
                    alive[heir] = true
                    guard[heir] = INSIDE
                    worker[heir] = NONE
                    assigned[heir] = false
                    run thread(heir)
                :: else -> goto next
                fi
            }
        fi
        atomic { !worker_lock -> worker_lock = true }
        atomic {
            taken = (guard[thread_of_worker] == OUTSIDE)
            if
            :: taken -> guard[thread_of_worker] = TAKEN
            :: else
            fi
        }
        if
        :: taken -> thread_of_worker = heir
        :: else
        fi
        worker_lock = false
        assert(alive[heir]) /* it was obtained, so it waits */
        if
        :: taken -> assign(heir, 0)
        :: else -> assign(heir, NONE)
        fi
        taken = false
next:   skip
    :: else -> break
    od
}

proctype waker()
{
    bool was_spare

    do
    :: place[PINNED] == PARKED -> ready_pinned()
    :: place[PINNED] == DONE -> break
    od
}

init {
    atomic {
        alive[0] = true
        guard[0] = INSIDE
        worker[0] = 0
        assigned[0] = true
        run thread(0)
        run monitor()
        run waker()
    }
}

ltl all_end { <> (ended == TASKS) }
