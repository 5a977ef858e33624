/* SPDX-License-Identifier: MIT */
/* The report of a stack overflow (K2), each in a child that dies of it; and that other faults are left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "runtime/context.h"
#include "runtime/overflow.h"
#include "runtime/stack.h"

/* What the children share with nobody: the pool, two neighbouring stacks, and what a scheduler would know. */
static struct edo_stack_pool pool;
static struct edo_stack *lower; /* the stack next below `upper` */
static struct edo_stack *upper;
static struct edo_stack *running;
static struct edo_context home;
static struct edo_context inner;
static volatile int sink;

/* --- Children ----------------------------------------------------------------------------------------------------- */

struct death {
    int status;
    char text[8192]; /* what the child wrote to standard error */
};

/* Emulators and checkers that run the test have a word to say about deaths, too. */
static void drop_lines_of_others(char *text)
{
    static const char *const prefixes[] = {"qemu:", "==", "--", "**"};
    char *to = text;

    while (*text) {
        size_t size = strcspn(text, "\n");
        bool ours = true;

        size += text[size] == '\n';
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            ours &= strncmp(text, prefixes[i], strlen(prefixes[i])) != 0;
        if (ours) {
            memmove(to, text, size);
            to += size;
        }
        text += size;
    }
    *to = 0;
}

static void die_in_child(struct death *death, void (*child)(void))
{
    int pipe_ends[2];
    size_t size = 0;
    ssize_t n;
    pid_t id;

    assert_int_equal(pipe(pipe_ends), 0);
    id = fork();
    assert_true(id >= 0);
    if (id == 0) {
        struct rlimit none = {0, 0};

        edo_valgrind_look_away();
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* what a checker may have put there */
        signal(SIGBUS, SIG_DFL);
        dup2(pipe_ends[1], STDERR_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        child();
        _exit(99);
    }
    close(pipe_ends[1]);
    while (size < sizeof death->text - 1 &&
           (n = read(pipe_ends[0], death->text + size, sizeof death->text - 1 - size)) > 0)
        size += (size_t)n;
    death->text[size] = 0;
    drop_lines_of_others(death->text);
    close(pipe_ends[0]);
    assert_int_equal(waitpid(id, &death->status, 0), id);
}

static void assert_killed(const struct death *death, int signal_number, const char *text)
{
    assert_string_equal(death->text, text);
    assert_true(WIFSIGNALED(death->status));
    assert_int_equal(WTERMSIG(death->status), signal_number);
}

static void assert_exited(const struct death *death, int code, const char *text)
{
    assert_string_equal(death->text, text);
    assert_true(WIFEXITED(death->status));
    assert_int_equal(WEXITSTATUS(death->status), code);
}

/* In the child: a pool with two neighbours. Slots are handed out upwards. */
static void get_stacks(int size_class)
{
    struct edo_stack *stacks[2];

    edo_stack_pool_init(&pool, NULL);
    if (edo_stack_pool_get(&stacks[0], 1, &pool, size_class) != 1 ||
        edo_stack_pool_get(&stacks[1], 1, &pool, size_class) != 1)
        _exit(98);
    lower = stacks[0];
    upper = stacks[1];
}

static void run_on(struct edo_stack *stack, void (*entry)(void *))
{
    edo_context_adopt(&home);
    edo_context_prepare(&inner, stack->low, stack->size, 0, entry);
    stack->owner = stack;
    running = stack;
    edo_tsan_release(&home);
    edo_context_switch(&home, &inner, stack);
}

static struct edo_stack *get_running(void)
{
    return running;
}

static void describe(struct edo_stack *stack, struct edo_overflow_text *text)
{
    if (stack->owner == stack)
        *text = (struct edo_overflow_text){.name = "resize", .file = "main.c", .line = 41, .id = 12};
}

static const struct edo_overflow_hooks hooks = {get_running, describe};

static void install(const struct edo_overflow_hooks *with)
{
    edo_overflow_set_hooks(with);
    if (edo_overflow_thread_init() < 0 || edo_overflow_install() < 0)
        _exit(97);
}

/* --- Ways to fault ------------------------------------------------------------------------------------------------ */

static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    sink = depth > 1 << 30 ? 0 : recurse(depth + 1) + frame[0];
    return sink;
}

