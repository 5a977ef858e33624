/* SPDX-License-Identifier: MIT */
/*
 * Testing programs that are written with Edo: runs that can be repeated, and sweeps that prove that a function bears
 * cancellation and failure at every point.
 *
 * Called on a plain thread, outside any task, one at a time in a process: while one runs, the platform table that all of
 * Edo goes through is replaced.
 */
#ifndef EDO_TESTING_H
#define EDO_TESTING_H

#include <edo/base.h>
#include <edo/stream.h>
#include <edo/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Seeded runs ---------------------------------------------------------------------------------------------------- */

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
 * Runs fn(argument) as edo_run does, on a runtime with one worker, on the calling thread, whose choices are drawn from a
 * seed: the same seed, options and binary give the same run. Two tasks never run at the same time; between suspension
 * points a task is alone.
 *
 * The kernel beneath is a simulated one:
 *
 *   Time stands still while a task runs, and when all wait, jumps to what comes next: edo_sleep(EDO_SEC(3600)) takes no
 *   time at all. A loop that waits for the clock with edo_yield never ends (unless .tick lets time pass). edo_now() begins
 *   with an hour, edo_wall() at 2000-01-01.
 *   The network is in memory, with every IP address and port free to be listened on. A stream that was not given a local
 *   address (.bind) comes from 127.0.0.1 or ::1. Unix sockets by path are simulated too: no file is made.
 *   Nothing runs in other threads: edo_blocking calls its function at once, on the task's own stack, so it must not wait
 *   for another task.
 *   Files are the system's.
 *
 * What could not be repeated is refused: edo_run within the run, datagram sockets, and, unless .impure is set,
 * edo_stream_from_fd and edo_wait_fd for a real descriptor and edo_wake_word from another thread, with -ENOTSUP. Any other
 * wake or cancellation of its tasks by another thread ends the program with a message. An impure run allows those, its time
 * is the system's, and it is repeated only as far as what comes from outside is.
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
 * The same with `count` seeds, from options->seed (0: 1) upwards, until one fails. With EDO_SEED in the environment: with
 * that one only. Returns the last run's result.
 */
EDO_API int edo_test_seeds(edo_task_fn fn, void *argument, int count, const edo_test_options *options);

/*
 * A hash of all that has happened in the current run so far, or in the last one: of two runs with the same hash, chance and
 * the kernel were the same.
 */
EDO_API uint64_t edo_test_trace(void);

/* --- Inside a seeded run: time and the network ------------------------------------------------------------------------- */

/*
 * Each returns 0; -EPERM outside a task of a run with a simulated kernel; -EINVAL for what is no IP address ("10.0.0.1",
 * "::1", without a port), or no time. None waits. Hosts are told apart by their address; NULL stands for any.
 */

/* Lets time pass without letting others run, as a long computation does. -ENOTSUP in an impure run. */
EDO_API int edo_test_advance(int64_t duration);

/* From now on, what is sent between these hosts takes from `min` to `max` ns. The last setting for a pair holds. */
EDO_API int edo_test_latency(const char *a, const char *b, int64_t min, int64_t max);

/*
 * Cuts two hosts off from each other: what is on its way between them, and what is sent from now on, does not arrive, nor
 * do connections, until edo_test_heal has been called for them (for NULL, NULL: for all that were cut off). Then all
 * of it arrives.
 */
EDO_API int edo_test_partition(const char *a, const char *b);
EDO_API int edo_test_heal(const char *a, const char *b);

/*
 * Breaks a TCP connection, as something on the way might: both ends get -ECONNRESET, the peer's a latency later. Also
 * -ENOTCONN (a Unix socket, too), -EBADF; -ENOTSUP for a real one.
 */
EDO_API int edo_test_reset(edo_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
