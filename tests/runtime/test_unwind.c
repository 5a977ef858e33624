/* SPDX-License-Identifier: MIT */
/* Walking up the stack of a flow: it ends at the entry frame, and it works from every instruction of a switch (K3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>
#include <unwind.h>

#include "own_stack.h"
#include "runtime/context.h"

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__) && !defined(EDO_CONTEXT_UCONTEXT)

enum { MOST_FRAMES = 64 };

/* They lie one after the other in this order. */
extern char edo_context_start[];
extern char edo_context_entry[];
#define ADDRESS(function) ((uintptr_t)(function))

static struct edo_context home;
static struct edo_context inner;
static struct own_stack stack;

/* The switch, which hands this test's variables over. */
static __attribute__((always_inline)) inline void go(struct edo_context *from, struct edo_context *to)
{
    edo_tsan_release(&home);
    edo_context_switch(from, to, NULL);
    edo_tsan_acquire(&home);
}

static bool on_inner_stack(uintptr_t address)
{
    return address >= (uintptr_t)stack.low && address <= (uintptr_t)stack.low + OWN_STACK_SIZE;
}

static void start(void (*entry)(void *))
{
    own_stack_init(&stack);
    edo_context_adopt(&home);
    edo_context_prepare(&inner, stack.low, OWN_STACK_SIZE, 0, entry);
}

static void end(void)
{
    edo_context_finish(&inner);
    edo_context_forget(&home);
    own_stack_finish(&stack);
}

/* --- Walks -------------------------------------------------------------------------------------------------------- */

struct walk {
    uintptr_t functions[MOST_FRAMES]; /* where each begins, innermost first */
    int count;
    int result;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;

    if (walk->count == MOST_FRAMES)
        return _URC_NORMAL_STOP;
    walk->functions[walk->count++] = _Unwind_GetRegionStart(context);
    return _URC_NO_REASON;
}

static __attribute__((noinline)) void walk_here(struct walk *walk)
{
    walk->count = 0;
    walk->result = _Unwind_Backtrace(note_frame, walk);
    /* libgcc may show the end as a frame of its own, in no function. */
    while (walk->count > 0 && walk->functions[walk->count - 1] == 0)
        walk->count--;
}

static bool walk_has(const struct walk *walk, uintptr_t function)
{
    for (int i = 0; i < walk->count; i++)
        if (walk->functions[i] == function)
            return true;
    return false;
}

static bool walk_ends_at_entry(const struct walk *walk)
{
    return walk->result == _URC_END_OF_STACK && walk->count > 0 &&
           walk->functions[walk->count - 1] == ADDRESS(edo_context_entry);
}

static struct walk inner_walk;

static __attribute__((noinline)) void walk_deep(int depth)
{
    if (depth == 0)
        walk_here(&inner_walk);
    else
        walk_deep(depth - 1);
    __asm__ volatile(""); /* no tail call */
}

static void walk_inside(void *baton)
{
    (void)baton;
    edo_tsan_acquire(&home);
    walk_deep(5);
    go(&inner, &home);
}

static void test_k3_the_walk_ends_at_the_entry_frame(void **state)
{
    (void)state;
    start(walk_inside);
    go(&home, &inner);
    end();
    assert_true(walk_ends_at_entry(&inner_walk));
    assert_true(walk_has(&inner_walk, ADDRESS(walk_inside)));
    /* walk_here, walk_deep six times, walk_inside, the entry; one or two of the checkers' */
    assert_in_range(inner_walk.count, 9, 11);
}

static int frame_count;
static bool frame_left_stack;

static void walk_frame_pointers(void *baton)
{
    void **frame = __builtin_frame_address(0);

    (void)baton;
    edo_tsan_acquire(&home);
    for (frame_count = 0; frame && frame_count < MOST_FRAMES && !frame_left_stack; frame_count++) {
        frame_left_stack = !on_inner_stack((uintptr_t)frame);
        if (!frame_left_stack)
            frame = *frame;
    }
    go(&inner, &home);
}

static void test_k3_frame_pointers_end_at_the_entry_frame(void **state)
{
    (void)state;
    start(walk_frame_pointers);
    go(&home, &inner);
    end();
    assert_false(frame_left_stack);
    assert_in_range(frame_count, 1, 2);
}

