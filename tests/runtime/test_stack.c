/* SPDX-License-Identifier: MIT */
/* The pool of stacks (K1): slabs, promises, lists and caps, finding, the census (K2), and many threads at once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "runtime/context.h"
#include "runtime/stack.h"

#ifndef EDO_TEST_SCALE
#define EDO_TEST_SCALE 1
#endif

/* Where every mapping and every access is watched, fewer stacks must do, and memory can't be counted. */
static bool is_checked(void)
{
    return EDO_ASAN || EDO_TSAN || EDO_TEST_SCALE > 1 || edo_on_valgrind();
}

enum { USUAL = EDO_STACK_CLASS_DEFAULT };

/* A number in a file of /proc: how many lines, or the first number behind `key`. */
static long lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    long lines = 0;
    int c;

    assert_non_null(file);
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static long status_of(const char *key)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long value = -1;

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    fclose(file);
    return value;
}

/* Whether the kernel may read the byte. */
static bool readable(const void *address)
{
    int pipe_ends[2];
    bool is;

    assert_int_equal(pipe(pipe_ends), 0);
    edo_valgrind_look_away();
    is = write(pipe_ends[1], address, 1) == 1;
    edo_valgrind_look_again();
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return is;
}

static struct edo_stack *get_one(struct edo_stack_pool *pool, int size_class)
{
    struct edo_stack *stack;

    assert_int_equal(edo_stack_pool_get(&stack, 1, pool, size_class), 1);
    return stack;
}

static void put_one(struct edo_stack_pool *pool, struct edo_stack *stack)
{
    edo_stack_pool_put(pool, &stack, 1);
}

/* How many of the stack's pages are in memory. */
static int resident_pages(struct edo_stack *stack)
{
    static unsigned char pages[8 << 20 >> 12];
    int count = 0;

    assert_int_equal(edo_platform->mincore(stack->low, stack->size, pages), 0);
    for (size_t i = 0; i < stack->size / edo_page_size(); i++)
        count += pages[i] & 1;
    return count;
}

/* --- Classes ------------------------------------------------------------------------------------------------------ */

static void test_k1_sizes_are_rounded_up_to_a_class(void **state)
{
    int least = edo_stack_class_for(1);

    (void)state;
    assert_true(edo_stack_class_size(least) >= 4 * edo_page_size());
    assert_int_equal(edo_stack_class_for(0), edo_stack_class_for(256 << 10));
    assert_true(edo_stack_class_size(edo_stack_class_for(0)) >= 256 << 10);
    assert_int_equal(edo_stack_class_for((256 << 10) + 1), edo_stack_class_for(256 << 10) + 1);
    assert_true(edo_stack_class_size(edo_stack_class_for(8 << 20)) == 8 << 20);
    assert_int_equal(edo_stack_class_for((8 << 20) + 1), -EINVAL);
    assert_int_equal(edo_stack_class_for(SIZE_MAX), -EINVAL);
}

static void test_k1_a_class_that_does_not_exist_is_refused(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stack;

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_get(&stack, 1, &pool, -1), -EINVAL);
    assert_int_equal(edo_stack_pool_get(&stack, 1, &pool, EDO_STACK_CLASSES), -EINVAL);
    assert_int_equal(edo_stack_pool_get(&stack, 0, &pool, 0), -EINVAL);
    assert_int_equal(edo_stack_pool_reserve(&pool, EDO_STACK_CLASSES, 1), -EINVAL);
    edo_stack_pool_finish(&pool);
}

