/* SPDX-License-Identifier: MIT */
/*
 * The walk up a stack (src/observe/walk.h): from every instruction, out of signal handlers, through code without
 * tables; and what damaged tables and stacks cost, which is frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "observe/peek.h"
#include "observe/walk.h"
#include "platform/sanitizer.h"

#include <edo/base.h>

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__)

static struct edo_walker walker;
static volatile unsigned sink;

static bool read_any(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    (void)memory;
    return edo_peek(out, (const void *)from, size);
}

static struct edo_stack_view everything(uintptr_t sp)
{
    return (struct edo_stack_view){{read_any}, sp, sp + 65536};
}

/* Whether a frame of the walk stands in that function, which is no longer than that; its index, or -1. */
static int frame_in(const struct edo_walk *walk, const void *function, size_t size)
{
    for (size_t i = 0; i < walk->count; i++)
        if (walk->address[i] - (uintptr_t)function < size)
            return (int)i;
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    edo_walker_begin(&walker);
    return 0;
}

/* --- From the midst of running code ------------------------------------------------------------------------------- */

static struct {
    uintptr_t low; /* the place that each walk has to pass */
    uintptr_t high;
    int walks;
    int lost;
    int guesses;
    uintptr_t where; /* the first that was lost */
    struct edo_walk walk;
} seen;

static void walk_from_signal(int signal, siginfo_t *info, void *context)
{
    struct edo_registers from;
    struct edo_stack_view stack;
    bool passes = false;

    (void)signal, (void)info;
    edo_machine_of_signal(from.value, &from.known, (const ucontext_t *)context);
    stack = everything(from.value[EDO_REGISTER_SP]);
    edo_walk_stack(&seen.walk, &walker, &from, &stack, false);
    for (size_t i = 0; i < seen.walk.count; i++) {
        passes |= seen.walk.address[i] - seen.low < seen.high - seen.low;
        seen.guesses += seen.walk.guessed[i];
    }
    seen.walks++;
    if (passes && seen.walk.whole)
        return;
    if (seen.lost++ == 0)
        seen.where = from.value[EDO_REGISTER_PC];
}

__attribute__((noinline)) static int compare(const void *a, const void *b)
{
    sink++;
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void sorts(int count)
{
    int *numbers = __builtin_alloca((size_t)(count + 1) * sizeof *numbers); /* so the frame's size is not known */
    char text[64];

    for (int i = 0; i <= count; i++)
        numbers[i] = (i * 7919) % 101;
    qsort(numbers, (size_t)count, sizeof *numbers, compare);
    snprintf(text, sizeof text, "%d %s", numbers[0], "and so on");
    free(strdup(text));
    sink += (unsigned)text[0];
}

__attribute__((noinline)) static void works(void)
{
    sorts(12);
    sink++;
}

static void forget(void)
{
    memset(&seen, 0, sizeof seen);
    seen.low = (uintptr_t)works;
    seen.high = seen.low + 64;
}

static void test_a_walk_from_a_handler_passes_the_kernels_frame(void **state)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    struct sigaction before;
    ucontext_t here;
    struct edo_registers from;
    struct edo_stack_view stack;

    (void)state;
    forget();
    action.sa_sigaction = walk_from_signal;
    sigaction(SIGUSR1, &action, &before);
    seen.low = (uintptr_t)test_a_walk_from_a_handler_passes_the_kernels_frame;
    seen.high = seen.low + 2048;
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(seen.walks, 1);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(seen.guesses, 0);
    getcontext(&here); /* and from here, where nobody interrupted */
    edo_machine_of_signal(from.value, &from.known, &here);
    stack = everything(from.value[EDO_REGISTER_SP]);
    edo_walk_stack(&seen.walk, &walker, &from, &stack, false);
    assert_true(seen.walk.whole);
}

/* From inside of a handler: the kernel's frame lies between. */
static void walk_from_inside(int signal)
{
    ucontext_t here;
    struct edo_registers from;
    struct edo_stack_view stack;

    (void)signal;
    getcontext(&here);
    edo_machine_of_signal(from.value, &from.known, &here);
    stack = everything(from.value[EDO_REGISTER_SP]);
    edo_walk_stack(&seen.walk, &walker, &from, &stack, false);
}