static void overflow(void *baton)
{
    (void)baton;
    edo_tsan_acquire(&home);
    recurse(0);
}

/* Writes right below the stack's end, with the stack pointer further down, in the neighbour's slot. */
static void overflow_with_large_frame(void *baton)
{
    char *low = (edo_tsan_acquire(&home), ((struct edo_stack *)baton)->low);
    volatile char *below = low - 16 * 1024;

    (void)below;
#if defined(__x86_64__)
    __asm__ volatile("movq %0, %%rsp\n\tmovb $1, (%1)" : : "r"(below), "r"(low - 8) : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov sp, %0\n\tstrb wzr, [%1]" : : "r"(below), "r"(low - 8) : "memory");
#else
    low[-8] = 1;
#endif
    _exit(96);
}

/* Writes upwards past its stack: into the guard page of the neighbour above. */
static void overrun(void *baton)
{
    struct edo_stack *stack = baton;

    edo_tsan_acquire(&home);
    ((volatile char *)stack->low)[stack->size] = 1;
    _exit(96);
}

static volatile uintptr_t nowhere = 8;

static void write_to_nowhere(void *baton)
{
    (void)baton;
    edo_tsan_acquire(&home);
    *(volatile char *)nowhere = 1;
    _exit(96);
}

#define LINE                                                                                                           \
    "edo: stack overflow in task \"resize\" (#12), spawned at main.c:41, stack 256 KiB: give it a larger one with .stack_size\n"
#define PLAIN "edo: stack overflow in a task, stack 64 KiB: give it a larger one with .stack_size\n"

/* --- Overflows ---------------------------------------------------------------------------------------------------- */

static void child_overflows(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    run_on(upper, overflow);
}

static void test_k2_an_overflow_names_the_task_and_kills(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows);
    assert_killed(&death, SIGSEGV, LINE);
}

static void child_overflows_unknown(void)
{
    get_stacks(2);
    install(NULL);
    run_on(upper, overflow);
}

static void test_k2_an_overflow_is_reported_without_a_scheduler_too(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_unknown);
    assert_killed(&death, SIGSEGV, PLAIN);
}

static void child_overflows_protected(void)
{
    fake_kernel_begin();
    fake.mark_answer = -EINVAL;
    child_overflows();
}

static void test_k2_a_protected_guard_page_reports_as_well(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_protected);
    assert_killed(&death, SIGSEGV, LINE);
}

static void child_overflows_with_large_frame(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    lower->owner = lower;
    run_on(upper, overflow_with_large_frame);
}

static void child_overflows_with_large_frame_unknown(void)
{
    get_stacks(2);
    install(NULL);
    run_on(upper, overflow_with_large_frame);
}

static void test_k2_a_large_frame_that_steps_over_the_guard_is_an_overflow(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_with_large_frame);
    assert_killed(&death, SIGSEGV, LINE);
    die_in_child(&death, child_overflows_with_large_frame_unknown);
    assert_killed(&death, SIGSEGV, PLAIN);
}

static void *overflow_here(void *argument)
{
    install(&hooks);
    run_on(upper, overflow);
    return argument;
}

static void child_overflows_on_a_thread(void)
{
    pthread_t thread;

    get_stacks(EDO_STACK_CLASS_DEFAULT);
    if (pthread_create(&thread, NULL, overflow_here, NULL) == 0)
        pthread_join(thread, NULL);
}

static void test_k2_an_overflow_on_another_thread_is_reported(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_on_a_thread);
    assert_killed(&death, SIGSEGV, LINE);
}

static void describe_at_length(struct edo_stack *stack, struct edo_overflow_text *text)
{
    static char name[5000];

    (void)stack;
    memset(name, 'x', sizeof name - 1);
    *text = (struct edo_overflow_text){.name = name, .file = name, .line = UINT32_MAX, .id = UINT64_MAX};
}

