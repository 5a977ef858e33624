/* SPDX-License-Identifier: MIT */
/*
 * Guard pages on kernels of all kinds (K1): every rung of the ladder, strict commit accounting, and refusals anywhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "platform/sanitizer.h"
#include "runtime/stack.h"

enum { USUAL = EDO_STACK_CLASS_DEFAULT };

/* Whether the kernel may read or write the byte. */
static bool usable(void *address)
{
    int pipe_ends[2];
    bool is;

    assert_int_equal(pipe(pipe_ends), 0);
    edo_valgrind_look_away();
    is = write(pipe_ends[1], address, 1) == 1 && read(pipe_ends[0], address, 1) == 1;
    edo_valgrind_look_again();
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return is;
}

static bool is_guarded(struct edo_stack *stack)
{
    return usable(stack->low) && usable((char *)stack->low + stack->size - 1) && !usable((char *)stack->low - 1) &&
           !usable((char *)stack->low - edo_page_size());
}

static bool marks_work(void)
{
    struct edo_stack_pool pool;
    struct edo_stack *stack;
    bool work;

    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_get(&stack, 1, &pool, 0), 1);
    work = stack->guard == EDO_STACK_GUARD_MARKED;
    edo_stack_pool_put(&pool, &stack, 1);
    edo_stack_pool_finish(&pool);
    return work;
}

/* Gets up to `count` stacks one by one and returns how many; *rc is what the last call answered. */
static int get_many(int *rc, struct edo_stack **stacks, int count, struct edo_stack_pool *pool, int size_class)
{
    int got = 0;

    while (got < count && (*rc = edo_stack_pool_get(stacks + got, 1, pool, size_class)) == 1)
        got++;
    return got;
}

/* --- Rung 1 ------------------------------------------------------------------------------------------------------- */

static void test_k1_guards_are_marked_at_the_first_get_only(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[10];
    long probes;
    int rc;

    (void)state;
    fake_kernel_begin();
    if (!marks_work())
        skip();
    edo_stack_pool_init(&pool, NULL);
    probes = atomic_load(&fake.marks);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 50), 0);
    assert_int_equal(atomic_load(&fake.marks), probes);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(get_many(&rc, stacks, 10, &pool, USUAL), 10);
        assert_int_equal(atomic_load(&fake.marks), probes + 10);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(stacks[i]->guard, EDO_STACK_GUARD_MARKED);
            assert_true(is_guarded(stacks[i]));
            edo_stack_scrub(stacks[i]);
            assert_true(is_guarded(stacks[i]));
        }
        edo_stack_pool_put(&pool, stacks, 10);
    }
    assert_int_equal(atomic_load(&fake.protects), 0);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

/* --- Rung 2 ------------------------------------------------------------------------------------------------------- */