__attribute__((noinline)) static void raises(void)
{
    raise(SIGUSR1);
    sink++;
}

static jmp_buf back;
static const void *behind; /* where walks_and_jumps would return to */

__attribute__((noinline, noreturn)) static void walks_and_jumps(void)
{
    behind = __builtin_return_address(0);
    walk_from_inside(0);
    longjmp(back, 1);
}

/* Its call is its last instruction: what follows belongs to another function. */
__attribute__((noinline, noreturn)) static void calls_at_its_end(volatile int *a)
{
    a[0] = a[1] + a[2];
    walks_and_jumps();
}

static void test_a_call_may_be_the_last_instruction_of_its_function(void **state)
{
    volatile int numbers[3] = {0, 1, 2};
    uintptr_t test;
    int caller;

    (void)state;
    forget();
    if (setjmp(back) == 0)
        calls_at_its_end(numbers);
    caller = frame_in(&seen.walk, behind, 1);
    assert_true(seen.walk.whole);
    assert_true(caller > 0);
    test = (uintptr_t)test_a_call_may_be_the_last_instruction_of_its_function + 1; /* that is what follows, perhaps */
    assert_true(frame_in(&seen.walk, (const void *)test, 4096) > caller);
}

static void check_handler(int flags)
{
    struct sigaction action = {.sa_flags = flags, .sa_handler = walk_from_inside};
    struct sigaction before;
    int handler;
    int raiser;

    forget();
    sigaction(SIGUSR1, &action, &before);
    raises();
    sigaction(SIGUSR1, &before, NULL);
    handler = frame_in(&seen.walk, (const void *)(uintptr_t)walk_from_inside, 1024);
    raiser = frame_in(&seen.walk, (const void *)(uintptr_t)raises, 64);
    assert_true(seen.walk.whole);
    assert_true(handler >= 0 && raiser > handler + 1);
    /* Where the handler interrupted is exact; where a handler returns to is not. */
    assert_false(seen.walk.exact[handler + 1]);
    assert_true(seen.walk.exact[handler + 2]);
    assert_false(seen.walk.exact[raiser]);
}

static void test_a_walk_out_of_a_handler_goes_on_where_it_interrupted(void **state)
{
    static char other[65536];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
    stack_t before;

    (void)state;
    check_handler(0);
    if (EDO_ASAN || EDO_TSAN) /* they have stacks for handlers of their own, and wrap handlers */
        return;
    assert_int_equal(sigaltstack(&stack, &before), 0);
    check_handler(SA_ONSTACK);
    assert_int_equal(sigaltstack(&before, NULL), 0);
}

#if defined(__x86_64__)
#include <dlfcn.h>

/* Runs fn with a trap at each instruction of it and of all that it calls. */
static void step_through(void (*fn)(void))
{
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" ::: "cc", "memory");
    fn();
    __asm__ volatile("pushfq; andl $~0x100, (%%rsp); popfq" ::: "cc", "memory");
}

__attribute__((noinline)) static void resolves(void)
{
    works();
    sink += (unsigned)atoi("7"); /* by the loader, if nobody has called it before */
}

static void test_a_walk_is_right_at_every_instruction(void **state)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction before;

    (void)state;
    if (EDO_ASAN || EDO_TSAN || getenv("LD_LIBRARY_PATH_VALGRIND") || EDO_TEST_SCALE >= 30)
        return;
    forget();
    seen.low = (uintptr_t)test_a_walk_is_right_at_every_instruction;
    seen.high = seen.low + 1024;
    action.sa_sigaction = walk_from_signal;
    sigaction(SIGTRAP, &action, &before);
    step_through(resolves);
    sigaction(SIGTRAP, &before, NULL);
    if (seen.lost > 0)
        fprintf(stderr, "# %d of %d lost, the first at %#lx\n", seen.lost, seen.walks, (unsigned long)seen.where);
    assert_true(seen.walks > 2000);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(seen.guesses, 0);
}
#endif

