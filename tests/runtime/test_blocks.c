/* SPDX-License-Identifier: MIT */
/*
 * Type-stable blocks: each is handed out once until it comes back, what it holds survives the free list, memory does
 * not grow when blocks go round, and a refused mapping leaves everything as it was.
 */
#include "helpers.h"

#include "runtime/blocks.h"

#include <pthread.h>
#include <sys/mman.h>

/* As tasks and handles: the link comes first, the mark has its place behind it, the rest is the owner's. */
struct thing {
    struct edo_block *link;
    struct edo_batch_mark mark;
    _Atomic uint32_t held;
    uint64_t kept;
    char more[100];
};

static struct edo_platform table;
static _Atomic int maps;
static _Atomic bool refuse;

static int counted_map(void **out, size_t size, int protection, int flags)
{
    if (atomic_load(&refuse))
        return -ENOMEM;
    atomic_fetch_add(&maps, 1);
    return edo_platform_system.map(out, size, protection, flags);
}

static int begin(void **state)
{
    (void)state;
    table = edo_platform_system;
    table.map = counted_map;
    maps = 0;
    refuse = false;
    edo_platform = &table;
    return 0;
}

static struct thing *get(struct edo_block_cache *cache, struct edo_blocks *pool)
{
    struct thing *thing = edo_block_get(cache);

    if (!thing && edo_blocks_fill(cache, pool) == 0)
        thing = edo_block_get(cache);
    return thing;
}

static void test_blocks_are_zeroed_distinct_and_keep_their_content(void **state)
{
    enum { COUNT = 5000 };
    static struct thing *things[COUNT];
    struct edo_block_cache cache = {NULL, 0, NULL};
    struct edo_blocks pool;
    int before;

    (void)state;
    edo_blocks_init(&pool, sizeof(struct thing), offsetof(struct thing, mark));
    for (uint64_t i = 0; i < COUNT; i++) {
        things[i] = get(&cache, &pool);
        assert_non_null(things[i]);
        assert_int_equal((uintptr_t)things[i] % 8, 0);
        assert_int_equal(things[i]->kept, 0);
        things[i]->kept = i + 1;
    }
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(things[i]->kept, i + 1);
    before = maps;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            edo_block_put(&cache, &pool, things[i]);
        for (int i = 0; i < COUNT; i++) {
            things[i] = get(&cache, &pool);
            assert_int_not_equal(things[i]->kept, 0); /* one of those, not a new one */
        }
    }
    assert_int_equal(maps, before);
    edo_blocks_finish(&pool);
}

static void test_f1_a_refused_mapping_is_an_error_and_passes(void **state)
{
    struct edo_block_cache cache = {NULL, 0, NULL};
    struct edo_blocks pool;

    (void)state;
    edo_blocks_init(&pool, sizeof(struct thing), offsetof(struct thing, mark));
    refuse = true;
    assert_int_equal(edo_blocks_fill(&cache, &pool), -ENOMEM);
    assert_null(edo_block_get(&cache));
    refuse = false;
    assert_int_equal(edo_blocks_fill(&cache, &pool), 0);
    assert_non_null(edo_block_get(&cache));
    edo_blocks_finish(&pool);
}

enum { THREADS = 4, HELD = 200 };

struct round {
    struct edo_blocks *pool;
    uint64_t random;
    int rounds;
    bool doubled;
};

/* Takes and gives at random, with a cache of its own, as a worker does. */
static void *go_round(void *argument)
{
    struct round *round = argument;
    struct edo_block_cache cache = {NULL, 0, NULL};
    struct thing *held[HELD] = {NULL};

    for (int i = 0; i < round->rounds; i++) {
        struct thing **place = &held[edo_test_random(&round->random) % HELD];

        if (*place) {
            round->doubled |= atomic_fetch_sub(&(*place)->held, 1) != 1;
            edo_block_put(&cache, round->pool, *place);
            *place = NULL;
        } else {
            *place = get(&cache, round->pool);
            round->doubled |= atomic_fetch_add(&(*place)->held, 1) != 0;
        }
    }
    for (int i = 0; i < HELD; i++)
        if (held[i]) {
            round->doubled |= atomic_fetch_sub(&held[i]->held, 1) != 1;
            edo_block_put(&cache, round->pool, held[i]);
        }
    if (cache.full)
        edo_blocks_give(round->pool, cache.full, EDO_BLOCK_BATCH);
    if (cache.free)
        edo_blocks_give(round->pool, cache.free, cache.count);
    return NULL;
}

static void test_no_block_is_held_twice(void **state)
{
    struct round rounds[THREADS];
    pthread_t threads[THREADS];
    struct edo_blocks pool;

    (void)state;
    edo_blocks_init(&pool, sizeof(struct thing), offsetof(struct thing, mark));
    for (int i = 0; i < THREADS; i++) {
        rounds[i] = (struct round){&pool, edo_test_seed() + (uint64_t)i, edo_test_rounds(200000), false};
        assert_int_equal(pthread_create(&threads[i], NULL, go_round, &rounds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(rounds[i].doubled);
    }
    edo_blocks_finish(&pool);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blocks_are_zeroed_distinct_and_keep_their_content, begin, restore_table),
        cmocka_unit_test_setup_teardown(test_f1_a_refused_mapping_is_an_error_and_passes, begin, restore_table),
        cmocka_unit_test_setup_teardown(test_no_block_is_held_twice, begin, restore_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
