/* SPDX-License-Identifier: MIT */
/*
 * Testing programs that are written with Edo: runs that can be repeated, and sweeps that prove that a function bears
 * cancellation and failure at every point.
 *
 * Called on a plain thread, outside any task, one at a time in a process: while one runs, the platform table that all
 * of Edo goes through is replaced.
 */
#ifndef EDO_TESTING_H
#define EDO_TESTING_H

#include <edo/base.h>
#include <edo/stream.h>
#include <edo/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Seeded runs -------------------------------------------------------------------------------------------------- */

/* How the next task is chosen among those that are ready. */
enum edo_test_schedule {
    EDO_SCHEDULE_RANDOM = 0, /* any of them, and a change at any suspension point, by the seed */
    EDO_SCHEDULE_PCT,        /* by random priorities, with few changes ("A Randomized Scheduler with Probabilistic
                                Guarantees of Finding Bugs", Burckhardt et al., ASPLOS 2010) */
    EDO_SCHEDULE_FIFO        /* the one that has been ready for longest; no changes at suspension points */
};

typedef struct edo_test_options {
    size_t size;
    uint64_t seed;        /* of all choices; 0: $EDO_SEED, else a random one */
    int schedule;         /* enum edo_test_schedule */
    bool real_kernel;     /* the system's clock, descriptors, sockets and threads instead of simulated ones: only the
                             schedule is drawn from the seed */
    bool impure;          /* other threads, foreign descriptors and real time take part; see below */
    bool quiet;           /* say nothing on stderr about a failure */
    bool short_transfers; /* reads and writes of streams move, at random, less than they could */
    int depth;            /* of EDO_SCHEDULE_PCT: d, 1 to 16; 0: 3 */
    uint64_t steps;       /* of EDO_SCHEDULE_PCT: k, about how many suspension points the run has; 0: drawn */
    int64_t latency_min;  /* what the network takes from one socket to another, each time anew from min to max, ns; */
    int64_t latency_max;  /* max 0: drawn, between 0 and 300 µs; negative: none */
    int64_t tick;         /* each reading of the clock takes so long, ns; 0: none */
    size_t stack_size;    /* of tasks that name none; as in edo_run_options */
} edo_test_options;

/*
 * Runs fn(argument) as edo_run does, on a runtime with one worker, on the calling thread, whose choices are drawn from
 * a seed: the same seed, options and binary give the same run. Two tasks never run at the same time; between suspension
 * points a task is alone.
 *
 * The kernel beneath is a simulated one:
 *
 *   Time stands still while a task runs, and when all wait, jumps to what comes next: edo_sleep(EDO_SEC(3600)) takes no
 *   time at all. A loop that waits for the clock with edo_yield never ends (unless .tick lets time pass). edo_now()
 *   begins with an hour, edo_wall() at 2000-01-01.
 *   The network is in memory, with every IP address and port free to be listened on. A stream that was not given a
 *   local address (.bind) comes from 127.0.0.1 or ::1. Unix sockets by path are simulated too: no file is made. UDP
 *   loses nothing and keeps its order, unless edo_test_faults say otherwise, or a receiver's buffer is full. Multicast
 *   goes to all members. Host names are those that edo_test_host has set; looking one up takes no thread.
 *   Nothing runs in other threads: edo_blocking calls its function at once, on the task's own stack, so it must not
 *   wait for another task.
 *   Files are the system's.
 *
 * What could not be repeated is refused: edo_run within the run, edo_send_fds, and, unless .impure is set,
 * edo_stream_from_fd and edo_wait_fd for a real descriptor and edo_wake_word from another thread, with -ENOTSUP. Any
 * other wake or cancellation of its tasks by another thread ends the program with a message. An impure run allows
 * those, its time is the system's, and it is repeated only as far as what comes from outside is.
 *
 * When all tasks wait and nothing is left that could wake one, that is reported on stderr, with a line for each task:
 * where it was spawned, and what it waits for. Then the root scope is cancelled, and the run returns -EDEADLK. If they
 * still wait, the program is aborted. (An impure run waits: somebody may come.)
 *
 * After a failure, which is a negative result other than -ECANCELED, or an abort, the seed is told on stderr:
 *
 *     edo: seeded run failed (-35, would deadlock): again with EDO_SEED=0x2a
 *
 * With EDO_TRACE=1 in the environment all that happens is written to stderr. fn must return: assertions that leave by
 * longjmp (cmocka's) won't do in a task.
 *
 * Returns what edo_run would; -EDEADLK; -EPERM inside a task or such a run; -EINVAL, -E2BIG for wrong options.
 */