/* --- Code without tables ------------------------------------------------------------------------------------------ */

/* Calls, in memory that belongs to no module: what a JIT leaves. */
#if defined(__x86_64__)
static const unsigned char call[4] = {0x90, 0x90, 0xff, 0xd0};
#else
static const unsigned char call[4] = {0x00, 0x00, 0x3f, 0xd6};
#endif
static unsigned char made[4096] __attribute__((aligned(16)));

static uintptr_t behind_call(size_t i)
{
    memcpy(made + 16 * i + 12, call, sizeof call);
    return (uintptr_t)made + 16 * (i + 1);
}

struct own_view {
    struct edo_stack_view view;
    const uintptr_t *words;
};

static bool read_own(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    const struct own_view *own = (const struct own_view *)(const void *)memory;

    if (from < own->view.low || from >= own->view.high || own->view.high - from < size)
        return false;
    memcpy(out, (const void *)from, size);
    return true;
}

static void walk_words(struct edo_walk *out, const uintptr_t *words, size_t count, uintptr_t fp)
{
    struct own_view own = {{{read_own}, (uintptr_t)words, (uintptr_t)(words + count)}, words};
    struct edo_registers from = {.known = 0};

    edo_register_set(&from, EDO_REGISTER_PC, behind_call(0));
    edo_register_set(&from, EDO_REGISTER_SP, (uintptr_t)words);
    edo_register_set(&from, EDO_REGISTER_FP, fp);
    edo_walk_stack(out, &walker, &from, &own.view, false);
}

static void test_without_tables_frames_are_walked_by_their_pointers(void **state)
{
    uintptr_t words[8] = {0};
    struct edo_walk walk;

    (void)state;
    words[0] = (uintptr_t)&words[4];
    words[1] = behind_call(1);
    words[5] = behind_call(2);
    walk_words(&walk, words, 8, (uintptr_t)words);
    assert_int_equal(walk.count, 3);
    assert_true(walk.whole);
    assert_true(walk.exact[0] && !walk.exact[1]);
    assert_int_equal(walk.address[2], behind_call(2));
    words[5] = (uintptr_t)made + 1000; /* nothing was called there */
    walk_words(&walk, words, 8, (uintptr_t)words);
    assert_int_equal(walk.count, 2);
    assert_false(walk.whole);
}

static void test_nothing_outside_of_the_bounds_is_read(void **state)
{
    static const uintptr_t lies[] = {1, 8, UINTPTR_MAX, UINTPTR_MAX - 7, 0x10, (uintptr_t)1 << 63};
    uintptr_t words[4] = {0};
    struct edo_walk walk;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(lies); i++) {
        walk_words(&walk, words, 4, lies[i]);
        assert_int_equal(walk.count, 1);
        assert_false(walk.whole);
        words[0] = lies[i];
        words[1] = behind_call(1);
        walk_words(&walk, words, 4, (uintptr_t)words);
        assert_int_equal(walk.count, 2);
        assert_false(walk.whole);
    }
    words[3] = behind_call(3); /* half of a frame: its return address would be behind the end */
    walk_words(&walk, words, 3, (uintptr_t)&words[2]);
    assert_int_equal(walk.count, 1);
    words[0] = (uintptr_t)words; /* a ring */
    walk_words(&walk, words, 4, (uintptr_t)words);
    assert_int_equal(walk.count, 2);
}

static void test_the_walk_ends_after_so_many_frames(void **state)
{
    uintptr_t words[4 * EDO_WALK_MOST];
    struct edo_walk walk;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(words); i += 2) {
        words[i] = (uintptr_t)&words[i] + 2 * sizeof *words;
        words[i + 1] = behind_call(1);
    }
    walk_words(&walk, words, EDO_COUNT(words), (uintptr_t)words);
    assert_int_equal(walk.count, EDO_WALK_MOST);
    assert_false(walk.whole);
}

/* --- Damage ------------------------------------------------------------------------------------------------------- */

