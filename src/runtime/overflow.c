/* SPDX-License-Identifier: MIT */
/*
 * The handler of SIGSEGV and SIGBUS. See overflow.h.
 *
 * `earlier` and `hooks` are written before the handler may need them and then only read. The handler calls nothing that
 * is not async-signal-safe and goes past the platform table: it must work whatever state the program is in.
 */
#include "runtime/overflow.h"

#include "base/quoted.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "platform/platform.h"
#include "runtime/stack.h"
#include "runtime/stack_guard.h"
#include "runtime/stack_slab.h"

enum {
    /* Room for the earlier handlers of others, who may print backtraces; on top of what the kernel puts there. */
    SIGNAL_STACK = 64 * 1024,
    /* How far below its guard page a flow with a large frame may be when it hits it. */
    LARGE_FRAME = 64 * 1024,
    NAME_MOST = 128
};

static const int signals[] = {SIGSEGV, SIGBUS};
static struct sigaction earlier[2];
static _Atomic(const struct edo_overflow_hooks *) hooks;
static void (*_Atomic also_report)(int signal_number);

/* What thread_init gave to this thread. Only used by init and finish, which do not suspend. */
static _Thread_local void *signal_stack;

/* --- The line ----------------------------------------------------------------------------------------------------- */

struct line {
    char text[512];
    size_t size;
};

static void add(struct line *line, const char *text, size_t most)
{
    for (size_t i = 0; i < most && text[i] && line->size < sizeof line->text; i++)
        line->text[line->size++] = text[i];
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, sizeof line->text);
}

static void add_name(struct line *line, const char *name)
{
    char piece[EDO_QUOTED_MOST];
    size_t size;

    for (size_t added = 0; added < NAME_MOST && (size = edo_quoted_next(piece, &name)) > 0; added += size)
        add(line, piece, size);
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[20];
    size_t i = sizeof digits;

    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add(line, digits + i, sizeof digits - i);
}

static void report(struct edo_stack *stack)
{
    const struct edo_overflow_hooks *known = atomic_load(&hooks);
    struct edo_overflow_text text = {NULL, NULL, 0, 0};
    struct line line = {.size = 0};

    if (known && known->describe)
        known->describe(stack, &text);
    add_text(&line, "edo: stack overflow in ");
    add_text(&line, text.name ? "task \"" : "a task");
    if (text.name) {
        add_name(&line, text.name);
        add_text(&line, "\"");
    }
    if (text.id) {
        add_text(&line, " (#");
        add_number(&line, text.id);
        add_text(&line, ")");
    }
    if (text.file) {
        add_text(&line, ", spawned at ");
        add(&line, text.file, NAME_MOST);
        add_text(&line, ":");
        add_number(&line, text.line);
    }
    add_text(&line, ", stack ");
    add_number(&line, edo_stack_class_size(stack->size_class) / 1024);
    add_text(&line, " KiB: give it a larger one with .stack_size\n");
    syscall(SYS_write, STDERR_FILENO, line.text, line.size);
}

/* --- The fault ---------------------------------------------------------------------------------------------------- */

/* The stack pointer at the fault; 0 where it is not known how to find it. */
static uintptr_t stack_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

/*
 * The stack that overflowed, or NULL if the fault is something else.
 *
 * The guard page of one stack lies above the top of its neighbour, who may hit it too, writing upwards past an array.
 * If the scheduler cannot say who runs here, the stack pointer can: an overflowing flow is on its stack or, after a
 * large frame, somewhat below, in a neighbour that nobody uses.
 */
static struct edo_stack *find_overflow(const siginfo_t *info, const ucontext_t *context)
{
    const struct edo_overflow_hooks *known = atomic_load(&hooks);
    struct edo_stack *stack = info->si_code > 0 ? edo_stack_find(info->si_addr) : NULL;
    struct edo_stack *running;
    struct edo_stack *below;
    uintptr_t sp = stack_pointer(context);

    if (!stack || stack->guard == EDO_STACK_GUARD_ABSENT || (uintptr_t)info->si_addr >= (uintptr_t)stack->low)
        return NULL;
    running = known && known->running ? known->running() : NULL;
    if (running)
        return running == stack ? stack : NULL;
    below = edo_stack_find((const void *)sp);
    if (sp == 0 || below == stack)
        return stack;
    if (sp < (uintptr_t)stack->low && (uintptr_t)stack->low - sp < LARGE_FRAME && !(below && below->owner))
        return stack;
    return NULL;
}