EDO_API int edo_test_run(edo_task_fn fn, void *argument, const edo_test_options *options);

/*
 * The same with `count` seeds, from options->seed (0: 1) upwards, until one fails. With EDO_SEED in the environment:
 * with that one only. Returns the last run's result.
 */
EDO_API int edo_test_seeds(edo_task_fn fn, void *argument, int count, const edo_test_options *options);

/*
 * A hash of all that has happened in the current run so far, or in the last one: of two runs with the same hash, chance
 * and the kernel were the same.
 */
EDO_API uint64_t edo_test_trace(void);

/* --- Inside a seeded run: time and the network -------------------------------------------------------------------- */

/*
 * Each returns 0; -EPERM outside a task of a run with a simulated kernel; -EINVAL for what is no IP address
 * ("10.0.0.1", "::1", without a port), or no time. None waits. Hosts are told apart by their address; NULL stands for
 * any.
 */

/* Lets time pass without letting others run, as a long computation does. -ENOTSUP in an impure run. */
EDO_API int edo_test_advance(int64_t duration);

/* From now on, what is sent between these hosts takes from `min` to `max` ns. The last setting for a pair holds. */
EDO_API int edo_test_latency(const char *a, const char *b, int64_t min, int64_t max);

/*
 * Cuts two hosts off from each other: what is on its way between them, and what is sent from now on, does not arrive,
 * nor do connections, until edo_test_heal has been called for them (for NULL, NULL: for all that were cut off). Then
 * all of it arrives, but datagrams, which are lost.
 */
EDO_API int edo_test_partition(const char *a, const char *b);
EDO_API int edo_test_heal(const char *a, const char *b);

/*
 * From now on the host name has these addresses, "10.0.0.1 2001:db8::1", in that order; or looking it up fails with
 * `error`, one of edo_resolve's. The answer takes `takes` ns; EDO_FOREVER: there is none. The last setting for a name
 * holds. Names that were not set are EDO_EDNS_UNKNOWN, except "localhost", which is ::1 and 127.0.0.1. Also -EINVAL for
 * what no host is called, no address, more than 64 of them, or an `error` that is none.
 */
EDO_API int edo_test_host(const char *name, const char *addresses, int64_t takes);
EDO_API int edo_test_host_fails(const char *name, int error, int64_t takes);

/*
 * Breaks a TCP connection, as something on the way might: both ends get -ECONNRESET, the peer's a latency later. Also
 * -ENOTCONN (a Unix socket, too), -EBADF; -ENOTSUP for a real one.
 */
EDO_API int edo_test_reset(edo_stream *stream);

/* --- Sweeps ------------------------------------------------------------------------------------------------------- */

/*
 * A sweep runs a function again and again, and each time something else goes wrong, until nothing is left that could.
 * After each run it looks at what the run has left behind: every task must have ended, which the run's return proves;
 * every descriptor must be closed, what Edo mapped (stacks) and allocated (edo_allocate too) be given back; and the
 * caller's own check must hold. The first breach ends the sweep: it is told on stderr, with the line where the run was
 * then,
 *
 *     edo: cancel sweep: point 17 (on entry), src/app.c:42 in fetch(): 1 descriptors left open (socket)
 *
 * and in a report. Lines are found by addr2line(1), where that is installed, for programs built with -g. A run that
 * does not end is told, too, and aborts: nothing could be done about it. (On the simulated kernel it ends with
 * -EDEADLK, and that is the breach.) A run that aborts is told without its line.
 */
