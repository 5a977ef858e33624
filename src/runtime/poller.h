/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, their readiness, and the pollers that learn of it (rule S2).
 *
 * A source stands for a descriptor. It is registered with one worker's poller, once, edge-triggered, for both
 * directions, at its first wait; it stays there, whatever thread its tasks run on. Blocks of sources are type-stable
 * and carry generations, since events may be in other threads' hands while a descriptor is closed and its source used
 * again; what a stale event can still do is a needless wake and a needless readiness, both of which everybody must bear
 * anyway.
 *
 * Readiness, one word: a bit for each direction says that a syscall is worth trying there, one that a hang-up or error
 * was seen, the rest is a sequence that every event raises. Whoever drained a direction clears its bit only while the
 * sequence is the one it had read before its syscall: an edge that came in between is kept (S2 c). Before registration
 * the word is an assumption, that a syscall is worth trying; registering reports the state at that moment. So that who
 * is about to wait has one word to look at, it also says that nobody tells of edges yet, until `registered` is set,
 * and, for good, that the source is closed.
 *
 * Waiting, one slot a direction: the waiter stores itself (seq_cst), then looks at the readiness again; the poller
 * raises the readiness (seq_cst), then takes the waiter out. One of them sees the other.
 *
 * Users: `users` counts calls at work on the descriptor; a close sets the CLOSED bit, wakes the waiters, and the last
 * user closes the descriptor (S2 a), so that a number is never reused under a running syscall. Calls that come after
 * that, with an old pointer, are counted too until they have seen CLOSED; so being last is settled by setting GONE,
 * once, and what they count is left in the word when the source is opened again.
 */
#ifndef EDO_RUNTIME_POLLER_H
#define EDO_RUNTIME_POLLER_H

#include "base/list.h"
#include "platform/word.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct edo_task;
struct edo_thread;
struct edo_worker;
struct edo_runtime;
struct edo_uring;

enum edo_direction { EDO_IN = 0, EDO_OUT = 1 };

/* As epoll has them (poller_epoll.c). */
enum edo_readiness {
    EDO_READY_IN = 1,
    EDO_READY_OUT = 4,
    EDO_HUP = 2, /* HUP, RDHUP, ERR or urgent data were seen: a short read does not mean drained (S2 d) */
    EDO_UNREGISTERED = 8,
    EDO_SHUT = 16, /* closed: who waits is to be told */
    EDO_READINESS_STEP = 32
};

static inline uint32_t edo_ready_bit(int direction)
{
    return EDO_READY_IN + (uint32_t)direction * (EDO_READY_OUT - EDO_READY_IN); /* no branch where it is no constant */
}

#define EDO_SOURCE_CLOSED (UINT32_C(1) << 31)
#define EDO_SOURCE_GONE   (UINT32_C(1) << 30)

struct edo_source;

/*
 * What a stream stands on. Sockets are the plain kind, which has no table here (io/stream_socket.c): the runtime knows
 * what to do with a descriptor. Calls move as much as can be moved at once, answer as recv(2) and send(2) do, -EAGAIN
 * included, and make no signal; the caller is a user of the source, OUTSIDE.
 */
struct edo_source_kind {
    const char *name; /* for reports */
    ssize_t (*recv)(struct edo_source *source, void *buffer, size_t size);
    ssize_t (*send)(struct edo_source *source, const void *buffer, size_t size);
    ssize_t (*sendv)(struct edo_source *source, const struct iovec *pieces, int count);
    int (*shutdown)(struct edo_source *source, int half); /* half: as edo_shutdown has it */
    bool (*look)(struct edo_source *source);              /* whether recv would not say -EAGAIN; takes nothing */

    /* Where there is no descriptor; NULL where there is one, and a poller tells of it. */
    void (*ask)(struct edo_source *source);   /* raises the readiness of the moment */
    void (*close)(struct edo_source *source); /* the last user has gone */
};

/* What a source of another kind than a socket has beneath; the first member of whatever the kind keeps there. */
struct edo_beneath {
    const struct edo_source_kind *kind;
};

struct edo_source {
    union {
        struct edo_source *free_link;      /* while it is free */
        const struct edo_beneath *beneath; /* while it is open; NULL: a plain descriptor */
    };
    _Atomic uint32_t readiness;
    _Atomic uint8_t registering; /* 1 while somebody does */
    bool exposed;                /* its descriptor may have been duplicated: deregister before close */
    bool borrowed;               /* its descriptor is not ours to close */
    _Atomic uint8_t halves;      /* of a stream: a bit for each direction that is closed by itself */
    _Atomic(struct edo_task *) waiter[2];
    _Atomic uint32_t users; /* count, and EDO_SOURCE_CLOSED, EDO_SOURCE_GONE */
    int fd;                 /* -1: a kind without descriptor */
    struct edo_runtime *runtime;
    _Atomic(struct edo_worker *)
        registered; /* whose poller; NULL: not yet. Without descriptor: any worker's, never asked */
    uint64_t
        mark; /* what its events carry: its address, and above that (EDO_GENERATION) which use of it this is; atomic */
};