static void test_k1_stacks_of_all_classes_are_usable_to_their_ends(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[EDO_STACK_CLASSES][3];

    (void)state;
    fake_kernel_begin();
    edo_stack_pool_init(&pool, NULL);
    for (int i = 0; i < EDO_STACK_CLASSES; i++) {
        for (int j = 0; j < 3; j++) {
            struct edo_stack *stack = stacks[i][j] = get_one(&pool, i);

            assert_int_equal(stack->size_class, i);
            assert_int_equal(stack->size + edo_page_size(), edo_stack_class_size(i));
            assert_null(stack->owner);
            memset(stack->low, 1 + i * 3 + j, 64);
            memset((char *)stack->low + stack->size - 64, 1 + i * 3 + j, 64);
            assert_false(readable((char *)stack->low - 1));
            assert_false(readable((char *)stack->low - edo_page_size()));
        }
    }
    for (int i = 0; i < EDO_STACK_CLASSES; i++) {
        for (int j = 0; j < 3; j++) {
            assert_int_equal(((char *)stacks[i][j]->low)[0], 1 + i * 3 + j);
            assert_int_equal(((char *)stacks[i][j]->low)[stacks[i][j]->size - 1], 1 + i * 3 + j);
        }
        edo_stack_pool_put(&pool, stacks[i], 3);
    }
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k1_neighbours_start_at_different_colours(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[EDO_STACK_COLOURS];
    int seen[EDO_STACK_COLOURS] = {0};

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    for (int i = 0; i < EDO_STACK_COLOURS; i++) {
        size_t colour;

        stacks[i] = get_one(&pool, USUAL);
        colour = edo_stack_colour(stacks[i]);
        assert_int_equal(colour % 64, 0);
        assert_true(colour < 2048);
        seen[colour / 64]++;
    }
    for (int i = 0; i < EDO_STACK_COLOURS; i++)
        assert_int_equal(seen[i], 1);
    edo_stack_pool_put(&pool, stacks, EDO_STACK_COLOURS);
    edo_stack_pool_finish(&pool);
}

/* --- Slabs -------------------------------------------------------------------------------------------------------- */

static void test_k1_many_stacks_take_few_mappings(void **state)
{
    int count = is_checked() ? 2000 : 100000;
    struct edo_stack **stacks = calloc((size_t)count, sizeof(struct edo_stack *));
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    long before = lines_of("/proc/self/maps");

    (void)state;
    assert_non_null(stacks);
    edo_stack_pool_init(&pool, NULL);
    stacks[0] = get_one(&pool, USUAL);
    if (stacks[0]->guard != EDO_STACK_GUARD_MARKED)
        count = 2000; /* the budget would not do */
    for (int i = 1; i < count; i++)
        stacks[i] = get_one(&pool, USUAL);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.in_use, count);
    assert_true(stats.mapped >= (size_t)count << 18);
    if (stacks[0]->guard == EDO_STACK_GUARD_MARKED)
        assert_in_range(stats.mappings, 1, 100);
    if (stacks[0]->guard == EDO_STACK_GUARD_MARKED && !is_checked())
        assert_in_range(lines_of("/proc/self/maps") - before, 1, 100);
    edo_stack_pool_put(&pool, stacks, count);
    edo_stack_pool_finish(&pool);
    if (!is_checked())
        assert_in_range(lines_of("/proc/self/maps"), 0, before + 2);
    free(stacks);
}

static void test_k5_stacks_promised_but_not_used_cost_next_to_nothing(void **state)
{
    size_t count = is_checked() ? 10000 : 1000000;
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stack;
    long before = lines_of("/proc/self/maps");
    long resident;
    bool free_guards;

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    stack = get_one(&pool, USUAL);
    free_guards = stack->guard == EDO_STACK_GUARD_MARKED;
    put_one(&pool, stack);
    if (!free_guards) {
        edo_stack_pool_finish(&pool);
        skip(); /* the budget would not do */
    }
    resident = status_of("VmRSS:");
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, count), 0);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.reserved, count);
    assert_true(stats.stacks >= count);
    assert_in_range(stats.mappings, 1, 300);
    if (!is_checked()) {
        assert_in_range(lines_of("/proc/self/maps") - before, 1, 300);
        assert_in_range(status_of("VmRSS:") - resident, 0, 2048); /* KiB */
    }
    edo_stack_pool_unreserve(&pool, USUAL, count);
    edo_stack_pool_finish(&pool);
}