/* A copy of this program's tables, which lies where they do, for who reads it by this. */
static struct {
    uintptr_t low;
    size_t size;
    unsigned char *bytes;
    unsigned char *sound;
} tables;

static bool read_damaged(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    (void)memory;
    if (from - tables.low >= tables.size || tables.size - (from - tables.low) < size)
        return false;
    memcpy(out, tables.bytes + (from - tables.low), size);
    return true;
}

static bool read_dice(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    (void)memory;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)((from + i) * 2654435761u >> 13);
    return from % 3 != 0;
}

/* The index and what lies behind it up to the end of its segment: .eh_frame. */
static const struct edo_module *copy_tables(void)
{
    const struct edo_module *module = edo_modules_find(&walker.modules, (uintptr_t)works);

    assert_non_null(module);
    assert_true(module->index != 0);
    tables.low = module->index;
    tables.size = module->index_size;
    while (edo_peek(&(char){0}, (const void *)(tables.low + tables.size), 1) && tables.size < 300000)
        tables.size++;
    tables.sound = malloc(tables.size);
    tables.bytes = malloc(tables.size);
    assert_true(edo_peek(tables.sound, (const void *)tables.low, tables.size));
    return module;
}

static void test_damaged_tables_cost_frames_alone(void **state)
{
    static struct edo_unwind_scratch scratch;
    const struct edo_memory memory = {read_damaged};
    const struct edo_memory stack = {read_dice};
    const struct edo_module *module = copy_tables();
    unsigned dice = 1;
    int found = 0;
    int rows = 0;

    (void)state;
    for (int round = 0; round < 20000 / EDO_TEST_SCALE; round++) {
        uintptr_t pc = module->low + (dice = dice * 1664525 + 1013904223) % (module->high - module->low);
        struct edo_unwind_record record;
        struct edo_registers registers = {.known = (UINT64_C(1) << EDO_REGISTERS) - 1};
        struct edo_row row = {.pc = pc};

        if (round % 64 == 0)
            memcpy(tables.bytes, tables.sound, tables.size);
        for (int i = 0; i < 40 && round > 0; i++) {
            dice = dice * 1664525 + 1013904223;
            tables.bytes[(dice >> 8) % tables.size] = (unsigned char)(dice >> 3);
        }
        for (int i = 0; i < EDO_REGISTERS; i++)
            registers.value[i] = (uintptr_t)(dice + (unsigned)i) * 7;
        if (!edo_unwind_find(&record, &memory, tables.low, module->index_size, pc))
            continue;
        found++;
        assert_true(pc - record.begin < record.size);
        /* And in the very record: that is hit too seldom. */
        if (record.program_end > record.program)
            tables.bytes[record.program - tables.low + (dice >> 8) % (record.program_end - record.program)] ^=
                (unsigned char)(1u << (dice >> 28) % 8);
        if (!edo_unwind_row(&row, &scratch, &memory, &record, pc))
            continue;
        rows++;
        assert_true(row.count <= EDO_REGISTERS && row.back < EDO_REGISTERS);
        edo_unwind_step(&registers, &memory, &stack, &row);
    }
    assert_true(found > 10 && rows > 10);
    free(tables.sound);
    free(tables.bytes);
}