/* --- Every instruction -------------------------------------------------------------------------------------------- */

/*
 * The processor's trap flag stops after each instruction; the handler of that trap walks the stack from there, through
 * its own frame. gdb does the same from outside in context_steps.py, on other processors too.
 */
#if defined(__x86_64__) && !EDO_ASAN && !EDO_TSAN

enum { ROUNDS = 3 };

static int steps;
static int wrong_steps;
static uintptr_t wrong_place; /* the first one */
static uintptr_t wrong_function;
static bool inner_began;

static void trap_flag(bool on)
{
    if (on)
        __asm__ volatile("subq $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\taddq $128, %%rsp" ::
                             : "memory", "cc");
    else
        __asm__ volatile("subq $128, %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\taddq $128, %%rsp" ::
                             : "memory", "cc");
}

static void stepped_flow(void *baton)
{
    (void)baton;
    inner_began = true;
    for (;;)
        go(&inner, &home);
}

/* `begun`: the flow is begun as it is switched to; or it has been prepared. */
static __attribute__((noinline)) void step_through(bool begun)
{
    trap_flag(true);
    if (begun)
        edo_context_begin(&home, &inner, stack.low, OWN_STACK_SIZE, 0, stepped_flow, NULL);
    else
        go(&home, &inner);
    for (int i = 1; i < ROUNDS; i++)
        go(&home, &inner);
    trap_flag(false);
}

static void on_step(int number, siginfo_t *info, void *raw)
{
    const ucontext_t *context = raw;
    uintptr_t place = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    uintptr_t function;
    struct walk walk;
    bool right;

    (void)number, (void)info;
    if (place >= ADDRESS(edo_context_start) && place < ADDRESS(edo_context_swap))
        function = ADDRESS(edo_context_start);
    else if (place >= ADDRESS(edo_context_swap) && place < ADDRESS(edo_context_entry))
        function = ADDRESS(edo_context_swap);
    else if (place >= ADDRESS(edo_context_entry) && place < ADDRESS(edo_context_image))
        function = ADDRESS(edo_context_entry);
    else
        return;
    steps++;
    walk_here(&walk);
    if (on_inner_stack((uintptr_t)context->uc_mcontext.gregs[REG_RSP]))
        right = walk_ends_at_entry(&walk) && (!inner_began || walk_has(&walk, ADDRESS(stepped_flow)));
    else
        right = walk.result == _URC_END_OF_STACK && walk_has(&walk, ADDRESS(step_through)) &&
                !walk_has(&walk, ADDRESS(edo_context_entry));
    if (right && walk_has(&walk, function))
        return;
    if (wrong_steps++ == 0) {
        wrong_place = place - function;
        wrong_function = function;
    }
}

static void test_k3_the_walk_is_right_at_every_instruction(void **state)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    struct sigaction before;

    (void)state;
    action.sa_sigaction = on_step;
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGTRAP, &action, &before), 0);
    walk_here(&inner_walk); /* the unwinder loads what it needs */
    for (int begun = 0; begun < 2; begun++) {
        inner_began = false;
        start(stepped_flow);
        step_through(begun);
        end();
    }
    sigaction(SIGTRAP, &before, NULL);
    if (steps == 0)
        skip(); /* emulated: Valgrind */
    if (wrong_steps > 0)
        fail_msg("%d of %d wrong, first at %s+%d", wrong_steps, steps,
                 wrong_function == ADDRESS(edo_context_start)  ? "edo_context_start"
                 : wrong_function == ADDRESS(edo_context_swap) ? "edo_context_swap"
                                                               : "edo_context_entry",
                 (int)wrong_place);
    assert_true(steps >= 4 * ROUNDS * 10);
}

#define HAVE_STEPS 1
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k3_the_walk_ends_at_the_entry_frame),
        cmocka_unit_test(test_k3_frame_pointers_end_at_the_entry_frame),
#ifdef HAVE_STEPS
        cmocka_unit_test(test_k3_the_walk_is_right_at_every_instruction),
#endif
    };

    return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}

#else

/* With ucontext the walk is libc's affair. */
int main(void)
{
    return 0;
}

#endif