static void test_k1_slabs_shrink_where_address_space_is_short(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[20];

    (void)state;
    fake_kernel_begin();
    fake.map_most = 1 << 20; /* room for three stacks and their descriptors at once */
    edo_stack_pool_init(&pool, NULL);
    for (int i = 0; i < 20; i++)
        stacks[i] = get_one(&pool, USUAL);
    edo_stack_pool_put(&pool, stacks, 20);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_f1_no_address_space_is_an_error_with_a_text(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stack = NULL;
    char text[256];

    (void)state;
    fake_kernel_begin();
    fake.map_most = 4096;
    edo_stack_pool_init(&pool, NULL);
    assert_string_equal(edo_stack_error_text(text, sizeof text, &pool), "");
    assert_int_equal(edo_stack_pool_get(&stack, 1, &pool, USUAL), -ENOMEM);
    assert_non_null(strstr(edo_stack_error_text(text, sizeof text, &pool), "256 KiB"));
    assert_non_null(strstr(text, "ulimit -v"));
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1), -ENOMEM);
    fake.map_most = 0;
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1), 0);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

/* --- Promises ----------------------------------------------------------------------------------------------------- */

static void test_k5_what_is_reserved_can_be_got_without_new_mappings(void **state)
{
    enum { COUNT = 300 };
    static struct edo_stack *stacks[COUNT];
    struct edo_stack_pool pool;

    (void)state;
    fake_kernel_begin();
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, COUNT), 0);
    fake.map_most = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT;) {
            int got = edo_stack_pool_get(stacks + i, COUNT - i < 7 ? COUNT - i : 7, &pool, USUAL);

            assert_in_range(got, 1, 7);
            i += got;
        }
        for (int i = 0; i < COUNT; i += 10)
            edo_stack_pool_put(&pool, stacks + i, 10);
    }
    edo_stack_pool_unreserve(&pool, USUAL, COUNT);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k5_a_refused_reservation_changes_nothing(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    size_t before;

    (void)state;
    fake_kernel_begin();
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 10), 0);
    edo_stack_pool_stats(&stats, &pool);
    before = stats.mapped;
    fake.maps_left = 2;
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 100000), -ENOMEM);
    assert_int_equal(fake.maps_left, 0);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.mapped, before);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1000), -ENOMEM);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.mapped, before);
    assert_int_equal(stats.reserved, 10);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, stats.stacks - 10), 0);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1), -ENOMEM);
    edo_stack_pool_unreserve(&pool, USUAL, 1);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1), 0);
    edo_stack_pool_unreserve(&pool, USUAL, stats.stacks);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

/* --- Lists and caps ----------------------------------------------------------------------------------------------- */

static void test_k5_the_last_stack_put_is_the_first_got(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[5];

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    for (int i = 0; i < 5; i++)
        stacks[i] = get_one(&pool, 0);
    stacks[3]->owner = &pool;
    edo_stack_pool_put(&pool, stacks, 5);
    for (int i = 4; i >= 0; i--) {
        assert_ptr_equal(get_one(&pool, 0), stacks[i]);
        assert_null(stacks[i]->owner);
    }
    edo_stack_pool_put(&pool, stacks, 5);
    edo_stack_pool_finish(&pool);
}