/* A real stack, some of whose words have been overwritten, walked with real tables from this function. */
static void test_damaged_stacks_cost_frames_alone(void **state)
{
    static uintptr_t words[512];
    static uintptr_t copy[512];
    ucontext_t here;
    struct edo_registers from;
    struct own_view own;
    volatile unsigned dice = 7;
    uintptr_t sp;

    (void)state;
    getcontext(&here);
    edo_machine_of_signal(from.value, &from.known, &here);
    sp = from.value[EDO_REGISTER_SP] & ~(uintptr_t)7;
    edo_peek_most(copy, (const void *)sp, sizeof copy);
    for (int round = 0; round < 2000 / EDO_TEST_SCALE; round++) {
        struct edo_registers moved = from;

        memcpy(words, copy, sizeof words);
        for (size_t i = 0; i < EDO_COUNT(words); i++) /* it now lies elsewhere */
            if (words[i] - sp < sizeof words)
                words[i] += (uintptr_t)words - sp;
        for (int i = 0; i < EDO_REGISTERS; i++)
            if (moved.value[i] - sp < sizeof words)
                moved.value[i] += (uintptr_t)words - sp;
        for (int i = 0; i < round % 32; i++) {
            dice = dice * 1664525 + 1013904223;
            words[(dice >> 8) % EDO_COUNT(words)] = words[(dice >> 16) % EDO_COUNT(words)] + dice % 3;
        }
        if (round % 2) /* as of a thread that is blocked */
            moved.known = UINT64_C(1) << EDO_REGISTER_PC | UINT64_C(1) << EDO_REGISTER_SP;
        own = (struct own_view){{{read_own}, (uintptr_t)words, (uintptr_t)(words + EDO_COUNT(words))}, words};
        moved.value[EDO_REGISTER_SP] &= ~(uintptr_t)7;
        edo_walk_stack(&seen.walk, &walker, &moved, &own.view, true);
        assert_true(seen.walk.count >= 1 && seen.walk.count <= EDO_WALK_MOST);
    }
}

/* --- Expressions -------------------------------------------------------------------------------------------------- */

static bool evaluate(uintptr_t *out, const unsigned char *bytes, size_t size)
{
    const struct edo_memory memory = {read_any};
    struct edo_registers registers = {.known = 0};

    edo_register_set(&registers, EDO_REGISTER_SP, 1000);
    return edo_unwind_evaluate(out, &memory, &memory, (uintptr_t)bytes, size, &registers, NULL);
}

static void test_expressions_calculate(void **state)
{
    static const unsigned char sp = 0x70 + EDO_REGISTER_SP;
    const struct {
        unsigned char bytes[12];
        size_t size;
        uintptr_t result;
    } cases[] = {
        {{sp, 0x7f, 0x35, 0x24}, 4, 999 << 5},                               /* breg -1; lit5; shl */
        {{0x37, 0x34, 0x1c}, 3, 3},                                          /* 7 - 4 */
        {{0x09, 0xf8, 0x32, 0x26}, 4, (uintptr_t)-2},                        /* -8 >> 2 */
        {{0x09, 0xf8, 0x19}, 3, 8},                                          /* abs */
        {{0x33, 0x34, 0x16, 0x1c}, 4, 1},                                    /* 3 4 swap - */
        {{0x31, 0x32, 0x33, 0x17, 0x1c, 0x1c}, 6, (uintptr_t)(3 - (1 - 2))}, /* 1 2 3 rot - - */
        {{0x31, 0x28, 1, 0, 0x35, 0x36}, 6, 6},                              /* 1 bra +1: over the 5 */
        {{0x09, 0xfe, 0x31, 0x2d}, 4, 1},                                    /* -2 < 1 */
        {{0x32, 0x23, 0x80, 0x01}, 4, 130},                                  /* 2 + 128 */
    };
    uintptr_t result;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(cases); i++) {
        assert_true(evaluate(&result, cases[i].bytes, cases[i].size));
        assert_int_equal(result, cases[i].result);
    }
}

static void test_expressions_that_cannot_be_are_refused(void **state)
{
    const struct {
        unsigned char bytes[8];
        size_t size;
    } cases[] = {
        {{0x2f, 0xfd, 0xff}, 3},       /* jumps to itself for ever */
        {{0x22}, 1},                   /* nothing there to add */
        {{0x30, 0x30, 0x1b}, 3},       /* divides by 0 */
        {{0x30, 0x06}, 2},             /* reads at 0 */
        {{0x71, 0x00}, 2},             /* a register that is not known */
        {{0x92, 0xff, 0x7f, 0x00}, 4}, /* one that there is not */
        {{0x2f, 0x10, 0x00}, 3},       /* jumps out */
        {{0x0e, 0x01}, 2},             /* cut off */
        {{0xff}, 1},
    };
    uintptr_t result;

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(cases); i++)
        assert_false(evaluate(&result, cases[i].bytes, cases[i].size));
}

