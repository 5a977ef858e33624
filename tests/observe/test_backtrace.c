/* SPDX-License-Identifier: MIT */
/*
 * Backtraces of stalls (edo/stall.h), as they are told: from where it stalls through libc down to the task's first
 * frame, with no guess among them. This file is built twice, with frame pointers and without (-O2
 * -fomit-frame-pointer).
 *
 * Each task stalls until its report has come.
 */
#include "observe/backtraced.h"
#include "observe/dumped.h"

#include "runtime/runtime.h"

#include <edo/dump.h>
#include <edo/stall.h>

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#if EDO_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* --- Blocked in libc ---------------------------------------------------------------------------------------------- */

__attribute__((noinline)) static void reads_here(void)
{
    char byte;

    CHECK_RC(read(ends[0], &byte, 1), 1);
    sink++;
}

/* Its frame's size is not known, so it has a frame pointer in any build. */
__attribute__((noinline)) static void reads_with_room(unsigned size)
{
    char *room = __builtin_alloca(size);

    room[0] = room[size - 1] = (char)sink;
    __asm__ volatile("" : : "r"(room) : "memory");
    reads_here();
    sink += (unsigned)room[0];
}

static int reads(void *argument)
{
    (void)argument;
    reads_with_room(300 + sink % 2);
    sink++;
    return 0;
}

static void test_a_read_is_told_with_all_its_callers(void **state)
{
    (void)state;
    release = write_byte;
    run_one(reads, false);
    assert_string_equal(reports[0].call, "read");
    CHECK_ORDER(&reports[0], false, "reads_here", "reads_with_room", "reads");
}

/*
 * As compilers split functions, and end them with a jump in a call's place: whom the caller calls has no frame any
 * more.
 */
extern void edo_test_jumps(unsigned size);
void edo_test_jumped_to(unsigned size);

__asm__(".pushsection .text\n"
        ".balign 16\n"
        ".type edo_test_jumps, %function\n"
        "edo_test_jumps:\n"
        "    .cfi_startproc\n"
#if defined(__x86_64__)
        "    jmp edo_test_jumped_to\n"
#else
        "    b edo_test_jumped_to\n"
#endif
        "    .cfi_endproc\n"
        ".size edo_test_jumps, . - edo_test_jumps\n"
        ".popsection\n");

/* Its frame's size is not known, and what it calls has no frame pointer. */
__attribute__((noinline, used)) void edo_test_jumped_to(unsigned size)
{
    char *room = __builtin_alloca(size);

    __asm__ volatile("" : : "r"(room) : "memory");
    CHECK_RC(read(ends[0], room, 1), 1);
    sink += (unsigned)room[0];
}

static int calls_what_jumps(void *argument)
{
    (void)argument;
    edo_test_jumps(300 + sink % 2);
    sink++;
    return 0;
}

static void test_what_was_jumped_to_is_told_with_all_its_callers(void **state)
{
    (void)state;
    release = write_byte;
    run_one(calls_what_jumps, false);
    CHECK_ORDER(&reports[0], false, "edo_test_jumped_to", "calls_what_jumps");
}

static _Atomic bool sleeping;
static pthread_t sleeper;

static void no_handler(int signal)
{
    (void)signal;
}

static void interrupt(int hog)
{
    (void)hog;
    while (atomic_load(&sleeping)) {
        pthread_kill(sleeper, SIGUSR1);
        usleep(1000);
    }
}

__attribute__((noinline)) static void sleeps_here(void)
{
    struct timespec pause = {100000, 0};

    CHECK_RC(nanosleep(&pause, NULL), -1);
    atomic_store(&sleeping, false);
}

static int sleeps(void *argument)
{
    (void)argument;
    sleeper = pthread_self();
    atomic_store(&sleeping, true);
    sleeps_here();
    sink++;
    return 0;
}

static void test_a_nanosleep_is_told_with_all_its_callers(void **state)
{
    struct sigaction action = {.sa_handler = no_handler};

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    release = interrupt;
    run_one(sleeps, false);
    CHECK_ORDER(&reports[0], false, "sleeps_here", "sleeps");
}