static void test_k5_cached_stacks_over_the_cap_are_given_back_in_batches(void **state)
{
    enum { COUNT = 64, CAP = 8 };
    struct edo_stack_options options = {.resident_cap = CAP * edo_stack_class_size(0)};
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[COUNT];
    int resident = 0;

    (void)state;
    fake_kernel_begin();
    edo_stack_pool_init(&pool, &options);
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = get_one(&pool, 0);
        memset(stacks[i]->low, 1, stacks[i]->size);
    }
    for (int i = 0; i < COUNT; i += 16)
        edo_stack_pool_put(&pool, stacks + i, 16);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.resident_cached, CAP);
    assert_int_equal(stats.cold_cached, COUNT - CAP);
    assert_int_equal(stats.given_back, COUNT - CAP);
    /* Neighbours go in one call: 4 puts. */
    assert_in_range(atomic_load(&fake.give_backs), 1, 4);
    for (int i = 0; i < COUNT; i++) {
        resident += resident_pages(stacks[i]) > 0;
        assert_int_equal(readable((char *)stacks[i]->low - 1), false);
    }
    assert_int_equal(resident, CAP);
    /* Those with pages first, then those without, which are zero. */
    for (int i = 0; i < COUNT; i++) {
        struct edo_stack *stack = get_one(&pool, 0);

        assert_int_equal(*(char *)stack->low, i < CAP ? 1 : 0);
    }
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.in_use, COUNT);
    edo_stack_pool_put(&pool, stacks, COUNT);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k5_neighbours_are_given_back_together_in_either_order(void **state)
{
    struct edo_stack_options options = {.resident_cap = 1};
    struct edo_stack_pool pool;
    struct edo_stack *stacks[16];
    struct edo_stack *backwards[16];

    (void)state;
    fake_kernel_begin();
    edo_stack_pool_init(&pool, &options);
    for (int i = 0; i < 16; i++) {
        stacks[i] = backwards[15 - i] = get_one(&pool, 2);
        memset(stacks[i]->low, 1, stacks[i]->size);
    }
    edo_stack_pool_put(&pool, backwards, 16);
    assert_int_equal(atomic_load(&fake.give_backs), 1);
    for (int i = 0; i < 16; i++)
        assert_int_equal(resident_pages(stacks[i]), 0);
    for (int i = 0; i < 16; i++)
        assert_non_null(get_one(&pool, 2));
    /* Every other one: nothing that is in use may be touched. */
    for (int i = 0; i < 16; i++)
        memset(stacks[i]->low, 2, stacks[i]->size);
    for (int i = 0; i < 16; i += 2)
        put_one(&pool, stacks[i]);
    assert_int_equal(atomic_load(&fake.give_backs), 1 + 8);
    for (int i = 1; i < 16; i += 2)
        for (size_t j = 0; j < stacks[i]->size; j += edo_page_size())
            assert_int_equal(((char *)stacks[i]->low)[j], 2);
    for (int i = 1; i < 16; i += 2)
        put_one(&pool, stacks[i]);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k5_a_few_stacks_stay_resident_by_default(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[100];

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    for (int i = 0; i < 100; i++)
        stacks[i] = get_one(&pool, USUAL);
    edo_stack_pool_put(&pool, stacks, 100);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.resident_cached, 100);
    assert_int_equal(stats.given_back, 0);
    edo_stack_pool_finish(&pool);
}

static void go_home_at_once(void *baton)
{
    struct edo_context *contexts = baton;

    edo_tsan_acquire(contexts);
    for (;;)
        edo_context_switch(&contexts[0], &contexts[1], NULL);
}

/* ucontext keeps its large records there, on some machines over 4 KiB each. */
#ifdef EDO_CONTEXT_UCONTEXT
enum { IDLE_PAGES = 3 };
#else
enum { IDLE_PAGES = 1 };
#endif

static void test_k1_an_idle_task_touches_one_page(void **state)
{
    struct edo_context contexts[2];
    struct edo_stack_pool pool;
    struct edo_stack *stacks[EDO_STACK_COLOURS];

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    edo_context_adopt(&contexts[1]);
    for (int i = 0; i < EDO_STACK_COLOURS; i++) {
        struct edo_stack *stack = stacks[i] = get_one(&pool, USUAL);

        edo_context_prepare(&contexts[0], stack->low, stack->size, edo_stack_colour(stack), go_home_at_once);
        edo_tsan_release(contexts);
        edo_context_switch(&contexts[1], &contexts[0], contexts);
        if (!is_checked())
            assert_in_range(resident_pages(stack), 1, IDLE_PAGES);
        edo_context_finish(&contexts[0]);
    }
    edo_context_forget(&contexts[1]);
    edo_stack_pool_put(&pool, stacks, EDO_STACK_COLOURS);
    edo_stack_pool_finish(&pool);
}