#define EDO_GENERATION ((uint64_t)1 << 48) /* user addresses have 48 bits */

struct edo_poller {
    int epoll;
    int wake; /* an eventfd: written to end a sleep; edge-triggered, never read */
    _Atomic uint32_t sources;
    _Atomic uint64_t registered; /* sources that ever were */
    struct edo_uring *ring; /* NULL: none; set before there are threads. Its events are `nobody`'s with EDO_RING_MARK */
    struct edo_source nobody; /* stands for `wake` in events; its mark is no event's, so they come out as unknown */
};

/*
 * Registers a source's descriptor: edge-triggered for both directions, or, with `once` not 0, for those epoll events
 * and one report. Takes it out again (only where a close would not).
 */
int edo_poller_add(struct edo_poller *poller, struct edo_source *source, uint32_t once);
int edo_poller_add_in(struct edo_poller *poller,
                      struct edo_source *source); /* for EDO_IN alone, until edo_poller_ask */
void edo_poller_remove(struct edo_poller *poller, struct edo_source *source);

/* Has the state of the moment reported once more, for both directions. */
int edo_poller_ask(struct edo_poller *poller, struct edo_source *source);

#define EDO_RING_MARK EDO_GENERATION

/*
 * Has the ring's completions taken out when there are some (uring.h). The descriptor is closed before the poller is
 * finished.
 */
int edo_poller_add_ring(struct edo_poller *poller, struct edo_uring *ring, int fd);

int edo_poller_init(struct edo_poller *poller);
void edo_poller_finish(struct edo_poller *poller);

/*
 * Calls epoll_wait on the poller with the timeout (0: look only; < 0: for ever) and makes ready what waited. INSIDE for
 * timeout 0; with another timeout the thread is POLLING meanwhile. Returns the number of events, wakes not counted: a
 * wake that is passed on to a busy sibling would otherwise be found, and passed on, again and again.
 */
int edo_poller_poll(struct edo_thread *thread, struct edo_poller *poller, int64_t timeout);

/* The same, without waiting, for the monitor, which has no worker: what is ready goes to the global queue. */
int edo_poller_look(struct edo_thread *monitor, struct edo_poller *poller);

/* Ends the sleep of whoever waits on this poller. Async-signal-safe. */
void edo_poller_wake(struct edo_poller *poller);

/* --- source.c ----------------------------------------------------------------------------------------------------- */

/*
 * Gets a source out of the worker's cache (-ENOMEM: none to be had), so that opening it afterwards can't fail; open
 * gives it a non-blocking descriptor, which becomes the source's; put gives one back that was not opened. From a task,
 * OUTSIDE.
 */
int edo_source_get(struct edo_source **out);
void edo_source_open(struct edo_source *source, int fd);
void edo_source_put(struct edo_source *source);

/*
 * The source that was just opened is of another kind than a socket. EDO_HUP is set for good: a short transfer means
 * nothing there (S2 d), and the fast ways of reading and writing are for sockets.
 */
static inline void edo_source_set_kind(struct edo_source *source, const struct edo_beneath *beneath)
{
    source->beneath = beneath;
    atomic_fetch_or_explicit(&source->readiness, EDO_HUP, memory_order_relaxed);
}

/*
 * What an event does, for those who make one themselves: raises the readiness, and takes out who waits for it, at most
 * one task a direction, NULL for none. Wakes them; from anywhere but INSIDE.
 */
void edo_source_raise(struct edo_task *woken[2], struct edo_source *source, uint32_t bits);
void edo_source_wake(struct edo_task *const woken[2]);

/*
 * Marks it closed and wakes its waiters; the descriptor goes with the last user. From a task, OUTSIDE, or its runtime's
 * end.
 */
void edo_source_close(struct edo_source *source);

/* Between these two the descriptor stays what it is. begin fails with -EBADF once the source is closed. */
static inline int edo_source_begin(struct edo_source *source);
static inline void edo_source_end(struct edo_source *source);
void edo_source_gone(struct edo_source *source);

/*
 * Registers with a worker's poller (NULL: the current worker's) if it is not registered yet, for a wait in that
 * direction. 0 or a negative errno. OUTSIDE, as a user.
 */
int edo_source_register(struct edo_source *source, int direction, struct edo_worker *worker);

/*
 * The same for EDO_IN alone, with the current worker's poller: EDO_OUT is heard of from the first edo_source_ask on,
 * and counts as ready until then. For datagrams: each that was sent is an event of room, which nobody waits for.
 */
int edo_source_register_in(struct edo_source *source);