/* --- What is loaded ----------------------------------------------------------------------------------------------- */

static int compare_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    int *count = (int *)argument;
    uintptr_t code = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum && !code; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X))
            code = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    for (size_t i = 0; i < walker.modules.count; i++)
        if (walker.modules.items[i].low == code && walker.modules.items[i].bias == info->dlpi_addr)
            (*count)++;
    return 0;
}

static int count_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)info, (void)size;
    ++*(int *)argument;
    return 0;
}

static void test_modules_are_those_of_the_loader(void **state)
{
    int same = 0;
    int all = 0;

    (void)state;
    dl_iterate_phdr(compare_module, &same);
    dl_iterate_phdr(count_module, &all);
    assert_int_equal(same, all);
    for (size_t i = 1; i < walker.modules.count; i++)
        assert_true(walker.modules.items[i - 1].high <= walker.modules.items[i].low);
    assert_null(edo_modules_find(&walker.modules, (uintptr_t)made));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

/* --- Code --------------------------------------------------------------------------------------------------------- */

static void test_jumps_are_known(void **state)
{
    static const struct {
        unsigned char code[8];
        int distance;
    } jumps[] = {
#if defined(__x86_64__)
        {{0xe9, 0xfb, 0xff, 0xff, 0xff}, 0},
        {{0xe9, 0x00, 0x01, 0x00, 0x00}, 0x105},
        {{0x0f, 0x84, 0x00, 0x01, 0x00, 0x00}, 0x106},
        {{0x0f, 0x8f, 0xf0, 0xff, 0xff, 0xff}, -10},
        {{0xeb, 0x10}, 0x12},
        {{0x75, 0x80}, -126},
#else
        {{0xfc, 0xff, 0xff, 0x17}, -16},
        {{0x40, 0x00, 0x00, 0x14}, 256},
        {{0x40, 0x00, 0x00, 0x54}, 8},
        {{0xe1, 0xff, 0xff, 0x54}, -4},
        {{0x80, 0x00, 0x00, 0xb4}, 16},
        {{0x00, 0x01, 0x00, 0x35}, 32},
#endif
    };
    static const unsigned char others[][8] = {
#if defined(__x86_64__)
        {0xe8, 0x00, 0x01, 0x00, 0x00}, /* a call */
        {0x0f, 0x94, 0x00, 0x01, 0x00, 0x00},
        {0xff, 0x25, 0x00, 0x01, 0x00, 0x00},
#else
        {0x40, 0x00, 0x00, 0x94}, /* a call */
        {0x50, 0x00, 0x00, 0x54},
        {0x80, 0x00, 0x00, 0x36},
#endif
    };
    enum { AT = 0x10000 };

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(jumps); i++) {
        uintptr_t to = (uintptr_t)AT + (uintptr_t)(intptr_t)jumps[i].distance;

        assert_true(edo_machine_is_jump(jumps[i].code, AT, to));
        assert_false(edo_machine_is_jump(jumps[i].code, AT, to + 4));
    }
    for (size_t i = 0; i < EDO_COUNT(others); i++)
        for (uintptr_t to = 0; to < 1024; to++)
            assert_false(edo_machine_is_jump(others[i], AT, AT + to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jumps_are_known),
        TEST(test_a_walk_from_a_handler_passes_the_kernels_frame),
        TEST(test_a_call_may_be_the_last_instruction_of_its_function),
        TEST(test_a_walk_out_of_a_handler_goes_on_where_it_interrupted),
#if defined(__x86_64__)
        TEST(test_a_walk_is_right_at_every_instruction),
#endif
        TEST(test_without_tables_frames_are_walked_by_their_pointers),
        TEST(test_nothing_outside_of_the_bounds_is_read),
        TEST(test_the_walk_ends_after_so_many_frames),
        TEST(test_damaged_tables_cost_frames_alone),
        TEST(test_damaged_stacks_cost_frames_alone),
        TEST(test_expressions_calculate),
        TEST(test_expressions_that_cannot_be_are_refused),
        TEST(test_modules_are_those_of_the_loader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