static void describe_commands(struct edo_stack *stack, struct edo_overflow_text *text)
{
    (void)stack;
    *text = (struct edo_overflow_text){.name = "\x1b[2J\n\xc2\x9b", .id = 1};
}

static const struct edo_overflow_hooks hooks_with_commands = {NULL, describe_commands};

static void child_overflows_with_commands(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks_with_commands);
    run_on(upper, overflow);
}

static void test_k2_a_name_is_no_command_for_a_terminal(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_with_commands);
    assert_true(WIFSIGNALED(death.status));
    assert_non_null(strstr(death.text, "in task \"\\x1b[2J\\x0a\\xc2\\x9b\" (#1)"));
}

static const struct edo_overflow_hooks hooks_at_length = {NULL, describe_at_length};

static void child_overflows_with_a_long_name(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks_at_length);
    run_on(upper, overflow);
}

static void test_k2_long_names_are_cut(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overflows_with_a_long_name);
    assert_true(WIFSIGNALED(death.status));
    assert_in_range(strlen(death.text), 300, 511);
    assert_non_null(strstr(death.text, "xxx\" (#18446744073709551615), spawned at xxx"));
    assert_non_null(strstr(death.text, ":4294967295, stack 256 KiB: give it a larger one with .stack_size\n"));
}

/* --- Other faults ------------------------------------------------------------------------------------------------- */

static void child_overruns(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    upper->owner = upper;
    run_on(lower, overrun);
}

static void child_overruns_unknown(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(NULL);
    upper->owner = upper;
    run_on(lower, overrun);
}

static void test_k2_the_neighbour_is_not_blamed_for_an_overrun(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_overruns);
    assert_killed(&death, SIGSEGV, "");
    die_in_child(&death, child_overruns_unknown);
    assert_killed(&death, SIGSEGV, "");
}

static void child_writes_to_nowhere(void)
{
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    run_on(upper, write_to_nowhere);
}

static void test_k2_another_fault_kills_as_ever(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_writes_to_nowhere);
    assert_killed(&death, SIGSEGV, "");
}

static void child_raises(void)
{
    install(&hooks);
    raise(SIGSEGV);
}

static void child_raises_bus(void)
{
    install(&hooks);
    raise(SIGBUS);
}

static void test_k2_a_signal_that_was_sent_kills_as_ever(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_raises);
    assert_killed(&death, SIGSEGV, "");
    die_in_child(&death, child_raises_bus);
    assert_killed(&death, SIGBUS, "");
}

static void child_ignores(void)
{
    signal(SIGSEGV, SIG_IGN);
    install(&hooks);
    raise(SIGSEGV);
    _exit(5);
}

static void child_ignores_a_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    install(&hooks);
    write_to_nowhere(NULL);
}

static void test_k2_an_ignored_signal_stays_ignored_but_a_fault_kills(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_ignores);
    assert_exited(&death, 5, "");
    die_in_child(&death, child_ignores_a_fault);
    assert_killed(&death, SIGSEGV, "");
}

/* --- Earlier handlers --------------------------------------------------------------------------------------------- */

static void exit_with_details(int number, siginfo_t *info, void *context)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    _exit(number == SIGSEGV && (uintptr_t)info->si_addr == nowhere && info->si_code > 0 && context &&
                  sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGSEGV) == 1
              ? 42
              : 43);
}

static void child_has_a_handler(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};

    action.sa_sigaction = exit_with_details;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, NULL);
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    run_on(upper, write_to_nowhere);
}

static void test_k2_another_fault_goes_to_the_earlier_handler(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_has_a_handler);
    assert_exited(&death, 42, "");
}

static void exit_plainly(int number)
{
    _exit(number == SIGSEGV ? 44 : 45);
}

static void child_has_a_plain_handler(void)
{
    struct sigaction action = {.sa_flags = SA_ONSTACK};

    action.sa_handler = exit_plainly;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    get_stacks(EDO_STACK_CLASS_DEFAULT);
    install(&hooks);
    install(&hooks); /* the second time does nothing */
    run_on(upper, sink ? write_to_nowhere : overflow);
}