__attribute__((noinline)) static int compares_here(const void *a, const void *b)
{
    if (!atomic_load(&reports[0].there))
        reads_here();
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void sorts_here(void)
{
    int numbers[] = {3, 1, 2};

    qsort(numbers, 3, sizeof *numbers, compares_here);
    sink += (unsigned)numbers[0];
}

static int sorts(void *argument)
{
    (void)argument;
    sorts_here();
    sink++;
    return 0;
}

static void test_a_callback_of_qsort_is_told_with_all_its_callers(void **state)
{
    (void)state;
    release = write_byte;
    run_one(sorts, false);
    CHECK_ORDER(&reports[0], false, "reads_here", "compares_here", "sorts_here", "sorts");
}

/* --- With a lock of libc ------------------------------------------------------------------------------------------ */

static _Atomic bool in_the_heap;

static ssize_t blocks_as_a_stream(void *cookie, const char *text, size_t size)
{
    (void)cookie, (void)text;
    if (!atomic_exchange(&in_the_heap, true))
        reads_here();
    return (ssize_t)size;
}

/* malloc_stats prints to stderr with the heap locked. */
__attribute__((noinline)) static void holds_the_heap(void)
{
    FILE *before = stderr;

    stderr = fopencookie(NULL, "w", (cookie_io_functions_t){.write = blocks_as_a_stream});
    CHECK(stderr != NULL);
    setvbuf(stderr, NULL, _IONBF, 0);
    malloc_stats();
    fclose(stderr);
    stderr = before;
}

static int holds(void *argument)
{
    (void)argument;
    holds_the_heap();
    sink++;
    return 0;
}

static void test_a_stall_that_has_the_heap_locked_is_told(void **state)
{
    (void)state;
    if (EDO_ASAN || EDO_TSAN || RUNNING_ON_VALGRIND) /* heaps of their own */
        skip();
    release = write_byte;
    atomic_store(&in_the_heap, false);
    run_one(holds, false);
    CHECK_ORDER(&reports[0], false, "reads_here", "blocks_as_a_stream", "malloc_stats", "holds_the_heap", "holds");
}

__attribute__((noinline)) static void mallocs_here(void)
{
    void *volatile memory = malloc(5000); /* more than a thread keeps for itself; not left out by an optimizer */

    CHECK(memory != NULL);
    free(memory);
}

static void *holds_meanwhile(void *argument)
{
    holds_the_heap();
    return argument;
}

/* On the program's first thread, whose heap is that which is printed first. */
static int mallocs(void *argument)
{
    pthread_t thread;

    (void)argument;
    CHECK_RC(pthread_create(&thread, NULL, holds_meanwhile, NULL), 0);
    while (!atomic_load(&in_the_heap))
        edo_sleep(EDO_MS(1));
    mallocs_here();
    pthread_join(thread, NULL);
    return 0;
}

static void test_a_stall_that_waits_for_the_heap_is_told(void **state)
{
    (void)state;
    if (EDO_ASAN || EDO_TSAN || RUNNING_ON_VALGRIND)
        skip();
    release = write_byte;
    atomic_store(&in_the_heap, false);
    run_one(mallocs, false);
    assert_string_equal(reports[0].call, "futex");
    CHECK_ORDER(&reports[0], false, "malloc", "mallocs_here", "mallocs");
}

__attribute__((noinline)) static int blocks_the_loader(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)info, (void)size, (void)argument;
    reads_here();
    return 1;
}

static int iterates(void *argument)
{
    CHECK_RC(dl_iterate_phdr(blocks_the_loader, argument), 1);
    sink++;
    return 0;
}

static void test_a_stall_that_has_the_loader_locked_is_told(void **state)
{
    (void)state;
    release = write_byte;
    run_one(iterates, false);
    CHECK_ORDER(&reports[0], false, "reads_here", "blocks_the_loader", "iterates");
}

/* EDO_TEST_LIBRARY's constructor calls that. */
void edo_test_constructs(void);
__attribute__((visibility("default"), noinline)) void edo_test_constructs(void)
{
    reads_here();
    sink++;
}

__attribute__((noinline)) static void opens_here(void)
{
    void *library = dlopen(EDO_TEST_LIBRARY, RTLD_NOW);

    CHECK(library != NULL);
    if (!EDO_ASAN)
        dlclose(library);
}

static int opens(void *argument)
{
    (void)argument;
    opens_here();
    sink++;
    return 0;
}

static void test_a_stall_inside_of_dlopen_is_told(void **state)
{
    (void)state;
    release = write_byte;
    do /* loading alone may be a stall, where the machine has much to do */
        run_one(opens, false);
    while (!EDO_ASAN && index_of(&reports[0], "reads_here", 0) < 0);
    CHECK_ORDER(&reports[0], false, "reads_here", "edo_test_constructs", "constructs", "opens_here", "opens");
}

/* --- Handlers ----------------------------------------------------------------------------------------------------- */

static void handles_here(int signal)
{
    (void)signal;
    reads_here();
    sink++;
}

__attribute__((noinline)) static void raises_here(void)
{
    raise(SIGUSR2);
    sink++;
}

static int raises(void *argument)
{
    (void)argument;
    raises_here();
    sink++;
    return 0;
}

static void check_handler(int flags)
{
    struct sigaction action = {.sa_handler = handles_here, .sa_flags = flags};

    sigaction(SIGUSR2, &action, NULL);
    release = write_byte;
    run_one(raises, false);
    CHECK_ORDER(&reports[0], false, "reads_here", "handles_here", "raises_here", "raises");
}