static void protected_stacks(int mark_answer)
{
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[100];
    int rc;

    fake_kernel_begin();
    fake.mark_answer = mark_answer;
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(get_many(&rc, stacks, 100, &pool, USUAL), 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(stacks[i]->guard, EDO_STACK_GUARD_PROTECTED);
        assert_true(is_guarded(stacks[i]));
        edo_stack_scrub(stacks[i]);
        assert_true(is_guarded(stacks[i]));
    }
    edo_stack_pool_stats(&stats, &pool);
    assert_in_range(stats.mappings, 200, 210);
    assert_int_equal(atomic_load(&fake.protects), 100);
    edo_stack_pool_put(&pool, stacks, 100);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k1_guards_are_protected_where_marks_are_unknown(void **state)
{
    (void)state;
    protected_stacks(-EINVAL);
}

static void test_k1_a_mark_that_is_accepted_but_not_made_is_not_believed(void **state)
{
    (void)state;
    protected_stacks(0);
}

static void test_k1_protected_guards_stay_within_the_budget(void **state)
{
    struct edo_stack_pool pools[2];
    struct edo_stack *stacks[2][30];
    char text[256];
    int rc;

    (void)state;
    fake_kernel_begin();
    fake.mark_answer = -EINVAL;
    fake.map_count = "100\n"; /* 45 % are 45 mappings: 22 guards */
    edo_stack_pool_init(&pools[0], NULL);
    edo_stack_pool_init(&pools[1], NULL);
    assert_int_equal(get_many(&rc, stacks[0], 10, &pools[0], USUAL), 10);
    /* One budget for the whole process. */
    assert_int_equal(get_many(&rc, stacks[1], 30, &pools[1], USUAL), 12);
    assert_int_equal(rc, -ENOMEM);
    edo_stack_error_text(text, sizeof text, &pools[1]);
    assert_non_null(strstr(text, "vm.max_map_count = 100"));
    assert_non_null(strstr(text, "22"));
    assert_non_null(strstr(text, "Linux 6.13"));
    assert_non_null(strstr(text, "allow unguarded stacks"));
    assert_int_equal(edo_stack_pool_reserve(&pools[0], USUAL, 11), -ENOMEM);
    assert_int_equal(edo_stack_pool_reserve(&pools[0], USUAL, 10), 0);
    edo_stack_pool_unreserve(&pools[0], USUAL, 10);
    /* What is put can be got again. */
    edo_stack_pool_put(&pools[1], stacks[1], 12);
    assert_int_equal(get_many(&rc, stacks[1], 30, &pools[1], USUAL), 12);
    edo_stack_pool_put(&pools[1], stacks[1], 12);
    edo_stack_pool_finish(&pools[1]);
    /* And what a pool had, another can have. */
    assert_int_equal(get_many(&rc, stacks[0] + 10, 20, &pools[0], USUAL), 12);
    edo_stack_pool_put(&pools[0], stacks[0], 22);
    edo_stack_pool_finish(&pools[0]);
    fake_kernel_end();
}

static void test_k5_a_reservation_takes_its_guards_from_the_budget(void **state)
{
    struct edo_stack_pool pools[2];
    struct edo_stack *stacks[30];
    int rc;

    (void)state;
    fake_kernel_begin();
    fake.mark_answer = -EINVAL;
    fake.map_count = "100\n";
    edo_stack_pool_init(&pools[0], NULL);
    edo_stack_pool_init(&pools[1], NULL);
    assert_int_equal(edo_stack_pool_reserve(&pools[1], USUAL, 23), -ENOMEM);
    assert_int_equal(edo_stack_pool_reserve(&pools[0], USUAL, 20), 0);
    assert_int_equal(get_many(&rc, stacks, 30, &pools[1], USUAL), 2);
    edo_stack_pool_put(&pools[1], stacks, 2);
    edo_stack_pool_finish(&pools[1]);
    assert_int_equal(get_many(&rc, stacks, 20, &pools[0], USUAL), 20);
    edo_stack_pool_put(&pools[0], stacks, 20);
    edo_stack_pool_unreserve(&pools[0], USUAL, 20);
    edo_stack_pool_finish(&pools[0]);
    fake_kernel_end();
}

static void test_k1_without_proc_the_kernels_default_is_assumed(void **state)
{
    size_t max_map_count;

    (void)state;
    fake_kernel_begin();
    fake.map_count = "";
    assert_int_equal(edo_stack_guard_budget(&max_map_count), 65530 * 45 / 100 / 2);
    assert_int_equal(max_map_count, 65530);
    edo_stack_guard_forget();
    fake.map_count = "1048576\n";
    assert_int_equal(edo_stack_guard_budget(&max_map_count), 1048576 * 45L / 100 / 2);
    edo_stack_guard_forget();
    fake.map_count = "nonsense\n";
    assert_int_equal(edo_stack_guard_budget(&max_map_count), 65530 * 45 / 100 / 2);
    fake_kernel_end();
}

/* --- Between the two: locked memory ------------------------------------------------------------------------------- */

static void test_k5_promised_stacks_get_guards_though_marks_cease_to_work(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[40];
    int rc;

    (void)state;
    fake_kernel_begin();
    if (!marks_work())
        skip();
    fake.map_count = "40\n"; /* 9 guards */
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 40), 0);
    assert_int_equal(get_many(&rc, stacks, 5, &pool, USUAL), 5);
    fake.mark_answer = -EINVAL; /* as after mlockall */
    assert_int_equal(get_many(&rc, stacks + 5, 35, &pool, USUAL), 35);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(stacks[i]->guard, i < 5 ? EDO_STACK_GUARD_MARKED : EDO_STACK_GUARD_PROTECTED);
        assert_true(is_guarded(stacks[i]));
    }
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 100), -ENOMEM); /* these were not promised before */
    edo_stack_pool_put(&pool, stacks, 40);
    edo_stack_pool_unreserve(&pool, USUAL, 40);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k5_a_refused_mark_is_made_up_for_by_protection(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[2];

    (void)state;
    fake_kernel_begin();
    if (!marks_work())
        skip();
    edo_stack_pool_init(&pool, NULL);
    fake.mark_answer = -ENOMEM; /* no page tables left, just now */
    assert_int_equal(edo_stack_pool_get(&stacks[0], 1, &pool, USUAL), 1);
    assert_int_equal(stacks[0]->guard, EDO_STACK_GUARD_PROTECTED);
    assert_true(is_guarded(stacks[0]));
    fake.mark_answer = 1;
    assert_int_equal(edo_stack_pool_get(&stacks[1], 1, &pool, USUAL), 1);
    assert_int_equal(stacks[1]->guard, EDO_STACK_GUARD_MARKED);
    edo_stack_pool_put(&pool, stacks, 2);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k5_a_stack_whose_guard_is_refused_is_kept_for_later(void **state)
{
    enum { COUNT = 64 }; /* a whole slab, so that none may be lost */
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[COUNT];
    int rc;

    (void)state;
    fake_kernel_begin();
    if (!marks_work())
        skip();
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, COUNT), 0);
    fake.map_most = 1;
    fake.mark_answer = -ENOMEM;
    fake.protect_refused = true;
    assert_int_equal(edo_stack_pool_get(stacks, 10, &pool, USUAL), -ENOMEM);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.stacks, COUNT);
    assert_int_equal(stats.in_use, 0);
    fake.mark_answer = 1;
    assert_int_equal(get_many(&rc, stacks, COUNT, &pool, USUAL), COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_true(is_guarded(stacks[i]));
    edo_stack_pool_put(&pool, stacks, COUNT);
    edo_stack_pool_unreserve(&pool, USUAL, COUNT);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static int with_locked_memory(void)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[5];
    int rc;

    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        return 77;
    edo_stack_guard_forget();
    edo_stack_pool_init(&pool, NULL);
    if (get_many(&rc, stacks, 5, &pool, 0) != 5)
        return 1;
    if (EDO_ASAN || EDO_TSAN)
        return 77; /* these let no memory be locked */
    for (int i = 0; i < 5; i++)
        if (stacks[i]->guard != EDO_STACK_GUARD_PROTECTED || !is_guarded(stacks[i]))
            return 2;
    edo_stack_pool_put(&pool, stacks, 5);
    edo_stack_pool_finish(&pool);
    return 0;
}

