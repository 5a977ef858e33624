/* SPDX-License-Identifier: MIT */
/*
 * Faults: a platform table that stands before another one, counts what is taken and given back (left.h), and refuses
 * calls: the Nth that may be refused, or some of them by a seed.
 *
 * There is one at a time in a process, since the table's functions are given no context: between edo_faults_begin and
 * edo_faults_end. What is set is set while no runtime runs; everything else may be called on any thread.
 */
#ifndef EDO_TESTING_FAULTS_H
#define EDO_TESTING_FAULTS_H

#include "testing/left.h"
#include "testing/place.h"

#include <edo/testing.h>

struct edo_task;

/* The calls that the system may refuse. (What gives back, reads clocks or wakes is not among them.) */
enum edo_fault_call {
    EDO_CALL_ALLOCATE = 0,
    EDO_CALL_MAP,
    EDO_CALL_PROTECT,
    EDO_CALL_ADVISE,
    EDO_CALL_THREAD_START,
    EDO_CALL_READ,
    EDO_CALL_WRITE,
    EDO_CALL_READV,
    EDO_CALL_WRITEV,
    EDO_CALL_PREAD,
    EDO_CALL_OPEN,
    EDO_CALL_FCNTL,
    EDO_CALL_EVENTFD,
    EDO_CALL_EPOLL_CREATE,
    EDO_CALL_EPOLL_CTL, /* but EPOLL_CTL_DEL */
    EDO_CALL_EPOLL_WAIT,
    EDO_CALL_SOCKET,
    EDO_CALL_BIND,
    EDO_CALL_LISTEN,
    EDO_CALL_ACCEPT,
    EDO_CALL_CONNECT,
    EDO_CALL_RECV,
    EDO_CALL_SEND,
    EDO_CALL_SENDMSG,
    EDO_CALL_SENDFILE,
    EDO_CALL_RECVMSG,
    EDO_CALL_RECVMMSG,
    EDO_CALL_SENDMMSG,
    EDO_CALL_SOCKETPAIR,
    EDO_CALL_SHUTDOWN,
    EDO_CALL_SETSOCKOPT,
    EDO_CALL_GETSOCKOPT,
    EDO_CALL_GETSOCKNAME,
    EDO_CALL_GETPEERNAME,
    EDO_CALL_STAT,
    EDO_CALL_CHANGE, /* rename, mkdir, ftruncate, fchmod; what removes is not among them: it cleans up */
    EDO_CALL_SYNC,
    EDO_CALL_PIPE,
    EDO_CALL_PROCESS_START,
    EDO_CALL_PIDFD_OPEN,
    EDO_CALL_RESOLVE,
    EDO_FAULT_CALLS
};

#define EDO_CALL_BIT(call) (UINT64_C(1) << (call))
#define EDO_CALLS_OF_TRANSFER                                                                                          \
    (EDO_CALL_BIT(EDO_CALL_RECV) | EDO_CALL_BIT(EDO_CALL_SEND) | EDO_CALL_BIT(EDO_CALL_SENDMSG) |                      \
     EDO_CALL_BIT(EDO_CALL_SENDFILE) | EDO_CALL_BIT(EDO_CALL_ACCEPT) | EDO_CALL_BIT(EDO_CALL_RECVMSG) |                \
     EDO_CALL_BIT(EDO_CALL_RECVMMSG) | EDO_CALL_BIT(EDO_CALL_SENDMMSG))

struct edo_faults {
    struct edo_platform table; /* the one that is in force */
    struct edo_platform base;  /* a copy: that one may go before the last late thread has called it */
    struct edo_left left;

    /* The Nth call fails. */
    int64_t nth;       /* 0: none */
    int variant;       /* with which of the call's errors: 0 to edo_fault_variants() - 1 */
    bool from_then_on; /* and all that come after it, with the first */
    uint64_t calls;    /* EDO_CALL_BIT of those that count; 0: all */
    _Atomic int64_t made;
    _Atomic int failed;     /* enum edo_fault_call of the Nth, once it was refused; -1: it has not come */
    struct edo_place place; /* where that was */

    /* Some calls fail. */
    edo_test_faults storm;
    _Atomic bool raging;
    _Atomic uint64_t random;

    /*
     * Rule C1: who comes to a suspension point while it is cancelled makes none of EDO_CALLS_OF_TRANSFER afterwards.
     * The serial numbers of such tasks, each in its place modulo the size; and which call one has made all the same;
     * -1: none.
     */
    uint64_t refused[1024];
    _Atomic int breach;

    /* The system's epoll_wait waits for so long at most; if nothing comes of it, `stuck` is called. 0: no bound. */
    int64_t patience;
    void (*stuck)(void);
};

extern struct edo_faults edo_faults;

/* Puts the table in force, before the one that is; and that one in force again. */
void edo_faults_begin(void);
void edo_faults_end(void);

/*
 * Puts it before another one, for a run that brings its own, and returns the table to be in force; puts it before the
 * first one again, when that run has ended.
 */
const struct edo_platform *edo_faults_stand_before(const struct edo_platform *base);
void edo_faults_stand_back(void);

/* Arms the refusal of the Nth call from now on (0: of none). */
void edo_faults_arm(int64_t nth, int variant);

/* The task is at a suspension point, and cancelled. */
void edo_faults_refuse(struct edo_task *task);

/* How many errors a call can have; the name of the call, and the error. */
int edo_fault_variants(int call);
const char *edo_fault_name(int call);
int edo_fault_error(int call, int variant);

#endif