/*
 * The same for callers that will not try a syscall: what is remembered may have been assumed, or used up meanwhile, so
 * it is forgotten and the kernel asked again. 0 or a negative errno. OUTSIDE, as a user.
 */
int edo_source_ask(struct edo_source *source, int direction, struct edo_worker *worker);

/* Makes the task the direction's waiter: 0, or -EBUSY if there is one. Then look at readiness and CLOSED once more. */
static inline int edo_source_enlist(struct edo_source *source, int direction, struct edo_task *task)
{
    struct edo_task *none = NULL;

    return atomic_compare_exchange_strong_explicit(&source->waiter[direction], &none, task, memory_order_seq_cst,
                                                   memory_order_relaxed)
               ? 0
               : -EBUSY;
}

/* The source tells of edges from now on. */
static inline void edo_source_set_registered(struct edo_source *source, struct edo_worker *worker)
{
    atomic_store_explicit(&source->registered, worker, memory_order_release);
    atomic_fetch_and_explicit(&source->readiness, ~(uint32_t)EDO_UNREGISTERED, memory_order_release);
}

/* Undoes it, unless somebody has taken the task out to wake it. */
void edo_source_delist(struct edo_source *source, int direction, struct edo_task *task);

static inline bool edo_source_has_waiter(struct edo_source *source, int direction)
{
    return EDO_WORD_SET(&source->waiter[direction]);
}

static inline bool edo_source_is_closed(struct edo_source *source)
{
    return (atomic_load_explicit(&source->users, memory_order_seq_cst) & EDO_SOURCE_CLOSED) != 0;
}

/* Whether the half of that direction was closed by itself. The whole one is told by its users. */
static inline bool edo_source_half_closed(struct edo_source *source, int direction)
{
    return (atomic_load_explicit(&source->halves, memory_order_relaxed) & 1 << direction) != 0;
}

/*
 * Waits until the direction may be ready. The caller is a user of the source, OUTSIDE. 0; -ECANCELED; -EBADF: closed;
 * -EBUSY: another task waits there; -ETIMEDOUT; errors of epoll_ctl.
 */
int edo_source_wait(struct edo_source *source, int direction, int64_t deadline);

/* The same without a deadline, for the caller that knows its task: what a read that found nothing does. */
int edo_source_wait_long(struct edo_source *source, int direction, struct edo_task *task);

/* Whether a syscall is worth trying. *seen is to be handed to edo_source_drained. */
static inline bool edo_source_ready(struct edo_source *source, int direction, uint32_t *seen)
{
    *seen = atomic_load_explicit(&source->readiness, memory_order_seq_cst);
    return *seen & edo_ready_bit(direction);
}

/* The syscall found nothing (left): clears the direction's bit unless an event has come since `seen` was read. */
static inline void edo_source_drained(struct edo_source *source, int direction, uint32_t seen)
{
    uint32_t now = seen;

    while (!atomic_compare_exchange_weak_explicit(&source->readiness, &now, now & ~edo_ready_bit(direction),
                                                  memory_order_acq_rel, memory_order_relaxed))
        if ((now ^ seen) >= EDO_READINESS_STEP)
            return;
}

/* The same, once: false if something has come between, for who goes on from there. */
static inline bool edo_source_drained_once(struct edo_source *source, int direction, uint32_t seen)
{
    return atomic_compare_exchange_strong_explicit(&source->readiness, &seen, seen & ~edo_ready_bit(direction),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/*
 * begin and end in parts, for functions on the fast way, which end with the unusual rather than call it in the middle:
 * use says whether the caller has become a user; if not, it calls edo_source_refuse, which is -EBADF. leave is the end
 * of a call that returns `result`.
 *
 * Signed: the sign is CLOSED, which an addition and a branch can tell. Who brings it to CLOSED and nothing else sees
 * that, or another one who came too late does: edo_source_gone is called.
 */
static inline __attribute__((always_inline)) bool edo_source_use(struct edo_source *source)
{
    int32_t users = (int32_t)(atomic_fetch_add_explicit(&source->users, 1, memory_order_acquire) + 1);

    return __builtin_expect(users >= 0, 1);
}

ssize_t edo_source_refuse(struct edo_source *source);
ssize_t edo_source_leave_closed(struct edo_source *source, ssize_t result);

static inline __attribute__((always_inline)) ssize_t edo_source_leave(struct edo_source *source, ssize_t result)
{
    int32_t users = (int32_t)(atomic_fetch_sub_explicit(&source->users, 1, memory_order_acq_rel) - 1);

    return __builtin_expect(users < 0, 0) ? edo_source_leave_closed(source, result) : result;
}

static inline int edo_source_begin(struct edo_source *source)
{
    return edo_source_use(source) ? 0 : (int)edo_source_refuse(source);
}

static inline void edo_source_end(struct edo_source *source)
{
    edo_source_leave(source, 0);
}

#endif