static void test_k1_guards_are_protected_under_mlockall(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(with_locked_memory());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* not permitted, or not done */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- Rung 3 ------------------------------------------------------------------------------------------------------- */

static void test_k1_stacks_may_go_without_guards_where_that_is_allowed(void **state)
{
    struct edo_stack_options options = {.allow_unguarded = true};
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[200];
    int rc;

    (void)state;
    fake_kernel_begin();
    fake.mark_answer = -EINVAL;
    fake.map_count = "100\n";
    edo_stack_pool_init(&pool, &options);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 200), 0);
    assert_int_equal(get_many(&rc, stacks, 200, &pool, USUAL), 200);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(stacks[i]->guard, i < 22 ? EDO_STACK_GUARD_PROTECTED : EDO_STACK_GUARD_ABSENT);
        if (i < 22)
            assert_true(is_guarded(stacks[i]));
        else
            assert_true(usable(stacks[i]->low));
    }
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.unguarded, 178);
    edo_stack_pool_put(&pool, stacks, 200);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

/* --- Strict commit accounting ------------------------------------------------------------------------------------- */

static void strict_stacks(int mark_answer)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[80];
    int rc;

    fake_kernel_begin();
    fake.overcommit = "2\n";
    fake.mark_answer = mark_answer;
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(get_many(&rc, stacks, 80, &pool, USUAL), 80);
    assert_int_equal(atomic_load(&fake.writable_maps), 0);
    for (int i = 0; i < 80; i++)
        assert_true(is_guarded(stacks[i]));
    edo_stack_pool_put(&pool, stacks, 80);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k1_stacks_work_under_strict_commit_accounting(void **state)
{
    (void)state;
    strict_stacks(1);
    strict_stacks(-EINVAL);
}

static void test_k1_strictly_only_promised_stacks_are_charged(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stacks[40];
    long pages = (long)(edo_stack_class_size(USUAL) / edo_page_size());
    char text[256];
    int rc;

    (void)state;
    fake_kernel_begin();
    fake.overcommit = "2\n";
    fake.charge_left = 70 * pages;
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1000), -ENOMEM);
    assert_int_equal(atomic_load(&fake.mapped), 0); /* what it had got by then is left to others */
    fake.charge_left = 30 * pages + 1;              /* and one for the descriptors */
    edo_stack_error_text(text, sizeof text, &pool);
    assert_non_null(strstr(text, "vm.overcommit_memory is 2"));
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 30), 0);
    assert_true(fake.charge_left < pages);
    assert_int_equal(edo_stack_pool_reserve(&pool, USUAL, 1), -ENOMEM);
    fake.map_most = 1;
    assert_int_equal(get_many(&rc, stacks, 40, &pool, USUAL), 30);
    assert_int_equal(rc, -ENOMEM);
    /* The next slot is there, but not charged, and so not usable. */
    assert_false(usable((char *)stacks[29]->low + stacks[29]->size + edo_page_size()));
    edo_stack_pool_put(&pool, stacks, 30);
    edo_stack_pool_unreserve(&pool, USUAL, 30);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