/* --- Passing it on ------------------------------------------------------------------------------------------------ */

/*
 * Lets the default action happen: a fault happens again as soon as the handler returns; a signal that somebody sent is
 * sent again, with what came with it.
 */
static void pass_to_default(int signal_number, siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(signal_number, &action, NULL);
    if (info->si_code <= 0)
        syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), signal_number, info);
}

/* As the kernel would have called it, but for the stack. The mask is put back when our own handler returns. */
static void pass_to_handler(struct sigaction *action, int signal_number, siginfo_t *info, void *context)
{
    struct sigaction called = *action;
    sigset_t own;

    if (called.sa_flags & (int)SA_RESETHAND)
        action->sa_handler = SIG_DFL;
    pthread_sigmask(SIG_BLOCK, &called.sa_mask, NULL);
    if (called.sa_flags & SA_NODEFER) {
        sigemptyset(&own);
        sigaddset(&own, signal_number);
        pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    }
    if (called.sa_flags & SA_SIGINFO)
        called.sa_sigaction(signal_number, info, context);
    else
        called.sa_handler(signal_number);
}

void edo_overflow_pass_on(struct sigaction *action, int signal_number, siginfo_t *info, void *context)
{
    if (!(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL) {
        pass_to_default(signal_number, info);
    } else if (!(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN) {
        /* A signal that was sent is ignored. A fault can't be: the kernel kills for it. */
        if (info->si_code > 0)
            pass_to_default(signal_number, info);
    } else {
        pass_to_handler(action, signal_number, info, context);
    }
}

static void handle(int signal_number, siginfo_t *info, void *context)
{
    struct sigaction *action = &earlier[signal_number == signals[0] ? 0 : 1];
    struct edo_stack *stack = find_overflow(info, context);
    void (*also)(int) = atomic_load(&also_report);
    int saved = errno;

    if (stack)
        report(stack);
    if (also)
        also(signal_number);
    if (stack)
        sigaction(signal_number, action, NULL);
    else
        edo_overflow_pass_on(action, signal_number, info, context);
    errno = saved;
}

/* --- Installing --------------------------------------------------------------------------------------------------- */

void edo_overflow_set_hooks(const struct edo_overflow_hooks *new_hooks)
{
    atomic_store(&hooks, new_hooks);
}

void edo_overflow_set_report(void (*report_also)(int signal_number))
{
    atomic_store(&also_report, report_also);
}

static int install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

    action.sa_sigaction = handle;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 2; i++)
        /* Read before it is replaced, as the handler may be called at once. */
        if (sigaction(signals[i], NULL, &earlier[i]) < 0 || sigaction(signals[i], &action, NULL) < 0)
            return -errno;
    return 0;
}

int edo_overflow_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool installed;
    int rc = 0;

    pthread_mutex_lock(&lock);
    if (!installed)
        rc = install();
    installed = rc == 0;
    pthread_mutex_unlock(&lock);
    return rc;
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

/* With the page below, which is inaccessible. */
static size_t signal_stack_size(void)
{
#ifdef AT_MINSIGSTKSZ
    size_t kernel = getauxval(AT_MINSIGSTKSZ);
#else
    size_t kernel = 0;
#endif
    size_t page = edo_page_size();

    return (SIGNAL_STACK + kernel + page - 1) / page * page + page;
}

int edo_overflow_thread_init(void)
{
    size_t size = signal_stack_size();
    size_t page = edo_page_size();
    stack_t stack;
    void *memory;
    int rc;

    if (sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
        return 0;
    rc = edo_platform->map(&memory, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
    if (rc < 0)
        return -ENOMEM;
    /* Without it, if it must be: the stack is large enough for all but the oddest handlers. */
    edo_platform->protect(memory, page, PROT_NONE);
    stack = (stack_t){.ss_sp = (char *)memory + page, .ss_size = size - page};
    if (sigaltstack(&stack, NULL) < 0) {
        edo_platform->unmap(memory, size);
        return -ENOMEM;
    }
    signal_stack = memory;
    return 0;
}

void edo_overflow_thread_finish(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    stack_t now;

    if (!signal_stack)
        return;
    /* Somebody else may have put another in its place. */
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == (char *)signal_stack + edo_page_size())
        sigaltstack(&none, NULL);
    edo_platform->unmap(signal_stack, signal_stack_size());
    signal_stack = NULL;
}
