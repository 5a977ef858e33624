/* SPDX-License-Identifier: MIT */
/*
 * A stall with the heap locked: whoever wants memory waits, and starting a thread wants some. Whatever else the runtime
 * does about stalls goes on.
 */
#include "runtime/helpers.h"

#include "observe/locked_heap.h"
#include "runtime/runtime.h"

#include <edo/stall.h>

static struct {
    _Atomic int begun; /* reports, of "first", "second", "third" */
    _Atomic int ended;
    _Atomic bool enough;
} world;

static void note(const edo_stall *stall, void *argument)
{
    (void)argument;
    if (stall->name && (strcmp(stall->name, "keeps the heap") == 0 || strcmp(stall->name, "computes") == 0))
        atomic_fetch_add(stall->ended ? &world.ended : &world.begun, 1);
}

static int keeps_the_heap(void *argument)
{
    (void)argument;
    heap_hold();
    while (!atomic_load(&world.enough))
        ;
    heap_let();
    return 0;
}

/* Until so many stalls have been reported, its own the last of them. */
static int computes(void *argument)
{
    while (atomic_load(&world.begun) < *(int *)argument)
        ;
    return 0;
}

static int opens(void *argument)
{
    atomic_store((_Atomic bool *)argument, true);
    return 0;
}

static int waits_for_others(void *argument)
{
    while (!atomic_load((_Atomic bool *)argument))
        ;
    return 0;
}

static int root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    _Atomic bool opened = false;
    int all = 2;
    int rc = 0;

    (void)argument;
    while (edo_threads_want_reserve(edo_thread_self()->runtime)) /* until there is a thread in reserve */
        edo_sleep(EDO_MS(1));
    EDO_SCOPE (scope, &rc) {
        EDO_SCOPE (second, &rc) {
            CHECK_RC(edo_spawn(scope, keeps_the_heap, NULL, .name = "keeps the heap"), 0);
            CHECK_RC(edo_spawn(second, computes, &all, .name = "computes"), 0);
        }
        CHECK(atomic_load(&world.begun) >= 2);
        atomic_store(&world.enough, true);
    }
    while (atomic_load(&world.ended) < 2)
        edo_sleep(EDO_MS(1));
    /* Now that there is memory there are threads again, too: who stalls keeps nobody. */
    EDO_SCOPE (last, &rc) {
        CHECK_RC(edo_spawn(last, waits_for_others, ARGUMENT(&opened)), 0);
        CHECK_RC(edo_spawn(last, opens, ARGUMENT(&opened)), 0);
    }
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK(metrics.handoffs >= 2);
    return rc;
}

static void test_s6_a_stall_with_the_heap_locked_stops_neither_reports_nor_hand_offs(void **state)
{
    (void)state;
    assert_int_equal(run_with(root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_MS(2), .on_stall = note)),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s6_a_stall_with_the_heap_locked_stops_neither_reports_nor_hand_offs),
    };

    alarm(30 * EDO_TEST_SCALE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