/* --- Finding ------------------------------------------------------------------------------------------------------ */

static void test_k2_a_stack_is_found_by_any_address_of_its_slot(void **state)
{
    struct edo_stack_pool pools[2];
    struct edo_stack *stacks[2][70];
    char *gone;

    (void)state;
    for (int i = 0; i < 2; i++) {
        edo_stack_pool_init(&pools[i], NULL);
        for (int j = 0; j < 70; j++) /* more than one slab */
            stacks[i][j] = get_one(&pools[i], i);
    }
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 70; j++) {
            char *low = stacks[i][j]->low;

            assert_ptr_equal(edo_stack_find(low - edo_page_size()), stacks[i][j]);
            assert_ptr_equal(edo_stack_find(low - 1), stacks[i][j]);
            assert_ptr_equal(edo_stack_find(low), stacks[i][j]);
            assert_ptr_equal(edo_stack_find(low + stacks[i][j]->size - 1), stacks[i][j]);
        }
    }
    assert_null(edo_stack_find(NULL));
    assert_null(edo_stack_find(&pools));
    assert_null(edo_stack_find(stacks[0][0])); /* the descriptors lie above the stacks */
    /* A slot that was never handed out is nobody's. */
    assert_null(edo_stack_find((char *)stacks[0][69]->low + stacks[0][69]->size + edo_page_size()));
    gone = stacks[0][0]->low;
    for (int i = 0; i < 2; i++) {
        edo_stack_pool_put(&pools[i], stacks[i], 70);
        edo_stack_pool_finish(&pools[i]);
    }
    assert_null(edo_stack_find(gone));
}

/* --- Census ------------------------------------------------------------------------------------------------------- */