typedef struct edo_test_report {
    size_t size;  /* EDO_TEST_REPORT_INIT */
    size_t swept; /* how many points, or failures, were gone through */
    size_t point; /* which of them was the breach, counted from 1; 0: none, or the run in which nothing went wrong */
    char how[64]; /* "on entry", "while waiting"; or the call that was refused, and its error */
    char function[128]; /* where; empty: not known */
    char file[256];
    int line;
    char what[256]; /* the breach */
} edo_test_report;
#define EDO_TEST_REPORT_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(edo_test_report), 0, 0, "", "", "", 0, ""                                                               \
    }

/* Which scope a cancel sweep cancels. */
enum edo_test_cancels {
    EDO_CANCELS_ROOT = 0, /* the run's root scope: everything */
    EDO_CANCELS_INNERMOST /* the innermost scope of the task at the point */
};

typedef struct edo_test_sweep_options {
    size_t size;
    const edo_test_options *run;   /* NULL: EDO_SCHEDULE_FIFO. Without a seed all runs have seed 1, or $EDO_SEED */
    void (*reset)(void *argument); /* before each run */
    /* After each run: 0 if all is well. `result` is what the run returned; `point` is 0 if nothing went wrong in it. */
    int (*check)(void *argument, size_t point, int result);
    int cancels;             /* enum edo_test_cancels */
    size_t most;             /* after so many points (failures) it gives up with -EOVERFLOW; 0: 100,000 */
    int64_t patience;        /* a run that waits for so long for nothing does not end; 0: 10 s */
    edo_test_report *report; /* NULL: none is wanted */
} edo_test_sweep_options;

/*
 * Runs fn(argument) once as it is, then again and again, cancelling it at the first, the second, ... point, until a run
 * ends before that point. Points are, in the order of the run:
 *
 *     on entry       a call that may wait is being made (all those after which -ECANCELED may stand, edo_checkpoint and
 *                    edo_yield among them), or a task goes dormant by edo_continue: it has to refuse (rule C1)
 *     while waiting  another task is about to be chosen, or there is none to choose: whoever waits is waiting now.
 *                    The place told is that of the last call before
 *
 * A call that begins cancelled and reads, writes or accepts all the same is a breach as well (rule C1). Points inside
 * an edo_run that the function nests do not count.
 *
 * Returns 0; -ENOTRECOVERABLE: there was a breach; -EOVERFLOW; -EPERM, -EINVAL, -E2BIG as edo_test_run, and what that
 * returns where it cannot start.
 */
EDO_API int edo_test_cancel_sweep(edo_task_fn fn, void *argument, const edo_test_sweep_options *options);

/*
 * The same with failures: one more call succeeds each time that the system may refuse (memory, threads, descriptors,
 * sockets, transfers, EINTR), then one fails, with each of the errors that are usual for it; until a run makes no more
 * such calls.
 */
EDO_API int edo_test_fault_sweep(edo_task_fn fn, void *argument, const edo_test_sweep_options *options);

/* --- Faults ------------------------------------------------------------------------------------------------------- */

/* How many of 1,000 calls go wrong, by the run's seed, from the beginning of its root task on. */
typedef struct edo_test_faults {
    size_t size;
    int interrupts;      /* EINTR, where signals interrupt */
    int short_transfers; /* of sockets: less is moved than could be */
    int again;           /* of sockets: EAGAIN, though it is not so; readiness is reported again soon after */
    int shortages;       /* ENOMEM, EMFILE, EAGAIN of threads and the like */
    int losses;          /* UDP datagrams that never arrive, on the simulated kernel only, as the next two */
    int duplicates;      /* that come twice */
    int reorderings;     /* that others may overtake */
} edo_test_faults;

/* edo_test_run in such weather. -EINVAL also for a number that is not 0 to 999. */
EDO_API int edo_test_run_faulty(edo_task_fn fn, void *argument, const edo_test_options *options,
                                const edo_test_faults *faults);

#ifdef __cplusplus
}
#endif

#endif