static void test_k1_the_commit_setting_is_read_again_when_a_mapping_is_refused(void **state)
{
    struct edo_stack_pool pool;
    struct edo_stack *stack;

    (void)state;
    fake_kernel_begin();
    fake.overcommit = "0\n";
    assert_false(edo_stack_commit_is_strict());
    fake.overcommit = "2\n";
    assert_false(edo_stack_commit_is_strict());
    fake.calls_until_failure = 0; /* the mapping */
    edo_stack_pool_init(&pool, NULL);
    assert_int_equal(edo_stack_pool_get(&stack, 1, &pool, USUAL), 1);
    assert_true(edo_stack_commit_is_strict());
    assert_int_equal(atomic_load(&fake.writable_maps), 0);
    assert_true(is_guarded(stack));
    edo_stack_pool_put(&pool, &stack, 1);
    edo_stack_pool_finish(&pool);
    fake_kernel_end();
}

/* --- Refusals anywhere -------------------------------------------------------------------------------------------- */

/* The n-th call to the kernel fails. Returns false if there were fewer. */
static bool fail_at(long n, int mark_answer, const char *overcommit, const struct edo_stack_options *options)
{
    struct edo_stack_pool pool;
    struct edo_stack_stats stats;
    struct edo_stack *stacks[100];
    int rc = 0;
    int got = 0;
    bool came;

    fake_kernel_begin();
    fake.mark_answer = mark_answer;
    fake.overcommit = overcommit;
    fake.calls_until_failure = n;
    edo_stack_pool_init(&pool, options);
    if (edo_stack_pool_reserve(&pool, 0, 70) == 0) {
        while (got < 70 && (rc = edo_stack_pool_get(stacks + got, 10, &pool, 0)) > 0)
            got += rc;
        /* One refusal is survived: there are two ways to a guard. */
        assert_in_range(got, 70, 79);
        for (int i = 0; i < got; i++) {
            assert_true(stacks[i]->guard == EDO_STACK_GUARD_ABSENT || is_guarded(stacks[i]));
            memset(stacks[i]->low, 1, stacks[i]->size);
        }
        edo_stack_pool_unreserve(&pool, 0, 70);
    }
    edo_stack_pool_put(&pool, stacks, got);
    edo_stack_pool_stats(&stats, &pool);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.reserved, 0);
    edo_stack_pool_finish(&pool);
    came = fake.calls_until_failure < 0;
    fake_kernel_end();
    return came;
}

static void test_f1_any_single_refusal_has_a_defined_result(void **state)
{
    struct edo_stack_options tight = {.resident_cap = 1};
    struct edo_stack_options loose = {.allow_unguarded = true, .resident_cap = 1};
    int calls[4] = {0};

    (void)state;
    while (fail_at(calls[0], 1, NULL, &tight))
        calls[0]++;
    while (fail_at(calls[1], 1, "2\n", &tight))
        calls[1]++;
    while (fail_at(calls[2], -EINVAL, NULL, &loose))
        calls[2]++;
    while (fail_at(calls[3], -EINVAL, "2\n", &loose))
        calls[3]++;
    for (int i = 0; i < 4; i++)
        assert_in_range(calls[i], 70, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k1_guards_are_marked_at_the_first_get_only),
        cmocka_unit_test(test_k1_guards_are_protected_where_marks_are_unknown),
        cmocka_unit_test(test_k1_a_mark_that_is_accepted_but_not_made_is_not_believed),
        cmocka_unit_test(test_k1_protected_guards_stay_within_the_budget),
        cmocka_unit_test(test_k5_a_reservation_takes_its_guards_from_the_budget),
        cmocka_unit_test(test_k1_without_proc_the_kernels_default_is_assumed),
        cmocka_unit_test(test_k5_promised_stacks_get_guards_though_marks_cease_to_work),
        cmocka_unit_test(test_k5_a_refused_mark_is_made_up_for_by_protection),
        cmocka_unit_test(test_k5_a_stack_whose_guard_is_refused_is_kept_for_later),
        cmocka_unit_test(test_k1_guards_are_protected_under_mlockall),
        cmocka_unit_test(test_k1_stacks_may_go_without_guards_where_that_is_allowed),
        cmocka_unit_test(test_k1_stacks_work_under_strict_commit_accounting),
        cmocka_unit_test(test_k1_strictly_only_promised_stacks_are_charged),
        cmocka_unit_test(test_k1_the_commit_setting_is_read_again_when_a_mapping_is_refused),
        cmocka_unit_test(test_f1_any_single_refusal_has_a_defined_result),
    };

    return cmocka_run_group_tests_name("stack guard", tests, NULL, NULL);
}