static void test_k2_high_water_is_the_lowest_byte_ever_written(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stack;
    char *top;
    volatile char seen;

    (void)state;
    edo_stack_pool_init(&pool, NULL);
    stack = get_one(&pool, USUAL);
    top = (char *)stack->low + stack->size;
    assert_int_equal(edo_stack_high_water(stack), 0);
    top[-1] = 1;
    assert_int_equal(edo_stack_high_water(stack), 1);
    top[-5001] = 1;
    assert_int_equal(edo_stack_high_water(stack), 5001);
    seen = top[-50000]; /* read only */
    (void)seen;
    assert_int_equal(edo_stack_high_water(stack), 5001);
    top[-100003] = 1;
    top[-100003] = 0; /* the page is there, but holds nothing */
    assert_int_equal(edo_stack_high_water(stack), 5001);
    top[-100000] = 1;
    assert_int_equal(edo_stack_high_water(stack), 100000);
    *(char *)stack->low = 1;
    assert_int_equal(edo_stack_high_water(stack), stack->size);
    edo_stack_scrub(stack);
    assert_int_equal(edo_stack_high_water(stack), 0);
    assert_false(readable((char *)stack->low - 1));
    put_one(&pool, stack);

    stack = get_one(&pool, EDO_STACK_CLASSES - 1); /* more pages than are asked for at once */
    top = (char *)stack->low + stack->size;
    top[-1] = 1;
    top[-(3 << 20)] = 1;
    assert_int_equal(edo_stack_high_water(stack), 3 << 20);
    put_one(&pool, stack);
    edo_stack_pool_finish(&pool);
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

enum { THREADS = 4, HELD = 24, ROUNDS = 400 / EDO_TEST_SCALE };

static struct edo_stack_pool shared_pool;
static atomic_int taken_twice;
static atomic_int promises_broken;
static atomic_bool no_maps;

/* Once told, the pool gets one slab more and then none, so that reservations fail halfway. */
static int map_until_told(void **out, size_t size, int protection, int flags)
{
    static atomic_uint calls;

    if (atomic_load(&no_maps) && atomic_fetch_add(&calls, 1) % 16 != 15)
        return -ENOMEM;
    return edo_platform_system.map(out, size, protection, flags);
}

/* Reserves, gets and puts at random. What it holds, it writes to: nobody else may have it, or give its pages back. */
static void *use_stacks(void *argument)
{
    struct edo_stack *held[HELD];
    uint64_t random = (uintptr_t)argument + 1;
    int self = (int)(uintptr_t)argument;
    int count = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int wanted;

        random = random * 6364136223846793005u + 1442695040888963407u;
        wanted = (int)(random >> 33) % (HELD + 1);
        while (count > wanted) {
            int some = count - wanted < 5 ? count - wanted : 5;

            for (int i = count - some; i < count; i++)
                if (*(int *)held[i]->low != self * 1000 + i || held[i]->owner != (void *)&held[i])
                    atomic_fetch_add(&taken_twice, 1);
            edo_stack_pool_put(&shared_pool, held + count - some, some);
            count -= some;
        }
        while (count < wanted) {
            int some = wanted - count < 5 ? wanted - count : 5;
            int got = edo_stack_pool_get(held + count, some, &shared_pool, 0);

            if (got < 1) {
                atomic_fetch_add(&promises_broken, 1);
                break;
            }
            for (int i = count; i < count + got; i++) {
                *(int *)held[i]->low = self * 1000 + i;
                held[i]->owner = (void *)&held[i];
            }
            count += got;
        }
        if (edo_stack_find(&random))
            atomic_fetch_add(&taken_twice, 1);
        /* Others' promises stand whether this one is made or, halfway, not. */
        if (random >> 60 == 0 && edo_stack_pool_reserve(&shared_pool, 0, 5000) == 0)
            edo_stack_pool_unreserve(&shared_pool, 0, 5000);
        if (random >> 60 == 1 && edo_stack_pool_reserve(&shared_pool, 0, 10) == 0)
            edo_stack_pool_unreserve(&shared_pool, 0, 10);
    }
    edo_stack_pool_put(&shared_pool, held, count);
    return NULL;
}

static void test_k5_promises_hold_while_others_have_pages_given_back(void **state)
{
    struct edo_stack_options options = {.resident_cap = 10 * edo_stack_class_size(0)};
    struct edo_platform table = edo_platform_system;
    struct edo_stack_stats stats;
    pthread_t threads[THREADS];

    (void)state;
    table.map = map_until_told;
    edo_platform = &table;
    edo_stack_pool_init(&shared_pool, &options);
    assert_int_equal(edo_stack_pool_reserve(&shared_pool, 0, THREADS * HELD), 0);
    atomic_store(&no_maps, true);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_stacks, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&no_maps, false);
    edo_stack_pool_stats(&stats, &shared_pool);
    assert_int_equal(atomic_load(&taken_twice), 0);
    assert_int_equal(atomic_load(&promises_broken), 0);
    assert_int_equal(stats.in_use, 0);
    assert_true(stats.given_back > 0);
    edo_stack_pool_unreserve(&shared_pool, 0, THREADS * HELD);
    edo_stack_pool_finish(&shared_pool);
    edo_platform = &edo_platform_system;
}

static atomic_bool asked;

static void *get_one_late(void *argument)
{
    struct edo_stack **out = argument;

    atomic_store(&asked, true);
    if (edo_stack_pool_get(out, 1, &shared_pool, 0) != 1)
        *out = NULL;
    return NULL;
}

static pthread_t late_thread;
static struct edo_stack *late_stack;

/* While pages are given back, another thread wants a stack, and gets the time to find the lists empty. */
static int advise_and_ask(void *address, size_t size, int advice)
{
    if (advice == MADV_DONTNEED && !atomic_load(&asked)) {
        assert_int_equal(pthread_create(&late_thread, NULL, get_one_late, &late_stack), 0);
        while (!atomic_load(&asked))
            sched_yield();
        usleep(20000);
    }
    return edo_platform_system.advise(address, size, advice);
}