static void child_has_a_plain_handler_and_no_overflow(void)
{
    sink = 1;
    child_has_a_plain_handler();
}

static void test_k2_after_the_report_the_fault_goes_to_the_earlier_handler(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_has_a_plain_handler);
    assert_exited(&death, 44, LINE);
    die_in_child(&death, child_has_a_plain_handler_and_no_overflow);
    assert_exited(&death, 44, "");
}

static volatile sig_atomic_t handled;

static void count_once(int number)
{
    (void)number;
    handled++;
}

static void child_has_a_handler_for_once(void)
{
    struct sigaction action = {.sa_flags = (int)SA_RESETHAND | SA_NODEFER};

    action.sa_handler = count_once;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    install(&hooks);
    raise(SIGSEGV);
    if (handled != 1)
        _exit(1);
    raise(SIGSEGV);
}

static void test_k2_a_handler_for_once_is_called_once(void **state)
{
    struct death death;

    (void)state;
    die_in_child(&death, child_has_a_handler_for_once);
    assert_killed(&death, SIGSEGV, "");
}

/* --- Signal stacks ------------------------------------------------------------------------------------------------ */

static void *change_signal_stacks(void *argument)
{
    static char own[64 * 1024];
    stack_t mine = {.ss_sp = own, .ss_size = sizeof own};
    stack_t none = {.ss_flags = SS_DISABLE};
    stack_t now;
    bool *right = argument;

    sigaltstack(&none, NULL); /* a checker's */
    *right = edo_overflow_thread_init() == 0;
    sigaltstack(NULL, &now);
    *right &= !(now.ss_flags & SS_DISABLE) && now.ss_size >= 64 * 1024;
    edo_overflow_thread_finish();
    sigaltstack(NULL, &now);
    *right &= (now.ss_flags & SS_DISABLE) != 0;
    edo_overflow_thread_finish();

    sigaltstack(&mine, NULL);
    *right &= edo_overflow_thread_init() == 0;
    sigaltstack(NULL, &now);
    *right &= now.ss_sp == own;
    edo_overflow_thread_finish();
    sigaltstack(NULL, &now);
    *right &= now.ss_sp == own && !(now.ss_flags & SS_DISABLE);

    sigaltstack(&none, NULL);
    fake.map_most = 1;
    *right &= edo_overflow_thread_init() == -ENOMEM;
    fake.map_most = 0;
    return NULL;
}

static void test_k2_a_thread_keeps_its_signal_stack_or_is_given_one(void **state)
{
    pthread_t thread;
    bool right = false;

    (void)state;
    fake_kernel_begin();
    assert_int_equal(pthread_create(&thread, NULL, change_signal_stacks, &right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(right);
    fake_kernel_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k2_an_overflow_names_the_task_and_kills),
        cmocka_unit_test(test_k2_an_overflow_is_reported_without_a_scheduler_too),
        cmocka_unit_test(test_k2_a_protected_guard_page_reports_as_well),
        cmocka_unit_test(test_k2_a_large_frame_that_steps_over_the_guard_is_an_overflow),
        cmocka_unit_test(test_k2_an_overflow_on_another_thread_is_reported),
        cmocka_unit_test(test_k2_long_names_are_cut),
        cmocka_unit_test(test_k2_a_name_is_no_command_for_a_terminal),
        cmocka_unit_test(test_k2_the_neighbour_is_not_blamed_for_an_overrun),
        cmocka_unit_test(test_k2_another_fault_kills_as_ever),
        cmocka_unit_test(test_k2_a_signal_that_was_sent_kills_as_ever),
        cmocka_unit_test(test_k2_an_ignored_signal_stays_ignored_but_a_fault_kills),
        cmocka_unit_test(test_k2_another_fault_goes_to_the_earlier_handler),
        cmocka_unit_test(test_k2_after_the_report_the_fault_goes_to_the_earlier_handler),
        cmocka_unit_test(test_k2_a_handler_for_once_is_called_once),
        cmocka_unit_test(test_k2_a_thread_keeps_its_signal_stack_or_is_given_one),
    };

    return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