static void test_a_stall_in_a_signal_handler_is_told_with_whom_it_interrupted(void **state)
{
    (void)state;
    check_handler(0);
}

static void test_a_handler_may_have_a_stack_of_its_own(void **state)
{
    (void)state;
    if (EDO_ASAN || EDO_TSAN)
        skip();
    check_handler(SA_ONSTACK);
}

/* --- Computing ---------------------------------------------------------------------------------------------------- */

/* ThreadSanitizer keeps signals back until the thread calls something that it knows. */
#define NEEDS_SIGNALS() (EDO_TSAN ? skip() : (void)0)

__attribute__((noinline)) static void computes_here(void)
{
    while (!atomic_load_explicit(&reports[0].there, memory_order_relaxed))
        sink++;
    sink++;
}

__attribute__((noinline)) static void computes_deep(int depth)
{
    volatile char room[1000];

    room[0] = (char)depth;
    if (depth > 0)
        computes_deep(depth - 1);
    else
        computes_here();
    sink += (unsigned)room[0];
}

static int computes(void *argument)
{
    (void)argument;
    computes_deep(24); /* more than is copied */
    sink++;
    return 0;
}

static void test_what_computes_is_told_with_all_its_callers_also_beyond_what_is_copied(void **state)
{
    (void)state;
    NEEDS_SIGNALS();
    run_one(computes, true);
    CHECK_ORDER(&reports[0], false, "computes_here", "computes_deep", "computes");
}

__attribute__((noinline)) static void asks_here(void)
{
    struct timespec now;

    while (!atomic_load_explicit(&reports[0].there, memory_order_relaxed))
        clock_gettime(CLOCK_MONOTONIC, &now);
    sink++;
}

static int asks(void *argument)
{
    (void)argument;
    asks_here();
    sink++;
    return 0;
}

static void test_what_asks_the_clock_all_the_time_is_told_also_in_the_vdso(void **state)
{
    (void)state;
    NEEDS_SIGNALS();
    run_one(asks, true);
    CHECK_ORDER(&reports[0], false, "asks_here", "asks");
}

#if defined(__x86_64__)
/* push rbp; mov rbp, rsp; call rdi; pop rbp; ret: what a compiler at run time leaves, without tables. */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
#elif defined(__aarch64__)
/* stp x29, x30, [sp, -16]!; mov x29, sp; blr x0; ldp x29, x30, [sp], 16; ret */
static const unsigned char code[] = {0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0x00, 0x00,
                                     0x3f, 0xd6, 0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6};
#endif

static void (*made)(void (*fn)(void));
static void (*called_by_made)(void);

static int calls_made(void *argument)
{
    (void)argument;
    made(called_by_made);
    sink++;
    return 0;
}

static void run_made(void (*fn)(void), bool computing)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    memcpy(memory, code, sizeof code);
    __builtin___clear_cache((char *)memory, (char *)memory + sizeof code);
    assert_int_equal(mprotect(memory, 4096, PROT_READ | PROT_EXEC), 0);
    memcpy(&made, &memory, sizeof made);
    called_by_made = fn;
    run_one(calls_made, computing);
    munmap(memory, 4096);
}

static void test_code_that_was_made_at_run_time_is_passed_by_its_frame_pointer(void **state)
{
    (void)state;
    NEEDS_SIGNALS();
    run_made(computes_here, true);
    CHECK_ORDER(&reports[0], false, "computes_here", "calls_made");
    assert_true(reports[0].nameless);
}

static void test_where_that_is_not_known_the_next_caller_is_guessed(void **state)
{
    (void)state;
    if (EDO_ASAN) /* its read counts its frame from a frame pointer, which is looked for where tables lead on */
        skip();
    release = write_byte;
    run_made(reads_here, false);
    CHECK_ORDER(&reports[0], true, "reads_here", "calls_made");
    assert_true(reports[0].guesses <= 1);
}

/* --- Several ------------------------------------------------------------------------------------------------------ */

static _Atomic int releases;

/* The first report blocks until all the others stall, too: they are told after it. */
static void release_at_last(int hog)
{
    (void)hog;
    if (atomic_fetch_add(&releases, 1) == 0)
        usleep(30000);
    write_byte(hog);
}

static void test_what_stalls_while_a_report_is_made_is_told_after_it(void **state)
{
    (void)state;
    hogs[0] = hogs[1] = hogs[2] = reads;
    hog_count = 3;
    release = release_at_last;
    atomic_store(&releases, 0);
    run_hogs(false);
    for (int i = 0; i < 3; i++)
        CHECK_ORDER(&reports[i], false, "reads_here", "reads_with_room", "reads");
}

