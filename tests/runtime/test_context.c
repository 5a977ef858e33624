/* SPDX-License-Identifier: MIT */
/* The context switch: what it hands over, what it preserves (K3), and flows that go on on other threads. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "own_stack.h"
#include "runtime/context.h"

#define CHECKED (EDO_ASAN || EDO_TSAN)

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__) && !defined(EDO_CONTEXT_UCONTEXT)
#define ASSEMBLY 1
#else
#define ASSEMBLY 0
#endif

struct flow {
    struct edo_context context;
    struct edo_context home; /* who resumed it */
    struct own_stack stack;
    const char *wrong; /* what went wrong inside, where cmocka's asserts must not jump out */
};

static void flow_start(struct flow *flow, size_t colour, void (*entry)(void *))
{
    memset(flow, 0, sizeof *flow);
    own_stack_init(&flow->stack);
    edo_context_adopt(&flow->home);
    edo_context_prepare(&flow->context, flow->stack.low, OWN_STACK_SIZE, colour, entry);
}

static void *flow_resume(struct flow *flow, void *baton)
{
    edo_tsan_release(flow);
    baton = edo_context_switch(&flow->home, &flow->context, baton);
    edo_tsan_acquire(flow);
    return baton;
}

/* What a flow does first, and to go home for a while, or for good. */
static struct flow *flow_begin(void *baton)
{
    edo_tsan_acquire(baton);
    return baton;
}

static inline __attribute__((always_inline)) void *flow_yield(struct flow *flow, void *baton)
{
    edo_tsan_release(flow);
    baton = edo_context_switch(&flow->context, &flow->home, baton);
    edo_tsan_acquire(flow);
    return baton;
}

static inline __attribute__((always_inline)) EDO_NORETURN void flow_leave(struct flow *flow, void *baton)
{
    edo_tsan_release(flow);
    edo_context_leave(&flow->context, &flow->home, baton);
}

static void flow_end(struct flow *flow)
{
    edo_context_finish(&flow->context);
    edo_context_forget(&flow->home);
    own_stack_finish(&flow->stack);
    if (flow->wrong)
        fail_msg("%s", flow->wrong);
}

/* --- Handing over ------------------------------------------------------------------------------------------------- */

static void add_one_each_time(void *baton)
{
    struct flow *flow = flow_begin(baton);
    uintptr_t number = 0;

    for (;;)
        number = (uintptr_t)flow_yield(flow, (void *)(number + 1));
}

static void test_k3_switch_hands_the_baton_over_both_ways(void **state)
{
    struct flow flow;

    (void)state;
    flow_start(&flow, 0, add_one_each_time);
    assert_int_equal((uintptr_t)flow_resume(&flow, &flow), 1);
    for (uintptr_t i = 10; i < 1000; i++)
        assert_int_equal((uintptr_t)flow_resume(&flow, (void *)i), i + 1);
    flow_end(&flow);
}

static void leave_at_once(void *baton)
{
    struct flow *flow = flow_begin(baton);

    flow_leave(flow, (void *)(uintptr_t)7);
}

static void test_k3_a_stack_is_used_again_once_its_flow_has_left(void **state)
{
    struct flow flow;

    (void)state;
    flow_start(&flow, 0, leave_at_once);
    for (int i = 0; i < 200; i++) {
        assert_int_equal((uintptr_t)flow_resume(&flow, &flow), 7);
        edo_context_finish(&flow.context);
        edo_context_prepare(&flow.context, flow.stack.low, OWN_STACK_SIZE, 64, leave_at_once);
    }
    flow_end(&flow); /* one that never ran */
}

static void report_place(void *baton)
{
    struct flow *flow = flow_begin(baton);
    _Alignas(16) char here[16];
    char *volatile place = here; /* or the compiler knows that it is aligned */

    if ((uintptr_t)place % 16 != 0)
        flow->wrong = "the stack is not aligned";
    flow_leave(flow, __builtin_frame_address(0));
}

