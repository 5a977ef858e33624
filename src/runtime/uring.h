/* SPDX-License-Identifier: MIT */
/*
 * Rings with the kernel, io_uring(7): system calls that a task makes and waits for without its thread
 * (EDO_FILES_IO_URING).
 *
 * Each worker has one ring, whose descriptor is in the worker's poller. A call is an entry that the task puts into the
 * ring of the worker it runs on, and hands to the kernel at once: what needs no waiting is complete when that returns,
 * and the task goes on. Otherwise it parks, and whoever looks at that poller, the worker itself, a sibling or the
 * monitor, takes the completion out and wakes it.
 *
 * A call lies on its task's stack, and names itself in the entry; so does what the kernel reads and writes. Hence a
 * call that the kernel has taken is waited for to its completion, whatever is cancelled meanwhile (rules C2, C7), and
 * no ring has anything in flight when its runtime ends.
 *
 *   submit   held over the filling of an entry and io_uring_enter, which may block. Therefore it is only ever tried: a
 *            worker that is taken from a thread that is blocked there goes on without the ring. One entry is submitted
 *            at a time, so that one the kernel does not want (no memory) can be taken back.
 *   flying   calls that the kernel has taken and whose completions were not yet taken out: raised under `submit`,
 *            lowered under `reap`. Never more than the completion queue has room for: it can't overflow.
 *   reap     guards the head of the completion queue. Nothing but memory is touched under it.
 *
 * A completion writes `result`, then `done` (release), after which the call and its task may be gone: the task's block
 * is type-stable, and a wake too many is borne by everybody (park_word.h).
 *
 * The kernel may have to finish a call on the thread that submitted it, which it interrupts for that; a thread that
 * ends has its calls given back undone (-ECANCELED). That, a call that no ring has room for, and one that the kernel
 * does not know, are all answered alike: false, and the caller does it in a region.
 */
#ifndef EDO_RUNTIME_URING_H
#define EDO_RUNTIME_URING_H

#include "platform/lock.h"
#include "runtime/poller.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct edo_thread;
struct io_uring_cqe;
struct io_uring_sqe;

struct edo_uring {
    int fd;
    struct edo_lock submit;
    struct edo_lock reap;
    _Atomic uint32_t flying;
    uint32_t most;  /* room in the completion queue; this and what follows is not changed after the beginning */
    uint64_t known; /* a bit for each operation that the kernel has */
    _Atomic uint32_t *entries_tail; /* written under `submit` */
    uint32_t entries_mask;
    struct io_uring_sqe *entries;
    _Atomic uint32_t *completions_head; /* written under `reap` */
    _Atomic uint32_t *completions_tail; /* the kernel's */
    uint32_t completions_mask;
    const struct io_uring_cqe *completions;
    void *queues; /* both, in one mapping */
    size_t queues_size;
    size_t entries_size;
};

/*
 * Gives a poller a ring, before there are threads. 1; 0: it could not be had, which is said on stderr once in a
 * process, and files go by regions. End closes it; nothing is in flight any more.
 */
int edo_uring_begin(struct edo_poller *poller);
void edo_uring_end(struct edo_poller *poller);

/* Whether the calling task's runtime has rings. */
bool edo_uring_on(void);

/*
 * Makes a call and waits for it, which nothing cuts short: no suspension point. `entry` is filled in but for user_data.
 * True: *result is what the system call returns; false: it was not made, and has to be made another way. From a task
 * whose runtime has rings, OUTSIDE. Not there in builds without io_uring.
 */
bool edo_uring_call(ssize_t *result, struct io_uring_sqe *entry);

/* Takes completions out and makes ready who waits. INSIDE, or (without worker) the monitor. */
void edo_uring_reap(struct edo_thread *thread, struct edo_uring *ring);

#endif
