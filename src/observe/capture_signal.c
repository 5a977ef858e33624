/* SPDX-License-Identifier: MIT */
/*
 * A running thread copies its registers and a piece of its stack when it is asked by a signal. See capture.h.
 *
 * There is one place for the answer, `answer`; `turn` is held by who asks. Its word says whose turn it is, and for
 * which thread: the asker writes bounds, then ASKED (release), and sends the signal. The handler takes ASKED to WRITES
 * by compare-and-swap, if it is its own thread that is asked, copies, and stores DONE (release). An asker who gives up
 * takes ASKED back to IDLE by compare-and-swap: a late handler then finds nothing to do; or fails, since the handler
 * writes, and waits for it. So a late signal harms nobody, and neither does one that somebody else sends.
 *
 * The handler allocates nothing, takes no lock and goes past the platform table: it may interrupt anything. It runs on
 * the thread's signal stack (runtime/overflow.h), so that a task needs no room for it.
 *
 * `earlier` is written under `turn` before the handler is in force, then only read.
 */
#include "observe/capture.h"
#include "platform/platform.h"
#include "runtime/stack_slab.h"

#include <edo/base.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IDLE = 0, ASKED, WRITES, DONE, STATES };

#define UNSEEN __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction earlier[_NSIG];
static bool installed[_NSIG];

static struct {
    uint32_t word; /* futex: one of the above, and the number of the thread times STATES */
    uintptr_t low; /* the stack's bounds */
    uintptr_t high;
    struct edo_registers registers; /* none: it is not known how to find them */
    struct edo_stack_piece piece;
} answer;

/* --- The thread that is asked ------------------------------------------------------------------------------------- */

/* Word by word and unseen: much of a stack is poisoned for ASan, and memcpy is one of its own. */
UNSEEN static void copy_stack(struct edo_stack_piece *out, uintptr_t from, size_t size)
{
    volatile uintptr_t *to = (volatile uintptr_t *)(void *)out->bytes;

    out->base = from;
    out->size = size;
    for (size_t i = 0; i < size / sizeof(uintptr_t); i++)
        to[i] = ((const volatile uintptr_t *)from)[i];
}

UNSEEN static void write_answer(const ucontext_t *context)
{
    struct edo_registers *registers = &answer.registers;
    uintptr_t sp;
    uintptr_t end;

    registers->known = 0;
    answer.piece.size = 0;
    if (!edo_machine_of_signal(registers->value, &registers->known, context))
        return;
    sp = registers->value[EDO_REGISTER_SP];
    sp &= ~(uintptr_t)7;
    /* On a stack that is none of ours: to the end of the page, which is there. */
    end = sp >= answer.low && sp < answer.high ? answer.high : (sp | (edo_page_size() - 1)) + 1;
    copy_stack(&answer.piece, sp, end - sp < EDO_CAPTURE_STACK ? end - sp : EDO_CAPTURE_STACK);
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *action = &earlier[signal];

    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(signal, info, context);
    } else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
        action->sa_handler(signal);
    } else if (action->sa_handler == SIG_DFL && signal != SIGURG && signal != SIGCHLD && signal != SIGWINCH &&
               signal != SIGCONT) {
        sigaction(signal, action, NULL);
        syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), signal, info);
    }
}

static void handle(int signal, siginfo_t *info, void *context)
{
    int saved = errno;
    uint32_t own = (uint32_t)syscall(SYS_gettid) * STATES;
    uint32_t word = own + ASKED;

    if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &answer) {
        pass_on(signal, info, context);
    } else if (__atomic_compare_exchange_n(&answer.word, &word, own + WRITES, false, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED)) {
        write_answer((const ucontext_t *)context);
        __atomic_store_n(&answer.word, own + DONE, __ATOMIC_RELEASE);
        edo_platform_system.futex_wake(&answer.word, 1);
    }
    errno = saved;
}

/* --- Who asks ----------------------------------------------------------------------------------------------------- */

int edo_capture_install(int signal)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    int rc = 0;

    action.sa_sigaction = handle;
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&turn);
    if (!installed[signal])
        rc = sigaction(signal, NULL, &earlier[signal]) < 0 || sigaction(signal, &action, NULL) < 0 ? -errno : 0;
    installed[signal] = rc == 0;
    pthread_mutex_unlock(&turn);
    return rc;
}

/* Until the handler is done, or has not begun by the deadline. */
static int await_answer(uint32_t own, int64_t deadline)
{
    uint32_t word;

    while ((word = __atomic_load_n(&answer.word, __ATOMIC_ACQUIRE)) != own + DONE) {
        if (word == own + WRITES) { /* a few microseconds' work, once it has the processor */
            edo_platform->futex_wait(&answer.word, word, EDO_FOREVER);
        } else if (edo_platform->futex_wait(&answer.word, word, deadline) == -ETIMEDOUT) {
            if (__atomic_compare_exchange_n(&answer.word, &word, IDLE, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                return -ETIMEDOUT;
        }
    }
    return 0;
}

int edo_capture_ask(struct edo_capture *out, int number, uintptr_t low, uintptr_t high, int signal, int64_t deadline)
{
    uint32_t own = (uint32_t)number * STATES;
    int rc;

    pthread_mutex_lock(&turn);
    answer.low = low;
    answer.high = high;
    __atomic_store_n(&answer.word, own + ASKED, __ATOMIC_RELEASE);
    rc = edo_platform->thread_signal(number, signal, &answer);
    if (rc == 0)
        rc = await_answer(own, deadline);
    if (rc == 0 && answer.registers.known == 0)
        rc = -ENOTSUP;
    if (rc == 0) {
        out->registers = answer.registers;
        out->piece = answer.piece;
    }
    __atomic_store_n(&answer.word, IDLE, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&turn);
    return rc;
}