static void test_k1_colour_moves_the_top_of_the_flow(void **state)
{
    uintptr_t first = 0;

    (void)state;
    for (size_t colour = 0; colour < 2048; colour += 64) {
        struct flow flow;
        uintptr_t frame;
        uintptr_t depth;

        flow_start(&flow, colour, report_place);
        frame = (uintptr_t)flow_resume(&flow, &flow);
        depth = (uintptr_t)flow.stack.low + OWN_STACK_SIZE - frame;
        assert_in_range(depth, colour + 1, OWN_STACK_SIZE - 1);
        if (colour == 0)
            first = depth;
        assert_int_equal(depth, first + colour);
        flow_end(&flow);
    }
}

struct ring {
    struct edo_context contexts[50];
    struct edo_context home;
    unsigned order[200];
    unsigned steps;
};

static void pass_on(void *baton)
{
    struct ring *ring = baton;
    struct edo_context *next;
    unsigned self;

    edo_tsan_acquire(ring);
    self = ring->steps % 50;
    for (;;) {
        ring->order[ring->steps++] = self;
        next = ring->steps == 200 ? &ring->home : &ring->contexts[ring->steps % 50];
        edo_tsan_release(ring);
        edo_context_switch(&ring->contexts[self], next, ring);
        edo_tsan_acquire(ring);
    }
}

static void test_k3_flows_switch_to_each_other_directly(void **state)
{
    static struct ring ring;
    struct own_stack stacks[50];

    (void)state;
    edo_context_adopt(&ring.home);
    for (int i = 0; i < 50; i++) {
        own_stack_init(&stacks[i]);
        edo_context_prepare(&ring.contexts[i], stacks[i].low, OWN_STACK_SIZE, 0, pass_on);
    }
    edo_tsan_release(&ring);
    edo_context_switch(&ring.home, &ring.contexts[0], &ring);
    edo_tsan_acquire(&ring);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(ring.order[i], i % 50);
    for (int i = 0; i < 50; i++) {
        edo_context_finish(&ring.contexts[i]);
        own_stack_finish(&stacks[i]);
    }
    edo_context_forget(&ring.home);
}

/* --- Other threads ------------------------------------------------------------------------------------------------ */

struct traveller {
    struct edo_context context;
    struct edo_context *home; /* of the thread that resumed it last */
    long seen[3];             /* threads it ran on */
    long expected;            /* the thread that resumed it */
    int sum;
};

/* Not pthread_self: the compiler takes that for the same throughout a function. */
static long thread_number(void)
{
    return syscall(SYS_gettid);
}

static void travel(void *baton)
{
    struct traveller *traveller = baton;
    struct edo_context *home;
    int local = 100;

    edo_tsan_acquire(traveller);
    for (int i = 0; i < 3; i++) {
        traveller->seen[i] = thread_number();
        local += i;
        traveller->sum = local;
        home = traveller->home;
        edo_tsan_release(traveller);
        traveller = edo_context_switch(&traveller->context, home, NULL);
        edo_tsan_acquire(traveller);
    }
    home = traveller->home;
    edo_tsan_release(traveller);
    edo_context_leave(&traveller->context, home, NULL);
}

static void *resume_here(void *argument)
{
    struct traveller *traveller = argument;
    struct edo_context home;

    edo_context_adopt(&home);
    traveller->home = &home;
    traveller->expected = thread_number();
    edo_tsan_release(traveller);
    edo_context_switch(&home, &traveller->context, traveller);
    edo_tsan_acquire(traveller);
    edo_context_forget(&home);
    return NULL;
}

