/* SPDX-License-Identifier: MIT */
/*
 * The end of a runtime (src/runtime/handoff.c, idle.c, run.c): the root task ends, its thread stops the others, wherever
 * they are, and the calling thread waits for all of them and takes everything apart. All orders of:
 *
 *   two workers with their threads, a spare thread, and the places of threads that ended; the root task, which may lose its worker
 *   and go on elsewhere; threads that leave the guard for a moment on their own flow (timer callbacks, stacks to give
 *   back); threads that go to sleep with their worker; spare ones that expire; and a monitor that takes workers meanwhile,
 *   TAKES times.
 *
 * Nobody stays asleep, nothing is touched after it was freed (the calling thread waits for the monitor first), and, if no
 * process is kept from running for ever, the runtime ends (the claim `all_freed`).
 *
 * Critical sections under threads_lock and idle_lock are one step each. Spin's steps are sequentially consistent;
 * tests/models/test_idle.c has the code of sleeping and waking itself, with buffered stores.
 *
 * Mutants, each must be found: -DNO_LOOK a worker sleeps without looking again when it has entered the idle list;
 * -DNO_SPARES stopping leaves the spare threads asleep (and they don't expire); -DEARLY_FREE the calling thread does not wait for the monitor;
 * -DRASH_EXPIRY a spare thread that timed out goes without asking whether it was given a worker.
 */
#ifndef TAKES
#define TAKES 1
#endif
#ifndef STRAYS
#define STRAYS 1
#endif
#ifndef THREADS
#define THREADS 3
#endif
#define WORKERS 2
#define NONE    9

mtype = { OUTSIDE, INSIDE, TAKEN, POLLING }

mtype guard[THREADS]
byte worker[THREADS] = NONE
bool spare[THREADS]
bool assigned[THREADS]
bool alive[THREADS]
byte thread_of[WORKERS]
bool worker_lock[WORKERS]
bool idle[WORKERS]
bool event[WORKERS] /* its eventfd */
bool stopping
bool root_ready = true /* the root task is in the global queue */
bool root_ended
bool monitor_ended
bool freed
byte strays = STRAYS /* how often threads leave the guard on their own flow */

inline assign(t, w)
{
    worker[t] = w
    assigned[t] = true
}

inline stop_all()
{
    d_step {
        stopping = true
        other = 0
        do
        :: other < THREADS ->
            if
#ifndef NO_SPARES
            :: spare[other] -> spare[other] = false; assign(other, NONE)
#endif
            :: else
            fi
            other++
        :: else -> break
        od
        other = 0
    }
    do /* edo_wake_all */
    :: other < WORKERS ->
        d_step {
            if
            :: idle[other] -> idle[other] = false; event[other] = true
            :: else
            fi
            other++
        }
    :: else -> break
    od
    other = 0
}

/* edo_wake_one, after the root task has come into the global queue */
inline wake_one()
{
    d_step {
        other = 0
        do
        :: other < WORKERS && !idle[other] -> other++
        :: else -> break
        od
        if
        :: other < WORKERS -> idle[other] = false; event[other] = true
        :: else
        fi
        other = 0
    }
}

proctype thread(byte t)
{
    mtype found
    byte other

    assigned[t] -> skip
loop:
    atomic { found = 0; assert(!freed) }
    if
    :: worker[t] == NONE -> goto without
    :: else
    fi
    assert(thread_of[worker[t]] == t)
    if
    :: stopping -> guard[t] = OUTSIDE; goto out
    :: atomic { root_ready -> root_ready = false }
        guard[t] = OUTSIDE
        /* the root task's last run */
        d_step { found = guard[t]; guard[t] = INSIDE }
        if
        :: found == TAKEN ->
            worker[t] = NONE
            root_ready = true
            wake_one()
        :: else ->
            assert(!root_ended)
            root_ended = true
            stop_all()
        fi
        goto loop
    :: atomic { strays > 0 -> strays-- }
        guard[t] = OUTSIDE
        d_step { found = guard[t]; guard[t] = INSIDE }
        if
        :: found == TAKEN -> worker[t] = NONE
        :: else
        fi
        goto loop
    :: else -> skip
    fi
    /* edo_worker_idle */
    idle[worker[t]] = true
#ifndef NO_LOOK
    if
    :: stopping || root_ready -> idle[worker[t]] = false; goto loop
    :: else
    fi
#endif
    guard[t] = POLLING
    atomic { event[worker[t]] -> event[worker[t]] = false; guard[t] = INSIDE }
    idle[worker[t]] = false
    goto loop

without: /* edo_thread_wait_worker */
    if
    :: atomic { stopping -> goto out }
    :: d_step { !stopping -> assigned[t] = false; spare[t] = true }
    fi
    if
    :: assigned[t]
#ifndef NO_SPARES /* those that are not woken would expire in the end */
    :: !assigned[t] -> /* it has slept for long */
        if
#ifdef RASH_EXPIRY
        :: d_step { true -> spare[t] = false }; goto out
#else
        :: d_step { spare[t] -> spare[t] = false }; goto out
        :: !spare[t] -> assigned[t] -> skip
#endif
        fi
#endif
    fi
    if
    :: worker[t] == NONE && stopping -> goto out
    :: else -> goto loop
    fi
out:
    assert(!freed)
    alive[t] = false
}

proctype monitor()
{
    byte takes = TAKES
    byte heir, which
    bool taken

    do
    :: takes > 0 ->
        takes--
        assert(!freed)
        if
        :: which = 0
        :: which = 1
        fi
        d_step {
            heir = 0
            do
            :: heir < THREADS && !spare[heir] -> heir++
            :: else -> break
            od
            if
            :: heir < THREADS -> spare[heir] = false
            :: else
            fi
        }
        if
        :: heir < THREADS
        :: else ->
            atomic {
                heir = 1 /* not the calling thread */
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
        atomic { !worker_lock[which] -> worker_lock[which] = true }
        atomic {
            taken = (guard[thread_of[which]] == OUTSIDE)
            if
            :: taken -> guard[thread_of[which]] = TAKEN
            :: else
            fi
        }
        if
        :: taken -> thread_of[which] = heir
        :: else
        fi
        worker_lock[which] = false
        assert(!freed)
        assert(alive[heir]) /* it was obtained, so it waits */
        if
        :: taken -> assign(heir, which)
        :: else -> assign(heir, NONE)
        fi
next:   atomic { heir = 0; which = 0; taken = false }
    :: else -> break
    od
    monitor_ended = true
}

init {
    byte i

    atomic {
        do
        :: i < 3 ->
            alive[i] = true
            guard[i] = INSIDE
            if
            :: i < WORKERS -> thread_of[i] = i; worker[i] = i
            :: else
            fi
            assigned[i] = true
            run thread(i)
            i++
        :: else -> break
        od
        run monitor()
    }
    /* the calling thread, whose own flow is thread 0 */
    !alive[0] -> skip
#ifndef EARLY_FREE
    monitor_ended -> skip
#endif
    i = 1
    do /* joins them in turn */
    :: i < THREADS -> !alive[i] -> i++
    :: else -> break
    od
    freed = true
    assert(root_ended)
}

ltl all_freed { <> freed }