static void test_k5_a_promise_holds_while_all_stacks_are_given_back(void **state)
{
    enum { COUNT = 64 };
    struct edo_stack_options options = {.resident_cap = 1};
    struct edo_platform table = edo_platform_system;
    struct edo_stack *stacks[COUNT];

    (void)state;
    table.map = map_until_told;
    table.advise = advise_and_ask;
    edo_platform = &table;
    edo_stack_pool_init(&shared_pool, &options);
    assert_int_equal(edo_stack_pool_reserve(&shared_pool, 0, COUNT), 0);
    for (int i = 0; i < COUNT; i++)
        stacks[i] = get_one(&shared_pool, 0);
    atomic_store(&no_maps, true);
    edo_stack_pool_put(&shared_pool, stacks, COUNT);
    assert_true(atomic_load(&asked));
    pthread_join(late_thread, NULL);
    atomic_store(&no_maps, false);
    assert_non_null(late_stack);
    put_one(&shared_pool, late_stack);
    edo_stack_pool_unreserve(&shared_pool, 0, COUNT);
    edo_stack_pool_finish(&shared_pool);
    edo_platform = &edo_platform_system;
}

static void *make_pools(void *argument)
{
    for (int round = 0; round < 200 / EDO_TEST_SCALE; round++) {
        struct edo_stack_pool pool;
        struct edo_stack *stacks[3];
        struct edo_stack *beyond;
        int got;

        edo_stack_pool_init(&pool, NULL);
        if (edo_stack_pool_reserve(&pool, 1, 100) < 0 || (got = edo_stack_pool_get(stacks, 3, &pool, 1)) < 1)
            return argument;
        beyond = edo_stack_find((char *)stacks[0]->low - 1);
        if (beyond != stacks[0])
            return argument;
        edo_stack_pool_put(&pool, stacks, got);
        edo_stack_pool_unreserve(&pool, 1, 100);
        edo_stack_pool_finish(&pool);
    }
    return NULL;
}

static void test_k2_finding_works_while_slabs_come_and_go(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_pools, &shared_pool), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k1_sizes_are_rounded_up_to_a_class),
        cmocka_unit_test(test_k1_a_class_that_does_not_exist_is_refused),
        cmocka_unit_test(test_k1_stacks_of_all_classes_are_usable_to_their_ends),
        cmocka_unit_test(test_k1_neighbours_start_at_different_colours),
        cmocka_unit_test(test_k1_many_stacks_take_few_mappings),
        cmocka_unit_test(test_k5_stacks_promised_but_not_used_cost_next_to_nothing),
        cmocka_unit_test(test_k1_slabs_shrink_where_address_space_is_short),
        cmocka_unit_test(test_f1_no_address_space_is_an_error_with_a_text),
        cmocka_unit_test(test_k5_what_is_reserved_can_be_got_without_new_mappings),
        cmocka_unit_test(test_k5_a_refused_reservation_changes_nothing),
        cmocka_unit_test(test_k5_the_last_stack_put_is_the_first_got),
        cmocka_unit_test(test_k5_cached_stacks_over_the_cap_are_given_back_in_batches),
        cmocka_unit_test(test_k5_neighbours_are_given_back_together_in_either_order),
        cmocka_unit_test(test_k5_a_few_stacks_stay_resident_by_default),
        cmocka_unit_test(test_k1_an_idle_task_touches_one_page),
        cmocka_unit_test(test_k2_a_stack_is_found_by_any_address_of_its_slot),
        cmocka_unit_test(test_k2_high_water_is_the_lowest_byte_ever_written),
        cmocka_unit_test(test_k5_promises_hold_while_others_have_pages_given_back),
        cmocka_unit_test(test_k5_a_promise_holds_while_all_stacks_are_given_back),
        cmocka_unit_test(test_k2_finding_works_while_slabs_come_and_go),
    };

    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