static void test_s5_a_flow_goes_on_on_another_thread(void **state)
{
    struct traveller traveller = {.sum = 0};
    struct own_stack stack;
    pthread_t thread;

    (void)state;
    own_stack_init(&stack);
    edo_context_prepare(&traveller.context, stack.low, OWN_STACK_SIZE, 0, travel);
    resume_here(&traveller);
    assert_int_equal(traveller.sum, 100);
    assert_int_equal(pthread_create(&thread, NULL, resume_here, &traveller), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(traveller.sum, 101);
    assert_int_equal(traveller.seen[1], traveller.expected);
    assert_int_not_equal(traveller.seen[1], traveller.seen[0]);
    resume_here(&traveller);
    assert_int_equal(traveller.sum, 103);
    assert_int_equal(traveller.seen[2], traveller.seen[0]);
    resume_here(&traveller);
    edo_context_finish(&traveller.context);
    own_stack_finish(&stack);
}

/* --- What is preserved -------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

/* Rounding upwards, and extended precision rounding down: values that no program starts with. */
enum { OTHER_MXCSR = 0x5f80, OTHER_X87 = 0x077f, FIRST_MXCSR = 0x1f80, FIRST_X87 = 0x037f };

static uint64_t fp_words(void)
{
    uint32_t mxcsr;
    uint16_t x87;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (uint64_t)(mxcsr & ~0x3fu) << 16 | x87; /* without the flags, which are no control */
}

static void set_fp_words(uint64_t words)
{
    uint32_t mxcsr = (uint32_t)(words >> 16);
    uint16_t x87 = (uint16_t)words;

    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
}

#define FP_OTHER ((uint64_t)OTHER_MXCSR << 16 | OTHER_X87)
#define FP_FIRST ((uint64_t)FIRST_MXCSR << 16 | FIRST_X87)

#elif defined(__aarch64__)

static uint64_t fp_words(void)
{
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static void set_fp_words(uint64_t words)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(words));
}

#define FP_OTHER ((uint64_t)1 << 22) /* rounding upwards */
#define FP_FIRST ((uint64_t)0)

#endif

#ifdef FP_FIRST

static void change_fp(void *baton)
{
    struct flow *flow = flow_begin(baton);

    if (ASSEMBLY && fp_words() != FP_FIRST)
        flow->wrong = "a new flow has FP control words of somebody else";
    set_fp_words(FP_FIRST);
    flow_yield(flow, NULL);
    if (fp_words() != FP_FIRST)
        flow->wrong = "FP control words of the resumer came along";
    set_fp_words(FP_OTHER);
    flow_yield(flow, NULL);
    if (fp_words() != FP_OTHER)
        flow->wrong = "FP control words were lost";
    edo_context_reset_fp();
    if (ASSEMBLY && fp_words() != FP_FIRST)
        flow->wrong = "FP control words were not reset";
    flow_leave(flow, NULL);
}

static void test_k3_fp_control_words_belong_to_the_flow(void **state)
{
    struct flow flow;
    uint64_t seen[3];

    (void)state;
    flow_start(&flow, 0, change_fp);
    set_fp_words(FP_OTHER);
    flow_resume(&flow, &flow);
    seen[0] = fp_words();
    flow_resume(&flow, NULL);
    seen[1] = fp_words();
    set_fp_words(FP_FIRST);
    flow_resume(&flow, NULL);
    seen[2] = fp_words();
    flow_end(&flow);
    assert_true(seen[0] == FP_OTHER);
    assert_true(seen[1] == FP_OTHER);
    assert_true(seen[2] == FP_FIRST);
}

#endif

/*
 * Loads all callee-saved registers from `values`, switches, and stores what they are then to `values`. Below the
 * compiler's sight, so without what checkers want to hear.
 */
#if defined(__x86_64__) && !CHECKED

#define HAVE_REGISTERS 1
enum { REGISTERS = 6 };

/* What the switch itself does not keep, the C function around it does. */
void *swap_in_c(struct edo_context *from, struct edo_context *to, void *baton);
__attribute__((noinline)) void *swap_in_c(struct edo_context *from, struct edo_context *to, void *baton)
{
    return edo_context_switch(from, to, baton);
}