/* --- Where it waited before --------------------------------------------------------------------------------------- */

static int has_slept(void *argument)
{
    (void)argument;
    CHECK_RC(edo_sleep(EDO_MS(1)), 0);
    reads_here();
    return 0;
}

__attribute__((noinline)) static int waits_in_a_read(edo_stream *stream)
{
    char byte;
    int rc = (int)edo_read(stream, &byte, 1);

    sink++;
    return rc;
}

/* Its stream has a byte when it has waited for it. */
static edo_stream *streams[2];

static int has_read(void *argument)
{
    (void)argument;
    CHECK_RC(waits_in_a_read(streams[0]), 1);
    reads_here();
    return 0;
}

static int writes(void *argument)
{
    (void)argument;
    CHECK_RC(edo_write_all(streams[1], "x", 1), 1);
    return 0;
}

static int has_read_beside_writer(void *argument)
{
    int pair[2];
    int rc = 0;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_RC(edo_stream_from_fd(&streams[0], pair[0]), 0);
    CHECK_RC(edo_stream_from_fd(&streams[1], pair[1]), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, writes, argument), 0);
        CHECK_RC(has_read(argument), 0);
    }
    edo_close(streams[0]);
    edo_close(streams[1]);
    return rc;
}

static void test_where_it_last_waited_is_told(void **state)
{
    (void)state;
    if (EDO_ASAN || EDO_TSAN) /* they make functions larger than compilers inline */
        skip();
    release = write_byte;
    run_one(reads, false);
    assert_string_equal(reports[0].waited, "");
    run_one(has_slept, false);
    assert_string_equal(reports[0].waited, "has_slept");
    run_one(has_read_beside_writer, false);
    assert_string_equal(reports[0].waited, "waits_in_a_read");
}

/* --- Parked ------------------------------------------------------------------------------------------------------- */

static char dumped[16384];

static int take(void *argument, const char *text, size_t size)
{
    (void)argument;
    strncat(dumped, text, size < sizeof dumped - strlen(dumped) - 1 ? size : sizeof dumped - strlen(dumped) - 1);
    return 0;
}

__attribute__((noinline)) static int waits_here(edo_semaphore *semaphore)
{
    int rc = edo_semaphore_acquire(semaphore, 1);

    sink++;
    return rc;
}

static int waits(void *argument)
{
    int rc = waits_here((edo_semaphore *)argument);

    sink++;
    return rc;
}

static int parks(void *argument)
{
    edo_semaphore semaphore;
    int rc = 0;

    (void)argument;
    edo_semaphore_init(&semaphore, 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, waits, &semaphore), 0);
        edo_sleep(EDO_MS(1));
        CHECK_RC(edo_dump(-1, EDO_OPTIONS(edo_dump_options, .backtraces = true, .write = take)), 0);
        edo_semaphore_release(&semaphore, 1);
    }
    return rc;
}

static void test_a_parked_task_is_told_with_all_its_callers(void **state)
{
    static const char *const order[] = {"semaphore", "waits_here+0x", "waits+0x", "edo_task_main+0x"};
    const char *at = dumped;

    (void)state;
    if (!BACKTRACES)
        skip();
    dumped[0] = '\0';
    assert_int_equal(run_with(parks, NULL, NULL), 0);
    for (size_t i = 0; i < EDO_COUNT(order); i++) {
        at = strstr(at, order[i]);
        if (!at)
            fail_msg("no %s in its place:\n%s", order[i], dumped);
    }
    assert_null(strstr(dumped, "it is not known"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_read_is_told_with_all_its_callers),
        TEST(test_what_was_jumped_to_is_told_with_all_its_callers),
        TEST(test_a_nanosleep_is_told_with_all_its_callers),
        TEST(test_a_callback_of_qsort_is_told_with_all_its_callers),
        TEST(test_a_stall_that_has_the_heap_locked_is_told),
        TEST(test_a_stall_that_waits_for_the_heap_is_told),
        TEST(test_a_stall_that_has_the_loader_locked_is_told),
        TEST(test_a_stall_inside_of_dlopen_is_told),
        TEST(test_a_stall_in_a_signal_handler_is_told_with_whom_it_interrupted),
        TEST(test_a_handler_may_have_a_stack_of_its_own),
        TEST(test_what_computes_is_told_with_all_its_callers_also_beyond_what_is_copied),
        TEST(test_what_asks_the_clock_all_the_time_is_told_also_in_the_vdso),
        TEST(test_code_that_was_made_at_run_time_is_passed_by_its_frame_pointer),
        TEST(test_where_that_is_not_known_the_next_caller_is_guessed),
        TEST(test_what_stalls_while_a_report_is_made_is_told_after_it),
        TEST(test_where_it_last_waited_is_told),
        TEST(test_a_parked_task_is_told_with_all_its_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