void *swap_with_registers(struct edo_context *from, struct edo_context *to, void *baton, uint64_t *values);
__asm__(".text\n"
        ".type swap_with_registers, @function\n"
        "swap_with_registers:\n"
        "    pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "    pushq %rcx\n"
        "    movq (%rcx), %rbx; movq 8(%rcx), %rbp; movq 16(%rcx), %r12; movq 24(%rcx), %r13\n"
        "    movq 32(%rcx), %r14; movq 40(%rcx), %r15\n"
        "    call swap_in_c\n"
        "    popq %rcx\n"
        "    movq %rbx, (%rcx); movq %rbp, 8(%rcx); movq %r12, 16(%rcx); movq %r13, 24(%rcx)\n"
        "    movq %r14, 32(%rcx); movq %r15, 40(%rcx)\n"
        "    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx\n"
        "    ret\n"
        ".size swap_with_registers, . - swap_with_registers\n");

#elif defined(__aarch64__) && !CHECKED

#define HAVE_REGISTERS 1
enum { REGISTERS = 19 };

void *swap_with_registers(struct edo_context *from, struct edo_context *to, void *baton, uint64_t *values);
__asm__(".text\n"
        ".type swap_with_registers, %function\n"
        "swap_with_registers:\n"
        "    stp x29, x30, [sp, #-192]!\n"
        "    stp x19, x20, [sp, #16]; stp x21, x22, [sp, #32]; stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]; stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]; stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]\n"
        "    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x3]; ldp x21, x22, [x3, #16]; ldp x23, x24, [x3, #32]; ldp x25, x26, [x3, #48]\n"
        "    ldp x27, x28, [x3, #64]; ldr x29, [x3, #80]\n"
        "    ldp d8, d9, [x3, #88]; ldp d10, d11, [x3, #104]; ldp d12, d13, [x3, #120]; ldp d14, d15, [x3, #136]\n"
        "    bl edo_context_swap\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3]; stp x21, x22, [x3, #16]; stp x23, x24, [x3, #32]; stp x25, x26, [x3, #48]\n"
        "    stp x27, x28, [x3, #64]; str x29, [x3, #80]\n"
        "    stp d8, d9, [x3, #88]; stp d10, d11, [x3, #104]; stp d12, d13, [x3, #120]; stp d14, d15, [x3, #136]\n"
        "    ldp x19, x20, [sp, #16]; ldp x21, x22, [sp, #32]; ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]; ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]; ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #192\n"
        "    ret\n"
        ".size swap_with_registers, . - swap_with_registers\n");

#endif

#ifdef HAVE_REGISTERS

static uint64_t inner_values[REGISTERS];

static void change_registers(void *baton)
{
    struct flow *flow = flow_begin(baton);

    for (;;)
        swap_with_registers(&flow->context, &flow->home, NULL, inner_values);
}

static void test_k3_callee_saved_registers_belong_to_the_flow(void **state)
{
    struct flow flow;
    uint64_t outer_values[REGISTERS];

    (void)state;
    for (unsigned i = 0; i < REGISTERS; i++) {
        outer_values[i] = UINT64_C(0x1111111111111111) * (i % 15 + 1) + i;
        inner_values[i] = ~outer_values[i];
    }
    flow_start(&flow, 0, change_registers);
    for (int round = 0; round < 3; round++) {
        swap_with_registers(&flow.home, &flow.context, &flow, outer_values);
        for (unsigned i = 0; i < REGISTERS; i++) {
            assert_true(outer_values[i] == UINT64_C(0x1111111111111111) * (i % 15 + 1) + i);
            assert_true(inner_values[i] == ~outer_values[i]);
        }
    }
    flow_end(&flow);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k3_switch_hands_the_baton_over_both_ways),
        cmocka_unit_test(test_k3_a_stack_is_used_again_once_its_flow_has_left),
        cmocka_unit_test(test_k1_colour_moves_the_top_of_the_flow),
        cmocka_unit_test(test_k3_flows_switch_to_each_other_directly),
        cmocka_unit_test(test_s5_a_flow_goes_on_on_another_thread),
#ifdef FP_FIRST
        cmocka_unit_test(test_k3_fp_control_words_belong_to_the_flow),
#endif
#ifdef HAVE_REGISTERS
        cmocka_unit_test(test_k3_callee_saved_registers_belong_to_the_flow),
#endif
    };

    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
